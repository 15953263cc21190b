/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_GC_INTERNAL_H
#define SFS_BUILD_GC_INTERNAL_H

#include "base/arena.h"
#include "build/gc.h"
#include "build/gc_refs.h"
#include "format/names.h"
#include "format/runrecord.h"

/* What the files of gc share; nobody else includes this. */

enum { SFS_GC_WHY_BYTES = 320 };

struct sfs_gc_manifest {
	struct sfs_snapshot_id id;
	uint64_t bytes;
	bool is_published;
	bool is_kept;
	bool is_silent; /* kept because it is young */
	bool is_deleted;
	char why[SFS_GC_WHY_BYTES]; /* it is kept, or may go */
};

struct sfs_gc_record {
	const char *run_id;
	const char *key; /* of run.yaml */
	enum sfs_run_status status;
	bool is_claimed;
	int64_t lease_ns; /* when its lease ends or ended */
	int64_t last_ns;  /* the later of that and its last change */
	uint64_t bytes;
};

/* A run, and all that is left of it. */
struct sfs_gc_run {
	const char *run_id;
	struct sfs_gc_record *records;
	size_t record_count;
	size_t manifests; /* that still are there */
	int64_t kept_ns;  /* when the newest that stays was published */
	bool has_kept;
	bool has_unpublished_kept;
	bool is_live;
	bool may_go;   /* what belongs to no kept manifest */
	bool is_asked; /* may_go was found out */
};

struct sfs_gc {
	const struct sfs_gc_config *config;
	struct sfs_gc_result *result;
	const struct sfs_call *call;
	struct sfs_err *err; /* never NULL */
	int64_t now_ns;
	int64_t grace_ns;
	struct sfs_tag pointer_tag; /* as it was looked at last */
	struct sfs_arena *texts;
	struct sfs_gc_refs refs;
	struct sfs_gc_manifest *manifests; /* newest first */
	size_t manifest_count;
	struct sfs_gc_record *records; /* by run id */
	size_t record_count;
	size_t record_cap;
	struct sfs_gc_run *runs; /* by run id */
	size_t run_count;
	size_t run_cap;
	const char **prefixes; /* of shards and the like: "shards" */
	size_t prefix_count;
};

enum sfs_rc sfs_gc_no_memory(struct sfs_gc *gc);
void sfs_gc_tell_kept(struct sfs_gc *gc, const char *name, const char *why,
                      bool is_current);
bool sfs_gc_is_young(const struct sfs_gc *gc, int64_t ns);
struct sfs_gc_run *sfs_gc_run_find(struct sfs_gc *gc, const char *run_id);

/* gc_roots.c: which manifests there are and which stay; fills the refs. */
enum sfs_rc sfs_gc_find_manifests(struct sfs_gc *gc) SFS_NODISCARD;
enum sfs_rc sfs_gc_decide(struct sfs_gc *gc) SFS_NODISCARD;
void sfs_gc_note_in_run(struct sfs_gc *gc, const struct sfs_gc_manifest *m);
enum sfs_rc sfs_gc_add_prefix(struct sfs_gc *gc,
                              const char *prefix) SFS_NODISCARD;
enum sfs_rc sfs_gc_keep_late(struct sfs_gc *gc, struct sfs_gc_manifest *m,
                             const char *why) SFS_NODISCARD;
/* *is_tagged: a tag names it by now, which is then in m->why. */
enum sfs_rc sfs_gc_look_at_tags(struct sfs_gc *gc, struct sfs_gc_manifest *m,
                                bool *is_tagged) SFS_NODISCARD;
/*
 * Reads the pointer again; protects what was published since. CONFLICT: it
 * names a manifest that goes.
 */
enum sfs_rc sfs_gc_look_again(struct sfs_gc *gc) SFS_NODISCARD;

/* gc_runs.c: the runs, and whether somebody may still work on them. */
enum sfs_rc sfs_gc_find_records(struct sfs_gc *gc) SFS_NODISCARD;
bool sfs_gc_has_live_record(const struct sfs_gc *gc, const char *run_id);
enum sfs_rc sfs_gc_find_runs(struct sfs_gc *gc) SFS_NODISCARD;
enum sfs_rc sfs_gc_ask_run(struct sfs_gc *gc,
                           struct sfs_gc_run *run) SFS_NODISCARD;

/* gc_sweep.c: counts or deletes what no manifest refers to. */
struct sfs_gc_tally {
	uint64_t objects; /* that go */
	uint64_t bytes;
	uint64_t left;     /* that are referred to */
	int64_t newest_ns; /* of those that go */
};

enum sfs_rc sfs_gc_sweep(struct sfs_gc *gc, const char *prefix, bool is_delete,
                         struct sfs_gc_tally *tally) SFS_NODISCARD;
/* The same below all prefixes of the run. */
enum sfs_rc sfs_gc_sweep_run(struct sfs_gc *gc, const char *run_id,
                             bool is_delete,
                             struct sfs_gc_tally *tally) SFS_NODISCARD;

#endif
