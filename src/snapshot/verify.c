/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying a snapshot: threads take shard after shard; each is read front to
 * back for its digest, then walked. Nothing is kept but the last key. Only the
 * first fault of a kind is told for each shard, since where one key lies in
 * the wrong shard a million others do.
 */
#include "snapshot/verify.h"

#include "adapter/registry.h"
#include "base/alloc.h"
#include "base/digest.h"
#include "base/json.h"
#include "format/digests.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <string.h>

enum {
	THREADS_MAX = 64,
	READ_BYTES = 1 << 20,
	KEY_SHOWN_BYTES = 256,
};

static const char ROUTING[] = "ShardAssignmentError";
static const char DIGEST[] = "DigestError";
static const char ORDER[] = "KeyOrderError";
static const char ENCODING[] = "KeyEncodingError";
static const char RANGE[] = "KeyRangeError";
static const char COUNT[] = "RowCountError";
static const char SIZE[] = "ShardSizeError";
static const char DAMAGED[] = "ShardCorruptError";
static const char GONE[] = "ShardMissingError";
static const char UNREAD[] = "ShardReadError";

struct job {
	struct sfs_snapshot *snapshot;
	struct sfs_store *store;
	const struct sfs_verify_config *config;
	const struct sfs_call *call;
	struct sfs_digests digests;
	atomic_uint_fast32_t next;
	atomic_bool stop;
	pthread_mutex_t lock;
	struct sfs_verify_result *result; /* protected by lock, as all below */
	enum sfs_rc rc;                   /* why it cannot go on */
	struct sfs_err err;
};

/* One shard under way. */
struct shard {
	struct job *job;
	const struct sfs_manifest_shard *row;
	const char *told[16]; /* kinds of faults */
	size_t told_count;
	struct sfs_verify_shard facts;
	uint64_t proven;
	bool is_unknown;
	uint8_t *last; /* the key before; owned */
	size_t last_len;
	size_t last_cap;
	char *buf; /* READ_BYTES */
};

