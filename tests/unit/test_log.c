/* SPDX-License-Identifier: Apache-2.0 */
/* The log as its reader sees it: real files, written by real threads. */
#include "unit/tap.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 4, LINES_EACH = 500 };

static struct sfs_err err;
static char dir[32] = "/tmp/sfs-test-log-XXXXXX";
static char path[64], rotated[72];
static char text[1 << 20];

static void begin(const char *levels)
{
	(void)unlink(path);
	IS_INT(sfs_log_open(path, &err), SFS_OK);
	IS_INT(sfs_log_set_levels(levels, &err), SFS_OK);
}

static const char *written_in(const char *file)
{
	FILE *f = fopen(file, "r");
	size_t len = 0;

	if (f != NULL) {
		len = fread(text, 1, sizeof(text) - 1, f);
		(void)fclose(f);
	}
	text[len] = '\0';
	return text;
}

static int count(const char *haystack, const char *needle)
{
	int n = 0;

	while ((haystack = strstr(haystack, needle)) != NULL) {
		haystack += strlen(needle);
		n++;
	}
	return n;
}

static void a_line_has_time_level_room_and_message(void)
{
	int64_t stamp_ns;
	const char *line;

	begin("info");
	errno = ENOENT;
	sfs_log(SFS_LOG_WARN, SFS_LOG_FS, "shard=%d is slow", 7);
	IS_INT(errno, ENOENT);
	line = written_in(path);
	IS_STR(line + strcspn(line, " "), " WARN fs: shard=7 is slow\n");
	IS_INT(strcspn(line, " "), strlen("2026-11-21T08:00:00.123456Z"));
	OK(sfs_time_parse(line, strcspn(line, " "), &stamp_ns));
	OK(sfs_clock_wall_ns() - stamp_ns < INT64_C(60000000000));
}

static void lines_below_the_threshold_are_dropped(void)
{
	begin("all=warn,store=debug,fuse=none");
	sfs_log(SFS_LOG_INFO, SFS_LOG_FS, "one");
	sfs_log(SFS_LOG_DEBUG, SFS_LOG_STORE, "two");
	sfs_log(SFS_LOG_ERROR, SFS_LOG_FUSE, "three");
	sfs_log(SFS_LOG_ERROR, SFS_LOG_FS, "four");
	IS_INT(count(written_in(path), "\n"), 2);
	HAS_STR(text, " DEBUG store: two\n");
	HAS_STR(text, " ERROR fs: four\n");
	OK(sfs_log_is_on(SFS_LOG_DEBUG, SFS_LOG_STORE));
	OK(!sfs_log_is_on(SFS_LOG_INFO, SFS_LOG_FS));
	OK(!sfs_log_is_on(SFS_LOG_NONE, SFS_LOG_FS));
}

static void levels_are_told_in_the_form_in_which_they_are_set(void)
{
	char levels[128], again[128];

	begin("none,store=debug,fs=error");
	sfs_log_get_levels(levels, sizeof(levels));
	IS_STR(levels, "all=none,store=debug,fs=error");
	IS_INT(sfs_log_set_levels("info", &err), SFS_OK);
	sfs_log_get_levels(again, sizeof(again));
	IS_STR(again, "all=info");
	IS_INT(sfs_log_set_levels(levels, &err), SFS_OK);
	sfs_log_get_levels(again, sizeof(again));
	IS_STR(again, levels);
	sfs_log_get_levels(again, 8);
	IS_STR(again, "all=non");
}

static void bad_levels_change_nothing(void)
{
	static const char *const bad[] = {
		"", "loud", "all=", "=info", "info,", "kitchen=info", "debug,x"
	};
	char levels[128];
	size_t i;

	begin("warn");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		IS_INT(sfs_log_set_levels(bad[i], &err), SFS_E_INVALID);
		IS_INT(sfs_log_check_levels(bad[i], &err), SFS_E_INVALID);
		HAS_STR(err.msg, "levels are none, error, warn");
	}
	HAS_STR(err.msg, "\"x\"");
	IS_INT(sfs_log_check_levels("debug", &err), SFS_OK);
	sfs_log_get_levels(levels, sizeof(levels));
	IS_STR(levels, "all=warn");
}

static void repetitions_are_counted(void)
{
	int i;

	begin("info");
	for (i = 0; i < 5; i++)
		sfs_log(SFS_LOG_ERROR, SFS_LOG_STORE, "disk on fire");
	IS_INT(count(written_in(path), "\n"), 1);
	sfs_log(SFS_LOG_ERROR, SFS_LOG_STORE, "out");
	sfs_log(SFS_LOG_WARN, SFS_LOG_STORE, "out");
	sfs_log(SFS_LOG_WARN, SFS_LOG_FS, "out");
	IS_INT(count(written_in(path), "\n"), 5);
	HAS_STR(text, "main: last message repeated 4 times\n");
	IS_INT(count(text, "repeated"), 1);
}

static void a_message_stays_one_line(void)
{
	char longer[4096];

	begin("info");
	sfs_log(SFS_LOG_INFO, SFS_LOG_FS, "key=%s", "a\nb\tc\x7f");
	HAS_STR(written_in(path), "key=a?b?c?\n");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	sfs_log(SFS_LOG_INFO, SFS_LOG_FS, "%s", longer);
	(void)written_in(path);
	IS_INT(count(text, "\n"), 2);
	IS_INT(text[strlen(text) - 1], '\n');
	OK(strlen(text) > 1000 && strlen(text) < 1200);
}

