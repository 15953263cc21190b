/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_STORE_FAULT_H
#define SFS_STORE_FAULT_H

#include "shardyfs/store.h"

/*
 * A store that fails on purpose, around any other store; for tests. It
 * counts every call (reads of open objects too). fail_at: the call with that
 * number, from 1, fails with rc; once, or that one and all after it.
 * delay_ms: each call of kind op_mask takes so long first (and heeds the
 * call's deadline and cancel).
 */
enum sfs_store_op {
	SFS_STORE_OPEN = 1 << 0,
	SFS_STORE_READ = 1 << 1,
	SFS_STORE_PUT = 1 << 2, /* put, put_if, put_file, copy */
	SFS_STORE_LIST = 1 << 3,
	SFS_STORE_DELETE = 1 << 4,
	SFS_STORE_WATCH = 1 << 5,
	SFS_STORE_BARRIER = 1 << 6,
	SFS_STORE_CREATE = 1 << 7,
	SFS_STORE_WRITE = 1 << 8,  /* of an upload */
	SFS_STORE_COMMIT = 1 << 9, /* of an upload */
	SFS_STORE_PIN = 1 << 10,
	SFS_STORE_ALL = (1 << 11) - 1,
};

struct sfs_fault_plan {
	unsigned op_mask; /* which calls are counted and hit */
	uint64_t fail_at; /* 0: never */
	bool always;      /* from fail_at on, not once */
	enum sfs_rc rc;
	unsigned delay_ms;
};

/* Takes ownership of inner; closing the wrapper closes it. */
enum sfs_rc sfs_store_fault_wrap(struct sfs_store *inner,
                                 struct sfs_store **out,
                                 struct sfs_err *err) SFS_NODISCARD;
void sfs_store_fault_set(struct sfs_store *s,
                         const struct sfs_fault_plan *plan);

/* How many faults were injected since the last set. */
uint64_t sfs_store_fault_count(struct sfs_store *s);

/* Objects, uploads and pins that are open now: 0 when nothing leaks. */
uint64_t sfs_store_fault_open_objects(struct sfs_store *s);

#endif
