/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_BUILD_CONFIG_INTERNAL_H
#define SFS_BUILD_BUILD_CONFIG_INTERNAL_H

#include "build/build_config.h"
#include "config/yaml.h"

/* What build_config*.c share; nobody else includes this. */

enum { SFS_DEFAULT_NUM_DBS = 8 };

enum {
	SFS_SETTING_KEY_ENCODING,
	SFS_SETTING_NUM_DBS,
	SFS_SETTING_MAX_KEYS_PER_SHARD,
	SFS_SETTING_CEL,
	SFS_SETTING_CEL_COLUMNS,
	SFS_SETTING_ROUTING_VALUES,
	SFS_SETTING_RANGES,
	SFS_SETTING_SHARDING,
	SFS_SETTING_PAGE_SIZE,
	SFS_SETTING_SHARD_RETRY,
	SFS_SETTING_ON_BAD_RECORD,
	SFS_SETTING_KEY_COL,
	SFS_SETTING_SHARD_PREFIX,
	SFS_SETTING_DB_PATH_TEMPLATE,
	SFS_SETTING_CUSTOM,
	SFS_SETTINGS,
};

extern const char *const sfs_build_setting_names[SFS_SETTINGS + 1];

/* Settings of routing as they come: together they make a placement. */
struct sfs_config_routing {
	struct sfs_sharding draft; /* expression, columns, values */
	bool is_begun;             /* draft */
	bool is_inferred;
	bool is_hash;
	struct sfs_buf bounds; /* their names, each with a NUL */
	unsigned *bound_lines;
	size_t bound_count;
};

/* While a file is read. */
struct sfs_config_reading {
	struct sfs_build_config c;
	unsigned lines[SFS_SETTINGS]; /* where each was given; 0: nowhere */
	const char *name;             /* of the setting that is read */
	unsigned line;
	bool is_refused; /* the error is ours, with its place */
	struct sfs_config_routing routing;
};

typedef enum sfs_rc sfs_config_setting_fn(struct sfs_config_reading *r,
                                          const char *value,
                                          struct sfs_err *err);

/* INVALID: "config.yaml:LINE: SETTING: what". */
enum sfs_rc sfs_config_refuse(struct sfs_config_reading *r, struct sfs_err *err,
                              const char *fmt, ...) SFS_PRINTF(3, 4);

/* The key of an attempt in the worst case, or why there is none. */
enum sfs_rc sfs_build_try_template(const char *prefix, const char *template,
                                   struct sfs_err *err) SFS_NODISCARD;

/* build_config_routing.c */
sfs_config_setting_fn sfs_config_read_cel, sfs_config_read_columns,
	sfs_config_read_values, sfs_config_read_ranges,
	sfs_config_read_sharding;
bool sfs_config_takes_nested(size_t setting);
enum sfs_rc sfs_config_read_nested(struct sfs_config_reading *r, size_t setting,
                                   const struct sfs_yaml_node *node,
                                   struct sfs_err *err) SFS_NODISCARD;

/* build_config_place.c: all was read; it is put together and checked. */
enum sfs_rc sfs_config_finish_routing(struct sfs_config_reading *r,
                                      struct sfs_err *err) SFS_NODISCARD;
void sfs_config_release_routing(struct sfs_config_reading *r);

#endif
