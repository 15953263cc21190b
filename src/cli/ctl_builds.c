/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds that are there: listing, publishing and ending them. A build that a
 * mount owns is the mount's business, so these go through it.
 */
#include "cli/ctl_staging.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* --- builds ---------------------------------------------------------------- */

struct listing {
	const struct sfs_ctl_args *args;
	struct sfs_area *area; /* with --delete */
	struct sfs_buf text;
	struct sfs_json_printer j;
	struct sfs_err err;
	bool failed;
};

static void print_entry(struct listing *l, const struct sfs_area_entry *e,
                        bool is_deleted)
{
	struct sfs_json_printer *j = &l->j;
	char when[SFS_TIME_BYTES];

	sfs_time_format(e->modified_ns, when);
	if (!l->args->json) {
		sfs_buf_printf(&l->text, "%s\t%s\t", e->name,
		               is_deleted   ? "deleted"
		               : e->pid > 0 ? "owned"
		                            : "abandoned");
		sfs_buf_printf(&l->text,
		               "%" PRId64 "\t%s\t%" PRIu64 " files\t%" PRIu64
		               " bytes\n",
		               e->pid, when, e->files, e->bytes);
		return;
	}
	sfs_json_object_begin(j);
	sfs_json_key(j, "bytes");
	sfs_json_uint(j, e->bytes);
	sfs_json_key(j, "deleted");
	sfs_json_bool(j, is_deleted);
	sfs_json_key(j, "files");
	sfs_json_uint(j, e->files);
	sfs_json_key(j, "modified");
	sfs_json_cstring(j, when);
	sfs_json_key(j, "name");
	sfs_json_string(j, e->name, strlen(e->name));
	sfs_json_key(j, "pid");
	if (e->pid > 0)
		sfs_json_int(j, e->pid);
	else
		sfs_json_null(j);
	sfs_json_object_end(j);
}

static bool is_wanted(const struct listing *l, const struct sfs_area_entry *e)
{
	int64_t age_ms = (sfs_clock_wall_ns() - e->modified_ns) / 1000000;

	return l->args->older_than_ms < 0 || age_ms >= l->args->older_than_ms;
}

static bool list_one(void *arg, const struct sfs_area_entry *e)
{
	struct listing *l = arg;

	if (is_wanted(l, e))
		print_entry(l, e, false);
	return true;
}

/* The area has adopted what nobody owned: that is what may go. */
static bool delete_one(void *arg, const struct sfs_area_entry *e)
{
	struct listing *l = arg;
	struct sfs_build *b;

	b = is_wanted(l, e) ? sfs_area_find(l->area, e->name) : NULL;
	if (b == NULL)
		return true;
	if (sfs_area_discard(l->area, b, true, &l->err) == SFS_OK)
		print_entry(l, e, true);
	else
		l->failed = true;
	sfs_build_unref(b);
	return !l->failed;
}

static enum sfs_rc scan(struct listing *l, const struct sfs_ctl_target *t,
                        struct sfs_err *err)
{
	char dir[PATH_MAX];
	enum sfs_rc rc;

	rc = sfs_ctl_staging_dir(l->args, t, dir, sizeof(dir), err);
	if (rc == SFS_OK && l->args->is_delete)
		rc = sfs_ctl_area_open(l->args, t, true, &l->area, err);
	if (rc == SFS_OK)
		rc = sfs_area_scan(dir, l->area != NULL ? delete_one : list_one,
		                   l, err);
	sfs_area_close(l->area);
	if (rc == SFS_OK && l->failed) {
		*err = l->err;
		rc = err->rc;
	}
	return rc;
}

static int builds(const struct sfs_ctl_args *args,
                  const struct sfs_ctl_target *t)
{
	struct listing l = { .args = args,
		             .text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES) };
	struct sfs_err err;

	if (args->is_delete && args->older_than_ms < 0) {
		(void)sfs_err_set(&err, SFS_E_INVALID,
		                  "--delete needs --older-than TIME (0s: all "
		                  "that are abandoned)");
		return sfs_ctl_refuse(&err);
	}
	sfs_json_printer_init(&l.j, &l.text, true, true);
	if (args->json)
		sfs_json_array_begin(&l.j);
	if (scan(&l, t, &err) != SFS_OK) {
		sfs_buf_release(&l.text);
		return sfs_ctl_fail(&err);
	}
	if (args->json) {
		sfs_json_array_end(&l.j);
		sfs_buf_putc(&l.text, '\n');
	}
	return sfs_ctl_print(&l.text, SFS_CTL_OK);
}

int sfs_ctl_builds(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_target(args, builds);
}

/* --- through a mount ------------------------------------------------------- */

struct mounted {
	char staged[2 * PATH_MAX];
	char published[2 * PATH_MAX];
};

/* False: TARGET is no mount, or the mount does not have that build. */
static bool find_mounted(const struct sfs_ctl_args *args, struct mounted *out)
{
	struct sfs_mount mount;
	struct sfs_err err;

	if (sfs_ctl_mount_find(args->target, &mount, &err) != SFS_OK)
		return false;
	(void)snprintf(out->staged, sizeof(out->staged), "%s/staging/%s",
	               mount.path, args->word);
	(void)snprintf(out->published, sizeof(out->published), "%s/publish/%s",
	               mount.path, args->word);
	return access(out->staged, F_OK) == 0;
}

