#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds on to a snapshot in every way there is, while another is published.

    pinned.py MOUNT COMMAND...

The keys are 0 to 9 with values "old N"; the command publishes "new N". All
that was open stays on the old snapshot, also for keys that were not read
before; all names of the root show the new one.
"""
import json
import mmap
import os
import subprocess
import sys
import time

DEADLINE = time.monotonic() + 30


def read(path, dir_fd=None):
    fd = os.open(path, os.O_RDONLY, dir_fd=dir_fd)
    try:
        return os.read(fd, 1 << 20).decode()
    finally:
        os.close(fd)


def expect(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: {got!r}, not {expected!r}")


def wait_for(what, expected, look):
    while (got := look()) != expected:
        if time.monotonic() > DEADLINE:
            sys.exit(f"{what}: still {got!r}")
        time.sleep(0.02)


def main():
    mount = sys.argv[1]
    old = os.readlink(f"{mount}/current")
    directory = os.O_RDONLY | os.O_DIRECTORY
    used = os.open(f"{mount}/keys/0", os.O_RDONLY)
    expect("before", os.pread(used, 100, 0), b"old 0")
    unread = os.open(f"{mount}/keys/1", os.O_RDONLY)
    mapped_fd = os.open(f"{mount}/keys/2", os.O_RDONLY)
    mapped = mmap.mmap(mapped_fd, 0, prot=mmap.PROT_READ)
    database = os.open(f"{mount}/shards/00000/shard.db", os.O_RDONLY)
    size = os.fstat(database).st_size
    keys = os.open(f"{mount}/keys", directory)
    shards = os.open(f"{mount}/shards", directory)
    current = os.open(f"{mount}/current/keys", directory)
    os.chdir(f"{mount}/keys")

    new = "snapshots/" + subprocess.run(
        sys.argv[2:], check=True, stdout=subprocess.PIPE,
        text=True).stdout.strip()
    wait_for("keys", "new 0", lambda: read(f"{mount}/keys/0"))
    wait_for("current", new, lambda: os.readlink(f"{mount}/current"))
    wait_for("_CURRENT", new.split("Z-")[1],
             lambda: json.loads(read(f"{mount}/_CURRENT"))["run_id"])
    wait_for("shards", ["new 0"], lambda: [
        read(f"{mount}/shards/{i}/keys/0")
        for i in os.listdir(f"{mount}/shards")
        if os.path.exists(f"{mount}/shards/{i}/keys/0")])

    expect("open file", os.pread(used, 100, 0), b"old 0")
    expect("open file, not read before", os.read(unread, 100), b"old 1")
    expect("mapping", mapped[:], b"old 2")
    expect("shard.db", len(os.pread(database, 1 << 24, 0)), size)
    expect("directory", read("3", keys), "old 3")
    expect("its listing", sorted(os.listdir(keys)),
           sorted(str(i) for i in range(10)))
    expect("shards", len(os.listdir(shards)), 4)
    expect("working directory", read("4"), "old 4")
    expect("directory below current", read("5", current), "old 5")
    expect("old snapshot", read(f"{mount}/{old}/keys/6"), "old 6")
    expect("new snapshot", read(f"{mount}/{new}/keys/7"), "new 7")
    expect("through current", read(f"{mount}/current/keys/8"), "new 8")
    expect("snapshots", sorted(os.listdir(f"{mount}/snapshots")),
           sorted(name.split("/")[1] for name in (old, new)))


main()
