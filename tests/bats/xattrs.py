#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the attributes that a path lists, or compares one with a file.

    xattrs.py list PATH
    xattrs.py sha256 PATH      user.shardyfs.value_sha256 is that of the bytes
"""
import hashlib
import os
import sys


def main():
    what, path = sys.argv[1:]
    if what == "list":
        for name in sorted(os.listxattr(path)):
            print(name)
        return
    with open(path, "rb") as value:
        digest = hashlib.sha256(value.read()).hexdigest()
    told = os.getxattr(path, "user.shardyfs.value_sha256").decode()
    if told != digest:
        sys.exit(f"{path}: {told}, but its bytes have {digest}")


main()
