/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: exact values in, Python's bytes out, and nothing that is not JSON. */
#include "base/json.h"
#include "unit/tap.h"

#include <math.h>
#include <stdlib.h>

/* Reads one value that must be the whole document. */
static enum sfs_rc read_one(struct sfs_json_reader *r, const char *text,
                            struct sfs_json_token *t, struct sfs_err *err)
{
	sfs_json_reader_init(r, text, strlen(text));
	return sfs_json_next(r, t, err);
}

static void expect_int(const char *text, int64_t want)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;

	IS_INT(read_one(&r, text, &t, NULL), SFS_OK);
	IS_INT(t.type, SFS_JSON_INT);
	IS_INT(t.integer, want);
	sfs_json_reader_release(&r);
}

static void expect_double(const char *text, double want)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;

	IS_INT(read_one(&r, text, &t, NULL), SFS_OK);
	IS_INT(t.type, SFS_JSON_DOUBLE);
	OK(memcmp(&t.number, &want, sizeof(want)) == 0 ||
	   (isnan(t.number) && isnan(want)));
	sfs_json_reader_release(&r);
}

static void expect_string(const char *text, const char *want, size_t len)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;

	IS_INT(read_one(&r, text, &t, NULL), SFS_OK);
	IS_INT(t.type, SFS_JSON_STRING);
	IS_INT(t.len, len);
	OK(t.text != NULL && memcmp(t.text, want, len + 1) == 0);
	sfs_json_reader_release(&r);
}

/* Reads all tokens, one letter each, to the end or to the first fault. */
static const char *walk(const char *text, size_t len, struct sfs_err *err)
{
	static const char letters[] = ".nbidsk{}[]";
	static char out[512];
	struct sfs_json_reader r;
	struct sfs_json_token t;
	size_t n = 0;

	sfs_json_reader_init(&r, text, len);
	do {
		if (sfs_json_next(&r, &t, err) != SFS_OK) {
			out[n++] = '!';
			break;
		}
		out[n++] = letters[t.type];
	} while (t.type != SFS_JSON_END && n < sizeof(out) - 1);
	out[n] = '\0';
	sfs_json_reader_release(&r);
	return out;
}

static const char *tokens(const char *text)
{
	return walk(text, strlen(text), NULL);
}

static void integers_are_exact(void)
{
	expect_int("0", 0);
	expect_int("-0", 0);
	expect_int("999999999999999999", INT64_C(999999999999999999));
	expect_int("-99999999999999999", INT64_C(-99999999999999999));
	expect_int("1000000000000000000", INT64_C(1000000000000000000));
	expect_int("9223372036854775806", INT64_C(9223372036854775806));
	expect_int("9223372036854775807", INT64_MAX);
	expect_int("-9223372036854775808", INT64_MIN);
}

static void other_numbers_are_doubles(void)
{
	expect_double("9223372036854775808", 9223372036854775808.0);
	expect_double("-9223372036854775809", -9223372036854775808.0);
	expect_double("1.5", 1.5);
	expect_double("1e2", 100.0);
	expect_double("-1.25E-2", -0.0125);
	expect_double("-0.0", -0.0);
	expect_double("1e999", HUGE_VAL);
	expect_double("NaN", (double)NAN);
	expect_double("Infinity", HUGE_VAL);
	expect_double("-Infinity", -HUGE_VAL);
}

