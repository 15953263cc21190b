/* SPDX-License-Identifier: Apache-2.0 */
/* What a publish leaves in the store, and when it must not happen. */
#include "unit/workshop.h"

#include "base/json.h"
#include "format/digests.h"
#include "format/router.h"

#include <inttypes.h>

/* Keys "0" ... "N-1" with one value, in as many shards as there are. */
static void put_numbers(const char *name, int count, const char *value)
{
	char text[8192] = "key,value\n";
	size_t len = strlen(text);

	for (int i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		                        "%d,%s\n", i, value);
	IS_INT(put(INGEST, name, text), SFS_OK);
}

static uint32_t shard_of(const char *key)
{
	struct sfs_router router;
	struct sfs_bytes bytes = { (const uint8_t *)key, strlen(key) };

	sfs_router_init_hash(&router, SFS_KEY_UTF8, 4);
	return sfs_router_hash(&router, bytes);
}

/* The key of a shard's object. */
static const char *object_of(const struct sfs_manifest *m, uint32_t db)
{
	static char key[2][600];
	static int turn;

	turn = !turn;
	if (m->shards[db].db_url == NULL)
		return "none";
	(void)snprintf(key[turn], sizeof(key[0]), "%s/shard.db",
	               strstr(m->shards[db].db_url, "/shards/") + 1);
	return key[turn];
}

/* --- the manifest ---------------------------------------------------------------- */

static void check_shard(const struct sfs_manifest *m, uint32_t db)
{
	const struct sfs_manifest_shard *s = &m->shards[db];
	char url[800];

	(void)snprintf(url, sizeof(url),
	               "%s/shards/run_id=%s/db=%05" PRIu32 "/attempt=00",
	               store->url, m->run_id, db);
	IS_STR(s->db_url, url);
	IS_INT(s->attempt, 0);
	IS_INT(s->db_bytes, stat_object(object_of(m, db)).st_size);
	IS_INT(strlen(s->checkpoint_id), 32);
	IS_INT(strspn(s->checkpoint_id, "0123456789abcdef"), 32);
	OK(strncmp(s->writer_info, "{\"attempt\": 0, \"duration_ms\": ", 30) ==
	   0);
	HAS_STR(s->writer_info,
	        ", \"stage_id\": null, \"task_attempt_id\": null}");
}

/* Member by member as in the golden manifests. */
static void the_manifest_is_what_shardyfusion_writes(void)
{
	struct sfs_manifest *m;
	uint64_t rows = 0;

	put_numbers("a.csv", 100, "v");
	publish_well();
	m = manifest();
	IS_STR(m->run_id, last_id.run_id);
	IS_INT(strlen(m->run_id), 32);
	IS_INT(m->created_at_ns, last_id.published_at_ns);
	IS_INT(m->created_at_ns % 1000, 0);
	IS_INT(m->num_dbs, 4);
	IS_STR(m->s3_prefix, store->url);
	IS_STR(m->key_col, "_key");
	IS_STR(m->shard_prefix, "shards");
	IS_STR(m->db_path_template, "db={db_id:05d}");
	IS_INT(m->key_encoding, SFS_KEY_UTF8);
	IS_STR(m->sharding,
	       "{\"cel_columns\": null, \"cel_expr\": null, "
	       "\"hash_algorithm\": \"xxh3_64\", \"routing_values\": null, "
	       "\"strategy\": \"hash\"}");
	for (uint32_t i = 0; i < 4; i++) {
		check_shard(m, i);
		rows += m->shards[i].row_count;
	}
	IS_INT(rows, 100);
	IS_STR(m->shards[shard_of("0")].min_key, "\"0\"");
	IS_STR(m->shards[shard_of("99")].max_key, "\"99\"");
	sfs_manifest_free(m);
}

static void limits_are_numbers_where_keys_are(void)
{
	struct sfs_manifest *m;

	config("key_encoding: u64be\nnum_dbs: 1\n");
	IS_INT(put(KEYS, "5", "a"), SFS_OK);
	IS_INT(put(KEYS, "9223372036854775807", "b"), SFS_OK);
	IS_INT(put(KEYS, "256", "c"), SFS_OK);
	publish_well();
	m = manifest();
	IS_STR(m->shards[0].min_key, "5");
	IS_STR(m->shards[0].max_key, "9223372036854775807");
	sfs_manifest_free(m);
}

