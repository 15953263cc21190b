# SPDX-License-Identifier: Apache-2.0
"""Hostile records through ingest/: each is refused by name and line, costs no
more memory than allowed, harms no neighbour, and once its file is removed the
build publishes.

    nasty.py PROGRAM DIRECTORY
"""
import errno
import gzip
import os
import random
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mounted import Mount, until  # noqa: E402

MIB = 1 << 20
BUILD_MEMORY_MIB = 64
VALUE_MAX_MIB = 8
SLACK_MIB = 64
ENDLESS_MIB = 1024
LARGE_FILES = 12
CROWD_FILES = 12
CROWD_RECORDS = 4
GOOD = b'{"key": "good", "value": "kept"}\n'


def kv(key, value):
    return struct.pack('<II', len(key), len(value)) + key + value


def bomb():
    """A gigabyte of one line in a megabyte."""
    part = gzip.compress(b'x' * (64 * MIB))
    return gzip.compress(b'{"key": "bomb", "value": "') + \
        part * (ENDLESS_MIB // 64)


def damaged(data):
    middle = len(data) // 2
    return data[:middle] + bytes(64) + data[middle + 64:]


def zstd(data):
    return subprocess.run(['zstd', '-c', '-q'], input=data, check=True,
                          stdout=subprocess.PIPE).stdout


NOISE = b''.join(b'{"key": "n%d", "value_base64": "%s"}\n' %
                 (i, (b'%08d' % (i * 7919)) * 8) for i in range(3000))

# name of the file: (content, part of the message)
BAD = {
    'deep.jsonl': (b'{"key": "a", "value_json": ' + b'[' * 100000 +
                   b']' * 100000 + b'}\n', ':1: '),
    'deeper.jsonl': (GOOD + b'{"a":' * 500000, ':2: '),
    'utf8.jsonl': (GOOD + b'{"key": "\xff\xfe", "value": "x"}\n', ':2: '),
    'surrogate.jsonl': (b'{"key": "\\ud800", "value": "x"}\n', ':1: '),
    'utf8.csv': (b'key,value\n\xc3\x28,x\n', ':2: '),
    'nul.csv': (b'key,value\n"a\0b"x,1\n', ':2: '),
    'quote.csv': (b'key,value\n"never closed,\n' + b'a,b\n' * 1000, ':2: '),
    'header.csv': (b'what,value\n1,2\n', ':1: '),
    'cells.tsv': (b'key\tvalue\na\tb\tc\n', ':2: '),
    'longkey.jsonl': (b'{"key": "' + b'k' * (2 * MIB) + b'", "value": ""}\n',
                      ':1: key'),
    'bigvalue.jsonl': (b'{"key": "v", "value": "' +
                       b'v' * (VALUE_MAX_MIB * MIB + 1) + b'"}\n',
                       'value_max'),
    'bigvalue.kv': (kv(b'v', bytes(VALUE_MAX_MIB * MIB + 1)), 'value_max'),
    'length.kv': (struct.pack('<II', 0xFFFFFFF0, 7) + b'x' * 100, ':1: key'),
    'half.kv': (kv(b'a', b'b') + struct.pack('<II', 3, 10) + b'abc',
                ':2: '),
    'cut.jsonl.gz': (gzip.compress(NOISE)[:-200], 'cut off'),
    'damaged.jsonl.gz': (damaged(gzip.compress(NOISE)), 'damaged.jsonl.gz'),
    'cut.jsonl.zst': (zstd(NOISE)[:-200], 'cut off'),
    'damaged.jsonl.zst': (damaged(zstd(NOISE)), 'damaged.jsonl.zst'),
    'no.jsonl.gz': (NOISE, 'no.jsonl.gz'),
    'tail.jsonl.gz': (gzip.compress(GOOD) + b'tail', 'tail.jsonl.gz'),
    'twice.jsonl': (b'{"key": "a", "key": "b", "value": ""}\n', ':1: '),
    'null.jsonl': (b'{"key": "a", "value": null}\n[]\n1\n"x"\n', ':4: '),
    'float.jsonl': (b'{"key": 1e3, "value": ""}\n', ':1: key'),
    'endless.jsonl.gz': (bomb(), ':1: '),
}

# what must be read: content, and the pairs that come of it
FINE = {
    'nul.jsonl': (b'{"key": "a\\u0000b", "value": "nul"}\n',
                  {'a%00b': b'nul'}),
    'quoted.csv': (b'value,key\r\n"one\n""two"",\r\nthree",q\r\n,"e,""x"\r\n',
                   {'q': b'one\n"two",\r\nthree', 'e,"x': b''}),
    'bom.tsv': (b'\xef\xbb\xbfkey\tvalue\nt\\tb\t\\\\\\n', {'t%09b': b'\\\n'}),
    'empty.jsonl': (b'', {}),
    'empty.jsonl.zst': (b'', {}),
    'header.csv.gz': (gzip.compress(b'key,value\n'), {}),
    'two.jsonl.gz': (gzip.compress(b'{"key": "two", "va') +
                     gzip.compress(b'lue": "members"}'), {'two': b'members'}),
    'largest.kv': (kv(b'largest', b'L' * (VALUE_MAX_MIB * MIB)),
                   {'largest': b'L' * (VALUE_MAX_MIB * MIB)}),
    'longest.kv': (kv(b'k' * 1000, b'1') + kv(b'k' * MIB, b''),
                   {'k' * 1000: b'1'}),
    'z.jsonl.zst': (zstd(b'{"key": "z", "value": "zstd"}'), {'z': b'zstd'}),
}


class Tester:
    def __init__(self, mount):
        self.mount = mount

    def begin(self, name):
        self.name = name
        os.mkdir(self.where())
        return self.where()

    def where(self, *names):
        return self.mount.path('staging', self.name, *names)

    def errors(self):
        with open(self.where('errors'), encoding='utf-8') as file:
            return file.read()

    def publish(self):
        os.rename(self.where(), self.mount.path('publish', self.name))

    def require_refused(self):
        try:
            self.publish()
        except OSError as error:
            if error.errno == errno.EBADMSG:
                return
            raise
        raise AssertionError('bad records were published')

    def peak_mib(self):
        with open(f'/proc/{self.mount.daemon.pid}/status',
                  encoding='ascii') as status:
            for line in status:
                if line.startswith('VmHWM:'):
                    return int(line.split()[1]) // 1024
        return 0


def write(path, data, part=MIB):
    """The data, and the errno of the first failure or 0."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    code = 0
    for at in range(0, len(data), part):
        try:
            os.write(fd, data[at:at + part])
        except OSError as error:
            code = error.errno
            break
    try:
        os.close(fd)
    except OSError as error:
        code = code or error.errno
    return code


def bad_files(tester):
    tester.begin('bad')
    for name, (data, expected) in BAD.items():
        path = tester.where('ingest', name)
        code = write(path, data)
        if code not in (0, errno.EBADMSG):
            raise AssertionError(f'{name}: {errno.errorcode[code]}')
        try:
            until(lambda: f'ingest/{name}' in tester.errors(), 10)
        except TimeoutError:
            raise AssertionError(f'{name}: no error') from None
        lines = [line for line in tester.errors().splitlines()
                 if f'ingest/{name}' in line]
        if not any(expected in line for line in lines):
            raise AssertionError(f'{name}: {lines[:3]}')
        if len(tester.errors()) > MIB:
            raise AssertionError(f'{name}: errors is too long')
        os.unlink(path)
    write(tester.where('ingest', 'good.jsonl'), GOOD)
    tester.publish()
    if tester.mount.keys() != {'good': b'kept'}:
        raise AssertionError(f'not what is good: {tester.mount.keys()}')


def bad_files_together(tester):
    """All at once, beside a good one; then they are mended one by one."""
    tester.begin('together')
    write(tester.where('ingest', 'good.jsonl'), GOOD)
    threads = [threading.Thread(target=write, args=(
        tester.where('ingest', name), data)) for name, (data, _) in
        BAD.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tester.require_refused()
    errors = tester.errors()
    for name in BAD:
        if f'ingest/{name}' not in errors:
            raise AssertionError(f'{name} is not in errors')
        os.unlink(tester.where('ingest', name))
    tester.publish()
    if tester.mount.keys() != {'good': b'kept'}:
        raise AssertionError('not what is good')


def fine_files(tester):
    expected = {}
    for part in (MIB, 1 + 4096 * 3):
        tester.begin(f'fine{part}')
        for name, (data, pairs) in FINE.items():
            code = write(tester.where('ingest', name), data, part)
            if code != 0:
                raise AssertionError(f'{name}: {errno.errorcode[code]}: '
                                     f'{tester.errors()}')
            expected.update(pairs)
        tester.publish()
        got = tester.mount.keys()
        got = {key: value for key, value in got.items() if len(key) < 2000}
        if got != expected:
            names = sorted(key for key in got.keys() | expected.keys()
                           if got.get(key) != expected.get(key))
            raise AssertionError(f'not as written: {names}')


def no_newline(tester):
    """Writes a gigabyte without a line's end."""
    tester.begin('endless')
    block = b'x' * MIB
    with open(tester.where('ingest', 'endless.jsonl'), 'wb') as file:
        file.write(b'{"key": "a", "value": "')
        file.flush()
        for _ in range(ENDLESS_MIB):
            os.write(file.fileno(), block)
        os.write(file.fileno(), b'"}\n' + GOOD)
        try:
            file.close()
        except OSError as error:
            if error.errno != errno.EBADMSG:
                raise
    tester.require_refused()
    if 'ingest/endless.jsonl:1: ' not in tester.errors():
        raise AssertionError(tester.errors())
    os.unlink(tester.where('ingest', 'endless.jsonl'))
    os.rmdir(tester.where('ingest'))
    subprocess.run(['rm', '-r', tester.where()], check=True)


def large_lines(tester, ending='', pack=bytes):
    """Many writers in the middle of a line that is as long as it may be."""
    tester.begin('lines')
    value = random.Random(1).randbytes(VALUE_MAX_MIB * MIB // 2).hex().encode()
    packed = pack(value)
    files = []
    for i in range(LARGE_FILES):
        line = pack(b'{"key": "%d", "value": "' % i) + packed + pack(b'"}\n')
        files.append((line, os.open(
            tester.where('ingest', f'{i}.jsonl{ending}'),
            os.O_WRONLY | os.O_CREAT)))
    for at in range(0, len(files[-1][0]), MIB):
        for line, fd in files:
            os.write(fd, line[at:at + MIB])
    for _, fd in files:
        os.close(fd)
    tester.publish()
    got = tester.mount.keys()
    if got != {str(i): value for i in range(LARGE_FILES)}:
        raise AssertionError('large values were lost')


def large_packed_lines(tester):
    """The same, with what unpacking them takes besides."""
    large_lines(tester, '.zst', zstd)


def crowd_of_large(tester):
    """More large records at once than there is memory for, between small ones
    that are sorted: nobody waits for somebody who waits for him."""
    tester.begin('crowd')

    def write(number):
        with open(tester.where('ingest', f'{number}.jsonl'), 'wb') as file:
            for i in range(CROWD_RECORDS):
                file.write(b'{"key": "s%d-%d", "value": ""}\n' % (number, i))
                file.write(b'{"key": "%d-%d", "value": "' % (number, i) +
                           b'z' * (3 * MIB) + b'"}\n')

    writers = [threading.Thread(target=write, args=(number,))
               for number in range(CROWD_FILES)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    tester.publish()
    if len(os.listdir(tester.mount.path('keys'))) != \
            2 * CROWD_FILES * CROWD_RECORDS:
        raise AssertionError('records were lost')


def main():
    mount = Mount(sys.argv[2], sys.argv[1], [
        '-o', f'build_memory={BUILD_MEMORY_MIB}m,value_max={VALUE_MAX_MIB}m,'
              'key_encoding=utf8,num_dbs=3,settle=100ms,build_threads=8'])
    tester = Tester(mount)
    # a sanitizer has memory of its own: the bound is for all other builds
    with open(sys.argv[1], 'rb') as program:
        is_sanitized = b'__asan_init' in program.read()
    try:
        mount.start()
        for case in (bad_files, bad_files_together, fine_files, no_newline,
                     large_lines, large_packed_lines, crowd_of_large):
            case(tester)
            peak = tester.peak_mib()
            print(f'{case.__name__}: at most {peak} MiB')
            if not is_sanitized and peak > BUILD_MEMORY_MIB + SLACK_MIB:
                raise AssertionError(f'{peak} MiB of memory')
        mount.stop()
    except BaseException:
        print(mount.tail(), file=sys.stderr)
        raise
    finally:
        mount.end()


if __name__ == '__main__':
    main()
