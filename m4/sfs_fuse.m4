dnl SPDX-License-Identifier: Apache-2.0
dnl fuse_lowlevel_notify_expire_entry() lost its last parameter after 3.14.
AC_DEFUN([SFS_FUSE], [
AC_CACHE_CHECK([whether notify_expire_entry takes flags],
	[sfs_cv_expire_takes_flags], [
	sfs_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS $FUSE3_CFLAGS"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
		#define FUSE_USE_VERSION 314
		#include <fuse_lowlevel.h>]],
		[[return fuse_lowlevel_notify_expire_entry(0, 1, "", 0,
			FUSE_LL_EXPIRE_ONLY);]])],
		[sfs_cv_expire_takes_flags=yes],
		[sfs_cv_expire_takes_flags=no])
	CFLAGS=$sfs_saved_CFLAGS])
AS_IF([test "x$sfs_cv_expire_takes_flags" = xyes],
	[AC_DEFINE([SFS_EXPIRE_TAKES_FLAGS], [1],
		[fuse_lowlevel_notify_expire_entry has a flags parameter])])
])
