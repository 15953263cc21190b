/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_ENGINE_INTERNAL_H
#define SFS_BUILD_ENGINE_INTERNAL_H

#include "base/inflate.h"
#include "build/engine.h"
#include "build/parser.h"
#include "build/runs.h"
#include "build/survey.h"
#include "build/winners.h"
#include "catalog/history.h"
#include "catalog/lease.h"
#include "format/digests.h"
#include "format/manifest.h"
#include "format/router.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * What the files of the engine share; nobody else includes this.
 *
 * Ranks, by which the merge chooses among records of one key:
 *	removed base keys	1
 *	ingest files		1 << 62 | seq << 40 | offset
 *	files in keys/		1 << 63
 */
enum {
	SFS_ENGINE_SLOTS = 6,
	SFS_ENGINE_FEED_BYTES = 256 << 10,
	SFS_ENGINE_UNPACKED_BYTES = 256 << 10,
	SFS_ENGINE_PROBLEMS_BYTES = 256 << 10,
	SFS_ENGINE_PROBLEMS_PER_FILE = 100,
	SFS_ENGINE_SEQ_BITS = 22,
	SFS_ENGINE_OFFSET_BITS = 40,
	SFS_ENGINE_LOOK_MS = 50,
	SFS_ENGINE_KEY_BYTES = 4096, /* of a key in keys/ */
};

/* One ingest file and how far it was read. */
struct sfs_source {
	struct sfs_job job; /* reads what was not read yet */
	struct sfs_engine *engine;
	struct sfs_source *next; /* protected by engine->lock, as all below */
	uint64_t seq;
	char *name;
	enum sfs_ingest_format format; /* INVALID: not one that we know */
	enum sfs_compression compression;
	bool is_open;
	bool is_incomplete;
	bool is_listed;   /* seen by the listing under way */
	bool is_sized;    /* its size was looked at since it was closed */
	bool is_finished; /* read to its end, which was announced */
	bool is_put_off;  /* read on only once it is closed, or is_awaited */
	bool is_awaited;
	uint64_t size; /* written, as far as we were told */
	uint64_t fed;  /* read */
	uint64_t records;
	uint64_t bad;
	bool is_broken; /* what lies behind cannot be read: never skipped */
	struct sfs_buf problems; /* the first bad records, one a line */
	struct sfs_err fault;    /* rc SFS_OK: none */

	/* of the job alone */
	int fd;
	uint8_t *buf; /* NULL while idle */
	struct sfs_parser *parser;
	struct sfs_inflate *inflate;
	uint64_t at;                /* to read from; less than fed: once more */
	uint64_t skip;              /* bytes to unpack that the parser has */
	size_t large;               /* taken of the budget of that name */
	size_t idle;                /* the same */
	bool is_alone;              /* all of what is large */
	bool is_starved;            /* there was not enough of it */
	struct sfs_fill_slot *slot; /* held during a slice */
	uint64_t slice_records;
};

/* A filler on its way from the parsers to the sorters and back. */
struct sfs_fill_slot {
	struct sfs_job job; /* spills it */
	struct sfs_engine *engine;
	struct sfs_run_filler *filler;
	enum { SFS_SLOT_IDLE = 0, SFS_SLOT_FILLING, SFS_SLOT_SPILLING } state;
};

/* What one shard's content depends on. Equal marks: nothing to do. */
struct sfs_shard_mark {
	uint64_t ingest; /* sfs_runs_stamp() */
	uint64_t keys;   /* of the names, sizes and times of its key files */
};

enum sfs_shard_state {
	SFS_SHARD_STALE = 0,
	SFS_SHARD_EMPTY,  /* no pair */
	SFS_SHARD_LINKED, /* the base's */
	SFS_SHARD_BUILT,
};

struct sfs_shard {
	enum sfs_shard_state state;
	struct sfs_shard_mark mark; /* that it was built from */
	uint32_t next_attempt;
	bool is_touched; /* the build has records for it */
	bool has_object; /* of this attempt, or may; one in its place stays */
	struct sfs_merge_counts counts;
	struct sfs_attempt_result result; /* BUILT, LINKED; owned strings */
};

