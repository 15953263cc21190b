/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a manifest. It is a database file from a store that anybody may have
 * written: manifest_image.c sees to it that SQLite only reads, and here every
 * value is checked before it is kept.
 */
#include "format/manifest.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "format/manifest_check.h"
#include "format/manifest_image.h"
#include "format/names.h"

#include <inttypes.h>
#include <string.h>

static const char MAGIC[16] = "SQLite format 3";

enum { FORMAT_VERSION = 4 };

struct reader {
	struct sfs_image image;
	struct sfs_manifest *m;
	struct sfs_err *err;
};

static enum sfs_rc corrupt(struct reader *r, const char *what)
{
	return sfs_err_set(r->err, SFS_E_CORRUPT, "%s", what);
}

static enum sfs_rc no_memory(struct reader *r)
{
	return sfs_err_set(r->err, SFS_E_NO_MEMORY, "out of memory");
}

/* A view or virtual table of that name would be a program, not rows. */
static enum sfs_rc check_table(struct reader *r, sqlite3_stmt *stmt,
                               const char *name)
{
	enum sfs_rc rc;
	bool has_row;

	(void)sqlite3_reset(stmt); /* repeats what step() told */
	if (sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
		return no_memory(r);
	rc = sfs_image_step(stmt, &has_row, r->err);
	if (rc != SFS_OK)
		return rc;
	if (!has_row)
		return sfs_err_set(r->err, SFS_E_CORRUPT, "no table %s", name);
	if (sqlite3_column_int(stmt, 0) == 0)
		return sfs_err_set(r->err, SFS_E_CORRUPT,
		                   "%s is not an ordinary table", name);
	return SFS_OK;
}

static enum sfs_rc check_tables(struct reader *r)
{
	sqlite3_stmt *stmt = NULL;
	enum sfs_rc rc;

	rc = sfs_image_prepare(
		&r->image,
		"SELECT type = 'table' AND rootpage > 0 FROM sqlite_master"
		" WHERE name = ?1 COLLATE NOCASE",
		&stmt, r->err);
	if (rc == SFS_OK)
		rc = check_table(r, stmt, "build_meta");
	if (rc == SFS_OK)
		rc = check_table(r, stmt, "shards");
	(void)sqlite3_finalize(stmt); /* repeats what step() told */
	return rc;
}

static enum sfs_rc copy_text(struct reader *r, sqlite3_stmt *stmt, int column,
                             char **out)
{
	const char *text;
	size_t len;
	enum sfs_rc rc = sfs_image_text(stmt, column, &text, &len, r->err);

	if (rc != SFS_OK)
		return rc;
	*out = sfs_memdup0(text, len);
	return *out != NULL ? SFS_OK : no_memory(r);
}

/* Before all else: another version may differ in everything. */
static enum sfs_rc check_version(struct reader *r)
{
	sqlite3_stmt *stmt = NULL;
	bool has_row = false;
	int64_t version;
	enum sfs_rc rc;

	rc = sfs_image_prepare(
		&r->image, "SELECT format_version FROM build_meta NOT INDEXED",
		&stmt, r->err);
	if (rc == SFS_OK)
		rc = sfs_image_step(stmt, &has_row, r->err);
	if (rc == SFS_OK && !has_row)
		rc = corrupt(r, "no row in build_meta");
	if (rc == SFS_OK)
		rc = sfs_image_int(stmt, 0, INT64_MAX, &version, r->err);
	if (rc == SFS_OK && version != FORMAT_VERSION)
		rc = sfs_err_set(r->err, SFS_E_UNSUPPORTED,
		                 "format_version is %" PRId64 ", not %d",
		                 version, FORMAT_VERSION);
	(void)sqlite3_finalize(stmt); /* repeats what step() told */
	return rc;
}

enum meta_column {
	META_RUN_ID,
	META_CREATED_AT,
	META_NUM_DBS,
	META_S3_PREFIX,
	META_KEY_COL,
	META_SHARDING,
	META_DB_PATH_TEMPLATE,
	META_SHARD_PREFIX,
	META_KEY_ENCODING,
	META_CUSTOM,
};

static enum sfs_rc copy_meta_texts(struct reader *r, sqlite3_stmt *stmt)
{
	struct sfs_manifest *m = r->m;
	const struct {
		enum meta_column column;
		char **out;
	} texts[] = {
		{ META_RUN_ID, &m->run_id },
		{ META_S3_PREFIX, &m->s3_prefix },
		{ META_KEY_COL, &m->key_col },
		{ META_SHARDING, &m->sharding },
		{ META_DB_PATH_TEMPLATE, &m->db_path_template },
		{ META_SHARD_PREFIX, &m->shard_prefix },
		{ META_CUSTOM, &m->custom },
	};
	enum sfs_rc rc = SFS_OK;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]) && rc == SFS_OK; i++)
		rc = copy_text(r, stmt, (int)texts[i].column, texts[i].out);
	return rc;
}

