#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the examples of a manual page in the working directory.

    examples.py PAGE

A line of a literal block that begins with "$ " is run by a shell; what it
prints must be the lines up to the next one, but for a newline at its end.
"""
import re
import subprocess
import sys


def examples(text):
    """(command, expected output), with troff's escapes taken away."""
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text,
                            re.M | re.S):
        block = block.replace("\\&", "").replace("\\e", "\\")
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def main():
    count = wrong = 0
    with open(sys.argv[1], encoding="utf-8") as page:
        text = page.read()
    for command, expected in examples(text):
        run = subprocess.run(["bash", "-c", command], text=True, timeout=60,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             check=False)
        count += 1
        if run.stdout.rstrip("\n") != expected.rstrip("\n"):
            wrong += 1
            print(f"$ {command}\nprints:\n{run.stdout}not:\n{expected}")
    print(f"{count} examples")
    return wrong > 0 or count == 0


sys.exit(main())
