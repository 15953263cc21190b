/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_WINNERS_H
#define SFS_BUILD_WINNERS_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Attempts at shards, and which of them a snapshot is made of: for each shard
 * the smallest (attempt, task_attempt_id, db_url), where a missing
 * task_attempt_id counts as 2^63-1 and a missing db_url as "", as
 * shardyfusion's select_winners does.
 */
struct sfs_attempt_result {
	uint32_t db_id;
	uint32_t attempt;
	bool has_task_attempt_id;
	int64_t task_attempt_id;
	char *db_url;     /* NULL: the shard is empty */
	char *key_prefix; /* of db_url in the store */
	uint64_t row_count;
	uint64_t db_bytes;
	char *min_key; /* JSON, or NULL */
	char *max_key;
	char *checkpoint_id;
	char *digest;      /* "sha256:HEX", or NULL */
	char *writer_info; /* JSON */
};

void sfs_attempt_result_release(struct sfs_attempt_result *r);

/* Below 0, 0, above 0: a is better than, as good as, worse than b. */
int sfs_attempt_compare(const struct sfs_attempt_result *a,
                        const struct sfs_attempt_result *b);

/*
 * winners: room for num_dbs; winners[db_id] is the one. INVALID, beginning
 * with "ShardCoverageError", if a shard has no result or a result is of no
 * shard.
 */
enum sfs_rc sfs_winners_select(const struct sfs_attempt_result *results,
                               size_t count, uint32_t num_dbs,
                               const struct sfs_attempt_result **winners,
                               struct sfs_err *err) SFS_NODISCARD;

#endif
