/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and maps: size, membership, indexes. */
#include "cel/functions_internal.h"

#include <inttypes.h>
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

static struct sfs_cel_value message(struct sfs_cel_pool *pool, const char *what,
                                    const char *which, int len)
{
	char *text = sfs_cel_pool_get(pool, MESSAGE_BYTES);

	if (text == NULL)
		return sfs_cel_error_memory();
	(void)snprintf(text, MESSAGE_BYTES, "%s: %.*s", what, len, which);
	return sfs_cel_error(text);
}

struct sfs_cel_value sfs_cel_index_list(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	const struct sfs_cel_list *list = args[0].as.list;
	char number[24];
	int64_t at;
	int len;

	if (!read_index(&args[1], &at))
		return sfs_cel_error("a list's index must be an int");
	if (at >= 0 && (uint64_t)at < list->count)
		return list->items[at];
	len = snprintf(number, sizeof(number), "%" PRId64, at);
	return message(pool, "no such index in the list", number, len);
}

static struct sfs_cel_value no_such_key(const struct sfs_cel_value *key,
                                        struct sfs_cel_pool *pool)
{
	static const char what[] = "no such key in the map";
	struct sfs_cel_text text;
	char number[24];
	int len;

	if (key->kind == SFS_CEL_STRING) {
		text = key->as.text;
		if (text.len <= SHOWN_BYTES)
			return message(pool, what, text.data, (int)text.len);
	} else if (key->kind == SFS_CEL_INT) {
		len = snprintf(number, sizeof(number), "%" PRId64,
		               key->as.integer);
		return message(pool, what, number, len);
	} else if (key->kind == SFS_CEL_UINT) {
		len = snprintf(number, sizeof(number), "%" PRIu64 "u",
		               key->as.uinteger);
		return message(pool, what, number, len);
	}
	return sfs_cel_error(what);
}

struct sfs_cel_value sfs_cel_index_map(const struct sfs_cel_value *args,
                                       struct sfs_cel_pool *pool)
{
	const struct sfs_cel_value *found =
		sfs_cel_map_find(args[0].as.map, &args[1]);

	return found != NULL ? *found : no_such_key(&args[1], pool);
}
