/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing one run: it is appended to a volume that nobody else appends to
 * meanwhile, so a run that fails is cut off again and leaves no trace. What a
 * segment holds is known only when it is written; its head is then written
 * once more, mostly still in the buffer.
 */
#include "build/runs_internal.h"

#include "base/alloc.h"

#include <unistd.h>

#define VOLUME_BYTES ((uint64_t)1 << 30) /* a larger one is not added to */

static struct sfs_volume *take_free(struct sfs_runs *r)
{
	struct sfs_volume *v;

	pthread_mutex_lock(&r->lock);
	for (v = r->volumes; v != NULL; v = v->next) {
		if (!v->is_taken && v->size < VOLUME_BYTES)
			break;
	}
	if (v != NULL)
		v->is_taken = true;
	pthread_mutex_unlock(&r->lock);
	return v;
}

static enum sfs_rc take_volume(struct sfs_runs *r, struct sfs_volume **out,
                               struct sfs_err *err)
{
	struct sfs_volume *v = take_free(r);
	enum sfs_rc rc;

	*out = v;
	if (v != NULL)
		return SFS_OK;
	v = sfs_calloc(1, sizeof(*v));
	if (v == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	rc = sfs_run_scratch_open(r, &v->fd, err);
	if (rc != SFS_OK) {
		sfs_free(v);
		return rc;
	}
	v->is_taken = true;
	pthread_mutex_lock(&r->lock);
	v->next = r->volumes;
	r->volumes = v;
	pthread_mutex_unlock(&r->lock);
	*out = v;
	return SFS_OK;
}

enum sfs_rc sfs_run_writer_begin(struct sfs_run_writer *w, struct sfs_runs *r,
                                 uint8_t *buf, size_t cap, struct sfs_err *err)
{
	struct sfs_run *run = sfs_calloc(1, sizeof(*run));
	enum sfs_rc rc;

	*w = (struct sfs_run_writer){ .runs = r, .buf = buf, .cap = cap };
	if (run == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	rc = take_volume(r, &run->volume, err);
	if (rc != SFS_OK) {
		sfs_free(run);
		return rc;
	}
	pthread_mutex_lock(&r->lock);
	run->volume->runs++;
	run->begin = run->volume->size;
	pthread_mutex_unlock(&r->lock);
	run->refs = 1;
	w->run = run;
	w->pos = run->begin;
	return SFS_OK;
}

static enum sfs_rc flush(struct sfs_run_writer *w, struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_run_write_at(w->run->volume->fd, w->buf, w->len, w->pos, err);
	w->pos += w->len;
	w->len = 0;
	return rc;
}

enum sfs_rc sfs_run_writer_put_slow(struct sfs_run_writer *w, const void *data,
                                    size_t len, struct sfs_err *err)
{
	const uint8_t *from = data;
	enum sfs_rc rc;

	if (len >= w->cap) {
		rc = flush(w, err);
		if (rc == SFS_OK)
			rc = sfs_run_write_at(w->run->volume->fd, data, len,
			                      w->pos, err);
		w->pos += len;
		return rc;
	}
	while (len > 0) {
		size_t room = w->cap - w->len;
		size_t part = len < room ? len : room;

		memcpy(w->buf + w->len, from, part);
		w->len += part;
		from += part;
		len -= part;
		if (w->len < w->cap)
			break;
		rc = flush(w, err);
		if (rc != SFS_OK)
			return rc;
	}
	return SFS_OK;
}

static enum sfs_rc add_index(struct sfs_run_writer *w, uint32_t db_id,
                             struct sfs_err *err)
{
	struct sfs_run *run = w->run;
	struct sfs_run_index *grown;
	size_t cap;

	if (run->index_len > 0 &&
	    w->segment_at - run->index[run->index_len - 1].offset <
	            SFS_RUN_INDEX_BYTES)
		return SFS_OK;
	if (run->index_len == w->index_cap) {
		cap = w->index_cap > 0 ? w->index_cap * 2 : 16;
		grown = sfs_realloc_array(run->index, cap, sizeof(*grown));
		if (grown == NULL)
			return sfs_err_set(err, SFS_E_NO_MEMORY,
			                   "out of memory");
		run->index = grown;
		w->index_cap = cap;
	}
	run->index[run->index_len++] =
		(struct sfs_run_index){ w->segment_at, db_id };
	return SFS_OK;
}

enum sfs_rc sfs_run_writer_begin_segment(struct sfs_run_writer *w,
                                         uint32_t db_id, struct sfs_err *err)
{
	const struct sfs_run_segment none = { .db_id = db_id };
	enum sfs_rc rc;

	w->segment_at = w->pos + w->len;
	rc = add_index(w, db_id, err);
	if (rc != SFS_OK)
		return rc;
	return sfs_run_writer_put(w, &none, sizeof(none), err);
}

enum sfs_rc sfs_run_writer_end_segment(struct sfs_run_writer *w,
                                       const struct sfs_run_segment *segment,
                                       struct sfs_err *err)
{
	const uint8_t *from = (const uint8_t *)segment;
	size_t written = 0;
	enum sfs_rc rc;

	if (w->segment_at < w->pos) {
		written = sizeof(*segment);
		if (w->pos - w->segment_at < written)
			written = (size_t)(w->pos - w->segment_at);
		rc = sfs_run_write_at(w->run->volume->fd, from, written,
		                      w->segment_at, err);
		if (rc != SFS_OK)
			return rc;
	}
	if (written < sizeof(*segment))
		memcpy(w->buf + (w->segment_at + written - w->pos),
		       from + written, sizeof(*segment) - written);
	return SFS_OK;
}

static void give_back(struct sfs_run_writer *w, uint64_t size)
{
	pthread_mutex_lock(&w->runs->lock);
	w->run->volume->size = size;
	w->run->volume->is_taken = false;
	pthread_mutex_unlock(&w->runs->lock);
}

enum sfs_rc sfs_run_writer_finish(struct sfs_run_writer *w,
                                  struct sfs_run **out, struct sfs_err *err)
{
	const uint64_t align = SFS_RUN_ALIGN_BYTES;
	enum sfs_rc rc = flush(w, err);

	if (rc != SFS_OK)
		return rc;
	w->run->end = w->pos;
	give_back(w, (w->pos + align - 1) & ~(align - 1));
	*out = w->run;
	w->run = NULL;
	return SFS_OK;
}

void sfs_run_writer_abort(struct sfs_run_writer *w)
{
	int ignored;

	if (w->run == NULL)
		return;
	/* what cannot be cut off is overwritten by the next run */
	ignored = ftruncate(w->run->volume->fd, (off_t)w->run->begin);
	(void)ignored;
	w->run->end = w->run->begin;
	give_back(w, w->run->begin);
	sfs_run_unref(w->runs, w->run);
	w->run = NULL;
}
