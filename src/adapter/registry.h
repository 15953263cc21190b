/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_ADAPTER_REGISTRY_H
#define SFS_ADAPTER_REGISTRY_H

#include "shardyfs/adapter.h"
#include "shardyfs/err.h"

/*
 * The adapters of this build, and the one place that tells which of them a
 * shard needs.
 */

/* NULL if there is none of that name. */
const struct sfs_adapter *sfs_adapter_by_name(const char *name);

/*
 * Tells the adapter by the objects under the shard's key prefix: the first
 * one whose marker object can be opened. Only where none can, the prefix is
 * listed to say why. UNSUPPORTED names what was found there ("SlateDB"),
 * STALE says that nothing known was; else what the store returned. Blocks; where it costs a request, remember the answer.
 */
enum sfs_rc sfs_adapter_detect(const struct sfs_shard_location *where,
                               const struct sfs_adapter **out,
                               const struct sfs_call *call,
                               struct sfs_err *err) SFS_NODISCARD;

/* UNSUPPORTED, with both numbers, if a was built for another interface. */
enum sfs_rc sfs_adapter_check(const struct sfs_adapter *a,
                              struct sfs_err *err) SFS_NODISCARD;

#endif
