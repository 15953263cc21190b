/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shardyctl can do: the tables of commands and options, from which the
 * command line is read and --help is printed, so that they cannot differ.
 */
#include "cli/ctl.h"

#include "base/nearest.h"

#include <string.h>

enum { HELP_COLUMN = 28 };

static const struct sfs_ctl_option OPTIONS[] = {
	{ SFS_CTL_SNAPSHOT, "snapshot", "ID",
	  "that snapshot (its ID, run id or tag), not the current one" },
	{ SFS_CTL_NEWER_THAN, "newer-than", "ID",
	  "any snapshot published after that one" },
	{ SFS_CTL_TIMEOUT, "timeout", "TIME",
	  "give up after that (500ms, 10s, 5m); default: never" },
	{ SFS_CTL_WAIT, "wait", NULL,
	  "return when the mount shows the current snapshot" },
	{ SFS_CTL_THREADS, "threads", "N",
	  "from 1 to 64; default: one for each processor" },
	{ SFS_CTL_FORMAT, "format", "FORMAT",
	  "json (the default: one object a line) or kv (binary)" },
	{ SFS_CTL_HEX, "hex", "HEX", "the key's lookup bytes in place of KEY" },
	{ SFS_CTL_RUN_PREFIX, "run-prefix", "PATH",
	  "where the store keeps its run records; default: runs" },
	{ SFS_CTL_DELETE_TAG, "delete", NULL, "delete the tag" },
	{ SFS_CTL_DELETE, "delete", NULL,
	  "delete; without it only say what would be deleted" },
	{ SFS_CTL_KEEP, "keep", "N",
	  "keep the last N snapshots, at least 1; default: 3" },
	{ SFS_CTL_GRACE, "grace", "TIME",
	  "keep what is younger (30m, 12h, 7d); default: 1d" },
	{ SFS_CTL_PIN, "pin", "ID", "keep that snapshot too; may be repeated" },
	{ SFS_CTL_FROM, "from", "FILE",
	  "records to build from; may be repeated" },
	{ SFS_CTL_INPUT_FORMAT, "format", "FORMAT",
	  "of every FILE, as its name would tell (jsonl, csv.gz)" },
	{ SFS_CTL_NUM_DBS, "num-dbs", "N", "number of shards" },
	{ SFS_CTL_MAX_KEYS_PER_SHARD, "max-keys-per-shard", "N",
	  "as many shards as that needs" },
	{ SFS_CTL_CEL, "cel", "EXPR", "route by that expression" },
	{ SFS_CTL_CEL_COLUMNS, "cel-columns", "LIST",
	  "its columns (region:string,tier:int); default: the key" },
	{ SFS_CTL_ROUTING_VALUES, "routing-values", "LIST",
	  "what it yields for each shard (eu,us), or inferred" },
	{ SFS_CTL_RANGES, "ranges", "auto", "route by ranges of the key" },
	{ SFS_CTL_BOUNDS, "bounds", "LIST",
	  "where ranges begin, but the first (1000,65536)" },
	{ SFS_CTL_KEY_ENCODING, "key-encoding", "E",
	  "u64be, u32be, utf8 or raw" },
	{ SFS_CTL_PAGE_SIZE, "page-size", "N",
	  "bytes of a shard's pages, from 4096 to 65536, or auto" },
	{ SFS_CTL_BASE, "base", "ID",
	  "change that snapshot, which must be the current one" },
	{ SFS_CTL_MESSAGE, "message", "TEXT", "a note in the manifest" },
	{ SFS_CTL_TAG, "tag", "NAME", "tag the snapshot" },
	{ SFS_CTL_URL, "url", "URL",
	  "where the snapshot will be served; default: the store" },
	{ SFS_CTL_STAGING_DIR, "staging-dir", "DIR",
	  "where builds lie until they are published" },
	{ SFS_CTL_BUILD_MEMORY, "build-memory", "SIZE",
	  "memory for sorting (256m, 4g)" },
	{ SFS_CTL_ON_BAD_RECORD, "on-bad-record", "WHAT",
	  "refuse (the default) or skip" },
	{ SFS_CTL_OLDER_THAN, "older-than", "TIME",
	  "only those that were changed longer ago than that" },
	{ SFS_CTL_COLUMN, "column", "COL=VAL",
	  "the value of a column to route by; may be repeated" },
	{ SFS_CTL_COLUMNS, "columns", "NAME:TYPE,...",
	  "what the expression may use (int uint double bool string bytes)" },
	{ SFS_CTL_JSON, "json", NULL, "print JSON" },
	{ SFS_CTL_HELP, "help", NULL, "print this text" },
};

