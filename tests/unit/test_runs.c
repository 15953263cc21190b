/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The external sort against its model: random records through tiny slabs and
 * many runs, merged with and without compaction, a base and an overlay.
 */
#include "unit/runs_model.h"

enum { SLABS = 2, SLAB_BYTES = 64 << 10, ROUNDS = 60 };

struct world {
	struct sfs_slabs *slabs;
	struct sfs_runs *runs;
	struct sfs_runs *overlay;
	struct model model; /* records of both, and the base's pairs */
	struct model base;  /* the base's pairs alone, sorted */
	uint32_t num_dbs;
	int dir;
};

static uint8_t merge_memory[MODEL_MEMORY] __attribute__((aligned(4096)));

static void begin_with(struct world *w, uint32_t num_dbs, unsigned fan_in,
                       size_t slab_bytes)
{
	struct sfs_runs_config config = { .num_dbs = num_dbs,
		                          .fan_in = fan_in };
	struct sfs_err err;

	memset(w, 0, sizeof(*w));
	w->num_dbs = num_dbs;
	w->dir = model_directory();
	OK(sfs_slabs_new(SLABS, slab_bytes, &w->slabs, &err) == SFS_OK);
	config.dir_fd = w->dir;
	config.slabs = w->slabs;
	OK(sfs_runs_new(&config, &w->runs, &err) == SFS_OK);
	OK(sfs_runs_new(&config, &w->overlay, &err) == SFS_OK);
}

static void begin(struct world *w, uint32_t num_dbs, unsigned fan_in)
{
	begin_with(w, num_dbs, fan_in, SLAB_BYTES);
}

static void end(struct world *w)
{
	for (int i = 0; i < SLABS; i++)
		OK(sfs_slabs_try_get(w->slabs) != NULL);
	sfs_runs_free(w->overlay);
	sfs_runs_free(w->runs);
	sfs_slabs_free(w->slabs);
	for (size_t i = 0; i < w->base.count; i++)
		w->base.records[i].key = NULL; /* the model's */
	model_release(&w->base);
	model_release(&w->model);
	(void)close(w->dir);
}

static void give(struct sfs_runs *runs, struct sfs_run_filler *f,
                 const struct model_record *r)
{
	struct sfs_sort_record record = model_run_record(r);
	struct sfs_err err;

	if (r->key_len + r->value_len > sfs_run_record_max_bytes(runs)) {
		OK(!sfs_run_filler_add(f, &record));
		OK(sfs_run_spill_large(runs, &record, &err) == SFS_OK);
		return;
	}
	if (sfs_run_filler_add(f, &record))
		return;
	OK(!sfs_run_filler_is_empty(f));
	OK(sfs_run_filler_spill(f, &err) == SFS_OK);
	OK(sfs_run_filler_is_empty(f));
	OK(sfs_run_filler_add(f, &record));
}

/* Gives the model's records from first on to a set of runs. */
static void give_all(struct world *w, struct sfs_runs *runs, size_t first)
{
	struct sfs_run_filler *f = NULL;
	struct sfs_err err;

	OK(sfs_run_filler_new(runs, &f, &err) == SFS_OK);
	for (size_t i = first; i < w->model.count; i++)
		give(runs, f, &w->model.records[i]);
	OK(sfs_run_filler_spill(f, &err) == SFS_OK);
	OK(sfs_run_filler_spill(f, &err) == SFS_OK); /* nothing */
	sfs_run_filler_free(f);
}

/* What the first walk said, for comparing. */
struct measured {
	struct model_record *pairs; /* lengths only */
	size_t count;
	size_t cap;
};

static enum sfs_rc take_lengths(void *arg, size_t key_len, size_t value_len,
                                struct sfs_err *err)
{
	struct measured *m = arg;

