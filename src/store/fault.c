/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that fails on purpose. A sweep over fail_at = 1, 2, ... until a run
 * injects no fault visits every place where a store can fail, and the count
 * of open objects shows what leaks on the way out.
 */
#include "store/fault.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <pthread.h>
#include <poll.h>
#include <stdatomic.h>

struct fault_store {
	pthread_mutex_t lock;
	struct sfs_store base;
	struct sfs_store *inner;     /* immutable */
	struct sfs_store_ops ops;    /* immutable */
	struct sfs_fault_plan plan;  /* protected by lock */
	uint64_t calls;              /* protected by lock; since the set */
	atomic_uint_fast64_t faults; /* since the set */
	atomic_uint_fast64_t opened; /* objects, uploads, pins */
};

struct fault_object {
	struct sfs_object base;
	struct sfs_object *inner;
	struct fault_store *store;
};

struct fault_upload {
	struct sfs_upload base;
	struct sfs_upload *inner;
	struct fault_store *store;
};

static struct fault_store *fault_of(struct sfs_store *s)
{
	return (struct fault_store *)((char *)s -
	                              offsetof(struct fault_store, base));
}

static enum sfs_rc delay(const struct sfs_fault_plan *plan,
                         const struct sfs_call *call, const char *what,
                         struct sfs_err *err)
{
	int64_t end = sfs_clock_ms() + plan->delay_ms;
	struct pollfd cancel = { -1, POLLIN, 0 };

	if (call != NULL && call->deadline_ms != 0 && call->deadline_ms < end)
		end = call->deadline_ms;
	if (call != NULL && call->cancel != NULL)
		cancel.fd = call->cancel->event_fd;
	for (;;) {
		enum sfs_rc rc = sfs_call_check(call, what, err);
		int64_t left = end - sfs_clock_ms();

		if (rc != SFS_OK || left <= 0)
			return rc;
		(void)poll(&cancel, 1, (int)left); /* looks again itself */
	}
}

/* Runs before each call: what it returns is what the call returns. */
static enum sfs_rc inject(struct fault_store *f, enum sfs_store_op op,
                          const char *what, const struct sfs_call *call,
                          struct sfs_err *err)
{
	struct sfs_fault_plan plan;
	uint64_t number;

	(void)pthread_mutex_lock(&f->lock);
	plan = f->plan;
	if ((plan.op_mask & (unsigned)op) == 0) {
		(void)pthread_mutex_unlock(&f->lock);
		return SFS_OK;
	}
	number = ++f->calls;
	(void)pthread_mutex_unlock(&f->lock);

	if (plan.delay_ms > 0) {
		enum sfs_rc rc = delay(&plan, call, what, err);

		if (rc != SFS_OK)
			return rc;
	}
	if (plan.fail_at == 0 || number < plan.fail_at ||
	    (number > plan.fail_at && !plan.always))
		return SFS_OK;
	atomic_fetch_add(&f->faults, 1);
	return sfs_err_set(err, plan.rc, "%s: injected fault at call %llu",
	                   what, (unsigned long long)number);
}

static enum sfs_rc object_read(struct sfs_object *o, uint64_t offset, void *buf,
                               size_t len, size_t *got,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct fault_object *fo = (struct fault_object *)o;
	enum sfs_rc rc;

	*got = 0;
	rc = inject(fo->store, SFS_STORE_READ, "read", call, err);
	if (rc != SFS_OK)
		return rc;
	return fo->inner->ops->read(fo->inner, offset, buf, len, got, call,
	                            err);
}

static void object_close(struct sfs_object *o)
{
	struct fault_object *fo = (struct fault_object *)o;

	fo->inner->ops->close(fo->inner);
	atomic_fetch_sub(&fo->store->opened, 1);
	sfs_free(fo);
}

static const struct sfs_object_ops object_ops = {
	.read = object_read,
	.close = object_close,
};

static enum sfs_rc fault_start(struct sfs_store *s, struct sfs_err *err)
{
	struct sfs_store *inner = fault_of(s)->inner;

	return inner->ops->start(inner, err);
}

