/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_AST_H
#define SFS_CEL_AST_H

#include "cel/cel.h"

/*
 * The syntax tree. Operators are calls with CEL's names for them ("_+_",
 * "-_", "!_", "_<_", "@in", "_[_]"); && || ?: have nodes of their own, since
 * they do not evaluate all operands; macros over lists and maps do, too.
 */
enum sfs_cel_node_kind {
	SFS_CEL_NODE_LITERAL,
	SFS_CEL_NODE_NAME,   /* name */
	SFS_CEL_NODE_SELECT, /* children[0].name */
	SFS_CEL_NODE_HAS,    /* has(children[0].name) */
	SFS_CEL_NODE_CALL,   /* name(children...) */
	SFS_CEL_NODE_METHOD, /* children[0].name(children[1]...) */
	/* Two children each; a && b && c && d is (a && b) && (c && d). */
	SFS_CEL_NODE_AND,
	SFS_CEL_NODE_OR,
	SFS_CEL_NODE_CONDITION, /* children[0] ? [1] : [2] */
	SFS_CEL_NODE_LIST,
	SFS_CEL_NODE_MAP, /* key, value, key, value ... */
	/*
	 * Macros: children[0] is what is walked, name the variable, then the
	 * expressions over it: one, or for MAP_IF the predicate and the
	 * transformation.
	 */
	SFS_CEL_NODE_ALL,
	SFS_CEL_NODE_EXISTS,
	SFS_CEL_NODE_EXISTS_ONE,
	SFS_CEL_NODE_MAP_TO,
	SFS_CEL_NODE_MAP_IF,
	SFS_CEL_NODE_FILTER,
	SFS_CEL_NODE_BIND, /* cel.bind(name, children[0], children[1]) */
};

struct sfs_cel_node {
	enum sfs_cel_node_kind kind;
	uint32_t offset; /* in the source, for messages: bytes */
	uint32_t count;  /* of children */
	uint32_t depth;  /* of the tree from here: at most SFS_CEL_DEPTH_MAX */
	bool is_rooted;  /* NAME, CALL: ".name", no variable of a macro */
	struct sfs_cel_node **children;
	struct sfs_cel_text name;     /* identifier or function; no NUL in it */
	struct sfs_cel_value literal; /* LITERAL; its text lives in the tree */
	const struct sfs_cel_type *type; /* set by the checker */
};

/* A tree and all that it points to, freed together. */
struct sfs_cel_tree {
	struct sfs_cel_node *root;
	struct sfs_cel_text source; /* a copy */
	struct sfs_cel_pool *pool;
};

/*
 * INVALID, with "LINE:COLUMN: ..."; TOO_BIG: nested deeper than the limit, or
 * too long; NO_MEMORY. Strict: whatever langdef does not allow is refused.
 */
enum sfs_rc sfs_cel_parse(const char *text, size_t len,
                          struct sfs_cel_tree *out,
                          struct sfs_err *err) SFS_NODISCARD;
void sfs_cel_tree_release(struct sfs_cel_tree *t);

/* INVALID at a place in the source: sets *err to "LINE:COLUMN: ...". */
enum sfs_rc sfs_cel_refuse(struct sfs_cel_text source, uint32_t offset,
                           struct sfs_err *err, const char *fmt, ...)
	SFS_PRINTF(4, 5);

/* The same for what is over a limit: TOO_BIG. */
enum sfs_rc sfs_cel_refuse_size(struct sfs_cel_text source, uint32_t offset,
                                struct sfs_err *err, const char *fmt, ...)
	SFS_PRINTF(4, 5);

/* An identifier that may be declared: no keyword, no reserved word. */
bool sfs_cel_is_identifier(const char *name);

#endif
