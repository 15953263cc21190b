/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes as the parser makes them: children wait on a stack until all of them
 * are known, and then lie beside each other in the tree's pool.
 */
#include "cel/parser.h"

#include "base/alloc.h"

#include <string.h>

enum sfs_rc sfs_cel_parser_no_memory(struct sfs_cel_parser *p)
{
	return sfs_err_set(p->err, SFS_E_NO_MEMORY,
	                   "not enough memory for an expression");
}

enum sfs_rc sfs_cel_parser_too_deep(struct sfs_cel_parser *p, uint32_t offset)
{
	return sfs_cel_refuse_size(p->lexer.source, offset, p->err,
	                           "nested deeper than %d levels",
	                           SFS_CEL_DEPTH_MAX);
}

enum sfs_rc sfs_cel_parser_push(struct sfs_cel_parser *p,
                                struct sfs_cel_node *node, uint32_t offset)
{
	const size_t cap = p->cap > 0 ? p->cap * 2 : 16;
	struct sfs_cel_waiting *more;

	if (p->count == p->cap) {
		more = sfs_realloc_array(p->waiting, cap, sizeof(*more));
		if (more == NULL)
			return sfs_cel_parser_no_memory(p);
		p->waiting = more;
		p->cap = cap;
	}
	p->waiting[p->count].node = node;
	p->waiting[p->count].offset = offset;
	p->count++;
	return SFS_OK;
}

enum sfs_rc sfs_cel_parser_leaf(struct sfs_cel_parser *p,
                                enum sfs_cel_node_kind kind, uint32_t offset,
                                struct sfs_cel_node **out)
{
	struct sfs_cel_node *n = sfs_cel_pool_get(p->pool, sizeof(*n));

	if (n == NULL)
		return sfs_cel_parser_no_memory(p);
	memset(n, 0, sizeof(*n));
	n->kind = kind;
	n->offset = offset;
	n->depth = 1;
	*out = n;
	return SFS_OK;
}

enum sfs_rc sfs_cel_parser_take(struct sfs_cel_parser *p,
                                enum sfs_cel_node_kind kind, uint32_t offset,
                                size_t base, struct sfs_cel_node **out)
{
	const size_t count = p->count - base;
	struct sfs_cel_node *child;
	enum sfs_rc rc;

	rc = sfs_cel_parser_leaf(p, kind, offset, out);
	if (rc != SFS_OK || count == 0)
		return rc;
	(*out)->children = sfs_cel_pool_get(
		p->pool, count * sizeof(struct sfs_cel_node *));
	if ((*out)->children == NULL)
		return sfs_cel_parser_no_memory(p);
	for (size_t i = 0; i < count; i++) {
		child = p->waiting[base + i].node;
		(*out)->children[i] = child;
		if ((*out)->depth <= child->depth)
			(*out)->depth = child->depth + 1;
	}
	(*out)->count = (uint32_t)count;
	p->count = base;
	return (*out)->depth > SFS_CEL_DEPTH_MAX
	               ? sfs_cel_parser_too_deep(p, offset)
	               : SFS_OK;
}

enum sfs_rc sfs_cel_parser_join(struct sfs_cel_parser *p,
                                enum sfs_cel_node_kind kind, uint32_t offset,
                                struct sfs_cel_node *left,
                                struct sfs_cel_node *right,
                                struct sfs_cel_node **out)
{
	const size_t base = p->count;
	enum sfs_rc rc;

	rc = sfs_cel_parser_push(p, left, 0);
	if (rc == SFS_OK && right != NULL)
		rc = sfs_cel_parser_push(p, right, 0);
	return rc == SFS_OK ? sfs_cel_parser_take(p, kind, offset, base, out)
	                    : rc;
}

enum sfs_rc sfs_cel_parser_operate(struct sfs_cel_parser *p, const char *name,
                                   uint32_t offset, struct sfs_cel_node *left,
                                   struct sfs_cel_node *right,
                                   struct sfs_cel_node **out)
{
	enum sfs_rc rc;

	rc = sfs_cel_parser_join(p, SFS_CEL_NODE_CALL, offset, left, right,
	                         out);
	if (rc == SFS_OK) {
		(*out)->name.data = name;
		(*out)->name.len = strlen(name);
	}
	return rc;
}
