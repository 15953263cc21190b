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

/* The same; names in byte order. */
typedef bool sfs_tag_fn(void *arg, const char *name,
                        const struct sfs_snapshot_id *id);

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

	/*
	 * Stores a manifest (format/manifest.h) under its ID; durable. EXISTS:
	 * there is one, and it was left alone.
	 */
	enum sfs_rc (*put_manifest)(struct sfs_catalog *c,
	                            const struct sfs_snapshot_id *id,
	                            const void *data, size_t len,
	                            const struct sfs_call *call,
	                            struct sfs_err *err);
	enum sfs_rc (*delete_manifest)(struct sfs_catalog *c,
	                               const struct sfs_snapshot_id *id,
	                               const struct sfs_call *call,
	                               struct sfs_err *err);

	/*
	 * Compare-and-swap of the pointer: publishes *next if the pointer
	 * still has the version *expected (empty: nothing is published).
	 * CONFLICT: it has not, nothing changed. BUSY: another publisher held
	 * the lock until the deadline. Any other failure leaves open whether
	 * it happened: read the pointer. tag_out may be NULL.
	 */
	enum sfs_rc (*swap)(struct sfs_catalog *c,
	                    const struct sfs_current *next,
	                    const struct sfs_tag *expected,
	                    struct sfs_tag *tag_out,
	                    const struct sfs_call *call, struct sfs_err *err);

	/*
	 * Makes the pointer durable as it was read, which it need not be
	 * where its writer failed or died. CONFLICT: it is another one by
	 * now, nothing changed.
	 */
	enum sfs_rc (*confirm)(struct sfs_catalog *c,
	                       const struct sfs_pointer *pointer,
	                       const struct sfs_call *call,
	                       struct sfs_err *err);

	/*
	 * Tags: names of published snapshots, which protect them from gc.
	 * put_tag: EXISTS, with what the tag names now; INVALID: no name for
	 * a tag; NOT_FOUND: there is no such manifest; BUSY: gc is deleting
	 * it. set_tag: the same for a name that may be taken: it names the
	 * snapshot then, in one step; or on failure what it did. get_tag,
	 * delete_tag: NOT_FOUND. list_tags: CORRUPT, if one tag is damaged.
	 */
	enum sfs_rc (*put_tag)(struct sfs_catalog *c, const char *name,
	                       const struct sfs_snapshot_id *id,
	                       const struct sfs_call *call,
	                       struct sfs_err *err);
	enum sfs_rc (*set_tag)(struct sfs_catalog *c, const char *name,
	                       const struct sfs_snapshot_id *id,
	                       const struct sfs_call *call,
	                       struct sfs_err *err);
	enum sfs_rc (*get_tag)(struct sfs_catalog *c, const char *name,
	                       struct sfs_snapshot_id *id_out,
	                       const struct sfs_call *call,
	                       struct sfs_err *err);
	enum sfs_rc (*delete_tag)(struct sfs_catalog *c, const char *name,
	                          const struct sfs_call *call,
	                          struct sfs_err *err);
	enum sfs_rc (*list_tags)(struct sfs_catalog *c, sfs_tag_fn *fn,
	                         void *arg, const struct sfs_call *call,
	                         struct sfs_err *err);

	/*
	 * Adds one event to the log, "log/<ts>_<event>.json": a JSON object
	 * with who, host, pid, when, event and the members of details_json (a
	 * JSON object text). at_ns: its time, in whole microseconds, and an
	 * event with these details that the log has under it is not added
	 * again; 0: now.
	 */
	enum sfs_rc (*log)(struct sfs_catalog *c, const char *event,
	                   int64_t at_ns, const char *details_json,
	                   const struct sfs_call *call, struct sfs_err *err);

	/* Blocks until the pointer's tag differs; see sfs_store_ops.watch. */
	enum sfs_rc (*watch)(struct sfs_catalog *c, struct sfs_tag *known,
	                     const struct sfs_call *call, struct sfs_err *err);

	void (*close)(struct sfs_catalog *c);
};

void sfs_pointer_release(struct sfs_pointer *p);

/*
 * What can be seen of the pointer now, and all that was swapped before it, is
 * durable afterwards. Whoever finds his swap by reading tells nobody before.
 * As current and confirm; BUSY: others swapped again and again.
 */
enum sfs_rc sfs_pointer_confirm(struct sfs_catalog *c,
                                const struct sfs_call *call,
                                struct sfs_err *err) SFS_NODISCARD;

#endif
