/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of the kernel. Each handler decodes, calls the file system
 * once and replies exactly once. A reference that the kernel did not take,
 * because the asking process was gone, is given back.
 *
 * OPEN is answered, with "keep the cache" and "no FLUSH" for all that is
 * immutable, unless the mount is read-only: then ENOSYS makes the kernel not
 * ask again, for OPEN and FLUSH, which saves a round trip of every read.
 * OPENDIR is always answered: without it the kernel would cache listings for
 * ever, those of snapshots/ and runs/ too.
 */
#include "fuse/ops.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
	BLOCK_BYTES = 4096,
	LINK_BYTES = 4096,
};

struct sfs_call sfs_ops_call(const struct sfs_session *s)
{
	struct sfs_call call = { 0, NULL };

	if (s->config.op_timeout_ms > 0)
		call.deadline_ms = sfs_clock_ms() + s->config.op_timeout_ms;
	return call;
}

/* Answers that a healthy tree gives every day are not logged. */
static bool is_ordinary(enum sfs_rc rc)
{
	return rc == SFS_OK || rc == SFS_E_NOT_FOUND || rc == SFS_E_NO_ATTR ||
	       rc == SFS_E_NOT_DIR || rc == SFS_E_IS_DIR;
}

/* What a user did wrong, or may do again, is no fault of the mount's. */
static bool is_refusal(enum sfs_fs_op op, enum sfs_rc rc)
{
	if (rc == SFS_E_READ_ONLY || rc == SFS_E_UNSUPPORTED ||
	    rc == SFS_E_FORBIDDEN || rc == SFS_E_EXISTS ||
	    rc == SFS_E_CANCELED || rc == SFS_E_AMBIGUOUS)
		return true;
	/* columns that are not named, or that the expression fails for */
	if (op == SFS_OP_LOOKUP || op == SFS_OP_OPEN)
		return rc == SFS_E_INVALID;
	return op >= SFS_OP_WRITE &&
	       (rc == SFS_E_INVALID || rc == SFS_E_STALE || rc == SFS_E_BUSY ||
	        rc == SFS_E_CORRUPT || rc == SFS_E_TOO_BIG ||
	        rc == SFS_E_NAME_TOO_LONG);
}

static void note(struct sfs_session *s, enum sfs_fs_op op, const char *name,
                 bool is_minor, const struct sfs_err *err)
{
	sfs_fs_count_op(s->config.fs, op, true);
	sfs_fs_note_error(s->config.fs, name, err);
	sfs_log(is_minor ? SFS_LOG_INFO : SFS_LOG_ERROR, SFS_LOG_FUSE,
	        "%s failed rc=%s cause=\"%s\"", name, sfs_rc_name(err->rc),
	        err->msg);
}

void sfs_ops_note(struct sfs_session *s, enum sfs_fs_op op, const char *name,
                  enum sfs_rc rc, const struct sfs_err *err)
{
	if (is_ordinary(rc))
		sfs_fs_count_op(s->config.fs, op, false);
	else
		note(s, op, name, is_refusal(op, rc), err);
}

void sfs_ops_note_at(struct sfs_session *s, enum sfs_fs_op op, const char *name,
                     uint64_t node, enum sfs_rc rc, const struct sfs_err *err)
{
	if (rc == SFS_E_STALE && sfs_fs_is_where(node))
		sfs_fs_count_op(s->config.fs, op, false);
	else if (rc == SFS_E_STALE && sfs_fs_is_staged(node))
		note(s, op, name, true, err);
	else
		sfs_ops_note(s, op, name, rc, err);
}

double sfs_ops_seconds(enum sfs_ttl ttl)
{
	switch (ttl) {
	case SFS_TTL_NONE:
		return 0;
	case SFS_TTL_SHORT:
		return 1;
	case SFS_TTL_FOREVER:
		return 1e9;
	}
	return 0;
}

static struct timespec time_of(int64_t ns)
{
	struct timespec t;

	t.tv_sec = (time_t)(ns / 1000000000);
	t.tv_nsec = (long)(ns % 1000000000);
	return t;
}

void sfs_ops_stat(const struct sfs_attr *attr, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = attr->ino;
	st->st_mode = attr->mode;
	st->st_nlink = attr->is_unlinked ? 0 : 1;
	st->st_uid = attr->uid;
	st->st_gid = attr->gid;
	st->st_size = (off_t)attr->size;
	st->st_blocks = (blkcnt_t)((attr->size + 511) / 512);
	st->st_blksize = BLOCK_BYTES;
	st->st_mtim = time_of(attr->time_ns);
	st->st_atim = st->st_mtim;
	st->st_ctim = st->st_mtim;
	if (attr->atime_ns != 0)
		st->st_atim = time_of(attr->atime_ns);
	if (attr->ctime_ns != 0)
		st->st_ctim = time_of(attr->ctime_ns);
}

