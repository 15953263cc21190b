/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources of a merge: a segment of a run is three streams, of heads, of
 * tails and of values, each with a part of the source's buffer, in proportion
 * to what it has to carry. A segment that fits the buffer is read once and
 * stays there for both walks.
 */
#include "build/runs_merge.h"

#include "base/alloc.h"

enum sfs_rc sfs_run_big_reserve(struct sfs_run_big *big, size_t len,
                                struct sfs_err *err)
{
	if (len <= big->cap)
		return SFS_OK;
	sfs_run_big_release(big);
	big->data = sfs_malloc(len);
	if (big->data == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "out of memory for a key or value of %zu "
		                   "bytes",
		                   len);
	big->cap = len;
	return SFS_OK;
}

void sfs_run_big_release(struct sfs_run_big *big)
{
	sfs_free(big->data);
	*big = (struct sfs_run_big){ 0 };
}

/* Nothing is left in big when this is called: all of it was taken. */
enum sfs_rc sfs_run_stream_fill(struct sfs_run_stream *s, size_t len,
                                struct sfs_err *err)
{
	uint8_t *to = s->buf;
	size_t cap = s->cap;
	size_t more;
	enum sfs_rc rc;

	if (s->pos > s->end || len - s->left > s->end - s->pos)
		return sfs_err_set(err, SFS_E_IO,
		                   "a sorted run ends too early");
	if (len > s->cap) {
		rc = sfs_run_big_reserve(s->big, len, err);
		if (rc != SFS_OK)
			return rc;
		to = s->big->data;
		cap = len;
	}
	memmove(to, s->at, s->left);
	more = cap - s->left;
	if (more > s->end - s->pos)
		more = (size_t)(s->end - s->pos);
	rc = sfs_run_read_at(s->fd, to + s->left, more, s->pos, err);
	if (rc != SFS_OK)
		return rc;
	s->at = to;
	s->left += more;
	s->pos += more;
	return SFS_OK;
}

static void set_stream(struct sfs_run_source *s, struct sfs_run_stream *stream,
                       uint64_t begin, uint64_t bytes)
{
	stream->fd = s->run->volume->fd;
	stream->pos = begin;
	stream->end = begin + bytes;
	stream->at = stream->buf;
	stream->left = 0;
	if (s->is_whole) {
		stream->at = s->buf + (begin - s->offset);
		stream->left = (size_t)bytes;
		stream->pos = stream->end;
	}
}

void sfs_run_source_rewind(struct sfs_run_source *s)
{
	const struct sfs_run_segment *segment = &s->segment;
	uint64_t heads = segment->count * sizeof(struct sfs_run_head);
	uint64_t at = s->offset;

	s->left = segment->count;
	s->is_done = false;
	set_stream(s, &s->heads, at, heads);
	at += heads;
	set_stream(s, &s->tails, at, segment->tail_bytes);
	at += segment->tail_bytes;
	s->value_next = at;
	set_stream(s, &s->values, at, segment->value_bytes);
}

/* An eighth for each stream, the rest by need. */
static uint8_t *share(struct sfs_run_source *s, struct sfs_run_stream *stream,
                      uint8_t *from, double part)
{
	const size_t align = sizeof(uint64_t);
	double bytes = (double)s->cap * (0.125 + 0.625 * part);

	stream->buf = from;
	stream->cap = (size_t)bytes & ~(align - 1);
	return from + stream->cap;
}

enum sfs_rc sfs_run_source_begin(struct sfs_run_source *s, size_t window,
                                 struct sfs_run_big *value, struct sfs_err *err)
{
	double heads = (double)s->segment.count * sizeof(struct sfs_run_head);
	double tails = (double)s->segment.tail_bytes;
	double values = (double)s->segment.value_bytes;
	double all = heads + tails + values;
	uint8_t *at = s->buf;

	s->heads.big = &s->big_tail;
	s->tails.big = &s->big_tail;
	s->values.big = value;
	s->is_whole = all <= (double)s->cap;
	if (s->cap > window)
		s->cap = window;
	at = share(s, &s->heads, at, heads / all);
	at = share(s, &s->tails, at, tails / all);
	(void)share(s, &s->values, at, values / all);
	if (!s->is_whole)
		return SFS_OK;
	return sfs_run_read_at(s->run->volume->fd, s->buf, (size_t)all,
	                       s->offset, err);
}

void sfs_run_source_release(struct sfs_run_source *s)
{
	sfs_run_big_release(&s->big_tail);
}
