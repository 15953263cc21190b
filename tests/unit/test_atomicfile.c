/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files or none: what a reader and a failure leave behind. fsync and
 * renameat are this program's own, which record the order and can fail.
 */
#include "base/atomicfile.h"
#include "unit/tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static char order[64]; /* f: file synced, d: directory, r: renamed */
static bool is_fsync_failing;

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && strlen(order) + 1 < sizeof(order))
		order[strlen(order)] = S_ISDIR(st.st_mode) ? 'd' : 'f';
	if (is_fsync_failing) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int renameat(int old_dir, const char *old, int new_dir, const char *new)
{
	if (strlen(order) + 1 < sizeof(order))
		order[strlen(order)] = 'r';
	return (int)syscall(SYS_renameat2, old_dir, old, new_dir, new, 0);
}

static char work[256];
static int work_fd = -1;

static void make_work(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(work, sizeof(work), "%s/sfs-atomicfile-XXXXXX",
	               tmp != NULL ? tmp : "/tmp");
	OK(mkdtemp(work) != NULL);
	work_fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OK(work_fd >= 0);
}

/* Removes every file and tells how many there were. */
static int remove_files(void)
{
	DIR *dir = opendir(work);
	struct dirent *e;
	int count = 0;

	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' &&
		    (e->d_name[1] == '\0' || e->d_name[1] == '.'))
			continue;
		count++;
		if (unlinkat(work_fd, e->d_name, 0) != 0)
			(void)unlinkat(work_fd, e->d_name, AT_REMOVEDIR);
	}
	(void)closedir(dir);
	return count;
}

static int count_temporaries(void)
{
	DIR *dir = opendir(work);
	struct dirent *e;
	int count = 0;

	while ((e = readdir(dir)) != NULL)
		count += strncmp(e->d_name, SFS_ATOMICFILE_TMP,
		                 strlen(SFS_ATOMICFILE_TMP)) == 0;
	(void)closedir(dir);
	return count;
}

