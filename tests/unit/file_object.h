/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_FILE_OBJECT_H
#define SFS_TESTS_FILE_OBJECT_H

/*
 * Objects for tests that need no store: a file, or bytes in memory. They
 * count the reads and the largest of them.
 */
#include "shardyfs/store.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_object {
	struct sfs_object base;
	int fd;              /* -1: memory */
	const uint8_t *data; /* borrowed */
	atomic_ulong reads;
	atomic_ulong bytes;
	atomic_ulong largest; /* bytes of one read */
};

static inline enum sfs_rc
file_object_read(struct sfs_object *o, uint64_t offset, void *buf, size_t len,
                 size_t *got, const struct sfs_call *call, struct sfs_err *err)
{
	struct file_object *f = (struct file_object *)o;
	uint64_t left = offset < o->info.size ? o->info.size - offset : 0;
	ssize_t n;

	(void)call; /* reads of local bytes do not block */
	atomic_fetch_add_explicit(&f->reads, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&f->bytes, len, memory_order_relaxed);
	if (len > atomic_load_explicit(&f->largest, memory_order_relaxed))
		atomic_store_explicit(&f->largest, len, memory_order_relaxed);
	len = len < left ? len : (size_t)left;
	*got = len;
	if (f->fd < 0) {
		if (len > 0)
			memcpy(buf, f->data + offset, len);
		return SFS_OK;
	}
	n = pread(f->fd, buf, len, (off_t)offset);
	*got = n > 0 ? (size_t)n : 0;
	return n < 0 ? sfs_err_set(err, SFS_E_IO, "pread") : SFS_OK;
}

static inline void file_object_close(struct sfs_object *o)
{
	struct file_object *f = (struct file_object *)o;

	if (f->fd >= 0)
		(void)close(f->fd); /* read-only: nothing to lose */
	f->fd = -1;
}

static const struct sfs_object_ops file_object_ops = {
	.read = file_object_read,
	.close = file_object_close,
};

static inline bool file_object_open(struct file_object *f, const char *path)
{
	struct stat st;

	memset(f, 0, sizeof(*f));
	f->base.ops = &file_object_ops;
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) != 0)
		return false;
	f->base.info.size = (uint64_t)st.st_size;
	return true;
}

static inline void file_object_memory(struct file_object *f,
                                      const uint8_t *data, size_t size)
{
	memset(f, 0, sizeof(*f));
	f->base.ops = &file_object_ops;
	f->base.info.size = size;
	f->fd = -1;
	f->data = data;
}

#endif
