/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of each kind of node but calls and macros. Operands are left
 * in slots that follow each other; && and || get handlers, through which an
 * error in one operand becomes a value that the other may make irrelevant.
 */
#include "cel/compile.h"

#include "base/alloc.h"

#include <string.h>

enum { FUSED_VC_COUNT = 4 }; /* itself, two loads, the call */

static void need_slot(struct sfs_cel_compiler *c, uint32_t slot)
{
	if (c->p->slots <= slot)
		c->p->slots = slot + 1;
}

static void emit_constant(struct sfs_cel_compiler *c,
                          const struct sfs_cel_node *n,
                          const struct sfs_cel_value *value, uint32_t slot)
{
	struct sfs_cel_op *op = sfs_cel_emit(c, sfs_cel_do_constant, n, slot);

	op->as.constant = *value;
}

static void emit_literal(struct sfs_cel_compiler *c,
                         const struct sfs_cel_node *n, uint32_t slot)
{
	struct sfs_cel_value v = n->literal;

	if (v.kind == SFS_CEL_STRING || v.kind == SFS_CEL_BYTES)
		v.as.text = sfs_cel_emit_text(c, v.as.text);
	emit_constant(c, n, &v, slot);
}

static void emit_named(struct sfs_cel_compiler *c, sfs_cel_exec *exec,
                       const struct sfs_cel_node *n, uint32_t slot)
{
	struct sfs_cel_text name = sfs_cel_emit_text(c, n->name);
	struct sfs_cel_op *op = sfs_cel_emit(c, exec, n, slot);

	op->as.name = name;
}

static void emit_variable(struct sfs_cel_compiler *c,
                          const struct sfs_cel_node *n, size_t variable,
                          uint32_t slot)
{
	struct sfs_cel_op *op;

	if (!c->p->is_used[variable])
		c->names[variable] = sfs_cel_emit_text(c, n->name);
	c->p->is_used[variable] = true;
	op = sfs_cel_emit(c, sfs_cel_do_variable, n, slot);
	op->as.name = c->names[variable];
	op->count = (uint32_t)variable;
}

static void emit_name(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                      uint32_t slot)
{
	const struct sfs_cel_scope *local = sfs_cel_scope_find(c->scope, n);
	const size_t variable = sfs_cel_env_find(c->env, n->name);
	struct sfs_cel_value type = { .kind = SFS_CEL_TYPE };

	if (local != NULL) {
		sfs_cel_emit(c, sfs_cel_do_local, n, slot)->count = local->slot;
		return;
	}
	if (variable < c->env->count) {
		emit_variable(c, n, variable, slot);
		return;
	}
	type.as.type = sfs_cel_type_named(n->name);
	if (type.as.type != NULL)
		emit_constant(c, n, &type, slot);
	else
		emit_named(c, sfs_cel_do_unknown, n, slot);
}

static void emit_field(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                       uint32_t slot)
{
	sfs_cel_emit_node(c, n->children[0], slot);
	emit_named(c,
	           n->kind == SFS_CEL_NODE_HAS ? sfs_cel_do_has
	                                       : sfs_cel_do_select,
	           n, slot);
}

/* left; test, which may jump behind join; right; join */
static void emit_logic(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                       uint32_t slot)
{
	const bool decisive = n->kind == SFS_CEL_NODE_OR;
	const uint32_t outer = c->handler;
	struct sfs_cel_op *op;
	size_t test;

	c->handler = sfs_cel_emit_handler(c, slot);
	sfs_cel_emit_node(c, n->children[0], slot);
	sfs_cel_emit_handled(c, c->handler);
	c->handler = outer;
	test = c->p->count;
	op = sfs_cel_emit(c, sfs_cel_do_logic_test, n->children[0], slot);
	op->as.jump.decisive = decisive;
	c->handler = sfs_cel_emit_handler(c, slot + 1);
	sfs_cel_emit_node(c, n->children[1], slot + 1);
	sfs_cel_emit_handled(c, c->handler);
	c->handler = outer;
	op = sfs_cel_emit(c, sfs_cel_do_logic_join, n->children[1], slot);
	op->as.jump.decisive = decisive;
	sfs_cel_emit_land(c, test);
}

/* A condition that is one fused operation does the branch as well. */
static void fuse_branch(struct sfs_cel_compiler *c, size_t first)
{
	struct sfs_cel_op *op = &c->p->ops[first];

	if (c->failed != SFS_OK || c->p->count - first != FUSED_VC_COUNT)
		return;
	if (op->exec == sfs_cel_do_fused_vc)
		op->exec = sfs_cel_do_fused_vc_branch;
	if (op->exec == sfs_cel_do_fused_vc_text)
		op->exec = sfs_cel_do_fused_vc_text_branch;
}

