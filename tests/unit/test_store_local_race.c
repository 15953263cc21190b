/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local store between processes and threads: one wins, a dead holder
 * blocks nobody, a watcher wakes. Where a test must know that another thread
 * waits, it looks for what the kernel shows of it.
 */
#include "unit/workstore.h"

#include "base/clock.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/wait.h>

enum { LONG_MS = 20000, SHORT_MS = 30 };

static bool is_inotify_missing;

/* This program's own, to be a system without free watches. */
int inotify_init1(int flags)
{
	int fd = inotify_init();

	if (fd >= 0 && (flags & IN_NONBLOCK) != 0)
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!is_inotify_missing)
		return fd;
	(void)close(fd);
	return -1;
}

static struct sfs_call until(int64_t ms, const struct sfs_cancel *cancel)
{
	struct sfs_call call = { sfs_clock_ms() + ms, cancel };

	return call;
}

static enum sfs_rc put_if(const char *key, const char *text,
                          const struct sfs_tag *expected, struct sfs_tag *tag,
                          const struct sfs_call *call)
{
	struct sfs_err e;

	return store->ops->put_if(store, key, text, strlen(text), expected, tag,
	                          call, &e);
}

static void put_if_wants_the_version_it_was_told(void)
{
	struct sfs_tag first = { "" };
	struct sfs_tag second = { "" };
	const struct sfs_tag none = { "" };

	IS_INT(put_if("k", "1", &second, &first, NULL), SFS_OK);
	IS_INT(put_if("k", "2", NULL, NULL, NULL), SFS_E_CONFLICT);
	IS_INT(put_if("k", "2", &none, NULL, NULL), SFS_E_CONFLICT);
	IS_INT(put_if("k", "2", &first, &second, NULL), SFS_OK);
	IS_INT(put_if("k", "3", &first, NULL, NULL), SFS_E_CONFLICT);
	IS_STR(get_text("k"), "2");
	IS_INT(put_if("absent", "3", &first, NULL, NULL), SFS_E_CONFLICT);
	OK(!is_there("absent"));
	IS_INT(put_if("a/b/new", "4", NULL, NULL, NULL), SFS_OK);
	IS_STR(get_text("a/b/new"), "4");
	IS_INT(put_if("../k", "4", NULL, NULL, NULL), SFS_E_INVALID);
}

/* Adds one to the number in "counter", times; how often it won. */
static int count_up(int times)
{
	int conflicts = 0;

	while (times > 0) {
		struct sfs_object_info info;
		struct sfs_err e;
		char *data = NULL;
		size_t len = 0;
		char next[32];
		enum sfs_rc rc;

		if (sfs_store_get(store, "counter", 64, &data, &len, &info,
		                  NULL, &e) != SFS_OK)
			return -1;
		(void)snprintf(next, sizeof(next), "%ld",
		               strtol(data, NULL, 10) + 1);
		sfs_free(data);
		rc = put_if("counter", next, &info.tag, NULL, NULL);
		if (rc == SFS_OK)
			times--;
		else if (rc == SFS_E_CONFLICT)
			conflicts++;
		else
			return -1;
	}
	return conflicts;
}

static void of_many_processes_each_change_counts_once(void)
{
	enum { PROCESSES = 3, TIMES = 40 };
	pid_t pids[PROCESSES];
	int status;

	put_text("counter", "0");
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(count_up(TIMES) < 0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		status = -1;
		IS_INT(waitpid(pids[i], &status, 0), pids[i]);
		IS_INT(status, 0);
	}
	IS_STR(get_text("counter"), "120");
}

static void *count_up_in_thread(void *arg)
{
	*(int *)arg = count_up(40);
	return NULL;
}

static void of_many_threads_each_change_counts_once(void)
{
	enum { THREADS = 3 };
	pthread_t threads[THREADS];
	int conflicts[THREADS];

	put_text("counter", "0");
	for (int i = 0; i < THREADS; i++)
		IS_INT(pthread_create(&threads[i], NULL, count_up_in_thread,
		                      &conflicts[i]),
		       0);
	for (int i = 0; i < THREADS; i++) {
		IS_INT(pthread_join(threads[i], NULL), 0);
		OK(conflicts[i] >= 0);
	}
	IS_STR(get_text("counter"), "120");
}

