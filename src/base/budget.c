/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A budget: a counter with a queue. Whoever asks for much waits until enough
 * was put back, and those who came later wait behind, so that many small
 * takers do not keep a large one waiting for ever.
 */
#include "base/budget.h"

void sfs_budget_init(struct sfs_budget *b, size_t all)
{
	*b = (struct sfs_budget){ .all = all };
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
}

void sfs_budget_destroy(struct sfs_budget *b)
{
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
}

static size_t at_most_all(const struct sfs_budget *b, size_t bytes)
{
	return bytes < b->all ? bytes : b->all;
}

size_t sfs_budget_take(struct sfs_budget *b, size_t bytes)
{
	uint64_t turn;

	bytes = at_most_all(b, bytes);
	pthread_mutex_lock(&b->lock);
	turn = b->asked++;
	while (turn != b->given || bytes > b->all - b->used)
		pthread_cond_wait(&b->changed, &b->lock);
	b->given++;
	b->used += bytes;
	pthread_cond_broadcast(&b->changed); /* the next may have room, too */
	pthread_mutex_unlock(&b->lock);
	return bytes;
}

bool sfs_budget_try(struct sfs_budget *b, size_t bytes, size_t *taken)
{
	bool has_room;

	bytes = at_most_all(b, bytes);
	pthread_mutex_lock(&b->lock);
	has_room = b->asked == b->given && bytes <= b->all - b->used;
	if (has_room)
		b->used += bytes;
	pthread_mutex_unlock(&b->lock);
	*taken = has_room ? bytes : 0;
	return has_room;
}

void sfs_budget_put(struct sfs_budget *b, size_t taken)
{
	if (taken == 0)
		return;
	pthread_mutex_lock(&b->lock);
	b->used -= taken;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}
