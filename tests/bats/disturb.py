# SPDX-License-Identifier: Apache-2.0
"""Disturbs builds while they are written, settled and published.

    disturb.py PROGRAM DIRECTORY CASE

    crowd     20 writers, 100 files at once; some are killed, some replaced
    remove    rm -r of builds that are written and settled
    unmount   umount while a build settles, SIGTERM while one is published
    many      50 builds are staged, and adopted by the next mount
"""
import contextlib
import errno
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mounted import CALL_SECONDS, Mount, until  # noqa: E402

OPTIONS = ['-o', 'key_encoding=utf8,num_dbs=4,settle=50ms,build_memory=64m']
WRITERS = 20
FILES = 100
LINES = 150
RECORDS = 3000
ENDED = (errno.ENOENT, errno.ESTALE, errno.EBUSY, errno.ENOTCONN,
         errno.ECONNABORTED, errno.EIO, errno.EINTR)


def line(key, value):
    return f'{{"key": "{key}", "value": "{value}"}}\n'.encode()


def lines(name, count, version=0):
    return b''.join(line(f'{name}-{i}', f'{version}.{i * i}')
                    for i in range(count))


def expected(name, count, version=0):
    return {f'{name}-{i}': f'{version}.{i * i}'.encode()
            for i in range(count)}


def write(path, data, dice, flags=os.O_CREAT | os.O_TRUNC):
    """In pieces that end anywhere."""
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    at = 0
    while at < len(data):
        size = dice.randrange(1, 60000)
        os.write(fd, data[at:at + size])
        at += size
    os.close(fd)


def read_all(mount, build):
    where = mount.path('publish', build, 'keys')
    pairs = {}
    for key in os.listdir(where):
        with open(os.path.join(where, key), 'rb') as file:
            pairs[key] = file.read()
    return pairs


def begin(mount, name):
    where = mount.path('staging', name)
    os.mkdir(where)
    return where


def publish(mount, name):
    os.rename(mount.path('staging', name), mount.path('publish', name))


def remove(path):
    subprocess.run(['rm', '-r', path], check=True, timeout=CALL_SECONDS)


