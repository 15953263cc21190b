/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_WHERE_H
#define SFS_FS_WHERE_H

#include "fs/node.h"
#include "fs/views.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The directories below where/. A node is a path as it was spelled: columns
 * in another order are another directory, since a directory must not have two
 * names. It pins its view while the kernel refers to it.
 *
 * The table is bounded: the node that was used longest ago makes room,
 * although the kernel still refers to it. Using it then is STALE, upon which
 * the kernel looks its path up again, and nobody notices but a process that
 * sat in it all the while.
 */
struct sfs_where_table;

/* The views must outlive it. NULL: no memory. */
struct sfs_where_table *sfs_where_new(struct sfs_views *views,
                                      size_t max_bytes) SFS_NODISCARD;
void sfs_where_free(struct sfs_where_table *t);

struct sfs_where_dir {
	struct sfs_view *view;
	enum sfs_node_view which;
	bool is_keys; /* path/keys, not path itself */
	char *path;   /* "region=eu/tier=2", encoded; "": where/ itself */
};

/* The node of a directory, with one more reference. False: no memory. */
bool sfs_where_enter(struct sfs_where_table *t, const struct sfs_where_dir *dir,
                     uint64_t *number_out) SFS_NODISCARD;

/*
 * What a node stands for: with a reference to the view, and a path of its
 * own; release it. STALE: no such node.
 */
enum sfs_rc sfs_where_get(struct sfs_where_table *t, uint64_t number,
                          struct sfs_where_dir *out,
                          struct sfs_err *err) SFS_NODISCARD;
void sfs_where_release(struct sfs_where_table *t, struct sfs_where_dir *dir);

void sfs_where_forget(struct sfs_where_table *t, uint64_t number,
                      uint64_t count);

uint64_t sfs_where_count(struct sfs_where_table *t);

#endif
