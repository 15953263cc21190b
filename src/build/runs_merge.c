/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merge of one shard: the first walk finds the order (runs_walk.c), the
 * second one, here, follows it and reads the values, too.
 *
 * Memory: what the caller gave (an eighth of it for the order), about 400
 * bytes a run, 64 KiB of a value of the base, the longest key, the longest value that is in the base or
 * crosses a buffer's end, and, where keys are longer than a stream's buffer,
 * one key a run.
 */
#include "build/runs_merge.h"

#include "base/alloc.h"

#include <endian.h>

enum {
	SOURCE_MIN_BYTES = 256,
	WINDOWS_BYTES = 4 << 20, /* of all streams: what caches hold */
	WINDOW_MIN_BYTES = 64 << 10,
	ORDER_PART = 8,
};

/* Referenced runs of one set; NULL where a source took it over. */
struct held {
	struct sfs_runs *runs;
	struct sfs_run **list; /* owned */
	size_t count;
};

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
}

enum sfs_rc sfs_merge_new(struct sfs_runs *r, size_t sources_max,
                          uint8_t *memory, size_t memory_len,
                          struct sfs_merge **out, struct sfs_err *err)
{
	size_t order_bytes = memory_len / ORDER_PART & ~(size_t)63;
	struct sfs_merge *m = sfs_calloc(1, sizeof(*m));

	if (m == NULL)
		return no_memory(err);
	m->runs = r;
	m->memory = memory + order_bytes;
	m->memory_len = memory_len - order_bytes;
	m->cap = sources_max;
	sfs_run_order_init(&m->order, r, memory, order_bytes);
	m->sources = sfs_calloc(sources_max, sizeof(*m->sources));
	m->tree = sfs_calloc(sources_max, sizeof(*m->tree));
	if (m->sources == NULL || m->tree == NULL) {
		sfs_merge_close(m);
		return no_memory(err);
	}
	*out = m;
	return SFS_OK;
}

void sfs_merge_close(struct sfs_merge *m)
{
	if (m == NULL)
		return;
	if (m->cursor != NULL)
		m->cursor->ops->close(m->cursor);
	for (size_t i = 0; m->sources != NULL && i < m->cap; i++) {
		sfs_run_source_release(&m->sources[i]);
		if (m->owns_runs && m->sources[i].run != NULL)
			sfs_run_unref(m->sources[i].owner, m->sources[i].run);
	}
	sfs_run_order_release(&m->order);
	sfs_free(m->sources);
	sfs_free(m->tree);
	sfs_run_big_release(&m->group_tail);
	sfs_run_big_release(&m->base_part);
	sfs_run_big_release(&m->long_key);
	sfs_run_big_release(&m->value);
	sfs_free(m);
}

/* Gives each run its part of the memory. */
static enum sfs_rc begin_sources(struct sfs_merge *m, size_t runs,
                                 struct sfs_err *err)
{
	size_t part = runs > 0 ? m->memory_len / runs & ~(size_t)63 : 0;
	size_t window = runs > 0 ? WINDOWS_BYTES / runs & ~(size_t)63 : 0;
	enum sfs_rc rc = SFS_OK;

	if (window < WINDOW_MIN_BYTES)
		window = WINDOW_MIN_BYTES;
	if (runs > 0 && part < SOURCE_MIN_BYTES)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "%zu runs are too many to merge at once",
		                   runs);
	for (size_t i = 0; i < runs && rc == SFS_OK; i++) {
		m->sources[i].buf = m->memory + i * part;
		m->sources[i].cap = part;
		rc = sfs_run_source_begin(&m->sources[i], window, &m->value,
		                          err);
	}
	return rc;
}

/* The runs that hold the shard become sources. */
static enum sfs_rc find_sources(struct sfs_merge *m, struct held *h,
                                uint32_t db_id, struct sfs_err *err)
{
	bool found = false;
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; i < h->count && rc == SFS_OK; i++) {
		struct sfs_run_source *s = &m->sources[m->count];

		rc = sfs_run_find(h->list[i], db_id, m->memory, &found,
		                  &s->segment, &s->offset, err);
		if (rc != SFS_OK || !found)
			continue;
		s->run = h->list[i];
		s->owner = h->runs;
		h->list[i] = NULL;
		m->count++;
	}
	return rc;
}

static void let_go(struct held *h)
{
	for (size_t i = 0; i < h->count; i++) {
		if (h->list[i] != NULL)
			sfs_run_unref(h->runs, h->list[i]);
	}
	sfs_free(h->list);
}

/* A merge of all those runs that hold the shard. */
static enum sfs_rc merge_held(struct sfs_runs *r,
                              const struct sfs_merge_config *config,
                              struct held *all, struct held *overlay,
                              struct sfs_merge **out, struct sfs_err *err)
{
	size_t count = all->count + overlay->count;
	struct sfs_merge *m = NULL;
	enum sfs_rc rc;

