/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_PAIRS_H
#define SFS_TESTS_PAIRS_H

/*
 * Sorted pairs for the tests of the database writer, and the writer run over
 * them into memory.
 */
#include "format/btree_writer.h"
#include "unit/tap.h"

#include <stdlib.h>

/* Owns the bytes of all its pairs. */
struct pairs {
	struct sfs_pair *at;
	size_t count;
	size_t cap;
};

/* A database in memory, and how often the sink was called. */
struct image {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t calls;
	size_t fail_at; /* which call fails; 0: none */
	size_t misaligned;
};

static struct sfs_err pairs_err;

static inline void *pairs_alloc(void *old, size_t size)
{
	void *p = realloc(old, size + 1);

	if (p == NULL) {
		printf("Bail out! out of memory\n");
		exit(1);
	}
	return p;
}

/* Bytes that differ from place to place, so that a slip shows. */
static inline void pairs_fill(uint8_t *p, size_t len, uint64_t seed)
{
	uint64_t x = seed * 0x9E3779B97F4A7C15ULL + 1;
	size_t i;

	for (i = 0; i < len; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		p[i] = (uint8_t)(x >> 56);
	}
}

static inline void pairs_add(struct pairs *p, const uint8_t *key,
                             size_t key_len, size_t value_len)
{
	uint8_t *copy = pairs_alloc(NULL, key_len + value_len);

	if (p->count == p->cap) {
		p->cap = 2 * p->cap + 16;
		p->at = pairs_alloc(p->at, p->cap * sizeof(*p->at));
	}
	if (key_len > 0)
		memcpy(copy, key, key_len);
	pairs_fill(copy + key_len, value_len, p->count);
	p->at[p->count++] = (struct sfs_pair){ { copy, key_len },
		                               { copy + key_len, value_len } };
}

/* Adds a pair with the next key of 8 bytes. */
static inline void pairs_add_next(struct pairs *p, size_t value_len)
{
	uint64_t number = p->count;
	uint8_t key[8];
	int i;

	for (i = 0; i < 8; i++)
		key[i] = (uint8_t)(number >> (56 - 8 * i));
	pairs_add(p, key, sizeof(key), value_len);
}

static inline int pairs_order(const void *a, const void *b)
{
	const struct sfs_bytes *x = &((const struct sfs_pair *)a)->key;
	const struct sfs_bytes *y = &((const struct sfs_pair *)b)->key;
	int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* Sorts them; of equal keys one stays. */
static inline void pairs_sort(struct pairs *p)
{
	size_t kept = 0;
	size_t i;

	if (p->count > 0)
		qsort(p->at, p->count, sizeof(*p->at), pairs_order);
	for (i = 0; i < p->count; i++) {
		if (i + 1 < p->count &&
		    pairs_order(&p->at[i], &p->at[i + 1]) == 0)
			free((void *)(uintptr_t)p->at[i].key.data);
		else
			p->at[kept++] = p->at[i];
	}
	p->count = kept;
}

static inline void pairs_free(struct pairs *p)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		free((void *)(uintptr_t)p->at[i].key.data);
	free(p->at);
	*p = (struct pairs){ NULL, 0, 0 };
}

static inline enum sfs_rc image_sink(void *arg, const void *data, size_t len,
                                     struct sfs_err *err)
{
	struct image *m = arg;

	if (++m->calls == m->fail_at)
		return sfs_err_set(err, SFS_E_NO_SPACE, "the sink is full");
	m->misaligned += (uintptr_t)data % 4096 != 0;
	if (m->len + len > m->cap) {
		m->cap = 2 * m->cap + len;
		m->data = pairs_alloc(m->data, m->cap);
	}
	memcpy(m->data + m->len, data, len);
	m->len += len;
	return SFS_OK;
}

static inline void image_free(struct image *m)
{
	free(m->data);
	*m = (struct image){ .data = NULL };
}

static inline enum sfs_rc pairs_measure(const struct pairs *p,
                                        uint32_t page_size,
                                        struct sfs_btree_shape *out)
{
	struct sfs_btree_measure m;
	enum sfs_rc rc = SFS_OK;
	size_t i;

	sfs_btree_measure_init(&m, page_size);
	for (i = 0; rc == SFS_OK && i < p->count; i++)
		rc = sfs_btree_measure_add(&m, p->at[i].key.len,
		                           p->at[i].value.len, &pairs_err);
	if (rc == SFS_OK)
		rc = sfs_btree_measure_finish(&m, out, &pairs_err);
	return rc;
}

/* Writes them in that shape, whether it is theirs or not. */
static inline enum sfs_rc pairs_write_as(const struct pairs *p,
                                         const struct sfs_btree_shape *shape,
                                         sfs_btree_sink_fn *sink, void *arg)
{
	struct sfs_btree_writer *w = NULL;
	enum sfs_rc rc;
	size_t i;

	rc = sfs_btree_writer_new(shape, sink, arg, &w, &pairs_err);
	for (i = 0; rc == SFS_OK && i < p->count; i++)
		rc = sfs_btree_writer_add(w, &p->at[i], &pairs_err);
	if (rc == SFS_OK)
		rc = sfs_btree_writer_finish(w, &pairs_err);
	sfs_btree_writer_free(w);
	return rc;
}

/* Both passes; the bytes are as many as the first one said. */
static inline bool pairs_write(const struct pairs *p, uint32_t page_size,
                               struct image *m)
{
	struct sfs_btree_shape shape = { 0, 0, 0, 0 };
	enum sfs_rc rc = pairs_measure(p, page_size, &shape);

	m->len = 0;
	if (rc == SFS_OK)
		rc = pairs_write_as(p, &shape, image_sink, m);
	if (rc != SFS_OK)
		TAP_FAIL("%s", pairs_err.msg);
	IS_INT(m->len, (uint64_t)shape.pages * page_size);
	IS_INT(m->misaligned, 0);
	return rc == SFS_OK;
}

#endif
