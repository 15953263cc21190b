/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CATALOG_LEASE_H
#define SFS_CATALOG_LEASE_H

#include "format/runrecord.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The run record of a run that is under way, with its lease: who reads it
 * knows that somebody still works on these objects. Renewed by a thread of
 * its own every minute for ten; only its writer changes it, by
 * compare-and-swap, so a run that somebody else claimed (gc does, when the
 * lease is long over) is noticed.
 */
struct sfs_lease;

struct sfs_lease_config {
	struct sfs_store *store; /* borrowed */
	const char *run_prefix;  /* "runs" */
	const char *run_id;
	const char *s3_prefix;    /* URL as the manifest will say */
	const char *shard_prefix; /* "": as in the record that is taken up */
	const char *db_path_template; /* the same */
	const char *writer_type;      /* "shardyfs" */
	const char *record_key; /* NULL: a new record; else take this up */
	int64_t renew_ms;       /* 0: SFS_LEASE_RENEW_MS; for tests */
};

enum {
	SFS_LEASE_MS = 10 * 60 * 1000,
	SFS_LEASE_RENEW_MS = 60 * 1000,
};

/*
 * Writes or takes up the record: running. CONFLICT: somebody claimed it, or
 * it is gone. EXISTS: the run has succeeded. Where it failed, *out is NULL,
 * but for a new record that may have been written all the same: such a lease
 * goes on, and writing, renewing or ending it finds the record or makes it.
 * Only if its owner dies first is a record left that says running; gc ends
 * it when the lease is over.
 */
enum sfs_rc sfs_lease_begin(const struct sfs_lease_config *config,
                            struct sfs_lease **out, const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;

/* Where the record lies in the store. Borrowed. */
const char *sfs_lease_record_key(const struct sfs_lease *l);

/*
 * Writes it once more now. CONFLICT: it is no longer ours. TIMEOUT, CANCELED:
 * also while another thread writes it.
 */
enum sfs_rc sfs_lease_confirm(struct sfs_lease *l, const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

/*
 * The end: succeeded with the manifest's URL, or failed with an error type
 * ("ShardCoverageError") and message. The lease ends now.
 */
enum sfs_rc sfs_lease_succeed(struct sfs_lease *l, const char *manifest_ref,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_lease_fail(struct sfs_lease *l, const char *error_type,
                           const char *message, const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

/* Ends the thread; the record stays as it was written last. */
void sfs_lease_close(struct sfs_lease *l); /* NULL is fine */

/*
 * For gc: ends a run whose lease is over in the name of its writer, who finds
 * out when it comes back. From then on the record is failed with this error
 * type. CONFLICT: the record changed since it had the version *tag.
 */
#define SFS_LEASE_CLAIMED "GarbageCollected"

enum sfs_rc sfs_lease_claim(struct sfs_store *store, const char *record_key,
                            const struct sfs_run_record *record,
                            const struct sfs_tag *tag,
                            const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;

/* "<run_prefix>/<ts>_run_id=<run>_<uuidhex>/run.yaml", new each time. */
enum sfs_rc sfs_lease_new_key(const char *run_prefix, const char *run_id,
                              int64_t started_at_ns,
                              char out[SFS_STORE_KEY_MAX],
                              struct sfs_err *err) SFS_NODISCARD;

#endif
