/* SPDX-License-Identifier: Apache-2.0 */
/* Garbage collection over golden stores: what goes, what stays, and why. */
#include "base/clock.h"
#include "catalog/lease.h"
#include "unit/collect.h"

static void a_dry_run_deletes_nothing_and_tells_the_same(void)
{
	char dry[sizeof(told)];
	struct sfs_gc_result before;
	uint64_t count;

	open_history();
	count = objects("");
	IS_INT(gc(false), SFS_OK);
	IS_INT(objects(""), count);
	IS_INT(sum.snapshots, 3);
	memcpy(dry, told, sizeof(dry));
	before = sum;
	IS_INT(gc(true), SFS_OK);
	IS_STR(told, dry);
	IS_INT(sum.objects, before.objects);
	IS_INT(sum.bytes, before.bytes);
	IS_INT(objects("") - objects("log/"), count - sum.objects);
	end();
}

static void old_snapshots_go_with_all_that_is_theirs(void)
{
	open_history();
	IS_INT(gc(true), SFS_OK);
	OK(is_whole(&ids[0]));
	for (int i = 1; i < 4; i++) {
		OK(is_gone(&ids[i]));
		HAS_STR(told, text_of(&ids[i]));
	}
	OK(strstr(told, ids[0].run_id) == NULL);
	OK(objects("log/") >= 3);
	OK(objects("_gc.json") >= 3);
	IS_INT(gc(true), SFS_OK);
	IS_INT(sum.objects, 0);
	end();
}

static void the_last_ones_stay(void)
{
	struct sfs_gc_config config;

	open_history();
	config = config_of(true);
	config.keep = 3;
	IS_INT(run(&config), SFS_OK);
	IS_INT(sum.snapshots, 1);
	HAS_STR(kept, "among the last 3");
	OK(is_whole(&ids[0]) && is_whole(&ids[1]) && is_whole(&ids[2]));
	OK(is_gone(&ids[3]));
	end();
}

static void what_is_current_stays_however_old(void)
{
	open_history();
	IS_INT(sfs_rollback(w.source.catalog, w.store, &ids[3], NULL, &err),
	       SFS_OK);
	IS_INT(gc(true), SFS_OK);
	OK(is_whole(&ids[3]));
	OK(is_whole(&ids[0])); /* the last one */
	OK(is_gone(&ids[1]));
	OK(is_gone(&ids[2]));
	end();
}

static void tags_and_pins_protect(void)
{
	const char *pins[] = { NULL, "v2" };
	struct sfs_catalog *c;
	struct sfs_gc_config config;

	open_history();
	c = w.source.catalog;
	IS_INT(c->ops->put_tag(c, "v1", &ids[3], NULL, &err), SFS_OK);
	config = config_of(true);
	pins[0] = ids[2].run_id;
	config.pins = pins;
	config.pin_count = 2;
	IS_INT(run(&config), SFS_E_NOT_FOUND);
	HAS_STR(err.msg, "v2");
	IS_INT(objects("log/"), 0);
	config.pin_count = 1;
	IS_INT(run(&config), SFS_OK);
	HAS_STR(kept, "tag v1");
	HAS_STR(kept, "pinned");
	OK(is_whole(&ids[3]));
	OK(is_whole(&ids[2]));
	OK(is_gone(&ids[1]));
	end();
}

static void what_a_reader_has_open_stays(void)
{
	struct sfs_snapshot *s = NULL;

	open_history();
	IS_INT(sfs_snapshot_open(&w.source, &ids[2], NULL, &s, NULL, &err),
	       SFS_OK);
	IS_INT(gc(false), SFS_OK);
	HAS_STR(kept, "a reader holds it open");
	IS_INT(sum.snapshots, 2);
	IS_INT(gc(true), SFS_OK);
	HAS_STR(kept, "a reader holds it open");
	OK(is_whole(&ids[2]));
	OK(is_gone(&ids[1]));
	sfs_snapshot_unref(s);
	IS_INT(gc(true), SFS_OK);
	OK(is_gone(&ids[2]));
	end();
}

static void what_is_young_stays(void)
{
	struct sfs_gc_config config;
	int64_t now = sfs_clock_wall_ns();

	open_history();
	config = config_of(true);
	/* between the second and the third: the third was replaced since */
	config.grace_ms =
		(now - (ids[1].published_at_ns + ids[2].published_at_ns) / 2) /
		1000000;
	IS_INT(run(&config), SFS_OK);
	OK(is_whole(&ids[0]) && is_whole(&ids[1]) && is_whole(&ids[2]));
	OK(is_gone(&ids[3]));
	OK(strstr(kept, ids[1].run_id) == NULL);
	end();
}

