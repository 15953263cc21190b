/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to the local store. Every object is made beside its place and
 * renamed into it; base/atomicfile keeps the order of the syncs. Directories
 * come and go with the objects: a put makes them, and syncs those above its
 * own before it commits, whoever made them; and a delete removes those that
 * it emptied. The two race like this, and the put begins again at 1:
 *   1. put opens the directory
 *   2. delete finds it empty and removes it
 *   3. put creates its file: ENOENT
 */
#include "store/local_internal.h"

#include "base/alloc.h"
#include "base/atomicfile.h"
#include "store/tag.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum {
	PLACE_TRIES = 100,
	COPY_BYTES = 1 << 20,
	COPY_RANGE_BYTES = 64 << 20, /* between two looks at the deadline */
};

/* Names the key in an error of base/, which does not know it. */
static enum sfs_rc with_key(enum sfs_rc rc, const char *key,
                            struct sfs_err *err)
{
	if (rc != SFS_OK && err != NULL)
		(void)sfs_err_wrap(err, "%s", key);
	return rc;
}

void sfs_local_staged_release(struct sfs_local_staged *g)
{
	sfs_atomicfile_abort(&g->file);
	if (g->at.dir_fd >= 0)
		(void)close(g->at.dir_fd);
	g->at.dir_fd = -1;
}

enum sfs_rc sfs_local_check_write(const char *key, const struct sfs_call *call,
                                  struct sfs_err *err)
{
	enum sfs_rc rc = sfs_call_check(call, key, err);

	if (rc == SFS_OK)
		rc = sfs_local_key_check(key, err);
	for (const char *p = key; rc == SFS_OK && *p != '\0'; p++) {
		size_t len = strcspn(p, "/");

		if (len > NAME_MAX)
			return sfs_err_set(err, SFS_E_INVALID,
			                   "%s: a segment is longer than %d "
			                   "bytes",
			                   key, NAME_MAX);
		p += len;
		if (*p == '\0')
			break;
	}
	return rc;
}

/*
 * Makes the last segment of path in parent_fd. EEXIST is noted as a change,
 * too: whoever made it may not have synced it yet.
 */
static enum sfs_rc make_dir(struct sfs_local_store *l, int parent_fd,
                            const char *path, struct sfs_err *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;
	struct sfs_local_change *parent = NULL;
	enum sfs_rc rc;
	int sys_errno;

	rc = sfs_local_change_new(path, len, true, &parent, err);
	if (rc != SFS_OK)
		return rc;
	sys_errno = sfs_local_pending_mkdir(
		l, parent_fd, slash != NULL ? slash + 1 : path, parent);
	if (sys_errno != 0)
		return sfs_err_sys(err, sys_errno, "cannot make directory %s",
		                   path);
	return SFS_OK;
}

/* Replaces *fd by the directory at path, which it makes if it is missing. */
static enum sfs_rc enter_dir(struct sfs_local_store *l, const char *path,
                             int *fd, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	int below;

	below = sfs_local_open_beneath(l, path, O_RDONLY | O_DIRECTORY);
	if (below == -ENOENT) {
		rc = make_dir(l, *fd, path, err);
		if (rc != SFS_OK)
			return rc;
		below = sfs_local_open_beneath(l, path, O_RDONLY | O_DIRECTORY);
	}
	if (below == -ENOTDIR)
		return sfs_err_set(err, SFS_E_NOT_DIR,
		                   "%s is an object, not a directory", path);
	if (below < 0)
		return sfs_local_path_error(-below, path, err);
	(void)close(*fd);
	*fd = below;
	return SFS_OK;
}

static enum sfs_rc make_dirs(struct sfs_local_store *l, const char *key,
                             struct sfs_err *err)
{
	char path[SFS_STORE_KEY_MAX + 1];
	enum sfs_rc rc = SFS_OK;
	int fd;

