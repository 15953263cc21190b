/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull tokenizer for JSON. What may come next is told by one state per open
 * container, on a stack of fixed depth, so that no input can make it recurse.
 * Texts are decoded into a scratch buffer that is reused, bounded by the
 * length of the document.
 */
#include "base/json.h"

#include "base/hex.h"
#include "base/keyname.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What comes next in the innermost container. */
enum state {
	ARRAY_FIRST,  /* a value or ']' */
	ARRAY_NEXT,   /* ',' or ']' */
	OBJECT_FIRST, /* a key or '}' */
	OBJECT_VALUE, /* the value of a key */
	OBJECT_NEXT,  /* ',' or '}' */
};

/* Room that a decoded piece may take beyond the document's own length. */
enum { SCRATCH_SLACK = 8 };

enum { SHORT_INTEGER_LEN = 18 }; /* fits 64 bits whatever the digits */

void sfs_json_reader_init(struct sfs_json_reader *r, const char *data,
                          size_t len)
{
	memset(r, 0, sizeof(*r));
	r->data = data;
	r->len = len;
	sfs_buf_init(&r->scratch, len + SCRATCH_SLACK);
}

void sfs_json_reader_release(struct sfs_json_reader *r)
{
	sfs_buf_release(&r->scratch);
}

static enum sfs_rc fail_at(const struct sfs_json_reader *r, size_t pos,
                           const char *what, struct sfs_err *err)
{
	size_t line = 1;
	size_t column = 1;
	size_t i;

	for (i = 0; i < pos; i++) {
		column++;
		if (r->data[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return sfs_err_set(err, SFS_E_CORRUPT, "JSON, line %zu, column %zu: %s",
	                   line, column, what);
}

static enum sfs_rc fail(const struct sfs_json_reader *r, const char *what,
                        struct sfs_err *err)
{
	return fail_at(r, r->pos, what, err);
}

/* The next byte, or NUL, which no token begins with, at the end. */
static char peek(const struct sfs_json_reader *r)
{
	return r->pos < r->len ? r->data[r->pos] : '\0';
}

static void skip_space(struct sfs_json_reader *r)
{
	char c = peek(r);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		r->pos++;
		c = peek(r);
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The four digits behind "\u"; false if they are not there. */
static bool read_hex4(struct sfs_json_reader *r, uint32_t *out)
{
	int digit;
	int i;

	*out = 0;
	for (i = 0; i < 4; i++, r->pos++) {
		digit = sfs_hex_value(peek(r));
		if (digit < 0)
			return false;
		*out = *out << 4 | (uint32_t)digit;
	}
	return true;
}

static void add_code_point(struct sfs_buf *b, uint32_t c)
{
	if (c < 0x80) {
		sfs_buf_putc(b, (char)c);
		return;
	}
	if (c < 0x800) {
		sfs_buf_putc(b, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			sfs_buf_putc(b, (char)(0xe0 | c >> 12));
		} else {
			sfs_buf_putc(b, (char)(0xf0 | c >> 18));
			sfs_buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		sfs_buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	sfs_buf_putc(b, (char)(0x80 | (c & 0x3f)));
}

/* Behind the first half of a pair: takes the second one, if it is there. */
static bool read_low_surrogate(struct sfs_json_reader *r, uint32_t *low)
{
	const size_t from = r->pos;

	if (r->len - r->pos >= 2 && memcmp(r->data + r->pos, "\\u", 2) == 0) {
		r->pos += 2;
		if (read_hex4(r, low) && *low >= 0xdc00 && *low <= 0xdfff)
			return true;
	}
	r->pos = from;
	return false;
}

/* Behind "\u"; a surrogate must come with its other half. */
static enum sfs_rc read_unicode_escape(struct sfs_json_reader *r,
                                       struct sfs_err *err)
{
	uint32_t c;
	uint32_t low;

	if (!read_hex4(r, &c))
		return fail(r, "\\u without four hex digits", err);
	if (c >= 0xd800 && c <= 0xdfff) {
		if (c <= 0xdbff && read_low_surrogate(r, &low))
			c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
		else if (r->is_lax)
			c = 0xfffd;
		else
			return fail(r, "half of a surrogate pair", err);
	}
	add_code_point(&r->scratch, c);
	return SFS_OK;
}

/* Behind a backslash. */
static enum sfs_rc read_escape(struct sfs_json_reader *r, struct sfs_err *err)
{
	static const char names[] = "\"\\/bfnrt";
	static const char bytes[] = "\"\\/\b\f\n\r\t";
	char c = peek(r);
	const char *p = c != '\0' ? strchr(names, c) : NULL;

	if (p != NULL) {
		sfs_buf_putc(&r->scratch, bytes[p - names]);
		r->pos++;
		return SFS_OK;
	}
	if (c != 'u')
		return fail(r, "unknown escape", err);
	r->pos++;
	return read_unicode_escape(r, err);
}

/* The length of the run at pos that stands for itself. */
static size_t plain_run(const struct sfs_json_reader *r)
{
	const uint8_t *p = (const uint8_t *)r->data + r->pos;
	size_t left = r->len - r->pos;
	size_t n = 0;
	size_t step;

	while (n < left && p[n] >= 0x20 && p[n] != '"' && p[n] != '\\') {
		step = p[n] < 0x80 ? 1 : sfs_utf8_sequence(p + n, left - n);
		if (step == 0)
			break;
		n += step;
	}
	return n;
}

/* Behind the opening quote, to behind the closing one. */
static enum sfs_rc read_string(struct sfs_json_reader *r,
                               struct sfs_json_token *token,
                               struct sfs_err *err)
{
	enum sfs_rc rc;
	size_t run;

	sfs_buf_reset(&r->scratch);
	for (;;) {
		run = plain_run(r);
		sfs_buf_add(&r->scratch, r->data + r->pos, run);
		r->pos += run;
		if (r->pos == r->len)
			return fail(r, "string without end", err);
		if (r->data[r->pos] == '"')
			break;
		if ((unsigned char)r->data[r->pos] >= 0x80)
			return fail(r, "bytes that are not UTF-8", err);
		if (r->data[r->pos] != '\\')
			return fail(r, "control character in a string", err);
		r->pos++;
		rc = read_escape(r, err);
		if (rc != SFS_OK)
			return rc;
	}
	rc = sfs_buf_finish(&r->scratch, "JSON string", err);
	if (rc != SFS_OK)
		return rc;
	r->pos++;
	token->text = r->scratch.data;
	token->len = r->scratch.len;
	return SFS_OK;
}

static size_t skip_digits(struct sfs_json_reader *r)
{
	size_t from = r->pos;

	while (is_digit(peek(r)))
		r->pos++;
	return r->pos - from;
}

/* Skips a number; *is_whole tells that it has no fraction or exponent. */
static enum sfs_rc skip_number(struct sfs_json_reader *r, bool *is_whole,
                               struct sfs_err *err)
{
	if (peek(r) == '-')
		r->pos++;
	if (peek(r) == '0')
		r->pos++;
	else if (skip_digits(r) == 0)
		return fail(r, "number without digits", err);
	if (is_digit(peek(r)))
		return fail(r, "number with a leading zero", err);
	*is_whole = true;
	if (peek(r) == '.') {
		*is_whole = false;
		r->pos++;
		if (skip_digits(r) == 0)
			return fail(r, "number without digits", err);
	}
	if (peek(r) != 'e' && peek(r) != 'E')
		return SFS_OK;
	*is_whole = false;
	r->pos++;
	if (peek(r) == '-' || peek(r) == '+')
		r->pos++;
	if (skip_digits(r) == 0)
		return fail(r, "number without digits", err);
	return SFS_OK;
}

/* Any whole number of few digits, without a copy of its text. */
static bool read_short_integer(const char *text, size_t len, int64_t *out)
{
	const bool is_negative = text[0] == '-';
	int64_t value = 0;
	size_t i;

	if (len > SHORT_INTEGER_LEN)
		return false;
	for (i = is_negative ? 1 : 0; i < len; i++)
		value = value * 10 + (text[i] - '0');
	*out = is_negative ? -value : value;
	return true;
}

/* A number as a NUL-terminated text, for the functions of the C library. */
static void read_long_number(const char *text, bool is_whole,
                             struct sfs_json_token *token)
{
	errno = 0;
	if (is_whole)
		token->integer = strtoll(text, NULL, 10);
	if (is_whole && errno == 0) {
		token->number = (double)token->integer;
		return;
	}
	token->integer = 0;
	token->type = SFS_JSON_DOUBLE;
	token->number = strtod(text, NULL);
}

static enum sfs_rc read_number(struct sfs_json_reader *r,
                               struct sfs_json_token *token,
                               struct sfs_err *err)
{
	const char *text = r->data + r->pos;
	const size_t from = r->pos;
	bool is_whole = false;
	enum sfs_rc rc;

	rc = skip_number(r, &is_whole, err);
	if (rc != SFS_OK)
		return rc;
	token->type = SFS_JSON_INT;
	if (is_whole &&
	    read_short_integer(text, r->pos - from, &token->integer)) {
		token->number = (double)token->integer;
		return SFS_OK;
	}
	sfs_buf_reset(&r->scratch);
	sfs_buf_add(&r->scratch, text, r->pos - from);
	rc = sfs_buf_finish(&r->scratch, "JSON number", err);
	if (rc != SFS_OK)
		return rc;
	read_long_number(r->scratch.data, is_whole, token);
	return SFS_OK;
}

static bool take_word(struct sfs_json_reader *r, const char *word)
{
	size_t len = strlen(word);

	if (r->len - r->pos < len || memcmp(r->data + r->pos, word, len) != 0)
		return false;
	r->pos += len;
	return true;
}

static enum sfs_rc read_word(struct sfs_json_reader *r,
                             struct sfs_json_token *token, struct sfs_err *err)
{
	token->type = SFS_JSON_BOOL;
	if (take_word(r, "true")) {
		token->boolean = true;
		return SFS_OK;
	}
	if (take_word(r, "false"))
		return SFS_OK;
	token->type = SFS_JSON_NULL;
	if (take_word(r, "null"))
		return SFS_OK;
	token->type = SFS_JSON_DOUBLE;
	if (take_word(r, "NaN"))
		token->number = (double)NAN;
	else if (take_word(r, "Infinity"))
		token->number = HUGE_VAL;
	else if (take_word(r, "-Infinity"))
		token->number = -HUGE_VAL;
	else
		return fail(r,
		            r->pos == r->len ? "ends too early"
		                             : "no JSON value",
		            err);
	return SFS_OK;
}

static enum sfs_rc open_container(struct sfs_json_reader *r, bool is_array,
                                  struct sfs_json_token *token,
                                  struct sfs_err *err)
{
	if (r->depth == SFS_JSON_DEPTH_MAX)
		return fail(r, "nested too deeply", err);
	r->stack[r->depth++] = is_array ? ARRAY_FIRST : OBJECT_FIRST;
	r->pos++;
	token->type = is_array ? SFS_JSON_ARRAY_BEGIN : SFS_JSON_OBJECT_BEGIN;
	return SFS_OK;
}

/* A value is over: tells the container around it. */
static void end_value(struct sfs_json_reader *r)
{
	uint8_t *top;

	if (r->depth == 0) {
		r->is_complete = true;
		return;
	}
	top = &r->stack[r->depth - 1];
	*top = *top == OBJECT_VALUE ? OBJECT_NEXT : ARRAY_NEXT;
}

static enum sfs_rc close_container(struct sfs_json_reader *r,
                                   enum sfs_json_type type,
                                   struct sfs_json_token *token)
{
	r->pos++;
	r->depth--;
	token->type = type;
	end_value(r);
	return SFS_OK;
}

static enum sfs_rc read_value(struct sfs_json_reader *r,
                              struct sfs_json_token *token, struct sfs_err *err)
{
	enum sfs_rc rc;
	char c = peek(r);
	bool is_negative_word;

	if (c == '{' || c == '[')
		return open_container(r, c == '[', token, err);
	is_negative_word =
		c == '-' && r->len - r->pos > 1 && r->data[r->pos + 1] == 'I';
	if (c == '"') {
		r->pos++;
		token->type = SFS_JSON_STRING;
		rc = read_string(r, token, err);
	} else if (is_digit(c) || (c == '-' && !is_negative_word)) {
		rc = read_number(r, token, err);
	} else {
		rc = read_word(r, token, err);
	}
	if (rc == SFS_OK)
		end_value(r);
	return rc;
}

static enum sfs_rc read_key(struct sfs_json_reader *r,
                            struct sfs_json_token *token, struct sfs_err *err)
{
	enum sfs_rc rc;

	if (peek(r) != '"')
		return fail(r, "member without a name", err);
	r->pos++;
	token->type = SFS_JSON_KEY;
	rc = read_string(r, token, err);
	if (rc != SFS_OK)
		return rc;
	skip_space(r);
	if (peek(r) != ':')
		return fail(r, "no ':' behind a member's name", err);
	r->pos++;
	r->stack[r->depth - 1] = OBJECT_VALUE;
	return SFS_OK;
}

/* At depth 0: the document's one value, or its end. */
static enum sfs_rc read_document(struct sfs_json_reader *r,
                                 struct sfs_json_token *token,
                                 struct sfs_err *err)
{
	if (!r->is_complete)
		return read_value(r, token, err);
	if (r->pos < r->len)
		return fail(r, "bytes behind the document", err);
	token->type = SFS_JSON_END;
	return SFS_OK;
}

enum sfs_rc sfs_json_next(struct sfs_json_reader *r,
                          struct sfs_json_token *token, struct sfs_err *err)
{
	enum state state;

	memset(token, 0, sizeof(*token));
	skip_space(r);
	token->offset = r->pos;
	if (r->depth == 0)
		return read_document(r, token, err);
	state = (enum state)r->stack[r->depth - 1];
	if (state == ARRAY_NEXT || state == ARRAY_FIRST) {
		if (peek(r) == ']')
			return close_container(r, SFS_JSON_ARRAY_END, token);
	} else if (state != OBJECT_VALUE && peek(r) == '}') {
		return close_container(r, SFS_JSON_OBJECT_END, token);
	}
	if (state == ARRAY_NEXT || state == OBJECT_NEXT) {
		if (peek(r) != ',')
			return fail(r, "no ',' between two values", err);
		r->pos++;
		skip_space(r);
		token->offset = r->pos;
	}
	if (state == OBJECT_FIRST || state == OBJECT_NEXT)
		return read_key(r, token, err);
	return read_value(r, token, err);
}

enum sfs_rc sfs_json_skip(struct sfs_json_reader *r, const char **raw,
                          size_t *raw_len, struct sfs_err *err)
{
	const int outside = r->depth;
	struct sfs_json_token token;
	size_t from;
	enum sfs_rc rc;

	rc = sfs_json_next(r, &token, err);
	if (rc != SFS_OK)
		return rc;
	from = token.offset;
	if (r->depth < outside || token.type == SFS_JSON_END ||
	    token.type == SFS_JSON_KEY)
		return fail_at(r, from, "no value to skip", err);
	while (r->depth > outside) {
		rc = sfs_json_next(r, &token, err);
		if (rc != SFS_OK)
			return rc;
	}
	*raw = r->data + from;
	*raw_len = r->pos - from;
	return SFS_OK;
}
