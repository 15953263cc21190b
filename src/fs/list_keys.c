/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories of keys. They are walked shard by shard, or, where which shard
 * holds a key depends on columns, all shards at once in key order. The cookie
 * says shard (0 for all) and ordinal, so that a listing can be taken up
 * anywhere, and the cursor that stopped there is kept aside for the next call.
 */
#include "fs/listing.h"

#include "format/keys.h"

enum { ORDINAL_BITS = 40 };

struct walk {
	struct sfs_listing *l;
	struct sfs_view *view;
	bool is_merged;
	uint32_t db_id;
	uint32_t end_db_id;
	uint64_t ordinal; /* of the next row */
	uint64_t given;   /* nodes that the kernel now holds */
	struct sfs_rows *rows;
};

static uint64_t walk_cookie(const struct walk *w)
{
	return SFS_FIRST_COOKIE +
	       ((uint64_t)w->db_id << ORDINAL_BITS | w->ordinal);
}

/* One row; rows that have no name are passed over, and counted. */
static void give_key(struct walk *w, const struct sfs_snapshot_pair *pair)
{
	struct sfs_listing *l = w->l;
	char name[SFS_FS_NAME_MAX + 1];
	struct sfs_entry entry;
	size_t len;

	if (sfs_key_to_name(sfs_snapshot_router(w->view->snapshot)->encoding,
	                    pair->key, name, l->fs->config.name_max + 1,
	                    &len) != SFS_OK) {
		atomic_fetch_add(&l->fs->long_names, 1);
		w->ordinal++;
		return;
	}
	sfs_fs_key_entry(l->fs, w->view, pair->db_id, &pair->info, &entry);
	/* the kernel must ask for what cannot be told by the name alone */
	if (!l->request->with_attr || pair->is_ambiguous)
		entry.node = 0;
	w->ordinal++;
	if (l->request->fill(l->request->arg, name, &entry, walk_cookie(w))) {
		w->given += entry.node != 0;
		l->gave = true;
	} else {
		w->ordinal--;
		l->is_full = true;
	}
}

static enum sfs_rc walk_shard(struct walk *w, bool *is_done)
{
	struct sfs_snapshot_pair pair;
	bool found = true;
	enum sfs_rc rc;

	while (!w->l->is_full) {
		rc = sfs_rows_next(w->rows, &found, &pair, w->l->call,
		                   w->l->err);
		if (rc != SFS_OK)
			return rc;
		if (!found)
			break;
		give_key(w, &pair);
	}
	*is_done = !found;
	return SFS_OK;
}

static enum sfs_rc walk_begin(struct walk *w)
{
	struct sfs_listing_place at = { w->view->snapshot, w->l->request->node,
		                        walk_cookie(w) };

	w->rows = sfs_cursors_take(w->l->fs->cursors, &at);
	if (w->rows != NULL)
		return SFS_OK;
	return sfs_rows_open(w->view->snapshot,
	                     w->is_merged ? SFS_NO_SHARD : w->db_id, w->ordinal,
	                     &w->rows, w->l->call, w->l->err);
}

/* Keeps the cursor; a row that did not fit comes first next time. */
static void walk_end(struct walk *w)
{
	struct sfs_listing_place at = { w->view->snapshot, w->l->request->node,
		                        walk_cookie(w) };

	if (w->rows == NULL)
		return;
	if (w->l->is_full)
		sfs_rows_back(w->rows);
	sfs_cursors_keep(w->l->fs->cursors, &at, w->rows);
	w->rows = NULL;
}

static enum sfs_rc walk_all(struct walk *w)
{
	bool is_done = false;
	enum sfs_rc rc;

	while (w->db_id < w->end_db_id && !w->l->is_full) {
		rc = walk_begin(w);
		if (rc == SFS_OK)
			rc = walk_shard(w, &is_done);
		if (rc != SFS_OK)
			return rc;
		/* The call that finds the end comes with this cursor. */
		if (!is_done || (w->db_id + 1 == w->end_db_id && w->l->gave))
			break;
		sfs_rows_close(w->rows);
		w->rows = NULL;
		w->db_id++;
		w->ordinal = 0;
	}
	return SFS_OK;
}

enum sfs_rc sfs_listing_keys(struct sfs_listing *l, struct sfs_view *view,
                             uint32_t first, uint32_t end)
{
	struct walk w = {
		.l = l, .view = view, .db_id = first, .end_db_id = end
	};
	uint64_t position;
	enum sfs_rc rc;

	sfs_listing_dots(l);
	if (l->is_full)
		return SFS_OK;
	if (first == SFS_NO_SHARD) {
		w.is_merged = true;
		first = 0;
		w.db_id = 0;
		w.end_db_id = 1;
	}
	if (l->cookie > SFS_FIRST_COOKIE) {
		position = l->cookie - SFS_FIRST_COOKIE;
		w.db_id = (uint32_t)(position >> ORDINAL_BITS);
		w.ordinal = position & (((uint64_t)1 << ORDINAL_BITS) - 1);
		if (w.db_id < first)
			w.db_id = first;
	}
	rc = walk_all(&w);
	sfs_view_add(view, w.given);
	if (rc == SFS_OK) {
		walk_end(&w);
	} else if (w.rows != NULL) {
		sfs_rows_close(w.rows);
	}
	/* What was given out stands; the fault shows at the next call. */
	return l->gave ? SFS_OK : rc;
}
