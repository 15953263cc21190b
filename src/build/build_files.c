/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staged files by name: the rules of each directory, and telling the engine
 * of what happened to ingest files.
 */
#include "build/build_internal.h"

#include "base/alloc.h"
#include "format/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool sfs_build_has_dir(struct sfs_build *b, enum sfs_build_dir dir)
{
	bool has;

	pthread_mutex_lock(&b->files->lock);
	has = b->files->folders[dir].fd >= 0;
	pthread_mutex_unlock(&b->files->lock);
	return has;
}

typedef enum sfs_rc dir_fn(struct sfs_files *f, enum sfs_build_dir dir,
                           struct sfs_err *err);

static enum sfs_rc change_dir(struct sfs_build *b, dir_fn *change,
                              enum sfs_build_dir dir, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_enter_change(b, err);

	if (rc != SFS_OK)
		return rc;
	rc = change(b->files, dir, err);
	sfs_build_leave_change(b);
	return rc;
}

enum sfs_rc sfs_build_rmdir(struct sfs_build *b, enum sfs_build_dir dir,
                            struct sfs_err *err)
{
	return change_dir(b, sfs_files_rmdir, dir, err);
}

enum sfs_rc sfs_build_mkdir(struct sfs_build *b, enum sfs_build_dir dir,
                            struct sfs_err *err)
{
	return change_dir(b, sfs_files_mkdir, dir, err);
}

enum sfs_rc sfs_build_dir_stat(struct sfs_build *b, enum sfs_build_dir dir,
                               struct stat *st, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_check_live(b, err);
	int fd;

	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&b->files->lock);
	fd = b->files->folders[dir].fd;
	if (fd < 0)
		rc = sfs_err_set(err, SFS_E_NOT_FOUND, "there is no %s",
		                 sfs_build_dir_prefix(dir));
	else if (fstat(fd, st) != 0)
		rc = sfs_err_sys(err, errno, "%s", sfs_build_dir_prefix(dir));
	pthread_mutex_unlock(&b->files->lock);
	return rc;
}

/* --- rules --------------------------------------------------------------------- */

/* A name that is no key is scratch; a key has one name. */
static enum sfs_rc check_key_name(struct sfs_build *b,
                                  const struct sfs_build_place *at,
                                  const char *name, struct sfs_err *err)
{
	enum sfs_key_encoding encoding = sfs_build_encoding(b);
	size_t len = strlen(name);
	uint8_t key[SFS_STAGED_NAME_MAX + 1];
	char canonical[3 * SFS_STAGED_NAME_MAX + 1];
	struct sfs_bytes bytes = { key, 0 };

	if (sfs_name_is_scratch(name) ||
	    !sfs_key_from_name(encoding, name, len, key, &bytes.len))
		return SFS_OK;
	if (sfs_key_to_name(encoding, bytes, canonical, sizeof(canonical),
	                    &len) != SFS_OK ||
	    strcmp(name, canonical) != 0)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%.250s: write it as %.200s",
		                   SFS_PLACE(at->dir, at->name), canonical);
	return SFS_OK;
}

enum sfs_rc sfs_build_check_rules(struct sfs_build *b, enum sfs_build_dir dir,
                                  const char *name, struct sfs_err *err)
{
	const struct sfs_build_place at = { dir, name };
	enum sfs_rc rc = sfs_files_check_name(name, err);

	if (rc == SFS_OK && dir == SFS_BUILD_WHERE)
		rc = sfs_build_check_where(b, name, err);
	if (rc == SFS_OK && dir == SFS_BUILD_WHERE)
		rc = check_key_name(b, &at, sfs_where_key(name), err);
	else if (rc == SFS_OK && dir == SFS_BUILD_KEYS)
		rc = check_key_name(b, &at, name, err);
	return rc;
}

enum sfs_rc sfs_build_stat(struct sfs_build *b, enum sfs_build_dir dir,
                           const char *name, struct stat *st,
                           struct sfs_err *err)
{
	struct sfs_spot spot;
	enum sfs_rc rc = sfs_build_check_live(b, err);

	if (rc == SFS_OK)
		rc = sfs_files_check_name(name, err);
	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&b->files->lock);
	rc = sfs_files_locate(b->files, dir, name, &spot, err);
	if (rc == SFS_OK &&
	    fstatat(spot.dir_fd, spot.disk.text, st, AT_SYMLINK_NOFOLLOW) != 0)
		rc = sfs_err_sys(err, errno, "%s", SFS_PLACE(dir, name));
	pthread_mutex_unlock(&b->files->lock);
	return rc;
}

enum sfs_rc sfs_build_list(struct sfs_build *b, enum sfs_build_dir dir,
                           struct sfs_build_names *out, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_check_live(b, err);

	*out = (struct sfs_build_names){ NULL, 0 };
	if (rc == SFS_OK)
		rc = sfs_files_list(b->files, dir, out, err);
	return rc;
}

/* --- what is set by name ---------------------------------------------------------- */

enum sfs_rc sfs_build_chmod(struct sfs_build *b, enum sfs_build_dir dir,
                            const char *name, mode_t mode, struct sfs_err *err)
{
	struct sfs_spot spot;
	enum sfs_rc rc = sfs_build_enter_change(b, err);

	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&b->files->lock);
	rc = sfs_files_locate(b->files, dir, name, &spot, err);
	if (rc == SFS_OK &&
	    fchmodat(spot.dir_fd, spot.disk.text, mode & 07777, 0) != 0)
		rc = sfs_err_sys(err, errno, "cannot chmod %s",
		                 SFS_PLACE(dir, name));
	pthread_mutex_unlock(&b->files->lock);
	sfs_build_leave_change(b);
	return rc;
}

