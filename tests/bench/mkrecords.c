/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes COUNT records to standard output: keys of 8 bytes, a permutation of
 * 0 ... COUNT-1, values of BYTES printable bytes that begin with the key.
 *
 *	mkrecords [-f kv|jsonl] [-v BYTES] [-s] COUNT
 *
 * -s: keys ascend, for whoever is given sorted records. Key i of the random
 * order is i * PRIME mod COUNT, so every COUNT without that factor works.
 */
#include "bench.h"

#include <stdbool.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 16, LINE_EXTRA = 64 };

#define PRIME 7919999983u
#define COUNT_MAX ((uint64_t)1 << 34)

static size_t make_value(char *out, uint64_t key, size_t len)
{
	int n = snprintf(out, 24, "%llu ", (unsigned long long)key);

	for (size_t i = (size_t)n; i < len; i++)
		out[i] = (char)('a' + (key + i * 7) % 26);
	return len;
}

static size_t make_kv(char *out, uint64_t key, size_t value_len)
{
	uint32_t lengths[2] = { 8, (uint32_t)value_len };

	memcpy(out, lengths, sizeof(lengths)); /* this machine: little-endian */
	for (int b = 0; b < 8; b++)
		out[8 + b] = (char)(key >> (56 - 8 * b));
	return 16 + make_value(out + 16, key, value_len);
}

static size_t make_jsonl(char *out, uint64_t key, size_t value_len)
{
	size_t n = (size_t)snprintf(out, 48, "{\"key\": %llu, \"value\": \"",
	                            (unsigned long long)key);

	n += make_value(out + n, key, value_len);
	memcpy(out + n, "\"}\n", 3);
	return n + 3;
}

int main(int argc, char **argv)
{
	static char buffer[1 << 20];
	bool is_sorted = false;
	bool is_kv = true;
	size_t value_len = 100;
	uint64_t count;
	size_t len = 0;
	int option;

	while ((option = getopt(argc, argv, "f:sv:")) != -1) {
		if (option == 'f')
			is_kv = strcmp(optarg, "kv") == 0;
		else if (option == 's')
			is_sorted = true;
		else if (option == 'v')
			value_len = read_count(optarg, 24, BYTES_MAX);
		else
			return 2;
	}
	if (optind + 1 != argc)
		return 2;
	count = read_count(argv[optind], 1, COUNT_MAX);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t key = is_sorted ? i
		                         : (uint64_t)((unsigned __int128)i *
		                                      PRIME % count);

		if (len + value_len + LINE_EXTRA > sizeof(buffer)) {
			if (fwrite(buffer, 1, len, stdout) != len)
				die("stdout");
			len = 0;
		}
		len += is_kv ? make_kv(buffer + len, key, value_len)
		             : make_jsonl(buffer + len, key, value_len);
	}
	if (fwrite(buffer, 1, len, stdout) != len || fflush(stdout) != 0)
		die("stdout");
	return 0;
}
