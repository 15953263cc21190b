/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's life, and who may do what in it. Parsing and sorting go on in
 * the area's workers. Everything that looks at a build as a whole (a reset,
 * settling, publishing, a plan) is the work of one thread at a time, which
 * owns the fields marked so: a caller's, or that of the engine's own thread,
 * the settler, which picks up what was announced and settles when the ingest
 * files have been closed for a while.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdarg.h>
#include <string.h>

enum { FRESHEN_LOOKS = 20, IDLE_MS = 1000 };

void sfs_engine_wait_locked(struct sfs_engine *e, int64_t ms)
{
	(void)sfs_clock_cond_wait(&e->changed, &e->lock, sfs_clock_ms() + ms);
}

enum sfs_rc sfs_engine_check(struct sfs_engine *e, const struct sfs_call *call,
                             struct sfs_err *err)
{
	if (sfs_cancel_is_raised(&e->cancel))
		return sfs_err_set(err, SFS_E_CANCELED, "build %s was ended",
		                   e->name);
	return sfs_call_check(call, e->name, err);
}

struct sfs_call sfs_engine_lock_call(struct sfs_engine *e,
                                     const struct sfs_call *call)
{
	struct sfs_call out = { 0, &e->cancel };

	if (call != NULL)
		out = *call;
	if (e->context.lock_ms > 0 &&
	    (out.deadline_ms == 0 ||
	     out.deadline_ms > sfs_clock_ms() + e->context.lock_ms))
		out.deadline_ms = sfs_clock_ms() + e->context.lock_ms;
	return out;
}

enum sfs_rc sfs_engine_work_begin(struct sfs_engine *e,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&e->lock);
	while (rc == SFS_OK && e->is_working) {
		sfs_engine_wait_locked(e, SFS_ENGINE_LOOK_MS);
		rc = sfs_engine_check(e, call, err);
	}
	if (rc == SFS_OK && e->is_closing)
		rc = sfs_err_set(err, SFS_E_CANCELED, "build %s was ended",
		                 e->name);
	if (rc == SFS_OK)
		e->is_working = true;
	pthread_mutex_unlock(&e->lock);
	return rc;
}

