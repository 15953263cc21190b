/* SPDX-License-Identifier: Apache-2.0 */
/* Reads vectors of CEL: typed values as JSON. */
#include "unit/cel_vectors.h"

#include "base/json.h"
#include "cel/functions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reader {
	struct sfs_json_reader json;
	struct sfs_json_token token;
	struct sfs_cel_pool *pool;
	struct sfs_err *err;
};

static bool fail(struct reader *r, const char *what)
{
	(void)sfs_err_set(r->err, SFS_E_CORRUPT, "%s at byte %zu", what,
	                  r->token.offset);
	return false;
}

static bool next(struct reader *r)
{
	return sfs_json_next(&r->json, &r->token, r->err) == SFS_OK;
}

static bool skip(struct reader *r)
{
	const char *raw;
	size_t len;

	return sfs_json_skip(&r->json, &raw, &len, r->err) == SFS_OK;
}

static void *get(struct reader *r, size_t size)
{
	void *p = sfs_cel_pool_get(r->pool, size);

	if (p == NULL)
		(void)fail(r, "a vector is too large");
	return p;
}

/* The token's text, with a NUL behind it. */
static bool keep(struct reader *r, struct sfs_cel_text *out)
{
	char *copy;

	if (r->token.type != SFS_JSON_STRING && r->token.type != SFS_JSON_KEY)
		return fail(r, "a string is expected");
	copy = get(r, r->token.len + 1);
	if (copy == NULL)
		return false;
	memcpy(copy, r->token.text, r->token.len + 1);
	out->data = copy;
	out->len = r->token.len;
	return true;
}

static bool next_text(struct reader *r, struct sfs_cel_text *out)
{
	return next(r) && keep(r, out);
}

static bool next_word(struct reader *r, const char **out)
{
	struct sfs_cel_text text;

	if (!next_text(r, &text))
		return false;
	*out = text.data;
	return true;
}

static bool next_bool(struct reader *r, bool *out)
{
	if (!next(r) || r->token.type != SFS_JSON_BOOL)
		return fail(r, "true or false is expected");
	*out = r->token.boolean;
	return true;
}

static bool token_is(const struct reader *r, const char *name)
{
	return strcmp(r->token.text, name) == 0;
}

/* The value in a list of unknown length: they are chained until its end. */
struct link {
	struct link *next;
	struct sfs_cel_value value;
};

static bool read_value(struct reader *r, struct sfs_cel_value *out);

/*
 * Behind the "[" of a list or, with each two values in brackets of their own,
 * of a map; count is that of values.
 */
static bool read_items(struct reader *r, bool is_map,
                       const struct sfs_cel_value **items, size_t *count)
{
	struct link *first = NULL;
	struct link **last = &first;
	struct sfs_cel_value *array;
	size_t n = 0;

	for (;;) {
		if (!next(r))
			return false;
		if (is_map && r->token.type == SFS_JSON_ARRAY_BEGIN && !next(r))
			return false;
		if (r->token.type == SFS_JSON_ARRAY_END) {
			if (!is_map || n % 2 == 0)
				break;
			return fail(r, "a key without a value");
		}
		*last = get(r, sizeof(**last));
		if (*last == NULL)
			return false;
		(*last)->next = NULL;
		if (!read_value(r, &(*last)->value))
			return false;
		last = &(*last)->next;
		n++;
		if (is_map && n % 2 == 0 &&
		    (!next(r) || r->token.type != SFS_JSON_ARRAY_END))
			return fail(r, "a key has one value");
	}
	array = get(r, n * sizeof(*array));
	if (array == NULL)
		return false;
	*items = array;
	*count = n;
	for (const struct link *l = first; l != NULL; l = l->next)
		*array++ = l->value;
	return true;
}

static bool read_list(struct reader *r, struct sfs_cel_value *out)
{
	struct sfs_cel_list *list = get(r, sizeof(*list));

	out->as.list = list;
	return list != NULL && read_items(r, false, &list->items, &list->count);
}

