/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local store: names, bytes, and what it refuses to touch. linkat and
 * copy_file_range are this program's own, to be a poorer file system.
 */
#include "unit/workstore.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

static bool is_file_system_poor;
static int refused_calls;

int linkat(int from_dir, const char *from, int to_dir, const char *to,
           int flags)
{
	if (!is_file_system_poor)
		return (int)syscall(SYS_linkat, from_dir, from, to_dir, to,
		                    flags);
	refused_calls++;
	errno = EPERM;
	return -1;
}

ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at,
                        size_t len, unsigned flags)
{
	if (!is_file_system_poor)
		return syscall(SYS_copy_file_range, from, from_at, to, to_at,
		               len, flags);
	refused_calls++;
	errno = EXDEV;
	return -1;
}

static enum sfs_rc open_rc(const char *key)
{
	struct sfs_object *o = NULL;
	enum sfs_rc rc = store->ops->open(store, key, &o, NULL, &err);

	if (rc == SFS_OK)
		o->ops->close(o);
	return rc;
}

static enum sfs_rc put_rc(const char *key)
{
	return store->ops->put(store, key, "x", 1, NULL, NULL, &err);
}

/* The exit status of fn in a child that is an ordinary user. */
static int as_nobody(int (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
		                       setresuid(NOBODY, NOBODY, NOBODY) != 0))
			_exit(100);
		_exit(fn());
	}
	IS_INT(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_url_is_the_real_path(void)
{
	char link[300];
	char want[320];
	char real[PATH_MAX];
	struct sfs_store *other = NULL;

	OK(realpath(store_dir, real) != NULL);
	(void)snprintf(want, sizeof(want), "file://%.300s", real);
	IS_STR(store->url, want);
	(void)snprintf(link, sizeof(link), "%.250s/link", work_dir);
	IS_INT(symlink("store", link), 0);
	IS_INT(sfs_store_local_open(link, &other, &err), SFS_OK);
	IS_STR(other->url, want);
	other->ops->close(other);
}

static void what_is_no_directory_is_no_store(void)
{
	struct sfs_store *other = NULL;
	char path[300];

	put_text("file", "x");
	(void)snprintf(path, sizeof(path), "%.270s/file", store_dir);
	IS_INT(sfs_store_local_open(path, &other, &err), SFS_E_NOT_DIR);
	(void)snprintf(path, sizeof(path), "%.270s/absent", store_dir);
	IS_INT(sfs_store_local_open(path, &other, &err), SFS_E_NOT_FOUND);
	HAS_STR(err.msg, "absent");
}

static void names_that_are_no_keys_are_invalid(void)
{
	static const char *const bad[] = {
		"",      "/a",     "a/",       "a//b",     ".",
		"..",    "a/../b", "a/./b",    "../a",     "a\nb",
		"a\x7f", ".lock",  ".tmp-abc", "a/.tmp-1", "\x01",
	};
	char key[1100];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		IS_INT(open_rc(bad[i]), SFS_E_INVALID);
		IS_INT(put_rc(bad[i]), SFS_E_INVALID);
		IS_INT(store->ops->delete (store, bad[i], NULL, &err),
		       SFS_E_INVALID);
	}
	memset(key, 0, sizeof(key));
	memset(key, 'a', 1025);
	IS_INT(open_rc(key), SFS_E_INVALID);
	key[1024] = '\0';
	IS_INT(open_rc(key), SFS_E_NOT_FOUND);
	IS_INT(put_rc(key), SFS_E_INVALID); /* no file system holds it */
	for (size_t i = 1; i < 129; i += 2)
		key[i] = '/';
	key[129] = '\0';
	IS_INT(put_rc(key), SFS_E_INVALID);
	HAS_STR(err.msg, "not a key");
}

static void the_largest_keys_work(void)
{
	char key[1025];

	memset(key, 'k', sizeof(key));
	for (size_t i = 250; i < 1024; i += 251)
		key[i] = '/';
	key[1024] = '\0';
	put_text(key, "long");
	IS_STR(get_text(key), "long");
	memset(key, 'd', sizeof(key));
	for (size_t i = 1; i < 127; i += 2)
		key[i] = '/';
	key[127] = '\0';
	put_text(key, "deep");
	IS_STR(get_text(key), "deep");
	put_text("a/.lock", "only the top one is reserved");
	put_text("..a/b..", "dots");
	IS_STR(get_text("..a/b.."), "dots");
}

