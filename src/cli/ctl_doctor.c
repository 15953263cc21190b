/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor: one line a check, in the order in which things depend on each
 * other, and what to do where one fails. Nothing it looks at can make it
 * hang for longer than the time limit of control files.
 */
#include "cli/ctl.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAULTS_SHOWN = 20 };

struct exam {
	const struct sfs_ctl_args *args;
	struct sfs_buf text;
	struct sfs_json_printer json;
	bool is_well;
};

static void note(struct exam *e, bool is_ok, const char *check, const char *fmt,
                 ...) SFS_PRINTF(4, 5);

static void note(struct exam *e, bool is_ok, const char *check, const char *fmt,
                 ...)
{
	char detail[2 * SFS_ERR_MSG_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	e->is_well = e->is_well && is_ok;
	if (!e->args->json) {
		sfs_buf_printf(&e->text, "%s %s: %s\n", is_ok ? "ok  " : "FAIL",
		               check, detail);
		return;
	}
	sfs_json_object_begin(&e->json);
	sfs_json_key(&e->json, "check");
	sfs_json_cstring(&e->json, check);
	sfs_json_key(&e->json, "ok");
	sfs_json_bool(&e->json, is_ok);
	sfs_json_key(&e->json, "detail");
	sfs_json_cstring(&e->json, detail);
	sfs_json_object_end(&e->json);
}

static void check_device(struct exam *e)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int fault = errno;

	if (fd >= 0)
		note(e, true, "/dev/fuse", "can be opened");
	else if (fault == ENOENT || fault == ENODEV || fault == ENXIO)
		note(e, false, "/dev/fuse",
		     "%s; load the module (modprobe fuse), or give the "
		     "container the device (--device /dev/fuse)",
		     strerror(fault));
	else
		note(e, false, "/dev/fuse",
		     "%s; it must be readable and writable for this user, and "
		     "a container needs the device",
		     strerror(fault));
	if (fd >= 0)
		(void)close(fd);
}

/* The program in PATH; false: it is not there. */
static bool find_program(const char *name, char *out, size_t cap,
                         struct stat *st)
{
	const char *path = getenv("PATH");
	size_t len;

	if (path == NULL)
		path = "/usr/bin:/bin";
	for (;; path += len + 1) {
		len = strcspn(path, ":");
		(void)snprintf(out, cap, "%.*s/%s", (int)len, path, name);
		if (stat(out, st) == 0 && S_ISREG(st->st_mode))
			return true;
		if (path[len] == '\0')
			return false;
	}
}

static void check_helper(struct exam *e)
{
	bool is_root = geteuid() == 0;
	char path[4096];
	struct stat st;

	if (!find_program("fusermount3", path, sizeof(path), &st))
		note(e, is_root, "fusermount3",
		     is_root ? "not in PATH (root mounts without it)"
		             : "not in PATH: only root can mount; install "
		               "the package fuse3");
	else if (!is_root && ((st.st_mode & S_ISUID) == 0 || st.st_uid != 0))
		note(e, false, "fusermount3",
		     "%s is not setuid root; as root: chown root %s; chmod "
		     "u+s %s",
		     path, path, path);
	else
		note(e, true, "fusermount3", "%s", path);
}

/* Needed for allow_other alone, so it is told and never a failure. */
static void check_allow_other(struct exam *e)
{
	FILE *f = fopen("/etc/fuse.conf", "re");
	bool is_set = false;
	char *line = NULL;
	char word[32];
	size_t cap = 0;

	while (f != NULL && getline(&line, &cap, f) >= 0) {
		if (sscanf(line, " %31s", word) == 1 &&
		    strcmp(word, "user_allow_other") == 0)
			is_set = true;
	}
	free(line);
	if (f != NULL)
		(void)fclose(f); /* read only */
	note(e, true, "user_allow_other", "%s in /etc/fuse.conf%s",
	     is_set ? "set" : "not set",
	     is_set ? "" : " (-o allow_other works for root only)");
}

static void check_mount(struct exam *e, const char *path)
{
	char *text = NULL;
	struct sfs_err err;
	size_t len;

	if (sfs_ctl_control_read(path, "health", SFS_CTL_PATIENCE_MS, &text,
	                         &len, &err) == SFS_OK)
		note(e, true, "mount", "%s answers: %.*s", path,
		     (int)strcspn(text, "\n"), text);
	else if (err.rc == SFS_E_AUTH)
		note(e, true, "mount", "%s belongs to another user", path);
	else
		note(e, false, "mount", "%s", err.msg);
	sfs_free(text);
}

