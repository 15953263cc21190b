/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bottom-up writer against the sqlite3 library and against our own
 * walker: whatever the pairs are, both find them, and the library finds
 * nothing to complain about.
 */
#include "format/btree.h"
#include "format/btree_layout.h"
#include "unit/file_object.h"
#include "unit/library_writer.h"
#include "unit/pairs.h"

#include <malloc.h>

/* The walker finds these pairs, in this order, and each by its key. */
static void walker_finds(const struct pairs *p, const struct image *m)
{
	struct sfs_btree_cursor *c = NULL;
	struct sfs_err err = { .msg = "" };
	struct sfs_btree *t = NULL;
	struct sfs_pair_info info;
	struct file_object file;
	size_t longest = 1;
	struct sfs_bytes key;
	bool found = true;
	uint8_t *value;
	size_t got = 0;
	size_t i;

	file_object_memory(&file, m->data, m->len);
	if (sfs_btree_open(&file.base, "ours", &t, NULL, &err) != SFS_OK ||
	    sfs_btree_cursor_open(t, 0, &c, NULL, &err) != SFS_OK) {
		TAP_FAIL("%s", err.msg);
		sfs_btree_close(t);
		return;
	}
	for (i = 0; i < p->count; i++)
		if (p->at[i].value.len > longest)
			longest = p->at[i].value.len;
	value = pairs_alloc(NULL, longest);
	for (i = 0; i < p->count; i++) {
		struct sfs_bytes want = p->at[i].value;

		if (sfs_btree_cursor_next(c, &found, &key, &info, NULL, &err) !=
		            SFS_OK ||
		    !found || key.len != p->at[i].key.len ||
		    memcmp(key.data, p->at[i].key.data, key.len) != 0 ||
		    sfs_btree_read(t, info.locator, 0, value, longest, &got,
		                   NULL, &err) != SFS_OK ||
		    got != want.len || memcmp(value, want.data, got) != 0 ||
		    sfs_btree_get(t, key, &found, &info, NULL, &err) !=
		            SFS_OK ||
		    !found) {
			TAP_FAIL("row %zu of %zu differs: %s", i, p->count,
			         err.msg);
			break;
		}
	}
	if (i == p->count) {
		IS_INT(sfs_btree_cursor_next(c, &found, &key, &info, NULL,
		                             &err),
		       SFS_OK);
		OK(!found);
	}
	free(value);
	sfs_btree_cursor_close(c);
	sfs_btree_close(t);
}

/* The whole comparison. */
static void agrees(const struct pairs *p, uint32_t page_size, bool has_dump)
{
	struct image m = { .data = NULL };
	sqlite3 *db;

	if (!pairs_write(p, page_size, &m))
		return;
	db = library_write(":memory:", page_size, p->at, p->count);
	library_attach(db, m.data, m.len);
	library_check(db, "ours");
	IS_INT(strtol(library_text(db, "PRAGMA ours.page_size"), NULL, 10),
	       page_size);
	IS_INT(strtol(library_text(db, "PRAGMA ours.page_count"), NULL, 10),
	       m.len / page_size);
	library_scan(db, "main", p->at, p->count);
	library_scan(db, "ours", p->at, p->count);
	if (has_dump)
		library_dumps_agree(db, "main", "ours");
	sqlite3_close(db);
	walker_finds(p, &m);
	image_free(&m);
}

static void an_empty_table_is_valid_for_every_page_size(void)
{
	struct pairs p = { NULL, 0, 0 };
	uint32_t size;

	for (size = 512; size <= 65536; size *= 2)
		agrees(&p, size, true);
}

static void one_row_of_any_kind(void)
{
	static const size_t lengths[] = { 0, 1, 57, 58, 500, 5000, 70000 };
	uint8_t key[70000];
	uint32_t size;
	size_t i, j;

	pairs_fill(key, sizeof(key), 7);
	for (size = 512; size <= 65536; size *= 2)
		for (i = 0; i < 7; i++)
			for (j = 0; j < 7; j++) {
				struct pairs p = { NULL, 0, 0 };

				pairs_add(&p, key, lengths[i], lengths[j]);
				agrees(&p, size, true);
				pairs_free(&p);
			}
}