	if (count >= SFS_RUN_SOURCES_MAX)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "%zu runs are too many to merge at once",
		                   count);
	rc = sfs_merge_new(r, count + 1, config->memory, config->memory_len, &m,
	                   err);
	if (rc != SFS_OK)
		return rc;
	m->owns_runs = true;
	rc = find_sources(m, all, config->db_id, err);
	if (rc == SFS_OK)
		rc = find_sources(m, overlay, config->db_id, err);
	if (rc == SFS_OK)
		rc = begin_sources(m, m->count, err);
	if (rc != SFS_OK) {
		sfs_merge_close(m);
		return rc;
	}
	m->base = config->base;
	if (m->base != NULL)
		m->sources[m->count++].is_base = true;
	*out = m;
	return SFS_OK;
}

enum sfs_rc sfs_merge_open(struct sfs_runs *r,
                           const struct sfs_merge_config *config,
                           struct sfs_merge **out, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct held all = { .runs = r };
	struct held overlay = { .runs = config->overlay };
	enum sfs_rc rc;

	if (config->memory_len < 2 * SFS_RUN_INDEX_BYTES)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%zu bytes are too few to merge in",
		                   config->memory_len);
	rc = sfs_call_check(call, "merging", err);
	if (rc == SFS_OK)
		rc = sfs_run_hold_all(r, &all.list, &all.count, err);
	if (rc == SFS_OK && config->overlay != NULL)
		rc = sfs_run_hold_all(config->overlay, &overlay.list,
		                      &overlay.count, err);
	if (rc == SFS_OK)
		rc = merge_held(r, config, &all, &overlay, out, err);
	let_go(&overlay);
	let_go(&all);
	return rc;
}

enum sfs_rc sfs_merge_rewind_sources(struct sfs_merge *m,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	if (m->cursor != NULL)
		m->cursor->ops->close(m->cursor);
	m->cursor = NULL;
	for (size_t i = 0; i < m->count; i++) {
		if (!m->sources[i].is_base)
			sfs_run_source_rewind(&m->sources[i]);
	}
	if (m->base == NULL)
		return SFS_OK;
	return m->base->ops->iterate(m->base, 0, &m->cursor, call, err);
}

enum sfs_rc sfs_merge_measure(struct sfs_merge *m, sfs_merge_measure_fn *fn,
                              void *arg, struct sfs_merge_counts *counts_out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_merge_walk walk = { .fn = fn, .arg = arg };
	enum sfs_rc rc;

	if (m->state != SFS_MERGE_FRESH)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "a merge is measured once");
	rc = sfs_merge_walk_first(m, &walk, true, call, err);
	if (rc != SFS_OK)
		return rc;
	m->state = SFS_MERGE_ORDERED;
	*counts_out = walk.counts;
	return SFS_OK;
}

enum sfs_rc sfs_merge_order(struct sfs_merge *m,
                            const struct sfs_merge_part *parts, size_t count,
                            struct sfs_run_segment *total,
                            const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_merge_walk walk = { 0 };
	enum sfs_rc rc;

	m->count = count;
	for (size_t i = 0; i < count; i++) {
		m->sources[i].run = parts[i].run;
		m->sources[i].segment = parts[i].segment;
		m->sources[i].offset = parts[i].offset;
	}
	rc = begin_sources(m, count, err);
	if (rc == SFS_OK)
		rc = sfs_merge_walk_first(m, &walk, false, call, err);
	*total = walk.total;
	return rc;
}

enum sfs_rc sfs_merge_rewind(struct sfs_merge *m, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_merge_rewind_sources(m, NULL, err);

	if (rc == SFS_OK)
		rc = sfs_run_order_rewind(&m->order, err);
	return rc;
}

/* The next entry of the order; *found = false behind the last. */
static inline enum sfs_rc next_of_order(struct sfs_run_order *o, bool *found,
                                        uint16_t *entry, struct sfs_err *err)
{
	*found = o->taken < o->count;
	if (!*found)
		return SFS_OK;
	if (o->at == o->len) {
		enum sfs_rc rc = sfs_run_order_refill(o, err);

		if (rc != SFS_OK)
			return rc;
	}
	*entry = o->buf[o->at++];
	o->taken++;
	return SFS_OK;
}

static inline enum sfs_rc take_record(struct sfs_run_source *s, unsigned wanted,
                                      bool is_kept,
                                      struct sfs_merge_record *record,
                                      struct sfs_err *err)
{
	size_t tail_len;
	size_t value_len;
	enum sfs_rc rc;

