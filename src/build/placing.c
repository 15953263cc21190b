/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which shard a record goes to. Where that depends on all records (routing
 * values that are inferred, a number of shards that is found, ranges by the
 * keys), they are read once for a survey, and when the build settles a second
 * time, to be placed. The survey goes on meanwhile, so that what comes later
 * is seen: if it makes another placement, everything is read once more.
 */
#include "build/engine_internal.h"

#include "build/where_name.h"
#include "format/tokens.h"

#include <inttypes.h>
#include <string.h>

/* --- one record ------------------------------------------------------------ */

static enum sfs_rc refuse_token(const struct sfs_engine *e,
                                const struct sfs_route *route,
                                struct sfs_err *err)
{
	struct sfs_err why;

	(void)sfs_route_refuse(&e->router, route, &why);
	return sfs_err_set(err, SFS_E_INVALID,
	                   "%.350s: add it there (with a base, which fixes "
	                   "them, build without it), or mend the record",
	                   why.msg);
}

/* To the survey: *is_known tells if it was in what the router knows. */
static enum sfs_rc survey_token(struct sfs_engine *e, struct sfs_bytes key,
                                const struct sfs_columns *columns,
                                bool *is_known, uint32_t *db_id,
                                struct sfs_err *err)
{
	struct sfs_route route = { .is_known = false };
	enum sfs_rc rc;

	rc = sfs_router_token(&e->router, key, columns, &route.token, err);
	if (rc != SFS_OK)
		return rc;
	*is_known = false;
	if (e->runs != NULL && e->router.tokens != NULL)
		*is_known = sfs_token_index_find(e->router.tokens, &route.token,
		                                 db_id);
	if (*is_known)
		return SFS_OK;
	rc = sfs_survey_add_token(e->survey, &route.token, err);
	if (rc != SFS_OK || e->runs == NULL || e->router.tokens != NULL)
		return rc;
	/* it was found not to be negative */
	*is_known = route.token.as.uinteger < e->router.num_dbs;
	*db_id = (uint32_t)route.token.as.uinteger;
	return SFS_OK;
}

static enum sfs_rc route(const struct sfs_engine *e, struct sfs_bytes key,
                         const struct sfs_columns *columns, uint32_t *db_id,
                         struct sfs_err *err)
{
	struct sfs_route route;
	struct sfs_err why;
	enum sfs_rc rc;

	if (e->placement != NULL &&
	    e->placement->mode == SFS_PLACEMENT_BOUNDS) {
		*db_id = sfs_placement_range(e->placement, key);
		return SFS_OK;
	}
	rc = sfs_router_route(&e->router, key, columns, &route, err);
	if (rc == SFS_OK && !route.is_known)
		return refuse_token(e, &route, err);
	if (rc == SFS_E_INVALID && e->router.tokens == NULL &&
	    (route.token.kind == SFS_CEL_INT ||
	     route.token.kind == SFS_CEL_UINT)) {
		why = *err;
		return sfs_err_set(err, rc, "ShardAssignmentError: %.400s",
		                   why.msg);
	}
	if (rc == SFS_OK)
		*db_id = route.db_id;
	return rc;
}

enum sfs_rc sfs_engine_place(struct sfs_engine *e,
                             const struct sfs_record *record, bool *is_placed,
                             uint32_t *db_id, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	*is_placed = e->runs != NULL;
	if (e->survey != NULL && !sfs_survey_is_of_keys(e->survey)) {
		rc = survey_token(e, record->key, record->columns, is_placed,
		                  db_id, err);
		if (rc == SFS_OK && !*is_placed && e->runs != NULL)
			atomic_store(&e->has_unplaced, true);
		return rc;
	}
	if (e->survey != NULL && !record->is_delete)
		rc = sfs_survey_add_key(e->survey, record->key, err);
	if (rc == SFS_OK && *is_placed)
		rc = route(e, record->key, record->columns, db_id, err);
	return rc;
}

/* --- one file ---------------------------------------------------------------- */

static enum sfs_rc read_columns(struct sfs_key_name *out,
                                const struct sfs_engine *e,
                                const struct sfs_build_place *at,
                                const char *key, struct sfs_err *err)
{
	if (e->placement == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "keys of this build are routed by hash; mv "
		                   "it to keys/, or set cel in config.yaml");
	out->has_columns = true;
	return sfs_where_parse(at->name, (size_t)(key - at->name),
	                       &e->placement->sharding, &out->columns, err);
}

enum sfs_rc sfs_key_name_read(struct sfs_key_name *out,
                              const struct sfs_engine *e,
                              const struct sfs_build_place *at,
                              struct sfs_err *err)
{
	const enum sfs_key_encoding encoding = e->config.key_encoding;
	const char *key = at->name;
	size_t len;

