/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots routed by expression: golden stores by every way of asking, and
 * keys that several shards hold.
 */
#include "unit/cel_store.h"

static bool has_value(const struct golden_row *row, const struct sfs_hit *hit)
{
	struct sfs_place place = { s, hit->db_id, hit->info.locator };
	char buf[1024];
	size_t got = 0;

	return hit->info.value_size == row->value_len &&
	       sfs_snapshot_read(&place, 0, buf, sizeof(buf), &got, NULL,
	                         &err) == SFS_OK &&
	       golden_is_value(row, buf, got);
}

static enum sfs_rc get(struct sfs_bytes key, const struct sfs_columns *columns,
                       struct sfs_hit *hit)
{
	struct sfs_query query = { key, columns };

	return sfs_snapshot_get(s, &query, hit, NULL, &err);
}

static void check_present(const struct golden_row *row,
                          const struct sfs_columns *columns)
{
	struct sfs_hit hit;

	IS_INT(get(row->key, columns, &hit), SFS_OK);
	OK(hit.found);
	IS_INT(hit.db_id, row->db_id);
	OK(has_value(row, &hit));
	IS_INT(get(row->key, NULL, &hit), SFS_OK);
	OK(hit.found);
	IS_INT(hit.db_id, row->db_id);
}

static void check_missing(const struct golden_row *row,
                          const struct sfs_columns *columns)
{
	struct sfs_hit hit;

	IS_INT(get(row->key, columns, &hit), SFS_OK);
	OK(!hit.found);
	IS_INT(hit.db_id, row->has_shard ? row->db_id : SFS_NO_SHARD);
	IS_INT(get(row->key, NULL, &hit), SFS_OK);
	OK(!hit.found);
	if (sfs_snapshot_router(s)->needs_columns)
		IS_INT(hit.db_id, SFS_NO_SHARD);
}

static int check_rows(const char *store, const char *file,
                      void (*check)(const struct golden_row *row,
                                    const struct sfs_columns *columns))
{
	struct sfs_columns columns;
	struct golden g = { 0 };
	int count;

	golden_load(&g, store, file);
	for (size_t i = 0; i < g.count; i++) {
		golden_columns(&g.rows[i], sharding, &columns);
		check(&g.rows[i], &columns);
		sfs_columns_release(&columns);
	}
	count = (int)g.count;
	golden_free(&g);
	return count;
}

static void every_golden_key_is_found_with_its_context_and_without(void)
{
	for (int i = 0; i < STORE_COUNT; i++) {
		begin(STORES[i]);
		IS_INT(check_rows(STORES[i], "expected", check_present), 120);
		IS_INT(check_rows(STORES[i], "missing", check_missing), 20);
		end();
	}
}

static void the_text_of_a_golden_sharding_is_printed_again(void)
{
	for (int i = 0; i < STORE_COUNT; i++) {
		struct sfs_buf out = SFS_BUF_INIT(1 << 20);

		begin(STORES[i]);
		sfs_sharding_print(sharding, &out);
		IS_STR(out.data, sfs_snapshot_manifest(s)->sharding);
		sfs_buf_release(&out);
		end();
	}
}

/* --- keys that several shards hold ------------------------------------------- */

static void set_columns(struct sfs_columns *c, const char *name)
{
	sfs_columns_init(c);
	IS_INT(sfs_columns_set_name(c, sharding, name, strlen(name), &err),
	       SFS_OK);
}

static void a_key_in_several_shards_is_ambiguous(void)
{
	struct sfs_columns columns;
	struct sfs_hit hit;

	begin("cel-categorical-str");
	run_sql(0, "INSERT INTO kv VALUES (CAST('twice' AS BLOB), x'30')");
	run_sql(2, "INSERT INTO kv VALUES (CAST('twice' AS BLOB), x'3233')");
	IS_INT(get(bytes("twice"), NULL, &hit), SFS_E_AMBIGUOUS);
	OK(!hit.found);
	HAS_STR(err.msg, "2 shards hold the key");
	HAS_STR(err.msg, "00000 (\"us\"), 00002 (\"ap\")");
	set_columns(&columns, "region=ap");
	IS_INT(get(bytes("twice"), &columns, &hit), SFS_OK);
	OK(hit.found);
	IS_INT(hit.db_id, 2);
	IS_INT(hit.info.value_size, 2);
	sfs_columns_release(&columns);
	set_columns(&columns, "region=eu");
	IS_INT(get(bytes("twice"), &columns, &hit), SFS_OK);
	OK(!hit.found);
	IS_INT(hit.db_id, 1);
	sfs_columns_release(&columns);
	set_columns(&columns, "region=elsewhere");
	IS_INT(get(bytes("twice"), &columns, &hit), SFS_OK);
	OK(!hit.found);
	sfs_columns_release(&columns);
	end();
}

