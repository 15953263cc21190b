/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_CALENDAR_H
#define SFS_CEL_CALENDAR_H

#include "cel/cel.h"

/* Dates of the Gregorian calendar, also before it, and time zones. */

/* The timestamps that RFC 3339 can write: years 1 to 9999. */
#define SFS_CEL_TIMESTAMP_MIN (-62135596800)
#define SFS_CEL_TIMESTAMP_MAX 253402300799

enum { SFS_CEL_DAY_SECONDS = 86400, SFS_CEL_NANOS = 1000000000 };

struct sfs_cel_date {
	int year;
	int month;       /* 1 to 12 */
	int day;         /* 1 to 31 */
	int weekday;     /* Sunday is 0 */
	int day_of_year; /* from 0 */
	int hour;
	int minute;
	int second;
};

/* Seconds since 1970 in UTC, within the years 0 to 10000. */
void sfs_cel_date_of(int64_t seconds, struct sfs_cel_date *out);

/* Days since 1970; the month and the day need not be in their ranges. */
int64_t sfs_cel_days_to(int64_t year, int month, int day);

int sfs_cel_days_in(int64_t year, int month);

/*
 * What is to be added to UTC, in seconds, at that moment: for "", "UTC",
 * "+02:00", "-09:30", "02:00", and the names of the system's zoneinfo.
 * NOT_FOUND: no such zone; CORRUPT: its file is broken; IO.
 */
enum sfs_rc sfs_cel_zone_offset(struct sfs_cel_text zone, int64_t seconds,
                                int32_t *offset_out,
                                struct sfs_err *err) SFS_NODISCARD;

#endif
