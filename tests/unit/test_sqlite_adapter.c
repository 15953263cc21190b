/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite adapter on a real local store: what the writer seals, the reader
 * and the sqlite3 library find; and the registry's answers.
 */
#include "unit/library_writer.h"
#include "unit/workstore.h"

#include "adapter/registry.h"
#include "adapter/sqlite.h"
#include "base/digest.h"
#include "store/fault.h"

#define BYTES(text) \
	((struct sfs_bytes){ (const uint8_t *)(text), sizeof(text) - 1 })

static struct sfs_shard_location shard(const char *options)
{
	return (struct sfs_shard_location){ .db_url = "file:///s/db=0",
		                            .key_prefix = "s/db=0",
		                            .store = store,
		                            .options = options };
}

static struct sfs_shard_writer *writer_begin(const char *options)
{
	struct sfs_shard_location where = shard(options);
	struct sfs_shard_writer *w = NULL;

	if (sfs_adapter_sqlite.open_writer(&where, &w, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
	return w;
}

static enum sfs_rc announce_pairs(struct sfs_shard_writer *w,
                                  const struct sfs_pair *pairs, size_t count)
{
	enum sfs_rc rc = SFS_OK;
	size_t i;

	for (i = 0; rc == SFS_OK && i < count; i++)
		rc = w->ops->announce(w, pairs[i].key.len, pairs[i].value.len,
		                      &err);
	return rc;
}

/* All the calls of a writer, in order; stops at the first that fails. */
static enum sfs_rc write_shard(const char *options,
                               const struct sfs_pair *pairs, size_t count,
                               struct sfs_shard_results *results)
{
	struct sfs_shard_location where = shard(options);
	struct sfs_shard_writer *w = NULL;
	enum sfs_rc rc;

	rc = sfs_adapter_sqlite.open_writer(&where, &w, &err);
	if (rc != SFS_OK)
		return rc;
	rc = announce_pairs(w, pairs, count);
	if (rc == SFS_OK)
		rc = w->ops->write_batch(w, pairs, count / 2, NULL, &err);
	if (rc == SFS_OK && count > 0)
		rc = w->ops->write_batch(w, pairs + count / 2,
		                         count - count / 2, NULL, &err);
	if (rc == SFS_OK)
		rc = w->ops->seal(w, NULL, &err);
	if (rc == SFS_OK && results != NULL) {
		w->ops->results(w, results);
		results->digest = NULL; /* the writer's */
	}
	w->ops->close(w);
	return rc;
}

static struct sfs_shard_reader *reader_begin(void)
{
	struct sfs_shard_location where = shard(NULL);
	struct sfs_shard_reader *r = NULL;

	if (sfs_adapter_sqlite.open_reader(&where, &r, NULL, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
	return r;
}

/* The value of a key as text, "absent", or the name of the code. */
static const char *value_of(struct sfs_shard_reader *r, struct sfs_bytes key)
{
	struct sfs_pair_info info;
	static char text[100];
	bool found = false;
	size_t got = 0;
	enum sfs_rc rc;

	rc = r->ops->get(r, key, &found, &info, NULL, &err);
	if (rc != SFS_OK)
		return sfs_rc_name(rc);
	if (!found)
		return "absent";
	rc = r->ops->read(r, info.locator, 0, text, sizeof(text) - 1, &got,
	                  NULL, &err);
	text[got] = '\0';
	return rc == SFS_OK ? text : sfs_rc_name(rc);
}

static const struct sfs_pair some[] = { { BYTES(""), BYTES("no key") },
	                                { BYTES("a\0a"), BYTES("nul") },
	                                { BYTES("b"), BYTES("bee") },
	                                { BYTES("e"), { NULL, 0 } } };

static void what_the_writer_seals_the_reader_finds(void)
{
	struct sfs_shard_writer *w = writer_begin(NULL);
	struct sfs_shard_results results;
	struct sfs_shard_reader *r;
	struct sfs_object *o = NULL;

	IS_INT(announce_pairs(w, some, 4), SFS_OK);
	IS_INT(w->ops->write_batch(w, some, 3, NULL, &err), SFS_OK);
	IS_INT(w->ops->write_batch(w, some + 3, 1, NULL, &err), SFS_OK);
	IS_STR(get_text("s/db=0/shard.db"), "not_found");
	IS_INT(w->ops->seal(w, NULL, &err), SFS_OK);
	w->ops->results(w, &results);
	IS_INT(store->ops->open(store, "s/db=0/shard.db", &o, NULL, &err),
	       SFS_OK);
	IS_INT(results.db_bytes, o->info.size);
	o->ops->close(o);
	IS_INT(w->ops->write_batch(w, some, 1, NULL, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "sealed already");
	IS_INT(w->ops->announce(w, 1, 1, &err), SFS_E_INVALID);
	IS_INT(w->ops->seal(w, NULL, &err), SFS_E_INVALID);
	w->ops->close(w);
	IS_INT(store->ops->barrier(store, "s/db=0/", NULL, &err), SFS_OK);

	r = reader_begin();
	IS_STR(value_of(r, BYTES("b")), "bee");
	IS_STR(value_of(r, BYTES("a\0a")), "nul");
	IS_STR(value_of(r, BYTES("")), "no key");
	IS_STR(value_of(r, BYTES("e")), "");
	IS_STR(value_of(r, BYTES("a")), "absent");
	r->ops->close(r);
}

/* The digest is that of the object's bytes, as sha256sum prints it. */
/* Pairs of which each takes as much as a writer hands out at once. */
static const struct sfs_pair *large_pairs(size_t *count)
{
	static uint8_t value[1 << 20];
	static struct sfs_pair pairs[6];
	static const uint8_t keys[] = "abcdef";

	*count = sizeof(pairs) / sizeof(pairs[0]);
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 31 + i / 256);
	for (size_t i = 0; i < *count; i++)
		pairs[i] = (struct sfs_pair){ { keys + i, 1 },
			                      { value, sizeof(value) - i } };
	return pairs;
}

static void check_digest(const struct sfs_pair *pairs, size_t count)
{
	struct sfs_shard_writer *w = writer_begin("{\"page_size\": 512}");
	struct sfs_digest d = { NULL };
	struct sfs_shard_results results;
	char hex[SFS_DIGEST_HEX_BYTES];
	char want[100];
	char *data = NULL;
	size_t len = 0;

	IS_INT(announce_pairs(w, pairs, count), SFS_OK);
	IS_INT(w->ops->write_batch(w, pairs, count, NULL, &err), SFS_OK);
	w->ops->results(w, &results);
	OK(results.digest == NULL && results.db_bytes == 0);
	IS_INT(w->ops->seal(w, NULL, &err), SFS_OK);
	w->ops->results(w, &results);
	IS_INT(sfs_store_get(store, "s/db=0/shard.db", 8 << 20, &data, &len,
	                     NULL, NULL, &err),
	       SFS_OK);
	IS_INT(len, results.db_bytes);
	IS_INT(sfs_digest_begin(&d, &err), SFS_OK);
	IS_INT(sfs_digest_add(&d, data, len, &err), SFS_OK);
	IS_INT(sfs_digest_finish(&d, hex, &err), SFS_OK);
	(void)snprintf(want, sizeof(want), "sha256:%s", hex);
	IS_STR(results.digest, want);
	sfs_digest_release(&d);
	sfs_free(data);
	w->ops->close(w);
}

static void the_digest_is_of_the_whole_object(void)
{
	const struct sfs_pair *pairs;
	size_t count;

	check_digest(some, 4);
	pairs = large_pairs(&count);
	check_digest(pairs, count);
}

static bool collect(void *arg, size_t index, const struct sfs_bytes *value)
{
	char *out = arg;

	(void)snprintf(out + strlen(out), 60 - strlen(out), "%zu=%.*s ", index,
	               value != NULL ? (int)value->len : 1,
	               value != NULL ? (const char *)value->data : "?");
	return true;
}

static void every_call_of_the_reader_reaches_the_rows(void)
{
	struct sfs_pair pairs[] = { { BYTES("a"), BYTES("1") },
		                    { BYTES("b"), BYTES("2") },
		                    { BYTES("c"), BYTES("3") } };
	struct sfs_bytes keys[] = { BYTES("a"), BYTES("aa"), BYTES("c") };
	struct sfs_shard_cursor *c = NULL;
	struct sfs_pair_info info, same;
	struct sfs_shard_reader *r;
	struct sfs_bytes key;
	char text[60] = "";
	size_t len = 0;
	uint8_t one[1];
	bool found;

	IS_INT(write_shard(NULL, pairs, 3, NULL), SFS_OK);
	r = reader_begin();
	IS_INT(r->ops->multi_get(r, keys, 3, 10, collect, text, NULL, &err),
	       SFS_OK);
	IS_STR(text, "0=1 1=? 2=3 ");
	IS_INT(r->ops->iterate(r, 2, &c, NULL, &err), SFS_OK);
	IS_INT(c->ops->next(c, &found, &key, &info, NULL, &err), SFS_OK);
	OK(found && key.len == 1 && key.data[0] == 'c');
	IS_INT(r->ops->at(r, info.locator, &same, one, 1, &len, NULL, &err),
	       SFS_OK);
	OK(len == 1 && one[0] == 'c' && same.locator == info.locator);
	IS_INT(c->ops->next(c, &found, &key, &info, NULL, &err), SFS_OK);
	OK(!found);
	c->ops->close(c);
	r->ops->close(r);
}

/* What the sqlite3 library answers about the shard. */
static const char *library_says(const char *sql)
{
	static char text[400];
	sqlite3 *db = NULL;
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/s/db=0/shard.db", store_dir);
	IS_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL),
	       SQLITE_OK);
	library_check(db, "main");
	(void)snprintf(text, sizeof(text), "%s", library_text(db, sql));
	sqlite3_close(db);
	return text;
}

static void options_set_the_page_size(void)
{
	struct sfs_shard_results results;

	IS_INT(write_shard("{\"page_size\": 8192}", NULL, 0, &results), SFS_OK);
	IS_INT(results.db_bytes, 2 * 8192);
	IS_STR(library_says("PRAGMA page_size"), "8192");
	IS_STR(library_says("SELECT count(*) FROM kv"), "0");
	IS_INT(write_shard("{}", some, 4, NULL), SFS_OK);
	IS_STR(library_says("PRAGMA page_size"), "4096");
	IS_STR(library_says("SELECT count(*) FROM kv"), "4");
	IS_INT(write_shard("{\"page_size\": 65536, \"other\": 1}", some, 4,
	                   NULL),
	       SFS_OK);
	IS_STR(library_says("PRAGMA page_size"), "65536");
}

/* The page size that "auto" takes for values of such sizes. */
static const char *automatic(const size_t *sizes, size_t count, size_t key_len)
{
	static const uint8_t bytes[20000];
	struct sfs_shard_writer *w = writer_begin("{\"page_size\": \"auto\"}");
	uint8_t key[100] = { 0 };
	struct sfs_pair pair = { { key, key_len }, { bytes, 0 } };
	enum sfs_rc rc = SFS_OK;
	size_t i;

	for (i = 0; rc == SFS_OK && i < count; i++)
		rc = w->ops->announce(w, key_len, sizes[i], &err);
	for (i = 0; rc == SFS_OK && i < count; i++) {
		key[0] = (uint8_t)i;
		pair.value.len = sizes[i];
		rc = w->ops->write_batch(w, &pair, 1, NULL, &err);
	}
	if (rc == SFS_OK)
		rc = w->ops->seal(w, NULL, &err);
	w->ops->close(w);
	return rc == SFS_OK ? library_says("PRAGMA page_size")
	                    : sfs_rc_name(rc);
}

/* FORMAT.md 5: the limits of 4096 ... 65536 are 1002, 2030, 4086 ... */
static void automatic_page_sizes_fit_most_rows(void)
{
	static const size_t limits[] = { 1002, 2030, 4086, 8198, 16422 };
	static const char *const want[] = { "4096",  "8192",  "16384",
		                            "32768", "65536", "65536" };
	size_t sizes[40];
	size_t i, j;

	IS_STR(automatic(NULL, 0, 8), "4096");
	for (i = 0; i < 5; i++) {
		sizes[0] = limits[i] - 8 - 12;
		IS_STR(automatic(sizes, 1, 8), want[i]);
		IS_STR(automatic(sizes, 1, 7), want[i]);
		sizes[0]++;
		IS_STR(automatic(sizes, 1, 8), want[i + 1]);
	}
	/* of 20 values the 19th counts, of 21 the 20th, of 40 the 38th */
	for (j = 0; j < 40; j++)
		sizes[j] = j < 2 ? 20000 : 100;
	IS_STR(automatic(sizes + 1, 20, 8), "4096");
	IS_STR(automatic(sizes, 20, 8), "65536");
	IS_STR(automatic(sizes + 1, 19, 8), "65536");
	IS_STR(automatic(sizes, 40, 8), "4096");
	IS_STR(automatic(sizes, 39, 8), "65536");
}

static void options_that_make_no_sense_are_refused(void)
{
	static const char *const bad[] = { "{\"page_size\": 1000}",
		                           "{\"page_size\": 4096.5}",
		                           "{\"page_size\": 1e99}",
		                           "{\"page_size\": -4096}",
		                           "{\"page_size\": 131072}",
		                           "{\"page_size\": \"large\"}",
		                           "{\"page_size\": null}",
		                           "[]",
		                           "{" };
	struct sfs_shard_writer *w = NULL;
	struct sfs_shard_location where;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		where = shard(bad[i]);
		IS_INT(sfs_adapter_sqlite.open_writer(&where, &w, &err),
		       SFS_E_INVALID);
		HAS_STR(err.msg, "writer options");
	}
	OK(!is_there("s"));
}

static void a_writer_closed_unsealed_leaves_nothing(void)
{
	struct sfs_shard_writer *w = writer_begin(NULL);

	IS_INT(announce_pairs(w, some, 4), SFS_OK);
	w->ops->close(w);
	OK(!is_there("s"));
	w = writer_begin(NULL);
	IS_INT(announce_pairs(w, some, 4), SFS_OK);
	IS_INT(w->ops->write_batch(w, some, 2, NULL, &err), SFS_OK);
	OK(is_there("s"));
	w->ops->close(w);
	OK(!is_there("s"));
	IS_INT(store->ops->barrier(store, "s/", NULL, &err), SFS_OK);
}

static void pairs_must_be_as_announced_and_ascend(void)
{
	struct sfs_shard_writer *w = writer_begin(NULL);
	struct sfs_pair twice[] = { some[2], some[2] };

	IS_INT(announce_pairs(w, some, 4), SFS_OK);
	IS_INT(w->ops->write_batch(w, some, 3, NULL, &err), SFS_OK);
	IS_INT(w->ops->announce(w, 1, 1, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "being written");
	IS_INT(w->ops->seal(w, NULL, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "file:///s/db=0");
	HAS_STR(err.msg, "announced");
	IS_INT(w->ops->seal(w, NULL, &err), SFS_E_INVALID);
	w->ops->close(w);
	IS_INT(write_shard(NULL, twice, 2, NULL), SFS_E_INVALID);
	HAS_STR(err.msg, "ascend");
	w = writer_begin(NULL);
	IS_INT(w->ops->announce(w, (1 << 20) + 1, 1, &err), SFS_E_TOO_BIG);
	HAS_STR(err.msg, "file:///s/db=0");
	IS_INT(w->ops->announce(w, 1, 1000000000, &err), SFS_E_TOO_BIG);
	w->ops->close(w);
	OK(!is_there("s"));
}

/* Every call of the store fails in turn; returns how many there are. */
static uint64_t refuse_each_call(const struct sfs_pair *pairs, size_t count)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_ALL,
		                       .rc = SFS_E_NO_SPACE };
	enum sfs_rc rc;

	do {
		plan.fail_at++;
		sfs_store_fault_set(store, &plan);
		rc = write_shard(NULL, pairs, count, NULL);
		IS_INT(sfs_store_fault_count(store), rc == SFS_OK ? 0 : 1);
		IS_INT(sfs_store_fault_open_objects(store), 0);
		if (rc != SFS_OK)
			OK(!is_there("s"));
	} while (rc == SFS_E_NO_SPACE && plan.fail_at < 20);
	IS_INT(rc, SFS_OK);
	return plan.fail_at - 1;
}

static void whatever_the_store_refuses_leaves_nothing(void)
{
	struct sfs_fault_plan none = { .rc = SFS_OK };
	struct sfs_store *faulty = NULL;
	const struct sfs_pair *pairs;
	struct sfs_shard_reader *r;
	size_t count;
	enum sfs_rc rc;

	IS_INT(sfs_store_fault_wrap(store, &faulty, &err), SFS_OK);
	store = faulty;
	pairs = large_pairs(&count);
	OK(refuse_each_call(pairs, count) > count + 2);
	sfs_store_fault_set(store, &none);
	rc = store->ops->delete (store, "s/db=0/shard.db", NULL, &err);
	IS_INT(rc, SFS_OK);
	IS_INT(refuse_each_call(some, 4), 3); /* create, write, commit */
	sfs_store_fault_set(store, &none);
	r = reader_begin();
	IS_STR(value_of(r, BYTES("b")), "bee");
	r->ops->close(r);
}

static void writing_heeds_the_call(void)
{
	struct sfs_call late = { 1, NULL };
	struct sfs_shard_writer *w = writer_begin(NULL);

	IS_INT(announce_pairs(w, some, 4), SFS_OK);
	IS_INT(w->ops->write_batch(w, some, 4, &late, &err), SFS_E_TIMEOUT);
	w->ops->close(w);
	w = writer_begin(NULL);
	IS_INT(announce_pairs(w, some, 4), SFS_OK);
	IS_INT(w->ops->write_batch(w, some, 4, NULL, &err), SFS_OK);
	IS_INT(w->ops->seal(w, &late, &err), SFS_E_TIMEOUT);
	w->ops->close(w);
	OK(!is_there("s"));
}

/* Opens the shard and reads one key of it, over a store that may fail. */
static enum sfs_rc open_and_get(struct sfs_bytes key, const char *want)
{
	struct sfs_shard_location where = shard(NULL);
	struct sfs_shard_reader *r = NULL;
	const char *text;
	enum sfs_rc rc;

