/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CLI_STACK_H
#define SFS_CLI_STACK_H

#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"
#include "snapshot/pool.h"
#include "snapshot/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The engine below a mount or a command: store, catalog and shard pool, put
 * together here and nowhere else.
 */
struct sfs_stack {
	char *directory; /* of the store: absolute, without links; owned */
	struct sfs_store *store;
	struct sfs_catalog *catalog;
	struct sfs_shard_pool *pool;
	uint32_t fanout_max; /* 0: the default */
};

struct sfs_stack_config {
	const char
		*source; /* a directory or file:///dir; may end in _CURRENT */
	const char *run_prefix;
	uint32_t
		max_open_shards; /* fewer if the limit on open files is lower */
	uint32_t fanout_max;     /* 0: the default */
};

/*
 * Opens the store that source names. UNSUPPORTED: a URL of another kind;
 * NOT_FOUND, NOT_DIR and AUTH as the store says. In builds with debug hooks
 * SHARDYFS_DEBUG_FAULT ("op=read,delay_ms=1000,fail_at=3,always") wraps the
 * store in one that fails.
 */
enum sfs_rc sfs_stack_open(const struct sfs_stack_config *config,
                           struct sfs_stack *out,
                           struct sfs_err *err) SFS_NODISCARD;

/* Threads and connections begin. */
enum sfs_rc sfs_stack_start(struct sfs_stack *stack,
                            struct sfs_err *err) SFS_NODISCARD;
void sfs_stack_close(struct sfs_stack *stack);

struct sfs_snapshot_source sfs_stack_source(const struct sfs_stack *stack);

/*
 * True if the store holds nothing but what is ours: an empty directory, as
 * far as publishing is concerned.
 */
enum sfs_rc sfs_stack_is_empty(struct sfs_stack *stack, bool *is_empty,
                               struct sfs_err *err) SFS_NODISCARD;

#endif
