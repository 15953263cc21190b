/* SPDX-License-Identifier: Apache-2.0 */
/* A handful of kept cursors; the one kept longest ago makes room. */
#include "fs/cursors.h"

#include "base/alloc.h"

#include <pthread.h>
#include <stdbool.h>

enum { KEPT = 16 };

struct kept {
	struct sfs_listing_place at;
	struct sfs_rows *cursor; /* NULL: a free place */
	uint64_t stamp;
};

struct sfs_cursors {
	pthread_mutex_t lock;
	struct kept kept[KEPT]; /* protected by lock */
	uint64_t stamp;         /* protected by lock */
};

struct sfs_cursors *sfs_cursors_new(void)
{
	struct sfs_cursors *c = sfs_calloc(1, sizeof(*c));

	if (c != NULL)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void sfs_cursors_free(struct sfs_cursors *c)
{
	if (c == NULL)
		return;
	sfs_cursors_clear(c);
	pthread_mutex_destroy(&c->lock);
	sfs_free(c);
}

static bool is_same(const struct sfs_listing_place *a,
                    const struct sfs_listing_place *b)
{
	return a->snapshot == b->snapshot && a->node == b->node &&
	       a->cookie == b->cookie;
}

struct sfs_rows *sfs_cursors_take(struct sfs_cursors *c,
                                  const struct sfs_listing_place *at)
{
	struct sfs_rows *cursor = NULL;

	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < KEPT && cursor == NULL; i++) {
		if (!is_same(&c->kept[i].at, at))
			continue;
		cursor = c->kept[i].cursor;
		c->kept[i].cursor = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	return cursor;
}

void sfs_cursors_keep(struct sfs_cursors *c, const struct sfs_listing_place *at,
                      struct sfs_rows *cursor)
{
	struct sfs_rows *evicted;
	int place = 0;

	pthread_mutex_lock(&c->lock);
	for (int i = 1; i < KEPT && c->kept[place].cursor != NULL; i++) {
		if (c->kept[i].cursor == NULL ||
		    c->kept[i].stamp < c->kept[place].stamp)
			place = i;
	}
	evicted = c->kept[place].cursor;
	c->kept[place] = (struct kept){ *at, cursor, ++c->stamp };
	pthread_mutex_unlock(&c->lock);
	if (evicted != NULL)
		sfs_rows_close(evicted);
}

void sfs_cursors_clear(struct sfs_cursors *c)
{
	struct sfs_rows *taken[KEPT];

	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < KEPT; i++) {
		taken[i] = c->kept[i].cursor;
		c->kept[i].cursor = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	for (int i = 0; i < KEPT; i++) {
		if (taken[i] != NULL)
			sfs_rows_close(taken[i]);
	}
}
