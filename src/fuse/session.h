/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FUSE_SESSION_H
#define SFS_FUSE_SESSION_H

#include "fs/fs.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * One FUSE connection: decodes requests, calls the file system, replies
 * exactly once to each. The mount is made by open and goes with close.
 */
struct sfs_session;

/* Called once, from a worker, when the kernel has greeted: it works now. */
typedef void sfs_session_ready_fn(void *arg);

struct sfs_session_config {
	struct sfs_fs *fs;      /* borrowed, outlives the session */
	const char *mountpoint; /* absolute; borrowed, outlives it */
	const char *fsname;
	const char *kernel_opts; /* "nosuid,noexec" or "" */
	bool read_only;
	bool allow_other;
	bool auto_unmount;
	unsigned threads;
	int64_t op_timeout_ms; /* 0: none */
	sfs_session_ready_fn *ready;
	void *arg;
};

/* Mounts. AUTH, BUSY and IO say what to do about it. */
enum sfs_rc sfs_session_open(const struct sfs_session_config *config,
                             struct sfs_session **out,
                             struct sfs_err *err) SFS_NODISCARD;

/* Serves until the mount is gone. Blocks. */
enum sfs_rc sfs_session_run(struct sfs_session *s,
                            struct sfs_err *err) SFS_NODISCARD;

/*
 * Makes the kernel ask again for the names of the root that a switch
 * changes. Not from inside a request: it may wait for one.
 */
void sfs_session_notify_switch(struct sfs_session *s);

/*
 * Takes the mount away: plainly, or lazily when it is busy (open files then
 * go on and run ends after the last). BUSY: it is, and lazy was false. From
 * any thread.
 */
enum sfs_rc sfs_session_unmount(struct sfs_session *s, bool lazy,
                                struct sfs_err *err) SFS_NODISCARD;

/* The same for any mount, by absolute path; root, or through fusermount3. */
enum sfs_rc sfs_session_unmount_path(const char *mountpoint, bool lazy,
                                     struct sfs_err *err) SFS_NODISCARD;

void sfs_session_close(struct sfs_session *s);

/* The version of libfuse in use, "3.14.0". */
const char *sfs_session_libfuse_version(void);

#endif
