/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_STAGE_H
#define SFS_TESTS_STAGE_H

/* A staging area beside an empty store, and files as a user writes them. */
#include "unit/fake_engine.h"
#include "unit/workstore.h"

#include "build/area.h"
#include "catalog/object.h"
#include "format/current.h"
#include "format/manifest.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define TOP SFS_BUILD_TOP
#define KEYS SFS_BUILD_KEYS
#define INGEST SFS_BUILD_INGEST

static struct sfs_catalog *catalog;
static struct sfs_area_config area_config;
static struct sfs_area *area;
static struct sfs_build *b; /* "job", begun */
static char area_dir[300];

static inline void stage_config(void)
{
	(void)snprintf(area_dir, sizeof(area_dir), "%s/area", work_dir);
	area_config = (struct sfs_area_config){
		.dir = area_dir,
		.store = store,
		.catalog = catalog,
		.run_prefix = "runs",
		.build_memory = 32 << 20,
		.threads = 1,
		.value_max = 1 << 20,
		.key_encoding = SFS_KEY_UTF8,
		.num_dbs = 4,
		.adopt = true,
	};
}

static inline void stage_open(void)
{
	IS_INT(sfs_area_open(&area_config, &area, &err), SFS_OK);
}

static inline void stage_begin(void)
{
	fake_reset();
	work_begin();
	IS_INT(sfs_catalog_object_open(store, "runs", &catalog, &err), SFS_OK);
	stage_config();
	stage_open();
	IS_INT(sfs_area_begin(area, "job", &b, NULL, &err), SFS_OK);
	(void)fake_told();
}

static inline void stage_close(void)
{
	sfs_build_unref(b);
	b = NULL;
	sfs_area_close(area);
	area = NULL;
}

static inline void stage_end(void)
{
	stage_close();
	catalog->ops->close(catalog);
	IS_INT(fake.engines, 0);
	work_end();
}

/* The daemon ends and begins again. */
static inline void stage_again(void)
{
	stage_close();
	stage_open();
	b = sfs_area_find(area, "job");
	(void)fake_told();
}

#define RUN_STAGED(test)       \
	do {                   \
		stage_begin(); \
		RUN(test);     \
		stage_end();   \
	} while (0)

/* --- files ------------------------------------------------------------------ */

static inline struct sfs_staged_file *open_staged(enum sfs_build_dir dir,
                                                  const char *name, int flags)
{
	struct sfs_staged_file *f = NULL;

	if (sfs_build_open(b, dir, name, flags, 0644, &f, &err) != SFS_OK)
		TAP_FAIL("open %.60s: %s", name, err.msg);
	return f;
}

static inline enum sfs_rc try_open(enum sfs_build_dir dir, const char *name,
                                   int flags)
{
	struct sfs_staged_file *f = NULL;
	enum sfs_rc rc = sfs_build_open(b, dir, name, flags, 0644, &f, &err);

	sfs_staged_close(f);
	return rc;
}

static inline enum sfs_rc append(struct sfs_staged_file *f, const char *text)
{
	return sfs_staged_write(f, 0, true, text, strlen(text), &err);
}

/* As "printf TEXT > FILE": what close says. */
static inline enum sfs_rc put_file(enum sfs_build_dir dir, const char *name,
                                   const char *text)
{
	struct sfs_staged_file *f =
		open_staged(dir, name, O_CREAT | O_TRUNC | O_WRONLY);
	enum sfs_rc rc;

	if (f == NULL)
		return err.rc;
	IS_INT(append(f, text), SFS_OK);
	rc = sfs_staged_flush(f, NULL, &err);
	sfs_staged_close(f);
	return rc;
}

static inline const char *read_open(struct sfs_staged_file *f)
{
	static char text[4096];
	size_t got = 0;

	if (sfs_staged_read(f, 0, text, sizeof(text) - 1, &got, &err) != SFS_OK)
		return sfs_rc_name(err.rc);
	text[got] = '\0';
	return text;
}

/* The text of a file, or the name of the code. */
static inline const char *get_file(enum sfs_build_dir dir, const char *name)
{
	struct sfs_staged_file *f = NULL;
	const char *text;

	if (sfs_build_open(b, dir, name, O_RDONLY, 0, &f, &err) != SFS_OK)
		return sfs_rc_name(err.rc);
	text = read_open(f);
	sfs_staged_close(f);
	return text;
}

