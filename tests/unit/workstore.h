/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_WORKSTORE_H
#define SFS_TESTS_WORKSTORE_H

/* A local store in a directory of its own, removed at the end. */
#include "base/alloc.h"
#include "store/local.h"
#include "unit/tap.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static char work_dir[256];  /* holds the store and what lies beside it */
static char store_dir[280]; /* work_dir/store */
static int store_fd = -1;
static struct sfs_store *store;
static struct sfs_err err;

static inline void work_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(work_dir, sizeof(work_dir), "%s/sfs-store-XXXXXX",
	               tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(work_dir) == NULL || chmod(work_dir, 0755) != 0)
		TAP_FAIL("no directory %s", work_dir);
	(void)snprintf(store_dir, sizeof(store_dir), "%s/store", work_dir);
	if (mkdir(store_dir, 0755) != 0)
		TAP_FAIL("no directory %s", store_dir);
	store_fd = open(store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	IS_INT(sfs_store_local_open(store_dir, &store, &err), SFS_OK);
}

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void work_end(void)
{
	store->ops->close(store);
	store = NULL;
	(void)close(store_fd);
	if (nftw(work_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		printf("# %s is left behind\n", work_dir);
}

/* Runs one test on an empty store of its own. */
#define RUN_IN_STORE(test)    \
	do {                  \
		work_begin(); \
		RUN(test);    \
		work_end();   \
	} while (0)

static inline void put_text(const char *key, const char *text)
{
	IS_INT(store->ops->put(store, key, text, strlen(text), NULL, NULL,
	                       &err),
	       SFS_OK);
}

/* The bytes of an object as text, or the name of the code. */
static inline const char *get_text(const char *key)
{
	static char text[4096];
	char *data = NULL;
	size_t len = 0;
	enum sfs_rc rc = sfs_store_get(store, key, sizeof(text) - 1, &data,
	                               &len, NULL, NULL, &err);

	if (rc != SFS_OK)
		return sfs_rc_name(rc);
	memcpy(text, data, len + 1);
	sfs_free(data);
	return text;
}

static inline bool is_there(const char *path)
{
	struct stat st;

	return fstatat(store_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

#endif
