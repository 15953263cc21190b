/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts what is fed into records. A record that lies whole in the fed bytes is
 * read where it is; only one that a cut divides is collected, and a large one
 * of those, if possible, not before its end was seen: files that are open in
 * the middle of a record, however many, hold next to nothing. A record longer
 * than it may be is dropped up to its end. What is given out depends on the
 * bytes alone, never on the cuts.
 */
#include "build/parser.h"

#include "base/alloc.h"
#include "base/keyname.h"
#include "build/parser_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	/* A key in hexadecimal, names and punctuation. */
	TEXT_SLACK_BYTES = 3 << 20,
	BOM_BYTES = 3,
};

#define BOM "\xef\xbb\xbf"

struct ending {
	const char *text;
	enum sfs_ingest_format format;
	enum sfs_compression compression;
};

static const struct ending ENDINGS[] = {
	{ ".jsonl", SFS_INGEST_JSONL, SFS_COMPRESSION_NONE },
	{ ".csv", SFS_INGEST_CSV, SFS_COMPRESSION_NONE },
	{ ".tsv", SFS_INGEST_TSV, SFS_COMPRESSION_NONE },
	{ ".kv", SFS_INGEST_KV, SFS_COMPRESSION_NONE },
	{ ".gz", SFS_INGEST_INVALID, SFS_COMPRESSION_GZIP },
	{ ".zst", SFS_INGEST_INVALID, SFS_COMPRESSION_ZSTD },
};

enum { ENDINGS_COUNT = sizeof(ENDINGS) / sizeof(ENDINGS[0]) };

/* The ending of the first *len bytes, which loses it; NULL: none of ours. */
static const struct ending *take_ending(const char *name, size_t *len)
{
	size_t i, n;

	for (i = 0; i < ENDINGS_COUNT; i++) {
		n = strlen(ENDINGS[i].text);
		if (*len <= n ||
		    memcmp(name + *len - n, ENDINGS[i].text, n) != 0)
			continue;
		*len -= n;
		return &ENDINGS[i];
	}
	return NULL;
}

bool sfs_ingest_name_parse(const char *name, enum sfs_ingest_format *format,
                           enum sfs_compression *compression)
{
	size_t len = strlen(name);
	const struct ending *e;

	if (name[0] == '.')
		return false;
	*compression = SFS_COMPRESSION_NONE;
	e = take_ending(name, &len);
	if (e != NULL && e->format == SFS_INGEST_INVALID) {
		*compression = e->compression;
		e = take_ending(name, &len);
	}
	if (e == NULL || e->format == SFS_INGEST_INVALID)
		return false;
	*format = e->format;
	return true;
}

enum sfs_rc sfs_parser_new(const struct sfs_parser_config *config,
                           const struct sfs_parser_events *events,
                           struct sfs_parser **out, struct sfs_err *err)
{
	struct sfs_parser *p;
	size_t i;

	*out = NULL;
	if (config->format == SFS_INGEST_INVALID ||
	    config->encoding == SFS_KEY_INVALID ||
	    config->value_max > SIZE_MAX / 4)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "parser: format, encoding or value_max");
	p = sfs_calloc(1, sizeof(*p));
	if (p == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "parser: out of memory");
	p->config = *config;
	p->events = *events;
	p->line = 1;
	/* Base64 takes a third more. */
	p->text_max =
		config->value_max + config->value_max / 2 + TEXT_SLACK_BYTES;
	sfs_buf_init(&p->held, p->text_max);
	for (i = 0; i < SFS_FIELD_CLASSES; i++)
		sfs_buf_init(&p->decoded[i], p->text_max);
	sfs_json_reader_init(&p->json, NULL, 0);
	sfs_columns_init(&p->columns_of);
	*out = p;
	return SFS_OK;
}

void sfs_parser_free(struct sfs_parser *p)
{
	size_t i;

	if (p == NULL)
		return;
	sfs_buf_release(&p->held);
	for (i = 0; i < SFS_FIELD_CLASSES; i++)
		sfs_buf_release(&p->decoded[i]);
	sfs_json_reader_release(&p->json);
	sfs_columns_release(&p->columns_of);
	sfs_free(p);
}

uint64_t sfs_parser_offset(const struct sfs_parser *p)
{
	return p->offset;
}

enum sfs_rc sfs_parser_refuse(struct sfs_parser *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(p->reason, sizeof(p->reason), fmt, args);
	va_end(args);
	return SFS_E_CORRUPT;
}

/* A character, '?' for one that does not belong in a line: its length. */
static size_t copy_char(const uint8_t *p, size_t len, char *out)
{
	size_t n = sfs_utf8_sequence(p, len);

	if (n == 0 || p[0] < 0x20 || p[0] == 0x7f) {
		out[0] = '?';
		return 1;
	}
	memcpy(out, p, n);
	return n;
}

