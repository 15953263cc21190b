/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_ARENA_H
#define SFS_BASE_ARENA_H

#include "shardyfs/err.h"

#include <stddef.h>

/* Many small strings with one life: freed together, never one by one. */
struct sfs_arena;

struct sfs_arena *sfs_arena_new(void) SFS_NODISCARD; /* NULL: no memory */
void sfs_arena_free(struct sfs_arena *a);            /* NULL is fine */

/* Copies len bytes and a NUL. NULL: out of memory. */
char *sfs_arena_add(struct sfs_arena *a, const void *data,
                    size_t len) SFS_NODISCARD;

#endif
