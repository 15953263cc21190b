/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists and maps from values that lie in a row. The keys of a map must be of
 * certain types and differ: many of them are sorted to find out.
 */
#include "cel/program.h"

#include <stdlib.h>
#include <string.h>

enum { COMPARED_ONE_BY_ONE = 16 };

bool sfs_cel_make_list(struct sfs_cel_pool *pool,
                       const struct sfs_cel_value *items, size_t count,
                       struct sfs_cel_value *out)
{
	struct sfs_cel_list *list =
		sfs_cel_pool_get(pool, sizeof(*list) + count * sizeof(*items));
	struct sfs_cel_value *copy;

	if (list == NULL)
		return false;
	copy = (struct sfs_cel_value *)(list + 1);
	if (count > 0)
		memcpy(copy, items, count * sizeof(*items));
	list->items = copy;
	list->count = count;
	out->kind = SFS_CEL_LIST;
	out->as.list = list;
	return true;
}

static bool is_key(const struct sfs_cel_value *v)
{
	return v->kind == SFS_CEL_BOOL || v->kind == SFS_CEL_INT ||
	       v->kind == SFS_CEL_UINT || v->kind == SFS_CEL_STRING;
}

/* int and uint are of one class, and the order within a class is total. */
static int class_of(const struct sfs_cel_value *v)
{
	return v->kind == SFS_CEL_UINT ? (int)SFS_CEL_INT : (int)v->kind;
}

static int order_of_keys(const void *left, const void *right)
{
	const struct sfs_cel_value *a = left;
	const struct sfs_cel_value *b = right;
	int order = class_of(a) - class_of(b);

	if (order == 0 && !sfs_cel_value_compare(a, b, &order))
		return 0;
	return order;
}

static bool repeat_few(const struct sfs_cel_value *pairs, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (sfs_cel_value_equal(&pairs[2 * i], &pairs[2 * j]))
				return true;
	return false;
}

static bool repeat_many(struct sfs_cel_pool *pool,
                        const struct sfs_cel_value *pairs, size_t count,
                        bool *is_short_of_memory)
{
	struct sfs_cel_value *keys =
		sfs_cel_pool_get(pool, count * sizeof(*keys));

	*is_short_of_memory = keys == NULL;
	if (keys == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		keys[i] = pairs[2 * i];
	qsort(keys, count, sizeof(*keys), order_of_keys);
	for (size_t i = 1; i < count; i++)
		if (order_of_keys(&keys[i - 1], &keys[i]) == 0)
			return true;
	return false;
}

const char *sfs_cel_make_map(struct sfs_cel_pool *pool,
                             const struct sfs_cel_value *pairs, size_t count,
                             struct sfs_cel_value *out)
{
	bool is_short_of_memory = false;
	struct sfs_cel_value list;
	struct sfs_cel_map *map;

	out->kind = SFS_CEL_INVALID;
	for (size_t i = 0; i < count; i++)
		if (!is_key(&pairs[2 * i]))
			return "a map's keys are bool, int, uint or string";
	if (count <= COMPARED_ONE_BY_ONE
	            ? repeat_few(pairs, count)
	            : repeat_many(pool, pairs, count, &is_short_of_memory))
		return "a map has the same key twice";
	map = sfs_cel_pool_get(pool, sizeof(*map));
	if (map == NULL || is_short_of_memory ||
	    !sfs_cel_make_list(pool, pairs, 2 * count, &list))
		return NULL;
	map->pairs = list.as.list->items;
	map->count = count;
	out->kind = SFS_CEL_MAP;
	out->as.map = map;
	return NULL;
}
