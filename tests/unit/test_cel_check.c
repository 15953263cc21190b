/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type checker: the type of each expression, or the message and place of
 * what does not fit.
 */
#include "cel/cel.h"

#include "base/alloc.h"
#include "unit/tap.h"

static const struct sfs_cel_variable variables[] = {
	{ "key", "int" },          { "ukey", "uint" },
	{ "region", "string" },    { "raw", "bytes" },
	{ "ratio", "double" },     { "is_new", "bool" },
	{ "ids", "list(int)" },    { "sizes", "map(string, int)" },
	{ "any", "dyn" },          { "when", "timestamp" },
	{ "host.name", "string" }, { "null", "int" },
};

enum { VARIABLES = sizeof(variables) / sizeof(variables[0]) };

static const struct sfs_cel_env env = { variables, VARIABLES, false };

static char answer[SFS_ERR_MSG_BYTES];

/* The type of the expression, or the message. */
static const char *checked_in(const struct sfs_cel_env *e, const char *text)
{
	struct sfs_cel_program *p;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_cel_compile(text, strlen(text), e, &p, &err);
	if (rc != SFS_OK) {
		OK(p == NULL);
		IS_INT(err.rc, rc);
		(void)snprintf(answer, sizeof(answer), "%s", err.msg);
		return answer;
	}
	sfs_cel_result_type(p, answer);
	sfs_cel_program_free(p);
	return answer;
}

static const char *checked(const char *text)
{
	return checked_in(&env, text);
}

static void test_literals_and_variables_have_types(void)
{
	IS_STR(checked("1"), "int");
	IS_STR(checked("1u"), "uint");
	IS_STR(checked("1.0"), "double");
	IS_STR(checked("'a'"), "string");
	IS_STR(checked("b'a'"), "bytes");
	IS_STR(checked("true"), "bool");
	IS_STR(checked("null"), "null");
	IS_STR(checked("int"), "type");
	IS_STR(checked("google.protobuf.Timestamp"), "type");
	IS_STR(checked("key"), "int");
	IS_STR(checked("sizes"), "map(string, int)");
	IS_STR(checked("any"), "dyn");
	IS_STR(checked("when"), "timestamp");
}

static void test_calls_have_the_results_of_their_overloads(void)
{
	IS_STR(checked("key % 16"), "int");
	IS_STR(checked("ukey + 1u"), "uint");
	IS_STR(checked("region + '!'"), "string");
	IS_STR(checked("raw + b'!'"), "bytes");
	IS_STR(checked("shard_hash(region) % 64u"), "uint");
	IS_STR(checked("size(region)"), "int");
	IS_STR(checked("region.size()"), "int");
	IS_STR(checked("string(key)"), "string");
	IS_STR(checked("key < 3"), "bool");
	IS_STR(checked("type(key)"), "type");
	IS_STR(checked("dyn(key)"), "dyn");
	IS_STR(checked("when.getHours()"), "int");
	IS_STR(checked("when - when"), "duration");
	IS_STR(checked("ids[0]"), "int");
	IS_STR(checked("sizes['a']"), "int");
	IS_STR(checked("sizes.a"), "int");
	IS_STR(checked("has(sizes.a)"), "bool");
	IS_STR(checked("key in ids"), "bool");
	IS_STR(checked("ids + [1]"), "list(int)");
	IS_STR(checked("is_new ? key : 1"), "int");
	IS_STR(checked("is_new ? [] : ids"), "list(int)");
	IS_STR(checked("is_new ? key : any"), "dyn");
}

