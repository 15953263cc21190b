/* SPDX-License-Identifier: Apache-2.0 */
/*
 * + - * / % of numbers, texts and lists. Integers never wrap: a result that
 * the type does not hold is an error, as langdef wants it.
 */
#include "cel/functions_internal.h"

#include <string.h>

static struct sfs_cel_value overflow(void)
{
	return sfs_cel_error("integer overflow");
}

static struct sfs_cel_value division(void)
{
	return sfs_cel_error("division by zero");
}

struct sfs_cel_value sfs_cel_add_int(const struct sfs_cel_value *args,
                                     struct sfs_cel_pool *pool)
{
	int64_t sum;

	(void)pool;
	if (__builtin_add_overflow(args[0].as.integer, args[1].as.integer,
	                           &sum))
		return overflow();
	return sfs_cel_int(sum);
}

struct sfs_cel_value sfs_cel_add_uint(const struct sfs_cel_value *args,
                                      struct sfs_cel_pool *pool)
{
	uint64_t sum;

	(void)pool;
	if (__builtin_add_overflow(args[0].as.uinteger, args[1].as.uinteger,
	                           &sum))
		return overflow();
	return sfs_cel_uint(sum);
}

struct sfs_cel_value sfs_cel_add_double(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_double(args[0].as.number + args[1].as.number);
}

struct sfs_cel_value sfs_cel_subtract_int(const struct sfs_cel_value *args,
                                          struct sfs_cel_pool *pool)
{
	int64_t difference;

	(void)pool;
	if (__builtin_sub_overflow(args[0].as.integer, args[1].as.integer,
	                           &difference))
		return overflow();
	return sfs_cel_int(difference);
}

struct sfs_cel_value sfs_cel_subtract_uint(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	uint64_t difference;

	(void)pool;
	if (__builtin_sub_overflow(args[0].as.uinteger, args[1].as.uinteger,
	                           &difference))
		return overflow();
	return sfs_cel_uint(difference);
}

struct sfs_cel_value sfs_cel_subtract_double(const struct sfs_cel_value *args,
                                             struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_double(args[0].as.number - args[1].as.number);
}

struct sfs_cel_value sfs_cel_multiply_int(const struct sfs_cel_value *args,
                                          struct sfs_cel_pool *pool)
{
	int64_t product;

	(void)pool;
	if (__builtin_mul_overflow(args[0].as.integer, args[1].as.integer,
	                           &product))
		return overflow();
	return sfs_cel_int(product);
}

struct sfs_cel_value sfs_cel_multiply_uint(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	uint64_t product;

	(void)pool;
	if (__builtin_mul_overflow(args[0].as.uinteger, args[1].as.uinteger,
	                           &product))
		return overflow();
	return sfs_cel_uint(product);
}

struct sfs_cel_value sfs_cel_multiply_double(const struct sfs_cel_value *args,
                                             struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_double(args[0].as.number * args[1].as.number);
}

struct sfs_cel_value sfs_cel_divide_int(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	int64_t a = args[0].as.integer;
	int64_t b = args[1].as.integer;

	(void)pool;
	if (b == 0)
		return division();
	if (a == INT64_MIN && b == -1)
		return overflow();
	return sfs_cel_int(a / b);
}

struct sfs_cel_value sfs_cel_divide_uint(const struct sfs_cel_value *args,
                                         struct sfs_cel_pool *pool)
{
	(void)pool;
	if (args[1].as.uinteger == 0)
		return division();
	return sfs_cel_uint(args[0].as.uinteger / args[1].as.uinteger);
}

struct sfs_cel_value sfs_cel_modulo_int(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	int64_t a = args[0].as.integer;
	int64_t b = args[1].as.integer;

	(void)pool;
	if (b == 0)
		return division();
	if (a == INT64_MIN && b == -1)
		return overflow();
	return sfs_cel_int(a % b);
}

struct sfs_cel_value sfs_cel_modulo_uint(const struct sfs_cel_value *args,
                                         struct sfs_cel_pool *pool)
{
	(void)pool;
	if (args[1].as.uinteger == 0)
		return division();
	return sfs_cel_uint(args[0].as.uinteger % args[1].as.uinteger);
}

struct sfs_cel_value sfs_cel_divide_double(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_double(args[0].as.number / args[1].as.number);
}

struct sfs_cel_value sfs_cel_negate_int(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	(void)pool;
	if (args[0].as.integer == INT64_MIN)
		return overflow();
	return sfs_cel_int(-args[0].as.integer);
}

struct sfs_cel_value sfs_cel_negate_double(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_double(-args[0].as.number);
}

/* Of strings and of bytes. */
struct sfs_cel_value sfs_cel_add_text(const struct sfs_cel_value *args,
                                      struct sfs_cel_pool *pool)
{
	struct sfs_cel_text a = args[0].as.text;
	struct sfs_cel_text b = args[1].as.text;
	struct sfs_cel_value sum = args[0];
	char *data;

	if (a.len == 0)
		return args[1];
	if (b.len == 0)
		return args[0];
	if (a.len > SIZE_MAX - b.len)
		return sfs_cel_error_memory();
	data = sfs_cel_pool_get(pool, a.len + b.len);
	if (data == NULL)
		return sfs_cel_error_memory();
	memcpy(data, a.data, a.len);
	memcpy(data + a.len, b.data, b.len);
	sum.as.text = (struct sfs_cel_text){ data, a.len + b.len };
	return sum;
}

static struct sfs_cel_value *list_room(struct sfs_cel_pool *pool, size_t a,
                                       size_t b)
{
	const size_t max = SIZE_MAX / sizeof(struct sfs_cel_value);

	if (a > max || b > max - a)
		return NULL;
	return sfs_cel_pool_get(pool, (a + b) * sizeof(struct sfs_cel_value));
}

struct sfs_cel_value sfs_cel_add_list(const struct sfs_cel_value *args,
                                      struct sfs_cel_pool *pool)
{
	const struct sfs_cel_list *a = args[0].as.list;
	const struct sfs_cel_list *b = args[1].as.list;
	struct sfs_cel_value *items;
	struct sfs_cel_list *sum;

	if (a->count == 0)
		return args[1];
	if (b->count == 0)
		return args[0];
	items = list_room(pool, a->count, b->count);
	sum = sfs_cel_pool_get(pool, sizeof(*sum));
	if (items == NULL || sum == NULL)
		return sfs_cel_error_memory();
	memcpy(items, a->items, a->count * sizeof(*items));
	memcpy(items + a->count, b->items, b->count * sizeof(*items));
	*sum = (struct sfs_cel_list){ items, a->count + b->count };
	return (struct sfs_cel_value){ .kind = SFS_CEL_LIST, .as.list = sum };
}
