/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_CEL_STORE_H
#define SFS_TESTS_CEL_STORE_H

/* The golden stores that are routed by expression, opened one by one. */
#include "unit/golden_columns.h"
#include "unit/world.h"

#include <sqlite3.h>

static const char *const STORES[] = {
	"cel-categorical-int", "cel-categorical-str",  "cel-direct",
	"cel-direct-columns",  "cel-inferred-columns", "cel-inferred-key",
	"cel-range",
};

enum { STORE_COUNT = sizeof(STORES) / sizeof(STORES[0]) };

static struct world w;
static struct sfs_snapshot_id id;
static struct sfs_snapshot *s;
static const struct sfs_sharding *sharding;
static struct sfs_err err;

static inline void open_it(void)
{
	IS_INT(sfs_snapshot_open(&w.source, &id, NULL, &s, NULL, &err), SFS_OK);
	if (s == NULL) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	sharding = &sfs_snapshot_manifest(s)->routing;
}

static inline void begin(const char *store)
{
	s = NULL;
	world_begin(&w, store);
	IS_INT(world_open_source(&w), SFS_OK);
	id = world_id(&w, 0);
	open_it();
}

static inline void end(void)
{
	sfs_snapshot_unref(s);
	world_close_end(&w);
}

static inline void run_sql(uint32_t db_id, const char *sql)
{
	char path[SFS_STORE_KEY_MAX + 512];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/store/%s/shard.db", w.dir,
	               sfs_snapshot_shard_prefix(s, db_id));
	IS_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL),
	       SQLITE_OK);
	IS_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

static inline struct sfs_bytes bytes(const char *text)
{
	return (struct sfs_bytes){ (const uint8_t *)text, strlen(text) };
}

#endif
