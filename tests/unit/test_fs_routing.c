/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What routing by CEL adds to the tree, without a mount: where/, routes/, and
 * the listing of keys that may be in any shard.
 */
#include "base/log.h"
#include "unit/tree.h"

enum { ENTRIES_MAX = 400 };

struct list {
	uint8_t keys[ENTRIES_MAX][64]; /* names */
	uint64_t cookies[ENTRIES_MAX];
	size_t count;
	size_t room;
};

static bool take(void *arg, const char *name, const struct sfs_entry *entry,
                 uint64_t next_cookie)
{
	struct list *l = arg;

	(void)entry;
	if (l->room == 0 || l->count == ENTRIES_MAX)
		return false;
	l->room--;
	(void)snprintf((char *)l->keys[l->count], sizeof(l->keys[0]), "%s",
	               name);
	l->cookies[l->count++] = next_cookie;
	return true;
}

static void list_from(uint64_t node, uint64_t cookie, size_t room,
                      struct list *l)
{
	struct sfs_readdir r = { node, cookie, false, take, l, NULL };
	size_t before;

	*l = (struct list){ .count = 0 };
	do {
		l->room = room;
		before = l->count;
		IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_OK);
		if (l->count > 0)
			r.cookie = l->cookies[l->count - 1];
	} while (l->count > before);
}

static void forget(uint64_t node)
{
	sfs_fs_forget(w.fs, node, 1);
}

static struct sfs_entry entry_of(uint64_t parent, const char *name,
                                 enum sfs_rc want)
{
	struct sfs_entry entry = { 0 };

	IS_INT(sfs_fs_lookup(w.fs, parent, name, &entry, NULL, &w.err), want);
	return entry;
}

static void directories_of_columns_are_nodes_of_their_own(void)
{
	struct sfs_entry eu;
	struct sfs_entry again;
	struct sfs_entry keys;
	uint64_t where;
	uint64_t key;

	begin("cel-categorical-str");
	where = world_resolve(&w, "where");
	OK(where != 0);
	eu = entry_of(where, "region=eu", SFS_OK);
	again = entry_of(where, "region=eu", SFS_OK);
	OK(eu.node != 0 && eu.node == again.node);
	IS_INT(eu.attr.mode, S_IFDIR | 0555);
	IS_INT(eu.entry_ttl, SFS_TTL_FOREVER);
	OK(attr_of(eu.node).ino == eu.attr.ino);
	keys = entry_of(eu.node, "keys", SFS_OK);
	OK(keys.node != 0 && keys.attr.ino != eu.attr.ino);
	IS_INT(world_status(&w, "where_directories"), 2);
	key = world_lookup(&w, keys.node, name_of(&golden.rows[0]));
	forget(where);
	forget(eu.node);
	IS_INT(world_status(&w, "where_directories"), 2);
	forget(again.node);
	forget(keys.node);
	IS_INT(world_status(&w, "where_directories"), 0);
	sfs_fs_forget(w.fs, key, key != 0);
	IS_INT(world_status(&w, "open_snapshots"), 0);
	end();
}

static void what_cannot_be_is_not_found_and_explained(void)
{
	static const struct {
		const char *name;
		const char *why;
	} names[] = {
		{ "region", "is not COLUMN=VALUE" },
		{ "regoin=eu", "did you mean region?" },
		{ "region=%e", "hexadecimal" },
		{ "keys", "column region is missing" },
	};
	struct sfs_entry entry;
	uint64_t where;

	begin("cel-categorical-str");
	where = world_resolve(&w, "where");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		entry = entry_of(where, names[i].name, SFS_E_NOT_FOUND);
		IS_INT(entry.node, 0);
		HAS_STR(world_text(&w, ".shardyfs/last_error"), names[i].why);
	}
	(void)entry_of(where, ".git", SFS_E_NOT_FOUND);
	HAS_STR(world_text(&w, ".shardyfs/last_error"), "region is missing");
	entry = entry_of(where, "region=eu", SFS_OK);
	(void)entry_of(entry.node, "region=us", SFS_E_NOT_FOUND);
	HAS_STR(world_text(&w, ".shardyfs/last_error"), "is there twice");
	forget(entry.node);
	forget(where);
	end();
}

