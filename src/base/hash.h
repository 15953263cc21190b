/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_HASH_H
#define SFS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * Hashing for tables and inode numbers, not for routing: FNV-1a
 * (isthe.com/chongo/tech/comp/fnv) and the 64-bit finalizer of MurmurHash3,
 * which is a bijection.
 */
static inline uint64_t sfs_mix64(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdu;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53u;
	x ^= x >> 33;
	return x;
}

static inline uint64_t sfs_hash64(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return sfs_mix64(h);
}

#endif
