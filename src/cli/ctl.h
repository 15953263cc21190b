/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CLI_CTL_H
#define SFS_CLI_CTL_H

#include "base/buf.h"
#include "base/json.h"
#include "cli/mountpoint.h"
#include "cli/stack.h"
#include "format/keys.h"
#include "shardyfs/err.h"
#include "snapshot/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The commands of shardyctl: one table says what they are called, which
 * arguments and options they take, and what --help prints.
 */
enum sfs_ctl_status {
	SFS_CTL_OK = 0,
	SFS_CTL_NO = 1, /* the answer is no: absent, unhealthy, timeout */
	SFS_CTL_USAGE = 2,
	SFS_CTL_CONFLICT = 3, /* somebody else was first: nothing was done */
	SFS_CTL_FAULT = 4,    /* the question could not be answered */
};

enum {
	SFS_CTL_THREADS_MAX = 64,
	SFS_CTL_WORDS_MAX = 3,
	SFS_CTL_REPEATS_MAX = 1024, /* of an option that may be repeated */
};

enum sfs_ctl_option_id {
	SFS_CTL_SNAPSHOT = 1,
	SFS_CTL_NEWER_THAN,
	SFS_CTL_TIMEOUT,
	SFS_CTL_WAIT,
	SFS_CTL_THREADS,
	SFS_CTL_FORMAT,
	SFS_CTL_HEX,
	SFS_CTL_RUN_PREFIX,
	SFS_CTL_DELETE_TAG,
	SFS_CTL_DELETE,
	SFS_CTL_KEEP,
	SFS_CTL_GRACE,
	SFS_CTL_PIN,
	SFS_CTL_FROM,
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
	SFS_CTL_URL,
	SFS_CTL_STAGING_DIR,
	SFS_CTL_BUILD_MEMORY,
	SFS_CTL_ON_BAD_RECORD,
	SFS_CTL_OLDER_THAN,
	SFS_CTL_COLUMN,
	SFS_CTL_COLUMNS,
	SFS_CTL_JSON,
	SFS_CTL_HELP,
};

struct sfs_ctl_option {
	enum sfs_ctl_option_id id;
	const char *name;
	const char *value; /* what stands for it in --help; NULL: a flag */
	const char *help;
};

/* The values of an option that may be repeated, in order. */
struct sfs_ctl_repeats {
	const char *values[SFS_CTL_REPEATS_MAX];
	size_t count;
};

/* What the command line says. All strings are borrowed from argv. */
struct sfs_ctl_args {
	const struct sfs_ctl_command *command;
	const char *target;
	const char *word;  /* the second argument; NULL: none */
	const char *word3; /* the third */
	const char *snapshot;
	const char *newer_than;
	const char *format;
	const char *hex;
	const char *run_prefix; /* NULL: the mount's, or "runs" */
	int64_t timeout_ms;     /* -1: none */
	unsigned threads;
	struct sfs_ctl_repeats columns; /* COLUMN=VALUE */
	const char *column_types;       /* "NAME:TYPE,..." */
	bool wait;
	bool is_delete;
	bool json;
	bool help;

	uint64_t keep;    /* gc */
	int64_t grace_ms; /* gc */
	struct sfs_ctl_repeats pins;

	/* NULL, 0, SFS_KEY_INVALID, -1: not given */
	struct sfs_ctl_repeats from;
	const char *input_format;
	uint32_t num_dbs;
	uint64_t max_keys_per_shard;
	const char *cel;
	const char *cel_columns;    /* NAME:TYPE,NAME:TYPE */
	const char *routing_values; /* VALUE,VALUE; or "inferred" */
	const char *ranges;         /* "auto" */
	const char *bounds;         /* KEY,KEY */
	enum sfs_key_encoding key_encoding;
	int64_t page_size; /* 0: auto; -1: not given */
	const char *base;
	const char *message;
	const char *tag;
	const char *url;
	const char *staging_dir;
	int64_t build_memory;
	const char *on_bad_record; /* "refuse" or "skip" */
	int64_t older_than_ms;
};

typedef int sfs_ctl_run_fn(const struct sfs_ctl_args *args);

struct sfs_ctl_command {
	const char *name;
	const char *arguments; /* "TARGET NAME" */
	const char *summary;   /* one line, for the list of commands */
	const char *details;   /* lines of at most 79 columns */
	const enum sfs_ctl_option_id *options; /* ends with 0 */
	unsigned min_words;
	unsigned max_words; /* at most SFS_CTL_WORDS_MAX */
	sfs_ctl_run_fn *run;
};

