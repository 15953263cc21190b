/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_TOKENS_H
#define SFS_FORMAT_TOKENS_H

#include "format/sharding.h"

/*
 * The index of a token among a sharding's routing values, in constant time.
 * 3 and 3u are one token, "a" and b"a" are two. Immutable once made.
 */
struct sfs_token_index;

/* The sharding must outlive it. */
enum sfs_rc sfs_token_index_new(const struct sfs_sharding *sharding,
                                struct sfs_token_index **out,
                                struct sfs_err *err) SFS_NODISCARD;
void sfs_token_index_free(struct sfs_token_index *t); /* NULL is fine */

/* False: it is none of them. */
bool sfs_token_index_find(const struct sfs_token_index *t,
                          const struct sfs_cel_value *token, uint32_t *db_id);

#endif
