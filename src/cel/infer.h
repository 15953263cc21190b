/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_INFER_H
#define SFS_CEL_INFER_H

#include "cel/functions.h"

/*
 * Type variables and what is known about them, while an expression is
 * checked: the algorithm of cel-go's and cel-cpp's checkers. A failure
 * (memory, or types too complicated) is kept in failed; what is returned then
 * is of no use, but safe.
 */
struct sfs_cel_infer {
	struct sfs_cel_pool *pool;         /* borrowed */
	const struct sfs_cel_type **bound; /* of variables; NULL: free */
	size_t count;
	size_t cap;
	struct sfs_cel_rebound *trail; /* to take bindings back */
	size_t trail_count;
	size_t trail_cap;
	size_t work; /* a guard: types may grow exponentially */
	enum sfs_rc failed;
};

void sfs_cel_infer_init(struct sfs_cel_infer *f, struct sfs_cel_pool *pool);
void sfs_cel_infer_release(struct sfs_cel_infer *f);

/* A type variable that nothing is known about. */
const struct sfs_cel_type *sfs_cel_infer_fresh(struct sfs_cel_infer *f);
const struct sfs_cel_type *sfs_cel_infer_list(struct sfs_cel_infer *f,
                                              const struct sfs_cel_type *item);
const struct sfs_cel_type *sfs_cel_infer_map(struct sfs_cel_infer *f,
                                             const struct sfs_cel_type *key,
                                             const struct sfs_cel_type *value);

/*
 * Whether a value of type "from" may stand where "to" is wanted, and what
 * follows for the variables in both. False leaves them as they were.
 */
bool sfs_cel_infer_assign(struct sfs_cel_infer *f,
                          const struct sfs_cel_type *from,
                          const struct sfs_cel_type *to);

/* The result of a row for these arguments; NULL: it does not fit. */
const struct sfs_cel_type *
sfs_cel_infer_overload(struct sfs_cel_infer *f,
                       const struct sfs_cel_overload *row,
                       const struct sfs_cel_type *const *args);

/* The type of a container's items; NULL as a: the first. */
const struct sfs_cel_type *sfs_cel_infer_join(struct sfs_cel_infer *f,
                                              const struct sfs_cel_type *a,
                                              const struct sfs_cel_type *b);

/* The type that a variable stands for; else t itself. */
const struct sfs_cel_type *sfs_cel_infer_find(const struct sfs_cel_infer *f,
                                              const struct sfs_cel_type *t);

/* No variable is left in it: free ones become dyn. */
const struct sfs_cel_type *sfs_cel_infer_final(struct sfs_cel_infer *f,
                                               const struct sfs_cel_type *t);

#endif