static enum sfs_rc read_created_at(struct reader *r, sqlite3_stmt *stmt)
{
	const char *text;
	size_t len;
	enum sfs_rc rc =
		sfs_image_text(stmt, META_CREATED_AT, &text, &len, r->err);

	if (rc == SFS_OK && !sfs_time_parse(text, len, &r->m->created_at_ns))
		rc = corrupt(r, "created_at is no ISO 8601 time");
	return rc;
}

static enum sfs_rc read_num_dbs(struct reader *r, sqlite3_stmt *stmt)
{
	int64_t num_dbs;
	enum sfs_rc rc =
		sfs_image_int(stmt, META_NUM_DBS, INT64_MAX, &num_dbs, r->err);

	if (rc != SFS_OK)
		return rc;
	if (num_dbs < 1)
		return corrupt(r, "num_dbs is 0");
	if (num_dbs > SFS_NUM_DBS_MAX)
		return sfs_err_set(r->err, SFS_E_UNSUPPORTED,
		                   "num_dbs is %" PRId64 ", over the limit "
		                   "of %d",
		                   num_dbs, SFS_NUM_DBS_MAX);
	r->m->num_dbs = (uint32_t)num_dbs;
	return SFS_OK;
}

static enum sfs_rc read_key_encoding(struct reader *r, sqlite3_stmt *stmt)
{
	const char *text;
	size_t len;
	enum sfs_rc rc =
		sfs_image_text(stmt, META_KEY_ENCODING, &text, &len, r->err);

	if (rc != SFS_OK)
		return rc;
	r->m->key_encoding = sfs_key_encoding_from_text(text);
	if (r->m->key_encoding == SFS_KEY_INVALID)
		return sfs_err_set(r->err, SFS_E_UNSUPPORTED,
		                   "unknown key_encoding \"%.100s\"", text);
	return SFS_OK;
}

static enum sfs_rc check_meta(struct reader *r)
{
	struct sfs_manifest *m = r->m;

	if (!sfs_run_id_is_valid(m->run_id, strlen(m->run_id)))
		return sfs_err_set(r->err, SFS_E_CORRUPT,
		                   "run_id \"%.100s\" is not of [A-Za-z0-9._-]",
		                   m->run_id);
	if (m->custom[0] == '\0') {
		sfs_free(m->custom);
		m->custom = sfs_strdup("{}");
		if (m->custom == NULL)
			return no_memory(r);
	}
	return sfs_json_object_check("custom", m->custom, strlen(m->custom),
	                             r->err);
}

static enum sfs_rc read_meta_row(struct reader *r, sqlite3_stmt *stmt)
{
	struct sfs_manifest *m = r->m;
	enum sfs_rc rc;

	rc = read_num_dbs(r, stmt);
	if (rc == SFS_OK)
		rc = read_key_encoding(r, stmt);
	if (rc == SFS_OK)
		rc = read_created_at(r, stmt);
	if (rc == SFS_OK)
		rc = copy_meta_texts(r, stmt);
	if (rc == SFS_OK)
		rc = check_meta(r);
	if (rc == SFS_OK)
		rc = sfs_sharding_parse(&m->routing, m->sharding,
		                        strlen(m->sharding), m->num_dbs,
		                        r->err);
	return rc;
}

/* Of several rows the first one counts. */
static enum sfs_rc read_meta(struct reader *r)
{
	sqlite3_stmt *stmt = NULL;
	bool has_row = false;
	enum sfs_rc rc;

	rc = sfs_image_prepare(
		&r->image,
		"SELECT run_id, created_at, num_dbs, s3_prefix, key_col,"
		" sharding, db_path_template, shard_prefix, key_encoding,"
		" custom FROM build_meta NOT INDEXED",
		&stmt, r->err);
	if (rc == SFS_OK)
		rc = sfs_image_step(stmt, &has_row, r->err);
	if (rc == SFS_OK && !has_row)
		rc = corrupt(r, "no row in build_meta");
	if (rc == SFS_OK)
		rc = read_meta_row(r, stmt);
	(void)sqlite3_finalize(stmt); /* repeats what step() told */
	return rc;
}

enum shard_column {
	SHARD_DB_ID,
	SHARD_DB_URL,
	SHARD_ATTEMPT,
	SHARD_ROW_COUNT,
	SHARD_DB_BYTES,
	SHARD_MIN_KEY,
	SHARD_MAX_KEY,
	SHARD_CHECKPOINT_ID,
	SHARD_WRITER_INFO,
};

