/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of staged nodes: found by number (what the kernel says) and by
 * name (what a lookup says), under one lock that is never held over I/O.
 * Both hash tables grow together; where there is no memory to grow they only
 * get slower.
 */
#include "fs/staged.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <string.h>

enum { FIRST_BUCKETS = 256 };

struct sfs_staged_table {
	pthread_mutex_t lock;
	struct sfs_staged **by_number; /* protected by lock, as all below */
	struct sfs_staged **by_name;
	size_t buckets; /* a power of two */
	uint64_t count;
	uint64_t last_number;
	struct sfs_site *sites;
};

struct sfs_staged_table *sfs_staged_table_new(void)
{
	struct sfs_staged_table *t = sfs_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	t->buckets = FIRST_BUCKETS;
	t->by_number = sfs_calloc(t->buckets, sizeof(struct sfs_staged *));
	t->by_name = sfs_calloc(t->buckets, sizeof(struct sfs_staged *));
	if (t->by_number == NULL || t->by_name == NULL) {
		sfs_staged_table_free(t);
		return NULL;
	}
	return t;
}

static void site_free(struct sfs_site *site)
{
	sfs_snapshot_unref(site->base);
	sfs_build_unref(site->build);
	pthread_rwlock_destroy(&site->names);
	pthread_mutex_destroy(&site->lock);
	pthread_mutex_destroy(&site->base_lock);
	pthread_mutex_destroy(&site->copy_lock);
	sfs_free(site);
}

/* What the kernel still held when the mount went away. */
static void node_free(struct sfs_staged *n)
{
	struct sfs_handle *o;

	while ((o = n->opened) != NULL) {
		n->opened = o->next;
		sfs_staged_close(o->file);
		sfs_snapshot_unref(o->place.snapshot);
		sfs_free(o);
	}
	sfs_free(n->name);
	sfs_free(n);
}

void sfs_staged_table_free(struct sfs_staged_table *t)
{
	struct sfs_staged *n;
	struct sfs_site *site;

	if (t == NULL)
		return;
	for (size_t i = 0; t->by_number != NULL && i < t->buckets; i++) {
		while ((n = t->by_number[i]) != NULL) {
			t->by_number[i] = n->next_by_number;
			node_free(n);
		}
	}
	while ((site = t->sites) != NULL) {
		t->sites = site->next;
		site_free(site);
	}
	sfs_free(t->by_number);
	sfs_free(t->by_name);
	pthread_mutex_destroy(&t->lock);
	sfs_free(t);
}

static struct sfs_site *site_new(struct sfs_build *build)
{
	struct sfs_site *site = sfs_calloc(1, sizeof(*site));

	if (site == NULL)
		return NULL;
	site->build = sfs_build_ref(build);
	pthread_rwlock_init(&site->names, NULL);
	pthread_mutex_init(&site->lock, NULL);
	pthread_mutex_init(&site->base_lock, NULL);
	pthread_mutex_init(&site->copy_lock, NULL);
	return site;
}

struct sfs_site *sfs_site_enter(struct sfs_staged_table *t,
                                struct sfs_build *build)
{
	struct sfs_site *site;

	pthread_mutex_lock(&t->lock);
	for (site = t->sites; site != NULL; site = site->next) {
		if (site->build == build)
			break;
	}
	if (site == NULL) {
		site = site_new(build);
		if (site != NULL) {
			site->next = t->sites;
			t->sites = site;
		}
	}
	if (site != NULL)
		site->refs++;
	pthread_mutex_unlock(&t->lock);
	return site;
}

/* Answers the site if it is to be freed now. */
static struct sfs_site *drop_site_locked(struct sfs_staged_table *t,
                                         struct sfs_site *site)
{
	struct sfs_site **link = &t->sites;

	if (--site->refs > 0)
		return NULL;
	while (*link != site)
		link = &(*link)->next;
	*link = site->next;
	return site;
}

void sfs_site_leave(struct sfs_staged_table *t, struct sfs_site *site)
{
	pthread_mutex_lock(&t->lock);
	site = drop_site_locked(t, site);
	pthread_mutex_unlock(&t->lock);
	if (site != NULL)
		site_free(site);
}

static size_t number_bucket(const struct sfs_staged_table *t, uint64_t number)
{
	return (size_t)sfs_mix64(number) & (t->buckets - 1);
}

