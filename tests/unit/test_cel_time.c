/* SPDX-License-Identifier: Apache-2.0 */
/* Timestamps, durations and time zones of CEL. */
#include "cel/calendar.h"
#include "cel/zone_rule.h"
#include "unit/cel_call.h"

#include <time.h>

static struct sfs_cel_value ts(const char *text)
{
	return call("timestamp", str(text));
}

static struct sfs_cel_value dur(const char *text)
{
	return call("duration", str(text));
}

/* What a text reads as, printed. */
static struct sfs_cel_value ts_again(const char *text)
{
	struct sfs_cel_value v = ts(text);

	return v.kind == SFS_CEL_TIMESTAMP ? call("string", v) : v;
}

static struct sfs_cel_value dur_again(const char *text)
{
	struct sfs_cel_value v = dur(text);

	return v.kind == SFS_CEL_DURATION ? call("string", v) : v;
}

static void timestamps_read_and_print(void)
{
	IS_VALUE(ts_again("2009-02-13T23:31:30Z"), "\"2009-02-13T23:31:30Z\"");
	IS_VALUE(ts_again("2009-02-13T23:31:30.5Z"),
	         "\"2009-02-13T23:31:30.500Z\"");
	IS_VALUE(ts_again("9999-12-31T23:59:59.999999999Z"),
	         "\"9999-12-31T23:59:59.999999999Z\"");
	IS_VALUE(ts_again("1969-12-31T23:59:59.0000015999Z"),
	         "\"1969-12-31T23:59:59.000001599Z\"");
	IS_VALUE(ts_again("2009-02-13T23:31:30-07:30"),
	         "\"2009-02-14T07:01:30Z\"");
	IS_VALUE(ts_again("2000-02-29t00:00:00z"), "\"2000-02-29T00:00:00Z\"");
	IS_VALUE(ts_again("2016-12-31T23:59:60Z"), "\"2017-01-01T00:00:00Z\"");
	IS_VALUE(call("int", ts("2009-02-13T23:31:30Z")), "1234567890");
	IS_VALUE(call("int", ts("0001-01-01T00:00:00Z")), "-62135596800");
	IS_VALUE(call("string", call("timestamp", num(0))),
	         "\"1970-01-01T00:00:00Z\"");
}

static void what_is_not_of_rfc_3339_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"2009-02-13",
		"2009-02-13T23:31:30",
		"2009-02-13 23:31:30Z",
		"2009-02-13T23:31:30.Z",
		"2009-02-13T24:00:00Z",
		"2009-02-13T23:60:00Z",
		"2009-02-13T23:31:61Z",
		"2009-13-01T00:00:00Z",
		"2009-00-01T00:00:00Z",
		"2009-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2009-02-00T00:00:00Z",
		"2009-2-3T00:00:00Z",
		"2009-02-13T23:31:30Zx",
		"2009-02-13T23:31:30+24:00",
		"2009-02-13T23:31:30+0200",
		"10000-01-01T00:00:00Z",
		"0000-01-01T00:00:00Z",
		"0001-01-01T00:00:00+01:00",
		"9999-12-31T23:59:59-00:01",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS_ERROR(ts(bad[i]), "timestamp");
	IS_ERROR(call("timestamp", num(253402300800)), "range");
	IS_ERROR(call("timestamp", num(-62135596801)), "range");
	IS_ERROR(call("timestamp", num(INT64_MIN)), "range");
}

static void durations_read_and_print(void)
{
	IS_VALUE(dur_again("1000000s"), "\"1000000s\"");
	IS_VALUE(dur_again("1m1ms"), "\"60.001s\"");
	IS_VALUE(dur_again("-1.5h"), "\"-5400s\"");
	IS_VALUE(dur_again("-0.5s"), "\"-0.500s\"");
	IS_VALUE(dur_again("1h1m1s1ms1us1ns"), "\"3661.001001001s\"");
	IS_VALUE(dur_again("0"), "\"0s\"");
	IS_VALUE(dur_again("+.5s"), "\"0.500s\"");
	IS_VALUE(dur_again("2.s"), "\"2s\"");
	IS_VALUE(dur_again("1\xc2\xb5s"), "\"0.000001s\"");
	IS_VALUE(dur_again("1.0000000019s"), "\"1.000000001s\"");
	IS_VALUE(dur_again("9223372036854775807ns"),
	         "\"9223372036.854775807s\"");
	IS_VALUE(dur_again("-9223372036854775808ns"),
	         "\"-9223372036.854775808s\"");
}

