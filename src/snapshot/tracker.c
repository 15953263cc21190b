/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker. One look is: read the pointer; if it names another snapshot
 * than the one shown, open that; on success swap the shown generation under
 * the lock and tell the owner. Everything slow happens without the lock.
 *
 * The thread waits in the catalog's watch, which ends when the pointer
 * changes, when the refresh interval (with jitter, so that many mounts do
 * not look at the same moment) is over, or when somebody asked for a look.
 */
#include "snapshot/tracker.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "catalog/rollback.h"
#include "format/current.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { FALLBACKS_MAX = 3 };

/* What is shown: the snapshot and the pointer that led to it. */
struct shown {
	struct sfs_snapshot *snapshot; /* a reference; NULL: nothing */
	char *pointer;                 /* bytes of _CURRENT; owned */
	size_t pointer_len;
	struct sfs_tag tag;
	bool is_fallback;
};

struct sfs_tracker {
	pthread_mutex_t lock;
	struct shown shown;               /* protected by lock */
	struct sfs_tracker_status status; /* protected by lock */
	pthread_cond_t moved;             /* with lock: of the three below */
	uint64_t looks_begun;             /* protected by lock */
	uint64_t looks_shown;             /* protected by lock: nothing newer */
	uint64_t looks_told;              /* protected by lock */
	struct sfs_tracker_config config; /* immutable */
	struct sfs_cancel wake; /* asks for a look; thread-safe by itself */
	struct sfs_cancel halt; /* ends the thread, and a look under way */
	pthread_t thread;
	bool has_thread; /* owner's thread only */
	uint64_t jitter; /* tracker thread only */
};

static void shown_release(struct shown *s)
{
	sfs_snapshot_unref(s->snapshot);
	sfs_free(s->pointer);
	*s = (struct shown){ 0 };
}

static struct sfs_call begin_call(const struct sfs_tracker *t)
{
	struct sfs_call call = { 0, &t->halt };

	if (t->config.op_timeout_ms > 0)
		call.deadline_ms = sfs_clock_ms() + t->config.op_timeout_ms;
	return call;
}

/* Collects the newest history entries older than a given one. */
struct older {
	const struct sfs_snapshot_id *than;
	struct sfs_snapshot_id ids[FALLBACKS_MAX];
	int count;
};

static bool note_older(void *arg, const struct sfs_snapshot_id *id)
{
	struct older *o = arg;

	if (sfs_snapshot_id_compare(id, o->than) > 0)
		o->ids[o->count++] = *id;
	return o->count < FALLBACKS_MAX;
}

/* What lies in the store, not a fault on the way to it. */
static bool is_unusable(enum sfs_rc rc)
{
	return rc == SFS_E_CORRUPT || rc == SFS_E_NOT_FOUND ||
	       rc == SFS_E_UNSUPPORTED;
}

/* Opens the newest usable manifest older than the pointer's broken one. */
static enum sfs_rc fall_back(struct sfs_tracker *t,
                             const struct sfs_snapshot_id *broken,
                             const struct sfs_err *why, struct shown *out,
                             struct sfs_err *err)
{
	struct sfs_catalog *catalog = t->config.source.catalog;
	struct sfs_call call = begin_call(t);
	struct older older = { .than = broken };
	struct sfs_err reason;
	enum sfs_rc rc;

	rc = catalog->ops->history(catalog, note_older, &older, &call, err);
	if (rc != SFS_OK)
		return rc;
	for (int i = 0; i < older.count; i++) {
		rc = sfs_snapshot_open(&t->config.source, &older.ids[i], NULL,
		                       &out->snapshot, &call, &reason);
		if (is_unusable(rc))
			continue;
		if (rc != SFS_OK) {
			*err = reason;
			return rc;
		}
		out->is_fallback = true;
		sfs_log(SFS_LOG_ERROR, SFS_LOG_SNAPSHOT,
		        "the published manifest cannot be used, showing an "
		        "older one snapshot=%s cause=\"%s\"",
		        sfs_snapshot_text_id(out->snapshot), why->msg);
		return SFS_OK;
	}
	return sfs_err_set(err, SFS_E_CORRUPT, "%s", why->msg);
}

/*
 * A manifest that is missing or does not parse gives way to an older one. One
 * that parses, but needs what this build lacks, does not: serving old data in
 * its place would not be noticed.
 */
static bool may_fall_back(struct sfs_tracker *t,
                          const struct sfs_snapshot_id *id, enum sfs_rc rc)
{
	struct sfs_catalog *catalog = t->config.source.catalog;
	struct sfs_call call = begin_call(t);
	struct sfs_manifest *m = NULL;
	struct sfs_err ignored;

	if (rc != SFS_E_UNSUPPORTED)
		return rc == SFS_E_CORRUPT || rc == SFS_E_NOT_FOUND;
	rc = catalog->ops->load(catalog, id, &m, &call, &ignored);
	sfs_manifest_free(m);
	return is_unusable(rc);
}

