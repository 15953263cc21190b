/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open staged files. A handle is a descriptor of the local file system, so
 * reading, unlinking and renaming need nothing from here. Writing holds the
 * file's own lock, which makes an append one step whoever else appends, and
 * tells afterwards who has to know: the engine for ingest files, the version
 * of keys/ for values.
 *
 * Locks, in this order: node->io, build->telling, files->lock.
 */
#include "build/build_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "build/where_name.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct sfs_staged_file {
	struct sfs_build *build; /* a reference */
	struct sfs_node *node;   /* a reference */
	int fd;
	bool is_writer;
	bool is_new;
	struct stat made; /* is_new: as it was made */
	atomic_bool has_written;
};

/* Where the file is now. */
struct whereabouts {
	enum sfs_build_dir dir;
	bool is_linked;
	bool is_config;
	uint64_t seq; /* of an ingest file that the engine knows; else 0 */
};

static struct whereabouts find_out(struct sfs_staged_file *f, bool has_written)
{
	struct sfs_files *files = f->build->files;
	struct sfs_node *node = f->node;
	struct whereabouts w;

	pthread_mutex_lock(&files->lock);
	w.dir = node->dir;
	w.is_linked = node->is_linked;
	w.is_config = w.is_linked && sfs_build_is_config(w.dir, node->name);
	w.seq = w.is_linked && w.dir == SFS_BUILD_INGEST &&
	                        !sfs_name_is_scratch(node->name)
	                ? node->seq
	                : 0;
	node->is_rewritten = node->is_rewritten || has_written;
	pthread_mutex_unlock(&files->lock);
	return w;
}

static enum sfs_rc size_of(const struct sfs_staged_file *f, uint64_t *size,
                           struct sfs_err *err)
{
	struct stat st;

	if (fstat(f->fd, &st) != 0)
		return sfs_err_sys(err, errno, "cannot stat a staged file");
	*size = (uint64_t)st.st_size;
	return SFS_OK;
}

/* The bytes changed; the caller holds node->io. */
static void tell_change(struct sfs_staged_file *f, bool is_growth)
{
	struct sfs_build *b = f->build;
	struct whereabouts w;
	uint64_t size;

	atomic_store(&f->has_written, true);
	pthread_mutex_lock(&b->telling);
	w = find_out(f, true);
	if (w.seq > 0 && (!is_growth || size_of(f, &size, NULL) != SFS_OK))
		sfs_engine_ingest_changed(b->engine, w.seq);
	else if (w.seq > 0)
		sfs_engine_ingest_grew(b->engine, w.seq, size);
	pthread_mutex_unlock(&b->telling);
	if (sfs_dir_has_records(w.dir) && w.is_linked)
		sfs_files_keys_changed(b->files);
}

/* --- opening and closing ---------------------------------------------------------- */

static enum sfs_rc open_file(struct sfs_build *b,
                             const struct sfs_open_request *request,
                             struct sfs_opened *opened, struct sfs_err *err)
{
	struct sfs_name_event event = { .is_listed = false };
	enum sfs_rc rc = SFS_OK;

	if ((request->flags & O_CREAT) != 0)
		rc = sfs_build_check_rules(b, request->dir, request->name, err);
	else
		rc = sfs_files_check_name(request->name, err);
	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&b->telling);
	rc = sfs_files_open_file(b->files, request, opened, &event, err);
	sfs_build_tell_names(b, &event);
	pthread_mutex_unlock(&b->telling);
	return rc;
}

static enum sfs_rc open_staged(struct sfs_build *b,
                               const struct sfs_open_request *request,
                               struct sfs_staged_file **out,
                               struct sfs_err *err)
{
	struct sfs_staged_file *f = sfs_calloc(1, sizeof(*f));
	struct sfs_opened opened;
	uint64_t size = 0;
	enum sfs_rc rc;

