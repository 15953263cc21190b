/* SPDX-License-Identifier: Apache-2.0 */
/* Tags: listing, making and deleting them. */
#include "cli/ctl.h"

struct listing {
	struct sfs_buf text;
	struct sfs_json_printer json;
	bool is_json;
};

static bool add_tag(void *arg, const char *name,
                    const struct sfs_snapshot_id *id)
{
	char id_text[SFS_SNAPSHOT_ID_BYTES];
	struct listing *l = arg;

	sfs_snapshot_id_text(id, id_text);
	if (!l->is_json) {
		sfs_buf_printf(&l->text, "%s\t%s\n", name, id_text);
		return true;
	}
	sfs_json_object_begin(&l->json);
	sfs_json_key(&l->json, "tag");
	sfs_json_cstring(&l->json, name);
	sfs_json_key(&l->json, "snapshot");
	sfs_json_cstring(&l->json, id_text);
	sfs_json_object_end(&l->json);
	return true;
}

static int list(const struct sfs_ctl_args *args, struct sfs_catalog *catalog)
{
	struct listing l = { .is_json = args->json };
	struct sfs_err err;

	sfs_buf_init(&l.text, SFS_TEXT_MAX_BYTES);
	sfs_json_printer_init(&l.json, &l.text, true, true);
	if (l.is_json) {
		sfs_json_object_begin(&l.json);
		sfs_json_key(&l.json, "tags");
		sfs_json_array_begin(&l.json);
	}
	if (catalog->ops->list_tags(catalog, add_tag, &l, NULL, &err) !=
	    SFS_OK) {
		sfs_buf_release(&l.text);
		return sfs_ctl_fail(&err);
	}
	if (l.is_json) {
		sfs_json_array_end(&l.json);
		sfs_json_object_end(&l.json);
		sfs_buf_putc(&l.text, '\n');
	}
	return sfs_ctl_print(&l.text, SFS_CTL_OK);
}

/* One tag, as the listing shows it. */
static int show(const struct sfs_ctl_args *args,
                const struct sfs_snapshot_id *id)
{
	struct listing l = { .is_json = args->json };

	sfs_buf_init(&l.text, SFS_TEXT_MAX_BYTES);
	sfs_json_printer_init(&l.json, &l.text, true, true);
	(void)add_tag(&l, args->word, id);
	if (l.is_json)
		sfs_buf_putc(&l.text, '\n');
	return sfs_ctl_print(&l.text, SFS_CTL_OK);
}

static int create(const struct sfs_ctl_args *args,
                  const struct sfs_ctl_target *t)
{
	struct sfs_catalog *catalog = t->stack.catalog;
	struct sfs_snapshot_id id;
	struct sfs_err err;
	enum sfs_rc rc;

	if (args->word3 != NULL)
		rc = sfs_ctl_resolve(t, args->word3, &id, &err);
	else
		rc = sfs_ctl_current_id(t, &id, &err);
	if (rc != SFS_OK)
		return sfs_ctl_fail(&err);
	rc = catalog->ops->put_tag(catalog, args->word, &id, NULL, &err);
	if (rc == SFS_E_INVALID)
		return sfs_ctl_refuse(&err);
	if (rc != SFS_OK)
		return sfs_ctl_fail_or_conflict(&err);
	return show(args, &id);
}

static int remove_tag(const struct sfs_ctl_args *args,
                      struct sfs_catalog *catalog)
{
	struct sfs_err err;
	enum sfs_rc rc;

	rc = catalog->ops->delete_tag(catalog, args->word, NULL, &err);
	if (rc == SFS_E_NOT_FOUND) {
		sfs_ctl_note("%s", err.msg);
		return SFS_CTL_NO;
	}
	return rc == SFS_OK ? SFS_CTL_OK : sfs_ctl_fail(&err);
}

static int tag(const struct sfs_ctl_args *args, const struct sfs_ctl_target *t)
{
	if (args->word == NULL)
		return list(args, t->stack.catalog);
	if (args->is_delete)
		return remove_tag(args, t->stack.catalog);
	return create(args, t);
}

int sfs_ctl_tag(const struct sfs_ctl_args *args)
{
	if (args->is_delete && (args->word == NULL || args->word3 != NULL)) {
		sfs_ctl_note("usage: shardyctl tag --delete TARGET NAME");
		return SFS_CTL_USAGE;
	}
	return sfs_ctl_on_target(args, tag);
}
