/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_LINKS_H
#define SFS_FS_LINKS_H

#include "format/names.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Symbolic links to snapshots that live in memory: the receipts in publish/,
 * and those that ln -sfn makes under another name before it renames them
 * over "current" or "base". They last as long as the mount.
 */
struct sfs_links;

/* The directory that a link is in: one of these, or a build's number + 2. */
enum {
	SFS_LINKS_ROOT = 0,
	SFS_LINKS_RECEIPTS = 1,
	SFS_LINKS_BUILDS = 2,
};

struct sfs_links *sfs_links_new(void) SFS_NODISCARD; /* NULL: no memory */
void sfs_links_free(struct sfs_links *l);

/* Replaces a link of that name. False: no memory. */
bool sfs_links_put(struct sfs_links *l, uint64_t dir, const char *name,
                   const struct sfs_snapshot_id *id,
                   const char *target) SFS_NODISCARD;

/* target_out: a copy to sfs_free(), NULL without memory; may be NULL. */
bool sfs_links_get(struct sfs_links *l, uint64_t dir, const char *name,
                   struct sfs_snapshot_id *id_out, char **target_out);
bool sfs_links_remove(struct sfs_links *l, uint64_t dir, const char *name);
void sfs_links_clear(struct sfs_links *l, uint64_t dir);

/* In the order in which they were made; fn must not come back here. */
typedef void sfs_link_fn(void *arg, const char *name);
void sfs_links_list(struct sfs_links *l, uint64_t dir, sfs_link_fn *fn,
                    void *arg);

#endif
