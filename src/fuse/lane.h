/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FUSE_LANE_H
#define SFS_FUSE_LANE_H

#include "fs/staging.h"
#include "fuse/internal.h"

/*
 * Requests that may take long run in threads of their own, so that those
 * which serve requests stay free: all the rest goes on while a build is
 * published. Threads begin when they are needed and end with the session.
 * A job heeds INTERRUPT through the cancel of its call.
 */
struct sfs_lane;

/* One request. Strings are owned by the lane once it is submitted. */
struct sfs_lane_job {
	struct sfs_lane_job *next;
	enum sfs_rc (*work)(struct sfs_lane_job *job,
	                    const struct sfs_call *call, struct sfs_err *err);
	/* Replies, exactly once, whatever work returned. */
	void (*reply)(struct sfs_lane_job *job, enum sfs_rc rc,
	              const struct sfs_err *err);
	struct sfs_session *s;
	fuse_req_t req;
	int64_t deadline_ms; /* 0: none */

	/* what the request says; each kind uses its part */
	uint64_t node;
	uint64_t new_node;
	const char *name;
	const char *new_name; /* of a link: its target */
	unsigned flags;
	struct sfs_handle *file;
	pid_t pid;
	struct sfs_entry entry; /* the answer, where it is a name */
};

enum { SFS_LANE_THREADS = 64 };

struct sfs_lane *sfs_lane_new(void) SFS_NODISCARD; /* NULL: no memory */

/* Cancels what is under way, and waits for it. NULL is fine. */
void sfs_lane_free(struct sfs_lane *lane);

/*
 * Copies job and both names, which may be NULL. False: no memory, or no
 * thread; then nothing was replied.
 */
bool sfs_lane_submit(struct sfs_lane *lane, const struct sfs_lane_job *job,
                     const char *name, const char *new_name) SFS_NODISCARD;

#endif
