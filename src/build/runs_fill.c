/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling a slab and spilling it. Payload (what a key has behind its first 8
 * bytes, then the value) grows from the front, entries grow from the back,
 * and between them stays room for sorting, 32 bytes a record; the last part
 * of the slab buffers the writing. So a spill needs no memory of its own:
 *
 *	payload ... | spare | items | ... entries | buffer
 *
 * Both halves of the room change their meaning as a spill goes on: sorted
 * items become the places that heads, tails and values are written from, and
 * the spare items of the shards that are written are counts of those shards.
 * Entries and payload stay what they are, so a spill that failed can be tried
 * again.
 */
#include "build/runs_internal.h"

#include "base/alloc.h"

#include <endian.h>

enum {
	PER_RECORD =
		sizeof(struct sfs_run_entry) + 2 * sizeof(struct sfs_run_item),
	SLACK = 64,      /* for aligning the items */
	LOOK_AHEAD = 12, /* records whose memory is asked for early */
	LINE_BYTES = 64,
	LARGE_BUFFER = 4096,
};

struct sfs_run_filler {
	struct sfs_runs *runs;
	uint8_t *slab;  /* NULL: it has none, and no records */
	size_t payload; /* bytes */
	size_t count;   /* records */
};

/* A sorted item, once it is known where its bytes lie. */
struct place {
	uint32_t offset;
	uint32_t tail_len;
	uint32_t value_len;
	uint32_t reserved;
};

_Static_assert(sizeof(struct place) == sizeof(struct sfs_run_item),
               "places take the room of items");
_Static_assert(sizeof(struct sfs_run_tally) <= sizeof(struct sfs_run_item),
               "counts take the room of items");

/* Bytes of a slab that hold records; offsets in it have 32 bits. */
static size_t room_of(const struct sfs_runs *r)
{
	size_t bytes = sfs_slabs_bytes(r->config.slabs) - r->buffer_bytes;

	if (bytes > UINT32_MAX)
		bytes = UINT32_MAX;
	return bytes & ~(size_t)(SFS_RUN_ALIGN_BYTES - 1);
}

static struct sfs_run_entry *entries_end(const struct sfs_run_filler *f)
{
	return (struct sfs_run_entry *)(f->slab + room_of(f->runs));
}

enum sfs_rc sfs_run_filler_new(struct sfs_runs *r, struct sfs_run_filler **out,
                               struct sfs_err *err)
{
	struct sfs_run_filler *f = sfs_calloc(1, sizeof(*f));

	if (f == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	f->runs = r;
	*out = f;
	return SFS_OK;
}

static void empty(struct sfs_run_filler *f)
{
	if (f->slab != NULL)
		sfs_slabs_put(f->runs->config.slabs, f->slab);
	f->slab = NULL;
	f->payload = 0;
	f->count = 0;
}

void sfs_run_filler_free(struct sfs_run_filler *f)
{
	if (f == NULL)
		return;
	empty(f);
	sfs_free(f);
}

bool sfs_run_filler_is_empty(const struct sfs_run_filler *f)
{
	return f->count == 0;
}

size_t sfs_run_record_max_bytes(const struct sfs_runs *r)
{
	return room_of(r) - PER_RECORD - SLACK;
}

static uint64_t prefix_of(const struct sfs_bytes *key)
{
	uint64_t prefix = 0;

	if (key->len >= sizeof(prefix))
		memcpy(&prefix, key->data, sizeof(prefix));
	else if (key->len > 0)
		memcpy(&prefix, key->data, key->len);
	return be64toh(prefix);
}

static void set_head(struct sfs_run_head *h, const struct sfs_sort_record *rec)
{
	h->prefix = prefix_of(&rec->key);
	h->rank = rec->rank;
	h->key_len = (uint32_t)rec->key.len;
	h->value_len =
		rec->is_delete ? SFS_RUN_DELETE : (uint32_t)rec->value.len;
}

bool sfs_run_filler_add(struct sfs_run_filler *f,
                        const struct sfs_sort_record *record)
{
	size_t room = room_of(f->runs);
	size_t taken = f->payload + (f->count + 1) * PER_RECORD + SLACK;
	struct sfs_run_entry *entry;
	size_t tail_len;

	if (record->key.len > room || record->value.len > room ||
	    taken + record->key.len + record->value.len > room)
		return false;
	if (f->slab == NULL)
		f->slab = sfs_slabs_get(f->runs->config.slabs);
	f->count++;
	entry = entries_end(f) - f->count;
	set_head(&entry->head, record);
	entry->offset = (uint32_t)f->payload;
	entry->db_id = record->db_id;
	tail_len = sfs_run_tail_len(entry->head.key_len);
	if (tail_len > 0)
		memcpy(f->slab + f->payload,
		       record->key.data + SFS_RUN_PREFIX_BYTES, tail_len);
	f->payload += tail_len;
	if (record->value.len > 0)
		memcpy(f->slab + f->payload, record->value.data,
		       record->value.len);
	f->payload += record->value.len;
	return true;
}

/* Writes the heads; items become places. */
static enum sfs_rc put_heads(const struct sfs_run_sort *s,
                             struct sfs_run_item *items, size_t count,
                             struct sfs_run_segment *segment,
                             struct sfs_run_writer *w, struct sfs_err *err)
{
	struct place place = { 0 };
	enum sfs_rc rc;

