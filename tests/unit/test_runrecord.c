/* SPDX-License-Identifier: Apache-2.0 */
/* Run records, shardyfusion's own and damaged ones. */
#include "format/runrecord.h"
#include "unit/tap.h"
#include "unit/testdata.h"

struct tally {
	int records;
	int with_status[SFS_RUN_FAILED + 1];
};

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
	RUN(damaged_records_are_corrupt);
	return tap_done();
}
