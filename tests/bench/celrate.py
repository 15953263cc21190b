#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The measures of celrate.c with cel-expr-python: celrate.py COUNT.

One evaluation is what shardyfusion does for a record: an activation from a
dictionary, the evaluation, and the plain value.
"""

import ctypes
import sys
import time

from cel_expr_python import cel

RANGES, WIDTH, VALUES = 1000, 10, 1024


def shard_hash():
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    library.XXH3_64bits.argtypes = (ctypes.c_char_p, ctypes.c_size_t)

    def run(text):
        data = text.encode()
        return library.XXH3_64bits(data, len(data))

    overload = cel.Overload(
        "shard_hash_string", cel.Type.UINT, [cel.Type.STRING], False, run
    )
    return cel.CelExtension(
        "shard_hash", [cel.FunctionDecl("shard_hash", [overload])]
    )


def ranges(low, high):
    middle = low + (high - low) // 2
    if high - low == 1:
        return str(low)
    return f"(key < {middle * WIDTH} ? {ranges(low, middle)} : {ranges(middle, high)})"


def measure(name, program, rows, count):
    began = time.perf_counter()
    for i in range(count):
        program.eval(data=rows[i % VALUES]).plain_value()
    print(name, round(count / (time.perf_counter() - began)))


def main():
    count = int(sys.argv[1])
    keys = [{"key": i * 7919 % (RANGES * WIDTH)} for i in range(VALUES)]
    regions = ("us-west", "eu", "ap-south")
    rows = [{"region": regions[i % 3], "id": i * 7919 % 1000003} for i in range(VALUES)]
    environment = cel.NewEnv(
        variables={
            "key": cel.Type.INT,
            "region": cel.Type.STRING,
            "id": cel.Type.INT,
        },
        extensions=[shard_hash()],
    )
    program = environment.compile('shard_hash(region + ":" + string(id)) % 64u')
    measure("hash", program, rows, count)
    measure("modulo", environment.compile("key % 16"), keys, count)
    began = time.perf_counter()
    program = environment.compile(ranges(0, RANGES))
    print("compile", round((time.perf_counter() - began) * 1e6, 1))
    measure("ranges", program, keys, count)


main()
