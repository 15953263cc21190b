/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pinned snapshot. Opening one reads the manifest and nothing else; every
 * shard is a slot that the pool opens when a key is first looked up in it.
 */
#include "snapshot/snapshot.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

enum { PIN_WAIT_MS = 2000, PIN_DELAY_MS = 5 };

struct sfs_snapshot {
	atomic_uint refs;
	struct sfs_snapshot_source source; /* immutable, as all below */
	struct sfs_snapshot_id id;
	char text_id[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_pin *pin; /* of the manifest's object; NULL: none */
	struct sfs_manifest *manifest;
	struct sfs_router router;
	struct sfs_arena *strings;    /* key prefixes */
	struct sfs_shard_slot *slots; /* num_dbs, by db_id */
};

struct sfs_snapshot_cursor {
	struct sfs_snapshot *snapshot;   /* a reference */
	struct sfs_shard_slot *slot;     /* held; NULL: empty shard */
	struct sfs_shard_cursor *cursor; /* NULL: empty shard */
	struct sfs_bytes key;            /* the last row, still borrowed */
	struct sfs_pair_info info;
	bool is_again; /* it is given once more */
};

/* The pointer's manifest_ref must agree with what it led to. */
static enum sfs_rc check_ref(const struct sfs_snapshot *s, const char *ref,
                             struct sfs_err *err)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	char rest[SFS_URL_BYTES];
	enum sfs_rc rc;

	sfs_snapshot_id_manifest_key(&s->id, key);
	rc = sfs_url_rebase(ref, s->manifest->s3_prefix, s->source.store->url,
	                    rest, sizeof(rest), err);
	if (rc != SFS_OK)
		return sfs_err_wrap(err, "_CURRENT: manifest_ref");
	if (strcmp(rest, key) != 0)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "_CURRENT: manifest_ref %s is not %s in "
		                   "the store",
		                   ref, key);
	return SFS_OK;
}

/* The tail of the URL where that is the same, else a copy. */
static const char *keep_prefix(struct sfs_snapshot *s, const char *url,
                               const char *prefix)
{
	size_t url_len = strlen(url);
	size_t len = strlen(prefix);

	if (url_len >= len && strcmp(url + url_len - len, prefix) == 0)
		return url + url_len - len;
	return sfs_arena_add(s->strings, prefix, len);
}

/* Is it where the manifest says, or was the store copied elsewhere? */
static bool is_in_place(const struct sfs_snapshot *s, const char *url,
                        const char *prefix)
{
	const char *store_url = s->source.store->url;
	size_t len = strlen(store_url);

	return strncmp(url, store_url, len) == 0 && url[len] == '/' &&
	       strcmp(url + len + 1, prefix) == 0;
}

static enum sfs_rc place_shard(struct sfs_snapshot *s, uint32_t db_id,
                               struct sfs_err *err)
{
	const char *url = s->manifest->shards[db_id].db_url;
	struct sfs_shard_location *where = &s->slots[db_id].where;
	char prefix[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;

	if (url == NULL)
		return SFS_OK;
	rc = sfs_url_rebase(url, s->manifest->s3_prefix, s->source.store->url,
	                    prefix, sizeof(prefix), err);
	if (rc != SFS_OK)
		return sfs_err_wrap(err, "shard %u", db_id);
	where->store = s->source.store;
	where->key_prefix = keep_prefix(s, url, prefix);
	if (where->key_prefix == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "snapshot: out of memory");
	where->db_url = is_in_place(s, url, prefix) ? url : where->key_prefix;
	return SFS_OK;
}

static enum sfs_rc place_shards(struct sfs_snapshot *s, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	s->strings = sfs_arena_new();
	s->slots = sfs_calloc(s->manifest->num_dbs, sizeof(*s->slots));
	if (s->strings == NULL || s->slots == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "snapshot: out of memory");
	for (uint32_t i = 0; rc == SFS_OK && i < s->manifest->num_dbs; i++)
		rc = place_shard(s, i, err);
	return rc;
}

/*
 * Keeps the manifest from being collected as garbage. Not to succeed is no
 * error: a store that may only be read, and NFS without locks, are readable
 * all the same, and gc's grace period, tags and the last N protect their
 * readers. gc holds a manifest alone only for as long as it takes to delete
 * it, or to see that it could: that is waited for.
 */
static enum sfs_rc hold_manifest(struct sfs_snapshot *s,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_store *store = s->source.store;
	int64_t end = sfs_clock_ms() + PIN_WAIT_MS;
	char key[SFS_MANIFEST_KEY_BYTES];
	enum sfs_rc rc;

	if (store->ops->pin == NULL)
		return SFS_OK;
	sfs_snapshot_id_manifest_key(&s->id, key);
	for (;;) {
		rc = store->ops->pin(store, key, false, &s->pin, err);
		if (rc == SFS_E_NO_MEMORY)
			return rc;
		if (rc != SFS_E_BUSY || sfs_clock_ms() >= end)
			return SFS_OK;
		rc = sfs_call_check(call, s->text_id, err);
		if (rc != SFS_OK)
			return rc;
		(void)poll(NULL, 0, PIN_DELAY_MS);
	}
}

static enum sfs_rc init_router(struct sfs_snapshot *s, struct sfs_err *err)
{
	const struct sfs_manifest *m = s->manifest;
	enum sfs_rc rc = sfs_router_init(&s->router, &m->routing,
	                                 m->key_encoding, m->num_dbs, err);