	out->has_columns = false;
	if (at->dir == SFS_BUILD_WHERE)
		key = sfs_where_key(key);
	len = strlen(key);
	out->key = (struct sfs_bytes){ out->room, 0 };
	if (sfs_key_room(len) > sizeof(out->room) ||
	    !sfs_key_from_canonical_name(encoding, key, len, out->room,
	                                 &out->key.len))
		return sfs_err_set(
			err, SFS_E_INVALID,
			"no key of the encoding %s; rename it, remove it, or "
			"set key_encoding in config.yaml",
			sfs_key_encoding_text(encoding));
	if (at->dir != SFS_BUILD_WHERE)
		return SFS_OK;
	return read_columns(out, e, at, key, err);
}

void sfs_key_name_release(struct sfs_key_name *name)
{
	if (name->has_columns)
		sfs_columns_release(&name->columns);
	name->has_columns = false;
}

static enum sfs_rc check_columns(const struct sfs_engine *e,
                                 const struct sfs_columns *columns,
                                 struct sfs_err *err)
{
	const char *missing = "";

	if (sfs_router_can_route(&e->router, columns, &missing))
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   "keys are routed by columns (%s), which this file "
	                   "does not have: mv it to where/%s=VALUE/keys/; many "
	                   "such records go through ingest/",
	                   missing, missing);
}

enum sfs_rc sfs_engine_place_key(const struct sfs_engine *e,
                                 const struct sfs_key_name *name,
                                 uint32_t *db_id, struct sfs_err *err)
{
	const struct sfs_columns *columns =
		name->has_columns ? &name->columns : NULL;
	enum sfs_rc rc;

	if (e->router.program == NULL) {
		*db_id = sfs_router_hash(&e->router, name->key);
		return SFS_OK;
	}
	rc = check_columns(e, columns, err);
	return rc == SFS_OK ? route(e, name->key, columns, db_id, err) : rc;
}

/* --- what is routed by ------------------------------------------------------- */

static bool needs_survey(const struct sfs_engine *e)
{
	return sfs_placement_needs_survey(e->config.placement,
	                                  e->config.num_dbs);
}

/* The router; for a survey with num_dbs 0 it yields tokens only. */
enum sfs_rc sfs_engine_set_router(struct sfs_engine *e, uint32_t num_dbs,
                                  struct sfs_placement *p, struct sfs_err *err)
{
	struct sfs_placement *old = e->placement;
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&e->lock); /* status looks at it */
	sfs_router_release(&e->router);
	e->placement = sfs_placement_ref(p);
	if (p != NULL && p->sharding.strategy == SFS_STRATEGY_CEL)
		rc = sfs_router_init(&e->router, &p->sharding,
		                     e->config.key_encoding, num_dbs, err);
	else
		sfs_router_init_hash(&e->router, e->config.key_encoding,
		                     num_dbs);
	atomic_store(&e->has_unplaced, false);
	pthread_mutex_unlock(&e->lock);
	sfs_placement_unref(old);
	return rc;
}

enum sfs_rc sfs_engine_begin_reading(struct sfs_engine *e, struct sfs_err *err)
{
	struct sfs_survey *made = NULL;
	enum sfs_rc rc = SFS_OK;

	if (needs_survey(e))
		rc = sfs_survey_new(e->config.placement, &made, err);
	if (rc != SFS_OK)
		return rc;
	sfs_survey_free(e->survey);
	e->survey = made;
	return sfs_engine_reparse(e, made != NULL ? 0 : e->config.num_dbs,
	                          e->config.placement, err);
}

/* --- surveying and counting ---------------------------------------------------- */

struct key_walk {
	struct sfs_engine *engine;
	struct sfs_survey *survey; /* NULL: they are only counted */
	struct sfs_err refusal;    /* why the first one was not surveyed */
	struct sfs_place_text refused;
};

static enum sfs_rc survey_key(struct key_walk *w,
                              const struct sfs_key_name *name,
                              struct sfs_err *err)
{
	const struct sfs_columns *columns =
		name->has_columns ? &name->columns : NULL;
	struct sfs_cel_value token;
	enum sfs_rc rc;

	if (sfs_survey_is_of_keys(w->survey))
		return sfs_survey_add_key(w->survey, name->key, err);
	rc = check_columns(w->engine, columns, err);
	if (rc == SFS_OK)
		rc = sfs_router_token(&w->engine->router, name->key, columns,
		                      &token, err);
	if (rc == SFS_OK)
		rc = sfs_survey_add_token(w->survey, &token, err);
	return rc;
}

/* What is wrong with a file is found when all of them are marked. */
static enum sfs_rc look_at_key(void *arg, const struct sfs_key_file *file,
                               struct sfs_err *err)
{
	struct key_walk *w = arg;
	struct sfs_key_name name;
	enum sfs_rc rc;