static void SFS_PRINTF(3, 4)
	tell(struct shard *s, const char *type, const char *fmt, ...)
{
	const struct sfs_verify_config *config = s->job->config;
	struct sfs_verify_fault fault = { .db_id = s->facts.db_id,
		                          .type = type,
		                          .is_unknown = type == UNREAD };
	char message[SFS_ERR_MSG_BYTES];
	va_list args;

	for (size_t i = 0; i < s->told_count; i++) {
		if (s->told[i] == type)
			return;
	}
	s->told[s->told_count++] = type; /* fewer kinds than places */
	va_start(args, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	fault.message = message;
	s->facts.faults++;
	s->proven += !fault.is_unknown;
	s->is_unknown = s->is_unknown || fault.is_unknown;
	if (config->fault != NULL)
		config->fault(config->arg, &fault);
}

/* Tells what a failed read means; the code if nothing can go on. */
static enum sfs_rc judge(struct shard *s, enum sfs_rc rc,
                         const struct sfs_err *err)
{
	if (rc == SFS_E_CANCELED || rc == SFS_E_NO_MEMORY ||
	    rc == SFS_E_TIMEOUT)
		return rc;
	if (rc == SFS_E_CORRUPT)
		tell(s, DAMAGED, "%s", err->msg);
	else if (rc == SFS_E_STALE || rc == SFS_E_NOT_FOUND)
		tell(s, GONE, "%s", err->msg);
	else
		tell(s, UNREAD, "%s: %s", sfs_rc_name(rc), err->msg);
	return SFS_OK;
}

static enum sfs_rc hash_object(struct shard *s, struct sfs_object *object,
                               char hex[SFS_DIGEST_HEX_BYTES],
                               struct sfs_err *err)
{
	struct sfs_digest digest = { NULL };
	size_t got = READ_BYTES;
	uint64_t offset = 0;
	enum sfs_rc rc;

	rc = sfs_digest_begin(&digest, err);
	while (rc == SFS_OK && got == READ_BYTES) {
		rc = object->ops->read(object, offset, s->buf, READ_BYTES, &got,
		                       s->job->call, err);
		if (rc == SFS_OK)
			rc = sfs_digest_add(&digest, s->buf, got, err);
		offset += got;
	}
	if (rc == SFS_OK)
		rc = sfs_digest_finish(&digest, hex, err);
	sfs_digest_release(&digest);
	return rc;
}

static void check_object(struct shard *s, uint64_t size, const char *hex)
{
	const char *wanted = s->job->digests.of[s->facts.db_id];

	if (wanted != NULL && (strncmp(wanted, "sha256:", 7) != 0 ||
	                       strcmp(wanted + 7, hex) != 0))
		tell(s, DIGEST, "the object has sha256:%s, not %.80s", hex,
		     wanted);
	if (s->job->digests.is_ours && s->row->db_bytes != size)
		tell(s, SIZE, "the object has %llu bytes, not %llu",
		     (unsigned long long)size,
		     (unsigned long long)s->row->db_bytes);
}

/* The object as such: its size and digest. */
static enum sfs_rc read_object(struct shard *s, struct sfs_err *err)
{
	struct sfs_store *store = s->job->store;
	const struct sfs_shard_location *where =
		sfs_snapshot_shard_location(s->job->snapshot, s->facts.db_id);
	char hex[SFS_DIGEST_HEX_BYTES] = "";
	const struct sfs_adapter *adapter;
	char key[SFS_STORE_KEY_MAX];
	struct sfs_object *object;
	enum sfs_rc rc;

	rc = sfs_adapter_detect(where, &adapter, s->job->call, err);
	if (rc != SFS_OK)
		return rc;
	(void)snprintf(key, sizeof(key), "%s/%s", where->key_prefix,
	               adapter->marker_object);
	rc = store->ops->open(store, key, &object, s->job->call, err);
	if (rc != SFS_OK)
		return rc;
	s->facts.bytes = object->info.size;
	if (s->facts.has_digest)
		rc = hash_object(s, object, hex, err);
	object->ops->close(object);
	if (rc == SFS_OK)
		check_object(s, s->facts.bytes, hex);
	return rc;
}

static enum sfs_rc keep_key(struct shard *s, struct sfs_bytes key,
                            struct sfs_err *err)
{
	uint8_t *grown;

	if (key.len > s->last_cap || s->last == NULL) {
		grown = sfs_malloc(key.len * 2 + 64);
		if (grown == NULL)
			return sfs_err_set(err, SFS_E_NO_MEMORY,
			                   "verify: out of memory");
		sfs_free(s->last);
		s->last = grown;
		s->last_cap = key.len * 2 + 64;
	}
	if (key.len > 0)
		memcpy(s->last, key.data, key.len);
	s->last_len = key.len;
	return SFS_OK;
}

static void name_of(struct shard *s, struct sfs_bytes key,
                    char out[KEY_SHOWN_BYTES])
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(s->job->snapshot);
	size_t len = key.len < 32 ? key.len : 32;
	char *p = out;

	if (sfs_key_to_name(m->key_encoding, key, out, KEY_SHOWN_BYTES, &len) ==
	    SFS_OK)
		return;
	len = key.len < 32 ? key.len : 32;
	(void)snprintf(p, KEY_SHOWN_BYTES, "0x");
	for (size_t i = 0; i < len; i++)
		(void)snprintf(p + 2 + 2 * i, 3, "%02x", key.data[i]);
	if (len < key.len)
		(void)snprintf(p + 2 + 2 * len, 4, "...");
}

/* The manifest's text of a key as a token; false: there is none. */
static bool read_json_key(const char *text, struct sfs_json_reader *r,
                          struct sfs_json_token *t)
{
	struct sfs_err unwanted;

	sfs_json_reader_init(r, text, strlen(text));
	r->is_lax = true;
	return sfs_json_next(r, t, &unwanted) == SFS_OK;
}

static bool is_key(enum sfs_key_encoding encoding, struct sfs_bytes key,
                   const char *text)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	uint64_t number = 0;
	bool is_same = false;

	if (read_json_key(text, &r, &t)) {
		for (size_t i = 0; i < key.len && i < 8; i++)
			number = number << 8 | key.data[i];
		if (encoding == SFS_KEY_U64BE || encoding == SFS_KEY_U32BE)
			is_same = t.type == SFS_JSON_INT && t.integer >= 0 &&
			          (uint64_t)t.integer == number;
		else
			is_same = t.type == SFS_JSON_STRING &&
			          sfs_bytes_compare(
					  (struct sfs_bytes){
						  (const uint8_t *)t.text,
						  t.len },
					  key) == 0;
	}
	sfs_json_reader_release(&r);
	return is_same;
}

static void check_end(struct shard *s, struct sfs_bytes key, const char *text,
                      const char *which)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(s->job->snapshot);
	char name[KEY_SHOWN_BYTES];

	if (text == NULL || is_key(m->key_encoding, key, text))
		return;
	name_of(s, key, name);
	tell(s, RANGE, "the %s key is %s, the manifest says %.100s", which,
	     name, text);
}

