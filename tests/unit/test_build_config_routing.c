/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of routing: what they make, what is refused and where, and
 * that a printed file says the same again.
 */
#include "base/alloc.h"
#include "build/build_config.h"
#include "unit/tap.h"

static struct sfs_build_config config;
static struct sfs_err err;

static enum sfs_rc parse_more(const char *text)
{
	memset(&err, 0, sizeof(err));
	return sfs_build_config_parse(&config, text, strlen(text), &err);
}

static enum sfs_rc parse(const char *text)
{
	sfs_build_config_release(&config);
	sfs_build_config_init(&config);
	return parse_more(text);
}

static const char *sharding(void)
{
	if (config.placement == NULL)
		return "hash";
	return config.placement->text != NULL ? config.placement->text : "open";
}

static int mode(void)
{
	return config.placement != NULL ? (int)config.placement->mode : 0;
}

/* --- what is made ------------------------------------------------------------ */

static void without_them_keys_are_routed_by_hash(void)
{
	IS_INT(parse("num_dbs: 3\n"), SFS_OK);
	OK(config.placement == NULL);
	IS_INT(parse("sharding: hash\n"), SFS_OK);
	OK(config.placement == NULL);
	IS_INT(config.num_dbs, 8);
	IS_INT(parse("sharding: {strategy: hash}\n"), SFS_OK);
	OK(config.placement == NULL);
}

static void an_expression_yields_the_shard(void)
{
	IS_INT(parse("cel: shard_hash(key) % 8u\nnum_dbs: 8\n"), SFS_OK);
	IS_INT(mode(), SFS_PLACEMENT_DIRECT);
	IS_INT(config.num_dbs, 8);
	IS_STR(sharding(),
	       "{\"cel_columns\": {\"key\": \"int\"}, \"cel_expr\": "
	       "\"shard_hash(key) % 8u\", \"hash_algorithm\": \"xxh3_64\", "
	       "\"routing_values\": null, \"strategy\": \"cel\"}");
	IS_INT(parse("cel: shard_hash(key) % 8u\n"), SFS_OK);
	IS_INT(config.num_dbs, 0);
}

static void a_column_key_is_there_by_default(void)
{
	static const struct {
		const char *encoding;
		const char *type;
	} kinds[] = { { "u64be", "\"key\": \"int\"" },
		      { "u32be", "\"key\": \"int\"" },
		      { "utf8", "\"key\": \"string\"" },
		      { "raw", "\"key\": \"bytes\"" } };
	char text[128];

	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(text, sizeof(text),
		               "cel: shard_hash(key) %% 8u\n"
		               "key_encoding: %s\n",
		               kinds[i].encoding);
		IS_INT(parse(text), SFS_OK);
		HAS_STR(sharding(), kinds[i].type);
	}
}

static void values_are_texts_or_whole_numbers(void)
{
	IS_INT(parse("cel: region\ncel_columns: {region: string, tier: int}\n"
	             "routing_values:\n- us\n- \"1\"\n- no\n"),
	       SFS_OK);
	IS_INT(mode(), SFS_PLACEMENT_VALUES);
	IS_INT(config.num_dbs, 3);
	HAS_STR(sharding(), "{\"region\": \"string\", \"tier\": \"int\"}");
	HAS_STR(sharding(), "[\"us\", \"1\", \"no\"]");
	IS_INT(parse("cel: key % 3\nrouting_values: [-1, 0, 7u, "
	             "18446744073709551615]\nnum_dbs: 4\n"),
	       SFS_OK);
	HAS_STR(sharding(), "[-1, 0, 7, 18446744073709551615]");
}

static void values_may_be_left_to_the_data(void)
{
	IS_INT(parse("cel: region\ncel_columns: {region: string}\n"
	             "routing_values: inferred\n"),
	       SFS_OK);
	IS_INT(mode(), SFS_PLACEMENT_INFERRED);
	IS_INT(config.num_dbs, 0);
	IS_STR(sharding(), "open");
}

