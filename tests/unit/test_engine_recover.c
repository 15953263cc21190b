/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds whose owner died or lost the store: what the next one makes of their
 * run, its record, the log and the objects.
 */
#include "unit/workshop.h"

#include "catalog/lease.h"

#include <pthread.h>
#include <stdatomic.h>

static const struct sfs_fault_plan off;
static struct shop_keys keys;

/* --- the record of a run ----------------------------------------------------- */

static struct sfs_run_record read_record(const char *key, struct sfs_tag *tag)
{
	struct sfs_run_record record = { .status = SFS_RUN_INVALID };
	struct sfs_object_info info = { .size = 0 };
	char *data = NULL;
	size_t len = 0;

	IS_INT(sfs_store_get(store, key, SFS_RUN_RECORD_MAX_BYTES, &data, &len,
	                     &info, NULL, &err),
	       SFS_OK);
	if (data != NULL)
		IS_INT(sfs_run_record_parse(data, len, &record, &err), SFS_OK);
	sfs_free(data);
	*tag = info.tag;
	return record;
}

/* That there is one, how it ended, and why. */
static void check_record(enum sfs_run_status status, const char *error_type)
{
	struct sfs_run_record record;
	struct sfs_tag tag;

	IS_INT(list_store(&keys, "runs/"), 1);
	record = read_record(keys.keys[0], &tag);
	IS_INT(record.status, status);
	IS_STR(record.error_type, error_type);
	IS_STR(record.shard_prefix, "shards");
	IS_STR(record.db_path_template, "db={db_id:05d}");
}

/* As gc does when the lease is over. */
static void claim_run(void)
{
	struct sfs_run_record record;
	struct sfs_tag tag;

	IS_INT(list_store(&keys, "runs/"), 1);
	record = read_record(keys.keys[0], &tag);
	IS_INT(sfs_lease_claim(store, keys.keys[0], &record, &tag, NULL, &err),
	       SFS_OK);
}

/* --- a swap whose answer is lost ----------------------------------------------- */

static const struct sfs_catalog_ops *real_ops;
static struct sfs_catalog_ops doubtful_ops;
static bool is_away;
static bool is_lost; /* it does not happen */

static enum sfs_rc doubtful_swap(struct sfs_catalog *c,
                                 const struct sfs_current *next,
                                 const struct sfs_tag *expected,
                                 struct sfs_tag *tag_out,
                                 const struct sfs_call *call, struct sfs_err *e)
{
	enum sfs_rc rc = SFS_OK;

	if (!is_lost)
		rc = real_ops->swap(c, next, expected, tag_out, call, e);
	is_away = true;
	return rc != SFS_OK ? rc : sfs_err_set(e, SFS_E_TIMEOUT, "no answer");
}

static enum sfs_rc doubtful_current(struct sfs_catalog *c,
                                    struct sfs_pointer *out,
                                    const struct sfs_call *call,
                                    struct sfs_err *e)
{
	if (is_away)
		return sfs_err_set(e, SFS_E_IO, "the store is away");
	return real_ops->current(c, out, call, e);
}

static void go_away(void)
{
	real_ops = catalog->ops;
	doubtful_ops = *real_ops;
	doubtful_ops.swap = doubtful_swap;
	doubtful_ops.current = doubtful_current;
	catalog->ops = &doubtful_ops;
}

static void come_back(void)
{
	is_away = false;
	catalog->ops = real_ops;
}

/* "job" with a=1 is published and does not know it. */
static void publish_in_doubt(void)
{
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	IS_INT(put(TOP, "tag", "v1"), SFS_OK);
	go_away();
	IS_INT(publish(), SFS_E_TIMEOUT);
	come_back();
	IS_STR(content(), "a=1 ");
}

/* --- taking a run up ------------------------------------------------------------ */

static void a_publish_that_is_found_out_ends_its_record(void)
{
	publish_in_doubt();
	shop_again();
	OK(b == NULL);
	check_record(SFS_RUN_SUCCEEDED, "");
	IS_STR(content(), "a=1 ");
}

