/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip by zlib and zstd by libzstd behind one step function. Both libraries
 * keep their window and nothing else, so a bomb costs time but no memory.
 * Neither says everything that is needed by itself: zlib stops behind each
 * member, and libzstd takes a call that can do nothing for a fault. Hence
 * is_whole and has_more.
 */
#include "base/inflate.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	GZIP_WINDOW_BITS = 15 + 16, /* zlib's way to say: gzip only */
	GZIP_MAGIC_BYTES = 2,
	GZIP_BYTES = 48 << 10, /* zlib does not tell; more than it takes */
	ZSTD_WINDOW_BITS = 27,
};

struct sfs_inflate {
	enum sfs_compression kind;
	z_stream gzip;
	ZSTD_DCtx *zstd;
	uint64_t offset; /* compressed bytes that were taken */
	bool is_whole;   /* at the beginning, or behind a member or frame */
	bool has_ended;  /* some member or frame has */
	bool has_more;   /* the last step may have left output behind */
};

static void *zlib_alloc(void *arg, unsigned count, unsigned size)
{
	(void)arg;
	return sfs_calloc(count, size);
}

static void zlib_free(void *arg, void *p)
{
	(void)arg;
	sfs_free(p);
}

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY,
	                   "decompression: out of memory");
}

static enum sfs_rc open_gzip(struct sfs_inflate *z, struct sfs_err *err)
{
	z->gzip.zalloc = zlib_alloc;
	z->gzip.zfree = zlib_free;
	if (inflateInit2(&z->gzip, GZIP_WINDOW_BITS) != Z_OK)
		return no_memory(err);
	return SFS_OK;
}

static enum sfs_rc open_zstd(struct sfs_inflate *z, struct sfs_err *err)
{
	z->zstd = ZSTD_createDCtx();
	if (z->zstd == NULL ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax,
	                                        ZSTD_WINDOW_BITS)))
		return no_memory(err);
	return SFS_OK;
}

enum sfs_rc sfs_inflate_new(enum sfs_compression kind, struct sfs_inflate **out,
                            struct sfs_err *err)
{
	struct sfs_inflate *z = sfs_calloc(1, sizeof(*z));
	enum sfs_rc rc = SFS_OK;

	*out = NULL;
	if (z == NULL)
		return no_memory(err);
	z->is_whole = true;
	switch (kind) {
	case SFS_COMPRESSION_NONE:
		break;
	case SFS_COMPRESSION_GZIP:
		rc = open_gzip(z, err);
		break;
	case SFS_COMPRESSION_ZSTD:
		rc = open_zstd(z, err);
		break;
	}
	z->kind = kind;
	if (rc == SFS_OK)
		*out = z;
	else
		sfs_inflate_free(z);
	return rc;
}

void sfs_inflate_free(struct sfs_inflate *z)
{
	if (z == NULL)
		return;
	(void)inflateEnd(&z->gzip); /* refuses what was never opened */
	(void)ZSTD_freeDCtx(z->zstd);
	sfs_free(z);
}

void sfs_inflate_reset(struct sfs_inflate *z)
{
	if (z->kind == SFS_COMPRESSION_GZIP)
		(void)inflateReset(&z->gzip); /* fails for no open stream */
	if (z->kind == SFS_COMPRESSION_ZSTD)  /* neither does this one */
		(void)ZSTD_DCtx_reset(z->zstd, ZSTD_reset_session_only);
	z->offset = 0;
	z->is_whole = true;
	z->has_ended = false;
	z->has_more = false;
}

size_t sfs_inflate_memory(const struct sfs_inflate *z)
{
	return sizeof(*z) + (z->kind == SFS_COMPRESSION_GZIP ? GZIP_BYTES : 0) +
	       ZSTD_sizeof_DCtx(z->zstd);
}

bool sfs_inflate_is_whole(const struct sfs_inflate *z)
{
	return z->is_whole;
}

static enum sfs_rc step_none(struct sfs_inflate_step *s)
{
	size_t n = s->in_len < s->out_cap ? s->in_len : s->out_cap;

	if (n > 0)
		memcpy(s->out, s->in, n);
	s->in_used = n;
	s->out_len = n;
	return SFS_OK;
}

static enum sfs_rc corrupt(const struct sfs_inflate *z, const char *what,
                           struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CORRUPT,
	                   "%s, behind byte %" PRIu64
	                   " of the compressed file: %s",
	                   z->kind == SFS_COMPRESSION_GZIP ? "gzip" : "zstd",
	                   z->offset, what);
}

