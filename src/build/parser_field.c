/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the texts in a record to lookup bytes and value: what is the same for
 * members of a JSON line and cells of a table.
 */
#include "build/parser_internal.h"

#include "base/hex.h"
#include "base/keyname.h"
#include "base/nearest.h"
#include "format/btree.h"

#include <inttypes.h>
#include <string.h>

static const char *const NAMES[] = {
	"key",        "key_hex", "key_base64", "value", "value_base64",
	"value_json", "delete",  "columns",    NULL,
};

enum { NAMES_COUNT = sizeof(NAMES) / sizeof(NAMES[0]) - 1 };

enum sfs_field sfs_field_of_name(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < NAMES_COUNT; i++) {
		if (strlen(NAMES[i]) == len && memcmp(NAMES[i], name, len) == 0)
			return (enum sfs_field)(i + SFS_FIELD_KEY);
	}
	return SFS_FIELD_NONE;
}

const char *sfs_field_name(enum sfs_field field)
{
	return field == SFS_FIELD_NONE ? "" : NAMES[field - SFS_FIELD_KEY];
}

enum sfs_field_class sfs_field_class(enum sfs_field field)
{
	switch (field) {
	case SFS_FIELD_KEY:
	case SFS_FIELD_KEY_HEX:
	case SFS_FIELD_KEY_BASE64:
		return SFS_FIELD_OF_KEY;
	case SFS_FIELD_VALUE:
	case SFS_FIELD_VALUE_BASE64:
	case SFS_FIELD_VALUE_JSON:
		return SFS_FIELD_OF_VALUE;
	case SFS_FIELD_DELETE:
		return SFS_FIELD_OF_DELETE;
	case SFS_FIELD_COLUMNS:
		return SFS_FIELD_OF_COLUMNS;
	case SFS_FIELD_NONE:
		break;
	}
	return SFS_FIELD_OF_NOTHING;
}

static bool is_word(const char *word, const char *name, size_t len)
{
	return strlen(word) == len && memcmp(word, name, len) == 0;
}

enum sfs_rc sfs_field_refuse_name(struct sfs_parser *p, const char *what,
                                  const char *name, size_t len)
{
	char quoted[SFS_PARSER_QUOTE_BYTES];
	const char *nearest = sfs_nearest(NAMES, name, len);

	if (is_word("vector", name, len) || is_word("payload", name, len))
		return sfs_parser_refuse(p,
		                         "%.*s: needs vector snapshots, which "
		                         "this version does not have",
		                         (int)len, name);
	sfs_parser_quote(name, len, quoted);
	if (p->config.sharding != NULL &&
	    sfs_sharding_column(p->config.sharding, name, len) <
	            p->config.sharding->column_count)
		return sfs_parser_refuse(p,
		                         "unknown %s %s: a column of routing "
		                         "goes into \"columns\": {%s: ...}",
		                         what, quoted, quoted);
	if (nearest != NULL)
		return sfs_parser_refuse(p, "unknown %s %s: did you mean %s?",
		                         what, quoted, nearest);
	return sfs_parser_refuse(p,
	                         "unknown %s %s: expected key, key_hex, "
	                         "key_base64, value, value_base64, value_json, "
	                         "delete",
	                         what, quoted);
}

enum sfs_rc sfs_field_check(struct sfs_parser *p, enum sfs_field field)
{
	if (field == SFS_FIELD_COLUMNS && p->config.sharding == NULL)
		return sfs_parser_refuse(p, "columns: keys are routed by hash "
		                            "here; leave them out, or set cel "
		                            "in config.yaml");
	if ((field != SFS_FIELD_KEY_HEX && field != SFS_FIELD_KEY_BASE64) ||
	    p->config.encoding == SFS_KEY_RAW)
		return SFS_OK;
	return sfs_parser_refuse(p,
	                         "%s: is for key_encoding raw, and this is "
	                         "%s: expected key",
	                         sfs_field_name(field),
	                         sfs_key_encoding_text(p->config.encoding));
}

static bool is_integer(const struct sfs_parser *p)
{
	return p->config.encoding == SFS_KEY_U64BE ||
	       p->config.encoding == SFS_KEY_U32BE;
}

static uint64_t integer_max(const struct sfs_parser *p)
{
	return p->config.encoding == SFS_KEY_U32BE ? UINT32_MAX : INT64_MAX;
}

