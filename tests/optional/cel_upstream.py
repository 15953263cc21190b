#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our CEL with cel-expr-python, which shardyfusion evaluates with.

Random expressions that fit their types are evaluated there; what comes out is
written as vectors (tests/data/cel/README), which cel_conformance runs. Upstream
differs by intent in what follows, which is not generated:

- int(" 1") and int("+1"): upstream takes spaces around and a plus, cel-go
  takes no spaces, cel-spec says nothing; we take digits and a minus.
- r"\\": upstream refuses a raw string that ends with a backslash, though its
  own grammar has it.
- --x, !!x: upstream drops pairs of operators, and so misses that the negation
  of the least int does not fit. Operands stand in parentheses here.
- strings and bytes with NUL as values of variables: the Python binding cuts
  them there. (Literals may have it.)
- int(dyn(true)) is 1 upstream, though its checker has no int(bool).
- dyn(b"a") in {"a": 1} is an error upstream, false here, as any other key that
  is not there: bytes are no keys.
- string() of a NaN whose sign bit is set, which x86 makes of 0.0 / 0.0, is
  "-nan" upstream; ours is "nan" for every NaN.
- more than 32 levels: upstream's limit; ours is 250.
- what needs much memory or many steps: other limits.
"""

import argparse
import base64
import ctypes
import json
import math
import random
import subprocess
import sys

from cel_expr_python import cel

TYPES = {
    "int": cel.Type.INT,
    "uint": cel.Type.UINT,
    "double": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "string": cel.Type.STRING,
    "bytes": cel.Type.BYTES,
    "list(int)": cel.Type.List(cel.Type.INT),
    "list(string)": cel.Type.List(cel.Type.STRING),
    "map(string, int)": cel.Type.Map(cel.Type.STRING, cel.Type.INT),
}
SCALARS = ("int", "uint", "double", "bool", "string", "bytes")
VARIABLES = {
    "i": "int",
    "j": "int",
    "u": "uint",
    "d": "double",
    "b": "bool",
    "s": "string",
    "t": "string",
    "y": "bytes",
    "l": "list(int)",
    "n": "list(string)",
    "m": "map(string, int)",
}
INTS = (0, 1, 2, 3, 5, 7, 10, 16, 63, 64, 100, 255, 2**31, 2**32, 2**53 + 1, 2**63 - 1)
DOUBLES = (
    0.0,
    0.5,
    1.0,
    1.5,
    2.0,
    0.1,
    1e6,
    123456.789,
    1e-5,
    1e100,
    2.0**53,
    2.0**63,
    2.0**64,
)
STRINGS = (
    "",
    "a",
    "b",
    "ab",
    "abc",
    "us-west",
    "eu",
    "1",
    "-1",
    "42",
    "1.5",
    "true",
    "\u20ac",
    "\u00e9t\u00e9",
    "\U0001f431",
    "%",
    ":",
    "a:b",
    "0",
    "false",
    "t",
    "1e3",
    "x.y",
)
PATTERNS = (
    "a",
    "^a",
    "b$",
    "^[a-z]+$",
    "a.c",
    "[0-9]+",
    ".",
    "^$",
    "(a|b)+",
    "\\\\d",
    "\u20ac",
)


def signed(rng, value):
    return value if rng.random() < 0.6 else -value


def value_of(rng, kind):
    """A random value for a variable."""
    if kind == "int":
        return signed(rng, rng.choice(INTS)) if rng.random() < 0.9 else -(2**63)
    if kind == "uint":
        return rng.choice(INTS + (2**63, 2**64 - 1))
    if kind == "double":
        return rng.choice(
            (
                signed(rng, rng.choice(DOUBLES)),
                rng.uniform(-1e3, 1e3),
                math.inf,
                math.nan,
                rng.random() * 10.0 ** rng.randint(-300, 300),
            )
        )
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "string":
        return rng.choice(STRINGS)
    if kind == "bytes":
        return bytes(rng.randint(1, 255) for _ in range(rng.randint(0, 5)))
    if kind == "list(int)":
        return [value_of(rng, "int") for _ in range(rng.randint(0, 4))]
    if kind == "list(string)":
        return [value_of(rng, "string") for _ in range(rng.randint(0, 4))]
    return {rng.choice("abc"): value_of(rng, "int") for _ in range(rng.randint(0, 3))}


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Writer:
    """Writes a random expression of a type."""

    def __init__(self, rng, wild):
        self.rng = rng
        self.wild = wild
        self.scope = dict(VARIABLES)
        self.fresh = 0

    def literal(self, kind):
        rng = self.rng
        if kind == "int":
            return str(value_of(rng, "int"))
        if kind == "uint":
            return f"{value_of(rng, 'uint')}u"
        if kind == "double":
            number = signed(rng, rng.choice(DOUBLES))
            return (
                repr(number)
                if "e" in repr(number) or "." in repr(number)
                else f"{number}.0"
            )
        if kind == "bool":
            return rng.choice(("true", "false"))
        if kind == "string":
            return quoted(rng.choice(STRINGS + ("a\\u0000b",))).replace(
                "\\\\u0000", "\\u0000"
            )
        if kind == "bytes":
            return (
                'b"'
                + "".join(
                    f"\\x{rng.randint(0, 255):02x}" for _ in range(rng.randint(0, 4))
                )
                + '"'
            )
        if kind == "list(int)":
            return (
                "["
                + ", ".join(self.literal("int") for _ in range(rng.randint(1, 4)))
                + "]"
            )
        if kind == "list(string)":
            return (
                "["
                + ", ".join(self.literal("string") for _ in range(rng.randint(1, 4)))
                + "]"
            )
        keys = rng.sample("abcd", rng.randint(1, 3))
        return "{" + ", ".join(f'"{k}": {self.literal("int")}' for k in keys) + "}"

    def leaf(self, kind):
        names = [name for name, of in self.scope.items() if of == kind]
        if names and self.rng.random() < 0.6:
            return self.rng.choice(names)
        return self.literal(kind)

    def any(self, *kinds):
        return self.rng.choice(kinds)

    def within(self, kind, body, depth):
        """An expression in which a variable of a macro is known."""
        self.fresh += 1
        name = f"v{self.fresh}"
        self.scope[name] = kind
        text = self.expression(body, depth)
        del self.scope[name]
        return name, text

    def expression(self, kind, depth):
        if self.rng.random() < self.wild:
            kind = self.rng.choice(tuple(TYPES))
            if kind not in ("bool", "bytes") and self.any(False, True):
                return f"dyn({self.leaf(kind)})"
            return self.leaf(kind)
        if depth <= 0 or self.rng.random() < 0.1:
            return self.leaf(kind)
        if self.rng.random() < 0.1:
            a, b, c = (self.expression(k, depth - 1) for k in ("bool", kind, kind))
            return f"({a} ? {b} : {c})"
        return getattr(self, "make_" + kind.split("(")[0])(kind, depth - 1)

    def make_int(self, kind, depth):
        e = lambda k: self.expression(k, depth)
        return self.any(
            lambda: f"({e('int')} {self.any('+', '-', '*', '/', '%')} {e('int')})",
            lambda: f"-({e('int')})",
            lambda: f"int({e(self.any('int', 'uint', 'double', 'string'))})",
            lambda: f"size({e(self.any('string', 'bytes', 'list(int)', 'list(string)', 'map(string, int)'))})",
            lambda: f"{e('list(int)')}[{e('int')}]",
            lambda: f'{e("map(string, int)")}["{self.any(*"abc")}"]',
            lambda: f"{e('map(string, int)')}.{self.any(*'abc')}",
            lambda: f"({e('int')} {self.any('+', '-', '*', '/', '%')} {self.literal('int')})",
        )()

    def make_uint(self, kind, depth):
        e = lambda k: self.expression(k, depth)
        return self.any(
            lambda: f"({e('uint')} {self.any('+', '-', '*', '/', '%')} {e('uint')})",
            lambda: f"uint({e(self.any('int', 'uint', 'double', 'string'))})",
            lambda: f"shard_hash({e(self.any('int', 'uint', 'string', 'bytes'))})",
            lambda: f"(shard_hash({e(self.any('int', 'string'))}) % {self.rng.randint(1, 64)}u)",
        )()

    def make_double(self, kind, depth):
        e = lambda k: self.expression(k, depth)
        return self.any(
            lambda: f"({e('double')} {self.any('+', '-', '*', '/')} {e('double')})",
            lambda: f"-({e('double')})",
            lambda: f"double({e(self.any('int', 'uint', 'double', 'string'))})",
        )()

    def make_string(self, kind, depth):
        e = lambda k: self.expression(k, depth)
        return self.any(
            lambda: f"({e('string')} + {e('string')})",
            lambda: f"({e('string')} + {self.literal('string')} + {e('string')})",
            lambda: f"string({e(self.any('int', 'uint', 'bool', 'string', 'bytes'))})",
            lambda: f"string({self.leaf('double')})",
            lambda: "string({0} == {0} ? {0} : 0.0)".format(e("double")),
            lambda: f"{e('list(string)')}[{e('int')}]",
        )()

    def make_bytes(self, kind, depth):
        e = lambda k: self.expression(k, depth)
        return self.any(
            lambda: f"({e('bytes')} + {e('bytes')})",
            lambda: f"bytes({e('string')})",
            lambda: f"bytes({e('bytes')})",
        )()

    def make_bool(self, kind, depth):
        e = lambda k: self.expression(k, depth)
        compared = self.any("int", "uint", "double", "string", "bytes", "bool")
        of = self.any(*SCALARS, "list(int)", "list(string)", "map(string, int)")
        return self.any(
            lambda: f"({e(compared)} {self.any('<', '<=', '>', '>=')} {e(compared)})",
            lambda: f"({e(of)} {self.any('==', '!=')} {e(of)})",
            lambda: f"({e('bool')} {self.any('&&', '||')} {e('bool')})",
            lambda: f"({e('bool')} {self.any('&&', '||')} {e('bool')})",
            lambda: f"!({e('bool')})",
            lambda: f"(dyn({e(self.any('int', 'uint', 'double'))}) {self.any('<', '<=', '>', '>=', '==', '!=')} "
            f"{e(self.any('int', 'uint', 'double'))})",
            lambda: f"(dyn({e(self.any(*SCALARS))}) {self.any('==', '!=')} {e(self.any(*SCALARS))})",
            lambda: f"{e('string')}.{self.any('startsWith', 'endsWith', 'contains')}({e('string')})",
            lambda: f'{e("string")}.matches("{self.any(*PATTERNS)}")',
            lambda: f"({e('int')} in {e('list(int)')})",
            lambda: f"({e('string')} in {e(self.any('list(string)', 'map(string, int)'))})",
            lambda: f"has({e('map(string, int)')}.{self.any(*'abc')})",
            lambda: f"bool({e(self.any('bool', 'string'))})",
            lambda: self.quantified(depth),
        )()

    def quantified(self, depth):
        item, of = self.any(
            ("int", "list(int)"),
            ("string", "list(string)"),
            ("string", "map(string, int)"),
        )
        walked = self.expression(of, depth)
        name, body = self.within(item, "bool", depth)
        return f"{walked}.{self.any('all', 'exists', 'exists_one')}({name}, {body})"

    def make_list(self, kind, depth):
        item = kind[5:-1]
        return self.any(
            self.list_joined, self.list_literal, self.list_filtered, self.list_mapped
        )(kind, item, depth)

    def list_joined(self, kind, item, depth):
        return f"({self.expression(kind, depth)} + {self.expression(kind, depth)})"

    def list_literal(self, kind, item, depth):
        return (
            "["
            + ", ".join(
                self.expression(item, depth) for _ in range(self.rng.randint(1, 3))
            )
            + "]"
        )

    def list_filtered(self, kind, item, depth):
        walked = self.expression(kind, depth)
        name, body = self.within(item, "bool", depth)
        return f"{walked}.filter({name}, {body})"

    def list_mapped(self, kind, item, depth):
        source = self.any("int", "string")
        walked = self.expression(f"list({source})", depth)
        name, body = self.within(source, item, depth)
        if self.rng.random() < 0.5:
            return f"{walked}.map({name}, {body})"
        self.scope[name] = source
        condition = self.expression("bool", depth)
        del self.scope[name]
        return f"{walked}.map({name}, {condition}, {body})"

    def make_map(self, kind, depth):
        keys = self.rng.sample("abcd", self.rng.randint(1, 3))
        return (
            "{"
            + ", ".join(f'"{k}": {self.expression("int", depth)}' for k in keys)
            + "}"
        )


def typed(kind, value):
    """A value as vectors have it."""
    if kind in ("int", "uint"):
        return {"type": kind, "value": str(value)}
    if kind == "double":
        special = {math.inf: "Infinity", -math.inf: "-Infinity"}
        return {
            "type": kind,
            "value": (
                "NaN" if math.isnan(value) else special.get(value, repr(float(value)))
            ),
        }
    if kind == "bytes":
        return {"type": kind, "value": base64.b64encode(bytes(value)).decode()}
    if kind.startswith("list"):
        return {"type": "list", "value": [typed(kind[5:-1], v) for v in value]}
    if kind.startswith("map"):
        return {
            "type": "map",
            "value": [[typed("string", k), typed("int", v)] for k, v in value.items()],
        }
    return {"type": kind, "value": value}


def shown(value):
    """A value of upstream, whose items are values."""
    kind = str(value.type()).split("<")[0].lower()
    if kind == "list":
        return {"type": kind, "value": [shown(v) for v in value.value()]}
    if kind == "map":
        pairs = [[typed("string", k), shown(v)] for k, v in value.value().items()]
        return {"type": kind, "value": pairs}
    return typed(kind, value.plain_value())


def shard_hash():
    """As shardyfusion declares it: XXH3 of 8 bytes, UTF-8 or bytes."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    library.XXH3_64bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)

    def run(value):
        if isinstance(value, int):
            data = value.to_bytes(8, "little", signed=True)
        else:
            data = value.encode() if isinstance(value, str) else bytes(value)
        return library.XXH3_64bits(data, len(data))

    overloads = [
        cel.Overload(f"shard_hash_{name}", cel.Type.UINT, [TYPES[name]], False, run)
        for name in ("int", "uint", "string", "bytes")
    ]
    return cel.CelExtension("shard_hash", [cel.FunctionDecl("shard_hash", overloads)])


