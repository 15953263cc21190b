/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection while others publish and tag, and while the store fails:
 * each snapshot that stays can be read whole.
 */
#include "unit/collect.h"

/* The pointer is moved to what goes, at the moment of the last look. */
static const struct sfs_catalog_ops *real_ops;
static int looks_left;

static enum sfs_rc move(struct sfs_catalog *c, struct sfs_pointer *out,
                        const struct sfs_call *call, struct sfs_err *e)
{
	if (looks_left > 0 && --looks_left == 0)
		world_point(&w, URL, &ids[3]);
	return real_ops->current(c, out, call, e);
}

/* Deletes; what is done instead of an operation happens at its second call. */
static enum sfs_rc gc_with(const struct sfs_catalog_ops *ops)
{
	enum sfs_rc rc;

	w.source.catalog->ops = ops;
	looks_left = 2;
	rc = gc(true);
	w.source.catalog->ops = real_ops;
	IS_INT(looks_left, 0);
	return rc;
}

static void it_stops_when_the_pointer_moves_to_what_was_to_go(void)
{
	struct sfs_catalog_ops ops;

	open_history();
	real_ops = w.source.catalog->ops;
	ops = *real_ops;
	ops.current = move;
	IS_INT(gc_with(&ops), SFS_E_CONFLICT);
	for (int i = 0; i < 4; i++)
		OK(is_whole(&ids[i]));
	IS_INT(gc(true), SFS_OK);
	OK(is_whole(&ids[3]));
	OK(is_gone(&ids[2]));
	end();
}

static enum sfs_rc tag_late(struct sfs_catalog *c, sfs_tag_fn *fn, void *arg,
                            const struct sfs_call *call, struct sfs_err *e)
{
	char text[SFS_SNAPSHOT_ID_BYTES + 32];

	(void)snprintf(text, sizeof(text), "{\"snapshot\":\"%s\"}",
	               text_of(&ids[2]));
	if (looks_left > 0 && --looks_left == 0)
		world_put(&w, "tags/late", text, strlen(text));
	return real_ops->list_tags(c, fn, arg, call, e);
}

static void a_tag_that_was_made_meanwhile_protects(void)
{
	struct sfs_catalog_ops ops;

	open_history();
	real_ops = w.source.catalog->ops;
	ops = *real_ops;
	ops.list_tags = tag_late;
	IS_INT(gc_with(&ops), SFS_OK);
	HAS_STR(kept, "tag late");
	OK(is_whole(&ids[2]));
	OK(is_gone(&ids[3]));
	end();
}

/*
 * Each call to the store fails in turn, as the end of the process would:
 * once, or with all after it. What stays is whole each time; what is listed
 * can be read or is gone; and the next collection finishes the work.
 */
static uint64_t sweep_once(uint64_t n, bool always)
{
	struct sfs_catalog *c;
	struct sfs_gc_config config;
	uint64_t faults;

	open_history();
	c = w.source.catalog;
	IS_INT(c->ops->put_tag(c, "v1", &ids[2], NULL, &err), SFS_OK);
	world_record(&w, "dead", "failed");
	world_put(&w, "shards/run_id=dead/0/attempt=00/shard.db", "x", 1);
	config = config_of(true);
	world_fault(&w, n, always, SFS_E_IO);
	(void)!run(&config); /* it may succeed: the log is best effort */
	faults = sfs_store_fault_count(w.store);
	world_fault(&w, 0, false, SFS_OK);
	IS_INT(sfs_store_fault_open_objects(w.store), 0);
	OK(is_whole(&ids[0]));
	OK(is_whole(&ids[2]));
	for (int i = 0; i < 16; i++) {
		struct sfs_snapshot_id id = { 0 };
		struct world_nth nth = { i, &id };

		IS_INT(c->ops->history(c, world_count_down, &nth, NULL, &err),
		       SFS_OK);
		if (nth.left >= 0)
			break;
		OK(is_whole(&id));
	}
	IS_INT(run(&config), SFS_OK);
	OK(is_whole(&ids[0]));
	OK(is_whole(&ids[2]));
	OK(is_gone(&ids[1]));
	OK(is_gone(&ids[3]));
	IS_INT(objects("run_id=dead"), 0);
	end();
	return faults;
}

static void whatever_fails_what_stays_is_whole(void)
{
	uint64_t injected = 0;
	uint64_t faults = 1;
	uint64_t n;

	for (n = 1; n < 10000 && faults > 0; n++) {
		faults = sweep_once(n, n % 2 == 0);
		injected += faults;
	}
	OK(n > 50);
	OK(injected > 50);
	printf("# %" PRIu64 " faults, the last at call %" PRIu64 "\n", injected,
	       n);
}

int main(void)
{
	RUN(it_stops_when_the_pointer_moves_to_what_was_to_go);
	RUN(a_tag_that_was_made_meanwhile_protects);
	RUN(whatever_fails_what_stays_is_whole);
	return tap_done();
}