static void what_is_no_duration_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"-",
		"1",
		"s",
		"1d",
		".s",
		"1s ",
		" 1s",
		"1.s.",
		"1..5s",
		"--1s",
		"1 s",
		"1n",
		"1u",
		"inf",
		"9223372036854775808ns",
		"-9223372036854775809ns",
		"320000000000s",
		"99999999999999999999s",
		"2562048h",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS_ERROR(dur(bad[i]), "duration()");
}

static void arithmetic_stays_in_range(void)
{
	struct sfs_cel_value first = ts("0001-01-01T00:00:00Z");
	struct sfs_cel_value last = ts("9999-12-31T23:59:59.999999999Z");
	struct sfs_cel_value least = dur("-9223372036854775808ns");

	IS_ERROR(call2("_+_", first, dur("-1ns")), "range");
	IS_ERROR(call2("_-_", first, dur("1ns")), "range");
	IS_ERROR(call2("_+_", last, dur("1ns")), "range");
	IS_ERROR(call2("_+_", dur("1ns"), last), "range");
	IS_ERROR(call2("_-_", last, first), "range");
	IS_ERROR(call2("_-_", first, last), "range");
	IS_ERROR(call2("_+_", least, dur("-1ns")), "range");
	IS_ERROR(call2("_-_", dur("0"), least), "range");
	IS_VALUE(call("string",
	              call2("_-_", ts("1970-01-01T00:00:00Z"), dur("0.25s"))),
	         "\"1969-12-31T23:59:59.750Z\"");
	IS_VALUE(call("string", call2("_-_", ts("1970-01-01T00:00:01Z"),
	                              ts("1970-01-01T00:00:02.25Z"))),
	         "\"-1.250s\"");
	IS_VALUE(call("string", call2("_-_", dur("1s"), dur("1.5s"))),
	         "\"-0.500s\"");
	OK(call2("_<_", dur("-1.5s"), dur("-1.25s")).as.boolean);
	OK(call2("_==_", dur("60s"), dur("1m")).as.boolean);
}

/* Values of variables come from the caller, and need not be in range. */
static void values_out_of_range_do_no_harm(void)
{
	struct sfs_cel_value wild = { .kind = SFS_CEL_TIMESTAMP,
		                      .as.time = { INT64_MAX, 999999999 } };
	struct sfs_cel_value wilder = { .kind = SFS_CEL_TIMESTAMP,
		                        .as.time = { INT64_MIN, -1 } };
	struct sfs_cel_value far = { .kind = SFS_CEL_DURATION,
		                     .as.time = { INT64_MIN, INT32_MIN } };

	IS_ERROR(call("string", wild), "range");
	IS_ERROR(call("getHours", wilder), "range");
	IS_ERROR(call2("getHours", wild, str("Europe/Berlin")), "range");
	IS_ERROR(call2("_-_", wild, wilder), "range");
	IS_VALUE(call("string", call2("_+_", wild, far)),
	         "\"1969-12-31T23:59:57.852516351Z\"");
	IS_ERROR(call2("_-_", wild, far), "range");
	IS_ERROR(call2("_+_", wilder, far), "range");
	IS_ERROR(call2("_+_", far, far), "range");
	IS_INT(call("string", far).kind, SFS_CEL_STRING);
}

