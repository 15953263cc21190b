/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guessing what a misspelt name should have been: by Levenshtein's distance,
 * within a third of the name's length.
 */
#include "base/nearest.h"

#include <string.h>

enum { NAME_MAX_BYTES = 32 };

static char folded(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '-' ? '_' : c;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static char letter(const struct sfs_nearest *n, char c)
{
	return n->fold != NULL ? n->fold(c) : c;
}

/* One row of the matrix at a time. */
static size_t distance(const struct sfs_nearest *n, const char *want)
{
	size_t row[NAME_MAX_BYTES + 1];
	size_t i, j, diagonal, above;

	for (j = 0; j <= n->len; j++)
		row[j] = j;
	for (i = 0; want[i] != '\0'; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (j = 0; j < n->len; j++) {
			above = row[j + 1];
			if (letter(n, want[i]) != letter(n, n->name[j]))
				diagonal++;
			row[j + 1] = min3(above + 1, row[j] + 1, diagonal);
			diagonal = above;
		}
	}
	return row[n->len];
}

void sfs_nearest_begin(struct sfs_nearest *n, const char *name, size_t len,
                       char (*fold)(char c))
{
	*n = (struct sfs_nearest){
		.name = name, .len = len, .fold = fold, .limit = len / 3 + 2
	};
}

bool sfs_nearest_consider(struct sfs_nearest *n, const char *candidate)
{
	size_t d = 0; /* of one that the name begins */

	if (n->len > NAME_MAX_BYTES)
		return false;
	if (n->len < 3 || strncmp(candidate, n->name, n->len) != 0)
		d = distance(n, candidate);
	if (d >= n->limit || d >= n->len)
		return false;
	n->best = candidate;
	n->limit = d;
	return true;
}

const char *sfs_nearest(const char *const *names, const char *name, size_t len)
{
	struct sfs_nearest n;

	sfs_nearest_begin(&n, name, len, folded);
	for (; *names != NULL; names++)
		(void)sfs_nearest_consider(&n, *names);
	return n.best;
}
