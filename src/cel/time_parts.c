/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of timestamps, in UTC or in a zone that is named, and of durations:
 * getHours() and the like.
 */
#include "cel/calendar.h"
#include "cel/functions_internal.h"

#include <string.h>

static struct sfs_cel_value zone_error(const struct sfs_err *err,
                                       struct sfs_cel_pool *pool)
{
	char *message = sfs_cel_pool_get(pool, sizeof(err->msg));

	if (message == NULL)
		return sfs_cel_error_memory();
	memcpy(message, err->msg, sizeof(err->msg));
	return sfs_cel_error(message);
}

/* The date at a timestamp in a zone; an ERROR or, if all is well, INVALID. */
static struct sfs_cel_value date_in(const struct sfs_cel_value *timestamp,
                                    struct sfs_cel_text zone,
                                    struct sfs_cel_pool *pool,
                                    struct sfs_cel_date *out)
{
	int64_t seconds = timestamp->as.time.seconds;
	int32_t offset = 0;
	struct sfs_err err;

	if (seconds < SFS_CEL_TIMESTAMP_MIN || seconds > SFS_CEL_TIMESTAMP_MAX)
		return sfs_cel_error("timestamp out of range");
	if (zone.len > 0 &&
	    sfs_cel_zone_offset(zone, seconds, &offset, &err) != SFS_OK)
		return zone_error(&err, pool);
	sfs_cel_date_of(seconds + offset, out);
	return (struct sfs_cel_value){ .kind = SFS_CEL_INVALID };
}

/* A getter of UTC, and one that takes a zone; `part` is of the date d. */
#define GETTER(name, part)                                                 \
	struct sfs_cel_value name(const struct sfs_cel_value *args,        \
	                          struct sfs_cel_pool *pool)               \
	{                                                                  \
		const struct sfs_cel_text utc = { "", 0 };                 \
		struct sfs_cel_date d;                                     \
		struct sfs_cel_value v = date_in(&args[0], utc, pool, &d); \
                                                                           \
		return v.kind == SFS_CEL_ERROR ? v : sfs_cel_int(part);    \
	}                                                                  \
                                                                           \
	struct sfs_cel_value name##_in(const struct sfs_cel_value *args,   \
	                               struct sfs_cel_pool *pool)          \
	{                                                                  \
		struct sfs_cel_date d;                                     \
		struct sfs_cel_value v =                                   \
			date_in(&args[0], args[1].as.text, pool, &d);      \
                                                                           \
		return v.kind == SFS_CEL_ERROR ? v : sfs_cel_int(part);    \
	}

GETTER(sfs_cel_get_full_year, d.year)
GETTER(sfs_cel_get_month, d.month - 1)
GETTER(sfs_cel_get_date, d.day)
GETTER(sfs_cel_get_day_of_month, d.day - 1)
GETTER(sfs_cel_get_day_of_week, d.weekday)
GETTER(sfs_cel_get_day_of_year, d.day_of_year)
GETTER(sfs_cel_get_hours, d.hour)
GETTER(sfs_cel_get_minutes, d.minute)
GETTER(sfs_cel_get_seconds, d.second)
GETTER(sfs_cel_get_milliseconds, args[0].as.time.nanos / 1000000)

/* A duration in whole units, without the rest. */
struct sfs_cel_value sfs_cel_hours_of(const struct sfs_cel_value *args,
                                      struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_int(args[0].as.time.seconds / 3600);
}

struct sfs_cel_value sfs_cel_minutes_of(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_int(args[0].as.time.seconds / 60);
}

struct sfs_cel_value sfs_cel_seconds_of(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_int(args[0].as.time.seconds);
}

/* Not the whole in milliseconds, but what is left of the second. */
struct sfs_cel_value sfs_cel_milliseconds_of(const struct sfs_cel_value *args,
                                             struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_int(args[0].as.time.nanos / 1000000);
}