static void parts_of_timestamps(void)
{
	struct sfs_cel_value t = ts("2009-02-13T23:31:30.123456Z");

	IS_VALUE(call("getFullYear", t), "2009");
	IS_VALUE(call("getMonth", t), "1");
	IS_VALUE(call("getDate", t), "13");
	IS_VALUE(call("getDayOfMonth", t), "12");
	IS_VALUE(call("getDayOfWeek", t), "5");
	IS_VALUE(call("getDayOfYear", t), "43");
	IS_VALUE(call("getHours", t), "23");
	IS_VALUE(call("getMinutes", t), "31");
	IS_VALUE(call("getSeconds", t), "30");
	IS_VALUE(call("getMilliseconds", t), "123");
	IS_VALUE(call("getHours", dur("10000s")), "2");
	IS_VALUE(call("getMinutes", dur("-3730s")), "-62");
	IS_VALUE(call("getSeconds", dur("3730.9s")), "3730");
	IS_VALUE(call("getMilliseconds", dur("-1.5s")), "-500");
}

static void the_calendar_agrees_with_the_c_library(void)
{
	uint64_t bits = 1;

	for (int i = 0; i < 20000; i++) {
		struct sfs_cel_date d;
		struct tm tm;
		time_t at;

		bits = bits * 6364136223846793005u + 1442695040888963407u;
		at = SFS_CEL_TIMESTAMP_MIN +
		     (int64_t)((bits >> 16) %
		               (uint64_t)(SFS_CEL_TIMESTAMP_MAX -
		                          SFS_CEL_TIMESTAMP_MIN + 1));
		OK(gmtime_r(&at, &tm) != NULL);
		sfs_cel_date_of(at, &d);
		OK(d.year == tm.tm_year + 1900 && d.month == tm.tm_mon + 1 &&
		   d.day == tm.tm_mday && d.weekday == tm.tm_wday &&
		   d.day_of_year == tm.tm_yday && d.hour == tm.tm_hour &&
		   d.minute == tm.tm_min && d.second == tm.tm_sec);
		IS_INT(sfs_cel_days_to(d.year, d.month, d.day) * 86400 +
		               d.hour * 3600 + d.minute * 60 + d.second,
		       at);
	}
}

static int64_t offset(const char *zone, const char *at)
{
	struct sfs_err err;
	int32_t out;

	if (sfs_cel_zone_offset((struct sfs_cel_text){ zone, strlen(zone) },
	                        ts(at).as.time.seconds, &out, &err) != SFS_OK)
		return err.rc;
	return out;
}

static void fixed_zones_are_read(void)
{
	IS_INT(offset("", "2020-01-01T00:00:00Z"), 0);
	IS_INT(offset("UTC", "2020-01-01T00:00:00Z"), 0);
	IS_INT(offset("+11:00", "2020-01-01T00:00:00Z"), 39600);
	IS_INT(offset("-02:30", "2020-01-01T00:00:00Z"), -9000);
	IS_INT(offset("02:00", "2020-01-01T00:00:00Z"), 7200);
	IS_INT(offset("-00:00", "2020-01-01T00:00:00Z"), 0);
}

