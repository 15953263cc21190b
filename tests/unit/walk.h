/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_WALK_H
#define SFS_TESTS_WALK_H

/*
 * A walk over the whole tree for sweeps of faults: every name is looked up,
 * every directory listed, every file read. The first walk, without faults,
 * notes what it finds; the later ones may fail with one code only, and
 * whatever they answer must be what the first one found.
 */
#include "base/hash.h"
#include "unit/golden.h"
#include "unit/world.h"

enum { WALK_FACTS = 1 << 16, WALK_NAMES = 1500, WALK_ALL = 40, WALK_STEP = 23 };

struct walk_fact {
	uint64_t path; /* its hash; 0: free */
	uint64_t value;
};

struct walk {
	struct world w;
	struct golden missing;
	enum sfs_rc allowed; /* the injected code */
	bool is_first;       /* notes facts, instead of checking them */
	uint64_t failures;   /* answers with that code, of this walk */
	uint64_t answers;    /* all others */
	struct walk_fact *facts;
};

/* True if the call succeeded; no other failure is right. */
static inline bool walk_ok(struct walk *k, const char *path, enum sfs_rc rc,
                           const struct sfs_err *err)
{
	if (rc == SFS_OK) {
		k->answers++;
		return true;
	}
	k->failures++;
	if (rc != k->allowed || err->rc != rc)
		TAP_FAIL("%s: %s (%s) where %s was injected", path,
		         sfs_rc_name(rc), err->msg, sfs_rc_name(k->allowed));
	return false;
}

static inline void walk_fact(struct walk *k, const char *path, uint64_t value)
{
	uint64_t hash = sfs_hash64(path, strlen(path)) | 1;
	uint64_t at = hash % WALK_FACTS;

	while (k->facts[at].path != 0 && k->facts[at].path != hash)
		at = (at + 1) % WALK_FACTS;
	if (k->is_first)
		k->facts[at] = (struct walk_fact){ hash, value };
	else if (k->facts[at].path == 0 || k->facts[at].value != value)
		TAP_FAIL("%s is not what it was without faults", path);
}

struct walk_list {
	char *names[WALK_NAMES];
	size_t count;
	size_t room;        /* left in this call */
	uint64_t nodes[50]; /* of this call */
	size_t node_count;
	uint64_t cookie;
};

static inline bool walk_take(void *arg, const char *name,
                             const struct sfs_entry *entry,
                             uint64_t next_cookie)
{
	struct walk_list *l = arg;

	if (l->room == 0)
		return false;
	l->room--;
	l->cookie = next_cookie;
	if (l->count < WALK_NAMES && name[0] != '.')
		l->names[l->count++] = strdup(name);
	l->nodes[l->node_count++] = entry->node;
	return true;
}

/*
 * Lists a directory in calls of few entries. After a fault the same cookie
 * is tried once more, as a program would; false if that fails too.
 */
static inline bool walk_list(struct walk *k, const char *path, uint64_t node,
                             struct walk_list *l)
{
	struct sfs_readdir r = { node, 0, false, walk_take, l, NULL };
	struct sfs_err err;
	int faults = 0;
	enum sfs_rc rc;
	size_t room;

	for (size_t n = 0; faults < 2; n++) {
		room = n % 3 == 0 ? 1 : 50;
		l->room = room;
		r.cookie = l->cookie;
		r.with_attr = n % 2 == 0;
		l->node_count = 0;
		rc = sfs_fs_readdir(k->w.fs, &r, NULL, &err);
		for (size_t i = 0; i < l->node_count; i++)
			sfs_fs_forget(k->w.fs, l->nodes[i], 1);
		if (!walk_ok(k, path, rc, &err))
			faults++;
		else if (l->room == room)
			return true;
	}
	return false;
}

static inline void walk_xattrs(struct walk *k, const char *path, uint64_t node)
{
	static const char *const names[] = { "user.shardyfs.snapshot",
		                             "user.shardyfs.rows",
		                             "user.shardyfs.shard",
		                             "user.shardyfs.key_hex",
		                             "user.shardyfs.value_sha256" };
	struct sfs_buf out = SFS_BUF_INIT(1 << 20);
	char what[WORLD_PATH_BYTES + 64];
	struct sfs_err err;
	enum sfs_rc rc;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		sfs_buf_reset(&out);
		rc = sfs_fs_getxattr(k->w.fs, node, names[i], &out, NULL, &err);
		(void)snprintf(what, sizeof(what), "%s:%s", path, names[i]);
		if (rc == SFS_E_NO_ATTR)
			walk_fact(k, what, 0);
		else if (walk_ok(k, what, rc, &err))
			walk_fact(k, what, sfs_hash64(out.data, out.len));
	}
	sfs_buf_release(&out);
}

static inline void walk_file(struct walk *k, const char *path, uint64_t node)
{
	char *data = NULL;
	struct sfs_attr attr;
	struct sfs_err err;
	enum sfs_ttl ttl;
	size_t got = 0;
	enum sfs_rc rc;

	rc = sfs_fs_getattr(k->w.fs, node, &attr, &ttl, NULL, &err);
	if (!walk_ok(k, path, rc, &err))
		return;
	data = malloc(attr.size + 1);
	if (data == NULL)
		abort();
	rc = sfs_fs_read(k->w.fs, node, 0, data, attr.size + 1, &got, NULL,
	                 &err);
	if (walk_ok(k, path, rc, &err)) {
		IS_INT(got, attr.size);
		if (strncmp(path, "/.shardyfs/", 11) != 0) /* it tells now */
			walk_fact(k, path, sfs_hash64(data, got));
	}
	free(data);
}

