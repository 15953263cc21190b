/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction: the smallest runs are merged into one, shard after shard, until
 * no more than fan_in are left. Deletes stay, for older runs and the base.
 * The order of a shard is found first and replayed once each for heads,
 * tails and values, so that the run is written front to back. It works in one
 * slab, however many runs and shards there are, and holds the runs' disk
 * space twice while it lasts. Spills go on meanwhile.
 */
#include "build/runs_merge.h"

#include "base/alloc.h"

enum { RUN_MIN_BYTES = 4 << 10 }; /* of the slab, for each run to be merged */

/* A run and where its next segment is. */
struct walker {
	struct sfs_run *run;
	struct sfs_run_segment segment;
	uint64_t offset; /* of its heads */
	bool is_done;
};

struct compaction {
	struct sfs_runs *runs;
	struct sfs_run_writer writer;
	struct sfs_merge *merge;
	struct walker *walkers;       /* owned */
	struct sfs_merge_part *parts; /* owned */
	size_t count;                 /* runs */
};

static enum sfs_rc step(struct walker *w, uint64_t offset, struct sfs_err *err)
{
	enum sfs_rc rc;

	w->is_done = offset >= w->run->end;
	if (w->is_done)
		return SFS_OK;
	rc = sfs_run_read_at(w->run->volume->fd, &w->segment,
	                     sizeof(w->segment), offset, err);
	w->offset = offset + sizeof(w->segment);
	return rc;
}

static uint64_t behind(const struct walker *w)
{
	return w->offset + w->segment.count * sizeof(struct sfs_run_head) +
	       w->segment.tail_bytes + w->segment.value_bytes;
}

static enum sfs_rc put_record(struct compaction *c, unsigned what,
                              const struct sfs_merge_record *record,
                              struct sfs_err *err)
{
	const struct sfs_run_head *h = record->head;

	if (what == SFS_MERGE_TAILS)
		return sfs_run_writer_put(&c->writer, record->tail,
		                          sfs_run_tail_len(h->key_len), err);
	if (what == SFS_MERGE_VALUES)
		return sfs_run_writer_put(&c->writer, record->value,
		                          sfs_run_value_len(h->value_len), err);
	return sfs_run_writer_put(&c->writer, h, sizeof(*h), err);
}

/* what: 0 (heads), SFS_MERGE_TAILS or SFS_MERGE_VALUES. */
static enum sfs_rc replay(struct compaction *c, unsigned what,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_merge_record record = { 0 };
	bool found = true;
	enum sfs_rc rc;

	rc = sfs_merge_rewind(c->merge, err);
	while (rc == SFS_OK) {
		rc = sfs_merge_step(c->merge, what, &found, &record, call, err);
		if (rc != SFS_OK || !found)
			break;
		rc = put_record(c, what, &record, err);
	}
	return rc;
}

static enum sfs_rc merge_shard(struct compaction *c, uint32_t db_id,
                               size_t parts, const struct sfs_call *call,
                               struct sfs_err *err)
{
	struct sfs_run_segment total;
	enum sfs_rc rc;

	rc = sfs_merge_order(c->merge, c->parts, parts, &total, call, err);
	total.db_id = db_id;
	if (rc == SFS_OK)
		rc = sfs_run_writer_begin_segment(&c->writer, db_id, err);
	if (rc == SFS_OK)
		rc = replay(c, 0, call, err);
	if (rc == SFS_OK && total.tail_bytes > 0)
		rc = replay(c, SFS_MERGE_TAILS, call, err);
	if (rc == SFS_OK && total.value_bytes > 0)
		rc = replay(c, SFS_MERGE_VALUES, call, err);
	if (rc == SFS_OK)
		rc = sfs_run_writer_end_segment(&c->writer, &total, err);
	return rc;
}

/* The lowest shard that is left; false: none is. */
static bool lowest_shard(const struct compaction *c, uint32_t *db_id)
{
	bool found = false;

	for (size_t i = 0; i < c->count; i++) {
		const struct walker *w = &c->walkers[i];

		if (w->is_done || (found && w->segment.db_id >= *db_id))
			continue;
		*db_id = w->segment.db_id;
		found = true;
	}
	return found;
}

