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

static enum sfs_rc check_source(const char *path, uint64_t *size,
                                struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
		rc = sfs_err_sys(err, errno, "%s", path);
	else if (!S_ISREG(st.st_mode))
		rc = sfs_err_set(err, SFS_E_INVALID, "%s is no regular file",
		                 path);
	else
		*size = (uint64_t)st.st_size;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

/* Puts the link in place of the empty file, which is open. */
static enum sfs_rc replace(struct sfs_files *f, const char *name,
                           const char *target, uint64_t *seq,
                           struct sfs_err *err)
{
	struct sfs_spot spot;
	enum sfs_rc rc;

	pthread_mutex_lock(&f->lock);
	rc = sfs_files_locate(f, SFS_BUILD_INGEST, name, &spot, err);
	if (rc == SFS_OK)
		*seq = spot.node->seq;
	if (rc == SFS_OK && (symlinkat(target, spot.dir_fd, SOURCE_TMP) != 0 ||
	                     renameat(spot.dir_fd, SOURCE_TMP, spot.dir_fd,
	                              spot.disk.text) != 0))
		rc = sfs_err_sys(err, errno, "ingest/%s", name);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* The engine may know the empty file by now. */
static enum sfs_rc link_source(struct sfs_build *b, const char *name,
                               const char *target, uint64_t size,
                               struct sfs_err *err)
{
	uint64_t seq = 0;
	enum sfs_rc rc = sfs_build_enter(b, err);

	if (rc != SFS_OK)
		return rc;
	rc = replace(b->files, name, target, &seq, err);
	if (rc == SFS_OK) {
		pthread_mutex_lock(&b->telling);
		sfs_engine_ingest_grew(b->engine, seq, size);
		pthread_mutex_unlock(&b->telling);
	}
	sfs_build_leave(b);
	return rc;
}

enum sfs_rc sfs_build_add_source(struct sfs_build *b, const char *name,
                                 const char *path, struct sfs_err *err)
{
	char target[PATH_MAX];
	struct sfs_staged_file *file;
	uint64_t size = 0;
	enum sfs_rc rc;

	if (realpath(path, target) == NULL)
		return sfs_err_sys(err, errno, "%s", path);
	rc = check_source(target, &size, err);
	if (rc == SFS_OK)
		rc = sfs_build_open(b, SFS_BUILD_INGEST, name,
		                    O_WRONLY | O_CREAT | O_EXCL, 0644, &file,
		                    err);
	if (rc != SFS_OK)
		return rc;
	rc = link_source(b, name, target, size, err);
	sfs_staged_close(file);
	return rc;
}
