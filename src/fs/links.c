/* SPDX-License-Identifier: Apache-2.0 */
/* Links in memory: one list, since there are few. */
#include "fs/links.h"

#include "base/alloc.h"

#include <pthread.h>
#include <string.h>

struct link {
	struct link *next;
	uint64_t dir;
	struct sfs_snapshot_id id;
	char *name;   /* owned */
	char *target; /* owned */
};

struct sfs_links {
	pthread_mutex_t lock;
	struct link *first; /* protected by lock */
};

struct sfs_links *sfs_links_new(void)
{
	struct sfs_links *l = sfs_calloc(1, sizeof(*l));

	if (l != NULL)
		pthread_mutex_init(&l->lock, NULL);
	return l;
}

static void link_free(struct link *link)
{
	sfs_free(link->name);
	sfs_free(link->target);
	sfs_free(link);
}

void sfs_links_free(struct sfs_links *l)
{
	struct link *link;

	if (l == NULL)
		return;
	while ((link = l->first) != NULL) {
		l->first = link->next;
		link_free(link);
	}
	pthread_mutex_destroy(&l->lock);
	sfs_free(l);
}

/* The place that points to the link, or the end. */
static struct link **place_of_locked(struct sfs_links *l, uint64_t dir,
                                     const char *name)
{
	struct link **place = &l->first;

	while (*place != NULL &&
	       ((*place)->dir != dir || strcmp((*place)->name, name) != 0))
		place = &(*place)->next;
	return place;
}

bool sfs_links_put(struct sfs_links *l, uint64_t dir, const char *name,
                   const struct sfs_snapshot_id *id, const char *target)
{
	struct link *link = sfs_calloc(1, sizeof(*link));
	struct link **place;
	struct link *old;

	if (link == NULL)
		return false;
	link->dir = dir;
	link->id = *id;
	link->name = sfs_strdup(name);
	link->target = sfs_strdup(target);
	if (link->name == NULL || link->target == NULL) {
		link_free(link);
		return false;
	}
	pthread_mutex_lock(&l->lock);
	place = place_of_locked(l, dir, name);
	old = *place;
	link->next = old != NULL ? old->next : NULL;
	*place = link;
	pthread_mutex_unlock(&l->lock);
	if (old != NULL)
		link_free(old);
	return true;
}

bool sfs_links_get(struct sfs_links *l, uint64_t dir, const char *name,
                   struct sfs_snapshot_id *id_out, char **target_out)
{
	struct link *link;

	pthread_mutex_lock(&l->lock);
	link = *place_of_locked(l, dir, name);
	if (link != NULL && id_out != NULL)
		*id_out = link->id;
	if (link != NULL && target_out != NULL)
		*target_out = sfs_strdup(link->target);
	pthread_mutex_unlock(&l->lock);
	return link != NULL;
}

bool sfs_links_remove(struct sfs_links *l, uint64_t dir, const char *name)
{
	struct link **place;
	struct link *link;

	pthread_mutex_lock(&l->lock);
	place = place_of_locked(l, dir, name);
	link = *place;
	if (link != NULL)
		*place = link->next;
	pthread_mutex_unlock(&l->lock);
	if (link != NULL)
		link_free(link);
	return link != NULL;
}

void sfs_links_clear(struct sfs_links *l, uint64_t dir)
{
	struct link **place;
	struct link *link;

	pthread_mutex_lock(&l->lock);
	for (place = &l->first; (link = *place) != NULL;) {
		if (link->dir != dir) {
			place = &link->next;
			continue;
		}
		*place = link->next;
		link_free(link);
	}
	pthread_mutex_unlock(&l->lock);
}

void sfs_links_list(struct sfs_links *l, uint64_t dir, sfs_link_fn *fn,
                    void *arg)
{
	pthread_mutex_lock(&l->lock);
	for (const struct link *link = l->first; link != NULL;
	     link = link->next) {
		if (link->dir == dir)
			fn(arg, link->name);
	}
	pthread_mutex_unlock(&l->lock);
}