/* Payloads of every length in a stretch around a limit. */
static void add_around(struct pairs *p, size_t payload)
{
	size_t from = payload > 40 ? payload - 40 : 0;
	size_t i;

	for (i = from; i < payload + 30; i++)
		pairs_add_next(p, i);
}

static void overflow_chains_of_every_length_around_the_limits(void)
{
	uint32_t size;
	size_t pages;

	for (size = 512; size <= 65536; size *= 2) {
		uint32_t min_local = sfs_btree_min_local(size);
		uint32_t max_local = sfs_btree_max_local(size);
		struct pairs p = { NULL, 0, 0 };

		add_around(&p, min_local);
		for (pages = 0; pages <= 3; pages++) {
			add_around(&p, pages * (size - 4));
			add_around(&p, pages * (size - 4) + min_local);
			add_around(&p, pages * (size - 4) + max_local);
		}
		agrees(&p, size, false);
		pairs_free(&p);
	}
}

static void every_payload_of_small_pages(void)
{
	struct pairs p = { NULL, 0, 0 };
	size_t i;

	for (i = 0; i < 2200; i++)
		pairs_add_next(&p, i);
	agrees(&p, 512, true);
	pairs_free(&p);
}

/*
 * Lengths of headers and record change at 128 and 16384; on the largest
 * pages all of that lies on one page.
 */
static void lengths_where_varints_grow(void)
{
	static const size_t steps[] = { 58, 128, 8186, 16384, 1048570 };
	struct pairs p = { NULL, 0, 0 };
	size_t i, j;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		for (j = 0; j < 30; j++)
			pairs_add_next(&p, steps[i] - 15 + j);
	agrees(&p, 65536, false);
	agrees(&p, 512, false);
	pairs_free(&p);
}

/* Every number of rows up to count: all boundaries of pages and levels. */
static void check_row_counts(size_t count, size_t value_len)
{
	struct pairs p = { NULL, 0, 0 };
	struct image m = { .data = NULL };
	size_t all, i;
	sqlite3 *db;

	for (i = 0; i < count; i++)
		pairs_add_next(&p, value_len);
	all = p.count;
	for (i = 0; i <= count && tap_failed_checks == 0; i++) {
		p.count = i;
		if (!pairs_write(&p, 512, &m))
			break;
		if (sqlite3_open(":memory:", &db) != SQLITE_OK)
			exit(1);
		library_attach(db, m.data, m.len);
		IS_STR(library_text(db, "PRAGMA ours.integrity_check"), "ok");
		library_scan(db, "ours", p.at, i);
		sqlite3_close(db);
		if (i % 7 == 0)
			walker_finds(&p, &m);
	}
	p.count = all;
	image_free(&m);
	pairs_free(&p);
}

static void every_number_of_rows_up_to_2000(void)
{
	check_row_counts(2000, 20);
}

/* As few cells to a page as there can be, for as many levels. */
static void every_number_of_large_rows_up_to_700(void)
{
	check_row_counts(700, sfs_btree_max_local(512) - 8 - 3);
}

static void every_number_of_overflowing_rows_up_to_300(void)
{
	check_row_counts(300, 700);
}

static void no_page_is_empty_at_any_level(void)
{
	struct sfs_btree_shape shape = { 0, 0, 0, 0 };
	struct pairs p = { NULL, 0, 0 };
	struct image m = { .data = NULL };
	size_t page, empty = 0;
	size_t i;

	for (i = 0; i < 3000; i++) {
		pairs_add_next(&p, 90);
		if (!pairs_write(&p, 512, &m))
			break;
		for (page = 1; page < m.len / 512; page++)
			empty += sfs_btree_be16(m.data + page * 512 + 3) == 0;
		i += i / 50;
	}
	IS_INT(empty, 0);
	IS_INT(pairs_measure(&p, 512, &shape), SFS_OK);
	IS_INT(shape.rows, p.count);
	IS_INT(shape.root, shape.pages);
	IS_INT(m.data[(shape.root - 1) * 512], SFS_BTREE_PAGE_INTERIOR_INDEX);
	image_free(&m);
	pairs_free(&p);
}

