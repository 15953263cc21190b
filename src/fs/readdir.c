/* SPDX-License-Identifier: Apache-2.0 */
/*
 * READDIR. Small directories are enumerated by position. A directory of keys
 * is walked shard by shard; its cookie says shard and ordinal, so that a
 * listing can be taken up anywhere, and the cursor that stopped there is kept
 * aside for the next call.
 *
 *	cookie 1   behind "."
 *	cookie 2   behind ".."
 *	cookie 3+  behind entry (cookie - 3); of keys: shard << 40 | ordinal
 */
#include "fs/staging_internal.h"

#include "base/alloc.h"
#include "format/keys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FIRST_COOKIE = 2, ORDINAL_BITS = 40 };

/* One listing under way. */
struct listing {
	struct sfs_fs *fs;
	const struct sfs_readdir *request;
	const struct sfs_call *call;
	struct sfs_err *err;
	uint64_t cookie; /* of the first entry that is wanted */
	bool is_full;
	bool gave; /* at least one entry */
};

/* Gives one entry out unless it lies before the cookie. */
static void give(struct listing *l, const char *name, mode_t type, uint64_t ino,
                 uint64_t position)
{
	struct sfs_entry entry = { 0 };

	if (l->is_full || position < l->cookie)
		return;
	entry.attr.mode = type;
	entry.attr.ino = ino;
	if (l->request->fill(l->request->arg, name, &entry, position + 1))
		l->gave = true;
	else
		l->is_full = true;
}

/* The attributes of directories take no I/O; a fault leaves inode 0. */
static void give_dots(struct listing *l)
{
	struct sfs_attr attr = { 0 };
	struct sfs_err ignored;
	enum sfs_ttl ttl;

	if (sfs_fs_getattr(l->fs, l->request->node, &attr, &ttl, l->call,
	                   &ignored) != SFS_OK)
		attr.ino = 0;
	give(l, ".", S_IFDIR, attr.ino, 0);
	give(l, "..", S_IFDIR, SFS_FS_ROOT, 1);
}

/*
 * An entry of a small directory: with attributes it is looked up like any
 * other name. What cannot be looked up now is listed without attributes, and
 * the fault shows when it is used.
 */
static void give_child(struct listing *l, const char *name, mode_t type,
                       uint64_t ino, uint64_t number)
{
	struct sfs_entry entry;
	struct sfs_err ignored;

	if (l->is_full || number + FIRST_COOKIE < l->cookie)
		return;
	if (!l->request->with_attr ||
	    sfs_fs_lookup(l->fs, l->request->node, name, &entry, l->call,
	                  &ignored) != SFS_OK ||
	    entry.node == 0) {
		give(l, name, type, ino, number + FIRST_COOKIE);
		return;
	}
	if (l->request->fill(l->request->arg, name, &entry,
	                     number + FIRST_COOKIE + 1)) {
		l->gave = true;
		return;
	}
	l->is_full = true;
	sfs_fs_forget(l->fs, entry.node, 1);
}

struct child {
	const char *name;
	mode_t type;
	uint64_t ino;
};

static void list_children(struct listing *l, const struct child *children,
                          size_t count)
{
	give_dots(l);
	for (size_t i = 0; i < count; i++)
		give_child(l, children[i].name, children[i].type,
		           children[i].ino, i);
}

/* The inode of something at snapshot level, known without opening it. */
static uint64_t what_ino(const char *text_id, enum sfs_node_view view,
                         enum sfs_node_what what)
{
	return sfs_fs_ino_in_snapshot(text_id, sfs_node_what_id(0, view, what));
}

/* Names that come and go: as they were when the listing began. */
static enum sfs_rc list_taken(struct listing *l, struct sfs_children *taken,
                              size_t first)
{
	struct sfs_child *c;
	enum sfs_rc rc = SFS_OK;

	if (!taken->is_taken || l->cookie == 0)
		rc = sfs_children_take(l->fs, l->request->node, taken, l->call,
		                       l->err);
	for (size_t i = 0; rc == SFS_OK && i < taken->count; i++) {
		c = &taken->of[i];
		give_child(l, c->name, c->type,
		           sfs_fs_ino_of_name("staging", c->name), first + i);
	}
	return rc;
}

