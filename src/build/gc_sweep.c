/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting objects, a batch at a time: a listing must not be changed while it
 * goes on, and _CURRENT is read again before every batch.
 */
#include "build/gc_internal.h"

#include "base/alloc.h"

#include <string.h>

enum { BATCH = 1000 };

struct batch {
	struct sfs_gc_refs *refs;
	struct sfs_gc_tally *tally;
	char *keys[BATCH];
	size_t count;
	char last[SFS_STORE_KEY_MAX + 1]; /* where the next one begins */
	bool is_full;
	bool failed;
};

static bool take(void *arg, const struct sfs_list_entry *entry)
{
	struct batch *b = arg;

	if (b->count == BATCH) {
		b->is_full = true;
		return false;
	}
	(void)snprintf(b->last, sizeof(b->last), "%s", entry->key);
	if (sfs_gc_refs_cover(b->refs, entry->key)) {
		b->tally->left++;
		return true;
	}
	b->keys[b->count] = sfs_strdup(entry->key);
	b->failed = b->keys[b->count] == NULL;
	if (b->failed)
		return false;
	b->count++;
	b->tally->objects++;
	b->tally->bytes += entry->info.size;
	if (entry->info.mtime_ns > b->tally->newest_ns)
		b->tally->newest_ns = entry->info.mtime_ns;
	return true;
}

/* A publish since the listing may have made some of them needed. */
static enum sfs_rc delete_batch(struct sfs_store *store, struct batch *b,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; rc == SFS_OK && i < b->count; i++) {
		if (!sfs_gc_refs_cover(b->refs, b->keys[i]))
			rc = store->ops->delete (store, b->keys[i], call, err);
	}
	return rc;
}

static enum sfs_rc next_batch(struct sfs_store *store, const char *prefix,
                              struct batch *b, const struct sfs_call *call,
                              struct sfs_err *err)
{
	char after[SFS_STORE_KEY_MAX + 1];
	enum sfs_rc rc;

	memcpy(after, b->last, sizeof(after));
	b->is_full = false;
	rc = store->ops->list(store, prefix, 0, after[0] != '\0' ? after : NULL,
	                      take, b, call, err);
	if (rc == SFS_OK && b->failed)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "gc: out of memory");
	return rc;
}

static void empty(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		sfs_free(b->keys[i]);
	b->count = 0;
}

/* gc NULL: nobody's but the caller's, so nothing is looked at again. */
static enum sfs_rc sweep(struct sfs_gc *gc, struct sfs_store *store,
                         const char *prefix, struct batch *b, bool is_delete,
                         const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc;

	do {
		rc = next_batch(store, prefix, b, call, err);
		if (rc == SFS_OK && is_delete && b->count > 0 && gc != NULL)
			rc = sfs_gc_look_again(gc);
		if (rc == SFS_OK && is_delete)
			rc = delete_batch(store, b, call, err);
		empty(b);
	} while (rc == SFS_OK && b->is_full);
	return rc;
}

enum sfs_rc sfs_gc_sweep(struct sfs_gc *gc, const char *prefix, bool is_delete,
                         struct sfs_gc_tally *tally)
{
	struct batch *b = sfs_calloc(1, sizeof(*b));
	enum sfs_rc rc;

	if (b == NULL)
		return sfs_gc_no_memory(gc);
	b->refs = &gc->refs;
	b->tally = tally;
	rc = sweep(gc, gc->config->store, prefix, b, is_delete, gc->call,
	           gc->err);
	sfs_free(b);
	return rc;
}

enum sfs_rc sfs_gc_sweep_run(struct sfs_gc *gc, const char *run_id,
                             bool is_delete, struct sfs_gc_tally *tally)
{
	char prefix[SFS_STORE_KEY_MAX];
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; rc == SFS_OK && i < gc->prefix_count; i++) {
		sfs_run_key_prefix(gc->prefixes[i], run_id, prefix,
		                   sizeof(prefix));
		rc = sfs_gc_sweep(gc, prefix, is_delete, tally);
	}
	return rc;
}

enum sfs_rc sfs_gc_losers(struct sfs_store *store, const char *run_key_prefix,
                          const char *const *winners, size_t count,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct batch *b = sfs_calloc(1, sizeof(*b));
	struct sfs_gc_tally tally = { 0 };
	struct sfs_gc_refs refs = { 0 };
	char prefix[SFS_STORE_KEY_MAX];
	size_t len = strlen(run_key_prefix);
	enum sfs_rc rc = SFS_OK;
	int n;

	while (len > 0 && run_key_prefix[len - 1] == '/')
		len--;
	n = snprintf(prefix, sizeof(prefix), "%.*s/", (int)len, run_key_prefix);
	if (b == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "gc: out of memory");
	else if (len == 0 || n < 0 || (size_t)n >= sizeof(prefix))
		rc = sfs_err_set(err, SFS_E_INVALID, "gc: no prefix of a run");
	for (size_t i = 0; rc == SFS_OK && i < count; i++)
		rc = sfs_gc_refs_add(&refs, winners[i], err);
	if (rc == SFS_OK) {
		b->refs = &refs;
		b->tally = &tally;
		rc = sweep(NULL, store, prefix, b, true, call, err);
	}
	sfs_gc_refs_release(&refs);
	sfs_free(b);
	return rc;
}
