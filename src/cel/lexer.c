/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds where words begin and end (cel-spec, doc/langdef.md, "Syntax"). The
 * longest word wins: "<=" is one, "1.e" is a number, a dot and a name. What
 * escapes in a string mean is no matter here, but that a quote behind a
 * backslash does not end it is.
 */
#include "cel/lexer.h"

#include "base/hex.h"
#include "base/keyname.h"
#include "cel/ast.h"

#include <string.h>

static char at(const struct sfs_cel_lexer *l, size_t pos)
{
	return pos < l->source.len ? l->source.data[pos] : '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_begin(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_byte(char c)
{
	return is_name_begin(c) || is_digit(c);
}

static void skip_comment(struct sfs_cel_lexer *l)
{
	while (l->pos < l->source.len && l->source.data[l->pos] != '\n')
		l->pos++;
}

static void skip_space(struct sfs_cel_lexer *l)
{
	for (; l->pos < l->source.len; l->pos++) {
		switch (l->source.data[l->pos]) {
		case ' ':
		case '\t':
		case '\n':
		case '\f':
		case '\r':
			break;
		case '/':
			if (at(l, (size_t)l->pos + 1) != '/')
				return;
			skip_comment(l);
			break;
		default:
			return;
		}
	}
	l->pos = (uint32_t)l->source.len;
}

static bool text_is(struct sfs_cel_text text, struct sfs_cel_text word)
{
	return text.len == word.len &&
	       memcmp(text.data, word.data, text.len) == 0;
}

/* clang-format off */
#define WORD(text) { text, sizeof(text) - 1 }
/* clang-format on */

bool sfs_cel_is_reserved(struct sfs_cel_text name)
{
	static const struct sfs_cel_text words[] = {
		WORD("as"),        WORD("break"),  WORD("const"),
		WORD("continue"),  WORD("else"),   WORD("for"),
		WORD("function"),  WORD("if"),     WORD("import"),
		WORD("let"),       WORD("loop"),   WORD("package"),
		WORD("namespace"), WORD("return"), WORD("var"),
		WORD("void"),      WORD("while"),
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (text_is(name, words[i]))
			return true;
	}
	return false;
}

static enum sfs_cel_token_kind kind_of_name(struct sfs_cel_text name)
{
	static const struct {
		struct sfs_cel_text word;
		enum sfs_cel_token_kind kind;
	} keywords[] = {
		{ WORD("true"), SFS_CEL_TOKEN_TRUE },
		{ WORD("false"), SFS_CEL_TOKEN_FALSE },
		{ WORD("null"), SFS_CEL_TOKEN_NULL },
		{ WORD("in"), SFS_CEL_TOKEN_IN },
	};

	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (text_is(name, keywords[i].word))
			return keywords[i].kind;
	}
	return SFS_CEL_TOKEN_NAME;
}

bool sfs_cel_is_identifier(const char *name)
{
	const struct sfs_cel_text text = { name, strlen(name) };

	if (!is_name_begin(name[0]))
		return false;
	for (size_t i = 1; i < text.len; i++) {
		if (!is_name_byte(name[i]))
			return false;
	}
	return kind_of_name(text) == SFS_CEL_TOKEN_NAME &&
	       !sfs_cel_is_reserved(text);
}

/* The word reaches to end; its text as well. */
static void finish(struct sfs_cel_lexer *l, size_t end,
                   struct sfs_cel_token *out)
{
	out->len = (uint32_t)end - out->offset;
	out->text.data = l->source.data + out->offset;
	out->text.len = out->len;
	l->pos = (uint32_t)end;
}

static size_t skip_digits(const struct sfs_cel_lexer *l, size_t pos)
{
	while (is_digit(at(l, pos)))
		pos++;
	return pos;
}

/* Behind the exponent, or where none is. */
static size_t skip_exponent(const struct sfs_cel_lexer *l, size_t pos)
{
	size_t digits = pos + 1;

	if (at(l, pos) != 'e' && at(l, pos) != 'E')
		return pos;
	if (at(l, digits) == '+' || at(l, digits) == '-')
		digits++;
	return is_digit(at(l, digits)) ? skip_digits(l, digits) : pos;
}

static void finish_integer(struct sfs_cel_lexer *l, size_t end,
                           struct sfs_cel_token *out)
{
	out->kind = SFS_CEL_TOKEN_INT;
	if (at(l, end) == 'u' || at(l, end) == 'U') {
		out->kind = SFS_CEL_TOKEN_UINT;
		end++;
	}
	finish(l, end, out);
}

