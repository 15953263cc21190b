/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads to the local store, and pins. fallocate and fcntl are this
 * program's own, to be a poorer file system.
 */
#include "unit/uploads.h"

#include "store/local_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { BLOCK = SFS_UPLOAD_BLOCK_BYTES };

static bool is_direct_refused;
static bool is_allocation_refused;
static atomic_int direct_files;

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (!is_allocation_refused)
		return (int)syscall(SYS_fallocate, fd, mode, offset, len);
	errno = EOPNOTSUPP;
	return -1;
}

int fcntl(int fd, int command, ...)
{
	va_list args;
	long arg;

	va_start(args, command);
	arg = va_arg(args, long);
	va_end(args);
	if (command == F_SETFL && (arg & O_DIRECT) != 0) {
		if (is_direct_refused) {
			errno = EINVAL;
			return -1;
		}
		atomic_fetch_add(&direct_files, 1);
	}
	return (int)syscall(SYS_fcntl, fd, command, arg);
}

static uint8_t *aligned(size_t len)
{
	uint8_t *p = NULL;
	size_t i;

	if (posix_memalign((void **)&p, SFS_UPLOAD_ALIGN_BYTES, len) != 0)
		exit(1);
	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 11));
	return p;
}

static void has_bytes(const char *key, const uint8_t *want, size_t len)
{
	char *data = NULL;
	size_t got = 0;

	IS_INT(sfs_store_get(store, key, len, &data, &got, NULL, NULL, &err),
	       SFS_OK);
	OK(got == len && data != NULL && memcmp(data, want, len) == 0);
	sfs_free(data);
}

static void an_object_is_there_from_its_commit_on(void)
{
	struct sfs_upload *u = begin("a/b/k", 5);

	IS_STR(get_text("a/b/k"), "not_found");
	IS_INT(u->ops->write(u, "he", 2, NULL, &err), SFS_OK);
	IS_INT(u->ops->write(u, "llo", 3, NULL, &err), SFS_OK);
	IS_STR(get_text("a/b/k"), "not_found");
	IS_INT(names_in("a/b"), 1);
	IS_INT(u->ops->commit(u, NULL, &err), SFS_OK);
	IS_STR(get_text("a/b/k"), "hello");
	IS_INT(u->ops->write(u, "x", 1, NULL, &err), SFS_E_INVALID);
	IS_INT(u->ops->commit(u, NULL, &err), SFS_E_INVALID);
	u->ops->close(u);
	IS_INT(names_in("a/b"), 1);
	make("a/b/k", "other");
	IS_STR(get_text("a/b/k"), "other");
	make("empty", "");
	IS_STR(get_text("empty"), "");
}

static void an_upload_that_is_given_up_leaves_nothing(void)
{
	struct sfs_upload *u = begin("a/b/k", 5);

	IS_INT(u->ops->write(u, "he", 2, NULL, &err), SFS_OK);
	u->ops->close(u);
	IS_INT(names_in("."), 0);
	put_text("a/k", "old");
	u = begin("a/k", 5);
	u->ops->close(u);
	IS_STR(get_text("a/k"), "old");
	IS_INT(names_in("a"), 1);
	IS_INT(barrier(""), SFS_OK);
}

