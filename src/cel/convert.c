/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions between types that involve no decimal text: a value that the
 * target does not hold is an error, never another value.
 */
#include "base/keyname.h"
#include "cel/functions_internal.h"

#include <string.h>

struct sfs_cel_value sfs_cel_same(const struct sfs_cel_value *args,
                                  struct sfs_cel_pool *pool)
{
	(void)pool;
	return args[0];
}

struct sfs_cel_value sfs_cel_type_of(const struct sfs_cel_value *args,
                                     struct sfs_cel_pool *pool)
{
	(void)pool;
	return (struct sfs_cel_value){
		.kind = SFS_CEL_TYPE,
		.as.type = sfs_cel_type_of_kind(args[0].kind),
	};
}

static bool is_word(struct sfs_cel_text text, const char *const words[5])
{
	for (unsigned i = 0; i < 5; i++) {
		if (text.len == strlen(words[i]) &&
		    memcmp(text.data, words[i], text.len) == 0)
			return true;
	}
	return false;
}

struct sfs_cel_value sfs_cel_bool_of_string(const struct sfs_cel_value *args,
                                            struct sfs_cel_pool *pool)
{
	static const char *const yes[] = { "1", "t", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "false", "FALSE", "False" };

	(void)pool;
	if (is_word(args[0].as.text, yes))
		return sfs_cel_bool(true);
	if (is_word(args[0].as.text, no))
		return sfs_cel_bool(false);
	return sfs_cel_error("bool() of a string that is neither true nor "
	                     "false");
}

struct sfs_cel_value sfs_cel_bytes_of_string(const struct sfs_cel_value *args,
                                             struct sfs_cel_pool *pool)
{
	struct sfs_cel_value bytes = args[0];

	(void)pool;
	bytes.kind = SFS_CEL_BYTES;
	return bytes;
}

struct sfs_cel_value sfs_cel_string_of_bytes(const struct sfs_cel_value *args,
                                             struct sfs_cel_pool *pool)
{
	const uint8_t *p = (const uint8_t *)args[0].as.text.data;
	size_t len = args[0].as.text.len;
	size_t step;

	(void)pool;
	for (size_t at = 0; at < len; at += step) {
		step = p[at] < 0x80 ? 1 : sfs_utf8_sequence(p + at, len - at);
		if (step == 0)
			return sfs_cel_error("string() of bytes that are not "
			                     "UTF-8");
	}
	return sfs_cel_string((const char *)p, len);
}

struct sfs_cel_value sfs_cel_double_of_int(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_double((double)args[0].as.integer);
}

struct sfs_cel_value sfs_cel_double_of_uint(const struct sfs_cel_value *args,
                                            struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_double((double)args[0].as.uinteger);
}

static struct sfs_cel_value out_of_int(void)
{
	return sfs_cel_error("int() of a number that an int does not hold");
}

struct sfs_cel_value sfs_cel_int_of_uint(const struct sfs_cel_value *args,
                                         struct sfs_cel_pool *pool)
{
	(void)pool;
	if (args[0].as.uinteger > INT64_MAX)
		return out_of_int();
	return sfs_cel_int((int64_t)args[0].as.uinteger);
}

/* Both ends are out, as langdef wants it; so is NaN. */
struct sfs_cel_value sfs_cel_int_of_double(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	double v = args[0].as.number;

	(void)pool;
	if (!(v > -0x1p63 && v < 0x1p63))
		return out_of_int();
	return sfs_cel_int((int64_t)v);
}

static struct sfs_cel_value out_of_uint(void)
{
	return sfs_cel_error("uint() of a number that a uint does not hold");
}

struct sfs_cel_value sfs_cel_uint_of_int(const struct sfs_cel_value *args,
                                         struct sfs_cel_pool *pool)
{
	(void)pool;
	if (args[0].as.integer < 0)
		return out_of_uint();
	return sfs_cel_uint((uint64_t)args[0].as.integer);
}

struct sfs_cel_value sfs_cel_uint_of_double(const struct sfs_cel_value *args,
                                            struct sfs_cel_pool *pool)
{
	double v = args[0].as.number;

	(void)pool;
	if (!(v >= 0 && v < 0x1p64))
		return out_of_uint();
	return sfs_cel_uint((uint64_t)v);
}
