/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.yaml of a build. One table says how each setting is read. A fault is
 * refused when the file is written, so the message has its line, what is wrong
 * and what would be right.
 */
#include "build/build_config_internal.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/nearest.h"
#include "format/names.h"
#include "shardyfs/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_PAGE_SIZE = 4096,
	PAGE_SIZE_MAX = 65536,
	DEFAULT_RETRY = 3,
	RETRY_MAX = 10,
};

#define DEFAULT_KEY_COL "_key"
#define DEFAULT_SHARD_PREFIX "shards"
#define DEFAULT_TEMPLATE "db={db_id:05d}"

const char *const sfs_build_setting_names[SFS_SETTINGS + 1] = {
	"key_encoding", "num_dbs",          "max_keys_per_shard",
	"cel",          "cel_columns",      "routing_values",
	"ranges",       "sharding",         "page_size",
	"shard_retry",  "on_bad_record",    "key_col",
	"shard_prefix", "db_path_template", "custom",
	NULL,
};

enum sfs_rc sfs_config_refuse(struct sfs_config_reading *r, struct sfs_err *err,
                              const char *fmt, ...)
{
	char what[SFS_ERR_MSG_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	r->is_refused = true;
	return sfs_err_set(err, SFS_E_INVALID, "config.yaml:%u: %s: %.400s",
	                   r->line, r->name, what);
}

/* A whole number in decimal, no sign, no unit. */
static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *out <= max;
}

static enum sfs_rc read_key_encoding(struct sfs_config_reading *r,
                                     const char *value, struct sfs_err *err)
{
	r->c.key_encoding = sfs_key_encoding_from_text(value);
	if (r->c.key_encoding == SFS_KEY_INVALID)
		return sfs_config_refuse(
			r, err,
			"must be u64be, u32be, utf8 or raw, not \"%.60s\"",
			value);
	return SFS_OK;
}

static enum sfs_rc read_num_dbs(struct sfs_config_reading *r, const char *value,
                                struct sfs_err *err)
{
	uint64_t n;

	if (!read_number(value, SFS_NUM_DBS_MAX, &n) || n == 0)
		return sfs_config_refuse(
			r, err,
			"must be a whole number from 1 to %d, not "
			"\"%.60s\"",
			SFS_NUM_DBS_MAX, value);
	r->c.num_dbs = (uint32_t)n;
	r->c.max_keys_per_shard = 0;
	return SFS_OK;
}

static enum sfs_rc read_max_keys(struct sfs_config_reading *r,
                                 const char *value, struct sfs_err *err)
{
	uint64_t n;

	if (!read_number(value, INT64_MAX, &n) || n == 0)
		return sfs_config_refuse(
			r, err, "must be a whole number from 1, not \"%.60s\"",
			value);
	r->c.max_keys_per_shard = n;
	r->c.num_dbs = 0;
	return SFS_OK;
}

static enum sfs_rc read_page_size(struct sfs_config_reading *r,
                                  const char *value, struct sfs_err *err)
{
	uint64_t n = 0;

	if (strcmp(value, "auto") != 0 &&
	    (!read_number(value, PAGE_SIZE_MAX, &n) || n < DEFAULT_PAGE_SIZE ||
	     (n & (n - 1)) != 0))
		return sfs_config_refuse(
			r, err,
			"must be 4096, 8192, 16384, 32768, 65536 or "
			"auto, not \"%.60s\"",
			value);
	r->c.page_size = (uint32_t)n;
	return SFS_OK;
}

static enum sfs_rc read_shard_retry(struct sfs_config_reading *r,
                                    const char *value, struct sfs_err *err)
{
	uint64_t n;

	if (!read_number(value, RETRY_MAX, &n))
		return sfs_config_refuse(
			r, err,
			"must be a whole number from 0 to %d, not "
			"\"%.60s\"",
			RETRY_MAX, value);
	r->c.shard_retry = (uint32_t)n;
	return SFS_OK;
}

static enum sfs_rc read_on_bad_record(struct sfs_config_reading *r,
                                      const char *value, struct sfs_err *err)
{
	r->c.skip_bad_records = strcmp(value, "skip") == 0;
	if (!r->c.skip_bad_records && strcmp(value, "refuse") != 0)
		return sfs_config_refuse(
			r, err, "must be refuse or skip, not \"%.60s\"", value);
	return SFS_OK;
}

/* A text that fits, or how it does not. */
static enum sfs_rc read_text(struct sfs_config_reading *r, const char *value,
                             char out[SFS_BUILD_TEXT_BYTES],
                             struct sfs_err *err)
{
	const size_t len = strlen(value);
	size_t i;

