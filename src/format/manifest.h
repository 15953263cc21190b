/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_MANIFEST_H
#define SFS_FORMAT_MANIFEST_H

#include "format/keys.h"
#include "format/sharding.h"
#include "shardyfs/err.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A manifest, format version 4: an SQLite database of two tables, as one
 * object. Parsing opens the bytes in memory, read-only and defensively
 * (untrusted schema off, no triggers or views, limits, an authorizer), and
 * copies everything out. Immutable afterwards.
 */
enum {
	SFS_MANIFEST_MAX_BYTES = 256 << 20,
	SFS_NUM_DBS_MAX = 1 << 20,    /* shards of one snapshot */
	SFS_CHECKPOINT_ID_BYTES = 65, /* with the NUL */
};

/*
 * One winning shard. All strings are owned by the manifest. A shard without
 * a row is empty too: all zero.
 */
struct sfs_manifest_shard {
	const char *db_url;  /* NULL: the shard is empty */
	const char *min_key; /* JSON int or string, or NULL */
	const char *max_key;
	const char *checkpoint_id; /* or NULL */
	const char *writer_info;   /* JSON object text, or NULL */
	uint64_t row_count;        /* records written; may exceed rows */
	uint64_t db_bytes;
	uint32_t attempt;
};

struct sfs_manifest {
	char *run_id;
	int64_t created_at_ns;
	uint32_t num_dbs;
	char *s3_prefix; /* as stored */
	char *key_col;
	char *shard_prefix;
	char *db_path_template;
	enum sfs_key_encoding key_encoding;
	char *sharding; /* JSON text as stored, which is what is written */
	struct sfs_sharding routing; /* the same, taken apart */
	char *custom; /* JSON object text, "{}" if empty; read it lax */
	struct sfs_manifest_shard *shards; /* num_dbs of them, by db_id */
	struct sfs_arena *strings; /* what the shards' strings live in */
};

/*
 * Parses the bytes. Every rejection of the format is CORRUPT or UNSUPPORTED
 * with a message of its own that begins with "manifest: ".
 */
enum sfs_rc sfs_manifest_parse(const void *data, size_t len,
                               struct sfs_manifest **out,
                               struct sfs_err *err) SFS_NODISCARD;
void sfs_manifest_free(struct sfs_manifest *m); /* NULL is fine */

/*
 * The bytes of a manifest that shardyfusion reads: rows only for shards with
 * a db_url. The caller sfs_free()s *data_out. INVALID: a string that the
 * format requires is NULL, or num_dbs is 0.
 */
enum sfs_rc sfs_manifest_serialize(const struct sfs_manifest *m,
                                   void **data_out, size_t *len_out,
                                   struct sfs_err *err) SFS_NODISCARD;

/* Sums over all shards. */
uint64_t sfs_manifest_rows(const struct sfs_manifest *m);
uint64_t sfs_manifest_bytes(const struct sfs_manifest *m);

#endif
