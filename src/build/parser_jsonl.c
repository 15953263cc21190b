/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Lines. A line of the common shape, {"key": K, "value": "text"} with
 * nothing escaped, is read in one pass, in place; it takes only what the JSON
 * reader would take too, with the same result, and leaves every other line
 * and every fault to that one.
 */
#include "build/parser_internal.h"

#include "base/keyname.h"

#include <string.h>

/* What a line said so far. */
struct members {
	enum sfs_field given[SFS_FIELD_CLASSES];
	struct sfs_bytes key;
	struct sfs_bytes value;
	bool is_delete;
};

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
};

enum { INTEGER_DIGITS_MAX = 19 }; /* fits 64 bits whatever the digits */

static void skip_space(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' ||
	                          *c->at == '\r' || *c->at == '\n'))
		c->at++;
}

static bool take_char(struct cursor *c, char want)
{
	skip_space(c);
	if (c->at == c->end || *c->at != (uint8_t)want)
		return false;
	c->at++;
	return true;
}

/* name has its quotes. */
static bool take_name(struct cursor *c, const char *name, size_t len)
{
	skip_space(c);
	if ((size_t)(c->end - c->at) < len || memcmp(c->at, name, len) != 0)
		return false;
	c->at += len;
	return take_char(c, ':');
}

/*
 * Bytes at p, by words, that are ASCII and stand for themselves in a string;
 * at least all but seven of them.
 */
static size_t plain_words(const uint8_t *p, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t tops = ones << 7;
	uint64_t word, odd;
	size_t n;

	for (n = 0; len - n >= sizeof(word); n += sizeof(word)) {
		memcpy(&word, p + n, sizeof(word));
		odd = (word - ones * 0x20) | ((word ^ ones * '"') - ones) |
		      ((word ^ ones * '\\') - ones) | word;
		if ((odd & tops) != 0)
			break;
	}
	return n;
}

/* A string without escapes; false: it is none, or a faulty one. */
static bool take_string(struct cursor *c, struct sfs_bytes *out)
{
	const uint8_t *p;
	size_t step;

	if (!take_char(c, '"'))
		return false;
	for (p = c->at; p < c->end && *p != '"'; p += step) {
		step = plain_words(p, (size_t)(c->end - p));
		if (step > 0)
			continue;
		if (*p < 0x20 || *p == '\\')
			return false;
		step = sfs_utf8_sequence(p, (size_t)(c->end - p));
		if (step == 0)
			return false;
	}
	if (p == c->end)
		return false;
	*out = (struct sfs_bytes){ c->at, (size_t)(p - c->at) };
	c->at = p + 1;
	return true;
}

/* Digits only: what comes behind them is looked at next. */
static bool take_integer(struct sfs_parser *p, struct cursor *c,
                         struct sfs_bytes *out)
{
	const uint8_t *from;
	uint64_t value = 0;

	skip_space(c);
	from = c->at;
	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		if (c->at - from == INTEGER_DIGITS_MAX)
			return false;
		value = value * 10 + (*c->at - '0');
	}
	if (c->at == from || (*from == '0' && c->at - from > 1))
		return false;
	return sfs_field_integer_key(p, value, out);
}

static bool take_key(struct sfs_parser *p, struct cursor *c,
                     struct sfs_bytes *out)
{
	switch (p->config.encoding) {
	case SFS_KEY_U64BE:
	case SFS_KEY_U32BE:
		return take_integer(p, c, out);
	case SFS_KEY_UTF8:
	case SFS_KEY_RAW:
		return take_string(c, out) &&
		       sfs_field_check_key(p, *out) == SFS_OK;
	case SFS_KEY_INVALID:
		break;
	}
	return false;
}

static bool read_common(struct sfs_parser *p, struct sfs_bytes line,
                        struct sfs_record *out)
{
	static const char key[] = "\"key\"";
	static const char value[] = "\"value\"";
	struct cursor c = { line.data, line.data + line.len };

	if (!take_char(&c, '{') || !take_name(&c, key, sizeof(key) - 1) ||
	    !take_key(p, &c, &out->key) || !take_char(&c, ',') ||
	    !take_name(&c, value, sizeof(value) - 1) ||
	    !take_string(&c, &out->value) || !take_char(&c, '}'))
		return false;
	skip_space(&c);
	return c.at == c.end && out->value.len <= p->config.value_max;
}