	w->engine->key_files++;
	if (w->survey == NULL)
		return SFS_OK;
	rc = sfs_key_name_read(&name, w->engine, &file->at, err);
	if (rc == SFS_OK)
		rc = survey_key(w, &name, err);
	sfs_key_name_release(&name);
	if (rc != SFS_E_INVALID)
		return rc;
	if (w->refusal.rc == SFS_OK) {
		w->refusal = *err;
		(void)sfs_place_print(file->at.dir, file->at.name, &w->refused);
	}
	return SFS_OK;
}

static enum sfs_rc look_at_keys(struct key_walk *w, struct sfs_err *err)
{
	w->engine->key_files = 0;
	return sfs_files_walk_keys(w->engine->files, look_at_key, w, err);
}

/* As many as keep the keys of each at about max_keys_per_shard. */
static enum sfs_rc shards_for_records(struct sfs_engine *e, uint32_t *out,
                                      struct sfs_err *err)
{
	const uint64_t per_shard = e->config.max_keys_per_shard;
	uint64_t records;
	uint64_t wanted;

	pthread_mutex_lock(&e->lock);
	records = sfs_engine_records_locked(e) + e->key_files;
	pthread_mutex_unlock(&e->lock);
	wanted = records / per_shard + (records % per_shard > 0);
	if (wanted > SFS_NUM_DBS_MAX)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "config.yaml: max_keys_per_shard makes "
		                   "%" PRIu64 " shards; %d is the limit",
		                   wanted, SFS_NUM_DBS_MAX);
	*out = wanted > 0 ? (uint32_t)wanted : 1;
	return SFS_OK;
}

/* The survey of all records, those in keys/ too, makes a placement. */
static enum sfs_rc resolve(struct sfs_engine *e, struct sfs_placement **out,
                           uint32_t *num_dbs, struct sfs_err *err)
{
	struct sfs_survey *all = NULL;
	struct key_walk walk = { .engine = e };
	uint32_t wanted = e->config.num_dbs;
	enum sfs_rc rc;

	rc = sfs_survey_new(e->config.placement, &all, err);
	walk.survey = all;
	if (rc == SFS_OK)
		rc = sfs_survey_merge(all, e->survey, err);
	if (rc == SFS_OK)
		rc = look_at_keys(&walk, err);
	if (rc == SFS_OK && e->config.max_keys_per_shard > 0)
		rc = shards_for_records(e, &wanted, err);
	if (rc == SFS_OK)
		rc = sfs_survey_resolve(all, e->config.key_encoding, wanted,
		                        out, num_dbs, err);
	sfs_survey_free(all);
	if (rc == SFS_E_CORRUPT)
		sfs_engine_problem(e, "%s", err->msg);
	if (rc == SFS_E_CORRUPT && walk.refusal.rc != SFS_OK)
		sfs_engine_problem(e, "%s: %.400s", walk.refused.text,
		                   walk.refusal.msg);
	return rc;
}

static enum sfs_rc find_placement(struct sfs_engine *e,
                                  struct sfs_placement **out, uint32_t *num_dbs,
                                  struct sfs_err *err)
{
	struct key_walk walk = { .engine = e };
	enum sfs_rc rc;

	if (e->survey != NULL)
		return resolve(e, out, num_dbs, err);
	*out = sfs_placement_ref(e->config.placement);
	*num_dbs = e->config.num_dbs;
	if (*num_dbs > 0)
		return SFS_OK;
	rc = look_at_keys(&walk, err);
	return rc == SFS_OK ? shards_for_records(e, num_dbs, err) : rc;
}

/*
 * Records were only counted, or surveyed, if the placement depends on them:
 * then they are read a second time. A record that came meanwhile and has no
 * place makes another placement.
 */
enum sfs_rc sfs_engine_choose_placement(struct sfs_engine *e, uint32_t *num_dbs,
                                        const struct sfs_call *call,
                                        struct sfs_err *err)
{
	struct sfs_placement *p = NULL;
	bool is_done = false;
	enum sfs_rc rc;

	do {
		rc = find_placement(e, &p, num_dbs, err);
		if (rc != SFS_OK)
			return rc;
		is_done = e->runs != NULL && e->router.num_dbs == *num_dbs &&
		          sfs_placement_is_same(p, e->placement);
		if (!is_done) {
			e->reparses++;
			rc = sfs_engine_reparse(e, *num_dbs, p, err);
			if (rc == SFS_OK)
				rc = sfs_engine_catch_up(e, call, err);
			is_done = !atomic_load(&e->has_unplaced);
		}
		sfs_placement_unref(p);
		p = NULL;
		if (rc == SFS_OK)
			rc = sfs_engine_check(e, call, err);
	} while (rc == SFS_OK && !is_done);
	return rc;
}
