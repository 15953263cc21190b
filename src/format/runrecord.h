/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_RUNRECORD_H
#define SFS_FORMAT_RUNRECORD_H

#include "base/buf.h"
#include "format/current.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run record, "<runs>/<ts>_run_id=<run>_<uuidhex>/run.yaml". */
enum sfs_run_status {
	SFS_RUN_INVALID = 0,
	SFS_RUN_RUNNING,
	SFS_RUN_SUCCEEDED,
	SFS_RUN_FAILED,
};

#define SFS_RUN_RECORD_NAME "run.yaml"

enum {
	SFS_RUN_RECORD_MAX_BYTES = 64 << 10,
	SFS_RUN_TEXT_BYTES = 256, /* with the NUL, as all below */
	SFS_RUN_MESSAGE_BYTES = 1024,
};

/*
 * Times are since the epoch, 0 where there is none. Only run_id, status and
 * manifest_ref are demanded of others: what else they wrote is taken as far
 * as it can be read and fits.
 */
struct sfs_run_record {
	char run_id[SFS_RUN_ID_BYTES];
	enum sfs_run_status status;
	char manifest_ref[SFS_URL_BYTES]; /* "": null */
	char writer_type[SFS_RUN_TEXT_BYTES];
	char s3_prefix[SFS_URL_BYTES];
	char shard_prefix[SFS_RUN_TEXT_BYTES];
	char db_path_template[SFS_RUN_TEXT_BYTES];
	char error_type[SFS_RUN_TEXT_BYTES];       /* "": null */
	char error_message[SFS_RUN_MESSAGE_BYTES]; /* "": null */
	int64_t started_at_ns;
	int64_t updated_at_ns;
	int64_t lease_expires_at_ns;
};

/* CORRUPT: not a YAML mapping, no run_id, an unknown status. */
enum sfs_rc sfs_run_record_parse(const char *data, size_t len,
                                 struct sfs_run_record *out,
                                 struct sfs_err *err) SFS_NODISCARD;

/* Byte for byte what Python's yaml.safe_dump() writes. */
enum sfs_rc sfs_run_record_print(const struct sfs_run_record *record,
                                 struct sfs_buf *out,
                                 struct sfs_err *err) SFS_NODISCARD;

/*
 * The directory of a run's records as listed, "<runs>/<ts>_run_id=<run>_
 * <uuidhex>/": takes out <run>. False if it is none.
 */
bool sfs_run_record_run_id(const char *key,
                           char out[SFS_RUN_ID_BYTES]) SFS_NODISCARD;

#endif