	rc = sfs_sqlite_reader_open(&where, &r, NULL, &err);
	if (rc != SFS_OK)
		return rc;
	text = value_of(r, key);
	if (strcmp(text, sfs_rc_name(SFS_E_TRANSIENT)) == 0)
		rc = SFS_E_TRANSIENT;
	else
		IS_STR(text, want);
	r->ops->close(r);
	return rc;
}

static void a_read_that_fails_is_never_an_absent_key(void)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_READ,
		                       .rc = SFS_E_TRANSIENT };
	static uint8_t keys[2000][2];
	static struct sfs_pair pairs[2000];
	static const char value[] = "0123456789012345678901234567890123456789";
	struct sfs_store *faulty = NULL;
	uint64_t faults;
	int i;

	for (i = 0; i < 2000; i++) {
		keys[i][0] = (uint8_t)(i >> 8);
		keys[i][1] = (uint8_t)i;
		pairs[i].key = (struct sfs_bytes){ keys[i], 2 };
		pairs[i].value = BYTES(value);
	}
	IS_INT(write_shard("{\"page_size\": 512}", pairs, 2000, NULL), SFS_OK);
	IS_INT(sfs_store_fault_wrap(store, &faulty, &err), SFS_OK);
	store = faulty;
	do {
		plan.fail_at++;
		sfs_store_fault_set(store, &plan);
		if (open_and_get(pairs[1999].key, value) == SFS_OK)
			IS_INT(sfs_store_fault_count(store), 0);
		faults = sfs_store_fault_count(store);
		IS_INT(sfs_store_fault_open_objects(store), 0);
	} while (faults > 0);
	OK(plan.fail_at > 6);
}

