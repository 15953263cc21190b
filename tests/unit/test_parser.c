/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers of ingest files take, and what they say of the rest. */
#include "unit/parser_log.h"

enum { VALUE_MAX = 1 << 20 };

#define U64 SFS_KEY_U64BE
#define U32 SFS_KEY_U32BE
#define UTF8 SFS_KEY_UTF8
#define RAW SFS_KEY_RAW

struct sample {
	enum sfs_key_encoding encoding;
	const char *text;
	const char *says;
};

static void check(enum sfs_ingest_format format, const struct sample *s)
{
	struct parser_log l = { .config = { .format = format,
		                            .encoding = s->encoding,
		                            .value_max = VALUE_MAX } };

	parser_log_run(&l, s->text, strlen(s->text), 0);
	if (strcmp(l.text.data, s->says) != 0)
		TAP_FAIL("%s\n# says %s\n# and not %s", s->text, l.text.data,
		         s->says);
	sfs_buf_release(&l.text);
}

/* With a header in front, which takes len bytes. */
static void check_rows(enum sfs_ingest_format format, const char *header,
                       const struct sample *s)
{
	char text[1024];
	struct sample whole = { s->encoding, text, s->says };

	(void)snprintf(text, sizeof(text), "%s\n%s", header, s->text);
	check(format, &whole);
}

#define EACH(samples, i) \
	for (i = 0; i < sizeof(samples) / sizeof((samples)[0]); i++)

static void names_tell_format_and_compression(void)
{
	static const struct {
		const char *name;
		enum sfs_ingest_format format;
		enum sfs_compression compression;
	} good[] = {
		{ "a.jsonl", SFS_INGEST_JSONL, SFS_COMPRESSION_NONE },
		{ "a.csv", SFS_INGEST_CSV, SFS_COMPRESSION_NONE },
		{ "a.b.tsv.gz", SFS_INGEST_TSV, SFS_COMPRESSION_GZIP },
		{ "a.kv.zst", SFS_INGEST_KV, SFS_COMPRESSION_ZSTD },
		{ "csv.kv", SFS_INGEST_KV, SFS_COMPRESSION_NONE },
		{ "a.gz.jsonl", SFS_INGEST_JSONL, SFS_COMPRESSION_NONE },
	};
	static const char *const bad[] = {
		"",       "csv",      ".csv",  "a.gz", "a.json",      "a.CSV",
		"a.csv~", "a.csv.",   ".a.kv", ".gz",  "a.csv.gz.gz", "kv.gz",
		".kv.gz", "a.csv.xz",
	};
	enum sfs_ingest_format format;
	enum sfs_compression compression;
	size_t i;

	EACH(good, i)
	{
		OK(sfs_ingest_name_parse(good[i].name, &format, &compression));
		IS_INT(format, good[i].format);
		IS_INT(compression, good[i].compression);
	}
	EACH(bad, i)
	OK(!sfs_ingest_name_parse(bad[i], &format, &compression));
}

