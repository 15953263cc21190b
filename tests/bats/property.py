# SPDX-License-Identifier: Apache-2.0
"""Random operations on staging directories against a model of dictionaries,
one for each layer; then publish, remount, and compare every key.

    property.py PROGRAM DIRECTORY SEQUENCES [SEED]
"""
import base64
import csv
import gzip
import io
import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mounted import Mount  # noqa: E402

NAMES = [f'key-{i}' for i in range(40)] + ['long-' + 'n' * 300, 'ünï', 'a b']


class Model:
    """What the snapshot will be: base < removed < ingest files < keys/."""

    def __init__(self, base):
        self.base = base
        self.removed = set()
        self.ingest = {}  # file name: (order, {key: value or None})
        self.order = 0
        self.keys = {}

    def content(self):
        pairs = {k: v for k, v in self.base.items() if k not in self.removed}
        for _, records in sorted(self.ingest.values(), key=lambda f: f[0]):
            for key, value in records.items():
                if value is None:
                    pairs.pop(key, None)
                else:
                    pairs[key] = value
        pairs.update(self.keys)
        return pairs


def encode_jsonl(records, dice):
    lines = []
    for key, value in records:
        line = {'key': key}
        if value is None:
            line['delete'] = True
        elif value.isascii() and dice.random() < 0.5:
            line['value'] = value.decode()
        else:
            line['value_base64'] = base64.b64encode(value).decode()
        lines.append(json.dumps(line, ensure_ascii=dice.random() < 0.5))
    return '\n'.join(lines).encode() + b'\n' * (dice.random() < 0.7)


def encode_csv(records, dice):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=dice.choice(['\n', '\r\n']))
    writer.writerow(['key', 'value_base64', 'delete'])
    for key, value in records:
        writer.writerow([key, base64.b64encode(value or b'').decode(),
                         'true' if value is None else ''])
    return out.getvalue().encode()


def encode_kv(records, _):
    out = b''
    for key, value in records:
        key = key.encode()
        size = 0xFFFFFFFF if value is None else len(value)
        out += struct.pack('<II', len(key), size) + key + (value or b'')
    return out


FORMATS = {'jsonl': encode_jsonl, 'csv': encode_csv, 'kv': encode_kv}


def value(dice):
    size = dice.choice([0, 1, 10, 100, 1000, 5000, 70000])
    if dice.random() < 0.5:
        return bytes(dice.choices(b'abc ,"\n', k=size))
    return dice.randbytes(size)


def write_ingest(where, model, dice):
    name = f'f{dice.randrange(4)}.{dice.choice(list(FORMATS))}'
    records = [(dice.choice(NAMES),
                None if dice.random() < 0.2 else value(dice))
               for _ in range(dice.randrange(12))]
    data = FORMATS[name.split('.')[1]](records, dice)
    if dice.random() < 0.3:
        name += '.gz'
        data = gzip.compress(data)
    with open(os.path.join(where, 'ingest', name), 'wb') as file:
        at = 0
        while at < len(data):
            size = dice.randrange(1, 50000)
            file.write(data[at:at + size])
            if dice.random() < 0.5:
                file.flush()
            at += size
    model.order += 1
    model.ingest[name] = (model.order, dict(records))


def drop_ingest(where, model, dice):
    if model.ingest:
        name = dice.choice(list(model.ingest))
        os.unlink(os.path.join(where, 'ingest', name))
        del model.ingest[name]


def shown(model, name):
    """What LOOKUP shows in keys/: a staged file, else the base's value."""
    if name in model.keys:
        return model.keys[name]
    if name in model.base and name not in model.removed:
        return model.base[name]
    return None


def write_key(where, model, dice):
    name = dice.choice(NAMES)
    path = os.path.join(where, 'keys', name)
    data = value(dice)
    old = shown(model, name)
    how = dice.randrange(4)
    if old is None or how == 0:
        with open(path, 'wb') as file:
            file.write(data)
        model.keys[name] = data
    elif how == 1:
        with open(path, 'ab') as file:
            file.write(data)
        if data or name in model.keys:  # who writes nothing stages nothing
            model.keys[name] = old + data
    elif how == 2:
        at = dice.randrange(len(old) + 100)
        with open(path, 'r+b') as file:
            file.seek(at)
            file.write(data)
        if data:
            old = old.ljust(at, b'\0')
            old = old[:at] + data + old[at + len(data):]
        if data or name in model.keys:
            model.keys[name] = old
    else:
        size = dice.randrange(len(old) + 100)
        os.truncate(path, size)
        model.keys[name] = old[:size].ljust(size, b'\0')


def remove_key(where, model, dice):
    name = dice.choice(NAMES)
    path = os.path.join(where, 'keys', name)
    if shown(model, name) is None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        raise AssertionError(f'{name} was there')
    os.unlink(path)
    model.keys.pop(name, None)
    if name in model.base:
        model.removed.add(name)
    if os.path.exists(path):
        raise AssertionError(f'{name} is still there')


def rename_key(where, model, dice):
    old, new = dice.sample(NAMES, 2)
    data = shown(model, old)
    if data is None:
        return
    os.rename(os.path.join(where, 'keys', old),
              os.path.join(where, 'keys', new))
    model.keys.pop(old, None)
    if old in model.base:
        model.removed.add(old)
    model.keys[new] = data


def read_key(where, model, dice):
    name = dice.choice(NAMES)
    data = shown(model, name)
    try:
        with open(os.path.join(where, 'keys', name), 'rb') as file:
            got = file.read()
    except FileNotFoundError:
        got = None
    if got != data:
        raise AssertionError(f'keys/{name} shows something else')


def settle(where, _, __):
    fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


OPERATIONS = [write_key] * 6 + [remove_key, rename_key, read_key] * 2 + \
    [write_ingest] * 2 + [drop_ingest, settle]


def sequence(mount, number, old, dice):
    where = mount.path('staging', f's{number}')
    os.mkdir(where)
    with_base = old is not None and dice.random() < 0.6
    if with_base:
        os.symlink('../../current', os.path.join(where, 'base'))
    else:
        with open(os.path.join(where, 'config.yaml'), 'w',
                  encoding='ascii') as config:
            config.write(f'key_encoding: utf8\n'
                         f'num_dbs: {dice.randrange(1, 9)}\n'
                         f'page_size: {dice.choice(["auto", 4096, 65536])}\n')
    model = Model(old if with_base else {})
    for _ in range(dice.randrange(1, 25)):
        dice.choice(OPERATIONS)(where, model, dice)
    os.rename(where, mount.path('publish', f's{number}'))
    return model.content()


def differences(got, expected):
    return sorted(k for k in got.keys() | expected.keys()
                  if got.get(k) != expected.get(k))[:10]


def main():
    program, top, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    mount = Mount(top, program)
    old = None
    try:
        mount.start()
        for number in range(count):
            dice = random.Random(seed * 1000003 + number)
            expected = sequence(mount, number, old, dice)
            mount.stop()
            mount.start()
            got = mount.keys()
            if got != expected:
                raise AssertionError(f'sequence {number} of seed {seed}: '
                                     f'{differences(got, expected)}')
            old = expected
        mount.stop()
    except BaseException:
        print(f'in sequence {number} of seed {seed}', file=sys.stderr)
        print(mount.tail(), file=sys.stderr)
        raise
    finally:
        mount.end()
    print(f'{count} sequences, seed {seed}')


if __name__ == '__main__':
    main()
