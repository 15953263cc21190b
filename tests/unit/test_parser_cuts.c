/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a parser says depends on the bytes alone: not on where they are cut,
 * not on the short cut of JSON Lines. And its memory depends on value_max
 * alone, whatever is fed.
 */
#include "base/alloc.h"
#include "base/inflate.h"
#include "unit/parser_log.h"

#include <sys/resource.h>
#include <zlib.h>

enum { VALUE_MAX = 1000, TEXT_MAX = VALUE_MAX * 3 / 2 + (3 << 20) };

static uint32_t state = 1;

static uint32_t random_below(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)state * n) >> 32);
}

static const char JSONL[] = "\xef\xbb\xbf{\"key\": 1, \"value\": \"one\"}\n"
			    "\r\n"
			    "{\"key\":\"2\",\"value_base64\":\"AP8=\"}\r\n"
			    "not json\n"
			    "{\"key\":3,\"value\":\"\\u00e9\xc3\xa9\"}\n"
			    "{\"key\":4,\"delete\":true}\n"
			    "{\"key\":5,\"value_json\":{\"a\":[1,2]}}\n"
			    "{\"key\":6,\"value\":\"bad \xff\"}\n"
			    "{\"key\":99999999999999999999,\"value\":\"\"}\n"
			    "{\"key\":7,\"value\":\"no newline\"}";

static const char CSV[] = "\xef\xbb\xbf\"key\",value,\"delete\"\r\n"
			  "1,one,\r\n"
			  "2,\"a,b\r\n\"\"c\"\"\n\",false\n"
			  "\n"
			  "3,\"bad\"x,\n"
			  "4,,true\n"
			  "5,ba\"d,\n"
			  "x,\"line\n\n\",\n"
			  "\"6\",\"\",\"\"\n"
			  "7,\"\"\"\",1\n"
			  "8,too,few,cells\n"
			  "9,\"open\n";

static const char TSV[] = "key\tvalue\r\n"
			  "1\tone\r\n"
			  "2\ta\\tb\\n\n"
			  "\n"
			  "3\tbad\\x\n"
			  "4\n"
			  "5\t\"quoted\"";

static const char KV[] = "\10\0\0\0\3\0\0\0\0\0\0\0\0\0\0\1one"
			 "\10\0\0\0\377\377\377\377\0\0\0\0\0\0\0\2"
			 "\3\0\0\0\1\0\0\0abcd"
			 "\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\3"
			 "\10\0\0\0\1\0\0\0\200\0\0\0\0\0\0\3x"
			 "\10\0\0\0\4\0\0\0\0\0\0\0\0\0\0\4fo";

struct input {
	enum sfs_ingest_format format;
	const char *text;
	size_t len;
};

static const struct input INPUTS[] = {
	{ SFS_INGEST_JSONL, JSONL, sizeof(JSONL) - 1 },
	{ SFS_INGEST_CSV, CSV, sizeof(CSV) - 1 },
	{ SFS_INGEST_TSV, TSV, sizeof(TSV) - 1 },
	{ SFS_INGEST_KV, KV, sizeof(KV) - 1 },
};

enum { INPUTS_COUNT = sizeof(INPUTS) / sizeof(INPUTS[0]) };

static void same(const struct parser_log *a, const struct parser_log *b,
                 const char *how, size_t n)
{
	if (a->text.len != b->text.len ||
	    memcmp(a->text.data, b->text.data, a->text.len) != 0)
		TAP_FAIL("%s %zu:\n# %s\n# and not\n# %s", how, n, b->text.data,
		         a->text.data);
}

static struct parser_log log_of(enum sfs_ingest_format format)
{
	struct parser_log l = {
		.config = { .format = format,
		            .encoding = SFS_KEY_U64BE,
		            .value_max = VALUE_MAX },
	};

	return l;
}

static void cuts_of_every_size_change_nothing(void)
{
	struct parser_log whole, pieces;
	size_t i, cut;

	for (i = 0; i < INPUTS_COUNT; i++) {
		whole = log_of(INPUTS[i].format);
		pieces = log_of(INPUTS[i].format);
		parser_log_run(&whole, INPUTS[i].text, INPUTS[i].len, 0);
		OK(whole.records >= 3 && whole.bad >= 2);
		for (cut = 1; cut <= 2 * INPUTS[i].len; cut++) {
			pieces.pause = cut % 2 ? PARSER_GOES_ON : PARSER_RESTS;
			parser_log_run(&pieces, INPUTS[i].text, INPUTS[i].len,
			               (cut + 1) / 2);
			same(&whole, &pieces, "cuts of", cut);
			sfs_buf_release(&pieces.text);
		}
		sfs_buf_release(&whole.text);
	}
}

