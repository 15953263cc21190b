/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression in steps: any cuts of input and output give the same bytes,
 * whatever ends too early is not whole, whatever is damaged is refused.
 */
#include "base/inflate.h"
#include "unit/tap.h"

#include <malloc.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { TEXT_BYTES = 20000, ROOM = 1 << 20 };

static uint8_t text[TEXT_BYTES];
static uint8_t packed[ROOM];
static uint8_t got[ROOM];

static const enum sfs_compression BOTH[] = { SFS_COMPRESSION_GZIP,
	                                     SFS_COMPRESSION_ZSTD };

static void make_text(void)
{
	unsigned i, x = 1;

	for (i = 0; i < TEXT_BYTES; i++) {
		x = x * 1103515245 + 12345;
		text[i] = (uint8_t)('a' + (x >> 16) % (1 + i % 17));
	}
}

static size_t gzip_bytes(const void *data, size_t len, uint8_t *out, size_t cap)
{
	z_stream z = { 0 };

	if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	z.next_in = (Bytef *)(uintptr_t)data;
	z.avail_in = (unsigned)len;
	z.next_out = out;
	z.avail_out = (unsigned)cap;
	IS_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
	(void)deflateEnd(&z);
	return cap - z.avail_out;
}

/* Another member or frame at packed + at: the new end. */
static size_t pack(enum sfs_compression kind, const void *data, size_t len,
                   size_t at)
{
	size_t n;

	if (kind == SFS_COMPRESSION_GZIP)
		return at + gzip_bytes(data, len, packed + at, ROOM - at);
	n = ZSTD_compress(packed + at, ROOM - at, data, len, 3);
	OK(!ZSTD_isError(n));
	return at + n;
}

struct pieces {
	size_t in;
	size_t out;
};

/* Feeds packed[0, len) in pieces into got; its length. */
static size_t unpack(struct sfs_inflate *z, size_t len, struct pieces piece,
                     enum sfs_rc *rc, struct sfs_err *err)
{
	struct sfs_inflate_step s;
	size_t at = 0, n = 0;

	do {
		s.in = packed + at;
		s.in_len = len - at < piece.in ? len - at : piece.in;
		s.out = got + n;
		s.out_cap = ROOM - n < piece.out ? ROOM - n : piece.out;
		*rc = sfs_inflate_next(z, &s, err);
		at += s.in_used;
		n += s.out_len;
	} while (*rc == SFS_OK && (s.in_used > 0 || s.out_len > 0));
	if (*rc == SFS_OK)
		IS_INT(at, len);
	return n;
}

static struct sfs_inflate *open_kind(enum sfs_compression kind)
{
	struct sfs_inflate *z = NULL;

	IS_INT(sfs_inflate_new(kind, &z, NULL), SFS_OK);
	return z;
}

static void check_pieces(enum sfs_compression kind, size_t len,
                         struct pieces piece)
{
	struct sfs_inflate *z = open_kind(kind);
	struct sfs_err err = { 0 };
	enum sfs_rc rc;
	size_t n;

	n = unpack(z, len, piece, &rc, &err);
	IS_INT(rc, SFS_OK);
	IS_INT(n, TEXT_BYTES);
	OK(n == TEXT_BYTES && memcmp(got, text, n) == 0);
	OK(sfs_inflate_is_whole(z));
	sfs_inflate_free(z);
}

static void any_cut_gives_the_same_bytes(void)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 64, 1000, ROOM };
	size_t i, j, k, len;

	for (k = 0; k < 2; k++) {
		len = pack(BOTH[k], text, TEXT_BYTES, 0);
		for (i = 0; i < 7; i++) {
			for (j = 0; j < 7; j++)
				check_pieces(
					BOTH[k], len,
					(struct pieces){ sizes[i], sizes[j] });
		}
	}
}

static void members_and_frames_follow_each_other(void)
{
	size_t k, len, part;

	for (k = 0; k < 2; k++) {
		len = pack(BOTH[k], text, 0, 0);
		for (part = 0; part < 4; part++) {
			len = pack(BOTH[k], text + part * 5000, 5000, len);
			len = pack(BOTH[k], text, 0, len);
		}
		check_pieces(BOTH[k], len, (struct pieces){ 1, 1 });
		check_pieces(BOTH[k], len, (struct pieces){ 5, ROOM });
		check_pieces(BOTH[k], len, (struct pieces){ ROOM, 3 });
		check_pieces(BOTH[k], len, (struct pieces){ ROOM, ROOM });
	}
}

