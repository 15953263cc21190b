/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_SNAPSHOT_SNAPSHOT_H
#define SFS_SNAPSHOT_SNAPSHOT_H

#include "format/manifest.h"
#include "format/names.h"
#include "format/router.h"
#include "shardyfs/adapter.h"
#include "shardyfs/catalog.h"
#include "shardyfs/store.h"
#include "snapshot/pool.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * One published snapshot, pinned: a manifest, its router, and its shards,
 * which open on first use through the pool. Immutable but for the pool's
 * business, counted by references, used by any thread. Keys are lookup bytes
 * valid for the snapshot's encoding (format/keys.h).
 *
 * Calls that reach a shard return STALE where its objects were deleted,
 * CORRUPT where its bytes lie, and what the store returns; never NOT_FOUND.
 */
struct sfs_snapshot;

/* What a snapshot is opened from; borrowed, outliving every snapshot. */
struct sfs_snapshot_source {
	struct sfs_store *store;
	struct sfs_catalog *catalog;
	struct sfs_shard_pool *pool;
	/* Shards that a lookup may ask at most; 0: SFS_FANOUT_MAX_DEFAULT. */
	uint32_t fanout_max;
};

enum { SFS_FANOUT_MAX_DEFAULT = 256 };

/*
 * Loads the manifest of id and checks that this build can serve it. ref is
 * the pointer's manifest_ref where there is one, else NULL: it must then be
 * the manifest's own s3_prefix, or the store's URL, plus the manifest's key.
 */