/*
 * Opens the snapshot that the pointer names. *id_out is set once it is clear
 * that the pointer itself is sound.
 */
static enum sfs_rc open_pointed(struct sfs_tracker *t,
                                const struct sfs_current *current,
                                struct sfs_snapshot_id *id_out,
                                struct sfs_snapshot **out, struct sfs_err *err)
{
	struct sfs_call call = begin_call(t);
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	rc = sfs_snapshot_id_from_ref(current->manifest_ref, &id, err);
	if (rc != SFS_OK)
		return rc;
	if (strcmp(id.run_id, current->run_id) != 0)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "_CURRENT: manifest_ref %s does not belong "
		                   "to run %s",
		                   current->manifest_ref, current->run_id);
	*id_out = id;
	rc = sfs_snapshot_open(&t->config.source, &id, current->manifest_ref,
	                       out, &call, err);
	if (rc == SFS_E_NOT_FOUND)
		(void)sfs_err_wrap(err, "the manifest that _CURRENT names "
		                        "is missing");
	return rc;
}

/* A cold start may fall back; a running tracker keeps what it shows. */
static enum sfs_rc load_pointed(struct sfs_tracker *t,
                                const struct sfs_pointer *pointer, bool is_cold,
                                struct shown *out, struct sfs_err *err)
{
	struct sfs_snapshot_id id = { 0 };
	struct sfs_err why;
	enum sfs_rc rc;

	rc = open_pointed(t, pointer->current, &id, &out->snapshot, err);
	if (rc == SFS_OK || !is_cold || id.run_id[0] == '\0')
		return rc;
	why = *err;
	if (!may_fall_back(t, &id, rc))
		return rc;
	return fall_back(t, &id, &why, out, err);
}

/* Only the tracker's thread replaces what is shown, so it reads unlocked. */
static bool is_shown(const struct sfs_tracker *t, const struct sfs_tag *tag)
{
	return t->shown.snapshot != NULL && !t->shown.is_fallback &&
	       strcmp(t->shown.tag.text, tag->text) == 0;
}

/*
 * Reads the pointer and what it names into *out, whose snapshot stays NULL
 * if that is shown already, or if nothing is published and that is fine.
 */
static enum sfs_rc load(struct sfs_tracker *t, bool is_cold, struct shown *out,
                        struct sfs_err *err)
{
	struct sfs_catalog *catalog = t->config.source.catalog;
	struct sfs_call call = begin_call(t);
	struct sfs_pointer pointer = { 0 };
	enum sfs_rc rc;

	rc = catalog->ops->current(catalog, &pointer, &call, err);
	if (rc == SFS_E_NOT_FOUND && t->config.may_be_empty &&
	    t->shown.snapshot == NULL)
		return SFS_OK;
	if (rc != SFS_OK)
		return rc;
	if (!is_shown(t, &pointer.tag))
		rc = load_pointed(t, &pointer, is_cold, out, err);
	if (rc == SFS_OK && out->snapshot != NULL) {
		out->pointer = pointer.bytes;
		out->pointer_len = pointer.len;
		out->tag = pointer.tag;
		pointer.bytes = NULL;
	}
	sfs_pointer_release(&pointer);
	return rc;
}

static enum sfs_rc load_pinned(struct sfs_tracker *t, struct shown *out,
                               struct sfs_err *err)
{
	struct sfs_call call = begin_call(t);
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	rc = sfs_catalog_resolve(t->config.source.catalog, t->config.ref, &id,
	                         &call, err);
	if (rc != SFS_OK)
		return rc;
	return sfs_snapshot_open(&t->config.source, &id, NULL, &out->snapshot,
	                         &call, err);
}

static void note_result(struct sfs_tracker *t, const struct sfs_err *fault)
{
	int64_t now = sfs_clock_wall_ns();

	pthread_mutex_lock(&t->lock);
	t->status.checks++;
	t->status.last_check_ns = now;
	if (fault == NULL) {
		t->status.last_success_ns = now;
		t->status.fault.rc = SFS_OK;
	} else {
		t->status.failures++;
		t->status.fault = *fault;
	}
	pthread_mutex_unlock(&t->lock);
}

/* Makes *next what is shown; takes it over. */
static void show(struct sfs_tracker *t, struct shown *next)
{
	struct shown old;

	pthread_mutex_lock(&t->lock);
	t->looks_shown = t->looks_begun;
	pthread_cond_broadcast(&t->moved);
	old = t->shown;
	t->shown = *next;
	t->status.is_fallback = next->is_fallback;
	if (next->snapshot != NULL)
		t->status.generation++;
	pthread_mutex_unlock(&t->lock);
	*next = (struct shown){ 0 };
	shown_release(&old);
}

