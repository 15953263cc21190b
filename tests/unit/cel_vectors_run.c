/* SPDX-License-Identifier: Apache-2.0 */
/* Compares what vectors of CEL promise with what comes out, and counts. */
#include "unit/cel_vectors.h"

#include "cel/functions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { VECTOR_MEMORY_BYTES = 64 << 20 };

static bool same_number(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static bool same_list(const struct sfs_cel_list *a,
                      const struct sfs_cel_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!cel_value_same(&a->items[i], &b->items[i]))
			return false;
	}
	return true;
}

static bool has_pair(const struct sfs_cel_map *map,
                     const struct sfs_cel_value *pair)
{
	for (size_t i = 0; i < map->count; i++) {
		if (cel_value_same(&map->pairs[2 * i], &pair[0]) &&
		    cel_value_same(&map->pairs[2 * i + 1], &pair[1]))
			return true;
	}
	return false;
}

static bool same_map(const struct sfs_cel_map *a, const struct sfs_cel_map *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!has_pair(b, &a->pairs[2 * i]))
			return false;
	}
	return true;
}

bool cel_value_same(const struct sfs_cel_value *a,
                    const struct sfs_cel_value *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case SFS_CEL_NULL:
		return true;
	case SFS_CEL_BOOL:
		return a->as.boolean == b->as.boolean;
	case SFS_CEL_INT:
		return a->as.integer == b->as.integer;
	case SFS_CEL_UINT:
		return a->as.uinteger == b->as.uinteger;
	case SFS_CEL_DOUBLE:
		return same_number(a->as.number, b->as.number);
	case SFS_CEL_STRING:
	case SFS_CEL_BYTES:
		return a->as.text.len == b->as.text.len &&
		       memcmp(a->as.text.data, b->as.text.data,
		              a->as.text.len) == 0;
	case SFS_CEL_LIST:
		return same_list(a->as.list, b->as.list);
	case SFS_CEL_MAP:
		return same_map(a->as.map, b->as.map);
	case SFS_CEL_TYPE:
		return a->as.type->kind == b->as.type->kind;
	case SFS_CEL_TIMESTAMP:
	case SFS_CEL_DURATION:
		return a->as.time.seconds == b->as.time.seconds &&
		       a->as.time.nanos == b->as.time.nanos;
	case SFS_CEL_INVALID:
	case SFS_CEL_DYN:
	case SFS_CEL_ERROR:
		break;
	}
	return false;
}

static bool is_expected_error(const struct cel_vector *v, const char *phase,
                              const struct sfs_err *err, struct sfs_buf *why)
{
	if (v->is_error && (v->phase == NULL || strcmp(v->phase, phase) == 0) &&
	    (v->says == NULL || strstr(err->msg, v->says) != NULL))
		return true;
	sfs_buf_printf(why, "%s: %s (%s)", phase, err->msg,
	               sfs_rc_name(err->rc));
	if (v->says != NULL)
		sfs_buf_printf(why, ", not \"%s\"", v->says);
	return false;
}

static bool is_expected_value(const struct cel_vector *v,
                              const struct sfs_cel_value *result,
                              struct sfs_buf *why)
{
	if (!v->is_error && cel_value_same(result, &v->result))
		return true;
	sfs_cel_value_print(result, why);
	if (v->is_error) {
		sfs_buf_puts(why, ", not an error");
		return false;
	}
	sfs_buf_puts(why, ", not ");
	sfs_cel_value_print(&v->result, why);
	return false;
}

static bool is_expected_type(const struct cel_vector *v,
                             const struct sfs_cel_program *program,
                             struct sfs_buf *why)
{
	char type[SFS_CEL_TYPE_TEXT_BYTES];

	sfs_cel_result_type(program, type);
	if (v->deduced_type == NULL || strcmp(v->deduced_type, type) == 0)
		return true;
	sfs_buf_printf(why, "the type is %s, not %s", type, v->deduced_type);
	return false;
}

