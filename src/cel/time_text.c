/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timestamps and durations as text: RFC 3339, printed in UTC; durations as
 * sums of hours to nanoseconds, printed in seconds. Fractions have 3, 6 or 9
 * digits, as upstream prints them; langdef does not say.
 */
#include "cel/calendar.h"
#include "cel/functions_internal.h"

#include <inttypes.h>
#include <stdio.h>

enum { TEXT_BYTES = 48, FRACTION_DIGITS = 9 };

struct reader {
	const char *p;
	const char *end;
};

static bool is_digit(const struct reader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool take(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* Exactly that many digits. */
static bool take_number(struct reader *r, int digits, int max, int *out)
{
	*out = 0;
	for (int i = 0; i < digits; i++) {
		if (!is_digit(r))
			return false;
		*out = *out * 10 + (*r->p++ - '0');
	}
	return *out <= max;
}

/* ".25" as nanoseconds; digits behind the ninth are dropped. */
static bool take_fraction(struct reader *r, int32_t *nanos)
{
	int32_t unit = SFS_CEL_NANOS / 10;

	*nanos = 0;
	if (!take(r, '.'))
		return true;
	if (!is_digit(r))
		return false;
	for (; is_digit(r); r->p++) {
		*nanos += unit * (*r->p - '0');
		unit /= 10;
	}
	return true;
}

/* "Z" or "+02:00", in seconds. */
static bool take_offset(struct reader *r, int *out)
{
	bool is_west;
	int hours;
	int minutes;

	*out = 0;
	if (take(r, 'Z') || take(r, 'z'))
		return true;
	is_west = take(r, '-');
	if ((!is_west && !take(r, '+')) || !take_number(r, 2, 23, &hours) ||
	    !take(r, ':') || !take_number(r, 2, 59, &minutes))
		return false;
	*out = (hours * 60 + minutes) * (is_west ? -60 : 60);
	return true;
}

static bool take_date(struct reader *r, int64_t *days)
{
	int year;
	int month;
	int day;

	if (!take_number(r, 4, 9999, &year) || !take(r, '-') ||
	    !take_number(r, 2, 12, &month) || month == 0 || !take(r, '-') ||
	    !take_number(r, 2, 31, &day) || day == 0)
		return false;
	*days = sfs_cel_days_to(year, month, day);
	return day <= sfs_cel_days_in(year, month);
}

static bool read_timestamp(struct sfs_cel_text text, struct sfs_cel_time *out)
{
	struct reader r = { text.data, text.data + text.len };
	int64_t days;
	int hour;
	int minute;
	int second;
	int offset;

	if (!take_date(&r, &days) || (!take(&r, 'T') && !take(&r, 't')) ||
	    !take_number(&r, 2, 23, &hour) || !take(&r, ':') ||
	    !take_number(&r, 2, 59, &minute) || !take(&r, ':') ||
	    !take_number(&r, 2, 60, &second) ||
	    !take_fraction(&r, &out->nanos) || !take_offset(&r, &offset))
		return false;
	out->seconds = days * SFS_CEL_DAY_SECONDS + hour * 3600 + minute * 60 +
	               second - offset;
	return r.p == r.end;
}

struct sfs_cel_value
sfs_cel_timestamp_of_string(const struct sfs_cel_value *args,
                            struct sfs_cel_pool *pool)
{
	struct sfs_cel_value v = { .kind = SFS_CEL_TIMESTAMP };

	(void)pool;
	if (!read_timestamp(args[0].as.text, &v.as.time))
		return sfs_cel_error("timestamp() of a string that is not of "
		                     "RFC 3339");
	if (v.as.time.seconds < SFS_CEL_TIMESTAMP_MIN ||
	    v.as.time.seconds > SFS_CEL_TIMESTAMP_MAX)
		return sfs_cel_error("timestamp out of range");
	return v;
}

/* The nanoseconds of "h", "ms" ...; 0: no unit comes next. */
static int64_t take_unit(struct reader *r)
{
	if (take(r, 'h'))
		return INT64_C(3600) * SFS_CEL_NANOS;
	if (take(r, 's'))
		return SFS_CEL_NANOS;
	if (take(r, 'm'))
		return take(r, 's') ? 1000000 : INT64_C(60) * SFS_CEL_NANOS;
	if (take(r, 'n'))
		return take(r, 's') ? 1 : 0;
	if (take(r, 'u') || (take(r, '\xc2') && take(r, '\xb5')))
		return take(r, 's') ? 1000 : 0;
	return 0;
}

/*
 * One "1.5h" is added to what is negative, since so the least duration fits.
 * Digits of the fraction beyond the nanosecond are dropped.
 */
static bool take_part(struct reader *r, int64_t *nanos)
{
	int64_t whole = 0;
	int64_t unit;
	struct reader fraction;
	bool has_digits = is_digit(r);

	for (; is_digit(r); r->p++) {
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_sub_overflow(whole, *r->p - '0', &whole))
			return false;
	}
	fraction = *r;
	if (take(r, '.')) {
		while (is_digit(r)) {
			has_digits = true;
			r->p++;
		}
	}
	fraction.end = r->p;
	unit = take_unit(r);
	if (!has_digits || unit == 0 ||
	    __builtin_mul_overflow(whole, unit, &whole) ||
	    __builtin_add_overflow(*nanos, whole, nanos))
		return false;
	for (unit /= 10, (void)take(&fraction, '.');
	     is_digit(&fraction) && unit > 0; fraction.p++, unit /= 10) {
		if (__builtin_sub_overflow(*nanos, (*fraction.p - '0') * unit,
		                           nanos))
			return false;
	}
	return true;
}

/* False: it is none, or longer than an int64 of nanoseconds. */
static bool read_duration(struct sfs_cel_text text, int64_t *out)
{
	struct reader r = { text.data, text.data + text.len };
	bool is_negative = take(&r, '-');

	*out = 0;
	if (!is_negative)
		(void)take(&r, '+');
	if (r.end - r.p == 1 && *r.p == '0')
		return true;
	do {
		if (!take_part(&r, out))
			return false;
	} while (r.p < r.end);
	return is_negative || !__builtin_sub_overflow(0, *out, out);
}

struct sfs_cel_value
sfs_cel_duration_of_string(const struct sfs_cel_value *args,
                           struct sfs_cel_pool *pool)
{
	int64_t nanos;

	(void)pool;
	if (!read_duration(args[0].as.text, &nanos))
		return sfs_cel_error("duration() of a string that is no "
		                     "duration, or one over 292 years");
	return (struct sfs_cel_value){
		.kind = SFS_CEL_DURATION,
		.as.time = { nanos / SFS_CEL_NANOS,
		             (int32_t)(nanos % SFS_CEL_NANOS) },
	};
}

/* ".250" for 250000000, nothing for 0. */
static void print_fraction(uint32_t nanos, char out[FRACTION_DIGITS + 2])
{
	out[0] = '\0';
	if (nanos == 0)
		return;
	(void)snprintf(out, FRACTION_DIGITS + 2, ".%09u",
	               nanos % SFS_CEL_NANOS);
	if (nanos % 1000000 == 0)
		out[4] = '\0';
	else if (nanos % 1000 == 0)
		out[7] = '\0';
}

struct sfs_cel_value
sfs_cel_string_of_timestamp(const struct sfs_cel_value *args,
                            struct sfs_cel_pool *pool)
{
	struct sfs_cel_time t = args[0].as.time;
	char *text = sfs_cel_pool_get(pool, TEXT_BYTES);
	char fraction[FRACTION_DIGITS + 2];
	struct sfs_cel_date d;
	int len;

	if (text == NULL)
		return sfs_cel_error_memory();
	if (t.seconds < SFS_CEL_TIMESTAMP_MIN ||
	    t.seconds > SFS_CEL_TIMESTAMP_MAX)
		return sfs_cel_error("timestamp out of range");
	print_fraction((uint32_t)t.nanos, fraction);
	sfs_cel_date_of(t.seconds, &d);
	len = snprintf(text, TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%sZ",
	               d.year, d.month, d.day, d.hour, d.minute, d.second,
	               fraction);
	return sfs_cel_string(text, (size_t)len);
}

struct sfs_cel_value
sfs_cel_string_of_duration(const struct sfs_cel_value *args,
                           struct sfs_cel_pool *pool)
{
	struct sfs_cel_time t = args[0].as.time;
	char *text = sfs_cel_pool_get(pool, TEXT_BYTES);
	bool is_negative = t.seconds < 0 || t.nanos < 0;
	char fraction[FRACTION_DIGITS + 2];
	int len;

	if (text == NULL)
		return sfs_cel_error_memory();
	print_fraction(t.nanos < 0 ? 0u - (unsigned)t.nanos : (unsigned)t.nanos,
	               fraction);
	len = snprintf(
		text, TEXT_BYTES, "%s%" PRIu64 "%ss", is_negative ? "-" : "",
		t.seconds < 0 ? 0 - (uint64_t)t.seconds : (uint64_t)t.seconds,
		fraction);
	return sfs_cel_string(text, (size_t)len);
}
