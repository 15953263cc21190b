/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax of CEL: trees as text, (call a b); literals as CEL prints them.
 * And what is refused, with the place that the message names.
 */
#include "cel/ast.h"

#include "base/alloc.h"
#include "cel/lexer.h"
#include "unit/tap.h"

enum { TEXT_MAX = 1 << 16 };

static const char *word_of(const struct sfs_cel_node *n)
{
	switch (n->kind) {
	case SFS_CEL_NODE_SELECT:
		return ".";
	case SFS_CEL_NODE_HAS:
		return "has.";
	case SFS_CEL_NODE_METHOD:
		return "method ";
	case SFS_CEL_NODE_AND:
		return "&&";
	case SFS_CEL_NODE_OR:
		return "||";
	case SFS_CEL_NODE_CONDITION:
		return "?";
	case SFS_CEL_NODE_LIST:
		return "list";
	case SFS_CEL_NODE_MAP:
		return "{}";
	case SFS_CEL_NODE_ALL:
		return "all ";
	case SFS_CEL_NODE_EXISTS:
		return "exists ";
	case SFS_CEL_NODE_EXISTS_ONE:
		return "exists_one ";
	case SFS_CEL_NODE_MAP_TO:
		return "map ";
	case SFS_CEL_NODE_MAP_IF:
		return "map_if ";
	case SFS_CEL_NODE_FILTER:
		return "filter ";
	case SFS_CEL_NODE_BIND:
		return "bind ";
	case SFS_CEL_NODE_LITERAL:
	case SFS_CEL_NODE_NAME:
	case SFS_CEL_NODE_CALL:
		break;
	}
	return "";
}

static void show_text(struct sfs_buf *b, char prefix, struct sfs_cel_text text)
{
	if (prefix != '\0')
		sfs_buf_putc(b, prefix);
	sfs_buf_putc(b, '\'');
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] < ' ')
			sfs_buf_printf(b, "<%02x>",
			               (unsigned char)text.data[i]);
		else
			sfs_buf_putc(b, text.data[i]);
	}
	sfs_buf_putc(b, '\'');
}

static void show_literal(struct sfs_buf *b, const struct sfs_cel_value *v)
{
	if (v->kind == SFS_CEL_NULL)
		sfs_buf_puts(b, "null");
	else if (v->kind == SFS_CEL_BOOL)
		sfs_buf_puts(b, v->as.boolean ? "true" : "false");
	else if (v->kind == SFS_CEL_INT)
		sfs_buf_printf(b, "%" PRId64, v->as.integer);
	else if (v->kind == SFS_CEL_UINT)
		sfs_buf_printf(b, "%" PRIu64 "u", v->as.uinteger);
	else if (v->kind == SFS_CEL_DOUBLE)
		sfs_buf_printf(b, "%.17gd", v->as.number);
	else
		show_text(b, v->kind == SFS_CEL_BYTES ? 'b' : '\0', v->as.text);
}

static void show(struct sfs_buf *b, const struct sfs_cel_node *n)
{
	if (n->kind == SFS_CEL_NODE_LITERAL) {
		show_literal(b, &n->literal);
		return;
	}
	if (n->kind != SFS_CEL_NODE_NAME)
		sfs_buf_putc(b, '(');
	sfs_buf_puts(b, word_of(n));
	if (n->is_rooted)
		sfs_buf_putc(b, '.');
	sfs_buf_add(b, n->name.data, n->name.len);
	for (uint32_t i = 0; i < n->count; i++) {
		sfs_buf_putc(b, ' ');
		show(b, n->children[i]);
	}
	if (n->kind != SFS_CEL_NODE_NAME)
		sfs_buf_putc(b, ')');
}

/* The tree of the text, or "!" and the message. Until the next call. */
static const char *parsed_bytes(const char *text, size_t len)
{
	static char shown[TEXT_MAX];
	struct sfs_buf b = SFS_BUF_INIT(TEXT_MAX - 1);
	struct sfs_cel_tree tree;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_cel_parse(text, len, &tree, &err);
	if (rc == SFS_OK)
		show(&b, tree.root);
	else
		sfs_buf_printf(&b, "!%s %s",
		               rc == SFS_E_INVALID ? "" : sfs_rc_name(rc),
		               err.msg);
	sfs_cel_tree_release(&tree);
	memcpy(shown, b.data, b.len + 1);
	sfs_buf_release(&b);
	return shown;
}

