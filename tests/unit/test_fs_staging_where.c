/* SPDX-License-Identifier: Apache-2.0 */
/* where/ of a build as operations on nodes, without a mount. */
#include "unit/stagetree.h"

#define SETTINGS                                                   \
	"cel: 'region + string(tier)'\nrouting_values: inferred\n" \
	"cel_columns: {region: string, tier: int}\n"

static uint64_t build;

static void configure(const char *text)
{
	struct sfs_creation wish = { build, "config.yaml", O_RDWR | O_TRUNC,
		                     0644 };
	struct sfs_writing writing = { 0, false, text, strlen(text) };
	struct sfs_open_info info = { 0 };
	struct sfs_entry entry;

	IS_INT(sfs_fs_create(w.fs, &wish, &entry, &info, &w.err), SFS_OK);
	IS_INT(sfs_fs_file_write(w.fs, info.file, &writing, NULL, &w.err),
	       SFS_OK);
	IS_INT(sfs_fs_file_flush(w.fs, info.file, NULL, &w.err), SFS_OK);
	sfs_fs_release(w.fs, info.file);
}

static void begin_where(void)
{
	begin_area("");
	build = make_build("a");
	configure(SETTINGS);
}

/* The node of a path below the build; 0: none. */
static uint64_t at(const char *path)
{
	uint64_t node = build;
	char name[256];
	size_t len;

	for (; node != 0 && *path != '\0'; path += len) {
		path += *path == '/';
		len = strcspn(path, "/");
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, path);
		node = world_lookup(&w, node, name);
	}
	return node;
}

static bool note_name(void *arg, const char *name,
                      const struct sfs_entry *entry, uint64_t next_cookie)
{
	char *names = arg;
	size_t len = strlen(names);

	(void)entry;
	(void)next_cookie;
	if (name[0] != '.')
		(void)snprintf(names + len, 256 - len, "%s ", name);
	return true;
}

static const char *list(uint64_t node)
{
	static char names[256];
	struct sfs_readdir r = { .node = node,
		                 .fill = note_name,
		                 .arg = names };

	names[0] = '\0';
	r.children = sfs_children_new(w.fs);
	IS_INT(sfs_fs_readdir(w.fs, &r, NULL, &w.err), SFS_OK);
	sfs_children_free(w.fs, r.children);
	return names;
}

static void directories_are_there_or_cannot_be(void)
{
	struct sfs_entry entry;
	uint64_t where;

	begin_area("");
	build = make_build("a");
	IS_INT(at("where"), 0);
	IS_INT(sfs_fs_mkdir(w.fs, build, "where", &entry, NULL, &w.err),
	       SFS_E_INVALID);
	HAS_STR(w.err.msg, "see cel in config.yaml");
	configure(SETTINGS);
	where = at("where");
	OK(where != 0);
	HAS_STR(list(build), "where");
	IS_INT(sfs_fs_mkdir(w.fs, build, "where", &entry, NULL, &w.err),
	       SFS_E_EXISTS);
	IS_INT(sfs_fs_lookup(w.fs, where, "tier=1", &entry, NULL, &w.err),
	       SFS_OK);
	IS_INT(entry.entry_ttl, SFS_TTL_SHORT);
	OK(S_ISDIR(entry.attr.mode));
	OK(at("where/tier=1/region=eu/keys") != 0);
	OK(at("where/region=eu/tier=1") != at("where/tier=1/region=eu"));
	IS_INT(sfs_fs_lookup(w.fs, where, "teir=1", &entry, NULL, &w.err),
	       SFS_E_NOT_FOUND);
	HAS_STR(w.err.msg, "did you mean tier?");
	HAS_STR(world_text(&w, ".shardyfs/last_error"), "did you mean tier?");
	IS_INT(sfs_fs_lookup(w.fs, where, "keys", &entry, NULL, &w.err),
	       SFS_E_NOT_FOUND);
	HAS_STR(w.err.msg, "is missing");
	IS_INT(sfs_fs_mkdir(w.fs, where, "tier=1", &entry, NULL, &w.err),
	       SFS_E_EXISTS);
	IS_INT(sfs_fs_mkdir(w.fs, where, "tier=x", &entry, NULL, &w.err),
	       SFS_E_INVALID);
	IS_INT(sfs_fs_mkdir(w.fs, at("where/tier=1/region=eu/keys"), "x",
	                    &entry, NULL, &w.err),
	       SFS_E_FORBIDDEN);
	end_area();
}

