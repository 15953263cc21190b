/* SPDX-License-Identifier: Apache-2.0 */
/* Staging and publishing as operations on nodes, without a mount. */
#include "unit/stagetree.h"

static void nodes_follow_their_names(void)
{
	struct sfs_handle *file;
	uint64_t build;
	uint64_t keys;
	uint64_t one;
	uint64_t two;

	begin_area("");
	build = make_build("a");
	keys = world_lookup(&w, build, "keys");
	one = make_open(keys, "1", "one", &file);
	two = make_file(keys, "2", "two");
	OK(one != two);
	IS_INT(rename_to(keys, "1", keys, "3", 0), SFS_OK);
	IS_INT(world_lookup(&w, keys, "3"), one);
	IS_INT(world_lookup(&w, keys, "1"), 0);
	IS_INT(rename_to(keys, "3", keys, "2", RENAME_EXCHANGE), SFS_OK);
	IS_INT(world_lookup(&w, keys, "2"), one);
	IS_INT(world_lookup(&w, keys, "3"), two);
	IS_INT(rename_to(keys, "3", keys, "2", RENAME_NOREPLACE), SFS_E_EXISTS);
	IS_INT(rename_to(keys, "3", keys, "2", 0), SFS_OK);
	IS_INT(world_lookup(&w, keys, "2"), two);
	IS_STR(read_handle(file), "one");
	IS_INT(attr_of(one).size, 3);
	OK(attr_of(one).is_unlinked);
	sfs_fs_release(w.fs, file);
	end_area();
}

static void a_number_is_never_used_again(void)
{
	uint64_t build;
	uint64_t keys;
	uint64_t old;
	uint64_t new;

	begin_area("");
	build = make_build("a");
	keys = world_lookup(&w, build, "keys");
	old = make_file(keys, "1", "x");
	sfs_fs_forget(w.fs, old, 1);
	new = world_lookup(&w, keys, "1");
	OK(new != 0 && new != old);
	IS_INT(sfs_fs_unlink(w.fs, keys, "1", NULL, &w.err), SFS_OK);
	OK(make_file(keys, "1", "y") != new);
	end_area();
}

static void publishing_leaves_a_receipt_and_dead_nodes(void)
{
	struct sfs_creation wish = { 0, "2", O_RDWR, 0644 };
	struct sfs_open_info info;
	struct sfs_entry entry;
	uint64_t build;
	uint64_t keys;
	uint64_t link;
	char target[512];

	begin_area("");
	build = make_build("a");
	keys = world_lookup(&w, build, "keys");
	(void)make_file(keys, "1", "one");
	IS_INT(rename_to(staging, "a", publish, "r", RENAME_NOREPLACE), SFS_OK);
	IS_STR(world_text(&w, "keys/1"), "one");
	link = world_lookup(&w, publish, "r");
	IS_INT(sfs_fs_readlink(w.fs, link, target, sizeof(target), &w.err),
	       SFS_OK);
	HAS_STR(target, "../snapshots/");
	IS_INT(world_lookup(&w, staging, "a"), 0);
	wish.parent = keys;
	IS_INT(sfs_fs_create(w.fs, &wish, &entry, &info, &w.err), SFS_E_STALE);
	(void)make_build("b");
	IS_INT(rename_to(staging, "b", publish, "r", 0), SFS_E_EXISTS);
	IS_INT(sfs_fs_unlink(w.fs, publish, "r", NULL, &w.err), SFS_OK);
	IS_INT(world_lookup(&w, publish, "r"), 0);
	end_area();
}

