/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON files of a snapshot. They are a function of the manifest, so they
 * are made anew whenever somebody asks; only the last one is kept, because a
 * large one is read in many parts.
 */
#include "fs/internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"

#include <string.h>

static void member_string(struct sfs_json_printer *p, const char *name,
                          const char *value)
{
	sfs_json_key(p, name);
	sfs_json_cstring(p, value);
}

static void member_uint(struct sfs_json_printer *p, const char *name,
                        uint64_t value)
{
	sfs_json_key(p, name);
	sfs_json_uint(p, value);
}

static void member_raw(struct sfs_json_printer *p, const char *name,
                       const char *json)
{
	sfs_json_key(p, name);
	if (json == NULL)
		sfs_json_null(p);
	else
		sfs_json_raw(p, json, strlen(json));
}

static void member_time(struct sfs_json_printer *p, const char *name,
                        int64_t ns)
{
	char text[SFS_TIME_BYTES];

	sfs_time_format(ns, text);
	member_string(p, name, text);
}

static void begin(struct sfs_json_printer *p, struct sfs_buf *out)
{
	sfs_json_printer_init(p, out, true, true);
	sfs_json_object_begin(p);
}

static void end(struct sfs_json_printer *p, struct sfs_buf *out)
{
	sfs_json_object_end(p);
	sfs_buf_putc(out, '\n');
}

static void print_snapshot_info(const struct sfs_view *view,
                                struct sfs_buf *out)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(view->snapshot);
	struct sfs_json_printer p;

	begin(&p, out);
	member_string(&p, "id", sfs_snapshot_text_id(view->snapshot));
	member_string(&p, "run_id", m->run_id);
	member_time(&p, "published_at", sfs_fs_view_time(view));
	member_time(&p, "created_at", m->created_at_ns);
	member_uint(&p, "num_dbs", m->num_dbs);
	member_string(&p, "key_encoding",
	              sfs_key_encoding_text(m->key_encoding));
	member_raw(&p, "sharding", m->sharding);
	member_uint(&p, "row_count", sfs_manifest_rows(m));
	member_uint(&p, "db_bytes", sfs_manifest_bytes(m));
	end(&p, out);
}

static void print_shard(struct sfs_json_printer *p,
                        const struct sfs_manifest_shard *s, uint32_t db_id)
{
	sfs_json_object_begin(p);
	member_uint(p, "db_id", db_id);
	member_string(p, "db_url", s->db_url);
	member_uint(p, "attempt", s->attempt);
	member_uint(p, "row_count", s->row_count);
	member_uint(p, "db_bytes", s->db_bytes);
	member_raw(p, "min_key", s->min_key);
	member_raw(p, "max_key", s->max_key);
	member_string(p, "checkpoint_id", s->checkpoint_id);
	member_raw(p, "writer_info", s->writer_info);
	sfs_json_object_end(p);
}

static void print_shard_info(const struct sfs_view *view, uint32_t db_id,
                             struct sfs_buf *out)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(view->snapshot);
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, out, true, true);
	print_shard(&p, &m->shards[db_id], db_id);
	sfs_buf_putc(out, '\n');
}

static void print_manifest(const struct sfs_view *view, struct sfs_buf *out)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(view->snapshot);
	struct sfs_json_printer p;

	begin(&p, out);
	member_string(&p, "run_id", m->run_id);
	member_time(&p, "created_at", m->created_at_ns);
	member_uint(&p, "num_dbs", m->num_dbs);
	member_string(&p, "s3_prefix", m->s3_prefix);
	member_string(&p, "key_col", m->key_col);
	member_raw(&p, "sharding", m->sharding);
	member_string(&p, "db_path_template", m->db_path_template);
	member_string(&p, "shard_prefix", m->shard_prefix);
	member_uint(&p, "format_version", 4);
	member_string(&p, "key_encoding",
	              sfs_key_encoding_text(m->key_encoding));
	member_raw(&p, "custom", m->custom);
	sfs_json_key(&p, "shards");
	sfs_json_array_begin(&p);
	for (uint32_t i = 0; i < m->num_dbs; i++) {
		if (m->shards[i].db_url != NULL)
			print_shard(&p, &m->shards[i], i);
	}
	sfs_json_array_end(&p);
	end(&p, out);
}

static enum sfs_rc print_text(struct sfs_view *view,
                              const struct sfs_node *node, struct sfs_buf *out,
                              struct sfs_err *err)
{
	uint32_t db_id;
	enum sfs_rc rc;

	if (node->what == SFS_WHAT_INFO) {
		print_snapshot_info(view, out);
	} else if (node->what == SFS_WHAT_MANIFEST_JSON) {
		print_manifest(view, out);
	} else {
		rc = sfs_fs_shard_of(view, node, &db_id, err);
		if (rc != SFS_OK)
			return rc;
		print_shard_info(view, db_id, out);
	}
	return sfs_buf_finish(out, "generated file", err);
}

static bool is_cached_locked(const struct sfs_text_cache *c,
                             const struct sfs_view *view, uint64_t id)
{
	return c->text != NULL && c->generation == view->generation &&
	       c->node == id;
}

static size_t copy_part(const char *text, size_t size, uint64_t offset,
                        void *buf, size_t len)
{
	size_t got;

	if (offset >= size)
		return 0;
	got = size - offset < len ? size - offset : len;
	if (got > 0)
		memcpy(buf, text + offset, got);
	return got;
}

enum sfs_rc sfs_fs_text_read(struct sfs_fs *fs, struct sfs_view *view,
                             uint64_t id, uint64_t offset, void *buf,
                             size_t len, size_t *got, uint64_t *size_out,
                             struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_node node = sfs_node_of(id);
	struct sfs_text_cache *c = &fs->texts;
	bool hit;
	enum sfs_rc rc;

	pthread_mutex_lock(&c->lock);
	hit = is_cached_locked(c, view, id);
	if (hit) {
		*got = copy_part(c->text, c->len, offset, buf, len);
		*size_out = c->len;
	}
	pthread_mutex_unlock(&c->lock);
	if (hit)
		return SFS_OK;

	rc = print_text(view, &node, &text, err);
	if (rc != SFS_OK) {
		sfs_buf_release(&text);
		return rc;
	}
	*got = copy_part(text.data, text.len, offset, buf, len);
	*size_out = text.len;
	pthread_mutex_lock(&c->lock);
	sfs_free(c->text);
	c->len = text.len;
	c->text = sfs_buf_detach(&text);
	c->generation = view->generation;
	c->node = id;
	pthread_mutex_unlock(&c->lock);
	return SFS_OK;
}