struct sfs_engine {
	struct sfs_engine_context context; /* immutable */
	const char *name;                  /* immutable */
	struct sfs_files *files;           /* immutable */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* any of what is protected by lock */
	bool is_closing;
	bool is_working;   /* somebody owns what is marked "worker's" */
	bool needs_reset;  /* what was parsed is void */
	bool is_paused;    /* no slice begins */
	bool needs_settle; /* something changed since the last one */
	bool is_settling;
	bool is_building;   /* or planning: what changes is taken up later */
	unsigned slices;    /* running now */
	int64_t touched_ms; /* the last change of an ingest file */
	struct sfs_build_config next_config; /* taken up by a reset */
	bool has_next_config;
	struct sfs_build_config config; /* changes only while paused */
	bool has_config;
	bool needs_relist;
	struct sfs_source *sources; /* by seq */
	struct sfs_fill_slot slots[SFS_ENGINE_SLOTS];
	struct sfs_router router;        /* valid if runs or survey != NULL */
	struct sfs_placement *placement; /* what it routes by; NULL: hash */
	struct sfs_survey *survey;       /* NULL: nothing depends on the data */
	_Atomic bool has_unplaced;       /* records that only the survey has */
	struct sfs_runs *runs;           /* NULL: records are only counted */
	uint64_t problems_version;       /* of keys/, that they are about */
	struct sfs_err fault;            /* of spilling */
	struct sfs_err refusal;          /* why publishing failed last */
	struct sfs_buf problems;         /* of keys/ and strays; of shards */
	uint64_t started_ms;             /* of the first byte */
	uint64_t busy_ms;                /* of the last one */
	uint32_t sealed;                 /* shards, of the settling under way */
	uint32_t to_seal;
	char run_id[SFS_RUN_ID_BYTES];

	/* worker's */
	uint64_t reparses;
	uint32_t num_dbs;
	struct sfs_runs *overlay; /* files in keys/ and removals; or NULL */
	struct sfs_shard *shards; /* num_dbs of them */
	struct sfs_shard_mark *marks;
	uint64_t key_files;
	struct sfs_manifest *base;
	struct sfs_digests base_digests;
	struct sfs_snapshot_id base_id;
	bool has_base;
	struct sfs_lease *lease;
	char record_key[SFS_STORE_KEY_MAX];
	char old_prefix[SFS_BUILD_TEXT_BYTES]; /* shard_prefix of the intent */
	struct sfs_snapshot_id swap_id;        /* that a publish wrote last */
	char swap_from[SFS_SNAPSHOT_ID_BYTES]; /* current before; "": none */
	char swap_tag[SFS_BUILD_TEXT_BYTES];   /* put for it; "": none */
	bool has_swap_id;
	bool in_doubt; /* what was put for swap_id lies in the store, or may */
	bool has_losers;  /* objects of no shard that we know may be there */
	bool is_finished; /* published; the attempts that lost may go */

	struct sfs_cancel cancel; /* raised at the end */
	pthread_t settler;
	bool has_settler;
};

/* engine.c: owning the work. CANCELED, TIMEOUT. */
enum sfs_rc sfs_engine_work_begin(struct sfs_engine *e,
                                  const struct sfs_call *call,
                                  struct sfs_err *err) SFS_NODISCARD;
void sfs_engine_work_end(struct sfs_engine *e);

/* Waits for a change, for so long at most. The caller holds e->lock. */
void sfs_engine_wait_locked(struct sfs_engine *e, int64_t ms);

/* Ends the thread and all that runs; nobody may begin work any more. */
void sfs_engine_stop(struct sfs_engine *e);

