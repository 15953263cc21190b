/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call to the store fails once while a build is published, and each
 * allocation: what was current stays so, the build stays, and the same
 * publish succeeds afterwards.
 */
#include "unit/workshop.h"

#include "base/clock.h"

#include <dirent.h>
#include <inttypes.h>

enum { CALLS_MAX = 2000, WANT_BYTES = 400 };

static const struct sfs_fault_plan off;

/* One line of builds, each of which is hit. */
struct sweep {
	enum sfs_rc rc;
	unsigned retry;
	bool has_base;
	uint64_t injected;
	uint64_t refused; /* the publish failed */
	uint64_t retried; /* a shard has attempt=01 */
	char before[WANT_BYTES];
	char want[WANT_BYTES];
};

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t count = 0;

	while (d != NULL && readdir(d) != NULL)
		count++;
	if (d != NULL)
		(void)closedir(d);
	return count;
}

/* One builder: then the calls come in one order. */
static void sweep_begin(void)
{
	shop_begin_empty();
	sfs_area_close(area);
	area_config.threads = 1;
	shop_open();
	b = shop_build("first");
	IS_INT(put(INGEST, "a.csv",
	           "key,value\nbase1,0\nbase2,0\nbase3,0\nbase4,0\n"),
	       SFS_OK);
	publish_well();
}

/* What the nth build holds, and what it makes of the base. */
static void fill(struct sweep *s, uint64_t n)
{
	char text[200];
	char name[32];

	(void)snprintf(s->before, sizeof(s->before), "%s", content());
	(void)snprintf(name, sizeof(name), "n%" PRIu64, n);
	shop_next(name);
	if (s->has_base)
		IS_INT(sfs_build_set_base(b, &last_id, NULL, &err), SFS_OK);
	(void)snprintf(text, sizeof(text),
	               "key_encoding: utf8\nnum_dbs: 4\nshard_retry: %u\n",
	               s->retry);
	config(text);
	(void)snprintf(text, sizeof(text), "key,value\na,%" PRIu64 "\n", n);
	IS_INT(put(INGEST, "a.csv", text), SFS_OK);
	(void)snprintf(text, sizeof(text), "%" PRIu64, n);
	IS_INT(put(KEYS, "k", text), SFS_OK);
	IS_INT(put(TOP, "tag", name), SFS_OK);
	(void)snprintf(
		s->want, sizeof(s->want), "a=%" PRIu64 " %sk=%" PRIu64 " ", n,
		s->has_base ? "base1=0 base2=0 base3=0 base4=0 " : "", n);
}

/* The run has the objects that its manifest names, and no more. */
static void check_objects(struct sweep *s)
{
	struct sfs_manifest *m = manifest();
	static struct shop_keys keys;
	char prefix[300];
	size_t want = 0;
	bool has_retry = false;

	for (uint32_t i = 0; i < m->num_dbs; i++) {
		want += m->shards[i].db_url != NULL;
		has_retry = has_retry || m->shards[i].attempt > 0;
	}
	(void)snprintf(prefix, sizeof(prefix), "shards/run_id=%s/", m->run_id);
	if (sfs_store_fault_count(store) == 0)
		IS_INT(list_store(&keys, prefix), want);
	s->retried += has_retry;
	sfs_manifest_free(m);
}

static void check_tag(uint64_t n)
{
	struct sfs_snapshot_id id = { 0 };
	char name[32];

	(void)snprintf(name, sizeof(name), "n%" PRIu64, n);
	IS_INT(catalog->ops->get_tag(catalog, name, &id, NULL, &err), SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&id, &last_id), 0);
}

/* After a publish that failed: nothing happened, and it can be done again. */
static void check_intact(struct sweep *s, uint64_t n)
{
	struct sfs_build *found = sfs_area_find(area, sfs_build_name(b));

	OK(found == b);
	sfs_build_unref(found);
	if (strcmp(content(), s->before) != 0)
		TAP_FAIL("call %" PRIu64 ": \"%s\", not \"%s\"", n, content(),
		         s->before);
	publish_well();
	s->refused++;
}

static void check_published(struct sweep *s, uint64_t n)
{
	struct shop_history h;

	if (strcmp(content(), s->want) != 0)
		TAP_FAIL("call %" PRIu64 ": \"%s\", not \"%s\"", n, content(),
		         s->want);
	check_tag(n);
	check_objects(s);
	if (n < 50)
		IS_INT(history(&h), n + 1);
	IS_INT(sfs_store_fault_open_objects(store), 0);
}

