/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_STAGING_H
#define SFS_FS_STAGING_H

#include "fs/fs.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * What changes the tree: builds below staging/, publishing them, tags and
 * rollback. As fs.h: on node ids, from any thread. Refusals are FORBIDDEN
 * (never allowed there) or READ_ONLY, and their message says what to do.
 */
struct sfs_handle; /* an open staged file */

/* How an open file is to be used by the kernel. */
struct sfs_open_info {
	struct sfs_handle *file; /* NULL: the node alone is enough */
	bool direct_io;
	bool keep_cache;
	bool noflush;
};

/* flags as open(2). READ_ONLY for what is immutable. */
enum sfs_rc sfs_fs_open(struct sfs_fs *fs, uint64_t node, int flags,
                        struct sfs_open_info *out, const struct sfs_call *call,
                        struct sfs_err *err) SFS_NODISCARD;

/* Makes a file and opens it; out may be NULL. EXISTS with O_EXCL. */
struct sfs_creation {
	uint64_t parent;
	const char *name;
	int flags;
	mode_t mode;
};
enum sfs_rc sfs_fs_create(struct sfs_fs *fs, const struct sfs_creation *wish,
                          struct sfs_entry *entry_out,
                          struct sfs_open_info *out,
                          struct sfs_err *err) SFS_NODISCARD;
void sfs_fs_release(struct sfs_fs *fs, struct sfs_handle *file);

enum sfs_rc sfs_fs_file_read(struct sfs_fs *fs, struct sfs_handle *file,
                             uint64_t offset, void *buf, size_t len,
                             size_t *got, const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;
struct sfs_writing {
	uint64_t offset;
	bool is_append; /* at the end, wherever that is, instead */
	const void *data;
	size_t len;
};
enum sfs_rc sfs_fs_file_write(struct sfs_fs *fs, struct sfs_handle *file,
                              const struct sfs_writing *w,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_fs_file_allocate(struct sfs_fs *fs, struct sfs_handle *file,
                                 int mode, uint64_t offset, uint64_t len,
                                 const struct sfs_call *call,
                                 struct sfs_err *err) SFS_NODISCARD;
/* A descriptor was closed: what is wrong with the file is the answer. */
enum sfs_rc sfs_fs_file_flush(struct sfs_fs *fs, struct sfs_handle *file,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_fs_file_sync(struct sfs_fs *fs, struct sfs_handle *file,
                             bool is_data_only,
                             struct sfs_err *err) SFS_NODISCARD;
/* fsync of a directory: staging/NAME settles its build. */
enum sfs_rc sfs_fs_syncdir(struct sfs_fs *fs, uint64_t node,
                           const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

/* Attributes to set; times as utimensat(2). Owners are accepted and kept. */
struct sfs_setattr {
	bool has_size, has_mode, has_owner, has_times;
	uint64_t size;
	mode_t mode;
	struct timespec times[2]; /* atime, mtime */
	struct sfs_handle *file;  /* NULL: not through an open file */
};
enum sfs_rc sfs_fs_setattr(struct sfs_fs *fs, uint64_t node,
                           const struct sfs_setattr *wish,
                           struct sfs_attr *attr_out, enum sfs_ttl *ttl_out,
                           const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

enum sfs_rc sfs_fs_mkdir(struct sfs_fs *fs, uint64_t parent, const char *name,
                         struct sfs_entry *out, const struct sfs_call *call,
                         struct sfs_err *err) SFS_NODISCARD;
/* INVALID: not empty. */
enum sfs_rc sfs_fs_rmdir(struct sfs_fs *fs, uint64_t parent, const char *name,
                         struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_fs_unlink(struct sfs_fs *fs, uint64_t parent, const char *name,
                          const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_fs_symlink(struct sfs_fs *fs, const char *target,
                           uint64_t parent, const char *name,
                           struct sfs_entry *out, const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;
/* A hard link, a device: always refused; tells why. */
enum sfs_rc sfs_fs_refuse(struct sfs_fs *fs, uint64_t parent, const char *name,
                          struct sfs_err *err) SFS_NODISCARD;

/* flags as renameat2(2). From staging/ to publish/ it publishes. */
struct sfs_renaming {
	uint64_t parent;
	const char *name;
	uint64_t new_parent;
	const char *new_name;
	unsigned flags;
};
enum sfs_rc sfs_fs_rename(struct sfs_fs *fs, const struct sfs_renaming *wish,
                          const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;

/* Requests that may take long: not for a thread that serves requests. */
/* Has no deadline. */
bool sfs_fs_is_publishing(const struct sfs_renaming *wish);
bool sfs_fs_is_long_rename(const struct sfs_renaming *wish);
bool sfs_fs_is_long_lookup(uint64_t parent, const char *name);
bool sfs_fs_is_long_mkdir(uint64_t parent);
bool sfs_fs_is_long_rmdir(uint64_t parent);
bool sfs_fs_is_long_unlink(uint64_t parent, const char *name);
bool sfs_fs_is_long_flush(struct sfs_fs *fs, const struct sfs_handle *file);

/* True for a build and what is in it. */
bool sfs_fs_is_staged(uint64_t node);

#endif
