/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making another published snapshot current, and finding snapshots by what
 * people call them. The manifest is held while the pointer is swapped, so
 * that gc, which holds what it deletes alone, cannot take it away in between.
 */
#include "catalog/rollback.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "format/current.h"
#include "format/manifest.h"

#include <string.h>

struct wanted {
	const char *text;
	char id_text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id by_id;
	struct sfs_snapshot_id by_run;
	bool has_id;
	unsigned runs;
};

static bool consider(void *arg, const struct sfs_snapshot_id *id)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct wanted *w = arg;

	sfs_snapshot_id_text(id, text);
	if (strcmp(text, w->text) == 0) {
		w->by_id = *id;
		w->has_id = true;
		return false;
	}
	if (strcmp(id->run_id, w->text) == 0) {
		w->by_run = *id;
		w->runs++;
	}
	return true;
}

enum sfs_rc sfs_catalog_resolve(struct sfs_catalog *catalog, const char *text,
                                struct sfs_snapshot_id *out,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct wanted w = { .text = text };
	enum sfs_rc rc;

	rc = catalog->ops->history(catalog, consider, &w, call, err);
	if (rc != SFS_OK)
		return rc;
	if (w.runs > 1 && !w.has_id)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "run %.255s published %u snapshots: give "
		                   "the whole snapshot ID",
		                   text, w.runs);
	if (w.has_id || w.runs > 0) {
		*out = w.has_id ? w.by_id : w.by_run;
		return SFS_OK;
	}
	rc = catalog->ops->get_tag(catalog, text, out, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, rc,
		                   "no published snapshot is called %.255s "
		                   "(shardyctl history and shardyctl tag list "
		                   "them)",
		                   text);
	return rc;
}

/* What the swap is against, and what it was, for the log. */
struct before {
	struct sfs_tag tag; /* empty: nothing is published */
	struct sfs_snapshot_id id;
	bool has_id;
};

/* A pointer that is damaged can be rolled back too: that mends it. */
static enum sfs_rc read_damaged(struct sfs_store *store, struct before *out,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_object_info info;
	char *data = NULL;
	size_t len = 0;
	enum sfs_rc rc;

	rc = sfs_store_get(store, SFS_CURRENT_KEY, SFS_CURRENT_MAX_BYTES, &data,
	                   &len, &info, call, err);
	if (rc == SFS_OK)
		out->tag = info.tag;
	sfs_free(data);
	return rc;
}

