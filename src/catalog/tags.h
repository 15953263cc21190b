/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CATALOG_TAGS_H
#define SFS_CATALOG_TAGS_H

#include "format/names.h"
#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>

/*
 * Tags as objects of the store: "tags/NAME", a JSON object with the snapshot
 * ID, the time and the author. The contracts of struct sfs_catalog_ops.
 */
#define SFS_TAGS_PREFIX "tags/"

enum { SFS_TAG_NAME_BYTES = 256 }; /* with the NUL */

/* [A-Za-z0-9._-]+, not too long, no '.' in front. */
bool sfs_tag_name_is_valid(const char *name);

enum sfs_rc sfs_tags_put(struct sfs_store *store, const char *name,
                         const struct sfs_snapshot_id *id,
                         const struct sfs_call *call,
                         struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_tags_set(struct sfs_store *store, const char *name,
                         const struct sfs_snapshot_id *id,
                         const struct sfs_call *call,
                         struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_tags_get(struct sfs_store *store, const char *name,
                         struct sfs_snapshot_id *id_out,
                         const struct sfs_call *call,
                         struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_tags_delete(struct sfs_store *store, const char *name,
                            const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_tags_list(struct sfs_store *store, sfs_tag_fn *fn, void *arg,
                          const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;

#endif
