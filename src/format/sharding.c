/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a snapshot is sharded, as a thing that is put together and printed.
 * The text is compared byte by byte between snapshots, so it is printed
 * exactly as shardyfusion prints it, with Python's json.dumps(sort_keys=True).
 */
#include "format/sharding.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"
#include "format/keys.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	enum sfs_cel_kind kind;
} KINDS[] = {
	{ "int", SFS_CEL_INT },       { "uint", SFS_CEL_UINT },
	{ "double", SFS_CEL_DOUBLE }, { "bool", SFS_CEL_BOOL },
	{ "string", SFS_CEL_STRING }, { "bytes", SFS_CEL_BYTES },
};

enum { KIND_COUNT = sizeof(KINDS) / sizeof(KINDS[0]) };

enum sfs_cel_kind sfs_column_kind_from_text(const char *text)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		if (strcmp(KINDS[i].text, text) == 0)
			return KINDS[i].kind;
	}
	return SFS_CEL_INVALID;
}

const char *sfs_column_kind_text(enum sfs_cel_kind kind)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		if (KINDS[i].kind == kind)
			return KINDS[i].text;
	}
	return "";
}

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "sharding: out of memory");
}

enum sfs_rc sfs_sharding_init(struct sfs_sharding *s,
                              enum sfs_strategy strategy, struct sfs_err *err)
{
	*s = (struct sfs_sharding){ .strategy = strategy };
	s->arena = sfs_arena_new();
	return s->arena != NULL ? SFS_OK : no_memory(err);
}

void sfs_sharding_release(struct sfs_sharding *s)
{
	sfs_free(s->columns);
	sfs_free(s->tokens);
	sfs_arena_free(s->arena);
	*s = (struct sfs_sharding){ 0 };
}

enum sfs_rc sfs_sharding_set_expr(struct sfs_sharding *s, const char *text,
                                  size_t len, struct sfs_err *err)
{
	s->expr.data = sfs_arena_add(s->arena, text, len);
	s->expr.len = len;
	return s->expr.data != NULL ? SFS_OK : no_memory(err);
}

size_t sfs_sharding_column(const struct sfs_sharding *s, const char *name,
                           size_t len)
{
	size_t i;

	for (i = 0; i < s->column_count; i++) {
		if (strlen(s->columns[i].name) == len &&
		    memcmp(s->columns[i].name, name, len) == 0)
			break;
	}
	return i;
}

static enum sfs_rc check_column(const struct sfs_sharding *s, const char *name,
                                size_t len, enum sfs_cel_kind kind,
                                struct sfs_err *err)
{
	if (len == 0 || memchr(name, '\0', len) != NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "a column's name is empty or holds NUL");
	if (len >= SFS_COLUMN_NAME_BYTES)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "the name of column %.40s... has %zu bytes: "
		                   "%d is the most",
		                   name, len, SFS_COLUMN_NAME_BYTES - 1);
	if (sfs_column_kind_text(kind)[0] == '\0')
		return sfs_err_set(err, SFS_E_INVALID,
		                   "column %.*s is neither int, uint, double, "
		                   "bool, string nor bytes",
		                   (int)len, name);
	if (sfs_sharding_column(s, name, len) < s->column_count)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "column %.*s is there twice", (int)len,
		                   name);
	if (s->column_count == SFS_COLUMNS_MAX)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "there are more than %d columns",
		                   SFS_COLUMNS_MAX);
	return SFS_OK;
}

enum sfs_rc sfs_sharding_add_column(struct sfs_sharding *s, const char *name,
                                    size_t len, enum sfs_cel_kind kind,
                                    struct sfs_err *err)
{
	struct sfs_column *column;
	enum sfs_rc rc;

	rc = check_column(s, name, len, kind, err);
	if (rc != SFS_OK)
		return rc;
	if (s->columns == NULL)
		s->columns = sfs_calloc(SFS_COLUMNS_MAX, sizeof(*s->columns));
	if (s->columns == NULL)
		return no_memory(err);
	column = &s->columns[s->column_count];
	column->kind = kind;
	column->name = sfs_arena_add(s->arena, name, len);
	if (column->name == NULL)
		return no_memory(err);
	s->column_count++;
	return SFS_OK;
}

