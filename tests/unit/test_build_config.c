/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a build: what is taken, what is refused and with which
 * words, and that a printed file says the same again.
 */
#include "base/alloc.h"
#include "build/build_config.h"
#include "unit/tap.h"

#include <stdlib.h>

static struct sfs_build_config config;
static struct sfs_err err;

static enum sfs_rc parse(const char *text)
{
	sfs_build_config_init(&config);
	memset(&err, 0, sizeof(err));
	return sfs_build_config_parse(&config, text, strlen(text), &err);
}

static void the_defaults_are_those_of_the_format(void)
{
	IS_INT(parse(""), SFS_OK);
	IS_INT(config.key_encoding, SFS_KEY_U64BE);
	IS_INT(config.num_dbs, 8);
	IS_INT(config.max_keys_per_shard, 0);
	IS_INT(config.page_size, 4096);
	IS_INT(config.shard_retry, 3);
	OK(!config.skip_bad_records);
	IS_STR(config.key_col, "_key");
	IS_STR(config.shard_prefix, "shards");
	IS_STR(config.db_path_template, "db={db_id:05d}");
	IS_STR(config.custom, "{}");
}

static void every_setting_is_read(void)
{
	IS_INT(parse("# a comment\n"
	             "key_encoding: utf8\n"
	             "num_dbs: 1048576\n"
	             "page_size: 65536\n"
	             "shard_retry: 0\n"
	             "on_bad_record: skip\n"
	             "key_col: user id\n"
	             "shard_prefix: s-1\n"
	             "db_path_template: a/{db_id}/b\n"
	             "custom: '{\"team\": \"it''s\", \"n\": [1, {}]}'\n"),
	       SFS_OK);
	IS_INT(config.key_encoding, SFS_KEY_UTF8);
	IS_INT(config.num_dbs, 1048576);
	IS_INT(config.page_size, 65536);
	IS_INT(config.shard_retry, 0);
	OK(config.skip_bad_records);
	IS_STR(config.key_col, "user id");
	IS_STR(config.shard_prefix, "s-1");
	IS_STR(config.db_path_template, "a/{db_id}/b");
	IS_STR(config.custom, "{\"team\": \"it's\", \"n\": [1, {}]}");
}

static void the_two_ways_to_size_shards_replace_each_other(void)
{
	IS_INT(parse("max_keys_per_shard: 9223372036854775807\n"), SFS_OK);
	IS_INT(config.num_dbs, 0);
	OK(config.max_keys_per_shard == INT64_MAX);
	IS_INT(sfs_build_config_parse(&config, "num_dbs: 3", 10, &err), SFS_OK);
	IS_INT(config.num_dbs, 3);
	IS_INT(config.max_keys_per_shard, 0);
}

static void settings_that_are_not_named_stay(void)
{
	IS_INT(parse("num_dbs: 5\nkey_col: k\n"), SFS_OK);
	IS_INT(sfs_build_config_parse(&config, "page_size: auto\n", 16, &err),
	       SFS_OK);
	IS_INT(config.num_dbs, 5);
	IS_STR(config.key_col, "k");
	IS_INT(config.page_size, 0);
}

static void every_page_size_of_the_format_is_taken(void)
{
	static const unsigned sizes[] = { 4096, 8192, 16384, 32768, 65536 };
	char text[64];
	size_t i;

	for (i = 0; i < 5; i++) {
		(void)snprintf(text, sizeof(text), "page_size: %u", sizes[i]);
		IS_INT(parse(text), SFS_OK);
		IS_INT(config.page_size, sizes[i]);
	}
}

static void every_encoding_is_taken(void)
{
	IS_INT(parse("key_encoding: u64be"), SFS_OK);
	IS_INT(parse("key_encoding: u32be"), SFS_OK);
	IS_INT(config.key_encoding, SFS_KEY_U32BE);
	IS_INT(parse("key_encoding: 'utf8'"), SFS_OK);
	IS_INT(parse("key_encoding: raw"), SFS_OK);
	IS_INT(config.key_encoding, SFS_KEY_RAW);
}