void sfs_parser_quote(const void *text, size_t len,
                      char out[SFS_PARSER_QUOTE_BYTES])
{
	/* for the last character, "...", a quote and the NUL */
	const size_t room = SFS_PARSER_QUOTE_BYTES - 4 - 5;
	const uint8_t *p = text;
	size_t at = 1;
	size_t i = 0;
	size_t n;

	out[0] = '"';
	for (; i < len && at < room; i += n, at += n)
		n = copy_char(p + i, len - i, out + at);
	(void)snprintf(out + at, SFS_PARSER_QUOTE_BYTES - at, "%s\"",
	               i < len ? "..." : "");
}

enum sfs_rc sfs_parser_give(struct sfs_parser *p, const struct sfs_record *r,
                            struct sfs_err *err)
{
	return p->events.record(p->events.arg, r, err);
}

enum sfs_rc sfs_parser_give_bad(struct sfs_parser *p, bool is_last,
                                struct sfs_err *err)
{
	const struct sfs_bad_record bad = {
		.offset = p->offset,
		.line = p->line,
		.reason = p->reason,
		.is_last = is_last,
	};

	p->is_over |= is_last;
	return p->events.bad(p->events.arg, &bad, err);
}

/* What one large record made larger is not kept. */
static void shrink(struct sfs_buf *b)
{
	if (b->cap > SFS_PARSER_HELD_BYTES)
		sfs_buf_release(b);
	else
		sfs_buf_reset(b);
}

static void close_record(struct sfs_parser *p)
{
	p->open_len = 0;
	p->newlines = 0;
	p->csv_state = SFS_CSV_CELL;
	p->is_too_long = false;
	p->is_away = false;
}

void sfs_parser_next(struct sfs_parser *p)
{
	size_t i;

	p->offset += p->open_len;
	p->line += 1 + p->newlines;
	close_record(p);
	shrink(&p->held);
	shrink(&p->json.scratch);
	for (i = 0; i < SFS_FIELD_CLASSES; i++)
		shrink(&p->decoded[i]);
}

void sfs_parser_rest(struct sfs_parser *p)
{
	p->is_away = p->events.fetch != NULL;
	if (p->open_len == 0 || p->is_away || p->is_too_long)
		sfs_buf_release(&p->held);
	sfs_buf_release(&p->json.scratch);
	sfs_columns_release(&p->columns_of);
	for (size_t i = 0; i < SFS_FIELD_CLASSES; i++)
		sfs_buf_release(&p->decoded[i]);
}

void sfs_parser_rewind(struct sfs_parser *p)
{
	close_record(p);
	sfs_buf_release(&p->held);
}

size_t sfs_parser_held(const struct sfs_parser *p)
{
	return p->held.len;
}

/* The open record's first len bytes are held again. */
static enum sfs_rc bring_back(struct sfs_parser *p, size_t len,
                              struct sfs_err *err)
{
	void *room;
	enum sfs_rc rc;

	sfs_buf_reset(&p->held);
	room = sfs_buf_reserve(&p->held, len);
	if (room == NULL)
		return sfs_buf_finish(&p->held, "parser", err);
	rc = p->events.fetch(p->events.arg, p->offset, room, len, err);
	if (rc != SFS_OK)
		return rc;
	p->held.len = len;
	p->held.data[len] = '\0';
	p->is_away = false;
	return SFS_OK;
}

enum sfs_rc sfs_parser_hold(struct sfs_parser *p, const uint8_t *data,
                            size_t len, struct sfs_err *err)
{
	const bool is_large = p->events.fetch != NULL &&
	                      p->open_len + len > SFS_PARSER_HELD_BYTES;
	enum sfs_rc rc = SFS_OK;

	if (p->is_too_long)
		return SFS_OK;
	p->is_too_long = len > p->text_max - p->open_len;
	p->is_away = p->is_away || is_large;
	if (p->is_too_long || is_large) {
		sfs_buf_release(&p->held);
		return SFS_OK;
	}
	if (p->is_away)
		rc = bring_back(p, (size_t)p->open_len, err);
	if (rc != SFS_OK)
		return rc;
	sfs_buf_add(&p->held, data, len);
	return sfs_buf_finish(&p->held, "parser", err);
}

enum sfs_rc sfs_parser_collect(struct sfs_parser *p, size_t len,
                               struct sfs_bytes *out, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	*out = (struct sfs_bytes){ NULL, 0 };
	if (p->is_too_long)
		return SFS_OK;
	if (p->is_away)
		rc = bring_back(p, len, err);
	*out = (struct sfs_bytes){ (const uint8_t *)p->held.data, p->held.len };
	return rc;
}

static bool is_table(const struct sfs_parser *p)
{
	return p->config.format == SFS_INGEST_CSV ||
	       p->config.format == SFS_INGEST_TSV;
}

