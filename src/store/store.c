/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all stores share: how a call is cancelled or times out, the tag of
 * bytes, and reading an object whole. The whole-object read trusts no size
 * that it was told: it reads until the object ends.
 */
#include "shardyfs/store.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "store/tag.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xxhash.h>

enum sfs_rc sfs_cancel_init(struct sfs_cancel *c, struct sfs_err *err)
{
	atomic_init(&c->is_raised, false);
	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->event_fd < 0)
		return sfs_err_sys(err, errno, "cannot create an eventfd");
	return SFS_OK;
}

void sfs_cancel_release(struct sfs_cancel *c)
{
	if (c->event_fd >= 0)
		(void)close(c->event_fd);
	c->event_fd = -1;
}

void sfs_cancel_raise(struct sfs_cancel *c)
{
	const uint64_t one = 1;
	int saved_errno = errno; /* this may run in a signal handler */
	ssize_t ignored;

	atomic_store(&c->is_raised, true);
	/* it fails only where the counter is full, and so readable */
	ignored = write(c->event_fd, &one, sizeof(one));
	(void)ignored;
	errno = saved_errno;
}

void sfs_cancel_clear(struct sfs_cancel *c)
{
	uint64_t count;
	ssize_t ignored;

	atomic_store(&c->is_raised, false);
	/* it fails only where nothing was raised */
	ignored = read(c->event_fd, &count, sizeof(count));
	(void)ignored;
}

bool sfs_cancel_is_raised(const struct sfs_cancel *c)
{
	return c->event_fd >= 0 && atomic_load(&c->is_raised);
}

enum sfs_rc sfs_call_check(const struct sfs_call *call, const char *what,
                           struct sfs_err *err)
{
	if (call == NULL)
		return SFS_OK;
	if (call->cancel != NULL && sfs_cancel_is_raised(call->cancel))
		return sfs_err_set(err, SFS_E_CANCELED, "%s: cancelled", what);
	if (call->deadline_ms != 0 && sfs_clock_ms() >= call->deadline_ms)
		return sfs_err_set(err, SFS_E_TIMEOUT, "%s: timed out", what);
	return SFS_OK;
}

static void print_hash(struct sfs_tag *out, XXH128_hash_t hash)
{
	(void)snprintf(out->text, sizeof(out->text), "%016llx%016llx",
	               (unsigned long long)hash.high64,
	               (unsigned long long)hash.low64);
}

void sfs_tag_hash(struct sfs_tag *out, const void *data, size_t len)
{
	print_hash(out, XXH3_128bits(data, len));
}

enum sfs_rc sfs_tag_hasher_init(struct sfs_tag_hasher *h, struct sfs_err *err)
{
	h->state = XXH3_createState();
	if (h->state == NULL || XXH3_128bits_reset(h->state) != XXH_OK)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "no memory to hash");
	return SFS_OK;
}

void sfs_tag_hasher_release(struct sfs_tag_hasher *h)
{
	(void)XXH3_freeState(h->state); /* NULL is fine */
	h->state = NULL;
}

void sfs_tag_hasher_add(struct sfs_tag_hasher *h, const void *data, size_t len)
{
	(void)XXH3_128bits_update(h->state, data, len); /* fails for NULL */
}

void sfs_tag_hasher_tag(const struct sfs_tag_hasher *h, struct sfs_tag *out)
{
	print_hash(out, XXH3_128bits_digest(h->state));
}

/* A growing read of one object. */
struct whole {
	char *data; /* cap bytes and one for the NUL */
	size_t len;
	size_t cap;
	size_t max;
};

static enum sfs_rc too_big(const char *key, size_t max, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_TOO_BIG,
	                   "%s is larger than the limit of %zu bytes", key,
	                   max);
}

/* One byte more than max, so that an object of that size is seen to end. */
static enum sfs_rc grow(struct whole *w, const char *key, struct sfs_err *err)
{
	size_t cap = w->cap > w->max / 2 ? w->max + 1 : w->cap * 2;
	char *data;

	if (w->len > w->max)
		return too_big(key, w->max, err);
	data = sfs_realloc_array(w->data, cap + 1, 1);
	if (data == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "%s: no memory for %zu bytes", key, cap);
	w->data = data;
	w->cap = cap;
	return SFS_OK;
}

static enum sfs_rc read_whole(struct sfs_object *o, struct whole *w,
                              const char *key, const struct sfs_call *call,
                              struct sfs_err *err)
{
	enum sfs_rc rc;
	size_t got;
	size_t asked;

	do {
		if (w->len == w->cap) {
			rc = grow(w, key, err);
			if (rc != SFS_OK)
				return rc;
		}
		asked = w->cap - w->len;
		got = 0;
		rc = o->ops->read(o, w->len, w->data + w->len, asked, &got,
		                  call, err);
		if (rc != SFS_OK)
			return rc;
		w->len += got;
	} while (got == asked);
	if (w->len > w->max)
		return too_big(key, w->max, err);
	w->data[w->len] = '\0';
	return SFS_OK;
}

enum sfs_rc sfs_store_get(struct sfs_store *s, const char *key, size_t max,
                          char **data_out, size_t *len_out,
                          struct sfs_object_info *info_out,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct whole w = { NULL, 0, 0, 0 };
	struct sfs_object_info info;
	struct sfs_object *o = NULL;
	enum sfs_rc rc;

	w.max = max < SIZE_MAX - 2 ? max : SIZE_MAX - 2;
	rc = s->ops->open(s, key, &o, call, err);
	if (rc != SFS_OK)
		return rc;
	info = o->info;
	if (info.size > w.max) {
		rc = too_big(key, max, err);
		goto out;
	}
	w.cap = (size_t)info.size + 1;
	w.data = sfs_malloc(w.cap + 1);
	if (w.data == NULL) {
		rc = sfs_err_set(err, SFS_E_NO_MEMORY,
		                 "%s: no memory for %zu bytes", key, w.cap);
		goto out;
	}
	rc = read_whole(o, &w, key, call, err);
	if (rc != SFS_OK)
		goto out;
	info.size = w.len;
	if (info.tag.text[0] == '\0')
		sfs_tag_hash(&info.tag, w.data, w.len);
	if (info_out != NULL)
		*info_out = info;
	*data_out = w.data;
	*len_out = w.len;
	w.data = NULL;
out:
	o->ops->close(o);
	sfs_free(w.data);
	return rc;
}

enum sfs_rc sfs_store_get_range(struct sfs_store *s, const char *key,
                                uint64_t offset, void *buf, size_t len,
                                size_t *got, const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_object *o = NULL;
	enum sfs_rc rc;

	*got = 0;
	rc = s->ops->open(s, key, &o, call, err);
	if (rc != SFS_OK)
		return rc;
	rc = o->ops->read(o, offset, buf, len, got, call, err);
	o->ops->close(o);
	return rc;
}
