/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_BTREE_H
#define SFS_FORMAT_BTREE_H

#include "shardyfs/adapter.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A read-only walker of the one table of a shard,
 *     CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID
 * in the SQLite file format (sqlite.org/fileformat2.html): an index B-tree
 * whose interior cells hold rows too. Values are read by range; keys and
 * pages are the only things held whole. Every size, page number and pointer
 * read from a page is checked before use, every descent and chain is
 * bounded: hostile bytes give CORRUPT, never a crash or an endless loop.
 * Reserved bytes per page are understood; WAL mode, text encodings of the
 * schema other than UTF-8, and other schemas are refused.
 *
 * A walker is immutable apart from its caches (interior pages, and where the
 * pages of long values lie), which are bounded and begin with the first use;
 * it serves any number of threads. Lookups take 70 KiB of stack and allocate
 * nothing but those caches.
 */
struct sfs_btree;

enum {
	SFS_BTREE_KEY_MAX_BYTES = 1 << 20, /* longer keys: CORRUPT */
};

/*
 * Opens the walker over an object that it borrows; "name" (copied) goes into
 * messages. Checks header, schema, and the key types of the first and last
 * row. CORRUPT names what is wrong: "not an SQLite database", "truncated",
 * "table kv has another definition: ...", "kv is a view", "has a trigger".
 * UNSUPPORTED: WAL mode, a schema in UTF-16, a newer format, more pages than
 * a locator can name.
 */
enum sfs_rc sfs_btree_open(struct sfs_object *object, const char *name,
                           struct sfs_btree **out, const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;
void sfs_btree_close(struct sfs_btree *t);

/* The functions of sfs_shard_reader_ops, same contracts. */
enum sfs_rc sfs_btree_get(struct sfs_btree *t, struct sfs_bytes key,
                          bool *found, struct sfs_pair_info *info,
                          const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_btree_read(struct sfs_btree *t, sfs_locator locator,
                           uint64_t offset, void *buf, size_t len, size_t *got,
                           const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_btree_at(struct sfs_btree *t, sfs_locator locator,
                         struct sfs_pair_info *info, uint8_t *key_buf,
                         size_t key_cap, size_t *key_len,
                         const struct sfs_call *call,
                         struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_btree_multi_get(struct sfs_btree *t,
                                const struct sfs_bytes *keys, size_t count,
                                size_t value_max, sfs_multi_get_fn *fn,
                                void *arg, const struct sfs_call *call,
                                struct sfs_err *err) SFS_NODISCARD;

/* A cursor in key order, beginning skip rows behind the first. */
struct sfs_btree_cursor;
enum sfs_rc sfs_btree_cursor_open(struct sfs_btree *t, uint64_t skip,
                                  struct sfs_btree_cursor **out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_btree_cursor_next(struct sfs_btree_cursor *c, bool *found,
                                  struct sfs_bytes *key,
                                  struct sfs_pair_info *info,
                                  const struct sfs_call *call,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_btree_cursor_close(struct sfs_btree_cursor *c);

#endif
