/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one setting reaches its field. Every value is checked, also where a
 * stronger source has decided already: a fault there would show only after
 * the stronger one is gone.
 */
#include "config/options_set.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { KERNEL_OPTS_MAX_BYTES = 4096 };

void sfs_options_fault(struct sfs_options_parser *p, const char *fmt, ...)
{
	char line[SFS_ERR_MSG_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	sfs_buf_puts(&p->o->faults, line);
	sfs_buf_putc(&p->o->faults, '\n');
	p->fault_count++;
}

void sfs_setting_refuse(struct sfs_options_parser *p,
                        const struct sfs_setting *s, const char *why)
{
	if (s->value == NULL)
		sfs_options_fault(p, "%s%.*s: %s", s->place, (int)s->name_len,
		                  s->name, why);
	else
		sfs_options_fault(p, "%s%.*s=%s: %s", s->place,
		                  (int)s->name_len, s->name, s->value, why);
}

/* The first row that has the same field: both are one setting. */
static size_t row_of(const struct sfs_option *option)
{
	const struct sfs_option *table;
	size_t count, i;

	table = sfs_options_table(&count);
	for (i = 0; table[i].offset != option->offset ||
	            table[i].type == SFS_OPTION_IGNORED;
	     i++)
		;
	return i;
}

static bool may_set(struct sfs_options_parser *p,
                    const struct sfs_option *option,
                    enum sfs_setting_origin origin)
{
	size_t row = row_of(option);

	if (p->origins[row] > origin)
		return false;
	p->origins[row] = (uint8_t)origin;
	return true;
}

static void *field_of(struct sfs_options_parser *p,
                      const struct sfs_option *option)
{
	return (char *)p->o + option->offset;
}

static bool read_bool(const char *text, bool *value)
{
	static const char *const words[] = { "false", "true", "no", "yes",
		                             "off",   "on",   "0",  "1" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) == 0) {
			*value = i % 2 == 1;
			return true;
		}
	}
	return false;
}

static void set_bool(struct sfs_options_parser *p,
                     const struct sfs_option *option,
                     const struct sfs_setting *s)
{
	bool value = true;

	if (s->value != NULL && !read_bool(s->value, &value)) {
		sfs_setting_refuse(
			p, s, "must be true, yes, on, 1 or false, no, off, 0");
		return;
	}
	value = value == option->sets;
	if (!may_set(p, option, s->origin))
		return;
	if (option->type == SFS_OPTION_KERNEL)
		*(int8_t *)field_of(p, option) = value;
	else
		*(bool *)field_of(p, option) = value;
}

static void set_number(struct sfs_options_parser *p,
                       const struct sfs_option *option,
                       const struct sfs_setting *s)
{
	struct sfs_err why;
	int64_t value;

	if (sfs_option_read_number(option, s->value, &value, &why) != SFS_OK)
		sfs_setting_refuse(p, s, why.msg);
	else if (may_set(p, option, s->origin))
		*(int64_t *)field_of(p, option) = value;
}

/* Strings come back in status files of one line each. */
static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

void sfs_options_replace_string(struct sfs_options_parser *p, char **field,
                                const char *value)
{
	char *copy = sfs_strdup(value);

	if (copy == NULL) {
		p->is_out_of_memory = true;
		return;
	}
	sfs_free(*field);
	*field = copy;
}

static void set_string(struct sfs_options_parser *p,
                       const struct sfs_option *option,
                       const struct sfs_setting *s)
{
	struct sfs_err why;

	if (!is_printable(s->value)) {
		sfs_options_fault(p, "%s%s: must not hold control characters",
		                  s->place, option->name);
		return;
	}
	if (option->check != NULL && option->check(s->value, &why) != SFS_OK) {
		sfs_setting_refuse(p, s, why.msg);
		return;
	}
	if (may_set(p, option, s->origin))
		sfs_options_replace_string(p, field_of(p, option), s->value);
}

