/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_ROUTER_H
#define SFS_FORMAT_ROUTER_H

#include "format/keys.h"
#include "format/manifest.h"
#include "shardyfs/err.h"

#include <stdint.h>

/*
 * Which shard holds a key: XXH3_64(canonical bytes, seed 0) mod num_dbs.
 * Immutable once made, so any thread may use it.
 */
struct sfs_router {
	enum sfs_key_encoding encoding;
	uint32_t num_dbs;
};

/* UNSUPPORTED, naming the strategy, for what this build cannot route. */
enum sfs_rc sfs_router_init(struct sfs_router *r,
                            const struct sfs_manifest *manifest,
                            struct sfs_err *err) SFS_NODISCARD;

/* key: lookup bytes, valid for the encoding. Answers in [0, num_dbs). */
uint32_t sfs_router_route(const struct sfs_router *r, struct sfs_bytes key);

#endif
