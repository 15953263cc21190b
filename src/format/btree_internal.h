/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_BTREE_INTERNAL_H
#define SFS_FORMAT_BTREE_INTERNAL_H

#include "format/btree.h"
#include "format/btree_layout.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * What the files of the walker share; nobody else includes this. A page is
 * bytes plus a checked header; a cell is a checked row on a page, whose
 * payload may go on in a chain of overflow pages; a path is the pages from
 * the root to where a cursor stands.
 */

enum {
	SFS_BTREE_DEPTH_MAX = 20, /* SQLite's BTCURSOR_MAX_DEPTH */
	SFS_BTREE_USABLE_MIN_BYTES = 480,
	SFS_BTREE_PAYLOAD_MAX_BYTES = INT32_MAX,

	/* Interior pages kept beside the root: per walker, and of all. */
	SFS_BTREE_CACHE_BYTES = 1 << 20,
	SFS_BTREE_CACHE_SLOTS = 256, /* at most; a power of two */
	SFS_BTREE_CACHE_PROBES = 4,
	SFS_BTREE_CACHE_TOTAL_BYTES = 64 << 20,

	/* Chain maps kept per walker, and the marks of each. */
	SFS_BTREE_CHAIN_MAPS = 4,
	SFS_BTREE_CHAIN_MARKS = 1024,
	SFS_BTREE_CHAIN_STRIDE = 64, /* pages; shorter chains have no map */
	SFS_BTREE_CHAIN_READ_BYTES = 256 << 10,
	SFS_BTREE_CHAIN_SKIP_BYTES = 64 << 10,
	SFS_BTREE_CHAIN_SKIP_PAGE_BYTES = 8192, /* larger: pointers only */

	SFS_BTREE_SCHEMA_ROW_MAX_BYTES = 1 << 20,
};

struct sfs_btree_cached {
	uint32_t no;
	uint8_t data[];
};

/* Slots are set once and stay: reading them needs no lock. */
struct sfs_btree_cache {
	_Atomic(struct sfs_btree_cached *) slots[SFS_BTREE_CACHE_SLOTS];
};

/* Where the pages of one long chain lie: every stride-th of them. */
struct sfs_btree_chain_map {
	uint32_t first; /* first page of the chain, with pages its name */
	uint32_t pages;
	uint32_t stride;
	uint32_t known;      /* marks that are set; mark 0 is first */
	uint32_t last_index; /* where the last read stopped, and its page */
	uint32_t last_page;
	uint64_t used; /* tick of the last use */
	uint32_t marks[SFS_BTREE_CHAIN_MARKS];
};

struct sfs_btree_chains {
	pthread_mutex_t lock; /* protects all of it */
	uint64_t tick;
	struct sfs_btree_chain_map *maps[SFS_BTREE_CHAIN_MAPS];
};

/* Immutable after open, except cache (atomic) and chains (own lock). */
struct sfs_btree {
	struct sfs_object *object; /* borrowed */
	char *name;
	uint32_t page_size; /* bytes */
	uint32_t usable;    /* page_size less the reserved bytes */
	uint32_t page_count;
	uint32_t root;
	uint32_t max_local; /* payload bytes that fit on an index page */
	uint32_t min_local;
	unsigned cell_bits; /* of a locator; the rest is the page */
	bool is_open;       /* from here on interior pages are kept */
	uint8_t *root_data; /* the page, or NULL until it was read */
	_Atomic(struct sfs_btree_cache *) cache; /* NULL until used */
	struct sfs_btree_chains chains;
};

/* One call into the walker. */
struct sfs_btree_op {
	struct sfs_btree *t;
	const struct sfs_call *call;
	struct sfs_err *err;
};

struct sfs_btree_page {
	const uint8_t *data;
	uint32_t no;
	uint32_t cells;
	uint16_t header; /* offset of the header: 0, or 100 on page 1 */
	bool is_leaf;
};

/* A row of kv. Its payload is: head, key, value. */
struct sfs_btree_cell {
	const uint8_t *local; /* the payload's part on the page */
	uint32_t local_len;
	uint32_t overflow; /* first page of the rest; 0: none */
	uint32_t head_len;
	uint32_t key_len;
	uint32_t value_len;
	uint32_t page_no;
	uint32_t index;
};

/* A position in a chain: its index-th page has the number page. */
struct sfs_btree_chain {
	uint32_t first;
	uint32_t pages; /* that the payload needs */
	uint32_t bytes; /* in all of them */
	uint32_t index;
	uint32_t page; /* 0 behind the last */
	uint32_t run;  /* pages to read at once, hoping they are in a row */
};

struct sfs_btree_frame {
	struct sfs_btree_page page;
	uint32_t index; /* of the cell, or child, that comes next */
	uint8_t *buf;   /* owned; NULL until the first page read here */
};

struct sfs_btree_path {
	int depth;
	uint64_t visited; /* pages; more than the file has: a loop */
	struct sfs_btree_frame frames[SFS_BTREE_DEPTH_MAX];
};

/* btree_page.c */

/* CORRUPT, "NAME: page NO: ..." */
enum sfs_rc sfs_btree_fault(const struct sfs_btree_op *op, uint32_t page_no,
                            const char *fmt, ...) SFS_PRINTF(3, 4);

