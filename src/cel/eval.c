/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evaluation: a loop over operations, with the values in the slots of a
 * scratch that is used again and again. Errors of the expression go to the
 * handler of the operation where they happen, as && || and some macros may
 * ignore them; limits and lack of memory end the evaluation at once.
 */
#include "cel/ast.h"
#include "cel/program.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	TOLD_MAX_BYTES = 16 << 10, /* messages made in one evaluation */
	MESSAGE_BYTES = 320,
	SHOWN_BYTES = 64, /* of a name */
};

struct sfs_cel_scratch *sfs_cel_scratch_new(void)
{
	struct sfs_cel_scratch *s = sfs_calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->pool = sfs_cel_pool_new(SFS_CEL_MEMORY_MAX_BYTES);
	if (s->pool != NULL)
		return s;
	sfs_free(s);
	return NULL;
}

void sfs_cel_scratch_free(struct sfs_cel_scratch *s)
{
	if (s == NULL)
		return;
	sfs_cel_pool_free(s->pool);
	sfs_free(s->slots);
	sfs_free(s);
}

const struct sfs_cel_op *sfs_cel_deliver(struct sfs_cel_run *run,
                                         const struct sfs_cel_op *op,
                                         struct sfs_cel_value fault)
{
	const struct sfs_cel_handler *h;

	if (op->handler == 0) {
		run->rc = SFS_E_INVALID;
		run->failure = fault;
		return NULL;
	}
	h = &run->program->handlers[op->handler - 1];
	run->slots[h->slot] = fault;
	return &run->program->ops[h->op];
}

const struct sfs_cel_op *sfs_cel_raise(struct sfs_cel_run *run,
                                       const struct sfs_cel_op *op,
                                       const char *message)
{
	return sfs_cel_deliver(run, op, sfs_cel_fault(message, op->offset));
}

const struct sfs_cel_op *sfs_cel_stop(struct sfs_cel_run *run,
                                      const struct sfs_cel_op *op,
                                      enum sfs_rc rc, const char *message)
{
	run->rc = rc;
	run->failure = sfs_cel_fault(message, op->offset);
	return NULL;
}

const struct sfs_cel_op *sfs_cel_no_memory(struct sfs_cel_run *run,
                                           const struct sfs_cel_op *op)
{
	if (sfs_cel_pool_is_full(run->pool))
		return sfs_cel_stop(run, op, SFS_E_TOO_BIG,
		                    "the evaluation needs too much memory");
	return sfs_cel_stop(run, op, SFS_E_NO_MEMORY,
	                    "not enough memory for an evaluation");
}

const char *sfs_cel_tell(struct sfs_cel_run *run, const char *fallback,
                         const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (run->told > TOLD_MAX_BYTES)
		return fallback;
	run->told += MESSAGE_BYTES;
	text = sfs_cel_pool_get(run->pool, MESSAGE_BYTES);
	if (text == NULL)
		return fallback;
	va_start(ap, fmt);
	(void)vsnprintf(text, MESSAGE_BYTES, fmt, ap);
	va_end(ap);
	return text;
}

bool sfs_cel_step(struct sfs_cel_run *run, const struct sfs_cel_op *op,
                  size_t steps)
{
	if (steps < (size_t)run->steps) {
		run->steps -= (int64_t)steps;
		return true;
	}
	(void)sfs_cel_stop(run, op, SFS_E_TOO_BIG,
	                   "the evaluation takes too many steps");
	return false;
}

static const char *name_of(const struct sfs_cel_op *op, int *len)
{
	const size_t shown =
		op->as.name.len < SHOWN_BYTES ? op->as.name.len : SHOWN_BYTES;

	*len = (int)shown;
	return op->as.name.data;
}

const struct sfs_cel_op *sfs_cel_do_constant(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	sfs_cel_put(&run->slots[op->slot], &op->as.constant);
	return op + 1;
}

static const struct sfs_cel_op *raise_unbound(struct sfs_cel_run *run,
                                              const struct sfs_cel_op *op)
{
	const char *name;
	int len;

	name = name_of(op, &len);
	return sfs_cel_raise(run, op,
	                     sfs_cel_tell(run, "a variable has no value",
	                                  "the variable '%.*s' has no value",
	                                  len, name));
}

