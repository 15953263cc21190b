/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types as values and as text. The simple ones are static; lists and maps of
 * something are made in a pool, and live as long as the program that has them.
 */
#include "cel/functions_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NESTED_MAX = 32 }; /* list(list(... in a type's text */

#define TYPE_DYN &SFS_CEL_TYPES[SFS_CEL_DYN]

const struct sfs_cel_type SFS_CEL_TYPES[SFS_CEL_ERROR + 1] = {
	[SFS_CEL_INVALID] = { SFS_CEL_INVALID, { NULL, NULL }, 0 },
	[SFS_CEL_NULL] = { SFS_CEL_NULL, { NULL, NULL }, 0 },
	[SFS_CEL_BOOL] = { SFS_CEL_BOOL, { NULL, NULL }, 0 },
	[SFS_CEL_INT] = { SFS_CEL_INT, { NULL, NULL }, 0 },
	[SFS_CEL_UINT] = { SFS_CEL_UINT, { NULL, NULL }, 0 },
	[SFS_CEL_DOUBLE] = { SFS_CEL_DOUBLE, { NULL, NULL }, 0 },
	[SFS_CEL_STRING] = { SFS_CEL_STRING, { NULL, NULL }, 0 },
	[SFS_CEL_BYTES] = { SFS_CEL_BYTES, { NULL, NULL }, 0 },
	[SFS_CEL_LIST] = { SFS_CEL_LIST, { TYPE_DYN, NULL }, 0 },
	[SFS_CEL_MAP] = { SFS_CEL_MAP, { TYPE_DYN, TYPE_DYN }, 0 },
	[SFS_CEL_TYPE] = { SFS_CEL_TYPE, { NULL, NULL }, 0 },
	[SFS_CEL_TIMESTAMP] = { SFS_CEL_TIMESTAMP, { NULL, NULL }, 0 },
	[SFS_CEL_DURATION] = { SFS_CEL_DURATION, { NULL, NULL }, 0 },
	[SFS_CEL_DYN] = { SFS_CEL_DYN, { NULL, NULL }, 0 },
	[SFS_CEL_ERROR] = { SFS_CEL_ERROR, { NULL, NULL }, 0 },
};

/* As texts of types name them; the first name of a kind is printed. */
static const struct name {
	const char *text;
	enum sfs_cel_kind kind;
} NAMES[] = {
	{ "null", SFS_CEL_NULL },
	{ "null_type", SFS_CEL_NULL },
	{ "bool", SFS_CEL_BOOL },
	{ "int", SFS_CEL_INT },
	{ "uint", SFS_CEL_UINT },
	{ "double", SFS_CEL_DOUBLE },
	{ "string", SFS_CEL_STRING },
	{ "bytes", SFS_CEL_BYTES },
	{ "list", SFS_CEL_LIST },
	{ "map", SFS_CEL_MAP },
	{ "type", SFS_CEL_TYPE },
	{ "timestamp", SFS_CEL_TIMESTAMP },
	{ "google.protobuf.Timestamp", SFS_CEL_TIMESTAMP },
	{ "duration", SFS_CEL_DURATION },
	{ "google.protobuf.Duration", SFS_CEL_DURATION },
	{ "dyn", SFS_CEL_DYN },
};

enum { NAMES_COUNT = sizeof(NAMES) / sizeof(NAMES[0]) };

const struct sfs_cel_type *sfs_cel_type_of_kind(enum sfs_cel_kind kind)
{
	return &SFS_CEL_TYPES[kind];
}

bool sfs_cel_type_equal(const struct sfs_cel_type *a,
                        const struct sfs_cel_type *b)
{
	if (a == b)
		return true;
	if (a == NULL || b == NULL || a->kind != b->kind ||
	    a->parameter != b->parameter)
		return false;
	return sfs_cel_type_equal(a->of[0], b->of[0]) &&
	       sfs_cel_type_equal(a->of[1], b->of[1]);
}

/* What does not fit any more is left out. */
struct line {
	char *text; /* SFS_CEL_TYPE_TEXT_BYTES */
	size_t len;
};

