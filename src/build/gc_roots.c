/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which manifests stay. Nothing may be deleted while it is not known what
 * those refer to: one that stays and cannot be read ends the collection.
 *
 * A reader that has no lock (S3) may still read a snapshot for a while after
 * another one took its place, so the grace period counts from then.
 */
#include "build/gc_internal.h"

#include "base/alloc.h"
#include "catalog/history.h"
#include "catalog/rollback.h"
#include "format/current.h"

#include <string.h>

static struct sfs_gc_manifest *find(struct sfs_gc *gc,
                                    const struct sfs_snapshot_id *id)
{
	for (size_t i = 0; i < gc->manifest_count; i++) {
		if (sfs_snapshot_id_compare(&gc->manifests[i].id, id) == 0)
			return &gc->manifests[i];
	}
	return NULL;
}

struct marking {
	struct sfs_gc *gc;
	size_t next; /* both lists are newest first */
};

static bool mark_published(void *arg, const struct sfs_snapshot_id *id)
{
	struct marking *m = arg;
	struct sfs_gc *gc = m->gc;

	while (m->next < gc->manifest_count &&
	       sfs_snapshot_id_compare(&gc->manifests[m->next].id, id) < 0)
		m->next++;
	if (m->next < gc->manifest_count &&
	    sfs_snapshot_id_compare(&gc->manifests[m->next].id, id) == 0)
		gc->manifests[m->next].is_published = true;
	return true;
}

enum sfs_rc sfs_gc_find_manifests(struct sfs_gc *gc)
{
	struct sfs_catalog *catalog = gc->config->catalog;
	struct marking marking = { .gc = gc };
	struct sfs_history all = { 0 };
	enum sfs_rc rc;

	rc = sfs_history_read(gc->config->store, &all, gc->call, gc->err);
	if (rc != SFS_OK)
		return rc;
	gc->manifests = sfs_calloc(all.count, sizeof(*gc->manifests));
	if (gc->manifests == NULL) {
		sfs_history_release(&all);
		return sfs_gc_no_memory(gc);
	}
	gc->manifest_count = all.count;
	for (size_t i = 0; i < all.count; i++)
		gc->manifests[i].id = all.ids[i];
	sfs_history_release(&all);
	return catalog->ops->history(catalog, mark_published, &marking,
	                             gc->call, gc->err);
}

static void keep(struct sfs_gc_manifest *m, bool is_silent, const char *why)
{
	if (m->is_kept)
		return;
	m->is_kept = true;
	m->is_silent = is_silent;
	(void)snprintf(m->why, sizeof(m->why), "%s", why);
}

/* What the pointer names; *found false: nothing is published. */
static enum sfs_rc read_pointer(struct sfs_gc *gc, struct sfs_snapshot_id *id,
                                int64_t *updated_ns, bool *found)
{
	struct sfs_catalog *catalog = gc->config->catalog;
	struct sfs_pointer p = { 0 };
	enum sfs_rc rc;

	*found = false;
	rc = catalog->ops->current(catalog, &p, gc->call, gc->err);
	if (rc == SFS_E_NOT_FOUND) {
		gc->pointer_tag = (struct sfs_tag){ 0 };
		return SFS_OK;
	}
	if (rc != SFS_OK)
		return rc;
	gc->pointer_tag = p.tag;
	*updated_ns = p.current->updated_at_ns;
	rc = sfs_snapshot_id_from_ref(p.current->manifest_ref, id, gc->err);
	*found = rc == SFS_OK;
	sfs_pointer_release(&p);
	return rc;
}

static enum sfs_rc keep_current(struct sfs_gc *gc, int64_t *updated_ns,
                                struct sfs_gc_manifest **current)
{
	struct sfs_snapshot_id id;
	bool found;
	enum sfs_rc rc = read_pointer(gc, &id, updated_ns, &found);

	*current = NULL;
	if (rc != SFS_OK || !found)
		return rc;
	*current = find(gc, &id);
	if (*current == NULL)
		return sfs_err_set(gc->err, SFS_E_CORRUPT,
		                   "_CURRENT names a manifest that is not "
		                   "there (run %s): nothing was deleted; roll "
		                   "back first",
		                   id.run_id);
	keep(*current, false, "it is current");
	return SFS_OK;
}

/*
 * What was current before: a reader may still be at it, also where it is not
 * the next older one (after a rollback).
 */
static enum sfs_rc keep_parent(struct sfs_gc *gc, int64_t updated_ns,
                               const struct sfs_gc_manifest *current)
{
	struct sfs_catalog *catalog = gc->config->catalog;
	char parent[SFS_RUN_ID_BYTES];
	struct sfs_manifest *m = NULL;
	enum sfs_rc rc;

	if (current == NULL || !sfs_gc_is_young(gc, updated_ns))
		return SFS_OK;
	rc = catalog->ops->load(catalog, &current->id, &m, gc->call, gc->err);
	if (rc == SFS_OK)
		rc = sfs_history_parent(m, parent, gc->err);
	sfs_manifest_free(m);
	for (size_t i = 0; rc == SFS_OK && i < gc->manifest_count; i++) {
		if (strcmp(gc->manifests[i].id.run_id, parent) == 0)
			keep(&gc->manifests[i], true, "it was replaced lately");
	}
	return rc;
}

