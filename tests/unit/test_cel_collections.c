/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and maps in CEL's functions, what calls cost, and matches(). */
#include "unit/cel_call.h"

#include <math.h>

enum { DEEP = 100000, WIDE = 60 };

static struct sfs_cel_value list_of(const struct sfs_cel_value *items,
                                    size_t count)
{
	struct sfs_cel_list *list = sfs_cel_pool_get(cel_pool, sizeof(*list));
	struct sfs_cel_value *copy =
		sfs_cel_pool_get(cel_pool, (count + 1) * sizeof(*copy));

	if (count > 0)
		memcpy(copy, items, count * sizeof(*copy));
	*list = (struct sfs_cel_list){ copy, count };
	return (struct sfs_cel_value){ .kind = SFS_CEL_LIST, .as.list = list };
}

static struct sfs_cel_value map_of(const struct sfs_cel_value *pairs,
                                   size_t count)
{
	struct sfs_cel_map *map = sfs_cel_pool_get(cel_pool, sizeof(*map));
	struct sfs_cel_value *copy =
		sfs_cel_pool_get(cel_pool, (2 * count + 1) * sizeof(*copy));

	if (count > 0)
		memcpy(copy, pairs, 2 * count * sizeof(*copy));
	*map = (struct sfs_cel_map){ copy, count };
	return (struct sfs_cel_value){ .kind = SFS_CEL_MAP, .as.map = map };
}

static struct sfs_cel_value pair(struct sfs_cel_value a, struct sfs_cel_value b)
{
	const struct sfs_cel_value items[] = { a, b };

	return list_of(items, 2);
}

static struct sfs_cel_value empty(void)
{
	return list_of(NULL, 0);
}

/* {1: "a", 2u: "b", "k": "c", true: "d"} */
static struct sfs_cel_value some_map(void)
{
	const struct sfs_cel_value pairs[] = { num(1),   str("a"), unum(2),
		                               str("b"), str("k"), str("c"),
		                               truth(1), str("d") };

	return map_of(pairs, 4);
}

/* The steps that the first row for such arguments asks for. */
static size_t cost_of(const char *name, struct sfs_cel_value a,
                      struct sfs_cel_value b)
{
	const struct sfs_cel_value args[] = { a, b };
	size_t count;
	const struct sfs_cel_overload *row = sfs_cel_overloads_named(
		(struct sfs_cel_text){ name, strlen(name) }, &count);

	for (; count > 0; count--, row++) {
		if (takes(row->args[0], &a) &&
		    (row->argc == 1 || takes(row->args[1], &b)))
			return sfs_cel_call_cost(row, args);
	}
	return 0;
}

static void lists_are_joined_and_measured(void)
{
	struct sfs_cel_value ab = pair(num(1), num(2));
	struct sfs_cel_value sum = call2("_+_", ab, pair(num(3), num(4)));

	IS_VALUE(call("size", sum), "4");
	IS_VALUE(call2("_[_]", sum, num(2)), "3");
	IS_VALUE(call("size", call2("_+_", empty(), empty())), "0");
	OK(call2("_==_", call2("_+_", ab, empty()), ab).as.boolean);
	IS_VALUE(call("size", some_map()), "4");
}

static void an_index_is_an_integer_within_the_list(void)
{
	struct sfs_cel_value ab = pair(str("a"), str("b"));

	IS_VALUE(call2("_[_]", ab, num(1)), "\"b\"");
	IS_VALUE(call2("_[_]", ab, unum(1)), "\"b\"");
	IS_VALUE(call2("_[_]", ab, real(1)), "\"b\"");
	IS_ERROR(call2("_[_]", ab, num(2)), "no such index in the list: 2");
	IS_ERROR(call2("_[_]", ab, num(-1)), "no such index");
	IS_ERROR(call2("_[_]", ab, num(INT64_MIN)), "no such index");
	IS_ERROR(call2("_[_]", ab, unum(UINT64_MAX)), "must be an int");
	IS_ERROR(call2("_[_]", ab, real(0.1)), "must be an int");
	IS_ERROR(call2("_[_]", ab, real((double)NAN)), "must be an int");
	IS_ERROR(call2("_[_]", ab, real(1e300)), "must be an int");
	IS_ERROR(call2("_[_]", ab, str("0")), "must be an int");
	IS_ERROR(call2("_[_]", empty(), num(0)), "no such index");
}

