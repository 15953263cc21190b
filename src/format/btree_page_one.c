/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page 1 of a shard's database: the header, and the schema with its one row,
 * as the sqlite3 library makes them for a database that one transaction
 * wrote. Nothing in it depends on where or when it was made, so that equal
 * pairs make equal bytes.
 */
#include "format/btree_layout.h"
#include "format/btree_writer.h"

#include <string.h>

enum {
	SCHEMA_FORMAT = 4,
	LIBRARY_VERSION = 3040001, /* the one compared with */
};

#define KV_SQL                                                   \
	"CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) " \
	"WITHOUT ROWID"

/* The row of the schema: ("table", "kv", "kv", root, KV_SQL). */
static uint32_t schema_cell(uint32_t root, uint8_t *out)
{
	static const char names[] = "tablekvkv";
	static const uint8_t sizes[6] = { 0, 1, 2, 3, 4, 6 };
	uint8_t *p = out + 3;
	unsigned type = 1;

	while (type < 5 && root >> (8 * sizes[type] - 1) > 0)
		type++;
	p = sfs_btree_put_varint(p, 2 * 5 + 13);
	p = sfs_btree_put_varint(p, 2 * 2 + 13);
	p = sfs_btree_put_varint(p, 2 * 2 + 13);
	p = sfs_btree_put_varint(p, type);
	p = sfs_btree_put_varint(p, 2 * (sizeof(KV_SQL) - 1) + 13);
	out[2] = (uint8_t)(p - out - 2); /* bytes of the record's header */
	memcpy(p, names, sizeof(names) - 1);
	p += sizeof(names) - 1;
	for (unsigned i = sizes[type]; i > 0; i--)
		*p++ = (uint8_t)((uint64_t)root >> (8 * (i - 1)));
	memcpy(p, KV_SQL, sizeof(KV_SQL) - 1);
	p += sizeof(KV_SQL) - 1;
	out[0] = (uint8_t)(p - out - 2); /* bytes of the record */
	out[1] = 1;                      /* its rowid */
	return (uint32_t)(p - out);
}

static void header_put(const struct sfs_btree_shape *shape, uint8_t *p)
{
	memcpy(p, SFS_BTREE_MAGIC, SFS_BTREE_MAGIC_BYTES);
	sfs_btree_put16(p + SFS_BTREE_AT_PAGE_SIZE,
	                shape->page_size == SFS_BTREE_PAGE_MAX_BYTES
	                        ? 1
	                        : shape->page_size);
	p[SFS_BTREE_AT_WRITE_VERSION] = 1;
	p[SFS_BTREE_AT_READ_VERSION] = 1;
	p[SFS_BTREE_AT_FRACTIONS] = 64;
	p[SFS_BTREE_AT_FRACTIONS + 1] = 32;
	p[SFS_BTREE_AT_FRACTIONS + 2] = 32;
	sfs_btree_put32(p + SFS_BTREE_AT_CHANGE_COUNTER, 1);
	sfs_btree_put32(p + SFS_BTREE_AT_PAGE_COUNT, shape->pages);
	sfs_btree_put32(p + SFS_BTREE_AT_SCHEMA_COOKIE, 1);
	sfs_btree_put32(p + SFS_BTREE_AT_SCHEMA_FORMAT, SCHEMA_FORMAT);
	sfs_btree_put32(p + SFS_BTREE_AT_ENCODING, 1);
	sfs_btree_put32(p + SFS_BTREE_AT_VALID_FOR, 1);
	sfs_btree_put32(p + SFS_BTREE_AT_LIBRARY_VERSION, LIBRARY_VERSION);
}

void sfs_btree_page_one_put(const struct sfs_btree_shape *shape, uint8_t *page)
{
	uint8_t *head = page + SFS_BTREE_HEADER_BYTES;
	uint8_t cell[256];
	uint32_t len = schema_cell(shape->root, cell);
	uint32_t top = shape->page_size - len;

	memset(page, 0, shape->page_size);
	header_put(shape, page);
	head[0] = SFS_BTREE_PAGE_LEAF_TABLE;
	sfs_btree_put16(head + SFS_BTREE_AT_CELLS, 1);
	sfs_btree_put16(head + SFS_BTREE_AT_CONTENT, top);
	sfs_btree_put16(head + SFS_BTREE_LEAF_HEADER_BYTES, top);
	memcpy(page + top, cell, len);
}
