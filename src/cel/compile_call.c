/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls and macros. A call expects the overload that the checker's types
 * tell, and finds another by itself when the values are of other kinds. A
 * chain of joined texts becomes one operation, which copies each once.
 */
#include "cel/compile.h"

#include "base/alloc.h"

#include <string.h>

/*
 * Kept by a program; others are made anew. One may take 10 ms to be made or
 * refused, and 1 MiB.
 */
enum { REGEXES_MAX = 64 };

static bool has_style(const struct sfs_cel_overload *row,
                      enum sfs_cel_style style)
{
	return ((unsigned)row->style & (unsigned)style) != 0;
}

static bool fits(const struct sfs_cel_type *row, const struct sfs_cel_type *t)
{
	return row->parameter > 0 || row->kind == SFS_CEL_DYN ||
	       row->kind == t->kind || t->kind == SFS_CEL_DYN;
}

/* The first overload that the checker's types fit; NULL: none. */
static const struct sfs_cel_overload *
expected_row(const struct sfs_cel_node *n, enum sfs_cel_style style,
             const struct sfs_cel_overload *rows, size_t count)
{
	uint32_t fitting;

	for (size_t i = 0; i < count; i++) {
		if (!has_style(&rows[i], style) || rows[i].argc != n->count)
			continue;
		for (fitting = 0; fitting < n->count; fitting++)
			if (!fits(rows[i].args[fitting],
			          n->children[fitting]->type))
				break;
		if (fitting == n->count)
			return &rows[i];
	}
	return NULL;
}

/* Whether all arguments are texts, whose lengths are what a call costs. */
static bool takes_texts(const struct sfs_cel_overload *row)
{
	for (unsigned i = 0; i < row->argc; i++)
		if (row->args[i]->kind != SFS_CEL_STRING &&
		    row->args[i]->kind != SFS_CEL_BYTES)
			return false;
	return row->cost == SFS_CEL_COST_FLAT && row->argc <= 2;
}

static void expect(struct sfs_cel_op *op, const struct sfs_cel_overload *row)
{
	bool is_plain = row->cost == SFS_CEL_COST_ONE;

	op->as.call.row = row;
	op->as.call.run = row->run;
	for (unsigned i = 0; i < row->argc; i++) {
		if (row->args[i]->parameter == 0 &&
		    row->args[i]->kind != SFS_CEL_DYN)
			op->as.call.want[i] = (uint8_t)row->args[i]->kind;
		else
			is_plain = false;
	}
	if (takes_texts(row))
		op->exec = sfs_cel_do_call_text;
	else if (is_plain && row->argc == 1)
		op->exec = sfs_cel_do_call1;
	else if (is_plain && row->argc == 2)
		op->exec = sfs_cel_do_call2;
	else
		op->exec = sfs_cel_do_call;
}

/* The call of a function, whose arguments lie in the slots already. */
static void emit_function(struct sfs_cel_compiler *c,
                          const struct sfs_cel_node *n, uint32_t slot)
{
	const enum sfs_cel_style style = n->kind == SFS_CEL_NODE_METHOD
	                                         ? SFS_CEL_METHOD
	                                         : SFS_CEL_GLOBAL;
	const struct sfs_cel_overload *rows;
	const struct sfs_cel_overload *row;
	struct sfs_cel_text name;
	struct sfs_cel_op *op;
	size_t count;

	rows = sfs_cel_lookup(&c->lookup, n->name, &count);
	if (rows == NULL) {
		name = sfs_cel_emit_text(c, n->name);
		sfs_cel_emit(c, sfs_cel_do_unknown, n, slot)->as.name = name;
		return;
	}
	row = expected_row(n, style, rows, count);
	op = sfs_cel_emit(c, sfs_cel_do_dispatch, n, slot);
	op->count = n->count;
	op->as.call.rows = rows;
	op->as.call.row_count = (uint16_t)count;
	op->as.call.style = (uint8_t)style;
	if (row != NULL)
		expect(op, row);
}

/*
 * One that the program frees; NULL: out of memory, or it is none, which counts
 * as well.
 */
static struct sfs_cel_regex *add_regex(struct sfs_cel_compiler *c,
                                       struct sfs_cel_text pattern,
                                       struct sfs_err *why)
{
	struct sfs_cel_program *p = c->p;
	struct sfs_cel_regex **more = sfs_realloc_array(
		p->regexes, p->regex_count + 1, sizeof(struct sfs_cel_regex *));
	enum sfs_rc rc;

	if (more == NULL) {
		sfs_cel_emit_fail(c, SFS_E_NO_MEMORY);
		return NULL;
	}
	p->regexes = more;
	more[p->regex_count] = NULL;
	rc = sfs_cel_regex_new(pattern, &more[p->regex_count], why);
	if (rc != SFS_OK && rc != SFS_E_INVALID)
		sfs_cel_emit_fail(c, rc);
	return more[p->regex_count++];
}

static const char *fault_text(struct sfs_cel_compiler *c,
                              const struct sfs_err *why)
{
	struct sfs_cel_text text = { why->msg, strlen(why->msg) };

	return sfs_cel_emit_text(c, text).data;
}

