/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shard: its records, merged with the base's, become an attempt in the
 * store; or, where they change nothing, the base's object is linked; or it is
 * empty. Shards are built side by side, each by one thread.
 */
#include "build/engine_internal.h"

#include "adapter/registry.h"
#include "adapter/sqlite.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/debugstep.h"
#include "base/json.h"
#include "base/keyname.h"
#include "base/uuid.h"
#include "format/names.h"

#include <inttypes.h>
#include <string.h>

void sfs_shard_release(struct sfs_shard *s)
{
	sfs_attempt_result_release(&s->result);
	s->state = SFS_SHARD_STALE;
}

/* A shard while it is built. */
struct work {
	struct sfs_engine *engine;
	uint32_t db_id;
	uint32_t attempt;
	const struct sfs_call *call;
	char prefix[SFS_STORE_KEY_MAX];
	char url[SFS_URL_BYTES + SFS_STORE_KEY_MAX];
	struct sfs_shard_reader *base;
	struct sfs_merge *merge;
	struct sfs_shard_writer *writer;
	struct sfs_merge_counts counts;
	struct sfs_buf min_key;
	struct sfs_buf max_key;
	int64_t began_ms;
};

static const struct sfs_manifest_shard *base_row(const struct sfs_engine *e,
                                                 uint32_t db_id)
{
	if (!e->has_base || e->base->shards[db_id].db_url == NULL)
		return NULL;
	return &e->base->shards[db_id];
}

enum sfs_shard_state sfs_engine_state_for(const struct sfs_engine *e,
                                          uint32_t db_id,
                                          const struct sfs_merge_counts *counts)
{
	if (sfs_merge_changes_nothing(counts) && base_row(e, db_id) != NULL)
		return SFS_SHARD_LINKED;
	return counts->rows > 0 ? SFS_SHARD_BUILT : SFS_SHARD_EMPTY;
}

/* Where the base's shard lies in the store. */
static enum sfs_rc base_prefix(const struct sfs_engine *e, uint32_t db_id,
                               char *out, size_t cap, struct sfs_err *err)
{
	return sfs_url_rebase(base_row(e, db_id)->db_url, e->base->s3_prefix,
	                      e->context.store->url, out, cap, err);
}

static enum sfs_rc open_base(struct work *w, struct sfs_err *err)
{
	const struct sfs_manifest_shard *row = base_row(w->engine, w->db_id);
	char prefix[SFS_STORE_KEY_MAX];
	struct sfs_shard_location where = {
		.key_prefix = prefix,
		.store = w->engine->context.store,
	};
	const struct sfs_adapter *adapter;
	enum sfs_rc rc;

	if (row == NULL)
		return SFS_OK;
	where.db_url = row->db_url;
	rc = base_prefix(w->engine, w->db_id, prefix, sizeof(prefix), err);
	if (rc == SFS_OK)
		rc = sfs_adapter_detect(&where, &adapter, w->call, err);
	if (rc == SFS_OK)
		rc = adapter->open_reader(&where, &w->base, w->call, err);
	return rc;
}

static enum sfs_rc open_merge(struct work *w, uint8_t *memory,
                              struct sfs_err *err)
{
	struct sfs_engine *e = w->engine;
	struct sfs_merge_config config = {
		.db_id = w->db_id,
		.overlay = e->overlay,
		.memory = memory,
		.memory_len = sfs_slabs_bytes(e->context.slabs),
	};
	enum sfs_rc rc = open_base(w, err);

	config.base = w->base;
	if (rc == SFS_OK)
		rc = sfs_merge_open(e->runs, &config, &w->merge, w->call, err);
	return rc;
}

static void work_release(struct work *w)
{
	sfs_merge_close(w->merge);
	if (w->writer != NULL)
		w->writer->ops->close(w->writer);
	if (w->base != NULL)
		w->base->ops->close(w->base);
	sfs_buf_release(&w->min_key);
	sfs_buf_release(&w->max_key);
}

/* --- writing ------------------------------------------------------------ */

static enum sfs_rc place(struct work *w, struct sfs_err *err)
{
	struct sfs_engine *e = w->engine;
	enum sfs_rc rc;
	int len;

