/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog in the object store: the pointer, single manifests, and which
 * of the manifests that lie there count as published.
 */
#include "format/names.h"
#include "unit/world.h"

static struct world w;
static struct sfs_err err;

static void begin(const char *golden)
{
	world_begin(&w, golden);
	IS_INT(world_open_source(&w), SFS_OK);
}

static void end(void)
{
	world_close_end(&w);
}

struct seen {
	char text[8192]; /* run ids, each with a space behind */
	int count;
	int stop_at; /* 0: never */
};

static bool note(void *arg, const struct sfs_snapshot_id *id)
{
	struct seen *s = arg;
	size_t len = strlen(s->text);

	(void)snprintf(s->text + len, sizeof(s->text) - len, "%s ", id->run_id);
	return ++s->count != s->stop_at;
}

/* The run ids of the history, newest first. */
static const char *history(void)
{
	static struct seen s;

	memset(&s, 0, sizeof(s));
	IS_INT(w.source.catalog->ops->history(w.source.catalog, note, &s, NULL,
	                                      &err),
	       SFS_OK);
	return s.text;
}

static const char LOSERS[] = "4fe52c1558a64a52b6efc0d55f97e226 ";

static void golden_histories_are_listed_newest_first(void)
{
	begin("history");
	IS_STR(history(), "8d68ae0f90714ddfaa6e15dfcf722da1 "
	                  "2afdf09c5956413baaa069f73e34340d "
	                  "76e6c247a2074fb8b512afafb3ff5362 "
	                  "eeee95dd08484054be465876e0fe6c8b ");
	end();
	begin("history-rolled-back");
	IS_STR(history(), "1a59481b0c284d45b70203143360a707 "
	                  "a5ca11dd890a49a7a6faf8f05ec41da6 "
	                  "e395e3f7d94b4d7596d377936449c49e "
	                  "4566010bd4884e6281f75837bdb57f29 ");
	end();
	begin("losers");
	IS_STR(history(), LOSERS);
	end();
}

static void runs_that_published_nothing_are_not_in_the_history(void)
{
	begin("runs");
	IS_STR(history(), "nightly-2026.01_good ");
	end();
}

static void an_empty_store_has_no_history_and_no_pointer(void)
{
	struct sfs_pointer pointer = { 0 };

	begin("");
	IS_STR(history(), "");
	IS_INT(w.source.catalog->ops->current(w.source.catalog, &pointer, NULL,
	                                      &err),
	       SFS_E_NOT_FOUND);
	end();
}

static void the_listing_ends_when_the_caller_has_enough(void)
{
	struct seen s = { .stop_at = 2 };

	begin("history");
	IS_INT(w.source.catalog->ops->history(w.source.catalog, note, &s, NULL,
	                                      &err),
	       SFS_OK);
	IS_INT(s.count, 2);
	end();
}

static void names_that_are_no_manifests_are_passed_over(void)
{
	begin("losers");
	world_put(&w, "manifests/README", "x", 1);
	world_put(&w, "manifests/2026-11-21_run_id=x/manifest", "x", 1);
	world_put(&w, "manifests/2026-11-21T05:49:21.444634Z_run_id=/manifest",
	          "x", 1);
	world_put(&w, "manifests/x/manifest", "x", 1);
	IS_STR(history(), LOSERS);
	end();
}

/* A manifest some hours newer than the golden one. */
static struct sfs_snapshot_id add(const char *run_id, int hours,
                                  const char *custom)
{
	struct sfs_snapshot_id from = world_id(&w, 0);
	struct sfs_snapshot_id to;

	for (int i = 1; strncmp(from.run_id, LOSERS, 32) != 0; i++)
		from = world_id(&w, i);
	to = world_new_id(from.published_at_ns +
	                          hours * 3600 * INT64_C(1000000000),
	                  run_id);
	world_manifest(&w, &from, &to, custom);
	return to;
}