static void exactly_the_bytes_that_were_announced(void)
{
	struct sfs_upload *u = begin("k", 5);

	IS_INT(u->ops->write(u, "hell", 4, NULL, &err), SFS_OK);
	IS_INT(u->ops->commit(u, NULL, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "4 of 5");
	u->ops->close(u);
	u = begin("k", 5);
	IS_INT(u->ops->write(u, "hello!", 6, NULL, &err), SFS_E_INVALID);
	IS_INT(u->ops->commit(u, NULL, &err), SFS_E_INVALID);
	u->ops->close(u);
	IS_INT(names_in("."), 0);
}

/* Whole blocks and a tail, with and without what a file system may lack. */
static void blocks_and_tails_arrive_however_they_are_written(void)
{
	static const size_t tails[] = { 0, 1, 512, 4096, 5000 };
	uint8_t *data = aligned(3 * BLOCK + 8192);
	struct sfs_upload *u;
	size_t i, size;
	int kind;

	for (kind = 0; kind < 4; kind++) {
		is_direct_refused = (kind & 1) != 0;
		is_allocation_refused = (kind & 2) != 0;
		for (i = 0; i < 5; i++) {
			size = 3 * (size_t)BLOCK + tails[i];
			u = begin("k", size);
			for (size_t at = 0; at < size; at += BLOCK)
				IS_INT(u->ops->write(u, data + at,
				                     size - at < BLOCK
				                             ? size - at
				                             : BLOCK,
				                     NULL, &err),
				       SFS_OK);
			IS_INT(u->ops->commit(u, NULL, &err), SFS_OK);
			u->ops->close(u);
			has_bytes("k", data, size);
		}
	}
	is_direct_refused = false;
	is_allocation_refused = false;
	OK(atomic_load(&direct_files) > 0);
	IS_INT(barrier(""), SFS_OK);
	free(data);
}

static void pieces_of_any_size_and_place_arrive(void)
{
	uint8_t *data = aligned(3 * BLOCK);
	size_t at = 0, len = 1;
	struct sfs_upload *u;

	u = begin("k", 3 * BLOCK - 100);
	IS_INT(u->ops->write(u, data, 8192, NULL, &err), SFS_OK);
	for (at = 8192; at < 3 * BLOCK - 100; at += len) {
		len = len * 5 % 70001;
		if (len > 3 * BLOCK - 100 - at)
			len = 3 * BLOCK - 100 - at;
		IS_INT(u->ops->write(u, data + at, len, NULL, &err), SFS_OK);
	}
	IS_INT(u->ops->commit(u, NULL, &err), SFS_OK);
	u->ops->close(u);
	has_bytes("k", data, 3 * BLOCK - 100);
	free(data);
}

static void uploads_heed_the_call_and_refuse_bad_keys(void)
{
	struct sfs_call late = { 1, NULL };
	struct sfs_upload *u = NULL;

	IS_INT(store->ops->create(store, "../k", 1, &u, NULL, &err),
	       SFS_E_INVALID);
	IS_INT(store->ops->create(store, "k", 1, &u, &late, &err),
	       SFS_E_TIMEOUT);
	put_text("file", "x");
	IS_INT(store->ops->create(store, "file/k", 1, &u, NULL, &err),
	       SFS_E_NOT_DIR);
	OK(store->ops->create(store, "k", UINT64_MAX, &u, NULL, &err) !=
	   SFS_OK);
	u = begin("k", 1);
	IS_INT(u->ops->write(u, "x", 1, &late, &err), SFS_E_TIMEOUT);
	u->ops->close(u);
	u = begin("k", 1);
	IS_INT(u->ops->write(u, "x", 1, NULL, &err), SFS_OK);
	IS_INT(u->ops->commit(u, &late, &err), SFS_E_TIMEOUT);
	u->ops->close(u);
	IS_INT(names_in("."), 1);
	IS_INT(mkdirat(store_fd, "dir", 0755), 0);
	u = begin("dir", 1);
	IS_INT(u->ops->write(u, "x", 1, NULL, &err), SFS_OK);
	IS_INT(u->ops->commit(u, NULL, &err), SFS_E_IS_DIR);
	u->ops->close(u);
	IS_INT(names_in("."), 2);
}

/* A disk of 1 MiB, in a mount of this program's own. */
static int fill_small_disk(void)
{
	struct sfs_store *small = NULL;
	struct sfs_upload *u = NULL;
	uint8_t *data = aligned(BLOCK);
	enum sfs_rc early, late;

	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("small", store_dir, "tmpfs", 0, "size=1m") != 0)
		return 99;
	if (sfs_store_local_open(store_dir, &small, &err) != SFS_OK)
		return 1;
	early = small->ops->create(small, "s/k", 2 * BLOCK, &u, NULL, &err);
	if (early != SFS_E_NO_SPACE)
		return 2;
	/* without the claim, the writing tells */
	is_allocation_refused = true;
	if (small->ops->create(small, "s/k", 2 * BLOCK, &u, NULL, &err) !=
	    SFS_OK)
		return 3;
	late = u->ops->write(u, data, BLOCK, NULL, &err);
	if (late == SFS_OK)
		late = u->ops->write(u, data, BLOCK, NULL, &err);
	u->ops->close(u);
	is_allocation_refused = false;
	if (late != SFS_E_NO_SPACE)
		return 4;
	/* all of its room came back */
	if (small->ops->create(small, "k", BLOCK - 65536, &u, NULL, &err) !=
	    SFS_OK)
		return 5;
	u->ops->close(u);
	small->ops->close(small);
	free(data);
	return 0;
}

