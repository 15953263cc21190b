/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of what lies in a snapshot, other than keys. */
#include "fs/listing.h"
#include "fs/routing.h"

#include "base/alloc.h"

enum { SNAPSHOT_NAMES = 7 };

/*
 * The snapshot, to tell which names it has. *out is NULL where its manifest
 * cannot be used: then it has none of these. Other faults are no answer.
 */
static enum sfs_rc try_enter(const struct sfs_listing *l, const char *id,
                             struct sfs_view **out)
{
	enum sfs_rc rc = sfs_fs_enter_id(l->fs, id, out, l->call, l->err);

	if (rc == SFS_OK)
		return rc;
	*out = NULL;
	return rc == SFS_E_CORRUPT || rc == SFS_E_UNSUPPORTED ||
	                       rc == SFS_E_INVALID
	               ? SFS_OK
	               : rc;
}

/* Names that not every snapshot has. */
static size_t add_routing(const struct sfs_view *view, struct sfs_listed *out)
{
	size_t n = 0;

	if (view == NULL)
		return 0;
	if (sfs_fs_has_routes(view->snapshot))
		out[n++] = (struct sfs_listed){ "routes", S_IFDIR,
			                        SFS_WHAT_ROUTES };
	if (sfs_fs_has_where(view->snapshot))
		out[n++] =
			(struct sfs_listed){ "where", S_IFDIR, SFS_WHAT_WHERE };
	return n;
}

enum sfs_rc sfs_listing_snapshot(struct sfs_listing *l, uint64_t number)
{
	const char *id = sfs_intern_name(l->fs->snapshot_ids, number);
	struct sfs_listed children[SNAPSHOT_NAMES] = {
		{ "info.json", S_IFREG, SFS_WHAT_INFO },
		{ "keys", S_IFDIR, SFS_WHAT_KEYS },
		{ "manifest", S_IFREG, SFS_WHAT_MANIFEST },
		{ "manifest.json", S_IFREG, SFS_WHAT_MANIFEST_JSON },
		{ "shards", S_IFDIR, SFS_WHAT_SHARDS },
	};
	struct sfs_view *view = NULL;
	size_t count = 5;
	enum sfs_rc rc;

	if (id == NULL)
		return sfs_err_set(l->err, SFS_E_STALE, "no such node");
	rc = try_enter(l, id, &view);
	if (rc != SFS_OK)
		return rc;
	count += add_routing(view, children + count);
	for (size_t i = 0; i < count; i++)
		children[i].ino =
			sfs_listing_ino(id, SFS_VIEW_SNAPSHOTS,
		                        (enum sfs_node_what)children[i].ino);
	sfs_listing_children(l, children, count);
	if (view != NULL)
		sfs_views_leave(l->fs->views, view, 1);
	return SFS_OK;
}

/* The first shard that is wanted. */
static uint32_t first_shard(const struct sfs_listing *l)
{
	if (l->cookie <= SFS_FIRST_COOKIE)
		return 0;
	return (uint32_t)(l->cookie - SFS_FIRST_COOKIE);
}

static void list_shards(struct sfs_listing *l, struct sfs_view *view,
                        const struct sfs_node *dir)
{
	uint32_t num_dbs = sfs_snapshot_manifest(view->snapshot)->num_dbs;
	char name[16];
	struct sfs_listed child = { name, S_IFDIR, 0 };
	uint64_t id;

	sfs_listing_dots(l);
	for (uint32_t i = first_shard(l); i < num_dbs && !l->is_full; i++) {
		id = sfs_node_what_id(view->first_slot + 1 + i, dir->view,
		                      SFS_WHAT_SHARD_DIR);
		(void)snprintf(name, sizeof(name), "%05u", i);
		child.ino = sfs_fs_ino_in_view(view, id);
		sfs_listing_child(l, &child, i);
	}
}

/* Values whose name is too long are counted as keys are. */
static void list_routes(struct sfs_listing *l, struct sfs_view *view,
                        const struct sfs_node *dir)
{
	uint32_t num_dbs = sfs_snapshot_manifest(view->snapshot)->num_dbs;
	char name[SFS_FS_NAME_MAX + 1];
	struct sfs_listed child = { name, S_IFLNK, 0 };
	uint64_t id;
	size_t len;

	sfs_listing_dots(l);
	for (uint32_t i = first_shard(l); i < num_dbs && !l->is_full; i++) {
		if (sfs_routes_name(view->snapshot, i, name,
		                    l->fs->config.name_max + 1,
		                    &len) != SFS_OK) {
			atomic_fetch_add(&l->fs->long_names, 1);
			continue;
		}
		id = sfs_node_what_id(view->first_slot + 1 + i, dir->view,
		                      SFS_WHAT_ROUTE);
		child.ino = sfs_fs_ino_in_view(view, id);
		sfs_listing_child(l, &child, i);
	}
}

