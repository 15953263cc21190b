/* SPDX-License-Identifier: Apache-2.0 */
/* Names of manifests, snapshots and shards, in both directions. */
#include "format/names.h"
#include "unit/tap.h"

#define TS "2026-11-21T05:49:20.021594Z"

static const char *const RUN_IDS[] = {
	"release_2026-01.b",
	"nightly-2026.01_good",
	"36350787-d313-4753-812c-dfb73c242ad3",
	"693c3426e2ee4ad99045c2f7e77c7720",
	"-",
	"a_run_id=b", /* never valid: '=' */
};
enum { VALID_RUN_IDS = 5 };

static void run_ids_are_single_safe_segments(void)
{
	char longest[SFS_RUN_ID_BYTES + 1];
	size_t i;

	for (i = 0; i < VALID_RUN_IDS; i++)
		OK(sfs_run_id_is_valid(RUN_IDS[i], strlen(RUN_IDS[i])));
	OK(!sfs_run_id_is_valid(RUN_IDS[5], strlen(RUN_IDS[5])));
	OK(!sfs_run_id_is_valid("", 0));
	OK(!sfs_run_id_is_valid(".", 1));
	OK(!sfs_run_id_is_valid("..", 2));
	OK(sfs_run_id_is_valid("...", 3));
	OK(!sfs_run_id_is_valid("a/b", 3));
	OK(!sfs_run_id_is_valid("a b", 3));
	OK(!sfs_run_id_is_valid("a\0b", 3));
	OK(!sfs_run_id_is_valid("\xc3\xa9", 2));
	memset(longest, 'x', sizeof(longest));
	OK(sfs_run_id_is_valid(longest, SFS_RUN_ID_BYTES - 1));
	OK(!sfs_run_id_is_valid(longest, SFS_RUN_ID_BYTES));
}

static void a_snapshot_id_comes_back_from_key_and_text(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	char again[SFS_MANIFEST_KEY_BYTES];
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id a;
	struct sfs_snapshot_id b;
	size_t i;

	for (i = 0; i < VALID_RUN_IDS; i++) {
		(void)snprintf(key, sizeof(key),
		               "manifests/" TS "_run_id=%s/manifest",
		               RUN_IDS[i]);
		OK(sfs_snapshot_id_from_manifest_key(key, &a));
		IS_STR(a.run_id, RUN_IDS[i]);
		sfs_snapshot_id_text(&a, text);
		OK(sfs_snapshot_id_from_text(text, &b));
		IS_INT(sfs_snapshot_id_compare(&a, &b), 0);
		sfs_snapshot_id_manifest_key(&b, again);
		IS_STR(again, key);
	}
	IS_INT(a.published_at_ns % 1000000000, 21594000);
}

static void the_text_of_a_snapshot_has_no_colons(void)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id id;

	OK(sfs_snapshot_id_from_manifest_key(
		"manifests/" TS "_run_id=release_2026-01.b/", &id));
	sfs_snapshot_id_text(&id, text);
	IS_STR(text, "20261121T054920.021594Z-release_2026-01.b");
}

static void the_longest_run_id_fits(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id id = { 0 };
	struct sfs_snapshot_id again;

	memset(id.run_id, 'r', SFS_RUN_ID_BYTES - 1);
	sfs_snapshot_id_text(&id, text);
	OK(sfs_snapshot_id_from_text(text, &again));
	IS_INT(strlen(again.run_id), SFS_RUN_ID_BYTES - 1);
	sfs_snapshot_id_manifest_key(&id, key);
	OK(sfs_snapshot_id_from_manifest_key(key, &again));
}

