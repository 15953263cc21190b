dnl SPDX-License-Identifier: Apache-2.0
AC_DEFUN([SFS_SANITIZE], [
AC_ARG_WITH([sanitizers],
	[AS_HELP_STRING([--with-sanitizers=LIST],
		[as for -fsanitize, e.g. address,undefined or thread])],
	[], [with_sanitizers=no])
AS_IF([test "x$with_sanitizers" != xno], [
	SFS_SANITIZE_CFLAGS="-fsanitize=$with_sanitizers dnl
-fno-omit-frame-pointer -fno-sanitize-recover=all"
	AC_DEFINE([SFS_SANITIZED], [1], [Built with sanitizers])
])
AC_SUBST([SFS_SANITIZE_CFLAGS])
])
