/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open staged files. A handle has a file of the build behind it; one that was
 * opened on a key of the base has none until somebody writes to that key, and
 * reads the snapshot's value meanwhile. The node lists its handles, because
 * the kernel asks for attributes of a removed file without naming one.
 */
#include "fs/staging_internal.h"

#include "base/alloc.h"
#include "build/where_name.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static bool is_writing(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* Takes a reference of n, and file and place, over. */
static void handle_begin(struct sfs_handle *h, struct sfs_staged *n,
                         struct sfs_staged_file *file,
                         const struct sfs_place *place, int flags)
{
	h->node = n;
	h->file = file;
	h->place = *place;
	h->flags = flags;
	pthread_mutex_lock(&n->site->lock);
	h->next = n->opened;
	n->opened = h;
	pthread_mutex_unlock(&n->site->lock);
}

/* The same; also when it fails. */
static enum sfs_rc handle_new(struct sfs_fs *fs, struct sfs_staged *n,
                              struct sfs_staged_file *file,
                              const struct sfs_place *place, int flags,
                              struct sfs_handle **out, struct sfs_err *err)
{
	struct sfs_handle *h = sfs_calloc(1, sizeof(*h));

	if (h == NULL) {
		sfs_staged_close(file);
		sfs_snapshot_unref(place->snapshot);
		sfs_staged_leave(fs->staged, n);
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	handle_begin(h, n, file, place, flags);
	*out = h;
	return SFS_OK;
}

void sfs_fs_release(struct sfs_fs *fs, struct sfs_handle *file)
{
	struct sfs_staged *n = file->node;
	struct sfs_handle **link;

	pthread_mutex_lock(&n->site->lock);
	for (link = &n->opened; *link != file; link = &(*link)->next)
		;
	*link = file->next;
	pthread_mutex_unlock(&n->site->lock);
	sfs_staged_close(file->file);
	sfs_snapshot_unref(file->place.snapshot);
	sfs_free(file);
	sfs_staged_leave(fs->staged, n);
}

static void tell_kernel(const struct sfs_staged *n, struct sfs_open_info *out)
{
	out->direct_io = n->dir == SFS_BUILD_INGEST;
	out->keep_cache =
		sfs_dir_has_records(n->dir) && !atomic_load(&n->is_base);
	out->noflush = false;
}

static enum sfs_rc open_base(struct sfs_fs *fs, struct sfs_staged *n, int flags,
                             struct sfs_open_info *out,
                             const struct sfs_call *call, struct sfs_err *err)
{
	const struct sfs_build_place at = { n->dir, n->name };
	struct sfs_base_value value = { 0 };
	bool found;
	enum sfs_rc rc;

	rc = sfs_base_find(fs, n->site, &at, &found, &value, call, err);
	if (rc == SFS_OK && !found)
		rc = sfs_err_set(err, SFS_E_STALE, "%s: the base changed",
		                 SFS_PLACE(at.dir, at.name));
	if (rc != SFS_OK) {
		sfs_staged_leave(fs->staged, n);
		return rc;
	}
	tell_kernel(n, out);
	return handle_new(fs, n, NULL, &value.place, flags, &out->file, err);
}

static enum sfs_rc open_staged(struct sfs_fs *fs, struct sfs_staged *n,
                               int flags, struct sfs_open_info *out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	const struct sfs_place none = { 0 };
	struct sfs_staged_file *file = NULL;
	enum sfs_rc rc;

	if (n->kind != SFS_STAGED_FILE) {
		sfs_staged_leave(fs->staged, n);
		return sfs_err_set(err, SFS_E_IS_DIR, "a directory");
	}
	if (atomic_load(&n->is_base))
		return open_base(fs, n, flags, out, call, err);
	pthread_rwlock_rdlock(&n->site->names);
	if (n->is_linked)
		rc = sfs_build_open(n->site->build, n->dir, n->name,
		                    flags & O_ACCMODE, 0, &file, err);
	else
		rc = sfs_err_set(err, SFS_E_STALE, "the file was removed");
	pthread_rwlock_unlock(&n->site->names);
	if (rc != SFS_OK) {
		sfs_staged_leave(fs->staged, n);
		return rc;
	}
	tell_kernel(n, out);
	return handle_new(fs, n, file, &none, flags, &out->file, err);
}

enum sfs_rc sfs_fs_open(struct sfs_fs *fs, uint64_t node, int flags,
                        struct sfs_open_info *out, const struct sfs_call *call,
                        struct sfs_err *err)
{
	bool is_command = sfs_fs_is_writable(fs, node);
	struct sfs_staged *n;
	enum sfs_rc rc;