static size_t name_bucket(const struct sfs_staged_table *t,
                          const struct sfs_site *site,
                          const struct sfs_staged_key *key)
{
	uint64_t h = sfs_hash64(key->name, strlen(key->name));

	h ^= sfs_mix64((uint64_t)(uintptr_t)site ^ (uint64_t)key->dir << 8 ^
	               (uint64_t)key->kind);
	return (size_t)sfs_mix64(h) & (t->buckets - 1);
}

static struct sfs_staged_key key_of(const struct sfs_staged *n)
{
	return (struct sfs_staged_key){ n->kind, n->dir,
		                        n->name != NULL ? n->name : "" };
}

static struct sfs_staged **number_link_locked(struct sfs_staged_table *t,
                                              uint64_t number)
{
	struct sfs_staged **link = &t->by_number[number_bucket(t, number)];

	while (*link != NULL && (*link)->number != number)
		link = &(*link)->next_by_number;
	return link;
}

static struct sfs_staged **name_link_locked(struct sfs_staged_table *t,
                                            const struct sfs_site *site,
                                            const struct sfs_staged_key *key)
{
	struct sfs_staged **link = &t->by_name[name_bucket(t, site, key)];
	struct sfs_staged_key other;

	for (; *link != NULL; link = &(*link)->next_by_name) {
		other = key_of(*link);
		if ((*link)->site == site && other.kind == key->kind &&
		    other.dir == key->dir && strcmp(other.name, key->name) == 0)
			break;
	}
	return link;
}

static void link_name_locked(struct sfs_staged_table *t, struct sfs_staged *n)
{
	struct sfs_staged_key key = key_of(n);
	size_t bucket = name_bucket(t, n->site, &key);

	n->next_by_name = t->by_name[bucket];
	t->by_name[bucket] = n;
	n->is_linked = true;
}

static void link_number_locked(struct sfs_staged_table *t, struct sfs_staged *n)
{
	size_t bucket = number_bucket(t, n->number);

	n->next_by_number = t->by_number[bucket];
	t->by_number[bucket] = n;
}

static void grow_locked(struct sfs_staged_table *t)
{
	struct sfs_staged **old = t->by_number;
	size_t count = t->buckets;
	struct sfs_staged **by_number =
		sfs_calloc(count * 2, sizeof(struct sfs_staged *));
	struct sfs_staged **by_name =
		sfs_calloc(count * 2, sizeof(struct sfs_staged *));
	struct sfs_staged *next;

	if (by_number == NULL || by_name == NULL) {
		sfs_free(by_number);
		sfs_free(by_name);
		return;
	}
	sfs_free(t->by_name);
	t->by_number = by_number;
	t->by_name = by_name;
	t->buckets = count * 2;
	for (size_t i = 0; i < count; i++) {
		for (struct sfs_staged *n = old[i]; n != NULL; n = next) {
			next = n->next_by_number;
			link_number_locked(t, n);
			if (n->is_linked)
				link_name_locked(t, n);
		}
	}
	sfs_free(old);
}

struct sfs_staged *sfs_staged_at(struct sfs_staged_table *t, uint64_t number)
{
	struct sfs_staged *n;

	pthread_mutex_lock(&t->lock);
	n = *number_link_locked(t, number);
	if (n != NULL)
		n->refs++;
	pthread_mutex_unlock(&t->lock);
	return n;
}

static struct sfs_staged *make_locked(struct sfs_staged_table *t,
                                      struct sfs_site *site,
                                      const struct sfs_staged_key *key)
{
	struct sfs_staged *n = sfs_calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->name = sfs_strdup(key->name);
	if (n->name == NULL) {
		sfs_free(n);
		return NULL;
	}
	if (t->count >= t->buckets)
		grow_locked(t);
	n->number = ++t->last_number;
	n->site = site;
	n->kind = key->kind;
	n->dir = key->dir;
	site->refs++;
	t->count++;
	link_number_locked(t, n);
	link_name_locked(t, n);
	return n;
}

struct sfs_staged *sfs_staged_enter(struct sfs_staged_table *t,
                                    struct sfs_site *site,
                                    const struct sfs_staged_key *key)
{
	struct sfs_staged *n;

	pthread_mutex_lock(&t->lock);
	n = *name_link_locked(t, site, key);
	if (n == NULL)
		n = make_locked(t, site, key);
	if (n != NULL)
		n->refs++;
	pthread_mutex_unlock(&t->lock);
	return n;
}

