/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Databases that lie: the walker refuses by name what it can tell at open,
 * and otherwise ends with a code, whatever the bytes are. Run with the
 * sanitizers, "ends" means without a wrong access too.
 */
#include "format/btree.h"
#include "unit/btree_fixture.h"

#include <inttypes.h>

static uint8_t *image; /* the database of the test, to be damaged */
static size_t image_len;
static struct sfs_err err;

static void image_load(void)
{
	FILE *f = fopen(fixture_path, "rb");
	long len;

	free(image);
	image = NULL;
	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) < 0) {
		TAP_FAIL("cannot read %s", fixture_path);
		exit(1);
	}
	rewind(f);
	image_len = (size_t)len;
	image = malloc(image_len + 1);
	if (image == NULL || fread(image, 1, image_len, f) != image_len)
		exit(1);
	(void)fclose(f);
}

static void image_from_sql(unsigned page_size, const char *sql)
{
	sqlite3 *db = fixture_create(page_size, 0, NULL);

	fixture_sql(db, sql);
	fixture_finish(db);
	image_load();
}

/* Rows with values of 0, step, 2 * step ... bytes. */
static void image_from_rows(unsigned page_size, uint64_t rows, size_t step)
{
	sqlite3 *db = fixture_create(page_size, 0, NULL);
	uint64_t i;

	fixture_sql(db, KV_SQL);
	for (i = 0; i < rows; i++)
		fixture_put_int(db, i, i * step);
	fixture_finish(db);
	image_load();
}

static enum sfs_rc open_rc(void)
{
	struct sfs_btree *t = NULL;
	struct file_object file;
	enum sfs_rc rc;

	file_object_memory(&file, image, image_len);
	err.msg[0] = '\0';
	rc = sfs_btree_open(&file.base, "it", &t, NULL, &err);
	sfs_btree_close(t);
	return rc;
}

static void is_refused(enum sfs_rc rc, const char *why)
{
	IS_INT(open_rc(), rc);
	HAS_STR(err.msg, why);
	OK(strncmp(err.msg, "it: ", 4) == 0);
}

static void set_be16(size_t at, unsigned value)
{
	image[at] = (uint8_t)(value >> 8);
	image[at + 1] = (uint8_t)value;
}

static unsigned get_be16(size_t at)
{
	return (unsigned)image[at] << 8 | image[at + 1];
}

static void set_be32(size_t at, uint32_t value)
{
	set_be16(at, value >> 16);
	set_be16(at + 2, value & 0xFFFF);
}

static void files_that_are_no_database_are_refused(void)
{
	image_from_rows(4096, 3, 10);
	image_len = 0;
	is_refused(SFS_E_CORRUPT, "not an SQLite database");
	image_len = 15;
	is_refused(SFS_E_CORRUPT, "not an SQLite database");
	image_len = 99;
	is_refused(SFS_E_CORRUPT, "truncated");
	image_len = 8192;
	image[3] = 'x';
	is_refused(SFS_E_CORRUPT, "not an SQLite database");
}

static void a_file_of_another_size_than_its_header_says_is_refused(void)
{
	image_from_rows(4096, 100, 100);
	image_len -= 1;
	is_refused(SFS_E_CORRUPT, "truncated");
	image_len = 4096;
	is_refused(SFS_E_CORRUPT, "truncated");
	image_from_rows(4096, 1, 1);
	set_be32(28, 1);
	is_refused(SFS_E_CORRUPT, "4096 bytes behind its last page");
	set_be32(92, 77); /* nobody vouches for the count: the size tells */
	IS_INT(open_rc(), SFS_OK);
	image_len -= 100;
	is_refused(SFS_E_CORRUPT, "truncated");
}