static void a_value_that_no_shard_has_is_absent_for_ever(void)
{
	struct sfs_entry entry;
	uint64_t keys;

	begin("cel-categorical-str");
	keys = world_resolve(&w, "where/region=mars/keys");
	OK(keys != 0);
	entry = entry_of(keys, name_of(&golden.rows[0]), SFS_OK);
	IS_INT(entry.node, 0);
	IS_INT(entry.entry_ttl, SFS_TTL_FOREVER);
	forget(keys);
	keys = world_resolve(&w, "routes");
	entry = entry_of(keys, "mars", SFS_OK);
	IS_INT(entry.node, 0);
	IS_INT(entry.entry_ttl, SFS_TTL_FOREVER);
	forget(keys);
	end();
}

static void routes_are_links_to_shards_in_their_order(void)
{
	static struct list l;
	char target[64];
	uint64_t routes;
	uint64_t link;

	begin("cel-categorical-int"); /* routing values 2, 0, 1 */
	routes = world_resolve(&w, "routes");
	for (size_t room = 1; room < 6; room++) {
		list_from(routes, 0, room, &l);
		IS_INT(l.count, 5);
		IS_STR((char *)l.keys[2], "2");
		IS_STR((char *)l.keys[3], "0");
		IS_STR((char *)l.keys[4], "1");
	}
	link = world_lookup(&w, routes, "1");
	IS_INT(sfs_fs_readlink(w.fs, link, target, sizeof(target), &w.err),
	       SFS_OK);
	IS_STR(target, "../shards/00002");
	OK(S_ISLNK(attr_of(link).mode));
	IS_INT(attr_of(link).size, strlen(target));
	forget(link);
	OK(world_lookup(&w, routes, "01") == 0);
	OK(world_lookup(&w, routes, "+1") == 0);
	OK(world_lookup(&w, routes, " 1") == 0);
	OK(world_lookup(&w, routes, "18446744073709551617") == 0);
	forget(routes);
	end();
}

static int by_key(const void *a, const void *b)
{
	const struct golden_row *x = a;
	const struct golden_row *y = b;
	size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
	int order = memcmp(x->key.data, y->key.data, len);

	return order != 0 ? order : (x->key.len > y->key.len) * 2 - 1;
}

/* In one sequence, from any cookie, whatever the buffer. */
static void keys_of_all_shards_are_listed_in_their_order(void)
{
	static struct list whole;
	static struct list part;
	uint64_t keys;

	begin("cel-direct-columns");
	qsort(golden.rows, present, sizeof(*golden.rows), by_key);
	keys = world_resolve(&w, "keys");
	list_from(keys, 0, ENTRIES_MAX, &whole);
	IS_INT(whole.count, present + 2);
	for (size_t i = 0; i < present; i++)
		IS_STR((char *)whole.keys[i + 2], name_of(&golden.rows[i]));
	for (size_t at = 0; at < whole.count; at += 7) {
		list_from(keys, whole.cookies[at], at + 1, &part);
		IS_INT(part.count, whole.count - at - 1);
		for (size_t i = 0; i < part.count; i++)
			OK(memcmp(part.keys[i], whole.keys[at + 1 + i],
			          sizeof(part.keys[0])) == 0);
	}
	forget(keys);
	end();
}