static void keys_are_found_across_numeric_types(void)
{
	IS_VALUE(call2("_[_]", some_map(), unum(1)), "\"a\"");
	IS_VALUE(call2("_[_]", some_map(), real(2)), "\"b\"");
	IS_VALUE(call2("_[_]", some_map(), str("k")), "\"c\"");
	IS_VALUE(call2("_[_]", some_map(), truth(true)), "\"d\"");
	IS_ERROR(call2("_[_]", some_map(), str("x")), "no such key: 'x'");
	IS_ERROR(call2("_[_]", some_map(), num(7)), ": 7");
	IS_ERROR(call2("_[_]", some_map(), raw("k")), "no such key");
	IS_ERROR(call2("_[_]", some_map(), real((double)NAN)), "no such key");
	IS_ERROR(call2("_[_]", map_of(NULL, 0), num(1)), "no such key");
}

static void membership_is_equality(void)
{
	struct sfs_cel_value items = pair(num(1), str("a"));

	IS_VALUE(call2("@in", real(1), items), "true");
	IS_VALUE(call2("@in", str("a"), items), "true");
	IS_VALUE(call2("@in", raw("a"), items), "false");
	IS_VALUE(call2("@in", num(1), empty()), "false");
	IS_VALUE(call2("@in", items, pair(items, num(1))), "true");
	IS_VALUE(call2("@in", real(2), some_map()), "true");
	IS_VALUE(call2("@in", str("x"), some_map()), "false");
}

static void containers_are_equal_by_what_they_hold(void)
{
	const struct sfs_cel_value there[] = { str("a"), num(1), str("b"),
		                               num(2) };
	const struct sfs_cel_value back[] = { str("b"), real(2), str("a"),
		                              unum(1) };
	const struct sfs_cel_value other[] = { str("a"), num(1), str("c"),
		                               num(2) };
	struct sfs_cel_value nan = pair(real((double)NAN), num(1));

	OK(call2("_==_", pair(num(1), num(2)), pair(real(1), unum(2)))
	           .as.boolean);
	OK(!call2("_==_", pair(num(1), num(2)), pair(num(2), num(1)))
	            .as.boolean);
	OK(!call2("_==_", pair(num(1), num(2)), empty()).as.boolean);
	OK(!call2("_==_", nan, nan).as.boolean);
	OK(call2("_==_", map_of(there, 2), map_of(back, 2)).as.boolean);
	OK(!call2("_==_", map_of(there, 2), map_of(other, 2)).as.boolean);
	OK(!call2("_==_", map_of(there, 2), map_of(there, 1)).as.boolean);
	OK(call2("_==_", map_of(NULL, 0), map_of(NULL, 0)).as.boolean);
	OK(!call2("_==_", map_of(NULL, 0), empty()).as.boolean);
}

static void costs_grow_with_the_arguments(void)
{
	char text[1600];
	struct sfs_cel_value long_text;

	memset(text, 'x', sizeof(text));
	long_text = text_of(SFS_CEL_STRING, text, sizeof(text));
	IS_INT(cost_of("_+_", num(1), num(2)), 0);
	OK(cost_of("contains", str("a"), str("b")) < 5);
	OK(cost_of("contains", long_text, str("b")) >= 100);
	OK(cost_of("size", long_text, num(0)) >= 100);
	OK(cost_of("_==_", long_text, long_text) >= 100);
	OK(cost_of("@in", num(1), pair(num(1), num(2))) >= 2);
	OK(cost_of("@in", long_text, pair(long_text, long_text)) >= 200);
	OK(cost_of("matches", str("a"), str("a")) >= 100);
}

/* A list of a list of ... that holds 2^60 items, in little memory. */
static void shared_items_are_counted_each_time(void)
{
	struct sfs_cel_value v = pair(num(1), num(1));

	for (int i = 0; i < WIDE; i++)
		v = pair(v, v);
	OK(cost_of("_==_", v, v) > SFS_CEL_STEPS_MAX);
	OK(cost_of("@in", v, v) > SFS_CEL_STEPS_MAX);
}

static void what_is_nested_too_deep_is_not_compared(void)
{
	struct sfs_cel_value v = num(1);
	struct sfs_cel_value shallow = num(1);

	for (int i = 0; i < DEEP; i++)
		v = list_of(&v, 1);
	for (int i = 0; i < SFS_CEL_VALUE_DEPTH_MAX - 1; i++)
		shallow = list_of(&shallow, 1);
	OK(cost_of("_==_", v, v) > SFS_CEL_STEPS_MAX);
	OK(cost_of("_==_", shallow, shallow) < SFS_CEL_STEPS_MAX);
	/* By itself it says no, and does not fall off the stack. */
	OK(!sfs_cel_value_equal(&v, &v));
	OK(sfs_cel_value_equal(&shallow, &shallow));
}