static size_t integer_bytes(const struct sfs_parser *p)
{
	return p->config.encoding == SFS_KEY_U32BE ? 4 : 8;
}

bool sfs_field_integer_key(struct sfs_parser *p, uint64_t value,
                           struct sfs_bytes *out)
{
	size_t i = integer_bytes(p);

	if (value > integer_max(p))
		return false;
	*out = (struct sfs_bytes){ p->integer, i };
	for (; i > 0; i--, value >>= 8)
		p->integer[i - 1] = (uint8_t)(value & 0xff);
	return true;
}

enum sfs_rc sfs_field_refuse_integer(struct sfs_parser *p, const char *got)
{
	return sfs_parser_refuse(
		p, "key: expected a whole number from 0 to %" PRIu64 ", got %s",
		integer_max(p), got);
}

static bool is_utf8(struct sfs_bytes b)
{
	size_t at = sfs_ascii_run(b.data, b.len);
	size_t step;

	while (at < b.len) {
		step = sfs_utf8_sequence(b.data + at, b.len - at);
		if (step == 0)
			return false;
		at += step;
		at += sfs_ascii_run(b.data + at, b.len - at);
	}
	return true;
}

static enum sfs_rc check_key_len(struct sfs_parser *p, size_t len)
{
	if (len <= SFS_BTREE_KEY_MAX_BYTES)
		return SFS_OK;
	return sfs_parser_refuse(p, "key: has %zu bytes, expected at most %d",
	                         len, SFS_BTREE_KEY_MAX_BYTES);
}

enum sfs_rc sfs_field_check_key(struct sfs_parser *p, struct sfs_bytes key)
{
	if (is_integer(p) && key.len != integer_bytes(p))
		return sfs_parser_refuse(
			p, "key: has %zu bytes, expected %zu (%s)", key.len,
			integer_bytes(p),
			sfs_key_encoding_text(p->config.encoding));
	if (p->config.encoding == SFS_KEY_U64BE && key.data[0] >= 0x80)
		return sfs_field_refuse_integer(p, "more");
	if (p->config.encoding == SFS_KEY_UTF8 && !is_utf8(key))
		return sfs_parser_refuse(p, "key: expected UTF-8 (key_encoding "
		                            "raw takes any bytes)");
	return check_key_len(p, key.len);
}

enum sfs_rc sfs_field_check_value_len(struct sfs_parser *p, uint64_t len)
{
	if (len <= p->config.value_max)
		return SFS_OK;
	return sfs_parser_refuse(p,
	                         "value: has %" PRIu64 " bytes, expected at "
	                         "most %zu (the option value_max)",
	                         len, p->config.value_max);
}

/* Where decoded bytes of text may go: into the buffer, also onto itself. */
static uint8_t *room_for(struct sfs_parser *p, const struct sfs_field_text *t)
{
	struct sfs_buf *b = &p->decoded[sfs_field_class(t->field)];

	if (b->data != NULL && (const char *)t->text.data == b->data)
		return (uint8_t *)b->data;
	sfs_buf_reset(b);
	return sfs_buf_reserve(b, t->text.len);
}

