/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From seconds to dates and back, by arithmetic alone: the C library's
 * functions have other ranges and read the environment. A year begins in
 * March here, so that the leap day is its last one (after Howard Hinnant's
 * days_from_civil).
 */
#include "cel/calendar.h"

enum {
	ERA_DAYS = 146097,   /* 400 years */
	EPOCH_DAYS = 719468, /* from 0000-03-01 to 1970-01-01 */
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t sfs_cel_days_to(int64_t year, int month, int day)
{
	int64_t y = year + floor_div(month - 3, 12);
	int m = (month + 9) % 12;
	int64_t era = floor_div(y, 400);
	int64_t of_era = y - era * 400;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 +
	       (153 * m + 2) / 5 + day - 1 - EPOCH_DAYS;
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int sfs_cel_days_in(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30,
		                    31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

void sfs_cel_date_of(int64_t seconds, struct sfs_cel_date *out)
{
	int64_t days = floor_div(seconds, SFS_CEL_DAY_SECONDS);
	int rest = (int)(seconds - days * SFS_CEL_DAY_SECONDS);
	int64_t era = floor_div(days + EPOCH_DAYS, ERA_DAYS);
	int of_era = (int)(days + EPOCH_DAYS - era * ERA_DAYS);
	int year = (of_era - of_era / 1460 + of_era / 36524 -
	            of_era / (ERA_DAYS - 1)) /
	           365;
	int of_year = of_era - (365 * year + year / 4 - year / 100);
	int month = (5 * of_year + 2) / 153;

	out->day = of_year - (153 * month + 2) / 5 + 1;
	out->month = month < 10 ? month + 3 : month - 9;
	out->year = (int)(era * 400) + year + (out->month <= 2);
	out->weekday = (int)(days + 4 - floor_div(days + 4, 7) * 7);
	out->day_of_year = (int)(days - sfs_cel_days_to(out->year, 1, 1));
	out->hour = rest / 3600;
	out->minute = rest / 60 % 60;
	out->second = rest % 60;
}
