/* SPDX-License-Identifier: Apache-2.0 */
/* Many keys at once: every answer once, from any number of threads. */
#include "unit/golden.h"
#include "unit/world.h"

#include <pthread.h>
#include <stdatomic.h>

static struct world w;
static struct sfs_snapshot *snapshot;
static struct golden golden; /* rows that are there, then missing ones */
static size_t present;
static struct sfs_err err;

static void begin(const char *store)
{
	world_begin(&w, store);
	IS_INT(world_open(&w), SFS_OK);
	golden_load(&golden, store, "expected");
	present = golden.count;
	golden_load(&golden, store, "missing");
	OK(golden.count > present);
	snapshot = sfs_tracker_current(w.tracker, NULL);
}

static void end(void)
{
	sfs_snapshot_unref(snapshot);
	golden_free(&golden);
	world_close_end(&w);
}

struct asked {
	const size_t *rows; /* which golden row each key is */
	size_t count;
	atomic_uint *answers; /* per key */
	atomic_uint all;
	atomic_uint wrong;
	unsigned stop_at; /* 0: never */
};

static bool take(void *arg, size_t index, const struct sfs_bytes *value)
{
	struct asked *a = arg;
	const struct golden_row *row = &golden.rows[a->rows[index]];
	bool is_there = a->rows[index] < present;

	if (index >= a->count || is_there != (value != NULL) ||
	    (is_there && !golden_is_value(row, value->data, value->len)))
		atomic_fetch_add(&a->wrong, 1);
	atomic_fetch_add(&a->answers[index], 1);
	return atomic_fetch_add(&a->all, 1) + 1 != a->stop_at;
}

/* Asks for count keys: the rows in a mixed order, times over. */
static enum sfs_rc ask(struct asked *a, size_t count, unsigned threads)
{
	struct sfs_multi_get_options options = { .threads = threads,
		                                 .value_max = 1 << 30 };
	struct sfs_bytes *keys = calloc(count + 1, sizeof(*keys));
	size_t *rows = calloc(count + 1, sizeof(*rows));
	enum sfs_rc rc;

	if (keys == NULL || rows == NULL)
		abort();
	for (size_t i = 0; i < count; i++) {
		rows[i] = i * 7919 % golden.count;
		keys[i] = golden.rows[rows[i]].key;
	}
	a->rows = rows;
	a->count = count;
	a->answers = calloc(count + 1, sizeof(*a->answers));
	rc = sfs_snapshot_multi_get(snapshot, keys, count, &options, take, a,
	                            &err);
	free(keys);
	free(rows);
	return rc;
}

/* How many keys were answered other than once. */
static int not_once(const struct asked *a)
{
	int bad = 0;

	for (size_t i = 0; i < a->count; i++)
		bad += atomic_load(&a->answers[i]) != 1;
	return bad;
}

static void check_store(const char *store, size_t times)
{
	begin(store);
	for (unsigned threads = 0; threads <= 4; threads++) {
		struct asked a = { 0 };

		IS_INT(ask(&a, golden.count * times, threads), SFS_OK);
		IS_INT(not_once(&a), 0);
		IS_INT(atomic_load(&a.wrong), 0);
		IS_INT(atomic_load(&a.all), golden.count * times);
		free(a.answers);
	}
	end();
}

static void each_key_of_each_encoding_is_answered_once(void)
{
	check_store("hash-u64be", 1);
	check_store("hash-u32be", 1);
	check_store("hash-utf8", 1);
	check_store("hash-raw", 1);
	check_store("hash-sparse", 1); /* most shards are empty */
	check_store("hash-pages", 1);
}

static void keys_that_are_asked_for_twice_are_answered_twice(void)
{
	check_store("hash-u64be", 3);
	check_store("hash-utf8", 7);
	check_store("hash-raw", 40);
}

static void more_threads_than_shards_or_than_are_used_are_fine(void)
{
	struct asked a = { 0 };
	struct asked b = { 0 };

	begin("hash-one");
	IS_INT(ask(&a, golden.count, 4), SFS_OK);
	IS_INT(not_once(&a), 0);
	IS_INT(ask(&b, golden.count, 1000), SFS_OK);
	IS_INT(not_once(&b), 0);
	free(a.answers);
	free(b.answers);
	end();
}