static bool hit(struct sweep *s, uint64_t n)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_ALL,
		                       .fail_at = n,
		                       .rc = s->rc };
	uint64_t faults;
	enum sfs_rc rc;

	fill(s, n);
	sfs_store_fault_set(store, &plan);
	rc = publish();
	faults = sfs_store_fault_count(store);
	sfs_store_fault_set(store, &off);
	s->injected += faults;
	if (rc != SFS_OK) {
		if (rc != s->rc)
			TAP_FAIL("call %" PRIu64 ": %s: %s", n, sfs_rc_name(rc),
			         err.msg);
		check_intact(s, n);
	}
	check_published(s, n);
	return faults > 0;
}

static void sweep(struct sweep s)
{
	size_t fds = open_fds();
	uint64_t n = 1;

	sweep_begin();
	while (n < CALLS_MAX && hit(&s, n))
		n++;
	OK(n < CALLS_MAX);
	OK(s.refused > 5);
	OK(s.retry == 0 || s.retried > 3);
	printf("# %" PRIu64 " faults, %" PRIu64 " refused, %" PRIu64
	       " attempts tried again\n",
	       s.injected, s.refused, s.retried);
	shop_end();
	IS_INT(open_fds(), fds);
}

static void each_call_fails_without_a_base(void)
{
	sweep((struct sweep){ .rc = SFS_E_IO });
}

static void each_call_fails_with_a_base(void)
{
	sweep((struct sweep){ .rc = SFS_E_IO, .has_base = true });
}

static void each_call_fails_where_shards_are_tried_again(void)
{
	sweep((struct sweep){ .rc = SFS_E_IO, .retry = 2 });
	sweep((struct sweep){
		.rc = SFS_E_TIMEOUT, .retry = 2, .has_base = true });
}

static void the_disk_is_full_at_each_call(void)
{
	sweep((struct sweep){ .rc = SFS_E_NO_SPACE, .has_base = true });
}

/* --- too slow ------------------------------------------------------------------ */

static enum sfs_rc publish_within(int64_t ms)
{
	struct sfs_call call = { .deadline_ms = sfs_clock_ms() + ms };

	return sfs_build_publish(b, &last_id, &call, &err);
}

static void a_slow_store_meets_the_deadline_at_each_call(void)
{
	const struct sfs_fault_plan slow = { .op_mask = SFS_STORE_ALL,
		                             .delay_ms = 4 };
	struct sweep s = { .retry = 2, .has_base = true };
	enum sfs_rc rc = SFS_E_TIMEOUT;

	sweep_begin();
	for (uint64_t n = 1; n < 300 && rc != SFS_OK; n++) {
		fill(&s, n);
		sfs_store_fault_set(store, &slow);
		rc = publish_within((int64_t)(n * 11));
		sfs_store_fault_set(store, &off);
		if (rc != SFS_OK) {
			IS_INT(rc, SFS_E_TIMEOUT);
			check_intact(&s, n);
		}
		check_published(&s, n);
	}
	IS_INT(rc, SFS_OK);
	OK(s.refused > 5);
	shop_end();
}

/* --- a store that stays away ------------------------------------------------------ */

static void a_store_that_stays_away_is_waited_for(void)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_ALL,
		                       .always = true,
		                       .rc = SFS_E_IO };
	struct sweep s = { .rc = SFS_E_IO, .retry = 1 };
	uint64_t n;

	sweep_begin();
	for (n = 1; n < 200; n++) {
		enum sfs_rc rc;

		fill(&s, n);
		plan.fail_at = n;
		sfs_store_fault_set(store, &plan);
		rc = publish();
		if (rc == SFS_OK && sfs_store_fault_count(store) == 0)
			break;
		if (rc != SFS_OK)
			IS_INT(publish(), SFS_E_IO);
		sfs_store_fault_set(store, &off);
		if (rc != SFS_OK)
			check_intact(&s, n);
		if (strcmp(content(), s.want) != 0)
			TAP_FAIL("from call %" PRIu64 " on: %s", n, content());
	}
	OK(n > 10 && n < 200);
	sfs_store_fault_set(store, &off);
	shop_end();
}

/* --- a swap in doubt -------------------------------------------------------------- */

static const struct sfs_catalog_ops *real_ops;
static struct sfs_catalog_ops doubtful_ops;
static bool is_away;

/* It happens, but nobody can tell. */
static enum sfs_rc doubtful_swap(struct sfs_catalog *c,
                                 const struct sfs_current *next,
                                 const struct sfs_tag *expected,
                                 struct sfs_tag *tag_out,
                                 const struct sfs_call *call, struct sfs_err *e)
{
	enum sfs_rc rc = real_ops->swap(c, next, expected, tag_out, call, e);

	is_away = true;
	return rc != SFS_OK ? rc : sfs_err_set(e, SFS_E_TIMEOUT, "no answer");
}

static enum sfs_rc doubtful_current(struct sfs_catalog *c,
                                    struct sfs_pointer *pointer_out,
                                    const struct sfs_call *call,
                                    struct sfs_err *e)
{
	if (is_away)
		return sfs_err_set(e, SFS_E_IO, "the store is away");
	return real_ops->current(c, pointer_out, call, e);
}

