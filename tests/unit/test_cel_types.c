/* SPDX-License-Identifier: Apache-2.0 */
/* Types of CEL as text. */
#include "cel/functions.h"
#include "unit/tap.h"

#include <string.h>

static struct sfs_cel_pool *pool;

/* What a text is read as, printed again. */
static const char *again(const char *text)
{
	static char out[SFS_CEL_TYPE_TEXT_BYTES];
	const struct sfs_cel_type *t = sfs_cel_type_parse(pool, text);

	if (t == NULL)
		return "no type";
	sfs_cel_type_print(t, out);
	return out;
}

static void types_print_as_they_are_written(void)
{
	static const char *const same[] = {
		"bool",
		"int",
		"uint",
		"double",
		"string",
		"bytes",
		"null",
		"type",
		"timestamp",
		"duration",
		"dyn",
		"list(int)",
		"list(dyn)",
		"list(list(string))",
		"map(string, list(int))",
		"map(uint, map(bool, dyn))",
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		IS_STR(again(same[i]), same[i]);
}

static void other_ways_to_write_a_type_are_read(void)
{
	IS_STR(again("list"), "list(dyn)");
	IS_STR(again("map"), "map(dyn, dyn)");
	IS_STR(again("null_type"), "null");
	IS_STR(again("google.protobuf.Timestamp"), "timestamp");
	IS_STR(again("google.protobuf.Duration"), "duration");
	IS_STR(again(" map( string ,int ) "), "map(string, int)");
}

static void what_is_no_type_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"integer",
		"Int",
		"int x",
		"int()",
		"list()",
		"list(int",
		"list(int))",
		"list(int,)",
		"map(int)",
		"map(int int)",
		"map(int, int, int)",
		"(int)",
		"map(, int)",
		"list(nope)",
		"map(string, nope)",
		"error",
		"nothing",
		"list (",
		"string\t",
		/* Keys are bool, int, uint or string. */
		"map(double, int)",
		"map(bytes, int)",
		"map(list(int), int)",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS_STR(again(bad[i]), "no type");
}

static void nesting_has_a_limit(void)
{
	char text[16 << 10] = "";
	size_t len = 0;

	for (int i = 0; i < 30; i++, len += 5)
		memcpy(text + len, "list(", 5);
	memcpy(text + len, "int", 3);
	memset(text + len + 3, ')', 30);
	OK(sfs_cel_type_parse(pool, text) != NULL);
	for (len = 0; len < 15000; len += 5)
		memcpy(text + len, "list(", 5);
	OK(sfs_cel_type_parse(pool, text) == NULL);
}

static void a_long_type_is_printed_in_part(void)
{
	char text[400];
	char out[SFS_CEL_TYPE_TEXT_BYTES];
	const struct sfs_cel_type *t;
	size_t len = 0;

	for (int i = 0; i < 20; i++, len += 11)
		memcpy(text + len, "map(string,", 11);
	memcpy(text + len, "int", 3);
	memset(text + len + 3, ')', 20);
	text[len + 23] = '\0';
	t = sfs_cel_type_parse(pool, text);
	OK(t != NULL);
	if (t == NULL)
		return;
	sfs_cel_type_print(t, out);
	IS_INT(strlen(out), SFS_CEL_TYPE_TEXT_BYTES - 1);
	IS_STR(out + strlen(out) - 3, "...");
}

static void equality_looks_inside(void)
{
	const struct sfs_cel_type *a = sfs_cel_type_parse(pool, "list(int)");
	const struct sfs_cel_type *b = sfs_cel_type_parse(pool, "list( int)");
	const struct sfs_cel_type *c = sfs_cel_type_parse(pool, "list(uint)");
	const struct sfs_cel_type *list = sfs_cel_type_of_kind(SFS_CEL_LIST);

	OK(a != b);
	OK(sfs_cel_type_equal(a, b));
	OK(!sfs_cel_type_equal(a, c));
	OK(!sfs_cel_type_equal(a, list));
	OK(sfs_cel_type_equal(sfs_cel_type_parse(pool, "list(dyn)"), list));
	OK(!sfs_cel_type_equal(sfs_cel_type_of_kind(SFS_CEL_INT),
	                       sfs_cel_type_of_kind(SFS_CEL_UINT)));
}

static void without_memory_there_is_no_type(void)
{
	struct sfs_cel_pool *small = sfs_cel_pool_new(1);

	OK(sfs_cel_type_parse(small, "list(int)") == NULL);
	OK(sfs_cel_type_parse(small, "int") != NULL);
	sfs_cel_pool_free(small);
}

int main(void)
{
	pool = sfs_cel_pool_new(1 << 20);
	RUN(types_print_as_they_are_written);
	RUN(other_ways_to_write_a_type_are_read);
	RUN(what_is_no_type_is_refused);
	RUN(nesting_has_a_limit);
	RUN(a_long_type_is_printed_in_part);
	RUN(equality_looks_inside);
	RUN(without_memory_there_is_no_type);
	sfs_cel_pool_free(pool);
	return tap_done();
}