static void headers_that_cannot_be_are_refused(void)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum sfs_rc rc;
		const char *why;
	} bad[] = {
		{ 16, 0x11, SFS_E_CORRUPT, "page size" },
		{ 16, 0, SFS_E_CORRUPT, "page size" },
		{ 19, 2, SFS_E_UNSUPPORTED, "in WAL mode" },
		{ 19, 3, SFS_E_UNSUPPORTED, "newer" },
		{ 21, 65, SFS_E_CORRUPT, "fractions" },
		{ 47, 0, SFS_E_CORRUPT, "no table kv" },
		{ 47, 5, SFS_E_UNSUPPORTED, "schema format" },
		{ 59, 2, SFS_E_UNSUPPORTED, "UTF-8" },
		{ 100, 10, SFS_E_CORRUPT, "page 1: type 10" },
		{ 4096, 13, SFS_E_CORRUPT, "page 2: type 13" },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		image_from_rows(4096, 3, 10);
		image[bad[i].at] = bad[i].value;
		is_refused(bad[i].rc, bad[i].why);
	}
	image_from_rows(512, 3, 10);
	image[20] = 33;
	is_refused(SFS_E_CORRUPT, "reserves");
}

static void a_file_in_wal_mode_is_refused(void)
{
	sqlite3 *db = fixture_create(4096, 0, "PRAGMA journal_mode=WAL");

	fixture_sql(db, KV_SQL);
	fixture_finish(db);
	image_load();
	is_refused(SFS_E_UNSUPPORTED, "in WAL mode");
}

static void a_database_in_utf16_is_refused(void)
{
	sqlite3 *db = fixture_create(4096, 0, "PRAGMA encoding='UTF-16le'");

	fixture_sql(db, KV_SQL);
	fixture_finish(db);
	image_load();
	is_refused(SFS_E_UNSUPPORTED, "UTF-8");
}

static void other_schemas_are_refused_by_name(void)
{
	static const char *const other[][2] = {
		{ "CREATE TABLE t (a)", "no table kv" },
		{ "CREATE TABLE t (a); CREATE VIEW kv AS SELECT a FROM t",
		  "kv is a view" },
		{ KV_SQL "; CREATE TRIGGER g AFTER INSERT ON kv BEGIN "
		         "SELECT 1; END",
		  "kv has a trigger" },
		{ "CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL)",
		  "another definition: CREATE TABLE kv (k BLOB PRIMARY KEY, "
		  "v BLOB NOT NULL)" },
		{ "CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL, x) "
		  "WITHOUT ROWID",
		  "another definition" },
		{ "CREATE TABLE kv (k TEXT PRIMARY KEY, v BLOB NOT NULL) "
		  "WITHOUT ROWID",
		  "another definition" },
		{ "CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID",
		  "another definition" },
		{ "CREATE TABLE kv (k BLOB PRIMARY KEY DESC, v BLOB NOT NULL) "
		  "WITHOUT ROWID",
		  "another definition" },
		{ "CREATE TABLE kv (kBLOB PRIMARY KEY, v BLOB NOT NULL) "
		  "WITHOUT ROWID",
		  "another definition" },
		{ "CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) "
		  "WITHOUT ROWID, STRICT",
		  "another definition" },
	};
	size_t i;

	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		image_from_sql(4096, other[i][0]);
		is_refused(SFS_E_CORRUPT, other[i][1]);
	}
	image_from_sql(4096, "CREATE TABLE kv2 (k); " KV_SQL);
	IS_INT(open_rc(), SFS_OK);
}

static void keys_and_values_of_other_types_are_refused(void)
{
	image_from_sql(4096, KV_SQL "; INSERT INTO kv VALUES (1, x'00'), "
	                            "(x'02', x'00')");
	is_refused(SFS_E_CORRUPT,
	           "page 2: cell 0 has a key that is not a blob");
	image_from_sql(4096, KV_SQL "; INSERT INTO kv VALUES ('a', x'00'), "
	                            "(x'02', x'00')");
	is_refused(SFS_E_CORRUPT, "has a key that is not a blob");
	image_from_sql(4096, KV_SQL "; INSERT INTO kv VALUES (x'02', 7)");
	is_refused(SFS_E_CORRUPT, "neither blob nor text");
}

/* What a walk over everything counts before it ends. */
struct outcome {
	uint64_t rows;
	uint64_t failed; /* lookups and reads that did not return SFS_OK */
	enum sfs_rc walk;
};

static bool is_allowed(enum sfs_rc rc)
{
	return rc == SFS_OK || rc == SFS_E_CORRUPT || rc == SFS_E_INVALID ||
	       rc == SFS_E_UNSUPPORTED;
}

