/* SPDX-License-Identifier: Apache-2.0 */
/* The table of CEL's functions: what each row makes of values. */
#include "unit/cel_call.h"

#include <math.h>
#include <stdlib.h>

static void rows_are_sorted_and_found_by_name(void)
{
	size_t count;
	const struct sfs_cel_overload *rows = sfs_cel_overloads(&count);

	for (size_t i = 1; i < count; i++)
		OK(strcmp(rows[i - 1].name, rows[i].name) <= 0);
	for (size_t i = 0; i < count; i++) {
		const char *name = rows[i].name;
		size_t same;
		const struct sfs_cel_overload *first = sfs_cel_overloads_named(
			(struct sfs_cel_text){ name, strlen(name) }, &same);

		OK(first != NULL && first <= &rows[i] &&
		   &rows[i] < first + same);
		OK(rows[i].argc <= SFS_CEL_ARGS_MAX && rows[i].run != NULL);
	}
}

static void a_name_that_is_not_there_is_not_found(void)
{
	static const char *const names[] = { "",     "siza", "sizes",
		                             "Size", "zzzz", "!",
		                             "_+",   "_+_x", "size\0" };
	size_t count = 7;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) - 1; i++) {
		OK(sfs_cel_overloads_named(
			   (struct sfs_cel_text){ names[i], strlen(names[i]) },
			   &count) == NULL);
		IS_INT(count, 0);
	}
	OK(sfs_cel_overloads_named((struct sfs_cel_text){ "size\0", 5 },
	                           &count) == NULL);
}

static void integers_do_not_wrap(void)
{
	IS_VALUE(call2("_+_", num(INT64_MAX), num(INT64_MIN)), "-1");
	IS_ERROR(call2("_+_", num(INT64_MAX), num(1)), "overflow");
	IS_ERROR(call2("_-_", num(INT64_MIN), num(1)), "overflow");
	IS_ERROR(call2("_-_", num(0), num(INT64_MIN)), "overflow");
	IS_ERROR(call2("_*_", num(INT64_MIN), num(-1)), "overflow");
	IS_ERROR(call2("_*_", num(INT64_C(1) << 32), num(INT64_C(1) << 31)),
	         "overflow");
	IS_ERROR(call("-_", num(INT64_MIN)), "overflow");
	IS_VALUE(call("-_", num(INT64_MAX)), "-9223372036854775807");
	IS_ERROR(call2("_-_", unum(0), unum(1)), "overflow");
	IS_ERROR(call2("_+_", unum(UINT64_MAX), unum(1)), "overflow");
	IS_ERROR(call2("_*_", unum(UINT64_MAX), unum(2)), "overflow");
	IS_VALUE(call2("_*_", unum(UINT64_MAX), unum(1)),
	         "18446744073709551615u");
}

static void division_truncates_and_refuses_zero(void)
{
	IS_VALUE(call2("_/_", num(-7), num(2)), "-3");
	IS_VALUE(call2("_%_", num(-3), num(5)), "-3");
	IS_VALUE(call2("_%_", num(43), num(-5)), "3");
	IS_VALUE(call2("_%_", unum(43), unum(5)), "3u");
	IS_ERROR(call2("_/_", num(1), num(0)), "division by zero");
	IS_ERROR(call2("_%_", num(1), num(0)), "division by zero");
	IS_ERROR(call2("_/_", unum(1), unum(0)), "division by zero");
	IS_ERROR(call2("_%_", unum(1), unum(0)), "division by zero");
	IS_ERROR(call2("_/_", num(INT64_MIN), num(-1)), "overflow");
	IS_ERROR(call2("_%_", num(INT64_MIN), num(-1)), "overflow");
	IS_VALUE(call2("_/_", real(-1), real(0)), "-inf");
}

static void numbers_of_different_types_are_on_one_line(void)
{
	OK(call2("_<_", num(-1), unum(0)).as.boolean);
	OK(call2("_<_", num(INT64_MAX), unum(UINT64_MAX)).as.boolean);
	OK(call2("_>_", unum(UINT64_MAX), num(-1)).as.boolean);
	OK(call2("_==_", num(1), unum(1)).as.boolean);
	OK(call2("_==_", unum(1), real(1)).as.boolean);
	OK(call2("_!=_", num(-1), unum(UINT64_MAX)).as.boolean);
	OK(call2("_<_", num(INT64_MIN), real(-9.3e18)).as.boolean == false);
	OK(call2("_<_", real(-0.5), unum(0)).as.boolean);
	OK(call2("_>_", real(1.9e19), unum(UINT64_MAX)).as.boolean);
	/* Within the range, in double arithmetic: [C] internal/number.h. */
	OK(!call2("_<_", num(INT64_MAX), real(0x1p63)).as.boolean);
	OK(call2("_==_", num(INT64_MAX), real(0x1p63)).as.boolean);
}

