/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_FILES_H
#define SFS_BUILD_FILES_H

#include "base/buf.h"
#include "build/build.h"
#include "format/names.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * The directory of one build on local disk, as the engine reads it. It is all
 * that survives a crash (files.c says what lies where). Any thread.
 */
struct sfs_files;

/* An ingest file, in the order in which they were created or truncated. */
struct sfs_ingest_file {
	uint64_t seq;       /* its rank; from 1; one owner uses it once */
	char *name;         /* as in ingest/; owned */
	bool is_open;       /* somebody writes it right now */
	bool is_incomplete; /* its writer died before it closed it */
};

struct sfs_ingest_files {
	struct sfs_ingest_file *files; /* owned */
	size_t count;
};

/* Scratch (names that begin with '.') is left out. */
enum sfs_rc sfs_files_list_ingest(struct sfs_files *f,
                                  struct sfs_ingest_files *out,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_ingest_files_release(struct sfs_ingest_files *files);

/* For reading; the caller closes *fd_out. NOT_FOUND. */
enum sfs_rc sfs_files_open_ingest(struct sfs_files *f, uint64_t seq,
                                  int *fd_out,
                                  struct sfs_err *err) SFS_NODISCARD;

/*
 * Every file in KEYS and WHERE but scratch, whose key's name begins with '.';
 * in no order. No lock is held during the call. Anything but SFS_OK ends the
 * walk.
 */
struct sfs_key_file {
	struct sfs_build_place at;
	const char *key; /* the end of its name: without columns */
	size_t key_len;
	const struct stat *st;
};
typedef enum sfs_rc sfs_key_file_fn(void *arg, const struct sfs_key_file *file,
                                    struct sfs_err *err);
enum sfs_rc sfs_files_walk_keys(struct sfs_files *f, sfs_key_file_fn *fn,
                                void *arg, struct sfs_err *err) SFS_NODISCARD;
/* NOT_FOUND; *fd_out is the caller's. */
enum sfs_rc sfs_files_open_key(struct sfs_files *f,
                               const struct sfs_build_place *at, int *fd_out,
                               struct sfs_err *err) SFS_NODISCARD;

/* Names of the removed keys of the base, as in KEYS or WHERE. */
typedef enum sfs_rc sfs_removed_fn(void *arg, const char *name, size_t len,
                                   struct sfs_err *err);
enum sfs_rc sfs_files_walk_removed(struct sfs_files *f, sfs_removed_fn *fn,
                                   void *arg,
                                   struct sfs_err *err) SFS_NODISCARD;

/* Names at the top that are neither settings nor scratch. */
enum sfs_rc sfs_files_walk_strays(struct sfs_files *f, sfs_removed_fn *fn,
                                  void *arg, struct sfs_err *err) SFS_NODISCARD;

/* config.yaml, message, tag: the bytes; *found = false: not there. */
enum sfs_rc sfs_files_read_top(struct sfs_files *f, const char *name,
                               struct sfs_buf *out, bool *found,
                               struct sfs_err *err) SFS_NODISCARD;

bool sfs_files_get_base(struct sfs_files *f, struct sfs_snapshot_id *out);

/* For scratch of the engine, O_DIRECTORY; borrowed. */
int sfs_files_runs_fd(struct sfs_files *f);

/*
 * What the engine must know after a crash; small texts, replaced atomically
 * and durable when the call returns. load: *found = false: none yet.
 */
enum sfs_rc sfs_files_save_intent(struct sfs_files *f, const char *text,
                                  struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_load_intent(struct sfs_files *f, struct sfs_buf *out,
                                  bool *found,
                                  struct sfs_err *err) SFS_NODISCARD;

/* A number that grows with every change of keys/ and removals; from 1. */
uint64_t sfs_files_keys_version(struct sfs_files *f);

#endif
