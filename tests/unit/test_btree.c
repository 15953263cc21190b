/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The B-tree walker against the sqlite3 library: every database is read by
 * both, and they must agree on every row, through every function.
 */
#include "base/alloc.h"
#include "format/btree.h"
#include "unit/btree_fixture.h"
#include "unit/btree_oracle.h"

#include <dirent.h>
#include <sys/resource.h>

static size_t golden_files;
static size_t golden_rows;

/* Everything named shard.db below dir. */
static void check_golden(const char *dir)
{
	DIR *d = opendir(dir);
	char path[1024];
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (strcmp(e->d_name, "shard.db") == 0) {
			golden_files++;
			golden_rows += check_file(path);
		} else if (e->d_type == DT_DIR) {
			check_golden(path);
		}
	}
	if (d != NULL)
		closedir(d);
}

static void golden_shards_hold_the_rows_that_sqlite_finds(void)
{
	const char *data = getenv("SFS_TEST_DATA");
	char dir[512];

	(void)snprintf(dir, sizeof(dir), "%s/golden",
	               data != NULL ? data : "tests/data");
	check_golden(dir);
	printf("# %zu shards, %zu rows\n", golden_files, golden_rows);
	OK(golden_files > 20);
	OK(golden_rows > 1000);
}

/* Value lengths around every limit of a page of usable bytes u. */
static void put_limits(sqlite3 *db, uint32_t u)
{
	size_t inline_max = (u - 12) * 64 / 255 - 23 - 13;
	size_t starts[] = { inline_max, u - 4 + inline_max / 2,
		            u - 4 + inline_max, 2 * (u - 4) + inline_max / 2,
		            2 * (u - 4) + inline_max };
	uint64_t key = 1;
	size_t i, n;

	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		for (n = 0; n < 41; n++)
			fixture_put_int(db, key++,
			                starts[i] + n > 20 ? starts[i] + n - 20
			                                   : 0);
	for (n = 0; n < 4; n++)
		fixture_put_int(db, key++, n);
	fixture_put_int(db, key++, 9 * (size_t)u + 3);
}

static void every_page_size_and_overflow_limit_reads_right(void)
{
	uint32_t size;
	sqlite3 *db;

	for (size = 512; size <= 65536; size *= 2) {
		db = fixture_create(size, 0, NULL);
		fixture_sql(db, KV_SQL);
		put_limits(db, size);
		fixture_finish(db);
		IS_INT(check_file(fixture_path), 210);
	}
}

static void reserved_bytes_of_pages_are_left_out(void)
{
	static const int reserved[] = { 1, 8, 32 };
	uint32_t size;
	sqlite3 *db;
	size_t i;

	for (i = 0; i < 3; i++) {
		for (size = 512; size <= 65536; size *= 8) {
			db = fixture_create(size, reserved[i], NULL);
			fixture_sql(db, KV_SQL);
			put_limits(db, size - (uint32_t)reserved[i]);
			fixture_finish(db);
			IS_INT(check_file(fixture_path), 210);
		}
	}
}

static void an_empty_table_and_a_single_row_are_fine(void)
{
	sqlite3 *db = fixture_create(4096, 0, NULL);

	fixture_sql(db, KV_SQL);
	fixture_finish(db);
	IS_INT(check_file(fixture_path), 0);
	db = fixture_create(4096, 0, NULL);
	fixture_sql(db, KV_SQL);
	fixture_put(db, "", 0, 0, 1);
	fixture_finish(db);
	IS_INT(check_file(fixture_path), 1);
}

static void keys_of_any_length_are_found(void)
{
	static const size_t lens[] = { 0,   1,    2,     100,   400,  500,
		                       900, 1000, 4000,  5000,  9000, 20000,
		                       65,  66,   30000, 70000, 300 };
	static uint8_t key[70001];
	sqlite3 *db;
	uint32_t size;
	size_t i, n;

	for (size = 512; size <= 65536; size *= 2) {
		db = fixture_create(size, 0, NULL);
		fixture_sql(db, KV_SQL);
		for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			memset(key, 'k', sizeof(key));
			fixture_put(db, key, lens[i], 30 * i, i);
			for (n = 0; lens[i] > 0 && n < 5; n++) {
				key[lens[i] - 1 - n * lens[i] / 6] ^= 7;
				fixture_put(db, key, lens[i], 500 * i, i);
			}
		}
		fixture_finish(db);
		OK(check_file(fixture_path) > 80);
	}
}

