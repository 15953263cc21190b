/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hash tables over the same entries, by number and by path, and a ring in
 * the order of last use, all under one lock. Views are left outside of it,
 * since the last one to leave closes a snapshot.
 */
#include "fs/where.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <pthread.h>
#include <string.h>

enum { BUCKETS = 1 << 14 };

struct entry {
	struct entry *by_number; /* chains */
	struct entry *by_path;
	struct entry *older; /* the ring */
	struct entry *newer;
	uint64_t number;
	uint64_t refs; /* of the kernel */
	uint64_t hash; /* of the path, and what else tells them apart */
	struct sfs_view *view;
	enum sfs_node_view which;
	bool is_keys;
	size_t path_len;
	char *path; /* behind it */
};

struct sfs_where_table {
	struct sfs_views *views;
	size_t max_bytes;
	pthread_mutex_t lock;
	/* protected by lock, all below */
	struct entry *numbers[BUCKETS];
	struct entry *paths[BUCKETS];
	struct entry ring; /* newer: the oldest; older: the newest */
	uint64_t last_number;
	uint64_t count;
	size_t bytes;
};

struct sfs_where_table *sfs_where_new(struct sfs_views *views, size_t max_bytes)
{
	struct sfs_where_table *t = sfs_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->views = views;
	t->max_bytes = max_bytes;
	t->ring.older = &t->ring;
	t->ring.newer = &t->ring;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

static size_t bytes_of(const struct entry *e)
{
	return sizeof(*e) + e->path_len + 1;
}

static void unlink_ring_locked(struct entry *e)
{
	e->older->newer = e->newer;
	e->newer->older = e->older;
}

static void make_newest_locked(struct sfs_where_table *t, struct entry *e)
{
	e->older = t->ring.older;
	e->newer = &t->ring;
	e->older->newer = e;
	t->ring.older = e;
}

/* Takes it out of the table; the caller frees it. */
static void remove_locked(struct sfs_where_table *t, struct entry *e)
{
	struct entry **link = &t->numbers[e->number % BUCKETS];

	while (*link != e)
		link = &(*link)->by_number;
	*link = e->by_number;
	link = &t->paths[e->hash % BUCKETS];
	while (*link != e)
		link = &(*link)->by_path;
	*link = e->by_path;
	unlink_ring_locked(e);
	t->count--;
	t->bytes -= bytes_of(e);
}

static void insert_locked(struct sfs_where_table *t, struct entry *e)
{
	e->number = ++t->last_number;
	e->by_number = t->numbers[e->number % BUCKETS];
	t->numbers[e->number % BUCKETS] = e;
	e->by_path = t->paths[e->hash % BUCKETS];
	t->paths[e->hash % BUCKETS] = e;
	make_newest_locked(t, e);
	t->count++;
	t->bytes += bytes_of(e);
}

static struct entry *at_locked(struct sfs_where_table *t, uint64_t number)
{
	struct entry *e = t->numbers[number % BUCKETS];

	while (e != NULL && e->number != number)
		e = e->by_number;
	return e;
}

static struct entry *find_locked(struct sfs_where_table *t,
                                 const struct entry *like)
{
	struct entry *e = t->paths[like->hash % BUCKETS];

	while (e != NULL &&
	       (e->hash != like->hash || e->view != like->view ||
	        e->which != like->which || e->is_keys != like->is_keys ||
	        strcmp(e->path, like->path) != 0))
		e = e->by_path;
	return e;
}

/* Ends entries, linked by by_number, that are no longer in the table. */
static void end_all(struct sfs_where_table *t, struct entry *e)
{
	struct entry *next;

	for (; e != NULL; e = next) {
		next = e->by_number;
		sfs_views_leave(t->views, e->view, 1);
		sfs_free(e);
	}
}

void sfs_where_free(struct sfs_where_table *t)
{
	struct entry *e;

	if (t == NULL)
		return;
	while ((e = t->ring.newer) != &t->ring) {
		remove_locked(t, e);
		e->by_number = NULL;
		end_all(t, e);
	}
	pthread_mutex_destroy(&t->lock);
	sfs_free(t);
}

static struct entry *entry_new(const struct sfs_where_dir *dir)
{
	size_t len = strlen(dir->path);
	struct entry *e = sfs_malloc(sizeof(*e) + len + 1);

