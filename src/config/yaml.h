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
	/* With sfs_yaml_read_nested() what a nested value holds; else NULL. */
	const struct sfs_yaml_node *nested;
};

enum sfs_yaml_kind {
	SFS_YAML_SCALAR = 1,
	SFS_YAML_LIST,
	SFS_YAML_MAPPING,
};

enum { SFS_YAML_NESTED_MAX = 4 }; /* how deep such a tree may be */

/* Borrowed during the call. */
struct sfs_yaml_node {
	enum sfs_yaml_kind kind;
	unsigned line;
	bool is_plain;
	char *name;                  /* in a mapping; NULL in a list */
	char *text;                  /* SCALAR */
	struct sfs_yaml_node *first; /* LIST, MAPPING: what it holds */
	struct sfs_yaml_node *next;
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

/*
 * The same with nested values as trees: memory grows with the text. INVALID,
 * too, if one is deeper than SFS_YAML_NESTED_MAX.
 */
enum sfs_rc sfs_yaml_read_nested(const char *data, size_t len, sfs_yaml_fn *fn,
                                 void *arg, struct sfs_err *err) SFS_NODISCARD;

#endif
