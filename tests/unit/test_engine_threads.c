/* SPDX-License-Identifier: Apache-2.0 */
/* Writers, settlings, readers of status and publishers at one time. */
#include "unit/workshop.h"

#include "base/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

enum { WRITERS = 3, FILES = 8, RECORDS = 20 };

static atomic_bool is_over;
static atomic_int failures; /* of what must not fail, in any thread */

static void expect(bool is_well)
{
	if (!is_well)
		atomic_fetch_add(&failures, 1);
}

static void expect_ok(enum sfs_rc rc, const struct sfs_err *e, const char *what)
{
	if (rc != SFS_OK)
		printf("# %s: %s\n", what, e->msg);
	expect(rc == SFS_OK);
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	if (pthread_create(thread, NULL, fn, arg) != 0) {
		printf("Bail out! no thread\n");
		exit(1);
	}
}

/* --- writing while it settles ------------------------------------------------- */

/* In small pieces, so that the parser meets many ends. */
static void write_slowly(struct sfs_build *build, const char *name,
                         const char *text)
{
	struct sfs_staged_file *f = NULL;
	struct sfs_err e;
	enum sfs_rc rc;
	size_t len = strlen(text);

	rc = sfs_build_open(build, INGEST, name, O_CREAT | O_TRUNC | O_WRONLY,
	                    0644, &f, &e);
	for (size_t at = 0; rc == SFS_OK && at < len; at += 11)
		rc = sfs_staged_write(f, 0, true, text + at,
		                      len - at < 11 ? len - at : 11, &e);
	if (rc == SFS_OK)
		rc = sfs_staged_flush(f, NULL, &e);
	sfs_staged_close(f);
	expect_ok(rc, &e, name);
}

static void write_key(struct sfs_build *build, const char *name,
                      const char *text)
{
	struct sfs_staged_file *f = NULL;
	struct sfs_err e;
	enum sfs_rc rc;

	rc = sfs_build_open(build, KEYS, name, O_CREAT | O_TRUNC | O_WRONLY,
	                    0644, &f, &e);
	if (rc == SFS_OK)
		rc = sfs_staged_write(f, 0, true, text, strlen(text), &e);
	sfs_staged_close(f);
	expect_ok(rc, &e, name);
}

/* Each file twice: the second time it holds what counts. */
static void *write_files(void *arg)
{
	const int writer = *(const int *)arg;
	char text[2000];
	char name[40];

	for (int i = 0; i < 2 * FILES; i++) {
		size_t len =
			(size_t)snprintf(text, sizeof(text), "key,value\n");

		for (int k = 0; k < RECORDS; k++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
			                        "w%d-%d-%d,%d\n", writer,
			                        i % FILES, k, i / FILES);
		(void)snprintf(name, sizeof(name), "w%d-%d.csv", writer,
		               i % FILES);
		write_slowly(b, name, text);
		(void)snprintf(name, sizeof(name), "k%d-%d", writer, i % FILES);
		write_key(b, name, i < FILES ? "old" : "new");
	}
	return NULL;
}

static void *settle_again_and_again(void *arg)
{
	struct sfs_err e;

	(void)arg;
	while (!atomic_load(&is_over)) {
		enum sfs_rc rc = sfs_build_settle(b, NULL, &e);

		if (rc == SFS_E_CANCELED || rc == SFS_E_STALE)
			break;
		expect_ok(rc, &e, "settling");
	}
	return NULL;
}

static void *look_at_it(void *arg)
{
	struct sfs_build_progress p;

	(void)arg;
	while (!atomic_load(&is_over)) {
		struct sfs_buf out = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
		struct sfs_err e;
		enum sfs_rc rc;

		sfs_build_get_progress(b, &p);
		expect(p.bytes_parsed <= p.bytes);
		sfs_build_print_status(b, &out);
		sfs_build_print_errors(b, &out);
		sfs_build_print_json(b, &out);
		rc = sfs_build_print_plan(b, &out, NULL, &e);
		if (rc != SFS_E_CANCELED && rc != SFS_E_STALE)
			expect_ok(rc, &e, "plan.json");
		sfs_buf_release(&out);
	}
	return NULL;
}

static int count_words(const char *text, const char *end)
{
	int count = 0;

	for (const char *at = text; (at = strstr(at, end)) != NULL; at++)
		count++;
	return count;
}

static void writers_and_settlings_do_not_hinder_each_other(void)
{
	int numbers[WRITERS] = { 0, 1, 2 };
	pthread_t writers[WRITERS];
	pthread_t others[3];

	atomic_store(&is_over, false);
	atomic_store(&failures, 0);
	for (int i = 0; i < WRITERS; i++)
		start(&writers[i], write_files, &numbers[i]);
	start(&others[0], settle_again_and_again, NULL);
	start(&others[1], settle_again_and_again, NULL);
	start(&others[2], look_at_it, NULL);
	for (int i = 0; i < WRITERS; i++)
		(void)pthread_join(writers[i], NULL);
	atomic_store(&is_over, true);
	for (int i = 0; i < 3; i++)
		(void)pthread_join(others[i], NULL);
	IS_INT(atomic_load(&failures), 0);
	publish_well();
	IS_INT(count_words(content(), "=1 "), WRITERS * FILES * RECORDS);
	IS_INT(count_words(content(), "=0 "), 0);
	IS_INT(count_words(content(), "=new "), WRITERS * FILES);
	IS_INT(count_words(content(), "=old "), 0);
}

/* The same with the engine's own settler, and the number of shards open. */
static void the_settler_works_beside_them(void)
{
	shop_close();
	area_config.settle_ms = 1;
	shop_open();
	b = sfs_area_find(area, "job");
	config("key_encoding: utf8\nmax_keys_per_shard: 60\n");
	writers_and_settlings_do_not_hinder_each_other();
}

