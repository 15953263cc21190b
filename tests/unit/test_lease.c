/* SPDX-License-Identifier: Apache-2.0 */
/* The lease of a run: whose record it is, and who finds out. */
#include "base/clock.h"
#include "catalog/lease.h"
#include "store/fault.h"
#include "unit/workstore.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

static struct sfs_lease *lease;
static bool has_no_threads;

/* In place of the library's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
	            void *);

	if (has_no_threads)
		return EAGAIN;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	return real(thread, attr, fn, arg);
}

static struct sfs_lease_config config_of(const char *record_key)
{
	return (struct sfs_lease_config){
		.store = store,
		.run_prefix = "runs",
		.run_id = "r1",
		.s3_prefix = "file:///srv/store",
		.shard_prefix = "shards",
		.db_path_template = "db={db_id:05d}",
		.writer_type = "shardyfs",
		.record_key = record_key,
	};
}

static enum sfs_rc begin(const char *record_key)
{
	struct sfs_lease_config config = config_of(record_key);

	lease = NULL;
	return sfs_lease_begin(&config, &lease, NULL, &err);
}

/* The record at key as it is now. */
static struct sfs_run_record record_at(const char *key)
{
	struct sfs_run_record record = { .status = SFS_RUN_INVALID };
	char *data = NULL;
	size_t len = 0;

	IS_INT(sfs_store_get(store, key, SFS_RUN_RECORD_MAX_BYTES, &data, &len,
	                     NULL, NULL, &err),
	       SFS_OK);
	if (data != NULL)
		IS_INT(sfs_run_record_parse(data, len, &record, &err), SFS_OK);
	sfs_free(data);
	return record;
}

static void a_run_begins_with_a_record_that_says_running(void)
{
	int64_t now = sfs_clock_wall_ns();
	struct sfs_run_record r;
	char run_id[SFS_RUN_ID_BYTES];
	const char *key;

	IS_INT(begin(NULL), SFS_OK);
	key = sfs_lease_record_key(lease);
	OK(strncmp(key, "runs/20", 7) == 0);
	OK(sfs_run_record_run_id(key, run_id));
	IS_STR(run_id, "r1");
	r = record_at(key);
	IS_INT(r.status, SFS_RUN_RUNNING);
	IS_STR(r.run_id, "r1");
	IS_STR(r.s3_prefix, "file:///srv/store");
	IS_STR(r.writer_type, "shardyfs");
	IS_STR(r.manifest_ref, "");
	OK(r.started_at_ns >= now - 1000000);
	IS_INT(r.lease_expires_at_ns - r.updated_at_ns,
	       SFS_LEASE_MS * INT64_C(1000000));
	sfs_lease_close(lease);
	sfs_lease_close(NULL);
}

static void the_end_is_recorded_and_ends_the_lease(void)
{
	struct sfs_run_record r;
	char key[SFS_STORE_KEY_MAX];

	IS_INT(begin(NULL), SFS_OK);
	(void)snprintf(key, sizeof(key), "%s", sfs_lease_record_key(lease));
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_OK);
	IS_INT(sfs_lease_succeed(lease, "file:///x/manifests/y/manifest", NULL,
	                         &err),
	       SFS_OK);
	r = record_at(key);
	IS_INT(r.status, SFS_RUN_SUCCEEDED);
	IS_STR(r.manifest_ref, "file:///x/manifests/y/manifest");
	IS_INT(r.lease_expires_at_ns, r.updated_at_ns);
	sfs_lease_close(lease);
	IS_INT(begin(key), SFS_E_EXISTS);
}