static bool evaluate(const struct cel_vector *v,
                     const struct sfs_cel_program *program, struct sfs_buf *why)
{
	struct sfs_cel_scratch *scratch = sfs_cel_scratch_new();
	struct sfs_err err = { .rc = SFS_E_NO_MEMORY };
	struct sfs_cel_value result;
	bool is_right;

	if (scratch == NULL ||
	    sfs_cel_eval(program, v->values, scratch, &result, &err) != SFS_OK)
		is_right = is_expected_error(v, "eval", &err, why);
	else
		is_right = is_expected_value(v, &result, why) &&
		           is_expected_type(v, program, why);
	sfs_cel_scratch_free(scratch);
	return is_right;
}

bool cel_vector_run(const struct cel_vector *v, struct sfs_buf *why)
{
	const struct sfs_cel_env env = { v->variables, v->count,
		                         !v->is_checked };
	struct sfs_cel_program *program = NULL;
	struct sfs_err err;
	bool is_right;

	if (sfs_cel_compile(v->expr.data, v->expr.len, &env, &program, &err) !=
	    SFS_OK)
		return is_expected_error(v, "compile", &err, why);
	is_right = evaluate(v, program, why);
	sfs_cel_program_free(program);
	return is_right;
}

enum { TIERS_MAX = 8 };

struct counts {
	struct {
		char name[32];
		long passed;
		long failed;
	} tiers[TIERS_MAX];
	long passed;
	long failed;
	const char *prefix; /* of all lines but the last */
};

static void count(struct counts *c, const char *tier, bool is_right)
{
	size_t i = 0;

	while (i < TIERS_MAX - 1 && c->tiers[i].name[0] != '\0' &&
	       strcmp(c->tiers[i].name, tier) != 0)
		i++;
	(void)snprintf(c->tiers[i].name, sizeof(c->tiers[i].name), "%.31s",
	               tier);
	if (is_right) {
		c->tiers[i].passed++;
		c->passed++;
	} else {
		c->tiers[i].failed++;
		c->failed++;
	}
}

static void run_vector(const struct cel_vector *v, struct counts *c)
{
	struct sfs_buf why = SFS_BUF_INIT(1 << 20);
	const bool is_right = cel_vector_run(v, &why);
	char name[256];

	(void)snprintf(name, sizeof(name), "%s/%s/%s", v->file, v->section,
	               v->name);
	count(c, v->tier, is_right);
	if (!is_right)
		printf("%s%s: %.*s: %s\n", c->prefix, name,
		       (int)(v->expr.len < 200 ? v->expr.len : 200),
		       v->expr.data, why.len > 0 ? why.data : "failed");
	sfs_buf_release(&why);
}

static void run_line(const char *line, size_t len, long number,
                     struct counts *c)
{
	struct sfs_cel_pool *pool = sfs_cel_pool_new(VECTOR_MEMORY_BYTES);
	struct sfs_err err = { .msg = "no vector" };
	struct cel_vector v;

	if (pool != NULL && cel_vector_read(line, len, pool, &v, &err)) {
		run_vector(&v, c);
	} else {
		printf("%sline %ld: %s\n", c->prefix, number, err.msg);
		count(c, "unreadable", false);
	}
	sfs_cel_pool_free(pool);
}

long cel_vectors_run_file(const char *path, const char *line_prefix)
{
	struct counts c = { .prefix = line_prefix };
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	long number = 0;
	ssize_t len;

	if (f == NULL)
		return -1;
	while ((len = getline(&line, &room, f)) > 0) {
		number++;
		if (line[strspn(line, " \r\n")] != '\0')
			run_line(line, (size_t)len, number, &c);
	}
	free(line);
	(void)fclose(f);
	for (size_t i = 0; i < TIERS_MAX && c.tiers[i].name[0] != '\0'; i++)
		printf("%s%s: %ld passed, %ld failed\n", c.prefix,
		       c.tiers[i].name, c.tiers[i].passed, c.tiers[i].failed);
	printf("%s%ld passed, %ld failed\n", c.prefix, c.passed, c.failed);
	return c.failed;
}
