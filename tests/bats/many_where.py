#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Uses that many directories below where/, and the first one again.

    many_where.py MOUNT COUNT

The values are long, so that the mount's table of them overflows.
"""
import os
import sys


def main():
    mount, count = sys.argv[1], int(sys.argv[2])
    with open(f"{mount}/where/region=eu/keys/42", "rb") as f:
        f.read()
    first = None
    for i in range(count):
        path = f"{mount}/where/region={'x' * 900}{i}"
        if first is None:
            first = path
        os.stat(path)
    # both have long made room: their paths work all the same
    assert os.listdir(first) == ["keys"]
    assert not os.path.exists(f"{first}/keys/42")
    with open(f"{mount}/where/region=eu/keys/42", "rb") as f:
        assert f.read() == b"forty-two"


main()