def settle(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def in_threads(calls):
    """Runs all at once; returns what they raised."""
    faults = []

    def run(call):
        try:
            call()
        except BaseException as fault:  # pylint: disable=broad-except
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def one_writer(where, number, dice):
    """Every fifth of its files is written, replaced and renamed."""
    for i in range(number, FILES, WRITERS):
        name = f'f{i}'
        path = os.path.join(where, 'ingest', f'{name}.jsonl')
        if i % 5 == 0:
            write(path, lines(name, LINES, 1), dice)
            hidden = os.path.join(where, 'ingest', f'.{name}.part')
            write(hidden, lines(name, LINES), dice)
            os.rename(hidden, path)
        elif i % 5 == 1:
            write(path, lines(name, LINES // 2, 1), dice)
            write(path, lines(name, LINES), dice)
        elif i % 5 == 2:
            half = lines(name, LINES // 2)
            write(path, half, dice)
            rest = lines(name, LINES)[len(half):]
            write(path, rest, dice, os.O_APPEND)
        else:
            write(path, lines(name, LINES), dice)


def kill_writer(where, seconds):
    """A program that dies in the middle of a record, and never comes back."""
    path = os.path.join(where, 'ingest', 'killed.jsonl')
    script = ('import sys\n'
              'file = open(sys.argv[1], "wb", buffering=0)\n'
              'while True: file.write(b"{\\"key\\": \\"killed\\", \\"val")\n')
    writer = subprocess.Popen([sys.executable, '-I', '-S', '-c', script,
                               path])
    time.sleep(seconds)
    writer.kill()
    writer.wait()
    return path


def crowd(mount):
    mount.start()
    where = begin(mount, 'crowd')
    killed = []
    faults = in_threads(
        [lambda i=i: one_writer(where, i, random.Random(i))
         for i in range(WRITERS)] +
        [lambda: killed.append(kill_writer(where, 0.5))])
    if faults:
        raise faults[0]
    try:
        publish(mount, 'crowd')
    except OSError as error:
        if error.errno != errno.EBADMSG:
            raise
    else:
        raise AssertionError('half a record was published')
    with open(os.path.join(where, 'errors'), encoding='utf-8') as file:
        if 'killed.jsonl' not in file.read():
            raise AssertionError('errors does not name the killed writer')
    os.unlink(killed[0])
    publish(mount, 'crowd')
    pairs = {}
    for i in range(FILES):
        pairs.update(expected(f'f{i}', LINES))
    if read_all(mount, 'crowd') != pairs:
        raise AssertionError('records were lost or mixed')
    mount.stop()
    return f'{len(pairs)} records of {FILES} files'


def write_until_gone(where, number):
    dice = random.Random(number)
    end = time.monotonic() + CALL_SECONDS
    try:
        for i in itertools.count():
            if time.monotonic() > end:
                break
            write(os.path.join(where, 'ingest', f'{number}-{i}.jsonl'),
                  lines(f'{number}-{i}', 500), dice)
    except OSError as error:
        if error.errno not in ENDED:
            raise
        return
    raise AssertionError('rm did not end the writers')


def remove_soon(where, seconds):
    time.sleep(seconds)
    began = time.monotonic()
    # new files may come while rm looks: the directory is then not empty
    while os.path.isdir(where):
        subprocess.run(['rm', '-rf', where], check=False,
                       stderr=subprocess.DEVNULL, timeout=CALL_SECONDS)
        if time.monotonic() - began > CALL_SECONDS:
            raise AssertionError('rm -r is not done')


def settle_until_gone(where):
    try:
        while True:
            settle(where)
    except OSError as error:
        if error.errno not in ENDED + (errno.EBADMSG,):
            raise


def big(where, name, count):
    write(os.path.join(where, 'ingest', f'{name}.jsonl'), lines(name, count),
          random.Random(name))


def removed(mount, number):
    where = begin(mount, 'doomed')
    faults = in_threads([lambda: write_until_gone(where, 1),
                         lambda: write_until_gone(where, 2),
                         lambda: settle_until_gone(where),
                         lambda: remove_soon(where, 0.1 + 0.1 * number)])
    if faults:
        raise faults[0]
    require_nothing_left(mount)
    where = begin(mount, 'doomed')
    big(where, 'a', 100000)
    thread = threading.Thread(target=settle_until_gone, args=(where,))
    thread.start()
    time.sleep(0.02 * number)
    began = time.monotonic()
    remove(where)
    seconds = time.monotonic() - began
    thread.join()
    if seconds > 10:
        raise AssertionError(f'rm -r took {seconds:.1f} s')
    require_nothing_left(mount)


def require_nothing_left(mount):
    if os.listdir(mount.path('staging')):
        raise AssertionError('the build is still there')
    until(lambda: os.listdir(mount.staging) == ['.lock'], 10)
    shards = [os.path.join(at, name)
              for at, _, names in os.walk(os.path.join(mount.store, 'shards'))
              for name in names]
    if shards:
        raise AssertionError(f'left in the store: {shards[:3]}')


def remove_case(mount):
    mount.start()
    for number in range(6):
        removed(mount, number)
    begin(mount, 'last')
    write(mount.path('staging', 'last', 'ingest', 'a.jsonl'), lines('a', 10),
          random.Random(1))
    publish(mount, 'last')
    if read_all(mount, 'last') != expected('a', 10):
        raise AssertionError('a later build is not whole')
    mount.stop()
    return '12 builds were removed'


def unmounted_while_settling(mount, number):
    name = f's{number}'
    where = begin(mount, name)
    big(where, 'a', RECORDS)
    thread = threading.Thread(target=settle_until_gone, args=(where,))
    thread.start()
    time.sleep(0.03 * number)
    began = time.monotonic()
    subprocess.run(['fusermount3', '-uz', mount.place], check=True)
    thread.join(CALL_SECONDS)
    if thread.is_alive():
        raise AssertionError('fsync hangs behind umount')
    status = mount.daemon.wait(CALL_SECONDS)
    if status != 0 or time.monotonic() - began > 15:
        raise AssertionError(f'ended with {status}: {mount.tail()}')
    mount.start()
    if read_raw(mount, name, 'a') != lines('a', RECORDS):
        raise AssertionError('what was closed was lost')
    publish(mount, name)
    if read_all(mount, name) != expected('a', RECORDS):
        raise AssertionError('not what was staged')


def read_raw(mount, build, name):
    with open(mount.path('staging', build, 'ingest', f'{name}.jsonl'),
              'rb') as file:
        return file.read()


def terminated_while_publishing(mount, number):
    name = f't{number}'
    big(begin(mount, name), f'b{number}', RECORDS)
    old = mount.keys()
    thread = threading.Thread(target=publish_or_end, args=(mount, name))
    thread.start()
    time.sleep(0.05 * number)
    began = time.monotonic()
    mount.daemon.send_signal(signal.SIGTERM)
    thread.join(CALL_SECONDS)
    if thread.is_alive():
        raise AssertionError('mv hangs behind SIGTERM')
    status = mount.daemon.wait(CALL_SECONDS)
    if status != 0 or time.monotonic() - began > 15:
        raise AssertionError(f'ended with {status}: {mount.tail()}')
    mount.start()
    new = expected(f'b{number}', RECORDS)
    if os.path.isdir(mount.path('staging', name)):
        if mount.keys() != old:
            raise AssertionError('the old snapshot changed')
        publish(mount, name)
    if mount.keys() != new:
        raise AssertionError('neither old nor new')


def publish_or_end(mount, name):
    with contextlib.suppress(OSError):
        publish(mount, name)


def unmount(mount):
    mount.start()
    for number in range(4):
        unmounted_while_settling(mount, number)
        terminated_while_publishing(mount, number)
    mount.stop()
    return 'unmounted 4 times, terminated 4 times'


def many(mount):
    mount.start()
    for i in range(50):
        where = begin(mount, f'm{i:02}')
        write(os.path.join(where, 'ingest', 'a.jsonl'), lines(f'm{i}', 50),
              random.Random(i))
        with open(os.path.join(where, 'keys', 'own'), 'wb') as file:
            file.write(b'%d' % i)
    for i in (3, 30):
        settle(mount.path('staging', f'm{i:02}'))
    if len(os.listdir(mount.path('staging'))) != 50:
        raise AssertionError('not all builds are listed')
    mount.stop()
    for is_killed in (False, True):
        mount.start()
        if len(os.listdir(mount.path('staging'))) != 50:
            raise AssertionError('builds were lost')
        if is_killed:
            mount.kill()
            mount.bury()
        else:
            mount.stop()
    mount.start()
    for i in (0, 3, 17, 49):
        name = f'm{i:02}'
        publish(mount, name)
        if read_all(mount, name) != \
                expected(f'm{i}', 50) | {'own': b'%d' % i}:
            raise AssertionError(f'{name} is not what was staged')
    for i in range(50):
        if i not in (0, 3, 17, 49):
            remove(mount.path('staging', f'm{i:02}'))
    if os.listdir(mount.path('staging')):
        raise AssertionError('builds are left')
    until(lambda: os.listdir(mount.staging) == ['.lock'], 10)
    mount.stop()
    return '50 builds were adopted'


CASES = {'crowd': crowd, 'remove': remove_case, 'unmount': unmount,
         'many': many}


def main():
    program, top, case = sys.argv[1:4]
    mount = Mount(top, program, OPTIONS)
    try:
        print(CASES[case](mount))
    except BaseException:
        print(mount.tail(), file=sys.stderr)
        raise
    finally:
        mount.end()


if __name__ == '__main__':
    main()
