/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run records. To a reader they tell whether a manifest's run did publish it,
 * to gc whether somebody still works on a run. Records come from several
 * programs, so what is not needed for that is read leniently.
 */
#include "format/runrecord.h"

#include "base/clock.h"
#include "config/yaml.h"
#include "format/names.h"
#include "format/runrecord_yaml.h"

#include <string.h>

static bool is_null(const struct sfs_yaml_pair *pair)
{
	return pair->is_plain &&
	       (strcmp(pair->value, "null") == 0 ||
	        strcmp(pair->value, "~") == 0 || pair->value[0] == '\0');
}

/* Copies a scalar, null as "". */
static enum sfs_rc copy_value(const struct sfs_yaml_pair *pair, char *out,
                              size_t cap, struct sfs_err *err)
{
	size_t len;

	if (pair->value == NULL)
		return sfs_err_set(err, SFS_E_CORRUPT, "%s is no scalar",
		                   pair->key);
	len = is_null(pair) ? 0 : strlen(pair->value);
	if (len >= cap)
		return sfs_err_set(err, SFS_E_CORRUPT, "%s is too long",
		                   pair->key);
	memcpy(out, pair->value, len);
	out[len] = '\0';
	return SFS_OK;
}

static enum sfs_rc read_status(const struct sfs_yaml_pair *pair,
                               struct sfs_run_record *out, struct sfs_err *err)
{
	char text[16];
	enum sfs_rc rc;

	rc = copy_value(pair, text, sizeof(text), err);
	if (rc != SFS_OK)
		return rc;
	if (strcmp(text, "running") == 0)
		out->status = SFS_RUN_RUNNING;
	else if (strcmp(text, "succeeded") == 0)
		out->status = SFS_RUN_SUCCEEDED;
	else if (strcmp(text, "failed") == 0)
		out->status = SFS_RUN_FAILED;
	else
		return sfs_err_set(err, SFS_E_CORRUPT, "unknown status \"%s\"",
		                   text);
	return SFS_OK;
}