static enum sfs_rc refuse_length(struct sfs_parser *p)
{
	return sfs_parser_refuse(
		p, "longer than %zu bytes, which value_max allows%s",
		p->text_max,
		p->csv_state == SFS_CSV_QUOTED ? ": a quote is not closed"
					       : "");
}

/* Without the mark at the beginning of a file, and the \r of a line's end. */
static struct sfs_bytes trimmed(const struct sfs_parser *p, const uint8_t *data,
                                size_t len)
{
	if (p->offset == 0 && len >= BOM_BYTES &&
	    memcmp(data, BOM, BOM_BYTES) == 0) {
		data += BOM_BYTES;
		len -= BOM_BYTES;
	}
	if (len > 0 && data[len - 1] == '\r')
		len--;
	return (struct sfs_bytes){ data, len };
}

static enum sfs_rc read_text(struct sfs_parser *p, struct sfs_bytes text,
                             struct sfs_record *out, bool *found,
                             struct sfs_err *err)
{
	if (text.len > p->text_max || p->is_too_long)
		return refuse_length(p);
	if (p->csv_state == SFS_CSV_QUOTED)
		return sfs_parser_refuse(p, "a quote is not closed");
	text = trimmed(p, text.data, text.len);
	if (is_table(p))
		return sfs_table_read(p, text, out, found, err);
	return sfs_jsonl_read(p, text, out, found, err);
}

/*
 * What lies behind a bad header cannot be read, and what a quote that is not
 * closed has swallowed is not known.
 */
static bool is_hopeless(const struct sfs_parser *p)
{
	return is_table(p) &&
	       (p->columns == 0 || p->csv_state == SFS_CSV_QUOTED);
}

/* The open record is whole: its bytes without the newline. */
static enum sfs_rc end_text(struct sfs_parser *p, struct sfs_bytes text,
                            struct sfs_err *err)
{
	struct sfs_record r = { .offset = p->offset, .line = p->line };
	bool found = false;
	enum sfs_rc rc;

	rc = read_text(p, text, &r, &found, err);
	if (rc == SFS_E_CORRUPT)
		rc = sfs_parser_give_bad(p, is_hopeless(p), err);
	else if (rc == SFS_OK && found)
		rc = sfs_parser_give(p, &r, err);
	if (rc == SFS_OK)
		sfs_parser_next(p);
	return rc;
}

static size_t find_end(struct sfs_parser *p, const uint8_t *data, size_t len,
                       bool *is_end)
{
	const uint8_t *newline;

	if (p->config.format == SFS_INGEST_CSV)
		return sfs_csv_scan(p, data, len, is_end);
	newline = memchr(data, '\n', len);
	*is_end = newline != NULL;
	return newline != NULL ? (size_t)(newline - data) + 1 : len;
}

/* Takes the bytes up to the end of the open record, or all. */
static enum sfs_rc feed_record(struct sfs_parser *p, const uint8_t *data,
                               size_t len, size_t *used, struct sfs_err *err)
{
	struct sfs_bytes text = { data, 0 };
	bool is_whole_here = p->open_len == 0;
	enum sfs_rc rc = SFS_OK;
	bool is_end = false;

	*used = find_end(p, data, len, &is_end);
	text.len = *used - is_end;
	if (!is_whole_here || !is_end)
		rc = sfs_parser_hold(p, data, text.len, err);
	p->open_len += *used;
	if (rc == SFS_OK && is_end && !is_whole_here)
		rc = sfs_parser_collect(p, (size_t)p->open_len - 1, &text, err);
	if (rc != SFS_OK || !is_end)
		return rc;
	return end_text(p, text, err);
}

enum sfs_rc sfs_parser_feed(struct sfs_parser *p, const void *data, size_t len,
                            struct sfs_err *err)
{
	const uint8_t *at = data;
	enum sfs_rc rc = SFS_OK;
	size_t used;

	if (p->config.format == SFS_INGEST_KV)
		return sfs_kv_feed(p, at, len, err);
	while (len > 0 && !p->is_over && rc == SFS_OK) {
		rc = feed_record(p, at, len, &used, err);
		at += used;
		len -= used;
	}
	if (p->is_over && rc == SFS_OK)
		p->offset += len;
	return rc;
}

enum sfs_rc sfs_parser_finish(struct sfs_parser *p, struct sfs_err *err)
{
	struct sfs_bytes text;
	enum sfs_rc rc;

	if (p->open_len == 0)
		return SFS_OK;
	if (p->config.format == SFS_INGEST_KV)
		return sfs_kv_finish(p, err);
	rc = sfs_parser_collect(p, (size_t)p->open_len, &text, err);
	return rc == SFS_OK ? end_text(p, text, err) : rc;
}