static void random_tables_read_as_sqlite_reads_them(void)
{
	uint64_t x = 42;
	uint8_t key[24];
	sqlite3 *db;
	uint32_t size;
	int i;

	for (size = 512; size <= 32768; size *= 4) {
		db = fixture_create(size, 0, NULL);
		fixture_sql(db, KV_SQL);
		for (i = 0; i < 8000; i++) {
			x = x * 6364136223846793005ULL + 1442695040888963407ULL;
			fixture_fill(key, sizeof(key), x >> 45);
			fixture_put(db, key, (x >> 60) + 3,
			            i % 50 == 0 ? (x >> 20) % 20000
			                        : (x >> 20) % 90,
			            x);
		}
		fixture_finish(db);
		OK(check_file(fixture_path) > 7000);
	}
}

static void pointer_map_pages_of_auto_vacuum_are_stepped_over(void)
{
	uint32_t size;
	sqlite3 *db;
	uint64_t i;

	for (size = 512; size <= 4096; size *= 8) {
		db = fixture_create(size, 0, "PRAGMA auto_vacuum=FULL");
		fixture_sql(db, KV_SQL);
		for (i = 0; i < 300; i++)
			fixture_put_int(db, i, i % 7 == 0 ? 900000 / 7 : 77);
		fixture_finish(db);
		IS_INT(check_file(fixture_path), 300);
	}
}

static void a_file_full_of_free_pages_and_torn_chains_reads_right(void)
{
	sqlite3 *db = fixture_create(1024, 0, NULL);
	uint64_t i;

	fixture_sql(db, KV_SQL);
	for (i = 0; i < 600; i++)
		fixture_put_int(db, i, 20 + 37 * i);
	fixture_sql(db, "DELETE FROM kv WHERE length(v) % 3 <> 0");
	for (i = 0; i < 200; i++)
		fixture_put_int(db, 1000 + i * 7, 90 * (200 - i));
	fixture_put_int(db, 5000, 700000);
	fixture_finish(db);
	OK(check_file(fixture_path) > 350);
}

static void other_tables_and_long_schemas_do_not_matter(void)
{
	sqlite3 *db = fixture_create(512, 0, NULL);
	char sql[3000];
	int i;

	for (i = 0; i < 60; i++) {
		(void)snprintf(sql, sizeof(sql),
		               "CREATE TABLE t%d (a /* %0*d */, b)", i,
		               i % 3 == 0 ? 2000 : 9, i);
		fixture_sql(db, sql);
		if (i == 30)
			fixture_sql(db, "create  table KV(k blob\n\tprimary "
			                "key ,v BLOB not null)WITHOUT rowid");
	}
	fixture_sql(db, "CREATE INDEX ti ON t1(a)");
	fixture_sql(db, "CREATE TRIGGER tt AFTER INSERT ON t1 BEGIN "
	                "SELECT 1; END");
	fixture_put_int(db, 7, 70);
	fixture_finish(db);
	IS_INT(check_file(fixture_path), 1);
}

static void a_text_value_is_its_bytes(void)
{
	sqlite3 *db = fixture_create(4096, 0, NULL);

	fixture_sql(db, KV_SQL);
	fixture_sql(db, "INSERT INTO kv VALUES (x'01', 'text'), (x'02', '')");
	fixture_finish(db);
	IS_INT(check_file(fixture_path), 2);
}

static long max_rss_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Reads [offset, offset + len) and compares it with the fill of its seed. */
static bool big_range_is(struct sfs_btree *t, sfs_locator at,
                         const uint8_t *want, uint64_t offset, size_t len)
{
	static uint8_t buf[128 << 10];
	struct sfs_err err;
	size_t got = 0;

	if (sfs_btree_read(t, at, offset, buf, len, &got, NULL, &err) !=
	    SFS_OK) {
		TAP_FAIL("%s", err.msg);
		return false;
	}
	return got == len && memcmp(buf, want + offset, len) == 0;
}