/* Shards do not keep columns: where those route, nothing can be said. */
static void check_route(struct shard *s, struct sfs_bytes key)
{
	const struct sfs_router *router = sfs_snapshot_router(s->job->snapshot);
	char shown[KEY_SHOWN_BYTES];
	struct sfs_route route;
	struct sfs_err err;
	enum sfs_rc rc;

	if (router->needs_columns)
		return;
	rc = sfs_router_route(router, key, NULL, &route, &err);
	if (rc == SFS_OK && route.is_known && route.db_id == s->facts.db_id)
		return;
	name_of(s, key, shown);
	if (rc == SFS_OK && route.is_known) {
		tell(s, ROUTING, "key %s belongs to shard %u", shown,
		     route.db_id);
		return;
	}
	if (rc == SFS_OK)
		(void)sfs_route_refuse(router, &route, &err); /* told below */
	tell(s, ROUTING, "key %s belongs to no shard: %s", shown, err.msg);
}

static void check_key(struct shard *s, struct sfs_bytes key)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(s->job->snapshot);
	char name[KEY_SHOWN_BYTES];
	char shown[KEY_SHOWN_BYTES];
	size_t len;
	enum sfs_rc rc;

	rc = sfs_key_to_name(m->key_encoding, key, name, sizeof(name), &len);
	if (rc == SFS_E_CORRUPT) {
		name_of(s, key, shown);
		tell(s, ENCODING, "%s is no %s key", shown,
		     sfs_key_encoding_text(m->key_encoding));
		return;
	}
	check_route(s, key);
}

static enum sfs_rc read_value(struct shard *s, const struct sfs_pair_info *info,
                              struct sfs_err *err)
{
	struct sfs_place place = { .snapshot = s->job->snapshot,
		                   .db_id = s->facts.db_id,
		                   .locator = info->locator };
	enum sfs_rc rc = SFS_OK;
	uint64_t offset = 0;
	size_t got = 1;

	while (rc == SFS_OK && got > 0 && offset < info->value_size) {
		rc = sfs_snapshot_read(&place, offset, s->buf, READ_BYTES, &got,
		                       s->job->call, err);
		offset += got;
	}
	if (rc == SFS_OK && offset != info->value_size)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "a value ends after %llu of %llu bytes",
		                   (unsigned long long)offset,
		                   (unsigned long long)info->value_size);
	return rc;
}

static enum sfs_rc take_pair(struct shard *s, struct sfs_bytes key,
                             const struct sfs_pair_info *info,
                             struct sfs_err *err)
{
	const struct sfs_bytes last = { s->last, s->last_len };
	char name[KEY_SHOWN_BYTES];
	enum sfs_rc rc = SFS_OK;

	if (s->facts.rows == 0) {
		check_end(s, key, s->row->min_key, "least");
	} else if (sfs_bytes_compare(last, key) >= 0) {
		name_of(s, key, name);
		tell(s, ORDER, "key %s is not behind the one before it", name);
	}
	check_key(s, key);
	if (!s->facts.has_digest)
		rc = read_value(s, info, err);
	s->facts.rows++;
	return rc == SFS_OK ? keep_key(s, key, err) : rc;
}

static void check_rows(struct shard *s)
{
	uint64_t said = s->row->row_count;

	/* shardyfusion counts what was written, duplicates too */
	if (s->facts.rows == said ||
	    (!s->job->digests.is_ours && s->facts.rows < said))
		return;
	tell(s, COUNT, "%llu rows, the manifest says %llu",
	     (unsigned long long)s->facts.rows, (unsigned long long)said);
}

static enum sfs_rc walk(struct shard *s, struct sfs_err *err)
{
	struct sfs_snapshot_cursor *cursor;
	struct sfs_pair_info info;
	struct sfs_bytes key;
	bool found = true;
	enum sfs_rc rc;

	rc = sfs_snapshot_cursor_open(s->job->snapshot, s->facts.db_id, 0,
	                              &cursor, s->job->call, err);
	if (rc != SFS_OK)
		return rc;
	while (rc == SFS_OK && found) {
		rc = sfs_call_check(s->job->call, "verify", err);
		if (rc == SFS_OK)
			rc = sfs_snapshot_cursor_next(cursor, &found, &key,
			                              &info, s->job->call, err);
		if (rc == SFS_OK && found)
			rc = take_pair(s, key, &info, err);
	}
	sfs_snapshot_cursor_close(cursor);
	if (rc != SFS_OK)
		return rc;
	if (s->facts.rows > 0)
		check_end(s, (struct sfs_bytes){ s->last, s->last_len },
		          s->row->max_key, "greatest");
	check_rows(s);
	return SFS_OK;
}

