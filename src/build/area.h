/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_AREA_H
#define SFS_BUILD_AREA_H

#include "build/build.h"
#include "format/keys.h"
#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The staging area of a store: a directory on local disk with one directory
 * for each build. A build belongs to the process that holds the lock in its
 * directory; an area adopts every build that nobody holds when it is opened.
 * What is on disk (area.c says what) is all there is: nothing is replayed.
 */
struct sfs_area;

struct sfs_area_config {
	const char *dir; /* made if it is missing; borrowed as all here */
	struct sfs_store *store;
	struct sfs_catalog *catalog;
	const char *run_prefix;
	const char *url;     /* NULL: the store's own */
	size_t build_memory; /* bytes; 32 MiB at least */
	unsigned threads;    /* builders; at least 1 */
	size_t value_max;    /* bytes of a value */
	bool sync_on_close;
	int64_t settle_ms; /* after the last ingest file closed; 0: never */
	int64_t lock_ms;   /* waiting for another publisher */
	enum sfs_key_encoding key_encoding; /* INVALID: as the current one */
	uint32_t num_dbs; /* 0: as the current snapshot's, or 8 */
	bool adopt;       /* false: leave the builds of the dead alone */
};

/* IO, AUTH: names the directory and the option. */
enum sfs_rc sfs_area_open(const struct sfs_area_config *config,
                          struct sfs_area **out,
                          struct sfs_err *err) SFS_NODISCARD;

/* Ends all work; the builds stay for whoever opens the area next. */
void sfs_area_close(struct sfs_area *a); /* NULL is fine */

/*
 * Begins a build. EXISTS; BUSY: another process builds under that name;
 * INVALID: no name for a build; NO_SPACE; CANCELED, TIMEOUT.
 */
enum sfs_rc sfs_area_begin(struct sfs_area *a, const char *name,
                           struct sfs_build **out, const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

/*
 * Takes over one build that nobody holds, whatever config.adopt says. *out is
 * a reference; NULL: a publish of it had succeeded when its owner ended, and
 * it is gone. NOT_FOUND; BUSY: its owner lives; EXISTS: this process has it.
 */
enum sfs_rc sfs_area_adopt(struct sfs_area *a, const char *name,
                           struct sfs_build **out,
                           struct sfs_err *err) SFS_NODISCARD;

/* A reference; NULL: this process has no build of that name. */
struct sfs_build *sfs_area_find(struct sfs_area *a, const char *name);

/* Names of the builds of this process, sorted; false ends the listing. */
typedef bool sfs_area_name_fn(void *arg, const char *name);
void sfs_area_list(struct sfs_area *a, sfs_area_name_fn *fn, void *arg);

/*
 * Ends a build and removes it: its work is cancelled, its unpublished objects
 * are deleted from the store as far as that can be reached, its directory is
 * gone when this returns. INVALID, "not empty", if it holds files that
 * rm -r would have removed, unless is_forced.
 */
enum sfs_rc sfs_area_discard(struct sfs_area *a, struct sfs_build *b,
                             bool is_forced, struct sfs_err *err) SFS_NODISCARD;

/* All builds below a staging directory, of the living and of the dead. */
struct sfs_area_entry {
	const char *name;
	int64_t pid; /* of its owner; 0: nobody owns it */
	int64_t modified_ns;
	uint64_t bytes; /* in its directory */
	uint64_t files;
	const char *run_id; /* "": no object was written yet */
};
typedef bool sfs_area_entry_fn(void *arg, const struct sfs_area_entry *entry);
enum sfs_rc sfs_area_scan(const char *dir, sfs_area_entry_fn *fn, void *arg,
                          struct sfs_err *err) SFS_NODISCARD;

/*
 * The default for a store: $XDG_STATE_HOME/shardyfs/HASH (~/.local/state),
 * for root /var/lib/shardyfs/HASH; HASH tells the store's URL.
 */
enum sfs_rc sfs_area_default_dir(const char *store_url, char *out, size_t cap,
                                 struct sfs_err *err) SFS_NODISCARD;

#endif
