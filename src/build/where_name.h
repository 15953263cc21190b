/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_WHERE_NAME_H
#define SFS_BUILD_WHERE_NAME_H

#include "build/build.h"
#include "format/columns.h"

/*
 * Names of the folder WHERE: the columns of a file in their canonical order
 * and spelling and the name of its key, "region=eu", "tier=2", "42", with the
 * byte BETWEEN after each column. What is spelled canonically never holds it.
 * The tree shows where/region=eu/tier=2/keys/42.
 */
enum { SFS_WHERE_BETWEEN = 0x1f };

/* Where the key's name begins; the name itself: it has no columns. */
const char *sfs_where_key(const char *name);

/*
 * The columns of the first len bytes; release them whatever was returned.
 * INVALID: as sfs_columns_set_name(), or one is "key", which the name tells.
 */
enum sfs_rc sfs_where_parse(const char *name, size_t len,
                            const struct sfs_sharding *s,
                            struct sfs_columns *out,
                            struct sfs_err *err) SFS_NODISCARD;

/* Adds a column, "region=eu" as it is spelled in a path. INVALID. */
enum sfs_rc sfs_where_add(struct sfs_columns *c, const struct sfs_sharding *s,
                          const char *name, size_t len,
                          struct sfs_err *err) SFS_NODISCARD;

/* A file as the tree shows it, for messages; cut if it is long. */
struct sfs_place_text {
	char text[320];
};
const char *sfs_place_print(enum sfs_build_dir dir, const char *name,
                            struct sfs_place_text *room);
/* The same for use as an argument. */
#define SFS_PLACE(dir, name) \
	sfs_place_print(dir, name, &(struct sfs_place_text){ { '\0' } })

/* Its files are records: KEYS, WHERE. */
static inline bool sfs_dir_has_records(enum sfs_build_dir dir)
{
	return dir == SFS_BUILD_KEYS || dir == SFS_BUILD_WHERE;
}

#endif
