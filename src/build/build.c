/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a build.
 *
 *	state		how it goes on
 *	LIVE		sfs_build_publish -> PUBLISHING
 *			sfs_area_discard -> ENDING
 *			sfs_area_close -> DONE, and the directory stays
 *	PUBLISHING	published -> DONE; failed -> LIVE
 *	ENDING		removed -> DONE; failed -> LIVE
 *	DONE		for ever: everything answers STALE
 *
 * While a build is PUBLISHING or ENDING it is frozen: whoever wants to change
 * a file is told BUSY at once, and the call waits for those who had begun. So
 * what was acknowledged is in the snapshot, or the build is intact and still
 * has it; and nobody's thread waits for the length of an upload. Settling
 * does not freeze. Afterwards the files that are still open answer STALE to
 * writing and go on answering to reading; closing them is no error, since all
 * that was written to them was published.
 *
 * What survives a crash: LIVE is the directory under its name. A publish that
 * succeeded renames it to .done-*; if the process dies before that the engine
 * finds out at the adoption (sfs_engine_recover).
 *
 * Two counters keep apart who changes files and who uses the engine: the
 * engine is freed when the last user has left.
 */
#include "build/build_internal.h"

#include "base/alloc.h"
#include "format/manifest.h"

#include <unistd.h>

static _Atomic uint64_t last_number;

/* --- references -------------------------------------------------------------- */

struct sfs_build *sfs_build_ref(struct sfs_build *b)
{
	pthread_mutex_lock(&b->lock);
	b->refs++;
	pthread_mutex_unlock(&b->lock);
	return b;
}

static void free_build(struct sfs_build *b)
{
	sfs_engine_free(b->engine);
	sfs_files_close(b->files);
	if (b->lock_fd >= 0)
		(void)close(b->lock_fd);
	sfs_build_config_release(&b->defaults);
	sfs_build_config_release(&b->config);
	sfs_build_routing_unref(b->routing);
	sfs_manifest_free(b->base_manifest);
	pthread_mutex_destroy(&b->settings);
	pthread_mutex_destroy(&b->telling);
	pthread_cond_destroy(&b->idle);
	pthread_mutex_destroy(&b->lock);
	sfs_free(b->name);
	sfs_free(b);
}

void sfs_build_unref(struct sfs_build *b)
{
	unsigned left;

	if (b == NULL)
		return;
	pthread_mutex_lock(&b->lock);
	left = --b->refs;
	pthread_mutex_unlock(&b->lock);
	if (left == 0)
		free_build(b);
}

const char *sfs_build_name(const struct sfs_build *b)
{
	return b->name;
}

uint64_t sfs_build_number(const struct sfs_build *b)
{
	return b->number;
}

static struct sfs_build *alloc_build(const struct sfs_build_options *o,
                                     struct sfs_err *err)
{
	struct sfs_build *b = sfs_calloc(1, sizeof(*b));

	if (b != NULL)
		b->name = sfs_strdup(o->name);
	if (b == NULL || b->name == NULL) {
		sfs_free(b);
		(void)sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	b->number = atomic_fetch_add(&last_number, 1) + 1;
	b->value_max = o->value_max;
	b->sync_on_close = o->sync_on_close;
	b->catalog = o->catalog;
	b->area = o->area;
	b->lock_fd = -1;
	b->refs = 1;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->idle, NULL);
	pthread_mutex_init(&b->telling, NULL);
	pthread_mutex_init(&b->settings, NULL);
	return b;
}

enum sfs_rc sfs_build_new(const struct sfs_build_options *options, int dir_fd,
                          int lock_fd, const struct sfs_engine_context *context,
                          struct sfs_build **out, struct sfs_err *err)
{
	struct sfs_build *b = alloc_build(options, err);
	enum sfs_rc rc;