static void check_mounts(struct exam *e)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	char line[16384];

	if (f == NULL) {
		note(e, false, "mounts", "/proc/self/mounts: %s",
		     strerror(errno));
		return;
	}
	while (getmntent_r(f, &entry, line, sizeof(line)) != NULL) {
		if (strcmp(entry.mnt_type, "fuse.shardyfs") == 0)
			check_mount(e, entry.mnt_dir);
	}
	(void)endmntent(f); /* always succeeds */
}

static void check_shards(struct exam *e, struct sfs_snapshot *s)
{
	uint32_t num_dbs = sfs_snapshot_manifest(s)->num_dbs;
	struct sfs_snapshot_cursor *cursor;
	uint32_t faults = 0;
	uint32_t opened = 0;
	struct sfs_err err;

	for (uint32_t i = 0; i < num_dbs; i++) {
		if (sfs_snapshot_shard_prefix(s, i) == NULL)
			continue;
		if (sfs_snapshot_cursor_open(s, i, 0, &cursor, NULL, &err) ==
		    SFS_OK) {
			sfs_snapshot_cursor_close(cursor);
			opened++;
		} else if (faults++ < FAULTS_SHOWN) {
			note(e, false, "shard", "%u: %s", i, err.msg);
		}
	}
	if (faults == 0)
		note(e, true, "shards", "%u open, %u are empty", opened,
		     num_dbs - opened);
	else
		note(e, false, "shards",
		     "%u of %u cannot be opened; copy their objects again, or "
		     "publish a new snapshot",
		     faults, faults + opened);
}

static void check_snapshot(struct exam *e, const struct sfs_ctl_target *t)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot *s = NULL;
	struct sfs_snapshot_id id;
	struct sfs_err err;

	if (sfs_ctl_current_id(t, &id, &err) != SFS_OK) {
		note(e, false, "_CURRENT", "%s%s", err.msg,
		     err.rc == SFS_E_NOT_FOUND ? "; nothing is published" : "");
		return;
	}
	sfs_snapshot_id_text(&id, text);
	note(e, true, "_CURRENT", "names %s", text);
	if (sfs_ctl_snapshot_open(t, NULL, &s, &err) != SFS_OK) {
		note(e, false, "manifest", "%s", err.msg);
		return;
	}
	if (t->shown == NULL && strcmp(sfs_snapshot_text_id(s), text) != 0)
		note(e, false, "manifest",
		     "that of %s cannot be used; readers get %s", text,
		     sfs_snapshot_text_id(s));
	else
		note(e, true, "manifest", "%s can be read",
		     sfs_snapshot_text_id(s));
	check_shards(e, s);
	sfs_snapshot_unref(s);
}

static void check_store(struct exam *e)
{
	struct sfs_ctl_target target;
	struct sfs_err err;
	bool is_empty;

	if (sfs_ctl_target_open(e->args, &target, &err) != SFS_OK) {
		note(e, false, "store", "%s", err.msg);
		return;
	}
	if (sfs_stack_is_empty(&target.stack, &is_empty, &err) != SFS_OK) {
		note(e, false, "store", "%s", err.msg);
	} else {
		note(e, true, "store", "%s can be listed",
		     target.stack.store->url);
		check_snapshot(e, &target);
	}
	sfs_ctl_target_close(&target);
}

int sfs_ctl_doctor(const struct sfs_ctl_args *args)
{
	struct exam e = { .args = args, .is_well = true };

	sfs_buf_init(&e.text, SFS_TEXT_MAX_BYTES);
	sfs_json_printer_init(&e.json, &e.text, true, true);
	if (args->json) {
		sfs_json_object_begin(&e.json);
		sfs_json_key(&e.json, "checks");
		sfs_json_array_begin(&e.json);
	}
	check_device(&e);
	check_helper(&e);
	check_allow_other(&e);
	check_mounts(&e);
	check_store(&e);
	if (args->json) {
		sfs_json_array_end(&e.json);
		sfs_json_key(&e.json, "ok");
		sfs_json_bool(&e.json, e.is_well);
		sfs_json_object_end(&e.json);
		sfs_buf_putc(&e.text, '\n');
	}
	return sfs_ctl_print(&e.text, e.is_well ? SFS_CTL_OK : SFS_CTL_NO);
}
