# SPDX-License-Identifier: Apache-2.0
"""Random operations on one file against a bytearray, as fsx does it: write,
append, read, truncate, mapped reads and writes, fallocate, punched holes,
fsync, rename, reopen, and a second descriptor that sees what the first wrote.

    fsx.py PATH OTHER_PATH OPERATIONS [SEED [unmapped]]

With "unmapped" nothing is mapped, for files that refuse it. The file is
created at PATH, renamed back and forth between the two, and stays behind. Each
operation is checked by what it returns, each few dozen by the whole content,
through a descriptor of its own.
"""
import ctypes
import mmap
import os
import random
import sys

MAX_BYTES = 300_000
MAX_CHUNK = 40_000
CHECK_EVERY = 40
KEEP_SIZE, PUNCH_HOLE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)


class Exerciser:
    def __init__(self, path, other, dice):
        self.path = path
        self.other = other
        self.dice = dice
        self.model = bytearray()
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self.history = []

    def note(self, text):
        self.history.append(text)
        del self.history[:-30]

    def require(self, holds, what):
        if not holds:
            raise AssertionError(what)

    def same(self, got, at, what):
        expected = self.model[at:at + len(got)]
        if got == expected:
            return
        i = next(i for i in range(len(got)) if got[i] != expected[i])
        raise AssertionError(f'{what}: byte {at + i} is {got[i]}, '
                             f'expected {expected[i]}')

    def patch(self, at, data):
        if not data:
            return
        if at > len(self.model):
            self.model.extend(bytes(at - len(self.model)))
        self.model[at:at + len(data)] = data

    def place(self, size_max=MAX_CHUNK):
        """An offset and a size; often at a page's edge."""
        at = self.dice.randrange(MAX_BYTES - size_max)
        if self.dice.random() < 0.3:
            at = at // 4096 * 4096
        size = self.dice.randrange(1, size_max)
        if self.dice.random() < 0.3:
            size = (size // 4096 + 1) * 4096
        return at, min(size, MAX_BYTES - at)

    def data(self, size):
        return self.dice.randbytes(size)

    # --- operations ----------------------------------------------------

    def write(self):
        at, size = self.place()
        data = self.data(size)
        self.note(f'write {at} {size}')
        self.require(os.pwrite(self.fd, data, at) == size, 'a short write')
        self.patch(at, data)

    def append(self):
        size = min(self.place()[1], MAX_BYTES - len(self.model))
        if size <= 0:
            return
        data = self.data(size)
        self.note(f'append {size} at {len(self.model)}')
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self.require(os.write(fd, data) == size, 'a short append')
        os.close(fd)
        self.model.extend(data)

    def read(self):
        at, size = self.place()
        self.note(f'read {at} {size}')
        got = os.pread(self.fd, size, at)
        self.require(len(got) == max(0, min(size, len(self.model) - at)),
                     f'read: {len(got)} bytes at {at} of {len(self.model)}')
        self.same(got, at, 'read')

    def truncate(self):
        size = self.place()[0]
        self.note(f'truncate {len(self.model)} to {size}')
        if self.dice.random() < 0.5:
            os.ftruncate(self.fd, size)
        else:
            os.truncate(self.path, size)
        self.patch(size, b'')
        del self.model[size:]
        self.model.extend(bytes(size - len(self.model)))

    def map_read(self):
        if not self.model:
            return
        self.note('map read')
        with mmap.mmap(self.fd, 0, access=mmap.ACCESS_READ) as area:
            self.require(len(area) == len(self.model), 'size of the mapping')
            at = self.dice.randrange(len(self.model))
            self.same(area[at:at + MAX_CHUNK], at, 'map read')

    def map_write(self):
        if not self.model:
            return
        at = self.dice.randrange(len(self.model))
        data = self.data(min(self.place()[1], len(self.model) - at))
        self.note(f'map write {at} {len(data)}')
        with mmap.mmap(self.fd, 0) as area:
            area[at:at + len(data)] = data
            if self.dice.random() < 0.5:
                area.flush()
        self.patch(at, data)

    def allocate(self):
        at, size = self.place()
        self.note(f'allocate {at} {size}')
        os.posix_fallocate(self.fd, at, size)
        self.model.extend(bytes(max(0, at + size - len(self.model))))

    def punch(self):
        at, size = self.place()
        self.note(f'punch {at} {size}')
        if LIBC.fallocate(self.fd, KEEP_SIZE | PUNCH_HOLE,
                          ctypes.c_long(at), ctypes.c_long(size)) != 0:
            return
        end = min(at + size, len(self.model))
        if at < end:
            self.model[at:end] = bytes(end - at)

    def sync(self):
        self.note('sync')
        self.dice.choice([os.fsync, os.fdatasync])(self.fd)

    def rename(self):
        self.note('rename')
        os.rename(self.path, self.other)
        self.path, self.other = self.other, self.path

    def replace(self):
        """Over an older file, as editors do."""
        self.note('replace')
        with open(self.other, 'wb') as old:
            old.write(b'old')
        os.rename(self.path, self.other)
        self.path, self.other = self.other, self.path

    def reopen(self):
        self.note('reopen')
        os.close(self.fd)
        self.fd = os.open(self.path, os.O_RDWR)

    def empty(self):
        """O_TRUNC; seldom, or there would be little to read."""
        if self.dice.random() < 0.8:
            return
        self.note('empty')
        os.close(self.fd)
        self.fd = os.open(self.path, os.O_RDWR | os.O_TRUNC)
        self.model.clear()

    def check(self):
        self.require(os.fstat(self.fd).st_size == len(self.model),
                     f'fstat: {os.fstat(self.fd).st_size}, expected '
                     f'{len(self.model)}')
        self.require(os.stat(self.path).st_size == len(self.model), 'stat')
        with open(self.path, 'rb') as file:
            got = file.read()
        self.require(len(got) == len(self.model), 'size of the whole')
        self.same(got, 0, 'the whole')
        self.require(not os.path.exists(self.other), 'the old name is there')

    def run(self, count, is_mapped):
        operations = [self.write] * 6 + [self.read] * 6 + [
            self.append, self.truncate, self.allocate, self.punch, self.sync,
            self.rename, self.replace, self.reopen, self.empty]
        if is_mapped:
            operations += [self.map_read, self.map_write] * 2
        for number in range(count):
            self.dice.choice(operations)()
            if number % CHECK_EVERY == 0:
                self.check()
        self.check()
        os.close(self.fd)


def main():
    path, other, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    exerciser = Exerciser(path, other, random.Random(seed))
    try:
        exerciser.run(count, 'unmapped' not in sys.argv[5:])
    except (AssertionError, OSError) as fault:
        print('\n'.join(exerciser.history))
        sys.exit(f'seed {seed}: {fault}')
    with open(exerciser.path, 'rb') as file:
        if file.read() != exerciser.model:
            sys.exit('the last close changed it')
    if exerciser.path != path:
        os.rename(exerciser.path, path)
    print(f'{count} operations, seed {seed}')


main()
