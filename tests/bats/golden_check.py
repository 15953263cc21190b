#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares a mounted golden store with what its writer said is in it.

    golden_check.py GOLDEN_STORE MOUNT [INODES]

Every key and every absent key of every publication is looked at, through
keys/, shards/NNNNN/keys/ and snapshots/ID/, and all listings. With INODES the
inode numbers are written to that file, or compared with it if it exists.
Names are opened relative to their directory: they may be longer than a path.
"""
import datetime
import hashlib
import json
import os
import stat
import sys

NAME_MAX = None
faults = []


def fault(text):
    faults.append(text)
    if len(faults) >= 20:
        finish()


def finish():
    for text in faults:
        print(text)
    sys.exit(1 if faults else 0)


def utf8_len(data, at):
    """Bytes of the valid UTF-8 sequence at a place, or 0."""
    for length in (1, 2, 3, 4):
        try:
            data[at:at + length].decode("utf-8")
            return length
        except UnicodeDecodeError:
            continue
    return 0


def percent_name(key):
    if not key:
        return b"%"
    out = bytearray()
    at = 0
    while at < len(key):
        length = utf8_len(key, at)
        byte = key[at]
        if (length == 0 or byte < 0x20 or byte in (0x25, 0x2F, 0x7F)
                or (at == 0 and byte == 0x2E)):
            out += b"%%%02X" % byte
            at += 1
        else:
            out += key[at:at + length]
            at += length
    return bytes(out)


def name_of(entry, encoding):
    key = bytes.fromhex(entry["key_hex"])
    if encoding in ("u64be", "u32be"):
        return str(int.from_bytes(key, "big")).encode()
    return percent_name(key)


def load(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_all(fd):
    parts = []
    while True:
        part = os.read(fd, 1 << 17)
        if not part:
            return b"".join(parts)
        parts.append(part)


def check_value(entry, data, where):
    if "value_hex" in entry:
        if data != bytes.fromhex(entry["value_hex"]):
            fault(f"{where}: wrong bytes")
        return
    if len(data) != entry["value_len"]:
        fault(f"{where}: {len(data)} bytes, not {entry['value_len']}")
    elif hashlib.sha256(data).hexdigest() != entry["value_sha256"]:
        fault(f"{where}: wrong digest")


def check_stat(st, size, published_ns, where):
    if st.st_mode != stat.S_IFREG | 0o444:
        fault(f"{where}: mode {st.st_mode:o}")
    if st.st_size != size:
        fault(f"{where}: size {st.st_size}, not {size}")
    if st.st_blocks != (size + 511) // 512:
        fault(f"{where}: {st.st_blocks} blocks for {size} bytes")
    if st.st_nlink != 1:
        fault(f"{where}: {st.st_nlink} links")
    if not st.st_mtime_ns == st.st_atime_ns == st.st_ctime_ns == published_ns:
        fault(f"{where}: time {st.st_mtime_ns}, not {published_ns}")


def check_key(dir_fd, name, entry, published_ns, where):
    try:
        st = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        fd = os.open(name, os.O_RDONLY, dir_fd=dir_fd)
    except OSError as failed:
        if len(name) > NAME_MAX and failed.errno == 36:
            return None
        fault(f"{where}: {failed.strerror}")
        return None
    try:
        data = read_all(fd)
        if os.fstat(fd) != st:
            fault(f"{where}: fstat and stat differ")
    finally:
        os.close(fd)
    check_value(entry, data, where)
    check_stat(st, len(data), published_ns, where)
    return st.st_ino


def check_absent(dir_fd, name, where):
    for again in ("", " again"):
        try:
            os.stat(name, dir_fd=dir_fd)
            fault(f"{where}: is there")
        except OSError as failed:
            expected = 36 if len(name) > NAME_MAX else 2
            if failed.errno != expected:
                fault(f"{where}{again}: {failed.strerror}")


def check_listing(path, names, inodes, where):
    """The names are those expected, and d_ino and d_type say the truth."""
    listed = {}
    for entry in os.scandir(path):
        name = os.fsencode(entry.name)
        if name in listed:
            fault(f"{where}: {entry.name!r} is listed twice")
        listed[name] = entry.inode()
        if not entry.is_file(follow_symlinks=False):
            fault(f"{where}: {entry.name!r} is listed as no file")
        if name in inodes and inodes[name] != entry.inode():
            fault(f"{where}: {entry.name!r} is listed with another inode")
    for name in sorted(set(names) ^ set(listed))[:5]:
        fault(f"{where}: {name!r} is "
              f"{'not listed' if name in names else 'listed'}")


def check_info(base, publication, where):
    with open(f"{base}/info.json", encoding="utf-8") as text:
        info = json.load(text)
    with open(f"{base}/manifest.json", encoding="utf-8") as text:
        manifest = json.load(text)
    for key in ("run_id", "num_dbs", "key_encoding", "sharding"):
        if info[key] != publication[key] or manifest[key] != publication[key]:
            fault(f"{where}: {key} is wrong in info.json or manifest.json")
    if manifest["custom"] != publication["custom"]:
        fault(f"{where}: custom is wrong in manifest.json")
    if manifest["shards"] != publication["shards"]:
        fault(f"{where}: the shards of manifest.json are wrong")
    if info["row_count"] != sum(s["row_count"] for s in publication["shards"]):
        fault(f"{where}: row_count is wrong in info.json")


class Tree:
    """keys/ and shards/ below one directory, of one publication."""

    def __init__(self, base, golden, publication):
        self.base = base
        self.publication = publication
        self.where = f"{os.path.basename(base)} {publication['run_id']}"
        self.encoding = publication["key_encoding"]
        at = datetime.datetime.fromisoformat(publication["published_at"])
        seconds = int(at.replace(microsecond=0).timestamp())
        self.published_ns = (seconds * 10**6 + at.microsecond) * 1000
        self.expected = load(f"{golden}/{publication['expected']}")
        self.missing = load(f"{golden}/{publication['missing']}")
        self.inodes = {}

    def check_dir(self, path, expected, missing, where):
        inodes = {}
        dir_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        for entry in expected:
            name = name_of(entry, self.encoding)
            inodes[name] = check_key(dir_fd, name, entry, self.published_ns,
                                     f"{where}/{name!r}")
        for entry in missing:
            name = name_of(entry, self.encoding)
            check_absent(dir_fd, name, f"{where}/{name!r}")
        os.close(dir_fd)
        names = {name for name in inodes if len(name) <= NAME_MAX}
        inodes = {k: v for k, v in inodes.items() if v is not None}
        if len(set(inodes.values())) != len(inodes):
            fault(f"{where}: inode numbers are not unique")
        check_listing(path, names, inodes, where)
        for name, inode in inodes.items():
            self.inodes[f"{where}/{name!r}"] = inode

    def check_shards(self):
        num_dbs = self.publication["num_dbs"]
        filled = {s["db_id"] for s in self.publication["shards"]}
        names = sorted(os.listdir(f"{self.base}/shards"))
        if names != [f"{i:05d}" for i in range(num_dbs)]:
            fault(f"{self.where}: shards/ lists {names[:5]}")
        for i in range(num_dbs):
            shard = f"{self.base}/shards/{i:05d}"
            if os.path.lexists(f"{shard}/shard.db") != (i in filled):
                fault(f"{self.where}: shard.db of shard {i}")
            expected = [e for e in self.expected if e["db_id"] == i]
            others = [e for e in self.expected if e["db_id"] != i]
            self.check_dir(f"{shard}/keys", expected,
                           self.missing + others[:20],
                           f"{self.where} shard {i}")

    def check(self):
        self.check_dir(f"{self.base}/keys", self.expected, self.missing,
                       self.where)
        self.check_shards()


def text_id(publication):
    at = publication["published_at"]
    stamp = at.split("+")[0].replace("-", "").replace(":", "")
    if "." not in stamp:
        stamp += ".000000"
    return f"{stamp}Z-{publication['run_id']}"


def check_inodes(path, inodes):
    if not os.path.exists(path):
        with open(path, "w", encoding="utf-8") as out:
            json.dump(inodes, out)
        return
    with open(path, encoding="utf-8") as before:
        if json.load(before) != inodes:
            fault("inode numbers changed")


def main():
    global NAME_MAX
    golden, mount = sys.argv[1:3]
    inodes = {}
    NAME_MAX = os.statvfs(mount).f_namemax
    with open(f"{golden}/store.json", encoding="utf-8") as text:
        store = json.load(text)
    for publication in store["history"]:
        base = f"{mount}/snapshots/{text_id(publication)}"
        tree = Tree(base, golden, publication)
        tree.check()
        check_info(base, publication, tree.where)
        inodes.update(tree.inodes)
        if publication["run_id"] == store["current_run_id"]:
            tree = Tree(mount, golden, publication)
            tree.check()
            inodes.update(tree.inodes)
            link = os.readlink(f"{mount}/current")
            if link != f"snapshots/{text_id(publication)}":
                fault(f"current is {link}")
    listed = sorted(os.listdir(f"{mount}/snapshots"))
    if listed != sorted(text_id(p) for p in store["history"]):
        fault(f"snapshots/ lists {listed}")
    if len(sys.argv) > 3:
        check_inodes(sys.argv[3], inodes)
    finish()


main()
