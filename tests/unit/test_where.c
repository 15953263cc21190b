/* SPDX-License-Identifier: Apache-2.0 */
/* The table of directories below where/: identity, references, room. */
#include "base/alloc.h"
#include "fs/where.h"
#include "unit/world.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ROOM_BYTES = 1 << 20, THREADS = 3, ROUNDS = 20000 };

static struct world w;
static struct sfs_snapshot *snapshot;
static struct sfs_views *views;
static struct sfs_view *view;
static struct sfs_where_table *table;
static struct sfs_err err;
static atomic_bool is_mixed_up;

static void begin(size_t max_bytes)
{
	world_begin(&w, "hash-one");
	IS_INT(world_open(&w), SFS_OK);
	snapshot = sfs_tracker_current(w.tracker, NULL);
	views = sfs_views_new();
	table = sfs_where_new(views, max_bytes);
	IS_INT(sfs_views_enter(views, snapshot, &view, &err), SFS_OK);
}

/* The test's own reference to the view is the last one. */
static void end(void)
{
	IS_INT(sfs_views_count(views), 1);
	sfs_views_leave(views, view, 1);
	IS_INT(sfs_views_count(views), 0);
	sfs_where_free(table);
	sfs_where_free(NULL);
	sfs_views_free(views);
	sfs_snapshot_unref(snapshot);
	world_close_end(&w);
}

static uint64_t enter(enum sfs_node_view which, bool is_keys, const char *path)
{
	struct sfs_where_dir dir = { view, which, is_keys, (char *)path };
	uint64_t number = 0;

	OK(sfs_where_enter(table, &dir, &number));
	return number;
}

static enum sfs_rc get(uint64_t number, const char *path)
{
	struct sfs_where_dir dir;
	enum sfs_rc rc = sfs_where_get(table, number, &dir, &err);

	if (rc == SFS_OK) {
		OK(dir.view == view);
		IS_STR(dir.path, path);
	}
	sfs_where_release(table, &dir);
	return rc;
}

static void one_path_is_one_node(void)
{
	uint64_t a;

	begin(ROOM_BYTES);
	a = enter(SFS_VIEW_ROOT, false, "x=1");
	OK(a != 0);
	OK(enter(SFS_VIEW_ROOT, false, "x=1") == a);
	OK(enter(SFS_VIEW_ROOT, true, "x=1") != a);
	OK(enter(SFS_VIEW_SNAPSHOTS, false, "x=1") != a);
	OK(enter(SFS_VIEW_ROOT, false, "x=1/y=2") != a);
	OK(enter(SFS_VIEW_ROOT, false, "") != a);
	IS_INT(sfs_where_count(table), 5);
	IS_INT(get(a, "x=1"), SFS_OK);
	for (uint64_t i = 1; i <= 6; i++)
		sfs_where_forget(table, i, 2);
	IS_INT(sfs_where_count(table), 0);
	end();
}

static void a_node_lives_until_it_is_forgotten(void)
{
	uint64_t a;

	begin(ROOM_BYTES);
	a = enter(SFS_VIEW_ROOT, false, "x=1");
	(void)enter(SFS_VIEW_ROOT, false, "x=1");
	sfs_where_forget(table, a, 1);
	IS_INT(get(a, "x=1"), SFS_OK);
	sfs_where_forget(table, a, 1);
	IS_INT(get(a, "x=1"), SFS_E_STALE);
	sfs_where_forget(table, a, 1);
	OK(enter(SFS_VIEW_ROOT, false, "x=1") != a); /* never used again */
	sfs_where_forget(table, a + 1, UINT64_MAX);
	IS_INT(sfs_where_count(table), 0);
	end();
}

static void a_node_pins_its_view(void)
{
	uint64_t a;

	begin(ROOM_BYTES);
	a = enter(SFS_VIEW_ROOT, false, "x=1");
	sfs_views_leave(views, view, 1);
	IS_INT(sfs_views_count(views), 1);
	IS_INT(get(a, "x=1"), SFS_OK);
	sfs_view_add(view, 1);
	sfs_where_forget(table, a, 1);
	end();
}