static enum sfs_rc check_shard(struct shard *s, struct sfs_err *err)
{
	enum sfs_rc rc;

	s->buf = sfs_malloc(READ_BYTES);
	if (s->buf == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "verify: out of memory");
	rc = read_object(s, err);
	if (rc != SFS_OK)
		return judge(s, rc, err);
	rc = walk(s, err);
	return rc == SFS_OK ? rc : judge(s, rc, err);
}

static void add_up(struct job *j, const struct shard *s, enum sfs_rc rc,
                   const struct sfs_err *err)
{
	(void)pthread_mutex_lock(&j->lock);
	j->result->shards += !s->facts.is_empty;
	j->result->digests += s->facts.has_digest;
	j->result->rows += s->facts.rows;
	j->result->bytes += s->facts.bytes;
	j->result->faults += s->proven;
	j->result->unknown += s->is_unknown;
	if (rc != SFS_OK && j->rc == SFS_OK) {
		j->rc = rc;
		j->err = *err;
	}
	(void)pthread_mutex_unlock(&j->lock);
	if (rc != SFS_OK)
		atomic_store(&j->stop, true);
}

static void verify_shard(struct job *j, uint32_t db_id)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(j->snapshot);
	struct shard s = { .job = j, .row = &m->shards[db_id] };
	struct sfs_err err = { 0 };
	enum sfs_rc rc = SFS_OK;

	s.facts.db_id = db_id;
	s.facts.is_empty =
		sfs_snapshot_shard_prefix(j->snapshot, db_id) == NULL;
	s.facts.has_digest = !s.facts.is_empty && j->digests.of[db_id] != NULL;
	if (!s.facts.is_empty)
		rc = check_shard(&s, &err);
	if (rc == SFS_OK && j->config->shard != NULL)
		j->config->shard(j->config->arg, &s.facts);
	add_up(j, &s, rc, &err);
	sfs_free(s.last);
	sfs_free(s.buf);
}

static void *work(void *arg)
{
	struct job *j = arg;
	uint32_t num_dbs = sfs_snapshot_manifest(j->snapshot)->num_dbs;
	uint64_t db_id;

	while (!atomic_load(&j->stop) &&
	       (db_id = atomic_fetch_add(&j->next, 1)) < num_dbs)
		verify_shard(j, (uint32_t)db_id);
	return NULL;
}

/* A thread that cannot be made leaves its work to the others. */
static void run_threads(struct job *j)
{
	uint32_t num_dbs = sfs_snapshot_manifest(j->snapshot)->num_dbs;
	unsigned wanted = j->config->threads;
	pthread_t threads[THREADS_MAX];
	unsigned count = 0;

	if (wanted > THREADS_MAX)
		wanted = THREADS_MAX;
	if (wanted > num_dbs)
		wanted = num_dbs;
	while (count + 1 < wanted &&
	       pthread_create(&threads[count], NULL, work, j) == 0)
		count++;
	(void)work(j);
	for (unsigned i = 0; i < count; i++)
		(void)pthread_join(threads[i], NULL);
}

enum sfs_rc sfs_snapshot_verify(struct sfs_snapshot *s, struct sfs_store *store,
                                const struct sfs_verify_config *config,
                                struct sfs_verify_result *out,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct job j = { .snapshot = s,
		         .store = store,
		         .config = config,
		         .call = call,
		         .result = out };
	enum sfs_rc rc;

	*out = (struct sfs_verify_result){
		.is_routing_checked = !sfs_snapshot_router(s)->needs_columns
	};
	rc = sfs_digests_read(sfs_snapshot_manifest(s), &j.digests, err);
	if (rc != SFS_OK)
		return rc;
	atomic_init(&j.next, 0);
	atomic_init(&j.stop, false);
	(void)pthread_mutex_init(&j.lock, NULL); /* cannot fail on Linux */
	run_threads(&j);
	(void)pthread_mutex_destroy(&j.lock);
	sfs_digests_release(&j.digests);
	if (j.rc != SFS_OK && err != NULL)
		*err = j.err;
	return j.rc;
}
