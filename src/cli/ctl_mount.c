/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands for a mount that runs: all they know of it comes from its control
 * files, and every look at these has a time limit.
 */
#include "cli/ctl.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "format/names.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MIN_MS = 10, POLL_MAX_MS = 200 };

static enum sfs_rc read_control(const struct sfs_ctl_args *args,
                                const char *name, char **text, size_t *len,
                                struct sfs_err *err)
{
	struct sfs_mount mount;
	enum sfs_rc rc;

	rc = sfs_ctl_mount_find(args->target, &mount, err);
	if (rc != SFS_OK)
		return rc;
	return sfs_ctl_control_read(mount.path, name, SFS_CTL_PATIENCE_MS, text,
	                            len, err);
}

int sfs_ctl_show_status(const struct sfs_ctl_args *args)
{
	const char *name = args->json ? "status.json" : "status";
	char *text = NULL;
	struct sfs_err err;
	size_t len = 0;
	enum sfs_rc rc;

	rc = read_control(args, name, &text, &len, &err);
	if (rc == SFS_OK)
		rc = sfs_ctl_write(text, len, &err);
	sfs_free(text);
	return rc == SFS_OK ? SFS_CTL_OK : sfs_ctl_fail(&err);
}

/* "degraded: REASON" and a newline; reason is "" where none is given. */
static void split_health(char *line, const char **reason)
{
	char *colon;

	line[strcspn(line, "\n")] = '\0';
	*reason = "";
	colon = strstr(line, ": ");
	if (colon == NULL)
		return;
	*colon = '\0';
	*reason = colon + 2;
}

static int print_health(const struct sfs_ctl_args *args, const char *word,
                        const char *reason, int status)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_json_printer p;

	if (!args->json) {
		sfs_buf_printf(&text, "%s%s%s\n", word,
		               reason[0] != '\0' ? ": " : "", reason);
		return sfs_ctl_print(&text, status);
	}
	sfs_json_printer_init(&p, &text, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "health");
	sfs_json_cstring(&p, word);
	sfs_json_key(&p, "reason");
	sfs_json_cstring(&p, reason);
	sfs_json_object_end(&p);
	sfs_buf_putc(&text, '\n');
	return sfs_ctl_print(&text, status);
}

int sfs_ctl_health(const struct sfs_ctl_args *args)
{
	static const char *const words[] = { "healthy", "degraded",
		                             "unhealthy" };
	const char *reason;
	char *line = NULL;
	struct sfs_err err;
	size_t len = 0;
	int status = 2;

	if (read_control(args, "health", &line, &len, &err) != SFS_OK)
		return sfs_ctl_fail(&err);
	split_health(line, &reason);
	for (int i = 0; i < 3; i++) {
		if (strcmp(line, words[i]) == 0)
			status = i;
	}
	status = print_health(args, line, reason, status);
	sfs_free(line);
	return status;
}

/* What is waited for: one snapshot by name, or any newer than one. */
struct goal {
	const char *name; /* ID or run id; NULL: see newer_than */
	struct sfs_snapshot_id newer_than;
	char current[SFS_SNAPSHOT_ID_BYTES]; /* name, where nobody gave one */
};

static bool is_reached(const struct goal *g, const char *shown)
{
	struct sfs_snapshot_id id;

	if (shown == NULL || !sfs_snapshot_id_from_text(shown, &id))
		return false;
	if (g->name == NULL)
		return sfs_snapshot_id_compare(&id, &g->newer_than) < 0;
	return strcmp(g->name, shown) == 0 || strcmp(g->name, id.run_id) == 0;
}

static int print_shown(const struct sfs_ctl_args *args, const char *shown,
                       bool is_shown)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_json_printer p;

	if (args->json) {
		sfs_json_printer_init(&p, &text, true, true);
		sfs_json_object_begin(&p);
		sfs_json_key(&p, "snapshot");
		sfs_json_cstring(&p, shown);
		sfs_json_key(&p, "reached");
		sfs_json_bool(&p, is_shown);
		sfs_json_object_end(&p);
		sfs_buf_putc(&text, '\n');
	} else if (is_shown) {
		sfs_buf_printf(&text, "%s\n", shown);
	}
	if (!is_shown)
		sfs_ctl_note("not within the time: the mount shows %s",
		             shown != NULL ? shown : "nothing");
	return sfs_ctl_print(&text, is_shown ? SFS_CTL_OK : SFS_CTL_NO);
}

static void sleep_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
		              .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL); /* shorter is fine */
}

static int wait_for(const struct sfs_ctl_args *args, const char *mount,
                    const struct goal *goal)
{
	int64_t deadline_ms = sfs_clock_ms() + args->timeout_ms;
	struct sfs_ctl_mount_status s;
	int64_t pause_ms = POLL_MIN_MS;
	bool is_late = false;
	struct sfs_err err;
	bool is_shown;
	int64_t left;
	int status;

	for (;;) {
		if (sfs_ctl_mount_status_read(mount, &s, &err) != SFS_OK)
			return sfs_ctl_fail(&err);
		is_shown = is_reached(goal, s.snapshot);
		if (is_shown || is_late)
			break;
		sfs_ctl_mount_status_release(&s);
		left = deadline_ms - sfs_clock_ms();
		is_late = args->timeout_ms >= 0 && left <= pause_ms;
		sleep_ms(!is_late ? pause_ms : left > 0 ? left : 0);
		pause_ms =
			pause_ms * 2 < POLL_MAX_MS ? pause_ms * 2 : POLL_MAX_MS;
	}
	status = print_shown(args, s.snapshot, is_shown);
	sfs_ctl_mount_status_release(&s);
	return status;
}

