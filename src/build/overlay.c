/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in keys/ and where/, and removed keys of the base. They change one by one until
 * the build settles, so nothing of them is kept: each settling walks the
 * names, marks every shard with what its files look like, and reads only
 * those of shards whose mark is another than the one they were built from.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "build/where_name.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
	RACY_NS = 50000000,  /* the clock of files may be as coarse as this */
	RANK_HASH_BITS = 11, /* leaves microseconds until 2112 */
};

#define RANK_REMOVED ((uint64_t)1)
#define RANK_KEYS ((uint64_t)1 << 63)

/* One walk over the names. */
struct walk {
	struct sfs_engine *engine;
	const struct sfs_call *call;
	int64_t now_ns;
	struct sfs_run_filler *filler; /* the second walk */
	uint8_t *value;                /* the largest so far; second walk */
	size_t value_cap;
	struct sfs_key_name name; /* the one that is looked at */
};

static uint64_t mix(uint64_t h, uint64_t value)
{
	return sfs_mix64(h ^ value) + 0x9e3779b97f4a7c15u;
}

static uint64_t file_mark(const struct walk *w, const struct sfs_key_file *file)
{
	const struct stat *st = file->st;
	/* nobody can set it back */
	int64_t ctime = sfs_timespec_ns(&st->st_ctim);
	uint64_t h = sfs_hash64(file->at.name, strlen(file->at.name));

	h = mix(h, (uint64_t)st->st_ino);
	h = mix(h, (uint64_t)st->st_size);
	h = mix(h, (uint64_t)sfs_timespec_ns(&st->st_mtim));
	h = mix(h, (uint64_t)ctime);
	if (ctime > w->now_ns - RACY_NS) /* may change and look the same */
		h = mix(h, (uint64_t)w->now_ns);
	return h | 1;
}

static enum sfs_rc mark_file(void *arg, const struct sfs_key_file *file,
                             struct sfs_err *err)
{
	struct walk *w = arg;
	struct sfs_engine *e = w->engine;
	struct sfs_err why;
	uint32_t db_id;
	enum sfs_rc rc;

	e->key_files++;
	if ((uint64_t)file->st->st_size > e->context.value_max)
		sfs_engine_problem(e, "%s: larger than value_max",
		                   SFS_PLACE(file->at.dir, file->at.name));
	rc = sfs_key_name_read(&w->name, e, &file->at, &why);
	if (rc == SFS_OK)
		rc = sfs_engine_place_key(e, &w->name, &db_id, &why);
	sfs_key_name_release(&w->name);
	if (rc == SFS_OK)
		e->marks[db_id].keys += file_mark(w, file);
	else
		sfs_engine_problem(e, "%s: %.400s",
		                   SFS_PLACE(file->at.dir, file->at.name),
		                   why.msg);
	return sfs_engine_check(e, w->call, err);
}

/*
 * The shards that a removed key may be in: where columns would tell, and its
 * name has none, all of them. A name that cannot be is of none.
 */
static void removed_from(struct walk *w, const char *text, uint32_t *first,
                         uint32_t *end)
{
	const bool has_columns = sfs_where_key(text) != text;
	const struct sfs_build_place at = { has_columns ? SFS_BUILD_WHERE
		                                        : SFS_BUILD_KEYS,
		                            text };
	struct sfs_err why;

	*first = 0;
	*end = 0;
	if (sfs_key_name_read(&w->name, w->engine, &at, &why) != SFS_OK)
		return;
	if (sfs_engine_place_key(w->engine, &w->name, first, &why) == SFS_OK)
		*end = *first + 1;
	else if (!has_columns)
		*end = w->engine->num_dbs;
}

static enum sfs_rc mark_removed(void *arg, const char *name, size_t len,
                                struct sfs_err *err)
{
	struct walk *w = arg;
	struct sfs_engine *e = w->engine;
	const uint64_t mark = mix(sfs_hash64(name, len), 1) | 1;
	uint32_t first, end;

