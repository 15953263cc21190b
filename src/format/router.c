/* SPDX-License-Identifier: Apache-2.0 */
/* From a key to its shard, by hash. The hash is inlined for short keys. */
#include "format/router.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint8_t NOTHING[1];

void sfs_router_init_hash(struct sfs_router *r, enum sfs_key_encoding encoding,
                          uint32_t num_dbs)
{
	*r = (struct sfs_router){ .encoding = encoding, .num_dbs = num_dbs };
}

enum sfs_rc sfs_router_init(struct sfs_router *r,
                            const struct sfs_sharding *sharding,
                            enum sfs_key_encoding encoding, uint32_t num_dbs,
                            struct sfs_err *err)
{
	sfs_router_init_hash(r, encoding, num_dbs);
	switch (sharding->strategy) {
	case SFS_STRATEGY_HASH:
		return SFS_OK;
	case SFS_STRATEGY_CEL:
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "it routes by CEL expression, which this "
		                   "build cannot evaluate");
	case SFS_STRATEGY_INVALID:
		break;
	}
	return sfs_err_set(err, SFS_E_INVALID, "no sharding strategy");
}

void sfs_router_release(struct sfs_router *r)
{
	*r = (struct sfs_router){ .encoding = SFS_KEY_INVALID };
}

uint32_t sfs_router_hash(const struct sfs_router *r, struct sfs_bytes key)
{
	uint8_t buf[8];
	struct sfs_bytes hashed = sfs_key_canonical(r->encoding, key, buf);

	/* xxHash must not get NULL, which an empty key may be. */
	if (hashed.len == 0)
		hashed.data = NOTHING;
	return (uint32_t)(XXH3_64bits(hashed.data, hashed.len) % r->num_dbs);
}

enum sfs_rc sfs_router_route(const struct sfs_router *r, struct sfs_bytes key,
                             const struct sfs_columns *columns,
                             struct sfs_route *out, struct sfs_err *err)
{
	(void)columns; /* a hash needs none, and does not fail */
	(void)err;
	*out = (struct sfs_route){ .is_known = true,
		                   .db_id = sfs_router_hash(r, key) };
	return SFS_OK;
}
