/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bottom-up writer of a shard's database, which needs a twentieth of the
 * time that the library takes to insert the same rows. Both passes run the
 * same gauges: place() alone decides which pages are full, so that the
 * second pass cannot end elsewhere than the first one said, and does not
 * trust that it was given the same pairs either.
 *
 * Each level of the tree has one page that is being filled. When the next
 * cell of a leaf finds it full, its last cell comes off, the page goes out,
 * and the cell goes up with the page's number before it; there, too, a page
 * may be full. So a page that is out has two cells at least, and the last
 * page of a level one: no page is ever empty.
 */
#include "format/btree_writer.h"

#include "base/alloc.h"
#include "format/btree.h"
#include "format/btree_layout.h"
#include "format/keys.h"

#include <inttypes.h>
#include <string.h>

enum {
	BLOCK_BYTES = 1 << 20, /* that the sink gets at once */
	BLOCK_ALIGN = 4096,
	ROW_MAX_BYTES = 1000000000, /* SQLITE_MAX_LENGTH, as it is compiled */
};

/* How a pair lies: a record of two blobs, of which a part may overflow. */
struct row {
	uint32_t key_type; /* serial types */
	uint32_t value_type;
	uint32_t head; /* bytes of the record's header */
	uint32_t payload;
	uint32_t local; /* of it, on the page */
	uint32_t cell;  /* bytes on a leaf */
};

/* The page of a level that is being filled, from its end to its front. */
struct level {
	uint8_t *page;
	uint32_t cells;
	uint32_t top; /* where the last cell begins */
};

struct sfs_btree_writer {
	struct sfs_btree_measure m;
	struct sfs_btree_shape shape;
	sfs_btree_sink_fn *sink;
	void *arg;
	enum sfs_rc failed; /* of an earlier call */
	uint32_t pages;     /* that have a number by now */
	uint32_t lock_page;
	uint8_t *memory; /* both blocks lie in it, aligned */
	uint8_t *block;
	uint8_t *other_block; /* the sink may still look at it */
	size_t block_len;
	struct level level[SFS_BTREE_WRITER_LEVELS];
	struct sfs_bytes last_key; /* in the leaf or in long_key */
	uint8_t *long_key;
	size_t long_key_cap;
};

static inline uint32_t header_len(unsigned level)
{
	return level == 0 ? SFS_BTREE_LEAF_HEADER_BYTES
	                  : SFS_BTREE_INTERIOR_HEADER_BYTES;
}

static inline bool row_lay(const struct sfs_btree_measure *m, size_t key_len,
                           size_t value_len, struct row *out)
{
	uint32_t size = m->page_size;

	if (key_len > SFS_BTREE_KEY_MAX_BYTES || value_len > ROW_MAX_BYTES)
		return false;
	out->key_type = (uint32_t)key_len * 2 + 12;
	out->value_type = (uint32_t)value_len * 2 + 12;
	out->head = 1 + sfs_btree_varint_len(out->key_type) +
	            sfs_btree_varint_len(out->value_type);
	out->payload = out->head + (uint32_t)key_len + (uint32_t)value_len;
	if (out->payload > ROW_MAX_BYTES)
		return false;
	out->local = out->payload;
	if (out->payload > m->max_local)
		out->local =
			sfs_btree_local_len(size, out->payload, m->max_local,
		                            sfs_btree_min_local(size));
	out->cell = sfs_btree_varint_len(out->payload) + out->local;
	if (out->local < out->payload)
		out->cell += SFS_BTREE_PAGE_NO_BYTES;
	return true;
}

static enum sfs_rc row_too_big(size_t key_len, size_t value_len,
                               struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_TOO_BIG,
	                   "a key of %zu bytes with a value of %zu is larger "
	                   "than the format allows (%d, %d together)",
	                   key_len, value_len, SFS_BTREE_KEY_MAX_BYTES,
	                   ROW_MAX_BYTES);
}