static void what_was_current_before_a_publish_stays_for_a_while(void)
{
	struct sfs_snapshot_id next;
	struct sfs_gc_config config;
	char custom[512];

	open_history();
	next = world_new_id(sfs_clock_wall_ns(), "next");
	(void)snprintf(custom, sizeof(custom),
	               "{\"shardyfs\": {\"parent\": \"%s\"}}", ids[3].run_id);
	world_manifest(&w, &ids[0], &next, custom);
	world_point(&w, URL, &next);
	config = config_of(true);
	config.grace_ms = 60000;
	IS_INT(run(&config), SFS_OK);
	OK(is_whole(&ids[3]));
	OK(is_whole(&ids[0]));
	OK(is_gone(&ids[2]));
	end();
}

static void a_manifest_may_need_shards_of_other_runs(void)
{
	struct sfs_snapshot_id next =
		world_new_id(INT64_C(1790000000000000000), "next");

	open_history();
	world_manifest(&w, &ids[2], &next, "{}");
	world_point(&w, URL, &next);
	IS_INT(gc(true), SFS_OK);
	OK(is_whole(&next));
	OK(is_gone(&ids[1]));
	OK(objects(ids[2].run_id) > 0);
	/* its record tells what the directory is */
	OK(strstr(told, "record 76e6") == NULL);
	IS_INT(gc(true), SFS_OK);
	OK(is_whole(&next));
	end();
}

static void attempts_that_lost_are_deleted_and_winners_are_not(void)
{
	struct sfs_snapshot_id id;

	open_golden("losers");
	id = world_id(&w, 0);
	IS_INT(objects("attempt=00/shard.db"), 3);
	IS_INT(gc(true), SFS_OK);
	HAS_STR(told, "loser 4fe52c1558a64a52b6efc0d55f97e226;");
	IS_INT(objects("attempt=00/shard.db"), 1);
	IS_INT(objects("attempt=01/shard.db"), 2);
	IS_INT(objects("run.yaml"), 1);
	OK(is_whole(&id));
	world_close_end(&w);
}

static void losers_of_one_run_are_told_by_its_winners(void)
{
	static const char run_prefix[] =
		"shards/run_id=4fe52c1558a64a52b6efc0d55f97e226";
	const char *winners[] = {
		"shards/run_id=4fe52c1558a64a52b6efc0d55f97e226/db=00000/"
		"attempt=00",
		"shards/run_id=4fe52c1558a64a52b6efc0d55f97e226/db=00001/"
		"attempt=01/",
		"shards/run_id=4fe52c1558a64a52b6efc0d55f97e226/db=00002/"
		"attempt=01",
	};
	struct sfs_snapshot_id id;

	open_golden("losers");
	id = world_id(&w, 0);
	IS_INT(sfs_gc_losers(w.store, "", winners, 3, NULL, &err),
	       SFS_E_INVALID);
	IS_INT(sfs_gc_losers(w.store, run_prefix, winners, 3, NULL, &err),
	       SFS_OK);
	IS_INT(objects("attempt=00/shard.db"), 1);
	OK(is_whole(&id));
	world_close_end(&w);
}

static void dead_runs_are_claimed_and_go_after_the_grace_period(void)
{
	struct sfs_gc_config config;

	open_golden("runs");
	config = config_of(true);
	config.grace_ms = 60000;
	/* the one that failed is over, the one that was killed is not */
	IS_INT(run(&config), SFS_OK);
	HAS_STR(told, "run nightly-2026.01_bad;");
	HAS_STR(kept, "killed-in-the-middle its writer is gone: claimed");
	IS_INT(objects("run_id=nightly-2026.01_bad"), 0);
	OK(objects("run_id=killed-in-the-middle") > 0);
	/* the claim is young */
	IS_INT(run(&config), SFS_OK);
	IS_STR(told, "");
	OK(objects("run_id=killed-in-the-middle") > 0);
	IS_INT(gc(true), SFS_OK);
	HAS_STR(told, "record killed-in-the-middle;");
	IS_INT(objects("run_id=killed-in-the-middle"), 0);
	OK(objects("run_id=nightly-2026.01_good") > 0);
	world_close_end(&w);
}