static void other_keys_are_no_manifests(void)
{
	static const char *const bad[] = {
		"",
		"manifests/",
		"manifests//manifest",
		"manifests/x/manifest",
		"manifest/" TS "_run_id=a/manifest",
		"manifests/" TS "_run_id=a",
		"manifests/" TS "_run_id=/manifest",
		"manifests/" TS "_run_id=../manifest",
		"manifests/" TS "_run_id=a/manifest2",
		"manifests/" TS "_run_id=a/manifest/",
		"manifests/" TS "_run_id=a/x/manifest",
		"manifests/" TS "-run_id=a/manifest",
		"manifests/2026-11-21T05:49:20Z_run_id=a/manifest",
		"manifests/2026-11-21 05:49:20.021594Z_run_id=a/manifest",
		"manifests/2026-02-30T05:49:20.021594Z_run_id=a/manifest",
		"manifests/2026-11-21T05:49:60.021594Z_run_id=a/manifest",
		"manifests/2026-11-21T05:49:20.02159+00:00_run_id=a/manifest",
	};
	struct sfs_snapshot_id id;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sfs_snapshot_id_from_manifest_key(bad[i], &id))
			TAP_FAIL("%s was taken", bad[i]);
	}
}

static void other_texts_are_no_snapshots(void)
{
	static const char *const bad[] = {
		"",
		"current",
		"20261121T054920.021594Z",
		"20261121T054920.021594Z-",
		"20261121T054920.021594Z_a",
		"20261121T054920.02159Z-a",
		"20261321T054920.021594Z-a",
		"20261121t054920.021594Z-a",
		"20261121T054920.021594Z-a/b",
		"20261121T054920.021594Z-..",
		"2026-11-21T05:49:20.021594Z-a",
	};
	struct sfs_snapshot_id id;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sfs_snapshot_id_from_text(bad[i], &id))
			TAP_FAIL("%s was taken", bad[i]);
	}
}

static void snapshots_sort_newest_first(void)
{
	struct sfs_snapshot_id old = { 1000, "b" };
	struct sfs_snapshot_id new = { 2000, "a" };
	struct sfs_snapshot_id other = { 2000, "b" };

	OK(sfs_snapshot_id_compare(&new, &old) < 0);
	OK(sfs_snapshot_id_compare(&old, &new) > 0);
	OK(sfs_snapshot_id_compare(&other, &new) < 0);
	IS_INT(sfs_snapshot_id_compare(&old, &old), 0);
}

static void timestamps_drop_a_fraction_of_zero(void)
{
	char text[SFS_TIME_BYTES];

	sfs_timestamp_format(INT64_C(1795240160021594000), text);
	IS_STR(text, "2026-11-21T05:49:20.021594Z");
	sfs_timestamp_format(INT64_C(1795240160000000000), text);
	IS_STR(text, "2026-11-21T05:49:20Z");
	sfs_timestamp_format(INT64_C(1795240160000001000), text);
	IS_STR(text, "2026-11-21T05:49:20.000001Z");
}

static void a_ref_is_located_by_its_tail(void)
{
	static const char *const good[] = {
		"s3://golden/x/y/manifests/" TS "_run_id=a/manifest",
		"manifests/" TS "_run_id=a/manifest",
		"s3://b/manifests/" TS "_run_id=z/x/manifests/" TS
		"_run_id=a/manifest",
	};
	struct sfs_snapshot_id id;
	struct sfs_err err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		id = (struct sfs_snapshot_id){ 0 };
		IS_INT(sfs_snapshot_id_from_ref(good[i], &id, &err), SFS_OK);
		IS_STR(id.run_id, "a");
		IS_INT(id.published_at_ns, INT64_C(1795240160021594000));
	}
}

static void the_objects_of_a_run_lie_below_its_prefix(void)
{
	char key[64];
	char prefix[64];
	struct sfs_err err;

	sfs_run_key_prefix("shards", "r1", prefix, sizeof(prefix));
	IS_STR(prefix, "shards/run_id=r1/");
	IS_INT(sfs_attempt_key("shards", "r1", "db={db_id:05d}", 3, 0, key,
	                       sizeof(key), &err),
	       SFS_OK);
	IS_INT(strncmp(key, prefix, strlen(prefix)), 0);
}

