/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_MANIFEST_CHECK_H
#define SFS_FORMAT_MANIFEST_CHECK_H

#include "shardyfs/err.h"

#include <stddef.h>

/*
 * The checks of the JSON texts in a manifest's columns. Messages name the
 * column or the member; the caller puts "manifest: " in front. err may not be
 * NULL.
 */

/* CORRUPT, naming the column, if text is no JSON object. */
enum sfs_rc sfs_json_object_check(const char *column, const char *text,
                                  size_t len,
                                  struct sfs_err *err) SFS_NODISCARD;

/* CORRUPT, naming the column, if text is no JSON integer or string. */
enum sfs_rc sfs_json_key_check(const char *column, const char *text, size_t len,
                               struct sfs_err *err) SFS_NODISCARD;

#endif
