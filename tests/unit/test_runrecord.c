/* SPDX-License-Identifier: Apache-2.0 */
/* Run records, shardyfusion's own and damaged ones. */
#include "base/clock.h"
#include "format/runrecord.h"
#include "format/runrecord_yaml.h"
#include "unit/tap.h"
#include "unit/testdata.h"

struct tally {
	int records;
	int with_status[SFS_RUN_FAILED + 1];
};

/* What was read is printed as shardyfusion printed it. */
static void expect_same_text(const struct sfs_run_record *rec,
                             const struct testdata *d)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_RUN_RECORD_MAX_BYTES);
	struct sfs_err err = { 0 };

	IS_INT(sfs_run_record_print(rec, &text, &err), SFS_OK);
	IS_STR(text.data, d->bytes);
	sfs_buf_release(&text);
}

static void count_record(void *arg, const char *dir)
{
	char path[TESTDATA_PATH_BYTES];
	struct tally *tally = arg;
	struct sfs_run_record rec;
	struct sfs_err err = { 0 };
	struct testdata d;

	(void)snprintf(path, sizeof(path), "%s/run.yaml", dir);
	d = testdata_read(path);
	OK(d.bytes != NULL);
	if (sfs_run_record_parse(d.bytes, d.len, &rec, &err) != SFS_OK)
		TAP_FAIL("%s: %s", path, err.msg);
	if (strstr(dir, rec.run_id) == NULL)
		TAP_FAIL("%s holds run %s", dir, rec.run_id);
	IS_INT(rec.manifest_ref[0] != '\0', rec.status == SFS_RUN_SUCCEEDED);
	IS_STR(rec.writer_type, "python");
	IS_STR(rec.db_path_template, "db={db_id:05d}");
	OK(rec.started_at_ns > 0 && rec.updated_at_ns >= rec.started_at_ns);
	OK(rec.lease_expires_at_ns >= rec.updated_at_ns);
	IS_INT(rec.error_type[0] != '\0', rec.status == SFS_RUN_FAILED);
	expect_same_text(&rec, &d);
	tally->records++;
	tally->with_status[rec.status]++;
	free(d.bytes);
}

static void golden_records_of_every_status_are_read(void)
{
	struct tally tally = { 0 };

	IS_INT(testdata_each("golden/runs/tree/runs", count_record, &tally), 3);
	IS_INT(tally.records, 3);
	IS_INT(tally.with_status[SFS_RUN_RUNNING], 1);
	IS_INT(tally.with_status[SFS_RUN_SUCCEEDED], 1);
	IS_INT(tally.with_status[SFS_RUN_FAILED], 1);
}

static void other_members_do_not_matter(void)
{
	const char text[] = "x: [1, {y: 2}]\nstatus: 'running'\nrun_id: r\n";
	struct sfs_run_record rec;

	IS_INT(sfs_run_record_parse(text, strlen(text), &rec, NULL), SFS_OK);
	IS_STR(rec.run_id, "r");
	IS_STR(rec.manifest_ref, "");
	IS_INT(rec.status, SFS_RUN_RUNNING);
}

static void members_of_others_are_read_as_far_as_they_can_be(void)
{
	static const char head[] = "status: failed\nrun_id: r\n"
				   "started_at: [1]\nupdated_at: yesterday\n"
				   "s3_prefix: {}\nerror_type: null\n"
				   "lease_expires_at: 2026-11-21 05:49:25Z\n"
				   "error_message: ";
	char text[4096];
	struct sfs_run_record rec;
	size_t len = strlen(head);
	int64_t time;

	memcpy(text, head, len);
	text[len++] = 'x';
	for (int i = 0; i < 1000; i++) {
		memcpy(text + len, "\303\251", 2);
		len += 2;
	}
	IS_INT(sfs_run_record_parse(text, len, &rec, NULL), SFS_OK);
	IS_INT(rec.status, SFS_RUN_FAILED);
	IS_INT(rec.started_at_ns, 0);
	IS_INT(rec.updated_at_ns, 0);
	IS_STR(rec.s3_prefix, "");
	IS_STR(rec.error_type, "");
	/* no half of a character */
	IS_INT(strlen(rec.error_message), SFS_RUN_MESSAGE_BYTES - 1);
	OK(sfs_time_parse("2026-11-21T05:49:25Z", 20, &time));
	IS_INT(rec.lease_expires_at_ns, time);
}

