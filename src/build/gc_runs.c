/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runs of a store: those that have a manifest, a record, or objects. A
 * run may be cleared away when nobody works on it any more. That cannot be
 * seen from outside for certain, so gc claims the run first: it ends the
 * record by compare-and-swap. A writer that comes back confirms its record
 * before it publishes, and finds that it has lost:
 *
 *   record running, lease over     claim; go on when the claim is old
 *   record failed by its writer    claim; go on
 *   record failed by gc, old       go on
 *   record succeeded               go on: its writer has finished
 *   no record, no manifest         make a claimed one; go on when it is old
 *   no record, but published       go on
 */
#include "build/gc_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "catalog/lease.h"

#include <stdlib.h>
#include <string.h>

struct listing {
	struct sfs_gc *gc;
	size_t skip; /* bytes of the prefix */
	bool failed;
};

static const char *keep_text(struct sfs_gc *gc, const char *text)
{
	return sfs_arena_add(gc->texts, text, strlen(text));
}

static bool add_record(void *arg, const struct sfs_list_entry *entry)
{
	char key[SFS_STORE_KEY_MAX + 16];
	char run_id[SFS_RUN_ID_BYTES];
	struct sfs_gc_record *grown;
	struct listing *l = arg;
	struct sfs_gc *gc = l->gc;
	struct sfs_gc_record *r;

	if (!entry->is_prefix || !sfs_run_record_run_id(entry->key, run_id))
		return true;
	if (gc->record_count == gc->record_cap) {
		gc->record_cap = gc->record_cap > 0 ? gc->record_cap * 2 : 64;
		grown = sfs_realloc_array(gc->records, gc->record_cap,
		                          sizeof(*grown));
		l->failed = grown == NULL;
		if (l->failed)
			return false;
		gc->records = grown;
	}
	(void)snprintf(key, sizeof(key), "%s" SFS_RUN_RECORD_NAME, entry->key);
	r = &gc->records[gc->record_count++];
	*r = (struct sfs_gc_record){ .run_id = keep_text(gc, run_id),
		                     .key = keep_text(gc, key) };
	l->failed = r->run_id == NULL || r->key == NULL;
	return !l->failed;
}

static bool is_damage(enum sfs_rc rc)
{
	return rc == SFS_E_CORRUPT || rc == SFS_E_TOO_BIG;
}

/* One that cannot be read counts as running until it was last changed. */
static enum sfs_rc read_record(struct sfs_gc *gc, const char *key,
                               struct sfs_run_record *out,
                               struct sfs_object_info *info)
{
	struct sfs_store *store = gc->config->store;
	struct sfs_object *object;
	char *data = NULL;
	size_t len = 0;
	enum sfs_rc rc;

	memset(out, 0, sizeof(*out));
	memset(info, 0, sizeof(*info));
	rc = sfs_store_get(store, key, SFS_RUN_RECORD_MAX_BYTES, &data, &len,
	                   info, gc->call, gc->err);
	if (rc == SFS_OK)
		rc = sfs_run_record_parse(data, len, out, gc->err);
	sfs_free(data);
	if (rc == SFS_E_TOO_BIG &&
	    store->ops->open(store, key, &object, gc->call, gc->err) ==
	            SFS_OK) {
		*info = object->info;
		object->ops->close(object);
	}
	if (is_damage(rc)) {
		memset(out, 0, sizeof(*out));
		rc = SFS_OK;
	}
	if (out->status == SFS_RUN_INVALID)
		out->status = SFS_RUN_RUNNING;
	if (out->lease_expires_at_ns == 0)
		out->lease_expires_at_ns = info->mtime_ns;
	return rc;
}

static void fill(struct sfs_gc_record *r, const struct sfs_run_record *found,
                 const struct sfs_object_info *info)
{
	r->status = found->status;
	r->is_claimed = strcmp(found->error_type, SFS_LEASE_CLAIMED) == 0;
	r->lease_ns = found->lease_expires_at_ns;
	r->last_ns = found->updated_at_ns > r->lease_ns ? found->updated_at_ns
	                                                : r->lease_ns;
	r->bytes = info->size;
}

