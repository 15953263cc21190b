/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker: what is shown first, what follows a new pointer, what stays
 * when the new one is bad, and that its thread ends when it is told to.
 */
#include "base/log.h"
#include "unit/golden.h"
#include "unit/followed.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum { READERS = 3, SWITCHES = 200, STOPS = 400 };

/* Until a switch is over; the test fails if it never is. */
static void wait_for_generation(uint64_t generation)
{
	int64_t limit = sfs_clock_ms() + WORLD_WAIT_MS;

	while (status().generation < generation && sfs_clock_ms() < limit)
		(void)poll(NULL, 0, 1);
	IS_INT(status().generation, generation);
}

static void damage(const struct sfs_snapshot_id *id)
{
	char key[SFS_MANIFEST_KEY_BYTES];

	sfs_snapshot_id_manifest_key(id, key);
	world_put(&w, key, "no manifest", 11);
}

static void the_published_snapshot_is_shown_first(void)
{
	struct sfs_tracker_status s;
	char *bytes = NULL;
	size_t len = 0;

	begin();
	IS_INT(world_open(&w), SFS_OK);
	IS_STR(shown(), ids[0].run_id);
	s = status();
	IS_INT(s.generation, 1);
	IS_INT(s.checks, 1);
	IS_INT(s.failures, 0);
	IS_INT(s.fault.rc, SFS_OK);
	OK(!s.is_fallback);
	OK(s.last_check_ns > 0 && s.last_check_ns == s.last_success_ns);
	IS_INT(sfs_tracker_pointer(w.tracker, &bytes, &len, &w.err), SFS_OK);
	HAS_STR(bytes, ids[0].run_id);
	IS_INT(strlen(bytes), len);
	sfs_free(bytes);
	end();
}

static void a_new_pointer_is_noticed_without_being_told(void)
{
	begin();
	w.tracker_config.refresh_ms = 3600 * 1000;
	IS_INT(world_open(&w), SFS_OK);
	start();
	world_point(&w, URL, &ids[2]);
	wait_for_generation(2);
	IS_STR(shown(), ids[2].run_id);
	world_point(&w, URL, &ids[1]);
	wait_for_generation(3);
	IS_STR(shown(), ids[1].run_id);
	end();
}

static void without_an_interval_only_a_refresh_looks(void)
{
	begin();
	IS_INT(world_open(&w), SFS_OK);
	start();
	world_point(&w, URL, &ids[2]);
	IS_STR(shown(), ids[0].run_id);
	world_look(&w);
	IS_STR(shown(), ids[2].run_id);
	IS_INT(status().generation, 2);
	world_look(&w);
	IS_INT(status().generation, 2);
	IS_INT(status().checks, 3);
	end();
}

static void a_pinned_snapshot_outlives_the_switch(void)
{
	struct sfs_snapshot *old;
	uint64_t generation = 0;

	begin();
	IS_INT(world_open(&w), SFS_OK);
	old = sfs_tracker_current(w.tracker, &generation);
	IS_INT(generation, 1);
	start();
	world_point(&w, URL, &ids[3]);
	world_look(&w);
	IS_STR(sfs_snapshot_id_of(old)->run_id, ids[0].run_id);
	sfs_snapshot_unref(old);
	end();
}

static void a_bad_new_snapshot_keeps_the_old_one(void)
{
	struct sfs_snapshot_id missing = world_new_id(1000, "missing");
	int64_t last_success_ns;

	begin();
	IS_INT(world_open(&w), SFS_OK);
	last_success_ns = status().last_success_ns;
	start();
	damage(&ids[1]);
	world_point(&w, URL, &ids[1]);
	world_look(&w);
	IS_INT(status().fault.rc, SFS_E_CORRUPT);
	world_point(&w, URL, &missing);
	world_look(&w);
	HAS_STR(status().fault.msg, "missing");
	IS_INT(w.store->ops->delete (w.store, SFS_CURRENT_KEY, NULL, &w.err),
	       SFS_OK);
	world_look(&w);
	IS_INT(status().fault.rc, SFS_E_NOT_FOUND);
	IS_STR(shown(), ids[0].run_id);
	IS_INT(status().generation, 1);
	IS_INT(status().failures, 3);
	IS_INT(status().last_success_ns, last_success_ns);
	OK(!status().is_fallback);
	world_point(&w, URL, &ids[2]);
	world_look(&w);
	IS_STR(shown(), ids[2].run_id);
	IS_INT(status().fault.rc, SFS_OK);
	OK(status().last_success_ns > last_success_ns);
	end();
}

