/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_MANIFEST_CHECK_H
#define SFS_FORMAT_MANIFEST_CHECK_H

#include "format/manifest.h"
#include "shardyfs/err.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the reader and the writer of manifests share, and the checks of the
 * JSON texts in a manifest's columns. Messages name the column or the member;
 * the caller puts "manifest: " in front.
 */

/* The one translation of SQLite's codes; the message is SQLite's own. */
enum sfs_rc sfs_manifest_sqlite_fail(sqlite3 *db, int code,
                                     struct sfs_err *err);

/* Reads the column "sharding". CORRUPT, UNSUPPORTED. */
enum sfs_rc sfs_sharding_check(const char *text, size_t len, uint32_t num_dbs,
                               enum sfs_strategy *strategy_out,
                               struct sfs_err *err) SFS_NODISCARD;

/* CORRUPT, naming the column, if text is no JSON object. */
enum sfs_rc sfs_json_object_check(const char *column, const char *text,
                                  size_t len,
                                  struct sfs_err *err) SFS_NODISCARD;

/* CORRUPT, naming the column, if text is no JSON integer or string. */
enum sfs_rc sfs_json_key_check(const char *column, const char *text, size_t len,
                               struct sfs_err *err) SFS_NODISCARD;

#endif
