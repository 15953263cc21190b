/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which overloads of a function fit the types of a call, and, since most
 * mistakes in expressions are made there, messages that say what would have.
 */
#include "cel/check.h"

#include "base/nearest.h"

#include <ctype.h>
#include <string.h>

enum {
	CALL_ARGS_MAX = 8, /* that are looked at; functions have fewer */
	LISTED_BYTES = 320,
	SHOWN_BYTES = 64, /* of a name */
};

static const struct {
	const char *name;
	const char *text;
} operators[] = {
	{ "!_", "!" },    { "-_", "-" },    { "@in", "in" },  { "_!=_", "!=" },
	{ "_%_", "%" },   { "_*_", "*" },   { "_+_", "+" },   { "_-_", "-" },
	{ "_/_", "/" },   { "_<=_", "<=" }, { "_<_", "<" },   { "_==_", "==" },
	{ "_>=_", ">=" }, { "_>_", ">" },   { "_[_]", "[]" },
};

struct sfs_cel_text sfs_cel_operator_text(struct sfs_cel_text name)
{
	const char *text;

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		text = operators[i].text;
		if (sfs_cel_text_is(name, operators[i].name))
			return (struct sfs_cel_text){ text, strlen(text) };
	}
	if (name.len > SHOWN_BYTES)
		name.len = SHOWN_BYTES;
	return name;
}

static bool is_operator(struct sfs_cel_text name)
{
	return name.len > 0 && (!isalpha((unsigned char)name.data[0]) ||
	                        sfs_cel_operator_text(name).data != name.data);
}

static bool has_style(const struct sfs_cel_overload *row,
                      const struct sfs_cel_node *n)
{
	const unsigned style = n->kind == SFS_CEL_NODE_METHOD ? SFS_CEL_METHOD
	                                                      : SFS_CEL_GLOBAL;

	return ((unsigned)row->style & style) != 0;
}

const struct sfs_cel_overload *sfs_cel_lookup(struct sfs_cel_lookup *lookup,
                                              struct sfs_cel_text name,
                                              size_t *count)
{
	const size_t i = (uintptr_t)name.data / 2 % SFS_CEL_LOOKUPS;

	if (lookup->found[i].name.data != name.data ||
	    lookup->found[i].name.len != name.len) {
		lookup->found[i].name = name;
		lookup->found[i].rows =
			sfs_cel_overloads_named(name, &lookup->found[i].count);
	}
	*count = lookup->found[i].count;
	return lookup->found[i].rows;
}

static bool is_equality(const struct sfs_cel_overload *rows)
{
	return strcmp(rows->name, "_==_") == 0 ||
	       strcmp(rows->name, "_!=_") == 0;
}

/* Whether style and number of arguments are the row's. */
static bool is_candidate(const struct sfs_cel_overload *row,
                         const struct sfs_cel_node *n)
{
	return row->argc == n->count && has_style(row, n) &&
	       !row->is_dynamic_only;
}

static bool is_same_simple(const struct sfs_cel_type *a,
                           const struct sfs_cel_type *b)
{
	return a == b || (a->kind == b->kind && a->of[0] == NULL &&
	                  a->parameter == b->parameter);
}

static bool is_known(const struct sfs_cel_type *t)
{
	return t->parameter == 0 && t->kind != SFS_CEL_DYN &&
	       t->kind != SFS_CEL_NULL;
}

/* Without inference, which takes longer: whether a row cannot fit. */
static bool is_out(const struct sfs_cel_overload *row,
                   const struct sfs_cel_type *const *args)
{
	for (unsigned i = 0; i < row->argc; i++)
		if (row->args[i]->kind != args[i]->kind &&
		    is_known(row->args[i]) && is_known(args[i]))
			return true;
	return false;
}

