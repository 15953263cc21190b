dnl SPDX-License-Identifier: Apache-2.0
dnl SFS_RE2: matches() of CEL. RE2 is C++: one file is compiled by $CXX, and
dnl all is linked by $CC. Debian's re2.pc knows no version, so a program that
dnl uses it is what decides.
AC_DEFUN([SFS_RE2], [
AC_ARG_WITH([re2],
	[AS_HELP_STRING([--with-re2=auto|yes|no],
		[matches() in CEL expressions, by RE2 (auto)])],
	[], [with_re2=auto])
sfs_re2='no: --without-re2'
AS_IF([test "x$with_re2" != xno], [
	PKG_CHECK_MODULES([RE2], [re2], [sfs_re2=yes],
		[sfs_re2='no: libre2-dev is missing'])
])
AS_IF([test "x$sfs_re2" = xyes], [
	AC_MSG_CHECKING([whether $CXX builds a program with RE2])
	AC_LANG_PUSH([C++])
	sfs_saved_CXXFLAGS=$CXXFLAGS
	sfs_saved_LIBS=$LIBS
	CXXFLAGS="$CXXFLAGS -std=c++17 $RE2_CFLAGS"
	LIBS="$RE2_LIBS $LIBS"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <re2/re2.h>]],
		[[return !re2::RE2::PartialMatch("text", "e");]])],
		[RE2_LIBS="$RE2_LIBS -lstdc++"],
		[sfs_re2="no: $CXX builds nothing with it"])
	CXXFLAGS=$sfs_saved_CXXFLAGS
	LIBS=$sfs_saved_LIBS
	AC_LANG_POP([C++])
	AC_MSG_RESULT([$sfs_re2])
])
AS_IF([test "x$with_re2" = xyes && test "x$sfs_re2" != xyes],
	[AC_MSG_ERROR([--with-re2: $sfs_re2])])
AS_IF([test "x$sfs_re2" != xyes], [RE2_CFLAGS= RE2_LIBS=])
AM_CONDITIONAL([RE2], [test "x$sfs_re2" = xyes])
])
