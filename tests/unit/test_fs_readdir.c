/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings: each name exactly once whatever the size of the buffer, cookies
 * that can be used again, and inode numbers that stat confirms.
 */
#include "base/log.h"
#include "unit/golden.h"
#include "unit/world.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ENTRIES_MAX = 3000, THREADS = 3 };

static struct world w;

struct seen {
	char *name;
	uint64_t cookie; /* behind it */
	uint64_t node;
	uint64_t ino;
	mode_t mode;
};

struct list {
	struct seen entries[ENTRIES_MAX];
	size_t count;
	size_t room; /* entries of one call */
	size_t taken;
};

static bool take(void *arg, const char *name, const struct sfs_entry *entry,
                 uint64_t next_cookie)
{
	struct list *l = arg;

	if (l->taken == l->room || l->count == ENTRIES_MAX)
		return false;
	l->taken++;
	l->entries[l->count++] =
		(struct seen){ strdup(name), next_cookie, entry->node,
		               entry->attr.ino, entry->attr.mode };
	return true;
}

static void list_free(struct list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->entries[i].name);
		sfs_fs_forget(w.fs, l->entries[i].node, 1);
	}
	free(l);
}

/* From a cookie to the end, room entries at a time. */
static struct list *list_from(uint64_t node, uint64_t cookie, size_t room,
                              bool with_attr)
{
	struct list *l = calloc(1, sizeof(*l));
	struct sfs_readdir r = { node, cookie, with_attr, take, l, NULL };
	struct sfs_err err;
	enum sfs_rc rc;

	if (l == NULL)
		abort();
	l->room = room;
	do {
		l->taken = 0;
		rc = sfs_fs_readdir(w.fs, &r, NULL, &err);
		if (l->count > 0)
			r.cookie = l->entries[l->count - 1].cookie;
	} while (rc == SFS_OK && l->taken > 0);
	IS_INT(rc, SFS_OK);
	return l;
}