	if (b == NULL)
		return SFS_E_NO_MEMORY;
	rc = sfs_files_open(dir_fd, &b->files, err);
	if (rc == SFS_OK)
		rc = sfs_engine_new(context, b->name, b->files, &b->engine,
		                    err);
	if (rc == SFS_OK)
		rc = sfs_build_load_settings(b, err);
	if (rc == SFS_OK) {
		b->lock_fd = lock_fd;
		*out = b;
		return SFS_OK;
	}
	sfs_engine_free(b->engine);
	b->engine = NULL;
	if (b->files != NULL)
		b->files->dir_fd = -1; /* the caller's still */
	sfs_build_unref(b);
	return rc;
}

/* --- states -------------------------------------------------------------------- */

static enum sfs_rc stale(const struct sfs_build *b, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_STALE,
	                   "build %s was published or removed", b->name);
}

static enum sfs_rc check_frozen(const struct sfs_build *b, struct sfs_err *err)
{
	switch (b->state) {
	case SFS_BUILD_LIVE:
		break;
	case SFS_BUILD_PUBLISHING:
		return sfs_err_set(err, SFS_E_BUSY,
		                   "build %s is being published", b->name);
	case SFS_BUILD_ENDING:
		return sfs_err_set(err, SFS_E_BUSY, "build %s is being removed",
		                   b->name);
	case SFS_BUILD_DONE:
		return stale(b, err);
	}
	return SFS_OK;
}

enum sfs_rc sfs_build_check_live(struct sfs_build *b, struct sfs_err *err)
{
	enum sfs_rc rc;

	pthread_mutex_lock(&b->lock);
	rc = b->state == SFS_BUILD_DONE ? stale(b, err) : SFS_OK;
	pthread_mutex_unlock(&b->lock);
	return rc;
}

enum sfs_rc sfs_build_enter(struct sfs_build *b, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&b->lock);
	if (b->state == SFS_BUILD_DONE)
		rc = stale(b, err);
	else
		b->users++;
	pthread_mutex_unlock(&b->lock);
	return rc;
}

void sfs_build_leave(struct sfs_build *b)
{
	pthread_mutex_lock(&b->lock);
	if (--b->users == 0)
		pthread_cond_broadcast(&b->idle);
	pthread_mutex_unlock(&b->lock);
}

enum sfs_rc sfs_build_enter_change(struct sfs_build *b, struct sfs_err *err)
{
	enum sfs_rc rc;

