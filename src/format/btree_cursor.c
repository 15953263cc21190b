/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursor: all rows in key order. Skipping counts the cells of leaves by
 * their page headers, without reading their rows.
 */
#include "format/btree_internal.h"

#include "base/alloc.h"

struct sfs_btree_cursor {
	struct sfs_btree *t; /* borrowed */
	bool is_below;       /* the top frame's child comes next */
	struct sfs_btree_path path;
	uint8_t *key; /* the last key, if it was not on one page */
};

static struct sfs_btree_frame *top(struct sfs_btree_cursor *c)
{
	return &c->path.frames[c->path.depth - 1];
}

static enum sfs_rc enter_child(const struct sfs_btree_op *op,
                               struct sfs_btree_cursor *c)
{
	enum sfs_rc rc = sfs_btree_path_descend(op, &c->path);

	if (rc == SFS_OK)
		c->is_below = !top(c)->page.is_leaf;
	return rc;
}

/* Leaves pages that are done; stops at a cell, a child, or the end. */
static enum sfs_rc settle(const struct sfs_btree_op *op,
                          struct sfs_btree_cursor *c)
{
	enum sfs_rc rc = SFS_OK;

	while (rc == SFS_OK && c->path.depth > 0) {
		if (c->is_below)
			rc = enter_child(op, c);
		else if (top(c)->index < top(c)->page.cells)
			break;
		else
			c->path.depth--;
	}
	return rc;
}

/* Skips the child that comes next if it is a leaf of at most *left rows. */
static enum sfs_rc skip_child(const struct sfs_btree_op *op,
                              struct sfs_btree_cursor *c, uint64_t *left)
{
	struct sfs_btree_frame *f = top(c);
	struct sfs_btree_page page = { .header = 0 };
	uint8_t head[8];
	enum sfs_rc rc;

	rc = sfs_btree_page_child(op, &f->page, f->index, &page.no);
	if (rc == SFS_OK)
		rc = sfs_btree_fetch(op, page.no, 0, head, sizeof(head));
	if (rc != SFS_OK)
		return rc;
	page.data = head;
	if (head[0] != SFS_BTREE_PAGE_LEAF_INDEX)
		return enter_child(op, c);
	rc = sfs_btree_page_check(op, &page);
	if (rc != SFS_OK)
		return rc;
	if (page.cells > *left)
		return enter_child(op, c);
	*left -= page.cells;
	c->is_below = false;
	return sfs_btree_path_count(op, &c->path, page.no);
}

static void skip_cells(struct sfs_btree_cursor *c, uint64_t *left)
{
	struct sfs_btree_frame *f = top(c);
	uint32_t n = f->page.cells - f->index;

	if (!f->page.is_leaf) {
		n = n > 0 ? 1 : 0;
		c->is_below = n > 0;
	}
	if (n == 0) {
		c->path.depth--;
		return;
	}
	n = n < *left ? n : (uint32_t)*left;
	f->index += n;
	*left -= n;
}

static enum sfs_rc skip_rows(const struct sfs_btree_op *op,
                             struct sfs_btree_cursor *c, uint64_t left)
{
	enum sfs_rc rc = SFS_OK;

	while (rc == SFS_OK && left > 0 && c->path.depth > 0) {
		if (c->is_below)
			rc = skip_child(op, c, &left);
		else
			skip_cells(c, &left);
	}
	return rc;
}

enum sfs_rc sfs_btree_cursor_open(struct sfs_btree *t, uint64_t skip,
                                  struct sfs_btree_cursor **out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct sfs_btree_op op = { t, call, err };
	struct sfs_btree_cursor *c = sfs_calloc(1, sizeof(*c));
	enum sfs_rc rc;

	*out = NULL;
	if (c == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "%s: no memory for a cursor", t->name);
	c->t = t;
	sfs_btree_path_init(&c->path);
	rc = sfs_btree_path_push(&op, &c->path, t->root);
	if (rc == SFS_OK) {
		c->is_below = !top(c)->page.is_leaf;
		rc = skip_rows(&op, c, skip);
	}
	if (rc != SFS_OK) {
		sfs_btree_cursor_close(c);
		return rc;
	}
	*out = c;
	return SFS_OK;
}

/* Lends the key from its page, or collects it. */
static enum sfs_rc lend_key(const struct sfs_btree_op *op,
                            struct sfs_btree_cursor *c,
                            const struct sfs_btree_cell *cell,
                            struct sfs_bytes *key)
{
	key->len = cell->key_len;
	key->data = cell->local + cell->head_len;
	if (cell->key_len <= cell->local_len - cell->head_len)
		return SFS_OK;
	sfs_free(c->key);
	c->key = sfs_malloc(cell->key_len);
	key->data = c->key;
	if (c->key == NULL)
		return sfs_err_set(op->err, SFS_E_NO_MEMORY,
		                   "%s: no memory for a key of %u bytes",
		                   op->t->name, cell->key_len);
	return sfs_btree_cell_read(op, cell, cell->head_len, c->key,
	                           cell->key_len);
}

enum sfs_rc sfs_btree_cursor_next(struct sfs_btree_cursor *c, bool *found,
                                  struct sfs_bytes *key,
                                  struct sfs_pair_info *info,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct sfs_btree_op op = { c->t, call, err };
	struct sfs_btree_cell cell;
	struct sfs_btree_frame *f;
	enum sfs_rc rc;

	*found = false;
	rc = settle(&op, c);
	if (rc != SFS_OK || c->path.depth == 0)
		return rc;
	f = top(c);
	rc = sfs_btree_cell_parse(&op, &f->page, f->index, &cell);
	if (rc == SFS_OK)
		rc = lend_key(&op, c, &cell, key);
	if (rc != SFS_OK)
		return rc;
	sfs_btree_cell_info(c->t, &cell, info);
	f->index++;
	c->is_below = !f->page.is_leaf;
	*found = true;
	return SFS_OK;
}

void sfs_btree_cursor_close(struct sfs_btree_cursor *c)
{
	if (c == NULL)
		return;
	sfs_btree_path_release(&c->path);
	sfs_free(c->key);
	sfs_free(c);
}
