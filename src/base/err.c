/* SPDX-License-Identifier: Apache-2.0 */
/* The error record: formatting into fixed memory, never failing. */
#include "shardyfs/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 0))) static void
set_message(struct sfs_err *err, const char *fmt, va_list ap)
{
	if (vsnprintf(err->msg, sizeof(err->msg), fmt, ap) < 0)
		err->msg[0] = '\0';
}

enum sfs_rc sfs_err_set(struct sfs_err *err, enum sfs_rc rc, const char *fmt,
                        ...)
{
	va_list ap;

	if (err == NULL)
		return rc;
	err->rc = rc;
	err->sys_errno = 0;
	va_start(ap, fmt);
	set_message(err, fmt, ap);
	va_end(ap);
	return rc;
}

static enum sfs_rc rc_of_errno(int sys_errno)
{
	switch (sys_errno) {
	case ENOENT:
		return SFS_E_NOT_FOUND;
	case EACCES:
	case EPERM:
		return SFS_E_AUTH;
	case ENOSPC:
	case EDQUOT:
		return SFS_E_NO_SPACE;
	case ENOMEM:
		return SFS_E_NO_MEMORY;
	case ENOTDIR:
		return SFS_E_NOT_DIR;
	case EISDIR:
		return SFS_E_IS_DIR;
	case EEXIST:
		return SFS_E_EXISTS;
	case EROFS:
		return SFS_E_READ_ONLY;
	case ENAMETOOLONG:
		return SFS_E_NAME_TOO_LONG;
	case EFBIG:
		return SFS_E_TOO_BIG;
	case EBUSY:
		return SFS_E_BUSY;
	case ESTALE:
		return SFS_E_STALE;
	case ETIMEDOUT:
		return SFS_E_TIMEOUT;
	case EAGAIN:
	case EMFILE:
	case ENFILE:
		return SFS_E_TRANSIENT;
	default:
		return SFS_E_IO;
	}
}

/* Truncates like snprintf; appending to a full message adds nothing. */
static void append(char *msg, const char *text)
{
	size_t len = strlen(msg);

	(void)snprintf(msg + len, SFS_ERR_MSG_BYTES - len, "%s", text);
}

enum sfs_rc sfs_err_sys(struct sfs_err *err, int sys_errno, const char *fmt,
                        ...)
{
	enum sfs_rc rc = rc_of_errno(sys_errno);
	char reason[128];
	va_list ap;

	if (err == NULL)
		return rc;
	err->rc = rc;
	err->sys_errno = sys_errno;
	va_start(ap, fmt);
	set_message(err, fmt, ap);
	va_end(ap);
	append(err->msg, ": ");
	append(err->msg, strerror_r(sys_errno, reason, sizeof(reason)));
	return rc;
}

enum sfs_rc sfs_err_wrap(struct sfs_err *err, const char *fmt, ...)
{
	char old[SFS_ERR_MSG_BYTES];
	va_list ap;

	(void)snprintf(old, sizeof(old), "%s", err->msg);
	va_start(ap, fmt);
	set_message(err, fmt, ap);
	va_end(ap);
	append(err->msg, ": ");
	append(err->msg, old);
	return err->rc;
}

const char *sfs_rc_name(enum sfs_rc rc)
{
	switch (rc) {
	case SFS_OK:
		return "ok";
	case SFS_E_NOT_FOUND:
		return "not_found";
	case SFS_E_TRANSIENT:
		return "transient";
	case SFS_E_CONFLICT:
		return "conflict";
	case SFS_E_AUTH:
		return "auth";
	case SFS_E_CORRUPT:
		return "corrupt";
	case SFS_E_UNSUPPORTED:
		return "unsupported";
	case SFS_E_NO_SPACE:
		return "no_space";
	case SFS_E_NO_MEMORY:
		return "no_memory";
	case SFS_E_INVALID:
		return "invalid";
	case SFS_E_CANCELED:
		return "canceled";
	case SFS_E_TIMEOUT:
		return "timeout";
	case SFS_E_IO:
		return "io";
	case SFS_E_STALE:
		return "stale";
	case SFS_E_EXISTS:
		return "exists";
	case SFS_E_READ_ONLY:
		return "read_only";
	case SFS_E_FORBIDDEN:
		return "forbidden";
	case SFS_E_NAME_TOO_LONG:
		return "name_too_long";
	case SFS_E_NOT_DIR:
		return "not_dir";
	case SFS_E_IS_DIR:
		return "is_dir";
	case SFS_E_NO_ATTR:
		return "no_attr";
	case SFS_E_TOO_BIG:
		return "too_big";
	case SFS_E_BUSY:
		return "busy";
	case SFS_E_AMBIGUOUS:
		return "ambiguous";
	}
	return "unknown";
}
