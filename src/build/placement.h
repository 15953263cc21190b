/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_PLACEMENT_H
#define SFS_BUILD_PLACEMENT_H

#include "format/manifest.h"
#include "format/sharding.h"

#include <stdatomic.h>

/*
 * How a build places keys in shards where that is not by hash: what
 * config.yaml or the base says, completed by what is found in the data.
 * Immutable once made, counted by references, for any thread. NULL stands for
 * "by hash" wherever one is taken.
 */
enum sfs_placement_mode {
	SFS_PLACEMENT_DIRECT = 1, /* the expression yields the shard */
	SFS_PLACEMENT_VALUES,     /* it yields one of the routing values */
	SFS_PLACEMENT_INFERRED,   /* the values are those of the data */
	SFS_PLACEMENT_BOUNDS,     /* ranges of the key */
	SFS_PLACEMENT_QUANTILES,  /* their bounds follow from the data */
};

struct sfs_placement {
	_Atomic unsigned refs;
	enum sfs_placement_mode mode;
	/* INFERRED: without routing values; QUANTILES: of strategy hash */
	struct sfs_sharding sharding;
	enum sfs_key_encoding encoding; /* BOUNDS: of keys and bounds */
	struct sfs_bytes *bounds;       /* BOUNDS: lookup bytes */
	size_t bound_count;
	char *text; /* as manifests have it; NULL: it is not known yet */
};

struct sfs_placement *sfs_placement_ref(struct sfs_placement *p);
void sfs_placement_unref(struct sfs_placement *p); /* NULL is fine */

/* DIRECT, VALUES, INFERRED; what is in *sharding goes over in any case. */
enum sfs_rc sfs_placement_new(enum sfs_placement_mode mode,
                              struct sfs_sharding *sharding,
                              struct sfs_placement **out,
                              struct sfs_err *err) SFS_NODISCARD;

/*
 * BOUNDS; no bound: one shard. INVALID: not ascending, or no keys of the
 * encoding.
 */
enum sfs_rc sfs_placement_new_bounds(enum sfs_key_encoding encoding,
                                     const struct sfs_bytes *bounds,
                                     size_t count, struct sfs_placement **out,
                                     struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_placement_new_quantiles(struct sfs_placement **out,
                                        struct sfs_err *err) SFS_NODISCARD;

/* VALUES from INFERRED with these values, in order. */
enum sfs_rc sfs_placement_new_values(const struct sfs_placement *inferred,
                                     const struct sfs_cel_value *values,
                                     size_t count, struct sfs_placement **out,
                                     struct sfs_err *err) SFS_NODISCARD;

/*
 * As the snapshot's, with the very text of its manifest; *out is NULL where
 * that is by hash. UNSUPPORTED: no build can write like that.
 */
enum sfs_rc sfs_placement_of_base(const struct sfs_manifest *base,
                                  struct sfs_placement **out,
                                  struct sfs_err *err) SFS_NODISCARD;

bool sfs_placement_is_same(const struct sfs_placement *a,
                           const struct sfs_placement *b);

/* BOUNDS: the shard of a key, which the expression would yield as well. */
uint32_t sfs_placement_range(const struct sfs_placement *p,
                             struct sfs_bytes key);

/* How many shards it makes; 0: num_dbs or the data tell. */
uint32_t sfs_placement_shards(const struct sfs_placement *p);

/* It takes a look at all records before the first can be placed. */
bool sfs_placement_needs_survey(const struct sfs_placement *p,
                                uint32_t num_dbs);

/* For people: "hash", "expression", "routing values", ... */
const char *sfs_placement_text(const struct sfs_placement *p);

/* What a lone column "key" is for keys of that encoding. */
enum sfs_cel_kind sfs_placement_key_kind(enum sfs_key_encoding encoding);

/* Copies expression and columns. */
enum sfs_rc sfs_sharding_copy_form(const struct sfs_sharding *from,
                                   struct sfs_sharding *to,
                                   struct sfs_err *err) SFS_NODISCARD;

#endif
