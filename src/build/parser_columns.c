/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing columns of records: the member "columns" of a JSON line, cells of a
 * table. A value is of its column's type exactly, since another type would be
 * another shard; bytes are Base64.
 */
#include "build/parser_internal.h"

#include "base/nearest.h"

#include <string.h>

const char *sfs_parser_type_name(enum sfs_json_type type)
{
	switch (type) {
	case SFS_JSON_NULL:
		return "null";
	case SFS_JSON_BOOL:
		return "a boolean";
	case SFS_JSON_INT:
	case SFS_JSON_DOUBLE:
		return "a number";
	case SFS_JSON_STRING:
		return "a string";
	case SFS_JSON_OBJECT_BEGIN:
		return "an object";
	case SFS_JSON_ARRAY_BEGIN:
		return "an array";
	case SFS_JSON_END:
	case SFS_JSON_KEY:
	case SFS_JSON_OBJECT_END:
	case SFS_JSON_ARRAY_END:
		break;
	}
	return "nothing";
}

void sfs_parser_columns_begin(struct sfs_parser *p)
{
	const struct sfs_sharding *s = p->config.sharding;

	for (size_t i = 0; s != NULL && i < s->column_count; i++)
		p->columns_of.values[i].kind = SFS_CEL_INVALID;
	sfs_buf_reset(&p->columns_of.texts);
}

enum sfs_rc sfs_parser_column_find(struct sfs_parser *p, const char *name,
                                   size_t len, size_t *out)
{
	const struct sfs_sharding *s = p->config.sharding;
	char quoted[SFS_PARSER_QUOTE_BYTES];
	struct sfs_nearest nearest;

	*out = sfs_sharding_column(s, name, len);
	if (len == 3 && memcmp(name, "key", 3) == 0)
		return sfs_parser_refuse(p, "column key: is the record's key; "
		                            "leave it out");
	if (*out < s->column_count)
		return SFS_OK;
	sfs_parser_quote(name, len, quoted);
	sfs_nearest_begin(&nearest, name, len, NULL);
	for (size_t i = 0; i < s->column_count; i++)
		(void)sfs_nearest_consider(&nearest, s->columns[i].name);
	if (nearest.best != NULL)
		return sfs_parser_refuse(p,
		                         "unknown column %s: did you mean "
		                         "%.100s?",
		                         quoted, nearest.best);
	return sfs_parser_refuse(
		p,
		"unknown column %s: cel_columns in config.yaml "
		"names them",
		quoted);
}

/* Bytes from Base64, in the scratch of columns. */
static enum sfs_rc decode(struct sfs_parser *p, size_t at,
                          struct sfs_bytes *text, struct sfs_err *err)
{
	struct sfs_buf *room = &p->decoded[SFS_FIELD_OF_COLUMNS];
	uint8_t *out = (uint8_t *)room->data;
	size_t len;

	if (out == NULL || text->data != out) {
		sfs_buf_reset(room);
		out = sfs_buf_reserve(room, text->len);
	}
	if (out == NULL)
		return sfs_buf_finish(room, "parser", err);
	if (!sfs_parser_decode_base64(*text, out, &len))
		return sfs_parser_refuse(p,
		                         "column %.100s: expected bytes in "
		                         "Base64 with + and /, padded with =",
		                         p->config.sharding->columns[at].name);
	*text = (struct sfs_bytes){ out, len };
	return SFS_OK;
}

enum sfs_rc sfs_parser_column_set(struct sfs_parser *p, size_t at,
                                  struct sfs_bytes text, struct sfs_err *err)
{
	const struct sfs_sharding *s = p->config.sharding;
	const struct sfs_column *column = &s->columns[at];
	struct sfs_err why;
	enum sfs_rc rc = SFS_OK;

