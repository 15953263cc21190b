/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_LOG_H
#define SFS_BASE_LOG_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * One line per event: "LEVEL room: message key=value ...". Lines go to
 * stderr, a file, or syslog. A message that repeats the one before it is
 * counted, and the count is printed when another one comes or after 10 s.
 */
enum sfs_log_level {
	SFS_LOG_NONE = 0, /* as a threshold only: silent */
	SFS_LOG_ERROR,
	SFS_LOG_WARN,
	SFS_LOG_INFO,
	SFS_LOG_DEBUG,
};

/* One component per room that decides and therefore logs. */
enum sfs_log_component {
	SFS_LOG_MAIN,
	SFS_LOG_STORE,
	SFS_LOG_CATALOG,
	SFS_LOG_SNAPSHOT,
	SFS_LOG_BUILD,
	SFS_LOG_FS,
	SFS_LOG_FUSE,
	SFS_LOG_COMPONENTS, /* their number */
};

/* Thread-safe; never fails, never allocates. */
void sfs_log(enum sfs_log_level level, enum sfs_log_component component,
             const char *fmt, ...) SFS_PRINTF(3, 4);

bool sfs_log_is_on(enum sfs_log_level level, enum sfs_log_component component);

/*
 * Sets thresholds from "info" or "all=warn,store=debug". INVALID names the
 * bad word and the words that exist; then nothing changed.
 */
enum sfs_rc sfs_log_set_levels(const char *spec,
                               struct sfs_err *err) SFS_NODISCARD;

/* The same check alone. */
enum sfs_rc sfs_log_check_levels(const char *spec,
                                 struct sfs_err *err) SFS_NODISCARD;

/* The thresholds in the same form; at most len bytes with the NUL. */
void sfs_log_get_levels(char *out, size_t len);

/* "stderr" (the start value), "syslog", or the absolute path of a file. */
enum sfs_rc sfs_log_open(const char *target, struct sfs_err *err) SFS_NODISCARD;

/* Opens the log file again, after it was rotated. */
enum sfs_rc sfs_log_reopen(struct sfs_err *err) SFS_NODISCARD;

#endif
