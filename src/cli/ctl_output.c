/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commands print. Answers go to stdout, unbuffered by stdio so that a
 * full disk or a closed pipe is noticed where it happens; the rest goes to
 * stderr, a line each, behind the program's name.
 */
#include "cli/ctl.h"

#include "base/alloc.h"
#include "base/keyname.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAME_SHOWN_BYTES = 64 };

enum sfs_rc sfs_ctl_write(const void *data, size_t len, struct sfs_err *err)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(STDOUT_FILENO, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sfs_err_sys(err, errno,
			                   "cannot write the "
			                   "answer");
		p += n;
		len -= (size_t)n;
	}
	return SFS_OK;
}

int sfs_ctl_print(struct sfs_buf *text, int status)
{
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_buf_finish(text, "the answer", &err);
	if (rc == SFS_OK)
		rc = sfs_ctl_write(text->data, text->len, &err);
	sfs_buf_release(text);
	return rc == SFS_OK ? status : sfs_ctl_fail(&err);
}

void sfs_ctl_note(const char *fmt, ...)
{
	va_list args;

	(void)fputs("shardyctl: ", stderr);
	va_start(args, fmt);
	(void)vfprintf(stderr, fmt, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

int sfs_ctl_refuse(const struct sfs_err *err)
{
	sfs_ctl_note("%s", err->msg);
	return SFS_CTL_USAGE;
}

int sfs_ctl_fail(const struct sfs_err *err)
{
	sfs_ctl_note("%s", err->msg);
	return SFS_CTL_FAULT;
}

int sfs_ctl_fail_or_conflict(const struct sfs_err *err)
{
	int status = sfs_ctl_fail(err);

	if (err->rc == SFS_E_CONFLICT || err->rc == SFS_E_EXISTS ||
	    err->rc == SFS_E_STALE || err->rc == SFS_E_BUSY)
		return SFS_CTL_CONFLICT;
	return status;
}

void sfs_ctl_add_hex(struct sfs_buf *out, struct sfs_bytes bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.len; i++) {
		sfs_buf_putc(out, digits[bytes.data[i] >> 4]);
		sfs_buf_putc(out, digits[bytes.data[i] & 15]);
	}
}

static const char *form_of(enum sfs_key_encoding encoding)
{
	switch (encoding) {
	case SFS_KEY_U64BE:
		return "a decimal number from 0 to 9223372036854775807 "
		       "without leading zeros";
	case SFS_KEY_U32BE:
		return "a decimal number from 0 to 4294967295 without leading "
		       "zeros";
	case SFS_KEY_UTF8:
		return "UTF-8, with '%' only as %XX; the empty key is %";
	case SFS_KEY_RAW:
		return "bytes, with '%' only as %XX; the empty key is %";
	case SFS_KEY_INVALID:
		break;
	}
	return "unknown";
}

enum sfs_rc sfs_ctl_key_read(enum sfs_key_encoding encoding, const char *name,
                             struct sfs_ctl_key *out, struct sfs_err *err)
{
	size_t len = strlen(name);
	uint8_t *bytes = sfs_malloc(sfs_key_room(len));

	if (bytes == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	*out = (struct sfs_ctl_key){ name, len, { bytes, 0 } };
	if (sfs_key_from_name(encoding, name, len, bytes, &out->bytes.len))
		return SFS_OK;
	sfs_ctl_key_release(out);
	return sfs_err_set(err, SFS_E_INVALID,
	                   "\"%.*s%s\" is no %s key: a name must be %s",
	                   NAME_SHOWN_BYTES, name,
	                   len > NAME_SHOWN_BYTES ? "..." : "",
	                   sfs_key_encoding_text(encoding), form_of(encoding));
}

void sfs_ctl_key_release(struct sfs_ctl_key *key)
{
	sfs_free((void *)(uintptr_t)key->bytes.data);
	*key = (struct sfs_ctl_key){ 0 };
}

bool sfs_ctl_is_utf8(const uint8_t *p, size_t len)
{
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		step = p[i] < 0x80 ? 1 : sfs_utf8_sequence(p + i, len - i);
		if (step == 0)
			return false;
	}
	return true;
}

void sfs_ctl_json_name(struct sfs_json_printer *p,
                       enum sfs_key_encoding encoding, const char *name,
                       size_t name_len, struct sfs_bytes key)
{
	size_t cap = key.len * 3 + 32;
	char *canonical = NULL;
	size_t len;

	if (key.data != NULL &&
	    !sfs_ctl_is_utf8((const uint8_t *)name, name_len))
		canonical = sfs_malloc(cap);
	if (canonical != NULL &&
	    sfs_key_to_name(encoding, key, canonical, cap, &len) == SFS_OK)
		sfs_json_string(p, canonical, len);
	else
		sfs_json_string(p, name, name_len);
	sfs_free(canonical);
}