static void strings_are_decoded_and_counted(void)
{
	expect_string("\"\"", "", 0);
	expect_string("\"a\\u0000b\"", "a\0b", 3);
	expect_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
	expect_string("\"\\u00e9\\u20AC\"", "\xc3\xa9\xe2\x82\xac", 5);
	expect_string("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf", 4);
	expect_string("\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80", 4);
	expect_string("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
	              "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 11);
	expect_string("\"\xc3\xa9\x7f\"", "\xc3\xa9\x7f", 3);
}

static void documents_are_read_token_by_token(void)
{
	IS_STR(tokens("null"), "n.");
	IS_STR(tokens(" [ ] "), "[].");
	IS_STR(tokens("{}"), "{}.");
	IS_STR(tokens("[1,2.5,\"x\",true,false,null]"), "[idsbbn].");
	IS_STR(tokens("{\"a\":1,\"b\":[{}],\"c\":{\"d\":\"e\"}}"),
	       "{kik[{}]k{ks}}.");
	IS_STR(tokens("\r\n\t {\"a\" : [ 1 , 2 ] }\n"), "{k[ii]}.");
	IS_STR(tokens("[[],[[]]]"), "[[][[]]].");
}

static const char *const NOT_JSON[] = {
	"",
	"   ",
	"nul",
	"nulll",
	"True",
	"1 2",
	"[1,]",
	"[,1]",
	"[1 2]",
	"[",
	"]",
	"{",
	"}",
	"[}",
	"{]",
	"{\"a\"}",
	"{\"a\":}",
	"{\"a\" 1}",
	"{1:2}",
	"{,}",
	"{\"a\":1,}",
	"{\"a\":1 \"b\":2}",
	"{a:1}",
	"{\"a\":1",
	"01",
	"-",
	"-a",
	"+1",
	".5",
	"1.",
	"1.e1",
	"1e",
	"1e+",
	"0x10",
	"--1",
	"\"",
	"\"a",
	"'a'",
	"\"\\x\"",
	"\"\\",
	"\"\\u12\"",
	"\"\\u12g4\"",
	"\"a\nb\"",
	"\"\\ud800\"",
	"\"\\udc00\"",
	"\"\\ud800\\u0041\"",
	"\"\\ud800x\"",
	"\"\\ud800\\ud800\"",
	"\"\xff\"",
	"\"\xc3\"",
	"\"\xed\xa0\x80\"",
	"\xef\xbb\xbf{}",
	"//x\n1",
	"[1]]",
	"-Inf",
	"nan",
	"Infinit",
	"\"\t\"",
};

static void what_is_not_json_is_refused(void)
{
	const char *got;
	size_t i;

	for (i = 0; i < sizeof(NOT_JSON) / sizeof(NOT_JSON[0]); i++) {
		got = tokens(NOT_JSON[i]);
		if (got[strlen(got) - 1] != '!')
			TAP_FAIL("%s was taken", NOT_JSON[i]);
	}
	IS_STR(walk("1\0", 2, NULL), "i!");
	IS_STR(walk("\"a\0b\"", 5, NULL), "!");
}

static void faults_tell_line_and_column(void)
{
	struct sfs_err err;

	(void)walk("{\n  \"a\": 1,\n  b\n}", 16, &err);
	IS_INT(err.rc, SFS_E_CORRUPT);
	HAS_STR(err.msg, "line 3, column 3");
}

static void nesting_is_bounded(void)
{
	char text[2 * SFS_JSON_DEPTH_MAX + 2];
	const size_t max = SFS_JSON_DEPTH_MAX;
	struct sfs_err err;
	const char *got;

	memset(text, '[', max);
	memset(text + max, ']', max);
	got = walk(text, 2 * max, NULL);
	IS_INT(got[strlen(got) - 1], '.');
	memset(text, '[', max + 1);
	memset(text + max + 1, ']', max + 1);
	got = walk(text, 2 * max + 2, &err);
	IS_INT(got[strlen(got) - 1], '!');
	HAS_STR(err.msg, "deep");
}

static void a_lax_reader_replaces_half_pairs(void)
{
	const char text[] = "[\"\\ud800\", \"\\udcffx\\ud83d\\ude00\\ud800"
			    "\\u0041\"]";
	struct sfs_json_reader r;
	struct sfs_json_token t;

	sfs_json_reader_init(&r, text, strlen(text));
	r.is_lax = true;
	IS_INT(sfs_json_next(&r, &t, NULL), SFS_OK);
	IS_INT(sfs_json_next(&r, &t, NULL), SFS_OK);
	IS_STR(t.text, "\xef\xbf\xbd");
	IS_INT(sfs_json_next(&r, &t, NULL), SFS_OK);
	IS_STR(t.text, "\xef\xbf\xbdx\xf0\x9f\x98\x80\xef\xbf\xbd"
	               "A");
	sfs_json_reader_release(&r);
}

static void a_reader_at_its_end_stays_there(void)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;

	IS_INT(read_one(&r, "1 ", &t, NULL), SFS_OK);
	IS_INT(sfs_json_next(&r, &t, NULL), SFS_OK);
	IS_INT(t.type, SFS_JSON_END);
	IS_INT(sfs_json_next(&r, &t, NULL), SFS_OK);
	IS_INT(t.type, SFS_JSON_END);
	sfs_json_reader_release(&r);
}

static void a_value_can_be_skipped_and_keeps_its_text(void)
{
	const char text[] = "{\"a\": {\"x\" : [1.50, \"\\u0041\"]} , \"b\":7}";
	struct sfs_json_reader r;
	struct sfs_json_token t;
	const char *raw;
	size_t len;

	IS_INT(read_one(&r, text, &t, NULL), SFS_OK);
	IS_INT(sfs_json_next(&r, &t, NULL), SFS_OK);
	IS_STR(t.text, "a");
	IS_INT(sfs_json_skip(&r, &raw, &len, NULL), SFS_OK);
	IS_INT(len, 24);
	OK(strncmp(raw, "{\"x\" : [1.50, \"\\u0041\"]}", len) == 0);
	IS_INT(sfs_json_next(&r, &t, NULL), SFS_OK);
	IS_STR(t.text, "b");
	IS_INT(sfs_json_skip(&r, &raw, &len, NULL), SFS_OK);
	IS_INT(len, 1);
	IS_INT(sfs_json_next(&r, &t, NULL), SFS_OK);
	IS_INT(t.type, SFS_JSON_OBJECT_END);
	sfs_json_reader_release(&r);
}

static void where_no_value_is_skipping_fails(void)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	const char *raw;
	size_t len;

	IS_INT(read_one(&r, "[]", &t, NULL), SFS_OK);
	IS_INT(sfs_json_skip(&r, &raw, &len, NULL), SFS_E_CORRUPT);
	sfs_json_reader_release(&r);
	IS_INT(read_one(&r, "{\"a\":1}", &t, NULL), SFS_OK);
	IS_INT(sfs_json_skip(&r, &raw, &len, NULL), SFS_E_CORRUPT);
	sfs_json_reader_release(&r);
}