static void test_the_types_of_containers_are_inferred(void)
{
	IS_STR(checked("[]"), "list(dyn)");
	IS_STR(checked("{}"), "map(dyn, dyn)");
	IS_STR(checked("[1, 2]"), "list(int)");
	IS_STR(checked("[1, 'a']"), "list(dyn)");
	IS_STR(checked("[[], [1]]"), "list(list(int))");
	IS_STR(checked("[[], [[]], [[[]]], [[[[]]]]]"),
	       "list(list(list(list(list(dyn)))))");
	IS_STR(checked("[[[[[]]]], [], [[[]]]]"),
	       "list(list(list(list(list(dyn)))))");
	IS_STR(checked("{'a': 1}"), "map(string, int)");
	IS_STR(checked("{'a': 1, 2: 'b'}"), "map(dyn, dyn)");
	IS_STR(checked("([].map(x, x))[0].foo"), "dyn");
	IS_STR(checked("([] + [[1]] + [])[0]"), "list(int)");
	IS_STR(checked("[when, null]"), "list(timestamp)");
	IS_STR(checked("[null, when]"), "list(timestamp)");
	IS_STR(checked("[1, null]"), "list(dyn)");
	IS_STR(checked("[dyn(1), 2]"), "list(dyn)");
	IS_STR(checked("{[1]: 1}"), "map(dyn, int)");
}

static void test_macros_have_types(void)
{
	IS_STR(checked("ids.map(x, string(x))"), "list(string)");
	IS_STR(checked("ids.map(x, x > 1, x * 2)"), "list(int)");
	IS_STR(checked("ids.filter(x, x > 1)"), "list(int)");
	IS_STR(checked("sizes.filter(k, k != 'a')"), "list(string)");
	IS_STR(checked("ids.all(x, x > 1)"), "bool");
	IS_STR(checked("ids.exists(x, x > 1)"), "bool");
	IS_STR(checked("ids.exists_one(x, x > 1)"), "bool");
	IS_STR(checked("any.map(x, x)"), "list(dyn)");
	IS_STR(checked("[].map(n, n / 2)"), "list(int)");
	IS_STR(checked("cel.bind(x, key + 1, string(x))"), "string");
	IS_STR(checked("[1].map(key, string(key))"), "list(string)");
	IS_STR(checked("['a'].map(key, .key)"), "list(int)");
	IS_STR(checked("ids.map(x, x + 'a')"),
	       "1:14: '+' takes (int, int), (uint, uint), (double, double), "
	       "(string, string), (bytes, bytes), (list(A), list(A)), "
	       "(timestamp, duration), (duration, timestamp), (duration, "
	       "duration), not (int, string): convert one of them, as in "
	       "string(x)");
	IS_STR(checked("ids.filter(x, x)"),
	       "1:15: the condition of a macro is of type bool, not int");
	IS_STR(checked("key.map(x, x)"),
	       "1:1: lists and maps can be walked, not int");
}

static void test_names_with_dots_are_looked_for_first(void)
{
	static const struct sfs_cel_variable dotted[] = {
		{ "a.b.c", "string" },
		{ "a.b", "map(string, int)" },
		{ "a", "map(string, bool)" },
		{ "y.z", "int" },
	};
	const struct sfs_cel_env e = { dotted, 4, false };

	IS_STR(checked("host.name + '!'"), "string");
	IS_STR(checked_in(&e, "a.b.c"), "string");
	IS_STR(checked_in(&e, "a.b.d"), "int");
	IS_STR(checked_in(&e, "a.c"), "bool");
	IS_STR(checked_in(&e, "a.b.c.size()"), "int");
	IS_STR(checked_in(&e, "[{'z': 'a'}].map(y, y.z)"), "list(string)");
	IS_STR(checked_in(&e, "[{'z': 'a'}].map(y, .y.z)"), "list(int)");
}

static void test_equality_takes_one_type_twice(void)
{
	IS_STR(checked("key == 1"), "bool");
	IS_STR(checked("key == any"), "bool");
	IS_STR(checked("[] == [1]"), "bool");
	IS_STR(checked("[].exists(e, e == e && e == 'a')"), "bool");
	IS_STR(checked("key == 1u"),
	       "1:5: '==' takes (int, int), (uint, uint), (string, string), "
	       "(bytes, bytes), (A, A), not (int, uint): convert one of them, "
	       "as in uint(x)");
	HAS_STR(checked("[1] == ['a']"), "not (list(int), list(string))");
	HAS_STR(checked("region != null"), "not (string, null)");
}

