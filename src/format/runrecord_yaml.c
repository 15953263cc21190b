/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings in YAML as PyYAML's emitter writes them, so that a run record has
 * the bytes that shardyfusion would have given it. The rules are those of
 * PyYAML's resolver.py (which plain texts mean something else than a string)
 * and emitter.py (analyze_scalar, choose_scalar_style, write_*), reduced to
 * one place: the value of a member of a mapping that is the whole document.
 */
#include "format/runrecord_yaml.h"

#include "base/keyname.h"

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WIDTH = 80, INDENT = 2 };

/* What YAML 1.1 takes for no string. */
static const char OTHER_TYPES[] =
	"^("
	"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|"
	"on|On|ON|off|Off|OFF|"
	"[-+]?[0-9][0-9_]*\\.[0-9_]*([eE][-+][0-9]+)?|"
	"\\.[0-9][0-9_]*([eE][-+][0-9]+)?|"
	"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\\.[0-9_]*|"
	"[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)|"
	"[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|"
	"[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+|"
	"<<|=|~|null|Null|NULL|"
	"[0-9]{4}-[0-9]{2}-[0-9]{2}|"
	"[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?([Tt]|[ \t]+)[0-9][0-9]?"
	":[0-9]{2}:[0-9]{2}(\\.[0-9]*)?"
	"([ \t]*(Z|[-+][0-9][0-9]?(:[0-9]{2})?))?"
	")$";

struct text {
	uint32_t points[SFS_RUN_YAML_MAX + 1]; /* 0 behind the last */
	size_t len;
};

struct writer {
	struct sfs_buf *out;
	const struct text *text;
	size_t column;
};

static void decode(const char *value, struct text *text)
{
	static const uint8_t lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const uint8_t *p = (const uint8_t *)value;
	size_t left = strlen(value);
	uint32_t point;
	size_t n;

	text->len = 0;
	for (; left > 0 && text->len < SFS_RUN_YAML_MAX; p += n, left -= n) {
		n = p[0] < 0x80 ? 1 : sfs_utf8_sequence(p, left);
		point = n > 0 ? p[0] & lead[n] : 0xfffd;
		for (size_t i = 1; i < n; i++)
			point = point << 6 | (p[i] & 0x3f);
		n = n > 0 ? n : 1;
		text->points[text->len++] = point;
	}
	text->points[text->len] = 0;
}

static enum sfs_rc is_other_type(const char *value, bool *answer,
                                 struct sfs_err *err)
{
	regex_t regex;

	*answer = true;
	if (value[0] == '\0')
		return SFS_OK; /* null */
	if (regcomp(&regex, OTHER_TYPES, REG_EXTENDED | REG_NOSUB) != 0)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "run record: out of memory");
	*answer = regexec(&regex, value, 0, NULL, 0) == 0;
	regfree(&regex);
	return SFS_OK;
}

