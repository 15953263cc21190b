/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a walker, and its lookups. Why not SQLite itself: it cannot stream
 * a value of a WITHOUT ROWID table, it reads whole overflowing cells while it
 * searches, and one connection serves one thread. A lookup here reads one
 * page per level, of which the root and the first interior pages stay in
 * memory; the others go onto the stack, so that lookups allocate nothing.
 *
 * A locator is (page, cell): the low cell_bits bits hold the cell, as many as
 * the smallest possible cells of a page need.
 */
#include "format/btree_internal.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

static const uint8_t magic[SFS_BTREE_MAGIC_BYTES] = SFS_BTREE_MAGIC;

static enum sfs_rc refuse(const struct sfs_btree_op *op, enum sfs_rc rc,
                          const char *what)
{
	return sfs_err_set(op->err, rc, "%s: %s", op->t->name, what);
}

static enum sfs_rc header_read(const struct sfs_btree_op *op,
                               uint8_t head[SFS_BTREE_HEADER_BYTES])
{
	struct sfs_object *o = op->t->object;
	size_t got = 0;
	enum sfs_rc rc;

	rc = o->ops->read(o, 0, head, SFS_BTREE_HEADER_BYTES, &got, op->call,
	                  op->err);
	if (rc != SFS_OK)
		return rc;
	if (got < sizeof(magic) || memcmp(head, magic, sizeof(magic)) != 0)
		return refuse(op, SFS_E_CORRUPT, "not an SQLite database");
	if (got < SFS_BTREE_HEADER_BYTES)
		return refuse(op, SFS_E_CORRUPT, "truncated in its header");
	return SFS_OK;
}

static enum sfs_rc header_check(const struct sfs_btree_op *op,
                                const uint8_t head[SFS_BTREE_HEADER_BYTES])
{
	static const uint8_t fractions[3] = { 64, 32, 32 };
	struct sfs_btree *t = op->t;
	uint32_t size = sfs_btree_be16(head + SFS_BTREE_AT_PAGE_SIZE);
	uint32_t format;

	size = size == 1 ? SFS_BTREE_PAGE_MAX_BYTES : size;
	if (size < SFS_BTREE_PAGE_MIN_BYTES || (size & (size - 1)) != 0)
		return refuse(op, SFS_E_CORRUPT, "its page size is impossible");
	t->page_size = size;
	t->usable = size - head[SFS_BTREE_AT_RESERVED];
	if (t->usable < SFS_BTREE_USABLE_MIN_BYTES)
		return refuse(op, SFS_E_CORRUPT, "it reserves too many bytes");
	if (head[SFS_BTREE_AT_READ_VERSION] == 2)
		return refuse(op, SFS_E_UNSUPPORTED, "in WAL mode");
	if (head[SFS_BTREE_AT_READ_VERSION] != 1)
		return refuse(op, SFS_E_UNSUPPORTED,
		              "written for a newer SQLite");
	if (memcmp(head + SFS_BTREE_AT_FRACTIONS, fractions,
	           sizeof(fractions)) != 0)
		return refuse(op, SFS_E_CORRUPT,
		              "its payload fractions are impossible");
	format = sfs_btree_be32(head + SFS_BTREE_AT_SCHEMA_FORMAT);
	if (format == 0)
		return refuse(op, SFS_E_CORRUPT, "has no table kv");
	if (format > 4)
		return refuse(op, SFS_E_UNSUPPORTED, "its schema format");
	if (sfs_btree_be32(head + SFS_BTREE_AT_ENCODING) != 1)
		return refuse(op, SFS_E_UNSUPPORTED,
		              "its text encoding is not UTF-8");
	return SFS_OK;
}

/* The count in the header holds if the last writer knew of it. */
static enum sfs_rc size_check(const struct sfs_btree_op *op,
                              const uint8_t head[SFS_BTREE_HEADER_BYTES])
{
	struct sfs_btree *t = op->t;
	uint64_t size = t->object->info.size;
	uint64_t count = sfs_btree_be32(head + SFS_BTREE_AT_PAGE_COUNT);

	if (count == 0 || memcmp(head + SFS_BTREE_AT_CHANGE_COUNTER,
	                         head + SFS_BTREE_AT_VALID_FOR, 4) != 0) {
		count = size / t->page_size;
		if (count == 0 || size % t->page_size != 0)
			return sfs_err_set(op->err, SFS_E_CORRUPT,
			                   "%s: truncated: %" PRIu64
			                   " bytes are not whole pages",
			                   t->name, size);
	}
	if (size < count * t->page_size)
		return sfs_err_set(op->err, SFS_E_CORRUPT,
		                   "%s: truncated: %" PRIu64
		                   " bytes of %" PRIu64,
		                   t->name, size, count * t->page_size);
	if (size > count * t->page_size)
		return sfs_err_set(op->err, SFS_E_CORRUPT,
		                   "%s: %" PRIu64 " bytes behind its last page",
		                   t->name, size - count * t->page_size);
	if (count > sfs_btree_max_pages(t->page_size))
		return refuse(op, SFS_E_UNSUPPORTED, "has too many pages");
	t->page_count = (uint32_t)count;
	return SFS_OK;
}