static void a_snapshot_can_be_pinned_by_id_or_run(void)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	char *bytes = NULL;
	size_t len = 0;

	begin();
	sfs_snapshot_id_text(&ids[2], text);
	w.tracker_config.ref = text;
	IS_INT(world_open(&w), SFS_OK);
	IS_STR(shown(), ids[2].run_id);
	IS_INT(sfs_tracker_pointer(w.tracker, &bytes, &len, &w.err),
	       SFS_E_NOT_FOUND);
	world_close(&w);
	w.tracker_config.ref = ids[1].run_id;
	IS_INT(world_open(&w), SFS_OK);
	IS_STR(shown(), ids[1].run_id);
	world_close(&w);
	w.tracker_config.ref = "nobody";
	IS_INT(world_open(&w), SFS_E_NOT_FOUND);
	HAS_STR(w.err.msg, "nobody");
	world_record(&w, ids[1].run_id, "failed");
	w.tracker_config.ref = ids[1].run_id;
	IS_INT(world_open(&w), SFS_E_NOT_FOUND);
	end();
}

static void an_empty_store_waits_for_its_first_snapshot(void)
{
	begin();
	IS_INT(w.store->ops->delete (w.store, SFS_CURRENT_KEY, NULL, &w.err),
	       SFS_OK);
	IS_INT(world_open(&w), SFS_E_NOT_FOUND);
	w.tracker_config.may_be_empty = true;
	w.tracker_config.refresh_ms = 3600 * 1000;
	IS_INT(world_open(&w), SFS_OK);
	IS_STR(shown(), "");
	IS_INT(status().generation, 0);
	IS_INT(status().failures, 0);
	start();
	world_look(&w);
	IS_INT(status().failures, 0);
	world_point(&w, URL, &ids[1]);
	wait_for_generation(1);
	IS_STR(shown(), ids[1].run_id);
	end();
}

static void a_fault_of_the_store_is_reported_and_passes(void)
{
	begin();
	IS_INT(world_open(&w), SFS_OK);
	start();
	world_point(&w, URL, &ids[1]);
	world_fault(&w, 1, true, SFS_E_AUTH);
	world_look(&w);
	OK(sfs_store_fault_count(w.store) > 0);
	IS_INT(status().fault.rc, SFS_E_AUTH);
	IS_STR(shown(), ids[0].run_id);
	world_fault(&w, 0, false, SFS_OK);
	world_look(&w);
	IS_STR(shown(), ids[1].run_id);
	end();
}

/* A store whose watch gives up early is asked once per interval, not always. */
static void a_watch_that_fails_at_once_does_not_spin(void)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_WATCH,
		                       .fail_at = 1,
		                       .always = true };
	static const enum sfs_rc codes[] = { SFS_E_TIMEOUT, SFS_E_CANCELED,
		                             SFS_E_IO };

	for (size_t i = 0; i < 3; i++) {
		begin();
		w.tracker_config.refresh_ms = 3600 * 1000;
		IS_INT(world_open(&w), SFS_OK);
		plan.rc = codes[i];
		sfs_store_fault_set(w.store, &plan);
		start();
		for (int n = 0; n < 10; n++)
			world_look(&w);
		sfs_tracker_stop(w.tracker);
		OK(sfs_store_fault_count(w.store) > 0);
		OK(sfs_store_fault_count(w.store) <= 11);
		OK(status().checks <= 12);
		end();
	}
}

/* Stop and a refresh race for the same wake-up; a lost one hangs for ever. */
static void stop_is_never_lost(void)
{
	int64_t until;

	begin();
	(void)alarm(WORLD_WAIT_MS / 1000); /* no plan is printed then */
	for (int i = 0; i < STOPS; i++) {
		IS_INT(world_open(&w), SFS_OK);
		start();
		sfs_tracker_refresh(w.tracker);
		until = sfs_clock_wall_ns() + i * INT64_C(500);
		while (sfs_clock_wall_ns() < until)
			;
		sfs_tracker_stop(w.tracker);
		IS_STR(shown(), ids[0].run_id);
		world_close(&w);
	}
	(void)alarm(0);
	end();
}

static void stop_does_not_wait_for_a_slow_store(void)
{
	struct sfs_fault_plan slow = { .op_mask = SFS_STORE_ALL,
		                       .delay_ms = 60000 };
	struct sfs_fault_plan off = { 0 };
	int64_t begun = sfs_clock_ms();

	begin();
	IS_INT(world_open(&w), SFS_OK);
	sfs_store_fault_set(w.store, &slow);
	start();
	sfs_tracker_refresh(w.tracker);
	(void)poll(NULL, 0, 1); /* it should be in the store by now */
	sfs_tracker_stop(w.tracker);
	OK(sfs_clock_ms() - begun < 30000);
	sfs_store_fault_set(w.store, &off);
	end();
}

