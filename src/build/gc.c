/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection, in an order in which a stop anywhere leaves every
 * snapshot that stays whole:
 *
 *   1. find the manifests and the run records; decide which manifests stay,
 *      and read what those refer to
 *   2. delete the other manifests, each while it is held alone and after a
 *      last look at the pointer and the tags; one that a reader holds stays
 *      after all, and what it refers to is added
 *   3. delete what no manifest refers to, run by run
 *   4. delete the records of the runs of which nothing is left
 *
 * After 2 a snapshot is gone or stays whole. What a stop leaves behind has no
 * manifest, and the next collection finds it by its directory.
 */
#include "build/gc_internal.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <string.h>

enum { NS_PER_MS = 1000000, DETAILS_MAX_BYTES = 64 << 10 };

enum sfs_rc sfs_gc_no_memory(struct sfs_gc *gc)
{
	return sfs_err_set(gc->err, SFS_E_NO_MEMORY, "gc: out of memory");
}

bool sfs_gc_is_young(const struct sfs_gc *gc, int64_t ns)
{
	return gc->grace_ns > 0 && ns > gc->now_ns - gc->grace_ns;
}

void sfs_gc_tell_kept(struct sfs_gc *gc, const char *name, const char *why,
                      bool is_current)
{
	struct sfs_gc_kept kept = { .name = name,
		                    .reason = why,
		                    .is_current = is_current };

	if (gc->config->kept != NULL)
		gc->config->kept(gc->config->arg, &kept);
}

const char *sfs_gc_kind_name(enum sfs_gc_kind kind)
{
	switch (kind) {
	case SFS_GC_SNAPSHOT:
		return "snapshot";
	case SFS_GC_RUN:
		return "run";
	case SFS_GC_LOSER:
		return "loser";
	case SFS_GC_RECORD:
		return "record";
	}
	return "unknown";
}

/* A log that cannot be written must not keep a full disk full. */
static void journal(struct sfs_gc *gc, const struct sfs_gc_item *item)
{
	struct sfs_buf text = SFS_BUF_INIT(DETAILS_MAX_BYTES);
	struct sfs_catalog *catalog = gc->config->catalog;
	struct sfs_json_printer p;
	struct sfs_err err;
	enum sfs_rc rc;

	sfs_json_printer_init(&p, &text, false, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "bytes");
	sfs_json_uint(&p, item->bytes);
	sfs_json_key(&p, "kind");
	sfs_json_cstring(&p, sfs_gc_kind_name(item->kind));
	sfs_json_key(&p, "name");
	sfs_json_cstring(&p, item->name);
	sfs_json_key(&p, "objects");
	sfs_json_uint(&p, item->objects);
	sfs_json_key(&p, "reason");
	sfs_json_cstring(&p, item->reason);
	sfs_json_object_end(&p);
	rc = sfs_buf_finish(&text, "log entry", &err);
	if (rc == SFS_OK)
		rc = catalog->ops->log(catalog, "gc", 0, text.data, gc->call,
		                       &err);
	if (rc != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_CATALOG,
		        "deleting %s is not in the log rc=%s: %s", item->name,
		        sfs_rc_name(rc), err.msg);
	sfs_buf_release(&text);
}

static void tell(struct sfs_gc *gc, const struct sfs_gc_item *item)
{
	gc->result->objects += item->objects;
	gc->result->bytes += item->bytes;
	gc->result->snapshots += item->kind == SFS_GC_SNAPSHOT;
	if (gc->config->item != NULL)
		gc->config->item(gc->config->arg, item);
	if (gc->config->is_delete)
		journal(gc, item);
}

/*
 * Holds the manifest alone, where the store can. *is_free false: somebody
 * reads it, or it cannot be told, which is in why.
 */