	*out = (struct sfs_open_info){ NULL, is_command, true, true };
	if (!sfs_fs_is_staged(node)) {
		if (is_writing(flags) && !is_command)
			return sfs_err_set(err, SFS_E_READ_ONLY,
			                   "published snapshots are immutable");
		return SFS_OK;
	}
	rc = sfs_staged_enter_id(fs, node, &n, err);
	if (rc != SFS_OK)
		return rc;
	return open_staged(fs, n, flags, out, call, err);
}

/* --- making files --------------------------------------------------------- */

/* Where a file can be made. */
static enum sfs_rc enter_parent(struct sfs_fs *fs, uint64_t parent,
                                const char *name, struct sfs_staged **out,
                                struct sfs_err *err)
{
	enum sfs_rc rc;

	if (!sfs_fs_is_staged(parent))
		return sfs_fs_refuse(fs, parent, name, err);
	rc = sfs_staged_enter_dir(fs, parent, out, err);
	if (rc != SFS_OK || (*out)->kind != SFS_STAGED_BUILD)
		return rc;
	if (!sfs_staged_is_fixed(*out, name))
		return SFS_OK;
	sfs_staged_leave(fs->staged, *out);
	if (strcmp(name, "base") == 0)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "base is a symbolic link: ln -s "
		                   "../../current base");
	return sfs_err_set(err, SFS_E_FORBIDDEN, "%s cannot be a file here",
	                   name);
}

struct created {
	struct sfs_staged *node;
	struct sfs_staged_file *file;
	struct stat st;
};

/*
 * The node and the file. What can fail is done before there is a file, so
 * that none is left by a CREATE that failed.
 */
static enum sfs_rc create_in(struct sfs_fs *fs, struct sfs_site *site,
                             const struct sfs_build_place *at,
                             const struct sfs_creation *wish,
                             struct created *out, struct sfs_err *err)
{
	struct sfs_staged_key key = { SFS_STAGED_FILE, at->dir, at->name };
	int flags = (wish->flags & (O_ACCMODE | O_EXCL | O_TRUNC)) | O_CREAT;
	enum sfs_rc rc = SFS_OK;

	pthread_rwlock_rdlock(&site->names);
	out->node = sfs_staged_enter(fs->staged, site, &key);
	if (out->node == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	if (rc == SFS_OK)
		rc = sfs_build_open(site->build, at->dir, at->name, flags,
		                    wish->mode & 07777, &out->file, err);
	if (rc == SFS_OK && !sfs_staged_is_new(out->file, &out->st))
		rc = sfs_staged_stat(out->file, &out->st, err);
	if (rc == SFS_OK)
		atomic_store(&out->node->is_base, false);
	pthread_rwlock_unlock(&site->names);
	if (rc != SFS_OK) {
		sfs_staged_close(out->file);
		if (out->node != NULL)
			sfs_staged_leave(fs->staged, out->node);
	}
	return rc;
}

/* With a handle for the file; NULL: it is closed. */
static enum sfs_rc create_with(struct sfs_fs *fs,
                               const struct sfs_creation *wish,
                               struct sfs_handle *h, struct sfs_entry *entry,
                               struct sfs_open_info *out, struct sfs_err *err)
{
	const struct sfs_place none = { 0 };
	struct created made = { .file = NULL };
	struct sfs_staged_place place;
	struct sfs_staged *dir;
	enum sfs_rc rc;

	rc = enter_parent(fs, wish->parent, wish->name, &dir, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_staged_place(dir, wish->name, &place, err);
	if (rc == SFS_OK)
		rc = create_in(fs, dir->site, &place.at, wish, &made, err);
	sfs_staged_place_release(&place);
	sfs_staged_leave(fs->staged, dir);
	if (rc != SFS_OK)
		return rc;
	sfs_staged_fill_entry(fs, made.node, &made.st, entry);
	if (h == NULL) {
		sfs_staged_close(made.file);
		return SFS_OK;
	}
	tell_kernel(made.node, out);
	sfs_staged_add(fs->staged, made.node);
	handle_begin(h, made.node, made.file, &none, wish->flags);
	out->file = h;
	return SFS_OK;
}

enum sfs_rc sfs_fs_create(struct sfs_fs *fs, const struct sfs_creation *wish,
                          struct sfs_entry *entry_out,
                          struct sfs_open_info *out, struct sfs_err *err)
{
	struct sfs_handle *h = NULL;
	enum sfs_rc rc;

