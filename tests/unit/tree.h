/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_TREE_H
#define SFS_TESTS_TREE_H

#include "format/keys.h"
#include "unit/golden.h"
#include "unit/world.h"

/* The tree over a golden store, and what must be found in it. */
static struct world w;
static struct golden golden; /* rows that are there, then missing ones */
static size_t present;

static inline void begin(const char *store)
{
	world_begin_open(&w, store);
	golden_load(&golden, store, "expected");
	present = golden.count;
	golden_load(&golden, store, "missing");
}

static inline void end(void)
{
	golden_free(&golden);
	world_close_end(&w);
}

static inline enum sfs_key_encoding encoding(void)
{
	struct sfs_snapshot *s = sfs_tracker_current(w.tracker, NULL);
	enum sfs_key_encoding e = sfs_snapshot_manifest(s)->key_encoding;

	sfs_snapshot_unref(s);
	return e;
}

/* NULL: longer than a file name can be. */
static inline const char *name_of(const struct golden_row *row)
{
	static char name[SFS_FS_NAME_MAX + 1];
	size_t len;

	if (sfs_key_to_name(encoding(), row->key, name, sizeof(name), &len) !=
	    SFS_OK)
		return NULL;
	return name;
}

static inline const char *id_text(int nth)
{
	static char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id id = world_id(&w, nth);

	sfs_snapshot_id_text(&id, text);
	return text;
}

static inline struct sfs_attr attr_of(uint64_t node)
{
	struct sfs_attr attr = { 0 };
	enum sfs_ttl ttl;

	IS_INT(sfs_fs_getattr(w.fs, node, &attr, &ttl, NULL, &w.err), SFS_OK);
	return attr;
}

#endif
