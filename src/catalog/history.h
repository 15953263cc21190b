/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CATALOG_HISTORY_H
#define SFS_CATALOG_HISTORY_H

#include "format/manifest.h"
#include "format/names.h"
#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stddef.h>

/* Snapshot IDs, newest first. */
struct sfs_history {
	struct sfs_snapshot_id *ids; /* owned */
	size_t count;
};

void sfs_history_release(struct sfs_history *h);

/* Every manifest that lies under manifests/, finished or not. */
enum sfs_rc sfs_history_read(struct sfs_store *store, struct sfs_history *out,
                             const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

/*
 * Removes the unpublished: those whose run record exists and is not
 * "succeeded", and which are neither current nor, by custom.shardyfs.parent,
 * an ancestor of what is. A run without a record is taken as published.
 */
enum sfs_rc sfs_history_drop_unpublished(struct sfs_history *h,
                                         struct sfs_catalog *catalog,
                                         struct sfs_store *store,
                                         const char *run_prefix,
                                         const struct sfs_call *call,
                                         struct sfs_err *err) SFS_NODISCARD;

/* What a walk from the current manifest to its parents finds of a run. */
enum sfs_descent {
	SFS_DESCENT_NONE = 0, /* it is no ancestor */
	SFS_DESCENT_FOUND,    /* it is current, or an ancestor */
	SFS_DESCENT_UNKNOWN,  /* the chain has a gap before it would come */
};

enum sfs_rc sfs_history_descent(struct sfs_catalog *catalog,
                                struct sfs_store *store,
                                const struct sfs_snapshot_id *id,
                                enum sfs_descent *out,
                                const struct sfs_call *call,
                                struct sfs_err *err) SFS_NODISCARD;

/* custom.shardyfs.parent: the run that was current before; "" if none. */
enum sfs_rc sfs_history_parent(const struct sfs_manifest *m,
                               char out[SFS_RUN_ID_BYTES],
                               struct sfs_err *err) SFS_NODISCARD;

#endif
