/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_BUDGET_H
#define SFS_BASE_BUDGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How many bytes may be in use for one purpose. It hands out numbers, no
 * memory. Thread-safe; first come, first served.
 */
struct sfs_budget {
	size_t all; /* immutable */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t used;    /* protected by lock, as all below */
	uint64_t asked; /* takes that began */
	uint64_t given; /* takes that ended */
};

void sfs_budget_init(struct sfs_budget *b, size_t all);
void sfs_budget_destroy(struct sfs_budget *b); /* all was put back */

/*
 * Both take at most all there is, which is what more than that comes to: then
 * nobody else has any. try: false instead of waiting.
 */
size_t sfs_budget_take(struct sfs_budget *b, size_t bytes);
bool sfs_budget_try(struct sfs_budget *b, size_t bytes, size_t *taken);
void sfs_budget_put(struct sfs_budget *b, size_t taken);

#endif