static void a_publish_of_a_claimed_run_makes_no_other_record(void)
{
	struct shop_history h;

	publish_in_doubt();
	claim_run();
	shop_again();
	OK(b == NULL);
	check_record(SFS_RUN_FAILED, SFS_LEASE_CLAIMED);
	IS_INT(history(&h), 1);
	IS_STR(content(), "a=1 ");
}

/* Up to the manifest nothing can be put, and so there is no record. */
static enum sfs_rc put_manifest_at_last(struct sfs_catalog *c,
                                        const struct sfs_snapshot_id *id,
                                        const void *data, size_t len,
                                        const struct sfs_call *call,
                                        struct sfs_err *e)
{
	sfs_store_fault_set(store, &off);
	return real_ops->put_manifest(c, id, data, len, call, e);
}

/* As publish_in_doubt(), by a run that has no record. */
static void publish_unrecorded(void)
{
	const struct sfs_fault_plan no_puts = { .op_mask = SFS_STORE_PUT,
		                                .fail_at = 1,
		                                .always = true,
		                                .rc = SFS_E_IO };

	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	sfs_store_fault_set(store, &no_puts);
	go_away();
	doubtful_ops.put_manifest = put_manifest_at_last;
	IS_INT(publish(), SFS_E_TIMEOUT);
	come_back();
	IS_INT(list_store(&keys, "runs/"), 0);
}

/* Another build publishes name=1 on top. */
static struct sfs_snapshot_id publish_another(const char *name)
{
	struct sfs_build *job = b;
	struct sfs_snapshot_id id;

	b = shop_build(name);
	IS_INT(put(KEYS, name, "1"), SFS_OK);
	publish_well();
	id = last_id;
	sfs_build_unref(b);
	b = job;
	return id;
}

static size_t count_manifests(void)
{
	return list_store(&keys, "manifests/");
}

static void what_another_has_published_on_top_of_is_not_taken_back(void)
{
	publish_unrecorded();
	(void)publish_another("x");
	(void)publish_another("y");
	shop_again();
	OK(b == NULL);
	IS_INT(count_manifests(), 3);
	IS_STR(content(), "y=1 ");
}

static void what_was_never_published_is_taken_back_without_a_record(void)
{
	is_lost = true;
	publish_unrecorded();
	is_lost = false;
	(void)publish_another("x");
	IS_INT(count_manifests(), 2);
	shop_again();
	OK(b != NULL);
	IS_INT(count_manifests(), 1);
	publish_well();
	IS_INT(count_manifests(), 2);
	IS_STR(content(), "a=1 ");
}

/* What lay between is gone: who knows. */
static void what_cannot_be_told_is_left_alone_and_built_anew(void)
{
	struct sfs_manifest *m = NULL;
	struct sfs_snapshot_id job;
	struct sfs_snapshot_id x;

	publish_unrecorded();
	OK(shop_current_id(&job));
	x = publish_another("x");
	(void)publish_another("y");
	IS_INT(catalog->ops->delete_manifest(catalog, &x, NULL, &err), SFS_OK);
	shop_again();
	OK(b != NULL);
	IS_INT(count_manifests(), 2);
	publish_well();
	IS_STR(content(), "a=1 ");
	OK(strcmp(last_id.run_id, job.run_id) != 0);
	IS_STR(content_of(&job), "a=1 ");
	IS_INT(catalog->ops->load(catalog, &job, &m, NULL, &err), SFS_OK);
	sfs_manifest_free(m);
}

static void what_cannot_be_told_survives_the_end_of_its_build(void)
{
	struct sfs_snapshot_id job;
	struct sfs_snapshot_id x;

	publish_unrecorded();
	OK(shop_current_id(&job));
	x = publish_another("x");
	(void)publish_another("y");
	IS_INT(catalog->ops->delete_manifest(catalog, &x, NULL, &err), SFS_OK);
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	IS_STR(content_of(&job), "a=1 ");
}