struct fault {
	const char *text;
	const char *place;
	const char *says;
};

static const struct fault FAULTS[] = {
	{ "num_dbs: 8\n\nnum_db: 4\n",
	  "config.yaml:3: num_db: ", "did you mean num_dbs?" },
	{ "Page-Size: 4096\n",
	  "config.yaml:1: Page-Size: ", "did you mean page_size?" },
	{ "compression: zstd\n", "config.yaml:1: compression: ",
	  "no such setting; there are key_encoding, num_dbs, " },
	{ "\nnum_dbs: 0\n", "config.yaml:2: num_dbs: ", "from 1 to 1048576" },
	{ "num_dbs: 1048577", "config.yaml:1: num_dbs: ", "from 1 to 1048576" },
	{ "num_dbs: -1", "config.yaml:1: num_dbs: ", "not \"-1\"" },
	{ "num_dbs: 8.0", "config.yaml:1: num_dbs: ", "not \"8.0\"" },
	{ "num_dbs: 0x10", "config.yaml:1: num_dbs: ", "not \"0x10\"" },
	{ "num_dbs: 18446744073709551617",
	  "config.yaml:1: num_dbs: ", "from 1 to" },
	{ "num_dbs:\n", "config.yaml:1: num_dbs: ", "has no value" },
	{ "num_dbs: [8]\n", "config.yaml:1: num_dbs: ", "must be one value" },
	{ "num_dbs: 8\nkey_col: k\nnum_dbs: 8\n",
	  "config.yaml:3: num_dbs: ", "given in line 1 already" },
	{ "num_dbs: 8\nmax_keys_per_shard: 100\n",
	  "config.yaml:2: max_keys_per_shard: ",
	  "contradicts num_dbs in line 1" },
	{ "max_keys_per_shard: 100\nnum_dbs: 8\n", "config.yaml:2: num_dbs: ",
	  "contradicts max_keys_per_shard in line 1" },
	{ "max_keys_per_shard: 0\n",
	  "config.yaml:1: max_keys_per_shard: ", "from 1" },
	{ "max_keys_per_shard: 9223372036854775808\n",
	  "config.yaml:1: max_keys_per_shard: ", "whole number" },
	{ "page_size: 2048", "config.yaml:1: page_size: ",
	  "must be 4096, 8192, 16384, 32768, 65536 or auto, not \"2048\"" },
	{ "page_size: 5000", "config.yaml:1: page_size: ", "or auto" },
	{ "page_size: 131072", "config.yaml:1: page_size: ", "or auto" },
	{ "page_size: 4k", "config.yaml:1: page_size: ", "not \"4k\"" },
	{ "page_size: 0", "config.yaml:1: page_size: ", "or auto" },
	{ "key_encoding: u64", "config.yaml:1: key_encoding: ",
	  "must be u64be, u32be, utf8 or raw, not \"u64\"" },
	{ "shard_retry: 11", "config.yaml:1: shard_retry: ", "from 0 to 10" },
	{ "shard_retry: -1", "config.yaml:1: shard_retry: ", "from 0 to 10" },
	{ "on_bad_record: ignore", "config.yaml:1: on_bad_record: ",
	  "must be refuse or skip, not \"ignore\"" },
	{ "key_col: ''", "config.yaml:1: key_col: ", "has no value" },
	{ "key_col: \"a\\tb\"",
	  "config.yaml:1: key_col: ", "control character" },
	{ "shard_prefix: a/b",
	  "config.yaml:1: shard_prefix: ", "must be one name" },
	{ "shard_prefix: ..",
	  "config.yaml:1: shard_prefix: ", "must be one name" },
	{ "shard_prefix: manifests",
	  "config.yaml:1: shard_prefix: ", "the place of other objects" },
	{ "shard_prefix: .lock",
	  "config.yaml:1: shard_prefix: ", "the place of other objects" },
	{ "db_path_template: db", "config.yaml:1: db_path_template: ",
	  "with {db_id} or {db_id:05d} in it" },
	{ "db_path_template: 'db={db_id:5d}'",
	  "config.yaml:1: db_path_template: ", "with {db_id}" },
	{ "db_path_template: 'db={id}'",
	  "config.yaml:1: db_path_template: ", "such as \"db={db_id:05d}\"" },
	{ "db_path_template: '../{db_id}'",
	  "config.yaml:1: db_path_template: ", "must be a short path" },
	{ "db_path_template: '/{db_id}'",
	  "config.yaml:1: db_path_template: ", "must be a short path" },
	{ "db_path_template: '{db_id:099d}{db_id:099d}{db_id:099d}"
	  "{db_id:099d}{db_id:099d}'",
	  "config.yaml:1: db_path_template: ", "must be a short path" },
	{ "custom: {a: 1}", "config.yaml:1: custom: ",
	  "in quotes, such as '{\"team\": \"search\"}', not a YAML mapping" },
	{ "custom: '[1]'", "config.yaml:1: custom: ", "must be a JSON object" },
	{ "\n\ncustom: '{\"a\": }'", "config.yaml:3: custom: ", "column 7" },
	{ "custom: '{\"a\": 1} x'",
	  "config.yaml:1: custom: ", "bytes behind the document" },
	{ "custom: '{\"a\": \"\\ud800\"}'",
	  "config.yaml:1: custom: ", "surrogate" },
	{ "custom: '{\"vector\": {}}'",
	  "config.yaml:1: custom: ", "vector is for the program to write" },
	{ "custom: '{\"a\": 1, \"shardyfs\": 0}'",
	  "config.yaml:1: custom: ", "shardyfs is for the program to write" },
	{ "num_dbs 8\n", "config.yaml:1: ", "not YAML" },
	{ "num_dbs: 1\nkey_col: a: b\n",
	  "config.yaml:2: ", "not YAML, column" },
	{ "# x\n# y\nkey_col: \xff\n", "config.yaml:3: ", "not YAML" },
	{ "num_dbs: &a 8\nshard_retry: *a\n",
	  "config.yaml:2: ", "aliases are not supported" },
	{ "num_dbs: 8\n---\nnum_dbs: 9\n",
	  "config.yaml:2: ", "a second document" },
};

