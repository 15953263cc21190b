/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What literals stand for: numbers that must fit their type, and the escapes
 * of strings and bytes. \x and octal escapes are a code point in a string and
 * one octet in bytes; \u and \U have no meaning in bytes.
 */
#include "cel/lexer.h"

#include "base/hex.h"
#include "cel/ast.h"

#include <string.h>

/* False: more than 64 bits. */
static bool read_digits(struct sfs_cel_text digits, unsigned base,
                        uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < digits.len; i++) {
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(
			    value, (uint64_t)sfs_hex_value(digits.data[i]),
			    &value))
			return false;
	}
	*out = value;
	return true;
}

static bool read_integer(struct sfs_cel_text text, uint64_t *out)
{
	unsigned base = 10;

	if (text.len > 2 && text.data[1] == 'x') {
		base = 16;
		text.data += 2;
		text.len -= 2;
	}
	return read_digits(text, base, out);
}

static bool set_int(uint64_t magnitude, bool is_negative,
                    struct sfs_cel_value *out)
{
	const uint64_t max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);

	if (magnitude > max)
		return false;
	out->kind = SFS_CEL_INT;
	if (magnitude > INT64_MAX)
		out->as.integer = INT64_MIN;
	else
		out->as.integer =
			is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
	return true;
}

/* As upstream: what is larger than any double is infinite. */
static void set_double(struct sfs_cel_text text, bool is_negative,
                       struct sfs_cel_value *out)
{
	const double value = strtod(text.data, NULL);

	out->kind = SFS_CEL_DOUBLE;
	out->as.number = is_negative ? -value : value;
}

enum sfs_rc sfs_cel_literal_number(struct sfs_cel_text source,
                                   const struct sfs_cel_token *token,
                                   bool is_negative, struct sfs_cel_value *out,
                                   struct sfs_err *err)
{
	struct sfs_cel_text text = token->text;
	uint64_t magnitude;

	if (token->kind == SFS_CEL_TOKEN_DOUBLE) {
		set_double(text, is_negative, out);
		return SFS_OK;
	}
	if (token->kind == SFS_CEL_TOKEN_UINT) {
		text.len--;
		out->kind = SFS_CEL_UINT;
		if (read_integer(text, &out->as.uinteger))
			return SFS_OK;
		return sfs_cel_refuse(source, token->offset, err,
		                      "this number does not fit uint, which "
		                      "ends at 18446744073709551615u");
	}
	if (read_integer(text, &magnitude) &&
	    set_int(magnitude, is_negative, out))
		return SFS_OK;
	return sfs_cel_refuse(source, token->offset, err,
	                      "this number does not fit int, which goes from "
	                      "-9223372036854775808 to 9223372036854775807");
}

struct reader {
	struct sfs_cel_text source;
	const char *p;
	const char *end;
	char *out;
	bool is_bytes;
	struct sfs_err *err;
};

static enum sfs_rc refuse(const struct reader *r, const char *escape,
                          const char *what)
{
	const uint32_t offset = (uint32_t)(escape - r->source.data);

	return sfs_cel_refuse(r->source, offset, r->err, "%s", what);
}

static void put(struct reader *r, uint32_t byte)
{
	*r->out++ = (char)byte;
}

static void put_code_point(struct reader *r, uint32_t c)
{
	if (c < 0x80) {
		put(r, c);
		return;
	}
	if (c < 0x800) {
		put(r, 0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			put(r, 0xe0 | c >> 12);
		} else {
			put(r, 0xf0 | c >> 18);
			put(r, 0x80 | (c >> 12 & 0x3f));
		}
		put(r, 0x80 | (c >> 6 & 0x3f));
	}
	put(r, 0x80 | (c & 0x3f));
}

/* A code point of a string, an octet of bytes. */
static void put_octet(struct reader *r, uint32_t c)
{
	if (r->is_bytes)
		put(r, c);
	else
		put_code_point(r, c);
}

/* False: there are not as many digits. */
static bool take_hex(struct reader *r, int count, uint32_t *out)
{
	int digit;

	*out = 0;
	for (; count > 0; count--, r->p++) {
		digit = r->p < r->end ? sfs_hex_value(*r->p) : -1;
		if (digit < 0)
			return false;
		*out = *out << 4 | (uint32_t)digit;
	}
	return true;
}

