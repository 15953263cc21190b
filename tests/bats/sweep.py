# SPDX-License-Identifier: Apache-2.0
"""Makes every system call of a publish that writes fail in turn (through
failio.so): mv must answer with an errno that fits or succeed all the same,
the old snapshot and the staging directory must be intact, and mv again must
succeed.

    sweep.py PROGRAM FAILIO DIRECTORY ERRNO
"""
import errno
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mounted import Faults, Mount  # noqa: E402

RECORDS = 60
CALLS_MAX = 2000


def content(number):
    return {f'{number}-{i}': b'x' * (i * 37 % 900) for i in range(RECORDS)}


def stage(mount, number):
    where = mount.path('staging', f'b{number}')
    os.mkdir(where)
    with open(os.path.join(where, 'config.yaml'), 'w',
              encoding='ascii') as config:
        config.write('key_encoding: utf8\nnum_dbs: 3\nshard_retry: 0\n')
    pairs = content(number)
    names = sorted(pairs)
    with open(os.path.join(where, 'ingest', 'half.kv'), 'wb') as file:
        for name in names[::2]:
            file.write(len(name).to_bytes(4, 'little') +
                       len(pairs[name]).to_bytes(4, 'little') +
                       name.encode() + pairs[name])
    for name in names[1::2]:
        with open(os.path.join(where, 'keys', name), 'wb') as file:
            file.write(pairs[name])
    return where, pairs


def check_staging(where, pairs):
    with_files = sorted(pairs)[1::2]
    if sorted(os.listdir(os.path.join(where, 'keys'))) != with_files:
        raise AssertionError('the staged files are not intact')
    for name in with_files:
        with open(os.path.join(where, 'keys', name), 'rb') as file:
            if file.read() != pairs[name]:
                raise AssertionError(f'keys/{name} differs')
    if os.listdir(os.path.join(where, 'ingest')) != ['half.kv']:
        raise AssertionError('ingest/ is not intact')


def one(mount, faults, number, code, old):
    """Returns (content now, did a call fail, did mv fail)."""
    where, pairs = stage(mount, number)
    target = mount.path('publish', f'b{number}')
    faults.arm(number, code)
    failed = None
    try:
        os.rename(where, target)
    except OSError as error:
        failed = error
    _, hits = faults.disarm()
    if failed is not None:
        allowed = (code, errno.EIO) if code != errno.EDQUOT else \
            (errno.ENOSPC, errno.EDQUOT, errno.EIO)
        if failed.errno not in allowed:
            raise AssertionError(f'call {number}: {failed}')
        if hits == 0:
            raise AssertionError(f'failed without a fault: {failed}')
        if mount.keys() != old:
            raise AssertionError(f'call {number}: the old snapshot changed')
        if os.listdir(mount.path('publish')).count(f'b{number}'):
            raise AssertionError(f'call {number}: left a receipt')
        check_staging(where, pairs)
        os.rename(where, target)
    if mount.keys() != pairs:
        raise AssertionError(f'call {number}: not what was published')
    return pairs, hits > 0, failed is not None


def main():
    program, failio, top, name = sys.argv[1:5]
    code = getattr(errno, name)
    state = os.path.join(top, 'state')
    faults = Faults(state)
    mount = Mount(top, program, ['-o', 'settle=1h'], {
        'LD_PRELOAD': failio, 'FAILIO_STATE': state,
        'FAILIO_PATHS': ':'.join(os.path.join(top, part)
                                 for part in ('store', 'staging'))})
    calls = failures = 0
    try:
        mount.start()
        old = None
        for number in range(1, CALLS_MAX):
            old, was_hit, has_failed = one(mount, faults, number, code, old)
            if not was_hit:
                break
            calls += 1
            failures += has_failed
        else:
            raise AssertionError('the sweep does not end')
        mount.stop()
    finally:
        mount.end()
    if calls < 10 or failures == 0:
        raise AssertionError(f'only {calls} calls were reached')
    print(f'{name}: {calls} calls failed in turn, mv failed {failures} times '
          'and succeeded when tried again')


if __name__ == '__main__':
    main()
