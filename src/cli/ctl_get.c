/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get: one value, read by range and passed on piece by piece, whatever its
 * size. The first piece is read before anything is printed, so that a value
 * that cannot be read mostly prints nothing.
 */
#include "cli/ctl.h"

#include "base/alloc.h"

#include <string.h>

enum { PIECE_BYTES = 3 << 18 }; /* whole groups of base64 */

struct answer {
	const struct sfs_ctl_args *args;
	struct sfs_snapshot *snapshot;
	struct sfs_ctl_key key;
	struct sfs_hit hit;
};

static enum sfs_rc pass_on(const struct answer *a, const uint8_t *piece,
                           size_t len, char *base64, struct sfs_err *err)
{
	if (!a->args->json)
		return sfs_ctl_write(piece, len, err);
	sfs_base64_encode(piece, len, base64);
	return sfs_ctl_write(base64, sfs_base64_len(len), err);
}

static enum sfs_rc begin_json(const struct answer *a, struct sfs_err *err)
{
	enum sfs_key_encoding encoding =
		sfs_snapshot_manifest(a->snapshot)->key_encoding;
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_json_printer p;
	enum sfs_rc rc;

	sfs_base64_init();
	sfs_json_printer_init(&p, &text, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "snapshot");
	sfs_json_cstring(&p, sfs_snapshot_text_id(a->snapshot));
	sfs_json_key(&p, "key");
	sfs_ctl_json_name(&p, encoding, a->key.name, a->key.name_len,
	                  a->key.bytes);
	sfs_json_key(&p, "found");
	sfs_json_bool(&p, a->hit.found);
	sfs_json_key(&p, "shard");
	if (a->hit.db_id != SFS_NO_SHARD)
		sfs_json_uint(&p, a->hit.db_id);
	else
		sfs_json_null(&p);
	sfs_json_key(&p, "value_base64");
	sfs_buf_puts(&text, a->hit.found ? "\"" : "null}\n");
	rc = sfs_buf_finish(&text, "the answer", err);
	if (rc == SFS_OK)
		rc = sfs_ctl_write(text.data, text.len, err);
	sfs_buf_release(&text);
	return rc;
}

/* The next piece; got is 0 only where the value has no bytes at all. */
static enum sfs_rc read_piece(const struct answer *a, uint64_t at,
                              uint8_t *piece, size_t *got, struct sfs_err *err)
{
	struct sfs_place place = { a->snapshot, a->hit.db_id,
		                   a->hit.info.locator };
	enum sfs_rc rc;

	rc = sfs_snapshot_read(&place, at, piece, PIECE_BYTES, got, NULL, err);
	if (rc == SFS_OK && *got == 0 && at < a->hit.info.value_size)
		rc = sfs_err_set(err, SFS_E_CORRUPT,
		                 "the value ends at byte %llu of %llu",
		                 (unsigned long long)at,
		                 (unsigned long long)a->hit.info.value_size);
	return rc;
}

static enum sfs_rc stream(const struct answer *a, struct sfs_err *err)
{
	char *base64 = sfs_malloc(sfs_base64_len(PIECE_BYTES));
	uint8_t *piece = sfs_malloc(PIECE_BYTES);
	uint64_t at = 0;
	size_t got = 0;
	enum sfs_rc rc = SFS_OK;

	if (piece == NULL || base64 == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	while (rc == SFS_OK) {
		rc = read_piece(a, at, piece, &got, err);
		if (rc == SFS_OK && at == 0 && a->args->json)
			rc = begin_json(a, err);
		if (rc == SFS_OK)
			rc = pass_on(a, piece, got, base64, err);
		at += got;
		if (at >= a->hit.info.value_size)
			break;
	}
	if (rc == SFS_OK && a->args->json)
		rc = sfs_ctl_write("\"}\n", 3, err);
	sfs_free(base64);
	sfs_free(piece);
	return rc;
}

static enum sfs_rc print(const struct answer *a, struct sfs_err *err)
{
	if (a->hit.found)
		return stream(a, err);
	return a->args->json ? begin_json(a, err) : SFS_OK;
}

static int get(const struct sfs_ctl_args *args, struct sfs_snapshot *snapshot)
{
	struct answer a = { .args = args, .snapshot = snapshot };
	const struct sfs_manifest *m = sfs_snapshot_manifest(snapshot);
	struct sfs_columns columns;
	struct sfs_query query = { .columns = &columns };
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_ctl_columns_read(args, &m->routing, &columns, &err);
	if (rc == SFS_OK && args->columns.count > 0)
		rc = sfs_ctl_columns_require(snapshot, &columns, &err);
	if (rc == SFS_OK)
		rc = sfs_ctl_key_read(m->key_encoding, args->word, &a.key,
		                      &err);
	query.key = a.key.bytes;
	if (rc == SFS_OK)
		rc = sfs_snapshot_get(snapshot, &query, &a.hit, NULL, &err);
	if (rc == SFS_OK)
		rc = print(&a, &err);
	sfs_ctl_key_release(&a.key);
	sfs_columns_release(&columns);
	if (rc != SFS_OK)
		return sfs_ctl_fail_lookup(&err);
	return a.hit.found ? SFS_CTL_OK : SFS_CTL_NO;
}

int sfs_ctl_get(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_snapshot(args, get);
}