static void add(struct line *l, const char *text)
{
	size_t len = strlen(text);
	size_t room = SFS_CEL_TYPE_TEXT_BYTES - 1 - l->len;

	if (len > room)
		len = room;
	memcpy(l->text + l->len, text, len);
	l->len += len;
	l->text[l->len] = '\0';
}

static bool is_full(const struct line *l)
{
	return l->len == SFS_CEL_TYPE_TEXT_BYTES - 1;
}

static const char *name_of(enum sfs_cel_kind kind)
{
	for (size_t i = 0; i < NAMES_COUNT; i++) {
		if (NAMES[i].kind == kind)
			return NAMES[i].text;
	}
	return kind == SFS_CEL_ERROR ? "error" : "nothing";
}

static void print(struct line *l, const struct sfs_cel_type *t)
{
	static const char *const parameters[] = { "", "A", "B" };

	if (t->parameter > 0) {
		add(l, t->parameter <= 2 ? parameters[t->parameter] : "?");
		return;
	}
	add(l, name_of(t->kind));
	if (t->of[0] == NULL || is_full(l))
		return;
	add(l, "(");
	print(l, t->of[0]);
	if (t->of[1] != NULL && !is_full(l)) {
		add(l, ", ");
		print(l, t->of[1]);
	}
	add(l, ")");
}

void sfs_cel_type_print(const struct sfs_cel_type *t,
                        char out[SFS_CEL_TYPE_TEXT_BYTES])
{
	struct line l = { out, 0 };

	out[0] = '\0';
	print(&l, t);
	if (is_full(&l))
		memcpy(out + SFS_CEL_TYPE_TEXT_BYTES - 4, "...", 4);
}

static void skip_space(const char **p)
{
	while (**p == ' ')
		(*p)++;
}

/* Whether c comes next; it is then taken. */
static bool take(const char **p, char c)
{
	skip_space(p);
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static enum sfs_cel_kind take_name(const char **p)
{
	size_t len;

	skip_space(p);
	len = strspn(*p, "abcdefghijklmnopqrstuvwxyz._TD");
	for (size_t i = 0; i < NAMES_COUNT; i++) {
		if (strlen(NAMES[i].text) == len &&
		    memcmp(NAMES[i].text, *p, len) == 0) {
			*p += len;
			return NAMES[i].kind;
		}
	}
	return SFS_CEL_INVALID;
}

static bool is_key(const struct sfs_cel_type *t)
{
	return t->kind == SFS_CEL_BOOL || t->kind == SFS_CEL_INT ||
	       t->kind == SFS_CEL_UINT || t->kind == SFS_CEL_STRING ||
	       t->kind == SFS_CEL_DYN;
}

static const struct sfs_cel_type *parse(struct sfs_cel_pool *pool,
                                        const char **p, unsigned depth)
{
	enum sfs_cel_kind kind = take_name(p);
	struct sfs_cel_type t = SFS_CEL_TYPES[kind];
	struct sfs_cel_type *made;

	if (kind == SFS_CEL_INVALID || depth > NESTED_MAX)
		return NULL;
	if ((kind != SFS_CEL_LIST && kind != SFS_CEL_MAP) || !take(p, '('))
		return &SFS_CEL_TYPES[kind];
	t.of[0] = parse(pool, p, depth + 1);
	if (t.of[0] == NULL)
		return NULL;
	if (kind == SFS_CEL_MAP) {
		if (!is_key(t.of[0]) || !take(p, ','))
			return NULL;
		t.of[1] = parse(pool, p, depth + 1);
		if (t.of[1] == NULL)
			return NULL;
	}
	made = take(p, ')') ? sfs_cel_pool_get(pool, sizeof(*made)) : NULL;
	if (made != NULL)
		*made = t;
	return made;
}

const struct sfs_cel_type *sfs_cel_type_parse(struct sfs_cel_pool *pool,
                                              const char *text)
{
	const struct sfs_cel_type *t = parse(pool, &text, 0);

	skip_space(&text);
	return *text == '\0' ? t : NULL;
}