void sfs_ops_param(const struct sfs_entry *entry,
                   struct fuse_entry_param *param)
{
	memset(param, 0, sizeof(*param));
	param->ino = entry->node;
	param->generation = entry->generation;
	param->entry_timeout = sfs_ops_seconds(entry->entry_ttl);
	param->attr_timeout = sfs_ops_seconds(entry->attr_ttl);
	sfs_ops_stat(&entry->attr, &param->attr);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	enum { LONG_NAMES_MINOR = 42, BACKGROUND = 64 };
	struct sfs_session *s = userdata;

	conn->want &=
		~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC);
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP /* else session.c asks for them */
	conn->want |= conn->capable & (FUSE_CAP_HANDLE_KILLPRIV_V2 |
	                               FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
#endif
	conn->max_background = BACKGROUND;
	s->can_expire = (conn->capable & FUSE_CAP_EXPIRE_ONLY) != 0;
	/* Linux 6.14, protocol 7.42, raised FUSE_NAME_MAX from 1024. */
	if (conn->proto_minor < LONG_NAMES_MINOR)
		sfs_fs_set_name_max(s->config.fs, 1024);
	if (!atomic_exchange(&s->is_ready, true))
		s->config.ready(s->config.arg);
}

static void reply_lookup(struct sfs_lane_job *job, enum sfs_rc rc,
                         const struct sfs_err *err)
{
	sfs_ops_note_at(job->s, SFS_OP_LOOKUP, "lookup", job->node, rc, err);
	if (rc != SFS_OK)
		fuse_reply_err(job->req, sfs_rc_errno(rc));
	else
		sfs_ops_reply_entry(job->s, job->req, &job->entry);
}

static enum sfs_rc lookup(struct sfs_lane_job *job, const struct sfs_call *call,
                          struct sfs_err *err)
{
	return sfs_fs_lookup(job->s->config.fs, job->node, job->name,
	                     &job->entry, call, err);
}