static void a_failed_run_tells_why_and_can_be_taken_up(void)
{
	struct sfs_run_record r;
	char key[SFS_STORE_KEY_MAX];

	IS_INT(begin(NULL), SFS_OK);
	(void)snprintf(key, sizeof(key), "%s", sfs_lease_record_key(lease));
	IS_INT(sfs_lease_fail(lease, "ShardCoverageError", "shard 3: none",
	                      NULL, &err),
	       SFS_OK);
	sfs_lease_close(lease);
	r = record_at(key);
	IS_INT(r.status, SFS_RUN_FAILED);
	IS_STR(r.error_type, "ShardCoverageError");
	IS_STR(r.error_message, "shard 3: none");
	IS_INT(begin(key), SFS_OK);
	IS_STR(sfs_lease_record_key(lease), key);
	IS_INT(record_at(key).status, SFS_RUN_RUNNING);
	IS_STR(record_at(key).error_type, "");
	IS_INT(record_at(key).started_at_ns, r.started_at_ns);
	sfs_lease_close(lease);
}

static void claim(const char *key)
{
	struct sfs_object_info info;
	struct sfs_run_record r = record_at(key);
	char *data = NULL;
	size_t len;

	IS_INT(sfs_store_get(store, key, SFS_RUN_RECORD_MAX_BYTES, &data, &len,
	                     &info, NULL, &err),
	       SFS_OK);
	sfs_free(data);
	IS_INT(sfs_lease_claim(store, key, &r, &info.tag, NULL, &err), SFS_OK);
	/* the version is another one by now */
	IS_INT(sfs_lease_claim(store, key, &r, &info.tag, NULL, &err),
	       SFS_E_CONFLICT);
}

static void a_claimed_run_is_a_conflict_for_its_writer(void)
{
	char key[SFS_STORE_KEY_MAX];

	IS_INT(begin(NULL), SFS_OK);
	(void)snprintf(key, sizeof(key), "%s", sfs_lease_record_key(lease));
	claim(key);
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_CONFLICT);
	HAS_STR(err.msg, key);
	IS_INT(sfs_lease_succeed(lease, "x", NULL, &err), SFS_E_CONFLICT);
	sfs_lease_close(lease);
	IS_STR(record_at(key).error_type, SFS_LEASE_CLAIMED);
	IS_INT(record_at(key).status, SFS_RUN_FAILED);
	IS_INT(begin(key), SFS_E_CONFLICT);
}

static void a_record_that_is_gone_is_a_conflict(void)
{
	char key[SFS_STORE_KEY_MAX];

	IS_INT(begin(NULL), SFS_OK);
	(void)snprintf(key, sizeof(key), "%s", sfs_lease_record_key(lease));
	IS_INT(store->ops->delete (store, key, NULL, &err), SFS_OK);
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_CONFLICT);
	sfs_lease_close(lease);
	IS_INT(begin(key), SFS_E_CONFLICT);
	OK(!is_there(key));
	put_text(key, "no: [yaml");
	IS_INT(begin(key), SFS_E_CONFLICT);
}

static void the_thread_renews_the_lease(void)
{
	struct sfs_lease_config config = config_of(NULL);
	int64_t end = sfs_clock_ms() + 30000;
	struct sfs_run_record first;
	const char *key;

	config.renew_ms = 2;
	IS_INT(sfs_lease_begin(&config, &lease, NULL, &err), SFS_OK);
	key = sfs_lease_record_key(lease);
	first = record_at(key);
	while (record_at(key).lease_expires_at_ns ==
	               first.lease_expires_at_ns &&
	       sfs_clock_ms() < end)
		(void)poll(NULL, 0, 1);
	OK(record_at(key).lease_expires_at_ns > first.lease_expires_at_ns);
	IS_INT(record_at(key).started_at_ns, first.started_at_ns);
	sfs_lease_close(lease);
}

/*
 * A put that says IO after it was done: the next one must not conflict. away:
 * those behind it say so without being done.
 */
struct forgetful {
	struct sfs_store base;
	struct sfs_store_ops ops;
	struct sfs_store *inner;
	int lies; /* how many puts are still to be denied */
	int away; /* the same, and not made */
};

static enum sfs_rc lie(struct sfs_store *s, const char *key, const void *data,
                       size_t len, const struct sfs_tag *expected,
                       struct sfs_tag *tag_out, const struct sfs_call *call,
                       struct sfs_err *e)
{
	struct forgetful *f = (struct forgetful *)s;
	struct sfs_tag tag;
	enum sfs_rc rc;

