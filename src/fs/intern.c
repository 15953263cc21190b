/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with linear probing over an array that only grows. */
#include "fs/intern.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/hash.h"

#include <pthread.h>
#include <string.h>

enum { FIRST_CAP = 64 };

struct sfs_intern {
	pthread_mutex_t lock;
	struct sfs_arena *strings; /* protected by lock */
	const char **names;        /* by number; protected by lock */
	uint64_t count;            /* protected by lock */
	uint64_t *table;           /* number + 1, 0: free; protected by lock */
	uint64_t cap;              /* of table, twice that of names */
};

struct sfs_intern *sfs_intern_new(void)
{
	struct sfs_intern *in = sfs_calloc(1, sizeof(*in));

	if (in == NULL)
		return NULL;
	in->strings = sfs_arena_new();
	if (in->strings == NULL) {
		sfs_free(in);
		return NULL;
	}
	pthread_mutex_init(&in->lock, NULL);
	return in;
}

void sfs_intern_free(struct sfs_intern *in)
{
	if (in == NULL)
		return;
	sfs_arena_free(in->strings);
	sfs_free(in->names);
	sfs_free(in->table);
	pthread_mutex_destroy(&in->lock);
	sfs_free(in);
}

/* The table position of a name, or the free one where it belongs. */
static uint64_t probe(const struct sfs_intern *in, const char *name)
{
	uint64_t at = sfs_hash64(name, strlen(name)) & (in->cap - 1);

	while (in->table[at] != 0 &&
	       strcmp(in->names[in->table[at] - 1], name) != 0)
		at = (at + 1) & (in->cap - 1);
	return at;
}

static bool grow_locked(struct sfs_intern *in)
{
	uint64_t cap = in->cap > 0 ? in->cap * 2 : FIRST_CAP;
	uint64_t *table = sfs_calloc(cap, sizeof(*table));
	const char **names;

	names = table == NULL
	                ? NULL
	                : sfs_realloc_array(in->names, cap / 2, sizeof(*names));
	if (names == NULL) {
		sfs_free(table);
		return false;
	}
	sfs_free(in->table);
	in->names = names;
	in->table = table;
	in->cap = cap;
	for (uint64_t i = 0; i < in->count; i++)
		table[probe(in, names[i])] = i + 1;
	return true;
}

bool sfs_intern_add(struct sfs_intern *in, const char *name,
                    uint64_t *number_out)
{
	uint64_t at = 0;
	bool ok = true;

	pthread_mutex_lock(&in->lock);
	if (in->count * 2 >= in->cap)
		ok = grow_locked(in);
	if (ok)
		at = probe(in, name);
	if (ok && in->table[at] == 0) {
		in->names[in->count] =
			sfs_arena_add(in->strings, name, strlen(name));
		ok = in->names[in->count] != NULL;
		if (ok)
			in->table[at] = ++in->count;
	}
	if (ok)
		*number_out = in->table[at] - 1;
	pthread_mutex_unlock(&in->lock);
	return ok;
}

bool sfs_intern_find(struct sfs_intern *in, const char *name,
                     uint64_t *number_out)
{
	uint64_t entry;

	pthread_mutex_lock(&in->lock);
	entry = in->cap > 0 ? in->table[probe(in, name)] : 0;
	pthread_mutex_unlock(&in->lock);
	if (entry == 0)
		return false;
	*number_out = entry - 1;
	return true;
}

const char *sfs_intern_name(struct sfs_intern *in, uint64_t number)
{
	const char *name;

	pthread_mutex_lock(&in->lock);
	name = number < in->count ? in->names[number] : NULL;
	pthread_mutex_unlock(&in->lock);
	return name;
}
