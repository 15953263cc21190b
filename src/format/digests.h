/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_DIGESTS_H
#define SFS_FORMAT_DIGESTS_H

#include "format/manifest.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What a manifest says of its shards under custom.shardyfs.digests, where
 * shardyfs wrote it: "sha256:HEX" of each shard's object.
 */
struct sfs_digests {
	const char **of; /* num_dbs of them, by db_id; NULL: none */
	struct sfs_arena *texts;
	bool is_ours; /* shardyfs wrote the manifest */
};

/* CORRUPT: custom is no JSON. */
enum sfs_rc sfs_digests_read(const struct sfs_manifest *m,
                             struct sfs_digests *out,
                             struct sfs_err *err) SFS_NODISCARD;
void sfs_digests_release(struct sfs_digests *d); /* all zero is fine */

#endif
