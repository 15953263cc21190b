# SPDX-License-Identifier: Apache-2.0
"""Kills the daemon with SIGKILL at random moments while a build is written,
built and published, ROUNDS times. The oracle is a journal of what fsync and
close acknowledged, kept here, outside of the daemon. After each remount every
acknowledged byte must be in the staging directory, the current snapshot must
be the old or the new one whole, and the same mv must succeed in the end.

    crash.py PROGRAM DIRECTORY ROUNDS [SEED]
"""
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mounted import Mount  # noqa: E402

KEYS = 20
LINES = 400
CHUNK = 40


class Round:
    """One build: what it will hold, and how far it was acknowledged."""

    def __init__(self, mount, number, dice):
        self.mount = mount
        self.name = f'build{number}'
        self.files = {f'k{number}-{i}': dice.randbytes(dice.randrange(3000))
                      for i in range(KEYS)}
        self.lines = [f'{{"key": "r{number}-{i}", "value": "{i * number}"}}\n'
                      for i in range(LINES)]
        self.acked_files = set()
        self.acked_bytes = 0
        self.has_begun = False
        self.is_published = False

    def where(self, *names):
        return self.mount.path('staging', self.name, *names)

    def expected(self):
        number = self.name[5:]
        pairs = dict(self.files)
        for i in range(LINES):
            pairs[f'r{number}-{i}'] = str(i * int(number)).encode()
        return pairs

    def begin(self):
        if not os.path.isdir(self.where()):
            if self.has_begun:
                raise AssertionError(f'{self.name} is lost')
            os.mkdir(self.where())
        self.has_begun = True
        with open(self.where('config.yaml'), 'w', encoding='ascii') as config:
            config.write('key_encoding: utf8\nnum_dbs: 4\n')
            config.flush()
            os.fsync(config.fileno())

    def write_files(self):
        for name, value in self.files.items():
            if name in self.acked_files:
                continue
            with open(self.where('keys', name), 'wb') as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
                self.acked_files.add(name)

    def write_lines(self):
        # written anew from the start: an incomplete file is replaced
        self.acked_bytes = 0
        with open(self.where('ingest', 'all.jsonl'), 'wb') as file:
            for at in range(0, LINES, CHUNK):
                file.write(''.join(self.lines[at:at + CHUNK]).encode())
                file.flush()
                os.fsync(file.fileno())
                self.acked_bytes = file.tell()
        self.is_closed = True

    def publish(self):
        os.rename(self.where(), self.mount.path('publish', self.name))
        self.is_published = True

    def run(self):
        self.begin()
        self.write_files()
        self.write_lines()
        self.publish()

    def check_staging(self):
        """Everything that was acknowledged is there."""
        for name in self.acked_files:
            with open(self.where('keys', name), 'rb') as file:
                if file.read() != self.files[name]:
                    raise AssertionError(f'{self.name}: keys/{name} differs')
        if self.acked_bytes > 0:
            with open(self.where('ingest', 'all.jsonl'), 'rb') as file:
                got = file.read()
            whole = ''.join(self.lines).encode()
            if len(got) < self.acked_bytes or \
                    got[:self.acked_bytes] != whole[:self.acked_bytes]:
                raise AssertionError(f'{self.name}: ingest lost '
                                     f'{self.acked_bytes - len(got)} bytes')


def attempt(build):
    try:
        build.run()
    except OSError:
        pass  # the daemon was killed


def measure(mount, dice):
    """How long an undisturbed round takes."""
    build = Round(mount, 1, dice)
    began = time.monotonic()
    build.run()
    if mount.keys() != build.expected():
        raise AssertionError('the first build is not what was published')
    return build.expected(), time.monotonic() - began


def settle_round(mount, build, old):
    """After the remount; returns whether the swap had happened."""
    shown = mount.keys()
    if shown == build.expected():
        if os.path.isdir(build.where()):
            raise AssertionError(f'{build.name} is published and staged')
        return True
    if shown != old:
        raise AssertionError(f'{build.name}: neither old nor new')
    if build.is_published:
        raise AssertionError(f'{build.name}: acknowledged and not current')
    if build.has_begun and os.path.isdir(build.where()):
        build.check_staging()
    elif build.acked_files:
        raise AssertionError(f'{build.name} is lost')
    return False


def main():
    program, top, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    dice = random.Random(seed)
    mount = Mount(top, program, ['-o', 'settle=100ms'])
    swapped = 0
    try:
        mount.start()
        old, duration = measure(mount, dice)
        for number in range(2, rounds + 2):
            build = Round(mount, number, dice)
            writer = threading.Thread(target=attempt, args=(build,))
            writer.start()
            writer.join(dice.random() * duration)
            mount.kill()
            mount.bury()
            writer.join()
            mount.start()
            if settle_round(mount, build, old):
                swapped += 1
            else:
                build.run()
                if mount.keys() != build.expected():
                    raise AssertionError(f'{build.name}: lost after retry')
            old = build.expected()
        mount.stop()
    finally:
        mount.end()
    print(f'{rounds} kills, {swapped} behind the swap, nothing lost, '
          f'seed {seed}')


if __name__ == '__main__':
    main()
