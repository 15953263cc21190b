/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOOKUP and GETATTR in staging/, publish/ and tags/. Every change of a staged
 * file goes through this mount, so the kernel may keep what it knows of it;
 * exceptions are what other things change: the name of a build (it turns into
 * a link when it is published), keys of the base (another base may come),
 * the files at the top (a base rewrites config.yaml), and all that is
 * generated.
 */
#include "fs/staging_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "build/area.h"
#include "build/where_name.h"

#include <string.h>
#include <sys/stat.h>

enum { NAME_BYTES = 256 };

enum sfs_rc sfs_fs_require_area(struct sfs_fs *fs, struct sfs_err *err)
{
	if (fs->config.area != NULL)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_READ_ONLY, "there is no staging here: %s",
	                   fs->config.no_area != NULL
	                           ? fs->config.no_area
	                           : "the mount shows one snapshot (ref)");
}

static enum sfs_rc not_found(const char *name, struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NOT_FOUND, "%s: no such name", name);
}

/* The number of the local file: a new file under an old name has another. */
static uint64_t ino_of(const struct sfs_staged *n, const struct stat *st)
{
	uint64_t ino = sfs_mix64((uint64_t)st->st_ino ^
	                         sfs_mix64((uint64_t)st->st_dev));

	if (n->kind == SFS_STAGED_WHERE || n->kind == SFS_STAGED_WHERE_KEYS)
		ino ^= sfs_hash64(n->name, strlen(n->name));
	return ino ^ (uint64_t)n->kind;
}

void sfs_staged_fill_attr(struct sfs_fs *fs, struct sfs_staged *n,
                          const struct stat *st, struct sfs_attr *out)
{
	mode_t mask = n->kind == SFS_STAGED_FILE ? fs->config.file_mask
	                                         : fs->config.dir_mask;

	*out = (struct sfs_attr){
		.ino = ino_of(n, st),
		.size = n->kind == SFS_STAGED_FILE ? (uint64_t)st->st_size : 0,
		.time_ns = sfs_timespec_ns(&st->st_mtim),
		.atime_ns = sfs_timespec_ns(&st->st_atim),
		.ctime_ns = sfs_timespec_ns(&st->st_ctim),
		.mode = n->kind == SFS_STAGED_FILE
		                ? S_IFREG | (st->st_mode & 07777 & ~mask)
		                : S_IFDIR | (0755 & ~mask),
		.uid = fs->config.uid,
		.gid = fs->config.gid,
	};
}

/*
 * Below where/ nothing is kept for long: a file can be reached by each order
 * of its columns, and config.yaml says what columns there are.
 */
static enum sfs_ttl name_ttl(const struct sfs_staged *n)
{
	if (n->kind == SFS_STAGED_BUILD)
		return SFS_TTL_NONE;
	if (n->dir != SFS_BUILD_WHERE)
		return SFS_TTL_FOREVER;
	return n->kind == SFS_STAGED_FILE || n->name[0] == '\0' ? SFS_TTL_NONE
	                                                        : SFS_TTL_SHORT;
}

void sfs_staged_fill_entry(struct sfs_fs *fs, struct sfs_staged *n,
                           const struct stat *st, struct sfs_entry *out)
{
	sfs_staged_fill_attr(fs, n, st, &out->attr);
	out->node = sfs_node_number_id(SFS_NODE_STAGED, n->number);
	out->generation = 0;
	out->entry_ttl = name_ttl(n);
	out->attr_ttl = SFS_TTL_FOREVER;
	if (n->kind == SFS_STAGED_FILE && n->dir == SFS_BUILD_TOP)
		out->attr_ttl = SFS_TTL_NONE;
}

enum sfs_rc sfs_staged_enter_id(struct sfs_fs *fs, uint64_t node,
                                struct sfs_staged **out, struct sfs_err *err)
{
	struct sfs_node n = sfs_node_of(node);

	*out = NULL;
	if (n.class == SFS_NODE_STAGED)
		*out = sfs_staged_at(fs->staged, n.number);
	if (*out == NULL)
		return sfs_err_set(err, SFS_E_STALE, "no such node");
	return SFS_OK;
}

enum sfs_rc sfs_staged_enter_dir(struct sfs_fs *fs, uint64_t node,
                                 struct sfs_staged **out, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_staged_enter_id(fs, node, out, err);

	if (rc != SFS_OK || (*out)->kind != SFS_STAGED_FILE)
		return rc;
	sfs_staged_leave(fs->staged, *out);
	*out = NULL;
	return sfs_err_set(err, SFS_E_NOT_DIR, "not a directory");
}

bool sfs_fs_is_staged(uint64_t node)
{
	return sfs_node_of(node).class == SFS_NODE_STAGED;
}