static void nan_is_not_ordered(void)
{
	static const char *const orders[] = { "_<_", "_<=_", "_>_", "_>=_",
		                              "_==_" };
	const struct sfs_cel_value others[] = { real((double)NAN), real(1),
		                                num(1), unum(1) };

	for (size_t i = 0; i < 5; i++) {
		for (size_t k = 0; k < 4; k++) {
			OK(!call2(orders[i], real((double)NAN), others[k])
			            .as.boolean);
			OK(!call2(orders[i], others[k], real((double)NAN))
			            .as.boolean);
		}
	}
	OK(call2("_!=_", real((double)NAN), real((double)NAN)).as.boolean);
}

static void different_types_are_unequal_and_have_no_order(void)
{
	OK(!call2("_==_", str("a"), raw("a")).as.boolean);
	OK(!call2("_==_", num(0), truth(false)).as.boolean);
	OK(call2("_==_", null_value(), null_value()).as.boolean);
	IS_INT(call2("_<_", null_value(), null_value()).kind, SFS_CEL_INVALID);
	IS_INT(call2("_<_", str("a"), num(1)).kind, SFS_CEL_INVALID);
	OK(call2("_<_", truth(false), truth(true)).as.boolean);
}

static void texts_are_ordered_by_bytes(void)
{
	const struct sfs_cel_value ab = text_of(SFS_CEL_STRING, "a\0b", 3);
	const struct sfs_cel_value ac = text_of(SFS_CEL_STRING, "a\0c", 3);

	OK(call2("_<_", ab, ac).as.boolean);
	OK(call2("_!=_", ab, ac).as.boolean);
	OK(call2("_>_", ab, str("a")).as.boolean);
	OK(call2("_>_", raw("\xff"), raw("a")).as.boolean);
	OK(call2("_<_", text_of(SFS_CEL_BYTES, NULL, 0), raw("a")).as.boolean);
	OK(call2("_==_", text_of(SFS_CEL_STRING, NULL, 0), str("")).as.boolean);
	IS_VALUE(call2("_+_", str("a"), str("b")), "\"ab\"");
	IS_INT(call2("_+_", ab, ac).as.text.len, 6);
}

static void strings_are_measured_in_code_points(void)
{
	IS_VALUE(call("size", str("fort\xc3\xa9")), "5");
	IS_VALUE(call("size", raw("fort\xc3\xa9")), "6");
	IS_VALUE(call("size", str("\xf0\x9f\x90\xb1")), "1");
	IS_VALUE(call("size", text_of(SFS_CEL_STRING, "a\0b", 3)), "3");
}

static void parts_of_strings_are_found(void)
{
	OK(call2("startsWith", str("foobar"), str("foo")).as.boolean);
	OK(!call2("startsWith", str("f"), str("foo")).as.boolean);
	OK(call2("endsWith", str("foobar"), str("bar")).as.boolean);
	OK(!call2("endsWith", str("r"), str("bar")).as.boolean);
	OK(call2("contains", str("foobar"), str("ob")).as.boolean);
	OK(!call2("contains", str("foobar"), str("oob2")).as.boolean);
	OK(call2("contains", text_of(SFS_CEL_STRING, NULL, 0), str(""))
	           .as.boolean);
	OK(call2("contains", text_of(SFS_CEL_STRING, "a\0b", 3), str("b"))
	           .as.boolean);
}

static void bool_knows_ten_words(void)
{
	OK(call("bool", str("True")).as.boolean);
	OK(call("bool", str("1")).as.boolean);
	IS_VALUE(call("bool", str("f")), "false");
	IS_ERROR(call("bool", str("tRue")), "bool()");
	IS_ERROR(call("bool", str("")), "bool()");
	IS_ERROR(call("bool", text_of(SFS_CEL_STRING, "1\0", 2)), "bool()");
}

static void conversions_stay_in_range(void)
{
	IS_VALUE(call("int", real(-7.9)), "-7");
	IS_ERROR(call("int", real(0x1p63)), "int()");
	IS_ERROR(call("int", real(-0x1p63)), "int()");
	IS_VALUE(call("int", real(0x1.fffffffffffffp62)),
	         "9223372036854774784");
	IS_ERROR(call("int", real((double)NAN)), "int()");
	IS_ERROR(call("int", unum(UINT64_MAX)), "int()");
	IS_ERROR(call("uint", num(-1)), "uint()");
	IS_ERROR(call("uint", real(0x1p64)), "uint()");
	IS_ERROR(call("uint", real(-0.5)), "uint()");
	IS_ERROR(call("uint", real((double)NAN)), "uint()");
	IS_VALUE(call("uint", real(-0.0)), "0u");
	IS_VALUE(call("double", unum(UINT64_MAX)), "1.84467440737096e+19");
	IS_INT(call("int", truth(true)).kind, SFS_CEL_INVALID);
}

