/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a manifest. It is a database file from a store that anybody may have
 * written, so SQLite gets it read-only and in memory, may read two ordinary
 * tables and nothing else, and may do no more work than the size of the file
 * explains. All values are then checked here; column types in an SQLite
 * schema are a habit, not a promise.
 */
#include "format/manifest.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/keyname.h"
#include "format/manifest_check.h"
#include "format/names.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

static const char MAGIC[16] = "SQLite format 3";

enum {
	FORMAT_VERSION = 4,
	STEPS_PER_TICK = 10000, /* of SQLite's virtual machine */
	TICKS_MIN = 100,
	BYTES_PER_TICK = 1000, /* a row is read in some 20 steps */
	VALUE_BYTES_MIN = 4096,
};

struct reader {
	sqlite3 *db;
	size_t ticks_left;
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

static int on_progress(void *arg)
{
	struct reader *r = arg;

	if (r->ticks_left == 0)
		return 1;
	r->ticks_left--;
	return 0;
}

static int authorize(void *arg, int action, const char *table,
                     const char *column, const char *schema,
                     const char *trigger)
{
	(void)arg;
	(void)column;
	(void)schema;
	(void)trigger;
	if (action == SQLITE_SELECT)
		return SQLITE_OK;
	if (action == SQLITE_READ &&
	    (sqlite3_stricmp(table, "build_meta") == 0 ||
	     sqlite3_stricmp(table, "shards") == 0))
		return SQLITE_OK;
	return SQLITE_DENY;
}

/* What must be set before SQLite sees the first byte of the file. */
static int harden(struct reader *r, size_t len)
{
	static const struct {
		int option;
		int value;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	};
	int longest = len < VALUE_BYTES_MIN ? VALUE_BYTES_MIN : (int)len;
	int code = SQLITE_OK;
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (code == SQLITE_OK)
			code = sqlite3_db_config(r->db, options[i].option,
			                         options[i].value, NULL);
	}
	sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH, longest);
	sqlite3_limit(r->db, SQLITE_LIMIT_EXPR_DEPTH, 100);
	sqlite3_limit(r->db, SQLITE_LIMIT_VDBE_OP, 25000);
	sqlite3_limit(r->db, SQLITE_LIMIT_WORKER_THREADS, 0);
	r->ticks_left = TICKS_MIN + len / BYTES_PER_TICK;
	sqlite3_progress_handler(r->db, STEPS_PER_TICK, on_progress, r);
	return code;
}

static enum sfs_rc open_image(struct reader *r, const void *data, size_t len)
{
	static const char settings[] = "PRAGMA cell_size_check = ON;"
				       "PRAGMA temp_store = MEMORY;"
				       "PRAGMA cache_size = -256;";
	int code;

	code = sqlite3_open_v2(":memory:", &r->db,
	                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
	                       NULL);
	if (r->db == NULL)
		return no_memory(r);
	if (code == SQLITE_OK)
		code = harden(r, len);
	if (code == SQLITE_OK)
		/* READONLY: the bytes stay ours and are never written. */
		code = sqlite3_deserialize(
			r->db, "main", (unsigned char *)(uintptr_t)data,
			(sqlite3_int64)len, (sqlite3_int64)len,
			SQLITE_DESERIALIZE_READONLY);
	if (code == SQLITE_OK)
		code = sqlite3_exec(r->db, settings, NULL, NULL, NULL);
	if (code != SQLITE_OK)
		return sfs_manifest_sqlite_fail(r->db, code, r->err);
	return SFS_OK;
}

static enum sfs_rc prepare(struct reader *r, const char *sql,
                           sqlite3_stmt **stmt)
{
	int code = sqlite3_prepare_v2(r->db, sql, -1, stmt, NULL);

	if (code != SQLITE_OK)
		return sfs_manifest_sqlite_fail(r->db, code, r->err);
	return SFS_OK;
}

static enum sfs_rc step(struct reader *r, sqlite3_stmt *stmt, bool *has_row)
{
	int code = sqlite3_step(stmt);

	*has_row = code == SQLITE_ROW;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return sfs_manifest_sqlite_fail(r->db, code, r->err);
	return SFS_OK;
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
	rc = step(r, stmt, &has_row);
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

	rc = prepare(r,
	             "SELECT type = 'table' AND rootpage > 0 FROM sqlite_master"
	             " WHERE name = ?1 COLLATE NOCASE",
	             &stmt);
	if (rc == SFS_OK)
		rc = check_table(r, stmt, "build_meta");
	if (rc == SFS_OK)
		rc = check_table(r, stmt, "shards");
	(void)sqlite3_finalize(stmt); /* repeats what step() told */
	return rc;
}

static enum sfs_rc bad_column(struct reader *r, sqlite3_stmt *stmt, int column,
                              const char *what)
{
	return sfs_err_set(r->err, SFS_E_CORRUPT, "%s %s",
	                   sqlite3_column_name(stmt, column), what);
}

