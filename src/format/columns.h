/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_COLUMNS_H
#define SFS_FORMAT_COLUMNS_H

#include "format/sharding.h"

/*
 * The routing context of one record or lookup: a value for each column of a
 * sharding, INVALID where none is known. The column "key" is always the key
 * that is looked for.
 *
 * As text a column is "COL=VAL": VAL is decimal for int and uint, a decimal
 * number for double, true or false, and for strings and bytes the text
 * itself, in names percent-encoded like a key.
 */
struct sfs_columns {
	struct sfs_cel_value values[SFS_COLUMNS_MAX];
	struct sfs_buf texts; /* what strings point to */
};

void sfs_columns_init(struct sfs_columns *c);
void sfs_columns_release(struct sfs_columns *c);

/*
 * Sets one column from its text (not encoded). INVALID: no such column (the
 * nearest is named), text that is none of its type, or set already.
 */
enum sfs_rc sfs_columns_set(struct sfs_columns *c, const struct sfs_sharding *s,
                            struct sfs_cel_text name, struct sfs_cel_text text,
                            struct sfs_err *err) SFS_NODISCARD;

/* The same from the name of a directory: "region=eu", encoded. */
enum sfs_rc sfs_columns_set_name(struct sfs_columns *c,
                                 const struct sfs_sharding *s, const char *name,
                                 size_t len, struct sfs_err *err) SFS_NODISCARD;

/* All but "key" are set. missing: the first that is not; may be NULL. */
bool sfs_columns_are_complete(const struct sfs_columns *c,
                              const struct sfs_sharding *s,
                              const char **missing);

/*
 * "region=eu/tier=2": those that are set, by the order of their names, with
 * canonical spelling: equal contexts have equal texts.
 */
void sfs_columns_print(const struct sfs_columns *c,
                       const struct sfs_sharding *s, struct sfs_buf *out);

#endif
