/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of SQLite shards: the B-tree walker over the object "shard.db",
 * in the form of the adapter seam. An object that is not there is a shard
 * that was deleted, since a manifest named it.
 */
#include "adapter/sqlite.h"

#include "base/alloc.h"
#include "format/btree.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct reader {
	struct sfs_shard_reader base;
	struct sfs_object *object;
	struct sfs_btree *tree;
};

struct cursor {
	struct sfs_shard_cursor base;
	struct sfs_btree_cursor *rows;
};

static struct sfs_btree *tree_of(struct sfs_shard_reader *r)
{
	return ((struct reader *)r)->tree;
}

static enum sfs_rc reader_get(struct sfs_shard_reader *r, struct sfs_bytes key,
                              bool *found, struct sfs_pair_info *info,
                              const struct sfs_call *call, struct sfs_err *err)
{
	return sfs_btree_get(tree_of(r), key, found, info, call, err);
}

static enum sfs_rc reader_read(struct sfs_shard_reader *r, sfs_locator locator,
                               uint64_t offset, void *buf, size_t len,
                               size_t *got, const struct sfs_call *call,
                               struct sfs_err *err)
{
	return sfs_btree_read(tree_of(r), locator, offset, buf, len, got, call,
	                      err);
}

static enum sfs_rc reader_at(struct sfs_shard_reader *r, sfs_locator locator,
                             struct sfs_pair_info *info, uint8_t *key_buf,
                             size_t key_cap, size_t *key_len,
                             const struct sfs_call *call, struct sfs_err *err)
{
	return sfs_btree_at(tree_of(r), locator, info, key_buf, key_cap,
	                    key_len, call, err);
}

static enum sfs_rc reader_multi_get(struct sfs_shard_reader *r,
                                    const struct sfs_bytes *keys, size_t count,
                                    size_t value_max, sfs_multi_get_fn *fn,
                                    void *arg, const struct sfs_call *call,
                                    struct sfs_err *err)
{
	return sfs_btree_multi_get(tree_of(r), keys, count, value_max, fn, arg,
	                           call, err);
}

static enum sfs_rc cursor_next(struct sfs_shard_cursor *c, bool *found,
                               struct sfs_bytes *key,
                               struct sfs_pair_info *info,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct cursor *cursor = (struct cursor *)c;

	return sfs_btree_cursor_next(cursor->rows, found, key, info, call, err);
}

static void cursor_close(struct sfs_shard_cursor *c)
{
	struct cursor *cursor = (struct cursor *)c;

	if (cursor == NULL)
		return;
	sfs_btree_cursor_close(cursor->rows);
	sfs_free(cursor);
}

static const struct sfs_shard_cursor_ops cursor_ops = {
	.next = cursor_next,
	.close = cursor_close,
};

static enum sfs_rc reader_iterate(struct sfs_shard_reader *r, uint64_t skip,
                                  struct sfs_shard_cursor **cursor_out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct cursor *cursor = sfs_calloc(1, sizeof(*cursor));
	enum sfs_rc rc;

	*cursor_out = NULL;
	if (cursor == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "no memory for a cursor");
	cursor->base.ops = &cursor_ops;
	rc = sfs_btree_cursor_open(tree_of(r), skip, &cursor->rows, call, err);
	if (rc != SFS_OK) {
		sfs_free(cursor);
		return rc;
	}
	*cursor_out = &cursor->base;
	return SFS_OK;
}

static void reader_close(struct sfs_shard_reader *r)
{
	struct reader *reader = (struct reader *)r;

	if (reader == NULL)
		return;
	sfs_btree_close(reader->tree);
	if (reader->object != NULL)
		reader->object->ops->close(reader->object);
	sfs_free(reader);
}

static const struct sfs_shard_reader_ops reader_ops = {
	.get = reader_get,
	.read = reader_read,
	.at = reader_at,
	.multi_get = reader_multi_get,
	.iterate = reader_iterate,
	.close = reader_close,
};

static enum sfs_rc object_open(const struct sfs_shard_location *where,
                               struct sfs_object **out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	char key[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;
	int len;

	len = snprintf(key, sizeof(key), "%s/" SFS_SQLITE_OBJECT,
	               where->key_prefix);
	if (len < 0 || (size_t)len >= sizeof(key))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s: its key prefix is too long",
		                   where->db_url);
	rc = where->store->ops->open(where->store, key, out, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, SFS_E_STALE,
		                   "%s: the shard is gone: it has no "
		                   "object " SFS_SQLITE_OBJECT,
		                   where->db_url);
	return rc;
}

static enum sfs_rc tree_open(const struct sfs_shard_location *where,
                             struct reader *reader, const struct sfs_call *call,
                             struct sfs_err *err)
{
	size_t size = strlen(where->db_url) + sizeof("/" SFS_SQLITE_OBJECT);
	char *name = sfs_malloc(size);
	enum sfs_rc rc;

	if (name == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "%s: no memory for its name", where->db_url);
	(void)snprintf(name, size, "%s/" SFS_SQLITE_OBJECT, where->db_url);
	rc = sfs_btree_open(reader->object, name, &reader->tree, call, err);
	sfs_free(name);
	return rc;
}

enum sfs_rc sfs_sqlite_reader_open(const struct sfs_shard_location *where,
                                   struct sfs_shard_reader **out,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	struct reader *reader = sfs_calloc(1, sizeof(*reader));
	enum sfs_rc rc;

	*out = NULL;
	if (reader == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "%s: no memory for a reader", where->db_url);
	reader->base.ops = &reader_ops;
	rc = object_open(where, &reader->object, call, err);
	if (rc == SFS_OK)
		rc = tree_open(where, reader, call, err);
	if (rc != SFS_OK) {
		reader_close(&reader->base);
		return rc;
	}
	*out = &reader->base;
	return SFS_OK;
}

const struct sfs_adapter sfs_adapter_sqlite = {
	.abi = SFS_ADAPTER_ABI,
	.size = sizeof(struct sfs_adapter),
	.name = "sqlite",
	.marker_object = SFS_SQLITE_OBJECT,
	.open_reader = sfs_sqlite_reader_open,
	.open_writer = sfs_sqlite_writer_open,
};
