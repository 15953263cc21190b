/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease of a run. One writer at a time puts the record, each time with
 * the version tag of the time before; the lock is not held meanwhile:
 *
 *   1. take the turn (is_writing), copy record and tag
 *   2. put_if
 *   3. note the new tag, give the turn back
 *
 * A put that failed may have happened all the same, and so may each of those
 * before it while the store stays away. What they would have written is kept,
 * and a CONFLICT that is followed by finding just that is no conflict.
 *
 * The thread is there before the record, so that no record says "running" of
 * a run that never began.
 */
#include "catalog/lease.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "format/names.h"

#include <pthread.h>
#include <string.h>

enum { LOOK_MS = 50, DOUBTFUL_MAX = 1 << 16 };

struct sfs_lease {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct sfs_store *store; /* immutable, as the next three */
	char *key;
	int64_t renew_ms;
	struct sfs_cancel cancel;     /* raised at close */
	struct sfs_run_record record; /* protected by lock, as all below */
	struct sfs_tag tag;           /* of the record as written last */
	struct sfs_tag *doubtful;     /* of texts that may have been written */
	size_t doubtful_count;
	size_t doubtful_cap;
	bool is_writing;
	bool is_begun; /* the record is there, or may be */
	bool is_over;  /* ended, or lost */
	bool is_lost;
	bool is_closing;
	bool has_thread;
	pthread_t thread;
};

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "run record: out of memory");
}

static enum sfs_rc lost(const struct sfs_lease *l, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CONFLICT,
	                   "%s: the run was claimed by somebody else", l->key);
}

enum sfs_rc sfs_lease_new_key(const char *run_prefix, const char *run_id,
                              int64_t started_at_ns,
                              char out[SFS_STORE_KEY_MAX], struct sfs_err *err)
{
	char uuid[SFS_UUID_HEX_BYTES];
	char ts[SFS_TIME_BYTES];
	enum sfs_rc rc;
	int n;

	rc = sfs_uuid_hex(uuid, err);
	if (rc != SFS_OK)
		return rc;
	sfs_time_format(started_at_ns, ts);
	n = snprintf(out, SFS_STORE_KEY_MAX,
	             "%s/%s_run_id=%s_%s/" SFS_RUN_RECORD_NAME, run_prefix, ts,
	             run_id, uuid);
	if (n < 0 || n >= SFS_STORE_KEY_MAX)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "run record: the key is too long: %.64s...",
		                   run_prefix);
	return SFS_OK;
}

/* doubtful is touched by whoever has the turn only, here and below. */
static bool is_doubtful(const struct sfs_lease *l, const struct sfs_tag *tag)
{
	for (size_t i = 0; i < l->doubtful_count; i++) {
		if (strcmp(l->doubtful[i].text, tag->text) == 0)
			return true;
	}
	return false;
}

/* Room for one more, before there is something to note. */
static enum sfs_rc reserve_doubtful(struct sfs_lease *l, struct sfs_err *err)
{
	size_t cap = l->doubtful_cap > 0 ? l->doubtful_cap * 2 : 8;
	struct sfs_tag *grown;

	if (l->doubtful_count < l->doubtful_cap)
		return SFS_OK;
	grown = cap > DOUBTFUL_MAX
	                ? NULL
	                : sfs_realloc_array(l->doubtful, cap, sizeof(*grown));
	if (grown == NULL)
		return no_memory(err);
	l->doubtful = grown;
	l->doubtful_cap = cap;
	return SFS_OK;
}

/* The put, and the look at what is there if the answer is in doubt. */
static enum sfs_rc put_record(struct sfs_lease *l, const struct sfs_buf *text,
                              struct sfs_tag *tag, const struct sfs_call *call,
                              struct sfs_err *err)
{
	struct sfs_object_info info;
	struct sfs_err unwanted;
	char *data = NULL;
	struct sfs_tag found;
	size_t len = 0;
	enum sfs_rc rc;

	rc = l->store->ops->put_if(l->store, l->key, text->data, text->len, tag,
	                           tag, call, err);
	if (rc != SFS_E_CONFLICT || l->doubtful_count == 0)
		return rc;
	if (sfs_store_get(l->store, l->key, SFS_RUN_RECORD_MAX_BYTES, &data,
	                  &len, &info, call, &unwanted) != SFS_OK)
		return sfs_err_set(err, SFS_E_TRANSIENT,
		                   "%s cannot be read to tell whose it is",
		                   l->key);
	sfs_tag_hash(&found, data, len);
	sfs_free(data);
	if (!is_doubtful(l, &found))
		return rc;
	*tag = info.tag;
	return l->store->ops->put_if(l->store, l->key, text->data, text->len,
	                             tag, tag, call, err);
}

