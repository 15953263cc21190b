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
};

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

/* Routes and looks up; db_id_out tells where, found or not. */
enum sfs_rc sfs_snapshot_get(struct sfs_snapshot *s, struct sfs_bytes key,
                             uint32_t *db_id_out, bool *found,
                             struct sfs_pair_info *info,
                             const struct sfs_call *call,
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
};

/*
 * Values of many keys: groups them by shard, sorts each group, and answers
 * from several shards side by side. fn is called from those threads, once
 * for each key, unless it returned false.
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

#endif
