/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of one build. The user's bytes are the only durable state:
 * there is nothing to replay, and whoever opens the directory next knows all
 * that there is to know. Below AREA/NAME/ lie
 *
 *	lock		locked (flock) by the owner, whose pid is inside
 *	defaults	config.yaml as mkdir wrote it: what a setting is that
 *			config.yaml does not name
 *	top/		config.yaml, message, tag and scratch, as real files
 *	keys/		one real file a key, and scratch
 *	where/		the same with columns (where_name.h)
 *	raw/		ingest files as <seq>-FILE, seq having 20 digits;
 *			<seq>o-FILE while somebody writes it
 *	deleted/	one empty file for each removed key of the base
 *	base		the snapshot ID of the base; absent: none
 *	intent		what the engine must know after a crash
 *	runs/		scratch of the engine, emptied at adoption
 *
 * and nothing else but ".tmp-*" of a crash. keys/ and raw/ are absent while
 * the user has removed them. Names that the file system does not take lie
 * under a hash (files_name.c).
 *
 * What a crash leaves: base, intent and defaults are replaced atomically. An
 * ingest file that is marked "o" had a writer: it keeps its bytes and is
 * incomplete until it is written and closed again, truncated or removed. If a
 * rename over an ingest file stopped half way there are two of one name, and
 * the higher seq is the newer one.
 *
 * Each folder counts the changes of its names and how many of them were
 * synced, so that a sync with nothing to do costs nothing.
 */
#include "build/files_internal.h"

#include "base/alloc.h"
#include "base/atomicfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { DIR_MODE = 0700, FILE_MODE = 0600, READ_STEP = 4096 };

static const char *const folder_names[SFS_FOLDERS] = {
	[SFS_FOLDER_ROOT] = ".",      [SFS_FOLDER_TOP] = "top",
	[SFS_FOLDER_KEYS] = "keys",   [SFS_FOLDER_RAW] = "raw",
	[SFS_FOLDER_WHERE] = "where", [SFS_FOLDER_DELETED] = "deleted",
	[SFS_FOLDER_RUNS] = "runs",
};

static bool is_optional(size_t kind)
{
	return kind == SFS_FOLDER_KEYS || kind == SFS_FOLDER_RAW;
}

/* --- making, opening, closing -------------------------------------------- */

static enum sfs_rc write_new(int dir_fd, const char *name, const char *text,
                             size_t len, struct sfs_err *err)
{
	struct sfs_atomicfile file = SFS_ATOMICFILE_INIT;
	enum sfs_rc rc = sfs_atomicfile_begin(&file, dir_fd, err);

	if (rc == SFS_OK)
		rc = sfs_atomicfile_write(&file, text, len, err);
	if (rc == SFS_OK)
		rc = sfs_atomicfile_commit(&file, name, false, err);
	sfs_atomicfile_abort(&file);
	return rc;
}

static int open_dir(int dir_fd, const char *name)
{
	return openat(dir_fd, name,
	              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

enum sfs_rc sfs_files_create(int dir_fd, const char *config_text, size_t len,
                             struct sfs_err *err)
{
	enum sfs_rc rc;
	int top_fd;

	for (size_t i = SFS_FOLDER_TOP; i < SFS_FOLDERS; i++) {
		if (mkdirat(dir_fd, folder_names[i], DIR_MODE) != 0)
			return sfs_err_sys(err, errno, "cannot make %s/",
			                   folder_names[i]);
	}
	rc = write_new(dir_fd, SFS_FILES_DEFAULTS, config_text, len, err);
	if (rc != SFS_OK)
		return rc;
	top_fd = open_dir(dir_fd, "top");
	if (top_fd < 0)
		return sfs_err_sys(err, errno, "top/");
	rc = write_new(top_fd, SFS_FILES_CONFIG, config_text, len, err);
	(void)close(top_fd);
	return rc == SFS_OK ? sfs_dir_sync(dir_fd, err) : rc;
}

/* A crash of mkdir cannot leave this, but a damaged disk can. */
static enum sfs_rc open_folder(struct sfs_files *f, size_t kind,
                               struct sfs_err *err)
{
	const char *name = folder_names[kind];
	int fd = open_dir(f->dir_fd, name);

	if (fd < 0 && errno == ENOENT && !is_optional(kind) &&
	    mkdirat(f->dir_fd, name, DIR_MODE) == 0)
		fd = open_dir(f->dir_fd, name);
	if (fd < 0 && (errno != ENOENT || !is_optional(kind)))
		return sfs_err_sys(err, errno, "%s/", name);
	f->folders[kind].fd = fd;
	return SFS_OK;
}

static enum sfs_rc clean(struct sfs_files *f, struct sfs_err *err)
{
	static const enum sfs_folder_kind kinds[] = {
		SFS_FOLDER_ROOT,  SFS_FOLDER_TOP,     SFS_FOLDER_KEYS,
		SFS_FOLDER_WHERE, SFS_FOLDER_DELETED,
	};
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int fd = f->folders[kinds[i]].fd;

		if (fd >= 0 && rc == SFS_OK)
			rc = sfs_folder_clean(fd, err);
	}
	if (rc == SFS_OK)
		rc = sfs_dir_empty(f->folders[SFS_FOLDER_RUNS].fd, NULL, err);
	return rc;
}

static enum sfs_rc load_base(struct sfs_files *f, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_SNAPSHOT_ID_BYTES);
	enum sfs_rc rc;

	rc = sfs_files_read_at(f->dir_fd, "base", &text, &f->has_base, err);
	if (rc == SFS_OK && f->has_base) {
		if (text.len > 0 && text.data[text.len - 1] == '\n')
			text.data[--text.len] = '\0';
		if (text.len == 0 ||
		    !sfs_snapshot_id_from_text(text.data, &f->base))
			rc = sfs_err_set(err, SFS_E_CORRUPT,
			                 "base: no snapshot ID");
	}
	sfs_buf_release(&text);
	return rc;
}

