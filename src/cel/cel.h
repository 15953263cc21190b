/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_CEL_H
#define SFS_CEL_CEL_H

#include "base/buf.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * CEL, the Common Expression Language (cel-spec, doc/langdef.md; where its
 * conformance tests say something else, they are right), with shardyfusion's
 * shard_hash(). No protobuf messages, no namespaces.
 *
 * An expression is parsed, checked and compiled once, into an immutable
 * program that any number of threads evaluate. Everything is bounded, so that
 * expressions and data may be hostile.
 */
enum {
	SFS_CEL_TEXT_MAX_BYTES = 1 << 20,
	SFS_CEL_DEPTH_MAX = 250,             /* of nesting, in the source */
	SFS_CEL_STEPS_MAX = 1000000,         /* of one evaluation */
	SFS_CEL_MEMORY_MAX_BYTES = 16 << 20, /* made by one evaluation */
	SFS_CEL_TYPE_TEXT_BYTES = 128,
};

enum sfs_cel_kind {
	SFS_CEL_INVALID = 0,
	SFS_CEL_NULL,
	SFS_CEL_BOOL,
	SFS_CEL_INT,
	SFS_CEL_UINT,
	SFS_CEL_DOUBLE,
	SFS_CEL_STRING,
	SFS_CEL_BYTES,
	SFS_CEL_LIST,
	SFS_CEL_MAP,
	SFS_CEL_TYPE,
	SFS_CEL_TIMESTAMP,
	SFS_CEL_DURATION,
	SFS_CEL_DYN,   /* of types only: known at run time */
	SFS_CEL_ERROR, /* within an evaluation only */
};

struct sfs_cel_text {
	const char *data; /* counted: NUL is a byte like others */
	size_t len;
};

/* Seconds and nanoseconds (0 to 999999999; for a duration, of its sign). */
struct sfs_cel_time {
	int64_t seconds;
	int32_t nanos;
};

/* What a value points to is borrowed: see sfs_cel_eval(). */
struct sfs_cel_value {
	enum sfs_cel_kind kind;
	union {
		bool boolean;
		int64_t integer;
		uint64_t uinteger;
		double number;
		struct sfs_cel_text text; /* STRING: valid UTF-8; BYTES */
		const struct sfs_cel_list *list;
		const struct sfs_cel_map *map;
		const struct sfs_cel_type *type; /* TYPE */
		struct sfs_cel_time time;        /* TIMESTAMP, DURATION */
		const char *error;               /* ERROR */
	} as;
};

struct sfs_cel_list {
	const struct sfs_cel_value *items;
	size_t count;
};

/* Keys are bool, int, uint or string, and differ. */
struct sfs_cel_map {
	const struct sfs_cel_value *pairs; /* key, value, key, value ... */
	size_t count;                      /* of pairs */
};

/*
 * A declared variable: its type as text, "int", "list(int)". Borrowed. Names
 * may have dots; true, false and null can be declared, but mean the literals.
 */
struct sfs_cel_variable {
	const char *name;
	const char *type;
};

struct sfs_cel_env {
	const struct sfs_cel_variable *variables;
	size_t count;
	/*
	 * Without the type checker: names and overloads are looked for at run
	 * time. For conformance tests.
	 */
	bool is_unchecked;
};

struct sfs_cel_program;

/*
 * INVALID: the text is no expression, or its types do not fit, or a variable
 * has no proper name or type: "LINE:COLUMN: what was expected" (both from 1,
 * columns in code points). UNSUPPORTED: it needs what was not configured
 * (matches). TOO_BIG: a limit. NO_MEMORY.
 */
enum sfs_rc sfs_cel_compile(const char *text, size_t len,
                            const struct sfs_cel_env *env,
                            struct sfs_cel_program **out,
                            struct sfs_err *err) SFS_NODISCARD;
void sfs_cel_program_free(struct sfs_cel_program *p); /* NULL is fine */

/* The checker's type of the result; DYN if it is known at run time only. */
enum sfs_cel_kind sfs_cel_result_kind(const struct sfs_cel_program *p);
void sfs_cel_result_type(const struct sfs_cel_program *p,
                         char out[SFS_CEL_TYPE_TEXT_BYTES]);

/* Whether the expression mentions the variable of that index. */
bool sfs_cel_uses(const struct sfs_cel_program *p, size_t variable);

/* The memory of one thread's evaluations, used again and again. */
struct sfs_cel_scratch;
struct sfs_cel_scratch *sfs_cel_scratch_new(void) SFS_NODISCARD;
void sfs_cel_scratch_free(struct sfs_cel_scratch *s); /* NULL is fine */

/*
 * Evaluates with the values of the env's variables, in its order; one that is
 * SFS_CEL_INVALID is not bound, and an error if it is needed. INVALID: the
 * run-time error, "LINE:COLUMN: division by zero". TOO_BIG: more steps or
 * memory than the limits; NO_MEMORY. *out lives until the next
 * evaluation with this scratch, and as long as the program and the variables.
 */
enum sfs_rc sfs_cel_eval(const struct sfs_cel_program *p,
                         const struct sfs_cel_value *variables,
                         struct sfs_cel_scratch *scratch,
                         struct sfs_cel_value *out,
                         struct sfs_err *err) SFS_NODISCARD;

/* "int", "map(string, int)" as CEL writes types. */
const char *sfs_cel_kind_name(enum sfs_cel_kind kind);

/* A value as CEL text that evaluates to it: 3u, b"a\x00", {"a": 1}. */
void sfs_cel_value_print(const struct sfs_cel_value *v, struct sfs_buf *out);

/* CEL's ==, at any types. */
bool sfs_cel_value_equal(const struct sfs_cel_value *a,
                         const struct sfs_cel_value *b);

#endif