	if (len == 0 || len >= SFS_BUILD_TEXT_BYTES)
		return sfs_config_refuse(
			r, err, "has %zu bytes, must have 1 to %d of them", len,
			SFS_BUILD_TEXT_BYTES - 1);
	for (i = 0; i < len; i++) {
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return sfs_config_refuse(
				r, err,
				"holds a control character; must be one "
				"line of text");
	}
	memcpy(out, value, len + 1);
	return SFS_OK;
}

static enum sfs_rc read_key_col(struct sfs_config_reading *r, const char *value,
                                struct sfs_err *err)
{
	return read_text(r, value, r->c.key_col, err);
}

/* What lies beside the shards in a store. */
static bool is_taken(const char *prefix)
{
	static const char *const names[] = { "_CURRENT", "log",  "manifests",
		                             "runs",     "tags", "vector_meta",
		                             NULL };
	size_t i;

	for (i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], prefix) == 0)
			return true;
	}
	return prefix[0] == '.';
}

static enum sfs_rc read_shard_prefix(struct sfs_config_reading *r,
                                     const char *value, struct sfs_err *err)
{
	if (!sfs_run_id_is_valid(value, strlen(value)))
		return sfs_config_refuse(
			r, err,
			"must be one name of A-Z a-z 0-9 . _ -, such as "
			"\"%s\", not \"%.60s\"",
			DEFAULT_SHARD_PREFIX, value);
	if (is_taken(value))
		return sfs_config_refuse(
			r, err,
			"\"%.60s\" is the place of other objects; such "
			"as \"%s\" would be right",
			value, DEFAULT_SHARD_PREFIX);
	return read_text(r, value, r->c.shard_prefix, err);
}

/* The key of an attempt in the worst case, or why there is none. */
enum sfs_rc sfs_build_try_template(const char *prefix, const char *template,
                                   struct sfs_err *err)
{
	static const char run_id[] = "0123456789abcdef0123456789abcdef";
	char key[SFS_STORE_KEY_MAX / 2];

	return sfs_attempt_key(prefix, run_id, template, SFS_NUM_DBS_MAX - 1,
	                       RETRY_MAX, key, sizeof(key), err);
}

static enum sfs_rc read_template(struct sfs_config_reading *r,
                                 const char *value, struct sfs_err *err)
{
	struct sfs_err why;
	enum sfs_rc rc;

	rc = read_text(r, value, r->c.db_path_template, err);
	if (rc != SFS_OK)
		return rc;
	if (sfs_build_try_template(DEFAULT_SHARD_PREFIX, value, &why) != SFS_OK)
		return sfs_config_refuse(
			r, err,
			"must be a short path of A-Z a-z 0-9 . _ - = / with "
			"{db_id} or {db_id:05d} in it, such as \"%s\", "
			"not \"%.60s\"",
			DEFAULT_TEMPLATE, value);
	return SFS_OK;
}

/* Members of custom that say how a snapshot is to be read. */
static bool is_reserved(const struct sfs_json_token *t)
{
	static const char *const names[] = { "shardyfs", "sqlite_sidecar",
		                             "vector", NULL };
	size_t i;

	for (i = 0; names[i] != NULL; i++) {
		if (strlen(names[i]) == t->len &&
		    memcmp(names[i], t->text, t->len) == 0)
			return true;
	}
	return false;
}

static enum sfs_rc check_members(struct sfs_config_reading *r,
                                 struct sfs_json_reader *j, struct sfs_err *err)
{
	struct sfs_json_token t;
	size_t len;
	const char *raw;
	enum sfs_rc rc;

	do {
		rc = sfs_json_next(j, &t, err);
		if (rc == SFS_OK && t.type == SFS_JSON_KEY) {
			if (is_reserved(&t))
				return sfs_config_refuse(
					r, err,
					"the member %s is for the "
					"program to write: leave it out",
					t.text);
			rc = sfs_json_skip(j, &raw, &len, err);
		}
	} while (rc == SFS_OK && t.type != SFS_JSON_END);
	return rc;
}

static enum sfs_rc check_custom(struct sfs_config_reading *r, const char *value,
                                struct sfs_err *err)
{
	struct sfs_json_reader j;
	struct sfs_json_token t;
	enum sfs_rc rc;

