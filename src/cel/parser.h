/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_PARSER_H
#define SFS_CEL_PARSER_H

#include "cel/ast.h"
#include "cel/lexer.h"

/* Between the parser and the macros, which are part of the syntax. */

/* A node that is not yet a child, or an operator that has no operand yet. */
struct sfs_cel_waiting {
	struct sfs_cel_node *node;
	uint32_t offset; /* of the operator before it */
};

struct sfs_cel_parser {
	struct sfs_cel_lexer lexer;
	struct sfs_cel_token token; /* the next one */
	struct sfs_cel_pool *pool;  /* of the tree */
	struct sfs_err *err;
	unsigned depth;                  /* of expressions in each other */
	struct sfs_cel_waiting *waiting; /* a stack; owned */
	size_t count;
	size_t cap;
};

/* A tree with the source and no root. To be released even if this fails. */
enum sfs_rc sfs_cel_tree_begin(struct sfs_cel_tree *t, const char *text,
                               size_t len, struct sfs_err *err) SFS_NODISCARD;

enum sfs_rc sfs_cel_parser_no_memory(struct sfs_cel_parser *p);
enum sfs_rc sfs_cel_parser_too_deep(struct sfs_cel_parser *p, uint32_t offset);

enum sfs_rc sfs_cel_parser_push(struct sfs_cel_parser *p,
                                struct sfs_cel_node *node,
                                uint32_t offset) SFS_NODISCARD;

/*
 * Each makes a node, or fails with NO_MEMORY, or with TOO_BIG if the tree
 * becomes too deep: one without children; one whose children are those that
 * wait from base on; one with the children left and, unless that is NULL,
 * right; an operator, which is a call of a function that no source can name.
 */
enum sfs_rc sfs_cel_parser_leaf(struct sfs_cel_parser *p,
                                enum sfs_cel_node_kind kind, uint32_t offset,
                                struct sfs_cel_node **out) SFS_NODISCARD;
enum sfs_rc sfs_cel_parser_take(struct sfs_cel_parser *p,
                                enum sfs_cel_node_kind kind, uint32_t offset,
                                size_t base,
                                struct sfs_cel_node **out) SFS_NODISCARD;
enum sfs_rc sfs_cel_parser_join(struct sfs_cel_parser *p,
                                enum sfs_cel_node_kind kind, uint32_t offset,
                                struct sfs_cel_node *left,
                                struct sfs_cel_node *right,
                                struct sfs_cel_node **out) SFS_NODISCARD;
enum sfs_rc sfs_cel_parser_operate(struct sfs_cel_parser *p, const char *name,
                                   uint32_t offset, struct sfs_cel_node *left,
                                   struct sfs_cel_node *right,
                                   struct sfs_cel_node **out) SFS_NODISCARD;

/*
 * Turns a call that is a macro into the macro's node, and leaves others as
 * they are. INVALID: has() of what is no field; no name for the variable.
 */
enum sfs_rc sfs_cel_macro_call(struct sfs_cel_parser *p,
                               struct sfs_cel_node *call) SFS_NODISCARD;
enum sfs_rc sfs_cel_macro_method(struct sfs_cel_parser *p,
                                 struct sfs_cel_node *call) SFS_NODISCARD;

#endif
