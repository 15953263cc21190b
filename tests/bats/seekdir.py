#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a directory to its end, then again from many of its places.

    seekdir.py DIRECTORY

A listing taken up at a place must go on as the first one did. Python has no
seekdir, so the C library is called.
"""
import ctypes
import sys


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64),
                ("reclen", ctypes.c_ushort), ("type", ctypes.c_ubyte),
                ("name", ctypes.c_char * 4096)]


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = ctypes.c_void_p
    libc.readdir64.restype = ctypes.POINTER(Dirent)
    libc.telldir.restype = ctypes.c_long
    directory = ctypes.c_void_p(libc.opendir(sys.argv[1].encode()))

    def next_name():
        entry = libc.readdir64(directory)
        return entry.contents.name if entry else None

    first = []
    places = []
    while True:
        places.append(libc.telldir(directory))
        name = next_name()
        if name is None:
            break
        first.append(name)
    step = max(1, len(first) // 50)
    for at in [*range(0, len(first), step), len(first), 1, 0]:
        libc.seekdir(directory, ctypes.c_long(places[at]))
        if [next_name() for _ in range(3)] != (first + [None] * 3)[at:at + 3]:
            sys.exit(f"from place {at} it goes on differently")
    libc.rewinddir(directory)
    again = []
    while (name := next_name()) is not None:
        again.append(name)
    if again != first:
        sys.exit("after rewinding it differs")
    print(f"{len(first) - 2} names, all places agree")


main()
