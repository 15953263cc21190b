/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_ROUTING_H
#define SFS_FS_ROUTING_H

#include "fs/internal.h"

/*
 * What routing by CEL adds to the tree: routes/, a link for each routing
 * value, and where/, a directory for each column; nobody outside this room
 * includes it.
 */

enum { ROUTE_TARGET_BYTES = 32 };

/* Whether a snapshot has these. */
bool sfs_fs_has_routes(const struct sfs_snapshot *s);
bool sfs_fs_has_where(const struct sfs_snapshot *s);

/* "hash" or "cel". */
const char *sfs_fs_strategy(const struct sfs_snapshot *s);

/* "region:string,tier:int" */
void sfs_fs_print_columns(const struct sfs_sharding *s, struct sfs_buf *out);

/* The shard of the routing value that is spelled like this; false: none. */
bool sfs_routes_find(const struct sfs_snapshot *s, const char *name,
                     uint32_t *db_id_out);

/*
 * The name of a shard's routing value, with NUL. NAME_TOO_LONG: it does not
 * fit in cap; UNSUPPORTED: there are no routing values.
 */
enum sfs_rc sfs_routes_name(const struct sfs_snapshot *s, uint32_t db_id,
                            char *out, size_t cap,
                            size_t *len_out) SFS_NODISCARD;

/* "../shards/00003"; its length. */
size_t sfs_routes_target(uint32_t db_id, char *out, size_t cap);

/*
 * A name in a directory below where/ that is not of keys. A name that cannot
 * be is NOT_FOUND, and the reason is left in last_error and in the log.
 */
enum sfs_rc sfs_where_lookup(struct sfs_fs *fs, const struct sfs_where_dir *dir,
                             const char *name, struct sfs_entry *out,
                             struct sfs_err *err) SFS_NODISCARD;

/*
 * NOT_FOUND with the reason why a name cannot be. The kernel only hears
 * ENOENT; programs that look for hidden files everywhere need no reason.
 */
enum sfs_rc sfs_where_explain(struct sfs_fs *fs, const char *name,
                              struct sfs_err *err);

/* The columns of a directory; release them whatever was returned. */
enum sfs_rc sfs_where_columns(const struct sfs_where_dir *dir,
                              struct sfs_columns *out,
                              struct sfs_err *err) SFS_NODISCARD;

/* True if the columns of a directory suffice, so that it has keys. */
bool sfs_where_is_complete(const struct sfs_where_dir *dir);

void sfs_where_attr(struct sfs_fs *fs, const struct sfs_where_dir *dir,
                    struct sfs_attr *out);

#endif
