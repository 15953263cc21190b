/* SPDX-License-Identifier: Apache-2.0 */
/* Winner selection: deterministic, whatever order the attempts come in. */
#include "build/winners.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

void sfs_attempt_result_release(struct sfs_attempt_result *r)
{
	sfs_free(r->db_url);
	sfs_free(r->key_prefix);
	sfs_free(r->min_key);
	sfs_free(r->max_key);
	sfs_free(r->checkpoint_id);
	sfs_free(r->digest);
	sfs_free(r->writer_info);
	*r = (struct sfs_attempt_result){ 0 };
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int64_t task_of(const struct sfs_attempt_result *r)
{
	return r->has_task_attempt_id ? r->task_attempt_id : INT64_MAX;
}

int sfs_attempt_compare(const struct sfs_attempt_result *a,
                        const struct sfs_attempt_result *b)
{
	int order = compare_numbers(a->attempt, b->attempt);

	if (order == 0)
		order = compare_numbers(task_of(a), task_of(b));
	if (order == 0)
		order = strcmp(a->db_url != NULL ? a->db_url : "",
		               b->db_url != NULL ? b->db_url : "");
	return order;
}

enum sfs_rc sfs_winners_select(const struct sfs_attempt_result *results,
                               size_t count, uint32_t num_dbs,
                               const struct sfs_attempt_result **winners,
                               struct sfs_err *err)
{
	uint32_t db_id;

	for (db_id = 0; db_id < num_dbs; db_id++)
		winners[db_id] = NULL;
	for (size_t i = 0; i < count; i++) {
		db_id = results[i].db_id;
		if (db_id >= num_dbs)
			return sfs_err_set(err, SFS_E_INVALID,
			                   "ShardCoverageError: shard %" PRIu32
			                   " is outside of 0 ... %" PRIu32,
			                   db_id, num_dbs - 1);
		if (winners[db_id] == NULL ||
		    sfs_attempt_compare(&results[i], winners[db_id]) < 0)
			winners[db_id] = &results[i];
	}
	for (db_id = 0; db_id < num_dbs; db_id++) {
		if (winners[db_id] == NULL)
			return sfs_err_set(err, SFS_E_INVALID,
			                   "ShardCoverageError: shard %" PRIu32
			                   " has no successful attempt",
			                   db_id);
	}
	return SFS_OK;
}
