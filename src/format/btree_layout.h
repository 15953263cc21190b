/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_BTREE_LAYOUT_H
#define SFS_FORMAT_BTREE_LAYOUT_H

#include "shardyfs/adapter.h"

#include <stdint.h>

/*
 * Where things lie on the pages of an SQLite database: what the walker and
 * the writer both have to know (sqlite.org/fileformat2.html).
 */

enum {
	SFS_BTREE_PAGE_MIN_BYTES = 512,
	SFS_BTREE_PAGE_MAX_BYTES = 65536,
	SFS_BTREE_CELL_MIN_BYTES = 6, /* four and its pointer */

	/* The header of a page. */
	SFS_BTREE_LEAF_HEADER_BYTES = 8,
	SFS_BTREE_INTERIOR_HEADER_BYTES = 12,
	SFS_BTREE_AT_CELLS = 3,
	SFS_BTREE_AT_CONTENT = 5, /* 0 stands for 65536 */
	SFS_BTREE_AT_RIGHT = 8,
	SFS_BTREE_POINTER_BYTES = 2,   /* to a cell */
	SFS_BTREE_PAGE_NO_BYTES = 4,   /* before a cell, behind it */
	SFS_BTREE_LOCK_BYTE = 1 << 30, /* in the page that stays unused */
};

/* The header of the database, 1.3. */
enum {
	SFS_BTREE_HEADER_BYTES = 100,
	SFS_BTREE_MAGIC_BYTES = 16,
	SFS_BTREE_AT_PAGE_SIZE = 16,
	SFS_BTREE_AT_WRITE_VERSION = 18,
	SFS_BTREE_AT_READ_VERSION = 19,
	SFS_BTREE_AT_RESERVED = 20,
	SFS_BTREE_AT_FRACTIONS = 21,
	SFS_BTREE_AT_CHANGE_COUNTER = 24,
	SFS_BTREE_AT_PAGE_COUNT = 28,
	SFS_BTREE_AT_SCHEMA_COOKIE = 40,
	SFS_BTREE_AT_SCHEMA_FORMAT = 44,
	SFS_BTREE_AT_ENCODING = 56,
	SFS_BTREE_AT_VALID_FOR = 92,
	SFS_BTREE_AT_LIBRARY_VERSION = 96,
};

#define SFS_BTREE_MAGIC "SQLite format 3"

enum sfs_btree_page_type {
	SFS_BTREE_PAGE_INTERIOR_INDEX = 2,
	SFS_BTREE_PAGE_INTERIOR_TABLE = 5,
	SFS_BTREE_PAGE_LEAF_INDEX = 10,
	SFS_BTREE_PAGE_LEAF_TABLE = 13,
};

/* Payload bytes that fit on an index page; the least that stay there. */
static inline uint32_t sfs_btree_max_local(uint32_t usable)
{
	return (usable - 12) * 64 / 255 - 23;
}

static inline uint32_t sfs_btree_min_local(uint32_t usable)
{
	return (usable - 12) * 32 / 255 - 23;
}

/* How much of a payload stays on its page. */
static inline uint32_t sfs_btree_local_len(uint32_t usable, uint32_t payload,
                                           uint32_t max_local,
                                           uint32_t min_local)
{
	uint32_t len;

	if (payload <= max_local)
		return payload;
	len = min_local + (payload - min_local) % (usable - 4);
	return len <= max_local ? len : min_local;
}

/* Of a locator, the cell's part; the rest is the page. */
static inline unsigned sfs_btree_cell_bits(uint32_t page_size)
{
	uint32_t cells = (page_size - 8) / SFS_BTREE_CELL_MIN_BYTES;
	unsigned bits = 0;

	while (cells >> bits > 0)
		bits++;
	return bits;
}

/* The most that a database may have for a locator to name each. */
static inline uint32_t sfs_btree_max_pages(uint32_t page_size)
{
	uint64_t max = 1ULL
	               << (SFS_LOCATOR_BITS - sfs_btree_cell_bits(page_size));

	return max < UINT32_MAX ? (uint32_t)max - 1 : UINT32_MAX - 1;
}

static inline uint32_t sfs_btree_lock_page(uint32_t page_size)
{
	return SFS_BTREE_LOCK_BYTE / page_size + 1;
}

static inline uint32_t sfs_btree_be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t sfs_btree_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static inline void sfs_btree_put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void sfs_btree_put32(uint8_t *p, uint32_t value)
{
	sfs_btree_put16(p, value >> 16);
	sfs_btree_put16(p + 2, value);
}

static inline uint32_t sfs_btree_varint_len(uint32_t value)
{
	uint32_t len = 1;

	for (; value >= 0x80; value >>= 7)
		len++;
	return len;
}

static inline uint8_t *sfs_btree_put_varint(uint8_t *p, uint32_t value)
{
	uint32_t shift;

	for (shift = 7 * (sfs_btree_varint_len(value) - 1); shift > 0;
	     shift -= 7)
		*p++ = (uint8_t)(value >> shift | 0x80);
	*p++ = value & 0x7F;
	return p;
}

/* btree_page_one.c: the first page of a database of that shape. */
struct sfs_btree_shape;
void sfs_btree_page_one_put(const struct sfs_btree_shape *shape, uint8_t *page);

#endif
