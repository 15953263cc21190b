/* SPDX-License-Identifier: Apache-2.0 */
/* Files in staging with columns become records of the shard they name. */
#include "unit/workshop.h"

#define REGION "cel: region\ncel_columns: {region: string}\n"
#define WHERE SFS_BUILD_WHERE
#define IN(region, key) "region=" region "\x1f" key

static void files_go_where_their_columns_say(void)
{
	struct sfs_manifest *m;

	config(REGION "routing_values: inferred\n");
	IS_INT(put(WHERE, IN("us", "a"), "1"), SFS_OK);
	IS_INT(put(WHERE, IN("eu", "a"), "2"), SFS_OK);
	IS_INT(put(WHERE, IN("eu", "b"), "3"), SFS_OK);
	IS_INT(put(WHERE, IN("eu", ".c"), "scratch"), SFS_OK);
	IS_INT(put(INGEST, "a.csv", "key,region,value\nb,eu,4\nb,ap,5\n"),
	       SFS_OK);
	publish_well();
	m = manifest();
	HAS_STR(m->sharding, "[\"ap\", \"eu\", \"us\"]");
	OK(m->shards[0].row_count == 1 && m->shards[1].row_count == 2);
	sfs_manifest_free(m);
	IS_STR(content(), "a=1 a=2 b=3 b=5 ");
}

static void files_are_counted_and_read_again_when_they_change(void)
{
	config("cel: 'tier % 3'\ncel_columns: {tier: int}\n");
	IS_INT(put(WHERE,
	           "tier=0\x1f"
	           "a",
	           "1"),
	       SFS_OK);
	IS_INT(put(WHERE,
	           "tier=4\x1f"
	           "b",
	           "2"),
	       SFS_OK);
	IS_INT(settle(), SFS_OK);
	IS_INT(put(WHERE,
	           "tier=5\x1f"
	           "c",
	           "3"),
	       SFS_OK);
	IS_INT(settle(), SFS_OK);
	HAS_STR(plan(), "\"num_dbs\": 3");
	IS_INT(add_to(WHERE,
	              "tier=5\x1f"
	              "c",
	              "4"),
	       SFS_OK);
	IS_INT(sfs_build_unlink(b, WHERE,
	                        "tier=4\x1f"
	                        "b",
	                        &err),
	       SFS_OK);
	IS_INT(put(WHERE,
	           "tier=1\x1f"
	           "d",
	           "5"),
	       SFS_OK);
	publish_well();
	IS_STR(content(), "a=1 c=34 d=5 ");
}

/* tier=0 and tier=3 are of one shard. */
static void of_one_key_in_a_shard_the_last_file_wins(void)
{
	const struct timespec early[2] = { { 1000, 0 }, { 1000, 0 } };
	const struct timespec late[2] = { { 2000, 0 }, { 2000, 0 } };

	config("cel: 'tier % 3'\ncel_columns: {tier: int}\nnum_dbs: 3\n");
	IS_INT(put(WHERE,
	           "tier=0\x1f"
	           "a",
	           "early"),
	       SFS_OK);
	IS_INT(put(WHERE,
	           "tier=3\x1f"
	           "a",
	           "late"),
	       SFS_OK);
	IS_INT(put(WHERE,
	           "tier=1\x1f"
	           "b",
	           "late"),
	       SFS_OK);
	IS_INT(put(WHERE,
	           "tier=4\x1f"
	           "b",
	           "early"),
	       SFS_OK);
	IS_INT(sfs_build_utimens(b, WHERE,
	                         "tier=0\x1f"
	                         "a",
	                         early, &err),
	       SFS_OK);
	IS_INT(sfs_build_utimens(b, WHERE,
	                         "tier=3\x1f"
	                         "a",
	                         late, &err),
	       SFS_OK);
	IS_INT(sfs_build_utimens(b, WHERE,
	                         "tier=1\x1f"
	                         "b",
	                         late, &err),
	       SFS_OK);
	IS_INT(sfs_build_utimens(b, WHERE,
	                         "tier=4\x1f"
	                         "b",
	                         early, &err),
	       SFS_OK);
	publish_well();
	IS_STR(content(), "a=late b=late ");
}

static void a_file_that_cannot_be_placed_is_named_by_its_path(void)
{
	config(REGION "routing_values: [eu, us]\n");
	IS_INT(put(WHERE, IN("ap", "a"), "1"), SFS_OK);
	IS_INT(put(KEYS, "k", "1"), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "where/region=ap/keys/a: UnknownRoutingToken: "
	                  "\"ap\"");
	HAS_STR(errors(), "keys/k: keys are routed by columns (region), which "
	                  "this file does not have: mv it to "
	                  "where/region=VALUE/keys/");
	config("num_dbs: 2\n");
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "where/region=ap/keys/a: keys of this build are "
	                  "routed by hash; mv it to keys/");
	IS_INT(sfs_build_unlink(b, WHERE, IN("ap", "a"), &err), SFS_OK);
	publish_well();
}

static void files_with_columns_change_a_base(void)
{
	const struct sfs_build_place none = { WHERE, IN("us", "b") };
	const struct sfs_build_place nowhere = { WHERE, IN("ap", "a") };
	const struct sfs_build_place there = { WHERE, IN("eu", "b") };

	config(REGION "routing_values: [us, eu, none]\n");
	IS_INT(put(INGEST, "a.csv",
	           "key,region,value\na,us,1\nb,eu,2\nc,eu,3\n"),
	       SFS_OK);
	publish_well();
	shop_next("next");
	IS_INT(sfs_build_set_base(b, &last_id, NULL, &err), SFS_OK);
	IS_INT(sfs_build_remove_key(b, &none, &err), SFS_OK);
	IS_INT(put(WHERE, IN("eu", "c"), "33"), SFS_OK);
	IS_INT(put(WHERE, IN("us", "c"), "new"), SFS_OK);
	publish_well();
	IS_STR(content(), "a=1 b=2 c=33 c=new ");
	shop_next("third");
	IS_INT(sfs_build_set_base(b, &last_id, NULL, &err), SFS_OK);
	IS_INT(sfs_build_remove_key(b, &there, &err), SFS_OK);
	IS_INT(sfs_build_remove_key(b, &nowhere, &err), SFS_OK);
	publish_well();
	IS_STR(content(), "a=1 c=33 c=new ");
}

int main(void)
{
	RUN_IN_SHOP(files_go_where_their_columns_say);
	RUN_IN_SHOP(files_are_counted_and_read_again_when_they_change);
	RUN_IN_SHOP(of_one_key_in_a_shard_the_last_file_wins);
	RUN_IN_SHOP(a_file_that_cannot_be_placed_is_named_by_its_path);
	RUN_IN_SHOP(files_with_columns_change_a_base);
	return tap_done();
}
