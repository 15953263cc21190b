/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ingest files that the engine knows: listing them, beginning again, and
 * waiting until all of them are read. What was parsed is void when a file was
 * removed, replaced or written in the middle: then everything is read again
 * from the beginning, which is always right and seldom needed.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

uint64_t sfs_engine_records_locked(const struct sfs_engine *e)
{
	uint64_t total = 0;

	for (const struct sfs_source *s = e->sources; s != NULL; s = s->next)
		total += s->records;
	return total;
}

/* --- the list of files -------------------------------------------------- */

void sfs_engine_kick_locked(struct sfs_engine *e, struct sfs_source *s)
{
	if (s->format != SFS_INGEST_INVALID && e->has_config && !e->is_paused &&
	    !e->is_closing && !e->needs_reset)
		sfs_workers_submit(e->context.workers, &s->job);
}

static void source_free(struct sfs_source *s)
{
	sfs_source_close_reading(s);
	sfs_buf_release(&s->problems);
	sfs_free(s->name);
	sfs_free(s);
}

static struct sfs_source *source_new(struct sfs_engine *e,
                                     const struct sfs_ingest_file *file)
{
	struct sfs_source *s = sfs_calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->name = sfs_strdup(file->name);
	if (s->name == NULL) {
		sfs_free(s);
		return NULL;
	}
	s->engine = e;
	s->job.run = sfs_engine_run_source;
	s->seq = file->seq;
	s->fd = -1;
	sfs_buf_init(&s->problems, SFS_ENGINE_PROBLEMS_BYTES);
	if (!sfs_ingest_name_parse(s->name, &s->format, &s->compression))
		s->format = SFS_INGEST_INVALID;
	return s;
}

struct sfs_source *sfs_source_find_locked(struct sfs_engine *e, uint64_t seq)
{
	struct sfs_source *s = e->sources;

	while (s != NULL && s->seq != seq)
		s = s->next;
	return s;
}

static enum sfs_rc size_of(struct sfs_engine *e, uint64_t seq, uint64_t *out,
                           struct sfs_err *err)
{
	struct stat st;
	enum sfs_rc rc;
	int fd;

	rc = sfs_files_open_ingest(e->files, seq, &fd, err);
	if (rc != SFS_OK)
		return rc;
	if (fstat(fd, &st) != 0)
		rc = sfs_err_sys(err, errno, "ingest file %" PRIu64, seq);
	else
		*out = (uint64_t)st.st_size;
	(void)close(fd);
	return rc;
}

/* One that was not read may be from now on, as programs make files. */
static void note_renamed_locked(struct sfs_engine *e, struct sfs_source *s,
                                const char *name)
{
	char *copy = s->format == SFS_INGEST_INVALID ? sfs_strdup(name) : NULL;

	if (copy == NULL) {
		e->needs_reset = true;
		return;
	}
	sfs_free(s->name);
	s->name = copy;
	s->size = 0; /* the listing knows */
	if (!sfs_ingest_name_parse(name, &s->format, &s->compression))
		s->format = SFS_INGEST_INVALID;
}

/* Where the list, from some place on, has the file or would have it. */
static struct sfs_source **place_locked(struct sfs_source **from, uint64_t seq)
{
	while (*from != NULL && (*from)->seq < seq)
		from = &(*from)->next;
	return from;
}

/* A file read to its end: whoever changes it says so. */
static bool note_known(struct sfs_engine *e, struct sfs_source **from,
                       const struct sfs_ingest_file *file)
{
	struct sfs_source *s;
	bool is_known;

	pthread_mutex_lock(&e->lock);
	s = *place_locked(from, file->seq);
	is_known = s != NULL && s->seq == file->seq && s->is_finished &&
	           s->is_sized && !s->is_open && !file->is_open &&
	           s->is_incomplete == file->is_incomplete &&
	           strcmp(s->name, file->name) == 0;
	if (is_known)
		s->is_listed = true;
	pthread_mutex_unlock(&e->lock);
	return is_known;
}

/* What a listing and its size say of a file. */
static void note_locked(struct sfs_engine *e, struct sfs_source *s,
                        const struct sfs_ingest_file *file, uint64_t size)
{
	if (strcmp(s->name, file->name) != 0)
		note_renamed_locked(e, s, file->name);
	s->is_listed = true;
	s->is_open = file->is_open;
	/* what came since the listing began may not be in the size */
	s->is_sized = !file->is_open && !e->needs_relist;
	s->is_incomplete = file->is_incomplete;
	/* it was at its end, or what was read is gone */
	if ((s->is_finished && size > s->size) || size < s->fed)
		e->needs_reset = true;
	if (size > s->size)
		s->size = size;
	sfs_engine_kick_locked(e, s);
}

/*
 * from: a place in the list before the file. Others may enter files
 * meanwhile (sfs_engine_list_one()), so it is looked for again.
 */
