/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One face for the two walks of a snapshot, so that listings and the cursors
 * that they keep need not tell them apart.
 */
#include "fs/rows.h"

#include "base/alloc.h"

struct sfs_rows {
	struct sfs_snapshot *snapshot; /* a reference */
	uint32_t db_id;
	struct sfs_snapshot_cursor *cursor; /* of one shard, or NULL */
	struct sfs_snapshot_merge *merge;   /* of all, or NULL */
};

enum sfs_rc sfs_rows_open(struct sfs_snapshot *s, uint32_t db_id, uint64_t skip,
                          struct sfs_rows **out, const struct sfs_call *call,
                          struct sfs_err *err)
{
	struct sfs_rows *r = sfs_calloc(1, sizeof(*r));
	enum sfs_rc rc;

	if (r == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "listing: out of memory");
	r->snapshot = sfs_snapshot_ref(s);
	r->db_id = db_id;
	if (db_id == SFS_NO_SHARD)
		rc = sfs_snapshot_merge_open(s, skip, &r->merge, call, err);
	else
		rc = sfs_snapshot_cursor_open(s, db_id, skip, &r->cursor, call,
		                              err);
	if (rc != SFS_OK) {
		sfs_rows_close(r);
		return rc;
	}
	*out = r;
	return SFS_OK;
}

enum sfs_rc sfs_rows_next(struct sfs_rows *r, bool *found,
                          struct sfs_snapshot_pair *pair,
                          const struct sfs_call *call, struct sfs_err *err)
{
	if (r->merge != NULL)
		return sfs_snapshot_merge_next(r->merge, found, pair, call,
		                               err);
	pair->db_id = r->db_id;
	pair->is_ambiguous = false;
	return sfs_snapshot_cursor_next(r->cursor, found, &pair->key,
	                                &pair->info, call, err);
}

void sfs_rows_back(struct sfs_rows *r)
{
	if (r->merge != NULL)
		sfs_snapshot_merge_back(r->merge);
	else
		sfs_snapshot_cursor_back(r->cursor);
}

void sfs_rows_close(struct sfs_rows *r)
{
	if (r->merge != NULL)
		sfs_snapshot_merge_close(r->merge);
	if (r->cursor != NULL)
		sfs_snapshot_cursor_close(r->cursor);
	sfs_snapshot_unref(r->snapshot);
	sfs_free(r);
}
