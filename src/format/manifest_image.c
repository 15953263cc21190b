/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens a database that anybody may have written: read-only and in memory,
 * without views, triggers and extensions, with bounded work. Column types in
 * an SQLite schema are a habit, not a promise, so values are asked for their
 * own type.
 */
#include "format/manifest_image.h"

#include "base/keyname.h"

#include <inttypes.h>

enum {
	STEPS_PER_TICK = 10000, /* of SQLite's virtual machine */
	TICKS_MIN = 100,
	BYTES_PER_TICK = 1000, /* a row is read in some 20 steps */
	VALUE_BYTES_MIN = 4096,
};

enum sfs_rc sfs_image_fail(sqlite3 *db, int code, struct sfs_err *err)
{
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	case SQLITE_INTERRUPT:
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "needs more work than its size explains");
	default:
		return sfs_err_set(err, SFS_E_CORRUPT, "%s",
		                   sqlite3_errmsg(db));
	}
}

static int on_progress(void *arg)
{
	struct sfs_image *image = arg;

	if (image->ticks_left == 0)
		return 1;
	image->ticks_left--;
	return 0;
}

/* What must be set before SQLite sees the first byte of the file. */
static int harden(struct sfs_image *image, size_t len)
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
			code = sqlite3_db_config(image->db, options[i].option,
			                         options[i].value, NULL);
	}
	sqlite3_limit(image->db, SQLITE_LIMIT_LENGTH, longest);
	sqlite3_limit(image->db, SQLITE_LIMIT_EXPR_DEPTH, 100);
	sqlite3_limit(image->db, SQLITE_LIMIT_VDBE_OP, 25000);
	sqlite3_limit(image->db, SQLITE_LIMIT_WORKER_THREADS, 0);
	image->ticks_left = TICKS_MIN + len / BYTES_PER_TICK;
	sqlite3_progress_handler(image->db, STEPS_PER_TICK, on_progress, image);
	return code;
}

enum sfs_rc sfs_image_open(struct sfs_image *image, const void *data,
                           size_t len, struct sfs_err *err)
{
	static const char settings[] = "PRAGMA cell_size_check = ON;"
				       "PRAGMA temp_store = MEMORY;"
				       "PRAGMA cache_size = -256;";
	int code;

	code = sqlite3_open_v2(":memory:", &image->db,
	                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
	                       NULL);
	if (image->db == NULL)
		return sfs_image_fail(NULL, SQLITE_NOMEM, err);
	if (code == SQLITE_OK)
		code = harden(image, len);
	if (code == SQLITE_OK)
		/* READONLY: the bytes stay ours and are never written. */
		code = sqlite3_deserialize(
			image->db, "main", (unsigned char *)(uintptr_t)data,
			(sqlite3_int64)len, (sqlite3_int64)len,
			SQLITE_DESERIALIZE_READONLY);
	if (code == SQLITE_OK)
		code = sqlite3_exec(image->db, settings, NULL, NULL, NULL);
	if (code != SQLITE_OK)
		return sfs_image_fail(image->db, code, err);
	return SFS_OK;
}

enum sfs_rc sfs_image_prepare(struct sfs_image *image, const char *sql,
                              sqlite3_stmt **stmt, struct sfs_err *err)
{
	int code = sqlite3_prepare_v2(image->db, sql, -1, stmt, NULL);

	if (code != SQLITE_OK)
		return sfs_image_fail(image->db, code, err);
	return SFS_OK;
}

enum sfs_rc sfs_image_step(sqlite3_stmt *stmt, bool *has_row,
                           struct sfs_err *err)
{
	int code = sqlite3_step(stmt);

	*has_row = code == SQLITE_ROW;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return sfs_image_fail(sqlite3_db_handle(stmt), code, err);
	return SFS_OK;
}

void sfs_image_release(struct sfs_image *image)
{
	(void)sqlite3_close(image->db); /* no statement is left open */
	image->db = NULL;
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

void sfs_image_restrict(struct sfs_image *image)
{
	(void)sqlite3_set_authorizer(image->db, authorize,
	                             NULL); /* fails on misuse only */
}

static enum sfs_rc bad_column(sqlite3_stmt *stmt, int column, const char *what,
                              struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CORRUPT, "%s %s",
	                   sqlite3_column_name(stmt, column), what);
}

enum sfs_rc sfs_image_int(sqlite3_stmt *stmt, int column, int64_t max,
                          int64_t *out, struct sfs_err *err)
{
	if (sqlite3_column_type(stmt, column) != SQLITE_INTEGER)
		return bad_column(stmt, column, "is not an integer", err);
	*out = sqlite3_column_int64(stmt, column);
	if (*out < 0)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s is negative (%" PRId64 ")",
		                   sqlite3_column_name(stmt, column), *out);
	if (*out > max)
		return sfs_err_set(err, SFS_E_CORRUPT,
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

enum sfs_rc sfs_image_text(sqlite3_stmt *stmt, int column, const char **out,
                           size_t *len, struct sfs_err *err)
{
	const unsigned char *text;

	if (sqlite3_column_type(stmt, column) != SQLITE_TEXT)
		return bad_column(stmt, column, "is not a text", err);
	text = sqlite3_column_text(stmt, column);
	if (text == NULL)
		return sfs_image_fail(NULL, SQLITE_NOMEM, err);
	*len = (size_t)sqlite3_column_bytes(stmt, column);
	if (!is_clean_utf8(text, *len))
		return bad_column(stmt, column,
		                  "holds NUL or bytes that are not UTF-8", err);
	*out = (const char *)text;
	return SFS_OK;
}
