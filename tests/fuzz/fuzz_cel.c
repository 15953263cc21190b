/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses, checks, evaluates. Whatever the text is, that ends soon; the same
 * comes out again, and without the type checker, which is another path through
 * the evaluator; and what the printer makes of a result is an expression that
 * means it. The first byte chooses values.
 */
#include "cel/cel.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sfs_cel_variable variables[] = {
	{ "key", "int" },     { "u", "uint" },  { "x", "double" },
	{ "s", "string" },    { "b", "bytes" }, { "d", "dyn" },
	{ "l", "list(int)" }, { "n", "int" },   { "t", "bool" },
};

enum { VARIABLES = sizeof(variables) / sizeof(variables[0]) };

static const struct sfs_cel_value items[] = {
	{ .kind = SFS_CEL_INT, .as.integer = 1 },
	{ .kind = SFS_CEL_INT, .as.integer = -2 },
	{ .kind = SFS_CEL_INT, .as.integer = INT64_MIN },
};
static const struct sfs_cel_list list = { items, 3 };

static void bind(struct sfs_cel_value *v, unsigned choice)
{
	static const int64_t integers[] = { 0, -1, INT64_MIN, INT64_MAX };
	static const double numbers[] = { 0.0, -1.5, 1e300, 5e-324 };
	static const struct sfs_cel_text texts[] = {
		{ "", 0 }, { "us", 2 }, { "a\0b", 3 }, { "\xe2\x82\xac", 3 }
	};

	memset(v, 0, VARIABLES * sizeof(*v));
	choice &= 3;
	v[0].kind = SFS_CEL_INT;
	v[0].as.integer = integers[choice];
	v[1].kind = SFS_CEL_UINT;
	v[1].as.uinteger = (uint64_t)integers[choice];
	v[2].kind = SFS_CEL_DOUBLE;
	v[2].as.number = numbers[choice];
	v[3].kind = SFS_CEL_STRING;
	v[3].as.text = texts[choice];
	v[4].kind = SFS_CEL_BYTES;
	v[4].as.text = texts[3 - choice];
	v[5] = v[choice];
	v[6].kind = SFS_CEL_LIST;
	v[6].as.list = &list;
	v[8].kind = SFS_CEL_BOOL; /* v[7] is not bound */
	v[8].as.boolean = choice > 1;
}

static struct sfs_cel_program *compile(const char *text, size_t len,
                                       bool is_unchecked)
{
	const struct sfs_cel_env env = { variables, VARIABLES, is_unchecked };
	struct sfs_cel_program *program = NULL;

	if (sfs_cel_compile(text, len, &env, &program, NULL) != SFS_OK)
		return NULL;
	return program;
}

/* What came out: its text, unless it was an error. */
struct outcome {
	enum sfs_rc rc;
	struct sfs_buf text;
};

static void run(const struct sfs_cel_program *program,
                const struct sfs_cel_value *values,
                struct sfs_cel_scratch *scratch, struct outcome *out)
{
	struct sfs_cel_value result;

	sfs_buf_reset(&out->text);
	out->rc = sfs_cel_eval(program, values, scratch, &result, NULL);
	if (out->rc == SFS_OK)
		sfs_cel_value_print(&result, &out->text);
}

/* Over a limit is no difference: what is checked takes fewer steps. */
static void must_be_same(const struct outcome *a, const struct outcome *b)
{
	if (a->rc == SFS_E_TOO_BIG || b->rc == SFS_E_TOO_BIG)
		return;
	if (a->rc != b->rc || a->text.len != b->text.len ||
	    (a->text.len > 0 &&
	     memcmp(a->text.data, b->text.data, a->text.len) != 0))
		abort();
}

/* Types have the form of names, which are not always declared so. */
static bool is_literal(const struct sfs_cel_program *program)
{
	const enum sfs_cel_kind kind = sfs_cel_result_kind(program);

	return kind == SFS_CEL_BOOL || kind == SFS_CEL_INT ||
	       kind == SFS_CEL_UINT || kind == SFS_CEL_STRING ||
	       kind == SFS_CEL_BYTES;
}

static void check_printed(const struct outcome *first,
                          const struct sfs_cel_value *values,
                          struct sfs_cel_scratch *scratch)
{
	const struct sfs_buf *text = &first->text;
	struct outcome again = { .text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES) };
	struct sfs_cel_program *program;

	if (text->failed != SFS_OK || text->len > SFS_CEL_TEXT_MAX_BYTES)
		return;
	program = compile(text->data, text->len, false);
	if (program == NULL)
		abort();
	run(program, values, scratch, &again);
	must_be_same(first, &again);
	sfs_cel_program_free(program);
	sfs_buf_release(&again.text);
}

static void evaluate(const struct sfs_cel_program *checked,
                     const struct sfs_cel_program *unchecked,
                     const struct sfs_cel_value *values)
{
	struct sfs_cel_scratch *scratch = sfs_cel_scratch_new();
	struct outcome first = { .text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES) };
	struct outcome again = { .text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES) };

	if (scratch == NULL || unchecked == NULL)
		abort();
	run(unchecked, values, scratch, &first);
	if (checked != NULL) {
		run(checked, values, scratch, &again);
		must_be_same(&first, &again);
		run(checked, values, scratch, &first);
		must_be_same(&first, &again);
		if (first.rc == SFS_OK && is_literal(checked))
			check_printed(&first, values, scratch);
	}
	sfs_buf_release(&first.text);
	sfs_buf_release(&again.text);
	sfs_cel_scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sfs_cel_value values[VARIABLES];
	struct sfs_cel_program *unchecked;
	struct sfs_cel_program *checked;

	if (size == 0)
		return 0;
	checked = compile((const char *)data + 1, size - 1, false);
	unchecked = compile((const char *)data + 1, size - 1, true);
	if (unchecked != NULL || checked != NULL) {
		bind(values, data[0]);
		evaluate(checked, unchecked, values);
	}
	sfs_cel_program_free(checked);
	sfs_cel_program_free(unchecked);
	return 0;
}
