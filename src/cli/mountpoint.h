/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CLI_MOUNTPOINT_H
#define SFS_CLI_MOUNTPOINT_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What /proc/self/mountinfo says of one mount. */
struct sfs_mount {
	char path[4096];
	char type[64]; /* "fuse.shardyfs" */
	char source[4096];
	uint32_t device_minor; /* names it under /sys/fs/fuse/connections */
};

/*
 * The topmost mount at exactly that absolute path, by reading mountinfo: it
 * never touches the mount, which may hang. NOT_FOUND.
 */
enum sfs_rc sfs_mount_find(const char *path, struct sfs_mount *out,
                           struct sfs_err *err) SFS_NODISCARD;

/*
 * The mount point's absolute path, sfs_free() it, after checking that it can
 * be mounted on: a directory, empty unless nonempty, apart from the store.
 * A dead mount of ours that lies there is detached first if recover is set.
 * NOT_FOUND, NOT_DIR, BUSY, INVALID (overlap), AUTH, STALE (dead, and recover
 * is off).
 */
enum sfs_rc sfs_mountpoint_prepare(const char *given, const char *store_dir,
                                   bool nonempty, bool recover, char **path_out,
                                   struct sfs_err *err) SFS_NODISCARD;

#endif
