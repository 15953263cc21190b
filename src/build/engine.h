/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_ENGINE_H
#define SFS_BUILD_ENGINE_H

#include "base/buf.h"
#include "base/budget.h"
#include "base/slabs.h"
#include "base/workers.h"
#include "build/build_config.h"
#include "build/files.h"
#include "build/progress.h"
#include "format/names.h"
#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What makes a snapshot of a build's files: parses the ingest files while
 * they are written, sorts, builds shards in the background, publishes. It
 * reads the files (build/files.h) and is told when they change. Any thread.
 */
struct sfs_engine;

/* Shared by the builds of an area; borrowed. */
struct sfs_engine_context {
	struct sfs_store *store;
	struct sfs_catalog *catalog;
	const char *run_prefix;
	const char *url; /* of the store, as the manifest will say */
	struct sfs_slabs *slabs;
	struct sfs_budget *large; /* records, windows: what is being read */
	struct sfs_budget *idle;  /* unpacked so far, and open: what is not */
	struct sfs_workers *workers;  /* that parse */
	struct sfs_workers *spillers; /* that sort; they never wait for slabs */
	unsigned threads;             /* builders */
	size_t value_max;
	int64_t settle_ms;
	int64_t lock_ms;
};

/* name and files are borrowed, outliving the engine. */
enum sfs_rc sfs_engine_new(const struct sfs_engine_context *context,
                           const char *name, struct sfs_files *files,
                           struct sfs_engine **out,
                           struct sfs_err *err) SFS_NODISCARD;

/* What is left to do when it was published, and nobody waits for it. */
void sfs_engine_clean(struct sfs_engine *e);

/* Cancels what is under way and waits for it. NULL is fine. */
void sfs_engine_free(struct sfs_engine *e);

/* Deletes the unpublished objects from the store, and ends the run record. */
enum sfs_rc sfs_engine_discard(struct sfs_engine *e,
                               struct sfs_err *err) SFS_NODISCARD;

/* New settings: everything is parsed again if need be. */
void sfs_engine_set_config(struct sfs_engine *e,
                           const struct sfs_build_config *config);

/*
 * The ingest file seq: bytes were added at its end (it is now so long); or it
 * was written in the middle or truncated (what was parsed of it is void); or
 * the number of its writers became zero or more than that.
 */
void sfs_engine_ingest_grew(struct sfs_engine *e, uint64_t seq, uint64_t size);
void sfs_engine_ingest_changed(struct sfs_engine *e, uint64_t seq);
void sfs_engine_ingest_writers(struct sfs_engine *e, uint64_t seq,
                               bool is_open);

/* An ingest file came, went, or has a new name or seq. */
void sfs_engine_ingest_listed(struct sfs_engine *e);

/*
 * Waits until what was written of seq is parsed. CORRUPT: it has bad records
 * and they are not to be skipped.
 */
enum sfs_rc sfs_engine_ingest_wait(struct sfs_engine *e, uint64_t seq,
                                   const struct sfs_call *call,
                                   struct sfs_err *err) SFS_NODISCARD;

/* The contracts of build/build.h. */
enum sfs_rc sfs_engine_settle(struct sfs_engine *e, const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_engine_publish(struct sfs_engine *e,
                               struct sfs_snapshot_id *id_out,
                               const struct sfs_call *call,
                               struct sfs_err *err) SFS_NODISCARD;

/*
 * At adoption: did a publish of this build succeed just before its owner
 * died? *is_published: then *id_out. IO and others: it cannot be told now.
 */
enum sfs_rc sfs_engine_recover(struct sfs_engine *e, bool *is_published,
                               struct sfs_snapshot_id *id_out,
                               const struct sfs_call *call,
                               struct sfs_err *err) SFS_NODISCARD;

void sfs_engine_get_progress(struct sfs_engine *e,
                             struct sfs_build_progress *out);
void sfs_engine_print_status(struct sfs_engine *e, struct sfs_buf *out);
void sfs_engine_print_errors(struct sfs_engine *e, struct sfs_buf *out);
enum sfs_rc sfs_engine_print_plan(struct sfs_engine *e, struct sfs_buf *out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_engine_print_json(struct sfs_engine *e, struct sfs_buf *out);

#endif