/*
 * Who waits learns what a look found before the owner is told of it: telling
 * may wait for the very request that waits here.
 */
static void begin_look(struct sfs_tracker *t)
{
	pthread_mutex_lock(&t->lock);
	t->looks_begun++;
	pthread_mutex_unlock(&t->lock);
}

static void end_look(struct sfs_tracker *t)
{
	pthread_mutex_lock(&t->lock);
	t->looks_shown = t->looks_begun;
	t->looks_told = t->looks_begun;
	pthread_cond_broadcast(&t->moved);
	pthread_mutex_unlock(&t->lock);
}

/*
 * One look of the running tracker. True if it found no fault. It is counted
 * when all is done, so that who sees the count sees what the look did.
 */
static bool look_once(struct sfs_tracker *t)
{
	struct shown next = { 0 };
	struct sfs_err err;

	if (load(t, false, &next, &err) != SFS_OK) {
		if (sfs_cancel_is_raised(&t->halt))
			return false;
		note_result(t, &err);
		sfs_log(SFS_LOG_WARN, SFS_LOG_SNAPSHOT,
		        "refresh failed, what is shown stays rc=%s "
		        "cause=\"%s\"",
		        sfs_rc_name(err.rc), err.msg);
		return false;
	}
	if (next.snapshot != NULL) {
		sfs_log(SFS_LOG_INFO, SFS_LOG_SNAPSHOT, "switched snapshot=%s",
		        sfs_snapshot_text_id(next.snapshot));
		show(t, &next);
		t->config.switched(t->config.arg);
	}
	note_result(t, NULL);
	return true;
}

static bool look(struct sfs_tracker *t)
{
	bool is_fine;

	begin_look(t);
	is_fine = look_once(t);
	end_look(t);
	return is_fine;
}

/* refresh_ms plus up to a tenth. */
static int64_t next_deadline(struct sfs_tracker *t)
{
	int64_t refresh = t->config.refresh_ms;

	if (refresh == 0)
		return 0;
	t->jitter = t->jitter * 6364136223846793005u + 1442695040888963407u;
	return sfs_clock_ms() + refresh +
	       (int64_t)((t->jitter >> 33) % (uint64_t)(refresh / 10 + 1));
}

/*
 * Waits for a reason to look. A store that cannot be watched, or whose watch
 * ends before its time, is looked at every refresh interval.
 */
static enum sfs_rc wait_for_reason(struct sfs_tracker *t, struct sfs_tag *tag)
{
	struct sfs_catalog *catalog = t->config.source.catalog;
	struct sfs_call call = { next_deadline(t), &t->wake };
	struct pollfd woken = { .fd = t->wake.event_fd, .events = POLLIN };
	struct sfs_err err;
	int64_t left = -1;
	enum sfs_rc rc;

	if (t->config.refresh_ms > 0) {
		rc = catalog->ops->watch(catalog, tag, &call, &err);
		left = call.deadline_ms - sfs_clock_ms();
		if (rc == SFS_OK || (rc == SFS_E_TIMEOUT && left <= 0) ||
		    sfs_cancel_is_raised(&t->wake))
			return rc;
		left = left < 0 ? 0 : left > INT_MAX ? INT_MAX : left;
	}
	(void)poll(&woken, 1, (int)left); /* a signal only looks earlier */
	return SFS_E_CANCELED;
}

static void *follow(void *arg)
{
	struct sfs_tracker *t = arg;
	struct sfs_tag tag = t->shown.tag;
	bool is_fine = true;
	bool is_asked;
	enum sfs_rc rc;

	for (;;) {
		rc = wait_for_reason(t, &tag);
		/* in this order: a stop wakes after it halted */
		is_asked = sfs_cancel_is_raised(&t->wake);
		sfs_cancel_clear(&t->wake);
		if (sfs_cancel_is_raised(&t->halt))
			return NULL;
		if (rc == SFS_E_TIMEOUT && !is_asked && is_fine &&
		    !t->shown.is_fallback)
			note_result(t, NULL);
		else
			is_fine = look(t);
	}
}

enum sfs_rc sfs_tracker_open(const struct sfs_tracker_config *config,
                             struct sfs_tracker **out, struct sfs_err *err)
{
	struct sfs_tracker *t = sfs_calloc(1, sizeof(*t));
	struct shown first = { 0 };
	enum sfs_rc rc;

	if (t == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "tracker: out of memory");
	t->config = *config;
	t->wake.event_fd = -1;
	t->halt.event_fd = -1;
	t->jitter = (uint64_t)sfs_clock_wall_ns();
	pthread_mutex_init(&t->lock, NULL);
	sfs_clock_cond_init(&t->moved);
	rc = config->ref != NULL ? load_pinned(t, &first, err)
	                         : load(t, true, &first, err);
	if (rc != SFS_OK) {
		shown_release(&first);
		sfs_tracker_close(t);
		return rc;
	}
	show(t, &first);
	note_result(t, NULL);
	*out = t;
	return SFS_OK;
}

