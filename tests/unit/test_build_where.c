/* SPDX-License-Identifier: Apache-2.0 */
/* Files with columns, and the directories that they make, without an engine. */
#include "unit/stage.h"

#include "build/where.h"

#include <linux/fs.h>

#define WHERE SFS_BUILD_WHERE
#define B "\x1f" /* between columns and key */
#define TWO                                                           \
	"cel: 'shard_hash(region + string(tier)) % 4u'\nnum_dbs: 4\n" \
	"cel_columns: {tier: int, region: string}\n"

static void config(const char *text)
{
	IS_INT(put_file(TOP, "config.yaml", text), SFS_OK);
}

static enum sfs_rc try_file(const char *name)
{
	return try_open(WHERE, name, O_CREAT | O_WRONLY);
}

static const char *list_where(const char *path, bool is_keys)
{
	static char text[4096];
	struct sfs_build_names names;
	size_t len = 0;

	text[0] = '\0';
	if (sfs_build_where_list(b, path, is_keys, &names, &err) != SFS_OK)
		return sfs_rc_name(err.rc);
	for (size_t i = 0; i < names.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ",
		                        names.names[i]);
	sfs_build_names_release(&names);
	return text;
}

/* The columns of a path as names have them, or why there are none. */
static const char *columns_of(const char *path)
{
	static char text[4096];
	struct sfs_build_where w;
	enum sfs_rc rc = sfs_build_where_enter(b, path, &w, &err);

	(void)snprintf(text, sizeof(text), "%s%s",
	               rc == SFS_OK ? w.prefix : err.msg,
	               rc == SFS_OK && w.has_keys ? "keys" : "");
	for (char *at = text; *at != '\0'; at++) {
		if (*at == SFS_WHERE_BETWEEN)
			*at = '|';
	}
	sfs_build_where_release(&w);
	return text;
}

static void a_directory_is_its_columns_in_any_order(void)
{
	OK(!sfs_build_has_where(b));
	config(TWO);
	OK(sfs_build_has_where(b));
	IS_STR(columns_of(""), "");
	IS_STR(columns_of("tier=2"), "tier=2|");
	IS_STR(columns_of("tier=002/region=eu"), "region=eu|tier=2|keys");
	IS_STR(columns_of("region=%65u/tier=-1"), "region=eu|tier=-1|keys");
	IS_STR(columns_of("region=/tier=0"), "region=%|tier=0|keys");
	HAS_STR(columns_of("regoin=eu"), "did you mean region?");
	HAS_STR(columns_of("tier=x"), "\"x\" is no int");
	HAS_STR(columns_of("tier=1/tier=2"), "twice");
	HAS_STR(columns_of("keys"), "is not COLUMN=VALUE");
	HAS_STR(columns_of("region=a" B "b"), "%1F");
	HAS_STR(columns_of("key=1"), "the name of the file");
}

static void a_name_has_all_columns_and_one_spelling(void)
{
	config(TWO);
	IS_INT(try_file("region=eu" B "tier=2" B "k"), SFS_OK);
	IS_INT(try_file("region=eu" B "tier=2" B ".scratch"), SFS_OK);
	IS_INT(try_file("region=eu" B "k"), SFS_E_INVALID);
	HAS_STR(err.msg, "where/region=eu: column tier is missing");
	IS_INT(try_file("tier=2" B "region=eu" B "k"), SFS_E_INVALID);
	HAS_STR(err.msg, "another spelling");
	IS_INT(try_file("region=eu" B "tier=2" B "%41"), SFS_E_INVALID);
	HAS_STR(err.msg, "where/region=eu/tier=2/keys/%41: write it as A");
	IS_INT(try_file("k"), SFS_E_INVALID);
	IS_INT(try_file("region=eu" B "tier=2" B), SFS_E_INVALID);
	IS_INT(put_file(WHERE, "region=eu" B "tier=2" B "k", "text"), SFS_OK);
	IS_STR(get_file(WHERE, "region=eu" B "tier=2" B "k"), "text");
	IS_INT(try_open(WHERE, "region=eu" B "tier=2" B "none", O_RDONLY),
	       SFS_E_NOT_FOUND);
	HAS_STR(err.msg, "where/region=eu/tier=2/keys/none");
}

