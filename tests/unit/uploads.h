/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_UPLOADS_H
#define SFS_TESTS_UPLOADS_H

/* Uploads to the store of unit/workstore.h, in few words. */
#include "unit/workstore.h"

#include <dirent.h>

static inline struct sfs_upload *begin(const char *key, uint64_t size)
{
	struct sfs_upload *u = NULL;

	if (store->ops->create(store, key, size, &u, NULL, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
	return u;
}

/* Stores a small object, as far as the barrier. */
static inline void make(const char *key, const char *text)
{
	struct sfs_upload *u = begin(key, strlen(text));

	IS_INT(u->ops->write(u, text, strlen(text), NULL, &err), SFS_OK);
	IS_INT(u->ops->commit(u, NULL, &err), SFS_OK);
	u->ops->close(u);
}

static inline enum sfs_rc barrier(const char *prefix)
{
	return store->ops->barrier(store, prefix, NULL, &err);
}

/* Names in a directory of the store, ".tmp-" ones included. */
static inline int names_in(const char *dir)
{
	int fd = openat(store_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	int n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += strcmp(e->d_name, ".") != 0 &&
		     strcmp(e->d_name, "..") != 0;
	if (d != NULL)
		closedir(d);
	return n;
}

#endif