enum sfs_rc sfs_tracker_start(struct sfs_tracker *t, struct sfs_err *err)
{
	enum sfs_rc rc;
	int error;

	rc = sfs_cancel_init(&t->wake, err);
	if (rc == SFS_OK)
		rc = sfs_cancel_init(&t->halt, err);
	if (rc != SFS_OK)
		return rc;
	error = pthread_create(&t->thread, NULL, follow, t);
	if (error != 0)
		return sfs_err_sys(err, error, "tracker: cannot start");
	t->has_thread = true;
	return SFS_OK;
}

void sfs_tracker_stop(struct sfs_tracker *t)
{
	if (t == NULL || !t->has_thread)
		return;
	sfs_cancel_raise(&t->halt);
	sfs_cancel_raise(&t->wake);
	(void)pthread_join(t->thread, NULL); /* ours, joined once */
	t->has_thread = false;
}

void sfs_tracker_close(struct sfs_tracker *t)
{
	if (t == NULL)
		return;
	sfs_tracker_stop(t);
	sfs_cancel_release(&t->wake);
	sfs_cancel_release(&t->halt);
	shown_release(&t->shown);
	pthread_cond_destroy(&t->moved);
	pthread_mutex_destroy(&t->lock);
	sfs_free(t);
}

struct sfs_snapshot *sfs_tracker_current(struct sfs_tracker *t,
                                         uint64_t *generation)
{
	struct sfs_snapshot *s;

	pthread_mutex_lock(&t->lock);
	s = t->shown.snapshot;
	if (s != NULL)
		(void)sfs_snapshot_ref(s);
	if (generation != NULL)
		*generation = t->status.generation;
	pthread_mutex_unlock(&t->lock);
	return s;
}

enum sfs_rc sfs_tracker_pointer(struct sfs_tracker *t, char **bytes_out,
                                size_t *len_out, struct sfs_err *err)
{
	bool is_there;
	char *copy = NULL;

	pthread_mutex_lock(&t->lock);
	is_there = t->shown.pointer != NULL;
	if (is_there)
		copy = sfs_memdup0(t->shown.pointer, t->shown.pointer_len);
	*len_out = t->shown.pointer_len;
	pthread_mutex_unlock(&t->lock);
	if (!is_there)
		return sfs_err_set(err, SFS_E_NOT_FOUND,
		                   "_CURRENT: no pointer is followed");
	if (copy == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "_CURRENT: out of memory");
	*bytes_out = copy;
	return SFS_OK;
}

void sfs_tracker_refresh(struct sfs_tracker *t)
{
	if (t->wake.event_fd >= 0)
		sfs_cancel_raise(&t->wake);
}

static bool is_id_shown_locked(const struct sfs_tracker *t,
                               const struct sfs_snapshot_id *id)
{
	return t->shown.snapshot != NULL &&
	       sfs_snapshot_id_compare(sfs_snapshot_id_of(t->shown.snapshot),
	                               id) == 0;
}

/* Short naps: a cancel has no other way to wake who sleeps here. */
static void nap_locked(struct sfs_tracker *t)
{
	enum { NAP_MS = 20 };

	(void)sfs_clock_cond_wait(&t->moved, &t->lock, sfs_clock_ms() + NAP_MS);
}

enum sfs_rc sfs_tracker_wait(struct sfs_tracker *t,
                             const struct sfs_snapshot_id *id, bool until_told,
                             const struct sfs_call *call, struct sfs_err *err)
{
	uint64_t wanted;
	bool is_done = false;
	bool is_shown;
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&t->lock);
	wanted = t->looks_begun + 1;
	pthread_mutex_unlock(&t->lock);
	sfs_tracker_refresh(t);
	while (rc == SFS_OK && !is_done) {
		rc = sfs_call_check(call, "showing the new snapshot", err);
		pthread_mutex_lock(&t->lock);
		is_shown = is_id_shown_locked(t, id);
		is_done =
			t->looks_told >= wanted ||
			(!until_told && (is_shown || t->looks_shown >= wanted));
		if (rc == SFS_OK && !is_done)
			nap_locked(t);
		if (is_done && !is_shown && t->status.fault.rc != SFS_OK) {
			*err = t->status.fault;
			rc = err->rc;
		}
		pthread_mutex_unlock(&t->lock);
	}
	return rc;
}

void sfs_tracker_get_status(struct sfs_tracker *t,
                            struct sfs_tracker_status *out)
{
	pthread_mutex_lock(&t->lock);
	*out = t->status;
	pthread_mutex_unlock(&t->lock);
}
