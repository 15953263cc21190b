/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_POOL_H
#define SFS_CEL_POOL_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Memory of one life for things of any type: aligned, bounded, reusable. */
struct sfs_cel_pool;

struct sfs_cel_pool *sfs_cel_pool_new(size_t max_bytes) SFS_NODISCARD;
void sfs_cel_pool_free(struct sfs_cel_pool *p); /* NULL is fine */

/* Forgets what was given and keeps up to a block of memory for the next. */
void sfs_cel_pool_reset(struct sfs_cel_pool *p);

/* Aligned to 8, not cleared. NULL: out of memory, or over max_bytes. */
void *sfs_cel_pool_get(struct sfs_cel_pool *p, size_t size) SFS_NODISCARD;

/* Whether something was refused because of max_bytes, since the reset. */
bool sfs_cel_pool_is_full(const struct sfs_cel_pool *p);

#endif