void sfs_engine_work_end(struct sfs_engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->is_working = false;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

/* --- what is wrong ------------------------------------------------------ */

void sfs_engine_problem(struct sfs_engine *e, const char *fmt, ...)
{
	char text[SFS_ERR_MSG_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pthread_mutex_lock(&e->lock);
	if (e->problems.len + strlen(text) + 1 < e->problems.max)
		sfs_buf_printf(&e->problems, "%s\n", text);
	pthread_mutex_unlock(&e->lock);
}

/* The reason why an ingest file alone stands in the way; or false. */
static bool source_fault_locked(const struct sfs_engine *e,
                                const struct sfs_source *s, char *out,
                                size_t cap)
{
	const char *text = sfs_source_fault_text(s);
	const char *end;

	if (text != NULL) {
		(void)snprintf(out, cap, "ingest/%s: %s", s->name, text);
		return true;
	}
	if (s->bad == 0 || (e->config.skip_bad_records && !s->is_broken))
		return false;
	end = s->problems.len > 0
	              ? memchr(s->problems.data, '\n', s->problems.len)
	              : NULL;
	(void)snprintf(out, cap, "%.*s",
	               end != NULL ? (int)(end - s->problems.data) : 0,
	               s->problems.len > 0 ? s->problems.data : "");
	return true;
}

bool sfs_engine_has_problems_locked(const struct sfs_engine *e)
{
	char why[2];

	for (const struct sfs_source *s = e->sources; s != NULL; s = s->next) {
		if (source_fault_locked(e, s, why, sizeof(why)))
			return true;
	}
	return e->problems.len > 0;
}

enum sfs_rc sfs_engine_refuse(struct sfs_engine *e, struct sfs_err *err)
{
	char why[SFS_ERR_MSG_BYTES] = "";
	const char *end;

	pthread_mutex_lock(&e->lock);
	for (const struct sfs_source *s = e->sources;
	     why[0] == '\0' && s != NULL; s = s->next) {
		if (!source_fault_locked(e, s, why, sizeof(why)))
			why[0] = '\0';
	}
	if (why[0] == '\0' && e->problems.len > 0) {
		end = memchr(e->problems.data, '\n', e->problems.len);
		(void)snprintf(why, sizeof(why), "%.*s",
		               end != NULL ? (int)(end - e->problems.data) : 0,
		               e->problems.data);
	}
	pthread_mutex_unlock(&e->lock);
	if (why[0] == '\0')
		return SFS_OK;
	return sfs_err_set(err, SFS_E_CORRUPT, "%s", why);
}

static bool is_refresh_due_locked(const struct sfs_engine *e)
{
	return e->needs_relist || e->needs_reset || e->has_next_config;
}

/* Lets the settler take up what it was told, so that nobody reads of it. */
void sfs_engine_freshen(struct sfs_engine *e)
{
	pthread_mutex_lock(&e->lock);
	for (int i = 0; i < FRESHEN_LOOKS; i++) {
		if (!is_refresh_due_locked(e) || e->is_closing ||
		    e->is_building)
			break;
		sfs_engine_wait_locked(e, SFS_ENGINE_LOOK_MS);
	}
	if (e->problems_version != sfs_files_keys_version(e->files))
		sfs_buf_reset(&e->problems); /* they may be mended */
	pthread_mutex_unlock(&e->lock);
}

/* --- the settler -------------------------------------------------------- */

enum sfs_rc sfs_engine_refresh(struct sfs_engine *e, struct sfs_err *err)
{
	bool is_reset;
	bool is_relist;

	pthread_mutex_lock(&e->lock);
	is_relist = e->needs_relist;
	e->needs_relist = false;
	is_reset = e->needs_reset || e->has_next_config;
	e->needs_reset = e->needs_reset || e->has_next_config;
	pthread_mutex_unlock(&e->lock);
	if (is_reset) {
		sfs_engine_sources_free(e); /* nobody reads the settings */
		pthread_mutex_lock(&e->lock);
		if (e->has_next_config) {
			sfs_build_config_copy(&e->config, &e->next_config);
			e->has_config = true;
			e->has_next_config = false;
			sfs_buf_reset(&e->problems);
			sfs_engine_shards_free(e);
		}
		pthread_mutex_unlock(&e->lock);
		e->reparses++;
		return sfs_engine_begin_reading(e, err);
	}
	if (!is_relist)
		return SFS_OK;
	return sfs_engine_relist(e, err);
}

static bool is_settle_due_locked(const struct sfs_engine *e)
{
	if (e->context.settle_ms <= 0 || !e->needs_settle ||
	    e->sources == NULL || !e->has_config || e->has_next_config)
		return false;
	for (const struct sfs_source *s = e->sources; s != NULL; s = s->next) {
		if (s->is_open)
			return false;
	}
	return sfs_clock_ms() >= e->touched_ms + e->context.settle_ms;
}

static bool settler_step(struct sfs_engine *e, bool is_refresh)
{
	struct sfs_err err;
	enum sfs_rc rc;

	rc = is_refresh ? sfs_engine_refresh(e, &err)
	                : sfs_engine_settle_owned(e, false, NULL, &err);
	if (rc != SFS_OK && rc != SFS_E_CANCELED)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "%s failed build=%s rc=%s cause=\"%s\"",
		        is_refresh ? "reading the staging directory"
		                   : "settling in the background",
		        e->name, sfs_rc_name(rc), err.msg);
	return rc == SFS_OK;
}

static void *serve(void *arg)
{
	struct sfs_engine *e = arg;
	bool is_refresh;
	bool is_settle;
	bool is_done;

	pthread_mutex_lock(&e->lock);
	while (!e->is_closing) {
		is_refresh = is_refresh_due_locked(e);
		is_settle = is_settle_due_locked(e);
		if (e->is_working || (!is_refresh && !is_settle)) {
			sfs_engine_wait_locked(e, e->needs_settle
			                                  ? SFS_ENGINE_LOOK_MS
			                                  : IDLE_MS);
			continue;
		}
		e->is_working = true;
		if (!is_refresh)
			e->needs_settle = false;
		pthread_mutex_unlock(&e->lock);
		is_done = settler_step(e, is_refresh);
		pthread_mutex_lock(&e->lock);
		e->is_working = false;
		pthread_cond_broadcast(&e->changed);
		/* not at once again */
		if (!is_done && is_refresh && !e->is_closing)
			sfs_engine_wait_locked(e, IDLE_MS);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* --- being told --------------------------------------------------------- */

void sfs_engine_set_config(struct sfs_engine *e,
                           const struct sfs_build_config *config)
{
	pthread_mutex_lock(&e->lock);
	sfs_build_config_copy(&e->next_config, config);
	e->has_next_config = true;
	e->needs_settle = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

static void touch_locked(struct sfs_engine *e)
{
	e->touched_ms = sfs_clock_ms();
	e->needs_settle = true;
}

void sfs_engine_ingest_grew(struct sfs_engine *e, uint64_t seq, uint64_t size)
{
	struct sfs_source *s;

	pthread_mutex_lock(&e->lock);
	touch_locked(e);
	s = sfs_source_find_locked(e, seq);
	if (s == NULL) {
		e->needs_relist = true;
		pthread_cond_broadcast(&e->changed);
	} else if (size > s->size) {
		s->size = size;
		if (s->is_finished)
			e->needs_reset = true; /* it was at its end */
		s->is_incomplete = false;
		sfs_engine_kick_locked(e, s);
	}
	pthread_mutex_unlock(&e->lock);
}

void sfs_engine_ingest_changed(struct sfs_engine *e, uint64_t seq)
{
	struct sfs_source *s;

	pthread_mutex_lock(&e->lock);
	touch_locked(e);
	s = sfs_source_find_locked(e, seq);
	if (s == NULL || s->format == SFS_INGEST_INVALID)
		e->needs_relist = true; /* it was not read */
	else
		e->needs_reset = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

void sfs_engine_ingest_writers(struct sfs_engine *e, uint64_t seq, bool is_open)
{
	struct sfs_source *s;

	pthread_mutex_lock(&e->lock);
	touch_locked(e);
	s = sfs_source_find_locked(e, seq);
	if (s != NULL) {
		s->is_open = is_open;
		s->is_sized = false;
	}
	e->needs_relist = true; /* its size, and whether it is complete */
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

void sfs_engine_ingest_listed(struct sfs_engine *e)
{
	pthread_mutex_lock(&e->lock);
	touch_locked(e);
	e->needs_relist = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

/* Nothing more will be known of the file before long. */
static bool is_read_locked(const struct sfs_engine *e,
                           const struct sfs_source *s)
{
	if (e->needs_reset || e->has_next_config)
		return e->is_building;
	if (s == NULL)
		return true;
	return !e->is_paused &&
	       (s->format == SFS_INGEST_INVALID || s->is_finished ||
	        s->fault.rc != SFS_OK || s->fed >= s->size);
}

/*
 * close(2) waits for its own bytes and for nothing else: while somebody owns
 * the work, maybe for long, a file that came meanwhile is entered here.
 */
enum sfs_rc sfs_engine_ingest_wait(struct sfs_engine *e, uint64_t seq,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	char why[SFS_ERR_MSG_BYTES];
	enum sfs_rc rc = SFS_OK;
	struct sfs_source *s;
	bool is_listed = false;
	bool lists;

	pthread_mutex_lock(&e->lock);
	for (;;) {
		s = sfs_source_find_locked(e, seq);
		lists = e->needs_relist && (s == NULL || !is_listed);
		if (rc != SFS_OK || (!lists && is_read_locked(e, s)))
			break;
		lists = lists && e->is_working; /* else the settler will */
		is_listed = is_listed || lists;
		if (s != NULL && s->is_put_off) {
			s->is_awaited = true;
			sfs_engine_kick_locked(e, s);
		}
		if (!lists)
			sfs_engine_wait_locked(e, SFS_ENGINE_LOOK_MS);
		pthread_mutex_unlock(&e->lock);
		if (lists)
			rc = sfs_engine_list_one(e, seq, err);
		if (rc == SFS_OK)
			rc = sfs_engine_check(e, call, err);
		pthread_mutex_lock(&e->lock);
	}
	if (rc == SFS_E_NOT_FOUND)
		rc = SFS_OK; /* it was removed meanwhile */
	if (rc == SFS_OK && s != NULL && s->bad > 0 &&
	    source_fault_locked(e, s, why, sizeof(why)))
		rc = sfs_err_set(err, SFS_E_CORRUPT, "%s", why);
	pthread_mutex_unlock(&e->lock);
	return rc;
}

/* --- life --------------------------------------------------------------- */

static void slots_init(struct sfs_engine *e)
{
	for (int i = 0; i < SFS_ENGINE_SLOTS; i++) {
		e->slots[i].engine = e;
		e->slots[i].job.run = sfs_engine_run_spill;
	}
}

enum sfs_rc sfs_engine_new(const struct sfs_engine_context *context,
                           const char *name, struct sfs_files *files,
                           struct sfs_engine **out, struct sfs_err *err)
{
	struct sfs_engine *e = sfs_calloc(1, sizeof(*e));
	enum sfs_rc rc;
	int error;

	if (e == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	e->context = *context;
	e->name = name;
	e->files = files;
	e->needs_relist = true;
	e->needs_settle = true;
	e->touched_ms = sfs_clock_ms();
	pthread_mutex_init(&e->lock, NULL);
	sfs_clock_cond_init(&e->changed);
	sfs_buf_init(&e->problems, SFS_ENGINE_PROBLEMS_BYTES);
	slots_init(e);
	rc = sfs_cancel_init(&e->cancel, err);
	if (rc == SFS_OK) {
		error = pthread_create(&e->settler, NULL, serve, e);
		e->has_settler = error == 0;
		if (error != 0)
			rc = sfs_err_sys(err, error, "build %s: thread", name);
	}
	if (rc != SFS_OK) {
		sfs_engine_free(e);
		return rc;
	}
	*out = e;
	return SFS_OK;
}

void sfs_engine_stop(struct sfs_engine *e)
{
	sfs_cancel_raise(&e->cancel);
	pthread_mutex_lock(&e->lock);
	e->is_closing = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	if (e->has_settler)
		(void)pthread_join(e->settler, NULL);
	e->has_settler = false;
	pthread_mutex_lock(&e->lock);
	while (e->is_working)
		pthread_cond_wait(&e->changed, &e->lock);
	pthread_mutex_unlock(&e->lock);
	sfs_engine_sources_free(e);
	sfs_engine_slots_free(e);
}

void sfs_engine_free(struct sfs_engine *e)
{
	if (e == NULL)
		return;
	sfs_engine_stop(e);
	sfs_runs_free(e->runs);
	sfs_runs_free(e->overlay);
	sfs_router_release(&e->router);
	sfs_survey_free(e->survey);
	sfs_placement_unref(e->placement);
	sfs_engine_shards_free(e);
	sfs_engine_drop_base(e);
	sfs_lease_close(e->lease);
	sfs_build_config_release(&e->next_config);
	sfs_build_config_release(&e->config);
	sfs_buf_release(&e->problems);
	sfs_cancel_release(&e->cancel);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	sfs_free(e);
}
