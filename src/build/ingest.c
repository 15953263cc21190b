/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading ingest files while they are written. Each file is a job that reads
 * what was added since, a slice at a time, and hands the records to a filler.
 * Fillers are shared by the files, since every record carries its rank; a
 * full one goes to the sorters, and the file goes on with the next.
 *
 * Slabs are shared by all builds. A filler that lies idle holds one, so the
 * one who took the last free slab spills when it has nothing more to read:
 * then there is always one for somebody else.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static struct sfs_source *source_of(struct sfs_job *job)
{
	return (struct sfs_source *)((char *)job -
	                             offsetof(struct sfs_source, job));
}

/* --- fillers ----------------------------------------------------------- */

static void free_slot_locked(struct sfs_fill_slot *slot)
{
	slot->state = SFS_SLOT_IDLE;
	pthread_cond_broadcast(&slot->engine->changed);
}

void sfs_engine_run_spill(struct sfs_job *job)
{
	struct sfs_fill_slot *slot =
		(struct sfs_fill_slot *)((char *)job -
	                                 offsetof(struct sfs_fill_slot, job));
	struct sfs_engine *e = slot->engine;
	struct sfs_err err;
	enum sfs_rc rc = sfs_run_filler_spill(slot->filler, &err);

	pthread_mutex_lock(&e->lock);
	if (rc != SFS_OK && e->fault.rc == SFS_OK) {
		e->fault = err;
		e->needs_reset = true;
	}
	free_slot_locked(slot);
	pthread_mutex_unlock(&e->lock);
}

/* An idle slot, one that holds records already if there is one. */
static struct sfs_fill_slot *find_slot_locked(struct sfs_engine *e)
{
	struct sfs_fill_slot *found = NULL;
	unsigned spilling = 0;

	for (int i = 0; i < SFS_ENGINE_SLOTS; i++) {
		struct sfs_fill_slot *slot = &e->slots[i];

		spilling += slot->state == SFS_SLOT_SPILLING;
		if (slot->state != SFS_SLOT_IDLE)
			continue;
		if (!sfs_run_filler_is_empty(slot->filler))
			return slot;
		found = slot;
	}
	return spilling < e->context.threads ? found : NULL;
}

/*
 * Nobody fills another slab while all sorters have one: it would only wait,
 * and take memory that was not used before.
 */
static struct sfs_fill_slot *take_slot(struct sfs_engine *e)
{
	struct sfs_fill_slot *found;

	pthread_mutex_lock(&e->lock);
	while ((found = find_slot_locked(e)) == NULL)
		pthread_cond_wait(&e->changed, &e->lock);
	found->state = SFS_SLOT_FILLING;
	pthread_mutex_unlock(&e->lock);
	return found;
}

void sfs_engine_spill_slot(struct sfs_fill_slot *slot)
{
	struct sfs_engine *e = slot->engine;

	pthread_mutex_lock(&e->lock);
	slot->state = SFS_SLOT_SPILLING;
	pthread_mutex_unlock(&e->lock);
	sfs_workers_submit(e->context.spillers, &slot->job);
}

/* See the top of this file. */
void sfs_source_leave_slot(struct sfs_source *s)
{
	struct sfs_fill_slot *slot = s->slot;
	struct sfs_engine *e = s->engine;
	uint8_t *slab;

	s->slot = NULL;
	if (slot == NULL)
		return;
	slab = sfs_slabs_try_get(e->context.slabs);
	if (slab != NULL)
		sfs_slabs_put(e->context.slabs, slab);
	if (slab == NULL && !sfs_run_filler_is_empty(slot->filler)) {
		sfs_engine_spill_slot(slot);
		return;
	}
	pthread_mutex_lock(&e->lock);
	free_slot_locked(slot);
	pthread_mutex_unlock(&e->lock);
}

/* --- records ----------------------------------------------------------- */

static enum sfs_rc add_record(struct sfs_source *s,
                              const struct sfs_sort_record *record,
                              struct sfs_err *err)
{
	struct sfs_engine *e = s->engine;

