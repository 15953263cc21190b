/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views: slots of snapshots in use never overlap, a view lives exactly as
 * long as somebody refers to it, and its generation is never used again.
 */
#include "fs/views.h"
#include "fs/node.h"
#include "unit/world.h"

#include <pthread.h>

enum { SNAPSHOTS = 4, THREADS = 4, ROUNDS = 3000 };

static struct world w;
static struct sfs_views *views;
static struct sfs_snapshot *snapshots[SNAPSHOTS];
static struct sfs_err err;

static void begin(void)
{
	struct sfs_snapshot_id id;

	world_begin(&w, "history");
	IS_INT(world_open_source(&w), SFS_OK);
	views = sfs_views_new();
	for (int i = 0; i < SNAPSHOTS; i++) {
		id = world_id(&w, i);
		IS_INT(sfs_snapshot_open(&w.source, &id, NULL, &snapshots[i],
		                         NULL, &err),
		       SFS_OK);
	}
}

static void end(void)
{
	sfs_views_free(views);
	for (int i = 0; i < SNAPSHOTS; i++)
		sfs_snapshot_unref(snapshots[i]);
	world_close_end(&w);
}

static struct sfs_view *enter(int i)
{
	struct sfs_view *view = NULL;

	IS_INT(sfs_views_enter(views, snapshots[i], &view, &err), SFS_OK);
	return view;
}

static void a_snapshot_has_one_view_however_often_it_is_entered(void)
{
	struct sfs_view *view;

	begin();
	view = enter(0);
	OK(enter(0) == view);
	OK(sfs_views_find(views, sfs_snapshot_text_id(snapshots[0])) == view);
	OK(sfs_views_find(views, "another") == NULL);
	IS_INT(sfs_views_count(views), 1);
	sfs_views_leave(views, view, 2);
	IS_INT(sfs_views_count(views), 1);
	sfs_views_leave(views, view, 1);
	IS_INT(sfs_views_count(views), 0);
	OK(sfs_views_find(views, sfs_snapshot_text_id(snapshots[0])) == NULL);
	end();
}

static void each_slot_belongs_to_one_view(void)
{
	struct sfs_view *v[SNAPSHOTS];
	struct sfs_view *at;
	uint32_t slots = 0;

	begin();
	for (int i = 0; i < SNAPSHOTS; i++) {
		v[i] = enter(i);
		IS_INT(v[i]->slots,
		       sfs_snapshot_manifest(snapshots[i])->num_dbs + 1);
		slots += v[i]->slots;
	}
	for (uint32_t s = 0; s < slots; s++) {
		at = sfs_views_at(views, s);
		OK(at != NULL && s >= at->first_slot &&
		   s < at->first_slot + at->slots);
		if (at != NULL)
			sfs_views_leave(views, at, 1);
	}
	OK(sfs_views_at(views, slots) == NULL);
	OK(sfs_views_at(views, SFS_NODE_SLOTS - 1) == NULL);
	for (int i = 0; i < SNAPSHOTS; i++)
		sfs_views_leave(views, v[i], 1);
	OK(sfs_views_at(views, 0) == NULL);
	end();
}

static void freed_slots_are_used_again_under_a_new_generation(void)
{
	struct sfs_view *v[SNAPSHOTS];
	uint64_t generation;
	uint32_t slot;

	begin();
	for (int i = 0; i < SNAPSHOTS; i++)
		v[i] = enter(i);
	generation = v[3]->generation;
	slot = v[0]->first_slot;
	sfs_views_leave(views, v[0], 1);
	v[0] = enter(0);
	IS_INT(v[0]->first_slot, slot);
	IS_INT(v[0]->generation, generation + 1);
	for (int i = 0; i < SNAPSHOTS; i++)
		sfs_views_leave(views, v[i], 1);
	end();
}

static void forgetting_takes_back_what_the_kernel_held(void)
{
	struct sfs_view *view;

	begin();
	view = enter(1);
	sfs_view_add(view, 5);
	sfs_views_leave(views, view, 1);
	sfs_views_forget(views, view->first_slot + 1, 2);
	IS_INT(sfs_views_count(views), 1);
	sfs_views_forget(views, view->first_slot, 3);
	IS_INT(sfs_views_count(views), 0);
	sfs_views_forget(views, 0, 1);
	IS_INT(sfs_views_count(views), 0);
	end();
}

