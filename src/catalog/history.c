/* SPDX-License-Identifier: Apache-2.0 */
/*
 * History: the manifests in the store, without those that no publisher ever
 * finished. A manifest is written before the pointer is swapped; when the
 * publisher dies or loses in between, it stays, and must neither be shown
 * nor be fallen back to. Its run record tells; the chain of parents from the
 * current manifest overrules it, for a swap may have succeeded just before
 * the publisher died.
 */
#include "catalog/history.h"

#include "base/alloc.h"
#include "base/json.h"
#include "format/manifest.h"
#include "format/runrecord.h"

#include <stdlib.h>
#include <string.h>

enum { PARENTS_MAX = 1000 };

struct id_list {
	struct sfs_snapshot_id *ids;
	size_t count;
	size_t cap;
	bool failed;
};

static bool add_manifest(void *arg, const struct sfs_list_entry *entry)
{
	struct id_list *list = arg;
	struct sfs_snapshot_id *grown;
	struct sfs_snapshot_id id;

	if (!entry->is_prefix ||
	    !sfs_snapshot_id_from_manifest_key(entry->key, &id))
		return true;
	if (list->count == list->cap) {
		list->cap = list->cap > 0 ? list->cap * 2 : 16;
		grown = sfs_realloc_array(list->ids, list->cap,
		                          sizeof(*list->ids));
		if (grown == NULL) {
			list->failed = true;
			return false;
		}
		list->ids = grown;
	}
	list->ids[list->count++] = id;
	return true;
}

static int newest_first(const void *a, const void *b)
{
	return sfs_snapshot_id_compare(a, b);
}

void sfs_history_release(struct sfs_history *h)
{
	sfs_free(h->ids);
	*h = (struct sfs_history){ 0 };
}

enum sfs_rc sfs_history_read(struct sfs_store *store, struct sfs_history *out,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct id_list list = { 0 };
	enum sfs_rc rc;

	rc = store->ops->list(store, SFS_MANIFESTS_PREFIX, '/', NULL,
	                      add_manifest, &list, call, err);
	if (rc == SFS_OK && list.failed)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY,
		                 "history: out of memory");
	if (rc != SFS_OK) {
		sfs_free(list.ids);
		return rc;
	}
	if (list.count > 0)
		qsort(list.ids, list.count, sizeof(*list.ids), newest_first);
	out->ids = list.ids;
	out->count = list.count;
	return SFS_OK;
}

/* One entry of the history, by the run that wrote it. */
struct run {
	const char *run_id; /* borrowed from the history */
	size_t at;          /* position there */
	char *record_key;   /* NULL: no record; owned */
	bool is_suspect;    /* not finished as far as its record says */
};

struct suspects {
	const struct sfs_history *history;
	struct sfs_store *store;
	const struct sfs_call *call;
	struct run *runs; /* as many as the history has, by run id and age */
	size_t count;     /* of suspects */
	size_t oldest;    /* the largest position of a suspect */
	bool failed;
};

static int by_run_id(const void *a, const void *b)
{
	const struct run *x = a;
	const struct run *y = b;
	int order = strcmp(x->run_id, y->run_id);

	if (order != 0)
		return order;
	return x->at < y->at ? -1 : 1;
}

