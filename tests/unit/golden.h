/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_GOLDEN_H
#define SFS_TESTS_GOLDEN_H

/* The rows of tests/data/golden/STORE/FILE.jsonl. */
#include "base/digest.h"
#include "shardyfs/adapter.h"
#include "unit/tap.h"
#include "unit/testdata.h"

#include <stdint.h>
#include <stdlib.h>

struct golden_row {
	struct sfs_bytes key;
	struct sfs_bytes value; /* data NULL: by digest only, or missing */
	uint64_t value_len;
	char sha256[SFS_DIGEST_HEX_BYTES]; /* "": value is given whole */
	uint32_t db_id;
	bool has_shard; /* false: the routing value is unknown */
	char *context;  /* "{...}" of columns, or NULL */
};

struct golden {
	struct golden_row *rows;
	size_t count;
};

/* What stands behind "name": in a line; NULL: nothing. */
static inline const char *golden_member(const char *line, const char *name)
{
	char wanted[64];
	const char *at;

	(void)snprintf(wanted, sizeof(wanted), "\"%s\":", name);
	at = strstr(line, wanted);
	return at != NULL ? at + strlen(wanted) : NULL;
}

static inline int golden_nibble(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* "hex" with its quotes to bytes of malloc(); never NULL. */
static inline struct sfs_bytes golden_hex(const char *text)
{
	size_t len = strspn(text + 1, "0123456789abcdef") / 2;
	uint8_t *bytes = malloc(len + 1);
	struct sfs_bytes out = { bytes, len };

	for (size_t i = 0; bytes != NULL && i < len; i++)
		bytes[i] = (uint8_t)(golden_nibble(text[1 + 2 * i]) << 4 |
		                     golden_nibble(text[2 + 2 * i]));
	return out;
}

/* The object that begins there, of malloc(); it has no string with '}'. */
static inline char *golden_object(const char *text)
{
	size_t len = strcspn(text, "}") + 1;
	char *copy;

	if (strstr(text, "{\"hex\":") != NULL)
		len += strcspn(text + len, "}") + 1;
	copy = calloc(1, len + 1);
	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

static inline struct golden_row golden_parse(const char *line)
{
	const char *key = golden_member(line, "key_hex");
	const char *value = golden_member(line, "value_hex");
	const char *len = golden_member(line, "value_len");
	const char *sha256 = golden_member(line, "value_sha256");
	const char *db_id = golden_member(line, "db_id");
	const char *context = golden_member(line, "context");
	struct golden_row row = { 0 };

	OK(key != NULL && db_id != NULL);
	if (key != NULL)
		row.key = golden_hex(key);
	if (context != NULL)
		row.context = golden_object(context);
	row.has_shard = db_id != NULL && strncmp(db_id, "null", 4) != 0;
	if (row.has_shard)
		row.db_id = (uint32_t)strtoul(db_id, NULL, 10);
	if (value != NULL) {
		row.value = golden_hex(value);
		row.value_len = row.value.len;
	}
	if (len != NULL)
		row.value_len = strtoull(len, NULL, 10);
	if (sha256 != NULL)
		memcpy(row.sha256, sha256 + 1, SFS_DIGEST_HEX_BYTES - 1);
	return row;
}

/* Adds the rows of a file to g. */
static inline void golden_load(struct golden *g, const char *store,
                               const char *file)
{
	char path[TESTDATA_PATH_BYTES];
	struct testdata d;
	char *rest;
	char *line;

	(void)snprintf(path, sizeof(path), "golden/%s/%s.jsonl", store, file);
	d = testdata_read(path);
	if (d.bytes == NULL)
		TAP_FAIL("cannot read %s", path);
	rest = d.bytes;
	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '\0')
			continue;
		g->rows = realloc(g->rows, (g->count + 1) * sizeof(*g->rows));
		if (g->rows == NULL)
			abort();
		g->rows[g->count++] = golden_parse(line);
	}
	free(d.bytes);
}

static inline void golden_free(struct golden *g)
{
	for (size_t i = 0; i < g->count; i++) {
		free((void *)g->rows[i].key.data);
		free((void *)g->rows[i].value.data);
		free(g->rows[i].context);
	}
	free(g->rows);
	*g = (struct golden){ 0 };
}

/* True if the bytes are the row's value. */
static inline bool golden_is_value(const struct golden_row *row,
                                   const void *data, size_t len)
{
	char hex[SFS_DIGEST_HEX_BYTES] = "";
	struct sfs_digest digest = { NULL };
	struct sfs_err err;
	bool is_same;

	if (len != row->value_len)
		return false;
	if (row->sha256[0] == '\0')
		return len == 0 || memcmp(data, row->value.data, len) == 0;
	is_same = sfs_digest_begin(&digest, &err) == SFS_OK &&
	          sfs_digest_add(&digest, data, len, &err) == SFS_OK &&
	          sfs_digest_finish(&digest, hex, &err) == SFS_OK &&
	          strcmp(hex, row->sha256) == 0;
	sfs_digest_release(&digest);
	return is_same;
}

#endif