/* Feeds in pieces of random lengths, some of them empty. */
static void run_at_random(struct parser_log *l, const char *text, size_t len)
{
	size_t n;

	l->source = text;
	parser_log_open(l);
	while (l->end < len) {
		n = random_below(1 + random_below(64));
		if (n > len - l->end)
			n = len - (size_t)l->end;
		parser_log_feed(l, text + l->end, n);
		if (l->pause == PARSER_REWINDS && random_below(3) == 0)
			parser_log_rewind(l);
	}
	parser_log_close(l);
}

static void random_cuts_change_nothing(void)
{
	struct parser_log whole, pieces;
	size_t i, n;

	for (i = 0; i < INPUTS_COUNT; i++) {
		whole = log_of(INPUTS[i].format);
		pieces = log_of(INPUTS[i].format);
		parser_log_run(&whole, INPUTS[i].text, INPUTS[i].len, 0);
		for (n = 0; n < 1000; n++) {
			pieces.pause = (enum parser_log_pause)(n % 3);
			run_at_random(&pieces, INPUTS[i].text, INPUTS[i].len);
			same(&whole, &pieces, "random cuts", n);
			sfs_buf_release(&pieces.text);
		}
		sfs_buf_release(&whole.text);
	}
}

static size_t mutate(char *text, size_t len)
{
	static const char likely[] = "\"\\\n\r\t,:{}[]0123456789-.eu \xef\xbb"
				     "\xbf\xc3\xa9\xed\xa0\x80\xff\x1f\x7f";
	unsigned changes = 1 + random_below(3);
	size_t at;

	for (; changes > 0 && len > 1; changes--) {
		at = random_below((uint32_t)len);
		switch (random_below(4)) {
		case 0:
			memmove(text + at, text + at + 1, len - at - 1);
			len--;
			break;
		case 1:
			memmove(text + at + 1, text + at, len - at);
			len++;
			text[at] = likely[random_below(sizeof(likely) - 1)];
			break;
		case 2:
			text[at] = (char)random_below(256);
			break;
		case 3:
			text[at] = likely[random_below(sizeof(likely) - 1)];
			break;
		}
	}
	return len;
}

static void cuts_change_nothing_of_damaged_input_either(void)
{
	struct parser_log whole, pieces;
	char text[1024];
	size_t i, n, len;

	for (n = 0; n < 20000; n++) {
		i = n % INPUTS_COUNT;
		memcpy(text, INPUTS[i].text, INPUTS[i].len);
		len = mutate(text, INPUTS[i].len);
		whole = log_of(INPUTS[i].format);
		pieces = log_of(INPUTS[i].format);
		pieces.pause = (enum parser_log_pause)(n / INPUTS_COUNT % 3);
		parser_log_run(&whole, text, len, 0);
		run_at_random(&pieces, text, len);
		same(&whole, &pieces, "random cuts of mutation", n);
		sfs_buf_release(&whole.text);
		sfs_buf_release(&pieces.text);
	}
}

static const char *const LINES[] = {
	"{\"key\": 123456789, \"value\": \"0123456789abcdefghijklmnopqrst\"}",
	"{\"key\":9223372036854775807,\"value\":\"\"}",
	" {\t\"key\" :0 , \"value\": \"\xc3\xa9 and \xf0\x9f\x98\x80\"} \r",
	"{\"key\":\"0\",\"value\":\"x\"}",
	"{\"key\":\"some text\",\"value\":\"\\n\"}",
	"{\"key\":4294967295,\"value\":\"a\\\"b\"}",
	"{\"key\":\"\xe2\x82\xac\",\"value\":\"\\u0000\"}",
};

/* Which of the two read a line: only a string in place is in the line. */
static void compare_ways(enum sfs_key_encoding encoding, const char *line,
                         size_t len, uint64_t counts[2])
{
	struct parser_log fast = log_of(SFS_INGEST_JSONL);
	struct parser_log slow = log_of(SFS_INGEST_JSONL);

	fast.config.encoding = encoding;
	slow.config.encoding = encoding;
	slow.is_slow = true;
	parser_log_run(&fast, line, len, 0);
	parser_log_run(&slow, line, len, 0);
	same(&slow, &fast, "mutated line", 0);
	counts[0] += fast.records;
	counts[1] += fast.bad;
	sfs_buf_release(&fast.text);
	sfs_buf_release(&slow.text);
}

