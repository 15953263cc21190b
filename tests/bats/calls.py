#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes one system call and prints "ok" or the name of its errno.

    calls.py CALL PATH [ARGUMENT]

Programs hide errno behind messages and retries; this does not.
"""
import errno
import os
import sys


def create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def write(path):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, b"x")
    finally:
        os.close(fd)


def write_word(path, word):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, word.encode())
    finally:
        os.close(fd)


def read(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        while os.read(fd, 1 << 20):
            pass
    finally:
        os.close(fd)


def getxattr_small(path, name):
    """With a buffer of one byte, which python itself never uses."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    buf = ctypes.create_string_buffer(1)
    if libc.getxattr(os.fsencode(path), name.encode(), buf, 1) < 0:
        raise OSError(ctypes.get_errno(), "getxattr")


def rename_new(old, new):
    """Not over something that is there."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), 1) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


CALLS = {
    "create": create,
    "write": write,
    "write_word": write_word,
    "read": read,
    "open": lambda path: os.close(os.open(path, os.O_RDONLY)),
    "open_trunc": lambda path: os.close(
        os.open(path, os.O_WRONLY | os.O_TRUNC)),
    "stat": os.stat,
    "list": os.listdir,
    "mkdir": os.mkdir,
    "rmdir": os.rmdir,
    "unlink": os.unlink,
    "mkfifo": os.mkfifo,
    "chmod": lambda path: os.chmod(path, 0o600),
    "chown": lambda path: os.chown(path, 1, 1),
    "utime": lambda path: os.utime(path, (1, 1)),
    "truncate": lambda path: os.truncate(path, 0),
    "rename": os.rename,
    "rename_new": rename_new,
    "link": os.link,
    "symlink": lambda path, target: os.symlink(target, path),
    "readlink": os.readlink,
    "getxattr": os.getxattr,
    "getxattr_small": getxattr_small,
    "setxattr": lambda path, name: os.setxattr(path, name, b"x"),
    "removexattr": os.removexattr,
    "chdir": os.chdir,
}


def main():
    try:
        CALLS[sys.argv[1]](*sys.argv[2:])
    except OSError as fault:
        if fault.errno == errno.EOPNOTSUPP:
            print("EOPNOTSUPP")
        else:
            print(errno.errorcode[fault.errno])
    else:
        print("ok")


main()
