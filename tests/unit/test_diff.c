/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between golden snapshots, against the rows that are expected. */
#include "format/names.h"
#include "snapshot/diff.h"
#include "unit/followed.h"
#include "unit/golden.h"

#include <sqlite3.h>

enum { KEYS_MAX = 4096, NAME_BYTES = 64 };

static struct sfs_err err;
static struct sfs_diff_result sum;

struct change {
	enum sfs_diff_kind kind;
	char name[NAME_BYTES];
};

static struct change changes[KEYS_MAX];
static int count;
static int stop_at; /* 0: never */

static bool note(void *arg, enum sfs_diff_kind kind, const char *name,
                 size_t len)
{
	(void)arg;
	if (count < KEYS_MAX) {
		changes[count].kind = kind;
		(void)snprintf(changes[count].name, NAME_BYTES, "%.*s",
		               (int)len, name);
	}
	return ++count != stop_at;
}

static enum sfs_diff_kind kind_of(const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(changes[i].name, name) == 0)
			return changes[i].kind;
	}
	return 0;
}

static enum sfs_rc diff(const struct sfs_snapshot_id *from,
                        const struct sfs_snapshot_id *to)
{
	struct sfs_snapshot *a = NULL;
	struct sfs_snapshot *b = NULL;
	enum sfs_rc rc;

	count = 0;
	rc = sfs_snapshot_open(&w.source, from, NULL, &a, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_snapshot_open(&w.source, to, NULL, &b, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_snapshot_diff(a, b, note, NULL, &sum, NULL, &err);
	sfs_snapshot_unref(a);
	sfs_snapshot_unref(b);
	return rc;
}

static void open_history(void)
{
	begin();
	IS_INT(world_open_source(&w), SFS_OK);
}

static const struct golden_row *row_of(const struct golden *g,
                                       struct sfs_bytes key)
{
	for (size_t i = 0; i < g->count; i++) {
		if (g->rows[i].key.len == key.len &&
		    memcmp(g->rows[i].key.data, key.data, key.len) == 0)
			return &g->rows[i];
	}
	return NULL;
}

static bool is_same_value(const struct golden_row *a,
                          const struct golden_row *b)
{
	if (a->value_len != b->value_len || strcmp(a->sha256, b->sha256) != 0)
		return false;
	return a->sha256[0] != '\0' || a->value_len == 0 ||
	       memcmp(a->value.data, b->value.data, a->value_len) == 0;
}

static void expect(const struct golden *from, const struct golden *to,
                   enum sfs_diff_kind only_from, bool has_changes)
{
	enum sfs_diff_kind wanted;
	const struct golden_row *other;
	char name[NAME_BYTES];
	size_t len;

	for (size_t i = 0; i < from->count; i++) {
		other = row_of(to, from->rows[i].key);
		IS_INT(sfs_key_to_name(SFS_KEY_U64BE, from->rows[i].key, name,
		                       sizeof(name), &len),
		       SFS_OK);
		wanted = 0;
		if (other == NULL)
			wanted = only_from;
		else if (has_changes && !is_same_value(&from->rows[i], other))
			wanted = SFS_DIFF_CHANGED;
		else if (!has_changes)
			continue;
		if (kind_of(name) != wanted)
			TAP_FAIL("%s is %d, not %d", name, kind_of(name),
			         wanted);
	}
}

static void load(struct golden *g, const struct sfs_snapshot_id *id)
{
	char file[SFS_RUN_ID_BYTES + 16];

	(void)snprintf(file, sizeof(file), "expected_%s", id->run_id);
	golden_load(g, "history", file);
}

/* Every pair of publications, whatever their number of shards. */
static void golden_publications_differ_as_their_rows_do(void)
{
	struct golden rows[4] = { { NULL, 0 } };
	uint64_t differing = 0;

	open_history();
	for (int i = 0; i < 4; i++)
		load(&rows[i], &ids[i]);
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < 4; j++) {
			IS_INT(diff(&ids[i], &ids[j]), SFS_OK);
			expect(&rows[i], &rows[j], SFS_DIFF_REMOVED, true);
			expect(&rows[j], &rows[i], SFS_DIFF_ADDED, false);
			IS_INT(sum.added + sum.removed + sum.changed, count);
			OK((count == 0) == (i == j));
			differing += (uint64_t)count;
		}
	}
	OK(differing > 100);
	for (int i = 0; i < 4; i++)
		golden_free(&rows[i]);
	end();
}