static void directories_show_what_leads_to_files(void)
{
	config(TWO);
	IS_STR(list_where("", false), "");
	IS_STR(list_where("region=eu/tier=1", false), "keys ");
	IS_INT(try_file("region=eu" B "tier=2" B "a"), SFS_OK);
	IS_INT(try_file("region=eu" B "tier=2" B "b"), SFS_OK);
	IS_INT(try_file("region=eu" B "tier=20" B "c"), SFS_OK);
	IS_INT(try_file("region=us" B "tier=2" B "d"), SFS_OK);
	IS_STR(list_where("", false), "region=eu region=us ");
	IS_STR(list_where("region=eu", false), "tier=2 tier=20 ");
	IS_STR(list_where("tier=2", false), "region=eu region=us ");
	IS_STR(list_where("tier=2/region=eu", false), "keys ");
	IS_STR(list_where("tier=2/region=eu", true), "a b ");
	IS_STR(list_where("region=eu/tier=3", true), "");
	IS_INT(sfs_build_where_check_empty(b, "tier=20", false, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "not empty");
	IS_INT(sfs_build_where_check_empty(b, "tier=3", false, &err), SFS_OK);
	IS_INT(sfs_build_unlink(b, WHERE, "region=eu" B "tier=20" B "c", &err),
	       SFS_OK);
	IS_INT(sfs_build_where_check_empty(b, "tier=20", false, &err), SFS_OK);
}

static void columns_that_are_gone_still_lead_to_files(void)
{
	config(TWO);
	IS_INT(try_file("region=eu" B "tier=2" B "a"), SFS_OK);
	config("num_dbs: 2\n");
	OK(sfs_build_has_where(b));
	IS_STR(list_where("", false), "region=eu ");
	IS_STR(list_where("region=eu", false), "tier=2 keys ");
	IS_STR(list_where("region=eu/tier=2", true), "a ");
	IS_STR(list_where("region=us", false), "invalid");
	IS_INT(try_file("region=eu" B "tier=2" B "b"), SFS_E_INVALID);
	HAS_STR(err.msg, "see cel in config.yaml");
	IS_INT(rename_file(WHERE, "region=eu" B "tier=2" B "a", KEYS, "a", 0),
	       SFS_OK);
	OK(!sfs_build_has_where(b));
	IS_STR(list_dir(KEYS), "a ");
}

static void the_next_owner_finds_them(void)
{
	const char *columns = "region=eu" B "tier=2" B;
	const struct sfs_build_place removed = { WHERE,
		                                 "region=us" B "tier=1" B "k" };
	char name[400];

	config(TWO);
	(void)snprintf(name, sizeof(name), "%s%0300d", columns, 7);
	IS_INT(put_file(WHERE, name, "long"), SFS_OK);
	IS_INT(put_file(KEYS, "k", "plain"), SFS_OK);
	IS_INT(rename_file(KEYS, "k", WHERE, "region=us" B "tier=1" B "k", 0),
	       SFS_OK);
	IS_INT(sfs_build_remove_key(b, &removed, &err), SFS_OK);
	OK(sfs_build_is_removed(b, removed.name));
	OK(!sfs_build_is_removed(b, "k"));
	IS_INT(sfs_build_sync_dir(b, WHERE, &err), SFS_OK);
	stage_again();
	IS_STR(get_file(WHERE, name), "long");
	IS_STR(get_file(WHERE, removed.name), "plain");
	OK(sfs_build_is_removed(b, removed.name));
	IS_STR(list_where("", false), "region=eu region=us ");
	OK(!is_on_disk("job/keys/k"));
}

static void values_are_as_small_as_in_keys(void)
{
	static char large[(1 << 20) + 1];
	const char *name = "region=eu" B "tier=2" B "k";
	struct sfs_staged_file *f;

	config(TWO);
	f = open_staged(WHERE, name, O_CREAT | O_WRONLY);
	IS_INT(sfs_staged_write(f, 0, false, large, sizeof(large), &err),
	       SFS_E_TOO_BIG);
	sfs_staged_close(f);
	IS_INT(put_file(TOP, ".x", "1"), SFS_OK);
	IS_INT(sfs_build_truncate(b, TOP, ".x", sizeof(large), &err), SFS_OK);
	IS_INT(rename_file(TOP, ".x", WHERE, name, 0), SFS_E_TOO_BIG);
	HAS_STR(err.msg, "where/region=eu/tier=2/keys/k: larger");
}

static void a_build_with_such_files_is_not_empty(void)
{
	config(TWO);
	IS_INT(try_file("region=eu" B "tier=2" B "a"), SFS_OK);
	IS_INT(sfs_build_unlink(b, TOP, "config.yaml", &err), SFS_OK);
	IS_INT(sfs_area_discard(area, b, false, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "not empty: where/region=eu/tier=2/keys/a");
}

int main(void)
{
	RUN_STAGED(a_directory_is_its_columns_in_any_order);
	RUN_STAGED(a_name_has_all_columns_and_one_spelling);
	RUN_STAGED(directories_show_what_leads_to_files);
	RUN_STAGED(columns_that_are_gone_still_lead_to_files);
	RUN_STAGED(the_next_owner_finds_them);
	RUN_STAGED(values_are_as_small_as_in_keys);
	RUN_STAGED(a_build_with_such_files_is_not_empty);
	return tap_done();
}