/* False: it is none. out may be text itself. */
static bool decode_hex(struct sfs_bytes text, uint8_t *out, size_t *len_out)
{
	int high, low;
	size_t i;

	for (i = 0; i + 1 < text.len; i += 2) {
		high = sfs_hex_value((char)text.data[i]);
		low = sfs_hex_value((char)text.data[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	*len_out = text.len / 2;
	return text.len % 2 == 0;
}

/* 0 to 63, or -1. */
static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, section 4: padded, and the bits behind the last byte are 0. */
bool sfs_parser_decode_base64(struct sfs_bytes text, uint8_t *out,
                              size_t *len_out)
{
	size_t padding = 0;
	uint32_t bits = 0;
	size_t i, n = 0;
	int value;

	while (padding < 2 && padding < text.len &&
	       text.data[text.len - 1 - padding] == '=')
		padding++;
	for (i = 0; i < text.len - padding; i++) {
		value = base64_value(text.data[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 > 0)
			out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	*len_out = n;
	return text.len % 4 == 0 &&
	       (padding == 0 || (bits & (padding == 1 ? 3 : 15)) == 0);
}

static enum sfs_rc decode(struct sfs_parser *p, const struct sfs_field_text *t,
                          struct sfs_bytes *out, struct sfs_err *err)
{
	const bool is_hex = t->field == SFS_FIELD_KEY_HEX;
	uint8_t *room = room_for(p, t);
	size_t len;

	if (room == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "parser: out of memory");
	if (is_hex ? !decode_hex(t->text, room, &len)
	           : !sfs_parser_decode_base64(t->text, room, &len))
		return sfs_parser_refuse(p, "%s: expected %s",
		                         sfs_field_name(t->field),
		                         is_hex ? "two hexadecimal digits a "
		                                  "byte"
		                                : "Base64 with + and /, "
		                                  "padded with =");
	*out = (struct sfs_bytes){ room, len };
	return SFS_OK;
}

/* The digits of a name in keys/. */
static enum sfs_rc decimal_key(struct sfs_parser *p, struct sfs_bytes text,
                               struct sfs_bytes *out)
{
	char quoted[SFS_PARSER_QUOTE_BYTES];
	size_t len;

	if (text.len <= SFS_PARSER_QUOTE_BYTES &&
	    sfs_key_from_name(p->config.encoding, (const char *)text.data,
	                      text.len, p->integer, &len)) {
		*out = (struct sfs_bytes){ p->integer, len };
		return SFS_OK;
	}
	sfs_parser_quote(text.data, text.len, quoted);
	return sfs_field_refuse_integer(p, quoted);
}

enum sfs_rc sfs_field_key(struct sfs_parser *p, const struct sfs_field_text *t,
                          struct sfs_bytes *out, struct sfs_err *err)
{
	enum sfs_rc rc;

	if (t->field == SFS_FIELD_KEY) {
		if (is_integer(p))
			return decimal_key(p, t->text, out);
		if (!is_utf8(t->text))
			return sfs_parser_refuse(
				p, "key: expected UTF-8 (with key_encoding raw "
				   "key_hex takes any bytes)");
		*out = t->text;
	} else {
		rc = decode(p, t, out, err);
		if (rc != SFS_OK)
			return rc;
	}
	return check_key_len(p, out->len);
}

/* Any JSON, kept as it is written. */
static enum sfs_rc json_value(struct sfs_parser *p,
                              const struct sfs_field_text *t,
                              struct sfs_bytes *out, struct sfs_err *err)
{
	struct sfs_json_token token;
	struct sfs_err why;
	const char *raw;
	enum sfs_rc rc;

	sfs_parser_json_init(p, (const char *)t->text.data, t->text.len);
	rc = sfs_json_skip(&p->json, &raw, &out->len, &why);
	if (rc == SFS_OK)
		rc = sfs_json_next(&p->json, &token, &why);
	if (rc != SFS_OK)
		return sfs_parser_json_failure(p, rc, "value_json: ", &why,
		                               err);
	out->data = (const uint8_t *)raw;
	return SFS_OK;
}

enum sfs_rc sfs_field_value(struct sfs_parser *p,
                            const struct sfs_field_text *t,
                            struct sfs_bytes *out, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	if (t->field == SFS_FIELD_VALUE_BASE64)
		rc = decode(p, t, out, err);
	else if (t->field == SFS_FIELD_VALUE_JSON)
		rc = json_value(p, t, out, err);
	else if (is_utf8(t->text))
		*out = t->text;
	else
		rc = sfs_parser_refuse(p, "value: expected UTF-8 "
		                          "(value_base64 takes any bytes)");
	return rc == SFS_OK ? sfs_field_check_value_len(p, out->len) : rc;
}

void sfs_parser_json_init(struct sfs_parser *p, const char *text, size_t len)
{
	struct sfs_buf scratch = p->json.scratch;

	sfs_json_reader_init(&p->json, text, len);
	scratch.max = p->json.scratch.max;
	p->json.scratch = scratch;
	sfs_buf_reset(&p->json.scratch);
}

enum sfs_rc sfs_parser_json_failure(struct sfs_parser *p, enum sfs_rc rc,
                                    const char *where,
                                    const struct sfs_err *why,
                                    struct sfs_err *err)
{
	static const char first[] = "JSON, line 1, ";
	const char *text = why->msg;

	if (rc != SFS_E_CORRUPT)
		return sfs_err_set(err, rc, "%.400s", why->msg);
	if (strncmp(text, first, strlen(first)) == 0)
		text += strlen(first);
	return sfs_parser_refuse(p, "%snot JSON: %.150s", where, text);
}
