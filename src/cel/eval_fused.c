/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What routing expressions mostly do, without a step for each operand: an
 * operator with a variable and a constant, and a branch upon that. What is
 * done at once follows the fused operation one by one, for all other cases.
 */
#include "cel/program.h"

static inline bool is_expected(const struct sfs_cel_op *call,
                               const struct sfs_cel_value *first,
                               const struct sfs_cel_value *second)
{
	return first->kind == call->as.call.want[0] &&
	       second->kind == call->as.call.want[1];
}

/* With both operands, which are as expected; an ERROR has no effect. */
static inline struct sfs_cel_value fused2(struct sfs_cel_run *run,
                                          const struct sfs_cel_op *call,
                                          const struct sfs_cel_value *first,
                                          const struct sfs_cel_value *second)
{
	struct sfs_cel_value *v = run->slots + call->slot;

	sfs_cel_put(&v[0], first);
	sfs_cel_put(&v[1], second);
	return call->as.call.run(v, run->pool);
}

/* Takes the steps of comparing texts. */
static inline bool is_affordable(struct sfs_cel_run *run,
                                 const struct sfs_cel_value *first,
                                 const struct sfs_cel_value *second)
{
	const size_t steps = (first->as.text.len + second->as.text.len) /
	                     SFS_CEL_TEXT_BYTES_PER_STEP;

	if (steps >= (size_t)run->steps)
		return false;
	run->steps -= (int64_t)steps;
	return true;
}

/* Where it goes on after count operations that gave that result. */
static inline const struct sfs_cel_op *
finish(struct sfs_cel_run *run, const struct sfs_cel_op *op, uint32_t count,
       const struct sfs_cel_value *result)
{
	if (result->kind == SFS_CEL_ERROR)
		return op + 1;
	sfs_cel_put(&run->slots[op->slot], result);
	return op + count;
}

const struct sfs_cel_op *sfs_cel_do_fused_v(struct sfs_cel_run *run,
                                            const struct sfs_cel_op *op)
{
	const struct sfs_cel_op *call = op + 2;
	const struct sfs_cel_value *first = &run->variables[op[1].count];
	struct sfs_cel_value *v = run->slots + call->slot;
	struct sfs_cel_value result;

	if (first->kind != call->as.call.want[0])
		return op + 1;
	sfs_cel_put(v, first);
	result = call->as.call.run(v, run->pool);
	return finish(run, op, 3, &result);
}

const struct sfs_cel_op *sfs_cel_do_fused_c(struct sfs_cel_run *run,
                                            const struct sfs_cel_op *op)
{
	const struct sfs_cel_op *call = op + 2;
	struct sfs_cel_value *v = run->slots + call->slot;
	struct sfs_cel_value result;

	if (!is_expected(call, v, &op[1].as.constant))
		return op + 1;
	sfs_cel_put(&v[1], &op[1].as.constant);
	result = call->as.call.run(v, run->pool);
	return finish(run, op, 3, &result);
}

const struct sfs_cel_op *sfs_cel_do_fused_vc(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *first = &run->variables[op[1].count];
	const struct sfs_cel_value *second = &op[2].as.constant;
	struct sfs_cel_value result;

	if (!is_expected(op + 3, first, second))
		return op + 1;
	result = fused2(run, op + 3, first, second);
	return finish(run, op, 4, &result);
}

const struct sfs_cel_op *sfs_cel_do_fused_vv(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *first = &run->variables[op[1].count];
	const struct sfs_cel_value *second = &run->variables[op[2].count];
	struct sfs_cel_value result;

	if (!is_expected(op + 3, first, second))
		return op + 1;
	result = fused2(run, op + 3, first, second);
	return finish(run, op, 4, &result);
}

const struct sfs_cel_op *sfs_cel_do_fused_vc_text(struct sfs_cel_run *run,
                                                  const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *first = &run->variables[op[1].count];
	const struct sfs_cel_value *second = &op[2].as.constant;
	struct sfs_cel_value result;

	if (!is_expected(op + 3, first, second) ||
	    !is_affordable(run, first, second))
		return op + 1;
	result = fused2(run, op + 3, first, second);
	return finish(run, op, 4, &result);
}

/* The branch behind a call, which needs no value in a slot. */
static inline const struct sfs_cel_op *branch(const struct sfs_cel_op *op,
                                              struct sfs_cel_value result)
{
	const struct sfs_cel_op *last = op + 4;

	if (result.kind != SFS_CEL_BOOL)
		return op + 1;
	return result.as.boolean ? last + 1 : last + last->as.jump.by;
}

const struct sfs_cel_op *sfs_cel_do_fused_vc_branch(struct sfs_cel_run *run,
                                                    const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *first = &run->variables[op[1].count];
	const struct sfs_cel_value *second = &op[2].as.constant;

	if (!is_expected(op + 3, first, second))
		return op + 1;
	return branch(op, fused2(run, op + 3, first, second));
}

const struct sfs_cel_op *
sfs_cel_do_fused_vc_text_branch(struct sfs_cel_run *run,
                                const struct sfs_cel_op *op)
{
	const struct sfs_cel_value *first = &run->variables[op[1].count];
	const struct sfs_cel_value *second = &op[2].as.constant;

	if (!is_expected(op + 3, first, second) ||
	    !is_affordable(run, first, second))
		return op + 1;
	return branch(op, fused2(run, op + 3, first, second));
}
