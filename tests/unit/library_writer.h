/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_LIBRARY_WRITER_H
#define SFS_TESTS_LIBRARY_WRITER_H

/*
 * The oracle of our writer of databases: the sqlite3 library, which writes
 * the same pairs, checks what we wrote, and reads both side by side.
 */
#include "shardyfs/adapter.h"
#include "unit/tap.h"

#include <sqlite3.h>
#include <stdlib.h>

#define LIBRARY_KV                                               \
	"CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) " \
	"WITHOUT ROWID"

static inline void library_sql(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		TAP_FAIL("%s: %s", sql, message);
	sqlite3_free(message);
}

static inline sqlite3_stmt *library_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		TAP_FAIL("%s: %s", sql, sqlite3_errmsg(db));
	return stmt;
}

static inline void library_bind(sqlite3_stmt *stmt, int i, struct sfs_bytes b)
{
	if (b.len == 0)
		sqlite3_bind_zeroblob(stmt, i, 0);
	else
		sqlite3_bind_blob64(stmt, i, b.data, b.len, SQLITE_STATIC);
}

/* A database in one transaction; path may be ":memory:". */
static inline sqlite3 *library_write(const char *path, uint32_t page_size,
                                     const struct sfs_pair *pairs, size_t count)
{
	sqlite3_stmt *stmt;
	sqlite3 *db = NULL;
	char sql[64];
	size_t i;

	if (sqlite3_open(path, &db) != SQLITE_OK) {
		printf("Bail out! cannot create %s\n", path);
		exit(1);
	}
	(void)snprintf(sql, sizeof(sql), "PRAGMA page_size=%u", page_size);
	library_sql(db, sql);
	library_sql(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
	library_sql(db, "BEGIN; " LIBRARY_KV);
	stmt = library_prepare(db, "INSERT INTO kv VALUES (?, ?)");
	for (i = 0; i < count; i++) {
		library_bind(stmt, 1, pairs[i].key);
		library_bind(stmt, 2, pairs[i].value);
		if (sqlite3_step(stmt) != SQLITE_DONE)
			TAP_FAIL("%s", sqlite3_errmsg(db));
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	library_sql(db, "COMMIT");
	return db;
}

/* The one text or number that a statement answers. */
static inline const char *library_text(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = library_prepare(db, sql);
	static char text[400];
	const unsigned char *answer = NULL;

	if (sqlite3_step(stmt) == SQLITE_ROW)
		answer = sqlite3_column_text(stmt, 0);
	(void)snprintf(text, sizeof(text), "%s",
	               answer != NULL ? (const char *)answer : "(none)");
	sqlite3_finalize(stmt);
	return text;
}

/* What the library itself finds wrong with a database. */
static inline void library_check(sqlite3 *db, const char *schema)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "PRAGMA %s.integrity_check", schema);
	IS_STR(library_text(db, sql), "ok");
	(void)snprintf(sql, sizeof(sql), "PRAGMA %s.quick_check", schema);
	IS_STR(library_text(db, sql), "ok");
	(void)snprintf(sql, sizeof(sql), "PRAGMA %s.freelist_count", schema);
	IS_STR(library_text(db, sql), "0");
	(void)snprintf(sql, sizeof(sql), "SELECT sql FROM %s.sqlite_master",
	               schema);
	IS_STR(library_text(db, sql), LIBRARY_KV);
}

static inline bool library_is_column(sqlite3_stmt *stmt, int i,
                                     struct sfs_bytes want)
{
	const void *data = sqlite3_column_blob(stmt, i);

	return sqlite3_column_type(stmt, i) == SQLITE_BLOB &&
	       (size_t)sqlite3_column_bytes(stmt, i) == want.len &&
	       (want.len == 0 || memcmp(data, want.data, want.len) == 0);
}

/* A full scan finds these pairs, in this order, and no other. */
static inline void library_scan(sqlite3 *db, const char *schema,
                                const struct sfs_pair *pairs, size_t count)
{
	sqlite3_stmt *stmt;
	char sql[64];
	size_t i = 0;

	(void)snprintf(sql, sizeof(sql), "SELECT k, v FROM %s.kv", schema);
	stmt = library_prepare(db, sql);
	for (; sqlite3_step(stmt) == SQLITE_ROW && i < count; i++)
		if (!library_is_column(stmt, 0, pairs[i].key) ||
		    !library_is_column(stmt, 1, pairs[i].value)) {
			TAP_FAIL("row %zu of %zu differs", i, count);
			break;
		}
	IS_INT(i, count);
	IS_INT(sqlite3_finalize(stmt), SQLITE_OK);
}

/* The rows as SQL: what ".dump" prints of them. */
static inline void library_dumps_agree(sqlite3 *db, const char *a,
                                       const char *b)
{
	static const char dump[] =
		"SELECT 'INSERT INTO kv VALUES(' || quote(k) || ',' || "
		"quote(v) || ')' FROM %s.kv";
	sqlite3_stmt *x;
	sqlite3_stmt *y;
	char sql[200];
	size_t row = 0;
	int code;

	(void)snprintf(sql, sizeof(sql), dump, a);
	x = library_prepare(db, sql);
	(void)snprintf(sql, sizeof(sql), dump, b);
	y = library_prepare(db, sql);
	while ((code = sqlite3_step(x)) == SQLITE_ROW) {
		if (sqlite3_step(y) != SQLITE_ROW ||
		    strcmp((const char *)sqlite3_column_text(x, 0),
		           (const char *)sqlite3_column_text(y, 0)) != 0) {
			TAP_FAIL("row %zu of the dumps differs", row);
			break;
		}
		row++;
	}
	if (code == SQLITE_DONE)
		IS_INT(sqlite3_step(y), SQLITE_DONE);
	sqlite3_finalize(x);
	sqlite3_finalize(y);
}

/* Opens the bytes of a database as schema "ours", read-only. */
static inline void library_attach(sqlite3 *db, const uint8_t *data, size_t len)
{
	library_sql(db, "ATTACH ':memory:' AS ours");
	IS_INT(sqlite3_deserialize(db, "ours", (uint8_t *)(uintptr_t)data,
	                           (int64_t)len, (int64_t)len,
	                           SQLITE_DESERIALIZE_READONLY),
	       SQLITE_OK);
}

#endif
