/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_CURSORS_H
#define SFS_FS_CURSORS_H

#include "shardyfs/err.h"
#include "fs/rows.h"

#include <stdint.h>

/*
 * Cursors of listings under way. A listing is found again by its directory
 * and the cookie where it stopped, not by a handle, so that it works without
 * OPENDIR and after a rewind; the few most recent ones are kept. A miss costs
 * a walk over the pages before, never a wrong answer.
 */
struct sfs_cursors;

struct sfs_cursors *sfs_cursors_new(void) SFS_NODISCARD; /* NULL: no memory */
void sfs_cursors_free(struct sfs_cursors *c);

/* A place in a listing. Node ids may be reused, hence the snapshot. */
struct sfs_listing_place {
	const struct sfs_snapshot *snapshot;
	uint64_t node;
	uint64_t cookie;
};

/* Takes the cursor that stopped there out; NULL: there is none. */
struct sfs_rows *sfs_cursors_take(struct sfs_cursors *c,
                                  const struct sfs_listing_place *at);

/* Keeps a cursor (of that snapshot); takes it over. */
void sfs_cursors_keep(struct sfs_cursors *c, const struct sfs_listing_place *at,
                      struct sfs_rows *cursor);

/* Closes all: they pin snapshots. */
void sfs_cursors_clear(struct sfs_cursors *c);

#endif
