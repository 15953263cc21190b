/* SPDX-License-Identifier: Apache-2.0 */
/* What a look at all records finds, whatever their order. */
#include "build/survey.h"
#include "unit/tap.h"

#include <stdlib.h>

static struct sfs_err err;

static struct sfs_survey *survey(enum sfs_placement_mode mode)
{
	struct sfs_sharding sharding = { 0 };
	struct sfs_placement *p = NULL;
	struct sfs_survey *s = NULL;

	if (mode == SFS_PLACEMENT_QUANTILES) {
		IS_INT(sfs_placement_new_quantiles(&p, &err), SFS_OK);
	} else {
		IS_INT(sfs_sharding_init(&sharding, SFS_STRATEGY_CEL, &err),
		       SFS_OK);
		IS_INT(sfs_sharding_set_expr(&sharding, "x", 1, &err), SFS_OK);
		IS_INT(sfs_placement_new(mode, &sharding, &p, &err), SFS_OK);
	}
	IS_INT(sfs_survey_new(p, &s, &err), SFS_OK);
	sfs_placement_unref(p);
	return s;
}

static enum sfs_rc add_int(struct sfs_survey *s, int64_t v)
{
	struct sfs_cel_value t = { .kind = SFS_CEL_INT, .as.integer = v };

	return sfs_survey_add_token(s, &t, &err);
}

static enum sfs_rc add_text(struct sfs_survey *s, const char *text)
{
	struct sfs_cel_value t = { .kind = SFS_CEL_STRING,
		                   .as.text = { text, strlen(text) } };

	return sfs_survey_add_token(s, &t, &err);
}

/* The number of shards; the text of the placement is in found. */
static char found[1 << 20];

static uint32_t resolve(struct sfs_survey *s, enum sfs_key_encoding encoding,
                        uint32_t num_dbs)
{
	struct sfs_placement *p = NULL;
	uint32_t shards = 0;

	if (sfs_survey_resolve(s, encoding, num_dbs, &p, &shards, &err) !=
	    SFS_OK)
		TAP_FAIL("%s", err.msg);
	(void)snprintf(found, sizeof(found), "%s", p != NULL ? p->text : "");
	sfs_placement_unref(p);
	sfs_survey_free(s);
	return shards;
}

static void shards_are_all_up_to_the_last(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_DIRECT);

	for (int i = 70; i >= 0; i--)
		IS_INT(add_int(s, i), SFS_OK);
	IS_INT(resolve(s, SFS_KEY_U64BE, 0), 71);
	s = survey(SFS_PLACEMENT_DIRECT);
	IS_INT(resolve(s, SFS_KEY_U64BE, 0), 1);
}

static void a_shard_without_a_record_is_named(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_DIRECT);
	struct sfs_placement *p;
	uint32_t shards;

	for (int i = 0; i < 70; i++)
		IS_INT(i == 66 ? SFS_OK : add_int(s, i), SFS_OK);
	IS_INT(sfs_survey_resolve(s, SFS_KEY_U64BE, 0, &p, &shards, &err),
	       SFS_E_CORRUPT);
	HAS_STR(err.msg, "ShardCoverageError: ");
	HAS_STR(err.msg, "up to 69, but no record is of shard 66");
	sfs_survey_free(s);
}

static void numbers_that_no_shard_has_are_bad(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_DIRECT);

	IS_INT(add_int(s, -1), SFS_E_INVALID);
	HAS_STR(err.msg, "ShardAssignmentError: cel yields shard -1");
	IS_INT(add_int(s, SFS_NUM_DBS_MAX), SFS_E_INVALID);
	IS_INT(add_int(s, INT64_MAX), SFS_E_INVALID);
	IS_INT(add_text(s, "1"), SFS_E_INVALID);
	IS_INT(add_int(s, 0), SFS_OK);
	IS_INT(resolve(s, SFS_KEY_U64BE, 0), 1);
}

static void values_are_sorted_and_there_once(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_INFERRED);
	struct sfs_cel_value t = { .kind = SFS_CEL_UINT, .as.uinteger = 7 };

	IS_INT(add_text(s, "b"), SFS_OK);
	IS_INT(add_text(s, ""), SFS_OK);
	IS_INT(add_text(s, "b"), SFS_OK);
	IS_INT(add_text(s, "a\xc3\xa9"), SFS_OK);
	IS_INT(add_int(s, 3), SFS_E_INVALID);
	IS_INT(resolve(s, SFS_KEY_UTF8, 0), 3);
	HAS_STR(found, "\"routing_values\": [\"\", \"a\\u00e9\", \"b\"]");
	s = survey(SFS_PLACEMENT_INFERRED);
	IS_INT(add_int(s, 10), SFS_OK);
	IS_INT(add_int(s, 7), SFS_OK);
	IS_INT(sfs_survey_add_token(s, &t, &err), SFS_OK);
	IS_INT(add_int(s, -7), SFS_OK);
	IS_INT(resolve(s, SFS_KEY_UTF8, 0), 3);
	HAS_STR(found, "[-7, 7, 10]");
}

static void many_values_are_found_again(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_INFERRED);

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 50000; i++)
			if (add_int(s, i * 7919 % 50000) != SFS_OK)
				TAP_FAIL("%s", err.msg);
	IS_INT(resolve(s, SFS_KEY_U64BE, 0), 50000);
}

