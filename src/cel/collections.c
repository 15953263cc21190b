/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and maps: size, membership, indexes. */
#include "cel/functions_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES = 96, SHOWN_BYTES = 48 };

struct sfs_cel_value sfs_cel_size_list(const struct sfs_cel_value *args,
                                       struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_int((int64_t)args[0].as.list->count);
}

struct sfs_cel_value sfs_cel_size_map(const struct sfs_cel_value *args,
                                      struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_int((int64_t)args[0].as.map->count);
}

struct sfs_cel_value sfs_cel_in_list(const struct sfs_cel_value *args,
                                     struct sfs_cel_pool *pool)
{
	const struct sfs_cel_list *list = args[1].as.list;

	(void)pool;
	for (size_t i = 0; i < list->count; i++) {
		if (sfs_cel_value_equal(&list->items[i], &args[0]))
			return sfs_cel_bool(true);
	}
	return sfs_cel_bool(false);
}

struct sfs_cel_value sfs_cel_in_map(const struct sfs_cel_value *args,
                                    struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_bool(sfs_cel_map_find(args[1].as.map, &args[0]) != NULL);
}

/* An int, or the same number of another type (at run time only). */
static bool read_index(const struct sfs_cel_value *v, int64_t *out)
{
	if (v->kind == SFS_CEL_INT) {
		*out = v->as.integer;
		return true;
	}
	if (v->kind == SFS_CEL_UINT && v->as.uinteger <= INT64_MAX) {
		*out = (int64_t)v->as.uinteger;
		return true;
	}
	if (v->kind == SFS_CEL_DOUBLE && v->as.number >= -0x1p53 &&
	    v->as.number <= 0x1p53) {
		*out = (int64_t)v->as.number;
		return (double)*out == v->as.number;
	}
	return false;
}

static struct sfs_cel_value message(struct sfs_cel_pool *pool, const char *fmt,
                                    ...) SFS_PRINTF(2, 3);

static struct sfs_cel_value message(struct sfs_cel_pool *pool, const char *fmt,
                                    ...)
{
	char *text = sfs_cel_pool_get(pool, MESSAGE_BYTES);
	va_list args;

	if (text == NULL)
		return sfs_cel_error_memory();
	va_start(args, fmt);
	(void)vsnprintf(text, MESSAGE_BYTES, fmt, args);
	va_end(args);
	return sfs_cel_error(text);
}

struct sfs_cel_value sfs_cel_index_list(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	const struct sfs_cel_list *list = args[0].as.list;
	int64_t at;

	if (!read_index(&args[1], &at))
		return sfs_cel_error("a list's index must be an int");
	if (at >= 0 && (uint64_t)at < list->count)
		return list->items[at];
	return message(pool, "no such index in the list: %" PRId64, at);
}

static struct sfs_cel_value no_such_key(const struct sfs_cel_value *key,
                                        struct sfs_cel_pool *pool)
{
	struct sfs_cel_text text = key->as.text;

	if (key->kind == SFS_CEL_STRING && text.len <= SHOWN_BYTES)
		return message(pool, "no such key: '%.*s'", (int)text.len,
		               text.data);
	if (key->kind == SFS_CEL_INT)
		return message(pool, "no such key: %" PRId64, key->as.integer);
	if (key->kind == SFS_CEL_UINT)
		return message(pool, "no such key: %" PRIu64 "u",
		               key->as.uinteger);
	return sfs_cel_error("no such key");
}

struct sfs_cel_value sfs_cel_index_map(const struct sfs_cel_value *args,
                                       struct sfs_cel_pool *pool)
{
	const struct sfs_cel_value *found =
		sfs_cel_map_find(args[0].as.map, &args[1]);

	return found != NULL ? *found : no_such_key(&args[1], pool);
}
