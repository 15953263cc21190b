/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on names: what makes, moves and removes them. */
#include "fuse/ops.h"

#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <string.h>

/* The kernel sends a RENAME that was answered ESTALE again, at once. */
enum { STALE_MS = 500 };

void sfs_ops_submit(const struct sfs_lane_job *job, const char *name,
                    const char *new_name)
{
	struct sfs_err err;

	if (sfs_lane_submit(job->s->lane, job, name, new_name))
		return;
	(void)sfs_err_set(&err, SFS_E_NO_MEMORY,
	                  "no memory or no thread for a request");
	sfs_ops_note(job->s, SFS_OP_OTHER, "request", err.rc, &err);
	fuse_reply_err(job->req, ENOMEM);
}

void sfs_ops_serve(const struct sfs_lane_job *job, bool is_long,
                   const char *name, const char *new_name)
{
	struct sfs_call call = { job->deadline_ms, NULL };
	struct sfs_lane_job now = *job;
	struct sfs_err err;
	enum sfs_rc rc;

	if (is_long) {
		sfs_ops_submit(job, name, new_name);
		return;
	}
	now.name = name;
	now.new_name = new_name;
	rc = now.work(&now, &call, &err);
	now.reply(&now, rc, &err);
}

/* --- what makes a name ------------------------------------------------------ */

static enum sfs_rc make_dir(struct sfs_lane_job *job,
                            const struct sfs_call *call, struct sfs_err *err)
{
	return sfs_fs_mkdir(job->s->config.fs, job->node, job->name,
	                    &job->entry, call, err);
}

static void reply_made(struct sfs_lane_job *job, const char *what,
                       enum sfs_rc rc, const struct sfs_err *err)
{
	sfs_ops_note(job->s, SFS_OP_CREATE, what, rc, err);
	if (rc != SFS_OK)
		fuse_reply_err(job->req, sfs_rc_errno(rc));
	else
		sfs_ops_reply_entry(job->s, job->req, &job->entry);
}

static void reply_mkdir(struct sfs_lane_job *job, enum sfs_rc rc,
                        const struct sfs_err *err)
{
	reply_made(job, "mkdir", rc, err);
}

void sfs_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
                  mode_t mode)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_lane_job job = { .work = make_dir,
		                    .reply = reply_mkdir,
		                    .s = s,
		                    .req = req,
		                    .deadline_ms = sfs_ops_call(s).deadline_ms,
		                    .node = parent };

	(void)mode;
	sfs_ops_serve(&job, sfs_fs_is_long_mkdir(parent), name, NULL);
}

static enum sfs_rc make_link(struct sfs_lane_job *job,
                             const struct sfs_call *call, struct sfs_err *err)
{
	return sfs_fs_symlink(job->s->config.fs, job->new_name, job->node,
	                      job->name, &job->entry, call, err);
}

static void reply_symlink(struct sfs_lane_job *job, enum sfs_rc rc,
                          const struct sfs_err *err)
{
	reply_made(job, "symlink", rc, err);
}

/* A link means a snapshot, which has to be found, or is written down. */
void sfs_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
                    const char *name)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_lane_job job = { .work = make_link,
		                    .reply = reply_symlink,
		                    .s = s,
		                    .req = req,
		                    .deadline_ms = sfs_ops_call(s).deadline_ms,
		                    .node = parent };

	sfs_ops_submit(&job, name, target);
}

void sfs_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent,
                 const char *new_name)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_err err;
	enum sfs_rc rc;

	(void)ino;
	rc = sfs_fs_refuse(s->config.fs, new_parent, new_name, &err);
	sfs_ops_note(s, SFS_OP_CREATE, "link", rc, &err);
	fuse_reply_err(req, sfs_rc_errno(rc));
}

/* --- what removes one ------------------------------------------------------- */

static enum sfs_rc remove_name(struct sfs_lane_job *job,
                               const struct sfs_call *call, struct sfs_err *err)
{
	return sfs_fs_unlink(job->s->config.fs, job->node, job->name, call,
	                     err);
}

static void reply_unlink(struct sfs_lane_job *job, enum sfs_rc rc,
                         const struct sfs_err *err)
{
	sfs_ops_note(job->s, SFS_OP_UNLINK, "unlink", rc, err);
	fuse_reply_err(job->req, sfs_rc_errno(rc));
}

