/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the member "sharding" of a manifest. Its rules are exact, unknown
 * members included: whoever routes by half-understood rules answers "no such
 * key" for keys that are there.
 */
#include "format/sharding.h"

#include "base/hex.h"
#include "base/json.h"

#include <string.h>

struct parse {
	struct sfs_sharding *out;
	struct sfs_json_reader reader;
	const char *text;
	size_t len;
	bool has_hash_algorithm;
	struct sfs_buf bytes; /* of a token that is bytes */
};

static enum sfs_rc corrupt(const char *what, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CORRUPT, "%s", what);
}

static bool is_text(const struct sfs_json_token *t, const char *text)
{
	return t->len == strlen(text) && memcmp(t->text, text, t->len) == 0;
}

static enum sfs_rc next_string(struct parse *p, const char *name,
                               struct sfs_json_token *t, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_json_next(&p->reader, t, err);

	if (rc == SFS_OK && t->type != SFS_JSON_STRING)
		rc = sfs_err_set(err, SFS_E_CORRUPT, "%s is not a string",
		                 name);
	return rc;
}

static enum sfs_rc take_strategy(struct parse *p, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = next_string(p, "strategy", &t, err);

	if (rc != SFS_OK)
		return rc;
	if (is_text(&t, "hash"))
		p->out->strategy = SFS_STRATEGY_HASH;
	else if (is_text(&t, "cel"))
		p->out->strategy = SFS_STRATEGY_CEL;
	else
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "unknown strategy \"%.100s\"", t.text);
	return SFS_OK;
}

static enum sfs_rc take_hash_algorithm(struct parse *p, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = next_string(p, "hash_algorithm", &t, err);

	if (rc != SFS_OK)
		return rc;
	if (!is_text(&t, "xxh3_64"))
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "unknown hash algorithm \"%.100s\"", t.text);
	p->has_hash_algorithm = true;
	return SFS_OK;
}

static enum sfs_rc take_cel_expr(struct parse *p, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&p->reader, &t, err);

	if (rc != SFS_OK)
		return rc;
	p->out->expr = (struct sfs_cel_text){ NULL, 0 };
	if (t.type == SFS_JSON_NULL)
		return SFS_OK;
	if (t.type != SFS_JSON_STRING)
		return corrupt("cel_expr is not a string", err);
	return sfs_sharding_set_expr(p->out, t.text, t.len, err);
}

/* What the caller may not give is in a manifest corruption. */
static enum sfs_rc as_corrupt(enum sfs_rc rc, struct sfs_err *err)
{
	if (rc != SFS_E_INVALID)
		return rc;
	err->rc = SFS_E_CORRUPT;
	return SFS_E_CORRUPT;
}

/* key: the column's name. */
static enum sfs_rc take_column(struct parse *p,
                               const struct sfs_json_token *key,
                               struct sfs_err *err)
{
	char name[SFS_COLUMN_NAME_BYTES];
	size_t len = key->len;
	struct sfs_json_token t;
	enum sfs_cel_kind kind;
	enum sfs_rc rc;

	if (len >= sizeof(name))
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "a column's name has %zu bytes: %d is the "
		                   "most",
		                   len, SFS_COLUMN_NAME_BYTES - 1);
	memcpy(name, key->text, len); /* the next token takes its place */
	rc = next_string(p, "a type in cel_columns", &t, err);
	if (rc != SFS_OK)
		return rc;
	kind = strlen(t.text) == t.len ? sfs_column_kind_from_text(t.text)
	                               : SFS_CEL_INVALID;
	if (kind == SFS_CEL_INVALID)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "unknown column type \"%.100s\"", t.text);
	rc = sfs_sharding_add_column(p->out, name, len, kind, err);
	return as_corrupt(rc, err);
}

