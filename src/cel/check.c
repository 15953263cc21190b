/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type checker: from the leaves up, each node gets a type, and what does
 * not fit is refused with its place. The same walk finds out what a qualified
 * name means, so the unchecked mode takes it, too, with dyn for every type.
 * The tree's depth is bounded by the parser, and so is the recursion here.
 */
#include "cel/check.h"

#include <string.h>

static const struct sfs_cel_type *kind_type(enum sfs_cel_kind kind)
{
	return sfs_cel_type_of_kind(kind);
}

bool sfs_cel_text_is(struct sfs_cel_text text, const char *string)
{
	return text.len == strlen(string) &&
	       (text.len == 0 || memcmp(text.data, string, text.len) == 0);
}

const struct sfs_cel_scope *
sfs_cel_scope_find(const struct sfs_cel_scope *scope,
                   const struct sfs_cel_node *name)
{
	if (name->is_rooted)
		return NULL;
	for (; scope != NULL; scope = scope->outer) {
		if (scope->name.len == name->name.len &&
		    memcmp(scope->name.data, name->name.data, name->name.len) ==
		            0)
			return scope;
	}
	return NULL;
}

size_t sfs_cel_env_find(const struct sfs_cel_env *env, struct sfs_cel_text name)
{
	size_t i;

	for (i = 0; i < env->count; i++)
		if (sfs_cel_text_is(name, env->variables[i].name))
			break;
	return i;
}

