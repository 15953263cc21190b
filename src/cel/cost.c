/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call costs beyond the step that every call is. A comparison of two
 * lists is one call, however much they hold: expressions can make lists that
 * share their items and so hold far more than memory would allow, and nest
 * deeper than the stack does.
 */
#include "cel/functions.h"

enum {
	TEXT_BYTES_PER_STEP = 16,
	PAIRS_PER_STEP = 8,  /* keys passed when a pair is looked for */
	PAIRS_MAX = 1 << 12, /* more pairs squared are too much, anyway */
	FILE_STEPS = 2000,
	REGEX_STEPS = 20000, /* matches() limits the rest of it */
	TOO_MUCH = SFS_CEL_STEPS_MAX + 1,
};

static size_t flat_cost(const struct sfs_cel_value *v)
{
	if (v->kind == SFS_CEL_STRING || v->kind == SFS_CEL_BYTES)
		return v->as.text.len / TEXT_BYTES_PER_STEP;
	if (v->kind == SFS_CEL_LIST)
		return v->as.list->count;
	if (v->kind == SFS_CEL_MAP)
		return v->as.map->count;
	return 0;
}

static size_t deep_cost(const struct sfs_cel_value *v, unsigned depth);

/* Stops as soon as it is too much, so that it is itself no work. */
static size_t cost_of_items(const struct sfs_cel_value *items, size_t count,
                            unsigned depth)
{
	size_t sum = 0;

	for (size_t i = 0; i < count && sum < TOO_MUCH; i++)
		sum += 1 + deep_cost(&items[i], depth + 1);
	return sum;
}

static size_t deep_cost(const struct sfs_cel_value *v, unsigned depth)
{
	size_t count = flat_cost(v);

	if (v->kind != SFS_CEL_LIST && v->kind != SFS_CEL_MAP)
		return count;
	if (count >= TOO_MUCH || depth >= SFS_CEL_VALUE_DEPTH_MAX)
		return TOO_MUCH;
	if (v->kind == SFS_CEL_LIST)
		return cost_of_items(v->as.list->items, count, depth);
	if (count > PAIRS_MAX)
		return TOO_MUCH;
	return count * count / PAIRS_PER_STEP +
	       cost_of_items(v->as.map->pairs, 2 * count, depth);
}

size_t sfs_cel_call_cost(const struct sfs_cel_overload *row,
                         const struct sfs_cel_value *args)
{
	size_t sum = 0;

	switch (row->cost) {
	case SFS_CEL_COST_ONE:
		return 0;
	case SFS_CEL_COST_DEEP:
		/* The last is the list that is searched, or one of equals. */
		return deep_cost(&args[row->argc - 1], 0);
	case SFS_CEL_COST_FILE:
		return FILE_STEPS;
	case SFS_CEL_COST_REGEX:
		return REGEX_STEPS;
	case SFS_CEL_COST_FLAT:
		break;
	}
	for (unsigned i = 0; i < row->argc; i++)
		sum += flat_cost(&args[i]);
	return sum;
}