/* The result of all rows that fit: dyn if theirs differ; NULL: none does. */
static const struct sfs_cel_type *resolve(struct sfs_cel_checker *c,
                                          const struct sfs_cel_node *n,
                                          const struct sfs_cel_overload *rows,
                                          size_t count)
{
	const struct sfs_cel_type *args[SFS_CEL_ARGS_MAX];
	const struct sfs_cel_type *result = NULL;
	const struct sfs_cel_type *t;
	const bool is_any = is_equality(rows);

	if (n->count > SFS_CEL_ARGS_MAX)
		return NULL;
	for (uint32_t i = 0; i < n->count; i++)
		args[i] = n->children[i]->type;
	for (size_t i = 0; i < count; i++) {
		/* Equality has rows for some types only to be faster. */
		if (!is_candidate(&rows[i], n) ||
		    (is_any && rows[i].args[0]->parameter == 0) ||
		    is_out(&rows[i], args))
			continue;
		t = sfs_cel_infer_overload(&c->infer, &rows[i], args);
		if (t == NULL)
			continue;
		t = sfs_cel_infer_find(&c->infer, t);
		if (result == NULL || is_same_simple(result, t))
			result = t;
		else
			result = sfs_cel_type_of_kind(SFS_CEL_DYN);
	}
	return result;
}

static void add_types(struct sfs_buf *b, struct sfs_cel_checker *c,
                      const struct sfs_cel_node *n)
{
	char type[SFS_CEL_TYPE_TEXT_BYTES];

	sfs_buf_putc(b, '(');
	for (uint32_t i = 0; i < n->count && i < CALL_ARGS_MAX; i++) {
		sfs_cel_check_show(c, n->children[i]->type, type);
		sfs_buf_printf(b, "%s%s", i > 0 ? ", " : "", type);
	}
	sfs_buf_puts(b, n->count > CALL_ARGS_MAX ? ", ...)" : ")");
}

static void add_row(struct sfs_buf *b, const struct sfs_cel_overload *row)
{
	char type[SFS_CEL_TYPE_TEXT_BYTES];

	sfs_buf_puts(b, b->len > 0 ? ", (" : "(");
	for (unsigned i = 0; i < row->argc; i++) {
		sfs_cel_type_print(row->args[i], type);
		sfs_buf_printf(b, "%s%s", i > 0 ? ", " : "", type);
	}
	sfs_buf_putc(b, ')');
}

static bool is_number(const struct sfs_cel_type *t)
{
	return t->kind == SFS_CEL_INT || t->kind == SFS_CEL_UINT ||
	       t->kind == SFS_CEL_DOUBLE;
}

/* The mistake that is made most. */
static const char *hint(const struct sfs_cel_checker *c,
                        const struct sfs_cel_node *n)
{
	const struct sfs_cel_type *a;
	const struct sfs_cel_type *b;

	if (n->count != 2 || !is_operator(n->name))
		return "";
	a = sfs_cel_infer_find(&c->infer, n->children[0]->type);
	b = sfs_cel_infer_find(&c->infer, n->children[1]->type);
	if (is_number(a) && is_number(b) && a->kind != b->kind)
		return a->kind == SFS_CEL_DOUBLE || b->kind == SFS_CEL_DOUBLE
		               ? ": convert one of them, as in double(x)"
		               : ": convert one of them, as in uint(x)";
	if ((a->kind == SFS_CEL_STRING) != (b->kind == SFS_CEL_STRING) &&
	    sfs_cel_text_is(n->name, "_+_"))
		return ": convert one of them, as in string(x)";
	return "";
}

static enum sfs_rc refuse_call(struct sfs_cel_checker *c,
                               const struct sfs_cel_node *n,
                               const struct sfs_cel_overload *rows,
                               size_t count)
{
	const struct sfs_cel_text name = sfs_cel_operator_text(n->name);
	struct sfs_buf takes = SFS_BUF_INIT(LISTED_BYTES);
	struct sfs_buf given = SFS_BUF_INIT(LISTED_BYTES);

	add_types(&given, c, n);
	for (size_t i = 0; i < count; i++)
		if (is_candidate(&rows[i], n))
			add_row(&takes, &rows[i]);
	sfs_cel_refuse(c->tree->source, n->offset, c->err,
	               "'%.*s' takes %s%s, not %.160s%s", (int)name.len,
	               name.data, takes.len > 0 ? takes.data : "?",
	               takes.failed != SFS_OK ? "..." : "",
	               given.len > 0 ? given.data : "these", hint(c, n));
	sfs_buf_release(&takes);
	sfs_buf_release(&given);
	return SFS_E_INVALID;
}

