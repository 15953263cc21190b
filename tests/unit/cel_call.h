/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_UNIT_CEL_CALL_H
#define SFS_TESTS_UNIT_CEL_CALL_H

/*
 * Calls rows of the table of functions as an evaluation does, without
 * expressions. Results live in one pool until it is reset.
 */
#include "cel/functions.h"
#include "unit/tap.h"

#include <inttypes.h>
#include <string.h>

static struct sfs_cel_pool *cel_pool;

static inline struct sfs_cel_value num(int64_t v)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_INT, .as.integer = v };
}

static inline struct sfs_cel_value unum(uint64_t v)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_UINT, .as.uinteger = v };
}

static inline struct sfs_cel_value real(double v)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_DOUBLE, .as.number = v };
}

static inline struct sfs_cel_value truth(bool v)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_BOOL, .as.boolean = v };
}

static inline struct sfs_cel_value null_value(void)
{
	return (struct sfs_cel_value){ .kind = SFS_CEL_NULL };
}

static inline struct sfs_cel_value text_of(enum sfs_cel_kind kind,
                                           const char *data, size_t len)
{
	return (struct sfs_cel_value){ .kind = kind, .as.text = { data, len } };
}

static inline struct sfs_cel_value str(const char *s)
{
	return text_of(SFS_CEL_STRING, s, strlen(s));
}

static inline struct sfs_cel_value raw(const char *s)
{
	return text_of(SFS_CEL_BYTES, s, strlen(s));
}

static inline bool takes(const struct sfs_cel_type *t,
                         const struct sfs_cel_value *v)
{
	return t->parameter > 0 || t->kind == SFS_CEL_DYN || t->kind == v->kind;
}

/* With the first row whose types fit; INVALID: there is none. */
static inline struct sfs_cel_value call_many(const char *name, unsigned argc,
                                             const struct sfs_cel_value *args)
{
	size_t count;
	const struct sfs_cel_overload *row = sfs_cel_overloads_named(
		(struct sfs_cel_text){ name, strlen(name) }, &count);

	for (; count > 0; count--, row++) {
		bool fits = row->argc == argc;

		for (unsigned i = 0; fits && i < argc; i++)
			fits = takes(row->args[i], &args[i]);
		if (fits)
			return row->run(args, cel_pool);
	}
	return (struct sfs_cel_value){ .kind = SFS_CEL_INVALID };
}

static inline struct sfs_cel_value call(const char *name,
                                        struct sfs_cel_value a)
{
	return call_many(name, 1, &a);
}

static inline struct sfs_cel_value
call2(const char *name, struct sfs_cel_value a, struct sfs_cel_value b)
{
	const struct sfs_cel_value args[] = { a, b };

	return call_many(name, 2, args);
}

/* The value, as text of this form: 1, 1u, 1.5, "a", b"a", true, error ... */
static inline const char *shown(struct sfs_cel_value v)
{
	static char buf[512];

	snprintf(buf, sizeof(buf), "kind %d", v.kind);
	if (v.kind == SFS_CEL_INT)
		snprintf(buf, sizeof(buf), "%" PRId64, v.as.integer);
	else if (v.kind == SFS_CEL_UINT)
		snprintf(buf, sizeof(buf), "%" PRIu64 "u", v.as.uinteger);
	else if (v.kind == SFS_CEL_DOUBLE)
		snprintf(buf, sizeof(buf), "%.15g", v.as.number);
	else if (v.kind == SFS_CEL_BOOL)
		snprintf(buf, sizeof(buf), v.as.boolean ? "true" : "false");
	else if (v.kind == SFS_CEL_STRING || v.kind == SFS_CEL_BYTES)
		snprintf(buf, sizeof(buf), "%s\"%.*s\"",
		         v.kind == SFS_CEL_BYTES ? "b" : "", (int)v.as.text.len,
		         v.as.text.data);
	else if (v.kind == SFS_CEL_ERROR)
		snprintf(buf, sizeof(buf), "error: %s", v.as.error);
	return buf;
}

#define IS_VALUE(v, want) IS_STR(shown(v), want)
#define IS_ERROR(v, part)                     \
	do {                                  \
		HAS_STR(shown(v), "error: "); \
		HAS_STR(shown(v), part);      \
	} while (0)

#endif
