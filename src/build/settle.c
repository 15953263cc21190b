/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling: finds out which shards are not what the files say, and builds
 * those, several at a time. Afterwards all of them are durable in the store,
 * and settling again has nothing to do until the files change.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/debugstep.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/uuid.h"

#include <inttypes.h>
#include <string.h>

enum { OPEN_FILES_WAIT_MS = 3000, THREADS_MAX = 64 };

/* --- the base ----------------------------------------------------------- */

void sfs_engine_drop_base(struct sfs_engine *e)
{
	sfs_digests_release(&e->base_digests);
	sfs_manifest_free(e->base);
	e->base = NULL;
	e->has_base = false;
}

/* As long as they contradict each other each settling is refused. */
static enum sfs_rc check_base(struct sfs_engine *e, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_config_check_base(&e->config, e->base, err);

	if (rc != SFS_E_INVALID)
		return rc;
	sfs_engine_problem(e, "config.yaml: %s", err->msg);
	return SFS_OK;
}

static enum sfs_rc load_base(struct sfs_engine *e, const struct sfs_call *call,
                             struct sfs_err *err)
{
	struct sfs_catalog *catalog = e->context.catalog;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	if (!sfs_files_get_base(e->files, &id)) {
		if (e->has_base)
			sfs_engine_shards_free(e);
		sfs_engine_drop_base(e);
		return SFS_OK;
	}
	if (e->has_base && sfs_snapshot_id_compare(&id, &e->base_id) == 0)
		return check_base(e, err);
	sfs_engine_shards_free(e);
	sfs_engine_drop_base(e);
	rc = catalog->ops->load(catalog, &id, &e->base, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, SFS_E_STALE,
		                   "the base of build %s was deleted; link "
		                   "another one (ln -sfn ... base)",
		                   e->name);
	if (rc == SFS_OK)
		rc = sfs_digests_read(e->base, &e->base_digests, err);
	if (rc == SFS_OK)
		rc = check_base(e, err);
	if (rc != SFS_OK) {
		sfs_engine_drop_base(e);
		return rc;
	}
	e->base_id = id;
	e->has_base = true;
	return SFS_OK;
}

/* --- the number of shards ------------------------------------------------ */

void sfs_engine_shards_free(struct sfs_engine *e)
{
	for (uint32_t i = 0; e->shards != NULL && i < e->num_dbs; i++) {
		e->has_losers = e->has_losers || e->shards[i].has_object;
		sfs_shard_release(&e->shards[i]);
	}
	sfs_free(e->shards);
	sfs_free(e->marks);
	e->shards = NULL;
	e->marks = NULL;
	e->num_dbs = 0;
}

static enum sfs_rc make_shards(struct sfs_engine *e, uint32_t num_dbs,
                               struct sfs_err *err)
{
	if (e->shards != NULL && e->num_dbs == num_dbs)
		return SFS_OK;
	sfs_engine_shards_free(e);
	e->shards = sfs_calloc(num_dbs, sizeof(*e->shards));
	e->marks = sfs_calloc(num_dbs, sizeof(*e->marks));
	if (e->shards != NULL && e->marks != NULL) {
		e->num_dbs = num_dbs;
		return SFS_OK;
	}
	sfs_engine_shards_free(e);
	return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: out of memory for shards",
	                   e->name);
}

/* --- what is stale ------------------------------------------------------- */

static enum sfs_rc wait_for_writers(struct sfs_engine *e,
                                    const struct sfs_call *call,
                                    struct sfs_err *err)
{
	int64_t deadline = sfs_clock_ms() + OPEN_FILES_WAIT_MS;
	const struct timespec pause = { 0, 2000000 };
	char name[256];
	enum sfs_rc rc;

	/* close(2) returns before the kernel tells us of it */
	for (;;) {
		rc = sfs_engine_refresh(e, err);
		if (rc == SFS_OK)
			rc = sfs_engine_check(e, call, err);
		if (rc != SFS_OK)
			return rc;
		name[0] = '\0';
		pthread_mutex_lock(&e->lock);
		for (struct sfs_source *s = e->sources; s != NULL; s = s->next)
			if (s->is_open)
				(void)snprintf(name, sizeof(name), "%s",
				               s->name);
		pthread_mutex_unlock(&e->lock);
		if (name[0] == '\0')
			return SFS_OK;
		if (sfs_clock_ms() > deadline)
			return sfs_err_set(err, SFS_E_CORRUPT,
			                   "ingest/%s: still open for writing; "
			                   "close it first",
			                   name);
		(void)nanosleep(&pause, NULL);
	}
}

