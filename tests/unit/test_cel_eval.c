/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evaluation: what expressions come to, as text that evaluates to it again;
 * which errors matter and where they are; what a scratch and a program are
 * good for. Vectors that say what CEL is are run by test_cel_conformance.
 */
#include "cel/cel.h"

#include "base/alloc.h"
#include "unit/tap.h"

#include <pthread.h>

static const struct sfs_cel_variable variables[] = {
	{ "key", "int" },       { "ukey", "uint" },
	{ "region", "string" }, { "raw", "bytes" },
	{ "ids", "list(int)" }, { "sizes", "map(string, int)" },
	{ "any", "dyn" },       { "unbound", "int" },
};

enum { KEY, UKEY, REGION, RAW, IDS, SIZES, ANY, UNBOUND, VARIABLES };

static struct sfs_cel_value values[VARIABLES];
static struct sfs_cel_value items[4];
static struct sfs_cel_value pairs[4];
static struct sfs_cel_scratch *scratch;

static struct sfs_cel_value integer(int64_t v)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_INT, .as.integer = v };
}

static struct sfs_cel_value text(enum sfs_cel_kind kind, const char *data,
                                 size_t len)
{
	return (struct sfs_cel_value){ .kind = kind, .as.text = { data, len } };
}

static void bind(void)
{
	static const struct sfs_cel_list list = { items, 4 };
	static const struct sfs_cel_map map = { pairs, 2 };

	for (int i = 0; i < 4; i++)
		items[i] = integer(i + 1);
	pairs[0] = text(SFS_CEL_STRING, "a", 1);
	pairs[1] = integer(10);
	pairs[2] = text(SFS_CEL_STRING, "b", 1);
	pairs[3] = integer(20);
	values[KEY] = integer(42);
	values[UKEY] = (struct sfs_cel_value){ .kind = SFS_CEL_UINT,
		                               .as.uinteger = 7 };
	values[REGION] = text(SFS_CEL_STRING, "us-west", 7);
	values[RAW] = text(SFS_CEL_BYTES, "a\0b", 3);
	values[IDS] = (struct sfs_cel_value){ .kind = SFS_CEL_LIST,
		                              .as.list = &list };
	values[SIZES] =
		(struct sfs_cel_value){ .kind = SFS_CEL_MAP, .as.map = &map };
	values[ANY] = text(SFS_CEL_STRING, "dyn", 3);
	values[UNBOUND] = (struct sfs_cel_value){ .kind = SFS_CEL_INVALID };
}

static char answer[4096];

static void print(const struct sfs_cel_value *v)
{
	struct sfs_buf out = SFS_BUF_INIT(sizeof(answer) - 1);

	sfs_cel_value_print(v, &out);
	(void)snprintf(answer, sizeof(answer), "%s",
	               out.failed != SFS_OK ? "too long" : out.data);
	sfs_buf_release(&out);
}

/* The value as text, or the message; a message of compile() begins with "!" */
static const char *answer_of(const char *source, bool is_unchecked)
{
	const struct sfs_cel_env env = { variables, VARIABLES, is_unchecked };
	struct sfs_cel_program *p;
	struct sfs_cel_value out;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_cel_compile(source, strlen(source), &env, &p, &err);
	if (rc != SFS_OK) {
		(void)snprintf(answer, sizeof(answer), "!%s", err.msg);
		return answer;
	}
	rc = sfs_cel_eval(p, values, scratch, &out, &err);
	if (rc == SFS_OK) {
		print(&out);
	} else {
		IS_INT(err.rc, rc);
		(void)snprintf(answer, sizeof(answer), "%s", err.msg);
	}
	sfs_cel_program_free(p);
	return answer;
}

static const char *result(const char *source)
{
	return answer_of(source, false);
}

static const char *unchecked(const char *source)
{
	return answer_of(source, true);
}