static void the_short_cut_of_json_lines_changes_nothing(void)
{
	static const enum sfs_key_encoding encodings[] = {
		SFS_KEY_U64BE, SFS_KEY_U32BE, SFS_KEY_UTF8, SFS_KEY_RAW
	};
	uint64_t counts[2] = { 0, 0 };
	char text[256];
	size_t n, len;
	const char *line;

	for (n = 0; n < 100000; n++) {
		line = LINES[random_below(sizeof(LINES) / sizeof(LINES[0]))];
		len = strlen(line);
		memcpy(text, line, len);
		if (n % 8 != 0)
			len = mutate(text, len);
		compare_ways(encodings[n % 4], text, len, counts);
	}
	printf("# %" PRIu64 " records, %" PRIu64 " bad\n", counts[0],
	       counts[1]);
	OK(counts[0] > 10000 && counts[1] > 10000);
}

static void a_value_may_have_value_max_bytes_and_no_more(void)
{
	static char line[8192];
	static char value[VALUE_MAX + 2];
	struct parser_log l;
	size_t n;
	int len;

	for (n = VALUE_MAX; n <= VALUE_MAX + 1; n++) {
		memset(value, 'v', n);
		value[n] = '\0';
		len = snprintf(line, sizeof(line),
		               "{\"key\":1,\"value\":\"%s\"}\n"
		               "{\"value\":\"%s\",\"key\":1}\n"
		               "{\"key\":1,\"value\":\"\\u0076%s\"}\n"
		               "{\"key\":1,\"value_json\":\"%s\"}\n",
		               value, value, value + 1, value + 2);
		l = log_of(SFS_INGEST_JSONL);
		parser_log_run(&l, line, (size_t)len, 0);
		IS_INT(l.records, n == VALUE_MAX ? 4 : 0);
		if (n > VALUE_MAX)
			HAS_STR(l.text.data, "value: has 1001 bytes, expected "
			                     "at most 1000 (the option "
			                     "value_max)\n");
		sfs_buf_release(&l.text);
	}
}

static void a_key_may_have_one_mebibyte_and_no_more(void)
{
	const size_t most = 1 << 20;
	struct parser_log l = log_of(SFS_INGEST_CSV);
	struct sfs_buf text = SFS_BUF_INIT(4 << 20);
	size_t n;

	for (n = most; n <= most + 1; n++) {
		sfs_buf_reset(&text);
		sfs_buf_puts(&text, "key,value\n");
		memset(sfs_buf_reserve(&text, n), 'k', n);
		text.len += n;
		sfs_buf_puts(&text, ",v\n");
		l.config.encoding = SFS_KEY_UTF8;
		parser_log_run(&l, text.data, text.len, 100000);
		IS_INT(l.records, n == most);
		if (n > most)
			IS_STR(l.text.data,
			       "10 bad 2: key: has 1048577 bytes, expected at "
			       "most 1048576\n");
		sfs_buf_release(&l.text);
	}
	sfs_buf_release(&text);
}

/* A first record of exactly n bytes, then a good one. */
static void check_length(enum sfs_ingest_format format, const char *open,
                         size_t n, size_t cut, const char *says)
{
	struct parser_log l = log_of(format);
	struct sfs_buf text = SFS_BUF_INIT(8 << 20);
	const bool is_table = format != SFS_INGEST_JSONL;

	if (is_table)
		sfs_buf_puts(&text, format == SFS_INGEST_CSV ? "key,value\n"
		                                             : "key\tvalue\n");
	sfs_buf_puts(&text, open);
	memset(sfs_buf_reserve(&text, n), ' ', n);
	text.len += n - strlen(open);
	if (open[strlen(open) - 1] == '"')
		sfs_buf_puts(&text, "\"");
	sfs_buf_puts(&text, is_table ? "\n1" : "\n");
	if (is_table)
		sfs_buf_puts(&text, format == SFS_INGEST_CSV ? ",a" : "\ta");
	else
		sfs_buf_puts(&text, "{\"key\":1,\"value\":\"a\"}");
	parser_log_run(&l, text.data, text.len, cut);
	HAS_STR(l.text.data, says);
	HAS_STR(l.text.data, " 1=a\n");
	IS_INT(l.records, 1);
	IS_INT(l.bad, 1);
	sfs_buf_release(&l.text);
	sfs_buf_release(&text);
}