/* matches() needs RE2; a pattern that is known is made once. */
static void emit_matches(struct sfs_cel_compiler *c,
                         const struct sfs_cel_node *n, uint32_t slot)
{
	const struct sfs_cel_node *pattern = n->children[1];
	const bool is_known = pattern->kind == SFS_CEL_NODE_LITERAL &&
	                      pattern->literal.kind == SFS_CEL_STRING;
	const struct sfs_cel_text any = { "", 0 };
	struct sfs_err why = { .rc = SFS_OK };
	struct sfs_cel_regex *regex;
	const char *fault = NULL;
	struct sfs_cel_op *op;

	if (c->p->regex_count == REGEXES_MAX) {
		emit_function(c, n, slot);
		return;
	}
	regex = add_regex(c, is_known ? pattern->literal.as.text : any, &why);
	if (c->failed != SFS_OK && c->failed != SFS_E_NO_MEMORY)
		(void)sfs_err_set(c->err, c->failed, "%s", why.msg);
	if (!is_known) {
		emit_function(c, n, slot);
		return;
	}
	if (regex == NULL)
		fault = fault_text(c, &why);
	emit_function(c, n, slot);
	if (c->failed != SFS_OK)
		return;
	op = &c->p->ops[c->p->count - 1];
	op->exec = sfs_cel_do_match;
	op->as.match.regex = regex;
	op->as.match.fault = fault;
}

static bool is_join(const struct sfs_cel_node *n, enum sfs_cel_kind kind)
{
	return n->kind == SFS_CEL_NODE_CALL && n->count == 2 &&
	       sfs_cel_text_is(n->name, "_+_") && n->type->kind == kind &&
	       n->children[0]->type->kind == kind &&
	       n->children[1]->type->kind == kind;
}

/* The operands of a chain from the left; how many there are. */
static uint32_t emit_chain(struct sfs_cel_compiler *c,
                           const struct sfs_cel_node *n, enum sfs_cel_kind kind,
                           uint32_t slot)
{
	uint32_t count = 0;

	if (is_join(n, kind)) {
		count = emit_chain(c, n->children[0], kind, slot);
		n = n->children[1];
	}
	sfs_cel_emit_node(c, n, slot + count);
	return count + 1;
}

static void emit_concat(struct sfs_cel_compiler *c,
                        const struct sfs_cel_node *n, uint32_t slot)
{
	const enum sfs_cel_kind kind = n->type->kind;
	const uint32_t count = emit_chain(c, n, kind, slot);

	emit_function(c, n, slot);
	if (c->failed != SFS_OK)
		return;
	c->p->ops[c->p->count - 1].exec = sfs_cel_do_concat;
	c->p->ops[c->p->count - 1].count = count;
}

/* What does a call and the loads of its operands at once; NULL: nothing. */
static sfs_cel_exec *fused(const struct sfs_cel_op *loads, size_t count,
                           const struct sfs_cel_op *call)
{
	const bool is_text = call->exec == sfs_cel_do_call_text;
	const struct sfs_cel_op *last = &loads[count - 1];

	if (call->exec == sfs_cel_do_call1 && count == 1)
		return last->exec == sfs_cel_do_variable ? sfs_cel_do_fused_v
		                                         : NULL;
	if ((call->exec != sfs_cel_do_call2 && !is_text) || call->count != 2)
		return NULL;
	if (count == 2 && loads[0].exec == sfs_cel_do_variable) {
		if (last->exec == sfs_cel_do_constant)
			return is_text ? sfs_cel_do_fused_vc_text
			               : sfs_cel_do_fused_vc;
		if (last->exec == sfs_cel_do_variable && !is_text)
			return sfs_cel_do_fused_vv;
	}
	return last->exec == sfs_cel_do_constant && !is_text
	               ? sfs_cel_do_fused_c
	               : NULL;
}

/*
 * Puts a fused operation before the loads of a call that was just added. They
 * begin at first, and the last operand at last: if that is not one operation,
 * something may jump behind it.
 */
static void fuse(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                 size_t first, size_t last)
{
	struct sfs_cel_program *p = c->p;
	const size_t call = p->count - 1;
	size_t at = first;
	sfs_cel_exec *exec;
	struct sfs_cel_op op;

	if (c->failed != SFS_OK || n->count == 0 || last + 1 != call)
		return;
	exec = fused(&p->ops[first], call - first, &p->ops[call]);
	if (exec == NULL)
		return;
	op = *sfs_cel_emit(c, exec, n, p->ops[call].slot);
	if (c->failed != SFS_OK)
		return;
	if (exec == sfs_cel_do_fused_c)
		at = last;
	memmove(&p->ops[at + 1], &p->ops[at],
	        (call + 1 - at) * sizeof(p->ops[0]));
	p->ops[at] = op;
}

