/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MKDIR, RMDIR, UNLINK and SYMLINK: what may be made where. Creating anything
 * in publish/ is refused with EPERM: Python's shutil.move answers every
 * failed rename by copying and deleting, and this alone stops it.
 */
#include "fs/staging_internal.h"

#include "build/area.h"
#include "build/where_name.h"

#include <string.h>

/* Why nothing can be made here, for every directory. */
enum sfs_rc sfs_fs_refuse(struct sfs_fs *fs, uint64_t parent, const char *name,
                          struct sfs_err *err)
{
	switch (parent) {
	case SFS_STATIC_STAGING:
		if (sfs_fs_require_area(fs, err) != SFS_OK)
			return err->rc;
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "staging/ holds builds: mkdir staging/NAME "
		                   "begins one");
	case SFS_STATIC_PUBLISH:
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "nothing can be made in publish/: mv "
		                   "staging/NAME publish/ publishes");
	case SFS_STATIC_TAGS:
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "tags are links: ln -s ../snapshots/ID "
		                   "tags/%s",
		                   name);
	default:
		break;
	}
	if (sfs_fs_is_staged(parent))
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "%s: a build holds plain files only", name);
	return sfs_err_set(err, SFS_E_READ_ONLY,
	                   "published snapshots are immutable");
}

/* --- directories ---------------------------------------------------------- */

static enum sfs_rc begin_build(struct sfs_fs *fs, const char *name,
                               struct sfs_entry *out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_build *build = NULL;
	enum sfs_rc rc = sfs_fs_require_area(fs, err);

	if (rc == SFS_OK)
		rc = sfs_area_begin(fs->config.area, name, &build, call, err);
	if (rc != SFS_OK)
		return rc;
	(void)sfs_links_remove(fs->links, SFS_LINKS_RECEIPTS, name);
	sfs_build_unref(build);
	return sfs_staging_lookup(fs, name, out, err);
}

static enum sfs_rc mkdir_in_build(struct sfs_fs *fs, struct sfs_staged *dir,
                                  const char *name, struct sfs_err *err)
{
	(void)fs;
	if (dir->kind == SFS_STAGED_BUILD && strcmp(name, "keys") == 0)
		return sfs_build_mkdir(dir->site->build, SFS_BUILD_KEYS, err);
	if (dir->kind == SFS_STAGED_BUILD && strcmp(name, "ingest") == 0)
		return sfs_build_mkdir(dir->site->build, SFS_BUILD_INGEST, err);
	if (dir->kind == SFS_STAGED_WHERE ||
	    (dir->kind == SFS_STAGED_BUILD && strcmp(name, "where") == 0))
		return sfs_staged_mkdir_column(dir, name, err);
	if (sfs_dir_has_records(dir->dir))
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "keys/ is flat: write a '/' in a key as "
		                   "%%2F");
	if (dir->kind == SFS_STAGED_DIR)
		return sfs_err_set(err, SFS_E_FORBIDDEN, "ingest/ is flat");
	return sfs_err_set(err, SFS_E_FORBIDDEN,
	                   "a build has no directories but keys/, where/ and "
	                   "ingest/");
}

bool sfs_fs_is_long_mkdir(uint64_t parent)
{
	return parent == SFS_STATIC_STAGING;
}

enum sfs_rc sfs_fs_mkdir(struct sfs_fs *fs, uint64_t parent, const char *name,
                         struct sfs_entry *out, const struct sfs_call *call,
                         struct sfs_err *err)
{
	struct sfs_staged *dir;
	enum sfs_rc rc;

	*out = (struct sfs_entry){ 0 };
	if (parent == SFS_STATIC_STAGING)
		return begin_build(fs, name, out, call, err);
	if (!sfs_fs_is_staged(parent))
		return sfs_fs_refuse(fs, parent, name, err);
	rc = sfs_staged_enter_dir(fs, parent, &dir, err);
	if (rc != SFS_OK)
		return rc;
	rc = mkdir_in_build(fs, dir, name, err);
	sfs_staged_leave(fs->staged, dir);
	if (rc == SFS_OK)
		rc = sfs_fs_lookup(fs, parent, name, out, call, err);
	return rc;
}

bool sfs_fs_is_long_rmdir(uint64_t parent)
{
	return parent == SFS_STATIC_STAGING;
}