	pthread_mutex_lock(&b->lock);
	rc = check_frozen(b, err);
	if (rc == SFS_OK) {
		b->changers++;
		b->users++;
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

void sfs_build_leave_change(struct sfs_build *b)
{
	pthread_mutex_lock(&b->lock);
	b->changers--;
	b->users--;
	if (b->changers == 0 || b->users == 0)
		pthread_cond_broadcast(&b->idle);
	pthread_mutex_unlock(&b->lock);
}

enum sfs_rc sfs_build_freeze(struct sfs_build *b, enum sfs_build_state state,
                             struct sfs_err *err)
{
	enum sfs_rc rc;

	pthread_mutex_lock(&b->lock);
	rc = check_frozen(b, err);
	if (rc == SFS_OK) {
		b->state = state;
		while (b->changers > 0)
			pthread_cond_wait(&b->idle, &b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

void sfs_build_thaw(struct sfs_build *b)
{
	pthread_mutex_lock(&b->lock);
	if (b->state != SFS_BUILD_DONE) /* the area may be closing */
		b->state = SFS_BUILD_LIVE;
	pthread_mutex_unlock(&b->lock);
}

void sfs_build_finish(struct sfs_build *b)
{
	pthread_mutex_lock(&b->lock);
	b->state = SFS_BUILD_DONE;
	pthread_mutex_unlock(&b->lock);
}

void sfs_build_stop(struct sfs_build *b)
{
	struct sfs_engine *engine;

	pthread_mutex_lock(&b->lock);
	b->state = SFS_BUILD_DONE;
	while (b->users > 0)
		pthread_cond_wait(&b->idle, &b->lock);
	b->area = NULL;
	engine = b->engine;
	b->engine = NULL;
	pthread_mutex_unlock(&b->lock);
	sfs_engine_free(engine);
}

void sfs_build_unlock(struct sfs_build *b)
{
	pthread_mutex_lock(&b->lock);
	if (b->lock_fd >= 0)
		(void)close(b->lock_fd);
	b->lock_fd = -1;
	pthread_mutex_unlock(&b->lock);
}

/* --- what the engine does --------------------------------------------------------- */

void sfs_build_tell_names(struct sfs_build *b,
                          const struct sfs_name_event *event)
{
	for (int i = 0; i < 2; i++) {
		if (event->changed[i] > 0)
			sfs_engine_ingest_changed(b->engine, event->changed[i]);
	}
	if (event->is_listed)
		sfs_engine_ingest_listed(b->engine);
}

/* An acknowledged unlink, rename or removal is as durable as the data. */
static enum sfs_rc sync_all_names(struct sfs_build *b, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	for (int kind = SFS_FOLDER_TOP; kind <= SFS_FOLDER_DELETED; kind++) {
		if (rc == SFS_OK)
			rc = sfs_files_sync_names(
				b->files, (enum sfs_folder_kind)kind, err);
	}
	return rc;
}

enum sfs_rc sfs_build_settle(struct sfs_build *b, const struct sfs_call *call,
                             struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_enter(b, err);

	if (rc != SFS_OK)
		return rc;
	rc = sync_all_names(b, err);
	if (rc == SFS_OK)
		rc = sfs_build_check_fault(b, err);
	if (rc == SFS_OK)
		rc = sfs_engine_settle(b->engine, call, err);
	sfs_build_leave(b);
	return rc;
}

enum sfs_rc sfs_build_publish(struct sfs_build *b,
                              struct sfs_snapshot_id *id_out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_build_freeze(b, SFS_BUILD_PUBLISHING, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_build_enter(b, err); /* so that nobody ends the engine */
	if (rc != SFS_OK)
		return rc;
	rc = sfs_build_check_fault(b, err);
	if (rc == SFS_OK)
		rc = sfs_engine_publish(b->engine, id_out, call, err);
	if (rc == SFS_OK)
		sfs_area_retire(b->area, b);
	else
		sfs_build_thaw(b);
	sfs_build_leave(b);
	return rc;
}

/* --- generated files ---------------------------------------------------------------- */

void sfs_build_get_progress(struct sfs_build *b, struct sfs_build_progress *out)
{
	*out = (struct sfs_build_progress){ .state = "done" };
	if (sfs_build_enter(b, NULL) != SFS_OK)
		return;
	sfs_engine_get_progress(b->engine, out);
	sfs_build_leave(b);
}

void sfs_build_print_status(struct sfs_build *b, struct sfs_buf *out)
{
	if (sfs_build_enter(b, NULL) != SFS_OK)
		return;
	sfs_engine_print_status(b->engine, out);
	sfs_build_leave(b);
}

void sfs_build_print_errors(struct sfs_build *b, struct sfs_buf *out)
{
	struct sfs_err fault;

	if (sfs_build_enter(b, NULL) != SFS_OK)
		return;
	if (sfs_build_check_fault(b, &fault) != SFS_OK)
		sfs_buf_printf(out, "%s\n", fault.msg);
	sfs_engine_print_errors(b->engine, out);
	sfs_build_leave(b);
}

enum sfs_rc sfs_build_print_plan(struct sfs_build *b, struct sfs_buf *out,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_enter(b, err);

	if (rc != SFS_OK)
		return rc;
	rc = sfs_build_check_fault(b, err);
	if (rc == SFS_OK)
		rc = sfs_engine_print_plan(b->engine, out, call, err);
	sfs_build_leave(b);
	return rc;
}

void sfs_build_print_json(struct sfs_build *b, struct sfs_buf *out)
{
	if (sfs_build_enter(b, NULL) != SFS_OK)
		return;
	sfs_engine_print_json(b->engine, out);
	sfs_build_leave(b);
}
