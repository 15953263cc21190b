/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection: mount, greet, serve, notify, unmount. */
#include "fuse/lane.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)
/*
 * What libfuse before 3.17 cannot ask the kernel for is added to its reply to
 * INIT: the first reply of a connection, and the only one with this length
 * then. A kernel passes over what it does not know.
 *
 * PARALLEL_DIROPS: without it names are looked up in one directory one at a
 * time. HANDLE_KILLPRIV_V2: without it every WRITE and chown asks for
 * security.capability first; there are none here, and set-user-ID bits mean
 * nothing on a mount that is nosuid. DIRECT_IO_ALLOW_MMAP (6.6): files that
 * bypass the page cache can be mapped shared all the same.
 */
enum {
	INIT_OUT_BYTES = 64,
	FLAGS_AT = 12,
	FLAGS2_AT = 32,
	PARALLEL_DIROPS = 1 << 18,
	HANDLE_KILLPRIV_V2 = 1 << 28,
	INIT_EXT = 1 << 30, /* flags2 counts */
	FLAGS2_DIRECT_IO_ALLOW_MMAP = 1 << 4,
};

static void add_flags(char *at, uint32_t more)
{
	uint32_t flags;

	memcpy(&flags, at, sizeof(flags));
	flags |= more;
	memcpy(at, &flags, sizeof(flags));
}

static ssize_t write_patched(int fd, struct iovec *iov, int count, void *data)
{
	struct sfs_session *s = data;
	char *reply;

	if (count == 2 && iov[1].iov_len == INIT_OUT_BYTES &&
	    !atomic_exchange(&s->is_greeted, true)) {
		reply = iov[1].iov_base;
		add_flags(reply + FLAGS_AT,
		          PARALLEL_DIROPS | HANDLE_KILLPRIV_V2 | INIT_EXT);
		add_flags(reply + FLAGS2_AT, FLAGS2_DIRECT_IO_ALLOW_MMAP);
	}
	return writev(fd, iov, count);
}

static ssize_t read_plain(int fd, void *buf, size_t len, void *data)
{
	(void)data;
	return read(fd, buf, len);
}

static const struct fuse_custom_io patched_io = {
	.writev = write_patched,
	.read = read_plain,
};

static int ask_for_more(struct sfs_session *s)
{
	return fuse_session_custom_io(s->se, &patched_io,
	                              fuse_session_fd(s->se));
}
#else
static int ask_for_more(struct sfs_session *s)
{
	(void)s; /* op_init asks, and is heard */
	return 0;
}
#endif

/* ',' and '\' in a value of a mount option are escaped. */
static void add_escaped(struct sfs_buf *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == ',' || *value == '\\')
			sfs_buf_putc(out, '\\');
		sfs_buf_putc(out, *value);
	}
}

static enum sfs_rc build_options(const struct sfs_session_config *config,
                                 struct sfs_buf *out, struct sfs_err *err)
{
	sfs_buf_puts(out, "default_permissions,subtype=shardyfs,fsname=");
	add_escaped(out, config->fsname);
	if (config->read_only)
		sfs_buf_puts(out, ",ro");
	if (config->allow_other)
		sfs_buf_puts(out, ",allow_other");
	if (config->auto_unmount)
		sfs_buf_puts(out, ",auto_unmount");
	if (config->kernel_opts[0] != '\0')
		sfs_buf_printf(out, ",%s", config->kernel_opts);
	return sfs_buf_finish(out, "mount options", err);
}

static enum sfs_rc make_session(struct sfs_session *s, struct sfs_err *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct sfs_buf options = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	enum sfs_rc rc;

	rc = build_options(&s->config, &options, err);
	if (rc == SFS_OK && (fuse_opt_add_arg(&args, "shardyfs") != 0 ||
	                     fuse_opt_add_arg(&args, "-o") != 0 ||
	                     fuse_opt_add_arg(&args, options.data) != 0))
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	if (rc == SFS_OK) {
		s->se = fuse_session_new(&args, &sfs_fuse_ops,
		                         sizeof(sfs_fuse_ops), s);
		if (s->se == NULL)
			rc = sfs_err_set(err, SFS_E_INVALID,
			                 "libfuse refused the mount options "
			                 "\"%s\"",
			                 options.data);
	}
	sfs_buf_release(&options);
	fuse_opt_free_args(&args);
	return rc;
}

/* libfuse has printed why; this says what can be done. */
static enum sfs_rc mount_failed(const struct sfs_session_config *config,
                                struct sfs_err *err)
{
	if (access("/dev/fuse", F_OK) != 0)
		return sfs_err_set(err, SFS_E_IO,
		                   "/dev/fuse is missing: load the module "
		                   "(modprobe fuse), or give the container "
		                   "the device (--device /dev/fuse)");
	if (access("/dev/fuse", R_OK | W_OK) != 0)
		return sfs_err_sys(err, errno,
		                   "cannot mount on %s: /dev/fuse (chmod 666 "
		                   "/dev/fuse, as root, lets every user mount)",
		                   config->mountpoint);
	if (geteuid() != 0 && config->allow_other)
		return sfs_err_set(err, SFS_E_AUTH,
		                   "cannot mount on %s: allow_other needs the "
		                   "line \"user_allow_other\" in "
		                   "/etc/fuse.conf",
		                   config->mountpoint);
	return sfs_err_set(err, SFS_E_AUTH,
	                   "cannot mount on %s: see the message above; an "
	                   "ordinary user needs fusermount3 and a mount point "
	                   "that is theirs",
	                   config->mountpoint);
}

