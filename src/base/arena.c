/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings in chunks: a manifest has four strings per shard and up to a
 * million shards, which would be as many allocations. A string that does not
 * fit into a chunk gets one of its own, behind the chunk in use.
 */
#include "base/arena.h"

#include "base/alloc.h"

#include <stdint.h>
#include <string.h>

enum { CHUNK_BYTES = 64 << 10 };

struct chunk {
	struct chunk *next;
	size_t used;
	size_t cap;
	char data[];
};

struct sfs_arena {
	struct chunk *chunks; /* the first one is the one in use */
};

struct sfs_arena *sfs_arena_new(void)
{
	return sfs_calloc(1, sizeof(struct sfs_arena));
}

void sfs_arena_free(struct sfs_arena *a)
{
	struct chunk *next;

	if (a == NULL)
		return;
	for (struct chunk *c = a->chunks; c != NULL; c = next) {
		next = c->next;
		sfs_free(c);
	}
	sfs_free(a);
}

static size_t room_of(const struct chunk *c)
{
	return c != NULL ? c->cap - c->used : 0;
}

static struct chunk *chunk_new(size_t cap)
{
	struct chunk *c;

	if (cap > SIZE_MAX - sizeof(*c))
		return NULL;
	c = sfs_malloc(sizeof(*c) + cap);
	if (c == NULL)
		return NULL;
	c->next = NULL;
	c->used = 0;
	c->cap = cap;
	return c;
}

/* Puts the chunk with more room in front. */
static void add_chunk(struct sfs_arena *a, struct chunk *c, size_t need)
{
	if (room_of(a->chunks) > c->cap - need) {
		c->next = a->chunks->next;
		a->chunks->next = c;
		return;
	}
	c->next = a->chunks;
	a->chunks = c;
}

char *sfs_arena_add(struct sfs_arena *a, const void *data, size_t len)
{
	size_t need = len + 1;
	struct chunk *c = a->chunks;
	char *copy;

	if (len == SIZE_MAX)
		return NULL;
	if (room_of(c) < need) {
		c = chunk_new(need > CHUNK_BYTES ? need : CHUNK_BYTES);
		if (c == NULL)
			return NULL;
		add_chunk(a, c, need);
	}
	copy = c->data + c->used;
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	c->used += need;
	return copy;
}