static void limits_that_are_no_text_are_left_out(void)
{
	struct sfs_manifest *m;

	config("key_encoding: raw\nnum_dbs: 1\n");
	IS_INT(put(KEYS, "%FF", "a"), SFS_OK);
	IS_INT(put(KEYS, "\xc3\xa9", "b"), SFS_OK);
	publish_well();
	m = manifest();
	IS_STR(m->shards[0].min_key, "\"\\u00e9\"");
	OK(m->shards[0].max_key == NULL);
	sfs_manifest_free(m);
}

static void custom_message_and_parent_are_recorded(void)
{
	struct sfs_snapshot_id first;
	struct sfs_manifest *m;
	char parent[300];

	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	publish_well();
	first = last_id;
	m = manifest();
	HAS_STR(m->custom, "\"message\": null, \"parent\": null, \"tool\": "
	                   "\"shardyfs ");
	sfs_manifest_free(m);
	shop_next("two");
	config("key_encoding: utf8\nnum_dbs: 4\n"
	       "custom: '{\"team\": [1, \"s\"], \"a\": {}}'\n");
	IS_INT(put(TOP, "message", "new \"prices\"\n\xc3\xa9\n\n"), SFS_OK);
	publish_well();
	m = manifest();
	OK(strncmp(m->custom, "{\"a\": {}, \"shardyfs\": {", 22) == 0);
	HAS_STR(m->custom, "}, \"team\": [1, \"s\"]}");
	HAS_STR(m->custom, "\"message\": \"new \\\"prices\\\"\\n\\u00e9\"");
	(void)snprintf(parent, sizeof(parent), "\"parent\": \"%s\"",
	               first.run_id);
	HAS_STR(m->custom, parent);
	sfs_manifest_free(m);
}

static void a_message_that_is_no_text_is_still_a_manifest(void)
{
	struct sfs_json_reader r;
	struct sfs_json_token token;
	struct sfs_manifest *m;
	size_t len = 0;
	const char *raw;

	IS_INT(put(TOP, "message", "a\xff z"), SFS_OK);
	publish_well();
	m = manifest();
	sfs_json_reader_init(&r, m->custom, strlen(m->custom));
	IS_INT(sfs_json_next(&r, &token, &err), SFS_OK);
	IS_INT(sfs_json_next(&r, &token, &err), SFS_OK);
	IS_INT(sfs_json_skip(&r, &raw, &len, &err), SFS_OK);
	OK(len > 10);
	sfs_json_reader_release(&r);
	sfs_manifest_free(m);
}

static void digests_are_those_of_the_objects(void)
{
	struct sfs_digests digests = { 0 };
	struct sfs_manifest *m;
	char command[1200];
	char hex[80] = "";
	FILE *f;

	put_numbers("a.csv", 50, "v");
	publish_well();
	m = manifest();
	IS_INT(sfs_digests_read(m, &digests, &err), SFS_OK);
	for (uint32_t i = 0; i < 4; i++) {
		(void)snprintf(command, sizeof(command), "sha256sum '%s/%s'",
		               shop_store_dir, object_of(m, i));
		f = popen(command, "r");
		OK(f != NULL && fread(hex, 1, 64, f) == 64);
		if (f != NULL)
			(void)pclose(f);
		OK(digests.of[i] != NULL);
		if (digests.of[i] != NULL)
			IS_STR(digests.of[i] + strlen("sha256:"), hex);
	}
	sfs_digests_release(&digests);
	sfs_manifest_free(m);
}

/* --- the run record and the log ---------------------------------------------------- */

static struct sfs_run_record record_of(const char *key)
{
	struct sfs_run_record record = { .status = SFS_RUN_INVALID };
	char *data = NULL;
	size_t len = 0;

	IS_INT(sfs_store_get(store, key, SFS_RUN_RECORD_MAX_BYTES, &data, &len,
	                     NULL, NULL, &err),
	       SFS_OK);
	if (data != NULL)
		IS_INT(sfs_run_record_parse(data, len, &record, &err), SFS_OK);
	sfs_free(data);
	return record;
}