/* --- a record that is written, and nobody knows --------------------------------- */

static const struct sfs_store_ops *told_ops;
static struct sfs_store_ops untold_ops;
static bool is_untold;

static enum sfs_rc put_untold(struct sfs_store *s, const char *key,
                              const void *data, size_t len,
                              const struct sfs_tag *expected,
                              struct sfs_tag *tag_out,
                              const struct sfs_call *call, struct sfs_err *e)
{
	struct sfs_tag tag;
	enum sfs_rc rc;

	rc = told_ops->put_if(s, key, data, len, expected, &tag, call, e);
	if (rc != SFS_OK)
		return rc;
	if (is_untold)
		return sfs_err_set(e, SFS_E_IO, "no answer");
	if (tag_out != NULL)
		*tag_out = tag;
	return SFS_OK;
}

/* "job" is settled; its record says so, and its owner does not know. */
static void settle_untold(void)
{
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	told_ops = store->ops;
	untold_ops = *told_ops;
	untold_ops.put_if = put_untold;
	store->ops = &untold_ops;
	is_untold = true;
	IS_INT(settle(), SFS_OK);
	is_untold = false;
	store->ops = told_ops;
	check_record(SFS_RUN_RUNNING, "");
}

static void a_record_that_landed_unseen_is_ended_by_publishing(void)
{
	settle_untold();
	publish_well();
	check_record(SFS_RUN_SUCCEEDED, "");
	IS_STR(content(), "a=1 ");
}

static void a_record_that_landed_unseen_is_ended_by_giving_up(void)
{
	settle_untold();
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	check_record(SFS_RUN_FAILED, "BuildAborted");
}

/* The daemon dies with it, and another one publishes. */
static void a_record_that_landed_unseen_does_not_hide_the_snapshot(void)
{
	struct shop_history h;

	settle_untold();
	shop_again();
	publish_well();
	IS_INT(history(&h), 1);
	IS_STR(content(), "a=1 ");
}

static void giving_up_a_build_ends_its_record(void)
{
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	shop_again();
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	check_record(SFS_RUN_FAILED, "BuildAborted");
	IS_INT(list_store(&keys, "shards/"), 0);
}

static void giving_up_a_claimed_run_makes_no_other_record(void)
{
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	shop_close();
	claim_run();
	shop_open();
	b = sfs_area_find(area, "job");
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	check_record(SFS_RUN_FAILED, SFS_LEASE_CLAIMED);
	IS_INT(list_store(&keys, "shards/"), 0);
}

static void giving_up_what_was_published_ends_its_record(void)
{
	publish_in_doubt();
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	check_record(SFS_RUN_SUCCEEDED, "");
	IS_STR(content(), "a=1 ");
}

