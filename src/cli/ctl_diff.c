/* SPDX-License-Identifier: Apache-2.0 */
/* What turns one snapshot into another, a line for each key. */
#include "cli/ctl.h"

#include "snapshot/diff.h"

enum { FLUSH_BYTES = 64 << 10 };

struct output {
	struct sfs_buf text;
	bool is_json;
	enum sfs_rc rc; /* of writing */
	struct sfs_err err;
};

static const struct {
	char sign;
	const char *name;
} KINDS[] = {
	[SFS_DIFF_ADDED] = { '+', "added" },
	[SFS_DIFF_REMOVED] = { '-', "removed" },
	[SFS_DIFF_CHANGED] = { '~', "changed" },
};

static void flush(struct output *o)
{
	o->rc = sfs_buf_finish(&o->text, "the answer", &o->err);
	if (o->rc == SFS_OK && o->text.len > 0)
		o->rc = sfs_ctl_write(o->text.data, o->text.len, &o->err);
	sfs_buf_reset(&o->text);
}

static bool add_line(void *arg, enum sfs_diff_kind kind, const char *name,
                     size_t len)
{
	struct output *o = arg;
	struct sfs_json_printer p;

	if (o->is_json) {
		sfs_json_printer_init(&p, &o->text, true, true);
		sfs_json_object_begin(&p);
		sfs_json_key(&p, "change");
		sfs_json_cstring(&p, KINDS[kind].name);
		sfs_json_key(&p, "key");
		sfs_json_string(&p, name, len);
		sfs_json_object_end(&p);
	} else {
		sfs_buf_printf(&o->text, "%c ", KINDS[kind].sign);
		sfs_buf_add(&o->text, name, len);
	}
	sfs_buf_putc(&o->text, '\n');
	if (o->text.len >= FLUSH_BYTES)
		flush(o);
	return o->rc == SFS_OK;
}

static int compare(const struct sfs_ctl_args *args, struct sfs_snapshot *from,
                   struct sfs_snapshot *to)
{
	struct output o = { .is_json = args->json };
	struct sfs_diff_result result;
	struct sfs_err err;
	enum sfs_rc rc;

	sfs_buf_init(&o.text, SFS_TEXT_MAX_BYTES);
	rc = sfs_snapshot_diff(from, to, add_line, &o, &result, NULL, &err);
	if (o.rc == SFS_OK)
		flush(&o);
	sfs_buf_release(&o.text);
	if (o.rc != SFS_OK)
		return sfs_ctl_fail(&o.err);
	if (rc != SFS_OK)
		return sfs_ctl_fail(&err);
	return result.added + result.removed + result.changed > 0 ? SFS_CTL_NO
	                                                          : SFS_CTL_OK;
}

static int diff(const struct sfs_ctl_args *args, const struct sfs_ctl_target *t)
{
	struct sfs_snapshot *from = NULL;
	struct sfs_snapshot *to = NULL;
	struct sfs_err err;
	enum sfs_rc rc;
	int status;

	rc = sfs_ctl_snapshot_open(t, args->word, &from, &err);
	if (rc == SFS_OK)
		rc = sfs_ctl_snapshot_open(t, args->word3, &to, &err);
	status = rc == SFS_OK ? compare(args, from, to) : sfs_ctl_fail(&err);
	sfs_snapshot_unref(from);
	sfs_snapshot_unref(to);
	return status;
}

int sfs_ctl_diff(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_target(args, diff);
}
