/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of open shards. States of a slot, all under pool->lock:
 *
 *	closed   reader NULL, is_opening false; in no list
 *	opening  is_opening true; one thread opens it without the lock, the
 *	         others wait for pool->opened
 *	open     reader set; in the list, most recently used first
 *
 * Only an open slot with users == 0 is ever closed by eviction. Opening and
 * closing touch the store and happen without the lock.
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

/* Takes the reader of the least recently used idle slot, or NULL. */
static struct sfs_shard_reader *evict_locked(struct sfs_shard_pool *p)
{
	struct sfs_shard_reader *reader;
	struct sfs_shard_slot *s;

	if (p->stats.open <= p->max)
		return NULL;
	for (s = p->oldest; s != NULL && s->users > 0; s = s->newer)
		;
	if (s == NULL)
		return NULL;
	unlink_locked(p, s);
	reader = s->reader;
	s->reader = NULL;
	p->stats.open--;
	p->stats.evicted++;
	return reader;
}

/* Waits out another opener; true if the slot is open now and ours to use. */
static bool use_open_locked(struct sfs_shard_pool *p, struct sfs_shard_slot *s)
{
	while (s->is_opening)
		pthread_cond_wait(&p->opened, &p->lock);
	if (s->reader == NULL)
		return false;
	s->users++;
	if (p->newest != s) {
		unlink_locked(p, s);
		push_newest_locked(p, s);
	}
	return true;
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

enum sfs_rc sfs_shard_pool_get(struct sfs_shard_pool *p,
                               struct sfs_shard_slot *slot,
                               struct sfs_shard_reader **reader_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_shard_reader *evicted = NULL;
	struct sfs_shard_reader *reader = NULL;
	enum sfs_rc rc;

	pthread_mutex_lock(&p->lock);
	if (use_open_locked(p, slot)) {
		*reader_out = slot->reader;
		pthread_mutex_unlock(&p->lock);
		return SFS_OK;
	}
	slot->is_opening = true;
	pthread_mutex_unlock(&p->lock);

	rc = open_reader(slot, &reader, call, err);

	pthread_mutex_lock(&p->lock);
	slot->is_opening = false;
	if (rc == SFS_OK) {
		slot->reader = reader;
		slot->users = 1;
		push_newest_locked(p, slot);
		p->stats.open++;
		p->stats.opened++;
		evicted = evict_locked(p);
	}
	pthread_cond_broadcast(&p->opened);
	pthread_mutex_unlock(&p->lock);

	if (evicted != NULL)
		evicted->ops->close(evicted);
	*reader_out = reader;
	return rc;
}

void sfs_shard_pool_put(struct sfs_shard_pool *p, struct sfs_shard_slot *slot)
{
	struct sfs_shard_reader *evicted;

	pthread_mutex_lock(&p->lock);
	slot->users--;
	evicted = slot->users == 0 ? evict_locked(p) : NULL;
	pthread_mutex_unlock(&p->lock);
	if (evicted != NULL)
		evicted->ops->close(evicted);
}

void sfs_shard_pool_drop(struct sfs_shard_pool *p, struct sfs_shard_slot *slot)
{
	struct sfs_shard_reader *reader;

	pthread_mutex_lock(&p->lock);
	reader = slot->reader;
	slot->reader = NULL;
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
