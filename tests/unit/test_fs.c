/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree without a mount: names, nodes, attributes and contents, against
 * golden stores.
 */
#include "base/log.h"
#include "unit/tree.h"

/* True if the file holds the row's value, read in pieces. */
static bool holds(uint64_t node, const struct golden_row *row)
{
	size_t cap = row->value_len + 16;
	char *buf = malloc(cap);
	enum sfs_rc rc = SFS_OK;
	size_t len = 0;
	size_t got = 1;
	bool same;

	if (buf == NULL)
		abort();
	while (rc == SFS_OK && got > 0 && len < cap) {
		rc = sfs_fs_read(w.fs, node, len, buf + len,
		                 cap - len < 4096 ? cap - len : 4096, &got,
		                 NULL, &w.err);
		len += got;
	}
	same = rc == SFS_OK && golden_is_value(row, buf, len) &&
	       attr_of(node).size == row->value_len;
	free(buf);
	return same;
}

static uint64_t shard_keys(const char *before, uint32_t db_id)
{
	char path[WORLD_PATH_BYTES];
	int len;

	len = snprintf(path, sizeof(path), "%sshards/%05u/keys", before, db_id);
	if (len < 0 || (size_t)len >= sizeof(path))
		return 0;
	return world_resolve(&w, path);
}

static void forget(uint64_t node)
{
	sfs_fs_forget(w.fs, node, 1);
}

static void check_present(const struct golden_row *row)
{
	char path[WORLD_PATH_BYTES];
	const char *name = name_of(row);
	struct sfs_entry entry;
	uint64_t dirs[4];
	uint64_t node = 0;

	if (name == NULL)
		return;
	(void)snprintf(path, sizeof(path), "snapshots/%s/", id_text(0));
	dirs[1] = shard_keys(path, row->db_id);
	(void)snprintf(path, sizeof(path), "snapshots/%s/keys", id_text(0));
	dirs[2] = world_resolve(&w, path);
	dirs[0] = world_resolve(&w, "keys");
	dirs[3] = shard_keys("", row->db_id);
	for (int i = 0; i < 4; i++) {
		IS_INT(sfs_fs_lookup(w.fs, dirs[i], name, &entry, NULL, &w.err),
		       SFS_OK);
		OK(entry.node != 0 && (node == 0 || entry.node == node));
		IS_INT(entry.attr.size, row->value_len);
		IS_INT(entry.attr.mode, S_IFREG | 0444);
		IS_INT(entry.entry_ttl, SFS_TTL_FOREVER);
		IS_INT(entry.attr_ttl, SFS_TTL_FOREVER);
		OK(attr_of(entry.node).ino == entry.attr.ino);
		node = entry.node;
		forget(node);
	}
	if (!holds(node, row))
		TAP_FAIL("keys/%s does not hold its value", name);
	for (int i = 0; i < 4; i++)
		forget(dirs[i]);
}

static void check_absent(uint64_t keys, const struct golden_row *row)
{
	const char *name = name_of(row);
	struct sfs_entry entry;

	if (name == NULL)
		return;
	IS_INT(sfs_fs_lookup(w.fs, keys, name, &entry, NULL, &w.err), SFS_OK);
	IS_INT(entry.node, 0);
	IS_INT(entry.entry_ttl, SFS_TTL_FOREVER);
}

static void check_store(const char *store, size_t step)
{
	uint64_t keys;

	begin(store);
	for (size_t i = 0; i < present; i += step)
		check_present(&golden.rows[i]);
	keys = world_resolve(&w, "keys");
	OK(golden.count > present);
	for (size_t i = present; i < golden.count; i++)
		check_absent(keys, &golden.rows[i]);
	forget(keys);
	IS_INT(world_status(&w, "open_snapshots"), 0);
	end();
}

static void every_golden_key_is_the_same_file_wherever_it_is_seen(void)
{
	check_store("hash-u64be", 3);
	check_store("hash-u32be", 1);
	check_store("hash-utf8", 1);
	check_store("hash-raw", 1);
	check_store("hash-pages", 1);
	check_store("hash-sparse", 1);
	check_store("hash-layout", 1);
}

static void a_key_is_not_in_another_shards_directory(void)
{
	uint64_t keys;

	begin("hash-u64be");
	for (uint32_t d = 0; d < 8; d++) {
		keys = shard_keys("", d);
		OK((world_lookup(&w, keys, name_of(&golden.rows[0])) != 0) ==
		   (golden.rows[0].db_id == d));
		forget(keys);
	}
	end();
}