/* NULL: there is none of that name. */
const struct sfs_ctl_command *sfs_ctl_command_find(const char *name);

/* The name that was probably meant; NULL: nothing is near. */
const char *sfs_ctl_command_nearest(const char *name);
const char *sfs_ctl_option_nearest(const struct sfs_ctl_command *command,
                                   const char *name, size_t len);

/* NULL: the command has no such option. */
const struct sfs_ctl_option *
sfs_ctl_option_find(const struct sfs_ctl_command *command, const char *name,
                    size_t len);

/* The text of --help: all commands, or one. */
void sfs_ctl_help_all(struct sfs_buf *out);
void sfs_ctl_help(const struct sfs_ctl_command *command, struct sfs_buf *out);

/* argv begins behind the command's name. INVALID. */
enum sfs_rc sfs_ctl_parse(const struct sfs_ctl_command *command, int argc,
                          char *const argv[], struct sfs_ctl_args *out,
                          struct sfs_err *err) SFS_NODISCARD;

/* Output. Writing to stdout has failed where a function says FAULT. */
enum sfs_rc sfs_ctl_write(const void *data, size_t len,
                          struct sfs_err *err) SFS_NODISCARD;
int sfs_ctl_print(struct sfs_buf *text, int status); /* releases text */
int sfs_ctl_fail(const struct sfs_err *err);         /* FAULT */
int sfs_ctl_refuse(const struct sfs_err *err);       /* USAGE */
/* CONFLICT where the rc says that somebody else was first, else FAULT. */
int sfs_ctl_fail_or_conflict(const struct sfs_err *err);
void sfs_ctl_note(const char *fmt, ...) SFS_PRINTF(1, 2);
bool sfs_ctl_is_utf8(const uint8_t *text, size_t len);
void sfs_ctl_add_hex(struct sfs_buf *out, struct sfs_bytes bytes);

/* Room for the base64 of len bytes, without NUL. */
static inline size_t sfs_base64_len(size_t len)
{
	return (len + 2) / 3 * 4;
}

/* Any number of threads may encode once a first call has returned. */
void sfs_base64_encode(const uint8_t *data, size_t len, char *out);
void sfs_base64_init(void);

/* A name as the user wrote it, and the key that it means. */
struct sfs_ctl_key {
	const char *name;
	size_t name_len;
	struct sfs_bytes bytes; /* lookup bytes; owned */
};

/* INVALID, saying why no key has this name. */
enum sfs_rc sfs_ctl_key_read(enum sfs_key_encoding encoding, const char *name,
                             struct sfs_ctl_key *out,
                             struct sfs_err *err) SFS_NODISCARD;
void sfs_ctl_key_release(struct sfs_ctl_key *key);

/*
 * The name as a JSON string: as written, or the key's canonical name where
 * it is not UTF-8. key.data NULL: it is no key.
 */
void sfs_ctl_json_name(struct sfs_json_printer *p,
                       enum sfs_key_encoding encoding, const char *name,
                       size_t name_len, struct sfs_bytes key);

/*
 * The columns of --column; release them whatever was returned. INVALID: no
 * such column, or not of its type.
 */
enum sfs_rc sfs_ctl_columns_read(const struct sfs_ctl_args *args,
                                 const struct sfs_sharding *sharding,
                                 struct sfs_columns *out,
                                 struct sfs_err *err) SFS_NODISCARD;

/* INVALID, naming it, if the router needs a column that is not there. */
enum sfs_rc sfs_ctl_columns_require(const struct sfs_snapshot *snapshot,
                                    const struct sfs_columns *columns,
                                    struct sfs_err *err) SFS_NODISCARD;

/* USAGE where the question was wrong, or lacked columns; else FAULT. */
int sfs_ctl_fail_lookup(const struct sfs_err *err);

/* Null for what JSON has no form of. */
void sfs_ctl_json_cel(struct sfs_json_printer *p,
                      const struct sfs_cel_value *v);

/*
 * A mount of ours at that path, as the user wrote it, told by mountinfo
 * without touching the mount. NOT_FOUND: none is there. INVALID: the path
 * lies inside of one.
 */
enum sfs_rc sfs_ctl_mount_find(const char *path, struct sfs_mount *out,
                               struct sfs_err *err) SFS_NODISCARD;

/*
 * Reads or writes MOUNT/.shardyfs/NAME in a child process, for at most
 * limit_ms: a hung mount costs no more than that. TIMEOUT and STALE (its
 * daemon is gone) say what to do. The caller sfs_free()s *text_out.
 */