	(void)err;
	if (m->count == m->cap) {
		m->cap = m->cap > 0 ? m->cap * 2 : 64;
		m->pairs = realloc(m->pairs, m->cap * sizeof(*m->pairs));
	}
	m->pairs[m->count++] = (struct model_record){ .key_len = key_len,
		                                      .value_len = value_len };
	return SFS_OK;
}

static bool has_same_value(const struct model_record *a,
                           const struct model_record *b)
{
	return a->value_len == b->value_len &&
	       memcmp(a->key + a->key_len, b->key + b->key_len, a->value_len) ==
	               0;
}

/* Counts a group of equal keys; NULL if nothing is left of it. */
static const struct model_record *expect_group(const struct model_record *r,
                                               size_t count,
                                               struct sfs_merge_counts *c)
{
	bool is_in_base = r[count - 1].rank == 0;

	if (r->is_delete) {
		c->deletes += is_in_base;
		return NULL;
	}
	c->rows++;
	c->value_bytes += r->value_len;
	c->adds += !is_in_base;
	c->changes += is_in_base && !has_same_value(r, &r[count - 1]);
	return r;
}

static bool is_pair(const struct sfs_pair *pair, const struct model_record *r)
{
	return pair->key.len == r->key_len && pair->value.len == r->value_len &&
	       memcmp(pair->key.data, r->key, r->key_len) == 0 &&
	       (r->value_len == 0 ||
	        memcmp(pair->value.data, r->key + r->key_len, r->value_len) ==
	                0);
}

/* The merge hands out what the sorted model's records make. */
static void check_pairs(struct sfs_merge *merge, const struct measured *lengths,
                        const struct model_record *r, size_t count,
                        const struct sfs_merge_counts *counts)
{
	struct sfs_merge_counts want = { 0 };
	struct sfs_pair pair;
	struct sfs_err err;
	size_t n = 0;
	bool found;

	for (size_t i = 0; i < count;) {
		const struct model_record *kept;
		size_t same = 1;

		while (i + same < count &&
		       model_compare_keys(&r[i], &r[i + same]) == 0)
			same++;
		kept = expect_group(&r[i], same, &want);
		i += same;
		if (kept == NULL)
			continue;
		OK(sfs_merge_next(merge, &found, &pair, NULL, &err) == SFS_OK);
		OK(found && is_pair(&pair, kept));
		OK(n < lengths->count &&
		   lengths->pairs[n].key_len == kept->key_len &&
		   lengths->pairs[n].value_len == kept->value_len);
		n++;
	}
	OK(sfs_merge_next(merge, &found, &pair, NULL, &err) == SFS_OK);
	OK(!found);
	IS_INT(lengths->count, n);
	OK(memcmp(counts, &want, sizeof(want)) == 0);
}

static void check_shard(struct world *w, uint32_t db_id,
                        const struct model_record *r, size_t count)
{
	struct model_base base = { .reader = { &model_reader_ops } };
	struct sfs_merge_config config = { .db_id = db_id,
		                           .overlay = w->overlay,
		                           .memory = merge_memory,
		                           .memory_len = sizeof(merge_memory) };
	struct measured lengths = { 0 };
	struct sfs_merge_counts counts;
	struct sfs_merge *merge = NULL;
	struct sfs_pair pair;
	struct sfs_err err;
	bool found;

	for (size_t i = 0; i < w->base.count; i++) {
		if (w->base.records[i].db_id != db_id)
			continue;
		if (base.count++ == 0)
			base.pairs = &w->base.records[i];
	}
	if (base.count > 0)
		config.base = &base.reader;
	OK(sfs_merge_open(w->runs, &config, &merge, NULL, &err) == SFS_OK);
	OK(sfs_merge_next(merge, &found, &pair, NULL, &err) == SFS_E_INVALID);
	OK(sfs_merge_measure(merge, take_lengths, &lengths, &counts, NULL,
	                     &err) == SFS_OK);
	OK(sfs_merge_measure(merge, NULL, NULL, &counts, NULL, &err) ==
	   SFS_E_INVALID);
	check_pairs(merge, &lengths, r, count, &counts);
	sfs_merge_close(merge);
	IS_INT(base.cursors, 0);
	free(lengths.pairs);
}

