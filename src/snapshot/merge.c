/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All shards of a snapshot as one sequence in key order: a heap of cursors,
 * the least key on top. The row that was given last stays on top until the
 * next one is asked for, since its key is borrowed of its cursor; then it and
 * all rows of the same key move on.
 */
#include "snapshot/snapshot.h"

#include "base/alloc.h"

#include <string.h>

struct run {
	struct sfs_snapshot_cursor *cursor;
	struct sfs_snapshot_pair pair; /* where the cursor is */
};

struct sfs_snapshot_merge {
	struct run *heap;
	size_t count;
	bool has_given; /* the top was given */
	bool is_again;  /* and is to be given once more */
};

static bool is_before(const struct run *a, const struct run *b)
{
	int order = sfs_bytes_compare(a->pair.key, b->pair.key);

	return order != 0 ? order < 0 : a->pair.db_id < b->pair.db_id;
}

static void sink(struct sfs_snapshot_merge *m, size_t at)
{
	struct run moved = m->heap[at];
	size_t child;

	while ((child = 2 * at + 1) < m->count) {
		if (child + 1 < m->count &&
		    is_before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!is_before(&m->heap[child], &moved))
			break;
		m->heap[at] = m->heap[child];
		at = child;
	}
	m->heap[at] = moved;
}

/* Steps the run at that place, which leaves the heap behind its last row. */
static enum sfs_rc advance(struct sfs_snapshot_merge *m, size_t at,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct run *r = &m->heap[at];
	bool found = false;
	enum sfs_rc rc;

	rc = sfs_snapshot_cursor_next(r->cursor, &found, &r->pair.key,
	                              &r->pair.info, call, err);
	if (rc != SFS_OK)
		return rc;
	if (!found) {
		sfs_snapshot_cursor_close(r->cursor);
		*r = m->heap[--m->count];
	}
	if (at < m->count)
		sink(m, at);
	return SFS_OK;
}

/* The child of the top that comes first; 0: the top has none. */
static size_t second(const struct sfs_snapshot_merge *m)
{
	if (m->count < 3)
		return m->count - 1;
	return is_before(&m->heap[2], &m->heap[1]) ? 2 : 1;
}

/* Another shard holds the top's key, too. */
static bool is_shared(const struct sfs_snapshot_merge *m)
{
	size_t other = second(m);

	return other > 0 && sfs_bytes_compare(m->heap[0].pair.key,
	                                      m->heap[other].pair.key) == 0;
}

static enum sfs_rc step(struct sfs_snapshot_merge *m,
                        const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	while (rc == SFS_OK && is_shared(m))
		rc = advance(m, second(m), call, err);
	return rc == SFS_OK ? advance(m, 0, call, err) : rc;
}

enum sfs_rc sfs_snapshot_merge_next(struct sfs_snapshot_merge *m, bool *found,
                                    struct sfs_snapshot_pair *pair,
                                    const struct sfs_call *call,
                                    struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	*found = false;
	if (m->has_given && !m->is_again && m->count > 0)
		rc = step(m, call, err);
	m->is_again = false;
	m->has_given = true;
	if (rc != SFS_OK || m->count == 0)
		return rc;
	*found = true;
	*pair = m->heap[0].pair;
	pair->is_ambiguous = is_shared(m);
	return SFS_OK;
}

void sfs_snapshot_merge_back(struct sfs_snapshot_merge *m)
{
	m->is_again = true;
}

void sfs_snapshot_merge_close(struct sfs_snapshot_merge *m)
{
	for (size_t i = 0; i < m->count; i++)
		sfs_snapshot_cursor_close(m->heap[i].cursor);
	sfs_free(m->heap);
	sfs_free(m);
}

static enum sfs_rc add_shard(struct sfs_snapshot_merge *m,
                             struct sfs_snapshot *s, uint32_t db_id,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct run *r = &m->heap[m->count];
	bool found = false;
	enum sfs_rc rc;

	if (sfs_snapshot_shard_prefix(s, db_id) == NULL)
		return SFS_OK;
	rc = sfs_snapshot_cursor_open(s, db_id, 0, &r->cursor, call, err);
	if (rc != SFS_OK)
		return rc;
	r->pair.db_id = db_id;
	rc = sfs_snapshot_cursor_next(r->cursor, &found, &r->pair.key,
	                              &r->pair.info, call, err);
	if (rc == SFS_OK && found)
		m->count++;
	else
		sfs_snapshot_cursor_close(r->cursor);
	return rc;
}

static enum sfs_rc fill(struct sfs_snapshot_merge *m, struct sfs_snapshot *s,
                        uint64_t skip, const struct sfs_call *call,
                        struct sfs_err *err)
{
	uint32_t num_dbs = sfs_snapshot_manifest(s)->num_dbs;
	struct sfs_snapshot_pair pair;
	enum sfs_rc rc = SFS_OK;
	bool found = true;

	for (uint32_t i = 0; rc == SFS_OK && i < num_dbs; i++)
		rc = add_shard(m, s, i, call, err);
	for (size_t i = m->count / 2; i-- > 0;)
		sink(m, i);
	for (uint64_t i = 0; rc == SFS_OK && found && i < skip; i++) {
		rc = sfs_call_check(call, sfs_snapshot_text_id(s), err);
		if (rc == SFS_OK)
			rc = sfs_snapshot_merge_next(m, &found, &pair, call,
			                             err);
	}
	return rc;
}

enum sfs_rc sfs_snapshot_merge_open(struct sfs_snapshot *s, uint64_t skip,
                                    struct sfs_snapshot_merge **out,
                                    const struct sfs_call *call,
                                    struct sfs_err *err)
{
	struct sfs_snapshot_merge *m;
	enum sfs_rc rc;

	rc = sfs_snapshot_check_fanout(s, err);
	if (rc != SFS_OK)
		return rc;
	m = sfs_calloc(1, sizeof(*m));
	if (m == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "snapshot: out of memory");
	m->heap =
		sfs_calloc(sfs_snapshot_manifest(s)->num_dbs, sizeof(*m->heap));
	rc = m->heap != NULL ? fill(m, s, skip, call, err)
	                     : sfs_err_set(err, SFS_E_NO_MEMORY,
	                                   "snapshot: out of memory");
	if (rc != SFS_OK) {
		sfs_snapshot_merge_close(m);
		return rc;
	}
	*out = m;
	return SFS_OK;
}
