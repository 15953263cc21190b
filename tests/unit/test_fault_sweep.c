/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call to the store fails once, in a walk over the whole tree: each
 * failure is told by its own code, no name turns absent, no byte is wrong,
 * nothing stays open, and afterwards everything works again.
 */
#include "base/log.h"
#include "unit/walk.h"

enum {
	READING = SFS_STORE_OPEN | SFS_STORE_READ | SFS_STORE_LIST,
	SWEEP_MAX = 100000,
};

static const enum sfs_rc codes[] = { SFS_E_IO, SFS_E_TRANSIENT, SFS_E_AUTH,
	                             SFS_E_TIMEOUT };

static void fail(struct walk *k, uint64_t at, bool always)
{
	struct sfs_fault_plan plan = { .op_mask = READING,
		                       .fail_at = at,
		                       .always = always,
		                       .rc = codes[at % 4] };

	k->allowed = plan.rc;
	sfs_store_fault_set(k->w.store, &plan);
}

/* One walk with the nth call failing. The number of faults injected. */
static uint64_t sweep_once(struct walk *k, uint64_t n, bool always,
                           bool check_again)
{
	static const struct sfs_fault_plan off;
	uint64_t faults;
	bool is_open;

	fail(k, n, always);
	is_open = walk_open(k);
	faults = sfs_store_fault_count(k->w.store);
	/* listings may give out names without attributes instead */
	OK(k->failures <= faults * 2);
	sfs_store_fault_set(k->w.store, &off);
	if (is_open && check_again)
		walk_again(k);
	world_close(&k->w);
	IS_INT(sfs_store_fault_open_objects(k->w.store), 0);
	return faults;
}

/* step: how fast the distance between two places grows; 0: every place. */
static void sweep(const char *store, bool always, uint64_t step)
{
	uint64_t injected = 0;
	uint64_t faults = 1;
	struct walk k;
	uint64_t n;

	walk_begin(&k, store);
	for (n = 1; n < SWEEP_MAX && faults > 0;
	     n += 1 + (step > 0 ? n / step : 0)) {
		faults = sweep_once(&k, n, always, n % 10 == 0);
		injected += faults;
	}
	OK(n < SWEEP_MAX);
	OK(injected > 20);
	printf("# %s: %" PRIu64 " faults, the last at call %" PRIu64 "\n",
	       store, injected, n);
	walk_end(&k);
}

static void each_call_fails_once_over_a_store_with_failed_runs(void)
{
	sweep("runs", false, 0);
}

static void each_call_and_all_after_it_fail_over_the_same_store(void)
{
	sweep("runs", true, 0);
}

static void calls_fail_once_over_a_history(void)
{
	sweep("history", false, 8);
}

static void calls_and_all_after_them_fail_over_a_history(void)
{
	sweep("history", true, 8);
}

static void calls_fail_once_over_many_shards(void)
{
	sweep("hash-u64be", false, 8);
}

static void calls_and_all_after_them_fail_over_many_shards(void)
{
	sweep("hash-u64be", true, 8);
}

static void calls_fail_where_columns_route(void)
{
	sweep("cel-categorical-str", false, 8);
	sweep("cel-categorical-str", true, 8);
}

/* What the tracker shows: the run id. */
static void shown(struct walk *k, char out[SFS_RUN_ID_BYTES])
{
	struct sfs_snapshot *s = sfs_tracker_current(k->w.tracker, NULL);

	memcpy(out, sfs_snapshot_id_of(s)->run_id, SFS_RUN_ID_BYTES);
	sfs_snapshot_unref(s);
}

static void each_call_of_a_refresh_fails(void)
{
	static const struct sfs_fault_plan off;
	struct sfs_tracker_status status;
	struct sfs_snapshot_id ids[2];
	char run_id[SFS_RUN_ID_BYTES];
	uint64_t faults = 1;
	struct walk k;
	uint64_t n;

	walk_begin(&k, "history");
	for (n = 1; n < 1000 && faults > 0; n++) {
		IS_INT(world_open(&k.w), SFS_OK);
		ids[0] = world_id(&k.w, 0);
		ids[1] = world_id(&k.w, 1);
		IS_INT(sfs_tracker_start(k.w.tracker, &k.w.err), SFS_OK);
		world_point(&k.w, "s3://golden/history", &ids[1]);
		fail(&k, n, n % 2 == 0);
		world_look(&k.w);
		faults = sfs_store_fault_count(k.w.store);
		sfs_tracker_get_status(k.w.tracker, &status);
		shown(&k, run_id);
		IS_INT(status.fault.rc, faults > 0 ? k.allowed : SFS_OK);
		IS_STR(run_id, ids[faults > 0 ? 0 : 1].run_id);
		sfs_store_fault_set(k.w.store, &off);
		world_look(&k.w);
		shown(&k, run_id);
		IS_STR(run_id, ids[1].run_id);
		IS_INT(world_status(&k.w, "generation"), 2);
		world_point(&k.w, "s3://golden/history", &ids[0]);
		world_close(&k.w);
		IS_INT(sfs_store_fault_open_objects(k.w.store), 0);
	}
	OK(n > 4 && n < 1000);
	walk_end(&k);
}

int main(void)
{
	struct sfs_err err;

	IS_INT(sfs_log_set_levels("none", &err), SFS_OK);
	RUN(each_call_fails_once_over_a_store_with_failed_runs);
	RUN(each_call_and_all_after_it_fail_over_the_same_store);
	RUN(calls_fail_once_over_a_history);
	RUN(calls_and_all_after_them_fail_over_a_history);
	RUN(calls_fail_once_over_many_shards);
	RUN(calls_and_all_after_them_fail_over_many_shards);
	RUN(calls_fail_where_columns_route);
	RUN(each_call_of_a_refresh_fails);
	return tap_done();
}
