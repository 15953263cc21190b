#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that a broken shard breaks its own keys, and nothing else.

    faulty.py MOUNT ERRNO SHARD KEYS...

The store has the keys 0 to 99 with values "value N"; KEYS lie in the broken
shard. An absent key that belongs there is not known to be absent.
"""
import errno
import os
import sys

MOUNT, CODE, SHARD = sys.argv[1:4]
BROKEN = set(sys.argv[4:])
faults = []


def outcome(call, path):
    try:
        return call(f"{MOUNT}/{path}")
    except OSError as failed:
        return errno.errorcode[failed.errno]


def read(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16).decode()
    finally:
        os.close(fd)


def expect(what, got, expected):
    if got != expected:
        faults.append(f"{what}: {got!r}, not {expected!r}")


def check_absent():
    unsure = 0
    for key in range(100, 160):
        got = outcome(os.stat, f"keys/{key}")
        expect(f"absent key {key} in its shard",
               outcome(os.stat, f"shards/{SHARD}/keys/{key}"), got)
        if got == CODE:
            unsure += 1
        else:
            expect(f"absent key {key}", got, "ENOENT")
    if unsure == 0:
        faults.append("no absent key belongs to the broken shard")


def main():
    for key in map(str, range(100)):
        expected = CODE if key in BROKEN else f"value {key}"
        expect(f"key {key}", outcome(read, f"keys/{key}"), expected)
        in_shard = CODE if key in BROKEN else "ENOENT"
        expect(f"key {key} in the shard",
               outcome(read, f"shards/{SHARD}/keys/{key}"), in_shard)
    check_absent()
    expect("listing keys/", outcome(os.listdir, "keys"), CODE)
    expect("listing the shard", outcome(os.listdir, f"shards/{SHARD}/keys"),
           CODE)
    listed = sum(len(os.listdir(f"{MOUNT}/shards/{name}/keys"))
                 for name in os.listdir(f"{MOUNT}/shards") if name != SHARD)
    expect("keys listed in other shards", listed, 100 - len(BROKEN))
    print("\n".join(faults[:20]))
    sys.exit(1 if faults else 0)


main()
