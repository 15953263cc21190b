/* SPDX-License-Identifier: Apache-2.0 */
/* --help, composed from the table so that it cannot fall behind. */
#include "config/options.h"

#include <string.h>

enum { HELP_COLUMN = 26, HELP_WIDTH = 79 };

static const char *const TITLES[] = {
	[SFS_OPTION_GROUP_DATA] = "What is shown",
	[SFS_OPTION_GROUP_ACCESS] = "Owners and permissions",
	[SFS_OPTION_GROUP_BUILD] = "Staging and publishing",
	[SFS_OPTION_GROUP_PROGRAM] = "The program",
	[SFS_OPTION_GROUP_LIMITS] = "Limits",
	[SFS_OPTION_GROUP_KERNEL] = "Options of mount(8), for the kernel",
	[SFS_OPTION_GROUP_IGNORED] = "Accepted without effect",
};

/* Appends text word by word, in lines that begin at HELP_COLUMN. */
static void add_wrapped(struct sfs_buf *out, const char *text, size_t *column)
{
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == ' ')) {
		len = strcspn(text, " ");
		if (*column > HELP_COLUMN && *column + 1 + len > HELP_WIDTH) {
			sfs_buf_printf(out, "\n%*s", HELP_COLUMN, "");
			*column = HELP_COLUMN;
		} else if (*column > HELP_COLUMN) {
			sfs_buf_putc(out, ' ');
			(*column)++;
		}
		sfs_buf_add(out, text, len);
		*column += len;
	}
}

static bool is_number(const struct sfs_option *option)
{
	return option->unit != NULL && option->type != SFS_OPTION_STRING;
}

/* "(default 64, from 1 to 256)", as far as there is something to say. */
static void add_facts(struct sfs_buf *out, const struct sfs_option *option,
                      size_t *column)
{
	struct sfs_buf facts = SFS_BUF_INIT(256);
	char least[SFS_OPTION_NUMBER_BYTES], most[SFS_OPTION_NUMBER_BYTES];

	if (option->fallback != NULL)
		sfs_buf_printf(&facts, "(default %s", option->fallback);
	if (is_number(option)) {
		sfs_option_print_number(option, option->min, least);
		sfs_option_print_number(option, option->max, most);
		sfs_buf_printf(&facts, "%sfrom %s to %s",
		               facts.len > 0 ? ", " : "(", least, most);
	}
	if (facts.len > 0) {
		sfs_buf_putc(&facts, ')');
		add_wrapped(out, facts.data, column);
	}
	if (facts.failed != SFS_OK)
		out->failed = facts.failed;
	sfs_buf_release(&facts);
}

static void add_option(struct sfs_buf *out, const struct sfs_option *option)
{
	size_t start = out->len, column = HELP_COLUMN, width;

	sfs_buf_printf(out, "  %s", option->name);
	if (option->unit != NULL)
		sfs_buf_printf(out, "=%s", option->unit);
	width = out->len - start;
	if (option->help != NULL) {
		sfs_buf_printf(out, "%*s", (int)(HELP_COLUMN - width), "");
		add_wrapped(out, option->help, &column);
		add_facts(out, option, &column);
	}
	sfs_buf_putc(out, '\n');
}

static void add_group(struct sfs_buf *out, enum sfs_option_group group)
{
	const struct sfs_option *table;
	size_t count, i;

	sfs_buf_printf(out, "\n%s:\n", TITLES[group]);
	table = sfs_options_table(&count);
	for (i = 0; i < count; i++) {
		if (table[i].group == group)
			add_option(out, &table[i]);
	}
}

void sfs_options_help(const char *program, struct sfs_buf *out)
{
	enum sfs_option_group group;

	sfs_buf_printf(out,
	               "Usage: %s [options] SOURCE MOUNTPOINT\n"
	               "Mounts the snapshots in the directory SOURCE (or "
	               "file:///SOURCE) at MOUNTPOINT.\n\n"
	               "  -o NAME[=VALUE],...     "
	               "set options; \\, is a comma inside a value\n"
	               "  --NAME[=VALUE]          "
	               "the same for one option\n"
	               "  -f                      stay in the foreground\n"
	               "  -d                      "
	               "as -f -o log_level=debug\n"
	               "  -s                      as -o threads=1\n"
	               "  -h, --help              print this text\n"
	               "  -V, --version           print versions\n\n"
	               "An option not given is taken from the environment "
	               "(SHARDYFS_NAME in capitals),\n"
	               "then from the file of config=. A yes or no: the name "
	               "alone means yes; also\n"
	               "NAME=true, yes, on, 1 or false, no, off, 0. Times: "
	               "ms, s (or nothing), m, h, d.\n"
	               "Sizes: bytes, or k, m, g of 1024. '-' and '_' are "
	               "equal in names.\n",
	               program);
	for (group = SFS_OPTION_GROUP_DATA; group < SFS_OPTION_GROUP_IGNORED;
	     group++)
		add_group(out, group);
	add_group(out, SFS_OPTION_GROUP_IGNORED);
}
