/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of build memory: alignment, reuse, waiting. */
#include "base/alloc.h"
#include "base/slabs.h"
#include "unit/tap.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { COUNT = 3, BYTES = 100000, ROUNDS = 2000, THREADS = 4 };

static struct sfs_slabs *new_slabs(size_t count, size_t bytes)
{
	struct sfs_slabs *s = NULL;
	struct sfs_err err;

	OK(sfs_slabs_new(count, bytes, &s, &err) == SFS_OK);
	return s;
}

static void slabs_are_aligned_and_do_not_overlap(void)
{
	struct sfs_slabs *s = new_slabs(COUNT, BYTES);
	uint8_t *slab[COUNT];

	IS_INT(sfs_slabs_bytes(s), BYTES);
	for (int i = 0; i < COUNT; i++) {
		slab[i] = sfs_slabs_get(s);
		IS_INT((uintptr_t)slab[i] % (2 << 20), 0);
		memset(slab[i], i + 1, BYTES);
	}
	for (int i = 0; i < COUNT; i++) {
		OK(slab[i][0] == i + 1);
		OK(slab[i][BYTES - 1] == i + 1);
	}
	OK(sfs_slabs_try_get(s) == NULL);
	for (int i = 0; i < COUNT; i++)
		sfs_slabs_put(s, slab[i]);
	sfs_slabs_free(s);
}

static void the_slab_used_last_is_used_next(void)
{
	struct sfs_slabs *s = new_slabs(COUNT, BYTES);
	uint8_t *first = sfs_slabs_get(s);
	uint8_t *second = sfs_slabs_get(s);

	sfs_slabs_put(s, first);
	OK(sfs_slabs_try_get(s) == first);
	sfs_slabs_put(s, first);
	sfs_slabs_put(s, second);
	OK(sfs_slabs_try_get(s) == second);
	sfs_slabs_put(s, second);
	sfs_slabs_free(s);
}

static void sizes_that_cannot_be_are_refused(void)
{
	struct sfs_slabs *s;
	struct sfs_err err;

	OK(sfs_slabs_new(0, BYTES, &s, &err) == SFS_E_INVALID);
	OK(sfs_slabs_new(1, 0, &s, &err) == SFS_E_INVALID);
	OK(sfs_slabs_new(1, SIZE_MAX, &s, &err) == SFS_E_NO_MEMORY);
	OK(sfs_slabs_new(SIZE_MAX / 4, 4 << 20, &s, &err) == SFS_E_NO_MEMORY);
	OK(sfs_slabs_new(1, (size_t)1 << 60, &s, &err) == SFS_E_NO_MEMORY);
	sfs_alloc_fail_nth(1);
	OK(sfs_slabs_new(1, BYTES, &s, &err) == SFS_E_NO_MEMORY);
	sfs_alloc_fail_nth(0);
	sfs_slabs_free(NULL);
}

static void *get_one(void *arg)
{
	return sfs_slabs_get(arg);
}

static void a_waiter_is_served(void)
{
	struct sfs_slabs *s = new_slabs(1, BYTES);
	uint8_t *slab = sfs_slabs_get(s);
	void *got = NULL;
	pthread_t thread;

	OK(pthread_create(&thread, NULL, get_one, s) == 0);
	OK(sfs_slabs_try_get(s) == NULL);
	sfs_slabs_put(s, slab);
	pthread_join(thread, &got);
	OK(got == slab);
	sfs_slabs_put(s, slab);
	sfs_slabs_free(s);
}

static atomic_uint shared_by_two;

static void *use_many(void *arg)
{
	struct sfs_slabs *s = arg;

	for (int i = 0; i < ROUNDS; i++) {
		uint8_t *slab = sfs_slabs_get(s);

		/* nobody else may be in it */
		if (slab[0] != 0)
			atomic_fetch_add(&shared_by_two, 1);
		slab[0] = 1;
		if (i % 16 == 0)
			sched_yield();
		slab[0] = 0;
		sfs_slabs_put(s, slab);
	}
	return NULL;
}

static void no_two_threads_hold_one_slab(void)
{
	struct sfs_slabs *s = new_slabs(2, BYTES);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, use_many, s) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	IS_INT(atomic_load(&shared_by_two), 0);
	sfs_slabs_free(s);
}

int main(void)
{
	RUN(slabs_are_aligned_and_do_not_overlap);
	RUN(the_slab_used_last_is_used_next);
	RUN(sizes_that_cannot_be_are_refused);
	RUN(a_waiter_is_served);
	RUN(no_two_threads_hold_one_slab);
	return tap_done();
}