static const struct sample JSONL_GOOD[] = {
	{ U64, "{\"key\":1,\"value\":\"a\"}\n", "0 1=a\n" },
	{ U64, "{\"key\":0,\"value\":\"\"}", "0 0=\n" },
	{ U64, "{\"key\": 9223372036854775807, \"value\": \"x\"}\r\n",
	  "0 9223372036854775807=x\n" },
	{ U32, " { \"key\" : 4294967295 , \"value\" : \"x\" } \n",
	  "0 4294967295=x\n" },
	{ U64, "{\"value\":\"a\",\"key\":1}", "0 1=a\n" },
	{ U64, "{\"key\":\"18\",\"value\":\"a\"}", "0 18=a\n" },
	{ U64, "{\"k\\u0065y\":7,\"\\u0076alue\":\"a\"}", "0 7=a\n" },
	{ U64, "\n  \r\n\t\n{\"key\":1,\"value\":\"a\"}\n\n", "7 1=a\n" },
	{ U64, "\xef\xbb\xbf{\"key\":1,\"value\":\"a\"}\n", "0 1=a\n" },
	{ U64, "{\"key\":1,\"value\":\"a\"}\n{\"key\":2,\"value\":\"b\"}",
	  "0 1=a\n22 2=b\n" },
	{ U64, "{\"key\":1,\"value\":\"\\u00e9\\n\\\"\\ud83d\\ude00\"}",
	  "0 1=%C3%A9%0A\"%F0%9F%98%80\n" },
	{ U64, "{\"key\":1,\"value\":\"\xc3\xa9 \xf0\x9f\x98\x80\x7f\"}",
	  "0 1=%C3%A9%20%F0%9F%98%80%7F\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"AP8Q\"}", "0 1=%00%FF%10\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"+/8=\"}", "0 1=%FB%FF\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"YQ==\"}", "0 1=a\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"\"}", "0 1=\n" },
	{ U64, "{\"key\":1,\"value_json\": {\"b\": [1, 2.50,null ]} }",
	  "0 1={\"b\":%20[1,%202.50,null%20]}\n" },
	{ U64, "{\"key\":1,\"value_json\":\"a\\n\"}", "0 1=\"a\\n\"\n" },
	{ U64, "{\"value_json\":null,\"key\":1}", "0 1=null\n" },
	{ U64, "{\"key\":1,\"delete\":true}", "0 1 deleted\n" },
	{ U64, "{\"delete\":false,\"key\":1,\"value\":\"a\"}", "0 1=a\n" },
	{ UTF8, "{\"key\":\"\",\"value\":\"a\"}", "0 =a\n" },
	{ UTF8, "{\"key\":\"a\\u0000b\",\"value\":\"a\"}", "0 a%00b=a\n" },
	{ UTF8, "{\"key\":\"42\",\"value\":\"a\"}", "0 42=a\n" },
	{ RAW, "{\"key\":\"\\u00e9\",\"value\":\"a\"}", "0 %C3%A9=a\n" },
	{ RAW, "{\"key_hex\":\"00fFa0\",\"value\":\"a\"}", "0 %00%FF%A0=a\n" },
	{ RAW, "{\"key_base64\":\"AP8=\",\"delete\":true}",
	  "0 %00%FF deleted\n" },
};

static void json_lines_are_read(void)
{
	size_t i;

	EACH(JSONL_GOOD, i)
	check(SFS_INGEST_JSONL, &JSONL_GOOD[i]);
}

#define U64_RANGE "key: expected a whole number from 0 to 9223372036854775807"

static const struct sample JSONL_BAD_KEYS[] = {
	{ U64, "{\"value\":\"a\"}",
	  "0 bad 1: no key: expected the member key\n" },
	{ U64, "{\"key\":-1,\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got \"-1\"\n" },
	{ U64, "{\"key\":9223372036854775808,\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got \"9223372036854775808\"\n" },
	{ U64, "{\"key\":18446744073709551617,\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got \"18446744073709551617\"\n" },
	{ U64, "{\"key\":1.0,\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got \"1.0\"\n" },
	{ U64, "{\"key\":1e3,\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got \"1e3\"\n" },
	{ U64, "{\"key\":\"007\",\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got \"007\"\n" },
	{ U64, "{\"key\":\"\",\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got \"\"\n" },
	{ U64, "{\"key\":null,\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got null\n" },
	{ U64, "{\"key\":[1],\"value\":\"a\"}",
	  "0 bad 1: " U64_RANGE ", got an array\n" },
	{ U32, "{\"key\":4294967296,\"value\":\"a\"}",
	  "0 bad 1: key: expected a whole number from 0 to 4294967295, got "
	  "\"4294967296\"\n" },
	{ UTF8, "{\"key\":42,\"value\":\"a\"}",
	  "0 bad 1: key: expected a string, got a number (key_encoding is "
	  "utf8)\n" },
	{ RAW, "{\"key\":null,\"value\":\"a\"}",
	  "0 bad 1: key: expected a string, got null (key_encoding is raw)\n" },
	{ UTF8, "{\"key_hex\":\"00\",\"value\":\"a\"}",
	  "0 bad 1: key_hex: is for key_encoding raw, and this is utf8: "
	  "expected key\n" },
	{ RAW, "{\"key_hex\":\"0\",\"value\":\"a\"}",
	  "0 bad 1: key_hex: expected two hexadecimal digits a byte\n" },
	{ RAW, "{\"key_hex\":\"0g\",\"value\":\"a\"}",
	  "0 bad 1: key_hex: expected two hexadecimal digits a byte\n" },
	{ RAW, "{\"key_base64\":1,\"value\":\"a\"}",
	  "0 bad 1: key_base64: expected a string, got a number\n" },
	{ RAW, "{\"key\":\"a\",\"key_hex\":\"61\",\"value\":\"a\"}",
	  "0 bad 1: key_hex: there is key already\n" },
	{ UTF8, "{\"key\":\"a\",\"key\":\"a\",\"value\":\"a\"}",
	  "0 bad 1: key: is there twice\n" },
};

