/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_WORKSHOP_H
#define SFS_TESTS_WORKSHOP_H

/*
 * A staging area with its real engine beside a store that can be told to
 * fail, and a reader that opens what is current afresh each time.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "build/area.h"
#include "catalog/object.h"
#include "format/current.h"
#include "format/manifest.h"
#include "format/runrecord.h"
#include "snapshot/snapshot.h"
#include "store/fault.h"
#include "store/local.h"
#include "unit/tap.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP SFS_BUILD_TOP
#define KEYS SFS_BUILD_KEYS
#define INGEST SFS_BUILD_INGEST

enum { SHOP_PAIRS_MAX = 16384, SHOP_TEXT_BYTES = 1 << 18 };

static char shop_dir[256];
static char shop_store_dir[300];
static char shop_area_dir[300];
static struct sfs_store *store;
static struct sfs_catalog *catalog;
static struct sfs_area_config area_config;
static struct sfs_area *area;
static struct sfs_build *b; /* "job", begun */
static struct sfs_snapshot_id last_id;
static struct sfs_err err;

static int shop_remove_one(const char *path, const struct stat *st, int kind,
                           struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void shop_open(void)
{
	if (sfs_area_open(&area_config, &area, &err) != SFS_OK) {
		printf("Bail out! no area: %s\n", err.msg);
		exit(1);
	}
}

static inline struct sfs_build *shop_build(const char *name)
{
	struct sfs_build *made = NULL;

	if (sfs_area_begin(area, name, &made, NULL, &err) != SFS_OK) {
		printf("Bail out! no build %s: %s\n", name, err.msg);
		exit(1);
	}
	return made;
}

static inline void shop_dirs(void)
{
	const char *tmp = getenv("TMPDIR");

	if (tmp == NULL)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(shop_dir, sizeof(shop_dir), "%s/sfs-shop-XXXXXX", tmp);
	if (mkdtemp(shop_dir) == NULL) {
		printf("Bail out! no directory %s\n", shop_dir);
		exit(1);
	}
	(void)snprintf(shop_store_dir, sizeof(shop_store_dir), "%s/store",
	               shop_dir);
	(void)snprintf(shop_area_dir, sizeof(shop_area_dir), "%s/area",
	               shop_dir);
	OK(mkdir(shop_store_dir, 0755) == 0);
}

/* An empty store and an open area, without a build. */
static inline void shop_begin_empty(void)
{
	struct sfs_store *local = NULL;

	shop_dirs();
	if (sfs_store_local_open(shop_store_dir, &local, &err) != SFS_OK ||
	    sfs_store_fault_wrap(local, &store, &err) != SFS_OK ||
	    sfs_catalog_object_open(store, "runs", &catalog, &err) != SFS_OK) {
		printf("Bail out! no store: %s\n", err.msg);
		exit(1);
	}
	area_config = (struct sfs_area_config){
		.dir = shop_area_dir,
		.store = store,
		.catalog = catalog,
		.run_prefix = "runs",
		.build_memory = 32 << 20,
		.threads = 2,
		.value_max = 1 << 20,
		.key_encoding = SFS_KEY_UTF8,
		.num_dbs = 4,
		.adopt = true,
	};
	shop_open();
}

static inline void shop_begin(void)
{
	shop_begin_empty();
	b = shop_build("job");
}

static inline void shop_close(void)
{
	sfs_build_unref(b);
	b = NULL;
	sfs_area_close(area);
	area = NULL;
}

static inline void shop_end(void)
{
	static const struct sfs_fault_plan off;

	shop_close();
	sfs_store_fault_set(store, &off);
	catalog->ops->close(catalog);
	IS_INT(sfs_store_fault_open_objects(store), 0);
	store->ops->close(store);
	if (nftw(shop_dir, shop_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		printf("# %s is left behind\n", shop_dir);
}

/* The daemon ends and begins again. */
static inline void shop_again(void)
{
	shop_close();
	shop_open();
	b = sfs_area_find(area, "job");
}

/* What is done behind the reply to mv is done. */
static inline void shop_rest(void)
{
	shop_close();
	shop_open();
}

/* The next build, when the one before was published. */
static inline void shop_next(const char *name)
{
	sfs_build_unref(b);
	b = shop_build(name);
}

#define RUN_IN_SHOP(test)     \
	do {                  \
		shop_begin(); \
		RUN(test);    \
		shop_end();   \
	} while (0)

/* --- files ------------------------------------------------------------------ */

static inline struct sfs_staged_file *open_in(struct sfs_build *build,
                                              enum sfs_build_dir dir,
                                              const char *name, int flags)
{
	struct sfs_staged_file *f = NULL;

	if (sfs_build_open(build, dir, name, flags, 0644, &f, &err) != SFS_OK)
		TAP_FAIL("open %.60s: %s", name, err.msg);
	return f;
}

static inline enum sfs_rc put_bytes(enum sfs_build_dir dir, const char *name,
                                    const void *data, size_t len)
{
	struct sfs_staged_file *f =
		open_in(b, dir, name, O_CREAT | O_TRUNC | O_WRONLY);
	enum sfs_rc rc;

	if (f == NULL)
		return err.rc;
	rc = sfs_staged_write(f, 0, true, data, len, &err);
	if (rc == SFS_OK)
		rc = sfs_staged_flush(f, NULL, &err);
	sfs_staged_close(f);
	return rc;
}

/* As "printf TEXT > FILE": what close says. */
static inline enum sfs_rc put(enum sfs_build_dir dir, const char *name,
                              const char *text)
{
	return put_bytes(dir, name, text, strlen(text));
}

/* As "printf TEXT >> FILE". */
static inline enum sfs_rc add_to(enum sfs_build_dir dir, const char *name,
                                 const char *text)
{
	struct sfs_staged_file *f = open_in(b, dir, name, O_WRONLY | O_APPEND);
	enum sfs_rc rc;

	if (f == NULL)
		return err.rc;
	rc = sfs_staged_write(f, 0, true, text, strlen(text), &err);
	if (rc == SFS_OK)
		rc = sfs_staged_flush(f, NULL, &err);
	sfs_staged_close(f);
	return rc;
}

static inline void config(const char *text)
{
	IS_INT(put(TOP, "config.yaml", text), SFS_OK);
}

/* --- settling and publishing -------------------------------------------------- */

static inline enum sfs_rc settle(void)
{
	return sfs_build_settle(b, NULL, &err);
}

static inline enum sfs_rc publish(void)
{
	return sfs_build_publish(b, &last_id, NULL, &err);
}

static inline void publish_well(void)
{
	if (publish() != SFS_OK)
		TAP_FAIL("publish: %s: %s", sfs_rc_name(err.rc), err.msg);
}

static inline const char *errors(void)
{
	static char text[SHOP_TEXT_BYTES];
	struct sfs_buf out = SFS_BUF_INIT(sizeof(text) - 1);

	sfs_build_print_errors(b, &out);
	(void)snprintf(text, sizeof(text), "%.*s", (int)out.len,
	               out.len > 0 ? out.data : "");
	sfs_buf_release(&out);
	return text;
}

static inline const char *plan(void)
{
	static char text[2048];
	struct sfs_buf out = SFS_BUF_INIT(sizeof(text) - 1);

	if (sfs_build_print_plan(b, &out, NULL, &err) != SFS_OK)
		(void)snprintf(text, sizeof(text), "%s", sfs_rc_name(err.rc));
	else
		(void)snprintf(text, sizeof(text), "%.*s", (int)out.len,
		               out.data);
	sfs_buf_release(&out);
	return text;
}

/* --- what is published --------------------------------------------------------- */

static inline bool shop_current_id(struct sfs_snapshot_id *id)
{
	struct sfs_pointer pointer = { 0 };
	bool found;

	if (catalog->ops->current(catalog, &pointer, NULL, &err) != SFS_OK)
		return false;
	found = sfs_snapshot_id_from_ref(pointer.current->manifest_ref, id,
	                                 &err) == SFS_OK;
	sfs_pointer_release(&pointer);
	return found;
}

/* The caller frees it; NULL: a failed check. */
static inline struct sfs_manifest *manifest(void)
{
	struct sfs_manifest *m = NULL;
	struct sfs_snapshot_id id;

	if (!shop_current_id(&id) ||
	    catalog->ops->load(catalog, &id, &m, NULL, &err) != SFS_OK)
		TAP_FAIL("no manifest: %s", err.msg);
	return m;
}

struct shop_pairs {
	char *lines[SHOP_PAIRS_MAX]; /* "key=value ", of malloc() */
	size_t count;
};

static inline int shop_by_line(const void *a, const void *z)
{
	return strcmp(*(char *const *)a, *(char *const *)z);
}

static inline enum sfs_rc shop_add_pair(struct shop_pairs *pairs,
                                        struct sfs_bytes key,
                                        const struct sfs_place *place,
                                        size_t size)
{
	char *line = calloc(1, key.len + size + 3);
	enum sfs_rc rc;
	size_t got = 0;

	if (line == NULL || pairs->count == SHOP_PAIRS_MAX)
		abort();
	memcpy(line, key.data, key.len);
	line[key.len] = '=';
	rc = sfs_snapshot_read(place, 0, line + key.len + 1, size, &got, NULL,
	                       &err);
	line[key.len + 1 + got] = ' ';
	pairs->lines[pairs->count++] = line;
	return rc;
}

static inline enum sfs_rc shop_read_shard(struct sfs_snapshot *s, uint32_t db,
                                          struct shop_pairs *pairs)
{
	struct sfs_place place = { .snapshot = s, .db_id = db };
	struct sfs_snapshot_cursor *c = NULL;
	struct sfs_pair_info info;
	struct sfs_bytes key;
	bool found = true;
	enum sfs_rc rc;

	if (sfs_snapshot_shard_prefix(s, db) == NULL)
		return SFS_OK;
	rc = sfs_snapshot_cursor_open(s, db, 0, &c, NULL, &err);
	while (rc == SFS_OK && found) {
		rc = sfs_snapshot_cursor_next(c, &found, &key, &info, NULL,
		                              &err);
		place.locator = info.locator;
		if (rc == SFS_OK && found)
			rc = shop_add_pair(pairs, key, &place, info.value_size);
	}
	if (c != NULL)
		sfs_snapshot_cursor_close(c);
	return rc;
}

/* Every pair found by a walk is where the router looks for it. */
static inline void shop_check_routes(struct sfs_snapshot *s,
                                     const struct shop_pairs *pairs)
{
	struct sfs_hit hit;

	if (sfs_snapshot_router(s)->needs_columns)
		return; /* it would need them */
	for (size_t i = 0; i < pairs->count; i++) {
		const char *line = pairs->lines[i];
		struct sfs_query query = { .key = { (const uint8_t *)line,
			                            strcspn(line, "=") } };

		IS_INT(sfs_snapshot_get(s, &query, &hit, NULL, &err), SFS_OK);
		if (!hit.found)
			TAP_FAIL("%s cannot be found", line);
	}
}

static inline void shop_print_pairs(struct shop_pairs *pairs, char *out,
                                    size_t cap)
{
	size_t len = 0;

	qsort(pairs->lines, pairs->count, sizeof(pairs->lines[0]),
	      shop_by_line);
	out[0] = '\0';
	for (size_t i = 0; i < pairs->count; i++) {
		if (len < cap)
			len += (size_t)snprintf(out + len, cap - len, "%s",
			                        pairs->lines[i]);
		free(pairs->lines[i]);
	}
}

/* All pairs of a snapshot in order, "a=1 b=2 "; or the name of the code. */
static inline const char *content_of(const struct sfs_snapshot_id *id)
{
	static char text[SHOP_TEXT_BYTES];
	static struct shop_pairs pairs;
	struct sfs_snapshot_source source = { .store = store,
		                              .catalog = catalog };
	struct sfs_snapshot *s = NULL;
	enum sfs_rc rc;

	pairs.count = 0;
	source.pool = sfs_shard_pool_new(64);
	rc = sfs_snapshot_open(&source, id, NULL, &s, NULL, &err);
	for (uint32_t i = 0;
	     rc == SFS_OK && i < sfs_snapshot_manifest(s)->num_dbs; i++)
		rc = shop_read_shard(s, i, &pairs);
	if (rc == SFS_OK)
		shop_check_routes(s, &pairs);
	shop_print_pairs(&pairs, text, sizeof(text));
	sfs_snapshot_unref(s);
	sfs_shard_pool_free(source.pool);
	return rc == SFS_OK ? text : sfs_rc_name(rc);
}

/* The same of what is current; "nothing". */
static inline const char *content(void)
{
	struct sfs_snapshot_id id;

	return shop_current_id(&id) ? content_of(&id) : "nothing";
}

struct shop_history {
	struct sfs_snapshot_id ids[64];
	size_t count;
};

static inline bool shop_note_id(void *arg, const struct sfs_snapshot_id *id)
{
	struct shop_history *h = arg;

	h->ids[h->count++] = *id;
	return h->count < 64;
}

static inline size_t history(struct shop_history *h)
{
	h->count = 0;
	IS_INT(catalog->ops->history(catalog, shop_note_id, h, NULL, &err),
	       SFS_OK);
	return h->count;
}

/* --- what lies in the store ------------------------------------------------------ */

struct shop_keys {
	char keys[256][400];
	size_t count;
};

static inline bool shop_note_key(void *arg, const struct sfs_list_entry *entry)
{
	struct shop_keys *k = arg;

	(void)snprintf(k->keys[k->count++], sizeof(k->keys[0]), "%s",
	               entry->key);
	return k->count < 256;
}

static inline size_t list_store(struct shop_keys *out, const char *prefix)
{
	out->count = 0;
	IS_INT(store->ops->list(store, prefix, 0, NULL, shop_note_key, out,
	                        NULL, &err),
	       SFS_OK);
	return out->count;
}

/* stat(2) of an object. */
static inline struct stat stat_object(const char *key)
{
	struct stat st = { .st_ino = 0 };
	char path[800];

	(void)snprintf(path, sizeof(path), "%s/%s", shop_store_dir, key);
	if (stat(path, &st) != 0)
		TAP_FAIL("no object %s", key);
	return st;
}

/* "rm keys/NAME" of a key that only the base has. */
static inline enum sfs_rc remove_key(struct sfs_build *of, const char *name,
                                     struct sfs_err *e)
{
	const struct sfs_build_place at = { SFS_BUILD_KEYS, name };

	return sfs_build_remove_key(of, &at, e);
}

#endif
