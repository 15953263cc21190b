/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that cannot be written is told once and before the work: found out
 * by the shards, it would be called the fault of one of them.
 */
#include "build/engine_internal.h"

#include "format/current.h"

#include <stdio.h>

enum sfs_rc sfs_engine_check_writable(struct sfs_engine *e, struct sfs_err *err)
{
	struct sfs_store *store = e->context.store;
	char keys[4][SFS_STORE_KEY_MAX];
	enum sfs_rc rc = SFS_OK;

	if (store->ops->may_write == NULL)
		return SFS_OK;
	(void)snprintf(keys[0], sizeof(keys[0]), "%s/x", e->context.run_prefix);
	(void)snprintf(keys[1], sizeof(keys[1]), "%s/x",
	               e->config.shard_prefix);
	(void)snprintf(keys[2], sizeof(keys[2]), SFS_MANIFESTS_PREFIX "x");
	(void)snprintf(keys[3], sizeof(keys[3]), SFS_CURRENT_KEY);
	for (int i = 0; rc == SFS_OK && i < 4; i++)
		rc = store->ops->may_write(store, keys[i], err);
	if (rc == SFS_E_AUTH || rc == SFS_E_READ_ONLY)
		sfs_engine_problem(e, "%s", err->msg);
	return rc;
}
