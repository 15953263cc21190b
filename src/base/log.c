/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log. A line is composed on the stack and leaves by one write(2), so
 * that lines of threads and processes never mix and logging works without
 * memory. Thresholds are atomics, because every sfs_log() call reads them;
 * everything else is behind one mutex, which is held over the write: order
 * in the file is the order in which lines were accepted. A line that repeats
 * the one before it is only counted. The count is printed when another line
 * comes, or with the first repetition 10 s after the line was last printed.
 */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum {
	LINE_BYTES = 1024, /* a line that is longer is cut */
	PATH_BYTES = 4096,
	REPEAT_MS = 10000,
	LEVELS = SFS_LOG_DEBUG + 1,
};

static const char *const LEVEL_NAMES[LEVELS] = { "none", "error", "warn",
	                                         "info", "debug" };
static const char *const LEVEL_TAGS[LEVELS] = { "NONE", "ERROR", "WARN", "INFO",
	                                        "DEBUG" };
static const int PRIORITIES[LEVELS] = { LOG_DEBUG, LOG_ERR, LOG_WARNING,
	                                LOG_INFO, LOG_DEBUG };
static const char *const ROOMS[SFS_LOG_COMPONENTS] = {
	"main", "store", "catalog", "snapshot", "build", "fs", "fuse"
};

static atomic_int thresholds[SFS_LOG_COMPONENTS] = { SFS_LOG_INFO, SFS_LOG_INFO,
	                                             SFS_LOG_INFO, SFS_LOG_INFO,
	                                             SFS_LOG_INFO, SFS_LOG_INFO,
	                                             SFS_LOG_INFO };

static struct {
	pthread_mutex_t lock;

	/* protected by lock */
	int fd;                /* -1: syslog */
	char path[PATH_BYTES]; /* "": not a file */
	enum sfs_log_level last_level;
	char last[LINE_BYTES]; /* without time and level; "": none */
	int64_t last_ms;       /* when it or its count was printed */
	unsigned long repeats; /* since then */
} sink = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO };

/* A log that cannot be written has nobody to tell. */
static void write_all(int fd, const char *data, size_t len)
{
	ssize_t done;

	while (len > 0) {
		done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		data += done;
		len -= (size_t)done;
	}
}

static void print_locked(enum sfs_log_level level, const char *text)
{
	char stamp[SFS_TIME_BYTES];
	char line[LINE_BYTES + 2 * SFS_TIME_BYTES];
	int len;

	if (sink.fd < 0) {
		syslog(PRIORITIES[level], "%s", text);
		return;
	}
	sfs_time_format(sfs_clock_wall_ns(), stamp);
	len = snprintf(line, sizeof(line), "%s %s %s\n", stamp,
	               LEVEL_TAGS[level], text);
	if (len > 0)
		write_all(sink.fd, line, (size_t)len);
}

static void flush_repeats_locked(void)
{
	char text[64];

	if (sink.repeats == 0)
		return;
	(void)snprintf(text, sizeof(text),
	               "main: last message repeated %lu times", sink.repeats);
	print_locked(sink.last_level, text);
	sink.repeats = 0;
}

static void accept_locked(enum sfs_log_level level, const char *text)
{
	int64_t now = sfs_clock_ms();

	if (sink.last_level == level && strcmp(sink.last, text) == 0) {
		sink.repeats++;
		if (now - sink.last_ms < REPEAT_MS)
			return;
		flush_repeats_locked();
		sink.last_ms = now;
		return;
	}
	flush_repeats_locked();
	print_locked(level, text);
	sink.last_level = level;
	sink.last_ms = now;
	memcpy(sink.last, text, strlen(text) + 1);
}

/* A line stays one line, whatever a name in the message holds. */
static void blank_controls(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

void sfs_log(enum sfs_log_level level, enum sfs_log_component component,
             const char *fmt, ...)
{
	int saved_errno = errno;
	char text[LINE_BYTES];
	va_list args;
	int len;

	if (!sfs_log_is_on(level, component))
		return;
	len = snprintf(text, sizeof(text), "%s: ", ROOMS[component]);
	va_start(args, fmt);
	(void)vsnprintf(text + len, sizeof(text) - (size_t)len, fmt, args);
	va_end(args);
	blank_controls(text);
	(void)pthread_mutex_lock(&sink.lock);
	accept_locked(level, text);
	(void)pthread_mutex_unlock(&sink.lock);
	errno = saved_errno;
}

bool sfs_log_is_on(enum sfs_log_level level, enum sfs_log_component component)
{
	return level != SFS_LOG_NONE &&
	       (int)level <= atomic_load_explicit(&thresholds[component],
	                                          memory_order_relaxed);
}

/* The index of a counted word among names, or -1. */
static int index_of(const char *word, size_t len, const char *const names[],
                    int count)
{
	int i;

	for (i = 0; i < count; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], word, len) == 0)
			return i;
	}
	return -1;
}

static enum sfs_rc refuse_word(const char *word, size_t len,
                               struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_INVALID,
	                   "log level \"%.*s\": levels are none, error, warn, "
	                   "info, debug; components all, main, store, catalog, "
	                   "snapshot, fs, fuse (as in all=warn,store=debug)",
	                   (int)len, word);
}