static void what_a_living_run_writes_stays(void)
{
	struct sfs_lease_config config = { .run_prefix = "runs",
		                           .run_id = "alive",
		                           .s3_prefix = URL,
		                           .shard_prefix = "shards",
		                           .db_path_template = "{db_id}",
		                           .writer_type = "test" };
	struct sfs_snapshot_id id =
		world_new_id(INT64_C(1790000000000000000), "alive");
	struct sfs_lease *lease = NULL;
	char key[SFS_STORE_KEY_MAX];

	open_history();
	config.store = w.store;
	IS_INT(sfs_lease_begin(&config, &lease, NULL, &err), SFS_OK);
	(void)snprintf(key, sizeof(key), "%s", sfs_lease_record_key(lease));
	world_put(&w, "shards/run_id=alive/0/attempt=00/shard.db", "x", 1);
	IS_INT(gc(true), SFS_OK);
	HAS_STR(kept, "alive its run is under way");
	IS_INT(objects("run_id=alive"), 2);
	world_manifest(&w, &ids[0], &id, "{}");
	IS_INT(gc(true), SFS_OK);
	IS_INT(objects("run_id=alive"), 3);
	sfs_lease_close(lease);
	/* its writer gives up: all of it goes, the manifest first */
	config.record_key = key;
	IS_INT(sfs_lease_begin(&config, &lease, NULL, &err), SFS_OK);
	IS_INT(sfs_lease_fail(lease, "X", "x", NULL, &err), SFS_OK);
	sfs_lease_close(lease);
	IS_INT(gc(true), SFS_OK);
	IS_INT(objects("run_id=alive"), 0);
	OK(is_whole(&ids[0]));
	end();
}

static void what_has_no_record_is_claimed_first(void)
{
	struct sfs_gc_config config;

	open_history();
	world_put(&w, "shards/run_id=ghost/0/attempt=00/shard.db", "x", 1);
	config = config_of(true);
	config.grace_ms = 3600000;
	IS_INT(run(&config), SFS_OK); /* it is young */
	IS_INT(objects("run_id=ghost"), 1);
	IS_INT(gc(false), SFS_OK);
	IS_INT(objects("run_id=ghost"), 1);
	HAS_STR(told, "run ghost;");
	IS_INT(gc(true), SFS_OK);
	IS_INT(objects("shards/run_id=ghost"), 0);
	IS_INT(gc(true), SFS_OK);
	IS_INT(objects("run_id=ghost"), 0);
	end();
}

static void nothing_goes_while_it_is_not_known_what_is_needed(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	uint64_t count;

	open_history();
	count = objects("");
	world_put(&w, "tags/bad", "x", 1);
	IS_INT(gc(true), SFS_E_CORRUPT);
	IS_INT(objects(""), count + 1);
	IS_INT(w.store->ops->delete (w.store, "tags/bad", NULL, &err), SFS_OK);
	/* the last one, which stays, is damaged */
	IS_INT(sfs_rollback(w.source.catalog, w.store, &ids[1], NULL, &err),
	       SFS_OK);
	sfs_snapshot_id_manifest_key(&ids[0], key);
	world_put(&w, key, "rubbish", 7);
	IS_INT(gc(true), SFS_E_CORRUPT);
	HAS_STR(err.msg, ids[0].run_id);
	IS_INT(objects(""), count + 1); /* the log of the rollback */
	world_put(&w, SFS_CURRENT_KEY, "rubbish", 7);
	IS_INT(gc(true), SFS_E_CORRUPT);
	IS_INT(objects(""), count + 1);
	end();
}

static void a_damaged_manifest_that_is_not_needed_goes(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];

	open_history();
	sfs_snapshot_id_manifest_key(&ids[2], key);
	world_put(&w, key, "rubbish", 7);
	IS_INT(gc(true), SFS_OK);
	OK(is_gone(&ids[2]));
	OK(is_whole(&ids[0]));
	end();
}

int main(void)
{
	RUN(a_dry_run_deletes_nothing_and_tells_the_same);
	RUN(old_snapshots_go_with_all_that_is_theirs);
	RUN(the_last_ones_stay);
	RUN(what_is_current_stays_however_old);
	RUN(tags_and_pins_protect);
	RUN(what_a_reader_has_open_stays);
	RUN(what_is_young_stays);
	RUN(what_was_current_before_a_publish_stays_for_a_while);
	RUN(a_manifest_may_need_shards_of_other_runs);
	RUN(attempts_that_lost_are_deleted_and_winners_are_not);
	RUN(losers_of_one_run_are_told_by_its_winners);
	RUN(dead_runs_are_claimed_and_go_after_the_grace_period);
	RUN(what_a_living_run_writes_stays);
	RUN(what_has_no_record_is_claimed_first);
	RUN(nothing_goes_while_it_is_not_known_what_is_needed);
	RUN(a_damaged_manifest_that_is_not_needed_goes);
	return tap_done();
}
