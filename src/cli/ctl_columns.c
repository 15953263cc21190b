/* SPDX-License-Identifier: Apache-2.0 */
/* --column=COLUMN=VALUE: what keys are routed by besides themselves. */
#include "cli/ctl.h"

#include <string.h>

static enum sfs_rc set_one(struct sfs_columns *c, const struct sfs_sharding *s,
                           const char *text, struct sfs_err *err)
{
	const char *equals = strchr(text, '=');
	struct sfs_cel_text name = { text, 0 };
	struct sfs_cel_text value;

	if (equals == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "--column=%.100s: must be COLUMN=VALUE",
		                   text);
	name.len = (size_t)(equals - text);
	value = (struct sfs_cel_text){ equals + 1, strlen(equals + 1) };
	if (sfs_columns_set(c, s, name, value, err) == SFS_OK)
		return SFS_OK;
	return sfs_err_wrap(err, "--column=%.100s", text);
}

enum sfs_rc sfs_ctl_columns_read(const struct sfs_ctl_args *args,
                                 const struct sfs_sharding *sharding,
                                 struct sfs_columns *out, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	sfs_columns_init(out);
	for (size_t i = 0; rc == SFS_OK && i < args->columns.count; i++)
		rc = set_one(out, sharding, args->columns.values[i], err);
	return rc;
}

enum sfs_rc sfs_ctl_columns_require(const struct sfs_snapshot *snapshot,
                                    const struct sfs_columns *columns,
                                    struct sfs_err *err)
{
	const struct sfs_router *router = sfs_snapshot_router(snapshot);
	const struct sfs_sharding *s = router->sharding;
	struct sfs_buf missing = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	if (sfs_router_can_route(router, columns, NULL))
		return SFS_OK;
	for (size_t i = 0; i < s->column_count; i++) {
		if (i != router->key_column &&
		    sfs_cel_uses(router->program, i) &&
		    columns->values[i].kind == SFS_CEL_INVALID)
			sfs_buf_printf(&missing, " --column=%s=VALUE",
			               s->columns[i].name);
	}
	(void)sfs_err_set(err, SFS_E_INVALID,
	                  "keys are routed by columns too: give%.400s",
	                  missing.failed == SFS_OK ? missing.data
	                                           : " --column");
	sfs_buf_release(&missing);
	return SFS_E_INVALID;
}

int sfs_ctl_fail_lookup(const struct sfs_err *err)
{
	return err->rc == SFS_E_INVALID ? sfs_ctl_refuse(err)
	                                : sfs_ctl_fail(err);
}