static void a_bad_key_is_refused_with_what_was_expected(void)
{
	size_t i;

	EACH(JSONL_BAD_KEYS, i)
	check(SFS_INGEST_JSONL, &JSONL_BAD_KEYS[i]);
}

#define BASE64 "value_base64: expected Base64 with + and /, padded with ="

static const struct sample JSONL_BAD[] = {
	{ U64, "{\"key\":1}",
	  "0 bad 1: no value: expected value, value_base64, value_json, or "
	  "\"delete\": true\n" },
	{ U64, "{\"key\":1,\"delete\":false}",
	  "0 bad 1: no value: expected value, value_base64, value_json, or "
	  "\"delete\": true\n" },
	{ U64, "{\"key\":1,\"value\":\"a\",\"delete\":true}",
	  "0 bad 1: delete is true, and there is value\n" },
	{ U64, "{\"key\":1,\"delete\":1}",
	  "0 bad 1: delete: expected true or false, got a number\n" },
	{ U64, "{\"key\":1,\"value\":\"a\",\"value_json\":1}",
	  "0 bad 1: value_json: there is value already\n" },
	{ U64, "{\"key\":1,\"value\":\"a\",\"value\":\"a\"}",
	  "0 bad 1: value: is there twice\n" },
	{ U64, "{\"key\":1,\"value\":5}",
	  "0 bad 1: value: expected a string, got a number (value_json takes "
	  "any JSON)\n" },
	{ U64, "{\"key\":1,\"value\":{}}",
	  "0 bad 1: value: expected a string, got an object (value_json takes "
	  "any JSON)\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"YQ\"}", "0 bad 1: " BASE64 "\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"YR==\"}",
	  "0 bad 1: " BASE64 "\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"Y===\"}",
	  "0 bad 1: " BASE64 "\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"YQ==YQ==\"}",
	  "0 bad 1: " BASE64 "\n" },
	{ U64, "{\"key\":1,\"value_base64\":\"YWI_\"}",
	  "0 bad 1: " BASE64 "\n" },
	{ U64, "{\"key\":1,\"valuex\":\"a\"}",
	  "0 bad 1: unknown member \"valuex\": did you mean value?\n" },
	{ U64, "{\"zzz\\n\":1}",
	  "0 bad 1: unknown member \"zzz?\": expected key, key_hex, "
	  "key_base64, value, value_base64, value_json, delete\n" },
	{ U64, "{\"columns\":{\"region\":\"eu\"},\"key\":1,\"value\":\"a\"}",
	  "0 bad 1: columns: keys are routed by hash here; leave them out, "
	  "or set cel in config.yaml\n" },
	{ U64, "{\"key\":1,\"vector\":[1]}",
	  "0 bad 1: vector: needs vector snapshots, which this version does "
	  "not have\n" },
	{ U64, "[1]\n", "0 bad 1: expected an object, got an array\n" },
	{ U64, "42\n", "0 bad 1: expected an object, got a number\n" },
	{ U64, "{}\n", "0 bad 1: no key: expected the member key\n" },
	{ U64, "hello\n", "0 bad 1: not JSON: column 1: no JSON value\n" },
	{ U64, "\n{\"key\":1,\"value\":\"a\"\n",
	  "1 bad 2: not JSON: column 21: no ',' between two values\n" },
	{ U64, "{\"key\":1,\"value\":\"a\"} x\n",
	  "0 bad 1: not JSON: column 23: bytes behind the document\n" },
	{ U64, "{\"key\":01,\"value\":\"a\"}\n",
	  "0 bad 1: not JSON: column 9: number with a leading zero\n" },
	{ U64, "{\"key\":1,\"value\":\"\x80\"}\n",
	  "0 bad 1: not JSON: column 19: bytes that are not UTF-8\n" },
	{ U64, "{\"key\":1,\"value\":\"\xed\xa0\x80\"}\n",
	  "0 bad 1: not JSON: column 19: bytes that are not UTF-8\n" },
	{ U64, "{\"key\":1,\"value\":\"\\ud800\"}\n",
	  "0 bad 1: not JSON: column 25: half of a surrogate pair\n" },
	{ U64, "{\"key\":1,\"value\":\"a\tb\"}\n",
	  "0 bad 1: not JSON: column 20: control character in a string\n" },
	{ U64, "{\"key\":1,\"value\":\"a\n\"}\n",
	  "0 bad 1: not JSON: column 20: string without end\n"
	  "20 bad 2: not JSON: column 3: string without end\n" },
};