const struct sfs_cel_op *sfs_cel_do_variable(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *v = &run->variables[op->count];

	if (v->kind == SFS_CEL_INVALID || v->kind == SFS_CEL_ERROR)
		return raise_unbound(run, op);
	sfs_cel_put(&run->slots[op->slot], v);
	return op + 1;
}

const struct sfs_cel_op *sfs_cel_do_local(struct sfs_cel_run *run,
                                          const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *v = &run->slots[op->count];

	if (v->kind == SFS_CEL_ERROR)
		return sfs_cel_deliver(run, op, *v);
	sfs_cel_put(&run->slots[op->slot], v);
	return op + 1;
}

const struct sfs_cel_op *sfs_cel_do_unknown(struct sfs_cel_run *run,
                                            const struct sfs_cel_op *op)
{
	const char *name;
	int len;

	name = name_of(op, &len);
	return sfs_cel_raise(run, op,
	                     sfs_cel_tell(run, "a name is not known",
	                                  "nothing is called '%.*s'", len,
	                                  name));
}

const struct sfs_cel_op *sfs_cel_do_end(struct sfs_cel_run *run,
                                        const struct sfs_cel_op *op)
{
	(void)run;
	(void)op;
	return NULL;
}

const struct sfs_cel_op *sfs_cel_do_jump(struct sfs_cel_run *run,
                                         const struct sfs_cel_op *op)
{
	(void)run;
	return op + op->as.jump.by;
}

const struct sfs_cel_op *sfs_cel_do_branch(struct sfs_cel_run *run,
                                           const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *v = &run->slots[op->slot];

	if (v->kind != SFS_CEL_BOOL)
		return sfs_cel_raise(run, op, "the condition of ?: is no bool");
	return v->as.boolean ? op + 1 : op + op->as.jump.by;
}

/* Between the operands of && or ||: the first may decide, or be an error. */
const struct sfs_cel_op *sfs_cel_do_logic_test(struct sfs_cel_run *run,
                                               const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = &run->slots[op->slot];

	if (v->kind == SFS_CEL_BOOL)
		return v->as.boolean == op->as.jump.decisive
		               ? op + op->as.jump.by
		               : op + 1;
	if (v->kind != SFS_CEL_ERROR)
		*v = sfs_cel_fault("the operands of && and || are bool",
		                   op->offset);
	return op + 1;
}

const struct sfs_cel_op *sfs_cel_do_logic_join(struct sfs_cel_run *run,
                                               const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = &run->slots[op->slot];

	if (v[1].kind == SFS_CEL_BOOL &&
	    (v[0].kind == SFS_CEL_BOOL ||
	     v[1].as.boolean == op->as.jump.decisive)) {
		v[0] = v[1];
		return op + 1;
	}
	if (v[0].kind == SFS_CEL_ERROR)
		return sfs_cel_deliver(run, op, v[0]);
	if (v[1].kind == SFS_CEL_ERROR)
		return sfs_cel_deliver(run, op, v[1]);
	return sfs_cel_raise(run, op, "the operands of && and || are bool");
}

/* The field of the map in slot; NULL: none. *ok is false: it is no map. */
static const struct sfs_cel_value *
find_field(struct sfs_cel_run *run, const struct sfs_cel_op *op, bool *ok)
{
	const struct sfs_cel_value *of = &run->slots[op->slot];
	const struct sfs_cel_value key = {
		.kind = SFS_CEL_STRING,
		.as.text = op->as.name,
	};

	*ok = of->kind == SFS_CEL_MAP;
	return *ok ? sfs_cel_map_find(of->as.map, &key) : NULL;
}

static size_t field_cost(const struct sfs_cel_run *run,
                         const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *of = &run->slots[op->slot];

	return of->kind == SFS_CEL_MAP ? of->as.map->count : 0;
}

static const struct sfs_cel_op *raise_no_map(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	const char *kind = sfs_cel_kind_name(run->slots[op->slot].kind);
	const char *name;
	int len;

	name = name_of(op, &len);
	return sfs_cel_raise(run, op,
	                     sfs_cel_tell(run, "fields are selected of maps",
	                                  "a value of type %s has no field "
	                                  "'%.*s'",
	                                  kind, len, name));
}