	sfs_json_reader_init(&j, value, strlen(value));
	rc = sfs_json_next(&j, &t, err);
	if (rc == SFS_OK && t.type != SFS_JSON_OBJECT_BEGIN)
		rc = sfs_config_refuse(
			r, err,
			"must be a JSON object in quotes, such as "
			"'{\"team\": \"search\"}'");
	if (rc == SFS_OK)
		rc = check_members(r, &j, err);
	sfs_json_reader_release(&j);
	return rc;
}

static enum sfs_rc read_custom(struct sfs_config_reading *r, const char *value,
                               struct sfs_err *err)
{
	const size_t len = strlen(value);
	struct sfs_err why = { 0 };
	enum sfs_rc rc;
	size_t i;

	if (len >= SFS_BUILD_CUSTOM_BYTES)
		return sfs_config_refuse(r, err,
		                         "has %zu bytes, must have at most %d",
		                         len, SFS_BUILD_CUSTOM_BYTES - 1);
	rc = check_custom(r, value, &why);
	if (rc == SFS_E_CORRUPT)
		return sfs_config_refuse(
			r, err,
			"must be a JSON object in quotes, such as "
			"'{\"team\": \"search\"}': %s",
			why.msg);
	if (rc != SFS_OK)
		return sfs_err_set(err, rc, "%s", why.msg);
	memcpy(r->c.custom, value, len + 1);
	/* Between tokens; as one line it can be printed again. */
	for (i = 0; i < len; i++) {
		if ((unsigned char)value[i] < ' ')
			r->c.custom[i] = ' ';
	}
	return SFS_OK;
}

static sfs_config_setting_fn *const READERS[SFS_SETTINGS] = {
	[SFS_SETTING_KEY_ENCODING] = read_key_encoding,
	[SFS_SETTING_NUM_DBS] = read_num_dbs,
	[SFS_SETTING_MAX_KEYS_PER_SHARD] = read_max_keys,
	[SFS_SETTING_CEL] = sfs_config_read_cel,
	[SFS_SETTING_CEL_COLUMNS] = sfs_config_read_columns,
	[SFS_SETTING_ROUTING_VALUES] = sfs_config_read_values,
	[SFS_SETTING_RANGES] = sfs_config_read_ranges,
	[SFS_SETTING_SHARDING] = sfs_config_read_sharding,
	[SFS_SETTING_PAGE_SIZE] = read_page_size,
	[SFS_SETTING_SHARD_RETRY] = read_shard_retry,
	[SFS_SETTING_ON_BAD_RECORD] = read_on_bad_record,
	[SFS_SETTING_KEY_COL] = read_key_col,
	[SFS_SETTING_SHARD_PREFIX] = read_shard_prefix,
	[SFS_SETTING_DB_PATH_TEMPLATE] = read_template,
	[SFS_SETTING_CUSTOM] = read_custom,
};

static enum sfs_rc refuse_name(struct sfs_config_reading *r,
                               struct sfs_err *err)
{
	const char *nearest =
		sfs_nearest(sfs_build_setting_names, r->name, strlen(r->name));

	if (nearest != NULL)
		return sfs_config_refuse(
			r, err, "no such setting; did you mean %s?", nearest);
	return sfs_config_refuse(
		r, err,
		"no such setting; there are key_encoding, num_dbs, "
		"max_keys_per_shard, cel, cel_columns, "
		"routing_values, ranges, sharding, page_size, "
		"shard_retry, on_bad_record, key_col, shard_prefix, "
		"db_path_template and custom");
}

/* Each setting once; of the two that tell how many shards only one. */
static enum sfs_rc check_repeated(struct sfs_config_reading *r, size_t i,
                                  struct sfs_err *err)
{
	size_t other = i == SFS_SETTING_NUM_DBS ? SFS_SETTING_MAX_KEYS_PER_SHARD
	               : i == SFS_SETTING_MAX_KEYS_PER_SHARD
	                       ? SFS_SETTING_NUM_DBS
	                       : i;

	if (r->lines[i] > 0)
		return sfs_config_refuse(
			r, err,
			"was given in line %u already; keep one of them",
			r->lines[i]);
	if (r->lines[other] > 0)
		return sfs_config_refuse(
			r, err, "contradicts %s in line %u; keep one of them",
			sfs_build_setting_names[other], r->lines[other]);
	r->lines[i] = r->line;
	return SFS_OK;
}

static enum sfs_rc read_setting(void *arg, const struct sfs_yaml_pair *pair,
                                struct sfs_err *err)
{
	struct sfs_config_reading *r = arg;
	enum sfs_rc rc;
	size_t i = 0;

