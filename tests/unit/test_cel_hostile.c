/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions and values that want too much: each is refused, or answered,
 * without much time, memory or stack. The steps, not a clock, bound the time.
 */
#include "base/buf.h"
#include "cel/cel.h"
#include "unit/tap.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { BIG_BYTES = 8 << 20 };

static const struct sfs_cel_variable VARIABLES[] = {
	{ "s", "string" },    { "bad", "string" },  { "big", "string" },
	{ "i", "int" },       { "u", "uint" },      { "d", "double" },
	{ "l", "list(int)" }, { "t", "timestamp" }, { "span", "duration" },
	{ "any", "dyn" },     { "none", "int" },
};

static struct sfs_cel_value values[11];
static struct sfs_buf text = SFS_BUF_INIT(8 << 20);
static struct sfs_cel_scratch *scratch;
static char shown[SFS_ERR_MSG_BYTES];

static struct sfs_cel_value string(const char *data, size_t len)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_STRING,
		                       .as.text = { data, len } };
}

static struct sfs_cel_value integer(int64_t v)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_INT, .as.integer = v };
}

static void bind(void)
{
	static char big[BIG_BYTES];
	static struct sfs_cel_value items[2];
	static const struct sfs_cel_list list = { items, 2 };

	memset(big, 'x', sizeof(big));
	items[0] = integer(1);
	items[1] = integer(2);
	values[0] = string("a\0b", 3);
	values[1] = string("\xf0\x9f", 2);
	values[2] = string(big, sizeof(big));
	values[3] = integer(INT64_MIN);
	values[4] = (struct sfs_cel_value){ .kind = SFS_CEL_UINT,
		                            .as.uinteger = UINT64_MAX };
	values[5] = (struct sfs_cel_value){ .kind = SFS_CEL_DOUBLE,
		                            .as.number = (double)NAN };
	values[6] = (struct sfs_cel_value){ .kind = SFS_CEL_LIST,
		                            .as.list = &list };
	values[7] = (struct sfs_cel_value){ .kind = SFS_CEL_TIMESTAMP,
		                            .as.time = { INT64_MAX, -5 } };
	values[8] = (struct sfs_cel_value){ .kind = SFS_CEL_DURATION,
		                            .as.time = { INT64_MIN, -1 } };
	values[9] = string("any", 3);
}

/* What the text evaluates to, or "code: message"; the text is reset. */
static const char *result(void)
{
	const struct sfs_cel_env env = { VARIABLES, 11, false };
	struct sfs_buf out = SFS_BUF_INIT(1 << 20);
	struct sfs_cel_program *program = NULL;
	struct sfs_cel_value v;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_cel_compile(text.data, text.len, &env, &program, &err);
	if (rc == SFS_OK)
		rc = sfs_cel_eval(program, values, scratch, &v, &err);
	if (rc == SFS_OK) {
		sfs_cel_value_print(&v, &out);
		rc = sfs_buf_finish(&out, "the result", &err);
	}
	if (rc == SFS_OK)
		snprintf(shown, sizeof(shown), "%.400s", out.data);
	else
		snprintf(shown, sizeof(shown), "%s: %.400s", sfs_rc_name(rc),
		         err.msg);
	sfs_buf_release(&out);
	sfs_cel_program_free(program);
	sfs_buf_reset(&text);
	return shown;
}

static const char *of(const char *expression)
{
	sfs_buf_puts(&text, expression);
	return result();
}

static void add_times(const char *part, int times)
{
	for (int i = 0; i < times; i++)
		sfs_buf_puts(&text, part);
}

/* begin x times, middle, end x times */
static const char *nested(const char *begin, const char *middle,
                          const char *end, int times)
{
	add_times(begin, times);
	sfs_buf_puts(&text, middle);
	add_times(end, times);
	return result();
}

/* Variables v0 = first, v1 = next of v0 ... for `last`. */
static const char *bound(const char *first, const char *next, int count,
                         const char *last)
{
	sfs_buf_printf(&text, "cel.bind(v, %s, ", first);
	for (int i = 1; i < count; i++)
		sfs_buf_printf(&text, "cel.bind(v, %s, ", next);
	sfs_buf_puts(&text, last);
	add_times(")", count);
	return result();
}

static bool has_regex(void)
{
	return strcmp(of("'a'.matches('a')"), "true") == 0;
}

