dnl SPDX-License-Identifier: Apache-2.0
dnl Warnings go into variables of our own; CFLAGS belong to the user.
AC_DEFUN([SFS_COMPILER], [
AC_ARG_ENABLE([werror],
	[AS_HELP_STRING([--enable-werror], [make warnings errors])],
	[], [enable_werror=no])
sfs_warnings="-Wall -Wextra -Wshadow -Wstrict-prototypes dnl
-Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wformat=2 dnl
-Wswitch-enum -Wvla -Wundef -Wconversion -Wno-sign-conversion"
AS_IF([test "x$enable_werror" = xyes],
	[sfs_warnings="$sfs_warnings -Werror"])
AC_SUBST([SFS_WARN_CFLAGS], [$sfs_warnings])
sfs_warnings_cxx='-Wall -Wextra'
AS_IF([test "x$enable_werror" = xyes],
	[sfs_warnings_cxx="$sfs_warnings_cxx -Werror"])
AC_SUBST([SFS_WARN_CXXFLAGS], [$sfs_warnings_cxx])
])
