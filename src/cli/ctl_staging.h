/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CLI_CTL_STAGING_H
#define SFS_CLI_CTL_STAGING_H

#include "build/area.h"
#include "build/build.h"
#include "cli/ctl.h"

/* What the commands that build share. */

/* The staging directory of --staging-dir, of the mount, or the default. */
enum sfs_rc sfs_ctl_staging_dir(const struct sfs_ctl_args *args,
                                const struct sfs_ctl_target *t, char *out,
                                size_t cap, struct sfs_err *err) SFS_NODISCARD;

/* The staging area there; adopt: with the builds that nobody owns. */
enum sfs_rc sfs_ctl_area_open(const struct sfs_ctl_args *args,
                              const struct sfs_ctl_target *t, bool adopt,
                              struct sfs_area **out,
                              struct sfs_err *err) SFS_NODISCARD;

/*
 * Publishes, with progress on standard error; SIGINT and SIGTERM cancel.
 * Prints the snapshot, or what is wrong with the build; the exit status.
 */
int sfs_ctl_publish_build(const struct sfs_ctl_args *args, struct sfs_build *b);

#endif
