/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_STORE_TAG_H
#define SFS_STORE_TAG_H

#include "shardyfs/store.h"

/* sfs_tag_hash() of bytes that come piece by piece. */
struct sfs_tag_hasher {
	void *state; /* NULL: not initialised */
};

enum sfs_rc sfs_tag_hasher_init(struct sfs_tag_hasher *h,
                                struct sfs_err *err) SFS_NODISCARD;
void sfs_tag_hasher_release(struct sfs_tag_hasher *h);
void sfs_tag_hasher_add(struct sfs_tag_hasher *h, const void *data, size_t len);
void sfs_tag_hasher_tag(const struct sfs_tag_hasher *h, struct sfs_tag *out);

#endif
