/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_RUNS_MODEL_H
#define SFS_TESTS_RUNS_MODEL_H

/*
 * The external sort's model: every record that was given to it, in an array.
 * What a merge must hand out is found by sorting the array; the base is a
 * shard reader over another one.
 */
#include "base/alloc.h"
#include "build/runs_internal.h"
#include "unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MODEL_MEMORY = 64 << 10 };

struct model_record {
	uint8_t *key; /* owned; the value follows it */
	size_t key_len;
	size_t value_len;
	uint64_t rank;
	uint32_t db_id;
	bool is_delete;
};

struct model {
	struct model_record *records;
	size_t count;
	size_t cap;
	uint64_t ranks; /* given out */
};

static uint64_t model_seed = 88172645463325252ULL;

static inline uint64_t model_random(uint64_t below)
{
	model_seed ^= model_seed << 13;
	model_seed ^= model_seed >> 7;
	model_seed ^= model_seed << 17;
	return below > 0 ? (model_seed >> 11) % below : 0;
}

static inline struct model_record *model_add(struct model *m, const void *key,
                                             size_t key_len, size_t value_len)
{
	struct model_record *r;

	if (m->count == m->cap) {
		m->cap = m->cap > 0 ? m->cap * 2 : 64;
		m->records = realloc(m->records, m->cap * sizeof(*m->records));
	}
	r = &m->records[m->count++];
	*r = (struct model_record){ .key_len = key_len,
		                    .value_len = value_len };
	r->key = malloc(key_len + value_len + 1);
	if (key_len > 0)
		memcpy(r->key, key, key_len);
	for (size_t i = 0; i < value_len; i++)
		r->key[key_len + i] = (uint8_t)(m->count * 31 + i);
	/* unique, and in no order */
	r->rank = 1 + (m->ranks++ * 0x9e3779b1U & 0xffffffffU);
	return r;
}

static inline void model_release(struct model *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->records[i].key);
	free(m->records);
	*m = (struct model){ 0 };
}

static inline struct sfs_sort_record
model_run_record(const struct model_record *r)
{
	return (struct sfs_sort_record){ .key = { r->key, r->key_len },
		                         .value = { r->key + r->key_len,
		                                    r->value_len },
		                         .rank = r->rank,
		                         .db_id = r->db_id,
		                         .is_delete = r->is_delete };
}

static inline int model_compare_keys(const struct model_record *a,
                                     const struct model_record *b)
{
	size_t both = a->key_len < b->key_len ? a->key_len : b->key_len;
	int order = memcmp(a->key, b->key, both);

	if (order != 0)
		return order;
	return a->key_len < b->key_len ? -1 : a->key_len > b->key_len;
}

/* By shard, key, falling rank; the base's pairs have rank 0. */
static inline int model_compare(const void *a, const void *b)
{
	const struct model_record *ra = a;
	const struct model_record *rb = b;
	int order;

	if (ra->db_id != rb->db_id)
		return ra->db_id < rb->db_id ? -1 : 1;
	order = model_compare_keys(ra, rb);
	if (order != 0)
		return order;
	return ra->rank > rb->rank ? -1 : ra->rank < rb->rank;
}

/* The base: a reader over sorted pairs, whose locators are their numbers. */
struct model_base {
	struct sfs_shard_reader reader; /* first: the operations cast */
	const struct model_record *pairs;
	size_t count;
	unsigned cursors; /* that are open */
};

struct model_cursor {
	struct sfs_shard_cursor cursor; /* first */
	struct model_base *base;
	uint64_t at;
	uint8_t *key; /* a copy: borrowed memory ends at once */
};

static enum sfs_rc model_cursor_next(struct sfs_shard_cursor *cursor,
                                     bool *found, struct sfs_bytes *key,
                                     struct sfs_pair_info *info,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	struct model_cursor *c = (struct model_cursor *)cursor;
	const struct model_record *r = &c->base->pairs[c->at];

	(void)call;
	(void)err;
	*found = c->at < c->base->count;
	if (!*found)
		return SFS_OK;
	free(c->key);
	c->key = malloc(r->key_len + 1);
	memcpy(c->key, r->key, r->key_len);
	*key = (struct sfs_bytes){ c->key, r->key_len };
	*info = (struct sfs_pair_info){ c->at++, r->value_len };
	return SFS_OK;
}

static void model_cursor_close(struct sfs_shard_cursor *cursor)
{
	struct model_cursor *c = (struct model_cursor *)cursor;

	c->base->cursors--;
	free(c->key);
	free(c);
}

static const struct sfs_shard_cursor_ops model_cursor_ops = {
	.next = model_cursor_next,
	.close = model_cursor_close,
};

static enum sfs_rc model_iterate(struct sfs_shard_reader *reader, uint64_t skip,
                                 struct sfs_shard_cursor **out,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct model_cursor *c = calloc(1, sizeof(*c));

	(void)call;
	(void)err;
	c->cursor.ops = &model_cursor_ops;
	c->base = (struct model_base *)reader;
	c->base->cursors++;
	c->at = skip;
	*out = &c->cursor;
	return SFS_OK;
}

static enum sfs_rc model_read(struct sfs_shard_reader *reader,
                              sfs_locator locator, uint64_t offset, void *buf,
                              size_t len, size_t *got,
                              const struct sfs_call *call, struct sfs_err *err)
{
	const struct model_base *b = (const struct model_base *)reader;
	const struct model_record *r = &b->pairs[locator];

	(void)call;
	(void)err;
	*got = 0;
	if (offset < r->value_len)
		*got = r->value_len - offset < len ? r->value_len - offset
		                                   : len;
	memcpy(buf, r->key + r->key_len + offset, *got);
	return SFS_OK;
}

static const struct sfs_shard_reader_ops model_reader_ops = {
	.iterate = model_iterate,
	.read = model_read,
};

/* The directory of the scratch files; they are unlinked. */
static inline int model_directory(void)
{
	const char *path = getenv("TMPDIR");

	return open(path != NULL ? path : "/tmp",
	            O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

#endif
