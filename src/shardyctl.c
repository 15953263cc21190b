/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shardyctl: the same engine without a mount, and the commands that look
 * after mounts. Finds the command, reads its line, runs it.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "cli/ctl.h"

#include <string.h>

static int refuse_command(const char *name)
{
	const char *near = sfs_ctl_command_nearest(name);

	if (near != NULL)
		sfs_ctl_note("unknown command %s; did you mean %s?", name,
		             near);
	else
		sfs_ctl_note("unknown command %s (shardyctl --help lists them)",
		             name);
	return SFS_CTL_USAGE;
}

static int show_help(const struct sfs_ctl_command *command)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	if (command != NULL)
		sfs_ctl_help(command, &text);
	else
		sfs_ctl_help_all(&text);
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

static int show_version(void)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	sfs_buf_puts(&text, "shardyctl " PACKAGE_VERSION "\n");
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

static int run(const struct sfs_ctl_command *command, int argc, char **argv)
{
	struct sfs_ctl_args args;
	struct sfs_err err;

	if (sfs_ctl_parse(command, argc, argv, &args, &err) != SFS_OK)
		return sfs_ctl_refuse(&err);
	if (args.help)
		return show_help(command);
	if (sfs_log_set_levels("all=warn", &err) != SFS_OK)
		return sfs_ctl_fail(&err);
	return command->run(&args);
}

int main(int argc, char **argv)
{
	const struct sfs_ctl_command *command;

	sfs_alloc_tune();
	if (argc < 2) {
		sfs_ctl_note("no command (shardyctl --help lists them)");
		return SFS_CTL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return show_help(NULL);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return show_version();
	command = sfs_ctl_command_find(argv[1]);
	if (command == NULL)
		return refuse_command(argv[1]);
	return run(command, argc - 2, argv + 2);
}
