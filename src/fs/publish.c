/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes another snapshot current: publishing a build and rolling back.
 * Both are over only when this mount shows it. The swap has happened by then
 * and stays: what goes wrong with showing it is logged, and is no failure of
 * the rename.
 */
#include "fs/staging_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "build/area.h"
#include "catalog/rollback.h"

#include <linux/fs.h>
#include <string.h>

enum { TOLD_MS = 2000 };

/* Interrupting this would hide a success. */
static void show(struct sfs_fs *fs, const struct sfs_snapshot_id *id,
                 bool until_told)
{
	int64_t wait_ms = fs->config.op_timeout_ms;
	struct sfs_call call = { 0, NULL };
	struct sfs_err err;

	if (until_told && (wait_ms == 0 || wait_ms > TOLD_MS))
		wait_ms = TOLD_MS;
	if (wait_ms > 0)
		call.deadline_ms = sfs_clock_ms() + wait_ms;
	if (sfs_tracker_wait(fs->config.tracker, id, until_told, &call, &err) !=
	    SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_FS,
		        "a new snapshot is current, and is not shown yet "
		        "rc=%s cause=\"%s\"",
		        sfs_rc_name(err.rc), err.msg);
}

static void give_receipt(struct sfs_fs *fs, const char *name,
                         const struct sfs_snapshot_id *id)
{
	char target[SFS_SNAPSHOT_ID_BYTES + 16];
	char text[SFS_SNAPSHOT_ID_BYTES];

	sfs_snapshot_id_text(id, text);
	(void)snprintf(target, sizeof(target), "../snapshots/%s", text);
	if (!sfs_links_put(fs->links, SFS_LINKS_RECEIPTS, name, id, target))
		sfs_log(SFS_LOG_WARN, SFS_LOG_FS,
		        "no memory for a receipt name=%s snapshot=%s", name,
		        text);
	sfs_log(SFS_LOG_INFO, SFS_LOG_FS, "published snapshot=%s receipt=%s",
	        text, name);
}

static enum sfs_rc check_publish(struct sfs_fs *fs,
                                 const struct sfs_renaming *wish,
                                 struct sfs_err *err)
{
	enum sfs_rc rc = sfs_fs_require_area(fs, err);

	if (rc != SFS_OK)
		return rc;
	if (wish->parent != SFS_STATIC_STAGING ||
	    (wish->flags & ~(unsigned)RENAME_NOREPLACE) != 0)
		return sfs_err_set(err, SFS_E_FORBIDDEN,
		                   "publish/ takes a whole build and nothing "
		                   "else: mv staging/NAME publish/");
	if (sfs_links_get(fs->links, SFS_LINKS_RECEIPTS, wish->new_name, NULL,
	                  NULL))
		return sfs_err_set(err, SFS_E_EXISTS,
		                   "publish/%s is the receipt of an earlier "
		                   "build: rm it, or publish under another "
		                   "name",
		                   wish->new_name);
	return SFS_OK;
}

enum sfs_rc sfs_fs_publish(struct sfs_fs *fs, const struct sfs_renaming *wish,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_snapshot_id id;
	struct sfs_build *build;
	enum sfs_rc rc = check_publish(fs, wish, err);

	if (rc != SFS_OK)
		return rc;
	build = sfs_area_find(fs->config.area, wish->name);
	if (build == NULL)
		return sfs_err_set(err, SFS_E_NOT_FOUND,
		                   "staging/%s: no such build", wish->name);
	rc = sfs_build_publish(build, &id, call, err);
	/* These two would speak of the names in the rename. */
	if (rc == SFS_E_NOT_FOUND || rc == SFS_E_INVALID) {
		rc = SFS_E_IO;
		err->rc = rc;
	}
	if (-rc < SFS_PUBLISH_RESULTS)
		atomic_fetch_add(&fs->publishes[-rc], 1);
	if (rc == SFS_OK) {
		sfs_links_clear(fs->links,
		                SFS_LINKS_BUILDS + sfs_build_number(build));
		give_receipt(fs, wish->new_name, &id);
		show(fs, &id, true);
	} else if (rc == SFS_E_STALE) {
		/* So that ln -sfn ../../current base finds the newer one. */
		sfs_tracker_refresh(fs->config.tracker);
	}
	sfs_build_unref(build);
	return rc;
}

/*
 * The kernel holds the root's lock until this is answered, and so the names
 * of the root cannot be expired before: that follows at once.
 */
enum sfs_rc sfs_fs_rollback(struct sfs_fs *fs, const struct sfs_snapshot_id *to,
                            const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc;

	if (fs->config.is_pinned)
		return sfs_err_set(err, SFS_E_READ_ONLY,
		                   "the mount shows one snapshot (ref): roll "
		                   "back in one that follows the current one");
	rc = sfs_rollback(fs->config.source.catalog, fs->config.source.store,
	                  to, call, err);
	if (rc == SFS_E_EXISTS) /* it is current */
		rc = SFS_OK;
	if (rc == SFS_OK)
		show(fs, to, false);
	return rc;
}