static void take_number(struct sfs_cel_lexer *l, struct sfs_cel_token *out)
{
	size_t end = l->pos;
	size_t fraction;

	if (at(l, end) == '0' && at(l, end + 1) == 'x' &&
	    sfs_hex_value(at(l, end + 2)) >= 0) {
		end += 2;
		while (sfs_hex_value(at(l, end)) >= 0)
			end++;
		finish_integer(l, end, out);
		return;
	}
	end = skip_digits(l, end);
	fraction = end;
	if (at(l, end) == '.' && is_digit(at(l, end + 1)))
		fraction = skip_digits(l, end + 1);
	fraction = skip_exponent(l, fraction);
	if (fraction == end) {
		finish_integer(l, end, out);
		return;
	}
	out->kind = SFS_CEL_TOKEN_DOUBLE;
	finish(l, fraction, out);
}

/* How many quotes begin the string at pos: 1, or 3. */
static size_t quote_len(const struct sfs_cel_lexer *l, size_t pos)
{
	const char quote = at(l, pos);

	return at(l, pos + 1) == quote && at(l, pos + 2) == quote ? 3 : 1;
}

/* Whether the quotes that began the string stand at pos. */
static bool is_end(const struct sfs_cel_lexer *l, size_t pos, char quote,
                   size_t quotes)
{
	if (quotes > l->source.len - pos)
		return false;
	for (size_t i = 0; i < quotes; i++) {
		if (l->source.data[pos + i] != quote)
			return false;
	}
	return true;
}

static enum sfs_rc fail_endless(const struct sfs_cel_lexer *l, size_t pos,
                                uint32_t begin, struct sfs_err *err)
{
	if (pos < l->source.len)
		return sfs_cel_refuse(l->source, begin, err,
		                      "the line ends before this string does; "
		                      "write \\n, or quote it three times");
	return sfs_cel_refuse(l->source, begin, err, "this string has no end");
}

/* pos is at the first quote. */
static enum sfs_rc take_string(struct sfs_cel_lexer *l, size_t pos,
                               struct sfs_cel_token *out, struct sfs_err *err)
{
	const size_t quotes = quote_len(l, pos);
	const char quote = at(l, pos);
	const size_t begin = pos + quotes;
	char c;

	for (pos = begin; !is_end(l, pos, quote, quotes); pos++) {
		c = at(l, pos);
		if (c == '\\' && !out->is_raw)
			c = at(l, ++pos);
		if (pos >= l->source.len ||
		    (quotes == 1 && (c == '\n' || c == '\r')))
			return fail_endless(l, pos, out->offset, err);
	}
	finish(l, pos + quotes, out);
	out->text.data = l->source.data + begin;
	out->text.len = pos - begin;
	return SFS_OK;
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* A name, or the prefix of a string. */
static enum sfs_rc take_name(struct sfs_cel_lexer *l, struct sfs_cel_token *out,
                             struct sfs_err *err)
{
	size_t end = l->pos;
	bool is_bytes;

	is_bytes = at(l, end) == 'b' || at(l, end) == 'B';
	if (is_bytes)
		end++;
	out->is_raw = at(l, end) == 'r' || at(l, end) == 'R';
	if (out->is_raw)
		end++;
	if (is_quote(at(l, end))) {
		out->kind =
			is_bytes ? SFS_CEL_TOKEN_BYTES : SFS_CEL_TOKEN_STRING;
		return take_string(l, end, out, err);
	}
	while (is_name_byte(at(l, end)))
		end++;
	finish(l, end, out);
	out->kind = kind_of_name(out->text);
	return SFS_OK;
}

static bool is_quoted_byte(char c)
{
	return is_name_byte(c) || c == '.' || c == '-' || c == '/' || c == ' ';
}

static enum sfs_rc take_quoted(struct sfs_cel_lexer *l,
                               struct sfs_cel_token *out, struct sfs_err *err)
{
	const size_t begin = (size_t)l->pos + 1;
	size_t end = begin;