static bool read_map(struct reader *r, struct sfs_cel_value *out)
{
	struct sfs_cel_map *map = get(r, sizeof(*map));
	size_t count;

	out->as.map = map;
	if (map == NULL || !read_items(r, true, &map->pairs, &count))
		return false;
	map->count = count / 2;
	return true;
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c == '\0' ? NULL : strchr(digits, c);

	return found == NULL ? -1 : (int)(found - digits);
}

static bool read_base64(struct reader *r, struct sfs_cel_value *out)
{
	const char *text = r->token.text;
	char *bytes = get(r, r->token.len);
	uint32_t bits = 0;
	unsigned count = 0;

	if (bytes == NULL)
		return false;
	out->as.text.data = bytes;
	for (; base64_digit(*text) >= 0; text++) {
		bits = bits << 6 | (uint32_t)base64_digit(*text);
		count += 6;
		if (count >= 8) {
			count -= 8;
			*bytes++ = (char)(bits >> count);
		}
	}
	out->as.text.len = (size_t)(bytes - out->as.text.data);
	return *text == '=' || *text == '\0' || fail(r, "no base64");
}

static bool read_number(struct reader *r, struct sfs_cel_value *out)
{
	const char *text = r->token.text;
	char *end;

	errno = 0;
	if (out->kind == SFS_CEL_INT)
		out->as.integer = strtoll(text, &end, 10);
	else if (out->kind == SFS_CEL_UINT)
		out->as.uinteger = strtoull(text, &end, 10);
	else
		out->as.number = strtod(text, &end);
	if (end == text || *end != '\0' ||
	    (errno != 0 && out->kind != SFS_CEL_DOUBLE))
		return fail(r, "a number is expected");
	return true;
}

static bool read_type_name(struct reader *r, struct sfs_cel_value *out)
{
	out->as.type = sfs_cel_type_parse(r->pool, r->token.text);
	return out->as.type != NULL || fail(r, "no type");
}

/* {"seconds": "1", "nanos": 2} */
static bool read_time(struct reader *r, struct sfs_cel_value *out)
{
	const char *seconds;

	while (next(r) && r->token.type == SFS_JSON_KEY) {
		if (token_is(r, "seconds")) {
			if (!next_word(r, &seconds))
				return false;
			out->as.time.seconds = strtoll(seconds, NULL, 10);
		} else {
			if (!next(r) || r->token.type != SFS_JSON_INT)
				return fail(r, "nanoseconds are expected");
			out->as.time.nanos = (int32_t)r->token.integer;
		}
	}
	return r->token.type == SFS_JSON_OBJECT_END;
}

static bool read_by_kind(struct reader *r, struct sfs_cel_value *out)
{
	const enum sfs_json_type type = r->token.type;

	switch (out->kind) {
	case SFS_CEL_NULL:
		return type == SFS_JSON_NULL || fail(r, "null is expected");
	case SFS_CEL_BOOL:
		out->as.boolean = r->token.boolean;
		return type == SFS_JSON_BOOL || fail(r, "a bool is expected");
	case SFS_CEL_LIST:
		return type == SFS_JSON_ARRAY_BEGIN ? read_list(r, out)
		                                    : fail(r, "no list");
	case SFS_CEL_MAP:
		return type == SFS_JSON_ARRAY_BEGIN ? read_map(r, out)
		                                    : fail(r, "no map");
	case SFS_CEL_STRING:
		return keep(r, &out->as.text);
	case SFS_CEL_INT:
	case SFS_CEL_UINT:
	case SFS_CEL_DOUBLE:
		return type == SFS_JSON_STRING ? read_number(r, out)
		                               : fail(r, "no text of a number");
	case SFS_CEL_BYTES:
		return type == SFS_JSON_STRING ? read_base64(r, out)
		                               : fail(r, "no base64");
	case SFS_CEL_TYPE:
		return type == SFS_JSON_STRING ? read_type_name(r, out)
		                               : fail(r, "no name of a type");
	case SFS_CEL_TIMESTAMP:
	case SFS_CEL_DURATION:
		return type == SFS_JSON_OBJECT_BEGIN ? read_time(r, out)
		                                     : fail(r, "no time");
	case SFS_CEL_INVALID:
	case SFS_CEL_DYN:
	case SFS_CEL_ERROR:
		break;
	}
	return fail(r, "no value of that type");
}

