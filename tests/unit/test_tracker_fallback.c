/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cold starts over a published manifest that cannot be used: which older one
 * is shown in its place, and when none is.
 */
#include "base/log.h"
#include "unit/followed.h"

static void damage(const struct sfs_snapshot_id *id)
{
	char key[SFS_MANIFEST_KEY_BYTES];

	sfs_snapshot_id_manifest_key(id, key);
	world_put(&w, key, "no manifest", 11);
}

static void a_cold_start_falls_back_to_the_next_older_manifest(void)
{
	char *bytes = NULL;
	size_t len = 0;

	begin();
	damage(&ids[0]);
	damage(&ids[1]);
	IS_INT(world_open(&w), SFS_OK);
	IS_STR(shown(), ids[2].run_id);
	OK(status().is_fallback);
	IS_INT(sfs_tracker_pointer(w.tracker, &bytes, &len, &w.err), SFS_OK);
	HAS_STR(bytes, ids[0].run_id);
	sfs_free(bytes);
	end();
}

static void a_fallback_ends_when_the_pointer_can_be_followed(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	char *whole = NULL;
	size_t len = 0;

	begin();
	sfs_snapshot_id_manifest_key(&ids[0], key);
	IS_INT(sfs_store_get(w.store, key, 1 << 20, &whole, &len, NULL, NULL,
	                     &w.err),
	       SFS_OK);
	damage(&ids[0]);
	IS_INT(world_open(&w), SFS_OK);
	IS_STR(shown(), ids[1].run_id);
	start();
	world_look(&w);
	IS_INT(status().fault.rc, SFS_E_CORRUPT);
	OK(status().is_fallback);
	world_put(&w, key, whole, len);
	world_look(&w);
	IS_STR(shown(), ids[0].run_id);
	OK(!status().is_fallback);
	IS_INT(status().fault.rc, SFS_OK);
	sfs_free(whole);
	end();
}

/* What is newer than the pointer's own was withdrawn by a rollback. */
static void nothing_newer_is_fallen_back_to(void)
{
	begin();
	world_point(&w, URL, &ids[2]);
	damage(&ids[2]);
	IS_INT(world_open(&w), SFS_OK);
	IS_STR(shown(), ids[3].run_id);
	world_close(&w);
	damage(&ids[3]);
	IS_INT(world_open(&w), SFS_E_CORRUPT);
	end();
}

static void nothing_unpublished_is_fallen_back_to(void)
{
	begin();
	world_record(&w, ids[1].run_id, "failed");
	damage(&ids[0]);
	IS_INT(world_open(&w), SFS_OK);
	IS_STR(shown(), ids[2].run_id);
	end();
}

static void a_missing_manifest_without_an_older_one_is_corrupt(void)
{
	struct sfs_snapshot_id missing = world_new_id(1000, "missing");

	begin();
	world_point(&w, URL, &missing);
	IS_INT(world_open(&w), SFS_E_CORRUPT);
	HAS_STR(w.err.msg, "is missing");
	end();
}

static void at_most_three_older_manifests_are_tried(void)
{
	struct sfs_snapshot_id newest;

	begin();
	IS_INT(world_open_source(&w), SFS_OK);
	newest = world_new_id(ids[0].published_at_ns + 1000, "newest");
	world_manifest(&w, &ids[0], &newest, "{}");
	world_close(&w);
	world_point(&w, URL, &newest);
	damage(&newest);
	for (int i = 0; i < 3; i++)
		damage(&ids[i]);
	IS_INT(world_open(&w), SFS_E_CORRUPT);
	end();
}

/* A pointer to one manifest that claims another run. */
static void point_with_run_id(const struct sfs_snapshot_id *id,
                              const char *run_id)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_CURRENT_MAX_BYTES);
	struct sfs_current current = { .updated_at_ns = id->published_at_ns };
	char key[SFS_MANIFEST_KEY_BYTES];

	sfs_snapshot_id_manifest_key(id, key);
	(void)snprintf(current.manifest_ref, sizeof(current.manifest_ref),
	               "%s/%s", URL, key);
	(void)snprintf(current.run_id, sizeof(current.run_id), "%s", run_id);
	sfs_current_print(&current, &text);
	world_put(&w, SFS_CURRENT_KEY, text.data, text.len);
	sfs_buf_release(&text);
}

