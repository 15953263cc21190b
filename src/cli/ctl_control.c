/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control files of a mount, from outside. A request that a daemon took
 * and does not answer cannot even be killed, so a child process makes it: it
 * opens, reads or writes, closes, and only then reports through a pipe. The
 * parent waits no longer than it wants and leaves a stuck child behind, which
 * ends when the mount is freed. The child holds none of our output open, so
 * that nobody waits for it at the other end of a pipe.
 */
#include "cli/ctl.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTROL_MAX_BYTES = 1 << 20, PART_BYTES = 64 << 10 };

struct request {
	char path[4200];
	const char *mount;
	const char *word; /* NULL: read */
};

static int read_all(int fd, struct sfs_buf *out)
{
	char *room;
	ssize_t n;

	do {
		room = sfs_buf_reserve(out, PART_BYTES);
		if (room == NULL)
			return EFBIG;
		n = read(fd, room, PART_BYTES);
		if (n < 0)
			return errno;
		out->len += (size_t)n;
	} while (n > 0);
	return 0;
}

static void report(int pipe_fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(pipe_fd, p, len);
		if (n <= 0)
			return; /* nobody listens any more */
		p += n;
		len -= (size_t)n;
	}
}

/* In the child. Everything that may hang comes before the report. */
static void serve(const struct request *r, int pipe_fd)
{
	struct sfs_buf text = SFS_BUF_INIT(CONTROL_MAX_BYTES);
	int flags = r->word != NULL ? O_WRONLY | O_TRUNC : O_RDONLY;
	int fault = 0;
	int fd;

	fd = open(r->path, flags | O_CLOEXEC);
	if (fd < 0)
		fault = errno;
	else if (r->word == NULL)
		fault = read_all(fd, &text);
	else if (write(fd, r->word, strlen(r->word)) < 0)
		fault = errno;
	if (fd >= 0 && close(fd) != 0 && fault == 0)
		fault = errno;
	report(pipe_fd, &fault, sizeof(fault));
	report(pipe_fd, text.data, text.len);
	_exit(0);
}

static enum sfs_rc start(const struct request *r, int *fd_out, pid_t *pid_out,
                         struct sfs_err *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return sfs_err_sys(err, errno, "pipe");
	pid = fork();
	if (pid == 0) {
		(void)close(STDIN_FILENO);
		(void)close(STDOUT_FILENO);
		(void)close(STDERR_FILENO);
		(void)close(fds[0]);
		serve(r, fds[1]);
	}
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		return sfs_err_sys(err, errno, "fork");
	}
	*fd_out = fds[0];
	*pid_out = pid;
	return SFS_OK;
}

/* Reads the report to its end; false: not within the time. */
static bool collect(int fd, int64_t deadline_ms, struct sfs_buf *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	char *room;
	ssize_t n;

	for (;;) {
		left = deadline_ms - sfs_clock_ms();
		n = left < 0 ? 0 : poll(&p, 1, (int)left);
		if (n == 0)
			return false;
		if (n < 0) /* a signal: look at the clock again */
			continue;
		room = sfs_buf_reserve(out, PART_BYTES);
		if (room == NULL)
			return true; /* out->failed tells */
		n = read(fd, room, PART_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		out->len += (size_t)n;
	}
}

static enum sfs_rc hung(const struct request *r, int64_t limit_ms,
                        struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_TIMEOUT,
	                   "%s: the mount did not answer within %lld ms; "
	                   "'shardyctl unhang %s' frees it",
	                   r->path, (long long)limit_ms, r->mount);
}

static enum sfs_rc judge(const struct request *r, const struct sfs_buf *answer,
                         struct sfs_err *err)
{
	enum sfs_rc rc = sfs_buf_finish(answer, r->path, err);
	int fault;

	if (rc != SFS_OK)
		return rc;
	if (answer->len < sizeof(fault))
		return sfs_err_set(err, SFS_E_IO, "%s: cannot be read",
		                   r->path);
	memcpy(&fault, answer->data, sizeof(fault));
	if (fault == ENOTCONN)
		return sfs_err_set(err, SFS_E_STALE,
		                   "%s: the mount's daemon is gone; "
		                   "'fusermount3 -u %s' takes the mount away, "
		                   "mounting again does so by itself",
		                   r->mount, r->mount);
	if (fault == EROFS)
		return sfs_err_set(err, SFS_E_READ_ONLY,
		                   "%s: mounted read-only", r->mount);
	if (fault != 0)
		return sfs_err_sys(err, fault, "%s", r->path);
	return SFS_OK;
}

static enum sfs_rc ask(const struct request *r, int64_t limit_ms,
                       struct sfs_buf *answer, struct sfs_err *err)
{
	int64_t deadline_ms = sfs_clock_ms() + limit_ms;
	enum sfs_rc rc;
	bool is_done;
	pid_t pid = -1;
	int fd = -1;

