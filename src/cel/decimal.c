/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal text of numbers, both ways. What string() makes of a double gets
 * hashed by generated expressions, so it is fixed to the last character: the
 * fewest digits that read back as the same double (of these the nearest), as
 * std::to_chars() prints them.
 */
#include "cel/functions_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INTEGER_BYTES = 24,
	DOUBLE_BYTES = 40,
	DIGITS_SURE = 15, /* that many any normal double preserves */
	DIGITS_MAX = 17,  /* that many preserve any double */
	/* Longer numbers are read from memory of the pool. */
	NUMBER_BYTES = 128,
};

struct sfs_cel_value sfs_cel_string_of_bool(const struct sfs_cel_value *args,
                                            struct sfs_cel_pool *pool)
{
	(void)pool;
	return args[0].as.boolean ? sfs_cel_string("true", 4)
	                          : sfs_cel_string("false", 5);
}

static struct sfs_cel_value string_of_integer(uint64_t value, bool is_negative,
                                              struct sfs_cel_pool *pool)
{
	char *text = sfs_cel_pool_get(pool, INTEGER_BYTES);
	char *end;
	char *p;

	if (text == NULL)
		return sfs_cel_error_memory();
	end = text + INTEGER_BYTES;
	p = end;
	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	if (is_negative)
		*--p = '-';
	return sfs_cel_string(p, (size_t)(end - p));
}

struct sfs_cel_value sfs_cel_string_of_int(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	int64_t v = args[0].as.integer;

	return string_of_integer(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0,
	                         pool);
}

struct sfs_cel_value sfs_cel_string_of_uint(const struct sfs_cel_value *args,
                                            struct sfs_cel_pool *pool)
{
	return string_of_integer(args[0].as.uinteger, false, pool);
}

/* A double as d.ddde+XX, taken apart. */
struct scientific {
	char digits[DIGITS_MAX + 1];
	int count;
	int exponent;
};

static bool reads_back(const char *text, double v)
{
	return strtod(text, NULL) == v;
}

/* The next number of as many digits. False: it has more digits. */
static bool next_up(char *text)
{
	for (char *p = strchr(text, 'e') - 1; p >= text; p--) {
		if (*p == '.')
			continue;
		if (*p < '9') {
			(*p)++;
			return true;
		}
		*p = '0';
	}
	return false;
}

/*
 * Prints v > 0 with the fewest digits that read back. A normal double that
 * has at most 15 digits is found by printing 15; denormals have fewer. Below
 * a power of two the doubles lie closer together than above it, so that the
 * nearest number of 16 digits may read back as the neighbor below though the
 * next one up would do.
 */
static void print_shortest(double v, char text[DOUBLE_BYTES])
{
	int digits = v < 0x1p-1022 ? 1 : DIGITS_SURE;

	for (; digits <= DIGITS_MAX; digits++) {
		(void)snprintf(text, DOUBLE_BYTES, "%.*e", digits - 1, v);
		if (reads_back(text, v))
			return;
		if (digits == 16 && next_up(text) && reads_back(text, v))
			return;
	}
}

static void take_apart(double v, struct scientific *out)
{
	char text[DOUBLE_BYTES];
	const char *p = text;

	print_shortest(v, text);
	out->count = 0;
	for (; *p != 'e'; p++) {
		if (*p != '.')
			out->digits[out->count++] = *p;
	}
	while (out->count > 1 && out->digits[out->count - 1] == '0')
		out->count--;
	out->exponent = (int)strtol(p + 1, NULL, 10);
}

/* Digits with the point behind the first `before` of them, zeros as needed. */
static size_t put_fixed(const struct scientific *s, int before, char *out)
{
	size_t n = 0;

	if (before <= 0)
		out[n++] = '0';
	for (int i = 0; i < before; i++)
		out[n++] = '0';
	if (before > 0)
		memcpy(out, s->digits,
		       (size_t)(s->count < before ? s->count : before));
	if (s->count <= before)
		return n;
	out[n++] = '.';
	for (int i = before; i < 0; i++)
		out[n++] = '0';
	for (int i = before > 0 ? before : 0; i < s->count; i++)
		out[n++] = s->digits[i];
	return n;
}