static void derive_limits(struct sfs_btree *t)
{
	t->max_local = sfs_btree_max_local(t->usable);
	t->min_local = sfs_btree_min_local(t->usable);
	t->cell_bits = sfs_btree_cell_bits(t->page_size);
}

static enum sfs_rc root_load(const struct sfs_btree_op *op)
{
	struct sfs_btree *t = op->t;
	struct sfs_btree_page page;
	uint8_t *data;
	enum sfs_rc rc;

	rc = sfs_btree_schema_find(op, &t->root);
	if (rc != SFS_OK)
		return rc;
	data = sfs_malloc(t->page_size);
	if (data == NULL)
		return refuse(op, SFS_E_NO_MEMORY, "no memory for its root");
	rc = sfs_btree_page_read(op, t->root, data, &page);
	if (rc != SFS_OK) {
		sfs_free(data);
		return rc;
	}
	t->root_data = data;
	return SFS_OK;
}

static enum sfs_rc too_deep(const struct sfs_btree_op *op, uint32_t page_no)
{
	return sfs_btree_fault(op, page_no, "lies deeper than %d levels",
	                       SFS_BTREE_DEPTH_MAX);
}

/*
 * Parses the first or the last row, and with it the types of its columns:
 * a blob sorts behind every number and text.
 */
static enum sfs_rc edge_row_check(const struct sfs_btree_op *op, bool is_last)
{
	struct sfs_btree_page page = { .cells = 0 };
	struct sfs_btree_cell cell;
	uint8_t data[SFS_BTREE_PAGE_MAX_BYTES];
	uint32_t no = op->t->root;
	enum sfs_rc rc = SFS_OK;
	int depth;

	for (depth = 0; rc == SFS_OK; depth++) {
		if (depth == SFS_BTREE_DEPTH_MAX)
			rc = too_deep(op, no);
		if (rc == SFS_OK)
			rc = sfs_btree_page_load(op, no, data, &page);
		if (rc != SFS_OK || page.is_leaf)
			break;
		rc = sfs_btree_page_child(op, &page, is_last ? page.cells : 0,
		                          &no);
	}
	if (rc == SFS_OK && page.cells > 0)
		rc = sfs_btree_cell_parse(op, &page,
		                          is_last ? page.cells - 1 : 0, &cell);
	return rc;
}

static enum sfs_rc walker_load(const struct sfs_btree_op *op)
{
	uint8_t head[SFS_BTREE_HEADER_BYTES];
	enum sfs_rc rc;

	rc = header_read(op, head);
	if (rc == SFS_OK)
		rc = header_check(op, head);
	if (rc != SFS_OK)
		return rc;
	derive_limits(op->t);
	rc = size_check(op, head);
	if (rc == SFS_OK)
		rc = root_load(op);
	if (rc == SFS_OK)
		rc = edge_row_check(op, false);
	if (rc == SFS_OK)
		rc = edge_row_check(op, true);
	return rc;
}

enum sfs_rc sfs_btree_open(struct sfs_object *object, const char *name,
                           struct sfs_btree **out, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct sfs_btree *t = sfs_calloc(1, sizeof(*t));
	struct sfs_btree_op op = { t, call, err };
	enum sfs_rc rc;

	*out = NULL;
	if (t == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "%s: no memory for a walker", name);
	rc = sfs_btree_chains_init(&t->chains, err);
	if (rc != SFS_OK) {
		sfs_free(t);
		return rc;
	}
	t->object = object;
	t->name = sfs_strdup(name);
	rc = t->name != NULL ? walker_load(&op)
	                     : sfs_err_set(err, SFS_E_NO_MEMORY,
	                                   "%s: no memory for its name", name);
	if (rc != SFS_OK) {
		sfs_btree_close(t);
		return rc;
	}
	t->is_open = true;
	*out = t;
	return SFS_OK;
}

void sfs_btree_close(struct sfs_btree *t)
{
	if (t == NULL)
		return;
	sfs_btree_cache_release(t);
	sfs_btree_chains_release(&t->chains);
	sfs_free(t->root_data);
	sfs_free(t->name);
	sfs_free(t);
}

