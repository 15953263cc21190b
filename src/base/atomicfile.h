/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_ATOMICFILE_H
#define SFS_BASE_ATOMICFILE_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Whole-file replacement that survives a crash: a temporary file of a unique
 * name beside the target, written, fsynced, renamed over it, and the
 * directory fsynced. The one place that does this.
 *
 *   begin -> write* -> commit | rename | abort
 *   link           -> commit | rename | abort
 *
 * After commit returned SFS_OK name and bytes are durable; at every other
 * moment a crash leaves the old file, and at most a temporary file whose name
 * begins with ".tmp-".
 */
#define SFS_ATOMICFILE_TMP ".tmp-"

struct sfs_atomicfile {
	int dir_fd; /* borrowed */
	int fd;     /* -1: not begun */
	char tmp[64];
};

#define SFS_ATOMICFILE_INIT \
	{                   \
		-1, -1, ""  \
	}

/*
 * Creates the temporary file in the directory dir_fd (open for reading),
 * mode 0666 & ~umask. f->fd is open for writing.
 */
enum sfs_rc sfs_atomicfile_begin(struct sfs_atomicfile *f, int dir_fd,
                                 struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_atomicfile_write(struct sfs_atomicfile *f, const void *data,
                                 size_t len, struct sfs_err *err) SFS_NODISCARD;

/*
 * Instead of begin: the temporary file is a hard link to the regular file
 * name in from_dir_fd, and f->fd is open for reading only. UNSUPPORTED where
 * the two cannot be linked; CORRUPT: not a regular file.
 */
enum sfs_rc sfs_atomicfile_link(struct sfs_atomicfile *f, int dir_fd,
                                int from_dir_fd, const char *name,
                                struct sfs_err *err) SFS_NODISCARD;

/*
 * Makes it durable as name. With exclusive an existing name is EXISTS. On
 * failure the temporary file is gone.
 */
enum sfs_rc sfs_atomicfile_commit(struct sfs_atomicfile *f, const char *name,
                                  bool exclusive,
                                  struct sfs_err *err) SFS_NODISCARD;

/*
 * The same, but durable only once the caller has synced *fd_out, which it
 * owns then, and the directory; for those who make many files durable at
 * once.
 */
enum sfs_rc sfs_atomicfile_rename(struct sfs_atomicfile *f, const char *name,
                                  int *fd_out,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_atomicfile_abort(struct sfs_atomicfile *f); /* ended: no effect */

/* Makes the names in a directory (open for reading) durable. */
enum sfs_rc sfs_dir_sync(int dir_fd, struct sfs_err *err) SFS_NODISCARD;

#endif
