/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_BTREE_FIXTURE_H
#define SFS_TESTS_BTREE_FIXTURE_H

/* Databases made by SQLite, for the tests of the B-tree walker. */
#include "format/btree.h"
#include "unit/file_object.h"
#include "unit/tap.h"

#include <sqlite3.h>
#include <stdlib.h>

#define KV_SQL                                                   \
	"CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) " \
	"WITHOUT ROWID"

static char fixture_dir[256];
static char fixture_path[300]; /* the database of the running test */

static inline void fixture_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(fixture_dir, sizeof(fixture_dir), "%s/sfs-btree-XXXXXX",
	               tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(fixture_dir) == NULL) {
		printf("Bail out! no temporary directory\n");
		exit(1);
	}
	(void)snprintf(fixture_path, sizeof(fixture_path), "%s/shard.db",
	               fixture_dir);
}

static inline void fixture_end(void)
{
	(void)unlink(fixture_path); /* may be gone */
	if (rmdir(fixture_dir) != 0)
		printf("# %s is not empty\n", fixture_dir);
}

static inline void fixture_sql(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		TAP_FAIL("%s: %s", sql, message);
	sqlite3_free(message);
}

/* A new database without tables, in one transaction. */
static inline sqlite3 *fixture_create(unsigned page_size, int reserved,
                                      const char *pragma)
{
	sqlite3 *db = NULL;
	char sql[64];

	(void)unlink(fixture_path);
	if (sqlite3_open(fixture_path, &db) != SQLITE_OK) {
		printf("Bail out! cannot create %s\n", fixture_path);
		exit(1);
	}
	(void)snprintf(sql, sizeof(sql), "PRAGMA page_size=%u", page_size);
	fixture_sql(db, sql);
	fixture_sql(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
	if (pragma != NULL)
		fixture_sql(db, pragma);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
	fixture_sql(db, "BEGIN");
	return db;
}

static inline void fixture_finish(sqlite3 *db)
{
	fixture_sql(db, "COMMIT");
	IS_INT(sqlite3_close(db), SQLITE_OK);
}

/* Bytes that differ from place to place, so that a slip shows. */
static inline void fixture_fill(uint8_t *p, size_t len, uint64_t seed)
{
	uint64_t x = seed * 0x9E3779B97F4A7C15ULL + 1;
	size_t i;

	for (i = 0; i < len; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		p[i] = (uint8_t)(x >> 56);
	}
}

/* Adds a row whose value has that length and follows from the seed. */
static inline void fixture_put(sqlite3 *db, const void *key, size_t key_len,
                               size_t value_len, uint64_t seed)
{
	sqlite3_stmt *stmt = NULL;
	uint8_t *value = malloc(value_len + 1);

	if (value == NULL)
		exit(1);
	fixture_fill(value, value_len, seed);
	if (sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO kv VALUES (?, ?)",
	                       -1, &stmt, NULL) != SQLITE_OK)
		TAP_FAIL("%s", sqlite3_errmsg(db));
	sqlite3_bind_blob(stmt, 1, key_len > 0 ? key : "", (int)key_len,
	                  SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, value, (int)value_len, SQLITE_STATIC);
	if (sqlite3_step(stmt) != SQLITE_DONE)
		TAP_FAIL("%s", sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	free(value);
}

static inline void fixture_put_int(sqlite3 *db, uint64_t key, size_t value_len)
{
	uint8_t bytes[8];
	int i;

	for (i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(key >> (56 - 8 * i));
	fixture_put(db, bytes, sizeof(bytes), value_len, key);
}

#endif