/* Every shard, and some of those without records. */
static void check_all(struct world *w)
{
	struct model_record *sorted;
	size_t begin_at = 0;

	sorted = calloc(w->model.count + 1, sizeof(*sorted));
	if (w->model.count > 0)
		memcpy(sorted, w->model.records,
		       w->model.count * sizeof(*sorted));
	qsort(sorted, w->model.count, sizeof(*sorted), model_compare);
	for (uint32_t db = 0; db < w->num_dbs; db++) {
		size_t end_at = begin_at;

		while (end_at < w->model.count && sorted[end_at].db_id == db)
			end_at++;
		if (end_at > begin_at || db % 64 == 0)
			check_shard(w, db, sorted + begin_at,
			            end_at - begin_at);
		begin_at = end_at;
	}
	IS_INT(begin_at, w->model.count);
	free(sorted);
}

static size_t run_count(struct sfs_runs *r)
{
	return r->count;
}

static void compact(struct sfs_runs *r)
{
	struct sfs_err err;

	OK(sfs_runs_compact(r, NULL, &err) == SFS_OK);
	OK(run_count(r) <= r->config.fan_in);
}

/* Keys of many kinds, from few enough that many are equal. */
static size_t random_key(uint8_t *key, size_t max, uint64_t kinds)
{
	uint64_t kind = model_random(kinds);
	size_t len = model_random(24);

	memset(key, 'k', max);
	if (kind == 0) { /* eight bytes */
		model_random(0);
		memcpy(key, &model_seed, 8);
		return 8;
	}
	if (kind == 1) { /* short, of NUL, 1 and 255: prefixes of others */
		for (size_t i = 0; i < len; i++)
			key[i] = "\0\1\377"[model_random(3)];
		return len;
	}
	if (kind == 2) /* a long common prefix, a number behind it */
		return 30 + (size_t)snprintf((char *)key + 30, max - 30, "%d",
		                             (int)model_random(2000));
	if (kind == 3) /* all of one letter: each the prefix of the next */
		return model_random(40);
	len = model_random(max / 2) + max / 4; /* longer than some buffers */
	key[model_random(len)] = (uint8_t)model_random(3);
	return len;
}

static size_t random_value_len(void)
{
	if (model_random(2000) == 0)
		return SLAB_BYTES + model_random(SLAB_BYTES);
	if (model_random(50) == 0)
		return model_random(9000);
	return model_random(3) == 0 ? 0 : model_random(60);
}

static void add_random(struct world *w, size_t count, uint64_t kinds)
{
	uint8_t key[4096];

	for (size_t i = 0; i < count; i++) {
		size_t len = random_key(key, sizeof(key), kinds);
		bool is_delete = model_random(6) == 0;
		struct model_record *r =
			model_add(&w->model, key, len,
		                  is_delete ? 0 : random_value_len());

		/* a key has one shard */
		r->db_id = (uint32_t)(len * 7 + (len > 8 ? key[len - 1] : 0)) %
		           w->num_dbs;
		r->is_delete = is_delete;
	}
}

/* What is in the records already; of half of them a byte differs. */
static void add_copy(struct world *w, size_t i)
{
	struct model_record from = w->model.records[i];
	struct model_record *r =
		model_add(&w->model, from.key, from.key_len, from.value_len);
	uint8_t *value = r->key + r->key_len;

	r->db_id = from.db_id;
	memcpy(value, from.key + from.key_len, r->value_len);
	if (r->value_len > 0 && model_random(2) == 0)
		value[model_random(r->value_len)] ^= 1;
}