/* One "level" or "component=level". */
static enum sfs_rc read_word(const char *word, size_t len,
                             int levels[SFS_LOG_COMPONENTS],
                             struct sfs_err *err)
{
	const char *equals = memchr(word, '=', len);
	size_t name_len = equals != NULL ? (size_t)(equals - word) : 0;
	const char *name = equals != NULL ? word : "all";
	const char *level_name = equals != NULL ? equals + 1 : word;
	int level, room, i;

	if (equals == NULL)
		name_len = strlen(name);
	level = index_of(level_name, (size_t)(word + len - level_name),
	                 LEVEL_NAMES, LEVELS);
	if (level < 0)
		return refuse_word(word, len, err);
	room = index_of(name, name_len, ROOMS, SFS_LOG_COMPONENTS);
	if (room >= 0) {
		levels[room] = level;
		return SFS_OK;
	}
	if (name_len != 3 || memcmp(name, "all", 3) != 0)
		return refuse_word(word, len, err);
	for (i = 0; i < SFS_LOG_COMPONENTS; i++)
		levels[i] = level;
	return SFS_OK;
}

/* Changes those of levels that spec speaks of. */
static enum sfs_rc read_levels(const char *spec, int levels[SFS_LOG_COMPONENTS],
                               struct sfs_err *err)
{
	size_t len;
	enum sfs_rc rc;

	for (;; spec += len + 1) {
		len = strcspn(spec, ",");
		rc = read_word(spec, len, levels, err);
		if (rc != SFS_OK || spec[len] == '\0')
			return rc;
	}
}

enum sfs_rc sfs_log_check_levels(const char *spec, struct sfs_err *err)
{
	int levels[SFS_LOG_COMPONENTS];

	return read_levels(spec, levels, err);
}

enum sfs_rc sfs_log_set_levels(const char *spec, struct sfs_err *err)
{
	int levels[SFS_LOG_COMPONENTS];
	enum sfs_rc rc;
	int i;

	for (i = 0; i < SFS_LOG_COMPONENTS; i++)
		levels[i] = atomic_load(&thresholds[i]);
	rc = read_levels(spec, levels, err);
	if (rc != SFS_OK)
		return rc;
	for (i = 0; i < SFS_LOG_COMPONENTS; i++)
		atomic_store(&thresholds[i], levels[i]);
	return SFS_OK;
}

void sfs_log_get_levels(char *out, size_t len)
{
	int common = atomic_load(&thresholds[SFS_LOG_MAIN]);
	size_t used;
	int level, i;

	(void)snprintf(out, len, "all=%s", LEVEL_NAMES[common]);
	for (i = 0; i < SFS_LOG_COMPONENTS; i++) {
		level = atomic_load(&thresholds[i]);
		used = strlen(out);
		if (level != common)
			(void)snprintf(out + used, len - used, ",%s=%s",
			               ROOMS[i], LEVEL_NAMES[level]);
	}
}

static enum sfs_rc open_file(const char *path, int *fd_out, struct sfs_err *err)
{
	*fd_out =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
	             0640);
	if (*fd_out < 0)
		return sfs_err_sys(err, errno, "log file %s", path);
	return SFS_OK;
}

/* Lines counted so far belong to the old target. */
static void switch_to(int fd, const char *path)
{
	int old;

	(void)pthread_mutex_lock(&sink.lock);
	flush_repeats_locked();
	old = sink.fd;
	sink.fd = fd;
	memmove(sink.path, path, strlen(path) + 1);
	sink.last[0] = '\0';
	(void)pthread_mutex_unlock(&sink.lock);
	if (old > STDERR_FILENO)
		(void)close(old); /* every line was written at once */
}

enum sfs_rc sfs_log_open(const char *target, struct sfs_err *err)
{
	enum sfs_rc rc;
	int fd;

	if (strcmp(target, "stderr") == 0) {
		switch_to(STDERR_FILENO, "");
		return SFS_OK;
	}
	if (strcmp(target, "syslog") == 0) {
		openlog("shardyfs", LOG_PID, LOG_DAEMON);
		switch_to(-1, "");
		return SFS_OK;
	}
	if (target[0] != '/' || strlen(target) >= PATH_BYTES)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "log target \"%s\" must be stderr, syslog "
		                   "or the absolute path of a file",
		                   target);
	rc = open_file(target, &fd, err);
	if (rc == SFS_OK)
		switch_to(fd, target);
	return rc;
}

enum sfs_rc sfs_log_reopen(struct sfs_err *err)
{
	char path[PATH_BYTES];
	enum sfs_rc rc;
	int fd;

	(void)pthread_mutex_lock(&sink.lock);
	memcpy(path, sink.path, sizeof(path));
	(void)pthread_mutex_unlock(&sink.lock);
	if (path[0] == '\0')
		return SFS_OK;
	rc = open_file(path, &fd, err);
	if (rc == SFS_OK)
		switch_to(fd, path);
	return rc;
}
