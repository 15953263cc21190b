/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of SQLite shards: format/btree_writer makes the pages from the
 * sorted pairs, front to back, and they go straight into an upload of the
 * store, and into the digest, block by block; there is no local file. A thread
 * of the writer's does that with one block while the next one is filled, so
 * that the disk is not idle while pairs are merged, nor the other way round.
 *
 *   MEASURING -> (first pair or seal: the page size is chosen, the upload
 *   begun) -> WRITING -> seal -> SEALED; BROKEN after any failure
 */
#include "adapter/sqlite.h"

#include "base/alloc.h"
#include "base/digest.h"
#include "base/workers.h"
#include "format/btree_writer.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

enum {
	PAGE_SIZE_DEFAULT = 4096,
	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 65536,
	CANDIDATES = 5, /* 4096 ... 65536 */

	/*
	 * Values up to this are counted by their size. A longer one fits no
	 * page, however often it is there.
	 */
	COUNTED_MAX_BYTES = 16422,

	/* Of a database that is worth a thread. */
	BEHIND_MIN_BYTES = 4 << 20,
};

#define DIGEST_SCHEME "sha256:"

enum writer_state {
	WRITER_INVALID = 0,
	WRITER_MEASURING,
	WRITER_WRITING,
	WRITER_SEALED,
	WRITER_BROKEN,
};

struct writer {
	struct sfs_shard_writer base;
	struct sfs_store *store; /* borrowed */
	char *url;               /* for messages */
	char *key;               /* of the object */
	enum writer_state state;
	struct sfs_btree_measure measures[CANDIDATES];
	unsigned candidates;   /* 1: the page size is given */
	uint64_t *value_sizes; /* how many values have that size; or NULL */
	size_t longest_key;
	struct sfs_btree_writer *pages;
	struct sfs_upload *upload;
	struct sfs_digest digest;
	struct sfs_workers *behind; /* one; NULL: blocks are written at once */
	struct sfs_job job;         /* writes the block; while it runs, it */
	const void *block;          /* owns this, digest, upload and below */
	size_t block_len;
	enum sfs_rc block_rc;
	struct sfs_err block_err;
	uint64_t db_bytes;
	char digest_text[sizeof(DIGEST_SCHEME) + SFS_DIGEST_HEX_BYTES];
};

static enum sfs_rc no_memory(const char *url, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory for a writer",
	                   url);
}

static enum sfs_rc bad_options(const char *url, const char *what,
                               struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_INVALID, "%s: writer options: %s", url,
	                   what);
}

/* 0: it is none. */
static uint32_t page_size_of(const cJSON *item)
{
	uint32_t size;

	if (!cJSON_IsNumber(item) || !(item->valuedouble >= PAGE_SIZE_MIN) ||
	    !(item->valuedouble <= PAGE_SIZE_MAX))
		return 0;
	size = (uint32_t)item->valuedouble;
	return (size & (size - 1)) == 0 && item->valuedouble <= size ? size : 0;
}

/* The page sizes to measure: the one that the options name, or all. */
static enum sfs_rc measures_begin(struct writer *w, const char *options,
                                  struct sfs_err *err)
{
	cJSON *json = options != NULL ? cJSON_Parse(options) : NULL;
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "page_size");
	uint32_t size = PAGE_SIZE_DEFAULT;
	enum sfs_rc rc = SFS_OK;
	unsigned i;

	w->candidates = 1;
	if (options != NULL && !cJSON_IsObject(json))
		rc = bad_options(w->url, "not a JSON object", err);
	else if (cJSON_IsString(item) && strcmp(item->valuestring, "auto") == 0)
		w->candidates = CANDIDATES;
	else if (item != NULL)
		size = page_size_of(item);
	if (size == 0)
		rc = bad_options(w->url,
		                 "page_size is \"auto\" or a power of two from "
		                 "512 to 65536",
		                 err);
	cJSON_Delete(json);
	for (i = 0; i < w->candidates; i++)
		sfs_btree_measure_init(&w->measures[i], size << i);
	if (rc != SFS_OK || w->candidates == 1)
		return rc;
	w->value_sizes = sfs_calloc(COUNTED_MAX_BYTES + 1, sizeof(uint64_t));
	return w->value_sizes != NULL ? SFS_OK : no_memory(w->url, err);
}

static enum sfs_rc with_url(const struct writer *w, enum sfs_rc rc,
                            struct sfs_err *err)
{
	if (rc != SFS_OK && err != NULL)
		(void)sfs_err_wrap(err, "%s", w->url);
	return rc;
}

