/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compare-and-swap on the local store, and the pins of objects. An OFD lock on one file makes reading
 * the old bytes and replacing them one step; it also excludes threads of the
 * same process, and the kernel drops it when its holder dies, so there is no
 * stale lock to break. The lock is asked for again and again instead of
 * waited for, because a wait in the kernel heeds neither deadline nor cancel.
 */
#include "store/local_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum {
	FIRST_DELAY_MS = 1,
	LAST_DELAY_MS = 50,
	OWNER_BYTES = 128,
	PIN_TRIES = 16,
};

static int open_file(const struct sfs_local_store *l)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(l->dir_fd, SFS_LOCAL_LOCK, flags);

	/*
	 * O_CREAT only now: with fs.protected_regular it is denied to a file
	 * of another owner, even where writing is not.
	 */
	if (fd < 0 && errno == ENOENT)
		fd = openat(l->dir_fd, SFS_LOCAL_LOCK, flags | O_CREAT, 0666);
	return fd;
}

static enum sfs_rc open_lock(const struct sfs_local_store *l, int *fd_out,
                             struct sfs_err *err)
{
	struct stat st;
	int fd = open_file(l);

	if (fd < 0)
		return sfs_err_sys(err, errno, "%s/%s", l->url, SFS_LOCAL_LOCK);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s/%s is not a regular file", l->url,
		                   SFS_LOCAL_LOCK);
	}
	*fd_out = fd;
	return SFS_OK;
}

/* 0, or the errno. EAGAIN: somebody holds it. */
static int try_lock(int fd)
{
	struct flock whole;

	memset(&whole, 0, sizeof(whole));
	whole.l_type = F_WRLCK;
	whole.l_whence = SEEK_SET;
	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	return errno == EACCES ? EAGAIN : errno;
}

