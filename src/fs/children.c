/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names in directories that change while they are listed: taken once when
 * a listing begins, so that rm -r, which removes what it lists, misses
 * nothing. Generated files and keys of the base are not among them.
 */
#include "fs/staging_internal.h"

#include "base/alloc.h"
#include "build/area.h"
#include "build/where.h"

#include <string.h>
#include <sys/stat.h>

struct sfs_children *sfs_children_new(struct sfs_fs *fs)
{
	struct sfs_children *c = sfs_calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	pthread_mutex_lock(&fs->lock);
	c->next = fs->open_children;
	c->at = &fs->open_children;
	if (c->next != NULL)
		c->next->at = &c->next;
	fs->open_children = c;
	pthread_mutex_unlock(&fs->lock);
	return c;
}

void sfs_children_reset(struct sfs_children *c)
{
	for (size_t i = 0; i < c->count; i++)
		sfs_free(c->of[i].name);
	sfs_free(c->of);
	c->of = NULL;
	c->count = 0;
	c->cap = 0;
	c->failed = false;
	c->is_taken = false;
}

void sfs_children_free(struct sfs_fs *fs, struct sfs_children *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&fs->lock);
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	pthread_mutex_unlock(&fs->lock);
	sfs_children_reset(c);
	sfs_free(c);
}

static bool grow(struct sfs_children *c)
{
	size_t cap = c->cap > 0 ? c->cap * 2 : 16;
	struct sfs_child *of;

	if (c->count < c->cap)
		return true;
	of = sfs_realloc_array(c->of, cap, sizeof(*of));
	if (of == NULL)
		return false;
	c->of = of;
	c->cap = cap;
	return true;
}

void sfs_children_add(struct sfs_children *c, const char *name, mode_t type)
{
	char *copy = sfs_strdup(name);

	if (copy == NULL || !grow(c)) {
		sfs_free(copy);
		c->failed = true;
		return;
	}
	c->of[c->count++] = (struct sfs_child){ copy, type };
}

static bool note_build(void *arg, const char *name)
{
	sfs_children_add(arg, name, S_IFDIR);
	return true;
}

static void note_link(void *arg, const char *name)
{
	sfs_children_add(arg, name, S_IFLNK);
}

static bool note_tag(void *arg, const char *name,
                     const struct sfs_snapshot_id *id)
{
	(void)id;
	sfs_children_add(arg, name, S_IFLNK);
	return true;
}

static enum sfs_rc take_files(struct sfs_build *b, enum sfs_build_dir dir,
                              struct sfs_children *out, struct sfs_err *err)
{
	struct sfs_build_names names;
	enum sfs_rc rc = sfs_build_list(b, dir, &names, err);

	if (rc != SFS_OK)
		return rc;
	for (size_t i = 0; i < names.count; i++)
		sfs_children_add(out, names.names[i], S_IFREG);
	sfs_build_names_release(&names);
	return SFS_OK;
}

/* where/, and what is below. */
static enum sfs_rc take_where(const struct sfs_staged *dir,
                              struct sfs_children *out, struct sfs_err *err)
{
	bool is_keys = dir->kind == SFS_STAGED_WHERE_KEYS;
	struct sfs_build_names names;
	enum sfs_rc rc;

	rc = sfs_build_where_list(dir->site->build, dir->name, is_keys, &names,
	                          err);
	if (rc == SFS_E_INVALID) /* it is about to be removed */
		rc = SFS_OK;
	for (size_t i = 0; rc == SFS_OK && i < names.count; i++)
		sfs_children_add(out, names.names[i],
		                 is_keys ? S_IFREG : S_IFDIR);
	sfs_build_names_release(&names);
	return rc;
}

static enum sfs_rc take_build(struct sfs_fs *fs, struct sfs_build *b,
                              struct sfs_children *out, struct sfs_err *err)
{
	struct sfs_snapshot_id id;

	if (sfs_build_has_dir(b, SFS_BUILD_INGEST))
		sfs_children_add(out, "ingest", S_IFDIR);
	if (sfs_build_has_dir(b, SFS_BUILD_KEYS))
		sfs_children_add(out, "keys", S_IFDIR);
	if (sfs_build_has_where(b))
		sfs_children_add(out, "where", S_IFDIR);
	if (sfs_build_get_base(b, &id))
		sfs_children_add(out, "base", S_IFLNK);
	sfs_links_list(fs->links, SFS_LINKS_BUILDS + sfs_build_number(b),
	               note_link, out);
	return take_files(b, SFS_BUILD_TOP, out, err);
}

static enum sfs_rc take_staged(struct sfs_fs *fs, uint64_t node,
                               struct sfs_children *out, struct sfs_err *err)
{
	struct sfs_staged *n;
	enum sfs_rc rc = sfs_staged_enter_dir(fs, node, &n, err);

	if (rc != SFS_OK)
		return rc;
	if (n->kind == SFS_STAGED_BUILD)
		rc = take_build(fs, n->site->build, out, err);
	else if (n->dir == SFS_BUILD_WHERE)
		rc = take_where(n, out, err);
	else
		rc = take_files(n->site->build, n->dir, out, err);
	sfs_staged_leave(fs->staged, n);
	return rc;
}

bool sfs_fs_has_children(uint64_t node)
{
	return sfs_fs_is_staged(node) || node == SFS_STATIC_STAGING ||
	       node == SFS_STATIC_PUBLISH || node == SFS_STATIC_TAGS;
}

enum sfs_rc sfs_children_take(struct sfs_fs *fs, uint64_t node,
                              struct sfs_children *out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_catalog *catalog = fs->config.source.catalog;
	enum sfs_rc rc = SFS_OK;

	sfs_children_reset(out);
	if (node == SFS_STATIC_STAGING) {
		if (fs->config.area != NULL)
			sfs_area_list(fs->config.area, note_build, out);
	} else if (node == SFS_STATIC_PUBLISH) {
		sfs_links_list(fs->links, SFS_LINKS_RECEIPTS, note_link, out);
	} else if (node == SFS_STATIC_TAGS) {
		rc = catalog->ops->list_tags(catalog, note_tag, out, call, err);
	} else if (node == SFS_FS_ROOT) {
		sfs_links_list(fs->links, SFS_LINKS_ROOT, note_link, out);
	} else {
		rc = take_staged(fs, node, out, err);
	}
	if (rc == SFS_OK && out->failed)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	out->is_taken = rc == SFS_OK;
	return rc;
}