	*entry_out = (struct sfs_entry){ 0 };
	if (out != NULL) {
		h = sfs_calloc(1, sizeof(*h));
		if (h == NULL)
			return sfs_err_set(err, SFS_E_NO_MEMORY,
			                   "out of memory");
	}
	rc = create_with(fs, wish, h, entry_out, out, err);
	if (rc != SFS_OK)
		sfs_free(h);
	return rc;
}

/* --- using them ----------------------------------------------------------- */

static struct sfs_staged_file *file_of(struct sfs_handle *h)
{
	struct sfs_staged_file *file;

	pthread_mutex_lock(&h->node->site->lock);
	file = h->file;
	pthread_mutex_unlock(&h->node->site->lock);
	return file;
}

/* Gives the handle a file; two requests may try at once. */
static void attach(struct sfs_handle *h, struct sfs_staged_file *file)
{
	struct sfs_staged_file *unused = file;

	pthread_mutex_lock(&h->node->site->lock);
	if (h->file == NULL) {
		h->file = file;
		unused = NULL;
	}
	pthread_mutex_unlock(&h->node->site->lock);
	sfs_staged_close(unused);
}

/*
 * The handle's file. NULL: it reads the base's value, which for_writing does
 * not allow: the value is copied first.
 */
static enum sfs_rc enter_file(struct sfs_fs *fs, struct sfs_handle *h,
                              bool for_writing, struct sfs_staged_file **out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged *n = h->node;
	struct sfs_staged_file *file = NULL;
	enum sfs_rc rc = SFS_OK;

	*out = file_of(h);
	if (*out != NULL)
		return SFS_OK;
	if (for_writing)
		rc = sfs_base_copy_up(fs, n, false, call, err);
	if (rc != SFS_OK || atomic_load(&n->is_base))
		return rc;
	pthread_rwlock_rdlock(&n->site->names);
	if (n->is_linked)
		rc = sfs_build_open(n->site->build, n->dir, n->name,
		                    h->flags & O_ACCMODE, 0, &file, err);
	else if (for_writing)
		rc = sfs_err_set(err, SFS_E_STALE, "the file was removed");
	pthread_rwlock_unlock(&n->site->names);
	if (rc == SFS_OK && file != NULL)
		attach(h, file);
	*out = file_of(h);
	return rc;
}

enum sfs_rc sfs_fs_file_read(struct sfs_fs *fs, struct sfs_handle *file,
                             uint64_t offset, void *buf, size_t len,
                             size_t *got, const struct sfs_call *call,
                             struct sfs_err *err)
{
	struct sfs_staged_file *staged;
	enum sfs_rc rc;

