/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CONFIG_YAML_H
#define SFS_CONFIG_YAML_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A flat YAML mapping of scalars (the form of configuration files and of run
 * records), handed to a callback pair by pair. Nested values are given as
 * value == NULL; the callback decides whether that is an error.
 */
struct sfs_yaml_pair {
	const char *key;
	const char *value; /* NULL: a nested value; "" for an empty one */
	bool is_plain;     /* unquoted: null, true, numbers mean that */
	unsigned line;     /* from 1 */
};

/* Anything but SFS_OK ends the reading and is returned. */
typedef enum sfs_rc sfs_yaml_fn(void *arg, const struct sfs_yaml_pair *pair,
                                struct sfs_err *err);

/*
 * INVALID with line and column: not YAML, no mapping, an alias, a second
 * document. An empty text (or only comments) is an empty mapping.
 */
enum sfs_rc sfs_yaml_read(const char *data, size_t len, sfs_yaml_fn *fn,
                          void *arg, struct sfs_err *err) SFS_NODISCARD;

#endif
