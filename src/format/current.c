/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pointer object. It is read as laxly as shardyfusion does and written
 * exactly as it does, since others compare and copy these bytes.
 */
#include "format/current.h"

#include "base/clock.h"
#include "base/json.h"
#include "format/names.h"

#include <string.h>

static const char CONTENT_TYPE[] = "application/x-sqlite3";

enum { CONTENT_TYPE_BYTES = 64, UPDATED_AT_BYTES = 64 };

/* One required member; has_value once it was a string that fits. */
struct member {
	const char *name;
	char *text;
	size_t cap;
	bool has_value;
};

static enum sfs_rc bad_member(const struct member *m, const char *what,
                              struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CORRUPT, "%s %s", m->name, what);
}

static enum sfs_rc read_member(struct member *m, struct sfs_json_reader *r,
                               struct sfs_err *err)
{
	struct sfs_json_token t;
	enum sfs_rc rc;

	rc = sfs_json_next(r, &t, err);
	if (rc != SFS_OK)
		return rc;
	if (t.type != SFS_JSON_STRING)
		return bad_member(m, "is not a string", err);
	if (t.len >= m->cap)
		return bad_member(m, "is too long", err);
	if (memchr(t.text, '\0', t.len) != NULL)
		return bad_member(m, "holds a NUL", err);
	memcpy(m->text, t.text, t.len + 1);
	m->has_value = true;
	return SFS_OK;
}

static struct member *find_member(struct member *members, size_t count,
                                  const struct sfs_json_token *key)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strlen(members[i].name) == key->len &&
		    memcmp(members[i].name, key->text, key->len) == 0)
			return &members[i];
	}
	return NULL;
}

/* Reads the object's members up to its end. */
static enum sfs_rc read_members(struct sfs_json_reader *r,
                                struct member *members, size_t count,
                                struct sfs_err *err)
{
	struct sfs_json_token t;
	struct member *m;
	const char *raw;
	size_t raw_len;
	enum sfs_rc rc;

	for (;;) {
		rc = sfs_json_next(r, &t, err);
		if (rc != SFS_OK || t.type != SFS_JSON_KEY)
			return rc;
		m = find_member(members, count, &t);
		if (m != NULL)
			rc = read_member(m, r, err);
		else
			rc = sfs_json_skip(r, &raw, &raw_len, err);
		if (rc != SFS_OK)
			return rc;
	}
}

static enum sfs_rc read_object(const char *data, size_t len,
                               struct member *members, size_t count,
                               struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	enum sfs_rc rc;

	sfs_json_reader_init(&r, data, len);
	rc = sfs_json_next(&r, &t, err);
	if (rc == SFS_OK && t.type != SFS_JSON_OBJECT_BEGIN)
		rc = sfs_err_set(err, SFS_E_CORRUPT, "not a JSON object");
	if (rc == SFS_OK)
		rc = read_members(&r, members, count, err);
	if (rc == SFS_OK)
		rc = sfs_json_next(&r, &t, err);
	sfs_json_reader_release(&r);
	return rc;
}

static enum sfs_rc parse(const char *data, size_t len, struct sfs_current *out,
                         struct sfs_err *err)
{
	char content_type[CONTENT_TYPE_BYTES];
	char updated_at[UPDATED_AT_BYTES];
	struct member members[] = {
		{ "manifest_content_type", content_type, sizeof(content_type),
		  false },
		{ "manifest_ref", out->manifest_ref, sizeof(out->manifest_ref),
		  false },
		{ "run_id", out->run_id, sizeof(out->run_id), false },
		{ "updated_at", updated_at, sizeof(updated_at), false },
	};
	const size_t count = sizeof(members) / sizeof(members[0]);
	enum sfs_rc rc;
	size_t i;

	rc = read_object(data, len, members, count, err);
	if (rc != SFS_OK)
		return rc;
	for (i = 0; i < count; i++) {
		if (!members[i].has_value)
			return bad_member(&members[i], "is missing", err);
	}
	if (strcmp(content_type, CONTENT_TYPE) != 0)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "manifest_content_type is %s, not %s",
		                   content_type, CONTENT_TYPE);
	if (!sfs_run_id_is_valid(out->run_id, strlen(out->run_id)))
		return bad_member(&members[2], "is not of [A-Za-z0-9._-]", err);
	if (!sfs_time_parse(updated_at, strlen(updated_at),
	                    &out->updated_at_ns))
		return bad_member(&members[3], "is no ISO 8601 time", err);
	return SFS_OK;
}

enum sfs_rc sfs_current_parse(const char *data, size_t len,
                              struct sfs_current *out, struct sfs_err *err)
{
	struct sfs_err unwanted;

	if (err == NULL)
		err = &unwanted;
	memset(out, 0, sizeof(*out));
	if (parse(data, len, out, err) == SFS_OK)
		return SFS_OK;
	return sfs_err_wrap(err, SFS_CURRENT_KEY);
}

void sfs_current_print(const struct sfs_current *current, struct sfs_buf *out)
{
	struct sfs_json_printer p;
	char updated_at[SFS_TIME_BYTES];

	sfs_timestamp_format(current->updated_at_ns, updated_at);
	sfs_json_printer_init(&p, out, false, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "format_version");
	sfs_json_int(&p, 1);
	sfs_json_key(&p, "manifest_content_type");
	sfs_json_cstring(&p, CONTENT_TYPE);
	sfs_json_key(&p, "manifest_ref");
	sfs_json_cstring(&p, current->manifest_ref);
	sfs_json_key(&p, "run_id");
	sfs_json_cstring(&p, current->run_id);
	sfs_json_key(&p, "updated_at");
	sfs_json_cstring(&p, updated_at);
	sfs_json_object_end(&p);
}