	rc = enter_file(fs, file, false, &staged, call, err);
	if (rc != SFS_OK)
		return rc;
	if (staged != NULL)
		return sfs_staged_read(staged, offset, buf, len, got, err);
	return sfs_snapshot_read(&file->place, offset, buf, len, got, call,
	                         err);
}

enum sfs_rc sfs_fs_file_write(struct sfs_fs *fs, struct sfs_handle *file,
                              const struct sfs_writing *w,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged_file *staged;
	enum sfs_rc rc;

	rc = enter_file(fs, file, true, &staged, call, err);
	if (rc == SFS_OK)
		rc = sfs_staged_write(staged, w->offset, w->is_append, w->data,
		                      w->len, err);
	return rc;
}

enum sfs_rc sfs_fs_file_allocate(struct sfs_fs *fs, struct sfs_handle *file,
                                 int mode, uint64_t offset, uint64_t len,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_staged_file *staged;
	enum sfs_rc rc;

	rc = enter_file(fs, file, true, &staged, call, err);
	if (rc == SFS_OK)
		rc = sfs_staged_allocate(staged, mode, offset, len, err);
	return rc;
}

enum sfs_rc sfs_fs_file_flush(struct sfs_fs *fs, struct sfs_handle *file,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged_file *staged = file_of(file);

	(void)fs;
	return staged != NULL ? sfs_staged_flush(staged, call, err) : SFS_OK;
}

enum sfs_rc sfs_fs_file_sync(struct sfs_fs *fs, struct sfs_handle *file,
                             bool is_data_only, struct sfs_err *err)
{
	struct sfs_staged_file *staged = file_of(file);

	(void)fs;
	return staged != NULL ? sfs_staged_sync(staged, is_data_only, err)
	                      : SFS_OK;
}

bool sfs_fs_is_long_flush(struct sfs_fs *fs, const struct sfs_handle *file)
{
	return file->node->dir == SFS_BUILD_INGEST || fs->config.sync_on_close;
}

enum sfs_rc sfs_fs_syncdir(struct sfs_fs *fs, uint64_t node,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged *n;
	enum sfs_rc rc;

	if (!sfs_fs_is_staged(node))
		return SFS_OK;
	rc = sfs_staged_enter_dir(fs, node, &n, err);
	if (rc != SFS_OK)
		return rc;
	if (n->kind == SFS_STAGED_BUILD)
		rc = sfs_build_settle(n->site->build, call, err);
	else
		rc = sfs_build_sync_dir(n->site->build, n->dir, err);
	sfs_staged_leave(fs->staged, n);
	return rc;
}

/* --- SETATTR -------------------------------------------------------------- */

static enum sfs_rc resize(struct sfs_fs *fs, struct sfs_staged *n,
                          const struct sfs_setattr *wish,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged_file *file = NULL;
	enum sfs_rc rc = SFS_OK;

	if (atomic_load(&n->is_base))
		rc = sfs_base_copy_up(fs, n, wish->size == 0, call, err);
	if (rc == SFS_OK && wish->file != NULL)
		rc = enter_file(fs, wish->file, true, &file, call, err);
	if (rc != SFS_OK)
		return rc;
	if (file != NULL)
		return sfs_staged_truncate(file, wish->size, err);
	pthread_rwlock_rdlock(&n->site->names);
	if (n->is_linked)
		rc = sfs_build_truncate(n->site->build, n->dir, n->name,
		                        wish->size, err);
	else
		rc = sfs_err_set(err, SFS_E_STALE, "the file was removed");
	pthread_rwlock_unlock(&n->site->names);
	return rc;
}

/* Of a file without a name nobody will ever see them. */
static enum sfs_rc set_facts(struct sfs_fs *fs, struct sfs_staged *n,
                             const struct sfs_setattr *wish,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_build *b = n->site->build;
	enum sfs_rc rc = SFS_OK;

	if (atomic_load(&n->is_base) && wish->has_times)
		rc = sfs_base_copy_up(fs, n, false, call, err);
	if (rc != SFS_OK || atomic_load(&n->is_base))
		return rc;
	pthread_rwlock_rdlock(&n->site->names);
	if (n->is_linked && wish->has_mode)
		rc = sfs_build_chmod(b, n->dir, n->name, wish->mode & 07777,
		                     err);
	if (n->is_linked && rc == SFS_OK && wish->has_times)
		rc = sfs_build_utimens(b, n->dir, n->name, wish->times, err);
	pthread_rwlock_unlock(&n->site->names);
	return rc;
}

/*
 * Links take times and owners and have their own all the same: cp -a, tar and
 * rsync set them of every link that they make.
 */
static bool is_link(struct sfs_fs *fs, uint64_t node)
{
	struct sfs_node n = sfs_node_of(node);
	struct sfs_frozen_info info;

	return n.class == SFS_NODE_FROZEN &&
	       sfs_frozen_info(fs->frozen, n.number, &info) && info.is_link;
}

/* Control files take a truncation to nothing; snapshots are immutable. */
static enum sfs_rc set_elsewhere(struct sfs_fs *fs, uint64_t node,
                                 const struct sfs_setattr *wish,
                                 struct sfs_err *err)
{
	if (sfs_fs_is_writable(fs, node) && !wish->has_mode && !wish->has_owner)
		return SFS_OK;
	if (is_link(fs, node) && !wish->has_size && !wish->has_mode)
		return SFS_OK;
	if (node == SFS_STATIC_STAGING || node == SFS_STATIC_PUBLISH ||
	    node == SFS_STATIC_TAGS)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "this directory is as it is");
	return sfs_err_set(err, SFS_E_READ_ONLY,
	                   "published snapshots are immutable");
}

enum sfs_rc sfs_fs_setattr(struct sfs_fs *fs, uint64_t node,
                           const struct sfs_setattr *wish,
                           struct sfs_attr *attr_out, enum sfs_ttl *ttl_out,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged *n = NULL;
	enum sfs_rc rc;

	if (sfs_fs_is_staged(node))
		rc = sfs_staged_enter_id(fs, node, &n, err);
	else
		rc = set_elsewhere(fs, node, wish, err);
	if (n != NULL && n->kind == SFS_STAGED_FILE) {
		if (wish->has_size)
			rc = resize(fs, n, wish, call, err);
		if (rc == SFS_OK && (wish->has_mode || wish->has_times))
			rc = set_facts(fs, n, wish, call, err);
	}
	if (rc == SFS_OK)
		rc = sfs_fs_getattr(fs, node, attr_out, ttl_out, call, err);
	if (n != NULL)
		sfs_staged_leave(fs->staged, n);
	return rc;
}
