/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of the walker: reading them, checking their headers, and the cache
 * of interior pages. The cache is a table of pointers that are set once, by
 * compare-and-swap, and never change until close: readers need no lock, and
 * the first pages seen stay. Pages near the root are seen first and most, so
 * that is the right policy too. One budget bounds the caches of all walkers,
 * since thousands of them may be open.
 */
#include "format/btree_internal.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static atomic_size_t cached_bytes; /* of all walkers; about */

enum sfs_rc sfs_btree_fault(const struct sfs_btree_op *op, uint32_t page_no,
                            const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap); /* may be cut */
	va_end(ap);
	return sfs_err_set(op->err, SFS_E_CORRUPT, "%s: page %u: %s",
	                   op->t->name, page_no, what);
}

enum sfs_rc sfs_btree_fetch(const struct sfs_btree_op *op, uint32_t page_no,
                            uint32_t offset, void *buf, size_t len)
{
	struct sfs_object *o = op->t->object;
	uint64_t at = (uint64_t)(page_no - 1) * op->t->page_size + offset;
	size_t got = 0;
	enum sfs_rc rc;

	rc = o->ops->read(o, at, buf, len, &got, op->call, op->err);
	if (rc != SFS_OK)
		return rc;
	if (got < len)
		return sfs_btree_fault(op, page_no,
		                       "truncated: %zu of %zu bytes", got, len);
	return SFS_OK;
}

enum sfs_rc sfs_btree_page_no_check(const struct sfs_btree_op *op,
                                    uint32_t from, uint32_t page_no)
{
	if (page_no < 2 || page_no > op->t->page_count)
		return sfs_btree_fault(op, from, "points to page %u of %u",
		                       page_no, op->t->page_count);
	return SFS_OK;
}

enum sfs_rc sfs_btree_page_check(const struct sfs_btree_op *op,
                                 struct sfs_btree_page *page)
{
	const struct sfs_btree *t = op->t;
	const uint8_t *head = page->data + page->header;
	uint32_t array;

	page->is_leaf = head[0] == SFS_BTREE_PAGE_LEAF_INDEX ||
	                head[0] == SFS_BTREE_PAGE_LEAF_TABLE;
	page->cells = sfs_btree_be16(head + 3);
	array = page->header + (page->is_leaf ? 8u : 12u);
	if (page->cells > (t->page_size - 8) / SFS_BTREE_CELL_MIN_BYTES ||
	    array + 2 * page->cells > t->usable)
		return sfs_btree_fault(op, page->no,
		                       "%u cells do not fit the page",
		                       page->cells);
	return SFS_OK;
}

static enum sfs_rc index_page_check(const struct sfs_btree_op *op,
                                    struct sfs_btree_page *page)
{
	if (page->data[0] != SFS_BTREE_PAGE_LEAF_INDEX &&
	    page->data[0] != SFS_BTREE_PAGE_INTERIOR_INDEX)
		return sfs_btree_fault(op, page->no,
		                       "type %u is not an index page",
		                       page->data[0]);
	return sfs_btree_page_check(op, page);
}

/* Pages in memory were checked when they came in. */
static void page_from_cache(struct sfs_btree_page *page)
{
	page->is_leaf = page->data[0] == SFS_BTREE_PAGE_LEAF_INDEX;
	page->cells = sfs_btree_be16(page->data + 3);
}

/* A power of two, within the budget of one walker. */
static uint32_t slot_count(const struct sfs_btree *t)
{
	uint32_t slots = SFS_BTREE_CACHE_BYTES / t->page_size;

	return slots < SFS_BTREE_CACHE_SLOTS ? slots : SFS_BTREE_CACHE_SLOTS;
}

static _Atomic(struct sfs_btree_cached *) *
slot_of(const struct sfs_btree *t, struct sfs_btree_cache *cache,
        uint32_t page_no, uint32_t probe)
{
	return &cache->slots[(page_no + probe) & (slot_count(t) - 1)];
}

static const uint8_t *cache_find(struct sfs_btree *t, uint32_t page_no)
{
	struct sfs_btree_cache *cache;
	struct sfs_btree_cached *entry;
	uint32_t i;

	cache = atomic_load_explicit(&t->cache, memory_order_acquire);
	for (i = 0; cache != NULL && i < SFS_BTREE_CACHE_PROBES; i++) {
		entry = atomic_load_explicit(slot_of(t, cache, page_no, i),
		                             memory_order_acquire);
		if (entry == NULL)
			return NULL;
		if (entry->no == page_no)
			return entry->data;
	}
	return NULL;
}

bool sfs_btree_page_cached(struct sfs_btree *t, uint32_t page_no,
                           struct sfs_btree_page *page)
{
	page->no = page_no;
	page->header = 0;
	if (page_no == t->root)
		page->data = t->root_data;
	else
		page->data = cache_find(t, page_no);
	if (page->data == NULL)
		return false;
	page_from_cache(page);
	return true;
}