static void a_record_that_is_too_long_is_one_bad_record(void)
{
	static const size_t cuts[] = { 0, 4096, 1000003 };
	size_t i;

	for (i = 0; i < 3; i++) {
		check_length(SFS_INGEST_JSONL, "{", TEXT_MAX, cuts[i],
		             "not JSON");
		check_length(SFS_INGEST_JSONL, "{", TEXT_MAX + 1, cuts[i],
		             "longer than 3147228 bytes");
		check_length(SFS_INGEST_CSV, "1,", TEXT_MAX, cuts[i],
		             "value: has 3147226 bytes");
		check_length(SFS_INGEST_CSV, "1,", TEXT_MAX + 1, cuts[i],
		             "longer than 3147228 bytes");
		check_length(SFS_INGEST_CSV, "1,\"", TEXT_MAX, cuts[i],
		             "longer than 3147228 bytes");
		check_length(SFS_INGEST_TSV, "1\t", TEXT_MAX + 1, cuts[i],
		             "longer than 3147228 bytes");
	}
}

/* However small the pieces are that it comes in. */
static void a_long_record_is_fetched_once_and_never_held(void)
{
	const size_t n = 2 << 20;
	struct sfs_buf text = SFS_BUF_INIT(8 << 20);
	struct parser_log l;

	sfs_buf_puts(&text, "{\"key\":1,\"value\":\"");
	memset(sfs_buf_reserve(&text, n), 'v', n);
	text.len += n;
	sfs_buf_puts(&text, "\"}\n{\"key\":2,\"value\":\"\"}");
	for (int pause = PARSER_GOES_ON; pause <= PARSER_RESTS; pause++) {
		l = log_of(SFS_INGEST_JSONL);
		l.config.value_max = n;
		l.pause = (enum parser_log_pause)pause;
		l.is_quiet = true;
		parser_log_run(&l, text.data, text.len, 10007);
		IS_INT(l.records, 2);
		IS_INT(l.value_bytes, n);
		if (pause == PARSER_GOES_ON)
			IS_INT(l.fetched, 0);
		/* as long as it is small, once a piece: 26 times */
		else
			OK(l.fetched < n + 27 * SFS_PARSER_HELD_BYTES / 2);
		sfs_buf_release(&l.text);
	}
	sfs_buf_release(&text);
}

static size_t peak_bytes(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (size_t)u.ru_maxrss * 1024;
}

/* A gibibyte of one byte, behind what opens a record. */
static void check_endless(enum sfs_ingest_format format, const char *open,
                          int byte, const char *says)
{
	enum { PIECE = 1 << 20, PIECES = 1 << 10 };
	static char piece[PIECE];
	struct parser_log l = log_of(format);
	size_t before = peak_bytes();
	int i;

	l.is_quiet = true;
	memset(piece, byte, PIECE);
	parser_log_open(&l);
	parser_log_feed(&l, open, strlen(open));
	for (i = 0; i < PIECES; i++)
		parser_log_feed(&l, piece, PIECE);
	parser_log_close(&l);
	IS_INT(l.records, 0);
	IS_INT(l.bad, 1);
	HAS_STR(l.text.data, says);
	OK(peak_bytes() < before + (12 << 20));
	sfs_buf_release(&l.text);
}

static void a_gibibyte_without_a_newline_takes_no_memory(void)
{
	check_endless(SFS_INGEST_JSONL, "", 'a', "0 bad 1: longer than");
	check_endless(SFS_INGEST_JSONL, "{\"key\":1,\"value\":\"", 'a',
	              "0 bad 1: longer than");
	check_endless(SFS_INGEST_TSV, "", '\t', "0 bad! 1: longer than");
	check_endless(SFS_INGEST_CSV, "key,value\n1,\"", ',',
	              ": a quote is not closed");
	check_endless(SFS_INGEST_KV, "\10\1\1\1\1\1\1\1", 'a',
	              "key length 16843016, expected at most");
}

/* 64 MiB of spaces in 64 KiB of gzip, which are one line. */
static size_t make_bomb(uint8_t *out, size_t cap)
{
	static uint8_t spaces[1 << 20];
	z_stream z = { 0 };
	int i;

	memset(spaces, ' ', sizeof(spaces));
	IS_INT(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY),
	       Z_OK);
	z.next_out = out;
	z.avail_out = (unsigned)cap;
	for (i = 0; i < 64; i++) {
		z.next_in = spaces;
		z.avail_in = sizeof(spaces);
		(void)deflate(&z, i == 63 ? Z_FINISH : Z_NO_FLUSH);
	}
	(void)deflateEnd(&z);
	return cap - z.avail_out;
}

