/* SPDX-License-Identifier: Apache-2.0 */
/* Routing columns of records: what is taken, and what is said of the rest. */
#include "unit/parser_log.h"

static struct sfs_sharding sharding;
static struct sfs_buf said;

static void add_column(const char *name, enum sfs_cel_kind kind)
{
	IS_INT(sfs_sharding_add_column(&sharding, name, strlen(name), kind,
	                               NULL),
	       SFS_OK);
}

/* The columns of a record and its line: "2 region=eu/tier=1". */
static enum sfs_rc on_record(void *arg, const struct sfs_record *r,
                             struct sfs_err *err)
{
	(void)arg;
	(void)err;
	sfs_buf_printf(&said, "%d ", (int)r->line);
	if (r->columns != NULL)
		sfs_columns_print(r->columns, &sharding, &said);
	else
		sfs_buf_puts(&said, "none");
	sfs_buf_putc(&said, '\n');
	return SFS_OK;
}

static enum sfs_rc on_bad(void *arg, const struct sfs_bad_record *bad,
                          struct sfs_err *err)
{
	(void)arg;
	(void)err;
	sfs_buf_printf(&said, "%d bad%s: %s\n", (int)bad->line,
	               bad->is_last ? "!" : "", bad->reason);
	return SFS_OK;
}

/* In pieces of every size: the cuts change nothing. */
static const char *parse(enum sfs_ingest_format format, bool needs_columns,
                         const char *text, size_t cut)
{
	struct sfs_parser_config config = {
		.format = format,
		.encoding = SFS_KEY_U64BE,
		.value_max = 1000,
		.sharding = &sharding,
		.needs_columns = needs_columns,
	};
	const struct sfs_parser_events events = { .record = on_record,
		                                  .bad = on_bad };
	struct sfs_parser *p = NULL;
	size_t len = strlen(text);

	sfs_buf_reset(&said);
	sfs_buf_puts(&said, "");
	IS_INT(sfs_parser_new(&config, &events, &p, NULL), SFS_OK);
	for (size_t at = 0; at < len; at += cut) {
		IS_INT(sfs_parser_feed(p, text + at,
		                       len - at < cut ? len - at : cut, NULL),
		       SFS_OK);
		sfs_parser_rest(p);
	}
	IS_INT(sfs_parser_finish(p, NULL), SFS_OK);
	sfs_parser_free(p);
	return said.data;
}

static void check(enum sfs_ingest_format format, const char *text,
                  const char *want)
{
	const size_t cuts[] = { 1, 7, 1000 };

	for (size_t i = 0; i < 3; i++)
		IS_STR(parse(format, true, text, cuts[i]), want);
}

#define LINE(columns) "{\"key\":1,\"columns\":" columns ",\"value\":\"v\"}\n"
#define GOOD "\"n\":1,\"d\":1,\"t\":true,\"b\":\"\""

static void values_of_every_type_are_taken_exactly(void)
{
	check(SFS_INGEST_JSONL,
	      LINE("{\"s\":\"e\\u00fc/\",\"i\":-9223372036854775808,"
	           "\"n\":18446744073709551615,\"d\":2.5,\"t\":false,"
	           "\"b\":\"AP8=\"}") LINE("{\"s\":\"\",\"i\":0," GOOD "}"),
	      "1 b=%00%FF/d=2.5/i=-9223372036854775808/"
	      "n=18446744073709551615/s=e\xc3\xbc%2F/t=false\n"
	      "2 b=%/d=1.0/i=0/n=1/s=%/t=true\n");
}

static void another_type_is_a_bad_record(void)
{
	static const char *const samples[][2] = {
		{ "{\"s\":1}", "column s: expected string, got \"1\"" },
		{ "{\"s\":null}", "column s: expected string, got \"null\"" },
		{ "{\"s\":[1]}", "column s: expected string, got an array" },
		{ "{\"i\":\"1\"}", "column i: expected int, got \"\"1\"\"" },
		{ "{\"i\":1.0}", "column i: expected int, got \"1.0\"" },
		{ "{\"i\":9223372036854775808}",
		  "column i: expected int, got \"9223372036854775808\"" },
		{ "{\"i\":true}", "column i: expected int, got \"true\"" },
		{ "{\"n\":-1}", "column n: expected uint, got \"-1\"" },
		{ "{\"n\":1e3}", "column n: expected uint, got \"1e3\"" },
		{ "{\"d\":\"1\"}", "column d: expected double, got" },
		{ "{\"t\":1}", "column t: expected bool, got \"1\"" },
		{ "{\"b\":\"AP8\"}", "column b: expected bytes in Base64" },
		{ "{\"s\":\"a\",\"s\":\"b\"}", "column s is there twice" },
		{ "{\"key\":1}", "column key: is the record's key" },
		{ "{\"rgion\":\"a\"}", "unknown column \"rgion\"" },
		{ "{\"ss\":\"a\"}", "did you mean s?" },
		{ "[]", "columns: expected an object, got an array" },
		{ "{\"s\":\"a\",\"i\":1}", "no column n: keys are routed" },
		{ "{\"s\":}", "columns: not JSON" },
	};
	char text[256];

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		(void)snprintf(text, sizeof(text),
		               "{\"key\":1,\"columns\":%s,\"value\":\"v\"}\n",
		               samples[i][0]);
		HAS_STR(parse(SFS_INGEST_JSONL, true, text, 5), "1 bad: ");
		HAS_STR(said.data, samples[i][1]);
	}
}

