/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_PROGRAM_H
#define SFS_CEL_PROGRAM_H

#include "cel/functions.h"

/*
 * A compiled expression: operations in a row, each a function and what it
 * works on. The depth of the stack at each place is known when compiling, so
 * values have fixed slots: an operation finds its operands at slot, slot + 1
 * ..., and leaves its result at slot. The types that the checker found choose
 * operations, but each looks at the kinds of what it really gets.
 */
struct sfs_cel_run;
struct sfs_cel_op;

/* Does an operation and returns the next one; NULL: the evaluation ends. */
typedef const struct sfs_cel_op *sfs_cel_exec(struct sfs_cel_run *run,
                                              const struct sfs_cel_op *op);

struct sfs_cel_op {
	sfs_cel_exec *exec;
	uint32_t slot;
	uint32_t count;   /* of operands; or which variable, which slot */
	uint32_t offset;  /* in the source, for messages */
	uint32_t handler; /* what takes its errors: index + 1; 0: nothing */
	union {
		struct sfs_cel_value constant;
		struct sfs_cel_text name; /* of a variable, a field */
		struct {
			sfs_cel_fn *run;                     /* of row */
			const struct sfs_cel_overload *row;  /* expected */
			const struct sfs_cel_overload *rows; /* of the name */
			uint16_t row_count;
			uint8_t style;                  /* enum sfs_cel_style */
			uint8_t want[SFS_CEL_ARGS_MAX]; /* kinds; or 0 */
		} call;
		struct {
			int32_t by; /* operations */
			uint32_t cost;
			bool decisive; /* what ends && (false), || (true) */
		} jump;
		struct {
			struct sfs_cel_regex *regex;
			const char *fault; /* why there is none */
		} match;
	} as;
};

/* Where an error goes on as a value: in that slot, for that operation. */
struct sfs_cel_handler {
	uint32_t op;
	uint32_t slot;
};

struct sfs_cel_program {
	struct sfs_cel_op *ops;
	size_t count;
	struct sfs_cel_handler *handlers;
	size_t handler_count;
	size_t slots;
	struct sfs_cel_text source;
	struct sfs_cel_pool *pool; /* source, names, constants */
	struct sfs_cel_regex **regexes;
	size_t regex_count;
	bool *is_used; /* variables */
	size_t variable_count;
	enum sfs_cel_kind result;
	char result_type[SFS_CEL_TYPE_TEXT_BYTES];
};

/* One evaluation. */
struct sfs_cel_run {
	struct sfs_cel_value *slots;
	const struct sfs_cel_value *variables;
	struct sfs_cel_pool *pool;
	const struct sfs_cel_program *program;
	int64_t steps;                /* left */
	size_t told;                  /* bytes of messages */
	enum sfs_rc rc;               /* of an evaluation that failed */
	struct sfs_cel_value failure; /* ERROR: see sfs_cel_fault() */
};

struct sfs_cel_scratch {
	struct sfs_cel_pool *pool;
	struct sfs_cel_value *slots;
	size_t cap;
};

/*
 * Copies a value by its members. Compilers prefer wider loads, which a CPU
 * cannot take from narrower stores that it has just done: at each operation
 * that costs more than all else.
 */
static inline void sfs_cel_put(struct sfs_cel_value *to,
                               const struct sfs_cel_value *from)
{
	const enum sfs_cel_kind kind = from->kind;
	const char *data = from->as.text.data; /* the two words of any kind */
	size_t len = from->as.text.len;

	__asm__("" : "+r"(data), "+r"(len));
	to->kind = kind;
	to->as.text.data = data;
	to->as.text.len = len;
}

/* An error value with the place where it happened. */
static inline struct sfs_cel_value sfs_cel_fault(const char *message,
                                                 uint32_t offset)
{
	struct sfs_cel_value v = { .kind = SFS_CEL_ERROR };

	v.as.text.data = message; /* lies where as.error does */
	v.as.text.len = offset;
	return v;
}

/* Ends an operation with an error: of the expression; of a limit. */
const struct sfs_cel_op *sfs_cel_raise(struct sfs_cel_run *run,
                                       const struct sfs_cel_op *op,
                                       const char *message);
const struct sfs_cel_op *sfs_cel_deliver(struct sfs_cel_run *run,
                                         const struct sfs_cel_op *op,
                                         struct sfs_cel_value fault);
const struct sfs_cel_op *sfs_cel_stop(struct sfs_cel_run *run,
                                      const struct sfs_cel_op *op,
                                      enum sfs_rc rc, const char *message);
const struct sfs_cel_op *sfs_cel_no_memory(struct sfs_cel_run *run,
                                           const struct sfs_cel_op *op);

/* A message in the evaluation's memory; fallback when they become many. */
const char *sfs_cel_tell(struct sfs_cel_run *run, const char *fallback,
                         const char *fmt, ...) SFS_PRINTF(3, 4);

/* Takes steps; false: there are not enough, and the evaluation has failed. */
bool sfs_cel_step(struct sfs_cel_run *run, const struct sfs_cel_op *op,
                  size_t steps);

enum { SFS_CEL_TEXT_BYTES_PER_STEP = 16 };

/* A list or map of what lies in slots; false: out of memory. */
bool sfs_cel_make_list(struct sfs_cel_pool *pool,
                       const struct sfs_cel_value *items, size_t count,
                       struct sfs_cel_value *out);

/* NULL: *out is the map, or INVALID when out of memory; else the error. */
const char *sfs_cel_make_map(struct sfs_cel_pool *pool,
                             const struct sfs_cel_value *pairs, size_t count,
                             struct sfs_cel_value *out);

/* The operations: eval.c */
sfs_cel_exec sfs_cel_do_constant, sfs_cel_do_variable, sfs_cel_do_local,
	sfs_cel_do_end, sfs_cel_do_jump, sfs_cel_do_branch,
	sfs_cel_do_logic_test, sfs_cel_do_logic_join, sfs_cel_do_select,
	sfs_cel_do_has, sfs_cel_do_list, sfs_cel_do_map, sfs_cel_do_bound,
	sfs_cel_do_unknown;

/* eval_call.c */
sfs_cel_exec sfs_cel_do_call1, sfs_cel_do_call2, sfs_cel_do_call,
	sfs_cel_do_call_text, sfs_cel_do_dispatch, sfs_cel_do_concat,
	sfs_cel_do_match;

/*
 * eval_fused.c. Each stands before the operations that it does at once, named
 * by the operands that those load: a variable, a constant. If something is
 * not as expected, it does nothing, and they are done one by one.
 */
sfs_cel_exec sfs_cel_do_fused_v, sfs_cel_do_fused_c, sfs_cel_do_fused_vc,
	sfs_cel_do_fused_vv, sfs_cel_do_fused_vc_text,
	sfs_cel_do_fused_vc_branch, sfs_cel_do_fused_vc_text_branch;

/*
 * eval_macro.c. Slots of a macro: what is walked and then the result, the
 * index, what was gathered, the variable, and the value of its expression.
 */
enum {
	SFS_CEL_MACRO_INDEX = 1,
	SFS_CEL_MACRO_GATHERED,
	SFS_CEL_MACRO_VARIABLE,
	SFS_CEL_MACRO_VALUE,
};
sfs_cel_exec sfs_cel_do_begin, sfs_cel_do_next, sfs_cel_do_all_step,
	sfs_cel_do_all_end, sfs_cel_do_one_step, sfs_cel_do_one_end,
	sfs_cel_do_if, sfs_cel_do_append, sfs_cel_do_gathered;

#endif