static void a_bad_line_is_refused_and_reading_goes_on(void)
{
	static const struct sample around = {
		U64,
		"{\"key\":1,\"value\":\"a\"}\nx\n{\"key\":2,\"value\":\"b\"}\n",
		"0 1=a\n22 bad 2: not JSON: column 1: no JSON value\n24 2=b\n"
	};
	size_t i;

	EACH(JSONL_BAD, i)
	check(SFS_INGEST_JSONL, &JSONL_BAD[i]);
	check(SFS_INGEST_JSONL, &around);
}

static void deep_json_is_bounded(void)
{
	enum { DEPTH = 100000 };
	struct parser_log l = { .config = { .format = SFS_INGEST_JSONL,
		                            .encoding = U64,
		                            .value_max = VALUE_MAX } };
	static char text[DEPTH + 64];
	int len = snprintf(text, 64, "{\"key\":1,\"value_json\":");

	memset(text + len, '[', DEPTH);
	parser_log_run(&l, text, (size_t)len + DEPTH, 0);
	HAS_STR(l.text.data, "bad 1: not JSON: column 86: nested too deeply\n");
	sfs_buf_release(&l.text);
}

static const struct sample CSV_ROWS[] = {
	{ U64, "1,a\n2,b\r\n3,c", "10 1=a\n14 2=b\n19 3=c\n" },
	{ U64, "1,\n2,\"\"\n", "10 1=\n13 2=\n" },
	{ U64, "\n1,a\n\r\n\n2,b\n", "11 1=a\n18 2=b\n" },
	{ U64, "1,\"a,b\"\n\"2\",\"x\"\n", "10 1=a,b\n18 2=x\n" },
	{ U64, "1,\"a\nb\r\nc\"\n2,b\n", "10 1=a%0Ab%0D%0Ac\n21 2=b\n" },
	{ U64, "1,\"say \"\"hi\"\"\"\n", "10 1=say%20\"hi\"\n" },
	{ U64, "1,\"\"\"\"\n2,\"\"\"\"\"\"\n", "10 1=\"\n17 2=\"\"\n" },
	{ U64, "1,  a \n", "10 1=%20%20a%20\n" },
	{ U64, "1,\xc3\xa9\n", "10 1=%C3%A9\n" },
	{ UTF8, "\"a\nb\",c\n,d\n", "10 a%0Ab=c\n18 =d\n" },
	{ U64, "x,a\n", "10 bad 2: " U64_RANGE ", got \"x\"\n" },
	{ U64, " 1,a\n", "10 bad 2: " U64_RANGE ", got \" 1\"\n" },
	{ U64, "1\n", "10 bad 2: expected 2 cells, got 1\n" },
	{ U64, "1,a,b\n",
	  "10 bad 2: expected 2 cells, got more (a cell with a comma needs "
	  "quotes)\n" },
	{ U64, "1,a\"b\n2,c\n",
	  "10 bad 2: a quote in a cell without quotes: expected the cell in "
	  "quotes, and the quote doubled\n16 2=c\n" },
	{ U64, "1,\"a\"b\n2,c\n",
	  "10 bad 2: text behind a closing quote: a quote in a quoted cell is "
	  "doubled\n17 2=c\n" },
	{ U64, "1,\"a\n2,b\n", "10 bad! 2: a quote is not closed\n" },
	{ U64, "1,\xff\n",
	  "10 bad 2: value: expected UTF-8 (value_base64 takes any bytes)\n" },
	{ U64, "1,\"a\n\"x\n2,b\nq,b\n",
	  "10 bad 2: text behind a closing quote: a quote in a quoted cell is "
	  "doubled\n18 2=b\n22 bad 5: " U64_RANGE ", got \"q\"\n" },
};

