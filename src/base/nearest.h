/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_NEAREST_H
#define SFS_BASE_NEAREST_H

#include <stddef.h>

/*
 * The name that was probably meant, of a list that ends with NULL; NULL:
 * nothing is near. Case is ignored, and '-' and '_' are equal.
 */
const char *sfs_nearest(const char *const *names, const char *name, size_t len);

#endif