static bool take_any(void *arg, size_t index, const struct sfs_bytes *value)
{
	unsigned *sum = arg;
	size_t i;

	(void)index;
	for (i = 0; value != NULL && i < value->len; i += 97)
		*sum += value->data[i];
	return true;
}

static void note(struct outcome *o, enum sfs_rc rc)
{
	if (rc != SFS_OK)
		o->failed++;
	if (!is_allowed(rc))
		TAP_FAIL("%s: %s", sfs_rc_name(rc), err.msg);
}

/* Every function once at one row. */
static void use_row(struct sfs_btree *t, struct sfs_bytes key,
                    sfs_locator locator, struct outcome *o)
{
	struct sfs_pair_info info = { 0, 0 };
	uint8_t buf[6000];
	unsigned sum = 0;
	bool found;
	size_t len;

	note(o, sfs_btree_get(t, key, &found, &info, NULL, &err));
	note(o, sfs_btree_at(t, locator, &info, buf, 40, &len, NULL, &err));
	note(o,
	     sfs_btree_read(t, locator, 0, buf, sizeof(buf), &len, NULL, &err));
	note(o, sfs_btree_read(t, locator, info.value_size / 2, buf, 999, &len,
	                       NULL, &err));
	note(o, sfs_btree_multi_get(t, &key, 1, 1 << 20, take_any, &sum, NULL,
	                            &err));
}

static void use_all(struct sfs_btree *t, struct outcome *o)
{
	struct sfs_btree_cursor *c = NULL;
	struct sfs_pair_info info;
	struct sfs_bytes key;
	bool found = true;
	uint64_t i;

	o->walk = sfs_btree_cursor_open(t, 0, &c, NULL, &err);
	while (o->walk == SFS_OK) {
		o->walk = sfs_btree_cursor_next(c, &found, &key, &info, NULL,
		                                &err);
		if (o->walk != SFS_OK || !found)
			break;
		if (o->rows++ % 8 == 0)
			use_row(t, key, info.locator, o);
	}
	note(o, o->walk);
	sfs_btree_cursor_close(c);
	if (sfs_btree_cursor_open(t, 30, &c, NULL, &err) == SFS_OK)
		sfs_btree_cursor_close(c);
	for (i = 0; i < 40; i++) {
		key.data = (const uint8_t *)&i;
		key.len = 1;
		use_row(t, key, i * 977, o);
	}
}

static struct outcome use_image(void)
{
	struct outcome o = { 0, 0, SFS_OK };
	struct sfs_btree *t = NULL;
	struct file_object file;

	file_object_memory(&file, image, image_len);
	o.walk = sfs_btree_open(&file.base, "it", &t, NULL, &err);
	if (o.walk == SFS_OK)
		use_all(t, &o);
	else
		note(&o, o.walk);
	sfs_btree_close(t);
	return o;
}

static uint64_t random_next(uint64_t *x)
{
	*x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
	return *x >> 33;
}

static void mutate(uint64_t seed, int rounds)
{
	uint64_t corrupt = 0;
	uint64_t x = seed;
	uint8_t *whole = malloc(image_len);
	uint64_t flips, at;
	int i;

	if (whole == NULL)
		exit(1);
	memcpy(whole, image, image_len);
	for (i = 0; i < rounds; i++) {
		for (flips = random_next(&x) % 8 + 1; flips > 0; flips--) {
			at = random_next(&x) % image_len;
			/* Mostly where the structure is. */
			if (flips % 4 != 0)
				at = at / 512 * 512 + at % 24;
			if (at < 16 || at >= image_len)
				at = 100;
			image[at] = (uint8_t)random_next(&x);
		}
		if (use_image().walk != SFS_OK)
			corrupt++;
		memcpy(image, whole, image_len);
	}
	OK(corrupt > 0);
	free(whole);
}

static void flipped_bytes_never_crash(void)
{
	image_from_rows(512, 100, 20);
	mutate(1, 1500);
	image_from_rows(1024, 60, 200);
	mutate(2, 1500);
	image_from_rows(4096, 300, 40);
	mutate(3, 1500);
}