static enum sfs_rc rc_of_publish(int error)
{
	switch (error) {
	case ESTALE:
		return SFS_E_STALE;
	case EEXIST:
		return SFS_E_EXISTS;
	default:
		return SFS_E_IO;
	}
}

static int publish_mounted(const struct mounted *m)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	char target[PATH_MAX];
	struct sfs_err err;
	ssize_t len;

	if (rename(m->staged, m->published) != 0) {
		int error = errno;

		(void)sfs_err_set(&err, rc_of_publish(error),
		                  "%s: %s (see %s/errors)", m->staged,
		                  strerror(error), m->staged);
		return sfs_ctl_fail_or_conflict(&err);
	}
	len = readlink(m->published, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	sfs_buf_printf(&text, "%s\n",
	               strncmp(target, "../snapshots/", 13) == 0 ? target + 13
	                                                         : target);
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int abort_mounted(const struct mounted *m)
{
	struct sfs_err err;

	if (nftw(m->staged, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0)
		return SFS_CTL_OK;
	(void)sfs_err_sys(&err, errno, "%s", m->staged);
	return sfs_ctl_fail(&err);
}

/* --- publish, abort -------------------------------------------------------- */

/* Adopts the build; NOT_FOUND; BUSY, with its owner. */
struct adopted {
	struct sfs_area *area;
	struct sfs_build *build;
	const char *name;
	int64_t pid;
	bool exists;
};

static bool match_entry(void *arg, const struct sfs_area_entry *e)
{
	struct adopted *a = arg;

	if (strcmp(e->name, a->name) != 0)
		return true;
	a->pid = e->pid;
	a->exists = true;
	return false;
}

static enum sfs_rc adopt(const struct sfs_ctl_args *args,
                         const struct sfs_ctl_target *t, struct adopted *a,
                         struct sfs_err *err)
{
	char dir[PATH_MAX];
	enum sfs_rc rc;

	a->name = args->word;
	rc = sfs_ctl_staging_dir(args, t, dir, sizeof(dir), err);
	if (rc == SFS_OK)
		rc = sfs_area_scan(dir, match_entry, a, err);
	if (rc == SFS_OK && !a->exists)
		return sfs_err_set(err, SFS_E_NOT_FOUND,
		                   "%s: no build of that name in %s", a->name,
		                   dir);
	if (rc == SFS_OK && a->pid > 0)
		return sfs_err_set(err, SFS_E_BUSY,
		                   "%s: the build belongs to process %" PRId64
		                   "; use its mount point as TARGET",
		                   a->name, a->pid);
	if (rc == SFS_OK)
		rc = sfs_ctl_area_open(args, t, false, &a->area, err);
	if (rc == SFS_OK)
		rc = sfs_area_adopt(a->area, a->name, &a->build, err);
	if (rc == SFS_OK && a->build == NULL)
		rc = sfs_err_set(err, SFS_E_EXISTS,
		                 "%s: the build had been published when its "
		                 "owner ended (see shardyctl history)",
		                 a->name);
	return rc;
}

static void adopted_release(struct adopted *a)
{
	sfs_build_unref(a->build);
	sfs_area_close(a->area);
}

static int publish_store(const struct sfs_ctl_args *args,
                         const struct sfs_ctl_target *t)
{
	struct adopted a = { 0 };
	struct sfs_ctl_work work;
	struct sfs_err err;
	int status;

	if (sfs_ctl_work_begin(&work, &err) != SFS_OK)
		return sfs_ctl_fail(&err);
	if (adopt(args, t, &a, &err) == SFS_OK) {
		sfs_ctl_work_show(&work, a.build);
		status = sfs_ctl_publish_build(args, &work, a.build);
		sfs_ctl_work_show(&work, NULL);
	} else {
		status = sfs_ctl_fail(&err);
	}
	adopted_release(&a);
	sfs_ctl_work_end(&work);
	return status;
}

int sfs_ctl_publish(const struct sfs_ctl_args *args)
{
	struct mounted m;

	if (find_mounted(args, &m))
		return publish_mounted(&m);
	return sfs_ctl_on_target(args, publish_store);
}

static int abort_store(const struct sfs_ctl_args *args,
                       const struct sfs_ctl_target *t)
{
	struct adopted a = { 0 };
	int status = SFS_CTL_OK;
	struct sfs_err err;

	if (adopt(args, t, &a, &err) != SFS_OK ||
	    sfs_area_discard(a.area, a.build, true, &err) != SFS_OK)
		status = sfs_ctl_fail(&err);
	adopted_release(&a);
	return status;
}

int sfs_ctl_abort(const struct sfs_ctl_args *args)
{
	struct mounted m;

	if (find_mounted(args, &m))
		return abort_mounted(&m);
	return sfs_ctl_on_target(args, abort_store);
}
