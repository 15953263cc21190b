/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of timestamps and durations. A duration is what an int64 of
 * nanoseconds holds, about 292 years, and a timestamp what RFC 3339 can
 * write; whatever leaves these ranges is an error.
 */
#include "cel/calendar.h"
#include "cel/functions_internal.h"

enum { CARRY_MAX = 8 }; /* seconds in two counts of nanoseconds */

static struct sfs_cel_value out_of_range(enum sfs_cel_kind kind)
{
	return sfs_cel_error(kind == SFS_CEL_DURATION
	                             ? "duration out of range"
	                             : "timestamp out of range");
}

/* Of a duration: its seconds and nanoseconds have the same sign. */
static bool nanos_of(struct sfs_cel_time t, int64_t *out)
{
	return !__builtin_mul_overflow(t.seconds, (int64_t)SFS_CEL_NANOS,
	                               out) &&
	       !__builtin_add_overflow(*out, (int64_t)t.nanos, out);
}

static struct sfs_cel_value duration_of(int64_t nanos)
{
	return (struct sfs_cel_value){
		.kind = SFS_CEL_DURATION,
		.as.time = { nanos / SFS_CEL_NANOS,
		             (int32_t)(nanos % SFS_CEL_NANOS) },
	};
}

/* A timestamp's nanoseconds count up, whatever the sign of its seconds. */
static struct sfs_cel_value timestamp_of(int64_t seconds, int64_t nanos)
{
	int64_t carry = nanos / SFS_CEL_NANOS - (nanos % SFS_CEL_NANOS < 0);

	seconds += carry;
	nanos -= carry * SFS_CEL_NANOS;
	if (seconds < SFS_CEL_TIMESTAMP_MIN || seconds > SFS_CEL_TIMESTAMP_MAX)
		return out_of_range(SFS_CEL_TIMESTAMP);
	return (struct sfs_cel_value){
		.kind = SFS_CEL_TIMESTAMP,
		.as.time = { seconds, (int32_t)nanos },
	};
}

static struct sfs_cel_value moved(struct sfs_cel_time t, struct sfs_cel_time by)
{
	int64_t seconds;

	if (__builtin_add_overflow(t.seconds, by.seconds, &seconds) ||
	    seconds < INT64_MIN + CARRY_MAX || seconds > INT64_MAX - CARRY_MAX)
		return out_of_range(SFS_CEL_TIMESTAMP);
	return timestamp_of(seconds, (int64_t)t.nanos + by.nanos);
}

struct sfs_cel_value sfs_cel_add_duration(const struct sfs_cel_value *args,
                                          struct sfs_cel_pool *pool)
{
	(void)pool;
	return moved(args[0].as.time, args[1].as.time);
}

struct sfs_cel_value sfs_cel_add_timestamp(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	(void)pool;
	return moved(args[1].as.time, args[0].as.time);
}

struct sfs_cel_value sfs_cel_subtract_duration(const struct sfs_cel_value *args,
                                               struct sfs_cel_pool *pool)
{
	struct sfs_cel_time by = args[1].as.time;

	(void)pool;
	if (by.seconds == INT64_MIN)
		return out_of_range(SFS_CEL_TIMESTAMP);
	by.seconds = -by.seconds;
	by.nanos = -by.nanos;
	return moved(args[0].as.time, by);
}

struct sfs_cel_value sfs_cel_add_durations(const struct sfs_cel_value *args,
                                           struct sfs_cel_pool *pool)
{
	int64_t a;
	int64_t b;
	int64_t sum;

	(void)pool;
	if (!nanos_of(args[0].as.time, &a) || !nanos_of(args[1].as.time, &b) ||
	    __builtin_add_overflow(a, b, &sum))
		return out_of_range(SFS_CEL_DURATION);
	return duration_of(sum);
}

struct sfs_cel_value
sfs_cel_subtract_durations(const struct sfs_cel_value *args,
                           struct sfs_cel_pool *pool)
{
	int64_t a;
	int64_t b;
	int64_t difference;

	(void)pool;
	if (!nanos_of(args[0].as.time, &a) || !nanos_of(args[1].as.time, &b) ||
	    __builtin_sub_overflow(a, b, &difference))
		return out_of_range(SFS_CEL_DURATION);
	return duration_of(difference);
}

struct sfs_cel_value
sfs_cel_subtract_timestamps(const struct sfs_cel_value *args,
                            struct sfs_cel_pool *pool)
{
	struct sfs_cel_time a = args[0].as.time;
	struct sfs_cel_time b = args[1].as.time;
	struct sfs_cel_time between = { 0, a.nanos - b.nanos };
	int64_t nanos;

	(void)pool;
	if (__builtin_sub_overflow(a.seconds, b.seconds, &between.seconds))
		return out_of_range(SFS_CEL_DURATION);
	if (between.seconds < 0 && between.nanos > 0) {
		between.seconds++;
		between.nanos -= SFS_CEL_NANOS;
	} else if (between.seconds > 0 && between.nanos < 0) {
		between.seconds--;
		between.nanos += SFS_CEL_NANOS;
	}
	if (!nanos_of(between, &nanos))
		return out_of_range(SFS_CEL_DURATION);
	return duration_of(nanos);
}

struct sfs_cel_value sfs_cel_timestamp_of_int(const struct sfs_cel_value *args,
                                              struct sfs_cel_pool *pool)
{
	(void)pool;
	return timestamp_of(args[0].as.integer, 0);
}

struct sfs_cel_value sfs_cel_int_of_timestamp(const struct sfs_cel_value *args,
                                              struct sfs_cel_pool *pool)
{
	(void)pool;
	return sfs_cel_int(args[0].as.time.seconds);
}