def upstream(environment, row, values):
    """Adds what comes out to the row; False: upstream has a limit there."""
    try:
        program = environment.compile(row["expr"])
    except Exception as error:  # of several types
        if "recursion" in str(error):
            return False
        row.update(error=True, phase="compile")
        return True
    try:
        result = program.eval(data=values)
        if str(result.type()).lower().split("<")[0] == "error":
            raise ValueError(result.plain_value())
        row["result"] = shown(result)
    except Exception as error:  # of several types
        row.update(error=True, phase="eval", message=str(error)[:200])
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runner", help="the program cel_conformance")
    parser.add_argument("vectors", help="the file that is written")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument(
        "--wild",
        type=float,
        default=0.03,
        help="how often the type is not the one that fits",
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    environment = cel.NewEnv(
        variables={n: TYPES[t] for n, t in VARIABLES.items()}, extensions=[shard_hash()]
    )
    written = errors = 0
    with open(args.vectors, "w", encoding="utf-8") as out:
        while written < args.count:
            kind = rng.choice(
                SCALARS + ("list(int)", "list(string)", "map(string, int)")
            )
            values = {name: value_of(rng, of) for name, of in VARIABLES.items()}
            row = {
                "file": "upstream",
                "section": str(args.seed),
                "name": str(written),
                "tier": kind,
                "check": True,
                "expr": Writer(rng, args.wild if written % 2 else 0).expression(
                    kind, rng.randint(1, 5)
                ),
                "vars": VARIABLES,
                "bindings": {n: typed(VARIABLES[n], v) for n, v in values.items()},
            }
            if len(row["expr"]) < 4000 and upstream(environment, row, values):
                out.write(json.dumps(row) + "\n")
                written += 1
                errors += "error" in row
    print(
        f"seed {args.seed}: {written} expressions, {errors} of them errors", flush=True
    )
    return subprocess.call([args.runner, args.vectors])


if __name__ == "__main__":
    sys.exit(main())
