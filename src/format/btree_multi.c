/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of many sorted keys in one walk. The path to the last key stays; the
 * next one begins at the lowest page of it that can hold the key, so each
 * page is read once however dense the keys are. A page can hold a key that is
 * before the cell behind the child taken, in the nearest page above that has
 * such a cell.
 */
#include "format/btree_internal.h"

#include "base/alloc.h"
#include "format/keys.h"

#include <string.h>

struct multi_get {
	struct sfs_btree_op op;
	size_t value_max;
	uint8_t *value; /* one value that is not on one page */
	size_t value_cap;
	struct sfs_btree_path path;
};

/* Leaves the pages whose keys all are before key. */
static enum sfs_rc climb(struct multi_get *m, struct sfs_bytes key)
{
	struct sfs_btree_cell cell;
	struct sfs_btree_frame *f;
	enum sfs_rc rc;
	int order;
	int i;

	for (i = m->path.depth - 2; i >= 0; i--) {
		f = &m->path.frames[i];
		if (f->index >= f->page.cells)
			continue;
		rc = sfs_btree_cell_parse(&m->op, &f->page, f->index, &cell);
		if (rc == SFS_OK)
			rc = sfs_btree_cell_compare(&m->op, &cell, key, &order);
		if (rc != SFS_OK || order < 0)
			return rc;
		m->path.depth = i + 1;
	}
	return SFS_OK;
}

static enum sfs_rc find(struct multi_get *m, struct sfs_bytes key,
                        struct sfs_btree_spot *spot)
{
	struct sfs_btree_frame *f;
	bool is_near = true;
	enum sfs_rc rc;

	rc = climb(m, key);
	while (rc == SFS_OK) {
		f = &m->path.frames[m->path.depth - 1];
		rc = sfs_btree_page_search(&m->op, &f->page, f->index, is_near,
		                           key, spot);
		if (rc != SFS_OK)
			return rc;
		f->index = spot->index;
		if (spot->is_exact || f->page.is_leaf)
			return SFS_OK;
		rc = sfs_btree_path_descend(&m->op, &m->path);
		is_near = false;
	}
	return rc;
}

static enum sfs_rc value_room(struct multi_get *m, size_t len)
{
	uint8_t *grown;

	if (len <= m->value_cap)
		return SFS_OK;
	grown = sfs_realloc_array(m->value, len, 1);
	if (grown == NULL)
		return sfs_err_set(m->op.err, SFS_E_NO_MEMORY,
		                   "%s: no memory for a value of %zu bytes",
		                   m->op.t->name, len);
	m->value = grown;
	m->value_cap = len;
	return SFS_OK;
}

static enum sfs_rc value_read(struct multi_get *m,
                              const struct sfs_btree_cell *cell,
                              struct sfs_bytes *value)
{
	uint32_t begin = cell->head_len + cell->key_len;
	enum sfs_rc rc;

	if (cell->value_len > m->value_max)
		return sfs_err_set(m->op.err, SFS_E_TOO_BIG,
		                   "%s: page %u: cell %u has a value of %u "
		                   "bytes, more than %zu",
		                   m->op.t->name, cell->page_no, cell->index,
		                   cell->value_len, m->value_max);
	value->len = cell->value_len;
	value->data = cell->local + begin;
	if (cell->overflow == 0)
		return SFS_OK;
	rc = value_room(m, cell->value_len);
	value->data = m->value;
	if (rc != SFS_OK)
		return rc;
	return sfs_btree_cell_read(&m->op, cell, begin, m->value,
	                           cell->value_len);
}

static enum sfs_rc get_all(struct multi_get *m, const struct sfs_bytes *keys,
                           size_t count, sfs_multi_get_fn *fn, void *arg)
{
	struct sfs_btree_spot spot;
	struct sfs_bytes value;
	enum sfs_rc rc = SFS_OK;
	size_t i;

	for (i = 0; rc == SFS_OK && i < count; i++) {
		if (i > 0 && sfs_bytes_compare(keys[i - 1], keys[i]) > 0)
			return sfs_err_set(m->op.err, SFS_E_INVALID,
			                   "%s: keys to get are not sorted",
			                   m->op.t->name);
		rc = find(m, keys[i], &spot);
		if (rc == SFS_OK && spot.is_exact)
			rc = value_read(m, &spot.cell, &value);
		if (rc == SFS_OK && !fn(arg, i, spot.is_exact ? &value : NULL))
			break;
	}
	return rc;
}

enum sfs_rc sfs_btree_multi_get(struct sfs_btree *t,
                                const struct sfs_bytes *keys, size_t count,
                                size_t value_max, sfs_multi_get_fn *fn,
                                void *arg, const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct multi_get m = { .op = { t, call, err }, .value_max = value_max };
	enum sfs_rc rc;

	if (count == 0)
		return SFS_OK;
	sfs_btree_path_init(&m.path);
	rc = sfs_btree_path_push(&m.op, &m.path, t->root);
	if (rc == SFS_OK)
		rc = get_all(&m, keys, count, fn, arg);
	sfs_btree_path_release(&m.path);
	sfs_free(m.value);
	return rc;
}
