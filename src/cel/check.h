/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_CHECK_H
#define SFS_CEL_CHECK_H

#include "cel/ast.h"
#include "cel/infer.h"

/* A variable of a macro or of cel.bind, innermost first. */
struct sfs_cel_scope {
	struct sfs_cel_text name;
	const struct sfs_cel_type *type; /* for the checker */
	uint32_t slot;                   /* for the compiler */
	const struct sfs_cel_scope *outer;
};

/* The macro's variable that a NAME means; NULL: none. */
const struct sfs_cel_scope *
sfs_cel_scope_find(const struct sfs_cel_scope *scope,
                   const struct sfs_cel_node *name);

/* The index of a declared variable; env->count: there is none. */
size_t sfs_cel_env_find(const struct sfs_cel_env *env,
                        struct sfs_cel_text name);

/* The type that a name stands for ("int"); NULL: it is no type's. */
const struct sfs_cel_type *sfs_cel_type_named(struct sfs_cel_text name);

bool sfs_cel_text_is(struct sfs_cel_text text, const char *string);

/*
 * Sets the types of all nodes and decides what names mean: a.b.c becomes one
 * NAME if a variable or a type is called so. INVALID, with the place. In an
 * unchecked environment all is dyn, and nothing is refused.
 */
enum sfs_rc sfs_cel_check(struct sfs_cel_tree *tree,
                          const struct sfs_cel_env *env,
                          struct sfs_err *err) SFS_NODISCARD;

/*
 * Overloads by the address of a name: operators are named by the same text
 * wherever they stand. For the life of a tree.
 */
enum { SFS_CEL_LOOKUPS = 8 };
struct sfs_cel_lookup {
	struct {
		struct sfs_cel_text name;
		const struct sfs_cel_overload *rows;
		size_t count;
	} found[SFS_CEL_LOOKUPS];
};

/* As sfs_cel_overloads_named(), but faster when asked again. */
const struct sfs_cel_overload *sfs_cel_lookup(struct sfs_cel_lookup *lookup,
                                              struct sfs_cel_text name,
                                              size_t *count);

/* Between the files of the checker. */
struct sfs_cel_checker {
	const struct sfs_cel_env *env;
	const struct sfs_cel_type **types; /* of its variables */
	struct sfs_cel_tree *tree;
	struct sfs_cel_infer infer;
	const struct sfs_cel_scope *scope;
	struct sfs_cel_lookup lookup;
	struct sfs_err *err;
};

/* The type of a call whose arguments have theirs; else says what fits not. */
enum sfs_rc sfs_cel_check_call(struct sfs_cel_checker *c,
                               struct sfs_cel_node *n) SFS_NODISCARD;

/* INVALID: a name that nothing has, with what was probably meant. */
enum sfs_rc sfs_cel_check_unknown(struct sfs_cel_checker *c,
                                  const struct sfs_cel_node *n);

/* A type for a message. */
void sfs_cel_check_show(struct sfs_cel_checker *c, const struct sfs_cel_type *t,
                        char out[SFS_CEL_TYPE_TEXT_BYTES]);

/* "_+_" is written "+"; a function's name stays. */
struct sfs_cel_text sfs_cel_operator_text(struct sfs_cel_text name);

#endif