enum sfs_rc sfs_snapshot_open(const struct sfs_snapshot_source *source,
                              const struct sfs_snapshot_id *id, const char *ref,
                              struct sfs_snapshot **out,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;
struct sfs_snapshot *sfs_snapshot_ref(struct sfs_snapshot *s);
void sfs_snapshot_unref(struct sfs_snapshot *s); /* NULL is fine */

const struct sfs_snapshot_id *sfs_snapshot_id_of(const struct sfs_snapshot *s);
const char *sfs_snapshot_text_id(const struct sfs_snapshot *s);
const struct sfs_manifest *sfs_snapshot_manifest(const struct sfs_snapshot *s);
const struct sfs_router *sfs_snapshot_router(const struct sfs_snapshot *s);

/*
 * Where a shard lies in the store, and its key prefix there; NULL: the shard
 * is empty. What messages call it is its URL in the manifest, or if the store
 * was copied elsewhere its key.
 */
const struct sfs_shard_location *
sfs_snapshot_shard_location(const struct sfs_snapshot *s, uint32_t db_id);
const char *sfs_snapshot_shard_prefix(const struct sfs_snapshot *s,
                                      uint32_t db_id);

struct sfs_query {
	struct sfs_bytes key;
	const struct sfs_columns *columns; /* NULL: none is known */
};

struct sfs_hit {
	bool found;
	uint32_t db_id; /* of the shard asked, found or not; SFS_NO_SHARD */
	struct sfs_pair_info info;
};

/* Not found, and no single shard was asked. */
#define SFS_NO_SHARD UINT32_MAX

/*
 * Routes and looks up. Where routing needs columns that the query lacks, all
 * shards are asked: AMBIGUOUS, naming them, where several hold the key;
 * INVALID where there are more than fanout_max. A routing value that no shard
 * has is "not found".
 */
enum sfs_rc sfs_snapshot_get(struct sfs_snapshot *s,
                             const struct sfs_query *query, struct sfs_hit *hit,
                             const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

/* Looks up in one shard, wherever the key is routed to. */
enum sfs_rc sfs_snapshot_shard_get(struct sfs_snapshot *s, uint32_t db_id,
                                   struct sfs_bytes key, struct sfs_hit *hit,
                                   const struct sfs_call *call,
                                   struct sfs_err *err) SFS_NODISCARD;

/* INVALID, with what to do, if not all shards may be asked for one key. */
enum sfs_rc sfs_snapshot_check_fanout(const struct sfs_snapshot *s,
                                      struct sfs_err *err) SFS_NODISCARD;

/* A place for an answer: a pair of one shard. */
struct sfs_place {
	struct sfs_snapshot *snapshot; /* borrowed */
	uint32_t db_id;
	sfs_locator locator;
};

/* See sfs_shard_reader_ops.read and .at. */
enum sfs_rc sfs_snapshot_read(const struct sfs_place *place, uint64_t offset,
                              void *buf, size_t len, size_t *got,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_snapshot_at(const struct sfs_place *place,
                            struct sfs_pair_info *info, uint8_t *key_buf,
                            size_t key_cap, size_t *key_len,
                            const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;

struct sfs_multi_get_options {
	unsigned threads; /* at least 1; at most 64 are used */
	size_t value_max; /* bytes; a larger value is TOO_BIG */
	const struct sfs_columns *columns; /* of all keys; NULL: not known */
};

/*
 * Values of many keys: groups them by shard, sorts each group, and answers
 * from several shards side by side. fn is called from those threads, once
 * for each key, unless it returned false. Keys that lack columns are looked
 * for in all shards as by sfs_snapshot_get(): AMBIGUOUS, INVALID.
 */
enum sfs_rc sfs_snapshot_multi_get(struct sfs_snapshot *s,
                                   const struct sfs_bytes *keys, size_t count,
                                   const struct sfs_multi_get_options *options,
                                   sfs_multi_get_fn *fn, void *arg,
                                   struct sfs_err *err) SFS_NODISCARD;

/* The same in one shard that is not empty, for sorted keys. */
enum sfs_rc sfs_snapshot_shard_multi_get(struct sfs_snapshot *s, uint32_t db_id,
                                         const struct sfs_bytes *keys,
                                         size_t count, size_t value_max,
                                         sfs_multi_get_fn *fn, void *arg,
                                         struct sfs_err *err) SFS_NODISCARD;

/* Walks one shard in key order; it keeps the shard open and pinned. */
struct sfs_snapshot_cursor;
enum sfs_rc sfs_snapshot_cursor_open(struct sfs_snapshot *s, uint32_t db_id,
                                     uint64_t skip,
                                     struct sfs_snapshot_cursor **out,
                                     const struct sfs_call *call,
                                     struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_snapshot_cursor_next(struct sfs_snapshot_cursor *c, bool *found,
                                     struct sfs_bytes *key,
                                     struct sfs_pair_info *info,
                                     const struct sfs_call *call,
                                     struct sfs_err *err) SFS_NODISCARD;
/* The row that next gave last is given once more. */
void sfs_snapshot_cursor_back(struct sfs_snapshot_cursor *c);
void sfs_snapshot_cursor_close(struct sfs_snapshot_cursor *c);

/*
 * Walks all shards at once in key order. A key that several of them hold
 * comes once, from the first. INVALID: more shards than fanout_max. After an
 * error it can only be closed.
 */
struct sfs_snapshot_merge;
struct sfs_snapshot_pair {
	struct sfs_bytes key; /* borrowed until the next call */
	uint32_t db_id;       /* the first, where several hold the key */
	bool is_ambiguous;    /* several do: looking it up would be refused */
	struct sfs_pair_info info;
};

enum sfs_rc sfs_snapshot_merge_open(struct sfs_snapshot *s, uint64_t skip,
                                    struct sfs_snapshot_merge **out,
                                    const struct sfs_call *call,
                                    struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_snapshot_merge_next(struct sfs_snapshot_merge *m, bool *found,
                                    struct sfs_snapshot_pair *pair,
                                    const struct sfs_call *call,
                                    struct sfs_err *err) SFS_NODISCARD;
void sfs_snapshot_merge_back(struct sfs_snapshot_merge *m);
void sfs_snapshot_merge_close(struct sfs_snapshot_merge *m);

#endif