static enum sfs_rc keep(struct reader *r, const char *text, size_t len,
                        const char **out)
{
	*out = sfs_arena_add(r->m->strings, text, len);
	return *out != NULL ? SFS_OK : no_memory(r);
}

static enum sfs_rc read_counts(struct reader *r, sqlite3_stmt *stmt,
                               struct sfs_manifest_shard *s)
{
	int64_t attempt = 0;
	int64_t rows = 0;
	int64_t bytes = 0;
	enum sfs_rc rc;

	rc = sfs_image_int(stmt, SHARD_ATTEMPT, UINT32_MAX, &attempt, r->err);
	if (rc == SFS_OK)
		rc = sfs_image_int(stmt, SHARD_ROW_COUNT, INT64_MAX, &rows,
		                   r->err);
	if (rc == SFS_OK)
		rc = sfs_image_int(stmt, SHARD_DB_BYTES, INT64_MAX, &bytes,
		                   r->err);
	s->attempt = (uint32_t)attempt;
	s->row_count = (uint64_t)rows;
	s->db_bytes = (uint64_t)bytes;
	return rc;
}

/* A column that may be NULL; then *out stays NULL and *len is 0. */
static enum sfs_rc get_optional(struct reader *r, sqlite3_stmt *stmt,
                                enum shard_column column, const char **out,
                                size_t *len)
{
	*out = NULL;
	*len = 0;
	if (sqlite3_column_type(stmt, (int)column) == SQLITE_NULL)
		return SFS_OK;
	return sfs_image_text(stmt, (int)column, out, len, r->err);
}

static enum sfs_rc read_optional(struct reader *r, sqlite3_stmt *stmt,
                                 enum shard_column column, const char **out)
{
	const char *text;
	size_t len;
	enum sfs_rc rc = get_optional(r, stmt, column, &text, &len);

	if (rc != SFS_OK || text == NULL)
		return rc;
	if (column == SHARD_MIN_KEY)
		rc = sfs_json_key_check("min_key", text, len, r->err);
	if (column == SHARD_MAX_KEY)
		rc = sfs_json_key_check("max_key", text, len, r->err);
	if (column == SHARD_CHECKPOINT_ID && len >= SFS_CHECKPOINT_ID_BYTES)
		rc = corrupt(r, "checkpoint_id is too long");
	if (rc != SFS_OK)
		return rc;
	return keep(r, text, len, out);
}

/* Mostly the same text in every row, so *last is checked and kept once. */
static enum sfs_rc read_writer_info(struct reader *r, sqlite3_stmt *stmt,
                                    const char **last, const char **out)
{
	const char *text;
	size_t len;
	enum sfs_rc rc =
		sfs_image_text(stmt, SHARD_WRITER_INFO, &text, &len, r->err);

	if (rc != SFS_OK)
		return rc;
	if (*last == NULL || strcmp(*last, text) != 0) {
		rc = sfs_json_object_check("writer_info", text, len, r->err);
		if (rc == SFS_OK)
			rc = keep(r, text, len, last);
	}
	*out = rc == SFS_OK ? *last : NULL;
	return rc;
}

static enum sfs_rc read_shard(struct reader *r, sqlite3_stmt *stmt,
                              struct sfs_manifest_shard *s, const char **last)
{
	enum sfs_rc rc;

	rc = read_counts(r, stmt, s);
	if (rc == SFS_OK)
		rc = read_optional(r, stmt, SHARD_DB_URL, &s->db_url);
	if (rc == SFS_OK)
		rc = read_optional(r, stmt, SHARD_MIN_KEY, &s->min_key);
	if (rc == SFS_OK)
		rc = read_optional(r, stmt, SHARD_MAX_KEY, &s->max_key);
	if (rc == SFS_OK)
		rc = read_optional(r, stmt, SHARD_CHECKPOINT_ID,
		                   &s->checkpoint_id);
	if (rc == SFS_OK)
		rc = read_writer_info(r, stmt, last, &s->writer_info);
	return rc;
}

/* Finds the place of a row. writer_info tells a place that is taken. */
static enum sfs_rc place_row(struct reader *r, sqlite3_stmt *stmt,
                             struct sfs_manifest_shard **out)
{
	struct sfs_manifest *m = r->m;
	int64_t db_id;
	enum sfs_rc rc =
		sfs_image_int(stmt, SHARD_DB_ID, INT64_MAX, &db_id, r->err);