static void keys_longer_than_a_page(void)
{
	uint8_t *key = pairs_alloc(NULL, SFS_BTREE_KEY_MAX_BYTES);
	static const size_t tails[] = { 1, 90, 120, 600, 5000, 40000 };
	uint32_t size;
	size_t i, j;

	memset(key, 'k', SFS_BTREE_KEY_MAX_BYTES);
	for (size = 512; size <= 65536; size *= 4) {
		struct pairs p = { NULL, 0, 0 };

		for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
			for (j = 0; j < 20; j++) {
				size_t len = tails[i] + j * size / 3;

				/* all alike up to their last byte */
				key[len - 1] = (uint8_t)(200 + j);
				pairs_add(&p, key, len, j * 37);
				key[len - 1] = 'k';
			}
		pairs_sort(&p);
		agrees(&p, size, true);
		pairs_free(&p);
	}
	free(key);
}

static void the_longest_key_is_taken_and_no_longer_one(void)
{
	uint8_t *key = pairs_alloc(NULL, SFS_BTREE_KEY_MAX_BYTES);
	struct sfs_btree_measure m;
	struct pairs p = { NULL, 0, 0 };

	memset(key, 'k', SFS_BTREE_KEY_MAX_BYTES);
	pairs_add(&p, key, SFS_BTREE_KEY_MAX_BYTES, 10);
	agrees(&p, 4096, false);
	pairs_free(&p);
	free(key);
	sfs_btree_measure_init(&m, 4096);
	IS_INT(sfs_btree_measure_add(&m, SFS_BTREE_KEY_MAX_BYTES + 1, 0,
	                             &pairs_err),
	       SFS_E_TOO_BIG);
	IS_INT(sfs_btree_measure_add(&m, 0, 1000000000, &pairs_err),
	       SFS_E_TOO_BIG);
	IS_INT(sfs_btree_measure_add(&m, 8, SIZE_MAX, &pairs_err),
	       SFS_E_TOO_BIG);
	IS_INT(sfs_btree_measure_add(&m, 8, 999999980, &pairs_err), SFS_OK);
}

static void more_pages_than_a_locator_can_name_are_too_many(void)
{
	struct sfs_btree_shape shape;
	struct sfs_btree_measure m;
	enum sfs_rc rc = SFS_OK;
	uint64_t rows = 0;

	/* 4 TiB: 65536 * 2^26; each row takes a little under 10^9 bytes */
	sfs_btree_measure_init(&m, 65536);
	while (rc == SFS_OK && rows < 10000) {
		rc = sfs_btree_measure_add(&m, 8, 999999900, &pairs_err);
		rows += rc == SFS_OK;
		if (rc == SFS_OK && rows % 50 == 0)
			rc = sfs_btree_measure_finish(&m, &shape, &pairs_err);
	}
	IS_INT(rc, SFS_E_TOO_BIG);
	OK(rows > 4000 && rows < 4500);
	sfs_btree_measure_init(&m, 512);
	for (rows = 0; rows < 5000; rows++)
		if (sfs_btree_measure_add(&m, 8, 999999900, &pairs_err) !=
		    SFS_OK)
			break;
	IS_INT(pairs_err.rc, SFS_E_TOO_BIG);
	OK(rows > 2000 && rows < 2300);
}

/* A fixed sequence (splitmix64): a failure can be had again. */
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	uint64_t x = random_state += 0x9E3779B97F4A7C15ULL;

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
	return (x ^ (x >> 31)) % limit;
}

static void add_random(struct pairs *p, uint32_t page_size)
{
	static uint8_t key[200000];
	size_t key_len = random_below(30);
	size_t value_len = random_below(page_size / 8);

	if (random_below(20) == 0)
		key_len = random_below(3 * (uint64_t)page_size);
	if (random_below(10) == 0)
		value_len = random_below(4 * (uint64_t)page_size);
	if (random_below(4) == 0)
		memset(key, 'k', key_len);
	else
		pairs_fill(key, key_len, random_below(UINT64_MAX));
	if (key_len > 0)
		key[key_len - 1] = (uint8_t)random_below(256);
	pairs_add(p, key, key_len, value_len);
}

