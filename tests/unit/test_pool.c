/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of open shards: its bound, its order, its users, its faults. */
#include "snapshot/pool.h"
#include "unit/golden.h"
#include "unit/world.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SHARDS = 8, THREADS = 4, ROUNDS = 400 };

static struct world w;
static struct sfs_snapshot *snapshot; /* lends its shards' places */
static struct sfs_shard_pool *pool;
static struct sfs_shard_slot slots[SHARDS];
static struct golden golden;
static struct sfs_err err;

/* Without the pin of the world's own snapshot. */
static uint64_t open_objects(void)
{
	return sfs_store_fault_open_objects(w.store) - 1;
}

static void begin(uint32_t max)
{
	world_begin(&w, "hash-u64be");
	IS_INT(world_open(&w), SFS_OK);
	golden_load(&golden, "hash-u64be", "expected");
	snapshot = sfs_tracker_current(w.tracker, NULL);
	pool = sfs_shard_pool_new(max);
	for (uint32_t i = 0; i < SHARDS; i++) {
		slots[i] = (struct sfs_shard_slot){ 0 };
		slots[i].where.db_url = "golden";
		slots[i].where.store = w.store;
		slots[i].where.key_prefix =
			sfs_snapshot_shard_prefix(snapshot, i);
	}
}

static struct sfs_shard_pool_stats stats(void)
{
	struct sfs_shard_pool_stats s;

	sfs_shard_pool_get_stats(pool, &s);
	return s;
}

static void end(void)
{
	for (int i = 0; i < SHARDS; i++) {
		IS_INT(slots[i].users, 0);
		sfs_shard_pool_drop(pool, &slots[i]);
	}
	IS_INT(stats().open, 0);
	sfs_shard_pool_free(pool);
	sfs_snapshot_unref(snapshot);
	golden_free(&golden);
	world_close_end(&w);
}

static struct sfs_shard_reader *get(int slot)
{
	struct sfs_shard_reader *reader = NULL;

	IS_INT(sfs_shard_pool_get(pool, &slots[slot], &reader, NULL, &err),
	       SFS_OK);
	return reader;
}

static void put(int slot)
{
	sfs_shard_pool_put(pool, &slots[slot]);
}

static void touch(int slot)
{
	(void)get(slot);
	put(slot);
}

/* True if the reader finds the first golden row of that shard. */
static bool works(struct sfs_shard_reader *reader, uint32_t slot)
{
	struct sfs_pair_info info;
	struct sfs_err ignored;
	bool found = false;
	size_t i = 0;

	while (golden.rows[i].db_id != slot)
		i++;
	return reader->ops->get(reader, golden.rows[i].key, &found, &info, NULL,
	                        &ignored) == SFS_OK &&
	       found;
}

static void a_shard_is_opened_once_and_stays_open(void)
{
	struct sfs_shard_reader *first;

	begin(4);
	first = get(3);
	OK(get(3) == first);
	put(3);
	put(3);
	OK(get(3) == first);
	put(3);
	IS_INT(stats().opened, 1);
	IS_INT(stats().open, 1);
	IS_INT(open_objects(), 1);
	end();
}

static void the_least_recently_used_one_is_closed_first(void)
{
	begin(3);
	touch(0);
	touch(1);
	touch(2);
	touch(0); /* order now: 1 2 0 */
	touch(3); /* closes 1 */
	IS_INT(stats().open, 3);
	IS_INT(stats().evicted, 1);
	touch(2);
	touch(0);
	touch(3);
	IS_INT(stats().opened, 4);
	touch(1); /* closes 2 */
	IS_INT(stats().opened, 5);
	touch(0);
	touch(3);
	IS_INT(stats().opened, 5);
	touch(2);
	IS_INT(stats().opened, 6);
	IS_INT(open_objects(), 3);
	end();
}

static void what_is_in_use_is_never_closed(void)
{
	struct sfs_shard_reader *readers[SHARDS];

	begin(1);
	for (int i = 0; i < SHARDS; i++)
		readers[i] = get(i);
	IS_INT(stats().open, SHARDS);
	IS_INT(stats().evicted, 0);
	for (uint32_t i = 0; i < SHARDS; i++)
		OK(works(readers[i], i));
	for (int i = 0; i < SHARDS; i++)
		put(i);
	IS_INT(stats().open, 1);
	IS_INT(stats().evicted, SHARDS - 1);
	end();
}

