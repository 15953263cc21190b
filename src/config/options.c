/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all options, and what follows from it alone: lookup by name,
 * the settings in force as text, and the end of a struct sfs_options. Two
 * rows of one offset (ro and rw) are one setting with two names; the first
 * of them is the one that is printed.
 */
#include "config/options.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/nearest.h"

#include <string.h>

#define ID_MAX INT64_C(4294967294) /* 2^32 - 1 means "no change" */

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)

enum { DAY_MS = 86400000, SHARDS_MAX = 65536 };

#define AT(field) offsetof(struct sfs_options, field)

static enum sfs_rc check_log_target(const char *value, struct sfs_err *err);
static enum sfs_rc check_ref(const char *value, struct sfs_err *err);
static enum sfs_rc check_run_prefix(const char *value, struct sfs_err *err);
static enum sfs_rc check_directory(const char *value, struct sfs_err *err);
static enum sfs_rc check_url(const char *value, struct sfs_err *err);
static enum sfs_rc check_key_encoding(const char *value, struct sfs_err *err);

#define ROW_BOOL(name_, group_, field, sets_, fallback_, help_)          \
	{                                                                \
		.name = name_, .type = SFS_OPTION_BOOL,                  \
		.group = SFS_OPTION_GROUP_##group_, .offset = AT(field), \
		.sets = sets_, .fallback = fallback_, .help = help_      \
	}
#define ROW_NUMBER(name_, type_, group_, field, fallback_, min_, max_, unit_, \
                   help_)                                                     \
	{                                                                     \
		.name = name_, .type = SFS_OPTION_##type_,                    \
		.group = SFS_OPTION_GROUP_##group_, .offset = AT(field),      \
		.fallback = fallback_, .min = min_, .max = max_,              \
		.unit = unit_, .help = help_                                  \
	}
#define ROW_STRING(name_, group_, field, fallback_, unit_, help_, check_) \
	{                                                                 \
		.name = name_, .type = SFS_OPTION_STRING,                 \
		.group = SFS_OPTION_GROUP_##group_, .offset = AT(field),  \
		.fallback = fallback_, .unit = unit_, .help = help_,      \
		.check = check_                                           \
	}
#define ROW_KERNEL(name_, field, sets_, help_)                         \
	{                                                              \
		.name = name_, .type = SFS_OPTION_KERNEL,              \
		.group = SFS_OPTION_GROUP_KERNEL, .offset = AT(field), \
		.sets = sets_, .help = help_                           \
	}
#define ROW_IGNORED(name_, help_)                                \
	{                                                        \
		.name = name_, .type = SFS_OPTION_IGNORED,       \
		.group = SFS_OPTION_GROUP_IGNORED, .help = help_ \
	}