static const char *parsed(const char *text)
{
	return parsed_bytes(text, strlen(text));
}

static void test_precedence(void)
{
	IS_STR(parsed("1 + 2 * 3 - 4"), "(_-_ (_+_ 1 (_*_ 2 3)) 4)");
	IS_STR(parsed("(1 + 2) * 3"), "(_*_ (_+_ 1 2) 3)");
	IS_STR(parsed("a / b % c"), "(_%_ (_/_ a b) c)");
	IS_STR(parsed("a < b == c"), "(_==_ (_<_ a b) c)");
	IS_STR(parsed("a in b != c in d"), "(@in (_!=_ (@in a b) c) d)");
	IS_STR(parsed("a <= b + 1"), "(_<=_ a (_+_ b 1))");
	IS_STR(parsed("a || b && c"), "(|| a (&& b c))");
	IS_STR(parsed("a && b || c"), "(|| (&& a b) c)");
	IS_STR(parsed("a > b && c >= d"), "(&& (_>_ a b) (_>=_ c d))");
	IS_STR(parsed("a ? b : c ? d : e"), "(? a b (? c d e))");
	IS_STR(parsed("a ? (b ? c : d) : e"), "(? a (? b c d) e)");
	IS_STR(parsed("a || b ? c || d : e || f"),
	       "(? (|| a b) (|| c d) (|| e f))");
	IS_STR(parsed("-a * b"), "(_*_ (-_ a) b)");
	IS_STR(parsed("!a && b"), "(&& (!_ a) b)");
	IS_STR(parsed("-a.b"), "(-_ (.b a))");
	IS_STR(parsed("!!a"), "(!_ (!_ a))");
	IS_STR(parsed("- - a"), "(-_ (-_ a))");
	IS_STR(parsed("a--b"), "(_-_ a (-_ b))");
}

static void test_long_logic_is_balanced(void)
{
	IS_STR(parsed("a && b && c && d"), "(&& (&& a b) (&& c d))");
	IS_STR(parsed("a || b || c"), "(|| a (|| b c))");
	IS_STR(parsed("a || b && c && d || e"),
	       "(|| a (|| (&& b (&& c d)) e))");
}

static void test_members(void)
{
	IS_STR(parsed("a.b.c"), "(.c (.b a))");
	IS_STR(parsed("a[1][b]"), "(_[_] (_[_] a 1) b)");
	IS_STR(parsed("a.f()"), "(method f a)");
	IS_STR(parsed("a.f(1, b).g"), "(.g (method f a 1 b))");
	IS_STR(parsed("f()"), "(f)");
	IS_STR(parsed("f(1, g(2))"), "(f 1 (g 2))");
	IS_STR(parsed(".a"), ".a");
	IS_STR(parsed(".a.b"), "(.b .a)");
	IS_STR(parsed(".f(a)"), "(.f a)");
	IS_STR(parsed("a.`b-c/d.e f`"), "(.b-c/d.e f a)");
	IS_STR(parsed("1.f()"), "(method f 1)");
	IS_STR(parsed("-1.f()"), "(method f -1)");
	IS_STR(parsed("'a'.size()"), "(method size 'a')");
	IS_STR(parsed("_ + __a + b_1"), "(_+_ (_+_ _ __a) b_1)");
}

static void test_containers(void)
{
	IS_STR(parsed("[]"), "(list)");
	IS_STR(parsed("[,]"), "(list)");
	IS_STR(parsed("[1, [2], a,]"), "(list 1 (list 2) a)");
	IS_STR(parsed("{}"), "({})");
	IS_STR(parsed("{,}"), "({})");
	IS_STR(parsed("{1: 'a', b: {},}"), "({} 1 'a' b ({}))");
	IS_STR(parsed("{a ? b : c: d}"), "({} (? a b c) d)");
}