	if (rc == SFS_OK)
		return rc;
	/* no fault of who asks: this build does not understand it */
	if (rc == SFS_E_INVALID || rc == SFS_E_TOO_BIG)
		err->rc = SFS_E_UNSUPPORTED;
	return sfs_err_wrap(err, "run %s", m->run_id);
}

enum sfs_rc sfs_snapshot_open(const struct sfs_snapshot_source *source,
                              const struct sfs_snapshot_id *id, const char *ref,
                              struct sfs_snapshot **out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_snapshot *s = sfs_calloc(1, sizeof(*s));
	enum sfs_rc rc;

	if (s == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "snapshot: out of memory");
	atomic_init(&s->refs, 1);
	s->source = *source;
	s->id = *id;
	sfs_snapshot_id_text(id, s->text_id);

	rc = hold_manifest(s, call, err);
	if (rc == SFS_OK)
		rc = source->catalog->ops->load(source->catalog, id,
		                                &s->manifest, call, err);
	if (rc == SFS_OK && strcmp(s->manifest->run_id, id->run_id) != 0)
		rc = sfs_err_set(err, SFS_E_CORRUPT,
		                 "%s: the manifest is of run %s", s->text_id,
		                 s->manifest->run_id);
	if (rc == SFS_OK && ref != NULL)
		rc = check_ref(s, ref, err);
	if (rc == SFS_OK)
		rc = init_router(s, err);
	if (rc == SFS_OK)
		rc = place_shards(s, err);
	if (rc != SFS_OK) {
		sfs_snapshot_unref(s);
		return rc;
	}
	*out = s;
	return SFS_OK;
}

struct sfs_snapshot *sfs_snapshot_ref(struct sfs_snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void sfs_snapshot_unref(struct sfs_snapshot *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	for (uint32_t i = 0; s->slots != NULL && i < s->manifest->num_dbs; i++)
		sfs_shard_pool_drop(s->source.pool, &s->slots[i]);
	sfs_free(s->slots);
	sfs_arena_free(s->strings);
	sfs_router_release(&s->router);
	sfs_manifest_free(s->manifest);
	if (s->pin != NULL)
		s->source.store->ops->unpin(s->source.store, s->pin);
	sfs_free(s);
}

const struct sfs_snapshot_id *sfs_snapshot_id_of(const struct sfs_snapshot *s)
{
	return &s->id;
}

const char *sfs_snapshot_text_id(const struct sfs_snapshot *s)
{
	return s->text_id;
}

const struct sfs_manifest *sfs_snapshot_manifest(const struct sfs_snapshot *s)
{
	return s->manifest;
}

const struct sfs_router *sfs_snapshot_router(const struct sfs_snapshot *s)
{
	return &s->router;
}

const struct sfs_shard_location *
sfs_snapshot_shard_location(const struct sfs_snapshot *s, uint32_t db_id)
{
	return &s->slots[db_id].where;
}

const char *sfs_snapshot_shard_prefix(const struct sfs_snapshot *s,
                                      uint32_t db_id)
{
	return s->slots[db_id].where.key_prefix;
}

enum sfs_rc sfs_snapshot_shard_get(struct sfs_snapshot *s, uint32_t db_id,
                                   struct sfs_bytes key, struct sfs_hit *hit,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	struct sfs_shard_slot *slot = &s->slots[db_id];
	struct sfs_shard_reader *reader = NULL;
	enum sfs_rc rc;

	hit->db_id = db_id;
	hit->found = false;
	if (slot->where.key_prefix == NULL)
		return SFS_OK;
	rc = sfs_shard_pool_get(s->source.pool, slot, &reader, call, err);
	if (rc != SFS_OK)
		return rc;
	rc = reader->ops->get(reader, key, &hit->found, &hit->info, call, err);
	sfs_shard_pool_put(s->source.pool, slot);
	return rc;
}

enum sfs_rc sfs_snapshot_check_fanout(const struct sfs_snapshot *s,
                                      struct sfs_err *err)
{
	uint32_t max = s->source.fanout_max;

	max = max > 0 ? max : SFS_FANOUT_MAX_DEFAULT;
	if (s->manifest->num_dbs <= max)
		return SFS_OK;
	return sfs_err_set(
		err, SFS_E_INVALID,
		"snapshot %s: which of %u shards holds a key "
		"depends on columns: name them (where/COLUMN=VALUE/, "
		"--column) or the shard (routes/), or let fanout_max "
		"be more than %u",
		s->text_id, s->manifest->num_dbs, max);
}

static enum sfs_rc hold(const struct sfs_place *place,
                        struct sfs_shard_slot **slot,
                        struct sfs_shard_reader **reader,
                        const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_snapshot *s = place->snapshot;

	*slot = &s->slots[place->db_id];
	if ((*slot)->where.key_prefix == NULL)
		return sfs_err_set(err, SFS_E_INVALID, "shard %u is empty",
		                   place->db_id);
	return sfs_shard_pool_get(s->source.pool, *slot, reader, call, err);
}

enum sfs_rc sfs_snapshot_read(const struct sfs_place *place, uint64_t offset,
                              void *buf, size_t len, size_t *got,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_shard_reader *reader = NULL;
	struct sfs_shard_slot *slot;
	enum sfs_rc rc;

	rc = hold(place, &slot, &reader, call, err);
	if (rc != SFS_OK)
		return rc;
	rc = reader->ops->read(reader, place->locator, offset, buf, len, got,
	                       call, err);
	sfs_shard_pool_put(place->snapshot->source.pool, slot);
	return rc;
}

enum sfs_rc sfs_snapshot_at(const struct sfs_place *place,
                            struct sfs_pair_info *info, uint8_t *key_buf,
                            size_t key_cap, size_t *key_len,
                            const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_shard_reader *reader = NULL;
	struct sfs_shard_slot *slot;
	enum sfs_rc rc;

	rc = hold(place, &slot, &reader, call, err);
	if (rc != SFS_OK)
		return rc;
	rc = reader->ops->at(reader, place->locator, info, key_buf, key_cap,
	                     key_len, call, err);
	sfs_shard_pool_put(place->snapshot->source.pool, slot);
	return rc;
}

enum sfs_rc sfs_snapshot_shard_multi_get(struct sfs_snapshot *s, uint32_t db_id,
                                         const struct sfs_bytes *keys,
                                         size_t count, size_t value_max,
                                         sfs_multi_get_fn *fn, void *arg,
                                         struct sfs_err *err)
{
	struct sfs_place place = { .snapshot = s, .db_id = db_id };
	struct sfs_shard_reader *reader = NULL;
	struct sfs_shard_slot *slot;
	enum sfs_rc rc;

	rc = hold(&place, &slot, &reader, NULL, err);
	if (rc != SFS_OK)
		return rc;
	rc = reader->ops->multi_get(reader, keys, count, value_max, fn, arg,
	                            NULL, err);
	sfs_shard_pool_put(s->source.pool, slot);
	return rc;
}

enum sfs_rc sfs_snapshot_cursor_open(struct sfs_snapshot *s, uint32_t db_id,
                                     uint64_t skip,
                                     struct sfs_snapshot_cursor **out,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	struct sfs_shard_slot *slot = &s->slots[db_id];
	struct sfs_snapshot_cursor *c = sfs_calloc(1, sizeof(*c));
	struct sfs_shard_reader *reader = NULL;
	enum sfs_rc rc = SFS_OK;

	if (c == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "snapshot: out of memory");
	c->snapshot = sfs_snapshot_ref(s);
	if (slot->where.key_prefix != NULL) {
		rc = sfs_shard_pool_get(s->source.pool, slot, &reader, call,
		                        err);
		if (rc == SFS_OK) {
			c->slot = slot;
			rc = reader->ops->iterate(reader, skip, &c->cursor,
			                          call, err);
		}
	}
	if (rc != SFS_OK) {
		sfs_snapshot_cursor_close(c);
		return rc;
	}
	*out = c;
	return SFS_OK;
}

enum sfs_rc sfs_snapshot_cursor_next(struct sfs_snapshot_cursor *c, bool *found,
                                     struct sfs_bytes *key,
                                     struct sfs_pair_info *info,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	*found = c->is_again;
	if (!c->is_again && c->cursor != NULL)
		rc = c->cursor->ops->next(c->cursor, found, &c->key, &c->info,
		                          call, err);
	c->is_again = false;
	*key = c->key;
	*info = c->info;
	return rc;
}

void sfs_snapshot_cursor_back(struct sfs_snapshot_cursor *c)
{
	c->is_again = true;
}

void sfs_snapshot_cursor_close(struct sfs_snapshot_cursor *c)
{
	if (c->cursor != NULL)
		c->cursor->ops->close(c->cursor);
	if (c->slot != NULL)
		sfs_shard_pool_put(c->snapshot->source.pool, c->slot);
	sfs_snapshot_unref(c->snapshot);
	sfs_free(c);
}