/* Pairs of the base: some with keys that the records have, too. */
static void add_base(struct world *w, size_t count, uint64_t kinds)
{
	size_t first = w->model.count;

	add_random(w, count - count / 2, kinds);
	while (w->model.count > 0 && w->model.count < first + count)
		add_copy(w, model_random(w->model.count));
	count = w->model.count - first;
	for (size_t i = first; i < w->model.count; i++) {
		w->model.records[i].rank = 0;
		w->model.records[i].is_delete = false;
	}
	qsort(w->model.records + first, count, sizeof(*w->model.records),
	      model_compare);
	w->base.records = calloc(count + 1, sizeof(*w->base.records));
	w->model.count = first;
	for (size_t i = first; i < first + count; i++) {
		struct model_record r = w->model.records[i];

		if (w->base.count > 0 &&
		    r.db_id == w->base.records[w->base.count - 1].db_id &&
		    model_compare_keys(
			    &r, &w->base.records[w->base.count - 1]) == 0) {
			free(r.key);
			continue;
		}
		w->base.records[w->base.count++] = r;
		w->model.records[w->model.count++] = r;
	}
}

static void random_records_come_out_as_the_model_says(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t num_dbs =
			(uint32_t)(i % 3 == 0 ? 300 : 1 + model_random(5));
		uint64_t kinds = i % 5 == 4 ? 5 : 4;
		struct world w;
		size_t first;

		begin(&w, num_dbs, 2 + (unsigned)i % 3);
		add_random(&w, model_random(4000), kinds);
		give_all(&w, w.runs, 0);
		if (i % 2 == 0)
			compact(w.runs);
		first = w.model.count;
		add_random(&w, model_random(500), kinds);
		give_all(&w, i % 4 < 2 ? w.overlay : w.runs, first);
		if (i % 4 != 1)
			add_base(&w, model_random(800), kinds);
		check_all(&w);
		compact(w.runs);
		check_all(&w);
		end(&w);
	}
}

static void shards_are_many_and_small(void)
{
	struct world w;

	begin(&w, 70000, 3);
	for (int i = 0; i < 6000; i++) {
		uint64_t key = model_random(UINT64_MAX);
		struct model_record *r = model_add(&w.model, &key, 8, 5);

		r->db_id = (uint32_t)(key % w.num_dbs);
	}
	give_all(&w, w.runs, 0);
	check_all(&w);
	compact(w.runs);
	check_all(&w);
	end(&w);
}

static void an_order_too_long_for_memory_is_kept_on_disk(void)
{
	struct world w;

	begin(&w, 1, 4);
	for (int i = 0; i < 30000; i++) {
		uint64_t key = model_random(20000);

		(void)model_add(&w.model, &key, 8, model_random(4));
	}
	give_all(&w, w.runs, 0);
	compact(w.runs);
	check_all(&w);
	end(&w);
}

static void the_same_key_again_and_again_is_one_pair(void)
{
	static const char key[] = "the same key, longer than a prefix";
	struct world w;

	begin(&w, 2, 2);
	for (int i = 0; i < 3000; i++)
		(void)model_add(&w.model, key, sizeof(key), 20);
	give_all(&w, w.runs, 0);
	/* one of each run is left */
	IS_INT(sfs_runs_count(w.runs, 0), run_count(w.runs));
	check_all(&w);
	end(&w);
}

static void long_keys_that_differ_late_are_sorted(void)
{
	uint8_t key[600];
	struct world w;

	begin(&w, 1, 2);
	memset(key, 0, sizeof(key));
	for (int i = 0; i < 1500; i++) {
		size_t len = sizeof(key) - model_random(3);

		key[sizeof(key) - 1 - model_random(200)] =
			(uint8_t)model_random(2);
		(void)model_add(&w.model, key, len, 2);
	}
	give_all(&w, w.runs, 0);
	check_all(&w);
	end(&w);
	begin_with(&w, 1, 2, 4 << 20); /* few enough bytes to be one run */
	for (int i = 0; i < 5000; i++) {
		key[sizeof(key) - 1 - model_random(200)] =
			(uint8_t)model_random(2);
		(void)model_add(&w.model, key, sizeof(key), 2);
	}
	give_all(&w, w.runs, 0);
	check_all(&w);
	end(&w);
}

