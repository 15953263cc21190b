/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The external sort when memory or disk end, when the base is damaged, when
 * it is cancelled, and with several threads at once: the right code, nothing
 * lost, and it goes on afterwards.
 */
#include "unit/runs_model.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

enum {
	SLABS = 5,
	SLAB_BYTES = 64 << 10,
	RECORDS = 3000,
	VALUE_BYTES = 40,
	THREADS = 4,
	PER_THREAD = 6000,
	SHARDS = 3,
};

struct world {
	struct sfs_slabs *slabs;
	struct sfs_runs *runs;
	int dir;
};

struct memory {
	uint8_t bytes[MODEL_MEMORY] __attribute__((aligned(4096)));
};

static struct memory merge_memory;

static enum sfs_rc open_runs(struct world *w, unsigned fan_in,
                             struct sfs_err *err)
{
	struct sfs_runs_config config = { .dir_fd = w->dir,
		                          .num_dbs = SHARDS,
		                          .slabs = w->slabs,
		                          .fan_in = fan_in };

	w->runs = NULL;
	return sfs_runs_new(&config, &w->runs, err);
}

static void begin(struct world *w)
{
	struct sfs_err err;

	memset(w, 0, sizeof(*w));
	w->dir = model_directory();
	OK(sfs_slabs_new(SLABS, SLAB_BYTES, &w->slabs, &err) == SFS_OK);
}

static void end(struct world *w)
{
	for (int i = 0; i < SLABS; i++)
		OK(sfs_slabs_try_get(w->slabs) != NULL);
	sfs_runs_free(w->runs);
	sfs_slabs_free(w->slabs);
	(void)close(w->dir);
}

/* Record i of shard i % SHARDS; each key twice, the later one wins. */
static enum sfs_rc add_number(struct sfs_run_filler *f, uint64_t i,
                              struct sfs_err *err)
{
	uint8_t value[VALUE_BYTES];
	char key[40];
	struct sfs_sort_record record = { .rank = i + 1 };
	uint64_t number = i / SHARDS / 2 * SHARDS + i % SHARDS;
	enum sfs_rc rc = SFS_OK;

	(void)snprintf(key, sizeof(key), "long enough for a tail %08d",
	               (int)number);
	memset(value, (int)i, sizeof(value));
	record.db_id = (uint32_t)(i % SHARDS);
	record.key = (struct sfs_bytes){ (uint8_t *)key, strlen(key) };
	record.value = (struct sfs_bytes){ value, sizeof(value) };
	while (rc == SFS_OK && !sfs_run_filler_add(f, &record))
		rc = sfs_run_filler_spill(f, err);
	return rc;
}

static enum sfs_rc fill(struct sfs_runs *r, uint64_t first, uint64_t count,
                        struct sfs_err *err)
{
	struct sfs_run_filler *f = NULL;
	enum sfs_rc rc = sfs_run_filler_new(r, &f, err);

	for (uint64_t i = first; rc == SFS_OK && i < first + count; i++)
		rc = add_number(f, i, err);
	if (rc == SFS_OK)
		rc = sfs_run_filler_spill(f, err);
	sfs_run_filler_free(f);
	return rc;
}

static enum sfs_rc merge_one(struct sfs_runs *r, uint32_t db_id,
                             struct sfs_shard_reader *base,
                             struct memory *memory, uint64_t *rows,
                             struct sfs_err *err)
{
	struct sfs_merge_config config = { .db_id = db_id,
		                           .base = base,
		                           .memory = memory->bytes,
		                           .memory_len = MODEL_MEMORY };
	struct sfs_merge_counts counts = { 0 };
	struct sfs_merge *m = NULL;
	struct sfs_pair pair;
	bool found = true;
	enum sfs_rc rc;

	rc = sfs_merge_open(r, &config, &m, NULL, err);
	if (rc == SFS_OK)
		rc = sfs_merge_measure(m, NULL, NULL, &counts, NULL, err);
	while (rc == SFS_OK && found) {
		rc = sfs_merge_next(m, &found, &pair, NULL, err);
		*rows += rc == SFS_OK && found;
	}
	sfs_merge_close(m);
	return rc;
}

static enum sfs_rc merge_all(struct sfs_runs *r, struct memory *memory,
                             uint64_t *rows, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	*rows = 0;
	for (uint32_t db = 0; db < SHARDS && rc == SFS_OK; db++)
		rc = merge_one(r, db, NULL, memory, rows, err);
	return rc;
}