static void the_run_record_tells_how_it_ended(void)
{
	static struct shop_keys keys;
	struct sfs_run_record record;
	char key[SFS_MANIFEST_KEY_BYTES];
	char ref[1200];

	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	IS_INT(list_store(&keys, "runs/"), 0);
	IS_INT(settle(), SFS_OK);
	IS_INT(list_store(&keys, "runs/"), 1);
	record = record_of(keys.keys[0]);
	IS_INT(record.status, SFS_RUN_RUNNING);
	OK(record.lease_expires_at_ns > record.updated_at_ns);
	publish_well();
	IS_INT(list_store(&keys, "runs/"), 1);
	record = record_of(keys.keys[0]);
	IS_INT(record.status, SFS_RUN_SUCCEEDED);
	IS_STR(record.run_id, last_id.run_id);
	IS_STR(record.writer_type, "shardyfs");
	sfs_snapshot_id_manifest_key(&last_id, key);
	(void)snprintf(ref, sizeof(ref), "%s/%s", store->url, key);
	IS_STR(record.manifest_ref, ref);
	IS_INT(list_store(&keys, "log/"), 1);
	HAS_STR(keys.keys[0], "_publish.json");
}

static void a_build_that_is_given_up_leaves_only_its_record(void)
{
	static struct shop_keys keys;

	put_numbers("a.csv", 50, "v");
	IS_INT(settle(), SFS_OK);
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	IS_INT(list_store(&keys, ""), 1);
	IS_INT(record_of(keys.keys[0]).status, SFS_RUN_FAILED);
	IS_STR(record_of(keys.keys[0]).error_type, "BuildAborted");
}

/* --- the base ------------------------------------------------------------------------ */

/* "x" in place of the shards that were built anew. */
static const char *compare(const struct sfs_manifest *a,
                           const struct sfs_manifest *z)
{
	struct sfs_digests da = { 0 };
	struct sfs_digests dz = { 0 };
	static char text[5];

	IS_INT(sfs_digests_read(a, &da, &err), SFS_OK);
	IS_INT(sfs_digests_read(z, &dz, &err), SFS_OK);
	for (uint32_t i = 0; i < 4; i++) {
		bool same_id = strcmp(a->shards[i].checkpoint_id,
		                      z->shards[i].checkpoint_id) == 0;
		bool same_inode = stat_object(object_of(a, i)).st_ino ==
		                  stat_object(object_of(z, i)).st_ino;

		OK(same_id == same_inode);
		OK(same_id == (strcmp(da.of[i], dz.of[i]) == 0));
		OK(strcmp(object_of(a, i), object_of(z, i)) != 0);
		text[i] = same_id ? '-' : 'x';
	}
	sfs_digests_release(&da);
	sfs_digests_release(&dz);
	return text;
}

static void on_base(const char *name)
{
	shop_next(name);
	IS_INT(sfs_build_set_base(b, &last_id, NULL, &err), SFS_OK);
}

static void shards_of_the_base_that_stay_are_linked(void)
{
	struct sfs_snapshot_id first;
	struct sfs_manifest *old;
	struct sfs_manifest *new;
	char want[5] = "----";

	put_numbers("a.csv", 40, "v");
	publish_well();
	first = last_id;
	old = manifest();
	on_base("two");
	/* linked first, built over the link afterwards */
	IS_INT(settle(), SFS_OK);
	IS_INT(put(KEYS, "7", "new"), SFS_OK);
	HAS_STR(plan(), "\"changes\": 1, \"deletes\": 0, \"num_dbs\": 4");
	HAS_STR(plan(), "\"shards_empty\": 0, \"shards_linked\": 3, "
	                "\"shards_touched\": 1");
	publish_well();
	new = manifest();
	want[shard_of("7")] = 'x';
	IS_STR(compare(old, new), want);
	HAS_STR(content(), " 7=new ");
	HAS_STR(content_of(&first), " 7=v ");
	IS_INT(sfs_manifest_rows(new), 40);
	sfs_manifest_free(old);
	sfs_manifest_free(new);
}