static void ranges_have_bounds_or_find_them(void)
{
	IS_INT(parse("sharding: {strategy: range, bounds: [1000, 65536]}\n"),
	       SFS_OK);
	IS_INT(mode(), SFS_PLACEMENT_BOUNDS);
	IS_INT(config.num_dbs, 3);
	HAS_STR(sharding(), "\"key < 65536 ? (key < 1000 ? 0 : 1) : 2\"");
	IS_INT(parse("key_encoding: utf8\nsharding:\n  strategy: range\n"
	             "  bounds:\n    - a%2Fb\n    - caf\xc3\xa9\n"),
	       SFS_OK);
	HAS_STR(sharding(), "key < \\\"a/b\\\"");
	IS_INT(parse("ranges: auto\n"), SFS_OK);
	IS_INT(mode(), SFS_PLACEMENT_QUANTILES);
	IS_INT(config.num_dbs, 8);
	IS_INT(parse("ranges: auto\nmax_keys_per_shard: 100\n"), SFS_OK);
	IS_INT(config.num_dbs, 0);
	IS_INT(config.max_keys_per_shard, 100);
}

/* --- what is refused ---------------------------------------------------------- */

static const struct {
	const char *text;
	const char *place;
	const char *says;
} FAULTS[] = {
	{ "cel: key +\n", "config.yaml:1: cel: ", "1:6" },
	{ "num_dbs: 8\ncel: region\n",
	  "config.yaml:2: cel: ", "to be named in cel_columns" },
	{ "cel: 'key > 3'\n", "config.yaml:1: cel: ", "yields bool" },
	{ "cel: shard_hash(key) % 8\n", "config.yaml:1: cel: ", "uint" },
	{ "cel: region\ncel_columns: {region: string}\n",
	  "config.yaml:1: cel: ", "add routing_values: inferred" },
	{ "key_encoding: raw\ncel: key\n",
	  "config.yaml:2: cel: ", "yields bytes" },
	{ "key_encoding: raw\ncel: key\nrouting_values: inferred\n",
	  "config.yaml:2: cel: ", "make it string or int" },
	{ "cel: [1]\n", "config.yaml:1: cel: ", "must be one value" },
	{ "cel: key\ncel_columns: {key: string}\n",
	  "config.yaml:1: cel: ", "which u64be keys are not" },
	{ "cel: a\ncel_columns:\n  a: int\n  b: text\n",
	  "config.yaml:4: cel_columns: ",
	  "column b: must be int, uint, double, bool, string or bytes" },
	{ "cel: a\ncel_columns: {a: int, a: int}\n",
	  "config.yaml:2: cel_columns: ", "twice" },
	{ "cel: a\ncel_columns: {}\n",
	  "config.yaml:2: cel_columns: ", "{region: string, tier: int}" },
	{ "cel: a\ncel_columns: a\n",
	  "config.yaml:2: cel_columns: ", "not \"a\"" },
	{ "cel_columns: {a: int}\n",
	  "config.yaml:1: cel_columns: ", "give cel, too" },
	{ "routing_values: inferred\n",
	  "config.yaml:1: routing_values: ", "give cel, too" },
	{ "cel: key\nrouting_values: guess\n",
	  "config.yaml:2: routing_values: ", "or inferred, not \"guess\"" },
	{ "cel: key\nrouting_values: []\n",
	  "config.yaml:2: routing_values: ", "such as [eu, us], or inferred" },
	{ "cel: key\nrouting_values: [1,\n  2, 1u]\n",
	  "config.yaml:2: routing_values: ", "there twice" },
	{ "cel: key\nrouting_values:\n- 1\n- a\n",
	  "config.yaml:4: routing_values: ", "not of one type" },
	{ "cel: key\nrouting_values: [1, [2]]\n",
	  "config.yaml:2: routing_values: ", "one text or whole number" },
	{ "cel: key\nrouting_values: [true]\n",
	  "config.yaml:2: routing_values: ", "needs quotes" },
	{ "cel: key\nrouting_values: [1.5]\n",
	  "config.yaml:2: routing_values: ", "needs quotes" },
	{ "cel: key\nrouting_values: [007]\n",
	  "config.yaml:2: routing_values: ", "needs quotes" },
	{ "cel: key\nrouting_values: [a]\n", "config.yaml:1: cel: ",
	  "yields int, but the routing_values are string" },
	{ "cel: key\nnum_dbs: 3\nrouting_values: [1, 2]\n",
	  "config.yaml:2: num_dbs: ", "is 3, but there are 2 routing_values" },
	{ "cel: key\nrouting_values: inferred\nnum_dbs: 3\n",
	  "config.yaml:3: num_dbs: ", "remove the line" },
	{ "cel: key\nmax_keys_per_shard: 3\n",
	  "config.yaml:2: max_keys_per_shard: ", "with cel remove the line" },
	{ "cel: key\nranges: auto\n",
	  "config.yaml:2: ranges: ", "contradicts cel in line 1" },
	{ "cel: key\nsharding: hash\n",
	  "config.yaml:2: sharding: ", "contradicts cel in line 1" },
	{ "ranges: auto\nsharding: hash\n",
	  "config.yaml:2: sharding: ", "contradicts ranges in line 1" },
	{ "ranges: 4\n", "config.yaml:1: ranges: ", "must be auto, not \"4\"" },
	{ "sharding: range\n", "config.yaml:1: sharding: ",
	  "must be hash, or {strategy: range, bounds: [1000, 65536]}" },
	{ "sharding: [1]\n", "config.yaml:1: sharding: ", "must be hash, or" },
	{ "sharding:\n  strategy: range\n  bound: [1]\n",
	  "config.yaml:3: sharding: ", "not bound" },
	{ "sharding: {strategy: range}\n",
	  "config.yaml:1: sharding: ", "give them, or ranges: auto" },
	{ "sharding: {strategy: cel}\n",
	  "config.yaml:1: sharding: ", "is the setting cel" },
	{ "sharding: {strategy: range, bounds: []}\n",
	  "config.yaml:1: sharding: ", "list of keys, ascending" },
	{ "sharding: {strategy: range, bounds: 5}\n",
	  "config.yaml:1: sharding: ", "list of keys, ascending" },
	{ "sharding: {strategy: range, bounds: [2, 1]}\n",
	  "config.yaml:1: sharding: ", "bound 2 is not above" },
	{ "sharding: {strategy: range, bounds: [1, 1]}\n",
	  "config.yaml:1: sharding: ", "bound 2 is not above" },
	{ "sharding:\n  strategy: range\n  bounds:\n  - 1\n  - x\n",
	  "config.yaml:5: sharding: ", "bound \"x\" is no u64be key" },
	{ "sharding: {strategy: range, bounds: [-1]}\n",
	  "config.yaml:1: sharding: ", "no u64be key" },
	{ "num_dbs: 8\nsharding: {strategy: range, bounds: [5]}\n",
	  "config.yaml:1: num_dbs: ", "is 8, but there are 2 ranges" },
};

