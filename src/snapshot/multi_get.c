/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many keys at once. Keys are grouped by shard with a counting sort; each
 * group is sorted by bytes, so that its shard is walked once from left to
 * right, and the groups are shared out among threads. What is moved about is
 * the first eight bytes of a key, sorted as a number, and where the key is;
 * the rest of the bytes is looked at where the first eight are equal.
 */
#include "snapshot/snapshot.h"

#include "base/alloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 64, RADIX_MIN = 128 };

struct item {
	uint64_t head; /* the first bytes of the key, big-endian */
	size_t index;  /* in the caller's array */
};

struct job {
	struct sfs_snapshot *snapshot;
	const struct sfs_bytes *keys; /* the caller's */
	const struct sfs_columns *columns;
	struct item *items; /* grouped by shard; behind them, what none has */
	size_t *starts;     /* num_dbs + 2 offsets into items */
	size_t value_max;
	sfs_multi_get_fn *fn;
	void *arg;
	atomic_uint next_shard;
	atomic_bool stop;
	pthread_mutex_t lock;
	enum sfs_rc rc;     /* protected by lock; the first fault */
	struct sfs_err err; /* protected by lock */
};

struct group {
	struct job *job;
	const struct item *items;
};

static uint64_t head_of(struct sfs_bytes key)
{
	uint8_t bytes[8] = { 0 };
	uint64_t head = 0;

	if (key.len > 0)
		memcpy(bytes, key.data, key.len < 8 ? key.len : 8);
	for (int i = 0; i < 8; i++)
		head = head << 8 | bytes[i];
	return head;
}

static int by_key(const void *a, const void *b, void *arg)
{
	const struct item *x = a;
	const struct item *y = b;
	const struct sfs_bytes *keys = arg;

	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	return sfs_bytes_compare(keys[x->index], keys[y->index]);
}

/* By head, one byte after the other; bytes that are all equal are skipped. */
static void sort_heads(struct item *items, struct item *spare, size_t count)
{
	size_t places[8][256] = { { 0 } };
	struct item *from = items;
	struct item *to = spare;
	struct item *other;

	for (size_t i = 0; i < count; i++) {
		for (int d = 0; d < 8; d++)
			places[d][items[i].head >> 8 * d & 0xff]++;
	}
	for (int d = 0; d < 8; d++) {
		size_t *place = places[d];
		size_t begin = 0;

		if (place[items[0].head >> 8 * d & 0xff] == count)
			continue;
		for (int v = 0; v < 256; v++) {
			begin += place[v];
			place[v] = begin - place[v];
		}
		for (size_t i = 0; i < count; i++)
			to[place[from[i].head >> 8 * d & 0xff]++] = from[i];
		other = from;
		from = to;
		to = other;
	}
	if (from != items)
		memcpy(items, from, count * sizeof(*items));
}

/* spare has room for count items. */
static void sort_items(const struct sfs_bytes *keys, struct item *items,
                       struct item *spare, size_t count)
{
	void *arg = (void *)(uintptr_t)keys;
	size_t end;

	if (count < RADIX_MIN) {
		qsort_r(items, count, sizeof(*items), by_key, arg);
		return;
	}
	sort_heads(items, spare, count);
	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1;
		     end < count && items[end].head == items[i].head; end++)
			;
		if (end - i > 1)
			qsort_r(items + i, end - i, sizeof(*items), by_key,
			        arg);
	}
}

static bool answer(void *arg, size_t index, const struct sfs_bytes *value)
{
	struct group *g = arg;

	if (!g->job->fn(g->job->arg, g->items[index].index, value))
		atomic_store(&g->job->stop, true);
	return !atomic_load_explicit(&g->job->stop, memory_order_relaxed);
}

static void fail(struct job *job, const struct sfs_err *err)
{
	pthread_mutex_lock(&job->lock);
	if (job->rc == SFS_OK) {
		job->rc = err->rc;
		job->err = *err;
	}
	pthread_mutex_unlock(&job->lock);
	atomic_store(&job->stop, true);
}

static bool answer_absent(struct group *g, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!answer(g, i, NULL))
			return false;
	}
	return true;
}

/* A group at work: the keys in order, and room to sort them. */
struct room {
	struct sfs_bytes *keys;
	struct item *spare;
};

static enum sfs_rc ask_shard(struct job *job, uint32_t db_id, size_t count,
                             const struct room *room, struct sfs_err *err)
{
	struct item *items = job->items + job->starts[db_id];
	struct group group = { .job = job, .items = items };

	if (db_id == sfs_snapshot_manifest(job->snapshot)->num_dbs ||
	    sfs_snapshot_shard_prefix(job->snapshot, db_id) == NULL) {
		(void)answer_absent(&group, count); /* stop is noted in job */
		return SFS_OK;
	}
	sort_items(job->keys, items, room->spare, count);
	for (size_t i = 0; i < count; i++)
		room->keys[i] = job->keys[items[i].index];
	return sfs_snapshot_shard_multi_get(job->snapshot, db_id, room->keys,
	                                    count, job->value_max, answer,
	                                    &group, err);
}

