/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_SNAPSHOT_VERIFY_H
#define SFS_SNAPSHOT_VERIFY_H

#include "shardyfs/err.h"
#include "shardyfs/store.h"
#include "snapshot/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads a whole snapshot and compares it with what its manifest says: the
 * digest of every shard's object, where there is one; every key's order,
 * encoding and shard; least and greatest key; and where shardyfs wrote the
 * manifest, numbers of rows and bytes. Where there is no digest, every value
 * is read too.
 */
struct sfs_verify_fault {
	uint32_t db_id;
	const char *type;    /* "ShardAssignmentError", "DigestError", ... */
	const char *message; /* both borrowed in the call */
	bool is_unknown;     /* it could not be read: nothing is proven */
};

struct sfs_verify_shard {
	uint32_t db_id;
	bool is_empty;   /* it has no object */
	bool has_digest; /* in the manifest */
	uint64_t rows;
	uint64_t bytes;
	uint64_t faults;
};

struct sfs_verify_config {
	unsigned threads; /* at least 1; at most 64 are used */
	/* Called from those threads. shard: once for each; may be NULL. */
	void (*fault)(void *arg, const struct sfs_verify_fault *fault);
	void (*shard)(void *arg, const struct sfs_verify_shard *shard);
	void *arg;
};

struct sfs_verify_result {
	uint64_t shards; /* that are not empty */
	uint64_t digests;
	uint64_t rows;
	uint64_t bytes;
	uint64_t faults;  /* proven */
	uint64_t unknown; /* shards that could not be read */
	/* False: keys are routed by columns, which shards do not keep. */
	bool is_routing_checked;
};

/* What is wrong with the snapshot is told to fault, and the rc is SFS_OK. */
enum sfs_rc sfs_snapshot_verify(struct sfs_snapshot *s, struct sfs_store *store,
                                const struct sfs_verify_config *config,
                                struct sfs_verify_result *out,
                                const struct sfs_call *call,
                                struct sfs_err *err) SFS_NODISCARD;

#endif
