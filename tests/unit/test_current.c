/* SPDX-License-Identifier: Apache-2.0 */
/* The pointer object: shardyfusion's bytes in, the same bytes out. */
#include "format/current.h"
#include "unit/tap.h"
#include "unit/testdata.h"

#define REF "\"manifest_ref\":\"s3://b/p/manifests/x/manifest\""
#define TYPE "\"manifest_content_type\":\"application/x-sqlite3\""
#define RUN_ID "\"run_id\":\"r1\""
#define UPDATED "\"updated_at\":\"2026-11-21T05:49:21.206321Z\""

static enum sfs_rc parse(const char *text, struct sfs_current *c,
                         struct sfs_err *err)
{
	return sfs_current_parse(text, strlen(text), c, err);
}

static void comes_back_the_same(void *arg, const char *store)
{
	struct sfs_buf b = SFS_BUF_INIT(SFS_CURRENT_MAX_BYTES);
	char path[TESTDATA_PATH_BYTES];
	struct sfs_current c;
	struct testdata d;
	struct sfs_err err = { 0 };
	int *stores = arg;

	(void)snprintf(path, sizeof(path), "%s/tree/_CURRENT", store);
	d = testdata_read(path);
	if (d.bytes == NULL)
		return;
	++*stores;
	if (sfs_current_parse(d.bytes, d.len, &c, &err) != SFS_OK)
		TAP_FAIL("%s: %s", path, err.msg);
	sfs_current_print(&c, &b);
	IS_STR(b.data, d.bytes);
	IS_INT(b.len, d.len);
	sfs_buf_release(&b);
	free(d.bytes);
}

static void golden_pointers_come_back_byte_for_byte(void)
{
	int stores = 0;

	OK(testdata_each("golden", comes_back_the_same, &stores) > 0);
	OK(stores >= 10);
}

static void members_are_taken_whatever_their_order(void)
{
	struct sfs_current c;

	IS_INT(parse("{" UPDATED ", " RUN_ID ", " REF ", " TYPE "}", &c, NULL),
	       SFS_OK);
	IS_STR(c.run_id, "r1");
	IS_STR(c.manifest_ref, "s3://b/p/manifests/x/manifest");
	IS_INT(c.updated_at_ns % 1000000000, 206321000);
}

static void unknown_members_and_versions_are_accepted(void)
{
	struct sfs_current c;

	IS_INT(parse("{\"format_version\":2,\"x\":[{\"run_id\":\"z\"}]," UPDATED
	             "," RUN_ID "," REF "," TYPE "}",
	             &c, NULL),
	       SFS_OK);
	IS_STR(c.run_id, "r1");
	IS_INT(parse("{" UPDATED "," RUN_ID "," REF "," TYPE "}", &c, NULL),
	       SFS_OK);
}

static void a_fraction_of_zero_is_not_printed(void)
{
	struct sfs_buf b = SFS_BUF_INIT(SFS_CURRENT_MAX_BYTES);
	struct sfs_current c;

	IS_INT(parse("{\"updated_at\":\"2026-11-21T05:49:21Z\"," RUN_ID "," REF
	             "," TYPE "}",
	             &c, NULL),
	       SFS_OK);
	sfs_current_print(&c, &b);
	IS_STR(b.data, "{\"format_version\":1," TYPE "," REF "," RUN_ID
	               ",\"updated_at\":\"2026-11-21T05:49:21Z\"}");
	sfs_buf_release(&b);
}

static void a_ref_that_is_too_long_is_corrupt(void)
{
	char text[2 * SFS_URL_BYTES];
	struct sfs_current c;
	struct sfs_err err;
	int len;

	len = snprintf(text, sizeof(text), "{\"manifest_ref\":\"%0*d\"}",
	               SFS_URL_BYTES, 0);
	IS_INT(sfs_current_parse(text, (size_t)len, &c, &err), SFS_E_CORRUPT);
	IS_STR(err.msg, "_CURRENT: manifest_ref is too long");
}

int main(void)
{
	RUN(golden_pointers_come_back_byte_for_byte);
	RUN(members_are_taken_whatever_their_order);
	RUN(unknown_members_and_versions_are_accepted);
	RUN(a_fraction_of_zero_is_not_printed);
	RUN(a_ref_that_is_too_long_is_corrupt);
	return tap_done();
}