/* With the lock held, if it is OK. */
static enum sfs_rc take_turn(struct sfs_lease *l, const struct sfs_call *call,
                             struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	(void)pthread_mutex_lock(&l->lock);
	while (rc == SFS_OK && l->is_writing) {
		rc = sfs_call_check(call, l->key, err);
		if (rc == SFS_OK)
			(void)sfs_clock_cond_wait(&l->changed, &l->lock,
			                          sfs_clock_ms() + LOOK_MS);
	}
	if (rc == SFS_OK)
		l->is_writing = true;
	else
		(void)pthread_mutex_unlock(&l->lock);
	return rc;
}

static void end_turn_locked(struct sfs_lease *l)
{
	l->is_writing = false;
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
}

static void note_outcome_locked(struct sfs_lease *l, enum sfs_rc rc,
                                const struct sfs_run_record *record,
                                const struct sfs_tag *tag,
                                const struct sfs_buf *text)
{
	if (rc == SFS_E_CONFLICT) {
		l->is_lost = true;
		l->is_over = true;
	} else if (rc == SFS_OK) {
		l->record = *record;
		l->tag = *tag;
		l->is_over = record->status != SFS_RUN_RUNNING;
	}
	if (rc == SFS_OK || rc == SFS_E_CONFLICT)
		l->doubtful_count = 0;
	else
		sfs_tag_hash(&l->doubtful[l->doubtful_count++], text->data,
		             text->len);
}

/* Writes the record as the caller has changed it. Takes the turn's end. */
static enum sfs_rc write_in_turn(struct sfs_lease *l,
                                 struct sfs_run_record *record,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_RUN_RECORD_MAX_BYTES);
	struct sfs_tag tag = l->tag;
	enum sfs_rc rc;

	record->updated_at_ns = sfs_clock_wall_ns();
	record->lease_expires_at_ns = record->updated_at_ns;
	if (record->status == SFS_RUN_RUNNING)
		record->lease_expires_at_ns += SFS_LEASE_MS * INT64_C(1000000);
	rc = sfs_run_record_print(record, &text, err);
	if (rc == SFS_OK)
		rc = reserve_doubtful(l, err);
	if (rc == SFS_OK) {
		rc = put_record(l, &text, &tag, call, err);
		if (rc == SFS_E_CONFLICT)
			(void)lost(l, err); /* says more */
		(void)pthread_mutex_lock(&l->lock);
		note_outcome_locked(l, rc, record, &tag, &text);
	} else {
		(void)pthread_mutex_lock(&l->lock);
	}
	end_turn_locked(l);
	sfs_buf_release(&text);
	return rc;
}

/* The turn, and a copy of the record; CONFLICT: it is no longer ours. */
static enum sfs_rc begin_write(struct sfs_lease *l,
                               struct sfs_run_record *record,
                               const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc = take_turn(l, call, err);

	if (rc != SFS_OK)
		return rc;
	if (l->is_lost) {
		end_turn_locked(l);
		return lost(l, err);
	}
	*record = l->record;
	(void)pthread_mutex_unlock(&l->lock);
	return SFS_OK;
}

enum sfs_rc sfs_lease_confirm(struct sfs_lease *l, const struct sfs_call *call,
                              struct sfs_err *err)
{
	struct sfs_run_record record;
	enum sfs_rc rc = begin_write(l, &record, call, err);

	if (rc != SFS_OK)
		return rc;
	return write_in_turn(l, &record, call, err);
}

enum sfs_rc sfs_lease_succeed(struct sfs_lease *l, const char *manifest_ref,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_run_record record;
	enum sfs_rc rc = begin_write(l, &record, call, err);

	if (rc != SFS_OK)
		return rc;
	record.status = SFS_RUN_SUCCEEDED;
	(void)snprintf(record.manifest_ref, sizeof(record.manifest_ref), "%s",
	               manifest_ref);
	return write_in_turn(l, &record, call, err);
}