static void the_run_record_decides_whether_a_manifest_is_published(void)
{
	static const struct {
		const char *status;
		bool shown;
	} rows[] = {
		{ "running", false },  { "failed", false },
		{ "succeeded", true }, { "nonsense", true },
		{ "[", true },         { "", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin("losers");
		(void)add("another", 1, "{}");
		world_record(&w, "another", rows[i].status);
		if ((strstr(history(), "another ") != NULL) != rows[i].shown)
			TAP_FAIL("status \"%s\"", rows[i].status);
		HAS_STR(history(), LOSERS);
		end();
	}
}

static void a_run_without_a_record_counts_as_published(void)
{
	begin("losers");
	(void)add("another", 1, "{}");
	world_record(&w, "another_", "failed");
	world_record(&w, "anoth", "failed");
	IS_STR(history(), "another 4fe52c1558a64a52b6efc0d55f97e226 ");
	end();
}

/* A backup that restores links where objects were must not hide history. */
static void a_record_that_is_no_object_does_not_hide_anything(void)
{
	char path[WORLD_PATH_BYTES];

	begin("losers");
	(void)add("another", 1, "{}");
	(void)snprintf(path, sizeof(path),
	               "%s/store/runs/x_run_id=another_0/run.yaml", w.dir);
	world_put(&w, "runs/x_run_id=another_0/note", "x", 1);
	OK(symlink("/dev/null", path) == 0);
	IS_STR(history(), "another 4fe52c1558a64a52b6efc0d55f97e226 ");
	end();
}

static const char URL[] = "s3://golden/losers";

static void what_is_current_is_published_whatever_its_record_says(void)
{
	struct sfs_snapshot_id id;

	begin("losers");
	id = add("swapped", 1, "{}");
	world_record(&w, "swapped", "running");
	OK(strstr(history(), "swapped ") == NULL);
	world_point(&w, URL, &id);
	HAS_STR(history(), "swapped ");
	end();
}

static void ancestors_of_the_current_one_are_published(void)
{
	struct sfs_snapshot_id id;

	begin("losers");
	(void)add("first", 1, "{\"shardyfs\":{\"parent\":null}}");
	(void)add("second", 2,
	          "{\"a\":[{}],\"shardyfs\":{\"x\":{},"
	          "\"parent\":\"first\"}}");
	(void)add("lost", 3, "{\"shardyfs\":{\"parent\":\"first\"}}");
	id = add("third", 4, "{\"shardyfs\":{\"parent\":\"second\"}}");
	world_record(&w, "first", "running");
	world_record(&w, "second", "failed");
	world_record(&w, "lost", "running");
	world_record(&w, "third", "running");
	IS_STR(history(), LOSERS);
	world_point(&w, URL, &id);
	IS_STR(history(), "third second first "
	                  "4fe52c1558a64a52b6efc0d55f97e226 ");
	end();
}

static void other_members_are_not_mistaken_for_a_parent(void)
{
	static const char *const customs[] = {
		"{\"parent\":\"dead\"}",
		"{\"other\":{\"parent\":\"dead\"}}",
		"{\"shardyfs\":{\"deep\":{\"parent\":\"dead\"}}}",
		"{\"shardyfs\":{\"parent\":[\"dead\"]}}",
		"{\"shardyfs\":{\"parent\":{\"x\":\"dead\"}}}",
		"{\"x\":{\"shardyfs\":{\"parent\":\"dead\"}}}",
		"{\"shardyfs\":[\"parent\",\"dead\"]}",
	};
	struct sfs_snapshot_id id;

	for (size_t i = 0; i < sizeof(customs) / sizeof(customs[0]); i++) {
		begin("losers");
		(void)add("dead", 1, "{}");
		world_record(&w, "dead", "running");
		id = add("child", 2, customs[i]);
		world_point(&w, URL, &id);
		if (strstr(history(), "dead ") != NULL)
			TAP_FAIL("parent read from %s", customs[i]);
		end();
	}
}

/* Python writes half a surrogate pair for a file name that is not UTF-8. */
static void custom_text_as_python_writes_it_is_read(void)
{
	struct sfs_snapshot_id id;

	begin("losers");
	(void)add("parent", 1, "{}");
	world_record(&w, "parent", "running");
	id = add("child", 2,
	         "{\"file\":\"\\udc80\",\"shardyfs\":"
	         "{\"parent\":\"parent\"}}");
	world_point(&w, URL, &id);
	HAS_STR(history(), "child parent ");
	end();
}

static void parents_in_a_circle_come_to_an_end(void)
{
	struct sfs_snapshot_id id;

	begin("losers");
	(void)add("dead", 1, "{}");
	world_record(&w, "dead", "running");
	(void)add("a", 2, "{\"shardyfs\":{\"parent\":\"b\"}}");
	id = add("b", 3, "{\"shardyfs\":{\"parent\":\"a\"}}");
	world_point(&w, URL, &id);
	IS_STR(history(), "b a 4fe52c1558a64a52b6efc0d55f97e226 ");
	end();
}

static void a_damaged_pointer_or_ancestor_still_gives_a_history(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_snapshot_id parent;
	struct sfs_snapshot_id id;

	begin("losers");
	(void)add("dead", 1, "{}");
	world_record(&w, "dead", "running");
	parent = add("parent", 2, "{}");
	id = add("child", 3, "{\"shardyfs\":{\"parent\":\"parent\"}}");
	world_point(&w, URL, &id);
	sfs_snapshot_id_manifest_key(&parent, key);
	world_put(&w, key, "x", 1);
	IS_STR(history(), "child parent 4fe52c1558a64a52b6efc0d55f97e226 ");
	world_put(&w, SFS_CURRENT_KEY, "{", 1);
	IS_STR(history(), "child parent 4fe52c1558a64a52b6efc0d55f97e226 ");
	IS_INT(w.store->ops->delete (w.store, SFS_CURRENT_KEY, NULL, &err),
	       SFS_OK);
	IS_STR(history(), "child parent 4fe52c1558a64a52b6efc0d55f97e226 ");
	end();
}

/* Each third run failed; run ids sort differently from times. */
static void records_find_their_manifests_among_many(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_snapshot_id id;
	struct seen s = { .count = 0 };
	char run_id[32];

	begin("");
	for (int i = 0; i < 300; i++) {
		(void)snprintf(run_id, sizeof(run_id), "r%03d", i * 7 % 300);
		id = world_new_id((i + 1) * INT64_C(1000000000), run_id);
		sfs_snapshot_id_manifest_key(&id, key);
		world_put(&w, key, "x", 1);
		world_record(&w, run_id, i % 3 == 0 ? "failed" : "succeeded");
	}
	/* the same run twice, and records of no manifest */
	id = world_new_id(999, "r007");
	sfs_snapshot_id_manifest_key(&id, key);
	world_put(&w, key, "x", 1);
	world_record(&w, "r", "failed");
	world_record(&w, "r0070", "failed");
	IS_INT(w.source.catalog->ops->history(w.source.catalog, note, &s, NULL,
	                                      &err),
	       SFS_OK);
	IS_INT(s.count, 201); /* r007 is i = 1: it succeeded */
	for (int i = 0; i < 300; i++) {
		(void)snprintf(run_id, sizeof(run_id), "r%03d ", i * 7 % 300);
		if ((strstr(s.text, run_id) == NULL) != (i % 3 == 0))
			TAP_FAIL("%s", run_id);
	}
	end();
}

static void of_two_records_of_a_run_the_later_one_counts(void)
{
	static const char early[] = "runs/2026-01-01T00:00:00.000000Z_run_id="
				    "another_0/run.yaml";
	static const char failed[] = "run_id: another\nstatus: failed\n";
	static const char late[] = "runs/2026-12-01T00:00:00.000000Z_run_id="
				   "another_0/run.yaml";

	begin("losers");
	(void)add("another", 1, "{}");
	world_record(&w, "another", "succeeded");
	world_put(&w, early, failed, strlen(failed));
	HAS_STR(history(), "another ");
	world_put(&w, late, failed, strlen(failed));
	IS_STR(history(), LOSERS);
	end();
}

static void the_pointer_is_read_with_its_bytes_and_tag(void)
{
	struct sfs_pointer pointer = { 0 };
	struct sfs_tag tag;

	begin("losers");
	IS_INT(w.source.catalog->ops->current(w.source.catalog, &pointer, NULL,
	                                      &err),
	       SFS_OK);
	IS_STR(pointer.current->run_id, "4fe52c1558a64a52b6efc0d55f97e226");
	HAS_STR(pointer.bytes, "\"manifest_ref\":\"s3://golden/losers/");
	sfs_tag_hash(&tag, pointer.bytes, pointer.len);
	IS_STR(pointer.tag.text, tag.text);
	sfs_pointer_release(&pointer);
	OK(pointer.current == NULL && pointer.bytes == NULL);
	sfs_pointer_release(&pointer);
	end();
}

static void a_bad_pointer_is_corrupt(void)
{
	static char large[SFS_CURRENT_MAX_BYTES + 1];
	struct sfs_pointer pointer = { 0 };
	struct sfs_catalog *c;

	begin("losers");
	c = w.source.catalog;
	world_put(&w, SFS_CURRENT_KEY, "{}", 2);
	IS_INT(c->ops->current(c, &pointer, NULL, &err), SFS_E_CORRUPT);
	memset(large, ' ', sizeof(large));
	world_put(&w, SFS_CURRENT_KEY, large, sizeof(large));
	IS_INT(c->ops->current(c, &pointer, NULL, &err), SFS_E_CORRUPT);
	HAS_STR(err.msg, "_CURRENT: larger than");
	end();
}

static void manifests_are_loaded_by_id(void)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_manifest *m = NULL;
	struct sfs_snapshot_id id;
	struct sfs_catalog *c;

	begin("losers");
	c = w.source.catalog;
	id = world_id(&w, 0);
	IS_INT(c->ops->load(c, &id, &m, NULL, &err), SFS_OK);
	IS_STR(m->run_id, "4fe52c1558a64a52b6efc0d55f97e226");
	sfs_manifest_free(m);
	sfs_snapshot_id_manifest_key(&id, key);
	world_put(&w, key, "SQLite format 3", 15);
	IS_INT(c->ops->load(c, &id, &m, NULL, &err), SFS_E_CORRUPT);
	HAS_STR(err.msg, key);
	id.published_at_ns += 1000;
	IS_INT(c->ops->load(c, &id, &m, NULL, &err), SFS_E_NOT_FOUND);
	end();
}

