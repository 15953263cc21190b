/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RENAME: of files within a build; of links over "current", "base" and tags,
 * which is how ln -sfn replaces one; and of a build to publish/.
 */
#include "fs/staging_internal.h"

#include <linux/fs.h>
#include <string.h>

bool sfs_fs_is_publishing(const struct sfs_renaming *wish)
{
	return wish->new_parent == SFS_STATIC_PUBLISH;
}

bool sfs_fs_is_long_rename(const struct sfs_renaming *wish)
{
	return !sfs_fs_is_staged(wish->parent) ||
	       !sfs_fs_is_staged(wish->new_parent);
}

/* A key of the base becomes a staged file before it is moved. */
static enum sfs_rc stage(struct sfs_fs *fs, struct sfs_site *site,
                         const struct sfs_build_place *at,
                         const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged_key key = { SFS_STAGED_FILE, at->dir, at->name };
	struct sfs_staged *n;
	struct stat st;
	enum sfs_rc rc;

	pthread_rwlock_rdlock(&site->names);
	rc = sfs_build_stat(site->build, at->dir, at->name, &st, err);
	n = rc == SFS_E_NOT_FOUND ? sfs_staged_enter(fs->staged, site, &key)
	                          : NULL;
	if (n != NULL)
		atomic_store(&n->is_base, true);
	pthread_rwlock_unlock(&site->names);
	if (rc != SFS_E_NOT_FOUND)
		return rc;
	if (n == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	rc = sfs_base_copy_up(fs, n, false, call, err);
	sfs_staged_leave(fs->staged, n);
	return rc;
}

/* The files of one build; from is no longer there afterwards. */
static enum sfs_rc rename_file(struct sfs_fs *fs, struct sfs_site *site,
                               const struct sfs_build_place *from,
                               const struct sfs_build_place *to, unsigned flags,
                               const struct sfs_call *call, struct sfs_err *err)
{
	bool is_exchange = (flags & RENAME_EXCHANGE) != 0;
	bool from_base = false;
	bool to_base = false;
	enum sfs_rc rc;

	rc = sfs_base_has(fs, site, from, &from_base, call, err);
	if (rc == SFS_OK && is_exchange)
		rc = sfs_base_has(fs, site, to, &to_base, call, err);
	if (rc == SFS_OK && from_base)
		rc = stage(fs, site, from, call, err);
	if (rc == SFS_OK && to_base)
		rc = stage(fs, site, to, call, err);
	if (rc != SFS_OK)
		return rc;
	pthread_rwlock_wrlock(&site->names);
	/* A crash in between leaves the staged file, which is shown. */
	if (from_base && !is_exchange)
		rc = sfs_build_remove_key(site->build, from, err);
	if (rc == SFS_OK)
		rc = sfs_build_rename(site->build, from, to, flags, err);
	if (rc == SFS_OK)
		sfs_staged_moved(fs->staged, site, from, to, is_exchange);
	pthread_rwlock_unlock(&site->names);
	return rc;
}

/* A link that ln -sfn made, over the base. */
static enum sfs_rc rename_link(struct sfs_fs *fs, struct sfs_site *site,
                               const struct sfs_renaming *wish,
                               const struct sfs_snapshot_id *id,
                               const struct sfs_call *call, struct sfs_err *err)
{
	uint64_t dir = SFS_LINKS_BUILDS + sfs_build_number(site->build);
	enum sfs_rc rc;

	if (strcmp(wish->new_name, "base") != 0 || wish->flags != 0)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "a link in a build can only become its "
		                   "base");
	rc = sfs_build_set_base(site->build, id, call, err);
	if (rc == SFS_OK)
		(void)sfs_links_remove(fs->links, dir, wish->name);
	else if (rc == SFS_E_STALE)
		sfs_tracker_refresh(fs->config.tracker);
	return rc;
}

bool sfs_staged_is_fixed(const struct sfs_staged *dir, const char *name)
{
	return dir->kind == SFS_STAGED_BUILD &&
	       (sfs_staged_is_generated(name) || strcmp(name, "base") == 0 ||
	        strcmp(name, "keys") == 0 || strcmp(name, "where") == 0 ||
	        strcmp(name, "ingest") == 0);
}