enum { SFS_CTL_PATIENCE_MS = 5000 };
enum sfs_rc sfs_ctl_control_read(const char *mount, const char *name,
                                 int64_t limit_ms, char **text_out,
                                 size_t *len_out,
                                 struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_ctl_control_write(const char *mount, const char *name,
                                  const char *word, int64_t limit_ms,
                                  struct sfs_err *err) SFS_NODISCARD;

/* The members of status.json that commands work with; NULL: not there. */
struct sfs_ctl_mount_status {
	char *store;
	char *run_prefix;
	char *snapshot;
	char *staging_dir;
	int64_t pid;
};

enum sfs_rc sfs_ctl_mount_status_read(const char *mount,
                                      struct sfs_ctl_mount_status *out,
                                      struct sfs_err *err) SFS_NODISCARD;
void sfs_ctl_mount_status_release(struct sfs_ctl_mount_status *s);

/* TARGET opened: a store, or the store of a mount. */
struct sfs_ctl_target {
	struct sfs_stack stack;
	char *run_prefix;
	char *staging_dir; /* of the mount, if it says; owned */
	char *shown; /* the snapshot that the mount shows; NULL: a store */
};

enum sfs_rc sfs_ctl_target_open(const struct sfs_ctl_args *args,
                                struct sfs_ctl_target *out,
                                struct sfs_err *err) SFS_NODISCARD;
void sfs_ctl_target_close(struct sfs_ctl_target *t);

/*
 * The snapshot of --snapshot, else what the mount shows, else the current
 * one. NOT_FOUND.
 */
enum sfs_rc sfs_ctl_snapshot_open(const struct sfs_ctl_target *t,
                                  const char *ref, struct sfs_snapshot **out,
                                  struct sfs_err *err) SFS_NODISCARD;

/*
 * What a text names: a snapshot ID, a run id, a tag, or "current". NOT_FOUND,
 * INVALID (several runs of that id).
 */
enum sfs_rc sfs_ctl_resolve(const struct sfs_ctl_target *t, const char *text,
                            struct sfs_snapshot_id *out,
                            struct sfs_err *err) SFS_NODISCARD;

/* The snapshot that the store's pointer names; NOT_FOUND: none. */
enum sfs_rc sfs_ctl_current_id(const struct sfs_ctl_target *t,
                               struct sfs_snapshot_id *out,
                               struct sfs_err *err) SFS_NODISCARD;

/* Opens the target, calls fn, closes it; the exit status. */
typedef int sfs_ctl_target_fn(const struct sfs_ctl_args *args,
                              const struct sfs_ctl_target *target);
int sfs_ctl_on_target(const struct sfs_ctl_args *args, sfs_ctl_target_fn *fn);

/* The same with the snapshot of --snapshot. */
typedef int sfs_ctl_snapshot_fn(const struct sfs_ctl_args *args,
                                struct sfs_snapshot *snapshot);
int sfs_ctl_on_snapshot(const struct sfs_ctl_args *args,
                        sfs_ctl_snapshot_fn *fn);

sfs_ctl_run_fn sfs_ctl_cel;
sfs_ctl_run_fn sfs_ctl_get;
sfs_ctl_run_fn sfs_ctl_multiget;
sfs_ctl_run_fn sfs_ctl_info;
sfs_ctl_run_fn sfs_ctl_shards;
sfs_ctl_run_fn sfs_ctl_route;
sfs_ctl_run_fn sfs_ctl_path;
sfs_ctl_run_fn sfs_ctl_key;
sfs_ctl_run_fn sfs_ctl_history;
sfs_ctl_run_fn sfs_ctl_rollback;
sfs_ctl_run_fn sfs_ctl_tag;
sfs_ctl_run_fn sfs_ctl_diff;
sfs_ctl_run_fn sfs_ctl_gc;
sfs_ctl_run_fn sfs_ctl_verify;
sfs_ctl_run_fn sfs_ctl_build;
sfs_ctl_run_fn sfs_ctl_publish;
sfs_ctl_run_fn sfs_ctl_abort;
sfs_ctl_run_fn sfs_ctl_builds;
sfs_ctl_run_fn sfs_ctl_show_status;
sfs_ctl_run_fn sfs_ctl_health;
sfs_ctl_run_fn sfs_ctl_wait;
sfs_ctl_run_fn sfs_ctl_refresh;
sfs_ctl_run_fn sfs_ctl_unhang;
sfs_ctl_run_fn sfs_ctl_doctor;

#endif