	rc = sfs_run_source_take_head(s, err);
	if (rc != SFS_OK)
		return rc;
	record->head = &s->head;
	tail_len = sfs_run_tail_len(s->head.key_len);
	value_len = sfs_run_value_len(s->head.value_len);
	if (!is_kept) {
		sfs_run_stream_skip(&s->tails, tail_len);
		sfs_run_stream_skip(&s->values, value_len);
		return SFS_OK;
	}
	if ((wanted & SFS_MERGE_TAILS) != 0)
		rc = sfs_run_stream_take(&s->tails, tail_len, &record->tail,
		                         err);
	if (rc == SFS_OK && (wanted & SFS_MERGE_VALUES) != 0)
		rc = sfs_run_stream_take(&s->values, value_len, &record->value,
		                         err);
	sfs_run_stream_prefetch(&s->values);
	return rc;
}

static enum sfs_rc read_base_value(struct sfs_merge *m,
                                   const struct sfs_run_source *s,
                                   struct sfs_merge_record *record,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	size_t len = s->head.value_len;
	size_t got = 0;
	enum sfs_rc rc;

	rc = sfs_run_big_reserve(&m->value, len, err);
	if (rc == SFS_OK && len > 0)
		rc = m->base->ops->read(m->base, m->info.locator, 0,
		                        m->value.data, len, &got, call, err);
	if (rc == SFS_OK && got < len)
		rc = sfs_err_set(err, SFS_E_CORRUPT,
		                 "a value of the base is shorter than it says");
	record->value = m->value.data;
	return rc;
}

static enum sfs_rc take_from_base(struct sfs_merge *m, struct sfs_run_source *s,
                                  bool is_kept, struct sfs_merge_record *record,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	enum sfs_rc rc = sfs_merge_advance_base(m, s, call, err);

	if (rc != SFS_OK)
		return rc;
	if (s->is_done)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "the base has fewer pairs than before");
	record->head = &s->head;
	record->tail = s->tail;
	if (!is_kept)
		return SFS_OK;
	return read_base_value(m, s, record, call, err);
}

enum sfs_rc sfs_merge_step(struct sfs_merge *m, unsigned wanted, bool *found,
                           struct sfs_merge_record *record,
                           const struct sfs_call *call, struct sfs_err *err)
{
	bool is_kept = false;
	enum sfs_rc rc = SFS_OK;

	while (rc == SFS_OK && !is_kept) {
		struct sfs_run_source *s;
		uint16_t entry = 0;

		if (m->order.taken % SFS_MERGE_CHECK_EVERY == 0)
			rc = sfs_call_check(call, "merging", err);
		if (rc == SFS_OK)
			rc = next_of_order(&m->order, found, &entry, err);
		if (rc != SFS_OK || !*found)
			return rc;
		is_kept = (entry & SFS_MERGE_KEPT) != 0;
		s = &m->sources[entry >> 1];
		if (s->is_base)
			rc = take_from_base(m, s, is_kept, record, call, err);
		else
			rc = take_record(s, wanted, is_kept, record, err);
	}
	return rc;
}

/* Puts the key together again. */
static inline enum sfs_rc make_key(struct sfs_merge *m,
                                   const struct sfs_merge_record *record,
                                   struct sfs_bytes *key, struct sfs_err *err)
{
	uint64_t prefix = htobe64(record->head->prefix);
	size_t len = record->head->key_len;
	enum sfs_rc rc;

	key->len = len;
	key->data = m->short_key;
	if (len <= sizeof(prefix)) {
		memcpy(m->short_key, &prefix, sizeof(prefix));
		return SFS_OK;
	}
	rc = sfs_run_big_reserve(&m->long_key, len, err);
	if (rc != SFS_OK)
		return rc;
	memcpy(m->long_key.data, &prefix, sizeof(prefix));
	memcpy(m->long_key.data + sizeof(prefix), record->tail,
	       len - sizeof(prefix));
	key->data = m->long_key.data;
	return SFS_OK;
}

enum sfs_rc sfs_merge_next(struct sfs_merge *m, bool *found,
                           struct sfs_pair *pair, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct sfs_merge_record record = { 0 };
	enum sfs_rc rc = SFS_OK;

	if (m->state == SFS_MERGE_FRESH)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "a merge is measured first");
	if (m->state == SFS_MERGE_ORDERED) {
		rc = sfs_merge_rewind(m, err);
		if (rc != SFS_OK)
			return rc;
		m->state = SFS_MERGE_REPLAYING;
	}
	rc = sfs_merge_step(m, SFS_MERGE_TAILS | SFS_MERGE_VALUES, found,
	                    &record, call, err);
	if (rc != SFS_OK || !*found)
		return rc;
	pair->value.data = record.value;
	pair->value.len = record.head->value_len;
	return make_key(m, &record, &pair->key, err);
}