static void every_truncation_is_refused(void)
{
	size_t whole;
	size_t len;

	image_from_rows(512, 30, 20);
	whole = image_len;
	for (len = 0; len < whole; len += 7) {
		image_len = len;
		IS_INT(open_rc(), SFS_E_CORRUPT);
	}
	image_len = whole;
	IS_INT(open_rc(), SFS_OK);
}

static void a_store_that_returns_too_little_is_noticed(void)
{
	struct sfs_pair_info info;
	struct sfs_bytes key = { (const uint8_t *)"\0\0\0\0\0\0\0\x50", 8 };
	struct sfs_btree *t = NULL;
	struct file_object file;
	bool found;

	image_from_rows(512, 100, 20);
	file_object_memory(&file, image, image_len);
	IS_INT(sfs_btree_open(&file.base, "it", &t, NULL, &err), SFS_OK);
	file.base.info.size = 512;
	IS_INT(sfs_btree_get(t, key, &found, &info, NULL, &err), SFS_E_CORRUPT);
	HAS_STR(err.msg, "truncated");
	sfs_btree_close(t);
}

/* Where the last row's value leaves its page for a chain. */
static size_t last_overflow_pointer(unsigned page_size)
{
	size_t page = page_size;
	unsigned cells = get_be16(page + 3);
	size_t cell = page + get_be16(page + 8 + 2 * (cells - 1));
	size_t u = page_size;
	size_t min = (u - 12) * 32 / 255 - 23;
	size_t max = (u - 12) * 64 / 255 - 23;
	size_t payload = 0;
	size_t local;

	do
		payload = payload << 7 | (image[cell] & 0x7F);
	while (image[cell++] >= 0x80);
	local = min + (payload - min) % (u - 4);
	return cell + (local <= max ? local : min);
}

static enum sfs_rc read_last(void)
{
	static uint8_t buf[100000];
	const uint8_t bytes[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };
	struct sfs_bytes key = { bytes, 8 };
	struct sfs_pair_info info = { 0, 0 };
	struct sfs_btree *t = NULL;
	struct file_object file;
	bool found = false;
	size_t got;
	enum sfs_rc rc;

