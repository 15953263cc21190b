/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equality and order. Numbers of different types stand on one line; an int or
 * uint against a double is exact outside the integer type's range and in
 * double arithmetic within it, which is what upstream does. Values nest
 * without a limit of their own, so equality has one.
 */
#include "cel/functions_internal.h"

#include <string.h>

static int order_of_double(double a, double b)
{
	return (a > b) - (a < b);
}

static int order_of_int(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int order_of_uint(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int order_of_int_double(int64_t a, double b)
{
	if (b > 0x1p63)
		return -1;
	if (b < -0x1p63)
		return 1;
	return order_of_double((double)a, b);
}

static int order_of_uint_double(uint64_t a, double b)
{
	if (b > 0x1p64)
		return -1;
	if (b < 0)
		return 1;
	return order_of_double((double)a, b);
}

static int order_of_int_uint(int64_t a, uint64_t b)
{
	return a < 0 ? -1 : order_of_uint((uint64_t)a, b);
}

static bool is_number(const struct sfs_cel_value *v)
{
	return v->kind == SFS_CEL_INT || v->kind == SFS_CEL_UINT ||
	       v->kind == SFS_CEL_DOUBLE;
}

static bool is_nan(const struct sfs_cel_value *v)
{
	return v->kind == SFS_CEL_DOUBLE && v->as.number != v->as.number;
}

static int order_of_numbers(const struct sfs_cel_value *a,
                            const struct sfs_cel_value *b)
{
	if (a->kind > b->kind)
		return -order_of_numbers(b, a);
	if (a->kind == SFS_CEL_INT && b->kind == SFS_CEL_INT)
		return order_of_int(a->as.integer, b->as.integer);
	if (a->kind == SFS_CEL_INT && b->kind == SFS_CEL_UINT)
		return order_of_int_uint(a->as.integer, b->as.uinteger);
	if (a->kind == SFS_CEL_INT)
		return order_of_int_double(a->as.integer, b->as.number);
	if (b->kind == SFS_CEL_UINT)
		return order_of_uint(a->as.uinteger, b->as.uinteger);
	if (a->kind == SFS_CEL_UINT)
		return order_of_uint_double(a->as.uinteger, b->as.number);
	return order_of_double(a->as.number, b->as.number);
}

static int order_of_texts(struct sfs_cel_text a, struct sfs_cel_text b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	if (order == 0)
		order = (a.len > b.len) - (a.len < b.len);
	return (order > 0) - (order < 0);
}

static int order_of_times(struct sfs_cel_time a, struct sfs_cel_time b)
{
	int order = order_of_int(a.seconds, b.seconds);

	return order != 0 ? order : order_of_int(a.nanos, b.nanos);
}

bool sfs_cel_value_compare(const struct sfs_cel_value *a,
                           const struct sfs_cel_value *b, int *order)
{
	if (is_number(a) && is_number(b)) {
		*order = order_of_numbers(a, b);
		return !is_nan(a) && !is_nan(b);
	}
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case SFS_CEL_BOOL:
		*order = a->as.boolean - b->as.boolean;
		return true;
	case SFS_CEL_STRING:
	case SFS_CEL_BYTES:
		*order = order_of_texts(a->as.text, b->as.text);
		return true;
	case SFS_CEL_TIMESTAMP:
	case SFS_CEL_DURATION:
		*order = order_of_times(a->as.time, b->as.time);
		return true;
	case SFS_CEL_INVALID:
	case SFS_CEL_NULL:
	case SFS_CEL_INT:
	case SFS_CEL_UINT:
	case SFS_CEL_DOUBLE:
	case SFS_CEL_LIST:
	case SFS_CEL_MAP:
	case SFS_CEL_TYPE:
	case SFS_CEL_DYN:
	case SFS_CEL_ERROR:
		break;
	}
	return false;
}

static bool is_same_text(struct sfs_cel_text a, struct sfs_cel_text b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_equal(const struct sfs_cel_value *a,
                     const struct sfs_cel_value *b, unsigned depth);

static bool is_equal_list(const struct sfs_cel_list *a,
                          const struct sfs_cel_list *b, unsigned depth)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!is_equal(&a->items[i], &b->items[i], depth))
			return false;
	}
	return true;
}

/* The pair of b with that key, looked for from where it would lie first. */
static const struct sfs_cel_value *find_from(const struct sfs_cel_map *map,
                                             const struct sfs_cel_value *key,
                                             size_t start)
{
	for (size_t i = 0; i < map->count; i++) {
		size_t at = start + i < map->count ? start + i
		                                   : start + i - map->count;

		if (is_equal(&map->pairs[2 * at], key, 0))
			return &map->pairs[2 * at + 1];
	}
	return NULL;
}

static bool is_equal_map(const struct sfs_cel_map *a,
                         const struct sfs_cel_map *b, unsigned depth)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct sfs_cel_value *found =
			find_from(b, &a->pairs[2 * i], i);

		if (found == NULL ||
		    !is_equal(&a->pairs[2 * i + 1], found, depth))
			return false;
	}
	return true;
}

