/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_RUNRECORD_H
#define SFS_FORMAT_RUNRECORD_H

#include "format/current.h"
#include "shardyfs/err.h"

#include <stddef.h>

/* A run record, "<runs>/<ts>_run_id=<run>_<uuidhex>/run.yaml", as read. */
enum sfs_run_status {
	SFS_RUN_INVALID = 0,
	SFS_RUN_RUNNING,
	SFS_RUN_SUCCEEDED,
	SFS_RUN_FAILED,
};

enum { SFS_RUN_RECORD_MAX_BYTES = 64 << 10 };

struct sfs_run_record {
	char run_id[SFS_RUN_ID_BYTES];
	enum sfs_run_status status;
	char manifest_ref[SFS_URL_BYTES]; /* "": null */
};

/* CORRUPT: not a YAML mapping, no run_id, an unknown status. */
enum sfs_rc sfs_run_record_parse(const char *data, size_t len,
                                 struct sfs_run_record *out,
                                 struct sfs_err *err) SFS_NODISCARD;

#endif
