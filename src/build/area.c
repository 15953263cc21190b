/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The staging area: which builds this process has, and what they share. On
 * disk it is a directory with one directory for each build (files.c says what
 * is in those) and names that begin with '.' (area_dir.c). Several processes
 * share it: each build belongs to the one that has its lock.
 */
#include "build/area_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/workers.h"

#include <errno.h>
#include <unistd.h>

enum {
	SLABS = 8,
	SLAB_MIN_BYTES = 4 << 20,
	/* with what each thread and the program take: 64 MiB */
	LARGE_BYTES = 24 << 20,
	IDLE_BYTES = 8 << 20,
};

/* --- opening and closing ------------------------------------------------------ */

static enum sfs_rc start_threads(struct sfs_area *a, struct sfs_err *err)
{
	size_t slab = a->config.build_memory / SLABS;
	unsigned threads = a->config.threads > 0 ? a->config.threads : 1;
	enum sfs_rc rc;

	rc = sfs_slabs_new(SLABS, slab > SLAB_MIN_BYTES ? slab : SLAB_MIN_BYTES,
	                   &a->slabs, err);
	if (rc == SFS_OK)
		rc = sfs_workers_new(threads + 1, &a->workers, err);
	if (rc == SFS_OK)
		rc = sfs_workers_new(threads, &a->spillers, err);
	a->context = (struct sfs_engine_context){
		.store = a->config.store,
		.catalog = a->config.catalog,
		.run_prefix = a->run_prefix,
		.url = a->url,
		.slabs = a->slabs,
		.large = &a->large,
		.idle = &a->idle,
		.workers = a->workers,
		.spillers = a->spillers,
		.threads = threads,
		.value_max = a->config.value_max,
		.settle_ms = a->config.settle_ms,
		.lock_ms = a->config.lock_ms,
	};
	return rc;
}

static enum sfs_rc copy_config(struct sfs_area *a,
                               const struct sfs_area_config *config,
                               struct sfs_err *err)
{
	const char *url =
		config->url != NULL ? config->url : config->store->url;

	a->config = *config;
	a->dir = sfs_strdup(config->dir);
	a->run_prefix = sfs_strdup(config->run_prefix);
	a->url = sfs_strdup(url);
	if (a->dir == NULL || a->run_prefix == NULL || a->url == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	a->config.dir = a->dir;
	a->config.run_prefix = a->run_prefix;
	a->config.url = a->url;
	return SFS_OK;
}

/* Early, and in the words of the option. */
static enum sfs_rc check_writable(struct sfs_area *a, struct sfs_err *err)
{
	int guard = -1;
	enum sfs_rc rc = sfs_area_guard(a->dir_fd, true, &guard, NULL, err);

	if (rc != SFS_OK)
		return sfs_err_wrap(err, "%s", a->dir);
	(void)close(guard);
	return SFS_OK;
}

enum sfs_rc sfs_area_open(const struct sfs_area_config *config,
                          struct sfs_area **out, struct sfs_err *err)
{
	struct sfs_area *a = sfs_calloc(1, sizeof(*a));
	enum sfs_rc rc;

