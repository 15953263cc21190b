/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOOKUP: from a directory and a name to an entry. "Certainly absent" is
 * said by an entry without a node where that is so for ever, and by
 * NOT_FOUND where it may change; every fault is another code.
 */
#include "fs/routing.h"
#include "fs/staging_internal.h"

#include "base/alloc.h"
#include "format/runrecord.h"

#include <string.h>
#include <sys/stat.h>

enum { SHARD_NAME_DIGITS = 5 };

/* One lookup under way. */
struct query {
	struct sfs_fs *fs;
	const char *name;
	const struct sfs_call *call;
	struct sfs_entry *out;
	struct sfs_err *err;
};

static enum sfs_rc not_found(const struct query *q)
{
	return sfs_err_set(q->err, SFS_E_NOT_FOUND, "%s: no such name",
	                   q->name);
}

/* Enters a node of a view into the answer; the kernel then holds it. */
static enum sfs_rc answer_what(const struct query *q, struct sfs_view *view,
                               uint64_t id)
{
	struct sfs_node n = sfs_node_of(id);
	enum sfs_rc rc;

	rc = sfs_fs_what_attr(q->fs, view, &n, id, &q->out->attr, q->call,
	                      q->err);
	if (rc != SFS_OK)
		return rc;
	q->out->node = id;
	q->out->generation = view->generation;
	q->out->entry_ttl =
		n.view == SFS_VIEW_ROOT ? SFS_TTL_SHORT : SFS_TTL_FOREVER;
	if (sfs_node_is_shard_level(n.what))
		q->out->entry_ttl = SFS_TTL_FOREVER;
	q->out->attr_ttl = SFS_TTL_FOREVER;
	sfs_view_add(view, 1);
	return SFS_OK;
}

static enum sfs_rc answer_dir(const struct query *q, uint64_t id,
                              enum sfs_ttl entry_ttl)
{
	q->out->node = id;
	q->out->entry_ttl = entry_ttl;
	return sfs_fs_getattr(q->fs, id, &q->out->attr, &q->out->attr_ttl,
	                      q->call, q->err);
}

enum sfs_rc sfs_fs_enter_frozen(struct sfs_fs *fs,
                                const struct sfs_frozen_text *t,
                                struct sfs_entry *out, struct sfs_err *err)
{
	struct sfs_frozen_info info = { .size = t->len,
		                        .command = t->command,
		                        .is_link = t->is_link };
	uint64_t number;

	info.ino = sfs_fs_ino_of_name(t->dir, t->name);
	if (!sfs_frozen_add(fs->frozen, t->text, &info, &number))
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: out of memory",
		                   t->name);
	out->node = sfs_node_number_id(SFS_NODE_FROZEN, number);
	out->entry_ttl = SFS_TTL_NONE;
	return sfs_fs_getattr(fs, out->node, &out->attr, &out->attr_ttl, NULL,
	                      err);
}

/* Makes a frozen file of text, which is taken over. */
static enum sfs_rc answer_frozen(const struct query *q, const char *dir,
                                 char *text, size_t len, int command)
{
	const struct sfs_frozen_text t = { dir, q->name, text,
		                           len, command, false };

	return sfs_fs_enter_frozen(q->fs, &t, q->out, q->err);
}