enum sfs_rc sfs_build_utimens(struct sfs_build *b, enum sfs_build_dir dir,
                              const char *name, const struct timespec times[2],
                              struct sfs_err *err)
{
	struct sfs_spot spot;
	enum sfs_rc rc = sfs_build_enter_change(b, err);

	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&b->files->lock);
	rc = sfs_files_locate(b->files, dir, name, &spot, err);
	if (rc == SFS_OK && utimensat(spot.dir_fd, spot.disk.text, times,
	                              AT_SYMLINK_NOFOLLOW) != 0)
		rc = sfs_err_sys(err, errno, "cannot set the times of %s",
		                 SFS_PLACE(dir, name));
	pthread_mutex_unlock(&b->files->lock);
	sfs_build_leave_change(b);
	return rc;
}

enum sfs_rc sfs_build_remove_key(struct sfs_build *b,
                                 const struct sfs_build_place *at,
                                 struct sfs_err *err)
{
	const char *name =
		at->dir == SFS_BUILD_WHERE ? sfs_where_key(at->name) : at->name;
	uint8_t key[SFS_STAGED_NAME_MAX + 1];
	enum sfs_rc rc = sfs_build_enter_change(b, err);
	size_t len;

	if (rc != SFS_OK)
		return rc;
	rc = sfs_build_check_rules(b, at->dir, at->name, err);
	if (rc == SFS_OK && !sfs_key_from_name(sfs_build_encoding(b), name,
	                                       strlen(name), key, &len))
		rc = sfs_err_set(err, SFS_E_INVALID, "%.250s: no key",
		                 SFS_PLACE(at->dir, at->name));
	if (rc == SFS_OK)
		rc = sfs_files_remove_key(b->files, at->name, err);
	sfs_build_leave_change(b);
	return rc;
}

bool sfs_build_is_removed(struct sfs_build *b, const char *name)
{
	return sfs_files_is_removed(b->files, name);
}

/* --- unlink, rename ---------------------------------------------------------------- */

enum sfs_rc sfs_build_unlink(struct sfs_build *b, enum sfs_build_dir dir,
                             const char *name, struct sfs_err *err)
{
	struct sfs_name_event event = { .is_listed = false };
	enum sfs_rc rc = sfs_build_enter_change(b, err);

	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&b->telling);
	rc = sfs_files_unlink(b->files, dir, name, &event, err);
	sfs_build_tell_names(b, &event);
	pthread_mutex_unlock(&b->telling);
	if (rc == SFS_OK && sfs_build_is_config(dir, name))
		sfs_build_note_config(b);
	sfs_build_leave_change(b);
	return rc;
}

/* What comes to a place must be allowed there. */
static enum sfs_rc check_arrival(struct sfs_build *b,
                                 const struct sfs_build_place *from,
                                 const struct sfs_build_place *to,
                                 struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_check_rules(b, to->dir, to->name, err);
	struct stat st;

	if (rc == SFS_OK && sfs_dir_has_records(to->dir) &&
	    !sfs_dir_has_records(from->dir)) {
		rc = sfs_build_stat(b, from->dir, from->name, &st, err);
		if (rc == SFS_OK && (uint64_t)st.st_size > b->value_max)
			rc = sfs_err_set(err, SFS_E_TOO_BIG,
			                 "%.250s: larger than value_max",
			                 SFS_PLACE(to->dir, to->name));
	}
	if (rc == SFS_OK && sfs_build_is_config(to->dir, to->name))
		rc = sfs_build_check_config_file(b, from, err);
	return rc;
}

static enum sfs_rc rename_staged(struct sfs_build *b,
                                 const struct sfs_build_place *from,
                                 const struct sfs_build_place *to,
                                 unsigned flags, struct sfs_err *err)
{
	struct sfs_name_event event = { .is_listed = false };
	enum sfs_rc rc = sfs_files_check_name(from->name, err);

	if (rc == SFS_OK)
		rc = check_arrival(b, from, to, err);
	if (rc == SFS_OK && flags == RENAME_EXCHANGE)
		rc = check_arrival(b, to, from, err);
	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&b->telling);
	rc = sfs_files_rename(b->files, from, to, flags, &event, err);
	sfs_build_tell_names(b, &event);
	pthread_mutex_unlock(&b->telling);
	return rc;
}

enum sfs_rc sfs_build_rename(struct sfs_build *b,
                             const struct sfs_build_place *from,
                             const struct sfs_build_place *to, unsigned flags,
                             struct sfs_err *err)
{
	bool is_config = sfs_build_is_config(from->dir, from->name) ||
	                 sfs_build_is_config(to->dir, to->name);
	enum sfs_rc rc;

	if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "renaming with flags %u is not supported",
		                   flags);
	rc = sfs_build_enter_change(b, err);
	if (rc != SFS_OK)
		return rc;
	if (is_config)
		pthread_mutex_lock(&b->settings);
	rc = rename_staged(b, from, to, flags, err);
	if (is_config)
		pthread_mutex_unlock(&b->settings);
	if (is_config && rc == SFS_OK)
		sfs_build_note_config(b);
	sfs_build_leave_change(b);
	return rc;
}
