# SPDX-License-Identifier: Apache-2.0
"""Ends mv, the daemon, or another publisher at the worst moments. Needs a
daemon with debug hooks.

    cancel.py PROGRAM DIRECTORY CASE

    interrupt  SIGINT and SIGKILL of mv just before the swap
    kill       SIGKILL of the daemon at each step, then the same mv again
    lock       a publisher that was stopped holds the store's lock
"""
import contextlib
import errno
import fcntl
import os
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mounted import CALL_SECONDS, Mount, until  # noqa: E402

STEPS = ['build.shard', 'build.barrier', 'publish.settled',
         'publish.manifest', 'publish.swap', 'publish.swapped']
OPTIONS = ['-o', 'settle=0,num_dbs=3,key_encoding=utf8,lock_timeout=3']
PATIENCE_SECONDS = 20
F_OFD_SETLK = 37


class Publisher:
    def __init__(self, top, program, **env):
        self.gate = os.path.join(top, 'gate')
        env['SHARDYFS_DEBUG_GATE'] = self.gate
        self.mount = Mount(top, program, OPTIONS, env)
        self.old = None
        self.number = 0

    def set_step(self, step):
        self.mount.env.pop('SHARDYFS_DEBUG_FAIL', None)
        if step is not None:
            self.mount.env['SHARDYFS_DEBUG_FAIL'] = step
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.gate)

    def stage(self):
        self.number += 1
        self.name = f'b{self.number}'
        self.where = self.mount.path('staging', self.name)
        os.mkdir(self.where)
        self.pairs = {f'{self.name}-{i}': os.urandom(i * 300)
                      for i in range(10)}
        for key, value in self.pairs.items():
            with open(os.path.join(self.where, 'keys', key), 'wb') as file:
                file.write(value)
                os.fsync(file.fileno())
        line = f'{{"key": "line", "value": "{self.name}"}}\n'
        with open(os.path.join(self.where, 'ingest', 'a.jsonl'), 'w',
                  encoding='ascii') as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.staged = dict(self.pairs)
        self.pairs['line'] = self.name.encode()

    def move(self):
        return subprocess.Popen(['mv', self.where, self.mount.path('publish')],
                                stderr=subprocess.PIPE)

    def move_again(self):
        mv = self.move()
        _, said = mv.communicate(timeout=CALL_SECONDS)
        if mv.returncode != 0:
            raise AssertionError(f'mv again: {said.decode()}')
        self.require_new()

    def require_new(self):
        if self.mount.keys() != self.pairs:
            raise AssertionError(f'{self.name} is not what is current')
        self.old = self.pairs

    def require_intact(self):
        if self.mount.keys() != self.old:
            raise AssertionError('the old snapshot changed')
        keys = os.path.join(self.where, 'keys')
        if sorted(os.listdir(keys)) != sorted(self.staged):
            raise AssertionError(f'{self.name}: staged files are missing')
        for key, value in self.staged.items():
            with open(os.path.join(keys, key), 'rb') as file:
                if file.read() != value:
                    raise AssertionError(f'{self.name}: {key} differs')
        self.require_no_receipt()

    def require_no_receipt(self):
        if self.name in os.listdir(self.mount.path('publish')):
            raise AssertionError(f'{self.name} has a receipt')


def publish_first(publisher):
    publisher.set_step(None)
    publisher.mount.start()
    publisher.stage()
    publisher.move_again()


def interrupted(publisher, number):
    """mv waits at the gate, is sent the signal, and the gate opens."""
    publisher.stage()
    mv = publisher.move()
    time.sleep(0.3)
    if mv.poll() is not None:
        raise AssertionError(f'mv did not wait: {mv.stderr.read()}')
    mv.send_signal(number)
    time.sleep(0.1)
    with open(publisher.gate, 'wb'):
        pass
    began = time.monotonic()
    mv.communicate(timeout=CALL_SECONDS)
    if time.monotonic() - began > PATIENCE_SECONDS:
        raise AssertionError('mv did not end')
    if mv.returncode == 0:
        raise AssertionError('the signal did not end mv')
    publisher.require_intact()
    publisher.move_again()
    os.unlink(publisher.gate)


