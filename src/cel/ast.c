/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree's beginning and end, and messages that name a place in the source: an expression
 * stands in a configuration file, where only line and column help to find the
 * fault.
 */
#include "cel/ast.h"

#include "base/keyname.h"
#include "cel/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sfs_cel_tree_release(struct sfs_cel_tree *t)
{
	sfs_cel_pool_free(t->pool);
	t->pool = NULL;
	t->root = NULL;
	t->source = (struct sfs_cel_text){ NULL, 0 };
}

struct place {
	unsigned line;
	unsigned column;
};

/* Every byte of UTF-8 but the continuations begins a column. */
static struct place place_of(struct sfs_cel_text source, uint32_t offset)
{
	struct place at = { 1, 1 };

	for (size_t i = 0; i < offset && i < source.len; i++) {
		if (source.data[i] == '\n') {
			at.line++;
			at.column = 1;
		} else if (((unsigned char)source.data[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return at;
}

__attribute__((format(printf, 5, 0))) static enum sfs_rc
refuse(enum sfs_rc rc, struct sfs_cel_text source, uint32_t offset,
       struct sfs_err *err, const char *fmt, va_list ap)
{
	const struct place at = place_of(source, offset);
	char message[SFS_ERR_MSG_BYTES];

	if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
		message[0] = '\0';
	return sfs_err_set(err, rc, "%u:%u: %s", at.line, at.column, message);
}

enum sfs_rc sfs_cel_refuse(struct sfs_cel_text source, uint32_t offset,
                           struct sfs_err *err, const char *fmt, ...)
{
	enum sfs_rc rc;
	va_list ap;

	va_start(ap, fmt);
	rc = refuse(SFS_E_INVALID, source, offset, err, fmt, ap);
	va_end(ap);
	return rc;
}

enum sfs_rc sfs_cel_refuse_size(struct sfs_cel_text source, uint32_t offset,
                                struct sfs_err *err, const char *fmt, ...)
{
	enum sfs_rc rc;
	va_list ap;

	va_start(ap, fmt);
	rc = refuse(SFS_E_TOO_BIG, source, offset, err, fmt, ap);
	va_end(ap);
	return rc;
}

static enum sfs_rc check_utf8(struct sfs_cel_text source, struct sfs_err *err)
{
	const uint8_t *p = (const uint8_t *)source.data;
	size_t pos = 0;
	size_t len;

	while (pos < source.len) {
		pos += sfs_ascii_run(p + pos, source.len - pos);
		if (pos == source.len)
			break;
		len = sfs_utf8_sequence(p + pos, source.len - pos);
		if (len == 0)
			return sfs_cel_refuse(source, (uint32_t)pos, err,
			                      "the text is not UTF-8: byte "
			                      "0x%02x",
			                      p[pos]);
		pos += len;
	}
	return SFS_OK;
}

enum sfs_rc sfs_cel_tree_begin(struct sfs_cel_tree *t, const char *text,
                               size_t len, struct sfs_err *err)
{
	char *copy;

	memset(t, 0, sizeof(*t));
	if (len > SFS_CEL_TEXT_MAX_BYTES)
		return sfs_err_set(err, SFS_E_TOO_BIG,
		                   "an expression of %zu bytes is longer than "
		                   "%d",
		                   len, SFS_CEL_TEXT_MAX_BYTES);
	t->pool = sfs_cel_pool_new(SIZE_MAX); /* the text bounds it */
	copy = t->pool != NULL ? sfs_cel_pool_get(t->pool, len + 1) : NULL;
	if (copy == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "not enough memory for an expression");
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	t->source.data = copy;
	t->source.len = len;
	return check_utf8(t->source, err);
}
