/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CONFIG_OPTIONS_H
#define SFS_CONFIG_OPTIONS_H

#include "base/buf.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the mount program was asked to do. One table describes every option;
 * command line, environment, configuration file and --help come from it.
 *
 *   command line > SHARDYFS_NAME > configuration file (config=) > default
 *
 * Immutable after sfs_options_parse(). Strings are owned by the struct; NULL
 * where nothing was given and there is no default.
 */
struct sfs_options {
	char *source;     /* as given */
	char *mountpoint; /* as given */

	bool show_help;       /* -h: nothing else was checked */
	bool show_version;    /* -V: nothing else was checked */
	bool is_mount_helper; /* called as mount.shardyfs: stay quiet */
	bool foreground;      /* -f, -d */
	bool fake;            /* mount helper's -f: all but the mount */
	bool is_sloppy;       /* mount helper's -s */
	bool is_verbose;      /* mount helper's -v */

	bool read_only; /* ro, rw; not part of kernel_opts */
	bool allow_other;
	bool auto_unmount;
	bool nonempty;
	bool recover;
	bool listing;
	int64_t uid;   /* -1: the mounting user */
	int64_t gid;   /* -1: the mounting user's */
	int64_t umask; /* -1: not given; so fmask, dmask */
	int64_t fmask;
	int64_t dmask;
	char *fsname;       /* NULL: the source */
	char *ref;          /* NULL: follow the current snapshot */
	char *run_prefix;   /* "runs" */
	int64_t refresh_ms; /* 0: only on request */
	int64_t stop_timeout_ms;
	int64_t mount_wait_ms;
	int64_t op_timeout_ms;
	int64_t threads;
	int64_t max_open_shards;
	int64_t fanout_max; /* shards that one lookup may ask */
	int64_t notify_fd;  /* -1: none */

	/* staging and publishing */
	char *staging_dir;     /* NULL: by the store, see shardyfs(1) */
	char *url;             /* NULL: the store's own */
	char *key_encoding;    /* NULL: as the current snapshot's */
	int64_t num_dbs;       /* -1: as the current snapshot's, or 8 */
	int64_t build_memory;  /* bytes, as value_max */
	int64_t build_threads; /* -1: as many as there are CPUs */
	int64_t value_max;
	int64_t settle_ms; /* 0: never by itself */
	int64_t lock_timeout_ms;
	bool sync_on_close;
	char *log;       /* "auto", "stderr", "syslog", absolute path */
	char *log_level; /* valid for sfs_log_set_levels() */
	char *config;    /* the file that was read, or NULL */

	/* mount(8)'s own, 1 or 0 as asked, -1 where nobody did */
	int8_t kernel_suid, kernel_dev, kernel_exec, kernel_atime;
	int8_t kernel_sync, kernel_dirsync;
	char *kernel_opts; /* the same as "nosuid,noexec"; "" if none */

	struct sfs_buf faults; /* one a line, each with its '\n' */
};

/*
 * Fills *out from the command line, environ (NULL: none) and the file that
 * config= names. Everything is read before anything is refused: INVALID has
 * the first fault in *err and all of them in out->faults. NO_MEMORY. *out is
 * to be released whatever was returned.
 */
enum sfs_rc sfs_options_parse(int argc, char *const argv[],
                              char *const environment[],
                              struct sfs_options *out,
                              struct sfs_err *err) SFS_NODISCARD;
void sfs_options_release(struct sfs_options *o);

/* The text of --help: usage, then every option by group. */
void sfs_options_help(const char *program, struct sfs_buf *out);

/* "name: value" lines of all options as they are in force. */
void sfs_options_print_config(const struct sfs_options *o, struct sfs_buf *out);

enum sfs_option_type {
	SFS_OPTION_BOOL = 1,
	SFS_OPTION_KERNEL, /* a boolean that goes into kernel_opts */
	SFS_OPTION_INT,
	SFS_OPTION_OCTAL,
	SFS_OPTION_TIME, /* ms; suffix ms, s (none), m, h, d */
	SFS_OPTION_SIZE, /* bytes; suffix k, m, g: times 1024 */
	SFS_OPTION_STRING,
	SFS_OPTION_IGNORED, /* accepted, with any value, without effect */
};

enum sfs_option_group {
	SFS_OPTION_GROUP_DATA = 1,
	SFS_OPTION_GROUP_ACCESS,
	SFS_OPTION_GROUP_BUILD,
	SFS_OPTION_GROUP_PROGRAM,
	SFS_OPTION_GROUP_LIMITS,
	SFS_OPTION_GROUP_KERNEL,
	SFS_OPTION_GROUP_IGNORED,
};

struct sfs_option {
	const char *name; /* "mount_wait"; a final '*' stands for any rest */
	enum sfs_option_type type;
	enum sfs_option_group group;
	size_t offset;        /* in struct sfs_options; 0 for IGNORED */
	bool sets;            /* booleans: the value of the bare name */
	const char *fallback; /* the default as text; NULL: none */
	int64_t min, max;     /* numbers; TIME in ms */
	const char *unit;     /* what stands for the value in --help */
	const char *help;
	/* Further demands on a STRING; INVALID says which. NULL: none. */
	enum sfs_rc (*check)(const char *value, struct sfs_err *err);
};

enum { SFS_OPTIONS_MAX = 128 }; /* rows at most */

/* The table: for --help, and for tests of the documentation. */
const struct sfs_option *sfs_options_table(size_t *count_out);

/* By name, '-' and '_' being equal; NULL: there is none. */
const struct sfs_option *sfs_option_find(const char *name, size_t len);

/* The option that was probably meant; NULL: nothing is near. */
const struct sfs_option *sfs_option_nearest(const char *name, size_t len);

enum { SFS_OPTION_NUMBER_BYTES = 32 };

/*
 * Numbers (INT, OCTAL, TIME, SIZE) as text and back. Reading is INVALID with
 * what would be right; printing chooses the largest exact unit.
 */
enum sfs_rc sfs_option_read_number(const struct sfs_option *option,
                                   const char *text, int64_t *value_out,
                                   struct sfs_err *err) SFS_NODISCARD;
void sfs_option_print_number(const struct sfs_option *option, int64_t value,
                             char out[SFS_OPTION_NUMBER_BYTES]);

#endif