/* A publish whose swap happened, though it could not be told. */
static void publish_in_doubt(bool has_base)
{
	struct sweep s = { .has_base = has_base };

	sweep_begin();
	fill(&s, 1);
	real_ops = catalog->ops;
	doubtful_ops = *real_ops;
	doubtful_ops.swap = doubtful_swap;
	doubtful_ops.current = doubtful_current;
	catalog->ops = &doubtful_ops;
	IS_INT(publish(), SFS_E_TIMEOUT);
	IS_INT(publish(), SFS_E_IO);
	is_away = false;
	catalog->ops = real_ops;
	IS_STR(content(), s.want);
}

static void a_swap_in_doubt_takes_nothing_back(void)
{
	struct shop_history h;

	for (int has_base = 0; has_base < 2; has_base++) {
		publish_in_doubt(has_base != 0);
		publish_well();
		IS_INT(history(&h), 2);
		check_tag(1);
		shop_end();
	}
}

static void a_build_in_doubt_may_be_discarded(void)
{
	struct shop_history h;

	publish_in_doubt(true);
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	IS_INT(history(&h), 2);
	OK(strstr(content(), "k=1") != NULL);
	shop_end();
}

static void a_build_in_doubt_may_be_discarded_while_the_store_is_away(void)
{
	publish_in_doubt(true);
	catalog->ops = &doubtful_ops;
	is_away = true;
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	is_away = false;
	catalog->ops = real_ops;
	OK(strstr(content(), "k=1") != NULL);
	shop_end();
}

static void a_build_in_doubt_is_recognized_by_its_next_owner(void)
{
	struct shop_history h;

	publish_in_doubt(true);
	shop_close();
	shop_open();
	OK(sfs_area_find(area, "n1") == NULL);
	IS_INT(history(&h), 2);
	OK(strstr(content(), "k=1") != NULL);
	shop_end();
}

/* Its next owner could not tell either, and publishes it again. */
static void a_build_in_doubt_is_published_once_by_its_next_owner(void)
{
	struct shop_history h;

	publish_in_doubt(true);
	shop_close();
	catalog->ops = &doubtful_ops;
	is_away = true;
	sfs_store_fault_set(store,
	                    &(struct sfs_fault_plan){ .op_mask = SFS_STORE_ALL,
	                                              .fail_at = 1,
	                                              .always = true,
	                                              .rc = SFS_E_IO });
	shop_open();
	sfs_store_fault_set(store, &off);
	is_away = false;
	catalog->ops = real_ops;
	b = sfs_area_find(area, "n1");
	OK(b != NULL);
	publish_well();
	IS_INT(history(&h), 2);
	OK(strstr(content(), "k=1") != NULL);
	shop_end();
}

/* Nothing can be written: what can be seen need not be durable. */
static const struct sfs_fault_plan no_puts = {
	.op_mask = SFS_STORE_PUT, .fail_at = 1, .always = true, .rc = SFS_E_IO
};

static void a_swap_that_is_only_visible_is_no_success(void)
{
	struct shop_history h;

	publish_in_doubt(false);
	sfs_store_fault_set(store, &no_puts);
	IS_INT(publish(), SFS_E_IO);
	sfs_store_fault_set(store, &off);
	publish_well();
	IS_INT(history(&h), 2);
	OK(strstr(content(), "k=1") != NULL);
	shop_end();
}

static void a_swap_that_is_only_visible_does_not_end_the_build(void)
{
	struct shop_history h;

	publish_in_doubt(true);
	shop_close();
	sfs_store_fault_set(store, &no_puts);
	shop_open();
	sfs_store_fault_set(store, &off);
	b = sfs_area_find(area, "n1");
	OK(b != NULL);
	if (b != NULL)
		publish_well();
	IS_INT(history(&h), 2);
	shop_end();
}

/* The base was away when the build was taken over. */
static void settings_that_contradict_the_base_stay_refused(void)
{
	char path[600];
	FILE *f;

	sweep_begin();
	shop_next("job");
	IS_INT(sfs_build_set_base(b, &last_id, NULL, &err), SFS_OK);
	IS_INT(put(KEYS, "a", "1"), SFS_OK);
	shop_close();
	(void)snprintf(path, sizeof(path), "%s/job/top/config.yaml",
	               shop_area_dir);
	f = fopen(path, "w");
	OK(f != NULL && fputs("key_encoding: utf8\nnum_dbs: 400\n", f) > 0 &&
	   fclose(f) == 0);
	sfs_store_fault_set(store,
	                    &(struct sfs_fault_plan){ .op_mask = SFS_STORE_ALL,
	                                              .fail_at = 1,
	                                              .always = true,
	                                              .rc = SFS_E_IO });
	shop_open();
	sfs_store_fault_set(store, &off);
	b = sfs_area_find(area, "job");
	for (int i = 0; i < 2; i++) {
		IS_INT(publish(), SFS_E_CORRUPT);
		HAS_STR(errors(), "config.yaml: ");
	}
	shop_end();
}

