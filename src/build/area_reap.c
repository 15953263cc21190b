/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what is done, in a thread of its own: a build may have millions of
 * files and thousands of objects that lost, and nobody should wait for them. First, once, what a crash left
 * behind (.new-*, .done-*) and nobody has locked. What is not removed a few
 * seconds after the area closes is left for the next one.
 */
#include "build/area_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PATIENCE_MS = 3000 };

static void warn_left(const char *name, const struct sfs_err *err)
{
	sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
	        "a directory of the staging area is left name=%s cause=\"%s\"",
	        name, err->msg);
}

static bool is_leftover(const char *entry)
{
	return strncmp(entry, SFS_AREA_NEW, strlen(SFS_AREA_NEW)) == 0 ||
	       strncmp(entry, SFS_AREA_DONE, strlen(SFS_AREA_DONE)) == 0;
}

/* The lock of a leftover, if its owner is dead; else -1. */
static int claim(struct sfs_area *a, const char *entry)
{
	int lock_fd = -1;
	int guard = -1;
	int fd;

	if (sfs_area_guard(a->dir_fd, true, &guard, NULL, NULL) != SFS_OK)
		return -1;
	fd = openat(a->dir_fd, entry,
	            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && sfs_area_lock_build(fd, &lock_fd, NULL, NULL) != SFS_OK)
		lock_fd = -1;
	if (fd >= 0)
		(void)close(fd);
	(void)close(guard);
	return lock_fd;
}

static enum sfs_rc sweep_entry(void *arg, int dir_fd, const char *entry,
                               struct sfs_err *err)
{
	struct sfs_area *a = arg;
	struct sfs_err local;
	enum sfs_rc rc;
	int lock_fd;

	(void)err;
	if (!is_leftover(entry))
		return SFS_OK;
	lock_fd = claim(a, entry);
	if (lock_fd < 0)
		return SFS_OK;
	rc = sfs_area_remove_dir(dir_fd, entry, &a->is_stopping, &local);
	(void)close(lock_fd);
	if (rc != SFS_OK && rc != SFS_E_CANCELED)
		warn_left(entry, &local);
	return SFS_OK;
}

static void sweep(struct sfs_area *a)
{
	struct sfs_err err;

	if (sfs_dir_walk(a->dir_fd, sweep_entry, a, &err) != SFS_OK)
		warn_left(a->dir, &err);
}

/* The directory lost its name; what is in it is reached by descriptor. */
static void bury(struct sfs_area *a, struct sfs_build *b)
{
	struct sfs_err err;
	enum sfs_rc rc;

	if (!atomic_load(&a->is_stopping)) /* else gc will */
		sfs_engine_clean(b->engine);
	sfs_build_stop(b);
	rc = sfs_area_remove_dir(a->dir_fd, b->done_name, &a->is_stopping,
	                         &err);
	if (rc != SFS_OK && rc != SFS_E_CANCELED)
		warn_left(b->done_name, &err);
	sfs_build_unref(b);
}

static void *reap(void *arg)
{
	struct sfs_area *a = arg;
	struct sfs_build *b;

	if (a->config.adopt)
		sweep(a);
	pthread_mutex_lock(&a->lock);
	while (a->dead != NULL || !atomic_load(&a->is_stopping)) {
		b = a->dead;
		if (b == NULL) {
			pthread_cond_wait(&a->has_dead, &a->lock);
			continue;
		}
		a->dead = b->next_dead;
		a->is_burying = true;
		pthread_mutex_unlock(&a->lock);
		bury(a, b);
		pthread_mutex_lock(&a->lock);
		a->is_burying = false;
		pthread_cond_broadcast(&a->has_dead);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

enum sfs_rc sfs_area_reaper_start(struct sfs_area *a, struct sfs_err *err)
{
	int error = pthread_create(&a->reaper, NULL, reap, a);

	if (error != 0)
		return sfs_err_sys(err, error, "staging area: thread");
	a->has_reaper = true;
	return SFS_OK;
}

void sfs_area_reaper_stop(struct sfs_area *a)
{
	const int64_t until_ms = sfs_clock_ms() + PATIENCE_MS;

	if (!a->has_reaper)
		return;
	pthread_mutex_lock(&a->lock);
	while ((a->dead != NULL || a->is_burying) &&
	       sfs_clock_cond_wait(&a->has_dead, &a->lock, until_ms))
		;
	atomic_store(&a->is_stopping, true);
	pthread_cond_broadcast(&a->has_dead);
	pthread_mutex_unlock(&a->lock);
	(void)pthread_join(a->reaper, NULL);
	a->has_reaper = false;
}

/* Without a new name the engine finds out at the next adoption. */
void sfs_area_retire(struct sfs_area *a, struct sfs_build *b)
{
	struct sfs_err err;
	enum sfs_rc rc;
	bool was_listed;

	rc = sfs_area_set_aside(a->dir_fd, b->name, b->done_name, &err);
	if (rc != SFS_OK) {
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "a published build keeps its directory for now "
		        "build=%s cause=\"%s\"",
		        b->name, err.msg);
		b->done_name[0] = '\0';
	}
	sfs_build_finish(b);
	was_listed = sfs_area_take(a, b);
	pthread_mutex_lock(&a->lock);
	if (was_listed && a->has_reaper) {
		b->next_dead = a->dead;
		a->dead = b;
		pthread_cond_signal(&a->has_dead);
		was_listed = false;
	}
	pthread_mutex_unlock(&a->lock);
	if (was_listed)
		sfs_build_unref(b);
}