	if (e == NULL)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->refs = 1;
	e->view = dir->view;
	e->which = dir->which;
	e->is_keys = dir->is_keys;
	e->path_len = len;
	e->path = (char *)(e + 1);
	memcpy(e->path, dir->path, len + 1);
	e->hash = sfs_hash64(dir->path, len) ^
	          sfs_mix64(dir->view->generation << 2 |
	                    (uint64_t)dir->which << 1 | dir->is_keys);
	return e;
}

/* Takes out what has to make room; the newest one stays whatever its size. */
static struct entry *evict_locked(struct sfs_where_table *t)
{
	struct entry *evicted = NULL;
	struct entry *e;

	while (t->bytes > t->max_bytes && t->count > 1) {
		e = t->ring.newer;
		remove_locked(t, e);
		e->by_number = evicted;
		evicted = e;
	}
	return evicted;
}

bool sfs_where_enter(struct sfs_where_table *t, const struct sfs_where_dir *dir,
                     uint64_t *number_out)
{
	struct entry *evicted = NULL;
	struct entry *made = entry_new(dir);
	struct entry *e;

	if (made == NULL)
		return false;
	pthread_mutex_lock(&t->lock);
	e = find_locked(t, made);
	if (e != NULL) {
		e->refs++;
		unlink_ring_locked(e);
		make_newest_locked(t, e);
	} else {
		e = made;
		sfs_view_add(e->view, 1);
		insert_locked(t, e);
		evicted = evict_locked(t);
	}
	*number_out = e->number;
	pthread_mutex_unlock(&t->lock);
	if (e != made)
		sfs_free(made);
	end_all(t, evicted);
	return true;
}

enum sfs_rc sfs_where_get(struct sfs_where_table *t, uint64_t number,
                          struct sfs_where_dir *out, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	struct entry *e;

	*out = (struct sfs_where_dir){ .view = NULL };
	pthread_mutex_lock(&t->lock);
	e = at_locked(t, number);
	if (e == NULL) {
		rc = sfs_err_set(err, SFS_E_STALE,
		                 "a directory below where/ made room for "
		                 "others");
	} else {
		out->path = sfs_memdup0(e->path, e->path_len);
		if (out->path == NULL)
			rc = sfs_err_set(err, SFS_E_NO_MEMORY,
			                 "where/: out of memory");
	}
	if (rc == SFS_OK) {
		unlink_ring_locked(e);
		make_newest_locked(t, e);
		sfs_view_add(e->view, 1);
		out->view = e->view;
		out->which = e->which;
		out->is_keys = e->is_keys;
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void sfs_where_release(struct sfs_where_table *t, struct sfs_where_dir *dir)
{
	if (dir->view != NULL)
		sfs_views_leave(t->views, dir->view, 1);
	sfs_free(dir->path);
	*dir = (struct sfs_where_dir){ .view = NULL };
}

void sfs_where_forget(struct sfs_where_table *t, uint64_t number,
                      uint64_t count)
{
	struct entry *e;

	pthread_mutex_lock(&t->lock);
	e = at_locked(t, number);
	if (e != NULL && e->refs > count) {
		e->refs -= count;
		e = NULL;
	}
	if (e != NULL) {
		remove_locked(t, e);
		e->by_number = NULL;
	}
	pthread_mutex_unlock(&t->lock);
	end_all(t, e);
}

uint64_t sfs_where_count(struct sfs_where_table *t)
{
	uint64_t count;

	pthread_mutex_lock(&t->lock);
	count = t->count;
	pthread_mutex_unlock(&t->lock);
	return count;
}
