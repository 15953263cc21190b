# SPDX-License-Identifier: Apache-2.0
"""A daemon under test, for scripts that kill it or make its calls fail."""
import contextlib
import mmap
import os
import signal
import struct
import subprocess
import time

CALL_SECONDS = 60


class Mount:
    """shardyfs on a store, in the foreground; may be killed and come again."""

    def __init__(self, top, program, options=(), env=None):
        self.store = os.path.join(top, 'store')
        self.place = os.path.join(top, 'mnt')
        self.staging = os.path.join(top, 'staging')
        self.log = os.path.join(top, 'log')
        self.program = program
        self.options = list(options)
        self.env = dict(os.environ, **(env or {}))
        self.daemon = None
        for name in (self.store, self.place):
            os.makedirs(name, exist_ok=True)

    def path(self, *names):
        return os.path.join(self.place, *names)

    def start(self):
        reading, writing = os.pipe()
        command = [self.program, '-f', '-o', f'notify_fd={writing}',
                   '-o', f'staging_dir={self.staging}', *self.options,
                   self.store, self.place]
        with open(self.log, 'ab') as log:
            self.daemon = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.env,
                pass_fds=[writing])
        os.close(writing)
        said = os.read(reading, 1)
        os.close(reading)
        if said != b's':
            raise RuntimeError(f'not mounted: {self.tail()}')

    def tail(self):
        with open(self.log, encoding='utf-8', errors='replace') as log:
            return log.read()[-2000:]

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.daemon.send_signal(signal.SIGKILL)

    def bury(self):
        """After a kill: waits for the end, and takes the dead mount away."""
        self.daemon.wait(CALL_SECONDS)
        subprocess.run(['fusermount3', '-uz', self.place], check=False,
                       stderr=subprocess.DEVNULL)

    def unmount(self):
        """False: busy, as when somebody else looks at all mounts."""
        return subprocess.run(['fusermount3', '-u', self.place],
                              check=False).returncode == 0

    def stop(self):
        until(self.unmount, 10)
        status = self.daemon.wait(CALL_SECONDS)
        if status != 0:
            raise RuntimeError(f'ended with {status}: {self.tail()}')

    def end(self):
        """Whatever state it is in."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.kill()
            self.bury()

    def keys(self):
        """All pairs of the current snapshot; None: nothing is published."""
        where = self.path('keys')
        if not os.path.isdir(where):
            return None
        pairs = {}
        for name in os.listdir(where):
            with open(os.path.join(where, name), 'rb') as value:
                pairs[name] = value.read()
        return pairs


class Faults:
    """The switch of tests/tools/failio.so."""

    def __init__(self, path):
        with open(path, 'wb') as state:
            state.write(bytes(4096))
        self.file = open(path, 'r+b')
        self.map = mmap.mmap(self.file.fileno(), 4096)

    def arm(self, fail_at, error):
        self.map[:20] = struct.pack('5I', 0, fail_at, 0, error, 0)
        self.map[:4] = struct.pack('I', 1)

    def disarm(self):
        """Returns (calls counted, calls that failed)."""
        _, _, count, _, hits = struct.unpack('5I', self.map[:20])
        self.map[:4] = struct.pack('I', 0)
        return count, hits


def until(condition, seconds=CALL_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError('gave up waiting')
        time.sleep(0.002)