enum sfs_rc sfs_lease_fail(struct sfs_lease *l, const char *error_type,
                           const char *message, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct sfs_run_record record;
	enum sfs_rc rc = begin_write(l, &record, call, err);

	if (rc != SFS_OK)
		return rc;
	record.status = SFS_RUN_FAILED;
	(void)snprintf(record.error_type, sizeof(record.error_type), "%s",
	               error_type);
	(void)snprintf(record.error_message, sizeof(record.error_message), "%s",
	               message);
	return write_in_turn(l, &record, call, err);
}

/* Waits until it is time, or the lease is over; true: renew it. */
static bool wait_locked(struct sfs_lease *l)
{
	int64_t end;

	while (!l->is_begun && !l->is_closing)
		(void)pthread_cond_wait(&l->changed, &l->lock);
	end = sfs_clock_ms() + l->renew_ms;
	while (!l->is_over && !l->is_closing && sfs_clock_ms() < end)
		(void)sfs_clock_cond_wait(&l->changed, &l->lock, end);
	return !l->is_over && !l->is_closing;
}

static void *renew(void *arg)
{
	struct sfs_lease *l = arg;
	struct sfs_call call = { .cancel = &l->cancel };
	struct sfs_err err;
	enum sfs_rc rc;

	(void)pthread_mutex_lock(&l->lock);
	while (wait_locked(l)) {
		(void)pthread_mutex_unlock(&l->lock);
		call.deadline_ms = sfs_clock_ms() + SFS_LEASE_RENEW_MS;
		/* what is no conflict is tried again in time */
		rc = sfs_lease_confirm(l, &call, &err);
		if (rc != SFS_OK && rc != SFS_E_CANCELED)
			sfs_log(SFS_LOG_WARN, SFS_LOG_CATALOG,
			        "cannot renew a run record rc=%s: %s",
			        sfs_rc_name(rc), err.msg);
		(void)pthread_mutex_lock(&l->lock);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}

static enum sfs_rc fit(char *out, size_t cap, const char *text,
                       const char *what, struct sfs_err *err)
{
	int n = snprintf(out, cap, "%s", text);

	if (n >= 0 && (size_t)n < cap)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID, "run record: %s is too long",
	                   what);
}

static enum sfs_rc fill(const struct sfs_lease_config *c,
                        struct sfs_run_record *r, struct sfs_err *err)
{
	const struct {
		const char *what;
		char *out;
		size_t cap;
		const char *text;
	} members[] = {
		{ "run_id", r->run_id, sizeof(r->run_id), c->run_id },
		{ "s3_prefix", r->s3_prefix, sizeof(r->s3_prefix),
		  c->s3_prefix },
		{ "shard_prefix", r->shard_prefix, sizeof(r->shard_prefix),
		  c->shard_prefix },
		{ "db_path_template", r->db_path_template,
		  sizeof(r->db_path_template), c->db_path_template },
		{ "writer_type", r->writer_type, sizeof(r->writer_type),
		  c->writer_type },
	};
	enum sfs_rc rc = SFS_OK;

	r->status = SFS_RUN_RUNNING;
	r->started_at_ns = sfs_clock_wall_ns();
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (rc == SFS_OK)
			rc = fit(members[i].out, members[i].cap,
			         members[i].text, members[i].what, err);
	}
	return rc;
}

