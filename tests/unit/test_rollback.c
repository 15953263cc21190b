/* SPDX-License-Identifier: Apache-2.0 */
/* Rolling back, and what texts name. */
#include "catalog/rollback.h"
#include "format/names.h"
#include "unit/followed.h"

static struct sfs_err err;

static void open_store(void)
{
	begin();
	IS_INT(world_open_source(&w), SFS_OK);
}

static enum sfs_rc roll_back(const struct sfs_snapshot_id *to)
{
	return sfs_rollback(w.source.catalog, w.store, to, NULL, &err);
}

static struct sfs_snapshot_id current_id(void)
{
	struct sfs_catalog *c = w.source.catalog;
	struct sfs_snapshot_id id = { 0 };
	struct sfs_pointer p = { 0 };

	IS_INT(c->ops->current(c, &p, NULL, &err), SFS_OK);
	if (p.current == NULL)
		return id;
	IS_INT(sfs_snapshot_id_from_ref(p.current->manifest_ref, &id, &err),
	       SFS_OK);
	sfs_pointer_release(&p);
	return id;
}

static bool is_current(const struct sfs_snapshot_id *id)
{
	struct sfs_snapshot_id now = current_id();

	return sfs_snapshot_id_compare(&now, id) == 0;
}

struct logged {
	int count;
	char key[SFS_STORE_KEY_MAX];
};

static bool note_log(void *arg, const struct sfs_list_entry *entry)
{
	struct logged *l = arg;

	l->count++;
	(void)snprintf(l->key, sizeof(l->key), "%s", entry->key);
	return true;
}

static struct logged logged(void)
{
	struct logged l = { 0 };

	IS_INT(w.store->ops->list(w.store, "log/", 0, NULL, note_log, &l, NULL,
	                          &err),
	       SFS_OK);
	return l;
}

static void an_older_snapshot_becomes_current_and_that_is_logged(void)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot *s = NULL;
	struct logged log;
	char *data = NULL;
	size_t len = 0;

	open_store();
	IS_INT(roll_back(&ids[2]), SFS_OK);
	OK(is_current(&ids[2]));
	log = logged();
	IS_INT(log.count, 1);
	HAS_STR(log.key, "_rollback.json");
	IS_INT(sfs_store_get(w.store, log.key, 4096, &data, &len, NULL, NULL,
	                     &err),
	       SFS_OK);
	sfs_snapshot_id_text(&ids[0], text);
	HAS_STR(data, "\"from\":\"");
	HAS_STR(data, text);
	sfs_snapshot_id_text(&ids[2], text);
	HAS_STR(data, "\"to\":\"");
	HAS_STR(data, text);
	HAS_STR(data, "\"event\":\"rollback\"");
	HAS_STR(data, "\"who\":\"");
	sfs_free(data);
	for (int i = 0; i < 4; i++) {
		struct sfs_snapshot_id id = world_id(&w, i);

		IS_INT(sfs_snapshot_id_compare(&id, &ids[i]), 0);
	}
	/* the pointer that was written is one that a reader accepts */
	world_close(&w);
	IS_INT(world_open(&w), SFS_OK);
	s = sfs_tracker_current(w.tracker, NULL);
	IS_STR(s != NULL ? sfs_snapshot_id_of(s)->run_id : "", ids[2].run_id);
	sfs_snapshot_unref(s);
	end();
}

static void what_is_current_already_is_told_so(void)
{
	open_store();
	IS_INT(roll_back(&ids[0]), SFS_E_EXISTS);
	IS_INT(logged().count, 0);
	IS_INT(roll_back(&ids[1]), SFS_OK);
	IS_INT(roll_back(&ids[0]), SFS_OK);
	OK(is_current(&ids[0]));
	end();
}

static void only_what_was_published_can_be_rolled_back_to(void)
{
	struct sfs_snapshot_id lost =
		world_new_id(INT64_C(1790000000000000000), "lost");

	open_store();
	IS_INT(roll_back(&lost), SFS_E_NOT_FOUND);
	world_manifest(&w, &ids[0], &lost, "{}");
	world_record(&w, "lost", "failed");
	IS_INT(roll_back(&lost), SFS_E_NOT_FOUND);
	HAS_STR(err.msg, "never published");
	world_put(&w,
	          "manifests/2026-11-21T05:49:21.460000Z_run_id=bad/"
	          "manifest",
	          "nothing", 7);
	lost.published_at_ns = ids[0].published_at_ns;
	(void)sfs_snapshot_id_from_manifest_key(
		"manifests/2026-11-21T05:49:21.460000Z_run_id=bad/manifest",
		&lost);
	IS_INT(roll_back(&lost), SFS_E_CORRUPT);
	OK(is_current(&ids[0]));
	end();
}

static void a_damaged_or_missing_pointer_is_mended(void)
{
	open_store();
	world_put(&w, SFS_CURRENT_KEY, "rubbish", 7);
	IS_INT(roll_back(&ids[1]), SFS_OK);
	OK(is_current(&ids[1]));
	IS_INT(w.store->ops->delete (w.store, SFS_CURRENT_KEY, NULL, &err),
	       SFS_OK);
	IS_INT(roll_back(&ids[0]), SFS_OK);
	OK(is_current(&ids[0]));
	end();
}

