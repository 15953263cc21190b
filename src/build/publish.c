/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing, and what becomes of a publisher that died.
 *
 *	step			what a crash just behind it leaves
 *	settled			shards of a run that is "running"
 *	lease confirmed		the same
 *	intent "swap"		the same
 *	manifest put		a manifest that is hidden: its run is running
 *	tag put			a tag of that; the next owner takes both back
 *	_CURRENT swapped	the new snapshot; the next owner sees it is done
 *	record, log		nothing to do
 *
 * Up to the swap everything is undone when a step fails, and the build stays
 * as it is: the next try begins at the first step, where nothing is left to
 * do. Behind it, failures are logged and the publish has succeeded.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/debugstep.h"
#include "base/log.h"
#include "catalog/tags.h"
#include "format/current.h"

#include <string.h>

enum { SWAP_TRIES = 1000 };

/* One publish under way. */
struct publish {
	struct sfs_engine *engine;
	const struct sfs_call *call;
	char tag[SFS_BUILD_TEXT_BYTES]; /* "": none */
	struct sfs_snapshot_id id;
	struct sfs_pointer pointer; /* zero: nothing is published */
	bool is_unknown;            /* whether the swap happened */
};

static struct sfs_catalog *catalog_of(const struct publish *p)
{
	return p->engine->context.catalog;
}

/* What is current, as it was looked at; false: nothing that has a name. */
static bool current_id(const struct publish *p, struct sfs_snapshot_id *out)
{
	struct sfs_err unwanted;

	return p->pointer.current != NULL &&
	       sfs_snapshot_id_from_ref(p->pointer.current->manifest_ref, out,
	                                &unwanted) == SFS_OK;
}

/* --- preparing ----------------------------------------------------------- */

static enum sfs_rc read_tag(struct sfs_engine *e, char *out, size_t cap,
                            struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_BUILD_TEXT_BYTES);
	bool found = false;
	enum sfs_rc rc;

	out[0] = '\0';
	rc = sfs_files_read_top(e->files, "tag", &text, &found, err);
	while (text.len > 0 && (text.data[text.len - 1] == '\n' ||
	                        text.data[text.len - 1] == ' '))
		text.len--;
	if (rc == SFS_OK && text.len > 0)
		(void)snprintf(out, cap, "%.*s", (int)text.len, text.data);
	sfs_buf_release(&text);
	return rc;
}

/* A tag that is taken is told before anything is written. */
static enum sfs_rc check_tag(struct publish *p, struct sfs_err *err)
{
	struct sfs_engine *e = p->engine;
	struct sfs_catalog *c = catalog_of(p);
	struct sfs_snapshot_id taken;
	enum sfs_rc rc;

	rc = read_tag(e, p->tag, sizeof(p->tag), err);
	if (rc != SFS_OK || p->tag[0] == '\0')
		return rc;
	if (!sfs_tag_name_is_valid(p->tag)) {
		sfs_engine_problem(e,
		                   "tag: %s is no name of a tag: letters, "
		                   "digits, '.', '_' and '-', no '.' in front",
		                   p->tag);
		return sfs_engine_refuse(e, err);
	}
	rc = c->ops->get_tag(c, p->tag, &taken, p->call, err);
	if (rc == SFS_E_NOT_FOUND)
		return SFS_OK;
	if (rc == SFS_OK)
		return sfs_err_set(err, SFS_E_EXISTS,
		                   "tag %s exists; write another name into "
		                   "staging/%s/tag, or remove tags/%s",
		                   p->tag, e->name, p->tag);
	return rc;
}

/* Reads the pointer, and checks that the base is still current. */
static enum sfs_rc look(struct publish *p, struct sfs_err *err)
{
	struct sfs_catalog *c = catalog_of(p);
	struct sfs_engine *e = p->engine;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	sfs_pointer_release(&p->pointer);
	p->pointer = (struct sfs_pointer){ 0 };
	rc = c->ops->current(c, &p->pointer, p->call, err);
	if (rc == SFS_E_NOT_FOUND)
		rc = SFS_OK;
	if (rc != SFS_OK || !e->has_base)
		return rc;
	if (current_id(p, &id) &&
	    sfs_snapshot_id_compare(&id, &e->base_id) == 0)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_STALE,
	                   "the base of build %s is no longer current; take "
	                   "the new one (ln -sfn ../../current "
	                   "staging/%s/base) and publish again",
	                   e->name, e->name);
}

