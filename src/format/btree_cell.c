/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells of the walker: one row of kv as a record of two columns, and the
 * search among the cells of a page. A search looks at the part of each cell
 * that lies on the page; only a key that itself overflows makes it read
 * further, so absent keys among huge values cost no more than others.
 */
#include "format/btree_internal.h"

#include <string.h>

unsigned sfs_btree_varint(const uint8_t *p, const uint8_t *end,
                          uint64_t *value_out)
{
	uint64_t value = 0;
	unsigned i;

	for (i = 0; i < 9 && p + i < end; i++) {
		if (i == 8) {
			*value_out = value << 8 | p[i];
			return 9;
		}
		value = value << 7 | (p[i] & 0x7F);
		if (p[i] < 0x80) {
			*value_out = value;
			return i + 1;
		}
	}
	return 0;
}

/* Nearly all varints of small rows have one byte. */
static inline const uint8_t *take_varint(const uint8_t *p, const uint8_t *end,
                                         uint64_t *value_out)
{
	unsigned len;

	if (p < end && *p < 0x80) {
		*value_out = *p;
		return p + 1;
	}
	len = sfs_btree_varint(p, end, value_out);
	return len > 0 ? p + len : NULL;
}

static enum sfs_rc bad_cell(const struct sfs_btree_op *op,
                            const struct sfs_btree_cell *cell, const char *what)
{
	return sfs_btree_fault(op, cell->page_no, "cell %u %s", cell->index,
	                       what);
}

static enum sfs_rc record_parse(const struct sfs_btree_op *op, uint64_t payload,
                                struct sfs_btree_cell *cell)
{
	const uint8_t *end = cell->local + cell->local_len;
	const uint8_t *p = cell->local;
	uint64_t head, key, value;

	p = take_varint(p, end, &head);
	p = p != NULL ? take_varint(p, end, &key) : NULL;
	p = p != NULL ? take_varint(p, end, &value) : NULL;
	if (p == NULL || head != (uint64_t)(p - cell->local))
		return bad_cell(op, cell, "is not a record of two columns");
	if (key < 12 || key % 2 != 0)
		return bad_cell(op, cell, "has a key that is not a blob");
	if (value < 12)
		return bad_cell(op, cell,
		                "has a value that is neither blob nor text");
	key = (key - 12) / 2;
	value = (value - 12) / 2;
	if (key > payload - head || value != payload - head - key)
		return bad_cell(op, cell, "contradicts its length");
	if (key > SFS_BTREE_KEY_MAX_BYTES)
		return bad_cell(op, cell, "has a key that is too long");
	cell->head_len = (uint32_t)head;
	cell->key_len = (uint32_t)key;
	cell->value_len = (uint32_t)value;
	return SFS_OK;
}

enum sfs_rc sfs_btree_cell_parse(const struct sfs_btree_op *op,
                                 const struct sfs_btree_page *page,
                                 uint32_t index, struct sfs_btree_cell *cell)
{
	const struct sfs_btree *t = op->t;
	const uint8_t *end = page->data + t->usable;
	const uint8_t *p;
	uint64_t payload;
	uint32_t offset;
	uint32_t need;
	enum sfs_rc rc;

	cell->page_no = page->no;
	cell->index = index;
	rc = sfs_btree_page_cell(op, page, index, &offset);
	if (rc != SFS_OK)
		return rc;
	p = page->data + offset + (page->is_leaf ? 0 : 4);
	p = take_varint(p, end, &payload);
	if (p == NULL || payload > SFS_BTREE_PAYLOAD_MAX_BYTES)
		return bad_cell(op, cell, "has no valid size");
	cell->local = p;
	cell->local_len = sfs_btree_local_len(t->usable, (uint32_t)payload,
	                                      t->max_local, t->min_local);
	need = cell->local_len + (cell->local_len < payload ? 4 : 0);
	if (need > (size_t)(end - p))
		return bad_cell(op, cell, "runs over the end of the page");
	cell->overflow = 0;
	if (cell->local_len < payload)
		cell->overflow = sfs_btree_be32(p + cell->local_len);
	return record_parse(op, payload, cell);
}

static uint32_t payload_len(const struct sfs_btree_cell *cell)
{
	return cell->head_len + cell->key_len + cell->value_len;
}