static enum sfs_rc too_many_pages(uint32_t page_size, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_TOO_BIG,
	                   "a shard has more than %" PRIu32 " pages of %" PRIu32
	                   " bytes",
	                   sfs_btree_max_pages(page_size), page_size);
}

/*
 * Places a row: the one step of both passes. Returns how many levels, from
 * the leaves up, it found full. There are levels enough for as many pages as
 * a database has, since a full page has three children at least.
 */
static inline unsigned place(struct sfs_btree_measure *m, const struct row *row)
{
	struct sfs_btree_gauge *g = m->level;
	uint32_t cell = row->cell;
	unsigned full = 0;
	uint32_t up;

	while (header_len(full) + g->used + cell + SFS_BTREE_POINTER_BYTES >
	       m->page_size) {
		up = g->last_cell + (full == 0 ? SFS_BTREE_PAGE_NO_BYTES : 0);
		g->used = cell + SFS_BTREE_POINTER_BYTES;
		g->last_cell = cell;
		cell = up;
		m->pages++;
		full++;
		g++;
	}
	g->used += cell + SFS_BTREE_POINTER_BYTES;
	g->last_cell = cell;
	if (m->levels <= full)
		m->levels = full + 1;
	if (row->local < row->payload)
		m->pages += (row->payload - row->local + m->page_size - 5) /
		            (m->page_size - 4);
	m->rows++;
	return full;
}

void sfs_btree_measure_init(struct sfs_btree_measure *m, uint32_t page_size)
{
	memset(m, 0, sizeof(*m));
	m->page_size = page_size;
	m->max_local = sfs_btree_max_local(page_size);
	m->levels = 1; /* an empty table has a leaf */
}

enum sfs_rc sfs_btree_measure_add(struct sfs_btree_measure *m, size_t key_len,
                                  size_t value_len, struct sfs_err *err)
{
	struct row row;

	if (!row_lay(m, key_len, value_len, &row))
		return row_too_big(key_len, value_len, err);
	if (m->pages > UINT32_MAX)
		return too_many_pages(m->page_size, err);
	(void)place(m, &row); /* the second pass asks what is full */
	return SFS_OK;
}

enum sfs_rc sfs_btree_measure_finish(const struct sfs_btree_measure *m,
                                     struct sfs_btree_shape *out,
                                     struct sfs_err *err)
{
	uint64_t pages = 1 + m->pages + m->levels;

	if (pages >= sfs_btree_lock_page(m->page_size))
		pages++;
	if (pages > sfs_btree_max_pages(m->page_size))
		return too_many_pages(m->page_size, err);
	out->page_size = m->page_size;
	out->pages = (uint32_t)pages;
	out->root = (uint32_t)pages;
	out->rows = m->rows;
	return SFS_OK;
}

static enum sfs_rc not_measured(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_INVALID,
	                   "the pairs of a shard are not those that were "
	                   "announced");
}

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY,
	                   "no memory for the writer of a shard");
}

static enum sfs_rc block_flush(struct sfs_btree_writer *w, struct sfs_err *err)
{
	uint8_t *full = w->block;
	size_t len = w->block_len;

	if (len == 0)
		return SFS_OK;
	w->block_len = 0;
	w->block = w->other_block;
	w->other_block = full;
	return w->sink(w->arg, full, len, err);
}

static enum sfs_rc page_claim(struct sfs_btree_writer *w, uint8_t **page_out,
                              struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	if (w->pages == w->shape.pages)
		return not_measured(err);
	if (w->block_len == BLOCK_BYTES)
		rc = block_flush(w, err);
	*page_out = w->block + w->block_len;
	w->block_len += w->shape.page_size;
	w->pages++;
	return rc;
}

/* Room for the next page, which the caller fills; w->pages is its number. */
static enum sfs_rc page_begin(struct sfs_btree_writer *w, uint8_t **page_out,
                              struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	if (w->pages + 1 == w->lock_page) {
		rc = page_claim(w, page_out, err);
		if (rc == SFS_OK)
			memset(*page_out, 0, w->shape.page_size);
	}
	return rc == SFS_OK ? page_claim(w, page_out, err) : rc;
}

