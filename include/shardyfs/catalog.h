/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHARDYFS_CATALOG_H
#define SHARDYFS_CATALOG_H

#include "shardyfs/err.h"
#include "shardyfs/store.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The catalog seam: which snapshots exist and which one is published. Kept
 * in the object store beside the shards (src/catalog/), or elsewhere.
 */
struct sfs_current;
struct sfs_manifest;
struct sfs_snapshot_id;

struct sfs_pointer {
	struct sfs_current *current; /* parsed; owned */
	char *bytes;                 /* as stored; owned */
	size_t len;
	struct sfs_tag tag;
};

/* Return false to end the listing early. */
typedef bool sfs_history_fn(void *arg, const struct sfs_snapshot_id *id);

struct sfs_catalog {
	const struct sfs_catalog_ops *ops;
};

/* All calls may be made from any thread, and return what the store does. */
struct sfs_catalog_ops {
	/*
	 * Reads the pointer. NOT_FOUND: nothing is published. CORRUPT,
	 * UNSUPPORTED: it is damaged. Release it with sfs_pointer_release().
	 */
	enum sfs_rc (*current)(struct sfs_catalog *c,
	                       struct sfs_pointer *pointer_out,
	                       const struct sfs_call *call,
	                       struct sfs_err *err);

	/*
	 * Loads one manifest whole; the caller sfs_manifest_free()s it.
	 * NOT_FOUND, CORRUPT, UNSUPPORTED.
	 */
	enum sfs_rc (*load)(struct sfs_catalog *c,
	                    const struct sfs_snapshot_id *id,
	                    struct sfs_manifest **manifest_out,
	                    const struct sfs_call *call, struct sfs_err *err);

	/*
	 * Lists the published snapshots, newest first. Those whose run was
	 * never finished, and which neither are nor were current, are left
	 * out.
	 */
	enum sfs_rc (*history)(struct sfs_catalog *c, sfs_history_fn *fn,
	                       void *arg, const struct sfs_call *call,
	                       struct sfs_err *err);

	/* Blocks until the pointer's tag differs; see sfs_store_ops.watch. */
	enum sfs_rc (*watch)(struct sfs_catalog *c, struct sfs_tag *known,
	                     const struct sfs_call *call, struct sfs_err *err);

	void (*close)(struct sfs_catalog *c);
};

void sfs_pointer_release(struct sfs_pointer *p);

#endif
