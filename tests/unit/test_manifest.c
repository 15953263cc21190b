/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests: shardyfusion's own, those that are only odd, hostile images, and
 * what is written here. Each rejection by name is in tests/data/bad.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "format/manifest.h"
#include "unit/tap.h"
#include "unit/testdata.h"

#include <sqlite3.h>

#define HASH                                                          \
	"{\"cel_columns\": null, \"cel_expr\": null, "                \
	"\"hash_algorithm\": \"xxh3_64\", \"routing_values\": null, " \
	"\"strategy\": \"hash\"}"

#define BYTES_VALUES                                               \
	"[{\"__bytes_hex__\": \"\"}, {\"__bytes_hex__\": \"00\"}," \
	" {\"__bytes_hex__\": \"aAfF\"}, {\"__bytes_hex__\": \"01\"}]"

static void is_same_text(const char *a, const char *b)
{
	if ((a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0))
		TAP_FAIL("\"%s\" is not \"%s\"", a ? a : "(null)",
		         b ? b : "(null)");
}

static void is_same_shard(const struct sfs_manifest_shard *a,
                          const struct sfs_manifest_shard *b)
{
	is_same_text(a->db_url, b->db_url);
	is_same_text(a->min_key, b->min_key);
	is_same_text(a->max_key, b->max_key);
	is_same_text(a->checkpoint_id, b->checkpoint_id);
	is_same_text(a->writer_info, b->writer_info);
	IS_INT(a->row_count, b->row_count);
	IS_INT(a->db_bytes, b->db_bytes);
	IS_INT(a->attempt, b->attempt);
}

static void is_same(const struct sfs_manifest *a, const struct sfs_manifest *b)
{
	is_same_text(a->run_id, b->run_id);
	is_same_text(a->s3_prefix, b->s3_prefix);
	is_same_text(a->key_col, b->key_col);
	is_same_text(a->shard_prefix, b->shard_prefix);
	is_same_text(a->db_path_template, b->db_path_template);
	is_same_text(a->sharding, b->sharding);
	is_same_text(a->custom, b->custom);
	IS_INT(a->created_at_ns, b->created_at_ns);
	IS_INT(a->key_encoding, b->key_encoding);
	IS_INT(a->routing.strategy, b->routing.strategy);
	IS_INT(a->num_dbs, b->num_dbs);
	for (uint32_t i = 0; i < a->num_dbs && i < b->num_dbs; i++)
		is_same_shard(&a->shards[i], &b->shards[i]);
}