void sfs_setting_apply(struct sfs_options_parser *p,
                       const struct sfs_option *option,
                       const struct sfs_setting *s)
{
	bool is_bool = option->type == SFS_OPTION_BOOL ||
	               option->type == SFS_OPTION_KERNEL;

	if (option->type == SFS_OPTION_IGNORED)
		return;
	if (!is_bool && (s->value == NULL || s->value[0] == '\0')) {
		sfs_options_fault(p, "%s%.*s: needs a value, as in %s=%s",
		                  s->place, (int)s->name_len, s->name,
		                  option->name, option->unit);
		return;
	}
	switch (option->type) {
	case SFS_OPTION_BOOL:
	case SFS_OPTION_KERNEL:
		set_bool(p, option, s);
		break;
	case SFS_OPTION_INT:
	case SFS_OPTION_OCTAL:
	case SFS_OPTION_TIME:
	case SFS_OPTION_SIZE:
		set_number(p, option, s);
		break;
	case SFS_OPTION_STRING:
		set_string(p, option, s);
		break;
	case SFS_OPTION_IGNORED:
		break;
	}
}

static void refuse_unknown(struct sfs_options_parser *p,
                           const struct sfs_setting *s)
{
	const struct sfs_option *nearest;

	nearest = sfs_option_nearest(s->name, s->name_len);
	if (nearest != NULL)
		sfs_options_fault(p, "%s%.*s: no such option; did you mean %s?",
		                  s->place, (int)s->name_len, s->name,
		                  nearest->name);
	else
		sfs_options_fault(p,
		                  "%s%.*s: no such option; --help lists them",
		                  s->place, (int)s->name_len, s->name);
}

void sfs_setting_apply_named(struct sfs_options_parser *p,
                             const struct sfs_setting *s)
{
	const struct sfs_option *option;

	option = sfs_option_find(s->name, s->name_len);
	if (option != NULL)
		sfs_setting_apply(p, option, s);
	else if (!p->o->is_sloppy || s->origin != SFS_ORIGIN_COMMAND_LINE)
		refuse_unknown(p, s);
}

/* Where nothing was given: numbers -1, booleans as the table says. */
void sfs_options_set_defaults(struct sfs_options_parser *p)
{
	const struct sfs_option *table;
	struct sfs_setting s = { .origin = SFS_ORIGIN_DEFAULT, .place = "" };
	size_t count, i;

	table = sfs_options_table(&count);
	for (i = 0; i < count; i++) {
		if (table[i].type == SFS_OPTION_KERNEL)
			*(int8_t *)field_of(p, &table[i]) = -1;
		else if (table[i].unit != NULL &&
		         table[i].type != SFS_OPTION_STRING)
			*(int64_t *)field_of(p, &table[i]) = -1;
		if (table[i].fallback == NULL)
			continue;
		s.name = table[i].name;
		s.name_len = strlen(s.name);
		s.value = table[i].fallback;
		sfs_setting_apply(p, &table[i], &s);
	}
}

void sfs_options_compose_kernel_opts(struct sfs_options_parser *p)
{
	struct sfs_buf text = SFS_BUF_INIT(KERNEL_OPTS_MAX_BYTES);
	const struct sfs_option *table;
	size_t count, i;

	table = sfs_options_table(&count);
	for (i = 0; i < count; i++) {
		if (table[i].type != SFS_OPTION_KERNEL ||
		    *(int8_t *)field_of(p, &table[i]) != table[i].sets)
			continue;
		if (text.len > 0)
			sfs_buf_putc(&text, ',');
		sfs_buf_puts(&text, table[i].name);
	}
	if (text.failed != SFS_OK)
		p->is_out_of_memory = true;
	else
		sfs_options_replace_string(p, &p->o->kernel_opts,
		                           text.len > 0 ? text.data : "");
	sfs_buf_release(&text);
}
