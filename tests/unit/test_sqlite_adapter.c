/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite adapter on a real local store: what the writer seals, the reader
 * and the sqlite3 library find; and the registry's answers.
 */
#include "unit/workstore.h"

#include "adapter/registry.h"
#include "adapter/sqlite.h"
#include "store/fault.h"

#include <dirent.h>
#include <sqlite3.h>

#define BYTES(text) \
	((struct sfs_bytes){ (const uint8_t *)(text), sizeof(text) - 1 })

static struct sfs_shard_location shard(const char *options)
{
	return (struct sfs_shard_location){ .db_url = "file:///s/db=0",
		                            .key_prefix = "s/db=0",
		                            .store = store,
		                            .local_dir = work_dir,
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

static void write_pairs(struct sfs_shard_writer *w,
                        const struct sfs_pair *pairs, size_t count)
{
	IS_INT(w->ops->write_batch(w, pairs, count, &err), SFS_OK);
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

/* Files in work_dir but the store itself. */
static int scratch_files(void)
{
	DIR *d = opendir(work_dir);
	struct dirent *e;
	int n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && strcmp(e->d_name, "store") != 0)
			n++;
	if (d != NULL)
		closedir(d);
	return n;
}

static void what_the_writer_seals_the_reader_finds(void)
{
	struct sfs_pair first[] = { { BYTES("b"), BYTES("old") },
		                    { BYTES("a\0a"), BYTES("nul") },
		                    { BYTES("b"), BYTES("newer") } };
	struct sfs_pair second[] = { { BYTES("b"), BYTES("newest") },
		                     { BYTES(""), BYTES("no key") },
		                     { BYTES("e"), { NULL, 0 } } };
	struct sfs_shard_writer *w = writer_begin(NULL);
	struct sfs_shard_reader *r;
	struct sfs_object *o = NULL;

	write_pairs(w, first, 3);
	IS_INT(w->ops->flush(w, &err), SFS_OK);
	write_pairs(w, second, 3);
	IS_INT(w->ops->db_bytes(w), 0);
	IS_INT(w->ops->seal(w, &err), SFS_OK);
	IS_INT(w->ops->seal(w, &err), SFS_OK);
	IS_INT(scratch_files(), 0);
	IS_INT(store->ops->open(store, "s/db=0/shard.db", &o, NULL, &err),
	       SFS_OK);
	IS_INT(w->ops->db_bytes(w), o->info.size);
	o->ops->close(o);
	IS_INT(w->ops->write_batch(w, first, 1, &err), SFS_E_INVALID);
	w->ops->close(w);

	r = reader_begin();
	IS_STR(value_of(r, BYTES("b")), "newest");
	IS_STR(value_of(r, BYTES("a\0a")), "nul");
	IS_STR(value_of(r, BYTES("")), "no key");
	IS_STR(value_of(r, BYTES("e")), "");
	IS_STR(value_of(r, BYTES("a")), "absent");
	r->ops->close(r);
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
	struct sfs_shard_writer *w = writer_begin(NULL);
	struct sfs_shard_cursor *c = NULL;
	struct sfs_pair_info info, same;
	struct sfs_shard_reader *r;
	struct sfs_bytes key;
	char text[60] = "";
	size_t len = 0;
	uint8_t one[1];
	bool found;

	write_pairs(w, pairs, 3);
	IS_INT(w->ops->seal(w, &err), SFS_OK);
	w->ops->close(w);
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

static void count_rows(const char *sql, int want)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/s/db=0/shard.db", store_dir);
	IS_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL),
	       SQLITE_OK);
	IS_INT(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	IS_INT(sqlite3_step(stmt), SQLITE_ROW);
	IS_INT(sqlite3_column_int(stmt, 0), want);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

static void options_set_the_page_size(void)
{
	struct sfs_shard_writer *w = writer_begin("{\"page_size\": 8192}");

	IS_INT(w->ops->seal(w, &err), SFS_OK);
	w->ops->close(w);
	count_rows("PRAGMA page_size", 8192);
	count_rows("SELECT count(*) FROM kv", 0);
	w = writer_begin("{}");
	IS_INT(w->ops->seal(w, &err), SFS_OK);
	w->ops->close(w);
	count_rows("PRAGMA page_size", 4096);
}

static void options_that_make_no_sense_are_refused(void)
{
	static const char *const bad[] = { "{\"page_size\": 1000}",
		                           "{\"page_size\": 4096.5}",
		                           "{\"page_size\": 1e99}",
		                           "{\"page_size\": -4096}",
		                           "{\"page_size\": 131072}",
		                           "{\"page_size\": \"auto\"}",
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
	where = shard(NULL);
	where.local_dir = NULL;
	IS_INT(sfs_adapter_sqlite.open_writer(&where, &w, &err), SFS_E_INVALID);
	where.local_dir = "/nowhere/at/all";
	IS_INT(sfs_adapter_sqlite.open_writer(&where, &w, &err),
	       SFS_E_NOT_FOUND);
	IS_INT(scratch_files(), 0);
}

static void a_writer_closed_unsealed_leaves_nothing(void)
{
	struct sfs_pair pair = { BYTES("a"), BYTES("1") };
	struct sfs_shard_writer *w = writer_begin(NULL);

	write_pairs(w, &pair, 1);
	IS_INT(scratch_files(), 1);
	w->ops->close(w);
	IS_INT(scratch_files(), 0);
	OK(!is_there("s"));
}

static void sealing_again_after_a_failed_put_works(void)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_PUT,
		                       .fail_at = 1,
		                       .rc = SFS_E_NO_SPACE };
	struct sfs_pair pair = { BYTES("a"), BYTES("1") };
	struct sfs_store *faulty = NULL;
	struct sfs_shard_writer *w;
	struct sfs_shard_reader *r;

	IS_INT(sfs_store_fault_wrap(store, &faulty, &err), SFS_OK);
	store = faulty;
	sfs_store_fault_set(store, &plan);
	w = writer_begin(NULL);
	write_pairs(w, &pair, 1);
	IS_INT(w->ops->seal(w, &err), SFS_E_NO_SPACE);
	IS_INT(sfs_store_fault_count(store), 1);
	OK(!is_there("s/db=0/shard.db"));
	IS_INT(w->ops->seal(w, &err), SFS_OK);
	w->ops->close(w);
	r = reader_begin();
	IS_STR(value_of(r, BYTES("a")), "1");
	r->ops->close(r);
	IS_INT(sfs_store_fault_open_objects(store), 0);
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
	struct sfs_shard_writer *w = writer_begin("{\"page_size\": 512}");
	struct sfs_store *faulty = NULL;
	uint8_t key[2];
	struct sfs_pair pair = {
		{ key, 2 }, BYTES("0123456789012345678901234567890123456789")
	};
	uint64_t faults;
	int i;

	for (i = 0; i < 2000; i++) {
		key[0] = (uint8_t)(i >> 8);
		key[1] = (uint8_t)i;
		write_pairs(w, &pair, 1);
	}
	IS_INT(w->ops->seal(w, &err), SFS_OK);
	w->ops->close(w);
	IS_INT(sfs_store_fault_wrap(store, &faulty, &err), SFS_OK);
	store = faulty;
	do {
		plan.fail_at++;
		sfs_store_fault_set(store, &plan);
		if (open_and_get(pair.key, (const char *)pair.value.data) ==
		    SFS_OK)
			IS_INT(sfs_store_fault_count(store), 0);
		faults = sfs_store_fault_count(store);
		IS_INT(sfs_store_fault_open_objects(store), 0);
	} while (faults > 0);
	OK(plan.fail_at > 6);
}

static void memory_that_runs_out_is_reported_and_nothing_leaks(void)
{
	struct sfs_pair pair = { BYTES("a"), BYTES("1") };
	struct sfs_shard_writer *w = writer_begin(NULL);
	struct sfs_shard_location where = shard(NULL);
	unsigned long before = sfs_alloc_fault_count();
	struct sfs_shard_cursor *c = NULL;
	struct sfs_shard_reader *r = NULL;
	unsigned long nth = 0;
	enum sfs_rc rc;

	write_pairs(w, &pair, 1);
	IS_INT(w->ops->seal(w, &err), SFS_OK);
	w->ops->close(w);
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
	for (nth = 1; nth <= 4; nth++) {
		sfs_alloc_fail_nth(nth);
		IS_INT(sfs_sqlite_writer_open(&where, &w, &err),
		       SFS_E_NO_MEMORY);
	}
	sfs_alloc_fail_nth(0);
	IS_INT(scratch_files(), 0);
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
	RUN_IN_STORE(options_set_the_page_size);
	RUN_IN_STORE(options_that_make_no_sense_are_refused);
	RUN_IN_STORE(a_writer_closed_unsealed_leaves_nothing);
	RUN_IN_STORE(sealing_again_after_a_failed_put_works);
	RUN_IN_STORE(a_read_that_fails_is_never_an_absent_key);
	RUN_IN_STORE(memory_that_runs_out_is_reported_and_nothing_leaks);
	RUN_IN_STORE(a_missing_shard_is_stale);
	RUN_IN_STORE(messages_name_the_shard);
	RUN_IN_STORE(the_objects_tell_the_adapter);
	RUN_IN_STORE(an_adapter_of_another_interface_is_refused);
	return tap_done();
}
