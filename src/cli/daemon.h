/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CLI_DAEMON_H
#define SFS_CLI_DAEMON_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Going into the background honestly: the parent ends only when the child
 * says that the mount works, or why not, and with the child's exit status.
 * The child keeps stderr until then, so its messages are seen.
 */
struct sfs_daemon {
	bool foreground;
	int ready_fd;  /* to the parent; -1: none */
	int notify_fd; /* from the option; -1: none */
};

/* Exit statuses, the bits of mount(8). */
enum {
	SFS_EXIT_OK = 0,
	SFS_EXIT_USAGE = 1,
	SFS_EXIT_SYSTEM = 2,
	SFS_EXIT_INTERNAL = 4,
	SFS_EXIT_MOUNT = 32,
};

/*
 * Forks unless foreground. In the parent it does not return but exits with
 * what the child reports, or SFS_EXIT_MOUNT after wait_ms (0: no limit).
 */
enum sfs_rc sfs_daemon_begin(struct sfs_daemon *d, bool foreground,
                             int notify_fd, int64_t wait_ms,
                             struct sfs_err *err) SFS_NODISCARD;

/* The mount works: tells parent and notify_fd, lets go of the terminal. */
void sfs_daemon_ready(struct sfs_daemon *d);

/*
 * It does not: prints "shardyfs: CODE: message", tells notify_fd, and makes
 * the parent end with status. Returns status.
 */
int sfs_daemon_fail(struct sfs_daemon *d, const char *code,
                    const struct sfs_err *err, int status);

#endif