static enum sfs_rc hold(struct sfs_gc *gc, const char *key,
                        struct sfs_pin **pin, bool *is_free,
                        char why[SFS_GC_WHY_BYTES])
{
	struct sfs_store *store = gc->config->store;
	struct sfs_err err;
	enum sfs_rc rc;

	*is_free = true;
	if (store->ops->pin == NULL)
		return SFS_OK;
	rc = store->ops->pin(store, key, true, pin, &err);
	if (rc == SFS_OK || rc == SFS_E_NOT_FOUND)
		return SFS_OK;
	if (rc == SFS_E_NO_MEMORY) {
		*gc->err = err;
		return rc;
	}
	*is_free = false;
	if (rc == SFS_E_BUSY)
		(void)snprintf(why, SFS_GC_WHY_BYTES, "a reader holds it open");
	else
		(void)snprintf(why, SFS_GC_WHY_BYTES,
		               "whether it is read cannot be told: %.250s",
		               err.msg);
	return SFS_OK;
}

static enum sfs_rc manifest_bytes(struct sfs_gc *gc, const char *key,
                                  uint64_t *out)
{
	struct sfs_store *store = gc->config->store;
	struct sfs_object *object;
	enum sfs_rc rc;

	*out = 0;
	rc = store->ops->open(store, key, &object, gc->call, gc->err);
	/* what is not a regular file cannot be deleted, and says so then */
	if (rc == SFS_E_NOT_FOUND || rc == SFS_E_CORRUPT)
		return SFS_OK;
	if (rc != SFS_OK)
		return rc;
	*out = object->info.size;
	object->ops->close(object);
	return SFS_OK;
}

/* The last look, while it is held. */
static enum sfs_rc delete_held(struct sfs_gc *gc, struct sfs_gc_manifest *m)
{
	struct sfs_catalog *catalog = gc->config->catalog;
	char why[SFS_GC_WHY_BYTES];
	bool is_tagged;
	enum sfs_rc rc;

	rc = sfs_gc_look_again(gc);
	if (rc == SFS_OK)
		rc = sfs_gc_look_at_tags(gc, m, &is_tagged);
	if (rc == SFS_OK && is_tagged) {
		memcpy(why, m->why, sizeof(why));
		return sfs_gc_keep_late(gc, m, why);
	}
	if (rc == SFS_OK && gc->config->is_delete)
		rc = catalog->ops->delete_manifest(catalog, &m->id, gc->call,
		                                   gc->err);
	m->is_deleted = rc == SFS_OK;
	return rc;
}

static enum sfs_rc delete_manifest(struct sfs_gc *gc, struct sfs_gc_manifest *m)
{
	struct sfs_gc_run *run = sfs_gc_run_find(gc, m->id.run_id);
	char key[SFS_MANIFEST_KEY_BYTES];
	char why[SFS_GC_WHY_BYTES];
	struct sfs_pin *pin = NULL;
	bool is_free;
	enum sfs_rc rc;

	/* of one that was published nothing can come back */
	if (!m->is_published) {
		rc = sfs_gc_ask_run(gc, run);
		if (rc != SFS_OK)
			return rc;
		if (!run->may_go)
			return sfs_gc_keep_late(gc, m, "its run may go on");
	}
	sfs_snapshot_id_manifest_key(&m->id, key);
	rc = manifest_bytes(gc, key, &m->bytes);
	if (rc == SFS_OK)
		rc = hold(gc, key, &pin, &is_free, why);
	if (rc != SFS_OK)
		return rc;
	rc = is_free ? delete_held(gc, m) : sfs_gc_keep_late(gc, m, why);
	if (pin != NULL)
		gc->config->store->ops->unpin(gc->config->store, pin);
	if (m->is_deleted)
		run->manifests--;
	return rc;
}

static enum sfs_rc delete_manifests(struct sfs_gc *gc)
{
	enum sfs_rc rc = SFS_OK;

	for (size_t i = gc->manifest_count; rc == SFS_OK && i-- > 0;) {
		if (!gc->manifests[i].is_kept)
			rc = delete_manifest(gc, &gc->manifests[i]);
	}
	return rc;
}

/* The snapshots of a run that are gone, the first one with the shards. */
static void tell_snapshots(struct sfs_gc *gc, const struct sfs_gc_run *run,
                           struct sfs_gc_tally *tally)
{
	char text[SFS_SNAPSHOT_ID_BYTES];

	for (size_t i = 0; i < gc->manifest_count; i++) {
		const struct sfs_gc_manifest *m = &gc->manifests[i];
		struct sfs_gc_item item = { .kind = SFS_GC_SNAPSHOT,
			                    .name = text,
			                    .reason = m->why,
			                    .objects = 1 + tally->objects,
			                    .bytes = m->bytes + tally->bytes };

		if (!m->is_deleted || strcmp(m->id.run_id, run->run_id) != 0)
			continue;
		sfs_snapshot_id_text(&m->id, text);
		tell(gc, &item);
		*tally = (struct sfs_gc_tally){ .left = tally->left };
	}
}

