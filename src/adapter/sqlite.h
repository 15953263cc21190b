/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_ADAPTER_SQLITE_H
#define SFS_ADAPTER_SQLITE_H

#include "shardyfs/adapter.h"

/*
 * Shards kept as one SQLite database, "shard.db" under db_url. The reader
 * walks its pages itself (format/btree.h), the writer makes them itself
 * (format/btree_writer.h). Options of the writer: {"page_size": 512 ... 65536,
 * 4096 if absent, or "auto": the smallest from 4096 on whose pages hold most
 * of the rows whole}. Others are ignored.
 */
#define SFS_SQLITE_OBJECT "shard.db"

extern const struct sfs_adapter sfs_adapter_sqlite;

/* The two halves of the adapter, with the contracts of its table. */
enum sfs_rc sfs_sqlite_reader_open(const struct sfs_shard_location *where,
                                   struct sfs_shard_reader **out,
                                   const struct sfs_call *call,
                                   struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_sqlite_writer_open(const struct sfs_shard_location *where,
                                   struct sfs_shard_writer **out,
                                   struct sfs_err *err) SFS_NODISCARD;

#endif
