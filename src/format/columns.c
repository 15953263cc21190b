/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of columns from their texts and back. Texts come from path names and
 * command lines; a value has one canonical text, so that equal contexts have
 * equal names.
 */
#include "format/columns.h"

#include "base/json.h"
#include "base/keyname.h"
#include "base/nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 400 }; /* a decimal number's text, with the NUL */

void sfs_columns_init(struct sfs_columns *c)
{
	memset(c->values, 0, sizeof(c->values));
	sfs_buf_init(&c->texts, (size_t)SFS_COLUMNS_MAX * SFS_TOKEN_MAX_BYTES);
}

void sfs_columns_release(struct sfs_columns *c)
{
	sfs_buf_release(&c->texts);
	memset(c->values, 0, sizeof(c->values));
}

static bool is_text_kind(enum sfs_cel_kind kind)
{
	return kind == SFS_CEL_STRING || kind == SFS_CEL_BYTES;
}

static bool read_uint(struct sfs_cel_text text, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	unsigned digit;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		digit = (unsigned)(text.data[i] - '0');
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return text.len > 0;
}

static bool read_int(struct sfs_cel_text text, int64_t *out)
{
	bool is_negative = text.len > 0 && text.data[0] == '-';
	uint64_t max = (uint64_t)INT64_MAX + is_negative;
	uint64_t value;

	text.data += is_negative;
	text.len -= is_negative;
	if (!read_uint(text, max, &value))
		return false;
	*out = (int64_t)(is_negative ? 0 - value : value);
	return true;
}

/* Decimal only: strtod() would take hexadecimal, infinity and spaces too. */
static bool read_double(struct sfs_cel_text text, double *out)
{
	char copy[NUMBER_BYTES];
	char *end;

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (strspn(copy, "0123456789.eE+-") != text.len ||
	    strchr("0123456789.-", copy[0]) == NULL)
		return false;
	errno = 0;
	*out = strtod(copy, &end);
	/* too small is 0 or near it; too large is no number */
	return *end == '\0' && !(errno == ERANGE && (*out > 1 || *out < -1));
}

static bool read_bool(struct sfs_cel_text text, bool *out)
{
	*out = text.len == 4;
	return (text.len == 4 && memcmp(text.data, "true", 4) == 0) ||
	       (text.len == 5 && memcmp(text.data, "false", 5) == 0);
}

/* Texts stay borrowed. */
static bool read_value(enum sfs_cel_kind kind, struct sfs_cel_text text,
                       struct sfs_cel_value *out)
{
	out->kind = kind;
	if (kind == SFS_CEL_INT)
		return read_int(text, &out->as.integer);
	if (kind == SFS_CEL_UINT)
		return read_uint(text, UINT64_MAX, &out->as.uinteger);
	if (kind == SFS_CEL_DOUBLE)
		return read_double(text, &out->as.number);
	if (kind == SFS_CEL_BOOL)
		return read_bool(text, &out->as.boolean);
	out->as.text = text;
	return kind == SFS_CEL_BYTES ||
	       sfs_utf8_is_valid((const uint8_t *)text.data, text.len);
}

/* Copies a text into the buffer, whose other texts may move. */
static enum sfs_rc keep_text(struct sfs_columns *c, struct sfs_cel_text *text,
                             struct sfs_err *err)
{
	const char *old = c->texts.data;
	size_t at = c->texts.len;

	/* a NUL of its own, so that an empty text points to something */
	sfs_buf_add(&c->texts, text->data, text->len);
	sfs_buf_putc(&c->texts, '\0');
	if (c->texts.failed != SFS_OK)
		return sfs_buf_finish(&c->texts, "the columns", err);
	for (size_t i = 0; old != NULL && i < SFS_COLUMNS_MAX; i++) {
		struct sfs_cel_value *v = &c->values[i];

		if (is_text_kind(v->kind))
			v->as.text.data =
				c->texts.data + (v->as.text.data - old);
	}
	text->data = c->texts.data + at;
	return SFS_OK;
}

static enum sfs_rc refuse_name(const struct sfs_sharding *s,
                               struct sfs_cel_text name, struct sfs_err *err)
{
	int len = name.len < 100 ? (int)name.len : 100;
	struct sfs_nearest nearest;

	sfs_nearest_begin(&nearest, name.data, name.len, NULL);
	for (size_t i = 0; i < s->column_count; i++)
		(void)sfs_nearest_consider(&nearest, s->columns[i].name);
	if (nearest.best != NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "no column is called %.*s; did you mean %s?",
		                   len, name.data, nearest.best);
	if (s->column_count == 0)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "no column is called %.*s: keys are routed "
		                   "by hash",
		                   len, name.data);
	return sfs_err_set(err, SFS_E_INVALID,
	                   "no column is called %.*s; the first is %s", len,
	                   name.data, s->columns[0].name);
}

