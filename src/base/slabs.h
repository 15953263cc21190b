/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_SLABS_H
#define SFS_BASE_SLABS_H

#include "shardyfs/err.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A fixed number of large blocks of memory, taken in turns and never given
 * back to the system: fresh memory costs several times what used memory
 * does. Aligned to 2 MiB. Thread-safe.
 */
struct sfs_slabs;

enum sfs_rc sfs_slabs_new(size_t count, size_t slab_bytes,
                          struct sfs_slabs **out,
                          struct sfs_err *err) SFS_NODISCARD;
void sfs_slabs_free(struct sfs_slabs *s); /* all were put back; NULL is fine */

size_t sfs_slabs_bytes(const struct sfs_slabs *s); /* of one */

/* Waits for one that is free. */
uint8_t *sfs_slabs_get(struct sfs_slabs *s);
uint8_t *sfs_slabs_try_get(struct sfs_slabs *s); /* NULL: none is free */
void sfs_slabs_put(struct sfs_slabs *s, uint8_t *slab);

#endif