static void names_that_are_no_key_are_absent_for_ever(void)
{
	static const char *const names[] = { "x", "007", "-1", "1 ", ".git" };
	struct sfs_entry entry;
	uint64_t keys;

	begin("hash-u64be");
	keys = world_resolve(&w, "keys");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		IS_INT(sfs_fs_lookup(w.fs, keys, names[i], &entry, NULL,
		                     &w.err),
		       SFS_OK);
		IS_INT(entry.node, 0);
		IS_INT(entry.entry_ttl, SFS_TTL_FOREVER);
	}
	forget(keys);
	end();
}

static void other_names_of_the_tree_are_not_found(void)
{
	static const char *const paths[] = {
		"nothing",           "snapshots/nothing",  "runs/nothing",
		".shardyfs/nothing", "shards/00008",       "shards/0",
		"shards/000000",     "shards/99999999999",
	};

	begin("hash-u64be");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (world_resolve(&w, paths[i]) != 0)
			TAP_FAIL("%s is there", paths[i]);
	}
	OK(world_resolve(&w, "snapshots/20261121T054919.000000Z-x") == 0);
	end();
}

static void directories_differ_between_views_and_are_stable_in_one(void)
{
	char path[WORLD_PATH_BYTES];
	uint64_t a;
	uint64_t b;
	uint64_t c;

	begin("hash-u64be");
	a = world_resolve(&w, "shards/00003");
	b = world_resolve(&w, "shards/00003");
	(void)snprintf(path, sizeof(path), "snapshots/%s/shards/00003",
	               id_text(0));
	c = world_resolve(&w, path);
	OK(a != 0 && c != 0);
	OK(a == b);
	OK(a != c);
	OK(attr_of(a).ino != attr_of(c).ino);
	IS_INT(world_status(&w, "open_snapshots"), 1);
	forget(a);
	forget(b);
	IS_INT(world_status(&w, "open_snapshots"), 1);
	forget(c);
	IS_INT(world_status(&w, "open_snapshots"), 0);
	end();
}

static void a_node_of_a_closed_snapshot_is_stale(void)
{
	struct sfs_attr attr;
	enum sfs_ttl ttl;
	uint64_t node;

	begin("hash-u64be");
	node = world_resolve(&w, "keys");
	forget(node);
	IS_INT(sfs_fs_getattr(w.fs, node, &attr, &ttl, NULL, &w.err),
	       SFS_E_STALE);
	end();
}

static void attributes_are_those_of_the_snapshot(void)
{
	struct sfs_snapshot_id id;
	struct sfs_attr attr;
	uint64_t node;

	world_begin(&w, "hash-u64be");
	w.fs_config.uid = 12;
	w.fs_config.gid = 34;
	w.fs_config.file_mask = 0077;
	w.fs_config.dir_mask = 0007;
	IS_INT(world_open(&w), SFS_OK);
	id = world_id(&w, 0);
	node = world_resolve(&w, "keys");
	attr = attr_of(node);
	IS_INT(attr.mode, S_IFDIR | 0550);
	IS_INT(attr.uid, 12);
	IS_INT(attr.gid, 34);
	OK(attr.time_ns == id.published_at_ns);
	forget(node);
	IS_INT(attr_of(SFS_FS_ROOT).mode, S_IFDIR | 0750);
	world_close(&w);
	w.fs_config.read_only = true;
	IS_INT(world_open(&w), SFS_OK);
	IS_INT(attr_of(SFS_FS_ROOT).mode, S_IFDIR | 0550);
	node = world_resolve(&w, "shards/00000/shard.db");
	attr = attr_of(node);
	IS_INT(attr.mode, S_IFREG | 0400);
	OK(attr.size > 0 && attr.size % 4096 == 0);
	forget(node);
	world_close_end(&w);
}

static void wrong_kinds_of_nodes_are_refused(void)
{
	struct sfs_entry entry;
	uint64_t keys;
	uint64_t file;
	char buf[8];
	size_t got;

	begin("hash-u64be");
	keys = world_resolve(&w, "keys");
	file = world_lookup(&w, keys, name_of(&golden.rows[0]));
	IS_INT(sfs_fs_lookup(w.fs, file, "x", &entry, NULL, &w.err),
	       SFS_E_NOT_DIR);
	IS_INT(sfs_fs_read(w.fs, keys, 0, buf, 8, &got, NULL, &w.err),
	       SFS_E_IS_DIR);
	IS_INT(sfs_fs_read(w.fs, SFS_FS_ROOT, 0, buf, 8, &got, NULL, &w.err),
	       SFS_E_IS_DIR);
	IS_INT(sfs_fs_readlink(w.fs, keys, buf, 8, &w.err), SFS_E_INVALID);
	IS_INT(sfs_fs_write(w.fs, file, "x", 1, &w.err), SFS_E_READ_ONLY);
	OK(!sfs_fs_is_writable(w.fs, file));
	forget(file);
	file = world_resolve(&w, "shards/00000/info.json");
	IS_INT(sfs_fs_lookup(w.fs, file, "x", &entry, NULL, &w.err),
	       SFS_E_NOT_DIR);
	forget(file);
	forget(keys);
	end();
}