	while (is_quoted_byte(at(l, end)))
		end++;
	if (at(l, end) != '`' || end == begin)
		return sfs_cel_refuse(l->source, (uint32_t)end, err,
		                      "a name in backquotes holds letters, "
		                      "digits, '_', '.', '-', '/' and spaces");
	out->kind = SFS_CEL_TOKEN_QUOTED;
	finish(l, end + 1, out);
	out->text.data = l->source.data + begin;
	out->text.len = end - begin;
	return SFS_OK;
}

static const enum sfs_cel_token_kind single_operators[128] = {
	['<'] = SFS_CEL_TOKEN_LESS,          ['>'] = SFS_CEL_TOKEN_GREATER,
	['+'] = SFS_CEL_TOKEN_PLUS,          ['-'] = SFS_CEL_TOKEN_MINUS,
	['*'] = SFS_CEL_TOKEN_STAR,          ['/'] = SFS_CEL_TOKEN_SLASH,
	['%'] = SFS_CEL_TOKEN_PERCENT,       ['!'] = SFS_CEL_TOKEN_NOT,
	['?'] = SFS_CEL_TOKEN_QUESTION,      [':'] = SFS_CEL_TOKEN_COLON,
	['.'] = SFS_CEL_TOKEN_DOT,           [','] = SFS_CEL_TOKEN_COMMA,
	['('] = SFS_CEL_TOKEN_PAREN_BEGIN,   [')'] = SFS_CEL_TOKEN_PAREN_END,
	['['] = SFS_CEL_TOKEN_BRACKET_BEGIN, [']'] = SFS_CEL_TOKEN_BRACKET_END,
	['{'] = SFS_CEL_TOKEN_BRACE_BEGIN,   ['}'] = SFS_CEL_TOKEN_BRACE_END,
};

/* The operator of two characters; END: they are none. */
static enum sfs_cel_token_kind double_operator(char first, char second)
{
	if (second == '|' && first == '|')
		return SFS_CEL_TOKEN_OR;
	if (second == '&' && first == '&')
		return SFS_CEL_TOKEN_AND;
	if (second != '=')
		return SFS_CEL_TOKEN_END;
	if (first == '=')
		return SFS_CEL_TOKEN_EQUAL;
	if (first == '!')
		return SFS_CEL_TOKEN_UNEQUAL;
	if (first == '<')
		return SFS_CEL_TOKEN_LESS_EQUAL;
	return first == '>' ? SFS_CEL_TOKEN_GREATER_EQUAL : SFS_CEL_TOKEN_END;
}

static enum sfs_rc fail_character(const struct sfs_cel_lexer *l,
                                  struct sfs_err *err)
{
	const uint8_t *p = (const uint8_t *)l->source.data + l->pos;
	const char *remedy = "";

	if (*p < ' ' || *p == 0x7f)
		return sfs_cel_refuse(l->source, l->pos, err,
		                      "unexpected byte 0x%02x", *p);
	if (*p == '=')
		remedy = "; equality is '=='";
	else if (*p == '&')
		remedy = "; and is '&&'";
	else if (*p == '|')
		remedy = "; or is '||'";
	return sfs_cel_refuse(l->source, l->pos, err, "unexpected '%.*s'%s",
	                      (int)sfs_utf8_sequence(p, l->source.len - l->pos),
	                      (const char *)p, remedy);
}

static enum sfs_rc take_operator(struct sfs_cel_lexer *l,
                                 struct sfs_cel_token *out, struct sfs_err *err)
{
	const unsigned char first = (unsigned char)l->source.data[l->pos];
	size_t end = (size_t)l->pos + 2;

	out->kind = double_operator((char)first, at(l, (size_t)l->pos + 1));
	if (out->kind == SFS_CEL_TOKEN_END && first < 128) {
		out->kind = single_operators[first];
		end--;
	}
	if (out->kind == SFS_CEL_TOKEN_END)
		return fail_character(l, err);
	finish(l, end, out);
	return SFS_OK;
}

enum sfs_rc sfs_cel_lexer_next(struct sfs_cel_lexer *lexer,
                               struct sfs_cel_token *out, struct sfs_err *err)
{
	char c;

	skip_space(lexer);
	memset(out, 0, sizeof(*out));
	out->offset = lexer->pos;
	if (lexer->pos == lexer->source.len)
		return SFS_OK;
	c = at(lexer, lexer->pos);
	if (is_digit(c) ||
	    (c == '.' && is_digit(at(lexer, (size_t)lexer->pos + 1)))) {
		take_number(lexer, out);
		return SFS_OK;
	}
	if (is_name_begin(c))
		return take_name(lexer, out, err);
	if (c == '`')
		return take_quoted(lexer, out, err);
	if (is_quote(c)) {
		out->kind = SFS_CEL_TOKEN_STRING;
		return take_string(lexer, lexer->pos, out, err);
	}
	return take_operator(lexer, out, err);
}
