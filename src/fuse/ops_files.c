/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests on files. OPEN is answered, with "keep the cache" and "no FLUSH"
 * for all that is immutable, unless the mount is read-only: then ENOSYS makes
 * the kernel not ask again, for OPEN and FLUSH, which saves a round trip of
 * every read. Staged files want to hear of every close.
 */
#include "fuse/ops.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Replies up to this size need no allocation. */
enum { SMALL_READ_BYTES = 16 << 10 };

static struct sfs_handle *handle_of(const struct fuse_file_info *fi)
{
	return fi != NULL ? (struct sfs_handle *)(uintptr_t)fi->fh : NULL;
}

static struct timespec time_of(int to_set, int now_bit, int bit,
                               const struct timespec *given)
{
	struct timespec t = { 0, UTIME_OMIT };

	if ((to_set & now_bit) != 0)
		t.tv_nsec = UTIME_NOW;
	else if ((to_set & bit) != 0)
		t = *given;
	return t;
}

void sfs_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
                    int to_set, struct fuse_file_info *fi)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct sfs_setattr wish = {
		.has_size = (to_set & FUSE_SET_ATTR_SIZE) != 0,
		.has_mode = (to_set & FUSE_SET_ATTR_MODE) != 0,
		.has_owner =
			(to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0,
		.has_times = (to_set &
		              (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) != 0,
		.size = (uint64_t)attr->st_size,
		.mode = attr->st_mode,
		.file = handle_of(fi),
	};
	struct sfs_attr now;
	struct sfs_err err;
	enum sfs_ttl ttl;
	struct stat st;
	enum sfs_rc rc;

	wish.times[0] = time_of(to_set, FUSE_SET_ATTR_ATIME_NOW,
	                        FUSE_SET_ATTR_ATIME, &attr->st_atim);
	wish.times[1] = time_of(to_set, FUSE_SET_ATTR_MTIME_NOW,
	                        FUSE_SET_ATTR_MTIME, &attr->st_mtim);
	rc = sfs_fs_setattr(s->config.fs, ino, &wish, &now, &ttl, &call, &err);
	sfs_ops_note_at(s, SFS_OP_OTHER, "setattr", ino, rc, &err);
	if (rc != SFS_OK) {
		fuse_reply_err(req, sfs_rc_errno(rc));
		return;
	}
	sfs_ops_stat(&now, &st);
	fuse_reply_attr(req, &st, sfs_ops_seconds(ttl));
}

static void take_info(const struct sfs_open_info *info,
                      struct fuse_file_info *fi)
{
	fi->fh = (uintptr_t)info->file;
	fi->direct_io = info->direct_io;
	fi->keep_cache = info->keep_cache;
	fi->noflush = info->noflush;
}

void sfs_op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                   mode_t mode, struct fuse_file_info *fi)
{
	struct sfs_creation wish = { parent, name, fi->flags, mode };
	struct sfs_session *s = sfs_ops_session(req);
	struct fuse_entry_param param;
	struct sfs_open_info info;
	struct sfs_entry entry;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_fs_create(s->config.fs, &wish, &entry, &info, &err);
	sfs_ops_note(s, SFS_OP_CREATE, "create", rc, &err);
	if (rc != SFS_OK) {
		fuse_reply_err(req, sfs_rc_errno(rc));
		return;
	}
	take_info(&info, fi);
	sfs_ops_param(&entry, &param);
	if (fuse_reply_create(req, &param, fi) != 0) {
		sfs_fs_release(s->config.fs, info.file);
		sfs_fs_forget(s->config.fs, entry.node, 1);
	}
}

void sfs_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
                  mode_t mode, dev_t rdev)
{
	struct sfs_creation wish = { parent, name, O_WRONLY | O_EXCL, mode };
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_entry entry;
	struct sfs_err err;
	enum sfs_rc rc;

	(void)rdev;
	if (S_ISREG(mode))
		rc = sfs_fs_create(s->config.fs, &wish, &entry, NULL, &err);
	else
		rc = sfs_fs_refuse(s->config.fs, parent, name, &err);
	sfs_ops_note(s, SFS_OP_CREATE, "mknod", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		sfs_ops_reply_entry(s, req, &entry);
}

void sfs_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct sfs_open_info info;
	struct sfs_err err;
	enum sfs_rc rc;

	if (s->config.read_only) {
		sfs_fs_count_op(s->config.fs, SFS_OP_OPEN, false);
		fuse_reply_err(req, ENOSYS);
		return;
	}
	rc = sfs_fs_open(s->config.fs, ino, fi->flags, &info, &call, &err);
	sfs_ops_note_at(s, SFS_OP_OPEN, "open", ino, rc, &err);
	if (rc != SFS_OK) {
		fuse_reply_err(req, sfs_rc_errno(rc));
		return;
	}
	take_info(&info, fi);
	if (fuse_reply_open(req, fi) != 0 && info.file != NULL)
		sfs_fs_release(s->config.fs, info.file);
}

void sfs_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (handle_of(fi) != NULL)
		sfs_fs_release(sfs_ops_session(req)->config.fs, handle_of(fi));
	fuse_reply_err(req, 0);
}

