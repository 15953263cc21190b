/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Macros over lists and the keys of maps. Each round takes as many steps as
 * it has operations, so that rounds within rounds come to an end.
 */
#include "cel/program.h"

#include <string.h>

enum { FIRST_ITEMS = 8 };

/* A list that grows. What it outgrew stays in the pool, which is bounded. */
struct builder {
	struct sfs_cel_list list; /* what gathered.as.list points to */
	struct sfs_cel_value *items;
	size_t cap;
};

const struct sfs_cel_op *sfs_cel_do_begin(struct sfs_cel_run *run,
                                          const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	struct builder *b;

	if (v->kind != SFS_CEL_LIST && v->kind != SFS_CEL_MAP)
		return sfs_cel_raise(run, op, "lists and maps can be walked");
	v[SFS_CEL_MACRO_INDEX].kind = SFS_CEL_INT;
	v[SFS_CEL_MACRO_INDEX].as.integer = 0;
	v[SFS_CEL_MACRO_GATHERED] = op->as.constant;
	if (op->as.constant.kind != SFS_CEL_LIST)
		return op + 1;
	b = sfs_cel_pool_get(run->pool, sizeof(*b));
	if (b == NULL)
		return sfs_cel_no_memory(run, op);
	memset(b, 0, sizeof(*b));
	v[SFS_CEL_MACRO_GATHERED].as.list = &b->list;
	return op + 1;
}

static size_t count_of(const struct sfs_cel_value *v)
{
	return v->kind == SFS_CEL_LIST ? v->as.list->count : v->as.map->count;
}

const struct sfs_cel_op *sfs_cel_do_next(struct sfs_cel_run *run,
                                         const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	const size_t i = (size_t)v[SFS_CEL_MACRO_INDEX].as.integer++;

	if (i == count_of(v))
		return op + op->as.jump.by;
	if (!sfs_cel_step(run, op, op->as.jump.cost))
		return NULL;
	v[SFS_CEL_MACRO_VARIABLE] = v->kind == SFS_CEL_LIST
	                                    ? v->as.list->items[i]
	                                    : v->as.map->pairs[2 * i];
	return op + 1;
}

const struct sfs_cel_op *sfs_cel_do_all_step(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	const struct sfs_cel_value *value = &v[SFS_CEL_MACRO_VALUE];

	if (value->kind == SFS_CEL_BOOL) {
		if (value->as.boolean != op->as.jump.decisive)
			return op + op->as.jump.by;
		v[SFS_CEL_MACRO_GATHERED] = *value;
		return op + 1;
	}
	if (v[SFS_CEL_MACRO_GATHERED].kind != SFS_CEL_ERROR)
		v[SFS_CEL_MACRO_GATHERED] =
			value->kind == SFS_CEL_ERROR
				? *value
				: sfs_cel_fault("the condition is no bool",
		                                op->offset);
	return op + op->as.jump.by;
}

const struct sfs_cel_op *sfs_cel_do_all_end(struct sfs_cel_run *run,
                                            const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;

	if (v[SFS_CEL_MACRO_GATHERED].kind == SFS_CEL_ERROR)
		return sfs_cel_deliver(run, op, v[SFS_CEL_MACRO_GATHERED]);
	v[0] = v[SFS_CEL_MACRO_GATHERED];
	return op + 1;
}

const struct sfs_cel_op *sfs_cel_do_one_step(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;

	if (v[SFS_CEL_MACRO_VALUE].kind != SFS_CEL_BOOL)
		return sfs_cel_raise(run, op, "the condition is no bool");
	if (v[SFS_CEL_MACRO_VALUE].as.boolean)
		v[SFS_CEL_MACRO_GATHERED].as.integer++;
	return op + op->as.jump.by;
}

const struct sfs_cel_op *sfs_cel_do_one_end(struct sfs_cel_run *run,
                                            const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;

	v->kind = SFS_CEL_BOOL;
	v->as.boolean = v[SFS_CEL_MACRO_GATHERED].as.integer == 1;
	return op + 1;
}

/* Whether the round goes on to what is appended. */
const struct sfs_cel_op *sfs_cel_do_if(struct sfs_cel_run *run,
                                       const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *v =
		run->slots + op->slot + SFS_CEL_MACRO_VALUE;

	if (v->kind != SFS_CEL_BOOL)
		return sfs_cel_raise(run, op, "the condition is no bool");
	return v->as.boolean ? op + 1 : op + op->as.jump.by;
}

static bool grow(struct sfs_cel_run *run, struct builder *b)
{
	const size_t cap = b->cap > 0 ? b->cap * 2 : FIRST_ITEMS;
	struct sfs_cel_value *items =
		sfs_cel_pool_get(run->pool, cap * sizeof(*items));

	if (items == NULL)
		return false;
	if (b->list.count > 0)
		memcpy(items, b->items, b->list.count * sizeof(*items));
	b->items = items;
	b->list.items = items;
	b->cap = cap;
	return true;
}

const struct sfs_cel_op *sfs_cel_do_append(struct sfs_cel_run *run,
                                           const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	struct builder *b = (struct builder *)v[SFS_CEL_MACRO_GATHERED].as.list;

	if (b->list.count == b->cap && !grow(run, b))
		return sfs_cel_no_memory(run, op);
	b->items[b->list.count++] = v[op->count];
	return op + op->as.jump.by;
}

const struct sfs_cel_op *sfs_cel_do_gathered(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;

	v[0] = v[SFS_CEL_MACRO_GATHERED];
	return op + 1;
}