static void list_shard(struct sfs_listing *l, struct sfs_view *view,
                       const struct sfs_node *dir)
{
	struct sfs_listed children[] = {
		{ "info.json", S_IFREG, SFS_WHAT_SHARD_INFO },
		{ "keys", S_IFDIR, SFS_WHAT_SHARD_KEYS },
		{ "shard.db", S_IFREG, SFS_WHAT_SHARD_DB },
	};
	uint32_t db_id = dir->slot - view->first_slot - 1;
	bool is_empty =
		sfs_snapshot_shard_prefix(view->snapshot, db_id) == NULL;

	for (size_t i = 0; i < 3; i++)
		children[i].ino = sfs_fs_ino_in_view(
			view,
			sfs_node_what_id(dir->slot, dir->view,
		                         (enum sfs_node_what)children[i].ino));
	sfs_listing_children(l, children, is_empty ? 2 : 3);
}

/* What the columns say is looked up, never listed. */
static void list_columns(struct sfs_listing *l, const struct sfs_where_dir *dir)
{
	struct sfs_listed keys = { "keys", S_IFDIR, 0 };
	struct sfs_where_dir child = *dir;
	struct sfs_attr attr;

	sfs_listing_dots(l);
	if (!sfs_where_is_complete(dir))
		return;
	child.is_keys = true;
	sfs_where_attr(l->fs, &child, &attr);
	keys.ino = attr.ino;
	sfs_listing_child(l, &keys, 0);
}

enum sfs_rc sfs_listing_refuse_where(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_UNSUPPORTED,
	                   "keys below where/ are not listed: columns are not "
	                   "stored with them; read them by name, or list "
	                   "keys/, shards/ or routes/");
}

enum sfs_rc sfs_listing_where(struct sfs_listing *l, uint64_t number)
{
	struct sfs_where_dir dir;
	enum sfs_rc rc;

	rc = sfs_where_get(l->fs->where, number, &dir, l->err);
	if (rc == SFS_OK && dir.is_keys)
		rc = sfs_listing_refuse_where(l->err);
	else if (rc == SFS_OK)
		list_columns(l, &dir);
	sfs_where_release(l->fs->where, &dir);
	return rc;
}

static enum sfs_rc list_all_keys(struct sfs_listing *l, struct sfs_view *view)
{
	if (sfs_fs_has_where(view->snapshot))
		return sfs_listing_keys(l, view, SFS_NO_SHARD, SFS_NO_SHARD);
	return sfs_listing_keys(l, view, 0, view->slots - 1);
}

static enum sfs_rc list_what(struct sfs_listing *l, struct sfs_view *view,
                             const struct sfs_node *dir)
{
	struct sfs_where_dir where = { view, dir->view, false, (char[]){ "" } };
	uint32_t db_id = 0;
	enum sfs_rc rc = SFS_OK;

	if (sfs_node_is_shard_level(dir->what))
		rc = sfs_fs_shard_of(view, dir, &db_id, l->err);
	if (rc != SFS_OK)
		return rc;
	switch (dir->what) {
	case SFS_WHAT_KEYS:
		return list_all_keys(l, view);
	case SFS_WHAT_SHARD_KEYS:
		return sfs_listing_keys(l, view, db_id, db_id + 1);
	case SFS_WHAT_SHARDS:
		list_shards(l, view, dir);
		return SFS_OK;
	case SFS_WHAT_SHARD_DIR:
		list_shard(l, view, dir);
		return SFS_OK;
	case SFS_WHAT_ROUTES:
		list_routes(l, view, dir);
		return SFS_OK;
	case SFS_WHAT_WHERE:
		list_columns(l, &where);
		return SFS_OK;
	case SFS_WHAT_CURRENT:
	case SFS_WHAT_MANIFEST:
	case SFS_WHAT_MANIFEST_JSON:
	case SFS_WHAT_INFO:
	case SFS_WHAT_SHARD_INFO:
	case SFS_WHAT_SHARD_DB:
	case SFS_WHAT_ROUTE:
		break;
	}
	return sfs_err_set(l->err, SFS_E_NOT_DIR, "not a directory");
}

enum sfs_rc sfs_listing_view(struct sfs_listing *l, const struct sfs_node *dir)
{
	struct sfs_view *view;
	enum sfs_rc rc;

	rc = sfs_fs_enter_node(l->fs, dir, &view, l->err);
	if (rc != SFS_OK)
		return rc;
	rc = list_what(l, view, dir);
	sfs_views_leave(l->fs->views, view, 1);
	return rc;
}
