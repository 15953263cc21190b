/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_DIGEST_H
#define SFS_BASE_DIGEST_H

#include "shardyfs/err.h"

#include <stddef.h>

/* SHA-256 in pieces (FIPS 180-4), by OpenSSL. */
struct sfs_digest {
	void *state; /* NULL: not begun */
};

enum { SFS_DIGEST_HEX_BYTES = 65 }; /* with the NUL */

enum sfs_rc sfs_digest_begin(struct sfs_digest *d,
                             struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_digest_add(struct sfs_digest *d, const void *data, size_t len,
                           struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_digest_finish(struct sfs_digest *d,
                              char hex[SFS_DIGEST_HEX_BYTES],
                              struct sfs_err *err) SFS_NODISCARD;
void sfs_digest_release(struct sfs_digest *d);

#endif