/* The number of the page that page_begin() makes next. */
static uint32_t page_next(const struct sfs_btree_writer *w)
{
	return w->pages + 1 == w->lock_page ? w->pages + 2 : w->pages + 1;
}

/* Where the last of so many cells of a level's page begins. */
static uint32_t cell_begin(const struct sfs_btree_writer *w, unsigned level,
                           uint32_t cells)
{
	const uint8_t *pointers = w->level[level].page + header_len(level);

	if (cells == 0)
		return w->shape.page_size;
	return sfs_btree_be16(pointers +
	                      (size_t)(cells - 1) * SFS_BTREE_POINTER_BYTES);
}

/* Sends out a level's page with that many of its cells. */
static enum sfs_rc level_emit(struct sfs_btree_writer *w, unsigned level,
                              uint32_t cells, uint32_t right,
                              struct sfs_err *err)
{
	uint32_t pointers = header_len(level);
	uint32_t gap = pointers + cells * SFS_BTREE_POINTER_BYTES;
	uint32_t top = cell_begin(w, level, cells);
	const uint8_t *from = w->level[level].page;
	uint8_t *page;
	enum sfs_rc rc;

	rc = page_begin(w, &page, err);
	if (rc != SFS_OK)
		return rc;
	memset(page, 0, pointers);
	page[0] = level == 0 ? SFS_BTREE_PAGE_LEAF_INDEX
	                     : SFS_BTREE_PAGE_INTERIOR_INDEX;
	sfs_btree_put16(page + SFS_BTREE_AT_CELLS, cells);
	sfs_btree_put16(page + SFS_BTREE_AT_CONTENT, top); /* 65536: 0 */
	if (level > 0)
		sfs_btree_put32(page + SFS_BTREE_AT_RIGHT, right);
	memcpy(page + pointers, from + pointers, gap - pointers);
	memset(page + gap, 0, top - gap);
	memcpy(page + top, from + top, w->shape.page_size - top);
	return SFS_OK;
}

/* Room for the next cell of a level. place() saw that there is some. */
static inline uint8_t *level_room(struct sfs_btree_writer *w, unsigned level,
                                  uint32_t len)
{
	struct level *v = &w->level[level];

	v->top -= len;
	sfs_btree_put16(v->page + header_len(level) +
	                        (size_t)v->cells * SFS_BTREE_POINTER_BYTES,
	                v->top);
	v->cells++;
	return v->page + v->top;
}

static enum sfs_rc level_init(struct sfs_btree_writer *w, unsigned level,
                              struct sfs_err *err)
{
	struct level *v = &w->level[level];

	if (v->page == NULL)
		v->page = sfs_malloc(w->shape.page_size);
	if (v->page == NULL)
		return no_memory(err);
	v->cells = 0;
	v->top = w->shape.page_size;
	return SFS_OK;
}

/* Moves the last cell of a level, whose page is out, to the one above. */
static enum sfs_rc level_raise(struct sfs_btree_writer *w, unsigned level,
                               uint32_t page_no, struct sfs_err *err)
{
	struct level *v = &w->level[level];
	uint32_t begin = v->top + (level > 0 ? SFS_BTREE_PAGE_NO_BYTES : 0);
	uint32_t len = cell_begin(w, level, v->cells - 1) - begin;
	enum sfs_rc rc = SFS_OK;
	uint8_t *cell;

	if (w->level[level + 1].page == NULL)
		rc = level_init(w, level + 1, err);
	if (rc != SFS_OK)
		return rc;
	cell = level_room(w, level + 1, len + SFS_BTREE_PAGE_NO_BYTES);
	sfs_btree_put32(cell, page_no);
	memcpy(cell + SFS_BTREE_PAGE_NO_BYTES, v->page + begin, len);
	return level_init(w, level, err);
}

/*
 * The pages of so many levels are full: all go out, from the leaves up, and
 * then their last cells move, from the top down, each into an empty page.
 */