static void current_is_a_link_to_the_snapshot(void)
{
	char want[WORLD_PATH_BYTES];
	char target[512];
	uint64_t node;

	begin("history");
	node = world_resolve(&w, "current");
	IS_INT(sfs_fs_readlink(w.fs, node, target, sizeof(target), &w.err),
	       SFS_OK);
	(void)snprintf(want, sizeof(want), "snapshots/%s", id_text(0));
	IS_STR(target, want);
	IS_INT(attr_of(node).size, strlen(want));
	OK(S_ISLNK(attr_of(node).mode));
	forget(node);
	end();
}

static void raw_objects_are_read_through(void)
{
	struct testdata d;
	char path[WORLD_PATH_BYTES];
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_snapshot_id id;
	uint64_t node;
	char *buf;
	size_t got = 0;

	begin("losers");
	id = world_id(&w, 0);
	sfs_snapshot_id_manifest_key(&id, key);
	(void)snprintf(path, sizeof(path), "golden/losers/tree/%s", key);
	d = testdata_read(path);
	(void)snprintf(path, sizeof(path), "snapshots/%s/manifest", id_text(0));
	node = world_resolve(&w, path);
	IS_INT(attr_of(node).size, d.len);
	buf = malloc(d.len + 1);
	IS_INT(sfs_fs_read(w.fs, node, 0, buf, d.len + 1, &got, NULL, &w.err),
	       SFS_OK);
	OK(got == d.len && memcmp(buf, d.bytes, got) == 0);
	forget(node);
	free(buf);
	free(d.bytes);
	HAS_STR(world_text(&w, "_CURRENT"), "\"manifest_ref\"");
	(void)snprintf(path, sizeof(path), "snapshots/%s/info.json",
	               id_text(0));
	HAS_STR(world_text(&w, path), "\"num_dbs\": 3");
	HAS_STR(world_text(&w, "shards/00001/info.json"), "\"attempt\": 1");
	end();
}

/* The cache of one text: two files, read in turns and in pieces. */
static void generated_files_read_the_same_whatever_the_order(void)
{
	static char whole[2][65536];
	char path[WORLD_PATH_BYTES];
	uint64_t nodes[2];
	size_t sizes[2];
	char part[100];
	size_t got;

	begin("hash-u64be");
	(void)snprintf(path, sizeof(path), "snapshots/%s/manifest.json",
	               id_text(0));
	nodes[0] = world_resolve(&w, path);
	nodes[1] = world_resolve(&w, "shards/00002/info.json");
	for (int i = 0; i < 2; i++) {
		IS_INT(sfs_fs_read(w.fs, nodes[i], 0, whole[i],
		                   sizeof(whole[i]), &sizes[i], NULL, &w.err),
		       SFS_OK);
		IS_INT(sizes[i], attr_of(nodes[i]).size);
	}
	for (size_t at = 0; at < sizes[0]; at += sizeof(part)) {
		for (int i = 0; i < 2; i++) {
			IS_INT(sfs_fs_read(w.fs, nodes[i], at, part,
			                   sizeof(part), &got, NULL, &w.err),
			       SFS_OK);
			OK(got == 0 || memcmp(part, whole[i] + at, got) == 0);
			OK(got == sizeof(part) || at + got >= sizes[i]);
		}
	}
	forget(nodes[0]);
	forget(nodes[1]);
	end();
}

static void run_records_are_frozen_as_they_are(void)
{
	static const char run[] = "runs/2026-11-21T05:49:25.533655Z_run_id="
				  "nightly-2026.01_bad_"
				  "269801771fb74f59b3c5a6b4f43938ea";
	char path[WORLD_PATH_BYTES];
	uint64_t node;
	char buf[64];
	size_t got;

	begin("runs");
	(void)snprintf(path, sizeof(path), "%s/run.yaml", run);
	HAS_STR(world_text(&w, path), "status: failed");
	node = world_resolve(&w, path);
	world_put(&w, path, "changed", 7);
	IS_INT(sfs_fs_read(w.fs, node, 0, buf, sizeof(buf), &got, NULL, &w.err),
	       SFS_OK);
	IS_INT(got, sizeof(buf));
	forget(node);
	IS_STR(world_text(&w, path), "changed");
	end();
}

