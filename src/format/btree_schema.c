/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a shard: the table B-tree that begins on page 1, whose rows
 * are (type, name, tbl_name, rootpage, sql). It is walked once, at open, to
 * find the root of kv and to refuse everything that is not the one table
 * definition whose pages the walker understands.
 */
#include "format/btree_internal.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The definition without needless white space, in lower case. */
static const char kv_definition[] =
	"create table kv(k blob primary key,v blob not null)without rowid";

enum schema_column {
	COLUMN_TYPE,
	COLUMN_NAME,
	COLUMN_TABLE,
	COLUMN_ROOT,
	COLUMN_SQL,
	COLUMNS,
};

struct schema_row {
	struct sfs_bytes text[COLUMNS]; /* not COLUMN_ROOT; NULL: no text */
	uint64_t root;
};

struct schema_walk {
	const struct sfs_btree_op *op;
	uint64_t visited; /* pages */
	uint32_t root;    /* of kv; 0: not found yet */
};

static enum sfs_rc refuse(const struct sfs_btree_op *op, const char *what)
{
	return sfs_err_set(op->err, SFS_E_CORRUPT, "%s: %s", op->t->name, what);
}

static bool is_text(struct sfs_bytes text, const char *word)
{
	return text.data != NULL && text.len == strlen(word) &&
	       strncasecmp((const char *)text.data, word, text.len) == 0;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_mark(uint8_t c)
{
	return c == '(' || c == ')' || c == ',';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* Compares sql with kv_definition, white space and case aside. */
static bool is_kv_definition(struct sfs_bytes sql)
{
	const char *want = kv_definition;
	uint8_t last = '(';
	bool spaced = false;
	size_t i;

	for (i = 0; i < sql.len; i++) {
		if (is_space(sql.data[i])) {
			spaced = true;
			continue;
		}
		if (spaced && !is_mark(last) && !is_mark(sql.data[i]) &&
		    *want++ != ' ')
			return false;
		last = lower(sql.data[i]);
		if (*want == '\0' || *want++ != (char)last)
			return false;
		spaced = false;
	}
	return *want == '\0';
}

static enum sfs_rc check_kv(struct schema_walk *w, const struct schema_row *row)
{
	struct sfs_bytes sql = row->text[COLUMN_SQL];
	char what[300];
	int len;

	if (!is_kv_definition(sql)) {
		len = sql.len < 200 ? (int)sql.len : 200;
		(void)snprintf(what, sizeof(what),
		               "table kv has another definition: %.*s", len,
		               len > 0 ? (const char *)sql.data : "");
		return refuse(w->op, what);
	}
	if (w->root != 0)
		return refuse(w->op, "has two tables kv");
	if (row->root < 2 || row->root > w->op->t->page_count)
		return refuse(w->op, "the root of kv lies outside the file");
	w->root = (uint32_t)row->root;
	return SFS_OK;
}

static enum sfs_rc schema_row_check(struct schema_walk *w,
                                    const struct schema_row *row)
{
	if (is_text(row->text[COLUMN_TYPE], "trigger"))
		return is_text(row->text[COLUMN_TABLE], "kv")
		               ? refuse(w->op, "kv has a trigger")
		               : SFS_OK;
	if (!is_text(row->text[COLUMN_NAME], "kv"))
		return SFS_OK;
	if (is_text(row->text[COLUMN_TYPE], "view"))
		return refuse(w->op, "kv is a view");
	if (!is_text(row->text[COLUMN_TYPE], "table"))
		return refuse(w->op, "kv is not a table");
	return check_kv(w, row);
}

/* Bytes of a column with that serial type. False for reserved types. */
static bool serial_size(uint64_t type, uint64_t *size_out)
{
	static const uint8_t sizes[10] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0 };

	if (type == 10 || type == 11)
		return false;
	*size_out = type < 10 ? sizes[type] : (type - 12) / 2;
	return true;
}

static uint64_t serial_integer(uint64_t type, const uint8_t *p, uint64_t size)
{
	uint64_t value = type == 9;
	uint64_t i;

	if (type < 1 || type > 6)
		return value;
	for (i = 0; i < size; i++)
		value = value << 8 | p[i];
	return value;
}

static bool schema_record_parse(const uint8_t *p, size_t len,
                                struct schema_row *row)
{
	const uint8_t *end = p + len;
	const uint8_t *head_end;
	const uint8_t *head;
	uint64_t size, type;
	uint64_t head_len;
	unsigned used;
	int i;

	used = sfs_btree_varint(p, end, &head_len);
	if (used == 0 || head_len > len)
		return false;
	head = p + used;
	p += head_len;
	head_end = p;
	for (i = 0; i < COLUMNS; i++) {
		used = sfs_btree_varint(head, head_end, &type);
		if (used == 0 || !serial_size(type, &size) ||
		    size > (size_t)(end - p))
			return false;
		head += used;
		row->text[i].data = type >= 13 && type % 2 == 1 ? p : NULL;
		row->text[i].len = row->text[i].data != NULL ? size : 0;
		if (i == COLUMN_ROOT)
			row->root = serial_integer(type, p, size);
		p += size;
	}
	return true;
}

static enum sfs_rc schema_record(struct schema_walk *w, uint32_t page_no,
                                 const uint8_t *record, size_t len)
{
	struct schema_row row;

	if (!schema_record_parse(record, len, &row))
		return sfs_btree_fault(w->op, page_no,
		                       "a row of the schema is damaged");
	return schema_row_check(w, &row);
}

/* A row that does not fit its page: collected in memory first. */
static enum sfs_rc schema_long_row(struct schema_walk *w, uint32_t page_no,
                                   const uint8_t *local, uint32_t local_len,
                                   uint32_t payload)
{
	const struct sfs_btree_op *op = w->op;
	struct sfs_btree_chain chain;
	uint8_t *record;
	enum sfs_rc rc;

	if (payload > SFS_BTREE_SCHEMA_ROW_MAX_BYTES)
		return refuse(op, "the schema has an oversized row");
	record = sfs_malloc(payload);
	if (record == NULL)
		return sfs_err_set(op->err, SFS_E_NO_MEMORY,
		                   "%s: no memory for the schema", op->t->name);
	memcpy(record, local, local_len);
	rc = sfs_btree_chain_begin(op, &chain, page_no,
	                           sfs_btree_be32(local + local_len),
	                           payload - local_len);
	if (rc == SFS_OK)
		rc = sfs_btree_chain_read(op, &chain, 0, record + local_len,
		                          payload - local_len);
	if (rc == SFS_OK)
		rc = schema_record(w, page_no, record, payload);
	sfs_free(record);
	return rc;
}

static enum sfs_rc schema_leaf_cell(struct schema_walk *w,
                                    const struct sfs_btree_page *page,
                                    uint32_t index)
{
	const struct sfs_btree *t = w->op->t;
	const uint8_t *end = page->data + t->usable;
	uint64_t payload, rowid;
	const uint8_t *p;
	uint32_t offset;
	uint32_t local;
	unsigned a, b = 0;
	enum sfs_rc rc;

	rc = sfs_btree_page_cell(w->op, page, index, &offset);
	if (rc != SFS_OK)
		return rc;
	p = page->data + offset;
	a = sfs_btree_varint(p, end, &payload);
	if (a > 0)
		b = sfs_btree_varint(p + a, end, &rowid);
	if (b == 0 || payload > SFS_BTREE_PAYLOAD_MAX_BYTES)
		return sfs_btree_fault(w->op, page->no,
		                       "cell %u has no valid size", index);
	p += a + b;
	local = sfs_btree_local_len(t->usable, (uint32_t)payload,
	                            t->usable - 35, t->min_local);
	if (local + (local < payload ? 4u : 0u) > (size_t)(end - p))
		return sfs_btree_fault(w->op, page->no,
		                       "cell %u runs over the end of the page",
		                       index);
	if (local < payload)
		return schema_long_row(w, page->no, p, local,
		                       (uint32_t)payload);
	return schema_record(w, page->no, p, local);
}

static enum sfs_rc schema_page_read(struct schema_walk *w, uint32_t page_no,
                                    uint8_t *buf, struct sfs_btree_page *page)
{
	const struct sfs_btree_op *op = w->op;
	uint8_t type;
	enum sfs_rc rc;

	if (++w->visited > op->t->page_count)
		return sfs_btree_fault(op, page_no,
		                       "is reached twice in the schema");
	page->data = buf;
	page->no = page_no;
	page->header = page_no == 1 ? 100 : 0;
	rc = sfs_btree_fetch(op, page_no, 0, buf, op->t->page_size);
	if (rc != SFS_OK)
		return rc;
	type = buf[page->header];
	if (type != SFS_BTREE_PAGE_LEAF_TABLE &&
	    type != SFS_BTREE_PAGE_INTERIOR_TABLE)
		return sfs_btree_fault(op, page_no,
		                       "type %u is not a page of the schema",
		                       type);
	return sfs_btree_page_check(op, page);
}

static enum sfs_rc schema_page(struct schema_walk *w, uint32_t page_no,
                               int depth)
{
	struct sfs_btree_page page;
	uint8_t *buf = NULL;
	uint32_t child;
	uint32_t i;
	enum sfs_rc rc;

	if (depth >= SFS_BTREE_DEPTH_MAX)
		return sfs_btree_fault(w->op, page_no,
		                       "the schema is too deep");
	buf = sfs_malloc(w->op->t->page_size);
	if (buf == NULL)
		return sfs_err_set(w->op->err, SFS_E_NO_MEMORY,
		                   "%s: no memory for the schema",
		                   w->op->t->name);
	rc = schema_page_read(w, page_no, buf, &page);
	for (i = 0; rc == SFS_OK && page.is_leaf && i < page.cells; i++)
		rc = schema_leaf_cell(w, &page, i);
	for (i = 0; rc == SFS_OK && !page.is_leaf && i <= page.cells; i++) {
		rc = sfs_btree_page_child(w->op, &page, i, &child);
		if (rc == SFS_OK)
			rc = schema_page(w, child, depth + 1);
	}
	sfs_free(buf);
	return rc;
}

enum sfs_rc sfs_btree_schema_find(const struct sfs_btree_op *op,
                                  uint32_t *root_out)
{
	struct schema_walk w = { .op = op };
	enum sfs_rc rc;

	rc = schema_page(&w, 1, 0);
	if (rc == SFS_OK && w.root == 0)
		rc = refuse(op, "has no table kv");
	*root_out = w.root;
	return rc;
}
