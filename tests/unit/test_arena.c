/* SPDX-License-Identifier: Apache-2.0 */
/* Strings of one life: they stay where they are, whatever comes after. */
#include "base/alloc.h"
#include "base/arena.h"
#include "unit/tap.h"

#include <stdint.h>
#include <stdlib.h>

static void strings_keep_their_bytes_and_addresses(void)
{
	enum { COUNT = 20000 };
	struct sfs_arena *a = sfs_arena_new();
	char **copies = calloc(COUNT, sizeof(*copies));
	char text[32];

	OK(a != NULL && copies != NULL);
	for (int i = 0; i < COUNT; i++) {
		int len = snprintf(text, sizeof(text), "string-%d", i);

		copies[i] = sfs_arena_add(a, text, (size_t)len);
	}
	for (int i = 0; i < COUNT; i++) {
		(void)snprintf(text, sizeof(text), "string-%d", i);
		if (copies[i] == NULL || strcmp(copies[i], text) != 0)
			TAP_FAIL("string %d is damaged", i);
	}
	free(copies);
	sfs_arena_free(a);
}

static void a_nul_inside_is_kept_and_one_is_added(void)
{
	struct sfs_arena *a = sfs_arena_new();
	char *copy = sfs_arena_add(a, "a\0b", 3);

	OK(copy != NULL && memcmp(copy, "a\0b\0", 4) == 0);
	IS_STR(sfs_arena_add(a, NULL, 0), "");
	sfs_arena_free(a);
}

static void strings_larger_than_a_chunk_fit(void)
{
	enum { BIG = 300 << 10 };
	struct sfs_arena *a = sfs_arena_new();
	char *big = malloc(BIG);
	char *first;
	char *second;
	char *after;

	memset(big, 'x', BIG);
	first = sfs_arena_add(a, "small", 5);
	second = sfs_arena_add(a, big, BIG);
	after = sfs_arena_add(a, "next", 4);
	IS_STR(first, "small");
	OK(second != NULL && memcmp(second, big, BIG) == 0);
	OK(second != NULL && second[BIG] == '\0');
	IS_STR(after, "next");
	/* the chunk in use is used on: its strings lie side by side */
	OK(after == first + 6);
	free(big);
	sfs_arena_free(a);
}

static void lack_of_memory_is_told_and_harmless(void)
{
	struct sfs_arena *a;
	unsigned long before = sfs_alloc_fault_count();

	sfs_alloc_fail_nth(1);
	OK(sfs_arena_new() == NULL);
	a = sfs_arena_new();
	sfs_alloc_fail_nth(1);
	OK(sfs_arena_add(a, "x", 1) == NULL);
	IS_INT(sfs_alloc_fault_count() - before, 2);
	IS_STR(sfs_arena_add(a, "x", 1), "x");
	OK(sfs_arena_add(a, "x", SIZE_MAX) == NULL);
	OK(sfs_arena_add(a, "x", SIZE_MAX - 1) == NULL);
	sfs_arena_free(a);
	sfs_arena_free(NULL);
}

int main(void)
{
	RUN(strings_keep_their_bytes_and_addresses);
	RUN(a_nul_inside_is_kept_and_one_is_added);
	RUN(strings_larger_than_a_chunk_fit);
	RUN(lack_of_memory_is_told_and_harmless);
	return tap_done();
}
