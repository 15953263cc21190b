/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard_hash(), which decides where a key lies: XXH3_64 with seed 0, as
 * shardyfusion has it. It must never change.
 */
#include "cel/functions_internal.h"

#include <xxhash.h>

static struct sfs_cel_value hash_of_number(uint64_t value)
{
	unsigned char bytes[8];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(value >> (8 * i));
	return sfs_cel_uint(XXH3_64bits(bytes, sizeof(bytes)));
}

struct sfs_cel_value sfs_cel_hash_int(const struct sfs_cel_value *args,
                                      struct sfs_cel_pool *pool)
{
	(void)pool;
	return hash_of_number((uint64_t)args[0].as.integer);
}

/* Like the int of the same value, which there must be. */
struct sfs_cel_value sfs_cel_hash_uint(const struct sfs_cel_value *args,
                                       struct sfs_cel_pool *pool)
{
	(void)pool;
	if (args[0].as.uinteger > INT64_MAX)
		return sfs_cel_error("shard_hash() of a uint over "
		                     "9223372036854775807");
	return hash_of_number(args[0].as.uinteger);
}

struct sfs_cel_value sfs_cel_hash_text(const struct sfs_cel_value *args,
                                       struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_uint(
		XXH3_64bits(args[0].as.text.data, args[0].as.text.len));
}
