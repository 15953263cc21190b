/* SPDX-License-Identifier: Apache-2.0 */
/* The file system's life, and what its operations have in common. */
#include "fs/internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { WHERE_MAX_BYTES = 32 << 20 };

const char *const sfs_fs_generation_names[] = { "keys",   "shards", "current",
	                                        "routes", "where",  "_CURRENT",
	                                        NULL };

enum sfs_rc sfs_fs_new(const struct sfs_fs_config *config, struct sfs_fs **out,
                       struct sfs_err *err)
{
	struct sfs_fs *fs = sfs_calloc(1, sizeof(*fs));

	if (fs == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	fs->config = *config;
	fs->started_ns = sfs_clock_wall_ns();
	pthread_mutex_init(&fs->lock, NULL);
	pthread_mutex_init(&fs->texts.lock, NULL);
	fs->views = sfs_views_new();
	fs->snapshot_ids = sfs_intern_new();
	fs->run_dirs = sfs_intern_new();
	fs->frozen = sfs_frozen_new();
	fs->cursors = sfs_cursors_new();
	fs->where = sfs_where_new(fs->views, WHERE_MAX_BYTES);
	fs->staged = sfs_staged_table_new();
	fs->links = sfs_links_new();
	if (fs->views == NULL || fs->snapshot_ids == NULL ||
	    fs->run_dirs == NULL || fs->frozen == NULL || fs->cursors == NULL ||
	    fs->where == NULL || fs->staged == NULL || fs->links == NULL) {
		sfs_fs_free(fs);
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	*out = fs;
	return SFS_OK;
}

void sfs_fs_free(struct sfs_fs *fs)
{
	if (fs == NULL)
		return;
	while (fs->open_children != NULL)
		sfs_children_free(fs, fs->open_children);
	sfs_staged_table_free(fs->staged);
	sfs_links_free(fs->links);
	sfs_cursors_free(fs->cursors);
	sfs_where_free(fs->where);
	sfs_frozen_free(fs->frozen);
	sfs_intern_free(fs->run_dirs);
	sfs_intern_free(fs->snapshot_ids);
	sfs_views_free(fs->views);
	sfs_free(fs->texts.text);
	pthread_mutex_destroy(&fs->texts.lock);
	pthread_mutex_destroy(&fs->lock);
	sfs_free(fs);
}

void sfs_fs_set_name_max(struct sfs_fs *fs, size_t name_max)
{
	fs->config.name_max = name_max;
}

void sfs_fs_switched(struct sfs_fs *fs)
{
	sfs_cursors_clear(fs->cursors);
}

void sfs_fs_forget(struct sfs_fs *fs, uint64_t node, uint64_t count)
{
	struct sfs_node n = sfs_node_of(node);

	switch (n.class) {
	case SFS_NODE_STATIC:
	case SFS_NODE_SNAPSHOT_DIR:
	case SFS_NODE_RUN_DIR:
		break;
	case SFS_NODE_FROZEN:
		sfs_frozen_forget(fs->frozen, n.number, count);
		break;
	case SFS_NODE_STAGED:
		sfs_staged_forget(fs->staged, n.number, count);
		break;
	case SFS_NODE_WHERE:
		sfs_where_forget(fs->where, n.number, count);
		break;
	case SFS_NODE_OF_SNAPSHOT:
	case SFS_NODE_KEY:
		sfs_views_forget(fs->views, n.slot, count);
		break;
	}
}

enum sfs_rc sfs_fs_enter_current(struct sfs_fs *fs, struct sfs_view **out,
                                 struct sfs_err *err)
{
	struct sfs_snapshot *snapshot;
	enum sfs_rc rc;

	*out = NULL;
	snapshot = sfs_tracker_current(fs->config.tracker, NULL);
	if (snapshot == NULL)
		return SFS_OK;
	rc = sfs_views_enter(fs->views, snapshot, out, err);
	sfs_snapshot_unref(snapshot);
	return rc;
}

enum sfs_rc sfs_fs_enter_id(struct sfs_fs *fs, const char *text_id,
                            struct sfs_view **out, const struct sfs_call *call,
                            struct sfs_err *err)
{
	struct sfs_snapshot *snapshot;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	*out = sfs_views_find(fs->views, text_id);
	if (*out != NULL)
		return SFS_OK;
	if (!sfs_snapshot_id_from_text(text_id, &id))
		return sfs_err_set(err, SFS_E_INVALID, "%s is no snapshot ID",
		                   text_id);
	rc = sfs_snapshot_open(&fs->config.source, &id, NULL, &snapshot, call,
	                       err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, SFS_E_STALE, "snapshot %s was deleted",
		                   text_id);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_views_enter(fs->views, snapshot, out, err);
	sfs_snapshot_unref(snapshot);
	return rc;
}

enum sfs_rc sfs_fs_enter_node(struct sfs_fs *fs, const struct sfs_node *node,
                              struct sfs_view **out, struct sfs_err *err)
{
	*out = sfs_views_at(fs->views, node->slot);
	if (*out == NULL)
		return sfs_err_set(err, SFS_E_STALE,
		                   "the node's snapshot is closed");
	return SFS_OK;
}

enum sfs_rc sfs_fs_shard_of(const struct sfs_view *view,
                            const struct sfs_node *node, uint32_t *db_id_out,
                            struct sfs_err *err)
{
	if (node->slot == view->first_slot)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "the node is of no shard");
	*db_id_out = node->slot - view->first_slot - 1;
	return SFS_OK;
}

/* Within a snapshot a bijection of the id without its slot's origin. */
uint64_t sfs_fs_ino_in_view(const struct sfs_view *view, uint64_t node)
{
	uint64_t origin = (uint64_t)view->first_slot << SFS_LOCATOR_BITS;

	return sfs_mix64(node - origin) ^ view->ino_seed;
}

/* The same for a node whose slot counts from 0. */
uint64_t sfs_fs_ino_in_snapshot(const char *text_id, uint64_t local_node)
{
	return sfs_mix64(local_node) ^ sfs_hash64(text_id, strlen(text_id));
}

uint64_t sfs_fs_ino_of_name(const char *dir, const char *name)
{
	return sfs_hash64(dir, strlen(dir)) ^
	       sfs_mix64(sfs_hash64(name, strlen(name)));
}

int64_t sfs_fs_view_time(const struct sfs_view *view)
{
	return sfs_snapshot_id_of(view->snapshot)->published_at_ns;
}

void sfs_fs_dir_attr(struct sfs_fs *fs, uint64_t ino, int64_t time_ns,
                     struct sfs_attr *out)
{
	*out = (struct sfs_attr){
		.ino = ino,
		.time_ns = time_ns,
		.mode = S_IFDIR | (0555 & ~fs->config.dir_mask),
		.uid = fs->config.uid,
		.gid = fs->config.gid,
	};
}

void sfs_fs_file_attr(struct sfs_fs *fs, uint64_t ino, uint64_t size,
                      int64_t time_ns, struct sfs_attr *out)
{
	*out = (struct sfs_attr){
		.ino = ino,
		.size = size,
		.time_ns = time_ns,
		.mode = S_IFREG | (0444 & ~fs->config.file_mask),
		.uid = fs->config.uid,
		.gid = fs->config.gid,
	};
}

void sfs_fs_key_entry(struct sfs_fs *fs, const struct sfs_view *view,
                      uint32_t db_id, const struct sfs_pair_info *info,
                      struct sfs_entry *out)
{
	out->node =
		sfs_node_key_id(view->first_slot + 1 + db_id, info->locator);
	out->generation = view->generation;
	out->entry_ttl = SFS_TTL_FOREVER;
	out->attr_ttl = SFS_TTL_FOREVER;
	sfs_fs_file_attr(fs, sfs_fs_ino_in_view(view, out->node),
	                 info->value_size, sfs_fs_view_time(view), &out->attr);
}

/* What staging can still take; programs that check before they copy ask. */
static void add_free_space(const struct sfs_fs *fs, struct sfs_statfs *out)
{
	struct statvfs disk;

	if (fs->config.area == NULL || statvfs(fs->config.area_dir, &disk) != 0)
		return;
	out->free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	out->free_files = disk.f_favail;
}

void sfs_fs_statfs(struct sfs_fs *fs, struct sfs_statfs *out)
{
	struct sfs_snapshot *s = sfs_tracker_current(fs->config.tracker, NULL);

	*out = (struct sfs_statfs){ .name_max = fs->config.name_max };
	add_free_space(fs, out);
	if (s == NULL)
		return;
	out->bytes = sfs_manifest_bytes(sfs_snapshot_manifest(s));
	out->files = sfs_manifest_rows(sfs_snapshot_manifest(s));
	sfs_snapshot_unref(s);
}

void sfs_fs_note_error(struct sfs_fs *fs, const char *operation,
                       const struct sfs_err *err)
{
	char when[SFS_TIME_BYTES];

	sfs_time_format(sfs_clock_wall_ns(), when);
	pthread_mutex_lock(&fs->lock);
	(void)snprintf(fs->last_error, sizeof(fs->last_error),
	               "%s %s: %s: %s\n", when, operation, sfs_rc_name(err->rc),
	               err->msg);
	pthread_mutex_unlock(&fs->lock);
}

void sfs_fs_count_op(struct sfs_fs *fs, enum sfs_fs_op op, bool failed)
{
	atomic_fetch_add_explicit(&fs->ops[op], 1, memory_order_relaxed);
	if (failed)
		atomic_fetch_add_explicit(&fs->failures[op], 1,
		                          memory_order_relaxed);
}