/* "00042": at least five digits, no more zeros than needed. */
static bool parse_shard_name(const char *name, uint32_t num_dbs,
                             uint32_t *db_id)
{
	size_t len = strlen(name);
	uint64_t value = 0;

	if (len < SHARD_NAME_DIGITS || len > 10 ||
	    (len > SHARD_NAME_DIGITS && name[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(name[i] - '0');
	}
	*db_id = (uint32_t)value;
	return value < num_dbs;
}

static enum sfs_rc lookup_shard(const struct query *q, struct sfs_view *view,
                                enum sfs_node_view which)
{
	uint32_t num_dbs = sfs_snapshot_manifest(view->snapshot)->num_dbs;
	uint32_t db_id;

	q->out->entry_ttl = SFS_TTL_FOREVER;
	if (!parse_shard_name(q->name, num_dbs, &db_id))
		return SFS_OK;
	return answer_what(q, view,
	                   sfs_node_what_id(view->first_slot + 1 + db_id, which,
	                                    SFS_WHAT_SHARD_DIR));
}

static enum sfs_rc lookup_in_shard(const struct query *q, struct sfs_view *view,
                                   const struct sfs_node *dir)
{
	enum sfs_node_what what;
	uint32_t db_id;
	enum sfs_rc rc;

	rc = sfs_fs_shard_of(view, dir, &db_id, q->err);
	if (rc != SFS_OK)
		return rc;
	q->out->entry_ttl = SFS_TTL_FOREVER;
	if (strcmp(q->name, "keys") == 0)
		what = SFS_WHAT_SHARD_KEYS;
	else if (strcmp(q->name, "info.json") == 0)
		what = SFS_WHAT_SHARD_INFO;
	else if (strcmp(q->name, "shard.db") == 0 &&
	         sfs_snapshot_shard_prefix(view->snapshot, db_id) != NULL)
		what = SFS_WHAT_SHARD_DB;
	else
		return SFS_OK;
	return answer_what(q, view,
	                   sfs_node_what_id(dir->slot, dir->view, what));
}

static enum sfs_rc lookup_route(const struct query *q, struct sfs_view *view,
                                enum sfs_node_view which)
{
	uint32_t db_id;

	q->out->entry_ttl = SFS_TTL_FOREVER;
	if (!sfs_routes_find(view->snapshot, q->name, &db_id))
		return SFS_OK;
	return answer_what(q, view,
	                   sfs_node_what_id(view->first_slot + 1 + db_id, which,
	                                    SFS_WHAT_ROUTE));
}

static enum sfs_rc lookup_in_where(const struct query *q, uint64_t number)
{
	struct sfs_keys_dir keys = { .view = NULL };
	struct sfs_columns columns;
	struct sfs_where_dir dir;
	enum sfs_rc rc;

	rc = sfs_where_get(q->fs->where, number, &dir, q->err);
	if (rc == SFS_OK && !dir.is_keys) {
		rc = sfs_where_lookup(q->fs, &dir, q->name, q->out, q->err);
	} else if (rc == SFS_OK) {
		keys.view = dir.view;
		keys.columns = &columns;
		rc = sfs_where_columns(&dir, &columns, q->err);
		if (rc == SFS_OK)
			rc = sfs_fs_lookup_key(q->fs, &keys, q->name, q->out,
			                       q->call, q->err);
		sfs_columns_release(&columns);
	}
	sfs_where_release(q->fs->where, &dir);
	return rc;
}

/* Not every snapshot has all names. */
static bool has_what(const struct sfs_snapshot *s, enum sfs_node_what what)
{
	if (what == SFS_WHAT_ROUTES)
		return sfs_fs_has_routes(s);
	return what != SFS_WHAT_WHERE || sfs_fs_has_where(s);
}

static enum sfs_rc lookup_in_view(const struct query *q,
                                  const struct sfs_node *dir)
{
	struct sfs_where_dir where = { .which = dir->view,
		                       .path = (char[]){ "" } };
	struct sfs_keys_dir keys = { .is_shard =
		                             dir->what == SFS_WHAT_SHARD_KEYS };
	struct sfs_view *view;
	enum sfs_rc rc;

	rc = sfs_fs_enter_node(q->fs, dir, &view, q->err);
	if (rc != SFS_OK)
		return rc;
	keys.view = view;
	where.view = view;
	if (keys.is_shard)
		rc = sfs_fs_shard_of(view, dir, &keys.db_id, q->err);
	switch (dir->what) {
	case SFS_WHAT_KEYS:
	case SFS_WHAT_SHARD_KEYS:
		if (rc == SFS_OK)
			rc = sfs_fs_lookup_key(q->fs, &keys, q->name, q->out,
			                       q->call, q->err);
		break;
	case SFS_WHAT_ROUTES:
		rc = lookup_route(q, view, dir->view);
		break;
	case SFS_WHAT_WHERE:
		rc = sfs_where_lookup(q->fs, &where, q->name, q->out, q->err);
		break;
	case SFS_WHAT_SHARDS:
		rc = lookup_shard(q, view, dir->view);
		break;
	case SFS_WHAT_SHARD_DIR:
		rc = lookup_in_shard(q, view, dir);
		break;
	case SFS_WHAT_CURRENT:
	case SFS_WHAT_MANIFEST:
	case SFS_WHAT_MANIFEST_JSON:
	case SFS_WHAT_INFO:
	case SFS_WHAT_SHARD_INFO:
	case SFS_WHAT_SHARD_DB:
	case SFS_WHAT_ROUTE:
		rc = sfs_err_set(q->err, SFS_E_NOT_DIR, "not a directory");
		break;
	}
	sfs_views_leave(q->fs->views, view, 1);
	return rc;
}

/* The part of the root that a refresh switches. */
static enum sfs_rc lookup_in_generation(const struct query *q)
{
	static const struct {
		const char *name;
		enum sfs_node_what what;
	} names[] = {
		{ "keys", SFS_WHAT_KEYS },       { "shards", SFS_WHAT_SHARDS },
		{ "routes", SFS_WHAT_ROUTES },   { "where", SFS_WHAT_WHERE },
		{ "current", SFS_WHAT_CURRENT },
	};
	struct sfs_view *view;
	enum sfs_rc rc;

	rc = sfs_fs_enter_current(q->fs, &view, q->err);
	if (rc != SFS_OK)
		return rc;
	if (view == NULL)
		return not_found(q);
	rc = SFS_E_NOT_FOUND;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(q->name, names[i].name) == 0 &&
		    has_what(view->snapshot, names[i].what))
			rc = answer_what(q, view,
			                 sfs_node_what_id(view->first_slot,
			                                  SFS_VIEW_ROOT,
			                                  names[i].what));
	}
	sfs_views_leave(q->fs->views, view, 1);
	return rc == SFS_E_NOT_FOUND ? not_found(q) : rc;
}

