/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_SNAPSHOT_DIFF_H
#define SFS_SNAPSHOT_DIFF_H

#include "shardyfs/err.h"
#include "shardyfs/store.h"
#include "snapshot/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What turns one snapshot into another. Where both are sharded alike, shard
 * by shard, in key order within each, and shards that are the same (by
 * digest, or by URL and checkpoint) are not read. Else every key of one is
 * looked up in the other, by its name; or, where routing needs columns, which
 * shards do not keep, both are walked whole in key order, and of a key that
 * several shards hold the first counts. Memory is bounded in all cases.
 */
enum sfs_diff_kind {
	SFS_DIFF_ADDED = 1,
	SFS_DIFF_REMOVED,
	SFS_DIFF_CHANGED,
};

/* name: as in keys/, however long; borrowed in the call. False: stop. */
typedef bool sfs_diff_fn(void *arg, enum sfs_diff_kind kind, const char *name,
                         size_t name_len);

struct sfs_diff_result {
	uint64_t added;
	uint64_t removed;
	uint64_t changed;
	uint64_t shards_read;
	uint64_t shards_skipped; /* alike, or empty in both */
	bool is_merged; /* walked whole: a key's first shard was compared */
};

enum sfs_rc sfs_snapshot_diff(struct sfs_snapshot *from,
                              struct sfs_snapshot *to, sfs_diff_fn *fn,
                              void *arg, struct sfs_diff_result *out,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

#endif
