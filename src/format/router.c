/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a key to its shard: by hash, which is inlined for short keys, or by
 * the value of an expression. What upstream takes and should not is refused:
 * text in direct mode, a shard ID that is negative or too large, an error
 * that passes for a routing value.
 */
#include "format/router.h"

#include "base/alloc.h"
#include "format/tokens.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint8_t NOTHING[1];
static const char KEY[] = "key";

void sfs_router_init_hash(struct sfs_router *r, enum sfs_key_encoding encoding,
                          uint32_t num_dbs)
{
	*r = (struct sfs_router){ .encoding = encoding, .num_dbs = num_dbs };
}

void sfs_router_release(struct sfs_router *r)
{
	sfs_cel_program_free(r->program);
	sfs_token_index_free(r->tokens);
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

static bool is_integer(enum sfs_cel_kind kind)
{
	return kind == SFS_CEL_INT || kind == SFS_CEL_UINT;
}

static bool is_text(enum sfs_cel_kind kind)
{
	return kind == SFS_CEL_STRING || kind == SFS_CEL_BYTES;
}

/* Whether keys of that encoding are values of that kind. */
static bool can_bind(enum sfs_key_encoding encoding, enum sfs_cel_kind kind)
{
	switch (encoding) {
	case SFS_KEY_U64BE:
	case SFS_KEY_U32BE:
		return is_integer(kind);
	case SFS_KEY_UTF8:
		return is_text(kind);
	case SFS_KEY_RAW:
		return kind == SFS_CEL_BYTES;
	case SFS_KEY_INVALID:
		break;
	}
	return false;
}

static enum sfs_rc check_key_column(const struct sfs_router *r,
                                    struct sfs_err *err)
{
	const struct sfs_column *column = &r->sharding->columns[r->key_column];

	if (r->key_column == r->sharding->column_count ||
	    can_bind(r->encoding, column->kind))
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   "cel_columns: the column key is %s, which %s keys "
	                   "are not",
	                   sfs_column_kind_text(column->kind),
	                   sfs_key_encoding_text(r->encoding));
}

static enum sfs_rc compile(struct sfs_router *r, struct sfs_err *err)
{
	const struct sfs_sharding *s = r->sharding;
	struct sfs_cel_variable variables[SFS_COLUMNS_MAX];
	struct sfs_cel_env env = { .variables = variables,
		                   .count = s->column_count };
	enum sfs_rc rc;

	for (size_t i = 0; i < s->column_count; i++) {
		variables[i].name = s->columns[i].name;
		variables[i].type = sfs_column_kind_text(s->columns[i].kind);
	}
	rc = sfs_cel_compile(s->expr.data, s->expr.len, &env, &r->program, err);
	if (rc != SFS_OK)
		return err != NULL ? sfs_err_wrap(err, "cel_expr") : rc;
	for (size_t i = 0; i < s->column_count; i++) {
		if (i != r->key_column && sfs_cel_uses(r->program, i))
			r->needs_columns = true;
	}
	return SFS_OK;
}

/* The token that a sharding has, against what the expression may yield. */
static bool fits_tokens(const struct sfs_sharding *s, enum sfs_cel_kind kind)
{
	if (s->token_count == 0)
		return true;
	return is_integer(kind) ? is_integer(s->tokens[0].kind)
	                        : kind == s->tokens[0].kind;
}

/* What yields dyn is known for each key only. */
static enum sfs_rc check_result(const struct sfs_router *r, struct sfs_err *err)
{
	enum sfs_cel_kind kind = sfs_cel_result_kind(r->program);
	char type[SFS_CEL_TYPE_TEXT_BYTES];

	if (kind == SFS_CEL_DYN)
		return SFS_OK;
	sfs_cel_result_type(r->program, type);
	if (!is_integer(kind) && !is_text(kind))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel_expr yields %s: it must be int, uint, "
		                   "string or bytes",
		                   type);
	if (r->num_dbs > 0 && !r->sharding->has_tokens && is_text(kind))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel_expr yields %s, but without "
		                   "routing_values it must be the number of a "
		                   "shard: int or uint",
		                   type);
	if (!fits_tokens(r->sharding, kind))
		return sfs_err_set(
			err, SFS_E_INVALID,
			"cel_expr yields %s, but the routing_values "
			"are %s",
			type,
			sfs_column_kind_text(r->sharding->tokens[0].kind));
	return SFS_OK;
}