enum { OPTIONS_COUNT = sizeof(OPTIONS) / sizeof(OPTIONS[0]) };

static const enum sfs_ctl_option_id OF_SNAPSHOT[] = {
	SFS_CTL_SNAPSHOT, SFS_CTL_RUN_PREFIX, SFS_CTL_JSON, SFS_CTL_HELP, 0
};
static const enum sfs_ctl_option_id OF_KEY[] = {
	SFS_CTL_COLUMN, SFS_CTL_SNAPSHOT, SFS_CTL_RUN_PREFIX,
	SFS_CTL_JSON,   SFS_CTL_HELP,     0
};
static const enum sfs_ctl_option_id OF_CEL[] = { SFS_CTL_COLUMNS,
	                                         SFS_CTL_COLUMN, SFS_CTL_JSON,
	                                         SFS_CTL_HELP, 0 };
static const enum sfs_ctl_option_id OF_MULTIGET[] = {
	SFS_CTL_COLUMN,     SFS_CTL_SNAPSHOT, SFS_CTL_THREADS, SFS_CTL_FORMAT,
	SFS_CTL_RUN_PREFIX, SFS_CTL_JSON,     SFS_CTL_HELP,    0
};
static const enum sfs_ctl_option_id OF_PATH[] = { SFS_CTL_HEX,
	                                          SFS_CTL_COLUMN,
	                                          SFS_CTL_SNAPSHOT,
	                                          SFS_CTL_RUN_PREFIX,
	                                          SFS_CTL_JSON,
	                                          SFS_CTL_HELP,
	                                          0 };
static const enum sfs_ctl_option_id OF_STORE[] = { SFS_CTL_RUN_PREFIX,
	                                           SFS_CTL_JSON, SFS_CTL_HELP,
	                                           0 };
static const enum sfs_ctl_option_id OF_TAG[] = {
	SFS_CTL_DELETE_TAG, SFS_CTL_RUN_PREFIX, SFS_CTL_JSON, SFS_CTL_HELP, 0
};
static const enum sfs_ctl_option_id OF_GC[] = {
	SFS_CTL_DELETE,     SFS_CTL_KEEP, SFS_CTL_GRACE, SFS_CTL_PIN,
	SFS_CTL_RUN_PREFIX, SFS_CTL_JSON, SFS_CTL_HELP,  0
};
static const enum sfs_ctl_option_id OF_VERIFY[] = {
	SFS_CTL_SNAPSHOT, SFS_CTL_THREADS, SFS_CTL_RUN_PREFIX,
	SFS_CTL_JSON,     SFS_CTL_HELP,    0
};
static const enum sfs_ctl_option_id OF_BUILD[] = { SFS_CTL_FROM,
	                                           SFS_CTL_INPUT_FORMAT,
	                                           SFS_CTL_NUM_DBS,
	                                           SFS_CTL_MAX_KEYS_PER_SHARD,
	                                           SFS_CTL_CEL,
	                                           SFS_CTL_CEL_COLUMNS,
	                                           SFS_CTL_ROUTING_VALUES,
	                                           SFS_CTL_RANGES,
	                                           SFS_CTL_BOUNDS,
	                                           SFS_CTL_KEY_ENCODING,
	                                           SFS_CTL_PAGE_SIZE,
	                                           SFS_CTL_BASE,
	                                           SFS_CTL_MESSAGE,
	                                           SFS_CTL_TAG,
	                                           SFS_CTL_ON_BAD_RECORD,
	                                           SFS_CTL_URL,
	                                           SFS_CTL_STAGING_DIR,
	                                           SFS_CTL_BUILD_MEMORY,
	                                           SFS_CTL_THREADS,
	                                           SFS_CTL_RUN_PREFIX,
	                                           SFS_CTL_JSON,
	                                           SFS_CTL_HELP,
	                                           0 };