static void check_big_value(const uint8_t *want, size_t size)
{
	const size_t step = 128 << 10;
	struct sfs_pair_info info = { 0, 0 };
	struct sfs_bytes key = { (const uint8_t *)"big", 3 };
	struct sfs_btree *t = NULL;
	struct file_object file;
	struct sfs_err err;
	bool found = false;
	uint64_t at;
	long rss;
	int i;

	OK(file_object_open(&file, fixture_path));
	IS_INT(sfs_btree_open(&file.base, "big", &t, NULL, &err), SFS_OK);
	IS_INT(sfs_btree_get(t, key, &found, &info, NULL, &err), SFS_OK);
	OK(found);
	IS_INT(info.value_size, size);
	IS_INT(file.bytes < 100000, 1); /* the value was not touched */
	rss = max_rss_kib();
	for (at = 0; at < size; at += step)
		if (!big_range_is(t, info.locator, want, at,
		                  at + step < size ? step : size - at))
			TAP_FAIL("range at %" PRIu64 " differs", at);
	/* Linear: each byte about once, ranges in few reads. */
	OK(file.bytes < size + size / 8);
	OK(file.reads < 8 * (size / step + 1));
	OK(file.largest <= 256 << 10);
	file.bytes = 0;
	for (i = 0; i < 200; i++) {
		at = (uint64_t)i * 7919 * 104729 % (size - 5000);
		if (!big_range_is(t, info.locator, want, at, 5000))
			TAP_FAIL("range at %" PRIu64 " differs", at);
	}
	/* Seeking back uses the map: at most its stride is read again. */
	OK(file.bytes < 200ULL * (64 * 4096 + 20000));
	OK(max_rss_kib() - rss < (long)(size / 1024 / 3));
	sfs_btree_close(t);
	file.base.ops->close(&file.base);
}

static void a_huge_value_is_read_by_ranges_in_bounded_memory(void)
{
	const size_t size = 100 << 20;
	sqlite3 *db = fixture_create(4096, 0, NULL);
	uint8_t *want = malloc(size);

	if (want == NULL)
		exit(1);
	fixture_sql(db, KV_SQL);
	fixture_put(db, "big", 3, size, 5);
	fixture_finish(db);
	fixture_fill(want, size, 5);
	check_big_value(want, size);
	free(want);
}

static void an_absent_key_among_huge_values_reads_only_their_beginnings(void)
{
	sqlite3 *db = fixture_create(4096, 0, NULL);
	struct sfs_bytes key = { (const uint8_t *)"\0\0\0\0\0\0\0\4x", 9 };
	struct sfs_pair_info info;
	struct sfs_btree *t = NULL;
	struct file_object file;
	struct sfs_err err;
	bool found = true;
	uint64_t i;

	fixture_sql(db, KV_SQL);
	for (i = 0; i < 9; i++)
		fixture_put_int(db, i, 3000000);
	fixture_finish(db);
	OK(file_object_open(&file, fixture_path));
	IS_INT(sfs_btree_open(&file.base, "huge", &t, NULL, &err), SFS_OK);
	file.reads = 0;
	IS_INT(sfs_btree_get(t, key, &found, &info, NULL, &err), SFS_OK);
	OK(!found);
	OK(file.reads <= 2);
	sfs_btree_close(t);
	file.base.ops->close(&file.base);
}

static bool count_until_three(void *arg, size_t index,
                              const struct sfs_bytes *value)
{
	size_t *seen = arg;

	(void)value;
	OK(index == *seen);
	return ++*seen < 3;
}

