/* SPDX-License-Identifier: Apache-2.0 */
/* From a key to its shard, by hash. The hash is inlined for short keys. */
#include "format/router.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint8_t NOTHING[1];

enum sfs_rc sfs_router_init(struct sfs_router *r,
                            const struct sfs_manifest *manifest,
                            struct sfs_err *err)
{
	r->encoding = manifest->key_encoding;
	r->num_dbs = manifest->num_dbs;
	switch (manifest->strategy) {
	case SFS_STRATEGY_HASH:
		return SFS_OK;
	case SFS_STRATEGY_CEL:
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "run %s routes by CEL expression, which "
		                   "this build cannot evaluate",
		                   manifest->run_id);
	case SFS_STRATEGY_INVALID:
		break;
	}
	return sfs_err_set(err, SFS_E_INVALID,
	                   "run %s has no sharding strategy", manifest->run_id);
}

uint32_t sfs_router_route(const struct sfs_router *r, struct sfs_bytes key)
{
	uint8_t buf[8];
	struct sfs_bytes hashed = sfs_key_canonical(r->encoding, key, buf);

	/* xxHash must not get NULL, which an empty key may be. */
	if (hashed.len == 0)
		hashed.data = NOTHING;
	return (uint32_t)(XXH3_64bits(hashed.data, hashed.len) % r->num_dbs);
}