static void a_shard_in_use_is_passed_over_for_an_older_idle_one(void)
{
	struct sfs_shard_reader *used;

	begin(2);
	used = get(0);
	touch(1);
	touch(2); /* 0 is older than 1, but in use */
	OK(works(used, 0));
	IS_INT(stats().open, 2);
	put(0);
	end();
}

static void a_failed_open_is_tried_again(void)
{
	struct sfs_shard_reader *reader = NULL;
	uint64_t faults = 0;
	enum sfs_rc rc = SFS_E_IO;

	begin(2);
	for (uint64_t n = 1; rc != SFS_OK && n < 100; n++) {
		world_fault(&w, n, false, SFS_E_IO);
		rc = sfs_shard_pool_get(pool, &slots[0], &reader, NULL, &err);
		if (rc != SFS_OK) {
			IS_INT(rc, SFS_E_IO);
			IS_INT(stats().open, 0);
			IS_INT(open_objects(), 0);
			faults += sfs_store_fault_count(w.store);
		}
	}
	OK(faults > 1);
	world_fault(&w, 0, false, SFS_OK);
	OK(works(reader, 0));
	put(0);
	end();
}

static void a_shard_that_is_gone_is_stale(void)
{
	struct sfs_shard_reader *reader = NULL;

	begin(2);
	slots[0].where.key_prefix = "shards/nowhere";
	IS_INT(sfs_shard_pool_get(pool, &slots[0], &reader, NULL, &err),
	       SFS_E_STALE);
	end();
}

static void dropping_a_closed_slot_is_nothing(void)
{
	begin(1);
	sfs_shard_pool_drop(pool, &slots[0]);
	touch(0);
	sfs_shard_pool_drop(pool, &slots[0]);
	sfs_shard_pool_drop(pool, &slots[0]);
	IS_INT(stats().open, 0);
	IS_INT(stats().evicted, 0);
	touch(0);
	IS_INT(stats().opened, 2);
	end();
}

static atomic_int wrong;
static atomic_int failed;

static void *use_many(void *arg)
{
	uint64_t x = (uintptr_t)arg * 7919 + 1;
	struct sfs_shard_reader *reader = NULL;
	struct sfs_err ignored;
	uint32_t i;

	for (int n = 0; n < ROUNDS; n++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		i = (uint32_t)(x >> 33) % SHARDS;
		if (sfs_shard_pool_get(pool, &slots[i], &reader, NULL,
		                       &ignored) != SFS_OK) {
			atomic_fetch_add(&failed, 1);
			continue;
		}
		if (!works(reader, i) || stats().open > 2 + THREADS)
			atomic_fetch_add(&wrong, 1);
		sfs_shard_pool_put(pool, &slots[i]);
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t threads[THREADS];

	atomic_store(&wrong, 0);
	atomic_store(&failed, 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, use_many, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	IS_INT(atomic_load(&wrong), 0);
}

static void many_threads_share_few_places(void)
{
	begin(2);
	run_threads();
	IS_INT(atomic_load(&failed), 0);
	OK(stats().open <= 2);
	IS_INT(stats().opened - stats().evicted, stats().open);
	IS_INT(open_objects(), stats().open);
	end();
}

static void waiting_threads_are_not_left_behind_by_a_failed_open(void)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_OPEN,
		                       .fail_at = 1,
		                       .always = true,
		                       .rc = SFS_E_TRANSIENT };

	begin(2);
	sfs_store_fault_set(w.store, &plan);
	run_threads();
	IS_INT(atomic_load(&failed), THREADS * ROUNDS);
	IS_INT(stats().open, 0);
	world_fault(&w, 0, false, SFS_OK);
	run_threads();
	IS_INT(atomic_load(&failed), 0);
	end();
}

int main(void)
{
	RUN(a_shard_is_opened_once_and_stays_open);
	RUN(the_least_recently_used_one_is_closed_first);
	RUN(what_is_in_use_is_never_closed);
	RUN(a_shard_in_use_is_passed_over_for_an_older_idle_one);
	RUN(a_failed_open_is_tried_again);
	RUN(a_shard_that_is_gone_is_stale);
	RUN(dropping_a_closed_slot_is_nothing);
	RUN(many_threads_share_few_places);
	RUN(waiting_threads_are_not_left_behind_by_a_failed_open);
	return tap_done();
}