static const struct sfs_option TABLE[] = {
	ROW_BOOL("ro", DATA, read_only, true, "false",
	         "mount read-only: reads take fewer requests, control "
	         "files take no words"),
	ROW_BOOL("rw", DATA, read_only, false, NULL, "the opposite of ro"),
	ROW_STRING("ref", DATA, ref, NULL, "ID",
	           "stay on this snapshot (its ID or run ID) instead of "
	           "following the current one",
	           check_ref),
	ROW_NUMBER("refresh", TIME, DATA, refresh_ms, "30s", 0,
	           365 * (int64_t)DAY_MS, "TIME",
	           "how often to look for a new snapshot; 0: only when asked"),
	ROW_BOOL("listing", DATA, listing, true, "true",
	         "let directories of keys be listed"),
	ROW_STRING("run_prefix", DATA, run_prefix, "runs", "PATH",
	           "where the store keeps its run records", check_run_prefix),
	ROW_BOOL("recover", DATA, recover, true, "true",
	         "where a mount of ours lies whose daemon died, detach it "
	         "and mount again"),

	ROW_BOOL("allow_other", ACCESS, allow_other, true, "false",
	         "let other users in"),
	ROW_NUMBER("uid", INT, ACCESS, uid, NULL, 0, ID_MAX, "N",
	           "owner of all files, else the mounting user"),
	ROW_NUMBER("gid", INT, ACCESS, gid, NULL, 0, ID_MAX, "N",
	           "group of all files, else the mounting user's"),
	ROW_NUMBER("umask", OCTAL, ACCESS, umask, NULL, 0, 0777, "MODE",
	           "permission bits to take away from everything"),
	ROW_NUMBER("fmask", OCTAL, ACCESS, fmask, NULL, 0, 0777, "MODE",
	           "the same for files; wins over umask"),
	ROW_NUMBER("dmask", OCTAL, ACCESS, dmask, NULL, 0, 0777, "MODE",
	           "the same for directories; wins over umask"),

	ROW_STRING("staging_dir", BUILD, staging_dir, NULL, "DIR",
	           "where builds are kept, on a local disk; else a directory "
	           "of this store below /var/lib/shardyfs or "
	           "~/.local/state/shardyfs",
	           check_directory),
	ROW_NUMBER("build_memory", SIZE, BUILD, build_memory, "256m", 32 * MIB,
	           1024 * GIB, "SIZE", "memory for building"),
	ROW_NUMBER("build_threads", INT, BUILD, build_threads, NULL, 1, 256,
	           "N", "shards built at once, else the number of CPUs"),
	ROW_NUMBER("value_max", SIZE, BUILD, value_max, "64m", 1, GIB, "SIZE",
	           "the largest value"),
	ROW_STRING("key_encoding", BUILD, key_encoding, NULL, "ENCODING",
	           "of new builds: u64be, u32be, utf8 or raw; else the current "
	           "snapshot's, or u64be",
	           check_key_encoding),
	ROW_NUMBER("num_dbs", INT, BUILD, num_dbs, NULL, 1, SHARDS_MAX, "N",
	           "shards of new builds; else as many as the current "
	           "snapshot has, or 8"),
	ROW_STRING("url", BUILD, url, NULL, "URL",
	           "what published manifests call the store, else its "
	           "file:// URL",
	           check_url),
	ROW_BOOL("sync_on_close", BUILD, sync_on_close, true, "false",
	         "let closing a staged file also sync it"),
	ROW_NUMBER("settle", TIME, BUILD, settle_ms, "2s", 0, DAY_MS, "TIME",
	           "begin to build so long after the last ingest file was "
	           "closed; 0: only when asked"),
	ROW_NUMBER("lock_timeout", TIME, BUILD, lock_timeout_ms, "30s", 0,
	           DAY_MS, "TIME", "wait so long for another publisher"),

	ROW_STRING("config", PROGRAM, config, NULL, "FILE",
	           "read options from this YAML file", NULL),
	ROW_STRING("fsname", PROGRAM, fsname, NULL, "NAME",
	           "what df and /proc/mounts show, else SOURCE", NULL),
	ROW_BOOL("nonempty", PROGRAM, nonempty, true, "false",
	         "mount over a directory that is not empty"),
	ROW_BOOL("auto_unmount", PROGRAM, auto_unmount, true, "false",
	         "unmount when the program dies"),
	ROW_STRING("log", PROGRAM, log, "auto", "TARGET",
	           "stderr, syslog or the absolute path of a file; auto: "
	           "stderr in the foreground, else syslog",
	           check_log_target),
	ROW_STRING("log_level", PROGRAM, log_level, "info", "LEVELS",
	           "none, error, warn, info or debug, also by component: "
	           "all=warn,store=debug",
	           sfs_log_check_levels),
	ROW_NUMBER("notify_fd", INT, PROGRAM, notify_fd, "-1", -1, INT32_MAX,
	           "FD",
	           "write a line to this descriptor once the mount works"),

	ROW_NUMBER("threads", INT, LIMITS, threads, "64", 1, 256, "N",
	           "threads that serve requests"),
	ROW_NUMBER("max_open_shards", INT, LIMITS, max_open_shards, "4096", 1,
	           65536, "N", "shards kept open at once"),
	ROW_NUMBER("fanout_max", INT, LIMITS, fanout_max, "256", 1, 1 << 20,
	           "N",
	           "where a key's shard depends on columns that are not named, "
	           "look in so many shards at most"),
	ROW_NUMBER("mount_wait", TIME, LIMITS, mount_wait_ms, "60s", 1, DAY_MS,
	           "TIME", "give up mounting after this"),
	ROW_NUMBER("op_timeout", TIME, LIMITS, op_timeout_ms, "120s", 1, DAY_MS,
	           "TIME", "a request that takes longer fails"),
	ROW_NUMBER("stop_timeout", TIME, LIMITS, stop_timeout_ms, "30s", 0,
	           DAY_MS, "TIME",
	           "let open files be used so long after the end was "
	           "asked for"),

	ROW_KERNEL("suid", kernel_suid, true, "honour set-user-ID bits"),
	ROW_KERNEL("nosuid", kernel_suid, false, "do not"),
	ROW_KERNEL("dev", kernel_dev, true, "honour device files"),
	ROW_KERNEL("nodev", kernel_dev, false, "do not"),
	ROW_KERNEL("exec", kernel_exec, true, "let files be executed"),
	ROW_KERNEL("noexec", kernel_exec, false, "do not"),
	ROW_KERNEL("atime", kernel_atime, true, "keep access times"),
	ROW_KERNEL("noatime", kernel_atime, false, "do not"),
	ROW_KERNEL("sync", kernel_sync, true, "write synchronously"),
	ROW_KERNEL("async", kernel_sync, false, "do not"),
	ROW_KERNEL("dirsync", kernel_dirsync, true,
	           "change directories synchronously"),

	ROW_IGNORED("default_permissions", "always on"),
	ROW_IGNORED("defaults", NULL),
	ROW_IGNORED("auto", NULL),
	ROW_IGNORED("noauto", NULL),
	ROW_IGNORED("user", NULL),
	ROW_IGNORED("nouser", NULL),
	ROW_IGNORED("users", NULL),
	ROW_IGNORED("owner", NULL),
	ROW_IGNORED("group", NULL),
	ROW_IGNORED("nofail", NULL),
	ROW_IGNORED("_netdev", NULL),
	ROW_IGNORED("relatime", NULL),
	ROW_IGNORED("comment", NULL),
	ROW_IGNORED("x-*", NULL),
	ROW_IGNORED("X-*", NULL),
};

