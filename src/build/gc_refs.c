/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gc must leave alone. A manifest may refer to shards below the prefix
 * of another run (shardyfusion and older tools write such), so what may go is
 * told by what is referred to, never by whose directory it lies in.
 */
#include "build/gc_refs.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "format/names.h"
#include "shardyfs/store.h"

#include <stdlib.h>
#include <string.h>

void sfs_gc_refs_release(struct sfs_gc_refs *r)
{
	sfs_free(r->hashes);
	*r = (struct sfs_gc_refs){ 0 };
}

enum sfs_rc sfs_gc_refs_add(struct sfs_gc_refs *r, const char *prefix,
                            struct sfs_err *err)
{
	size_t len = strlen(prefix);
	uint64_t *grown;
	size_t cap;

	while (len > 0 && prefix[len - 1] == '/')
		len--;
	if (r->count == r->cap) {
		cap = r->cap > 0 ? r->cap * 2 : 256;
		grown = sfs_realloc_array(r->hashes, cap, sizeof(*grown));
		if (grown == NULL)
			return sfs_err_set(err, SFS_E_NO_MEMORY,
			                   "gc: out of memory");
		r->hashes = grown;
		r->cap = cap;
	}
	r->hashes[r->count++] = sfs_hash64(prefix, len);
	r->is_sorted = false;
	return SFS_OK;
}

/* Strings in custom that are URLs of the store (centroids_ref). */
static enum sfs_rc add_custom(struct sfs_gc_refs *r,
                              const struct sfs_manifest *m,
                              const char *store_url, struct sfs_err *err)
{
	char key[SFS_STORE_KEY_MAX];
	struct sfs_json_reader json;
	struct sfs_json_token t;
	struct sfs_err unwanted;
	enum sfs_rc rc;

	sfs_json_reader_init(&json, m->custom, strlen(m->custom));
	json.is_lax = true;
	while ((rc = sfs_json_next(&json, &t, err)) == SFS_OK &&
	       t.type != SFS_JSON_END) {
		if (t.type != SFS_JSON_STRING || strstr(t.text, "://") == NULL)
			continue;
		if (sfs_url_rebase(t.text, m->s3_prefix, store_url, key,
		                   sizeof(key), &unwanted) != SFS_OK)
			continue; /* not of this store, so not in danger */
		rc = sfs_gc_refs_add(r, key, err);
		if (rc != SFS_OK)
			break;
	}
	sfs_json_reader_release(&json);
	return rc;
}

enum sfs_rc sfs_gc_refs_add_manifest(struct sfs_gc_refs *r,
                                     const struct sfs_manifest *m,
                                     const char *store_url, struct sfs_err *err)
{
	char key[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;

	for (uint32_t i = 0; i < m->num_dbs; i++) {
		if (m->shards[i].db_url == NULL)
			continue;
		rc = sfs_url_rebase(m->shards[i].db_url, m->s3_prefix,
		                    store_url, key, sizeof(key), err);
		if (rc == SFS_OK)
			rc = sfs_gc_refs_add(r, key, err);
		if (rc != SFS_OK)
			return rc;
	}
	return add_custom(r, m, store_url, err);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool has(const struct sfs_gc_refs *r, const char *key, size_t len)
{
	uint64_t hash = sfs_hash64(key, len);

	return bsearch(&hash, r->hashes, r->count, sizeof(hash), by_value) !=
	       NULL;
}

bool sfs_gc_refs_cover(struct sfs_gc_refs *r, const char *key)
{
	size_t len = strlen(key);

	if (r->count == 0)
		return false;
	if (!r->is_sorted)
		qsort(r->hashes, r->count, sizeof(*r->hashes), by_value);
	r->is_sorted = true;
	for (size_t i = 1; i < len; i++) {
		if (key[i] == '/' && has(r, key, i))
			return true;
	}
	return has(r, key, len);
}