static void what_ends_at_any_byte_before_the_end_is_not_whole(void)
{
	struct pieces piece = { ROOM, ROOM };
	struct sfs_inflate *z;
	size_t k, len, cut, n;
	enum sfs_rc rc;

	for (k = 0; k < 2; k++) {
		len = pack(BOTH[k], text, TEXT_BYTES, 0);
		z = open_kind(BOTH[k]);
		for (cut = 1; cut < len; cut++) {
			sfs_inflate_reset(z);
			OK(sfs_inflate_is_whole(z));
			n = unpack(z, cut, piece, &rc, NULL);
			IS_INT(rc, SFS_OK);
			OK(!sfs_inflate_is_whole(z));
			OK(memcmp(got, text, n) == 0);
		}
		sfs_inflate_free(z);
	}
}

static void nothing_at_all_is_whole(void)
{
	struct pieces piece = { ROOM, ROOM };
	struct sfs_inflate *z;
	enum sfs_rc rc;
	size_t k;

	for (k = 0; k < 2; k++) {
		z = open_kind(BOTH[k]);
		IS_INT(unpack(z, 0, piece, &rc, NULL), 0);
		IS_INT(rc, SFS_OK);
		OK(sfs_inflate_is_whole(z));
		sfs_inflate_free(z);
	}
	sfs_inflate_free(NULL);
}

static void what_follows_the_end_and_is_not_compressed_is_refused(void)
{
	static const struct pieces pieces[] = { { ROOM, ROOM }, { 1, 1 } };
	struct sfs_inflate *z;
	struct sfs_err err;
	size_t i, k, len;
	enum sfs_rc rc;
	size_t n;

	for (k = 0; k < 2; k++) {
		len = pack(BOTH[k], text, TEXT_BYTES, 0);
		memcpy(packed + len, "garbage!", 8);
		for (i = 0; i < 2; i++) {
			z = open_kind(BOTH[k]);
			n = unpack(z, len + 8, pieces[i], &rc, &err);
			IS_INT(n, TEXT_BYTES);
			IS_INT(rc, SFS_E_CORRUPT);
			HAS_STR(err.msg, k == 0 ? "gzip" : "zstd");
			HAS_STR(err.msg,
			        "what follows the end is not compressed");
			sfs_inflate_free(z);
		}
	}
}

static void what_is_not_compressed_is_refused(void)
{
	struct pieces piece = { ROOM, ROOM };
	struct sfs_inflate *z;
	struct sfs_err err;
	enum sfs_rc rc;
	size_t k;

	for (k = 0; k < 2; k++) {
		z = open_kind(BOTH[k]);
		memcpy(packed, "{\"key\": 1, \"value\": \"x\"}\n", 26);
		IS_INT(unpack(z, 26, piece, &rc, &err), 0);
		IS_INT(rc, SFS_E_CORRUPT);
		HAS_STR(err.msg, "this is not what the name says");
		sfs_inflate_free(z);
	}
}

/* Whatever byte changes: refused, not whole, or another way to say it. */
static void a_damaged_byte_never_passes_unseen(void)
{
	struct pieces piece = { ROOM, ROOM };
	struct sfs_inflate *z = open_kind(SFS_COMPRESSION_GZIP);
	size_t len = pack(SFS_COMPRESSION_GZIP, text, TEXT_BYTES, 0);
	size_t i, n, refused = 0;
	struct sfs_err err;
	enum sfs_rc rc;

	for (i = 10; i < len; i++) {
		packed[i] ^= 0x20;
		sfs_inflate_reset(z);
		n = unpack(z, len, piece, &rc, &err);
		OK(rc == SFS_E_CORRUPT || !sfs_inflate_is_whole(z) ||
		   (n == TEXT_BYTES && memcmp(got, text, n) == 0));
		refused += rc == SFS_E_CORRUPT;
		if (rc == SFS_E_CORRUPT)
			HAS_STR(err.msg, "gzip, behind byte ");
		packed[i] ^= 0x20;
	}
	OK(refused > len / 2);
	sfs_inflate_free(z);
}

/* Decoders of versions before 0.8 are in some builds of libzstd. */
static void zstd_frames_of_old_versions_are_refused(void)
{
	static const uint8_t first[] = { 0x1e, 0x22, 0x23, 0x24,
		                         0x25, 0x26, 0x27 };
	struct pieces piece = { ROOM, ROOM };
	struct sfs_inflate *z = open_kind(SFS_COMPRESSION_ZSTD);
	size_t len = pack(SFS_COMPRESSION_ZSTD, text, TEXT_BYTES, 0);
	struct sfs_err err;
	enum sfs_rc rc;
	size_t i;

	for (i = 0; i < sizeof(first); i++) {
		packed[0] = first[i];
		sfs_inflate_reset(z);
		IS_INT(unpack(z, len, piece, &rc, &err), 0);
		IS_INT(rc, SFS_E_CORRUPT);
		HAS_STR(err.msg, "this is not what the name says");
	}
	sfs_inflate_free(z);
}