/* No member or frame begins here. */
static enum sfs_rc not_compressed(const struct sfs_inflate *z,
                                  struct sfs_err *err)
{
	return corrupt(z,
	               z->has_ended ? "what follows the end is not compressed"
	                            : "this is not what the name says",
	               err);
}

static unsigned at_most_uint(size_t n)
{
	return n < UINT_MAX ? (unsigned)n : UINT_MAX;
}

static enum sfs_rc gzip_failure(const struct sfs_inflate *z, int status,
                                struct sfs_err *err)
{
	if (status == Z_MEM_ERROR)
		return no_memory(err);
	if (z->gzip.total_in <= GZIP_MAGIC_BYTES)
		return not_compressed(z, err);
	return corrupt(z, z->gzip.msg != NULL ? z->gzip.msg : "damaged", err);
}

static enum sfs_rc step_gzip(struct sfs_inflate *z, struct sfs_inflate_step *s,
                             struct sfs_err *err)
{
	const unsigned in = at_most_uint(s->in_len);
	const unsigned out = at_most_uint(s->out_cap);
	int status;

	if (z->is_whole)
		(void)inflateReset(&z->gzip);        /* the next member */
	z->gzip.next_in = (Bytef *)(uintptr_t)s->in; /* it does not write */
	z->gzip.avail_in = in;
	z->gzip.next_out = s->out;
	z->gzip.avail_out = out;
	status = inflate(&z->gzip, Z_NO_FLUSH);
	s->in_used = in - z->gzip.avail_in;
	s->out_len = out - z->gzip.avail_out;
	z->offset += s->in_used;
	if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
		return gzip_failure(z, status, err);
	z->is_whole = status == Z_STREAM_END;
	z->has_ended |= z->is_whole;
	return SFS_OK;
}

static enum sfs_rc zstd_failure(const struct sfs_inflate *z, size_t status,
                                struct sfs_err *err)
{
	const ZSTD_ErrorCode code = ZSTD_getErrorCode(status);

	if (code == ZSTD_error_memory_allocation)
		return no_memory(err);
	if (code == ZSTD_error_prefix_unknown)
		return not_compressed(z, err);
	if (code == ZSTD_error_frameParameter_windowTooLarge)
		return corrupt(z,
		               "its window is larger than 128 MiB: compress "
		               "with --long=27 or less",
		               err);
	return corrupt(z, ZSTD_getErrorName(status), err);
}

/*
 * The first byte of a frame, or of a skippable one (RFC 8878, section 3.1).
 * libzstd may take frames of versions before 0.8 too, which begin otherwise,
 * by code that is not meant for hostile input.
 */
static bool begins_frame(uint8_t byte)
{
	return byte == 0x28 || (byte & 0xf0) == 0x50;
}

static enum sfs_rc step_zstd(struct sfs_inflate *z, struct sfs_inflate_step *s,
                             struct sfs_err *err)
{
	ZSTD_inBuffer in = { s->in, s->in_len, 0 };
	ZSTD_outBuffer out = { s->out, s->out_cap, 0 };
	size_t status;

	if (s->in_len == 0 && !z->has_more)
		return SFS_OK;
	if (z->is_whole && !begins_frame(s->in[0]))
		return not_compressed(z, err);
	status = ZSTD_decompressStream(z->zstd, &out, &in);
	if (ZSTD_isError(status))
		return zstd_failure(z, status, err);
	s->in_used = in.pos;
	s->out_len = out.pos;
	z->offset += in.pos;
	z->is_whole = status == 0;
	z->has_ended |= z->is_whole;
	z->has_more = out.pos == out.size && !z->is_whole;
	return SFS_OK;
}

enum sfs_rc sfs_inflate_next(struct sfs_inflate *z,
                             struct sfs_inflate_step *step, struct sfs_err *err)
{
	step->in_used = 0;
	step->out_len = 0;
	if (step->out_cap == 0 || (z->is_whole && step->in_len == 0))
		return SFS_OK;
	switch (z->kind) {
	case SFS_COMPRESSION_NONE:
		break;
	case SFS_COMPRESSION_GZIP:
		return step_gzip(z, step, err);
	case SFS_COMPRESSION_ZSTD:
		return step_zstd(z, step, err);
	}
	return step_none(step);
}