static void each_fault_is_refused_with_its_line_and_remedy(void)
{
	for (size_t i = 0; i < sizeof(FAULTS) / sizeof(FAULTS[0]); i++) {
		IS_INT(parse(FAULTS[i].text), SFS_E_INVALID);
		if (strncmp(err.msg, FAULTS[i].place,
		            strlen(FAULTS[i].place)) != 0)
			TAP_FAIL("\"%s\" does not begin with \"%s\"", err.msg,
			         FAULTS[i].place);
		HAS_STR(err.msg, FAULTS[i].says);
		OK(config.placement == NULL);
		IS_INT(config.num_dbs, 8);
	}
}

/* --- over what was there ------------------------------------------------------- */

static void what_is_not_named_stays(void)
{
	IS_INT(parse("cel: region\ncel_columns: {region: string}\n"
	             "routing_values: [a, b]\n"),
	       SFS_OK);
	IS_INT(parse_more("page_size: auto\n"), SFS_OK);
	HAS_STR(sharding(), "[\"a\", \"b\"]");
	IS_INT(parse_more("routing_values: [a, b, c]\n"), SFS_OK);
	HAS_STR(sharding(), "\"cel_expr\": \"region\"");
	IS_INT(config.num_dbs, 3);
	IS_INT(parse_more("cel_columns: {region: string, x: int}\n"), SFS_OK);
	HAS_STR(sharding(), "[\"a\", \"b\", \"c\"]");
	HAS_STR(sharding(), "\"x\": \"int\"");
	IS_INT(parse_more("cel: key % 2\n"), SFS_OK);
	HAS_STR(sharding(), "{\"key\": \"int\"}");
	HAS_STR(sharding(), "\"routing_values\": null");
	IS_INT(config.num_dbs, 0);
	IS_INT(parse_more("sharding: hash\n"), SFS_OK);
	OK(config.placement == NULL);
	IS_INT(config.num_dbs, 8);
}

static void what_does_not_go_with_what_was_there_is_refused(void)
{
	IS_INT(parse("cel: key\nrouting_values: [1, 2]\n"), SFS_OK);
	IS_INT(parse_more("num_dbs: 8\n"), SFS_E_INVALID);
	HAS_STR(err.msg, "give sharding: hash to route by hash");
	IS_INT(parse_more("key_encoding: utf8\n"), SFS_E_INVALID);
	HAS_STR(err.msg, "config.yaml:1: key_encoding: ");
	IS_INT(parse_more("max_keys_per_shard: 8\n"), SFS_E_INVALID);
	IS_INT(config.num_dbs, 2);
	IS_INT(parse("sharding: {strategy: range, bounds: [5]}\n"), SFS_OK);
	IS_INT(parse_more("key_encoding: u32be\n"), SFS_E_INVALID);
	HAS_STR(err.msg, "the bounds are u64be keys");
}

