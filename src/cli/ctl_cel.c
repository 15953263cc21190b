/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cel: an expression tried out before a snapshot is sharded by it. What is
 * wrong with it is shown under its text.
 */
#include "cli/ctl.h"

#include "base/alloc.h"
#include "base/keyname.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work {
	const struct sfs_ctl_args *args;
	const char *expr;
	struct sfs_sharding sharding; /* its columns are the variables */
	struct sfs_cel_program *program;
};

/* --- --columns=NAME:TYPE,... ---------------------------------------------- */

static enum sfs_rc add_column(struct sfs_sharding *s, const char *word,
                              size_t len, struct sfs_err *err)
{
	const char *colon = len > 0 ? memchr(word, ':', len) : NULL;
	char type[16] = "";
	size_t name_len;
	size_t type_len;

	if (colon == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "--columns: \"%.*s\" must be NAME:TYPE",
		                   len < 100 ? (int)len : 100, word);
	name_len = (size_t)(colon - word);
	type_len = len - name_len - 1;
	if (type_len < sizeof(type))
		memcpy(type, colon + 1, type_len);
	if (sfs_column_kind_from_text(type) == SFS_CEL_INVALID)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "--columns: the type of %.*s must be int, "
		                   "uint, double, bool, string or bytes",
		                   name_len < 100 ? (int)name_len : 100, word);
	if (sfs_sharding_add_column(s, word, name_len,
	                            sfs_column_kind_from_text(type),
	                            err) == SFS_OK)
		return SFS_OK;
	return sfs_err_wrap(err, "--columns");
}

static enum sfs_rc read_columns(struct work *w, struct sfs_err *err)
{
	const char *at = w->args->column_types;
	enum sfs_rc rc;
	size_t len;

	rc = sfs_sharding_init(&w->sharding, SFS_STRATEGY_CEL, err);
	for (; rc == SFS_OK && at != NULL && *at != '\0'; at += len) {
		at += *at == ',';
		len = strcspn(at, ",");
		rc = add_column(&w->sharding, at, len, err);
	}
	return rc;
}

/* --- what is wrong -------------------------------------------------------- */

/* The line of that number, and its length without the newline. */
static const char *line_of(const char *text, unsigned long line, size_t *len)
{
	for (; line > 1 && strchr(text, '\n') != NULL; line--)
		text = strchr(text, '\n') + 1;
	*len = strcspn(text, "\n");
	return text;
}

/* As wide as the text before that column, counting code points from 1. */
static void add_indent(const char *line, size_t len, unsigned long column,
                       struct sfs_buf *out)
{
	size_t step;

	for (size_t i = 0; i < len && column > 1; i += step, column--) {
		step = sfs_utf8_sequence((const uint8_t *)line + i, len - i);
		step = step > 0 ? step : 1;
		sfs_buf_putc(out, line[i] == '\t' ? '\t' : ' ');
	}
}

/* Where a message begins with "LINE:COLUMN:", the line and a caret. */
static void show_place(const char *expr, const char *msg)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	unsigned long column;
	unsigned long line;
	const char *begin;
	char *end;
	size_t len;

	line = strtoul(msg, &end, 10);
	if (end == msg || *end != ':')
		return;
	column = strtoul(end + 1, &end, 10);
	if (*end != ':' || column == 0)
		return;
	begin = line_of(expr, line, &len);
	sfs_buf_puts(&text, "  ");
	sfs_buf_add(&text, begin, len);
	sfs_buf_puts(&text, "\n  ");
	add_indent(begin, len, column, &text);
	if (text.failed == SFS_OK)
		(void)fprintf(stderr, "%s^\n", text.data);
	sfs_buf_release(&text);
}

static int complain(const struct work *w, const struct sfs_err *err, int status)
{
	sfs_ctl_note("%s", err->msg);
	show_place(w->expr, err->msg);
	if (w->args->column_types == NULL &&
	    strstr(err->msg, "no variables are declared") != NULL)
		sfs_ctl_note("--columns=NAME:TYPE,... declares columns");
	return err->rc == SFS_E_NO_MEMORY ? SFS_CTL_FAULT : status;
}

static enum sfs_rc compile(struct work *w, struct sfs_err *err)
{
	struct sfs_cel_variable variables[SFS_COLUMNS_MAX];
	const struct sfs_sharding *s = &w->sharding;
	struct sfs_cel_env env = { variables, s->column_count, false };

	for (size_t i = 0; i < s->column_count; i++)
		variables[i] = (struct sfs_cel_variable){
			s->columns[i].name,
			sfs_column_kind_text(s->columns[i].kind)
		};
	return sfs_cel_compile(w->expr, strlen(w->expr), &env, &w->program,
	                       err);
}

/* --- check ---------------------------------------------------------------- */

static bool is_routing(const struct work *w, bool *is_direct)
{
	enum sfs_cel_kind kind = sfs_cel_result_kind(w->program);

	*is_direct = kind == SFS_CEL_INT || kind == SFS_CEL_UINT ||
	             kind == SFS_CEL_DYN;
	return *is_direct || kind == SFS_CEL_STRING || kind == SFS_CEL_BYTES;
}