	for (size_t i = 0; i < count; i++) {
		const struct sfs_run_entry *e =
			s->entries_end - 1 - items[i].entry;

		if (i + LOOK_AHEAD < count)
			__builtin_prefetch(s->entries_end - 1 -
			                   items[i + LOOK_AHEAD].entry);
		rc = sfs_run_writer_put(w, &e->head, sizeof(e->head), err);
		if (rc != SFS_OK)
			return rc;
		place.offset = e->offset;
		place.tail_len = (uint32_t)sfs_run_tail_len(e->head.key_len);
		place.value_len =
			(uint32_t)sfs_run_value_len(e->head.value_len);
		segment->tail_bytes += place.tail_len;
		segment->value_bytes += place.value_len;
		memcpy(&items[i], &place, sizeof(place));
	}
	segment->count = count;
	return SFS_OK;
}

static enum sfs_rc put_tails(const uint8_t *slab, const struct place *places,
                             size_t count, struct sfs_run_writer *w,
                             struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; i < count && rc == SFS_OK; i++) {
		if (i + LOOK_AHEAD < count)
			__builtin_prefetch(slab +
			                   places[i + LOOK_AHEAD].offset);
		rc = sfs_run_writer_put(w, slab + places[i].offset,
		                        places[i].tail_len, err);
	}
	return rc;
}

static enum sfs_rc put_values(const uint8_t *slab, const struct place *places,
                              size_t count, struct sfs_run_writer *w,
                              struct sfs_err *err)
{
	const uint8_t *next;
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; i < count && rc == SFS_OK; i++) {
		if (i + LOOK_AHEAD < count) {
			next = slab + places[i + LOOK_AHEAD].offset +
			       places[i + LOOK_AHEAD].tail_len;
			__builtin_prefetch(next);
			__builtin_prefetch(next + LINE_BYTES);
			__builtin_prefetch(next + 2 * LINE_BYTES);
		}
		rc = sfs_run_writer_put(
			w, slab + places[i].offset + places[i].tail_len,
			places[i].value_len, err);
	}
	return rc;
}

static enum sfs_rc put_segment(struct sfs_run_sort *s,
                               struct sfs_run_item *items, size_t count,
                               struct sfs_run_tally *tally,
                               struct sfs_run_writer *w, struct sfs_err *err)
{
	struct sfs_run_segment segment = { .db_id = items[0].db_id };
	const struct place *places = (const void *)items;
	enum sfs_rc rc;

	count = sfs_run_sort_keys(s, items, count);
	rc = sfs_run_writer_begin_segment(w, segment.db_id, err);
	if (rc == SFS_OK)
		rc = put_heads(s, items, count, &segment, w, err);
	if (rc == SFS_OK && segment.tail_bytes > 0)
		rc = put_tails(s->slab, places, count, w, err);
	if (rc == SFS_OK && segment.value_bytes > 0)
		rc = put_values(s->slab, places, count, w, err);
	if (rc == SFS_OK)
		rc = sfs_run_writer_end_segment(w, &segment, err);
	*tally = (struct sfs_run_tally){ segment.db_id, (uint32_t)count };
	return rc;
}

