/* SPDX-License-Identifier: Apache-2.0 */
/* The member "sharding": read, printed as it was, and put together. */
#include "format/sharding.h"
#include "unit/tap.h"

static struct sfs_err err;

static enum sfs_rc parse(struct sfs_sharding *s, const char *text,
                         uint32_t num_dbs)
{
	return sfs_sharding_parse(s, text, strlen(text), num_dbs, &err);
}

/* The text printed; static. */
static const char *print(const struct sfs_sharding *s)
{
	static char text[4096];
	struct sfs_buf out = SFS_BUF_INIT(sizeof(text));

	sfs_sharding_print(s, &out);
	IS_INT(sfs_buf_finish(&out, "sharding", &err), SFS_OK);
	(void)snprintf(text, sizeof(text), "%s",
	               out.data != NULL ? out.data : "");
	sfs_buf_release(&out);
	return text;
}

#define TAIL "\"hash_algorithm\": \"xxh3_64\", \"routing_values\": "

static void what_shardyfusion_writes_is_printed_byte_for_byte(void)
{
	static const struct {
		const char *text;
		uint32_t num_dbs;
	} cases[] = {
		{ "{\"cel_columns\": null, \"cel_expr\": null, " TAIL
		  "null, \"strategy\": \"hash\"}",
		  3 },
		{ "{\"cel_columns\": {\"key\": \"int\"}, \"cel_expr\": "
		  "\"key % 3\", " TAIL "[2, 0, -1], \"strategy\": \"cel\"}",
		  3 },
		{ "{\"cel_columns\": {\"active\": \"bool\", \"region\": "
		  "\"string\"}, \"cel_expr\": \"region + \\\":\\\" + "
		  "string(active)\", " TAIL
		  "[\"\\u00e9\\u0000\", \"\\ud83d\\ude00\", \"\"], "
		  "\"strategy\": \"cel\"}",
		  3 },
		{ "{\"cel_columns\": {\"b\": \"bytes\"}, \"cel_expr\": \"b\", "
		  "" TAIL "[{\"__bytes_hex__\": \"00ff\"}, "
		  "{\"__bytes_hex__\": \"\"}], \"strategy\": \"cel\"}",
		  2 },
		{ "{\"cel_columns\": {\"key\": \"uint\"}, \"cel_expr\": "
		  "\"key\", " TAIL "[9223372036854775807, "
		  "9223372036854775808, 18446744073709551615], "
		  "\"strategy\": \"cel\"}",
		  3 },
		{ "{\"cel_columns\": {\"key\": \"int\"}, \"cel_expr\": "
		  "\"key\", " TAIL "[], \"strategy\": \"cel\"}",
		  1 },
	};
	struct sfs_sharding s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		IS_INT(parse(&s, cases[i].text, cases[i].num_dbs), SFS_OK);
		IS_STR(print(&s), cases[i].text);
		sfs_sharding_release(&s);
	}
}

static void all_members_are_taken_apart(void)
{
	struct sfs_sharding s;

	IS_INT(parse(&s,
	             "{\"strategy\":\"cel\",\"hash_algorithm\":\"xxh3_64\","
	             "\"cel_expr\":\"a\\u0000b\",\"cel_columns\":{\"z\":"
	             "\"uint\",\"a\":\"double\"},\"routing_values\":[7,"
	             "9223372036854775808]}",
	             2),
	       SFS_OK);
	IS_INT(s.strategy, SFS_STRATEGY_CEL);
	IS_INT(s.expr.len, 3);
	OK(memcmp(s.expr.data, "a\0b", 4) == 0);
	IS_INT(s.column_count, 2);
	IS_STR(s.columns[0].name, "z");
	IS_INT(s.columns[0].kind, SFS_CEL_UINT);
	IS_INT(s.columns[1].kind, SFS_CEL_DOUBLE);
	IS_INT(sfs_sharding_column(&s, "a", 1), 1);
	IS_INT(sfs_sharding_column(&s, "ab", 2), 2);
	OK(s.has_tokens);
	IS_INT(s.token_count, 2);
	IS_INT(s.tokens[0].kind, SFS_CEL_INT);
	IS_INT(s.tokens[0].as.integer, 7);
	IS_INT(s.tokens[1].kind, SFS_CEL_UINT);
	OK(s.tokens[1].as.uinteger == UINT64_C(1) << 63);
	HAS_STR(print(&s), "{\"cel_columns\": {\"a\": \"double\", \"z\": "
	                   "\"uint\"}, \"cel_expr\": \"a\\u0000b\"");
	sfs_sharding_release(&s);
}

