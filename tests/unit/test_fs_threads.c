/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads in the tree at once, while the snapshots behind it switch.
 * Made for the thread and address sanitizers.
 */
#include "base/log.h"
#include "format/keys.h"
#include "unit/golden.h"
#include "unit/world.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, SWITCHES = 100, IDS = 4 };

static struct world w;
static struct sfs_snapshot_id ids[IDS];
static struct golden rows[IDS]; /* what each snapshot holds */
static atomic_bool is_over;
static atomic_int wrong;
static atomic_int rounds;

static void check(bool is_right)
{
	if (!is_right)
		atomic_fetch_add(&wrong, 1);
}

static uint64_t look_up(uint64_t parent, const char *name)
{
	struct sfs_entry entry;
	struct sfs_err err;

	if (sfs_fs_lookup(w.fs, parent, name, &entry, NULL, &err) != SFS_OK)
		return 0;
	return entry.node;
}

/* The snapshot that a node lies in, by its attribute; -1: another. */
static int which(uint64_t node)
{
	struct sfs_buf run_id = SFS_BUF_INIT(SFS_RUN_ID_BYTES);
	struct sfs_err err;
	int found = -1;

	check(sfs_fs_getxattr(w.fs, node, "user.shardyfs.run_id", &run_id, NULL,
	                      &err) == SFS_OK);
	for (int i = 0; i < IDS && run_id.data != NULL; i++) {
		if (strcmp(run_id.data, ids[i].run_id) == 0)
			found = i;
	}
	sfs_buf_release(&run_id);
	return found;
}

static bool take(void *arg, const char *name, const struct sfs_entry *entry,
                 uint64_t next_cookie)
{
	(void)name;
	(void)entry;
	*(uint64_t *)arg = next_cookie;
	return true;
}

/* One key below a directory of keys, which must be its snapshot's. */
static void use_keys(uint64_t keys, size_t n)
{
	const struct golden_row *row;
	struct sfs_readdir r = { .node = keys, .fill = take };
	uint64_t cookie = 0;
	struct sfs_err err;
	uint64_t file;
	char buf[512];
	char name[64];
	size_t len;
	size_t got;
	int i = which(keys);

	check(i >= 0);
	if (i < 0)
		return;
	row = &rows[i].rows[n % rows[i].count];
	check(sfs_key_to_name(SFS_KEY_U64BE, row->key, name, sizeof(name),
	                      &len) == SFS_OK);
	file = look_up(keys, name);
	check(file != 0 &&
	      sfs_fs_read(w.fs, file, 0, buf, sizeof(buf), &got, NULL, &err) ==
	              SFS_OK &&
	      golden_is_value(row, buf, got));
	sfs_fs_forget(w.fs, file, 1);
	r.arg = &cookie;
	check(sfs_fs_readdir(w.fs, &r, NULL, &err) == SFS_OK);
	check(cookie != 0);
}

static void use_text(uint64_t dir, const char *name)
{
	struct sfs_err err;
	uint64_t file = look_up(dir, name);
	char buf[16384];
	size_t got = 0;

	check(file != 0 && sfs_fs_read(w.fs, file, 0, buf, sizeof(buf), &got,
	                               NULL, &err) == SFS_OK);
	check(got > 0);
	sfs_fs_forget(w.fs, file, 1);
}

static void *use_tree(void *arg)
{
	size_t n = (uintptr_t)arg * 1000;
	char text[SFS_SNAPSHOT_ID_BYTES];
	uint64_t dir;
	uint64_t keys;

	while (!atomic_load(&is_over)) {
		keys = look_up(SFS_FS_ROOT, "keys");
		use_keys(keys, n++);
		sfs_fs_forget(w.fs, keys, 1);
		sfs_snapshot_id_text(&ids[n % IDS], text);
		dir = look_up(look_up(SFS_FS_ROOT, "snapshots"), text);
		keys = look_up(dir, "keys");
		use_keys(keys, n++);
		use_text(dir, n % 2 == 0 ? "manifest.json" : "info.json");
		sfs_fs_forget(w.fs, keys, 1);
		use_text(look_up(SFS_FS_ROOT, ".shardyfs"), "status");
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

static void threads_see_one_snapshot_each_while_they_switch(void)
{
	pthread_t threads[THREADS];
	char file[300];

	world_begin(&w, "history");
	w.pool_max = 2;
	w.fs_config.listing = true;
	IS_INT(world_open(&w), SFS_OK);
	for (int i = 0; i < IDS; i++) {
		ids[i] = world_id(&w, i);
		(void)snprintf(file, sizeof(file), "expected_%s",
		               ids[i].run_id);
		golden_load(&rows[i], "history", file);
	}
	IS_INT(sfs_tracker_start(w.tracker, &w.err), SFS_OK);
	for (uintptr_t i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, use_tree, (void *)i) == 0);
	for (int i = 1; i <= SWITCHES; i++) {
		world_point(&w, "s3://golden/history", &ids[i % IDS]);
		world_look(&w);
	}
	atomic_store(&is_over, true);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	IS_INT(atomic_load(&wrong), 0);
	OK(atomic_load(&rounds) > 0);
	IS_INT(world_status(&w, "generation"), SWITCHES + 1);
	IS_INT(world_status(&w, "open_snapshots"), 0);
	for (int i = 0; i < IDS; i++)
		golden_free(&rows[i]);
	world_close_end(&w);
}

int main(void)
{
	IS_INT(sfs_log_set_levels("none", &w.err), SFS_OK);
	RUN(threads_see_one_snapshot_each_while_they_switch);
	return tap_done();
}