static enum sfs_rc lookup_pointer(const struct query *q)
{
	char *bytes = NULL;
	size_t len;
	enum sfs_rc rc;

	rc = sfs_tracker_pointer(q->fs->config.tracker, &bytes, &len, q->err);
	if (rc != SFS_OK)
		return rc;
	return answer_frozen(q, "root", bytes, len, -1);
}

static enum sfs_rc lookup_in_root(const struct query *q)
{
	static const struct {
		const char *name;
		enum sfs_node_static node;
	} fixed[] = {
		{ "snapshots", SFS_STATIC_SNAPSHOTS },
		{ "runs", SFS_STATIC_RUNS },
		{ ".shardyfs", SFS_STATIC_CONTROL },
		{ "tags", SFS_STATIC_TAGS },
		{ "staging", SFS_STATIC_STAGING },
		{ "publish", SFS_STATIC_PUBLISH },
	};
	size_t count = sizeof(fixed) / sizeof(fixed[0]);

	if (!sfs_fs_has_staging(q->fs))
		count -= 2;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(q->name, fixed[i].name) == 0)
			return answer_dir(q, fixed[i].node, SFS_TTL_FOREVER);
	}
	if (strcmp(q->name, "_CURRENT") == 0)
		return lookup_pointer(q);
	for (int i = 0; sfs_fs_generation_names[i] != NULL; i++) {
		if (strcmp(q->name, sfs_fs_generation_names[i]) == 0)
			return lookup_in_generation(q);
	}
	return sfs_links_lookup(q->fs, SFS_LINKS_ROOT, q->name, q->out, q->err);
}