/* --- allocations ------------------------------------------------------------------- */

static bool is_allowed(enum sfs_rc rc)
{
	return rc == SFS_OK || rc == SFS_E_NO_MEMORY;
}

static enum sfs_rc try_put(struct sfs_build *build, enum sfs_build_dir dir,
                           const char *name, const char *text)
{
	struct sfs_staged_file *f = NULL;
	enum sfs_rc rc;

	rc = sfs_build_open(build, dir, name, O_CREAT | O_TRUNC | O_WRONLY,
	                    0644, &f, &err);
	if (rc == SFS_OK)
		rc = sfs_staged_write(f, 0, true, text, strlen(text), &err);
	if (rc == SFS_OK)
		rc = sfs_staged_flush(f, NULL, &err);
	sfs_staged_close(f);
	return rc;
}

/* The whole life of a build; anything but the codes allowed is a failure. */
static enum sfs_rc live(const char *name, struct sfs_snapshot_id *base)
{
	struct sfs_build *made = NULL;
	enum sfs_rc rc = sfs_area_begin(area, name, &made, NULL, &err);

	if (rc == SFS_OK)
		rc = sfs_build_set_base(made, base, NULL, &err);
	if (rc == SFS_OK)
		rc = try_put(made, INGEST, "a.csv", "key,value\na,1\nz,1\n");
	if (rc == SFS_OK)
		rc = try_put(made, KEYS, "k", "1");
	if (rc == SFS_OK)
		rc = sfs_build_settle(made, NULL, &err);
	if (rc == SFS_OK)
		rc = try_put(made, INGEST, "b.jsonl",
		             "{\"key\":\"b\",\"value\":\"2\"}");
	if (rc == SFS_OK)
		rc = sfs_build_publish(made, &last_id, NULL, &err);
	if (!is_allowed(rc))
		TAP_FAIL("%s: %s: %s", name, sfs_rc_name(rc), err.msg);
	if (rc != SFS_OK && made != NULL)
		IS_INT(sfs_area_discard(area, made, true, &err), SFS_OK);
	sfs_build_unref(made);
	return rc;
}

#define LIVED "a=1 b=2 base1=0 base2=0 base3=0 base4=0 k=1 z=1 "

static void allocations_fail_in_the_life_of_a_build(void)
{
	unsigned long injected = 0;
	unsigned long refused = 0;
	char before[WANT_BYTES];
	unsigned long faults;
	char name[32];

	sweep_begin();
	for (unsigned long n = 1; n < 100000; n += 1 + n / 20) {
		struct sfs_snapshot_id base = last_id;
		enum sfs_rc rc;

		(void)snprintf(name, sizeof(name), "n%lu", n);
		(void)snprintf(before, sizeof(before), "%s", content());
		faults = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(n);
		rc = live(name, &base);
		sfs_alloc_fail_nth(0);
		faults = sfs_alloc_fault_count() - faults;
		injected += faults;
		refused += rc != SFS_OK;
		OK(rc == SFS_OK || faults > 0);
		if (strcmp(content(), rc == SFS_OK ? LIVED : before) != 0)
			TAP_FAIL("allocation %lu: %s: %s", n, sfs_rc_name(rc),
			         content());
		if (rc != SFS_OK)
			last_id = base;
		if (faults == 0)
			break;
	}
	OK(injected > 50);
	OK(refused > 20);
	printf("# %lu faults, %lu refused\n", injected, refused);
	shop_end();
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &err), SFS_OK);
	RUN(each_call_fails_without_a_base);
	RUN(each_call_fails_with_a_base);
	RUN(each_call_fails_where_shards_are_tried_again);
	RUN(the_disk_is_full_at_each_call);
	RUN(a_slow_store_meets_the_deadline_at_each_call);
	RUN(a_store_that_stays_away_is_waited_for);
	RUN(a_swap_in_doubt_takes_nothing_back);
	RUN(a_build_in_doubt_may_be_discarded);
	RUN(a_build_in_doubt_may_be_discarded_while_the_store_is_away);
	RUN(a_build_in_doubt_is_recognized_by_its_next_owner);
	RUN(a_build_in_doubt_is_published_once_by_its_next_owner);
	RUN(a_swap_that_is_only_visible_is_no_success);
	RUN(a_swap_that_is_only_visible_does_not_end_the_build);
	RUN(settings_that_contradict_the_base_stay_refused);
	RUN(allocations_fail_in_the_life_of_a_build);
	return tap_done();
}
