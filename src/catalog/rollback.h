/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CATALOG_ROLLBACK_H
#define SFS_CATALOG_ROLLBACK_H

#include "format/names.h"
#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

/*
 * Makes an older (or a newer) published snapshot current again: writes
 * _CURRENT for its manifest, by compare-and-swap against what is current now,
 * and logs it. The history stays as it is. NOT_FOUND: there is no such
 * snapshot; CORRUPT: its manifest is damaged; CONFLICT: somebody else
 * published meanwhile; EXISTS: it is current already; BUSY: gc is deleting it.
 */
enum sfs_rc sfs_rollback(struct sfs_catalog *catalog, struct sfs_store *store,
                         const struct sfs_snapshot_id *to,
                         const struct sfs_call *call,
                         struct sfs_err *err) SFS_NODISCARD;

/*
 * What a text names: a snapshot ID, a run id, or a tag. NOT_FOUND, INVALID
 * (several runs of that id).
 */
enum sfs_rc sfs_catalog_resolve(struct sfs_catalog *catalog, const char *text,
                                struct sfs_snapshot_id *out,
                                const struct sfs_call *call,
                                struct sfs_err *err) SFS_NODISCARD;

#endif
