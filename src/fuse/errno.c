/* SPDX-License-Identifier: Apache-2.0 */
/* From codes to errno, exhaustively and in one place. */
#include "fuse/internal.h"

#include <errno.h>

int sfs_rc_errno(enum sfs_rc rc)
{
	switch (rc) {
	case SFS_OK:
		return 0;
	case SFS_E_NOT_FOUND:
		return ENOENT;
	case SFS_E_AUTH:
		return EACCES;
	case SFS_E_TRANSIENT:
	case SFS_E_CORRUPT:
	case SFS_E_IO:
		return EIO;
	case SFS_E_UNSUPPORTED:
		return EOPNOTSUPP;
	case SFS_E_NO_SPACE:
		return ENOSPC;
	case SFS_E_NO_MEMORY:
		return ENOMEM;
	case SFS_E_INVALID:
		return EINVAL;
	case SFS_E_CANCELED:
		return EINTR;
	case SFS_E_TIMEOUT:
		return ETIMEDOUT;
	case SFS_E_CONFLICT:
	case SFS_E_STALE:
		return ESTALE;
	case SFS_E_EXISTS:
		return EEXIST;
	case SFS_E_READ_ONLY:
		return EROFS;
	case SFS_E_FORBIDDEN:
		return EPERM;
	case SFS_E_NAME_TOO_LONG:
		return ENAMETOOLONG;
	case SFS_E_NOT_DIR:
		return ENOTDIR;
	case SFS_E_IS_DIR:
		return EISDIR;
	case SFS_E_NO_ATTR:
		return ENODATA;
	case SFS_E_TOO_BIG:
		return EFBIG;
	case SFS_E_BUSY:
		return EBUSY;
	case SFS_E_AMBIGUOUS:
		return ENOTUNIQ;
	}
	return EIO;
}

int sfs_rc_build_errno(enum sfs_rc rc)
{
	return rc == SFS_E_CORRUPT ? EBADMSG : sfs_rc_errno(rc);
}
