/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CLI_CTL_MULTIGET_H
#define SFS_CLI_CTL_MULTIGET_H

#include "base/buf.h"
#include "format/keys.h"
#include "shardyfs/adapter.h"
#include "shardyfs/err.h"
#include "snapshot/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The parts of multiget: names come in, keys are looked up in batches, and
 * answers go out in the order of the names. A batch holds a bounded amount of
 * value bytes; where that is not enough it is cut into smaller ones, and in
 * the end values are passed on by range without being held.
 */
enum {
	SFS_BATCH_NAMES_MAX = 1 << 18,
	SFS_BATCH_NAMES_MIN = 64,
};

/* Names from a file descriptor, a block at a time. */
struct sfs_name_reader {
	int fd;
	char *data; /* owned */
	size_t cap;
	size_t begin;   /* of the first name not given yet */
	size_t scanned; /* up to here its newlines are in ends */
	size_t len;
	size_t *ends; /* where the lines of this batch end; owned */
	size_t count;
	bool is_over;
};

enum sfs_rc sfs_name_reader_init(struct sfs_name_reader *r, int fd,
                                 struct sfs_err *err) SFS_NODISCARD;
void sfs_name_reader_release(struct sfs_name_reader *r);

/*
 * Up to max names: as many as there are without waiting longer than a
 * moment, so that one who writes a name and waits for its answer gets it.
 * count is 0 at the end. INVALID: a name that is too long for any key.
 */
enum sfs_rc sfs_name_reader_next(struct sfs_name_reader *r, size_t max,
                                 struct sfs_err *err) SFS_NODISCARD;

/* The names of the batch in turn, from *at = r->begin on. */
static inline const char *sfs_name_reader_name(const struct sfs_name_reader *r,
                                               size_t index, size_t *at,
                                               size_t *len)
{
	const char *name = r->data + *at;

	*len = r->ends[index] - *at;
	*at = r->ends[index] + 1;
	return name;
}

/* Memory for values, shared out to threads; reused by the next batch. */
struct sfs_value_chunk;
struct sfs_value_arena {
	pthread_mutex_t lock;
	struct sfs_value_chunk *used; /* protected by lock */
	struct sfs_value_chunk *idle; /* protected by lock */
	size_t bytes;                 /* in used; protected by lock */
	size_t max;
	uint64_t batch; /* changes only between batches */
};

void sfs_value_arena_init(struct sfs_value_arena *a, size_t max);
void sfs_value_arena_release(struct sfs_value_arena *a);
void sfs_value_arena_reset(struct sfs_value_arena *a); /* all is idle again */

/* From any thread. NULL: the batch has max bytes already, or no memory. */
uint8_t *sfs_value_arena_add(struct sfs_value_arena *a, const uint8_t *data,
                             size_t len);

/* What is known of one name. */
enum sfs_answer_state {
	SFS_ANSWER_NONE = 0, /* not asked yet, or too large to hold */
	SFS_ANSWER_NO_KEY,   /* no key has that name */
	SFS_ANSWER_ABSENT,
	SFS_ANSWER_VALUE,
};

struct sfs_answer {
	const char *name;
	struct sfs_bytes key;
	const uint8_t *value;
	uint32_t name_len;
	uint32_t value_len;
	enum sfs_answer_state state;
};

/* How answers are written. */
struct sfs_answer_form {
	enum sfs_key_encoding encoding;
	bool is_kv;
};

/* All of an answer that is not NONE. */
void sfs_answer_print(const struct sfs_answer_form *form,
                      const struct sfs_answer *a, struct sfs_buf *out);

/* The same in three steps, for a value that comes in pieces. */
void sfs_answer_begin(const struct sfs_answer_form *form,
                      const struct sfs_answer *a, uint64_t value_len,
                      struct sfs_buf *out);
void sfs_answer_piece(const struct sfs_answer_form *form, const uint8_t *data,
                      size_t len, struct sfs_buf *out);
void sfs_answer_end(const struct sfs_answer_form *form, struct sfs_buf *out);

#endif