static void random_pairs_agree(void)
{
	uint64_t seed;
	size_t i, rows;

	for (seed = 1; seed <= 150 && tap_failed_checks == 0; seed++) {
		struct pairs p = { NULL, 0, 0 };
		uint32_t size;

		random_state = seed;
		size = 512u << random_below(8);
		rows = random_below(1u << random_below(11));
		if (size > 8192)
			rows /= size / 4096;
		for (i = 0; i < rows; i++)
			add_random(&p, size);
		pairs_sort(&p);
		agrees(&p, size, seed % 4 == 0);
		if (tap_failed_checks > 0)
			printf("# seed %d\n", (int)seed);
		pairs_free(&p);
	}
}

/* The same bytes, whatever was in the memory that the writer got. */
static void no_byte_depends_on_old_memory(void)
{
	struct image first = { .data = NULL };
	struct image second = { .data = NULL };
	struct pairs p = { NULL, 0, 0 };
	size_t i;

	for (i = 0; i < 9000; i++)
		pairs_add_next(&p, i % 50 == 0 ? i : i % 130);
	(void)mallopt(M_PERTURB, 0x5A);
	OK(pairs_write(&p, 1024, &first));
	(void)mallopt(M_PERTURB, 0xC3);
	OK(pairs_write(&p, 1024, &second));
	(void)mallopt(M_PERTURB, 0);
	OK(first.len > 1 << 20);
	OK(first.len == second.len &&
	   memcmp(first.data, second.data, first.len) == 0);
	image_free(&first);
	image_free(&second);
	pairs_free(&p);
}

/* Compares with a file of the library, but for the number of its version. */
static void is_the_librarys(const struct pairs *p, uint32_t page_size,
                            const char *path)
{
	enum { VERSION_AT = SFS_BTREE_AT_LIBRARY_VERSION, BEHIND = 100 };
	struct image m = { .data = NULL };
	struct file_object file;
	uint8_t *want;
	size_t got = 0;

	OK(pairs_write(p, page_size, &m));
	(void)unlink(path);
	IS_INT(sqlite3_close(library_write(path, page_size, p->at, p->count)),
	       SQLITE_OK);
	OK(file_object_open(&file, path));
	IS_INT(file.base.info.size, m.len);
	want = pairs_alloc(NULL, m.len);
	IS_INT(file.base.ops->read(&file.base, 0, want, m.len, &got, NULL,
	                           &pairs_err),
	       SFS_OK);
	OK(got == m.len && memcmp(m.data, want, VERSION_AT) == 0 &&
	   memcmp(m.data + BEHIND, want + BEHIND, m.len - BEHIND) == 0);
	file.base.ops->close(&file.base);
	free(want);
	image_free(&m);
}

static void small_tables_are_the_librarys_byte_for_byte(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[300];
	uint32_t size;
	size_t rows;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/sfs-writer-XXXXXX",
	               tmp != NULL ? tmp : "/tmp");
	fd = mkstemp(path);
	OK(fd >= 0);
	for (size = 512; size <= 65536; size *= 2)
		for (rows = 0; rows <= 4; rows++) {
			struct pairs p = { NULL, 0, 0 };

			while (p.count < rows)
				pairs_add_next(&p, 5 * p.count);
			is_the_librarys(&p, size, path);
			pairs_free(&p);
		}
	(void)close(fd); /* empty */
	(void)unlink(path);
}

int main(void)
{
	RUN(an_empty_table_is_valid_for_every_page_size);
	RUN(one_row_of_any_kind);
	RUN(overflow_chains_of_every_length_around_the_limits);
	RUN(every_payload_of_small_pages);
	RUN(lengths_where_varints_grow);
	RUN(every_number_of_rows_up_to_2000);
	RUN(every_number_of_large_rows_up_to_700);
	RUN(every_number_of_overflowing_rows_up_to_300);
	RUN(no_page_is_empty_at_any_level);
	RUN(keys_longer_than_a_page);
	RUN(the_longest_key_is_taken_and_no_longer_one);
	RUN(more_pages_than_a_locator_can_name_are_too_many);
	RUN(random_pairs_agree);
	RUN(no_byte_depends_on_old_memory);
	RUN(small_tables_are_the_librarys_byte_for_byte);
	return tap_done();
}