static void memory_that_runs_out_is_reported_and_nothing_leaks(void)
{
	static const char automatic_size[] = "{\"page_size\": \"auto\"}";
	struct sfs_shard_location where = shard(NULL);
	unsigned long before = sfs_alloc_fault_count();
	struct sfs_shard_cursor *c = NULL;
	struct sfs_shard_reader *r = NULL;
	unsigned long nth = 0;
	enum sfs_rc rc;

	do {
		before = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(++nth);
		rc = write_shard(automatic_size, some, 4, NULL);
		IS_INT(rc, sfs_alloc_fault_count() > before ? SFS_E_NO_MEMORY
		                                            : SFS_OK);
		if (rc != SFS_OK)
			OK(!is_there("s"));
	} while (rc != SFS_OK && nth < 100);
	OK(nth > 8);
	nth = 0;
	do {
		before = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(++nth);
		rc = sfs_sqlite_reader_open(&where, &r, NULL, &err);
		if (rc == SFS_OK) {
			rc = r->ops->iterate(r, 0, &c, NULL, &err);
			if (rc == SFS_OK)
				c->ops->close(c);
			r->ops->close(r);
		}
		IS_INT(rc, sfs_alloc_fault_count() > before ? SFS_E_NO_MEMORY
		                                            : SFS_OK);
	} while (rc != SFS_OK && nth < 100);
	sfs_alloc_fail_nth(0);
	OK(nth > 5);
}

