/* SPDX-License-Identifier: Apache-2.0 */
/* Making another published snapshot current. */
#include "cli/ctl.h"

#include "catalog/rollback.h"

static int answer(const struct sfs_ctl_args *args,
                  const struct sfs_snapshot_id *id, bool has_changed)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	char id_text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_json_printer p;

	sfs_snapshot_id_text(id, id_text);
	if (!args->json) {
		sfs_buf_printf(&text, "%s\n", id_text);
		return sfs_ctl_print(&text, SFS_CTL_OK);
	}
	sfs_json_printer_init(&p, &text, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "current");
	sfs_json_cstring(&p, id_text);
	sfs_json_key(&p, "changed");
	sfs_json_bool(&p, has_changed);
	sfs_json_object_end(&p);
	sfs_buf_putc(&text, '\n');
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

static int roll_back(const struct sfs_ctl_args *args,
                     const struct sfs_ctl_target *t)
{
	struct sfs_snapshot_id id;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_ctl_resolve(t, args->word, &id, &err);
	if (rc != SFS_OK)
		return sfs_ctl_fail(&err);
	rc = sfs_rollback(t->stack.catalog, t->stack.store, &id, NULL, &err);
	if (rc == SFS_E_EXISTS) /* what was asked for is so */
		sfs_ctl_note("%s", err.msg);
	else if (rc != SFS_OK)
		return sfs_ctl_fail_or_conflict(&err);
	return answer(args, &id, rc == SFS_OK);
}

int sfs_ctl_rollback(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_target(args, roll_back);
}