	if (f->lies == 0 && f->away > 0) {
		f->away--;
		return sfs_err_set(e, SFS_E_IO, "the store is away");
	}
	rc = f->inner->ops->put_if(f->inner, key, data, len, expected, &tag,
	                           call, e);
	if (rc != SFS_OK)
		return rc;
	if (f->lies > 0) {
		f->lies--;
		return sfs_err_set(e, SFS_E_IO, "no answer");
	}
	*tag_out = tag;
	return SFS_OK;
}

static enum sfs_rc open_inner(struct sfs_store *s, const char *key,
                              struct sfs_object **out,
                              const struct sfs_call *call, struct sfs_err *e)
{
	struct forgetful *f = (struct forgetful *)s;

	return f->inner->ops->open(f->inner, key, out, call, e);
}

/* A lease in a store that lies so many times. */
static enum sfs_rc begin_lied_to(struct forgetful *f, int lies)
{
	struct sfs_lease_config config = config_of(NULL);

	*f = (struct forgetful){ .inner = store,
		                 .ops = *store->ops,
		                 .lies = lies };
	f->ops.put_if = lie;
	f->ops.open = open_inner;
	f->base.ops = &f->ops;
	f->base.url = store->url;
	config.store = &f->base;
	return sfs_lease_begin(&config, &lease, NULL, &err);
}

static void begin_forgetful(struct forgetful *f)
{
	IS_INT(begin_lied_to(f, 0), SFS_OK);
}

static void a_first_write_whose_answer_was_lost_is_ended(void)
{
	char key[SFS_STORE_KEY_MAX];
	struct forgetful f;

	IS_INT(begin_lied_to(&f, 1), SFS_E_IO);
	(void)snprintf(key, sizeof(key), "%s", sfs_lease_record_key(lease));
	IS_INT(record_at(key).status, SFS_RUN_RUNNING);
	IS_INT(sfs_lease_fail(lease, "BuildAborted", "", NULL, &err), SFS_OK);
	IS_INT(record_at(key).status, SFS_RUN_FAILED);
	sfs_lease_close(lease);
}

static void a_write_whose_answer_was_lost_is_recognized(void)
{
	struct forgetful f;

	begin_forgetful(&f);
	f.lies = 1;
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_IO);
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_OK);
	f.lies = 1;
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_IO);
	claim(sfs_lease_record_key(lease));
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_CONFLICT);
	sfs_lease_close(lease);
}

/* The first of them landed, or one in between, or none. */
static void of_several_writes_in_doubt_each_is_recognized(void)
{
	struct forgetful f;

	begin_forgetful(&f);
	for (int landed = 0; landed < 3; landed++) {
		for (int i = 0; i < 4; i++) {
			f.lies = i == landed;
			f.away = i != landed;
			IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_IO);
		}
		IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_OK);
	}
	f.away = 4;
	for (int i = 0; i < 4; i++)
		IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_IO);
	claim(sfs_lease_record_key(lease));
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_CONFLICT);
	sfs_lease_close(lease);
}

/* A put that takes as long as the test wants. */
static atomic_bool is_held;
static atomic_bool is_let_go;

static enum sfs_rc hold(struct sfs_store *s, const char *key, const void *data,
                        size_t len, const struct sfs_tag *expected,
                        struct sfs_tag *tag_out, const struct sfs_call *call,
                        struct sfs_err *e)
{
	struct forgetful *f = (struct forgetful *)s;

	atomic_store(&is_held, true);
	while (!atomic_load(&is_let_go))
		(void)poll(NULL, 0, 1);
	return f->inner->ops->put_if(f->inner, key, data, len, expected,
	                             tag_out, call, e);
}

static void *confirm_slowly(void *arg)
{
	struct sfs_err own;

	*(enum sfs_rc *)arg = sfs_lease_confirm(lease, NULL, &own);
	return NULL;
}

