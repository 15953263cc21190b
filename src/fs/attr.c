/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of nodes. Only keys and raw objects need I/O for theirs. */
#include "fs/routing.h"
#include "fs/staging_internal.h"

#include <string.h>
#include <sys/stat.h>

enum sfs_rc sfs_fs_object_key(const struct sfs_view *view,
                              const struct sfs_node *node, char *out,
                              size_t cap, struct sfs_err *err)
{
	const char *prefix;
	uint32_t db_id;
	enum sfs_rc rc;
	int len;

	if (node->what == SFS_WHAT_MANIFEST) {
		sfs_snapshot_id_manifest_key(sfs_snapshot_id_of(view->snapshot),
		                             out);
		return SFS_OK;
	}
	rc = sfs_fs_shard_of(view, node, &db_id, err);
	if (rc != SFS_OK)
		return rc;
	prefix = sfs_snapshot_shard_prefix(view->snapshot, db_id);
	if (prefix == NULL)
		return sfs_err_set(err, SFS_E_INVALID, "shard %u is empty",
		                   db_id);
	len = snprintf(out, cap, "%s/shard.db", prefix);
	if (len < 0 || (size_t)len >= cap)
		return sfs_err_set(err, SFS_E_CORRUPT, "%s: too long for a key",
		                   prefix);
	return SFS_OK;
}

static enum sfs_rc object_size(struct sfs_fs *fs, const struct sfs_view *view,
                               const struct sfs_node *node, uint64_t *size,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_store *store = fs->config.source.store;
	char key[SFS_STORE_KEY_MAX];
	struct sfs_object *object;
	enum sfs_rc rc;

	rc = sfs_fs_object_key(view, node, key, sizeof(key), err);
	if (rc != SFS_OK)
		return rc;
	rc = store->ops->open(store, key, &object, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, SFS_E_STALE, "%s was deleted", key);
	if (rc != SFS_OK)
		return rc;
	*size = object->info.size;
	object->ops->close(object);
	return SFS_OK;
}

static void link_attr(const struct sfs_view *view, const struct sfs_node *node,
                      struct sfs_attr *out)
{
	const char *id = sfs_snapshot_text_id(view->snapshot);
	char target[ROUTE_TARGET_BYTES];

	out->mode = S_IFLNK | 0777;
	if (node->what == SFS_WHAT_CURRENT)
		out->size = strlen("snapshots/") + strlen(id);
	else
		out->size = sfs_routes_target(node->slot - view->first_slot - 1,
		                              target, sizeof(target));
}

enum sfs_rc sfs_fs_what_attr(struct sfs_fs *fs, struct sfs_view *view,
                             const struct sfs_node *node, uint64_t id,
                             struct sfs_attr *out, const struct sfs_call *call,
                             struct sfs_err *err)
{
	uint64_t ino = sfs_fs_ino_in_view(view, id);
	int64_t time_ns = sfs_fs_view_time(view);
	enum sfs_rc rc = SFS_OK;
	uint64_t size = 0;
	size_t got;

	sfs_fs_file_attr(fs, ino, 0, time_ns, out);
	switch (node->what) {
	case SFS_WHAT_KEYS:
	case SFS_WHAT_SHARDS:
	case SFS_WHAT_ROUTES:
	case SFS_WHAT_WHERE:
	case SFS_WHAT_SHARD_DIR:
	case SFS_WHAT_SHARD_KEYS:
		sfs_fs_dir_attr(fs, ino, time_ns, out);
		return SFS_OK;
	case SFS_WHAT_CURRENT:
	case SFS_WHAT_ROUTE:
		link_attr(view, node, out);
		return SFS_OK;
	case SFS_WHAT_MANIFEST:
	case SFS_WHAT_SHARD_DB:
		rc = object_size(fs, view, node, &size, call, err);
		break;
	case SFS_WHAT_MANIFEST_JSON:
	case SFS_WHAT_INFO:
	case SFS_WHAT_SHARD_INFO:
		rc = sfs_fs_text_read(fs, view, id, 0, NULL, 0, &got, &size,
		                      err);
		break;
	}
	out->size = size;
	return rc;
}

static enum sfs_rc key_attr(struct sfs_fs *fs, const struct sfs_view *view,
                            const struct sfs_node *node, struct sfs_attr *out,
                            const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_pair_info info;
	struct sfs_entry entry;
	struct sfs_place place;
	size_t key_len;
	enum sfs_rc rc;

	place.snapshot = view->snapshot;
	place.locator = node->locator;
	rc = sfs_fs_shard_of(view, node, &place.db_id, err);
	if (rc == SFS_OK)
		rc = sfs_snapshot_at(&place, &info, NULL, 0, &key_len, call,
		                     err);
	if (rc != SFS_OK)
		return rc;
	sfs_fs_key_entry(fs, view, place.db_id, &info, &entry);
	*out = entry.attr;
	return SFS_OK;
}