static enum sfs_rc put_segments(struct sfs_run_sort *s, size_t *tallied,
                                struct sfs_run_writer *w, struct sfs_err *err)
{
	struct sfs_run_tally *tallies = (void *)s->spare;
	struct sfs_run_item *items = s->items;
	size_t begin = 0;
	enum sfs_rc rc = SFS_OK;

	*tallied = 0;
	while (begin < s->count && rc == SFS_OK) {
		uint32_t db_id = items[begin].db_id;
		size_t end = begin + 1;

		while (end < s->count && items[end].db_id == db_id)
			end++;
		rc = put_segment(s, items + begin, end - begin,
		                 &tallies[(*tallied)++], w, err);
		begin = end;
	}
	return rc;
}

static enum sfs_rc write_run(struct sfs_runs *r, struct sfs_run_sort *s,
                             uint8_t *buf, struct sfs_err *err)
{
	struct sfs_run_writer w;
	struct sfs_run *run;
	size_t tallied;
	enum sfs_rc rc;

	rc = sfs_run_writer_begin(&w, r, buf, r->buffer_bytes, err);
	if (rc != SFS_OK)
		return rc;
	rc = put_segments(s, &tallied, &w, err);
	if (rc == SFS_OK)
		rc = sfs_run_writer_finish(&w, &run, err);
	if (rc == SFS_OK)
		sfs_run_add(r, run, (const void *)s->spare, tallied);
	sfs_run_writer_abort(&w);
	return rc;
}

enum sfs_rc sfs_run_filler_spill(struct sfs_run_filler *f, struct sfs_err *err)
{
	const size_t align = sizeof(struct sfs_run_item);
	struct sfs_run_sort s;
	size_t free_at;
	enum sfs_rc rc;

	if (f->count == 0)
		return SFS_OK;
	free_at = (f->payload + align - 1) & ~(align - 1);
	s.entries_end = entries_end(f);
	s.slab = f->slab;
	s.count = f->count;
	s.items = (struct sfs_run_item *)(f->slab + free_at);
	s.spare = s.items + f->count;
	sfs_run_sort_shards(&s);
	rc = write_run(f->runs, &s, f->slab + room_of(f->runs), err);
	if (rc == SFS_OK)
		empty(f);
	return rc;
}

static enum sfs_rc put_large(struct sfs_run_writer *w,
                             const struct sfs_sort_record *record,
                             struct sfs_err *err)
{
	struct sfs_run_segment segment = { .db_id = record->db_id, .count = 1 };
	struct sfs_run_head head;
	enum sfs_rc rc;

	set_head(&head, record);
	segment.tail_bytes = sfs_run_tail_len(head.key_len);
	segment.value_bytes = sfs_run_value_len(head.value_len);
	rc = sfs_run_writer_begin_segment(w, record->db_id, err);
	if (rc == SFS_OK)
		rc = sfs_run_writer_put(w, &head, sizeof(head), err);
	if (rc == SFS_OK && segment.tail_bytes > 0)
		rc = sfs_run_writer_put(w,
		                        record->key.data + SFS_RUN_PREFIX_BYTES,
		                        segment.tail_bytes, err);
	if (rc == SFS_OK && segment.value_bytes > 0)
		rc = sfs_run_writer_put(w, record->value.data,
		                        segment.value_bytes, err);
	if (rc == SFS_OK)
		rc = sfs_run_writer_end_segment(w, &segment, err);
	return rc;
}

enum sfs_rc sfs_run_spill_large(struct sfs_runs *r,
                                const struct sfs_sort_record *record,
                                struct sfs_err *err)
{
	const struct sfs_run_tally tally = { record->db_id, 1 };
	uint8_t buf[LARGE_BUFFER];
	struct sfs_run_writer w;
	struct sfs_run *run;
	enum sfs_rc rc;

	if (record->key.len >= UINT32_MAX || record->value.len >= UINT32_MAX)
		return sfs_err_set(err, SFS_E_TOO_BIG,
		                   "a record of more than 4 GiB");
	rc = sfs_run_writer_begin(&w, r, buf, sizeof(buf), err);
	if (rc != SFS_OK)
		return rc;
	rc = put_large(&w, record, err);
	if (rc == SFS_OK)
		rc = sfs_run_writer_finish(&w, &run, err);
	if (rc == SFS_OK)
		sfs_run_add(r, run, &tally, 1);
	sfs_run_writer_abort(&w);
	return rc;
}