static void a_missing_shard_is_stale(void)
{
	struct sfs_shard_location where = shard(NULL);
	const struct sfs_adapter *a = NULL;
	struct sfs_shard_reader *r = NULL;

	IS_INT(sfs_sqlite_reader_open(&where, &r, NULL, &err), SFS_E_STALE);
	HAS_STR(err.msg, "file:///s/db=0");
	HAS_STR(err.msg, "gone");
	IS_INT(sfs_adapter_detect(&where, &a, NULL, &err), SFS_E_STALE);
	HAS_STR(err.msg, "gone");
	OK(a == NULL);
}

static void messages_name_the_shard(void)
{
	struct sfs_shard_location where = shard(NULL);
	struct sfs_shard_reader *r = NULL;

	put_text("s/db=0/shard.db", "no database");
	IS_INT(sfs_sqlite_reader_open(&where, &r, NULL, &err), SFS_E_CORRUPT);
	IS_STR(err.msg, "file:///s/db=0/shard.db: not an SQLite database");
}

static void the_objects_tell_the_adapter(void)
{
	struct sfs_shard_location where = shard(NULL);
	const struct sfs_adapter *a = NULL;

	put_text("s/db=0/other", "x");
	IS_INT(sfs_adapter_detect(&where, &a, NULL, &err), SFS_E_STALE);
	HAS_STR(err.msg, "gone");
	put_text("s/db=0/manifest/1", "x");
	put_text("s/db=0/compacted/1", "x");
	IS_INT(sfs_adapter_detect(&where, &a, NULL, &err), SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "SlateDB shard: this build reads SQLite shards only");
	put_text("s/db=0/shard.db", "x");
	IS_INT(sfs_adapter_detect(&where, &a, NULL, &err), SFS_OK);
	OK(a == &sfs_adapter_sqlite);
	where.key_prefix = "s/db=1";
	put_text("s/db=1/vector_index.lance/data", "x");
	IS_INT(sfs_adapter_detect(&where, &a, NULL, &err), SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "LanceDB");
}

