/* SPDX-License-Identifier: Apache-2.0 */
/* Which attempt at a shard wins: shardyfusion's order, whoever comes first. */
#include "build/winners.h"

#include "base/alloc.h"
#include "unit/tap.h"

#include <string.h>

static struct sfs_err err;

static struct sfs_attempt_result result(uint32_t db_id, uint32_t attempt,
                                        const char *url)
{
	return (struct sfs_attempt_result){ .db_id = db_id,
		                            .attempt = attempt,
		                            .db_url = (char *)url };
}

static struct sfs_attempt_result tasked(uint32_t attempt, int64_t task,
                                        const char *url)
{
	struct sfs_attempt_result r = result(0, attempt, url);

	r.has_task_attempt_id = true;
	r.task_attempt_id = task;
	return r;
}

/* Ascending; each is better than all behind it. */
static void attempts_are_ordered_as_shardyfusion_does(void)
{
	const struct sfs_attempt_result order[] = {
		tasked(0, -1, "z"),         tasked(0, 0, NULL), /* 0 stays 0 */
		tasked(0, 0, "a"),          tasked(0, 0, "b"),
		tasked(0, 1, "a"),          tasked(0, INT64_MAX - 1, "z"),
		result(0, 0, NULL),         result(0, 0, "a"),
		result(0, 0, "a/"),         result(0, 0, "b"),
		tasked(1, 0, "a"),          result(0, 1, NULL),
		result(0, 2, "a"),          result(0, 10, "a"),
		result(0, UINT32_MAX, "a"),
	};
	const int count = sizeof(order) / sizeof(order[0]);

	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			int got = sfs_attempt_compare(&order[i], &order[j]);
			int want = (i > j) - (i < j);

			if ((got > 0) - (got < 0) != want)
				TAP_FAIL("%d against %d is %d", i, j, got);
		}
	}
}

static void a_missing_task_counts_as_the_largest(void)
{
	struct sfs_attempt_result none = result(0, 0, "a");
	struct sfs_attempt_result most = tasked(0, INT64_MAX, "a");

	IS_INT(sfs_attempt_compare(&none, &most), 0);
	/* what stands in the field does not matter then */
	none.task_attempt_id = -5;
	IS_INT(sfs_attempt_compare(&none, &most), 0);
}

static void a_missing_url_counts_as_the_empty_one(void)
{
	struct sfs_attempt_result none = result(0, 0, NULL);
	struct sfs_attempt_result empty = result(0, 0, "");

	IS_INT(sfs_attempt_compare(&none, &empty), 0);
}

static void the_order_of_arrival_does_not_matter(void)
{
	const struct sfs_attempt_result *winners[2];
	struct sfs_attempt_result all[] = {
		result(1, 1, "b"), result(0, 2, "c"), result(1, 0, "z"),
		result(0, 1, "y"), result(0, 1, "x"),
	};
	const size_t count = sizeof(all) / sizeof(all[0]);

	for (size_t turn = 0; turn < count; turn++) {
		struct sfs_attempt_result first = all[0];

		IS_INT(sfs_winners_select(all, count, 2, winners, &err),
		       SFS_OK);
		IS_STR(winners[0]->db_url, "x");
		IS_STR(winners[1]->db_url, "z");
		memmove(all, all + 1, (count - 1) * sizeof(all[0]));
		all[count - 1] = first;
	}
}

static void an_empty_attempt_covers_its_shard(void)
{
	const struct sfs_attempt_result *winners[1];
	struct sfs_attempt_result one = result(0, 0, NULL);

	IS_INT(sfs_winners_select(&one, 1, 1, winners, &err), SFS_OK);
	OK(winners[0] == &one);
}

static void a_shard_without_attempt_is_refused(void)
{
	const struct sfs_attempt_result *winners[3];
	struct sfs_attempt_result all[] = { result(0, 0, "a"),
		                            result(2, 0, "c") };

	IS_INT(sfs_winners_select(all, 2, 3, winners, &err), SFS_E_INVALID);
	OK(strncmp(err.msg, "ShardCoverageError", 18) == 0);
	HAS_STR(err.msg, "shard 1");
	IS_INT(sfs_winners_select(NULL, 0, 1, winners, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "shard 0");
}

static void a_shard_that_is_none_is_refused(void)
{
	const struct sfs_attempt_result *winners[2];
	struct sfs_attempt_result all[] = { result(0, 0, "a"),
		                            result(1, 0, "b"),
		                            result(2, 0, "c") };

	IS_INT(sfs_winners_select(all, 3, 2, winners, &err), SFS_E_INVALID);
	OK(strncmp(err.msg, "ShardCoverageError", 18) == 0);
	HAS_STR(err.msg, "shard 2");
	all[2].db_id = UINT32_MAX;
	IS_INT(sfs_winners_select(all, 3, 2, winners, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "4294967295");
}

static void a_released_result_is_empty(void)
{
	struct sfs_attempt_result r = tasked(3, 4, NULL);

	r.db_url = sfs_strdup("a");
	r.checkpoint_id = sfs_strdup("b");
	sfs_attempt_result_release(&r);
	OK(r.db_url == NULL && r.checkpoint_id == NULL);
	IS_INT(r.attempt, 0);
	sfs_attempt_result_release(&r);
}

int main(void)
{
	RUN(attempts_are_ordered_as_shardyfusion_does);
	RUN(a_missing_task_counts_as_the_largest);
	RUN(a_missing_url_counts_as_the_empty_one);
	RUN(the_order_of_arrival_does_not_matter);
	RUN(an_empty_attempt_covers_its_shard);
	RUN(a_shard_without_attempt_is_refused);
	RUN(a_shard_that_is_none_is_refused);
	RUN(a_released_result_is_empty);
	return tap_done();
}