static void test_values_print_as_what_evaluates_to_them(void)
{
	static const char *const texts[] = {
		"null",
		"true",
		"false",
		"0",
		"-9223372036854775808",
		"18446744073709551615u",
		"1.0",
		"-0.0",
		"0.1",
		"1e+300",
		"5e-324",
		"(0.0 / 0.0)",
		"(1.0 / 0.0)",
		"(-1.0 / 0.0)",
		"\"\"",
		"\"a\\a\\b\\f\\n\\r\\t\\v\\\"\\\\\\x00\\x1f\\x7fz\"",
		"\"\xc3\xa9\xf0\x9f\x98\x80\"",
		"b\"\\x00a\\xff\\n\"",
		"[]",
		"[1, \"a\", [2u]]",
		"{}",
		"{\"a\": 1, 2: [true], 3u: null, false: {}}",
		"int",
		"google.protobuf.Timestamp",
		"timestamp(\"2009-02-13T23:31:30Z\")",
		"timestamp(\"0001-01-01T00:00:00.000000001Z\")",
		"duration(\"0s\")",
		"duration(\"90.500000000s\")",
		"duration(\"-0.000000001s\")",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		IS_STR(result(texts[i]), texts[i]);
	IS_STR(result("type(null)"), "null_type");
	IS_STR(result("123456789.125"), "123456789.125");
}

static void test_routing_expressions(void)
{
	IS_STR(result("key % 16"), "10");
	IS_STR(result("-3 % 5"), "-3");
	IS_STR(result("shard_hash(key)"), "15395265915043915720u");
	IS_STR(result("shard_hash('us-west' + ':' + string(3))"),
	       "10205495391576723513u");
	IS_STR(result("shard_hash(region + ':' + string(key)) % 64u"), "35u");
	IS_STR(result("shard_hash(raw)"), "15393423168975819601u");
	IS_STR(result("region in ['us-east', 'us-west']"), "true");
	IS_STR(result("region.startsWith('us-') ? 0 : 1"), "0");
	IS_STR(result("key < 10 ? 0 : key < 50 ? 1 : 2"), "1");
	IS_STR(result("region == 'us-west' ? 'a' : 'b'"), "\"a\"");
	IS_STR(result("region + '-' + region + '-' + string(ukey)"),
	       "\"us-west-us-west-7\"");
	IS_STR(result("raw + b'!' + raw"), "b\"a\\x00b!a\\x00b\"");
}

/* Operands of all shapes: what is done at once, and what is not. */
static void test_operands_may_be_anything(void)
{
	IS_STR(result("key + key"), "84");
	IS_STR(result("1 + key"), "43");
	IS_STR(result("(key + 1) % 10"), "3");
	IS_STR(result("7 % (key > 0 ? 4 : 5)"), "3");
	IS_STR(result("7 % (key < 0 ? 4 : 5)"), "2");
	IS_STR(result("(key > 0 ? 7 : 8) % 5"), "2");
	IS_STR(result("(key < 0 ? 7 : 8) % 5"), "3");
	IS_STR(result("key % (key == 42 ? 5 : 7)"), "2");
	IS_STR(result("key % (true && key == 42 ? 5 : 7)"), "2");
	IS_STR(result("(key == 42 || true) == true"), "true");
	IS_STR(result("(key == 41 && true) == true"), "false");
	IS_STR(result("1 + (key == 42 ? 1 : 2) + 3"), "5");
	IS_STR(result("-key"), "-42");
	IS_STR(result("!(key == 42)"), "false");
	IS_STR(result("ids.map(x, x % 2)"), "[1, 0, 1, 0]");
	IS_STR(result("ids.map(x, 10 - x - 1)"), "[8, 7, 6, 5]");
	IS_STR(result("any + '!' + region"), "\"dyn!us-west\"");
	IS_STR(result("'' + '' + ''"), "\"\"");
}

/* What the checker thinks is not always what there is. */
static void test_values_of_other_types_find_their_overload(void)
{
	IS_STR(result("dyn(1) + 2"), "3");
	IS_STR(result("dyn(1u) + dyn(2u)"), "3u");
	IS_STR(result("dyn('a') + dyn('b')"), "\"ab\"");
	IS_STR(result("dyn(1) < 1.5"), "true");
	IS_STR(result("([[1]] + dyn([['a']]))[1][0]"), "\"a\"");
	IS_STR(result("([[1]] + dyn([['a']]))[1][0] + 1"),
	       "1:30: '+' does not take (string, int)");
	values[KEY] = text(SFS_CEL_STRING, "no int", 6);
	IS_STR(result("key + 1"), "1:5: '+' does not take (string, int)");
	IS_STR(result("key < 1 ? 1 : 2"),
	       "1:5: '<' does not take (string, int)");
	IS_STR(result("string(key) + '!'"), "\"no int!\"");
	values[REGION] = integer(1);
	IS_STR(result("region + 'a' + 'b'"),
	       "1:14: '+' does not take (int, string)");
	IS_STR(result("region.matches('a')"),
	       "1:8: 'matches' takes (string, string)");
	bind();
}

static void test_errors_name_their_place(void)
{
	IS_STR(result("1 / (key - 42)"), "1:3: division by zero");
	IS_STR(result("key +\n  9223372036854775807"), "1:5: integer overflow");
	IS_STR(result("'\xc3\xa9' + string(b'\\xff')"),
	       "1:7: string() of bytes that are not UTF-8");
	IS_STR(result("sizes.c"), "1:7: no such key: 'c'");
	IS_STR(result("unbound"), "1:1: the variable 'unbound' has no value");
	IS_STR(result("1 + unbound"),
	       "1:5: the variable 'unbound' has no value");
	IS_STR(result("unbound + 1"),
	       "1:1: the variable 'unbound' has no value");
	IS_STR(result("{key: 1, 42: 2}"), "1:1: a map has the same key twice");
	IS_STR(result("{1: 1, 1u: 2}"), "1:1: a map has the same key twice");
	IS_STR(result("{1.5: 1}"),
	       "1:1: a map's keys are bool, int, uint or string");
	IS_STR(result("any.a"), "1:5: a value of type string has no field 'a'");
	IS_STR(result("has(any.a)"),
	       "1:1: a value of type string has no field 'a'");
	IS_STR(result("any ? 1 : 2"), "1:1: the condition of ?: is no bool");
	IS_STR(result("any.all(x, x)"), "1:1: lists and maps can be walked");
}

static void test_and_and_or_ignore_errors_that_do_not_matter(void)
{
	IS_STR(result("false && 1 / 0 == 1"), "false");
	IS_STR(result("1 / 0 == 1 && false"), "false");
	IS_STR(result("true || 1 / 0 == 1"), "true");
	IS_STR(result("1 / 0 == 1 || true"), "true");
	IS_STR(result("true && 1 / 0 == 1"), "1:11: division by zero");
	IS_STR(result("1 / 0 == 1 && true"), "1:3: division by zero");
	IS_STR(result("1 / 0 == 1 || false"), "1:3: division by zero");
	IS_STR(result("1 / 0 == 1 && 1 % 0 == 1"), "1:3: division by zero");
	IS_STR(result("any && false"), "false");
	IS_STR(result("false && any"), "false");
	IS_STR(result("any || true"), "true");
	IS_STR(result("any && true"),
	       "1:1: the operands of && and || are bool");
	IS_STR(result("true && any"),
	       "1:9: the operands of && and || are bool");
	IS_STR(result("(1 / 0 == 1 && (unbound == 1 || 1 % 0 == 1)) || true"),
	       "true");
	IS_STR(result("(1 / 0 == 1 || true) && (unbound == 1 && false) || "
	              "key == 42"),
	       "true");
	IS_STR(result("true ? 1 : 1 / 0"), "1");
	IS_STR(result("false ? 1 / 0 : 2"), "2");
	IS_STR(result("1 / 0 == 1 ? 1 : 2"), "1:3: division by zero");
}

static void test_macros(void)
{
	IS_STR(result("ids.all(x, x > 0)"), "true");
	IS_STR(result("ids.all(x, x > 1)"), "false");
	IS_STR(result("ids.all(x, 6 / (x - 1) > 2)"), "false");
	IS_STR(result("ids.all(x, 6 / (x - 1) > 0)"), "1:14: division by zero");
	IS_STR(result("ids.exists(x, 6 / (x - 1) == 2)"), "true");
	IS_STR(result("ids.exists(x, 6 / (x - 1) == 9)"),
	       "1:17: division by zero");
	IS_STR(result("ids.all(x, any)"), "1:12: the condition is no bool");
	IS_STR(result("[any, false].all(x, x)"), "false");
	IS_STR(result("[any, true].exists(x, x)"), "true");
	IS_STR(result("[].all(x, any)"), "true");
	IS_STR(result("[].exists(x, any)"), "false");
	IS_STR(result("ids.exists_one(x, x == 2)"), "true");
	IS_STR(result("ids.exists_one(x, x > 2)"), "false");
	IS_STR(result("ids.exists_one(x, 6 / (x - 4) == 6)"),
	       "1:21: division by zero");
	IS_STR(result("ids.map(x, x * x)"), "[1, 4, 9, 16]");
	IS_STR(result("ids.map(x, x > 2, x * x)"), "[9, 16]");
	IS_STR(result("ids.filter(x, x % 2 == 0)"), "[2, 4]");
	IS_STR(result("ids.filter(x, any)"), "1:15: the condition is no bool");
	IS_STR(result("ids.map(x, 1 / (x - 3))"), "1:14: division by zero");
	IS_STR(result("sizes.map(k, k + '!')"), "[\"a!\", \"b!\"]");
	IS_STR(result("sizes.filter(k, sizes[k] > 10)"), "[\"b\"]");
	IS_STR(result("ids.map(x, ids.map(y, x * y))"),
	       "[[1, 2, 3, 4], [2, 4, 6, 8], [3, 6, 9, 12], [4, 8, 12, 16]]");
	IS_STR(result("ids.map(x, ids.filter(y, y == x).map(x, x + 1))"),
	       "[[2], [3], [4], [5]]");
	IS_STR(result("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(x, x)"),
	       "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]");
	IS_STR(result("[0].map(key, .key + key)"), "[42]");
}

static void test_bind_is_lazy_about_errors(void)
{
	IS_STR(result("cel.bind(x, key * 2, x + x)"), "168");
	IS_STR(result("cel.bind(x, 1 / 0, true)"), "true");
	IS_STR(result("cel.bind(x, 1 / 0, x == 1 || true)"), "true");
	IS_STR(result("cel.bind(x, 1 / 0, x)"), "1:15: division by zero");
	IS_STR(result("cel.bind(x, 1, cel.bind(x, x + 1, x * 10) + x)"), "21");
	IS_STR(result("[1, 2].map(i, cel.bind(j, i * 2, [i, j]))"),
	       "[[1, 2], [2, 4]]");
}

static void test_without_the_checker_errors_come_late(void)
{
	IS_STR(unchecked("1 + 'a'"), "1:3: '+' does not take (int, string)");
	IS_STR(unchecked("1 == 1.0"), "true");
	IS_STR(unchecked("nothing"), "1:1: nothing is called 'nothing'");
	IS_STR(unchecked("f(1, 2, 3, 4)"), "1:1: nothing is called 'f'");
	IS_STR(unchecked("a.f() || true"), "true");
	IS_STR(unchecked("size()"), "1:1: 'size' does not take ()");
	IS_STR(unchecked("size(1, 2, 3, 4)"),
	       "1:1: 'size' does not take (int, int, int, int)");
	IS_STR(unchecked("key.shard_hash()"),
	       "1:5: 'shard_hash' does not take (int)");
	IS_STR(unchecked("key ? 1 : 2"), "1:1: the condition of ?: is no bool");
	IS_STR(unchecked("key + 1"), "43");
	IS_STR(unchecked("region + ':' + string(key)"), "\"us-west:42\"");
	IS_STR(unchecked("ids.map(x, x < 3 ? x : 'many')"),
	       "[1, 2, \"many\", \"many\"]");
}

static void test_a_bad_pattern_is_an_error_when_it_is_used(void)
{
	const char *found = result("'abc'.matches('b+')");

	if (found[0] == '!') {
		HAS_STR(found, "matches() needs RE2");
		return;
	}
	IS_STR(found, "true");
	IS_STR(result("matches(region, '^us-[a-z]+$')"), "true");
	IS_STR(result("region.matches(any)"), "false");
	IS_STR(result("false && region.matches('(')"), "false");
	HAS_STR(result("region.matches('(')"), "1:8: ");
}

static void test_a_program_tells_what_it_uses(void)
{
	const struct sfs_cel_env env = { variables, VARIABLES, false };
	static const char source[] =
		"[1].all(region, .region == '') && key > 1";
	struct sfs_cel_program *p;
	struct sfs_err err;

	IS_INT(sfs_cel_compile(source, sizeof(source) - 1, &env, &p, &err),
	       SFS_OK);
	OK(sfs_cel_uses(p, KEY));
	OK(sfs_cel_uses(p, REGION));
	OK(!sfs_cel_uses(p, UKEY));
	OK(!sfs_cel_uses(p, VARIABLES));
	IS_INT(sfs_cel_result_kind(p), SFS_CEL_BOOL);
	sfs_cel_program_free(p);
}

/* A large map is sorted to find keys that repeat; a small one is not. */
static void test_keys_of_large_maps_differ(void)
{
	static char source[4096];
	size_t at;

	at = (size_t)snprintf(source, sizeof(source), "size({'a': key");
	for (int i = 0; i < 100; i++)
		at += (size_t)snprintf(source + at, sizeof(source) - at,
		                       ", %d: key, '%d': 1", i, i);
	(void)snprintf(source + at, sizeof(source) - at, "})");
	IS_STR(result(source), "201");
	(void)snprintf(source + at, sizeof(source) - at, ", 99u: 1})");
	HAS_STR(result(source), "a map has the same key twice");
	(void)snprintf(source + at, sizeof(source) - at, ", '7': 1})");
	HAS_STR(result(source), "a map has the same key twice");
}

static void test_limits_end_an_evaluation(void)
{
	const struct sfs_cel_env env = { variables, VARIABLES, false };
	static const char *const texts[] = {
		/* 4 ^ 10 rounds */
		"ids.all(a, ids.all(b, ids.all(c, ids.all(d, ids.all(e, "
		"ids.all(f, ids.all(g, ids.all(h, ids.all(i, ids.all(j, "
		"true)))))))))) || true",
		/* 2 ^ 26 bytes */
		"[region].map(a, a + a + a + a).map(a, a + a + a + a).map(a, "
		"a + a + a + a).map(a, a + a + a + a).map(a, a + a + a + a)"
		".map(a, a + a + a + a).map(a, a + a + a + a).map(a, a + a + "
		"a + a).map(a, a + a + a + a).map(a, a + a + a + a).map(a, a "
		"+ a + a + a).map(a, a + a + a + a) == [] || true",
	};
	struct sfs_cel_program *p;
	struct sfs_cel_value out;
	struct sfs_err err;

	for (int i = 0; i < 2; i++) {
		IS_INT(sfs_cel_compile(texts[i], strlen(texts[i]), &env, &p,
		                       &err),
		       SFS_OK);
		IS_INT(sfs_cel_eval(p, values, scratch, &out, &err),
		       SFS_E_TOO_BIG);
		HAS_STR(err.msg, i == 0 ? "too many steps" : "too much memory");
		sfs_cel_program_free(p);
	}
	/* The scratch is as good as before. */
	IS_STR(result("key + 1"), "43");
}

static void test_memory_may_run_out_anywhere(void)
{
	const struct sfs_cel_env env = { variables, VARIABLES, false };
	static const char source[] =
		"ids.map(x, region + string(x)) + [region] + [any] == [] || "
		"{region: [key]} == {} || any.foo == 1 || true";
	struct sfs_cel_program *p;
	struct sfs_cel_value out;
	unsigned long faults;
	unsigned long n = 0;
	struct sfs_err err;
	enum sfs_rc rc;

	IS_INT(sfs_cel_compile(source, sizeof(source) - 1, &env, &p, &err),
	       SFS_OK);
	do {
		struct sfs_cel_scratch *fresh;

		faults = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(++n);
		fresh = sfs_cel_scratch_new();
		rc = SFS_E_NO_MEMORY;
		if (fresh != NULL)
			rc = sfs_cel_eval(p, values, fresh, &out, &err);
		sfs_alloc_fail_nth(0);
		if (rc != SFS_OK)
			IS_INT(rc, SFS_E_NO_MEMORY);
		sfs_cel_scratch_free(fresh);
	} while (sfs_alloc_fault_count() > faults);
	IS_INT(rc, SFS_OK);
	OK(n > 3);
	sfs_cel_program_free(p);
}

/* What is evaluated again and again allocates nothing. */
static void test_a_warm_scratch_allocates_nothing(void)
{
	const struct sfs_cel_env env = { variables, VARIABLES, false };
	static const char source[] = "shard_hash(region + ':' + string(key))";
	const unsigned long faults = sfs_alloc_fault_count();
	struct sfs_cel_program *p;
	struct sfs_cel_value out;
	struct sfs_err err;

	IS_INT(sfs_cel_compile(source, sizeof(source) - 1, &env, &p, &err),
	       SFS_OK);
	IS_INT(sfs_cel_eval(p, values, scratch, &out, &err), SFS_OK);
	sfs_alloc_fail_nth(1);
	for (int i = 0; i < 1000; i++)
		IS_INT(sfs_cel_eval(p, values, scratch, &out, &err), SFS_OK);
	sfs_alloc_fail_nth(0);
	IS_INT(sfs_alloc_fault_count(), faults);
	sfs_cel_program_free(p);
}

static struct sfs_cel_program *shared;

static void *evaluate_often(void *arg)
{
	struct sfs_cel_scratch *own = sfs_cel_scratch_new();
	struct sfs_cel_value mine[VARIABLES];
	struct sfs_cel_value out;
	struct sfs_err err;
	int *wrong = arg;

	memcpy(mine, values, sizeof(mine));
	for (int i = 0; i < 5000; i++) {
		mine[KEY] = integer(i);
		if (sfs_cel_eval(shared, mine, own, &out, &err) != SFS_OK ||
		    out.as.boolean != (i % 2 == 0))
			++*wrong;
	}
	sfs_cel_scratch_free(own);
	return NULL;
}

static void test_threads_share_a_program(void)
{
	enum { THREADS = 4 };
	const struct sfs_cel_env env = { variables, VARIABLES, false };
	static const char source[] =
		"(region + string(key)).size() > 0 && [0].all(x, key % 2 == x)";
	pthread_t threads[THREADS];
	int wrong[THREADS] = { 0 };
	struct sfs_err err;

	IS_INT(sfs_cel_compile(source, sizeof(source) - 1, &env, &shared, &err),
	       SFS_OK);
	for (int i = 0; i < THREADS; i++)
		IS_INT(pthread_create(&threads[i], NULL, evaluate_often,
		                      &wrong[i]),
		       0);
	for (int i = 0; i < THREADS; i++) {
		IS_INT(pthread_join(threads[i], NULL), 0);
		IS_INT(wrong[i], 0);
	}
	sfs_cel_program_free(shared);
}

/* A tree of ranges for a thousand shards, as a builder may write it. */
static char *write_ranges(char *at, int low, int high)
{
	const int middle = low + (high - low) / 2;

	if (high - low == 1)
		return at + snprintf(at, 16, "%d", low);
	at += snprintf(at, 32, "key < %d ? (", middle * 10);
	at = write_ranges(at, low, middle);
	at += snprintf(at, 8, ") : (");
	at = write_ranges(at, middle, high);
	return at + snprintf(at, 4, ")");
}

static void test_a_thousand_ranges(void)
{
	const struct sfs_cel_env env = { variables, VARIABLES, false };
	static char source[1 << 16];
	struct sfs_cel_program *p;
	struct sfs_cel_value out;
	struct sfs_err err;

	(void)write_ranges(source, 0, 1000);
	IS_INT(sfs_cel_compile(source, strlen(source), &env, &p, &err), SFS_OK);
	for (int key = 0; key < 10000; key++) {
		values[KEY] = integer(key);
		IS_INT(sfs_cel_eval(p, values, scratch, &out, &err), SFS_OK);
		if (out.as.integer != key / 10)
			IS_INT(out.as.integer, key / 10);
	}
	sfs_cel_program_free(p);
	bind();
}

int main(void)
{
	scratch = sfs_cel_scratch_new();
	if (scratch == NULL)
		return 1;
	bind();
	RUN(test_values_print_as_what_evaluates_to_them);
	RUN(test_routing_expressions);
	RUN(test_operands_may_be_anything);
	RUN(test_values_of_other_types_find_their_overload);
	RUN(test_errors_name_their_place);
	RUN(test_and_and_or_ignore_errors_that_do_not_matter);
	RUN(test_macros);
	RUN(test_bind_is_lazy_about_errors);
	RUN(test_without_the_checker_errors_come_late);
	RUN(test_a_bad_pattern_is_an_error_when_it_is_used);
	RUN(test_a_program_tells_what_it_uses);
	RUN(test_keys_of_large_maps_differ);
	RUN(test_limits_end_an_evaluation);
	RUN(test_memory_may_run_out_anywhere);
	RUN(test_a_warm_scratch_allocates_nothing);
	RUN(test_threads_share_a_program);
	RUN(test_a_thousand_ranges);
	sfs_cel_scratch_free(scratch);
	return tap_done();
}