static inline enum sfs_rc rename_file(enum sfs_build_dir from_dir,
                                      const char *from,
                                      enum sfs_build_dir to_dir, const char *to,
                                      unsigned flags)
{
	const struct sfs_build_place a = { from_dir, from };
	const struct sfs_build_place z = { to_dir, to };

	return sfs_build_rename(b, &a, &z, flags, &err);
}

/* The names in a directory, each with a space behind it. */
static inline const char *list_dir(enum sfs_build_dir dir)
{
	static char text[8192];
	struct sfs_build_names names;
	size_t len = 0;

	text[0] = '\0';
	if (sfs_build_list(b, dir, &names, &err) != SFS_OK)
		return sfs_rc_name(err.rc);
	for (size_t i = 0; i < names.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ",
		                        names.names[i]);
	sfs_build_names_release(&names);
	return text;
}

/* --- the directory below ------------------------------------------------------ */

static inline const char *disk_path(const char *rest)
{
	static char path[700];

	(void)snprintf(path, sizeof(path), "%s/%s", area_dir, rest);
	return path;
}

static inline bool is_on_disk(const char *rest)
{
	return access(disk_path(rest), F_OK) == 0;
}

static inline void write_on_disk(const char *rest, const char *text)
{
	FILE *f = fopen(disk_path(rest), "w");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		TAP_FAIL("cannot write %s", disk_path(rest));
}

/* --- a snapshot that others may be based on ------------------------------------ */

static inline void publish_manifest(const char *run_id, int64_t at_ns,
                                    uint32_t num_dbs)
{
	struct sfs_manifest_shard shards[16] = { { .db_url = NULL } };
	struct sfs_snapshot_id id = { .published_at_ns = at_ns };
	struct sfs_buf text = SFS_BUF_INIT(SFS_CURRENT_MAX_BYTES);
	char key[SFS_MANIFEST_KEY_BYTES];
	static struct sfs_current current;
	char prefix[] = "file:///somewhere";
	char sharding[] = "{\"cel_columns\": null, \"cel_expr\": null, "
			  "\"hash_algorithm\": \"xxh3_64\", "
			  "\"routing_values\": null, "
			  "\"strategy\": \"hash\"}";
	char run[64];
	struct sfs_manifest m = {
		.run_id = run,
		.created_at_ns = at_ns,
		.num_dbs = num_dbs,
		.s3_prefix = prefix,
		.key_col = (char[]){ "_key" },
		.shard_prefix = (char[]){ "shards" },
		.db_path_template = (char[]){ "db={db_id:05d}" },
		.key_encoding = SFS_KEY_UTF8,
		.routing.strategy = SFS_STRATEGY_HASH,
		.sharding = sharding,
		.custom = (char[]){ "{}" },
		.shards = shards,
	};
	void *data = NULL;
	size_t len = 0;

	(void)snprintf(run, sizeof(run), "%s", run_id);
	(void)snprintf(id.run_id, sizeof(id.run_id), "%s", run_id);
	sfs_snapshot_id_manifest_key(&id, key);
	IS_INT(sfs_manifest_serialize(&m, &data, &len, &err), SFS_OK);
	IS_INT(store->ops->put(store, key, data, len, NULL, NULL, &err),
	       SFS_OK);
	sfs_free(data);
	(void)snprintf(current.manifest_ref, sizeof(current.manifest_ref),
	               "%s/%s", prefix, key);
	(void)snprintf(current.run_id, sizeof(current.run_id), "%s", run_id);
	current.updated_at_ns = at_ns;
	sfs_current_print(&current, &text);
	IS_INT(store->ops->put(store, SFS_CURRENT_KEY, text.data, text.len,
	                       NULL, NULL, &err),
	       SFS_OK);
	sfs_buf_release(&text);
}

static inline struct sfs_snapshot_id snapshot_id(const char *run_id,
                                                 int64_t at_ns)
{
	struct sfs_snapshot_id id = { .published_at_ns = at_ns };

	(void)snprintf(id.run_id, sizeof(id.run_id), "%s", run_id);
	return id;
}

/* "rm keys/NAME" of a key that only the base has. */
static inline enum sfs_rc remove_key(struct sfs_build *of, const char *name,
                                     struct sfs_err *e)
{
	const struct sfs_build_place at = { SFS_BUILD_KEYS, name };

	return sfs_build_remove_key(of, &at, e);
}

#endif
