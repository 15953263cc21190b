/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHARDYFS_ERR_H
#define SHARDYFS_ERR_H

/*
 * One error record for every room. A function that can fail returns an
 * enum sfs_rc and, as its last argument, takes a struct sfs_err owned by the
 * caller. Setting a record cannot fail and allocates nothing. It is set once,
 * where the fact is known, and names the object (shard, key, URL); a caller
 * may put its own context in front with sfs_err_wrap(). The record is only
 * meaningful after a call returned something other than SFS_OK.
 */

#define SFS_NODISCARD __attribute__((warn_unused_result))
#define SFS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum { SFS_ERR_MSG_BYTES = 512 };

/*
 * NOT_FOUND speaks of objects and names. That a *key* is absent is an answer,
 * not an error: functions that look up keys return SFS_OK and say so in an
 * out parameter, so that a fault can never turn into "no such key".
 */
enum sfs_rc {
	SFS_OK = 0,
	SFS_E_NOT_FOUND = -1,   /* no such object or name */
	SFS_E_TRANSIENT = -2,   /* may work when tried again */
	SFS_E_CONFLICT = -3,    /* lost a conditional put */
	SFS_E_AUTH = -4,        /* the store or the system denies access */
	SFS_E_CORRUPT = -5,     /* bytes contradict the format */
	SFS_E_UNSUPPORTED = -6, /* valid, but not understood by this build */
	SFS_E_NO_SPACE = -7,    /* disk, quota or a configured limit is full */
	SFS_E_NO_MEMORY = -8,   /* allocation failed */
	SFS_E_INVALID = -9,     /* the caller's input is wrong */
	SFS_E_CANCELED = -10,   /* the caller gave up */
	SFS_E_TIMEOUT = -11,    /* the deadline passed */
	SFS_E_IO = -12,         /* the system failed to read or write */
	SFS_E_STALE = -13,      /* the object was deleted or replaced */
	SFS_E_EXISTS = -14,     /* the name is taken */
	SFS_E_READ_ONLY = -15,  /* that part of the tree is immutable */
	SFS_E_FORBIDDEN = -16,  /* never allowed there */
	SFS_E_NAME_TOO_LONG = -17, /* longer than the kernel carries */
	SFS_E_NOT_DIR = -18,       /* a file where a directory is needed */
	SFS_E_IS_DIR = -19,        /* a directory where a file is needed */
	SFS_E_NO_ATTR = -20,       /* no such extended attribute */
	SFS_E_TOO_BIG = -21,       /* over a size limit */
	SFS_E_BUSY = -22,          /* in use by somebody else */
	SFS_E_AMBIGUOUS = -23,     /* several answers, one was wanted */
};

struct sfs_err {
	enum sfs_rc rc;
	int sys_errno; /* 0 if no system call was involved */
	char msg[SFS_ERR_MSG_BYTES];
};

/* Fills *err (which may be NULL) and returns rc, for "return sfs_err_set(". */
enum sfs_rc sfs_err_set(struct sfs_err *err, enum sfs_rc rc, const char *fmt,
                        ...) SFS_PRINTF(3, 4);

/*
 * The same for a failed system call: rc follows from sys_errno (ENOENT:
 * NOT_FOUND, EACCES and EPERM: AUTH, ENOSPC and EDQUOT: NO_SPACE, ...; else
 * IO) and ": strerror" is added to the message.
 */
enum sfs_rc sfs_err_sys(struct sfs_err *err, int sys_errno, const char *fmt,
                        ...) SFS_PRINTF(3, 4);

/* Puts "context: " in front of the message; returns err->rc. */
enum sfs_rc sfs_err_wrap(struct sfs_err *err, const char *fmt, ...)
	SFS_PRINTF(2, 3);

/* The name of a code in lower case ("not_found"), for logs and JSON. */
const char *sfs_rc_name(enum sfs_rc rc);

#endif
