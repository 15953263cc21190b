/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FUSE_INTERNAL_H
#define SFS_FUSE_INTERNAL_H

#define FUSE_USE_VERSION 314

#include "fuse/session.h"

#include <fuse_lowlevel.h>
#include <stdatomic.h>

/* What the files of this room share; nobody else includes it. */

struct sfs_session {
	struct sfs_session_config config; /* immutable */
	struct fuse_session *se;          /* immutable after open */
	bool can_expire;                  /* set at INIT, before any request */
	atomic_bool is_greeted;           /* the reply to INIT went out */
	atomic_bool is_ready;
};

extern const struct fuse_lowlevel_ops sfs_fuse_ops;

/* The one mapping of codes to errno. */
int sfs_rc_errno(enum sfs_rc rc);

#endif
