/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_FROZEN_H
#define SFS_FS_FROZEN_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Files whose text is made when their name is looked up and stays as it is:
 * each lookup makes a new node, so that size and content agree for whoever
 * opens it. A node lives until the kernel forgets it. So are the symbolic links
 * that somebody else may change: tags, receipts, bases.
 */
struct sfs_frozen;

struct sfs_frozen_info {
	uint64_t size;
	uint64_t ino;
	int command;  /* the control file's position, or -1 */
	bool is_link; /* a symbolic link, and the text is its target */
};

struct sfs_frozen *sfs_frozen_new(void) SFS_NODISCARD; /* NULL: no memory */
void sfs_frozen_free(struct sfs_frozen *f);

/*
 * Makes a node with one reference; takes text (of sfs_malloc()) over, also
 * when it fails. False: out of memory.
 */
bool sfs_frozen_add(struct sfs_frozen *f, char *text,
                    const struct sfs_frozen_info *info,
                    uint64_t *number_out) SFS_NODISCARD;

void sfs_frozen_forget(struct sfs_frozen *f, uint64_t number, uint64_t count);

/* False: no such node. */
bool sfs_frozen_info(struct sfs_frozen *f, uint64_t number,
                     struct sfs_frozen_info *out) SFS_NODISCARD;

/* Copies a part of the text; false: no such node. */
bool sfs_frozen_read(struct sfs_frozen *f, uint64_t number, uint64_t offset,
                     void *buf, size_t len, size_t *got) SFS_NODISCARD;

#endif
