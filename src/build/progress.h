/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_PROGRESS_H
#define SFS_BUILD_PROGRESS_H

#include "format/current.h"

#include <stdint.h>

/* How far a build is, read at one moment. */
struct sfs_build_progress {
	const char *state; /* "open", "reading", "settling", "refused", ... */
	uint64_t records;
	uint64_t bad_records;
	uint64_t bytes;        /* of ingest files, as written */
	uint64_t bytes_parsed; /* of them */
	uint64_t ms;           /* from the first byte to the last one parsed */
	uint32_t sealed;       /* shards, of the settling under way */
	uint32_t to_seal;
	unsigned files;
	unsigned files_open;
	char run_id[SFS_RUN_ID_BYTES]; /* "": no object was written yet */
};

#endif