/* As much of it as fits, whole characters; what is no scalar is "". */
static void copy_lax(const struct sfs_yaml_pair *pair, char *out, size_t cap)
{
	size_t len;

	out[0] = '\0';
	if (pair->value == NULL || is_null(pair))
		return;
	len = strlen(pair->value);
	if (len >= cap) {
		len = cap - 1;
		while (len > 0 && ((uint8_t)pair->value[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, pair->value, len);
	out[len] = '\0';
}

static void read_time(const struct sfs_yaml_pair *pair, int64_t *out)
{
	if (pair->value == NULL ||
	    !sfs_time_parse(pair->value, strlen(pair->value), out))
		*out = 0;
}

static void take_lax(struct sfs_run_record *r, const struct sfs_yaml_pair *pair)
{
	const struct {
		const char *key;
		char *text;
		size_t cap;
		int64_t *time;
	} members[] = {
		{ "writer_type", r->writer_type, sizeof(r->writer_type), NULL },
		{ "s3_prefix", r->s3_prefix, sizeof(r->s3_prefix), NULL },
		{ "shard_prefix", r->shard_prefix, sizeof(r->shard_prefix),
		  NULL },
		{ "db_path_template", r->db_path_template,
		  sizeof(r->db_path_template), NULL },
		{ "error_type", r->error_type, sizeof(r->error_type), NULL },
		{ "error_message", r->error_message, sizeof(r->error_message),
		  NULL },
		{ "started_at", NULL, 0, &r->started_at_ns },
		{ "updated_at", NULL, 0, &r->updated_at_ns },
		{ "lease_expires_at", NULL, 0, &r->lease_expires_at_ns },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strcmp(pair->key, members[i].key) != 0)
			continue;
		if (members[i].time != NULL)
			read_time(pair, members[i].time);
		else
			copy_lax(pair, members[i].text, members[i].cap);
	}
}

static enum sfs_rc take_pair(void *arg, const struct sfs_yaml_pair *pair,
                             struct sfs_err *err)
{
	struct sfs_run_record *out = arg;

	if (strcmp(pair->key, "run_id") == 0)
		return copy_value(pair, out->run_id, sizeof(out->run_id), err);
	if (strcmp(pair->key, "status") == 0)
		return read_status(pair, out, err);
	if (strcmp(pair->key, "manifest_ref") == 0)
		return copy_value(pair, out->manifest_ref,
		                  sizeof(out->manifest_ref), err);
	take_lax(out, pair);
	return SFS_OK;
}

static enum sfs_rc parse(const char *data, size_t len,
                         struct sfs_run_record *out, struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_yaml_read(data, len, take_pair, out, err);
	if (rc != SFS_OK)
		return rc;
	if (!sfs_run_id_is_valid(out->run_id, strlen(out->run_id)))
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "run_id is missing or not of "
		                   "[A-Za-z0-9._-]");
	if (out->status == SFS_RUN_INVALID)
		return sfs_err_set(err, SFS_E_CORRUPT, "status is missing");
	return SFS_OK;
}

enum sfs_rc sfs_run_record_parse(const char *data, size_t len,
                                 struct sfs_run_record *out,
                                 struct sfs_err *err)
{
	struct sfs_err unwanted;

	if (err == NULL)
		err = &unwanted;
	memset(out, 0, sizeof(*out));
	if (parse(data, len, out, err) == SFS_OK)
		return SFS_OK;
	/* To its reader bad YAML in a store is damage, not a bad argument. */
	if (err->rc == SFS_E_INVALID)
		err->rc = SFS_E_CORRUPT;
	return sfs_err_wrap(err, "run record");
}

static const char *status_text(enum sfs_run_status status)
{
	switch (status) {
	case SFS_RUN_RUNNING:
		return "running";
	case SFS_RUN_SUCCEEDED:
		return "succeeded";
	case SFS_RUN_FAILED:
		return "failed";
	case SFS_RUN_INVALID:
		break;
	}
	return "invalid";
}

enum sfs_rc sfs_run_record_print(const struct sfs_run_record *record,
                                 struct sfs_buf *out, struct sfs_err *err)
{
	char expires[SFS_TIME_BYTES];
	char started[SFS_TIME_BYTES];
	char updated[SFS_TIME_BYTES];
	const struct {
		const char *key;
		const char *value;
		bool is_nullable;
	} members[] = {
		{ "db_path_template", record->db_path_template, false },
		{ "error_message", record->error_message, true },
		{ "error_type", record->error_type, true },
		{ "format_version", NULL, false },
		{ "lease_expires_at", expires, false },
		{ "manifest_ref", record->manifest_ref, true },
		{ "run_id", record->run_id, false },
		{ "s3_prefix", record->s3_prefix, false },
		{ "shard_prefix", record->shard_prefix, false },
		{ "started_at", started, false },
		{ "status", status_text(record->status), false },
		{ "updated_at", updated, false },
		{ "writer_type", record->writer_type, false },
	};
	enum sfs_rc rc = SFS_OK;

	sfs_timestamp_format(record->lease_expires_at_ns, expires);
	sfs_timestamp_format(record->started_at_ns, started);
	sfs_timestamp_format(record->updated_at_ns, updated);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *value = members[i].value;

		if (value == NULL)
			sfs_buf_printf(out, "%s: 1\n", members[i].key);
		else if (members[i].is_nullable && value[0] == '\0')
			sfs_buf_printf(out, "%s: null\n", members[i].key);
		else
			rc = sfs_run_yaml_member(out, members[i].key, value,
			                         err);
		if (rc != SFS_OK)
			return rc;
	}
	return sfs_buf_finish(out, "run record", err);
}

bool sfs_run_record_run_id(const char *key, char out[SFS_RUN_ID_BYTES])
{
	const char *begin = strstr(key, "_run_id=");
	const char *end;
	size_t len;

	if (begin == NULL)
		return false;
	begin += strlen("_run_id=");
	end = strrchr(begin, '_');
	if (end == NULL || end - begin >= SFS_RUN_ID_BYTES)
		return false;
	len = (size_t)(end - begin);
	memcpy(out, begin, len);
	out[len] = '\0';
	return true;
}