static int by_run_id(const void *a, const void *b)
{
	const struct sfs_gc_record *x = a;
	const struct sfs_gc_record *y = b;
	int order = strcmp(x->run_id, y->run_id);

	return order != 0 ? order : strcmp(x->key, y->key);
}

enum sfs_rc sfs_gc_find_records(struct sfs_gc *gc)
{
	struct sfs_store *store = gc->config->store;
	struct listing l = { .gc = gc };
	struct sfs_object_info info;
	struct sfs_run_record found;
	char prefix[SFS_STORE_KEY_MAX];
	size_t kept = 0;
	enum sfs_rc rc;

	(void)snprintf(prefix, sizeof(prefix), "%s/", gc->config->run_prefix);
	rc = store->ops->list(store, prefix, '/', NULL, add_record, &l,
	                      gc->call, gc->err);
	if (rc == SFS_OK && l.failed)
		rc = sfs_gc_no_memory(gc);
	for (size_t i = 0; rc == SFS_OK && i < gc->record_count; i++) {
		rc = read_record(gc, gc->records[i].key, &found, &info);
		if (rc == SFS_OK) {
			fill(&gc->records[i], &found, &info);
			gc->records[kept++] = gc->records[i];
			if (sfs_run_id_is_valid(found.shard_prefix,
			                        strlen(found.shard_prefix)))
				rc = sfs_gc_add_prefix(gc, found.shard_prefix);
		} else if (rc == SFS_E_NOT_FOUND) { /* an empty directory */
			rc = SFS_OK;
		}
	}
	gc->record_count = kept;
	if (rc == SFS_OK && kept > 0)
		qsort(gc->records, kept, sizeof(*gc->records), by_run_id);
	return rc;
}

static bool is_live(const struct sfs_gc *gc, const struct sfs_gc_record *r)
{
	return r->status == SFS_RUN_RUNNING && r->lease_ns > gc->now_ns;
}

bool sfs_gc_has_live_record(const struct sfs_gc *gc, const char *run_id)
{
	for (size_t i = 0; i < gc->record_count; i++) {
		if (is_live(gc, &gc->records[i]) &&
		    strcmp(gc->records[i].run_id, run_id) == 0)
			return true;
	}
	return false;
}

static bool add_run(struct sfs_gc *gc, const char *run_id)
{
	struct sfs_gc_run *grown;

	if (gc->run_count == gc->run_cap) {
		gc->run_cap = gc->run_cap > 0 ? gc->run_cap * 2 : 64;
		grown = sfs_realloc_array(gc->runs, gc->run_cap,
		                          sizeof(*grown));
		if (grown == NULL)
			return false;
		gc->runs = grown;
	}
	gc->runs[gc->run_count++] = (struct sfs_gc_run){ .run_id = run_id };
	return true;
}

/* "<prefix>/run_id=<run>/" */
static bool add_directory(void *arg, const struct sfs_list_entry *entry)
{
	static const char mark[] = "run_id=";
	struct listing *l = arg;
	const char *name = entry->key + l->skip;
	size_t len = strlen(name);
	const char *text;

	if (!entry->is_prefix || strncmp(name, mark, strlen(mark)) != 0)
		return true;
	name += strlen(mark);
	len -= strlen(mark) + 1;
	if (!sfs_run_id_is_valid(name, len))
		return true;
	text = sfs_arena_add(l->gc->texts, name, len);
	l->failed = text == NULL || !add_run(l->gc, text);
	return !l->failed;
}

static int by_name(const void *a, const void *b)
{
	const struct sfs_gc_run *x = a;
	const struct sfs_gc_run *y = b;

	return strcmp(x->run_id, y->run_id);
}

struct sfs_gc_run *sfs_gc_run_find(struct sfs_gc *gc, const char *run_id)
{
	struct sfs_gc_run wanted = { .run_id = run_id };

