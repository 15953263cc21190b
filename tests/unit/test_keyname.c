/* SPDX-License-Identifier: Apache-2.0 */
/* Key names: what is escaped, what is not, and that nothing gets lost. */
#include "base/keyname.h"
#include "unit/tap.h"

#include <stdlib.h>

enum { NAME_BYTES = 1024 };

static const char *encode(const void *key, size_t len)
{
	static char name[NAME_BYTES];
	size_t name_len = 0;

	if (sfs_keyname_encode(key, len, name, sizeof(name), &name_len) !=
	    SFS_OK)
		return NULL;
	return strlen(name) == name_len ? name : NULL;
}

/* The key's bytes as a string if the name is one, else "(none)". */
static const char *decode(const char *name)
{
	static uint8_t key[NAME_BYTES + 1];
	size_t len = 0;

	if (!sfs_keyname_decode(name, strlen(name), key, &len))
		return "(none)";
	key[len] = '\0';
	return (const char *)key;
}

static void plain_names_stay_as_they_are(void)
{
	IS_STR(encode("hello", 5), "hello");
	IS_STR(encode("a b~!@#$^&*()=+[]{}|\\:;'\"<>,?", 29),
	       "a b~!@#$^&*()=+[]{}|\\:;'\"<>,?");
	IS_STR(encode("us-west:3", 9), "us-west:3");
	IS_STR(decode("us-west:3"), "us-west:3");
}

static void percent_slash_and_control_bytes_are_escaped_in_upper_case(void)
{
	IS_STR(encode("a/b", 3), "a%2Fb");
	IS_STR(encode("100%", 4), "100%25");
	IS_STR(encode("\x1f\x7f\n\x00", 4), "%1F%7F%0A%00");
	IS_STR(encode("/", 1), "%2F");
}

static void a_dot_is_escaped_only_in_front(void)
{
	IS_STR(encode(".", 1), "%2E");
	IS_STR(encode("..", 2), "%2E.");
	IS_STR(encode(".hidden.txt", 11), "%2Ehidden.txt");
	IS_STR(encode("a.b.", 4), "a.b.");
}

static void the_empty_key_is_a_percent_sign(void)
{
	uint8_t key[4];
	size_t len = 9;

	IS_STR(encode("", 0), "%");
	IS_STR(encode(NULL, 0), "%");
	OK(sfs_keyname_decode("%", 1, key, &len));
	IS_INT(len, 0);
	IS_STR(encode("%", 1), "%25");
}

static void valid_utf8_stays_and_other_bytes_are_escaped(void)
{
	IS_STR(encode("\xc3\xa9", 2), "\xc3\xa9");
	IS_STR(encode("\xe2\x82\xac", 3), "\xe2\x82\xac");
	IS_STR(encode("\xf0\x9f\x98\x80", 4), "\xf0\x9f\x98\x80");
	IS_STR(encode("\xc3", 1), "%C3");
	IS_STR(encode("a\xff\xc3\xa9", 4), "a%FF\xc3\xa9");
	IS_STR(encode("\xe2\x82x", 3), "%E2%82x");
}

static void utf8_sequences_are_told_by_the_unicode_table(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		size_t want;
	} cases[] = {
		{ "", 0, 0 },
		{ "\x00", 1, 1 },
		{ "\x7f", 1, 1 },
		{ "\x80", 1, 0 },
		{ "\xbf", 1, 0 },
		{ "\xc0\x80", 2, 0 },
		{ "\xc1\xbf", 2, 0 },
		{ "\xc2\x80", 2, 2 },
		{ "\xdf\xbf", 2, 2 },
		{ "\xdf\xc0", 2, 0 },
		{ "\xdf", 1, 0 },
		{ "\xe0\x9f\xbf", 3, 0 },
		{ "\xe0\xa0\x80", 3, 3 },
		{ "\xed\x9f\xbf", 3, 3 },
		{ "\xed\xa0\x80", 3, 0 },
		{ "\xed\xbf\xbf", 3, 0 },
		{ "\xee\x80\x80", 3, 3 },
		{ "\xef\xbf\xbf", 3, 3 },
		{ "\xef\xbf\x7f", 3, 0 },
		{ "\xef\xbf", 2, 0 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 },
		{ "\xf0\x90\x80\x80", 4, 4 },
		{ "\xf4\x8f\xbf\xbf", 4, 4 },
		{ "\xf4\x90\x80\x80", 4, 0 },
		{ "\xf5\x80\x80\x80", 4, 0 },
		{ "\xf0\x90\x80", 3, 0 },
		{ "\xf0\x90\x80\xc0", 4, 0 },
		{ "\xff", 1, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t got = sfs_utf8_sequence((const uint8_t *)cases[i].bytes,
		                               cases[i].len);
		if (got != cases[i].want)
			TAP_FAIL("case %zu: %zu, not %zu", i, got,
			         cases[i].want);
	}
}

