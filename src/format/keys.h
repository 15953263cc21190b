/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FORMAT_KEYS_H
#define SFS_FORMAT_KEYS_H

#include "shardyfs/adapter.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Keys in their three forms: the file name that a user sees, the lookup
 * bytes that a shard stores, and the canonical bytes that routing hashes.
 *
 *              lookup bytes               canonical bytes
 *   u64be      8 bytes, big-endian        8 bytes, little-endian
 *   u32be      4 bytes, big-endian        8 bytes, little-endian
 *   utf8, raw  the bytes themselves       the bytes themselves
 *
 * A usable u64be key is 0 ... 2^63-1, since the canonical form is signed.
 */
enum sfs_key_encoding {
	SFS_KEY_INVALID = 0,
	SFS_KEY_U64BE,
	SFS_KEY_U32BE,
	SFS_KEY_UTF8,
	SFS_KEY_RAW,
};

/* "u64be" and so on; SFS_KEY_INVALID if unknown. */
enum sfs_key_encoding sfs_key_encoding_from_text(const char *text);
const char *sfs_key_encoding_text(enum sfs_key_encoding encoding);

/* Room that the lookup bytes of any name need, given the name's length. */
static inline size_t sfs_key_room(size_t name_len)
{
	return name_len < 8 ? 8 : name_len;
}

/*
 * Name to lookup bytes in buf, of at least sfs_key_room(name_len) bytes.
 * False if no key has this name: with integers anything but canonical
 * decimal in range, with utf8 bytes that are not UTF-8, bad '%' escapes.
 */
bool sfs_key_from_name(enum sfs_key_encoding encoding, const char *name,
                       size_t name_len, uint8_t *buf,
                       size_t *len_out) SFS_NODISCARD;

/*
 * The same; false too for another spelling than the canonical one, and for a
 * name that is longer than any file's (4095 bytes).
 */
bool sfs_key_from_canonical_name(enum sfs_key_encoding encoding,
                                 const char *name, size_t name_len,
                                 uint8_t *buf, size_t *len_out) SFS_NODISCARD;

/*
 * Lookup bytes to the canonical name with NUL. NAME_TOO_LONG: does not fit
 * in cap. CORRUPT: no key of this encoding (an integer of the wrong length,
 * u64be from 2^63 on, utf8 that is not UTF-8).
 */
enum sfs_rc sfs_key_to_name(enum sfs_key_encoding encoding,
                            struct sfs_bytes key, char *out, size_t cap,
                            size_t *len_out) SFS_NODISCARD;

/*
 * The bytes that routing hashes. Integers go into buf, others stay where
 * they are. key must be valid for its encoding.
 */
struct sfs_bytes sfs_key_canonical(enum sfs_key_encoding encoding,
                                   struct sfs_bytes key, uint8_t buf[8]);

/* The order of lookup bytes, in shards and wherever keys are sorted. */
static inline int sfs_bytes_compare(struct sfs_bytes a, struct sfs_bytes b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