	rc = sfs_attempt_key(e->config.shard_prefix, e->run_id,
	                     e->config.db_path_template, w->db_id, w->attempt,
	                     w->prefix, sizeof(w->prefix), err);
	if (rc != SFS_OK)
		return rc;
	len = snprintf(w->url, sizeof(w->url), "%s/%s", e->context.url,
	               w->prefix);
	if (len < 0 || (size_t)len >= SFS_URL_BYTES)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s: the URL is too long", w->prefix);
	return SFS_OK;
}

static enum sfs_rc open_writer(struct work *w, struct sfs_err *err)
{
	struct sfs_engine *e = w->engine;
	char options[64];
	struct sfs_shard_location where = {
		.db_url = w->url,
		.key_prefix = w->prefix,
		.store = e->context.store,
		.options = options,
	};

	if (e->config.page_size == 0)
		(void)snprintf(options, sizeof(options),
		               "{\"page_size\": \"auto\"}");
	else
		(void)snprintf(options, sizeof(options),
		               "{\"page_size\": %" PRIu32 "}",
		               e->config.page_size);
	return sfs_adapter_sqlite.open_writer(&where, &w->writer, err);
}

static enum sfs_rc announce(void *arg, size_t key_len, size_t value_len,
                            struct sfs_err *err)
{
	struct work *w = arg;

	return w->writer->ops->announce(w->writer, key_len, value_len, err);
}

static void keep_key(struct sfs_buf *out, struct sfs_bytes key)
{
	sfs_buf_reset(out);
	sfs_buf_add(out, key.data, key.len);
}

static enum sfs_rc write_pairs(struct work *w, struct sfs_err *err)
{
	enum { BETWEEN_CHECKS = 4096 };
	struct sfs_shard_writer *writer = w->writer;
	struct sfs_pair pair = { { NULL, 0 }, { NULL, 0 } };
	uint64_t count = 0;
	enum sfs_rc rc;
	bool found;

	for (;;) {
		rc = sfs_merge_next(w->merge, &found, &pair, w->call, err);
		if (rc != SFS_OK || !found)
			break;
		if (count == 0)
			keep_key(&w->min_key, pair.key);
		if (++count == w->counts.rows)
			keep_key(&w->max_key, pair.key);
		rc = writer->ops->write_batch(writer, &pair, 1, w->call, err);
		if (rc == SFS_OK && count % BETWEEN_CHECKS == 0)
			rc = sfs_engine_check(w->engine, w->call, err);
		if (rc != SFS_OK)
			break;
	}
	if (rc == SFS_OK)
		rc = sfs_buf_finish(&w->min_key, "key", err);
	if (rc == SFS_OK)
		rc = sfs_buf_finish(&w->max_key, "key", err);
	return rc;
}

/* --- results ------------------------------------------------------------ */

/* JSON of a key as the manifest records it; NULL: it cannot be one. */
static enum sfs_rc key_json(enum sfs_key_encoding encoding,
                            const struct sfs_buf *key, char **out,
                            struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	const uint8_t *bytes = (const uint8_t *)key->data;
	struct sfs_json_printer p;
	uint64_t number = 0;
	size_t at = 0;
	size_t n;

	sfs_json_printer_init(&p, &text, true, true);
	if (encoding == SFS_KEY_U64BE || encoding == SFS_KEY_U32BE) {
		for (size_t i = 0; i < key->len; i++)
			number = number << 8 | bytes[i];
		sfs_json_uint(&p, number);
	} else {
		while (at < key->len &&
		       (n = sfs_utf8_sequence(bytes + at, key->len - at)) > 0)
			at += n;
		if (at < key->len) {
			*out = NULL;
			return SFS_OK;
		}
		sfs_json_string(&p, key->len > 0 ? key->data : "", key->len);
	}
	*out = sfs_buf_detach(&text);
	return *out != NULL
	               ? SFS_OK
	               : sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
}

static enum sfs_rc copy_text(const char *text, char **out, struct sfs_err *err)
{
	*out = NULL;
	if (text == NULL)
		return SFS_OK;
	*out = sfs_strdup(text);
	return *out != NULL
	               ? SFS_OK
	               : sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
}