static enum sfs_rc wrong_state(const struct writer *w, struct sfs_err *err)
{
	const char *what = "is being written already";

	if (w->state == WRITER_SEALED)
		what = "is sealed already";
	else if (w->state == WRITER_BROKEN)
		what = "cannot be written: an earlier call failed";
	return sfs_err_set(err, SFS_E_INVALID, "%s: the shard %s", w->url,
	                   what);
}

static enum sfs_rc writer_announce(struct sfs_shard_writer *base,
                                   size_t key_len, size_t value_len,
                                   struct sfs_err *err)
{
	struct writer *w = (struct writer *)base;
	enum sfs_rc rc = SFS_OK;
	unsigned i;

	if (w->state != WRITER_MEASURING)
		return wrong_state(w, err);
	for (i = 0; rc == SFS_OK && i < w->candidates; i++)
		rc = sfs_btree_measure_add(&w->measures[i], key_len, value_len,
		                           err);
	if (rc != SFS_OK)
		return with_url(w, rc, err);
	if (w->value_sizes != NULL && value_len <= COUNTED_MAX_BYTES)
		w->value_sizes[value_len]++;
	if (key_len > w->longest_key)
		w->longest_key = key_len;
	return SFS_OK;
}

/* The 95th percentile by nearest rank; beyond what is counted: that. */
static size_t common_value_size(const struct writer *w)
{
	uint64_t rows = w->measures[0].rows;
	uint64_t rank = rows - rows / 20; /* the least integer >= 0.95 rows */
	uint64_t seen = 0;
	size_t size;

	for (size = 0; size <= COUNTED_MAX_BYTES; size++) {
		seen += w->value_sizes[size];
		if (seen >= rank)
			break;
	}
	return size;
}

/* The smallest page on which most rows fit whole (man shardyfs-snapshot). */
static const struct sfs_btree_measure *choose(const struct writer *w)
{
	size_t need;
	unsigned i;

	if (w->candidates == 1)
		return &w->measures[0];
	need = common_value_size(w) + w->longest_key + 12;
	for (i = 0; i + 1 < w->candidates; i++)
		if (need <= w->measures[i].max_local)
			break;
	return &w->measures[i];
}

/* Who hands out blocks asks whether the call goes on. */
static void write_block(struct sfs_job *job)
{
	struct writer *w =
		(struct writer *)((char *)job - offsetof(struct writer, job));
	struct sfs_err *err = &w->block_err;

	w->block_rc = sfs_digest_add(&w->digest, w->block, w->block_len, err);
	if (w->block_rc == SFS_OK)
		w->block_rc = w->upload->ops->write(w->upload, w->block,
		                                    w->block_len, NULL, err);
}

/* All blocks so far are written. */
static enum sfs_rc wait_behind(struct writer *w, struct sfs_err *err)
{
	if (w->behind != NULL)
		sfs_workers_drain(w->behind, &w->job);
	if (w->block_rc != SFS_OK && err != NULL)
		*err = w->block_err;
	return w->block_rc;
}

static enum sfs_rc take_block(void *arg, const void *data, size_t len,
                              struct sfs_err *err)
{
	struct writer *w = arg;
	enum sfs_rc rc = wait_behind(w, err);

	if (rc != SFS_OK)
		return rc;
	w->block = data;
	w->block_len = len;
	if (w->behind != NULL) {
		sfs_workers_submit(w->behind, &w->job);
		return SFS_OK;
	}
	write_block(&w->job);
	return wait_behind(w, err);
}

/* A help, not a need. */
static void behind_begin(struct writer *w)
{
	w->job.run = write_block;
	if (w->db_bytes >= BEHIND_MIN_BYTES &&
	    sfs_workers_new(1, &w->behind, NULL) != SFS_OK)
		w->behind = NULL;
}

static enum sfs_rc writing_begin(struct writer *w, const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_btree_shape shape;
	enum sfs_rc rc;

	rc = sfs_btree_measure_finish(choose(w), &shape, err);
	if (rc != SFS_OK)
		return rc;
	w->db_bytes = (uint64_t)shape.pages * shape.page_size;
	rc = sfs_digest_begin(&w->digest, err);
	if (rc == SFS_OK)
		rc = w->store->ops->create(w->store, w->key, w->db_bytes,
		                           &w->upload, call, err);
	if (rc == SFS_OK)
		rc = sfs_btree_writer_new(&shape, take_block, w, &w->pages,
		                          err);
	if (rc != SFS_OK)
		return rc;
	behind_begin(w);
	w->state = WRITER_WRITING;
	return SFS_OK;
}