/* The text of a string; its buffer is changed for the one of its class. */
static struct sfs_bytes take_text(struct sfs_parser *p,
                                  const struct sfs_json_token *token,
                                  enum sfs_field field)
{
	struct sfs_buf *mine = &p->decoded[sfs_field_class(field)];
	struct sfs_buf was = *mine;

	*mine = p->json.scratch;
	mine->max = was.max;
	was.max = p->json.scratch.max;
	p->json.scratch = was;
	return (struct sfs_bytes){ (const uint8_t *)mine->data, token->len };
}

/* The token as the line has it. */
static void quote_token(struct sfs_parser *p,
                        const struct sfs_json_token *token,
                        char out[SFS_PARSER_QUOTE_BYTES])
{
	sfs_parser_quote(p->json.data + token->offset,
	                 p->json.pos - token->offset, out);
}

static enum sfs_rc refuse_type(struct sfs_parser *p, enum sfs_field field,
                               enum sfs_json_type type)
{
	const char *hint = "";

	if (field == SFS_FIELD_VALUE)
		hint = " (value_json takes any JSON)";
	if (field == SFS_FIELD_KEY)
		hint = p->config.encoding == SFS_KEY_UTF8
		               ? " (key_encoding is utf8)"
		               : " (key_encoding is raw)";
	return sfs_parser_refuse(p, "%s: expected a string, got %s%s",
	                         sfs_field_name(field),
	                         sfs_parser_type_name(type), hint);
}

static enum sfs_rc read_key(struct sfs_parser *p, enum sfs_field field,
                            const struct sfs_json_token *token,
                            struct members *m, struct sfs_err *err)
{
	const bool is_number =
		token->type == SFS_JSON_INT || token->type == SFS_JSON_DOUBLE;
	struct sfs_field_text t = { .field = field };
	char quoted[SFS_PARSER_QUOTE_BYTES];

	if (token->type == SFS_JSON_STRING) {
		t.text = take_text(p, token, field);
		return sfs_field_key(p, &t, &m->key, err);
	}
	if (field != SFS_FIELD_KEY || p->config.encoding == SFS_KEY_UTF8 ||
	    p->config.encoding == SFS_KEY_RAW)
		return refuse_type(p, field, token->type);
	if (token->type == SFS_JSON_INT && token->integer >= 0 &&
	    sfs_field_integer_key(p, (uint64_t)token->integer, &m->key))
		return SFS_OK;
	if (!is_number)
		return sfs_field_refuse_integer(
			p, sfs_parser_type_name(token->type));
	quote_token(p, token, quoted);
	return sfs_field_refuse_integer(p, quoted);
}

static enum sfs_rc read_value(struct sfs_parser *p, enum sfs_field field,
                              const struct sfs_json_token *token,
                              struct members *m, struct sfs_err *err)
{
	struct sfs_field_text t = { .field = field };

	if (token->type != SFS_JSON_STRING)
		return refuse_type(p, field, token->type);
	t.text = take_text(p, token, field);
	return sfs_field_value(p, &t, &m->value, err);
}

static enum sfs_rc json_failed(struct sfs_parser *p, enum sfs_rc rc,
                               const struct sfs_err *why, struct sfs_err *err)
{
	return sfs_parser_json_failure(p, rc, "", why, err);
}

static enum sfs_rc read_raw_value(struct sfs_parser *p, struct members *m,
                                  struct sfs_err *err)
{
	struct sfs_err why;
	const char *raw;
	enum sfs_rc rc;

	rc = sfs_json_skip(&p->json, &raw, &m->value.len, &why);
	if (rc != SFS_OK)
		return json_failed(p, rc, &why, err);
	m->value.data = (const uint8_t *)raw;
	return sfs_field_check_value_len(p, m->value.len);
}

/* The value of a member that is known and not there twice. */
static enum sfs_rc read_member(struct sfs_parser *p, enum sfs_field field,
                               struct members *m, struct sfs_err *err)
{
	const enum sfs_field_class class = sfs_field_class(field);
	struct sfs_json_token token;
	struct sfs_err why;
	enum sfs_rc rc;