static void an_adapter_of_another_interface_is_refused(void)
{
	struct sfs_adapter a = sfs_adapter_sqlite;

	IS_INT(sfs_adapter_check(&a, &err), SFS_OK);
	a.abi = 7;
	IS_INT(sfs_adapter_check(&a, &err), SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "7");
	a = sfs_adapter_sqlite;
	a.size = 3;
	IS_INT(sfs_adapter_check(&a, &err), SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "3 bytes");
	OK(sfs_adapter_by_name("sqlite") == &sfs_adapter_sqlite);
	OK(sfs_adapter_by_name("slatedb") == NULL);
}

int main(void)
{
	RUN_IN_STORE(what_the_writer_seals_the_reader_finds);
	RUN_IN_STORE(every_call_of_the_reader_reaches_the_rows);
	RUN_IN_STORE(the_digest_is_of_the_whole_object);
	RUN_IN_STORE(options_set_the_page_size);
	RUN_IN_STORE(automatic_page_sizes_fit_most_rows);
	RUN_IN_STORE(options_that_make_no_sense_are_refused);
	RUN_IN_STORE(a_writer_closed_unsealed_leaves_nothing);
	RUN_IN_STORE(pairs_must_be_as_announced_and_ascend);
	RUN_IN_STORE(whatever_the_store_refuses_leaves_nothing);
	RUN_IN_STORE(writing_heeds_the_call);
	RUN_IN_STORE(a_read_that_fails_is_never_an_absent_key);
	RUN_IN_STORE(memory_that_runs_out_is_reported_and_nothing_leaks);
	RUN_IN_STORE(a_missing_shard_is_stale);
	RUN_IN_STORE(messages_name_the_shard);
	RUN_IN_STORE(the_objects_tell_the_adapter);
	RUN_IN_STORE(an_adapter_of_another_interface_is_refused);
	return tap_done();
}