static void reads_are_by_range_and_end_with_the_object(void)
{
	struct sfs_object *o = NULL;
	char buf[16] = "";
	size_t got = 99;

	put_text("a/b", "0123456789");
	IS_INT(store->ops->open(store, "a/b", &o, NULL, &err), SFS_OK);
	IS_INT(o->info.size, 10);
	OK(o->info.mtime_ns > sfs_clock_wall_ns() - 3600 * 1000000000LL);
	IS_STR(o->info.tag.text, "");
	IS_INT(o->ops->read(o, 3, buf, 4, &got, NULL, &err), SFS_OK);
	IS_INT(got, 4);
	IS_STR(buf, "3456");
	IS_INT(o->ops->read(o, 8, buf, 16, &got, NULL, &err), SFS_OK);
	IS_INT(got, 2);
	IS_INT(o->ops->read(o, 10, buf, 1, &got, NULL, &err), SFS_OK);
	IS_INT(got, 0);
	IS_INT(o->ops->read(o, UINT64_MAX, buf, 1, &got, NULL, &err), SFS_OK);
	IS_INT(got, 0);
	IS_INT(o->ops->read(o, INT64_MAX, buf, 2, &got, NULL, &err), SFS_OK);
	IS_INT(got, 0);
	o->ops->close(o);
	got = 99;
	IS_INT(sfs_store_get_range(store, "a/b", 9, buf, 9, &got, NULL, &err),
	       SFS_OK);
	IS_INT(got, 1);
	IS_INT(sfs_store_get_range(store, "a/c", 0, buf, 9, &got, NULL, &err),
	       SFS_E_NOT_FOUND);
}

static void an_open_object_keeps_its_version(void)
{
	struct sfs_object *o = NULL;
	char buf[8] = "";
	size_t got = 0;

	put_text("k", "old");
	IS_INT(store->ops->open(store, "k", &o, NULL, &err), SFS_OK);
	put_text("k", "newer");
	IS_INT(o->ops->read(o, 0, buf, 8, &got, NULL, &err), SFS_OK);
	IS_INT(got, 3);
	IS_STR(buf, "old");
	IS_INT(store->ops->delete (store, "k", NULL, &err), SFS_OK);
	IS_INT(o->ops->read(o, 0, buf, 8, &got, NULL, &err), SFS_OK);
	IS_STR(buf, "old");
	o->ops->close(o);
}

static void a_file_that_shrinks_reads_short(void)
{
	struct sfs_object *o = NULL;
	char buf[16];
	char path[300];
	size_t got = 99;

	put_text("k", "0123456789");
	(void)snprintf(path, sizeof(path), "%.270s/k", store_dir);
	IS_INT(store->ops->open(store, "k", &o, NULL, &err), SFS_OK);
	IS_INT(truncate(path, 4), 0);
	IS_INT(o->ops->read(o, 0, buf, 10, &got, NULL, &err), SFS_OK);
	IS_INT(got, 4);
	o->ops->close(o);
}

static void other_kinds_of_files_are_refused(void)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	put_text("file", "x");
	IS_INT(mkdirat(store_fd, "dir", 0755), 0);
	IS_INT(mkfifoat(store_fd, "fifo", 0644), 0);
	IS_INT(symlinkat("file", store_fd, "link"), 0);
	memset(&addr, 0, sizeof(addr));
	addr.sun_family = AF_UNIX;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s/socket",
	               store_dir);
	IS_INT(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	(void)close(fd);
	IS_INT(open_rc("dir"), SFS_E_CORRUPT);
	IS_INT(open_rc("fifo"), SFS_E_CORRUPT);
	IS_INT(open_rc("socket"), SFS_E_CORRUPT);
	IS_INT(open_rc("link"), SFS_E_CORRUPT);
	IS_STR(err.msg, "link is not a regular file");
	IS_INT(open_rc("file/below"), SFS_E_NOT_FOUND);
	IS_INT(open_rc("absent/below"), SFS_E_NOT_FOUND);
}

static void no_link_leads_out_of_the_store(void)
{
	char out[300];

	(void)snprintf(out, sizeof(out), "%.250s/outside", work_dir);
	IS_INT(mkdir(out, 0755), 0);
	IS_INT(symlinkat("../outside", store_fd, "relative"), 0);
	IS_INT(symlinkat(out, store_fd, "absolute"), 0);
	IS_INT(symlinkat("loop", store_fd, "loop"), 0);
	IS_INT(symlinkat("/proc/self/root", store_fd, "magic"), 0);
	for (int i = 0; i < 4; i++) {
		static const char *const keys[] = { "relative/f", "absolute/f",
			                            "loop/f",
			                            "magic/etc/passwd" };

		IS_INT(open_rc(keys[i]), SFS_E_CORRUPT);
		HAS_STR(err.msg, "leaves the store");
		IS_INT(put_rc(keys[i]), SFS_E_CORRUPT);
		IS_INT(store->ops->delete (store, keys[i], NULL, &err),
		       SFS_E_CORRUPT);
	}
	IS_INT(rmdir(out), 0); /* nothing was put there */
}

