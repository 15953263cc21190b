/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_GC_REFS_H
#define SFS_BUILD_GC_REFS_H

#include "format/manifest.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What must stay: key prefixes of a store. Only their hashes are kept, since
 * there may be millions; two of one hash protect one prefix too many, never
 * one too few.
 */
struct sfs_gc_refs {
	uint64_t *hashes; /* owned */
	size_t count;
	size_t cap;
	bool is_sorted;
};

void sfs_gc_refs_release(struct sfs_gc_refs *r);
enum sfs_rc sfs_gc_refs_add(struct sfs_gc_refs *r, const char *prefix,
                            struct sfs_err *err) SFS_NODISCARD;

/*
 * Everything that a manifest refers to: its shards, and what custom names
 * within the store. CORRUPT: a db_url that is not in the store.
 */
enum sfs_rc sfs_gc_refs_add_manifest(struct sfs_gc_refs *r,
                                     const struct sfs_manifest *m,
                                     const char *store_url,
                                     struct sfs_err *err) SFS_NODISCARD;

/* True if the key is a prefix that was added, or lies below one. */
bool sfs_gc_refs_cover(struct sfs_gc_refs *r, const char *key);

#endif
