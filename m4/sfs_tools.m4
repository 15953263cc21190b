dnl SPDX-License-Identifier: Apache-2.0
AC_DEFUN([SFS_TOOLS], [
AC_PATH_PROG([BATS], [bats])
AM_CONDITIONAL([HAVE_BATS], [test -n "$BATS"])
])
