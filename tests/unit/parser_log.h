/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_PARSER_LOG_H
#define SFS_TESTS_PARSER_LOG_H

/*
 * Runs a parser over bytes and writes down what it says, a line an event:
 *     OFFSET KEY=VALUE          a record; bytes that are not plain as %XX
 *     OFFSET KEY deleted
 *     OFFSET bad LINE: REASON   "bad!" for the last one
 */
#include "base/buf.h"
#include "build/parser.h"
#include "build/parser_internal.h"
#include "unit/tap.h"

#include <stdlib.h>

/* What is done between two pieces. */
enum parser_log_pause { PARSER_GOES_ON = 0, PARSER_RESTS, PARSER_REWINDS };

struct parser_log {
	struct sfs_parser_config config;
	bool is_slow; /* without the short cut of JSON Lines */
	enum parser_log_pause pause;
	const char *source; /* what is fed; RESTS: where it is fetched from */
	uint64_t fetched;   /* bytes */
	uint64_t end;       /* of what may be fetched */
	struct sfs_parser *p;
	struct sfs_buf text;
	uint64_t records;
	uint64_t bad;
	uint64_t value_bytes;
	bool is_quiet; /* counts only */
};

static inline void parser_log_bytes(struct sfs_buf *out, struct sfs_bytes b)
{
	size_t i;

	for (i = 0; i < b.len; i++) {
		if (b.data[i] > 0x20 && b.data[i] < 0x7f && b.data[i] != '%')
			sfs_buf_putc(out, (char)b.data[i]);
		else
			sfs_buf_printf(out, "%%%02X", b.data[i]);
	}
}

static inline void parser_log_key(struct parser_log *l, struct sfs_bytes key)
{
	const bool is_integer = l->config.encoding == SFS_KEY_U64BE ||
	                        l->config.encoding == SFS_KEY_U32BE;
	uint64_t value = 0;
	size_t i;

	if (!is_integer) {
		parser_log_bytes(&l->text, key);
		return;
	}
	IS_INT(key.len, l->config.encoding == SFS_KEY_U64BE ? 8 : 4);
	for (i = 0; i < key.len; i++)
		value = value << 8 | key.data[i];
	sfs_buf_printf(&l->text, "%" PRIu64, value);
}

static inline enum sfs_rc
parser_log_record(void *arg, const struct sfs_record *r, struct sfs_err *err)
{
	struct parser_log *l = arg;

	(void)err;
	l->records++;
	l->value_bytes += r->value.len;
	if (l->is_quiet)
		return SFS_OK;
	if (r->offset != sfs_parser_offset(l->p))
		TAP_FAIL("record at %" PRIu64 ", parser at %" PRIu64, r->offset,
		         sfs_parser_offset(l->p));
	sfs_buf_printf(&l->text, "%" PRIu64 " ", r->offset);
	parser_log_key(l, r->key);
	if (r->is_delete) {
		IS_INT(r->value.len, 0);
		sfs_buf_puts(&l->text, " deleted\n");
		return SFS_OK;
	}
	sfs_buf_putc(&l->text, '=');
	parser_log_bytes(&l->text, r->value);
	sfs_buf_putc(&l->text, '\n');
	return SFS_OK;
}

static inline enum sfs_rc
parser_log_bad(void *arg, const struct sfs_bad_record *bad, struct sfs_err *err)
{
	struct parser_log *l = arg;

	(void)err;
	l->bad++;
	OK(bad->reason[0] != '\0' && strchr(bad->reason, '\n') == NULL);
	if (l->is_quiet && l->bad > 100)
		return SFS_OK;
	sfs_buf_printf(&l->text, "%" PRIu64 " bad%s %" PRIu64 ": %s\n",
	               bad->offset, bad->is_last ? "!" : "", bad->line,
	               bad->reason);
	return SFS_OK;
}

static inline enum sfs_rc parser_log_fetch(void *arg, uint64_t offset, void *to,
                                           size_t len, struct sfs_err *err)
{
	struct parser_log *l = arg;

	(void)err;
	OK(offset + len <= l->end);
	memcpy(to, l->source + offset, len);
	l->fetched += len;
	return SFS_OK;
}

static inline void parser_log_open(struct parser_log *l)
{
	const struct sfs_parser_events events = {
		.record = parser_log_record,
		.bad = parser_log_bad,
		.fetch = l->pause == PARSER_RESTS ? parser_log_fetch : NULL,
		.arg = l,
	};

	sfs_buf_init(&l->text, SFS_TEXT_MAX_BYTES);
	sfs_buf_puts(&l->text, "");
	l->records = 0;
	l->bad = 0;
	l->value_bytes = 0;
	l->fetched = 0;
	l->end = 0;
	IS_INT(sfs_parser_new(&l->config, &events, &l->p, NULL), SFS_OK);
	l->p->is_slow = l->is_slow;
}

static inline void parser_log_feed(struct parser_log *l, const void *data,
                                   size_t len)
{
	struct sfs_err err = { 0 };

	l->end += len;
	IS_INT(sfs_parser_feed(l->p, data, len, &err), SFS_OK);
	if (l->pause == PARSER_RESTS) {
		sfs_parser_rest(l->p);
		IS_INT(sfs_parser_held(l->p), 0);
	}
}

/* What is to be fed next is at l->end. */
static inline void parser_log_rewind(struct parser_log *l)
{
	sfs_parser_rewind(l->p);
	l->end = sfs_parser_offset(l->p);
}

/* l->text is what was said; sfs_buf_release() it. */
static inline void parser_log_close(struct parser_log *l)
{
	struct sfs_err err = { 0 };

	IS_INT(sfs_parser_finish(l->p, &err), SFS_OK);
	sfs_parser_free(l->p);
	l->p = NULL;
}

/* All at once, in pieces of cut bytes (0: in one). */
static inline void parser_log_run(struct parser_log *l, const void *data,
                                  size_t len, size_t cut)
{
	const char *at = data;
	size_t left = len;
	char *piece;
	size_t n;

	l->source = data;
	parser_log_open(l);
	for (; left > 0; left -= n, at += n) {
		n = cut == 0 || cut > left ? left : cut;
		/* A copy of its own, so that nothing can look beyond it. */
		piece = malloc(n);
		memcpy(piece, at, n);
		parser_log_feed(l, piece, n);
		free(piece);
	}
	parser_log_close(l);
}

#endif