static void test_macros(void)
{
	IS_STR(parsed("has(a.b)"), "(has.b a)");
	IS_STR(parsed("has(a.b.`c-d`)"), "(has.c-d (.b a))");
	IS_STR(parsed("a.all(x, x > 0)"), "(all x a (_>_ x 0))");
	IS_STR(parsed("a.exists(x, x)"), "(exists x a x)");
	IS_STR(parsed("a.exists_one(x, x)"), "(exists_one x a x)");
	IS_STR(parsed("a.map(x, f(x))"), "(map x a (f x))");
	IS_STR(parsed("a.map(x, x > 0, f(x))"), "(map_if x a (_>_ x 0) (f x))");
	IS_STR(parsed("a.filter(x, x)"), "(filter x a x)");
	IS_STR(parsed("cel.bind(x, a + b, x * x)"),
	       "(bind x (_+_ a b) (_*_ x x))");
}

static void test_other_numbers_of_arguments_are_calls(void)
{
	IS_STR(parsed("has(a, b)"), "(has a b)");
	IS_STR(parsed(".has(a.b)"), "(.has (.b a))");
	IS_STR(parsed("a.has(b)"), "(method has a b)");
	IS_STR(parsed("a.all(x)"), "(method all a x)");
	IS_STR(parsed("a.filter(x, y, z)"), "(method filter a x y z)");
	IS_STR(parsed("all(x, y)"), "(all x y)");
	IS_STR(parsed("cel.bind(x, y)"), "(method bind cel x y)");
	IS_STR(parsed("a.bind(x, y, z)"), "(method bind a x y z)");
}

static void test_macros_refuse(void)
{
	HAS_STR(parsed("has(a)"), "! 1:5: has() takes");
	HAS_STR(parsed("has(a.f())"), "! 1:7: has() takes");
	HAS_STR(parsed("has(a[0])"), "! 1:6: has() takes");
	HAS_STR(parsed("a.all(x.y, true)"), "! 1:9: the name of the variable "
	                                    "of all()");
	HAS_STR(parsed("a.map(1, true)"), "! 1:7: the name of the variable");
	HAS_STR(parsed("a.map(.x, true)"), "! 1:8: the name of the variable");
	HAS_STR(parsed("a.map(as, true)"), "! 1:7: 'as' is a reserved word");
	HAS_STR(parsed("cel.bind(1, a, b)"), "! 1:10: the name of the variable "
	                                     "of bind()");
}

static void test_integers(void)
{
	IS_STR(parsed("0"), "0");
	IS_STR(parsed("010"), "10");
	IS_STR(parsed("0x1F"), "31");
	IS_STR(parsed("-0x1f"), "-31");
	IS_STR(parsed("9223372036854775807"), "9223372036854775807");
	IS_STR(parsed("-9223372036854775808"), "-9223372036854775808");
	IS_STR(parsed("- 9223372036854775808"), "-9223372036854775808");
	IS_STR(parsed("-0x8000000000000000"), "-9223372036854775808");
	IS_STR(parsed("1u"), "1u");
	IS_STR(parsed("0xfU"), "15u");
	IS_STR(parsed("18446744073709551615u"), "18446744073709551615u");
	IS_STR(parsed("1in[1]"), "(@in 1 (list 1))");
	IS_STR(parsed("--1"), "(-_ -1)");
	IS_STR(parsed("1-1"), "(_-_ 1 1)");
	IS_STR(parsed("-1u"), "(-_ 1u)");
}

static void test_integers_that_do_not_fit(void)
{
	HAS_STR(parsed("9223372036854775808"), "! 1:1: this number does not "
	                                       "fit int");
	HAS_STR(parsed("-9223372036854775809"), "! 1:2: this number does not");
	HAS_STR(parsed("0x8000000000000000"), "! 1:1: this number does not");
	HAS_STR(parsed("99999999999999999999999"), "! 1:1: this number does");
	HAS_STR(parsed("1 + 18446744073709551616u"),
	        "! 1:5: this number does not fit uint");
	HAS_STR(parsed("0x10000000000000000u"), "! 1:1: this number does not");
}

static void test_doubles(void)
{
	IS_STR(parsed("1.5"), "1.5d");
	IS_STR(parsed(".5"), "0.5d");
	IS_STR(parsed("-.5"), "-0.5d");
	IS_STR(parsed("1e3"), "1000d");
	IS_STR(parsed("1E+3"), "1000d");
	IS_STR(parsed("25.e"), "(.e 25)");
	IS_STR(parsed("2.5e-1"), "0.25d");
	IS_STR(parsed("-0.0"), "-0d");
	IS_STR(parsed("1e400"), "infd");
	IS_STR(parsed("-1e400"), "-infd");
	IS_STR(parsed("1e-400"), "0d");
}