static enum sfs_rc fault_open(struct sfs_store *s, const char *key,
                              struct sfs_object **object_out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	struct fault_object *fo;
	enum sfs_rc rc;

	rc = inject(f, SFS_STORE_OPEN, key, call, err);
	if (rc != SFS_OK)
		return rc;
	fo = sfs_calloc(1, sizeof(*fo));
	if (fo == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory", key);
	rc = f->inner->ops->open(f->inner, key, &fo->inner, call, err);
	if (rc != SFS_OK) {
		sfs_free(fo);
		return rc;
	}
	fo->base.ops = &object_ops;
	fo->base.info = fo->inner->info;
	fo->store = f;
	atomic_fetch_add(&f->opened, 1);
	*object_out = &fo->base;
	return SFS_OK;
}

static enum sfs_rc fault_put(struct sfs_store *s, const char *key,
                             const void *data, size_t len,
                             struct sfs_tag *tag_out,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_PUT, key, call, err);

	if (rc != SFS_OK)
		return rc;
	return f->inner->ops->put(f->inner, key, data, len, tag_out, call, err);
}

static enum sfs_rc
fault_put_if(struct sfs_store *s, const char *key, const void *data, size_t len,
             const struct sfs_tag *expected, struct sfs_tag *tag_out,
             const struct sfs_call *call, struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_PUT, key, call, err);

	if (rc != SFS_OK)
		return rc;
	return f->inner->ops->put_if(f->inner, key, data, len, expected,
	                             tag_out, call, err);
}

static enum sfs_rc fault_put_file(struct sfs_store *s, const char *key, int fd,
                                  struct sfs_tag *tag_out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_PUT, key, call, err);

	if (rc != SFS_OK)
		return rc;
	return f->inner->ops->put_file(f->inner, key, fd, tag_out, call, err);
}

static enum sfs_rc upload_write(struct sfs_upload *base, const void *data,
                                size_t len, const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct fault_upload *u = (struct fault_upload *)base;
	enum sfs_rc rc = inject(u->store, SFS_STORE_WRITE, "write", call, err);

	if (rc != SFS_OK)
		return rc;
	return u->inner->ops->write(u->inner, data, len, call, err);
}

static enum sfs_rc upload_commit(struct sfs_upload *base,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct fault_upload *u = (struct fault_upload *)base;
	enum sfs_rc rc =
		inject(u->store, SFS_STORE_COMMIT, "commit", call, err);

	if (rc != SFS_OK)
		return rc;
	return u->inner->ops->commit(u->inner, call, err);
}

static void upload_close(struct sfs_upload *base)
{
	struct fault_upload *u = (struct fault_upload *)base;

	u->inner->ops->close(u->inner);
	atomic_fetch_sub(&u->store->opened, 1);
	sfs_free(u);
}

static const struct sfs_upload_ops upload_ops = {
	.write = upload_write,
	.commit = upload_commit,
	.close = upload_close,
};

static enum sfs_rc fault_create(struct sfs_store *s, const char *key,
                                uint64_t size, struct sfs_upload **upload_out,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	struct fault_upload *u;
	enum sfs_rc rc;

	rc = inject(f, SFS_STORE_CREATE, key, call, err);
	if (rc != SFS_OK)
		return rc;
	u = sfs_calloc(1, sizeof(*u));
	if (u == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory", key);
	rc = f->inner->ops->create(f->inner, key, size, &u->inner, call, err);
	if (rc != SFS_OK) {
		sfs_free(u);
		return rc;
	}
	u->base.ops = &upload_ops;
	u->store = f;
	atomic_fetch_add(&f->opened, 1);
	*upload_out = &u->base;
	return SFS_OK;
}

static enum sfs_rc fault_pin(struct sfs_store *s, const char *key,
                             bool is_exclusive, struct sfs_pin **pin_out,
                             struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_PIN, key, NULL, err);

	if (rc == SFS_OK)
		rc = f->inner->ops->pin(f->inner, key, is_exclusive, pin_out,
		                        err);
	if (rc == SFS_OK)
		atomic_fetch_add(&f->opened, 1);
	return rc;
}

static void fault_unpin(struct sfs_store *s, struct sfs_pin *pin)
{
	struct fault_store *f = fault_of(s);

	if (pin != NULL)
		atomic_fetch_sub(&f->opened, 1);
	f->inner->ops->unpin(f->inner, pin);
}

