/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of a staging area and the locks in it. What begins with '.'
 * is no build: .new-* is one that is being made, .done-* one that goes, .lock
 * the guard. A build's lock is a flock, which dies with its owner, so there
 * is no stale one to break.
 */
#include "build/area_internal.h"

#include "base/atomicfile.h"
#include "base/digest.h"
#include "base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIR_MODE = 0700, HASH_LEN = 32, PID_BYTES = 32 };

static enum sfs_rc make_parents(const char *dir, struct sfs_err *err)
{
	char path[PATH_MAX];
	size_t len = strlen(dir);

	if (len >= sizeof(path))
		return sfs_err_set(err, SFS_E_NAME_TOO_LONG, "staging_dir %s",
		                   dir);
	for (size_t i = 1; i <= len; i++) {
		if (dir[i] != '/' && dir[i] != '\0')
			continue;
		memcpy(path, dir, i);
		path[i] = '\0';
		if (mkdir(path, DIR_MODE) != 0 && errno != EEXIST)
			return sfs_err_sys(err, errno,
			                   "staging_dir: cannot make %s", path);
	}
	return SFS_OK;
}

enum sfs_rc sfs_area_dir_open(const char *dir, bool creates, int *fd_out,
                              struct sfs_err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	enum sfs_rc rc;

	*fd_out = open(dir, flags);
	if (*fd_out < 0 && errno == ENOENT && creates) {
		rc = make_parents(dir, err);
		if (rc != SFS_OK)
			return rc;
		*fd_out = open(dir, flags);
	}
	if (*fd_out < 0)
		return sfs_err_sys(err, errno, "staging_dir %s", dir);
	return SFS_OK;
}

enum sfs_rc sfs_area_check_name(const char *name, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_files_check_name(name, err);

	if (rc == SFS_OK && name[0] == '.')
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%.200s: the name of a build does not begin "
		                   "with '.'",
		                   name);
	if (rc == SFS_OK && strlen(name) > SFS_DISK_NAME_MAX)
		return sfs_err_set(err, SFS_E_NAME_TOO_LONG,
		                   "the name of a build has %d bytes at most",
		                   SFS_DISK_NAME_MAX);
	return rc;
}

static int lock_file(int fd, int operation)
{
	int result;

	do {
		result = flock(fd, operation);
	} while (result != 0 && errno == EINTR);
	return result;
}

/* A lock on a file cannot be waited for until somebody changes his mind. */
static enum sfs_rc take_guard(int fd, const struct sfs_call *call,
                              struct sfs_err *err)
{
	const struct timespec pause = { 0, 5000000 };
	enum sfs_rc rc = SFS_OK;

	while (rc == SFS_OK && fd >= 0) {
		if (lock_file(fd, call != NULL ? LOCK_EX | LOCK_NB : LOCK_EX) ==
		    0)
			return SFS_OK;
		if (errno != EWOULDBLOCK)
			break;
		rc = sfs_call_check(call, "staging_dir: " SFS_AREA_LOCK, err);
		(void)nanosleep(&pause, NULL);
	}
	if (rc != SFS_OK)
		return rc;
	return sfs_err_sys(err, errno, "staging_dir: cannot lock %s",
	                   SFS_AREA_LOCK);
}

enum sfs_rc sfs_area_guard(int area_fd, bool creates, int *guard_out,
                           const struct sfs_call *call, struct sfs_err *err)
{
	int fd = openat(area_fd, SFS_AREA_LOCK,
	                creates ? O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC
	                        : O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
	                0600);
	enum sfs_rc rc;

	*guard_out = fd;
	if (fd < 0 && errno == ENOENT && !creates)
		return SFS_OK; /* nobody ever made a build here */
	rc = take_guard(fd, call, err);
	if (rc != SFS_OK && fd >= 0)
		(void)close(fd);
	if (rc != SFS_OK)
		*guard_out = -1;
	return rc;
}

static int64_t read_pid(int fd)
{
	char text[PID_BYTES];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return strtoll(text, NULL, 10);
}

