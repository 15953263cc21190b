/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_ROWS_H
#define SFS_FS_ROWS_H

#include "shardyfs/err.h"
#include "snapshot/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The rows that a directory of keys shows: those of one shard, or those of
 * all shards as one sequence in key order. It pins the snapshot.
 */
struct sfs_rows;

/* db_id SFS_NO_SHARD: of all, merged. skip: rows to leave out. */
enum sfs_rc sfs_rows_open(struct sfs_snapshot *s, uint32_t db_id, uint64_t skip,
                          struct sfs_rows **out, const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_rows_next(struct sfs_rows *r, bool *found,
                          struct sfs_snapshot_pair *pair,
                          const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;
/* The row that next gave last is given once more. */
void sfs_rows_back(struct sfs_rows *r);
void sfs_rows_close(struct sfs_rows *r);

#endif