	fd = sfs_local_open_beneath(l, "", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return sfs_local_path_error(-fd, l->url, err);
	for (size_t i = 0; rc == SFS_OK && key[i] != '\0'; i++) {
		if (key[i] == '/') {
			memcpy(path, key, i);
			path[i] = '\0';
			rc = enter_dir(l, path, &fd, err);
		}
	}
	(void)close(fd);
	return rc;
}

/* Opens the directory of a key for writing, made if it is missing. */
static enum sfs_rc place_make(struct sfs_local_store *l, const char *key,
                              struct sfs_local_place *at, struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_local_place_open(l, key, O_RDONLY, at, err);
	if (rc != SFS_E_NOT_FOUND)
		return rc;
	rc = make_dirs(l, key, err);
	if (rc != SFS_OK)
		return rc;
	return sfs_local_place_open(l, key, O_RDONLY, at, err);
}

static enum sfs_rc no_place(const char *key, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_TRANSIENT,
	                   "%s: its directory keeps disappearing", key);
}

enum sfs_rc sfs_local_staged_begin(struct sfs_local_store *l, const char *key,
                                   struct sfs_local_staged *g,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	for (int i = 0; i < PLACE_TRIES; i++) {
		enum sfs_rc rc = sfs_call_check(call, key, err);

		if (rc != SFS_OK)
			return rc;
		rc = place_make(l, key, &g->at, err);
		if (rc == SFS_OK)
			rc = with_key(sfs_atomicfile_begin(&g->file,
			                                   g->at.dir_fd, err),
			              key, err);
		if (rc != SFS_E_NOT_FOUND)
			return rc;
		sfs_local_staged_release(g);
	}
	return no_place(key, err);
}

