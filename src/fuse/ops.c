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
#include "fuse/internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
	BLOCK_BYTES = 4096,
	SMALL_READ_BYTES = 16 << 10, /* replies up to it need no allocation */
	LINK_BYTES = 512,
};

static struct sfs_session *session_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct sfs_call begin_call(const struct sfs_session *s)
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

static void note(struct sfs_session *s, enum sfs_fs_op op, const char *name,
                 enum sfs_rc rc, const struct sfs_err *err)
{
	sfs_fs_count_op(s->config.fs, op, !is_ordinary(rc));
	if (is_ordinary(rc))
		return;
	sfs_fs_note_error(s->config.fs, name, err);
	sfs_log(rc == SFS_E_READ_ONLY || rc == SFS_E_UNSUPPORTED
	                ? SFS_LOG_INFO
	                : SFS_LOG_ERROR,
	        SFS_LOG_FUSE, "%s failed rc=%s cause=\"%s\"", name,
	        sfs_rc_name(rc), err->msg);
}

static double seconds_of(enum sfs_ttl ttl)
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

static void to_stat(const struct sfs_attr *attr, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = attr->ino;
	st->st_mode = attr->mode;
	st->st_nlink = 1;
	st->st_uid = attr->uid;
	st->st_gid = attr->gid;
	st->st_size = (off_t)attr->size;
	st->st_blocks = (blkcnt_t)((attr->size + 511) / 512);
	st->st_blksize = BLOCK_BYTES;
	st->st_mtim.tv_sec = (time_t)(attr->time_ns / 1000000000);
	st->st_mtim.tv_nsec = (long)(attr->time_ns % 1000000000);
	st->st_atim = st->st_mtim;
	st->st_ctim = st->st_mtim;
}

static void to_param(const struct sfs_entry *entry,
                     struct fuse_entry_param *param)
{
	memset(param, 0, sizeof(*param));
	param->ino = entry->node;
	param->generation = entry->generation;
	param->entry_timeout = seconds_of(entry->entry_ttl);
	param->attr_timeout = seconds_of(entry->attr_ttl);
	to_stat(&entry->attr, &param->attr);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	enum { LONG_NAMES_MINOR = 42, BACKGROUND = 64 };
	struct sfs_session *s = userdata;

