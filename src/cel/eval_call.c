/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls. The expected overload is run if the values are of its kinds; else
 * the table is searched with what the values really are, which is also how
 * dyn and unchecked expressions are done.
 */
#include "cel/check.h"
#include "cel/program.h"

#include <string.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)

enum { KINDS_BYTES = 128 };

/* A function gave an error. */
static const struct sfs_cel_op *fail(struct sfs_cel_run *run,
                                     const struct sfs_cel_op *op,
                                     struct sfs_cel_value v)
{
	if (v.as.error == SFS_CEL_NO_POOL)
		return sfs_cel_no_memory(run, op);
	return sfs_cel_raise(run, op, v.as.error);
}

/* "int, string" */
static void list_kinds(const struct sfs_cel_value *v, uint32_t count,
                       char out[KINDS_BYTES])
{
	const char *name;
	size_t at = 0;
	size_t len;

	for (uint32_t i = 0; i < count; i++) {
		name = sfs_cel_kind_name(v[i].kind);
		len = strlen(name);
		if (at + len + 3 > KINDS_BYTES)
			break;
		if (i > 0) {
			memcpy(out + at, ", ", 2);
			at += 2;
		}
		memcpy(out + at, name, len);
		at += len;
	}
	out[at] = '\0';
}

static const struct sfs_cel_op *raise_overload(struct sfs_cel_run *run,
                                               const struct sfs_cel_op *op,
                                               const struct sfs_cel_value *v,
                                               uint32_t count)
{
	const char *row = op->as.call.rows[0].name;
	const struct sfs_cel_text name = sfs_cel_operator_text(
		(struct sfs_cel_text){ row, strlen(row) });
	char kinds[KINDS_BYTES];

	list_kinds(v, count, kinds);
	return sfs_cel_raise(run, op,
	                     sfs_cel_tell(run, "no such overload",
	                                  "'%.*s' does not take (%s)",
	                                  (int)name.len, name.data, kinds));
}

static bool fits(const struct sfs_cel_overload *row, unsigned style,
                 const struct sfs_cel_value *v, uint32_t count)
{
	const struct sfs_cel_type *t;

	if (row->argc != count || ((unsigned)row->style & style) == 0)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		t = row->args[i];
		if (t->parameter == 0 && t->kind != SFS_CEL_DYN &&
		    t->kind != v[i].kind)
			return false;
	}
	return true;
}

/* Finds the overload for v[0] ... and leaves the result in v[0]. */
static const struct sfs_cel_op *dispatch(struct sfs_cel_run *run,
                                         const struct sfs_cel_op *op,
                                         struct sfs_cel_value *v,
                                         uint32_t count)
{
	const struct sfs_cel_overload *row = op->as.call.rows;
	const struct sfs_cel_overload *end = row + op->as.call.row_count;
	struct sfs_cel_value result;

	while (row < end && !fits(row, op->as.call.style, v, count))
		row++;
	if (row == end)
		return raise_overload(run, op, v, count);
	if (row->cost != SFS_CEL_COST_ONE &&
	    !sfs_cel_step(run, op, sfs_cel_call_cost(row, v)))
		return NULL;
	result = row->run(v, run->pool);
	if (result.kind == SFS_CEL_ERROR)
		return fail(run, op, result);
	v[0] = result;
	return op + 1;
}

/* Runs the expected overload. */
static inline const struct sfs_cel_op *finish(struct sfs_cel_run *run,
                                              const struct sfs_cel_op *op,
                                              struct sfs_cel_value *v)
{
	const struct sfs_cel_value result = op->as.call.run(v, run->pool);

	if (!LIKELY(result.kind != SFS_CEL_ERROR))
		return fail(run, op, result);
	sfs_cel_put(v, &result);
	return op + 1;
}

const struct sfs_cel_op *sfs_cel_do_dispatch(struct sfs_cel_run *run,
                                             const struct sfs_cel_op *op)
{
	return dispatch(run, op, run->slots + op->slot, op->count);
}

const struct sfs_cel_op *sfs_cel_do_call1(struct sfs_cel_run *run,
                                          const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;

	if (v->kind != op->as.call.want[0])
		return dispatch(run, op, v, 1);
	return finish(run, op, v);
}

const struct sfs_cel_op *sfs_cel_do_call2(struct sfs_cel_run *run,
                                          const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;

	if (v[0].kind != op->as.call.want[0] ||
	    v[1].kind != op->as.call.want[1])
		return dispatch(run, op, v, 2);
	return finish(run, op, v);
}