static void a_rotated_file_is_left_at_reopen(void)
{
	begin("info");
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "before");
	IS_INT(rename(path, rotated), 0);
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "still old");
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "still old");
	IS_INT(sfs_log_reopen(&err), SFS_OK);
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "after");
	IS_INT(count(written_in(rotated), "\n"), 3);
	HAS_STR(text, "still old\n");
	HAS_STR(text, "repeated 1 times\n");
	IS_INT(count(written_in(path), "\n"), 1);
	HAS_STR(text, "after\n");
	(void)unlink(rotated);
}

static void a_failed_reopen_keeps_the_old_file(void)
{
	begin("info");
	IS_INT(rename(path, rotated), 0);
	IS_INT(mkdir(path, 0700), 0);
	OK(sfs_log_reopen(&err) != SFS_OK);
	HAS_STR(err.msg, path);
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "here");
	HAS_STR(written_in(rotated), "here\n");
	IS_INT(rmdir(path), 0);
	(void)unlink(rotated);
}

static void bad_targets_are_refused(void)
{
	begin("info");
	IS_INT(sfs_log_open("relative.log", &err), SFS_E_INVALID);
	IS_INT(sfs_log_open("/nonexistent/x.log", &err), SFS_E_NOT_FOUND);
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "still there");
	HAS_STR(written_in(path), "still there\n");
}

static void a_log_file_is_not_for_everybody(void)
{
	struct stat st;

	begin("info");
	IS_INT(stat(path, &st), 0);
	IS_INT(st.st_mode & 07, 0);
}

static void logging_needs_no_memory(void)
{
	unsigned long before = sfs_alloc_fault_count();

	begin("info");
	sfs_alloc_fail_nth(1);
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "whole %s", "line");
	sfs_alloc_fail_nth(0);
	IS_INT(sfs_alloc_fault_count(), before);
	HAS_STR(written_in(path), "whole line\n");
}

static void stderr_and_syslog_can_follow_a_file(void)
{
	int saved = dup(STDERR_FILENO);
	int fds[2];
	char line[128];
	ssize_t len;

	begin("info");
	IS_INT(pipe(fds), 0);
	IS_INT(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	IS_INT(sfs_log_open("stderr", &err), SFS_OK);
	IS_INT(sfs_log_reopen(&err), SFS_OK);
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "seen");
	len = read(fds[0], line, sizeof(line) - 1);
	line[len > 0 ? len : 0] = '\0';
	HAS_STR(line, " INFO main: seen\n");
	IS_INT(sfs_log_open("syslog", &err), SFS_OK);
	sfs_log(SFS_LOG_DEBUG, SFS_LOG_MAIN, "dropped");
	IS_INT(sfs_log_reopen(&err), SFS_OK);
	IS_INT(sfs_log_open("stderr", &err), SFS_OK);
	OK(fcntl(STDERR_FILENO, F_GETFD) >= 0);
	IS_STR(written_in(path), "");
	IS_INT(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void *write_lines(void *arg)
{
	int who = *(int *)arg;
	int i;

	for (i = 0; i < LINES_EACH; i++)
		sfs_log(SFS_LOG_INFO, SFS_LOG_FUSE, "who=%d line=%d end", who,
		        i);
	return NULL;
}

static void threads_write_whole_lines_in_their_order(void)
{
	pthread_t threads[THREADS];
	int who[THREADS], next[THREADS] = { 0 };
	int i, w, n, whole = 0;
	const char *line, *at;

	begin("info");
	for (i = 0; i < THREADS; i++) {
		who[i] = i;
		IS_INT(pthread_create(&threads[i], NULL, write_lines, &who[i]),
		       0);
	}
	for (i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	for (line = written_in(path); *line != '\0'; line = at + 1) {
		at = strchr(line, '\n');
		if (sscanf(line, "%*s INFO fuse: who=%d line=%d end", &w, &n) ==
		            2 &&
		    n == next[w])
			whole++;
		next[w]++;
	}
	IS_INT(whole, THREADS * LINES_EACH);
}

static void the_log_file_is_closed_at_the_end(void)
{
	int fd, next;

	begin("info");
	IS_INT(sfs_log_open("stderr", &err), SFS_OK);
	fd = open(path, O_RDONLY);
	begin("info");
	IS_INT(sfs_log_open("stderr", &err), SFS_OK);
	next = open(dir, O_RDONLY);
	IS_INT(next, fd + 1);
	(void)close(next);
	(void)close(fd);
}

int main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	(void)snprintf(rotated, sizeof(rotated), "%s/log.1", dir);
	RUN(a_line_has_time_level_room_and_message);
	RUN(lines_below_the_threshold_are_dropped);
	RUN(levels_are_told_in_the_form_in_which_they_are_set);
	RUN(bad_levels_change_nothing);
	RUN(repetitions_are_counted);
	RUN(a_message_stays_one_line);
	RUN(a_rotated_file_is_left_at_reopen);
	RUN(a_failed_reopen_keeps_the_old_file);
	RUN(bad_targets_are_refused);
	RUN(a_log_file_is_not_for_everybody);
	RUN(logging_needs_no_memory);
	RUN(stderr_and_syslog_can_follow_a_file);
	RUN(threads_write_whole_lines_in_their_order);
	RUN(the_log_file_is_closed_at_the_end);
	(void)unlink(path);
	(void)rmdir(dir);
	return tap_done();
}