static bool is_break(uint32_t c)
{
	return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* The end of the text too, since it ends in 0. */
static bool is_space_or_end(uint32_t c)
{
	return c == 0 || c == ' ' || c == '\t' || c == '\r' || is_break(c);
}

static bool is_one_of(uint32_t c, const char *set)
{
	return c > 0 && c < 0x80 && strchr(set, (int)c) != NULL;
}

static bool is_printable(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* An indicator at i would not be read back as text. */
static bool is_indicator(const struct text *t, size_t i)
{
	uint32_t c = t->points[i];
	bool is_followed = is_space_or_end(t->points[i + 1]);

	if (i == 0)
		return is_one_of(c, "#,[]{}&*!|>'\"%@`") ||
		       (is_one_of(c, "?:-") && is_followed);
	return (c == ':' && is_followed) ||
	       (c == '#' && is_space_or_end(t->points[i - 1]));
}

static bool begins_with(const struct text *t, uint32_t c)
{
	return t->points[0] == c && t->points[1] == c && t->points[2] == c;
}

struct form {
	bool plain;
	bool single_quoted;
};

static struct form analyze(const struct text *t)
{
	const uint32_t *p = t->points;
	struct form form = { true, true };
	size_t last = t->len - 1;

	if (t->len == 0)
		return form;
	if (t->len >= 3 && (begins_with(t, '-') || begins_with(t, '.')))
		form.plain = false;
	if (p[0] == ' ' || is_break(p[0]) || p[last] == ' ' ||
	    is_break(p[last]))
		form.plain = false;
	for (size_t i = 0; i < t->len; i++) {
		bool is_special = p[i] != '\n' && !is_printable(p[i]);
		bool is_folded =
			i > 0 && ((is_break(p[i - 1]) && p[i] == ' ') ||
		                  (p[i - 1] == ' ' && is_break(p[i])));

		if (is_special || is_folded)
			form.single_quoted = false;
		if (is_special || is_folded || is_break(p[i]) ||
		    is_indicator(t, i))
			form.plain = false;
	}
	return form;
}

/* All that is written as it stands is ASCII. */
static void put(struct writer *w, size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		sfs_buf_putc(w->out, (char)w->text->points[i]);
	w->column += end > start ? end - start : 0;
}

static void puts_at(struct writer *w, const char *s)
{
	sfs_buf_puts(w->out, s);
	w->column += strlen(s);
}

static void new_line(struct writer *w)
{
	sfs_buf_puts(w->out, "\n  ");
	w->column = INDENT;
}

/* Words, as they stand; a single space may become the end of a line. */
static void write_plain(struct writer *w)
{
	const struct text *t = w->text;
	size_t end;

	for (size_t start = 0; start < t->len; start = end) {
		bool is_space = t->points[start] == ' ';

		end = start;
		while (end < t->len && (t->points[end] == ' ') == is_space)
			end++;
		if (is_space && end == start + 1 && w->column > WIDTH)
			new_line(w);
		else
			put(w, start, end);
	}
}

static void write_breaks(struct writer *w, size_t count)
{
	sfs_buf_putc(w->out, '\n'); /* a single one reads as a space */
	for (size_t i = 0; i < count; i++)
		sfs_buf_putc(w->out, '\n');
	sfs_buf_puts(w->out, "  ");
	w->column = INDENT;
}

enum run { WORD, SPACES, BREAKS, QUOTE };

static enum run run_of(uint32_t c)
{
	if (c == ' ')
		return SPACES;
	if (c == '\'')
		return QUOTE;
	return is_break(c) ? BREAKS : WORD;
}

static void write_single_quoted(struct writer *w)
{
	const struct text *t = w->text;
	size_t end;

	puts_at(w, "'");
	for (size_t start = 0; start < t->len; start = end) {
		enum run run = run_of(t->points[start]);

		for (end = start + 1; end < t->len; end++) {
			if (run == QUOTE || run_of(t->points[end]) != run)
				break;
		}
		if (run == QUOTE)
			puts_at(w, "''");
		else if (run == BREAKS)
			write_breaks(w, end - start);
		else if (run == SPACES && end == start + 1 &&
		         w->column > WIDTH && start != 0 && end != t->len)
			new_line(w);
		else
			put(w, start, end);
	}
	puts_at(w, "'");
}

static char short_escape(uint32_t c)
{
	static const char letters[] = "0abtnvfre\"\\N_LP";
	static const uint32_t points[] = { 0,    0x07, 0x08, 0x09,   0x0a,
		                           0x0b, 0x0c, 0x0d, 0x1b,   '"',
		                           '\\', 0x85, 0xa0, 0x2028, 0x2029 };

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		if (points[i] == c)
			return letters[i];
	}
	return '\0';
}

static void put_escape(struct writer *w, uint32_t c)
{
	size_t before = w->out->len;
	char letter = short_escape(c);

	if (letter != '\0')
		sfs_buf_printf(w->out, "\\%c", letter);
	else if (c <= 0xff)
		sfs_buf_printf(w->out, "\\x%02X", (unsigned)c);
	else if (c <= 0xffff)
		sfs_buf_printf(w->out, "\\u%04X", (unsigned)c);
	else
		sfs_buf_printf(w->out, "\\U%08X", (unsigned)c);
	w->column += w->out->len - before;
}

/* A line ends before a space or behind an escape, with a backslash. */
static bool is_fold(const struct writer *w, size_t start, size_t end)
{
	if (end == 0 || end + 1 >= w->text->len)
		return false;
	if (w->text->points[end] != ' ' && start < end)
		return false;
	return w->column + end > WIDTH + start;
}

/* As in the emitter: [start, end) is what still has to be written. */
static void write_double_quoted(struct writer *w)
{
	const struct text *t = w->text;
	size_t start = 0;

	puts_at(w, "\"");
	for (size_t end = 0; end <= t->len; end++) {
		uint32_t c = t->points[end];
		bool is_end = end == t->len;

		if (is_end || is_one_of(c, "\"\\") || !is_printable(c)) {
			put(w, start, end);
			start = end;
			if (!is_end) {
				put_escape(w, c);
				start = end + 1;
			}
		}
		if (!is_fold(w, start, end))
			continue;
		if (start < end) {
			put(w, start, end);
			start = end;
		}
		puts_at(w, "\\");
		new_line(w);
		if (t->points[start] == ' ')
			puts_at(w, "\\");
	}
	puts_at(w, "\"");
}

enum sfs_rc sfs_run_yaml_member(struct sfs_buf *out, const char *key,
                                const char *value, struct sfs_err *err)
{
	struct writer w = { .out = out };
	struct form form;
	bool is_other;
	struct text text;
	enum sfs_rc rc;

	rc = is_other_type(value, &is_other, err);
	if (rc != SFS_OK)
		return rc;
	decode(value, &text);
	form = analyze(&text);
	w.text = &text;
	puts_at(&w, key);
	puts_at(&w, ": ");
	if (form.plain && !is_other)
		write_plain(&w);
	else if (form.single_quoted)
		write_single_quoted(&w);
	else
		write_double_quoted(&w);
	sfs_buf_putc(out, '\n');
	return SFS_OK;
}
