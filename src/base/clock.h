/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_CLOCK_H
#define SFS_BASE_CLOCK_H

#include "shardyfs/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in milliseconds: the scale of every deadline. */
int64_t sfs_clock_ms(void);

/*
 * A condition whose timed waits are on that scale, so that nobody who sets
 * the date wakes or delays them. wait: false once it is until_ms.
 */
void sfs_clock_cond_init(pthread_cond_t *cond);
bool sfs_clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock,
                         int64_t until_ms);

/* CLOCK_REALTIME in nanoseconds since the epoch. */
int64_t sfs_clock_wall_ns(void);

/* As it counts nanoseconds. */
static inline int64_t sfs_timespec_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

enum { SFS_TIME_BYTES = 32 };

/*
 * UTC as the snapshot format writes it, "2026-11-20T12:00:00.123456Z":
 * always six fraction digits.
 */
void sfs_time_format(int64_t wall_ns, char out[SFS_TIME_BYTES]);

/*
 * Reads ISO 8601: "T" or space, up to nine fraction digits or none, and "Z"
 * or an offset "+HH:MM". False if it is anything else.
 */
bool sfs_time_parse(const char *text, size_t len,
                    int64_t *wall_ns_out) SFS_NODISCARD;

#endif