static void integers_are_read_from_digits_only(void)
{
	static const char *const bad[] = { "",
		                           "-",
		                           "+1",
		                           " 1",
		                           "1 ",
		                           "0x1",
		                           "1.0",
		                           "1e3",
		                           "--1",
		                           "1_0",
		                           "9223372036854775808",
		                           "-9223372036854775809",
		                           "99999999999999999999999" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS_ERROR(call("int", str(bad[i])), "int()");
	IS_VALUE(call("int", str("-9223372036854775808")),
	         "-9223372036854775808");
	IS_VALUE(call("int", str("-0")), "0");
	IS_VALUE(call("int", str("007")), "7");
	IS_VALUE(call("uint", str("18446744073709551615")),
	         "18446744073709551615u");
	IS_ERROR(call("uint", str("18446744073709551616")), "uint()");
	IS_ERROR(call("uint", str("-1")), "uint()");
	IS_ERROR(call("uint", str("1u")), "uint()");
	IS_ERROR(call("int", text_of(SFS_CEL_STRING, "1\0", 2)), "int()");
}

static void doubles_are_read_from_decimals(void)
{
	static const char *const bad[] = { "",    ".",  "-",   "1e",
		                           "1e+", " 1", "1 ",  "0x1p3",
		                           "1,5", "e5", "--1", "1.5.2",
		                           "nope" };
	char longest[400];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS_ERROR(call("double", str(bad[i])), "double()");
	IS_VALUE(call("double", str("-5.43e-21")), "-5.43e-21");
	IS_VALUE(call("double", str(".5")), "0.5");
	IS_VALUE(call("double", str("1.")), "1");
	IS_VALUE(call("double", str("1E+3")), "1000");
	IS_VALUE(call("double", str("1e-999")), "0");
	IS_VALUE(call("double", str("-1e999")), "-inf");
	IS_VALUE(call("double", str("-inf")), "-inf");
	OK(isnan(call("double", str("nan")).as.number));
	memset(longest, '0', sizeof(longest));
	longest[0] = '.';
	longest[399] = '1';
	IS_VALUE(call("double", text_of(SFS_CEL_STRING, longest, 400)), "0");
	IS_ERROR(call("double", text_of(SFS_CEL_STRING, "1\0", 2)), "double()");
}

static void doubles_print_as_to_chars_does(void)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0.0, "\"0\"" },
		{ -0.0, "\"-0\"" },
		{ 1.5, "\"1.5\"" },
		{ 3.0, "\"3\"" },
		{ -120.0, "\"-120\"" },
		{ 123456.789, "\"123456.789\"" },
		{ 999999.5, "\"999999.5\"" },
		{ 100000.0, "\"100000\"" },
		{ 1e6, "\"1e+06\"" },
		{ 1234567.0, "\"1.234567e+06\"" },
		{ 0.0001, "\"0.0001\"" },
		{ 0.00012345, "\"0.00012345\"" },
		{ 0.00001, "\"1e-05\"" },
		{ 0.1, "\"0.1\"" },
		{ 0.1 + 0.2, "\"0.30000000000000004\"" },
		{ 1e23, "\"1e+23\"" },
		{ 1e100, "\"1e+100\"" },
		{ 5e-324, "\"5e-324\"" },
		{ 2.2250738585072014e-308, "\"2.2250738585072014e-308\"" },
		{ 2.2250738585072011e-308, "\"2.225073858507201e-308\"" },
		{ 1.7976931348623157e308, "\"1.7976931348623157e+308\"" },
		{ 9007199254740993.0, "\"9.007199254740992e+15\"" },
		/* Powers of two, where doubles are nearer below than above. */
		{ 0x1p-44, "\"5.684341886080802e-14\"" },
		{ 0x1p89, "\"6.189700196426902e+26\"" },
		{ (double)NAN, "\"nan\"" },
		{ (double)INFINITY, "\"inf\"" },
		{ -(double)INFINITY, "\"-inf\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		IS_VALUE(call("string", real(cases[i].value)), cases[i].text);
}

static void what_a_double_prints_reads_back(void)
{
	uint64_t bits = 0x123456789abcdefu;

	for (int i = 0; i < 20000; i++) {
		double v;

		bits = bits * 6364136223846793005u + 1442695040888963407u;
		memcpy(&v, &bits, sizeof(v));
		if (isnan(v))
			continue;
		sfs_cel_pool_reset(cel_pool);
		OK(call("double", call("string", real(v))).as.number == v);
	}
}