static void what_is_taken_back_is_linked_again(void)
{
	struct sfs_manifest *old;
	struct sfs_manifest *new;

	put_numbers("a.csv", 40, "v");
	publish_well();
	old = manifest();
	on_base("two");
	IS_INT(put(KEYS, "7", "new"), SFS_OK);
	put_numbers("b.csv", 4, "w");
	IS_INT(settle(), SFS_OK);
	IS_INT(sfs_build_unlink(b, KEYS, "7", &err), SFS_OK);
	IS_INT(sfs_build_unlink(b, INGEST, "b.csv", &err), SFS_OK);
	publish_well();
	new = manifest();
	IS_STR(compare(old, new), "----");
	sfs_manifest_free(old);
	sfs_manifest_free(new);
}

static void a_plan_counts_what_publishing_would_do(void)
{
	char current[SFS_SNAPSHOT_ID_BYTES];
	char wanted[2 * SFS_SNAPSHOT_ID_BYTES];
	const char *text;

	put_numbers("a.csv", 40, "v");
	HAS_STR(plan(), "\"supersedes\": null,");
	publish_well();
	sfs_snapshot_id_text(&last_id, current);
	on_base("two");
	IS_INT(put(KEYS, "new", "1"), SFS_OK);
	IS_INT(put(KEYS, "3", "1"), SFS_OK);
	IS_INT(remove_key(b, "4", &err), SFS_OK);
	IS_INT(remove_key(b, "5", &err), SFS_OK);
	IS_INT(remove_key(b, "none", &err), SFS_OK);
	text = plan();
	(void)snprintf(wanted, sizeof(wanted), "\"supersedes\": \"%s\"",
	               current);
	HAS_STR(text, wanted);
	HAS_STR(text, "\"adds\": 1,");
	HAS_STR(text, "\"changes\": 1,");
	HAS_STR(text, "\"deletes\": 2,");
	HAS_STR(text, last_id.run_id);
	IS_INT(settle(), SFS_OK);
	HAS_STR(plan(), "\"deletes\": 2,"); /* the same when all is built */
	IS_INT(sfs_build_clear_base(b, &err), SFS_OK);
	text = plan();
	HAS_STR(text, "\"base\": null, \"changes\": 0, \"deletes\": 0,");
	HAS_STR(text, wanted);
	publish_well();
}

static void what_is_staged_as_it_is_in_the_base_is_no_change(void)
{
	struct sfs_manifest *old;
	struct sfs_manifest *new;
	char want[5] = "----";

	put_numbers("a.csv", 40, "v");
	publish_well();
	old = manifest();
	on_base("two");
	put_numbers("b.csv", 40, "v");
	IS_INT(put(KEYS, "7", "v"), SFS_OK);
	IS_INT(remove_key(b, "none", &err), SFS_OK);
	HAS_STR(plan(), "{\"adds\": 0,");
	HAS_STR(plan(), "\"changes\": 0, \"deletes\": 0,");
	HAS_STR(plan(), "\"shards_empty\": 0, \"shards_linked\": 4, "
	                "\"shards_touched\": 0");
	IS_INT(settle(), SFS_OK);
	HAS_STR(plan(), "\"shards_empty\": 0, \"shards_linked\": 4, "
	                "\"shards_touched\": 0");
	IS_INT(put(KEYS, "9", "w"), SFS_OK);
	HAS_STR(plan(), "\"changes\": 1, \"deletes\": 0,");
	HAS_STR(plan(), "\"shards_linked\": 3, \"shards_touched\": 1");
	publish_well();
	new = manifest();
	want[shard_of("9")] = 'x';
	IS_STR(compare(old, new), want);
	IS_INT(sfs_manifest_rows(new), 40);
	sfs_manifest_free(old);
	sfs_manifest_free(new);
}

static void a_shard_may_lose_all_its_keys(void)
{
	struct sfs_manifest *m;

	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	publish_well();
	on_base("two");
	IS_INT(remove_key(b, "a", &err), SFS_OK);
	publish_well();
	m = manifest();
	OK(m->shards[shard_of("a")].db_url == NULL);
	sfs_manifest_free(m);
	IS_STR(content(), "");
}