static void a_base_is_shown_until_it_is_staged_over(void)
{
	struct sfs_open_info info = { 0 };
	struct sfs_setattr wish = { .has_size = true, .size = 1 };
	struct sfs_entry entry;
	struct sfs_attr attr;
	enum sfs_ttl ttl;
	uint64_t build;
	uint64_t keys;
	uint64_t one;

	begin_area("");
	keys = world_lookup(&w, make_build("a"), "keys");
	(void)make_file(keys, "1", "one");
	(void)make_file(keys, "2", "two");
	IS_INT(rename_to(staging, "a", publish, "a", 0), SFS_OK);
	build = make_build("b");
	keys = world_lookup(&w, build, "keys");
	IS_INT(world_lookup(&w, keys, "1"), 0);
	IS_INT(sfs_fs_symlink(w.fs, "../../current", build, "base", &entry,
	                      NULL, &w.err),
	       SFS_OK);
	IS_INT(sfs_fs_lookup(w.fs, keys, "1", &entry, NULL, &w.err), SFS_OK);
	one = entry.node;
	IS_INT(entry.attr_ttl, SFS_TTL_NONE);
	IS_INT(sfs_fs_open(w.fs, one, O_RDONLY, &info, NULL, &w.err), SFS_OK);
	OK(!info.keep_cache);
	IS_STR(read_handle(info.file), "one");
	IS_INT(sfs_fs_setattr(w.fs, one, &wish, &attr, &ttl, NULL, &w.err),
	       SFS_OK);
	IS_INT(attr.size, 1);
	IS_STR(read_handle(info.file), "o");
	sfs_fs_release(w.fs, info.file);
	IS_INT(sfs_fs_unlink(w.fs, keys, "1", NULL, &w.err), SFS_OK);
	IS_INT(world_lookup(&w, keys, "1"), 0);
	IS_INT(rename_to(keys, "2", keys, "20", 0), SFS_OK);
	IS_INT(world_lookup(&w, keys, "2"), 0);
	IS_STR(read_node(world_lookup(&w, keys, "20")), "two");
	IS_INT(rename_to(staging, "b", publish, "b", 0), SFS_OK);
	IS_STR(world_text(&w, "keys/20"), "two");
	IS_STR(world_text(&w, "keys/1"), "not_found");
	end_area();
}

static void what_is_refused_says_why(void)
{
	struct sfs_entry entry;
	uint64_t build;
	uint64_t keys;

	begin_area("");
	build = make_build("a");
	keys = world_lookup(&w, build, "keys");
	IS_INT(sfs_fs_mkdir(w.fs, publish, "x", &entry, NULL, &w.err),
	       SFS_E_FORBIDDEN);
	HAS_STR(w.err.msg, "mv staging/NAME publish/");
	IS_INT(sfs_fs_mkdir(w.fs, keys, "x", &entry, NULL, &w.err),
	       SFS_E_FORBIDDEN);
	HAS_STR(w.err.msg, "%2F");
	IS_INT(rename_to(keys, "1", publish, "x", 0), SFS_E_FORBIDDEN);
	IS_INT(rename_to(staging, "a", publish, "x", RENAME_EXCHANGE),
	       SFS_E_FORBIDDEN);
	IS_INT(rename_to(staging, "a", staging, "b", 0), SFS_E_FORBIDDEN);
	IS_INT(sfs_fs_symlink(w.fs, "/etc", build, "base", &entry, NULL,
	                      &w.err),
	       SFS_E_FORBIDDEN);
	IS_INT(sfs_fs_symlink(w.fs, "../../..", build, "base", &entry, NULL,
	                      &w.err),
	       SFS_E_FORBIDDEN);
	IS_INT(sfs_fs_mkdir(w.fs, SFS_FS_ROOT, "x", &entry, NULL, &w.err),
	       SFS_E_READ_ONLY);
	(void)make_file(keys, "1", "x");
	IS_INT(sfs_fs_rmdir(w.fs, staging, "a", &w.err), SFS_E_INVALID);
	IS_INT(sfs_fs_unlink(w.fs, keys, "1", NULL, &w.err), SFS_OK);
	IS_INT(sfs_fs_rmdir(w.fs, build, "keys", &w.err), SFS_OK);
	IS_INT(sfs_fs_mkdir(w.fs, build, "keys", &entry, NULL, &w.err), SFS_OK);
	end_area();
}