static void a_damaged_pointer_is_an_error_and_no_reason_to_fall_back(void)
{
	begin();
	world_put(&w, SFS_CURRENT_KEY, "{", 1);
	IS_INT(world_open(&w), SFS_E_CORRUPT);
	point_with_run_id(&ids[0], "somebody-else");
	IS_INT(world_open(&w), SFS_E_CORRUPT);
	HAS_STR(w.err.msg, "does not belong to run");
	end();
}

/* A fault while falling back must not lead to a still older snapshot. */
static void faults_do_not_change_what_is_fallen_back_to(void)
{
	uint64_t faults = 0;
	enum sfs_rc rc;

	begin();
	damage(&ids[0]);
	for (uint64_t n = 1; n < 1000; n++) {
		world_fault(&w, n, false, SFS_E_TRANSIENT);
		rc = world_open(&w);
		if (rc == SFS_OK) {
			IS_STR(shown(), ids[1].run_id);
			world_close(&w);
		} else {
			IS_INT(rc, SFS_E_TRANSIENT);
		}
		if (sfs_store_fault_count(w.store) == 0)
			break;
		faults++;
	}
	OK(faults > 5);
	IS_INT(rc, SFS_OK);
	end();
}

/* A manifest of a later build, which this one parses but cannot route. */
static void publish_unsupported(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_manifest *m = NULL;
	struct sfs_manifest copy;
	void *data = NULL;
	size_t len = 0;

	IS_INT(world_open_source(&w), SFS_OK);
	IS_INT(w.source.catalog->ops->load(w.source.catalog, &ids[0], &m, NULL,
	                                   &w.err),
	       SFS_OK);
	copy = *m;
	copy.sharding = (char *)"{\"strategy\":\"cel\",\"routing_values\":null,"
				"\"cel_expr\":\"later_hash(key) % 2u\","
				"\"cel_columns\":{\"key\":\"int\"},"
				"\"hash_algorithm\":\"xxh3_64\"}";
	IS_INT(sfs_manifest_serialize(&copy, &data, &len, &w.err), SFS_OK);
	sfs_snapshot_id_manifest_key(&ids[0], key);
	world_put(&w, key, data, len);
	sfs_free(data);
	sfs_manifest_free(m);
	world_close(&w);
}

static void what_this_build_lacks_is_no_reason_to_fall_back(void)
{
	uint64_t faults = 0;
	enum sfs_rc rc;

	begin();
	publish_unsupported();
	IS_INT(world_open(&w), SFS_E_UNSUPPORTED);
	for (uint64_t n = 1; n < 1000; n++) {
		world_fault(&w, n, false, SFS_E_TRANSIENT);
		rc = world_open(&w);
		if (rc == SFS_OK) {
			TAP_FAIL("fault %" PRIu64 " led to %s", n, shown());
			world_close(&w);
		}
		if (sfs_store_fault_count(w.store) == 0)
			break;
		faults++;
		OK(rc == SFS_E_TRANSIENT || rc == SFS_E_UNSUPPORTED);
	}
	OK(faults > 3);
	IS_INT(rc, SFS_E_UNSUPPORTED);
	end();
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &w.err), SFS_OK);
	RUN(a_cold_start_falls_back_to_the_next_older_manifest);
	RUN(a_fallback_ends_when_the_pointer_can_be_followed);
	RUN(nothing_newer_is_fallen_back_to);
	RUN(nothing_unpublished_is_fallen_back_to);
	RUN(a_missing_manifest_without_an_older_one_is_corrupt);
	RUN(at_most_three_older_manifests_are_tried);
	RUN(a_damaged_pointer_is_an_error_and_no_reason_to_fall_back);
	RUN(faults_do_not_change_what_is_fallen_back_to);
	RUN(what_this_build_lacks_is_no_reason_to_fall_back);
	return tap_done();
}
