/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: CSV (RFC 4180) and TSV. Both have a header with the names that the
 * members of a JSON line have, and differ in how a row is cut into cells: in
 * CSV a cell may be quoted and then hold anything, in TSV a backslash stands
 * before what a cell cannot hold.
 */
#include "build/parser_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BOM "\xef\xbb\xbf"
enum { BOM_BYTES = 3 };

struct row {
	const uint8_t *at;
	const uint8_t *end;
	bool is_over; /* the last cell was taken */
};

/* True for a byte of the mark at the beginning of a file. */
static bool is_bom(const struct sfs_parser *p, size_t i, uint8_t c)
{
	return p->offset == 0 && p->open_len + i < BOM_BYTES &&
	       c == (uint8_t)BOM[p->open_len + i];
}

/* In quotes: the bytes up to behind the next quote, or all. */
static size_t scan_quoted(struct sfs_parser *p, const uint8_t *data, size_t len)
{
	const uint8_t *quote = memchr(data, '"', len);
	const uint8_t *end = quote != NULL ? quote : data + len;
	const uint8_t *at = data;

	if (quote != NULL)
		p->csv_state = SFS_CSV_QUOTE;
	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		p->newlines++;
		at++;
	}
	return (size_t)(end - data) + (quote != NULL);
}

/* Takes one byte outside of quotes; true for the newline of a record. */
static bool scan_byte(struct sfs_parser *p, size_t i, uint8_t c)
{
	if (c == '\n') {
		p->csv_state = SFS_CSV_CELL;
		return true;
	}
	if (c == '"' &&
	    (p->csv_state == SFS_CSV_CELL || p->csv_state == SFS_CSV_QUOTE))
		p->csv_state = SFS_CSV_QUOTED;
	else if (c == ',')
		p->csv_state = SFS_CSV_CELL;
	else if (p->csv_state != SFS_CSV_CELL || !is_bom(p, i, c))
		p->csv_state = SFS_CSV_PLAIN;
	return false;
}

size_t sfs_csv_scan(struct sfs_parser *p, const uint8_t *data, size_t len,
                    bool *is_end)
{
	const uint8_t *newline;
	size_t i = 0;

	*is_end = false;
	/* Most records have no quote. */
	newline = p->open_len == 0 ? memchr(data, '\n', len) : NULL;
	if (newline != NULL) {
		i = (size_t)(newline - data);
		*is_end = memchr(data, '"', i) == NULL;
		i = *is_end ? i + 1 : 0;
	}
	while (i < len && !*is_end) {
		if (p->csv_state == SFS_CSV_QUOTED) {
			i += scan_quoted(p, data + i, len - i);
		} else {
			*is_end = scan_byte(p, i, data[i]);
			i++;
		}
	}
	return i;
}

static void end_cell(struct row *row, const uint8_t *end)
{
	row->is_over = end == row->end;
	row->at = row->is_over ? end : end + 1;
}

/* At the opening quote. */
static enum sfs_rc quoted_cell(struct sfs_parser *p, struct row *row,
                               struct sfs_buf *room, struct sfs_bytes *out,
                               struct sfs_err *err)
{
	const uint8_t *from = row->at + 1;
	const uint8_t *quote;

	sfs_buf_reset(room);
	for (;;) {
		quote = memchr(from, '"', (size_t)(row->end - from));
		if (quote == NULL)
			return sfs_parser_refuse(p, "a quote is not closed");
		if (quote + 1 == row->end || quote[1] != '"')
			break;
		sfs_buf_add(room, from, (size_t)(quote + 1 - from));
		from = quote + 2;
	}
	if (quote + 1 != row->end && quote[1] != ',')
		return sfs_parser_refuse(
			p, "text behind a closing quote: a quote in a quoted "
			   "cell is doubled");
	*out = (struct sfs_bytes){ from, (size_t)(quote - from) };
	if (from != row->at + 1) {
		sfs_buf_add(room, from, (size_t)(quote - from));
		*out = (struct sfs_bytes){ (const uint8_t *)room->data,
			                   room->len };
	}
	end_cell(row, quote + 1);
	return sfs_buf_finish(room, "parser", err);
}