const struct sfs_cel_type *sfs_cel_type_named(struct sfs_cel_text name)
{
	static const enum sfs_cel_kind kinds[] = {
		SFS_CEL_NULL,  SFS_CEL_BOOL,      SFS_CEL_INT,
		SFS_CEL_UINT,  SFS_CEL_DOUBLE,    SFS_CEL_STRING,
		SFS_CEL_BYTES, SFS_CEL_LIST,      SFS_CEL_MAP,
		SFS_CEL_TYPE,  SFS_CEL_TIMESTAMP, SFS_CEL_DURATION,
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (sfs_cel_text_is(name, sfs_cel_kind_name(kinds[i])))
			return kind_type(kinds[i]);
	return NULL;
}

void sfs_cel_check_show(struct sfs_cel_checker *c, const struct sfs_cel_type *t,
                        char out[SFS_CEL_TYPE_TEXT_BYTES])
{
	sfs_cel_type_print(sfs_cel_infer_final(&c->infer, t), out);
}

/* Says that a node is not what must stand there. */
static enum sfs_rc refuse_type(struct sfs_cel_checker *c,
                               const struct sfs_cel_node *n, const char *what)
{
	char type[SFS_CEL_TYPE_TEXT_BYTES];

	sfs_cel_check_show(c, n->type, type);
	return sfs_cel_refuse(c->tree->source, n->offset, c->err, "%s, not %s",
	                      what, type);
}

static enum sfs_rc want_bool(struct sfs_cel_checker *c,
                             const struct sfs_cel_node *n, const char *what)
{
	if (sfs_cel_infer_assign(&c->infer, n->type, kind_type(SFS_CEL_BOOL)))
		return SFS_OK;
	return refuse_type(c, n, what);
}

/* What is not a variable may be a type; NULL: it is neither. */
static const struct sfs_cel_type *global_type(struct sfs_cel_checker *c,
                                              struct sfs_cel_text name)
{
	const size_t i = sfs_cel_env_find(c->env, name);

	if (i < c->env->count)
		return c->types[i];
	return sfs_cel_type_named(name) != NULL ? kind_type(SFS_CEL_TYPE)
	                                        : NULL;
}

static enum sfs_rc check_name(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	const struct sfs_cel_scope *local = sfs_cel_scope_find(c->scope, n);

	n->type = local != NULL ? local->type : global_type(c, n->name);
	if (n->type != NULL)
		return SFS_OK;
	if (!c->env->is_unchecked)
		return sfs_cel_check_unknown(c, n);
	n->type = kind_type(SFS_CEL_DYN);
	return SFS_OK;
}

/* How long a chain of names is as text; 0: it is none, or of a macro's. */
static size_t chain_len(const struct sfs_cel_checker *c,
                        const struct sfs_cel_node *n)
{
	size_t len = 0;

	for (; n->kind == SFS_CEL_NODE_SELECT; n = n->children[0])
		len += n->name.len + 1;
	if (n->kind != SFS_CEL_NODE_NAME ||
	    sfs_cel_scope_find(c->scope, n) != NULL)
		return 0;
	return len + n->name.len;
}

static bool is_dotted_name_known(const struct sfs_cel_checker *c, size_t len)
{
	for (size_t i = 0; i < c->env->count; i++)
		if (strlen(c->env->variables[i].name) == len)
			return true;
	return len == strlen(sfs_cel_kind_name(SFS_CEL_TIMESTAMP)) ||
	       len == strlen(sfs_cel_kind_name(SFS_CEL_DURATION));
}

/* Makes a.b.c a NAME if something is called so. */
static enum sfs_rc qualify(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	const struct sfs_cel_node *part = n;
	const size_t len = chain_len(c, n);
	size_t at = len;
	char *text;

	if (len == 0 || !is_dotted_name_known(c, len))
		return SFS_OK;
	text = sfs_cel_pool_get(c->tree->pool, len);
	if (text == NULL)
		return sfs_err_set(c->err, SFS_E_NO_MEMORY,
		                   "not enough memory for a name");
	for (; part->kind == SFS_CEL_NODE_SELECT; part = part->children[0]) {
		at -= part->name.len;
		memcpy(text + at, part->name.data, part->name.len);
		text[--at] = '.';
	}
	memcpy(text, part->name.data, part->name.len);
	if (global_type(c, (struct sfs_cel_text){ text, len }) == NULL)
		return SFS_OK;
	n->kind = SFS_CEL_NODE_NAME;
	n->name = (struct sfs_cel_text){ text, len };
	n->is_rooted = true;
	n->offset = part->offset;
	n->count = 0;
	return SFS_OK;
}

static enum sfs_rc check(struct sfs_cel_checker *c, struct sfs_cel_node *n);

/* The type of e.f, after e. */
static enum sfs_rc check_field(struct sfs_cel_checker *c,
                               struct sfs_cel_node *n)
{
	const struct sfs_cel_node *of = n->children[0];
	const struct sfs_cel_type *t = sfs_cel_infer_find(&c->infer, of->type);

	n->type = kind_type(SFS_CEL_DYN);
	if (t->kind == SFS_CEL_DYN)
		return SFS_OK;
	if (t->kind == SFS_CEL_INVALID) {
		(void)sfs_cel_infer_assign(&c->infer, n->type, t);
		return SFS_OK;
	}
	if (t->kind != SFS_CEL_MAP)
		return refuse_type(c, n->children[0],
		                   "fields are selected of maps");
	n->type = t->of[1];
	return SFS_OK;
}

static enum sfs_rc check_select(struct sfs_cel_checker *c,
                                struct sfs_cel_node *n)
{
	enum sfs_rc rc = qualify(c, n);

	if (rc != SFS_OK)
		return rc;
	if (n->kind == SFS_CEL_NODE_NAME)
		return check_name(c, n);
	rc = check(c, n->children[0]);
	return rc == SFS_OK ? check_field(c, n) : rc;
}

static enum sfs_rc check_has(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	enum sfs_rc rc = check(c, n->children[0]);

	if (rc == SFS_OK)
		rc = check_field(c, n);
	n->type = kind_type(SFS_CEL_BOOL);
	return rc;
}

static enum sfs_rc check_all(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	enum sfs_rc rc = SFS_OK;

	for (uint32_t i = 0; rc == SFS_OK && i < n->count; i++)
		rc = check(c, n->children[i]);
	return rc;
}

static enum sfs_rc check_logic(struct sfs_cel_checker *c,
                               struct sfs_cel_node *n)
{
	const char *what = n->kind == SFS_CEL_NODE_AND
	                           ? "&& joins values of type bool"
	                           : "|| joins values of type bool";
	enum sfs_rc rc = check_all(c, n);

	for (uint32_t i = 0; rc == SFS_OK && i < n->count; i++)
		rc = want_bool(c, n->children[i], what);
	n->type = kind_type(SFS_CEL_BOOL);
	return rc;
}

static enum sfs_rc check_condition(struct sfs_cel_checker *c,
                                   struct sfs_cel_node *n)
{
	const struct sfs_cel_node *yes = n->children[1];
	const struct sfs_cel_node *no = n->children[2];
	char types[2][SFS_CEL_TYPE_TEXT_BYTES];
	enum sfs_rc rc = check_all(c, n);

	if (rc == SFS_OK)
		rc = want_bool(c, n->children[0],
		               "the condition of ?: is of type bool");
	if (rc != SFS_OK)
		return rc;
	n->type = yes->type;
	if (yes->type == no->type)
		return SFS_OK;
	n->type = sfs_cel_infer_fresh(&c->infer);
	if (sfs_cel_infer_assign(&c->infer, yes->type, n->type) &&
	    sfs_cel_infer_assign(&c->infer, no->type, n->type))
		return SFS_OK;
	sfs_cel_check_show(c, yes->type, types[0]);
	sfs_cel_check_show(c, no->type, types[1]);
	return sfs_cel_refuse(c->tree->source, n->offset, c->err,
	                      "both results of ?: have one type, not %s and %s",
	                      types[0], types[1]);
}

static const struct sfs_cel_type *join_children(struct sfs_cel_checker *c,
                                                const struct sfs_cel_node *n,
                                                uint32_t first, uint32_t step)
{
	const struct sfs_cel_type *t = NULL;

	for (uint32_t i = first; i < n->count; i += step)
		t = sfs_cel_infer_join(&c->infer, t, n->children[i]->type);
	return t != NULL ? t : sfs_cel_infer_fresh(&c->infer);
}

static enum sfs_rc check_list(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	enum sfs_rc rc = check_all(c, n);

	if (rc == SFS_OK)
		n->type = sfs_cel_infer_list(&c->infer,
		                             join_children(c, n, 0, 1));
	return rc;
}

/* Keys of other types are an error at run time. */
static const struct sfs_cel_type *key_type(struct sfs_cel_checker *c,
                                           const struct sfs_cel_type *t)
{
	const struct sfs_cel_type *found = sfs_cel_infer_find(&c->infer, t);

	switch (found->kind) {
	case SFS_CEL_INVALID:
	case SFS_CEL_BOOL:
	case SFS_CEL_INT:
	case SFS_CEL_UINT:
	case SFS_CEL_STRING:
		return t;
	case SFS_CEL_NULL:
	case SFS_CEL_DOUBLE:
	case SFS_CEL_BYTES:
	case SFS_CEL_LIST:
	case SFS_CEL_MAP:
	case SFS_CEL_TYPE:
	case SFS_CEL_TIMESTAMP:
	case SFS_CEL_DURATION:
	case SFS_CEL_DYN:
	case SFS_CEL_ERROR:
		break;
	}
	return kind_type(SFS_CEL_DYN);
}

static enum sfs_rc check_map(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	const struct sfs_cel_type *key;
	enum sfs_rc rc = check_all(c, n);

	if (rc != SFS_OK)
		return rc;
	key = key_type(c, join_children(c, n, 0, 2));
	n->type = sfs_cel_infer_map(&c->infer, key, join_children(c, n, 1, 2));
	return SFS_OK;
}

/* What a macro's variable is, for what it walks; NULL: it cannot. */
static const struct sfs_cel_type *walked_type(struct sfs_cel_checker *c,
                                              const struct sfs_cel_type *t)
{
	const struct sfs_cel_type *dyn = kind_type(SFS_CEL_DYN);

	t = sfs_cel_infer_find(&c->infer, t);
	if (t->kind == SFS_CEL_LIST || t->kind == SFS_CEL_MAP)
		return t->of[0];
	if (t->kind == SFS_CEL_DYN)
		return dyn;
	if (t->kind != SFS_CEL_INVALID)
		return NULL;
	(void)sfs_cel_infer_assign(&c->infer, dyn, t);
	return dyn;
}

/* A macro's expressions, with its variable. */
static enum sfs_rc check_steps(struct sfs_cel_checker *c,
                               struct sfs_cel_node *n,
                               const struct sfs_cel_type *variable)
{
	const struct sfs_cel_scope scope = {
		.name = n->name,
		.type = variable,
		.outer = c->scope,
	};
	enum sfs_rc rc = SFS_OK;

	c->scope = &scope;
	for (uint32_t i = 1; rc == SFS_OK && i < n->count; i++)
		rc = check(c, n->children[i]);
	c->scope = scope.outer;
	return rc;
}

static enum sfs_rc check_macro(struct sfs_cel_checker *c,
                               struct sfs_cel_node *n)
{
	const struct sfs_cel_node *last = n->children[n->count - 1];
	const struct sfs_cel_type *item;
	enum sfs_rc rc = check(c, n->children[0]);

	if (rc != SFS_OK)
		return rc;
	item = walked_type(c, n->children[0]->type);
	if (item == NULL)
		return refuse_type(c, n->children[0],
		                   "lists and maps can be walked");
	rc = check_steps(c, n, item);
	if (rc == SFS_OK && n->kind != SFS_CEL_NODE_MAP_TO)
		rc = want_bool(c, n->children[1],
		               "the condition of a macro is of type bool");
	if (rc != SFS_OK)
		return rc;
	if (n->kind == SFS_CEL_NODE_FILTER)
		n->type = sfs_cel_infer_list(&c->infer, item);
	else if (n->kind == SFS_CEL_NODE_MAP_TO ||
	         n->kind == SFS_CEL_NODE_MAP_IF)
		n->type = sfs_cel_infer_list(&c->infer, last->type);
	else
		n->type = kind_type(SFS_CEL_BOOL);
	return SFS_OK;
}

static enum sfs_rc check_bind(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	enum sfs_rc rc = check(c, n->children[0]);

	if (rc == SFS_OK)
		rc = check_steps(c, n, n->children[0]->type);
	if (rc == SFS_OK)
		n->type = n->children[1]->type;
	return rc;
}

/* That there is no such function matters more than its arguments' faults. */
static enum sfs_rc check_call(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	enum sfs_rc rc = check_all(c, n);
	size_t count;

	if (rc == SFS_OK || (rc == SFS_E_INVALID &&
	                     sfs_cel_overloads_named(n->name, &count) == NULL))
		return sfs_cel_check_call(c, n);
	return rc;
}

static enum sfs_rc check_node(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	switch (n->kind) {
	case SFS_CEL_NODE_LITERAL:
		n->type = kind_type(n->literal.kind);
		return SFS_OK;
	case SFS_CEL_NODE_NAME:
		return check_name(c, n);
	case SFS_CEL_NODE_SELECT:
		return check_select(c, n);
	case SFS_CEL_NODE_HAS:
		return check_has(c, n);
	case SFS_CEL_NODE_CALL:
	case SFS_CEL_NODE_METHOD:
		return check_call(c, n);
	case SFS_CEL_NODE_AND:
	case SFS_CEL_NODE_OR:
		return check_logic(c, n);
	case SFS_CEL_NODE_CONDITION:
		return check_condition(c, n);
	case SFS_CEL_NODE_LIST:
		return check_list(c, n);
	case SFS_CEL_NODE_MAP:
		return check_map(c, n);
	case SFS_CEL_NODE_ALL:
	case SFS_CEL_NODE_EXISTS:
	case SFS_CEL_NODE_EXISTS_ONE:
	case SFS_CEL_NODE_MAP_TO:
	case SFS_CEL_NODE_MAP_IF:
	case SFS_CEL_NODE_FILTER:
		return check_macro(c, n);
	case SFS_CEL_NODE_BIND:
		return check_bind(c, n);
	}
	return sfs_err_set(c->err, SFS_E_INVALID, "a node of no kind");
}

static enum sfs_rc check(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	enum sfs_rc rc = check_node(c, n);

	if (rc == SFS_OK && c->env->is_unchecked)
		n->type = kind_type(SFS_CEL_DYN);
	/* What gave up does not fit, but that is not what to say. */
	if (c->infer.failed == SFS_E_TOO_BIG)
		return sfs_cel_refuse_size(c->tree->source, n->offset, c->err,
		                           "its types are too complicated");
	if (c->infer.failed != SFS_OK)
		return sfs_err_set(c->err, SFS_E_NO_MEMORY,
		                   "not enough memory to check an expression");
	return rc;
}

static void settle(struct sfs_cel_checker *c, struct sfs_cel_node *n)
{
	n->type = sfs_cel_infer_final(&c->infer, n->type);
	for (uint32_t i = 0; i < n->count; i++)
		settle(c, n->children[i]);
}

/* Identifiers with dots between; literals' names can be declared, in vain. */
static bool is_variable_name(struct sfs_cel_pool *pool, const char *name,
                             bool *is_short_of_memory)
{
	const size_t len = strlen(name);
	char *part = sfs_cel_pool_get(pool, len + 1);
	char *dot;

	*is_short_of_memory = part == NULL;
	if (part == NULL)
		return false;
	memcpy(part, name, len + 1);
	for (; (dot = strchr(part, '.')) != NULL; part = dot + 1) {
		*dot = '\0';
		if (!sfs_cel_is_identifier(part))
			return false;
	}
	return sfs_cel_is_identifier(part) || strcmp(part, "true") == 0 ||
	       strcmp(part, "false") == 0 || strcmp(part, "null") == 0;
}

static enum sfs_rc read_variable(struct sfs_cel_checker *c, size_t i)
{
	const struct sfs_cel_variable *v = &c->env->variables[i];
	bool is_short_of_memory;

	if (!is_variable_name(c->tree->pool, v->name, &is_short_of_memory) &&
	    !is_short_of_memory)
		return sfs_err_set(c->err, SFS_E_INVALID,
		                   "'%.64s' cannot name a variable: names are "
		                   "letters, digits and '_', and no words of "
		                   "the language",
		                   v->name);
	if (!is_short_of_memory)
		c->types[i] = sfs_cel_type_parse(c->tree->pool, v->type);
	if (c->types[i] == NULL && !is_short_of_memory)
		return sfs_err_set(c->err, SFS_E_INVALID,
		                   "the variable '%.64s' has the type '%.64s', "
		                   "which is none: int, uint, double, bool, "
		                   "string, bytes, list(...) and others are",
		                   v->name, v->type);
	return is_short_of_memory
	               ? sfs_err_set(c->err, SFS_E_NO_MEMORY,
	                             "not enough memory for variables")
	               : SFS_OK;
}

static enum sfs_rc read_variables(struct sfs_cel_checker *c)
{
	const size_t count = c->env->count;
	enum sfs_rc rc = SFS_OK;

	if (count > SIZE_MAX / sizeof(*c->types) - 1)
		return sfs_err_set(c->err, SFS_E_TOO_BIG, "too many variables");
	c->types = sfs_cel_pool_get(c->tree->pool,
	                            (count + 1) * sizeof(*c->types));
	if (c->types == NULL)
		return sfs_err_set(c->err, SFS_E_NO_MEMORY,
		                   "not enough memory for %zu variables",
		                   count);
	memset(c->types, 0, (count + 1) * sizeof(*c->types));
	for (size_t i = 0; rc == SFS_OK && i < count; i++)
		rc = read_variable(c, i);
	return rc;
}

enum sfs_rc sfs_cel_check(struct sfs_cel_tree *tree,
                          const struct sfs_cel_env *env, struct sfs_err *err)
{
	struct sfs_cel_checker c = { .env = env, .tree = tree, .err = err };
	enum sfs_rc rc;

	sfs_cel_infer_init(&c.infer, tree->pool);
	rc = read_variables(&c);
	if (rc == SFS_OK)
		rc = check(&c, tree->root);
	if (rc == SFS_OK && c.infer.count > 0)
		settle(&c, tree->root);
	if (rc == SFS_OK && c.infer.failed != SFS_OK)
		rc = sfs_err_set(err, c.infer.failed,
		                 "1:1: its types are too complicated");
	sfs_cel_infer_release(&c.infer);
	return rc;
}
