/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shardyfs: the mount daemon. Options, the engine, the tree, the connection,
 * in this order; each step that fails says its E_ code, and nothing is left
 * behind. Threads begin after the fork.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "build/area.h"
#include "cli/daemon.h"
#include "cli/mountpoint.h"
#include "cli/stack.h"
#include "config/options.h"
#include "fs/fs.h"
#include "fuse/session.h"
#include "snapshot/tracker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Everything that lives as long as the mount. */
struct mount {
	const struct sfs_options *options;
	struct sfs_daemon daemon;
	struct sfs_buf config_text;
	char *mountpoint;
	struct sfs_stack stack;
	struct sfs_area *area; /* NULL: nothing can be staged */
	char area_dir[SFS_STORE_KEY_MAX];
	struct sfs_err no_area; /* rc not SFS_OK: why there should be one */
	struct sfs_tracker *tracker;
	struct sfs_fs *fs;
	struct sfs_session *session;
	pthread_t signal_thread;
	bool has_signal_thread;
	atomic_bool is_over;
};

/* A failed step: what scripts can tell it by. */
struct failure {
	const char *code;
	int status;
};

static struct failure failure_of(enum sfs_rc rc)
{
	switch (rc) {
	case SFS_E_CORRUPT:
		return (struct failure){ "E_BADMANIFEST", SFS_EXIT_MOUNT };
	case SFS_E_UNSUPPORTED:
		return (struct failure){ "E_UNSUPPORTED", SFS_EXIT_MOUNT };
	case SFS_E_AUTH:
		return (struct failure){ "E_DENIED", SFS_EXIT_MOUNT };
	case SFS_E_TIMEOUT:
		return (struct failure){ "E_TIMEOUT", SFS_EXIT_MOUNT };
	case SFS_E_NO_MEMORY:
		return (struct failure){ "E_MEMORY", SFS_EXIT_SYSTEM };
	case SFS_OK:
	case SFS_E_NOT_FOUND:
	case SFS_E_TRANSIENT:
	case SFS_E_CONFLICT:
	case SFS_E_NO_SPACE:
	case SFS_E_INVALID:
	case SFS_E_CANCELED:
	case SFS_E_IO:
	case SFS_E_STALE:
	case SFS_E_EXISTS:
	case SFS_E_READ_ONLY:
	case SFS_E_FORBIDDEN:
	case SFS_E_NAME_TOO_LONG:
	case SFS_E_NOT_DIR:
	case SFS_E_IS_DIR:
	case SFS_E_NO_ATTR:
	case SFS_E_TOO_BIG:
	case SFS_E_BUSY:
	case SFS_E_AMBIGUOUS:
		break;
	}
	return (struct failure){ "E_STORE", SFS_EXIT_MOUNT };
}

static int fail(struct mount *m, const struct sfs_err *err)
{
	struct failure f = failure_of(err->rc);

	return sfs_daemon_fail(&m->daemon, f.code, err, f.status);
}

static void on_switch(void *arg)
{
	struct mount *m = arg;

	sfs_fs_switched(m->fs);
	sfs_session_notify_switch(m->session);
}

static void on_ready(void *arg)
{
	struct mount *m = arg;

	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "mounted store=%s mountpoint=%s",
	        m->stack.store->url, m->mountpoint);
	sfs_daemon_ready(&m->daemon);
}

static void reopen_log(void)
{
	struct sfs_err err;

	if (sfs_log_reopen(&err) != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_MAIN,
		        "cannot reopen the log cause=\"%s\"", err.msg);
}

/* Returns at a signal other than SIGHUP, or when the time is over. */
static void wait_for_signal(const sigset_t *signals, int64_t wait_ms)
{
	int64_t deadline = sfs_clock_ms() + wait_ms;
	struct timespec left;
	int64_t left_ms;
	int n;

	do {
		left_ms = deadline - sfs_clock_ms();
		left_ms = left_ms < 0 ? 0 : left_ms;
		left.tv_sec = left_ms / 1000;
		left.tv_nsec = left_ms % 1000 * 1000000;
		n = sigtimedwait(signals, NULL, &left);
	} while (n == SIGHUP || (n < 0 && errno == EINTR));
}

