/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CATALOG_OBJECT_H
#define SFS_CATALOG_OBJECT_H

#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

/*
 * The catalog that shardyfusion keeps in the object store: _CURRENT,
 * manifests/ and the run records under run_prefix ("runs"). The store is
 * borrowed and must outlive the catalog.
 */
enum sfs_rc sfs_catalog_object_open(struct sfs_store *store,
                                    const char *run_prefix,
                                    struct sfs_catalog **out,
                                    struct sfs_err *err) SFS_NODISCARD;

#endif