/* An object that no manifest names is not left behind. */
static void a_shard_that_became_empty_leaves_no_object(void)
{
	static struct shop_keys keys;

	put_numbers("a.csv", 40, "v");
	IS_INT(settle(), SFS_OK);
	IS_INT(list_store(&keys, "shards/"), 4);
	IS_INT(sfs_build_unlink(b, INGEST, "a.csv", &err), SFS_OK);
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	publish_well();
	shop_rest();
	IS_INT(list_store(&keys, "shards/"), 1);
	IS_STR(content(), "a=1 ");
}

static void objects_of_another_number_of_shards_are_removed(void)
{
	static struct shop_keys keys;

	put_numbers("a.csv", 40, "v");
	IS_INT(settle(), SFS_OK);
	IS_INT(list_store(&keys, "shards/"), 4);
	config("key_encoding: utf8\nnum_dbs: 2\n");
	publish_well();
	shop_rest();
	IS_INT(list_store(&keys, "shards/"), 2);
}

/* mv does not read a directory for each shard where nothing can be there. */
static void shards_that_are_built_again_leave_nothing_to_look_for(void)
{
	const struct sfs_fault_plan no_list = { .op_mask = SFS_STORE_LIST,
		                                .fail_at = 1,
		                                .always = true,
		                                .rc = SFS_E_IO };
	static struct shop_keys keys;

	put_numbers("a.csv", 40, "v");
	IS_INT(settle(), SFS_OK);
	put_numbers("b.csv", 20, "w");
	IS_INT(settle(), SFS_OK);
	sfs_store_fault_set(store, &no_list);
	publish_well();
	shop_close();
	IS_INT(sfs_store_fault_count(store), 0);
	sfs_store_fault_set(store, &(struct sfs_fault_plan){ .fail_at = 0 });
	IS_INT(list_store(&keys, "shards/"), 4);
}

/* As where a commit reported a failure and had happened all the same. */
static void an_attempt_that_lost_is_removed(void)
{
	const struct sfs_fault_plan plan = { .op_mask = SFS_STORE_COMMIT,
		                             .fail_at = 1,
		                             .rc = SFS_E_IO };
	const struct sfs_fault_plan off = { .fail_at = 0 };
	static struct shop_keys keys;
	char lost[450];
	char *at;

	config("key_encoding: utf8\nnum_dbs: 1\nshard_retry: 1\n");
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	sfs_store_fault_set(store, &plan);
	IS_INT(settle(), SFS_OK);
	IS_INT(sfs_store_fault_count(store), 1);
	sfs_store_fault_set(store, &off);
	IS_INT(list_store(&keys, "shards/"), 1);
	(void)snprintf(lost, sizeof(lost), "%s", keys.keys[0]);
	at = strstr(lost, "/attempt=01/");
	OK(at != NULL);
	if (at == NULL)
		return;
	at[10] = '0';
	IS_INT(store->ops->put(store, lost, "x", 1, NULL, NULL, &err), SFS_OK);
	publish_well();
	shop_rest();
	IS_INT(list_store(&keys, "shards/"), 1);
	HAS_STR(keys.keys[0], "/attempt=01/");
	IS_STR(content(), "a=1 ");
}

static void a_base_that_moved_is_stale(void)
{
	struct sfs_snapshot_id base;
	static struct shop_keys keys;
	struct sfs_build *mine;

	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	publish_well();
	base = last_id;
	on_base("mine");
	IS_INT(put(KEYS, "b", "1"), SFS_OK);
	mine = sfs_build_ref(b);
	on_base("other");
	IS_INT(put(KEYS, "c", "1"), SFS_OK);
	publish_well();
	sfs_build_unref(b);
	b = mine;
	IS_INT(publish(), SFS_E_STALE);
	HAS_STR(err.msg, "ln -sfn");
	IS_INT(publish(), SFS_E_STALE);
	IS_STR(content(), "a=1 c=1 ");
	IS_INT(list_store(&keys, "manifests/"), 2);
	IS_INT(sfs_build_set_base(b, &base, NULL, &err), SFS_E_STALE);
	IS_INT(sfs_build_set_base(b, &last_id, NULL, &err), SFS_OK);
	publish_well();
	IS_STR(content(), "a=1 b=1 c=1 ");
}