static size_t put_double(double v, char out[DOUBLE_BYTES])
{
	struct scientific s;
	size_t n;

	take_apart(v, &s);
	if (s.exponent >= -4 && s.exponent < 6)
		return put_fixed(&s, s.exponent + 1, out);
	n = put_fixed(&s, 1, out);
	return n + (size_t)snprintf(out + n, DOUBLE_BYTES - n, "e%c%02d",
	                            s.exponent < 0 ? '-' : '+',
	                            abs(s.exponent));
}

struct sfs_cel_value sfs_cel_string_of_double(const struct sfs_cel_value *args,
                                              struct sfs_cel_pool *pool)
{
	double v = args[0].as.number;
	char *text;
	size_t n = 0;

	if (isnan(v))
		return sfs_cel_string("nan", 3);
	if (isinf(v))
		return v > 0 ? sfs_cel_string("inf", 3)
		             : sfs_cel_string("-inf", 4);
	text = sfs_cel_pool_get(pool, 1 + DOUBLE_BYTES);
	if (text == NULL)
		return sfs_cel_error_memory();
	if (signbit(v))
		text[n++] = '-';
	if (v == 0)
		text[n++] = '0';
	else
		n += put_double(fabs(v), text + n);
	return sfs_cel_string(text, n);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits from *pos on; false: there are none, or they are too large. */
static bool read_digits(struct sfs_cel_text text, size_t pos, uint64_t *out)
{
	uint64_t value = 0;

	if (pos == text.len)
		return false;
	for (; pos < text.len; pos++) {
		if (!is_digit(text.data[pos]) ||
		    __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(
			    value, (unsigned)(text.data[pos] - '0'), &value))
			return false;
	}
	*out = value;
	return true;
}

struct sfs_cel_value sfs_cel_int_of_string(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	struct sfs_cel_text text = args[0].as.text;
	bool is_negative = text.len > 0 && text.data[0] == '-';
	uint64_t limit = (uint64_t)INT64_MAX + is_negative;
	uint64_t value;

	(void)pool;
	if (!read_digits(text, is_negative, &value) || value > limit)
		return sfs_cel_error("int() of a string that is no int");
	if (!is_negative)
		return sfs_cel_int((int64_t)value);
	return sfs_cel_int(value == 0 ? 0 : -(int64_t)(value - 1) - 1);
}

struct sfs_cel_value sfs_cel_uint_of_string(const struct sfs_cel_value *args,
                                            struct sfs_cel_pool *pool)
{
	uint64_t value;

	(void)pool;
	if (!read_digits(args[0].as.text, 0, &value))
		return sfs_cel_error("uint() of a string that is no uint");
	return sfs_cel_uint(value);
}

static const char *skip_digits(const char *p, size_t *count)
{
	while (is_digit(*p)) {
		(*count)++;
		p++;
	}
	return p;
}

/* -1.5e-3 and the like: no hexadecimal, no space, no "inf". */
static bool is_decimal(const char *p, const char *end)
{
	size_t digits = 0;

	p += *p == '-';
	p = skip_digits(p, &digits);
	if (*p == '.')
		p = skip_digits(p + 1, &digits);
	if (digits == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		digits = 0;
		p = skip_digits(p, &digits);
	}
	return digits > 0 && p == end;
}

/* What string() makes of those that have no digits. */
static bool read_special(struct sfs_cel_text text, double *out)
{
	static const struct {
		const char *name;
		double value;
	} names[] = { { "nan", (double)NAN },   { "inf", HUGE_VAL },
		      { "-inf", -HUGE_VAL },    { "NaN", (double)NAN },
		      { "Infinity", HUGE_VAL }, { "-Infinity", -HUGE_VAL } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) == text.len &&
		    memcmp(names[i].name, text.data, text.len) == 0) {
			*out = names[i].value;
			return true;
		}
	}
	return false;
}

struct sfs_cel_value sfs_cel_double_of_string(const struct sfs_cel_value *args,
                                              struct sfs_cel_pool *pool)
{
	struct sfs_cel_text text = args[0].as.text;
	char small[NUMBER_BYTES];
	char *copy = small;
	double value;

	if (read_special(text, &value))
		return sfs_cel_double(value);
	if (text.len >= sizeof(small))
		copy = sfs_cel_pool_get(pool, text.len + 1);
	if (copy == NULL)
		return sfs_cel_error_memory();
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (!is_decimal(copy, copy + text.len))
		return sfs_cel_error("double() of a string that is no number");
	return sfs_cel_double(strtod(copy, NULL));
}
