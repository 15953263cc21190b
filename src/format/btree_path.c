/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path from the root to the page where a walk in key order stands. Rows
 * of an interior page lie between its children, so a frame's index counts
 * children and cells alike: child 0, cell 0, child 1, ... In a tree no page
 * is reached twice; counting the pages is enough to end a walk over one that
 * is not a tree.
 */
#include "format/btree_internal.h"

#include "base/alloc.h"

#include <string.h>

void sfs_btree_path_init(struct sfs_btree_path *path)
{
	memset(path, 0, sizeof(*path));
}

void sfs_btree_path_release(struct sfs_btree_path *path)
{
	int i;

	for (i = 0; i < SFS_BTREE_DEPTH_MAX; i++)
		sfs_free(path->frames[i].buf);
}

enum sfs_rc sfs_btree_path_count(const struct sfs_btree_op *op,
                                 struct sfs_btree_path *path, uint32_t page_no)
{
	if (++path->visited > op->t->page_count)
		return sfs_btree_fault(op, page_no, "is reached twice");
	return SFS_OK;
}

enum sfs_rc sfs_btree_path_push(const struct sfs_btree_op *op,
                                struct sfs_btree_path *path, uint32_t page_no)
{
	struct sfs_btree_frame *f = &path->frames[path->depth];
	enum sfs_rc rc;

	if (path->depth == SFS_BTREE_DEPTH_MAX)
		return sfs_btree_fault(op, page_no,
		                       "lies deeper than %d levels",
		                       SFS_BTREE_DEPTH_MAX);
	rc = sfs_btree_path_count(op, path, page_no);
	if (rc != SFS_OK)
		return rc;
	if (!sfs_btree_page_cached(op->t, page_no, &f->page)) {
		if (f->buf == NULL)
			f->buf = sfs_malloc(op->t->page_size);
		if (f->buf == NULL)
			return sfs_err_set(op->err, SFS_E_NO_MEMORY,
			                   "%s: no memory for a page",
			                   op->t->name);
		rc = sfs_btree_page_read(op, page_no, f->buf, &f->page);
	}
	if (rc == SFS_OK) {
		f->index = 0;
		path->depth++;
	}
	return rc;
}

enum sfs_rc sfs_btree_path_descend(const struct sfs_btree_op *op,
                                   struct sfs_btree_path *path)
{
	struct sfs_btree_frame *f = &path->frames[path->depth - 1];
	uint32_t child;
	enum sfs_rc rc;

	rc = sfs_btree_page_child(op, &f->page, f->index, &child);
	if (rc != SFS_OK)
		return rc;
	return sfs_btree_path_push(op, path, child);
}
