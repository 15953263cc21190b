/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as Python's json.dumps prints it, so that objects written here have
 * the same bytes as those that shardyfusion writes.
 */
#include "base/json.h"

#include "base/keyname.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	DOUBLE_BYTES = 40,
	DOUBLE_DIGITS_MAX = 17, /* enough to read back any double */
	PLAIN_EXPONENT_MIN = -4,
	PLAIN_EXPONENT_MAX = 15,
};

void sfs_json_printer_init(struct sfs_json_printer *p, struct sfs_buf *out,
                           bool spaced, bool ascii)
{
	memset(p, 0, sizeof(*p));
	p->out = out;
	p->spaced = spaced;
	p->ascii = ascii;
}

/* Puts the comma where one is due. */
static void begin_item(struct sfs_json_printer *p)
{
	if (p->is_after_value && !p->is_after_key)
		sfs_buf_puts(p->out, p->spaced ? ", " : ",");
	p->is_after_key = false;
	p->is_after_value = true;
}

static void begin(struct sfs_json_printer *p, char c)
{
	begin_item(p);
	sfs_buf_putc(p->out, c);
	p->is_after_value = false;
}

static void end(struct sfs_json_printer *p, char c)
{
	sfs_buf_putc(p->out, c);
	p->is_after_value = true;
}

void sfs_json_object_begin(struct sfs_json_printer *p)
{
	begin(p, '{');
}

void sfs_json_object_end(struct sfs_json_printer *p)
{
	end(p, '}');
}

void sfs_json_array_begin(struct sfs_json_printer *p)
{
	begin(p, '[');
}

void sfs_json_array_end(struct sfs_json_printer *p)
{
	end(p, ']');
}

/* The letter behind the backslash, or 0. */
static char short_escape(uint8_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return '\0';
	}
}

static uint32_t code_point(const uint8_t *p, size_t n)
{
	static const uint8_t lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = p[0] & lead[n];
	size_t i;

	for (i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

static void put_unicode(struct sfs_buf *out, uint32_t c)
{
	if (c < 0x10000) {
		sfs_buf_printf(out, "\\u%04" PRIx32, c);
		return;
	}
	c -= 0x10000;
	sfs_buf_printf(out, "\\u%04" PRIx32 "\\u%04" PRIx32,
	               UINT32_C(0xd800) + (c >> 10),
	               UINT32_C(0xdc00) + (c & 0x3ff));
}

static void put_ascii(struct sfs_json_printer *p, uint8_t c)
{
	char letter = short_escape(c);

	if (letter != '\0') {
		sfs_buf_putc(p->out, '\\');
		sfs_buf_putc(p->out, letter);
	} else if (c < 0x20 || (c == 0x7f && p->ascii)) {
		put_unicode(p->out, c);
	} else {
		sfs_buf_putc(p->out, (char)c);
	}
}

/* Prints the character at s; the bytes that it took. */
static size_t put_character(struct sfs_json_printer *p, const uint8_t *s,
                            size_t len)
{
	static const uint8_t replacement[] = { 0xef, 0xbf, 0xbd };
	size_t n = sfs_utf8_sequence(s, len);
	size_t taken = n > 0 ? n : 1;

	if (n == 1) {
		put_ascii(p, s[0]);
		return 1;
	}
	if (n == 0) {
		s = replacement;
		n = sizeof(replacement);
	}
	if (p->ascii)
		put_unicode(p->out, code_point(s, n));
	else
		sfs_buf_add(p->out, s, n);
	return taken;
}

static size_t plain_run(const uint8_t *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' &&
	       s[n] != '\\')
		n++;
	return n;
}

static void put_string(struct sfs_json_printer *p, const char *text, size_t len)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t i = 0;
	size_t run;

	sfs_buf_putc(p->out, '"');
	while (i < len) {
		run = plain_run(s + i, len - i);
		sfs_buf_add(p->out, s + i, run);
		i += run;
		if (i < len)
			i += put_character(p, s + i, len - i);
	}
	sfs_buf_putc(p->out, '"');
}

void sfs_json_key(struct sfs_json_printer *p, const char *name)
{
	begin_item(p);
	put_string(p, name, strlen(name));
	sfs_buf_puts(p->out, p->spaced ? ": " : ":");
	p->is_after_key = true;
}

void sfs_json_string(struct sfs_json_printer *p, const char *text, size_t len)
{
	begin_item(p);
	put_string(p, text, len);
}

void sfs_json_cstring(struct sfs_json_printer *p, const char *text)
{
	if (text == NULL)
		sfs_json_null(p);
	else
		sfs_json_string(p, text, strlen(text));
}

void sfs_json_int(struct sfs_json_printer *p, int64_t value)
{
	begin_item(p);
	sfs_buf_printf(p->out, "%" PRId64, value);
}

void sfs_json_uint(struct sfs_json_printer *p, uint64_t value)
{
	begin_item(p);
	sfs_buf_printf(p->out, "%" PRIu64, value);
}

/* Scientific form with the fewest digits that read back the same. */
static void shortest(double value, char text[DOUBLE_BYTES])
{
	int digits;

	for (digits = 1; digits <= DOUBLE_DIGITS_MAX; digits++) {
		(void)snprintf(text, DOUBLE_BYTES, "%.*e", digits - 1, value);
		if (strtod(text, NULL) == value)
			return;
	}
}

/* Puts digits with a point behind the one at exponent, which may lie out. */
static void put_fixed(struct sfs_buf *out, const char *digits, int count,
                      int exponent)
{
	int i;

	if (exponent < 0) {
		sfs_buf_puts(out, "0.");
		for (i = -1; i > exponent; i--)
			sfs_buf_putc(out, '0');
		sfs_buf_add(out, digits, (size_t)count);
		return;
	}
	for (i = 0; i < count || i <= exponent + 1; i++) {
		if (i == exponent + 1)
			sfs_buf_putc(out, '.');
		sfs_buf_putc(out, i < count ? digits[i] : '0');
	}
}

/* The layout of Python's repr(), of a number that is positive. */
static void put_positive(struct sfs_buf *out, double value)
{
	char text[DOUBLE_BYTES];
	char digits[DOUBLE_DIGITS_MAX + 1];
	const char *c;
	int count = 0;
	int exponent;

	shortest(value, text);
	for (c = text; *c != 'e'; c++) {
		if (*c != '.' && count < DOUBLE_DIGITS_MAX)
			digits[count++] = *c;
	}
	exponent = (int)strtol(c + 1, NULL, 10);
	if (exponent >= PLAIN_EXPONENT_MIN && exponent <= PLAIN_EXPONENT_MAX)
		put_fixed(out, digits, count, exponent);
	else
		sfs_buf_puts(out, text);
}

void sfs_json_double(struct sfs_json_printer *p, double value)
{
	begin_item(p);
	if (isnan(value)) {
		sfs_buf_puts(p->out, "NaN");
		return;
	}
	if (signbit(value))
		sfs_buf_putc(p->out, '-');
	value = fabs(value);
	if (isinf(value))
		sfs_buf_puts(p->out, "Infinity");
	else
		put_positive(p->out, value);
}

void sfs_json_bool(struct sfs_json_printer *p, bool value)
{
	begin_item(p);
	sfs_buf_puts(p->out, value ? "true" : "false");
}

void sfs_json_null(struct sfs_json_printer *p)
{
	begin_item(p);
	sfs_buf_puts(p->out, "null");
}

void sfs_json_raw(struct sfs_json_printer *p, const char *json, size_t len)
{
	begin_item(p);
	sfs_buf_add(p->out, json, len);
}
