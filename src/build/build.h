/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_BUILD_H
#define SFS_BUILD_BUILD_H

#include "base/buf.h"
#include "build/build_config.h"
#include "build/progress.h"
#include "format/names.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

/*
 * One build: its files, as a filesystem sees them, and what becomes of them.
 * Counted by references, used by any thread. After a build was published or
 * discarded its functions return STALE.
 */
struct sfs_build;

struct sfs_build *sfs_build_ref(struct sfs_build *b);
void sfs_build_unref(struct sfs_build *b); /* NULL is fine */
const char *sfs_build_name(const struct sfs_build *b);
uint64_t sfs_build_number(const struct sfs_build *b); /* of this process */

/*
 * Files. TOP holds config.yaml, message, tag, and scratch; INGEST and KEYS
 * are its two directories, and WHERE is flat and holds the files with columns
 * (build/where_name.h). Every name that the directory's rules allow is a real
 * file; rules: KEYS: a key's canonical name, or a name that is no key
 * (scratch); another spelling of a key is INVALID and says the canonical one;
 * WHERE: the same after columns as config.yaml has them, enough to tell the
 * shard. Names may be longer than the local filesystem's.
 */
enum sfs_build_dir {
	SFS_BUILD_TOP = 1,
	SFS_BUILD_KEYS,
	SFS_BUILD_INGEST,
	SFS_BUILD_WHERE,
};