static enum sfs_rc everything(struct world *w, uint64_t *rows,
                              struct sfs_err *err)
{
	enum sfs_rc rc = open_runs(w, 2, err);

	if (rc == SFS_OK)
		rc = fill(w->runs, 0, RECORDS, err);
	if (rc == SFS_OK)
		rc = sfs_runs_compact(w->runs, NULL, err);
	if (rc == SFS_OK)
		rc = merge_all(w->runs, &merge_memory, rows, err);
	return rc;
}

static void allocations_fail_one_after_the_other(void)
{
	unsigned long injected = 0;
	bool has_failed = true;

	for (unsigned long n = 1; has_failed; n++) {
		unsigned long before = sfs_alloc_fault_count();
		uint64_t rows = 0;
		struct sfs_err err;
		struct world w;
		enum sfs_rc rc;

		begin(&w);
		sfs_alloc_fail_nth(n);
		rc = everything(&w, &rows, &err);
		sfs_alloc_fail_nth(0);
		has_failed = sfs_alloc_fault_count() > before;
		IS_INT(rc, has_failed ? SFS_E_NO_MEMORY : SFS_OK);
		if (!has_failed)
			IS_INT(rows, RECORDS / 2);
		injected += has_failed;
		end(&w);
	}
	OK(injected > 20);
	printf("# %lu faults\n", injected);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	OK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes;
	OK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void a_spill_that_failed_can_be_tried_again(void)
{
	struct sfs_run_filler *f = NULL;
	uint64_t rows = 0;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(open_runs(&w, 2, &err) == SFS_OK);
	OK(sfs_run_filler_new(w.runs, &f, &err) == SFS_OK);
	for (uint64_t i = 0; i < 300; i++)
		OK(add_number(f, i, &err) == SFS_OK);
	for (rlim_t limit = 0; limit < 8192; limit += 4096) {
		limit_files(limit);
		OK(sfs_run_filler_spill(f, &err) == SFS_E_NO_SPACE);
		HAS_STR(err.msg, "sorted run");
		OK(!sfs_run_filler_is_empty(f));
		IS_INT(sfs_runs_bytes(w.runs), 0);
		IS_INT(sfs_runs_count(w.runs, 0), 0);
		IS_INT(sfs_runs_stamp(w.runs, 0), 0);
	}
	limit_files(RLIM_INFINITY);
	OK(sfs_run_filler_spill(f, &err) == SFS_OK);
	sfs_run_filler_free(f);
	IS_INT(sfs_runs_count(w.runs, 0), 50);
	OK(merge_all(w.runs, &merge_memory, &rows, &err) == SFS_OK);
	IS_INT(rows, 150);
	end(&w);
}

static void a_filler_that_failed_can_be_dropped(void)
{
	struct sfs_run_filler *f = NULL;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(open_runs(&w, 2, &err) == SFS_OK);
	OK(sfs_run_filler_new(w.runs, &f, &err) == SFS_OK);
	OK(add_number(f, 0, &err) == SFS_OK);
	limit_files(0);
	OK(sfs_run_filler_spill(f, &err) == SFS_E_NO_SPACE);
	limit_files(RLIM_INFINITY);
	sfs_run_filler_free(f);
	end(&w);
}

static void a_large_record_that_does_not_fit_the_disk_leaves_nothing(void)
{
	const size_t len = 10 * SLAB_BYTES;
	struct sfs_sort_record record = { .rank = 1 };
	uint64_t rows = 0;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(open_runs(&w, 2, &err) == SFS_OK);
	record.value.data = calloc(1, len);
	record.value.len = len;
	limit_files(len);
	OK(sfs_run_spill_large(w.runs, &record, &err) == SFS_E_NO_SPACE);
	limit_files(RLIM_INFINITY);
	IS_INT(sfs_runs_bytes(w.runs), 0);
	OK(sfs_run_spill_large(w.runs, &record, &err) == SFS_OK);
	OK(merge_all(w.runs, &merge_memory, &rows, &err) == SFS_OK);
	IS_INT(rows, 1);
	record.value.len = UINT32_MAX;
	OK(sfs_run_spill_large(w.runs, &record, &err) == SFS_E_TOO_BIG);
	free((void *)(uintptr_t)record.value.data);
	end(&w);
}

static void a_compaction_that_fails_loses_nothing(void)
{
	uint64_t bytes;
	uint64_t rows;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(open_runs(&w, 1, &err) == SFS_OK);
	OK(fill(w.runs, 0, RECORDS, &err) == SFS_OK);
	bytes = sfs_runs_bytes(w.runs);
	limit_files(bytes + 20000);
	OK(sfs_runs_compact(w.runs, NULL, &err) == SFS_E_NO_SPACE);
	limit_files(RLIM_INFINITY);
	OK(merge_all(w.runs, &merge_memory, &rows, &err) == SFS_OK);
	IS_INT(rows, RECORDS / 2);
	OK(sfs_runs_compact(w.runs, NULL, &err) == SFS_OK);
	OK(merge_all(w.runs, &merge_memory, &rows, &err) == SFS_OK);
	IS_INT(rows, RECORDS / 2);
	end(&w);
}

static void a_directory_that_is_none_is_told(void)
{
	struct sfs_sort_record record = { .rank = 1 };
	struct sfs_err err;
	struct world w;

	begin(&w);
	(void)close(w.dir);
	w.dir = open("/dev/null", O_RDONLY | O_CLOEXEC);
	OK(open_runs(&w, 2, &err) == SFS_OK);
	OK(sfs_run_spill_large(w.runs, &record, &err) == SFS_E_NOT_DIR);
	HAS_STR(err.msg, "scratch file");
	end(&w);
}

static void sizes_too_small_are_refused(void)
{
	struct sfs_merge_config config = { .memory = merge_memory.bytes,
		                           .memory_len = 4096 };
	struct sfs_slabs *small = NULL;
	struct sfs_slabs *normal;
	struct sfs_merge *m;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(sfs_slabs_new(1, 4096, &small, &err) == SFS_OK);
	normal = w.slabs;
	w.slabs = small;
	OK(open_runs(&w, 2, &err) == SFS_E_INVALID);
	w.slabs = normal;
	OK(open_runs(&w, 2, &err) == SFS_OK);
	OK(sfs_merge_open(w.runs, &config, &m, NULL, &err) == SFS_E_INVALID);
	sfs_slabs_free(small);
	end(&w);
}

static void too_many_runs_for_the_memory_say_so(void)
{
	struct sfs_sort_record record = { .rank = 1 };
	uint64_t rows;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(open_runs(&w, 8, &err) == SFS_OK);
	for (; record.rank < 400; record.rank++)
		OK(sfs_run_spill_large(w.runs, &record, &err) == SFS_OK);
	OK(merge_all(w.runs, &merge_memory, &rows, &err) == SFS_E_NO_MEMORY);
	OK(sfs_runs_compact(w.runs, NULL, &err) == SFS_OK);
	OK(merge_all(w.runs, &merge_memory, &rows, &err) == SFS_OK);
	IS_INT(rows, 1);
	end(&w);
}

static void cancelling_ends_merging_and_compacting(void)
{
	struct sfs_merge_config config = { .memory = merge_memory.bytes,
		                           .memory_len = MODEL_MEMORY };
	struct sfs_merge_counts counts;
	struct sfs_cancel cancel;
	struct sfs_call call = { .cancel = &cancel };
	struct sfs_merge *m = NULL;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(sfs_cancel_init(&cancel, &err) == SFS_OK);
	OK(open_runs(&w, 1, &err) == SFS_OK);
	OK(fill(w.runs, 0, RECORDS, &err) == SFS_OK);
	OK(sfs_merge_open(w.runs, &config, &m, &call, &err) == SFS_OK);
	sfs_cancel_raise(&cancel);
	OK(sfs_merge_measure(m, NULL, NULL, &counts, &call, &err) ==
	   SFS_E_CANCELED);
	OK(sfs_runs_compact(w.runs, &call, &err) == SFS_E_CANCELED);
	sfs_merge_close(m);
	sfs_cancel_release(&cancel);
	end(&w);
}

/* A base of n pairs of equal length, keys as given. */
static enum sfs_rc merge_base(struct world *w, struct model *pairs,
                              uint64_t *rows, struct sfs_err *err)
{
	struct model_base base = { .reader = { &model_reader_ops },
		                   .pairs = pairs->records,
		                   .count = pairs->count };
	enum sfs_rc rc;

	*rows = 0;
	rc = merge_one(w->runs, 0, &base.reader, &merge_memory, rows, err);
	IS_INT(base.cursors, 0);
	return rc;
}

static void a_base_out_of_order_is_corrupt(void)
{
	static const char *const bad[][2] = { { "b", "a" },
		                              { "same", "same" },
		                              { "long prefix b",
		                                "long prefix a" },
		                              { "\1", "" } };
	uint64_t rows;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(open_runs(&w, 2, &err) == SFS_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct model pairs = { 0 };

		for (int j = 0; j < 2; j++)
			(void)model_add(&pairs, bad[i][j], strlen(bad[i][j]),
			                10);
		OK(merge_base(&w, &pairs, &rows, &err) == SFS_E_CORRUPT);
		HAS_STR(err.msg, "do not ascend");
		pairs.count = 1;
		OK(merge_base(&w, &pairs, &rows, &err) == SFS_OK);
		IS_INT(rows, 1);
		pairs.count = 2;
		model_release(&pairs);
	}
	end(&w);
}

static enum sfs_rc read_less(struct sfs_shard_reader *reader,
                             sfs_locator locator, uint64_t offset, void *buf,
                             size_t len, size_t *got,
                             const struct sfs_call *call, struct sfs_err *err)
{
	(void)reader;
	(void)locator;
	(void)offset;
	(void)call;
	(void)err;
	memset(buf, 0, len);
	*got = len - 1;
	return SFS_OK;
}

static void a_base_with_short_values_is_corrupt(void)
{
	struct sfs_shard_reader_ops ops = model_reader_ops;
	struct model pairs = { 0 };
	struct model_base base = { .reader = { &ops } };
	uint64_t rows = 0;
	struct sfs_err err;
	struct world w;

	ops.read = read_less;
	begin(&w);
	OK(open_runs(&w, 2, &err) == SFS_OK);
	(void)model_add(&pairs, "key", 3, 10);
	base.pairs = pairs.records;
	base.count = 1;
	OK(merge_one(w.runs, 0, &base.reader, &merge_memory, &rows, &err) ==
	   SFS_E_CORRUPT);
	model_release(&pairs);
	end(&w);
}

struct job {
	struct sfs_runs *runs;
	struct memory memory;
	uint64_t first;
	atomic_bool *is_over;
	enum sfs_rc rc;
};

static void *fill_part(void *arg)
{
	struct job *j = arg;
	struct sfs_err err;

	j->rc = fill(j->runs, j->first, PER_THREAD, &err);
	return NULL;
}

static void *compact_and_merge(void *arg)
{
	struct job *j = arg;
	uint64_t rows = 0;
	struct sfs_err err;

	while (j->rc == SFS_OK && !atomic_load(j->is_over)) {
		j->rc = sfs_runs_compact(j->runs, NULL, &err);
		if (j->rc == SFS_OK)
			j->rc = merge_all(j->runs, &j->memory, &rows, &err);
	}
	return NULL;
}

static void threads_fill_while_others_compact_and_merge(void)
{
	static struct job fillers[THREADS];
	static struct job merger;
	pthread_t threads[THREADS];
	pthread_t merging;
	atomic_bool is_over = false;
	uint64_t rows = 0;
	struct sfs_err err;
	struct world w;

	begin(&w);
	OK(open_runs(&w, 3, &err) == SFS_OK);
	merger.runs = w.runs;
	merger.is_over = &is_over;
	OK(pthread_create(&merging, NULL, compact_and_merge, &merger) == 0);
	for (unsigned i = 0; i < THREADS; i++) {
		fillers[i].runs = w.runs;
		fillers[i].first = (uint64_t)i * PER_THREAD;
		OK(pthread_create(&threads[i], NULL, fill_part, &fillers[i]) ==
		   0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		IS_INT(fillers[i].rc, SFS_OK);
	}
	atomic_store(&is_over, true);
	pthread_join(merging, NULL);
	IS_INT(merger.rc, SFS_OK);
	OK(merge_all(w.runs, &merge_memory, &rows, &err) == SFS_OK);
	IS_INT(rows, THREADS * PER_THREAD / 2);
	end(&w);
}

int main(void)
{
	(void)signal(SIGXFSZ, SIG_IGN);
	RUN(allocations_fail_one_after_the_other);
	RUN(a_spill_that_failed_can_be_tried_again);
	RUN(a_filler_that_failed_can_be_dropped);
	RUN(a_large_record_that_does_not_fit_the_disk_leaves_nothing);
	RUN(a_compaction_that_fails_loses_nothing);
	RUN(a_directory_that_is_none_is_told);
	RUN(sizes_too_small_are_refused);
	RUN(too_many_runs_for_the_memory_say_so);
	RUN(cancelling_ends_merging_and_compacting);
	RUN(a_base_out_of_order_is_corrupt);
	RUN(a_base_with_short_values_is_corrupt);
	RUN(threads_fill_while_others_compact_and_merge);
	return tap_done();
}