	if (record->key.len + record->value.len >
	    sfs_run_record_max_bytes(e->runs))
		return sfs_run_spill_large(e->runs, record, err);
	if (s->slot == NULL)
		s->slot = take_slot(e);
	while (!sfs_run_filler_add(s->slot->filler, record)) {
		sfs_engine_spill_slot(s->slot);
		s->slot = take_slot(e);
	}
	return SFS_OK;
}

static enum sfs_rc on_bad(void *arg, const struct sfs_bad_record *bad,
                          struct sfs_err *err);

/* What no shard can take is a bad record; *is_placed = false, too. */
static enum sfs_rc place(struct sfs_source *s, const struct sfs_record *r,
                         bool *is_placed, uint32_t *db_id, struct sfs_err *err)
{
	struct sfs_err why;
	struct sfs_bad_record bad = {
		.offset = r->offset,
		.line = r->line,
		.reason = why.msg,
	};
	enum sfs_rc rc = sfs_engine_place(s->engine, r, is_placed, db_id, &why);

	if (rc == SFS_OK)
		return SFS_OK;
	*is_placed = false;
	if (rc != SFS_E_INVALID)
		return sfs_err_set(err, rc, "%s", why.msg);
	s->slice_records--;
	return on_bad(s, &bad, err);
}

static enum sfs_rc on_record(void *arg, const struct sfs_record *r,
                             struct sfs_err *err)
{
	struct sfs_source *s = arg;
	struct sfs_engine *e = s->engine;
	struct sfs_sort_record record = {
		.key = r->key,
		.value = r->value,
		.is_delete = r->is_delete,
		.rank = (uint64_t)1 << 62 | s->seq << SFS_ENGINE_OFFSET_BITS |
		        r->offset,
	};

	bool is_placed = e->runs != NULL;
	enum sfs_rc rc = SFS_OK;

	s->slice_records++;
	if (e->router.program == NULL && e->survey == NULL) {
		if (is_placed)
			record.db_id = sfs_router_hash(&e->router, r->key);
	} else {
		rc = place(s, r, &is_placed, &record.db_id, err);
	}
	if (rc != SFS_OK || !is_placed)
		return rc;
	if (r->offset >> SFS_ENGINE_OFFSET_BITS != 0)
		return sfs_err_set(err, SFS_E_TOO_BIG,
		                   "ingest/%s holds more than 1 TiB; split it",
		                   s->name);
	return add_record(s, &record, err);
}

/* Compressed data that is damaged has no line. */
static void note_problem(struct sfs_source *s, const struct sfs_bad_record *bad)
{
	sfs_buf_printf(&s->problems, "ingest/%s:", s->name);
	if (bad->line > 0)
		sfs_buf_printf(&s->problems, "%" PRIu64 ":", bad->line);
	sfs_buf_printf(&s->problems, " %s\n", bad->reason);
}

static enum sfs_rc on_bad(void *arg, const struct sfs_bad_record *bad,
                          struct sfs_err *err)
{
	struct sfs_source *s = arg;
	struct sfs_engine *e = s->engine;

	(void)err;
	pthread_mutex_lock(&e->lock);
	s->is_broken = s->is_broken || bad->is_last;
	if (s->bad++ < SFS_ENGINE_PROBLEMS_PER_FILE)
		note_problem(s, bad);
	pthread_mutex_unlock(&e->lock);
	return SFS_OK;
}

enum sfs_rc sfs_source_note_corrupt(struct sfs_source *s, const char *why,
                                    struct sfs_err *err)
{
	struct sfs_bad_record bad = { .reason = why, .is_last = true };

	pthread_mutex_lock(&s->engine->lock);
	s->is_finished = true;
	pthread_mutex_unlock(&s->engine->lock);
	return on_bad(s, &bad, err);
}

/* --- slices ------------------------------------------------------------ */