	if (gc->run_count == 0)
		return NULL;
	return bsearch(&wanted, gc->runs, gc->run_count, sizeof(wanted),
	               by_name);
}

/* Each run once, with its records and the number of its manifests. */
static void unite(struct sfs_gc *gc)
{
	struct sfs_gc_run *run;
	size_t kept = 0;

	if (gc->run_count == 0)
		return;
	qsort(gc->runs, gc->run_count, sizeof(*gc->runs), by_name);
	for (size_t i = 0; i < gc->run_count; i++) {
		if (kept == 0 || by_name(&gc->runs[kept - 1], &gc->runs[i]))
			gc->runs[kept++] = gc->runs[i];
	}
	gc->run_count = kept;
	for (size_t i = 0; i < gc->record_count; i++) {
		struct sfs_gc_record *r = &gc->records[i];

		run = sfs_gc_run_find(gc, r->run_id);
		if (run->record_count++ == 0)
			run->records = r;
		run->is_live = run->is_live || is_live(gc, r);
	}
	for (size_t i = 0; i < gc->manifest_count; i++) {
		sfs_gc_run_find(gc, gc->manifests[i].id.run_id)->manifests++;
		sfs_gc_note_in_run(gc, &gc->manifests[i]);
	}
}

static enum sfs_rc find_directories(struct sfs_gc *gc)
{
	struct sfs_store *store = gc->config->store;
	struct listing l = { .gc = gc };
	char prefix[SFS_STORE_KEY_MAX];
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; rc == SFS_OK && i < gc->prefix_count; i++) {
		(void)snprintf(prefix, sizeof(prefix), "%s/", gc->prefixes[i]);
		l.skip = strlen(prefix);
		rc = store->ops->list(store, prefix, '/', NULL, add_directory,
		                      &l, gc->call, gc->err);
		if (rc == SFS_OK && l.failed)
			rc = sfs_gc_no_memory(gc);
	}
	return rc;
}

enum sfs_rc sfs_gc_find_runs(struct sfs_gc *gc)
{
	enum sfs_rc rc;

	rc = find_directories(gc);
	for (size_t i = 0; rc == SFS_OK && i < gc->record_count; i++) {
		if (!add_run(gc, gc->records[i].run_id))
			rc = sfs_gc_no_memory(gc);
	}
	for (size_t i = 0; rc == SFS_OK && i < gc->manifest_count; i++) {
		if (!add_run(gc, gc->manifests[i].id.run_id))
			rc = sfs_gc_no_memory(gc);
	}
	if (rc == SFS_OK)
		unite(gc);
	return rc;
}

/* What cannot be claimed, on a full disk say, stays as it is. */
static bool is_final(enum sfs_rc rc)
{
	return rc == SFS_E_CANCELED || rc == SFS_E_TIMEOUT ||
	       rc == SFS_E_NO_MEMORY;
}

/* Ends a record; *is_ours: it is ended, by whomever, and stays so. */
static enum sfs_rc claim(struct sfs_gc *gc, struct sfs_gc_record *r,
                         bool *is_ours)
{
	struct sfs_object_info info;
	struct sfs_run_record found;
	struct sfs_err err;
	enum sfs_rc rc;

	*is_ours = false;
	rc = read_record(gc, r->key, &found, &info);
	if (rc != SFS_OK)
		return rc == SFS_E_NOT_FOUND ? SFS_OK : rc;
	if (found.status == SFS_RUN_RUNNING &&
	    found.lease_expires_at_ns > gc->now_ns)
		return SFS_OK; /* it was taken up */
	(void)snprintf(found.run_id, sizeof(found.run_id), "%s", r->run_id);
	rc = sfs_lease_claim(gc->config->store, r->key, &found, &info.tag,
	                     gc->call, &err);
	*is_ours = rc == SFS_OK;
	if (!is_final(rc))
		return SFS_OK;
	*gc->err = err;
	return rc;
}