	r->name = pair->key;
	r->line = pair->line;
	while (i < SFS_SETTINGS &&
	       strcmp(sfs_build_setting_names[i], pair->key) != 0)
		i++;
	if (i == SFS_SETTINGS)
		return refuse_name(r, err);
	rc = check_repeated(r, i, err);
	if (rc != SFS_OK)
		return rc;
	if (pair->nested != NULL && sfs_config_takes_nested(i))
		return sfs_config_read_nested(r, i, pair->nested, err);
	if (pair->value == NULL && i == SFS_SETTING_CUSTOM)
		return sfs_config_refuse(
			r, err,
			"must be a JSON object in quotes, such as "
			"'{\"team\": \"search\"}', not a YAML mapping");
	if (pair->value == NULL)
		return sfs_config_refuse(r, err,
		                         "must be one value, not a list or "
		                         "mapping");
	if (pair->value[0] == '\0')
		return sfs_config_refuse(
			r, err,
			"has no value; give one, or remove the "
			"line");
	return READERS[i](r, pair->value, err);
}

/* The line of a byte, from 1. */
static size_t line_of(const char *data, size_t len, size_t offset)
{
	size_t line = 1;
	size_t i;

	for (i = 0; i < offset && i < len; i++)
		line += data[i] == '\n';
	return line;
}

/* The YAML reader's message, with its place as ours have it. */
static enum sfs_rc not_yaml(const char *data, size_t len,
                            const struct sfs_err *why, struct sfs_err *err)
{
	const char *what = strstr(why->msg, ": ");
	size_t line = 1, column, offset;

	what = what != NULL ? what + 2 : why->msg;
	if (sscanf(why->msg, "YAML, line %zu, column %zu", &line, &column) == 2)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "config.yaml:%zu: not YAML, column %zu: "
		                   "%.300s",
		                   line, column, what);
	if (sscanf(why->msg, "YAML, byte %zu", &offset) == 1)
		line = line_of(data, len, offset);
	return sfs_err_set(err, SFS_E_INVALID,
	                   "config.yaml:%zu: not YAML: %.300s", line, what);
}

enum sfs_rc sfs_build_config_parse(struct sfs_build_config *c, const char *data,
                                   size_t len, struct sfs_err *err)
{
	struct sfs_err why = { 0 };
	struct sfs_config_reading *r;
	enum sfs_rc rc;

	if (len > SFS_BUILD_CONFIG_MAX_BYTES)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "config.yaml: has %zu bytes, must have at "
		                   "most %d",
		                   len, SFS_BUILD_CONFIG_MAX_BYTES);
	r = sfs_calloc(1, sizeof(*r));
	if (r == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "config.yaml: out of memory");
	sfs_build_config_copy(&r->c, c);
	rc = sfs_yaml_read_nested(data, len, read_setting, r, &why);
	if (rc == SFS_OK)
		rc = sfs_config_finish_routing(r, &why);
	if (rc == SFS_OK)
		sfs_build_config_copy(c, &r->c);
	else if (rc == SFS_E_INVALID && !r->is_refused)
		rc = not_yaml(data, len, &why, err);
	else
		rc = sfs_err_set(err, rc, "%s", why.msg);
	sfs_config_release_routing(r);
	sfs_build_config_release(&r->c);
	sfs_free(r);
	return rc;
}

void sfs_build_config_copy(struct sfs_build_config *to,
                           const struct sfs_build_config *from)
{
	struct sfs_placement *old = to->placement;

	*to = *from;
	to->placement = sfs_placement_ref(from->placement);
	sfs_placement_unref(old);
}

void sfs_build_config_release(struct sfs_build_config *c)
{
	sfs_placement_unref(c->placement);
	c->placement = NULL;
}

static void set_text(char out[SFS_BUILD_TEXT_BYTES], const char *text)
{
	(void)snprintf(out, SFS_BUILD_TEXT_BYTES, "%s", text);
}

void sfs_build_config_init(struct sfs_build_config *c)
{
	memset(c, 0, sizeof(*c));
	c->key_encoding = SFS_KEY_U64BE;
	c->num_dbs = SFS_DEFAULT_NUM_DBS;
	c->page_size = DEFAULT_PAGE_SIZE;
	c->shard_retry = DEFAULT_RETRY;
	set_text(c->key_col, DEFAULT_KEY_COL);
	set_text(c->shard_prefix, DEFAULT_SHARD_PREFIX);
	set_text(c->db_path_template, DEFAULT_TEMPLATE);
	set_text(c->custom, "{}");
}