static void shards_that_are_known_to_be_equal_are_not_read(void)
{
	struct sfs_snapshot_id same;
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_READ,
		                       .fail_at = 1,
		                       .always = true,
		                       .rc = SFS_E_IO };
	struct sfs_snapshot *a = NULL;
	struct sfs_snapshot *b = NULL;

	open_history();
	same = ids[0];
	same.published_at_ns += 1000;
	world_manifest(&w, &ids[0], &same, "{}");
	IS_INT(sfs_snapshot_open(&w.source, &ids[0], NULL, &a, NULL, &err),
	       SFS_OK);
	IS_INT(sfs_snapshot_open(&w.source, &same, NULL, &b, NULL, &err),
	       SFS_OK);
	sfs_store_fault_set(w.store, &plan);
	count = 0;
	IS_INT(sfs_snapshot_diff(a, b, note, NULL, &sum, NULL, &err), SFS_OK);
	IS_INT(sfs_store_fault_count(w.store), 0);
	IS_INT(count, 0);
	IS_INT(sum.shards_read, 0);
	IS_INT(sum.shards_skipped, 2);
	sfs_snapshot_unref(a);
	sfs_snapshot_unref(b);
	end();
}

/* Of a store of one golden snapshot: the same shards as another snapshot. */
static struct sfs_snapshot_id copy_of(const struct sfs_snapshot_id *id,
                                      const char *custom,
                                      enum sfs_key_encoding encoding)
{
	struct sfs_snapshot_id to =
		world_new_id(id->published_at_ns + 1000 + encoding, id->run_id);
	struct sfs_manifest *m = NULL;
	struct sfs_manifest copy;
	char key[SFS_MANIFEST_KEY_BYTES];
	void *data = NULL;
	size_t len = 0;

	IS_INT(w.source.catalog->ops->load(w.source.catalog, id, &m, NULL,
	                                   &err),
	       SFS_OK);
	if (m == NULL)
		return to;
	copy = *m;
	copy.custom = (char *)custom;
	copy.key_encoding = encoding;
	for (uint32_t i = 0; i < m->num_dbs; i++)
		m->shards[i].checkpoint_id = NULL;
	IS_INT(sfs_manifest_serialize(&copy, &data, &len, &err), SFS_OK);
	sfs_snapshot_id_manifest_key(&to, key);
	world_put(&w, key, data, len);
	sfs_free(data);
	sfs_manifest_free(m);
	return to;
}

static void equal_digests_are_believed_and_others_are_not(void)
{
	static const char a_text[] = "{\"shardyfs\":{\"digests\":{\"0\":"
				     "\"sha256:aa\",\"1\":\"sha256:bb\"}}}";
	static const char b_text[] = "{\"shardyfs\":{\"digests\":{\"0\":"
				     "\"sha256:aa\",\"1\":\"sha256:cc\"}}}";
	struct sfs_snapshot_id a;
	struct sfs_snapshot_id b;

	open_history();
	a = copy_of(&ids[0], a_text, SFS_KEY_U64BE);
	b = world_new_id(a.published_at_ns + 5000, a.run_id);
	b = copy_of(&a, b_text, SFS_KEY_U64BE);
	IS_INT(diff(&a, &b), SFS_OK);
	IS_INT(count, 0);
	IS_INT(sum.shards_read, 1);
	IS_INT(sum.shards_skipped, 1);
	end();
}

/* The same bytes by another rule: each key is looked up by its name. */
static void other_encodings_are_compared_by_name(void)
{
	struct sfs_snapshot_id id;
	struct sfs_snapshot_id raw;

	world_begin(&w, "hash-utf8");
	IS_INT(world_open_source(&w), SFS_OK);
	id = world_id(&w, 0);
	raw = copy_of(&id, "{}", SFS_KEY_RAW);
	IS_INT(diff(&id, &raw), SFS_OK);
	IS_INT(count, 0);
	IS_INT(sum.shards_read, 10);
	end();
}

