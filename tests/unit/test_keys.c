/* SPDX-License-Identifier: Apache-2.0 */
/* The three forms of a key, at both ends of every range. */
#include "format/keys.h"
#include "unit/tap.h"

enum { ROOM = 64 };

/* The lookup bytes of a name in hex, or "(none)". */
static const char *bytes_of(enum sfs_key_encoding encoding, const char *name)
{
	static char hex[2 * ROOM + 1];
	uint8_t key[ROOM];
	size_t len = 0;
	size_t i;

	if (!sfs_key_from_name(encoding, name, strlen(name), key, &len))
		return "(none)";
	hex[0] = '\0';
	for (i = 0; i < len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", key[i]);
	return hex;
}

static const char *name_of(enum sfs_key_encoding encoding, const char *key,
                           size_t len)
{
	static char name[ROOM];
	size_t name_len = 0;
	struct sfs_bytes bytes = { (const uint8_t *)key, len };
	enum sfs_rc rc =
		sfs_key_to_name(encoding, bytes, name, sizeof(name), &name_len);

	if (rc != SFS_OK)
		return sfs_rc_name(rc);
	return strlen(name) == name_len ? name : "(wrong length)";
}

static const char *canonical_of(enum sfs_key_encoding encoding, const char *key,
                                size_t len)
{
	static char hex[2 * ROOM + 1];
	struct sfs_bytes bytes = { (const uint8_t *)key, len };
	uint8_t buf[8];
	struct sfs_bytes c = sfs_key_canonical(encoding, bytes, buf);
	size_t i;

	hex[0] = '\0';
	for (i = 0; i < c.len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", c.data[i]);
	return hex;
}

static void encodings_have_texts(void)
{
	static const enum sfs_key_encoding all[] = {
		SFS_KEY_U64BE, SFS_KEY_U32BE, SFS_KEY_UTF8, SFS_KEY_RAW
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		IS_INT(sfs_key_encoding_from_text(
			       sfs_key_encoding_text(all[i])),
		       all[i]);
	IS_STR(sfs_key_encoding_text(SFS_KEY_U64BE), "u64be");
	IS_INT(sfs_key_encoding_from_text("U64BE"), SFS_KEY_INVALID);
	IS_INT(sfs_key_encoding_from_text("invalid"), SFS_KEY_INVALID);
	IS_INT(sfs_key_encoding_from_text(""), SFS_KEY_INVALID);
}

static void u64be_is_looked_up_big_endian(void)
{
	IS_STR(bytes_of(SFS_KEY_U64BE, "0"), "0000000000000000");
	IS_STR(bytes_of(SFS_KEY_U64BE, "1"), "0000000000000001");
	IS_STR(bytes_of(SFS_KEY_U64BE, "258"), "0000000000000102");
	IS_STR(bytes_of(SFS_KEY_U64BE, "9223372036854775807"),
	       "7fffffffffffffff");
}

static void u64be_ends_at_2_to_63(void)
{
	IS_STR(bytes_of(SFS_KEY_U64BE, "9223372036854775808"), "(none)");
	IS_STR(bytes_of(SFS_KEY_U64BE, "9999999999999999999"), "(none)");
	IS_STR(bytes_of(SFS_KEY_U64BE, "18446744073709551616"), "(none)");
	IS_STR(bytes_of(SFS_KEY_U64BE, "99999999999999999999999"), "(none)");
	IS_STR(name_of(SFS_KEY_U64BE, "\x80\0\0\0\0\0\0\0", 8), "corrupt");
	IS_STR(name_of(SFS_KEY_U64BE, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8),
	       "9223372036854775807");
}

static void integers_have_one_name(void)
{
	static const char *const bad[] = { "",    "00",  "01", "-1",  "+1",
		                           " 1",  "1 ",  "1a", "0x1", "1.0",
		                           "1e3", "%31", "%",  "/",   ":" };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		IS_STR(bytes_of(SFS_KEY_U64BE, bad[i]), "(none)");
		IS_STR(bytes_of(SFS_KEY_U32BE, bad[i]), "(none)");
	}
}

static void u32be_is_four_bytes(void)
{
	IS_STR(bytes_of(SFS_KEY_U32BE, "0"), "00000000");
	IS_STR(bytes_of(SFS_KEY_U32BE, "4294967295"), "ffffffff");
	IS_STR(bytes_of(SFS_KEY_U32BE, "4294967296"), "(none)");
	IS_STR(name_of(SFS_KEY_U32BE, "\xff\xff\xff\xff", 4), "4294967295");
	IS_STR(name_of(SFS_KEY_U32BE, "\0\0\0\0", 4), "0");
	IS_STR(name_of(SFS_KEY_U32BE, "\0\0\0\0\0\0\0\0", 8), "corrupt");
}

static void integers_of_another_length_are_corrupt(void)
{
	IS_STR(name_of(SFS_KEY_U64BE, "\0\0\0\0", 4), "corrupt");
	IS_STR(name_of(SFS_KEY_U64BE, "", 0), "corrupt");
	IS_STR(name_of(SFS_KEY_U32BE, "\0\0\0", 3), "corrupt");
}

static void utf8_keys_are_utf8_after_decoding(void)
{
	IS_STR(bytes_of(SFS_KEY_UTF8, "h%C3%A9"), "68c3a9");
	IS_STR(bytes_of(SFS_KEY_UTF8, "%"), "");
	IS_STR(bytes_of(SFS_KEY_UTF8, "a%00b"), "610062");
	IS_STR(bytes_of(SFS_KEY_UTF8, "%FF"), "(none)");
	IS_STR(bytes_of(SFS_KEY_UTF8, "%ED%A0%80"), "(none)");
	IS_STR(bytes_of(SFS_KEY_UTF8, "\xc3"), "(none)");
	IS_STR(bytes_of(SFS_KEY_UTF8, "a%"), "(none)");
	IS_STR(name_of(SFS_KEY_UTF8, "\xff", 1), "corrupt");
	IS_STR(name_of(SFS_KEY_UTF8, "\xc3\xa9/", 3), "\xc3\xa9%2F");
}

static void raw_keys_are_any_bytes(void)
{
	IS_STR(bytes_of(SFS_KEY_RAW, "%FF"), "ff");
	IS_STR(bytes_of(SFS_KEY_RAW, "%"), "");
	IS_STR(bytes_of(SFS_KEY_RAW, "a%00b"), "610062");
	IS_STR(bytes_of(SFS_KEY_RAW, ""), "(none)");
	IS_STR(name_of(SFS_KEY_RAW, "a\0\xff", 3), "a%00%FF");
	IS_STR(name_of(SFS_KEY_RAW, "", 0), "%");
}

static void names_that_do_not_fit_are_too_long(void)
{
	struct sfs_bytes key = { (const uint8_t *)"\0\0\0\0\0\0\x03\xe8", 8 };
	char name[5];
	size_t len = 0;

	IS_INT(sfs_key_to_name(SFS_KEY_U64BE, key, name, 4, &len),
	       SFS_E_NAME_TOO_LONG);
	IS_INT(len, 4);
	IS_INT(sfs_key_to_name(SFS_KEY_U64BE, key, name, 5, &len), SFS_OK);
	IS_STR(name, "1000");
}

static bool is_canonical(enum sfs_key_encoding encoding, const char *name)
{
	uint8_t buf[8192];
	size_t len;

	return sfs_key_from_canonical_name(encoding, name, strlen(name), buf,
	                                   &len);
}

static void a_key_has_one_canonical_name(void)
{
	char longest[4097] = "";

	OK(is_canonical(SFS_KEY_U64BE, "42"));
	OK(!is_canonical(SFS_KEY_U64BE, "042"));
	OK(!is_canonical(SFS_KEY_U64BE, "x"));
	OK(is_canonical(SFS_KEY_UTF8, "a%2Fb"));
	OK(!is_canonical(SFS_KEY_UTF8, "a%2fb"));
	OK(!is_canonical(SFS_KEY_UTF8, "%61"));
	OK(is_canonical(SFS_KEY_RAW, "%FF"));
	memset(longest, 'a', 4095);
	OK(is_canonical(SFS_KEY_UTF8, longest));
	longest[4095] = 'a';
	OK(!is_canonical(SFS_KEY_UTF8, longest));
}

static void routing_hashes_integers_little_endian(void)
{
	IS_STR(canonical_of(SFS_KEY_U64BE, "\0\0\0\0\0\0\0\x2a", 8),
	       "2a00000000000000");
	IS_STR(canonical_of(SFS_KEY_U64BE, "\x7f\xff\xff\xff\xff\xff\xff\xff",
	                    8),
	       "ffffffffffffff7f");
	IS_STR(canonical_of(SFS_KEY_U32BE, "\x01\x02\x03\x04", 4),
	       "0403020100000000");
	IS_STR(canonical_of(SFS_KEY_U32BE, "\xff\xff\xff\xff", 4),
	       "ffffffff00000000");
}

static void routing_hashes_texts_and_bytes_as_they_are(void)
{
	IS_STR(canonical_of(SFS_KEY_UTF8, "hello", 5), "68656c6c6f");
	IS_STR(canonical_of(SFS_KEY_RAW, "a\0b", 3), "610062");
	IS_STR(canonical_of(SFS_KEY_RAW, "", 0), "");
}

int main(void)
{
	RUN(encodings_have_texts);
	RUN(u64be_is_looked_up_big_endian);
	RUN(u64be_ends_at_2_to_63);
	RUN(integers_have_one_name);
	RUN(u32be_is_four_bytes);
	RUN(integers_of_another_length_are_corrupt);
	RUN(utf8_keys_are_utf8_after_decoding);
	RUN(raw_keys_are_any_bytes);
	RUN(names_that_do_not_fit_are_too_long);
	RUN(a_key_has_one_canonical_name);
	RUN(routing_hashes_integers_little_endian);
	RUN(routing_hashes_texts_and_bytes_as_they_are);
	return tap_done();
}