enum sfs_rc sfs_files_open(int dir_fd, struct sfs_files **out,
                           struct sfs_err *err)
{
	struct sfs_files *f = sfs_calloc(1, sizeof(*f));
	enum sfs_rc rc;

	if (f == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	f->dir_fd = -1;
	f->next_seq = 1;
	atomic_init(&f->keys_version, 1);
	pthread_mutex_init(&f->lock, NULL);
	for (size_t i = 0; i < SFS_FOLDERS; i++)
		f->folders[i].fd = -1;
	rc = sfs_nodes_init(&f->nodes, err);
	f->dir_fd = dir_fd;
	for (size_t i = 0; i < SFS_FOLDERS && rc == SFS_OK; i++) {
		rc = open_folder(f, i, err);
		sfs_files_touch(f, (enum sfs_folder_kind)i);
	}
	if (rc == SFS_OK)
		rc = clean(f, err);
	if (rc == SFS_OK)
		rc = load_base(f, err);
	if (rc == SFS_OK)
		rc = sfs_raw_load(f, err);
	if (rc == SFS_OK) {
		*out = f;
		return SFS_OK;
	}
	f->dir_fd = -1; /* the caller's still */
	sfs_files_close(f);
	return rc;
}

void sfs_files_close(struct sfs_files *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < SFS_FOLDERS; i++) {
		if (f->folders[i].fd >= 0)
			(void)close(f->folders[i].fd);
	}
	if (f->dir_fd >= 0)
		(void)close(f->dir_fd);
	sfs_nodes_release(&f->nodes);
	pthread_mutex_destroy(&f->lock);
	sfs_free(f);
}

/* --- folders ------------------------------------------------------------- */

