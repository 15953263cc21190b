/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots routed by expression: verified, refused, and compared. */
#include "snapshot/diff.h"
#include "snapshot/verify.h"
#include "unit/cel_store.h"

/* --- verifying --------------------------------------------------------------- */

static char told[4096];

static void note_fault(void *arg, const struct sfs_verify_fault *fault)
{
	size_t len = strlen(told);

	(void)arg;
	(void)snprintf(told + len, sizeof(told) - len, "%u %s: %s;",
	               fault->db_id, fault->type, fault->message);
}

static struct sfs_verify_result verify(void)
{
	struct sfs_verify_config config = { .threads = 1, .fault = note_fault };
	struct sfs_verify_result sum;

	told[0] = '\0';
	IS_INT(sfs_snapshot_verify(s, w.store, &config, &sum, NULL, &err),
	       SFS_OK);
	return sum;
}

static void golden_snapshots_verify_as_far_as_keys_alone_route(void)
{
	static const bool is_checked[] = { true,  false, true, false,
		                           false, true,  true };

	for (int i = 0; i < STORE_COUNT; i++) {
		struct sfs_verify_result sum;

		begin(STORES[i]);
		sum = verify();
		IS_INT(sum.faults, 0);
		IS_INT(sum.rows, 120);
		IS_INT(sum.is_routing_checked, is_checked[i]);
		end();
	}
}

static void a_key_in_the_wrong_shard_is_told(void)
{
	begin("cel-range");
	run_sql(3, "INSERT INTO kv VALUES (x'00000000000003e7', x'30')");
	(void)verify();
	HAS_STR(told, "3 ShardAssignmentError: key 999 belongs to shard 0;");
	end();
	begin("cel-inferred-key");
	run_sql(2, "INSERT INTO kv VALUES (CAST('aa' AS BLOB), x'30')");
	(void)verify();
	HAS_STR(told, "2 ShardAssignmentError: key aa belongs to shard 0;");
	end();
}

/* --- another sharding of the same shards ------------------------------------- */

/* Writes the manifest anew with another sharding, and opens that. */
static void reshard(const char *text)
{
	struct sfs_snapshot_id other =
		world_new_id(id.published_at_ns + 1000, "other");
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_manifest copy = *sfs_snapshot_manifest(s);
	void *data = NULL;
	size_t len = 0;

	copy.run_id = (char *)"other";
	copy.sharding = (char *)text; /* only read */
	IS_INT(sfs_manifest_serialize(&copy, &data, &len, &err), SFS_OK);
	sfs_snapshot_id_manifest_key(&other, key);
	world_put(&w, key, data, len);
	sfs_free(data);
	id = other;
}

static enum sfs_rc try_open(void)
{
	struct sfs_snapshot *opened = NULL;
	enum sfs_rc rc;

	rc = sfs_snapshot_open(&w.source, &id, NULL, &opened, NULL, &err);
	sfs_snapshot_unref(opened);
	return rc;
}

static void an_expression_that_cannot_be_compiled_refuses_the_snapshot(void)
{
	begin("cel-direct");
	reshard("{\"strategy\": \"cel\", \"hash_algorithm\": \"xxh3_64\", "
	        "\"cel_expr\": \"key % 3u\", \"cel_columns\": "
	        "{\"key\": \"int\"}, \"routing_values\": null}");
	IS_INT(try_open(), SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "run other: cel_expr: 1:");
	reshard("{\"strategy\": \"cel\", \"hash_algorithm\": \"xxh3_64\", "
	        "\"cel_expr\": \"string(key)\", \"cel_columns\": "
	        "{\"key\": \"int\"}, \"routing_values\": null}");
	IS_INT(try_open(), SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "run other: cel_expr yields string, but without");
	end();
}

static void keys_that_no_shard_may_hold_are_told(void)
{
	begin("cel-range");
	reshard("{\"strategy\": \"cel\", \"hash_algorithm\": \"xxh3_64\", "
	        "\"cel_expr\": \"10000 / key > 0 ? 7 : 8\", \"cel_columns\": "
	        "{\"key\": \"int\"}, \"routing_values\": [7, 9, 10, 11]}");
	sfs_snapshot_unref(s);
	open_it();
	(void)verify();
	HAS_STR(told, "0 ShardAssignmentError: key 0 belongs to no shard: "
	              "cel_expr: ");
	HAS_STR(told, "2 ShardAssignmentError: key ");
	HAS_STR(told, "UnknownRoutingToken: 8 is none of the 4 routing_values");
	end();
}

/* --- comparing --------------------------------------------------------------- */

static char changes[4096];

static bool note_change(void *arg, enum sfs_diff_kind kind, const char *name,
                        size_t name_len)
{
	size_t len = strlen(changes);

	(void)arg;
	(void)snprintf(changes + len, sizeof(changes) - len, "%d %.*s;",
	               (int)kind, (int)name_len, name);
	return true;
}

/* What leads from the store's first snapshot to the one that id names. */
static struct sfs_diff_result diff(void)
{
	struct sfs_snapshot *to = NULL;
	struct sfs_diff_result sum = { 0 };

	changes[0] = '\0';
	IS_INT(sfs_snapshot_open(&w.source, &id, NULL, &to, NULL, &err),
	       SFS_OK);
	if (to != NULL)
		IS_INT(sfs_snapshot_diff(s, to, note_change, NULL, &sum, NULL,
		                         &err),
		       SFS_OK);
	sfs_snapshot_unref(to);
	return sum;
}

static void snapshots_of_one_sharding_are_compared_by_shard(void)
{
	struct sfs_diff_result sum;

	begin("cel-direct-columns");
	reshard(sfs_snapshot_manifest(s)->sharding);
	sum = diff();
	IS_STR(changes, "");
	OK(!sum.is_merged);
	IS_INT(sum.shards_skipped, 4);
	end();
}

static void where_columns_route_whole_snapshots_are_compared(void)
{
	struct sfs_diff_result sum;

	begin("cel-direct-columns");
	/* the same shards, by another expression over columns */
	reshard("{\"strategy\": \"cel\", \"hash_algorithm\": \"xxh3_64\", "
	        "\"cel_expr\": \"tier % 4\", \"cel_columns\": "
	        "{\"tier\": \"int\"}, \"routing_values\": null}");
	sum = diff();
	IS_STR(changes, "");
	OK(sum.is_merged);
	IS_INT(sum.shards_read, 8);
	end();
}

static void another_expression_over_the_key_is_followed(void)
{
	struct sfs_diff_result sum;

	begin("cel-range");
	/* only keys from 65536 on are where this looks for them */
	reshard("{\"strategy\": \"cel\", \"hash_algorithm\": \"xxh3_64\", "
	        "\"cel_expr\": \"key < 2147483648 ? 2 : 3\", "
	        "\"cel_columns\": {\"key\": \"int\"}, "
	        "\"routing_values\": null}");
	sum = diff();
	OK(!sum.is_merged);
	IS_INT(sum.removed, 24 + 29);
	IS_INT(sum.added, 0);
	IS_INT(sum.changed, 0);
	end();
}

int main(void)
{
	RUN(golden_snapshots_verify_as_far_as_keys_alone_route);
	RUN(a_key_in_the_wrong_shard_is_told);
	RUN(an_expression_that_cannot_be_compiled_refuses_the_snapshot);
	RUN(keys_that_no_shard_may_hold_are_told);
	RUN(snapshots_of_one_sharding_are_compared_by_shard);
	RUN(where_columns_route_whole_snapshots_are_compared);
	RUN(another_expression_over_the_key_is_followed);
	return tap_done();
}
