/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of users as names on disk. A name that the file system takes is kept
 * as it is. Any other one (longer than its limit, or one that looks like ours)
 * lies as ".long-<SHA-256>", and a companion ".name-<SHA-256>" holds it: not
 * every file system has extended attributes that are large enough.
 *
 * The companion belongs to the name, not to the file: it is durable before
 * the file has the name, and removed after it lost it. So a crash leaves a
 * companion without a file at worst, which the next owner removes, and two
 * long names can change places as any others can.
 */
#include "build/files_internal.h"

#include "base/atomicfile.h"
#include "base/digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LONG_MARK ".long-"
#define COMPANION_MARK ".name-"
#define LOST_MARK ".lost-"

enum { MARK_BYTES = 6, DEPTH_MAX = 8 };

static bool has_mark(const char *name, const char *mark)
{
	return strncmp(name, mark, strlen(mark)) == 0;
}

static bool is_ours(const char *name)
{
	return has_mark(name, LONG_MARK) || has_mark(name, COMPANION_MARK) ||
	       has_mark(name, SFS_ATOMICFILE_TMP);
}

static enum sfs_rc hash_name(const char *name, char hex[SFS_DIGEST_HEX_BYTES],
                             struct sfs_err *err)
{
	struct sfs_digest digest = { NULL };
	enum sfs_rc rc = sfs_digest_begin(&digest, err);

	if (rc == SFS_OK)
		rc = sfs_digest_add(&digest, name, strlen(name), err);
	if (rc == SFS_OK)
		rc = sfs_digest_finish(&digest, hex, err);
	sfs_digest_release(&digest);
	return rc;
}

enum sfs_rc sfs_disk_name_set(struct sfs_disk_name *out, const char *name,
                              size_t max, struct sfs_err *err)
{
	enum sfs_rc rc;

	out->hash[0] = '\0';
	if (strlen(name) <= max && !is_ours(name)) {
		(void)snprintf(out->text, sizeof(out->text), "%s", name);
		return SFS_OK;
	}
	rc = hash_name(name, out->hash, err);
	if (rc == SFS_OK)
		(void)snprintf(out->text, sizeof(out->text), LONG_MARK "%s",
		               out->hash);
	return rc;
}

static void companion_of(const char *hash, char out[SFS_DISK_NAME_MAX + 1])
{
	(void)snprintf(out, SFS_DISK_NAME_MAX + 1, COMPANION_MARK "%s", hash);
}

