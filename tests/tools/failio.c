/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into the daemon, makes one system call that writes fail: for the
 * sweeps over every write(2), fsync(2), rename(2) ... of a builder, which no
 * real disk fails on request. Only calls on files below FAILIO_PATHS (a list
 * separated by ':') count. FAILIO_STATE is a file of five 32-bit numbers that
 * the test and this share by mmap: {armed, fail_at, count, errno, hits}; the call
 * with the number fail_at, from 1, fails with errno.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct state {
	atomic_uint armed;
	atomic_uint fail_at;
	atomic_uint count;
	atomic_uint error;
	atomic_uint hits;
};

static struct state *state;
static const char *paths;

__attribute__((constructor)) static void begin(void)
{
	const char *name = getenv("FAILIO_STATE");
	int fd;

	paths = getenv("FAILIO_PATHS");
	if (name == NULL || paths == NULL)
		return;
	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED,
	             fd, 0);
	(void)close(fd);
	if (state == MAP_FAILED)
		state = NULL;
}

static bool is_below(const char *path)
{
	const char *p = paths;
	size_t len;

	while (*p != '\0') {
		len = strcspn(p, ":");
		if (len > 0 && strncmp(path, p, len) == 0)
			return true;
		p += len + (p[len] == ':');
	}
	return false;
}

/* The call's turn to fail: sets errno. */
static bool fails_at(int fd)
{
	char link[64];
	char path[PATH_MAX];
	ssize_t len;
	int saved = errno;

	if (state == NULL || atomic_load(&state->armed) == 0)
		return false;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	errno = saved;
	if (len <= 0)
		return false;
	path[len] = '\0';
	if (!is_below(path))
		return false;
	if (atomic_fetch_add(&state->count, 1) + 1 !=
	    atomic_load(&state->fail_at))
		return false;
	atomic_fetch_add(&state->hits, 1);
	errno = (int)atomic_load(&state->error);
	return true;
}

#define REAL(type, name, args)   \
	static type(*real) args; \
	if (real == NULL)        \
	*(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t len)
{
	REAL(ssize_t, "write", (int, const void *, size_t));
	return fails_at(fd) ? -1 : real(fd, data, len);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	REAL(ssize_t, "pwrite64", (int, const void *, size_t, off64_t));
	return fails_at(fd) ? -1 : real(fd, data, len, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	REAL(ssize_t, "pwrite", (int, const void *, size_t, off_t));
	return fails_at(fd) ? -1 : real(fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	REAL(ssize_t, "writev", (int, const struct iovec *, int));
	return fails_at(fd) ? -1 : real(fd, parts, count);
}

int fsync(int fd)
{
	REAL(int, "fsync", (int));
	return fails_at(fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
	REAL(int, "fdatasync", (int));
	return fails_at(fd) ? -1 : real(fd);
}

int syncfs(int fd)
{
	REAL(int, "syncfs", (int));
	return fails_at(fd) ? -1 : real(fd);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
	REAL(int, "fallocate64", (int, int, off64_t, off64_t));
	return fails_at(fd) ? -1 : real(fd, mode, at, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
	REAL(int, "fallocate", (int, int, off_t, off_t));
	return fails_at(fd) ? -1 : real(fd, mode, at, len);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	REAL(int, "renameat", (int, const char *, int, const char *));
	return fails_at(to_fd) ? -1 : real(from_fd, from, to_fd, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to,
              unsigned flags)
{
	REAL(int, "renameat2",
	     (int, const char *, int, const char *, unsigned));
	return fails_at(to_fd) ? -1 : real(from_fd, from, to_fd, to, flags);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	REAL(int, "linkat", (int, const char *, int, const char *, int));
	return fails_at(to_fd) ? -1 : real(from_fd, from, to_fd, to, flags);
}

int mkdirat(int fd, const char *name, mode_t mode)
{
	REAL(int, "mkdirat", (int, const char *, mode_t));
	return fails_at(fd) ? -1 : real(fd, name, mode);
}

int unlinkat(int fd, const char *name, int flags)
{
	REAL(int, "unlinkat", (int, const char *, int));
	return fails_at(fd) ? -1 : real(fd, name, flags);
}
