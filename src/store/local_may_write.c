/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May this process write to the store? Only looked at, not tried: a file that
 * is made to find out would be seen by readers, and stays if we die.
 */
#include "store/local_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static enum sfs_rc refuse(const struct sfs_local_store *l, const char *path,
                          int sys_errno, struct sfs_err *err)
{
	const char *slash = path[0] != '\0' ? "/" : "";

	if (sys_errno == EROFS)
		return sfs_err_sys(err, sys_errno,
		                   "%s%s%s cannot be written, and publishing "
		                   "has to; remount its file system rw",
		                   l->url, slash, path);
	return sfs_err_sys(err, sys_errno,
	                   "%s%s%s cannot be written, and publishing has to; "
	                   "let user %u write there, or mount as its owner",
	                   l->url, slash, path, (unsigned)geteuid());
}

static bool is_refusal(int sys_errno)
{
	return sys_errno == EACCES || sys_errno == EROFS;
}

/* Of the directories of key the last one that is there; path becomes its. */
static int open_last(const struct sfs_local_store *l, char *path)
{
	char *slash;
	int fd;

	do {
		slash = strrchr(path, '/');
		*(slash != NULL ? slash : path) = '\0';
		fd = sfs_local_open_beneath(l, path, O_PATH | O_DIRECTORY);
	} while (fd == -ENOENT && path[0] != '\0');
	return fd;
}

enum sfs_rc sfs_local_may_write(struct sfs_store *s, const char *key,
                                struct sfs_err *err)
{
	struct sfs_local_store *l = sfs_local_of(s);
	char path[SFS_STORE_KEY_MAX + 1];
	enum sfs_rc rc = sfs_local_key_check(key, err);
	int sys_errno = 0;
	int fd;

	if (rc != SFS_OK)
		return rc;
	(void)snprintf(path, sizeof(path), "%s", key);
	fd = open_last(l, path);
	if (fd < 0)
		sys_errno = -fd;
	else if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		sys_errno = errno;
	if (fd >= 0)
		(void)close(fd);
	if (is_refusal(sys_errno))
		return refuse(l, path, sys_errno, err);
	if (faccessat(l->dir_fd, SFS_LOCAL_LOCK, R_OK | W_OK, AT_EACCESS) !=
	            0 &&
	    is_refusal(errno))
		return refuse(l, SFS_LOCAL_LOCK, errno, err);
	return SFS_OK;
}