static void numbers_that_ascend_are_sorted(void)
{
	struct world w;

	begin_with(&w, 3, 2, 8 << 20);
	for (uint64_t i = 0; i < 90000; i++) {
		uint64_t key = htobe64(i * 3 + model_random(5));

		model_add(&w.model, &key, 8, 1)->db_id = (uint32_t)(key % 3);
	}
	give_all(&w, w.runs, 0);
	IS_INT(run_count(w.runs), 1);
	check_all(&w);
	end(&w);
}

/* Larger than any buffer, of equal sizes; the last byte tells. */
static void large_values_are_compared_to_their_ends(void)
{
	struct model_record *r;
	struct world w;

	begin(&w, 1, 2);
	for (uint64_t key = 0; key < 4; key++)
		(void)model_add(&w.model, &key, 8, 5 * SLAB_BYTES + 1);
	give_all(&w, w.runs, 0);
	w.base.records = calloc(4, sizeof(*w.base.records));
	for (size_t i = 0; i < 4; i++) {
		add_copy(&w, i);
		r = &w.model.records[4 + i];
		r->rank = 0;
		memcpy(r->key, w.model.records[i].key,
		       r->key_len + r->value_len);
		r->key[r->key_len + r->value_len - 1] ^= i % 2;
		w.base.records[w.base.count++] = *r;
	}
	check_all(&w);
	end(&w);
}

static void nothing_merges_to_nothing(void)
{
	struct world w;

	begin(&w, 3, 2);
	IS_INT(sfs_runs_bytes(w.runs), 0);
	IS_INT(sfs_runs_count(w.runs, 2), 0);
	IS_INT(sfs_runs_stamp(w.runs, 2), 0);
	compact(w.runs);
	check_all(&w);
	end(&w);
}

static void stamps_tell_which_shards_have_more(void)
{
	struct world w;
	uint64_t stamp;
	uint64_t bytes;

	begin(&w, 3, 1);
	model_add(&w.model, "a", 1, 10)->db_id = 1;
	give_all(&w, w.runs, 0);
	stamp = sfs_runs_stamp(w.runs, 1);
	OK(stamp != 0);
	IS_INT(sfs_runs_stamp(w.runs, 0), 0);
	model_add(&w.model, "b", 1, 10)->db_id = 2;
	give_all(&w, w.runs, 1);
	IS_INT(sfs_runs_stamp(w.runs, 1), stamp);
	OK(sfs_runs_stamp(w.runs, 2) != 0);
	model_add(&w.model, "c", 1, 10)->db_id = 1;
	give_all(&w, w.runs, 2);
	OK(sfs_runs_stamp(w.runs, 1) != stamp);
	IS_INT(sfs_runs_count(w.runs, 1), 2);
	stamp = sfs_runs_stamp(w.runs, 1);
	bytes = sfs_runs_bytes(w.runs);
	compact(w.runs);
	IS_INT(run_count(w.runs), 1);
	IS_INT(sfs_runs_stamp(w.runs, 1), stamp);
	IS_INT(sfs_runs_count(w.runs, 1), 2);
	OK(sfs_runs_bytes(w.runs) > 0 && sfs_runs_bytes(w.runs) < bytes);
	check_all(&w);
	end(&w);
}

int main(void)
{
	RUN(nothing_merges_to_nothing);
	RUN(random_records_come_out_as_the_model_says);
	RUN(large_values_are_compared_to_their_ends);
	RUN(shards_are_many_and_small);
	RUN(an_order_too_long_for_memory_is_kept_on_disk);
	RUN(the_same_key_again_and_again_is_one_pair);
	RUN(long_keys_that_differ_late_are_sorted);
	RUN(numbers_that_ascend_are_sorted);
	RUN(stamps_tell_which_shards_have_more);
	return tap_done();
}
