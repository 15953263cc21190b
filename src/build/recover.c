/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left in the store by a build whose owner died, and by one that is
 * given up.
 */
#include "build/engine_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "build/gc.h"

#include <string.h>

enum { LOCK_MS = 1000 };

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
 * or an ancestor of what is: then the swap happened. What it does not list
 * may be an ancestor all the same, behind a manifest that is gone; and it
 * lists all of those without a run record: then the chain alone tells.
 */
static enum sfs_rc find_swapped(struct sfs_engine *e, enum sfs_descent *out,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_catalog *c = e->context.catalog;
	struct search search = { .id = &e->swap_id };
	enum sfs_rc rc = SFS_OK;

	if (e->record_key[0] != '\0')
		rc = c->ops->history(c, match, &search, call, err);
	if (rc == SFS_OK && !search.found)
		return sfs_history_descent(c, e->context.store, &e->swap_id,
		                           out, call, err);
	*out = SFS_DESCENT_FOUND;
	return rc;
}

enum sfs_rc sfs_engine_was_published(struct sfs_engine *e,
                                     enum sfs_descent *out,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	struct sfs_call locked = sfs_engine_lock_call(e, call);
	enum sfs_rc rc;

	*out = SFS_DESCENT_UNKNOWN;
	rc = find_swapped(e, out, call, err);
	if (rc == SFS_OK && *out == SFS_DESCENT_FOUND)
		rc = sfs_pointer_confirm(e->context.catalog, &locked, err);
	if (rc != SFS_OK)
		*out = SFS_DESCENT_UNKNOWN;
	return rc;
}

/* The tag that was put for a swap that never came, if it is that one. */
static enum sfs_rc take_back_tag(struct sfs_engine *e,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_catalog *c = e->context.catalog;
	struct sfs_snapshot_id named;
	enum sfs_rc rc;

	if (e->swap_tag[0] == '\0')
		return SFS_OK;
	rc = c->ops->get_tag(c, e->swap_tag, &named, call, err);
	if (rc == SFS_OK && sfs_snapshot_id_compare(&named, &e->swap_id) == 0)
		rc = c->ops->delete_tag(c, e->swap_tag, call, err);
	if (rc == SFS_E_NOT_FOUND || rc == SFS_E_INVALID ||
	    rc == SFS_E_CORRUPT) /* then it is not ours */
		rc = SFS_OK;
	return rc;
}

enum sfs_rc sfs_engine_take_back(struct sfs_engine *e,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_catalog *c = e->context.catalog;
	enum sfs_rc rc = take_back_tag(e, call, err);

	if (rc == SFS_OK)
		rc = c->ops->delete_manifest(c, &e->swap_id, call, err);
	if (rc == SFS_E_NOT_FOUND)
		rc = SFS_OK;
	if (rc == SFS_OK)
		e->in_doubt = false;
	return rc;
}

/*
 * It may be an ancestor of what is current: nothing of the run is deleted or
 * written over any more, and the build begins another one.
 */
static void leave_run(struct sfs_engine *e)
{
	sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
	        "whether it was published cannot be told, manifests behind it "
	        "are gone: what it wrote stays, and is built anew build=%s "
	        "run_id=%s",
	        e->name, e->run_id);
	for (uint32_t i = 0; i < e->num_dbs; i++)
		sfs_shard_release(&e->shards[i]);
	sfs_lease_close(e->lease);
	e->lease = NULL;
	e->record_key[0] = '\0';
	pthread_mutex_lock(&e->lock);
	e->run_id[0] = '\0';
	pthread_mutex_unlock(&e->lock);
	e->has_swap_id = false;
	e->in_doubt = false;
}

enum sfs_rc sfs_engine_resolve(struct sfs_engine *e, bool *is_published,
                               const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_descent found;
	enum sfs_rc rc;

	*is_published = false;
	if (!e->in_doubt)
		return SFS_OK;
	rc = sfs_engine_was_published(e, &found, call, err);
	if (rc != SFS_OK)
		return rc;
	*is_published = found == SFS_DESCENT_FOUND;
	if (found == SFS_DESCENT_NONE)
		return sfs_engine_take_back(e, call, err);
	if (found == SFS_DESCENT_UNKNOWN)
		leave_run(e);
	return SFS_OK;
}

enum sfs_rc sfs_engine_recover(struct sfs_engine *e, bool *is_published,
                               struct sfs_snapshot_id *id_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_engine_work_begin(e, call, err);

	*is_published = false;
	if (rc != SFS_OK)
		return rc;
	rc = sfs_engine_load_intent(e, err);
	if (rc == SFS_OK)
		rc = sfs_engine_resolve(e, is_published, call, err);
	if (rc == SFS_OK && *is_published) {
		*id_out = e->swap_id;
		sfs_engine_conclude(e, call);
	}
	sfs_engine_work_end(e);
	return rc;
}

/* --- giving up ----------------------------------------------------------- */

static enum sfs_rc delete_shards(struct sfs_engine *e, struct sfs_err *err)
{
	const char *shards = e->config.shard_prefix;
	char prefix[SFS_STORE_KEY_MAX];

	if (e->old_prefix[0] != '\0')
		shards = e->old_prefix;
	sfs_run_key_prefix(shards, e->run_id, prefix, sizeof(prefix));
	return sfs_gc_losers(e->context.store, prefix, NULL, 0, NULL, err);
}

/* The run's objects go, and its record ends. */
static enum sfs_rc end_run(struct sfs_engine *e, const struct sfs_call *call,
                           struct sfs_err *err)
{
	enum sfs_rc taken = SFS_OK;
	struct sfs_err why;
	enum sfs_rc rc;

	if (e->record_key[0] != '\0')
		taken = sfs_engine_take_up_lease(e, call, &why);
	if (taken == SFS_E_EXISTS)
		return SFS_OK; /* it has succeeded: all of it is needed */
	rc = delete_shards(e, err);
	if (rc == SFS_OK && e->lease != NULL)
		rc = sfs_lease_fail(e->lease, "BuildAborted",
		                    "the build was ended by its user", call,
		                    err);
	if (rc == SFS_E_CONFLICT)
		rc = SFS_OK; /* gc has ended it */
	if (rc != SFS_OK || taken == SFS_OK || taken == SFS_E_CONFLICT)
		return rc;
	*err = why;
	return taken;
}

/* Nothing of it is in the store afterwards but its record. */
static enum sfs_rc give_up(struct sfs_engine *e, struct sfs_err *err)
{
	/* its own: the engine's is raised by now */
	const struct sfs_call call = { sfs_clock_ms() + LOCK_MS, NULL };
	bool is_published = false;
	enum sfs_rc rc;

	rc = sfs_engine_resolve(e, &is_published, &call, err);
	if (rc == SFS_OK && is_published) {
		sfs_engine_conclude(e, &call);
		sfs_engine_drop_losers(e, &call);
	} else if (rc == SFS_OK && e->run_id[0] != '\0') {
		rc = end_run(e, &call, err);
	}
	return rc;
}

enum sfs_rc sfs_engine_discard(struct sfs_engine *e, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	sfs_engine_stop(e);
	if (e->run_id[0] != '\0')
		rc = give_up(e, err);
	sfs_lease_close(e->lease);
	e->lease = NULL;
	return rc;
}
