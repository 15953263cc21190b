/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at the builds of a staging directory without touching them: of the
 * living, whoever owns them, and of the dead. Nothing is written, so that it
 * works for everybody who may read.
 */
#include "build/area_internal.h"

#include "base/clock.h"
#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INTENT_MAX_BYTES = 64 << 10 };

struct scan {
	sfs_area_entry_fn *fn;
	void *arg;
	bool is_over;
};

static const char *const counted[] = { ".",   "top",     "keys",
	                               "raw", "deleted", "runs" };

static enum sfs_rc count_entry(void *arg, int dir_fd, const char *entry,
                               struct sfs_err *err)
{
	struct sfs_area_entry *e = arg;
	struct stat st;
	int64_t ns;

	(void)err;
	if (fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return SFS_OK; /* gone meanwhile */
	ns = sfs_timespec_ns(&st.st_mtim);
	if (ns > e->modified_ns)
		e->modified_ns = ns;
	if (S_ISREG(st.st_mode)) {
		e->bytes += (uint64_t)st.st_size;
		e->files++;
	}
	return SFS_OK;
}

static enum sfs_rc count_all(int build_fd, struct sfs_area_entry *e,
                             struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++) {
		int fd =
			openat(build_fd, counted[i],
		               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			continue; /* absent, or half-made */
		if (rc == SFS_OK)
			rc = sfs_dir_walk(fd, count_entry, e, err);
		(void)close(fd);
	}
	return rc;
}

static enum sfs_rc take_run_id(void *arg, const struct sfs_yaml_pair *pair,
                               struct sfs_err *err)
{
	char *run_id = arg;

	(void)err;
	if (strcmp(pair->key, "run_id") == 0 && pair->value != NULL)
		(void)snprintf(run_id, SFS_RUN_ID_BYTES, "%s", pair->value);
	return SFS_OK;
}

/* "run_id" of the engine's intent; "" if there is none that can be read. */
static void read_run_id(int build_fd, char out[SFS_RUN_ID_BYTES])
{
	struct sfs_buf text = SFS_BUF_INIT(INTENT_MAX_BYTES);
	struct sfs_err err;
	enum sfs_rc rc;
	bool found;

	out[0] = '\0';
	rc = sfs_files_read_at(build_fd, "intent", &text, &found, &err);
	if (rc == SFS_OK && text.len > 0)
		rc = sfs_yaml_read(text.data, text.len, take_run_id, out, &err);
	if (rc != SFS_OK || !sfs_run_id_is_valid(out, strlen(out)))
		out[0] = '\0';
	sfs_buf_release(&text);
}

static enum sfs_rc scan_entry(void *arg, int dir_fd, const char *entry,
                              struct sfs_err *err)
{
	struct sfs_area_entry e = { .name = entry };
	char run_id[SFS_RUN_ID_BYTES];
	struct scan *scan = arg;
	int guard = -1;
	enum sfs_rc rc;
	int fd;

	if (entry[0] == '.' || scan->is_over)
		return SFS_OK;
	fd = openat(dir_fd, entry,
	            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return SFS_OK; /* no build, or gone, or not ours to read */
	rc = sfs_area_guard(dir_fd, false, &guard, NULL, err);
	if (rc == SFS_OK)
		e.pid = sfs_area_owner(fd);
	if (guard >= 0)
		(void)close(guard);
	if (rc == SFS_OK)
		rc = count_all(fd, &e, err);
	if (rc == SFS_OK) {
		read_run_id(fd, run_id);
		e.run_id = run_id;
		scan->is_over = !scan->fn(scan->arg, &e);
	}
	(void)close(fd);
	return rc;
}

enum sfs_rc sfs_area_scan(const char *dir, sfs_area_entry_fn *fn, void *arg,
                          struct sfs_err *err)
{
	struct scan scan = { fn, arg, false };
	enum sfs_rc rc;
	int fd;

	rc = sfs_area_dir_open(dir, false, &fd, err);
	if (rc == SFS_E_NOT_FOUND)
		return SFS_OK;
	if (rc != SFS_OK)
		return rc;
	rc = sfs_dir_walk(fd, scan_entry, &scan, err);
	(void)close(fd);
	return rc;
}