/* The time of this try: whole microseconds, after what is current. */
static void choose_id(struct publish *p)
{
	int64_t now = sfs_clock_wall_ns() / 1000 * 1000;
	struct sfs_snapshot_id old;

	if (current_id(p, &old) && now <= old.published_at_ns)
		now = old.published_at_ns + 1000;
	if (now <= p->id.published_at_ns)
		now = p->id.published_at_ns + 1000;
	p->id.published_at_ns = now;
	(void)snprintf(p->id.run_id, sizeof(p->id.run_id), "%s",
	               p->engine->run_id);
}

/* --- one try ------------------------------------------------------------- */

static enum sfs_rc put_manifest(struct publish *p, struct sfs_err *err)
{
	const char *parent =
		p->pointer.current != NULL ? p->pointer.current->run_id : NULL;
	struct sfs_catalog *c = catalog_of(p);
	struct sfs_manifest *m = NULL;
	struct sfs_call call;
	void *data = NULL;
	size_t len;
	enum sfs_rc rc;

	rc = sfs_engine_compose(p->engine, &p->id, parent, &m, err);
	if (rc == SFS_OK)
		rc = sfs_manifest_serialize(m, &data, &len, err);
	if (rc == SFS_OK)
		rc = sfs_debug_step("publish.manifest", err);
	if (rc == SFS_OK) {
		p->engine->in_doubt = true; /* even if that fails half way */
		call = sfs_engine_lock_call(p->engine, p->call);
		rc = c->ops->put_manifest(c, &p->id, data, len, &call, err);
	}
	sfs_free(data);
	sfs_manifest_free(m);
	return rc;
}

/*
 * Takes back what a try that did not win has left. What cannot be taken back
 * now stays in doubt, and the next try begins with it.
 */
static enum sfs_rc undo(struct publish *p, enum sfs_rc failed,
                        struct sfs_err *err)
{
	struct sfs_engine *e = p->engine;
	struct sfs_call call = sfs_engine_lock_call(e, NULL);
	struct sfs_err why;

	if (!e->in_doubt || p->is_unknown ||
	    sfs_engine_take_back(e, &call, &why) == SFS_OK)
		return failed;
	sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
	        "the manifest of a failed publish stays, hidden, until the "
	        "next try run_id=%s cause=\"%s\"",
	        p->id.run_id, why.msg);
	if (failed != SFS_E_CONFLICT)
		return failed;
	*err = why; /* not another try on top of it */
	return why.rc;
}

/* The swap failed, and may have happened all the same. */
static enum sfs_rc ask(struct publish *p, enum sfs_rc failed,
                       struct sfs_err *err)
{
	enum sfs_descent found;
	struct sfs_err why;

	if (failed == SFS_E_CONFLICT || failed == SFS_E_BUSY)
		return failed;
	if (sfs_engine_was_published(p->engine, &found, NULL, &why) != SFS_OK)
		found = SFS_DESCENT_UNKNOWN;
	p->is_unknown = found == SFS_DESCENT_UNKNOWN;
	if (found != SFS_DESCENT_FOUND)
		return failed;
	sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
	        "the swap reported a failure but happened run_id=%s "
	        "cause=\"%s\"",
	        p->id.run_id, err->msg);
	return SFS_OK;
}

static enum sfs_rc swap(struct publish *p, struct sfs_err *err)
{
	struct sfs_engine *e = p->engine;
	struct sfs_catalog *c = catalog_of(p);
	struct sfs_current next = { .updated_at_ns = p->id.published_at_ns };
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_call call;
	enum sfs_rc rc;
	int len;

	sfs_snapshot_id_manifest_key(&p->id, key);
	len = snprintf(next.manifest_ref, sizeof(next.manifest_ref), "%s/%s",
	               e->context.url, key);
	if (len < 0 || (size_t)len >= sizeof(next.manifest_ref))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s: the URL is too long", e->context.url);
	(void)snprintf(next.run_id, sizeof(next.run_id), "%s", p->id.run_id);
	rc = sfs_debug_step("publish.swap", err);
	if (rc == SFS_OK)
		rc = sfs_engine_check(e, p->call, err);
	if (rc != SFS_OK)
		return rc;
	call = sfs_engine_lock_call(e, p->call);
	rc = c->ops->swap(c, &next, &p->pointer.tag, NULL, &call, err);
	return rc == SFS_OK ? SFS_OK : ask(p, rc, err);
}

/* Durable before anything of this try is in the store. */
static enum sfs_rc note_intent(struct publish *p, struct sfs_err *err)
{
	struct sfs_engine *e = p->engine;
	struct sfs_snapshot_id before;

	e->swap_id = p->id;
	e->swap_from[0] = '\0';
	if (current_id(p, &before))
		sfs_snapshot_id_text(&before, e->swap_from);
	e->has_swap_id = true;
	(void)snprintf(e->swap_tag, sizeof(e->swap_tag), "%s", p->tag);
	return sfs_engine_save_intent(e, "swap", err);
}