static enum sfs_rc discard(struct sfs_fs *fs, const char *name,
                           struct sfs_err *err)
{
	struct sfs_build *build = NULL;
	uint64_t number;
	enum sfs_rc rc;

	if (fs->config.area != NULL)
		build = sfs_area_find(fs->config.area, name);
	if (build == NULL)
		return sfs_err_set(err, SFS_E_NOT_FOUND,
		                   "staging/%s: no such build", name);
	number = sfs_build_number(build);
	rc = sfs_area_discard(fs->config.area, build, false, err);
	if (rc == SFS_OK)
		sfs_links_clear(fs->links, SFS_LINKS_BUILDS + number);
	sfs_build_unref(build);
	return rc;
}

enum sfs_rc sfs_fs_rmdir(struct sfs_fs *fs, uint64_t parent, const char *name,
                         struct sfs_err *err)
{
	struct sfs_staged *dir;
	enum sfs_rc rc;

	if (parent == SFS_STATIC_STAGING)
		return discard(fs, name, err);
	if (!sfs_fs_is_staged(parent))
		return sfs_fs_refuse(fs, parent, name, err);
	rc = sfs_staged_enter_dir(fs, parent, &dir, err);
	if (rc != SFS_OK)
		return rc;
	if (dir->kind == SFS_STAGED_WHERE ||
	    (dir->kind == SFS_STAGED_BUILD && strcmp(name, "where") == 0))
		rc = sfs_staged_rmdir_column(fs, dir, name, err);
	else if (dir->kind != SFS_STAGED_BUILD)
		rc = sfs_err_set(err, SFS_E_NOT_DIR, "%s: a file", name);
	else if (strcmp(name, "keys") == 0)
		rc = sfs_build_rmdir(dir->site->build, SFS_BUILD_KEYS, err);
	else if (strcmp(name, "ingest") == 0)
		rc = sfs_build_rmdir(dir->site->build, SFS_BUILD_INGEST, err);
	else
		rc = sfs_err_set(err, SFS_E_NOT_DIR, "%s: a file", name);
	sfs_staged_leave(fs->staged, dir);
	return rc;
}

/* --- removing files ------------------------------------------------------- */

/* What is removed is what LOOKUP shows: a staged file and the base's key. */
static enum sfs_rc unlink_file(struct sfs_fs *fs, struct sfs_site *site,
                               const struct sfs_build_place *at,
                               const struct sfs_call *call, struct sfs_err *err)
{
	bool is_in_base = false;
	enum sfs_rc rc;

	rc = sfs_base_has(fs, site, at, &is_in_base, call, err);
	if (rc != SFS_OK)
		return rc;
	pthread_rwlock_wrlock(&site->names);
	if (is_in_base)
		rc = sfs_build_remove_key(site->build, at, err);
	if (rc == SFS_OK) {
		rc = sfs_build_unlink(site->build, at->dir, at->name, err);
		if (rc == SFS_E_NOT_FOUND && is_in_base)
			rc = SFS_OK;
	}
	if (rc == SFS_OK)
		sfs_staged_unlinked(fs->staged, site, at);
	pthread_rwlock_unlock(&site->names);
	return rc;
}

static enum sfs_rc unlink_at_top(struct sfs_fs *fs, struct sfs_site *site,
                                 const char *name, bool *is_done,
                                 struct sfs_err *err)
{
	uint64_t links = SFS_LINKS_BUILDS + sfs_build_number(site->build);
	struct sfs_snapshot_id id;

	*is_done = true;
	if (strcmp(name, "base") == 0 && sfs_build_get_base(site->build, &id))
		return sfs_build_clear_base(site->build, err);
	if (sfs_staged_is_generated(name))
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "%s is generated and cannot be removed",
		                   name);
	*is_done = sfs_links_remove(fs->links, links, name);
	return SFS_OK;
}

static enum sfs_rc unlink_staged(struct sfs_fs *fs, uint64_t parent,
                                 const char *name, const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_staged_place place;
	struct sfs_staged *dir;
	bool is_done = false;
	enum sfs_rc rc;

	rc = sfs_staged_enter_dir(fs, parent, &dir, err);
	if (rc != SFS_OK)
		return rc;
	if (dir->kind == SFS_STAGED_BUILD)
		rc = unlink_at_top(fs, dir->site, name, &is_done, err);
	if (rc == SFS_OK && !is_done) {
		rc = sfs_staged_place(dir, name, &place, err);
		if (rc == SFS_OK)
			rc = unlink_file(fs, dir->site, &place.at, call, err);
		sfs_staged_place_release(&place);
	}
	sfs_staged_leave(fs->staged, dir);
	return rc;
}

