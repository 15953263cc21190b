/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command works on. Whether TARGET is a mount is asked of mountinfo
 * with paths made without the file system's help, since to look at a mount
 * that hangs is to hang.
 */
#include "cli/ctl.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "catalog/rollback.h"
#include "format/current.h"
#include "format/names.h"
#include "snapshot/tracker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_SHARDS = 256 };

static const char OUR_TYPE[] = "fuse.shardyfs";

/* Adds the segments of path to out, which holds an absolute path. */
static void add_segments(struct sfs_buf *out, const char *path)
{
	size_t len;

	for (; *path != '\0'; path += len) {
		len = strspn(path, "/");
		path += len;
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.'))
			continue;
		if (len == 2 && memcmp(path, "..", 2) == 0) {
			while (out->len > 0 && out->data[--out->len] != '/')
				;
			if (out->data != NULL)
				out->data[out->len] = '\0';
			continue;
		}
		sfs_buf_putc(out, '/');
		sfs_buf_add(out, path, len);
	}
}

/* The absolute path by text alone; NULL where that cannot be told. */
static char *absolute(const char *path)
{
	struct sfs_buf out = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	char *cwd = NULL;

	if (path[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (cwd == NULL)
			return NULL;
		add_segments(&out, cwd);
		free(cwd);
	}
	add_segments(&out, path);
	if (out.len == 0)
		sfs_buf_putc(&out, '/');
	return sfs_buf_detach(&out);
}

static bool is_ours(const char *path, struct sfs_mount *out)
{
	return sfs_mount_find(path, out, NULL) == SFS_OK &&
	       strcmp(out->type, OUR_TYPE) == 0;
}

/* Looks at path and at each directory above it; cuts path on the way. */
static enum sfs_rc find_upwards(char *path, struct sfs_mount *out,
                                struct sfs_err *err)
{
	char *slash;

	if (is_ours(path, out))
		return SFS_OK;
	while ((slash = strrchr(path, '/')) != NULL && slash != path) {
		*slash = '\0';
		if (is_ours(path, out))
			return sfs_err_set(err, SFS_E_INVALID,
			                   "TARGET lies inside the mount %s: "
			                   "give the mount point itself",
			                   path);
	}
	return sfs_err_set(err, SFS_E_NOT_FOUND,
	                   "no mount of shardyfs is there");
}

enum sfs_rc sfs_ctl_mount_find(const char *path, struct sfs_mount *out,
                               struct sfs_err *err)
{
	char *text = NULL;
	char *real = NULL;
	enum sfs_rc rc;

	if (strstr(path, "://") != NULL)
		return sfs_err_set(err, SFS_E_NOT_FOUND, "%s: not a path",
		                   path);
	text = absolute(path);
	rc = text != NULL ? find_upwards(text, out, err) : SFS_E_NOT_FOUND;
	/* through links; this reads links only, which no mount hears of */
	if (rc == SFS_E_NOT_FOUND)
		real = realpath(path, NULL);
	if (real != NULL)
		rc = find_upwards(real, out, err);
	if (rc == SFS_E_NOT_FOUND)
		(void)sfs_err_set(err, rc, "%s: no mount of shardyfs is there",
		                  path);
	free(real);
	sfs_free(text);
	return rc;
}

static enum sfs_rc open_stack(struct sfs_ctl_target *t, const char *source,
                              const char *run_prefix, struct sfs_err *err)
{
	struct sfs_stack_config config = {
		.source = source,
		.run_prefix = run_prefix,
		.max_open_shards = OPEN_SHARDS,
	};
	enum sfs_rc rc;

	rc = sfs_stack_open(&config, &t->stack, err);
	if (rc != SFS_OK)
		return rc;
	t->run_prefix = sfs_strdup(run_prefix);
	if (t->run_prefix == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	else
		rc = sfs_stack_start(&t->stack, err);
	if (rc != SFS_OK)
		sfs_ctl_target_close(t);
	return rc;
}

static enum sfs_rc open_mounted(const struct sfs_ctl_args *args,
                                const struct sfs_mount *mount,
                                struct sfs_ctl_target *t, struct sfs_err *err)
{
	struct sfs_ctl_mount_status status;
	const char *run_prefix = args->run_prefix;
	enum sfs_rc rc;

	rc = sfs_ctl_mount_status_read(mount->path, &status, err);
	if (rc != SFS_OK)
		return rc;
	if (run_prefix == NULL)
		run_prefix = status.run_prefix;
	rc = open_stack(t, status.store, run_prefix, err);
	if (rc == SFS_OK) {
		t->shown = status.snapshot;
		t->staging_dir = status.staging_dir;
		status.snapshot = NULL;
		status.staging_dir = NULL;
	}
	sfs_ctl_mount_status_release(&status);
	return rc;
}

enum sfs_rc sfs_ctl_target_open(const struct sfs_ctl_args *args,
                                struct sfs_ctl_target *out, struct sfs_err *err)
{
	const char *run_prefix = args->run_prefix;
	struct sfs_ctl_target t = { 0 };
	struct sfs_mount mount;
	enum sfs_rc rc;

	rc = sfs_ctl_mount_find(args->target, &mount, err);
	if (rc == SFS_OK)
		rc = open_mounted(args, &mount, &t, err);
	else if (rc == SFS_E_NOT_FOUND)
		rc = open_stack(&t, args->target,
		                run_prefix != NULL ? run_prefix : "runs", err);
	if (rc == SFS_OK)
		*out = t;
	return rc;
}

void sfs_ctl_target_close(struct sfs_ctl_target *t)
{
	sfs_stack_close(&t->stack);
	sfs_free(t->run_prefix);
	sfs_free(t->staging_dir);
	sfs_free(t->shown);
	*t = (struct sfs_ctl_target){ 0 };
}

static void ignore_switch(void *arg)
{
	(void)arg;
}

enum sfs_rc sfs_ctl_resolve(const struct sfs_ctl_target *t, const char *text,
                            struct sfs_snapshot_id *out, struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_catalog_resolve(t->stack.catalog, text, out, NULL, err);
	if (rc == SFS_E_NOT_FOUND && strcmp(text, "current") == 0)
		rc = sfs_ctl_current_id(t, out, err);
	return rc;
}

/* What is current, or what is fallen back to. */
static enum sfs_rc open_current(const struct sfs_ctl_target *t,
                                const struct sfs_snapshot_source *source,
                                struct sfs_snapshot **out, struct sfs_err *err)
{
	struct sfs_tracker_config config = {
		.source = *source,
		.switched = ignore_switch,
	};
	struct sfs_tracker *tracker;
	enum sfs_rc rc;

	rc = sfs_tracker_open(&config, &tracker, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, rc,
		                   "%s: nothing is published there (no "
		                   "%s)",
		                   t->stack.store->url, SFS_CURRENT_KEY);
	if (rc != SFS_OK)
		return rc;
	*out = sfs_tracker_current(tracker, NULL);
	sfs_tracker_close(tracker);
	return SFS_OK;
}

enum sfs_rc sfs_ctl_snapshot_open(const struct sfs_ctl_target *t,
                                  const char *ref, struct sfs_snapshot **out,
                                  struct sfs_err *err)
{
	struct sfs_snapshot_source source = sfs_stack_source(&t->stack);
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	if (ref != NULL) {
		rc = sfs_ctl_resolve(t, ref, &id, err);
		if (rc != SFS_OK)
			return rc;
		return sfs_snapshot_open(&source, &id, NULL, out, NULL, err);
	}
	/* what a mount shows need not be what is current or published */
	if (t->shown != NULL && sfs_snapshot_id_from_text(t->shown, &id))
		return sfs_snapshot_open(&source, &id, NULL, out, NULL, err);
	return open_current(t, &source, out, err);
}

enum sfs_rc sfs_ctl_current_id(const struct sfs_ctl_target *t,
                               struct sfs_snapshot_id *out, struct sfs_err *err)
{
	struct sfs_catalog *catalog = t->stack.catalog;
	struct sfs_pointer pointer;
	enum sfs_rc rc;

	rc = catalog->ops->current(catalog, &pointer, NULL, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_snapshot_id_from_ref(pointer.current->manifest_ref, out, err);
	sfs_pointer_release(&pointer);
	return rc;
}

int sfs_ctl_on_target(const struct sfs_ctl_args *args, sfs_ctl_target_fn *fn)
{
	struct sfs_ctl_target target;
	struct sfs_err err;
	int status;

	if (sfs_ctl_target_open(args, &target, &err) != SFS_OK)
		return sfs_ctl_fail(&err);
	status = fn(args, &target);
	sfs_ctl_target_close(&target);
	return status;
}

int sfs_ctl_on_snapshot(const struct sfs_ctl_args *args,
                        sfs_ctl_snapshot_fn *fn)
{
	struct sfs_snapshot *snapshot = NULL;
	struct sfs_ctl_target target;
	struct sfs_err err;
	int status;

	if (sfs_ctl_target_open(args, &target, &err) != SFS_OK)
		return sfs_ctl_fail(&err);
	if (sfs_ctl_snapshot_open(&target, args->snapshot, &snapshot, &err) ==
	    SFS_OK)
		status = fn(args, snapshot);
	else
		status = sfs_ctl_fail(&err);
	sfs_snapshot_unref(snapshot);
	sfs_ctl_target_close(&target);
	return status;
}