static struct sfs_btree_cache *cache_begin(struct sfs_btree *t)
{
	struct sfs_btree_cache *cache = atomic_load(&t->cache);
	struct sfs_btree_cache *fresh;

	if (cache != NULL)
		return cache;
	fresh = sfs_calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&t->cache, &cache, fresh))
		return fresh;
	sfs_free(fresh);
	return cache;
}

/* Takes the first free slot; false if there is none, or the page is there. */
static bool cache_put(struct sfs_btree *t, struct sfs_btree_cache *cache,
                      struct sfs_btree_cached *entry)
{
	struct sfs_btree_cached *old;
	uint32_t i;

	for (i = 0; i < SFS_BTREE_CACHE_PROBES; i++) {
		old = NULL;
		if (atomic_compare_exchange_strong(
			    slot_of(t, cache, entry->no, i), &old, entry))
			return true;
		if (old->no == entry->no)
			return false;
	}
	return false;
}

static bool has_room(struct sfs_btree *t, struct sfs_btree_cache *cache,
                     uint32_t page_no)
{
	uint32_t i;

	for (i = 0; i < SFS_BTREE_CACHE_PROBES; i++)
		if (atomic_load_explicit(slot_of(t, cache, page_no, i),
		                         memory_order_relaxed) == NULL)
			return true;
	return false;
}

/* Best effort: without memory or room the page is read again next time. */
static void cache_add(struct sfs_btree *t, const struct sfs_btree_page *page)
{
	struct sfs_btree_cached *entry;
	struct sfs_btree_cache *cache;

	if (!t->is_open)
		return; /* an idle walker keeps its root only */
	cache = cache_begin(t);
	if (cache == NULL || !has_room(t, cache, page->no) ||
	    atomic_load(&cached_bytes) >= SFS_BTREE_CACHE_TOTAL_BYTES)
		return;
	entry = sfs_malloc(sizeof(*entry) + t->page_size);
	if (entry == NULL)
		return;
	entry->no = page->no;
	memcpy(entry->data, page->data, t->page_size);
	if (cache_put(t, cache, entry))
		atomic_fetch_add(&cached_bytes, t->page_size);
	else
		sfs_free(entry);
}

void sfs_btree_cache_release(struct sfs_btree *t)
{
	struct sfs_btree_cache *cache = atomic_load(&t->cache);
	struct sfs_btree_cached *entry;
	int i;

	for (i = 0; cache != NULL && i < SFS_BTREE_CACHE_SLOTS; i++) {
		entry = atomic_load(&cache->slots[i]);
		if (entry == NULL)
			continue;
		atomic_fetch_sub(&cached_bytes, t->page_size);
		sfs_free(entry);
	}
	sfs_free(cache);
}

enum sfs_rc sfs_btree_page_read(const struct sfs_btree_op *op, uint32_t page_no,
                                uint8_t *buf, struct sfs_btree_page *page)
{
	enum sfs_rc rc;

	page->data = buf;
	page->no = page_no;
	page->header = 0;
	rc = sfs_btree_fetch(op, page_no, 0, buf, op->t->page_size);
	if (rc == SFS_OK)
		rc = index_page_check(op, page);
	if (rc == SFS_OK && !page->is_leaf)
		cache_add(op->t, page);
	return rc;
}

enum sfs_rc sfs_btree_page_load(const struct sfs_btree_op *op, uint32_t page_no,
                                uint8_t *buf, struct sfs_btree_page *page)
{
	if (sfs_btree_page_cached(op->t, page_no, page))
		return SFS_OK;
	return sfs_btree_page_read(op, page_no, buf, page);
}

enum sfs_rc sfs_btree_page_cell(const struct sfs_btree_op *op,
                                const struct sfs_btree_page *page,
                                uint32_t index, uint32_t *offset_out)
{
	uint32_t array = page->header + (page->is_leaf ? 8u : 12u);
	uint32_t offset = sfs_btree_be16(page->data + array + 2 * index);

	/* Interior cells: the child's number and at least one byte. */
	if (offset < array + 2 * page->cells ||
	    offset + (page->is_leaf ? 4u : 5u) > op->t->usable)
		return sfs_btree_fault(op, page->no,
		                       "cell %u lies outside the page", index);
	*offset_out = offset;
	return SFS_OK;
}

enum sfs_rc sfs_btree_page_child(const struct sfs_btree_op *op,
                                 const struct sfs_btree_page *page,
                                 uint32_t index, uint32_t *child_out)
{
	uint32_t offset = page->header + 8u;
	enum sfs_rc rc;

	if (index < page->cells) {
		rc = sfs_btree_page_cell(op, page, index, &offset);
		if (rc != SFS_OK)
			return rc;
	}
	*child_out = sfs_btree_be32(page->data + offset);
	return sfs_btree_page_no_check(op, page->no, *child_out);
}
