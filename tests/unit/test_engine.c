/* SPDX-License-Identifier: Apache-2.0 */
/* What is written into a build is what the published snapshot holds. */
#include "unit/workshop.h"

#include "format/router.h"

#include <inttypes.h>
#include <zlib.h>
#include <zstd.h>

/* --- what can be written ------------------------------------------------------ */

static size_t gzip(const char *text, uint8_t *out, size_t cap)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)text,
		       .avail_in = (uInt)strlen(text),
		       .next_out = out,
		       .avail_out = (uInt)cap };

	IS_INT(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY),
	       Z_OK);
	IS_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
	(void)deflateEnd(&z);
	return z.total_out;
}

/* A record of a .kv file; value NULL: a deletion. */
static size_t kv(uint8_t *out, const char *key, const char *value)
{
	uint32_t sizes[2] = { (uint32_t)strlen(key),
		              value != NULL ? (uint32_t)strlen(value)
		                            : UINT32_MAX };

	memcpy(out, sizes, sizeof(sizes));
	memcpy(out + 8, key, sizes[0]);
	if (value != NULL)
		memcpy(out + 8 + sizes[0], value, strlen(value));
	return 8 + sizes[0] + (value != NULL ? strlen(value) : 0);
}

static void every_format_is_built(void)
{
	uint8_t data[400];
	char path[400];
	FILE *f;

	IS_INT(put(INGEST, "a.jsonl", "{\"key\":\"a\",\"value\":\"1\"}\n"),
	       SFS_OK);
	IS_INT(put(INGEST, "b.csv", "key,value\nb,2\n"), SFS_OK);
	IS_INT(put(INGEST, "c.tsv", "key\tvalue\nc\t3"), SFS_OK);
	IS_INT(put_bytes(INGEST, "d.kv", data, kv(data, "d", "4")), SFS_OK);
	IS_INT(put_bytes(INGEST, "e.jsonl.gz", data,
	                 gzip("{\"key\":\"e\",\"value\":\"5\"}", data,
	                      sizeof(data))),
	       SFS_OK);
	IS_INT(put_bytes(INGEST, "f.csv.zst", data,
	                 ZSTD_compress(data, sizeof(data), "key,value\nf,6\n",
	                               14, 3)),
	       SFS_OK);
	(void)snprintf(path, sizeof(path), "%s/outside", shop_dir);
	f = fopen(path, "w");
	if (f == NULL || fputs("key,value\ng,7\n", f) < 0 || fclose(f) != 0)
		TAP_FAIL("cannot write %s", path);
	IS_INT(sfs_build_add_source(b, "g.csv", path, &err), SFS_OK);
	IS_INT(put(KEYS, "h", "8"), SFS_OK);
	IS_INT(put(KEYS, "%2Ei", ""), SFS_OK);
	publish_well();
	IS_STR(content(), ".i= a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 ");
	OK(sfs_area_find(area, "job") == NULL);
	IS_INT(settle(), SFS_E_STALE);
}

/* A listing that sees the file before its bytes must not settle for that. */
static void files_are_read_where_they_lie(void)
{
	enum { FILES = 100 };
	struct sfs_manifest *m;
	char path[400];
	char name[16];
	FILE *f;

	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "%d.csv", i);
		(void)snprintf(path, sizeof(path), "%s/outside-%s", shop_dir,
		               name);
		f = fopen(path, "w");
		if (f == NULL || fprintf(f, "key,value\n%d,1\n", i) < 0 ||
		    fclose(f) != 0)
			TAP_FAIL("cannot write %s", path);
		IS_INT(sfs_build_add_source(b, name, path, &err), SFS_OK);
	}
	publish_well();
	m = manifest();
	IS_INT(sfs_manifest_rows(m), FILES);
	sfs_manifest_free(m);
}

static void a_build_of_nothing_is_a_snapshot_of_nothing(void)
{
	struct sfs_manifest *m;

	publish_well();
	IS_STR(content(), "");
	m = manifest();
	IS_INT(m->num_dbs, 4);
	for (uint32_t i = 0; i < m->num_dbs; i++)
		OK(m->shards[i].db_url == NULL);
	IS_INT(sfs_manifest_rows(m), 0);
	sfs_manifest_free(m);
}