/* A record for a run that has none, so that there is something to claim. */
static enum sfs_rc claim_anew(struct sfs_gc *gc, const char *run_id)
{
	struct sfs_run_record record = { .started_at_ns = gc->now_ns };
	char key[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;

	(void)snprintf(record.run_id, sizeof(record.run_id), "%s", run_id);
	(void)snprintf(record.s3_prefix, sizeof(record.s3_prefix), "%s",
	               gc->config->store->url);
	(void)snprintf(record.writer_type, sizeof(record.writer_type), "%s",
	               "unknown");
	rc = sfs_lease_new_key(gc->config->run_prefix, run_id, gc->now_ns, key,
	                       gc->err);
	if (rc != SFS_OK)
		return rc;
	return sfs_lease_claim(gc->config->store, key, &record, NULL, gc->call,
	                       gc->err);
}

static void tell_waits(struct sfs_gc *gc, const struct sfs_gc_run *run)
{
	sfs_gc_tell_kept(gc, run->run_id,
	                 gc->config->is_delete
	                         ? "its writer is gone: claimed, and deleted "
	                           "after the grace period"
	                         : "its writer is gone: would be claimed, and "
	                           "deleted after the grace period",
	                 false);
}

static enum sfs_rc ask_without_record(struct sfs_gc *gc, struct sfs_gc_run *run)
{
	struct sfs_gc_tally tally = { 0 };
	enum sfs_rc rc;

	rc = sfs_gc_sweep_run(gc, run->run_id, false, &tally);
	if (rc != SFS_OK || tally.objects == 0 ||
	    sfs_gc_is_young(gc, tally.newest_ns))
		return rc;
	if (gc->config->is_delete)
		rc = claim_anew(gc, run->run_id);
	if (rc != SFS_OK)
		return is_final(rc) ? rc : SFS_OK;
	run->may_go = gc->grace_ns == 0;
	if (!run->may_go)
		tell_waits(gc, run);
	return SFS_OK;
}

static enum sfs_rc ask_record(struct sfs_gc *gc, struct sfs_gc_run *run,
                              struct sfs_gc_record *r)
{
	bool is_ours = true;
	bool must_wait;
	enum sfs_rc rc = SFS_OK;

	if (r->status == SFS_RUN_SUCCEEDED || r->is_claimed)
		return SFS_OK;
	must_wait = r->status == SFS_RUN_RUNNING && gc->grace_ns > 0;
	if (gc->config->is_delete)
		rc = claim(gc, r, &is_ours);
	if (rc == SFS_OK && must_wait && is_ours)
		tell_waits(gc, run);
	run->may_go = run->may_go && is_ours && !must_wait;
	return rc;
}

static enum sfs_rc ask(struct sfs_gc *gc, struct sfs_gc_run *run)
{
	enum sfs_rc rc = SFS_OK;

	if (run->is_live && !run->has_kept) {
		sfs_gc_tell_kept(gc, run->run_id, "its run is under way",
		                 false);
		return SFS_OK;
	}
	if (run->is_live || run->has_unpublished_kept ||
	    (run->has_kept && sfs_gc_is_young(gc, run->kept_ns)))
		return SFS_OK;
	for (size_t i = 0; i < run->record_count; i++) {
		if (sfs_gc_is_young(gc, run->records[i].last_ns))
			return SFS_OK;
	}
	if (run->record_count == 0 && run->manifests == 0)
		return ask_without_record(gc, run);
	run->may_go = true;
	/* of one that was published nothing can come back */
	for (size_t i = 0; rc == SFS_OK && i < run->record_count; i++) {
		if (!run->has_kept)
			rc = ask_record(gc, run, &run->records[i]);
	}
	return rc;
}

enum sfs_rc sfs_gc_ask_run(struct sfs_gc *gc, struct sfs_gc_run *run)
{
	if (run->is_asked)
		return SFS_OK;
	run->is_asked = true;
	return ask(gc, run);
}
