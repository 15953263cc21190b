/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_SURVEY_H
#define SFS_BUILD_SURVEY_H

#include "build/placement.h"

/*
 * What must be known of all records before the first can be placed: the
 * shards or routing values that an expression yields, or, for ranges, a sample
 * of the keys. Its memory is bounded, and what comes out of it depends on what
 * was added alone, not on the order. Any thread may add.
 */
enum {
	SFS_SURVEY_TOKEN_BYTES = 64 << 20, /* of all routing values */
	SFS_SURVEY_SAMPLE = 1 << 16,       /* keys; of fewer all are known */
	SFS_SURVEY_KEY_BYTES = 256,        /* of a key that are kept */
};

struct sfs_survey;

/* For a placement that needs one. */
enum sfs_rc sfs_survey_new(const struct sfs_placement *p,
                           struct sfs_survey **out,
                           struct sfs_err *err) SFS_NODISCARD;
void sfs_survey_free(struct sfs_survey *s); /* NULL is fine */

/* It wants keys, not what the expression yields. */
bool sfs_survey_is_of_keys(const struct sfs_survey *s);

/*
 * INVALID: no shard can have that number, or no routing value be like that:
 * the record is bad. TOO_BIG: there are too many values.
 */
enum sfs_rc sfs_survey_add_token(struct sfs_survey *s,
                                 const struct sfs_cel_value *token,
                                 struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_survey_add_key(struct sfs_survey *s, struct sfs_bytes key,
                               struct sfs_err *err) SFS_NODISCARD;

/* Adds what the other one has; s is the caller's alone. */
enum sfs_rc sfs_survey_merge(struct sfs_survey *s, struct sfs_survey *other,
                             struct sfs_err *err) SFS_NODISCARD;

/*
 * The placement that all of it makes, and its number of shards; ranges make
 * at most num_dbs. CORRUPT: shards without a record, or no value at all.
 */
enum sfs_rc sfs_survey_resolve(struct sfs_survey *s,
                               enum sfs_key_encoding encoding, uint32_t num_dbs,
                               struct sfs_placement **out, uint32_t *shards,
                               struct sfs_err *err) SFS_NODISCARD;

#endif
