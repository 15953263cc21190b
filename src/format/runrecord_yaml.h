/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_RUNRECORD_YAML_H
#define SFS_FORMAT_RUNRECORD_YAML_H

#include "base/buf.h"
#include "shardyfs/err.h"

#include <stddef.h>

enum { SFS_RUN_YAML_MAX = 4096 }; /* code points; what is behind is cut off */

/*
 * Appends "key: value" and a newline as PyYAML does for a member of the
 * outermost mapping whose value is a string: plain where that reads back as
 * the same string, else in quotes, folded at 80 columns. Bytes that are not
 * UTF-8 become U+FFFD.
 */
enum sfs_rc sfs_run_yaml_member(struct sfs_buf *out, const char *key,
                                const char *value,
                                struct sfs_err *err) SFS_NODISCARD;

#endif