static enum sfs_rc split(struct sfs_btree_writer *w, unsigned full,
                         struct sfs_err *err)
{
	uint32_t numbers[SFS_BTREE_WRITER_LEVELS];
	enum sfs_rc rc = SFS_OK;
	uint32_t right;
	unsigned i;

	for (i = 0; rc == SFS_OK && i < full; i++) {
		const struct level *v = &w->level[i];

		right = i > 0 ? sfs_btree_be32(v->page + v->top) : 0;
		rc = level_emit(w, i, v->cells - 1, right, err);
		numbers[i] = w->pages;
	}
	for (i = full; rc == SFS_OK && i > 0; i--)
		rc = level_raise(w, i - 1, numbers[i - 1], err);
	return rc;
}

static void bytes_put(uint8_t *p, const uint8_t *data, size_t len)
{
	if (len > 0)
		memcpy(p, data, len);
}

/* Takes the next len bytes of key and value together. */
static void pair_take(struct sfs_pair *rest, uint8_t *p, size_t len)
{
	size_t part = len < rest->key.len ? len : rest->key.len;

	bytes_put(p, rest->key.data, part);
	if (part > 0) {
		rest->key.data += part;
		rest->key.len -= part;
	}
	bytes_put(p + part, rest->value.data, len - part);
	if (len > part) {
		rest->value.data += len - part;
		rest->value.len -= len - part;
	}
}

/* Sends out what is left of a pair; *first_out is where that begins. */
static enum sfs_rc chain_write(struct sfs_btree_writer *w,
                               struct sfs_pair *rest, uint32_t *first_out,
                               struct sfs_err *err)
{
	size_t room = w->shape.page_size - SFS_BTREE_PAGE_NO_BYTES;
	size_t left = rest->key.len + rest->value.len;
	enum sfs_rc rc = SFS_OK;
	uint8_t *page;
	size_t len;

	*first_out = page_next(w);
	while (rc == SFS_OK && left > 0) {
		rc = page_begin(w, &page, err);
		if (rc != SFS_OK)
			break;
		len = left < room ? left : room;
		left -= len;
		sfs_btree_put32(page, left > 0 ? page_next(w) : 0);
		page += SFS_BTREE_PAGE_NO_BYTES;
		pair_take(rest, page, len);
		memset(page + len, 0, room - len);
	}
	return rc;
}

/* Remembers a key that does not lie whole on its page. */
static enum sfs_rc keep_long_key(struct sfs_btree_writer *w,
                                 struct sfs_bytes key, struct sfs_err *err)
{
	uint8_t *copy = w->long_key;

	if (key.len > w->long_key_cap) {
		copy = sfs_realloc_array(copy, key.len, 1);
		if (copy == NULL)
			return no_memory(err);
		w->long_key = copy;
		w->long_key_cap = key.len;
	}
	memcpy(copy, key.data, key.len);
	w->last_key.data = copy;
	return SFS_OK;
}

/* A cell whose payload goes on in a chain. */
static enum sfs_rc long_cell_write(struct sfs_btree_writer *w,
                                   const struct sfs_pair *pair,
                                   const struct row *row, uint8_t *p,
                                   struct sfs_err *err)
{
	uint32_t local = row->local - row->head;
	struct sfs_pair rest = *pair;
	enum sfs_rc rc = SFS_OK;
	uint32_t first = 0;

	pair_take(&rest, p, local);
	if (pair->key.len > local)
		rc = keep_long_key(w, pair->key, err);
	if (rc == SFS_OK)
		rc = chain_write(w, &rest, &first, err);
	sfs_btree_put32(p + local, first);
	return rc;
}

static inline enum sfs_rc cell_write(struct sfs_btree_writer *w,
                                     const struct sfs_pair *pair,
                                     const struct row *row, struct sfs_err *err)
{
	uint8_t *p = level_room(w, 0, row->cell);

	p = sfs_btree_put_varint(p, row->payload);
	*p++ = (uint8_t)row->head;
	p = sfs_btree_put_varint(p, row->key_type);
	p = sfs_btree_put_varint(p, row->value_type);
	w->last_key.data = p;
	w->last_key.len = pair->key.len;
	if (row->local < row->payload)
		return long_cell_write(w, pair, row, p, err);
	bytes_put(p, pair->key.data, pair->key.len);
	bytes_put(p + pair->key.len, pair->value.data, pair->value.len);
	return SFS_OK;
}