	if (!e->has_base)
		return SFS_OK;
	removed_from(w, name, &first, &end);
	sfs_key_name_release(&w->name);
	for (; first < end; first++)
		e->marks[first].keys += mark;
	return sfs_engine_check(e, w->call, err);
}

static enum sfs_rc note_stray(void *arg, const char *name, size_t len,
                              struct sfs_err *err)
{
	(void)err;
	sfs_engine_problem(arg,
	                   "%.*s: no part of a build; remove it (it may hold "
	                   "config.yaml, message, tag, base, keys/, where/, "
	                   "ingest/)",
	                   (int)len, name);
	return SFS_OK;
}

enum sfs_rc sfs_engine_mark_keys(struct sfs_engine *e,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct walk w = { .engine = e,
		          .call = call,
		          .now_ns = sfs_clock_wall_ns() };
	enum sfs_rc rc;

	for (uint32_t i = 0; i < e->num_dbs; i++)
		e->marks[i].keys = 0;
	e->key_files = 0;
	rc = sfs_files_walk_keys(e->files, mark_file, &w, err);
	if (rc == SFS_OK)
		rc = sfs_files_walk_removed(e->files, mark_removed, &w, err);
	if (rc == SFS_OK)
		rc = sfs_files_walk_strays(e->files, note_stray, e, err);
	return rc;
}

/* --- the second walk ---------------------------------------------------- */

static enum sfs_rc add(struct walk *w, const struct sfs_sort_record *record,
                       struct sfs_err *err)
{
	struct sfs_runs *runs = w->engine->overlay;
	enum sfs_rc rc = SFS_OK;

	if (record->key.len + record->value.len >
	    sfs_run_record_max_bytes(runs))
		return sfs_run_spill_large(runs, record, err);
	while (rc == SFS_OK && !sfs_run_filler_add(w->filler, record))
		rc = sfs_run_filler_spill(w->filler, err);
	return rc;
}

static enum sfs_rc grow(struct walk *w, size_t size, struct sfs_err *err)
{
	uint8_t *grown;

	if (size <= w->value_cap)
		return SFS_OK;
	grown = sfs_realloc_array(w->value, size, 1);
	if (grown == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	w->value = grown;
	w->value_cap = size;
	return SFS_OK;
}

static enum sfs_rc read_exactly(int fd, uint8_t *buf, size_t *len,
                                const struct sfs_build_place *at,
                                struct sfs_err *err)
{
	size_t got = 0;
	ssize_t n = 1;

	while (got < *len && n != 0) {
		n = read(fd, buf + got, *len - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sfs_err_sys(err, errno, "%s",
			                   SFS_PLACE(at->dir, at->name));
		got += (size_t)n;
	}
	*len = got;
	return SFS_OK;
}

/* The whole file, as long as it is now; what changes later is read later. */
static enum sfs_rc read_value(struct walk *w, const struct sfs_build_place *at,
                              struct sfs_bytes *out, struct sfs_err *err)
{
	struct stat st;
	size_t len = 0;
	enum sfs_rc rc;
	int fd;

