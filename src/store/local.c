/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in a local directory: opening it, finding names in it without
 * leaving it, and reading. The kernel does the confining (openat2 with
 * RESOLVE_BENEATH), because a check of the path before its use is a race
 * against whoever can change the tree. The last segment is opened by itself,
 * so that a symbolic link there is told from one on the way.
 */
#include "store/local.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "store/local_internal.h"
#include "store/tag.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	RESOLVE_TRIES = 16,
	READ_MAX_BYTES = 16 << 20, /* between two looks at the deadline */
	HASH_BYTES = 64 << 10,
};

struct local_object {
	struct sfs_object base;
	int fd;
	char key[];
};

struct sfs_local_store *sfs_local_of(struct sfs_store *s)
{
	return (struct sfs_local_store *)s;
}

bool sfs_local_segment_is_valid(const char *name, size_t len, bool is_top)
{
	static const size_t tmp_len = sizeof(SFS_ATOMICFILE_TMP) - 1;

	if (len == 0 || (len == 1 && name[0] == '.') ||
	    (len == 2 && memcmp(name, "..", 2) == 0))
		return false;
	if (len >= tmp_len && memcmp(name, SFS_ATOMICFILE_TMP, tmp_len) == 0)
		return false;
	if (is_top && len == sizeof(SFS_LOCAL_LOCK) - 1 &&
	    memcmp(name, SFS_LOCAL_LOCK, len) == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

enum sfs_rc sfs_local_key_check(const char *key, struct sfs_err *err)
{
	const char *segment = key;
	unsigned depth = 0;
	size_t len;

	if (strnlen(key, SFS_STORE_KEY_MAX + 1) > SFS_STORE_KEY_MAX)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "a key is longer than %d bytes: %.64s...",
		                   SFS_STORE_KEY_MAX, key);
	for (;; segment += len + 1) {
		len = strcspn(segment, "/");
		if (!sfs_local_segment_is_valid(segment, len, segment == key))
			break;
		if (++depth > SFS_LOCAL_DEPTH_MAX)
			break;
		if (segment[len] == '\0')
			return SFS_OK;
	}
	return sfs_err_set(err, SFS_E_INVALID, "not a key of a store: \"%s\"",
	                   key);
}

static int openat2_beneath(int dir_fd, const char *path, int flags)
{
	struct open_how how;

	memset(&how, 0, sizeof(how));
	how.flags = (unsigned)(flags | O_CLOEXEC);
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	/* EAGAIN: a rename raced with a ".." of a link on the way */
	for (int i = 0; i < RESOLVE_TRIES; i++) {
		long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

int sfs_local_open_beneath(const struct sfs_local_store *l, const char *path,
                           int flags)
{
	return openat2_beneath(l->dir_fd, path[0] != '\0' ? path : ".", flags);
}

enum sfs_rc sfs_local_path_error(int sys_errno, const char *path,
                                 struct sfs_err *err)
{
	if (sys_errno == ELOOP || sys_errno == EXDEV)
		return sfs_err_set(err, SFS_E_CORRUPT, "%s leaves the store",
		                   path);
	/* a name that is too long for the file system cannot be there */
	if (sys_errno == ENOTDIR || sys_errno == ENAMETOOLONG)
		return sfs_err_set(err, SFS_E_NOT_FOUND, "%s does not exist",
		                   path);
	return sfs_err_sys(err, sys_errno, "%s", path);
}

enum sfs_rc sfs_local_place_open(const struct sfs_local_store *l,
                                 const char *key, int flags,
                                 struct sfs_local_place *out,
                                 struct sfs_err *err)
{
	char dir[SFS_STORE_KEY_MAX + 1];
	const char *slash = strrchr(key, '/');
	size_t len = slash != NULL ? (size_t)(slash - key) : 0;

	memcpy(dir, key, len);
	dir[len] = '\0';
	out->name = slash != NULL ? slash + 1 : key;
	out->dir_fd = sfs_local_open_beneath(l, dir, flags | O_DIRECTORY);
	if (out->dir_fd >= 0)
		return SFS_OK;
	return sfs_local_path_error(-out->dir_fd, key, err);
}

static enum sfs_rc not_regular(const char *key, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CORRUPT, "%s is not a regular file", key);
}

/* O_NONBLOCK: a FIFO must not make the open wait for a writer. */
static enum sfs_rc open_regular(const struct sfs_local_place *at,
                                const char *key, int *fd_out, struct stat *st,
                                struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	int fd;

	fd = openat(at->dir_fd, at->name,
	            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == ENODEV))
		return not_regular(key, err);
	if (fd < 0)
		return sfs_local_path_error(errno, key, err);
	if (fstat(fd, st) != 0)
		rc = sfs_err_sys(err, errno, "%s", key);
	else if (!S_ISREG(st->st_mode))
		rc = not_regular(key, err);
	if (rc != SFS_OK)
		(void)close(fd);
	else
		*fd_out = fd;
	return rc;
}

enum sfs_rc sfs_local_file_open(const struct sfs_local_store *l,
                                const char *key, int *fd_out, struct stat *st,
                                struct sfs_err *err)
{
	struct sfs_local_place at = { -1, NULL };
	enum sfs_rc rc;

	rc = sfs_local_place_open(l, key, O_PATH, &at, err);
	if (rc != SFS_OK)
		return rc;
	rc = open_regular(&at, key, fd_out, st, err);
	(void)close(at.dir_fd);
	return rc;
}

enum sfs_rc sfs_local_read_fully(int fd, const char *name, uint64_t offset,
                                 void *buf, size_t len, size_t *got,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	char *p = buf;

	*got = 0;
	/* no file has bytes at INT64_MAX, and pread() dislikes the sum */
	if (offset >= INT64_MAX)
		return sfs_call_check(call, name, err);
	if (len > INT64_MAX - offset)
		len = (size_t)(INT64_MAX - offset);
	while (*got < len) {
		size_t part = len - *got;
		enum sfs_rc rc = sfs_call_check(call, name, err);
		ssize_t n;

		if (rc != SFS_OK)
			return rc;
		if (part > READ_MAX_BYTES)
			part = READ_MAX_BYTES;
		n = pread(fd, p + *got, part, (off_t)(offset + *got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sfs_err_sys(err, errno, "cannot read %s", name);
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return SFS_OK;
}

static enum sfs_rc object_read(struct sfs_object *o, uint64_t offset, void *buf,
                               size_t len, size_t *got,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct local_object *lo = (struct local_object *)o;

	return sfs_local_read_fully(lo->fd, lo->key, offset, buf, len, got,
	                            call, err);
}

static void object_close(struct sfs_object *o)
{
	struct local_object *lo = (struct local_object *)o;

	(void)close(lo->fd);
	sfs_free(lo);
}

static const struct sfs_object_ops object_ops = {
	.read = object_read,
	.close = object_close,
};

static enum sfs_rc local_open(struct sfs_store *s, const char *key,
                              struct sfs_object **object_out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	size_t key_bytes = strlen(key) + 1;
	struct local_object *lo;
	enum sfs_rc rc;
	struct stat st;
	int fd = -1;

	rc = sfs_call_check(call, key, err);
	if (rc == SFS_OK)
		rc = sfs_local_key_check(key, err);
	if (rc == SFS_OK)
		rc = sfs_local_file_open(sfs_local_of(s), key, &fd, &st, err);
	if (rc != SFS_OK)
		return rc;
	lo = sfs_calloc(1, sizeof(*lo) + key_bytes);
	if (lo == NULL) {
		(void)close(fd);
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory", key);
	}
	lo->base.ops = &object_ops;
	lo->base.info.size = (uint64_t)st.st_size;
	lo->base.info.mtime_ns = sfs_timespec_ns(&st.st_mtim);
	lo->fd = fd;
	memcpy(lo->key, key, key_bytes);
	*object_out = &lo->base;
	return SFS_OK;
}

static enum sfs_rc hash_fd(int fd, const char *key, struct sfs_tag *out,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_tag_hasher hasher = { NULL };
	char *buf = sfs_malloc(HASH_BYTES);
	enum sfs_rc rc = SFS_E_NO_MEMORY;
	uint64_t offset = 0;
	size_t got = 0;

	if (buf == NULL)
		(void)sfs_err_set(err, rc, "%s: no memory", key);
	else
		rc = sfs_tag_hasher_init(&hasher, err);
	while (rc == SFS_OK) {
		rc = sfs_local_read_fully(fd, key, offset, buf, HASH_BYTES,
		                          &got, call, err);
		if (rc != SFS_OK)
			break;
		sfs_tag_hasher_add(&hasher, buf, got);
		offset += got;
		if (got == HASH_BYTES)
			continue;
		sfs_tag_hasher_tag(&hasher, out);
		break;
	}
	sfs_tag_hasher_release(&hasher);
	sfs_free(buf);
	return rc;
}

enum sfs_rc sfs_local_tag_now(const struct sfs_local_store *l, const char *key,
                              struct sfs_tag *out, const struct sfs_call *call,
                              struct sfs_err *err)
{
	enum sfs_rc rc;
	struct stat st;
	int fd = -1;

	memset(out, 0, sizeof(*out));
	rc = sfs_local_file_open(l, key, &fd, &st, err);
	if (rc == SFS_E_NOT_FOUND)
		return SFS_OK;
	if (rc != SFS_OK)
		return rc;
	rc = hash_fd(fd, key, out, call, err);
	(void)close(fd);
	return rc;
}

void sfs_local_wait(int fd, int64_t timeout_ms, const struct sfs_call *call)
{
	struct pollfd fds[2] = { { fd, POLLIN, 0 }, { -1, POLLIN, 0 } };
	int64_t left = timeout_ms;

	if (call != NULL && call->cancel != NULL)
		fds[1].fd = call->cancel->event_fd;
	if (call != NULL && call->deadline_ms != 0 &&
	    left > call->deadline_ms - sfs_clock_ms())
		left = call->deadline_ms - sfs_clock_ms();
	if (left > INT_MAX)
		left = INT_MAX;
	if (left > 0)
		(void)poll(fds, 2, (int)left); /* the caller looks itself */
}

/* Nothing to begin: this store has no threads and no connections. */
static enum sfs_rc local_start(struct sfs_store *s, struct sfs_err *err)
{
	(void)s;
	(void)err;
	return SFS_OK;
}

static void local_close(struct sfs_store *s)
{
	struct sfs_local_store *l = sfs_local_of(s);

	sfs_local_pending_release(&l->pending);
	if (l->sync_fd >= 0)
		(void)close(l->sync_fd);
	if (l->dir_fd >= 0)
		(void)close(l->dir_fd);
	sfs_free(l->url);
	sfs_free(l);
}

static const struct sfs_store_ops local_ops = {
	.start = local_start,
	.open = local_open,
	.put = sfs_local_put,
	.put_if = sfs_local_put_if,
	.put_file = sfs_local_put_file,
	.create = sfs_local_create,
	.list = sfs_local_list,
	.delete = sfs_local_delete,
	.copy = sfs_local_copy,
	.watch = sfs_local_watch,
	.barrier = sfs_local_barrier,
	.pin = sfs_local_pin,
	.unpin = sfs_local_unpin,
	.may_write = sfs_local_may_write,
	.close = local_close,
};

/* Old kernels say ENOSYS, some sandboxes EPERM to calls they do not know. */
static enum sfs_rc open_dir(struct sfs_local_store *l, const char *path,
                            struct sfs_err *err)
{
	struct stat st;
	int fd;

	l->dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->dir_fd < 0)
		return sfs_err_sys(err, errno, "store %s", path);
	fd = sfs_local_open_beneath(l, "", O_PATH | O_DIRECTORY);
	if (fd == -ENOSYS || fd == -EPERM)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "store %s: openat2(2) is missing or "
		                   "forbidden (Linux 5.6 or a newer sandbox "
		                   "is needed)",
		                   path);
	if (fd < 0)
		return sfs_err_sys(err, -fd, "store %s", path);
	(void)close(fd);
	if (fstat(l->dir_fd, &st) != 0)
		return sfs_err_sys(err, errno, "store %s", path);
	l->dev = st.st_dev;
	/* missing where the directory must not be read: syncs go one by one */
	l->sync_fd = sfs_local_open_beneath(l, "", O_RDONLY | O_DIRECTORY);
	return SFS_OK;
}

static enum sfs_rc set_url(struct sfs_local_store *l, const char *path,
                           struct sfs_err *err)
{
	static const char scheme[] = "file://";
	size_t bytes = sizeof(scheme) + strlen(path);

	l->url = sfs_malloc(bytes);
	if (l->url == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "store %s: no memory",
		                   path);
	/* the file system's root, "/", loses its only slash */
	(void)snprintf(l->url, bytes, "%s%s", scheme,
	               path[1] != '\0' ? path : "");
	l->base.url = l->url;
	return SFS_OK;
}

enum sfs_rc sfs_store_local_open(const char *dir, struct sfs_store **out,
                                 struct sfs_err *err)
{
	struct sfs_local_store *l;
	char path[PATH_MAX];
	enum sfs_rc rc;

	if (realpath(dir, path) == NULL)
		return sfs_err_sys(err, errno, "store %s", dir);
	l = sfs_calloc(1, sizeof(*l));
	if (l == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "store %s: no memory",
		                   dir);
	l->base.ops = &local_ops;
	l->dir_fd = -1;
	l->sync_fd = -1;
	sfs_local_pending_init(&l->pending);
	rc = open_dir(l, path, err);
	if (rc == SFS_OK)
		rc = set_url(l, path, err);
	if (rc != SFS_OK) {
		local_close(&l->base);
		return rc;
	}
	*out = &l->base;
	return SFS_OK;
}
