/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_MANIFEST_IMAGE_H
#define SFS_FORMAT_MANIFEST_IMAGE_H

#include "shardyfs/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The bytes of a database from a store, opened in memory so that they can
 * only be read: hostile schemas run no code, and SQLite stops when it works
 * more than the size explains. Messages name the column.
 */
struct sfs_image {
	sqlite3 *db;
	size_t ticks_left; /* of work */
};

/* data is borrowed until release, which must be called in any case. */
enum sfs_rc sfs_image_open(struct sfs_image *image, const void *data,
                           size_t len, struct sfs_err *err) SFS_NODISCARD;
void sfs_image_release(struct sfs_image *image); /* all zero is fine */

/* From now on only build_meta and shards can be read. */
void sfs_image_restrict(struct sfs_image *image);

enum sfs_rc sfs_image_prepare(struct sfs_image *image, const char *sql,
                              sqlite3_stmt **stmt,
                              struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_image_step(sqlite3_stmt *stmt, bool *has_row,
                           struct sfs_err *err) SFS_NODISCARD;

/* The whole number in a column, from 0 to max. CORRUPT if it is not one. */
enum sfs_rc sfs_image_int(sqlite3_stmt *stmt, int column, int64_t max,
                          int64_t *out, struct sfs_err *err) SFS_NODISCARD;

/* The text in a column, UTF-8 without NUL, borrowed until the next step. */
enum sfs_rc sfs_image_text(sqlite3_stmt *stmt, int column, const char **out,
                           size_t *len, struct sfs_err *err) SFS_NODISCARD;

/* The one translation of SQLite's codes; the message is SQLite's own. */
enum sfs_rc sfs_image_fail(sqlite3 *db, int code, struct sfs_err *err);

#endif
