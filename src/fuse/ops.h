/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FUSE_OPS_H
#define SFS_FUSE_OPS_H

#include "fs/staging.h"
#include "fuse/internal.h"
#include "fuse/lane.h"

/* What the handlers of requests (ops*.c) share. */

static inline struct sfs_session *sfs_ops_session(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* A call with the mount's op_timeout. */
struct sfs_call sfs_ops_call(const struct sfs_session *s);

/* Counts, and logs what is worth it. */
void sfs_ops_note(struct sfs_session *s, enum sfs_fs_op op, const char *name,
                  enum sfs_rc rc, const struct sfs_err *err);

/* The same; a build that was published answers STALE every day. */
void sfs_ops_note_at(struct sfs_session *s, enum sfs_fs_op op, const char *name,
                     uint64_t node, enum sfs_rc rc, const struct sfs_err *err);

double sfs_ops_seconds(enum sfs_ttl ttl);
void sfs_ops_stat(const struct sfs_attr *attr, struct stat *st);
void sfs_ops_param(const struct sfs_entry *entry,
                   struct fuse_entry_param *param);

/* Gives the reference back if the kernel did not take it. */
void sfs_ops_reply_entry(struct sfs_session *s, fuse_req_t req,
                         const struct sfs_entry *entry);

/* Into the lane; replies if that fails. */
void sfs_ops_submit(const struct sfs_lane_job *job, const char *name,
                    const char *new_name);

/* Into the lane if it may take long; else it is done here and now. */
void sfs_ops_serve(const struct sfs_lane_job *job, bool is_long,
                   const char *name, const char *new_name);

/* ops_files.c */
void sfs_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
                    int to_set, struct fuse_file_info *fi);
void sfs_op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                   mode_t mode, struct fuse_file_info *fi);
void sfs_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
                  mode_t mode, dev_t rdev);
void sfs_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void sfs_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                 struct fuse_file_info *fi);
void sfs_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
                  off_t offset, struct fuse_file_info *fi);
void sfs_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void sfs_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void sfs_op_fsync(fuse_req_t req, fuse_ino_t ino, int is_data_only,
                  struct fuse_file_info *fi);
void sfs_op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int is_data_only,
                     struct fuse_file_info *fi);
void sfs_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
                      off_t len, struct fuse_file_info *fi);

/* ops_names.c */
void sfs_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
                  mode_t mode);
void sfs_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void sfs_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void sfs_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
                    const char *name);
void sfs_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent,
                 const char *new_name);
void sfs_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
                   fuse_ino_t new_parent, const char *new_name, unsigned flags);

#endif
