/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of open shards. States of a slot:
 *
 *	closed   reader NULL, is_opening false; in no list
 *	opening  is_opening true; one thread opens it without the lock, the
 *	         others wait for pool->opened
 *	open     reader set; in the list, about in the order of use
 *
 * The lock guards the list and every change of state. Using an open slot
 * takes no lock: a user counts itself in and then looks for the reader;
 * eviction takes the reader away and then looks for users. Both steps are
 * sequentially consistent, so at least one of the two sees the other: either
 * the user finds no reader and waits for the lock, or eviction finds the user
 * and puts the reader back. Opening and closing touch the store and happen
 * without the lock.
 */
#include "snapshot/pool.h"

#include "adapter/registry.h"
#include "base/alloc.h"

#include <pthread.h>

struct sfs_shard_pool {
	pthread_mutex_t lock;
	pthread_cond_t opened;             /* some slot left "opening" */
	struct sfs_shard_slot *newest;     /* protected by lock */
	struct sfs_shard_slot *oldest;     /* protected by lock */
	struct sfs_shard_pool_stats stats; /* protected by lock */
	uint32_t max;                      /* immutable */
	atomic_bool is_over; /* more than max are open; set under lock */
};

struct sfs_shard_pool *sfs_shard_pool_new(uint32_t max)
{
	struct sfs_shard_pool *p = sfs_calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->max = max;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->opened, NULL);
	return p;
}

void sfs_shard_pool_free(struct sfs_shard_pool *p)
{
	if (p == NULL)
		return;
	pthread_cond_destroy(&p->opened);
	pthread_mutex_destroy(&p->lock);
	sfs_free(p);
}

static void unlink_locked(struct sfs_shard_pool *p, struct sfs_shard_slot *s)
{
	if (s->newer != NULL)
		s->newer->older = s->older;
	else
		p->newest = s->older;
	if (s->older != NULL)
		s->older->newer = s->newer;
	else
		p->oldest = s->newer;
	s->newer = NULL;
	s->older = NULL;
}

static void push_newest_locked(struct sfs_shard_pool *p,
                               struct sfs_shard_slot *s)
{
	s->older = p->newest;
	s->newer = NULL;
	if (p->newest != NULL)
		p->newest->newer = s;
	else
		p->oldest = s;
	p->newest = s;
}

/* Takes the reader away unless somebody uses it: then NULL. */
static struct sfs_shard_reader *claim_locked(struct sfs_shard_slot *s)
{
	struct sfs_shard_reader *reader = atomic_exchange(&s->reader, NULL);

	if (atomic_load(&s->users) == 0)
		return reader;
	atomic_store(&s->reader, reader);
	return NULL;
}

/*
 * Takes the reader of an idle slot where there are too many, or NULL. What
 * was used since it was last looked at gets a second chance; each slot is
 * looked at twice at most.
 */
static struct sfs_shard_reader *evict_locked(struct sfs_shard_pool *p)
{
	uint64_t looks = 2 * p->stats.open;
	struct sfs_shard_reader *reader;
	struct sfs_shard_slot *s;

	atomic_store(&p->is_over, p->stats.open > p->max);
	if (p->stats.open <= p->max)
		return NULL;
	for (; looks > 0; looks--) {
		s = p->oldest;
		unlink_locked(p, s);
		reader = atomic_exchange(&s->is_recent, false)
		                 ? NULL
		                 : claim_locked(s);
		if (reader != NULL) {
			p->stats.open--;
			p->stats.evicted++;
			atomic_store(&p->is_over, p->stats.open > p->max);
			return reader;
		}
		push_newest_locked(p, s);
	}
	return NULL;
}

/* Counts the caller in and answers the reader; NULL: it is not open. */
static struct sfs_shard_reader *use_open(struct sfs_shard_slot *s)
{
	struct sfs_shard_reader *reader;

	atomic_fetch_add(&s->users, 1);
	reader = atomic_load(&s->reader);
	if (reader == NULL)
		atomic_fetch_sub(&s->users, 1);
	else if (!atomic_load_explicit(&s->is_recent, memory_order_relaxed))
		atomic_store_explicit(&s->is_recent, true,
		                      memory_order_relaxed);
	return reader;
}

static enum sfs_rc open_reader(struct sfs_shard_slot *slot,
                               struct sfs_shard_reader **out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	const struct sfs_adapter *adapter = NULL;
	enum sfs_rc rc;

	rc = sfs_adapter_detect(&slot->where, &adapter, call, err);
	if (rc == SFS_OK)
		rc = adapter->open_reader(&slot->where, out, call, err);
	return rc;
}

/* Waits out another opener; NULL: the slot is the caller's to open. */
static struct sfs_shard_reader *begin_opening(struct sfs_shard_pool *p,
                                              struct sfs_shard_slot *slot)
{
	struct sfs_shard_reader *reader;

	pthread_mutex_lock(&p->lock);
	while (slot->is_opening)
		pthread_cond_wait(&p->opened, &p->lock);
	reader = use_open(slot);
	slot->is_opening = reader == NULL;
	pthread_mutex_unlock(&p->lock);
	return reader;
}

/* reader NULL: it could not be opened. */
static void finish_opening(struct sfs_shard_pool *p,
                           struct sfs_shard_slot *slot,
                           struct sfs_shard_reader *reader)
{
	struct sfs_shard_reader *evicted = NULL;

	pthread_mutex_lock(&p->lock);
	slot->is_opening = false;
	if (reader != NULL) {
		atomic_fetch_add(&slot->users, 1);
		atomic_store(&slot->reader, reader);
		push_newest_locked(p, slot);
		p->stats.open++;
		p->stats.opened++;
		evicted = evict_locked(p);
	}
	pthread_cond_broadcast(&p->opened);
	pthread_mutex_unlock(&p->lock);
	if (evicted != NULL)
		evicted->ops->close(evicted);
}

enum sfs_rc sfs_shard_pool_get(struct sfs_shard_pool *p,
                               struct sfs_shard_slot *slot,
                               struct sfs_shard_reader **reader_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_shard_reader *reader = use_open(slot);
	enum sfs_rc rc = SFS_OK;

	if (reader == NULL)
		reader = begin_opening(p, slot);
	if (reader == NULL) {
		rc = open_reader(slot, &reader, call, err);
		finish_opening(p, slot, rc == SFS_OK ? reader : NULL);
	}
	*reader_out = reader;
	return rc;
}

void sfs_shard_pool_put(struct sfs_shard_pool *p, struct sfs_shard_slot *slot)
{
	struct sfs_shard_reader *evicted;

	if (atomic_fetch_sub(&slot->users, 1) > 1 || !atomic_load(&p->is_over))
		return;
	pthread_mutex_lock(&p->lock);
	evicted = evict_locked(p);
	pthread_mutex_unlock(&p->lock);
	if (evicted != NULL)
		evicted->ops->close(evicted);
}

void sfs_shard_pool_drop(struct sfs_shard_pool *p, struct sfs_shard_slot *slot)
{
	struct sfs_shard_reader *reader;

	pthread_mutex_lock(&p->lock);
	reader = atomic_exchange(&slot->reader, NULL);
	if (reader != NULL) {
		unlink_locked(p, slot);
		p->stats.open--;
	}
	pthread_mutex_unlock(&p->lock);
	if (reader != NULL)
		reader->ops->close(reader);
}

void sfs_shard_pool_get_stats(struct sfs_shard_pool *p,
                              struct sfs_shard_pool_stats *out)
{
	pthread_mutex_lock(&p->lock);
	*out = p->stats;
	pthread_mutex_unlock(&p->lock);
}