static void without_memory_there_is_no_view_and_no_answer(void)
{
	struct sfs_view *view = (struct sfs_view *)&err;

	begin();
	for (unsigned long n = 1; n <= 2; n++) {
		sfs_alloc_fail_nth(n);
		IS_INT(sfs_views_enter(views, snapshots[0], &view, &err),
		       SFS_E_NO_MEMORY);
		OK(view == NULL);
		IS_INT(sfs_views_count(views), 0);
	}
	sfs_alloc_fail_nth(0);
	end();
}

/* Node ids have 22 bits for slots; four of the largest do not fit. */
static void the_space_of_node_ids_can_be_full(void)
{
	static const char run_ids[][2] = { "a", "b", "c", "d" };
	struct sfs_manifest_shard *shards;
	struct sfs_manifest *m = NULL;
	struct sfs_view *v[4] = { NULL };
	struct sfs_snapshot *s;
	struct sfs_snapshot_id id;
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_manifest large;
	void *data = NULL;
	size_t len = 0;

	begin();
	id = world_id(&w, 0);
	IS_INT(w.source.catalog->ops->load(w.source.catalog, &id, &m, NULL,
	                                   &err),
	       SFS_OK);
	shards = calloc(SFS_NUM_DBS_MAX, sizeof(*shards));
	large = *m;
	large.num_dbs = SFS_NUM_DBS_MAX;
	large.shards = shards;
	for (int i = 0; i < 4; i++) {
		id = world_new_id((i + 1) * INT64_C(1000000000), run_ids[i]);
		large.run_id = id.run_id;
		IS_INT(sfs_manifest_serialize(&large, &data, &len, &err),
		       SFS_OK);
		sfs_snapshot_id_manifest_key(&id, key);
		world_put(&w, key, data, len);
		sfs_free(data);
		IS_INT(sfs_snapshot_open(&w.source, &id, NULL, &s, NULL, &err),
		       SFS_OK);
		IS_INT(sfs_views_enter(views, s, &v[i], &err),
		       i < 3 ? SFS_OK : SFS_E_TRANSIENT);
		sfs_snapshot_unref(s);
	}
	OK(v[3] == NULL);
	for (int i = 0; i < 3; i++)
		sfs_views_leave(views, v[i], 1);
	free(shards);
	sfs_manifest_free(m);
	end();
}

static atomic_int wrong;

static void *come_and_go(void *arg)
{
	uint64_t x = (uintptr_t)arg * 31 + 1;
	struct sfs_view *view;
	struct sfs_view *at;
	struct sfs_err ignored;
	int i;

	for (int n = 0; n < ROUNDS; n++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		i = (int)(x >> 33) % SNAPSHOTS;
		if (sfs_views_enter(views, snapshots[i], &view, &ignored) !=
		    SFS_OK) {
			atomic_fetch_add(&wrong, 1);
			continue;
		}
		sfs_view_add(view, 2);
		at = sfs_views_at(views, view->first_slot + 1);
		if (at != view ||
		    strcmp(sfs_snapshot_text_id(view->snapshot),
		           sfs_snapshot_text_id(snapshots[i])) != 0)
			atomic_fetch_add(&wrong, 1);
		if (at != NULL)
			sfs_views_leave(views, at, 1);
		sfs_views_forget(views, view->first_slot, 2);
		sfs_views_leave(views, view, 1);
		at = sfs_views_at(views, (uint32_t)(x >> 40) % 12);
		if (at != NULL)
			sfs_views_leave(views, at, 1);
	}
	return NULL;
}

static void threads_come_and_go_without_losing_a_view(void)
{
	pthread_t threads[THREADS];

	begin();
	for (uintptr_t i = 0; i < THREADS; i++)
		OK(pthread_create(&threads[i], NULL, come_and_go, (void *)i) ==
		   0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	IS_INT(atomic_load(&wrong), 0);
	IS_INT(sfs_views_count(views), 0);
	end();
}

int main(void)
{
	RUN(a_snapshot_has_one_view_however_often_it_is_entered);
	RUN(each_slot_belongs_to_one_view);
	RUN(freed_slots_are_used_again_under_a_new_generation);
	RUN(forgetting_takes_back_what_the_kernel_held);
	RUN(without_memory_there_is_no_view_and_no_answer);
	RUN(the_space_of_node_ids_can_be_full);
	RUN(threads_come_and_go_without_losing_a_view);
	return tap_done();
}
