/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_GC_H
#define SFS_BUILD_GC_H

#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Garbage collection: deletes old snapshots, and objects that belong to none.
 * Protected are: what is current, what a tag names, the pins, the last keep
 * snapshots, whatever is younger than grace_ms, runs whose lease lives, and
 * on a local store snapshots that a reader holds open (a shared flock on the
 * manifest file).
 *
 * The manifest goes first, then what no kept manifest refers to. _CURRENT is
 * read again before every batch. Each deletion is logged; a dry run deletes
 * nothing and tells the same.
 */
enum sfs_gc_kind {
	SFS_GC_SNAPSHOT = 1, /* a manifest, and its run's own shards */
	SFS_GC_RUN,          /* shards of a run without manifest: dead or old */
	SFS_GC_LOSER,        /* an attempt that did not win */
	SFS_GC_RECORD,       /* a run record of what is gone */
};

/* What is deleted, or would be. Strings are borrowed in the call. */
struct sfs_gc_item {
	enum sfs_gc_kind kind;
	const char *name;   /* snapshot ID, run id, or key prefix */
	const char *reason; /* why it may go */
	uint64_t objects;
	uint64_t bytes;
};

/* "snapshot", "run", "loser", "record". */
const char *sfs_gc_kind_name(enum sfs_gc_kind kind);

/* Why something stays that is not just young. */
struct sfs_gc_kept {
	const char *name;
	const char *reason;
	bool is_current;
};

struct sfs_gc_config {
	struct sfs_store *store;
	struct sfs_catalog *catalog;
	const char *run_prefix;
	const char *const *pins; /* snapshot IDs, run ids or tags */
	size_t pin_count;
	uint64_t keep;    /* newest snapshots; at least 1 */
	int64_t grace_ms; /* default 24 h */
	bool is_delete;
	void (*item)(void *arg, const struct sfs_gc_item *item);
	void (*kept)(void *arg, const struct sfs_gc_kept *kept); /* or NULL */
	void *arg;
};

struct sfs_gc_result {
	uint64_t snapshots;
	uint64_t objects;
	uint64_t bytes;
};

/* CONFLICT: _CURRENT moved to something that was to be deleted: stopped. */
enum sfs_rc sfs_gc_run(const struct sfs_gc_config *config,
                       struct sfs_gc_result *out, const struct sfs_call *call,
                       struct sfs_err *err) SFS_NODISCARD;

/*
 * After a publish, best effort: the attempts of the run that are not among
 * the winners (key prefixes, count of them).
 */
enum sfs_rc sfs_gc_losers(struct sfs_store *store, const char *run_key_prefix,
                          const char *const *winners, size_t count,
                          const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;

#endif
