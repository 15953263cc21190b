/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting a slab: by shard, then each shard by key. Items of 16 bytes move,
 * the records stay where they are. Within a shard the first 8 bytes of the
 * keys are sorted as a number, by radix over the few highest bytes in which
 * they differ at all; what is still equal then is a group of its own, which
 * is sorted by the bytes that follow, the next 8 of the keys in the end. Tiny
 * groups, and what is equal for very long, are sorted by comparing. Order:
 * bytes, then length, then the higher rank first.
 */
#include "build/runs_internal.h"

#include <endian.h>

enum {
	RADIX = 256,
	FEW = 24,              /* items that are faster compared */
	TWO_DIGITS = 64 << 10, /* up to so many items two digits separate */
	LEVELS_MAX = 12,
};

/* A stretch of items whose keys are equal in front of depth. */
struct stretch {
	struct sfs_run_item *items;
	struct sfs_run_item *spare;
	size_t count;
	size_t depth;   /* of word in the key, bytes */
	unsigned level; /* of recursion */
};

static void sort_stretch(const struct sfs_run_sort *s, const struct stretch *t);

static const struct sfs_run_entry *entry_of(const struct sfs_run_sort *s,
                                            const struct sfs_run_item *item)
{
	return s->entries_end - 1 - item->entry;
}

static inline uint8_t digit_of(const struct sfs_run_item *item, bool by_db,
                               unsigned digit)
{
	uint64_t word = by_db ? item->db_id : item->word;

	return (uint8_t)(word >> 8 * digit);
}

/* One stable pass. */
static inline void scatter(const struct sfs_run_item *from,
                           struct sfs_run_item *to, size_t count, bool by_db,
                           unsigned digit)
{
	uint32_t place[RADIX] = { 0 };
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i++)
		place[digit_of(&from[i], by_db, digit)]++;
	for (size_t i = 0; i < RADIX; i++) {
		uint32_t here = place[i];

		place[i] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[place[digit_of(&from[i], by_db, digit)]++] = from[i];
}

void sfs_run_sort_shards(struct sfs_run_sort *s)
{
	const struct sfs_run_entry *entry = s->entries_end - 1;
	struct sfs_run_item *moved;
	uint32_t differing = 0;

	for (size_t i = 0; i < s->count; i++, entry--) {
		s->items[i] =
			(struct sfs_run_item){ entry->head.prefix, (uint32_t)i,
			                       entry->db_id };
		differing |= entry->db_id ^ s->items[0].db_id;
	}
	for (unsigned digit = 0; digit < sizeof(differing); digit++) {
		if ((differing >> 8 * digit & 0xff) == 0)
			continue;
		scatter(s->items, s->spare, s->count, true, digit);
		moved = s->items;
		s->items = s->spare;
		s->spare = moved;
	}
}

/* Bytes of the key behind the word at depth. */
static size_t rest_of(const struct sfs_run_entry *e, size_t depth)
{
	size_t end = depth + SFS_RUN_PREFIX_BYTES;

	return e->head.key_len > end ? e->head.key_len - end : 0;
}

static int compare(const struct sfs_run_sort *s, const struct sfs_run_item *a,
                   const struct sfs_run_item *b, size_t depth)
{
	const struct sfs_run_entry *ea;
	const struct sfs_run_entry *eb;
	size_t la;
	size_t lb;
	int order;

	if (a->word != b->word)
		return a->word < b->word ? -1 : 1;
	ea = entry_of(s, a);
	eb = entry_of(s, b);
	la = rest_of(ea, depth);
	lb = rest_of(eb, depth);
	order = memcmp(s->slab + ea->offset + depth,
	               s->slab + eb->offset + depth, la < lb ? la : lb);
	if (order != 0)
		return order;
	if (ea->head.key_len != eb->head.key_len)
		return ea->head.key_len < eb->head.key_len ? -1 : 1;
	if (ea->head.rank != eb->head.rank)
		return ea->head.rank > eb->head.rank ? -1 : 1;
	return 0;
}

static void insertion_sort(const struct sfs_run_sort *s,
                           struct sfs_run_item *items, size_t count,
                           size_t depth)
{
	for (size_t i = 1; i < count; i++) {
		struct sfs_run_item item = items[i];
		size_t j = i;

		for (; j > 0 && compare(s, &items[j - 1], &item, depth) > 0;
		     j--)
			items[j] = items[j - 1];
		items[j] = item;
	}
}

static void merge_halves(const struct sfs_run_sort *s, const struct stretch *t,
                         size_t begin, size_t middle, size_t end)
{
	size_t a = begin;
	size_t b = middle;

	for (size_t i = begin; i < end; i++) {
		if (b == end ||
		    (a < middle &&
		     compare(s, &t->items[a], &t->items[b], t->depth) <= 0))
			t->spare[i] = t->items[a++];
		else
			t->spare[i] = t->items[b++];
	}
	memcpy(t->items + begin, t->spare + begin,
	       (end - begin) * sizeof(*t->items));
}