static enum sfs_rc csv_cell(struct sfs_parser *p, struct row *row,
                            struct sfs_buf *room, struct sfs_bytes *out,
                            struct sfs_err *err)
{
	const size_t left = (size_t)(row->end - row->at);
	const uint8_t *end;

	if (left > 0 && row->at[0] == '"')
		return quoted_cell(p, row, room, out, err);
	end = memchr(row->at, ',', left);
	if (end == NULL)
		end = row->end;
	*out = (struct sfs_bytes){ row->at, (size_t)(end - row->at) };
	if (memchr(out->data, '"', out->len) != NULL)
		return sfs_parser_refuse(
			p, "a quote in a cell without quotes: expected the "
			   "cell in quotes, and the quote doubled");
	end_cell(row, end);
	return SFS_OK;
}

/* The byte that stands behind a backslash, or -1. */
static int unescaped(uint8_t c)
{
	switch (c) {
	case 't':
		return '\t';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case '\\':
		return '\\';
	default:
		return -1;
	}
}

/* Replaces *text by a copy without escapes. */
static enum sfs_rc unescape(struct sfs_parser *p, struct sfs_bytes *text,
                            struct sfs_buf *room, struct sfs_err *err)
{
	const uint8_t *at = text->data;
	const uint8_t *end = at + text->len;
	const uint8_t *slash;
	int c;

	sfs_buf_reset(room);
	while ((slash = memchr(at, '\\', (size_t)(end - at))) != NULL) {
		c = slash + 1 < end ? unescaped(slash[1]) : -1;
		if (c < 0)
			return sfs_parser_refuse(
				p, "a backslash: expected \\\\, \\t, \\n or "
				   "\\r");
		sfs_buf_add(room, at, (size_t)(slash - at));
		sfs_buf_putc(room, (char)c);
		at = slash + 2;
	}
	sfs_buf_add(room, at, (size_t)(end - at));
	*text = (struct sfs_bytes){ (const uint8_t *)room->data, room->len };
	return sfs_buf_finish(room, "parser", err);
}

static enum sfs_rc tsv_cell(struct sfs_parser *p, struct row *row,
                            struct sfs_buf *room, struct sfs_bytes *out,
                            struct sfs_err *err)
{
	const uint8_t *end;

	end = memchr(row->at, '\t', (size_t)(row->end - row->at));
	if (end == NULL)
		end = row->end;
	*out = (struct sfs_bytes){ row->at, (size_t)(end - row->at) };
	end_cell(row, end);
	if (memchr(out->data, '\\', out->len) == NULL)
		return SFS_OK;
	return unescape(p, out, room, err);
}

static enum sfs_rc next_cell(struct sfs_parser *p, struct row *row,
                             struct sfs_buf *room, struct sfs_bytes *out,
                             struct sfs_err *err)
{
	if (p->config.format == SFS_INGEST_CSV)
		return csv_cell(p, row, room, out, err);
	return tsv_cell(p, row, room, out, err);
}

/* Some programs write semicolons into .csv, or give it the wrong name. */
static bool has_other_separator(const struct sfs_parser *p,
                                struct sfs_bytes name)
{
	const char *others = p->config.format == SFS_INGEST_CSV ? ";\t" : ";,";

	return memchr(name.data, others[0], name.len) != NULL ||
	       memchr(name.data, others[1], name.len) != NULL;
}

/* A column that keys are routed by. */
static enum sfs_rc add_routed(struct sfs_parser *p, size_t at,
                              unsigned *columns)
{
	for (unsigned i = 0; i < *columns; i++) {
		if (p->column[i] == SFS_FIELD_COLUMNS && p->routed[i] == at)
			return sfs_parser_refuse(
				p, "%.100s: is there twice",
				p->config.sharding->columns[at].name);
	}
	p->column[*columns] = SFS_FIELD_COLUMNS;
	p->routed[(*columns)++] = (uint8_t)at;
	return SFS_OK;
}