static enum sfs_rc note_listed(struct sfs_engine *e, struct sfs_source **from,
                               const struct sfs_ingest_file *file,
                               struct sfs_err *err)
{
	struct sfs_source **at;
	struct sfs_source *s;
	uint64_t size = 0;
	enum sfs_rc rc;

	if (note_known(e, from, file))
		return SFS_OK;
	rc = size_of(e, file->seq, &size, err);
	if (rc == SFS_E_NOT_FOUND)
		return SFS_OK; /* gone meanwhile: another listing will come */
	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&e->lock);
	at = place_locked(from, file->seq);
	s = *at;
	if (s == NULL || s->seq != file->seq) {
		s = source_new(e, file);
		if (s != NULL) {
			s->next = *at;
			*at = s;
		}
	}
	if (s != NULL)
		note_locked(e, s, file, size);
	pthread_mutex_unlock(&e->lock);
	if (s == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	return SFS_OK;
}

/* A file that is gone: nothing is lost if nothing was read of it. */
static void drop_unlisted(struct sfs_engine *e)
{
	struct sfs_source **at = &e->sources;
	struct sfs_source *s;

	pthread_mutex_lock(&e->lock);
	while ((s = *at) != NULL) {
		if (!s->is_listed && s->format == SFS_INGEST_INVALID) {
			*at = s->next;
			source_free(s);
			continue;
		}
		e->needs_reset = e->needs_reset || !s->is_listed;
		at = &s->next;
	}
	pthread_mutex_unlock(&e->lock);
}

enum sfs_rc sfs_engine_relist(struct sfs_engine *e, struct sfs_err *err)
{
	struct sfs_ingest_files list = { 0 };
	struct sfs_source **at = &e->sources;
	enum sfs_rc rc;

	pthread_mutex_lock(&e->lock);
	for (struct sfs_source *s = e->sources; s != NULL; s = s->next)
		s->is_listed = false;
	pthread_mutex_unlock(&e->lock);
	rc = sfs_files_list_ingest(e->files, &list, err);
	for (size_t i = 0; rc == SFS_OK && i < list.count; i++) {
		pthread_mutex_lock(&e->lock);
		at = place_locked(at, list.files[i].seq); /* both by seq */
		pthread_mutex_unlock(&e->lock);
		rc = note_listed(e, at, &list.files[i], err);
	}
	sfs_ingest_files_release(&list);
	if (rc == SFS_OK) {
		drop_unlisted(e);
		return SFS_OK;
	}
	pthread_mutex_lock(&e->lock);
	e->needs_relist = true; /* nothing may be published without it */
	pthread_mutex_unlock(&e->lock);
	return rc;
}

enum sfs_rc sfs_engine_list_one(struct sfs_engine *e, uint64_t seq,
                                struct sfs_err *err)
{
	struct sfs_ingest_files list = { 0 };
	enum sfs_rc rc = sfs_files_list_ingest(e->files, &list, err);
	size_t i = 0;

	while (rc == SFS_OK && i < list.count && list.files[i].seq != seq)
		i++;
	if (rc == SFS_OK && i < list.count)
		rc = note_listed(e, &e->sources, &list.files[i], err);
	else if (rc == SFS_OK)
		rc = sfs_err_set(err, SFS_E_NOT_FOUND,
		                 "there is no ingest file %" PRIu64, seq);
	sfs_ingest_files_release(&list);
	/* newer facts may have been noted meanwhile: they are listed again */
	pthread_mutex_lock(&e->lock);
	e->needs_relist = true;
	pthread_mutex_unlock(&e->lock);
	return rc;
}

/* --- beginning again ---------------------------------------------------- */

