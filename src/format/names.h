/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_NAMES_H
#define SFS_FORMAT_NAMES_H

#include "base/clock.h"
#include "format/current.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The names of objects and of snapshots, in both directions.
 *
 * A manifest lies at "manifests/<ts>_run_id=<run>/manifest", <ts> being
 * 2026-11-20T12:00:00.123456Z. Its snapshot ID in the tree is
 * "20261120T120000.123456Z-<run>": the same two parts without ':'.
 */
#define SFS_MANIFESTS_PREFIX "manifests/"

enum {
	SFS_SNAPSHOT_ID_BYTES = SFS_RUN_ID_BYTES + 32,
	SFS_MANIFEST_KEY_BYTES = SFS_RUN_ID_BYTES + 64,
};

struct sfs_snapshot_id {
	int64_t published_at_ns; /* of <ts>; whole microseconds */
	char run_id[SFS_RUN_ID_BYTES];
};

/* One to 255 of [A-Za-z0-9._-], and neither "." nor "..". */
bool sfs_run_id_is_valid(const char *run_id, size_t len);

/* True if key is a manifest's key, or "manifests/<x>/" (as listed). */
bool sfs_snapshot_id_from_manifest_key(const char *key,
                                       struct sfs_snapshot_id *out);
bool sfs_snapshot_id_from_text(const char *text, struct sfs_snapshot_id *out);
void sfs_snapshot_id_text(const struct sfs_snapshot_id *id,
                          char out[SFS_SNAPSHOT_ID_BYTES]);
void sfs_snapshot_id_manifest_key(const struct sfs_snapshot_id *id,
                                  char out[SFS_MANIFEST_KEY_BYTES]);

/* Newest first: by time, then by run id, both descending. */
int sfs_snapshot_id_compare(const struct sfs_snapshot_id *a,
                            const struct sfs_snapshot_id *b);

/*
 * A time inside an object, as shardyfusion prints it: as sfs_time_format(),
 * but without a fraction that is zero.
 */
void sfs_timestamp_format(int64_t wall_ns, char out[SFS_TIME_BYTES]);

/*
 * The snapshot whose manifest's key "manifests/<x>/manifest" is the tail of a
 * manifest_ref. CORRUPT if the ref does not end in one.
 */
enum sfs_rc sfs_snapshot_id_from_ref(const char *ref,
                                     struct sfs_snapshot_id *out,
                                     struct sfs_err *err) SFS_NODISCARD;

/*
 * Rebases a URL of the manifest onto the mounted store: if url lies under
 * s3_prefix or under store_url (doubled and trailing slashes aside), writes
 * its rest, a key without leading or trailing '/', to out. CORRUPT, naming
 * the URL, if it lies elsewhere, holds a "." or ".." segment or a control
 * character, or does not fit.
 */
enum sfs_rc sfs_url_rebase(const char *url, const char *s3_prefix,
                           const char *store_url, char *out, size_t cap,
                           struct sfs_err *err) SFS_NODISCARD;

/* "<shard_prefix>/run_id=<run>/": below it lie all objects of a run. */
void sfs_run_key_prefix(const char *shard_prefix, const char *run_id, char *out,
                        size_t cap);

/*
 * The directory of one attempt below the store:
 * "<shard_prefix>/run_id=<run>/<template>/attempt=<NN>". The template is a
 * Python format string with {db_id} or {db_id:0Nd}; INVALID if it is
 * anything else.
 */
enum sfs_rc sfs_attempt_key(const char *shard_prefix, const char *run_id,
                            const char *db_path_template, uint32_t db_id,
                            uint32_t attempt, char *out, size_t cap,
                            struct sfs_err *err) SFS_NODISCARD;

#endif