enum { ROWS = sizeof(TABLE) / sizeof(TABLE[0]) };
_Static_assert((int)ROWS <= (int)SFS_OPTIONS_MAX,
               "more options than are counted for");

const struct sfs_option *sfs_options_table(size_t *count_out)
{
	*count_out = ROWS;
	return TABLE;
}

static enum sfs_rc check_log_target(const char *value, struct sfs_err *err)
{
	if (value[0] == '/' || strcmp(value, "auto") == 0 ||
	    strcmp(value, "stderr") == 0 || strcmp(value, "syslog") == 0)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   "must be auto, stderr, syslog or the absolute path "
	                   "of a file");
}

static enum sfs_rc check_ref(const char *value, struct sfs_err *err)
{
	if (value[0] != '.' && strchr(value, '/') == NULL)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   "must be a name below snapshots/ or a run ID");
}

/* As the store wants its keys: no empty part, no "." and no "..". */
static enum sfs_rc check_run_prefix(const char *value, struct sfs_err *err)
{
	const char *part = value;
	size_t len;

	for (;; part += len + 1) {
		len = strcspn(part, "/");
		if (len == 0 || (len <= 2 && memcmp(part, "..", len) == 0))
			return sfs_err_set(err, SFS_E_INVALID,
			                   "must be a relative path without "
			                   "empty parts, \".\" and \"..\"");
		if (part[len] == '\0')
			return SFS_OK;
	}
}

static enum sfs_rc check_directory(const char *value, struct sfs_err *err)
{
	if (value[0] == '/')
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID, "must be an absolute path");
}