enum sfs_rc sfs_columns_set(struct sfs_columns *c, const struct sfs_sharding *s,
                            struct sfs_cel_text name, struct sfs_cel_text text,
                            struct sfs_err *err)
{
	size_t at = sfs_sharding_column(s, name.data, name.len);
	int shown = text.len < 100 ? (int)text.len : 100;
	const struct sfs_column *column;
	struct sfs_cel_value value;
	enum sfs_rc rc;

	if (at == s->column_count)
		return refuse_name(s, name, err);
	column = &s->columns[at];
	if (c->values[at].kind != SFS_CEL_INVALID)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "column %s is there twice", column->name);
	if (!read_value(column->kind, text, &value))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "column %s: \"%.*s\" is no %s", column->name,
		                   shown, text.data,
		                   sfs_column_kind_text(column->kind));
	if (is_text_kind(value.kind)) {
		rc = keep_text(c, &value.as.text, err);
		if (rc != SFS_OK)
			return rc;
	}
	c->values[at] = value;
	return SFS_OK;
}

enum sfs_rc sfs_columns_set_name(struct sfs_columns *c,
                                 const struct sfs_sharding *s, const char *name,
                                 size_t len, struct sfs_err *err)
{
	const char *equals = len > 0 ? memchr(name, '=', len) : NULL;
	int shown = len < 100 ? (int)len : 100;
	struct sfs_buf decoded = SFS_BUF_INIT(SFS_TOKEN_MAX_BYTES);
	struct sfs_cel_text column = { name, 0 };
	struct sfs_cel_text text = { "", 0 };
	enum sfs_rc rc = SFS_OK;
	uint8_t *room;

	if (equals == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%.*s is not COLUMN=VALUE", shown, name);
	column.len = (size_t)(equals - name);
	len -= column.len + 1;
	room = sfs_buf_reserve(&decoded, len);
	if (room == NULL)
		rc = sfs_buf_finish(&decoded, "a column's value", err);
	else if (len > 0 && !sfs_keyname_decode(equals + 1, len, room, &len))
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "%.*s holds a %% without two hexadecimal "
		                 "digits",
		                 shown, name);
	if (rc == SFS_OK) {
		text = (struct sfs_cel_text){ (const char *)room, len };
		rc = sfs_columns_set(c, s, column, text, err);
	}
	sfs_buf_release(&decoded);
	return rc;
}

bool sfs_columns_are_complete(const struct sfs_columns *c,
                              const struct sfs_sharding *s,
                              const char **missing)
{
	for (size_t i = 0; i < s->column_count; i++) {
		if (c->values[i].kind != SFS_CEL_INVALID ||
		    strcmp(s->columns[i].name, "key") == 0)
			continue;
		if (missing != NULL)
			*missing = s->columns[i].name;
		return false;
	}
	return true;
}

static void print_text(struct sfs_cel_text text, struct sfs_buf *out)
{
	size_t cap = text.len * 3 + 2; /* at most three bytes for one */
	char *room = sfs_buf_reserve(out, cap);
	size_t len;

	if (room != NULL &&
	    sfs_keyname_encode((const uint8_t *)text.data, text.len, room, cap,
	                       &len) == SFS_OK)
		out->len += len;
}

static void print_value(const struct sfs_cel_value *v, struct sfs_buf *out)
{
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, out, true, true);
	if (v->kind == SFS_CEL_INT)
		sfs_json_int(&p, v->as.integer);
	else if (v->kind == SFS_CEL_UINT)
		sfs_json_uint(&p, v->as.uinteger);
	else if (v->kind == SFS_CEL_DOUBLE)
		sfs_json_double(&p, v->as.number);
	else if (v->kind == SFS_CEL_BOOL)
		sfs_json_bool(&p, v->as.boolean);
	else
		print_text(v->as.text, out);
}

void sfs_columns_print(const struct sfs_columns *c,
                       const struct sfs_sharding *s, struct sfs_buf *out)
{
	size_t order[SFS_COLUMNS_MAX];
	const char *between = "";

	sfs_sharding_order(s, order);
	for (size_t i = 0; i < s->column_count; i++) {
		const struct sfs_cel_value *v = &c->values[order[i]];

		if (v->kind == SFS_CEL_INVALID)
			continue;
		sfs_buf_printf(out, "%s%s=", between,
		               s->columns[order[i]].name);
		print_value(v, out);
		between = "/";
	}
}