static void too_many_values_are_refused_with_a_hint(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_INFERRED);
	static char text[65536];
	enum sfs_rc rc = SFS_OK;
	int i;

	memset(text, 'x', sizeof(text) - 1);
	for (i = 0; rc == SFS_OK && i < 2000; i++) {
		text[0] = (char)('0' + i / 1000);
		text[1] = (char)('0' + i / 100 % 10);
		text[2] = (char)('0' + i / 10 % 10);
		text[3] = (char)('0' + i % 10);
		rc = add_text(s, text);
	}
	IS_INT(rc, SFS_E_TOO_BIG);
	IS_INT(i, 1025);
	HAS_STR(err.msg, "more than 1024 different ones");
	HAS_STR(err.msg, "is a % missing in cel?");
	sfs_survey_free(s);
}

static void bytes_cannot_be_written_as_values(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_INFERRED);
	struct sfs_cel_value t = { .kind = SFS_CEL_BYTES,
		                   .as.text = { "a", 1 } };
	struct sfs_placement *p;
	uint32_t shards;

	IS_INT(sfs_survey_add_token(s, &t, &err), SFS_E_INVALID);
	IS_INT(sfs_survey_resolve(s, SFS_KEY_UTF8, 0, &p, &shards, &err),
	       SFS_E_CORRUPT);
	HAS_STR(err.msg, "there is no record yet");
	sfs_survey_free(s);
}

/* --- samples ------------------------------------------------------------------ */

static void add_number(struct sfs_survey *s, uint64_t n)
{
	uint8_t key[8];

	for (int i = 0; i < 8; i++)
		key[7 - i] = (uint8_t)(n >> 8 * i & 0xff);
	if (sfs_survey_add_key(s, (struct sfs_bytes){ key, 8 }, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
}

static void add_name(struct sfs_survey *s, const char *name)
{
	IS_INT(sfs_survey_add_key(s,
	                          (struct sfs_bytes){ (const uint8_t *)name,
	                                              strlen(name) },
	                          &err),
	       SFS_OK);
}

static void few_keys_are_divided_evenly(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_QUANTILES);

	for (uint64_t i = 0; i < 100; i++)
		add_number(s, i * 37 % 100); /* each once */
	IS_INT(resolve(s, SFS_KEY_U64BE, 4), 4);
	HAS_STR(found, "key < 50 ? (key < 25 ? 0 : 1) : (key < 75 ? 2 : 3)");
}

static void copies_of_a_key_count_once(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_QUANTILES);

	for (int i = 0; i < 300000; i++)
		add_number(s, i % 3 == 0 ? 0 : (uint64_t)i % 100);
	IS_INT(resolve(s, SFS_KEY_U64BE, 2), 2);
	HAS_STR(found, "key < 50 ? 0 : 1");
	s = survey(SFS_PLACEMENT_QUANTILES);
	add_number(s, 5);
	IS_INT(resolve(s, SFS_KEY_U64BE, 64), 1);
	HAS_STR(found, "\"cel_expr\": \"0\"");
	s = survey(SFS_PLACEMENT_QUANTILES);
	IS_INT(resolve(s, SFS_KEY_U64BE, 64), 1);
}

static void bounds_are_as_short_as_they_can_be(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_QUANTILES);

	add_name(s, "alpha");
	add_name(s, "alphabet");
	add_name(s, "caf\xc3\xa9-noir");
	add_name(s, "cafe");
	IS_INT(resolve(s, SFS_KEY_UTF8, 4), 4);
	HAS_STR(found, "key < \\\"c\\\" ? (key < \\\"alphab\\\" ? 0 : 1) : "
	               "(key < \\\"caf\\u00e9\\\" ? 2 : 3)");
}

static void keys_that_are_the_same_at_first_are_not_divided(void)
{
	struct sfs_survey *s = survey(SFS_PLACEMENT_QUANTILES);
	char name[400];

	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "%0300d-%d", 0, i);
		add_name(s, name);
	}
	IS_INT(resolve(s, SFS_KEY_UTF8, 4), 1);
}

/* More than are kept: the same in any order, and near the truth. */
static void a_sample_is_the_same_in_any_order(void)
{
	enum { COUNT = 300000 };
	struct sfs_survey *s = survey(SFS_PLACEMENT_QUANTILES);
	struct sfs_survey *merged = survey(SFS_PLACEMENT_QUANTILES);
	struct sfs_survey *half = survey(SFS_PLACEMENT_QUANTILES);
	static char first[sizeof(found)];
	unsigned long bound;

	for (uint64_t i = 0; i < COUNT; i++)
		add_number(s, i);
	IS_INT(resolve(s, SFS_KEY_U64BE, 2), 2);
	(void)snprintf(first, sizeof(first), "%s", found);
	for (uint64_t i = COUNT; i > 0; i--)
		add_number(i % 2 == 0 ? half : merged, i - 1);
	IS_INT(sfs_survey_merge(merged, half, &err), SFS_OK);
	sfs_survey_free(half);
	IS_INT(resolve(merged, SFS_KEY_U64BE, 2), 2);
	IS_STR(found, first);
	OK(strstr(found, "key < ") != NULL);
	bound = strtoul(strstr(found, "key < ") + 6, NULL, 10);
	OK(bound > COUNT / 2 - COUNT / 50 && bound < COUNT / 2 + COUNT / 50);
}

int main(void)
{
	RUN(shards_are_all_up_to_the_last);
	RUN(a_shard_without_a_record_is_named);
	RUN(numbers_that_no_shard_has_are_bad);
	RUN(values_are_sorted_and_there_once);
	RUN(many_values_are_found_again);
	RUN(too_many_values_are_refused_with_a_hint);
	RUN(bytes_cannot_be_written_as_values);
	RUN(few_keys_are_divided_evenly);
	RUN(copies_of_a_key_count_once);
	RUN(bounds_are_as_short_as_they_can_be);
	RUN(keys_that_are_the_same_at_first_are_not_divided);
	RUN(a_sample_is_the_same_in_any_order);
	return tap_done();
}
