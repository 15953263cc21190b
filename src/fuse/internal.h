/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FUSE_INTERNAL_H
#define SFS_FUSE_INTERNAL_H

#define FUSE_USE_VERSION 314

#include "fuse/session.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>

/* What the files of this room share; nobody else includes it. */

/* The last RENAME that was answered ESTALE: the kernel sends it once more. */
struct sfs_stale_rename {
	pthread_mutex_t lock;
	uint64_t wish;    /* hash of the request; 0: none; protected by lock */
	pid_t pid;        /* the same */
	int64_t until_ms; /* the same */
};

struct sfs_session {
	struct sfs_session_config config; /* immutable */
	struct fuse_session *se;          /* immutable after open */
	struct sfs_lane *lane;            /* the same */
	bool can_expire;                  /* set at INIT, before any request */
	atomic_bool is_greeted;           /* the reply to INIT went out */
	atomic_bool is_ready;
	struct sfs_stale_rename stale;
};

extern const struct fuse_lowlevel_ops sfs_fuse_ops;

/* The one mapping of codes to errno. */
int sfs_rc_errno(enum sfs_rc rc);

/* The same where CORRUPT means records that a user wrote: EBADMSG. */
int sfs_rc_build_errno(enum sfs_rc rc);

#endif
