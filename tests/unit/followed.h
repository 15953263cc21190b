/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_FOLLOWED_H
#define SFS_TESTS_FOLLOWED_H

#include "unit/world.h"

/* A tracker over the golden store of four publications. */
static const char URL[] = "s3://golden/history";
static struct world w;
static struct sfs_snapshot_id ids[4]; /* of the store, newest first */

static inline void begin(void)
{
	world_begin(&w, "history");
	IS_INT(world_open_source(&w), SFS_OK);
	for (int i = 0; i < 4; i++)
		ids[i] = world_id(&w, i);
	world_close(&w);
}

static inline void end(void)
{
	world_close_end(&w);
}

static inline struct sfs_tracker_status status(void)
{
	struct sfs_tracker_status s;

	sfs_tracker_get_status(w.tracker, &s);
	return s;
}

/* Run id of what is shown; "" if nothing. */
static inline const char *shown(void)
{
	static char run_id[SFS_RUN_ID_BYTES];
	struct sfs_snapshot *s = sfs_tracker_current(w.tracker, NULL);

	(void)snprintf(run_id, sizeof(run_id), "%s",
	               s != NULL ? sfs_snapshot_id_of(s)->run_id : "");
	sfs_snapshot_unref(s);
	return run_id;
}

static inline void start(void)
{
	IS_INT(sfs_tracker_start(w.tracker, &w.err), SFS_OK);
}

#endif