	if (f == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	rc = open_file(b, request, &opened, err);
	if (rc != SFS_OK) {
		sfs_free(f);
		return rc;
	}
	f->build = sfs_build_ref(b);
	f->node = opened.node;
	f->fd = opened.fd;
	f->is_writer = (request->flags & O_ACCMODE) != O_RDONLY;
	f->is_new = opened.is_new;
	f->made = opened.st;
	if (f->is_writer && !f->is_new && (request->flags & O_TRUNC) != 0)
		rc = size_of(f, &size, err);
	if (rc == SFS_OK && size > 0)
		rc = sfs_staged_truncate(f, 0, err);
	if (rc == SFS_OK)
		*out = f;
	else
		sfs_staged_close(f);
	return rc;
}

enum sfs_rc sfs_build_open(struct sfs_build *b, enum sfs_build_dir dir,
                           const char *name, int flags, mode_t mode,
                           struct sfs_staged_file **out, struct sfs_err *err)
{
	const struct sfs_open_request request = { dir, name, flags, mode };
	bool is_change = (flags & O_ACCMODE) != O_RDONLY ||
	                 (flags & (O_CREAT | O_TRUNC)) != 0;
	enum sfs_rc rc;

	*out = NULL;
	rc = is_change ? sfs_build_enter_change(b, err)
	               : sfs_build_enter(b, err);
	if (rc != SFS_OK)
		return rc;
	rc = open_staged(b, &request, out, err);
	if (is_change)
		sfs_build_leave_change(b);
	else
		sfs_build_leave(b);
	return rc;
}

/* The directory of a build that is done is on its way out: leave it. */
static void close_writer(struct sfs_staged_file *f)
{
	struct sfs_build *b = f->build;
	struct sfs_err err;
	uint64_t seq = 0;
	enum sfs_rc rc;
	bool is_user;

	is_user = sfs_build_enter(b, NULL) == SFS_OK;
	pthread_mutex_lock(&b->telling);
	rc = sfs_files_close_file(b->files, f->node, f->is_writer && is_user,
	                          &seq, &err);
	if (seq > 0 && is_user)
		sfs_engine_ingest_writers(b->engine, seq, false);
	pthread_mutex_unlock(&b->telling);
	if (is_user && rc != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "closing a staged file failed build=%s rc=%s "
		        "cause=\"%s\"",
		        b->name, sfs_rc_name(rc), err.msg);
	if (is_user)
		sfs_build_leave(b);
}

void sfs_staged_close(struct sfs_staged_file *f)
{
	if (f == NULL)
		return;
	(void)close(f->fd); /* flush and sync told what there is to tell */
	close_writer(f);
	sfs_build_unref(f->build);
	sfs_free(f);
}

/* --- reading ------------------------------------------------------------------------ */

enum sfs_rc sfs_staged_read(struct sfs_staged_file *f, uint64_t offset,
                            void *buf, size_t len, size_t *got,
                            struct sfs_err *err)
{
	uint8_t *p = buf;
	ssize_t n = 1;

