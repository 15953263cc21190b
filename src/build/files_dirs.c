/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of a build as a whole: making and removing them, their names.
 * A walk holds no lock, since it may take long; a file that comes or goes
 * meanwhile is told or not, as with readdir.
 */
#include "build/files_internal.h"

#include "base/alloc.h"
#include "build/where_name.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const char *dir_name(enum sfs_build_dir dir, bool is_for_user)
{
	switch (dir) {
	case SFS_BUILD_KEYS:
		return "keys";
	case SFS_BUILD_INGEST:
		return is_for_user ? "ingest" : "raw";
	case SFS_BUILD_WHERE:
		return "where";
	case SFS_BUILD_TOP:
		break;
	}
	return "top";
}

enum sfs_rc sfs_files_mkdir(struct sfs_files *f, enum sfs_build_dir dir,
                            struct sfs_err *err)
{
	const char *name = dir_name(dir, false);
	enum sfs_rc rc = SFS_OK;
	int fd;

	pthread_mutex_lock(&f->lock);
	if (f->folders[dir].fd >= 0) {
		rc = sfs_err_set(err, SFS_E_EXISTS, "%s/ exists",
		                 dir_name(dir, true));
	} else if (mkdirat(f->dir_fd, name, 0700) != 0 && errno != EEXIST) {
		rc = sfs_err_sys(err, errno, "cannot make %s/",
		                 dir_name(dir, true));
	} else {
		fd = openat(f->dir_fd, name,
		            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			rc = sfs_err_sys(err, errno, "cannot open %s/",
			                 dir_name(dir, true));
		f->folders[dir].fd = fd;
	}
	pthread_mutex_unlock(&f->lock);
	sfs_files_touch(f, SFS_FOLDER_ROOT);
	sfs_files_touch(f, (enum sfs_folder_kind)dir);
	return rc;
}

static enum sfs_rc is_users_file(void *arg, int dir_fd, const char *entry,
                                 struct sfs_err *err)
{
	char name[SFS_STAGED_NAME_MAX + 1];

	if (!sfs_disk_name_read(dir_fd, entry, name))
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID, "%s/ is not empty",
	                   dir_name(*(const enum sfs_build_dir *)arg, true));
}

static enum sfs_rc check_empty(struct sfs_files *f, enum sfs_build_dir dir,
                               struct sfs_err *err)
{
	if (dir != SFS_BUILD_INGEST)
		return sfs_dir_walk(f->folders[dir].fd, is_users_file, &dir,
		                    err);
	if (f->nodes.ingest_count > 0)
		return sfs_err_set(err, SFS_E_INVALID, "ingest/ is not empty");
	return SFS_OK;
}

enum sfs_rc sfs_files_rmdir(struct sfs_files *f, enum sfs_build_dir dir,
                            struct sfs_err *err)
{
	struct sfs_folder *folder = &f->folders[dir];
	enum sfs_rc rc;

	pthread_mutex_lock(&f->lock);
	if (folder->fd < 0)
		rc = sfs_err_set(err, SFS_E_NOT_FOUND, "there is no %s/",
		                 dir_name(dir, true));
	else
		rc = check_empty(f, dir, err);
	if (rc == SFS_OK) /* what the user cannot see */
		rc = sfs_dir_empty(folder->fd, NULL, err);
	if (rc == SFS_OK &&
	    unlinkat(f->dir_fd, dir_name(dir, false), AT_REMOVEDIR) != 0)
		rc = sfs_err_sys(err, errno, "cannot remove %s/",
		                 dir_name(dir, true));
	if (rc == SFS_OK) {
		(void)close(folder->fd);
		folder->fd = -1;
	}
	pthread_mutex_unlock(&f->lock);
	sfs_files_touch(f, SFS_FOLDER_ROOT);
	return rc;
}

/* --- listing --------------------------------------------------------------- */

struct collecting {
	struct sfs_build_names *out;
	size_t cap;
};

static enum sfs_rc add_name(struct collecting *c, const char *name,
                            struct sfs_err *err)
{
	struct sfs_build_names *out = c->out;
	char **wide;

	if (out->count == c->cap) {
		c->cap = c->cap > 0 ? c->cap * 2 : 64;
		wide = sfs_realloc_array(out->names, c->cap, sizeof(*wide));
		if (wide == NULL)
			return sfs_err_set(err, SFS_E_NO_MEMORY,
			                   "out of memory");
		out->names = wide;
	}
	out->names[out->count] = sfs_strdup(name);
	if (out->names[out->count] == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	out->count++;
	return SFS_OK;
}

static enum sfs_rc collect_entry(void *arg, int dir_fd, const char *entry,
                                 struct sfs_err *err)
{
	char name[SFS_STAGED_NAME_MAX + 1];