static void ascii_runs_end_at_nul_and_high_bytes(void)
{
	uint8_t text[24];
	size_t i;

	memset(text, 'x', sizeof(text));
	text[3] = 0x01;
	text[4] = 0x7f;
	IS_INT(sfs_ascii_run(text, 0), 0);
	IS_INT(sfs_ascii_run(text, 7), 7);
	IS_INT(sfs_ascii_run(text, sizeof(text)), sizeof(text));
	for (i = 0; i < sizeof(text); i++) {
		uint8_t old = text[i];

		text[i] = 0x00;
		IS_INT(sfs_ascii_run(text, sizeof(text)), i);
		text[i] = 0x80;
		IS_INT(sfs_ascii_run(text, sizeof(text)), i);
		text[i] = 0xff;
		IS_INT(sfs_ascii_run(text, sizeof(text)), i);
		text[i] = old;
	}
}

static void every_spelling_of_a_key_is_decoded(void)
{
	IS_STR(decode("a%2fb"), "a/b");
	IS_STR(decode("a%2Fb"), "a/b");
	IS_STR(decode("%61%62"), "ab");
	IS_STR(decode("%C3%A9"), "\xc3\xa9");
	IS_STR(decode(".x"), ".x");
	IS_STR(decode("%25"), "%");
	IS_STR(decode("\xff"), "\xff");
}

static void names_that_no_key_has_are_refused(void)
{
	IS_STR(decode(""), "(none)");
	IS_STR(decode("%%"), "(none)");
	IS_STR(decode("a%"), "(none)");
	IS_STR(decode("%4"), "(none)");
	IS_STR(decode("%4g"), "(none)");
	IS_STR(decode("%g4"), "(none)");
	IS_STR(decode("% 1"), "(none)");
	IS_STR(decode("%25%"), "(none)");
}

static void a_name_that_does_not_fit_tells_its_length(void)
{
	const uint8_t key[] = "a/b";
	char name[6] = "?????";
	size_t len = 0;

	IS_INT(sfs_keyname_encode(key, 3, name, 5, &len), SFS_E_NAME_TOO_LONG);
	IS_INT(len, 5);
	IS_INT(name[5], 0);
	IS_INT(sfs_keyname_encode(key, 3, name, 6, &len), SFS_OK);
	IS_STR(name, "a%2Fb");
	IS_INT(sfs_keyname_encode(key, 3, name, 0, &len), SFS_E_NAME_TOO_LONG);
	IS_INT(len, 5);
}

static void round_trip(const uint8_t *key, size_t len)
{
	uint8_t again[NAME_BYTES];
	size_t again_len = 0;
	const char *name = encode(key, len);

	if (name == NULL || name[0] == '.' || name[0] == '\0' ||
	    strchr(name, '/') != NULL ||
	    !sfs_keyname_decode(name, strlen(name), again, &again_len) ||
	    again_len != len || (len > 0 && memcmp(again, key, len) != 0))
		TAP_FAIL("\"%s\" is not its key", name ? name : "(null)");
}

static void every_key_of_one_and_two_bytes_comes_back(void)
{
	uint8_t key[2];
	int i;

	for (i = 0; i < 65536; i++) {
		key[0] = (uint8_t)(i >> 8);
		key[1] = (uint8_t)(i & 0xff);
		round_trip(key, 2);
		round_trip(key, 1);
	}
}

static void keys_of_mixed_bytes_come_back(void)
{
	uint32_t state = 12345;
	uint8_t key[200];
	size_t i;
	int n;

	for (n = 0; n < 2000; n++) {
		for (i = 0; i < sizeof(key); i++) {
			state = state * 1664525 + 1013904223;
			key[i] = (uint8_t)(state >> 24);
			if (n % 2 == 0 && (state >> 20 & 7) != 0)
				key[i] &= 0x7f;
		}
		round_trip(key, state >> 8 & 127);
	}
}

int main(void)
{
	RUN(plain_names_stay_as_they_are);
	RUN(percent_slash_and_control_bytes_are_escaped_in_upper_case);
	RUN(a_dot_is_escaped_only_in_front);
	RUN(the_empty_key_is_a_percent_sign);
	RUN(valid_utf8_stays_and_other_bytes_are_escaped);
	RUN(utf8_sequences_are_told_by_the_unicode_table);
	RUN(ascii_runs_end_at_nul_and_high_bytes);
	RUN(every_spelling_of_a_key_is_decoded);
	RUN(names_that_no_key_has_are_refused);
	RUN(a_name_that_does_not_fit_tells_its_length);
	RUN(every_key_of_one_and_two_bytes_comes_back);
	RUN(keys_of_mixed_bytes_come_back);
	return tap_done();
}
