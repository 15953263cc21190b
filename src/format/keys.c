/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three forms of a key. Routing hashes an integer little-endian while a
 * shard stores it big-endian: both conversions are here and nowhere else, so
 * that they cannot be mixed up.
 */
#include "format/keys.h"

#include "base/keyname.h"

#include <string.h>

enum {
	U32_BYTES = 4,
	U64_BYTES = 8,
	DECIMAL_BYTES = 20,
	FILE_NAME_BYTES = 4096, /* with the NUL */
};

enum sfs_key_encoding sfs_key_encoding_from_text(const char *text)
{
	if (strcmp(text, "u64be") == 0)
		return SFS_KEY_U64BE;
	if (strcmp(text, "u32be") == 0)
		return SFS_KEY_U32BE;
	if (strcmp(text, "utf8") == 0)
		return SFS_KEY_UTF8;
	if (strcmp(text, "raw") == 0)
		return SFS_KEY_RAW;
	return SFS_KEY_INVALID;
}

const char *sfs_key_encoding_text(enum sfs_key_encoding encoding)
{
	switch (encoding) {
	case SFS_KEY_U64BE:
		return "u64be";
	case SFS_KEY_U32BE:
		return "u32be";
	case SFS_KEY_UTF8:
		return "utf8";
	case SFS_KEY_RAW:
		return "raw";
	case SFS_KEY_INVALID:
		break;
	}
	return "invalid";
}

/* Canonical decimal up to max: digits only, no leading zero. */
static bool read_decimal(const char *name, size_t len, uint64_t max,
                         uint64_t *out)
{
	uint64_t value = 0;
	uint64_t digit;
	size_t i;

	if (len == 0 || (len > 1 && name[0] == '0'))
		return false;
	for (i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		digit = (uint64_t)(name[i] - '0');
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

static void store_be(uint8_t *p, size_t bytes, uint64_t value)
{
	for (; bytes > 0; bytes--, value >>= 8)
		p[bytes - 1] = (uint8_t)(value & 0xff);
}

static uint64_t load_be(const uint8_t *p, size_t bytes)
{
	uint64_t value = 0;

	for (; bytes > 0; bytes--, p++)
		value = value << 8 | *p;
	return value;
}

static bool integer_from_name(size_t bytes, uint64_t max, const char *name,
                              size_t name_len, uint8_t *buf)
{
	uint64_t value;

	if (!read_decimal(name, name_len, max, &value))
		return false;
	store_be(buf, bytes, value);
	return true;
}

bool sfs_key_from_name(enum sfs_key_encoding encoding, const char *name,
                       size_t name_len, uint8_t *buf, size_t *len_out)
{
	switch (encoding) {
	case SFS_KEY_U64BE:
		*len_out = U64_BYTES;
		return integer_from_name(U64_BYTES, INT64_MAX, name, name_len,
		                         buf);
	case SFS_KEY_U32BE:
		*len_out = U32_BYTES;
		return integer_from_name(U32_BYTES, UINT32_MAX, name, name_len,
		                         buf);
	case SFS_KEY_UTF8:
		return sfs_keyname_decode(name, name_len, buf, len_out) &&
		       sfs_utf8_is_valid(buf, *len_out);
	case SFS_KEY_RAW:
		return sfs_keyname_decode(name, name_len, buf, len_out);
	case SFS_KEY_INVALID:
		break;
	}
	*len_out = 0;
	return false;
}

static enum sfs_rc integer_to_name(size_t bytes, struct sfs_bytes key,
                                   char *out, size_t cap, size_t *len_out)
{
	char digits[DECIMAL_BYTES];
	size_t i = sizeof(digits);
	uint64_t value;

	if (key.len != bytes)
		return SFS_E_CORRUPT;
	value = load_be(key.data, bytes);
	if (value > INT64_MAX)
		return SFS_E_CORRUPT;
	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	*len_out = sizeof(digits) - i;
	if (*len_out >= cap)
		return SFS_E_NAME_TOO_LONG;
	memcpy(out, digits + i, *len_out);
	out[*len_out] = '\0';
	return SFS_OK;
}

enum sfs_rc sfs_key_to_name(enum sfs_key_encoding encoding,
                            struct sfs_bytes key, char *out, size_t cap,
                            size_t *len_out)
{
	switch (encoding) {
	case SFS_KEY_U64BE:
		return integer_to_name(U64_BYTES, key, out, cap, len_out);
	case SFS_KEY_U32BE:
		return integer_to_name(U32_BYTES, key, out, cap, len_out);
	case SFS_KEY_UTF8:
		if (!sfs_utf8_is_valid(key.data, key.len))
			return SFS_E_CORRUPT;
		return sfs_keyname_encode(key.data, key.len, out, cap, len_out);
	case SFS_KEY_RAW:
		return sfs_keyname_encode(key.data, key.len, out, cap, len_out);
	case SFS_KEY_INVALID:
		break;
	}
	return SFS_E_CORRUPT;
}

bool sfs_key_from_canonical_name(enum sfs_key_encoding encoding,
                                 const char *name, size_t name_len,
                                 uint8_t *buf, size_t *len_out)
{
	char canonical[FILE_NAME_BYTES];
	struct sfs_bytes key = { buf, 0 };
	size_t len;

	if (name_len >= sizeof(canonical) ||
	    !sfs_key_from_name(encoding, name, name_len, buf, &key.len))
		return false;
	*len_out = key.len;
	return sfs_key_to_name(encoding, key, canonical, sizeof(canonical),
	                       &len) == SFS_OK &&
	       len == name_len && memcmp(canonical, name, len) == 0;
}

struct sfs_bytes sfs_key_canonical(enum sfs_key_encoding encoding,
                                   struct sfs_bytes key, uint8_t buf[8])
{
	struct sfs_bytes integer = { buf, U64_BYTES };
	size_t i;

	switch (encoding) {
	case SFS_KEY_U64BE:
	case SFS_KEY_U32BE:
		memset(buf, 0, U64_BYTES);
		for (i = 0; i < key.len && i < U64_BYTES; i++)
			buf[i] = key.data[key.len - 1 - i];
		return integer;
	case SFS_KEY_UTF8:
	case SFS_KEY_RAW:
	case SFS_KEY_INVALID:
		break;
	}
	return key;
}