static enum sfs_rc list_changing(struct listing *l, size_t first)
{
	struct sfs_children local = { 0 };
	struct sfs_children *taken = l->request->children;
	enum sfs_rc rc;

	if (first == 0)
		give_dots(l);
	rc = list_taken(l, taken != NULL ? taken : &local, first);
	sfs_children_reset(&local);
	return rc;
}

/* Links in the root come after these. */
enum { ROOT_NAMES = 16 };

static enum sfs_rc list_root(struct listing *l)
{
	struct sfs_snapshot *s;
	struct child children[ROOT_NAMES];
	const char *id;
	size_t n = 0;

	if (sfs_fs_has_staging(l->fs)) {
		children[n++] = (struct child){ "staging", S_IFDIR,
			                        SFS_STATIC_STAGING };
		children[n++] = (struct child){ "publish", S_IFDIR,
			                        SFS_STATIC_PUBLISH };
	}
	children[n++] = (struct child){ "tags", S_IFDIR, SFS_STATIC_TAGS };
	children[n++] = (struct child){ "runs", S_IFDIR, SFS_STATIC_RUNS };
	children[n++] =
		(struct child){ "snapshots", S_IFDIR, SFS_STATIC_SNAPSHOTS };
	s = sfs_tracker_current(l->fs->config.tracker, NULL);
	if (s != NULL) {
		id = sfs_snapshot_text_id(s);
		children[n++] = (struct child){ "current", S_IFLNK,
			                        what_ino(id, SFS_VIEW_ROOT,
			                                 SFS_WHAT_CURRENT) };
		children[n++] = (struct child){ "keys", S_IFDIR,
			                        what_ino(id, SFS_VIEW_ROOT,
			                                 SFS_WHAT_KEYS) };
		children[n++] = (struct child){ "shards", S_IFDIR,
			                        what_ino(id, SFS_VIEW_ROOT,
			                                 SFS_WHAT_SHARDS) };
	}
	if (s != NULL && !l->fs->config.is_pinned)
		children[n++] = (struct child){ "_CURRENT", S_IFREG,
			                        sfs_fs_ino_of_name(
							"root", "_CURRENT") };
	list_children(l, children, n);
	sfs_snapshot_unref(s);
	return list_changing(l, ROOT_NAMES);
}

static enum sfs_rc list_snapshot_dir(struct listing *l, uint64_t number)
{
	const char *id = sfs_intern_name(l->fs->snapshot_ids, number);
	struct child children[] = {
		{ "info.json", S_IFREG, SFS_WHAT_INFO },
		{ "keys", S_IFDIR, SFS_WHAT_KEYS },
		{ "manifest", S_IFREG, SFS_WHAT_MANIFEST },
		{ "manifest.json", S_IFREG, SFS_WHAT_MANIFEST_JSON },
		{ "shards", S_IFDIR, SFS_WHAT_SHARDS },
	};
	size_t count = sizeof(children) / sizeof(children[0]);

	if (id == NULL)
		return sfs_err_set(l->err, SFS_E_STALE, "no such node");
	for (size_t i = 0; i < count; i++)
		children[i].ino = what_ino(id, SFS_VIEW_SNAPSHOTS,
		                           (enum sfs_node_what)children[i].ino);
	list_children(l, children, count);
	return SFS_OK;
}

static enum sfs_rc list_run_dir(struct listing *l, uint64_t number)
{
	const char *dir = sfs_intern_name(l->fs->run_dirs, number);
	struct child child = { "run.yaml", S_IFREG, 0 };

	if (dir == NULL)
		return sfs_err_set(l->err, SFS_E_STALE, "no such node");
	child.ino = sfs_fs_ino_of_name(dir, child.name);
	list_children(l, &child, 1);
	return SFS_OK;
}