enum sfs_rc sfs_files_folder(struct sfs_files *f, enum sfs_folder_kind kind,
                             int *fd_out, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	int fd;

	*fd_out = -1;
	pthread_mutex_lock(&f->lock);
	fd = f->folders[kind].fd;
	if (fd >= 0) {
		*fd_out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (*fd_out < 0)
			rc = sfs_err_sys(err, errno, "%s/", folder_names[kind]);
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

void sfs_files_touch(struct sfs_files *f, enum sfs_folder_kind kind)
{
	atomic_fetch_add(&f->folders[kind].changes, 1);
}

static enum sfs_rc sync_folder(struct sfs_files *f, enum sfs_folder_kind kind,
                               struct sfs_err *err)
{
	struct sfs_folder *folder = &f->folders[kind];
	uint64_t changes = atomic_load(&folder->changes);
	uint64_t synced = atomic_load(&folder->synced);
	enum sfs_rc rc;
	int fd;

	if (synced >= changes)
		return SFS_OK;
	rc = sfs_files_folder(f, kind, &fd, err);
	if (rc != SFS_OK || fd < 0)
		return rc;
	rc = sfs_dir_sync(fd, err);
	(void)close(fd);
	if (rc != SFS_OK)
		return rc;
	while (synced < changes &&
	       !atomic_compare_exchange_weak(&folder->synced, &synced, changes))
		;
	return SFS_OK;
}

enum sfs_rc sfs_files_sync_names(struct sfs_files *f, enum sfs_folder_kind kind,
                                 struct sfs_err *err)
{
	enum sfs_rc rc = sync_folder(f, kind, err);

	if (rc == SFS_OK)
		rc = sync_folder(f, SFS_FOLDER_ROOT, err);
	return rc;
}

int sfs_files_runs_fd(struct sfs_files *f)
{
	return f->folders[SFS_FOLDER_RUNS].fd; /* never changes */
}

uint64_t sfs_files_keys_version(struct sfs_files *f)
{
	return atomic_load(&f->keys_version);
}

/* --- small texts --------------------------------------------------------- */

enum sfs_rc sfs_files_save_own(struct sfs_files *f, const char *name,
                               const char *text, size_t len,
                               struct sfs_err *err)
{
	return write_new(f->dir_fd, name, text, len, err);
}

static enum sfs_rc read_all(int fd, const char *name, struct sfs_buf *out,
                            struct sfs_err *err)
{
	char block[READ_STEP];
	off_t offset = 0;
	ssize_t got;

	do {
		got = pread(fd, block, sizeof(block), offset);
		if (got < 0)
			return sfs_err_sys(err, errno, "cannot read %s", name);
		sfs_buf_add(out, block, (size_t)got);
		offset += got;
	} while (got > 0 && out->failed == SFS_OK);
	return sfs_buf_finish(out, name, err);
}

enum sfs_rc sfs_files_read_at(int dir_fd, const char *name, struct sfs_buf *out,
                              bool *found, struct sfs_err *err)
{
	enum sfs_rc rc;
	int fd;

	sfs_buf_reset(out);
	*found = false;
	fd = openat(dir_fd, name,
	            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return SFS_OK;
	if (fd < 0)
		return sfs_err_sys(err, errno, "cannot open %s", name);
	*found = true;
	rc = read_all(fd, name, out, err);
	(void)close(fd);
	return rc;
}

enum sfs_rc sfs_files_read_top(struct sfs_files *f, const char *name,
                               struct sfs_buf *out, bool *found,
                               struct sfs_err *err)
{
	return sfs_files_read_at(f->folders[SFS_FOLDER_TOP].fd, name, out,
	                         found, err);
}

enum sfs_rc sfs_files_save_intent(struct sfs_files *f, const char *text,
                                  struct sfs_err *err)
{
	return sfs_files_save_own(f, "intent", text, strlen(text), err);
}

enum sfs_rc sfs_files_load_intent(struct sfs_files *f, struct sfs_buf *out,
                                  bool *found, struct sfs_err *err)
{
	return sfs_files_read_at(f->dir_fd, "intent", out, found, err);
}

/* --- the base ------------------------------------------------------------- */

bool sfs_files_get_base(struct sfs_files *f, struct sfs_snapshot_id *out)
{
	bool has_base;

	pthread_mutex_lock(&f->lock);
	has_base = f->has_base;
	if (has_base)
		*out = f->base;
	pthread_mutex_unlock(&f->lock);
	return has_base;
}

enum sfs_rc sfs_files_set_base(struct sfs_files *f,
                               const struct sfs_snapshot_id *id,
                               struct sfs_err *err)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	enum sfs_rc rc;

	sfs_snapshot_id_text(id, text);
	pthread_mutex_lock(&f->lock);
	rc = sfs_files_save_own(f, "base", text, strlen(text), err);
	if (rc == SFS_OK) {
		f->has_base = true;
		f->base = *id;
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

enum sfs_rc sfs_files_clear_base(struct sfs_files *f, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&f->lock);
	if (!f->has_base)
		rc = sfs_err_set(err, SFS_E_NOT_FOUND, "there is no base");
	else if (unlinkat(f->dir_fd, "base", 0) != 0 && errno != ENOENT)
		rc = sfs_err_sys(err, errno, "cannot remove base");
	else
		f->has_base = false;
	pthread_mutex_unlock(&f->lock);
	if (rc != SFS_OK)
		return rc;
	sfs_files_touch(f, SFS_FOLDER_ROOT);
	return sync_folder(f, SFS_FOLDER_ROOT, err);
}

enum sfs_rc sfs_files_remove_key(struct sfs_files *f, const char *name,
                                 struct sfs_err *err)
{
	int dir_fd = f->folders[SFS_FOLDER_DELETED].fd;
	struct sfs_disk_name disk;
	enum sfs_rc rc;
	int fd;

	rc = sfs_disk_name_set(&disk, name, SFS_DISK_NAME_MAX, err);
	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&f->lock);
	rc = sfs_disk_name_save(dir_fd, &disk, name, err);
	if (rc == SFS_OK) {
		fd = openat(dir_fd, disk.text,
		            O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		            FILE_MODE);
		if (fd < 0)
			rc = sfs_err_sys(err, errno, "cannot remove %s", name);
		else
			(void)close(fd);
	}
	pthread_mutex_unlock(&f->lock);
	sfs_files_touch(f, SFS_FOLDER_DELETED);
	atomic_fetch_add(&f->keys_version, 1);
	return rc;
}

bool sfs_files_is_removed(struct sfs_files *f, const char *name)
{
	struct sfs_disk_name disk;

	return sfs_disk_name_set(&disk, name, SFS_DISK_NAME_MAX, NULL) ==
	               SFS_OK &&
	       faccessat(f->folders[SFS_FOLDER_DELETED].fd, disk.text, F_OK,
	                 AT_SYMLINK_NOFOLLOW) == 0;
}