/* The "{" of a typed value is the token: {"type": T, "value": V}. */
static bool read_value(struct reader *r, struct sfs_cel_value *out)
{
	const struct sfs_cel_type *type = NULL;

	memset(out, 0, sizeof(*out));
	if (r->token.type != SFS_JSON_OBJECT_BEGIN)
		return fail(r, "a typed value is expected");
	while (next(r) && r->token.type == SFS_JSON_KEY) {
		if (token_is(r, "type")) {
			if (!next(r))
				return false;
			type = sfs_cel_type_parse(r->pool, r->token.text);
			if (type == NULL)
				return fail(r, "no type");
			out->kind = type->kind;
		} else if (!next(r) || !read_by_kind(r, out)) {
			return false;
		}
	}
	return r->token.type == SFS_JSON_OBJECT_END &&
	       (type != NULL || fail(r, "a value without a type"));
}

/* The index of a variable, new or known; -1: there are too many. */
static int variable(struct cel_vector *v, const char *name)
{
	size_t i;

	for (i = 0; i < v->count; i++) {
		if (strcmp(v->variables[i].name, name) == 0)
			return (int)i;
	}
	if (i == CEL_VECTOR_VARIABLES_MAX)
		return -1;
	v->variables[i].name = name;
	v->variables[i].type = "dyn";
	v->count++;
	return (int)i;
}

/* {"x": "int"} or {"x": {"type": "int", "value": "1"}} */
static bool read_variables(struct reader *r, bool is_binding,
                           struct cel_vector *v)
{
	struct sfs_cel_text name;
	int i;

	if (!next(r) || r->token.type != SFS_JSON_OBJECT_BEGIN)
		return fail(r, "an object is expected");
	while (next(r) && r->token.type == SFS_JSON_KEY) {
		if (!keep(r, &name))
			return false;
		i = variable(v, name.data);
		if (i < 0)
			return fail(r, "too many variables");
		if (is_binding && (!next(r) || !read_value(r, &v->values[i])))
			return false;
		if (!is_binding && !next_word(r, &v->variables[i].type))
			return false;
	}
	return r->token.type == SFS_JSON_OBJECT_END;
}

/* The name of a member is the token. */
static bool read_member(struct reader *r, struct cel_vector *v)
{
	const struct {
		const char *name;
		const char **where;
	} words[] = {
		{ "file", &v->file },
		{ "section", &v->section },
		{ "name", &v->name },
		{ "tier", &v->tier },
		{ "phase", &v->phase },
		{ "says", &v->says },
		{ "deduced_type", &v->deduced_type },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (token_is(r, words[i].name))
			return next_word(r, words[i].where);
	}
	if (token_is(r, "expr"))
		return next_text(r, &v->expr);
	if (token_is(r, "check"))
		return next_bool(r, &v->is_checked);
	if (token_is(r, "error"))
		return next_bool(r, &v->is_error);
	if (token_is(r, "vars"))
		return read_variables(r, false, v);
	if (token_is(r, "bindings"))
		return read_variables(r, true, v);
	if (token_is(r, "result"))
		return next(r) && read_value(r, &v->result);
	return skip(r);
}

bool cel_vector_read(const char *line, size_t len, struct sfs_cel_pool *pool,
                     struct cel_vector *out, struct sfs_err *why)
{
	struct reader r = { .pool = pool, .err = why };
	bool is_read;

	memset(out, 0, sizeof(*out));
	out->file = "";
	out->section = "";
	out->name = "";
	out->tier = "";
	out->is_checked = true;
	sfs_json_reader_init(&r.json, line, len);
	is_read = next(&r) && r.token.type == SFS_JSON_OBJECT_BEGIN;
	while (is_read && next(&r) && r.token.type == SFS_JSON_KEY)
		is_read = read_member(&r, out);
	is_read = is_read && r.token.type == SFS_JSON_OBJECT_END;
	if (is_read && out->expr.data == NULL)
		is_read = fail(&r, "a vector without \"expr\"");
	if (is_read && !out->is_error && out->result.kind == SFS_CEL_INVALID)
		is_read = fail(&r, "a vector without \"result\"");
	sfs_json_reader_release(&r.json);
	return is_read;
}