static void test_strings(void)
{
	IS_STR(parsed("'a\"b'"), "'a\"b'");
	IS_STR(parsed("\"a'b\""), "'a'b'");
	IS_STR(parsed("''"), "''");
	IS_STR(parsed("''''a'''"), "''a'");
	IS_STR(parsed("\"\"\"a\"\"b\"\"\""), "'a\"\"b'");
	IS_STR(parsed("'''a\nb'''"), "'a<0a>b'");
	IS_STR(parsed("'''a\r\nb\rc'''"), "'a<0a>b<0a>c'");
	IS_STR(parsed("'a//b'"), "'a//b'");
	IS_STR(parsed("r'\\n'"), "'\\n'");
	IS_STR(parsed("r'\\'"), "'\\'");
	HAS_STR(parsed("R'''\\''''"), "! 1:9: this string has no end");
	IS_STR(parsed("b'a\\xff'"), "b'a\xff'");
	IS_STR(parsed("Br'\\xff'"), "b'\\xff'");
	IS_STR(parsed("'\xc3\xa9'"), "'\xc3\xa9'");
	IS_STR(parsed_bytes("'a\0b'", 5), "'a<00>b'");
	IS_STR(parsed("b + r + br"), "(_+_ (_+_ b r) br)");
}

static void test_escapes(void)
{
	IS_STR(parsed("'\\a\\b\\f\\n\\r\\t\\v'"),
	       "'<07><08><0c><0a><0d><09><0b>'");
	IS_STR(parsed("'\\\\\\?\\\"\\'\\`'"), "'\\?\"'`'");
	IS_STR(parsed("'\\x41\\X42\\103\\u0044\\U00000045'"), "'ABCDE'");
	IS_STR(parsed("'\\000\\x00'"), "'<00><00>'");
	IS_STR(parsed("'\\377\\xff\\u00ff'"), "'\xc3\xbf\xc3\xbf\xc3\xbf'");
	IS_STR(parsed("b'\\377\\xff\xc3\xbf'"), "b'\xff\xff\xc3\xbf'");
	IS_STR(parsed("'\\u20ac\\U0001f431'"),
	       "'\xe2\x82\xac\xf0\x9f\x90\xb1'");
	IS_STR(parsed("'\\uFFFF\\U0010FFFF'"),
	       "'\xef\xbf\xbf\xf4\x8f\xbf\xbf'");
	IS_STR(parsed("'\\u0800\\u07ff'"), "'\xe0\xa0\x80\xdf\xbf'");
}