static void a_directory_link_inside_the_store_is_followed(void)
{
	put_text("real/a", "x");
	IS_INT(symlinkat("real", store_fd, "alias"), 0);
	IS_STR(get_text("alias/a"), "x");
}

static void an_object_and_a_directory_cannot_share_a_name(void)
{
	put_text("a", "x");
	put_text("d/x", "x");
	IS_INT(put_rc("a/b"), SFS_E_NOT_DIR);
	HAS_STR(err.msg, "a is an object");
	IS_INT(put_rc("d"), SFS_E_IS_DIR);
	IS_INT(store->ops->delete (store, "d", NULL, &err), SFS_E_CORRUPT);
	IS_STR(get_text("a"), "x");
	IS_STR(get_text("d/x"), "x");
}

static void put_file_stores_the_whole_file_and_its_tag(void)
{
	enum { SIZE = (3 << 20) + 17 };
	char *bytes = malloc(SIZE);
	char *data = NULL;
	size_t len = 0;
	struct sfs_tag tag;
	struct sfs_tag want;
	int fd = openat(store_fd, "source", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int pipe_fds[2];

	for (int i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + (i >> 11));
	IS_INT(write(fd, bytes, SIZE), SIZE); /* its position is the end */
	IS_INT(store->ops->put_file(store, "a/1", fd, &tag, NULL, &err),
	       SFS_OK);
	IS_INT(store->ops->put_file(store, "a/2", fd, NULL, NULL, &err),
	       SFS_OK);
	sfs_tag_hash(&want, bytes, SIZE);
	IS_STR(tag.text, want.text);
	for (int i = 1; i <= 2; i++) {
		IS_INT(sfs_store_get(store, i == 1 ? "a/1" : "a/2", SIZE, &data,
		                     &len, NULL, NULL, &err),
		       SFS_OK);
		OK(len == SIZE && memcmp(data, bytes, SIZE) == 0);
		sfs_free(data);
	}
	IS_INT(ftruncate(fd, 0), 0);
	IS_INT(store->ops->put_file(store, "a/1", fd, NULL, NULL, &err),
	       SFS_OK);
	IS_STR(get_text("a/1"), "");
	IS_INT(pipe(pipe_fds), 0);
	IS_INT(store->ops->put_file(store, "p", pipe_fds[0], NULL, NULL, &err),
	       SFS_E_INVALID);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
	(void)close(fd);
	free(bytes);
}

static void copy_is_independent_of_its_source(void)
{
	put_text("a/from", "bytes");
	put_text("to", "old");
	IS_INT(store->ops->copy(store, "a/from", "to", NULL, &err), SFS_OK);
	IS_INT(store->ops->copy(store, "a/from", "b/c/to", NULL, &err), SFS_OK);
	IS_INT(store->ops->copy(store, "a/from", "to", NULL, &err), SFS_OK);
	IS_INT(store->ops->copy(store, "to", "to", NULL, &err), SFS_OK);
	put_text("a/from", "changed");
	IS_STR(get_text("to"), "bytes");
	IS_INT(store->ops->delete (store, "a/from", NULL, &err), SFS_OK);
	IS_STR(get_text("b/c/to"), "bytes");
	IS_INT(store->ops->copy(store, "a/from", "x", NULL, &err),
	       SFS_E_NOT_FOUND);
	OK(!is_there("x"));
	IS_INT(symlinkat("to", store_fd, "link"), 0);
	IS_INT(store->ops->copy(store, "link", "x", NULL, &err), SFS_E_CORRUPT);
}

static void copy_works_where_links_do_not(void)
{
	put_text("from", "bytes");
	refused_calls = 0;
	is_file_system_poor = true;
	IS_INT(store->ops->copy(store, "from", "a/to", NULL, &err), SFS_OK);
	is_file_system_poor = false;
	IS_INT(refused_calls, 2);
	IS_STR(get_text("a/to"), "bytes");
}

static void delete_takes_emptied_directories_along(void)
{
	put_text("a/b/c/1", "x");
	put_text("a/2", "x");
	IS_INT(store->ops->delete (store, "a/b/c/1", NULL, &err), SFS_OK);
	OK(!is_there("a/b"));
	OK(is_there("a/2"));
	IS_INT(store->ops->delete (store, "a/2", NULL, &err), SFS_OK);
	OK(!is_there("a"));
	OK(is_there("."));
	IS_INT(store->ops->delete (store, "a/2", NULL, &err), SFS_OK);
	IS_INT(store->ops->delete (store, "absent", NULL, &err), SFS_OK);
}

static void calls_heed_cancel_and_deadline(void)
{
	struct sfs_cancel cancel;
	struct sfs_call late = { 1, NULL };
	struct sfs_call given_up = { 0, &cancel };
	struct sfs_object *o = NULL;
	char buf[4];
	size_t got;

	IS_INT(sfs_cancel_init(&cancel, &err), SFS_OK);
	put_text("k", "x");
	IS_INT(store->ops->open(store, "k", &o, &given_up, &err), SFS_OK);
	OK(!sfs_cancel_is_raised(&cancel));
	sfs_cancel_raise(&cancel);
	sfs_cancel_raise(&cancel);
	OK(sfs_cancel_is_raised(&cancel));
	IS_INT(o->ops->read(o, 0, buf, 4, &got, &given_up, &err),
	       SFS_E_CANCELED);
	IS_INT(o->ops->read(o, 0, buf, 4, &got, &late, &err), SFS_E_TIMEOUT);
	o->ops->close(o);
	IS_INT(store->ops->open(store, "k", &o, &late, &err), SFS_E_TIMEOUT);
	IS_INT(store->ops->put(store, "k", "y", 1, NULL, &given_up, &err),
	       SFS_E_CANCELED);
	IS_INT(store->ops->put_if(store, "k", "y", 1, NULL, NULL, &given_up,
	                          &err),
	       SFS_E_CANCELED);
	IS_INT(store->ops->delete (store, "k", &late, &err), SFS_E_TIMEOUT);
	IS_INT(store->ops->copy(store, "k", "l", &given_up, &err),
	       SFS_E_CANCELED);
	IS_INT(store->ops->barrier(store, "", &late, &err), SFS_E_TIMEOUT);
	IS_STR(get_text("k"), "x");
	sfs_cancel_clear(&cancel);
	OK(!sfs_cancel_is_raised(&cancel));
	IS_INT(store->ops->barrier(store, "", &given_up, &err), SFS_OK);
	sfs_cancel_release(&cancel);
	sfs_cancel_release(&cancel);
}

static int read_and_write_denied(void)
{
	struct sfs_store *locked = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), "%.270s/locked", store_dir);
	return (open_rc("secret") != SFS_E_AUTH) |
	       (open_rc("locked/k") != SFS_E_AUTH) << 1 |
	       (put_rc("new") != SFS_E_AUTH) << 2 |
	       (put_rc("dir/new") != SFS_E_AUTH) << 3 |
	       (store->ops->delete (store, "k", NULL, &err) != SFS_E_AUTH)
	               << 4 |
	       (sfs_store_local_open(path, &locked, &err) != SFS_E_AUTH) << 5;
}

