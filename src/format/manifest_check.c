/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of a manifest's JSON columns. The rules of "sharding" are exact,
 * unknown members included: whoever routes by half-understood rules answers
 * "no such key" for keys that are there.
 */
#include "format/manifest_check.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/*
 * Reads a document of one value, whose first token goes to *first. Lax, since
 * users may put any text into "custom".
 */
static enum sfs_rc read_whole(const char *text, size_t len,
                              struct sfs_json_token *first, struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	enum sfs_rc rc;

	sfs_json_reader_init(&r, text, len);
	r.is_lax = true;
	rc = sfs_json_next(&r, first, err);
	t = *first;
	while (rc == SFS_OK && t.type != SFS_JSON_END)
		rc = sfs_json_next(&r, &t, err);
	sfs_json_reader_release(&r);
	return rc;
}

enum sfs_rc sfs_json_object_check(const char *column, const char *text,
                                  size_t len, struct sfs_err *err)
{
	struct sfs_json_token first;

	if (read_whole(text, len, &first, err) != SFS_OK)
		return sfs_err_wrap(err, "%s", column);
	if (first.type != SFS_JSON_OBJECT_BEGIN)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s is not a JSON object", column);
	return SFS_OK;
}

enum sfs_rc sfs_json_key_check(const char *column, const char *text, size_t len,
                               struct sfs_err *err)
{
	struct sfs_json_token first;

	if (read_whole(text, len, &first, err) != SFS_OK)
		return sfs_err_wrap(err, "%s", column);
	if (first.type != SFS_JSON_INT && first.type != SFS_JSON_STRING)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s is not a JSON integer or string",
		                   column);
	return SFS_OK;
}

/* A routing value: an int's 8 bytes, a string's UTF-8, or bytes. */
struct value {
	char *data;
	size_t len;
};

struct sharding {
	struct sfs_json_reader reader;
	enum sfs_strategy strategy;
	bool has_hash_algorithm;
	bool has_cel_expr;
	bool has_cel_columns;
	bool has_routing_values;
	enum sfs_json_type value_type; /* bytes: OBJECT_BEGIN; END: none */
	struct value *values;
	size_t value_count;
	size_t value_cap;
	struct sfs_arena *arena; /* the values' bytes */
};

static enum sfs_rc corrupt(const char *what, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CORRUPT, "%s", what);
}

static bool is_text(const struct sfs_json_token *t, const char *text)
{
	return t->len == strlen(text) && memcmp(t->text, text, t->len) == 0;
}

static enum sfs_rc next_string(struct sharding *s, const char *name,
                               struct sfs_json_token *t, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_json_next(&s->reader, t, err);

	if (rc == SFS_OK && t->type != SFS_JSON_STRING)
		rc = sfs_err_set(err, SFS_E_CORRUPT, "%s is not a string",
		                 name);
	return rc;
}

static enum sfs_rc take_strategy(struct sharding *s, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = next_string(s, "strategy", &t, err);

	if (rc != SFS_OK)
		return rc;
	if (is_text(&t, "hash"))
		s->strategy = SFS_STRATEGY_HASH;
	else if (is_text(&t, "cel"))
		s->strategy = SFS_STRATEGY_CEL;
	else
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "unknown strategy \"%.100s\"", t.text);
	return SFS_OK;
}

static enum sfs_rc take_hash_algorithm(struct sharding *s, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = next_string(s, "hash_algorithm", &t, err);

	if (rc != SFS_OK)
		return rc;
	if (!is_text(&t, "xxh3_64"))
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "unknown hash algorithm \"%.100s\"", t.text);
	s->has_hash_algorithm = true;
	return SFS_OK;
}

static enum sfs_rc take_cel_expr(struct sharding *s, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&s->reader, &t, err);

	if (rc != SFS_OK)
		return rc;
	s->has_cel_expr = t.type == SFS_JSON_STRING;
	if (!s->has_cel_expr && t.type != SFS_JSON_NULL)
		return corrupt("cel_expr is not a string", err);
	return SFS_OK;
}

static bool is_column_type(const struct sfs_json_token *t)
{
	static const char *const types[] = { "int",  "uint",   "double",
		                             "bool", "string", "bytes" };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (is_text(t, types[i]))
			return true;
	}
	return false;
}

