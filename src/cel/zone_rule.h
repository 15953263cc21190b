/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CEL_ZONE_RULE_H
#define SFS_CEL_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The rule in the footer of a zoneinfo file ("\nCET-1CEST,M3.5.0,M10.5.0/3\n"
 * from p to end), which holds after its last change: what is to be added to
 * UTC at that moment. False: there is none, or not of that form.
 */
bool sfs_cel_zone_rule(const char *p, const char *end, int64_t seconds,
                       int32_t *offset_out);

#endif