void sfs_sharding_order(const struct sfs_sharding *s,
                        size_t order[SFS_COLUMNS_MAX])
{
	size_t at;

	for (size_t i = 0; i < s->column_count; i++) {
		for (at = i; at > 0 && strcmp(s->columns[order[at - 1]].name,
		                              s->columns[i].name) > 0;
		     at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

static bool is_text_kind(enum sfs_cel_kind kind)
{
	return kind == SFS_CEL_STRING || kind == SFS_CEL_BYTES;
}

static bool is_integer_kind(enum sfs_cel_kind kind)
{
	return kind == SFS_CEL_INT || kind == SFS_CEL_UINT;
}

static enum sfs_rc check_token(const struct sfs_sharding *s,
                               const struct sfs_cel_value *t,
                               struct sfs_err *err)
{
	const struct sfs_cel_value *first = s->tokens;

	if (!is_integer_kind(t->kind) && !is_text_kind(t->kind))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "a routing value is neither integer, string "
		                   "nor bytes");
	if (s->token_count > 0 && t->kind != first->kind &&
	    !(is_integer_kind(t->kind) && is_integer_kind(first->kind)))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "routing_values are not of one type");
	if (is_text_kind(t->kind) && t->as.text.len > SFS_TOKEN_MAX_BYTES)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "a routing value has %zu bytes: %d is the "
		                   "most",
		                   t->as.text.len, SFS_TOKEN_MAX_BYTES);
	if (s->token_count == SFS_TOKENS_MAX)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "there are more than %d routing_values",
		                   SFS_TOKENS_MAX);
	return SFS_OK;
}

/* The array has room for a power of two, full when the count is one. */
static bool make_room(struct sfs_sharding *s)
{
	struct sfs_cel_value *grown;
	size_t count = s->token_count;

	if (count > 0 && (count & (count - 1)) != 0)
		return true;
	grown = sfs_realloc_array(s->tokens, count > 0 ? count * 2 : 1,
	                          sizeof(*grown));
	if (grown == NULL)
		return false;
	s->tokens = grown;
	return true;
}

enum sfs_rc sfs_sharding_add_token(struct sfs_sharding *s,
                                   const struct sfs_cel_value *token,
                                   struct sfs_err *err)
{
	struct sfs_cel_value copy = *token;
	enum sfs_rc rc;

	rc = check_token(s, token, err);
	if (rc != SFS_OK)
		return rc;
	if (token->kind == SFS_CEL_UINT && token->as.uinteger <= INT64_MAX) {
		copy.kind = SFS_CEL_INT;
		copy.as.integer = (int64_t)token->as.uinteger;
	}
	if (is_text_kind(token->kind)) {
		copy.as.text.data = sfs_arena_add(s->arena, token->as.text.data,
		                                  token->as.text.len);
		if (copy.as.text.data == NULL)
			return no_memory(err);
	}
	if (!make_room(s))
		return no_memory(err);
	s->tokens[s->token_count++] = copy;
	s->has_tokens = true;
	return SFS_OK;
}

static struct sfs_bytes bytes_of(const struct sfs_cel_value *token)
{
	return (struct sfs_bytes){ (const uint8_t *)token->as.text.data,
		                   token->as.text.len };
}

int sfs_token_compare(const struct sfs_cel_value *a,
                      const struct sfs_cel_value *b)
{
	if (is_text_kind(a->kind))
		return sfs_bytes_compare(bytes_of(a), bytes_of(b));
	if (a->kind != b->kind) /* a UINT is above every INT */
		return a->kind == SFS_CEL_UINT ? 1 : -1;
	if (a->kind == SFS_CEL_UINT)
		return (a->as.uinteger > b->as.uinteger) -
		       (a->as.uinteger < b->as.uinteger);
	return (a->as.integer > b->as.integer) -
	       (a->as.integer < b->as.integer);
}

