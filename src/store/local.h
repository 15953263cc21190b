/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_STORE_LOCAL_H
#define SFS_STORE_LOCAL_H

#include "shardyfs/store.h"

/*
 * A store in a local directory. Objects are regular files; every other kind
 * of file is refused (CORRUPT, "is not a regular file"), and so is a
 * directory link that leaves the store (CORRUPT, "leaves the store").
 *
 * Not every name is a key: at most 64 segments, none empty, "." or "..", no
 * control character, none that begins with ".tmp-" (unfinished files), and
 * not ".lock". Files of such names are no objects and not listed.
 *
 * create writes past the page cache where the file system lets it; its bytes,
 * and copies, are on the disk after the barrier. copy makes a hard link where
 * it can, so a pin (flock) of one holds the other too: pin objects that are
 * never copied.
 *
 * put_if holds an OFD lock on "STORE/.lock", which dies with its holder.
 * Version tags are sfs_tag_hash() of the bytes: put, put_if, put_file, watch
 * and sfs_store_get agree. Open objects and listings leave them empty, since
 * a shard is too large to be read for its tag. Nothing is cached, so the
 * files may be replaced by other programs; one that is overwritten in place
 * while it is open is read in its new bytes.
 */

/*
 * dir: an existing directory. NOT_FOUND, NOT_DIR, AUTH. UNSUPPORTED: the
 * kernel or a sandbox does not have openat2(2).
 */
enum sfs_rc sfs_store_local_open(const char *dir, struct sfs_store **out,
                                 struct sfs_err *err) SFS_NODISCARD;

#endif