static bool note_name(void *arg, const char *name,
                      const struct sfs_entry *entry, uint64_t next_cookie)
{
	char *names = arg;
	size_t len = strlen(names);

	(void)next_cookie;
	OK(entry->attr.ino != 0 || name[0] == '.');
	if (name[0] != '.')
		(void)snprintf(names + len, 256 - len, "%s ", name);
	return true;
}

static void a_listing_stays_as_it_began(void)
{
	char names[256] = "";
	struct sfs_readdir r = { .fill = note_name, .arg = names };
	uint64_t keys;

	begin_area("");
	keys = world_lookup(&w, make_build("a"), "keys");
	(void)make_file(keys, "1", "x");
	(void)make_file(keys, "2", "x");
	r.node = keys;
	r.children = sfs_children_new(w.fs);
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_OK);
	IS_STR(names, "1 2 ");
	IS_INT(sfs_fs_unlink(w.fs, keys, "1", NULL, &w.err), SFS_OK);
	names[0] = '\0';
	r.cookie = 3;
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_OK);
	IS_STR(names, "2 ");
	names[0] = '\0';
	r.cookie = 0;
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_OK);
	IS_STR(names, "2 ");
	sfs_children_free(w.fs, r.children);
	end_area();
}

/* The kernel sends no RELEASEDIR any more; LeakSanitizer looks on. */
static void a_directory_may_be_open_when_the_mount_ends(void)
{
	char names[256] = "";
	struct sfs_readdir r = { .fill = note_name, .arg = names };

	begin_area("");
	r.node = world_lookup(&w, make_build("a"), "keys");
	(void)make_file(r.node, "1", "x");
	r.children = sfs_children_new(w.fs);
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_OK);
	IS_STR(names, "1 ");
	end_area();
}

static void renaming_a_link_over_current_rolls_back(void)
{
	struct sfs_entry entry;
	char target[600];
	char first[SFS_SNAPSHOT_ID_BYTES];
	uint64_t keys;

	begin_area("");
	keys = world_lookup(&w, make_build("a"), "keys");
	(void)make_file(keys, "1", "first");
	IS_INT(rename_to(staging, "a", publish, "a", 0), SFS_OK);
	(void)snprintf(first, sizeof(first), "%s", id_text(0));
	keys = world_lookup(&w, make_build("b"), "keys");
	(void)make_file(keys, "1", "second");
	IS_INT(rename_to(staging, "b", publish, "b", 0), SFS_OK);
	IS_STR(world_text(&w, "keys/1"), "second");
	(void)snprintf(target, sizeof(target), "snapshots/%s", first);
	IS_INT(sfs_fs_symlink(w.fs, target, SFS_FS_ROOT, "tmp", &entry, NULL,
	                      &w.err),
	       SFS_OK);
	IS_INT(rename_to(SFS_FS_ROOT, "tmp", SFS_FS_ROOT, "keys", 0),
	       SFS_E_READ_ONLY);
	IS_INT(rename_to(SFS_FS_ROOT, "tmp", SFS_FS_ROOT, "current", 0),
	       SFS_OK);
	IS_STR(world_text(&w, "keys/1"), "first");
	IS_INT(world_lookup(&w, SFS_FS_ROOT, "tmp"), 0);
	end_area();
}

/*
 * Whatever has no memory: the file is there and open, or not there. The areas'
 * threads take some of the failures.
 */
static void a_file_that_cannot_be_made_is_not_there(void)
{
	struct sfs_open_info info = { 0 };
	struct sfs_entry entry;
	unsigned failed = 0;
	uint64_t build;
	uint64_t keys;

	begin_area("");
	build = make_build("a");
	keys = world_lookup(&w, build, "keys");
	for (unsigned long n = 1; n <= 12; n++) {
		struct sfs_creation wish = { keys, "1", O_RDWR | O_EXCL, 0644 };
		enum sfs_rc rc;

		sfs_alloc_fail_nth(n);
		rc = sfs_fs_create(w.fs, &wish, &entry, &info, &w.err);
		sfs_alloc_fail_nth(0);
		if (rc == SFS_OK) {
			IS_INT(world_lookup(&w, keys, "1"), entry.node);
			sfs_fs_release(w.fs, info.file);
			sfs_fs_forget(w.fs, entry.node, 2);
			IS_INT(sfs_fs_unlink(w.fs, keys, "1", NULL, &w.err),
			       SFS_OK);
			continue;
		}
		IS_INT(rc, SFS_E_NO_MEMORY);
		IS_INT(world_lookup(&w, keys, "1"), 0);
		failed++;
	}
	OK(failed > 0);
	sfs_fs_forget(w.fs, keys, 1);
	sfs_fs_forget(w.fs, build, 1);
	end_area();
}

