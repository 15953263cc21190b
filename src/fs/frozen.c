/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen files: a small hash table of texts under one lock. */
#include "fs/frozen.h"

#include "base/alloc.h"

#include <pthread.h>
#include <string.h>

enum { BUCKETS = 256 };

struct file {
	struct file *next;
	uint64_t number;
	uint64_t refs;
	struct sfs_frozen_info info;
	char *text; /* owned */
};

struct sfs_frozen {
	pthread_mutex_t lock;
	struct file *buckets[BUCKETS]; /* protected by lock */
	uint64_t last_number;          /* protected by lock */
};

struct sfs_frozen *sfs_frozen_new(void)
{
	struct sfs_frozen *f = sfs_calloc(1, sizeof(*f));

	if (f != NULL)
		pthread_mutex_init(&f->lock, NULL);
	return f;
}

static void file_free(struct file *file)
{
	sfs_free(file->text);
	sfs_free(file);
}

void sfs_frozen_free(struct sfs_frozen *f)
{
	struct file *file;

	if (f == NULL)
		return;
	for (int i = 0; i < BUCKETS; i++) {
		while ((file = f->buckets[i]) != NULL) {
			f->buckets[i] = file->next;
			file_free(file);
		}
	}
	pthread_mutex_destroy(&f->lock);
	sfs_free(f);
}

/* The link that points to the file, or to the end of its chain. */
static struct file **link_of_locked(struct sfs_frozen *f, uint64_t number)
{
	struct file **link = &f->buckets[number % BUCKETS];

	while (*link != NULL && (*link)->number != number)
		link = &(*link)->next;
	return link;
}

bool sfs_frozen_add(struct sfs_frozen *f, char *text,
                    const struct sfs_frozen_info *info, uint64_t *number_out)
{
	struct file *file = sfs_malloc(sizeof(*file));

	if (file == NULL) {
		sfs_free(text);
		return false;
	}
	file->info = *info;
	file->text = text;
	file->refs = 1;
	pthread_mutex_lock(&f->lock);
	file->number = ++f->last_number;
	file->next = f->buckets[file->number % BUCKETS];
	f->buckets[file->number % BUCKETS] = file;
	*number_out = file->number;
	pthread_mutex_unlock(&f->lock);
	return true;
}

void sfs_frozen_forget(struct sfs_frozen *f, uint64_t number, uint64_t count)
{
	struct file **link;
	struct file *file;

	pthread_mutex_lock(&f->lock);
	link = link_of_locked(f, number);
	file = *link;
	if (file != NULL && file->refs > count) {
		file->refs -= count;
		file = NULL;
	}
	if (file != NULL)
		*link = file->next;
	pthread_mutex_unlock(&f->lock);
	if (file != NULL)
		file_free(file);
}

bool sfs_frozen_info(struct sfs_frozen *f, uint64_t number,
                     struct sfs_frozen_info *out)
{
	struct file *file;

	pthread_mutex_lock(&f->lock);
	file = *link_of_locked(f, number);
	if (file != NULL)
		*out = file->info;
	pthread_mutex_unlock(&f->lock);
	return file != NULL;
}

bool sfs_frozen_read(struct sfs_frozen *f, uint64_t number, uint64_t offset,
                     void *buf, size_t len, size_t *got)
{
	struct file *file;

	*got = 0;
	pthread_mutex_lock(&f->lock);
	file = *link_of_locked(f, number);
	if (file != NULL && offset < file->info.size) {
		*got = file->info.size - offset;
		*got = *got < len ? *got : len;
		memcpy(buf, file->text + offset, *got);
	}
	pthread_mutex_unlock(&f->lock);
	return file != NULL;
}
