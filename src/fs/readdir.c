/* SPDX-License-Identifier: Apache-2.0 */
/*
 * READDIR. Small directories are enumerated by position.
 *
 *	cookie 1   behind "."
 *	cookie 2   behind ".."
 *	cookie 3+  behind entry (cookie - 3); of keys see list_keys.c
 */
#include "fs/listing.h"
#include "fs/routing.h"
#include "fs/staging_internal.h"

#include "base/alloc.h"

#include <stdlib.h>

/* Gives one entry out unless it lies before the cookie. */
static void give(struct sfs_listing *l, const char *name, mode_t type,
                 uint64_t ino, uint64_t position)
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
void sfs_listing_dots(struct sfs_listing *l)
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
 * What cannot be looked up now is listed without attributes, and the fault
 * shows when it is used.
 */
void sfs_listing_child(struct sfs_listing *l, const struct sfs_listed *child,
                       uint64_t number)
{
	struct sfs_entry entry;
	struct sfs_err ignored;

	if (l->is_full || number + SFS_FIRST_COOKIE < l->cookie)
		return;
	if (!l->request->with_attr ||
	    sfs_fs_lookup(l->fs, l->request->node, child->name, &entry, l->call,
	                  &ignored) != SFS_OK ||
	    entry.node == 0) {
		give(l, child->name, child->type, child->ino,
		     number + SFS_FIRST_COOKIE);
		return;
	}
	if (l->request->fill(l->request->arg, child->name, &entry,
	                     number + SFS_FIRST_COOKIE + 1)) {
		l->gave = true;
		return;
	}
	l->is_full = true;
	sfs_fs_forget(l->fs, entry.node, 1);
}

void sfs_listing_children(struct sfs_listing *l,
                          const struct sfs_listed *children, size_t count)
{
	sfs_listing_dots(l);
	for (size_t i = 0; i < count; i++)
		sfs_listing_child(l, &children[i], i);
}

uint64_t sfs_listing_ino(const char *text_id, enum sfs_node_view view,
                         enum sfs_node_what what)
{
	return sfs_fs_ino_in_snapshot(text_id, sfs_node_what_id(0, view, what));
}

/* Names that come and go: as they were when the listing began. */
static enum sfs_rc list_taken(struct sfs_listing *l, struct sfs_children *taken,
                              size_t first)
{
	struct sfs_listed child;
	enum sfs_rc rc = SFS_OK;

	if (!taken->is_taken || l->cookie == 0)
		rc = sfs_children_take(l->fs, l->request->node, taken, l->call,
		                       l->err);
	for (size_t i = 0; rc == SFS_OK && i < taken->count; i++) {
		child = (struct sfs_listed){
			taken->of[i].name, taken->of[i].type,
			sfs_fs_ino_of_name("staging", taken->of[i].name)
		};
		sfs_listing_child(l, &child, first + i);
	}
	return rc;
}

static enum sfs_rc list_changing(struct sfs_listing *l, size_t first)
{
	struct sfs_children local = { 0 };
	struct sfs_children *taken = l->request->children;
	enum sfs_rc rc;

	if (first == 0)
		sfs_listing_dots(l);
	rc = list_taken(l, taken != NULL ? taken : &local, first);
	sfs_children_reset(&local);
	return rc;
}

/* Links in the root come after these. */
enum { ROOT_NAMES = 16 };

/* The part of the root that a refresh switches; how many names. */
static size_t add_generation(const struct sfs_listing *l,
                             const struct sfs_snapshot *s,
                             struct sfs_listed *out)
{
	const char *id = sfs_snapshot_text_id(s);
	const struct {
		const char *name;
		mode_t type;
		enum sfs_node_what what;
		bool is_there;
	} names[] = {
		{ "current", S_IFLNK, SFS_WHAT_CURRENT, true },
		{ "keys", S_IFDIR, SFS_WHAT_KEYS, true },
		{ "shards", S_IFDIR, SFS_WHAT_SHARDS, true },
		{ "routes", S_IFDIR, SFS_WHAT_ROUTES, sfs_fs_has_routes(s) },
		{ "where", S_IFDIR, SFS_WHAT_WHERE, sfs_fs_has_where(s) },
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].is_there)
			out[n++] = (struct sfs_listed){
				names[i].name, names[i].type,
				sfs_listing_ino(id, SFS_VIEW_ROOT,
				                names[i].what)
			};
	}
	if (!l->fs->config.is_pinned)
		out[n++] = (struct sfs_listed){ "_CURRENT", S_IFREG,
			                        sfs_fs_ino_of_name(
							"root", "_CURRENT") };
	return n;
}

static enum sfs_rc list_root(struct sfs_listing *l)
{
	struct sfs_listed children[ROOT_NAMES];
	struct sfs_snapshot *s;
	size_t n = 0;