static void more_than_a_build_can_hold_in_memory_is_built(void)
{
	struct sfs_staged_file *f =
		open_in(b, INGEST, "big.csv", O_CREAT | O_WRONLY);
	static char value[300001];
	static char line[300100];
	struct sfs_manifest *m;

	memset(value, 'v', sizeof(value) - 1);
	IS_INT(sfs_staged_write(f, 0, true, "key,value\n", 10, &err), SFS_OK);
	for (int i = 0; i < 200; i++) {
		int len = snprintf(line, sizeof(line), "%d,%s\n", i % 150,
		                   value + (i > 99 ? i : 0));

		IS_INT(sfs_staged_write(f, 0, true, line, (size_t)len, &err),
		       SFS_OK);
	}
	IS_INT(sfs_staged_flush(f, NULL, &err), SFS_OK);
	sfs_staged_close(f);
	publish_well();
	m = manifest();
	IS_INT(sfs_manifest_rows(m), 150);
	OK(sfs_manifest_bytes(m) > 150 * 299000);
	sfs_manifest_free(m);
}

/* --- which record counts ----------------------------------------------------- */

static void the_later_record_and_the_later_file_win(void)
{
	IS_INT(put(INGEST, "z.csv", "key,value\na,1\nb,1\nb,2\nc,1\n"), SFS_OK);
	IS_INT(put(INGEST, "a.csv", "key,value\na,3\nb,3\n"), SFS_OK);
	IS_INT(put(INGEST, "m.jsonl", "{\"key\":\"a\",\"value\":\"4\"}"),
	       SFS_OK);
	publish_well();
	IS_STR(content(), "a=4 b=3 c=1 ");
}