	*got = 0;
	while (*got < len && n != 0) {
		n = pread(f->fd, p + *got, len - *got, (off_t)(offset + *got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sfs_err_sys(err, errno,
			                   "cannot read a staged file");
		*got += (size_t)n;
	}
	return SFS_OK;
}

enum sfs_rc sfs_staged_stat(struct sfs_staged_file *f, struct stat *st,
                            struct sfs_err *err)
{
	if (fstat(f->fd, st) != 0)
		return sfs_err_sys(err, errno, "cannot stat a staged file");
	return SFS_OK;
}

bool sfs_staged_is_new(const struct sfs_staged_file *f, struct stat *st)
{
	*st = f->made;
	return f->is_new;
}

/* --- writing ------------------------------------------------------------------------ */

static enum sfs_rc begin_change(struct sfs_staged_file *f, struct sfs_err *err)
{
	enum sfs_rc rc;

	if (!f->is_writer)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "the file was not opened for writing");
	rc = sfs_build_enter_change(f->build, err);
	if (rc == SFS_OK)
		pthread_mutex_lock(&f->node->io);
	return rc;
}

static void end_change(struct sfs_staged_file *f)
{
	pthread_mutex_unlock(&f->node->io);
	sfs_build_leave_change(f->build);
}

static enum sfs_rc check_size(struct sfs_staged_file *f, uint64_t offset,
                              uint64_t len, struct sfs_err *err)
{
	size_t max = f->build->value_max;

	if (len > INT64_MAX || offset > INT64_MAX - len)
		return sfs_err_set(err, SFS_E_TOO_BIG,
		                   "beyond the largest offset of a file");
	if (offset + len <= max || !sfs_dir_has_records(find_out(f, false).dir))
		return SFS_OK;
	return sfs_err_set(err, SFS_E_TOO_BIG,
	                   "a value may have %zu bytes at most (value_max)",
	                   max);
}

static enum sfs_rc write_all(int fd, uint64_t offset, const void *data,
                             size_t len, size_t *done, struct sfs_err *err)
{
	const uint8_t *p = data;
	ssize_t n;

	*done = 0;
	while (*done < len) {
		n = pwrite(fd, p + *done, len - *done, (off_t)(offset + *done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sfs_err_sys(err, errno,
			                   "cannot write a staged file");
		*done += (size_t)n;
	}
	return SFS_OK;
}

/* A write behind the end that fails half way leaves nothing of itself. */
static enum sfs_rc write_locked(struct sfs_staged_file *f, uint64_t offset,
                                bool is_append, const void *data, size_t len,
                                struct sfs_err *err)
{
	uint64_t size;
	size_t done = 0;
	enum sfs_rc rc = size_of(f, &size, err);

	if (rc != SFS_OK)
		return rc;
	if (is_append)
		offset = size;
	rc = check_size(f, offset, len, err);
	if (rc != SFS_OK)
		return rc;
	rc = write_all(f->fd, offset, data, len, &done, err);
	if (rc != SFS_OK && offset >= size && done > 0 &&
	    ftruncate(f->fd, (off_t)size) == 0)
		done = 0;
	if (done > 0)
		tell_change(f, offset >= size);
	return rc;
}

enum sfs_rc sfs_staged_write(struct sfs_staged_file *f, uint64_t offset,
                             bool is_append, const void *data, size_t len,
                             struct sfs_err *err)
{
	enum sfs_rc rc = begin_change(f, err);

	if (rc != SFS_OK)
		return rc;
	rc = write_locked(f, offset, is_append, data, len, err);
	end_change(f);
	return rc;
}

/* Cut to nothing, an ingest file ranks as a new one. */
static enum sfs_rc renew(struct sfs_staged_file *f, struct sfs_err *err)
{
	struct sfs_name_event event = { .is_listed = false };
	struct sfs_build *b = f->build;
	enum sfs_rc rc;

	pthread_mutex_lock(&b->telling);
	rc = sfs_files_renew(b->files, f->node, &event, err);
	sfs_build_tell_names(b, &event);
	pthread_mutex_unlock(&b->telling);
	return rc;
}

static enum sfs_rc truncate_locked(struct sfs_staged_file *f, uint64_t size,
                                   struct sfs_err *err)
{
	struct whereabouts w;
	uint64_t old;
	enum sfs_rc rc = size_of(f, &old, err);

	if (rc == SFS_OK && size > old)
		rc = check_size(f, size, 0, err);
	if (rc != SFS_OK)
		return rc;
	if (size != old) {
		if (ftruncate(f->fd, (off_t)size) != 0)
			return sfs_err_sys(err, errno,
			                   "cannot truncate a staged file");
		tell_change(f, size > old);
	}
	w = find_out(f, true);
	if (size > 0 || w.dir != SFS_BUILD_INGEST)
		return SFS_OK;
	return renew(f, err);
}

enum sfs_rc sfs_staged_truncate(struct sfs_staged_file *f, uint64_t size,
                                struct sfs_err *err)
{
	enum sfs_rc rc = begin_change(f, err);

	if (rc != SFS_OK)
		return rc;
	rc = truncate_locked(f, size, err);
	end_change(f);
	return rc;
}

enum sfs_rc sfs_staged_allocate(struct sfs_staged_file *f, int mode,
                                uint64_t offset, uint64_t len,
                                struct sfs_err *err)
{
	enum sfs_rc rc = begin_change(f, err);
	uint64_t old = 0;
	uint64_t size = 0;

	if (rc != SFS_OK)
		return rc;
	rc = size_of(f, &old, err);
	if (rc == SFS_OK && (mode & FALLOC_FL_KEEP_SIZE) == 0)
		rc = check_size(f, offset, len, err);
	if (rc == SFS_OK &&
	    fallocate(f->fd, mode, (off_t)offset, (off_t)len) != 0) {
		int error = errno;

		rc = error == EOPNOTSUPP
		             ? sfs_err_set(err, SFS_E_UNSUPPORTED,
		                           "the file system of the staging "
		                           "area cannot allocate so")
		             : sfs_err_sys(err, error, "cannot allocate");
	}
	if (rc == SFS_OK)
		rc = size_of(f, &size, err);
	if (rc == SFS_OK && (mode & ~FALLOC_FL_KEEP_SIZE) != 0)
		tell_change(f, false);
	else if (rc == SFS_OK && size != old)
		tell_change(f, true);
	end_change(f);
	return rc;
}

enum sfs_rc sfs_build_truncate(struct sfs_build *b, enum sfs_build_dir dir,
                               const char *name, uint64_t size,
                               struct sfs_err *err)
{
	struct sfs_staged_file *f;
	enum sfs_rc rc = sfs_build_open(b, dir, name, O_WRONLY, 0, &f, err);

	if (rc != SFS_OK)
		return rc;
	rc = sfs_staged_truncate(f, size, err);
	if (rc == SFS_OK && find_out(f, false).is_config)
		sfs_build_note_config(b);
	sfs_staged_close(f);
	return rc;
}

/* --- truth ---------------------------------------------------------------------------- */

static enum sfs_rc sync_data(struct sfs_staged_file *f, bool is_data_only,
                             struct sfs_err *err)
{
	int result;

	do {
		result = is_data_only ? fdatasync(f->fd) : fsync(f->fd);
	} while (result != 0 && errno == EINTR);
	if (result != 0)
		return sfs_err_sys(err, errno, "cannot sync a staged file");
	return SFS_OK;
}

static enum sfs_rc sync_file(struct sfs_staged_file *f, bool is_data_only,
                             struct sfs_err *err)
{
	struct sfs_files *files = f->build->files;
	enum sfs_build_dir dir;
	bool is_linked;
	enum sfs_rc rc = sync_data(f, is_data_only, err);

	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&files->lock);
	f->node->is_synced = true;
	dir = f->node->dir;
	is_linked = f->node->is_linked;
	pthread_mutex_unlock(&files->lock);
	if (!is_linked)
		return SFS_OK;
	return sfs_files_sync_names(files, (enum sfs_folder_kind)dir, err);
}

enum sfs_rc sfs_staged_sync(struct sfs_staged_file *f, bool is_data_only,
                            struct sfs_err *err)
{
	enum sfs_rc rc = sync_file(f, is_data_only, err);

	if (rc != SFS_OK || !f->is_writer || !find_out(f, false).is_config)
		return rc;
	if (sfs_build_enter(f->build, NULL) != SFS_OK)
		return SFS_OK; /* it was published as it is */
	rc = sfs_build_reload_config(f->build, err);
	sfs_build_leave(f->build);
	return rc;
}

enum sfs_rc sfs_build_sync_dir(struct sfs_build *b, enum sfs_build_dir dir,
                               struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_check_live(b, err);

	if (rc == SFS_OK)
		rc = sfs_files_sync_names(b->files, (enum sfs_folder_kind)dir,
		                          err);
	if (rc == SFS_OK && sfs_dir_has_records(dir))
		rc = sfs_files_sync_names(b->files, SFS_FOLDER_DELETED, err);
	return rc;
}

static enum sfs_rc flush_writer(struct sfs_staged_file *f,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_build *b = f->build;
	struct whereabouts w = find_out(f, false);
	enum sfs_rc rc = SFS_OK;

	if (b->sync_on_close)
		rc = sync_file(f, false, err);
	if (rc == SFS_OK && w.is_config)
		rc = sfs_build_reload_config(b, err);
	if (rc == SFS_OK && w.seq > 0 && atomic_load(&f->has_written))
		rc = sfs_engine_ingest_wait(b->engine, w.seq, call, err);
	return rc;
}

enum sfs_rc sfs_staged_flush(struct sfs_staged_file *f,
                             const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc;

	if (!f->is_writer)
		return SFS_OK;
	if (sfs_build_enter(f->build, NULL) != SFS_OK)
		return SFS_OK; /* all of it was published */
	rc = flush_writer(f, call, err);
	sfs_build_leave(f->build);
	return rc;
}