/* No slice and no spill runs, and none will before is_paused is false. */
static void pause_reading(struct sfs_engine *e)
{
	bool is_quiet = false;

	pthread_mutex_lock(&e->lock);
	e->is_paused = true;
	while (!is_quiet) {
		is_quiet = e->slices == 0;
		for (int i = 0; i < SFS_ENGINE_SLOTS; i++)
			is_quiet =
				is_quiet && e->slots[i].state == SFS_SLOT_IDLE;
		if (!is_quiet)
			pthread_cond_wait(&e->changed, &e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	for (int i = 0; i < SFS_ENGINE_SLOTS; i++)
		sfs_workers_drain(e->context.spillers, &e->slots[i].job);
}

void sfs_engine_slots_free(struct sfs_engine *e)
{
	for (int i = 0; i < SFS_ENGINE_SLOTS; i++) {
		sfs_run_filler_free(e->slots[i].filler);
		e->slots[i].filler = NULL;
	}
}

void sfs_engine_sources_free(struct sfs_engine *e)
{
	struct sfs_source *next;
	struct sfs_source *s;

	pause_reading(e);
	pthread_mutex_lock(&e->lock);
	s = e->sources;
	e->sources = NULL;
	pthread_mutex_unlock(&e->lock);
	for (; s != NULL; s = next) {
		next = s->next;
		sfs_workers_drain(e->context.workers, &s->job);
		source_free(s);
	}
}

static enum sfs_rc make_runs(struct sfs_engine *e, uint32_t num_dbs,
                             struct sfs_err *err)
{
	struct sfs_runs_config config = {
		.dir_fd = sfs_files_runs_fd(e->files),
		.num_dbs = num_dbs,
		.slabs = e->context.slabs,
	};
	enum sfs_rc rc;

	rc = sfs_runs_new(&config, &e->runs, err);
	for (int i = 0; rc == SFS_OK && i < SFS_ENGINE_SLOTS; i++)
		rc = sfs_run_filler_new(e->runs, &e->slots[i].filler, err);
	return rc;
}

enum sfs_rc sfs_engine_reparse(struct sfs_engine *e, uint32_t num_dbs,
                               struct sfs_placement *placement,
                               struct sfs_err *err)
{
	enum sfs_rc rc;

	sfs_engine_sources_free(e);
	sfs_engine_slots_free(e);
	sfs_runs_free(e->runs);
	e->runs = NULL;
	rc = sfs_engine_set_router(e, num_dbs, placement, err);
	if (rc == SFS_OK && num_dbs > 0)
		rc = make_runs(e, num_dbs, err);
	if (rc != SFS_OK) {
		sfs_engine_slots_free(e);
		sfs_runs_free(e->runs);
		e->runs = NULL;
	}
	pthread_mutex_lock(&e->lock);
	e->fault = (struct sfs_err){ 0 };
	e->needs_reset = rc != SFS_OK;
	e->is_paused = false;
	pthread_mutex_unlock(&e->lock);
	if (rc == SFS_OK)
		rc = sfs_engine_relist(e, err);
	return rc;
}

/* --- catching up -------------------------------------------------------- */

/* Who is behind is told to go on: it may have been closed just now. */
static bool is_behind_locked(struct sfs_engine *e)
{
	bool is_behind = e->slices > 0;

	for (struct sfs_source *s = e->sources; s != NULL; s = s->next) {
		if (s->format == SFS_INGEST_INVALID || s->is_finished ||
		    s->fault.rc != SFS_OK)
			continue;
		if (s->fed < s->size || !s->is_open) {
			s->is_awaited = true;
			sfs_engine_kick_locked(e, s);
			is_behind = true;
		}
	}
	return is_behind;
}

static enum sfs_rc wait_parsed(struct sfs_engine *e,
                               const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&e->lock);
	while (rc == SFS_OK && !e->needs_reset && !e->has_next_config &&
	       is_behind_locked(e)) {
		sfs_engine_wait_locked(e, SFS_ENGINE_LOOK_MS);
		pthread_mutex_unlock(&e->lock);
		rc = sfs_engine_check(e, call, err);
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	return rc;
}

static void spill_rest(struct sfs_engine *e)
{
	struct sfs_fill_slot *slot;
	bool is_due;

	for (int i = 0; i < SFS_ENGINE_SLOTS; i++) {
		slot = &e->slots[i];
		pthread_mutex_lock(&e->lock);
		is_due = slot->state == SFS_SLOT_IDLE && slot->filler != NULL &&
		         !sfs_run_filler_is_empty(slot->filler);
		if (is_due)
			slot->state = SFS_SLOT_FILLING;
		pthread_mutex_unlock(&e->lock);
		if (is_due)
			sfs_engine_spill_slot(slot);
	}
	pthread_mutex_lock(&e->lock);
	for (int i = 0; i < SFS_ENGINE_SLOTS; i++) {
		while (e->slots[i].state == SFS_SLOT_SPILLING)
			pthread_cond_wait(&e->changed, &e->lock);
	}
	pthread_mutex_unlock(&e->lock);
}

static enum sfs_rc fault_of(struct sfs_engine *e, struct sfs_err *err)
{
	struct sfs_err fault;

	pthread_mutex_lock(&e->lock);
	fault = e->fault;
	for (struct sfs_source *s = e->sources; fault.rc == SFS_OK && s != NULL;
	     s = s->next)
		fault = s->fault;
	if (fault.rc != SFS_OK)
		e->needs_reset = true; /* the next try begins again */
	pthread_mutex_unlock(&e->lock);
	if (fault.rc == SFS_OK)
		return SFS_OK;
	return sfs_err_set(err, fault.rc, "%s", fault.msg);
}

enum sfs_rc sfs_engine_catch_up(struct sfs_engine *e,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	enum sfs_rc rc = wait_parsed(e, call, err);

	if (rc == SFS_OK)
		spill_rest(e);
	if (rc == SFS_OK)
		rc = fault_of(e, err);
	return rc;
}