static void test_escapes_refuse(void)
{
	static const char *const bad[] = {
		"'\\q'",         "'\\ '",
		"'\\8'",         "'\\18'",
		"'\\400'",       "'\\47'",
		"'\\x4'",        "'\\xg0'",
		"'\\u123'",      "'\\u12g4'",
		"'\\U0001f43'",  "'\\ud800'",
		"'\\udfff'",     "'\\U0000d83d'",
		"'\\U00110000'", "'\\Uffffffff'",
		"b'\\u0041'",    "b'\\U00000041'",
		"'''\\\n'''",    "'\\ud83d\\ude03'",
		"b'\\s'",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		HAS_STR(parsed(bad[i]), "! 1:");
	HAS_STR(parsed("'ab\\q'"), "! 1:4: a backslash stands before");
	HAS_STR(parsed("'a\\ud83d\\ude03'"), "! 1:3: a surrogate");
	HAS_STR(parsed("b'\\u0041'"), "! 1:3: \\u and \\U are for strings");
	HAS_STR(parsed("'\\U00110000'"), "! 1:2: code points end at 10FFFF");
}

static void test_strings_without_end(void)
{
	HAS_STR(parsed("'a"), "! 1:1: this string has no end");
	HAS_STR(parsed("1 + 'a\\'"), "! 1:5: this string has no end");
	HAS_STR(parsed("'a\nb'"), "! 1:1: the line ends before");
	HAS_STR(parsed("'a\rb'"), "! 1:1: the line ends before");
	HAS_STR(parsed("'a\\\nb'"), "! 1:1: the line ends before");
	HAS_STR(parsed("r'a\nb'"), "! 1:1: the line ends before");
	HAS_STR(parsed("'''a''"), "! 1:1: this string has no end");
	HAS_STR(parsed("'''a''''"), "! 1:8: this string has no end");
	HAS_STR(parsed("b\"\"\"a\""), "! 1:1: this string has no end");
}

/* A slash is \x2f, for tests/style, which wants no comments of that form. */
static void test_space_and_comments(void)
{
	IS_STR(parsed(" \t\n\f\r1 \t\n\f\r"), "1");
	IS_STR(parsed("[\n.\na\n.\nb\n]\n[\n0\n]"), "(_[_] (list (.b .a)) 0)");
	IS_STR(parsed("1 \x2f/ one\n + \x2f/ plus\r\n 2 \x2f/ two"),
	       "(_+_ 1 2)");
	IS_STR(parsed("1 \x2f/"), "1");
	IS_STR(parsed("// \xe2\x82\xac 'a\n1"), "1");
	IS_STR(parsed("1 \x2f/ a\r+ 2\n+ 3"), "(_+_ 1 3)");
	HAS_STR(parsed("// 1"), "! 1:5: the expression ends where");
	HAS_STR(parsed("/* 1 */ 1"), "! 1:1: an expression is expected");
	HAS_STR(parsed("\v1"), "! 1:1: unexpected byte 0x0b");
	HAS_STR(parsed("\xc2\xa0 1"), "! 1:1: unexpected '\xc2\xa0'");
	HAS_STR(parsed("\xef\xbb\xbf 1"), "! 1:1: unexpected '");
}

static void check_reserved(const char *word)
{
	char text[64];

	HAS_STR(parsed(word), "is a reserved word");
	(void)snprintf(text, sizeof(text), "%s(1)", word);
	HAS_STR(parsed(text), "is a reserved word");
	(void)snprintf(text, sizeof(text), "a.%s", word);
	OK(parsed(text)[0] == '(');
	(void)snprintf(text, sizeof(text), "a.%s()", word);
	OK(parsed(text)[0] == '(');
	OK(!sfs_cel_is_identifier(word));
}

static void test_reserved_words(void)
{
	static const char *const words[] = {
		"as",        "break",  "const",  "continue", "else",  "for",
		"function",  "if",     "import", "let",      "loop",  "package",
		"namespace", "return", "var",    "void",     "while",
	};
	static const char *const keywords[] = { "true", "false", "null", "in" };
	char text[64];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		check_reserved(words[i]);
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		(void)snprintf(text, sizeof(text), "a.%s", keywords[i]);
		HAS_STR(parsed(text), "! 1:3: the name of a field");
		OK(!sfs_cel_is_identifier(keywords[i]));
	}
}

static void test_identifiers(void)
{
	OK(sfs_cel_is_identifier("a"));
	OK(sfs_cel_is_identifier("_"));
	OK(sfs_cel_is_identifier("Key_1"));
	OK(sfs_cel_is_identifier("input"));
	OK(!sfs_cel_is_identifier(""));
	OK(!sfs_cel_is_identifier("1a"));
	OK(!sfs_cel_is_identifier("a.b"));
	OK(!sfs_cel_is_identifier("a-b"));
	OK(!sfs_cel_is_identifier("\xc3\xa9"));
}

static void test_expected_is_said(void)
{
	HAS_STR(parsed(""), "! 1:1: the expression ends where an expression");
	HAS_STR(parsed("1 +"), "! 1:4: the expression ends where an expr");
	HAS_STR(parsed("1 2"), "! 1:3: an operator or the end is expected, "
	                       "not 2");
	HAS_STR(parsed("a b"), "! 1:3: an operator or the end is expected, "
	                       "not b");
	HAS_STR(parsed("(1"), "! 1:3: the expression ends where an operator "
	                      "or ')'");
	HAS_STR(parsed("1)"), "! 1:2: an operator or the end is expected, "
	                      "not )");
	HAS_STR(parsed("a ? b"), "! 1:6: the expression ends where an "
	                         "operator or ':'");
	HAS_STR(parsed("a ? b ? c : d : e"), "! 1:7: an operator or ':'");
	HAS_STR(parsed("a ++ b"), "! 1:4: an expression is expected");
	HAS_STR(parsed("!-a"), "! 1:2: an expression is expected");
	HAS_STR(parsed("-!a"), "! 1:2: an expression is expected");
	HAS_STR(parsed("rb'a'"), "! 1:3: an operator or the end");
	HAS_STR(parsed("'a' 'b'"), "! 1:5: an operator or the end");
	HAS_STR(parsed("a 'ssssssssssssssssssssssssssssssssssssssssss'"),
	        "not 'sssssssssssssssssssssssssssssss...");
}

