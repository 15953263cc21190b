# SPDX-License-Identifier: Apache-2.0
"""Two daemons on one store, each with a staging area of its own, publish at
the same moment, again and again. Without a base both must succeed and both
snapshots must be in the history, whole. With the same base exactly one wins;
the other is told ESTALE at once, keeps its build, and wins with a new base.

    rivals.py PROGRAM SHARDYCTL DIRECTORY ROUNDS
"""
import errno
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mounted import CALL_SECONDS, Mount, until  # noqa: E402

KEYS = 25
STALE_SECONDS = 5


class Rival:
    def __init__(self, top, program, name, store):
        self.name = name
        self.mount = Mount(os.path.join(top, name), program,
                           ['-o', 'settle=0,num_dbs=3,key_encoding=utf8'])
        self.mount.store = store
        self.barrier = None
        self.failed = None
        self.seconds = 0

    def stage(self, number, has_base):
        self.build = f'{self.name}{number}'
        where = self.mount.path('staging', self.build)
        os.mkdir(where)
        if has_base:
            os.symlink('../../current', os.path.join(where, 'base'))
        pairs = {f'{self.build}-{i}': os.urandom(i * 50)
                 for i in range(KEYS)}
        pairs['both'] = self.build.encode()
        for key, value in pairs.items():
            with open(os.path.join(where, 'keys', key), 'wb') as file:
                file.write(value)
        self.pairs = pairs

    def publish(self):
        self.barrier.wait()
        began = time.monotonic()
        self.failed = None
        try:
            os.rename(self.mount.path('staging', self.build),
                      self.mount.path('publish', self.build))
        except OSError as error:
            self.failed = error.errno
        self.seconds = time.monotonic() - began

    def snapshot(self):
        """What the receipt leads to."""
        receipt = self.mount.path('publish', self.build)
        return os.path.basename(os.readlink(receipt))

    def staged(self):
        return read_all(self.mount.path('staging', self.build, 'keys'))

    def is_up_to_date(self, snapshot):
        return os.readlink(self.mount.path('current')).endswith(snapshot)

    def catch_up(self, snapshot):
        with open(self.mount.path('.shardyfs', 'refresh'), 'wb') as file:
            file.write(b'now')
        until(lambda: self.is_up_to_date(snapshot))


def read_all(where):
    pairs = {}
    for key in os.listdir(where):
        with open(os.path.join(where, key), 'rb') as file:
            pairs[key] = file.read()
    return pairs


def publish_at_once(rivals):
    barrier = threading.Barrier(len(rivals))
    threads = []
    for rival in rivals:
        rival.barrier = barrier
        threads.append(threading.Thread(target=rival.publish))
        threads[-1].start()
    for thread in threads:
        thread.join()


class Store:
    def __init__(self, ctl, path):
        self.ctl = ctl
        self.path = path

    def run(self, *arguments):
        return subprocess.run([self.ctl, *arguments], check=True,
                              timeout=CALL_SECONDS, text=True,
                              stdout=subprocess.PIPE).stdout

    def history(self):
        """From the newest to the oldest; the current one first."""
        lines = self.run('history', self.path).splitlines()
        current = [line for line in lines if line.startswith('*')]
        if current != lines[:1]:
            raise AssertionError(f'current is not the newest: {lines}')
        return [line[2:] for line in lines]

    def verify(self, snapshot):
        self.run('verify', f'--snapshot={snapshot}', self.path)


def check(store, rival, pairs):
    """What it published is there, whole, and nothing else."""
    snapshot = rival.snapshot()
    store.verify(snapshot)
    got = read_all(rival.mount.path('snapshots', snapshot, 'keys'))
    if got != pairs:
        raise AssertionError(f'{rival.build}: lost or mixed: '
                             f'{sorted(got.items() ^ pairs.items())[:5]}')


def round_without_base(store, rivals, number):
    for rival in rivals:
        rival.stage(number, False)
    publish_at_once(rivals)
    for rival in rivals:
        if rival.failed is not None:
            raise AssertionError(f'{rival.build}: '
                                 f'{errno.errorcode[rival.failed]}')
        check(store, rival, rival.pairs)
    newest = store.history()[:len(rivals)]
    if {rival.snapshot() for rival in rivals} != set(newest):
        raise AssertionError(f'round {number}: not in the history')
    return {rival.snapshot(): rival.pairs for rival in rivals}[newest[0]]


def round_with_base(store, rivals, number, old):
    for rival in rivals:
        rival.catch_up(store.history()[0])
        rival.stage(number, True)
    publish_at_once(rivals)
    losers = [rival for rival in rivals if rival.failed is not None]
    winners = [rival for rival in rivals if rival.failed is None]
    if [rival.failed for rival in losers] != [errno.ESTALE] or not winners:
        raise AssertionError(f'round {number}: '
                             f'{[rival.failed for rival in rivals]}')
    loser, winner = losers[0], winners[0]
    if loser.seconds > STALE_SECONDS:
        raise AssertionError(f'ESTALE after {loser.seconds} s')
    old = old | winner.pairs
    check(store, winner, old)
    if loser.staged() != loser.pairs:
        raise AssertionError(f'{loser.build} lost what was staged')
    if os.path.lexists(loser.mount.path('publish', loser.build)):
        raise AssertionError(f'{loser.build} has a receipt')
    loser.catch_up(winner.snapshot())
    base = loser.mount.path('staging', loser.build, 'base')
    os.unlink(base)
    os.symlink('../../current', base)
    publish_at_once([loser])
    if loser.failed is not None:
        raise AssertionError(f'the remedy: {errno.errorcode[loser.failed]}')
    old = old | loser.pairs
    check(store, loser, old)
    return old


def main():
    program, ctl, top, rounds = *sys.argv[1:4], int(sys.argv[4])
    store = Store(ctl, os.path.join(top, 'store'))
    os.makedirs(store.path)
    rivals = [Rival(top, program, name, store.path) for name in ('a', 'b')]
    try:
        for rival in rivals:
            rival.mount.start()
        for number in range(rounds):
            old = round_without_base(store, rivals, number)
        for number in range(rounds, 2 * rounds):
            old = round_with_base(store, rivals, number, old)
        published = len(store.history())
        if published != 4 * rounds:
            raise AssertionError(f'{published} snapshots')
        for rival in rivals:
            rival.mount.stop()
    finally:
        for rival in rivals:
            rival.mount.end()
    print(f'{published} snapshots of two publishers, all whole')


if __name__ == '__main__':
    main()
