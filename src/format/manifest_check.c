/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of a manifest's JSON columns, but for "sharding". */
#include "format/manifest_check.h"

#include "base/json.h"

/*
 * Reads a document of one value, whose first token goes to *first. Lax, since
 * users may put any text into "custom".
 */
static enum sfs_rc read_whole(const char *text, size_t len,
                              struct sfs_json_token *first, struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	enum sfs_rc rc;

	sfs_json_reader_init(&r, text, len);
	r.is_lax = true;
	rc = sfs_json_next(&r, first, err);
	t = *first;
	while (rc == SFS_OK && t.type != SFS_JSON_END)
		rc = sfs_json_next(&r, &t, err);
	sfs_json_reader_release(&r);
	return rc;
}

enum sfs_rc sfs_json_object_check(const char *column, const char *text,
                                  size_t len, struct sfs_err *err)
{
	struct sfs_json_token first;

	if (read_whole(text, len, &first, err) != SFS_OK)
		return sfs_err_wrap(err, "%s", column);
	if (first.type != SFS_JSON_OBJECT_BEGIN)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s is not a JSON object", column);
	return SFS_OK;
}

enum sfs_rc sfs_json_key_check(const char *column, const char *text, size_t len,
                               struct sfs_err *err)
{
	struct sfs_json_token first;

	if (read_whole(text, len, &first, err) != SFS_OK)
		return sfs_err_wrap(err, "%s", column);
	if (first.type != SFS_JSON_INT && first.type != SFS_JSON_STRING)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s is not a JSON integer or string",
		                   column);
	return SFS_OK;
}
