/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of SQLite shards: the sqlite3 library makes a database in
 * local_dir, which seal puts into the store as "shard.db". The local file is
 * scratch, so there is no journal and no fsync: after a crash it is garbage,
 * and the store makes the object durable.
 *
 *   OPEN (a transaction is open) -> seal -> CLOSED (file whole) -> SEALED
 *
 * seal may be called again after a failed put; the file stays until the put
 * succeeded or the writer is closed.
 */
#include "adapter/sqlite.h"

#include "base/alloc.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_SIZE_DEFAULT = 4096 };

struct writer {
	struct sfs_shard_writer base;
	struct sfs_store *store; /* borrowed */
	char *url;               /* for messages */
	char *key;               /* of the object */
	char *path;              /* of the local file; NULL: none */
	sqlite3 *db;             /* NULL once CLOSED */
	sqlite3_stmt *insert;
	uint64_t db_bytes;
	bool is_sealed;
	bool is_broken; /* a write failed: without a journal the file is lost */
};

static enum sfs_rc rc_of_sqlite(int code)
{
	switch (code & 0xFF) {
	case SQLITE_NOMEM:
		return SFS_E_NO_MEMORY;
	case SQLITE_FULL:
		return SFS_E_NO_SPACE;
	case SQLITE_TOOBIG:
		return SFS_E_TOO_BIG;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY:
		return SFS_E_AUTH;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return SFS_E_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return SFS_E_CORRUPT;
	default:
		return SFS_E_IO;
	}
}

static enum sfs_rc sqlite_error(const struct writer *w, int code,
                                struct sfs_err *err)
{
	return sfs_err_set(
		err, rc_of_sqlite(code), "%s: writing shard: %s", w->url,
		w->db != NULL ? sqlite3_errmsg(w->db) : sqlite3_errstr(code));
}

static enum sfs_rc no_memory(const char *url, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory for a writer",
	                   url);
}

static enum sfs_rc run_sql(struct writer *w, const char *sql,
                           struct sfs_err *err)
{
	int code = sqlite3_exec(w->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? SFS_OK : sqlite_error(w, code, err);
}

static enum sfs_rc bad_options(const char *url, const char *what,
                               struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_INVALID, "%s: writer options: %s", url,
	                   what);
}

/* Takes page_size, a power of two from 512 to 65536, out of the options. */
static enum sfs_rc page_size_of(const struct sfs_shard_location *where,
                                int *size_out, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	const cJSON *item;
	cJSON *json;
	int size;

	*size_out = PAGE_SIZE_DEFAULT;
	if (where->options == NULL)
		return SFS_OK;
	json = cJSON_Parse(where->options);
	item = cJSON_GetObjectItemCaseSensitive(json, "page_size");
	if (!cJSON_IsObject(json)) {
		rc = bad_options(where->db_url, "not a JSON object", err);
	} else if (item != NULL) {
		size = cJSON_IsNumber(item) && item->valuedouble >= 512 &&
		                       item->valuedouble <= 65536
		               ? item->valueint
		               : 0;
		if (size == 0 || (size & (size - 1)) != 0 ||
		    item->valuedouble > size)
			rc = bad_options(where->db_url,
			                 "page_size is a power of two from "
			                 "512 to 65536",
			                 err);
		*size_out = size;
	}
	cJSON_Delete(json);
	return rc;
}

/* Creates the local file under a name of its own. */
static enum sfs_rc scratch_begin(struct writer *w, const char *dir,
                                 struct sfs_err *err)
{
	size_t size = strlen(dir) + sizeof("/shard-XXXXXX");
	char *path = sfs_malloc(size);
	enum sfs_rc rc;
	int fd;

	if (path == NULL)
		return no_memory(w->url, err);
	(void)snprintf(path, size, "%s/shard-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		rc = sfs_err_sys(err, errno, "%s: cannot create %s", w->url,
		                 path);
		sfs_free(path);
		return rc;
	}
	(void)close(fd); /* an empty file: nothing to lose */
	w->path = path;
	return SFS_OK;
}

static enum sfs_rc database_begin(struct writer *w, int page_size,
                                  struct sfs_err *err)
{
	char sql[256];
	enum sfs_rc rc;
	int code;

	code = sqlite3_open_v2(w->path, &w->db,
	                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
	                       NULL);
	if (code != SQLITE_OK)
		return sqlite_error(w, code, err);
	(void)snprintf(sql, sizeof(sql),
	               "PRAGMA page_size=%d; PRAGMA locking_mode=EXCLUSIVE; "
	               "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; "
	               "CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) "
	               "WITHOUT ROWID; BEGIN",
	               page_size);
	rc = run_sql(w, sql, err);
	if (rc != SFS_OK)
		return rc;
	code = sqlite3_prepare_v2(w->db,
	                          "INSERT OR REPLACE INTO kv VALUES (?, ?)", -1,
	                          &w->insert, NULL);
	return code == SQLITE_OK ? SFS_OK : sqlite_error(w, code, err);
}

/* A NULL pointer would bind NULL, not the empty blob. */
static int bind_bytes(sqlite3_stmt *stmt, int column, struct sfs_bytes b)
{
	if (b.len == 0)
		return sqlite3_bind_zeroblob(stmt, column, 0);
	return sqlite3_bind_blob64(stmt, column, b.data, b.len, SQLITE_STATIC);
}

static enum sfs_rc insert_pair(struct writer *w, const struct sfs_pair *pair,
                               struct sfs_err *err)
{
	int code = bind_bytes(w->insert, 1, pair->key);