bool sfs_staged_is_known(struct sfs_staged_table *t, struct sfs_site *site,
                         const struct sfs_staged_key *key)
{
	bool is_known;

	pthread_mutex_lock(&t->lock);
	is_known = *name_link_locked(t, site, key) != NULL;
	pthread_mutex_unlock(&t->lock);
	return is_known;
}

static void unlink_name_locked(struct sfs_staged_table *t, struct sfs_staged *n)
{
	struct sfs_staged_key key = key_of(n);
	struct sfs_staged **link = name_link_locked(t, n->site, &key);

	if (!n->is_linked || *link != n)
		return;
	*link = n->next_by_name;
	n->is_linked = false;
}

/* Answers the node if it is to be freed now. */
static struct sfs_staged *drop_locked(struct sfs_staged_table *t,
                                      struct sfs_staged *n, uint64_t count,
                                      struct sfs_site **site_out)
{
	if (n == NULL || n->refs > count) {
		if (n != NULL)
			n->refs -= count;
		return NULL;
	}
	unlink_name_locked(t, n);
	*number_link_locked(t, n->number) = n->next_by_number;
	t->count--;
	*site_out = drop_site_locked(t, n->site);
	return n;
}

static void drop(struct sfs_staged_table *t, struct sfs_staged *n,
                 uint64_t number, uint64_t count)
{
	struct sfs_site *site = NULL;

	pthread_mutex_lock(&t->lock);
	if (n == NULL)
		n = *number_link_locked(t, number);
	n = drop_locked(t, n, count, &site);
	pthread_mutex_unlock(&t->lock);
	if (n != NULL)
		node_free(n);
	if (site != NULL)
		site_free(site);
}

void sfs_staged_add(struct sfs_staged_table *t, struct sfs_staged *n)
{
	pthread_mutex_lock(&t->lock);
	n->refs++;
	pthread_mutex_unlock(&t->lock);
}

void sfs_staged_leave(struct sfs_staged_table *t, struct sfs_staged *n)
{
	drop(t, n, 0, 1);
}

void sfs_staged_forget(struct sfs_staged_table *t, uint64_t number,
                       uint64_t count)
{
	drop(t, NULL, number, count);
}

static struct sfs_staged *find_locked(struct sfs_staged_table *t,
                                      struct sfs_site *site,
                                      const struct sfs_build_place *at)
{
	struct sfs_staged_key key = { SFS_STAGED_FILE, at->dir, at->name };

	return *name_link_locked(t, site, &key);
}

void sfs_staged_unlinked(struct sfs_staged_table *t, struct sfs_site *site,
                         const struct sfs_build_place *at)
{
	const struct sfs_staged_key key = { SFS_STAGED_FILE, at->dir,
		                            at->name };

	sfs_staged_removed(t, site, &key);
}

void sfs_staged_removed(struct sfs_staged_table *t, struct sfs_site *site,
                        const struct sfs_staged_key *key)
{
	struct sfs_staged *n;

	pthread_mutex_lock(&t->lock);
	n = *name_link_locked(t, site, key);
	if (n != NULL)
		unlink_name_locked(t, n);
	pthread_mutex_unlock(&t->lock);
}

static void rename_locked(struct sfs_staged_table *t, struct sfs_staged *n,
                          const struct sfs_build_place *to)
{
	char *name;

	unlink_name_locked(t, n);
	name = sfs_strdup(to->name);
	if (name == NULL)
		return;
	sfs_free(n->name);
	n->name = name;
	n->dir = to->dir;
	link_name_locked(t, n);
}

void sfs_staged_moved(struct sfs_staged_table *t, struct sfs_site *site,
                      const struct sfs_build_place *from,
                      const struct sfs_build_place *to, bool is_exchange)
{
	struct sfs_staged *target;
	struct sfs_staged *n;

	pthread_mutex_lock(&t->lock);
	n = find_locked(t, site, from);
	target = find_locked(t, site, to);
	if (target != NULL && target != n)
		unlink_name_locked(t, target);
	if (n != NULL)
		rename_locked(t, n, to);
	if (target != NULL && target != n && is_exchange)
		rename_locked(t, target, from);
	pthread_mutex_unlock(&t->lock);
}

uint64_t sfs_staged_count(struct sfs_staged_table *t)
{
	uint64_t count;

	pthread_mutex_lock(&t->lock);
	count = t->count;
	pthread_mutex_unlock(&t->lock);
	return count;
}