static void expect_refusal(const char *columns, const char *values,
                           uint32_t num_dbs, enum sfs_rc rc, const char *part)
{
	struct sfs_sharding s;
	char text[4096];

	(void)snprintf(text, sizeof(text),
	               "{\"strategy\":\"cel\",\"hash_algorithm\":\"xxh3_64\","
	               "\"cel_expr\":\"key\",\"cel_columns\":%s,"
	               "\"routing_values\":%s}",
	               columns, values);
	IS_INT(parse(&s, text, num_dbs), rc);
	HAS_STR(err.msg, "sharding: ");
	HAS_STR(err.msg, part);
	sfs_sharding_release(&s);
}

static void what_cannot_be_routed_by_is_refused(void)
{
	char many[2048] = "{";
	char *p = many + 1;

	expect_refusal("{\"a\":\"int\",\"a\":\"uint\"}", "null", 1,
	               SFS_E_CORRUPT, "column a is there twice");
	expect_refusal("{\"\":\"int\"}", "null", 1, SFS_E_CORRUPT,
	               "name is empty");
	expect_refusal("{\"a\\u0000\":\"int\"}", "null", 1, SFS_E_CORRUPT,
	               "holds NUL");
	expect_refusal("{\"a\":\"int\\u0000\"}", "null", 1, SFS_E_UNSUPPORTED,
	               "unknown column type");
	expect_refusal("{\"a\":\"list\"}", "null", 1, SFS_E_UNSUPPORTED,
	               "unknown column type");
	expect_refusal("{\"a\":\"int\"}", "[1, 1.0]", 2, SFS_E_CORRUPT,
	               "neither integer, string nor bytes");
	expect_refusal("{\"a\":\"int\"}", "[1, 18446744073709551616]", 2,
	               SFS_E_CORRUPT, "neither integer, string nor bytes");
	expect_refusal("{\"a\":\"int\"}", "[1, 9223372036854775808e0]", 2,
	               SFS_E_CORRUPT, "neither integer, string nor bytes");
	expect_refusal("{\"a\":\"int\"}", "[-9223372036854775809, 1]", 2,
	               SFS_E_CORRUPT, "neither integer, string nor bytes");
	expect_refusal("{\"a\":\"int\"}", "[\"a\", 1]", 2, SFS_E_CORRUPT,
	               "not of one type");
	expect_refusal("{\"a\":\"int\"}", "[\"a\", \"b\", \"a\"]", 3,
	               SFS_E_CORRUPT, "there twice");
	expect_refusal("{\"a\":\"int\"}",
	               "[{\"__bytes_hex__\":\"0A\"},{\"__bytes_hex__\":"
	               "\"0a\"}]",
	               2, SFS_E_CORRUPT, "there twice");
	for (int i = 0; i < SFS_COLUMNS_MAX + 1; i++)
		p += snprintf(p, 64, "%s\"c%d\":\"int\"", i > 0 ? "," : "", i);
	(void)snprintf(p, 2, "}");
	expect_refusal(many, "null", 1, SFS_E_UNSUPPORTED,
	               "more than 32 columns");
	memset(many, 'x', 200);
	memcpy(many, "{\"", 2);
	(void)snprintf(many + 200, 10, "\":\"int\"}");
	expect_refusal(many, "null", 1, SFS_E_UNSUPPORTED,
	               "a column's name has 198 bytes");
}

static struct sfs_cel_value text_token(enum sfs_cel_kind kind, const char *s)
{
	return (struct sfs_cel_value){ .kind = kind,
		                       .as.text = { s, strlen(s) } };
}

static struct sfs_cel_value uint_token(uint64_t value)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_UINT,
		                       .as.uinteger = value };
}