	if (sfs_fs_has_staging(l->fs)) {
		children[n++] = (struct sfs_listed){ "staging", S_IFDIR,
			                             SFS_STATIC_STAGING };
		children[n++] = (struct sfs_listed){ "publish", S_IFDIR,
			                             SFS_STATIC_PUBLISH };
	}
	children[n++] = (struct sfs_listed){ "tags", S_IFDIR, SFS_STATIC_TAGS };
	children[n++] = (struct sfs_listed){ "runs", S_IFDIR, SFS_STATIC_RUNS };
	children[n++] = (struct sfs_listed){ "snapshots", S_IFDIR,
		                             SFS_STATIC_SNAPSHOTS };
	s = sfs_tracker_current(l->fs->config.tracker, NULL);
	if (s != NULL)
		n += add_generation(l, s, children + n);
	sfs_listing_children(l, children, n);
	sfs_snapshot_unref(s);
	return list_changing(l, ROOT_NAMES);
}

static enum sfs_rc list_run_dir(struct sfs_listing *l, uint64_t number)
{
	const char *dir = sfs_intern_name(l->fs->run_dirs, number);
	struct sfs_listed child = { "run.yaml", S_IFREG, 0 };

	if (dir == NULL)
		return sfs_err_set(l->err, SFS_E_STALE, "no such node");
	child.ino = sfs_fs_ino_of_name(dir, child.name);
	sfs_listing_children(l, &child, 1);
	return SFS_OK;
}

static void list_control(struct sfs_listing *l)
{
	struct sfs_listed child = { NULL, S_IFREG, 0 };

	sfs_listing_dots(l);
	for (int i = 0; i < sfs_control_count; i++) {
		child.name = sfs_control_files[i].name;
		child.ino = sfs_fs_ino_of_name(".shardyfs", child.name);
		sfs_listing_child(l, &child, (uint64_t)i);
	}
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

static void give_names(struct sfs_listing *l, struct sfs_intern *names,
                       const char *dir, struct numbers *n)
{
	struct sfs_listed child = { NULL, S_IFDIR, 0 };

	if (n->count > 0)
		qsort(n->of, n->count, sizeof(*n->of), by_number);
	sfs_listing_dots(l);
	for (size_t i = 0; i < n->count && !l->is_full; i++) {
		child.name = sfs_intern_name(names, n->of[i]);
		child.ino = sfs_fs_ino_of_name(dir, child.name);
		sfs_listing_child(l, &child, n->of[i]);
	}
}

static enum sfs_rc list_names(struct sfs_listing *l, uint64_t which)
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

enum sfs_rc sfs_fs_readdir(struct sfs_fs *fs, const struct sfs_readdir *request,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_listing l = { .fs = fs,
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
		return sfs_listing_snapshot(&l, dir.number);
	case SFS_NODE_RUN_DIR:
		return list_run_dir(&l, dir.number);
	case SFS_NODE_STAGED:
		return list_changing(&l, 0);
	case SFS_NODE_WHERE:
		return sfs_listing_where(&l, dir.number);
	case SFS_NODE_OF_SNAPSHOT:
		return sfs_listing_view(&l, &dir);
	case SFS_NODE_FROZEN:
	case SFS_NODE_KEY:
		break;
	}
	return sfs_err_set(err, SFS_E_NOT_DIR, "not a directory");
}

/* Keys of which nobody knows where they all are. */
static enum sfs_rc check_where(struct sfs_fs *fs, uint64_t number,
                               struct sfs_err *err)
{
	struct sfs_where_dir dir;
	enum sfs_rc rc;

	rc = sfs_where_get(fs->where, number, &dir, err);
	if (rc == SFS_OK && dir.is_keys)
		rc = sfs_listing_refuse_where(err);
	sfs_where_release(fs->where, &dir);
	return rc;
}

/* Where the keys of all shards are merged, there must not be too many. */
static enum sfs_rc check_keys(struct sfs_fs *fs, const struct sfs_node *n,
                              struct sfs_err *err)
{
	struct sfs_view *view;
	enum sfs_rc rc;

	if (!fs->config.listing)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "keys are not listed in this mount "
		                   "(listing=off); read them by name");
	if (n->what != SFS_WHAT_KEYS)
		return SFS_OK;
	rc = sfs_fs_enter_node(fs, n, &view, err);
	if (rc != SFS_OK)
		return rc;
	if (sfs_fs_has_where(view->snapshot))
		rc = sfs_snapshot_check_fanout(view->snapshot, err);
	sfs_views_leave(fs->views, view, 1);
	return rc;
}

enum sfs_rc sfs_fs_opendir(struct sfs_fs *fs, uint64_t node,
                           struct sfs_err *err)
{
	struct sfs_node n = sfs_node_of(node);

	if (n.class == SFS_NODE_WHERE)
		return check_where(fs, n.number, err);
	if (n.class == SFS_NODE_OF_SNAPSHOT &&
	    (n.what == SFS_WHAT_KEYS || n.what == SFS_WHAT_SHARD_KEYS))
		return check_keys(fs, &n, err);
	return SFS_OK;
}