static enum sfs_rc try_once(struct publish *p, struct sfs_err *err)
{
	struct sfs_catalog *c = catalog_of(p);
	struct sfs_engine *e = p->engine;
	struct sfs_call call;
	enum sfs_rc rc;

	rc = look(p, err);
	if (rc != SFS_OK)
		return rc;
	choose_id(p);
	rc = note_intent(p, err);
	if (rc == SFS_OK)
		rc = put_manifest(p, err);
	if (rc == SFS_OK && p->tag[0] != '\0') {
		call = sfs_engine_lock_call(e, p->call);
		rc = c->ops->put_tag(c, p->tag, &p->id, &call, err);
	}
	if (rc == SFS_OK)
		rc = swap(p, err);
	return rc == SFS_OK ? SFS_OK : undo(p, rc, err);
}

/* Without a base, on top of whatever won. */
static enum sfs_rc try_until_won(struct publish *p, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_E_CONFLICT;

	for (int i = 0; i < SWAP_TRIES && rc == SFS_E_CONFLICT; i++) {
		enum sfs_rc stop;

		rc = try_once(p, err);
		if (rc != SFS_E_CONFLICT)
			break;
		stop = sfs_engine_check(p->engine, p->call, err);
		if (stop != SFS_OK)
			return stop;
	}
	if (rc == SFS_E_CONFLICT)
		rc = sfs_err_set(err, SFS_E_BUSY,
		                 "other publishers were faster again and "
		                 "again; try once more");
	return rc;
}

/* --- all of it ----------------------------------------------------------- */

static enum sfs_rc confirm_lease(struct sfs_engine *e,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_call locked = sfs_engine_lock_call(e, call);
	enum sfs_rc rc;

	/* where the store failed before there may be no record yet */
	if (e->lease == NULL || e->record_key[0] == '\0')
		rc = sfs_engine_take_up_lease(e, call, err);
	else
		rc = sfs_lease_confirm(e->lease, &locked, err);
	if (rc != SFS_E_CONFLICT && rc != SFS_E_EXISTS)
		return rc;
	/* gc took the run for dead: its shards may be gone */
	sfs_lease_close(e->lease);
	e->lease = NULL;
	for (uint32_t i = 0; i < e->num_dbs; i++)
		sfs_shard_release(&e->shards[i]);
	return sfs_err_set(err, SFS_E_TRANSIENT,
	                   "the run of build %s was claimed by a garbage "
	                   "collection; try again, the shards are built anew",
	                   e->name);
}

static enum sfs_rc publish_owned(struct publish *p, struct sfs_err *err)
{
	struct sfs_engine *e = p->engine;
	bool is_published;
	enum sfs_rc rc;

	rc = sfs_engine_resolve(e, &is_published, p->call, err);
	if (rc == SFS_OK && is_published) {
		p->id = e->swap_id;
		sfs_engine_conclude(e, NULL);
		return SFS_OK;
	}
	if (rc == SFS_OK)
		rc = sfs_engine_settle_owned(e, true, p->call, err);
	if (rc == SFS_OK)
		rc = sfs_debug_step("publish.settled", err);
	if (rc == SFS_OK)
		rc = check_tag(p, err);
	if (rc == SFS_OK)
		rc = confirm_lease(e, p->call, err);
	if (rc == SFS_OK)
		rc = try_until_won(p, err);
	if (rc == SFS_OK)
		sfs_engine_finish(e, NULL);
	return rc;
}

/* For errors; what bad records and shards did stands there anyway. */
static void note_refusal(struct sfs_engine *e, enum sfs_rc rc,
                         const struct sfs_err *err)
{
	pthread_mutex_lock(&e->lock);
	e->refusal = (struct sfs_err){ .rc = SFS_OK };
	if (rc != SFS_OK && !sfs_engine_has_problems_locked(e))
		e->refusal = *err;
	pthread_mutex_unlock(&e->lock);
}

enum sfs_rc sfs_engine_publish(struct sfs_engine *e,
                               struct sfs_snapshot_id *id_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct publish p = { .engine = e, .call = call };
	enum sfs_rc rc = sfs_engine_work_begin(e, call, err);

	if (rc != SFS_OK)
		return rc;
	note_refusal(e, SFS_OK, NULL);
	rc = publish_owned(&p, err);
	sfs_pointer_release(&p.pointer);
	note_refusal(e, rc, err);
	sfs_engine_work_end(e);
	if (rc == SFS_OK)
		*id_out = p.id;
	if (rc == SFS_E_INVALID || rc == SFS_E_TOO_BIG) /* settings, texts */
		err->rc = rc = SFS_E_CORRUPT;
	return rc;
}