static void a_file_that_is_written_again_is_the_latest(void)
{
	IS_INT(put(INGEST, "a.csv", "key,value\na,1\n"), SFS_OK);
	IS_INT(put(INGEST, "b.csv", "key,value\na,2\n"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	IS_INT(put(INGEST, "a.csv", "key,value\na,3\n"), SFS_OK);
	publish_well();
	IS_STR(content(), "a=3 ");
}

static void files_in_keys_win_over_ingest(void)
{
	IS_INT(put(KEYS, "a", "file"), SFS_OK);
	IS_INT(put(KEYS, "b", "file"), SFS_OK);
	IS_INT(put(INGEST, "a.jsonl",
	           "{\"key\":\"a\",\"value\":\"1\"}\n"
	           "{\"key\":\"b\",\"value\":\"2\"}\n"
	           "{\"key\":\"c\",\"value\":\"3\"}\n"
	           "{\"key\":\"a\",\"delete\":true}\n"),
	       SFS_OK);
	IS_INT(settle(), SFS_OK);
	IS_INT(sfs_build_unlink(b, KEYS, "b", &err), SFS_OK);
	publish_well();
	IS_STR(content(), "a=file b=2 c=3 ");
}

static void a_base_of_four(void)
{
	IS_INT(put(INGEST, "a.csv", "key,value\na,0\nb,0\nc,0\nd,0\n"), SFS_OK);
	publish_well();
	shop_next("next");
	IS_INT(sfs_build_set_base(b, &last_id, NULL, &err), SFS_OK);
}

static void layers_lie_over_the_base(void)
{
	a_base_of_four();
	IS_INT(remove_key(b, "a", &err), SFS_OK);
	IS_INT(remove_key(b, "b", &err), SFS_OK);
	IS_INT(put(INGEST, "b.csv", "key,value\nb,ingest\nc,ingest\n"), SFS_OK);
	IS_INT(put(KEYS, "c", "file"), SFS_OK);
	publish_well();
	IS_STR(content(), "b=ingest c=file d=0 ");
}

static void every_format_can_delete(void)
{
	uint8_t data[100];

	a_base_of_four();
	IS_INT(put(INGEST, "a.jsonl", "{\"key\":\"a\",\"delete\":true}"),
	       SFS_OK);
	IS_INT(put(INGEST, "b.csv", "key,value,delete\nb,,true\n"), SFS_OK);
	IS_INT(put_bytes(INGEST, "d.kv", data, kv(data, "d", NULL)), SFS_OK);
	publish_well();
	IS_STR(content(), "c=0 ");
}

/* --- settings ----------------------------------------------------------------- */

static void put_numbers(const char *name, int from, int to)
{
	char text[4096] = "key,value\n";
	size_t len = strlen(text);

	for (int i = from; i < to; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		                        "%d,%d\n", i, i);
	IS_INT(put(INGEST, name, text), SFS_OK);
}

static uint32_t published_num_dbs(void)
{
	struct sfs_manifest *m = manifest();
	uint32_t n = m->num_dbs;

	IS_INT(sfs_manifest_rows(m), 61);
	sfs_manifest_free(m);
	return n;
}

static void the_number_of_shards_follows_from_the_records(void)
{
	config("key_encoding: utf8\nmax_keys_per_shard: 10\n");
	put_numbers("a.csv", 0, 30);
	IS_INT(settle(), SFS_OK);
	HAS_STR(plan(), "\"num_dbs\": 3,");
	IS_INT(put(KEYS, "x", "1"), SFS_OK);
	HAS_STR(plan(), "\"num_dbs\": 4,");
	IS_INT(settle(), SFS_OK);
	put_numbers("b.csv", 30, 60);
	publish_well();
	IS_INT(published_num_dbs(), 7);
}

static void settings_may_change_after_settling(void)
{
	IS_INT(put(INGEST, "a.csv", "key,value\n1,a\n2,b\n"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	config("key_encoding: u64be\nnum_dbs: 2\n");
	publish_well();
	{
		struct sfs_manifest *m = manifest();

		IS_INT(m->num_dbs, 2);
		IS_INT(m->key_encoding, SFS_KEY_U64BE);
		IS_INT(sfs_manifest_rows(m), 2);
		sfs_manifest_free(m);
	}
}

static uint32_t page_size_of(const struct sfs_manifest *m)
{
	const char *key = strstr(m->shards[0].db_url, "/shards/") + 1;
	char object[500];
	uint8_t head[18];
	size_t got = 0;

	(void)snprintf(object, sizeof(object), "%s/shard.db", key);
	IS_INT(sfs_store_get_range(store, object, 0, head, 18, &got, NULL,
	                           &err),
	       SFS_OK);
	return (uint32_t)head[16] << 8 | head[17];
}

static void the_page_size_may_follow_from_the_values(void)
{
	static char value[3001];
	struct sfs_manifest *m;

	memset(value, 'v', sizeof(value) - 1);
	config("key_encoding: utf8\nnum_dbs: 1\npage_size: auto\n");
	IS_INT(put(KEYS, "a", value), SFS_OK);
	publish_well();
	m = manifest();
	IS_INT(page_size_of(m), 16384);
	sfs_manifest_free(m);
}

/* --- what is refused ------------------------------------------------------------ */

#define ONE_BAD "key,value\na,1\nb\nc,3\n"

static void a_bad_record_is_refused_by_name(void)
{
	IS_INT(put(KEYS, "x", "1"), SFS_OK);
	IS_INT(put(INGEST, "a.csv", ONE_BAD), SFS_E_CORRUPT);
	HAS_STR(err.msg, "ingest/a.csv:3: ");
	IS_INT(settle(), SFS_E_CORRUPT);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "ingest/a.csv:3: ");
	HAS_STR(errors(), "ingest/a.csv:3: ");
	IS_STR(content(), "nothing");
	IS_INT(put(INGEST, "a.csv", "key,value\na,1\nb,2\n"), SFS_OK);
	IS_STR(errors(), "");
	publish_well();
	IS_STR(content(), "a=1 b=2 x=1 ");
}

static void a_bad_record_may_be_skipped(void)
{
	config("key_encoding: utf8\nnum_dbs: 2\non_bad_record: skip\n");
	IS_INT(put(INGEST, "a.csv", ONE_BAD), SFS_OK);
	publish_well();
	IS_STR(content(), "a=1 c=3 ");
}

static void what_hides_the_rest_of_a_file_is_never_skipped(void)
{
	uint8_t data[100];
	size_t len;

	config("key_encoding: utf8\nnum_dbs: 2\non_bad_record: skip\n");
	len = kv(data, "a", "1");
	memset(data + len, 0xee, 8); /* lengths that make no sense */
	IS_INT(put_bytes(INGEST, "a.kv", data, len + 8), SFS_E_CORRUPT);
	IS_INT(publish(), SFS_E_CORRUPT);
	IS_INT(put_bytes(INGEST, "b.csv.gz", data, 20), SFS_E_CORRUPT);
	IS_INT(sfs_build_unlink(b, INGEST, "a.kv", &err), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "b.csv.gz");
	IS_INT(sfs_build_unlink(b, INGEST, "b.csv.gz", &err), SFS_OK);
	publish_well();
}

static void a_file_whose_writer_died_is_refused(void)
{
	struct sfs_staged_file *f =
		open_in(b, INGEST, "a.csv", O_CREAT | O_WRONLY);

	IS_INT(sfs_staged_write(f, 0, true, "key,value\na,1\n", 14, &err),
	       SFS_OK);
	shop_close();
	sfs_staged_close(f);
	shop_again();
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "ingest/a.csv: incomplete");
	HAS_STR(errors(), "ingest/a.csv: incomplete");
	IS_INT(put(INGEST, "a.csv", "key,value\na,2\n"), SFS_OK);
	publish_well();
	IS_STR(content(), "a=2 ");
}

static void files_that_are_no_records_are_refused_by_name(void)
{
	config("key_encoding: u64be\nnum_dbs: 2\n");
	IS_INT(put(KEYS, "7", "1"), SFS_OK);
	IS_INT(put(KEYS, "sedAbC", "1"), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "keys/sedAbC: ");
	IS_INT(sfs_build_unlink(b, KEYS, "sedAbC", &err), SFS_OK);
	IS_INT(put(KEYS, ".scratch", "1"), SFS_OK);
	IS_INT(put(INGEST, "notes", "1"), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "ingest/notes: ");
	IS_INT(sfs_build_unlink(b, INGEST, "notes", &err), SFS_OK);
	IS_INT(put(TOP, "notes", "1"), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "notes: no part of a build");
	IS_INT(sfs_build_unlink(b, TOP, "notes", &err), SFS_OK);
	publish_well();
}

static void a_file_that_stays_open_keeps_the_build_from_publishing(void)
{
	struct sfs_staged_file *f =
		open_in(b, INGEST, "a.csv", O_CREAT | O_WRONLY);

	IS_INT(sfs_staged_write(f, 0, true, "key,value\na,1\n", 14, &err),
	       SFS_OK);
	IS_INT(settle(), SFS_OK);
	IS_INT(publish(), SFS_E_CORRUPT);
	HAS_STR(err.msg, "ingest/a.csv: still open");
	IS_INT(sfs_staged_write(f, 0, true, "b,2\n", 4, &err), SFS_OK);
	sfs_staged_close(f);
	publish_well();
	IS_STR(content(), "a=1 b=2 ");
}

/* --- settling -------------------------------------------------------------------- */

static void one_key_for_each_shard(char keys[4][8])
{
	struct sfs_router router;
	char name[8];
	int left = 4;

	sfs_router_init_hash(&router, SFS_KEY_UTF8, 4);
	memset(keys, 0, 4 * sizeof(keys[0]));
	for (int i = 0; left > 0; i++) {
		int len = snprintf(name, sizeof(name), "k%d", i);
		struct sfs_bytes key = { (const uint8_t *)name, (size_t)len };
		uint32_t db = sfs_router_hash(&router, key);

		left -= keys[db][0] == '\0';
		memcpy(keys[db], name, sizeof(name));
	}
}

/* What the four objects look like: inode and time of each. */
struct look {
	struct shop_keys keys;
	struct stat of[4];
};

static void take_look(struct look *l)
{
	IS_INT(list_store(&l->keys, "shards/"), 4);
	for (size_t i = 0; i < 4 && i < l->keys.count; i++)
		l->of[i] = stat_object(l->keys.keys[i]);
}

/* A digit for each shard: 1 where it was built anew. */
static const char *changes(const struct look *a, const struct look *z)
{
	static char text[5];

	for (int i = 0; i < 4; i++)
		text[i] = a->of[i].st_ino == z->of[i].st_ino &&
		                          a->of[i].st_mtim.tv_nsec ==
		                                  z->of[i].st_mtim.tv_nsec
		                  ? '0'
		                  : '1';
	return text;
}

static void write_each(char keys[4][8])
{
	char text[200] = "key,value\n";

	one_key_for_each_shard(keys);
	for (int i = 0; i < 4; i++)
		(void)snprintf(text + strlen(text), 40, "%s,1\n", keys[i]);
	IS_INT(put(INGEST, "a.csv", text), SFS_OK);
}

static void settling_builds_only_what_changed(void)
{
	static struct look looks[2];
	char keys[4][8];
	char text[64];

	write_each(keys);
	IS_INT(settle(), SFS_OK);
	take_look(&looks[0]);
	IS_INT(settle(), SFS_OK);
	take_look(&looks[1]);
	IS_STR(changes(&looks[0], &looks[1]), "0000");
	(void)snprintf(text, sizeof(text), "key,value\n%s,2\n", keys[2]);
	IS_INT(put(INGEST, "b.csv", text), SFS_OK);
	IS_INT(settle(), SFS_OK);
	take_look(&looks[0]);
	IS_STR(changes(&looks[0], &looks[1]), "0010");
	IS_INT(put(KEYS, keys[0], "3"), SFS_OK);
	IS_INT(settle(), SFS_OK);
	take_look(&looks[1]);
	IS_STR(changes(&looks[0], &looks[1]), "1000");
	IS_STR(content(), "nothing");
	IS_INT(sfs_build_unlink(b, KEYS, keys[0], &err), SFS_OK);
	publish_well();
	take_look(&looks[0]);
	IS_STR(changes(&looks[0], &looks[1]), "1000");
}

/* Times that lie do not keep a changed file from being read again. */
static void a_file_that_hides_its_change_is_read_again(void)
{
	const struct timespec old[2] = { { 1000000, 0 }, { 1000000, 0 } };
	char value[2] = "a";

	for (int i = 0; i < 20; i++) {
		value[0] = (char)('a' + i);
		IS_INT(put(KEYS, "k", value), SFS_OK);
		IS_INT(sfs_build_utimens(b, KEYS, "k", old, &err), SFS_OK);
		IS_INT(settle(), SFS_OK);
	}
	publish_well();
	IS_STR(content(), "k=t ");
}

/* --- editing what was settled ------------------------------------------------------ */

static void begin_editing(void)
{
	IS_INT(put(INGEST, "a.csv", "key,value\na,1\nb,1\n"), SFS_OK);
	IS_INT(put(INGEST, "b.csv", "key,value\nc,1\n"), SFS_OK);
	IS_INT(settle(), SFS_OK);
}

static void ends_as(const char *want)
{
	publish_well();
	IS_STR(content(), want);
}

static void an_ingest_file_may_be_appended_to(void)
{
	begin_editing();
	IS_INT(add_to(INGEST, "a.csv", "d,1\na,2\n"), SFS_OK);
	ends_as("a=2 b=1 c=1 d=1 ");
}

static void an_ingest_file_may_be_removed(void)
{
	begin_editing();
	IS_INT(sfs_build_unlink(b, INGEST, "a.csv", &err), SFS_OK);
	ends_as("c=1 ");
}

static void an_ingest_file_may_be_overwritten_in_the_middle(void)
{
	struct sfs_staged_file *f;

	begin_editing();
	f = open_in(b, INGEST, "a.csv", O_WRONLY);
	IS_INT(sfs_staged_write(f, 12, false, "7", 1, &err), SFS_OK);
	IS_INT(sfs_staged_flush(f, NULL, &err), SFS_OK);
	sfs_staged_close(f);
	ends_as("a=7 b=1 c=1 ");
}

static void an_ingest_file_may_be_cut(void)
{
	begin_editing();
	IS_INT(sfs_build_truncate(b, INGEST, "a.csv", 14, &err), SFS_OK);
	ends_as("a=1 c=1 ");
}

static void an_ingest_file_may_be_renamed(void)
{
	const struct sfs_build_place from = { INGEST, "a.csv" };
	const struct sfs_build_place to = { INGEST, "b.csv" };

	begin_editing();
	IS_INT(sfs_build_rename(b, &from, &to, 0, &err), SFS_OK);
	ends_as("a=1 b=1 ");
}

static void an_ingest_file_may_become_a_key(void)
{
	const struct sfs_build_place from = { INGEST, "b.csv" };
	const struct sfs_build_place to = { KEYS, "k" };

	begin_editing();
	IS_INT(sfs_build_rename(b, &from, &to, 0, &err), SFS_OK);
	ends_as("a=1 b=1 k=key,value\nc,1\n ");
}

static void a_build_goes_on_after_its_owner_died(void)
{
	begin_editing();
	IS_INT(put(KEYS, "k", "1"), SFS_OK);
	shop_again();
	IS_INT(put(INGEST, "c.csv", "key,value\nc,2\n"), SFS_OK);
	ends_as("a=1 b=1 c=2 k=1 ");
}

static void status_tells_how_far_it_is(void)
{
	struct sfs_build_progress p;

	begin_editing();
	sfs_build_get_progress(b, &p);
	IS_STR(p.state, "settled");
	IS_INT(p.records, 3);
	IS_INT(p.files, 2);
	IS_INT(p.files_open, 0);
	IS_INT(p.bytes_parsed, p.bytes);
	OK(p.run_id[0] != '\0');
	HAS_STR(plan(), "\"adds\": 3,");
	publish_well();
	sfs_build_get_progress(b, &p);
	IS_STR(p.state, "done");
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &err), SFS_OK);
	RUN_IN_SHOP(every_format_is_built);
	RUN_IN_SHOP(files_are_read_where_they_lie);
	RUN_IN_SHOP(a_build_of_nothing_is_a_snapshot_of_nothing);
	RUN_IN_SHOP(more_than_a_build_can_hold_in_memory_is_built);
	RUN_IN_SHOP(the_later_record_and_the_later_file_win);
	RUN_IN_SHOP(a_file_that_is_written_again_is_the_latest);
	RUN_IN_SHOP(files_in_keys_win_over_ingest);
	RUN_IN_SHOP(layers_lie_over_the_base);
	RUN_IN_SHOP(every_format_can_delete);
	RUN_IN_SHOP(the_number_of_shards_follows_from_the_records);
	RUN_IN_SHOP(settings_may_change_after_settling);
	RUN_IN_SHOP(the_page_size_may_follow_from_the_values);
	RUN_IN_SHOP(a_bad_record_is_refused_by_name);
	RUN_IN_SHOP(a_bad_record_may_be_skipped);
	RUN_IN_SHOP(what_hides_the_rest_of_a_file_is_never_skipped);
	RUN_IN_SHOP(a_file_whose_writer_died_is_refused);
	RUN_IN_SHOP(files_that_are_no_records_are_refused_by_name);
	RUN_IN_SHOP(a_file_that_stays_open_keeps_the_build_from_publishing);
	RUN_IN_SHOP(settling_builds_only_what_changed);
	RUN_IN_SHOP(a_file_that_hides_its_change_is_read_again);
	RUN_IN_SHOP(an_ingest_file_may_be_appended_to);
	RUN_IN_SHOP(an_ingest_file_may_be_removed);
	RUN_IN_SHOP(an_ingest_file_may_be_overwritten_in_the_middle);
	RUN_IN_SHOP(an_ingest_file_may_be_cut);
	RUN_IN_SHOP(an_ingest_file_may_be_renamed);
	RUN_IN_SHOP(an_ingest_file_may_become_a_key);
	RUN_IN_SHOP(a_build_goes_on_after_its_owner_died);
	RUN_IN_SHOP(status_tells_how_far_it_is);
	return tap_done();
}