static void some_of_the_columns_are_as_good_as_none(void)
{
	struct sfs_columns columns;
	struct golden g = { 0 };
	struct sfs_hit hit;

	begin("cel-direct-columns");
	golden_load(&g, "cel-direct-columns", "expected");
	set_columns(&columns, "tier=99");
	IS_INT(get(g.rows[0].key, &columns, &hit), SFS_OK);
	OK(hit.found);
	IS_INT(hit.db_id, g.rows[0].db_id);
	sfs_columns_release(&columns);
	golden_free(&g);
	end();
}

static void too_many_shards_are_not_asked(void)
{
	struct sfs_snapshot_merge *m = NULL;
	struct sfs_columns columns;
	struct sfs_hit hit;

	begin("cel-categorical-str");
	sfs_snapshot_unref(s);
	w.source.fanout_max = 3;
	open_it();
	IS_INT(get(bytes("cust-00000/c"), NULL, &hit), SFS_E_INVALID);
	HAS_STR(err.msg, "of 4 shards");
	HAS_STR(err.msg, "where/COLUMN=VALUE/");
	HAS_STR(err.msg, "fanout_max be more than 3");
	IS_INT(sfs_snapshot_merge_open(s, 0, &m, NULL, &err), SFS_E_INVALID);
	set_columns(&columns, "region=us");
	IS_INT(get(bytes("cust-00000/c"), &columns, &hit), SFS_OK);
	OK(hit.found);
	sfs_columns_release(&columns);
	sfs_snapshot_unref(s);
	w.source.fanout_max = 4;
	open_it();
	IS_INT(get(bytes("cust-00000/c"), NULL, &hit), SFS_OK);
	OK(hit.found);
	end();
}

static void a_fault_is_never_absence(void)
{
	struct sfs_hit hit;

	begin("cel-categorical-str");
	/* Key of shard 0; the others are still closed. */
	IS_INT(sfs_snapshot_shard_get(s, 0, bytes("cust-00000/c"), &hit, NULL,
	                              &err),
	       SFS_OK);
	OK(hit.found);
	world_fault(&w, 1, true, SFS_E_IO);
	IS_INT(get(bytes("cust-00000/c"), NULL, &hit), SFS_E_IO);
	IS_INT(get(bytes("nobody"), NULL, &hit), SFS_E_IO);
	world_fault(&w, 0, false, SFS_OK);
	IS_INT(get(bytes("nobody"), NULL, &hit), SFS_OK);
	OK(!hit.found);
	end();
}

/* --- many at once ------------------------------------------------------------ */

struct answers {
	int found[200];
	int absent[200];
};

static bool take(void *arg, size_t index, const struct sfs_bytes *value)
{
	struct answers *a = arg;

	if (value != NULL)
		a->found[index]++;
	else
		a->absent[index]++;
	return true;
}

static enum sfs_rc ask(const struct golden *g, const struct sfs_columns *c,
                       struct answers *a)
{
	struct sfs_multi_get_options options = { .threads = 1,
		                                 .value_max = 1 << 20,
		                                 .columns = c };
	struct sfs_bytes keys[200];

	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < g->count && i < 200; i++)
		keys[i] = g->rows[i].key;
	return sfs_snapshot_multi_get(s, keys, g->count, &options, take, a,
	                              &err);
}

static void many_keys_are_found_without_columns(void)
{
	struct golden g = { 0 };
	struct answers a;

	for (int i = 0; i < STORE_COUNT; i++) {
		begin(STORES[i]);
		golden_load(&g, STORES[i], "expected");
		golden_load(&g, STORES[i], "missing");
		IS_INT(g.count, 140);
		IS_INT(ask(&g, NULL, &a), SFS_OK);
		for (int k = 0; k < 140; k++) {
			IS_INT(a.found[k], k < 120);
			IS_INT(a.absent[k], k >= 120);
		}
		golden_free(&g);
		end();
	}
}

static void columns_of_many_keys_say_one_shard(void)
{
	struct sfs_columns columns;
	struct golden g = { 0 };
	struct answers a;

	begin("cel-categorical-str");
	golden_load(&g, "cel-categorical-str", "expected");
	set_columns(&columns, "region=eu");
	IS_INT(ask(&g, &columns, &a), SFS_OK);
	for (size_t i = 0; i < g.count; i++) {
		IS_INT(a.found[i], g.rows[i].db_id == 1);
		IS_INT(a.absent[i], g.rows[i].db_id != 1);
	}
	sfs_columns_release(&columns);
	set_columns(&columns, "region=nowhere");
	IS_INT(ask(&g, &columns, &a), SFS_OK);
	for (size_t i = 0; i < g.count; i++)
		IS_INT(a.absent[i], 1);
	sfs_columns_release(&columns);
	sfs_snapshot_unref(s);
	w.source.fanout_max = 1;
	open_it();
	IS_INT(ask(&g, NULL, &a), SFS_E_INVALID);
	golden_free(&g);
	end();
}

