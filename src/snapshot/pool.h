/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_SNAPSHOT_POOL_H
#define SFS_SNAPSHOT_POOL_H

#include "shardyfs/adapter.h"
#include "shardyfs/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Open shard readers of all snapshots of a mount, at most max of them plus
 * those in use. One that was not used for long is closed first (a
 * second-chance list). A shard is opened by one thread while others that want
 * it wait.
 */
struct sfs_shard_pool;

/* One shard that can be opened: owned by its snapshot, worked by the pool. */
struct sfs_shard_slot {
	struct sfs_shard_location where;           /* immutable */
	_Atomic(struct sfs_shard_reader *) reader; /* NULL: closed */
	atomic_uint users;            /* of the reader, right now */
	atomic_bool is_recent;        /* used since eviction last passed */
	struct sfs_shard_slot *newer; /* protected by pool->lock */
	struct sfs_shard_slot *older; /* protected by pool->lock */
	bool is_opening;              /* protected by pool->lock */
};

struct sfs_shard_pool_stats {
	uint64_t open;   /* readers open now */
	uint64_t opened; /* since the start */
	uint64_t evicted;
};

/* NULL: out of memory. max >= 1. */
struct sfs_shard_pool *sfs_shard_pool_new(uint32_t max) SFS_NODISCARD;
void sfs_shard_pool_free(struct sfs_shard_pool *p); /* all slots dropped */

/* Opens the slot's shard if need be and keeps it open until put. */
enum sfs_rc sfs_shard_pool_get(struct sfs_shard_pool *p,
                               struct sfs_shard_slot *slot,
                               struct sfs_shard_reader **reader_out,
                               const struct sfs_call *call,
                               struct sfs_err *err) SFS_NODISCARD;
void sfs_shard_pool_put(struct sfs_shard_pool *p, struct sfs_shard_slot *slot);

/* Closes what a snapshot that goes away still has open; nobody uses it. */
void sfs_shard_pool_drop(struct sfs_shard_pool *p, struct sfs_shard_slot *slot);

void sfs_shard_pool_get_stats(struct sfs_shard_pool *p,
                              struct sfs_shard_pool_stats *out);

#endif