/* Its record could not be taken up, and was claimed afterwards. */
static void a_run_that_was_claimed_unseen_is_built_anew(void)
{
	const struct sfs_fault_plan no_put = { .op_mask = SFS_STORE_PUT,
		                               .fail_at = 1,
		                               .rc = SFS_E_IO };

	/* no key files: those of this moment are always built again */
	IS_INT(put(INGEST, "a.csv", "key,value\na,1\n"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	shop_again();
	sfs_store_fault_set(store, &no_put);
	IS_INT(settle(), SFS_OK);
	IS_INT(sfs_store_fault_count(store), 1);
	sfs_store_fault_set(store, &off);
	claim_run();
	IS_INT(publish(), SFS_E_TRANSIENT);
	HAS_STR(err.msg, "garbage collection");
	publish_well();
	IS_STR(content(), "a=1 ");
	IS_INT(list_store(&keys, "runs/"), 2);
}

/* --- what else belongs to a publish ----------------------------------------------- */

/* The one event of the log; "". */
static const char *logged(void)
{
	static char text[4096];
	char *data = NULL;
	size_t len = 0;

	text[0] = '\0';
	IS_INT(list_store(&keys, "log/"), 1);
	if (keys.count > 0 &&
	    sfs_store_get(store, keys.keys[0], sizeof(text) - 1, &data, &len,
	                  NULL, NULL, &err) == SFS_OK)
		memcpy(text, data, len + 1);
	sfs_free(data);
	return text;
}

static void check_log(const struct sfs_snapshot_id *from,
                      const struct sfs_snapshot_id *to)
{
	char id[SFS_SNAPSHOT_ID_BYTES];
	char want[2 * SFS_SNAPSHOT_ID_BYTES];

	sfs_snapshot_id_text(from, id);
	(void)snprintf(want, sizeof(want), "\"from\":\"%s\",\"tag\":\"v1\"",
	               id);
	HAS_STR(logged(), want);
	sfs_snapshot_id_text(to, id);
	(void)snprintf(want, sizeof(want), "\"to\":\"%s\"", id);
	HAS_STR(logged(), want);
}

/* A first snapshot, not logged, and "job" again. */
static void publish_first(struct sfs_snapshot_id *first)
{
	IS_INT(put(KEYS, "x", "1"), SFS_OK);
	publish_well();
	*first = last_id;
	IS_INT(list_store(&keys, "log/"), 1);
	IS_INT(store->ops->delete (store, keys.keys[0], NULL, &err), SFS_OK);
	shop_next("job");
}

static void a_publish_that_is_found_out_is_logged(void)
{
	struct sfs_snapshot_id first;
	struct sfs_snapshot_id id;

	publish_first(&first);
	publish_in_doubt();
	OK(shop_current_id(&id));
	publish_well();
	check_log(&first, &id);
}

static void a_publish_that_its_next_owner_finds_out_is_logged(void)
{
	struct sfs_snapshot_id first;
	struct sfs_snapshot_id id;

	publish_first(&first);
	publish_in_doubt();
	OK(shop_current_id(&id));
	shop_again();
	check_log(&first, &id);
}

static int renames(const char *from, const char *to)
{
	char old_path[600];
	char new_path[600];

	(void)snprintf(old_path, sizeof(old_path), "%s/%s", shop_area_dir,
	               from);
	(void)snprintf(new_path, sizeof(new_path), "%s/%s", shop_area_dir, to);
	return rename(old_path, new_path);
}

static int copy_intent(const char *from, const char *to)
{
	char command[1400];

	(void)snprintf(command, sizeof(command), "cp '%s/%s' '%s/%s'",
	               shop_area_dir, from, shop_area_dir, to);
	return system(command);
}

/*
 * Its owner died behind the log and before the directory was set aside: the
 * next one finds the swap, and the log has it already.
 */
static void a_publish_is_logged_once(void)
{
	struct sfs_snapshot_id first;
	struct sfs_snapshot_id id;
	char before[4096];

	publish_first(&first);
	publish_in_doubt();
	IS_INT(copy_intent("job/intent", "intent"), 0);
	publish_well();
	OK(shop_current_id(&id));
	(void)snprintf(before, sizeof(before), "%s", logged());
	shop_next("job");
	shop_close();
	IS_INT(copy_intent("intent", "job/intent"), 0);
	IS_INT(renames("intent", "job/intent.old"), 0);
	shop_open();
	OK(sfs_area_find(area, "job") == NULL);
	IS_STR(logged(), before);
	IS_INT(list_store(&keys, "runs/"), 2);
}

/* An attempt that lost, of the same shard as the object at key. */
static void put_x_beside(const char *key)
{
	char lost[450];

	(void)snprintf(lost, sizeof(lost), "%.*s/attempt=07/shard.db",
	               (int)(strstr(key, "/attempt=") - key), key);
	IS_INT(store->ops->put(store, lost, "x", 1, NULL, NULL, &err), SFS_OK);
}

static void attempts_that_lost_are_removed_by_who_finds_out(void)
{
	publish_in_doubt();
	IS_INT(list_store(&keys, "shards/"), 1);
	put_x_beside(keys.keys[0]);
	shop_again();
	shop_rest();
	IS_INT(list_store(&keys, "shards/"), 1);
	HAS_STR(keys.keys[0], "/attempt=00/");
	IS_STR(content(), "a=1 ");
}

static pthread_t publisher;
static atomic_uint lists_of_publisher;

static enum sfs_rc list_counted(struct sfs_store *s, const char *prefix,
                                char delimiter, const char *start_after,
                                sfs_list_fn *fn, void *arg,
                                const struct sfs_call *call, struct sfs_err *e)
{
	if (pthread_equal(pthread_self(), publisher))
		atomic_fetch_add(&lists_of_publisher, 1);
	return told_ops->list(s, prefix, delimiter, start_after, fn, arg, call,
	                      e);
}

/* Nobody knows which objects a build has that was begun by another daemon. */
static void the_publisher_does_not_look_for_attempts_that_lost(void)
{
	char lost[450];

	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	IS_INT(list_store(&keys, "shards/"), 1);
	(void)snprintf(lost, sizeof(lost), "%s", keys.keys[0]);
	shop_again();
	publisher = pthread_self();
	told_ops = store->ops;
	untold_ops = *told_ops;
	untold_ops.list = list_counted;
	store->ops = &untold_ops;
	put_x_beside(lost);
	publish_well();
	IS_INT(atomic_load(&lists_of_publisher), 0);
	shop_close();
	store->ops = told_ops;
	shop_open();
	IS_INT(list_store(&keys, "shards/"), 1);
	IS_STR(keys.keys[0], lost);
	IS_STR(content(), "a=1 ");
}

/* What is published must not be written over by what came later. */
static void settling_leaves_what_was_published_alone(void)
{
	publish_in_doubt();
	IS_INT(put(KEYS, "a", "2"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	IS_STR(content(), "a=1 ");
	publish_well();
	IS_STR(content(), "a=1 ");
}

/* Nor while it cannot be told. */
static void settling_waits_until_a_swap_can_be_told(void)
{
	publish_in_doubt();
	IS_INT(put(KEYS, "a", "2"), SFS_OK);
	catalog->ops = &doubtful_ops;
	is_away = true;
	IS_INT(settle(), SFS_E_IO);
	come_back();
	IS_STR(content(), "a=1 ");
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &err), SFS_OK);
	RUN_IN_SHOP(a_publish_that_is_found_out_ends_its_record);
	RUN_IN_SHOP(a_publish_of_a_claimed_run_makes_no_other_record);
	RUN_IN_SHOP(what_another_has_published_on_top_of_is_not_taken_back);
	RUN_IN_SHOP(what_was_never_published_is_taken_back_without_a_record);
	RUN_IN_SHOP(what_cannot_be_told_is_left_alone_and_built_anew);
	RUN_IN_SHOP(what_cannot_be_told_survives_the_end_of_its_build);
	RUN_IN_SHOP(a_record_that_landed_unseen_is_ended_by_publishing);
	RUN_IN_SHOP(a_record_that_landed_unseen_is_ended_by_giving_up);
	RUN_IN_SHOP(a_record_that_landed_unseen_does_not_hide_the_snapshot);
	RUN_IN_SHOP(giving_up_a_build_ends_its_record);
	RUN_IN_SHOP(giving_up_a_claimed_run_makes_no_other_record);
	RUN_IN_SHOP(giving_up_what_was_published_ends_its_record);
	RUN_IN_SHOP(a_run_that_was_claimed_unseen_is_built_anew);
	RUN_IN_SHOP(a_publish_that_is_found_out_is_logged);
	RUN_IN_SHOP(a_publish_that_its_next_owner_finds_out_is_logged);
	RUN_IN_SHOP(a_publish_is_logged_once);
	RUN_IN_SHOP(attempts_that_lost_are_removed_by_who_finds_out);
	RUN_IN_SHOP(the_publisher_does_not_look_for_attempts_that_lost);
	RUN_IN_SHOP(settling_leaves_what_was_published_alone);
	RUN_IN_SHOP(settling_waits_until_a_swap_can_be_told);
	return tap_done();
}