static void a_file_is_one_in_any_order_of_columns(void)
{
	struct sfs_entry entry;
	uint64_t one;
	uint64_t eu;

	begin_where();
	eu = at("where/tier=1/region=eu/keys");
	one = make_file(eu, "1", "one");
	IS_INT(at("where/region=eu/tier=01/keys/1"), one);
	IS_INT(sfs_fs_lookup(w.fs, eu, "1", &entry, NULL, &w.err), SFS_OK);
	IS_INT(entry.entry_ttl, SFS_TTL_NONE);
	IS_INT(at("where/region=us/tier=1/keys/1"), 0);
	IS_INT(at("keys/1"), 0);
	IS_STR(list(at("where")), "region=eu ");
	IS_STR(list(at("where/tier=1")), "region=eu ");
	IS_STR(list(eu), "1 ");
	IS_INT(rename_to(eu, "1", at("where/region=us/tier=2/keys"), "2", 0),
	       SFS_OK);
	IS_INT(at("where/tier=2/region=us/keys/2"), one);
	IS_STR(read_node(one), "one");
	IS_STR(list(at("where")), "region=us ");
	IS_INT(sfs_fs_unlink(w.fs, at("where/tier=2/region=us/keys"), "2", NULL,
	                     &w.err),
	       SFS_OK);
	IS_INT(at("where/region=us/tier=2/keys/2"), 0);
	end_area();
}

static void only_keys_hold_files(void)
{
	struct sfs_creation wish = { 0, "x", O_RDWR, 0644 };
	struct sfs_entry entry;

	begin_where();
	wish.parent = at("where/tier=1");
	IS_INT(sfs_fs_create(w.fs, &wish, &entry, NULL, &w.err),
	       SFS_E_FORBIDDEN);
	HAS_STR(w.err.msg, "COLUMN=VALUE");
	wish.parent = build;
	wish.name = "where";
	IS_INT(sfs_fs_create(w.fs, &wish, &entry, NULL, &w.err),
	       SFS_E_FORBIDDEN);
	wish.parent = at("where/tier=1/region=eu/keys");
	wish.name = "01";
	IS_INT(sfs_fs_create(w.fs, &wish, &entry, NULL, &w.err), SFS_OK);
	wish.name = "a\x1f"
		    "b";
	IS_INT(sfs_fs_create(w.fs, &wish, &entry, NULL, &w.err), SFS_E_INVALID);
	IS_INT(rename_to(at("where/tier=1"), "region=eu", at("where/tier=1"),
	                 "region=us", 0),
	       SFS_E_FORBIDDEN);
	IS_INT(rename_to(build, "where", build, "x", 0), SFS_E_FORBIDDEN);
	end_area();
}

