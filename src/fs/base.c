/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys/ and where/ of a build show the keys of its base where nothing is
 * staged over them. Whoever changes such a file gets a staged copy first: written under a
 * scratch name and renamed, so that a crash leaves no half value behind.
 */
#include "fs/staging_internal.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "build/where_name.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { COPY_BYTES = 256 << 10 };

/* The build's base, opened, with a reference; NULL: it has none. */
static enum sfs_rc enter_base(struct sfs_fs *fs, struct sfs_site *site,
                              struct sfs_snapshot **out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_snapshot *opened = NULL;
	struct sfs_snapshot_id id;
	enum sfs_rc rc = SFS_OK;

	*out = NULL;
	if (!sfs_build_get_base(site->build, &id))
		return SFS_OK;
	pthread_mutex_lock(&site->base_lock);
	if (site->base == NULL ||
	    sfs_snapshot_id_compare(sfs_snapshot_id_of(site->base), &id) != 0) {
		rc = sfs_snapshot_open(&fs->config.source, &id, NULL, &opened,
		                       call, err);
		if (rc == SFS_OK) {
			sfs_snapshot_unref(site->base);
			site->base = opened;
		}
	}
	if (rc == SFS_OK)
		*out = sfs_snapshot_ref(site->base);
	pthread_mutex_unlock(&site->base_lock);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, SFS_E_STALE,
		                   "the base of %s was deleted",
		                   sfs_build_name(site->build));
	return rc;
}

/* A name that the base cannot hold is not found. */
static enum sfs_rc ask_base(struct sfs_snapshot *base,
                            const struct sfs_build_place *at,
                            struct sfs_hit *hit, const struct sfs_call *call,
                            struct sfs_err *err)
{
	uint8_t buf[SFS_FS_NAME_MAX + 8];
	const char *key = at->name;
	struct sfs_query query = { .columns = NULL };
	struct sfs_columns columns;
	enum sfs_rc rc = SFS_OK;

	/* what is staged over them lies in where/ */
	if (at->dir == SFS_BUILD_KEYS &&
	    sfs_snapshot_router(base)->needs_columns)
		return SFS_OK;
	sfs_columns_init(&columns);
	if (at->dir == SFS_BUILD_WHERE) {
		key = sfs_where_key(at->name);
		rc = sfs_where_parse(at->name, (size_t)(key - at->name),
		                     &sfs_snapshot_manifest(base)->routing,
		                     &columns, err);
		query.columns = &columns;
	}
	query.key.data = buf;
	if (rc == SFS_OK &&
	    sfs_key_from_canonical_name(sfs_snapshot_router(base)->encoding,
	                                key, strlen(key), buf, &query.key.len))
		rc = sfs_snapshot_get(base, &query, hit, call, err);
	else if (rc == SFS_E_INVALID)
		rc = SFS_OK;
	sfs_columns_release(&columns);
	return rc;
}

enum sfs_rc sfs_base_find(struct sfs_fs *fs, struct sfs_site *site,
                          const struct sfs_build_place *at, bool *found,
                          struct sfs_base_value *out,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_snapshot *base;
	struct sfs_snapshot_id id;
	struct sfs_hit hit = { .found = false };
	enum sfs_rc rc;

	*found = false;
	if (strlen(at->name) > SFS_FS_NAME_MAX ||
	    !sfs_build_get_base(site->build, &id) ||
	    sfs_build_is_removed(site->build, at->name))
		return SFS_OK;
	rc = enter_base(fs, site, &base, call, err);
	if (rc != SFS_OK || base == NULL)
		return rc;
	rc = ask_base(base, at, &hit, call, err);
	if (rc == SFS_OK && hit.found) {
		*found = true;
		out->place.snapshot = base;
		out->place.db_id = hit.db_id;
		out->place.locator = hit.info.locator;
		out->size = hit.info.value_size;
		return SFS_OK;
	}
	sfs_snapshot_unref(base);
	return rc;
}

enum sfs_rc sfs_base_has(struct sfs_fs *fs, struct sfs_site *site,
                         const struct sfs_build_place *at, bool *found,
                         const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_base_value value;
	enum sfs_rc rc;

	*found = false;
	if (!sfs_dir_has_records(at->dir))
		return SFS_OK;
	rc = sfs_base_find(fs, site, at, found, &value, call, err);
	if (rc == SFS_OK && *found)
		sfs_snapshot_unref(value.place.snapshot);
	return rc;
}

enum sfs_rc sfs_base_attr(struct sfs_fs *fs, struct sfs_staged *n,
                          struct sfs_attr *out, const struct sfs_call *call,
                          struct sfs_err *err)
{
	struct sfs_base_value value;
	char name[SFS_FS_NAME_MAX + 1];
	struct sfs_build_place at = { SFS_BUILD_KEYS, name };
	bool found;
	enum sfs_rc rc;