static void list_control(struct listing *l)
{
	give_dots(l);
	for (int i = 0; i < sfs_control_count; i++)
		give_child(l, sfs_control_files[i].name, S_IFREG,
		           sfs_fs_ino_of_name(".shardyfs",
		                              sfs_control_files[i].name),
		           (uint64_t)i);
}

/*
 * Names that come and go with the store. The position of one is its number,
 * which stays the same while the mount lives, so that a listing in several
 * calls repeats nothing and leaves nothing out.
 */
struct numbers {
	uint64_t *of; /* owned */
	size_t count;
	size_t cap;
	bool failed;
};

static bool note_number(void *arg, const char *name, uint64_t number)
{
	struct numbers *n = arg;
	uint64_t *grown;

	(void)name;
	if (n->count == n->cap) {
		n->cap = n->cap > 0 ? n->cap * 2 : 64;
		grown = sfs_realloc_array(n->of, n->cap, sizeof(*n->of));
		if (grown == NULL) {
			n->failed = true;
			return false;
		}
		n->of = grown;
	}
	n->of[n->count++] = number;
	return true;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void give_names(struct listing *l, struct sfs_intern *names,
                       const char *dir, struct numbers *n)
{
	const char *name;

	if (n->count > 0)
		qsort(n->of, n->count, sizeof(*n->of), by_number);
	give_dots(l);
	for (size_t i = 0; i < n->count && !l->is_full; i++) {
		name = sfs_intern_name(names, n->of[i]);
		give_child(l, name, S_IFDIR, sfs_fs_ino_of_name(dir, name),
		           n->of[i]);
	}
}

static enum sfs_rc list_names(struct listing *l, uint64_t which)
{
	bool is_runs = which == SFS_STATIC_RUNS;
	struct numbers n = { 0 };
	enum sfs_rc rc;

	rc = (is_runs ? sfs_fs_list_runs : sfs_fs_list_snapshots)(
		l->fs, note_number, &n, l->call, l->err);
	if (rc == SFS_OK && n.failed)
		rc = sfs_err_set(l->err, SFS_E_NO_MEMORY, "out of memory");
	if (rc == SFS_OK)
		give_names(l, is_runs ? l->fs->run_dirs : l->fs->snapshot_ids,
		           is_runs ? "runs" : "snapshots", &n);
	sfs_free(n.of);
	return rc;
}

static void list_shards(struct listing *l, struct sfs_view *view,
                        const struct sfs_node *dir)
{
	uint32_t num_dbs = sfs_snapshot_manifest(view->snapshot)->num_dbs;
	uint32_t begin = 0;
	char name[16];
	uint64_t id;

	give_dots(l);
	if (l->cookie > FIRST_COOKIE)
		begin = (uint32_t)(l->cookie - FIRST_COOKIE);
	for (uint32_t i = begin; i < num_dbs && !l->is_full; i++) {
		id = sfs_node_what_id(view->first_slot + 1 + i, dir->view,
		                      SFS_WHAT_SHARD_DIR);
		(void)snprintf(name, sizeof(name), "%05u", i);
		give_child(l, name, S_IFDIR, sfs_fs_ino_in_view(view, id), i);
	}
}

static void list_shard(struct listing *l, struct sfs_view *view,
                       const struct sfs_node *dir)
{
	struct child children[] = {
		{ "info.json", S_IFREG, SFS_WHAT_SHARD_INFO },
		{ "keys", S_IFDIR, SFS_WHAT_SHARD_KEYS },
		{ "shard.db", S_IFREG, SFS_WHAT_SHARD_DB },
	};
	uint32_t db_id = dir->slot - view->first_slot - 1;
	bool is_empty =
		sfs_snapshot_shard_prefix(view->snapshot, db_id) == NULL;

	for (size_t i = 0; i < 3; i++)
		children[i].ino = sfs_fs_ino_in_view(
			view,
			sfs_node_what_id(dir->slot, dir->view,
		                         (enum sfs_node_what)children[i].ino));
	list_children(l, children, is_empty ? 2 : 3);
}

/* A walk over the keys of one or of all shards. */
struct walk {
	struct listing *l;
	struct sfs_view *view;
	uint32_t db_id;
	uint32_t end_db_id;
	uint64_t ordinal; /* of the next row */
	uint64_t given;   /* nodes that the kernel now holds */
	struct sfs_snapshot_cursor *cursor;
};

static uint64_t walk_cookie(const struct walk *w)
{
	return FIRST_COOKIE + ((uint64_t)w->db_id << ORDINAL_BITS | w->ordinal);
}

/* One row; rows that have no name are passed over, and counted. */
static void give_key(struct walk *w, struct sfs_bytes key,
                     const struct sfs_pair_info *info)
{
	struct listing *l = w->l;
	char name[SFS_FS_NAME_MAX + 1];
	struct sfs_entry entry;
	size_t len;

	if (sfs_key_to_name(sfs_snapshot_router(w->view->snapshot)->encoding,
	                    key, name, l->fs->config.name_max + 1,
	                    &len) != SFS_OK) {
		atomic_fetch_add(&l->fs->long_names, 1);
		w->ordinal++;
		return;
	}
	sfs_fs_key_entry(l->fs, w->view, w->db_id, info, &entry);
	if (!l->request->with_attr)
		entry.node = 0;
	w->ordinal++;
	if (l->request->fill(l->request->arg, name, &entry, walk_cookie(w))) {
		w->given += entry.node != 0;
		l->gave = true;
	} else {
		w->ordinal--;
		l->is_full = true;
	}
}

static enum sfs_rc walk_shard(struct walk *w, bool *is_done)
{
	struct sfs_pair_info info;
	struct sfs_bytes key;
	bool found = true;
	enum sfs_rc rc;

	while (!w->l->is_full) {
		rc = sfs_snapshot_cursor_next(w->cursor, &found, &key, &info,
		                              w->l->call, w->l->err);
		if (rc != SFS_OK)
			return rc;
		if (!found)
			break;
		give_key(w, key, &info);
	}
	*is_done = !found;
	return SFS_OK;
}

static enum sfs_rc walk_begin(struct walk *w)
{
	struct sfs_listing_place at = { w->view->snapshot, w->l->request->node,
		                        walk_cookie(w) };

	w->cursor = sfs_cursors_take(w->l->fs->cursors, &at);
	if (w->cursor != NULL)
		return SFS_OK;
	return sfs_snapshot_cursor_open(w->view->snapshot, w->db_id, w->ordinal,
	                                &w->cursor, w->l->call, w->l->err);
}

/* Keeps the cursor; a row that did not fit comes first next time. */
static void walk_end(struct walk *w)
{
	struct sfs_listing_place at = { w->view->snapshot, w->l->request->node,
		                        walk_cookie(w) };

	if (w->cursor == NULL)
		return;
	if (w->l->is_full)
		sfs_snapshot_cursor_back(w->cursor);
	sfs_cursors_keep(w->l->fs->cursors, &at, w->cursor);
	w->cursor = NULL;
}

static enum sfs_rc walk_all(struct walk *w)
{
	bool is_done = false;
	enum sfs_rc rc;

	while (w->db_id < w->end_db_id && !w->l->is_full) {
		rc = walk_begin(w);
		if (rc == SFS_OK)
			rc = walk_shard(w, &is_done);
		if (rc != SFS_OK)
			return rc;
		/* The call that finds the end comes with this cursor. */
		if (!is_done || (w->db_id + 1 == w->end_db_id && w->l->gave))
			break;
		sfs_snapshot_cursor_close(w->cursor);
		w->cursor = NULL;
		w->db_id++;
		w->ordinal = 0;
	}
	return SFS_OK;
}

static enum sfs_rc list_keys(struct listing *l, struct sfs_view *view,
                             uint32_t first, uint32_t end)
{
	struct walk w = {
		.l = l, .view = view, .db_id = first, .end_db_id = end
	};
	uint64_t position;
	enum sfs_rc rc;

	give_dots(l);
	if (l->is_full)
		return SFS_OK;
	if (l->cookie > FIRST_COOKIE) {
		position = l->cookie - FIRST_COOKIE;
		w.db_id = (uint32_t)(position >> ORDINAL_BITS);
		w.ordinal = position & (((uint64_t)1 << ORDINAL_BITS) - 1);
		if (w.db_id < first)
			w.db_id = first;
	}
	rc = walk_all(&w);
	sfs_view_add(view, w.given);
	if (rc == SFS_OK) {
		walk_end(&w);
	} else if (w.cursor != NULL) {
		sfs_snapshot_cursor_close(w.cursor);
	}
	/* What was given out stands; the fault shows at the next call. */
	return l->gave ? SFS_OK : rc;
}

static enum sfs_rc list_in_view(struct listing *l, const struct sfs_node *dir)
{
	struct sfs_view *view;
	uint32_t db_id = 0;
	enum sfs_rc rc;

	rc = sfs_fs_enter_node(l->fs, dir, &view, l->err);
	if (rc != SFS_OK)
		return rc;
	if (sfs_node_is_shard_level(dir->what))
		rc = sfs_fs_shard_of(view, dir, &db_id, l->err);
	if (rc == SFS_OK) {
		switch (dir->what) {
		case SFS_WHAT_KEYS:
			rc = list_keys(l, view, 0, view->slots - 1);
			break;
		case SFS_WHAT_SHARD_KEYS:
			rc = list_keys(l, view, db_id, db_id + 1);
			break;
		case SFS_WHAT_SHARDS:
			list_shards(l, view, dir);
			break;
		case SFS_WHAT_SHARD_DIR:
			list_shard(l, view, dir);
			break;
		case SFS_WHAT_CURRENT:
		case SFS_WHAT_MANIFEST:
		case SFS_WHAT_MANIFEST_JSON:
		case SFS_WHAT_INFO:
		case SFS_WHAT_SHARD_INFO:
		case SFS_WHAT_SHARD_DB:
			rc = sfs_err_set(l->err, SFS_E_NOT_DIR,
			                 "not a directory");
			break;
		}
	}
	sfs_views_leave(l->fs->views, view, 1);
	return rc;
}

enum sfs_rc sfs_fs_readdir(struct sfs_fs *fs, const struct sfs_readdir *request,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct listing l = { .fs = fs,
		             .request = request,
		             .call = call,
		             .err = err,
		             .cookie = request->cookie };
	struct sfs_node dir = sfs_node_of(request->node);

	switch (dir.class) {
	case SFS_NODE_STATIC:
		if (dir.number == SFS_STATIC_ROOT)
			return list_root(&l);
		if (sfs_fs_has_children(request->node))
			return list_changing(&l, 0);
		if (dir.number == SFS_STATIC_CONTROL)
			list_control(&l);
		else
			return list_names(&l, dir.number);
		return SFS_OK;
	case SFS_NODE_SNAPSHOT_DIR:
		return list_snapshot_dir(&l, dir.number);
	case SFS_NODE_RUN_DIR:
		return list_run_dir(&l, dir.number);
	case SFS_NODE_STAGED:
		return list_changing(&l, 0);
	case SFS_NODE_OF_SNAPSHOT:
		return list_in_view(&l, &dir);
	case SFS_NODE_FROZEN:
	case SFS_NODE_KEY:
		break;
	}
	return sfs_err_set(err, SFS_E_NOT_DIR, "not a directory");
}

enum sfs_rc sfs_fs_opendir(struct sfs_fs *fs, uint64_t node,
                           struct sfs_err *err)
{
	struct sfs_node n = sfs_node_of(node);

	if (fs->config.listing || n.class != SFS_NODE_OF_SNAPSHOT ||
	    (n.what != SFS_WHAT_KEYS && n.what != SFS_WHAT_SHARD_KEYS))
		return SFS_OK;
	return sfs_err_set(err, SFS_E_UNSUPPORTED,
	                   "keys are not listed in this mount "
	                   "(listing=off); read them by name");
}