/* One or two texts, whose lengths are what it costs. */
const struct sfs_cel_op *sfs_cel_do_call_text(struct sfs_cel_run *run,
                                              const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	size_t len;

	if (v[0].kind != op->as.call.want[0])
		return dispatch(run, op, v, op->count);
	len = v[0].as.text.len;
	if (op->count == 2) {
		if (v[1].kind != op->as.call.want[1])
			return dispatch(run, op, v, 2);
		len += v[1].as.text.len;
	}
	if (!sfs_cel_step(run, op, len / SFS_CEL_TEXT_BYTES_PER_STEP))
		return NULL;
	return finish(run, op, v);
}

const struct sfs_cel_op *sfs_cel_do_call(struct sfs_cel_run *run,
                                         const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	const struct sfs_cel_overload *row = op->as.call.row;

	for (uint32_t i = 0; i < op->count; i++)
		if (op->as.call.want[i] != v[i].kind &&
		    op->as.call.want[i] != 0)
			return dispatch(run, op, v, op->count);
	if (row->cost != SFS_CEL_COST_ONE &&
	    !sfs_cel_step(run, op, sfs_cel_call_cost(row, v)))
		return NULL;
	return finish(run, op, v);
}

/* Values that are no texts after all are added one by one. */
static const struct sfs_cel_op *add_each(struct sfs_cel_run *run,
                                         const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	const struct sfs_cel_op *next = op + 1;

	for (uint32_t i = 1; i < op->count; i++) {
		v[1] = v[i];
		next = dispatch(run, op, v, 2);
		if (next != op + 1)
			return next;
	}
	return next;
}

/* Most texts are short, and are not worth a call. */
static inline char *add_text(char *end, struct sfs_cel_text text)
{
	uint64_t first;
	uint64_t last;

	if (text.len >= sizeof(first) && text.len <= 2 * sizeof(first)) {
		memcpy(&first, text.data, sizeof(first));
		memcpy(&last, text.data + text.len - sizeof(last),
		       sizeof(last));
		memcpy(end, &first, sizeof(first));
		memcpy(end + text.len - sizeof(last), &last, sizeof(last));
		return end + text.len;
	}
	if (text.len > 2 * sizeof(first)) {
		memcpy(end, text.data, text.len);
		return end + text.len;
	}
	for (size_t i = 0; i < text.len; i++)
		end[i] = text.data[i];
	return end + text.len;
}

/* a + b + c ... */
const struct sfs_cel_op *sfs_cel_do_concat(struct sfs_cel_run *run,
                                           const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	size_t len = 0;
	char *text;
	char *end;

	for (uint32_t i = 0; i < op->count; i++) {
		if (v[i].kind != op->as.call.want[0])
			return add_each(run, op);
		if (__builtin_add_overflow(len, v[i].as.text.len, &len))
			return sfs_cel_stop(run, op, SFS_E_TOO_BIG,
			                    "a text is too long");
	}
	text = sfs_cel_pool_get(run->pool, len);
	if (text == NULL)
		return sfs_cel_no_memory(run, op);
	end = text;
	for (uint32_t i = 0; i < op->count; i++)
		end = add_text(end, v[i].as.text);
	v->as.text = (struct sfs_cel_text){ text, len };
	return op + 1;
}

/* x.matches("..."): the pattern's own slot is not needed. */
const struct sfs_cel_op *sfs_cel_do_match(struct sfs_cel_run *run,
                                          const struct sfs_cel_op *op)
{
	struct sfs_cel_value *v = run->slots + op->slot;
	enum sfs_rc rc;
	bool found;

	if (v->kind != SFS_CEL_STRING)
		return sfs_cel_raise(run, op,
		                     "'matches' takes (string, string)");
	if (op->as.match.regex == NULL)
		return sfs_cel_raise(run, op, op->as.match.fault);
	if (!sfs_cel_step(run, op,
	                  sfs_cel_regex_cost(op->as.match.regex, v->as.text)))
		return NULL;
	rc = sfs_cel_regex_search(op->as.match.regex, v->as.text, &found, NULL);
	if (rc != SFS_OK)
		return sfs_cel_no_memory(run, op);
	v->kind = SFS_CEL_BOOL;
	v->as.boolean = found;
	return op + 1;
}