static const enum sfs_ctl_option_id OF_PUBLISH[] = {
	SFS_CTL_URL,          SFS_CTL_STAGING_DIR,
	SFS_CTL_BUILD_MEMORY, SFS_CTL_THREADS,
	SFS_CTL_RUN_PREFIX,   SFS_CTL_JSON,
	SFS_CTL_HELP,         0
};
static const enum sfs_ctl_option_id OF_ABORT[] = {
	SFS_CTL_STAGING_DIR, SFS_CTL_RUN_PREFIX, SFS_CTL_JSON, SFS_CTL_HELP, 0
};
static const enum sfs_ctl_option_id OF_BUILDS[] = { SFS_CTL_OLDER_THAN,
	                                            SFS_CTL_DELETE,
	                                            SFS_CTL_STAGING_DIR,
	                                            SFS_CTL_RUN_PREFIX,
	                                            SFS_CTL_JSON,
	                                            SFS_CTL_HELP,
	                                            0 };
static const enum sfs_ctl_option_id OF_MOUNT[] = { SFS_CTL_JSON, SFS_CTL_HELP,
	                                           0 };
static const enum sfs_ctl_option_id OF_WAIT[] = {
	SFS_CTL_SNAPSHOT, SFS_CTL_NEWER_THAN, SFS_CTL_TIMEOUT,
	SFS_CTL_JSON,     SFS_CTL_HELP,       0
};
static const enum sfs_ctl_option_id OF_REFRESH[] = {
	SFS_CTL_WAIT, SFS_CTL_TIMEOUT, SFS_CTL_JSON, SFS_CTL_HELP, 0
};