/* --- printing ------------------------------------------------------------------- */

static void check_printed(const char *text)
{
	struct sfs_buf out = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	struct sfs_build_config first = { 0 };

	IS_INT(parse(text), SFS_OK);
	sfs_build_config_copy(&first, &config);
	OK(sfs_build_config_is_printable(&first));
	sfs_build_config_print(&first, &out);
	IS_INT(parse(out.data), SFS_OK);
	IS_STR(err.msg, "");
	OK(sfs_placement_is_same(first.placement, config.placement));
	IS_INT(first.num_dbs, config.num_dbs);
	OK(first.max_keys_per_shard == config.max_keys_per_shard);
	sfs_build_config_release(&first);
	sfs_buf_release(&out);
}

static void what_is_printed_is_read_as_the_same(void)
{
	check_printed("cel: key % 4\nnum_dbs: 4\n");
	check_printed("cel: key % 4\n");
	check_printed("cel: \"a == 'it' ?\\n 0 : 1\"\ncel_columns: {a: string, "
	              "b: bytes}\n");
	check_printed(
		"cel: a\ncel_columns: {a: string}\n"
		"routing_values: ['1', \"q\\\"\\\\\\u0085\", '', null x]\n");
	check_printed("cel: key\nrouting_values: [-5, 18446744073709551615]\n");
	check_printed("cel: key\nrouting_values: inferred\n");
	check_printed("ranges: auto\n");
	check_printed("ranges: auto\nmax_keys_per_shard: 7\n");
	check_printed("sharding: {strategy: range, bounds: [1, 20]}\n");
	check_printed("key_encoding: raw\nsharding: {strategy: range, bounds: "
	              "['%00', \"\xc3\xa9\", '%FFa']}\n");
}

static void the_ways_to_route_are_in_a_new_file_as_comments(void)
{
	static const char *const lines[] = {
		"# cel: ",
		"# cel_columns: {region: string, tier: int}\n",
		"# routing_values: [",
		"# routing_values: inferred\n",
		"# ranges: auto\n",
		"# sharding: {strategy: range, bounds: [1000, 65536]}\n",
	};
	struct sfs_buf out = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);

	IS_INT(parse(""), SFS_OK);
	sfs_build_config_print(&config, &out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		HAS_STR(out.data, lines[i]);
	sfs_buf_release(&out);
}

static void what_is_too_long_is_left_out(void)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	struct sfs_buf out = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);

	sfs_buf_puts(&text, "cel: key\nrouting_values: [0");
	for (int i = 1; i < 60000; i++)
		sfs_buf_printf(&text, ", %d", i);
	sfs_buf_puts(&text, "]\n");
	IS_INT(parse(text.data), SFS_OK);
	IS_INT(config.num_dbs, 60000);
	OK(!sfs_build_config_is_printable(&config));
	sfs_build_config_print(&config, &out);
	HAS_STR(out.data, "# As in the base");
	IS_INT(parse(out.data), SFS_OK);
	OK(config.placement == NULL);
	sfs_buf_release(&text);
	sfs_buf_release(&out);
}

/* --- with a base ----------------------------------------------------------------- */

static char KEY_COL[] = "id";
static char PREFIX[] = "parts";
static char TEMPLATE[] = "p{db_id}";

/* As nobody prints it, to see that it stays. */
static char ODD_TEXT[] =
	"{\"strategy\":\"cel\",\"hash_algorithm\":\"xxh3_64\",\"cel_expr\":"
	"\"region\",\"cel_columns\":{\"region\":\"string\"},"
	"\"routing_values\":[\"eu\",\"us\"]}";
static char BYTES_TEXT[] =
	"{\"strategy\":\"cel\",\"hash_algorithm\":\"xxh3_64\",\"cel_expr\":"
	"\"a\",\"cel_columns\":{\"a\":\"bytes\"},"
	"\"routing_values\":[{\"__bytes_hex__\":\"00\"},"
	"{\"__bytes_hex__\":\"01\"}]}";

static struct sfs_manifest base_of(char *text)
{
	return (struct sfs_manifest){
		.num_dbs = 2,
		.key_col = KEY_COL,
		.shard_prefix = PREFIX,
		.db_path_template = TEMPLATE,
		.key_encoding = SFS_KEY_UTF8,
		.routing.strategy = SFS_STRATEGY_CEL,
		.sharding = text,
	};
}