static void csv_rows_are_read(void)
{
	static const struct sample deletes = {
		U64,
		"1,a,\n2,,true\n3,b,FALSE\n4,,1\n5,,0\n6,x,true\n7,y,maybe\n",
		"17 1=a\n22 2 deleted\n30 3=b\n40 4 deleted\n45 5=\n"
		"50 bad 7: delete is true, and there is value\n"
		"59 bad 8: delete: expected true, false or nothing, got "
		"\"maybe\"\n"
	};
	static const struct sample coded = {
		RAW, "AP8=,6162\n\"YQ==\",\"\"\n*,61\n",
		"21 ab=%00%FF\n31 =a\n41 bad 4: " BASE64 "\n"
	};
	static const struct sample json = {
		U64, "1,\"{\"\"a\"\": [1]}\"\n2, null \n3,x\n4,\n5,1 2\n",
		"15 1={\"a\":%20[1]}\n32 2=null\n"
		"41 bad 4: value_json: not JSON: column 1: no JSON value\n"
		"45 bad 5: value_json: not JSON: column 1: ends too early\n"
		"48 bad 6: value_json: not JSON: column 3: bytes behind the "
		"document\n"
	};
	static const struct sample removals = {
		U64, "1,true\n2,false\n",
		"11 1 deleted\n18 bad 3: delete: expected true, as the file "
		"has no column value\n"
	};
	size_t i;

	EACH(CSV_ROWS, i)
	check_rows(SFS_INGEST_CSV, "key,value", &CSV_ROWS[i]);
	check_rows(SFS_INGEST_CSV, "key,value,delete", &deletes);
	check_rows(SFS_INGEST_CSV, "value_base64,key_hex", &coded);
	check_rows(SFS_INGEST_CSV, "key,value_json", &json);
	check_rows(SFS_INGEST_CSV, "key,delete", &removals);
}

#define NOT_READ "; the file is not read\n"

