/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_NODE_H
#define SFS_FS_NODE_H

#include "shardyfs/adapter.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Node ids, 64 bits:
 *
 *   1 k ssss...  (22)  llll...  (40)    in a snapshot
 *   0 class (7)  number (56)            everything else
 *
 * Each snapshot in use owns a run of slots s (fs/views.h): the first stands
 * for the snapshot, the one after that for shard 0, and so on. k = 1: a key,
 * and l is its locator in that shard. k = 0: l says what it is, and in which
 * view: reached from the root or below snapshots/ID, which are different
 * directories to the kernel and must have different ids. A key's file is the
 * same in both, so its pages are cached once.
 */
enum sfs_node_class {
	SFS_NODE_STATIC = 0,       /* number: enum sfs_node_static */
	SFS_NODE_SNAPSHOT_DIR = 1, /* number: interned snapshot ID */
	SFS_NODE_RUN_DIR = 2,      /* number: interned run directory */
	SFS_NODE_FROZEN = 3,       /* number: a frozen file (fs/frozen.h) */
	SFS_NODE_STAGED = 4,       /* number: in staging/ (fs/staged.h) */
	SFS_NODE_WHERE = 5,        /* number: below where/ (fs/where.h) */
	SFS_NODE_OF_SNAPSHOT = 64, /* what, view, slot, locator */
	SFS_NODE_KEY = 65,
};

enum sfs_node_static {
	SFS_STATIC_ROOT = 1,
	SFS_STATIC_SNAPSHOTS = 2,
	SFS_STATIC_RUNS = 3,
	SFS_STATIC_CONTROL = 4,
	SFS_STATIC_STAGING = 5,
	SFS_STATIC_PUBLISH = 6,
	SFS_STATIC_TAGS = 7,
};

enum sfs_node_what {
	SFS_WHAT_KEYS = 1, /* of the snapshot */
	SFS_WHAT_SHARDS,
	SFS_WHAT_CURRENT, /* the symlink */
	SFS_WHAT_MANIFEST,
	SFS_WHAT_MANIFEST_JSON,
	SFS_WHAT_INFO,
	SFS_WHAT_ROUTES,    /* with routing values only */
	SFS_WHAT_WHERE,     /* where routing needs columns only */
	SFS_WHAT_SHARD_DIR, /* of a shard, as all below */
	SFS_WHAT_SHARD_INFO,
	SFS_WHAT_SHARD_DB,
	SFS_WHAT_SHARD_KEYS,
	SFS_WHAT_ROUTE, /* the symlink of its routing value */
};

enum sfs_node_view {
	SFS_VIEW_ROOT = 0,
	SFS_VIEW_SNAPSHOTS = 1,
};

enum {
	SFS_NODE_SLOT_BITS = 22,
	SFS_NODE_SLOTS = 1 << SFS_NODE_SLOT_BITS,
};

/* A node id taken apart. */
struct sfs_node {
	enum sfs_node_class class;
	uint64_t number; /* of the classes below OF_SNAPSHOT */
	uint32_t slot;
	enum sfs_node_what what; /* OF_SNAPSHOT */
	enum sfs_node_view view; /* OF_SNAPSHOT */
	sfs_locator locator;     /* KEY */
};

static inline uint64_t sfs_node_number_id(enum sfs_node_class class,
                                          uint64_t number)
{
	return (uint64_t) class << 56 | number;
}

static inline uint64_t sfs_node_what_id(uint32_t slot, enum sfs_node_view view,
                                        enum sfs_node_what what)
{
	return (uint64_t)1 << 63 | (uint64_t)slot << SFS_LOCATOR_BITS |
	       (uint64_t)view << 8 | (uint64_t)what;
}

static inline uint64_t sfs_node_key_id(uint32_t slot, sfs_locator locator)
{
	return (uint64_t)3 << 62 | (uint64_t)slot << SFS_LOCATOR_BITS | locator;
}

static inline struct sfs_node sfs_node_of(uint64_t id)
{
	struct sfs_node n = { 0 };

	if (id >> 63 == 0) {
		n.class = (enum sfs_node_class)(id >> 56);
		n.number = id & (((uint64_t)1 << 56) - 1);
		return n;
	}
	n.slot = (uint32_t)(id >> SFS_LOCATOR_BITS) & (SFS_NODE_SLOTS - 1);
	n.locator = id & (((uint64_t)1 << SFS_LOCATOR_BITS) - 1);
	if (id >> 62 == 3) {
		n.class = SFS_NODE_KEY;
		return n;
	}
	n.class = SFS_NODE_OF_SNAPSHOT;
	n.what = (enum sfs_node_what)(n.locator & 0xff);
	n.view = (enum sfs_node_view)(n.locator >> 8 & 1);
	return n;
}

static inline bool sfs_node_is_shard_level(enum sfs_node_what what)
{
	return what >= SFS_WHAT_SHARD_DIR;
}

#endif