/* Takes the lock as another program would. */
static int hold_lock(const char *owner)
{
	struct flock whole;
	int fd = openat(store_fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	memset(&whole, 0, sizeof(whole));
	whole.l_type = F_WRLCK;
	if (fcntl(fd, F_OFD_SETLK, &whole) != 0)
		TAP_FAIL("cannot lock");
	if (write(fd, owner, strlen(owner)) < 0)
		TAP_FAIL("cannot write the owner");
	return fd;
}

static void a_held_lock_is_busy_at_the_deadline_and_names_its_holder(void)
{
	struct sfs_call call = until(SHORT_MS, NULL);
	int fd = hold_lock("somehost 4711\n");

	IS_INT(store->ops->put_if(store, "k", "x", 1, NULL, NULL, &call, &err),
	       SFS_E_BUSY);
	HAS_STR(err.msg, "held by somehost 4711");
	OK(sfs_clock_ms() >= call.deadline_ms);
	OK(!is_there("k"));
	put_text("k", "x"); /* only put_if takes the lock */
	(void)close(fd);
	IS_INT(put_if("k2", "x", NULL, NULL, NULL), SFS_OK);
}

static void a_killed_holder_blocks_nobody(void)
{
	int ready[2];
	int status = -1;
	char byte;
	pid_t pid;

	IS_INT(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		(void)hold_lock("the child");
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				(void)pause();
		_exit(1);
	}
	IS_INT(read(ready[0], &byte, 1), 1);
	{
		struct sfs_call call = until(SHORT_MS, NULL);

		IS_INT(put_if("k", "x", NULL, NULL, &call), SFS_E_BUSY);
	}
	IS_INT(kill(pid, SIGKILL), 0);
	IS_INT(waitpid(pid, &status, 0), pid);
	IS_INT(put_if("k", "x", NULL, NULL, NULL), SFS_OK);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void a_lock_that_is_no_file_is_refused(void)
{
	IS_INT(mkfifoat(store_fd, ".lock", 0644), 0);
	IS_INT(put_if("k", "x", NULL, NULL, NULL), SFS_E_CORRUPT);
	IS_INT(unlinkat(store_fd, ".lock", 0), 0);
	IS_INT(symlinkat("../elsewhere", store_fd, ".lock"), 0);
	OK(put_if("k", "x", NULL, NULL, NULL) != SFS_OK);
	OK(!is_there("../elsewhere"));
}

/* One call in another thread. */
struct waiter {
	pthread_t thread;
	const char *key;
	struct sfs_call call;
	struct sfs_tag tag;
	struct sfs_err err;
	enum sfs_rc rc;
	bool is_put; /* put_if instead of watch */
};

static void *wait_in_thread(void *arg)
{
	struct waiter *w = arg;

	if (w->is_put)
		w->rc = store->ops->put_if(store, w->key, "x", 1, NULL, NULL,
		                           &w->call, &w->err);
	else
		w->rc = store->ops->watch(store, w->key, &w->tag, &w->call,
		                          &w->err);
	return NULL;
}

static void begin_wait(struct waiter *w)
{
	IS_INT(pthread_create(&w->thread, NULL, wait_in_thread, w), 0);
}

static void end_wait(struct waiter *w)
{
	IS_INT(pthread_join(w->thread, NULL), 0);
}

/* Waits until this process has the lock's file open so many times. */
static void await_lock_files(int count)
{
	int64_t end = sfs_clock_ms() + LONG_MS;
	int seen = 0;

	while (seen < count && sfs_clock_ms() < end) {
		char path[64];
		char target[512];

		seen = 0;
		for (int fd = 0; fd < 64; fd++) {
			ssize_t len;

			(void)snprintf(path, sizeof(path), "/proc/self/fd/%d",
			               fd);
			len = readlink(path, target, sizeof(target) - 1);
			target[len > 0 ? len : 0] = '\0';
			seen += len > 6 &&
			        strcmp(target + len - 6, "/.lock") == 0;
		}
		(void)sched_yield();
	}
	IS_INT(seen, count);
}

/*
 *   1. old holds the lock, a put_if waits for it
 *   2. somebody removes the file, new locks another one of that name
 *   3. old lets go: the put_if has the lock of a file without a name
 */
static void a_lock_file_that_was_removed_does_not_split_the_store(void)
{
	struct waiter w = { .key = "k", .is_put = true };
	int old = hold_lock("old");
	int fd;

	w.call = until(10 * SHORT_MS, NULL);
	begin_wait(&w);
	await_lock_files(2);
	IS_INT(unlinkat(store_fd, ".lock", 0), 0);
	fd = hold_lock("new");
	(void)close(old);
	end_wait(&w);
	IS_INT(w.rc, SFS_E_BUSY);
	HAS_STR(w.err.msg, "new");
	OK(!is_there("k"));
	(void)close(fd);
}

/* Counts this process's inotify watches. */
static int count_watches(void)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *e;
	int count = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		char path[300];
		char line[256];
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%s",
		               e->d_name);
		f = fopen(path, "re");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			count += strncmp(line, "inotify wd:", 11) == 0;
		if (f != NULL)
			(void)fclose(f);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return count;
}

