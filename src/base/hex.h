/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_HEX_H
#define SFS_BASE_HEX_H

/* 0 to 15, or -1: no hexadecimal digit. */
static inline int sfs_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

#endif
