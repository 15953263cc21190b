/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, closing and removing staged files by name. One lock makes each of
 * these one step: what lies on disk and what is known in memory never differ
 * for somebody who holds it.
 */
#include "build/files_internal.h"

#include "base/alloc.h"
#include "build/where_name.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

const char *sfs_build_dir_prefix(enum sfs_build_dir dir)
{
	switch (dir) {
	case SFS_BUILD_KEYS:
		return "keys/";
	case SFS_BUILD_INGEST:
		return "ingest/";
	case SFS_BUILD_WHERE:
		return "where/";
	case SFS_BUILD_TOP:
		break;
	}
	return "";
}

enum sfs_rc sfs_files_check_name(const char *name, struct sfs_err *err)
{
	if (name[0] == '\0' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0 || strchr(name, '/') != NULL)
		return sfs_err_set(err, SFS_E_INVALID, "\"%s\" names no file",
		                   name);
	if (strlen(name) > SFS_STAGED_NAME_MAX)
		return sfs_err_set(err, SFS_E_NAME_TOO_LONG,
		                   "a name is longer than %d bytes",
		                   SFS_STAGED_NAME_MAX);
	return SFS_OK;
}

void sfs_files_keys_changed(struct sfs_files *f)
{
	atomic_fetch_add(&f->keys_version, 1);
}

/* The user's mode is for the kernel to enforce, the owner's bits are ours. */
int sfs_disk_open(int dir_fd, const char *entry, int access)
{
	const int flags = access | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct stat st;
	int error;
	int fd;

	fd = openat(dir_fd, entry, flags);
	if (fd >= 0 || errno != EACCES)
		return fd;
	if (fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode) ||
	    fchmodat(dir_fd, entry, st.st_mode | S_IRUSR | S_IWUSR, 0) != 0) {
		errno = EACCES;
		return -1;
	}
	fd = openat(dir_fd, entry, flags);
	error = errno;
	/* If this fails the file is a little more open to its owner. */
	(void)fchmodat(dir_fd, entry, st.st_mode & 07777, 0);
	errno = error;
	return fd;
}

static enum sfs_rc folder_of(struct sfs_files *f, enum sfs_build_dir dir,
                             int *fd_out, struct sfs_err *err)
{
	*fd_out = f->folders[dir].fd;
	if (*fd_out < 0)
		return sfs_err_set(err, SFS_E_NOT_FOUND, "there is no %s",
		                   sfs_build_dir_prefix(dir));
	return SFS_OK;
}

enum sfs_rc sfs_files_locate(struct sfs_files *f, enum sfs_build_dir dir,
                             const char *name, struct sfs_spot *out,
                             struct sfs_err *err)
{
	enum sfs_rc rc = folder_of(f, dir, &out->dir_fd, err);

	if (rc != SFS_OK)
		return rc;
	out->node = sfs_node_find(&f->nodes, dir, name);
	if (dir != SFS_BUILD_INGEST)
		return sfs_disk_name_set(&out->disk, name, SFS_DISK_NAME_MAX,
		                         err);
	if (out->node == NULL)
		return sfs_err_set(err, SFS_E_NOT_FOUND,
		                   "there is no ingest/%s", name);
	return sfs_raw_name(name, out->node->seq, out->node->is_marked,
	                    &out->disk, err);
}

/* --- opening --------------------------------------------------------------- */