static void a_ref_without_the_tail_is_corrupt(void)
{
	static const char *const bad[] = {
		"",
		"/",
		"s3://b/x",
		"s3://b/manifests/../manifest",
		"s3://b/mymanifests/" TS "_run_id=a/manifest",
		"s3://b/manifests/" TS "_run_id=a/",
		"s3://b/manifests/" TS "_run_id=a/manifest/",
		"s3://b/manifests/" TS "_run_id=a",
	};
	struct sfs_snapshot_id id;
	struct sfs_err err;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		IS_INT(sfs_snapshot_id_from_ref(bad[i], &id, &err),
		       SFS_E_CORRUPT);
		HAS_STR(err.msg, bad[i]);
	}
}

/* What the URL becomes below the store, or the code's name. */
static const char *rebase(const char *url, const char *prefix)
{
	static char out[64];
	struct sfs_err err;
	enum sfs_rc rc = sfs_url_rebase(url, prefix, "file:///srv/store", out,
	                                sizeof(out), &err);

	if (rc == SFS_OK)
		return out;
	HAS_STR(err.msg, "URL ");
	return sfs_rc_name(rc);
}

static void urls_below_the_prefix_are_rebased(void)
{
	IS_STR(rebase("s3://b/pre/shards/x", "s3://b/pre"), "shards/x");
	IS_STR(rebase("s3://b/pre/shards/x/", "s3://b/pre/"), "shards/x");
	IS_STR(rebase("s3://b/pre//shards//x//", "s3://b/pre"), "shards/x");
	IS_STR(rebase("s3://b/pre/shards/x", "s3://b//pre///"), "shards/x");
	IS_STR(rebase("s3://b/x", "s3://b"), "x");
	IS_STR(rebase("s3://b/x", "s3://b/"), "x");
}

static void urls_below_the_mounted_store_are_taken(void)
{
	IS_STR(rebase("file:///srv/store/shards/x", "s3://b/pre"), "shards/x");
	IS_STR(rebase("file:////srv//store/x", "s3://b/pre"), "x");
}

static void a_prefix_ends_at_a_segment(void)
{
	IS_STR(rebase("s3://b/prefix/x", "s3://b/pre"), "corrupt");
	IS_STR(rebase("s3://b/pre", "s3://b/pre"), "corrupt");
	IS_STR(rebase("s3://b/pre/", "s3://b/pre"), "corrupt");
	IS_STR(rebase("file:///srv/store2/x", "s3://b/pre"), "corrupt");
}

static void foreign_urls_are_corrupt(void)
{
	IS_STR(rebase("s3://other/pre/x", "s3://b/pre"), "corrupt");
	IS_STR(rebase("gs://b/pre/x", "s3://b/pre"), "corrupt");
	IS_STR(rebase("s3:/b/pre/x", "s3://b/pre"), "corrupt");
	IS_STR(rebase("/etc/passwd", ""), "corrupt");
	IS_STR(rebase("s3://b/x", "s3://"), "corrupt");
	IS_STR(rebase("", "s3://b/pre"), "corrupt");
}

static void urls_that_climb_or_hide_are_corrupt(void)
{
	char longest[SFS_URL_BYTES + 16];

	IS_STR(rebase("s3://b/pre/../x", "s3://b/pre"), "corrupt");
	IS_STR(rebase("s3://b/pre/x/..", "s3://b/pre"), "corrupt");
	IS_STR(rebase("s3://b/pre/./x", "s3://b/pre"), "corrupt");
	IS_STR(rebase("s3://b/../pre/x", "s3://b/../pre"), "corrupt");
	IS_STR(rebase("s3://b/pre/a\nb", "s3://b/pre"), "corrupt");
	IS_STR(rebase("s3://b/pre/a\x7f", "s3://b/pre"), "corrupt");
	IS_STR(rebase("s3://b/pre/...", "s3://b/pre"), "...");
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "s3://b/pre/", 11);
	longest[sizeof(longest) - 1] = '\0';
	IS_STR(rebase(longest, "s3://b/pre"), "corrupt");
	longest[11 + 64] = '\0';
	IS_STR(rebase(longest, "s3://b/pre"), "corrupt");
	longest[11 + 63] = '\0';
	IS_STR(rebase(longest, "s3://b/pre"), longest + 11);
}