static void nesting_has_a_limit(void)
{
	IS_STR(nested("(", "1", ")", 200), "1");
	HAS_STR(nested("(", "1", ")", 300), "too_big: 1:");
	HAS_STR(nested("(", "1", ")", 300000), "too_big: 1:");
	HAS_STR(nested("[", "1", "]", 300000), "too_big: 1:");
	HAS_STR(nested("{1:", "1", "}", 100000), "too_big: 1:");
	HAS_STR(nested("-", "i", "", 300001), "too_big: 1:");
	HAS_STR(nested("!", "true", "", 300000), "too_big: 1:");
	HAS_STR(nested("", "1", "+1", 300000), "too_big: 1:");
	HAS_STR(nested("true?1:", "1", "", 100000), "too_big: 1:");
	HAS_STR(nested("", "any", ".a", 300000), "too_big: 1:");
	HAS_STR(nested("", "l", "[0]", 300000), "too_big: 1:");
	HAS_STR(nested("size(", "l", ")", 100000), "too_big: 1:");
	HAS_STR(nested("", "l", ".map(x,x)", 100000), "too_big: 1:");
	HAS_STR(nested("[", "", "", 300000), "too_big: 1:");
	/* These are balanced, and may be long. */
	IS_STR(nested("", "true", "&&true", 100000), "true");
	IS_STR(nested("", "false", "||false", 100000), "false");
}

static void a_long_text_is_refused(void)
{
	HAS_STR(nested("", "1", " ", 1 << 20), "too_big: ");
	IS_STR(nested("", "1", " ", (1 << 20) - 1), "1");
}

static void shared_values_are_not_walked_for_ever(void)
{
	HAS_STR(bound("[1]", "[v, v]", 60, "v == v"), "too many steps");
	HAS_STR(bound("[1]", "[v, v]", 60, "v in [v]"), "too many steps");
	HAS_STR(bound("{1: 1}", "{1: v, 2: v}", 60, "v == v"),
	        "too many steps");
	HAS_STR(bound("[1]", "[v, v]", 60, "v"), "too_big: the result");
}

static void memory_has_a_limit(void)
{
	HAS_STR(bound("'xx'", "v + v", 60, "v"), "too much memory");
	HAS_STR(bound("b'xx'", "v + v", 60, "v"), "too much memory");
	HAS_STR(bound("[1]", "v + v", 60, "v"), "too much memory");
	IS_STR(bound("[1]", "v + v", 18, "size(v)"), "131072");
	HAS_STR(bound("[1]", "v + v", 18, "v.map(x, v.map(y, y))"),
	        "too_big: ");
	HAS_STR(of("big + big + big"), "too much memory");
}

static void loops_have_a_limit(void)
{
	HAS_STR(bound("l", "v + v", 12,
	              "v.all(x, v.all(y, v.all(z, x + y + z > 0)))"),
	        "too many steps");
	HAS_STR(bound("l", "v + v", 12, "v.map(x, v.filter(y, y in v))"),
	        "too many steps");
	HAS_STR(bound("l", "v + v", 12, "v.all(x, v.all(y, v == v))"),
	        "too many steps");
}

static void each_call_counts_what_it_does(void)
{
	static const char *const calls[] = {
		"big == big",
		"big < big",
		"big.contains('y')",
		"size(big) == 0",
		"shard_hash(big) == 0u",
		"string(bytes(big)) == ''",
		"double(big) == 1.0",
		"big.startsWith(big)",
		"timestamp(1).getHours('Europe/Berlin') == 99",
		"big.matches('^(x+x+)+y$')",
		"big.matches('^(x+x+)+y' + s)",
		"s.matches('(a{99}){9}' + string(x))",
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strstr(calls[i], "matches") != NULL && !has_regex())
			continue;
		sfs_buf_puts(&text,
		             "cel.bind(v, l + l + l + l + l, v.exists(x, "
		             "v.exists(y, v.exists(z, ");
		sfs_buf_printf(&text, "%s))))", calls[i]);
		HAS_STR(result(), "too_big: 1:");
	}
}

