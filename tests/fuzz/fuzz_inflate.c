/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip and zstd of any bytes, by the first one; the second chooses the cuts.
 * Two ways to cut must give the same bytes and the same verdict, but for what
 * a fault leaves unsaid. libzstd checks more where it gets a whole frame at
 * once: that the size in its header is right if its last block is empty.
 */
#include "base/inflate.h"

#include "base/hash.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_BYTES = 1 << 16, OUT_MAX = 4 << 20 };

struct verdict {
	uint64_t hash; /* of all output */
	uint64_t len;
	enum sfs_rc rc;
	bool is_whole;
	bool is_cut; /* too much output to go on */
};

static uint64_t add(uint64_t hash, const uint8_t *data, size_t len)
{
	for (; len > 0; len--, data++)
		hash = sfs_mix64(hash ^ *data) + 1;
	return hash;
}

static struct verdict run(enum sfs_compression kind, const uint8_t *data,
                          size_t size, size_t in_cut, size_t out_cut)
{
	static uint8_t out[OUT_BYTES];
	struct sfs_inflate_step s = { .out = out };
	struct verdict v = { 0 };
	struct sfs_inflate *z;

	if (sfs_inflate_new(kind, &z, NULL) != SFS_OK)
		abort();
	do {
		s.in = data;
		s.in_len = size < in_cut ? size : in_cut;
		s.out_cap = out_cut < OUT_BYTES ? out_cut : OUT_BYTES;
		v.rc = sfs_inflate_next(z, &s, NULL);
		if (s.in_used > s.in_len || s.out_len > s.out_cap)
			abort();
		data += s.in_used;
		size -= s.in_used;
		v.hash = add(v.hash, out, s.out_len);
		v.len += s.out_len;
		v.is_cut = v.len > OUT_MAX;
	} while (v.rc == SFS_OK && !v.is_cut &&
	         (s.in_used > 0 || s.out_len > 0));
	if (v.rc == SFS_OK && !v.is_cut && size > 0)
		abort();
	v.is_whole = sfs_inflate_is_whole(z);
	sfs_inflate_free(z);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum sfs_compression kind;
	struct verdict a, b;

	if (size < 2)
		return 0;
	kind = (data[0] & 1) != 0 ? SFS_COMPRESSION_ZSTD : SFS_COMPRESSION_GZIP;
	a = run(kind, data + 2, size - 2, size, OUT_BYTES);
	b = run(kind, data + 2, size - 2, 1 + data[1] % 64, 1 + data[1] * 16u);
	if (a.is_cut || b.is_cut)
		return 0;
	if (a.rc != b.rc && kind != SFS_COMPRESSION_ZSTD)
		abort();
	if (a.rc == SFS_OK && b.rc == SFS_OK &&
	    (a.len != b.len || a.hash != b.hash || a.is_whole != b.is_whole))
		abort();
	return 0;
}
