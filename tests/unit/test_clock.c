/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and the time format. */
#include "base/clock.h"
#include "unit/tap.h"

static void the_clocks_run_forward_in_their_units(void)
{
	int64_t ms = sfs_clock_ms();
	int64_t ns = sfs_clock_wall_ns();

	OK(sfs_clock_ms() >= ms);
	/* after 2020, before 2200 */
	OK(ns > 1577836800 * INT64_C(1000000000));
	OK(ns < 7258118400 * INT64_C(1000000000));
}

static const char *format(int64_t ns)
{
	static char text[SFS_TIME_BYTES];

	sfs_time_format(ns, text);
	return text;
}

static void times_are_printed_with_six_digits(void)
{
	IS_STR(format(0), "1970-01-01T00:00:00.000000Z");
	IS_STR(format(1), "1970-01-01T00:00:00.000000Z");
	IS_STR(format(999999999), "1970-01-01T00:00:00.999999Z");
	IS_STR(format(1795219200123456789), "2026-11-21T00:00:00.123456Z");
	IS_STR(format(-1), "1969-12-31T23:59:59.999999Z");
	IS_STR(format(-1000000000), "1969-12-31T23:59:59.000000Z");
}

static void the_last_64_bit_time_can_be_printed(void)
{
	IS_STR(format(INT64_MAX), "2262-04-11T23:47:16.854775Z");
}

static int64_t parse(const char *text)
{
	int64_t ns = -1;

	if (!sfs_time_parse(text, strlen(text), &ns))
		return -1;
	return ns;
}

static void iso_8601_is_read_in_the_forms_that_python_writes(void)
{
	const int64_t t = 1795219200 * INT64_C(1000000000);

	IS_INT(parse("2026-11-21T00:00:00Z"), t);
	IS_INT(parse("2026-11-21 00:00:00Z"), t);
	IS_INT(parse("2026-11-21T00:00:00+00:00"), t);
	IS_INT(parse("2026-11-21T02:30:00+02:30"), t);
	IS_INT(parse("2026-11-20T19:00:00-05:00"), t);
	IS_INT(parse("2026-11-21T00:00:00.5Z"), t + 500000000);
	IS_INT(parse("2026-11-21T00:00:00.123456Z"), t + 123456000);
	IS_INT(parse("2026-11-21T00:00:00.123456789Z"), t + 123456789);
	IS_INT(parse("1970-01-01T00:00:00Z"), 0);
	IS_INT(parse("2024-02-29T00:00:00Z"), 1709164800000000000);
}

static void anything_else_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"2026-11-21",
		"2026-11-21T00:00:00", /* no zone */
		"2026-11-21T00:00:00z",
		"2026-11-21t00:00:00Z",
		"2026-11-21T00:00:00Zx",
		"2026-11-21T00:00:00.Z",
		"2026-11-21T00:00:00,5Z",
		"2026-11-21T00:00:00+0000",
		"2026-11-21T00:00:00+00",
		"2026-11-21T00:00:00+",
		"2026-1-21T00:00:00Z",
		"2026-13-21T00:00:00Z",
		"2026-00-21T00:00:00Z",
		"2026-11-00T00:00:00Z",
		"2026-11-32T00:00:00Z",
		"2026-11-21T24:00:00Z",
		"2026-11-21T00:60:00Z",
		"2026-11-21T00:00:61Z",
		"-026-11-21T00:00:00Z",
		" 2026-11-21T00:00:00Z",
		"1969-12-31T23:59:59Z",
		"9999-12-31T23:59:59Z", /* not in 64 bits */
		"2026-02-31T00:00:00Z",
		"2025-02-29T00:00:00Z",
		"2026-11-21T00:00:00+24:00",
		"2026-11-21T00:00:00+01:60",
		"2026-11-21T00:00:00.1234567890Z",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i]) != -1)
			TAP_FAIL("\"%s\" was read", bad[i]);
	}
}

/* Behind the given length lies nothing: ASan would tell. */
static void only_len_bytes_are_read(void)
{
	const char text[] = "2026-11-21T00:00:00.5Z";
	int64_t ns;

	for (size_t len = 0; len < strlen(text); len++) {
		char part[32];

		memcpy(part + sizeof(part) - len, text, len);
		OK(!sfs_time_parse(part + sizeof(part) - len, len, &ns));
	}
}

static void what_is_printed_is_read_back(void)
{
	for (int64_t ns = 1000; ns > 0 && ns < INT64_MAX / 3; ns *= 3) {
		const char *text = format(ns);

		IS_INT(parse(text), ns / 1000 * 1000);
	}
}

static void a_timed_wait_ends_on_the_scale_of_deadlines(void)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int64_t until_ms = sfs_clock_ms() + 20;
	pthread_cond_t cond;

	sfs_clock_cond_init(&cond);
	pthread_mutex_lock(&lock);
	while (sfs_clock_cond_wait(&cond, &lock, until_ms))
		;
	OK(sfs_clock_ms() >= until_ms);
	OK(!sfs_clock_cond_wait(&cond, &lock, 0));
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&cond);
}

int main(void)
{
	RUN(the_clocks_run_forward_in_their_units);
	RUN(times_are_printed_with_six_digits);
	RUN(the_last_64_bit_time_can_be_printed);
	RUN(iso_8601_is_read_in_the_forms_that_python_writes);
	RUN(anything_else_is_refused);
	RUN(only_len_bytes_are_read);
	RUN(what_is_printed_is_read_back);
	RUN(a_timed_wait_ends_on_the_scale_of_deadlines);
	return tap_done();
}