/* Each call fails in turn: the pointer is the old or the new one, whole. */
static void a_fault_leaves_the_old_or_the_new_pointer(void)
{
	uint64_t faults = 1;
	uint64_t injected = 0;
	enum sfs_rc rc;

	for (uint64_t n = 1; n < 1000 && faults > 0; n++) {
		open_store();
		world_fault(&w, n, false, SFS_E_IO);
		rc = roll_back(&ids[1]);
		faults = sfs_store_fault_count(w.store);
		injected += faults;
		world_fault(&w, 0, false, SFS_OK);
		OK(is_current(rc == SFS_OK ? &ids[1] : &ids[0]));
		end();
	}
	OK(injected > 5);
}

/* A swap that happens, and reports a failure. */
static const struct sfs_catalog_ops *real_ops;
static struct stat swapped; /* the pointer's file just behind it */
static bool is_stuck;       /* nothing can be written any more */

static struct stat stat_pointer(void)
{
	char path[WORLD_PATH_BYTES];
	struct stat st = { 0 };

	(void)snprintf(path, sizeof(path), "%s/store/" SFS_CURRENT_KEY, w.dir);
	OK(stat(path, &st) == 0);
	return st;
}

static enum sfs_rc doubtful_swap(struct sfs_catalog *c,
                                 const struct sfs_current *next,
                                 const struct sfs_tag *expected,
                                 struct sfs_tag *tag_out,
                                 const struct sfs_call *call, struct sfs_err *e)
{
	const struct sfs_fault_plan plan = { .op_mask = SFS_STORE_PUT,
		                             .fail_at = is_stuck,
		                             .always = true,
		                             .rc = SFS_E_IO };

	IS_INT(real_ops->swap(c, next, expected, tag_out, call, e), SFS_OK);
	swapped = stat_pointer();
	sfs_store_fault_set(w.store, &plan);
	return sfs_err_set(e, SFS_E_IO, "the directory cannot be synced");
}

/* What can be seen need not be durable: it is written once more. */
static void a_swap_in_doubt_is_made_durable(void)
{
	struct sfs_catalog_ops ops;

	for (int i = 0; i < 2; i++) {
		is_stuck = i > 0;
		open_store();
		real_ops = w.source.catalog->ops;
		ops = *real_ops;
		ops.swap = doubtful_swap;
		w.source.catalog->ops = &ops;
		IS_INT(roll_back(&ids[1]), is_stuck ? SFS_E_IO : SFS_OK);
		OK((stat_pointer().st_ino == swapped.st_ino) == is_stuck);
		w.source.catalog->ops = real_ops;
		world_fault(&w, 0, false, SFS_OK);
		OK(is_current(&ids[1]));
		end();
	}
}

static enum sfs_rc resolve(const char *text, struct sfs_snapshot_id *out)
{
	return sfs_catalog_resolve(w.source.catalog, text, out, NULL, &err);
}

static void ids_run_ids_and_tags_name_snapshots(void)
{
	struct sfs_catalog *c;
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id id;

	open_store();
	c = w.source.catalog;
	sfs_snapshot_id_text(&ids[1], text);
	IS_INT(resolve(text, &id), SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&id, &ids[1]), 0);
	IS_INT(resolve(ids[2].run_id, &id), SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&id, &ids[2]), 0);
	IS_INT(resolve("v1", &id), SFS_E_NOT_FOUND);
	HAS_STR(err.msg, "v1");
	IS_INT(c->ops->put_tag(c, "v1", &ids[3], NULL, &err), SFS_OK);
	IS_INT(resolve("v1", &id), SFS_OK);
	IS_INT(sfs_snapshot_id_compare(&id, &ids[3]), 0);
	IS_INT(resolve("", &id), SFS_E_NOT_FOUND);
	IS_INT(resolve("../x", &id), SFS_E_NOT_FOUND);
	/* a second manifest of one run */
	id = world_new_id(ids[0].published_at_ns + 1000, ids[2].run_id);
	world_manifest(&w, &ids[2], &id, "{}");
	IS_INT(resolve(ids[2].run_id, &id), SFS_E_INVALID);
	HAS_STR(err.msg, "2 snapshots");
	sfs_snapshot_id_text(&ids[2], text);
	IS_INT(resolve(text, &id), SFS_OK);
	end();
}

int main(void)
{
	RUN(an_older_snapshot_becomes_current_and_that_is_logged);
	RUN(what_is_current_already_is_told_so);
	RUN(only_what_was_published_can_be_rolled_back_to);
	RUN(a_damaged_or_missing_pointer_is_mended);
	RUN(a_fault_leaves_the_old_or_the_new_pointer);
	RUN(a_swap_in_doubt_is_made_durable);
	RUN(ids_run_ids_and_tags_name_snapshots);
	return tap_done();
}