static enum sfs_rc take_unicode(struct reader *r, const char *escape,
                                int digits)
{
	uint32_t c;

	if (r->is_bytes)
		return refuse(r, escape,
		              "\\u and \\U are for strings; bytes have "
		              "\\x and octal escapes");
	if (!take_hex(r, digits, &c))
		return refuse(r, escape,
		              digits == 4
		                      ? "\\u takes four hexadecimal digits"
		                      : "\\U takes eight hexadecimal digits");
	if (c >= 0xd800 && c <= 0xdfff)
		return refuse(r, escape,
		              "a surrogate is no character; write \\U and "
		              "the code point");
	if (c > 0x10ffff)
		return refuse(r, escape, "code points end at 10FFFF");
	put_code_point(r, c);
	return SFS_OK;
}

/* first is 0 to 3; two more digits follow. */
static enum sfs_rc take_octal(struct reader *r, const char *escape, char first)
{
	uint32_t c = (uint32_t)(first - '0');

	for (int i = 0; i < 2; i++, r->p++) {
		if (r->p == r->end || *r->p < '0' || *r->p > '7')
			return refuse(r, escape,
			              "an octal escape has three digits, "
			              "\\000 to \\377");
		c = c << 3 | (uint32_t)(*r->p - '0');
	}
	put_octet(r, c);
	return SFS_OK;
}

/* The character that a letter behind a backslash means; NUL: none. */
static char simple_escape(char letter)
{
	static const char letters[] = "abfnrtv\\?\"'`";
	static const char meanings[] = "\a\b\f\n\r\t\v\\?\"'`";
	const char *found = letter == '\0' ? NULL : strchr(letters, letter);

	return found == NULL ? '\0' : meanings[found - letters];
}

/* r->p is behind the backslash, where the lexer saw a byte. */
static enum sfs_rc take_escape(struct reader *r)
{
	const char *escape = r->p - 1;
	const char letter = *r->p++;
	uint32_t c;

	if (simple_escape(letter) != '\0') {
		put(r, (unsigned char)simple_escape(letter));
		return SFS_OK;
	}
	if (letter >= '0' && letter <= '3')
		return take_octal(r, escape, letter);
	if (letter == 'u')
		return take_unicode(r, escape, 4);
	if (letter == 'U')
		return take_unicode(r, escape, 8);
	if (letter != 'x' && letter != 'X')
		return refuse(r, escape,
		              "a backslash stands before one of "
		              "\\ ? \" ' ` a b f n r t v x u U or three octal "
		              "digits up to 377");
	if (!take_hex(r, 2, &c))
		return refuse(r, escape, "\\x takes two hexadecimal digits");
	put_octet(r, c);
	return SFS_OK;
}

/* CR LF and CR, which only stand between three quotes, read as LF. */
static void take_byte(struct reader *r)
{
	const char c = *r->p++;

	if (c != '\r') {
		put(r, (unsigned char)c);
		return;
	}
	put(r, '\n');
	if (r->p < r->end && *r->p == '\n')
		r->p++;
}

enum sfs_rc sfs_cel_literal_text(struct sfs_cel_text source,
                                 const struct sfs_cel_token *token,
                                 struct sfs_cel_pool *pool,
                                 struct sfs_cel_value *out, struct sfs_err *err)
{
	/* What is written for a character is never shorter than its UTF-8. */
	char *data = sfs_cel_pool_get(pool, token->text.len);
	const bool is_bytes = token->kind == SFS_CEL_TOKEN_BYTES;
	struct reader r = {
		source, token->text.data, token->text.data + token->text.len,
		data,   is_bytes,         err,
	};
	enum sfs_rc rc = SFS_OK;

	if (data == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "not enough memory for an expression");
	while (rc == SFS_OK && r.p < r.end) {
		if (*r.p == '\\' && !token->is_raw) {
			r.p++;
			rc = take_escape(&r);
		} else {
			take_byte(&r);
		}
	}
	out->kind = is_bytes ? SFS_CEL_BYTES : SFS_CEL_STRING;
	out->as.text.data = data;
	out->as.text.len = (size_t)(r.out - data);
	return rc;
}