static const struct sample CSV_HEADERS[] = {
	{ U64, "", "" },
	{ U64, "\n\r\n", "" },
	{ U64, "key,value\n", "" },
	{ U64, "\xef\xbb\xbfkey,value\n1,a\n", "13 1=a\n" },
	{ U64, "\xef\xbb\xbf\"key\",\"value\"\n1,a\n", "17 1=a\n" },
	{ U64, "\"value\",\"key\"\r\na,1\n", "15 1=a\n" },
	{ U64, "\nkey,value\n1,a\n", "11 1=a\n" },
	{ U64, "key,valuex\n1,a\nx,b\n",
	  "0 bad! 1: header: unknown column \"valuex\": did you mean "
	  "value?" NOT_READ },
	{ U64, "1,a\n2,b\n",
	  "0 bad! 1: header: unknown column \"1\": expected key, key_hex, "
	  "key_base64, value, value_base64, value_json, delete" NOT_READ },
	{ U64, "key\n1\n",
	  "0 bad! 1: header: expected a column value, value_base64, "
	  "value_json or delete" NOT_READ },
	{ U64, "value,delete\n",
	  "0 bad! 1: header: expected a column key" NOT_READ },
	{ U64, "key,key,value\n",
	  "0 bad! 1: header: key: there is key already" NOT_READ },
	{ U64, "key,value,value_json\n",
	  "0 bad! 1: header: value_json: there is value already" NOT_READ },
	{ U64, "key_hex,value\n",
	  "0 bad! 1: header: key_hex: is for key_encoding raw, and this is "
	  "u64be: expected key" NOT_READ },
	{ U64, "key;value\n",
	  "0 bad! 1: header: expected commas between the names" NOT_READ },
};

static void without_a_good_header_a_table_is_not_read(void)
{
	size_t i;

	EACH(CSV_HEADERS, i)
	check(SFS_INGEST_CSV, &CSV_HEADERS[i]);
}

static const struct sample TSV_ROWS[] = {
	{ U64, "1\ta\n2\tb\r\n3\tc", "10 1=a\n14 2=b\n19 3=c\n" },
	{ U64, "1\t\"a, b\"\n", "10 1=\"a,%20b\"\n" },
	{ U64, "1\ta\\tb\\nc\\\\d\\r\n", "10 1=a%09b%0Ac\\d%0D\n" },
	{ U64, "1\t\n\n2\t\\\\\n", "10 1=\n14 2=\\\n" },
	{ UTF8, "a\\tb\tc\n", "10 a%09b=c\n" },
	{ U64, "1\ta\\x\n2\tb\n",
	  "10 bad 2: a backslash: expected \\\\, \\t, \\n or \\r\n16 2=b\n" },
	{ U64, "1\t\\N\n",
	  "10 bad 2: a backslash: expected \\\\, \\t, \\n or \\r\n" },
	{ U64, "1\ta\\",
	  "10 bad 2: a backslash: expected \\\\, \\t, \\n or \\r\n" },
	{ U64, "1\ta\tb\n", "10 bad 2: expected 2 cells, got more\n" },
	{ U64, "1,a\n", "10 bad 2: " U64_RANGE ", got \"1,a\"\n" },
};

static void tsv_rows_are_read(void)
{
	static const struct sample base64 = { RAW, "YQ==\t\\\\\n",
		                              "17 a=\\\n" };
	size_t i;

	EACH(TSV_ROWS, i)
	check_rows(SFS_INGEST_TSV, "key\tvalue", &TSV_ROWS[i]);
	check_rows(SFS_INGEST_TSV, "key_base64\tvalue", &base64);
}

static void put_kv(struct sfs_buf *b, const char *key, size_t key_len,
                   uint32_t value_len)
{
	uint8_t head[8];
	size_t i;

	for (i = 0; i < 4; i++) {
		head[i] = (uint8_t)(key_len >> (8 * i));
		head[4 + i] = (uint8_t)(value_len >> (8 * i));
	}
	sfs_buf_add(b, head, sizeof(head));
	sfs_buf_add(b, key, key_len);
	if (value_len == UINT32_MAX)
		return;
	for (i = 0; i < value_len; i++)
		sfs_buf_putc(b, 'v');
}

/* Says what the bytes mean, and releases them. */
static void check_kv(enum sfs_key_encoding encoding, struct sfs_buf *b,
                     const char *says)
{
	struct parser_log l = { .config = { .format = SFS_INGEST_KV,
		                            .encoding = encoding,
		                            .value_max = 100 } };
	size_t cut;

	for (cut = 0; cut < 20; cut++) {
		parser_log_run(&l, b->data, b->len, cut);
		IS_STR(l.text.data, says);
		sfs_buf_release(&l.text);
	}
	sfs_buf_release(b);
}