static enum sfs_rc search_tree(const struct sfs_btree_op *op, uint8_t *data,
                               struct sfs_bytes key,
                               struct sfs_btree_spot *spot)
{
	struct sfs_btree_page page;
	uint32_t no = op->t->root;
	enum sfs_rc rc;
	int depth;

	for (depth = 0; depth < SFS_BTREE_DEPTH_MAX; depth++) {
		rc = sfs_btree_page_load(op, no, data, &page);
		if (rc == SFS_OK)
			rc = sfs_btree_page_search(op, &page, 0, false, key,
			                           spot);
		if (rc != SFS_OK || spot->is_exact || page.is_leaf)
			return rc;
		rc = sfs_btree_page_child(op, &page, spot->index, &no);
		if (rc != SFS_OK)
			return rc;
	}
	return too_deep(op, no);
}

enum sfs_rc sfs_btree_get(struct sfs_btree *t, struct sfs_bytes key,
                          bool *found, struct sfs_pair_info *info,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_btree_op op = { t, call, err };
	struct sfs_btree_spot spot;
	uint8_t data[SFS_BTREE_PAGE_MAX_BYTES];
	enum sfs_rc rc;

	*found = false;
	rc = search_tree(&op, data, key, &spot);
	if (rc == SFS_OK && spot.is_exact) {
		*found = true;
		sfs_btree_cell_info(t, &spot.cell, info);
	}
	return rc;
}

static enum sfs_rc foreign(const struct sfs_btree_op *op, sfs_locator locator)
{
	return sfs_err_set(op->err, SFS_E_INVALID,
	                   "%s: no row at locator %" PRIu64, op->t->name,
	                   locator);
}

/* Loads the page of a locator into data and parses its cell. */
static enum sfs_rc locate(const struct sfs_btree_op *op, sfs_locator locator,
                          uint8_t *data, struct sfs_btree_cell *cell)
{
	struct sfs_btree *t = op->t;
	uint64_t no = locator >> t->cell_bits;
	uint32_t index = (uint32_t)(locator & ((1ULL << t->cell_bits) - 1));
	struct sfs_btree_page page;
	enum sfs_rc rc;

	if (no < 2 || no > t->page_count)
		return foreign(op, locator);
	if (!sfs_btree_page_cached(t, (uint32_t)no, &page)) {
		rc = sfs_btree_fetch(op, (uint32_t)no, 0, data, t->page_size);
		if (rc != SFS_OK)
			return rc;
		page.data = data;
		if (data[0] != SFS_BTREE_PAGE_LEAF_INDEX &&
		    data[0] != SFS_BTREE_PAGE_INTERIOR_INDEX)
			return foreign(op, locator);
		rc = sfs_btree_page_check(op, &page);
		if (rc != SFS_OK)
			return rc;
	}
	if (index >= page.cells)
		return foreign(op, locator);
	return sfs_btree_cell_parse(op, &page, index, cell);
}

enum sfs_rc sfs_btree_read(struct sfs_btree *t, sfs_locator locator,
                           uint64_t offset, void *buf, size_t len, size_t *got,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_btree_op op = { t, call, err };
	struct sfs_btree_cell cell;
	uint8_t data[SFS_BTREE_PAGE_MAX_BYTES];
	uint32_t part = 0;
	enum sfs_rc rc;

	*got = 0;
	rc = locate(&op, locator, data, &cell);
	if (rc == SFS_OK && offset < cell.value_len) {
		part = cell.value_len - (uint32_t)offset;
		part = len < part ? (uint32_t)len : part;
		rc = sfs_btree_cell_read(&op, &cell,
		                         cell.head_len + cell.key_len +
		                                 (uint32_t)offset,
		                         buf, part);
	}
	if (rc == SFS_OK)
		*got = part;
	return rc;
}

enum sfs_rc sfs_btree_at(struct sfs_btree *t, sfs_locator locator,
                         struct sfs_pair_info *info, uint8_t *key_buf,
                         size_t key_cap, size_t *key_len,
                         const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_btree_op op = { t, call, err };
	struct sfs_btree_cell cell;
	uint8_t data[SFS_BTREE_PAGE_MAX_BYTES];
	uint32_t part;
	enum sfs_rc rc;

	rc = locate(&op, locator, data, &cell);
	if (rc == SFS_OK && key_buf != NULL) {
		part = key_cap < cell.key_len ? (uint32_t)key_cap
		                              : cell.key_len;
		rc = sfs_btree_cell_read(&op, &cell, cell.head_len, key_buf,
		                         part);
	}
	if (rc == SFS_OK) {
		sfs_btree_cell_info(t, &cell, info);
		*key_len = cell.key_len;
	}
	return rc;
}
