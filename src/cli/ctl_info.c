/* SPDX-License-Identifier: Apache-2.0 */
/* What a snapshot is made of, and which ones there are. */
#include "cli/ctl.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { FLUSH_BYTES = 1 << 20 };

/* Facts as lines or as members, so that both say the same. */
struct report {
	struct sfs_buf text;
	struct sfs_json_printer json;
	bool is_json;
};

static void begin(struct report *r, bool is_json)
{
	sfs_buf_init(&r->text, SFS_TEXT_MAX_BYTES);
	r->is_json = is_json;
	sfs_json_printer_init(&r->json, &r->text, true, true);
	if (is_json)
		sfs_json_object_begin(&r->json);
}

static int end(struct report *r)
{
	if (r->is_json) {
		sfs_json_object_end(&r->json);
		sfs_buf_putc(&r->text, '\n');
	}
	return sfs_ctl_print(&r->text, SFS_CTL_OK);
}

static void fact_text(struct report *r, const char *name, const char *value)
{
	if (!r->is_json) {
		sfs_buf_printf(&r->text, "%s: %s\n", name, value);
		return;
	}
	sfs_json_key(&r->json, name);
	sfs_json_cstring(&r->json, value);
}

static void fact_number(struct report *r, const char *name, uint64_t value)
{
	if (!r->is_json) {
		sfs_buf_printf(&r->text, "%s: %llu\n", name,
		               (unsigned long long)value);
		return;
	}
	sfs_json_key(&r->json, name);
	sfs_json_uint(&r->json, value);
}

static void fact_json(struct report *r, const char *name, const char *raw)
{
	if (!r->is_json) {
		sfs_buf_printf(&r->text, "%s: %s\n", name, raw);
		return;
	}
	sfs_json_key(&r->json, name);
	sfs_json_raw(&r->json, raw, strlen(raw));
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The sizes of the shards that hold something, in order. */
static uint64_t *sizes_of(const struct sfs_manifest *m, uint32_t *count_out)
{
	uint64_t *sizes = sfs_calloc(m->num_dbs, sizeof(*sizes));
	uint32_t count = 0;

	if (sizes == NULL)
		return NULL;
	for (uint32_t i = 0; i < m->num_dbs; i++) {
		if (m->shards[i].db_url != NULL)
			sizes[count++] = m->shards[i].db_bytes;
	}
	qsort(sizes, count, sizeof(*sizes), by_size);
	*count_out = count;
	return sizes;
}

static void report_shards(struct report *r, const struct sfs_manifest *m)
{
	uint32_t count = 0;
	uint64_t *sizes = sizes_of(m, &count);

	if (sizes == NULL) {
		r->text.failed = SFS_E_NO_MEMORY;
		return;
	}
	fact_number(r, "empty_shards", m->num_dbs - count);
	fact_number(r, "shard_bytes_min", count > 0 ? sizes[0] : 0);
	fact_number(r, "shard_bytes_median", count > 0 ? sizes[count / 2] : 0);
	fact_number(r, "shard_bytes_max", count > 0 ? sizes[count - 1] : 0);
	sfs_free(sizes);
}

static int info(const struct sfs_ctl_args *args, struct sfs_snapshot *snapshot)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(snapshot);
	char published[SFS_TIME_BYTES];
	struct report r;

	sfs_time_format(sfs_snapshot_id_of(snapshot)->published_at_ns,
	                published);
	begin(&r, args->json);
	fact_text(&r, "snapshot", sfs_snapshot_text_id(snapshot));
	fact_text(&r, "run_id", m->run_id);
	fact_text(&r, "published_at", published);
	fact_text(&r, "key_encoding", sfs_key_encoding_text(m->key_encoding));
	fact_number(&r, "num_dbs", m->num_dbs);
	fact_number(&r, "rows", sfs_manifest_rows(m));
	fact_number(&r, "bytes", sfs_manifest_bytes(m));
	report_shards(&r, m);
	fact_text(&r, "s3_prefix", m->s3_prefix);
	fact_json(&r, "sharding", m->sharding);
	fact_json(&r, "custom", m->custom);
	return end(&r);
}

int sfs_ctl_info(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_snapshot(args, info);
}

static void add_shard_line(struct sfs_buf *out, uint32_t db_id,
                           const struct sfs_manifest_shard *s)
{
	sfs_buf_printf(out, "%u\t%llu\t%llu\t%s\t%s\t%s\n", db_id,
	               (unsigned long long)s->row_count,
	               (unsigned long long)s->db_bytes,
	               s->min_key != NULL ? s->min_key : "-",
	               s->max_key != NULL ? s->max_key : "-",
	               s->db_url != NULL ? s->db_url : "-");
}