static enum sfs_rc init_cel(struct sfs_router *r, struct sfs_err *err)
{
	enum sfs_rc rc;

	r->key_column = sfs_sharding_column(r->sharding, KEY, strlen(KEY));
	rc = check_key_column(r, err);
	if (rc == SFS_OK)
		rc = compile(r, err);
	if (rc == SFS_OK)
		rc = check_result(r, err);
	if (rc == SFS_OK && r->sharding->has_tokens)
		rc = sfs_token_index_new(r->sharding, &r->tokens, err);
	return rc;
}

enum sfs_rc sfs_router_init(struct sfs_router *r,
                            const struct sfs_sharding *sharding,
                            enum sfs_key_encoding encoding, uint32_t num_dbs,
                            struct sfs_err *err)
{
	enum sfs_rc rc;

	sfs_router_init_hash(r, encoding, num_dbs);
	switch (sharding->strategy) {
	case SFS_STRATEGY_HASH:
		return SFS_OK;
	case SFS_STRATEGY_CEL:
		r->sharding = sharding;
		rc = init_cel(r, err);
		if (rc != SFS_OK)
			sfs_router_release(r);
		return rc;
	case SFS_STRATEGY_INVALID:
		break;
	}
	return sfs_err_set(err, SFS_E_INVALID, "no sharding strategy");
}

/* --- this thread's memory for evaluations ------------------------------------ */

static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key; /* frees it where a thread ends */
static bool has_scratch_key;
static _Thread_local struct sfs_cel_scratch *thread_scratch;

static void free_scratch(void *scratch)
{
	sfs_cel_scratch_free(scratch);
}

static void make_scratch_key(void)
{
	has_scratch_key = pthread_key_create(&scratch_key, free_scratch) == 0;
}

static struct sfs_cel_scratch *get_scratch(struct sfs_err *err)
{
	struct sfs_cel_scratch *made;

	if (thread_scratch != NULL)
		return thread_scratch;
	(void)pthread_once(&scratch_once, make_scratch_key); /* cannot fail */
	made = has_scratch_key ? sfs_cel_scratch_new() : NULL;
	if (made == NULL || pthread_setspecific(scratch_key, made) != 0) {
		sfs_cel_scratch_free(made);
		(void)sfs_err_set(err, SFS_E_NO_MEMORY,
		                  "routing: out of memory");
		return NULL;
	}
	thread_scratch = made;
	return made;
}

/* --- routing ------------------------------------------------------------------ */

static struct sfs_cel_value key_value(const struct sfs_router *r,
                                      struct sfs_bytes key)
{
	struct sfs_cel_value v = {
		.kind = r->sharding->columns[r->key_column].kind
	};
	uint64_t number = 0;

	if (is_text(v.kind)) {
		v.as.text.data = key.len > 0 ? (const char *)key.data : "";
		v.as.text.len = key.len;
		return v;
	}
	if (key.len == sizeof(number)) {
		memcpy(&number, key.data, sizeof(number));
		number = be64toh(number);
	}
	for (size_t i = 0; i < key.len && key.len < sizeof(number); i++)
		number = number << 8 | key.data[i];
	if (v.kind == SFS_CEL_UINT)
		v.as.uinteger = number;
	else
		v.as.integer = (int64_t)number;
	return v;
}

bool sfs_router_can_route(const struct sfs_router *r,
                          const struct sfs_columns *columns,
                          const char **missing)
{
	if (!r->needs_columns)
		return true;
	for (size_t i = 0; i < r->sharding->column_count; i++) {
		if (i == r->key_column || !sfs_cel_uses(r->program, i) ||
		    (columns != NULL &&
		     columns->values[i].kind != SFS_CEL_INVALID))
			continue;
		if (missing != NULL)
			*missing = r->sharding->columns[i].name;
		return false;
	}
	return true;
}