static bool is_equal(const struct sfs_cel_value *a,
                     const struct sfs_cel_value *b, unsigned depth)
{
	int order;

	if (is_number(a) && is_number(b))
		return sfs_cel_value_compare(a, b, &order) && order == 0;
	if (a->kind != b->kind || depth > SFS_CEL_VALUE_DEPTH_MAX)
		return false;
	switch (a->kind) {
	case SFS_CEL_NULL:
		return true;
	case SFS_CEL_STRING:
	case SFS_CEL_BYTES:
		return is_same_text(a->as.text, b->as.text);
	case SFS_CEL_LIST:
		return is_equal_list(a->as.list, b->as.list, depth + 1);
	case SFS_CEL_MAP:
		return is_equal_map(a->as.map, b->as.map, depth + 1);
	case SFS_CEL_TYPE:
		return a->as.type->kind == b->as.type->kind;
	case SFS_CEL_BOOL:
	case SFS_CEL_TIMESTAMP:
	case SFS_CEL_DURATION:
		return sfs_cel_value_compare(a, b, &order) && order == 0;
	case SFS_CEL_INVALID:
	case SFS_CEL_INT:
	case SFS_CEL_UINT:
	case SFS_CEL_DOUBLE:
	case SFS_CEL_DYN:
	case SFS_CEL_ERROR:
		break;
	}
	return false;
}

bool sfs_cel_value_equal(const struct sfs_cel_value *a,
                         const struct sfs_cel_value *b)
{
	return is_equal(a, b, 0);
}

const struct sfs_cel_value *sfs_cel_map_find(const struct sfs_cel_map *map,
                                             const struct sfs_cel_value *key)
{
	return find_from(map, key, 0);
}

struct sfs_cel_value sfs_cel_equal_int(const struct sfs_cel_value *args,
                                       struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.integer == args[1].as.integer);
}

struct sfs_cel_value sfs_cel_equal_text(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(is_same_text(args[0].as.text, args[1].as.text));
}

struct sfs_cel_value sfs_cel_equal(const struct sfs_cel_value *args,
                                   struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(sfs_cel_value_equal(&args[0], &args[1]));
}

struct sfs_cel_value sfs_cel_unequal_int(const struct sfs_cel_value *args,
                                         struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.integer != args[1].as.integer);
}

struct sfs_cel_value sfs_cel_unequal_text(const struct sfs_cel_value *args,
                                          struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(!is_same_text(args[0].as.text, args[1].as.text));
}

struct sfs_cel_value sfs_cel_unequal(const struct sfs_cel_value *args,
                                     struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(!sfs_cel_value_equal(&args[0], &args[1]));
}

struct sfs_cel_value sfs_cel_less_int(const struct sfs_cel_value *args,
                                      struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.integer < args[1].as.integer);
}

struct sfs_cel_value sfs_cel_less_uint(const struct sfs_cel_value *args,
                                       struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.uinteger < args[1].as.uinteger);
}

struct sfs_cel_value sfs_cel_less(const struct sfs_cel_value *args,
                                  struct sfs_cel_pool *pool)
{
	int order;

	(void)pool;
	return sfs_cel_bool(sfs_cel_value_compare(&args[0], &args[1], &order) &&
	                    order < 0);
}

struct sfs_cel_value sfs_cel_less_or_equal_int(const struct sfs_cel_value *args,
                                               struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.integer <= args[1].as.integer);
}

struct sfs_cel_value
sfs_cel_less_or_equal_uint(const struct sfs_cel_value *args,
                           struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.uinteger <= args[1].as.uinteger);
}

struct sfs_cel_value sfs_cel_less_or_equal(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	int order;

	(void)pool;
	return sfs_cel_bool(sfs_cel_value_compare(&args[0], &args[1], &order) &&
	                    order <= 0);
}

struct sfs_cel_value sfs_cel_greater_int(const struct sfs_cel_value *args,
                                         struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.integer > args[1].as.integer);
}

struct sfs_cel_value sfs_cel_greater_uint(const struct sfs_cel_value *args,
                                          struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.uinteger > args[1].as.uinteger);
}

struct sfs_cel_value sfs_cel_greater(const struct sfs_cel_value *args,
                                     struct sfs_cel_pool *pool)
{
	int order;

	(void)pool;
	return sfs_cel_bool(sfs_cel_value_compare(&args[0], &args[1], &order) &&
	                    order > 0);
}

struct sfs_cel_value
sfs_cel_greater_or_equal_int(const struct sfs_cel_value *args,
                             struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.integer >= args[1].as.integer);
}

struct sfs_cel_value
sfs_cel_greater_or_equal_uint(const struct sfs_cel_value *args,
                              struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(args[0].as.uinteger >= args[1].as.uinteger);
}

struct sfs_cel_value sfs_cel_greater_or_equal(const struct sfs_cel_value *args,
                                              struct sfs_cel_pool *pool)
{
	int order;

	(void)pool;
	return sfs_cel_bool(sfs_cel_value_compare(&args[0], &args[1], &order) &&
	                    order >= 0);
}

struct sfs_cel_value sfs_cel_not(const struct sfs_cel_value *args,
                                 struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(!args[0].as.boolean);
}