static void a_base_is_taken_over_to_the_letter(void)
{
	struct sfs_manifest base = base_of(ODD_TEXT);

	IS_INT(parse("num_dbs: 5\n"), SFS_OK);
	IS_INT(sfs_build_config_from_base(&config, &base, &err), SFS_OK);
	IS_STR(sharding(), ODD_TEXT);
	IS_INT(config.num_dbs, 2);
	IS_INT(sfs_build_config_check_base(&config, &base, &err), SFS_OK);
	/* who says the same in other words changes nothing */
	IS_INT(parse_more("cel: region\ncel_columns: {region: string}\n"
	                  "routing_values: [eu, us]\n"),
	       SFS_OK);
	IS_STR(sharding(), ODD_TEXT);
	IS_INT(sfs_build_config_check_base(&config, &base, &err), SFS_OK);
}

static void what_contradicts_the_base_is_refused(void)
{
	static const char *const texts[] = {
		"routing_values: [us, eu]\n",
		"routing_values: inferred\n",
		("cel: region + ''\ncel_columns: {region: string}\n"
		 "routing_values: [eu, us]\n"),
		"ranges: auto\n",
		"sharding: hash\n",
	};
	struct sfs_manifest base = base_of(ODD_TEXT);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		IS_INT(parse(""), SFS_OK);
		IS_INT(sfs_build_config_from_base(&config, &base, &err),
		       SFS_OK);
		IS_INT(parse_more(texts[i]), SFS_OK);
		IS_INT(sfs_build_config_check_base(&config, &base, &err),
		       SFS_E_INVALID);
		HAS_STR(err.msg, "or remove the link base");
	}
	base.routing.strategy = SFS_STRATEGY_HASH;
	IS_INT(parse("key_encoding: utf8\ncel: key\nrouting_values: [a, b]\n"),
	       SFS_OK);
	IS_INT(sfs_build_config_check_base(&config, &base, &err),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "by hash");
}

static void a_base_that_cannot_be_written_like_is_unsupported(void)
{
	struct sfs_manifest base = base_of(BYTES_TEXT);

	IS_INT(parse(""), SFS_OK);
	IS_INT(sfs_build_config_from_base(&config, &base, &err),
	       SFS_E_UNSUPPORTED);
	HAS_STR(err.msg, "are bytes");
	OK(config.placement == NULL);
	IS_INT(config.num_dbs, 8);
}

static void memory_that_is_out_is_no_fault_of_the_file(void)
{
	static const char *const texts[] = {
		"cel: a\ncel_columns: {a: string}\nrouting_values: [x, y]\n",
		"sharding: {strategy: range, bounds: [5, 6]}\n",
		"ranges: auto\n",
	};
	unsigned long before, nth;
	enum sfs_rc rc;

	for (size_t i = 0; i < 3; i++) {
		for (nth = 1;; nth++) {
			sfs_build_config_release(&config);
			sfs_build_config_init(&config);
			before = sfs_alloc_fault_count();
			sfs_alloc_fail_nth(nth);
			rc = parse_more(texts[i]);
			sfs_alloc_fail_nth(0);
			if (sfs_alloc_fault_count() == before)
				break;
			/* comparing and printing may do without */
			OK(rc == SFS_E_NO_MEMORY || rc == SFS_OK);
		}
		OK(nth > 2);
		IS_INT(rc, SFS_OK);
	}
}

int main(void)
{
	RUN(without_them_keys_are_routed_by_hash);
	RUN(an_expression_yields_the_shard);
	RUN(a_column_key_is_there_by_default);
	RUN(values_are_texts_or_whole_numbers);
	RUN(values_may_be_left_to_the_data);
	RUN(ranges_have_bounds_or_find_them);
	RUN(each_fault_is_refused_with_its_line_and_remedy);
	RUN(what_is_not_named_stays);
	RUN(what_does_not_go_with_what_was_there_is_refused);
	RUN(what_is_printed_is_read_as_the_same);
	RUN(the_ways_to_route_are_in_a_new_file_as_comments);
	RUN(what_is_too_long_is_left_out);
	RUN(a_base_is_taken_over_to_the_letter);
	RUN(what_contradicts_the_base_is_refused);
	RUN(a_base_that_cannot_be_written_like_is_unsupported);
	RUN(memory_that_is_out_is_no_fault_of_the_file);
	sfs_build_config_release(&config);
	return tap_done();
}
