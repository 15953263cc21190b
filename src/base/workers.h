/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_WORKERS_H
#define SFS_BASE_WORKERS_H

#include "shardyfs/err.h"

/*
 * A fixed number of threads that run jobs. A job is a struct of the caller's,
 * in no queue twice: submitting one that waits already has no effect, and one
 * that runs is run once more after it ended.
 */
struct sfs_workers;

struct sfs_job {
	void (*run)(struct sfs_job *job);
	struct sfs_job *next; /* protected by the workers' lock, as all below */
	unsigned char state;
};

enum sfs_rc sfs_workers_new(unsigned threads, struct sfs_workers **out,
                            struct sfs_err *err) SFS_NODISCARD;
/* No job is submitted any more; waits for those that are. NULL is fine. */
void sfs_workers_free(struct sfs_workers *w);

void sfs_workers_submit(struct sfs_workers *w, struct sfs_job *job);

/* Returns once the job neither waits nor runs; not from within a job. */
void sfs_workers_drain(struct sfs_workers *w, struct sfs_job *job);

#endif