static enum sfs_rc read_before(struct sfs_catalog *catalog,
                               struct sfs_store *store, struct before *out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_pointer pointer = { 0 };
	struct sfs_err unwanted;
	enum sfs_rc rc;

	rc = catalog->ops->current(catalog, &pointer, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return SFS_OK;
	if (rc == SFS_E_CORRUPT || rc == SFS_E_UNSUPPORTED)
		return read_damaged(store, out, call, err);
	if (rc != SFS_OK)
		return rc;
	out->tag = pointer.tag;
	out->has_id = sfs_snapshot_id_from_ref(pointer.current->manifest_ref,
	                                       &out->id, &unwanted) == SFS_OK;
	sfs_pointer_release(&pointer);
	return SFS_OK;
}

static bool is_wanted(void *arg, const struct sfs_snapshot_id *id)
{
	struct wanted *w = arg;

	w->has_id = sfs_snapshot_id_compare(id, &w->by_id) == 0;
	return !w->has_id;
}

/* Loads the manifest, and fills in the pointer to it. */
static enum sfs_rc make_pointer(struct sfs_catalog *catalog,
                                const struct sfs_snapshot_id *to,
                                struct sfs_current *next,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct wanted w = { .by_id = *to };
	char key[SFS_MANIFEST_KEY_BYTES];
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_manifest *m;
	enum sfs_rc rc;
	size_t len;
	int n;

	sfs_snapshot_id_text(to, text);
	sfs_snapshot_id_manifest_key(to, key);
	rc = catalog->ops->load(catalog, to, &m, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, rc, "there is no snapshot %s", text);
	if (rc != SFS_OK)
		return rc;
	len = strlen(m->s3_prefix);
	while (len > 0 && m->s3_prefix[len - 1] == '/')
		len--;
	n = snprintf(next->manifest_ref, sizeof(next->manifest_ref), "%.*s/%s",
	             (int)len, m->s3_prefix, key);
	if (strcmp(m->run_id, to->run_id) != 0)
		rc = sfs_err_set(err, SFS_E_CORRUPT,
		                 "%s: the manifest is of run %s", text,
		                 m->run_id);
	else if (n < 0 || (size_t)n >= sizeof(next->manifest_ref))
		rc = sfs_err_set(err, SFS_E_CORRUPT,
		                 "%s: s3_prefix is too "
		                 "long",
		                 text);
	sfs_manifest_free(m);
	if (rc == SFS_OK)
		rc = catalog->ops->history(catalog, is_wanted, &w, call, err);
	if (rc == SFS_OK && !w.has_id)
		rc = sfs_err_set(err, SFS_E_NOT_FOUND,
		                 "snapshot %s was never published", text);
	memcpy(next->run_id, to->run_id, sizeof(next->run_id));
	next->updated_at_ns = sfs_clock_wall_ns() / 1000 * 1000;
	return rc;
}

/*
 * A swap that failed may have happened: then the pointer is what was given.
 * It counts only once it is durable.
 */
static bool has_happened(struct sfs_catalog *catalog,
                         const struct sfs_current *next,
                         const struct sfs_call *call)
{
	struct sfs_pointer pointer = { 0 };
	struct sfs_err unwanted;
	bool is_same;

	if (catalog->ops->current(catalog, &pointer, call, &unwanted) != SFS_OK)
		return false;
	is_same = strcmp(pointer.current->manifest_ref, next->manifest_ref) ==
	                  0 &&
	          pointer.current->updated_at_ns == next->updated_at_ns;
	sfs_pointer_release(&pointer);
	return is_same &&
	       sfs_pointer_confirm(catalog, call, &unwanted) == SFS_OK;
}

/* What was done cannot be undone by a log that cannot be written. */
static void journal(struct sfs_catalog *catalog, const struct before *before,
                    const struct sfs_snapshot_id *to,
                    const struct sfs_call *call)
{
	struct sfs_buf text = SFS_BUF_INIT(4096);
	char from_text[SFS_SNAPSHOT_ID_BYTES];
	char to_text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_json_printer p;
	struct sfs_err err;
	enum sfs_rc rc;

	sfs_snapshot_id_text(&before->id, from_text);
	sfs_snapshot_id_text(to, to_text);
	sfs_json_printer_init(&p, &text, false, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "from");
	sfs_json_cstring(&p, before->has_id ? from_text : NULL);
	sfs_json_key(&p, "to");
	sfs_json_cstring(&p, to_text);
	sfs_json_object_end(&p);
	rc = sfs_buf_finish(&text, "log entry", &err);
	if (rc == SFS_OK)
		rc = catalog->ops->log(catalog, "rollback", 0, text.data, call,
		                       &err);
	if (rc != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_CATALOG,
		        "rollback to %s is not in the log rc=%s: %s", to_text,
		        sfs_rc_name(rc), err.msg);
	sfs_buf_release(&text);
}

static enum sfs_rc roll_back(struct sfs_catalog *catalog,
                             struct sfs_store *store,
                             const struct sfs_snapshot_id *to,
                             const struct sfs_call *call, struct sfs_err *err)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct before before = { 0 };
	struct sfs_current next;
	enum sfs_rc rc;

	rc = read_before(catalog, store, &before, call, err);
	if (rc != SFS_OK)
		return rc;
	sfs_snapshot_id_text(to, text);
	if (before.has_id && sfs_snapshot_id_compare(&before.id, to) == 0)
		return sfs_err_set(err, SFS_E_EXISTS, "%s is current already",
		                   text);
	rc = make_pointer(catalog, to, &next, call, err);
	if (rc != SFS_OK)
		return rc;
	rc = catalog->ops->swap(catalog, &next, &before.tag, NULL, call, err);
	if (rc == SFS_E_CONFLICT)
		return sfs_err_set(err, rc,
		                   "somebody else published meanwhile: %s is "
		                   "not current",
		                   text);
	if (rc != SFS_OK && rc != SFS_E_BUSY &&
	    has_happened(catalog, &next, call))
		rc = SFS_OK;
	if (rc == SFS_OK)
		journal(catalog, &before, to, call);
	return rc;
}

enum sfs_rc sfs_rollback(struct sfs_catalog *catalog, struct sfs_store *store,
                         const struct sfs_snapshot_id *to,
                         const struct sfs_call *call, struct sfs_err *err)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_pin *pin = NULL;
	struct sfs_err unwanted;
	enum sfs_rc rc = SFS_OK;

	sfs_snapshot_id_manifest_key(to, key);
	/* where it cannot be held, gc's grace period must do */
	if (store->ops->pin != NULL)
		rc = store->ops->pin(store, key, false, &pin, &unwanted);
	if (rc == SFS_E_BUSY)
		return sfs_err_set(err, rc, "%s is being deleted", key);
	rc = roll_back(catalog, store, to, call, err);
	if (pin != NULL)
		store->ops->unpin(store, pin);
	return rc;
}
