/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views live in an array sorted by their first slot. Looking up takes the
 * lock for reading and adds a reference under it; a view is only taken out
 * under the lock for writing, after its count was seen to be zero there. So
 * between "found" and "referenced" no view can end.
 */
#include "fs/views.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "fs/node.h"

#include <pthread.h>
#include <string.h>

struct sfs_views {
	pthread_rwlock_t lock;
	struct sfs_view **sorted; /* protected by lock */
	size_t count;             /* protected by lock */
	size_t cap;               /* protected by lock */
	uint64_t generation;      /* protected by lock */
};

struct sfs_views *sfs_views_new(void)
{
	struct sfs_views *v = sfs_calloc(1, sizeof(*v));

	if (v != NULL)
		pthread_rwlock_init(&v->lock, NULL);
	return v;
}

static void view_free(struct sfs_view *view)
{
	sfs_snapshot_unref(view->snapshot);
	sfs_free(view);
}

void sfs_views_free(struct sfs_views *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < v->count; i++)
		view_free(v->sorted[i]);
	sfs_free(v->sorted);
	pthread_rwlock_destroy(&v->lock);
	sfs_free(v);
}

static struct sfs_view *find_locked(struct sfs_views *v, const char *text_id)
{
	for (size_t i = 0; i < v->count; i++) {
		if (strcmp(sfs_snapshot_text_id(v->sorted[i]->snapshot),
		           text_id) == 0)
			return v->sorted[i];
	}
	return NULL;
}

/* Where the first gap of that many slots begins; position in *at. */
static bool find_gap_locked(struct sfs_views *v, uint32_t slots,
                            uint32_t *first_slot, size_t *at)
{
	uint32_t begin = 0;
	size_t i;

	for (i = 0; i < v->count; i++) {
		if (v->sorted[i]->first_slot - begin >= slots)
			break;
		begin = v->sorted[i]->first_slot + v->sorted[i]->slots;
	}
	*first_slot = begin;
	*at = i;
	return SFS_NODE_SLOTS - begin >= slots;
}

static bool make_room_locked(struct sfs_views *v)
{
	struct sfs_view **grown;
	size_t cap;

	if (v->count < v->cap)
		return true;
	cap = v->cap > 0 ? v->cap * 2 : 16;
	grown = sfs_realloc_array(v->sorted, cap, sizeof(*grown));
	if (grown == NULL)
		return false;
	v->sorted = grown;
	v->cap = cap;
	return true;
}

static enum sfs_rc insert_locked(struct sfs_views *v, struct sfs_view *view,
                                 struct sfs_err *err)
{
	size_t at;

	if (!make_room_locked(v))
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "snapshot: out of memory");
	if (!find_gap_locked(v, view->slots, &view->first_slot, &at))
		return sfs_err_set(err, SFS_E_TRANSIENT,
		                   "too many snapshots are in use at once");
	memmove(v->sorted + at + 1, v->sorted + at,
	        (v->count - at) * sizeof(*v->sorted));
	v->sorted[at] = view;
	v->count++;
	view->generation = ++v->generation;
	return SFS_OK;
}

enum sfs_rc sfs_views_enter(struct sfs_views *v, struct sfs_snapshot *snapshot,
                            struct sfs_view **out, struct sfs_err *err)
{
	const char *text_id = sfs_snapshot_text_id(snapshot);
	struct sfs_view *view;
	enum sfs_rc rc = SFS_OK;

	*out = sfs_views_find(v, text_id);
	if (*out != NULL)
		return SFS_OK;
	view = sfs_calloc(1, sizeof(*view));
	if (view == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "snapshot: out of memory");
	view->snapshot = sfs_snapshot_ref(snapshot);
	view->slots = sfs_snapshot_manifest(snapshot)->num_dbs + 1;
	view->ino_seed = sfs_hash64(text_id, strlen(text_id));
	atomic_init(&view->refs, 1);

	pthread_rwlock_wrlock(&v->lock);
	*out = find_locked(v, text_id);
	if (*out != NULL) {
		sfs_view_add(*out, 1);
	} else {
		rc = insert_locked(v, view, err);
		*out = rc == SFS_OK ? view : NULL;
	}
	pthread_rwlock_unlock(&v->lock);
	if (*out != view)
		view_free(view);
	return rc;
}

struct sfs_view *sfs_views_find(struct sfs_views *v, const char *text_id)
{
	struct sfs_view *view;

	pthread_rwlock_rdlock(&v->lock);
	view = find_locked(v, text_id);
	if (view != NULL)
		sfs_view_add(view, 1);
	pthread_rwlock_unlock(&v->lock);
	return view;
}

static struct sfs_view *at_locked(struct sfs_views *v, uint32_t slot)
{
	size_t low = 0;
	size_t high = v->count;
	size_t mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (v->sorted[mid]->first_slot <= slot)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 ||
	    slot - v->sorted[low - 1]->first_slot >= v->sorted[low - 1]->slots)
		return NULL;
	return v->sorted[low - 1];
}

struct sfs_view *sfs_views_at(struct sfs_views *v, uint32_t slot)
{
	struct sfs_view *view;

	pthread_rwlock_rdlock(&v->lock);
	view = at_locked(v, slot);
	if (view != NULL)
		sfs_view_add(view, 1);
	pthread_rwlock_unlock(&v->lock);
	return view;
}

void sfs_view_add(struct sfs_view *view, uint64_t count)
{
	atomic_fetch_add_explicit(&view->refs, count, memory_order_relaxed);
}

/* Takes the view out if its count is still zero; true: it is ours to free. */
static bool remove_unused(struct sfs_views *v, struct sfs_view *view)
{
	bool removed = false;

	pthread_rwlock_wrlock(&v->lock);
	for (size_t i = 0; i < v->count; i++) {
		if (v->sorted[i] != view)
			continue;
		if (atomic_load(&view->refs) > 0)
			break;
		v->count--;
		memmove(v->sorted + i, v->sorted + i + 1,
		        (v->count - i) * sizeof(*v->sorted));
		removed = true;
		break;
	}
	pthread_rwlock_unlock(&v->lock);
	return removed;
}

/*
 * Two threads may both bring the count to zero, one after the other found and
 * left the view in between; remove_unused() compares addresses only until it
 * found the view in the array, so the second one touches nothing.
 */
void sfs_views_leave(struct sfs_views *v, struct sfs_view *view, uint64_t count)
{
	if (atomic_fetch_sub(&view->refs, count) > count)
		return;
	if (remove_unused(v, view))
		view_free(view);
}

void sfs_views_forget(struct sfs_views *v, uint32_t slot, uint64_t count)
{
	struct sfs_view *view = sfs_views_at(v, slot);

	if (view != NULL)
		sfs_views_leave(v, view, count + 1);
}

uint64_t sfs_views_count(struct sfs_views *v)
{
	uint64_t count;

	pthread_rwlock_rdlock(&v->lock);
	count = v->count;
	pthread_rwlock_unlock(&v->lock);
	return count;
}