/* Listing interns every name. */
static bool ignore_name(void *arg, const char *name, uint64_t number)
{
	(void)arg;
	(void)name;
	(void)number;
	return true;
}

/* NOT_FOUND if the object is not there (any more). */
static enum sfs_rc require_object(const struct query *q, const char *key)
{
	struct sfs_store *store = q->fs->config.source.store;
	struct sfs_object *object;
	enum sfs_rc rc;

	rc = store->ops->open(store, key, &object, q->call, q->err);
	if (rc == SFS_OK)
		object->ops->close(object);
	if (rc == SFS_E_INVALID) /* a name that no key can have */
		return not_found(q);
	return rc;
}

static enum sfs_rc lookup_snapshot(const struct query *q)
{
	struct sfs_intern *ids = q->fs->snapshot_ids;
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_snapshot_id id;
	uint64_t number;
	enum sfs_rc rc;

	if (!sfs_snapshot_id_from_text(q->name, &id))
		return not_found(q);
	sfs_snapshot_id_manifest_key(&id, key);
	rc = require_object(q, key);
	if (rc == SFS_OK && !sfs_intern_find(ids, q->name, &number))
		rc = sfs_fs_list_snapshots(q->fs, ignore_name, NULL, q->call,
		                           q->err);
	if (rc != SFS_OK)
		return rc;
	if (!sfs_intern_find(ids, q->name, &number))
		return not_found(q);
	return answer_dir(q, sfs_node_number_id(SFS_NODE_SNAPSHOT_DIR, number),
	                  SFS_TTL_FOREVER);
}

static enum sfs_rc lookup_in_snapshot_dir(const struct query *q,
                                          uint64_t number)
{
	static const struct {
		const char *name;
		enum sfs_node_what what;
	} names[] = {
		{ "keys", SFS_WHAT_KEYS },
		{ "shards", SFS_WHAT_SHARDS },
		{ "manifest", SFS_WHAT_MANIFEST },
		{ "manifest.json", SFS_WHAT_MANIFEST_JSON },
		{ "info.json", SFS_WHAT_INFO },
		{ "routes", SFS_WHAT_ROUTES },
		{ "where", SFS_WHAT_WHERE },
	};
	const char *id = sfs_intern_name(q->fs->snapshot_ids, number);
	struct sfs_view *view;
	enum sfs_rc rc;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (id == NULL || strcmp(q->name, names[i].name) != 0)
			continue;
		rc = sfs_fs_enter_id(q->fs, id, &view, q->call, q->err);
		if (rc != SFS_OK)
			return rc;
		q->out->entry_ttl = SFS_TTL_FOREVER;
		if (has_what(view->snapshot, names[i].what))
			rc = answer_what(q, view,
			                 sfs_node_what_id(view->first_slot,
			                                  SFS_VIEW_SNAPSHOTS,
			                                  names[i].what));
		sfs_views_leave(q->fs->views, view, 1);
		return rc;
	}
	q->out->entry_ttl = SFS_TTL_FOREVER;
	return SFS_OK;
}

/* NAME_TOO_LONG where no key holds it. */
static enum sfs_rc run_key(const struct query *q, const char *dir,
                           char out[SFS_STORE_KEY_MAX])
{
	int len = snprintf(out, SFS_STORE_KEY_MAX, "%s/%s/run.yaml",
	                   q->fs->config.run_prefix, dir);

	if (len >= 0 && len < SFS_STORE_KEY_MAX)
		return SFS_OK;
	return sfs_err_set(q->err, SFS_E_NAME_TOO_LONG,
	                   "%s: too long for a run", dir);
}

static enum sfs_rc lookup_run(const struct query *q)
{
	char key[SFS_STORE_KEY_MAX];
	uint64_t number;
	enum sfs_rc rc;