	pthread_rwlock_rdlock(&n->site->names);
	(void)snprintf(name, sizeof(name), "%s", n->name);
	at.dir = n->dir;
	pthread_rwlock_unlock(&n->site->names);
	rc = sfs_base_find(fs, n->site, &at, &found, &value, call, err);
	if (rc == SFS_OK && !found)
		rc = sfs_err_set(err, SFS_E_NOT_FOUND, "%s: no such name",
		                 SFS_PLACE(at.dir, name));
	if (rc != SFS_OK)
		return rc;
	sfs_fs_file_attr(
		fs, sfs_mix64(n->number), value.size,
		sfs_snapshot_id_of(value.place.snapshot)->published_at_ns, out);
	out->mode = S_IFREG | (0644 & ~fs->config.file_mask);
	sfs_snapshot_unref(value.place.snapshot);
	return SFS_OK;
}

static enum sfs_rc copy_value(const struct sfs_base_value *value,
                              struct sfs_staged_file *to,
                              const struct sfs_call *call, struct sfs_err *err)
{
	char *buf = sfs_malloc(COPY_BYTES);
	uint64_t offset = 0;
	size_t got = 0;
	enum sfs_rc rc = SFS_OK;

	if (buf == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	while (rc == SFS_OK && offset < value->size) {
		rc = sfs_snapshot_read(&value->place, offset, buf, COPY_BYTES,
		                       &got, call, err);
		if (rc == SFS_OK && got == 0)
			rc = sfs_err_set(err, SFS_E_STALE,
			                 "the base's shard was overwritten");
		if (rc == SFS_OK)
			rc = sfs_staged_write(to, offset, false, buf, got, err);
		offset += got;
	}
	sfs_free(buf);
	return rc;
}

/* Writes the copy under a name that is never a record. */
static enum sfs_rc write_copy(struct sfs_fs *fs, struct sfs_staged *n,
                              const char *scratch, bool is_empty,
                              const struct sfs_call *call, struct sfs_err *err)
{
	const struct sfs_build_place at = { n->dir, n->name };
	struct sfs_base_value value = { 0 };
	struct sfs_staged_file *file = NULL;
	bool found = false;
	enum sfs_rc rc;

	rc = sfs_base_find(fs, n->site, &at, &found, &value, call, err);
	if (rc == SFS_OK && !found)
		rc = sfs_err_set(err, SFS_E_STALE, "%s: no such name",
		                 SFS_PLACE(at.dir, at.name));
	if (rc == SFS_OK)
		rc = sfs_build_open(n->site->build, n->dir, scratch,
		                    O_WRONLY | O_CREAT | O_TRUNC, 0644, &file,
		                    err);
	if (rc == SFS_OK && !is_empty)
		rc = copy_value(&value, file, call, err);
	sfs_staged_close(file);
	sfs_snapshot_unref(value.place.snapshot);
	return rc;
}

static enum sfs_rc put_in_place(struct sfs_staged *n, const char *scratch,
                                struct sfs_err *err)
{
	struct sfs_build_place from = { n->dir, scratch };
	struct sfs_build_place to = { n->dir, n->name };
	enum sfs_rc rc;

	pthread_rwlock_wrlock(&n->site->names);
	if (n->is_linked)
		rc = sfs_build_rename(n->site->build, &from, &to, 0, err);
	else
		rc = sfs_err_set(err, SFS_E_STALE,
		                 "the key was removed meanwhile");
	if (rc == SFS_OK)
		atomic_store(&n->is_base, false);
	pthread_rwlock_unlock(&n->site->names);
	return rc;
}

/* What stays is scratch: no record, and gone with the build. */
static void drop_copy(struct sfs_staged *n, const char *scratch)
{
	struct sfs_err err;
	enum sfs_rc rc;

	rc = sfs_build_unlink(n->site->build, n->dir, scratch, &err);
	if (rc != SFS_OK && rc != SFS_E_NOT_FOUND)
		sfs_log(SFS_LOG_WARN, SFS_LOG_FS,
		        "a scratch file is left file=%s cause=\"%s\"",
		        SFS_PLACE(n->dir, scratch), err.msg);
}

/* Nothing renames a node while it shows the base but after a copy. */
enum sfs_rc sfs_base_copy_up(struct sfs_fs *fs, struct sfs_staged *n,
                             bool is_empty, const struct sfs_call *call,
                             struct sfs_err *err)
{
	char scratch[SFS_FS_NAME_MAX + 64];
	size_t columns = 0;
	enum sfs_rc rc = SFS_OK;

	if (n->dir == SFS_BUILD_WHERE)
		columns = (size_t)(sfs_where_key(n->name) - n->name);
	(void)snprintf(scratch, sizeof(scratch), "%.*s.shardyfs-copy-%llu",
	               (int)columns, n->name, (unsigned long long)n->number);
	pthread_mutex_lock(&n->site->copy_lock);
	if (atomic_load(&n->is_base)) {
		rc = write_copy(fs, n, scratch, is_empty, call, err);
		if (rc == SFS_OK)
			rc = put_in_place(n, scratch, err);
		if (rc != SFS_OK)
			drop_copy(n, scratch);
	}
	pthread_mutex_unlock(&n->site->copy_lock);
	return rc;
}
