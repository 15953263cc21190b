/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_NEAREST_H
#define SFS_BASE_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The name that was probably meant: a search over candidates, one by one. The
 * first of the nearest wins.
 */
struct sfs_nearest {
	const char *name; /* borrowed, as all here */
	size_t len;
	char (*fold)(char c); /* makes letters equal; NULL: none are */
	const char *best;     /* NULL: nothing is near */
	size_t limit;         /* only what is nearer is better */
};

void sfs_nearest_begin(struct sfs_nearest *n, const char *name, size_t len,
                       char (*fold)(char c));

/* True if it is the best so far. */
bool sfs_nearest_consider(struct sfs_nearest *n, const char *candidate);

/*
 * Of a list that ends with NULL; NULL: nothing is near. Case is ignored, and
 * '-' and '_' are equal.
 */
const char *sfs_nearest(const char *const *names, const char *name, size_t len);

#endif