	m->given[class] = field;
	if (field == SFS_FIELD_VALUE_JSON)
		return read_raw_value(p, m, err);
	if (field == SFS_FIELD_COLUMNS)
		return sfs_parser_columns_read(p, err);
	rc = sfs_json_next(&p->json, &token, &why);
	if (rc != SFS_OK)
		return json_failed(p, rc, &why, err);
	if (class == SFS_FIELD_OF_KEY)
		return read_key(p, field, &token, m, err);
	if (class == SFS_FIELD_OF_VALUE)
		return read_value(p, field, &token, m, err);
	if (token.type != SFS_JSON_BOOL)
		return sfs_parser_refuse(
			p, "delete: expected true or false, got %s",
			sfs_parser_type_name(token.type));
	m->is_delete = token.boolean;
	return SFS_OK;
}

static enum sfs_rc check_name(struct sfs_parser *p, enum sfs_field field,
                              const struct sfs_json_token *name,
                              const struct members *m)
{
	enum sfs_field given = m->given[sfs_field_class(field)];

	if (field == SFS_FIELD_NONE)
		return sfs_field_refuse_name(p, "member", name->text,
		                             name->len);
	if (given == field)
		return sfs_parser_refuse(p, "%s: is there twice",
		                         sfs_field_name(field));
	if (given != SFS_FIELD_NONE)
		return sfs_parser_refuse(p, "%s: there is %s already",
		                         sfs_field_name(field),
		                         sfs_field_name(given));
	return sfs_field_check(p, field);
}

static enum sfs_rc check_members(struct sfs_parser *p, const struct members *m)
{
	const bool has_value = m->given[SFS_FIELD_OF_VALUE] != SFS_FIELD_NONE;

	if (m->given[SFS_FIELD_OF_KEY] == SFS_FIELD_NONE)
		return sfs_parser_refuse(p, "no key: expected the member key");
	if (m->is_delete && has_value)
		return sfs_parser_refuse(
			p, "delete is true, and there is %s",
			sfs_field_name(m->given[SFS_FIELD_OF_VALUE]));
	if (!m->is_delete && !has_value)
		return sfs_parser_refuse(
			p, "no value: expected value, value_base64, "
			   "value_json, or \"delete\": true");
	return SFS_OK;
}

/* Behind '{', to the end of the line. */
static enum sfs_rc read_members(struct sfs_parser *p, struct members *m,
                                struct sfs_err *err)
{
	struct sfs_json_token token;
	enum sfs_field field;
	struct sfs_err why;
	enum sfs_rc rc;

	for (;;) {
		rc = sfs_json_next(&p->json, &token, &why);
		if (rc != SFS_OK)
			return json_failed(p, rc, &why, err);
		if (token.type == SFS_JSON_OBJECT_END)
			continue; /* to the end of the document */
		if (token.type != SFS_JSON_KEY)
			return check_members(p, m);
		field = sfs_field_of_name(token.text, token.len);
		rc = check_name(p, field, &token, m);
		if (rc == SFS_OK)
			rc = read_member(p, field, m, err);
		if (rc != SFS_OK)
			return rc;
	}
}

static enum sfs_rc read_any(struct sfs_parser *p, struct sfs_bytes line,
                            struct sfs_record *out, struct sfs_err *err)
{
	struct sfs_json_token token;
	struct members m = { 0 };
	struct sfs_err why;
	enum sfs_rc rc;

	sfs_parser_json_init(p, (const char *)line.data, line.len);
	rc = sfs_json_next(&p->json, &token, &why);
	if (rc != SFS_OK)
		return json_failed(p, rc, &why, err);
	if (token.type != SFS_JSON_OBJECT_BEGIN)
		return sfs_parser_refuse(p, "expected an object, got %s",
		                         sfs_parser_type_name(token.type));
	sfs_parser_columns_begin(p);
	rc = read_members(p, &m, err);
	if (rc == SFS_OK)
		rc = sfs_parser_columns_end(p, out);
	out->key = m.key;
	out->value = m.value;
	out->is_delete = m.is_delete;
	return rc;
}

enum sfs_rc sfs_jsonl_read(struct sfs_parser *p, struct sfs_bytes line,
                           struct sfs_record *out, bool *found,
                           struct sfs_err *err)
{
	struct cursor c = { line.data, line.data + line.len };

	skip_space(&c);
	*found = c.at < c.end;
	if (!*found || (!p->is_slow && !p->config.needs_columns &&
	                read_common(p, line, out)))
		return SFS_OK;
	return read_any(p, line, out, err);
}
