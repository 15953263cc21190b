/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_BUILD_INTERNAL_H
#define SFS_BUILD_BUILD_INTERNAL_H

#include "build/build.h"
#include "build/engine.h"
#include "build/files_internal.h"
#include "build/where_name.h"

#include <pthread.h>
#include <stdatomic.h>

/* What build*.c and area*.c share; nobody else includes this. */

struct sfs_area;

enum sfs_build_state {
	SFS_BUILD_LIVE = 0,
	SFS_BUILD_PUBLISHING, /* frozen */
	SFS_BUILD_ENDING,     /* frozen, being discarded */
	SFS_BUILD_DONE,
};

/* build.c says how the states follow each other. */
struct sfs_build {
	char *name; /* immutable, as all up to lock */
	uint64_t number;
	size_t value_max;
	bool sync_on_close;
	struct sfs_catalog *catalog;
	struct sfs_files *files;
	int lock_fd; /* locked while the build is ours */

	pthread_mutex_t lock; /* the next ones; never held across a call */
	pthread_cond_t idle;  /* changers or users became none */
	enum sfs_build_state state;
	unsigned refs;
	unsigned users;              /* of the engine */
	unsigned changers;           /* of files */
	struct sfs_area *area;       /* NULL: the area is closed */
	struct sfs_engine *engine;   /* used by users only */
	struct sfs_build *next_dead; /* protected by the area's lock */
	char done_name[64];          /* of its directory, once it is done */

	/*
	 * Held while the engine is told of ingest files, so that what it
	 * hears last is how they are. Taken before files->lock.
	 */
	pthread_mutex_t telling;

	pthread_mutex_t settings; /* the next ones; before files->lock */
	struct sfs_build_config defaults;
	struct sfs_build_config config;     /* valid */
	struct sfs_manifest *base_manifest; /* NULL: not read yet */
	struct sfs_err fault;              /* of config.yaml; rc SFS_OK: none */
	_Atomic int encoding;              /* enum sfs_key_encoding */
	struct sfs_build_routing *routing; /* protected by lock; may be NULL */
};

struct sfs_build_options {
	const char *name;
	struct sfs_area *area;
	struct sfs_catalog *catalog;
	size_t value_max;
	bool sync_on_close;
};

/*
 * build.c. new: takes dir_fd and lock_fd over if it succeeds; reads what lies
 * there and begins an engine. The fault of a config.yaml is kept, not
 * returned.
 */
enum sfs_rc sfs_build_new(const struct sfs_build_options *options, int dir_fd,
                          int lock_fd, const struct sfs_engine_context *context,
                          struct sfs_build **out,
                          struct sfs_err *err) SFS_NODISCARD;

/* The engine stays until leave. STALE. */
enum sfs_rc sfs_build_enter(struct sfs_build *b,
                            struct sfs_err *err) SFS_NODISCARD;
void sfs_build_leave(struct sfs_build *b);

/* The same for who changes files. BUSY: it is being published. */
enum sfs_rc sfs_build_enter_change(struct sfs_build *b,
                                   struct sfs_err *err) SFS_NODISCARD;
void sfs_build_leave_change(struct sfs_build *b);

/* Waits for the changers; BUSY: it is frozen already. STALE. */
enum sfs_rc sfs_build_freeze(struct sfs_build *b, enum sfs_build_state state,
                             struct sfs_err *err) SFS_NODISCARD;
void sfs_build_thaw(struct sfs_build *b);   /* it failed */
void sfs_build_finish(struct sfs_build *b); /* it is done */
/* Waits for the users and ends the engine; the build is done. */
void sfs_build_stop(struct sfs_build *b);
/* From now on the directory may be somebody else's. */
void sfs_build_unlock(struct sfs_build *b);
enum sfs_rc sfs_build_check_live(struct sfs_build *b,
                                 struct sfs_err *err) SFS_NODISCARD;

/* Tells the engine; the caller holds b->telling and has entered. */
void sfs_build_tell_names(struct sfs_build *b,
                          const struct sfs_name_event *event);

/* build_settings.c */
enum sfs_rc sfs_build_load_settings(struct sfs_build *b,
                                    struct sfs_err *err) SFS_NODISCARD;
/* Reads config.yaml again. INVALID, with the line; then it is the fault. */
enum sfs_rc sfs_build_reload_config(struct sfs_build *b,
                                    struct sfs_err *err) SFS_NODISCARD;
/* The same; whatever is wrong with it is only remembered. */
void sfs_build_note_config(struct sfs_build *b);
/* Would a file do as config.yaml? The caller holds b->settings. */
enum sfs_rc sfs_build_check_config_file(struct sfs_build *b,
                                        const struct sfs_build_place *place,
                                        struct sfs_err *err) SFS_NODISCARD;
/* CORRUPT: config.yaml is wrong. */
enum sfs_rc sfs_build_check_fault(struct sfs_build *b,
                                  struct sfs_err *err) SFS_NODISCARD;
bool sfs_build_is_config(enum sfs_build_dir dir, const char *name);

/* build_files.c: the rules of a directory for a new name. */
enum sfs_rc sfs_build_check_rules(struct sfs_build *b, enum sfs_build_dir dir,
                                  const char *name,
                                  struct sfs_err *err) SFS_NODISCARD;

/* build_where.c */
struct sfs_build_routing;
void sfs_build_take_routing(struct sfs_build *b,
                            const struct sfs_build_config *c);
void sfs_build_routing_unref(struct sfs_build_routing *r); /* NULL is fine */
/* INVALID: the columns in a name of WHERE are not as they must be. */
enum sfs_rc sfs_build_check_where(struct sfs_build *b, const char *name,
                                  struct sfs_err *err) SFS_NODISCARD;

/* area.c: the build was published, its directory goes. */
void sfs_area_retire(struct sfs_area *a, struct sfs_build *b);

#endif