static void print_check_json(const struct work *w, struct sfs_buf *out)
{
	char type[SFS_CEL_TYPE_TEXT_BYTES];
	struct sfs_json_printer p;
	bool is_direct;

	sfs_cel_result_type(w->program, type);
	sfs_json_printer_init(&p, out, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "type");
	sfs_json_cstring(&p, type);
	sfs_json_key(&p, "categorical");
	sfs_json_bool(&p, is_routing(w, &is_direct));
	sfs_json_key(&p, "direct");
	sfs_json_bool(&p, is_direct);
	sfs_json_key(&p, "columns");
	sfs_json_array_begin(&p);
	for (size_t i = 0; i < w->sharding.column_count; i++) {
		if (sfs_cel_uses(w->program, i))
			sfs_json_cstring(&p, w->sharding.columns[i].name);
	}
	sfs_json_array_end(&p);
	sfs_json_object_end(&p);
	sfs_buf_putc(out, '\n');
}

static void print_check_lines(const struct work *w, struct sfs_buf *out)
{
	char type[SFS_CEL_TYPE_TEXT_BYTES];
	bool is_direct;
	bool is_any = is_routing(w, &is_direct);

	sfs_cel_result_type(w->program, type);
	sfs_buf_printf(out, "type: %s\nroutes: %s\ncolumns:", type,
	               is_direct ? "direct, categorical"
	               : is_any  ? "categorical"
	                         : "no");
	for (size_t i = 0; i < w->sharding.column_count; i++) {
		if (sfs_cel_uses(w->program, i))
			sfs_buf_printf(out, " %s", w->sharding.columns[i].name);
	}
	sfs_buf_putc(out, '\n');
}

static int check(const struct work *w)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	bool is_direct;

	if (w->args->json)
		print_check_json(w, &text);
	else
		print_check_lines(w, &text);
	return sfs_ctl_print(&text, is_routing(w, &is_direct) ? SFS_CTL_OK
	                                                      : SFS_CTL_NO);
}

/* --- eval ----------------------------------------------------------------- */

void sfs_ctl_json_cel(struct sfs_json_printer *p, const struct sfs_cel_value *v)
{
	if (v->kind == SFS_CEL_BOOL)
		sfs_json_bool(p, v->as.boolean);
	else if (v->kind == SFS_CEL_INT)
		sfs_json_int(p, v->as.integer);
	else if (v->kind == SFS_CEL_UINT)
		sfs_json_uint(p, v->as.uinteger);
	else if (v->kind == SFS_CEL_DOUBLE)
		sfs_json_double(p, v->as.number);
	else if (v->kind == SFS_CEL_STRING)
		sfs_json_string(p, v->as.text.data, v->as.text.len);
	else
		sfs_json_null(p);
}

static int print_value(const struct work *w, const struct sfs_cel_value *v)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_buf cel = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_json_printer p;

	sfs_cel_value_print(v, &cel);
	if (w->args->json) {
		sfs_json_printer_init(&p, &text, true, true);
		sfs_json_object_begin(&p);
		sfs_json_key(&p, "type");
		sfs_json_cstring(&p, sfs_cel_kind_name(v->kind));
		sfs_json_key(&p, "value");
		sfs_ctl_json_cel(&p, v);
		sfs_json_key(&p, "cel");
		sfs_json_string(&p, cel.data, cel.len);
		sfs_json_object_end(&p);
	} else {
		sfs_buf_add(&text, cel.data, cel.len);
	}
	sfs_buf_putc(&text, '\n');
	if (cel.failed != SFS_OK)
		text.failed = cel.failed;
	sfs_buf_release(&cel);
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

static int evaluate(const struct work *w)
{
	struct sfs_cel_scratch *scratch = sfs_cel_scratch_new();
	struct sfs_cel_value value;
	struct sfs_columns columns;
	struct sfs_err err;
	enum sfs_rc rc;
	int status;

	rc = sfs_ctl_columns_read(w->args, &w->sharding, &columns, &err);
	if (rc == SFS_OK && scratch == NULL)
		rc = sfs_err_set(&err, SFS_E_NO_MEMORY, "out of memory");
	if (rc != SFS_OK) {
		status = sfs_ctl_fail_lookup(&err);
	} else {
		rc = sfs_cel_eval(w->program, columns.values, scratch, &value,
		                  &err);
		status = rc == SFS_OK ? print_value(w, &value)
		                      : complain(w, &err, SFS_CTL_NO);
	}
	sfs_columns_release(&columns);
	sfs_cel_scratch_free(scratch);
	return status;
}

int sfs_ctl_cel(const struct sfs_ctl_args *args)
{
	struct work w = { .args = args, .expr = args->word };
	bool is_check = strcmp(args->target, "check") == 0;
	struct sfs_err err;
	int status;

	if (!is_check && strcmp(args->target, "eval") != 0) {
		(void)sfs_err_set(&err, SFS_E_INVALID,
		                  "cel %.100s: must be check or eval",
		                  args->target);
		return sfs_ctl_refuse(&err);
	}
	if (read_columns(&w, &err) != SFS_OK)
		status = sfs_ctl_fail_lookup(&err);
	else if (compile(&w, &err) != SFS_OK)
		status = complain(&w, &err,
		                  is_check ? SFS_CTL_NO : SFS_CTL_USAGE);
	else
		status = is_check ? check(&w) : evaluate(&w);
	sfs_cel_program_free(w.program);
	sfs_sharding_release(&w.sharding);
	return status;
}