/* Prints one document that uses every call. */
static void print_all(struct sfs_buf *b, bool spaced, bool ascii)
{
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, b, spaced, ascii);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "a");
	sfs_json_array_begin(&p);
	sfs_json_int(&p, INT64_MIN);
	sfs_json_uint(&p, UINT64_MAX);
	sfs_json_bool(&p, true);
	sfs_json_array_begin(&p);
	sfs_json_array_end(&p);
	sfs_json_null(&p);
	sfs_json_array_end(&p);
	sfs_json_key(&p, "\xc3\xa9");
	sfs_json_object_begin(&p);
	sfs_json_object_end(&p);
	sfs_json_key(&p, "r");
	sfs_json_raw(&p, "[1,2]", 5);
	sfs_json_key(&p, "s");
	sfs_json_cstring(&p, NULL);
	sfs_json_object_end(&p);
}

static void commas_and_spaces_are_pythons(void)
{
	struct sfs_buf b = SFS_BUF_INIT(4096);

	print_all(&b, false, true);
	IS_STR(b.data, "{\"a\":[-9223372036854775808,18446744073709551615,true,"
	               "[],null],\"\\u00e9\":{},\"r\":[1,2],\"s\":null}");
	sfs_buf_reset(&b);
	print_all(&b, true, false);
	IS_STR(b.data, "{\"a\": [-9223372036854775808, 18446744073709551615, "
	               "true, [], null], \"\xc3\xa9\": {}, \"r\": [1,2], "
	               "\"s\": null}");
	sfs_buf_release(&b);
}

static void expect_printed(bool ascii, const char *text, size_t len,
                           const char *want)
{
	struct sfs_buf b = SFS_BUF_INIT(4096);
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, &b, true, ascii);
	sfs_json_string(&p, text, len);
	IS_STR(b.data, want);
	sfs_buf_release(&b);
}

static void strings_are_escaped_as_python_does(void)
{
	expect_printed(true, "\"\\/\b\f\n\r\t\0\x1f\x7f", 11,
	               "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\"");
	expect_printed(true, "\xc3\xa9\xef\xbf\xbf\xf4\x8f\xbf\xbf", 9,
	               "\"\\u00e9\\uffff\\udbff\\udfff\"");
	expect_printed(false, "\xc3\xa9\x01\x7f", 4, "\"\xc3\xa9\\u0001\x7f\"");
}

static void bytes_that_are_not_utf8_become_replacements(void)
{
	expect_printed(true, "a\xff\xc3", 3, "\"a\\ufffd\\ufffd\"");
	expect_printed(false, "a\xff", 2, "\"a\xef\xbf\xbd\"");
}

static void expect_repr(double value, const char *want)
{
	struct sfs_buf b = SFS_BUF_INIT(4096);
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, &b, true, true);
	sfs_json_double(&p, value);
	IS_STR(b.data, want);
	sfs_buf_release(&b);
}

static void doubles_are_printed_as_python_does(void)
{
	expect_repr(0.0, "0.0");
	expect_repr(-0.0, "-0.0");
	expect_repr(1.0, "1.0");
	expect_repr(-1.5, "-1.5");
	expect_repr(0.1, "0.1");
	expect_repr(100.0, "100.0");
	expect_repr(123456.789, "123456.789");
	expect_repr(0.0001, "0.0001");
	expect_repr(0.00012345, "0.00012345");
	expect_repr(0.00001, "1e-05");
	expect_repr(1e15, "1000000000000000.0");
	expect_repr(9007199254740993.0, "9007199254740992.0");
	expect_repr(1e16, "1e+16");
	expect_repr(1.2345678901234568e17, "1.2345678901234568e+17");
	expect_repr(1.7976931348623157e308, "1.7976931348623157e+308");
	expect_repr(5e-324, "5e-324");
	expect_repr(1.0 / 3.0, "0.3333333333333333");
	expect_repr((double)NAN, "NaN");
	expect_repr(-HUGE_VAL, "-Infinity");
}

int main(void)
{
	RUN(integers_are_exact);
	RUN(other_numbers_are_doubles);
	RUN(strings_are_decoded_and_counted);
	RUN(documents_are_read_token_by_token);
	RUN(what_is_not_json_is_refused);
	RUN(faults_tell_line_and_column);
	RUN(nesting_is_bounded);
	RUN(a_lax_reader_replaces_half_pairs);
	RUN(a_reader_at_its_end_stays_there);
	RUN(a_value_can_be_skipped_and_keeps_its_text);
	RUN(where_no_value_is_skipping_fails);
	RUN(commas_and_spaces_are_pythons);
	RUN(strings_are_escaped_as_python_does);
	RUN(bytes_that_are_not_utf8_become_replacements);
	RUN(doubles_are_printed_as_python_does);
	return tap_done();
}
