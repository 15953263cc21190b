/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The barrier of the local store, which makes uploads and copies durable.
 * fsync and syncfs are this program's own: it counts them by the file that
 * they sync, and makes them fail.
 */
#include "unit/uploads.h"

#include "store/local_internal.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static atomic_int syncs;       /* of files and directories */
static atomic_int whole_syncs; /* of the file system */
static char failing[100];      /* what has this at the end of its path */
static char watched[100];      /* the same */
static atomic_int watched_syncs;
static bool is_whole_failing;

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text);
	size_t b = strlen(end);

	return b > 0 && a >= b && strcmp(text + a - b, end) == 0;
}

int fsync(int fd)
{
	char link[40];
	char path[PATH_MAX];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	atomic_fetch_add(&syncs, 1);
	if (ends_with(path, watched))
		atomic_fetch_add(&watched_syncs, 1);
	if (ends_with(path, failing)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int syncfs(int fd)
{
	atomic_fetch_add(&whole_syncs, 1);
	if (is_whole_failing) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_syncfs, fd);
}

/* How many syncs a barrier takes. */
static int barrier_syncs(const char *prefix)
{
	int before = atomic_load(&syncs);

	IS_INT(barrier(prefix), SFS_OK);
	return atomic_load(&syncs) - before;
}

static void a_barrier_syncs_each_file_and_directory_once(void)
{
	int before = atomic_load(&syncs);

	make("s/1/a", "x");
	make("s/1/b", "x");
	make("s/2/a", "x");
	make("t/a", "x");
	IS_INT(store->ops->copy(store, "s/1/a", "s/1/c", NULL, &err), SFS_OK);
	IS_INT(atomic_load(&syncs) - before, 0);
	/* a, b, c; s/1; s and the store, which have new directories */
	IS_INT(barrier_syncs("s/1/"), 6);
	IS_INT(barrier_syncs("s/1/"), 0);
	IS_INT(barrier_syncs("s/"), 2); /* s/2 and its file */
	IS_INT(barrier_syncs("nothing/"), 0);
	IS_INT(barrier_syncs(""), 2);
	IS_INT(barrier_syncs(""), 0);
	make("s/1/a", "y");
	make("s/1/a", "z");
	IS_INT(barrier_syncs("s/"), 2);
}

static void a_put_is_durable_whoever_made_its_directories(void)
{
	int before;

	make("s/d/1/a", "x"); /* the store, s and s/d have not been synced */
	(void)snprintf(watched, sizeof(watched), "/s/d");
	atomic_store(&watched_syncs, 0);
	before = atomic_load(&syncs);
	put_text("s/d/1/b", "x");
	IS_INT(atomic_load(&watched_syncs), 1);
	/* those three, its own directory, and itself */
	IS_INT(atomic_load(&syncs) - before, 5);
	put_text("s/d/1/c", "x");
	IS_INT(atomic_load(&watched_syncs), 1);
	IS_INT(barrier_syncs(""), 2); /* s/d/1 and a */
	watched[0] = '\0';
}

static void what_is_deleted_or_put_needs_no_barrier(void)
{
	make("s/a", "x");
	make("s/b", "x");
	make("s/c", "x");
	IS_INT(store->ops->delete (store, "s/a", NULL, &err), SFS_OK);
	put_text("s/b", "y");
	(void)snprintf(failing, sizeof(failing), "/s/b");
	IS_INT(unlinkat(store_fd, "s/c", 0), 0); /* by somebody else */
	IS_INT(barrier("s/"), SFS_OK);
	failing[0] = '\0';
}

static void what_could_not_be_synced_stays_so_until_it_is_made_again(void)
{
	make("s/a", "x");
	make("s/b", "x");
	make("t/a", "x");
	(void)snprintf(failing, sizeof(failing), "/s/b");
	IS_INT(barrier("s/"), SFS_E_IO);
	HAS_STR(err.msg, "s/b");
	failing[0] = '\0';
	IS_INT(barrier("s/"), SFS_E_IO);
	HAS_STR(err.msg, "s/b");
	IS_INT(barrier(""), SFS_E_IO);
	IS_INT(barrier("t/"), SFS_OK);
	make("s/b", "y");
	IS_INT(barrier("s/"), SFS_OK);
	make("s/b", "z");
	(void)snprintf(failing, sizeof(failing), "/s/b");
	IS_INT(barrier(""), SFS_E_IO);
	failing[0] = '\0';
	IS_INT(store->ops->delete (store, "s/b", NULL, &err), SFS_OK);
	IS_INT(barrier(""), SFS_OK);
	IS_INT(store->ops->copy(store, "s/a", "s/b", NULL, &err), SFS_OK);
	(void)snprintf(failing, sizeof(failing), "/s/b");
	IS_INT(barrier(""), SFS_E_IO);
	failing[0] = '\0';
	IS_INT(store->ops->copy(store, "s/a", "s/b", NULL, &err), SFS_OK);
	IS_INT(barrier(""), SFS_OK);
}

static void objects_fail_with_the_directories_that_name_them(void)
{
	make("s/1/a", "x");
	make("s/2/a", "x");
	(void)snprintf(failing, sizeof(failing), "/s/1");
	IS_INT(barrier(""), SFS_E_IO);
	HAS_STR(err.msg, "s");
	failing[0] = '\0';
	IS_INT(barrier("s/1/"), SFS_E_IO);
	HAS_STR(err.msg, "s/1/a");
	IS_INT(barrier("s/2/"), SFS_OK);
	make("s/1/a", "x");
	IS_INT(barrier(""), SFS_OK);
	make("d/k", "x");
	(void)snprintf(failing, sizeof(failing), "/store");
	IS_INT(store->ops->put(store, "d/l", "x", 1, NULL, NULL, &err),
	       SFS_E_IO);
	failing[0] = '\0';
	IS_STR(get_text("d/l"), "not_found");
	IS_INT(barrier("d/"), SFS_E_IO);
}

static void many_changes_are_synced_with_the_whole_file_system(void)
{
	struct sfs_local_store *l = sfs_local_of(store);
	int before;
	char key[40];
	int i;

	put_text("from", "x");
	for (i = 0; i < 2100; i++) {
		(void)snprintf(key, sizeof(key), "s/%d", i);
		IS_INT(store->ops->copy(store, "from", key, NULL, &err),
		       SFS_OK);
	}
	before = atomic_load(&whole_syncs);
	IS_INT(barrier_syncs("s/"), 0);
	IS_INT(atomic_load(&whole_syncs) - before, 1);
	IS_INT(barrier_syncs(""), 0);
	IS_INT(atomic_load(&whole_syncs) - before, 1);
	for (i = 0; i < 2100; i++) {
		(void)snprintf(key, sizeof(key), "s/%d", i);
		IS_INT(store->ops->copy(store, "from", key, NULL, &err),
		       SFS_OK);
	}
	is_whole_failing = true;
	IS_INT(barrier("s/"), SFS_E_IO);
	is_whole_failing = false;
	IS_INT(barrier("s/"), SFS_E_IO);
	HAS_STR(err.msg, "s/");
	IS_INT(l->pending.fds, 0);
}

/* Files beyond the number of descriptors that may wait are synced at once. */
static void descriptors_that_wait_are_few(void)
{
	struct sfs_local_store *l = sfs_local_of(store);
	int before = atomic_load(&syncs);
	char key[40];
	int i;

	for (i = 0; i < 300; i++) {
		(void)snprintf(key, sizeof(key), "s/%d", i);
		make(key, "x");
	}
	IS_INT(l->pending.fds, 128);
	IS_INT(atomic_load(&syncs) - before, 300 - 128);
	IS_INT(barrier(""), SFS_OK);
	IS_INT(l->pending.fds, 0);
	make("s/1", "y");
	IS_INT(l->pending.fds, 1);
	make("s/1", "z");
	IS_INT(l->pending.fds, 1);
}

/* Many make objects and cross barriers; what one made is durable to it. */
static void *make_and_cross(void *arg)
{
	const char *name = arg;
	struct sfs_err e;
	long failures = 0;
	char prefix[40];
	char key[80];

	for (int i = 0; i < 40; i++) {
		struct sfs_upload *u = NULL;

		(void)snprintf(prefix, sizeof(prefix), "s/%d/", i % 3);
		(void)snprintf(key, sizeof(key), "%s%s/%d", prefix, name, i);
		if (store->ops->create(store, key, 1, &u, NULL, &e) != SFS_OK) {
			failures++;
			continue;
		}
		failures += u->ops->write(u, "x", 1, NULL, &e) != SFS_OK;
		failures += u->ops->commit(u, NULL, &e) != SFS_OK;
		u->ops->close(u);
		failures += store->ops->barrier(store, i % 5 ? prefix : "",
		                                NULL, &e) != SFS_OK;
		if (i % 4 == 0)
			failures += store->ops->delete (store, key, NULL, &e) !=
			            SFS_OK;
	}
	return (void *)failures;
}

static void barriers_side_by_side_leave_nothing_behind(void)
{
	static char names[4][2] = { "a", "b", "c", "d" };
	pthread_t threads[4];
	void *failures = NULL;

	for (int i = 0; i < 4; i++)
		IS_INT(pthread_create(&threads[i], NULL, make_and_cross,
		                      names[i]),
		       0);
	for (int i = 0; i < 4; i++) {
		IS_INT(pthread_join(threads[i], &failures), 0);
		IS_INT((long)failures, 0);
	}
	(void)barrier_syncs("");
	IS_INT(barrier_syncs(""), 0);
	IS_INT(sfs_local_of(store)->pending.fds, 0);
}

int main(void)
{
	RUN_IN_STORE(a_barrier_syncs_each_file_and_directory_once);
	RUN_IN_STORE(a_put_is_durable_whoever_made_its_directories);
	RUN_IN_STORE(what_is_deleted_or_put_needs_no_barrier);
	RUN_IN_STORE(what_could_not_be_synced_stays_so_until_it_is_made_again);
	RUN_IN_STORE(objects_fail_with_the_directories_that_name_them);
	RUN_IN_STORE(many_changes_are_synced_with_the_whole_file_system);
	RUN_IN_STORE(descriptors_that_wait_are_few);
	RUN_IN_STORE(barriers_side_by_side_leave_nothing_behind);
	return tap_done();
}
