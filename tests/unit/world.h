/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_WORLD_H
#define SFS_TESTS_WORLD_H

/*
 * A golden store copied into memory, and the rooms above it put together as
 * the daemon does, over a store that can be told to fail. The store lives
 * from world_begin() to world_end(), the rooms from world_open() to
 * world_close(), any number of times.
 */
#include "base/alloc.h"
#include "catalog/object.h"
#include "format/current.h"
#include "format/manifest.h"
#include "fs/fs.h"
#include "snapshot/tracker.h"
#include "store/fault.h"
#include "store/local.h"
#include "unit/tap.h"
#include "unit/testdata.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORLD_PATH_BYTES = 2048, WORLD_WAIT_MS = 60000 };

struct world {
	char dir[256];
	struct sfs_store *store; /* wrapped: can fail */
	struct sfs_snapshot_source source;
	struct sfs_tracker_config tracker_config; /* may be set before open */
	struct sfs_fs_config fs_config;           /* the same */
	uint32_t pool_max;                        /* the same */
	struct sfs_tracker *tracker;
	struct sfs_fs *fs;
	struct sfs_err err;
};

static const char *world_from; /* of the copy under way */
static const char *world_to;

static inline bool world_copy_file(const char *from, const char *to)
{
	char buf[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ssize_t n = -1;

	while (in >= 0 && out >= 0 && (n = read(in, buf, sizeof(buf))) > 0) {
		if (write(out, buf, (size_t)n) != n) {
			n = -1;
			break;
		}
	}
	if (in >= 0)
		(void)close(in);
	if (out >= 0)
		(void)close(out);
	return n == 0;
}

static int world_copy_one(const char *path, const struct stat *st, int kind,
                          struct FTW *ftw)
{
	char to[WORLD_PATH_BYTES];

	(void)st;
	(void)ftw;
	(void)snprintf(to, sizeof(to), "%s%s", world_to,
	               path + strlen(world_from));
	if (kind == FTW_D)
		return mkdir(to, 0755) != 0;
	return !world_copy_file(path, to);
}

static int world_remove_one(const char *path, const struct stat *st, int kind,
                            struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* Copies tests/data/golden/NAME/tree ("": an empty store) and opens it. */
static inline void world_begin(struct world *w, const char *golden)
{
	const char *tmp = getenv("TMPDIR");
	char from[TESTDATA_PATH_BYTES + 64];
	char path[TESTDATA_PATH_BYTES];
	char tree[320];
	struct sfs_store *local = NULL;

	*w = (struct world){ .pool_max = 64 };
	if (tmp == NULL)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(w->dir, sizeof(w->dir), "%s/sfs-world-XXXXXX", tmp);
	testdata_path(path, "golden");
	(void)snprintf(from, sizeof(from), "%s/%s/tree", path, golden);
	if (mkdtemp(w->dir) == NULL) {
		printf("Bail out! no directory %s\n", w->dir);
		exit(1);
	}
	(void)snprintf(tree, sizeof(tree), "%s/store", w->dir);
	world_from = from;
	world_to = tree;
	if (golden[0] == '\0')
		OK(mkdir(tree, 0755) == 0);
	else
		OK(nftw(from, world_copy_one, 16, FTW_PHYS) == 0);
	if (sfs_store_local_open(tree, &local, &w->err) != SFS_OK ||
	    sfs_store_fault_wrap(local, &w->store, &w->err) != SFS_OK) {
		printf("Bail out! no store: %s\n", w->err.msg);
		exit(1);
	}
}

static inline void world_end(struct world *w)
{
	IS_INT(sfs_store_fault_open_objects(w->store), 0);
	w->store->ops->close(w->store);
	if (nftw(w->dir, world_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		printf("# %s is left behind\n", w->dir);
}

static inline void world_switched(void *arg)
{
	struct world *w = arg;

	if (w->fs != NULL)
		sfs_fs_switched(w->fs);
}

static inline void world_close(struct world *w)
{
	sfs_tracker_stop(w->tracker); /* its thread calls the fs */
	sfs_fs_free(w->fs);
	sfs_tracker_close(w->tracker);
	sfs_shard_pool_free(w->source.pool);
	if (w->source.catalog != NULL)
		w->source.catalog->ops->close(w->source.catalog);
	w->fs = NULL;
	w->tracker = NULL;
	w->source = (struct sfs_snapshot_source){ 0 };
}

/* Catalog and pool alone: enough for snapshots without a tree. */
static inline enum sfs_rc world_open_source(struct world *w)
{
	enum sfs_rc rc;

	w->source.store = w->store;
	rc = sfs_catalog_object_open(w->store, "runs", &w->source.catalog,
	                             &w->err);
	if (rc != SFS_OK)
		return rc;
	w->source.pool = sfs_shard_pool_new(w->pool_max);
	if (w->source.pool == NULL)
		return sfs_err_set(&w->err, SFS_E_NO_MEMORY, "pool");
	return SFS_OK;
}

static inline enum sfs_rc world_open(struct world *w)
{
	struct sfs_tracker_config *t = &w->tracker_config;
	struct sfs_fs_config *f = &w->fs_config;
	enum sfs_rc rc = world_open_source(w);

	t->source = w->source;
	t->switched = world_switched;
	t->arg = w;
	if (rc == SFS_OK)
		rc = sfs_tracker_open(t, &w->tracker, &w->err);
	f->source = w->source;
	f->tracker = w->tracker;
	f->run_prefix = "runs";
	f->mountpoint = "/mnt";
	f->config_text = "store: here\n";
	f->refresh_ms = t->refresh_ms;
	f->is_pinned = t->ref != NULL;
	if (f->name_max == 0)
		f->name_max = SFS_FS_NAME_MAX;
	if (rc == SFS_OK)
		rc = sfs_fs_new(f, &w->fs, &w->err);
	if (rc != SFS_OK)
		world_close(w);
	return rc;
}

/* The usual beginning of a test: everything, with listing. */
static inline void world_begin_open(struct world *w, const char *golden)
{
	world_begin(w, golden);
	w->fs_config.listing = true;
	if (world_open(w) != SFS_OK) {
		printf("Bail out! %s: %s\n", golden, w->err.msg);
		exit(1);
	}
}

static inline void world_close_end(struct world *w)
{
	world_close(w);
	world_end(w);
}

/* The nth snapshot of the history, newest first. */
struct world_nth {
	int left;
	struct sfs_snapshot_id *out;
};

static inline bool world_count_down(void *arg, const struct sfs_snapshot_id *id)
{
	struct world_nth *n = arg;

	*n->out = *id;
	return n->left-- > 0;
}

static inline struct sfs_snapshot_id world_id(struct world *w, int nth)
{
	struct sfs_snapshot_id id = { 0 };
	struct world_nth n = { nth, &id };

	IS_INT(w->source.catalog->ops->history(
		       w->source.catalog, world_count_down, &n, NULL, &w->err),
	       SFS_OK);
	OK(n.left < 0);
	return id;
}

static inline struct sfs_snapshot_id world_new_id(int64_t published_at_ns,
                                                  const char *run_id)
{
	struct sfs_snapshot_id id = { .published_at_ns = published_at_ns };

	(void)snprintf(id.run_id, sizeof(id.run_id), "%s", run_id);
	return id;
}

static inline void world_put(struct world *w, const char *key, const void *data,
                             size_t len)
{
	IS_INT(w->store->ops->put(w->store, key, data, len, NULL, NULL,
	                          &w->err),
	       SFS_OK);
}

/* A manifest of the same shards under another name. */
static inline void world_manifest(struct world *w,
                                  const struct sfs_snapshot_id *from,
                                  const struct sfs_snapshot_id *to,
                                  const char *custom)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_manifest *m = NULL;
	struct sfs_manifest copy;
	void *data = NULL;
	size_t len = 0;

	IS_INT(w->source.catalog->ops->load(w->source.catalog, from, &m, NULL,
	                                    &w->err),
	       SFS_OK);
	if (m == NULL)
		return;
	copy = *m;
	copy.run_id = (char *)to->run_id; /* only read */
	copy.custom = (char *)custom;
	IS_INT(sfs_manifest_serialize(&copy, &data, &len, &w->err), SFS_OK);
	sfs_snapshot_id_manifest_key(to, key);
	world_put(w, key, data, len);
	sfs_free(data);
	sfs_manifest_free(m);
}

/* Makes _CURRENT name a manifest, under the URL where the store was made. */
static inline void world_point(struct world *w, const char *url,
                               const struct sfs_snapshot_id *id)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_CURRENT_MAX_BYTES);
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_current current = { 0 };

	sfs_snapshot_id_manifest_key(id, key);
	(void)snprintf(current.manifest_ref, sizeof(current.manifest_ref),
	               "%s/%s", url, key);
	(void)snprintf(current.run_id, sizeof(current.run_id), "%s",
	               id->run_id);
	current.updated_at_ns = id->published_at_ns;
	sfs_current_print(&current, &text);
	world_put(w, SFS_CURRENT_KEY, text.data, text.len);
	sfs_buf_release(&text);
}

static inline void world_record(struct world *w, const char *run_id,
                                const char *status)
{
	char key[SFS_STORE_KEY_MAX];
	char text[SFS_RUN_ID_BYTES + 64];
	int len = snprintf(text, sizeof(text), "run_id: %s\nstatus: %s\n",
	                   run_id, status);

	(void)snprintf(key, sizeof(key),
	               "runs/2026-11-22T00:00:00.000000Z_run_id=%s_"
	               "00000000000000000000000000000000/run.yaml",
	               run_id);
	world_put(w, key, text, (size_t)len);
}

static inline void world_fault(struct world *w, uint64_t fail_at, bool always,
                               enum sfs_rc rc)
{
	struct sfs_fault_plan plan = { .op_mask = SFS_STORE_ALL,
		                       .fail_at = fail_at,
		                       .always = always,
		                       .rc = rc };

	sfs_store_fault_set(w->store, &plan);
}

/* Asks the running tracker for a look, and waits for it to be over. */
static inline void world_look(struct world *w)
{
	int64_t end = sfs_clock_ms() + WORLD_WAIT_MS;
	struct sfs_tracker_status status;
	uint64_t before;

	sfs_tracker_get_status(w->tracker, &status);
	before = status.checks;
	sfs_tracker_refresh(w->tracker);
	do {
		(void)poll(NULL, 0, 1);
		sfs_tracker_get_status(w->tracker, &status);
	} while (status.checks == before && sfs_clock_ms() < end);
	OK(status.checks > before);
}

/* Looks one name up and keeps the reference; the entry's node, or 0. */
static inline uint64_t world_lookup(struct world *w, uint64_t parent,
                                    const char *name)
{
	struct sfs_entry entry;

	if (sfs_fs_lookup(w->fs, parent, name, &entry, NULL, &w->err) != SFS_OK)
		return 0;
	return entry.node;
}

/* The same for "a/b/c"; only the last reference is kept. */
static inline uint64_t world_resolve(struct world *w, const char *path)
{
	uint64_t node = SFS_FS_ROOT;
	char copy[WORLD_PATH_BYTES];
	uint64_t parent;
	char *rest = copy;
	char *name;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	while (node != 0 && (name = strsep(&rest, "/")) != NULL) {
		parent = node;
		node = world_lookup(w, parent, name);
		sfs_fs_forget(w->fs, parent, 1);
	}
	return node;
}

/* The text of a small file, or the name of the code; static. */
static inline const char *world_text(struct world *w, const char *path)
{
	static char text[65536];
	uint64_t node = world_resolve(w, path);
	enum sfs_rc rc = SFS_E_NOT_FOUND;
	size_t got = 0;

	if (node != 0)
		rc = sfs_fs_read(w->fs, node, 0, text, sizeof(text) - 1, &got,
		                 NULL, &w->err);
	sfs_fs_forget(w->fs, node, 1);
	text[got] = '\0';
	return rc == SFS_OK ? text : sfs_rc_name(rc);
}

/* A number in .shardyfs/status. */
static inline int64_t world_status(struct world *w, const char *name)
{
	char wanted[64];
	const char *at;

	(void)snprintf(wanted, sizeof(wanted), "\n%s: ", name);
	at = strstr(world_text(w, ".shardyfs/status"), wanted);
	return at != NULL ? strtoll(at + strlen(wanted), NULL, 10) : -1;
}

#endif
