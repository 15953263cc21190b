/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overflow chains. Each page of a chain names the next one, so that reaching
 * the end of a value means reading all of it; two things make that bearable.
 * SQLite writes chains mostly as pages in a row: pages are read in one large
 * read as if they were, straight into the caller's memory, and the pointers
 * between them are checked afterwards. And where the pages of a long chain
 * lie is kept in a map of every 64th of them (sparser for huge chains) and of
 * the place where the last read stopped, so that reading on is linear and
 * seeking back is cheap. A map belongs to (first page, number of pages): a
 * shard never changes, so it is never wrong.
 */
#include "format/btree_internal.h"

#include "base/alloc.h"

#include <string.h>

enum sfs_rc sfs_btree_chains_init(struct sfs_btree_chains *c,
                                  struct sfs_err *err)
{
	int rc = pthread_mutex_init(&c->lock, NULL);

	memset(c->maps, 0, sizeof(c->maps));
	c->tick = 0;
	if (rc != 0)
		return sfs_err_sys(err, rc, "no lock for overflow chains");
	return SFS_OK;
}

void sfs_btree_chains_release(struct sfs_btree_chains *c)
{
	int i;

	for (i = 0; i < SFS_BTREE_CHAIN_MAPS; i++)
		sfs_free(c->maps[i]);
	pthread_mutex_destroy(&c->lock);
}

static bool has_map(const struct sfs_btree_chain *c)
{
	return c->pages > SFS_BTREE_CHAIN_STRIDE;
}

static uint32_t stride_of(uint32_t pages)
{
	uint32_t stride = SFS_BTREE_CHAIN_STRIDE;

	while (pages / stride >= SFS_BTREE_CHAIN_MARKS)
		stride *= 2;
	return stride;
}

static struct sfs_btree_chain_map *
map_find_locked(struct sfs_btree_chains *all, const struct sfs_btree_chain *c)
{
	struct sfs_btree_chain_map *m;
	int i;

	for (i = 0; i < SFS_BTREE_CHAIN_MAPS; i++) {
		m = all->maps[i];
		if (m != NULL && m->first == c->first && m->pages == c->pages) {
			m->used = ++all->tick;
			return m;
		}
	}
	return NULL;
}

/* Takes an empty place, or the one used least recently. */
static struct sfs_btree_chain_map *
map_add_locked(struct sfs_btree_chains *all, const struct sfs_btree_chain *c)
{
	struct sfs_btree_chain_map *m;
	int oldest = 0;
	int i;

	for (i = 0; i < SFS_BTREE_CHAIN_MAPS && all->maps[oldest] != NULL; i++)
		if (all->maps[i] == NULL ||
		    all->maps[i]->used < all->maps[oldest]->used)
			oldest = i;
	if (all->maps[oldest] == NULL)
		all->maps[oldest] = sfs_malloc(sizeof(*m));
	m = all->maps[oldest];
	if (m == NULL)
		return NULL; /* reading works without a map, only slower */
	m->first = c->first;
	m->pages = c->pages;
	m->stride = stride_of(c->pages);
	m->known = 1;
	m->marks[0] = c->first;
	m->last_index = 0;
	m->last_page = c->first;
	m->used = ++all->tick;
	return m;
}

/* Moves c to the known place nearest before the page with that index. */
static void map_seek(struct sfs_btree *t, struct sfs_btree_chain *c,
                     uint32_t index)
{
	struct sfs_btree_chain_map *m;
	uint32_t mark;

	pthread_mutex_lock(&t->chains.lock);
	m = map_find_locked(&t->chains, c);
	if (m != NULL) {
		mark = index / m->stride;
		mark = mark < m->known ? mark : m->known - 1;
		if (mark * m->stride > c->index) {
			c->index = mark * m->stride;
			c->page = m->marks[mark];
		}
		if (m->last_index <= index && m->last_index > c->index) {
			c->index = m->last_index;
			c->page = m->last_page;
		}
	}
	pthread_mutex_unlock(&t->chains.lock);
}

