/* SPDX-License-Identifier: Apache-2.0 */
/*
 * where/ of a build. Its directories are columns, which are there or cannot
 * be, so nothing is made and nothing is removed; files lie below keys/.
 *
 * Columns that config.yaml has no more are there as long as files are below
 * them. Whoever has seen such a directory can still remove it when the last
 * file is gone, as rm -r does.
 */
#include "fs/routing.h"
#include "fs/staging_internal.h"

#include "base/alloc.h"
#include "build/where.h"

#include <string.h>

enum sfs_rc sfs_staged_place(const struct sfs_staged *dir, const char *name,
                             struct sfs_staged_place *out, struct sfs_err *err)
{
	struct sfs_build_where w = { .prefix = NULL };
	enum sfs_rc rc = SFS_OK;
	size_t room;

	*out = (struct sfs_staged_place){ { dir->dir, NULL }, NULL };
	if (dir->kind == SFS_STAGED_WHERE)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "where/ holds directories COLUMN=VALUE, and "
		                   "below them keys/ the files");
	if (dir->kind != SFS_STAGED_WHERE_KEYS) {
		out->at.name = name;
		return SFS_OK;
	}
	if (strchr(name, SFS_WHERE_BETWEEN) != NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "a control byte is written as %%1F");
	rc = sfs_build_where_enter(dir->site->build, dir->name, &w, err);
	if (rc == SFS_OK) {
		room = strlen(w.prefix) + strlen(name) + 1;
		out->joined = sfs_malloc(room);
		if (out->joined == NULL)
			rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
		else
			(void)snprintf(out->joined, room, "%s%s", w.prefix,
			               name);
	}
	out->at.name = out->joined;
	sfs_build_where_release(&w);
	return rc;
}

void sfs_staged_place_release(struct sfs_staged_place *p)
{
	sfs_free(p->joined);
	p->joined = NULL;
}

/* A directory in another, checked: its key; *path is to be freed. */
static enum sfs_rc enter_child(const struct sfs_staged *dir, const char *name,
                               struct sfs_staged_key *key, char **path,
                               struct sfs_err *err)
{
	bool is_keys = strcmp(name, "keys") == 0;
	size_t room = strlen(dir->name) + strlen(name) + 2;
	struct sfs_build_where w;
	enum sfs_rc rc;

	*path = sfs_malloc(room);
	if (*path == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	if (is_keys)
		(void)snprintf(*path, room, "%s", dir->name);
	else
		(void)snprintf(*path, room, "%s%s%s", dir->name,
		               dir->name[0] != '\0' ? "/" : "", name);
	*key = (struct sfs_staged_key){ is_keys ? SFS_STAGED_WHERE_KEYS
		                                : SFS_STAGED_WHERE,
		                        SFS_BUILD_WHERE, *path };
	rc = sfs_build_where_enter(dir->site->build, *path, &w, err);
	if (rc == SFS_OK && is_keys && !w.has_keys)
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "where/%.100s: column %s is missing: which "
		                 "shard holds a key depends on it "
		                 "(%s=VALUE/keys)",
		                 *path, w.missing, w.missing);
	sfs_build_where_release(&w);
	return rc;
}

enum sfs_rc sfs_staged_lookup_where(struct sfs_fs *fs, struct sfs_site *site,
                                    struct sfs_entry *out, struct sfs_err *err)
{
	const struct sfs_staged_key key = { SFS_STAGED_WHERE, SFS_BUILD_WHERE,
		                            "" };

	if (!sfs_build_has_where(site->build) &&
	    !sfs_staged_is_known(fs->staged, site, &key))
		return sfs_err_set(err, SFS_E_NOT_FOUND,
		                   "where: keys of this build are not routed "
		                   "by columns");
	return sfs_staged_answer_dir(fs, site, &key, out, err);
}

enum sfs_rc sfs_staged_lookup_column(struct sfs_fs *fs,
                                     const struct sfs_staged *dir,
                                     const char *name, struct sfs_entry *out,
                                     struct sfs_err *err)
{
	struct sfs_staged_key key;
	char *path;
	enum sfs_rc rc = enter_child(dir, name, &key, &path, err);

	if (rc == SFS_E_INVALID &&
	    sfs_staged_is_known(fs->staged, dir->site, &key))
		rc = SFS_OK;
	if (rc == SFS_OK)
		rc = sfs_staged_answer_dir(fs, dir->site, &key, out, err);
	else if (rc == SFS_E_INVALID)
		rc = sfs_where_explain(fs, name, err);
	sfs_free(path);
	return rc;
}

enum sfs_rc sfs_staged_mkdir_column(const struct sfs_staged *dir,
                                    const char *name, struct sfs_err *err)
{
	struct sfs_staged_key key;
	char *path = NULL;
	enum sfs_rc rc = SFS_OK;

	if (dir->kind == SFS_STAGED_WHERE)
		rc = enter_child(dir, name, &key, &path, err);
	else if (!sfs_build_has_where(dir->site->build))
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "where/: keys of this build are not routed "
		                 "by columns; see cel in config.yaml");
	sfs_free(path);
	if (rc != SFS_OK)
		return rc;
	return sfs_err_set(err, SFS_E_EXISTS, "%s exists", name);
}

enum sfs_rc sfs_staged_rmdir_column(struct sfs_fs *fs,
                                    const struct sfs_staged *dir,
                                    const char *name, struct sfs_err *err)
{
	struct sfs_staged_key key = { SFS_STAGED_WHERE, SFS_BUILD_WHERE, "" };
	char *path = NULL;
	enum sfs_rc rc = SFS_OK;

	if (dir->kind == SFS_STAGED_WHERE)
		rc = enter_child(dir, name, &key, &path, err);
	if (rc == SFS_E_INVALID &&
	    !sfs_staged_is_known(fs->staged, dir->site, &key))
		rc = sfs_err_set(err, SFS_E_NOT_FOUND, "%s: no such name",
		                 name);
	else if (rc == SFS_OK || rc == SFS_E_INVALID)
		rc = sfs_build_where_check_empty(
			dir->site->build, key.name,
			key.kind == SFS_STAGED_WHERE_KEYS, err);
	if (rc == SFS_OK)
		sfs_staged_removed(fs->staged, dir->site, &key);
	sfs_free(path);
	return rc;
}
