/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CLI_CTL_STAGING_H
#define SFS_CLI_CTL_STAGING_H

#include "build/area.h"
#include "build/build.h"
#include "cli/ctl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

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
 * Work that takes long: from begin to end SIGINT and SIGTERM raise cancel in
 * place of killing, and progress of the build (once it is set) is printed to
 * standard error. Begin before any other thread is made.
 */
struct sfs_ctl_work {
	struct sfs_cancel cancel;
	pthread_mutex_t lock;    /* protects build */
	struct sfs_build *build; /* borrowed; NULL: none */
	atomic_bool is_over;
	bool is_terminal;
	pthread_t thread;
};

enum sfs_rc sfs_ctl_work_begin(struct sfs_ctl_work *w,
                               struct sfs_err *err) SFS_NODISCARD;
void sfs_ctl_work_end(struct sfs_ctl_work *w);

/* The build to tell of; NULL: it goes away. */
void sfs_ctl_work_show(struct sfs_ctl_work *w, struct sfs_build *b);

/* In ingest/: the name of a file of --from, made unique by its place there. */
enum { SFS_CTL_INGEST_NAME_BYTES = 512 };
void sfs_ctl_ingest_name(const struct sfs_ctl_args *args, size_t index,
                         char *out, size_t cap);

/*
 * Whoever builds with --from does not know of staging/: a message names his
 * files and options. Without --from nothing changes.
 */
void sfs_ctl_speak_of_options(const struct sfs_ctl_args *args,
                              struct sfs_err *err);

/*
 * Publishes, and prints the snapshot, or what is wrong with the build; the
 * exit status.
 */
int sfs_ctl_publish_build(const struct sfs_ctl_args *args,
                          struct sfs_ctl_work *w, struct sfs_build *b);

#endif