static const char *content(const char *name)
{
	static char text[64];
	int fd = openat(work_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	if (len < 0)
		return "(absent)";
	text[len] = '\0';
	return text;
}

static enum sfs_rc write_file(const char *name, const char *text,
                              bool exclusive, struct sfs_err *err)
{
	struct sfs_atomicfile f = SFS_ATOMICFILE_INIT;
	enum sfs_rc rc = sfs_atomicfile_begin(&f, work_fd, err);

	if (rc == SFS_OK)
		rc = sfs_atomicfile_write(&f, text, strlen(text), err);
	if (rc == SFS_OK)
		rc = sfs_atomicfile_commit(&f, name, exclusive, err);
	sfs_atomicfile_abort(&f);
	return rc;
}

static void the_old_file_stays_until_commit(void)
{
	struct sfs_atomicfile f = SFS_ATOMICFILE_INIT;
	struct sfs_err err;

	IS_INT(write_file("name", "old", false, &err), SFS_OK);
	IS_INT(sfs_atomicfile_begin(&f, work_fd, &err), SFS_OK);
	IS_INT(sfs_atomicfile_write(&f, "new", 3, &err), SFS_OK);
	IS_STR(content("name"), "old");
	IS_INT(count_temporaries(), 1);
	IS_INT(sfs_atomicfile_commit(&f, "name", false, &err), SFS_OK);
	IS_STR(content("name"), "new");
	IS_INT(f.fd, -1);
	IS_INT(remove_files(), 1);
}

static void the_file_is_synced_then_renamed_then_the_directory_synced(void)
{
	struct sfs_err err;

	memset(order, 0, sizeof(order));
	IS_INT(write_file("name", "x", false, &err), SFS_OK);
	IS_STR(order, "frd");
	IS_INT(remove_files(), 1);
}

static void a_failed_sync_keeps_the_old_file(void)
{
	struct sfs_err err;

	IS_INT(write_file("name", "old", false, &err), SFS_OK);
	memset(order, 0, sizeof(order));
	is_fsync_failing = true;
	IS_INT(write_file("name", "new", false, &err), SFS_E_IO);
	is_fsync_failing = false;
	IS_STR(order, "f");
	IS_STR(content("name"), "old");
	IS_INT(remove_files(), 1);
}

static void abort_leaves_nothing(void)
{
	struct sfs_atomicfile f = SFS_ATOMICFILE_INIT;
	struct sfs_err err;

	IS_INT(sfs_atomicfile_begin(&f, work_fd, &err), SFS_OK);
	sfs_atomicfile_abort(&f);
	sfs_atomicfile_abort(&f);
	IS_INT(remove_files(), 0);
}

static void exclusive_never_replaces(void)
{
	struct sfs_err err;

	IS_INT(write_file("name", "first", true, &err), SFS_OK);
	IS_INT(write_file("name", "second", true, &err), SFS_E_EXISTS);
	IS_STR(content("name"), "first");
	IS_INT(remove_files(), 1);
}

static void two_writers_do_not_meet(void)
{
	struct sfs_atomicfile a = SFS_ATOMICFILE_INIT;
	struct sfs_atomicfile b = SFS_ATOMICFILE_INIT;
	struct sfs_err err;

	IS_INT(sfs_atomicfile_begin(&a, work_fd, &err), SFS_OK);
	IS_INT(sfs_atomicfile_begin(&b, work_fd, &err), SFS_OK);
	IS_INT(sfs_atomicfile_write(&a, "aaaa", 4, &err), SFS_OK);
	IS_INT(sfs_atomicfile_write(&b, "bb", 2, &err), SFS_OK);
	IS_INT(sfs_atomicfile_commit(&a, "name", false, &err), SFS_OK);
	IS_INT(sfs_atomicfile_commit(&b, "name", false, &err), SFS_OK);
	IS_STR(content("name"), "bb");
	IS_INT(remove_files(), 1);
}

static void the_mode_follows_the_umask(void)
{
	mode_t old = umask(027);
	struct sfs_err err;
	struct stat st;

	IS_INT(write_file("name", "x", false, &err), SFS_OK);
	(void)umask(old);
	IS_INT(fstatat(work_fd, "name", &st, 0), 0);
	IS_INT(st.st_mode & 0777, 0640);
	IS_INT(remove_files(), 1);
}

/* In a child, because the limit is the process's. */
static void a_failed_write_leaves_no_temporary(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		struct rlimit limit = { 1024, 1024 };
		struct sfs_atomicfile f = SFS_ATOMICFILE_INIT;
		struct sfs_err err;
		char data[4096] = { 0 };
		enum sfs_rc rc;

		(void)signal(SIGXFSZ, SIG_IGN);
		(void)setrlimit(RLIMIT_FSIZE, &limit);
		rc = sfs_atomicfile_begin(&f, work_fd, &err);
		if (rc != SFS_OK)
			_exit(1);
		rc = sfs_atomicfile_write(&f, data, sizeof(data), &err);
		sfs_atomicfile_abort(&f);
		_exit(rc == SFS_E_TOO_BIG && err.sys_errno == EFBIG ? 0 : 2);
	}
	IS_INT(waitpid(pid, &status, 0), pid);
	IS_INT(status, 0);
	IS_INT(remove_files(), 0);
}

static void a_failed_commit_leaves_no_temporary(void)
{
	struct sfs_err err;

	IS_INT(mkdirat(work_fd, "name", 0777), 0);
	IS_INT(write_file("name", "x", false, &err), SFS_E_IS_DIR);
	IS_INT(count_temporaries(), 0);
	HAS_STR(err.msg, "name");
	IS_INT(remove_files(), 1);
}

static void a_directory_that_denies_writing_is_told(void)
{
	pid_t pid;
	int status = -1;

	IS_INT(fchmod(work_fd, 0555), 0);
	pid = fork();
	if (pid == 0) {
		struct sfs_err err;

		if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
		                       setresuid(NOBODY, NOBODY, NOBODY) != 0))
			_exit(1);
		_exit(write_file("name", "x", false, &err) == SFS_E_AUTH ? 0
		                                                         : 2);
	}
	IS_INT(waitpid(pid, &status, 0), pid);
	IS_INT(status, 0);
	IS_INT(fchmod(work_fd, 0755), 0);
	IS_INT(remove_files(), 0);
}