/* --- attributes ---------------------------------------------------------- */

/* Through any open file of a node that has no name any more. */
static enum sfs_rc unlinked_stat(struct sfs_staged *n, struct stat *st,
                                 struct sfs_err *err)
{
	struct sfs_handle *h;
	enum sfs_rc rc = SFS_E_NOT_FOUND;

	pthread_mutex_lock(&n->site->lock);
	for (h = n->opened; h != NULL && h->file == NULL; h = h->next)
		;
	if (h != NULL) /* fstat(2): the lock is not held for long */
		rc = sfs_staged_stat(h->file, st, err);
	pthread_mutex_unlock(&n->site->lock);
	if (h == NULL)
		return sfs_err_set(err, rc, "the file was removed");
	return rc;
}

static enum sfs_rc node_stat(struct sfs_staged *n, struct stat *st,
                             bool *is_linked, struct sfs_err *err)
{
	struct sfs_build *b = n->site->build;
	enum sfs_rc rc = SFS_OK;

	*is_linked = true;
	if (n->kind != SFS_STAGED_FILE)
		return sfs_build_dir_stat(b, n->dir, st, err);
	pthread_rwlock_rdlock(&n->site->names);
	*is_linked = n->is_linked;
	if (n->is_linked)
		rc = sfs_build_stat(b, n->dir, n->name, st, err);
	pthread_rwlock_unlock(&n->site->names);
	/* After publishing an open file goes on, its name does not. */
	if (!*is_linked || rc == SFS_E_STALE)
		rc = unlinked_stat(n, st, err);
	return rc;
}

enum sfs_rc sfs_staged_attr(struct sfs_fs *fs, uint64_t number,
                            struct sfs_attr *out, enum sfs_ttl *ttl_out,
                            const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged *n = sfs_staged_at(fs->staged, number);
	bool is_linked = true;
	struct stat st;
	enum sfs_rc rc;

	if (n == NULL)
		return sfs_err_set(err, SFS_E_STALE, "no such node");
	*ttl_out = SFS_TTL_FOREVER;
	if (atomic_load(&n->is_base)) {
		*ttl_out = SFS_TTL_NONE;
		rc = sfs_base_attr(fs, n, out, call, err);
	} else {
		rc = node_stat(n, &st, &is_linked, err);
		if (rc == SFS_OK)
			sfs_staged_fill_attr(fs, n, &st, out);
		out->is_unlinked = !is_linked;
		if (n->kind == SFS_STAGED_FILE && n->dir == SFS_BUILD_TOP)
			*ttl_out = SFS_TTL_NONE;
	}
	sfs_staged_leave(fs->staged, n);
	return rc;
}

/* --- links --------------------------------------------------------------- */

/* Takes target over. */
static enum sfs_rc enter_link(struct sfs_fs *fs, const char *dir,
                              const char *name, char *target,
                              struct sfs_entry *out, struct sfs_err *err)
{
	struct sfs_frozen_text t = {
		.dir = dir, .name = name, .text = target, .command = -1
	};

	if (target == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	t.len = strlen(target);
	t.is_link = true;
	return sfs_fs_enter_frozen(fs, &t, out, err);
}

static enum sfs_rc enter_id_link(struct sfs_fs *fs, const char *dir,
                                 const char *name, const char *up,
                                 const struct sfs_snapshot_id *id,
                                 struct sfs_entry *out, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	char text_id[SFS_SNAPSHOT_ID_BYTES];

	sfs_snapshot_id_text(id, text_id);
	sfs_buf_printf(&text, "%ssnapshots/%s", up, text_id);
	if (text.failed != SFS_OK)
		sfs_buf_release(&text);
	return enter_link(fs, dir, name, sfs_buf_detach(&text), out, err);
}

enum sfs_rc sfs_links_lookup(struct sfs_fs *fs, uint64_t dir, const char *name,
                             struct sfs_entry *out, struct sfs_err *err)
{
	char *target = NULL;

	if (!sfs_links_get(fs->links, dir, name, NULL, &target))
		return not_found(name, err);
	return enter_link(fs, dir == SFS_LINKS_RECEIPTS ? "publish" : "link",
	                  name, target, out, err);
}

enum sfs_rc sfs_tags_lookup(struct sfs_fs *fs, const char *name,
                            struct sfs_entry *out, const struct sfs_call *call,
                            struct sfs_err *err)
{
	struct sfs_catalog *catalog = fs->config.source.catalog;
	struct sfs_snapshot_id id;
	enum sfs_rc rc;