static void each_fault_is_refused_with_its_line_and_remedy(void)
{
	struct sfs_build_config before;
	size_t i;

	sfs_build_config_init(&before);
	for (i = 0; i < sizeof(FAULTS) / sizeof(FAULTS[0]); i++) {
		IS_INT(parse(FAULTS[i].text), SFS_E_INVALID);
		if (strncmp(err.msg, FAULTS[i].place,
		            strlen(FAULTS[i].place)) != 0)
			TAP_FAIL("\"%s\" does not begin with \"%s\"", err.msg,
			         FAULTS[i].place);
		HAS_STR(err.msg, FAULTS[i].says);
		OK(memcmp(&before, &config, sizeof(config)) == 0);
	}
}

static void a_fault_changes_nothing_of_what_came_before(void)
{
	static const char text[] = "num_dbs: 9\nkey_col: x\npage_size: 1\n";

	IS_INT(parse("num_dbs: 5\n"), SFS_OK);
	IS_INT(sfs_build_config_parse(&config, text, strlen(text), &err),
	       SFS_E_INVALID);
	IS_INT(config.num_dbs, 5);
	IS_STR(config.key_col, "_key");
}

static void texts_that_are_too_long_are_refused(void)
{
	static char text[SFS_BUILD_CONFIG_MAX_BYTES + 2];
	const size_t max = SFS_BUILD_CONFIG_MAX_BYTES;

	memset(text, ' ', sizeof(text));
	sfs_build_config_init(&config);
	IS_INT(sfs_build_config_parse(&config, text, max, &err), SFS_OK);
	IS_INT(sfs_build_config_parse(&config, text, max + 1, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "config.yaml: has 1048577 bytes");
	(void)snprintf(text, sizeof(text), "key_col: %0256d", 1);
	IS_INT(parse(text), SFS_E_INVALID);
	HAS_STR(err.msg, "has 256 bytes, must have 1 to 255");
	(void)snprintf(text, sizeof(text), "key_col: %0255d", 1);
	IS_INT(parse(text), SFS_OK);
	(void)snprintf(text, sizeof(text), "custom: '{\"a\": \"%016384d\"}'",
	               1);
	IS_INT(parse(text), SFS_E_INVALID);
	HAS_STR(err.msg, "must have at most 16383");
}

static void check_printed(const char *text)
{
	struct sfs_buf out = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	struct sfs_build_config first;

	IS_INT(parse(text), SFS_OK);
	first = config;
	sfs_build_config_print(&first, &out);
	IS_INT(parse(out.data), SFS_OK);
	IS_STR(err.msg, "");
	OK(memcmp(&first, &config, sizeof(config)) == 0);
	if (memcmp(&first, &config, sizeof(config)) != 0)
		printf("# %s\n", out.data);
	sfs_buf_release(&out);
}

static void what_is_printed_is_read_as_the_same(void)
{
	check_printed("");
	check_printed("max_keys_per_shard: 1000\npage_size: auto\n"
	              "on_bad_record: skip\nkey_encoding: raw\n");
	check_printed("key_col: 'it''s \"a\" \\ #: {x'\n");
	check_printed("key_col: \"caf\\u00e9 \\U0001F600\"\n");
	check_printed("shard_prefix: 1e5\ndb_path_template: '{db_id}'\n");
	check_printed("shard_prefix: 'null'\n");
	check_printed("custom: '{\"it''s\": \"a\\\\b \\\" # \xc3\xa9\"}'\n");
	check_printed(
		"custom: |\n  {\n    \"a\": 1,\n    \"b\": [\"c\"]\n  }\n");
}

/* YAML cannot hold U+0085 and its like as they are. */
static void characters_that_yaml_lacks_come_back_too(void)
{
	check_printed("key_col: \"a\\u0085b\\u2028c\\uFEFFd\\u009Fe\"\n");
	IS_STR(config.key_col, "a\xc2\x85"
	                       "b\xe2\x80\xa8"
	                       "c\xef\xbb\xbf"
	                       "d\xc2\x9f"
	                       "e");
	IS_INT(parse("custom: \"{\\\"a\\\": \\\"\\u0085\\uFEFF\\\"}\"\n"),
	       SFS_OK);
}

static void every_setting_is_printed(void)
{
	static const char *const names[] = {
		"key_encoding: u64be\n",
		"num_dbs: 8\n",
		"# max_keys_per_shard: ",
		"page_size: 4096\n",
		"shard_retry: 3\n",
		"on_bad_record: refuse\n",
		"key_col: \"_key\"\n",
		"shard_prefix: \"shards\"\n",
		"db_path_template: \"db={db_id:05d}\"\n",
		"custom: '{}'\n",
	};
	struct sfs_buf out = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	size_t i;

	sfs_build_config_init(&config);
	sfs_build_config_print(&config, &out);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		HAS_STR(out.data, names[i]);
	sfs_buf_release(&out);
}

static struct sfs_manifest base_of(char *texts[3])
{
	struct sfs_manifest base = {
		.num_dbs = 64,
		.key_col = texts[0],
		.shard_prefix = texts[1],
		.db_path_template = texts[2],
		.key_encoding = SFS_KEY_UTF8,
		.routing.strategy = SFS_STRATEGY_HASH,
	};

	return base;
}

static char KEY_COL[] = "id";
static char PREFIX[] = "parts";
static char TEMPLATE[] = "p{db_id}";
static char ODD[] = "{db_id:>5}";

static void a_base_fixes_what_its_shards_depend_on(void)
{
	char *texts[] = { KEY_COL, PREFIX, TEMPLATE };
	struct sfs_manifest base = base_of(texts);

	IS_INT(parse("max_keys_per_shard: 5\npage_size: 8192\n"), SFS_OK);
	IS_INT(sfs_build_config_from_base(&config, &base, &err), SFS_OK);
	IS_INT(config.num_dbs, 64);
	IS_INT(config.max_keys_per_shard, 0);
	IS_INT(config.key_encoding, SFS_KEY_UTF8);
	IS_STR(config.key_col, "id");
	IS_STR(config.shard_prefix, "parts");
	IS_STR(config.db_path_template, "p{db_id}");
	IS_INT(config.page_size, 8192);
	IS_INT(sfs_build_config_check_base(&config, &base, &err), SFS_OK);
}

static void a_base_that_cannot_be_written_like_is_unsupported(void)
{
	char *texts[] = { KEY_COL, PREFIX, ODD };
	struct sfs_manifest base = base_of(texts);

	sfs_build_config_init(&config);
	IS_INT(sfs_build_config_from_base(&config, &base, &err),
	       SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "db_path_template");
	IS_INT(config.num_dbs, 8);
}

static void check_contradiction(const char *text, const char *says)
{
	char *texts[] = { KEY_COL, PREFIX, TEMPLATE };
	struct sfs_manifest base = base_of(texts);

	sfs_build_config_init(&config);
	IS_INT(sfs_build_config_from_base(&config, &base, &err), SFS_OK);
	IS_INT(sfs_build_config_parse(&config, text, strlen(text), &err),
	       SFS_OK);
	IS_INT(sfs_build_config_check_base(&config, &base, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, says);
}

static void what_contradicts_the_base_is_refused_by_name(void)
{
	check_contradiction("num_dbs: 8", "num_dbs is \"8\", and the base has "
	                                  "\"64\"");
	check_contradiction("max_keys_per_shard: 8", "set num_dbs: 64");
	check_contradiction("key_encoding: raw", "key_encoding is \"raw\"");
	check_contradiction("key_col: x", "key_col is \"x\"");
	check_contradiction("shard_prefix: x", "shard_prefix is \"x\"");
	check_contradiction("db_path_template: '{db_id}'",
	                    "db_path_template is \"{db_id}\"");
}

static void memory_that_is_out_is_no_fault_of_the_file(void)
{
	unsigned long before, nth;
	enum sfs_rc rc;

	for (nth = 1;; nth++) {
		before = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(nth);
		rc = parse("custom: '{\"a\": \"b\"}'\n");
		sfs_alloc_fail_nth(0);
		if (sfs_alloc_fault_count() == before)
			break;
		IS_INT(rc, SFS_E_NO_MEMORY);
		HAS_STR(err.msg, "out of memory");
	}
	OK(nth > 2);
	IS_INT(rc, SFS_OK);
}

int main(void)
{
	RUN(the_defaults_are_those_of_the_format);
	RUN(every_setting_is_read);
	RUN(the_two_ways_to_size_shards_replace_each_other);
	RUN(settings_that_are_not_named_stay);
	RUN(every_page_size_of_the_format_is_taken);
	RUN(every_encoding_is_taken);
	RUN(each_fault_is_refused_with_its_line_and_remedy);
	RUN(a_fault_changes_nothing_of_what_came_before);
	RUN(texts_that_are_too_long_are_refused);
	RUN(what_is_printed_is_read_as_the_same);
	RUN(characters_that_yaml_lacks_come_back_too);
	RUN(every_setting_is_printed);
	RUN(a_base_fixes_what_its_shards_depend_on);
	RUN(a_base_that_cannot_be_written_like_is_unsupported);
	RUN(what_contradicts_the_base_is_refused_by_name);
	RUN(memory_that_is_out_is_no_fault_of_the_file);
	return tap_done();
}
