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

/* One row of the matrix at a time. */
static size_t distance(const char *want, const char *name, size_t len)
{
	size_t row[NAME_MAX_BYTES + 1];
	size_t i, j, diagonal, above;

	for (j = 0; j <= len; j++)
		row[j] = j;
	for (i = 0; want[i] != '\0'; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (j = 0; j < len; j++) {
			above = row[j + 1];
			if (folded(want[i]) != folded(name[j]))
				diagonal++;
			row[j + 1] = min3(above + 1, row[j] + 1, diagonal);
			diagonal = above;
		}
	}
	return row[len];
}

const char *sfs_nearest(const char *const *names, const char *name, size_t len)
{
	const char *best = NULL;
	size_t limit = len / 3 + 2;
	size_t d;

	if (len > NAME_MAX_BYTES)
		return NULL;
	for (; *names != NULL; names++) {
		if (len >= 3 && strncmp(*names, name, len) == 0)
			return *names;
		d = distance(*names, name, len);
		if (d >= limit || d >= len)
			continue;
		best = *names;
		limit = d;
	}
	return best;
}
