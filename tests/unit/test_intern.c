/* SPDX-License-Identifier: Apache-2.0 */
/* Interned names: one number each, for ever. */
#include "base/alloc.h"
#include "fs/intern.h"
#include "unit/tap.h"

#include <pthread.h>
#include <stdatomic.h>

enum { NAMES = 5000, THREADS = 4 };

static void name_of(int i, char out[32])
{
	(void)snprintf(out, 32, "name-%d", i * 31);
}

static void a_name_keeps_its_number_while_the_table_grows(void)
{
	struct sfs_intern *in = sfs_intern_new();
	uint64_t number = 99;
	char name[32];
	int bad = 0;

	OK(!sfs_intern_find(in, "name-0", &number));
	OK(sfs_intern_name(in, 0) == NULL);
	for (int i = 0; i < NAMES; i++) {
		name_of(i, name);
		bad += !sfs_intern_add(in, name, &number) ||
		       number != (uint64_t)i;
	}
	for (int i = 0; i < NAMES; i++) {
		name_of(i, name);
		bad += !sfs_intern_add(in, name, &number) ||
		       number != (uint64_t)i;
		bad += !sfs_intern_find(in, name, &number) ||
		       number != (uint64_t)i;
		bad += strcmp(sfs_intern_name(in, number), name) != 0;
	}
	IS_INT(bad, 0);
	OK(!sfs_intern_find(in, "name-1", &number));
	OK(sfs_intern_name(in, NAMES) == NULL);
	OK(sfs_intern_name(in, UINT64_MAX) == NULL);
	sfs_intern_free(in);
	sfs_intern_free(NULL);
}

static void the_empty_name_is_a_name(void)
{
	struct sfs_intern *in = sfs_intern_new();
	uint64_t number = 99;

	OK(sfs_intern_add(in, "", &number));
	IS_INT(number, 0);
	IS_STR(sfs_intern_name(in, 0), "");
	sfs_intern_free(in);
}

/* After each failed allocation all that was there is there, nothing more. */
static void no_memory_loses_no_name(void)
{
	unsigned long before = sfs_alloc_fault_count();
	struct sfs_intern *in = sfs_intern_new();
	uint64_t number;
	char name[32];
	int bad = 0;

	for (int i = 0; i < 600; i++) {
		name_of(i, name);
		for (unsigned long n = 1; n <= 9; n++) {
			sfs_alloc_fail_nth(n);
			if (sfs_intern_add(in, name, &number)) {
				bad += number != (uint64_t)i;
				break;
			}
			bad += sfs_intern_find(in, name, &number);
		}
		sfs_alloc_fail_nth(0);
		bad += !sfs_intern_find(in, name, &number) ||
		       number != (uint64_t)i;
	}
	for (int i = 0; i < 600; i++) {
		name_of(i, name);
		bad += !sfs_intern_find(in, name, &number) ||
		       number != (uint64_t)i;
	}
	IS_INT(bad, 0);
	OK(sfs_alloc_fault_count() > before + 5);
	for (unsigned long n = 1; n <= 2; n++) {
		sfs_alloc_fail_nth(n);
		OK(sfs_intern_new() == NULL);
	}
	sfs_alloc_fail_nth(0);
	sfs_intern_free(in);
}

static struct sfs_intern *shared;
static atomic_int wrong;

static void *add_all(void *arg)
{
	uint64_t number;
	char name[32];

	(void)arg;
	for (int i = 0; i < 1000; i++) {
		name_of(i, name);
		if (!sfs_intern_add(shared, name, &number) ||
		    strcmp(sfs_intern_name(shared, number), name) != 0)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static void threads_agree_on_the_numbers(void)
{
	pthread_t threads[THREADS];

	shared = sfs_intern_new();
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, add_all, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	IS_INT(atomic_load(&wrong), 0);
	OK(sfs_intern_name(shared, 999) != NULL);
	OK(sfs_intern_name(shared, 1000) == NULL);
	sfs_intern_free(shared);
}

int main(void)
{
	RUN(a_name_keeps_its_number_while_the_table_grows);
	RUN(the_empty_name_is_a_name);
	RUN(no_memory_loses_no_name);
	RUN(threads_agree_on_the_numbers);
	return tap_done();
}