void sfs_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_lane_job job = { .work = remove_name,
		                    .reply = reply_unlink,
		                    .s = s,
		                    .req = req,
		                    .deadline_ms = sfs_ops_call(s).deadline_ms,
		                    .node = parent };

	sfs_ops_serve(&job, sfs_fs_is_long_unlink(parent, name), name, NULL);
}

static enum sfs_rc remove_dir(struct sfs_lane_job *job,
                              const struct sfs_call *call, struct sfs_err *err)
{
	(void)call;
	return sfs_fs_rmdir(job->s->config.fs, job->node, job->name, err);
}

static void reply_rmdir(struct sfs_lane_job *job, enum sfs_rc rc,
                        const struct sfs_err *err)
{
	sfs_ops_note(job->s, SFS_OP_UNLINK, "rmdir", rc, err);
	fuse_reply_err(job->req,
	               rc == SFS_E_INVALID ? ENOTEMPTY : sfs_rc_errno(rc));
}

void sfs_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct sfs_lane_job job = { .work = remove_dir,
		                    .reply = reply_rmdir,
		                    .s = sfs_ops_session(req),
		                    .req = req,
		                    .node = parent };

	sfs_ops_serve(&job, sfs_fs_is_long_rmdir(parent), name, NULL);
}

/* --- RENAME ---------------------------------------------------------------- */

static uint64_t hash_of(const struct sfs_renaming *wish)
{
	uint64_t h = sfs_hash64(wish->name, strlen(wish->name));

	h = sfs_mix64(h ^ wish->parent) ^
	    sfs_hash64(wish->new_name, strlen(wish->new_name));
	return sfs_mix64(h ^ wish->new_parent) | 1;
}

static void remember_stale(struct sfs_session *s,
                           const struct sfs_renaming *wish, pid_t pid)
{
	pthread_mutex_lock(&s->stale.lock);
	s->stale.wish = hash_of(wish);
	s->stale.pid = pid;
	s->stale.until_ms = sfs_clock_ms() + STALE_MS;
	pthread_mutex_unlock(&s->stale.lock);
}

/* True once: the third one is somebody who tries again. */
static bool is_repetition(struct sfs_session *s,
                          const struct sfs_renaming *wish, pid_t pid)
{
	bool is_same;

	pthread_mutex_lock(&s->stale.lock);
	is_same = s->stale.wish == hash_of(wish) && s->stale.pid == pid &&
	          sfs_clock_ms() <= s->stale.until_ms;
	s->stale.wish = 0;
	pthread_mutex_unlock(&s->stale.lock);
	return is_same;
}

static struct sfs_renaming wish_of(const struct sfs_lane_job *job)
{
	return (struct sfs_renaming){ job->node, job->name, job->new_node,
		                      job->new_name, job->flags };
}

static enum sfs_rc rename_it(struct sfs_lane_job *job,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_renaming wish = wish_of(job);

	return sfs_fs_rename(job->s->config.fs, &wish, call, err);
}

static void reply_rename(struct sfs_lane_job *job, enum sfs_rc rc,
                         const struct sfs_err *err)
{
	struct sfs_renaming wish = wish_of(job);
	int error = sfs_fs_is_publishing(&wish) ? sfs_rc_build_errno(rc)
	                                        : sfs_rc_errno(rc);

	sfs_ops_note(job->s, SFS_OP_RENAME, "rename", rc, err);
	if (error == ESTALE)
		remember_stale(job->s, &wish, job->pid);
	fuse_reply_err(job->req, error);
}

/* Publishing takes as long as it takes; INTERRUPT ends it. */
void sfs_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
                   fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct sfs_renaming wish = { parent, name, new_parent, new_name,
		                     flags };
	struct sfs_session *s = sfs_ops_session(req);
	struct sfs_lane_job job = { .work = rename_it,
		                    .reply = reply_rename,
		                    .s = s,
		                    .req = req,
		                    .node = parent,
		                    .new_node = new_parent,
		                    .flags = flags,
		                    .pid = fuse_req_ctx(req)->pid };

	if (is_repetition(s, &wish, job.pid)) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (!sfs_fs_is_publishing(&wish))
		job.deadline_ms = sfs_ops_call(s).deadline_ms;
	sfs_ops_serve(&job, sfs_fs_is_long_rename(&wish), name, new_name);
}