static void work_shard(struct job *job, uint32_t db_id)
{
	size_t count = job->starts[db_id + 1] - job->starts[db_id];
	struct room room;
	struct sfs_err err;
	enum sfs_rc rc;

	if (count == 0)
		return;
	room.keys = sfs_realloc_array(NULL, count, sizeof(*room.keys));
	room.spare = sfs_realloc_array(NULL, count, sizeof(*room.spare));
	if (room.keys == NULL || room.spare == NULL)
		rc = sfs_err_set(&err, SFS_E_NO_MEMORY,
		                 "multiget: out of memory");
	else
		rc = ask_shard(job, db_id, count, &room, &err);
	if (rc != SFS_OK)
		fail(job, &err);
	sfs_free(room.spare);
	sfs_free(room.keys);
}

static void *work(void *arg)
{
	struct job *job = arg;
	uint32_t num_dbs = sfs_snapshot_manifest(job->snapshot)->num_dbs;
	uint32_t db_id;

	while (!atomic_load(&job->stop)) {
		db_id = atomic_fetch_add(&job->next_shard, 1);
		if (db_id > num_dbs)
			break;
		work_shard(job, db_id);
	}
	return NULL;
}

/* The calling thread works too; fewer helpers than asked for is fine. */
static void run(struct job *job, unsigned threads)
{
	pthread_t helpers[THREADS_MAX];
	unsigned count = 0;

	threads = threads > THREADS_MAX ? THREADS_MAX : threads;
	while (count + 1 < threads &&
	       pthread_create(&helpers[count], NULL, work, job) == 0)
		count++;
	(void)work(job);
	for (unsigned i = 0; i < count; i++)
		(void)pthread_join(helpers[i], NULL); /* ours, joined once */
}

/* The shard that may have a key; num_dbs: none has it. */
static enum sfs_rc find_shard(const struct job *job, size_t index,
                              uint32_t *out, struct sfs_err *err)
{
	const struct sfs_router *router = sfs_snapshot_router(job->snapshot);
	struct sfs_query query = { job->keys[index], job->columns };
	struct sfs_route route;
	struct sfs_hit hit;
	enum sfs_rc rc;

	if (router->program == NULL) {
		*out = sfs_router_hash(router, query.key);
		return SFS_OK;
	}
	if (sfs_router_can_route(router, query.columns, NULL)) {
		rc = sfs_router_route(router, query.key, query.columns, &route,
		                      err);
		*out = route.is_known ? route.db_id : router->num_dbs;
		return rc;
	}
	rc = sfs_snapshot_get(job->snapshot, &query, &hit, NULL, err);
	*out = hit.found ? hit.db_id : router->num_dbs;
	return rc;
}

static enum sfs_rc find_shards(const struct job *job, size_t count,
                               uint32_t *shards, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; rc == SFS_OK && i < count; i++)
		rc = find_shard(job, i, &shards[i], err);
	return rc;
}

/* A counting sort: starts[d + 2] counts d, and becomes where its end is. */
static void sort_by_shard(struct job *job, const uint32_t *shards, size_t count)
{
	uint32_t groups = sfs_snapshot_manifest(job->snapshot)->num_dbs + 1;
	size_t at;

	for (size_t i = 0; i < count; i++)
		job->starts[shards[i] + 2]++;
	for (uint32_t d = 2; d < groups + 2; d++)
		job->starts[d] += job->starts[d - 1];
	for (size_t i = 0; i < count; i++) {
		at = job->starts[shards[i] + 1]++;
		job->items[at] = (struct item){ head_of(job->keys[i]), i };
	}
}

/* Fills items and starts. */
static enum sfs_rc group_keys(struct job *job, size_t count,
                              struct sfs_err *err)
{
	size_t groups =
		(size_t)sfs_snapshot_manifest(job->snapshot)->num_dbs + 1;
	uint32_t *shards = sfs_calloc(count, sizeof(*shards));
	enum sfs_rc rc;

	job->items = sfs_calloc(count, sizeof(*job->items));
	job->starts = sfs_calloc(groups + 2, sizeof(*job->starts));
	if (shards == NULL || job->items == NULL || job->starts == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY,
		                 "multiget: out of memory");
	else
		rc = find_shards(job, count, shards, err);
	if (rc == SFS_OK)
		sort_by_shard(job, shards, count);
	sfs_free(shards);
	return rc;
}

enum sfs_rc sfs_snapshot_multi_get(struct sfs_snapshot *s,
                                   const struct sfs_bytes *keys, size_t count,
                                   const struct sfs_multi_get_options *options,
                                   sfs_multi_get_fn *fn, void *arg,
                                   struct sfs_err *err)
{
	struct job job = { .snapshot = s,
		           .keys = keys,
		           .columns = options->columns,
		           .value_max = options->value_max,
		           .fn = fn,
		           .arg = arg };
	enum sfs_rc rc;

	pthread_mutex_init(&job.lock, NULL);
	rc = group_keys(&job, count, err);
	if (rc == SFS_OK) {
		run(&job, options->threads);
		rc = job.rc;
		if (rc != SFS_OK && err != NULL)
			*err = job.err;
	}
	pthread_mutex_destroy(&job.lock);
	sfs_free(job.items);
	sfs_free(job.starts);
	return rc;
}
