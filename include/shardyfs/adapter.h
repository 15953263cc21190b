/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHARDYFS_ADAPTER_H
#define SHARDYFS_ADAPTER_H

#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The adapter seam: how the key-value pairs of one shard are kept. It is the
 * C form of shardyfusion's DbAdapterFactory and ShardReaderFactory: a factory
 * takes (db_url, local_dir, options) and makes a writer or a reader of one
 * shard. An adapter is one struct sfs_adapter; a shared object exports it as
 * "sfs_adapter_v1". abi and size tell a build that does not fit.
 */

enum { SFS_ADAPTER_ABI = 1 };

struct sfs_bytes {
	const uint8_t *data; /* borrowed; may hold NUL */
	size_t len;
};

/* Borrowed during the call that it is given to, but for the store. */
struct sfs_shard_location {
	const char *db_url;      /* or key_prefix; for messages */
	const char *key_prefix;  /* of db_url in store, no final '/' */
	struct sfs_store *store; /* borrowed, outlives reader/writer */
	const char *options;     /* JSON object of settings, or NULL */
};

/*
 * Where a pair lies in a shard: below 2^40, and for ever the same pair, since
 * a published shard never changes. Opaque to everyone but the adapter.
 */
typedef uint64_t sfs_locator;
#define SFS_LOCATOR_BITS 40

struct sfs_pair_info {
	sfs_locator locator;
	uint64_t value_size; /* bytes */
};

/* A reader serves any number of threads at once. */
struct sfs_shard_reader {
	const struct sfs_shard_reader_ops *ops;
};

/* Walks the pairs in key order. One thread at a time. */
struct sfs_shard_cursor {
	const struct sfs_shard_cursor_ops *ops;
};

struct sfs_shard_cursor_ops {
	/*
	 * The next pair, or *found = false behind the last. key is borrowed
	 * until the next call. CORRUPT, and what the store returns.
	 */
	enum sfs_rc (*next)(struct sfs_shard_cursor *c, bool *found,
	                    struct sfs_bytes *key, struct sfs_pair_info *info,
	                    const struct sfs_call *call, struct sfs_err *err);
	void (*close)(struct sfs_shard_cursor *c);
};

/*
 * Takes one answer of multi_get: keys[index], absent if value is NULL, which
 * is borrowed during the call. Return false to stop.
 */
typedef bool sfs_multi_get_fn(void *arg, size_t index,
                              const struct sfs_bytes *value);

/*
 * CORRUPT: the shard's bytes contradict its format. STALE: its objects were
 * deleted. Everything else is what the store returned.
 */
struct sfs_shard_reader_ops {
	/* *found tells whether the key is there; then *info is set. */
	enum sfs_rc (*get)(struct sfs_shard_reader *r, struct sfs_bytes key,
	                   bool *found, struct sfs_pair_info *info,
	                   const struct sfs_call *call, struct sfs_err *err);

	/*
	 * Reads value bytes [offset, offset + len) of a pair, in bounded
	 * memory whatever its size; *got < len only where the value ends.
	 */
	enum sfs_rc (*read)(struct sfs_shard_reader *r, sfs_locator locator,
	                    uint64_t offset, void *buf, size_t len, size_t *got,
	                    const struct sfs_call *call, struct sfs_err *err);

	/*
	 * Tells what lies at a locator. INVALID if it never came from this
	 * shard. key_cap bytes at key_buf receive the key (cut if longer);
	 * *key_len is its true length. key_buf may be NULL.
	 */
	enum sfs_rc (*at)(struct sfs_shard_reader *r, sfs_locator locator,
	                  struct sfs_pair_info *info, uint8_t *key_buf,
	                  size_t key_cap, size_t *key_len,
	                  const struct sfs_call *call, struct sfs_err *err);

	/*
	 * Values of many keys, which must be sorted by bytes: each page of
	 * the shard is read once. Values over value_max bytes: TOO_BIG.
	 */
	enum sfs_rc (*multi_get)(struct sfs_shard_reader *r,
	                         const struct sfs_bytes *keys, size_t count,
	                         size_t value_max, sfs_multi_get_fn *fn,
	                         void *arg, const struct sfs_call *call,
	                         struct sfs_err *err);

	/* A cursor that begins skip pairs behind the first. */
	enum sfs_rc (*iterate)(struct sfs_shard_reader *r, uint64_t skip,
	                       struct sfs_shard_cursor **cursor_out,
	                       const struct sfs_call *call,
	                       struct sfs_err *err);

	/* Frees the reader. No call under way, no cursor open. */
	void (*close)(struct sfs_shard_reader *r);
};

/*
 * Writes the pairs of one shard in key order. A writer belongs to one thread
 * at a time. Every pair is announced first, all of them before the first is
 * written, so that a format can lay itself out and be written front to back:
 *
 *	announce ... -> write_batch ... -> seal -> results -> close
 */
struct sfs_shard_writer {
	const struct sfs_shard_writer_ops *ops;
};

struct sfs_pair {
	struct sfs_bytes key;
	struct sfs_bytes value;
};

struct sfs_shard_results {
	uint64_t db_bytes;  /* under db_url; 0 where not cheap to tell */
	const char *digest; /* "sha256:HEX" or NULL; borrowed from w */
};

struct sfs_shard_writer_ops {
	/* The next pair will be so large. TOO_BIG: the format has a limit. */
	enum sfs_rc (*announce)(struct sfs_shard_writer *w, size_t key_len,
	                        size_t value_len, struct sfs_err *err);

	/*
	 * Keys ascend strictly by bytes, within and across batches, and the
	 * lengths are those that were announced; else INVALID.
	 */
	enum sfs_rc (*write_batch)(struct sfs_shard_writer *w,
	                           const struct sfs_pair *pairs, size_t count,
	                           const struct sfs_call *call,
	                           struct sfs_err *err);

	/*
	 * Finishes the shard and makes it visible under db_url; durable after
	 * the store's barrier. Afterwards only results and close.
	 */
	enum sfs_rc (*seal)(struct sfs_shard_writer *w,
	                    const struct sfs_call *call, struct sfs_err *err);

	/* After seal. */
	void (*results)(struct sfs_shard_writer *w,
	                struct sfs_shard_results *out);

	/* Frees the writer; without seal nothing stays under db_url. */
	void (*close)(struct sfs_shard_writer *w);
};

struct sfs_adapter {
	uint32_t abi;     /* SFS_ADAPTER_ABI */
	uint32_t size;    /* sizeof(struct sfs_adapter) */
	const char *name; /* "sqlite" */

	/* The object under db_url whose presence tells this adapter. */
	const char *marker_object; /* "shard.db" */

	enum sfs_rc (*open_reader)(const struct sfs_shard_location *where,
	                           struct sfs_shard_reader **reader_out,
	                           const struct sfs_call *call,
	                           struct sfs_err *err);
	enum sfs_rc (*open_writer)(const struct sfs_shard_location *where,
	                           struct sfs_shard_writer **writer_out,
	                           struct sfs_err *err);
};

#endif