static void a_full_disk_is_told_early(void)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		printf("# not tested: mounting a small disk needs root\n");
		return;
	}
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(fill_small_disk());
	IS_INT(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		printf("# not tested: no mounts here\n");
	else
		IS_INT(status, 0);
}

static void pins_share_or_exclude(void)
{
	struct sfs_pin *a = NULL;
	struct sfs_pin *b = NULL;
	struct sfs_pin *c = NULL;

	put_text("s/k", "x");
	IS_INT(store->ops->pin(store, "s/k", false, &a, &err), SFS_OK);
	IS_INT(store->ops->pin(store, "s/k", false, &b, &err), SFS_OK);
	IS_INT(store->ops->pin(store, "s/k", true, &c, &err), SFS_E_BUSY);
	HAS_STR(err.msg, "s/k");
	store->ops->unpin(store, a);
	IS_INT(store->ops->pin(store, "s/k", true, &c, &err), SFS_E_BUSY);
	store->ops->unpin(store, b);
	IS_INT(store->ops->pin(store, "s/k", true, &c, &err), SFS_OK);
	IS_INT(store->ops->pin(store, "s/k", false, &a, &err), SFS_E_BUSY);
	IS_STR(get_text("s/k"), "x");
	IS_INT(store->ops->delete (store, "s/k", NULL, &err), SFS_OK);
	store->ops->unpin(store, c);
	IS_INT(store->ops->pin(store, "s/k", false, &a, &err), SFS_E_NOT_FOUND);
	IS_INT(store->ops->pin(store, "../k", false, &a, &err), SFS_E_INVALID);
	store->ops->unpin(store, NULL);
}

static void a_holder_that_dies_lets_go(void)
{
	struct sfs_pin *pin = NULL;
	int ready[2];
	int status;
	char byte;
	pid_t pid;

	put_text("k", "x");
	IS_INT(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		(void)store->ops->pin(store, "k", true, &pin, &err);
		(void)!write(ready[1], "", 1);
		(void)pause();
	}
	IS_INT(read(ready[0], &byte, 1), 1);
	IS_INT(store->ops->pin(store, "k", false, &pin, &err), SFS_E_BUSY);
	IS_INT(kill(pid, SIGKILL), 0);
	IS_INT(waitpid(pid, &status, 0), pid);
	IS_INT(store->ops->pin(store, "k", true, &pin, &err), SFS_OK);
	store->ops->unpin(store, pin);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void every_lack_of_memory_is_told(void)
{
	unsigned long n = 0;
	enum sfs_rc rc;

	do {
		unsigned long faults = sfs_alloc_fault_count();
		struct sfs_upload *u = NULL;
		struct sfs_pin *pin = NULL;

		sfs_alloc_fail_nth(++n);
		rc = store->ops->create(store, "s/d/k", 1, &u, NULL, &err);
		if (rc == SFS_OK)
			rc = u->ops->write(u, "x", 1, NULL, &err);
		if (rc == SFS_OK)
			rc = u->ops->commit(u, NULL, &err);
		if (u != NULL)
			u->ops->close(u);
		if (rc == SFS_OK)
			rc = barrier("");
		if (rc == SFS_OK)
			rc = store->ops->pin(store, "s/d/k", false, &pin, &err);
		store->ops->unpin(store, pin);
		sfs_alloc_fail_nth(0);
		IS_INT(rc, sfs_alloc_fault_count() > faults ? SFS_E_NO_MEMORY
		                                            : SFS_OK);
	} while (rc == SFS_E_NO_MEMORY && n < 50);
	OK(n > 4);
	IS_INT(names_in("s/d"), 1);
	IS_INT(sfs_local_of(store)->pending.fds, 0);
}

int main(void)
{
	RUN_IN_STORE(an_object_is_there_from_its_commit_on);
	RUN_IN_STORE(an_upload_that_is_given_up_leaves_nothing);
	RUN_IN_STORE(exactly_the_bytes_that_were_announced);
	RUN_IN_STORE(blocks_and_tails_arrive_however_they_are_written);
	RUN_IN_STORE(pieces_of_any_size_and_place_arrive);
	RUN_IN_STORE(uploads_heed_the_call_and_refuse_bad_keys);
	RUN_IN_STORE(a_full_disk_is_told_early);
	RUN_IN_STORE(pins_share_or_exclude);
	RUN_IN_STORE(a_holder_that_dies_lets_go);
	RUN_IN_STORE(every_lack_of_memory_is_told);
	return tap_done();
}
