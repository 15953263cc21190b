/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.yaml of a build. One table says how each setting is read. A fault is
 * refused when the file is written, so the message has its line, what is wrong
 * and what would be right.
 */
#include "build/build_config.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/nearest.h"
#include "config/yaml.h"
#include "format/names.h"
#include "shardyfs/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_NUM_DBS = 8,
	DEFAULT_PAGE_SIZE = 4096,
	PAGE_SIZE_MAX = 65536,
	DEFAULT_RETRY = 3,
	RETRY_MAX = 10,
};

#define FILE_NAME "config.yaml"
#define DEFAULT_KEY_COL "_key"
#define DEFAULT_SHARD_PREFIX "shards"
#define DEFAULT_TEMPLATE "db={db_id:05d}"

enum {
	KEY_ENCODING,
	NUM_DBS,
	MAX_KEYS_PER_SHARD,
	PAGE_SIZE,
	SHARD_RETRY,
	ON_BAD_RECORD,
	KEY_COL,
	SHARD_PREFIX,
	DB_PATH_TEMPLATE,
	CUSTOM,
	SETTINGS,
};

static const char *const NAMES[SETTINGS + 1] = {
	"key_encoding", "num_dbs",      "max_keys_per_shard",
	"page_size",    "shard_retry",  "on_bad_record",
	"key_col",      "shard_prefix", "db_path_template",
	"custom",       NULL,
};

/* While a file is read. */
struct reading {
	struct sfs_build_config c;
	unsigned lines[SETTINGS]; /* where each was given; 0: nowhere */
	const char *name;         /* of the setting that is read */
	unsigned line;
	bool is_refused; /* the error is ours, with its place */
};

typedef enum sfs_rc setting_fn(struct reading *r, const char *value,
                               struct sfs_err *err);

static enum sfs_rc refuse(struct reading *r, struct sfs_err *err,
                          const char *fmt, ...) SFS_PRINTF(3, 4);