static void other_values_print(void)
{
	IS_VALUE(call("string", num(INT64_MIN)), "\"-9223372036854775808\"");
	IS_VALUE(call("string", num(0)), "\"0\"");
	IS_VALUE(call("string", unum(UINT64_MAX)), "\"18446744073709551615\"");
	IS_VALUE(call("string", truth(true)), "\"true\"");
	IS_VALUE(call("string", raw("\xc3\xbf")), "\"\xc3\xbf\"");
	IS_VALUE(call("bytes", str("\xc3\xbf")), "b\"\xc3\xbf\"");
	IS_VALUE(call("string", text_of(SFS_CEL_BYTES, NULL, 0)), "\"\"");
}

static void bytes_that_are_no_utf8_make_no_string(void)
{
	static const char *const bad[] = {
		"\xff",
		"a\xc3",
		"\xc0\x80",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\x80",
		"\xe0\x80\x80",
		"\xf0\x9f\x90",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS_ERROR(call("string", raw(bad[i])), "UTF-8");
}

static void shard_hash_gives_the_known_answers(void)
{
	IS_VALUE(call("shard_hash", num(0)), "14374147212387527897u");
	IS_VALUE(call("shard_hash", num(42)), "15395265915043915720u");
	IS_VALUE(call("shard_hash", unum(42)), "15395265915043915720u");
	IS_VALUE(call("shard_hash", num(-1)), "5841669975847748627u");
	IS_VALUE(call("shard_hash", num(INT64_MIN)), "9407778237848358495u");
	IS_VALUE(call("shard_hash", num(INT64_MAX)), "11687913294787043142u");
	IS_VALUE(call("shard_hash", str("")), "3244421341483603138u");
	IS_VALUE(call("shard_hash", text_of(SFS_CEL_BYTES, NULL, 0)),
	         "3244421341483603138u");
	IS_VALUE(call("shard_hash", str("hello")), "10760762337991515389u");
	IS_VALUE(call("shard_hash", str("us-west:3")), "10205495391576723513u");
	IS_VALUE(call("shard_hash", text_of(SFS_CEL_BYTES, "a\0b", 3)),
	         "15393423168975819601u");
	IS_ERROR(call("shard_hash", unum((uint64_t)INT64_MAX + 1)),
	         "shard_hash()");
	IS_INT(call("shard_hash", truth(true)).kind, SFS_CEL_INVALID);
	IS_INT(call("shard_hash", real(1)).kind, SFS_CEL_INVALID);
}

static void types_are_values(void)
{
	IS_INT(call("type", num(1)).as.type->kind, SFS_CEL_INT);
	OK(call2("_==_", call("type", str("a")), call("type", str("b")))
	           .as.boolean);
	OK(!call2("_==_", call("type", num(1)), call("type", unum(1)))
	            .as.boolean);
	IS_INT(call("type", call("type", num(1))).as.type->kind, SFS_CEL_TYPE);
}

static void memory_that_runs_out_is_an_error(void)
{
	struct sfs_cel_pool *saved = cel_pool;
	struct sfs_cel_value sum;

	cel_pool = sfs_cel_pool_new(1);
	sum = call2("_+_", str("abcdefgh"), str("abcdefgh"));
	IS_INT(sum.kind, SFS_CEL_ERROR);
	OK(sum.as.error == SFS_CEL_NO_POOL);
	OK(call("string", num(1)).as.error == SFS_CEL_NO_POOL);
	OK(call("string", real(1)).as.error == SFS_CEL_NO_POOL);
	sfs_cel_pool_free(cel_pool);
	cel_pool = saved;
}

int main(void)
{
	cel_pool = sfs_cel_pool_new(1 << 20);
	RUN(rows_are_sorted_and_found_by_name);
	RUN(a_name_that_is_not_there_is_not_found);
	RUN(integers_do_not_wrap);
	RUN(division_truncates_and_refuses_zero);
	RUN(numbers_of_different_types_are_on_one_line);
	RUN(nan_is_not_ordered);
	RUN(different_types_are_unequal_and_have_no_order);
	RUN(texts_are_ordered_by_bytes);
	RUN(strings_are_measured_in_code_points);
	RUN(parts_of_strings_are_found);
	RUN(bool_knows_ten_words);
	RUN(conversions_stay_in_range);
	RUN(integers_are_read_from_digits_only);
	RUN(doubles_are_read_from_decimals);
	RUN(doubles_print_as_to_chars_does);
	RUN(what_a_double_prints_reads_back);
	RUN(other_values_print);
	RUN(bytes_that_are_no_utf8_make_no_string);
	RUN(shard_hash_gives_the_known_answers);
	RUN(types_are_values);
	RUN(memory_that_runs_out_is_an_error);
	sfs_cel_pool_free(cel_pool);
	return tap_done();
}