	rc = catalog->ops->get_tag(catalog, name, &id, call, err);
	if (rc == SFS_E_INVALID) /* a name that no tag can have */
		return not_found(name, err);
	if (rc != SFS_OK)
		return rc;
	return enter_id_link(fs, "tags", name, "../", &id, out, err);
}

/* --- staging/ ------------------------------------------------------------ */

enum sfs_rc sfs_staged_answer_dir(struct sfs_fs *fs, struct sfs_site *site,
                                  const struct sfs_staged_key *key,
                                  struct sfs_entry *out, struct sfs_err *err)
{
	struct sfs_staged *n;
	struct stat st;
	enum sfs_rc rc;

	rc = sfs_build_dir_stat(site->build, key->dir, &st, err);
	if (rc != SFS_OK)
		return rc;
	n = sfs_staged_enter(fs->staged, site, key);
	if (n == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	sfs_staged_fill_entry(fs, n, &st, out);
	return SFS_OK;
}

enum sfs_rc sfs_staging_lookup(struct sfs_fs *fs, const char *name,
                               struct sfs_entry *out, struct sfs_err *err)
{
	const struct sfs_staged_key key = { SFS_STAGED_BUILD, SFS_BUILD_TOP,
		                            "" };
	struct sfs_build *build = NULL;
	struct sfs_site *site;
	enum sfs_rc rc;

	if (fs->config.area != NULL)
		build = sfs_area_find(fs->config.area, name);
	if (build == NULL)
		return not_found(name, err);
	site = sfs_site_enter(fs->staged, build);
	sfs_build_unref(build);
	if (site == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	rc = sfs_staged_answer_dir(fs, site, &key, out, err);
	sfs_site_leave(fs->staged, site);
	return rc == SFS_E_STALE ? not_found(name, err) : rc;
}

static const struct generated {
	const char *name;
	void (*print)(struct sfs_build *b, struct sfs_buf *out);
} generated_files[] = {
	{ "status", sfs_build_print_status },
	{ "errors", sfs_build_print_errors },
	{ "plan.json", NULL }, /* may fail, and take long */
};

enum { GENERATED = sizeof(generated_files) / sizeof(generated_files[0]) };

bool sfs_staged_is_generated(const char *name)
{
	for (int i = 0; i < GENERATED; i++) {
		if (strcmp(generated_files[i].name, name) == 0)
			return true;
	}
	return false;
}

bool sfs_fs_is_long_lookup(uint64_t parent, const char *name)
{
	return sfs_fs_is_staged(parent) && strcmp(name, "plan.json") == 0;
}

/* Of a build that would be refused the plan is why. */
static enum sfs_rc print_plan(struct sfs_build *b, struct sfs_buf *out,
                              const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_build_print_plan(b, out, call, err);
	struct sfs_json_printer p;

	if (rc != SFS_E_CORRUPT)
		return rc;
	sfs_buf_reset(out);
	sfs_json_printer_init(&p, out, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "error");
	sfs_json_string(&p, err->msg, strlen(err->msg));
	sfs_json_object_end(&p);
	sfs_buf_putc(out, '\n');
	return SFS_OK;
}

static enum sfs_rc lookup_generated(struct sfs_fs *fs, struct sfs_build *b,
                                    const char *name, struct sfs_entry *out,
                                    const struct sfs_call *call,
                                    struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_frozen_text t = { .dir = sfs_build_name(b),
		                     .name = name,
		                     .command = -1 };
	enum sfs_rc rc = SFS_OK;

	for (int i = 0; i < GENERATED; i++) {
		if (strcmp(generated_files[i].name, name) == 0 &&
		    generated_files[i].print != NULL)
			generated_files[i].print(b, &text);
	}
	if (strcmp(name, "plan.json") == 0)
		rc = print_plan(b, &text, call, err);
	if (rc == SFS_OK)
		rc = sfs_buf_finish(&text, name, err);
	if (rc == SFS_OK && text.data == NULL)
		sfs_buf_puts(&text, ""); /* an empty text needs memory too */
	t.len = text.len;
	t.text = sfs_buf_detach(&text);
	if (rc != SFS_OK) {
		sfs_free(t.text);
		return rc;
	}
	return sfs_fs_enter_frozen(fs, &t, out, err);
}

static enum sfs_rc lookup_at_top(struct sfs_fs *fs, struct sfs_site *site,
                                 const char *name, struct sfs_entry *out,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	struct sfs_staged_key key = { SFS_STAGED_DIR, SFS_BUILD_KEYS, "" };
	struct sfs_build *b = site->build;
	struct sfs_snapshot_id id;

	if (strcmp(name, "ingest") == 0)
		key.dir = SFS_BUILD_INGEST;
	if (strcmp(name, "keys") == 0 || key.dir == SFS_BUILD_INGEST)
		return sfs_build_has_dir(b, key.dir)
		               ? sfs_staged_answer_dir(fs, site, &key, out, err)
		               : not_found(name, err);
	if (strcmp(name, "where") == 0)
		return sfs_staged_lookup_where(fs, site, out, err);
	if (sfs_staged_is_generated(name))
		return lookup_generated(fs, b, name, out, call, err);
	if (strcmp(name, "base") == 0)
		return sfs_build_get_base(b, &id)
		               ? enter_id_link(fs, sfs_build_name(b), name,
		                               "../../", &id, out, err)
		               : not_found(name, err);
	return sfs_links_lookup(fs, SFS_LINKS_BUILDS + sfs_build_number(b),
	                        name, out, err);
}

/* A staged file of that name. */
static enum sfs_rc lookup_staged(struct sfs_fs *fs, struct sfs_site *site,
                                 const struct sfs_build_place *at,
                                 struct sfs_entry *out, struct sfs_err *err)
{
	struct sfs_staged_key key = { SFS_STAGED_FILE, at->dir, at->name };
	struct sfs_staged *n;
	struct stat st;
	enum sfs_rc rc;

