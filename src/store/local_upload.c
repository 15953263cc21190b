/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that are written front to back. Their room is claimed first, so
 * that a full disk is told before any work. The bytes go past the page cache
 * (O_DIRECT) as long as they come in whole aligned blocks: they are read back
 * much later, if ever here, and would push out what readers use. From the
 * first piece that is not aligned on, the rest goes through the cache.
 *
 *   OPEN -> commit -> (visible) -> close
 *        -> close: nothing stays, not even directories that it made
 */
#include "store/local_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_MAX_BYTES = 16 << 20 }; /* between two looks at the deadline */

struct local_upload {
	struct sfs_upload base;
	struct sfs_local_store *store;
	struct sfs_local_staged staged;
	uint64_t size;
	uint64_t offset;
	bool is_direct;
	bool has_dirty; /* bytes that went through the page cache */
	bool is_broken;
	bool is_committed;
	char key[];
};

static bool is_aligned(uint64_t offset, const void *data, size_t len)
{
	return (offset | (uintptr_t)data | len) % SFS_UPLOAD_ALIGN_BYTES == 0;
}

/* False: the file system does not take it. */
static bool set_direct(int fd, bool is_direct)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return false;
	flags = is_direct ? flags | O_DIRECT : flags & ~O_DIRECT;
	return fcntl(fd, F_SETFL, flags) == 0;
}

static enum sfs_rc claim(int fd, const char *key, uint64_t size,
                         struct sfs_err *err)
{
	if (size > INT64_MAX)
		return sfs_err_set(err, SFS_E_TOO_BIG, "%s is too large", key);
	while (size > 0 && fallocate(fd, 0, 0, (off_t)size) != 0) {
		if (errno == EINTR)
			continue;
		/* a file system without it says so when it is written */
		if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
			break;
		return sfs_err_sys(err, errno,
		                   "no room for the %" PRIu64 " bytes of %s",
		                   size, key);
	}
	return SFS_OK;
}

static enum sfs_rc write_some(struct local_upload *u, const char *data,
                              size_t len, size_t *done, struct sfs_err *err)
{
	int fd = u->staged.file.fd;
	ssize_t n;

	*done = 0;
	if (u->is_direct && !is_aligned(u->offset, data, len)) {
		if (!set_direct(fd, false))
			return sfs_err_sys(err, errno, "cannot write %s",
			                   u->key);
		u->is_direct = false;
	}
	n = pwrite(fd, data, len, (off_t)u->offset);
	if (n > 0) {
		*done = (size_t)n;
		u->offset += (uint64_t)n;
		u->has_dirty |= !u->is_direct;
	} else if (n < 0 && errno == EINVAL && u->is_direct) {
		/* blocks of this disk are larger: once more, not directly */
		u->is_direct = false;
		if (!set_direct(fd, false))
			return sfs_err_sys(err, errno, "cannot write %s",
			                   u->key);
	} else if (n == 0) {
		return sfs_err_sys(err, EIO, "cannot write %s", u->key);
	} else if (n < 0 && errno != EINTR) {
		return sfs_err_sys(err, errno, "cannot write %s", u->key);
	}
	return SFS_OK;
}

static enum sfs_rc check_open(const struct local_upload *u, struct sfs_err *err)
{
	if (u->is_broken || u->is_committed)
		return sfs_err_set(err, SFS_E_INVALID, "%s: the upload %s",
		                   u->key, u->is_broken ? "failed" : "is over");
	return SFS_OK;
}

static enum sfs_rc upload_write(struct sfs_upload *base, const void *data,
                                size_t len, const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct local_upload *u = (struct local_upload *)base;
	enum sfs_rc rc = check_open(u, err);
	const char *p = data;
	size_t done;

	if (rc == SFS_OK && len > u->size - u->offset)
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "%s: more than the %" PRIu64
		                 " bytes announced",
		                 u->key, u->size);
	while (rc == SFS_OK && len > 0) {
		size_t part = len < WRITE_MAX_BYTES ? len : WRITE_MAX_BYTES;

		rc = sfs_call_check(call, u->key, err);
		if (rc != SFS_OK)
			break;
		rc = write_some(u, p, part, &done, err);
		p += done;
		len -= done;
	}
	if (rc != SFS_OK)
		u->is_broken = true;
	return rc;
}

static enum sfs_rc upload_commit(struct sfs_upload *base,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct local_upload *u = (struct local_upload *)base;
	enum sfs_rc rc = check_open(u, err);

	if (rc == SFS_OK && u->offset != u->size)
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "%s: %" PRIu64 " of %" PRIu64
		                 " bytes were written",
		                 u->key, u->offset, u->size);
	if (rc == SFS_OK)
		rc = sfs_local_staged_publish(u->store, &u->staged, u->key,
		                              u->has_dirty, call, err);
	u->is_committed = rc == SFS_OK;
	u->is_broken = rc != SFS_OK;
	return rc;
}

static void upload_close(struct sfs_upload *base)
{
	struct local_upload *u = (struct local_upload *)base;

	sfs_local_staged_release(&u->staged);
	if (!u->is_committed)
		sfs_local_remove_empty_parents(u->store, u->key);
	sfs_free(u);
}

static const struct sfs_upload_ops upload_ops = {
	.write = upload_write,
	.commit = upload_commit,
	.close = upload_close,
};

enum sfs_rc sfs_local_create(struct sfs_store *s, const char *key,
                             uint64_t size, struct sfs_upload **upload_out,
                             const struct sfs_call *call, struct sfs_err *err)
{
	static const struct sfs_local_staged none = SFS_LOCAL_STAGED_INIT;
	enum sfs_rc rc = sfs_local_check_write(key, call, err);
	size_t key_bytes = strlen(key) + 1;
	struct local_upload *u;

	if (rc != SFS_OK)
		return rc;
	u = sfs_calloc(1, sizeof(*u) + key_bytes);
	if (u == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory", key);
	u->base.ops = &upload_ops;
	u->store = sfs_local_of(s);
	u->staged = none;
	u->size = size;
	memcpy(u->key, key, key_bytes);
	rc = sfs_local_staged_begin(u->store, key, &u->staged, call, err);
	if (rc == SFS_OK)
		rc = claim(u->staged.file.fd, key, size, err);
	if (rc != SFS_OK) {
		upload_close(&u->base);
		return rc;
	}
	u->is_direct = size >= SFS_UPLOAD_ALIGN_BYTES &&
	               set_direct(u->staged.file.fd, true);
	*upload_out = &u->base;
	return SFS_OK;
}