void sfs_cel_emit_call(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                       uint32_t slot)
{
	const size_t first = c->p->count;
	size_t last = first;

	if (is_join(n, SFS_CEL_STRING) || is_join(n, SFS_CEL_BYTES)) {
		emit_concat(c, n, slot);
		return;
	}
	for (uint32_t i = 0; i < n->count; i++) {
		last = c->p->count;
		sfs_cel_emit_node(c, n->children[i], slot + i);
	}
	if (sfs_cel_text_is(n->name, "matches") && n->count == 2)
		emit_matches(c, n, slot);
	else
		emit_function(c, n, slot);
	fuse(c, n, first, last);
}

/* An operation at the end of a macro's round, which goes back to its next. */
static struct sfs_cel_op *emit_back(struct sfs_cel_compiler *c,
                                    sfs_cel_exec *exec,
                                    const struct sfs_cel_node *n, uint32_t slot,
                                    size_t next)
{
	const size_t here = c->p->count;
	struct sfs_cel_op *op = sfs_cel_emit(c, exec, n, slot);

	op->as.jump.by = -(int32_t)(here - next);
	return op;
}

/* all and exists: an error in a round is a value that may not matter. */
static void emit_quantifier(struct sfs_cel_compiler *c,
                            const struct sfs_cel_node *n, uint32_t slot,
                            size_t next)
{
	const uint32_t outer = c->handler;

	c->handler = sfs_cel_emit_handler(c, slot + SFS_CEL_MACRO_VALUE);
	sfs_cel_emit_node(c, n->children[1], slot + SFS_CEL_MACRO_VALUE);
	sfs_cel_emit_handled(c, c->handler);
	c->handler = outer;
	emit_back(c, sfs_cel_do_all_step, n->children[1], slot, next)
		->as.jump.decisive = n->kind == SFS_CEL_NODE_EXISTS;
}

static void emit_builder(struct sfs_cel_compiler *c,
                         const struct sfs_cel_node *n, uint32_t slot,
                         size_t next)
{
	const uint32_t value = slot + SFS_CEL_MACRO_VALUE;
	uint32_t appended = SFS_CEL_MACRO_VALUE;

	sfs_cel_emit_node(c, n->children[1], value);
	if (n->kind != SFS_CEL_NODE_MAP_TO)
		(void)emit_back(c, sfs_cel_do_if, n->children[1], slot, next);
	if (n->kind == SFS_CEL_NODE_MAP_IF)
		sfs_cel_emit_node(c, n->children[2], value);
	if (n->kind == SFS_CEL_NODE_FILTER)
		appended = SFS_CEL_MACRO_VARIABLE;
	emit_back(c, sfs_cel_do_append, n, slot, next)->count = appended;
}

/* What a macro has gathered before the first round. */
static struct sfs_cel_value nothing_gathered(const struct sfs_cel_node *n)
{
	struct sfs_cel_value v = { .kind = SFS_CEL_LIST };

	if (n->kind == SFS_CEL_NODE_ALL || n->kind == SFS_CEL_NODE_EXISTS) {
		v.kind = SFS_CEL_BOOL;
		v.as.boolean = n->kind == SFS_CEL_NODE_ALL;
	} else if (n->kind == SFS_CEL_NODE_EXISTS_ONE) {
		v.kind = SFS_CEL_INT;
		v.as.integer = 0;
	}
	return v;
}

static void emit_round(struct sfs_cel_compiler *c, const struct sfs_cel_node *n,
                       uint32_t slot, size_t next)
{
	if (n->kind == SFS_CEL_NODE_ALL || n->kind == SFS_CEL_NODE_EXISTS) {
		emit_quantifier(c, n, slot, next);
	} else if (n->kind == SFS_CEL_NODE_EXISTS_ONE) {
		sfs_cel_emit_node(c, n->children[1],
		                  slot + SFS_CEL_MACRO_VALUE);
		(void)emit_back(c, sfs_cel_do_one_step, n->children[1], slot,
		                next);
	} else {
		emit_builder(c, n, slot, next);
	}
}

/* what is walked; begin; next, which may jump to the end; round; end */
void sfs_cel_emit_macro(struct sfs_cel_compiler *c,
                        const struct sfs_cel_node *n, uint32_t slot)
{
	const struct sfs_cel_scope scope = {
		.name = n->name,
		.slot = slot + SFS_CEL_MACRO_VARIABLE,
		.outer = c->scope,
	};
	sfs_cel_exec *end = sfs_cel_do_gathered;
	size_t next;

	if (n->kind == SFS_CEL_NODE_ALL || n->kind == SFS_CEL_NODE_EXISTS)
		end = sfs_cel_do_all_end;
	if (n->kind == SFS_CEL_NODE_EXISTS_ONE)
		end = sfs_cel_do_one_end;
	sfs_cel_emit_node(c, n->children[0], slot);
	sfs_cel_emit(c, sfs_cel_do_begin, n->children[0], slot)->as.constant =
		nothing_gathered(n);
	next = c->p->count;
	(void)sfs_cel_emit(c, sfs_cel_do_next, n, slot);
	c->scope = &scope;
	emit_round(c, n, slot, next);
	c->scope = scope.outer;
	sfs_cel_emit_land(c, next);
	if (c->failed == SFS_OK)
		c->p->ops[next].as.jump.cost = (uint32_t)(c->p->count - next);
	(void)sfs_cel_emit(c, end, n, slot);
}
