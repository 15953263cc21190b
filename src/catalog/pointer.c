/* SPDX-License-Identifier: Apache-2.0 */
/* The pointer as every catalog hands it out. */
#include "shardyfs/catalog.h"

#include "base/alloc.h"

void sfs_pointer_release(struct sfs_pointer *p)
{
	sfs_free(p->current);
	sfs_free(p->bytes);
	*p = (struct sfs_pointer){ 0 };
}
