/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_RUNS_MERGE_H
#define SFS_BUILD_RUNS_MERGE_H

#include "build/runs_internal.h"

/* What the files of a merge share. */
enum {
	SFS_MERGE_KEPT = 1,
	SFS_MERGE_CHECK_EVERY = 1 << 14, /* records, for being cancelled */
	SFS_MERGE_LINE_BYTES = 64,
};

/* runs_order.c: the order that a merge found, for replaying it. */
struct sfs_run_order {
	struct sfs_runs *runs;
	uint16_t *buf; /* borrowed */
	size_t cap;
	size_t len;      /* in buf */
	size_t at;       /* the next one in buf */
	uint64_t count;  /* altogether */
	uint64_t taken;  /* since rewind */
	uint64_t stored; /* of them in the file */
	int fd;          /* -1: none yet */
};

void sfs_run_order_init(struct sfs_run_order *o, struct sfs_runs *r, void *buf,
                        size_t bytes);
void sfs_run_order_release(struct sfs_run_order *o);
void sfs_run_order_reset(struct sfs_run_order *o); /* empty, keeps the file */
enum sfs_rc sfs_run_order_flush(struct sfs_run_order *o,
                                struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_run_order_rewind(struct sfs_run_order *o,
                                 struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_run_order_refill(struct sfs_run_order *o,
                                 struct sfs_err *err) SFS_NODISCARD;

/* runs_source.c: one run's segment, or the base, in a merge. */
/* For what is larger than a stream's buffer. */
struct sfs_run_big {
	uint8_t *data; /* owned */
	size_t cap;
};

struct sfs_run_stream {
	const uint8_t *at;
	size_t left; /* at at */
	uint8_t *buf;
	size_t cap;
	uint64_t pos; /* of what was not read yet */
	uint64_t end;
	int fd;
	struct sfs_run_big
		*big; /* borrowed; holds one record's bytes at most */
};

struct sfs_run_source {
	struct sfs_run_head head; /* the current record, unless is_done */
	const uint8_t *tail;
	uint64_t left;       /* records behind the current one */
	uint64_t value_at;   /* the current value's place; of the first walk */
	uint64_t value_next; /* the next one's */
	bool is_done;
	bool is_base;
	bool is_whole;               /* buf holds the whole segment */
	struct sfs_run_big big_tail; /* each source has a current key */
	struct sfs_run_stream heads;
	struct sfs_run_stream tails;
	struct sfs_run_stream values;
	struct sfs_run *run;    /* held; NULL: the base */
	struct sfs_runs *owner; /* of run */
	struct sfs_run_segment segment;
	uint64_t offset; /* of the heads */
	uint8_t *buf;    /* borrowed */
	size_t cap;
};

/* Memory for len bytes; what was there is lost. */
enum sfs_rc sfs_run_big_reserve(struct sfs_run_big *big, size_t len,
                                struct sfs_err *err) SFS_NODISCARD;
void sfs_run_big_release(struct sfs_run_big *big);
enum sfs_rc sfs_run_stream_fill(struct sfs_run_stream *s, size_t len,
                                struct sfs_err *err) SFS_NODISCARD;
/*
 * buf and cap, run, segment and offset are set: reads the segment if it fits
 * cap, else sets the streams up, with window bytes at most; value is for large
 * values.
 */
enum sfs_rc sfs_run_source_begin(struct sfs_run_source *s, size_t window,
                                 struct sfs_run_big *value,
                                 struct sfs_err *err) SFS_NODISCARD;
void sfs_run_source_rewind(struct sfs_run_source *s);
void sfs_run_source_release(struct sfs_run_source *s); /* not the run */

/* The next len bytes, in one piece, borrowed until the next call. */
static inline enum sfs_rc sfs_run_stream_take(struct sfs_run_stream *s,
                                              size_t len, const uint8_t **out,
                                              struct sfs_err *err)
{
	if (len > s->left) {
		enum sfs_rc rc = sfs_run_stream_fill(s, len, err);

		if (rc != SFS_OK)
			return rc;
	}
	*out = s->at;
	s->at += len;
	s->left -= len;
	return SFS_OK;
}

/*
 * Asks for what the source's next turn needs: with many sources the processor
 * does not see that each of them goes on where it was.
 */
static inline void sfs_run_stream_prefetch(const struct sfs_run_stream *s)
{
	__builtin_prefetch(s->at);
	__builtin_prefetch(s->at + SFS_MERGE_LINE_BYTES);
	__builtin_prefetch(s->at + 2 * SFS_MERGE_LINE_BYTES);
}

static inline enum sfs_rc sfs_run_source_take_head(struct sfs_run_source *s,
                                                   struct sfs_err *err)
{
	const uint8_t *at;
	enum sfs_rc rc;

	rc = sfs_run_stream_take(&s->heads, sizeof(s->head), &at, err);
	if (rc == SFS_OK)
		memcpy(&s->head, at, sizeof(s->head));
	__builtin_prefetch(s->heads.at + SFS_MERGE_LINE_BYTES);
	return rc;
}

static inline void sfs_run_stream_skip(struct sfs_run_stream *s, size_t len)
{
	if (len <= s->left) {
		s->at += len;
		s->left -= len;
		return;
	}
	s->pos += len - s->left;
	s->left = 0;
}

/* runs_merge.c */
enum sfs_merge_state {
	SFS_MERGE_FRESH,
	SFS_MERGE_ORDERED,
	SFS_MERGE_REPLAYING,
};

struct sfs_merge_node {
	uint64_t prefix;
	uint32_t source;
};

struct sfs_merge {
	struct sfs_runs *runs;
	enum sfs_merge_state state;
	uint8_t *memory; /* borrowed; behind the order */
	size_t memory_len;
	struct sfs_run_order order;
	struct sfs_shard_reader *base; /* borrowed; NULL: none */
	struct sfs_shard_cursor *cursor;
	struct sfs_pair_info info; /* of the base's current pair */
	bool owns_runs;
	size_t count; /* of sources */
	size_t cap;
	struct sfs_run_source *sources;
	struct sfs_merge_node *tree;

	/* the group of equal keys that the first walk is in */
	struct sfs_run_head first;
	bool has_group;
	uint32_t first_source;
	uint64_t first_value; /* its place, unless it is the base's */
	bool is_in_base;
	bool is_same; /* the base has that value, too */
	struct sfs_run_big base_part;
	struct sfs_run_big group_tail;

	/* the pair that is handed out */
	uint8_t short_key[SFS_RUN_PREFIX_BYTES];
	struct sfs_run_big long_key;
	struct sfs_run_big value; /* shared: one value is out at a time */
};

enum sfs_rc sfs_merge_rewind_sources(struct sfs_merge *m,
                                     const struct sfs_call *call,
                                     struct sfs_err *err) SFS_NODISCARD;

/* runs_walk.c: the first walk. */
struct sfs_merge_walk {
	sfs_merge_measure_fn *fn;
	void *arg;
	struct sfs_merge_counts counts;
	struct sfs_run_segment total;
};

enum sfs_rc sfs_merge_walk_first(struct sfs_merge *m,
                                 struct sfs_merge_walk *walk,
                                 bool drops_deletes,
                                 const struct sfs_call *call,
                                 struct sfs_err *err) SFS_NODISCARD;
/* The base's next pair, as a head. */
enum sfs_rc sfs_merge_advance_base(struct sfs_merge *m,
                                   struct sfs_run_source *s,
                                   const struct sfs_call *call,
                                   struct sfs_err *err) SFS_NODISCARD;

/* runs_same.c: has the base's current pair the value of m->first? */
enum sfs_rc sfs_merge_is_same(struct sfs_merge *m, bool *is_same,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

/* One shard's merge without a base, for compaction. */
struct sfs_merge_part {
	struct sfs_run *run; /* borrowed */
	struct sfs_run_segment segment;
	uint64_t offset;
};

struct sfs_merge_record {
	const struct sfs_run_head *head;
	const uint8_t *tail;  /* if SFS_MERGE_TAILS */
	const uint8_t *value; /* if SFS_MERGE_VALUES */
};

enum { SFS_MERGE_TAILS = 1, SFS_MERGE_VALUES = 2 };

enum sfs_rc sfs_merge_new(struct sfs_runs *r, size_t sources_max,
                          uint8_t *memory, size_t memory_len,
                          struct sfs_merge **out,
                          struct sfs_err *err) SFS_NODISCARD;
/* Finds the order; kept[] records are counted in *total, deletes too. */
enum sfs_rc sfs_merge_order(struct sfs_merge *m,
                            const struct sfs_merge_part *parts, size_t count,
                            struct sfs_run_segment *total,
                            const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_merge_rewind(struct sfs_merge *m,
                             struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_merge_step(struct sfs_merge *m, unsigned wanted, bool *found,
                           struct sfs_merge_record *record,
                           const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

#endif