static void emit_condition(struct sfs_cel_compiler *c,
                           const struct sfs_cel_node *n, uint32_t slot)
{
	const size_t first = c->p->count;
	size_t branch;
	size_t jump;

	sfs_cel_emit_node(c, n->children[0], slot);
	fuse_branch(c, first);
	branch = c->p->count;
	(void)sfs_cel_emit(c, sfs_cel_do_branch, n->children[0], slot);
	sfs_cel_emit_node(c, n->children[1], slot);
	jump = c->p->count;
	(void)sfs_cel_emit(c, sfs_cel_do_jump, n, slot);
	sfs_cel_emit_land(c, branch);
	sfs_cel_emit_node(c, n->children[2], slot);
	sfs_cel_emit_land(c, jump);
}

/* A copy of the constants added since first; NULL: there is more. */
static struct sfs_cel_value *take_constants(struct sfs_cel_compiler *c,
                                            size_t first, size_t count)
{
	const struct sfs_cel_op *ops = c->p->ops;
	struct sfs_cel_value *values;

	if (c->failed != SFS_OK || c->p->count - first != count)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (ops[first + i].exec != sfs_cel_do_constant)
			return NULL;
	values = sfs_calloc(count + 1, sizeof(*values));
	if (values == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		values[i] = ops[first + i].as.constant;
	return values;
}

/* False: it is an error, which belongs to the evaluation. */
static bool make_constant(struct sfs_cel_compiler *c,
                          const struct sfs_cel_node *n,
                          const struct sfs_cel_value *values,
                          struct sfs_cel_value *out)
{
	if (n->kind == SFS_CEL_NODE_LIST)
		return sfs_cel_make_list(c->p->pool, values, n->count, out);
	return sfs_cel_make_map(c->p->pool, values, n->count / 2, out) ==
	               NULL &&
	       out->kind != SFS_CEL_INVALID;
}

/* A list or map of constants is one constant. */
static bool fold(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                 size_t first, uint32_t slot)
{
	struct sfs_cel_value *values = take_constants(c, first, n->count);
	struct sfs_cel_value v;
	bool is_made;

	if (values == NULL)
		return false;
	is_made = make_constant(c, n, values, &v);
	sfs_free(values);
	if (!is_made)
		return false;
	c->p->count = first;
	emit_constant(c, n, &v, slot);
	return true;
}

static void emit_container(struct sfs_cel_compiler *c,
                           const struct sfs_cel_node *n, uint32_t slot)
{
	const bool is_list = n->kind == SFS_CEL_NODE_LIST;
	const size_t slots = c->p->slots;
	const size_t first = c->p->count;
	struct sfs_cel_op *op;

	for (uint32_t i = 0; i < n->count; i++)
		sfs_cel_emit_node(c, n->children[i], slot + i);
	if (fold(c, n, first, slot)) {
		c->p->slots = slots;
		return;
	}
	op = sfs_cel_emit(c, is_list ? sfs_cel_do_list : sfs_cel_do_map, n,
	                  slot);
	op->count = is_list ? n->count : n->count / 2;
}

static void emit_bind(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                      uint32_t slot)
{
	const struct sfs_cel_scope scope = {
		.name = n->name,
		.slot = slot,
		.outer = c->scope,
	};
	const uint32_t outer = c->handler;

	c->handler = sfs_cel_emit_handler(c, slot);
	sfs_cel_emit_node(c, n->children[0], slot);
	sfs_cel_emit_handled(c, c->handler);
	c->handler = outer;
	c->scope = &scope;
	sfs_cel_emit_node(c, n->children[1], slot + 1);
	c->scope = scope.outer;
	(void)sfs_cel_emit(c, sfs_cel_do_bound, n, slot);
}

void sfs_cel_emit_node(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                       uint32_t slot)
{
	switch (n->kind) {
	case SFS_CEL_NODE_LITERAL:
		emit_literal(c, n, slot);
		break;
	case SFS_CEL_NODE_NAME:
		emit_name(c, n, slot);
		break;
	case SFS_CEL_NODE_SELECT:
	case SFS_CEL_NODE_HAS:
		emit_field(c, n, slot);
		break;
	case SFS_CEL_NODE_CALL:
	case SFS_CEL_NODE_METHOD:
		sfs_cel_emit_call(c, n, slot);
		break;
	case SFS_CEL_NODE_AND:
	case SFS_CEL_NODE_OR:
		emit_logic(c, n, slot);
		break;
	case SFS_CEL_NODE_CONDITION:
		emit_condition(c, n, slot);
		break;
	case SFS_CEL_NODE_LIST:
	case SFS_CEL_NODE_MAP:
		emit_container(c, n, slot);
		break;
	case SFS_CEL_NODE_ALL:
	case SFS_CEL_NODE_EXISTS:
	case SFS_CEL_NODE_EXISTS_ONE:
	case SFS_CEL_NODE_MAP_TO:
	case SFS_CEL_NODE_MAP_IF:
	case SFS_CEL_NODE_FILTER:
		sfs_cel_emit_macro(c, n, slot);
		break;
	case SFS_CEL_NODE_BIND:
		emit_bind(c, n, slot);
		break;
	}
	need_slot(c, slot);
}