static void test_numbers_are_not_converted(void)
{
	IS_STR(checked("key % 4u"),
	       "1:5: '%' takes (int, int), (uint, uint), not (int, uint): "
	       "convert one of them, as in uint(x)");
	HAS_STR(checked("shard_hash(key) % 4"), "not (uint, int)");
	HAS_STR(checked("1 + 1.0"), "as in double(x)");
	HAS_STR(checked("ratio % 2.0"), "not (double, double)");
	HAS_STR(checked("1 < 1u"), "not (int, uint)");
	IS_STR(checked("dyn(1) < 1u"), "bool");
	IS_STR(checked("-ukey"), "1:1: '-' takes (int), (double), not (uint)");
}

static void test_what_must_be_bool_is(void)
{
	IS_STR(checked("key ? 1 : 2"),
	       "1:1: the condition of ?: is of type bool, not int");
	IS_STR(checked("true && key"),
	       "1:9: && joins values of type bool, not int");
	IS_STR(checked("'a' || true"),
	       "1:1: || joins values of type bool, not string");
	IS_STR(checked("!key"), "1:1: '!' takes (bool), not (int)");
	IS_STR(checked("true ? 0 : 'a'"),
	       "1:6: both results of ?: have one type, not int and string");
	IS_STR(checked("any ? 1 : 2"), "int");
}

static void test_fields_are_of_maps(void)
{
	IS_STR(checked("key.a"), "1:1: fields are selected of maps, not int");
	IS_STR(checked("has(ids.a)"),
	       "1:5: fields are selected of maps, not list(int)");
	IS_STR(checked("any.a.b"), "dyn");
}

static void test_a_misspelt_name_is_guessed(void)
{
	const struct sfs_cel_env none = { NULL, 0, false };

	IS_STR(checked("regoin"),
	       "1:1: no variable 'regoin'; did you mean 'region'?");
	IS_STR(checked("\n  key == zzzzzzzz"),
	       "2:10: no variable 'zzzzzzzz'; there are key, ukey, region, "
	       "raw, ratio, is_new, ids, sizes, any, when, host.name, null");
	IS_STR(checked_in(&none, "key"),
	       "1:1: no variable 'key': no variables are declared");
	IS_STR(checked("size"), "1:1: no variable 'size': that is a function");
	IS_STR(checked("shrad_hash(key)"),
	       "1:1: no function 'shrad_hash'; did you mean 'shard_hash'?");
	IS_STR(checked("nonsense(nothing)"), "1:1: no function 'nonsense'");
	IS_STR(checked("startsWith(region, 'a')"),
	       "1:1: 'startsWith' is called as x.startsWith(...)");
	IS_STR(checked("key.shard_hash()"),
	       "1:5: 'shard_hash' is called as shard_hash(x)");
	IS_STR(checked("region.startsWith()"),
	       "1:8: 'startsWith' does not take 0 arguments");
	IS_STR(checked("size(region, 1)"),
	       "1:1: 'size' does not take 2 arguments");
	IS_STR(checked("ids.all(x)"),
	       "1:5: no function 'all': it is a macro, with other arguments");
	IS_STR(checked("shard_hash(is_new)"),
	       "1:1: 'shard_hash' takes (int), (uint), (string), (bytes), not "
	       "(bool)");
}

static void test_a_literal_is_no_variable(void)
{
	IS_STR(checked("null"), "null");
}

static void test_variables_need_names_and_types(void)
{
	struct sfs_cel_variable v = { "in", "int" };
	const struct sfs_cel_env e = { &v, 1, false };

	HAS_STR(checked_in(&e, "1"), "'in' cannot name a variable");
	v.name = "for";
	HAS_STR(checked_in(&e, "1"), "'for' cannot name a variable");
	v.name = "a-b";
	HAS_STR(checked_in(&e, "1"), "'a-b' cannot name a variable");
	v.name = "a..b";
	HAS_STR(checked_in(&e, "1"), "'a..b' cannot name a variable");
	v.name = "";
	HAS_STR(checked_in(&e, "1"), "'' cannot name a variable");
	v.name = "a";
	v.type = "integer";
	HAS_STR(checked_in(&e, "1"), "has the type 'integer', which is none");
	v.type = "list(int";
	HAS_STR(checked_in(&e, "1"), "has the type 'list(int', which is none");
	v.type = "list(int)";
	IS_STR(checked_in(&e, "a"), "list(int)");
}

