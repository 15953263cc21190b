/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_CURRENT_H
#define SFS_FORMAT_CURRENT_H

#include "base/buf.h"
#include "shardyfs/err.h"

#include <stddef.h>
#include <stdint.h>

/* The object _CURRENT: which manifest is published (FORMAT: JSON pointer). */
#define SFS_CURRENT_KEY "_CURRENT"

enum {
	SFS_CURRENT_MAX_BYTES = 64 << 10,
	SFS_RUN_ID_BYTES = 256, /* with the NUL */
	SFS_URL_BYTES = 2048,   /* with the NUL */
};

struct sfs_current {
	char manifest_ref[SFS_URL_BYTES];
	char run_id[SFS_RUN_ID_BYTES];
	int64_t updated_at_ns;
};

/*
 * CORRUPT: not a JSON object, a required member is missing or of another
 * type (manifest_content_type, manifest_ref, run_id, updated_at), a run id
 * outside [A-Za-z0-9._-]. UNSUPPORTED: another manifest_content_type.
 * Unknown members and any format_version are accepted, as shardyfusion does.
 */
enum sfs_rc sfs_current_parse(const char *data, size_t len,
                              struct sfs_current *out,
                              struct sfs_err *err) SFS_NODISCARD;

/* Byte for byte what shardyfusion writes: sorted keys, no spaces. */
void sfs_current_print(const struct sfs_current *current, struct sfs_buf *out);

#endif
