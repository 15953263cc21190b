/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_KEYNAME_H
#define SFS_BASE_KEYNAME_H

#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Byte keys as file names. Percent-encoded, upper-case hex: '%', '/', bytes
 * below 0x20, 0x7F, a leading '.', and bytes that are not part of valid
 * UTF-8; nothing else. The empty key is "%". Decoding accepts every
 * percent-encoding of a key, in either case, and raw bytes as themselves.
 */

/*
 * Writes the canonical name of key and its NUL into out (cap bytes).
 * NAME_TOO_LONG if it does not fit; *len_out is then the length it has.
 */
enum sfs_rc sfs_keyname_encode(const uint8_t *key, size_t key_len, char *out,
                               size_t cap, size_t *len_out) SFS_NODISCARD;

/*
 * Decodes a name into out, which holds at least name_len bytes. False if no
 * key has that name: a '%' without two hex digits (but "%" alone is the
 * empty key), an empty name.
 */
bool sfs_keyname_decode(const char *name, size_t name_len, uint8_t *out,
                        size_t *len_out) SFS_NODISCARD;

/* How many bytes at p, before the first other one, are 0x01 to 0x7F. */
size_t sfs_ascii_run(const uint8_t *p, size_t len);

/* The length of the valid UTF-8 sequence at p, 1 to 4, or 0 if none is. */
size_t sfs_utf8_sequence(const uint8_t *p, size_t len);
bool sfs_utf8_is_valid(const uint8_t *p, size_t len);

#endif
