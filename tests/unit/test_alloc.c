/* SPDX-License-Identifier: Apache-2.0 */
/* The door to malloc: sizes of zero, overflow, and the fault countdown. */
#include "base/alloc.h"
#include "unit/tap.h"

static void zero_bytes_are_an_allocation(void)
{
	void *a = sfs_malloc(0);
	void *b = sfs_calloc(0, 0);
	void *c = sfs_realloc_array(NULL, 0, 16);
	char *d = sfs_memdup0(NULL, 0);

	OK(a != NULL && b != NULL && c != NULL);
	IS_STR(d, "");
	sfs_free(a);
	sfs_free(b);
	sfs_free(c);
	sfs_free(d);
}

static void array_sizes_that_overflow_are_refused(void)
{
	volatile size_t half = SIZE_MAX / 2 + 1; /* hidden from the compiler */
	char *old = sfs_strdup("kept");

	OK(sfs_realloc_array(old, half, 2) == NULL);
	IS_STR(old, "kept");
	OK(sfs_memdup0("", SIZE_MAX) == NULL);
	sfs_free(old);
}

static void memdup0_copies_bytes_and_adds_a_nul(void)
{
	char *copy = sfs_memdup0("a\0b", 3);

	OK(copy != NULL && memcmp(copy, "a\0b", 4) == 0);
	sfs_free(copy);
}

static void the_nth_allocation_fails_once(void)
{
	unsigned long before = sfs_alloc_fault_count();
	void *p[4];

	sfs_alloc_fail_nth(3);
	for (int i = 0; i < 4; i++)
		p[i] = sfs_malloc(1);
	OK(p[0] != NULL && p[1] != NULL && p[2] == NULL && p[3] != NULL);
	IS_INT(sfs_alloc_fault_count() - before, 1);
	for (int i = 0; i < 4; i++)
		sfs_free(p[i]);
}

static void each_kind_of_allocation_can_fail(void)
{
	void *old = sfs_malloc(1);

	sfs_alloc_fail_nth(1);
	OK(sfs_calloc(1, 1) == NULL);
	sfs_alloc_fail_nth(1);
	OK(sfs_realloc_array(old, 2, 1) == NULL);
	sfs_alloc_fail_nth(1);
	OK(sfs_strdup("x") == NULL);
	sfs_alloc_fail_nth(1);
	OK(sfs_memdup0("x", 1) == NULL);
	sfs_free(old);
}

static void a_countdown_can_be_called_off(void)
{
	void *p;

	sfs_alloc_fail_nth(1);
	sfs_alloc_fail_nth(0);
	p = sfs_malloc(1);
	OK(p != NULL);
	sfs_free(p);
}

int main(void)
{
	RUN(zero_bytes_are_an_allocation);
	RUN(array_sizes_that_overflow_are_refused);
	RUN(memdup0_copies_bytes_and_adds_a_nul);
	RUN(the_nth_allocation_fails_once);
	RUN(each_kind_of_allocation_can_fail);
	RUN(a_countdown_can_be_called_off);
	return tap_done();
}
