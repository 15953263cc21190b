/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build on a base: what the base fixes, and settings that contradict it.
 */
#include "build/build_config_internal.h"

#include "format/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void set_text(char out[SFS_BUILD_TEXT_BYTES], const char *text)
{
	(void)snprintf(out, SFS_BUILD_TEXT_BYTES, "%s", text);
}

/* What a foreign manifest names, and could not be used for writing. */
static enum sfs_rc check_base_texts(const struct sfs_manifest *base,
                                    struct sfs_err *err)
{
	struct sfs_err why;

	if (strlen(base->key_col) >= SFS_BUILD_TEXT_BYTES ||
	    strlen(base->db_path_template) >= SFS_BUILD_TEXT_BYTES)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "key_col or db_path_template of the base "
		                   "has more than %d bytes: build without it",
		                   SFS_BUILD_TEXT_BYTES - 1);
	if (sfs_build_try_template(base->shard_prefix, base->db_path_template,
	                           &why) != SFS_OK)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "of the base: %.300s: build without it",
		                   why.msg);
	return SFS_OK;
}

enum sfs_rc sfs_build_config_from_base(struct sfs_build_config *c,
                                       const struct sfs_manifest *base,
                                       struct sfs_err *err)
{
	struct sfs_placement *placement = NULL;
	enum sfs_rc rc = check_base_texts(base, err);

	if (rc == SFS_OK)
		rc = sfs_placement_of_base(base, &placement, err);
	if (rc != SFS_OK)
		return rc;
	sfs_placement_unref(c->placement);
	c->placement = placement;
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
	                   "config.yaml: %s is \"%.100s\", and the base has "
	                   "\"%.100s\": set it so, or remove the "
	                   "link base",
	                   name, mine, bases);
}

static enum sfs_rc check_placement(const struct sfs_build_config *c,
                                   const struct sfs_manifest *base,
                                   struct sfs_err *err)
{
	struct sfs_placement *bases = NULL;
	bool is_same;
	enum sfs_rc rc;

	rc = sfs_placement_of_base(base, &bases, err);
	if (rc != SFS_OK)
		return rc;
	is_same = sfs_placement_is_same(c->placement, bases);
	if (!is_same)
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "config.yaml: keys are routed otherwise (%s) "
		                 "than in the base (%s%.200s): leave out cel, "
		                 "cel_columns, routing_values, ranges and "
		                 "sharding, or remove the link base",
		                 sfs_placement_text(c->placement),
		                 bases != NULL ? "cel: " : "by hash",
		                 bases != NULL ? bases->sharding.expr.data
		                               : "");
	sfs_placement_unref(bases);
	return rc;
}

enum sfs_rc sfs_build_config_check_base(const struct sfs_build_config *c,
                                        const struct sfs_manifest *base,
                                        struct sfs_err *err)
{
	char mine[16], bases[16];
	enum sfs_rc rc = SFS_OK;

	if (c->max_keys_per_shard > 0)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "config.yaml: max_keys_per_shard cannot be "
		                   "used with a base; set num_dbs: "
		                   "%" PRIu32 ", or remove the link "
		                   "base",
		                   base->num_dbs);
	rc = check_placement(c, base, err);
	if (rc != SFS_OK)
		return rc;
	(void)snprintf(mine, sizeof(mine), "%" PRIu32, c->num_dbs);
	(void)snprintf(bases, sizeof(bases), "%" PRIu32, base->num_dbs);
	rc = contradicts("num_dbs", mine, bases, err);
	if (rc == SFS_OK)
		rc = contradicts(
			"key_encoding", sfs_key_encoding_text(c->key_encoding),
			sfs_key_encoding_text(base->key_encoding), err);
	if (rc == SFS_OK)
		rc = contradicts("key_col", c->key_col, base->key_col, err);
	if (rc == SFS_OK)
		rc = contradicts("shard_prefix", c->shard_prefix,
		                 base->shard_prefix, err);
	if (rc == SFS_OK)
		rc = contradicts("db_path_template", c->db_path_template,
		                 base->db_path_template, err);
	return rc;
}