static void one_is_put_together_of_copies(void)
{
	char name[] = "region";
	char expr[] = "region";
	char word[] = "eu";
	struct sfs_cel_value token = text_token(SFS_CEL_STRING, word);
	struct sfs_sharding s;

	IS_INT(sfs_sharding_init(&s, SFS_STRATEGY_CEL, &err), SFS_OK);
	IS_INT(sfs_sharding_set_expr(&s, expr, 6, &err), SFS_OK);
	IS_INT(sfs_sharding_add_column(&s, name, 6, SFS_CEL_STRING, &err),
	       SFS_OK);
	IS_INT(sfs_sharding_add_token(&s, &token, &err), SFS_OK);
	name[0] = expr[0] = word[0] = '?';
	IS_STR(print(&s), "{\"cel_columns\": {\"region\": \"string\"}, "
	                  "\"cel_expr\": \"region\", " TAIL
	                  "[\"eu\"], \"strategy\": \"cel\"}");
	IS_INT(sfs_sharding_add_column(&s, "x", 1, SFS_CEL_LIST, &err),
	       SFS_E_INVALID);
	token = uint_token(3);
	IS_INT(sfs_sharding_add_token(&s, &token, &err), SFS_E_INVALID);
	token = text_token(SFS_CEL_STRING, "eu");
	IS_INT(sfs_sharding_check_tokens(&s, &err), SFS_OK);
	IS_INT(sfs_sharding_add_token(&s, &token, &err), SFS_OK);
	IS_INT(sfs_sharding_check_tokens(&s, &err), SFS_E_INVALID);
	sfs_sharding_release(&s);
	sfs_sharding_release(&s); /* empty now */
}

static void equal_integers_are_one_token(void)
{
	struct sfs_cel_value three = { .kind = SFS_CEL_INT, .as.integer = 3 };
	struct sfs_cel_value same = uint_token(3);
	struct sfs_sharding s;

	IS_INT(sfs_sharding_init(&s, SFS_STRATEGY_CEL, &err), SFS_OK);
	IS_INT(sfs_sharding_add_token(&s, &three, &err), SFS_OK);
	IS_INT(sfs_sharding_add_token(&s, &same, &err), SFS_OK);
	IS_INT(sfs_sharding_check_tokens(&s, &err), SFS_E_INVALID);
	sfs_sharding_release(&s);
}

static void tokens_are_ordered_as_python_sorts_them(void)
{
	struct sfs_cel_value minus = { .kind = SFS_CEL_INT, .as.integer = -1 };
	struct sfs_cel_value large = uint_token(UINT64_MAX);
	struct sfs_cel_value high = uint_token((uint64_t)INT64_MAX + 1);
	struct sfs_cel_value a = text_token(SFS_CEL_STRING, "a");
	struct sfs_cel_value ab = text_token(SFS_CEL_STRING, "ab");
	struct sfs_cel_value none = text_token(SFS_CEL_STRING, "");
	/* U+FFFD is below U+1F600, though not in UTF-16 */
	struct sfs_cel_value bmp = text_token(SFS_CEL_STRING, "\xef\xbf\xbd");
	struct sfs_cel_value high_plane =
		text_token(SFS_CEL_STRING, "\xf0\x9f\x98\x80");

	OK(sfs_token_compare(&minus, &high) < 0);
	OK(sfs_token_compare(&high, &large) < 0);
	OK(sfs_token_compare(&large, &minus) > 0);
	OK(sfs_token_compare(&minus, &minus) == 0);
	OK(sfs_token_compare(&a, &ab) < 0);
	OK(sfs_token_compare(&none, &a) < 0);
	OK(sfs_token_compare(&bmp, &high_plane) < 0);
}

static void types_of_columns_have_names(void)
{
	IS_INT(sfs_column_kind_from_text("uint"), SFS_CEL_UINT);
	IS_INT(sfs_column_kind_from_text("Int"), SFS_CEL_INVALID);
	IS_STR(sfs_column_kind_text(SFS_CEL_BYTES), "bytes");
	IS_STR(sfs_column_kind_text(SFS_CEL_MAP), "");
}

int main(void)
{
	RUN(what_shardyfusion_writes_is_printed_byte_for_byte);
	RUN(all_members_are_taken_apart);
	RUN(what_cannot_be_routed_by_is_refused);
	RUN(one_is_put_together_of_copies);
	RUN(equal_integers_are_one_token);
	RUN(tokens_are_ordered_as_python_sorts_them);
	RUN(types_of_columns_have_names);
	return tap_done();
}