	rc = run_key(q, q->name, key);
	if (rc == SFS_OK)
		rc = require_object(q, key);
	if (rc != SFS_OK)
		return rc;
	if (!sfs_intern_add(q->fs->run_dirs, q->name, &number))
		return sfs_err_set(q->err, SFS_E_NO_MEMORY, "out of memory");
	return answer_dir(q, sfs_node_number_id(SFS_NODE_RUN_DIR, number),
	                  SFS_TTL_SHORT);
}

/* Run records change while their run goes on: frozen as they are now. */
static enum sfs_rc lookup_in_run(const struct query *q, uint64_t number)
{
	struct sfs_store *store = q->fs->config.source.store;
	const char *dir = sfs_intern_name(q->fs->run_dirs, number);
	char key[SFS_STORE_KEY_MAX];
	char *text = NULL;
	size_t len;
	enum sfs_rc rc;

	if (dir == NULL || strcmp(q->name, "run.yaml") != 0)
		return not_found(q);
	rc = run_key(q, dir, key);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_store_get(store, key, SFS_RUN_RECORD_MAX_BYTES, &text, &len,
	                   NULL, q->call, q->err);
	if (rc != SFS_OK)
		return rc;
	return answer_frozen(q, dir, text, len, -1);
}

static enum sfs_rc lookup_control(const struct query *q)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	const struct sfs_control_file *file;
	enum sfs_rc rc;
	size_t len;

	for (int i = 0; i < sfs_control_count; i++) {
		file = &sfs_control_files[i];
		if (strcmp(q->name, file->name) != 0)
			continue;
		file->print(q->fs, &text);
		rc = sfs_buf_finish(&text, file->name, q->err);
		if (rc != SFS_OK) {
			sfs_buf_release(&text);
			return rc;
		}
		len = text.len;
		return answer_frozen(q, ".shardyfs", sfs_buf_detach(&text), len,
		                     file->command != NULL ? i : -1);
	}
	return not_found(q);
}

static enum sfs_rc lookup_in_static(const struct query *q, uint64_t number)
{
	switch ((enum sfs_node_static)number) {
	case SFS_STATIC_ROOT:
		return lookup_in_root(q);
	case SFS_STATIC_SNAPSHOTS:
		return lookup_snapshot(q);
	case SFS_STATIC_RUNS:
		return lookup_run(q);
	case SFS_STATIC_CONTROL:
		return lookup_control(q);
	case SFS_STATIC_STAGING:
		return sfs_staging_lookup(q->fs, q->name, q->out, q->err);
	case SFS_STATIC_PUBLISH:
		return sfs_links_lookup(q->fs, SFS_LINKS_RECEIPTS, q->name,
		                        q->out, q->err);
	case SFS_STATIC_TAGS:
		return sfs_tags_lookup(q->fs, q->name, q->out, q->call, q->err);
	}
	return sfs_err_set(q->err, SFS_E_STALE, "no such node");
}

enum sfs_rc sfs_fs_lookup(struct sfs_fs *fs, uint64_t parent, const char *name,
                          struct sfs_entry *out, const struct sfs_call *call,
                          struct sfs_err *err)
{
	struct query q = { fs, name, call, out, err };
	struct sfs_node dir = sfs_node_of(parent);

	*out = (struct sfs_entry){ 0 };
	switch (dir.class) {
	case SFS_NODE_STATIC:
		return lookup_in_static(&q, dir.number);
	case SFS_NODE_SNAPSHOT_DIR:
		return lookup_in_snapshot_dir(&q, dir.number);
	case SFS_NODE_RUN_DIR:
		return lookup_in_run(&q, dir.number);
	case SFS_NODE_STAGED:
		return sfs_staging_lookup_in(fs, dir.number, name, out, call,
		                             err);
	case SFS_NODE_WHERE:
		return lookup_in_where(&q, dir.number);
	case SFS_NODE_OF_SNAPSHOT:
		return lookup_in_view(&q, &dir);
	case SFS_NODE_FROZEN:
	case SFS_NODE_KEY:
		break;
	}
	return sfs_err_set(err, SFS_E_NOT_DIR, "not a directory");
}