static void tell_run(struct sfs_gc *gc, const struct sfs_gc_run *run,
                     struct sfs_gc_tally tally)
{
	struct sfs_gc_item item = { .kind = SFS_GC_RUN,
		                    .name = run->run_id,
		                    .reason = "its run published nothing "
		                              "that is left" };
	bool has_kept = run->manifests > 0;

	if (has_kept) {
		item.kind = SFS_GC_LOSER;
		item.reason = "attempts that did not win";
	} else {
		tell_snapshots(gc, run, &tally);
	}
	item.objects = tally.objects;
	item.bytes = tally.bytes;
	if (tally.objects > 0)
		tell(gc, &item);
	if (has_kept) {
		tally = (struct sfs_gc_tally){ 0 };
		tell_snapshots(gc, run, &tally);
	}
}

static enum sfs_rc delete_records(struct sfs_gc *gc,
                                  const struct sfs_gc_run *run)
{
	struct sfs_store *store = gc->config->store;
	struct sfs_gc_item item = { .kind = SFS_GC_RECORD,
		                    .name = run->run_id,
		                    .reason = "nothing of its run is left" };
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; rc == SFS_OK && i < run->record_count; i++) {
		item.objects++;
		item.bytes += run->records[i].bytes;
		if (gc->config->is_delete)
			rc = store->ops->delete (store, run->records[i].key,
			                         gc->call, gc->err);
	}
	if (rc == SFS_OK && item.objects > 0)
		tell(gc, &item);
	return rc;
}

static enum sfs_rc clear_run(struct sfs_gc *gc, struct sfs_gc_run *run)
{
	struct sfs_gc_tally tally = { 0 };
	enum sfs_rc rc;

	rc = sfs_gc_ask_run(gc, run);
	if (rc == SFS_OK && run->may_go)
		rc = sfs_gc_sweep_run(gc, run->run_id, gc->config->is_delete,
		                      &tally);
	if (rc != SFS_OK)
		return rc;
	tell_run(gc, run, tally);
	/* without its record an unpublished manifest would count as published */
	if (run->may_go && run->manifests == 0 && tally.left == 0)
		rc = delete_records(gc, run);
	return rc;
}

static enum sfs_rc collect(struct sfs_gc *gc)
{
	enum sfs_rc rc;

	gc->texts = sfs_arena_new();
	if (gc->texts == NULL)
		return sfs_gc_no_memory(gc);
	rc = sfs_gc_find_manifests(gc);
	if (rc == SFS_OK)
		rc = sfs_gc_find_records(gc);
	if (rc == SFS_OK)
		rc = sfs_gc_decide(gc);
	if (rc == SFS_OK)
		rc = sfs_gc_find_runs(gc);
	if (rc == SFS_OK)
		rc = delete_manifests(gc);
	for (size_t i = 0; rc == SFS_OK && i < gc->run_count; i++)
		rc = clear_run(gc, &gc->runs[i]);
	return rc;
}

enum sfs_rc sfs_gc_run(const struct sfs_gc_config *config,
                       struct sfs_gc_result *out, const struct sfs_call *call,
                       struct sfs_err *err)
{
	struct sfs_err unwanted;
	struct sfs_gc gc = {
		.config = config,
		.result = out,
		.call = call,
		.err = err != NULL ? err : &unwanted,
		.now_ns = sfs_clock_wall_ns(),
		.grace_ns = config->grace_ms < INT64_MAX / NS_PER_MS
		                    ? config->grace_ms * NS_PER_MS
		                    : INT64_MAX,
	};
	enum sfs_rc rc;

	*out = (struct sfs_gc_result){ 0 };
	rc = collect(&gc);
	sfs_free(gc.manifests);
	sfs_free(gc.records);
	sfs_free(gc.runs);
	sfs_free(gc.prefixes);
	sfs_gc_refs_release(&gc.refs);
	sfs_arena_free(gc.texts);
	return rc;
}
