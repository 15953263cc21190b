/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a checked tree to a program, which keeps nothing of the tree: names,
 * texts and constants are copied. A failure while operations are added is
 * kept and looked at once, at the end.
 */
#include "cel/compile.h"

#include "base/alloc.h"

#include <string.h>

void sfs_cel_emit_fail(struct sfs_cel_compiler *c, enum sfs_rc rc)
{
	if (c->failed == SFS_OK)
		c->failed = rc;
}

/* The array, larger if one more would not fit; NULL: out of memory. */
static void *make_room(struct sfs_cel_compiler *c, void *items, size_t *cap,
                       size_t count, size_t size)
{
	size_t more = *cap > 0 ? *cap * 2 : 16;
	void *grown;

	if (count < *cap)
		return items;
	grown = sfs_realloc_array(items, more, size);
	if (grown == NULL)
		sfs_cel_emit_fail(c, SFS_E_NO_MEMORY);
	else
		*cap = more;
	return grown;
}

struct sfs_cel_op *sfs_cel_emit(struct sfs_cel_compiler *c, sfs_cel_exec *exec,
                                const struct sfs_cel_node *n, uint32_t slot)
{
	struct sfs_cel_program *p = c->p;
	struct sfs_cel_op *ops =
		make_room(c, p->ops, &c->cap, p->count, sizeof(*ops));

	if (ops == NULL)
		return &c->lost;
	p->ops = ops;
	ops[p->count] = (struct sfs_cel_op){
		.exec = exec,
		.slot = slot,
		.offset = n->offset,
		.handler = c->handler,
	};
	return &ops[p->count++];
}

uint32_t sfs_cel_emit_handler(struct sfs_cel_compiler *c, uint32_t slot)
{
	struct sfs_cel_program *p = c->p;
	struct sfs_cel_handler *h = make_room(c, p->handlers, &c->handler_cap,
	                                      p->handler_count, sizeof(*h));

	if (h == NULL)
		return 0;
	p->handlers = h;
	h[p->handler_count] = (struct sfs_cel_handler){ .slot = slot };
	return (uint32_t)++p->handler_count;
}

void sfs_cel_emit_handled(struct sfs_cel_compiler *c, uint32_t handler)
{
	if (handler > 0)
		c->p->handlers[handler - 1].op = (uint32_t)c->p->count;
}

void sfs_cel_emit_land(struct sfs_cel_compiler *c, size_t jump)
{
	if (c->failed == SFS_OK)
		c->p->ops[jump].as.jump.by = (int32_t)(c->p->count - jump);
}

struct sfs_cel_text sfs_cel_emit_text(struct sfs_cel_compiler *c,
                                      struct sfs_cel_text text)
{
	char *copy = sfs_cel_pool_get(c->p->pool, text.len + 1);

	if (copy == NULL) {
		sfs_cel_emit_fail(c, SFS_E_NO_MEMORY);
		return (struct sfs_cel_text){ NULL, 0 };
	}
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return (struct sfs_cel_text){ copy, text.len };
}

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY,
	                   "not enough memory to compile an expression");
}

static enum sfs_rc new_program(const struct sfs_cel_env *env,
                               struct sfs_cel_program **out,
                               struct sfs_err *err)
{
	struct sfs_cel_program *p = sfs_calloc(1, sizeof(*p));

	*out = p;
	if (p == NULL)
		return no_memory(err);
	p->variable_count = env->count;
	p->is_used = sfs_calloc(env->count + 1, sizeof(*p->is_used));
	p->pool = sfs_cel_pool_new(SIZE_MAX); /* the text bounds it */
	return p->is_used != NULL && p->pool != NULL ? SFS_OK : no_memory(err);
}

/* Gives back what growing took too much of. */
static void trim(struct sfs_cel_program *p)
{
	struct sfs_cel_op *less =
		sfs_realloc_array(p->ops, p->count, sizeof(*less));

	if (less != NULL)
		p->ops = less;
}

static enum sfs_rc emit_all(const struct sfs_cel_tree *tree,
                            const struct sfs_cel_env *env,
                            struct sfs_cel_program *p, struct sfs_err *err)
{
	struct sfs_cel_compiler c = { .env = env, .p = p, .err = err };

	c.names = sfs_cel_pool_get(tree->pool,
	                           (env->count + 1) * sizeof(*c.names));
	if (c.names == NULL)
		return no_memory(err);
	p->source = sfs_cel_emit_text(&c, tree->source);
	sfs_cel_emit_node(&c, tree->root, 0);
	(void)sfs_cel_emit(&c, sfs_cel_do_end, tree->root, 0);
	p->result = tree->root->type->kind;
	sfs_cel_type_print(tree->root->type, p->result_type);
	if (c.failed == SFS_E_NO_MEMORY)
		return no_memory(err);
	if (c.failed == SFS_OK)
		trim(p);
	return c.failed;
}

enum sfs_rc sfs_cel_compile(const char *text, size_t len,
                            const struct sfs_cel_env *env,
                            struct sfs_cel_program **out, struct sfs_err *err)
{
	struct sfs_cel_program *p = NULL;
	struct sfs_cel_tree tree;
	enum sfs_rc rc;

	*out = NULL;
	rc = sfs_cel_parse(text, len, &tree, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_cel_check(&tree, env, err);
	if (rc == SFS_OK)
		rc = new_program(env, &p, err);
	if (rc == SFS_OK)
		rc = emit_all(&tree, env, p, err);
	sfs_cel_tree_release(&tree);
	if (rc == SFS_OK)
		*out = p;
	else
		sfs_cel_program_free(p);
	return rc;
}

void sfs_cel_program_free(struct sfs_cel_program *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->regex_count; i++)
		sfs_cel_regex_free(p->regexes[i]);
	sfs_free(p->regexes);
	sfs_free(p->ops);
	sfs_free(p->handlers);
	sfs_free(p->is_used);
	sfs_cel_pool_free(p->pool);
	sfs_free(p);
}

enum sfs_cel_kind sfs_cel_result_kind(const struct sfs_cel_program *p)
{
	return p->result;
}

void sfs_cel_result_type(const struct sfs_cel_program *p,
                         char out[SFS_CEL_TYPE_TEXT_BYTES])
{
	memcpy(out, p->result_type, SFS_CEL_TYPE_TEXT_BYTES);
}

bool sfs_cel_uses(const struct sfs_cel_program *p, size_t variable)
{
	return variable < p->variable_count && p->is_used[variable];
}
