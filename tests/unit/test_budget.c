/* SPDX-License-Identifier: Apache-2.0 */
/* What may be in use at once: never more, and everybody gets a turn. */
#include "base/budget.h"
#include "unit/tap.h"

#include <sched.h>
#include <stdatomic.h>

enum { ALL = 100, THREADS = 4, ROUNDS = 5000 };

static void no_more_than_all_is_given(void)
{
	struct sfs_budget b;
	size_t first, second;

	sfs_budget_init(&b, ALL);
	OK(sfs_budget_try(&b, 60, &first));
	IS_INT(first, 60);
	OK(!sfs_budget_try(&b, 41, &second));
	IS_INT(second, 0);
	OK(sfs_budget_try(&b, 40, &second));
	sfs_budget_put(&b, second);
	sfs_budget_put(&b, first);
	sfs_budget_destroy(&b);
}

static void more_than_all_is_all(void)
{
	struct sfs_budget b;
	size_t taken;

	sfs_budget_init(&b, ALL);
	IS_INT(sfs_budget_take(&b, SIZE_MAX), ALL);
	OK(!sfs_budget_try(&b, 1, &taken));
	sfs_budget_put(&b, ALL);
	OK(sfs_budget_try(&b, SIZE_MAX, &taken));
	IS_INT(taken, ALL);
	sfs_budget_put(&b, taken);
	sfs_budget_destroy(&b);
}

static atomic_size_t in_use;
static atomic_bool was_too_much;

static void *take_turns(void *arg)
{
	struct sfs_budget *b = arg;

	for (size_t i = 0; i < ROUNDS; i++) {
		size_t taken = sfs_budget_take(b, 1 + i * 37 % (2 * ALL));

		if (atomic_fetch_add(&in_use, taken) + taken > ALL)
			atomic_store(&was_too_much, true);
		if (i % 64 == 0)
			sched_yield();
		atomic_fetch_sub(&in_use, taken);
		sfs_budget_put(b, taken);
	}
	return NULL;
}

static void takers_wait_for_each_other(void)
{
	struct sfs_budget b;
	pthread_t threads[THREADS];

	sfs_budget_init(&b, ALL);
	for (int i = 0; i < THREADS; i++)
		IS_INT(pthread_create(&threads[i], NULL, take_turns, &b), 0);
	for (int i = 0; i < THREADS; i++)
		IS_INT(pthread_join(threads[i], NULL), 0);
	OK(!atomic_load(&was_too_much));
	IS_INT(b.used, 0);
	sfs_budget_destroy(&b);
}

static void *take_all(void *arg)
{
	sfs_budget_put(arg, sfs_budget_take(arg, ALL));
	return NULL;
}

/* Else many small takers would keep a large one waiting. */
static void nobody_overtakes_who_waits(void)
{
	struct sfs_budget b;
	size_t taken = 0;
	pthread_t thread;
	size_t first;

	sfs_budget_init(&b, ALL);
	OK(sfs_budget_try(&b, 1, &first));
	IS_INT(pthread_create(&thread, NULL, take_all, &b), 0);
	while (sfs_budget_try(&b, 1, &taken)) { /* until it waits */
		sfs_budget_put(&b, taken);
		sched_yield();
	}
	OK(!sfs_budget_try(&b, 1, &taken));
	sfs_budget_put(&b, first);
	IS_INT(pthread_join(thread, NULL), 0);
	OK(sfs_budget_try(&b, 1, &taken));
	sfs_budget_put(&b, taken);
	sfs_budget_destroy(&b);
}

int main(void)
{
	RUN(no_more_than_all_is_given);
	RUN(more_than_all_is_all);
	RUN(takers_wait_for_each_other);
	RUN(nobody_overtakes_who_waits);
	return tap_done();
}