static bool is_writing(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static void note_listed(struct sfs_name_event *event, enum sfs_build_dir dir,
                        const char *name)
{
	if (dir == SFS_BUILD_INGEST && !sfs_name_is_scratch(name))
		event->is_listed = true;
}

/* The daemon's umask is none of the user's business. */
static enum sfs_rc set_mode(int fd, mode_t mode, const char *name,
                            struct stat *st, struct sfs_err *err)
{
	if (fstat(fd, st) != 0)
		return sfs_err_sys(err, errno, "cannot stat %s", name);
	if ((st->st_mode & 07777) == (mode & 07777))
		return SFS_OK;
	if (fchmod(fd, mode & 07777) != 0)
		return sfs_err_sys(err, errno, "cannot chmod %s", name);
	if (fstat(fd, st) != 0)
		return sfs_err_sys(err, errno, "cannot stat %s", name);
	return SFS_OK;
}

/* A new file. *exists: there is one, and nothing was done. */
static enum sfs_rc create_file(struct sfs_files *f,
                               const struct sfs_open_request *r,
                               struct sfs_opened *out, bool *exists,
                               struct sfs_err *err)
{
	const bool is_ingest = r->dir == SFS_BUILD_INGEST;
	struct sfs_node *node = sfs_node_new(r->name, err);
	int dir_fd = f->folders[r->dir].fd;
	struct sfs_disk_name disk;
	enum sfs_rc rc;

	if (node == NULL)
		return SFS_E_NO_MEMORY;
	node->seq = is_ingest ? f->next_seq : 0;
	node->is_marked = is_ingest && is_writing(r->flags);
	rc = is_ingest ? sfs_raw_name(r->name, node->seq, node->is_marked,
	                              &disk, err)
	               : sfs_disk_name_set(&disk, r->name, SFS_DISK_NAME_MAX,
	                                   err);
	if (rc == SFS_OK)
		rc = sfs_disk_name_save(dir_fd, &disk, r->name, err);
	if (rc != SFS_OK)
		goto out;
	out->fd = openat(dir_fd, disk.text,
	                 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                 r->mode & 07777);
	*exists = out->fd < 0 && errno == EEXIST;
	if (out->fd < 0)
		rc = sfs_err_sys(err, errno, "cannot create %s",
		                 SFS_PLACE(r->dir, r->name));
	if (rc == SFS_OK)
		rc = set_mode(out->fd, r->mode, r->name, &out->st, err);
	if (rc == SFS_OK) {
		f->next_seq += is_ingest;
		sfs_node_link(&f->nodes, node, r->dir);
		sfs_files_touch(f, (enum sfs_folder_kind)r->dir);
		out->node = node;
		out->is_new = true;
		return SFS_OK;
	}
	if (!*exists) {
		(void)unlinkat(dir_fd, disk.text, 0); /* rc tells more */
		sfs_disk_name_drop(dir_fd, &disk);
	}
out:
	sfs_node_free(node);
	if (out->fd >= 0)
		(void)close(out->fd);
	out->fd = -1;
	return rc;
}

static enum sfs_rc open_existing(struct sfs_files *f,
                                 const struct sfs_open_request *r,
                                 struct sfs_opened *out, struct sfs_err *err)
{
	const bool writes = is_writing(r->flags);
	struct sfs_node *fresh = NULL;
	struct sfs_spot spot;
	enum sfs_rc rc;

	rc = sfs_files_locate(f, r->dir, r->name, &spot, err);
	if (rc != SFS_OK)
		return rc;
	out->fd = sfs_disk_open(spot.dir_fd, spot.disk.text,
	                        writes ? O_RDWR : O_RDONLY);
	if (out->fd < 0)
		return sfs_err_sys(err, errno, "%s",
		                   SFS_PLACE(r->dir, r->name));
	if (spot.node == NULL) {
		fresh = sfs_node_new(r->name, err);
		rc = fresh == NULL ? SFS_E_NO_MEMORY : SFS_OK;
	} else if (writes && r->dir == SFS_BUILD_INGEST) {
		rc = sfs_raw_restamp(f, spot.node, spot.node->seq, true, err);
	}
	if (rc != SFS_OK) {
		(void)close(out->fd);
		out->fd = -1;
		return rc;
	}
	if (fresh != NULL)
		sfs_node_link(&f->nodes, fresh, r->dir);
	out->node = fresh != NULL ? fresh : spot.node;
	return SFS_OK;
}

static enum sfs_rc open_locked(struct sfs_files *f,
                               const struct sfs_open_request *r,
                               struct sfs_opened *out,
                               struct sfs_name_event *event,
                               struct sfs_err *err)
{
	bool exists = (r->flags & O_CREAT) == 0 ||
	              (r->dir == SFS_BUILD_INGEST &&
	               sfs_node_find(&f->nodes, r->dir, r->name) != NULL);
	enum sfs_rc rc;
	int dir_fd;

	rc = folder_of(f, r->dir, &dir_fd, err);
	if (rc != SFS_OK)
		return rc;
	if (!exists) {
		rc = create_file(f, r, out, &exists, err);
		if (rc == SFS_OK)
			note_listed(event, r->dir, r->name);
		if (rc == SFS_OK && sfs_dir_has_records(r->dir))
			sfs_files_keys_changed(f);
		if (!exists)
			return rc;
	}
	if ((r->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return sfs_err_set(err, SFS_E_EXISTS, "%s exists",
		                   SFS_PLACE(r->dir, r->name));
	return open_existing(f, r, out, err);
}

enum sfs_rc sfs_files_open_file(struct sfs_files *f,
                                const struct sfs_open_request *request,
                                struct sfs_opened *out,
                                struct sfs_name_event *event,
                                struct sfs_err *err)
{
	enum sfs_rc rc;

	*out = (struct sfs_opened){ .fd = -1 };
	pthread_mutex_lock(&f->lock);
	rc = open_locked(f, request, out, event, err);
	if (rc == SFS_OK) {
		out->node->refs++;
		if (is_writing(request->flags) && out->node->writers++ == 0)
			note_listed(event, request->dir, request->name);
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* --- closing --------------------------------------------------------------- */

/* The last writer is gone: from now on the file is complete. */
static enum sfs_rc complete(struct sfs_files *f, struct sfs_node *node,
                            struct sfs_err *err)
{
	if (node->is_incomplete && !node->is_rewritten)
		return SFS_OK;
	node->is_incomplete = false;
	node->is_rewritten = false;
	return sfs_raw_restamp(f, node, node->seq, false, err);
}

enum sfs_rc sfs_files_close_file(struct sfs_files *f, struct sfs_node *node,
                                 bool is_writer, uint64_t *closed_seq,
                                 struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	bool syncs = false;

	*closed_seq = 0;
	pthread_mutex_lock(&f->lock);
	node->refs--;
	node->writers -= is_writer;
	if (is_writer && node->writers == 0 && node->is_linked &&
	    node->dir == SFS_BUILD_INGEST) {
		rc = complete(f, node, err);
		syncs = node->is_synced;
		if (!sfs_name_is_scratch(node->name))
			*closed_seq = node->seq;
	}
	sfs_node_settle(&f->nodes, node);
	pthread_mutex_unlock(&f->lock);
	if (rc == SFS_OK && syncs)
		rc = sfs_files_sync_names(f, SFS_FOLDER_RAW, err);
	return rc;
}

enum sfs_rc sfs_files_renew(struct sfs_files *f, struct sfs_node *node,
                            struct sfs_name_event *event, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&f->lock);
	if (node->is_linked && node->dir == SFS_BUILD_INGEST) {
		node->is_rewritten = true;
		if (!sfs_name_is_scratch(node->name))
			event->changed[0] = node->seq;
		if (node->seq + 1 != f->next_seq) {
			rc = sfs_raw_restamp(f, node, f->next_seq,
			                     node->is_marked, err);
			f->next_seq += rc == SFS_OK;
			note_listed(event, node->dir, node->name);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* --- removing -------------------------------------------------------------- */

enum sfs_rc sfs_files_unlink(struct sfs_files *f, enum sfs_build_dir dir,
                             const char *name, struct sfs_name_event *event,
                             struct sfs_err *err)
{
	struct sfs_spot spot;
	enum sfs_rc rc;

	pthread_mutex_lock(&f->lock);
	rc = sfs_files_locate(f, dir, name, &spot, err);
	if (rc == SFS_OK && unlinkat(spot.dir_fd, spot.disk.text, 0) != 0)
		rc = sfs_err_sys(err, errno, "cannot remove %s",
		                 SFS_PLACE(dir, name));
	if (rc == SFS_OK) {
		sfs_disk_name_drop(spot.dir_fd, &spot.disk);
		if (spot.node != NULL) {
			sfs_node_unlink(&f->nodes, spot.node);
			sfs_node_settle(&f->nodes, spot.node);
		}
		sfs_files_touch(f, (enum sfs_folder_kind)dir);
		note_listed(event, dir, name);
		if (sfs_dir_has_records(dir))
			sfs_files_keys_changed(f);
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}
