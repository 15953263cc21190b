/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background. One byte goes through a pipe to the parent: the exit
 * status. A child that dies without a word is an internal error.
 */
#include "cli/daemon.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nobody may listen any more; that is no reason to fail. */
static void tell(int fd, const char *text, size_t len)
{
	ssize_t ignored;

	do {
		ignored = write(fd, text, len);
	} while (ignored < 0 && errno == EINTR);
}

static int wait_readable(int fd, int64_t wait_ms)
{
	int64_t deadline = sfs_clock_ms() + wait_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left = -1;
	int n;

	do {
		if (wait_ms > 0) {
			left = deadline - sfs_clock_ms();
			left = left < 0 ? 0 : left;
		}
		n = poll(&p, 1, (int)left);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int parent_wait(int fd, pid_t child, int64_t wait_ms)
{
	unsigned char status = SFS_EXIT_INTERNAL;
	ssize_t n;

	if (wait_readable(fd, wait_ms) == 0) {
		(void)fprintf(stderr,
		              "shardyfs: E_TIMEOUT: the mount was not ready "
		              "after %lld s (mount_wait)\n",
		              (long long)(wait_ms / 1000));
		(void)kill(child, SIGKILL); /* ours, not yet reaped */
		(void)waitpid(child, NULL, 0);
		return SFS_EXIT_MOUNT;
	}
	do {
		n = read(fd, &status, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1) {
		(void)fprintf(stderr, "shardyfs: E_INTERNAL: the daemon died "
		                      "while it started\n");
		return SFS_EXIT_INTERNAL;
	}
	return status;
}

/*
 * Where standard descriptors are closed, the next files would get their
 * numbers, and /dev/fuse be taken for the terminal.
 */
static void fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

enum sfs_rc sfs_daemon_begin(struct sfs_daemon *d, bool foreground,
                             int notify_fd, int64_t wait_ms,
                             struct sfs_err *err)
{
	int ends[2];
	pid_t child;

	*d = (struct sfs_daemon){ foreground, -1, notify_fd };
	fill_standard_descriptors();
	if (foreground)
		return SFS_OK;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return sfs_err_sys(err, errno, "pipe");
	child = fork();
	if (child < 0) {
		(void)close(ends[0]); /* nothing was written */
		(void)close(ends[1]);
		return sfs_err_sys(err, errno, "fork");
	}
	if (child > 0) {
		(void)close(ends[1]);
		_exit(parent_wait(ends[0], child, wait_ms));
	}
	(void)close(ends[0]);
	(void)setsid(); /* fails only for a group leader */
	d->ready_fd = ends[1];
	return SFS_OK;
}

static void release_terminal(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		(void)dup2(null_fd, fd); /* worst case: it stays */
	(void)close(null_fd);
}

void sfs_daemon_ready(struct sfs_daemon *d)
{
	if (d->notify_fd >= 0) {
		tell(d->notify_fd, "s\n", 2);
		if (d->notify_fd > STDERR_FILENO)
			(void)close(d->notify_fd);
		d->notify_fd = -1;
	}
	if (d->foreground) {
		tell(STDOUT_FILENO, "ready\n", 6);
	} else {
		release_terminal();
		tell(d->ready_fd, "", 1);
		(void)close(d->ready_fd);
		d->ready_fd = -1;
	}
}

int sfs_daemon_fail(struct sfs_daemon *d, const char *code,
                    const struct sfs_err *err, int status)
{
	unsigned char byte = (unsigned char)status;
	char text[SFS_ERR_MSG_BYTES + 64];
	int len;

	(void)fprintf(stderr, "shardyfs: %s: %s\n", code, err->msg);
	len = snprintf(text, sizeof(text), "f %s %s\n", code, err->msg);
	if (d->notify_fd >= 0 && len > 0)
		tell(d->notify_fd, text,
		     (size_t)len < sizeof(text) ? (size_t)len
		                                : sizeof(text) - 1);
	if (d->ready_fd >= 0)
		tell(d->ready_fd, (const char *)&byte, 1);
	return status;
}
