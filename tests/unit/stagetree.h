/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_STAGETREE_H
#define SFS_TESTS_STAGETREE_H

/* The tree over a store with a staging area, and files made in it. */
#include "build/area.h"
#include "fs/staged.h"
#include "fs/staging.h"
#include "unit/tree.h"

#include <linux/fs.h>

static struct sfs_area *area;
static char area_dir[320];
static uint64_t staging;
static uint64_t publish;

static inline void begin_area(const char *golden_name)
{
	struct sfs_area_config c = { 0 };

	world_begin(&w, golden_name);
	w.fs_config.listing = true;
	w.tracker_config.may_be_empty = true;
	IS_INT(world_open(&w), SFS_OK);
	world_close(&w);
	(void)snprintf(area_dir, sizeof(area_dir), "%s/area", w.dir);
	IS_INT(world_open_source(&w), SFS_OK);
	c.dir = area_dir;
	c.store = w.store;
	c.catalog = w.source.catalog;
	c.run_prefix = "runs";
	c.build_memory = 32 << 20;
	c.threads = 1;
	c.value_max = 1 << 20;
	c.lock_ms = 1000;
	c.num_dbs = 2;
	c.key_encoding = SFS_KEY_U64BE;
	IS_INT(sfs_area_open(&c, &area, &w.err), SFS_OK);
	w.tracker_config.source = w.source;
	w.tracker_config.switched = world_switched;
	w.tracker_config.arg = &w;
	IS_INT(sfs_tracker_open(&w.tracker_config, &w.tracker, &w.err), SFS_OK);
	IS_INT(sfs_tracker_start(w.tracker, &w.err), SFS_OK);
	w.fs_config.source = w.source;
	w.fs_config.tracker = w.tracker;
	w.fs_config.area = area;
	w.fs_config.area_dir = area_dir;
	IS_INT(sfs_fs_new(&w.fs_config, &w.fs, &w.err), SFS_OK);
	staging = world_resolve(&w, "staging");
	publish = world_resolve(&w, "publish");
	OK(staging != 0 && publish != 0);
}

static inline void end_area(void)
{
	sfs_tracker_stop(w.tracker);
	sfs_fs_free(w.fs);
	w.fs = NULL;
	sfs_area_close(area);
	area = NULL;
	world_close_end(&w);
}

static inline uint64_t make_build(const char *name)
{
	struct sfs_entry entry;

	IS_INT(sfs_fs_mkdir(w.fs, staging, name, &entry, NULL, &w.err), SFS_OK);
	IS_INT(entry.entry_ttl, SFS_TTL_NONE);
	return entry.node;
}

/* A new file of that text; a reference to its node, and its handle. */
static inline uint64_t make_open(uint64_t dir, const char *name,
                                 const char *text, struct sfs_handle **file)
{
	struct sfs_creation wish = { dir, name, O_RDWR, 0644 };
	struct sfs_writing writing = { 0, false, text, strlen(text) };
	struct sfs_open_info info = { 0 };
	struct sfs_entry entry;

	IS_INT(sfs_fs_create(w.fs, &wish, &entry, &info, &w.err), SFS_OK);
	IS_INT(sfs_fs_file_write(w.fs, info.file, &writing, NULL, &w.err),
	       SFS_OK);
	*file = info.file;
	return entry.node;
}

static inline uint64_t make_file(uint64_t dir, const char *name,
                                 const char *text)
{
	struct sfs_handle *file;
	uint64_t node = make_open(dir, name, text, &file);

	sfs_fs_release(w.fs, file);
	return node;
}

static inline const char *read_handle(struct sfs_handle *file)
{
	static char text[256];
	size_t got = 0;

	IS_INT(sfs_fs_file_read(w.fs, file, 0, text, sizeof(text) - 1, &got,
	                        NULL, &w.err),
	       SFS_OK);
	text[got] = '\0';
	return text;
}

static inline const char *read_node(uint64_t node)
{
	struct sfs_open_info info = { 0 };
	const char *text;

	if (sfs_fs_open(w.fs, node, O_RDONLY, &info, NULL, &w.err) != SFS_OK)
		return sfs_rc_name(w.err.rc);
	text = read_handle(info.file);
	sfs_fs_release(w.fs, info.file);
	return text;
}

static inline enum sfs_rc rename_to(uint64_t parent, const char *name,
                                    uint64_t new_parent, const char *new_name,
                                    unsigned flags)
{
	struct sfs_renaming wish = { parent, name, new_parent, new_name,
		                     flags };

	return sfs_fs_rename(w.fs, &wish, NULL, &w.err);
}

#endif
