/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of a merge: for each record the number of its source and whether
 * it is kept, in two bytes. What does not fit the buffer goes to a scratch
 * file; an order that fits never touches one.
 */
#include "build/runs_merge.h"

#include <unistd.h>

void sfs_run_order_init(struct sfs_run_order *o, struct sfs_runs *r, void *buf,
                        size_t bytes)
{
	*o = (struct sfs_run_order){
		.runs = r, .buf = buf, .cap = bytes / sizeof(*o->buf), .fd = -1
	};
}

void sfs_run_order_release(struct sfs_run_order *o)
{
	if (o->fd >= 0)
		(void)close(o->fd);
	o->fd = -1;
}

void sfs_run_order_reset(struct sfs_run_order *o)
{
	o->len = 0;
	o->at = 0;
	o->count = 0;
	o->taken = 0;
	o->stored = 0;
}

enum sfs_rc sfs_run_order_flush(struct sfs_run_order *o, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	if (o->fd < 0)
		rc = sfs_run_scratch_open(o->runs, &o->fd, err);
	if (rc == SFS_OK)
		rc = sfs_run_write_at(o->fd, o->buf, o->len * sizeof(*o->buf),
		                      o->stored * sizeof(*o->buf), err);
	if (rc != SFS_OK)
		return rc;
	o->stored += o->len;
	o->len = 0;
	return SFS_OK;
}

enum sfs_rc sfs_run_order_rewind(struct sfs_run_order *o, struct sfs_err *err)
{
	o->taken = 0;
	o->at = 0;
	if (o->stored == 0)
		return SFS_OK;
	if (o->stored < o->count) {
		enum sfs_rc rc = sfs_run_order_flush(o, err);

		if (rc != SFS_OK)
			return rc;
	}
	o->len = 0;
	return SFS_OK;
}

enum sfs_rc sfs_run_order_refill(struct sfs_run_order *o, struct sfs_err *err)
{
	uint64_t left = o->count - o->taken;
	enum sfs_rc rc;

	o->len = left < o->cap ? (size_t)left : o->cap;
	o->at = 0;
	rc = sfs_run_read_at(o->fd, o->buf, o->len * sizeof(*o->buf),
	                     o->taken * sizeof(*o->buf), err);
	if (rc != SFS_OK)
		o->len = 0;
	return rc;
}