	file_object_memory(&file, image, image_len);
	rc = sfs_btree_open(&file.base, "it", &t, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_btree_get(t, key, &found, &info, NULL, &err);
	OK(found);
	if (rc == SFS_OK)
		rc = sfs_btree_read(t, info.locator, 0, buf, sizeof(buf), &got,
		                    NULL, &err);
	sfs_btree_close(t);
	return rc;
}

static void chains_that_lead_astray_are_corrupt(void)
{
	uint32_t first;
	size_t at;
	size_t i;
	const uint32_t astray[] = { 0, 1, 0xFFFFFFFF, 1000000 };

	image_from_rows(1024, 2, 90000);
	IS_INT(read_last(), SFS_OK);
	at = last_overflow_pointer(1024);
	first = (uint32_t)get_be16(at) << 16 | get_be16(at + 2);
	OK(first > 2 && first * 1024 <= image_len);
	for (i = 0; i < 4; i++) {
		image_from_rows(1024, 2, 90000);
		set_be32(at, astray[i]);
		IS_INT(read_last(), SFS_E_CORRUPT);
		HAS_STR(err.msg, "points to page");
		image_from_rows(1024, 2, 90000);
		set_be32((first + 6) * 1024UL, astray[i]);
		IS_INT(read_last(), SFS_E_CORRUPT);
		HAS_STR(err.msg, "points to page");
	}
	image_from_rows(1024, 2, 90000); /* a loop of eight pages */
	set_be32((first + 6) * 1024UL, first);
	IS_INT(read_last(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "longer than its payload");
	image_from_rows(1024, 2, 90000); /* a page that is its own next */
	set_be32((first - 1) * 1024UL, first);
	IS_INT(read_last(), SFS_E_CORRUPT);
	image_from_rows(1024, 2, 90000); /* one page too many at the end */
	set_be32(image_len - 1024, 3);
	IS_INT(read_last(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "longer than its payload");
}

/* Interior pages of kv: type 2. */
static size_t interior_page(unsigned page_size)
{
	size_t at;

	for (at = page_size; at < image_len; at += page_size)
		if (image[at] == 2)
			return at;
	TAP_FAIL("no interior page");
	return page_size;
}

static void trees_that_loop_are_corrupt(void)
{
	struct outcome o;
	size_t root;

	image_from_rows(512, 60, 2);
	root = interior_page(512);
	set_be32(root + 8, (uint32_t)(root / 512 + 1));
	is_refused(SFS_E_CORRUPT, "deeper than 20 levels");
	image_from_rows(512, 60, 2);
	set_be32(root + get_be16(root + 14), (uint32_t)(root / 512 + 1));
	o = use_image();
	IS_INT(o.walk, SFS_E_CORRUPT);
	image_from_rows(512, 60, 2); /* two parents of one child */
	memcpy(image + root + get_be16(root + 14),
	       image + root + get_be16(root + 12), 4);
	o = use_image();
	OK(is_allowed(o.walk));
	image_from_rows(512, 60, 2);
	set_be32(root + 8, 0);
	is_refused(SFS_E_CORRUPT, "points to page 0");
}

static void cells_outside_their_page_are_corrupt(void)
{
	static const unsigned bad[] = { 0, 7, 9, 4095, 4096, 65535 };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		image_from_rows(4096, 3, 10);
		set_be16(4096 + 8, bad[i]);
		is_refused(SFS_E_CORRUPT, "page 2: cell 0 ");
	}
	image_from_rows(4096, 3, 10);
	set_be16(4096 + 3, 2000);
	is_refused(SFS_E_CORRUPT, "page 2: 2000 cells do not fit");
	image_from_rows(4096, 3, 10);
	memset(image + 4096 + get_be16(4096 + 8), 0xFF, 9);
	is_refused(SFS_E_CORRUPT, "page 2: cell 0 has no valid size");
}

static void locators_from_elsewhere_are_refused_without_a_crash(void)
{
	struct sfs_pair_info info;
	struct sfs_btree *t = NULL;
	struct file_object file;
	sfs_locator locator;
	uint8_t buf[64];
	uint64_t x = 9;
	size_t len;
	enum sfs_rc rc;
	int i;

	image_from_rows(512, 100, 20);
	file_object_memory(&file, image, image_len);
	IS_INT(sfs_btree_open(&file.base, "it", &t, NULL, &err), SFS_OK);
	IS_INT(sfs_btree_at(t, 0, &info, buf, 9, &len, NULL, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "it: no row at locator 0");
	locator = (1ULL << SFS_LOCATOR_BITS) - 1;
	IS_INT(sfs_btree_at(t, locator, &info, buf, 9, &len, NULL, &err),
	       SFS_E_INVALID);
	IS_INT(sfs_btree_at(t, UINT64_MAX, &info, buf, 9, &len, NULL, &err),
	       SFS_E_INVALID);
	for (i = 0; i < 200000; i++) {
		locator = random_next(&x) % (image_len / 512 << 8);
		rc = sfs_btree_at(t, locator, &info, buf, sizeof(buf), &len,
		                  NULL, &err);
		if (!is_allowed(rc) || rc == SFS_E_UNSUPPORTED)
			TAP_FAIL("%s", sfs_rc_name(rc));
		rc = sfs_btree_read(t, locator, 5, buf, sizeof(buf), &len, NULL,
		                    &err);
		if (!is_allowed(rc) || rc == SFS_E_UNSUPPORTED)
			TAP_FAIL("%s", sfs_rc_name(rc));
	}
	sfs_btree_close(t);
}

int main(void)
{
	fixture_begin();
	RUN(files_that_are_no_database_are_refused);
	RUN(a_file_of_another_size_than_its_header_says_is_refused);
	RUN(headers_that_cannot_be_are_refused);
	RUN(a_file_in_wal_mode_is_refused);
	RUN(a_database_in_utf16_is_refused);
	RUN(other_schemas_are_refused_by_name);
	RUN(keys_and_values_of_other_types_are_refused);
	RUN(flipped_bytes_never_crash);
	RUN(every_truncation_is_refused);
	RUN(a_store_that_returns_too_little_is_noticed);
	RUN(chains_that_lead_astray_are_corrupt);
	RUN(trees_that_loop_are_corrupt);
	RUN(cells_outside_their_page_are_corrupt);
	RUN(locators_from_elsewhere_are_refused_without_a_crash);
	free(image);
	fixture_end();
	return tap_done();
}
