/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known in memory of a build's files: a table by directory and name.
 * Files in keys/ and at the top are in it while somebody has them open,
 * ingest files always, because their rank and state are part of their name on
 * disk. A file that lost its name leaves the table and lives until its last
 * handle is closed.
 */
#include "build/files_internal.h"

#include "base/alloc.h"
#include "base/hash.h"

enum { FIRST_BUCKETS = 64, LOAD = 2 };

enum sfs_rc sfs_nodes_init(struct sfs_nodes *n, struct sfs_err *err)
{
	memset(n, 0, sizeof(*n));
	n->buckets = sfs_calloc(FIRST_BUCKETS, sizeof(struct sfs_node *));
	if (n->buckets == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	n->bucket_count = FIRST_BUCKETS;
	return SFS_OK;
}

void sfs_nodes_release(struct sfs_nodes *n)
{
	struct sfs_node *node;

	for (size_t i = 0; i < n->bucket_count; i++) {
		while ((node = n->buckets[i]) != NULL) {
			n->buckets[i] = node->next;
			sfs_node_free(node);
		}
	}
	sfs_free(n->buckets);
	memset(n, 0, sizeof(*n));
}

struct sfs_node *sfs_node_new(const char *name, struct sfs_err *err)
{
	struct sfs_node *node = sfs_calloc(1, sizeof(*node));

	if (node != NULL)
		node->name = sfs_strdup(name);
	if (node == NULL || node->name == NULL) {
		sfs_free(node);
		(void)sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&node->io, NULL);
	return node;
}

void sfs_node_free(struct sfs_node *node)
{
	if (node == NULL)
		return;
	pthread_mutex_destroy(&node->io);
	sfs_free(node->name);
	sfs_free(node);
}

static struct sfs_node **chain_of(const struct sfs_nodes *n,
                                  enum sfs_build_dir dir, const char *name)
{
	uint64_t h = sfs_hash64(name, strlen(name)) + (uint64_t)dir;

	return &n->buckets[h & (n->bucket_count - 1)];
}

struct sfs_node *sfs_node_find(const struct sfs_nodes *n,
                               enum sfs_build_dir dir, const char *name)
{
	struct sfs_node *node = *chain_of(n, dir, name);

	while (node != NULL &&
	       (node->dir != dir || strcmp(node->name, name) != 0))
		node = node->next;
	return node;
}

/* Without memory the chains just grow longer. */
static void grow(struct sfs_nodes *n)
{
	struct sfs_nodes wide = *n;
	struct sfs_node **chain;
	struct sfs_node *node;

	wide.bucket_count = n->bucket_count * 2;
	wide.buckets = sfs_calloc(wide.bucket_count, sizeof(struct sfs_node *));
	if (wide.buckets == NULL)
		return;
	for (size_t i = 0; i < n->bucket_count; i++) {
		while ((node = n->buckets[i]) != NULL) {
			n->buckets[i] = node->next;
			chain = chain_of(&wide, node->dir, node->name);
			node->next = *chain;
			*chain = node;
		}
	}
	sfs_free(n->buckets);
	*n = wide;
}

void sfs_node_link(struct sfs_nodes *n, struct sfs_node *node,
                   enum sfs_build_dir dir)
{
	struct sfs_node **chain;

	if (n->count >= n->bucket_count * LOAD)
		grow(n);
	node->dir = dir;
	node->is_linked = true;
	chain = chain_of(n, dir, node->name);
	node->next = *chain;
	*chain = node;
	n->count++;
	n->ingest_count += dir == SFS_BUILD_INGEST;
}

void sfs_node_unlink(struct sfs_nodes *n, struct sfs_node *node)
{
	struct sfs_node **at = chain_of(n, node->dir, node->name);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->is_linked = false;
	n->count--;
	n->ingest_count -= node->dir == SFS_BUILD_INGEST;
}

void sfs_node_settle(struct sfs_nodes *n, struct sfs_node *node)
{
	if (node == NULL || node->refs > 0)
		return;
	if (node->is_linked && node->dir == SFS_BUILD_INGEST)
		return;
	if (node->is_linked)
		sfs_node_unlink(n, node);
	sfs_node_free(node);
}