/* Remembers c's place, as a mark if it is the next one. */
static void map_note(struct sfs_btree *t, const struct sfs_btree_chain *c,
                     bool is_last)
{
	struct sfs_btree_chain_map *m;

	if (c->page == 0)
		return;
	pthread_mutex_lock(&t->chains.lock);
	m = map_find_locked(&t->chains, c);
	if (m == NULL)
		m = map_add_locked(&t->chains, c);
	if (m != NULL && is_last) {
		m->last_index = c->index;
		m->last_page = c->page;
	}
	if (m != NULL && c->index == m->known * m->stride &&
	    m->known < SFS_BTREE_CHAIN_MARKS)
		m->marks[m->known++] = c->page;
	pthread_mutex_unlock(&t->chains.lock);
}

enum sfs_rc sfs_btree_chain_begin(const struct sfs_btree_op *op,
                                  struct sfs_btree_chain *c, uint32_t from,
                                  uint32_t first, uint32_t bytes)
{
	uint32_t per = op->t->usable - 4;

	c->first = first;
	c->bytes = bytes;
	c->pages = (uint32_t)((bytes + (uint64_t)per - 1) / per);
	c->index = 0;
	c->page = first;
	c->run = UINT32_MAX;
	if (c->pages > op->t->page_count)
		return sfs_btree_fault(op, from,
		                       "a payload of %u overflow pages in a "
		                       "file of %u",
		                       c->pages, op->t->page_count);
	return sfs_btree_page_no_check(op, from, first);
}

/* Steps to the page that the current one names. */
static enum sfs_rc chain_step(const struct sfs_btree_op *op,
                              struct sfs_btree_chain *c, uint32_t next)
{
	uint32_t from = c->page;
	enum sfs_rc rc;

	if (c->index + 1 == c->pages) {
		if (next != 0)
			return sfs_btree_fault(op, from,
			                       "the overflow chain from page "
			                       "%u is longer than its payload",
			                       c->first);
	} else {
		rc = sfs_btree_page_no_check(op, from, next);
		if (rc != SFS_OK)
			return rc;
	}
	c->index++;
	c->page = next;
	if (has_map(c) && c->index % SFS_BTREE_CHAIN_STRIDE == 0)
		map_note(op->t, c, false);
	return SFS_OK;
}

/* How many pages, at most want, are worth reading as if in a row. */
static uint32_t run_len(const struct sfs_btree *t,
                        const struct sfs_btree_chain *c, uint32_t want)
{
	uint32_t n = want;

	if (n > c->pages - c->index)
		n = c->pages - c->index;
	if (n > c->run)
		n = c->run;
	if (n > t->page_count - c->page + 1)
		n = t->page_count - c->page + 1;
	return n;
}

/* Grows while guesses hold; a wrong one makes the next reads short. */
static void run_learn(struct sfs_btree_chain *c, uint32_t tried, uint32_t held)
{
	if (held < tried)
		c->run = 2 * held;
	else if (c->run < UINT32_MAX / 2)
		c->run *= 2;
}

/*
 * Steps over up to n pages at "pages", read from the current page on: raw,
 * each page_size bytes apart. Stops where they are not in a row. Their
 * content is packed in place unless only pointers are wanted.
 */
static enum sfs_rc run_take(const struct sfs_btree_op *op,
                            struct sfs_btree_chain *c, uint8_t *pages,
                            uint32_t n, bool is_packing)
{
	size_t size = op->t->page_size;
	size_t per = op->t->usable - 4;
	enum sfs_rc rc = SFS_OK;
	uint32_t next;
	uint32_t i = 0;

	do {
		next = c->page + 1;
		rc = chain_step(op, c, sfs_btree_be32(pages + i * size));
		if (rc != SFS_OK)
			return rc;
		if (is_packing)
			memmove(pages + i * per, pages + i * size + 4, per);
		i++;
	} while (i < n && c->page == next);
	run_learn(c, n, i);
	return SFS_OK;
}