def interrupt(publisher):
    publish_first(publisher)
    for step in ('publish.settled', 'publish.manifest', 'publish.swap',
                 'build.shard'):
        publisher.mount.stop()
        publisher.set_step(f'{step}:wait')
        publisher.mount.start()
        for number in (signal.SIGINT, signal.SIGKILL):
            interrupted(publisher, number)
    publisher.mount.stop()
    return '4 steps, interrupted and killed'


def killed(publisher, step):
    publisher.mount.stop()
    publisher.set_step(f'{step}:kill')
    publisher.mount.start()
    publisher.stage()
    mv = publisher.move()
    mv.communicate(timeout=CALL_SECONDS)
    publisher.mount.bury()
    if mv.returncode == 0:
        raise AssertionError(f'{step}: mv said that it had published')
    publisher.set_step(None)
    publisher.mount.start()
    if publisher.mount.keys() == publisher.pairs:
        if os.path.exists(publisher.where):
            raise AssertionError(f'{step}: published, and staged still')
        publisher.require_new()
        return True
    publisher.require_intact()
    publisher.move_again()
    return False


def kill(publisher):
    publish_first(publisher)
    done = [step for step in STEPS if killed(publisher, step)]
    publisher.mount.stop()
    if done != ['publish.swapped']:
        raise AssertionError(f'published by {done}')
    return f'{len(STEPS)} steps, the daemon killed'


def hold_lock(path):
    """A process that has the store's lock and is stopped."""
    child = os.fork()
    if child == 0:
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.fcntl(fd, F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK,
                                                 os.SEEK_SET, 0, 0, 0))
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    return child


def end_holder(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def expect_busy(publisher):
    began = time.monotonic()
    try:
        os.rename(publisher.where,
                  publisher.mount.path('publish', publisher.name))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    else:
        raise AssertionError('published without the lock')
    if time.monotonic() - began > PATIENCE_SECONDS:
        raise AssertionError('EBUSY came too late')
    publisher.require_intact()


def lock_is_held(publisher, is_settled):
    publisher.stage()
    if is_settled:
        fd = os.open(publisher.where, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    holder = hold_lock(os.path.join(publisher.mount.store, '.lock'))
    try:
        expect_busy(publisher)
        expect_busy(publisher)
        mv = publisher.move()
        time.sleep(0.2)
        mv.send_signal(signal.SIGINT)
        began = time.monotonic()
        mv.communicate(timeout=CALL_SECONDS)
        if mv.returncode == 0 or time.monotonic() - began > 2:
            raise AssertionError('the wait for the lock is not interrupted')
        publisher.require_intact()
    finally:
        end_holder(holder)
    publisher.move_again()


def lock_at_step(publisher, step, succeeds):
    """Somebody takes the lock just before, or behind, the swap."""
    publisher.mount.stop()
    publisher.set_step(f'{step}:wait')
    publisher.mount.start()
    publisher.stage()
    mv = publisher.move()
    time.sleep(0.3)
    holder = hold_lock(os.path.join(publisher.mount.store, '.lock'))
    try:
        with open(publisher.gate, 'wb'):
            pass
        began = time.monotonic()
        mv.communicate(timeout=CALL_SECONDS)
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise AssertionError(f'{step}: mv waited too long')
        if (mv.returncode == 0) != succeeds:
            raise AssertionError(f'{step}: mv ended with {mv.returncode}')
        if not succeeds:
            publisher.require_intact()
    finally:
        end_holder(holder)
    if succeeds:
        publisher.require_new()
    else:
        publisher.move_again()


def lock(publisher):
    publish_first(publisher)
    lock_is_held(publisher, False)
    lock_is_held(publisher, True)
    lock_at_step(publisher, 'publish.settled', False)
    lock_at_step(publisher, 'publish.swap', False)
    lock_at_step(publisher, 'publish.swapped', True)
    publisher.mount.stop()
    return 'EBUSY in time'


CASES = {'interrupt': interrupt, 'kill': kill, 'lock': lock}


def main():
    program, top, case = sys.argv[1:4]
    publisher = Publisher(top, program)
    try:
        print(CASES[case](publisher))
    except BaseException:
        print(publisher.mount.tail(), file=sys.stderr)
        raise
    finally:
        publisher.mount.end()


if __name__ == '__main__':
    main()
