/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_INFLATE_H
#define SFS_BASE_INFLATE_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Streaming decompression of gzip and zstd, in bounded memory: concatenated
 * members and frames, input cut anywhere. A zstd window over 128 MiB is
 * refused. One thread at a time.
 */
enum sfs_compression {
	SFS_COMPRESSION_NONE = 0,
	SFS_COMPRESSION_GZIP,
	SFS_COMPRESSION_ZSTD,
};

struct sfs_inflate;

enum sfs_rc sfs_inflate_new(enum sfs_compression kind, struct sfs_inflate **out,
                            struct sfs_err *err) SFS_NODISCARD;
void sfs_inflate_free(struct sfs_inflate *z); /* NULL is fine */

/* Back to the beginning of a stream. */
void sfs_inflate_reset(struct sfs_inflate *z);

/* What one step took and gave. */
struct sfs_inflate_step {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_cap;
	size_t in_used; /* set by the step */
	size_t out_len; /* set by the step */
};

/*
 * Takes some input or gives some output, as far as both have room. Neither:
 * more input is needed. CORRUPT says what is wrong and at which offset of the
 * compressed bytes.
 */
enum sfs_rc sfs_inflate_next(struct sfs_inflate *z,
                             struct sfs_inflate_step *step,
                             struct sfs_err *err) SFS_NODISCARD;

/* Bytes that it has allocated, which depends on the window. */
size_t sfs_inflate_memory(const struct sfs_inflate *z);

/* True where the compressed bytes may end: not within a member or frame. */
bool sfs_inflate_is_whole(const struct sfs_inflate *z);

#endif