static bool is_same_mark(const struct sfs_shard_mark *a,
                         const struct sfs_shard_mark *b)
{
	return a->ingest == b->ingest && a->keys == b->keys;
}

static void set_to_seal(struct sfs_engine *e, uint32_t count)
{
	pthread_mutex_lock(&e->lock);
	e->to_seal = count;
	pthread_mutex_unlock(&e->lock);
}

static uint32_t mark_stale(struct sfs_engine *e)
{
	struct sfs_shard_mark *mark;
	struct sfs_shard *s;
	uint32_t stale = 0;

	for (uint32_t i = 0; i < e->num_dbs; i++) {
		mark = &e->marks[i];
		s = &e->shards[i];
		mark->ingest = sfs_runs_stamp(e->runs, i);
		if (mark->ingest != 0)
			mark->ingest = sfs_mix64(mark->ingest) ^ e->reparses;
		s->is_touched = mark->ingest != 0 || mark->keys != 0;
		if (s->state != SFS_SHARD_STALE &&
		    !is_same_mark(mark, &s->mark))
			sfs_shard_release(s);
		stale += s->state == SFS_SHARD_STALE;
	}
	return stale;
}

/* What was read, or the list of what is to be read, is void. */
static bool is_outdated(struct sfs_engine *e, bool counts_listing)
{
	bool is_due;

	pthread_mutex_lock(&e->lock);
	is_due = e->needs_reset || e->has_next_config ||
	         (counts_listing && e->needs_relist);
	pthread_mutex_unlock(&e->lock);
	return is_due;
}

static enum sfs_rc catch_up_all(struct sfs_engine *e, bool is_final,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	enum sfs_rc rc;

	do {
		rc = is_final ? wait_for_writers(e, call, err)
		              : sfs_engine_refresh(e, err);
		if (rc == SFS_OK)
			rc = sfs_engine_catch_up(e, call, err);
		if (rc == SFS_OK)
			rc = sfs_engine_check(e, call, err);
	} while (rc == SFS_OK && is_outdated(e, is_final));
	return rc;
}

