#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads and lists through one directory after the other, until told to stop.

    crowd.py MOUNT STOP_FILE

The keys are 0 to 199 with values "round R N". Whatever is read through one
directory descriptor must be of one round.
"""
import os
import random
import sys


def read(name, dir_fd):
    fd = os.open(name, os.O_RDONLY, dir_fd=dir_fd)
    try:
        return os.read(fd, 100).decode()
    finally:
        os.close(fd)


def main():
    mount, stop = sys.argv[1:]
    chance = random.Random(os.getpid())
    rounds = set()
    passes = 0
    while not os.path.exists(stop):
        base = chance.choice(("keys", "current/keys"))
        keys = os.open(f"{mount}/{base}", os.O_RDONLY | os.O_DIRECTORY)
        told = read("0", keys).rsplit(" ", 1)[0]
        for key in chance.sample(range(200), 40):
            value = read(str(key), keys)
            if value != f"{told} {key}":
                sys.exit(f"{value!r} in {told!r}")
        if len(os.listdir(keys)) != 200:
            sys.exit("a listing is not whole")
        os.close(keys)
        rounds.add(told)
        passes += 1
    print(f"{passes} passes, {len(rounds)} rounds")


main()
