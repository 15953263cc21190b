/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_BUILD_CONFIG_H
#define SFS_BUILD_BUILD_CONFIG_H

#include "base/buf.h"
#include "build/placement.h"
#include "format/keys.h"
#include "format/manifest.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The settings of one build: staging/NAME/config.yaml, a YAML mapping.
 * shardyfs-ingest(5) lists them. Made by init or by zeros, copied by copy,
 * ended by release, since placement is counted.
 */
enum {
	SFS_BUILD_TEXT_BYTES = 256,
	SFS_BUILD_CUSTOM_BYTES = 16 << 10,
	SFS_BUILD_CONFIG_MAX_BYTES = 1 << 20,
};

struct sfs_build_config {
	enum sfs_key_encoding key_encoding;
	uint32_t num_dbs;                /* 0: that and the data tell */
	uint64_t max_keys_per_shard;     /* 0: not by that */
	struct sfs_placement *placement; /* NULL: by hash */
	uint32_t page_size;              /* 0: auto */
	uint32_t shard_retry;            /* attempts beyond the first */
	bool skip_bad_records;           /* on_bad_record: skip; else refuse */
	char key_col[SFS_BUILD_TEXT_BYTES]; /* "_key" */
	char shard_prefix[SFS_BUILD_TEXT_BYTES];
	char db_path_template[SFS_BUILD_TEXT_BYTES];
	char custom[SFS_BUILD_CUSTOM_BYTES]; /* JSON object text */
};

/* The defaults of the format: u64be, 8 shards, page size 4096. */
void sfs_build_config_init(struct sfs_build_config *c);

/* to loses what it had. */
void sfs_build_config_copy(struct sfs_build_config *to,
                           const struct sfs_build_config *from);
void sfs_build_config_release(struct sfs_build_config *c);

/*
 * Settings in data over those in *c; a setting that is not named keeps its
 * value, but num_dbs and max_keys_per_shard replace each other. INVALID:
 * "config.yaml:LINE: what and what would be right", with the closest name
 * for an unknown one; *c is then unchanged.
 */
enum sfs_rc sfs_build_config_parse(struct sfs_build_config *c, const char *data,
                                   size_t len,
                                   struct sfs_err *err) SFS_NODISCARD;

/*
 * The file that mkdir pre-fills: every setting, with a comment line each. A
 * placement that is too large for it is left out; *c is then another one than
 * the file's.
 */
void sfs_build_config_print(const struct sfs_build_config *c,
                            struct sfs_buf *out);

bool sfs_build_config_is_printable(const struct sfs_build_config *c);

/* text in double quotes, as YAML has it. */
void sfs_build_config_quote(struct sfs_buf *out, const char *text);

/* What a base fixes: encoding, routing, num_dbs, key_col; templates and prefix too. */
enum sfs_rc sfs_build_config_from_base(struct sfs_build_config *c,
                                       const struct sfs_manifest *base,
                                       struct sfs_err *err) SFS_NODISCARD;

/* INVALID, naming the setting, where the build contradicts its base. */
enum sfs_rc sfs_build_config_check_base(const struct sfs_build_config *c,
                                        const struct sfs_manifest *base,
                                        struct sfs_err *err) SFS_NODISCARD;

#endif
