/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory in blocks, given out from the front. The blocks double up to a size
 * that is kept over a reset, so that a pool which is used for the same again
 * and again does not allocate after the first time.
 */
#include "cel/pool.h"

#include "base/alloc.h"

#include <stdint.h>

enum {
	ALIGNMENT = 8,
	FIRST_BLOCK_BYTES = 4 << 10,
	LARGE_BLOCK_BYTES = 256 << 10, /* larger ones hold one thing each */
};

struct block {
	struct block *next;
	size_t cap;
	_Alignas(ALIGNMENT) char data[];
};

struct sfs_cel_pool {
	char *free; /* of the first block */
	size_t room;
	size_t left; /* of max_bytes */
	size_t max;
	struct block *blocks;
	bool is_full;
};

struct sfs_cel_pool *sfs_cel_pool_new(size_t max_bytes)
{
	struct sfs_cel_pool *p = sfs_calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->max = max_bytes;
	p->left = max_bytes;
	return p;
}

static void free_blocks(struct block *b)
{
	struct block *next;

	for (; b != NULL; b = next) {
		next = b->next;
		sfs_free(b);
	}
}

void sfs_cel_pool_free(struct sfs_cel_pool *p)
{
	if (p == NULL)
		return;
	free_blocks(p->blocks);
	sfs_free(p);
}

void sfs_cel_pool_reset(struct sfs_cel_pool *p)
{
	struct block *first = p->blocks;

	p->left = p->max;
	p->is_full = false;
	if (first == NULL)
		return;
	free_blocks(first->next);
	first->next = NULL;
	if (first->cap > LARGE_BLOCK_BYTES) {
		sfs_free(first);
		p->blocks = NULL;
		p->free = NULL;
		p->room = 0;
		return;
	}
	p->free = first->data;
	p->room = first->cap;
}

/* How much the next block holds, at least need. */
static size_t next_cap(const struct sfs_cel_pool *p, size_t need)
{
	size_t cap = FIRST_BLOCK_BYTES;

	if (p->blocks != NULL)
		cap = p->blocks->cap * 2;
	if (cap > LARGE_BLOCK_BYTES)
		cap = LARGE_BLOCK_BYTES;
	return cap > need ? cap : need;
}

static bool add_block(struct sfs_cel_pool *p, size_t need)
{
	const size_t cap = next_cap(p, need);
	struct block *b;

	if (cap > SIZE_MAX - sizeof(*b))
		return false;
	b = sfs_malloc(sizeof(*b) + cap);
	if (b == NULL)
		return false;
	b->cap = cap;
	b->next = p->blocks;
	p->blocks = b;
	p->free = b->data;
	p->room = cap;
	return true;
}

void *sfs_cel_pool_get(struct sfs_cel_pool *p, size_t size)
{
	size_t need = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	void *given;

	if (need < size || need > p->left) {
		p->is_full = true;
		return NULL;
	}
	if ((need > p->room || p->free == NULL) && !add_block(p, need))
		return NULL;
	given = p->free;
	p->free += need;
	p->room -= need;
	p->left -= need;
	return given;
}

bool sfs_cel_pool_is_full(const struct sfs_cel_pool *p)
{
	return p->is_full;
}