static void zstd_skippable_frames_are_skipped(void)
{
	static const uint8_t skip[] = { 0x5f, 0x2a, 0x4d, 0x18, 3,  0,
		                        0,    0,    'a',  'b',  'c' };
	size_t len;

	memcpy(packed, skip, sizeof(skip));
	len = pack(SFS_COMPRESSION_ZSTD, text, TEXT_BYTES, sizeof(skip));
	memcpy(packed + len, skip, sizeof(skip));
	len += sizeof(skip);
	check_pieces(SFS_COMPRESSION_ZSTD, len, (struct pieces){ ROOM, ROOM });
	check_pieces(SFS_COMPRESSION_ZSTD, len, (struct pieces){ 1, 1 });
}

static size_t pack_long(const void *data, size_t len, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_inBuffer in = { data, len, 0 };
	ZSTD_outBuffer out = { packed, ROOM, 0 };

	(void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
	/* Not the last call: the size is not known, so the window stays. */
	(void)ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush);
	IS_INT(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
	(void)ZSTD_freeCCtx(c);
	return out.pos;
}

static void a_zstd_window_over_128_mib_is_refused(void)
{
	struct pieces piece = { ROOM, ROOM };
	struct sfs_inflate *z = open_kind(SFS_COMPRESSION_ZSTD);
	struct sfs_err err;
	enum sfs_rc rc;
	size_t len;

	len = pack_long(text, TEXT_BYTES, 27);
	IS_INT(unpack(z, len, piece, &rc, &err), TEXT_BYTES);
	IS_INT(rc, SFS_OK);
	sfs_inflate_reset(z);
	len = pack_long(text, TEXT_BYTES, 28);
	(void)unpack(z, len, piece, &rc, &err);
	IS_INT(rc, SFS_E_CORRUPT);
	HAS_STR(err.msg, "128 MiB");
	HAS_STR(err.msg, "--long=27");
	sfs_inflate_free(z);
}

static void without_compression_bytes_pass_as_they_are(void)
{
	struct pieces piece = { 7, 5 };
	struct sfs_inflate *z = open_kind(SFS_COMPRESSION_NONE);
	enum sfs_rc rc;

	memcpy(packed, text, TEXT_BYTES);
	IS_INT(unpack(z, TEXT_BYTES, piece, &rc, NULL), TEXT_BYTES);
	OK(memcmp(got, text, TEXT_BYTES) == 0);
	OK(sfs_inflate_is_whole(z));
	sfs_inflate_free(z);
}

/* 256 MiB of zeros: what comes out is used up at once. */
static void check_bomb(enum sfs_compression kind, size_t len)
{
	struct sfs_inflate *z = open_kind(kind);
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	struct sfs_inflate_step s;
	size_t at = 0, total = 0;

	do {
		s.in = packed + at;
		s.in_len = len - at;
		s.out = got;
		s.out_cap = ROOM;
		IS_INT(sfs_inflate_next(z, &s, NULL), SFS_OK);
		at += s.in_used;
		total += s.out_len;
	} while (s.in_used > 0 || s.out_len > 0);
	IS_INT(total, 256 << 20);
	OK(mallinfo2().uordblks + mallinfo2().hblkhd < before + (9 << 20));
	sfs_inflate_free(z);
}

static void a_bomb_takes_no_memory(void)
{
	uint8_t *zeros = calloc(1, 256 << 20);
	size_t k;

	for (k = 0; k < 2 && zeros != NULL; k++)
		check_bomb(BOTH[k], pack(BOTH[k], zeros, 256 << 20, 0));
	OK(zeros != NULL);
	free(zeros);
}

int main(void)
{
	make_text();
	RUN(any_cut_gives_the_same_bytes);
	RUN(members_and_frames_follow_each_other);
	RUN(what_ends_at_any_byte_before_the_end_is_not_whole);
	RUN(nothing_at_all_is_whole);
	RUN(what_follows_the_end_and_is_not_compressed_is_refused);
	RUN(what_is_not_compressed_is_refused);
	RUN(a_damaged_byte_never_passes_unseen);
	RUN(zstd_frames_of_old_versions_are_refused);
	RUN(zstd_skippable_frames_are_skipped);
	RUN(a_zstd_window_over_128_mib_is_refused);
	RUN(without_compression_bytes_pass_as_they_are);
	RUN(a_bomb_takes_no_memory);
	return tap_done();
}