static void a_record_needs_its_columns(void)
{
	check(SFS_INGEST_JSONL, "{\"key\":1,\"value\":\"v\"}\n",
	      "1 bad: no column s: keys are routed by it, expected it in "
	      "columns\n");
	check(SFS_INGEST_JSONL, "{\"key\":1,\"delete\":true}\n",
	      "1 bad: no column s: keys are routed by it, expected it in "
	      "columns\n");
	HAS_STR(parse(SFS_INGEST_JSONL, true,
	              "{\"key\":1,\"s\":\"a\",\"value\":\"v\"}", 3),
	        "goes into \"columns\": {\"s\": ...}");
	HAS_STR(parse(SFS_INGEST_JSONL, true,
	              "{\"key\":1,\"column\":{},\"value\":\"v\"}", 3),
	        "did you mean columns?");
}

static void who_routes_by_the_key_alone_may_leave_them_out(void)
{
	IS_STR(parse(SFS_INGEST_JSONL, false,
	             "{\"key\":1,\"value\":\"v\"}\n"
	             "{\"key\":1,\"columns\":{\"i\":2},\"value\":\"v\"}\n",
	             4),
	       "1 none\n2 i=2\n");
}

static void nothing_is_left_of_the_record_before(void)
{
	IS_STR(parse(SFS_INGEST_JSONL, true,
	             LINE("{\"s\":\"a\",\"i\":1," GOOD "}")
	                     LINE("{\"s\":\"a\"}"),
	             1000),
	       "1 b=%/d=1.0/i=1/n=1/s=a/t=true\n"
	       "2 bad: no column i: keys are routed by it, expected it in "
	       "columns\n");
}

static void tables_have_a_column_of_the_name_of_each(void)
{
	check(SFS_INGEST_CSV,
	      "s,key,i,n,d,t,b,value\n"
	      "\"a,\"\"b\",1,-5,6,0.5,true,AP8=,v\n"
	      ",1,0,0,0,false,,v\n"
	      "x,1,1.0,0,0,false,,v\n"
	      "x,1,1,0,0,1,,v\n",
	      "2 b=%00%FF/d=0.5/i=-5/n=6/s=a,\"b/t=true\n"
	      "3 b=%/d=0.0/i=0/n=0/s=%/t=false\n"
	      "4 bad: column i: expected int, got \"1.0\"\n"
	      "5 bad: column t: expected bool, got \"1\"\n");
	check(SFS_INGEST_TSV,
	      "s\tkey\ti\tn\td\tt\tb\tdelete\n"
	      "a\\tb\t1\t2\t3\t4\ttrue\tAA==\ttrue\n",
	      "2 b=%00/d=4.0/i=2/n=3/s=a%09b/t=true\n");
}

static void a_header_without_one_is_not_understood(void)
{
	check(SFS_INGEST_CSV, "s,key,i,n,d,t,value\na,1,1,1,1,true,v\n",
	      "1 bad!: header: expected a column b: keys are routed by it; "
	      "the file is not read\n");
	check(SFS_INGEST_CSV, "s,s,key,value\n",
	      "1 bad!: header: s: is there twice; the file is not read\n");
	check(SFS_INGEST_CSV, "columns,key,value\n",
	      "1 bad!: header: columns: is for JSON Lines; a table has a "
	      "column of the name of each; the file is not read\n");
	check(SFS_INGEST_CSV, "s,i,n,d,t,b,key\n",
	      "1 bad!: header: expected a column value, value_base64, "
	      "value_json or delete; the file is not read\n");
}

static void kv_records_have_no_columns(void)
{
	static const char *const want =
		"1 bad!: keys are routed by columns, which .kv records do "
		"not have: write .jsonl, .csv or .tsv\n";

	IS_STR(parse(SFS_INGEST_KV, true, "\x08", 1), want);
	IS_STR(parse(SFS_INGEST_KV, true, "", 1), "");
}

int main(void)
{
	IS_INT(sfs_sharding_init(&sharding, SFS_STRATEGY_CEL, NULL), SFS_OK);
	sfs_buf_init(&said, SFS_TEXT_MAX_BYTES);
	add_column("s", SFS_CEL_STRING);
	add_column("i", SFS_CEL_INT);
	add_column("n", SFS_CEL_UINT);
	add_column("d", SFS_CEL_DOUBLE);
	add_column("t", SFS_CEL_BOOL);
	add_column("b", SFS_CEL_BYTES);
	add_column("key", SFS_CEL_INT);
	RUN(values_of_every_type_are_taken_exactly);
	RUN(another_type_is_a_bad_record);
	RUN(a_record_needs_its_columns);
	RUN(who_routes_by_the_key_alone_may_leave_them_out);
	RUN(nothing_is_left_of_the_record_before);
	RUN(tables_have_a_column_of_the_name_of_each);
	RUN(a_header_without_one_is_not_understood);
	RUN(kv_records_have_no_columns);
	sfs_buf_release(&said);
	sfs_sharding_release(&sharding);
	return tap_done();
}
