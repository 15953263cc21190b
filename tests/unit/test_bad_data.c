/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every file of tests/data/bad is refused with the code and the words that
 * expected.tsv gives for it, and each of them is listed there.
 */
#include "format/current.h"
#include "format/manifest.h"
#include "unit/tap.h"
#include "unit/testdata.h"

static enum sfs_rc parse(const char *path, const struct testdata *d,
                         struct sfs_err *err)
{
	struct sfs_manifest *m = NULL;
	struct sfs_current current;
	enum sfs_rc rc;

	if (strncmp(path, "current/", 8) == 0)
		return sfs_current_parse(d->bytes, d->len, &current, err);
	rc = sfs_manifest_parse(d->bytes, d->len, &m, err);
	sfs_manifest_free(m);
	return rc;
}

/* path TAB name of the code TAB part of the message */
static void check_line(char *path, char *rc_name, const char *part)
{
	char name[TESTDATA_PATH_BYTES];
	struct sfs_err err = { 0 };
	struct testdata d;
	enum sfs_rc rc;

	(void)snprintf(name, sizeof(name), "bad/%s", path);
	d = testdata_read(name);
	if (d.bytes == NULL) {
		TAP_FAIL("%s is listed but not there", path);
		return;
	}
	rc = parse(path, &d, &err);
	if (strcmp(sfs_rc_name(rc), rc_name) != 0)
		TAP_FAIL("%s: %s (%s), not %s", path, sfs_rc_name(rc), err.msg,
		         rc_name);
	if (rc != SFS_OK && (err.rc != rc || strstr(err.msg, part) == NULL))
		TAP_FAIL("%s: \"%s\" does not hold \"%s\"", path, err.msg,
		         part);
	free(d.bytes);
}

static void each_bad_file_is_refused_by_name(void)
{
	struct testdata list = testdata_read("bad/expected.tsv");
	char *rest = list.bytes;
	char *path;
	char *rc_name;
	char *part;
	int lines = 0;

	OK(list.bytes != NULL);
	while (rest != NULL && *rest != '\0') {
		path = strsep(&rest, "\t");
		rc_name = strsep(&rest, "\t");
		part = strsep(&rest, "\n");
		if (part == NULL) {
			TAP_FAIL("a line without three fields: %s", path);
			break;
		}
		check_line(path, rc_name, part);
		lines++;
	}
	OK(lines > 80);
	free(list.bytes);
}

static void is_listed(void *arg, const char *path)
{
	char line[TESTDATA_PATH_BYTES + 2];

	(void)snprintf(line, sizeof(line), "\n%s\t", path + strlen("bad/"));
	if (strstr(arg, line) == NULL)
		TAP_FAIL("%s is not listed in expected.tsv", path);
}

static void each_bad_file_is_listed(void)
{
	struct testdata list = testdata_read("bad/expected.tsv");
	char *text = malloc(list.len + 2);

	OK(list.bytes != NULL && text != NULL);
	(void)snprintf(text, list.len + 2, "\n%s", list.bytes);
	OK(testdata_each("bad/current", is_listed, text) > 0);
	OK(testdata_each("bad/manifest", is_listed, text) > 0);
	free(text);
	free(list.bytes);
}

int main(void)
{
	RUN(each_bad_file_is_refused_by_name);
	RUN(each_bad_file_is_listed);
	return tap_done();
}
