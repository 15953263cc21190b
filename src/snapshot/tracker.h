/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_SNAPSHOT_TRACKER_H
#define SFS_SNAPSHOT_TRACKER_H

#include "shardyfs/err.h"
#include "snapshot/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Which snapshot is current, followed in a thread of its own. A new pointer
 * is opened first and shown after; a bad one leaves the old snapshot in
 * place, and the reason in the status.
 */
struct sfs_tracker;

/* Called from the tracker's thread after each switch, without any lock. */
typedef void sfs_tracker_switch_fn(void *arg);

struct sfs_tracker_config {
	struct sfs_snapshot_source source;
	const char *ref;       /* pin: snapshot ID or run id; NULL: follow */
	int64_t refresh_ms;    /* between two looks; 0: only when told */
	int64_t op_timeout_ms; /* of one look; 0: none */
	bool may_be_empty;     /* nothing published is no error */
	sfs_tracker_switch_fn *switched;
	void *arg;
};

struct sfs_tracker_status {
	uint64_t generation;     /* counts switches; 0: nothing shown yet */
	int64_t last_check_ns;   /* wall clock; 0: never */
	int64_t last_success_ns; /* of a look that found no fault */
	uint64_t checks;
	uint64_t failures;
	bool is_fallback;     /* an older manifest than the pointer's */
	struct sfs_err fault; /* rc SFS_OK: the last look was fine */
};

/*
 * Opens what is current now. If the pointer's manifest is missing or damaged
 * it falls back to up to 3 older ones, newest first, and says so in the log.
 * NOT_FOUND: nothing is published (unless may_be_empty). CORRUPT: the
 * pointer is damaged, or no manifest could be used. config->ref strings are
 * borrowed for the tracker's life.
 */
enum sfs_rc sfs_tracker_open(const struct sfs_tracker_config *config,
                             struct sfs_tracker **out,
                             struct sfs_err *err) SFS_NODISCARD;

/* Begins to follow. Not for a pinned tracker, which has nothing to do. */
enum sfs_rc sfs_tracker_start(struct sfs_tracker *t,
                              struct sfs_err *err) SFS_NODISCARD;

/* Ends the thread: nobody is called any more. NULL is fine. */
void sfs_tracker_stop(struct sfs_tracker *t);

/* Stops, and drops the snapshot. NULL is fine. */
void sfs_tracker_close(struct sfs_tracker *t);

/*
 * The current snapshot, a reference for the caller, and its generation; NULL
 * if nothing is published.
 */
struct sfs_snapshot *sfs_tracker_current(struct sfs_tracker *t,
                                         uint64_t *generation);

/*
 * The bytes of _CURRENT in this generation; the caller sfs_free()s them.
 * NOT_FOUND: nothing is published, or the tracker is pinned.
 */
enum sfs_rc sfs_tracker_pointer(struct sfs_tracker *t, char **bytes_out,
                                size_t *len_out,
                                struct sfs_err *err) SFS_NODISCARD;

/* Asks for a look now; returns at once. Async-signal-safe. */
void sfs_tracker_refresh(struct sfs_tracker *t);

/*
 * Looks, and returns once that snapshot is shown, or what a look that began
 * after this call found instead; with until_told also the switched callback
 * is over. CORRUPT and the like: the look failed and says why; TIMEOUT,
 * CANCELED. Not from that callback.
 */
enum sfs_rc sfs_tracker_wait(struct sfs_tracker *t,
                             const struct sfs_snapshot_id *id, bool until_told,
                             const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

void sfs_tracker_get_status(struct sfs_tracker *t,
                            struct sfs_tracker_status *out);

#endif