	if (!sfs_disk_name_read(dir_fd, entry, name))
		return SFS_OK;
	return add_name(arg, name, err);
}

static enum sfs_rc collect_ingest(struct sfs_files *f, struct collecting *c,
                                  struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->nodes.bucket_count && rc == SFS_OK; i++) {
		const struct sfs_node *node = f->nodes.buckets[i];

		for (; node != NULL && rc == SFS_OK; node = node->next) {
			if (node->dir == SFS_BUILD_INGEST)
				rc = add_name(c, node->name, err);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum sfs_rc sfs_files_list(struct sfs_files *f, enum sfs_build_dir dir,
                           struct sfs_build_names *out, struct sfs_err *err)
{
	struct collecting c = { out, 0 };
	enum sfs_rc rc;
	int fd;

	*out = (struct sfs_build_names){ NULL, 0 };
	rc = sfs_files_folder(f, (enum sfs_folder_kind)dir, &fd, err);
	if (rc != SFS_OK)
		return rc;
	if (fd < 0)
		return sfs_err_set(err, SFS_E_NOT_FOUND, "there is no %s/",
		                   dir_name(dir, true));
	if (dir == SFS_BUILD_INGEST)
		rc = collect_ingest(f, &c, err);
	else
		rc = sfs_dir_walk(fd, collect_entry, &c, err);
	(void)close(fd);
	if (rc != SFS_OK)
		sfs_build_names_release(out);
	else if (out->count > 1)
		qsort(out->names, out->count, sizeof(*out->names),
		      compare_names);
	return rc;
}

void sfs_build_names_release(struct sfs_build_names *n)
{
	for (size_t i = 0; i < n->count; i++)
		sfs_free(n->names[i]);
	sfs_free(n->names);
	*n = (struct sfs_build_names){ NULL, 0 };
}

/* --- walks of the engine ---------------------------------------------------- */

struct walking {
	sfs_key_file_fn *key_file;
	sfs_removed_fn *name_fn;
	void *arg;
	enum sfs_build_dir dir; /* of key_file */
};

static enum sfs_rc walk_folder(struct sfs_files *f, enum sfs_folder_kind kind,
                               sfs_entry_fn *fn, struct walking *w,
                               struct sfs_err *err)
{
	enum sfs_rc rc;
	int fd;

	rc = sfs_files_folder(f, kind, &fd, err);
	if (rc != SFS_OK || fd < 0)
		return rc;
	rc = sfs_dir_walk(fd, fn, w, err);
	(void)close(fd);
	return rc;
}

static enum sfs_rc visit_key(void *arg, int dir_fd, const char *entry,
                             struct sfs_err *err)
{
	struct walking *w = arg;
	char name[SFS_STAGED_NAME_MAX + 1];
	struct sfs_key_file file;
	struct stat st;

	if (!sfs_disk_name_read(dir_fd, entry, name))
		return SFS_OK;
	file.at = (struct sfs_build_place){ w->dir, name };
	file.key = w->dir == SFS_BUILD_WHERE ? sfs_where_key(name) : name;
	file.key_len = strlen(file.key);
	file.st = &st;
	if (sfs_name_is_scratch(file.key))
		return SFS_OK;
	if (fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return SFS_OK; /* gone meanwhile */
		return sfs_err_sys(err, errno, "%s", SFS_PLACE(w->dir, name));
	}
	return w->key_file(w->arg, &file, err);
}

enum sfs_rc sfs_files_walk_keys(struct sfs_files *f, sfs_key_file_fn *fn,
                                void *arg, struct sfs_err *err)
{
	struct walking w = { fn, NULL, arg, SFS_BUILD_KEYS };
	enum sfs_rc rc = walk_folder(f, SFS_FOLDER_KEYS, visit_key, &w, err);

	w.dir = SFS_BUILD_WHERE;
	if (rc == SFS_OK)
		rc = walk_folder(f, SFS_FOLDER_WHERE, visit_key, &w, err);
	return rc;
}

static enum sfs_rc visit_removed(void *arg, int dir_fd, const char *entry,
                                 struct sfs_err *err)
{
	struct walking *w = arg;
	char name[SFS_STAGED_NAME_MAX + 1];

	if (!sfs_disk_name_read(dir_fd, entry, name))
		return SFS_OK;
	return w->name_fn(w->arg, name, strlen(name), err);
}

enum sfs_rc sfs_files_walk_removed(struct sfs_files *f, sfs_removed_fn *fn,
                                   void *arg, struct sfs_err *err)
{
	struct walking w = { NULL, fn, arg, SFS_BUILD_TOP };

	return walk_folder(f, SFS_FOLDER_DELETED, visit_removed, &w, err);
}

static enum sfs_rc visit_top(void *arg, int dir_fd, const char *entry,
                             struct sfs_err *err)
{
	struct walking *w = arg;
	char name[SFS_STAGED_NAME_MAX + 1];

	if (!sfs_disk_name_read(dir_fd, entry, name) ||
	    sfs_name_is_scratch(name) || strcmp(name, SFS_FILES_CONFIG) == 0 ||
	    strcmp(name, "message") == 0 || strcmp(name, "tag") == 0)
		return SFS_OK;
	return w->name_fn(w->arg, name, strlen(name), err);
}

enum sfs_rc sfs_files_walk_strays(struct sfs_files *f, sfs_removed_fn *fn,
                                  void *arg, struct sfs_err *err)
{
	struct walking w = { NULL, fn, arg, SFS_BUILD_TOP };

	return walk_folder(f, SFS_FOLDER_TOP, visit_top, &w, err);
}

enum sfs_rc sfs_files_open_key(struct sfs_files *f,
                               const struct sfs_build_place *at, int *fd_out,
                               struct sfs_err *err)
{
	struct sfs_disk_name disk;
	enum sfs_rc rc;
	int dir_fd;

	*fd_out = -1;
	rc = sfs_disk_name_set(&disk, at->name, SFS_DISK_NAME_MAX, err);
	if (rc == SFS_OK)
		rc = sfs_files_folder(f, (enum sfs_folder_kind)at->dir, &dir_fd,
		                      err);
	if (rc != SFS_OK)
		return rc;
	if (dir_fd < 0)
		return sfs_err_set(err, SFS_E_NOT_FOUND, "%s",
		                   SFS_PLACE(at->dir, at->name));
	*fd_out = sfs_disk_open(dir_fd, disk.text, O_RDONLY);
	if (*fd_out < 0)
		rc = sfs_err_sys(err, errno, "%s",
		                 SFS_PLACE(at->dir, at->name));
	(void)close(dir_fd);
	return rc;
}
