/* SPDX-License-Identifier: Apache-2.0 */
/* The pointer, in whatever catalog. */
#include "shardyfs/catalog.h"

#include "base/alloc.h"

enum { CONFIRM_TRIES = 1000 };

void sfs_pointer_release(struct sfs_pointer *p)
{
	sfs_free(p->current);
	sfs_free(p->bytes);
	*p = (struct sfs_pointer){ 0 };
}

/*
 * Whose pointer it is does not matter: a swap is made durable by the sync of
 * any later one.
 */
enum sfs_rc sfs_pointer_confirm(struct sfs_catalog *c,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_pointer now;
	enum sfs_rc rc;

	for (int i = 0; i < CONFIRM_TRIES; i++) {
		now = (struct sfs_pointer){ 0 };
		rc = c->ops->current(c, &now, call, err);
		if (rc != SFS_OK)
			return rc;
		rc = c->ops->confirm(c, &now, call, err);
		sfs_pointer_release(&now);
		if (rc != SFS_E_CONFLICT)
			return rc;
	}
	return sfs_err_set(err, SFS_E_BUSY,
	                   "_CURRENT is swapped again and again");
}