/* Values, and what yaml.safe_dump({"k": value}) says. */
static const struct {
	const char *value;
	const char *text;
} STRINGS[] = {
	{ "plain words", "k: plain words\n" },
	{ "don't", "k: don't\n" },
	{ "a: b", "k: 'a: b'\n" },
	{ "ends:", "k: 'ends:'\n" },
	{ "- item", "k: '- item'\n" },
	{ "#x", "k: '#x'\n" },
	{ "a #b", "k: 'a #b'\n" },
	{ "yes", "k: 'yes'\n" },
	{ "12", "k: '12'\n" },
	{ "1.5e+3", "k: '1.5e+3'\n" },
	{ "2026-11-21T05:49:25.530353Z", "k: '2026-11-21T05:49:25.530353Z'\n" },
	{ "~", "k: '~'\n" },
	{ " leading", "k: ' leading'\n" },
	{ "tab\there", "k: \"tab\\there\"\n" },
	{ "line\nbreak", "k: 'line\n\n  break'\n" },
	{ "two\n\nbreaks", "k: 'two\n\n\n  breaks'\n" },
	{ "\303\251", "k: \"\\xE9\"\n" },
	{ "\360\237\230\200", "k: \"\\U0001F600\"\n" },
	{ "quote\"back\\slash", "k: quote\"back\\slash\n" },
	{ "---x", "k: '---x'\n" },
	{ "=", "k: '='\n" },
	{ "shard 00012: the store said that it cannot be reached at "
	  "this moment, so nothing of it was published and all is as "
	  "it was",
	  "k: 'shard 00012: the store said that it cannot be reached "
	  "at this moment, so nothing\n  of it was published and all "
	  "is as it was'\n" },
	{ "it isn't that the store cannot be reached: it says, for "
	  "reasons it doesn't tell, that nobody may write there at all "
	  "today",
	  "k: 'it isn''t that the store cannot be reached: it says, "
	  "for reasons it doesn''t tell,\n  that nobody may write "
	  "there at all today'\n" },
	{ "caf\303\251 caf\303\251 caf\303\251 caf\303\251 caf\303\251 "
	  "caf\303\251 caf\303\251 caf\303\251 caf\303\251 caf\303\251 "
	  "caf\303\251 caf\303\251 caf\303\251 caf\303\251 x",
	  "k: \"caf\\xE9 caf\\xE9 caf\\xE9 caf\\xE9 caf\\xE9 caf\\xE9 "
	  "caf\\xE9 caf\\xE9 caf\\xE9 caf\\xE9\\\n  \\ caf\\xE9 "
	  "caf\\xE9 caf\\xE9 caf\\xE9 x\"\n" },
	{ "{db_id:05d}", "k: '{db_id:05d}'\n" },
	{ "db={db_id:05d}", "k: db={db_id:05d}\n" },
	{ "[a]", "k: '[a]'\n" },
	{ "0x1f", "k: '0x1f'\n" },
	{ "1:30", "k: '1:30'\n" },
	{ "null", "k: 'null'\n" },
	{ "%a", "k: '%a'\n" },
	{ "@b", "k: '@b'\n" },
	{ "a,b", "k: a,b\n" },
	{ "x\177y", "k: \"x\\x7Fy\"\n" },
};

static void strings_are_printed_as_python_prints_them(void)
{
	struct sfs_buf text = SFS_BUF_INIT(65536);
	struct sfs_err err = { 0 };

	for (size_t i = 0; i < sizeof(STRINGS) / sizeof(STRINGS[0]); i++) {
		sfs_buf_reset(&text);
		IS_INT(sfs_run_yaml_member(&text, "k", STRINGS[i].value, &err),
		       SFS_OK);
		IS_STR(text.data, STRINGS[i].text);
	}
	sfs_buf_release(&text);
}

