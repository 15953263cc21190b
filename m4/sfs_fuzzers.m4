dnl SPDX-License-Identifier: Apache-2.0
AC_DEFUN([SFS_FUZZERS], [
AC_ARG_ENABLE([fuzzers],
	[AS_HELP_STRING([--enable-fuzzers],
		[build the libFuzzer targets (needs clang)])],
	[], [enable_fuzzers=no])
AS_IF([test "x$enable_fuzzers" = xyes],
	[SFS_SANITIZE_CFLAGS="$SFS_SANITIZE_CFLAGS -fsanitize=fuzzer-no-link"])
AM_CONDITIONAL([FUZZERS], [test "x$enable_fuzzers" = xyes])
])
