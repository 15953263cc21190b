/* SPDX-License-Identifier: Apache-2.0 */
/* READ and READLINK. */
#include "fs/routing.h"

#include <string.h>

static enum sfs_rc read_key(const struct sfs_view *view,
                            const struct sfs_node *node, uint64_t offset,
                            void *buf, size_t len, size_t *got,
                            const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_place place;
	enum sfs_rc rc;

	place.snapshot = view->snapshot;
	place.locator = node->locator;
	rc = sfs_fs_shard_of(view, node, &place.db_id, err);
	if (rc == SFS_OK)
		rc = sfs_snapshot_read(&place, offset, buf, len, got, call,
		                       err);
	return rc;
}

static enum sfs_rc read_object(struct sfs_fs *fs, const struct sfs_view *view,
                               const struct sfs_node *node, uint64_t offset,
                               void *buf, size_t len, size_t *got,
                               const struct sfs_call *call, struct sfs_err *err)
{
	char key[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;

	rc = sfs_fs_object_key(view, node, key, sizeof(key), err);
	if (rc == SFS_OK)
		rc = sfs_store_get_range(fs->config.source.store, key, offset,
		                         buf, len, got, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, SFS_E_STALE, "%s was deleted", key);
	return rc;
}

static enum sfs_rc read_what(struct sfs_fs *fs, struct sfs_view *view,
                             uint64_t id, uint64_t offset, void *buf,
                             size_t len, size_t *got,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_node node = sfs_node_of(id);
	uint64_t size;

	switch (node.what) {
	case SFS_WHAT_MANIFEST:
	case SFS_WHAT_SHARD_DB:
		return read_object(fs, view, &node, offset, buf, len, got, call,
		                   err);
	case SFS_WHAT_MANIFEST_JSON:
	case SFS_WHAT_INFO:
	case SFS_WHAT_SHARD_INFO:
		return sfs_fs_text_read(fs, view, id, offset, buf, len, got,
		                        &size, err);
	case SFS_WHAT_KEYS:
	case SFS_WHAT_SHARDS:
	case SFS_WHAT_ROUTES:
	case SFS_WHAT_WHERE:
	case SFS_WHAT_SHARD_DIR:
	case SFS_WHAT_SHARD_KEYS:
	case SFS_WHAT_CURRENT:
	case SFS_WHAT_ROUTE:
		break;
	}
	return sfs_err_set(err, SFS_E_IS_DIR, "not a file");
}

enum sfs_rc sfs_fs_read(struct sfs_fs *fs, uint64_t node, uint64_t offset,
                        void *buf, size_t len, size_t *got,
                        const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_node n = sfs_node_of(node);
	struct sfs_view *view;
	enum sfs_rc rc;

	switch (n.class) {
	case SFS_NODE_STATIC:
	case SFS_NODE_SNAPSHOT_DIR:
	case SFS_NODE_RUN_DIR:
	case SFS_NODE_WHERE:
		return sfs_err_set(err, SFS_E_IS_DIR, "a directory");
	case SFS_NODE_FROZEN:
		if (!sfs_frozen_read(fs->frozen, n.number, offset, buf, len,
		                     got))
			return sfs_err_set(err, SFS_E_STALE, "no such node");
		return SFS_OK;
	case SFS_NODE_STAGED:
		return sfs_err_set(err, SFS_E_INVALID,
		                   "staged files are read through a handle");
	case SFS_NODE_OF_SNAPSHOT:
	case SFS_NODE_KEY:
		break;
	}
	rc = sfs_fs_enter_node(fs, &n, &view, err);
	if (rc != SFS_OK)
		return rc;
	if (n.class == SFS_NODE_KEY)
		rc = read_key(view, &n, offset, buf, len, got, call, err);
	else
		rc = read_what(fs, view, node, offset, buf, len, got, call,
		               err);
	sfs_views_leave(fs->views, view, 1);
	return rc;
}

enum sfs_rc sfs_fs_readlink(struct sfs_fs *fs, uint64_t node, char *out,
                            size_t cap, struct sfs_err *err)
{
	struct sfs_node n = sfs_node_of(node);
	struct sfs_frozen_info info;
	struct sfs_view *view;
	size_t got;
	enum sfs_rc rc;

	if (n.class == SFS_NODE_FROZEN && cap > 0 &&
	    sfs_frozen_info(fs->frozen, n.number, &info) && info.is_link &&
	    sfs_frozen_read(fs->frozen, n.number, 0, out, cap - 1, &got)) {
		out[got] = '\0';
		return SFS_OK;
	}
	if (n.class != SFS_NODE_OF_SNAPSHOT ||
	    (n.what != SFS_WHAT_CURRENT && n.what != SFS_WHAT_ROUTE))
		return sfs_err_set(err, SFS_E_INVALID, "not a symbolic link");
	rc = sfs_fs_enter_node(fs, &n, &view, err);
	if (rc != SFS_OK)
		return rc;
	if (n.what == SFS_WHAT_CURRENT)
		(void)snprintf(out, cap, "snapshots/%s",
		               sfs_snapshot_text_id(view->snapshot));
	else
		(void)sfs_routes_target(n.slot - view->first_slot - 1, out,
		                        cap);
	sfs_views_leave(fs->views, view, 1);
	return SFS_OK;
}