/* All that a record must have. */
static enum sfs_rc check_routed(struct sfs_parser *p, unsigned columns)
{
	const struct sfs_sharding *s = p->config.sharding;

	for (size_t at = 0; p->config.needs_columns && at < s->column_count;
	     at++) {
		const char *name = s->columns[at].name;
		unsigned i = 0;

		while (i < columns && (p->column[i] != SFS_FIELD_COLUMNS ||
		                       p->routed[i] != at))
			i++;
		if (i < columns || strcmp(name, "key") == 0)
			continue;
		if (sfs_field_of_name(name, strlen(name)) != SFS_FIELD_NONE)
			return sfs_parser_refuse(
				p,
				"column %.100s: means something else in a "
				"table; write JSON Lines",
				name);
		return sfs_parser_refuse(
			p, "expected a column %.100s: keys are routed by it",
			name);
	}
	return SFS_OK;
}

static enum sfs_rc add_column(struct sfs_parser *p, struct sfs_bytes name,
                              enum sfs_field given[SFS_FIELD_CLASSES],
                              unsigned *columns)
{
	const struct sfs_sharding *s = p->config.sharding;
	enum sfs_field field;
	enum sfs_field_class class;
	size_t at = s != NULL ? sfs_sharding_column(s, (const char *)name.data,
	                                            name.len)
	                      : 0;

	field = sfs_field_of_name((const char *)name.data, name.len);
	if ((field == SFS_FIELD_NONE || field == SFS_FIELD_COLUMNS) &&
	    s != NULL && at < s->column_count)
		return add_routed(p, at, columns);
	if (field == SFS_FIELD_COLUMNS)
		return sfs_parser_refuse(p, "columns: is for JSON Lines; a "
		                            "table has a column of the name "
		                            "of each");
	class = sfs_field_class(field);
	if (field == SFS_FIELD_NONE && has_other_separator(p, name))
		return sfs_parser_refuse(
			p, "expected %s between the names",
			p->config.format == SFS_INGEST_CSV ? "commas" : "tabs");
	if (field == SFS_FIELD_NONE)
		return sfs_field_refuse_name(p, "column",
		                             (const char *)name.data, name.len);
	if (given[class] != SFS_FIELD_NONE)
		return sfs_parser_refuse(p, "%s: there is %s already",
		                         sfs_field_name(field),
		                         sfs_field_name(given[class]));
	given[class] = field;
	p->column[(*columns)++] = field; /* one of a class at most */
	return sfs_field_check(p, field);
}

static enum sfs_rc read_header(struct sfs_parser *p, struct row *row,
                               struct sfs_err *err)
{
	enum sfs_field given[SFS_FIELD_CLASSES] = { SFS_FIELD_NONE };
	struct sfs_bytes name;
	unsigned columns = 0;
	enum sfs_rc rc;

	while (!row->is_over) {
		rc = next_cell(p, row, &p->decoded[SFS_FIELD_OF_NOTHING], &name,
		               err);
		if (rc == SFS_OK)
			rc = add_column(p, name, given, &columns);
		if (rc != SFS_OK)
			return rc;
	}
	if (given[SFS_FIELD_OF_KEY] == SFS_FIELD_NONE)
		return sfs_parser_refuse(p, "expected a column key");
	if (given[SFS_FIELD_OF_VALUE] == SFS_FIELD_NONE &&
	    given[SFS_FIELD_OF_DELETE] == SFS_FIELD_NONE)
		return sfs_parser_refuse(p,
		                         "expected a column value, "
		                         "value_base64, value_json or delete");
	rc = check_routed(p, columns);
	if (rc == SFS_OK)
		p->columns = columns;
	return rc;
}

/* Says that it is the header which is bad. */
static enum sfs_rc refuse_header(struct sfs_parser *p)
{
	char why[SFS_PARSER_REASON_BYTES];

	(void)snprintf(why, sizeof(why), "%s", p->reason);
	return sfs_parser_refuse(p, "header: %.180s; the file is not read",
	                         why);
}