/* The last key lies where it was written: nothing was written since. */
static inline bool is_next(const struct sfs_btree_writer *w,
                           struct sfs_bytes key)
{
	return w->m.rows == 0 || sfs_bytes_compare(w->last_key, key) < 0;
}

enum sfs_rc sfs_btree_writer_add(struct sfs_btree_writer *w,
                                 const struct sfs_pair *pair,
                                 struct sfs_err *err)
{
	enum sfs_rc rc = w->failed;
	struct row row;
	unsigned full;

	if (rc != SFS_OK)
		return sfs_err_set(err, rc, "an earlier write failed");
	if (!row_lay(&w->m, pair->key.len, pair->value.len, &row)) {
		rc = row_too_big(pair->key.len, pair->value.len, err);
	} else if (!is_next(w, pair->key)) {
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "the keys of a shard do not ascend");
	} else if (w->m.rows == w->shape.rows) {
		rc = not_measured(err);
	} else {
		full = place(&w->m, &row);
		if (full > 0)
			rc = split(w, full, err);
		if (rc == SFS_OK)
			rc = cell_write(w, pair, &row, err);
	}
	w->failed = rc;
	return rc;
}

static enum sfs_rc finish_levels(struct sfs_btree_writer *w,
                                 struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	unsigned i;

	for (i = 0; rc == SFS_OK && i < w->m.levels; i++)
		rc = level_emit(w, i, w->level[i].cells, w->pages, err);
	if (rc == SFS_OK &&
	    (w->pages != w->shape.pages || w->m.rows != w->shape.rows))
		rc = not_measured(err);
	return rc == SFS_OK ? block_flush(w, err) : rc;
}

enum sfs_rc sfs_btree_writer_finish(struct sfs_btree_writer *w,
                                    struct sfs_err *err)
{
	if (w->failed != SFS_OK)
		return sfs_err_set(err, w->failed, "an earlier write failed");
	w->failed = finish_levels(w, err);
	return w->failed;
}

enum sfs_rc sfs_btree_writer_new(const struct sfs_btree_shape *shape,
                                 sfs_btree_sink_fn *sink, void *arg,
                                 struct sfs_btree_writer **out,
                                 struct sfs_err *err)
{
	struct sfs_btree_writer *w = sfs_calloc(1, sizeof(*w));
	uint8_t *page;
	enum sfs_rc rc;

	*out = NULL;
	if (w == NULL)
		return no_memory(err);
	sfs_btree_measure_init(&w->m, shape->page_size);
	w->shape = *shape;
	w->sink = sink;
	w->arg = arg;
	w->lock_page = sfs_btree_lock_page(shape->page_size);
	w->memory = sfs_malloc(2 * BLOCK_BYTES + BLOCK_ALIGN);
	rc = w->memory != NULL ? level_init(w, 0, err) : no_memory(err);
	if (rc != SFS_OK) {
		sfs_btree_writer_free(w);
		return rc;
	}
	w->block = w->memory + BLOCK_ALIGN - (uintptr_t)w->memory % BLOCK_ALIGN;
	w->other_block = w->block + BLOCK_BYTES;
	rc = page_begin(w, &page, err);
	if (rc == SFS_OK)
		sfs_btree_page_one_put(shape, page);
	*out = w;
	return rc;
}

void sfs_btree_writer_free(struct sfs_btree_writer *w)
{
	unsigned i;

	if (w == NULL)
		return;
	for (i = 0; i < SFS_BTREE_WRITER_LEVELS; i++)
		sfs_free(w->level[i].page);
	sfs_free(w->long_key);
	sfs_free(w->memory);
	sfs_free(w);
}