static bool keep_tagged(void *arg, const char *name,
                        const struct sfs_snapshot_id *id)
{
	struct sfs_gc *gc = arg;
	struct sfs_gc_manifest *m = find(gc, id);
	char why[SFS_GC_WHY_BYTES];

	(void)snprintf(why, sizeof(why), "tag %s", name);
	if (m != NULL)
		keep(m, false, why);
	return true;
}

static enum sfs_rc keep_named(struct sfs_gc *gc)
{
	struct sfs_catalog *catalog = gc->config->catalog;
	struct sfs_gc_manifest *m;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	rc = catalog->ops->list_tags(catalog, keep_tagged, gc, gc->call,
	                             gc->err);
	for (size_t i = 0; rc == SFS_OK && i < gc->config->pin_count; i++) {
		rc = sfs_catalog_resolve(catalog, gc->config->pins[i], &id,
		                         gc->call, gc->err);
		m = rc == SFS_OK ? find(gc, &id) : NULL;
		if (m != NULL)
			keep(m, false, "pinned");
	}
	return rc;
}

/*
 * The last ones, and the young: published, or replaced by the next one, or
 * by whatever _CURRENT was last pointed at, within the grace period.
 */
static void keep_recent(struct sfs_gc *gc, int64_t updated_ns,
                        const struct sfs_gc_manifest *current)
{
	uint64_t left = gc->config->keep > 0 ? gc->config->keep : 1;
	int64_t replaced_ns = updated_ns;
	char why[SFS_GC_WHY_BYTES];

	(void)snprintf(why, sizeof(why), "among the last %llu",
	               (unsigned long long)left);
	for (size_t i = 0; i < gc->manifest_count; i++) {
		struct sfs_gc_manifest *m = &gc->manifests[i];

		if (sfs_gc_is_young(gc, m->id.published_at_ns))
			keep(m, true, "it is young");
		if (!m->is_published)
			continue;
		if (left > 0) {
			keep(m, false, why);
			left--;
		}
		/* what was current before a rollback is not known */
		if (sfs_gc_is_young(gc, replaced_ns) && m != current)
			keep(m, true, "it was replaced lately");
		replaced_ns = m->id.published_at_ns;
	}
}

/* Whose writer is still there may yet become current. */
static void keep_live(struct sfs_gc *gc)
{
	for (size_t i = 0; i < gc->manifest_count; i++) {
		struct sfs_gc_manifest *m = &gc->manifests[i];

		if (sfs_gc_has_live_record(gc, m->id.run_id))
			keep(m, false, "its run is under way");
		if (!m->is_kept)
			(void)snprintf(m->why, sizeof(m->why), "%s",
			               m->is_published ? "old"
			                               : "never published");
	}
}

enum sfs_rc sfs_gc_add_prefix(struct sfs_gc *gc, const char *prefix)
{
	const char **grown;

	for (size_t i = 0; i < gc->prefix_count; i++) {
		if (strcmp(gc->prefixes[i], prefix) == 0)
			return SFS_OK;
	}
	grown = sfs_realloc_array(gc->prefixes, gc->prefix_count + 1,
	                          sizeof(*grown));
	if (grown == NULL)
		return sfs_gc_no_memory(gc);
	gc->prefixes = grown;
	grown[gc->prefix_count] =
		sfs_arena_add(gc->texts, prefix, strlen(prefix));
	if (grown[gc->prefix_count] == NULL)
		return sfs_gc_no_memory(gc);
	gc->prefix_count++;
	return SFS_OK;
}

static enum sfs_rc load(struct sfs_gc *gc, const struct sfs_snapshot_id *id,
                        bool is_kept)
{
	struct sfs_catalog *catalog = gc->config->catalog;
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_manifest *m = NULL;
	enum sfs_rc rc;

	rc = catalog->ops->load(catalog, id, &m, gc->call, gc->err);
	if (rc == SFS_OK &&
	    sfs_run_id_is_valid(m->shard_prefix, strlen(m->shard_prefix)))
		rc = sfs_gc_add_prefix(gc, m->shard_prefix);
	if (rc == SFS_OK && is_kept)
		rc = sfs_gc_refs_add_manifest(&gc->refs, m,
		                              gc->config->store->url, gc->err);
	sfs_manifest_free(m);
	if (!is_kept && (rc == SFS_E_CORRUPT || rc == SFS_E_UNSUPPORTED ||
	                 rc == SFS_E_NOT_FOUND))
		return SFS_OK; /* it goes; its shards are found by its run */
	if (rc != SFS_OK) {
		sfs_snapshot_id_text(id, text);
		return sfs_err_wrap(gc->err,
		                    "snapshot %s stays, but what it needs "
		                    "cannot be told",
		                    text);
	}
	return SFS_OK;
}