static enum sfs_rc take_cel_columns(struct parse *p, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&p->reader, &t, err);

	p->out->column_count = 0;
	if (rc != SFS_OK || t.type == SFS_JSON_NULL)
		return rc;
	if (t.type != SFS_JSON_OBJECT_BEGIN)
		return corrupt("cel_columns is not an object", err);
	for (;;) {
		rc = sfs_json_next(&p->reader, &t, err);
		if (rc != SFS_OK || t.type == SFS_JSON_OBJECT_END)
			return rc;
		rc = take_column(p, &t, err);
		if (rc != SFS_OK)
			return rc;
	}
}

static enum sfs_rc decode_hex(struct parse *p, const struct sfs_json_token *t,
                              struct sfs_err *err)
{
	int high;
	int low;

	sfs_buf_reset(&p->bytes);
	if (t->len % 2 != 0)
		return corrupt("__bytes_hex__ is not hexadecimal", err);
	for (size_t i = 0; i < t->len; i += 2) {
		high = sfs_hex_value(t->text[i]);
		low = sfs_hex_value(t->text[i + 1]);
		if (high < 0 || low < 0)
			return corrupt("__bytes_hex__ is not hexadecimal", err);
		sfs_buf_putc(&p->bytes, (char)(high << 4 | low));
	}
	return sfs_buf_finish(&p->bytes, "a routing value", err);
}

/* Behind '{' of {"__bytes_hex__": "00ff"}. */
static enum sfs_rc take_bytes(struct parse *p, struct sfs_cel_value *out,
                              struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&p->reader, &t, err);

	if (rc != SFS_OK)
		return rc;
	if (t.type != SFS_JSON_KEY || !is_text(&t, "__bytes_hex__"))
		return corrupt("a routing value is an object without "
		               "__bytes_hex__",
		               err);
	rc = next_string(p, "__bytes_hex__", &t, err);
	if (rc == SFS_OK)
		rc = decode_hex(p, &t, err);
	if (rc == SFS_OK)
		rc = sfs_json_next(&p->reader, &t, err);
	if (rc == SFS_OK && t.type != SFS_JSON_OBJECT_END)
		rc = corrupt("__bytes_hex__ with other members", err);
	out->kind = SFS_CEL_BYTES;
	out->as.text = (struct sfs_cel_text){ p->bytes.data, p->bytes.len };
	return rc;
}

/* The JSON reader has no integers above INT64_MAX: its text is read again. */
static bool read_large(const struct parse *p, const struct sfs_json_token *t,
                       struct sfs_cel_value *out)
{
	size_t at = t->offset;
	uint64_t value = 0;
	unsigned digit;

	while (at < p->len && p->text[at] >= '0' && p->text[at] <= '9') {
		digit = (unsigned)(p->text[at++] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	out->kind = SFS_CEL_UINT;
	out->as.uinteger = value;
	return at > t->offset &&
	       (at == p->len || memchr(".eE", p->text[at], 3) == NULL);
}

static enum sfs_rc read_token(struct parse *p, const struct sfs_json_token *t,
                              struct sfs_cel_value *out, struct sfs_err *err)
{
	if (t->type == SFS_JSON_INT) {
		out->kind = SFS_CEL_INT;
		out->as.integer = t->integer;
		return SFS_OK;
	}
	if (t->type == SFS_JSON_STRING) {
		out->kind = SFS_CEL_STRING;
		out->as.text = (struct sfs_cel_text){ t->text, t->len };
		return SFS_OK;
	}
	if (t->type == SFS_JSON_OBJECT_BEGIN)
		return take_bytes(p, out, err);
	if (t->type == SFS_JSON_DOUBLE && read_large(p, t, out))
		return SFS_OK;
	return corrupt("a routing value is neither integer, string nor bytes",
	               err);
}

static enum sfs_rc take_routing_values(struct parse *p, struct sfs_err *err)
{
	struct sfs_cel_value token;
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&p->reader, &t, err);

	p->out->has_tokens = false;
	p->out->token_count = 0;
	if (rc != SFS_OK || t.type == SFS_JSON_NULL)
		return rc;
	if (t.type != SFS_JSON_ARRAY_BEGIN)
		return corrupt("routing_values is not an array", err);
	p->out->has_tokens = true;
	for (;;) {
		rc = sfs_json_next(&p->reader, &t, err);
		if (rc != SFS_OK || t.type == SFS_JSON_ARRAY_END)
			return rc;
		rc = read_token(p, &t, &token, err);
		if (rc == SFS_OK)
			rc = sfs_sharding_add_token(p->out, &token, err);
		if (rc != SFS_OK)
			return as_corrupt(rc, err);
	}
}

static enum sfs_rc take_member(struct parse *p,
                               const struct sfs_json_token *key,
                               struct sfs_err *err)
{
	if (is_text(key, "strategy"))
		return take_strategy(p, err);
	if (is_text(key, "hash_algorithm"))
		return take_hash_algorithm(p, err);
	if (is_text(key, "cel_expr"))
		return take_cel_expr(p, err);
	if (is_text(key, "cel_columns"))
		return take_cel_columns(p, err);
	if (is_text(key, "routing_values"))
		return take_routing_values(p, err);
	return sfs_err_set(err, SFS_E_UNSUPPORTED, "unknown member \"%.100s\"",
	                   key->text);
}

static enum sfs_rc read_members(struct parse *p, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&p->reader, &t, err);

