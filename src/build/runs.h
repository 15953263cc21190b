/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_RUNS_H
#define SFS_BUILD_RUNS_H

#include "base/slabs.h"
#include "shardyfs/adapter.h"
#include "shardyfs/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An external sort by (shard, key): records are collected in slabs of
 * memory, each full slab is sorted and spilled as one run, and a merge hands
 * out the records of one shard in key order, of equal keys only the one of
 * the highest rank. Run files are scratch: unlinked, never synced.
 *
 * A run holds one segment a shard: heads {first 8 key bytes as a big-endian
 * number, rank, key length, value length}, then the rest of keys longer than
 * 8, then values; so the order and the lengths are known without reading a
 * value. Many runs are merged into fewer before they would be too many.
 */
struct sfs_runs;

/* What a merge makes of it; see struct sfs_merge. */
struct sfs_sort_record {
	struct sfs_bytes key;
	struct sfs_bytes value;
	uint64_t rank; /* unique among records of one key */
	uint32_t db_id;
	bool is_delete; /* value is empty */
};

struct sfs_runs_config {
	int dir_fd; /* for scratch files; borrowed */
	uint32_t num_dbs;
	struct sfs_slabs *slabs; /* borrowed */
	unsigned fan_in;         /* runs merged at once at most; 0: 256 */
};

enum sfs_rc sfs_runs_new(const struct sfs_runs_config *config,
                         struct sfs_runs **out,
                         struct sfs_err *err) SFS_NODISCARD;
void sfs_runs_free(struct sfs_runs *r); /* no filler, no merge; NULL is fine */

/* Records of one slab. One thread at a time; any number of fillers. */
struct sfs_run_filler;
enum sfs_rc sfs_run_filler_new(struct sfs_runs *r, struct sfs_run_filler **out,
                               struct sfs_err *err) SFS_NODISCARD;
void sfs_run_filler_free(struct sfs_run_filler *f); /* drops its records */

/*
 * Takes a copy; false: there is no room, spill first. A filler that is empty
 * takes a slab (and waits for one). A record larger than a slab has room for
 * goes to sfs_run_spill_large().
 */
bool sfs_run_filler_add(struct sfs_run_filler *f,
                        const struct sfs_sort_record *record) SFS_NODISCARD;
bool sfs_run_filler_is_empty(const struct sfs_run_filler *f);
size_t sfs_run_record_max_bytes(const struct sfs_runs *r); /* key + value */

/*
 * Sorts and writes; the filler is empty again, its slab put back. NO_SPACE: it
 * keeps slab and records, and may try again. A compaction takes a slab, too:
 * fillers that hold all of them while one waits would wait for ever.
 */
enum sfs_rc sfs_run_filler_spill(struct sfs_run_filler *f,
                                 struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_run_spill_large(struct sfs_runs *r,
                                const struct sfs_sort_record *record,
                                struct sfs_err *err) SFS_NODISCARD;

/*
 * Records of a shard in all runs, duplicates and deletes included: also those
 * that a compaction has dropped since; never too few.
 */
uint64_t sfs_runs_count(struct sfs_runs *r, uint32_t db_id);
uint64_t sfs_runs_bytes(struct sfs_runs *r); /* on disk */

/*
 * A number that changes whenever records were added to the shard; 0: it has
 * none.
 */
uint64_t sfs_runs_stamp(struct sfs_runs *r, uint32_t db_id);

/* Makes the runs at most fan_in; needs no more than its slabs. */
enum sfs_rc sfs_runs_compact(struct sfs_runs *r, const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

/*
 * The merge of one shard, twice over the same order: first the lengths of
 * every pair, then the pairs. base, if there is one, is the shard that they
 * change: its pairs have the lowest rank. Any number of merges side by side;
 * one thread at a time each. memory is the caller's, for the buffers of the
 * streams and the order; 1 MiB at least. More than 4 MiB are used to read
 * small segments only once, and for the order (2 bytes a record; what an
 * eighth of it does not hold goes to a scratch file).
 */
struct sfs_merge;

struct sfs_merge_config {
	uint32_t db_id;
	struct sfs_runs *overlay;      /* more records; borrowed; or NULL */
	struct sfs_shard_reader *base; /* borrowed; NULL: none */
	uint8_t *memory;               /* borrowed; aligned to 4096 */
	size_t memory_len;
};

struct sfs_merge_counts {
	uint64_t rows;
	uint64_t value_bytes;
	uint64_t adds;    /* not in base */
	uint64_t changes; /* in base, with another value */
	uint64_t deletes; /* in base, and removed */
};

/* What comes out are the base's pairs, and nothing else. */
static inline bool
sfs_merge_changes_nothing(const struct sfs_merge_counts *counts)
{
	return counts->adds == 0 && counts->changes == 0 &&
	       counts->deletes == 0;
}

/* NO_MEMORY, too, if there are more runs than memory has buffers for. */
enum sfs_rc sfs_merge_open(struct sfs_runs *r,
                           const struct sfs_merge_config *config,
                           struct sfs_merge **out, const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;
void sfs_merge_close(struct sfs_merge *m); /* NULL is fine */

typedef enum sfs_rc sfs_merge_measure_fn(void *arg, size_t key_len,
                                         size_t value_len, struct sfs_err *err);

/* The first walk, once. fn may be NULL. */
enum sfs_rc sfs_merge_measure(struct sfs_merge *m, sfs_merge_measure_fn *fn,
                              void *arg, struct sfs_merge_counts *counts_out,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

/*
 * The second walk: the next pair, or *found = false behind the last. Borrowed
 * until the next call. A value of the base, or one that crosses the end of a
 * buffer, is in memory of its own, of its size: NO_MEMORY.
 */
enum sfs_rc sfs_merge_next(struct sfs_merge *m, bool *found,
                           struct sfs_pair *pair, const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

#endif