static enum sfs_rc checkpoint(char **out, struct sfs_err *err)
{
	char hex[SFS_UUID_HEX_BYTES];
	enum sfs_rc rc = sfs_uuid_hex(hex, err);

	return rc == SFS_OK ? copy_text(hex, out, err) : rc;
}

static enum sfs_rc writer_info(const struct work *w, char **out,
                               struct sfs_err *err)
{
	char text[160];

	(void)snprintf(text, sizeof(text),
	               "{\"attempt\": %" PRIu32 ", \"duration_ms\": %lld, "
	               "\"stage_id\": null, \"task_attempt_id\": null}",
	               w->attempt, (long long)(sfs_clock_ms() - w->began_ms));
	return copy_text(text, out, err);
}

static enum sfs_rc take_results(struct work *w, struct sfs_attempt_result *out,
                                struct sfs_err *err)
{
	enum sfs_key_encoding encoding = w->engine->config.key_encoding;
	struct sfs_shard_results results;
	enum sfs_rc rc;

	w->writer->ops->results(w->writer, &results);
	out->db_id = w->db_id;
	out->attempt = w->attempt;
	out->row_count = w->counts.rows;
	out->db_bytes = results.db_bytes;
	rc = copy_text(w->url, &out->db_url, err);
	if (rc == SFS_OK)
		rc = copy_text(w->prefix, &out->key_prefix, err);
	if (rc == SFS_OK)
		rc = copy_text(results.digest, &out->digest, err);
	if (rc == SFS_OK)
		rc = key_json(encoding, &w->min_key, &out->min_key, err);
	if (rc == SFS_OK)
		rc = key_json(encoding, &w->max_key, &out->max_key, err);
	if (rc == SFS_OK)
		rc = checkpoint(&out->checkpoint_id, err);
	if (rc == SFS_OK)
		rc = writer_info(w, &out->writer_info, err);
	return rc;
}

/* --- the three kinds ---------------------------------------------------- */

static enum sfs_rc link_base(struct work *w, struct sfs_attempt_result *result,
                             struct sfs_err *err)
{
	struct sfs_engine *e = w->engine;
	const struct sfs_manifest_shard *row = base_row(e, w->db_id);
	char prefix[SFS_STORE_KEY_MAX];
	char from[SFS_STORE_KEY_MAX + 16];
	char to[SFS_STORE_KEY_MAX + 16];
	enum sfs_rc rc;

	rc = place(w, err);
	if (rc == SFS_OK)
		rc = base_prefix(e, w->db_id, prefix, sizeof(prefix), err);
	if (rc != SFS_OK)
		return rc;
	(void)snprintf(from, sizeof(from), "%s/" SFS_SQLITE_OBJECT, prefix);
	(void)snprintf(to, sizeof(to), "%s/" SFS_SQLITE_OBJECT, w->prefix);
	e->shards[w->db_id].has_object = true;
	rc = e->context.store->ops->copy(e->context.store, from, to, w->call,
	                                 err);
	if (rc == SFS_OK)
		rc = copy_text(e->base_digests.of[w->db_id], &result->digest,
		               err);
	if (rc == SFS_OK)
		rc = copy_text(w->url, &result->db_url, err);
	if (rc == SFS_OK)
		rc = copy_text(w->prefix, &result->key_prefix, err);
	if (rc == SFS_OK)
		rc = copy_text(row->min_key, &result->min_key, err);
	if (rc == SFS_OK)
		rc = copy_text(row->max_key, &result->max_key, err);
	if (rc == SFS_OK)
		rc = copy_text(row->checkpoint_id, &result->checkpoint_id, err);
	if (rc == SFS_OK)
		rc = copy_text(row->writer_info, &result->writer_info, err);
	result->db_id = w->db_id;
	result->attempt = w->attempt;
	result->row_count = row->row_count;
	result->db_bytes = row->db_bytes;
	return rc;
}