static void multi_get_reports_absence_stops_and_refuses_what_is_wrong(void)
{
	sqlite3 *db = fixture_create(4096, 0, NULL);
	struct sfs_bytes keys[5] = { { (const uint8_t *)"a", 1 },
		                     { (const uint8_t *)"b", 1 },
		                     { (const uint8_t *)"b", 1 },
		                     { (const uint8_t *)"c", 1 },
		                     { (const uint8_t *)"b", 1 } };
	struct sfs_btree *t = NULL;
	struct file_object file;
	struct sfs_err err;
	size_t seen = 0;

	fixture_sql(db, KV_SQL);
	fixture_put(db, "b", 1, 5000, 1);
	fixture_finish(db);
	OK(file_object_open(&file, fixture_path));
	IS_INT(sfs_btree_open(&file.base, "m", &t, NULL, &err), SFS_OK);
	IS_INT(sfs_btree_multi_get(t, keys, 5, 5000, count_until_three, &seen,
	                           NULL, &err),
	       SFS_OK);
	IS_INT(seen, 3);
	seen = 0;
	IS_INT(sfs_btree_multi_get(t, keys, 5, 4999, count_until_three, &seen,
	                           NULL, &err),
	       SFS_E_TOO_BIG);
	IS_INT(seen, 1);
	seen = 0;
	IS_INT(sfs_btree_multi_get(t, keys + 2, 3, 5000, count_until_three,
	                           &seen, NULL, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "not sorted");
	sfs_btree_close(t);
	file.base.ops->close(&file.base);
}

/* One pass over everything that allocates; the first code that is not OK. */
static enum sfs_rc use_memory(struct file_object *file)
{
	struct sfs_bytes key = { (const uint8_t *)"\0\0\0\0\0\0\0\x63", 8 };
	struct sfs_pair_info info = { 0, 0 };
	struct sfs_btree_cursor *c = NULL;
	struct sfs_btree *t = NULL;
	struct sfs_err err;
	bool found = false;
	size_t seen = 2;
	size_t got = 0;
	uint8_t byte;
	enum sfs_rc rc;

	rc = sfs_btree_open(&file->base, "it", &t, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_btree_get(t, key, &found, &info, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_btree_read(t, info.locator, info.value_size - 1, &byte,
		                    1, &got, NULL, &err);
	if (rc == SFS_OK)
		OK(found && got == 1);
	if (rc == SFS_OK)
		rc = sfs_btree_cursor_open(t, 50, &c, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_btree_cursor_next(c, &found, &key, &info, NULL, &err);
	if (rc == SFS_OK) {
		seen = 0;
		rc = sfs_btree_multi_get(t, &key, 1, SIZE_MAX,
		                         count_until_three, &seen, NULL, &err);
	}
	if (rc == SFS_OK)
		IS_INT(seen, 1);
	sfs_btree_cursor_close(c);
	sfs_btree_close(t);
	return rc;
}

static void memory_that_runs_out_is_said_or_done_without(void)
{
	unsigned long faults = sfs_alloc_fault_count();
	struct file_object file;
	unsigned long nth = 0;
	unsigned refused = 0;
	uint64_t i;
	sqlite3 *db = fixture_create(512, 0, NULL);
	enum sfs_rc rc;

	fixture_sql(db, KV_SQL);
	for (i = 0; i < 100; i++)
		fixture_put_int(db, i, 50000);
	fixture_finish(db);
	OK(file_object_open(&file, fixture_path));
	do {
		faults = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(++nth);
		rc = use_memory(&file);
		if (rc != SFS_OK) {
			IS_INT(rc, SFS_E_NO_MEMORY);
			refused++;
		}
	} while (sfs_alloc_fault_count() > faults && nth < 200);
	sfs_alloc_fail_nth(0);
	IS_INT(rc, SFS_OK);
	OK(refused >= 5);
	OK(nth > refused + 1); /* caches and maps are done without */
	file.base.ops->close(&file.base);
}

int main(void)
{
	fixture_begin();
	RUN(golden_shards_hold_the_rows_that_sqlite_finds);
	RUN(every_page_size_and_overflow_limit_reads_right);
	RUN(reserved_bytes_of_pages_are_left_out);
	RUN(an_empty_table_and_a_single_row_are_fine);
	RUN(keys_of_any_length_are_found);
	RUN(random_tables_read_as_sqlite_reads_them);
	RUN(pointer_map_pages_of_auto_vacuum_are_stepped_over);
	RUN(a_file_full_of_free_pages_and_torn_chains_reads_right);
	RUN(other_tables_and_long_schemas_do_not_matter);
	RUN(a_text_value_is_its_bytes);
	RUN(a_huge_value_is_read_by_ranges_in_bounded_memory);
	RUN(an_absent_key_among_huge_values_reads_only_their_beginnings);
	RUN(multi_get_reports_absence_stops_and_refuses_what_is_wrong);
	RUN(memory_that_runs_out_is_said_or_done_without);
	fixture_end();
	return tap_done();
}