static void kv_records_are_read(void)
{
	struct sfs_buf b = SFS_BUF_INIT(1 << 20);

	put_kv(&b, "\0\0\0\0\0\0\1\0", 8, 3);
	put_kv(&b, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8, 0);
	put_kv(&b, "\0\0\0\0\0\0\0\0", 8, UINT32_MAX);
	check_kv(U64, &b, "0 256=vvv\n19 9223372036854775807=\n35 0 deleted\n");
	put_kv(&b, "\xff\xff\xff\xff", 4, 1);
	check_kv(U32, &b, "0 4294967295=v\n");
	put_kv(&b, "", 0, 0);
	put_kv(&b, "a\0\xff", 3, 1);
	check_kv(RAW, &b, "0 =\n8 a%00%FF=v\n");
	put_kv(&b, "\xc3\xa9", 2, 2);
	check_kv(UTF8, &b, "0 %C3%A9=vv\n");
}

static void a_bad_kv_record_is_passed_over(void)
{
	struct sfs_buf b = SFS_BUF_INIT(1 << 20);

	put_kv(&b, "abc", 3, 2);
	put_kv(&b, "\x80\0\0\0\0\0\0\0", 8, 0);
	put_kv(&b, "\0\0\0\0\0\0\0\1", 8, 101);
	put_kv(&b, "\0\0\0\0\0\0\0\2", 8, 100 - 98);
	check_kv(U64, &b,
	         "0 bad 1: key: has 3 bytes, expected 8 (u64be)\n"
	         "13 bad 2: " U64_RANGE ", got more\n"
	         "29 bad 3: value: has 101 bytes, expected at most 100 (the "
	         "option value_max)\n"
	         "146 2=vv\n");
	put_kv(&b, "\xff", 1, 1);
	put_kv(&b, "b", 1, 1);
	check_kv(UTF8, &b,
	         "0 bad 1: key: expected UTF-8 (key_encoding raw takes any "
	         "bytes)\n10 b=v\n");
}

static void a_kv_length_that_makes_no_sense_ends_the_file(void)
{
	struct sfs_buf b = SFS_BUF_INIT(1 << 20);

	put_kv(&b, "a", 1, 1);
	sfs_buf_puts(&b, "{\"key\": 1, \"value\": \"x\"}\n");
	check_kv(UTF8, &b,
	         "0 a=v\n10 bad! 2: key length 1701519995, expected at most "
	         "1048576: not a .kv file, or damaged; nothing behind is "
	         "read\n");
	sfs_buf_add(&b, "\1\0\0\0\xfe\xff\xff\xff", 8);
	put_kv(&b, "a", 1, 1);
	check_kv(UTF8, &b,
	         "0 bad! 1: value length 4294967294, expected at most "
	         "2147483647: not a .kv file, or damaged; nothing behind is "
	         "read\n");
}

static void an_unfinished_kv_record_is_bad(void)
{
	struct sfs_buf b = SFS_BUF_INIT(1 << 20);

	put_kv(&b, "a", 1, 5);
	b.len -= 2;
	check_kv(UTF8, &b,
	         "0 bad 1: the file ends in the record, after 12 of 14 "
	         "bytes\n");
	sfs_buf_add(&b, "\1\0\0", 3);
	check_kv(UTF8, &b,
	         "0 bad 1: the file ends in the record, after 3 of the 8 bytes "
	         "of its lengths\n");
	put_kv(&b, "a", 1, 200);
	b.len -= 50;
	check_kv(UTF8, &b,
	         "0 bad 1: the file ends in the record, after 159 of 209 "
	         "bytes\n");
}

