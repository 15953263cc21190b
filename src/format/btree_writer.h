/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_BTREE_WRITER_H
#define SFS_FORMAT_BTREE_WRITER_H

#include "shardyfs/adapter.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes the database of a shard, one WITHOUT ROWID table of key-value pairs,
 * from sorted pairs, front to back: every page once, page 1 first. Page 1
 * names the root page and their number, so the pairs are measured first.
 *
 * Pages fill from the left, each one wholly; the last pair of a full page
 * goes up as its divider, so that no page is ever empty. Overflow chains lie
 * in front of the page that refers to them. The page that holds byte 2^30
 * (the lock-byte page) stays unused. https://www.sqlite.org/fileformat.html
 */
struct sfs_btree_shape {
	uint32_t page_size; /* bytes */
	uint32_t root;      /* page number; the last one */
	uint32_t pages;     /* in the file */
	uint64_t rows;
};

enum { SFS_BTREE_WRITER_LEVELS = 20 };

/* A level of the tree while it is measured: how full its last page is. */
struct sfs_btree_gauge {
	uint32_t used;      /* bytes of cells and pointers to them */
	uint32_t last_cell; /* bytes of the last one */
};

struct sfs_btree_measure {
	uint32_t page_size;
	uint32_t max_local; /* payload bytes that fit on a page */
	uint64_t pages;     /* that are full, and of chains */
	uint64_t rows;
	unsigned levels;
	struct sfs_btree_gauge level[SFS_BTREE_WRITER_LEVELS];
};

/* page_size: a power of two from 512 to 65536. */
void sfs_btree_measure_init(struct sfs_btree_measure *m, uint32_t page_size);

/*
 * Takes the lengths of the next pair. TOO_BIG: a key that the walker refuses
 * (format/btree.h), a row beyond SQLite's limit of 10^9 bytes, or more pages
 * than a database has.
 */
enum sfs_rc sfs_btree_measure_add(struct sfs_btree_measure *m, size_t key_len,
                                  size_t value_len,
                                  struct sfs_err *err) SFS_NODISCARD;

/* TOO_BIG: more pages than a database has. *m stays as it is. */
enum sfs_rc sfs_btree_measure_finish(const struct sfs_btree_measure *m,
                                     struct sfs_btree_shape *out,
                                     struct sfs_err *err) SFS_NODISCARD;

/*
 * Takes the next bytes of the file: whole pages, aligned to 4096 bytes. They
 * stay what they are until it is called again, or the writer is freed.
 */
typedef enum sfs_rc sfs_btree_sink_fn(void *arg, const void *data, size_t len,
                                      struct sfs_err *err);

/*
 * Page 1 is known from the shape, so the sink may be called from the first
 * pair on. After a failure only free.
 */
struct sfs_btree_writer;
enum sfs_rc sfs_btree_writer_new(const struct sfs_btree_shape *shape,
                                 sfs_btree_sink_fn *sink, void *arg,
                                 struct sfs_btree_writer **out,
                                 struct sfs_err *err) SFS_NODISCARD;
void sfs_btree_writer_free(struct sfs_btree_writer *w); /* NULL is fine */

/*
 * INVALID: the key does not follow the one before it, or the pairs are not
 * those that were measured. TOO_BIG. What the sink returns.
 */
enum sfs_rc sfs_btree_writer_add(struct sfs_btree_writer *w,
                                 const struct sfs_pair *pair,
                                 struct sfs_err *err) SFS_NODISCARD;

/* INVALID: the pairs were not those that were measured. */
enum sfs_rc sfs_btree_writer_finish(struct sfs_btree_writer *w,
                                    struct sfs_err *err) SFS_NODISCARD;

#endif