/* Begins a call that writes; whatever fails in it breaks the writer. */
static enum sfs_rc call_begin(struct writer *w, const struct sfs_call *call,
                              struct sfs_err *err)
{
	enum sfs_rc rc;

	if (w->state != WRITER_MEASURING && w->state != WRITER_WRITING)
		return wrong_state(w, err);
	rc = sfs_call_check(call, w->url, err);
	if (rc == SFS_OK && w->state == WRITER_MEASURING)
		rc = with_url(w, writing_begin(w, call, err), err);
	if (rc != SFS_OK)
		w->state = WRITER_BROKEN;
	return rc;
}

static enum sfs_rc writer_write_batch(struct sfs_shard_writer *base,
                                      const struct sfs_pair *pairs,
                                      size_t count, const struct sfs_call *call,
                                      struct sfs_err *err)
{
	struct writer *w = (struct writer *)base;
	enum sfs_rc rc = call_begin(w, call, err);
	size_t i;

	if (rc != SFS_OK)
		return rc;
	for (i = 0; rc == SFS_OK && i < count; i++)
		rc = sfs_btree_writer_add(w->pages, &pairs[i], err);
	if (rc != SFS_OK)
		w->state = WRITER_BROKEN;
	return with_url(w, rc, err);
}

static enum sfs_rc writer_seal(struct sfs_shard_writer *base,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct writer *w = (struct writer *)base;
	enum sfs_rc rc = call_begin(w, call, err);
	char hex[SFS_DIGEST_HEX_BYTES];

	if (rc != SFS_OK)
		return rc;
	rc = sfs_btree_writer_finish(w->pages, err);
	if (rc == SFS_OK)
		rc = wait_behind(w, err);
	if (rc == SFS_OK)
		rc = sfs_digest_finish(&w->digest, hex, err);
	if (rc == SFS_OK)
		rc = w->upload->ops->commit(w->upload, call, err);
	w->state = rc == SFS_OK ? WRITER_SEALED : WRITER_BROKEN;
	if (rc == SFS_OK)
		(void)snprintf(w->digest_text, sizeof(w->digest_text), "%s%s",
		               DIGEST_SCHEME, hex);
	return with_url(w, rc, err);
}

static void writer_results(struct sfs_shard_writer *base,
                           struct sfs_shard_results *out)
{
	const struct writer *w = (const struct writer *)base;

	out->db_bytes = w->state == WRITER_SEALED ? w->db_bytes : 0;
	out->digest = w->state == WRITER_SEALED ? w->digest_text : NULL;
}

static void writer_close(struct sfs_shard_writer *base)
{
	struct writer *w = (struct writer *)base;

	if (w == NULL)
		return;
	sfs_workers_free(w->behind); /* waits: it may be writing */
	sfs_btree_writer_free(w->pages);
	if (w->upload != NULL)
		w->upload->ops->close(w->upload);
	sfs_digest_release(&w->digest);
	sfs_free(w->value_sizes);
	sfs_free(w->key);
	sfs_free(w->url);
	sfs_free(w);
}

static const struct sfs_shard_writer_ops writer_ops = {
	.announce = writer_announce,
	.write_batch = writer_write_batch,
	.seal = writer_seal,
	.results = writer_results,
	.close = writer_close,
};

static enum sfs_rc names_begin(struct writer *w,
                               const struct sfs_shard_location *where,
                               struct sfs_err *err)
{
	size_t size = strlen(where->key_prefix) + sizeof("/" SFS_SQLITE_OBJECT);

	w->url = sfs_strdup(where->db_url);
	w->key = sfs_malloc(size);
	if (w->url == NULL || w->key == NULL)
		return no_memory(where->db_url, err);
	(void)snprintf(w->key, size, "%s/" SFS_SQLITE_OBJECT,
	               where->key_prefix);
	return SFS_OK;
}

enum sfs_rc sfs_sqlite_writer_open(const struct sfs_shard_location *where,
                                   struct sfs_shard_writer **out,
                                   struct sfs_err *err)
{
	struct writer *w = sfs_calloc(1, sizeof(*w));
	enum sfs_rc rc;

	*out = NULL;
	if (w == NULL)
		return no_memory(where->db_url, err);
	w->base.ops = &writer_ops;
	w->store = where->store;
	w->state = WRITER_MEASURING;
	rc = names_begin(w, where, err);
	if (rc == SFS_OK)
		rc = measures_begin(w, where->options, err);
	if (rc != SFS_OK) {
		writer_close(&w->base);
		return rc;
	}
	*out = &w->base;
	return SFS_OK;
}
