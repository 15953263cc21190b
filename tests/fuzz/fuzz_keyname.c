/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a key come back from their name, and any bytes as a name, if
 * they are one, have a canonical name of the same key.
 */
#include "base/keyname.h"
#include "format/keys.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_BYTES = 4096 };

static char name[3 * SIZE_MAX_BYTES + 2];
static uint8_t again[sizeof(name)];

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

static void key_comes_back(enum sfs_key_encoding encoding, struct sfs_bytes key)
{
	size_t name_len;
	size_t len;

	if (sfs_key_to_name(encoding, key, name, sizeof(name), &name_len) !=
	    SFS_OK) {
		must(encoding != SFS_KEY_RAW);
		return;
	}
	must(name_len > 0 && name[0] != '.' && name[name_len] == '\0');
	must(memchr(name, '/', name_len) == NULL);
	must(strlen(name) == name_len);
	must(sfs_key_from_name(encoding, name, name_len, again, &len));
	must(len == key.len);
	must(len == 0 || memcmp(again, key.data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum sfs_key_encoding encodings[] = {
		SFS_KEY_U64BE, SFS_KEY_U32BE, SFS_KEY_UTF8, SFS_KEY_RAW
	};
	static uint8_t key[SIZE_MAX_BYTES];
	struct sfs_bytes bytes = { data, size };
	size_t i;

	if (size > SIZE_MAX_BYTES)
		return 0;
	for (i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		key_comes_back(encodings[i], (struct sfs_bytes){ data, size });
		bytes.data = key;
		if (size >= 8 &&
		    sfs_key_from_name(encodings[i], (const char *)data, size,
		                      key, &bytes.len))
			key_comes_back(encodings[i], bytes);
	}
	return 0;
}