/* A tag is the store's; without its base a build is judged anew. */
bool sfs_fs_is_long_unlink(uint64_t parent, const char *name)
{
	return parent == SFS_STATIC_TAGS ||
	       (sfs_fs_is_staged(parent) && strcmp(name, "base") == 0);
}

enum sfs_rc sfs_fs_unlink(struct sfs_fs *fs, uint64_t parent, const char *name,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_catalog *catalog = fs->config.source.catalog;

	if (sfs_fs_is_staged(parent))
		return unlink_staged(fs, parent, name, call, err);
	if (parent == SFS_STATIC_TAGS)
		return catalog->ops->delete_tag(catalog, name, call, err);
	if (parent == SFS_STATIC_PUBLISH &&
	    sfs_links_remove(fs->links, SFS_LINKS_RECEIPTS, name))
		return SFS_OK;
	if (parent == SFS_FS_ROOT &&
	    sfs_links_remove(fs->links, SFS_LINKS_ROOT, name))
		return SFS_OK;
	return sfs_fs_refuse(fs, parent, name, err);
}

/* --- links ---------------------------------------------------------------- */

static enum sfs_rc keep_link(struct sfs_fs *fs, uint64_t dir, const char *name,
                             const struct sfs_snapshot_id *id,
                             const char *target, struct sfs_err *err)
{
	if (!sfs_links_put(fs->links, dir, name, id, target))
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	return SFS_OK;
}

static enum sfs_rc link_in_build(struct sfs_fs *fs, uint64_t parent,
                                 const char *name, const char *target,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_snapshot_id id;
	struct sfs_staged *dir;
	struct sfs_build *b;
	enum sfs_rc rc;

	rc = sfs_staged_enter_dir(fs, parent, &dir, err);
	if (rc != SFS_OK)
		return rc;
	b = dir->site->build;
	if (dir->kind != SFS_STAGED_BUILD || sfs_staged_is_generated(name))
		rc = sfs_fs_refuse(fs, parent, name, err);
	if (rc == SFS_OK)
		rc = sfs_target_resolve(fs, "staging/x", target, &id, call,
		                        err);
	if (rc == SFS_OK && strcmp(name, "base") == 0)
		rc = sfs_build_set_base(b, &id, call, err);
	else if (rc == SFS_OK)
		rc = keep_link(fs, SFS_LINKS_BUILDS + sfs_build_number(b), name,
		               &id, target, err);
	if (rc == SFS_E_STALE) /* the next try may name a newer one */
		sfs_tracker_refresh(fs->config.tracker);
	sfs_staged_leave(fs->staged, dir);
	return rc;
}

static enum sfs_rc link_in_root(struct sfs_fs *fs, const char *name,
                                const char *target, const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	if (fs->config.is_pinned)
		return sfs_err_set(err, SFS_E_READ_ONLY,
		                   "the mount shows one snapshot (ref)");
	rc = sfs_target_resolve(fs, "", target, &id, call, err);
	if (rc == SFS_E_FORBIDDEN) { /* as all that would change the root */
		rc = SFS_E_READ_ONLY;
		err->rc = rc;
	}
	if (rc == SFS_OK)
		rc = keep_link(fs, SFS_LINKS_ROOT, name, &id, target, err);
	return rc;
}

enum sfs_rc sfs_fs_symlink(struct sfs_fs *fs, const char *target,
                           uint64_t parent, const char *name,
                           struct sfs_entry *out, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct sfs_catalog *catalog = fs->config.source.catalog;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	*out = (struct sfs_entry){ 0 };
	if (parent == SFS_FS_ROOT) {
		rc = link_in_root(fs, name, target, call, err);
	} else if (parent == SFS_STATIC_TAGS) {
		rc = sfs_target_resolve(fs, "tags", target, &id, call, err);
		if (rc == SFS_OK)
			rc = catalog->ops->put_tag(catalog, name, &id, call,
			                           err);
	} else if (sfs_fs_is_staged(parent)) {
		rc = link_in_build(fs, parent, name, target, call, err);
	} else {
		rc = sfs_fs_refuse(fs, parent, name, err);
	}
	if (rc == SFS_OK)
		rc = sfs_fs_lookup(fs, parent, name, out, call, err);
	return rc;
}