static void a_turn_is_waited_for_until_the_deadline(void)
{
	struct forgetful f;
	enum sfs_rc slow = SFS_E_INVALID;
	struct sfs_cancel cancel;
	struct sfs_call call = { .deadline_ms = 0 };
	pthread_t thread;

	begin_forgetful(&f);
	f.ops.put_if = hold;
	OK(pthread_create(&thread, NULL, confirm_slowly, &slow) == 0);
	while (!atomic_load(&is_held))
		(void)poll(NULL, 0, 1);
	call.deadline_ms = sfs_clock_ms() + 10;
	IS_INT(sfs_lease_confirm(lease, &call, &err), SFS_E_TIMEOUT);
	IS_INT(sfs_cancel_init(&cancel, &err), SFS_OK);
	sfs_cancel_raise(&cancel);
	call = (struct sfs_call){ .cancel = &cancel };
	IS_INT(sfs_lease_confirm(lease, &call, &err), SFS_E_CANCELED);
	sfs_cancel_release(&cancel);
	atomic_store(&is_let_go, true);
	(void)pthread_join(thread, NULL);
	IS_INT(slow, SFS_OK);
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_OK);
	sfs_lease_close(lease);
}

static void without_a_thread_there_is_no_record(void)
{
	char key[SFS_STORE_KEY_MAX];
	struct sfs_run_record r;

	has_no_threads = true;
	IS_INT(begin(NULL), SFS_E_NO_MEMORY);
	OK(!is_there("runs"));
	has_no_threads = false;
	IS_INT(begin(NULL), SFS_OK);
	(void)snprintf(key, sizeof(key), "%s", sfs_lease_record_key(lease));
	IS_INT(sfs_lease_fail(lease, "ShardWriteError", "", NULL, &err),
	       SFS_OK);
	sfs_lease_close(lease);
	has_no_threads = true;
	IS_INT(begin(key), SFS_E_NO_MEMORY);
	has_no_threads = false;
	r = record_at(key);
	IS_INT(r.status, SFS_RUN_FAILED);
}

static void a_store_that_fails_is_told(void)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_PUT,
		                       .fail_at = 1,
		                       .rc = SFS_E_NO_SPACE };
	struct sfs_lease_config config = config_of(NULL);
	struct sfs_store *local = NULL;
	struct sfs_store *wrapped = NULL;

	IS_INT(sfs_store_local_open(store_dir, &local, &err), SFS_OK);
	IS_INT(sfs_store_fault_wrap(local, &wrapped, &err), SFS_OK);
	config.store = wrapped;
	sfs_store_fault_set(wrapped, &plan);
	IS_INT(sfs_lease_begin(&config, &lease, NULL, &err), SFS_E_NO_SPACE);
	IS_INT(sfs_store_fault_count(wrapped), 1);
	OK(!is_there("runs"));
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_OK);
	IS_INT(record_at(sfs_lease_record_key(lease)).status, SFS_RUN_RUNNING);
	sfs_lease_close(lease);
	IS_INT(sfs_lease_begin(&config, &lease, NULL, &err), SFS_OK);
	sfs_store_fault_set(wrapped, &plan);
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_E_NO_SPACE);
	IS_INT(sfs_lease_confirm(lease, NULL, &err), SFS_OK);
	sfs_lease_close(lease);
	wrapped->ops->close(wrapped);
}

int main(void)
{
	RUN_IN_STORE(a_run_begins_with_a_record_that_says_running);
	RUN_IN_STORE(the_end_is_recorded_and_ends_the_lease);
	RUN_IN_STORE(a_failed_run_tells_why_and_can_be_taken_up);
	RUN_IN_STORE(a_claimed_run_is_a_conflict_for_its_writer);
	RUN_IN_STORE(a_record_that_is_gone_is_a_conflict);
	RUN_IN_STORE(the_thread_renews_the_lease);
	RUN_IN_STORE(a_write_whose_answer_was_lost_is_recognized);
	RUN_IN_STORE(a_first_write_whose_answer_was_lost_is_ended);
	RUN_IN_STORE(of_several_writes_in_doubt_each_is_recognized);
	RUN_IN_STORE(a_turn_is_waited_for_until_the_deadline);
	RUN_IN_STORE(without_a_thread_there_is_no_record);
	RUN_IN_STORE(a_store_that_fails_is_told);
	return tap_done();
}
