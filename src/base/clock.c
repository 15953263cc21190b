/* SPDX-License-Identifier: Apache-2.0 */
/* Two clocks, and the one time format of the snapshot format. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t NS_PER_S = 1000000000;

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts = { 0, 0 };

	(void)clock_gettime(id, &ts); /* cannot fail for these two */
	return sfs_timespec_ns(&ts);
}

int64_t sfs_clock_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

void sfs_clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr); /* none fails on Linux */
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

bool sfs_clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock,
                         int64_t until_ms)
{
	const struct timespec until = { (time_t)(until_ms / 1000),
		                        (long)(until_ms % 1000 * 1000000) };

	return pthread_cond_timedwait(cond, lock, &until) == 0;
}

int64_t sfs_clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void sfs_time_format(int64_t wall_ns, char out[SFS_TIME_BYTES])
{
	int64_t frac = wall_ns % NS_PER_S;
	time_t seconds;
	struct tm tm;
	size_t len;

	if (frac < 0)
		frac += NS_PER_S;
	seconds = (time_t)((wall_ns - frac) / NS_PER_S);
	memset(&tm, 0, sizeof(tm));
	(void)gmtime_r(&seconds, &tm);
	len = strftime(out, SFS_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + len, SFS_TIME_BYTES - len, ".%06dZ",
	               (int)(frac / 1000));
}

/* Reads exactly count digits at *p. */
static bool read_digits(const char **p, const char *end, int count, int *out)
{
	int value = 0;

	if (end - *p < count)
		return false;
	for (; count > 0; count--, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		value = value * 10 + (**p - '0');
	}
	*out = value;
	return true;
}

static bool read_char(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	(*p)++;
	return true;
}

static bool read_fraction(const char **p, const char *end, int64_t *ns)
{
	int64_t scale = NS_PER_S / 10;
	const char *begin;

	*ns = 0;
	if (!read_char(p, end, '.'))
		return true;
	begin = *p;
	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		*ns += (**p - '0') * scale;
		scale /= 10;
	}
	return *p - begin >= 1 && *p - begin <= 9;
}

static bool read_zone(const char **p, const char *end, int64_t *offset_s)
{
	int hours = 0;
	int minutes = 0;
	int sign;

	*offset_s = 0;
	if (read_char(p, end, 'Z'))
		return true;
	sign = read_char(p, end, '+') ? 1 : -1;
	if (sign < 0 && !read_char(p, end, '-'))
		return false;
	if (!read_digits(p, end, 2, &hours) || !read_char(p, end, ':') ||
	    !read_digits(p, end, 2, &minutes))
		return false;
	*offset_s = (int64_t)sign * (hours * 3600 + minutes * 60);
	return hours < 24 && minutes < 60;
}

static bool is_in_range(const struct tm *tm)
{
	return tm->tm_year >= 70 && tm->tm_year <= 361 && tm->tm_mon >= 0 &&
	       tm->tm_mon < 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31 &&
	       tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

bool sfs_time_parse(const char *text, size_t len, int64_t *wall_ns_out)
{
	const char *end = text + len;
	const char *p = text;
	int64_t fraction = 0;
	int64_t offset_s = 0;
	struct tm tm;
	int64_t seconds;
	int day;

	memset(&tm, 0, sizeof(tm));
	if (!read_digits(&p, end, 4, &tm.tm_year) || !read_char(&p, end, '-') ||
	    !read_digits(&p, end, 2, &tm.tm_mon) || !read_char(&p, end, '-') ||
	    !read_digits(&p, end, 2, &tm.tm_mday))
		return false;
	if (!read_char(&p, end, 'T') && !read_char(&p, end, ' '))
		return false;
	if (!read_digits(&p, end, 2, &tm.tm_hour) || !read_char(&p, end, ':') ||
	    !read_digits(&p, end, 2, &tm.tm_min) || !read_char(&p, end, ':') ||
	    !read_digits(&p, end, 2, &tm.tm_sec) ||
	    !read_fraction(&p, end, &fraction) ||
	    !read_zone(&p, end, &offset_s) || p != end)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (!is_in_range(&tm))
		return false;
	day = tm.tm_mday;
	seconds = (int64_t)timegm(&tm) - offset_s;
	if (tm.tm_mday != day) /* timegm made 2 March of 30 February */
		return false;
	*wall_ns_out = seconds * NS_PER_S + fraction;
	return true;
}
