/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_STORE_LOCAL_INTERNAL_H
#define SFS_STORE_LOCAL_INTERNAL_H

#include "shardyfs/store.h"

#include <sys/stat.h>

/* What the files of the local store share; nobody else includes this. */

enum { SFS_LOCAL_DEPTH_MAX = 64 }; /* segments of a key */

#define SFS_LOCAL_LOCK ".lock"

struct sfs_local_store {
	struct sfs_store base;
	int dir_fd; /* O_PATH */
	char *url;
};

/* Where a key lies: its directory, held open, and its last segment. */
struct sfs_local_place {
	int dir_fd; /* -1: none; the caller closes it */
	const char *name;
};

struct sfs_local_store *sfs_local_of(struct sfs_store *s);

/* INVALID if it is no key, or one that is reserved. */
enum sfs_rc sfs_local_key_check(const char *key,
                                struct sfs_err *err) SFS_NODISCARD;

/* The same for one segment; is_top: it lies in the store's directory. */
bool sfs_local_segment_is_valid(const char *name, size_t len, bool is_top);

/*
 * Opens a path below the store ("": its directory) without ever leaving it.
 * The descriptor, or a negative errno.
 */
int sfs_local_open_beneath(const struct sfs_local_store *l, const char *path,
                           int flags);

/* Names what a failed resolution of path means; sys_errno > 0. */
enum sfs_rc sfs_local_path_error(int sys_errno, const char *path,
                                 struct sfs_err *err);

/*
 * Finds a key's directory. flags: O_PATH, or O_RDONLY where it will be
 * synced. NOT_FOUND.
 */
enum sfs_rc sfs_local_place_open(const struct sfs_local_store *l,
                                 const char *key, int flags,
                                 struct sfs_local_place *out,
                                 struct sfs_err *err) SFS_NODISCARD;

/* Opens the regular file of a key for reading. NOT_FOUND, CORRUPT. */
enum sfs_rc sfs_local_file_open(const struct sfs_local_store *l,
                                const char *key, int *fd_out, struct stat *st,
                                struct sfs_err *err) SFS_NODISCARD;

/* Reads until len bytes or the end of the file. */
enum sfs_rc sfs_local_read_fully(int fd, const char *name, uint64_t offset,
                                 void *buf, size_t len, size_t *got,
                                 const struct sfs_call *call,
                                 struct sfs_err *err) SFS_NODISCARD;

/* The tag of a key's bytes as they are now; empty if it is absent. */
enum sfs_rc sfs_local_tag_now(const struct sfs_local_store *l, const char *key,
                              struct sfs_tag *out, const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

/* Waits until fd (-1: none) is readable, cancelled, or timeout_ms passed. */
void sfs_local_wait(int fd, int64_t timeout_ms, const struct sfs_call *call);

/* The operations, as in struct sfs_store_ops. */
enum sfs_rc sfs_local_put(struct sfs_store *s, const char *key,
                          const void *data, size_t len, struct sfs_tag *tag_out,
                          const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_put_if(struct sfs_store *s, const char *key,
                             const void *data, size_t len,
                             const struct sfs_tag *expected,
                             struct sfs_tag *tag_out,
                             const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_put_file(struct sfs_store *s, const char *key, int fd,
                               struct sfs_tag *tag_out,
                               const struct sfs_call *call,
                               struct sfs_err *err);
enum sfs_rc sfs_local_delete(struct sfs_store *s, const char *key,
                             const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_copy(struct sfs_store *s, const char *from,
                           const char *to, const struct sfs_call *call,
                           struct sfs_err *err);
enum sfs_rc sfs_local_list(struct sfs_store *s, const char *prefix,
                           char delimiter, const char *start_after,
                           sfs_list_fn *fn, void *arg,
                           const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_watch(struct sfs_store *s, const char *key,
                            struct sfs_tag *known, const struct sfs_call *call,
                            struct sfs_err *err);

#endif
