/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left to do when the pointer was swapped: the run record, the log,
 * and, when mv was answered, the attempts that lost. None of it can fail the
 * publish any more.
 *
 * Whoever finds out later that a swap happened does the same. Nothing of it is
 * done twice: a record that has ended says so, and an event that the log has
 * under its time is not added again. What the event tells is in the intent,
 * since its publisher may be dead.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "base/debugstep.h"
#include "base/json.h"
#include "base/log.h"
#include "build/gc.h"

#include <string.h>

static void end_record(struct sfs_engine *e, const struct sfs_call *call)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	char ref[SFS_URL_BYTES];
	struct sfs_err err;

	if (e->lease == NULL)
		return;
	sfs_snapshot_id_manifest_key(&e->swap_id, key);
	(void)snprintf(ref, sizeof(ref), "%s/%s", e->context.url, key);
	if (sfs_lease_succeed(e->lease, ref, call, &err) != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "published, but the run record does not say so "
		        "run_id=%s cause=\"%s\"",
		        e->run_id, err.msg);
}

static const char *text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void log_event(struct sfs_engine *e, const struct sfs_call *call)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_catalog *c = e->context.catalog;
	char id[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_json_printer j;
	struct sfs_err err;
	enum sfs_rc rc;

	sfs_snapshot_id_text(&e->swap_id, id);
	sfs_json_printer_init(&j, &text, true, true);
	sfs_json_object_begin(&j);
	sfs_json_key(&j, "build");
	sfs_json_string(&j, e->name, strlen(e->name));
	sfs_json_key(&j, "from");
	sfs_json_cstring(&j, text_or_null(e->swap_from));
	sfs_json_key(&j, "tag");
	sfs_json_cstring(&j, text_or_null(e->swap_tag));
	sfs_json_key(&j, "to");
	sfs_json_cstring(&j, id);
	sfs_json_object_end(&j);
	rc = sfs_buf_finish(&text, "log entry", &err);
	if (rc == SFS_OK)
		rc = c->ops->log(c, "publish", e->swap_id.published_at_ns,
		                 text.data, call, &err);
	if (rc != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "published, but not logged in the store snapshot=%s "
		        "cause=\"%s\"",
		        id, err.msg);
	sfs_buf_release(&text);
}

/* --- attempts that lost -------------------------------------------------- */

/* The directories of the attempts that won. */
struct winners {
	char **prefixes; /* owned, as each of them */
	size_t count;
};

static void winners_release(struct winners *w)
{
	for (size_t i = 0; i < w->count; i++)
		sfs_free(w->prefixes[i]);
	sfs_free(w->prefixes);
}

/* Those that the manifest names. */
static enum sfs_rc find_winners(struct sfs_engine *e,
                                const struct sfs_manifest *m, struct winners *w,
                                struct sfs_err *err)
{
	char prefix[SFS_STORE_KEY_MAX];
	enum sfs_rc rc = SFS_OK;

	w->prefixes = sfs_calloc(m->num_dbs, sizeof(*w->prefixes));
	if (w->prefixes == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	for (uint32_t i = 0; rc == SFS_OK && i < m->num_dbs; i++) {
		if (m->shards[i].db_url == NULL)
			continue;
		rc = sfs_url_rebase(m->shards[i].db_url, m->s3_prefix,
		                    e->context.store->url, prefix,
		                    sizeof(prefix), err);
		if (rc != SFS_OK)
			break;
		w->prefixes[w->count] = sfs_strdup(prefix);
		if (w->prefixes[w->count] == NULL)
			return sfs_err_set(err, SFS_E_NO_MEMORY,
			                   "out of memory");
		w->count++;
	}
	return rc;
}

static enum sfs_rc delete_losers(struct sfs_engine *e,
                                 const struct sfs_manifest *m,
                                 struct sfs_err *err)
{
	char prefix[SFS_STORE_KEY_MAX];
	struct winners w = { 0 };
	enum sfs_rc rc;

	sfs_run_key_prefix(m->shard_prefix, e->run_id, prefix, sizeof(prefix));
	rc = find_winners(e, m, &w, err);
	if (rc == SFS_OK)
		rc = sfs_gc_losers(e->context.store, prefix,
		                   (const char *const *)w.prefixes, w.count,
		                   NULL, err);
	winners_release(&w);
	return rc;
}

/*
 * Finding them is reading a directory for each shard. A shard that is built
 * again takes the place of what it was.
 */
static bool may_have_losers(const struct sfs_engine *e)
{
	for (uint32_t i = 0; i < e->num_dbs; i++) {
		const struct sfs_shard *s = &e->shards[i];

		if (s->next_attempt > 0 ||
		    (s->has_object && s->state == SFS_SHARD_EMPTY))
			return true;
	}
	return e->has_losers;
}

void sfs_engine_drop_losers(struct sfs_engine *e, const struct sfs_call *call)
{
	struct sfs_catalog *c = e->context.catalog;
	struct sfs_manifest *m = NULL;
	struct sfs_err err;
	enum sfs_rc rc;

	if (!e->is_finished || !may_have_losers(e))
		return;
	e->is_finished = false;
	rc = c->ops->load(c, &e->swap_id, &m, call, &err);
	if (rc == SFS_OK)
		rc = delete_losers(e, m, &err);
	if (rc != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "losing attempts stay for gc run_id=%s cause=\"%s\"",
		        e->run_id, err.msg);
	sfs_manifest_free(m);
}

/* --- all of it ----------------------------------------------------------- */

void sfs_engine_finish(struct sfs_engine *e, const struct sfs_call *call)
{
	struct sfs_call locked = sfs_engine_lock_call(e, call);
	struct sfs_err err;

	if (sfs_debug_step("publish.swapped", &err) != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD, "%s", err.msg);
	end_record(e, &locked);
	log_event(e, &locked);
	e->is_finished = true;
}

void sfs_engine_clean(struct sfs_engine *e)
{
	struct sfs_err err;

	if (sfs_engine_work_begin(e, NULL, &err) != SFS_OK)
		return; /* it is being ended */
	sfs_engine_drop_losers(e, NULL);
	sfs_engine_work_end(e);
}

void sfs_engine_conclude(struct sfs_engine *e, const struct sfs_call *call)
{
	struct sfs_err err;
	enum sfs_rc rc = SFS_OK;

	if (e->record_key[0] != '\0')
		rc = sfs_engine_take_up_lease(e, call, &err);
	if (rc != SFS_OK && rc != SFS_E_EXISTS)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "published, but the run record does not say so "
		        "build=%s cause=\"%s\"",
		        e->name, err.msg);
	sfs_engine_finish(e, call);
}
