/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for an object to change. The bytes decide, never the events: an
 * event is only a reason to look again. So a lost event, a file system that
 * sends none, or a limit on watches costs time until the deadline, and
 * nothing else. The order in each round closes the race with a writer:
 *   1. watch the directory   a change from here on leaves an event
 *   2. look at the bytes     a change before is seen here
 *   3. wait for an event
 */
#include "store/local_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	WATCH_EVENTS = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO |
	               IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF |
	               IN_ATTRIB | IN_ONLYDIR,
	ROUND_MS = 30000,     /* without a deadline, with events */
	POLL_ROUND_MS = 1000, /* without events */
};

/* Opens the key's directory, or what exists of the way to it. */
static int open_nearest(const struct sfs_local_store *l, const char *key)
{
	char path[SFS_STORE_KEY_MAX + 1];
	char *slash;
	int fd;

	(void)snprintf(path, sizeof(path), "%s", key);
	do {
		slash = strrchr(path, '/');
		*(slash != NULL ? slash : path) = '\0';
		fd = sfs_local_open_beneath(l, path, O_PATH | O_DIRECTORY);
	} while (fd < 0 && slash != NULL);
	return fd;
}

/* False where no events will come; watching the same twice is one watch. */
static bool arm(int inotify_fd, const struct sfs_local_store *l,
                const char *key)
{
	char path[64];
	int dir_fd;
	int wd;

	if (inotify_fd < 0)
		return false;
	dir_fd = open_nearest(l, key);
	if (dir_fd < 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
	wd = inotify_add_watch(inotify_fd, path, WATCH_EVENTS);
	(void)close(dir_fd);
	return wd >= 0;
}

static void drain(int inotify_fd)
{
	char events[4096];

	if (inotify_fd < 0)
		return;
	while (read(inotify_fd, events, sizeof(events)) > 0)
		continue;
}

static enum sfs_rc watch_rounds(const struct sfs_local_store *l, int inotify_fd,
                                const char *key, struct sfs_tag *known,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_call look = { 0, call != NULL ? call->cancel : NULL };
	struct sfs_tag now;
	enum sfs_rc rc;

	for (;;) {
		bool has_events;

		drain(inotify_fd);
		has_events = arm(inotify_fd, l, key);
		/* looks even when the deadline is over: the last look */
		rc = sfs_call_check(&look, key, err);
		if (rc == SFS_OK)
			rc = sfs_local_tag_now(l, key, &now, &look, err);
		if (rc != SFS_OK)
			return rc;
		if (strcmp(now.text, known->text) != 0)
			break;
		rc = sfs_call_check(call, key, err);
		if (rc != SFS_OK)
			return rc;
		sfs_local_wait(has_events ? inotify_fd : -1,
		               has_events ? ROUND_MS : POLL_ROUND_MS, call);
	}
	*known = now;
	return SFS_OK;
}

enum sfs_rc sfs_local_watch(struct sfs_store *s, const char *key,
                            struct sfs_tag *known, const struct sfs_call *call,
                            struct sfs_err *err)
{
	enum sfs_rc rc = sfs_local_key_check(key, err);
	int inotify_fd;

	if (rc != SFS_OK)
		return rc;
	/* -1 (too many of them): then it polls */
	inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	rc = watch_rounds(sfs_local_of(s), inotify_fd, key, known, call, err);
	if (inotify_fd >= 0)
		(void)close(inotify_fd);
	return rc;
}
