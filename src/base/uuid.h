/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_UUID_H
#define SFS_BASE_UUID_H

#include "shardyfs/err.h"

enum { SFS_UUID_HEX_BYTES = 33 }; /* with the NUL */

/* A random UUID (version 4) as 32 hex digits, as Python's uuid4().hex. */
enum sfs_rc sfs_uuid_hex(char out[SFS_UUID_HEX_BYTES],
                         struct sfs_err *err) SFS_NODISCARD;

#endif
