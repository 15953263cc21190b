/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a build comes into an area: it is made, or taken over from an owner who
 * died.
 *
 * Made: whole under a temporary name, its lock held, everything synced, then
 * renamed. A crash before the rename leaves a .new-* that nobody has locked.
 */
#include "build/area_internal.h"

#include "base/alloc.h"
#include "base/atomicfile.h"
#include "base/clock.h"
#include "base/log.h"
#include "format/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECOVER_MS = 30000 };

/* --- defaults --------------------------------------------------------------- */

static enum sfs_rc load_current(struct sfs_area *a, struct sfs_manifest **out,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_catalog *catalog = a->config.catalog;
	struct sfs_pointer pointer = { 0 };
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	rc = catalog->ops->current(catalog, &pointer, call, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_snapshot_id_from_ref(pointer.current->manifest_ref, &id, err);
	sfs_pointer_release(&pointer);
	if (rc == SFS_OK)
		rc = catalog->ops->load(catalog, &id, out, call, err);
	return rc;
}

/* As the current snapshot, as far as there is one that can be read. */
static enum sfs_rc take_current(struct sfs_area *a, struct sfs_build_config *c,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_call bounded = { sfs_clock_ms() + RECOVER_MS, NULL };
	struct sfs_manifest *manifest = NULL;
	struct sfs_err local;
	enum sfs_rc rc;

	if (call != NULL)
		bounded.cancel = call->cancel;
	if (call != NULL && call->deadline_ms != 0 &&
	    call->deadline_ms < bounded.deadline_ms)
		bounded.deadline_ms = call->deadline_ms;
	rc = load_current(a, &manifest, &bounded, &local);
	if (rc == SFS_OK)
		rc = sfs_build_config_from_base(c, manifest, &local);
	sfs_manifest_free(manifest);
	if (rc == SFS_OK || rc == SFS_E_NOT_FOUND)
		return SFS_OK;
	if (sfs_call_check(call, "mkdir", err) != SFS_OK)
		return err->rc; /* that is no reason to begin with others */
	sfs_build_config_release(c);
	sfs_build_config_init(c);
	sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
	        "config.yaml has the format's defaults, since the current "
	        "snapshot cannot be read rc=%s cause=\"%s\"",
	        sfs_rc_name(rc), local.msg);
	return SFS_OK;
}

/*
 * The options of the mount go before the current snapshot's: routing that does
 * not go with them is not taken over, nor what does not fit into the file.
 */
static void take_options(const struct sfs_area *a, struct sfs_build_config *c)
{
	const uint32_t shards = sfs_placement_shards(c->placement);
	const bool is_other_key = a->config.key_encoding != SFS_KEY_INVALID &&
	                          a->config.key_encoding != c->key_encoding;
	const bool is_other_number = a->config.num_dbs > 0 && shards > 0 &&
	                             a->config.num_dbs != shards;

	if (is_other_key || is_other_number ||
	    !sfs_build_config_is_printable(c)) {
		if (c->placement != NULL)
			sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
			        "config.yaml routes by hash, other than the "
			        "current snapshot: its routing does not go "
			        "with the options, or is too long");
		sfs_build_config_release(c);
	}
	if (a->config.key_encoding != SFS_KEY_INVALID)
		c->key_encoding = a->config.key_encoding;
	if (a->config.num_dbs > 0) {
		c->num_dbs = a->config.num_dbs;
		c->max_keys_per_shard = 0;
	}
}

