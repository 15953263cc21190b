dnl SPDX-License-Identifier: Apache-2.0
dnl SFS_LIBRARY(VARIABLE, module, version): required, found by pkg-config.
AC_DEFUN([SFS_LIBRARY], [
PKG_CHECK_MODULES([$1], [$2 >= $3])
sfs_version_[]$1=`$PKG_CONFIG --modversion $2`
])

dnl fuse3 3.14: fuse_loop_cfg, custom_io, expire_entry (Debian 12).
dnl sqlite3 3.36: sqlite3_deserialize is always there.
dnl libxxhash 0.8: XXH3 is stable.
dnl libzstd 1.4: ZSTD_DCtx_reset and the parameters are stable.
AC_DEFUN([SFS_LIBRARIES], [
SFS_LIBRARY([FUSE3], [fuse3], [3.14])
SFS_LIBRARY([SQLITE3], [sqlite3], [3.36])
SFS_LIBRARY([XXHASH], [libxxhash], [0.8.0])
SFS_LIBRARY([CRYPTO], [libcrypto], [3.0])
SFS_LIBRARY([CJSON], [libcjson], [1.7.10])
SFS_LIBRARY([YAML], [yaml-0.1], [0.2.2])
SFS_LIBRARY([ZLIB], [zlib], [1.2.11])
SFS_LIBRARY([ZSTD], [libzstd], [1.4.0])
])