enum sfs_rc sfs_area_lock_build(int build_fd, int *lock_out, int64_t *pid_out,
                                struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	char text[PID_BYTES];
	int len;
	int fd;

	fd = openat(build_fd, SFS_FILES_LOCK,
	            O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return sfs_err_sys(err, errno, "cannot open the lock");
	if (lock_file(fd, LOCK_EX | LOCK_NB) != 0) {
		rc = errno == EWOULDBLOCK
		             ? sfs_err_set(err, SFS_E_BUSY,
		                           "process %" PRId64 " has it",
		                           read_pid(fd))
		             : sfs_err_sys(err, errno, "cannot lock");
		if (pid_out != NULL)
			*pid_out = read_pid(fd);
	} else {
		len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
		if (ftruncate(fd, 0) != 0 ||
		    pwrite(fd, text, (size_t)len, 0) != len)
			rc = sfs_err_sys(err, errno, "cannot write the lock");
	}
	if (rc != SFS_OK) {
		(void)close(fd);
		return rc;
	}
	*lock_out = fd;
	return SFS_OK;
}

int64_t sfs_area_owner(int build_fd)
{
	int64_t pid = 0;
	int fd = openat(build_fd, SFS_FILES_LOCK,
	                O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (lock_file(fd, LOCK_SH | LOCK_NB) != 0)
		pid = read_pid(fd);
	(void)close(fd);
	return pid;
}

bool sfs_area_is_linked(int area_fd, const char *name, int build_fd)
{
	struct stat held;
	struct stat named;

	return fstat(build_fd, &held) == 0 &&
	       fstatat(area_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

enum sfs_rc sfs_area_unique_name(const char *prefix, char out[64],
                                 struct sfs_err *err)
{
	char hex[SFS_UUID_HEX_BYTES];
	enum sfs_rc rc = sfs_uuid_hex(hex, err);

	if (rc == SFS_OK)
		(void)snprintf(out, 64, "%s%s", prefix, hex);
	return rc;
}

enum sfs_rc sfs_area_set_aside(int area_fd, const char *name, char name_out[64],
                               struct sfs_err *err)
{
	enum sfs_rc rc = sfs_area_unique_name(SFS_AREA_DONE, name_out, err);

	if (rc != SFS_OK)
		return rc;
	if (renameat(area_fd, name, area_fd, name_out) != 0)
		return sfs_err_sys(err, errno, "cannot set %s aside", name);
	rc = sfs_dir_sync(area_fd, err);
	if (rc != SFS_OK) /* or the next start would remove it */
		(void)renameat(area_fd, name_out, area_fd, name);
	return rc;
}

enum sfs_rc sfs_area_remove_dir(int area_fd, const char *name,
                                const atomic_bool *stop, struct sfs_err *err)
{
	enum sfs_rc rc;
	int fd;

	fd = openat(area_fd, name,
	            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return SFS_OK;
	if (fd < 0)
		return sfs_err_sys(err, errno, "cannot open %s", name);
	rc = sfs_dir_empty(fd, stop, err);
	(void)close(fd);
	if (rc == SFS_OK && unlinkat(area_fd, name, AT_REMOVEDIR) != 0 &&
	    errno != ENOENT)
		rc = sfs_err_sys(err, errno, "cannot remove %s", name);
	return rc;
}

static const char *state_root(char *room, size_t cap)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (geteuid() == 0)
		return "/var/lib";
	if (state != NULL && state[0] == '/')
		return state;
	if (home == NULL || home[0] != '/' ||
	    snprintf(room, cap, "%s/.local/state", home) >= (int)cap)
		return NULL;
	return room;
}

enum sfs_rc sfs_area_default_dir(const char *store_url, char *out, size_t cap,
                                 struct sfs_err *err)
{
	struct sfs_digest digest = { NULL };
	char hex[SFS_DIGEST_HEX_BYTES];
	char room[PATH_MAX];
	const char *root = state_root(room, sizeof(room));
	enum sfs_rc rc;
	int len;

	if (root == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "no place for staging: HOME is not set; "
		                   "give staging_dir");
	rc = sfs_digest_begin(&digest, err);
	if (rc == SFS_OK)
		rc = sfs_digest_add(&digest, store_url, strlen(store_url), err);
	if (rc == SFS_OK)
		rc = sfs_digest_finish(&digest, hex, err);
	sfs_digest_release(&digest);
	if (rc != SFS_OK)
		return rc;
	hex[HASH_LEN] = '\0';
	len = snprintf(out, cap, "%s/shardyfs/%s", root, hex);
	if (len < 0 || (size_t)len >= cap)
		return sfs_err_set(err, SFS_E_NAME_TOO_LONG, "%s/shardyfs",
		                   root);
	return SFS_OK;
}