	pthread_rwlock_rdlock(&site->names);
	rc = sfs_build_stat(site->build, at->dir, at->name, &st, err);
	if (rc == SFS_OK) {
		n = sfs_staged_enter(fs->staged, site, &key);
		if (n == NULL) {
			rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
		} else {
			atomic_store(&n->is_base, false);
			sfs_staged_fill_entry(fs, n, &st, out);
		}
	}
	pthread_rwlock_unlock(&site->names);
	return rc;
}

/* A key of the base that nothing is staged over. */
static enum sfs_rc lookup_base(struct sfs_fs *fs, struct sfs_site *site,
                               const struct sfs_build_place *at,
                               struct sfs_entry *out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged_key key = { SFS_STAGED_FILE, at->dir, at->name };
	struct sfs_staged *n;
	struct stat st;
	bool found;
	enum sfs_rc rc;

	rc = sfs_base_has(fs, site, at, &found, call, err);
	if (rc != SFS_OK)
		return rc;
	if (!found)
		return not_found(SFS_PLACE(at->dir, at->name), err);
	pthread_rwlock_rdlock(&site->names);
	n = sfs_staged_enter(fs->staged, site, &key);
	if (n != NULL)
		/* somebody may have made a file meanwhile */
		atomic_store(&n->is_base,
		             sfs_build_stat(site->build, at->dir, at->name, &st,
		                            err) == SFS_E_NOT_FOUND);
	pthread_rwlock_unlock(&site->names);
	if (n == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	out->node = sfs_node_number_id(SFS_NODE_STAGED, n->number);
	rc = sfs_staged_attr(fs, n->number, &out->attr, &out->attr_ttl, call,
	                     err);
	if (rc != SFS_OK)
		sfs_staged_leave(fs->staged, n);
	return rc;
}

/* A name in a directory that holds files. */
static enum sfs_rc lookup_file(struct sfs_fs *fs, const struct sfs_staged *dir,
                               const char *name, struct sfs_entry *out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_staged_place place;
	enum sfs_rc rc;

	rc = sfs_staged_place(dir, name, &place, err);
	if (rc == SFS_E_INVALID) /* a name that no file can have */
		rc = not_found(name, err);
	else if (rc == SFS_OK)
		rc = lookup_staged(fs, dir->site, &place.at, out, err);
	if (rc == SFS_E_NOT_FOUND && place.at.name != NULL &&
	    sfs_dir_has_records(dir->dir))
		rc = lookup_base(fs, dir->site, &place.at, out, call, err);
	sfs_staged_place_release(&place);
	return rc;
}

enum sfs_rc sfs_staging_lookup_in(struct sfs_fs *fs, uint64_t number,
                                  const char *name, struct sfs_entry *out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	uint64_t id = sfs_node_number_id(SFS_NODE_STAGED, number);
	struct sfs_staged *dir;
	enum sfs_rc rc;

	rc = sfs_staged_enter_dir(fs, id, &dir, err);
	if (rc != SFS_OK)
		return rc;
	rc = SFS_E_NOT_FOUND;
	if (dir->kind == SFS_STAGED_WHERE) {
		rc = sfs_staged_lookup_column(fs, dir, name, out, err);
		sfs_staged_leave(fs->staged, dir);
		return rc;
	}
	if (dir->kind == SFS_STAGED_BUILD)
		rc = lookup_at_top(fs, dir->site, name, out, call, err);
	if (rc == SFS_E_NOT_FOUND)
		rc = lookup_file(fs, dir, name, out, call, err);
	sfs_staged_leave(fs->staged, dir);
	return rc;
}