static void a_printed_record_is_read_back(void)
{
	struct sfs_run_record in = {
		.run_id = "0123",
		.status = SFS_RUN_FAILED,
		.manifest_ref = "",
		.writer_type = "shardyfs",
		.s3_prefix = "file:///srv/a b: #c",
		.shard_prefix = "shards",
		.db_path_template = "db={db_id:05d}",
		.error_type = "yes",
		.error_message = "two\nlines, 'quoted', \303\251",
		.started_at_ns = INT64_C(1700000000123456000),
		.updated_at_ns = INT64_C(1700000001000000000),
		.lease_expires_at_ns = INT64_C(1700000601000000000),
	};
	struct sfs_buf text = SFS_BUF_INIT(SFS_RUN_RECORD_MAX_BYTES);
	struct sfs_run_record out;
	struct sfs_err err = { 0 };

	IS_INT(sfs_run_record_print(&in, &text, &err), SFS_OK);
	IS_INT(sfs_run_record_parse(text.data, text.len, &out, &err), SFS_OK);
	IS_STR(out.run_id, in.run_id);
	IS_STR(out.s3_prefix, in.s3_prefix);
	IS_STR(out.error_type, in.error_type);
	IS_STR(out.error_message, in.error_message);
	IS_STR(out.manifest_ref, "");
	IS_INT(out.status, in.status);
	IS_INT(out.started_at_ns, in.started_at_ns);
	IS_INT(out.updated_at_ns, in.updated_at_ns);
	IS_INT(out.lease_expires_at_ns, in.lease_expires_at_ns);
	sfs_buf_release(&text);
}

static void the_run_is_told_by_the_key(void)
{
	char run_id[SFS_RUN_ID_BYTES];

	OK(sfs_run_record_run_id("runs/T_run_id=a_b_0f/", run_id));
	IS_STR(run_id, "a_b");
	OK(!sfs_run_record_run_id("runs/T_a_b/", run_id));
	OK(!sfs_run_record_run_id("runs/T_run_id=ab/", run_id));
}

static void expect_corrupt(const char *text, const char *part)
{
	struct sfs_run_record rec;
	struct sfs_err err = { 0 };

	IS_INT(sfs_run_record_parse(text, strlen(text), &rec, &err),
	       SFS_E_CORRUPT);
	IS_INT(err.rc, SFS_E_CORRUPT);
	HAS_STR(err.msg, "run record: ");
	HAS_STR(err.msg, part);
}

static void damaged_records_are_corrupt(void)
{
	expect_corrupt("", "run_id");
	expect_corrupt("[]", "not a mapping");
	expect_corrupt("a: [", "line");
	expect_corrupt("run_id: null\nstatus: running\n", "run_id");
	expect_corrupt("run_id: a/b\nstatus: running\n", "run_id");
	expect_corrupt("run_id: [a]\nstatus: running\n", "run_id is no scalar");
	expect_corrupt("run_id: a\n", "status is missing");
	expect_corrupt("run_id: a\nstatus: done\n", "\"done\"");
	expect_corrupt("run_id: a\nstatus: 'aaaaaaaaaaaaaaaaaaaa'\n",
	               "status is too long");
	expect_corrupt("run_id: a\nstatus: running\nmanifest_ref: {}\n",
	               "manifest_ref is no scalar");
}

int main(void)
{
	RUN(golden_records_of_every_status_are_read);
	RUN(other_members_do_not_matter);
	RUN(members_of_others_are_read_as_far_as_they_can_be);
	RUN(strings_are_printed_as_python_prints_them);
	RUN(a_printed_record_is_read_back);
	RUN(the_run_is_told_by_the_key);
	RUN(damaged_records_are_corrupt);
	return tap_done();
}