static void add_raw(struct sfs_json_printer *p, const char *name,
                    const char *raw)
{
	sfs_json_key(p, name);
	if (raw != NULL)
		sfs_json_raw(p, raw, strlen(raw));
	else
		sfs_json_null(p);
}

static void add_shard_json(struct sfs_json_printer *p, uint32_t db_id,
                           const struct sfs_manifest_shard *s)
{
	sfs_json_object_begin(p);
	sfs_json_key(p, "shard");
	sfs_json_uint(p, db_id);
	sfs_json_key(p, "rows");
	sfs_json_uint(p, s->row_count);
	sfs_json_key(p, "bytes");
	sfs_json_uint(p, s->db_bytes);
	add_raw(p, "min_key", s->min_key);
	add_raw(p, "max_key", s->max_key);
	sfs_json_key(p, "url");
	sfs_json_cstring(p, s->db_url);
	sfs_json_object_end(p);
}

/* Printed in pieces: there may be a million shards. */
static enum sfs_rc flush(struct sfs_buf *text, size_t least,
                         struct sfs_err *err)
{
	enum sfs_rc rc = sfs_buf_finish(text, "the answer", err);

	if (rc != SFS_OK || text->len < least)
		return rc;
	rc = sfs_ctl_write(text->data, text->len, err);
	sfs_buf_reset(text);
	return rc;
}

static int shards(const struct sfs_ctl_args *args,
                  struct sfs_snapshot *snapshot)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(snapshot);
	struct sfs_err err;
	struct report r;
	enum sfs_rc rc = SFS_OK;

	begin(&r, args->json);
	if (args->json) {
		fact_text(&r, "snapshot", sfs_snapshot_text_id(snapshot));
		sfs_json_key(&r.json, "shards");
		sfs_json_array_begin(&r.json);
	}
	for (uint32_t i = 0; rc == SFS_OK && i < m->num_dbs; i++) {
		if (args->json)
			add_shard_json(&r.json, i, &m->shards[i]);
		else
			add_shard_line(&r.text, i, &m->shards[i]);
		rc = flush(&r.text, FLUSH_BYTES, &err);
	}
	if (rc != SFS_OK) {
		sfs_buf_release(&r.text);
		return sfs_ctl_fail(&err);
	}
	if (args->json)
		sfs_json_array_end(&r.json);
	return end(&r);
}

int sfs_ctl_shards(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_snapshot(args, shards);
}

struct listing {
	struct report report;
	struct sfs_snapshot_id current;
	bool has_current;
};

static bool add_snapshot(void *arg, const struct sfs_snapshot_id *id)
{
	struct listing *l = arg;
	struct sfs_json_printer *p = &l->report.json;
	bool is_current =
		l->has_current && sfs_snapshot_id_compare(id, &l->current) == 0;
	char published[SFS_TIME_BYTES];
	char text[SFS_SNAPSHOT_ID_BYTES];

	sfs_snapshot_id_text(id, text);
	if (!l->report.is_json) {
		sfs_buf_printf(&l->report.text, "%c %s\n",
		               is_current ? '*' : ' ', text);
		return true;
	}
	sfs_time_format(id->published_at_ns, published);
	sfs_json_object_begin(p);
	sfs_json_key(p, "snapshot");
	sfs_json_cstring(p, text);
	sfs_json_key(p, "run_id");
	sfs_json_cstring(p, id->run_id);
	sfs_json_key(p, "published_at");
	sfs_json_cstring(p, published);
	sfs_json_key(p, "current");
	sfs_json_bool(p, is_current);
	sfs_json_object_end(p);
	return true;
}

static int history(const struct sfs_ctl_args *args,
                   const struct sfs_ctl_target *t)
{
	struct sfs_catalog *catalog = t->stack.catalog;
	struct listing l = { .has_current = true };
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_ctl_current_id(t, &l.current, &err);
	if (rc == SFS_E_NOT_FOUND) {
		l.has_current = false;
		rc = SFS_OK;
	}
	begin(&l.report, args->json);
	if (args->json) {
		sfs_json_key(&l.report.json, "snapshots");
		sfs_json_array_begin(&l.report.json);
	}
	if (rc == SFS_OK)
		rc = catalog->ops->history(catalog, add_snapshot, &l, NULL,
		                           &err);
	if (rc != SFS_OK) {
		sfs_buf_release(&l.report.text);
		return sfs_ctl_fail(&err);
	}
	if (args->json)
		sfs_json_array_end(&l.report.json);
	return end(&l.report);
}

int sfs_ctl_history(const struct sfs_ctl_args *args)
{
	struct sfs_ctl_target t;
	struct sfs_err err;
	int status;

	if (sfs_ctl_target_open(args, &t, &err) != SFS_OK)
		return sfs_ctl_fail(&err);
	status = history(args, &t);
	sfs_ctl_target_close(&t);
	return status;
}