enum sfs_rc sfs_btree_cell_read(const struct sfs_btree_op *op,
                                const struct sfs_btree_cell *cell,
                                uint32_t offset, uint8_t *buf, uint32_t len)
{
	struct sfs_btree_chain chain;
	uint32_t part = 0;
	enum sfs_rc rc;

	if (len > 0 && offset < cell->local_len) {
		part = cell->local_len - offset;
		part = part < len ? part : len;
		memcpy(buf, cell->local + offset, part);
	}
	if (part == len)
		return SFS_OK;
	rc = sfs_btree_chain_begin(op, &chain, cell->page_no, cell->overflow,
	                           payload_len(cell) - cell->local_len);
	if (rc != SFS_OK)
		return rc;
	return sfs_btree_chain_read(op, &chain, offset + part - cell->local_len,
	                            buf + part, len - part);
}

static int compare_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
	return len > 0 ? memcmp(a, b, len) : 0;
}

static int compare_sizes(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

/* The keys agree as far as the cell's lies on its page; both go on. */
static enum sfs_rc compare_chain(const struct sfs_btree_op *op,
                                 const struct sfs_btree_cell *cell,
                                 struct sfs_bytes key, int *order_out)
{
	uint32_t at = cell->local_len - cell->head_len;
	struct sfs_btree_chain chain;
	uint8_t piece[2048];
	uint32_t done = 0;
	uint32_t len;
	enum sfs_rc rc;

	rc = sfs_btree_chain_begin(op, &chain, cell->page_no, cell->overflow,
	                           payload_len(cell) - cell->local_len);
	while (rc == SFS_OK && at < cell->key_len && at < key.len) {
		len = cell->key_len - at;
		len = len < key.len - at ? len : (uint32_t)(key.len - at);
		len = len < sizeof(piece) ? len : (uint32_t)sizeof(piece);
		rc = sfs_btree_chain_read(op, &chain, done, piece, len);
		if (rc != SFS_OK)
			break;
		*order_out = compare_bytes(key.data + at, piece, len);
		if (*order_out != 0)
			return SFS_OK;
		at += len;
		done += len;
	}
	*order_out = compare_sizes(key.len, cell->key_len);
	return rc;
}

enum sfs_rc sfs_btree_cell_compare(const struct sfs_btree_op *op,
                                   const struct sfs_btree_cell *cell,
                                   struct sfs_bytes key, int *order_out)
{
	uint32_t local = cell->local_len - cell->head_len;
	size_t len;

	local = local < cell->key_len ? local : cell->key_len;
	len = local < key.len ? local : key.len;
	*order_out = compare_bytes(key.data, cell->local + cell->head_len, len);
	if (*order_out != 0)
		return SFS_OK;
	if (local < cell->key_len && local < key.len)
		return compare_chain(op, cell, key, order_out);
	*order_out = compare_sizes(key.len, cell->key_len);
	return SFS_OK;
}

static enum sfs_rc compare_at(const struct sfs_btree_op *op,
                              const struct sfs_btree_page *page, uint32_t index,
                              struct sfs_bytes key, struct sfs_btree_spot *spot)
{
	enum sfs_rc rc;
	int order = 0;

	spot->is_exact = false;
	rc = sfs_btree_cell_parse(op, page, index, &spot->cell);
	if (rc == SFS_OK)
		rc = sfs_btree_cell_compare(op, &spot->cell, key, &order);
	if (rc != SFS_OK)
		return rc;
	spot->is_exact = order == 0;
	spot->index = order > 0 ? index + 1 : index;
	return SFS_OK;
}

enum sfs_rc sfs_btree_page_search(const struct sfs_btree_op *op,
                                  const struct sfs_btree_page *page,
                                  uint32_t from, bool is_near,
                                  struct sfs_bytes key,
                                  struct sfs_btree_spot *spot)
{
	uint32_t low = from;
	uint32_t high = page->cells;
	uint32_t stride = 1;
	uint32_t probe;
	enum sfs_rc rc;

	spot->is_exact = false;
	while (low < high) {
		probe = low + (high - low) / 2;
		if (is_near && low + stride - 1 < probe)
			probe = low + stride - 1;
		rc = compare_at(op, page, probe, key, spot);
		if (rc != SFS_OK)
			return rc;
		if (spot->is_exact)
			return SFS_OK;
		stride *= 2;
		if (spot->index > probe)
			low = probe + 1;
		else
			high = probe;
	}
	spot->index = low;
	return SFS_OK;
}

void sfs_btree_cell_info(const struct sfs_btree *t,
                         const struct sfs_btree_cell *cell,
                         struct sfs_pair_info *info)
{
	info->locator =
		(sfs_locator)cell->page_no << t->cell_bits | cell->index;
	info->value_size = cell->value_len;
}