static void test_faults_of_lists_and_members(void)
{
	HAS_STR(parsed("f(1 2)"), "! 1:5: ',' or ')' is expected, not 2");
	HAS_STR(parsed("f(1,)"), "! 1:5: an expression is expected, not )");
	HAS_STR(parsed("[1 2]"), "! 1:4: ',' or ']' is expected");
	HAS_STR(parsed("[1,,]"), "! 1:4: an expression is expected");
	HAS_STR(parsed("[,1]"), "! 1:3: ");
	HAS_STR(parsed("{1}"), "! 1:3: ':' and the value");
	HAS_STR(parsed("{1:2 3}"), "! 1:6: ',' or '}' is expected");
	HAS_STR(parsed("a[]"), "! 1:3: an expression is expected");
	HAS_STR(parsed("a[1,2]"), "! 1:4: ']' is expected");
	HAS_STR(parsed("a..b"), "! 1:3: the name of a field");
	HAS_STR(parsed("a.1"), "! 1:2: an operator or the end is expected");
	HAS_STR(parsed("a."), "! 1:3: the expression ends where the name");
	HAS_STR(parsed("`a`"), "! 1:1: an expression is expected");
	HAS_STR(parsed("a.``"), "! 1:4: a name in backquotes");
	HAS_STR(parsed("a.`b`()"), "! 1:6: an operator or the end");
	HAS_STR(parsed("a.`b\nc`"), "! 1:5: a name in backquotes");
	HAS_STR(parsed("A{}"), "! 1:2: protobuf messages are not supported");
	HAS_STR(parsed(".a.B{c: 1}"), "! 1:5: protobuf messages are not");
}

static void test_faults_of_words(void)
{
	HAS_STR(parsed("a = b"), "! 1:3: unexpected '='; equality is '=='");
	HAS_STR(parsed("a & b"), "! 1:3: unexpected '&'; and is '&&'");
	HAS_STR(parsed("a | b"), "! 1:3: unexpected '|'; or is '||'");
	HAS_STR(parsed("a\n + \xe2\x82\xac"),
	        "! 2:4: unexpected '\xe2\x82\xac'");
	HAS_STR(parsed("'\xe2\x82\xac' $"), "! 1:5: unexpected '$'");
	HAS_STR(parsed("0x"), "! 1:2: an operator or the end");
	HAS_STR(parsed("0X1"), "! 1:2: an operator or the end");
	HAS_STR(parsed("1.5.5"), "! 1:4: an operator or the end");
	HAS_STR(parsed("1e+"), "! 1:2: an operator or the end");
	HAS_STR(parsed("1.5u"), "! 1:4: an operator or the end");
	HAS_STR(parsed("@in(a, b)"), "! 1:1: unexpected '@'");
	HAS_STR(parsed("_+_(1, 2)"), "(_+_ _ (_ 1 2))");
	HAS_STR(parsed("\xff"), "! 1:1: the text is not UTF-8: byte 0xff");
	HAS_STR(parsed("'a\xed\xa0\x80'"), "! 1:3: the text is not UTF-8");
	HAS_STR(parsed_bytes("1\0", 2), "! 1:2: unexpected byte 0x00");
}

