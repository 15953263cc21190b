#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exercises staged files with system calls, and compares with what POSIX says.

    staged_calls.py DIRECTORY [DIRECTORY...]

Each directory is one that takes plain files: staging/NAME, or its keys/. Every
check runs in each; the first that fails ends the program with its name.
"""
import ctypes
import errno
import mmap
import os
import sys
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
AT_FDCWD = -100
KEEP_SIZE, PUNCH_HOLE = 1, 2


def renameat2(old, new, flags):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new),
                      flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def fallocate(fd, mode, offset, length):
    if LIBC.fallocate(fd, mode, ctypes.c_long(offset),
                      ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def expect(number, call, *args):
    try:
        call(*args)
    except OSError as fault:
        assert fault.errno == number, errno.errorcode[fault.errno]
    else:
        raise AssertionError("succeeded")


def kernel():
    return tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2])


def put(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, data)
    os.close(fd)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def create_and_read_back(at):
    put(at("1"), b"hello")
    assert get(at("1")) == b"hello"
    assert os.stat(at("1")).st_size == 5
    assert "1" in os.listdir(at(""))


def exclusive_creation(at):
    put(at("1"), b"x")
    expect(errno.EEXIST, os.open, at("1"),
           os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.close(os.open(at("2"), os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def appends_go_to_the_end(at):
    put(at("1"), b"one")
    first = os.open(at("1"), os.O_WRONLY | os.O_APPEND)
    second = os.open(at("1"), os.O_WRONLY | os.O_APPEND)
    for i in range(20):
        os.write((first, second)[i % 2], b"%d," % i)
    os.close(first)
    os.close(second)
    assert get(at("1")) == b"one" + b"".join(b"%d," % i for i in range(20))


def appends_from_threads_lose_nothing(at):
    put(at("1"), b"")

    def work(letter):
        fd = os.open(at("1"), os.O_WRONLY | os.O_APPEND)
        for _ in range(50):
            os.write(fd, letter * 100)
        os.close(fd)

    threads = [threading.Thread(target=work, args=(letter,))
               for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = get(at("1"))
    pieces = [data[i:i + 100] for i in range(0, len(data), 100)]
    assert len(pieces) == 200
    assert all(piece == piece[:1] * 100 for piece in pieces)


def writes_anywhere(at):
    fd = os.open(at("1"), os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"end", 100000)
    os.pwrite(fd, b"begin", 0)
    os.pwrite(fd, b"mid", 50000)
    assert os.pread(fd, 5, 0) == b"begin"
    assert os.pread(fd, 4, 49999) == b"\0mid"
    assert os.fstat(fd).st_size == 100003
    os.close(fd)
    assert get(at("1"))[-3:] == b"end"


def truncation_both_ways(at):
    put(at("1"), b"0123456789")
    os.truncate(at("1"), 4)
    assert get(at("1")) == b"0123"
    os.truncate(at("1"), 8)
    assert get(at("1")) == b"0123\0\0\0\0"
    fd = os.open(at("1"), os.O_RDWR)
    os.ftruncate(fd, 2)
    assert os.fstat(fd).st_size == 2
    os.close(fd)
    put(at("1"), b"new")
    assert get(at("1")) == b"new"


def renames(at):
    put(at("1"), b"one")
    os.rename(at("1"), at("2"))
    expect(errno.ENOENT, os.stat, at("1"))
    assert get(at("2")) == b"one"
    put(at("3"), b"three")
    os.rename(at("2"), at("3"))
    assert get(at("3")) == b"one"
    assert "2" not in os.listdir(at(""))


def renames_with_flags(at):
    put(at("1"), b"one")
    put(at("2"), b"two")
    expect(errno.EEXIST, renameat2, at("1"), at("2"), NOREPLACE)
    renameat2(at("1"), at("2"), EXCHANGE)
    assert (get(at("1")), get(at("2"))) == (b"two", b"one")
    renameat2(at("1"), at("3"), NOREPLACE)
    assert get(at("3")) == b"two"
    expect(errno.EINVAL, renameat2, at("2"), at("3"), WHITEOUT)


def an_open_file_follows_its_name(at):
    fd = os.open(at("1"), os.O_RDWR | os.O_CREAT)
    os.write(fd, b"one")
    ino = os.fstat(fd).st_ino
    os.rename(at("1"), at("2"))
    os.write(fd, b"two")
    assert os.fstat(fd).st_ino == ino == os.stat(at("2")).st_ino
    assert get(at("2")) == b"onetwo"
    os.close(fd)


def a_removed_file_works_while_it_is_open(at):
    fd = os.open(at("1"), os.O_RDWR | os.O_CREAT)
    os.write(fd, b"data")
    os.unlink(at("1"))
    expect(errno.ENOENT, os.stat, at("1"))
    os.write(fd, b"more")
    assert os.pread(fd, 100, 0) == b"datamore"
    os.ftruncate(fd, 6)
    os.fchmod(fd, 0o600)
    os.fsync(fd)
    facts = os.fstat(fd)
    assert (facts.st_size, facts.st_nlink) == (6, 0)
    put(at("1"), b"other")
    assert os.fstat(fd).st_size == 6
    assert os.stat(at("1")).st_ino != facts.st_ino
    assert os.pread(fd, 100, 0) == b"datamo"
    os.close(fd)
    assert get(at("1")) == b"other"


def a_replaced_file_works_while_it_is_open(at):
    put(at("1"), b"old")
    fd = os.open(at("1"), os.O_RDWR)
    put(at("2"), b"newer")
    os.rename(at("2"), at("1"))
    assert os.pread(fd, 10, 0) == b"old"
    assert os.fstat(fd).st_size == 3
    os.close(fd)
    assert get(at("1")) == b"newer"


def mappings(at):
    put(at("1"), b"x" * 10000)
    fd = os.open(at("1"), os.O_RDWR)
    if "/ingest/" in at("1") and kernel() < (6, 6):
        expect(errno.ENODEV, mmap.mmap, fd, 10000)
        os.close(fd)
        return
    with mmap.mmap(fd, 10000) as area:
        os.close(fd)
        area[5000:5004] = b"here"
        area.flush()
        assert get(at("1"))[4999:5005] == b"xherex"
        area[0:2] = b"ab"
    assert get(at("1"))[:3] == b"abx"


def syncs(at):
    fd = os.open(at("1"), os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x")
    os.fdatasync(fd)
    os.fsync(fd)
    os.close(fd)
    put(at("1"), b"y")
    fd = os.open(at("1"), os.O_WRONLY | os.O_SYNC)
    os.write(fd, b"z")
    os.close(fd)
    assert get(at("1")) == b"z"


def allocation(at):
    fd = os.open(at("1"), os.O_RDWR | os.O_CREAT)
    fallocate(fd, 0, 0, 8192)
    assert os.fstat(fd).st_size == 8192
    os.pwrite(fd, b"x" * 8192, 0)
    fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 0, 4096)
    assert os.pread(fd, 1, 4095) == b"\0"
    assert os.pread(fd, 1, 4096) == b"x"
    fallocate(fd, KEEP_SIZE, 8192, 4096)
    assert os.fstat(fd).st_size == 8192
    os.posix_fallocate(fd, 0, 9000)
    assert os.fstat(fd).st_size == 9000
    os.close(fd)


def times_and_modes(at):
    put(at("1"), b"x")
    os.utime(at("1"), ns=(1_000_000_001, 2_000_000_002))
    facts = os.stat(at("1"))
    assert facts.st_mtime_ns == 2_000_000_002
    assert facts.st_atime_ns == 1_000_000_001
    os.utime(at("1"))
    assert os.stat(at("1")).st_mtime > 1e9
    os.chmod(at("1"), 0o640)
    assert os.stat(at("1")).st_mode & 0o777 == 0o640
    os.chown(at("1"), os.getuid(), os.getgid())
    before = os.stat(at("1")).st_mtime_ns
    fd = os.open(at("1"), os.O_WRONLY)
    os.write(fd, b"y")
    os.close(fd)
    assert os.stat(at("1")).st_mtime_ns >= before


def copies_within(at):
    put(at("1"), os.urandom(300000))
    source = os.open(at("1"), os.O_RDONLY)
    target = os.open(at("2"), os.O_WRONLY | os.O_CREAT)
    while os.copy_file_range(source, target, 1 << 20):
        pass
    os.close(source)
    os.close(target)
    assert get(at("1")) == get(at("2"))


def what_is_refused(at):
    put(at("1"), b"x")
    expect(errno.EPERM, os.link, at("1"), at("2"))
    expect(errno.EPERM, os.mkfifo, at("2"))
    expect(errno.EPERM, os.symlink, "/etc/passwd", at("2"))
    expect(errno.EPERM, os.mkdir, at("sub"))
    expect(errno.EOPNOTSUPP, os.setxattr, at("1"), "user.x", b"y")
    expect(errno.ENOTDIR, os.rmdir, at("1"))
    expect(errno.ENOTDIR, os.stat, at("1/2"))


def regular_nodes(at):
    os.mknod(at("1"), 0o600)
    assert os.stat(at("1")).st_size == 0
    with open(at("1"), "wb") as file:
        file.write(b"x")
    assert get(at("1")) == b"x"
    expect(errno.EEXIST, os.mknod, at("1"), 0o600)


def space(at):
    facts = os.statvfs(at(""))
    assert facts.f_bavail > 0 and facts.f_favail > 0
    assert facts.f_blocks >= facts.f_bfree >= facts.f_bavail


def many_names(at):
    for i in range(1500):
        put(at(str(i)), b"")
    assert len([n for n in os.listdir(at("")) if n.isdigit()]) == 1500
    with os.scandir(at("")) as names:
        for entry in names:
            if entry.name.isdigit():
                os.unlink(entry.path)
    assert not [n for n in os.listdir(at("")) if n.isdigit()]


CHECKS = [
    create_and_read_back, exclusive_creation, appends_go_to_the_end,
    appends_from_threads_lose_nothing, writes_anywhere, truncation_both_ways,
    renames, renames_with_flags, an_open_file_follows_its_name,
    a_removed_file_works_while_it_is_open,
    a_replaced_file_works_while_it_is_open, mappings, syncs, allocation,
    times_and_modes, copies_within, what_is_refused, regular_nodes, space,
    many_names,
]


def main():
    for directory in sys.argv[1:]:
        for check in CHECKS:
            try:
                check(lambda name: os.path.join(directory, name))
            except (AssertionError, OSError):
                print(check.__name__, "in", directory)
                raise
            for name in os.listdir(directory):
                if name.isdigit():
                    os.unlink(os.path.join(directory, name))
    print(len(CHECKS), "checks")


main()