/* The whole number in a column, from 0 to max. */
static enum sfs_rc get_int(struct reader *r, sqlite3_stmt *stmt, int column,
                           int64_t max, int64_t *out)
{
	if (sqlite3_column_type(stmt, column) != SQLITE_INTEGER)
		return bad_column(r, stmt, column, "is not an integer");
	*out = sqlite3_column_int64(stmt, column);
	if (*out < 0)
		return sfs_err_set(r->err, SFS_E_CORRUPT,
		                   "%s is negative (%" PRId64 ")",
		                   sqlite3_column_name(stmt, column), *out);
	if (*out > max)
		return sfs_err_set(r->err, SFS_E_CORRUPT,
		                   "%s is too large (%" PRId64 ")",
		                   sqlite3_column_name(stmt, column), *out);
	return SFS_OK;
}

static bool is_clean_utf8(const uint8_t *p, size_t len)
{
	size_t n = sfs_ascii_run(p, len);
	size_t step;

	for (; n < len; n += step) {
		step = p[n] == 0 ? 0 : sfs_utf8_sequence(p + n, len - n);
		if (step == 0)
			return false;
	}
	return true;
}

/* The text in a column, borrowed until the next step. */
static enum sfs_rc get_text(struct reader *r, sqlite3_stmt *stmt, int column,
                            const char **out, size_t *len)
{
	const unsigned char *text;

	if (sqlite3_column_type(stmt, column) != SQLITE_TEXT)
		return bad_column(r, stmt, column, "is not a text");
	text = sqlite3_column_text(stmt, column);
	if (text == NULL)
		return no_memory(r);
	*len = (size_t)sqlite3_column_bytes(stmt, column);
	if (!is_clean_utf8(text, *len))
		return bad_column(r, stmt, column,
		                  "holds NUL or bytes that are not UTF-8");
	*out = (const char *)text;
	return SFS_OK;
}

static enum sfs_rc copy_text(struct reader *r, sqlite3_stmt *stmt, int column,
                             char **out)
{
	const char *text;
	size_t len;
	enum sfs_rc rc = get_text(r, stmt, column, &text, &len);

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

	rc = prepare(r, "SELECT format_version FROM build_meta NOT INDEXED",
	             &stmt);
	if (rc == SFS_OK)
		rc = step(r, stmt, &has_row);
	if (rc == SFS_OK && !has_row)
		rc = corrupt(r, "no row in build_meta");
	if (rc == SFS_OK)
		rc = get_int(r, stmt, 0, INT64_MAX, &version);
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
	enum sfs_rc rc = get_text(r, stmt, META_CREATED_AT, &text, &len);

	if (rc == SFS_OK && !sfs_time_parse(text, len, &r->m->created_at_ns))
		rc = corrupt(r, "created_at is no ISO 8601 time");
	return rc;
}

static enum sfs_rc read_num_dbs(struct reader *r, sqlite3_stmt *stmt)
{
	int64_t num_dbs;
	enum sfs_rc rc = get_int(r, stmt, META_NUM_DBS, INT64_MAX, &num_dbs);

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
	enum sfs_rc rc = get_text(r, stmt, META_KEY_ENCODING, &text, &len);

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
		rc = sfs_sharding_check(m->sharding, strlen(m->sharding),
		                        m->num_dbs, &m->strategy, r->err);
	return rc;
}

/* Of several rows the first one counts. */
static enum sfs_rc read_meta(struct reader *r)
{
	sqlite3_stmt *stmt = NULL;
	bool has_row = false;
	enum sfs_rc rc;

	rc = prepare(r,
	             "SELECT run_id, created_at, num_dbs, s3_prefix, key_col,"
	             " sharding, db_path_template, shard_prefix, key_encoding,"
	             " custom FROM build_meta NOT INDEXED",
	             &stmt);
	if (rc == SFS_OK)
		rc = step(r, stmt, &has_row);
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

	rc = get_int(r, stmt, SHARD_ATTEMPT, UINT32_MAX, &attempt);
	if (rc == SFS_OK)
		rc = get_int(r, stmt, SHARD_ROW_COUNT, INT64_MAX, &rows);
	if (rc == SFS_OK)
		rc = get_int(r, stmt, SHARD_DB_BYTES, INT64_MAX, &bytes);
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
	return get_text(r, stmt, (int)column, out, len);
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
	enum sfs_rc rc = get_text(r, stmt, SHARD_WRITER_INFO, &text, &len);

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
	enum sfs_rc rc = get_int(r, stmt, SHARD_DB_ID, INT64_MAX, &db_id);

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
	struct sfs_manifest_shard *s;
	const char *last = NULL;
	uint32_t rows = 0;
	enum sfs_rc rc;
	bool has_row;

	for (;;) {
		rc = step(r, stmt, &has_row);
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
	rc = prepare(r,
	             "SELECT db_id, db_url, attempt, row_count, db_bytes,"
	             " min_key, max_key, checkpoint_id, writer_info"
	             " FROM shards NOT INDEXED",
	             &stmt);
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
	rc = open_image(r, data, len);
	if (rc == SFS_OK)
		rc = check_tables(r);
	if (rc != SFS_OK)
		return rc;
	if (sqlite3_set_authorizer(r->db, authorize, NULL) != SQLITE_OK)
		return no_memory(r);
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
	(void)sqlite3_close(r.db); /* no statement is left open */
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