	if (rc != SFS_OK)
		return rc;
	if (t.type != SFS_JSON_OBJECT_BEGIN)
		return corrupt("not a JSON object", err);
	for (;;) {
		rc = sfs_json_next(&p->reader, &t, err);
		if (rc != SFS_OK)
			return rc;
		if (t.type != SFS_JSON_KEY)
			break;
		rc = take_member(p, &t, err);
		if (rc != SFS_OK)
			return rc;
	}
	return sfs_json_next(&p->reader, &t, err); /* bytes behind it */
}

static enum sfs_rc check_routing_values(const struct sfs_sharding *s,
                                        uint32_t num_dbs, struct sfs_err *err)
{
	size_t shards = s->token_count > 0 ? s->token_count : 1;
	enum sfs_rc rc;

	if (shards != num_dbs)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%zu routing_values for %u shards",
		                   s->token_count, num_dbs);
	rc = sfs_sharding_check_tokens(s, err);
	return as_corrupt(rc, err);
}

static enum sfs_rc check_members(const struct parse *p, uint32_t num_dbs,
                                 struct sfs_err *err)
{
	const struct sfs_sharding *s = p->out;

	if (s->strategy == SFS_STRATEGY_INVALID)
		return corrupt("strategy is missing", err);
	if (!p->has_hash_algorithm)
		return corrupt("hash_algorithm is missing", err);
	if (s->strategy == SFS_STRATEGY_HASH) {
		if (s->expr.data != NULL || s->column_count > 0)
			return corrupt("CEL members with strategy hash", err);
		if (s->has_tokens)
			return corrupt("routing_values with strategy hash",
			               err);
		return SFS_OK;
	}
	if (s->expr.data == NULL)
		return corrupt("strategy cel without cel_expr", err);
	if (s->column_count == 0)
		return corrupt("strategy cel without cel_columns", err);
	if (s->has_tokens)
		return check_routing_values(s, num_dbs, err);
	return SFS_OK;
}

enum sfs_rc sfs_sharding_parse(struct sfs_sharding *out, const char *text,
                               size_t len, uint32_t num_dbs,
                               struct sfs_err *err)
{
	struct parse p = { .out = out, .text = text, .len = len };
	struct sfs_err unwanted;
	enum sfs_rc rc;

	if (err == NULL)
		err = &unwanted;
	sfs_json_reader_init(&p.reader, text, len);
	sfs_buf_init(&p.bytes, len);
	rc = sfs_sharding_init(out, SFS_STRATEGY_INVALID, err);
	if (rc == SFS_OK)
		rc = read_members(&p, err);
	if (rc == SFS_OK)
		rc = check_members(&p, num_dbs, err);
	if (rc != SFS_OK)
		(void)sfs_err_wrap(err, "sharding"); /* the same rc */
	sfs_buf_release(&p.bytes);
	sfs_json_reader_release(&p.reader);
	return rc;
}