/* Using one makes it young. */
static void what_was_used_longest_ago_makes_room(void)
{
	uint64_t numbers[100];
	char path[64];
	int kept = 0;

	begin(4000);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "x=%d", i);
		numbers[i] = enter(SFS_VIEW_ROOT, false, path);
		IS_INT(get(numbers[0], "x=0"), SFS_OK);
	}
	for (int i = 1; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "x=%d", i);
		kept += get(numbers[i], path) == SFS_OK;
	}
	OK(kept > 5 && kept < 50);
	IS_INT(sfs_where_count(table), kept + 1);
	IS_INT(get(numbers[1], ""), SFS_E_STALE);
	OK(enter(SFS_VIEW_ROOT, false, "x=1") != numbers[1]);
	/* the kernel forgets what is long gone too */
	for (int i = 0; i < 100; i++)
		sfs_where_forget(table, numbers[i], 1);
	sfs_where_forget(table, numbers[99] + 1, 1);
	IS_INT(sfs_where_count(table), 0);
	end();
}

static void one_that_is_larger_than_the_table_fits(void)
{
	static char path[8000] = "x=";
	uint64_t a;

	begin(4000);
	memset(path + 2, 'y', sizeof(path) - 3);
	a = enter(SFS_VIEW_ROOT, false, path);
	IS_INT(get(a, path), SFS_OK);
	IS_INT(sfs_where_count(table), 1);
	sfs_where_forget(table, a, 1);
	end();
}

static void without_memory_nothing_changes(void)
{
	struct sfs_where_dir dir = { view, SFS_VIEW_ROOT, false, NULL };
	uint64_t number;
	uint64_t a;

	begin(ROOM_BYTES);
	dir.view = view;
	dir.path = (char[]){ "x=1" };
	sfs_alloc_fail_nth(1);
	OK(!sfs_where_enter(table, &dir, &number));
	IS_INT(sfs_where_count(table), 0);
	a = enter(SFS_VIEW_ROOT, false, "x=1");
	sfs_alloc_fail_nth(1);
	IS_INT(get(a, "x=1"), SFS_E_NO_MEMORY);
	sfs_alloc_fail_nth(0);
	sfs_where_forget(table, a, 1);
	end();
}

/* A few paths in a table that is too small for them. */
static void *use(void *arg)
{
	struct sfs_where_dir dir = { view, SFS_VIEW_ROOT, false, NULL };
	struct sfs_where_dir got;
	struct sfs_err ignored;
	uint64_t number;
	char path[64];

	dir.path = path;
	for (int i = 0; i < ROUNDS; i++) {
		(void)snprintf(path, sizeof(path), "x=%d",
		               i * *(int *)arg % 40);
		if (!sfs_where_enter(table, &dir, &number))
			continue;
		if (sfs_where_get(table, number, &got, &ignored) == SFS_OK &&
		    strcmp(got.path, path) != 0)
			atomic_store(&is_mixed_up, true);
		sfs_where_release(table, &got);
		sfs_where_forget(table, number, 1);
	}
	return NULL;
}

static void threads_do_not_mix_nodes_up(void)
{
	static int strides[THREADS] = { 1, 3, 7 };
	pthread_t threads[THREADS];

	begin(3000);
	for (int i = 0; i < THREADS; i++)
		IS_INT(pthread_create(&threads[i], NULL, use, &strides[i]), 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	OK(!atomic_load(&is_mixed_up));
	IS_INT(sfs_where_count(table), 0);
	end();
}

int main(void)
{
	RUN(one_path_is_one_node);
	RUN(a_node_lives_until_it_is_forgotten);
	RUN(a_node_pins_its_view);
	RUN(what_was_used_longest_ago_makes_room);
	RUN(one_that_is_larger_than_the_table_fits);
	RUN(without_memory_nothing_changes);
	RUN(threads_do_not_mix_nodes_up);
	return tap_done();
}