static void a_look_ends_at_its_deadline(void)
{
	struct sfs_fault_plan slow = { .op_mask = SFS_STORE_ALL,
		                       .delay_ms = 60000 };
	struct sfs_fault_plan off = { 0 };

	begin();
	w.tracker_config.op_timeout_ms = 20;
	IS_INT(world_open(&w), SFS_OK);
	sfs_store_fault_set(w.store, &slow);
	start();
	world_look(&w);
	IS_INT(status().fault.rc, SFS_E_TIMEOUT);
	sfs_store_fault_set(w.store, &off);
	end();
}

static void a_tracker_that_never_started_can_be_stopped(void)
{
	begin();
	IS_INT(world_open(&w), SFS_OK);
	sfs_tracker_refresh(w.tracker);
	sfs_tracker_stop(w.tracker);
	sfs_tracker_stop(NULL);
	sfs_tracker_close(NULL);
	end();
}

static struct golden rows[4]; /* by position in ids */
static atomic_bool is_over;
static atomic_int wrong;
static atomic_int gets;

/* Each answer must be the one of the snapshot that gave it. */
static void check_row(struct sfs_snapshot *s, const struct golden_row *row)
{
	struct sfs_place place = { .snapshot = s };
	struct sfs_query query = { .key = row->key };
	struct sfs_hit hit;
	struct sfs_err err;
	size_t got = 0;
	char buf[512];

	if (sfs_snapshot_get(s, &query, &hit, NULL, &err) != SFS_OK ||
	    !hit.found || hit.info.value_size > sizeof(buf)) {
		atomic_fetch_add(&wrong, 1);
		return;
	}
	place.db_id = hit.db_id;
	place.locator = hit.info.locator;
	if (sfs_snapshot_read(&place, 0, buf, sizeof(buf), &got, NULL, &err) !=
	            SFS_OK ||
	    !golden_is_value(row, buf, got))
		atomic_fetch_add(&wrong, 1);
}

static void *read_on(void *arg)
{
	uint64_t at = (uintptr_t)arg;
	struct sfs_snapshot *s;

	while (!atomic_load(&is_over)) {
		s = sfs_tracker_current(w.tracker, NULL);
		for (int i = 0; i < 4; i++) {
			if (strcmp(sfs_snapshot_id_of(s)->run_id,
			           ids[i].run_id) == 0)
				check_row(s,
				          &rows[i].rows[at++ % rows[i].count]);
		}
		atomic_fetch_add(&gets, 1);
		sfs_snapshot_unref(s);
	}
	return NULL;
}

static void readers_go_on_while_snapshots_switch(void)
{
	pthread_t threads[READERS];
	char file[300];

	begin();
	w.pool_max = 2;
	for (int i = 0; i < 4; i++) {
		(void)snprintf(file, sizeof(file), "expected_%s",
		               ids[i].run_id);
		golden_load(&rows[i], "history", file);
	}
	IS_INT(world_open(&w), SFS_OK);
	start();
	for (uintptr_t i = 0; i < READERS; i++)
		OK(pthread_create(&threads[i], NULL, read_on, (void *)i) == 0);
	for (int i = 1; i <= SWITCHES; i++) {
		world_point(&w, URL, &ids[i % 4]);
		world_look(&w);
	}
	atomic_store(&is_over, true);
	for (int i = 0; i < READERS; i++)
		(void)pthread_join(threads[i], NULL);
	IS_INT(status().generation, SWITCHES + 1);
	IS_INT(atomic_load(&wrong), 0);
	OK(atomic_load(&gets) > 0);
	for (int i = 0; i < 4; i++)
		golden_free(&rows[i]);
	end();
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &w.err), SFS_OK);
	RUN(the_published_snapshot_is_shown_first);
	RUN(a_new_pointer_is_noticed_without_being_told);
	RUN(without_an_interval_only_a_refresh_looks);
	RUN(a_pinned_snapshot_outlives_the_switch);
	RUN(a_bad_new_snapshot_keeps_the_old_one);
	RUN(a_snapshot_can_be_pinned_by_id_or_run);
	RUN(an_empty_store_waits_for_its_first_snapshot);
	RUN(a_fault_of_the_store_is_reported_and_passes);
	RUN(a_watch_that_fails_at_once_does_not_spin);
	RUN(stop_is_never_lost);
	RUN(stop_does_not_wait_for_a_slow_store);
	RUN(a_look_ends_at_its_deadline);
	RUN(a_tracker_that_never_started_can_be_stopped);
	RUN(readers_go_on_while_snapshots_switch);
	return tap_done();
}
