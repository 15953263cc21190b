/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_ALLOC_H
#define SFS_BASE_ALLOC_H

#include "shardyfs/err.h"

#include <stddef.h>

/*
 * All memory comes from here, so that a test can make the Nth allocation
 * fail. NULL means out of memory, never "zero bytes". Array forms check the
 * multiplication. Memory is returned with sfs_free() only.
 */
void *sfs_malloc(size_t size) SFS_NODISCARD;
void *sfs_calloc(size_t count, size_t size) SFS_NODISCARD;
void *sfs_realloc_array(void *old, size_t count, size_t size) SFS_NODISCARD;
char *sfs_strdup(const char *s) SFS_NODISCARD;
char *sfs_memdup0(const void *data, size_t len) SFS_NODISCARD; /* adds NUL */
void sfs_free(void *p);

/* Once, before there are threads: bounds what they hold without use. */
void sfs_alloc_tune(void);

/*
 * For tests: the nth allocation from now (1: the next) fails, once.
 * 0 switches it off. sfs_alloc_fault_count() tells how many failed.
 */
void sfs_alloc_fail_nth(unsigned long nth);
unsigned long sfs_alloc_fault_count(void);

#endif
