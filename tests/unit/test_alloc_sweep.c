/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations fail, one in each walk over the whole tree: what is answered
 * is right or NO_MEMORY, nothing leaks, and afterwards everything works.
 */
#include "base/log.h"
#include "unit/walk.h"

enum { SWEEP_MAX = 1000000 };

/* One walk with the nth allocation failing. True if there were so many. */
static bool sweep_once(struct walk *k, unsigned long n, bool check_again)
{
	unsigned long before = sfs_alloc_fault_count();
	bool is_open;
	bool failed;

	k->allowed = SFS_E_NO_MEMORY;
	sfs_alloc_fail_nth(n);
	is_open = walk_open(k);
	sfs_alloc_fail_nth(0);
	failed = sfs_alloc_fault_count() > before;
	OK(k->failures <= (failed ? 1 : 0));
	if (is_open && check_again)
		walk_again(k);
	world_close(&k->w);
	IS_INT(sfs_store_fault_open_objects(k->w.store), 0);
	return failed;
}

/* Every place of the first ones, then fewer: there are many. */
static void sweep(const char *store, unsigned long every, unsigned long step)
{
	unsigned long injected = 0;
	unsigned long refused = 0;
	struct walk k;
	unsigned long n;

	walk_begin(&k, store);
	for (n = 1; n < SWEEP_MAX; n += 1 + (n > every ? n / step : 0)) {
		if (!sweep_once(&k, n, n % 10 == 0))
			break;
		injected++;
		refused += k.failures > 0 || k.answers == 0;
	}
	OK(n < SWEEP_MAX);
	OK(injected > every);
	OK(refused > every / 2);
	printf("# %s: %lu faults, the last at allocation %lu\n", store,
	       injected, n);
	walk_end(&k);
}

static void allocations_fail_over_a_store_with_failed_runs(void)
{
	sweep("runs", 150, 25);
}

static void allocations_fail_over_a_history(void)
{
	sweep("history", 20, 12);
}

static void allocations_fail_over_many_shards(void)
{
	sweep("hash-u64be", 20, 12);
}

static void allocations_fail_where_columns_route(void)
{
	sweep("cel-categorical-str", 20, 12);
}

/* The look of a running tracker: what is shown stays, or is the new one. */
static void allocations_of_a_refresh_fail(void)
{
	struct sfs_tracker_status status;
	struct sfs_snapshot_id ids[2];
	struct sfs_snapshot *s;
	unsigned long before;
	bool failed = true;
	char *texts[2];
	size_t lens[2];
	struct walk k;
	unsigned long n;

	walk_begin(&k, "history");
	IS_INT(world_open(&k.w), SFS_OK);
	for (int i = 0; i < 2; i++) {
		ids[i] = world_id(&k.w, i);
		world_point(&k.w, "s3://golden/history", &ids[i]);
		IS_INT(sfs_store_get(k.w.store, SFS_CURRENT_KEY, 4096,
		                     &texts[i], &lens[i], NULL, NULL, &k.w.err),
		       SFS_OK);
	}
	walk_point(&k, texts[0], lens[0]);
	world_close(&k.w);
	for (n = 1; n < 1000 && failed; n++) {
		IS_INT(world_open(&k.w), SFS_OK);
		IS_INT(sfs_tracker_start(k.w.tracker, &k.w.err), SFS_OK);
		walk_point(&k, texts[1], lens[1]);
		before = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(n);
		world_look(&k.w);
		sfs_alloc_fail_nth(0);
		failed = sfs_alloc_fault_count() > before;
		sfs_tracker_get_status(k.w.tracker, &status);
		IS_INT(status.fault.rc, failed ? SFS_E_NO_MEMORY : SFS_OK);
		s = sfs_tracker_current(k.w.tracker, NULL);
		IS_STR(sfs_snapshot_id_of(s)->run_id,
		       ids[failed ? 0 : 1].run_id);
		sfs_snapshot_unref(s);
		world_look(&k.w);
		IS_INT(world_status(&k.w, "generation"), 2);
		walk_point(&k, texts[0], lens[0]);
		world_close(&k.w);
	}
	OK(n > 10 && n < 1000);
	sfs_free(texts[0]);
	sfs_free(texts[1]);
	walk_end(&k);
}

int main(void)
{
	struct sfs_err err;

	IS_INT(sfs_log_set_levels("none", &err), SFS_OK);
	RUN(allocations_fail_over_a_store_with_failed_runs);
	RUN(allocations_fail_over_a_history);
	RUN(allocations_fail_over_many_shards);
	RUN(allocations_fail_where_columns_route);
	RUN(allocations_of_a_refresh_fail);
	return tap_done();
}