static void without_a_base_the_next_one_replaces(void)
{
	struct shop_history h;
	struct sfs_build *other;

	other = shop_build("other");
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	sfs_build_unref(b);
	b = other;
	IS_INT(put(KEYS, "b", "1"), SFS_OK);
	publish_well();
	sfs_build_unref(b);
	b = sfs_area_find(area, "job");
	publish_well();
	IS_INT(history(&h), 2);
	OK(h.ids[0].published_at_ns > h.ids[1].published_at_ns);
	IS_STR(content_of(&h.ids[0]), "a=1 ");
	IS_STR(content_of(&h.ids[1]), "b=1 ");
}

/* --- tags ------------------------------------------------------------------------------ */

static void the_tag_is_set_with_the_publish(void)
{
	struct sfs_snapshot_id named = { 0 };

	IS_INT(put(TOP, "tag", "v1\n"), SFS_OK);
	publish_well();
	IS_INT(catalog->ops->get_tag(catalog, "v1", &named, NULL, &err),
	       SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&named, &last_id), 0);
}

static void a_tag_that_is_taken_keeps_from_publishing(void)
{
	struct sfs_snapshot_id named = { 0 };
	struct sfs_snapshot_id first;

	IS_INT(put(TOP, "tag", "v1"), SFS_OK);
	publish_well();
	first = last_id;
	shop_next("two");
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	IS_INT(put(TOP, "tag", "v1"), SFS_OK);
	IS_INT(publish(), SFS_E_EXISTS);
	HAS_STR(err.msg, "tag v1 exists");
	IS_STR(content(), "");
	IS_INT(put(TOP, "tag", "a/b"), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "tag: ");
	IS_INT(put(TOP, "tag", "v2"), SFS_OK);
	publish_well();
	IS_STR(content(), "a=1 ");
	IS_INT(catalog->ops->get_tag(catalog, "v1", &named, NULL, &err),
	       SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&named, &first), 0);
}

static void texts_that_are_too_long_are_refused(void)
{
	static char text[70000];

	memset(text, 'x', sizeof(text) - 1);
	IS_INT(put(TOP, "message", text), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "message: ");
	IS_INT(sfs_build_unlink(b, TOP, "message", &err), SFS_OK);
	text[300] = '\0';
	IS_INT(put(TOP, "tag", text), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(errors(), "tag: ");
	IS_INT(sfs_build_unlink(b, TOP, "tag", &err), SFS_OK);
	publish_well();
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &err), SFS_OK);
	RUN_IN_SHOP(the_manifest_is_what_shardyfusion_writes);
	RUN_IN_SHOP(limits_are_numbers_where_keys_are);
	RUN_IN_SHOP(limits_that_are_no_text_are_left_out);
	RUN_IN_SHOP(custom_message_and_parent_are_recorded);
	RUN_IN_SHOP(a_message_that_is_no_text_is_still_a_manifest);
	RUN_IN_SHOP(digests_are_those_of_the_objects);
	RUN_IN_SHOP(the_run_record_tells_how_it_ended);
	RUN_IN_SHOP(a_build_that_is_given_up_leaves_only_its_record);
	RUN_IN_SHOP(shards_of_the_base_that_stay_are_linked);
	RUN_IN_SHOP(what_is_taken_back_is_linked_again);
	RUN_IN_SHOP(a_plan_counts_what_publishing_would_do);
	RUN_IN_SHOP(what_is_staged_as_it_is_in_the_base_is_no_change);
	RUN_IN_SHOP(a_shard_may_lose_all_its_keys);
	RUN_IN_SHOP(a_shard_that_became_empty_leaves_no_object);
	RUN_IN_SHOP(objects_of_another_number_of_shards_are_removed);
	RUN_IN_SHOP(shards_that_are_built_again_leave_nothing_to_look_for);
	RUN_IN_SHOP(an_attempt_that_lost_is_removed);
	RUN_IN_SHOP(a_base_that_moved_is_stale);
	RUN_IN_SHOP(without_a_base_the_next_one_replaces);
	RUN_IN_SHOP(the_tag_is_set_with_the_publish);
	RUN_IN_SHOP(a_tag_that_is_taken_keeps_from_publishing);
	RUN_IN_SHOP(texts_that_are_too_long_are_refused);
	return tap_done();
}