/* Writes m, reads that, and compares. */
static void comes_back(const struct sfs_manifest *m)
{
	struct sfs_manifest *again = NULL;
	struct sfs_err err = { 0 };
	void *data = NULL;
	size_t len = 0;

	if (sfs_manifest_serialize(m, &data, &len, &err) != SFS_OK ||
	    sfs_manifest_parse(data, len, &again, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
	else
		is_same(m, again);
	sfs_manifest_free(again);
	sfs_free(data);
}

struct image {
	sqlite3 *db;
	unsigned char *data;
	sqlite3_int64 len;
};

static void image_open(struct image *i, const void *data, size_t len)
{
	unsigned char *copy = sqlite3_malloc64(len);

	memset(i, 0, sizeof(*i));
	OK(copy != NULL);
	memcpy(copy, data, len);
	IS_INT(sqlite3_open(":memory:", &i->db), SQLITE_OK);
	IS_INT(sqlite3_deserialize(i->db, "main", copy, (sqlite3_int64)len,
	                           (sqlite3_int64)len,
	                           SQLITE_DESERIALIZE_FREEONCLOSE |
	                                   SQLITE_DESERIALIZE_RESIZEABLE),
	       SQLITE_OK);
}

static void image_release(struct image *i)
{
	sqlite3_free(i->data);
	IS_INT(sqlite3_close(i->db), SQLITE_OK);
}

/* Runs sql on the image. */
static void image_change(struct image *i, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(i->db, sql, NULL, NULL, &message) != SQLITE_OK)
		TAP_FAIL("%s: %s", sql, message);
	sqlite3_free(message);
	sqlite3_free(i->data);
	i->data = sqlite3_serialize(i->db, "main", &i->len, 0);
	OK(i->data != NULL);
}

static enum sfs_rc image_parse(const struct image *i, struct sfs_manifest **m,
                               struct sfs_err *err)
{
	*m = NULL;
	return sfs_manifest_parse(i->data, (size_t)i->len, m, err);
}

static void set_text(char **out, const char *text)
{
	*out = sfs_strdup(text);
	OK(*out != NULL);
}

/* A manifest of num_dbs shards; every third one is empty. */
static struct sfs_manifest *make(uint32_t num_dbs)
{
	struct sfs_manifest *m = sfs_calloc(1, sizeof(*m));
	struct sfs_manifest_shard *s;
	char url[128];
	int len;

	m->strings = sfs_arena_new();
	m->shards = sfs_calloc(num_dbs, sizeof(*m->shards));
	m->num_dbs = num_dbs;
	m->created_at_ns = INT64_C(1795240160021594000);
	m->key_encoding = SFS_KEY_UTF8;
	m->routing.strategy = SFS_STRATEGY_HASH;
	set_text(&m->run_id, "release_2026-01.b");
	set_text(&m->s3_prefix, "s3://bucket/pre/");
	set_text(&m->key_col, "_key");
	set_text(&m->sharding, HASH);
	set_text(&m->db_path_template, "db={db_id:05d}");
	set_text(&m->shard_prefix, "shards");
	set_text(&m->custom, "{\"shardyfs\": {\"parent\": null}}");
	for (uint32_t i = 0; i < num_dbs; i++) {
		s = &m->shards[i];
		if (i % 3 == 2)
			continue;
		len = snprintf(url, sizeof(url),
		               "s3://bucket/pre/shards/run_id=r/db=%05" PRIu32
		               "/attempt=00",
		               i);
		s->db_url = sfs_arena_add(m->strings, url, (size_t)len);
		s->checkpoint_id = "0123456789abcdef0123456789abcdef";
		s->min_key = i % 2 == 0 ? "\"a\\u00e9\"" : NULL;
		s->max_key = i % 2 == 0 ? "-5" : NULL;
		s->writer_info = "{\"attempt\": 0}";
		s->row_count = UINT64_C(1000000000000) + i;
		s->db_bytes = 4096;
		s->attempt = i % 7;
	}
	return m;
}

static void make_image(struct image *i, uint32_t num_dbs)
{
	struct sfs_manifest *m = make(num_dbs);
	void *data = NULL;
	size_t len = 0;

	IS_INT(sfs_manifest_serialize(m, &data, &len, NULL), SFS_OK);
	image_open(i, data, len);
	sfs_free(data);
	sfs_manifest_free(m);
}

static void check_golden(void *arg, const char *dir)
{
	char path[TESTDATA_PATH_BYTES + sizeof("/manifest")];
	struct sfs_manifest *m = NULL;
	struct sfs_err err = { 0 };
	struct testdata d;
	int *count = arg;

	(void)snprintf(path, sizeof(path), "%s/manifest", dir);
	d = testdata_read(path);
	if (sfs_manifest_parse(d.bytes, d.len, &m, &err) != SFS_OK) {
		TAP_FAIL("%s: %s", path, err.msg);
	} else {
		HAS_STR(path, m->run_id);
		comes_back(m);
		++*count;
	}
	sfs_manifest_free(m);
	free(d.bytes);
}

static void each_manifest(void *arg, const char *store)
{
	char path[TESTDATA_PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/tree/manifests", store);
	(void)testdata_each(path, check_golden, arg); /* not every one has it */
}

static void golden_manifests_are_read_and_come_back(void)
{
	int count = 0;

	OK(testdata_each("golden", each_manifest, &count) > 0);
	OK(count >= 14);
}

static void one_golden_manifest_in_detail(void *arg, const char *dir)
{
	char path[TESTDATA_PATH_BYTES];
	struct sfs_manifest *m = NULL;
	struct testdata d;

	(void)arg;
	(void)snprintf(path, sizeof(path), "%s/manifest", dir);
	d = testdata_read(path);
	IS_INT(sfs_manifest_parse(d.bytes, d.len, &m, NULL), SFS_OK);
	if (m != NULL) {
		IS_STR(m->run_id, "release_2026-01.b");
		IS_INT(m->num_dbs, 3);
		IS_STR(m->s3_prefix, "s3://golden/hash-layout");
		IS_STR(m->db_path_template, "part-{db_id}");
		IS_STR(m->shard_prefix, "data");
		IS_STR(m->key_col, "_key");
		IS_STR(m->sharding, HASH);
		IS_INT(m->key_encoding, SFS_KEY_U64BE);
		IS_INT(m->routing.strategy, SFS_STRATEGY_HASH);
		IS_STR(m->shards[1].db_url,
		       "s3://golden/hash-layout/data/"
		       "run_id=release_2026-01.b/part-1/attempt=00");
		IS_INT(sfs_manifest_rows(m), 60);
		OK(sfs_manifest_bytes(m) >= 3 * 4096);
	}
	sfs_manifest_free(m);
	free(d.bytes);
}

static void the_values_of_a_golden_manifest_are_right(void)
{
	IS_INT(testdata_each("golden/hash-layout/tree/manifests",
	                     one_golden_manifest_in_detail, NULL),
	       1);
}

static void shards_without_a_row_are_empty(void)
{
	struct sfs_manifest *m = make(7);

	comes_back(m);
	OK(m->shards[2].db_url == NULL);
	sfs_manifest_free(m);
}

static void check_sql(void *arg, const char *dir)
{
	char path[TESTDATA_PATH_BYTES];
	struct image golden;
	struct image *ours = arg;
	struct testdata d;
	sqlite3_stmt *a = NULL;
	sqlite3_stmt *b = NULL;
	const char *sql = "SELECT sql FROM sqlite_master ORDER BY name";

	(void)snprintf(path, sizeof(path), "%s/manifest", dir);
	d = testdata_read(path);
	image_open(&golden, d.bytes, d.len);
	IS_INT(sqlite3_prepare_v2(golden.db, sql, -1, &a, NULL), SQLITE_OK);
	IS_INT(sqlite3_prepare_v2(ours->db, sql, -1, &b, NULL), SQLITE_OK);
	for (int i = 0; i < 2; i++) {
		IS_INT(sqlite3_step(a), SQLITE_ROW);
		IS_INT(sqlite3_step(b), SQLITE_ROW);
		IS_STR((const char *)sqlite3_column_text(b, 0),
		       (const char *)sqlite3_column_text(a, 0));
	}
	IS_INT(sqlite3_step(b), SQLITE_DONE);
	sqlite3_finalize(a);
	sqlite3_finalize(b);
	image_release(&golden);
	free(d.bytes);
}

static void written_tables_have_shardyfusions_own_text(void)
{
	struct image i;

	make_image(&i, 3);
	IS_INT(testdata_each("golden/hash-one/tree/manifests", check_sql, &i),
	       1);
	image_release(&i);
}

static void what_the_format_requires_must_be_given(void)
{
	struct sfs_manifest *m = make(1);
	struct sfs_err err;
	void *data;
	size_t len;

	sfs_free(m->sharding);
	m->sharding = NULL;
	IS_INT(sfs_manifest_serialize(m, &data, &len, &err), SFS_E_INVALID);
	OK(data == NULL);
	sfs_manifest_free(m);
}

/* Changes a good manifest of 4 shards; it must still be read. */
static void expect_taken(const char *sql)
{
	struct sfs_manifest *m;
	struct sfs_err err = { 0 };
	struct image i;

	make_image(&i, 4);
	image_change(&i, sql);
	if (image_parse(&i, &m, &err) != SFS_OK)
		TAP_FAIL("%s: %s", sql, err.msg);
	sfs_manifest_free(m);
	image_release(&i);
}

static void what_shardyfusion_publishes_is_taken(void)
{
	expect_taken("CREATE TABLE extra (x); ALTER TABLE shards ADD y;"
	             "ALTER TABLE build_meta ADD z DEFAULT 5");
	expect_taken("INSERT INTO build_meta SELECT 'r2', created_at, 99,"
	             " s3_prefix, key_col, 'x', db_path_template,"
	             " shard_prefix, 4, 'bad', custom FROM build_meta");
	expect_taken("UPDATE build_meta SET custom = ''");
	expect_taken("UPDATE build_meta SET custom = '{\"loss\": NaN}'");
	expect_taken("UPDATE build_meta SET custom = '{\"f\": \"\\udcff\"}'");
	expect_taken("UPDATE shards SET db_url = NULL WHERE db_id = 1");
	expect_taken("UPDATE shards SET writer_info = '{}'");
	expect_taken("DELETE FROM shards");
	expect_taken("UPDATE shards SET checkpoint_id = NULL,"
	             " min_key = NULL, max_key = NULL");
	expect_taken("UPDATE build_meta SET created_at ="
	             " '2026-11-20T12:00:00Z', s3_prefix = 's3://x//'");
	expect_taken("UPDATE build_meta SET sharding = '{\"strategy\": "
	             "\"hash\", \"hash_algorithm\": \"xxh3_64\"}'");
	expect_taken("CREATE INDEX i ON shards (db_url)");
	expect_taken("CREATE VIEW v AS SELECT 1");
	expect_taken("PRAGMA page_size = 65536; VACUUM");
}

static void an_empty_custom_is_an_empty_object(void)
{
	struct sfs_manifest *m;
	struct image i;

	make_image(&i, 1);
	image_change(&i, "UPDATE build_meta SET custom = ''");
	IS_INT(image_parse(&i, &m, NULL), SFS_OK);
	IS_STR(m->custom, "{}");
	sfs_manifest_free(m);
	image_release(&i);
}

static void cel_manifests_are_read(void)
{
	static const char *const good[] = {
		"[\"a\", \"b\", \"c\", \"d\"]",
		"[1, 2, 3, -4]",
		BYTES_VALUES,
		"null",
	};
	struct sfs_manifest *m;
	struct image i;
	char sql[512];
	size_t n;

	for (n = 0; n < sizeof(good) / sizeof(good[0]); n++) {
		make_image(&i, 4);
		(void)snprintf(sql, sizeof(sql),
		               "UPDATE build_meta SET sharding = '"
		               "{\"strategy\": \"cel\", \"hash_algorithm\": "
		               "\"xxh3_64\", \"cel_expr\": \"key %% 4\", "
		               "\"cel_columns\": {\"key\": \"int\"}, "
		               "\"routing_values\": %s}'",
		               good[n]);
		image_change(&i, sql);
		IS_INT(image_parse(&i, &m, NULL), SFS_OK);
		if (m != NULL)
			IS_INT(m->routing.strategy, SFS_STRATEGY_CEL);
		sfs_manifest_free(m);
		image_release(&i);
	}
}

static void a_million_shards_of_nothing_are_refused_by_size(void)
{
	struct sfs_manifest *m;
	struct sfs_err err;
	struct image i;

	make_image(&i, 1);
	image_change(&i, "UPDATE build_meta SET num_dbs = 1048576");
	IS_INT(image_parse(&i, &m, &err), SFS_OK);
	sfs_manifest_free(m);
	image_change(&i, "UPDATE build_meta SET num_dbs = 1048577");
	IS_INT(image_parse(&i, &m, &err), SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "1048577");
	image_release(&i);
}

static void a_schema_cannot_blow_up_values(void)
{
	struct sfs_manifest *m;
	struct sfs_err err;
	struct image i;

	make_image(&i, 1);
	image_change(&i, "ALTER TABLE build_meta DROP COLUMN custom;"
	                 "ALTER TABLE build_meta ADD COLUMN custom TEXT AS"
	                 " (replace(hex(zeroblob(9000)), '0', '{}{}{}'))");
	IS_INT(image_parse(&i, &m, &err), SFS_E_CORRUPT);
	HAS_STR(err.msg, "too big");
	image_release(&i);
}

static void sums_do_not_overflow(void)
{
	struct sfs_manifest *m;
	struct image i;

	make_image(&i, 5);
	image_change(&i, "UPDATE shards SET row_count = 9223372036854775807");
	IS_INT(image_parse(&i, &m, NULL), SFS_OK);
	OK(sfs_manifest_rows(m) == UINT64_MAX);
	IS_INT(sfs_manifest_bytes(m), 4 * 4096);
	sfs_manifest_free(m);
	image_release(&i);
}

static void damaged_images_fail_and_leak_nothing(void)
{
	struct sfs_manifest *m;
	struct sfs_err err;
	struct image i;
	uint32_t state = 7;
	int refused = 0;

	make_image(&i, 40);
	IS_INT(sfs_manifest_parse(i.data, (size_t)i.len / 2, &m, &err),
	       SFS_E_CORRUPT);
	HAS_STR(err.msg, "manifest: ");
	for (int n = 0; n < 300; n++) {
		image_change(&i, "SELECT 1");
		for (int k = 0; k < 8; k++) {
			state = state * 1664525 + 1013904223;
			i.data[16 + state % (uint32_t)(i.len - 16)] =
				(unsigned char)(state >> 24);
		}
		m = NULL;
		if (image_parse(&i, &m, &err) != SFS_OK)
			refused++;
		sfs_manifest_free(m);
	}
	OK(refused > 0);
	image_release(&i);
}

static void every_failed_allocation_is_reported(void)
{
	struct sfs_manifest *m = NULL;
	struct sfs_err err;
	struct image i;
	enum sfs_rc rc = SFS_E_NO_MEMORY;
	unsigned long nth;

	make_image(&i, 5);
	image_change(&i, "SELECT 1");
	for (nth = 1; rc == SFS_E_NO_MEMORY && nth < 1000; nth++) {
		sfs_alloc_fail_nth(nth);
		rc = image_parse(&i, &m, &err);
		sfs_alloc_fail_nth(0);
		if (rc != SFS_OK)
			HAS_STR(err.msg, "out of memory");
	}
	IS_INT(rc, SFS_OK);
	OK(nth > 10);
	OK(sfs_alloc_fault_count() == nth - 2);
	sfs_manifest_free(m);
	image_release(&i);
}

int main(void)
{
	RUN(golden_manifests_are_read_and_come_back);
	RUN(the_values_of_a_golden_manifest_are_right);
	RUN(shards_without_a_row_are_empty);
	RUN(written_tables_have_shardyfusions_own_text);
	RUN(what_the_format_requires_must_be_given);
	RUN(what_shardyfusion_publishes_is_taken);
	RUN(an_empty_custom_is_an_empty_object);
	RUN(cel_manifests_are_read);
	RUN(a_million_shards_of_nothing_are_refused_by_size);
	RUN(a_schema_cannot_blow_up_values);
	RUN(sums_do_not_overflow);
	RUN(damaged_images_fail_and_leak_nothing);
	RUN(every_failed_allocation_is_reported);
	return tap_done();
}
