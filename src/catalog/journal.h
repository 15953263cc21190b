/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CATALOG_JOURNAL_H
#define SFS_CATALOG_JOURNAL_H

#include "shardyfs/err.h"
#include "shardyfs/store.h"

/*
 * The store's log: one object for each event, "log/<ts>_<event>.json". See
 * struct sfs_catalog_ops. INVALID: the event's name or the details.
 */
#define SFS_JOURNAL_PREFIX "log/"

enum sfs_rc sfs_journal_add(struct sfs_store *store, const char *event,
                            int64_t at_ns, const char *details_json,
                            const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;

#endif