static void a_bomb_takes_no_memory(void)
{
	static uint8_t packed[1 << 18], out[1 << 16];
	struct sfs_inflate_step s = { .in = packed, .out = out };
	struct parser_log l = log_of(SFS_INGEST_JSONL);
	size_t before = peak_bytes();
	struct sfs_inflate *z;

	s.in_len = make_bomb(packed, sizeof(packed));
	s.out_cap = sizeof(out);
	IS_INT(sfs_inflate_new(SFS_COMPRESSION_GZIP, &z, NULL), SFS_OK);
	parser_log_open(&l);
	do {
		IS_INT(sfs_inflate_next(z, &s, NULL), SFS_OK);
		s.in += s.in_used;
		s.in_len -= s.in_used;
		parser_log_feed(&l, out, s.out_len);
	} while (s.in_used > 0 || s.out_len > 0);
	OK(sfs_inflate_is_whole(z));
	parser_log_close(&l);
	IS_INT(l.bad, 1);
	HAS_STR(l.text.data, "0 bad 1: longer than 3147228 bytes");
	OK(peak_bytes() < before + (12 << 20));
	sfs_buf_release(&l.text);
	sfs_inflate_free(z);
}

static enum sfs_rc count_record(void *arg, const struct sfs_record *r,
                                struct sfs_err *err)
{
	(void)r;
	(void)err;
	++*(unsigned *)arg;
	return SFS_OK;
}

static enum sfs_rc count_bad(void *arg, const struct sfs_bad_record *bad,
                             struct sfs_err *err)
{
	(void)bad;
	(void)err;
	++*(unsigned *)arg;
	return SFS_OK;
}

static enum sfs_rc run_scarce(const struct input *in, unsigned *count)
{
	const struct sfs_parser_config config = { .format = in->format,
		                                  .encoding = SFS_KEY_U64BE,
		                                  .value_max = VALUE_MAX };
	const struct sfs_parser_events events = { .record = count_record,
		                                  .bad = count_bad,
		                                  .arg = count };
	struct sfs_parser *p;
	struct sfs_err err;
	enum sfs_rc rc;
	size_t at, n;

	rc = sfs_parser_new(&config, &events, &p, &err);
	for (at = 0; rc == SFS_OK && at < in->len; at += n) {
		n = in->len - at < 7 ? in->len - at : 7;
		rc = sfs_parser_feed(p, in->text + at, n, &err);
	}
	if (rc == SFS_OK)
		rc = sfs_parser_finish(p, &err);
	if (rc != SFS_OK)
		HAS_STR(err.msg, "out of memory");
	sfs_parser_free(p);
	return rc;
}

static void an_allocation_that_fails_is_never_a_bad_record(void)
{
	unsigned long before, nth;
	unsigned want, got;
	enum sfs_rc rc;
	size_t i;

	for (i = 0; i < INPUTS_COUNT; i++) {
		want = 0;
		IS_INT(run_scarce(&INPUTS[i], &want), SFS_OK);
		for (nth = 1;; nth++) {
			before = sfs_alloc_fault_count();
			got = 0;
			sfs_alloc_fail_nth(nth);
			rc = run_scarce(&INPUTS[i], &got);
			sfs_alloc_fail_nth(0);
			if (sfs_alloc_fault_count() == before)
				break;
			IS_INT(rc, SFS_E_NO_MEMORY);
			OK(got < want);
		}
		OK(nth > 2);
		IS_INT(got, want);
	}
}

int main(void)
{
	RUN(cuts_of_every_size_change_nothing);
	RUN(random_cuts_change_nothing);
	RUN(cuts_change_nothing_of_damaged_input_either);
	RUN(the_short_cut_of_json_lines_changes_nothing);
	RUN(a_value_may_have_value_max_bytes_and_no_more);
	RUN(a_key_may_have_one_mebibyte_and_no_more);
	RUN(a_record_that_is_too_long_is_one_bad_record);
	RUN(a_long_record_is_fetched_once_and_never_held);
	RUN(a_gibibyte_without_a_newline_takes_no_memory);
	RUN(a_bomb_takes_no_memory);
	RUN(an_allocation_that_fails_is_never_a_bad_record);
	return tap_done();
}