static bool tag_names(const char *name, const struct sfs_snapshot_id *wanted)
{
	struct sfs_catalog *c = w.source.catalog;
	struct sfs_snapshot_id id;

	return c->ops->get_tag(c, name, &id, NULL, &w.err) == SFS_OK &&
	       sfs_snapshot_id_compare(&id, wanted) == 0;
}

/* One call of the store after another fails, and all behind it. */
static void renaming_over_a_tag_never_loses_one(void)
{
	struct sfs_snapshot_id before;
	struct sfs_snapshot_id after;
	struct sfs_catalog *c;
	enum sfs_rc rc = SFS_E_IO;
	uint64_t tags;

	begin("history");
	c = w.source.catalog;
	before = world_id(&w, 1);
	after = world_id(&w, 0);
	tags = world_resolve(&w, "tags");
	for (uint64_t n = 1; rc != SFS_OK && n < 100; n++) {
		IS_INT(c->ops->set_tag(c, "v", &before, NULL, &w.err), SFS_OK);
		IS_INT(c->ops->set_tag(c, "new", &after, NULL, &w.err), SFS_OK);
		world_fault(&w, n, true, SFS_E_IO);
		rc = rename_to(tags, "new", tags, "v", 0);
		IS_INT(sfs_store_fault_count(w.store) > 0, rc != SFS_OK);
		world_fault(&w, 0, false, SFS_OK);
		if (rc == SFS_OK)
			continue;
		OK(tag_names("v", &before) || tag_names("v", &after));
		OK(tag_names("new", &after));
		IS_INT(rename_to(tags, "new", tags, "v", 0), SFS_OK);
	}
	IS_INT(rc, SFS_OK);
	OK(tag_names("v", &after));
	IS_INT(world_lookup(&w, tags, "new"), 0);
	end();
}

static void the_table_grows_and_shrinks(void)
{
	struct sfs_staged_table *t;
	struct sfs_staged_key key = { SFS_STAGED_FILE, SFS_BUILD_KEYS, NULL };
	struct sfs_build *build;
	struct sfs_site *site;
	char name[32];

	begin_area("");
	(void)make_build("a");
	build = sfs_area_find(area, "a");
	t = sfs_staged_table_new();
	site = sfs_site_enter(t, build);
	key.name = name;
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		OK(sfs_staged_enter(t, site, &key) != NULL);
	}
	IS_INT(sfs_staged_count(t), 5000);
	for (uint64_t i = 1; i <= 5000; i++)
		sfs_staged_forget(t, i, 1);
	IS_INT(sfs_staged_count(t), 0);
	OK(sfs_staged_at(t, 1) == NULL);
	sfs_site_leave(t, site);
	sfs_staged_table_free(t);
	sfs_build_unref(build);
	end_area();
}

int main(void)
{
	RUN(nodes_follow_their_names);
	RUN(a_number_is_never_used_again);
	RUN(publishing_leaves_a_receipt_and_dead_nodes);
	RUN(a_base_is_shown_until_it_is_staged_over);
	RUN(what_is_refused_says_why);
	RUN(a_listing_stays_as_it_began);
	RUN(a_directory_may_be_open_when_the_mount_ends);
	RUN(renaming_a_link_over_current_rolls_back);
	RUN(a_file_that_cannot_be_made_is_not_there);
	RUN(renaming_over_a_tag_never_loses_one);
	RUN(the_table_grows_and_shrinks);
	return tap_done();
}