/* The name is a function's, but it is not called so. */
static enum sfs_rc refuse_style(struct sfs_cel_checker *c,
                                const struct sfs_cel_node *n,
                                const struct sfs_cel_overload *row)
{
	const bool is_method = n->kind == SFS_CEL_NODE_METHOD;
	const uint32_t given = n->count - (is_method ? 1 : 0);

	if (!has_style(row, n))
		return sfs_cel_refuse(c->tree->source, n->offset, c->err,
		                      is_method ? "'%s' is called as %s(x)"
		                                : "'%s' is called as x.%s(...)",
		                      row->name, row->name);
	return sfs_cel_refuse(c->tree->source, n->offset, c->err,
	                      "'%s' does not take %u argument%s", row->name,
	                      given, given == 1 ? "" : "s");
}

static char folded(char letter)
{
	return (char)tolower((unsigned char)letter);
}

/* What ends a message about a name that nothing has. */
static void add_guess(struct sfs_buf *b, const char *best)
{
	if (best != NULL)
		sfs_buf_printf(b, "; did you mean '%s'?", best);
}

static enum sfs_rc refuse_name(struct sfs_cel_checker *c,
                               const struct sfs_cel_node *n, const char *what,
                               struct sfs_buf *more)
{
	const size_t len =
		n->name.len < SHOWN_BYTES ? n->name.len : SHOWN_BYTES;

	sfs_cel_refuse(c->tree->source, n->offset, c->err, "%s '%.*s'%s", what,
	               (int)len, n->name.data, more->len > 0 ? more->data : "");
	sfs_buf_release(more);
	return SFS_E_INVALID;
}

static enum sfs_rc refuse_function(struct sfs_cel_checker *c,
                                   const struct sfs_cel_node *n)
{
	static const char *const macros[] = {
		"has", "all", "exists", "exists_one", "map", "filter",
	};
	struct sfs_buf more = SFS_BUF_INIT(LISTED_BYTES);
	const struct sfs_cel_overload *rows;
	struct sfs_nearest near;
	size_t count;

	rows = sfs_cel_overloads(&count);
	sfs_nearest_begin(&near, n->name.data, n->name.len, folded);
	for (size_t i = 0; i < count; i++)
		if (isalpha((unsigned char)rows[i].name[0]))
			(void)sfs_nearest_consider(&near, rows[i].name);
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		if (sfs_cel_text_is(n->name, macros[i])) {
			sfs_buf_puts(&more,
			             ": it is a macro, with other arguments");
			return refuse_name(c, n, "no function", &more);
		}
		(void)sfs_nearest_consider(&near, macros[i]);
	}
	add_guess(&more, near.best);
	return refuse_name(c, n, "no function", &more);
}

/* The names there are, when none is near. */
static void add_names(struct sfs_buf *b, const struct sfs_cel_env *env)
{
	if (env->count == 0)
		sfs_buf_puts(b, ": no variables are declared");
	for (size_t i = 0; i < env->count; i++)
		sfs_buf_printf(b, "%s%s", i == 0 ? "; there are " : ", ",
		               env->variables[i].name);
}

enum sfs_rc sfs_cel_check_unknown(struct sfs_cel_checker *c,
                                  const struct sfs_cel_node *n)
{
	struct sfs_buf more = SFS_BUF_INIT(LISTED_BYTES);
	struct sfs_nearest near;
	size_t count;

	sfs_nearest_begin(&near, n->name.data, n->name.len, folded);
	for (size_t i = 0; i < c->env->count; i++)
		(void)sfs_nearest_consider(&near, c->env->variables[i].name);
	if (sfs_cel_overloads_named(n->name, &count) != NULL)
		sfs_buf_puts(&more, ": that is a function");
	else if (near.best != NULL)
		add_guess(&more, near.best);
	else
		add_names(&more, c->env);
	return refuse_name(c, n, "no variable", &more);
}

enum sfs_rc sfs_cel_check_call(struct sfs_cel_checker *c,
                               struct sfs_cel_node *n)
{
	const struct sfs_cel_overload *rows;
	size_t count;

	n->type = sfs_cel_type_of_kind(SFS_CEL_DYN);
	if (c->env->is_unchecked)
		return SFS_OK;
	rows = sfs_cel_lookup(&c->lookup, n->name, &count);
	if (rows == NULL)
		return refuse_function(c, n);
	n->type = resolve(c, n, rows, count);
	if (n->type != NULL)
		return SFS_OK;
	for (size_t i = 0; i < count; i++)
		if (is_candidate(&rows[i], n))
			return refuse_call(c, n, rows, count);
	return refuse_style(c, n, &rows[0]);
}