	if (code == SQLITE_OK)
		code = bind_bytes(w->insert, 2, pair->value);
	if (code == SQLITE_OK)
		code = sqlite3_step(w->insert);
	if (code == SQLITE_DONE)
		code = sqlite3_reset(w->insert);
	if (code == SQLITE_OK)
		return SFS_OK;
	(void)sqlite_error(w, code, err);
	(void)sqlite3_reset(w->insert); /* repeats the step's error */
	return rc_of_sqlite(code);
}

static enum sfs_rc check_open(const struct writer *w, struct sfs_err *err)
{
	if (w->db == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s: the shard is sealed already", w->url);
	if (w->is_broken)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s: an earlier write of the shard failed",
		                   w->url);
	return SFS_OK;
}

static enum sfs_rc writer_write_batch(struct sfs_shard_writer *base,
                                      const struct sfs_pair *pairs,
                                      size_t count, struct sfs_err *err)
{
	struct writer *w = (struct writer *)base;
	enum sfs_rc rc = check_open(w, err);
	size_t i;

	for (i = 0; rc == SFS_OK && i < count; i++)
		rc = insert_pair(w, &pairs[i], err);
	if (rc != SFS_OK)
		w->is_broken = true;
	return rc;
}

static enum sfs_rc writer_flush(struct sfs_shard_writer *base,
                                struct sfs_err *err)
{
	struct writer *w = (struct writer *)base;
	enum sfs_rc rc = check_open(w, err);

	if (rc == SFS_OK)
		rc = run_sql(w, "COMMIT; BEGIN", err);
	if (rc != SFS_OK)
		w->is_broken = true;
	return rc;
}

static enum sfs_rc database_finish(struct writer *w, struct sfs_err *err)
{
	enum sfs_rc rc = check_open(w, err);
	int code;

	if (rc == SFS_OK && !sqlite3_get_autocommit(w->db))
		rc = run_sql(w, "COMMIT", err);
	if (rc != SFS_OK) {
		w->is_broken = true;
		return rc;
	}
	sqlite3_finalize(w->insert); /* repeats the last step's error */
	w->insert = NULL;
	code = sqlite3_close(w->db);
	if (code != SQLITE_OK)
		return sqlite_error(w, code, err);
	w->db = NULL;
	return SFS_OK;
}

static enum sfs_rc upload(struct writer *w, struct sfs_err *err)
{
	struct stat st = { .st_size = 0 };
	enum sfs_rc rc;
	int fd;

	fd = open(w->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		rc = sfs_err_sys(err, errno, "%s: cannot open %s", w->url,
		                 w->path);
	else
		rc = w->store->ops->put_file(w->store, w->key, fd, NULL, NULL,
		                             err);
	if (fd >= 0)
		(void)close(fd); /* only read */
	w->db_bytes = (uint64_t)st.st_size;
	return rc;
}

static void scratch_remove(struct writer *w)
{
	if (w->path != NULL)
		(void)unlink(w->path); /* what stays is scratch */
	sfs_free(w->path);
	w->path = NULL;
}

static enum sfs_rc writer_seal(struct sfs_shard_writer *base,
                               struct sfs_err *err)
{
	struct writer *w = (struct writer *)base;
	enum sfs_rc rc = SFS_OK;

	if (w->is_sealed)
		return SFS_OK;
	if (w->db != NULL)
		rc = database_finish(w, err);
	if (rc == SFS_OK)
		rc = upload(w, err);
	if (rc != SFS_OK)
		return rc;
	w->is_sealed = true;
	scratch_remove(w);
	return SFS_OK;
}

static uint64_t writer_db_bytes(struct sfs_shard_writer *base)
{
	const struct writer *w = (const struct writer *)base;

	return w->is_sealed ? w->db_bytes : 0;
}

static void writer_close(struct sfs_shard_writer *base)
{
	struct writer *w = (struct writer *)base;

	if (w == NULL)
		return;
	sqlite3_finalize(w->insert);
	(void)sqlite3_close(w->db); /* scratch: nothing to lose */
	scratch_remove(w);
	sfs_free(w->key);
	sfs_free(w->url);
	sfs_free(w);
}

static const struct sfs_shard_writer_ops writer_ops = {
	.write_batch = writer_write_batch,
	.flush = writer_flush,
	.seal = writer_seal,
	.db_bytes = writer_db_bytes,
	.close = writer_close,
};

static enum sfs_rc names_begin(struct writer *w,
                               const struct sfs_shard_location *where,
                               struct sfs_err *err)
{
	size_t size = strlen(where->key_prefix) + sizeof("/" SFS_SQLITE_OBJECT);

	w->url = sfs_strdup(where->db_url);
	w->key = sfs_malloc(size);
	if (w->url == NULL || w->key == NULL)
		return no_memory(where->db_url, err);
	(void)snprintf(w->key, size, "%s/" SFS_SQLITE_OBJECT,
	               where->key_prefix);
	return SFS_OK;
}

enum sfs_rc sfs_sqlite_writer_open(const struct sfs_shard_location *where,
                                   struct sfs_shard_writer **out,
                                   struct sfs_err *err)
{
	struct writer *w;
	int page_size;
	enum sfs_rc rc;

	*out = NULL;
	if (where->local_dir == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s: writing needs a local directory",
		                   where->db_url);
	rc = page_size_of(where, &page_size, err);
	if (rc != SFS_OK)
		return rc;
	w = sfs_calloc(1, sizeof(*w));
	if (w == NULL)
		return no_memory(where->db_url, err);
	w->base.ops = &writer_ops;
	w->store = where->store;
	rc = names_begin(w, where, err);
	if (rc == SFS_OK)
		rc = scratch_begin(w, where->local_dir, err);
	if (rc == SFS_OK)
		rc = database_begin(w, page_size, err);
	if (rc != SFS_OK) {
		writer_close(&w->base);
		return rc;
	}
	*out = &w->base;
	return SFS_OK;
}
