/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable replacement of a file. The order is what counts:
 *   1. write the temporary file    crash: old file, temporary left
 *   2. fsync it                    the same
 *   3. rename it over the name     crash: old file or whole new file
 *   4. fsync the directory         from here on the new file
 * Without 2 the name could survive with no bytes behind it, without 4 the
 * caller could go on and delete what the old file refers to.
 */
#include "base/atomicfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_TRIES = 8 };

static enum sfs_rc set_tmp_name(struct sfs_atomicfile *f, struct sfs_err *err)
{
	uint64_t random[2] = { 0, 0 };
	ssize_t got;

	do {
		got = getrandom(random, sizeof(random), 0);
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(random))
		return sfs_err_sys(err, errno, "no random bytes");
	(void)snprintf(f->tmp, sizeof(f->tmp),
	               SFS_ATOMICFILE_TMP "%016" PRIx64 "%016" PRIx64,
	               random[0], random[1]);
	return SFS_OK;
}

enum sfs_rc sfs_atomicfile_begin(struct sfs_atomicfile *f, int dir_fd,
                                 struct sfs_err *err)
{
	f->dir_fd = dir_fd;
	f->fd = -1;
	for (int i = 0; i < NAME_TRIES; i++) {
		enum sfs_rc rc = set_tmp_name(f, err);

		if (rc != SFS_OK)
			return rc;
		f->fd = openat(dir_fd, f->tmp,
		               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		                       O_CLOEXEC,
		               0666);
		if (f->fd >= 0)
			return SFS_OK;
		if (errno != EEXIST && errno != EINTR)
			break;
	}
	return sfs_err_sys(err, errno, "cannot create a temporary file");
}

enum sfs_rc sfs_atomicfile_write(struct sfs_atomicfile *f, const void *data,
                                 size_t len, struct sfs_err *err)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(f->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sfs_err_sys(err, errno, "cannot write");
		p += n;
		len -= (size_t)n;
	}
	return SFS_OK;
}

static bool is_link_refused(int sys_errno)
{
	return sys_errno == EXDEV || sys_errno == EMLINK ||
	       sys_errno == EPERM || sys_errno == EOPNOTSUPP ||
	       sys_errno == ENOSYS;
}

/* Only what the link itself is can be trusted: the name may have changed. */
static enum sfs_rc open_link(struct sfs_atomicfile *f, const char *name,
                             struct sfs_err *err)
{
	struct stat st;
	int fd;

	fd = openat(f->dir_fd, f->tmp,
	            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ELOOP && errno != ENXIO)
		return sfs_err_sys(err, errno, "cannot open %s", name);
	if (fd < 0)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s is not a regular file", name);
	f->fd = fd;
	if (fstat(fd, &st) != 0)
		return sfs_err_sys(err, errno, "cannot stat %s", name);
	if (!S_ISREG(st.st_mode))
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s is not a regular file", name);
	return SFS_OK;
}

enum sfs_rc sfs_atomicfile_link(struct sfs_atomicfile *f, int dir_fd,
                                int from_dir_fd, const char *name,
                                struct sfs_err *err)
{
	enum sfs_rc rc;

	f->dir_fd = dir_fd;
	f->fd = -1;
	rc = set_tmp_name(f, err);
	if (rc != SFS_OK)
		return rc;
	if (linkat(from_dir_fd, name, dir_fd, f->tmp, 0) != 0) {
		if (is_link_refused(errno))
			return sfs_err_set(err, SFS_E_UNSUPPORTED,
			                   "%s cannot be linked", name);
		return sfs_err_sys(err, errno, "cannot link %s", name);
	}
	rc = open_link(f, name, err);
	if (rc == SFS_OK)
		return SFS_OK;
	(void)unlinkat(dir_fd, f->tmp, 0); /* rc tells more */
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
	return rc;
}

/* NFS and others lack RENAME_NOREPLACE; a link never replaces either. */
static int rename_exclusive(int dir_fd, const char *from, const char *to)
{
	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return linkat(dir_fd, from, dir_fd, to, 0);
}

static enum sfs_rc rename_tmp(struct sfs_atomicfile *f, const char *name,
                              bool exclusive, struct sfs_err *err)
{
	int rc;

	if (exclusive)
		rc = rename_exclusive(f->dir_fd, f->tmp, name);
	else
		rc = renameat(f->dir_fd, f->tmp, f->dir_fd, name);
	if (rc != 0)
		return sfs_err_sys(err, errno, "cannot rename to %s", name);
	return SFS_OK;
}

enum sfs_rc sfs_dir_sync(int dir_fd, struct sfs_err *err)
{
	int rc;

	do {
		rc = fsync(dir_fd);
	} while (rc != 0 && errno == EINTR);
	/* EINVAL: a file system whose directories cannot be synced */
	if (rc != 0 && errno != EINVAL)
		return sfs_err_sys(err, errno, "cannot sync the directory");
	return SFS_OK;
}

enum sfs_rc sfs_atomicfile_commit(struct sfs_atomicfile *f, const char *name,
                                  bool exclusive, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	int fd = f->fd;

	while (fsync(fd) != 0) {
		if (errno == EINTR)
			continue;
		rc = sfs_err_sys(err, errno, "cannot sync %s", name);
		goto out;
	}
	/* Network and quota file systems report a failed write here. */
	f->fd = -1;
	if (close(fd) != 0 && errno != EINTR) {
		rc = sfs_err_sys(err, errno, "cannot close %s", name);
		goto out;
	}
	rc = rename_tmp(f, name, exclusive, err);
	if (rc == SFS_OK)
		rc = sfs_dir_sync(f->dir_fd, err);
out:
	/*
	 * Also after success: renaming a hard link over another link to the
	 * same file leaves both, as POSIX demands.
	 */
	(void)unlinkat(f->dir_fd, f->tmp, 0); /* mostly gone already */
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
	return rc;
}

enum sfs_rc sfs_atomicfile_rename(struct sfs_atomicfile *f, const char *name,
                                  int *fd_out, struct sfs_err *err)
{
	enum sfs_rc rc = rename_tmp(f, name, false, err);

	(void)unlinkat(f->dir_fd, f->tmp, 0); /* as in commit */
	if (rc == SFS_OK)
		*fd_out = f->fd;
	else
		(void)close(f->fd);
	f->fd = -1;
	return rc;
}

void sfs_atomicfile_abort(struct sfs_atomicfile *f)
{
	if (f->fd < 0)
		return;
	(void)unlinkat(f->dir_fd, f->tmp, 0); /* nothing better to do */
	(void)close(f->fd);
	f->fd = -1;
}