static bool is_word(struct sfs_bytes text, const char *word)
{
	return text.len == strlen(word) &&
	       strncasecmp((const char *)text.data, word, text.len) == 0;
}

static enum sfs_rc read_delete(struct sfs_parser *p, struct sfs_bytes text,
                               struct sfs_record *out)
{
	char quoted[SFS_PARSER_QUOTE_BYTES];

	out->is_delete = is_word(text, "true") || is_word(text, "1");
	if (out->is_delete || text.len == 0 || is_word(text, "false") ||
	    is_word(text, "0"))
		return SFS_OK;
	sfs_parser_quote(text.data, text.len, quoted);
	return sfs_parser_refuse(
		p, "delete: expected true, false or nothing, got %s", quoted);
}

/* The value's text is read when it is known whether the row deletes. */
static enum sfs_rc read_cell(struct sfs_parser *p,
                             const struct sfs_field_text *cell,
                             struct sfs_field_text *value,
                             struct sfs_record *out, struct sfs_err *err)
{
	switch (sfs_field_class(cell->field)) {
	case SFS_FIELD_OF_KEY:
		return sfs_field_key(p, cell, &out->key, err);
	case SFS_FIELD_OF_DELETE:
		return read_delete(p, cell->text, out);
	case SFS_FIELD_OF_VALUE:
	case SFS_FIELD_OF_COLUMNS:
	case SFS_FIELD_OF_NOTHING:
	case SFS_FIELD_CLASSES:
		break;
	}
	*value = *cell;
	return SFS_OK;
}

static enum sfs_rc end_row(struct sfs_parser *p, const struct row *row,
                           const struct sfs_field_text *value,
                           struct sfs_record *out, struct sfs_err *err)
{
	const bool is_csv = p->config.format == SFS_INGEST_CSV;

	if (!row->is_over)
		return sfs_parser_refuse(
			p, "expected %u cells, got more%s", p->columns,
			is_csv ? " (a cell with a comma needs quotes)" : "");
	if (!out->is_delete && value->field == SFS_FIELD_NONE)
		return sfs_parser_refuse(p, "delete: expected true, as the "
		                            "file has no column value");
	if (!out->is_delete)
		return sfs_field_value(p, value, &out->value, err);
	if (value->text.len > 0)
		return sfs_parser_refuse(p, "delete is true, and there is %s",
		                         sfs_field_name(value->field));
	return SFS_OK;
}

static enum sfs_rc read_row(struct sfs_parser *p, struct row *row,
                            struct sfs_record *out, struct sfs_err *err)
{
	struct sfs_field_text value = { 0 };
	struct sfs_field_text cell;
	enum sfs_rc rc;
	unsigned i;

	sfs_parser_columns_begin(p);
	if (p->config.sharding != NULL)
		out->columns = &p->columns_of;
	for (i = 0; i < p->columns; i++) {
		if (row->is_over)
			return sfs_parser_refuse(p, "expected %u cells, got %u",
			                         p->columns, i);
		cell.field = p->column[i];
		rc = next_cell(p, row, &p->decoded[sfs_field_class(cell.field)],
		               &cell.text, err);
		if (rc == SFS_OK && cell.field == SFS_FIELD_COLUMNS)
			rc = sfs_parser_column_set(p, p->routed[i], cell.text,
			                           err);
		else if (rc == SFS_OK)
			rc = read_cell(p, &cell, &value, out, err);
		if (rc != SFS_OK)
			return rc;
	}
	return end_row(p, row, &value, out, err);
}

enum sfs_rc sfs_table_read(struct sfs_parser *p, struct sfs_bytes row,
                           struct sfs_record *out, bool *found,
                           struct sfs_err *err)
{
	struct row cells = { row.data, row.data + row.len, false };
	enum sfs_rc rc;

	*found = row.len > 0 && p->columns > 0;
	if (row.len == 0)
		return SFS_OK;
	if (p->columns > 0)
		return read_row(p, &cells, out, err);
	rc = read_header(p, &cells, err);
	return rc == SFS_E_CORRUPT ? refuse_header(p) : rc;
}