static enum sfs_rc merge_shards(struct compaction *c,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	uint32_t db_id = 0;
	enum sfs_rc rc = SFS_OK;

	while (rc == SFS_OK && lowest_shard(c, &db_id)) {
		size_t parts = 0;

		for (size_t i = 0; i < c->count && rc == SFS_OK; i++) {
			struct walker *w = &c->walkers[i];

			if (w->is_done || w->segment.db_id != db_id)
				continue;
			c->parts[parts++] =
				(struct sfs_merge_part){ w->run, w->segment,
				                         w->offset };
			rc = step(w, behind(w), err);
		}
		if (rc == SFS_OK)
			rc = merge_shard(c, db_id, parts, call, err);
	}
	return rc;
}

static enum sfs_rc begin(struct compaction *c, struct sfs_run **old,
                         uint8_t *slab, struct sfs_err *err)
{
	size_t buffer = c->runs->buffer_bytes;
	size_t room = sfs_slabs_bytes(c->runs->config.slabs) - buffer;
	enum sfs_rc rc = SFS_OK;

	room &= ~(size_t)(SFS_RUN_ALIGN_BYTES - 1);
	c->walkers = sfs_calloc(c->count, sizeof(*c->walkers));
	c->parts = sfs_calloc(c->count, sizeof(*c->parts));
	if (c->walkers == NULL || c->parts == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < c->count && rc == SFS_OK; i++) {
		c->walkers[i].run = old[i];
		rc = step(&c->walkers[i], old[i]->begin, err);
	}
	if (rc == SFS_OK)
		rc = sfs_merge_new(c->runs, c->count, slab, room, &c->merge,
		                   err);
	if (rc == SFS_OK)
		rc = sfs_run_writer_begin(&c->writer, c->runs, slab + room,
		                          buffer, err);
	return rc;
}

/* Makes one run of those, which the caller holds. */
static enum sfs_rc merge_runs(struct sfs_runs *r, struct sfs_run **old,
                              size_t count, const struct sfs_call *call,
                              struct sfs_err *err)
{
	struct compaction c = { .runs = r, .count = count };
	uint8_t *slab = sfs_slabs_get(r->config.slabs);
	struct sfs_run *run;
	enum sfs_rc rc;

	rc = begin(&c, old, slab, err);
	if (rc == SFS_OK)
		rc = merge_shards(&c, call, err);
	if (rc == SFS_OK)
		rc = sfs_run_writer_finish(&c.writer, &run, err);
	if (rc == SFS_OK)
		sfs_run_replace(r, old, count, run);
	sfs_run_writer_abort(&c.writer);
	sfs_merge_close(c.merge);
	sfs_free(c.walkers);
	sfs_free(c.parts);
	sfs_slabs_put(r->config.slabs, slab);
	return rc;
}

static int smallest_first(const void *a, const void *b)
{
	const struct sfs_run *ra = *(struct sfs_run *const *)a;
	const struct sfs_run *rb = *(struct sfs_run *const *)b;
	uint64_t la = ra->end - ra->begin;
	uint64_t lb = rb->end - rb->begin;

	return la < lb ? -1 : la > lb;
}

/* How many of count runs to merge: no more than needed, or than fit. */
static size_t how_many(const struct sfs_runs *r, size_t count)
{
	size_t fan_in = r->config.fan_in > 1 ? r->config.fan_in : 2;
	size_t fit = sfs_slabs_bytes(r->config.slabs) / RUN_MIN_BYTES;
	size_t wanted = count - r->config.fan_in + 1;

	if (wanted > fan_in)
		wanted = fan_in;
	return wanted < fit ? wanted : fit;
}

static enum sfs_rc compact_some(struct sfs_runs *r, bool *is_done,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_run **held;
	size_t count;
	size_t some;
	enum sfs_rc rc;

	rc = sfs_run_hold_all(r, &held, &count, err);
	if (rc != SFS_OK)
		return rc;
	*is_done = count <= r->config.fan_in;
	if (!*is_done) {
		qsort(held, count, sizeof(struct sfs_run *), smallest_first);
		some = how_many(r, count);
		rc = merge_runs(r, held, some, call, err);
	}
	for (size_t i = 0; i < count; i++)
		sfs_run_unref(r, held[i]);
	sfs_free(held);
	return rc;
}

enum sfs_rc sfs_runs_compact(struct sfs_runs *r, const struct sfs_call *call,
                             struct sfs_err *err)
{
	bool is_done = false;
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&r->compacting);
	while (rc == SFS_OK && !is_done) {
		rc = sfs_call_check(call, "merging runs", err);
		if (rc == SFS_OK)
			rc = compact_some(r, &is_done, call, err);
	}
	pthread_mutex_unlock(&r->compacting);
	return rc;
}
