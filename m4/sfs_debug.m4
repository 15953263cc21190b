dnl SPDX-License-Identifier: Apache-2.0
dnl --enable-debug: state checks and the fault hooks that tests use.
AC_DEFUN([SFS_DEBUG_HOOKS], [
AC_ARG_ENABLE([debug],
	[AS_HELP_STRING([--enable-debug],
		[check invariants and accept SHARDYFS_DEBUG_FAULT (tests)])],
	[], [enable_debug=no])
AS_IF([test "x$enable_debug" = xyes],
	[AC_DEFINE([SFS_DEBUG], [1], [Invariant checks and fault hooks])])
AM_CONDITIONAL([DEBUG_HOOKS], [test "x$enable_debug" = xyes])
])