static int by_token(const void *a, const void *b)
{
	return sfs_token_compare(a, b);
}

enum sfs_rc sfs_sharding_check_tokens(const struct sfs_sharding *s,
                                      struct sfs_err *err)
{
	struct sfs_cel_value *sorted;
	enum sfs_rc rc = SFS_OK;

	if (s->token_count < 2)
		return SFS_OK;
	sorted = sfs_realloc_array(NULL, s->token_count, sizeof(*sorted));
	if (sorted == NULL)
		return no_memory(err);
	memcpy(sorted, s->tokens, s->token_count * sizeof(*sorted));
	qsort(sorted, s->token_count, sizeof(*sorted), by_token);
	for (size_t i = 1; rc == SFS_OK && i < s->token_count; i++) {
		if (sfs_token_compare(&sorted[i - 1], &sorted[i]) == 0)
			rc = sfs_err_set(err, SFS_E_INVALID,
			                 "a routing value is there twice");
	}
	sfs_free(sorted);
	return rc;
}

static void print_columns(const struct sfs_sharding *s,
                          struct sfs_json_printer *p)
{
	size_t order[SFS_COLUMNS_MAX];

	sfs_json_key(p, "cel_columns");
	if (s->column_count == 0) {
		sfs_json_null(p);
		return;
	}
	sfs_sharding_order(s, order);
	sfs_json_object_begin(p);
	for (size_t i = 0; i < s->column_count; i++) {
		const struct sfs_column *column = &s->columns[order[i]];

		sfs_json_key(p, column->name);
		sfs_json_cstring(p, sfs_column_kind_text(column->kind));
	}
	sfs_json_object_end(p);
}

/*
 * {"__bytes_hex__": "00ff"} is read by shardyfusion as well; a JSON string,
 * which it writes itself, would come back as a string.
 */
static void print_bytes(struct sfs_cel_text bytes, struct sfs_json_printer *p)
{
	sfs_json_object_begin(p);
	sfs_json_key(p, "__bytes_hex__");
	sfs_json_raw(p, "\"", 1);
	for (size_t i = 0; i < bytes.len; i++)
		sfs_buf_printf(p->out, "%02x", (unsigned char)bytes.data[i]);
	sfs_buf_putc(p->out, '"');
	sfs_json_object_end(p);
}

static void print_token(const struct sfs_cel_value *t,
                        struct sfs_json_printer *p)
{
	if (t->kind == SFS_CEL_INT)
		sfs_json_int(p, t->as.integer);
	else if (t->kind == SFS_CEL_UINT)
		sfs_json_uint(p, t->as.uinteger);
	else if (t->kind == SFS_CEL_STRING)
		sfs_json_string(p, t->as.text.data, t->as.text.len);
	else
		print_bytes(t->as.text, p);
}

static void print_tokens(const struct sfs_sharding *s,
                         struct sfs_json_printer *p)
{
	sfs_json_key(p, "routing_values");
	if (!s->has_tokens) {
		sfs_json_null(p);
		return;
	}
	sfs_json_array_begin(p);
	for (size_t i = 0; i < s->token_count; i++)
		print_token(&s->tokens[i], p);
	sfs_json_array_end(p);
}

void sfs_sharding_print(const struct sfs_sharding *s, struct sfs_buf *out)
{
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, out, true, true);
	sfs_json_object_begin(&p);
	print_columns(s, &p);
	sfs_json_key(&p, "cel_expr");
	if (s->expr.data != NULL)
		sfs_json_string(&p, s->expr.data, s->expr.len);
	else
		sfs_json_null(&p);
	sfs_json_key(&p, "hash_algorithm");
	sfs_json_cstring(&p, "xxh3_64");
	print_tokens(s, &p);
	sfs_json_key(&p, "strategy");
	sfs_json_cstring(&p, s->strategy == SFS_STRATEGY_CEL ? "cel" : "hash");
	sfs_json_object_end(&p);
}