/* Busy: detach lazily and let open files go on for a while. */
static void stop(struct mount *m, const sigset_t *signals)
{
	struct sfs_err err;

	if (sfs_session_unmount(m->session, false, &err) == SFS_OK)
		return;
	sfs_log(SFS_LOG_WARN, SFS_LOG_MAIN,
	        "the mount is in use: detached, open files go on "
	        "stop_timeout_ms=%lld cause=\"%s\"",
	        (long long)m->options->stop_timeout_ms, err.msg);
	if (sfs_session_unmount(m->session, true, &err) != SFS_OK)
		sfs_log(SFS_LOG_ERROR, SFS_LOG_MAIN,
		        "cannot detach the mount cause=\"%s\"", err.msg);
	wait_for_signal(signals, m->options->stop_timeout_ms);
	if (atomic_load(&m->is_over))
		return;
	sfs_log(SFS_LOG_WARN, SFS_LOG_MAIN, "stopping with files open");
	_exit(SFS_EXIT_OK);
}

static void *serve_signals(void *arg)
{
	struct mount *m = arg;
	sigset_t signals;
	int signal_number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	while (!atomic_load(&m->is_over) &&
	       sigwait(&signals, &signal_number) == 0) {
		if (atomic_load(&m->is_over))
			break;
		if (signal_number != SIGHUP) {
			stop(m, &signals);
			continue;
		}
		reopen_log();
		sfs_tracker_refresh(m->tracker);
	}
	return NULL;
}

/* Blocked before the first thread is made, so that all inherit it. */
static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* valid set */
}

static enum sfs_rc open_log(const struct mount *m, struct sfs_err *err)
{
	const char *target = m->options->log;
	enum sfs_rc rc;

	if (strcmp(target, "auto") == 0)
		target = m->options->foreground ? "stderr" : "syslog";
	rc = sfs_log_set_levels(m->options->log_level, err);
	if (rc == SFS_OK)
		rc = sfs_log_open(target, err);
	return rc;
}

static enum sfs_rc open_engine(struct mount *m, struct sfs_err *err)
{
	const struct sfs_options *o = m->options;
	struct sfs_stack_config config = {
		.source = o->source,
		.run_prefix = o->run_prefix,
		.max_open_shards = (uint32_t)o->max_open_shards,
		.fanout_max = (uint32_t)o->fanout_max,
	};
	enum sfs_rc rc;

	rc = sfs_stack_open(&config, &m->stack, err);
	if (rc == SFS_OK)
		rc = sfs_stack_start(&m->stack, err);
	return rc;
}

static enum sfs_rc open_area_at(struct mount *m, struct sfs_err *err)
{
	const struct sfs_options *o = m->options;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct sfs_area_config config = {
		.dir = m->area_dir,
		.store = m->stack.store,
		.catalog = m->stack.catalog,
		.run_prefix = o->run_prefix,
		.url = o->url,
		.build_memory = (size_t)o->build_memory,
		.threads = o->build_threads > 0 ? (unsigned)o->build_threads
		           : cpus > 0           ? (unsigned)cpus
		                                : 1,
		.value_max = (size_t)o->value_max,
		.sync_on_close = o->sync_on_close,
		.settle_ms = o->settle_ms,
		.lock_ms = o->lock_timeout_ms,
		.key_encoding =
			o->key_encoding != NULL
				? sfs_key_encoding_from_text(o->key_encoding)
				: SFS_KEY_INVALID,
		.num_dbs = o->num_dbs > 0 ? (uint32_t)o->num_dbs : 0,
		.adopt = true,
	};
	enum sfs_rc rc = SFS_OK;

	if (o->staging_dir == NULL)
		rc = sfs_area_default_dir(m->stack.store->url, m->area_dir,
		                          sizeof(m->area_dir), err);
	else if (strlen(o->staging_dir) >= sizeof(m->area_dir))
		rc = sfs_err_set(err, SFS_E_NAME_TOO_LONG,
		                 "staging_dir: the path is too long");
	else
		(void)snprintf(m->area_dir, sizeof(m->area_dir), "%s",
		               o->staging_dir);
	if (rc == SFS_OK)
		rc = sfs_area_open(&config, &m->area, err);
	return rc;
}

/*
 * Reading must not depend on a disk for writing: without staging the mount
 * works, and staging/ says why it is empty.
 */
static void open_area(struct mount *m)
{
	const struct sfs_options *o = m->options;

	if (o->read_only || o->ref != NULL ||
	    open_area_at(m, &m->no_area) == SFS_OK)
		return;
	m->area = NULL;
	sfs_log(SFS_LOG_WARN, SFS_LOG_MAIN,
	        "nothing can be staged or published in this mount: "
	        "staging_dir= names another directory rc=%s cause=\"%s\"",
	        sfs_rc_name(m->no_area.rc), m->no_area.msg);
}

