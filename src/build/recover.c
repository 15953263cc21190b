/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left in the store by a build whose owner died, and by one that is
 * given up.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum { TAG_BYTES = 256, DELETES_MAX = 1 << 22, LOCK_MS = 1000 };

struct search {
	const struct sfs_snapshot_id *id;
	bool found;
};

static bool match(void *arg, const struct sfs_snapshot_id *id)
{
	struct search *s = arg;

	s->found = sfs_snapshot_id_compare(id, s->id) == 0;
	return !s->found;
}

/*
 * The history lists a manifest whose run is "running" only if it is current
 * or an ancestor of what is: then the swap happened. Where no run record
 * could be written only the pointer itself can tell.
 */
static enum sfs_rc was_published(struct sfs_engine *e, bool *out,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_catalog *c = e->context.catalog;
	struct search search = { .id = &e->swap_id };
	struct sfs_pointer now = { 0 };
	enum sfs_rc rc;

	if (e->record_key[0] != '\0') {
		rc = c->ops->history(c, match, &search, call, err);
		*out = rc == SFS_OK && search.found;
		return rc;
	}
	rc = c->ops->current(c, &now, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return SFS_OK;
	*out = rc == SFS_OK && strcmp(now.current->run_id, e->run_id) == 0;
	sfs_pointer_release(&now);
	return rc;
}

/* The manifest and the tag that were put for a swap that never came. */
static enum sfs_rc take_back(struct sfs_engine *e, const struct sfs_call *call,
                             struct sfs_err *err)
{
	struct sfs_catalog *c = e->context.catalog;
	struct sfs_snapshot_id named;
	char tag[TAG_BYTES];
	enum sfs_rc rc;

	rc = sfs_engine_read_tag(e, tag, sizeof(tag), err);
	if (rc == SFS_OK && tag[0] != '\0' &&
	    c->ops->get_tag(c, tag, &named, call, err) == SFS_OK &&
	    sfs_snapshot_id_compare(&named, &e->swap_id) == 0)
		rc = c->ops->delete_tag(c, tag, call, err);
	if (rc == SFS_OK)
		rc = c->ops->delete_manifest(c, &e->swap_id, call, err);
	return rc == SFS_E_NOT_FOUND ? SFS_OK : rc;
}

enum sfs_rc sfs_engine_recover(struct sfs_engine *e, bool *is_published,
                               struct sfs_snapshot_id *id_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	bool is_swapping = false;
	enum sfs_rc rc;

	*is_published = false;
	rc = sfs_engine_load_intent(e, &is_swapping, err);
	if (rc == SFS_OK && is_swapping)
		rc = was_published(e, is_published, call, err);
	if (rc != SFS_OK || !is_swapping)
		return rc;
	if (!*is_published)
		return take_back(e, call, err);
	*id_out = e->swap_id;
	rc = sfs_engine_begin_run(e, call, err);
	if (rc == SFS_OK)
		sfs_engine_finish(e, &e->swap_id);
	else
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "published before its owner died, but the run record "
		        "does not say so build=%s cause=\"%s\"",
		        e->name, err->msg);
	return SFS_OK;
}

/* --- giving up ----------------------------------------------------------- */

struct doomed {
	char **keys;
	size_t count;
	size_t cap;
	bool failed;
};

static bool note_key(void *arg, const struct sfs_list_entry *entry)
{
	struct doomed *d = arg;
	char **grown;

	if (d->count == d->cap) {
		d->cap = d->cap > 0 ? d->cap * 2 : 64;
		grown = d->cap > DELETES_MAX
		                ? NULL
		                : sfs_realloc_array(d->keys, d->cap,
		                                    sizeof(*d->keys));
		d->failed = grown == NULL;
		if (d->failed)
			return false;
		d->keys = grown;
	}
	d->keys[d->count] = sfs_strdup(entry->key);
	d->failed = d->keys[d->count] == NULL;
	d->count += !d->failed;
	return !d->failed;
}

static enum sfs_rc delete_shards(struct sfs_engine *e, const char *shard_prefix,
                                 struct sfs_err *err)
{
	struct sfs_store *store = e->context.store;
	char prefix[SFS_STORE_KEY_MAX];
	struct doomed d = { 0 };
	enum sfs_rc rc;

	(void)snprintf(prefix, sizeof(prefix), "%s/run_id=%s/", shard_prefix,
	               e->run_id);
	rc = store->ops->list(store, prefix, 0, NULL, note_key, &d, NULL, err);
	if (rc == SFS_OK && d.failed)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < d.count; i++) {
		if (rc == SFS_OK)
			rc = store->ops->delete (store, d.keys[i], NULL, err);
		sfs_free(d.keys[i]);
	}
	sfs_free(d.keys);
	return rc;
}

enum sfs_rc sfs_engine_discard(struct sfs_engine *e, struct sfs_err *err)
{
	const char *shard_prefix = e->config.shard_prefix;
	struct sfs_call call = { 0, NULL };
	enum sfs_rc rc = SFS_OK;

	sfs_engine_stop(e);
	if (e->run_id[0] == '\0')
		return SFS_OK;
	if (e->old_prefix[0] != '\0')
		shard_prefix = e->old_prefix;
	if (e->has_swap_id)
		rc = take_back(e, NULL, err);
	if (rc == SFS_OK)
		rc = delete_shards(e, shard_prefix, err);
	/* ending a build does not wait for a publisher */
	call.deadline_ms = sfs_clock_ms() + LOCK_MS;
	if (rc == SFS_OK && e->lease == NULL && e->record_key[0] != '\0')
		rc = sfs_engine_begin_run(e, &call, err);
	if (rc == SFS_OK && e->lease != NULL)
		rc = sfs_lease_fail(e->lease, "BuildAborted",
		                    "the build was ended by its user", &call,
		                    err);
	sfs_lease_close(e->lease);
	e->lease = NULL;
	return rc;
}
