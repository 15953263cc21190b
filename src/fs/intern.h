/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_INTERN_H
#define SFS_FS_INTERN_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Names that have a number for as long as the mount lives: snapshot IDs and
 * run directories, of which a store has few. The number is part of a node id,
 * so that the same name is always the same node.
 */
struct sfs_intern;

struct sfs_intern *sfs_intern_new(void) SFS_NODISCARD; /* NULL: no memory */
void sfs_intern_free(struct sfs_intern *in);

/* The number of a name, given to it now if need be. False: out of memory. */
bool sfs_intern_add(struct sfs_intern *in, const char *name,
                    uint64_t *number_out) SFS_NODISCARD;

/* True if the name has a number. */
bool sfs_intern_find(struct sfs_intern *in, const char *name,
                     uint64_t *number_out) SFS_NODISCARD;

/* Valid as long as the table; NULL: no such number. */
const char *sfs_intern_name(struct sfs_intern *in, uint64_t number);

#endif
