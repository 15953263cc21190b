#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a file in the ways that programs do, and compares with a copy.

    reads.py FILE COPY
"""
import mmap
import os
import random
import sys


def check(what, is_same):
    if not is_same:
        sys.exit(f"{what} differs")


def main():
    path, copy = sys.argv[1:]
    with open(copy, "rb") as whole:
        expected = whole.read()
    size = len(expected)
    fd = os.open(path, os.O_RDONLY)
    check("size", os.fstat(fd).st_size == size)

    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped:
        check("mapping", mapped[:] == expected)

    sink = os.memfd_create("sink")
    sent = 0
    while sent < size:
        done = os.sendfile(sink, fd, sent, size - sent)
        check("end of sendfile", done > 0)
        sent += done
    check("sendfile", os.pread(sink, size + 1, 0) == expected)

    chance = random.Random(1)
    for _ in range(200):
        at = chance.randrange(size)
        length = chance.randrange(1, 300000)
        check(f"pread at {at}",
              os.pread(fd, length, at) == expected[at:at + length])
    check("pread at the end", os.pread(fd, 10, size) == b"")
    check("pread behind the end", os.pread(fd, 10, size + 5000) == b"")
    check("SEEK_END", os.lseek(fd, -3, os.SEEK_END) == size - 3)
    check("last bytes", os.read(fd, 10) == expected[-3:])


main()
