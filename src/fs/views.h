/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_VIEWS_H
#define SFS_FS_VIEWS_H

#include "shardyfs/err.h"
#include "snapshot/snapshot.h"

#include <stdatomic.h>
#include <stdint.h>

/*
 * The snapshots that the kernel holds nodes of. Each is a view: a pinned
 * snapshot, a run of slots in the space of node ids, and a count of the
 * kernel's references to all its nodes together. When the count is zero and
 * nobody works with it, the view ends and its slots are free again.
 */
struct sfs_view {
	struct sfs_snapshot *snapshot; /* a reference; immutable */
	uint32_t first_slot;           /* immutable */
	uint32_t slots;                /* immutable: num_dbs + 1 */
	uint64_t generation;           /* immutable; never used twice */
	uint64_t ino_seed;             /* immutable */
	atomic_uint_fast64_t refs;     /* kernel's and users', together */
};

struct sfs_views;

struct sfs_views *sfs_views_new(void) SFS_NODISCARD; /* NULL: no memory */
void sfs_views_free(struct sfs_views *v);

/*
 * The view of a snapshot, made if there is none, with one more reference.
 * TRANSIENT: the space of node ids is full of snapshots in use. *out is NULL
 * on failure.
 */
enum sfs_rc sfs_views_enter(struct sfs_views *v, struct sfs_snapshot *snapshot,
                            struct sfs_view **out,
                            struct sfs_err *err) SFS_NODISCARD;

/* The view of the snapshot with that ID, with a reference; NULL: none. */
struct sfs_view *sfs_views_find(struct sfs_views *v, const char *text_id);

/* The view that owns a slot, with a reference; NULL: none does. */
struct sfs_view *sfs_views_at(struct sfs_views *v, uint32_t slot);

/* Adds references that the kernel now holds. */
void sfs_view_add(struct sfs_view *view, uint64_t count);

/* Takes references back; the last one ends the view. */
void sfs_views_leave(struct sfs_views *v, struct sfs_view *view,
                     uint64_t count);

/* Takes back references to the node in that slot. */
void sfs_views_forget(struct sfs_views *v, uint32_t slot, uint64_t count);

uint64_t sfs_views_count(struct sfs_views *v);

#endif
