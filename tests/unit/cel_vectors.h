/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_CEL_VECTORS_H
#define SFS_TESTS_CEL_VECTORS_H

#include "cel/cel.h"
#include "cel/pool.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Vectors of CEL, one JSON object a line (tests/data/cel/README): an
 * expression, what its variables are, and what must come out.
 */
enum { CEL_VECTOR_VARIABLES_MAX = 16 };

struct cel_vector {
	const char *file; /* "" if the vector does not say */
	const char *section;
	const char *name;
	const char *tier;
	const char *deduced_type; /* NULL: any */
	const char *phase;        /* of the error: "compile", "eval"; NULL */
	const char *says;         /* what its message contains; NULL */
	struct sfs_cel_text expr;
	bool is_checked;
	bool is_error;
	struct sfs_cel_value result; /* unless is_error */
	struct sfs_cel_variable variables[CEL_VECTOR_VARIABLES_MAX];
	struct sfs_cel_value values[CEL_VECTOR_VARIABLES_MAX];
	size_t count; /* of variables */
};

/* Everything lies in the pool. False: the line is no vector; why says it. */
bool cel_vector_read(const char *line, size_t len, struct sfs_cel_pool *pool,
                     struct cel_vector *out, struct sfs_err *why);

/* Compiles and evaluates. False: something else came out; why says what. */
bool cel_vector_run(const struct cel_vector *v, struct sfs_buf *why);

/* The same kind and value: 1 is not 1u, NaN is NaN, -0.0 is not 0.0. */
bool cel_value_same(const struct sfs_cel_value *a,
                    const struct sfs_cel_value *b);

/*
 * Runs all vectors of a file: a line for each failure, the counts of each
 * tier, and last "N passed, M failed". How many failed; -1: the file cannot be
 * read. line_prefix stands before each line.
 */
long cel_vectors_run_file(const char *path, const char *line_prefix);

#endif
