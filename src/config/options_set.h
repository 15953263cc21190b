/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CONFIG_OPTIONS_SET_H
#define SFS_CONFIG_OPTIONS_SET_H

#include "config/options.h"

/* One setting from one source, put into a struct sfs_options. */

enum sfs_setting_origin {
	SFS_ORIGIN_DEFAULT = 0, /* from the weakest to the strongest */
	SFS_ORIGIN_FILE,
	SFS_ORIGIN_ENVIRONMENT,
	SFS_ORIGIN_COMMAND_LINE,
};

/* "name=value", and where it stands. */
struct sfs_setting {
	enum sfs_setting_origin origin;
	const char *place; /* what a fault begins with: "", "FILE:3: " */
	const char *name;
	size_t name_len;
	const char *value; /* NULL: the bare name */
};

struct sfs_options_parser {
	struct sfs_options *o;
	uint8_t origins[SFS_OPTIONS_MAX]; /* who set the row's field */
	unsigned int fault_count;
	bool is_out_of_memory;
	const char *path; /* of the configuration file, or NULL */
};

/* Adds one line to the faults. */
void sfs_options_fault(struct sfs_options_parser *p, const char *fmt, ...)
	SFS_PRINTF(2, 3);

/* "PLACE name=value: why" as a fault. */
void sfs_setting_refuse(struct sfs_options_parser *p,
                        const struct sfs_setting *s, const char *why);

/*
 * Checks the value, and stores it unless a stronger origin has stored one.
 * With the second form an unknown name is a fault.
 */
void sfs_setting_apply(struct sfs_options_parser *p,
                       const struct sfs_option *option,
                       const struct sfs_setting *s);
void sfs_setting_apply_named(struct sfs_options_parser *p,
                             const struct sfs_setting *s);

/* Frees what is there; no memory is noted in p. */
void sfs_options_replace_string(struct sfs_options_parser *p, char **field,
                                const char *value);

/* Before all else: the defaults. At the end: kernel_opts. */
void sfs_options_set_defaults(struct sfs_options_parser *p);
void sfs_options_compose_kernel_opts(struct sfs_options_parser *p);

#endif
