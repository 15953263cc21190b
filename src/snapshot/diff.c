/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing two snapshots. Shards that hold the same keys by the same rule
 * are merged; where the rules differ, each key of a side is looked up on the
 * other, or, where a key alone does not tell its shard, whole snapshots are
 * merged. Values of equal length are compared piece by piece.
 */
#include "snapshot/diff.h"

#include "base/alloc.h"
#include "format/digests.h"

#include <string.h>

enum { PIECE_BYTES = 64 << 10 };

struct side {
	struct sfs_snapshot *snapshot;
	const struct sfs_manifest *manifest;
	struct sfs_digests digests;
	struct sfs_snapshot_cursor *cursor; /* NULL: not open */
	struct sfs_snapshot_merge *merge;   /* the same; one of them is */
	struct sfs_bytes key;               /* borrowed of the cursor */
	uint32_t db_id;                     /* where the pair lies */
	struct sfs_pair_info info;
	bool has_pair;
	char *piece; /* PIECE_BYTES */
};

struct diff {
	struct side from;
	struct side to;
	sfs_diff_fn *fn;
	void *arg;
	struct sfs_diff_result *result;
	const struct sfs_call *call;
	struct sfs_err *err;
	char *name; /* of the key at hand */
	size_t name_cap;
	uint8_t *key; /* of the other side, by that name */
	size_t key_cap;
	bool is_stopped;
};

static enum sfs_rc no_memory(struct diff *d)
{
	return sfs_err_set(d->err, SFS_E_NO_MEMORY, "diff: out of memory");
}