static enum sfs_rc load_all(struct sfs_gc *gc)
{
	enum sfs_rc rc;

	rc = sfs_gc_add_prefix(gc, "shards");
	if (rc == SFS_OK)
		rc = sfs_gc_add_prefix(gc, "vector_meta");
	for (size_t i = 0; rc == SFS_OK && i < gc->manifest_count; i++)
		rc = load(gc, &gc->manifests[i].id, gc->manifests[i].is_kept);
	return rc;
}

void sfs_gc_note_in_run(struct sfs_gc *gc, const struct sfs_gc_manifest *m)
{
	struct sfs_gc_run *run = sfs_gc_run_find(gc, m->id.run_id);

	if (run == NULL || !m->is_kept)
		return;
	run->has_kept = true;
	if (!m->is_published)
		run->has_unpublished_kept = true;
	if (m->id.published_at_ns > run->kept_ns)
		run->kept_ns = m->id.published_at_ns;
}

enum sfs_rc sfs_gc_decide(struct sfs_gc *gc)
{
	struct sfs_gc_manifest *current;
	char text[SFS_SNAPSHOT_ID_BYTES];
	int64_t updated_ns = 0;
	enum sfs_rc rc;

	rc = keep_current(gc, &updated_ns, &current);
	if (rc == SFS_OK)
		rc = keep_named(gc);
	if (rc == SFS_OK)
		rc = keep_parent(gc, updated_ns, current);
	if (rc != SFS_OK)
		return rc;
	keep_live(gc);
	keep_recent(gc, updated_ns, current);
	rc = load_all(gc);
	for (size_t i = 0; rc == SFS_OK && i < gc->manifest_count; i++) {
		struct sfs_gc_manifest *m = &gc->manifests[i];

		sfs_snapshot_id_text(&m->id, text);
		if (m->is_kept && !m->is_silent)
			sfs_gc_tell_kept(gc, text, m->why, m == current);
	}
	return rc;
}

enum sfs_rc sfs_gc_keep_late(struct sfs_gc *gc, struct sfs_gc_manifest *m,
                             const char *why)
{
	char text[SFS_SNAPSHOT_ID_BYTES];

	sfs_snapshot_id_text(&m->id, text);
	keep(m, false, why);
	(void)snprintf(m->why, sizeof(m->why), "%s", why);
	sfs_gc_note_in_run(gc, m);
	sfs_gc_tell_kept(gc, text, m->why, false);
	return load(gc, &m->id, true);
}

struct tag_look {
	struct sfs_gc_manifest *manifest;
	bool is_tagged;
};

static bool look_at_tag(void *arg, const char *name,
                        const struct sfs_snapshot_id *id)
{
	struct tag_look *l = arg;

	if (sfs_snapshot_id_compare(&l->manifest->id, id) != 0)
		return true;
	(void)snprintf(l->manifest->why, sizeof(l->manifest->why), "tag %s",
	               name);
	l->is_tagged = true;
	return false;
}

enum sfs_rc sfs_gc_look_at_tags(struct sfs_gc *gc, struct sfs_gc_manifest *m,
                                bool *is_tagged)
{
	struct sfs_catalog *catalog = gc->config->catalog;
	struct tag_look look = { .manifest = m };
	enum sfs_rc rc;

	rc = catalog->ops->list_tags(catalog, look_at_tag, &look, gc->call,
	                             gc->err);
	*is_tagged = look.is_tagged;
	return rc;
}

/* Everything published since the list was made stays. */
static enum sfs_rc keep_new(struct sfs_gc *gc)
{
	struct sfs_history all = { 0 };
	enum sfs_rc rc;

	rc = sfs_history_read(gc->config->store, &all, gc->call, gc->err);
	for (size_t i = 0; rc == SFS_OK && i < all.count; i++) {
		struct sfs_gc_run *run;

		if (find(gc, &all.ids[i]) != NULL)
			continue;
		run = sfs_gc_run_find(gc, all.ids[i].run_id);
		if (run != NULL)
			run->has_kept = run->has_unpublished_kept = true;
		rc = load(gc, &all.ids[i], true);
		if (rc == SFS_E_NOT_FOUND) /* one that lost, and is gone */
			rc = SFS_OK;
	}
	sfs_history_release(&all);
	return rc;
}

enum sfs_rc sfs_gc_look_again(struct sfs_gc *gc)
{
	struct sfs_tag before = gc->pointer_tag;
	struct sfs_gc_manifest *m;
	struct sfs_snapshot_id id;
	int64_t updated_ns;
	bool found;
	enum sfs_rc rc;

	rc = read_pointer(gc, &id, &updated_ns, &found);
	if (rc != SFS_OK || strcmp(before.text, gc->pointer_tag.text) == 0)
		return rc;
	m = found ? find(gc, &id) : NULL;
	if (m != NULL && !m->is_kept)
		return sfs_err_set(gc->err, SFS_E_CONFLICT,
		                   "_CURRENT was pointed at a snapshot that "
		                   "was to be deleted (run %s): stopped",
		                   id.run_id);
	return keep_new(gc);
}
