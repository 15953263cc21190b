# SPDX-License-Identifier: Apache-2.0
"""A small file system that really fills up, under the staging area and under
the store: ENOSPC, nothing lost, and success when there is room again.

    full.py PROGRAM SMALL DIRECTORY
"""
import errno
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mounted import Mount  # noqa: E402

BLOCK = b'z' * 65536


def expect(code, call):
    try:
        call()
    except OSError as error:
        if error.errno == code:
            return
        raise
    raise AssertionError(f'no {errno.errorcode[code]}')


def begin(mount, name):
    where = mount.path('staging', name)
    os.mkdir(where)
    with open(os.path.join(where, 'config.yaml'), 'w',
              encoding='ascii') as config:
        config.write('key_encoding: utf8\nnum_dbs: 2\n')
    return where


def fill(path):
    """Writes until there is no room; returns how much was taken."""
    written = 0
    with open(path, 'wb', buffering=0) as file:
        try:
            while True:
                written += file.write(BLOCK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return written


def staging_fills_up(program, small, top):
    mount = Mount(top, program)
    mount.staging = os.path.join(small, 'staging')
    try:
        mount.start()
        where = begin(mount, 'full')
        with open(os.path.join(where, 'keys', 'first'), 'wb') as file:
            file.write(b'kept')
        taken = fill(os.path.join(where, 'keys', 'big'))
        if taken == 0:
            raise AssertionError('nothing could be written')
        with open(os.path.join(where, 'keys', 'first'), 'rb') as file:
            if file.read() != b'kept':
                raise AssertionError('an older file was lost')
        os.unlink(os.path.join(where, 'keys', 'big'))
        os.rename(where, mount.path('publish', 'full'))
        if mount.keys() != {'first': b'kept'}:
            raise AssertionError('not what was staged')
        mount.stop()
    finally:
        mount.end()


def store_fills_up(program, small, top):
    mount = Mount(top, program)
    mount.store = os.path.join(small, 'store')
    os.mkdir(mount.store)
    ballast = os.path.join(small, 'ballast')
    try:
        mount.start()
        where = begin(mount, 'one')
        with open(os.path.join(where, 'keys', 'a'), 'wb') as file:
            file.write(b'old')
        os.rename(where, mount.path('publish', 'one'))
        where = begin(mount, 'two')
        pairs = {f'k{i}': os.urandom(100000) for i in range(40)}
        for name, value in pairs.items():
            with open(os.path.join(where, 'keys', name), 'wb') as file:
                file.write(value)
        fill(ballast)
        expect(errno.ENOSPC, lambda: os.rename(
            where, mount.path('publish', 'two')))
        if mount.keys() != {'a': b'old'}:
            raise AssertionError('the old snapshot changed')
        os.unlink(ballast)
        os.rename(where, mount.path('publish', 'two'))
        if mount.keys() != pairs:
            raise AssertionError('not what was staged')
        mount.stop()
    finally:
        mount.end()


def main():
    program, small, top = sys.argv[1:4]
    staging_fills_up(program, small, os.path.join(top, 'a'))
    store_fills_up(program, small, os.path.join(top, 'b'))
    print('ENOSPC twice, nothing lost')


if __name__ == '__main__':
    main()