static const struct sfs_ctl_command COMMANDS[] = {
	{ "get", "TARGET NAME", "print the value of one key",
	  "Prints the value's bytes and nothing else. NAME is a key's name as "
	  "in keys/;\nkeys too long for a file name work too. Where routing "
	  "needs columns that are not\ngiven, all shards are asked.\n"
	  "Exit status: 0 found, 1 absent (nothing is printed), 2 usage or a "
	  "NAME that no\nkey can have, 4 the answer is not known.\n",
	  OF_KEY, 2, 2, sfs_ctl_get },
	{ "multiget", "TARGET", "print the values of many keys",
	  "Reads names from standard input, one a line, and answers in the "
	  "same order.\nJSON: {\"key\": NAME, \"value_base64\": VALUE}, null "
	  "for an absent key. kv: key\nlength and value length (32 bits, "
	  "little-endian), lookup bytes, value; the\nvalue length of an absent "
	  "key is 0xFFFFFFFF.\n"
	  "Exit status: 0 all answered, 2 some names cannot be keys (answered "
	  "as absent),\n4 not all could be answered.\n",
	  OF_MULTIGET, 1, 1, sfs_ctl_multiget },
	{ "info", "TARGET", "describe a snapshot",
	  "Prints what the manifest says of the snapshot, \"name: value\" a "
	  "line.\n",
	  OF_SNAPSHOT, 1, 1, sfs_ctl_info },
	{ "shards", "TARGET", "list the shards of a snapshot",
	  "One line a shard, fields separated by tabs: number, rows, bytes, "
	  "least and\ngreatest key (as JSON), URL; \"-\" where there is "
	  "none.\n",
	  OF_SNAPSHOT, 1, 1, sfs_ctl_shards },
	{ "route", "TARGET NAME", "tell which shard holds a key",
	  "Prints the shard's number and the key's path below the mount, "
	  "whether or not\nthe key is there. NAME is a name as in keys/.\n"
	  "Exit status: 0 told, 1 no shard has the key's routing value "
	  "(UnknownRoutingToken),\n2 usage, a NAME that no key can have or a "
	  "column that is missing, 4 fault.\n",
	  OF_KEY, 2, 2, sfs_ctl_route },
	{ "path", "TARGET KEY | TARGET --hex=HEX",
	  "tell the name of a key in keys/",
	  "KEY is the key itself, not escaped: a decimal number, or the text. "
	  "Prints its\nname in keys/, percent-encoded where needed, which is "
	  "what get, multiget and\nroute take. It need not exist. With "
	  "--column prints the path below "
	  "the mount:\nwhere/COL=VAL/.../keys/NAME.\n",
	  OF_PATH, 1, 2, sfs_ctl_path },
	{ "key", "TARGET NAME", "tell the key of a name in keys/",
	  "The reverse of path: prints the bytes that the shard stores (hex) "
	  "and the key\nas text (as a JSON string; null if it is no text).\n",
	  OF_SNAPSHOT, 2, 2, sfs_ctl_key },
	{ "cel", "check EXPRESSION | eval EXPRESSION",
	  "try a CEL expression out",
	  "check prints the type of the result, whether snapshots can be "
	  "sharded by it\n(direct: it yields the shard's number; categorical: "
	  "one of the routing values),\nand the columns that it uses. eval "
	  "prints its value, for the values of --column.\n"
	  "Exit status: check 0 it can route, 1 it cannot or is no "
	  "expression; eval 0 done,\n1 the evaluation failed; 2 usage.\n",
	  OF_CEL, 2, 2, sfs_ctl_cel },
	{ "history", "TARGET", "list the published snapshots",
	  "Newest first, one a line; \"* \" marks the one that _CURRENT "
	  "names.\n",
	  OF_STORE, 1, 1, sfs_ctl_history },
	{ "rollback", "TARGET ID", "make another snapshot current",
	  "ID is a snapshot ID, a run id or a tag. Writes _CURRENT for it, if "
	  "nobody else\npublishes meanwhile, and logs it; the history stays "
	  "as it is. Prints the ID.\n"
	  "Exit status: 0 it is current, 3 somebody else published, 4 "
	  "fault.\n",
	  OF_STORE, 2, 2, sfs_ctl_rollback },
	{ "tag", "TARGET [NAME [ID]]", "list, make or delete tags",
	  "Without NAME lists the tags; else gives the snapshot ID, or the "
	  "current one, the\nname NAME, of [A-Za-z0-9._-]. A tag protects "
	  "from gc, and is never moved: delete\nit first.\n"
	  "Exit status: 0 done, 1 no such tag to delete, 3 the tag exists, 4 "
	  "fault.\n",
	  OF_TAG, 1, 3, sfs_ctl_tag },
	{ "diff", "TARGET A B", "compare two snapshots",
	  "A and B are snapshot IDs, run ids, tags or \"current\". Prints "
	  "\"+ NAME\" for a key\nthat only B has, \"- NAME\" for one that "
	  "only A has, \"~ NAME\" for another value.\nShards known to be "
	  "equal are not read.\n"
	  "Exit status: 0 the same, 1 they differ, 2 usage, 4 fault.\n",
	  OF_STORE, 3, 3, sfs_ctl_diff },
	{ "gc", "TARGET", "delete old snapshots and what nothing refers to",
	  "Says what would be deleted, and with --delete deletes it. Kept are "
	  "what is\ncurrent, tagged, pinned, among the last or young, what a "
	  "living run writes, and\non a local store what a reader holds "
	  "open. What a dead run left behind is first\nclaimed, and deleted "
	  "by a later gc.\n"
	  "Exit status: 0 done, 3 _CURRENT moved to what was to be deleted, 4 "
	  "fault.\n",
	  OF_GC, 1, 1, sfs_ctl_gc },
	{ "verify", "TARGET", "read a snapshot whole and check it",
	  "Compares every shard with its digest, where the manifest has one, "
	  "and every key's\norder, encoding, shard and count with what the "
	  "manifest says. One line a fault.\n"
	  "Exit status: 0 no fault, 1 faults, 4 not all could be read.\n",
	  OF_VERIFY, 1, 1, sfs_ctl_verify },
	{ "build", "TARGET --from=FILE...", "build and publish a snapshot",
	  "Reads records from files (.jsonl .csv .tsv .kv, each also .gz or "
	  ".zst; - is\nstandard input, with --format), as shardyfs-ingest(5) "
	  "says, and publishes them as\na snapshot, whose ID it prints. "
	  "Encoding and number of shards are those of the\ncurrent snapshot "
	  "unless given.\n"
	  "Exit status: 0 published, 2 usage, 3 the base moved or the tag "
	  "exists, 4 bad\nrecords or another fault: nothing was published.\n",
	  OF_BUILD, 1, 1, sfs_ctl_build },
	{ "publish", "TARGET NAME", "publish a build that is staged",
	  "As \"mv staging/NAME publish/\" on the mount that owns the build; "
	  "one without an\nowner is taken over. Prints the snapshot ID.\n"
	  "Exit status: as build.\n",
	  OF_PUBLISH, 2, 2, sfs_ctl_publish },
	{ "abort", "TARGET NAME", "give up a build that is staged",
	  "Removes it, and what it has put into the store, as \"rm -r "
	  "staging/NAME\" does;\nalso without a mount.\n",
	  OF_ABORT, 2, 2, sfs_ctl_abort },
	{ "builds", "TARGET", "list the builds that are staged",
	  "One line a build, fields separated by tabs: name, \"owned\" or "
	  "\"abandoned\", pid of\nits owner, last change, files, bytes. "
	  "--delete removes those that are abandoned\nand --older-than "
	  "says.\n",
	  OF_BUILDS, 1, 1, sfs_ctl_builds },
	{ "status", "MOUNTPOINT", "show the state of a mount",
	  "Prints .shardyfs/status (--json: .shardyfs/status.json).\n",
	  OF_MOUNT, 1, 1, sfs_ctl_show_status },
	{ "health", "MOUNTPOINT", "tell whether a mount is well",
	  "Exit status: 0 healthy, 1 degraded, 2 unhealthy, 4 no answer from "
	  "the mount.\n",
	  OF_MOUNT, 1, 1, sfs_ctl_health },
	{ "wait", "MOUNTPOINT", "wait until a mount shows a snapshot",
	  "Waits for the snapshot of --snapshot or --newer-than; without "
	  "these, for the\none that the store's _CURRENT names now. Prints "
	  "the ID that is shown.\n"
	  "Exit status: 0 it is shown, 1 not within --timeout, 4 no answer "
	  "from the mount.\n",
	  OF_WAIT, 1, 1, sfs_ctl_wait },
	{ "refresh", "MOUNTPOINT", "make a mount look for a new snapshot now",
	  "Writes to .shardyfs/refresh; where the mount is read-only, sends "
	  "SIGHUP to its\ndaemon.\n"
	  "Exit status: 0 done, 1 not shown within --timeout (with --wait), 4 "
	  "fault.\n",
	  OF_REFRESH, 1, 1, sfs_ctl_refresh },
	{ "unhang", "MOUNTPOINT", "free a mount that does not answer",
	  "Aborts the kernel's connection to the daemon through "
	  "/sys/fs/fuse/connections,\nnever touching the mount: what waits for "
	  "it gets an error, and the mount is dead\nafterwards. Needs root or "
	  "the mount's owner.\n"
	  "Exit status: 0 aborted, 1 no mount of shardyfs is there, 4 it "
	  "cannot be done.\n",
	  OF_MOUNT, 1, 1, sfs_ctl_unhang },
	{ "doctor", "TARGET", "check system, store and mounts",
	  "One line a check: \"ok\" or \"FAIL\" with what to do. Opens every "
	  "shard.\nExit status: 0 all is well, 1 something failed.\n",
	  OF_STORE, 1, 1, sfs_ctl_doctor },
};