static enum sfs_rc finish_reading(struct sfs_source *s, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	if (s->inflate != NULL && !sfs_inflate_is_whole(s->inflate))
		rc = sfs_source_note_corrupt(
			s, "the compressed data is cut off", err);
	if (rc == SFS_OK)
		rc = sfs_parser_finish(s->parser, err);
	return rc;
}

/* What the next step of a file is. */
enum step { STEP_NONE, STEP_FEED, STEP_FINISH };

static bool is_due_locked(const struct sfs_source *s)
{
	const struct sfs_engine *e = s->engine;

	if (e->is_closing || e->is_paused || e->needs_reset || s->is_finished ||
	    s->fault.rc != SFS_OK)
		return false;
	if (!s->is_open)
		return true;
	return s->size > s->fed && (!s->is_put_off || s->is_awaited);
}

static enum step next_step(struct sfs_source *s, size_t *len)
{
	struct sfs_engine *e = s->engine;
	enum step step = STEP_NONE;

	pthread_mutex_lock(&e->lock);
	s->records += s->slice_records;
	s->slice_records = 0;
	if (is_due_locked(s))
		step = s->at < s->size ? STEP_FEED : STEP_FINISH;
	s->is_put_off = s->is_put_off && step == STEP_NONE;
	if (step == STEP_FINISH) /* at once: it may grow while we finish */
		s->is_finished = true;
	*len = s->size - s->at < SFS_ENGINE_FEED_BYTES
	               ? (size_t)(s->size - s->at)
	               : SFS_ENGINE_FEED_BYTES;
	pthread_mutex_unlock(&e->lock);
	return step;
}

static enum sfs_rc feed(struct sfs_source *s, size_t len, struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_source_feed(s, len, err);
	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&s->engine->lock);
	if (s->at > s->fed)
		s->fed = s->at;
	s->engine->busy_ms = (uint64_t)sfs_clock_ms();
	if (s->engine->started_ms == 0)
		s->engine->started_ms = s->engine->busy_ms;
	pthread_mutex_unlock(&s->engine->lock);
	return SFS_OK;
}

static enum sfs_rc read_slice(struct sfs_source *s, struct sfs_err *err)
{
	const struct sfs_parser_events events = {
		.record = on_record,
		.bad = on_bad,
		.fetch = s->compression == SFS_COMPRESSION_NONE
		                 ? sfs_source_fetch
		                 : NULL,
		.arg = s,
	};
	enum sfs_rc rc = SFS_OK;
	enum step step;
	size_t len;

	while (rc == SFS_OK && (step = next_step(s, &len)) != STEP_NONE) {
		rc = sfs_source_open_reading(s, &events, err);
		if (rc == SFS_OK && step == STEP_FEED)
			rc = feed(s, len, err);
		if (rc != SFS_OK || step == STEP_FEED)
			continue;
		rc = finish_reading(s, err);
	}
	return rc;
}

void sfs_engine_run_source(struct sfs_job *job)
{
	struct sfs_source *s = source_of(job);
	struct sfs_engine *e = s->engine;
	struct sfs_err err;
	enum sfs_rc rc;
	bool has_place;
	bool may_run;

	pthread_mutex_lock(&e->lock);
	may_run = !e->is_paused && !e->is_closing && !e->needs_reset;
	e->slices += may_run;
	pthread_mutex_unlock(&e->lock);
	if (!may_run)
		return;
	rc = read_slice(s, &err);
	sfs_source_leave_slot(s);
	has_place = sfs_source_rest(s);
	pthread_mutex_lock(&e->lock);
	/* removed or truncated, of which we are told: this is no fault */
	if (rc == SFS_E_NOT_FOUND || rc == SFS_E_STALE)
		e->needs_reset = true;
	else if (rc != SFS_OK)
		s->fault = err;
	if (rc != SFS_OK || s->is_finished)
		sfs_source_close_reading(s);
	s->is_put_off = s->is_put_off || !has_place;
	s->is_awaited = s->is_awaited && s->fed < s->size;
	e->slices--;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}
