/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ingest files that are read where they lie. In raw/ such a file is a symlink
 * in place of the bytes; only this makes one.
 */
#include "build/build_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define SOURCE_TMP ".tmp-source"

static enum sfs_rc check_source(const char *path, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
		rc = sfs_err_sys(err, errno, "%s", path);
	else if (!S_ISREG(st.st_mode))
		rc = sfs_err_set(err, SFS_E_INVALID, "%s is no regular file",
		                 path);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

/* Puts the link in place of the empty file. */
static enum sfs_rc replace(struct sfs_files *f, const char *name,
                           const char *target, struct sfs_err *err)
{
	struct sfs_spot spot;
	enum sfs_rc rc;

	pthread_mutex_lock(&f->lock);
	rc = sfs_files_locate(f, SFS_BUILD_INGEST, name, &spot, err);
	if (rc == SFS_OK && (symlinkat(target, spot.dir_fd, SOURCE_TMP) != 0 ||
	                     renameat(spot.dir_fd, SOURCE_TMP, spot.dir_fd,
	                              spot.disk.text) != 0))
		rc = sfs_err_sys(err, errno, "ingest/%s", name);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

enum sfs_rc sfs_build_add_source(struct sfs_build *b, const char *name,
                                 const char *path, struct sfs_err *err)
{
	const struct sfs_name_event event = { .is_listed = true };
	char target[PATH_MAX];
	struct sfs_staged_file *file;
	enum sfs_rc rc;

	if (realpath(path, target) == NULL)
		return sfs_err_sys(err, errno, "%s", path);
	rc = check_source(target, err);
	if (rc == SFS_OK)
		rc = sfs_build_open(b, SFS_BUILD_INGEST, name,
		                    O_WRONLY | O_CREAT | O_EXCL, 0644, &file,
		                    err);
	if (rc != SFS_OK)
		return rc;
	sfs_staged_close(file);
	rc = sfs_build_enter(b, err);
	if (rc != SFS_OK)
		return rc;
	rc = replace(b->files, name, target, err);
	pthread_mutex_lock(&b->telling);
	sfs_build_tell_names(b, &event);
	pthread_mutex_unlock(&b->telling);
	sfs_build_leave(b);
	return rc;
}
