#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what shardyctl reads from a golden store with what is in it.

    shardyctl_check.py SHARDYCTL GOLDEN_STORE [OPTIONS OF EACH COMMAND...]

All keys and absent keys of every publication are asked for with multiget, in
both formats and shuffled; some of them, and all with names longer than the
kernel carries, with get.
"""
import base64
import hashlib
import json
import os
import random
import struct
import subprocess
import sys

ABSENT = 0xFFFFFFFF
NAME_MAX = 4095
GETS = 12


def fail(text):
    print(text)
    sys.exit(1)


def percent_name(key):
    """Bytes that are not UTF-8 decode to lone surrogates."""
    out = bytearray()
    for at, char in enumerate(key.decode("utf-8", "surrogateescape")):
        if (char < " " or char in "%/\x7f" or "\udc80" <= char <= "\udcff"
                or (at == 0 and char == ".")):
            out += b"%%%02X" % char.encode("utf-8", "surrogateescape")[0]
        else:
            out += char.encode()
    return bytes(out) or b"%"


def name_of(encoding, key):
    if encoding in ("u64be", "u32be"):
        return b"%d" % int.from_bytes(key, "big")
    return percent_name(key)


def read_cases(path, encoding):
    with open(path) as lines:
        for line in lines:
            record = json.loads(line)
            key = bytes.fromhex(record["key_hex"])
            yield name_of(encoding, key), key, record


def is_value(record, value):
    if "value_hex" in record:
        return value == bytes.fromhex(record["value_hex"])
    if "value_len" not in record:
        return value is None
    return (value is not None and len(value) == record["value_len"]
            and hashlib.sha256(value).hexdigest() == record["value_sha256"])


class Store:
    def __init__(self, program, golden, options):
        self.program = program
        self.tree = os.path.join(golden, "tree")
        self.options = options

    def run(self, command, words=(), stdin=b""):
        return subprocess.run(
            [self.program, command, *self.options, "--", self.tree, *words],
            input=stdin, stdout=subprocess.PIPE, check=False)

    def check_json(self, cases):
        names = b"".join(name + b"\n" for name, _, _ in cases)
        done = self.run("multiget", stdin=names)
        lines = done.stdout.decode("ascii").splitlines()
        if done.returncode != 0 or len(lines) != len(cases):
            fail(f"multiget: {done.returncode}, {len(lines)} lines")
        for (name, _, record), line in zip(cases, lines):
            answer = json.loads(line)
            value = answer["value_base64"]
            if value is not None:
                value = base64.b64decode(value, validate=True)
            if answer["key"].encode() != name or not is_value(record, value):
                fail(f"multiget: {name[:80]}: {line[:200]}")

    def check_kv(self, cases):
        names = b"\n".join(name for name, _, _ in cases)
        self.options.append("--format=kv")
        done = self.run("multiget", stdin=names)
        self.options.pop()
        at = 0
        for name, key, record in cases:
            key_len, value_len = struct.unpack_from("<II", done.stdout, at)
            at += 8
            got = done.stdout[at:at + key_len]
            at += key_len
            value = None
            if value_len != ABSENT:
                value = done.stdout[at:at + value_len]
                at += value_len
            if got != key or not is_value(record, value):
                fail(f"multiget --format=kv: {name[:80]}")
        if done.returncode != 0 or at != len(done.stdout):
            fail(f"multiget --format=kv: {done.returncode}, bytes remain")

    def check_get(self, name, record):
        done = self.run("get", [name])
        is_there = "value_hex" in record or "value_len" in record
        value = done.stdout if is_there else None
        if (done.returncode != (0 if is_there else 1)
                or not is_value(record, value)
                or (not is_there and done.stdout)):
            fail(f"get {name[:80]}: {done.returncode}")


def check(program, golden, options, publication, encoding):
    store = Store(program, golden,
                  [*options, "--snapshot", publication["run_id"]])
    cases = []
    for which in ("expected", "missing"):
        path = os.path.join(golden, publication[which])
        cases += read_cases(path, encoding)
    random.Random(1).shuffle(cases)
    store.check_json(cases)
    store.check_kv(cases)
    long = [case for case in cases if len(case[0]) > NAME_MAX]
    for name, _, record in cases[:GETS] + long:
        if len(name) < 100000 and name:
            store.check_get(name, record)
    return len(cases), len(long)


def main():
    program, golden, *options = sys.argv[1:]
    with open(os.path.join(golden, "store.json")) as f:
        about = json.load(f)
    for publication in about["history"]:
        keys, long = check(program, golden, options, publication,
                           publication["key_encoding"])
        print(f"{keys} keys, {long} with long names")


if __name__ == "__main__":
    main()