/* The first entry that is of the run or behind where it would be. */
static size_t lower_bound(const struct suspects *s, const char *run_id)
{
	size_t low = 0;
	size_t high = s->history->count;
	size_t mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(s->runs[mid].run_id, run_id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_of_run(const struct suspects *s, size_t i, const char *run_id)
{
	return i < s->history->count && strcmp(s->runs[i].run_id, run_id) == 0;
}

static bool note_record(void *arg, const struct sfs_list_entry *entry)
{
	char run_id[SFS_RUN_ID_BYTES];
	struct suspects *s = arg;

	if (!entry->is_prefix || !sfs_run_record_run_id(entry->key, run_id))
		return true;
	for (size_t i = lower_bound(s, run_id); is_of_run(s, i, run_id); i++) {
		sfs_free(s->runs[i].record_key);
		s->runs[i].record_key = sfs_strdup(entry->key);
		if (s->runs[i].record_key == NULL) {
			s->failed = true;
			return false;
		}
	}
	return true;
}

/* A record that is missing or unreadable does not hide its snapshot. */
static enum sfs_rc read_record(struct suspects *s, struct run *run,
                               struct sfs_err *err)
{
	char key[SFS_STORE_KEY_MAX];
	struct sfs_run_record record;
	char *data = NULL;
	size_t len = 0;
	enum sfs_rc rc;
	int n;

	n = snprintf(key, sizeof(key), "%s" SFS_RUN_RECORD_NAME,
	             run->record_key);
	if (n < 0 || (size_t)n >= sizeof(key))
		return SFS_OK;
	rc = sfs_store_get(s->store, key, SFS_RUN_RECORD_MAX_BYTES, &data, &len,
	                   NULL, s->call, err);
	if (rc == SFS_E_NOT_FOUND || rc == SFS_E_TOO_BIG || rc == SFS_E_CORRUPT)
		return SFS_OK;
	if (rc != SFS_OK)
		return rc;
	rc = sfs_run_record_parse(data, len, &record, err);
	sfs_free(data);
	if (rc == SFS_E_NO_MEMORY)
		return rc;
	if (rc == SFS_OK && record.status != SFS_RUN_SUCCEEDED) {
		run->is_suspect = true;
		s->count++;
		s->oldest = run->at > s->oldest ? run->at : s->oldest;
	}
	return SFS_OK;
}

static enum sfs_rc find_suspects(struct suspects *s, const char *run_prefix,
                                 struct sfs_err *err)
{
	char prefix[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;

	(void)snprintf(prefix, sizeof(prefix), "%s/", run_prefix);
	rc = s->store->ops->list(s->store, prefix, '/', NULL, note_record, s,
	                         s->call, err);
	if (rc == SFS_OK && s->failed)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY,
		                 "history: out of memory");
	for (size_t i = 0; rc == SFS_OK && i < s->history->count; i++) {
		if (s->runs[i].record_key != NULL)
			rc = read_record(s, &s->runs[i], err);
	}
	return rc;
}

/* *is_told: there is such a member, though it may be null. */
static enum sfs_rc read_parent(const struct sfs_manifest *m,
                               char out[SFS_RUN_ID_BYTES], bool *is_told,
                               struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	bool in_ours = false;
	bool is_parent = false;
	int depth = 0;
	enum sfs_rc rc;

	out[0] = '\0';
	*is_told = false;
	sfs_json_reader_init(&r, m->custom, strlen(m->custom));
	r.is_lax = true;
	while ((rc = sfs_json_next(&r, &t, err)) == SFS_OK &&
	       t.type != SFS_JSON_END) {
		if (t.type == SFS_JSON_STRING && is_parent &&
		    sfs_run_id_is_valid(t.text, t.len))
			memcpy(out, t.text, t.len + 1);
		is_parent = false;
		if (t.type == SFS_JSON_OBJECT_BEGIN ||
		    t.type == SFS_JSON_ARRAY_BEGIN)
			depth++;
		if (t.type == SFS_JSON_OBJECT_END ||
		    t.type == SFS_JSON_ARRAY_END)
			depth--;
		if (t.type == SFS_JSON_KEY && depth == 1)
			in_ours = strcmp(t.text, "shardyfs") == 0;
		if (t.type == SFS_JSON_KEY && depth == 2)
			is_parent = in_ours && strcmp(t.text, "parent") == 0;
		*is_told = *is_told || is_parent;
	}
	sfs_json_reader_release(&r);
	return rc;
}

enum sfs_rc sfs_history_parent(const struct sfs_manifest *m,
                               char out[SFS_RUN_ID_BYTES], struct sfs_err *err)
{
	bool is_told;

	return read_parent(m, out, &is_told, err);
}

/* Clears the suspicion of a run; the position of its newest, or count. */
static size_t clear_run(struct suspects *s, const char *run_id)
{
	size_t first = lower_bound(s, run_id);

	if (!is_of_run(s, first, run_id))
		return s->history->count;
	for (size_t i = first; is_of_run(s, i, run_id); i++) {
		s->count -= s->runs[i].is_suspect;
		s->runs[i].is_suspect = false;
	}
	return s->runs[first].at;
}

/*
 * Walks from the current manifest to its parents, which are older than their
 * children, while suspects remain that are older still.
 */
static enum sfs_rc clear_ancestors(struct suspects *s,
                                   struct sfs_catalog *catalog,
                                   struct sfs_err *err)
{
	struct sfs_pointer pointer = { 0 };
	char run_id[SFS_RUN_ID_BYTES];
	struct sfs_manifest *m;
	enum sfs_rc rc;
	size_t next = 0;
	size_t at;

	rc = catalog->ops->current(catalog, &pointer, s->call, err);
	if (rc == SFS_E_NOT_FOUND || rc == SFS_E_CORRUPT ||
	    rc == SFS_E_UNSUPPORTED)
		return SFS_OK;
	if (rc != SFS_OK)
		return rc;
	memcpy(run_id, pointer.current->run_id, sizeof(run_id));
	sfs_pointer_release(&pointer);

	for (int n = 0; run_id[0] != '\0' && n < PARENTS_MAX; n++) {
		at = clear_run(s, run_id);
		if (at < next || at >= s->oldest || s->count == 0)
			return SFS_OK;
		next = at + 1;
		rc = catalog->ops->load(catalog, &s->history->ids[at], &m,
		                        s->call, err);
		if (rc == SFS_E_NOT_FOUND || rc == SFS_E_CORRUPT ||
		    rc == SFS_E_UNSUPPORTED)
			return SFS_OK;
		if (rc != SFS_OK)
			return rc;
		rc = sfs_history_parent(m, run_id, err);
		sfs_manifest_free(m);
		if (rc != SFS_OK)
			return rc;
	}
	return SFS_OK;
}

static void begin_runs(struct suspects *s)
{
	size_t count = s->history->count;

	for (size_t i = 0; i < count; i++) {
		s->runs[i].run_id = s->history->ids[i].run_id;
		s->runs[i].at = i;
	}
	if (count > 0)
		qsort(s->runs, count, sizeof(*s->runs), by_run_id);
}

/* Marks what goes by a run id that no run has, then closes the gaps. */
static void remove_suspects(struct sfs_history *h, const struct suspects *s)
{
	size_t total = h->count;
	size_t kept = 0;

	for (size_t i = 0; i < total; i++) {
		if (s->runs[i].is_suspect)
			h->ids[s->runs[i].at].run_id[0] = '\0';
	}
	for (size_t i = 0; i < total; i++) {
		if (h->ids[i].run_id[0] != '\0')
			h->ids[kept++] = h->ids[i];
	}
	h->count = kept;
}

enum sfs_rc
sfs_history_drop_unpublished(struct sfs_history *h, struct sfs_catalog *catalog,
                             struct sfs_store *store, const char *run_prefix,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct suspects s = { .history = h, .store = store, .call = call };
	size_t total = h->count;
	enum sfs_rc rc;

	s.runs = sfs_calloc(total, sizeof(*s.runs));
	if (s.runs == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "history: out of memory");
	begin_runs(&s);
	rc = find_suspects(&s, run_prefix, err);
	if (rc == SFS_OK && s.count > 0)
		rc = clear_ancestors(&s, catalog, err);
	if (rc == SFS_OK && s.count > 0)
		remove_suspects(h, &s);
	for (size_t i = 0; i < total; i++)
		sfs_free(s.runs[i].record_key);
	sfs_free(s.runs);
	return rc;
}

/* The newest manifest of the run that is older than the one at *at. */
static bool find_older(const struct sfs_history *h, const char *run_id,
                       size_t *at)
{
	while (*at < h->count && strcmp(h->ids[*at].run_id, run_id) != 0)
		(*at)++;
	return *at < h->count;
}

struct descent {
	struct sfs_catalog *catalog;
	const struct sfs_call *call;
	const struct sfs_snapshot_id *id; /* that is looked for */
	struct sfs_history history;
	char run_id[SFS_RUN_ID_BYTES]; /* where the walk is; "": at its end */
	enum sfs_descent found;
};

/* To the parent of a manifest; UNKNOWN: nobody tells which it is. */
static enum sfs_rc go_to_parent(struct descent *d,
                                const struct sfs_snapshot_id *of,
                                struct sfs_err *err)
{
	struct sfs_manifest *m = NULL;
	bool is_told = false;
	enum sfs_rc rc;

	rc = d->catalog->ops->load(d->catalog, of, &m, d->call, err);
	if (rc == SFS_OK)
		rc = read_parent(m, d->run_id, &is_told, err);
	sfs_manifest_free(m);
	if (!is_told)
		d->found = SFS_DESCENT_UNKNOWN;
	if (rc == SFS_E_NOT_FOUND || rc == SFS_E_CORRUPT ||
	    rc == SFS_E_UNSUPPORTED)
		return SFS_OK;
	return rc;
}

/* Each is older than its child: behind id's time it cannot come any more. */
static enum sfs_rc descend(struct descent *d, struct sfs_err *err)
{
	const struct sfs_snapshot_id *ids = d->history.ids;
	enum sfs_rc rc = SFS_OK;
	size_t at = 0;

	while (rc == SFS_OK && d->found == SFS_DESCENT_NONE &&
	       d->run_id[0] != '\0') {
		if (strcmp(d->run_id, d->id->run_id) == 0)
			d->found = SFS_DESCENT_FOUND;
		else if (!find_older(&d->history, d->run_id, &at))
			d->found = SFS_DESCENT_UNKNOWN;
		else if (ids[at].published_at_ns <= d->id->published_at_ns)
			return SFS_OK;
		else
			rc = go_to_parent(d, &ids[at++], err);
	}
	return rc;
}

enum sfs_rc
sfs_history_descent(struct sfs_catalog *catalog, struct sfs_store *store,
                    const struct sfs_snapshot_id *id, enum sfs_descent *out,
                    const struct sfs_call *call, struct sfs_err *err)
{
	struct descent d = { .catalog = catalog, .call = call, .id = id };
	struct sfs_pointer pointer = { 0 };
	enum sfs_rc rc;

	*out = SFS_DESCENT_NONE;
	rc = catalog->ops->current(catalog, &pointer, call, err);
	if (rc != SFS_OK)
		return rc == SFS_E_NOT_FOUND ? SFS_OK : rc;
	memcpy(d.run_id, pointer.current->run_id, sizeof(d.run_id));
	sfs_pointer_release(&pointer);
	if (strcmp(d.run_id, id->run_id) != 0)
		rc = sfs_history_read(store, &d.history, call, err);
	if (rc == SFS_OK)
		rc = descend(&d, err);
	sfs_history_release(&d.history);
	*out = d.found;
	return rc;
}
