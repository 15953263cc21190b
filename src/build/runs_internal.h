/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_RUNS_INTERNAL_H
#define SFS_BUILD_RUNS_INTERNAL_H

#include "build/runs.h"

#include <pthread.h>

/*
 * What the files of the external sort share. A run is an extent of a scratch
 * file, in the byte order of the machine: segments in the order of their
 * shards, each a struct sfs_run_segment, then its heads, tails and values.
 */
enum {
	SFS_RUN_PREFIX_BYTES = 8,
	SFS_RUN_ALIGN_BYTES = 4096,
	SFS_RUN_INDEX_BYTES = 32 << 10, /* between two entries of the index */
	SFS_RUN_SOURCES_MAX = 32767,    /* 15 bits in the order of a merge */
};

#define SFS_RUN_DELETE UINT32_MAX /* as value_len */

struct sfs_run_segment {
	uint32_t db_id;
	uint32_t reserved;
	uint64_t count;
	uint64_t tail_bytes;
	uint64_t value_bytes;
};

struct sfs_run_head {
	uint64_t prefix; /* the first bytes of the key, big-endian, 0 behind */
	uint64_t rank;
	uint32_t key_len;
	uint32_t value_len;
};

static inline size_t sfs_run_tail_len(uint32_t key_len)
{
	return key_len > SFS_RUN_PREFIX_BYTES ? key_len - SFS_RUN_PREFIX_BYTES
	                                      : 0;
}

static inline size_t sfs_run_value_len(uint32_t value_len)
{
	return value_len == SFS_RUN_DELETE ? 0 : value_len;
}

/* A scratch file: appended to by one thread at a time. */
struct sfs_volume {
	struct sfs_volume *next; /* protected by runs->lock, as all but fd */
	uint64_t size;
	unsigned runs; /* that lie in it */
	bool is_taken;
	int fd; /* immutable */
};

/* One entry at the first segment of every SFS_RUN_INDEX_BYTES or more. */
struct sfs_run_index {
	uint64_t offset;
	uint32_t db_id;
};

struct sfs_run {
	struct sfs_run *next; /* protected by runs->lock, as refs */
	unsigned refs;
	struct sfs_volume *volume; /* immutable, as all below */
	uint64_t begin;
	uint64_t end;
	struct sfs_run_index *index; /* owned */
	size_t index_len;
};

struct sfs_run_db {
	uint64_t count; /* records */
	uint64_t stamp;
};

struct sfs_runs {
	pthread_mutex_t lock;
	pthread_mutex_t compacting; /* taken before lock */
	struct sfs_runs_config config;
	size_t buffer_bytes;        /* of a slab, for writing; immutable */
	struct sfs_volume *volumes; /* protected by lock, as all below */
	struct sfs_run *runs;
	size_t count; /* runs */
	uint64_t spills;
	uint64_t bytes;
	struct sfs_run_db *dbs;
};

/* What a run adds to a shard. */
struct sfs_run_tally {
	uint32_t db_id;
	uint32_t count;
};

/* runs.c */
/* A new scratch file, unlinked. */
enum sfs_rc sfs_run_scratch_open(struct sfs_runs *r, int *fd_out,
                                 struct sfs_err *err) SFS_NODISCARD;
/* Whole, or NO_SPACE, IO. */
enum sfs_rc sfs_run_write_at(int fd, const void *data, size_t len,
                             uint64_t offset,
                             struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_run_read_at(int fd, void *buf, size_t len, uint64_t offset,
                            struct sfs_err *err) SFS_NODISCARD;
void sfs_run_add(struct sfs_runs *r, struct sfs_run *run,
                 const struct sfs_run_tally *tallies, size_t count);
/* Takes those of old[] out, which the caller holds, and puts run in. */
void sfs_run_replace(struct sfs_runs *r, struct sfs_run **old, size_t count,
                     struct sfs_run *run);
/* All runs, referenced; *out is of sfs_malloc(). */
enum sfs_rc sfs_run_hold_all(struct sfs_runs *r, struct sfs_run ***out,
                             size_t *count_out,
                             struct sfs_err *err) SFS_NODISCARD;
void sfs_run_unref(struct sfs_runs *r, struct sfs_run *run);
/*
 * Looks for a shard's segment; *offset is where its heads begin. buf has
 * room for SFS_RUN_INDEX_BYTES and a segment's head.
 */
enum sfs_rc sfs_run_find(const struct sfs_run *run, uint32_t db_id,
                         uint8_t *buf, bool *found,
                         struct sfs_run_segment *segment, uint64_t *offset,
                         struct sfs_err *err) SFS_NODISCARD;

/* runs_write.c: appends a run to a volume. */
struct sfs_run_writer {
	struct sfs_runs *runs;
	struct sfs_run *run;
	uint8_t *buf; /* borrowed */
	size_t cap;
	size_t len;
	uint64_t pos; /* of buf in the file */
	uint64_t segment_at;
	size_t index_cap;
};

enum sfs_rc sfs_run_writer_begin(struct sfs_run_writer *w, struct sfs_runs *r,
                                 uint8_t *buf, size_t cap,
                                 struct sfs_err *err) SFS_NODISCARD;
/* The head is written now, and again by end_segment with what is in it. */
enum sfs_rc sfs_run_writer_begin_segment(struct sfs_run_writer *w,
                                         uint32_t db_id,
                                         struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_run_writer_end_segment(struct sfs_run_writer *w,
                                       const struct sfs_run_segment *segment,
                                       struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_run_writer_put_slow(struct sfs_run_writer *w, const void *data,
                                    size_t len,
                                    struct sfs_err *err) SFS_NODISCARD;
/* Writes the rest; the run is the caller's, with one reference. */
enum sfs_rc sfs_run_writer_finish(struct sfs_run_writer *w,
                                  struct sfs_run **out,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_run_writer_abort(struct sfs_run_writer *w); /* begun or not */

static inline enum sfs_rc sfs_run_writer_put(struct sfs_run_writer *w,
                                             const void *data, size_t len,
                                             struct sfs_err *err)
{
	if (len > w->cap - w->len)
		return sfs_run_writer_put_slow(w, data, len, err);
	memcpy(w->buf + w->len, data, len);
	w->len += len;
	return SFS_OK;
}

/* runs_sort.c */
struct sfs_run_entry {
	struct sfs_run_head head;
	uint32_t offset; /* of the key's tail in the slab; the value follows */
	uint32_t db_id;
};

/* What is sorted: word is the part of the key that is looked at. */
struct sfs_run_item {
	uint64_t word;
	uint32_t entry; /* its number */
	uint32_t db_id;
};

/* Entry i is entries_end[-1 - i]; tails are found from slab. */
struct sfs_run_sort {
	const struct sfs_run_entry *entries_end;
	const uint8_t *slab;
	size_t count;
	struct sfs_run_item *items; /* sorted into shards */
	struct sfs_run_item *spare;
};

/* Sets items[], sorted by shard; items and spare may change places. */
void sfs_run_sort_shards(struct sfs_run_sort *s);
/*
 * Sorts one shard's items by key and leaves the one of the highest rank of
 * equal keys. Returns how many are left.
 */
size_t sfs_run_sort_keys(struct sfs_run_sort *s, struct sfs_run_item *items,
                         size_t count);

#endif