static enum sfs_rc link_file(const char *from, const char *to,
                             struct sfs_err *err)
{
	struct sfs_atomicfile f = SFS_ATOMICFILE_INIT;
	enum sfs_rc rc = sfs_atomicfile_link(&f, work_fd, work_fd, from, err);

	if (rc == SFS_OK)
		rc = sfs_atomicfile_commit(&f, to, false, err);
	sfs_atomicfile_abort(&f);
	return rc;
}

static void a_link_replaces_and_shares_the_file(void)
{
	struct stat from;
	struct stat to;
	struct sfs_err err;

	IS_INT(write_file("from", "bytes", false, &err), SFS_OK);
	IS_INT(write_file("to", "old", false, &err), SFS_OK);
	IS_INT(link_file("from", "to", &err), SFS_OK);
	IS_STR(content("to"), "bytes");
	IS_INT(fstatat(work_fd, "from", &from, 0), 0);
	IS_INT(fstatat(work_fd, "to", &to, 0), 0);
	IS_INT(from.st_ino, to.st_ino);
	/* rename() between two links of one file keeps both names */
	IS_INT(link_file("from", "to", &err), SFS_OK);
	IS_INT(link_file("from", "from", &err), SFS_OK);
	IS_INT(count_temporaries(), 0);
	IS_INT(remove_files(), 2);
}

static void only_regular_files_are_linked(void)
{
	struct sfs_err err;

	IS_INT(symlinkat("/etc/passwd", work_fd, "link"), 0);
	IS_INT(mkfifoat(work_fd, "fifo", 0666), 0);
	IS_INT(link_file("link", "to", &err), SFS_E_CORRUPT);
	IS_INT(link_file("fifo", "to", &err), SFS_E_CORRUPT);
	IS_INT(link_file("absent", "to", &err), SFS_E_NOT_FOUND);
	IS_INT(count_temporaries(), 0);
	IS_INT(remove_files(), 2);
}

static void a_rename_is_visible_and_leaves_the_syncs_to_the_caller(void)
{
	struct sfs_atomicfile f = SFS_ATOMICFILE_INIT;
	struct sfs_err err;
	struct stat st;
	int fd = -1;

	IS_INT(sfs_atomicfile_begin(&f, work_fd, &err), SFS_OK);
	IS_INT(sfs_atomicfile_write(&f, "new", 3, &err), SFS_OK);
	memset(order, 0, sizeof(order));
	IS_INT(sfs_atomicfile_rename(&f, "name", &fd, &err), SFS_OK);
	IS_STR(order, "r");
	IS_INT(f.fd, -1);
	OK(fstat(fd, &st) == 0 && st.st_size == 3);
	IS_INT(count_temporaries(), 0);
	(void)close(fd);
	IS_INT(mkdirat(work_fd, "dir", 0755), 0);
	IS_INT(sfs_atomicfile_begin(&f, work_fd, &err), SFS_OK);
	IS_INT(sfs_atomicfile_rename(&f, "dir", &fd, &err), SFS_E_IS_DIR);
	IS_INT(f.fd, -1);
	IS_INT(remove_files(), 2); /* so no temporary one */
}

int main(void)
{
	make_work();
	RUN(the_old_file_stays_until_commit);
	RUN(the_file_is_synced_then_renamed_then_the_directory_synced);
	RUN(a_failed_sync_keeps_the_old_file);
	RUN(abort_leaves_nothing);
	RUN(exclusive_never_replaces);
	RUN(two_writers_do_not_meet);
	RUN(the_mode_follows_the_umask);
	RUN(a_failed_write_leaves_no_temporary);
	RUN(a_failed_commit_leaves_no_temporary);
	RUN(a_directory_that_denies_writing_is_told);
	RUN(a_link_replaces_and_shares_the_file);
	RUN(only_regular_files_are_linked);
	RUN(a_rename_is_visible_and_leaves_the_syncs_to_the_caller);
	(void)close(work_fd);
	if (rmdir(work) != 0)
		printf("# %s is left behind\n", work);
	return tap_done();
}