static void no_keys_are_no_answers(void)
{
	struct asked a = { 0 };

	begin("hash-u64be");
	IS_INT(ask(&a, 0, 4), SFS_OK);
	IS_INT(atomic_load(&a.all), 0);
	free(a.answers);
	end();
}

static void the_callback_can_stop_it(void)
{
	begin("hash-u64be");
	for (unsigned threads = 1; threads <= 4; threads++) {
		struct asked a = { .stop_at = 20 };

		IS_INT(ask(&a, golden.count, threads), SFS_OK);
		OK(atomic_load(&a.all) >= 20);
		/* what the others had under way */
		OK(atomic_load(&a.all) < 20 + threads);
		IS_INT(atomic_load(&a.wrong), 0);
		free(a.answers);
	}
	end();
}

static void too_large_a_value_is_an_error(void)
{
	struct sfs_multi_get_options options = { .threads = 2, .value_max = 3 };
	struct asked a = { 0 };
	size_t row = 0;

	begin("hash-u64be");
	while (golden.rows[row].value_len <= options.value_max)
		row++;
	a.rows = &row;
	a.count = 1;
	a.answers = calloc(1, sizeof(*a.answers));
	IS_INT(sfs_snapshot_multi_get(snapshot, &golden.rows[row].key, 1,
	                              &options, take, &a, &err),
	       SFS_E_TOO_BIG);
	IS_INT(atomic_load(&a.all), 0);
	free(a.answers);
	end();
}

/* Whatever was answered before the fault is right; nothing turns absent. */
static void each_fault_is_the_answer_and_no_key_turns_absent(void)
{
	uint64_t faults = 0;
	enum sfs_rc rc;

	begin("hash-u64be");
	for (uint64_t n = 1; n < 2000; n++) {
		struct asked a = { 0 };

		/* a cold pool: shards are opened and read anew */
		sfs_snapshot_unref(snapshot);
		world_close(&w);
		IS_INT(world_open(&w), SFS_OK);
		snapshot = sfs_tracker_current(w.tracker, NULL);
		world_fault(&w, n, n % 2 == 0, SFS_E_TIMEOUT);
		rc = ask(&a, golden.count, 1 + (unsigned)n % 3);
		IS_INT(atomic_load(&a.wrong), 0);
		if (sfs_store_fault_count(w.store) == 0) {
			IS_INT(rc, SFS_OK);
			free(a.answers);
			break;
		}
		faults++;
		IS_INT(rc, SFS_E_TIMEOUT);
		IS_INT(err.rc, SFS_E_TIMEOUT);
		free(a.answers);
		world_fault(&w, 0, false, SFS_OK);
	}
	OK(faults > 10);
	world_fault(&w, 0, false, SFS_OK);
	end();
}

static void one_shard_can_be_asked_alone(void)
{
	struct asked a = { 0 };
	size_t row = 0;

	begin("hash-u64be");
	a.rows = &row;
	a.count = 1;
	a.answers = calloc(1, sizeof(*a.answers));
	IS_INT(sfs_snapshot_shard_multi_get(snapshot, golden.rows[0].db_id,
	                                    &golden.rows[0].key, 1, 1 << 20,
	                                    take, &a, &err),
	       SFS_OK);
	IS_INT(not_once(&a), 0);
	IS_INT(atomic_load(&a.wrong), 0);
	free(a.answers);
	end();
}

int main(void)
{
	RUN(each_key_of_each_encoding_is_answered_once);
	RUN(keys_that_are_asked_for_twice_are_answered_twice);
	RUN(more_threads_than_shards_or_than_are_used_are_fine);
	RUN(no_keys_are_no_answers);
	RUN(the_callback_can_stop_it);
	RUN(too_large_a_value_is_an_error);
	RUN(each_fault_is_the_answer_and_no_key_turns_absent);
	RUN(one_shard_can_be_asked_alone);
	return tap_done();
}