static void await_watches(int count)
{
	int64_t end = sfs_clock_ms() + LONG_MS;

	while (count_watches() < count && sfs_clock_ms() < end)
		(void)sched_yield();
	OK(count_watches() >= count);
}

static void watch_tells_at_once_what_changed_before(void)
{
	struct sfs_tag known = { "" };
	struct sfs_tag want;
	struct sfs_call late = { 1, NULL };

	put_text("k", "1");
	sfs_tag_hash(&want, "1", 1);
	IS_INT(store->ops->watch(store, "k", &known, NULL, &err), SFS_OK);
	IS_STR(known.text, want.text);
	IS_INT(store->ops->watch(store, "k", &known, &late, &err),
	       SFS_E_TIMEOUT);
	IS_STR(known.text, want.text);
	IS_INT(store->ops->delete (store, "k", NULL, &err), SFS_OK);
	/* the deadline is over, and yet it looks once */
	IS_INT(store->ops->watch(store, "k", &known, &late, &err), SFS_OK);
	IS_STR(known.text, "");
	IS_INT(count_watches(), 0);
}

static void the_same_bytes_again_are_no_change(void)
{
	struct waiter w = { .key = "k", .call = until(LONG_MS, NULL) };
	struct sfs_tag want;

	put_text("k", "1");
	sfs_tag_hash(&w.tag, "1", 1);
	begin_wait(&w);
	await_watches(1);
	put_text("k", "1");
	put_text("other", "2");
	put_text("k", "2");
	end_wait(&w);
	IS_INT(w.rc, SFS_OK);
	sfs_tag_hash(&want, "2", 1);
	IS_STR(w.tag.text, want.text);
}

/* How long a watcher takes to see what change() does; it must not time out. */
static void see_change(const char *key, const char *before,
                       void (*change)(void))
{
	struct waiter w = { .key = key, .call = until(LONG_MS, NULL) };

	if (before != NULL)
		sfs_tag_hash(&w.tag, before, strlen(before));
	begin_wait(&w);
	await_watches(1);
	change();
	end_wait(&w);
	IS_INT(w.rc, SFS_OK);
	OK(sfs_clock_ms() < w.call.deadline_ms - LONG_MS / 2);
	IS_INT(count_watches(), 0);
}

static void change_by_put(void)
{
	put_text("a/k", "new");
}

static void change_by_delete(void)
{
	IS_INT(store->ops->delete (store, "a/k", NULL, &err), SFS_OK);
}

static void change_in_place(void)
{
	int fd = openat(store_fd, "a/k", O_WRONLY | O_TRUNC | O_CLOEXEC);

	IS_INT(write(fd, "new", 3), 3);
	(void)close(fd);
}

static void change_by_moving_the_directory(void)
{
	IS_INT(renameat(store_fd, "a", store_fd, "b"), 0);
}

static void every_way_to_change_is_seen(void)
{
	see_change("a/k", NULL, change_by_put); /* the directory is new too */
	see_change("a/k", "new", change_by_delete);
	put_text("a/k", "old");
	see_change("a/k", "old", change_by_put);
	put_text("a/k", "old");
	see_change("a/k", "old", change_in_place);
	put_text("a/k", "old");
	see_change("a/k", "old", change_by_moving_the_directory);
}

static void a_watch_without_events_still_sees_changes(void)
{
	struct waiter w = { .key = "k", .call = until(LONG_MS, NULL) };

	is_inotify_missing = true;
	begin_wait(&w);
	put_text("k", "x");
	end_wait(&w);
	is_inotify_missing = false;
	IS_INT(w.rc, SFS_OK);
	OK(sfs_clock_ms() < w.call.deadline_ms - LONG_MS / 2);
}