/* --- publishers ------------------------------------------------------------------ */

struct publisher {
	struct sfs_build *build;
	struct sfs_snapshot_id id;
	struct sfs_err err;
	enum sfs_rc rc;
};

static void *publish_it(void *arg)
{
	struct publisher *p = arg;

	p->rc = sfs_build_publish(p->build, &p->id, NULL, &p->err);
	return NULL;
}

/* Builds "a" and "b", which hold a key of their name. */
static void publish_both(struct publisher p[2], bool has_base)
{
	static const char *const names[2] = { "a", "b" };
	struct sfs_snapshot_id base;
	pthread_t threads[2];

	OK(!has_base || shop_current_id(&base));
	for (int i = 0; i < 2; i++) {
		p[i] = (struct publisher){ .build = shop_build(names[i]) };
		if (has_base)
			IS_INT(sfs_build_set_base(p[i].build, &base, NULL,
			                          &err),
			       SFS_OK);
		write_key(p[i].build, names[i], "1");
	}
	for (int i = 0; i < 2; i++)
		start(&threads[i], publish_it, &p[i]);
	for (int i = 0; i < 2; i++)
		(void)pthread_join(threads[i], NULL);
}

static void two_publishers_without_a_base_both_win(void)
{
	struct publisher p[2];
	struct shop_history h;

	for (int round = 1; round <= 5; round++) {
		publish_both(p, false);
		for (int i = 0; i < 2; i++) {
			IS_INT(p[i].rc, SFS_OK);
			IS_STR(content_of(&p[i].id), i == 0 ? "a=1 " : "b=1 ");
			sfs_build_unref(p[i].build);
		}
		IS_INT(history(&h), 2 * (size_t)round);
	}
}

static void of_two_publishers_with_one_base_one_wins(void)
{
	static struct shop_keys keys;
	struct publisher p[2];
	char want[64];
	int winner;

	write_key(b, "base", "1");
	publish_well();
	for (int round = 1; round <= 5; round++) {
		publish_both(p, true);
		winner = p[1].rc == SFS_OK;
		IS_INT(p[winner].rc, SFS_OK);
		IS_INT(p[!winner].rc, SFS_E_STALE);
		(void)snprintf(want, sizeof(want), "%s",
		               content_of(&p[winner].id));
		IS_STR(content(), want);
		/* nothing is lost: the loser goes on, on what won */
		last_id = p[winner].id;
		IS_INT(sfs_build_set_base(p[!winner].build, &last_id, NULL,
		                          &err),
		       SFS_OK);
		(void)publish_it(&p[!winner]);
		IS_INT(p[!winner].rc, SFS_OK);
		IS_STR(content(), "a=1 b=1 base=1 ");
		IS_INT(list_store(&keys, "manifests/"), 1 + 2 * (size_t)round);
		for (int i = 0; i < 2; i++)
			sfs_build_unref(p[i].build);
	}
}

/* --- the end ------------------------------------------------------------------------ */

static void write_much(void)
{
	static char text[60000] = "key,value\n";
	size_t len = strlen(text);

	for (int i = 0; len < sizeof(text) - 20; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		                        "%d,value\n", i);
	IS_INT(put(INGEST, "a.csv", text), SFS_OK);
}

static void a_build_may_be_discarded_while_it_settles(void)
{
	static struct shop_keys keys;
	struct timespec pause = { 0, 0 };
	pthread_t threads[2];

	for (int i = 0; i < 8; i++) {
		if (i > 0)
			shop_next("job");
		write_much();
		atomic_store(&is_over, false);
		atomic_store(&failures, 0);
		start(&threads[0], settle_again_and_again, NULL);
		start(&threads[1], look_at_it, NULL);
		pause.tv_nsec = i * 2000000; /* at another point each time */
		(void)nanosleep(&pause, NULL);
		IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
		atomic_store(&is_over, true);
		for (int t = 0; t < 2; t++)
			(void)pthread_join(threads[t], NULL);
		IS_INT(atomic_load(&failures), 0);
		IS_INT(list_store(&keys, "shards/"), 0);
		OK(sfs_area_find(area, "job") == NULL);
	}
}

static void an_area_may_be_closed_while_it_settles(void)
{
	struct timespec pause = { 0, 0 };
	pthread_t threads[2];

	write_much();
	for (int i = 0; i < 8; i++) {
		atomic_store(&is_over, false);
		atomic_store(&failures, 0);
		start(&threads[0], settle_again_and_again, NULL);
		start(&threads[1], look_at_it, NULL);
		pause.tv_nsec = i * 2000000;
		(void)nanosleep(&pause, NULL);
		sfs_area_close(area);
		area = NULL;
		atomic_store(&is_over, true);
		for (int t = 0; t < 2; t++)
			(void)pthread_join(threads[t], NULL);
		IS_INT(atomic_load(&failures), 0);
		sfs_build_unref(b);
		shop_open();
		b = sfs_area_find(area, "job");
		OK(b != NULL);
	}
	publish_well();
	OK(count_words(content(), "=value ") > 3000);
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &err), SFS_OK);
	RUN_IN_SHOP(writers_and_settlings_do_not_hinder_each_other);
	RUN_IN_SHOP(the_settler_works_beside_them);
	shop_begin_empty();
	RUN(two_publishers_without_a_base_both_win);
	shop_end();
	RUN_IN_SHOP(of_two_publishers_with_one_base_one_wins);
	RUN_IN_SHOP(a_build_may_be_discarded_while_it_settles);
	RUN_IN_SHOP(an_area_may_be_closed_while_it_settles);
	return tap_done();
}
