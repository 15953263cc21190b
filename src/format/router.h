/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_ROUTER_H
#define SFS_FORMAT_ROUTER_H

#include "base/buf.h"
#include "format/columns.h"
#include "format/keys.h"
#include "format/sharding.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Which shard holds a key. Hash: XXH3_64(canonical bytes, seed 0) mod
 * num_dbs. CEL: the expression's value over the columns. Immutable once made,
 * so any thread may use it.
 */
struct sfs_router {
	enum sfs_key_encoding encoding;
	uint32_t num_dbs;
	const struct sfs_sharding *sharding; /* borrowed; NULL: hash */
	struct sfs_cel_program *program;     /* NULL: hash */
	struct sfs_token_index *tokens;      /* NULL: direct */
	size_t key_column;  /* index of "key"; column_count: there is none */
	bool needs_columns; /* the expression uses others than the key */
};

/* Routes by hash: no memory, nothing to release. */
void sfs_router_init_hash(struct sfs_router *r, enum sfs_key_encoding encoding,
                          uint32_t num_dbs);

/*
 * Routes as the sharding says, which must outlive it. num_dbs may be 0 for
 * sfs_router_token() alone. INVALID: the expression, or types that do not
 * fit: it yields neither int, uint, string nor bytes; strings without
 * routing values; a "key" column that the encoding cannot fill.
 */
enum sfs_rc sfs_router_init(struct sfs_router *r,
                            const struct sfs_sharding *sharding,
                            enum sfs_key_encoding encoding, uint32_t num_dbs,
                            struct sfs_err *err) SFS_NODISCARD;
void sfs_router_release(struct sfs_router *r);

/* The shard of a key where it is routed by hash: this cannot fail. */
uint32_t sfs_router_hash(const struct sfs_router *r, struct sfs_bytes key);

/*
 * True if columns (NULL: none) has all that the expression uses. missing: the
 * first that it lacks; may be NULL.
 */
bool sfs_router_can_route(const struct sfs_router *r,
                          const struct sfs_columns *columns,
                          const char **missing);

struct sfs_route {
	bool is_known; /* false: UnknownRoutingToken, no shard can hold it */
	uint32_t db_id;
	/* With CEL; borrowed until this thread routes again. */
	struct sfs_cel_value token;
};

/*
 * key: lookup bytes, valid for the encoding; columns: NULL where only the key
 * counts. INVALID: the evaluation failed, a column is missing, or a direct
 * shard ID is outside [0, num_dbs).
 */
enum sfs_rc sfs_router_route(const struct sfs_router *r, struct sfs_bytes key,
                             const struct sfs_columns *columns,
                             struct sfs_route *out,
                             struct sfs_err *err) SFS_NODISCARD;

/* The value of the expression alone: INT, UINT, STRING or BYTES. */
enum sfs_rc sfs_router_token(const struct sfs_router *r, struct sfs_bytes key,
                             const struct sfs_columns *columns,
                             struct sfs_cel_value *out,
                             struct sfs_err *err) SFS_NODISCARD;

/*
 * Sets *err to "UnknownRoutingToken: ..." for a route that is not known, and
 * returns INVALID.
 */
enum sfs_rc sfs_route_refuse(const struct sfs_router *r,
                             const struct sfs_route *route,
                             struct sfs_err *err);

#endif
