/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_AREA_INTERNAL_H
#define SFS_BUILD_AREA_INTERNAL_H

#include "build/area.h"
#include "build/build_internal.h"

#include <pthread.h>
#include <stdatomic.h>

/* What area*.c share; nobody else includes this. */

#define SFS_AREA_NEW ".new-"   /* a build that is being made */
#define SFS_AREA_DONE ".done-" /* one that was published or discarded */
#define SFS_AREA_LOCK ".lock"

struct sfs_area {
	char *dir; /* immutable, as all up to lock */
	int dir_fd;
	char *run_prefix;
	char *url;
	struct sfs_area_config config; /* its strings are the ones above */
	struct sfs_slabs *slabs;
	struct sfs_budget large;
	struct sfs_budget idle;
	struct sfs_workers *workers;
	struct sfs_workers *spillers;
	struct sfs_engine_context context;

	pthread_mutex_t lock;      /* of all below; no call is made under it */
	struct sfs_build **builds; /* references */
	size_t count;
	size_t cap;

	pthread_t reaper; /* removes what is done */
	bool has_reaper;
	atomic_bool is_stopping;
	pthread_cond_t has_dead;
	struct sfs_build *dead; /* references, by next_dead */
	bool is_burying;        /* one that left that list; protected by lock */
};

/* --- area_dir.c: directories and locks ----------------------------------- */

enum sfs_rc sfs_area_dir_open(const char *dir, bool creates, int *fd_out,
                              struct sfs_err *err) SFS_NODISCARD;

/* One letter up to 255 of them, no '/', not a '.' first. */
enum sfs_rc sfs_area_check_name(const char *name,
                                struct sfs_err *err) SFS_NODISCARD;

/*
 * Held for a moment while a build is made, adopted or looked at, so that
 * nobody takes one for dead whose owner has not locked it yet. Without a call
 * it waits for as long as it takes.
 */
enum sfs_rc sfs_area_guard(int area_fd, bool creates, int *guard_out,
                           const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

/*
 * Takes the lock of a build's directory and writes our pid into it. BUSY:
 * somebody has it; *pid_out (may be NULL) is his, 0 if it cannot be told.
 */
enum sfs_rc sfs_area_lock_build(int build_fd, int *lock_out, int64_t *pid_out,
                                struct sfs_err *err) SFS_NODISCARD;
/* The pid of who has it; 0: nobody. */
int64_t sfs_area_owner(int build_fd);

/* Is it still what the name leads to? */
bool sfs_area_is_linked(int area_fd, const char *name, int build_fd);

/* A name of its own, with this prefix. */
enum sfs_rc sfs_area_unique_name(const char *prefix, char out[64],
                                 struct sfs_err *err) SFS_NODISCARD;

/* Renames a build's directory to a .done one; *name_out is its name now. */
enum sfs_rc sfs_area_set_aside(int area_fd, const char *name, char name_out[64],
                               struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_area_remove_dir(int area_fd, const char *name,
                                const atomic_bool *stop,
                                struct sfs_err *err) SFS_NODISCARD;

/* --- area_begin.c ----------------------------------------------------------- */

enum sfs_rc sfs_area_adopt_all(struct sfs_area *a,
                               struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_area_add(struct sfs_area *a, struct sfs_build *b,
                         struct sfs_err *err) SFS_NODISCARD;
/* False: it was not there. The reference is the caller's now. */
bool sfs_area_take(struct sfs_area *a, struct sfs_build *b);

/* --- area_reap.c ------------------------------------------------------------ */

enum sfs_rc sfs_area_reaper_start(struct sfs_area *a,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_area_reaper_stop(struct sfs_area *a);

#endif
