/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run records, as far as a reader needs them: they tell whether a manifest's
 * run did publish it. Every other member is somebody else's.
 */
#include "format/runrecord.h"

#include "config/yaml.h"
#include "format/names.h"

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