/* Changes the last byte of one value in a shard. */
static void change_byte(const char *path)
{
	static const char sql[] =
		"UPDATE kv SET v = CAST(substr(v, 1, length(v) - 1) || x'00' "
		"AS BLOB) WHERE k = (SELECT max(k) FROM kv WHERE length(v) > "
		"0)";
	sqlite3 *db = NULL;

	IS_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL),
	       SQLITE_OK);
	IS_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

/* A manifest like that of id, but for the URL of its only shard. */
static void put_with_url(const struct sfs_snapshot_id *id,
                         const struct sfs_snapshot_id *to, const char *url)
{
	struct sfs_catalog *c = w.source.catalog;
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_manifest *m = NULL;
	struct sfs_manifest copy;
	void *data = NULL;
	size_t len = 0;

	IS_INT(c->ops->load(c, id, &m, NULL, &err), SFS_OK);
	if (m == NULL)
		return;
	m->shards[0].db_url = url;
	copy = *m;
	copy.run_id = (char *)to->run_id;
	IS_INT(sfs_manifest_serialize(&copy, &data, &len, &err), SFS_OK);
	sfs_snapshot_id_manifest_key(to, key);
	IS_INT(c->ops->put_manifest(c, to, data, len, NULL, &err), SFS_OK);
	sfs_free(data);
	sfs_manifest_free(m);
}

static void values_of_equal_length_are_compared(void)
{
	static const char copied[] = "shards/run_id=other/0/shard.db";
	char path[SFS_STORE_KEY_MAX];
	char from[SFS_STORE_KEY_MAX];
	struct sfs_snapshot_id other;
	struct sfs_snapshot_id id;

	world_begin(&w, "hash-one");
	IS_INT(world_open_source(&w), SFS_OK);
	id = world_id(&w, 0);
	other = world_new_id(id.published_at_ns + 1000, "other");
	put_with_url(&id, &other, "s3://golden/hash-one/shards/run_id=other/0");
	(void)snprintf(from, sizeof(from),
	               "%s/store/shards/run_id=%s/db=00000/attempt=00/shard.db",
	               w.dir, id.run_id);
	world_put(&w, copied, "", 0); /* makes the directory */
	(void)snprintf(path, sizeof(path), "%s/store/%s", w.dir, copied);
	OK(remove(path) == 0);
	OK(world_copy_file(from, path));
	IS_INT(diff(&id, &other), SFS_OK);
	IS_INT(count, 0);
	IS_INT(sum.shards_read, 1);
	change_byte(path);
	IS_INT(diff(&id, &other), SFS_OK);
	IS_INT(count, 1);
	IS_INT(changes[0].kind, SFS_DIFF_CHANGED);
	end();
}

static void the_caller_can_end_it(void)
{
	open_history();
	stop_at = 3;
	IS_INT(diff(&ids[3], &ids[0]), SFS_OK);
	IS_INT(count, 3);
	stop_at = 0;
	end();
}

static void every_fault_is_told_and_nothing_leaks(void)
{
	uint64_t faults = 1;
	uint64_t injected = 0;
	enum sfs_rc rc;

	for (uint64_t n = 1; n < 10000 && faults > 0; n += 1 + n / 20) {
		struct sfs_fault_plan plan = { .op_mask = SFS_STORE_OPEN |
			                                  SFS_STORE_READ,
			                       .fail_at = n,
			                       .rc = SFS_E_IO };

		open_history();
		sfs_store_fault_set(w.store, &plan);
		rc = diff(&ids[1], &ids[0]);
		faults = sfs_store_fault_count(w.store);
		injected += faults;
		IS_INT(rc, faults > 0 ? SFS_E_IO : SFS_OK);
		world_fault(&w, 0, false, SFS_OK);
		end();
	}
	OK(injected > 10);
}

int main(void)
{
	RUN(golden_publications_differ_as_their_rows_do);
	RUN(shards_that_are_known_to_be_equal_are_not_read);
	RUN(equal_digests_are_believed_and_others_are_not);
	RUN(other_encodings_are_compared_by_name);
	RUN(values_of_equal_length_are_compared);
	RUN(the_caller_can_end_it);
	RUN(every_fault_is_told_and_nothing_leaks);
	return tap_done();
}