enum { COMMANDS_COUNT = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

static const struct sfs_ctl_option *option_of(enum sfs_ctl_option_id id)
{
	for (int i = 0; i < OPTIONS_COUNT; i++) {
		if (OPTIONS[i].id == id)
			return &OPTIONS[i];
	}
	return NULL;
}

const struct sfs_ctl_command *sfs_ctl_command_find(const char *name)
{
	for (int i = 0; i < COMMANDS_COUNT; i++) {
		if (strcmp(COMMANDS[i].name, name) == 0)
			return &COMMANDS[i];
	}
	return NULL;
}

const struct sfs_ctl_option *
sfs_ctl_option_find(const struct sfs_ctl_command *command, const char *name,
                    size_t len)
{
	const struct sfs_ctl_option *option;

	for (int i = 0; command->options[i] != 0; i++) {
		option = option_of(command->options[i]);
		if (strlen(option->name) == len &&
		    memcmp(option->name, name, len) == 0)
			return option;
	}
	return NULL;
}

const char *sfs_ctl_command_nearest(const char *name)
{
	struct sfs_nearest n;

	sfs_nearest_begin(&n, name, strlen(name), NULL);
	for (int i = 0; i < COMMANDS_COUNT; i++)
		(void)sfs_nearest_consider(&n, COMMANDS[i].name);
	return n.best;
}

const char *sfs_ctl_option_nearest(const struct sfs_ctl_command *command,
                                   const char *name, size_t len)
{
	struct sfs_nearest n;

	sfs_nearest_begin(&n, name, len, NULL);
	for (int i = 0; command->options[i] != 0; i++)
		(void)sfs_nearest_consider(
			&n, option_of(command->options[i])->name);
	return n.best;
}

static void add_option(const struct sfs_ctl_option *option, struct sfs_buf *out)
{
	size_t start = out->len;
	size_t width;

	sfs_buf_printf(out, "  --%s", option->name);
	if (option->value != NULL)
		sfs_buf_printf(out, "=%s", option->value);
	width = out->len - start;
	sfs_buf_printf(out, "%*s%s\n",
	               (int)(width < HELP_COLUMN ? HELP_COLUMN - width : 1), "",
	               option->help);
}

void sfs_ctl_help(const struct sfs_ctl_command *command, struct sfs_buf *out)
{
	sfs_buf_printf(out, "Usage: shardyctl %s [options] %s\n\n%s\n",
	               command->name, command->arguments, command->details);
	if (command->run != sfs_ctl_cel)
		sfs_buf_puts(out, "TARGET is a store (a directory, "
		                  "file:///dir) or the mount point of "
		                  "one.\n\n");
	sfs_buf_puts(out, "Options:\n");
	for (int i = 0; command->options[i] != 0; i++)
		add_option(option_of(command->options[i]), out);
}

void sfs_ctl_help_all(struct sfs_buf *out)
{
	sfs_buf_puts(out,
	             "Usage: shardyctl COMMAND [options] TARGET [arguments]\n"
	             "Works on the snapshots of a store without mounting it, "
	             "and on mounts.\n"
	             "TARGET is a store (a directory, file:///dir) or the "
	             "mount point of one.\n\nCommands:\n");
	for (int i = 0; i < COMMANDS_COUNT; i++)
		sfs_buf_printf(out, "  %-10s %s\n", COMMANDS[i].name,
		               COMMANDS[i].summary);
	sfs_buf_puts(out,
	             "\n'shardyctl COMMAND --help' tells the options of one; "
	             "every one has --json.\n"
	             "A \"--\" ends the options, for names that begin with "
	             "'-'.\n\n"
	             "  --help                    print this text\n"
	             "  --version                 print the version\n\n"
	             "Exit status: 0 done, 1 the answer is no, 2 usage, 3 "
	             "conflict (somebody else\nwas first), 4 fault (no "
	             "answer).\n");
}