/* count times before, middle, count times behind. */
static const char *parsed_nest(const char *before, const char *middle,
                               const char *behind, size_t count)
{
	static char shown[160];
	struct sfs_buf b = SFS_BUF_INIT(SFS_CEL_TEXT_MAX_BYTES + 16);
	struct sfs_cel_tree tree;
	struct sfs_err err = { .msg = "fine" };
	enum sfs_rc rc;

	for (size_t i = 0; i < count; i++)
		sfs_buf_puts(&b, before);
	sfs_buf_puts(&b, middle);
	for (size_t i = 0; i < count; i++)
		sfs_buf_puts(&b, behind);
	OK(b.failed == SFS_OK);
	rc = sfs_cel_parse(b.data, b.len, &tree, &err);
	(void)snprintf(shown, sizeof(shown), "%s %.100s", sfs_rc_name(rc),
	               err.msg);
	sfs_cel_tree_release(&tree);
	sfs_buf_release(&b);
	return shown;
}

static void test_what_every_parser_must_accept(void)
{
	IS_STR(parsed_nest("a || ", "a", "", 31), "ok fine");
	IS_STR(parsed_nest("a && ", "a", "", 31), "ok fine");
	IS_STR(parsed_nest("a ? b : ", "a", "", 24), "ok fine");
	IS_STR(parsed_nest("a + ", "a", "", 24), "ok fine");
	IS_STR(parsed_nest("a == ", "a", "", 24), "ok fine");
	IS_STR(parsed_nest("f(", "a", ")", 12), "ok fine");
	IS_STR(parsed_nest("a[", "a", "]", 12), "ok fine");
	IS_STR(parsed_nest("[", "a", "]", 12), "ok fine");
	IS_STR(parsed_nest("{1:", "a", "}", 12), "ok fine");
	IS_STR(parsed_nest("", "a", ".b", 12), "ok fine");
	IS_STR(parsed_nest("", "a", "[0]", 12), "ok fine");
	IS_STR(parsed_nest("(", "a", ")", 32), "ok fine");
	IS_STR(parsed_nest("-", "a", "", 32), "ok fine");
	IS_STR(parsed_nest("!", "a", "", 32), "ok fine");
}

static void test_depth_has_a_limit(void)
{
	static const char *const nests[][3] = {
		{ "(", "a", ")" },   { "[", "a", "]" },
		{ "f(", "a", ")" },  { "a.f(", "a", ")" },
		{ "a[", "a", "]" },  { "", "a", "[0]" },
		{ "", "a", ".b" },   { "", "a", ".f()" },
		{ "{1:", "a", "}" }, { "{", "a", ":1}" },
		{ "-", "a", "" },    { "!", "a", "" },
		{ "a?b:", "a", "" }, { "a+", "a", "" },
		{ "a==", "a", "" },  { "a.all(x,", "a", ")" },
		{ "(a+", "a", ")" }, { "-(", "a", ")" },
	};

	for (size_t i = 0; i < sizeof(nests) / sizeof(nests[0]); i++) {
		IS_STR(parsed_nest(nests[i][0], nests[i][1], nests[i][2], 120),
		       "ok fine");
		HAS_STR(parsed_nest(nests[i][0], nests[i][1], nests[i][2], 250),
		        "nested deeper than 250 levels");
		HAS_STR(parsed_nest(nests[i][0], nests[i][1], nests[i][2],
		                    80000),
		        "too_big 1:");
	}
	IS_STR(parsed_nest("(", "a", ")", 249), "ok fine");
	IS_STR(parsed_nest("-", "a", "", 249), "ok fine");
}

static void test_wide_is_not_deep(void)
{
	IS_STR(parsed_nest("a||", "a", "", 300000), "ok fine");
	IS_STR(parsed_nest("a&&", "a", "", 300000), "ok fine");
	HAS_STR(parsed_nest("", "[a", ",a", 300000), "invalid 1:600003: the");
	HAS_STR(parsed_nest("\n", "[a", " ", 100000), "invalid 100001:100003:");
}

static void test_length_has_a_limit(void)
{
	IS_STR(parsed_nest(" ", "a", "", SFS_CEL_TEXT_MAX_BYTES - 1),
	       "ok fine");
	HAS_STR(parsed_nest(" ", "a", "", SFS_CEL_TEXT_MAX_BYTES),
	        "too_big an expression of 1048577 bytes is longer than "
	        "1048576");
}