static inline void walk_dir(struct walk *k, const char *path, uint64_t node);

static inline void walk_child(struct walk *k, const char *dir_path,
                              uint64_t dir, const char *name)
{
	char path[WORLD_PATH_BYTES];
	struct sfs_entry entry;
	struct sfs_err err;
	enum sfs_rc rc;

	(void)snprintf(path, sizeof(path), "%s/%s", dir_path, name);
	rc = sfs_fs_lookup(k->w.fs, dir, name, &entry, NULL, &err);
	if (!walk_ok(k, path, rc, &err))
		return;
	if (entry.node == 0) {
		TAP_FAIL("%s is said to be absent", path);
		return;
	}
	walk_xattrs(k, path, entry.node);
	if (S_ISDIR(entry.attr.mode))
		walk_dir(k, path, entry.node);
	else if (S_ISREG(entry.attr.mode))
		walk_file(k, path, entry.node);
	sfs_fs_forget(k->w.fs, entry.node, 1);
}

static inline void walk_dir(struct walk *k, const char *path, uint64_t node)
{
	struct walk_list *l = calloc(1, sizeof(*l));
	uint64_t hash = 0;
	bool is_whole;

	if (l == NULL)
		abort();
	is_whole = walk_list(k, path, node, l);
	if (is_whole) {
		for (size_t i = 0; i < l->count; i++)
			hash += sfs_hash64(l->names[i], strlen(l->names[i]));
		walk_fact(k, path, hash);
	}
	/* the choice is the name's, so that a cut listing makes no other one */
	for (size_t i = 0; i < l->count; i++) {
		const char *name = l->names[i];

		if ((is_whole && l->count <= WALK_ALL) ||
		    sfs_hash64(name, strlen(name)) % WALK_STEP == 0)
			walk_child(k, path, node, name);
		free(l->names[i]);
	}
	free(l);
}

/* Keys that are not there: absent, or the fault, and never anything else. */
static inline void walk_missing(struct walk *k)
{
	char name[32];
	struct sfs_entry entry;
	struct sfs_err err;
	uint64_t number;
	uint64_t keys;
	enum sfs_rc rc;

	rc = sfs_fs_lookup(k->w.fs, SFS_FS_ROOT, "keys", &entry, NULL, &err);
	if (!walk_ok(k, "keys", rc, &err))
		return;
	keys = entry.node;
	for (size_t i = 0; i < k->missing.count; i += 5) {
		number = 0;
		for (size_t b = 0; b < k->missing.rows[i].key.len; b++)
			number = number << 8 | k->missing.rows[i].key.data[b];
		(void)snprintf(name, sizeof(name), "%" PRIu64, number);
		rc = sfs_fs_lookup(k->w.fs, keys, name, &entry, NULL, &err);
		if (walk_ok(k, name, rc, &err))
			IS_INT(entry.node, 0);
	}
	sfs_fs_forget(k->w.fs, keys, 1);
}

/* The whole tree; all references are given back. */
static inline void walk_tree(struct walk *k)
{
	walk_dir(k, "", SFS_FS_ROOT);
	walk_child(k, "", SFS_FS_ROOT, ".shardyfs");
	walk_missing(k);
}

/* Opens everything and walks. False: it could not be opened. */
static inline bool walk_open(struct walk *k)
{
	k->failures = 0;
	k->answers = 0;
	if (walk_ok(k, "open", world_open(&k->w), &k->w.err)) {
		walk_tree(k);
		return true;
	}
	return false;
}

/* Without faults all of it must work, in the same process and mount. */
static inline void walk_again(struct walk *k)
{
	k->allowed = SFS_OK;
	k->failures = 0;
	walk_tree(k);
	IS_INT(k->failures, 0);
	IS_INT(world_status(&k->w, "open_snapshots"), 0);
}

static inline void walk_begin(struct walk *k, const char *store)
{
	*k = (struct walk){ 0 };
	world_begin(&k->w, store);
	k->w.fs_config.listing = true;
	k->w.pool_max = 1;
	k->facts = calloc(WALK_FACTS, sizeof(*k->facts));
	if (k->facts == NULL)
		abort();
	golden_load(&k->missing, store, "missing");
	k->is_first = true;
	OK(walk_open(k));
	world_close(&k->w);
	k->is_first = false;
}

static inline void walk_end(struct walk *k)
{
	free(k->facts);
	golden_free(&k->missing);
	world_end(&k->w);
}

/* _CURRENT by the file system: no store, no memory, no fault. */
static inline void walk_point(struct walk *k, const char *text, size_t len)
{
	char path[WORLD_PATH_BYTES];
	char made[WORLD_PATH_BYTES];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/store/_CURRENT", k->w.dir);
	(void)snprintf(made, sizeof(made), "%s/made", k->w.dir);
	fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	OK(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	OK(close(fd) == 0 && rename(made, path) == 0);
}

#endif
