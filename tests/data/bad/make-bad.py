#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the rejected files beside this script, and expected.tsv with them.

One small file for each thing that a reader must refuse by name. Each line of
expected.tsv is a path, the code's name and a part of the message.
"""

import json
import os
import shutil
import sqlite3
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

POINTER = {
    "format_version": 1,
    "manifest_content_type": "application/x-sqlite3",
    "manifest_ref": "s3://b/p/manifests/"
    "2026-11-21T05:49:21.204054Z_run_id=r1/manifest",
    "run_id": "r1",
    "updated_at": "2026-11-21T05:49:21.206321Z",
}

HASH = {"strategy": "hash", "hash_algorithm": "xxh3_64"}
CEL = {
    "strategy": "cel",
    "hash_algorithm": "xxh3_64",
    "cel_expr": "key % 2",
    "cel_columns": {"key": "int"},
    "routing_values": None,
}

BUILD_META = """CREATE TABLE build_meta (run_id TEXT, created_at TEXT,
num_dbs, s3_prefix TEXT, key_col TEXT, sharding TEXT, db_path_template TEXT,
shard_prefix TEXT, format_version, key_encoding TEXT, custom TEXT)"""
SHARDS = """CREATE TABLE shards (db_id, db_url, attempt, row_count, db_bytes,
min_key, max_key, checkpoint_id, writer_info)"""
META_ROW = [
    ("run_id", "r1"),
    ("created_at", "2026-11-21T05:49:21.204054Z"),
    ("num_dbs", 2),
    ("s3_prefix", "s3://b/p"),
    ("key_col", "_key"),
    ("sharding", json.dumps(HASH)),
    ("db_path_template", "db={db_id:05d}"),
    ("shard_prefix", "shards"),
    ("format_version", 4),
    ("key_encoding", "u64be"),
    ("custom", "{}"),
]

NO_VALUE = "a routing value is neither integer, string nor bytes"

expected = []


def put(path, data, rc, part):
    with open(os.path.join(HERE, path), "wb") as f:
        f.write(data)
    expected.append((path, rc, part))


def dump(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def current(name, data, part, rc="corrupt"):
    if isinstance(data, dict):
        data = dump(data)
    put(f"current/{name}.json", data, rc, "_CURRENT: " + part)


def without(name):
    return {k: v for k, v in POINTER.items() if k != name}


def with_(**members):
    return {**POINTER, **members}


def image(*statements):
    """The bytes of a database: two good tables, then the statements."""
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "db")
        con = sqlite3.connect(path)
        con.execute("PRAGMA page_size = 512")
        con.execute(BUILD_META)
        con.execute(SHARDS)
        con.execute(
            "INSERT INTO build_meta VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            [value for _, value in META_ROW],
        )
        con.execute(
            "INSERT INTO shards VALUES (1, 's3://b/p/x', 0, 1, 4096, '1',"
            " '2', 'c1', '{}')"
        )
        for statement in statements:
            if isinstance(statement, tuple):
                con.execute(*statement)
            else:
                con.execute(statement)
        con.commit()
        con.execute("VACUUM")
        con.close()
        with open(path, "rb") as f:
            return f.read()


def manifest(name, data, part, rc="corrupt"):
    put(f"manifest/{name}.sqlite", data, rc, "manifest: " + part)


def meta(name, column, value, part, rc="corrupt"):
    update = (f"UPDATE build_meta SET {column} = ?", (value,))
    manifest(name, image(update), part, rc)


def shard(name, column, value, part, rc="corrupt"):
    update = (f"UPDATE shards SET {column} = ?", (value,))
    if column != "db_id":
        part = "shard 1: " + part
    manifest(name, image(update), part, rc)


def sharding(name, value, part, rc="corrupt"):
    text = value if isinstance(value, str) else json.dumps(value)
    meta("sharding-" + name, "sharding", text, "sharding: " + part, rc)


def cel_values(name, values, part):
    sharding("values-" + name, {**CEL, "routing_values": values}, part)


def make_current():
    current("empty", b"", "JSON, line 1, column 1: ends too early")
    current("not-json", b"manifest_ref: x\n", "JSON, line 1, column 1")
    current("array", b"[]", "not a JSON object")
    current("truncated", dump(POINTER)[:-10],
            "JSON, line 1, column 199: string without end")
    current("bytes-behind", dump(POINTER) + b"x",
            "JSON, line 1, column 209: bytes behind the document")
    current("byte-order-mark", b"\xef\xbb\xbf" + dump(POINTER), "JSON, line 1")
    current("not-utf8", dump(with_(x="?")).replace(b"?", b"\xff"),
            "JSON, line 1, column 214: bytes that are not UTF-8")
    current(
        "half-surrogate",
        dump(with_(x="?")).replace(b"?", b"\\ud800"),
        "JSON, line 1, column 220: half of a surrogate pair",
    )
    current("too-deep", b'{"x":' + b"[" * 100 + b"]" * 100 + b"}",
            "JSON, line 1, column 69: nested too deeply")
    for name in (
        "manifest_content_type",
        "manifest_ref",
        "run_id",
        "updated_at",
    ):
        case = name.replace("_", "-")
        current("no-" + case, without(name), f"{name} is missing")
        current(case + "-null", with_(**{name: None}), f"{name} is not a str")
    current("manifest-ref-number", with_(manifest_ref=7), "manifest_ref is not")
    current("manifest-ref-nul", with_(manifest_ref="a\0"),
            "manifest_ref holds a NUL")
    current("run-id-empty", with_(run_id=""), "run_id is not of")
    current("run-id-slash", with_(run_id="a/b"), "run_id is not of")
    current("run-id-dots", with_(run_id=".."), "run_id is not of")
    current("run-id-long", with_(run_id="r" * 256), "run_id is too long")
    current("updated-at-word", with_(updated_at="now"), "updated_at is no ISO")
    current("updated-at-number", with_(updated_at=1), "updated_at is not a")
    current(
        "other-content-type",
        with_(manifest_content_type="application/json"),
        "manifest_content_type is application/json, not",
        "unsupported",
    )


def make_images():
    good = image()
    schema = good.find(b"CREATE TABLE shards")
    wal = bytearray(good)
    wal[18] = wal[19] = 2
    manifest("empty", b"", "unsupported manifest format")
    manifest("short", b"SQLite format 3", "unsupported manifest format")
    manifest("no-magic", b"PK\3\4" + good[4:200], "unsupported manifest format")
    manifest("header-only", good[:100], "")
    manifest("truncated", good[:700], "")
    manifest(
        "bad-schema",
        good[:schema] + b"CREATE TABLE; " + good[schema + 14 :],
        "malformed database schema",
    )
    manifest("write-ahead-log", bytes(wal), "unable to open database file")
    manifest("no-build-meta", image("DROP TABLE build_meta"), "no table build_")
    manifest("no-shards", image("DROP TABLE shards"), "no table shards")
    manifest("no-meta-row", image("DELETE FROM build_meta"), "no row in build_")
    manifest(
        "build-meta-view",
        image(
            "ALTER TABLE build_meta RENAME TO b",
            "CREATE VIEW build_meta AS SELECT * FROM b",
        ),
        "build_meta is not an ordinary table",
    )
    manifest(
        "shards-view",
        image(
            "ALTER TABLE shards RENAME TO s",
            "CREATE VIEW SHARDS AS SELECT * FROM s",
        ),
        "shards is not an ordinary table",
    )
    manifest(
        "shards-virtual",
        image(
            "DROP TABLE shards",
            "PRAGMA writable_schema = ON",
            "INSERT INTO sqlite_master VALUES ('table', 'shards', 'shards', 0,"
            " 'CREATE VIRTUAL TABLE shards USING dbstat')",
        ),
        "shards is not an ordinary table",
    )
    for column, _ in META_ROW:
        if column in ("key_encoding", "custom", "format_version"):
            manifest(
                "no-column-" + column.replace("_", "-"),
                image(f"ALTER TABLE build_meta DROP COLUMN {column}"),
                f"no such column: {column}",
            )
    manifest(
        "no-column-checkpoint-id",
        image("ALTER TABLE shards DROP COLUMN checkpoint_id"),
        "no such column: checkpoint_id",
    )


def make_meta():
    meta("format-version-3", "format_version", 3, "format_version is 3, not 4",
         "unsupported")
    meta("format-version-5", "format_version", 5, "format_version is 5, not 4",
         "unsupported")
    meta("format-version-text", "format_version", "4", "format_version is not")
    meta("num-dbs-zero", "num_dbs", 0, "num_dbs is 0")
    meta("num-dbs-negative", "num_dbs", -1, "num_dbs is negative (-1)")
    meta("num-dbs-text", "num_dbs", "2", "num_dbs is not an integer")
    meta("num-dbs-null", "num_dbs", None, "num_dbs is not an integer")
    meta("num-dbs-real", "num_dbs", 2.0, "num_dbs is not an integer")
    meta("num-dbs-huge", "num_dbs", 2**40, "num_dbs is 1099511627776, over",
         "unsupported")
    meta("run-id-blob", "run_id", b"r1", "run_id is not a text")
    meta("run-id-slash", "run_id", "a/b", 'run_id "a/b" is not of')
    meta("created-at-word", "created_at", "today", "created_at is no ISO 8601")
    meta("s3-prefix-nul", "s3_prefix", "s3://a\0b", "s3_prefix holds NUL")
    meta("key-encoding", "key_encoding", "u128", 'unknown key_encoding "u128"',
         "unsupported")
    meta("custom-no-json", "custom", "{", "custom: JSON, line 1, column 2")
    meta("custom-array", "custom", "[]", "custom is not a JSON object")
    manifest(
        "key-col-not-utf8",
        image("UPDATE build_meta SET key_col = CAST(x'ff' AS TEXT)"),
        "key_col holds NUL or bytes that are not UTF-8",
    )


def make_shards():
    row = "INSERT INTO shards SELECT {}, db_url, 0, 0, 0, '1', '1', 'c', '{{}}'"
    row += " FROM shards LIMIT 1"
    manifest("db-id-twice", image(row.format(1)),
             "db_id 1 is there twice")
    manifest("more-rows-than-shards", image(
        "UPDATE build_meta SET num_dbs = 2", "DELETE FROM shards",
        "INSERT INTO shards VALUES (0,'u',0,0,0,'1','1','c','{}'),"
        "(1,'u',0,0,0,'1','1','c','{}'),(2,'u',0,0,0,'1','1','c','{}')"),
        "more rows in shards than num_dbs")
    shard("db-id-range", "db_id", 2, "db_id 2 is out of range (num_dbs is 2)")
    shard("db-id-negative", "db_id", -1, "db_id is negative (-1)")
    shard("db-id-text", "db_id", "one", "db_id is not an integer")
    shard("db-url-blob", "db_url", b"x", "db_url is not a text")
    for column in ("attempt", "row_count", "db_bytes"):
        case = column.replace("_", "-")
        shard(case + "-negative", column, -3,
              f"{column} is negative (-3)")
        shard(case + "-null", column, None,
              f"{column} is not an integer")
    shard("attempt-large", "attempt", 2**32, "attempt is too large")
    shard("row-count-real", "row_count", 1.5, "row_count is not an integer")
    shard("min-key-no-json", "min_key", "x", "min_key: JSON")
    shard("min-key-real", "min_key", "1.5", "min_key is not a JSON integer")
    shard("min-key-integer", "min_key", 5, "min_key is not a text")
    shard("max-key-null-json", "max_key", "null", "max_key is not a JSON int")
    shard("max-key-two", "max_key", "1 2", "max_key: JSON")
    shard("checkpoint-long", "checkpoint_id", "c" * 65,
          "checkpoint_id is too long")
    shard("writer-info-array", "writer_info", "[]", "writer_info is not a JSON")
    shard("writer-info-empty", "writer_info", "", "writer_info: JSON")
    shard("writer-info-null", "writer_info", None, "writer_info is not a text")


def make_sharding():
    sharding("no-json", "hash", "JSON, line 1")
    sharding("array", [], "not a JSON object")
    sharding("empty", {}, "strategy is missing")
    sharding("no-strategy", {"hash_algorithm": "xxh3_64"},
             "strategy is missing")
    sharding("strategy-null", {**HASH, "strategy": None},
             "strategy is not a string")
    sharding("strategy-unknown", {**HASH, "strategy": "range"},
             'unknown strategy "range"', "unsupported")
    sharding("no-hash", {"strategy": "hash"}, "hash_algorithm is missing")
    sharding("hash-unknown", {**HASH, "hash_algorithm": "md5"},
             'unknown hash algorithm "md5"', "unsupported")
    sharding("other-member", {**HASH, "salt": 1}, 'unknown member "salt"',
             "unsupported")
    sharding("hash-with-expr", {**HASH, "cel_expr": "key"},
             "CEL members with strategy hash")
    sharding("hash-with-columns", {**HASH, "cel_columns": {"key": "int"}},
             "CEL members with strategy hash")
    sharding("hash-with-values", {**HASH, "routing_values": [1, 2]},
             "routing_values with strategy hash")
    sharding("cel-no-hash", {**CEL, "hash_algorithm": 1},
             "hash_algorithm is not a string")
    no_hash = {k: v for k, v in CEL.items() if k != "hash_algorithm"}
    sharding("cel-without-hash", no_hash, "hash_algorithm is missing")
    sharding("cel-no-expr", {**CEL, "cel_expr": None},
             "strategy cel without cel_expr")
    sharding("cel-expr-number", {**CEL, "cel_expr": 1}, "cel_expr is not a")
    sharding("cel-no-columns", {**CEL, "cel_columns": None},
             "strategy cel without cel_columns")
    sharding("cel-empty-columns", {**CEL, "cel_columns": {}},
             "strategy cel without cel_columns")
    sharding("cel-columns-array", {**CEL, "cel_columns": ["key"]},
             "cel_columns is not an object")
    sharding("cel-column-type", {**CEL, "cel_columns": {"k": "date"}},
             'unknown column type "date"', "unsupported")
    cel_values("object", {}, "routing_values is not an array")
    cel_values("three", [1, 2, 3], "3 routing_values for 2 shards")
    cel_values("none", [], "0 routing_values for 2 shards")
    cel_values("mixed", [1, "a"], "routing_values are not of one type")
    cel_values("bool", [True, False], NO_VALUE)
    cel_values("null", [None, 1], NO_VALUE)
    cel_values("real", [1.0, 2.0], NO_VALUE)
    cel_values("too-large", [2**64, 1], NO_VALUE)
    cel_values("int-twice", [7, 7], "a routing value is there twice")
    cel_values("text-twice", ["a", "a"], "a routing value is there twice")
    cel_values("bytes-twice",
               [{"__bytes_hex__": "AB"}, {"__bytes_hex__": "ab"}],
               "a routing value is there twice")
    cel_values("bytes-odd",
               [{"__bytes_hex__": "0"}, {"__bytes_hex__": "01"}],
               "__bytes_hex__ is not hexadecimal")
    cel_values("bytes-extra",
               [{"__bytes_hex__": "00", "x": 1}, {"__bytes_hex__": "01"}],
               "__bytes_hex__ with other members")
    cel_values("other-object", [{"hex": "00"}, {"hex": "01"}],
               "a routing value is an object without __bytes_hex__")


def main():
    for directory in ("current", "manifest"):
        path = os.path.join(HERE, directory)
        shutil.rmtree(path, ignore_errors=True)
        os.mkdir(path)
    make_current()
    make_images()
    make_meta()
    make_shards()
    make_sharding()
    with open(os.path.join(HERE, "expected.tsv"), "w", encoding="utf-8") as f:
        for line in sorted(expected):
            f.write("\t".join(line) + "\n")


if __name__ == "__main__":
    main()