	rc = sfs_files_open_key(w->engine->files, at, &fd, err);
	if (rc != SFS_OK)
		return rc;
	if (fstat(fd, &st) != 0)
		rc = sfs_err_sys(err, errno, "%s",
		                 SFS_PLACE(at->dir, at->name));
	else if ((uint64_t)st.st_size > w->engine->context.value_max)
		rc = sfs_err_set(err, SFS_E_TOO_BIG,
		                 "%s: larger than value_max",
		                 SFS_PLACE(at->dir, at->name));
	else
		len = (size_t)st.st_size;
	if (rc == SFS_OK)
		rc = grow(w, len > 0 ? len : 1, err);
	if (rc == SFS_OK)
		rc = read_exactly(fd, w->value, &len, at, err);
	(void)close(fd);
	*out = (struct sfs_bytes){ w->value, len };
	return rc;
}

/*
 * Files of different columns may have one key in one shard: the one that was
 * modified last wins, as it would in keys/.
 */
static uint64_t rank_of(const struct sfs_key_file *file)
{
	int64_t us = sfs_timespec_ns(&file->st->st_mtim) / 1000;
	uint64_t hash = sfs_hash64(file->at.name, strlen(file->at.name));
	uint64_t time = us > 0 ? (uint64_t)us : 0;

	if (file->at.dir == SFS_BUILD_KEYS)
		return RANK_KEYS;
	return RANK_KEYS | (time << RANK_HASH_BITS & (RANK_KEYS - 1)) |
	       hash >> (64 - RANK_HASH_BITS);
}

static enum sfs_rc read_placed(struct walk *w, const struct sfs_key_file *file,
                               struct sfs_err *err)
{
	struct sfs_engine *e = w->engine;
	struct sfs_sort_record record = { .key = w->name.key,
		                          .rank = rank_of(file) };
	enum sfs_rc rc;

	if (sfs_engine_place_key(e, &w->name, &record.db_id, err) != SFS_OK)
		return SFS_OK; /* it came meanwhile: the next time refuses it */
	if (e->shards[record.db_id].state != SFS_SHARD_STALE)
		return SFS_OK;
	rc = read_value(w, &file->at, &record.value, err);
	if (rc == SFS_E_NOT_FOUND)
		return SFS_OK; /* removed meanwhile: its shard is stale again */
	if (rc == SFS_OK)
		rc = add(w, &record, err);
	return rc == SFS_OK ? sfs_engine_check(e, w->call, err) : rc;
}

static enum sfs_rc read_file(void *arg, const struct sfs_key_file *file,
                             struct sfs_err *err)
{
	struct walk *w = arg;
	enum sfs_rc rc = SFS_OK;

	if (sfs_key_name_read(&w->name, w->engine, &file->at, NULL) == SFS_OK)
		rc = read_placed(w, file, err);
	sfs_key_name_release(&w->name);
	return rc;
}

static enum sfs_rc read_removed(void *arg, const char *name, size_t len,
                                struct sfs_err *err)
{
	struct walk *w = arg;
	struct sfs_engine *e = w->engine;
	struct sfs_sort_record record = { .rank = RANK_REMOVED,
		                          .is_delete = true };
	enum sfs_rc rc = SFS_OK;
	uint32_t end;

	(void)len;
	removed_from(w, name, &record.db_id, &end);
	record.key = w->name.key;
	for (; rc == SFS_OK && record.db_id < end; record.db_id++) {
		if (e->shards[record.db_id].state == SFS_SHARD_STALE)
			rc = add(w, &record, err);
	}
	sfs_key_name_release(&w->name);
	return rc;
}

enum sfs_rc sfs_engine_read_keys(struct sfs_engine *e,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_runs_config config = {
		.dir_fd = sfs_files_runs_fd(e->files),
		.num_dbs = e->num_dbs,
		.slabs = e->context.slabs,
	};
	struct walk w = { .engine = e, .call = call };
	enum sfs_rc rc;

	sfs_runs_free(e->overlay);
	e->overlay = NULL;
	rc = sfs_runs_new(&config, &e->overlay, err);
	if (rc == SFS_OK)
		rc = sfs_run_filler_new(e->overlay, &w.filler, err);
	if (rc == SFS_OK)
		rc = sfs_files_walk_keys(e->files, read_file, &w, err);
	if (rc == SFS_OK && e->has_base)
		rc = sfs_files_walk_removed(e->files, read_removed, &w, err);
	if (rc == SFS_OK && !sfs_run_filler_is_empty(w.filler))
		rc = sfs_run_filler_spill(w.filler, err);
	sfs_run_filler_free(w.filler);
	sfs_free(w.value);
	return rc;
}