void sfs_ops_reply_entry(struct sfs_session *s, fuse_req_t req,
                         const struct sfs_entry *entry)
{
	struct fuse_entry_param param;

	sfs_ops_param(entry, &param);
	if (fuse_reply_entry(req, &param) != 0 && entry->node != 0)
		sfs_fs_forget(s->config.fs, entry->node, 1);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct sfs_lane_job job = { .work = lookup,
		                    .reply = reply_lookup,
		                    .s = s,
		                    .req = req,
		                    .deadline_ms = call.deadline_ms,
		                    .node = parent };

	sfs_ops_serve(&job, sfs_fs_is_long_lookup(parent, name), name, NULL);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	sfs_fs_forget(sfs_ops_session(req)->config.fs, ino, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
                            struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		sfs_fs_forget(sfs_ops_session(req)->config.fs, forgets[i].ino,
		              forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct sfs_attr attr;
	struct sfs_err err;
	enum sfs_ttl ttl;
	struct stat st;
	enum sfs_rc rc;

	(void)fi;
	rc = sfs_fs_getattr(s->config.fs, ino, &attr, &ttl, &call, &err);
	sfs_ops_note_at(s, SFS_OP_GETATTR, "getattr", ino, rc, &err);
	if (rc != SFS_OK) {
		fuse_reply_err(req, sfs_rc_errno(rc));
		return;
	}
	sfs_ops_stat(&attr, &st);
	fuse_reply_attr(req, &st, sfs_ops_seconds(ttl));
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct sfs_session *s = sfs_ops_session(req);
	char target[LINK_BYTES];
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_fs_readlink(s->config.fs, ino, target, sizeof(target), &err);
	sfs_ops_note(s, SFS_OP_READLINK, "readlink", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		fuse_reply_readlink(req, target);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_children *children = NULL;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_fs_opendir(s->config.fs, ino, &err);
	if (rc == SFS_OK && sfs_fs_has_children(ino)) {
		children = sfs_children_new(s->config.fs);
		if (children == NULL)
			rc = sfs_err_set(&err, SFS_E_NO_MEMORY,
			                 "out of memory");
	}
	sfs_ops_note_at(s, SFS_OP_OPEN, "opendir", ino, rc, &err);
	fi->fh = (uintptr_t)children;
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else if (fuse_reply_open(req, fi) != 0)
		sfs_children_free(s->config.fs, children);
}

static struct sfs_children *children_of(const struct fuse_file_info *fi)
{
	return (struct sfs_children *)(uintptr_t)fi->fh;
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino,
                          struct fuse_file_info *fi)
{
	(void)ino;
	sfs_children_free(sfs_ops_session(req)->config.fs, children_of(fi));
	fuse_reply_err(req, 0);
}

/* A reply to READDIR or READDIRPLUS while it fills. */
struct reply {
	fuse_req_t req;
	bool with_attr;
	char *buf;
	size_t size;
	size_t len;
};

static bool fill(void *arg, const char *name, const struct sfs_entry *entry,
                 uint64_t next_cookie)
{
	struct reply *r = arg;
	struct fuse_entry_param param;
	struct stat st;
	size_t need;

	if (r->with_attr) {
		sfs_ops_param(entry, &param);
		need = fuse_add_direntry_plus(r->req, r->buf + r->len,
		                              r->size - r->len, name, &param,
		                              (off_t)next_cookie);
	} else {
		st.st_ino = entry->attr.ino;
		st.st_mode = entry->attr.mode;
		need = fuse_add_direntry(r->req, r->buf + r->len,
		                         r->size - r->len, name, &st,
		                         (off_t)next_cookie);
	}
	if (need > r->size - r->len)
		return false;
	r->len += need;
	return true;
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, size_t size,
                           off_t offset, const struct fuse_file_info *fi,
                           bool with_attr)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct reply reply = { .req = req,
		               .with_attr = with_attr,
		               .size = size };
	struct sfs_readdir request = { .node = ino,
		                       .cookie = (uint64_t)offset,
		                       .with_attr = with_attr,
		                       .fill = fill,
		                       .arg = &reply,
		                       .children = children_of(fi) };
	struct sfs_err err;
	enum sfs_rc rc;

	reply.buf = sfs_malloc(size);
	if (reply.buf == NULL)
		rc = sfs_err_set(&err, SFS_E_NO_MEMORY, "out of memory");
	else
		rc = sfs_fs_readdir(s->config.fs, &request, &call, &err);
	sfs_ops_note_at(s, SFS_OP_READDIR, "readdir", ino, rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		fuse_reply_buf(req, reply.buf, reply.len);
	sfs_free(reply.buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
                       off_t offset, struct fuse_file_info *fi)
{
	read_directory(req, ino, size, offset, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
                           off_t offset, struct fuse_file_info *fi)
{
	read_directory(req, ino, size, offset, fi, true);
}

/* The common end of both xattr calls: a size, the bytes, or ERANGE. */
static void reply_xattr(fuse_req_t req, const struct sfs_buf *value,
                        size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, value->len);
	else if (size < value->len)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value->data, value->len);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
                        size_t size)
{
	struct sfs_buf value = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_call call = sfs_ops_call(s);
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_fs_getxattr(s->config.fs, ino, name, &value, &call, &err);
	if (rc == SFS_E_UNSUPPORTED)
		sfs_fs_count_op(s->config.fs, SFS_OP_XATTR, false);
	else
		sfs_ops_note(s, SFS_OP_XATTR, "getxattr", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		reply_xattr(req, &value, size);
	sfs_buf_release(&value);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct sfs_buf names = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_session *s = sfs_ops_session(req);

	sfs_fs_count_op(s->config.fs, SFS_OP_XATTR, false);
	sfs_fs_listxattr(s->config.fs, ino, &names);
	if (names.failed != SFS_OK)
		fuse_reply_err(req, ENOMEM);
	else
		reply_xattr(req, &names, size);
	sfs_buf_release(&names);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_statfs facts;
	struct statvfs out;

	(void)ino;
	sfs_fs_count_op(s->config.fs, SFS_OP_STATFS, false);
	sfs_fs_statfs(s->config.fs, &facts);
	memset(&out, 0, sizeof(out));
	out.f_bsize = BLOCK_BYTES;
	out.f_frsize = BLOCK_BYTES;
	out.f_bfree = facts.free_bytes / BLOCK_BYTES;
	out.f_bavail = out.f_bfree;
	out.f_blocks = (facts.bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	out.f_blocks += out.f_bfree;
	out.f_ffree = facts.free_files;
	out.f_favail = out.f_ffree;
	out.f_files = facts.files + out.f_ffree;
	out.f_namemax = facts.name_max;
	fuse_reply_statfs(req, &out);
}

const struct fuse_lowlevel_ops sfs_fuse_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = sfs_op_setattr,
	.readlink = op_readlink,
	.mknod = sfs_op_mknod,
	.mkdir = sfs_op_mkdir,
	.unlink = sfs_op_unlink,
	.rmdir = sfs_op_rmdir,
	.symlink = sfs_op_symlink,
	.rename = sfs_op_rename,
	.link = sfs_op_link,
	.open = sfs_op_open,
	.read = sfs_op_read,
	.write = sfs_op_write,
	.flush = sfs_op_flush,
	.release = sfs_op_release,
	.fsync = sfs_op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = sfs_op_fsyncdir,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.create = sfs_op_create,
	.fallocate = sfs_op_fallocate,
};