static int64_t tree_time(struct sfs_fs *fs)
{
	struct sfs_snapshot *s = sfs_tracker_current(fs->config.tracker, NULL);
	int64_t time_ns = fs->started_ns;

	if (s != NULL)
		time_ns = sfs_snapshot_id_of(s)->published_at_ns;
	sfs_snapshot_unref(s);
	return time_ns;
}

/* The kernel checks permissions, and owners need not be root. */
static bool is_open_to_changes(uint64_t id)
{
	return id == SFS_FS_ROOT || id == SFS_STATIC_STAGING ||
	       id == SFS_STATIC_PUBLISH || id == SFS_STATIC_TAGS;
}

static enum sfs_rc number_attr(struct sfs_fs *fs, const struct sfs_node *node,
                               uint64_t id, struct sfs_attr *out,
                               struct sfs_err *err)
{
	struct sfs_snapshot_id snapshot;
	struct sfs_intern *names;
	const char *name;

	names = node->class == SFS_NODE_RUN_DIR ? fs->run_dirs
	                                        : fs->snapshot_ids;
	if (node->class == SFS_NODE_STATIC) {
		sfs_fs_dir_attr(fs, id, tree_time(fs), out);
		if (is_open_to_changes(id) && !fs->config.read_only)
			out->mode = S_IFDIR | (0755 & ~fs->config.dir_mask);
		return SFS_OK;
	}
	name = sfs_intern_name(names, node->number);
	if (name == NULL)
		return sfs_err_set(err, SFS_E_STALE, "no such node");
	sfs_fs_dir_attr(
		fs,
		sfs_fs_ino_of_name(names == fs->run_dirs ? "runs" : "snapshots",
	                           name),
		fs->started_ns, out);
	if (names == fs->snapshot_ids &&
	    sfs_snapshot_id_from_text(name, &snapshot))
		out->time_ns = snapshot.published_at_ns;
	return SFS_OK;
}

static enum sfs_rc frozen_attr(struct sfs_fs *fs, uint64_t number,
                               struct sfs_attr *out, struct sfs_err *err)
{
	struct sfs_frozen_info info;

	if (!sfs_frozen_info(fs->frozen, number, &info))
		return sfs_err_set(err, SFS_E_STALE, "no such node");
	sfs_fs_file_attr(fs, info.ino, info.size, tree_time(fs), out);
	if (info.command >= 0)
		out->mode = S_IFREG | 0600;
	if (info.is_link)
		out->mode = S_IFLNK | 0777;
	return SFS_OK;
}

static enum sfs_rc where_attr(struct sfs_fs *fs, uint64_t number,
                              struct sfs_attr *out, struct sfs_err *err)
{
	struct sfs_where_dir dir;
	enum sfs_rc rc;

	rc = sfs_where_get(fs->where, number, &dir, err);
	if (rc == SFS_OK)
		sfs_where_attr(fs, &dir, out);
	sfs_where_release(fs->where, &dir);
	return rc;
}

enum sfs_rc sfs_fs_getattr(struct sfs_fs *fs, uint64_t node,
                           struct sfs_attr *attr_out, enum sfs_ttl *ttl_out,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_node n = sfs_node_of(node);
	struct sfs_view *view;
	enum sfs_rc rc;

	*ttl_out = SFS_TTL_FOREVER;
	switch (n.class) {
	case SFS_NODE_STATIC:
		*ttl_out = SFS_TTL_SHORT;
		return number_attr(fs, &n, node, attr_out, err);
	case SFS_NODE_SNAPSHOT_DIR:
	case SFS_NODE_RUN_DIR:
		return number_attr(fs, &n, node, attr_out, err);
	case SFS_NODE_FROZEN:
		return frozen_attr(fs, n.number, attr_out, err);
	case SFS_NODE_STAGED:
		return sfs_staged_attr(fs, n.number, attr_out, ttl_out, call,
		                       err);
	case SFS_NODE_WHERE:
		return where_attr(fs, n.number, attr_out, err);
	case SFS_NODE_OF_SNAPSHOT:
	case SFS_NODE_KEY:
		break;
	}
	rc = sfs_fs_enter_node(fs, &n, &view, err);
	if (rc != SFS_OK)
		return rc;
	if (n.class == SFS_NODE_KEY)
		rc = key_attr(fs, view, &n, attr_out, call, err);
	else
		rc = sfs_fs_what_attr(fs, view, &n, node, attr_out, call, err);
	sfs_views_leave(fs->views, view, 1);
	return rc;
}
