/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_COLLECT_H
#define SFS_TESTS_COLLECT_H

/* Collecting garbage in golden stores, and looking at what is left. */
#include "build/gc.h"
#include "catalog/rollback.h"
#include "format/names.h"
#include "snapshot/verify.h"
#include "unit/followed.h"

static struct sfs_err err;
static struct sfs_gc_result sum;
static char told[16384]; /* "kind name;" of what goes */
static char kept[16384]; /* "name: reason;" */

static inline void add(char *text, size_t cap, const char *a, const char *b)
{
	size_t len = strlen(text);

	(void)snprintf(text + len, cap - len, "%s %s;", a, b);
}

static inline void note_item(void *arg, const struct sfs_gc_item *item)
{
	static const char *const kinds[] = { "?", "snapshot", "run", "loser",
		                             "record" };

	(void)arg;
	add(told, sizeof(told), kinds[item->kind], item->name);
	OK(item->objects > 0);
	OK(item->reason[0] != '\0');
}

static inline void note_kept(void *arg, const struct sfs_gc_kept *k)
{
	(void)arg;
	add(kept, sizeof(kept), k->name, k->reason);
}

static inline struct sfs_gc_config config_of(bool is_delete)
{
	return (struct sfs_gc_config){
		.store = w.store,
		.catalog = w.source.catalog,
		.run_prefix = "runs",
		.keep = 1,
		.is_delete = is_delete,
		.item = note_item,
		.kept = note_kept,
	};
}

static inline enum sfs_rc run(const struct sfs_gc_config *config)
{
	told[0] = kept[0] = '\0';
	return sfs_gc_run(config, &sum, NULL, &err);
}

static inline enum sfs_rc gc(bool is_delete)
{
	struct sfs_gc_config config = config_of(is_delete);

	return run(&config);
}

static inline void open_golden(const char *name)
{
	world_begin(&w, name);
	IS_INT(world_open_source(&w), SFS_OK);
}

static inline void open_history(void)
{
	begin();
	IS_INT(world_open_source(&w), SFS_OK);
}

struct count {
	uint64_t objects;
	const char *part;
};

static inline bool count_one(void *arg, const struct sfs_list_entry *entry)
{
	struct count *c = arg;

	c->objects += strstr(entry->key, c->part) != NULL;
	return true;
}

/* How many objects have that in their key. */
static inline uint64_t objects(const char *part)
{
	struct count c = { 0, part };

	IS_INT(w.store->ops->list(w.store, "", 0, NULL, count_one, &c, NULL,
	                          &err),
	       SFS_OK);
	return c.objects;
}

/* Every shard of it is there and holds what it should. */
static inline bool is_whole(const struct sfs_snapshot_id *id)
{
	struct sfs_verify_config config = { .threads = 1 };
	struct sfs_verify_result result;
	struct sfs_snapshot *s = NULL;
	enum sfs_rc rc;

	rc = sfs_snapshot_open(&w.source, id, NULL, &s, NULL, &err);
	if (rc != SFS_OK)
		return false;
	rc = sfs_snapshot_verify(s, w.store, &config, &result, NULL, &err);
	sfs_snapshot_unref(s);
	return rc == SFS_OK && result.faults == 0 && result.unknown == 0;
}

static inline bool is_gone(const struct sfs_snapshot_id *id)
{
	char part[SFS_RUN_ID_BYTES + 16];

	(void)snprintf(part, sizeof(part), "run_id=%s", id->run_id);
	return objects(part) == 0;
}

static inline const char *text_of(const struct sfs_snapshot_id *id)
{
	static char text[SFS_SNAPSHOT_ID_BYTES];

	sfs_snapshot_id_text(id, text);
	return text;
}

#endif