/* Reads exactly len bytes at offset of page page_no. */
enum sfs_rc sfs_btree_fetch(const struct sfs_btree_op *op, uint32_t page_no,
                            uint32_t offset, void *buf,
                            size_t len) SFS_NODISCARD;
enum sfs_rc sfs_btree_page_no_check(const struct sfs_btree_op *op,
                                    uint32_t from,
                                    uint32_t page_no) SFS_NODISCARD;

/* True, and *page set, if the page is in memory. */
bool sfs_btree_page_cached(struct sfs_btree *t, uint32_t page_no,
                           struct sfs_btree_page *page);
void sfs_btree_cache_release(struct sfs_btree *t);
/* Reads an index page into buf (page_size bytes). */
enum sfs_rc sfs_btree_page_read(const struct sfs_btree_op *op, uint32_t page_no,
                                uint8_t *buf,
                                struct sfs_btree_page *page) SFS_NODISCARD;
/* From the cache, or into buf. */
enum sfs_rc sfs_btree_page_load(const struct sfs_btree_op *op, uint32_t page_no,
                                uint8_t *buf,
                                struct sfs_btree_page *page) SFS_NODISCARD;
enum sfs_rc sfs_btree_page_check(const struct sfs_btree_op *op,
                                 struct sfs_btree_page *page) SFS_NODISCARD;
/* Where cell index begins; bounded by the page. */
enum sfs_rc sfs_btree_page_cell(const struct sfs_btree_op *op,
                                const struct sfs_btree_page *page,
                                uint32_t index,
                                uint32_t *offset_out) SFS_NODISCARD;
/* The index-th child of an interior page; index <= cells. */
enum sfs_rc sfs_btree_page_child(const struct sfs_btree_op *op,
                                 const struct sfs_btree_page *page,
                                 uint32_t index,
                                 uint32_t *child_out) SFS_NODISCARD;

/* btree_cell.c */

/* Bytes a varint takes at p, 0 if it runs over end. */
unsigned sfs_btree_varint(const uint8_t *p, const uint8_t *end,
                          uint64_t *value_out);
enum sfs_rc sfs_btree_cell_parse(const struct sfs_btree_op *op,
                                 const struct sfs_btree_page *page,
                                 uint32_t index,
                                 struct sfs_btree_cell *cell) SFS_NODISCARD;
/* Reads payload bytes [offset, offset + len), which must exist. */
enum sfs_rc sfs_btree_cell_read(const struct sfs_btree_op *op,
                                const struct sfs_btree_cell *cell,
                                uint32_t offset, uint8_t *buf,
                                uint32_t len) SFS_NODISCARD;
/* *order_out is <0, 0, >0 as key is before, at, behind the cell. */
enum sfs_rc sfs_btree_cell_compare(const struct sfs_btree_op *op,
                                   const struct sfs_btree_cell *cell,
                                   struct sfs_bytes key,
                                   int *order_out) SFS_NODISCARD;

struct sfs_btree_spot {
	uint32_t index; /* first cell that is not before the key */
	bool is_exact;  /* it is the key's: cell is set */
	struct sfs_btree_cell cell;
};

/*
 * Finds key among the cells from "from" on. is_near: it is probably one of
 * the first of them.
 */
enum sfs_rc sfs_btree_page_search(const struct sfs_btree_op *op,
                                  const struct sfs_btree_page *page,
                                  uint32_t from, bool is_near,
                                  struct sfs_bytes key,
                                  struct sfs_btree_spot *spot) SFS_NODISCARD;
void sfs_btree_cell_info(const struct sfs_btree *t,
                         const struct sfs_btree_cell *cell,
                         struct sfs_pair_info *info);

/* btree_chain.c */

enum sfs_rc sfs_btree_chains_init(struct sfs_btree_chains *c,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_btree_chains_release(struct sfs_btree_chains *c);

/* A chain of "bytes" bytes that begins at page first. */
enum sfs_rc sfs_btree_chain_begin(const struct sfs_btree_op *op,
                                  struct sfs_btree_chain *c, uint32_t from,
                                  uint32_t first, uint32_t bytes) SFS_NODISCARD;
/* Reads [offset, offset + len), which must exist. */
enum sfs_rc sfs_btree_chain_read(const struct sfs_btree_op *op,
                                 struct sfs_btree_chain *c, uint32_t offset,
                                 uint8_t *buf, uint32_t len) SFS_NODISCARD;

/* btree_schema.c */

/* Finds the root page of kv and checks its definition. */
enum sfs_rc sfs_btree_schema_find(const struct sfs_btree_op *op,
                                  uint32_t *root_out) SFS_NODISCARD;

/* btree_path.c */

void sfs_btree_path_init(struct sfs_btree_path *path);
void sfs_btree_path_release(struct sfs_btree_path *path);
enum sfs_rc sfs_btree_path_push(const struct sfs_btree_op *op,
                                struct sfs_btree_path *path,
                                uint32_t page_no) SFS_NODISCARD;
/* Pushes the child at the top frame's index. */
enum sfs_rc sfs_btree_path_descend(const struct sfs_btree_op *op,
                                   struct sfs_btree_path *path) SFS_NODISCARD;
/* Counts one page; CORRUPT if that makes more than there are. */
enum sfs_rc sfs_btree_path_count(const struct sfs_btree_op *op,
                                 struct sfs_btree_path *path,
                                 uint32_t page_no) SFS_NODISCARD;

#endif
