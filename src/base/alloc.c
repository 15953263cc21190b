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

void sfs_alloc_fail_nth(unsigned long nth)
{
	atomic_store(&fail_in, nth);
}

unsigned long sfs_alloc_fault_count(void)
{
	return atomic_load(&faults);
}
