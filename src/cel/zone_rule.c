/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX rules of daylight saving time: names and offsets of both times, and
 * the days of the year when they begin.
 */
#include "cel/zone_rule.h"

#include "cel/calendar.h"

#include <string.h>

enum { HOURS_MAX = 167, DEFAULT_TIME = 2 * 3600 };

struct reader {
	const char *p;
	const char *end;
};

/* A day of the year, and seconds of that day. */
struct day {
	char kind; /* 'M': month, week, weekday; 'J': 1 to 365; 0: 0 to 365 */
	int month;
	int week;
	int day;
	int time;
};

static bool take(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool take_number(struct reader *r, int max, int *out)
{
	const char *start = r->p;

	*out = 0;
	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
		*out = *out * 10 + (*r->p - '0');
		if (*out > max)
			return false;
	}
	return r->p > start;
}

/* "EST" or "<+0330>" */
static bool take_name(struct reader *r)
{
	const char *start = r->p;

	if (take(r, '<')) {
		while (r->p < r->end && *r->p != '>')
			r->p++;
		return take(r, '>');
	}
	while (r->p < r->end && ((*r->p >= 'A' && *r->p <= 'Z') ||
	                         (*r->p >= 'a' && *r->p <= 'z')))
		r->p++;
	return r->p > start;
}

/* "-3:30", in seconds. */
static bool take_time(struct reader *r, int *out)
{
	bool is_negative = take(r, '-');
	int unit = 60;
	int part;

	if (!is_negative)
		(void)take(r, '+');
	if (!take_number(r, HOURS_MAX, out))
		return false;
	*out *= 3600;
	for (; unit > 0 && take(r, ':'); unit /= 60) {
		if (!take_number(r, 59, &part))
			return false;
		*out += part * unit;
	}
	if (is_negative)
		*out = -*out;
	return true;
}

static bool take_day(struct reader *r, struct day *d)
{
	d->kind = '\0';
	d->time = DEFAULT_TIME;
	if (!take(r, ','))
		return false;
	if (take(r, 'M')) {
		d->kind = 'M';
		if (!take_number(r, 12, &d->month) || d->month == 0 ||
		    !take(r, '.') || !take_number(r, 5, &d->week) ||
		    d->week == 0 || !take(r, '.') ||
		    !take_number(r, 6, &d->day))
			return false;
	} else {
		if (take(r, 'J'))
			d->kind = 'J';
		if (!take_number(r, 365, &d->day))
			return false;
	}
	return !take(r, '/') || take_time(r, &d->time);
}

/* The day of "week 1 to 5 (the last), weekday" of a month, from 1. */
static int day_of_month(int year, const struct day *d)
{
	int64_t first = sfs_cel_days_to(year, d->month, 1);
	int weekday = (int)((first + 4) % 7 + 7) % 7;
	int day = 1 + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;

	return day > sfs_cel_days_in(year, d->month) ? day - 7 : day;
}

/* When it begins, on the local clock. */
static int64_t seconds_of(int year, const struct day *d)
{
	int64_t days = sfs_cel_days_to(year, 1, 1);

	if (d->kind == 'M')
		days = sfs_cel_days_to(year, d->month, day_of_month(year, d));
	else if (d->kind == 'J')
		days += d->day - 1 +
		        (d->day >= 60 && sfs_cel_days_in(year, 2) == 29);
	else
		days += d->day;
	return days * SFS_CEL_DAY_SECONDS + d->time;
}

/* Offsets are of what is to be added to UTC. */
struct rule {
	int standard;
	int saving;
	struct day begin;
	struct day end;
};

static bool is_saving(const struct rule *rule, int64_t seconds)
{
	struct sfs_cel_date now;
	int64_t begin;
	int64_t end;

	sfs_cel_date_of(seconds + rule->standard, &now);
	begin = seconds_of(now.year, &rule->begin) - rule->standard;
	end = seconds_of(now.year, &rule->end) - rule->saving;
	if (begin < end)
		return seconds >= begin && seconds < end;
	return seconds < end || seconds >= begin;
}

/* POSIX counts westward. */
static bool take_offset(struct reader *r, int *out)
{
	if (!take_time(r, out))
		return false;
	*out = -*out;
	return true;
}

bool sfs_cel_zone_rule(const char *p, const char *end, int64_t seconds,
                       int32_t *offset_out)
{
	struct reader r = { p, end };
	struct rule rule;

	if (!take(&r, '\n') || !take_name(&r) ||
	    !take_offset(&r, &rule.standard))
		return false;
	*offset_out = rule.standard;
	if (take(&r, '\n'))
		return true;
	rule.saving = rule.standard + 3600;
	if (!take_name(&r))
		return false;
	if (r.p < r.end && *r.p != ',' && !take_offset(&r, &rule.saving))
		return false;
	if (!take_day(&r, &rule.begin) || !take_day(&r, &rule.end) ||
	    !take(&r, '\n'))
		return false;
	*offset_out = is_saving(&rule, seconds) ? rule.saving : rule.standard;
	return true;
}