/* The first walk; afterwards w->counts tell which kind it is. */
static enum sfs_rc measure(struct work *w, uint8_t *memory, struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_debug_step("build.shard", err);
	if (rc == SFS_OK)
		rc = place(w, err);
	if (rc == SFS_OK)
		rc = open_merge(w, memory, err);
	if (rc == SFS_OK)
		rc = open_writer(w, err);
	if (rc == SFS_OK)
		rc = sfs_merge_measure(w->merge, announce, w, &w->counts,
		                       w->call, err);
	return rc;
}

static enum sfs_rc write_shard(struct work *w,
                               struct sfs_attempt_result *result,
                               struct sfs_err *err)
{
	enum sfs_rc rc;

	w->engine->shards[w->db_id].has_object = true;
	rc = write_pairs(w, err);
	if (rc == SFS_OK)
		rc = w->writer->ops->seal(w->writer, w->call, err);
	if (rc == SFS_OK)
		rc = take_results(w, result, err);
	return rc;
}

static enum sfs_rc build(struct work *w, uint8_t *memory,
                         struct sfs_attempt_result *result,
                         enum sfs_shard_state *state_out, struct sfs_err *err)
{
	enum sfs_rc rc = measure(w, memory, err);

	if (rc != SFS_OK)
		return rc;
	*state_out = sfs_engine_state_for(w->engine, w->db_id, &w->counts);
	if (*state_out == SFS_SHARD_BUILT)
		return write_shard(w, result, err);
	w->writer->ops->close(w->writer);
	w->writer = NULL;
	return *state_out == SFS_SHARD_LINKED ? link_base(w, result, err)
	                                      : SFS_OK;
}

static enum sfs_rc attempt(struct sfs_engine *e, uint32_t db_id,
                           uint8_t *memory, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct sfs_shard *shard = &e->shards[db_id];
	struct work w = {
		.engine = e,
		.db_id = db_id,
		.attempt = shard->next_attempt,
		.call = call,
		.min_key = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES),
		.max_key = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES),
		.began_ms = sfs_clock_ms(),
	};
	struct sfs_attempt_result result = { 0 };
	enum sfs_shard_state state = SFS_SHARD_EMPTY;
	enum sfs_rc rc = SFS_OK;

	result.db_id = db_id;
	if (shard->is_touched) {
		rc = build(&w, memory, &result, &state, err);
	} else {
		state = sfs_engine_state_for(e, db_id, &w.counts);
		if (state == SFS_SHARD_LINKED)
			rc = link_base(&w, &result, err);
	}
	shard->counts = w.counts;
	work_release(&w);
	if (rc != SFS_OK) {
		sfs_attempt_result_release(&result);
		return rc;
	}
	sfs_shard_release(shard);
	shard->result = result;
	shard->state = state;
	shard->mark = e->marks[db_id];
	return SFS_OK;
}

/* Worth another attempt: not what would be the same again. */
static bool may_pass(enum sfs_rc rc)
{
	return rc == SFS_E_TRANSIENT || rc == SFS_E_IO || rc == SFS_E_TIMEOUT;
}

enum sfs_rc sfs_engine_build_shard(struct sfs_engine *e, uint32_t db_id,
                                   uint8_t *memory, const struct sfs_call *call,
                                   struct sfs_err *err)
{
	uint32_t retries = e->config.shard_retry;
	enum sfs_rc rc;

	for (;;) {
		rc = sfs_engine_check(e, call, err);
		if (rc == SFS_OK)
			rc = attempt(e, db_id, memory, call, err);
		if (rc == SFS_OK || !may_pass(rc) || retries-- == 0 ||
		    sfs_engine_check(e, call, NULL) != SFS_OK)
			return rc;
		e->shards[db_id].next_attempt++;
	}
}

enum sfs_rc sfs_engine_measure_shard(struct sfs_engine *e, uint32_t db_id,
                                     uint8_t *memory,
                                     struct sfs_merge_counts *out,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	struct work w = { .engine = e, .db_id = db_id, .call = call };
	enum sfs_rc rc;

	rc = open_merge(&w, memory, err);
	if (rc == SFS_OK)
		rc = sfs_merge_measure(w.merge, NULL, NULL, out, call, err);
	work_release(&w);
	return rc;
}