static bool is_same(const struct list *a, const struct list *b, size_t skip)
{
	if (a->count != b->count + skip)
		return false;
	for (size_t i = 0; i < b->count; i++) {
		if (strcmp(a->entries[i + skip].name, b->entries[i].name) !=
		            0 ||
		    a->entries[i + skip].cookie != b->entries[i].cookie ||
		    a->entries[i + skip].ino != b->entries[i].ino)
			return false;
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	const struct seen *const *x = a;
	const struct seen *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Names that occur more than once. */
static int repeated(const struct list *l)
{
	const struct seen **sorted = calloc(l->count + 1, sizeof(*sorted));
	int bad = 0;

	if (sorted == NULL)
		abort();
	for (size_t i = 0; i < l->count; i++)
		sorted[i] = &l->entries[i];
	qsort(sorted, l->count, sizeof(*sorted), by_name);
	for (size_t i = 1; i < l->count; i++)
		bad += strcmp(sorted[i - 1]->name, sorted[i]->name) == 0;
	free(sorted);
	return bad;
}

static void check_dir(const char *path, size_t want, size_t step)
{
	uint64_t node = path[0] != '\0' ? world_resolve(&w, path)
	                                : (uint64_t)SFS_FS_ROOT;
	struct list *whole = list_from(node, 0, ENTRIES_MAX, false);
	struct list *parts;

	if (whole->count != want + 2)
		TAP_FAIL("%s has %zu names, not %zu", path, whole->count - 2,
		         want);
	IS_INT(repeated(whole), 0);
	IS_STR(whole->entries[0].name, ".");
	IS_STR(whole->entries[1].name, "..");
	for (size_t room = 1; room < whole->count; room += step) {
		parts = list_from(node, 0, room, room % 2 == 0);
		if (!is_same(whole, parts, 0))
			TAP_FAIL("%s by %zu differs", path, room);
		list_free(parts);
	}
	list_free(whole);
	sfs_fs_forget(w.fs, node, 1);
}

static void each_name_comes_once_whatever_the_buffer(void)
{
	char path[WORLD_PATH_BYTES];
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id id;

	world_begin_open(&w, "history");
	check_dir("", 7, 1);
	check_dir("snapshots", 4, 1);
	check_dir("runs", 4, 1);
	check_dir("keys", 145, 1);
	check_dir("shards", 2, 1);
	check_dir("shards/00001", 3, 1);
	check_dir("tags", 0, 1);
	check_dir(".shardyfs", 10, 1);
	id = world_id(&w, 3);
	sfs_snapshot_id_text(&id, text);
	(void)snprintf(path, sizeof(path), "snapshots/%s", text);
	check_dir(path, 5, 1);
	IS_INT(world_status(&w, "open_snapshots"), 0);
	world_close_end(&w);
}

static void keys_of_many_and_of_empty_shards_are_listed(void)
{
	world_begin_open(&w, "hash-u64be");
	check_dir("keys", 1000, 97);
	world_close_end(&w);
	world_begin_open(&w, "hash-sparse");
	check_dir("keys", 20, 1);
	check_dir("shards", 64, 5);
	world_close_end(&w);
	world_begin_open(&w, "hash-raw");
	check_dir("keys", 119, 10);
	world_close_end(&w);
}

static void all_shards_together_hold_what_keys_holds(void)
{
	char path[64];
	size_t sum = 0;

	world_begin_open(&w, "hash-u64be");
	for (int i = 0; i < 8; i++) {
		struct list *l;
		uint64_t node;

		(void)snprintf(path, sizeof(path), "shards/%05d/keys", i);
		node = world_resolve(&w, path);
		l = list_from(node, 0, 13, false);
		sum += l->count - 2;
		list_free(l);
		sfs_fs_forget(w.fs, node, 1);
	}
	IS_INT(sum, 1000);
	world_close_end(&w);
}

/* telldir and seekdir, in any order, as Samba and NFS do it. */
static void a_cookie_can_be_used_again(void)
{
	struct list *whole;
	struct list *rest;
	uint64_t keys;
	size_t at;

	world_begin_open(&w, "hash-u64be");
	keys = world_resolve(&w, "keys");
	whole = list_from(keys, 0, ENTRIES_MAX, false);
	for (size_t i = 0; i < 40; i++) {
		at = i * 7919 % whole->count;
		rest = list_from(keys, whole->entries[at].cookie, 100 + i,
		                 false);
		if (!is_same(whole, rest, at + 1))
			TAP_FAIL("from cookie %zu it differs", at);
		list_free(rest);
	}
	rest = list_from(keys, 0, 50, false);
	OK(is_same(whole, rest, 0));
	list_free(rest);
	list_free(whole);
	sfs_fs_forget(w.fs, keys, 1);
	world_close_end(&w);
}

static void nonsense_for_a_cookie_ends_the_listing(void)
{
	static const uint64_t cookies[] = { UINT64_MAX, INT64_MAX,
		                            (uint64_t)1 << 40,
		                            ((uint64_t)8 << 40) + 2,
		                            ((uint64_t)7 << 40) + 100000 };
	static const char *const dirs[] = { "keys",         "shards",
		                            "shards/00001", "shards/00001/keys",
		                            "snapshots",    ".shardyfs" };
	struct list *l;
	uint64_t node;

	world_begin_open(&w, "hash-u64be");
	for (size_t d = 0; d < sizeof(dirs) / sizeof(dirs[0]); d++) {
		node = world_resolve(&w, dirs[d]);
		for (size_t i = 0; i < 5; i++) {
			l = list_from(node, cookies[i], 5, true);
			OK(l->count <= 1000);
			OK(i == 2 || l->count == 0);
			list_free(l);
		}
		sfs_fs_forget(w.fs, node, 1);
	}
	world_close_end(&w);
}

/* Every (ino, node) of a snapshot's tree; keys occur twice. */
struct inode {
	uint64_t ino;
	uint64_t node;
};

static struct inode inodes[ENTRIES_MAX];
static size_t inode_count;

static void check_child(uint64_t dir, const struct seen *e)
{
	struct sfs_entry entry;

	IS_INT(sfs_fs_lookup(w.fs, dir, e->name, &entry, NULL, &w.err), SFS_OK);
	if (entry.attr.ino != e->ino ||
	    (entry.attr.mode & S_IFMT) != (e->mode & S_IFMT))
		TAP_FAIL("%s: readdir and lookup disagree", e->name);
	if (inode_count < ENTRIES_MAX)
		inodes[inode_count++] =
			(struct inode){ entry.attr.ino, entry.node };
	sfs_fs_forget(w.fs, entry.node, 1);
}

/* Compares both kinds of listing with lookup, all the way down. */
static void check_tree(uint64_t dir)
{
	struct list *plain = list_from(dir, 0, 7, false);
	struct list *plus = list_from(dir, 0, 9, true);
	struct sfs_attr attr;
	enum sfs_ttl ttl;

	IS_INT(plain->count, plus->count);
	IS_INT(sfs_fs_getattr(w.fs, dir, &attr, &ttl, NULL, &w.err), SFS_OK);
	OK(plain->entries[0].ino == attr.ino);
	for (size_t i = 2; i < plain->count && i < plus->count; i++) {
		OK(plain->entries[i].node == 0);
		OK(plus->entries[i].node != 0);
		OK(plain->entries[i].ino == plus->entries[i].ino);
		check_child(dir, &plain->entries[i]);
		if (S_ISDIR(plus->entries[i].mode))
			check_tree(plus->entries[i].node);
	}
	list_free(plain);
	list_free(plus);
}

static int by_ino(const void *a, const void *b)
{
	const struct inode *x = a;
	const struct inode *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void inode_numbers_are_unique_and_what_stat_says(void)
{
	static const char *const stores[] = { "hash-u32be", "history", "runs",
		                              "hash-sparse" };
	int bad;

	for (size_t s = 0; s < sizeof(stores) / sizeof(stores[0]); s++) {
		world_begin_open(&w, stores[s]);
		inode_count = 0;
		bad = 0;
		check_tree(SFS_FS_ROOT);
		OK(inode_count > 40 && inode_count < ENTRIES_MAX);
		qsort(inodes, inode_count, sizeof(inodes[0]), by_ino);
		for (size_t i = 1; i < inode_count; i++)
			bad += inodes[i - 1].ino == inodes[i].ino &&
			       inodes[i - 1].node != inodes[i].node &&
			       inodes[i].node >> 63 == 1;
		IS_INT(bad, 0);
		IS_INT(world_status(&w, "open_snapshots"), 0);
		world_close_end(&w);
	}
}

static void inode_numbers_are_the_same_after_a_remount(void)
{
	struct list *before;
	struct list *after;
	uint64_t keys;

	world_begin_open(&w, "history");
	keys = world_resolve(&w, "keys");
	before = list_from(keys, 0, 50, false);
	world_close(&w);
	IS_INT(world_open(&w), SFS_OK);
	/* other slots than before */
	OK(world_resolve(&w, "runs") != 0);
	keys = world_resolve(&w, "keys");
	after = list_from(keys, 0, 50, false);
	OK(is_same(before, after, 0));
	list_free(before);
	list_free(after);
	world_close_end(&w);
}

/*
 * Another snapshot takes over the slots, and so the node ids, of one whose
 * listing was broken off: the kept cursor must not answer for it.
 */
static void reused_slots_do_not_confuse_listings(void)
{
	struct sfs_snapshot_id ids[2];
	char path[WORLD_PATH_BYTES];
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct list *whole[2];
	struct list *rest;
	uint64_t nodes[2];
	struct list part = { .room = 20 };
	struct sfs_readdir r = { .fill = take, .arg = &part };

	world_begin_open(&w, "history");
	for (int i = 0; i < 2; i++) {
		ids[i] = world_id(&w, i + 2); /* of 2 and 3 shards */
		sfs_snapshot_id_text(&ids[i], text);
		(void)snprintf(path, sizeof(path), "snapshots/%s/keys", text);
		nodes[i] = world_resolve(&w, path);
		whole[i] = list_from(nodes[i], 0, ENTRIES_MAX, false);
		r.node = nodes[i];
		r.cookie = 0;
		part.taken = 0;
		IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_OK);
		sfs_fs_forget(w.fs, nodes[i], 1);
		IS_INT(world_status(&w, "open_snapshots"), 0);
	}
	OK(nodes[0] == nodes[1]);
	OK(!is_same(whole[0], whole[1], 0));
	for (int i = 0; i < 2; i++) {
		sfs_snapshot_id_text(&ids[i], text);
		(void)snprintf(path, sizeof(path), "snapshots/%s/keys", text);
		nodes[i] = world_resolve(&w, path);
		rest = list_from(nodes[i], whole[i]->entries[19].cookie, 30,
		                 false);
		OK(is_same(whole[i], rest, 20));
		list_free(rest);
		sfs_fs_forget(w.fs, nodes[i], 1);
		list_free(whole[i]);
	}
	for (size_t i = 0; i < part.count; i++)
		free(part.entries[i].name);
	world_close_end(&w);
}

static void a_switch_lets_go_of_broken_off_listings(void)
{
	struct list part = { .room = 20 };
	struct sfs_readdir r = { .fill = take, .arg = &part };
	struct sfs_snapshot_id id;

	world_begin_open(&w, "history");
	IS_INT(sfs_tracker_start(w.tracker, &w.err), SFS_OK);
	id = world_id(&w, 1);
	r.node = world_resolve(&w, "keys");
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_OK);
	OK(sfs_store_fault_open_objects(w.store) > 0);
	sfs_fs_forget(w.fs, r.node, 1);
	world_point(&w, "s3://golden/history", &id);
	world_look(&w);
	/* the pin of the manifest that is shown now */
	IS_INT(sfs_store_fault_open_objects(w.store), 1);
	for (size_t i = 0; i < part.count; i++)
		free(part.entries[i].name);
	world_close_end(&w);
}

static void keys_are_not_listed_where_that_is_switched_off(void)
{
	static const char *const open_dirs[] = { "snapshots", "shards",
		                                 "shards/00001" };
	uint64_t node;

	world_begin(&w, "hash-u64be");
	IS_INT(world_open(&w), SFS_OK);
	node = world_resolve(&w, "keys");
	IS_INT(sfs_fs_opendir(w.fs, node, &w.err), SFS_E_UNSUPPORTED);
	HAS_STR(w.err.msg, "listing=off");
	sfs_fs_forget(w.fs, node, 1);
	node = world_resolve(&w, "shards/00001/keys");
	IS_INT(sfs_fs_opendir(w.fs, node, &w.err), SFS_E_UNSUPPORTED);
	sfs_fs_forget(w.fs, node, 1);
	for (size_t i = 0; i < 3; i++) {
		node = world_resolve(&w, open_dirs[i]);
		IS_INT(sfs_fs_opendir(w.fs, node, &w.err), SFS_OK);
		sfs_fs_forget(w.fs, node, 1);
	}
	world_close_end(&w);
}

static void names_too_long_for_the_kernel_are_counted(void)
{
	struct list *all;
	struct list *some;
	uint64_t keys;
	size_t too_long = 0;

	world_begin_open(&w, "hash-utf8");
	keys = world_resolve(&w, "keys");
	all = list_from(keys, 0, ENTRIES_MAX, false);
	for (size_t i = 0; i < all->count; i++)
		too_long += strlen(all->entries[i].name) > 100;
	OK(too_long > 0);
	/* golden rows less those that are too long for any kernel */
	IS_INT(all->count - 2 +
	               (size_t)world_status(&w, "unlistable_keys_seen"),
	       200);
	world_close(&w);
	w.fs_config.name_max = 100;
	IS_INT(world_open(&w), SFS_OK);
	keys = world_resolve(&w, "keys");
	some = list_from(keys, 0, ENTRIES_MAX, false);
	IS_INT(some->count, all->count - too_long);
	IS_INT(world_status(&w, "unlistable_keys_seen"), 202 - some->count);
	list_free(some);
	/* in small parts a skipped one may be met again, but none is lost */
	some = list_from(keys, 0, 1, false);
	IS_INT(some->count, all->count - too_long);
	IS_INT(repeated(some), 0);
	list_free(some);
	list_free(all);
	world_close_end(&w);
}

static void files_are_no_directories(void)
{
	struct list part = { .room = 20 };
	struct sfs_readdir r = { .fill = take, .arg = &part };

	world_begin_open(&w, "hash-u64be");
	r.node = world_resolve(&w, "shards/00000/info.json");
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_E_NOT_DIR);
	sfs_fs_forget(w.fs, r.node, 1);
	r.node = world_resolve(&w, ".shardyfs/status");
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_E_NOT_DIR);
	sfs_fs_forget(w.fs, r.node, 1);
	world_close_end(&w);
}