/* The caller's call, and the engine's own end. */
enum sfs_rc sfs_engine_check(struct sfs_engine *e, const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

/*
 * For a call that takes the lock of the store: as long as one may wait for
 * another publisher. NULL: until the engine ends.
 */
struct sfs_call sfs_engine_lock_call(struct sfs_engine *e,
                                     const struct sfs_call *call);

/* Adds "FILE: why" to the problems. */
void sfs_engine_freshen(struct sfs_engine *e);
void sfs_engine_problem(struct sfs_engine *e, const char *fmt, ...)
	SFS_PRINTF(2, 3);
/* The caller holds e->lock. */
bool sfs_engine_has_problems_locked(const struct sfs_engine *e);
/* First of all that errors would show, as CORRUPT. */
enum sfs_rc sfs_engine_refuse(struct sfs_engine *e,
                              struct sfs_err *err) SFS_NODISCARD;

/* engine_text.c: what is wrong with the file itself, if anything is. */
const char *sfs_source_fault_text(const struct sfs_source *s);

/* Settings, files that came or went, and a reset, if they are due. */
enum sfs_rc sfs_engine_refresh(struct sfs_engine *e,
                               struct sfs_err *err) SFS_NODISCARD;

/* ingest.c: the jobs. */
void sfs_engine_run_source(struct sfs_job *job);
void sfs_engine_run_spill(struct sfs_job *job);
void sfs_engine_spill_slot(struct sfs_fill_slot *slot);
/* At the end of a slice, and before anything else is waited for. */
void sfs_source_leave_slot(struct sfs_source *s);
/* The file's bytes are damaged: it is read no further. */
enum sfs_rc sfs_source_note_corrupt(struct sfs_source *s, const char *why,
                                    struct sfs_err *err) SFS_NODISCARD;

/* reading.c: the state of reading one file, and what it costs. */
/* Opens what is not open yet; events are the parser's. */
enum sfs_rc sfs_source_open_reading(struct sfs_source *s,
                                    const struct sfs_parser_events *events,
                                    struct sfs_err *err) SFS_NODISCARD;
void sfs_source_close_reading(struct sfs_source *s);
/* The event of that name; arg is the source. */
enum sfs_rc sfs_source_fetch(void *arg, uint64_t offset, void *to, size_t len,
                             struct sfs_err *err) SFS_NODISCARD;
/* Reads at most len bytes on from s->at, which moves, also to 0. */
enum sfs_rc sfs_source_feed(struct sfs_source *s, size_t len,
                            struct sfs_err *err) SFS_NODISCARD;
/* Nothing is read for a while. False: its place was given up. */
bool sfs_source_rest(struct sfs_source *s);

/* sources.c. The caller owns the work. */
enum sfs_rc sfs_engine_relist(struct sfs_engine *e,
                              struct sfs_err *err) SFS_NODISCARD;
/* One file, whoever owns the work. NOT_FOUND. */
enum sfs_rc sfs_engine_list_one(struct sfs_engine *e, uint64_t seq,
                                struct sfs_err *err) SFS_NODISCARD;
/*
 * Everything that was parsed is dropped, and read again for the placement;
 * num_dbs 0: only count, and survey.
 */
enum sfs_rc sfs_engine_reparse(struct sfs_engine *e, uint32_t num_dbs,
                               struct sfs_placement *placement,
                               struct sfs_err *err) SFS_NODISCARD;
/* Waits until all that was written is parsed, and spills the rest. */
enum sfs_rc sfs_engine_catch_up(struct sfs_engine *e,
                                const struct sfs_call *call,
                                struct sfs_err *err) SFS_NODISCARD;
void sfs_engine_kick_locked(struct sfs_engine *e, struct sfs_source *s);
/* NULL: it was not listed yet. */
struct sfs_source *sfs_source_find_locked(struct sfs_engine *e, uint64_t seq);
void sfs_engine_sources_free(struct sfs_engine *e);
void sfs_engine_slots_free(struct sfs_engine *e);
uint64_t sfs_engine_records_locked(const struct sfs_engine *e);

/* writable.c: AUTH, READ_ONLY; it stands in errors then. */
enum sfs_rc sfs_engine_check_writable(struct sfs_engine *e,
                                      struct sfs_err *err) SFS_NODISCARD;

/*
 * placing.c. Of a record while it is read; any thread that parses. *is_placed
 * = false: it was only surveyed. INVALID: it is a bad one.
 */
enum sfs_rc sfs_engine_place(struct sfs_engine *e,
                             const struct sfs_record *record, bool *is_placed,
                             uint32_t *db_id,
                             struct sfs_err *err) SFS_NODISCARD;
/* What the name of a file tells; key lies in it, so it cannot be copied. */
struct sfs_key_name {
	struct sfs_bytes key;
	bool has_columns;
	struct sfs_columns columns;
	uint8_t room[SFS_ENGINE_KEY_BYTES];
};
/*
 * INVALID: it is no key, or columns are none of the placement's. Release it
 * whatever was returned.
 */
enum sfs_rc sfs_key_name_read(struct sfs_key_name *out,
                              const struct sfs_engine *e,
                              const struct sfs_build_place *at,
                              struct sfs_err *err) SFS_NODISCARD;
void sfs_key_name_release(struct sfs_key_name *name);
/* Its shard, once the placement is chosen. INVALID. */
enum sfs_rc sfs_engine_place_key(const struct sfs_engine *e,
                                 const struct sfs_key_name *name,
                                 uint32_t *db_id,
                                 struct sfs_err *err) SFS_NODISCARD;
/* Nothing is read: the sources were freed. */
enum sfs_rc sfs_engine_set_router(struct sfs_engine *e, uint32_t num_dbs,
                                  struct sfs_placement *p,
                                  struct sfs_err *err) SFS_NODISCARD;
/* After a reset: as the settings say. */
enum sfs_rc sfs_engine_begin_reading(struct sfs_engine *e,
                                     struct sfs_err *err) SFS_NODISCARD;
/* The placement of what was read, by which it then is read. */
enum sfs_rc sfs_engine_choose_placement(struct sfs_engine *e, uint32_t *num_dbs,
                                        const struct sfs_call *call,
                                        struct sfs_err *err) SFS_NODISCARD;

/* overlay.c: files in KEYS and WHERE, and removed keys, by shard. */
enum sfs_rc sfs_engine_mark_keys(struct sfs_engine *e,
                                 const struct sfs_call *call,
                                 struct sfs_err *err) SFS_NODISCARD;
/* Reads those of shards whose state is STALE into e->overlay. */
enum sfs_rc sfs_engine_read_keys(struct sfs_engine *e,
                                 const struct sfs_call *call,
                                 struct sfs_err *err) SFS_NODISCARD;

/* shard.c: builds, links or empties one stale shard. Any thread. */
enum sfs_rc sfs_engine_build_shard(struct sfs_engine *e, uint32_t db_id,
                                   uint8_t *memory, const struct sfs_call *call,
                                   struct sfs_err *err) SFS_NODISCARD;
/* Only the counts. */
enum sfs_rc sfs_engine_measure_shard(struct sfs_engine *e, uint32_t db_id,
                                     uint8_t *memory,
                                     struct sfs_merge_counts *out,
                                     const struct sfs_call *call,
                                     struct sfs_err *err) SFS_NODISCARD;
/* What becomes of a shard with these counts; none: it is not touched. */
enum sfs_shard_state
sfs_engine_state_for(const struct sfs_engine *e, uint32_t db_id,
                     const struct sfs_merge_counts *counts);
void sfs_shard_release(struct sfs_shard *s);

/* settle.c. prepare: everything but the building of shards. */
enum sfs_rc sfs_engine_prepare(struct sfs_engine *e, bool is_final,
                               const struct sfs_call *call,
                               struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_engine_settle_owned(struct sfs_engine *e, bool is_final,
                                    const struct sfs_call *call,
                                    struct sfs_err *err) SFS_NODISCARD;
void sfs_engine_shards_free(struct sfs_engine *e);
void sfs_engine_drop_base(struct sfs_engine *e);
/*
 * The lease of the run as it is: its record is taken up, or written if there
 * was none. CONFLICT: the run was claimed; EXISTS: it has succeeded. A record
 * that cannot be written is no failure: then there is no lease.
 */
enum sfs_rc sfs_engine_take_up_lease(struct sfs_engine *e,
                                     const struct sfs_call *call,
                                     struct sfs_err *err) SFS_NODISCARD;

/*
 * finish.c: behind the swap; failures are only logged. conclude: it happened,
 * and nobody was told. call NULL: as long as the engine works.
 */
void sfs_engine_finish(struct sfs_engine *e, const struct sfs_call *call);
void sfs_engine_conclude(struct sfs_engine *e, const struct sfs_call *call);
/* Once, behind one of these. */
void sfs_engine_drop_losers(struct sfs_engine *e, const struct sfs_call *call);

/*
 * recover.c. Did the last swap happen, and durably? Only asked while it is in
 * doubt.
 * resolve: if not, what was put for it is deleted, and nothing is in doubt;
 * where nobody can tell, the run is left as it is.
 */
enum sfs_rc sfs_engine_was_published(struct sfs_engine *e,
                                     enum sfs_descent *out,
                                     const struct sfs_call *call,
                                     struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_engine_take_back(struct sfs_engine *e,
                                 const struct sfs_call *call,
                                 struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_engine_resolve(struct sfs_engine *e, bool *is_published,
                               const struct sfs_call *call,
                               struct sfs_err *err) SFS_NODISCARD;

/* intent.c: what must be known after a crash. */
enum sfs_rc sfs_engine_save_intent(struct sfs_engine *e, const char *step,
                                   struct sfs_err *err) SFS_NODISCARD;
/* A swap that was under way is in doubt. */
enum sfs_rc sfs_engine_load_intent(struct sfs_engine *e,
                                   struct sfs_err *err) SFS_NODISCARD;

/* compose.c: the manifest of what was settled; the caller frees it. */
enum sfs_rc sfs_engine_compose(struct sfs_engine *e,
                               const struct sfs_snapshot_id *id,
                               const char *parent, struct sfs_manifest **out,
                               struct sfs_err *err) SFS_NODISCARD;

#endif