static bool is_text(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool is_sharded_alike(const struct diff *d)
{
	const struct sfs_manifest *a = d->from.manifest;
	const struct sfs_manifest *b = d->to.manifest;

	return a->num_dbs == b->num_dbs && a->key_encoding == b->key_encoding &&
	       a->routing.strategy == b->routing.strategy &&
	       (a->routing.strategy == SFS_STRATEGY_HASH ||
	        is_text(a->sharding, b->sharding));
}

/* True if the shards are known to be equal without a look at them. */
static bool is_same_shard(const struct diff *d, uint32_t db_id)
{
	const struct sfs_manifest_shard *a = &d->from.manifest->shards[db_id];
	const struct sfs_manifest_shard *b = &d->to.manifest->shards[db_id];

	if (a->db_url == NULL && b->db_url == NULL)
		return true;
	if (is_text(d->from.digests.of[db_id], d->to.digests.of[db_id]))
		return true;
	return is_text(a->db_url, b->db_url) &&
	       is_text(a->checkpoint_id, b->checkpoint_id);
}

/* The name of the key at hand in d->name. */
static enum sfs_rc make_name(struct diff *d, const struct side *side,
                             size_t *len)
{
	/* every byte may need three, a number has at most 20 digits */
	size_t cap = side->key.len * 3 + 32;
	char *grown;

	if (cap > d->name_cap) {
		grown = sfs_malloc(cap);
		if (grown == NULL)
			return no_memory(d);
		sfs_free(d->name);
		d->name = grown;
		d->name_cap = cap;
	}
	if (sfs_key_to_name(side->manifest->key_encoding, side->key, d->name,
	                    d->name_cap, len) == SFS_OK)
		return SFS_OK;
	return sfs_err_set(d->err, SFS_E_CORRUPT,
	                   "snapshot %s holds bytes that are no %s key",
	                   sfs_snapshot_text_id(side->snapshot),
	                   sfs_key_encoding_text(side->manifest->key_encoding));
}

static enum sfs_rc tell(struct diff *d, enum sfs_diff_kind kind,
                        const struct side *side)
{
	size_t len;
	enum sfs_rc rc = make_name(d, side, &len);

	if (rc != SFS_OK)
		return rc;
	d->result->added += kind == SFS_DIFF_ADDED;
	d->result->removed += kind == SFS_DIFF_REMOVED;
	d->result->changed += kind == SFS_DIFF_CHANGED;
	d->is_stopped = !d->fn(d->arg, kind, d->name, len);
	return SFS_OK;
}

static enum sfs_rc read_piece(struct diff *d, struct side *side, uint32_t db_id,
                              const struct sfs_pair_info *info, uint64_t offset,
                              size_t *got)
{
	struct sfs_place place = { side->snapshot, db_id, info->locator };

	return sfs_snapshot_read(&place, offset, side->piece, PIECE_BYTES, got,
	                         d->call, d->err);
}

/* A pair of each side, and where they lie. */
struct pairs {
	uint32_t from_db_id;
	uint32_t to_db_id;
	struct sfs_pair_info from;
	struct sfs_pair_info to;
};

static enum sfs_rc compare_values(struct diff *d, const struct pairs *p,
                                  bool *is_same)
{
	size_t from_got = 0;
	size_t to_got = 0;
	enum sfs_rc rc;

	*is_same = p->from.value_size == p->to.value_size;
	for (uint64_t offset = 0; *is_same && offset < p->from.value_size;
	     offset += from_got) {
		rc = read_piece(d, &d->from, p->from_db_id, &p->from, offset,
		                &from_got);
		if (rc == SFS_OK)
			rc = read_piece(d, &d->to, p->to_db_id, &p->to, offset,
			                &to_got);
		if (rc != SFS_OK)
			return rc;
		*is_same = from_got == to_got && from_got > 0 &&
		           memcmp(d->from.piece, d->to.piece, from_got) == 0;
	}
	return SFS_OK;
}

static enum sfs_rc next_merged(struct diff *d, struct side *side)
{
	struct sfs_snapshot_pair pair = { .db_id = 0 };
	enum sfs_rc rc;

	rc = sfs_snapshot_merge_next(side->merge, &side->has_pair, &pair,
	                             d->call, d->err);
	side->key = pair.key;
	side->db_id = pair.db_id;
	side->info = pair.info;
	return rc;
}

static enum sfs_rc next(struct diff *d, struct side *side)
{
	if (side->merge != NULL)
		return next_merged(d, side);
	return sfs_snapshot_cursor_next(side->cursor, &side->has_pair,
	                                &side->key, &side->info, d->call,
	                                d->err);
}

static enum sfs_rc open_side(struct diff *d, struct side *side, uint32_t db_id)
{
	enum sfs_rc rc;

	side->db_id = db_id;
	rc = sfs_snapshot_cursor_open(side->snapshot, db_id, 0, &side->cursor,
	                              d->call, d->err);
	return rc == SFS_OK ? next(d, side) : rc;
}

static void close_side(struct side *side)
{
	if (side->cursor != NULL)
		sfs_snapshot_cursor_close(side->cursor);
	if (side->merge != NULL)
		sfs_snapshot_merge_close(side->merge);
	side->cursor = NULL;
	side->merge = NULL;
}

/* Below 0: the pair of "from" comes first; a side at its end comes last. */
static int order_of(const struct diff *d)
{
	if (!d->from.has_pair || !d->to.has_pair)
		return d->from.has_pair ? -1 : 1;
	return sfs_bytes_compare(d->from.key, d->to.key);
}

static enum sfs_rc merge_step(struct diff *d)
{
	struct pairs p = { d->from.db_id, d->to.db_id, d->from.info,
		           d->to.info };
	int order = order_of(d);
	bool is_same = true;
	enum sfs_rc rc;

	if (order < 0)
		rc = tell(d, SFS_DIFF_REMOVED, &d->from);
	else if (order > 0)
		rc = tell(d, SFS_DIFF_ADDED, &d->to);
	else
		rc = compare_values(d, &p, &is_same);
	if (rc == SFS_OK && !is_same)
		rc = tell(d, SFS_DIFF_CHANGED, &d->to);
	if (rc == SFS_OK && order <= 0)
		rc = next(d, &d->from);
	if (rc == SFS_OK && order >= 0)
		rc = next(d, &d->to);
	return rc;
}

/* Two open sides, to their ends. */
static enum sfs_rc merge_sides(struct diff *d)
{
	enum sfs_rc rc = SFS_OK;

	while (rc == SFS_OK && !d->is_stopped &&
	       (d->from.has_pair || d->to.has_pair)) {
		rc = sfs_call_check(d->call, "diff", d->err);
		if (rc == SFS_OK)
			rc = merge_step(d);
	}
	return rc;
}

static enum sfs_rc merge_shard(struct diff *d, uint32_t db_id)
{
	enum sfs_rc rc;

	rc = open_side(d, &d->from, db_id);
	if (rc == SFS_OK)
		rc = open_side(d, &d->to, db_id);
	if (rc == SFS_OK)
		rc = merge_sides(d);
	close_side(&d->from);
	close_side(&d->to);
	return rc;
}

static enum sfs_rc open_merged(struct diff *d, struct side *side)
{
	const struct sfs_manifest *m = side->manifest;
	enum sfs_rc rc;

	for (uint32_t i = 0; i < m->num_dbs; i++) {
		if (m->shards[i].db_url == NULL)
			d->result->shards_skipped++;
		else
			d->result->shards_read++;
	}
	rc = sfs_snapshot_merge_open(side->snapshot, 0, &side->merge, d->call,
	                             d->err);
	return rc == SFS_OK ? next(d, side) : rc;
}

/* Whole snapshots in key order, where no key tells its shard. */
static enum sfs_rc merge_whole(struct diff *d)
{
	enum sfs_rc rc;

	d->result->is_merged = true;
	rc = open_merged(d, &d->from);
	if (rc == SFS_OK)
		rc = open_merged(d, &d->to);
	if (rc == SFS_OK)
		rc = merge_sides(d);
	close_side(&d->from);
	close_side(&d->to);
	return rc;
}

static bool is_bytes(enum sfs_key_encoding encoding)
{
	return encoding == SFS_KEY_UTF8 || encoding == SFS_KEY_RAW;
}

/* Routing needs columns, which shards do not keep; keys have one order. */
static bool is_merge_needed(const struct diff *d)
{
	enum sfs_key_encoding a = d->from.manifest->key_encoding;
	enum sfs_key_encoding b = d->to.manifest->key_encoding;

	return (sfs_snapshot_router(d->from.snapshot)->needs_columns ||
	        sfs_snapshot_router(d->to.snapshot)->needs_columns) &&
	       (a == b || (is_bytes(a) && is_bytes(b)));
}

static enum sfs_rc merge(struct diff *d)
{
	enum sfs_rc rc = SFS_OK;

	for (uint32_t i = 0; i < d->from.manifest->num_dbs; i++) {
		if (is_same_shard(d, i)) {
			d->result->shards_skipped++;
			continue;
		}
		d->result->shards_read++;
		rc = merge_shard(d, i);
		if (rc != SFS_OK || d->is_stopped)
			break;
	}
	return rc;
}

/* Looks the key at hand up on the other side. */
static enum sfs_rc look_up(struct diff *d, const struct side *side,
                           const struct side *other, struct sfs_hit *hit)
{
	struct sfs_query query = { .columns = NULL };
	size_t len;
	enum sfs_rc rc = make_name(d, side, &len);

	*hit = (struct sfs_hit){ .found = false };
	if (rc != SFS_OK)
		return rc;
	if (sfs_key_room(len) > d->key_cap) {
		sfs_free(d->key);
		d->key_cap = sfs_key_room(len) * 2;
		d->key = sfs_malloc(d->key_cap);
		if (d->key == NULL) {
			d->key_cap = 0;
			return no_memory(d);
		}
	}
	if (!sfs_key_from_name(other->manifest->key_encoding, d->name, len,
	                       d->key, &query.key.len))
		return SFS_OK;
	query.key.data = d->key;
	return sfs_snapshot_get(other->snapshot, &query, hit, d->call, d->err);
}

/* The other side's part of a key of "from", or of "to" if is_to. */
static enum sfs_rc look_up_step(struct diff *d, bool is_to, uint32_t db_id)
{
	struct side *side = is_to ? &d->to : &d->from;
	struct pairs p = { .from_db_id = db_id, .from = side->info };
	bool is_same = true;
	struct sfs_hit hit;
	enum sfs_rc rc;

	rc = look_up(d, side, is_to ? &d->from : &d->to, &hit);
	if (rc != SFS_OK)
		return rc;
	if (!hit.found)
		return tell(d, is_to ? SFS_DIFF_ADDED : SFS_DIFF_REMOVED, side);
	if (is_to)
		return SFS_OK; /* compared when it was the other's turn */
	p.to_db_id = hit.db_id;
	p.to = hit.info;
	rc = compare_values(d, &p, &is_same);
	if (rc == SFS_OK && !is_same)
		rc = tell(d, SFS_DIFF_CHANGED, side);
	return rc;
}

static enum sfs_rc look_up_shard(struct diff *d, bool is_to, uint32_t db_id)
{
	struct side *side = is_to ? &d->to : &d->from;
	enum sfs_rc rc;

	rc = open_side(d, side, db_id);
	while (rc == SFS_OK && side->has_pair && !d->is_stopped) {
		rc = sfs_call_check(d->call, "diff", d->err);
		if (rc == SFS_OK)
			rc = look_up_step(d, is_to, db_id);
		if (rc == SFS_OK)
			rc = next(d, side);
	}
	close_side(side);
	return rc;
}

static enum sfs_rc look_up_all(struct diff *d, bool is_to)
{
	const struct side *side = is_to ? &d->to : &d->from;
	enum sfs_rc rc = SFS_OK;

	for (uint32_t i = 0;
	     rc == SFS_OK && !d->is_stopped && i < side->manifest->num_dbs;
	     i++) {
		if (side->manifest->shards[i].db_url == NULL) {
			d->result->shards_skipped++;
			continue;
		}
		d->result->shards_read++;
		rc = look_up_shard(d, is_to, i);
	}
	return rc;
}

static enum sfs_rc begin_side(struct diff *d, struct side *side,
                              struct sfs_snapshot *snapshot)
{
	side->snapshot = snapshot;
	side->manifest = sfs_snapshot_manifest(snapshot);
	side->piece = sfs_malloc(PIECE_BYTES);
	if (side->piece == NULL)
		return no_memory(d);
	return sfs_digests_read(side->manifest, &side->digests, d->err);
}

static void end_side(struct side *side)
{
	sfs_digests_release(&side->digests);
	sfs_free(side->piece);
}

enum sfs_rc sfs_snapshot_diff(struct sfs_snapshot *from,
                              struct sfs_snapshot *to, sfs_diff_fn *fn,
                              void *arg, struct sfs_diff_result *out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct diff d = {
		.fn = fn, .arg = arg, .result = out, .call = call, .err = err
	};
	enum sfs_rc rc;

	*out = (struct sfs_diff_result){ 0 };
	rc = begin_side(&d, &d.from, from);
	if (rc == SFS_OK)
		rc = begin_side(&d, &d.to, to);
	if (rc == SFS_OK && is_sharded_alike(&d)) {
		rc = merge(&d);
	} else if (rc == SFS_OK && is_merge_needed(&d)) {
		rc = merge_whole(&d);
	} else if (rc == SFS_OK) {
		rc = look_up_all(&d, false);
		if (rc == SFS_OK)
			rc = look_up_all(&d, true);
	}
	end_side(&d.from);
	end_side(&d.to);
	sfs_free(d.name);
	sfs_free(d.key);
	return rc;
}