static void test_without_the_checker_all_is_dyn(void)
{
	const struct sfs_cel_env e = { variables, VARIABLES, true };

	IS_STR(checked_in(&e, "1"), "dyn");
	IS_STR(checked_in(&e, "1 + 'a'"), "dyn");
	IS_STR(checked_in(&e, "nothing.foo(bar)"), "dyn");
	IS_STR(checked_in(&e, "key ? 1 : 'a'"), "dyn");
}

/* Each map has the one before as its keys' and its values' type: 2^60 parts. */
static void test_types_that_grow_come_to_an_end(void)
{
	enum { LEVELS = 60, BYTES = 1 << 14 };
	static char text[BYTES];
	char before[16] = "1";
	size_t at = 0;

	for (int i = 0; i < LEVELS; i++) {
		at += (size_t)snprintf(text + at, BYTES - at,
		                       "cel.bind(m%d, {}, %s in m%d && "
		                       "m%d[%s] == %s && ",
		                       i, before, i, i, before, before);
		(void)snprintf(before, sizeof(before), "m%d", i);
	}
	at += (size_t)snprintf(text + at, BYTES - at, "true");
	memset(text + at, ')', LEVELS);
	text[at + LEVELS] = '\0';
	HAS_STR(checked(text), "its types are too complicated");
}

static void test_types_may_be_deep(void)
{
	enum { LEVELS = 100, BYTES = 1 << 14 };
	static char text[BYTES];
	size_t at = 0;

	for (int i = 0; i < LEVELS; i++)
		at += (size_t)snprintf(
			text + at, BYTES - at, "cel.bind(a%d, [%s%d, %s%d], ",
			i + 1, i > 0 ? "a" : "", i, i > 0 ? "a" : "", i);
	at += (size_t)snprintf(text + at, BYTES - at, "a%d == a%d", LEVELS,
	                       LEVELS);
	memset(text + at, ')', LEVELS);
	text[at + LEVELS] = '\0';
	IS_STR(checked(text), "bool");
}

static void test_memory_may_run_out_anywhere(void)
{
	static const char text[] =
		"[[], [key]].map(x, x.size() + size({'a': [1]}))[0] == 1 || "
		"cel.bind(y, host.name + ':', y.matches('a+'))";
	struct sfs_cel_program *p;
	unsigned long faults;
	unsigned long n = 0;
	struct sfs_err err;
	enum sfs_rc rc;

	do {
		faults = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(++n);
		rc = sfs_cel_compile(text, sizeof(text) - 1, &env, &p, &err);
		sfs_alloc_fail_nth(0);
		if (rc != SFS_OK)
			IS_INT(rc, SFS_E_NO_MEMORY);
		sfs_cel_program_free(p);
	} while (sfs_alloc_fault_count() > faults);
	IS_INT(rc, SFS_OK);
	OK(n > 5);
}

int main(void)
{
	RUN(test_literals_and_variables_have_types);
	RUN(test_calls_have_the_results_of_their_overloads);
	RUN(test_the_types_of_containers_are_inferred);
	RUN(test_macros_have_types);
	RUN(test_names_with_dots_are_looked_for_first);
	RUN(test_equality_takes_one_type_twice);
	RUN(test_numbers_are_not_converted);
	RUN(test_what_must_be_bool_is);
	RUN(test_fields_are_of_maps);
	RUN(test_a_misspelt_name_is_guessed);
	RUN(test_a_literal_is_no_variable);
	RUN(test_variables_need_names_and_types);
	RUN(test_without_the_checker_all_is_dyn);
	RUN(test_types_that_grow_come_to_an_end);
	RUN(test_types_may_be_deep);
	RUN(test_memory_may_run_out_anywhere);
	return tap_done();
}