static enum sfs_rc take_cel_columns(struct sharding *s, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&s->reader, &t, err);

	s->has_cel_columns = false;
	if (rc != SFS_OK || t.type == SFS_JSON_NULL)
		return rc;
	if (t.type != SFS_JSON_OBJECT_BEGIN)
		return corrupt("cel_columns is not an object", err);
	for (;;) {
		rc = sfs_json_next(&s->reader, &t, err);
		if (rc != SFS_OK || t.type == SFS_JSON_OBJECT_END)
			return rc;
		rc = next_string(s, "a type in cel_columns", &t, err);
		if (rc != SFS_OK)
			return rc;
		if (!is_column_type(&t))
			return sfs_err_set(err, SFS_E_UNSUPPORTED,
			                   "unknown column type \"%.100s\"",
			                   t.text);
		s->has_cel_columns = true;
	}
}

static enum sfs_rc add_value(struct sharding *s, const void *data, size_t len,
                             struct sfs_err *err)
{
	size_t cap = s->value_cap > 0 ? s->value_cap * 2 : 16;
	struct value *grown;
	char *copy;

	if (s->value_count == s->value_cap) {
		grown = sfs_realloc_array(s->values, cap, sizeof(*grown));
		if (grown == NULL)
			goto no_memory;
		s->values = grown;
		s->value_cap = cap;
	}
	copy = sfs_arena_add(s->arena, data, len);
	if (copy == NULL)
		goto no_memory;
	s->values[s->value_count].data = copy;
	s->values[s->value_count].len = len;
	s->value_count++;
	return SFS_OK;

no_memory:
	return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
}

static bool is_hex(const char *text, size_t len)
{
	return len % 2 == 0 && strspn(text, "0123456789abcdefABCDEF") == len;
}

/* Behind '{' of {"__bytes_hex__": "00ff"}. */
static enum sfs_rc take_bytes_value(struct sharding *s, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&s->reader, &t, err);
	char *c;

	if (rc != SFS_OK)
		return rc;
	if (t.type != SFS_JSON_KEY || !is_text(&t, "__bytes_hex__"))
		return corrupt("a routing value is an object without "
		               "__bytes_hex__",
		               err);
	rc = next_string(s, "__bytes_hex__", &t, err);
	if (rc != SFS_OK)
		return rc;
	if (!is_hex(t.text, t.len))
		return corrupt("__bytes_hex__ is not hexadecimal", err);
	rc = add_value(s, t.text, t.len, err);
	if (rc != SFS_OK)
		return rc;
	/* Equal bytes must be equal texts. */
	for (c = s->values[s->value_count - 1].data; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c - 'A' + 'a');
	}
	rc = sfs_json_next(&s->reader, &t, err);
	if (rc == SFS_OK && t.type != SFS_JSON_OBJECT_END)
		rc = corrupt("__bytes_hex__ with other members", err);
	return rc;
}

static enum sfs_rc take_value(struct sharding *s,
                              const struct sfs_json_token *t,
                              struct sfs_err *err)
{
	if (t->type != SFS_JSON_INT && t->type != SFS_JSON_STRING &&
	    t->type != SFS_JSON_OBJECT_BEGIN)
		return corrupt("a routing value is neither integer, string "
		               "nor bytes",
		               err);
	if (s->value_type != SFS_JSON_END && s->value_type != t->type)
		return corrupt("routing_values are not of one type", err);
	s->value_type = t->type;
	if (t->type == SFS_JSON_INT)
		return add_value(s, &t->integer, sizeof(t->integer), err);
	if (t->type == SFS_JSON_STRING)
		return add_value(s, t->text, t->len, err);
	return take_bytes_value(s, err);
}

static enum sfs_rc take_routing_values(struct sharding *s, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&s->reader, &t, err);

	s->has_routing_values = false;
	s->value_type = SFS_JSON_END;
	s->value_count = 0;
	if (rc != SFS_OK || t.type == SFS_JSON_NULL)
		return rc;
	if (t.type != SFS_JSON_ARRAY_BEGIN)
		return corrupt("routing_values is not an array", err);
	s->has_routing_values = true;
	for (;;) {
		rc = sfs_json_next(&s->reader, &t, err);
		if (rc != SFS_OK || t.type == SFS_JSON_ARRAY_END)
			return rc;
		rc = take_value(s, &t, err);
		if (rc != SFS_OK)
			return rc;
	}
}