static const char *attempt(const char *prefix, const char *run_id,
                           const char *template, uint32_t db_id, uint32_t n)
{
	static char out[100];
	struct sfs_err err;
	enum sfs_rc rc = sfs_attempt_key(prefix, run_id, template, db_id, n,
	                                 out, sizeof(out), &err);

	return rc == SFS_OK ? out : sfs_rc_name(rc);
}

static void attempts_follow_the_template(void)
{
	IS_STR(attempt("shards", "r1", "db={db_id:05d}", 7, 0),
	       "shards/run_id=r1/db=00007/attempt=00");
	IS_STR(attempt("shards", "r1", "db={db_id:05d}", 123456, 12),
	       "shards/run_id=r1/db=123456/attempt=12");
	IS_STR(attempt("data", "release_2026-01.b", "part-{db_id}", 2, 100),
	       "data/run_id=release_2026-01.b/part-2/attempt=100");
	IS_STR(attempt("s", "r", "{db_id:012d}/{db_id}", 3, 1),
	       "s/run_id=r/000000000003/3/attempt=01");
}

static void other_templates_are_invalid(void)
{
	static const char *const bad[] = {
		"",           "db",          "{}",          "{0}",
		"{db_id",     "db_id}",      "{db_id:}",    "{db_id:d}",
		"{db_id:5d}", "{db_id:00d}", "{db_id:05x}", "{db_id:0123d}",
		"{{db_id}}",  "{db_id!r}",   "{other}",     "../{db_id}",
		"/{db_id}",   "{db_id}/",    "a b{db_id}",  "a//{db_id}",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strcmp(attempt("shards", "r", bad[i], 1, 0), "invalid") !=
		    0)
			TAP_FAIL("%s was taken", bad[i]);
	}
}

static void attempts_stay_in_their_prefix_and_buffer(void)
{
	IS_STR(attempt("..", "r", "{db_id}", 1, 0), "invalid");
	IS_STR(attempt("a/b", "r", "{db_id}", 1, 0), "invalid");
	IS_STR(attempt("shards", "r/x", "{db_id}", 1, 0), "invalid");
	IS_STR(attempt("shards", "r", "{db_id:099d}", 1, 0), "invalid");
}

int main(void)
{
	RUN(run_ids_are_single_safe_segments);
	RUN(a_snapshot_id_comes_back_from_key_and_text);
	RUN(the_text_of_a_snapshot_has_no_colons);
	RUN(the_longest_run_id_fits);
	RUN(other_keys_are_no_manifests);
	RUN(other_texts_are_no_snapshots);
	RUN(snapshots_sort_newest_first);
	RUN(timestamps_drop_a_fraction_of_zero);
	RUN(a_ref_is_located_by_its_tail);
	RUN(a_ref_without_the_tail_is_corrupt);
	RUN(the_objects_of_a_run_lie_below_its_prefix);
	RUN(urls_below_the_prefix_are_rebased);
	RUN(urls_below_the_mounted_store_are_taken);
	RUN(a_prefix_ends_at_a_segment);
	RUN(foreign_urls_are_corrupt);
	RUN(urls_that_climb_or_hide_are_corrupt);
	RUN(attempts_follow_the_template);
	RUN(other_templates_are_invalid);
	RUN(attempts_stay_in_their_prefix_and_buffer);
	return tap_done();
}