static enum sfs_rc check_token(const struct sfs_cel_value *token,
                               struct sfs_err *err)
{
	if (!is_integer(token->kind) && !is_text(token->kind))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel_expr yields %s for it, not int, uint, "
		                   "string or bytes",
		                   sfs_cel_kind_name(token->kind));
	if (is_text(token->kind) && token->as.text.len > SFS_TOKEN_MAX_BYTES)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel_expr yields a routing value of %zu "
		                   "bytes: %d is the most",
		                   token->as.text.len, SFS_TOKEN_MAX_BYTES);
	return SFS_OK;
}

enum sfs_rc sfs_router_token(const struct sfs_router *r, struct sfs_bytes key,
                             const struct sfs_columns *columns,
                             struct sfs_cel_value *out, struct sfs_err *err)
{
	struct sfs_cel_value values[SFS_COLUMNS_MAX];
	const size_t count = r->sharding->column_count;
	struct sfs_cel_scratch *scratch = get_scratch(err);
	const char *missing;
	enum sfs_rc rc;

	if (scratch == NULL)
		return SFS_E_NO_MEMORY;
	if (!sfs_router_can_route(r, columns, &missing))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "column %s is needed to route a key",
		                   missing);
	for (size_t i = 0; i < count; i++) { /* not all: they are many */
		values[i].kind = SFS_CEL_INVALID;
		if (columns != NULL)
			values[i] = columns->values[i];
	}
	if (r->key_column < count)
		values[r->key_column] = key_value(r, key);
	rc = sfs_cel_eval(r->program, values, scratch, out, err);
	if (rc != SFS_OK)
		return err != NULL ? sfs_err_wrap(err, "cel_expr") : rc;
	return check_token(out, err);
}

/* The token is a shard's number. */
static enum sfs_rc route_direct(const struct sfs_router *r,
                                struct sfs_route *out, struct sfs_err *err)
{
	const struct sfs_cel_value *t = &out->token;

	if (t->kind == SFS_CEL_UINT && t->as.uinteger < r->num_dbs) {
		out->db_id = (uint32_t)t->as.uinteger;
	} else if (t->kind == SFS_CEL_INT && t->as.integer >= 0 &&
	           t->as.integer < r->num_dbs) {
		out->db_id = (uint32_t)t->as.integer;
	} else if (t->kind == SFS_CEL_UINT) {
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel_expr yields shard %llu of 0 to %u",
		                   (unsigned long long)t->as.uinteger,
		                   r->num_dbs - 1);
	} else if (t->kind == SFS_CEL_INT) {
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel_expr yields shard %lld of 0 to %u",
		                   (long long)t->as.integer, r->num_dbs - 1);
	} else {
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel_expr yields %s where the number of a "
		                   "shard is needed",
		                   sfs_cel_kind_name(t->kind));
	}
	out->is_known = true;
	return SFS_OK;
}

enum sfs_rc sfs_router_route(const struct sfs_router *r, struct sfs_bytes key,
                             const struct sfs_columns *columns,
                             struct sfs_route *out, struct sfs_err *err)
{
	enum sfs_rc rc;

	out->token.kind = SFS_CEL_INVALID;
	out->is_known = r->program == NULL;
	if (r->program == NULL) {
		out->db_id = sfs_router_hash(r, key);
		return SFS_OK;
	}
	rc = sfs_router_token(r, key, columns, &out->token, err);
	if (rc != SFS_OK)
		return rc;
	if (r->tokens == NULL)
		return route_direct(r, out, err);
	out->is_known =
		sfs_token_index_find(r->tokens, &out->token, &out->db_id);
	return SFS_OK;
}

enum sfs_rc sfs_route_refuse(const struct sfs_router *r,
                             const struct sfs_route *route, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	sfs_cel_value_print(&route->token, &text);
	(void)sfs_err_set(err, SFS_E_INVALID,
	                  "UnknownRoutingToken: %.300s is none of the %zu "
	                  "routing_values",
	                  text.failed == SFS_OK ? text.data : "the token",
	                  r->sharding->token_count);
	sfs_buf_release(&text);
	return SFS_E_INVALID;
}