static void keys_below_where_are_not_listed(void)
{
	static struct list l;
	struct sfs_readdir r = { 0, 0, false, take, &l, NULL };
	uint64_t dir;

	begin("cel-categorical-str");
	dir = world_resolve(&w, "where/region=eu");
	IS_INT(sfs_fs_opendir(w.fs, dir, &w.err), SFS_OK);
	list_from(dir, 0, 1, &l);
	IS_INT(l.count, 3);
	IS_STR((char *)l.keys[2], "keys");
	forget(dir);
	dir = world_resolve(&w, "where");
	list_from(dir, 0, 1, &l);
	IS_INT(l.count, 2);
	forget(dir);
	r.node = world_resolve(&w, "where/region=eu/keys");
	IS_INT(sfs_fs_opendir(w.fs, r.node, &w.err), SFS_E_UNSUPPORTED);
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_E_UNSUPPORTED);
	HAS_STR(w.err.msg, "read them by name");
	forget(r.node);
	end();
}

static void with_too_many_shards_columns_are_needed(void)
{
	struct sfs_entry entry;
	uint64_t keys;

	world_begin(&w, "cel-direct-columns");
	w.fs_config.listing = true;
	w.source.fanout_max = 3;
	IS_INT(world_open(&w), SFS_OK);
	keys = world_resolve(&w, "keys");
	IS_INT(sfs_fs_lookup(w.fs, keys, "x", &entry, NULL, &w.err),
	       SFS_E_INVALID);
	IS_INT(sfs_fs_opendir(w.fs, keys, &w.err), SFS_E_INVALID);
	forget(keys);
	keys = world_resolve(&w, "shards/00001/keys");
	IS_INT(sfs_fs_opendir(w.fs, keys, &w.err), SFS_OK);
	forget(keys);
	keys = world_resolve(&w, "where/region=eu/tier=1/keys");
	IS_INT(sfs_fs_lookup(w.fs, keys, "x", &entry, NULL, &w.err), SFS_OK);
	forget(keys);
	world_close_end(&w);
}

static void attributes_tell_how_keys_are_routed(void)
{
	struct sfs_buf out = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	uint64_t node;

	begin("cel-categorical-str");
	node = world_resolve(&w, "where/region=eu/keys");
	IS_INT(sfs_fs_getxattr(w.fs, node, "user.shardyfs.expression", &out,
	                       NULL, &w.err),
	       SFS_OK);
	IS_STR(out.data, "region");
	IS_INT(sfs_fs_getxattr(w.fs, node, "user.shardyfs.shard", &out, NULL,
	                       &w.err),
	       SFS_E_NO_ATTR);
	forget(node);
	sfs_buf_reset(&out);
	node = world_resolve(&w, "shards/00001/keys");
	IS_INT(sfs_fs_getxattr(w.fs, node, "user.shardyfs.routing_value", &out,
	                       NULL, &w.err),
	       SFS_OK);
	IS_STR(out.data, "eu");
	forget(node);
	HAS_STR(world_text(&w, ".shardyfs/status"), "\nstrategy: cel\n");
	HAS_STR(world_text(&w, ".shardyfs/status"), "\nrouting_values: 4\n");
	end();
	begin("hash-one");
	IS_INT(sfs_fs_getxattr(w.fs, SFS_FS_ROOT, "user.shardyfs.expression",
	                       &out, NULL, &w.err),
	       SFS_E_NO_ATTR);
	HAS_STR(world_text(&w, ".shardyfs/status"), "\nstrategy: hash\n");
	OK(world_resolve(&w, "where") == 0);
	OK(world_resolve(&w, "routes") == 0);
	end();
	sfs_buf_release(&out);
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &w.err), SFS_OK);
	RUN(directories_of_columns_are_nodes_of_their_own);
	RUN(what_cannot_be_is_not_found_and_explained);
	RUN(a_value_that_no_shard_has_is_absent_for_ever);
	RUN(routes_are_links_to_shards_in_their_order);
	RUN(keys_of_all_shards_are_listed_in_their_order);
	RUN(keys_below_where_are_not_listed);
	RUN(with_too_many_shards_columns_are_needed);
	RUN(attributes_tell_how_keys_are_routed);
	return tap_done();
}
