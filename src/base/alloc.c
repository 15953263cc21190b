/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to malloc. The fault countdown is a single relaxed atomic:
 * outside tests it stays 0 and costs one load.
 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#include <pthread.h>
#endif

enum {
	/* more than a request's buffer has: to map those costs a copy's time */
	MAP_BYTES = 2 << 20,  /* larger blocks are mapped, and unmapped */
	TRIM_BYTES = 2 << 20, /* free at the end of a heap: given back */
	HEAPS = 8,
	STACK_BYTES = 1 << 20, /* of a thread; no room for a huge page */
};

static atomic_ulong fail_in; /* 0: off, else allocations left */
static atomic_ulong faults;

static bool is_failing(void)
{
	unsigned long left;

	left = atomic_load_explicit(&fail_in, memory_order_relaxed);
	while (left > 0) {
		if (!atomic_compare_exchange_weak(&fail_in, &left, left - 1))
			continue;
		if (left > 1)
			return false;
		atomic_fetch_add(&faults, 1);
		return true;
	}
	return false;
}

void *sfs_malloc(size_t size)
{
	return is_failing() ? NULL : malloc(size > 0 ? size : 1);
}

void *sfs_calloc(size_t count, size_t size)
{
	if (is_failing())
		return NULL;
	return calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}

void *sfs_realloc_array(void *old, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	if (is_failing())
		return NULL;
	return realloc(old, count * size > 0 ? count * size : 1);
}

char *sfs_strdup(const char *s)
{
	return sfs_memdup0(s, strlen(s));
}

char *sfs_memdup0(const void *data, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		return NULL;
	copy = sfs_malloc(len + 1);
	if (copy == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

void sfs_free(void *p)
{
	free(p);
}

/*
 * glibc adapts: once a block of 16 MiB was freed, others of that size come
 * from the heap of their thread, and 32 MiB stay there when they are freed
 * too, in each of 8 heaps a CPU. With these it is HEAPS * TRIM_BYTES: 12
 * records of 8 MiB, read by 3 threads, made 72 MiB, and 45 now. Where huge
 * pages are for all (transparent_hugepage=always) a stack of 8 MiB begins
 * with one: 2 MiB for each of up to a hundred threads.
 */
void sfs_alloc_tune(void)
{
#ifdef __GLIBC__
	pthread_attr_t attr;

	(void)mallopt(M_MMAP_THRESHOLD, MAP_BYTES); /* fixed from here on */
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	(void)mallopt(M_ARENA_MAX, HEAPS);
	if (pthread_attr_init(&attr) != 0)
		return;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)pthread_setattr_default_np(&attr);
	(void)pthread_attr_destroy(&attr);
#endif
}

void sfs_alloc_fail_nth(unsigned long nth)
{
	atomic_store(&fail_in, nth);
}

unsigned long sfs_alloc_fault_count(void)
{
	return atomic_load(&faults);
}