/* INVALID: "config.yaml:LINE: SETTING: what". */
static enum sfs_rc refuse(struct reading *r, struct sfs_err *err,
                          const char *fmt, ...)
{
	char what[SFS_ERR_MSG_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	r->is_refused = true;
	return sfs_err_set(err, SFS_E_INVALID, FILE_NAME ":%u: %s: %.400s",
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

static enum sfs_rc read_key_encoding(struct reading *r, const char *value,
                                     struct sfs_err *err)
{
	r->c.key_encoding = sfs_key_encoding_from_text(value);
	if (r->c.key_encoding == SFS_KEY_INVALID)
		return refuse(
			r, err,
			"must be u64be, u32be, utf8 or raw, not \"%.60s\"",
			value);
	return SFS_OK;
}

static enum sfs_rc read_num_dbs(struct reading *r, const char *value,
                                struct sfs_err *err)
{
	uint64_t n;

	if (!read_number(value, SFS_NUM_DBS_MAX, &n) || n == 0)
		return refuse(r, err,
		              "must be a whole number from 1 to %d, not "
		              "\"%.60s\"",
		              SFS_NUM_DBS_MAX, value);
	r->c.num_dbs = (uint32_t)n;
	r->c.max_keys_per_shard = 0;
	return SFS_OK;
}

static enum sfs_rc read_max_keys(struct reading *r, const char *value,
                                 struct sfs_err *err)
{
	uint64_t n;

	if (!read_number(value, INT64_MAX, &n) || n == 0)
		return refuse(r, err,
		              "must be a whole number from 1, not \"%.60s\"",
		              value);
	r->c.max_keys_per_shard = n;
	r->c.num_dbs = 0;
	return SFS_OK;
}

static enum sfs_rc read_page_size(struct reading *r, const char *value,
                                  struct sfs_err *err)
{
	uint64_t n = 0;

	if (strcmp(value, "auto") != 0 &&
	    (!read_number(value, PAGE_SIZE_MAX, &n) || n < DEFAULT_PAGE_SIZE ||
	     (n & (n - 1)) != 0))
		return refuse(r, err,
		              "must be 4096, 8192, 16384, 32768, 65536 or "
		              "auto, not \"%.60s\"",
		              value);
	r->c.page_size = (uint32_t)n;
	return SFS_OK;
}

static enum sfs_rc read_shard_retry(struct reading *r, const char *value,
                                    struct sfs_err *err)
{
	uint64_t n;

	if (!read_number(value, RETRY_MAX, &n))
		return refuse(r, err,
		              "must be a whole number from 0 to %d, not "
		              "\"%.60s\"",
		              RETRY_MAX, value);
	r->c.shard_retry = (uint32_t)n;
	return SFS_OK;
}

static enum sfs_rc read_on_bad_record(struct reading *r, const char *value,
                                      struct sfs_err *err)
{
	r->c.skip_bad_records = strcmp(value, "skip") == 0;
	if (!r->c.skip_bad_records && strcmp(value, "refuse") != 0)
		return refuse(r, err, "must be refuse or skip, not \"%.60s\"",
		              value);
	return SFS_OK;
}

/* A text that fits, or how it does not. */
static enum sfs_rc read_text(struct reading *r, const char *value,
                             char out[SFS_BUILD_TEXT_BYTES],
                             struct sfs_err *err)
{
	const size_t len = strlen(value);
	size_t i;

	if (len == 0 || len >= SFS_BUILD_TEXT_BYTES)
		return refuse(r, err,
		              "has %zu bytes, must have 1 to %d of them", len,
		              SFS_BUILD_TEXT_BYTES - 1);
	for (i = 0; i < len; i++) {
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return refuse(r, err,
			              "holds a control character; must be one "
			              "line of text");
	}
	memcpy(out, value, len + 1);
	return SFS_OK;
}

static enum sfs_rc read_key_col(struct reading *r, const char *value,
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

static enum sfs_rc read_shard_prefix(struct reading *r, const char *value,
                                     struct sfs_err *err)
{
	if (!sfs_run_id_is_valid(value, strlen(value)))
		return refuse(r, err,
		              "must be one name of A-Z a-z 0-9 . _ -, such as "
		              "\"%s\", not \"%.60s\"",
		              DEFAULT_SHARD_PREFIX, value);
	if (is_taken(value))
		return refuse(r, err,
		              "\"%.60s\" is the place of other objects; such "
		              "as \"%s\" would be right",
		              value, DEFAULT_SHARD_PREFIX);
	return read_text(r, value, r->c.shard_prefix, err);
}

/* The key of an attempt in the worst case, or why there is none. */
static enum sfs_rc try_template(const char *prefix, const char *template,
                                struct sfs_err *err)
{
	static const char run_id[] = "0123456789abcdef0123456789abcdef";
	char key[SFS_STORE_KEY_MAX / 2];

	return sfs_attempt_key(prefix, run_id, template, SFS_NUM_DBS_MAX - 1,
	                       RETRY_MAX, key, sizeof(key), err);
}

static enum sfs_rc read_template(struct reading *r, const char *value,
                                 struct sfs_err *err)
{
	struct sfs_err why;
	enum sfs_rc rc;

	rc = read_text(r, value, r->c.db_path_template, err);
	if (rc != SFS_OK)
		return rc;
	if (try_template(DEFAULT_SHARD_PREFIX, value, &why) != SFS_OK)
		return refuse(
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

static enum sfs_rc check_members(struct reading *r, struct sfs_json_reader *j,
                                 struct sfs_err *err)
{
	struct sfs_json_token t;
	size_t len;
	const char *raw;
	enum sfs_rc rc;

	do {
		rc = sfs_json_next(j, &t, err);
		if (rc == SFS_OK && t.type == SFS_JSON_KEY) {
			if (is_reserved(&t))
				return refuse(r, err,
				              "the member %s is for the "
				              "program to write: leave it out",
				              t.text);
			rc = sfs_json_skip(j, &raw, &len, err);
		}
	} while (rc == SFS_OK && t.type != SFS_JSON_END);
	return rc;
}

static enum sfs_rc check_custom(struct reading *r, const char *value,
                                struct sfs_err *err)
{
	struct sfs_json_reader j;
	struct sfs_json_token t;
	enum sfs_rc rc;

	sfs_json_reader_init(&j, value, strlen(value));
	rc = sfs_json_next(&j, &t, err);
	if (rc == SFS_OK && t.type != SFS_JSON_OBJECT_BEGIN)
		rc = refuse(r, err,
		            "must be a JSON object in quotes, such as "
		            "'{\"team\": \"search\"}'");
	if (rc == SFS_OK)
		rc = check_members(r, &j, err);
	sfs_json_reader_release(&j);
	return rc;
}

static enum sfs_rc read_custom(struct reading *r, const char *value,
                               struct sfs_err *err)
{
	const size_t len = strlen(value);
	struct sfs_err why = { 0 };
	enum sfs_rc rc;
	size_t i;

	if (len >= SFS_BUILD_CUSTOM_BYTES)
		return refuse(r, err, "has %zu bytes, must have at most %d",
		              len, SFS_BUILD_CUSTOM_BYTES - 1);
	rc = check_custom(r, value, &why);
	if (rc == SFS_E_CORRUPT)
		return refuse(r, err,
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

static setting_fn *const READERS[SETTINGS] = {
	[KEY_ENCODING] = read_key_encoding,
	[NUM_DBS] = read_num_dbs,
	[MAX_KEYS_PER_SHARD] = read_max_keys,
	[PAGE_SIZE] = read_page_size,
	[SHARD_RETRY] = read_shard_retry,
	[ON_BAD_RECORD] = read_on_bad_record,
	[KEY_COL] = read_key_col,
	[SHARD_PREFIX] = read_shard_prefix,
	[DB_PATH_TEMPLATE] = read_template,
	[CUSTOM] = read_custom,
};

static enum sfs_rc refuse_name(struct reading *r, struct sfs_err *err)
{
	const char *nearest = sfs_nearest(NAMES, r->name, strlen(r->name));

	if (nearest != NULL)
		return refuse(r, err, "no such setting; did you mean %s?",
		              nearest);
	return refuse(r, err,
	              "no such setting; there are key_encoding, num_dbs, "
	              "max_keys_per_shard, page_size, shard_retry, "
	              "on_bad_record, key_col, shard_prefix, "
	              "db_path_template and custom");
}

/* Each setting once; of the two that tell how many shards only one. */
static enum sfs_rc check_repeated(struct reading *r, size_t i,
                                  struct sfs_err *err)
{
	size_t other = i == NUM_DBS              ? MAX_KEYS_PER_SHARD
	               : i == MAX_KEYS_PER_SHARD ? NUM_DBS
	                                         : i;

	if (r->lines[i] > 0)
		return refuse(r, err,
		              "was given in line %u already; keep one of them",
		              r->lines[i]);
	if (r->lines[other] > 0)
		return refuse(r, err,
		              "contradicts %s in line %u; keep one of them",
		              NAMES[other], r->lines[other]);
	r->lines[i] = r->line;
	return SFS_OK;
}

static enum sfs_rc read_setting(void *arg, const struct sfs_yaml_pair *pair,
                                struct sfs_err *err)
{
	struct reading *r = arg;
	enum sfs_rc rc;
	size_t i = 0;

	r->name = pair->key;
	r->line = pair->line;
	while (i < SETTINGS && strcmp(NAMES[i], pair->key) != 0)
		i++;
	if (i == SETTINGS)
		return refuse_name(r, err);
	rc = check_repeated(r, i, err);
	if (rc != SFS_OK)
		return rc;
	if (pair->value == NULL && i == CUSTOM)
		return refuse(r, err,
		              "must be a JSON object in quotes, such as "
		              "'{\"team\": \"search\"}', not a YAML mapping");
	if (pair->value == NULL)
		return refuse(r, err,
		              "must be one value, not a list or "
		              "mapping");
	if (pair->value[0] == '\0')
		return refuse(r, err,
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
		                   FILE_NAME ":%zu: not YAML, column %zu: "
		                             "%.300s",
		                   line, column, what);
	if (sscanf(why->msg, "YAML, byte %zu", &offset) == 1)
		line = line_of(data, len, offset);
	return sfs_err_set(err, SFS_E_INVALID,
	                   FILE_NAME ":%zu: not YAML: %.300s", line, what);
}

enum sfs_rc sfs_build_config_parse(struct sfs_build_config *c, const char *data,
                                   size_t len, struct sfs_err *err)
{
	struct sfs_err why = { 0 };
	struct reading *r;
	enum sfs_rc rc;

	if (len > SFS_BUILD_CONFIG_MAX_BYTES)
		return sfs_err_set(err, SFS_E_INVALID,
		                   FILE_NAME ": has %zu bytes, must have at "
		                             "most %d",
		                   len, SFS_BUILD_CONFIG_MAX_BYTES);
	r = sfs_calloc(1, sizeof(*r));
	if (r == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   FILE_NAME ": out of memory");
	r->c = *c;
	rc = sfs_yaml_read(data, len, read_setting, r, &why);
	if (rc == SFS_OK)
		*c = r->c;
	else if (rc == SFS_E_INVALID && !r->is_refused)
		rc = not_yaml(data, len, &why, err);
	else
		rc = sfs_err_set(err, rc, "%s", why.msg);
	sfs_free(r);
	return rc;
}

static void set_text(char out[SFS_BUILD_TEXT_BYTES], const char *text)
{
	(void)snprintf(out, SFS_BUILD_TEXT_BYTES, "%s", text);
}

void sfs_build_config_init(struct sfs_build_config *c)
{
	memset(c, 0, sizeof(*c));
	c->key_encoding = SFS_KEY_U64BE;
	c->num_dbs = DEFAULT_NUM_DBS;
	c->page_size = DEFAULT_PAGE_SIZE;
	c->shard_retry = DEFAULT_RETRY;
	set_text(c->key_col, DEFAULT_KEY_COL);
	set_text(c->shard_prefix, DEFAULT_SHARD_PREFIX);
	set_text(c->db_path_template, DEFAULT_TEMPLATE);
	set_text(c->custom, "{}");
}

/* What a foreign manifest names, and could not be used for writing. */
static enum sfs_rc check_base_texts(const struct sfs_manifest *base,
                                    struct sfs_err *err)
{
	struct sfs_err why;

	if (base->routing.strategy != SFS_STRATEGY_HASH)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "the base is not sharded by hash, which is "
		                   "all that this version writes");
	if (strlen(base->key_col) >= SFS_BUILD_TEXT_BYTES ||
	    strlen(base->db_path_template) >= SFS_BUILD_TEXT_BYTES)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "key_col or db_path_template of the base "
		                   "has more than %d bytes: build without it",
		                   SFS_BUILD_TEXT_BYTES - 1);
	if (try_template(base->shard_prefix, base->db_path_template, &why) !=
	    SFS_OK)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "of the base: %.300s: build without it",
		                   why.msg);
	return SFS_OK;
}

enum sfs_rc sfs_build_config_from_base(struct sfs_build_config *c,
                                       const struct sfs_manifest *base,
                                       struct sfs_err *err)
{
	enum sfs_rc rc = check_base_texts(base, err);

	if (rc != SFS_OK)
		return rc;
	c->key_encoding = base->key_encoding;
	c->num_dbs = base->num_dbs;
	c->max_keys_per_shard = 0;
	set_text(c->key_col, base->key_col);
	set_text(c->shard_prefix, base->shard_prefix);
	set_text(c->db_path_template, base->db_path_template);
	return SFS_OK;
}

static enum sfs_rc contradicts(const char *name, const char *mine,
                               const char *bases, struct sfs_err *err)
{
	if (strcmp(mine, bases) == 0)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   FILE_NAME ": %s is \"%.100s\", and the base has "
	                             "\"%.100s\": set it so, or remove the "
	                             "link base",
	                   name, mine, bases);
}

enum sfs_rc sfs_build_config_check_base(const struct sfs_build_config *c,
                                        const struct sfs_manifest *base,
                                        struct sfs_err *err)
{
	char mine[16], bases[16];
	enum sfs_rc rc = SFS_OK;

	if (c->max_keys_per_shard > 0)
		return sfs_err_set(err, SFS_E_INVALID,
		                   FILE_NAME ": max_keys_per_shard cannot be "
		                             "used with a base; set num_dbs: "
		                             "%" PRIu32 ", or remove the link "
		                             "base",
		                   base->num_dbs);
	(void)snprintf(mine, sizeof(mine), "%" PRIu32, c->num_dbs);
	(void)snprintf(bases, sizeof(bases), "%" PRIu32, base->num_dbs);
	rc = contradicts(NAMES[NUM_DBS], mine, bases, err);
	if (rc == SFS_OK)
		rc = contradicts(NAMES[KEY_ENCODING],
		                 sfs_key_encoding_text(c->key_encoding),
		                 sfs_key_encoding_text(base->key_encoding),
		                 err);
	if (rc == SFS_OK)
		rc = contradicts(NAMES[KEY_COL], c->key_col, base->key_col,
		                 err);
	if (rc == SFS_OK)
		rc = contradicts(NAMES[SHARD_PREFIX], c->shard_prefix,
		                 base->shard_prefix, err);
	if (rc == SFS_OK)
		rc = contradicts(NAMES[DB_PATH_TEMPLATE], c->db_path_template,
		                 base->db_path_template, err);
	return rc;
}