static void what_the_system_denies_is_told_as_that(void)
{
	put_text("k", "x");
	put_text("secret", "x");
	put_text("locked/k", "x");
	IS_INT(fchmodat(store_fd, "secret", 0, 0), 0);
	IS_INT(fchmodat(store_fd, "locked", 0, 0), 0);
	IS_INT(fchmod(store_fd, 0555), 0);
	IS_INT(as_nobody(read_and_write_denied), 0);
	IS_INT(fchmod(store_fd, 0755), 0);
	OK(is_there("k"));
	IS_INT(fchmodat(store_fd, "locked", 0755, 0), 0);
}

static int put_beyond_the_limit(void)
{
	struct rlimit limit = { 100, 100 };
	char data[4096] = { 0 };

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	return store->ops->put(store, "a/k", data, sizeof(data), NULL, NULL,
	                       &err) != SFS_E_TOO_BIG;
}

static bool keep_looking(void *arg, const struct sfs_list_entry *entry)
{
	(void)entry;
	++*(int *)arg;
	return true;
}

static void a_put_that_fails_leaves_the_old_object_and_no_other(void)
{
	int objects = 0;

	put_text("a/k", "old");
	IS_INT(fchmod(store_fd, 0777), 0);
	IS_INT(fchmodat(store_fd, "a", 0777, 0), 0);
	IS_INT(as_nobody(put_beyond_the_limit), 0);
	IS_STR(get_text("a/k"), "old");
	IS_INT(store->ops->delete (store, "a/k", NULL, &err), SFS_OK);
	OK(!is_there("a")); /* so no temporary file was in it */
	IS_INT(store->ops->list(store, "", 0, NULL, keep_looking, &objects,
	                        NULL, &err),
	       SFS_OK);
	IS_INT(objects, 0);
}

