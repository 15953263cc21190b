/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_DEBUGSTEP_H
#define SFS_BASE_DEBUGSTEP_H

#include "shardyfs/err.h"

/*
 * A named place where a build with debug hooks can be made to fail, for tests
 * of what survives: SHARDYFS_DEBUG_FAIL="STEP" makes it return IO once,
 * "STEP:always" each time, "STEP:kill" ends the process there as SIGKILL
 * does, "STEP:wait" waits there until the process is killed or the file named
 * by SHARDYFS_DEBUG_GATE exists, and makes GATE.waits first. Other builds: always SFS_OK.
 */
enum sfs_rc sfs_debug_step(const char *step, struct sfs_err *err) SFS_NODISCARD;

#endif