static enum sfs_rc take_member(struct sharding *s,
                               const struct sfs_json_token *key,
                               struct sfs_err *err)
{
	if (is_text(key, "strategy"))
		return take_strategy(s, err);
	if (is_text(key, "hash_algorithm"))
		return take_hash_algorithm(s, err);
	if (is_text(key, "cel_expr"))
		return take_cel_expr(s, err);
	if (is_text(key, "cel_columns"))
		return take_cel_columns(s, err);
	if (is_text(key, "routing_values"))
		return take_routing_values(s, err);
	return sfs_err_set(err, SFS_E_UNSUPPORTED, "unknown member \"%.100s\"",
	                   key->text);
}

static enum sfs_rc read_members(struct sharding *s, struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc = sfs_json_next(&s->reader, &t, err);

	if (rc != SFS_OK)
		return rc;
	if (t.type != SFS_JSON_OBJECT_BEGIN)
		return corrupt("not a JSON object", err);
	for (;;) {
		rc = sfs_json_next(&s->reader, &t, err);
		if (rc != SFS_OK)
			return rc;
		if (t.type != SFS_JSON_KEY)
			break;
		rc = take_member(s, &t, err);
		if (rc != SFS_OK)
			return rc;
	}
	return sfs_json_next(&s->reader, &t, err); /* bytes behind it */
}

static int compare_values(const void *a, const void *b)
{
	const struct value *x = a;
	const struct value *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->data, y->data, x->len);
}

static enum sfs_rc check_routing_values(struct sharding *s, uint32_t num_dbs,
                                        struct sfs_err *err)
{
	size_t shards = s->value_count > 0 ? s->value_count : 1;
	size_t i;

	if (shards != num_dbs)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%zu routing_values for %u shards",
		                   s->value_count, num_dbs);
	if (s->value_count == 0)
		return SFS_OK;
	qsort(s->values, s->value_count, sizeof(*s->values), compare_values);
	for (i = 1; i < s->value_count; i++) {
		if (compare_values(&s->values[i - 1], &s->values[i]) == 0)
			return corrupt("a routing value is there twice", err);
	}
	return SFS_OK;
}

static enum sfs_rc check_members(struct sharding *s, uint32_t num_dbs,
                                 struct sfs_err *err)
{
	if (s->strategy == SFS_STRATEGY_INVALID)
		return corrupt("strategy is missing", err);
	if (!s->has_hash_algorithm)
		return corrupt("hash_algorithm is missing", err);
	if (s->strategy == SFS_STRATEGY_HASH) {
		if (s->has_cel_expr || s->has_cel_columns)
			return corrupt("CEL members with strategy hash", err);
		if (s->has_routing_values)
			return corrupt("routing_values with strategy hash",
			               err);
		return SFS_OK;
	}
	if (!s->has_cel_expr)
		return corrupt("strategy cel without cel_expr", err);
	if (!s->has_cel_columns)
		return corrupt("strategy cel without cel_columns", err);
	if (s->has_routing_values)
		return check_routing_values(s, num_dbs, err);
	return SFS_OK;
}

enum sfs_rc sfs_sharding_check(const char *text, size_t len, uint32_t num_dbs,
                               enum sfs_strategy *strategy_out,
                               struct sfs_err *err)
{
	struct sharding s = { .strategy = SFS_STRATEGY_INVALID };
	enum sfs_rc rc;

	sfs_json_reader_init(&s.reader, text, len);
	s.arena = sfs_arena_new();
	if (s.arena == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	else
		rc = read_members(&s, err);
	if (rc == SFS_OK)
		rc = check_members(&s, num_dbs, err);
	if (rc == SFS_OK)
		*strategy_out = s.strategy;
	else
		(void)sfs_err_wrap(err, "sharding"); /* the same rc */
	sfs_arena_free(s.arena);
	sfs_free(s.values);
	sfs_json_reader_release(&s.reader);
	return rc;
}