static void names_do_not_leave_zoneinfo(void)
{
	static const char *const bad[] = {
		"Nope/Nowhere",
		"../../../etc/passwd",
		"/etc/passwd",
		"a b",
		"+25:00",
		"+2:00",
		"+02:60",
		"+0200",
		"Europe/Berlin/x",
		"a-name-that-is-longer-than-any-name-of-a-zone-that-is-there-"
		"now",
		"a-name-that-is-longer-than-any-name-of-a-zone-that-was-there-"
		"once",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS_INT(offset(bad[i], "2020-01-01T00:00:00Z"), SFS_E_NOT_FOUND);
	IS_ERROR(call2("getHours", ts("2020-01-01T00:00:00Z"), str("Nope")),
	         "no time zone 'Nope'");
	/* Files of another kind lie there, too. */
	OK(offset("tzdata.zi", "2020-01-01T00:00:00Z") < 0);
	OK(offset("Europe", "2020-01-01T00:00:00Z") < 0);
}

static void named_zones_know_their_history(void)
{
	if (offset("Europe/Berlin", "2020-01-01T00:00:00Z") ==
	    SFS_E_NOT_FOUND) {
		printf("# no zoneinfo here\n");
		return;
	}
	IS_INT(offset("Europe/Berlin", "2020-01-01T00:00:00Z"), 3600);
	IS_INT(offset("Europe/Berlin", "2020-07-01T00:00:00Z"), 7200);
	IS_INT(offset("Europe/Berlin", "2020-03-29T00:59:59Z"), 3600);
	IS_INT(offset("Europe/Berlin", "2020-03-29T01:00:00Z"), 7200);
	/* After the last change in the file, and in the far future. */
	IS_INT(offset("Europe/Berlin", "2060-07-01T00:00:00Z"), 7200);
	IS_INT(offset("Europe/Berlin", "9999-12-31T23:59:59Z"), 3600);
	IS_INT(offset("Europe/Berlin", "2060-10-31T00:59:59Z"), 7200);
	IS_INT(offset("Europe/Berlin", "2060-10-31T01:00:00Z"), 3600);
	/* Before the first: local mean time. */
	IS_INT(offset("Europe/Berlin", "0001-01-01T00:00:00Z"), 3208);
	/* The south has its summer over the end of the year. */
	IS_INT(offset("Australia/Sydney", "2060-01-01T00:00:00Z"), 39600);
	IS_INT(offset("Australia/Sydney", "2060-07-01T00:00:00Z"), 36000);
	IS_INT(offset("Asia/Kathmandu", "2009-02-13T23:31:30Z"), 20700);
	IS_INT(offset("America/St_Johns", "2009-02-13T02:00:00Z"), -12600);
	IS_INT(offset("Asia/Tehran", "2060-07-01T00:00:00Z"), 12600);
}

static bool rule(const char *text, const char *at, int32_t *out)
{
	return sfs_cel_zone_rule(text, text + strlen(text),
	                         ts(at).as.time.seconds, out);
}

static void rules_of_all_forms_are_read(void)
{
	int32_t out = 1;

	OK(rule("\nUTC0\n", "2060-01-01T00:00:00Z", &out));
	IS_INT(out, 0);
	OK(rule("\n<+0330>-3:30\n", "2060-01-01T00:00:00Z", &out));
	IS_INT(out, 12600);
	/* J60 is the 1st of March in every year. */
	OK(rule("\nA0B,J60/0,J61/0\n", "2060-03-01T00:00:00Z", &out));
	IS_INT(out, 3600);
	OK(rule("\nA0B,59/0,60/0\n", "2060-02-29T00:00:00Z", &out));
	IS_INT(out, 3600);
	OK(rule("\nA0B-2:30,M1.1.0/-24,M12.5.6/167\n", "2060-07-01T00:00:00Z",
	        &out));
	IS_INT(out, 9000);
}

static void broken_rules_are_refused(void)
{
	static const char *const bad[] = {
		"",
		"\n",
		"UTC0\n",
		"\nUTC\n",
		"\nUTC0",
		"\n<UTC0\n",
		"\nA0B\n",
		"\nA0B,M3.5.0\n",
		"\nA999\n",
		"\nA0:99\n",
		"\nA0B,M13.1.0,M1.1.0\n",
		"\nA0B,M3.6.0,M1.1.0\n",
		"\nA0B,M3.5.7,M1.1.0\n",
		"\nA0B,J366,J1\n",
		"\nA0B,M0.1.0,M1.1.0\n",
		"\nA0B,M3.5.0,M1.1.0x\n",
		"\nA0B,M3.5.0/,M1.1.0\n",
		"\nA99999999999999999999\n",
	};
	int32_t out;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		OK(!rule(bad[i], "2060-01-01T00:00:00Z", &out));
}

int main(void)
{
	cel_pool = sfs_cel_pool_new(1 << 20);
	RUN(timestamps_read_and_print);
	RUN(what_is_not_of_rfc_3339_is_refused);
	RUN(durations_read_and_print);
	RUN(what_is_no_duration_is_refused);
	RUN(arithmetic_stays_in_range);
	RUN(values_out_of_range_do_no_harm);
	RUN(parts_of_timestamps);
	RUN(the_calendar_agrees_with_the_c_library);
	RUN(fixed_zones_are_read);
	RUN(names_do_not_leave_zoneinfo);
	RUN(named_zones_know_their_history);
	RUN(rules_of_all_forms_are_read);
	RUN(broken_rules_are_refused);
	sfs_cel_pool_free(cel_pool);
	return tap_done();
}