static void waiting_ends_when_cancelled(void)
{
	struct sfs_cancel cancel;
	struct waiter watch = { .key = "k" };
	struct waiter put = { .key = "k", .is_put = true };
	int64_t begin = sfs_clock_ms();
	int fd = hold_lock("me");

	IS_INT(sfs_cancel_init(&cancel, &err), SFS_OK);
	watch.call = until(LONG_MS, &cancel);
	put.call = until(LONG_MS, &cancel);
	begin_wait(&watch);
	begin_wait(&put);
	await_watches(1);
	sfs_cancel_raise(&cancel);
	end_wait(&watch);
	end_wait(&put);
	IS_INT(watch.rc, SFS_E_CANCELED);
	IS_INT(put.rc, SFS_E_CANCELED);
	OK(sfs_clock_ms() - begin < LONG_MS / 2);
	(void)close(fd);
	sfs_cancel_release(&cancel);
}

static atomic_bool is_stopping;

static void *put_and_delete(void *arg)
{
	const char *key = arg;
	struct sfs_err e;
	enum sfs_rc rc = SFS_OK;

	for (int i = 0; rc == SFS_OK && i < 150; i++) {
		rc = store->ops->put(store, key, "x", 1, NULL, NULL, &e);
		if (rc == SFS_OK)
			rc = store->ops->delete (store, key, NULL, &e);
	}
	return rc == SFS_OK ? NULL : arg;
}

static void puts_survive_deletes_that_empty_their_directory(void)
{
	static char key1[] = "a/b/1";
	static char key2[] = "a/b/2";
	pthread_t threads[2];
	void *failed = NULL;

	IS_INT(pthread_create(&threads[0], NULL, put_and_delete, key1), 0);
	IS_INT(pthread_create(&threads[1], NULL, put_and_delete, key2), 0);
	IS_INT(pthread_join(threads[0], &failed), 0);
	OK(failed == NULL);
	IS_INT(pthread_join(threads[1], &failed), 0);
	OK(failed == NULL);
	OK(!is_there("a"));
}

static void *replace_often(void *arg)
{
	struct sfs_err e;
	char bytes[3000];

	for (int i = 0; !atomic_load(&is_stopping); i++) {
		memset(bytes, 'a' + i % 26, sizeof(bytes));
		if (store->ops->put(store, "k", bytes, 1000 + (size_t)i % 2000,
		                    NULL, NULL, &e) != SFS_OK)
			return arg;
	}
	return NULL;
}

static void a_reader_never_sees_two_versions(void)
{
	pthread_t thread;
	void *failed = NULL;

	put_text("k", "aaa");
	atomic_store(&is_stopping, false);
	IS_INT(pthread_create(&thread, NULL, replace_often, &failed), 0);
	for (int i = 0; i < 2000; i++) {
		const char *text = get_text("k");
		char first[2] = { text[0], '\0' };

		if (strspn(text, first) != strlen(text))
			TAP_FAIL("mixed: %s", text);
	}
	atomic_store(&is_stopping, true);
	IS_INT(pthread_join(thread, &failed), 0);
	OK(failed == NULL);
}

int main(void)
{
	RUN_IN_STORE(put_if_wants_the_version_it_was_told);
	RUN_IN_STORE(of_many_processes_each_change_counts_once);
	RUN_IN_STORE(of_many_threads_each_change_counts_once);
	RUN_IN_STORE(a_held_lock_is_busy_at_the_deadline_and_names_its_holder);
	RUN_IN_STORE(a_lock_file_that_was_removed_does_not_split_the_store);
	RUN_IN_STORE(a_killed_holder_blocks_nobody);
	RUN_IN_STORE(a_lock_that_is_no_file_is_refused);
	RUN_IN_STORE(watch_tells_at_once_what_changed_before);
	RUN_IN_STORE(the_same_bytes_again_are_no_change);
	RUN_IN_STORE(every_way_to_change_is_seen);
	RUN_IN_STORE(a_watch_without_events_still_sees_changes);
	RUN_IN_STORE(waiting_ends_when_cancelled);
	RUN_IN_STORE(puts_survive_deletes_that_empty_their_directory);
	RUN_IN_STORE(a_reader_never_sees_two_versions);
	return tap_done();
}