static void a_directory_with_files_below_stays(void)
{
	uint64_t where;
	uint64_t eu;

	begin_where();
	where = at("where");
	eu = at("where/region=eu");
	(void)make_file(at("where/region=eu/tier=1/keys"), "1", "one");
	IS_INT(sfs_fs_rmdir(w.fs, build, "where", &w.err), SFS_E_INVALID);
	IS_INT(sfs_fs_rmdir(w.fs, where, "region=eu", &w.err), SFS_E_INVALID);
	IS_INT(sfs_fs_rmdir(w.fs, where, "tier=1", &w.err), SFS_E_INVALID);
	IS_INT(sfs_fs_rmdir(w.fs, eu, "tier=2", &w.err), SFS_OK);
	IS_INT(sfs_fs_rmdir(w.fs, eu, "none=2", &w.err), SFS_E_NOT_FOUND);
	IS_INT(sfs_fs_rmdir(w.fs, staging, "a", &w.err), SFS_E_INVALID);
	IS_INT(sfs_fs_unlink(w.fs, at("where/region=eu/tier=1/keys"), "1", NULL,
	                     &w.err),
	       SFS_OK);
	IS_INT(sfs_fs_rmdir(w.fs, at("where/region=eu/tier=1"), "keys", &w.err),
	       SFS_OK);
	IS_INT(sfs_fs_rmdir(w.fs, eu, "tier=1", &w.err), SFS_OK);
	IS_INT(sfs_fs_rmdir(w.fs, where, "region=eu", &w.err), SFS_OK);
	OK(at("where/region=eu") != eu);
	IS_INT(sfs_fs_rmdir(w.fs, build, "where", &w.err), SFS_OK);
	OK(at("where") != 0 && at("where") != where);
	end_area();
}

static void a_base_is_shown_below_its_columns(void)
{
	struct sfs_setattr wish = { .has_size = true, .size = 1 };
	struct sfs_open_info info = { 0 };
	struct sfs_entry entry;
	struct sfs_attr attr;
	enum sfs_ttl ttl;
	uint64_t eu;
	uint64_t one;

	begin_where();
	eu = at("where/region=eu/tier=1/keys");
	(void)make_file(eu, "1", "one");
	(void)make_file(eu, "2", "two");
	(void)make_file(at("where/region=us/tier=1/keys"), "1", "us");
	IS_INT(rename_to(staging, "a", publish, "a", 0), SFS_OK);
	IS_STR(world_text(&w, "where/tier=1/region=us/keys/1"), "us");
	build = make_build("b");
	configure("num_dbs: 2\n");
	configure("");
	IS_INT(sfs_fs_symlink(w.fs, "../../current", build, "base", &entry,
	                      NULL, &w.err),
	       SFS_OK);
	eu = at("where/region=eu/tier=1/keys");
	OK(eu != 0);
	IS_STR(list(at("where")), "");
	IS_INT(sfs_fs_lookup(w.fs, eu, "1", &entry, NULL, &w.err), SFS_OK);
	one = entry.node;
	IS_INT(at("where/tier=1/region=eu/keys/1"), one);
	IS_INT(sfs_fs_open(w.fs, one, O_RDONLY, &info, NULL, &w.err), SFS_OK);
	IS_STR(read_handle(info.file), "one");
	IS_INT(sfs_fs_setattr(w.fs, one, &wish, &attr, &ttl, NULL, &w.err),
	       SFS_OK);
	IS_STR(read_handle(info.file), "o");
	sfs_fs_release(w.fs, info.file);
	IS_STR(list(eu), "1 ");
	IS_STR(read_node(at("where/region=us/tier=1/keys/1")), "us");
	IS_INT(rename_to(eu, "2", at("where/region=us/tier=1/keys"), "3", 0),
	       SFS_OK);
	IS_INT(at("where/region=eu/tier=1/keys/2"), 0);
	IS_INT(sfs_fs_unlink(w.fs, at("where/region=us/tier=1/keys"), "1", NULL,
	                     &w.err),
	       SFS_OK);
	IS_INT(at("where/tier=1/region=us/keys/1"), 0);
	IS_INT(rename_to(staging, "b", publish, "b", 0), SFS_OK);
	IS_STR(world_text(&w, "where/region=eu/tier=1/keys/1"), "o");
	IS_STR(world_text(&w, "where/region=eu/tier=1/keys/2"), "not_found");
	IS_STR(world_text(&w, "where/region=us/tier=1/keys/1"), "not_found");
	IS_STR(world_text(&w, "where/region=us/tier=1/keys/3"), "two");
	end_area();
}

int main(void)
{
	RUN(directories_are_there_or_cannot_be);
	RUN(a_file_is_one_in_any_order_of_columns);
	RUN(only_keys_hold_files);
	RUN(a_directory_with_files_below_stays);
	RUN(a_base_is_shown_below_its_columns);
	return tap_done();
}
