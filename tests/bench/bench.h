/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BENCH_H
#define SFS_BENCH_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the programs of tests/bench share. Any failure ends them. */

static inline void die(const char *what)
{
	(void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name,
	              what, strerror(errno));
	exit(1);
}

static inline void *must_malloc(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (p == NULL)
		die("memory");
	return p;
}

/* A count on the command line, from least to most. */
static inline uint64_t read_count(const char *text, uint64_t least,
                                  uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno == 0 && (*end != '\0' || value < least || value > most))
		errno = ERANGE;
	if (errno != 0)
		die(text);
	return value;
}

static inline double now_seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

enum { DECIMAL_BYTES = 21 };

/* A number as a name: what snprintf would do, at a tenth of the cost. */
static inline const char *print_decimal(uint64_t value,
                                        char room[DECIMAL_BYTES])
{
	char *p = room + DECIMAL_BYTES - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return p;
}

#endif