	if (a == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	a->dir_fd = -1;
	atomic_init(&a->is_stopping, false);
	pthread_mutex_init(&a->lock, NULL);
	sfs_clock_cond_init(&a->has_dead);
	sfs_budget_init(&a->large, LARGE_BYTES);
	sfs_budget_init(&a->idle, IDLE_BYTES);
	rc = copy_config(a, config, err);
	if (rc == SFS_OK)
		rc = sfs_area_dir_open(a->dir, true, &a->dir_fd, err);
	if (rc == SFS_OK)
		rc = check_writable(a, err);
	if (rc == SFS_OK)
		rc = start_threads(a, err);
	if (rc == SFS_OK)
		rc = sfs_area_reaper_start(a, err);
	if (rc == SFS_OK && config->adopt)
		rc = sfs_area_adopt_all(a, err);
	if (rc == SFS_OK)
		*out = a;
	else
		sfs_area_close(a);
	return rc;
}

/* Handles may outlive the area: they keep the build, without an engine. */
static void close_builds(struct sfs_area *a)
{
	struct sfs_build *b;

	for (;;) {
		pthread_mutex_lock(&a->lock);
		b = a->count > 0 ? a->builds[a->count - 1] : NULL;
		if (b != NULL)
			a->count--;
		pthread_mutex_unlock(&a->lock);
		if (b == NULL)
			return;
		sfs_build_stop(b);
		sfs_build_unlock(b);
		sfs_build_unref(b);
	}
}

void sfs_area_close(struct sfs_area *a)
{
	if (a == NULL)
		return;
	close_builds(a);
	sfs_area_reaper_stop(a);
	sfs_workers_free(a->workers);
	sfs_workers_free(a->spillers);
	sfs_slabs_free(a->slabs);
	if (a->dir_fd >= 0)
		(void)close(a->dir_fd);
	sfs_budget_destroy(&a->idle);
	sfs_budget_destroy(&a->large);
	pthread_cond_destroy(&a->has_dead);
	pthread_mutex_destroy(&a->lock);
	sfs_free(a->builds);
	sfs_free(a->url);
	sfs_free(a->run_prefix);
	sfs_free(a->dir);
	sfs_free(a);
}

/* --- the list ------------------------------------------------------------------ */

/* The place of a name, or where it would be. The caller holds a->lock. */
static size_t search_locked(const struct sfs_area *a, const char *name,
                            bool *found)
{
	size_t low = 0;
	size_t high = a->count;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(a->builds[middle]->name, name);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static enum sfs_rc grow_locked(struct sfs_area *a, struct sfs_err *err)
{
	size_t cap = a->cap > 0 ? a->cap * 2 : 16;
	struct sfs_build **wide;

	if (a->count < a->cap)
		return SFS_OK;
	wide = sfs_realloc_array(a->builds, cap, sizeof(*wide));
	if (wide == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	a->builds = wide;
	a->cap = cap;
	return SFS_OK;
}

enum sfs_rc sfs_area_add(struct sfs_area *a, struct sfs_build *b,
                         struct sfs_err *err)
{
	enum sfs_rc rc;
	bool found;
	size_t at;

	pthread_mutex_lock(&a->lock);
	rc = grow_locked(a, err);
	at = search_locked(a, b->name, &found);
	if (rc == SFS_OK && found)
		rc = sfs_err_set(err, SFS_E_EXISTS, "build %s exists", b->name);
	if (rc == SFS_OK) {
		memmove(a->builds + at + 1, a->builds + at,
		        (a->count - at) * sizeof(*a->builds));
		a->builds[at] = sfs_build_ref(b);
		a->count++;
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

bool sfs_area_take(struct sfs_area *a, struct sfs_build *b)
{
	bool found;
	size_t at;

	pthread_mutex_lock(&a->lock);
	at = search_locked(a, b->name, &found);
	found = found && a->builds[at] == b;
	if (found) {
		a->count--;
		memmove(a->builds + at, a->builds + at + 1,
		        (a->count - at) * sizeof(*a->builds));
	}
	pthread_mutex_unlock(&a->lock);
	return found;
}

struct sfs_build *sfs_area_find(struct sfs_area *a, const char *name)
{
	struct sfs_build *b = NULL;
	bool found;
	size_t at;

	pthread_mutex_lock(&a->lock);
	at = search_locked(a, name, &found);
	if (found)
		b = sfs_build_ref(a->builds[at]);
	pthread_mutex_unlock(&a->lock);
	return b;
}

/* The first build behind a name ("": the first of all), with a reference. */
static struct sfs_build *next_build(struct sfs_area *a, const char *after)
{
	struct sfs_build *b = NULL;
	bool found;
	size_t at;

	pthread_mutex_lock(&a->lock);
	at = search_locked(a, after, &found);
	at += found;
	if (at < a->count)
		b = sfs_build_ref(a->builds[at]);
	pthread_mutex_unlock(&a->lock);
	return b;
}

void sfs_area_list(struct sfs_area *a, sfs_area_name_fn *fn, void *arg)
{
	struct sfs_build *b = next_build(a, "");
	struct sfs_build *next;

	while (b != NULL && fn(arg, b->name)) {
		next = next_build(a, b->name);
		sfs_build_unref(b);
		b = next;
	}
	sfs_build_unref(b);
}

/* --- discarding ----------------------------------------------------------------- */

static enum sfs_rc check_empty(struct sfs_build *b, struct sfs_err *err)
{
	static const enum sfs_build_dir dirs[] = {
		SFS_BUILD_TOP, SFS_BUILD_KEYS, SFS_BUILD_INGEST, SFS_BUILD_WHERE
	};
	struct sfs_build_names names;
	struct sfs_snapshot_id base;
	enum sfs_rc rc = SFS_OK;

	if (sfs_files_get_base(b->files, &base))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "build %s is not empty: base", b->name);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs) && rc == SFS_OK;
	     i++) {
		if (!sfs_build_has_dir(b, dirs[i]))
			continue;
		rc = sfs_files_list(b->files, dirs[i], &names, err);
		if (rc == SFS_OK && names.count > 0)
			rc = sfs_err_set(err, SFS_E_INVALID,
			                 "build %s is not empty: %.200s",
			                 b->name,
			                 SFS_PLACE(dirs[i], names.names[0]));
		sfs_build_names_release(&names);
	}
	return rc;
}

/* What the store keeps of it is gc's to find, if it cannot be reached. */
static void forget_objects(struct sfs_build *b)
{
	struct sfs_err err;
	enum sfs_rc rc = sfs_engine_discard(b->engine, &err);

	if (rc != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "objects of a discarded build may be left in the "
		        "store; gc will remove them build=%s rc=%s "
		        "cause=\"%s\"",
		        b->name, sfs_rc_name(rc), err.msg);
}

enum sfs_rc sfs_area_discard(struct sfs_area *a, struct sfs_build *b,
                             bool is_forced, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_freeze(b, SFS_BUILD_ENDING, err);

	if (rc != SFS_OK)
		return rc;
	if (!is_forced)
		rc = check_empty(b, err);
	if (rc == SFS_OK)
		rc = sfs_area_set_aside(a->dir_fd, b->name, b->done_name, err);
	if (rc != SFS_OK) {
		sfs_build_thaw(b);
		return rc;
	}
	rc = sfs_build_enter(b, NULL);
	if (rc == SFS_OK) {
		forget_objects(b);
		sfs_build_leave(b);
	}
	if (sfs_area_take(a, b))
		sfs_build_unref(b); /* the list's; the caller has one */
	sfs_build_stop(b);
	rc = sfs_area_remove_dir(a->dir_fd, b->done_name, NULL, err);
	sfs_build_unlock(b);
	if (rc != SFS_OK) /* it is no build any more, and goes later */
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "the directory of a discarded build is left name=%s "
		        "cause=\"%s\"",
		        b->done_name, err->msg);
	return SFS_OK;
}