bool sfs_build_has_dir(struct sfs_build *b, enum sfs_build_dir dir);
/* Removes or makes KEYS or INGEST. EXISTS; NOT_FOUND; INVALID: not empty. */
enum sfs_rc sfs_build_rmdir(struct sfs_build *b, enum sfs_build_dir dir,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_build_mkdir(struct sfs_build *b, enum sfs_build_dir dir,
                            struct sfs_err *err) SFS_NODISCARD;

/* Renames and removals in the directory are durable. */
enum sfs_rc sfs_build_sync_dir(struct sfs_build *b, enum sfs_build_dir dir,
                               struct sfs_err *err) SFS_NODISCARD;

enum sfs_rc sfs_build_dir_stat(struct sfs_build *b, enum sfs_build_dir dir,
                               struct stat *st,
                               struct sfs_err *err) SFS_NODISCARD;

/* NOT_FOUND. */
enum sfs_rc sfs_build_stat(struct sfs_build *b, enum sfs_build_dir dir,
                           const char *name, struct stat *st,
                           struct sfs_err *err) SFS_NODISCARD;

/*
 * Names after the one given (NULL: from the first), in byte order, one by
 * one; *found = false behind the last. A snapshot of the names is taken when
 * the cursor is opened.
 */
struct sfs_build_names {
	char **names; /* owned */
	size_t count;
};
enum sfs_rc sfs_build_list(struct sfs_build *b, enum sfs_build_dir dir,
                           struct sfs_build_names *out,
                           struct sfs_err *err) SFS_NODISCARD;
void sfs_build_names_release(struct sfs_build_names *n);

/*
 * An open file. open: flags as open(2): the access mode, O_CREAT, O_EXCL,
 * O_TRUNC, O_APPEND. EXISTS, NOT_FOUND, NO_SPACE, INVALID. It goes on working
 * after unlink and rename. Calls from several threads are allowed.
 */
struct sfs_staged_file;

enum sfs_rc sfs_build_open(struct sfs_build *b, enum sfs_build_dir dir,
                           const char *name, int flags, mode_t mode,
                           struct sfs_staged_file **out,
                           struct sfs_err *err) SFS_NODISCARD;

/* is_append: at the end, wherever that is; offset is then ignored. */
enum sfs_rc sfs_staged_write(struct sfs_staged_file *f, uint64_t offset,
                             bool is_append, const void *data, size_t len,
                             struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_staged_read(struct sfs_staged_file *f, uint64_t offset,
                            void *buf, size_t len, size_t *got,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_staged_truncate(struct sfs_staged_file *f, uint64_t size,
                                struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_staged_allocate(struct sfs_staged_file *f, int mode,
                                uint64_t offset, uint64_t len,
                                struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_staged_stat(struct sfs_staged_file *f, struct stat *st,
                            struct sfs_err *err) SFS_NODISCARD;
/* True if opening made the file: then *st is what it was then. */
bool sfs_staged_is_new(const struct sfs_staged_file *f, struct stat *st);

/* All that was written, and the name, are durable. */
enum sfs_rc sfs_staged_sync(struct sfs_staged_file *f, bool is_data_only,
                            struct sfs_err *err) SFS_NODISCARD;

/*
 * One of its descriptors was closed. What is now known to be wrong with it is
 * the answer: INVALID for config.yaml, CORRUPT for an ingest file with bad
 * records; syncs if the area's sync_on_close is set.
 */
enum sfs_rc sfs_staged_flush(struct sfs_staged_file *f,
                             const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;
void sfs_staged_close(struct sfs_staged_file *f); /* NULL is fine */

/* By name, for files that are not open. */
enum sfs_rc sfs_build_truncate(struct sfs_build *b, enum sfs_build_dir dir,
                               const char *name, uint64_t size,
                               struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_build_chmod(struct sfs_build *b, enum sfs_build_dir dir,
                            const char *name, mode_t mode,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_build_utimens(struct sfs_build *b, enum sfs_build_dir dir,
                              const char *name, const struct timespec times[2],
                              struct sfs_err *err) SFS_NODISCARD;

/* NOT_FOUND. */
enum sfs_rc sfs_build_unlink(struct sfs_build *b, enum sfs_build_dir dir,
                             const char *name,
                             struct sfs_err *err) SFS_NODISCARD;

struct sfs_build_place {
	enum sfs_build_dir dir;
	const char *name;
};

/*
 * flags as renameat2(2): 0, NOREPLACE, EXCHANGE. Within the build; between
 * its directories too. A config.yaml that is wrong is INVALID, and nothing
 * was renamed.
 */
enum sfs_rc sfs_build_rename(struct sfs_build *b,
                             const struct sfs_build_place *from,
                             const struct sfs_build_place *to, unsigned flags,
                             struct sfs_err *err) SFS_NODISCARD;

/*
 * The base: a snapshot that this one changes. It must be current when it is
 * set (STALE says how to go on) and agree with config.yaml (INVALID).
 */
enum sfs_rc sfs_build_set_base(struct sfs_build *b,
                               const struct sfs_snapshot_id *id,
                               const struct sfs_call *call,
                               struct sfs_err *err) SFS_NODISCARD;
bool sfs_build_get_base(struct sfs_build *b, struct sfs_snapshot_id *out);
enum sfs_rc sfs_build_clear_base(struct sfs_build *b,
                                 struct sfs_err *err) SFS_NODISCARD;

/* Keys of the base that this build removes: by names of KEYS and WHERE. */
enum sfs_rc sfs_build_remove_key(struct sfs_build *b,
                                 const struct sfs_build_place *at,
                                 struct sfs_err *err) SFS_NODISCARD;
bool sfs_build_is_removed(struct sfs_build *b, const char *name);

/* The encoding as config.yaml says now. */
enum sfs_key_encoding sfs_build_encoding(struct sfs_build *b);

/*
 * Adds an ingest file that is read where it lies, and must not change until
 * the build has ended. INVALID: no regular file.
 */
enum sfs_rc sfs_build_add_source(struct sfs_build *b, const char *name,
                                 const char *path,
                                 struct sfs_err *err) SFS_NODISCARD;

void sfs_build_get_progress(struct sfs_build *b,
                            struct sfs_build_progress *out);

/* Generated files. */
void sfs_build_print_status(struct sfs_build *b, struct sfs_buf *out);
void sfs_build_print_errors(struct sfs_build *b, struct sfs_buf *out);
/* Merges what changed, without writing; may take long. */
enum sfs_rc sfs_build_print_plan(struct sfs_build *b, struct sfs_buf *out,
                                 const struct sfs_call *call,
                                 struct sfs_err *err) SFS_NODISCARD;
void sfs_build_print_json(struct sfs_build *b, struct sfs_buf *out);

/*
 * Settles: every shard that is not up to date is built and durable when this
 * returns, so that publishing is short. Writing may go on meanwhile.
 * CORRUPT: bad records, or files that are no records (see errors).
 */
enum sfs_rc sfs_build_settle(struct sfs_build *b, const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

/*
 * Settles what is left and publishes. SFS_OK: it is current, durably, and the
 * build is done: *id_out tells which snapshot it became. On any failure the
 * build is as it was, and the same call continues. CORRUPT bad records,
 * EXISTS the tag is taken, STALE the base moved, BUSY another publisher holds
 * the lock, CANCELED before the swap, NO_SPACE, AUTH, TIMEOUT, IO; never
 * INVALID.
 */
enum sfs_rc sfs_build_publish(struct sfs_build *b,
                              struct sfs_snapshot_id *id_out,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

#endif
