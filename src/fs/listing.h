/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_LISTING_H
#define SFS_FS_LISTING_H

#include "fs/internal.h"

#include <sys/stat.h>

/* What the files about listing share; nobody outside this room includes it. */

/* Cookies 1 and 2 are behind "." and "..". */
enum { SFS_FIRST_COOKIE = 2 };

/* One listing under way. */
struct sfs_listing {
	struct sfs_fs *fs;
	const struct sfs_readdir *request;
	const struct sfs_call *call;
	struct sfs_err *err;
	uint64_t cookie; /* of the first entry that is wanted */
	bool is_full;
	bool gave; /* at least one entry */
};

/* "." and ".." */
void sfs_listing_dots(struct sfs_listing *l);

/*
 * The entry of that number, counting without the dots. With attributes it is
 * looked up like any other name.
 */
struct sfs_listed {
	const char *name;
	mode_t type;
	uint64_t ino;
};
void sfs_listing_child(struct sfs_listing *l, const struct sfs_listed *child,
                       uint64_t number);

/* The dots and the children, counted from 0. */
void sfs_listing_children(struct sfs_listing *l,
                          const struct sfs_listed *children, size_t count);

/* list_keys.c: keys of the shards [first, end); NO_SHARD: of all, merged. */
enum sfs_rc sfs_listing_keys(struct sfs_listing *l, struct sfs_view *view,
                             uint32_t first, uint32_t end) SFS_NODISCARD;

/* list_view.c: directories in a snapshot, and below where/. */
enum sfs_rc sfs_listing_snapshot(struct sfs_listing *l,
                                 uint64_t number) SFS_NODISCARD;
enum sfs_rc sfs_listing_view(struct sfs_listing *l,
                             const struct sfs_node *dir) SFS_NODISCARD;
enum sfs_rc sfs_listing_where(struct sfs_listing *l,
                              uint64_t number) SFS_NODISCARD;

/* UNSUPPORTED, with what to do instead. */
enum sfs_rc sfs_listing_refuse_where(struct sfs_err *err);

/* The inode of something at snapshot level, known without opening it. */
uint64_t sfs_listing_ino(const char *text_id, enum sfs_node_view view,
                         enum sfs_node_what what);

#endif