static enum sfs_rc open_tracker(struct mount *m, struct sfs_err *err)
{
	const struct sfs_options *o = m->options;
	struct sfs_tracker_config config = {
		.source = sfs_stack_source(&m->stack),
		.ref = o->ref,
		.refresh_ms = o->refresh_ms,
		.op_timeout_ms = o->op_timeout_ms,
		.switched = on_switch,
		.arg = m,
	};
	bool is_store;
	enum sfs_rc rc;

	rc = sfs_stack_is_empty(&m->stack, &config.may_be_empty, err);
	if (rc != SFS_OK)
		return rc;
	is_store = config.may_be_empty;
	config.may_be_empty = config.may_be_empty && !o->read_only;
	rc = sfs_tracker_open(&config, &m->tracker, err);
	if (rc == SFS_E_NOT_FOUND && !is_store && o->ref == NULL)
		return sfs_err_set(err, rc,
		                   "%s holds other things and no _CURRENT: a "
		                   "new store is an empty directory",
		                   m->stack.store->url);
	return rc;
}

static enum sfs_rc make_fs(struct mount *m, struct sfs_err *err)
{
	const struct sfs_options *o = m->options;
	struct sfs_fs_config config = {
		.source = sfs_stack_source(&m->stack),
		.tracker = m->tracker,
		.run_prefix = o->run_prefix,
		.mountpoint = m->mountpoint,
		.uid = o->uid >= 0 ? (uid_t)o->uid : geteuid(),
		.gid = o->gid >= 0 ? (gid_t)o->gid : getegid(),
		.read_only = o->read_only,
		.listing = o->listing,
		.is_pinned = o->ref != NULL,
		.refresh_ms = o->refresh_ms,
		.name_max = SFS_FS_NAME_MAX,
		.area = m->area,
		.no_area = m->no_area.rc != SFS_OK ? m->no_area.msg : NULL,
		.area_dir = m->area_dir,
		.sync_on_close = o->sync_on_close,
		.op_timeout_ms = o->op_timeout_ms,
	};
	int64_t umask_bits = o->umask >= 0 ? o->umask : 0;
	enum sfs_rc rc;

	config.file_mask = (mode_t)(o->fmask >= 0 ? o->fmask : umask_bits);
	config.dir_mask = (mode_t)(o->dmask >= 0 ? o->dmask : umask_bits);
	sfs_options_print_config(o, &m->config_text);
	rc = sfs_buf_finish(&m->config_text, "configuration", err);
	if (rc != SFS_OK)
		return rc;
	config.config_text = m->config_text.data;
	return sfs_fs_new(&config, &m->fs, err);
}

static enum sfs_rc mount_it(struct mount *m, struct sfs_err *err)
{
	const struct sfs_options *o = m->options;
	struct sfs_session_config config = {
		.fs = m->fs,
		.mountpoint = m->mountpoint,
		.fsname = o->fsname != NULL ? o->fsname : o->source,
		.kernel_opts = o->kernel_opts,
		.read_only = o->read_only,
		.allow_other = o->allow_other,
		.auto_unmount = o->auto_unmount,
		.threads = (unsigned)o->threads,
		.op_timeout_ms = o->op_timeout_ms,
		.ready = on_ready,
		.arg = m,
	};

	return sfs_session_open(&config, &m->session, err);
}

static enum sfs_rc start_threads(struct mount *m, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	int error;

	if (m->options->ref == NULL)
		rc = sfs_tracker_start(m->tracker, err);
	if (rc != SFS_OK)
		return rc;
	error = pthread_create(&m->signal_thread, NULL, serve_signals, m);
	if (error != 0)
		return sfs_err_sys(err, error, "signal thread");
	m->has_signal_thread = true;
	return SFS_OK;
}

static int serve(struct mount *m)
{
	struct sfs_err err;

	if (start_threads(m, &err) != SFS_OK)
		return sfs_daemon_fail(&m->daemon, "E_SYSTEM", &err,
		                       SFS_EXIT_SYSTEM);
	if (sfs_session_run(m->session, &err) != SFS_OK) {
		sfs_log(SFS_LOG_ERROR, SFS_LOG_MAIN, "%s", err.msg);
		return sfs_daemon_fail(&m->daemon, "E_SYSTEM", &err,
		                       SFS_EXIT_SYSTEM);
	}
	sfs_log(SFS_LOG_INFO, SFS_LOG_MAIN, "unmounted");
	return SFS_EXIT_OK;
}