/* A fault is never a shorter history. */
static void each_fault_of_the_store_is_the_answer(void)
{
	uint64_t faults = 0;
	struct seen s;
	enum sfs_rc rc;

	begin("losers");
	(void)add("dead", 1, "{}");
	world_record(&w, "dead", "running");
	for (uint64_t n = 1; n < 1000; n++) {
		memset(&s, 0, sizeof(s));
		world_fault(&w, n, n % 2 == 0, SFS_E_TRANSIENT);
		rc = w.source.catalog->ops->history(w.source.catalog, note, &s,
		                                    NULL, &err);
		if (sfs_store_fault_count(w.store) == 0)
			break;
		faults++;
		IS_INT(rc, SFS_E_TRANSIENT);
		IS_INT(s.count, 0);
	}
	IS_STR(s.text, LOSERS);
	OK(faults > 3);
	world_fault(&w, 0, false, SFS_OK);
	end();
}

int main(void)
{
	RUN(golden_histories_are_listed_newest_first);
	RUN(runs_that_published_nothing_are_not_in_the_history);
	RUN(an_empty_store_has_no_history_and_no_pointer);
	RUN(the_listing_ends_when_the_caller_has_enough);
	RUN(names_that_are_no_manifests_are_passed_over);
	RUN(the_run_record_decides_whether_a_manifest_is_published);
	RUN(a_run_without_a_record_counts_as_published);
	RUN(a_record_that_is_no_object_does_not_hide_anything);
	RUN(what_is_current_is_published_whatever_its_record_says);
	RUN(ancestors_of_the_current_one_are_published);
	RUN(other_members_are_not_mistaken_for_a_parent);
	RUN(custom_text_as_python_writes_it_is_read);
	RUN(parents_in_a_circle_come_to_an_end);
	RUN(a_damaged_pointer_or_ancestor_still_gives_a_history);
	RUN(records_find_their_manifests_among_many);
	RUN(of_two_records_of_a_run_the_later_one_counts);
	RUN(the_pointer_is_read_with_its_bytes_and_tag);
	RUN(a_bad_pointer_is_corrupt);
	RUN(manifests_are_loaded_by_id);
	RUN(each_fault_of_the_store_is_the_answer);
	return tap_done();
}