enum sfs_rc sfs_disk_name_save(int dir_fd, const struct sfs_disk_name *disk,
                               const char *name, struct sfs_err *err)
{
	struct sfs_atomicfile file = SFS_ATOMICFILE_INIT;
	char companion[SFS_DISK_NAME_MAX + 1];
	enum sfs_rc rc;

	if (disk->hash[0] == '\0')
		return SFS_OK;
	companion_of(disk->hash, companion);
	if (faccessat(dir_fd, companion, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return SFS_OK;
	rc = sfs_atomicfile_begin(&file, dir_fd, err);
	if (rc == SFS_OK)
		rc = sfs_atomicfile_write(&file, name, strlen(name), err);
	if (rc == SFS_OK)
		rc = sfs_atomicfile_commit(&file, companion, false, err);
	sfs_atomicfile_abort(&file);
	return rc;
}

void sfs_disk_name_drop(int dir_fd, const struct sfs_disk_name *disk)
{
	char companion[SFS_DISK_NAME_MAX + 1];

	if (disk->hash[0] == '\0')
		return;
	companion_of(disk->hash, companion);
	(void)unlinkat(dir_fd, companion, 0); /* the next owner removes it */
}

static bool read_companion(int dir_fd, const char *hash,
                           char out[SFS_STAGED_NAME_MAX + 1])
{
	char companion[SFS_DISK_NAME_MAX + 1];
	ssize_t len;
	int fd;

	companion_of(hash, companion);
	fd = openat(dir_fd, companion, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = pread(fd, out, SFS_STAGED_NAME_MAX, 0);
	(void)close(fd);
	out[len > 0 ? len : 0] = '\0';
	return len > 0;
}

bool sfs_disk_name_read(int dir_fd, const char *entry,
                        char out[SFS_STAGED_NAME_MAX + 1])
{
	char hash[SFS_DIGEST_HEX_BYTES];

	if (!is_ours(entry)) {
		(void)snprintf(out, SFS_STAGED_NAME_MAX + 1, "%s", entry);
		return true;
	}
	return has_mark(entry, LONG_MARK) &&
	       read_companion(dir_fd, entry + MARK_BYTES, out) &&
	       hash_name(out, hash, NULL) == SFS_OK &&
	       strcmp(hash, entry + MARK_BYTES) == 0;
}

enum sfs_rc sfs_dir_walk(int dir_fd, sfs_entry_fn *fn, void *arg,
                         struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	struct dirent *entry;
	DIR *dir = NULL;
	int fd;

	/* A descriptor of its own has a position of its own. */
	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		dir = fdopendir(fd);
	if (dir == NULL) {
		rc = sfs_err_sys(err, errno, "cannot list a directory");
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	while (rc == SFS_OK) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			break;
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			rc = fn(arg, dir_fd, entry->d_name, err);
	}
	if (rc == SFS_OK && errno != 0)
		rc = sfs_err_sys(err, errno, "cannot list a directory");
	(void)closedir(dir);
	return rc;
}

static enum sfs_rc clean_entry(void *arg, int dir_fd, const char *entry,
                               struct sfs_err *err)
{
	char other[SFS_DISK_NAME_MAX + 1];
	char name[SFS_STAGED_NAME_MAX + 1];
	bool is_left = has_mark(entry, SFS_ATOMICFILE_TMP);

	(void)arg;
	if (has_mark(entry, COMPANION_MARK)) {
		(void)snprintf(other, sizeof(other), LONG_MARK "%s",
		               entry + MARK_BYTES);
		is_left = faccessat(dir_fd, other, F_OK, AT_SYMLINK_NOFOLLOW) !=
		                  0 &&
		          errno == ENOENT;
	}
	if (is_left && unlinkat(dir_fd, entry, 0) != 0)
		return sfs_err_sys(err, errno, "cannot remove %s", entry);
	if (!has_mark(entry, LONG_MARK) ||
	    sfs_disk_name_read(dir_fd, entry, name))
		return SFS_OK;
	/* Its name is damaged: the bytes stay, where the user sees them. */
	(void)snprintf(other, sizeof(other), LOST_MARK "%s",
	               entry + MARK_BYTES);
	if (renameat(dir_fd, entry, dir_fd, other) != 0)
		return sfs_err_sys(err, errno, "cannot rename %s", entry);
	return SFS_OK;
}

enum sfs_rc sfs_folder_clean(int dir_fd, struct sfs_err *err)
{
	return sfs_dir_walk(dir_fd, clean_entry, NULL, err);
}

struct emptying {
	const atomic_bool *stop;
	unsigned depth;
};

static enum sfs_rc empty_entry(void *arg, int dir_fd, const char *entry,
                               struct sfs_err *err)
{
	struct emptying *e = arg;
	enum sfs_rc rc = SFS_OK;
	int fd;

	if (e->stop != NULL && atomic_load(e->stop))
		return sfs_err_set(err, SFS_E_CANCELED, "removing was stopped");
	if (unlinkat(dir_fd, entry, 0) == 0 || errno == ENOENT)
		return SFS_OK;
	if (errno != EISDIR && errno != EPERM)
		return sfs_err_sys(err, errno, "cannot remove %s", entry);
	fd = openat(dir_fd, entry,
	            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || e->depth >= DEPTH_MAX) {
		rc = sfs_err_sys(err, fd < 0 ? errno : ELOOP,
		                 "cannot remove %s", entry);
	} else {
		e->depth++;
		rc = sfs_dir_walk(fd, empty_entry, e, err);
		e->depth--;
	}
	if (fd >= 0)
		(void)close(fd);
	if (rc == SFS_OK && unlinkat(dir_fd, entry, AT_REMOVEDIR) != 0 &&
	    errno != ENOENT)
		rc = sfs_err_sys(err, errno, "cannot remove %s", entry);
	return rc;
}

enum sfs_rc sfs_dir_empty(int dir_fd, const atomic_bool *stop,
                          struct sfs_err *err)
{
	struct emptying e = { stop, 0 };

	return sfs_dir_walk(dir_fd, empty_entry, &e, err);
}