static struct list *want;
static uint64_t shared_node;
static atomic_int wrong;

static void *list_it(void *arg)
{
	struct list *l;

	for (size_t room = 5 + (uintptr_t)arg; room < 200; room += 40) {
		l = list_from(shared_node, 0, room, room % 2 == 0);
		if (!is_same(want, l, 0))
			atomic_fetch_add(&wrong, 1);
		list_free(l);
	}
	return NULL;
}

static void threads_may_list_one_directory_at_once(void)
{
	pthread_t threads[THREADS];

	world_begin(&w, "hash-u64be");
	w.fs_config.listing = true;
	w.pool_max = 1;
	IS_INT(world_open(&w), SFS_OK);
	shared_node = world_resolve(&w, "keys");
	want = list_from(shared_node, 0, ENTRIES_MAX, false);
	for (uintptr_t i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, list_it, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	IS_INT(atomic_load(&wrong), 0);
	list_free(want);
	sfs_fs_forget(w.fs, shared_node, 1);
	IS_INT(world_status(&w, "open_snapshots"), 0);
	world_close_end(&w);
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &w.err), SFS_OK);
	RUN(each_name_comes_once_whatever_the_buffer);
	RUN(keys_of_many_and_of_empty_shards_are_listed);
	RUN(all_shards_together_hold_what_keys_holds);
	RUN(a_cookie_can_be_used_again);
	RUN(nonsense_for_a_cookie_ends_the_listing);
	RUN(inode_numbers_are_unique_and_what_stat_says);
	RUN(inode_numbers_are_the_same_after_a_remount);
	RUN(reused_slots_do_not_confuse_listings);
	RUN(a_switch_lets_go_of_broken_off_listings);
	RUN(keys_are_not_listed_where_that_is_switched_off);
	RUN(names_too_long_for_the_kernel_are_counted);
	RUN(files_are_no_directories);
	RUN(threads_may_list_one_directory_at_once);
	return tap_done();
}
