/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded byte buffer whose first failure sticks. */
#include "base/buf.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAP = 128 };

void sfs_buf_init(struct sfs_buf *b, size_t max)
{
	*b = (struct sfs_buf)SFS_BUF_INIT(max);
}

void sfs_buf_release(struct sfs_buf *b)
{
	sfs_free(b->data);
	sfs_buf_init(b, b->max);
}

void sfs_buf_reset(struct sfs_buf *b)
{
	b->len = 0;
	b->failed = SFS_OK;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void *sfs_buf_reserve(struct sfs_buf *b, size_t len)
{
	size_t cap = b->cap > 0 ? b->cap : FIRST_CAP;
	char *grown;

	if (b->failed != SFS_OK)
		return NULL;
	if (len > b->max - b->len) {
		b->failed = SFS_E_TOO_BIG;
		return NULL;
	}
	while (cap - b->len <= len) /* one more for the NUL */
		cap *= 2;
	if (cap != b->cap) {
		grown = sfs_realloc_array(b->data, cap, 1);
		if (grown == NULL) {
			b->failed = SFS_E_NO_MEMORY;
			return NULL;
		}
		b->data = grown;
		b->cap = cap;
	}
	return b->data + b->len;
}

void sfs_buf_add(struct sfs_buf *b, const void *data, size_t len)
{
	char *room = sfs_buf_reserve(b, len);

	if (room == NULL)
		return;
	if (len > 0)
		memcpy(room, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void sfs_buf_puts(struct sfs_buf *b, const char *s)
{
	sfs_buf_add(b, s, strlen(s));
}

void sfs_buf_putc(struct sfs_buf *b, char c)
{
	sfs_buf_add(b, &c, 1);
}

void sfs_buf_printf(struct sfs_buf *b, const char *fmt, ...)
{
	va_list ap;
	char *room;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0) {
		b->failed = SFS_E_INVALID;
		return;
	}
	room = sfs_buf_reserve(b, (size_t)len);
	if (room == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(room, (size_t)len + 1, fmt, ap); /* sized above */
	va_end(ap);
	b->len += (size_t)len;
}

enum sfs_rc sfs_buf_finish(const struct sfs_buf *b, const char *what,
                           struct sfs_err *err)
{
	if (b->failed == SFS_OK)
		return SFS_OK;
	return sfs_err_set(err, b->failed, "%s: %s", what,
	                   b->failed == SFS_E_TOO_BIG ? "too big"
	                                              : "out of memory");
}

char *sfs_buf_detach(struct sfs_buf *b)
{
	char *data = b->data;

	sfs_buf_init(b, b->max);
	return data;
}
