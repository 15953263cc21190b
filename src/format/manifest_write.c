/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a manifest: the two tables with exactly the text that shardyfusion
 * gives SQLite, in memory, serialized.
 */
#include "base/alloc.h"
#include "format/manifest.h"
#include "format/manifest_image.h"
#include "format/names.h"

#include <inttypes.h>
#include <string.h>

static const char SCHEMA[] =
	"PRAGMA page_size = 4096;\n"
	"BEGIN;\n"
	"CREATE TABLE build_meta (\n"
	"    run_id           TEXT    NOT NULL,\n"
	"    created_at       TEXT    NOT NULL,\n"
	"    num_dbs          INTEGER NOT NULL,\n"
	"    s3_prefix        TEXT    NOT NULL,\n"
	"    key_col          TEXT    NOT NULL,\n"
	"    sharding         TEXT    NOT NULL,\n"
	"    db_path_template TEXT    NOT NULL,\n"
	"    shard_prefix     TEXT    NOT NULL,\n"
	"    format_version   INTEGER NOT NULL,\n"
	"    key_encoding     TEXT    NOT NULL,\n"
	"    custom           TEXT    NOT NULL DEFAULT '{}'\n"
	");\n"
	"CREATE TABLE shards (\n"
	"    db_id         INTEGER NOT NULL PRIMARY KEY,\n"
	"    db_url        TEXT,\n"
	"    attempt       INTEGER NOT NULL,\n"
	"    row_count     INTEGER NOT NULL,\n"
	"    db_bytes      INTEGER NOT NULL,\n"
	"    min_key       TEXT,\n"
	"    max_key       TEXT,\n"
	"    checkpoint_id TEXT,\n"
	"    writer_info   TEXT    NOT NULL DEFAULT '{}'\n"
	");\n";

static const char INSERT_META[] =
	"INSERT INTO build_meta (run_id, created_at, num_dbs, s3_prefix,"
	" key_col, sharding, db_path_template, shard_prefix, format_version,"
	" key_encoding, custom) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 4, ?, ?)";

static const char INSERT_SHARD[] =
	"INSERT INTO shards (db_id, db_url, attempt, row_count, db_bytes,"
	" min_key, max_key, checkpoint_id, writer_info)"
	" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

/* NULL is bound as NULL. The text must live until the next step. */
static int bind_text(sqlite3_stmt *stmt, int index, const char *text)
{
	return sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
}

static int run_once(sqlite3_stmt *stmt, int code)
{
	if (code != SQLITE_OK)
		return code;
	code = sqlite3_step(stmt);
	(void)sqlite3_reset(stmt); /* repeats the code of the step */
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int insert_meta(sqlite3_stmt *stmt, const struct sfs_manifest *m)
{
	const char *encoding = sfs_key_encoding_text(m->key_encoding);
	char created_at[SFS_TIME_BYTES];
	int code = SQLITE_OK;
	size_t i;

	sfs_timestamp_format(m->created_at_ns, created_at);
	const struct {
		int index;
		const char *text;
	} texts[] = {
		{ 1, m->run_id },       { 2, created_at },
		{ 4, m->s3_prefix },    { 5, m->key_col },
		{ 6, m->sharding },     { 7, m->db_path_template },
		{ 8, m->shard_prefix }, { 9, encoding },
		{ 10, m->custom },
	};

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (code == SQLITE_OK)
			code = bind_text(stmt, texts[i].index, texts[i].text);
	}
	if (code == SQLITE_OK)
		code = sqlite3_bind_int64(stmt, 3, m->num_dbs);
	return run_once(stmt, code);
}

static int insert_shard(sqlite3_stmt *stmt, uint32_t db_id,
                        const struct sfs_manifest_shard *s)
{
	const struct {
		int index;
		int64_t value;
	} numbers[] = {
		{ 1, db_id },
		{ 3, s->attempt },
		{ 4, (int64_t)s->row_count },
		{ 5, (int64_t)s->db_bytes },
	};
	const struct {
		int index;
		const char *text;
	} texts[] = {
		{ 2, s->db_url },
		{ 6, s->min_key },
		{ 7, s->max_key },
		{ 8, s->checkpoint_id },
		{ 9, s->writer_info != NULL ? s->writer_info : "{}" },
	};
	int code = SQLITE_OK;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (code == SQLITE_OK)
			code = sqlite3_bind_int64(stmt, numbers[i].index,
			                          numbers[i].value);
	}
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (code == SQLITE_OK)
			code = bind_text(stmt, texts[i].index, texts[i].text);
	}
	return run_once(stmt, code);
}

static int insert_shards(sqlite3 *db, const struct sfs_manifest *m)
{
	sqlite3_stmt *stmt = NULL;
	uint32_t i;
	int code;

	code = sqlite3_prepare_v2(db, INSERT_SHARD, -1, &stmt, NULL);
	for (i = 0; i < m->num_dbs && code == SQLITE_OK; i++) {
		if (m->shards[i].db_url != NULL)
			code = insert_shard(stmt, i, &m->shards[i]);
	}
	(void)sqlite3_finalize(stmt); /* repeats the code of the step */
	return code;
}

static int write_tables(sqlite3 *db, const struct sfs_manifest *m)
{
	sqlite3_stmt *stmt = NULL;
	int code;

	code = sqlite3_exec(db, SCHEMA, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(db, INSERT_META, -1, &stmt, NULL);
	if (code == SQLITE_OK)
		code = insert_meta(stmt, m);
	(void)sqlite3_finalize(stmt); /* repeats the code of the step */
	if (code == SQLITE_OK)
		code = insert_shards(db, m);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return code;
}

static enum sfs_rc serialize(sqlite3 *db, void **data_out, size_t *len_out,
                             struct sfs_err *err)
{
	sqlite3_int64 len = 0;
	unsigned char *image = sqlite3_serialize(db, "main", &len, 0);

	if (image != NULL)
		*data_out = sfs_memdup0(image, (size_t)len);
	*len_out = (size_t)len;
	sqlite3_free(image);
	if (image == NULL || *data_out == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "manifest: out of memory");
	return SFS_OK;
}

static enum sfs_rc check(const struct sfs_manifest *m, struct sfs_err *err)
{
	if (m->num_dbs == 0 || m->run_id == NULL || m->s3_prefix == NULL ||
	    m->key_col == NULL || m->sharding == NULL ||
	    m->db_path_template == NULL || m->shard_prefix == NULL ||
	    m->custom == NULL || m->key_encoding == SFS_KEY_INVALID)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "manifest: a required value is missing");
	return SFS_OK;
}

enum sfs_rc sfs_manifest_serialize(const struct sfs_manifest *m,
                                   void **data_out, size_t *len_out,
                                   struct sfs_err *err)
{
	sqlite3 *db = NULL;
	enum sfs_rc rc;
	int code;

	*data_out = NULL;
	*len_out = 0;
	rc = check(m, err);
	if (rc != SFS_OK)
		return rc;
	code = sqlite3_open_v2(":memory:", &db,
	                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
	                       NULL);
	if (code == SQLITE_OK)
		code = write_tables(db, m);
	if (code != SQLITE_OK)
		rc = sfs_image_fail(db, code, err);
	else
		rc = serialize(db, data_out, len_out, err);
	(void)sqlite3_close(db); /* no statement is left open */
	return rc;
}