static int run(struct mount *m)
{
	const struct sfs_options *o = m->options;
	struct sfs_err err;
	enum sfs_rc rc;

	if (open_log(m, &err) != SFS_OK)
		return sfs_daemon_fail(&m->daemon, "E_LOG", &err,
		                       SFS_EXIT_SYSTEM);
	if (open_engine(m, &err) != SFS_OK)
		return fail(m, &err);
	rc = sfs_mountpoint_prepare(o->mountpoint, m->stack.directory,
	                            o->nonempty, o->recover, &m->mountpoint,
	                            &err);
	if (rc != SFS_OK)
		return sfs_daemon_fail(&m->daemon, "E_MOUNTPOINT", &err,
		                       SFS_EXIT_MOUNT);
	rc = open_tracker(m, &err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_daemon_fail(&m->daemon, "E_NOCURRENT", &err,
		                       SFS_EXIT_MOUNT);
	if (rc != SFS_OK)
		return fail(m, &err);
	block_signals();
	if (!o->fake)
		open_area(m);
	if (make_fs(m, &err) != SFS_OK)
		return fail(m, &err);
	if (o->fake)
		return SFS_EXIT_OK;
	if (chdir("/") != 0) {
		(void)sfs_err_sys(&err, errno, "/");
		return fail(m, &err);
	}
	if (mount_it(m, &err) != SFS_OK)
		return sfs_daemon_fail(&m->daemon, "E_FUSE", &err,
		                       access("/dev/fuse", F_OK) == 0
		                               ? SFS_EXIT_MOUNT
		                               : SFS_EXIT_SYSTEM);
	return serve(m);
}

/* In the reverse order; everything accepts that it was never begun. */
static void release(struct mount *m)
{
	atomic_store(&m->is_over, true);
	if (m->has_signal_thread) {
		(void)pthread_kill(m->signal_thread, SIGTERM); /* wakes it */
		(void)pthread_join(m->signal_thread, NULL);
	}
	sfs_tracker_stop(m->tracker);
	sfs_session_close(m->session);
	sfs_fs_free(m->fs);
	sfs_area_close(m->area);
	sfs_tracker_close(m->tracker);
	sfs_stack_close(&m->stack);
	sfs_free(m->mountpoint);
	sfs_buf_release(&m->config_text);
}

static int show_help(const char *program)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_err err;

	sfs_options_help(program, &text);
	if (sfs_buf_finish(&text, "help", &err) != SFS_OK) {
		(void)fprintf(stderr, "shardyfs: %s\n", err.msg);
		return SFS_EXIT_SYSTEM;
	}
	(void)fputs(text.data, stdout);
	sfs_buf_release(&text);
	return fflush(stdout) == 0 ? SFS_EXIT_OK : SFS_EXIT_SYSTEM;
}

static int show_version(void)
{
	(void)printf("shardyfs %s (libfuse %s, SQLite %s)\n", PACKAGE_VERSION,
	             sfs_session_libfuse_version(), sqlite3_libversion());
	return fflush(stdout) == 0 ? SFS_EXIT_OK : SFS_EXIT_SYSTEM;
}

static int refuse_usage(const struct sfs_options *options)
{
	const char *line = options->faults.data;
	const char *end;

	for (; line != NULL && *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		if (end == NULL)
			break;
		(void)fprintf(stderr, "shardyfs: E_USAGE: %.*s\n",
		              (int)(end - line), line);
	}
	(void)fprintf(stderr, "Try 'shardyfs --help'.\n");
	return SFS_EXIT_USAGE;
}

static int mount_main(const struct sfs_options *options)
{
	struct mount m = { .options = options,
		           .config_text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES) };
	struct sfs_err err;
	int status;

	if (sfs_daemon_begin(&m.daemon, options->foreground || options->fake,
	                     (int)options->notify_fd, options->mount_wait_ms,
	                     &err) != SFS_OK)
		return sfs_daemon_fail(&m.daemon, "E_SYSTEM", &err,
		                       SFS_EXIT_SYSTEM);
	(void)signal(SIGPIPE, SIG_IGN);
	status = run(&m);
	release(&m);
	return status;
}

int main(int argc, char **argv)
{
	struct sfs_options options = { 0 };
	struct sfs_err err;
	int status;

	sfs_alloc_tune();
	if (sfs_options_parse(argc, argv, environ, &options, &err) != SFS_OK)
		status = refuse_usage(&options);
	else if (options.show_help)
		status = show_help(argv[0]);
	else if (options.show_version)
		status = show_version();
	else
		status = mount_main(&options);
	sfs_options_release(&options);
	return status;
}
