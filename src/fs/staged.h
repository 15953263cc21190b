/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_STAGED_H
#define SFS_FS_STAGED_H

#include "build/build.h"
#include "shardyfs/err.h"
#include "snapshot/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The nodes of staging/. Elsewhere a node id says where the node lies; files
 * that are renamed and removed while they are open need a table. A node lives
 * as long as the kernel, a request or an open file refers to it, follows
 * renames, and keeps working without a name. Its number is never used again.
 */
struct sfs_staged_table;

/* A build as the tree sees it; one for each, shared by all of its nodes. */
struct sfs_site {
	struct sfs_site *next;   /* protected by the table's lock */
	uint64_t refs;           /* the same */
	struct sfs_build *build; /* a reference; immutable */
	/*
	 * Held for reading while a file is used by its name, for writing while
	 * names change: a node's name and the file's are then one.
	 */
	pthread_rwlock_t names;
	pthread_mutex_t lock;      /* innermost */
	struct sfs_snapshot *base; /* opened; protected by base_lock */
	pthread_mutex_t base_lock;
	pthread_mutex_t copy_lock; /* one copy of a base's value at a time */
};

enum sfs_staged_kind {
	SFS_STAGED_BUILD = 1, /* staging/NAME */
	SFS_STAGED_DIR,       /* its keys/ or ingest/ */
	SFS_STAGED_FILE,
	SFS_STAGED_WHERE,      /* its where/, and columns below */
	SFS_STAGED_WHERE_KEYS, /* keys/ below columns */
};

struct sfs_staged {
	struct sfs_staged *next_by_number; /* protected by the table's lock */
	struct sfs_staged *next_by_name;   /* the same */
	uint64_t number;                   /* immutable */
	uint64_t refs;                     /* protected by the table's lock */
	struct sfs_site *site;             /* a reference; immutable */
	enum sfs_staged_kind kind;         /* immutable */
	enum sfs_build_dir dir; /* protected by site->names, as the two below */
	/*
	 * FILE: owned; stays when it is unlinked. WHERE, WHERE_KEYS: the
	 * columns as they were spelled, "tier=2/region=eu".
	 */
	char *name;
	bool is_linked;
	atomic_bool is_base; /* no staged file: it shows the base's value */
	atomic_uint_fast64_t ino;  /* 0: not known yet */
	struct sfs_handle *opened; /* protected by site->lock */
};

/* One open of a file: what the kernel's file handle stands for. */
struct sfs_handle {
	struct sfs_handle *next;      /* protected by site->lock */
	struct sfs_staged *node;      /* a reference; immutable */
	struct sfs_staged_file *file; /* protected by site->lock; NULL: the
	                                 base's value, until somebody writes;
	                                 does not change after that */
	struct sfs_place place;       /* without file; a reference; immutable */
	int flags;                    /* immutable: of open(2) */
};

/* What a name in a build stands for. */
struct sfs_staged_key {
	enum sfs_staged_kind kind;
	enum sfs_build_dir dir;
	const char *name; /* "" where the kind says it all */
};

struct sfs_staged_table *
sfs_staged_table_new(void) SFS_NODISCARD; /* NULL: no memory */
void sfs_staged_table_free(struct sfs_staged_table *t);

/* The site of a build, with a reference; NULL: no memory. */
struct sfs_site *sfs_site_enter(struct sfs_staged_table *t,
                                struct sfs_build *build) SFS_NODISCARD;
void sfs_site_leave(struct sfs_staged_table *t, struct sfs_site *site);

/* The node with that number, with a reference; NULL: none. */
struct sfs_staged *sfs_staged_at(struct sfs_staged_table *t, uint64_t number);

/*
 * The node of a name, made if there is none, with one more reference. The
 * caller holds site->names. NULL: no memory.
 */
struct sfs_staged *
sfs_staged_enter(struct sfs_staged_table *t, struct sfs_site *site,
                 const struct sfs_staged_key *key) SFS_NODISCARD;

/* Is there a node of that name? */
bool sfs_staged_is_known(struct sfs_staged_table *t, struct sfs_site *site,
                         const struct sfs_staged_key *key);

/* Adds or takes back references, the kernel's or others. */
void sfs_staged_add(struct sfs_staged_table *t, struct sfs_staged *n);
void sfs_staged_leave(struct sfs_staged_table *t, struct sfs_staged *n);
void sfs_staged_forget(struct sfs_staged_table *t, uint64_t number,
                       uint64_t count);

/*
 * The name changed on disk: the nodes follow. All with site->names held for
 * writing. A failed move (no memory) leaves the node without a name.
 */
void sfs_staged_unlinked(struct sfs_staged_table *t, struct sfs_site *site,
                         const struct sfs_build_place *at);
/* A directory below where/ too: the next one of that name is another. */
void sfs_staged_removed(struct sfs_staged_table *t, struct sfs_site *site,
                        const struct sfs_staged_key *key);
void sfs_staged_moved(struct sfs_staged_table *t, struct sfs_site *site,
                      const struct sfs_build_place *from,
                      const struct sfs_build_place *to, bool is_exchange);

uint64_t sfs_staged_count(struct sfs_staged_table *t);

#endif