static enum sfs_rc fail_record(void *arg, const struct sfs_record *r,
                               struct sfs_err *err)
{
	(void)arg;
	return sfs_err_set(err, SFS_E_NO_SPACE, "full at %" PRIu64, r->offset);
}

static enum sfs_rc fail_bad(void *arg, const struct sfs_bad_record *bad,
                            struct sfs_err *err)
{
	(void)arg;
	return sfs_err_set(err, SFS_E_CORRUPT, "bad at %" PRIu64, bad->offset);
}

/* The event's answer comes back, and the offset is that of its record. */
static void check_failure(enum sfs_ingest_format format, struct sfs_bytes text,
                          const char *says)
{
	const struct sfs_parser_events events = { .record = fail_record,
		                                  .bad = fail_bad };
	const struct sfs_parser_config config = { .format = format,
		                                  .encoding = U64,
		                                  .value_max = 100 };
	struct sfs_parser *p;
	struct sfs_err err;
	uint64_t offset;

	IS_INT(sfs_parser_new(&config, &events, &p, NULL), SFS_OK);
	OK(sfs_parser_feed(p, text.data, text.len, &err) != SFS_OK);
	IS_STR(err.msg, says);
	offset = strtoull(strrchr(says, ' '), NULL, 10);
	IS_INT(sfs_parser_offset(p), offset);
	sfs_parser_free(p);
}

static struct sfs_bytes bytes_of(const char *text)
{
	return (struct sfs_bytes){ (const uint8_t *)text, strlen(text) };
}

static void what_an_event_answers_ends_the_feeding(void)
{
	struct sfs_bytes kv = { (const uint8_t *)"\10\0\0\0\0\0\0\0"
		                                 "\0\0\0\0\0\0\0\0",
		                16 };

	check_failure(SFS_INGEST_JSONL,
	              bytes_of("\n{\"key\":1,\"value\":\"a\"}\nx\n"),
	              "full at 1");
	check_failure(SFS_INGEST_JSONL, bytes_of("\n\nx\n\n"), "bad at 2");
	check_failure(SFS_INGEST_CSV, bytes_of("key,value\n1,a\n2,b\n"),
	              "full at 10");
	check_failure(SFS_INGEST_CSV, bytes_of("nothing\n1,a\n"), "bad at 0");
	check_failure(SFS_INGEST_KV, kv, "full at 0");
}

static void a_config_that_is_none_is_invalid(void)
{
	struct sfs_parser_config config = { .format = SFS_INGEST_KV,
		                            .encoding = U64,
		                            .value_max = SIZE_MAX };
	const struct sfs_parser_events events = { .record = fail_record,
		                                  .bad = fail_bad };
	struct sfs_parser *p;

	IS_INT(sfs_parser_new(&config, &events, &p, NULL), SFS_E_INVALID);
	config.value_max = 1;
	config.encoding = SFS_KEY_INVALID;
	IS_INT(sfs_parser_new(&config, &events, &p, NULL), SFS_E_INVALID);
	config.encoding = RAW;
	config.format = SFS_INGEST_INVALID;
	IS_INT(sfs_parser_new(&config, &events, &p, NULL), SFS_E_INVALID);
	OK(p == NULL);
	sfs_parser_free(NULL);
}

int main(void)
{
	RUN(names_tell_format_and_compression);
	RUN(json_lines_are_read);
	RUN(a_bad_key_is_refused_with_what_was_expected);
	RUN(a_bad_line_is_refused_and_reading_goes_on);
	RUN(deep_json_is_bounded);
	RUN(csv_rows_are_read);
	RUN(without_a_good_header_a_table_is_not_read);
	RUN(tsv_rows_are_read);
	RUN(kv_records_are_read);
	RUN(a_bad_kv_record_is_passed_over);
	RUN(a_kv_length_that_makes_no_sense_ends_the_file);
	RUN(an_unfinished_kv_record_is_bad);
	RUN(what_an_event_answers_ends_the_feeding);
	RUN(a_config_that_is_none_is_invalid);
	return tap_done();
}