	conn->want &=
		~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC);
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
	conn->max_background = BACKGROUND;
	s->can_expire = (conn->capable & FUSE_CAP_EXPIRE_ONLY) != 0;
	/* Linux 6.14, protocol 7.42, raised FUSE_NAME_MAX from 1024. */
	if (conn->proto_minor < LONG_NAMES_MINOR)
		sfs_fs_set_name_max(s->config.fs, 1024);
	if (!atomic_exchange(&s->is_ready, true))
		s->config.ready(s->config.arg);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct sfs_session *s = session_of(req);
	struct sfs_call call = begin_call(s);
	struct fuse_entry_param param;
	struct sfs_entry entry;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_fs_lookup(s->config.fs, parent, name, &entry, &call, &err);
	note(s, SFS_OP_LOOKUP, "lookup", rc, &err);
	if (rc != SFS_OK) {
		fuse_reply_err(req, sfs_rc_errno(rc));
		return;
	}
	to_param(&entry, &param);
	if (fuse_reply_entry(req, &param) != 0 && entry.node != 0)
		sfs_fs_forget(s->config.fs, entry.node, 1);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	sfs_fs_forget(session_of(req)->config.fs, ino, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
                            struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		sfs_fs_forget(session_of(req)->config.fs, forgets[i].ino,
		              forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
	struct sfs_session *s = session_of(req);
	struct sfs_call call = begin_call(s);
	struct sfs_attr attr;
	struct sfs_err err;
	enum sfs_ttl ttl;
	struct stat st;
	enum sfs_rc rc;

	(void)fi;
	rc = sfs_fs_getattr(s->config.fs, ino, &attr, &ttl, &call, &err);
	note(s, SFS_OP_GETATTR, "getattr", rc, &err);
	if (rc != SFS_OK) {
		fuse_reply_err(req, sfs_rc_errno(rc));
		return;
	}
	to_stat(&attr, &st);
	fuse_reply_attr(req, &st, seconds_of(ttl));
}

/* Control files take a truncation to nothing; all else is immutable. */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
                       int to_set, struct fuse_file_info *fi)
{
	struct sfs_session *s = session_of(req);
	struct sfs_err err;

	(void)attr;
	if (sfs_fs_is_writable(s->config.fs, ino) &&
	    (to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID |
	               FUSE_SET_ATTR_GID)) == 0) {
		op_getattr(req, ino, fi);
		return;
	}
	(void)sfs_err_set(&err, SFS_E_READ_ONLY,
	                  "published snapshots are immutable");
	note(s, SFS_OP_OTHER, "setattr", err.rc, &err);
	fuse_reply_err(req, EROFS);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct sfs_session *s = session_of(req);
	char target[LINK_BYTES];
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_fs_readlink(s->config.fs, ino, target, sizeof(target), &err);
	note(s, SFS_OP_READLINK, "readlink", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		fuse_reply_readlink(req, target);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct sfs_session *s = session_of(req);
	bool is_command = sfs_fs_is_writable(s->config.fs, ino);

	sfs_fs_count_op(s->config.fs, SFS_OP_OPEN, false);
	if (s->config.read_only) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	if ((fi->flags & O_ACCMODE) != O_RDONLY && !is_command) {
		fuse_reply_err(req, EROFS);
		return;
	}
	fi->keep_cache = 1;
	fi->noflush = 1;
	fi->direct_io = is_command;
	fuse_reply_open(req, fi);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, session_of(req)->config.read_only ? ENOSYS : 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
	struct sfs_session *s = session_of(req);
	struct sfs_call call = begin_call(s);
	char small[SMALL_READ_BYTES];
	struct sfs_err err;
	char *buf = small;
	size_t got = 0;
	enum sfs_rc rc;

	(void)fi;
	if (size > sizeof(small))
		buf = sfs_malloc(size);
	if (buf == NULL)
		rc = sfs_err_set(&err, SFS_E_NO_MEMORY, "out of memory");
	else
		rc = sfs_fs_read(s->config.fs, ino, (uint64_t)offset, buf, size,
		                 &got, &call, &err);
	note(s, SFS_OP_READ, "read", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		fuse_reply_buf(req, buf, got);
	if (buf != small)
		sfs_free(buf);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data,
                     size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct sfs_session *s = session_of(req);
	struct sfs_err err;
	enum sfs_rc rc;

	(void)offset;
	(void)fi;
	rc = sfs_fs_write(s->config.fs, ino, data, size, &err);
	note(s, SFS_OP_WRITE, "write", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		fuse_reply_write(req, size);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
	struct sfs_session *s = session_of(req);
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_fs_opendir(s->config.fs, ino, &err);
	note(s, SFS_OP_OPEN, "opendir", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		fuse_reply_open(req, fi);
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
		to_param(entry, &param);
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
                           off_t offset, bool with_attr)
{
	struct sfs_session *s = session_of(req);
	struct sfs_call call = begin_call(s);
	struct reply reply = { .req = req,
		               .with_attr = with_attr,
		               .size = size };
	struct sfs_readdir request = { .node = ino,
		                       .cookie = (uint64_t)offset,
		                       .with_attr = with_attr,
		                       .fill = fill,
		                       .arg = &reply };
	struct sfs_err err;
	enum sfs_rc rc;

	reply.buf = sfs_malloc(size);
	if (reply.buf == NULL)
		rc = sfs_err_set(&err, SFS_E_NO_MEMORY, "out of memory");
	else
		rc = sfs_fs_readdir(s->config.fs, &request, &call, &err);
	note(s, SFS_OP_READDIR, "readdir", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		fuse_reply_buf(req, reply.buf, reply.len);
	sfs_free(reply.buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
                       off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	read_directory(req, ino, size, offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
                           off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	read_directory(req, ino, size, offset, true);
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
	struct sfs_session *s = session_of(req);
	struct sfs_call call = begin_call(s);
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_fs_getxattr(s->config.fs, ino, name, &value, &call, &err);
	if (rc == SFS_E_UNSUPPORTED)
		sfs_fs_count_op(s->config.fs, SFS_OP_XATTR, false);
	else
		note(s, SFS_OP_XATTR, "getxattr", rc, &err);
	if (rc != SFS_OK)
		fuse_reply_err(req, sfs_rc_errno(rc));
	else
		reply_xattr(req, &value, size);
	sfs_buf_release(&value);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct sfs_buf names = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_session *s = session_of(req);

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
	struct sfs_session *s = session_of(req);
	struct sfs_statfs facts;
	struct statvfs out;

	(void)ino;
	sfs_fs_count_op(s->config.fs, SFS_OP_STATFS, false);
	sfs_fs_statfs(s->config.fs, &facts);
	memset(&out, 0, sizeof(out));
	out.f_bsize = BLOCK_BYTES;
	out.f_frsize = BLOCK_BYTES;
	out.f_blocks = (facts.bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	out.f_files = facts.files;
	out.f_namemax = facts.name_max;
	fuse_reply_statfs(req, &out);
}

/* Everything that would change the tree. */
static void refuse(fuse_req_t req, const char *operation)
{
	struct sfs_session *s = session_of(req);
	struct sfs_err err;

	(void)sfs_err_set(&err, SFS_E_READ_ONLY,
	                  "published snapshots are immutable");
	note(s, SFS_OP_OTHER, operation, err.rc, &err);
	fuse_reply_err(req, EROFS);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode, dev_t rdev)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)rdev;
	refuse(req, "mknod");
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode)
{
	(void)parent;
	(void)name;
	(void)mode;
	refuse(req, "mkdir");
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	(void)name;
	refuse(req, "unlink");
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	(void)name;
	refuse(req, "rmdir");
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
                       const char *name)
{
	(void)target;
	(void)parent;
	(void)name;
	refuse(req, "symlink");
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
                      fuse_ino_t new_parent, const char *new_name,
                      unsigned flags)
{
	(void)parent;
	(void)name;
	(void)new_parent;
	(void)new_name;
	(void)flags;
	refuse(req, "rename");
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent,
                    const char *new_name)
{
	(void)ino;
	(void)new_parent;
	(void)new_name;
	refuse(req, "link");
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                      mode_t mode, struct fuse_file_info *fi)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)fi;
	refuse(req, "create");
}

const struct fuse_lowlevel_ops sfs_fuse_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.create = op_create,
};