	if (rc != SFS_OK)
		return rc;
	if (db_id >= m->num_dbs)
		return sfs_err_set(r->err, SFS_E_CORRUPT,
		                   "db_id %" PRId64 " is out of range (num_dbs "
		                   "is %" PRIu32 ")",
		                   db_id, m->num_dbs);
	*out = &m->shards[db_id];
	if ((*out)->writer_info != NULL)
		return sfs_err_set(r->err, SFS_E_CORRUPT,
		                   "db_id %" PRId64 " is there twice", db_id);
	return SFS_OK;
}

static enum sfs_rc read_shard_rows(struct reader *r, sqlite3_stmt *stmt)
{
	struct sfs_manifest_shard *s = NULL;
	const char *last = NULL;
	uint32_t rows = 0;
	enum sfs_rc rc;
	bool has_row;

	for (;;) {
		rc = sfs_image_step(stmt, &has_row, r->err);
		if (rc != SFS_OK || !has_row)
			return rc;
		if (rows++ == r->m->num_dbs)
			return corrupt(r, "more rows in shards than num_dbs");
		rc = place_row(r, stmt, &s);
		if (rc != SFS_OK)
			return rc;
		if (read_shard(r, stmt, s, &last) != SFS_OK)
			return sfs_err_wrap(r->err, "shard %zu",
			                    (size_t)(s - r->m->shards));
	}
}

static enum sfs_rc read_shards(struct reader *r)
{
	sqlite3_stmt *stmt = NULL;
	enum sfs_rc rc;

	r->m->shards = sfs_calloc(r->m->num_dbs, sizeof(*r->m->shards));
	r->m->strings = sfs_arena_new();
	if (r->m->shards == NULL || r->m->strings == NULL)
		return no_memory(r);
	rc = sfs_image_prepare(
		&r->image,
		"SELECT db_id, db_url, attempt, row_count, db_bytes,"
		" min_key, max_key, checkpoint_id, writer_info"
		" FROM shards NOT INDEXED",
		&stmt, r->err);
	if (rc == SFS_OK)
		rc = read_shard_rows(r, stmt);
	(void)sqlite3_finalize(stmt); /* repeats what step() told */
	return rc;
}

static enum sfs_rc read_all(struct reader *r, const void *data, size_t len)
{
	enum sfs_rc rc;

	if (len < sizeof(MAGIC) || memcmp(data, MAGIC, sizeof(MAGIC)) != 0)
		return corrupt(r, "unsupported manifest format");
	if (len > SFS_MANIFEST_MAX_BYTES)
		return sfs_err_set(r->err, SFS_E_UNSUPPORTED,
		                   "%zu bytes, over the limit of %d", len,
		                   SFS_MANIFEST_MAX_BYTES);
	rc = sfs_image_open(&r->image, data, len, r->err);
	if (rc == SFS_OK)
		rc = check_tables(r);
	if (rc != SFS_OK)
		return rc;
	sfs_image_restrict(&r->image);
	rc = check_version(r);
	if (rc == SFS_OK)
		rc = read_meta(r);
	if (rc == SFS_OK)
		rc = read_shards(r);
	return rc;
}

enum sfs_rc sfs_manifest_parse(const void *data, size_t len,
                               struct sfs_manifest **out, struct sfs_err *err)
{
	struct reader r = { 0 };
	struct sfs_err unwanted;
	enum sfs_rc rc;

	r.err = err != NULL ? err : &unwanted;
	r.m = sfs_calloc(1, sizeof(*r.m));
	if (r.m == NULL)
		rc = no_memory(&r);
	else
		rc = read_all(&r, data, len);
	sfs_image_release(&r.image);
	if (rc != SFS_OK) {
		sfs_manifest_free(r.m);
		return sfs_err_wrap(r.err, "manifest");
	}
	*out = r.m;
	return SFS_OK;
}

void sfs_manifest_free(struct sfs_manifest *m)
{
	if (m == NULL)
		return;
	sfs_free(m->run_id);
	sfs_free(m->s3_prefix);
	sfs_free(m->key_col);
	sfs_free(m->shard_prefix);
	sfs_free(m->db_path_template);
	sfs_free(m->sharding);
	sfs_sharding_release(&m->routing);
	sfs_free(m->custom);
	sfs_free(m->shards);
	sfs_arena_free(m->strings);
	sfs_free(m);
}

/* Counts of a hostile manifest may overflow; the sum then stays at the top. */
static uint64_t add(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

uint64_t sfs_manifest_rows(const struct sfs_manifest *m)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < m->num_dbs; i++)
		sum = add(sum, m->shards[i].row_count);
	return sum;
}

uint64_t sfs_manifest_bytes(const struct sfs_manifest *m)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < m->num_dbs; i++)
		sum = add(sum, m->shards[i].db_bytes);
	return sum;
}