/* A record that another process of this build began. */
static enum sfs_rc take_up(struct sfs_lease *l, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct sfs_run_record found;
	struct sfs_object_info info;
	char *data = NULL;
	size_t len = 0;
	enum sfs_rc rc;

	rc = sfs_store_get(l->store, l->key, SFS_RUN_RECORD_MAX_BYTES, &data,
	                   &len, &info, call, err);
	if (rc == SFS_E_NOT_FOUND || rc == SFS_E_TOO_BIG)
		return lost(l, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_run_record_parse(data, len, &found, err);
	sfs_free(data);
	if (rc == SFS_E_CORRUPT)
		return lost(l, err);
	if (rc != SFS_OK)
		return rc;
	if (found.status == SFS_RUN_SUCCEEDED)
		return sfs_err_set(err, SFS_E_EXISTS,
		                   "%s: the run has succeeded", l->key);
	if (strcmp(found.run_id, l->record.run_id) != 0 ||
	    strcmp(found.error_type, SFS_LEASE_CLAIMED) == 0)
		return lost(l, err);
	l->record.started_at_ns = found.started_at_ns;
	if (l->record.shard_prefix[0] == '\0')
		memcpy(l->record.shard_prefix, found.shard_prefix,
		       sizeof(found.shard_prefix));
	if (l->record.db_path_template[0] == '\0')
		memcpy(l->record.db_path_template, found.db_path_template,
		       sizeof(found.db_path_template));
	l->tag = info.tag;
	return SFS_OK;
}

static enum sfs_rc init_sync(struct sfs_lease *l, struct sfs_err *err)
{
	(void)pthread_mutex_init(&l->lock, NULL); /* cannot fail on Linux */
	sfs_clock_cond_init(&l->changed);
	return sfs_cancel_init(&l->cancel, err);
}

static enum sfs_rc begin(struct sfs_lease *l, const struct sfs_lease_config *c,
                         const struct sfs_call *call, struct sfs_err *err)
{
	char key[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;

	rc = init_sync(l, err);
	if (rc == SFS_OK)
		rc = fill(c, &l->record, err);
	if (rc == SFS_OK && c->record_key == NULL)
		rc = sfs_lease_new_key(c->run_prefix, c->run_id,
		                       l->record.started_at_ns, key, err);
	if (rc != SFS_OK)
		return rc;
	l->key = sfs_strdup(c->record_key != NULL ? c->record_key : key);
	if (l->key == NULL)
		return no_memory(err);
	l->has_thread = pthread_create(&l->thread, NULL, renew, l) == 0;
	if (!l->has_thread)
		return no_memory(err);
	if (c->record_key != NULL)
		rc = take_up(l, call, err);
	if (rc == SFS_OK)
		rc = sfs_lease_confirm(l, call, err);
	(void)pthread_mutex_lock(&l->lock);
	l->is_begun = rc == SFS_OK ||
	              (c->record_key == NULL && l->doubtful_count > 0);
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
	return rc;
}

enum sfs_rc sfs_lease_begin(const struct sfs_lease_config *config,
                            struct sfs_lease **out, const struct sfs_call *call,
                            struct sfs_err *err)
{
	struct sfs_lease *l = sfs_calloc(1, sizeof(*l));
	enum sfs_rc rc;

	*out = NULL;
	if (l == NULL)
		return no_memory(err);
	l->store = config->store;
	l->renew_ms =
		config->renew_ms > 0 ? config->renew_ms : SFS_LEASE_RENEW_MS;
	l->cancel.event_fd = -1;
	rc = begin(l, config, call, err);
	*out = l->is_begun ? l : NULL;
	if (*out == NULL)
		sfs_lease_close(l);
	return rc;
}

const char *sfs_lease_record_key(const struct sfs_lease *l)
{
	return l->key;
}

void sfs_lease_close(struct sfs_lease *l)
{
	if (l == NULL)
		return;
	if (l->has_thread) {
		(void)pthread_mutex_lock(&l->lock);
		l->is_closing = true;
		(void)pthread_cond_broadcast(&l->changed);
		(void)pthread_mutex_unlock(&l->lock);
		sfs_cancel_raise(&l->cancel);
		(void)pthread_join(l->thread, NULL);
	}
	(void)pthread_cond_destroy(&l->changed);
	(void)pthread_mutex_destroy(&l->lock);
	sfs_cancel_release(&l->cancel);
	sfs_free(l->doubtful);
	sfs_free(l->key);
	sfs_free(l);
}

enum sfs_rc sfs_lease_claim(struct sfs_store *store, const char *record_key,
                            const struct sfs_run_record *record,
                            const struct sfs_tag *tag,
                            const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_RUN_RECORD_MAX_BYTES);
	struct sfs_run_record claimed = *record;
	enum sfs_rc rc;

	claimed.status = SFS_RUN_FAILED;
	claimed.updated_at_ns = sfs_clock_wall_ns();
	claimed.lease_expires_at_ns = claimed.updated_at_ns;
	(void)snprintf(claimed.error_type, sizeof(claimed.error_type), "%s",
	               SFS_LEASE_CLAIMED);
	(void)snprintf(claimed.error_message, sizeof(claimed.error_message),
	               "the run was given up: its lease is over");
	rc = sfs_run_record_print(&claimed, &text, err);
	if (rc == SFS_OK)
		rc = store->ops->put_if(store, record_key, text.data, text.len,
		                        tag, NULL, call, err);
	sfs_buf_release(&text);
	return rc;
}