static void test_no_memory(void)
{
	static const char text[] = "f([1, 2, {'a': b.c(d)}].all(x, -x < 1)) "
				   "&& a && b && c ? 'd' : e && h && i && j "
				   "&& [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, "
				   "12, 13, 14, 15, 16, 17, 18, 19, 20]";
	struct sfs_cel_tree tree;
	struct sfs_err err;
	unsigned long nth = 0;
	enum sfs_rc rc;

	do {
		sfs_alloc_fail_nth(++nth);
		rc = sfs_cel_parse(text, sizeof(text) - 1, &tree, &err);
		sfs_alloc_fail_nth(0);
		sfs_cel_tree_release(&tree);
	} while (rc == SFS_E_NO_MEMORY);
	IS_INT(rc, SFS_OK);
	OK(nth > 3);
}

/* The operator, the name of a function, the bracket: what a fault is about. */
static void test_offsets(void)
{
	static const char text[] = "f(a) + b[1].c(d)";
	struct sfs_cel_tree tree;
	const struct sfs_cel_node *n;

	IS_INT(sfs_cel_parse(text, sizeof(text) - 1, &tree, NULL), SFS_OK);
	n = tree.root;
	IS_INT(n->offset, 5);
	IS_INT(n->depth, 4);
	IS_INT(n->children[0]->offset, 0);
	IS_INT(n->children[1]->offset, 12);
	IS_INT(n->children[1]->children[0]->offset, 8);
	IS_INT(n->children[1]->children[1]->depth, 1);
	sfs_cel_tree_release(&tree);
}

static void test_pool_has_a_bound(void)
{
	struct sfs_cel_pool *p = sfs_cel_pool_new(1 << 20);
	char *a;

	OK(p != NULL);
	a = sfs_cel_pool_get(p, 3);
	OK(a != NULL && ((uintptr_t)a & 7) == 0);
	OK(sfs_cel_pool_get(p, 0) != NULL);
	OK(sfs_cel_pool_get(p, 1 << 19) != NULL);
	OK(!sfs_cel_pool_is_full(p));
	OK(sfs_cel_pool_get(p, 1 << 20) == NULL);
	OK(sfs_cel_pool_is_full(p));
	OK(sfs_cel_pool_get(p, SIZE_MAX) == NULL);
	OK(sfs_cel_pool_get(p, SIZE_MAX - 7) == NULL);
	sfs_cel_pool_reset(p);
	OK(!sfs_cel_pool_is_full(p));
	OK(sfs_cel_pool_get(p, 1 << 20) != NULL);
	sfs_cel_pool_free(p);
	sfs_cel_pool_free(NULL);
}

static void test_pool_keeps_a_block(void)
{
	struct sfs_cel_pool *p = sfs_cel_pool_new(1 << 20);
	const unsigned long faults = sfs_alloc_fault_count();

	OK(p != NULL);
	for (int i = 0; i < 1000; i++)
		OK(sfs_cel_pool_get(p, 16) != NULL);
	sfs_cel_pool_reset(p);
	sfs_alloc_fail_nth(1);
	for (int i = 0; i < 100; i++)
		OK(sfs_cel_pool_get(p, 16) != NULL);
	IS_INT(sfs_alloc_fault_count(), faults);
	OK(sfs_cel_pool_get(p, 1 << 19) == NULL);
	OK(!sfs_cel_pool_is_full(p));
	sfs_alloc_fail_nth(0);
	sfs_cel_pool_free(p);
}

int main(void)
{
	RUN(test_precedence);
	RUN(test_long_logic_is_balanced);
	RUN(test_members);
	RUN(test_containers);
	RUN(test_macros);
	RUN(test_other_numbers_of_arguments_are_calls);
	RUN(test_macros_refuse);
	RUN(test_integers);
	RUN(test_integers_that_do_not_fit);
	RUN(test_doubles);
	RUN(test_strings);
	RUN(test_escapes);
	RUN(test_escapes_refuse);
	RUN(test_strings_without_end);
	RUN(test_space_and_comments);
	RUN(test_reserved_words);
	RUN(test_identifiers);
	RUN(test_expected_is_said);
	RUN(test_faults_of_lists_and_members);
	RUN(test_faults_of_words);
	RUN(test_what_every_parser_must_accept);
	RUN(test_depth_has_a_limit);
	RUN(test_wide_is_not_deep);
	RUN(test_length_has_a_limit);
	RUN(test_no_memory);
	RUN(test_offsets);
	RUN(test_pool_has_a_bound);
	RUN(test_pool_keeps_a_block);
	return tap_done();
}