/* From now on nothing is taken up: nobody is to wait for that. */
static void note_building(struct sfs_engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->is_building = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

static enum sfs_rc prepare_once(struct sfs_engine *e, bool is_final,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	uint32_t num_dbs = 0;
	enum sfs_rc rc;

	pthread_mutex_lock(&e->lock);
	e->is_building = false;
	sfs_buf_reset(&e->problems);
	e->problems_version = sfs_files_keys_version(e->files);
	pthread_mutex_unlock(&e->lock);
	do {
		rc = catch_up_all(e, is_final, call, err);
		if (rc == SFS_OK)
			rc = load_base(e, call, err);
		if (rc == SFS_OK)
			rc = sfs_engine_choose_placement(e, &num_dbs, call,
			                                 err);
		/* a second reading may be void before its end, too */
	} while (rc == SFS_OK && is_outdated(e, false));
	if (rc == SFS_OK)
		rc = make_shards(e, num_dbs, err);
	if (rc == SFS_OK) {
		note_building(e);
		rc = sfs_engine_mark_keys(e, call, err);
	}
	if (rc == SFS_OK)
		rc = sfs_engine_refuse(e, err);
	if (rc == SFS_OK)
		rc = sfs_runs_compact(e->runs, call, err);
	if (rc == SFS_OK)
		set_to_seal(e, mark_stale(e));
	return rc;
}

enum sfs_rc sfs_engine_prepare(struct sfs_engine *e, bool is_final,
                               const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc;

	do /* what was bad may be void already: a file that is written anew */
		rc = prepare_once(e, is_final, call, err);
	while (rc == SFS_E_CORRUPT && is_outdated(e, true) &&
	       sfs_engine_check(e, call, NULL) == SFS_OK);
	return rc;
}

/* --- the builders -------------------------------------------------------- */

struct team {
	struct sfs_engine *engine;
	const struct sfs_call *call;
	pthread_mutex_t lock;
	uint32_t next;      /* protected by lock, as all below */
	struct sfs_err err; /* the first failure */
};

/* The next stale shard; false: none, or one has failed. */
static bool take_shard(struct team *t, uint32_t *db_id)
{
	struct sfs_engine *e = t->engine;
	bool found = false;

	pthread_mutex_lock(&t->lock);
	while (t->err.rc == SFS_OK && !found && t->next < e->num_dbs) {
		*db_id = t->next++;
		found = e->shards[*db_id].state == SFS_SHARD_STALE;
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

static void *build_shards(void *arg)
{
	struct team *t = arg;
	struct sfs_engine *e = t->engine;
	struct sfs_err err;
	uint8_t *memory;
	uint32_t db_id;
	enum sfs_rc rc;

	if (!take_shard(t, &db_id))
		return NULL;
	memory = sfs_slabs_get(e->context.slabs);
	do {
		rc = sfs_engine_build_shard(e, db_id, memory, t->call, &err);
		if (rc != SFS_OK && rc != SFS_E_CANCELED)
			(void)sfs_err_wrap(&err, "ShardCoverageError: shard %u",
			                   db_id);
		if (rc != SFS_OK) {
			pthread_mutex_lock(&t->lock);
			if (t->err.rc == SFS_OK)
				t->err = err;
			pthread_mutex_unlock(&t->lock);
		}
		pthread_mutex_lock(&e->lock);
		e->sealed += rc == SFS_OK;
		pthread_mutex_unlock(&e->lock);
	} while (rc == SFS_OK && take_shard(t, &db_id));
	sfs_slabs_put(e->context.slabs, memory);
	return NULL;
}

static enum sfs_rc run_team(struct sfs_engine *e, const struct sfs_call *call,
                            struct sfs_err *err)
{
	struct team t = { .engine = e, .call = call };
	pthread_t threads[THREADS_MAX];
	unsigned count = e->context.threads;
	unsigned made = 0;

	pthread_mutex_init(&t.lock, NULL);
	count = count < THREADS_MAX ? count : THREADS_MAX;
	count = count < e->to_seal ? count : e->to_seal;
	while (made + 1 < count &&
	       pthread_create(&threads[made], NULL, build_shards, &t) == 0)
		made++;
	(void)build_shards(&t); /* this thread is one of them */
	for (unsigned i = 0; i < made; i++)
		(void)pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&t.lock);
	if (t.err.rc == SFS_OK)
		return SFS_OK;
	if (t.err.rc != SFS_E_CANCELED)
		sfs_engine_problem(e, "%s", t.err.msg);
	return sfs_err_set(err, t.err.rc, "%s", t.err.msg);
}

/* --- the run ------------------------------------------------------------- */

static enum sfs_rc begin_lease(struct sfs_engine *e,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_lease_config config = {
		.store = e->context.store,
		.run_prefix = e->context.run_prefix,
		.run_id = e->run_id,
		.s3_prefix = e->context.url,
		.shard_prefix = e->config.shard_prefix,
		.db_path_template = e->config.db_path_template,
		.writer_type = "shardyfs",
		.record_key = e->record_key[0] != '\0' ? e->record_key : NULL,
	};
	struct sfs_call locked = sfs_engine_lock_call(e, call);
	enum sfs_rc rc;

	if (e->lease != NULL) /* whose record may not be there */
		rc = sfs_lease_confirm(e->lease, &locked, err);
	else
		rc = sfs_lease_begin(&config, &e->lease, &locked, err);
	if (rc == SFS_OK) {
		(void)snprintf(e->record_key, sizeof(e->record_key), "%s",
		               sfs_lease_record_key(e->lease));
		return SFS_OK;
	}
	if (rc == SFS_E_CONFLICT || rc == SFS_E_EXISTS ||
	    rc == SFS_E_CANCELED || rc == SFS_E_BUSY)
		return rc;
	/* shardyfusion's rule: a run record never fails a build */
	sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
	        "no run record build=%s run_id=%s cause=\"%s\"", e->name,
	        e->run_id, err->msg);
	return SFS_OK;
}

static enum sfs_rc choose_run_id(struct sfs_engine *e, struct sfs_err *err)
{
	char id[SFS_UUID_HEX_BYTES];
	enum sfs_rc rc = sfs_uuid_hex(id, err);

	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&e->lock);
	memcpy(e->run_id, id, sizeof(id));
	pthread_mutex_unlock(&e->lock);
	return SFS_OK;
}

enum sfs_rc sfs_engine_take_up_lease(struct sfs_engine *e,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	bool is_known = e->lease != NULL && e->record_key[0] != '\0';

	return is_known ? SFS_OK : begin_lease(e, call, err);
}

/*
 * The run's id, and its record, before its first object. A run that has ended
 * or was claimed (its lease was long over) is given up for a new one.
 */
