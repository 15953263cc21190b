/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_SHARDING_H
#define SFS_FORMAT_SHARDING_H

#include "base/buf.h"
#include "cel/cel.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a snapshot is sharded: the member "sharding" of a manifest, taken
 * apart. With CEL an expression over columns yields a token; without
 * routing_values the token is an integer and the shard itself (direct), with
 * them the shard is the token's index among them (categorical).
 */
enum sfs_strategy {
	SFS_STRATEGY_INVALID = 0,
	SFS_STRATEGY_HASH,
	SFS_STRATEGY_CEL,
};

enum {
	SFS_COLUMNS_MAX = 32,
	SFS_COLUMN_NAME_BYTES = 128, /* with the NUL */
	SFS_TOKEN_MAX_BYTES = 64 << 10,
	SFS_TOKENS_MAX = 1 << 20, /* one a shard */
};

struct sfs_column {
	const char *name;
	enum sfs_cel_kind kind; /* INT UINT DOUBLE BOOL STRING BYTES */
};

struct sfs_sharding {
	enum sfs_strategy strategy;
	struct sfs_cel_text expr; /* NUL-terminated too */
	struct sfs_column *columns;
	size_t column_count;
	/* INT (or UINT above INT64_MAX), STRING or BYTES; all of one kind */
	struct sfs_cel_value *tokens;
	size_t token_count;
	bool has_tokens;
	struct sfs_arena *arena; /* what its texts live in */
};

/*
 * Reads the JSON text. CORRUPT, UNSUPPORTED: every rejection of the format,
 * with a message that names the member. Release it whatever was returned.
 */
enum sfs_rc sfs_sharding_parse(struct sfs_sharding *out, const char *text,
                               size_t len, uint32_t num_dbs,
                               struct sfs_err *err) SFS_NODISCARD;

/* The JSON text as shardyfusion writes it; what *s lacks is null. */
void sfs_sharding_print(const struct sfs_sharding *s, struct sfs_buf *out);
void sfs_sharding_release(struct sfs_sharding *s);

/*
 * To put one together: everything is copied. INVALID: a column or token that
 * may not be, or of a kind unlike the others; UNSUPPORTED: a limit. A token
 * above INT64_MAX is UINT, and INT below. Duplicate tokens are found by
 * check_tokens.
 */
enum sfs_rc sfs_sharding_init(struct sfs_sharding *s,
                              enum sfs_strategy strategy,
                              struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_sharding_set_expr(struct sfs_sharding *s, const char *text,
                                  size_t len,
                                  struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_sharding_add_column(struct sfs_sharding *s, const char *name,
                                    size_t len, enum sfs_cel_kind kind,
                                    struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_sharding_add_token(struct sfs_sharding *s,
                                   const struct sfs_cel_value *token,
                                   struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_sharding_check_tokens(const struct sfs_sharding *s,
                                      struct sfs_err *err) SFS_NODISCARD;

/* The index of a column; column_count: there is none of that name. */
size_t sfs_sharding_column(const struct sfs_sharding *s, const char *name,
                           size_t len);

/* The type of a column by its name, "int"; INVALID: none that may be. */
enum sfs_cel_kind sfs_column_kind_from_text(const char *text);
const char *sfs_column_kind_text(enum sfs_cel_kind kind);

/* The columns' indexes by the order of their names. */
void sfs_sharding_order(const struct sfs_sharding *s,
                        size_t order[SFS_COLUMNS_MAX]);

/* Orders tokens of one kind as Python's sorted() does. */
int sfs_token_compare(const struct sfs_cel_value *a,
                      const struct sfs_cel_value *b);

#endif
