/* SPDX-License-Identifier: Apache-2.0 */
/* Random names have the form of a version 4 UUID and do not repeat. */
#include "base/uuid.h"
#include "unit/tap.h"

#include <stdlib.h>

enum { COUNT = 10000 };

static char names[COUNT][SFS_UUID_HEX_BYTES];

static void it_is_32_lower_case_hex_digits(void)
{
	struct sfs_err err;

	IS_INT(sfs_uuid_hex(names[0], &err), SFS_OK);
	IS_INT(strlen(names[0]), 32);
	IS_INT(strspn(names[0], "0123456789abcdef"), 32);
}

static void version_and_variant_are_those_of_a_random_uuid(void)
{
	int i;

	for (i = 0; i < 100; i++) {
		IS_INT(sfs_uuid_hex(names[i], NULL), SFS_OK);
		IS_INT(names[i][12], '4');
		OK(strchr("89ab", names[i][16]) != NULL);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void names_do_not_repeat(void)
{
	int i;

	for (i = 0; i < COUNT; i++)
		IS_INT(sfs_uuid_hex(names[i], NULL), SFS_OK);
	qsort(names, COUNT, sizeof(names[0]), by_text);
	for (i = 1; i < COUNT; i++)
		OK(strcmp(names[i - 1], names[i]) != 0);
}

static void every_free_digit_takes_every_value(void)
{
	bool seen[32][16] = { { false } };
	static const char digits[] = "0123456789abcdef";
	int i, j, missing = 0;

	for (i = 0; i < COUNT; i++) {
		for (j = 0; j < 32; j++)
			seen[j][strchr(digits, names[i][j]) - digits] = true;
	}
	for (j = 0; j < 32; j++) {
		for (i = 0; i < 16; i++)
			missing += !seen[j][i];
	}
	/* the version has one value, the variant four */
	IS_INT(missing, 15 + 12);
}

int main(void)
{
	RUN(it_is_32_lower_case_hex_digits);
	RUN(version_and_variant_are_those_of_a_random_uuid);
	RUN(names_do_not_repeat);
	RUN(every_free_digit_takes_every_value);
	return tap_done();
}