/* Durable, with its name. */
static enum sfs_rc staged_commit(struct sfs_local_store *l,
                                 struct sfs_local_staged *g, const char *key,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	enum sfs_rc rc = sfs_local_pending_settle(l, key, call, err);

	if (rc == SFS_OK)
		rc = sfs_call_check(call, key, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_atomicfile_commit(&g->file, g->at.name, false, err);
	if (rc == SFS_OK)
		sfs_local_pending_drop(l, key);
	return with_key(rc, key, err);
}

/* Syncs the file unless its descriptor can wait for the barrier. */
static enum sfs_rc settle_data(struct sfs_local_store *l, int fd,
                               const char *key, bool *is_kept,
                               struct sfs_err *err)
{
	*is_kept = sfs_local_pending_reserve(l);
	while (!*is_kept && fsync(fd) != 0)
		if (errno != EINTR)
			return sfs_err_sys(err, errno, "cannot sync %s", key);
	return SFS_OK;
}

/* Renames it, and notes that; object and dir are taken on success. */
static enum sfs_rc publish(struct sfs_local_store *l,
                           struct sfs_local_staged *g,
                           struct sfs_local_change *object,
                           struct sfs_local_change *dir, bool is_kept,
                           struct sfs_err *err)
{
	struct stat st;
	enum sfs_rc rc;
	int fd = -1;

	if (fstat(g->file.fd, &st) != 0)
		return sfs_err_sys(err, errno, "cannot stat");
	rc = sfs_atomicfile_rename(&g->file, g->at.name, &fd, err);
	if (rc != SFS_OK)
		return rc;
	if (!is_kept) {
		(void)close(fd); /* nothing in it is unwritten */
		fd = -1;
	}
	sfs_local_pending_note(l, object, dir, fd, st.st_dev);
	return SFS_OK;
}

enum sfs_rc sfs_local_staged_publish(struct sfs_local_store *l,
                                     struct sfs_local_staged *g,
                                     const char *key, bool has_dirty,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	const char *slash = strrchr(key, '/');
	size_t dir_len = slash != NULL ? (size_t)(slash - key) : 0;
	struct sfs_local_change *object = NULL;
	struct sfs_local_change *dir = NULL;
	bool is_kept = false;
	enum sfs_rc rc;

	rc = sfs_call_check(call, key, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_local_change_new(key, strlen(key), false, &object, err);
	if (rc == SFS_OK)
		rc = sfs_local_change_new(key, dir_len, true, &dir, err);
	if (rc == SFS_OK && has_dirty)
		rc = settle_data(l, g->file.fd, key, &is_kept, err);
	if (rc == SFS_OK)
		rc = with_key(publish(l, g, object, dir, is_kept, err), key,
		              err);
	if (rc == SFS_OK)
		return SFS_OK;
	if (is_kept)
		sfs_local_pending_unreserve(l);
	sfs_local_change_free(object);
	sfs_local_change_free(dir);
	return rc;
}

static enum sfs_rc write_all(struct sfs_atomicfile *f, const char *key,
                             const char *data, size_t len,
                             const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	while (rc == SFS_OK && len > 0) {
		size_t part = len < COPY_RANGE_BYTES ? len : COPY_RANGE_BYTES;

		rc = sfs_call_check(call, key, err);
		if (rc == SFS_OK)
			rc = with_key(sfs_atomicfile_write(f, data, part, err),
			              key, err);
		data += part;
		len -= part;
	}
	return rc;
}

enum sfs_rc sfs_local_put(struct sfs_store *s, const char *key,
                          const void *data, size_t len, struct sfs_tag *tag_out,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_local_staged g = SFS_LOCAL_STAGED_INIT;
	struct sfs_local_store *l = sfs_local_of(s);
	enum sfs_rc rc = sfs_local_check_write(key, call, err);

	if (rc != SFS_OK)
		return rc;
	rc = sfs_local_staged_begin(l, key, &g, call, err);
	if (rc == SFS_OK)
		rc = write_all(&g.file, key, data, len, call, err);
	if (rc == SFS_OK)
		rc = staged_commit(l, &g, key, call, err);
	if (rc == SFS_OK && tag_out != NULL)
		sfs_tag_hash(tag_out, data, len);
	sfs_local_staged_release(&g);
	return rc;
}

/* A file on its way into a staged object. */
struct transfer {
	int from;
	struct sfs_atomicfile *to;
	const char *key;
	const struct sfs_call *call;
	uint64_t offset; /* how far it came */
};

static bool is_write_failure(int sys_errno)
{
	return sys_errno == ENOSPC || sys_errno == EDQUOT ||
	       sys_errno == EFBIG || sys_errno == EIO;
}

/*
 * Lets the file system copy, which may share the blocks. UNSUPPORTED: the
 * rest has to go through memory.
 */
static enum sfs_rc transfer_in_kernel(struct transfer *t, struct sfs_err *err)
{
	ssize_t n = 1;

	while (n != 0) {
		off_t at = (off_t)t->offset;
		enum sfs_rc rc = sfs_call_check(t->call, t->key, err);

		if (rc != SFS_OK)
			return rc;
		n = copy_file_range(t->from, &at, t->to->fd, NULL,
		                    COPY_RANGE_BYTES, 0);
		if (n > 0)
			t->offset += (uint64_t)n;
		else if (n < 0 && is_write_failure(errno))
			return sfs_err_sys(err, errno, "cannot write %s",
			                   t->key);
		else if (n < 0 && errno != EINTR)
			return SFS_E_UNSUPPORTED;
	}
	/* some file systems answer 0 for files that have bytes */
	return t->offset > 0 ? SFS_OK : SFS_E_UNSUPPORTED;
}

static enum sfs_rc transfer_bytes(struct transfer *t,
                                  struct sfs_tag_hasher *hasher,
                                  struct sfs_err *err)
{
	char *buf = sfs_malloc(COPY_BYTES);
	size_t got = COPY_BYTES;
	enum sfs_rc rc = SFS_OK;

	if (buf == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory",
		                   t->key);
	while (rc == SFS_OK && got == COPY_BYTES) {
		rc = sfs_local_read_fully(t->from, t->key, t->offset, buf,
		                          COPY_BYTES, &got, t->call, err);
		if (rc == SFS_OK)
			rc = with_key(
				sfs_atomicfile_write(t->to, buf, got, err),
				t->key, err);
		if (rc == SFS_OK && hasher != NULL)
			sfs_tag_hasher_add(hasher, buf, got);
		t->offset += got;
	}
	sfs_free(buf);
	return rc;
}

/* Only a tag that is asked for costs the way through memory. */
static enum sfs_rc transfer_all(struct transfer *t, struct sfs_tag *tag_out,
                                struct sfs_err *err)
{
	struct sfs_tag_hasher hasher = { NULL };
	enum sfs_rc rc;

	if (tag_out == NULL) {
		rc = transfer_in_kernel(t, err);
		if (rc != SFS_E_UNSUPPORTED)
			return rc;
		return transfer_bytes(t, NULL, err);
	}
	rc = sfs_tag_hasher_init(&hasher, err);
	if (rc == SFS_OK)
		rc = transfer_bytes(t, &hasher, err);
	if (rc == SFS_OK)
		sfs_tag_hasher_tag(&hasher, tag_out);
	sfs_tag_hasher_release(&hasher);
	return rc;
}

/* Stores what is behind fd as key, durably. */
static enum sfs_rc put_fd(struct sfs_local_store *l, const char *key, int fd,
                          struct sfs_tag *tag_out, const struct sfs_call *call,
                          struct sfs_err *err)
{
	struct sfs_local_staged g = SFS_LOCAL_STAGED_INIT;
	struct transfer t = { fd, &g.file, key, call, 0 };
	enum sfs_rc rc;

	rc = sfs_local_staged_begin(l, key, &g, call, err);
	if (rc == SFS_OK)
		rc = transfer_all(&t, tag_out, err);
	if (rc == SFS_OK)
		rc = staged_commit(l, &g, key, call, err);
	sfs_local_staged_release(&g);
	return rc;
}

enum sfs_rc sfs_local_put_file(struct sfs_store *s, const char *key, int fd,
                               struct sfs_tag *tag_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_local_check_write(key, call, err);
	struct stat st;

	if (rc != SFS_OK)
		return rc;
	if (fstat(fd, &st) != 0)
		return sfs_err_sys(err, errno, "the file to store as %s", key);
	if (!S_ISREG(st.st_mode))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "only a regular file can be stored as %s",
		                   key);
	return put_fd(sfs_local_of(s), key, fd, tag_out, call, err);
}

/* UNSUPPORTED: they cannot be linked. NOT_FOUND: either directory is gone. */
static enum sfs_rc link_once(struct sfs_local_store *l, const char *from,
                             const char *to, struct sfs_local_staged *g,
                             struct sfs_err *err)
{
	struct sfs_local_place at = { -1, NULL };
	enum sfs_rc rc;

	rc = place_make(l, to, &g->at, err);
	if (rc == SFS_OK)
		rc = sfs_local_place_open(l, from, O_PATH, &at, err);
	if (rc == SFS_OK)
		rc = sfs_atomicfile_link(&g->file, g->at.dir_fd, at.dir_fd,
		                         at.name, err);
	if (at.dir_fd >= 0)
		(void)close(at.dir_fd);
	return rc;
}

/* Objects are never written in place, so two keys can share one file. */
static enum sfs_rc copy_by_link(struct sfs_local_store *l, const char *from,
                                const char *to, const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_local_staged g = SFS_LOCAL_STAGED_INIT;
	struct stat st;
	enum sfs_rc rc = SFS_E_NOT_FOUND;

	for (int i = 0; rc == SFS_E_NOT_FOUND && i < PLACE_TRIES; i++) {
		int fd = -1;

		sfs_local_staged_release(&g);
		rc = sfs_call_check(call, to, err);
		if (rc == SFS_OK)
			rc = sfs_local_file_open(l, from, &fd, &st, err);
		if (rc != SFS_OK)
			goto out;
		(void)close(fd);
		rc = link_once(l, from, to, &g, err);
	}
	if (rc == SFS_E_NOT_FOUND)
		rc = no_place(to, err);
	if (rc == SFS_OK)
		rc = sfs_local_staged_publish(l, &g, to, false, call, err);
out:
	sfs_local_staged_release(&g);
	return rc;
}

/* As put_fd(), durable after the barrier. */
static enum sfs_rc copy_fd(struct sfs_local_store *l, const char *key, int fd,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_local_staged g = SFS_LOCAL_STAGED_INIT;
	struct transfer t = { fd, &g.file, key, call, 0 };
	enum sfs_rc rc;

	rc = sfs_local_staged_begin(l, key, &g, call, err);
	if (rc == SFS_OK)
		rc = transfer_all(&t, NULL, err);
	if (rc == SFS_OK)
		rc = sfs_local_staged_publish(l, &g, key, true, call, err);
	sfs_local_staged_release(&g);
	return rc;
}

enum sfs_rc sfs_local_copy(struct sfs_store *s, const char *from,
                           const char *to, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct sfs_local_store *l = sfs_local_of(s);
	enum sfs_rc rc;
	struct stat st;
	int fd = -1;

	rc = sfs_local_key_check(from, err);
	if (rc == SFS_OK)
		rc = sfs_local_check_write(to, call, err);
	if (rc == SFS_OK)
		rc = copy_by_link(l, from, to, call, err);
	if (rc != SFS_E_UNSUPPORTED)
		return rc;
	rc = sfs_local_file_open(l, from, &fd, &st, err);
	if (rc != SFS_OK)
		return rc;
	rc = copy_fd(l, to, fd, call, err);
	(void)close(fd);
	return rc;
}

/* Ends at the first directory that is not empty; the store itself stays. */
void sfs_local_remove_empty_parents(const struct sfs_local_store *l,
                                    const char *key)
{
	char path[SFS_STORE_KEY_MAX + 1];
	struct sfs_local_place at;
	struct sfs_err ignored;
	bool is_gone = true;
	enum sfs_rc rc;
	char *slash;

	(void)snprintf(path, sizeof(path), "%s", key);
	while (is_gone && (slash = strrchr(path, '/')) != NULL) {
		*slash = '\0';
		rc = sfs_local_place_open(l, path, O_PATH, &at, &ignored);
		if (rc == SFS_E_NOT_FOUND)
			continue;
		if (rc != SFS_OK)
			return;
		is_gone = unlinkat(at.dir_fd, at.name, AT_REMOVEDIR) == 0 ||
		          errno == ENOENT;
		(void)close(at.dir_fd);
	}
}

/*
 * Synced, so that of two deletes the first is never undone by a crash that
 * the second survives: a manifest must not come back without its shards.
 */
enum sfs_rc sfs_local_delete(struct sfs_store *s, const char *key,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_local_store *l = sfs_local_of(s);
	struct sfs_local_place at = { -1, NULL };
	enum sfs_rc rc;

	rc = sfs_call_check(call, key, err);
	if (rc == SFS_OK)
		rc = sfs_local_key_check(key, err);
	if (rc == SFS_OK)
		rc = sfs_local_place_open(l, key, O_RDONLY, &at, err);
	if (rc != SFS_OK)
		return rc == SFS_E_NOT_FOUND ? SFS_OK : rc;
	if (unlinkat(at.dir_fd, at.name, 0) == 0)
		rc = with_key(sfs_dir_sync(at.dir_fd, err), key, err);
	else if (errno == EISDIR)
		rc = sfs_err_set(err, SFS_E_CORRUPT, "%s is not a regular file",
		                 key);
	else if (errno != ENOENT && errno != ENAMETOOLONG)
		rc = sfs_err_sys(err, errno, "cannot delete %s", key);
	(void)close(at.dir_fd);
	if (rc == SFS_OK)
		sfs_local_pending_drop(l, key);
	if (rc == SFS_OK)
		sfs_local_remove_empty_parents(l, key);
	return rc;
}