static enum sfs_rc print_defaults(struct sfs_area *a, struct sfs_buf *out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct sfs_build_config *c = sfs_malloc(sizeof(*c));
	enum sfs_rc rc = SFS_OK;

	if (c == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	sfs_build_config_init(c);
	if (a->config.key_encoding == SFS_KEY_INVALID || a->config.num_dbs == 0)
		rc = take_current(a, c, call, err);
	take_options(a, c);
	sfs_build_config_print(c, out);
	sfs_build_config_release(c);
	sfs_free(c);
	return rc == SFS_OK ? sfs_buf_finish(out, SFS_FILES_CONFIG, err) : rc;
}

/* --- making ------------------------------------------------------------------ */

/* A build on its way; -1 and "" where there is nothing yet. */
struct making {
	char tmp[64];
	int dir_fd;
	int lock_fd;
};

static enum sfs_rc make_locked_dir(struct sfs_area *a, struct making *m,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	int guard = -1;
	enum sfs_rc rc;

	rc = sfs_area_guard(a->dir_fd, true, &guard, call, err);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_area_unique_name(SFS_AREA_NEW, m->tmp, err);
	if (rc == SFS_OK && mkdirat(a->dir_fd, m->tmp, 0700) != 0) {
		rc = sfs_err_sys(err, errno, "cannot make a build");
		m->tmp[0] = '\0';
	}
	if (rc == SFS_OK) {
		m->dir_fd = openat(a->dir_fd, m->tmp,
		                   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (m->dir_fd < 0)
			rc = sfs_err_sys(err, errno, "cannot make a build");
	}
	if (rc == SFS_OK)
		rc = sfs_area_lock_build(m->dir_fd, &m->lock_fd, NULL, err);
	(void)close(guard);
	return rc;
}

static void undo_making(struct sfs_area *a, struct making *m)
{
	struct sfs_err err;

	if (m->tmp[0] != '\0' &&
	    sfs_area_remove_dir(a->dir_fd, m->tmp, NULL, &err) != SFS_OK)
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD, "%s is left: %s", m->tmp,
		        err.msg);
	if (m->dir_fd >= 0)
		(void)close(m->dir_fd);
	if (m->lock_fd >= 0)
		(void)close(m->lock_fd);
}

/* Why the name is taken. */
static enum sfs_rc explain_exists(struct sfs_area *a, const char *name,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct sfs_build *mine = sfs_area_find(a, name);
	bool is_mine = mine != NULL;
	int64_t pid = 0;
	int guard = -1;
	int fd;

	sfs_build_unref(mine);
	if (is_mine)
		return sfs_err_set(err, SFS_E_EXISTS, "build %s exists", name);
	if (sfs_area_guard(a->dir_fd, true, &guard, call, err) != SFS_OK)
		return err->rc;
	fd = openat(a->dir_fd, name,
	            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		pid = sfs_area_owner(fd);
		(void)close(fd);
	}
	(void)close(guard);
	if (pid > 0)
		return sfs_err_set(err, SFS_E_BUSY,
		                   "process %" PRId64
		                   " is working on a build %s of this store",
		                   pid, name);
	return sfs_err_set(err, SFS_E_EXISTS,
	                   "there is a build %s that nobody works on; mount "
	                   "the store again to go on with it, or "
	                   "shardyctl abort it",
	                   name);
}

/*
 * 0 or the errno. Where there is no NOREPLACE no build can be replaced all the
 * same: it is never an empty directory.
 */
static int rename_in_place(struct sfs_area *a, const struct making *m,
                           const char *name)
{
	struct sfs_err err;

	if (renameat2(a->dir_fd, m->tmp, a->dir_fd, name, RENAME_NOREPLACE) !=
	            0 &&
	    ((errno != EINVAL && errno != ENOSYS) ||
	     renameat(a->dir_fd, m->tmp, a->dir_fd, name) != 0))
		return errno;
	if (sfs_dir_sync(a->dir_fd, &err) == SFS_OK)
		return 0;
	/* Not durable, so it must not stay either. */
	(void)renameat(a->dir_fd, name, a->dir_fd, m->tmp);
	return err.sys_errno;
}

static enum sfs_rc put_in_place(struct sfs_area *a, struct making *m,
                                struct sfs_build *b,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	int error = rename_in_place(a, m, b->name);

	if (error == 0) {
		m->tmp[0] = '\0';
		return SFS_OK;
	}
	if (sfs_area_take(a, b))
		sfs_build_unref(b);
	if (error == EEXIST || error == ENOTEMPTY || error == ENOTDIR)
		return explain_exists(a, b->name, call, err);
	return sfs_err_sys(err, error, "cannot make build %s", b->name);
}

static struct sfs_build_options options_of(struct sfs_area *a, const char *name)
{
	struct sfs_build_options options = {
		.name = name,
		.area = a,
		.catalog = a->config.catalog,
		.value_max = a->config.value_max,
		.sync_on_close = a->config.sync_on_close,
	};

	return options;
}

static enum sfs_rc make_build(struct sfs_area *a, const char *name,
                              struct making *m, struct sfs_build **out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	struct sfs_build_options options = options_of(a, name);
	enum sfs_rc rc;

	rc = print_defaults(a, &text, call, err);
	if (rc == SFS_OK)
		rc = make_locked_dir(a, m, call, err);
	if (rc == SFS_OK)
		rc = sfs_files_create(m->dir_fd, text.data, text.len, err);
	sfs_buf_release(&text);
	if (rc == SFS_OK)
		rc = sfs_build_new(&options, m->dir_fd, m->lock_fd, &a->context,
		                   out, err);
	if (rc != SFS_OK)
		return rc;
	m->dir_fd = -1; /* the build's, as the lock */
	m->lock_fd = -1;
	rc = sfs_area_add(a, *out, err);
	if (rc != SFS_OK)
		return rc;
	return put_in_place(a, m, *out, call, err);
}

enum sfs_rc sfs_area_begin(struct sfs_area *a, const char *name,
                           struct sfs_build **out, const struct sfs_call *call,
                           struct sfs_err *err)
{
	struct making m = { "", -1, -1 };
	struct sfs_build *b = NULL;
	enum sfs_rc rc = sfs_area_check_name(name, err);

	*out = NULL;
	if (rc == SFS_OK &&
	    faccessat(a->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		rc = explain_exists(a, name, call, err);
	if (rc == SFS_OK)
		rc = make_build(a, name, &m, &b, call, err);
	if (rc != SFS_OK) {
		if (b != NULL)
			sfs_build_stop(b);
		undo_making(a, &m);
		sfs_build_unref(b);
		return rc;
	}
	*out = b;
	return SFS_OK;
}

/* --- adopting ---------------------------------------------------------------- */

/* Did it succeed just before its owner died? Then it only has to go. */
static void recover(struct sfs_area *a, struct sfs_build *b)
{
	struct sfs_call call = { .deadline_ms = sfs_clock_ms() + RECOVER_MS };
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id id;
	bool is_published = false;
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_engine_recover(b->engine, &is_published, &id, &call, &err);
	if (rc != SFS_OK) {
		sfs_log(SFS_LOG_WARN, SFS_LOG_BUILD,
		        "it cannot be told now whether a build was published "
		        "build=%s rc=%s cause=\"%s\"",
		        b->name, sfs_rc_name(rc), err.msg);
	} else if (is_published) {
		sfs_snapshot_id_text(&id, text);
		sfs_log(SFS_LOG_INFO, SFS_LOG_BUILD,
		        "a build had been published when its owner ended "
		        "build=%s snapshot=%s",
		        b->name, text);
		sfs_area_retire(a, b);
	}
}

static enum sfs_rc adopt_open(struct sfs_area *a, const char *name, int dir_fd,
                              int lock_fd, struct sfs_err *err)
{
	struct sfs_build_options options = options_of(a, name);
	struct sfs_build *b = NULL;
	enum sfs_rc rc;

	rc = sfs_build_new(&options, dir_fd, lock_fd, &a->context, &b, err);
	if (rc != SFS_OK) {
		(void)close(dir_fd);
		(void)close(lock_fd);
		return rc;
	}
	rc = sfs_area_add(a, b, err);
	if (rc == SFS_OK)
		recover(a, b);
	else
		sfs_build_stop(b);
	sfs_build_unref(b);
	return rc;
}

/* BUSY: its owner lives. */
static enum sfs_rc adopt(struct sfs_area *a, const char *name,
                         struct sfs_err *err)
{
	enum sfs_rc rc;
	int lock_fd = -1;
	int guard = -1;
	int fd;

	rc = sfs_area_guard(a->dir_fd, true, &guard, NULL, err);
	if (rc != SFS_OK)
		return rc;
	fd = openat(a->dir_fd, name,
	            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		rc = sfs_err_sys(err, errno, "cannot open build %s", name);
	else
		rc = sfs_area_lock_build(fd, &lock_fd, NULL, err);
	if (rc == SFS_OK && !sfs_area_is_linked(a->dir_fd, name, fd)) {
		rc = sfs_err_set(err, SFS_E_NOT_FOUND, "%s is gone", name);
		(void)close(lock_fd);
	}
	(void)close(guard);
	if (rc == SFS_OK)
		return adopt_open(a, name, fd, lock_fd, err);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static enum sfs_rc adopt_entry(void *arg, int dir_fd, const char *entry,
                               struct sfs_err *err)
{
	struct sfs_area *a = arg;
	struct sfs_err local;
	struct stat st;
	enum sfs_rc rc;

	if (entry[0] == '.' ||
	    fstatat(dir_fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISDIR(st.st_mode))
		return SFS_OK;
	rc = adopt(a, entry, &local);
	if (rc == SFS_E_NO_MEMORY) {
		*err = local;
		return rc;
	}
	/* One that cannot be read must not keep the others from going on. */
	if (rc != SFS_OK && rc != SFS_E_BUSY && rc != SFS_E_NOT_FOUND)
		sfs_log(SFS_LOG_ERROR, SFS_LOG_BUILD,
		        "a build cannot be taken over build=%s rc=%s "
		        "cause=\"%s\"",
		        entry, sfs_rc_name(rc), local.msg);
	return SFS_OK;
}

enum sfs_rc sfs_area_adopt(struct sfs_area *a, const char *name,
                           struct sfs_build **out, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_area_check_name(name, err);

	*out = sfs_area_find(a, name);
	if (*out != NULL) {
		sfs_build_unref(*out);
		*out = NULL;
		return sfs_err_set(err, SFS_E_EXISTS, "build %s is ours", name);
	}
	if (rc == SFS_OK)
		rc = adopt(a, name, err);
	if (rc == SFS_OK)
		*out = sfs_area_find(a, name);
	return rc;
}

enum sfs_rc sfs_area_adopt_all(struct sfs_area *a, struct sfs_err *err)
{
	return sfs_dir_walk(a->dir_fd, adopt_entry, a, err);
}