void sfs_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                 struct fuse_file_info *fi)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	char small[SMALL_READ_BYTES];
	struct sfs_err err;
	char *buf = small;
	size_t got = 0;
	enum sfs_rc rc;

	if (size > sizeof(small))
		buf = sfs_malloc(size);
	if (buf == NULL)
		rc = sfs_err_set(&err, SFS_E_NO_MEMORY, "out of memory");
	else if (handle_of(fi) != NULL)
		rc = sfs_fs_file_read(s->config.fs, handle_of(fi),
		                      (uint64_t)offset, buf, size, &got, &call,
		                      &err);
	else
		rc = sfs_fs_read(s->config.fs, ino, (uint64_t)offset, buf, size,
		                 &got, &call, &err);
	sfs_ops_note_at(s, SFS_OP_READ, "read", ino, rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		fuse_reply_buf(req, buf, got);
	if (buf != small)
		sfs_free(buf);
}

/* What comes out of the page cache (writepage) has its place already. */
void sfs_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
                  off_t offset, struct fuse_file_info *fi)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct sfs_writing w = {
		.offset = (uint64_t)offset,
		.is_append = (fi->flags & O_APPEND) != 0 && !fi->writepage,
		.data = data,
		.len = size,
	};
	struct sfs_err err;
	enum sfs_rc rc;

	if (handle_of(fi) != NULL)
		rc = sfs_fs_file_write(s->config.fs, handle_of(fi), &w, &call,
		                       &err);
	else
		rc = sfs_fs_write(s->config.fs, ino, data, size, &err);
	sfs_ops_note_at(s, SFS_OP_WRITE, "write", ino, rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_build_errno(rc));
	else
		fuse_reply_write(req, size);
}

void sfs_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
                      off_t len, struct fuse_file_info *fi)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct sfs_err err;
	enum sfs_rc rc;

	if (handle_of(fi) != NULL)
		rc = sfs_fs_file_allocate(s->config.fs, handle_of(fi), mode,
		                          (uint64_t)offset, (uint64_t)len,
		                          &call, &err);
	else
		rc = sfs_err_set(&err, SFS_E_UNSUPPORTED, "not a staged file");
	sfs_ops_note_at(s, SFS_OP_WRITE, "fallocate", ino, rc, &err);
	fuse_reply_err(req, sfs_rc_errno(rc));
}

/* --- what may take long ---------------------------------------------------- */

static enum sfs_rc flush(struct sfs_lane_job *job, const struct sfs_call *call,
                         struct sfs_err *err)
{
	return sfs_fs_file_flush(job->s->config.fs, job->file, call, err);
}

static void reply_flush(struct sfs_lane_job *job, enum sfs_rc rc,
                        const struct sfs_err *err)
{
	sfs_ops_note(job->s, SFS_OP_FLUSH, "close", rc, err);
	fuse_reply_err(job->req, sfs_rc_build_errno(rc));
}

void sfs_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct sfs_lane_job job = { .work = flush,
		                    .reply = reply_flush,
		                    .s = s,
		                    .req = req,
		                    .deadline_ms = call.deadline_ms,
		                    .file = handle_of(fi) };

	(void)ino;
	if (job.file == NULL)
		fuse_reply_err(req, s->config.read_only ? ENOSYS : 0);
	else
		sfs_ops_serve(&job,
		              sfs_fs_is_long_flush(s->config.fs, job.file),
		              NULL, NULL);
}

static enum sfs_rc sync_file(struct sfs_lane_job *job,
                             const struct sfs_call *call, struct sfs_err *err)
{
	(void)call;
	return sfs_fs_file_sync(job->s->config.fs, job->file, job->flags != 0,
	                        err);
}

static enum sfs_rc sync_dir(struct sfs_lane_job *job,
                            const struct sfs_call *call, struct sfs_err *err)
{
	return sfs_fs_syncdir(job->s->config.fs, job->node, call, err);
}

static void reply_sync(struct sfs_lane_job *job, enum sfs_rc rc,
                       const struct sfs_err *err)
{
	sfs_ops_note(job->s, SFS_OP_FSYNC, "fsync", rc, err);
	fuse_reply_err(job->req, sfs_rc_build_errno(rc));
}

void sfs_op_fsync(fuse_req_t req, fuse_ino_t ino, int is_data_only,
                  struct fuse_file_info *fi)
{
	struct sfs_lane_job job = { .work = sync_file,
		                    .reply = reply_sync,
		                    .s = sfs_ops_session(req),
		                    .req = req,
		                    .flags = is_data_only != 0,
		                    .file = handle_of(fi) };

	(void)ino;
	if (job.file == NULL)
		fuse_reply_err(req, 0); /* immutable, or a control file */
	else
		sfs_ops_submit(&job, NULL, NULL);
}

/* Settling takes as long as it takes; INTERRUPT ends it. */
void sfs_op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int is_data_only,
                     struct fuse_file_info *fi)
{
	struct sfs_lane_job job = { .work = sync_dir,
		                    .reply = reply_sync,
		                    .s = sfs_ops_session(req),
		                    .req = req,
		                    .node = ino };

	(void)is_data_only;
	(void)fi;
	if (!sfs_fs_is_staged(ino))
		fuse_reply_err(req, 0);
	else
		sfs_ops_submit(&job, NULL, NULL);
}