static void every_lack_of_memory_is_told(void)
{
	static const char bytes[] = "bytes";
	unsigned long before = sfs_alloc_fault_count();
	unsigned long n = 0;
	enum sfs_rc rc;

	put_text("k", bytes);
	do {
		struct sfs_tag known = { "" };
		struct sfs_store *other = NULL;
		unsigned long faults = sfs_alloc_fault_count();
		char *data = NULL;
		size_t len = 0;
		int count = 0;

		sfs_alloc_fail_nth(++n);
		rc = sfs_store_local_open(store_dir, &other, &err);
		if (rc == SFS_OK)
			rc = other->ops->copy(other, "k", "l", NULL, &err);
		if (rc == SFS_OK)
			rc = other->ops->watch(other, "k", &known, NULL, &err);
		if (rc == SFS_OK)
			rc = other->ops->list(other, "", 0, NULL, keep_looking,
			                      &count, NULL, &err);
		if (rc == SFS_OK)
			rc = sfs_store_get(other, "k", 99, &data, &len, NULL,
			                   NULL, &err);
		sfs_alloc_fail_nth(0);
		IS_INT(rc, sfs_alloc_fault_count() > faults ? SFS_E_NO_MEMORY
		                                            : SFS_OK);
		sfs_free(data);
		if (other != NULL)
			other->ops->close(other);
	} while (rc == SFS_E_NO_MEMORY);
	IS_INT(sfs_alloc_fault_count() - before, n - 1);
	OK(n > 6);
}

static int ask_whether_one_may_write(void)
{
	if (store->ops->may_write(store, "a/b/c/d", &err) != SFS_E_AUTH)
		return 1;
	if (strstr(err.msg, "/store/a/b cannot be written") == NULL)
		return 2;
	if (store->ops->may_write(store, "b/c", &err) != SFS_OK)
		return 3;
	if (store->ops->may_write(store, "a", &err) != SFS_OK)
		return 4;
	return 0;
}

static int ask_whether_one_may_lock(void)
{
	if (store->ops->may_write(store, "b", &err) != SFS_E_AUTH)
		return 1;
	return strstr(err.msg, "/store/.lock cannot") != NULL ? 0 : 2;
}

static void what_may_not_be_written_is_told_without_trying(void)
{
	put_text("a/b/x", "x");
	IS_INT(chmod(work_dir, 0755), 0);
	IS_INT(chmod(store_dir, 0777), 0);
	IS_INT(fchmodat(store_fd, "a", 0777, 0), 0);
	IS_INT(fchmodat(store_fd, "a/b", 0555, 0), 0);
	IS_INT(as_nobody(ask_whether_one_may_write), 0);
	OK(!is_there("b"));
	OK(!is_there("a/b/c"));
	IS_INT(store->ops->may_write(store, "../b", &err), SFS_E_INVALID);
	(void)close(openat(store_fd, ".lock", O_CREAT | O_WRONLY, 0444));
	IS_INT(as_nobody(ask_whether_one_may_lock), 0);
}

int main(void)
{
	RUN_IN_STORE(the_url_is_the_real_path);
	RUN_IN_STORE(what_is_no_directory_is_no_store);
	RUN_IN_STORE(names_that_are_no_keys_are_invalid);
	RUN_IN_STORE(the_largest_keys_work);
	RUN_IN_STORE(reads_are_by_range_and_end_with_the_object);
	RUN_IN_STORE(an_open_object_keeps_its_version);
	RUN_IN_STORE(a_file_that_shrinks_reads_short);
	RUN_IN_STORE(other_kinds_of_files_are_refused);
	RUN_IN_STORE(no_link_leads_out_of_the_store);
	RUN_IN_STORE(a_directory_link_inside_the_store_is_followed);
	RUN_IN_STORE(an_object_and_a_directory_cannot_share_a_name);
	RUN_IN_STORE(put_file_stores_the_whole_file_and_its_tag);
	RUN_IN_STORE(copy_is_independent_of_its_source);
	RUN_IN_STORE(copy_works_where_links_do_not);
	RUN_IN_STORE(delete_takes_emptied_directories_along);
	RUN_IN_STORE(calls_heed_cancel_and_deadline);
	RUN_IN_STORE(what_the_system_denies_is_told_as_that);
	RUN_IN_STORE(what_may_not_be_written_is_told_without_trying);
	RUN_IN_STORE(a_put_that_fails_leaves_the_old_object_and_no_other);
	RUN_IN_STORE(every_lack_of_memory_is_told);
	return tap_done();
}
