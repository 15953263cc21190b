/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_RANGES_H
#define SFS_FORMAT_RANGES_H

#include "format/keys.h"
#include "format/sharding.h"
#include "shardyfs/adapter.h"

/*
 * Sharding by ranges of the key: shard i holds the keys from bound i - 1 to
 * below bound i, so that shards follow each other in key order. It is
 * recorded as a balanced tree of ?: over "key" (FORMAT.md, "Keys and
 * routing"), which shardyfusion reads: n bounds, n + 1 shards, direct.
 *
 * bounds: lookup bytes, ascending strictly; INVALID where they do not, where
 * there is none, or more than a snapshot may have shards. Release it.
 */
enum sfs_rc sfs_ranges_sharding(enum sfs_key_encoding encoding,
                                const struct sfs_bytes *bounds, size_t count,
                                struct sfs_sharding *out,
                                struct sfs_err *err) SFS_NODISCARD;

#endif
