/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOOKUP in a directory of keys. Those of the snapshot ask the shard that the
 * key is routed to, or all of them where that depends on columns; those of a
 * shard ask that shard.
 */
#include "fs/internal.h"

#include "base/alloc.h"
#include "format/keys.h"

#include <string.h>

enum { STACK_NAME_BYTES = 256 };

/* One lookup under way. */
struct query {
	struct sfs_fs *fs;
	const struct sfs_keys_dir *dir;
	const struct sfs_call *call;
	struct sfs_entry *out;
	struct sfs_err *err;
};

/* A key that is routed elsewhere is not looked for. */
static enum sfs_rc find_in_shard(const struct query *q, struct sfs_bytes key,
                                 struct sfs_hit *hit)
{
	const struct sfs_keys_dir *dir = q->dir;
	const struct sfs_router *router =
		sfs_snapshot_router(dir->view->snapshot);
	struct sfs_route route;
	enum sfs_rc rc;

	hit->found = false;
	if (!router->needs_columns) {
		rc = sfs_router_route(router, key, NULL, &route, q->err);
		if (rc != SFS_OK || !route.is_known ||
		    route.db_id != dir->db_id)
			return rc;
	}
	return sfs_snapshot_shard_get(dir->view->snapshot, dir->db_id, key, hit,
	                              q->call, q->err);
}

static enum sfs_rc find_key(const struct query *q, struct sfs_bytes key)
{
	struct sfs_view *view = q->dir->view;
	struct sfs_query query = { .key = key, .columns = q->dir->columns };
	struct sfs_hit hit;
	enum sfs_rc rc;

	if (q->dir->is_shard)
		rc = find_in_shard(q, key, &hit);
	else
		rc = sfs_snapshot_get(view->snapshot, &query, &hit, q->call,
		                      q->err);
	if (rc != SFS_OK || !hit.found)
		return rc;
	sfs_fs_key_entry(q->fs, view, hit.db_id, &hit.info, q->out);
	sfs_view_add(view, 1);
	return SFS_OK;
}

enum sfs_rc sfs_fs_lookup_key(struct sfs_fs *fs, const struct sfs_keys_dir *dir,
                              const char *name, struct sfs_entry *out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	const struct query q = { fs, dir, call, out, err };
	size_t name_len = strlen(name);
	uint8_t stack[STACK_NAME_BYTES];
	uint8_t *buf = stack;
	struct sfs_bytes key = { 0 };
	enum sfs_rc rc = SFS_OK;

	out->entry_ttl = SFS_TTL_FOREVER;
	if (sfs_key_room(name_len) > sizeof(stack))
		buf = sfs_malloc(sfs_key_room(name_len));
	if (buf == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "lookup: out of memory");
	if (sfs_key_from_name(
		    sfs_snapshot_router(dir->view->snapshot)->encoding, name,
		    name_len, buf, &key.len)) {
		key.data = buf;
		rc = find_key(&q, key);
	}
	if (buf != stack)
		sfs_free(buf);
	return rc;
}