static enum sfs_rc check_url(const char *value, struct sfs_err *err)
{
	const char *rest = strstr(value, "://");

	if (rest != NULL && rest != value && rest[3] != '\0')
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   "must be a URL such as s3://bucket/prefix");
}

/* The names of format/keys.h, which is above this room. */
static enum sfs_rc check_key_encoding(const char *value, struct sfs_err *err)
{
	static const char *const names[] = { "u64be", "u32be", "utf8", "raw" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0)
			return SFS_OK;
	}
	return sfs_err_set(err, SFS_E_INVALID,
	                   "must be u64be, u32be, utf8 or raw");
}

static char folded(char c)
{
	return c == '-' ? '_' : c;
}

static bool is_name(const char *pattern, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len && pattern[i] != '\0'; i++) {
		if (pattern[i] == '*')
			return true;
		if (folded(pattern[i]) != folded(name[i]))
			return false;
	}
	return i == len && pattern[i] == '\0';
}

const struct sfs_option *sfs_option_find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (is_name(TABLE[i].name, name, len))
			return &TABLE[i];
	}
	return NULL;
}

const struct sfs_option *sfs_option_nearest(const char *name, size_t len)
{
	const struct sfs_option *best = NULL;
	struct sfs_nearest n;
	size_t i;

	sfs_nearest_begin(&n, name, len, folded);
	for (i = 0; i < ROWS; i++) {
		if (strchr(TABLE[i].name, '*') == NULL &&
		    sfs_nearest_consider(&n, TABLE[i].name))
			best = &TABLE[i];
	}
	return best;
}

/* Paths may hold any byte, and a line must stay one. */
static void print_text(struct sfs_buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == '\\')
			sfs_buf_printf(out, "\\%03o", (unsigned char)*text);
		else
			sfs_buf_putc(out, *text);
	}
}

static void print_string(struct sfs_buf *out, const char *name,
                         const char *value)
{
	sfs_buf_printf(out, "%s:", name);
	if (value != NULL && value[0] != '\0') {
		sfs_buf_putc(out, ' ');
		print_text(out, value);
	}
	sfs_buf_putc(out, '\n');
}

static void print_row(struct sfs_buf *out, const struct sfs_option *option,
                      const void *field)
{
	char number[SFS_OPTION_NUMBER_BYTES] = "";
	int64_t value;

	switch (option->type) {
	case SFS_OPTION_BOOL:
		print_string(out, option->name,
		             *(const bool *)field ? "true" : "false");
		break;
	case SFS_OPTION_INT:
	case SFS_OPTION_OCTAL:
	case SFS_OPTION_TIME:
	case SFS_OPTION_SIZE:
		value = *(const int64_t *)field;
		if (value >= option->min)
			sfs_option_print_number(option, value, number);
		print_string(out, option->name, number);
		break;
	case SFS_OPTION_STRING:
		print_string(out, option->name, *(char *const *)field);
		break;
	case SFS_OPTION_KERNEL: /* all of them are one line, kernel_opts */
	case SFS_OPTION_IGNORED:
		break;
	}
}

void sfs_options_print_config(const struct sfs_options *o, struct sfs_buf *out)
{
	size_t i;

	print_string(out, "source", o->source);
	print_string(out, "mountpoint", o->mountpoint);
	for (i = 0; i < ROWS; i++) {
		if (i == 0 || TABLE[i].offset != TABLE[i - 1].offset)
			print_row(out, &TABLE[i],
			          (const char *)o + TABLE[i].offset);
	}
	print_string(out, "kernel_opts", o->kernel_opts);
}

void sfs_options_release(struct sfs_options *o)
{
	char **field;
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (TABLE[i].type != SFS_OPTION_STRING)
			continue;
		field = (char **)(void *)((char *)o + TABLE[i].offset);
		sfs_free(*field);
	}
	sfs_free(o->source);
	sfs_free(o->mountpoint);
	sfs_free(o->kernel_opts);
	sfs_buf_release(&o->faults);
	memset(o, 0, sizeof(*o));
}