static void pinned_nodes_keep_their_bytes_across_a_switch(void)
{
	struct sfs_snapshot_id old;
	uint64_t keys;
	uint64_t file;
	uint64_t now;

	begin("history");
	old = world_id(&w, 3);
	IS_INT(sfs_tracker_start(w.tracker, &w.err), SFS_OK);
	keys = world_resolve(&w, "keys");
	file = world_lookup(&w, keys, name_of(&golden.rows[0]));
	world_point(&w, "s3://golden/history", &old);
	world_look(&w);
	now = world_resolve(&w, "keys");
	OK(now != keys && now != 0);
	OK(holds(file, &golden.rows[0]));
	IS_INT(world_status(&w, "open_snapshots"), 2);
	IS_INT(world_status(&w, "generation"), 2);
	forget(keys);
	OK(holds(file, &golden.rows[0]));
	forget(file);
	IS_INT(world_status(&w, "open_snapshots"), 1);
	forget(now);
	end();
}

static void what_was_deleted_behind_a_node_is_stale(void)
{
	char path[WORLD_PATH_BYTES];
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_snapshot_id id;
	struct sfs_entry entry;
	uint64_t node;
	uint64_t dir;
	uint64_t keys;
	char buf[8];
	size_t got;

	begin("history");
	id = world_id(&w, 2);
	(void)snprintf(path, sizeof(path), "snapshots/%s", id_text(2));
	dir = world_resolve(&w, path);
	node = world_lookup(&w, dir, "manifest");
	keys = world_lookup(&w, dir, "keys");
	sfs_snapshot_id_manifest_key(&id, key);
	IS_INT(w.store->ops->delete (w.store, key, NULL, &w.err), SFS_OK);
	IS_INT(sfs_fs_read(w.fs, node, 0, buf, 8, &got, NULL, &w.err),
	       SFS_E_STALE);
	(void)snprintf(path, sizeof(path),
	               "shards/run_id=%s/db=00000/attempt=00/shard.db",
	               id.run_id);
	IS_INT(w.store->ops->delete (w.store, path, NULL, &w.err), SFS_OK);
	(void)snprintf(path, sizeof(path),
	               "shards/run_id=%s/db=00001/attempt=00/shard.db",
	               id.run_id);
	IS_INT(w.store->ops->delete (w.store, path, NULL, &w.err), SFS_OK);
	IS_INT(sfs_fs_lookup(w.fs, keys, "1", &entry, NULL, &w.err),
	       SFS_E_STALE);
	forget(node);
	forget(keys);
	IS_INT(sfs_fs_lookup(w.fs, dir, "keys", &entry, NULL, &w.err),
	       SFS_E_STALE);
	end();
}

static void an_empty_store_is_an_empty_tree(void)
{
	struct sfs_statfs facts;

	world_begin(&w, "");
	w.tracker_config.may_be_empty = true;
	IS_INT(world_open(&w), SFS_OK);
	OK(world_resolve(&w, "keys") == 0);
	IS_INT(w.err.rc, SFS_E_NOT_FOUND);
	OK(world_resolve(&w, "_CURRENT") == 0);
	OK(world_resolve(&w, "snapshots") != 0);
	HAS_STR(world_text(&w, ".shardyfs/health"), "nothing is published");
	sfs_fs_statfs(w.fs, &facts);
	IS_INT(facts.files, 0);
	world_close_end(&w);
}

static void statfs_counts_what_the_manifest_says(void)
{
	struct sfs_statfs facts;

	begin("hash-u64be");
	sfs_fs_set_name_max(w.fs, 1024);
	sfs_fs_statfs(w.fs, &facts);
	OK(facts.files >= present);
	OK(facts.bytes > 0);
	IS_INT(facts.name_max, 1024);
	end();
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &w.err), SFS_OK);
	RUN(every_golden_key_is_the_same_file_wherever_it_is_seen);
	RUN(a_key_is_not_in_another_shards_directory);
	RUN(names_that_are_no_key_are_absent_for_ever);
	RUN(other_names_of_the_tree_are_not_found);
	RUN(directories_differ_between_views_and_are_stable_in_one);
	RUN(a_node_of_a_closed_snapshot_is_stale);
	RUN(attributes_are_those_of_the_snapshot);
	RUN(wrong_kinds_of_nodes_are_refused);
	RUN(current_is_a_link_to_the_snapshot);
	RUN(raw_objects_are_read_through);
	RUN(generated_files_read_the_same_whatever_the_order);
	RUN(run_records_are_frozen_as_they_are);
	RUN(pinned_nodes_keep_their_bytes_across_a_switch);
	RUN(what_was_deleted_behind_a_node_is_stale);
	RUN(an_empty_store_is_an_empty_tree);
	RUN(statfs_counts_what_the_manifest_says);
	return tap_done();
}
