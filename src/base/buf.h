/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_BUF_H
#define SFS_BASE_BUF_H

#include "shardyfs/err.h"

#include <stddef.h>

/*
 * A growable byte buffer with a maximum. A failed append marks the buffer;
 * later appends do nothing, and sfs_buf_finish() reports it once, so that a
 * long composition needs one check. data is always NUL-terminated behind
 * len once anything was appended.
 */
struct sfs_buf {
	char *data; /* NULL while empty; owned */
	size_t len; /* bytes */
	size_t cap;
	size_t max;         /* len never exceeds it */
	enum sfs_rc failed; /* SFS_OK, NO_MEMORY or TOO_BIG */
};

#define SFS_BUF_INIT(max_bytes)                 \
	{                                       \
		NULL, 0, 0, (max_bytes), SFS_OK \
	}

/* For generated texts: control files, JSON answers, log lines. */
enum { SFS_TEXT_MAX_BYTES = 64 << 20 };

void sfs_buf_init(struct sfs_buf *b, size_t max);
void sfs_buf_release(struct sfs_buf *b);
void sfs_buf_reset(struct sfs_buf *b); /* empty, keeps the memory */

/* Makes room for len more bytes at data + len; NULL when it cannot. */
void *sfs_buf_reserve(struct sfs_buf *b, size_t len);
void sfs_buf_add(struct sfs_buf *b, const void *data, size_t len);
void sfs_buf_puts(struct sfs_buf *b, const char *s);
void sfs_buf_putc(struct sfs_buf *b, char c);
void sfs_buf_printf(struct sfs_buf *b, const char *fmt, ...) SFS_PRINTF(2, 3);

/* SFS_OK if every append succeeded; "what" names the text. */
enum sfs_rc sfs_buf_finish(const struct sfs_buf *b, const char *what,
                           struct sfs_err *err) SFS_NODISCARD;

/* Gives the bytes away (sfs_free() them) and leaves the buffer empty. */
char *sfs_buf_detach(struct sfs_buf *b);

#endif
