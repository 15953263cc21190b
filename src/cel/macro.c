/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are macros: has(e.f), e.all(x, p) and its kin, cel.bind(). Name
 * and number of arguments tell them, as upstream; a call of another number is
 * a call, which the checker finds no function for.
 */
#include "cel/parser.h"

#include <string.h>

static bool name_is(const struct sfs_cel_node *n, const char *name)
{
	return n->name.len == strlen(name) &&
	       memcmp(n->name.data, name, n->name.len) == 0;
}

enum sfs_rc sfs_cel_macro_call(struct sfs_cel_parser *p,
                               struct sfs_cel_node *call)
{
	const struct sfs_cel_node *field;

	if (!name_is(call, "has") || call->count != 1)
		return SFS_OK;
	field = call->children[0];
	if (field->kind != SFS_CEL_NODE_SELECT)
		return sfs_cel_refuse(p->lexer.source, field->offset, p->err,
		                      "has() takes the selection of a field, "
		                      "as has(m.f)");
	call->kind = SFS_CEL_NODE_HAS;
	call->name = field->name;
	call->children[0] = field->children[0];
	return SFS_OK;
}

static const struct {
	const char *name;
	uint32_t count; /* of children: what is walked, variable, ... */
	enum sfs_cel_node_kind kind;
} macros[] = {
	{ "all", 3, SFS_CEL_NODE_ALL },
	{ "exists", 3, SFS_CEL_NODE_EXISTS },
	{ "exists_one", 3, SFS_CEL_NODE_EXISTS_ONE },
	{ "map", 3, SFS_CEL_NODE_MAP_TO },
	{ "map", 4, SFS_CEL_NODE_MAP_IF },
	{ "filter", 3, SFS_CEL_NODE_FILTER },
};

/* The child of that index becomes the name of the macro's variable. */
static enum sfs_rc take_variable(struct sfs_cel_parser *p,
                                 struct sfs_cel_node *call, uint32_t index)
{
	const struct sfs_cel_node *variable = call->children[index];

	if (variable->kind != SFS_CEL_NODE_NAME || variable->is_rooted)
		return sfs_cel_refuse(p->lexer.source, variable->offset, p->err,
		                      "the name of the variable of %.*s() is "
		                      "expected here",
		                      (int)call->name.len, call->name.data);
	call->name = variable->name;
	call->count--;
	memmove(call->children + index, call->children + index + 1,
	        (call->count - index) * sizeof(struct sfs_cel_node *));
	return SFS_OK;
}

/* cel.bind(variable, its value, expression) */
static enum sfs_rc take_bind(struct sfs_cel_parser *p,
                             struct sfs_cel_node *call)
{
	call->kind = SFS_CEL_NODE_BIND;
	call->children++;
	call->count--;
	return take_variable(p, call, 0);
}

enum sfs_rc sfs_cel_macro_method(struct sfs_cel_parser *p,
                                 struct sfs_cel_node *call)
{
	const struct sfs_cel_node *target = call->children[0];

	if (call->count == 4 && name_is(call, "bind") &&
	    target->kind == SFS_CEL_NODE_NAME && name_is(target, "cel"))
		return take_bind(p, call);
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		if (call->count != macros[i].count ||
		    !name_is(call, macros[i].name))
			continue;
		call->kind = macros[i].kind;
		return take_variable(p, call, 1);
	}
	return SFS_OK;
}