/* --- walking all shards ------------------------------------------------------ */

static int compare(struct sfs_bytes a, struct sfs_bytes b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_key(const void *a, const void *b)
{
	return compare(((const struct golden_row *)a)->key,
	               ((const struct golden_row *)b)->key);
}

static void expect_walk(const struct golden *g, size_t skip)
{
	struct sfs_snapshot_merge *m = NULL;
	struct sfs_snapshot_pair pair;
	struct sfs_hit hit;
	bool found = true;

	IS_INT(sfs_snapshot_merge_open(s, skip, &m, NULL, &err), SFS_OK);
	for (size_t i = skip; i < g->count; i++) {
		IS_INT(sfs_snapshot_merge_next(m, &found, &pair, NULL, &err),
		       SFS_OK);
		OK(found);
		OK(compare(pair.key, g->rows[i].key) == 0);
		IS_INT(pair.db_id, g->rows[i].db_id);
		hit.db_id = pair.db_id;
		hit.info = pair.info;
		OK(has_value(&g->rows[i], &hit));
		if (i % 7 != 0)
			continue;
		sfs_snapshot_merge_back(m);
		IS_INT(sfs_snapshot_merge_next(m, &found, &pair, NULL, &err),
		       SFS_OK);
		OK(found && compare(pair.key, g->rows[i].key) == 0);
	}
	for (int i = 0; i < 2; i++) {
		IS_INT(sfs_snapshot_merge_next(m, &found, &pair, NULL, &err),
		       SFS_OK);
		OK(!found);
	}
	sfs_snapshot_merge_close(m);
}

static void all_shards_are_walked_in_key_order(void)
{
	struct golden g = { 0 };

	for (int i = 0; i < STORE_COUNT; i++) {
		begin(STORES[i]);
		golden_load(&g, STORES[i], "expected");
		qsort(g.rows, g.count, sizeof(g.rows[0]), by_key);
		expect_walk(&g, 0);
		expect_walk(&g, 50);
		expect_walk(&g, g.count);
		expect_walk(&g, g.count + 5);
		golden_free(&g);
		end();
	}
}

static void a_key_of_several_shards_is_walked_once(void)
{
	struct sfs_snapshot_merge *m = NULL;
	struct sfs_snapshot_pair pair;
	size_t rows = 0;
	bool found = true;
	char last[64] = "";

	begin("cel-direct-columns");
	for (uint32_t i = 0; i < 4; i++) {
		run_sql(i, "INSERT INTO kv VALUES (x'', x'30')");
		run_sql(i, "INSERT INTO kv VALUES (x'7a7a', x'30')");
		if (i % 2 == 1)
			run_sql(i, "INSERT INTO kv VALUES "
			           "(CAST('cust-000' AS BLOB), x'30')");
	}
	IS_INT(sfs_snapshot_merge_open(s, 0, &m, NULL, &err), SFS_OK);
	for (;;) {
		IS_INT(sfs_snapshot_merge_next(m, &found, &pair, NULL, &err),
		       SFS_OK);
		if (!found)
			break;
		if (rows == 0)
			IS_INT(pair.key.len, 0);
		if (rows == 1)
			IS_INT(pair.db_id, 1); /* cust-000 */
		if (pair.key.len == 0 || pair.key.len == 2)
			IS_INT(pair.db_id, 0);
		if (rows > 0)
			OK(compare(bytes(last), pair.key) < 0);
		(void)snprintf(last, sizeof(last), "%.*s", (int)pair.key.len,
		               (const char *)pair.key.data);
		rows++;
	}
	IS_INT(rows, 123);
	sfs_snapshot_merge_close(m);
	end();
}

int main(void)
{
	RUN(every_golden_key_is_found_with_its_context_and_without);
	RUN(the_text_of_a_golden_sharding_is_printed_again);
	RUN(a_key_in_several_shards_is_ambiguous);
	RUN(some_of_the_columns_are_as_good_as_none);
	RUN(too_many_shards_are_not_asked);
	RUN(a_fault_is_never_absence);
	RUN(many_keys_are_found_without_columns);
	RUN(columns_of_many_keys_say_one_shard);
	RUN(all_shards_are_walked_in_key_order);
	RUN(a_key_of_several_shards_is_walked_once);
	return tap_done();
}
