#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares a mounted golden store that is routed by CEL with its files.

    routing_check.py GOLDEN_STORE MOUNT [SHARDYCTL]

Every key with its context, through where/ in every order of its columns,
through routes/, and every absent key, at the root and below snapshots/ID/;
with SHARDYCTL also through get and route.
"""
import itertools
import json
import os
import subprocess
import sys

faults = []


def fault(text):
    faults.append(text)


def encode(data):
    """A name that decodes to the bytes; not the canonical one of all."""
    return "".join(chr(b) if chr(b).isalnum() and b < 0x80 else f"%{b:02X}"
                   for b in data) or "%"


def text_of(value):
    if isinstance(value, dict):
        return encode(bytes.fromhex(value["hex"]))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else encode(value.encode())


def key_name(entry, encoding):
    key = bytes.fromhex(entry["key_hex"])
    if encoding in ("u64be", "u32be"):
        return str(int.from_bytes(key, "big"))
    return encode(key)


def token_name(token):
    return str(token) if isinstance(token, int) else encode(token.encode())


def read(path):
    with open(path, "rb") as f:
        return f.read()


def is_absent(path):
    try:
        os.stat(path)
    except FileNotFoundError:
        return True
    return False


class Tree:
    def __init__(self, base, publication):
        self.base = base
        self.publication = publication
        self.encoding = publication["key_encoding"]
        sharding = publication["sharding"]
        self.tokens = sharding["routing_values"]
        self.columns = [c for c in sharding["cel_columns"] if c != "key"]

    def where(self, entry):
        """Its directories of keys, one for each order of the columns."""
        context = entry["context"]
        return ["/".join([self.base, "where"] +
                         [f"{c}={text_of(context[c])}" for c in order] +
                         ["keys"])
                for order in itertools.permutations(self.columns)]

    def directories(self, entry):
        out = [f"{self.base}/keys"]
        if self.columns:
            out += self.where(entry)
        if entry["db_id"] is not None:
            out.append(f"{self.base}/shards/{entry['db_id']:05d}/keys")
            if self.tokens is not None:
                token = token_name(self.tokens[entry["db_id"]])
                out.append(f"{self.base}/routes/{token}/keys")
        return out

    def check_key(self, entry):
        name = key_name(entry, self.encoding)
        value = bytes.fromhex(entry["value_hex"])
        inodes = set()
        for path in self.directories(entry):
            try:
                if read(f"{path}/{name}") != value:
                    fault(f"{path}/{name}: wrong bytes")
                inodes.add(os.stat(f"{path}/{name}").st_ino)
            except OSError as failed:
                fault(f"{path}/{name}: {failed.strerror}")
        if len(inodes) != 1:
            fault(f"{name}: {len(inodes)} inodes")

    def check_absent(self, entry):
        name = key_name(entry, self.encoding)
        for path in self.directories(entry):
            if not is_absent(f"{path}/{name}"):
                fault(f"{path}/{name} is there")

    def check_elsewhere(self, entry):
        """In another context, where another shard is asked."""
        name = key_name(entry, self.encoding)
        for i in range(self.publication["num_dbs"]):
            path = f"{self.base}/shards/{i:05d}/keys/{name}"
            if is_absent(path) != (i != entry["db_id"]):
                fault(f"{path} is there, or not")

    def check_routes(self):
        routes = f"{self.base}/routes"
        if self.tokens is None:
            if not is_absent(routes):
                fault(f"{routes} is there")
            return
        with os.scandir(routes) as entries:
            listed = {e.name: e for e in entries}
        if set(listed) != {token_name(t) for t in self.tokens}:
            # tokens of these stores need escaping nowhere but in ours
            decoded = {str(t) for t in self.tokens}
            if set(listed) != decoded:
                fault(f"{routes} lists {sorted(listed)}")
        for i, token in enumerate(self.tokens):
            link = f"{routes}/{token_name(token)}"
            if os.readlink(link) != f"../shards/{i:05d}":
                fault(f"{link} is {os.readlink(link)}")
            if os.lstat(link).st_size != len(os.readlink(link)):
                fault(f"{link} has another size")
        for name in ("nothing", "00", "-0", "%zz", "9" * 30):
            if not is_absent(f"{routes}/{name}"):
                fault(f"{routes}/{name} is there")
        if any(not e.is_symlink() or
               e.inode() != os.lstat(e.path).st_ino for e in listed.values()):
            fault(f"{routes}: d_type or d_ino is wrong")

    def check_names(self):
        names = set(os.listdir(self.base))
        if ("where" in names) != bool(self.columns):
            fault(f"{self.base}: where is listed, or not")
        if ("routes" in names) != (self.tokens is not None):
            fault(f"{self.base}: routes is listed, or not")
        if not self.columns and not is_absent(f"{self.base}/where"):
            fault(f"{self.base}: where is there")

    def check(self, expected, missing):
        self.check_names()
        self.check_routes()
        for entry in expected:
            self.check_key(entry)
            self.check_elsewhere(entry)
        for entry in missing:
            self.check_absent(entry)


def check_ctl(ctl, tree, target, entry, is_there):
    """get and route, with the columns as texts."""
    context = entry["context"]
    args = [f"--column={c}={raw_of(context[c])}" for c in tree.columns]
    name = key_name(entry, tree.encoding)
    run = subprocess.run([ctl, "get", *args, target, name], timeout=60,
                         capture_output=True, check=False)
    value = bytes.fromhex(entry.get("value_hex", ""))
    if run.returncode != (0 if is_there else 1) or run.stdout != value:
        fault(f"get {name}: {run}")
    run = subprocess.run([ctl, "route", "--json", *args, target, name],
                         timeout=60, capture_output=True, check=False)
    if json.loads(run.stdout)["shard"] != entry["db_id"]:
        fault(f"route {name}: {run}")
    if entry["db_id"] is None and (
            run.returncode != 1 or
            b"UnknownRoutingToken" not in run.stderr):
        fault(f"route {name}: {run}")


def raw_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def main():
    golden, mount = sys.argv[1:3]
    with open(f"{golden}/store.json", encoding="utf-8") as text:
        publication = json.load(text)["history"][-1]
    rows = []
    for name in ("expected", "missing"):
        with open(f"{golden}/{publication[name]}", encoding="utf-8") as lines:
            rows.append([json.loads(line) for line in lines])
    snapshots = os.listdir(f"{mount}/snapshots")
    for base in (mount, f"{mount}/snapshots/{snapshots[0]}"):
        tree = Tree(base, publication)
        tree.check(*rows)
        if not rows[0] or not rows[1]:
            fault("no rows")
    if len(sys.argv) > 3:
        for entry in rows[0][:10]:
            check_ctl(sys.argv[3], tree, mount, entry, True)
        for entry in rows[1]:
            check_ctl(sys.argv[3], tree, mount, entry, False)
    for text in faults[:20]:
        print(text)
    sys.exit(1 if faults else 0)


main()