static enum sfs_rc
rename_between(struct sfs_fs *fs, const struct sfs_staged *from_dir,
               const struct sfs_staged *to_dir, const struct sfs_renaming *wish,
               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_site *site = from_dir->site;
	struct sfs_staged_place from;
	struct sfs_staged_place to = { .joined = NULL };
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	if (to_dir->site != site)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "files cannot move between builds: copy "
		                   "them");
	if (from_dir->kind == SFS_STAGED_BUILD &&
	    to_dir->kind == SFS_STAGED_BUILD &&
	    sfs_links_get(fs->links,
	                  SFS_LINKS_BUILDS + sfs_build_number(site->build),
	                  wish->name, &id, NULL))
		return rename_link(fs, site, wish, &id, call, err);
	if (sfs_staged_is_fixed(from_dir, wish->name) ||
	    sfs_staged_is_fixed(to_dir, wish->new_name))
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "keys/, where/, ingest/, base and generated "
		                   "files stay where they are");
	rc = sfs_staged_place(from_dir, wish->name, &from, err);
	if (rc == SFS_OK)
		rc = sfs_staged_place(to_dir, wish->new_name, &to, err);
	if (rc == SFS_OK)
		rc = rename_file(fs, site, &from.at, &to.at, wish->flags, call,
		                 err);
	sfs_staged_place_release(&from);
	sfs_staged_place_release(&to);
	return rc;
}

enum sfs_rc sfs_staged_rename(struct sfs_fs *fs,
                              const struct sfs_renaming *wish,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged *from_dir;
	struct sfs_staged *to_dir;
	enum sfs_rc rc;

	rc = sfs_staged_enter_dir(fs, wish->parent, &from_dir, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_staged_enter_dir(fs, wish->new_parent, &to_dir, err);
	if (rc == SFS_OK) {
		rc = rename_between(fs, from_dir, to_dir, wish, call, err);
		sfs_staged_leave(fs->staged, to_dir);
	}
	sfs_staged_leave(fs->staged, from_dir);
	return rc;
}

/* ln -sfn snapshots/ID current: the last step of it. */
static enum sfs_rc rename_in_root(struct sfs_fs *fs,
                                  const struct sfs_renaming *wish,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	if (!sfs_links_get(fs->links, SFS_LINKS_ROOT, wish->name, &id, NULL) ||
	    strcmp(wish->new_name, "current") != 0 || wish->flags != 0)
		return sfs_err_set(err, SFS_E_READ_ONLY,
		                   "ln -sfn snapshots/ID current rolls back; "
		                   "nothing else moves here");
	rc = sfs_fs_rollback(fs, &id, call, err);
	if (rc == SFS_OK)
		(void)sfs_links_remove(fs->links, SFS_LINKS_ROOT, wish->name);
	return rc;
}

/*
 * The same for tags. Wherever it stops both snapshots have a tag that they had
 * or were to have: the new name changes in one step, the old one goes last.
 */
static enum sfs_rc rename_tag(struct sfs_fs *fs,
                              const struct sfs_renaming *wish,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_catalog *catalog = fs->config.source.catalog;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	if ((wish->flags & ~(unsigned)RENAME_NOREPLACE) != 0)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "tags cannot be exchanged");
	rc = catalog->ops->get_tag(catalog, wish->name, &id, call, err);
	if (rc == SFS_OK && wish->flags == 0)
		rc = catalog->ops->set_tag(catalog, wish->new_name, &id, call,
		                           err);
	else if (rc == SFS_OK)
		rc = catalog->ops->put_tag(catalog, wish->new_name, &id, call,
		                           err);
	if (rc == SFS_OK)
		rc = catalog->ops->delete_tag(catalog, wish->name, call, err);
	return rc;
}

enum sfs_rc sfs_fs_rename(struct sfs_fs *fs, const struct sfs_renaming *wish,
                          const struct sfs_call *call, struct sfs_err *err)
{
	if (wish->new_parent == SFS_STATIC_PUBLISH)
		return sfs_fs_publish(fs, wish, call, err);
	if (sfs_fs_is_staged(wish->parent) &&
	    sfs_fs_is_staged(wish->new_parent))
		return sfs_staged_rename(fs, wish, call, err);
	if (wish->parent == SFS_FS_ROOT && wish->new_parent == SFS_FS_ROOT)
		return rename_in_root(fs, wish, call, err);
	if (wish->parent == SFS_STATIC_TAGS &&
	    wish->new_parent == SFS_STATIC_TAGS)
		return rename_tag(fs, wish, call, err);
	if (wish->parent == SFS_STATIC_STAGING)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "a build keeps its name, and can only move "
		                   "to publish/");
	if (wish->parent == SFS_STATIC_PUBLISH)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "a receipt stays where it is; rm removes "
		                   "it");
	return sfs_fs_refuse(fs, wish->new_parent, wish->new_name, err);
}