/* Steps to the page with that index, which is not behind c. */
static enum sfs_rc chain_walk(const struct sfs_btree_op *op,
                              struct sfs_btree_chain *c, uint32_t index)
{
	uint32_t size = op->t->page_size;
	uint32_t most = SFS_BTREE_CHAIN_SKIP_BYTES / size;
	uint8_t *scratch = NULL;
	uint8_t next[4];
	uint32_t n;
	enum sfs_rc rc = SFS_OK;

	/* Large pages: the pointer alone costs less than the page. */
	if (index - c->index > 4 && size <= SFS_BTREE_CHAIN_SKIP_PAGE_BYTES)
		scratch = sfs_malloc(SFS_BTREE_CHAIN_SKIP_BYTES);
	while (rc == SFS_OK && c->index < index) {
		n = run_len(op->t, c, index - c->index);
		n = n < most ? n : most;
		if (scratch == NULL || n < 2) {
			rc = sfs_btree_fetch(op, c->page, 0, next, 4);
			if (rc == SFS_OK)
				rc = run_take(op, c, next, 1, false);
			continue;
		}
		rc = sfs_btree_fetch(op, c->page, 0, scratch, (size_t)n * size);
		if (rc == SFS_OK)
			rc = run_take(op, c, scratch, n, false);
	}
	sfs_free(scratch);
	return rc;
}

static enum sfs_rc chain_seek(const struct sfs_btree_op *op,
                              struct sfs_btree_chain *c, uint32_t index)
{
	if (c->index > index) {
		c->index = 0;
		c->page = c->first;
	}
	if (c->index < index && has_map(c))
		map_seek(op->t, c, index);
	return chain_walk(op, c, index);
}

/* Part of one page; steps on if the part is its end. */
static enum sfs_rc read_part(const struct sfs_btree_op *op,
                             struct sfs_btree_chain *c, uint32_t in,
                             uint8_t *buf, uint32_t len)
{
	uint32_t per = op->t->usable - 4;
	uint32_t end = c->bytes - c->index * per;
	uint8_t next[4];
	enum sfs_rc rc;

	rc = sfs_btree_fetch(op, c->page, 4 + in, buf, len);
	if (rc != SFS_OK || in + len < (end < per ? end : per))
		return rc;
	rc = sfs_btree_fetch(op, c->page, 0, next, 4);
	if (rc != SFS_OK)
		return rc;
	return chain_step(op, c, sfs_btree_be32(next));
}

/*
 * Whole pages from the current one on, into memory for len bytes of content.
 * Raw pages are larger than their content, so the last page or so of the
 * range is left for the next round.
 */
static enum sfs_rc read_run(const struct sfs_btree_op *op,
                            struct sfs_btree_chain *c, uint8_t *buf,
                            uint32_t len, uint32_t *done_out)
{
	uint32_t per = op->t->usable - 4;
	uint32_t begin = c->index;
	uint32_t n;
	enum sfs_rc rc;

	n = len < SFS_BTREE_CHAIN_READ_BYTES ? len : SFS_BTREE_CHAIN_READ_BYTES;
	n = run_len(op->t, c, n / op->t->page_size);
	rc = sfs_btree_fetch(op, c->page, 0, buf, (size_t)n * op->t->page_size);
	if (rc == SFS_OK)
		rc = run_take(op, c, buf, n, true);
	*done_out = (c->index - begin) * per;
	return rc;
}

enum sfs_rc sfs_btree_chain_read(const struct sfs_btree_op *op,
                                 struct sfs_btree_chain *c, uint32_t offset,
                                 uint8_t *buf, uint32_t len)
{
	uint32_t per = op->t->usable - 4;
	uint32_t in = offset % per;
	uint32_t part;
	enum sfs_rc rc;

	rc = len > 0 ? chain_seek(op, c, offset / per) : SFS_OK;
	while (rc == SFS_OK && len > 0) {
		if (in == 0 && len >= op->t->page_size) {
			rc = read_run(op, c, buf, len, &part);
		} else {
			part = per - in < len ? per - in : len;
			rc = read_part(op, c, in, buf, part);
		}
		in = 0;
		buf += part;
		len -= part;
	}
	if (rc == SFS_OK && has_map(c))
		map_note(op->t, c, true);
	return rc;
}
