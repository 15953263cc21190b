/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slabs: one anonymous mapping, cut into blocks that begin at huge pages. A
 * page is fresh only when it is touched for the first time, so the free
 * slabs are a stack: what was used last is used next, and a build that needs
 * one slab never touches the others.
 */
#include "base/slabs.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

struct sfs_slabs {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	size_t count; /* immutable, as all but the two below */
	size_t slab_bytes;
	uint8_t *map; /* as mmap gave it */
	size_t map_bytes;
	size_t free_count; /* protected by lock, as free */
	uint8_t *free[];
};

/* The blocks' distance; 0: it does not fit a size_t. */
static size_t stride_of(size_t slab_bytes)
{
	if (slab_bytes > SIZE_MAX - HUGE_PAGE_BYTES)
		return 0;
	return (slab_bytes + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
}

static enum sfs_rc map_blocks(struct sfs_slabs *s, size_t stride,
                              struct sfs_err *err)
{
	size_t lead;
	uint8_t *map;

	s->map_bytes = stride * s->count + HUGE_PAGE_BYTES;
	map = mmap(NULL, s->map_bytes, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return sfs_err_sys(err, errno, "%zu bytes of build memory",
		                   s->map_bytes);
	s->map = map;
	/* a help, not a need: kernels without huge pages refuse it */
	if (s->slab_bytes >= HUGE_PAGE_BYTES)
		(void)madvise(map, s->map_bytes, MADV_HUGEPAGE);
	lead = -(uintptr_t)map & (HUGE_PAGE_BYTES - 1);
	for (size_t i = 0; i < s->count; i++)
		s->free[i] = map + lead + (s->count - 1 - i) * stride;
	s->free_count = s->count;
	return SFS_OK;
}

enum sfs_rc sfs_slabs_new(size_t count, size_t slab_bytes,
                          struct sfs_slabs **out, struct sfs_err *err)
{
	size_t stride = stride_of(slab_bytes);
	struct sfs_slabs *s;
	enum sfs_rc rc;

	if (count == 0 || slab_bytes == 0)
		return sfs_err_set(err, SFS_E_INVALID, "%zu slabs of %zu bytes",
		                   count, slab_bytes);
	if (stride == 0 || count > (SIZE_MAX - HUGE_PAGE_BYTES) / stride)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "%zu slabs of %zu bytes", count, slab_bytes);
	s = sfs_calloc(1, sizeof(*s) + count * sizeof(s->free[0]));
	if (s == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	s->count = count;
	s->slab_bytes = slab_bytes;
	rc = map_blocks(s, stride, err);
	if (rc != SFS_OK) {
		sfs_free(s);
		return rc;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->freed, NULL);
	*out = s;
	return SFS_OK;
}

void sfs_slabs_free(struct sfs_slabs *s)
{
	if (s == NULL)
		return;
	(void)munmap(s->map, s->map_bytes);
	pthread_cond_destroy(&s->freed);
	pthread_mutex_destroy(&s->lock);
	sfs_free(s);
}

size_t sfs_slabs_bytes(const struct sfs_slabs *s)
{
	return s->slab_bytes;
}

uint8_t *sfs_slabs_get(struct sfs_slabs *s)
{
	uint8_t *slab;

	pthread_mutex_lock(&s->lock);
	while (s->free_count == 0)
		pthread_cond_wait(&s->freed, &s->lock);
	slab = s->free[--s->free_count];
	pthread_mutex_unlock(&s->lock);
	return slab;
}

uint8_t *sfs_slabs_try_get(struct sfs_slabs *s)
{
	uint8_t *slab = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->free_count > 0)
		slab = s->free[--s->free_count];
	pthread_mutex_unlock(&s->lock);
	return slab;
}

void sfs_slabs_put(struct sfs_slabs *s, uint8_t *slab)
{
	pthread_mutex_lock(&s->lock);
	s->free[s->free_count++] = slab;
	pthread_cond_signal(&s->freed);
	pthread_mutex_unlock(&s->lock);
}
