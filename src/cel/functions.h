/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_FUNCTIONS_H
#define SFS_CEL_FUNCTIONS_H

#include "cel/cel.h"
#include "cel/pool.h"

/*
 * Types, and the table of all functions and operators: one row an overload,
 * used by the checker to find the type of a call and by the evaluator to do
 * it. A row's function is only called with values of the row's types.
 */

/* Immutable, static or of a pool. Types are compared with sfs_cel_type_equal(), not by address. */
struct sfs_cel_type {
	enum sfs_cel_kind kind;
	const struct sfs_cel_type *of[2]; /* LIST: items; MAP: keys, values */
	unsigned parameter; /* 1, 2: any type, the same wherever it stands;
	                       kind is INVALID then. 0: a type */
};

/* One for each kind without parameters; list(dyn), map(dyn, dyn) for those. */
const struct sfs_cel_type *sfs_cel_type_of_kind(enum sfs_cel_kind kind);
bool sfs_cel_type_equal(const struct sfs_cel_type *a,
                        const struct sfs_cel_type *b);
void sfs_cel_type_print(const struct sfs_cel_type *t,
                        char out[SFS_CEL_TYPE_TEXT_BYTES]);

/* "map(string, list(int))"; NULL: no type, or out of memory. */
const struct sfs_cel_type *sfs_cel_type_parse(struct sfs_cel_pool *pool,
                                              const char *text);

enum {
	SFS_CEL_ARGS_MAX = 3,          /* of a function of the table */
	SFS_CEL_VALUE_DEPTH_MAX = 500, /* lists in lists that are compared */
};

/* How the work of a call grows, for sfs_cel_call_cost(). */
enum sfs_cel_cost {
	SFS_CEL_COST_ONE = 0, /* it does not, or memory limits it */
	SFS_CEL_COST_FLAT,    /* with the lengths of the arguments */
	SFS_CEL_COST_DEEP,    /* with all that they contain */
	SFS_CEL_COST_FILE,    /* reads a file: a time zone */
	SFS_CEL_COST_REGEX,   /* makes a regular expression */
};

/*
 * args are of the row's types, none is an ERROR. The result may be an ERROR,
 * with a static message, or borrow from the arguments or the pool.
 */
typedef struct sfs_cel_value sfs_cel_fn(const struct sfs_cel_value *args,
                                        struct sfs_cel_pool *pool);

enum sfs_cel_style {
	SFS_CEL_GLOBAL = 1, /* f(x), and operators */
	SFS_CEL_METHOD = 2, /* x.f() */
	SFS_CEL_BOTH = 3,
};

struct sfs_cel_overload {
	const char *name; /* "_+_", "size"; see ast.h */
	enum sfs_cel_style style;
	unsigned argc;
	const struct sfs_cel_type *args[SFS_CEL_ARGS_MAX];
	const struct sfs_cel_type *result;
	sfs_cel_fn *run;
	/*
	 * Only for arguments whose types are known at run time: langdef and
	 * its tests know it, the checker of upstream does not (1 < 1u).
	 */
	bool is_dynamic_only;
	enum sfs_cel_cost cost;
};

/* All rows; those of one name lie together, in the order to be tried. */
const struct sfs_cel_overload *sfs_cel_overloads(size_t *count);

/* The first row of that name, and how many there are; NULL: none. */
const struct sfs_cel_overload *sfs_cel_overloads_named(struct sfs_cel_text name,
                                                       size_t *count);

/*
 * The steps that a call takes beyond its own: to be asked before a row whose
 * cost is not ONE is run. More than SFS_CEL_STEPS_MAX: it must not be run
 * (what is compared may be nested deeper than the stack allows).
 */
size_t sfs_cel_call_cost(const struct sfs_cel_overload *row,
                         const struct sfs_cel_value *args);

/* An error value. message is static, or lives in the evaluation's pool. */
struct sfs_cel_value sfs_cel_error(const char *message);

/*
 * The error of a pool that gave nothing; its message is SFS_CEL_NO_POOL, so
 * that the evaluator can tell a limit from an error of the expression.
 */
extern const char SFS_CEL_NO_POOL[];
struct sfs_cel_value sfs_cel_error_memory(void);

/* Compares ordered values: -1, 0, 1; false: they have no order (NaN, null). */
bool sfs_cel_value_compare(const struct sfs_cel_value *a,
                           const struct sfs_cel_value *b, int *order);

/* The value of a key that CEL holds equal (1, 1u and 1.0 are); NULL: none. */
const struct sfs_cel_value *sfs_cel_map_find(const struct sfs_cel_map *map,
                                             const struct sfs_cel_value *key);

/*
 * A regular expression of RE2, made once; for matches() with a literal
 * pattern. INVALID: it is none. UNSUPPORTED: built without RE2.
 */
struct sfs_cel_regex;
enum sfs_rc sfs_cel_regex_new(struct sfs_cel_text pattern,
                              struct sfs_cel_regex **out,
                              struct sfs_err *err) SFS_NODISCARD;
void sfs_cel_regex_free(struct sfs_cel_regex *r); /* NULL is fine */

/*
 * The steps that a search takes, at worst: with each byte RE2 may look at all
 * of the pattern's program.
 */
size_t sfs_cel_regex_cost(const struct sfs_cel_regex *r,
                          struct sfs_cel_text text);

/* Whether a part of the text matches. NO_MEMORY. */
enum sfs_rc sfs_cel_regex_search(const struct sfs_cel_regex *r,
                                 struct sfs_cel_text text, bool *found_out,
                                 struct sfs_err *err) SFS_NODISCARD;

#endif
