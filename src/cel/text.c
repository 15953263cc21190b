/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of strings and bytes. Parts are compared byte by byte, which for
 * valid UTF-8 is the same as by code points.
 */
#include "cel/functions_internal.h"

#include <string.h>

enum { MATCH_STEPS_MAX = 100000 };

/* Code points: bytes that do not continue one. */
struct sfs_cel_value sfs_cel_size_string(const struct sfs_cel_value *args,
                                         struct sfs_cel_pool *pool)
{
	struct sfs_cel_text text = args[0].as.text;
	size_t count = 0;

	(void)pool;
	for (size_t i = 0; i < text.len; i++)
		count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
	return sfs_cel_int((int64_t)count);
}

struct sfs_cel_value sfs_cel_size_bytes(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_int((int64_t)args[0].as.text.len);
}

static bool is_at(struct sfs_cel_text text, size_t pos,
                  struct sfs_cel_text part)
{
	return part.len == 0 ||
	       memcmp(text.data + pos, part.data, part.len) == 0;
}

struct sfs_cel_value sfs_cel_starts_with(const struct sfs_cel_value *args,
                                         struct sfs_cel_pool *pool)
{
	struct sfs_cel_text text = args[0].as.text;
	struct sfs_cel_text part = args[1].as.text;

	(void)pool;
	return sfs_cel_bool(part.len <= text.len && is_at(text, 0, part));
}

struct sfs_cel_value sfs_cel_ends_with(const struct sfs_cel_value *args,
                                       struct sfs_cel_pool *pool)
{
	struct sfs_cel_text text = args[0].as.text;
	struct sfs_cel_text part = args[1].as.text;

	(void)pool;
	return sfs_cel_bool(part.len <= text.len &&
	                    is_at(text, text.len - part.len, part));
}

struct sfs_cel_value sfs_cel_contains(const struct sfs_cel_value *args,
                                      struct sfs_cel_pool *pool)
{
	struct sfs_cel_text text = args[0].as.text;
	struct sfs_cel_text part = args[1].as.text;

	(void)pool;
	if (part.len == 0)
		return sfs_cel_bool(true);
	return sfs_cel_bool(text.len >= part.len &&
	                    memmem(text.data, text.len, part.data, part.len) !=
	                            NULL);
}

static struct sfs_cel_value error_of(const struct sfs_err *err,
                                     struct sfs_cel_pool *pool)
{
	char *message = sfs_cel_pool_get(pool, sizeof(err->msg));

	if (message == NULL || err->rc == SFS_E_NO_MEMORY)
		return sfs_cel_error_memory();
	memcpy(message, err->msg, sizeof(err->msg));
	return sfs_cel_error(message);
}

/*
 * With a pattern that is known at run time only: what it costs was counted
 * before it was known, so there is a limit to it.
 */
struct sfs_cel_value sfs_cel_matches(const struct sfs_cel_value *args,
                                     struct sfs_cel_pool *pool)
{
	struct sfs_cel_regex *regex;
	struct sfs_err err;
	bool is_found = false;
	enum sfs_rc rc = sfs_cel_regex_new(args[1].as.text, &regex, &err);

	if (rc == SFS_OK &&
	    sfs_cel_regex_cost(regex, args[0].as.text) > MATCH_STEPS_MAX)
		rc = sfs_err_set(&err, SFS_E_TOO_BIG,
		                 "a regular expression that is made in the "
		                 "evaluation, and its text, must be smaller");
	if (rc == SFS_OK)
		rc = sfs_cel_regex_search(regex, args[0].as.text, &is_found,
		                          &err);
	sfs_cel_regex_free(regex);
	return rc == SFS_OK ? sfs_cel_bool(is_found) : error_of(&err, pool);
}