static enum sfs_rc fault_list(struct sfs_store *s, const char *prefix,
                              char delimiter, const char *start_after,
                              sfs_list_fn *fn, void *arg,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_LIST, "list", call, err);

	if (rc != SFS_OK)
		return rc;
	return f->inner->ops->list(f->inner, prefix, delimiter, start_after, fn,
	                           arg, call, err);
}

static enum sfs_rc fault_delete(struct sfs_store *s, const char *key,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_DELETE, key, call, err);

	if (rc != SFS_OK)
		return rc;
	return f->inner->ops->delete (f->inner, key, call, err);
}

static enum sfs_rc fault_copy(struct sfs_store *s, const char *from,
                              const char *to, const struct sfs_call *call,
                              struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_PUT, to, call, err);

	if (rc != SFS_OK)
		return rc;
	return f->inner->ops->copy(f->inner, from, to, call, err);
}

static enum sfs_rc fault_watch(struct sfs_store *s, const char *key,
                               struct sfs_tag *known,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_WATCH, key, call, err);

	if (rc != SFS_OK)
		return rc;
	return f->inner->ops->watch(f->inner, key, known, call, err);
}

static enum sfs_rc fault_barrier(struct sfs_store *s, const char *prefix,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct fault_store *f = fault_of(s);
	enum sfs_rc rc = inject(f, SFS_STORE_BARRIER, "barrier", call, err);

	if (rc != SFS_OK)
		return rc;
	return f->inner->ops->barrier(f->inner, prefix, call, err);
}

static enum sfs_rc fault_may_write(struct sfs_store *s, const char *key,
                                   struct sfs_err *err)
{
	struct sfs_store *inner = fault_of(s)->inner;

	return inner->ops->may_write(inner, key, err);
}

static void fault_close(struct sfs_store *s)
{
	struct fault_store *f = fault_of(s);

	f->inner->ops->close(f->inner);
	(void)pthread_mutex_destroy(&f->lock);
	sfs_free(f);
}

static const struct sfs_store_ops fault_ops = {
	.start = fault_start,
	.open = fault_open,
	.put = fault_put,
	.put_if = fault_put_if,
	.put_file = fault_put_file,
	.create = fault_create,
	.list = fault_list,
	.delete = fault_delete,
	.copy = fault_copy,
	.watch = fault_watch,
	.barrier = fault_barrier,
	.pin = fault_pin,
	.unpin = fault_unpin,
	.may_write = fault_may_write,
	.close = fault_close,
};

/* What the store has not it does not have here either. */
static const struct sfs_store_ops *ops_for(struct fault_store *f)
{
	f->ops = fault_ops;
	if (f->inner->ops->pin == NULL) {
		f->ops.pin = NULL;
		f->ops.unpin = NULL;
	}
	if (f->inner->ops->may_write == NULL)
		f->ops.may_write = NULL;
	return &f->ops;
}

enum sfs_rc sfs_store_fault_wrap(struct sfs_store *inner,
                                 struct sfs_store **out, struct sfs_err *err)
{
	struct fault_store *f = sfs_calloc(1, sizeof(*f));

	if (f == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory",
		                   inner->url);
	(void)pthread_mutex_init(&f->lock, NULL); /* cannot fail on Linux */
	atomic_init(&f->opened, 0);
	atomic_init(&f->faults, 0);
	f->inner = inner;
	f->base.ops = ops_for(f);
	f->base.url = inner->url;
	*out = &f->base;
	return SFS_OK;
}

void sfs_store_fault_set(struct sfs_store *s, const struct sfs_fault_plan *plan)
{
	struct fault_store *f = fault_of(s);

	(void)pthread_mutex_lock(&f->lock);
	f->plan = *plan;
	f->calls = 0;
	atomic_store(&f->faults, 0);
	(void)pthread_mutex_unlock(&f->lock);
}

uint64_t sfs_store_fault_count(struct sfs_store *s)
{
	return atomic_load(&fault_of(s)->faults);
}

uint64_t sfs_store_fault_open_objects(struct sfs_store *s)
{
	return atomic_load(&fault_of(s)->opened);
}