	rc = start(r, &fd, &pid, err);
	if (rc != SFS_OK)
		return rc;
	is_done = collect(fd, deadline_ms, answer);
	(void)close(fd);
	if (!is_done) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, WNOHANG); /* it may be stuck */
		return hung(r, limit_ms, err);
	}
	(void)waitpid(pid, NULL, 0);
	return judge(r, answer, err);
}

static enum sfs_rc name_file(struct request *r, const char *mount,
                             const char *name, const char *word,
                             struct sfs_err *err)
{
	int n = snprintf(r->path, sizeof(r->path), "%s/.shardyfs/%s", mount,
	                 name);

	r->mount = mount;
	r->word = word;
	if (n > 0 && (size_t)n < sizeof(r->path))
		return SFS_OK;
	return sfs_err_set(err, SFS_E_NAME_TOO_LONG, "%s: the path is too long",
	                   mount);
}

enum sfs_rc sfs_ctl_control_read(const char *mount, const char *name,
                                 int64_t limit_ms, char **text_out,
                                 size_t *len_out, struct sfs_err *err)
{
	struct sfs_buf answer = SFS_BUF_INIT(CONTROL_MAX_BYTES + PART_BYTES);
	struct request r;
	enum sfs_rc rc;

	rc = name_file(&r, mount, name, NULL, err);
	if (rc == SFS_OK)
		rc = ask(&r, limit_ms, &answer, err);
	if (rc == SFS_OK) {
		*len_out = answer.len - sizeof(int);
		*text_out = sfs_memdup0(answer.data + sizeof(int), *len_out);
		if (*text_out == NULL)
			rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	sfs_buf_release(&answer);
	return rc;
}

enum sfs_rc sfs_ctl_control_write(const char *mount, const char *name,
                                  const char *word, int64_t limit_ms,
                                  struct sfs_err *err)
{
	struct sfs_buf answer = SFS_BUF_INIT(CONTROL_MAX_BYTES);
	struct request r;
	enum sfs_rc rc;

	rc = name_file(&r, mount, name, word, err);
	if (rc == SFS_OK)
		rc = ask(&r, limit_ms, &answer, err);
	sfs_buf_release(&answer);
	return rc;
}

static void note_member(struct sfs_ctl_mount_status *s, const char *name,
                        const struct sfs_json_token *value)
{
	char **text = NULL;

	if (strcmp(name, "store") == 0)
		text = &s->store;
	else if (strcmp(name, "run_prefix") == 0)
		text = &s->run_prefix;
	else if (strcmp(name, "snapshot") == 0)
		text = &s->snapshot;
	else if (strcmp(name, "staging_dir") == 0)
		text = &s->staging_dir;
	if (text != NULL && value->type == SFS_JSON_STRING) {
		sfs_free(*text);
		*text = sfs_memdup0(value->text, value->len);
	}
	if (strcmp(name, "pid") == 0 && value->type == SFS_JSON_INT)
		s->pid = value->integer;
}

static enum sfs_rc parse_status(const char *text, size_t len,
                                struct sfs_ctl_mount_status *out,
                                struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	char name[32] = "";
	enum sfs_rc rc;

	sfs_json_reader_init(&r, text, len);
	do {
		rc = sfs_json_next(&r, &t, err);
		if (rc != SFS_OK)
			break;
		if (t.type == SFS_JSON_KEY)
			(void)snprintf(name, sizeof(name), "%s", t.text);
		else if (r.depth == 1)
			note_member(out, name, &t);
	} while (t.type != SFS_JSON_END);
	sfs_json_reader_release(&r);
	return rc;
}

enum sfs_rc sfs_ctl_mount_status_read(const char *mount,
                                      struct sfs_ctl_mount_status *out,
                                      struct sfs_err *err)
{
	struct sfs_ctl_mount_status s = { 0 };
	char *text = NULL;
	size_t len = 0;
	enum sfs_rc rc;

	rc = sfs_ctl_control_read(mount, "status.json", SFS_CTL_PATIENCE_MS,
	                          &text, &len, err);
	if (rc == SFS_OK) {
		rc = parse_status(text, len, &s, err);
		if (rc == SFS_OK && (s.store == NULL || s.run_prefix == NULL))
			rc = sfs_err_set(err, SFS_E_CORRUPT,
			                 "no store or run_prefix in it");
		if (rc != SFS_OK)
			(void)sfs_err_wrap(err, "%s/.shardyfs/status.json",
			                   mount);
	}
	sfs_free(text);
	if (rc != SFS_OK)
		sfs_ctl_mount_status_release(&s);
	*out = s;
	return rc;
}

void sfs_ctl_mount_status_release(struct sfs_ctl_mount_status *s)
{
	sfs_free(s->store);
	sfs_free(s->run_prefix);
	sfs_free(s->snapshot);
	sfs_free(s->staging_dir);
	*s = (struct sfs_ctl_mount_status){ 0 };
}