/* Needs no luck, whatever the keys are. */
static void merge_sort(const struct sfs_run_sort *s, const struct stretch *t)
{
	for (size_t i = 0; i < t->count; i += FEW)
		insertion_sort(s, t->items + i,
		               t->count - i < FEW ? t->count - i : FEW,
		               t->depth);
	for (size_t width = FEW; width < t->count; width *= 2) {
		for (size_t i = 0; i + width < t->count; i += 2 * width) {
			size_t left = t->count - i;

			merge_halves(s, t, i, i + width,
			             i + (left < 2 * width ? left : 2 * width));
		}
	}
}

/* The word at a depth behind the first; 0 where the key has ended. */
static uint64_t word_at(const struct sfs_run_sort *s,
                        const struct sfs_run_item *item, size_t depth)
{
	const struct sfs_run_entry *e = entry_of(s, item);
	const uint8_t *from =
		s->slab + e->offset + depth - SFS_RUN_PREFIX_BYTES;
	uint8_t bytes[SFS_RUN_PREFIX_BYTES] = { 0 };
	uint64_t word;
	size_t len;

	if (e->head.key_len <= depth)
		return 0;
	len = e->head.key_len - depth;
	memcpy(bytes, from, len < sizeof(bytes) ? len : sizeof(bytes));
	memcpy(&word, bytes, sizeof(word));
	return be64toh(word);
}

/* All words are equal: the next 8 bytes decide, if there are any. */
static void sort_behind(const struct sfs_run_sort *s, struct stretch t)
{
	bool is_ended = true;

	for (size_t i = 0; i < t.count; i++)
		is_ended &= rest_of(entry_of(s, &t.items[i]), t.depth) == 0;
	if (is_ended) {
		merge_sort(s, &t);
		return;
	}
	t.depth += SFS_RUN_PREFIX_BYTES;
	t.level++;
	for (size_t i = 0; i < t.count; i++)
		t.items[i].word = word_at(s, &t.items[i], t.depth);
	sort_stretch(s, &t);
}

/* Sorts by the highest digits that differ; returns the bits of those. */
static uint64_t sort_high_digits(const struct stretch *t, uint64_t differing)
{
	unsigned wanted = t->count <= TWO_DIGITS ? 2 : 3;
	struct sfs_run_item *from = t->items;
	struct sfs_run_item *to = t->spare;
	struct sfs_run_item *moved;
	unsigned lowest = SFS_RUN_PREFIX_BYTES;

	while (lowest > 0 && wanted > 0) {
		lowest--;
		wanted -= (differing >> 8 * lowest & 0xff) != 0;
	}
	for (unsigned digit = lowest; digit < SFS_RUN_PREFIX_BYTES; digit++) {
		if ((differing >> 8 * digit & 0xff) == 0)
			continue;
		scatter(from, to, t->count, false, digit);
		moved = from;
		from = to;
		to = moved;
	}
	if (from != t->items)
		memcpy(t->items, from, t->count * sizeof(*from));
	return UINT64_MAX << 8 * lowest;
}

static void sort_groups(const struct sfs_run_sort *s, const struct stretch *t,
                        uint64_t mask)
{
	struct stretch group = *t;
	size_t begin = 0;

	group.level++;
	for (size_t i = 1; i <= t->count; i++) {
		if (i < t->count &&
		    ((t->items[i].word ^ t->items[begin].word) & mask) == 0)
			continue;
		group.items = t->items + begin;
		group.spare = t->spare + begin;
		group.count = i - begin;
		begin = i;
		if (group.count > 1)
			sort_stretch(s, &group);
	}
}

static void sort_stretch(const struct sfs_run_sort *s, const struct stretch *t)
{
	uint64_t differing = 0;

	if (t->count <= FEW) {
		insertion_sort(s, t->items, t->count, t->depth);
		return;
	}
	if (t->level > LEVELS_MAX) {
		merge_sort(s, t);
		return;
	}
	for (size_t i = 1; i < t->count; i++)
		differing |= t->items[i].word ^ t->items[0].word;
	if (differing == 0)
		sort_behind(s, *t);
	else
		sort_groups(s, t, sort_high_digits(t, differing));
}

/* Items of equal keys went the same way: their words are equal, too. */
static bool is_same_key(const struct sfs_run_sort *s,
                        const struct sfs_run_item *a,
                        const struct sfs_run_item *b)
{
	const struct sfs_run_entry *ea;
	const struct sfs_run_entry *eb;

	if (a->word != b->word)
		return false;
	ea = entry_of(s, a);
	eb = entry_of(s, b);
	return ea->head.prefix == eb->head.prefix &&
	       ea->head.key_len == eb->head.key_len &&
	       memcmp(s->slab + ea->offset, s->slab + eb->offset,
	              sfs_run_tail_len(ea->head.key_len)) == 0;
}

size_t sfs_run_sort_keys(struct sfs_run_sort *s, struct sfs_run_item *items,
                         size_t count)
{
	struct stretch all = { items, s->spare + (items - s->items), count, 0,
		               0 };
	size_t kept = 1;

	sort_stretch(s, &all);
	for (size_t i = 1; i < count; i++) {
		if (!is_same_key(s, &items[kept - 1], &items[i]))
			items[kept++] = items[i];
	}
	return kept;
}
