/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount points: what is mounted where, and whether a place can be mounted
 * on. A dead mount of ours (daemon killed, every access ENOTCONN) is told by
 * its type in mountinfo and by that errno, and only then taken away.
 */
#include "cli/mountpoint.h"

#include "base/alloc.h"
#include "base/log.h"
#include "fuse/session.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char OUR_TYPE[] = "fuse.shardyfs";

/* Undoes mountinfo's octal escapes (\040 for a space) in place. */
static void unescape(char *s)
{
	char *out = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
			                (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* "36 35 0:45 / /mnt rw,.. opts - fuse.shardyfs src super" (proc(5)) */
static bool parse_line(const char *line, struct sfs_mount *out)
{
	const char *dash = strstr(line, " - ");

	if (dash == NULL ||
	    sscanf(line, "%*u %*u %*u:%u %*s %4095s", &out->device_minor,
	           out->path) != 2 ||
	    sscanf(dash, " - %63s %4095s", out->type, out->source) != 2)
		return false;
	unescape(out->path);
	unescape(out->source);
	return true;
}

enum sfs_rc sfs_mount_find(const char *path, struct sfs_mount *out,
                           struct sfs_err *err)
{
	struct sfs_mount *line_mount = sfs_malloc(sizeof(*line_mount));
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	char *line = NULL;
	size_t cap = 0;
	enum sfs_rc rc;

	if (f == NULL) {
		rc = sfs_err_sys(err, errno, "/proc/self/mountinfo");
		goto out;
	}
	if (line_mount == NULL) {
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
		goto out;
	}
	while (getline(&line, &cap, f) >= 0) {
		if (!parse_line(line, line_mount) ||
		    strcmp(line_mount->path, path) != 0)
			continue;
		*out = *line_mount; /* a later line lies on top */
		found = true;
	}
	rc = found ? SFS_OK
	           : sfs_err_set(err, SFS_E_NOT_FOUND,
	                         "%s: nothing is mounted there", path);
out:
	if (f != NULL)
		(void)fclose(f); /* read only */
	free(line);
	sfs_free(line_mount);
	return rc;
}

/*
 * One of ours whose daemon is gone. statvfs always asks the daemon; stat may
 * be answered by the kernel.
 */
static bool is_dead(const struct sfs_mount *mount)
{
	struct statvfs facts;

	return strcmp(mount->type, OUR_TYPE) == 0 &&
	       statvfs(mount->path, &facts) != 0 && errno == ENOTCONN;
}

/* An absolute path for something whose last part may be a dead mount. */
static char *absolute(const char *given, struct sfs_err *err)
{
	char *copy = sfs_strdup(given);
	char *path = NULL;
	char *parent;
	char *slash;
	size_t len;

	if (copy == NULL)
		return NULL;
	len = strlen(copy);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	slash = strrchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	parent = realpath(slash == NULL   ? "."
	                  : slash == copy ? "/"
	                                  : copy,
	                  NULL);
	if (parent == NULL) {
		(void)sfs_err_sys(err, errno, "mount point %s", given);
	} else if (asprintf(&path, "%s/%s",
	                    strcmp(parent, "/") == 0 ? "" : parent,
	                    slash == NULL ? copy : slash + 1) < 0) {
		path = NULL;
		(void)sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	free(parent);
	sfs_free(copy);
	return path;
}

static enum sfs_rc detach_dead(const char *given, bool recover,
                               struct sfs_err *err)
{
	struct sfs_mount *mount = sfs_malloc(sizeof(*mount));
	char *path = absolute(given, err);
	enum sfs_rc rc = SFS_E_NOT_FOUND;

	if (mount != NULL && path != NULL)
		rc = sfs_mount_find(path, mount, err);
	if (rc != SFS_OK || !is_dead(mount))
		rc = SFS_OK; /* nothing of ours: the checks go on */
	else if (!recover)
		rc = sfs_err_set(err, SFS_E_STALE,
		                 "mount point %s: a mount whose daemon died "
		                 "lies there; fusermount3 -u %s, or "
		                 "recover=yes",
		                 given, given);
	else
		rc = sfs_session_unmount_path(path, true, err);
	free(path);
	sfs_free(mount);
	return rc;
}

static enum sfs_rc check_empty(const char *path, struct sfs_err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool is_empty = true;

	if (dir == NULL)
		return sfs_err_sys(err, errno, "mount point %s", path);
	while (is_empty && (entry = readdir(dir)) != NULL)
		is_empty = strcmp(entry->d_name, ".") == 0 ||
		           strcmp(entry->d_name, "..") == 0;
	(void)closedir(dir); /* read only */
	if (is_empty)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_BUSY,
	                   "mount point %s is not empty: what is in it would "
	                   "be hidden (-o nonempty if that is meant)",
	                   path);
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/' || len == 1);
}

static enum sfs_rc check_place(const char *path, const char *store_dir,
                               bool nonempty, struct sfs_err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return sfs_err_sys(err, errno, "mount point %s", path);
	if (!S_ISDIR(st.st_mode))
		return sfs_err_set(err, SFS_E_NOT_DIR,
		                   "mount point %s is not a directory", path);
	if (is_below(path, store_dir) || is_below(store_dir, path))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "mount point %s and store %s lie within "
		                   "each other: the mount would wait for "
		                   "itself",
		                   path, store_dir);
	return nonempty ? SFS_OK : check_empty(path, err);
}

enum sfs_rc sfs_mountpoint_prepare(const char *given, const char *store_dir,
                                   bool nonempty, bool recover, char **path_out,
                                   struct sfs_err *err)
{
	char *real = NULL;
	enum sfs_rc rc;

	rc = detach_dead(given, recover, err);
	if (rc != SFS_OK)
		return rc;
	real = realpath(given, NULL);
	if (real == NULL)
		return sfs_err_sys(err, errno, "mount point %s", given);
	rc = check_place(real, store_dir, nonempty, err);
	if (rc == SFS_OK) {
		*path_out = sfs_strdup(real);
		if (*path_out == NULL)
			rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	free(real);
	return rc;
}
