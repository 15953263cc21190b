/* SPDX-License-Identifier: Apache-2.0 */
/* Kept cursors: found by their place only, sixteen of them, closed in time. */
#include "fs/cursors.h"
#include "unit/world.h"

enum { KEPT = 16 };

static struct world w;
static struct sfs_cursors *cursors;
static struct sfs_snapshot *snapshot;
static struct sfs_err err;

static void begin(void)
{
	world_begin(&w, "hash-u64be");
	IS_INT(world_open(&w), SFS_OK);
	snapshot = sfs_tracker_current(w.tracker, NULL);
	cursors = sfs_cursors_new();
}

static void end(void)
{
	sfs_cursors_free(cursors);
	sfs_cursors_free(NULL);
	sfs_snapshot_unref(snapshot);
	world_close_end(&w);
}

static struct sfs_listing_place place(uint64_t cookie)
{
	return (struct sfs_listing_place){ snapshot, 7, cookie };
}

static struct sfs_rows *keep(uint64_t cookie)
{
	struct sfs_listing_place at = place(cookie);
	struct sfs_rows *c = NULL;

	IS_INT(sfs_rows_open(snapshot, 0, 0, &c, NULL, &err), SFS_OK);
	sfs_cursors_keep(cursors, &at, c);
	return c;
}

static struct sfs_rows *take(uint64_t cookie)
{
	struct sfs_listing_place at = place(cookie);

	return sfs_cursors_take(cursors, &at);
}

static void a_cursor_is_found_once_where_it_stopped(void)
{
	struct sfs_listing_place other;
	struct sfs_rows *c;

	begin();
	c = keep(5);
	OK(take(6) == NULL);
	other = place(5);
	other.node = 8;
	OK(sfs_cursors_take(cursors, &other) == NULL);
	other = place(5);
	other.snapshot = NULL; /* a node id that was used again */
	OK(sfs_cursors_take(cursors, &other) == NULL);
	OK(take(5) == c);
	OK(take(5) == NULL);
	sfs_rows_close(c);
	end();
}

static void the_one_kept_longest_ago_makes_room(void)
{
	struct sfs_rows *c;

	begin();
	for (uint64_t i = 0; i < KEPT + 3; i++)
		(void)keep(i);
	for (uint64_t i = 0; i < KEPT + 3; i++) {
		c = take(i);
		OK((c == NULL) == (i < 3));
		if (c != NULL)
			sfs_rows_close(c);
	}
	end();
}

static void two_listings_may_stop_at_the_same_place(void)
{
	struct sfs_rows *a;
	struct sfs_rows *b;

	begin();
	(void)keep(1);
	(void)keep(1);
	a = take(1);
	b = take(1);
	OK(a != NULL && b != NULL && a != b);
	OK(take(1) == NULL);
	sfs_rows_close(a);
	sfs_rows_close(b);
	end();
}

/* A kept cursor holds its shard open beyond the bound of the pool. */
static void clearing_lets_go_of_the_shards(void)
{
	begin();
	(void)keep(1);
	(void)keep(2);
	sfs_cursors_clear(cursors);
	OK(take(1) == NULL && take(2) == NULL);
	(void)keep(3); /* left for sfs_cursors_free */
	end();
}

int main(void)
{
	RUN(a_cursor_is_found_once_where_it_stopped);
	RUN(the_one_kept_longest_ago_makes_room);
	RUN(two_listings_may_stop_at_the_same_place);
	RUN(clearing_lets_go_of_the_shards);
	return tap_done();
}