enum sfs_rc sfs_session_open(const struct sfs_session_config *config,
                             struct sfs_session **out, struct sfs_err *err)
{
	struct sfs_session *s = sfs_calloc(1, sizeof(*s));
	enum sfs_rc rc;

	if (s == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	s->config = *config;
	pthread_mutex_init(&s->stale.lock, NULL);
	s->lane = sfs_lane_new();
	rc = s->lane != NULL
	             ? make_session(s, err)
	             : sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	if (rc == SFS_OK &&
	    fuse_session_mount(s->se, s->config.mountpoint) != 0)
		rc = mount_failed(config, err);
	if (rc == SFS_OK && ask_for_more(s) != 0)
		rc = sfs_err_set(err, SFS_E_UNSUPPORTED,
		                 "libfuse refused custom I/O");
	if (rc != SFS_OK) {
		sfs_session_close(s);
		return rc;
	}
	*out = s;
	return SFS_OK;
}

enum sfs_rc sfs_session_run(struct sfs_session *s, struct sfs_err *err)
{
	struct fuse_loop_config *loop = fuse_loop_cfg_create();
	int result;

	if (loop == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	if (s->config.threads > 1) {
		fuse_loop_cfg_set_max_threads(loop, s->config.threads);
		fuse_loop_cfg_set_idle_threads(loop, s->config.threads);
		result = fuse_session_loop_mt(s->se, loop);
	} else {
		result = fuse_session_loop(s->se);
	}
	fuse_loop_cfg_destroy(loop);
	/* The last request of a mount that goes away may end like this. */
	if (result == -ECONNABORTED) {
		sfs_log(SFS_LOG_INFO, SFS_LOG_FUSE, "connection aborted");
		return SFS_OK;
	}
	if (result < 0)
		return sfs_err_sys(err, -result, "serving %s",
		                   s->config.mountpoint);
	return SFS_OK;
}

static int expire(struct sfs_session *s, const char *name)
{
#ifdef SFS_EXPIRE_TAKES_FLAGS
	return fuse_lowlevel_notify_expire_entry(
		s->se, SFS_FS_ROOT, name, strlen(name), FUSE_LL_EXPIRE_ONLY);
#else
	return fuse_lowlevel_notify_expire_entry(s->se, SFS_FS_ROOT, name,
	                                         strlen(name));
#endif
}

/*
 * Expiring is enough where the kernel has it (6.2): the next use of the name
 * asks again, and a directory with a million cached children is not walked
 * under the root's lock. A name that the kernel does not know is fine.
 */
void sfs_session_notify_switch(struct sfs_session *s)
{
	const char *const *name;
	int result;

	if (!atomic_load(&s->is_ready))
		return;
	for (name = sfs_fs_generation_names; *name != NULL; name++) {
		result = s->can_expire ? expire(s, *name)
		                       : fuse_lowlevel_notify_inval_entry(
						 s->se, SFS_FS_ROOT, *name,
						 strlen(*name));
		if (result != 0 && result != -ENOENT)
			sfs_log(SFS_LOG_WARN, SFS_LOG_FUSE,
			        "the kernel did not take a notification; the "
			        "name changes within a second name=%s "
			        "errno=%d",
			        *name, -result);
	}
}

static enum sfs_rc spawn_fusermount(const char *mountpoint, bool lazy,
                                    struct sfs_err *err)
{
	char *const argv[] = { (char *)"fusermount3",
		               (char *)(lazy ? "-uzq" : "-uq"), (char *)"--",
		               (char *)mountpoint, NULL };
	int status = 0;
	pid_t pid;
	int error;

	error = posix_spawnp(&pid, "fusermount3", NULL, NULL, argv, environ);
	if (error != 0)
		return sfs_err_sys(err, error, "fusermount3");
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return sfs_err_sys(err, errno, "fusermount3");
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return sfs_err_set(err, SFS_E_BUSY,
		                   "%s is in use (fuser -vm %s shows by whom)",
		                   mountpoint, mountpoint);
	return SFS_OK;
}

enum sfs_rc sfs_session_unmount_path(const char *mountpoint, bool lazy,
                                     struct sfs_err *err)
{
	int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);

	if (umount2(mountpoint, flags) == 0)
		return SFS_OK;
	if (errno == EPERM)
		return spawn_fusermount(mountpoint, lazy, err);
	return sfs_err_sys(err, errno, "unmounting %s", mountpoint);
}

enum sfs_rc sfs_session_unmount(struct sfs_session *s, bool lazy,
                                struct sfs_err *err)
{
	return sfs_session_unmount_path(s->config.mountpoint, lazy, err);
}

void sfs_session_close(struct sfs_session *s)
{
	if (s == NULL)
		return;
	sfs_lane_free(s->lane); /* its jobs reply: the session is there */
	if (s->se != NULL) {
		fuse_session_unmount(s->se);
		fuse_session_destroy(s->se);
	}
	pthread_mutex_destroy(&s->stale.lock);
	sfs_free(s);
}

const char *sfs_session_libfuse_version(void)
{
	return fuse_pkgversion();
}