/* A pattern of few bytes can be large for RE2. */
static void patterns_are_made_a_few_times_only(void)
{
	if (!has_regex()) {
		HAS_STR(of("'a'.matches('a')"), "unsupported: ");
		return;
	}
	sfs_buf_puts(&text, "[");
	for (int i = 0; i < 2000; i++)
		sfs_buf_printf(&text,
		               "s.matches('(\\\\pL{200}){2}%d') || true,", i);
	sfs_buf_puts(&text, "1]");
	HAS_STR(result(), "too_big: 1:");
	HAS_STR(of("'x'.matches('(((((')"), "RE2");
	HAS_STR(of("big.matches('(a{99}){9}')"), "too many steps");
	HAS_STR(of("''.matches('(')"), "RE2");
	IS_STR(of("bad.matches('^.$')"), "false");
}

static void types_have_a_limit(void)
{
	sfs_buf_puts(&text, "cel.bind(v, [1]");
	for (int i = 0; i < 100; i++) {
		sfs_buf_puts(&text, ".map(x, ");
		add_times("[", 120);
		sfs_buf_puts(&text, "x");
		add_times("]", 120);
		sfs_buf_puts(&text, ")");
	}
	sfs_buf_puts(&text, ", v == v)");
	HAS_STR(result(), "too_big: 1:");
}

static void extreme_values_do_no_harm(void)
{
	HAS_STR(of("-i"), "overflow");
	HAS_STR(of("i / -1"), "overflow");
	HAS_STR(of("i % -1"), "overflow");
	HAS_STR(of("i - 1"), "overflow");
	HAS_STR(of("l[i]"), "no such index");
	HAS_STR(of("u + 1u"), "overflow");
	HAS_STR(of("shard_hash(u)"), "shard_hash()");
	IS_STR(of("d == d"), "false");
	IS_STR(of("d < 1.0 || d >= 1.0"), "false");
	HAS_STR(of("int(d)"), "int()");
	HAS_STR(of("{'a': 1}[string(d)]"), "no such key: 'nan'");
	IS_STR(of("size(s)"), "3");
	IS_STR(of("s + s == 'a\\x00ba\\x00b'"), "true");
	HAS_STR(of("string(bytes(bad))"), "UTF-8");
	IS_STR(of("size(bytes(bad + bad))"), "4");
	HAS_STR(of("t.getHours()"), "out of range");
	HAS_STR(of("t.getHours('Europe/Berlin')"), "out of range");
	HAS_STR(of("span + span"), "out of range");
	HAS_STR(of("string(t)"), "out of range");
	HAS_STR(of("none"), "'none'");
	IS_STR(of("none == 1 || true"), "true");
}

/* Whatever the type that was declared. */
static void values_of_other_kinds_do_no_harm(void)
{
	static const char *const expressions[] = {
		"i + 1",
		"l[0]",
		"s + s",
		"size(s)",
		"l.map(x, x)",
		"t.getHours()",
		"s.matches('a')",
		"shard_hash(s + ':' + string(i)) % 64u",
		"shard_hash(i)",
		"i % 16",
		"l == l",
		"i in l",
		"s.startsWith(s)",
		"i < 3 ? 1 : 2",
		"d < 3.0 && u > 1u",
		"-i",
		"string(d)",
		"any.x",
		"has(any.x)",
		"any[0]",
		"span.getHours()",
		"type(i)",
	};
	struct sfs_cel_value saved[11];

	memcpy(saved, values, sizeof(saved));
	for (size_t i = 0; i < 11; i++) {
		for (size_t k = 0; k < 11; k++)
			values[k] = saved[(i + k) % 11];
		for (size_t k = 0;
		     k < sizeof(expressions) / sizeof(expressions[0]); k++)
			OK(of(expressions[k])[0] != '\0');
	}
	memcpy(values, saved, sizeof(saved));
}

int main(void)
{
	scratch = sfs_cel_scratch_new();
	bind();
	RUN(nesting_has_a_limit);
	RUN(a_long_text_is_refused);
	RUN(shared_values_are_not_walked_for_ever);
	RUN(memory_has_a_limit);
	RUN(loops_have_a_limit);
	RUN(each_call_counts_what_it_does);
	RUN(patterns_are_made_a_few_times_only);
	RUN(types_have_a_limit);
	RUN(extreme_values_do_no_harm);
	RUN(values_of_other_kinds_do_no_harm);
	sfs_cel_scratch_free(scratch);
	sfs_buf_release(&text);
	return tap_done();
}
