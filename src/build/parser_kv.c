/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .kv: two lengths, key, value. Nothing marks where a record begins, so a
 * length that no writer would write means that all is lost from there on; one
 * that is merely over a limit is believed, and the record is passed over.
 */
#include "build/parser_internal.h"

#include "format/btree.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#define KV_DELETE UINT32_MAX

/* SQLite's limit; lengths beyond it make no sense. */
enum { KV_VALUE_SANE_BYTES = INT32_MAX };

struct head {
	uint32_t key_len;
	uint32_t value_len; /* 0 with is_delete */
	bool is_delete;
};

static struct head read_head(const uint8_t *data)
{
	struct head h = { 0 };
	uint32_t word;

	memcpy(&word, data, sizeof(word));
	h.key_len = le32toh(word);
	memcpy(&word, data + sizeof(word), sizeof(word));
	h.value_len = le32toh(word);
	h.is_delete = h.value_len == KV_DELETE;
	if (h.is_delete)
		h.value_len = 0;
	return h;
}

/* CORRUPT: these are no lengths. */
static enum sfs_rc check_head(struct sfs_parser *p, const struct head *h)
{
	if (h->key_len > SFS_BTREE_KEY_MAX_BYTES)
		return sfs_parser_refuse(
			p,
			"key length %" PRIu32 ", expected at most %d: not a "
			".kv file, or damaged; nothing behind is read",
			h->key_len, SFS_BTREE_KEY_MAX_BYTES);
	if (h->value_len > KV_VALUE_SANE_BYTES)
		return sfs_parser_refuse(
			p,
			"value length %" PRIu32 ", expected at most %d: not a "
			".kv file, or damaged; nothing behind is read",
			h->value_len, KV_VALUE_SANE_BYTES);
	p->kv_need = (uint64_t)SFS_KV_HEAD_BYTES + h->key_len + h->value_len;
	p->kv_value = h->value_len;
	p->is_too_long = h->value_len > p->config.value_max;
	return SFS_OK;
}

static enum sfs_rc read_record(struct sfs_parser *p, const uint8_t *data,
                               struct sfs_record *r)
{
	struct head h;

	if (p->is_too_long)
		return sfs_field_check_value_len(p, p->kv_value);
	h = read_head(data);
	r->key = (struct sfs_bytes){ data + SFS_KV_HEAD_BYTES, h.key_len };
	r->value = (struct sfs_bytes){ r->key.data + h.key_len, h.value_len };
	r->is_delete = h.is_delete;
	return sfs_field_check_key(p, r->key);
}

/* The open record is whole; data is not looked at where it is too long. */
static enum sfs_rc end_record(struct sfs_parser *p, const uint8_t *data,
                              struct sfs_err *err)
{
	struct sfs_record r = { .offset = p->offset, .line = p->line };

	if (read_record(p, data, &r) == SFS_OK)
		return sfs_parser_give(p, &r, err);
	return sfs_parser_give_bad(p, false, err);
}

/* They were fetched: they may have changed since their head was read. */
static enum sfs_rc collect(struct sfs_parser *p, struct sfs_bytes *out,
                           struct sfs_err *err)
{
	enum sfs_rc rc = sfs_parser_collect(p, (size_t)p->kv_need, out, err);
	struct head h;

	if (rc != SFS_OK || p->is_too_long)
		return rc;
	h = read_head(out->data);
	if ((uint64_t)SFS_KV_HEAD_BYTES + h.key_len + h.value_len == p->kv_need)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_STALE,
	                   "a .kv record changed while it was read");
}

/* Takes the next bytes of a record that lies in pieces. */
static enum sfs_rc feed_piece(struct sfs_parser *p, const uint8_t *data,
                              size_t len, size_t *used, struct sfs_err *err)
{
	const bool in_head = p->open_len < SFS_KV_HEAD_BYTES;
	const uint64_t need = in_head ? SFS_KV_HEAD_BYTES : p->kv_need;
	struct sfs_bytes whole;
	struct head h;
	enum sfs_rc rc;

	*used = need - p->open_len < len ? (size_t)(need - p->open_len) : len;
	rc = sfs_parser_hold(p, data, *used, err);
	p->open_len += *used;
	if (rc != SFS_OK)
		return rc;
	if (in_head && p->open_len == SFS_KV_HEAD_BYTES) {
		h = read_head((const uint8_t *)p->held.data);
		if (check_head(p, &h) != SFS_OK)
			return sfs_parser_give_bad(p, true, err);
	}
	if (p->open_len < SFS_KV_HEAD_BYTES || p->open_len < p->kv_need)
		return SFS_OK;
	rc = collect(p, &whole, err);
	if (rc == SFS_OK)
		rc = end_record(p, whole.data, err);
	if (rc == SFS_OK)
		sfs_parser_next(p);
	return rc;
}

/* Takes the records that lie whole in data. */
static enum sfs_rc feed_whole(struct sfs_parser *p, const uint8_t *data,
                              size_t len, size_t *used, struct sfs_err *err)
{
	enum sfs_rc rc;
	struct head h;

	*used = 0;
	while (len - *used >= SFS_KV_HEAD_BYTES) {
		h = read_head(data + *used);
		if (check_head(p, &h) != SFS_OK) {
			p->is_too_long = false;
			return sfs_parser_give_bad(p, true, err);
		}
		if (p->kv_need > len - *used)
			break;
		rc = end_record(p, data + *used, err);
		if (rc != SFS_OK)
			return rc;
		*used += (size_t)p->kv_need;
		p->offset += p->kv_need;
		p->line++;
	}
	p->is_too_long = false;
	return SFS_OK;
}

static enum sfs_rc refuse_file(struct sfs_parser *p, struct sfs_err *err)
{
	(void)sfs_parser_refuse(p, "keys are routed by columns, which .kv "
	                           "records do not have: write .jsonl, .csv or "
	                           ".tsv");
	return sfs_parser_give_bad(p, true, err);
}

enum sfs_rc sfs_kv_feed(struct sfs_parser *p, const uint8_t *data, size_t len,
                        struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	size_t used;

	if (p->config.needs_columns && len > 0 && !p->is_over)
		rc = refuse_file(p, err);
	while (len > 0 && !p->is_over && rc == SFS_OK) {
		used = 0;
		if (p->open_len == 0)
			rc = feed_whole(p, data, len, &used, err);
		if (used == 0 && !p->is_over && rc == SFS_OK)
			rc = feed_piece(p, data, len, &used, err);
		data += used;
		len -= used;
	}
	if (p->is_over && rc == SFS_OK) {
		p->offset += p->open_len + len;
		p->open_len = 0;
	}
	return rc;
}

enum sfs_rc sfs_kv_finish(struct sfs_parser *p, struct sfs_err *err)
{
	enum sfs_rc rc;

	if (p->open_len < SFS_KV_HEAD_BYTES)
		(void)sfs_parser_refuse(
			p,
			"the file ends in the record, after %" PRIu64
			" of the 8 bytes of its lengths",
			p->open_len);
	else
		(void)sfs_parser_refuse(
			p,
			"the file ends in the record, after %" PRIu64
			" of %" PRIu64 " bytes",
			p->open_len, p->kv_need);
	rc = sfs_parser_give_bad(p, false, err);
	if (rc == SFS_OK)
		sfs_parser_next(p);
	return rc;
}