static enum sfs_rc begin_run(struct sfs_engine *e, const struct sfs_call *call,
                             struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	if (e->run_id[0] != '\0') {
		rc = sfs_engine_take_up_lease(e, call, err);
		if (rc != SFS_E_CONFLICT && rc != SFS_E_EXISTS)
			return rc;
		for (uint32_t i = 0; i < e->num_dbs; i++)
			sfs_shard_release(&e->shards[i]);
		set_to_seal(e, e->num_dbs);
		sfs_lease_close(e->lease);
		e->lease = NULL;
		e->record_key[0] = '\0';
	}
	rc = choose_run_id(e, err);
	if (rc == SFS_OK)
		rc = sfs_engine_save_intent(e, "building", err);
	if (rc == SFS_OK)
		rc = begin_lease(e, call, err);
	if (rc == SFS_OK)
		rc = sfs_engine_save_intent(e, "building", err);
	return rc;
}

static enum sfs_rc make_durable(struct sfs_engine *e,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	char prefix[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;

	sfs_run_key_prefix(e->config.shard_prefix, e->run_id, prefix,
	                   sizeof(prefix));
	rc = sfs_debug_step("build.barrier", err);
	if (rc == SFS_OK)
		rc = e->context.store->ops->barrier(e->context.store, prefix,
		                                    call, err);
	if (rc == SFS_OK)
		return SFS_OK;
	for (uint32_t i = 0; i < e->num_dbs; i++)
		sfs_shard_release(&e->shards[i]); /* built again */
	return rc;
}

static void log_settled(const struct sfs_engine *e, int64_t build_ms,
                        int64_t sync_ms)
{
	uint32_t count[SFS_SHARD_BUILT + 1] = { 0 };

	for (uint32_t i = 0; i < e->num_dbs; i++)
		count[e->shards[i].state]++;
	sfs_log(SFS_LOG_INFO, SFS_LOG_BUILD,
	        "settled build=%s run_id=%s shards=%" PRIu32 " written=%" PRIu32
	        " built=%" PRIu32 " linked=%" PRIu32 " empty=%" PRIu32
	        " build_ms=%lld sync_ms=%lld",
	        e->name, e->run_id, e->num_dbs, e->to_seal,
	        count[SFS_SHARD_BUILT], count[SFS_SHARD_LINKED],
	        count[SFS_SHARD_EMPTY], (long long)build_ms,
	        (long long)sync_ms);
}

static enum sfs_rc build_stale(struct sfs_engine *e,
                               const struct sfs_call *call, struct sfs_err *err)
{
	int64_t began_ms = sfs_clock_ms();
	int64_t built_ms;
	enum sfs_rc rc;

	rc = begin_run(e, call, err);
	if (rc == SFS_OK)
		rc = sfs_engine_read_keys(e, call, err);
	if (rc == SFS_OK)
		rc = run_team(e, call, err);
	built_ms = sfs_clock_ms();
	if (rc == SFS_OK)
		rc = make_durable(e, call, err);
	sfs_runs_free(e->overlay);
	e->overlay = NULL;
	if (rc == SFS_OK)
		log_settled(e, built_ms - began_ms, sfs_clock_ms() - built_ms);
	return rc;
}

/*
 * What was published is not written over: while a swap is in doubt nothing is
 * built, and if it happened there is nothing to build.
 */
enum sfs_rc sfs_engine_settle_owned(struct sfs_engine *e, bool is_final,
                                    const struct sfs_call *call,
                                    struct sfs_err *err)
{
	bool is_published = false;
	enum sfs_rc rc;

	pthread_mutex_lock(&e->lock);
	e->is_settling = true;
	e->sealed = 0;
	e->needs_settle = false;
	pthread_mutex_unlock(&e->lock);
	rc = sfs_engine_resolve(e, &is_published, call, err);
	if (rc == SFS_OK && !is_published)
		rc = sfs_engine_prepare(e, is_final, call, err);
	if (rc == SFS_OK && !is_published)
		rc = sfs_engine_check_writable(e, err);
	if (rc == SFS_OK && !is_published && e->to_seal > 0)
		rc = build_stale(e, call, err);
	pthread_mutex_lock(&e->lock);
	e->is_settling = false;
	e->is_building = false;
	pthread_mutex_unlock(&e->lock);
	return rc;
}

enum sfs_rc sfs_engine_settle(struct sfs_engine *e, const struct sfs_call *call,
                              struct sfs_err *err)
{
	enum sfs_rc rc = sfs_engine_work_begin(e, call, err);

	if (rc != SFS_OK)
		return rc;
	rc = sfs_engine_settle_owned(e, false, call, err);
	sfs_engine_work_end(e);
	return rc;
}
