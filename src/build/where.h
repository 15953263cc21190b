/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_WHERE_H
#define SFS_BUILD_WHERE_H

#include "build/build.h"
#include "build/where_name.h"
#include "format/sharding.h"

/*
 * The directories below where/ of a build. None of them exists on disk: they
 * are all the columns that config.yaml allows, and those of files that are
 * there although it does not.
 */

/* Keys are routed by columns, or there are files with columns. */
bool sfs_build_has_where(struct sfs_build *b);

struct sfs_build_where {
	/* of names in the folder: columns, each with BETWEEN; owned */
	char *prefix;
	bool has_keys;
	char missing[SFS_COLUMN_NAME_BYTES]; /* else: a column; may be "" */
};

/*
 * path: columns as they are spelled, "tier=2/region=eu"; "": where/ itself.
 * INVALID: there cannot be such a directory. Release it whatever was returned.
 */
enum sfs_rc sfs_build_where_enter(struct sfs_build *b, const char *path,
                                  struct sfs_build_where *out,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_build_where_release(struct sfs_build_where *w);

/* What is in a directory; in its keys/. It reads all names of files. */
enum sfs_rc sfs_build_where_list(struct sfs_build *b, const char *path,
                                 bool is_keys, struct sfs_build_names *out,
                                 struct sfs_err *err) SFS_NODISCARD;

/* INVALID: there are files below. */
enum sfs_rc sfs_build_where_check_empty(struct sfs_build *b, const char *path,
                                        bool is_keys,
                                        struct sfs_err *err) SFS_NODISCARD;

#endif