static bool has_regex(void)
{
	struct sfs_cel_regex *r;
	struct sfs_err err;
	enum sfs_rc rc =
		sfs_cel_regex_new((struct sfs_cel_text){ "a", 1 }, &r, &err);

	sfs_cel_regex_free(r);
	return rc != SFS_E_UNSUPPORTED;
}

static void matches_searches_by_the_rules_of_re2(void)
{
	if (!has_regex()) {
		IS_ERROR(call2("matches", str("a"), str("a")), "needs RE2");
		return;
	}
	IS_VALUE(call2("matches", str("hubba"), str("ubb")), "true");
	IS_VALUE(call2("matches", str("hubba"), str("^ubb")), "false");
	IS_VALUE(call2("matches", str("cows"), str("")), "true");
	IS_VALUE(call2("matches",
	               str("ma\xc3\xb1"
	                   "ana"),
	               str("^ma.an")),
	         "true");
	IS_VALUE(call2("matches", text_of(SFS_CEL_STRING, "a\0b", 3),
	               str("^a\\x00b$")),
	         "true");
	IS_VALUE(call2("matches", text_of(SFS_CEL_STRING, NULL, 0),
	               text_of(SFS_CEL_STRING, NULL, 0)),
	         "true");
	IS_ERROR(call2("matches", str("a"), str("(")), "RE2");
	IS_ERROR(call2("matches", str("aa"), str("(a)\\1")), "RE2");
	IS_ERROR(call2("matches", str("a"), str("((a{1000}){1000})")), "RE2");
}

static void a_hostile_pattern_takes_linear_time(void)
{
	char text[20000];
	static char long_pattern[40000];

	if (!has_regex())
		return;
	memset(text, 'a', sizeof(text));
	IS_VALUE(call2("matches", text_of(SFS_CEL_STRING, text, sizeof(text)),
	               str("^(a+)+$|(a|aa)*b")),
	         "true");
	memset(long_pattern, '(', sizeof(long_pattern));
	IS_ERROR(call2("matches", str("a"),
	               text_of(SFS_CEL_STRING, long_pattern,
	                       sizeof(long_pattern))),
	         "bytes");
	IS_ERROR(call2("matches", str("a"),
	               text_of(SFS_CEL_STRING, long_pattern, 10000)),
	         "RE2");
}

/* What it costs is not known when the steps are counted. */
static void an_evaluation_makes_no_costly_pattern(void)
{
	static char text[2000];
	struct sfs_cel_text all = { text, sizeof(text) };
	const struct sfs_cel_text pattern = { "(a{99}){9}", 10 };
	struct sfs_cel_regex *r;
	struct sfs_err err;

	if (!has_regex())
		return;
	memset(text, 'b', sizeof(text));
	IS_INT(sfs_cel_regex_new(pattern, &r, &err), SFS_OK);
	OK(sfs_cel_regex_cost(r, all) > 100000);
	OK(sfs_cel_regex_cost(r, (struct sfs_cel_text){ NULL, 0 }) == 0);
	all.len = SIZE_MAX;
	OK(sfs_cel_regex_cost(r, all) > SFS_CEL_STEPS_MAX);
	sfs_cel_regex_free(r);
	IS_ERROR(call2("matches", text_of(SFS_CEL_STRING, text, sizeof(text)),
	               str(pattern.data)),
	         "must be smaller");
	IS_VALUE(call2("matches", str("h\xc3\xa9llo"), str("^\\pL+$")), "true");
}

int main(void)
{
	cel_pool = sfs_cel_pool_new(64 << 20);
	RUN(lists_are_joined_and_measured);
	RUN(an_index_is_an_integer_within_the_list);
	RUN(keys_are_found_across_numeric_types);
	RUN(membership_is_equality);
	RUN(containers_are_equal_by_what_they_hold);
	RUN(costs_grow_with_the_arguments);
	RUN(shared_items_are_counted_each_time);
	RUN(what_is_nested_too_deep_is_not_compared);
	RUN(matches_searches_by_the_rules_of_re2);
	RUN(a_hostile_pattern_takes_linear_time);
	RUN(an_evaluation_makes_no_costly_pattern);
	sfs_cel_pool_free(cel_pool);
	return tap_done();
}
