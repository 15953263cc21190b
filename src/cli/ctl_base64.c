/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648 section 4) two characters at a time: 12 bits of input
 * look up a pair in a table of 8 KiB, which stays in the first-level cache.
 */
#include "cli/ctl.h"

#include <endian.h>
#include <string.h>

enum { PAIRS = 1 << 12 };

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";
static char pairs[PAIRS][2];

void sfs_base64_init(void)
{
	for (int i = 0; i < PAIRS; i++) {
		pairs[i][0] = ALPHABET[i >> 6];
		pairs[i][1] = ALPHABET[i & 63];
	}
}

void sfs_base64_encode(const uint8_t *data, size_t len, char *out)
{
	uint64_t six;
	uint32_t bits;

	/* reads eight bytes, uses six */
	for (; len >= 8; len -= 6, data += 6, out += 8) {
		memcpy(&six, data, 8);
		six = be64toh(six);
		memcpy(out, pairs[six >> 52], 2);
		memcpy(out + 2, pairs[six >> 40 & 0xfff], 2);
		memcpy(out + 4, pairs[six >> 28 & 0xfff], 2);
		memcpy(out + 6, pairs[six >> 16 & 0xfff], 2);
	}
	for (; len >= 3; len -= 3, data += 3, out += 4) {
		bits = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 |
		       data[2];
		memcpy(out, pairs[bits >> 12], 2);
		memcpy(out + 2, pairs[bits & 0xfff], 2);
	}
	if (len == 0)
		return;
	bits = (uint32_t)data[0] << 16;
	if (len == 2)
		bits |= (uint32_t)data[1] << 8;
	memcpy(out, pairs[bits >> 12], 2);
	out[2] = len == 2 ? pairs[bits & 0xfff][0] : '=';
	out[3] = '=';
}