/* Whoever removed the lock's file made room for a second holder. */
static bool is_current(const struct sfs_local_store *l, int fd)
{
	struct stat held;
	struct stat named;

	return fstat(fd, &held) == 0 &&
	       fstatat(l->dir_fd, SFS_LOCAL_LOCK, &named,
	               AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* For people only, so a failure to write it does no harm. */
static void write_owner(int fd)
{
	char host[64] = "";
	char owner[OWNER_BYTES];
	int len;

	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	len = snprintf(owner, sizeof(owner), "%s %ld\n", host, (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, owner, (size_t)len, 0) != len)
		return;
}

static enum sfs_rc busy(const struct sfs_local_store *l, int fd,
                        struct sfs_err *err)
{
	char owner[OWNER_BYTES];
	ssize_t len = pread(fd, owner, sizeof(owner) - 1, 0);

	owner[len > 0 ? len : 0] = '\0';
	for (char *p = owner; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = p[1] != '\0' ? '?' : '\0';
	return sfs_err_set(err, SFS_E_BUSY, "%s: the lock is held by %s",
	                   l->url, owner[0] != '\0' ? owner : "somebody");
}

static enum sfs_rc wait_for_lock(const struct sfs_local_store *l, int fd,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	int delay_ms = FIRST_DELAY_MS;
	int sys_errno;

	for (;;) {
		enum sfs_rc rc;

		sys_errno = try_lock(fd);
		if (sys_errno == 0)
			return SFS_OK;
		if (sys_errno != EAGAIN && sys_errno != EINTR)
			break;
		rc = sfs_call_check(call, l->url, err);
		if (rc == SFS_E_TIMEOUT)
			return busy(l, fd, err);
		if (rc != SFS_OK)
			return rc;
		sfs_local_wait(-1, delay_ms, call);
		if (delay_ms < LAST_DELAY_MS)
			delay_ms *= 2;
	}
	if (sys_errno == ENOLCK || sys_errno == EOPNOTSUPP ||
	    sys_errno == ENOSYS)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "%s: this file system has no locks", l->url);
	return sfs_err_sys(err, sys_errno, "cannot lock %s", l->url);
}

/* Closing *fd_out releases the lock. */
static enum sfs_rc lock_store(const struct sfs_local_store *l, int *fd_out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	for (;;) {
		enum sfs_rc rc = open_lock(l, fd_out, err);

		if (rc != SFS_OK)
			return rc;
		rc = wait_for_lock(l, *fd_out, call, err);
		if (rc == SFS_OK && is_current(l, *fd_out)) {
			write_owner(*fd_out);
			return SFS_OK;
		}
		(void)close(*fd_out);
		if (rc == SFS_OK)
			rc = sfs_call_check(call, l->url, err);
		if (rc != SFS_OK)
			return rc;
	}
}

/* OK if the object has the version that the caller expects. */
static enum sfs_rc compare(const char *key, const char *expected,
                           const char *now, struct sfs_err *err)
{
	const char *what = "was changed";

	if (strcmp(now, expected) == 0)
		return SFS_OK;
	if (now[0] == '\0')
		what = "does not exist any more";
	else if (expected[0] == '\0')
		what = "exists already";
	return sfs_err_set(err, SFS_E_CONFLICT, "%s %s", key, what);
}

enum sfs_rc sfs_local_put_if(struct sfs_store *s, const char *key,
                             const void *data, size_t len,
                             const struct sfs_tag *expected,
                             struct sfs_tag *tag_out,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_local_store *l = sfs_local_of(s);
	struct sfs_tag now;
	enum sfs_rc rc;
	int lock_fd = -1;

	rc = sfs_call_check(call, key, err);
	if (rc == SFS_OK)
		rc = sfs_local_key_check(key, err);
	if (rc == SFS_OK)
		rc = lock_store(l, &lock_fd, call, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_local_tag_now(l, key, &now, call, err);
	if (rc == SFS_OK)
		rc = compare(key, expected != NULL ? expected->text : "",
		             now.text, err);
	if (rc == SFS_OK)
		rc = sfs_local_put(s, key, data, len, tag_out, call, err);
	(void)close(lock_fd);
	return rc;
}

/* Dies with its last descriptor, so with the process. */
struct sfs_pin {
	int fd;
};

static enum sfs_rc lock_object(int fd, const char *key, bool is_exclusive,
                               struct sfs_err *err)
{
	int mode = (is_exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;

	while (flock(fd, mode) != 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return sfs_err_set(err, SFS_E_BUSY, "%s is in use",
			                   key);
		/* EBADF: NFS, which wants it open for writing */
		if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS ||
		    errno == EBADF)
			return sfs_err_set(err, SFS_E_UNSUPPORTED,
			                   "%s: this file system has no locks",
			                   key);
		return sfs_err_sys(err, errno, "cannot lock %s", key);
	}
	return SFS_OK;
}

/* Whoever deleted or replaced the object locked, or needs, another file. */
static enum sfs_rc pin_once(const struct sfs_local_store *l, const char *key,
                            bool is_exclusive, int *fd_out, struct sfs_err *err)
{
	struct stat held;
	struct stat named;
	enum sfs_rc rc;
	int fd = -1;

	rc = sfs_local_file_open(l, key, fd_out, &held, err);
	if (rc != SFS_OK)
		return rc;
	rc = lock_object(*fd_out, key, is_exclusive, err);
	if (rc == SFS_OK)
		rc = sfs_local_file_open(l, key, &fd, &named, err);
	if (fd >= 0)
		(void)close(fd);
	if (rc == SFS_OK &&
	    (held.st_dev != named.st_dev || held.st_ino != named.st_ino))
		rc = sfs_err_set(err, SFS_E_TRANSIENT,
		                 "%s keeps being replaced", key);
	if (rc != SFS_OK)
		(void)close(*fd_out);
	return rc;
}

enum sfs_rc sfs_local_pin(struct sfs_store *s, const char *key,
                          bool is_exclusive, struct sfs_pin **pin_out,
                          struct sfs_err *err)
{
	enum sfs_rc rc = sfs_local_key_check(key, err);
	struct sfs_pin *pin;
	int fd = -1;
	int i;

	if (rc != SFS_OK)
		return rc;
	for (i = 0; i < PIN_TRIES; i++) {
		rc = pin_once(sfs_local_of(s), key, is_exclusive, &fd, err);
		if (rc != SFS_E_TRANSIENT)
			break;
	}
	if (rc != SFS_OK)
		return rc;
	pin = sfs_malloc(sizeof(*pin));
	if (pin == NULL) {
		(void)close(fd);
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory", key);
	}
	pin->fd = fd;
	*pin_out = pin;
	return SFS_OK;
}

void sfs_local_unpin(struct sfs_store *s, struct sfs_pin *pin)
{
	(void)s;
	if (pin == NULL)
		return;
	(void)close(pin->fd);
	sfs_free(pin);
}