const struct sfs_cel_op *sfs_cel_do_select(struct sfs_cel_run *run,
                                           const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *found;
	const char *name;
	bool is_map;
	int len;

	if (!sfs_cel_step(run, op, field_cost(run, op)))
		return NULL;
	found = find_field(run, op, &is_map);
	if (!is_map)
		return raise_no_map(run, op);
	if (found != NULL) {
		run->slots[op->slot] = *found;
		return op + 1;
	}
	name = name_of(op, &len);
	return sfs_cel_raise(run, op,
	                     sfs_cel_tell(run, "no such key",
	                                  "no such key: '%.*s'", len, name));
}

const struct sfs_cel_op *sfs_cel_do_has(struct sfs_cel_run *run,
                                        const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *found;
	bool is_map;

	if (!sfs_cel_step(run, op, field_cost(run, op)))
		return NULL;
	found = find_field(run, op, &is_map);
	if (!is_map)
		return raise_no_map(run, op);
	run->slots[op->slot].kind = SFS_CEL_BOOL;
	run->slots[op->slot].as.boolean = found != NULL;
	return op + 1;
}

const struct sfs_cel_op *sfs_cel_do_list(struct sfs_cel_run *run,
                                         const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = &run->slots[op->slot];

	if (!sfs_cel_make_list(run->pool, v, op->count, v))
		return sfs_cel_no_memory(run, op);
	return op + 1;
}

const struct sfs_cel_op *sfs_cel_do_map(struct sfs_cel_run *run,
                                        const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = &run->slots[op->slot];
	struct sfs_cel_value map;
	const char *fault;

	fault = sfs_cel_make_map(run->pool, v, op->count, &map);
	if (fault != NULL)
		return sfs_cel_raise(run, op, fault);
	if (map.kind == SFS_CEL_INVALID)
		return sfs_cel_no_memory(run, op);
	*v = map;
	return op + 1;
}

/* cel.bind: the value of the expression takes the variable's place. */
const struct sfs_cel_op *sfs_cel_do_bound(struct sfs_cel_run *run,
                                          const struct sfs_cel_op *op)
{
	run->slots[op->slot] = run->slots[op->slot + 1];
	return op + 1;
}

static enum sfs_rc make_slots(struct sfs_cel_scratch *s, size_t count,
                              struct sfs_err *err)
{
	struct sfs_cel_value *more =
		sfs_realloc_array(s->slots, count, sizeof(*more));

	if (more == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "not enough memory for an evaluation");
	s->slots = more;
	s->cap = count;
	return SFS_OK;
}

static enum sfs_rc report(const struct sfs_cel_run *run, struct sfs_err *err)
{
	const struct sfs_cel_text failure = run->failure.as.text;
	const uint32_t offset = (uint32_t)failure.len;

	if (run->rc == SFS_E_TOO_BIG)
		return sfs_cel_refuse_size(run->program->source, offset, err,
		                           "%s", failure.data);
	if (run->rc == SFS_E_INVALID)
		return sfs_cel_refuse(run->program->source, offset, err, "%s",
		                      failure.data);
	return sfs_err_set(err, run->rc, "%s", failure.data);
}

enum sfs_rc sfs_cel_eval(const struct sfs_cel_program *p,
                         const struct sfs_cel_value *variables,
                         struct sfs_cel_scratch *scratch,
                         struct sfs_cel_value *out, struct sfs_err *err)
{
	const struct sfs_cel_op *op = p->ops;
	struct sfs_cel_run run;

	if (scratch->cap < p->slots &&
	    make_slots(scratch, p->slots, err) != SFS_OK)
		return SFS_E_NO_MEMORY;
	sfs_cel_pool_reset(scratch->pool);
	run.slots = scratch->slots;
	run.variables = variables;
	run.pool = scratch->pool;
	run.program = p;
	run.steps = SFS_CEL_STEPS_MAX;
	run.told = 0;
	run.rc = SFS_OK;
	while (op != NULL)
		op = op->exec(&run, op);
	if (run.rc != SFS_OK)
		return report(&run, err);
	sfs_cel_put(out, &run.slots[0]);
	return SFS_OK;
}