/* The snapshot that the store calls current now. */
static enum sfs_rc aim_at_current(const struct sfs_ctl_args *args,
                                  struct goal *goal, struct sfs_err *err)
{
	struct sfs_ctl_target target;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	rc = sfs_ctl_target_open(args, &target, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_ctl_current_id(&target, &id, err);
	if (rc == SFS_OK) {
		sfs_snapshot_id_text(&id, goal->current);
		goal->name = goal->current;
	}
	sfs_ctl_target_close(&target);
	return rc;
}

/*
 * What a tag names. Anything else may be a snapshot that is yet to come, so
 * the mount alone can tell.
 */
static enum sfs_rc aim_at_name(const struct sfs_ctl_args *args,
                               struct goal *goal, struct sfs_err *err)
{
	struct sfs_ctl_target target;
	struct sfs_catalog *catalog;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	goal->name = args->snapshot;
	rc = sfs_ctl_target_open(args, &target, err);
	if (rc != SFS_OK)
		return rc;
	catalog = target.stack.catalog;
	rc = catalog->ops->get_tag(catalog, args->snapshot, &id, NULL, err);
	if (rc == SFS_OK) {
		sfs_snapshot_id_text(&id, goal->current);
		goal->name = goal->current;
	}
	sfs_ctl_target_close(&target);
	return rc == SFS_E_NOT_FOUND ? SFS_OK : rc;
}

int sfs_ctl_wait(const struct sfs_ctl_args *args)
{
	struct goal goal = { .name = NULL };
	struct sfs_mount mount;
	struct sfs_err err;
	enum sfs_rc rc;

	if (args->newer_than != NULL &&
	    !sfs_snapshot_id_from_text(args->newer_than, &goal.newer_than)) {
		(void)sfs_err_set(&err, SFS_E_INVALID,
		                  "--newer-than=%s: must be a snapshot ID, as "
		                  "history lists them",
		                  args->newer_than);
		return sfs_ctl_refuse(&err);
	}
	rc = sfs_ctl_mount_find(args->target, &mount, &err);
	if (rc == SFS_OK && args->snapshot != NULL)
		rc = aim_at_name(args, &goal, &err);
	else if (rc == SFS_OK && args->newer_than == NULL)
		rc = aim_at_current(args, &goal, &err);
	if (rc != SFS_OK)
		return sfs_ctl_fail(&err);
	return wait_for(args, mount.path, &goal);
}

/* True if the process is a daemon of ours: a pid may have a new owner. */
static bool is_daemon(int64_t pid)
{
	char name[32] = "";
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%lld/comm", (long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, name, sizeof(name) - 1);
	(void)close(fd);
	name[n > 0 ? n : 0] = '\0';
	return strcmp(name, "shardyfs\n") == 0 ||
	       strcmp(name, "mount.shardyfs\n") == 0;
}

/* Through a pidfd, so that the process looked at is the one that hears. */
static enum sfs_rc send_hangup(const char *mount, struct sfs_err *err)
{
	struct sfs_ctl_mount_status s;
	enum sfs_rc rc;
	long fd;

	rc = sfs_ctl_mount_status_read(mount, &s, err);
	if (rc != SFS_OK)
		return rc;
	fd = s.pid > 0 ? syscall(SYS_pidfd_open, (pid_t)s.pid, 0) : -1;
	if (fd < 0 || !is_daemon(s.pid))
		rc = sfs_err_set(err, SFS_E_NOT_FOUND,
		                 "%s: its daemon (pid %lld) is not seen here, "
		                 "maybe it runs in another container: send it "
		                 "SIGHUP there",
		                 mount, (long long)s.pid);
	else if (syscall(SYS_pidfd_send_signal, (int)fd, SIGHUP, NULL, 0) != 0)
		rc = sfs_err_sys(err, errno,
		                 "%s: cannot send SIGHUP to pid "
		                 "%lld",
		                 mount, (long long)s.pid);
	if (fd >= 0)
		(void)close((int)fd);
	sfs_ctl_mount_status_release(&s);
	return rc;
}

static bool is_refused(enum sfs_rc rc)
{
	return rc == SFS_E_READ_ONLY || rc == SFS_E_AUTH;
}

static int print_done(const struct sfs_ctl_args *args)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	if (args->json)
		sfs_buf_puts(&text, "{\"refreshed\": true}\n");
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

int sfs_ctl_refresh(const struct sfs_ctl_args *args)
{
	struct goal goal = { .name = NULL };
	struct sfs_mount mount;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_ctl_mount_find(args->target, &mount, &err);
	if (rc == SFS_OK && args->wait)
		rc = aim_at_current(args, &goal, &err);
	if (rc != SFS_OK)
		return sfs_ctl_fail(&err);
	rc = sfs_ctl_control_write(mount.path, "refresh", "now\n",
	                           SFS_CTL_PATIENCE_MS, &err);
	if (is_refused(rc))
		rc = send_hangup(mount.path, &err);
	if (rc != SFS_OK)
		return sfs_ctl_fail(&err);
	return args->wait ? wait_for(args, mount.path, &goal)
	                  : print_done(args);
}