	if (column->kind == SFS_CEL_BYTES)
		rc = decode(p, at, &text, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_columns_set(
		&p->columns_of, s,
		(struct sfs_cel_text){ column->name, strlen(column->name) },
		(struct sfs_cel_text){
			text.len > 0 ? (const char *)text.data : "", text.len },
		&why);
	if (rc == SFS_OK)
		return SFS_OK;
	if (rc == SFS_E_NO_MEMORY)
		return sfs_err_set(err, rc, "%s", why.msg);
	if (rc == SFS_E_INVALID &&
	    p->columns_of.values[at].kind == SFS_CEL_INVALID) {
		char quoted[SFS_PARSER_QUOTE_BYTES];

		sfs_parser_quote(text.data, text.len, quoted);
		return sfs_parser_refuse(
			p, "column %.100s: expected %s, got %s", column->name,
			sfs_column_kind_text(column->kind), quoted);
	}
	return sfs_parser_refuse(p, "%.200s", why.msg);
}

/* --- JSON ---------------------------------------------------------------- */

/* Whether a column of that kind may be written as such a token. */
static bool fits(enum sfs_cel_kind kind, enum sfs_json_type type)
{
	if (kind == SFS_CEL_INT)
		return type == SFS_JSON_INT;
	if (kind == SFS_CEL_UINT || kind == SFS_CEL_DOUBLE)
		return type == SFS_JSON_INT || type == SFS_JSON_DOUBLE;
	if (kind == SFS_CEL_BOOL)
		return type == SFS_JSON_BOOL;
	return type == SFS_JSON_STRING;
}

static enum sfs_rc json_failed(struct sfs_parser *p, enum sfs_rc rc,
                               const struct sfs_err *why, struct sfs_err *err)
{
	return sfs_parser_json_failure(p, rc, "columns: ", why, err);
}

static enum sfs_rc read_value(struct sfs_parser *p, size_t at,
                              struct sfs_err *err)
{
	const struct sfs_column *column = &p->config.sharding->columns[at];
	char quoted[SFS_PARSER_QUOTE_BYTES];
	struct sfs_json_token t;
	struct sfs_bytes text;
	struct sfs_err why;
	enum sfs_rc rc;

	rc = sfs_json_next(&p->json, &t, &why);
	if (rc != SFS_OK)
		return json_failed(p, rc, &why, err);
	/* numbers as they are written: 64 bits are more than a double has */
	text = (struct sfs_bytes){ (const uint8_t *)p->json.data + t.offset,
		                   p->json.pos - t.offset };
	if (!fits(column->kind, t.type)) {
		sfs_parser_quote(text.data, text.len, quoted);
		return sfs_parser_refuse(
			p, "column %.100s: expected %s, got %s", column->name,
			sfs_column_kind_text(column->kind),
			t.type == SFS_JSON_OBJECT_BEGIN ||
					t.type == SFS_JSON_ARRAY_BEGIN
				? sfs_parser_type_name(t.type)
				: quoted);
	}
	if (t.type == SFS_JSON_STRING)
		text = (struct sfs_bytes){ (const uint8_t *)t.text, t.len };
	return sfs_parser_column_set(p, at, text, err);
}

enum sfs_rc sfs_parser_columns_read(struct sfs_parser *p, struct sfs_err *err)
{
	struct sfs_json_token t;
	struct sfs_err why;
	enum sfs_rc rc;
	size_t at;

	rc = sfs_json_next(&p->json, &t, &why);
	if (rc != SFS_OK)
		return json_failed(p, rc, &why, err);
	if (t.type != SFS_JSON_OBJECT_BEGIN)
		return sfs_parser_refuse(p,
		                         "columns: expected an object, got %s",
		                         sfs_parser_type_name(t.type));
	for (;;) {
		rc = sfs_json_next(&p->json, &t, &why);
		if (rc != SFS_OK)
			return json_failed(p, rc, &why, err);
		if (t.type != SFS_JSON_KEY)
			return SFS_OK;
		rc = sfs_parser_column_find(p, t.text, t.len, &at);
		if (rc == SFS_OK)
			rc = read_value(p, at, err);
		if (rc != SFS_OK)
			return rc;
	}
}

enum sfs_rc sfs_parser_columns_end(struct sfs_parser *p, struct sfs_record *out)
{
	const struct sfs_sharding *s = p->config.sharding;
	const char *missing;

	if (s == NULL)
		return SFS_OK;
	out->columns = &p->columns_of;
	if (!p->config.needs_columns ||
	    sfs_columns_are_complete(&p->columns_of, s, &missing))
		return SFS_OK;
	return sfs_parser_refuse(p,
	                         "no column %.100s: keys are routed by it, "
	                         "expected it in columns",
	                         missing);
}
