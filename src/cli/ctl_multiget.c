/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multiget: names in batches, each looked up by several threads and printed
 * by several threads that write in turn. A batch whose values do not fit in
 * memory is cut into eighths; in the smallest ones, values that still do not
 * fit are read by range while they are printed.
 */
#include "cli/ctl.h"
#include "cli/ctl_multiget.h"

#include "base/alloc.h"

#include <string.h>
#include <unistd.h>

enum {
	VALUES_MAX_BYTES = 256 << 20, /* held at once */
	VALUE_MAX_BYTES = 4 << 20,    /* held at all */
	PIECE_BYTES = 3 << 18,        /* whole groups of base64 */
	PRINT_NAMES = 2048,           /* printed by one thread at a time */
	FLUSH_BYTES = 1 << 20,
	ALONE_NAMES = 512, /* fewer are not worth a thread */
	PARTS = 8,
};

struct job {
	const struct sfs_ctl_args *args;
	struct sfs_snapshot *snapshot;
	struct sfs_columns columns; /* of all keys */
	struct sfs_answer_form form;
	struct sfs_name_reader names;
	struct sfs_value_arena values;
	struct sfs_answer *answers; /* of the batch */
	struct sfs_bytes *keys;     /* those that are to be asked for */
	uint32_t *key_answers;      /* whose they are */
	uint8_t *key_bytes;
	size_t key_bytes_cap;
	size_t limit;        /* names of the next batch */
	atomic_bool is_full; /* not all values of the batch fit */
	uint64_t line;       /* names before this batch */
	uint64_t no_keys;
	uint64_t first_no_key; /* its line */
};

/* A range of answers on its way out. */
struct printing {
	struct job *job;
	const struct sfs_answer *answers;
	size_t count;
	atomic_size_t next; /* piece to format */
	pthread_mutex_t lock;
	pthread_cond_t turned;
	size_t turn;        /* piece to write; protected by lock */
	struct sfs_err err; /* rc SFS_OK: no fault; of whose turn it is */
};

static enum sfs_rc key_room(struct job *j, struct sfs_err *err)
{
	const struct sfs_name_reader *r = &j->names;
	size_t need = r->ends[r->count - 1] + r->count * 8;
	uint8_t *grown;

	if (need <= j->key_bytes_cap)
		return SFS_OK;
	grown = sfs_realloc_array(j->key_bytes, need, 1);
	if (grown == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	j->key_bytes = grown;
	j->key_bytes_cap = need;
	return SFS_OK;
}

/* Turns the names of the batch into keys. */
static enum sfs_rc read_keys(struct job *j, struct sfs_err *err)
{
	struct sfs_answer *a = j->answers;
	enum sfs_rc rc = key_room(j, err);
	size_t at = j->names.begin;
	uint8_t *bytes;
	size_t len;

	if (rc != SFS_OK)
		return rc;
	bytes = j->key_bytes;
	for (size_t i = 0; i < j->names.count; i++, a++) {
		*a = (struct sfs_answer){ .state = SFS_ANSWER_NONE };
		a->name = sfs_name_reader_name(&j->names, i, &at, &len);
		a->name_len = (uint32_t)len;
		if (sfs_key_from_name(j->form.encoding, a->name, len, bytes,
		                      &a->key.len)) {
			a->key.data = bytes;
			bytes += a->key.len;
			continue;
		}
		a->state = SFS_ANSWER_NO_KEY;
		a->key.len = 0;
		if (j->no_keys++ == 0)
			j->first_no_key = j->line + i + 1;
	}
	return SFS_OK;
}

/* From the threads of multi_get. */
static bool take(void *arg, size_t index, const struct sfs_bytes *value)
{
	struct job *j = arg;
	struct sfs_answer *a = &j->answers[j->key_answers[index]];

	if (value == NULL) {
		a->state = SFS_ANSWER_ABSENT;
		return true;
	}
	a->value = sfs_value_arena_add(&j->values, value->data, value->len);
	if (a->value == NULL) {
		atomic_store(&j->is_full, true);
		return false;
	}
	a->value_len = (uint32_t)value->len;
	a->state = SFS_ANSWER_VALUE;
	return true;
}

static enum sfs_rc look_up(struct job *j, size_t from, size_t to,
                           struct sfs_err *err)
{
	struct sfs_multi_get_options options = {
		.threads = to - from < ALONE_NAMES ? 1 : j->args->threads,
		.value_max = VALUE_MAX_BYTES,
		.columns = &j->columns,
	};
	size_t count = 0;
	enum sfs_rc rc;

	for (size_t i = from; i < to; i++) {
		if (j->answers[i].state == SFS_ANSWER_NO_KEY)
			continue;
		j->answers[i].state = SFS_ANSWER_NONE;
		j->keys[count] = j->answers[i].key;
		j->key_answers[count++] = (uint32_t)i;
	}
	atomic_store(&j->is_full, false);
	if (count == 0)
		return SFS_OK;
	rc = sfs_snapshot_multi_get(j->snapshot, j->keys, count, &options, take,
	                            j, err);
	if (rc == SFS_E_TOO_BIG) {
		atomic_store(&j->is_full, true);
		return SFS_OK;
	}
	return rc;
}

static enum sfs_rc flush(struct sfs_buf *out, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_buf_finish(out, "the answers", err);

	if (rc == SFS_OK)
		rc = sfs_ctl_write(out->data, out->len, err);
	sfs_buf_reset(out);
	return rc;
}

static void await_turn(struct printing *p, size_t piece)
{
	pthread_mutex_lock(&p->lock);
	while (p->turn != piece)
		pthread_cond_wait(&p->turned, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static void pass_turn(struct printing *p)
{
	pthread_mutex_lock(&p->lock);
	p->turn++;
	pthread_cond_broadcast(&p->turned);
	pthread_mutex_unlock(&p->lock);
}

/* In this thread's turn, which alone touches p->err. */
static void write_part(struct printing *p, struct sfs_buf *out)
{
	if (p->err.rc == SFS_OK)
		(void)flush(out, &p->err); /* p->err keeps the fault */
	sfs_buf_reset(out);
}

/* What is large goes out as soon as it may, so that it need not be held. */
static void print_piece(struct printing *p, size_t piece, struct sfs_buf *out)
{
	size_t end = (piece + 1) * PRINT_NAMES;

	end = end < p->count ? end : p->count;
	for (size_t i = piece * PRINT_NAMES; i < end; i++) {
		sfs_answer_print(&p->job->form, &p->answers[i], out);
		if (out->len < FLUSH_BYTES)
			continue;
		await_turn(p, piece);
		write_part(p, out);
	}
	await_turn(p, piece);
	write_part(p, out);
	pass_turn(p);
}

static void *print_pieces(void *arg)
{
	struct printing *p = arg;
	struct sfs_buf out = SFS_BUF_INIT(SIZE_MAX / 4);
	size_t piece;

	for (;;) {
		piece = atomic_fetch_add(&p->next, 1);
		if (piece * PRINT_NAMES >= p->count)
			break;
		print_piece(p, piece, &out);
	}
	sfs_buf_release(&out);
	return NULL;
}

/* This thread prints too; fewer helpers than asked for is fine. */
static enum sfs_rc print(struct job *j, size_t from, size_t to,
                         struct sfs_err *err)
{
	struct printing p = { .job = j,
		              .answers = j->answers + from,
		              .count = to - from };
	unsigned threads = p.count < ALONE_NAMES ? 1 : j->args->threads;
	pthread_t helpers[SFS_CTL_THREADS_MAX];
	unsigned count = 0;

	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.turned, NULL);
	while (count + 1 < threads &&
	       pthread_create(&helpers[count], NULL, print_pieces, &p) == 0)
		count++;
	(void)print_pieces(&p);
	for (unsigned i = 0; i < count; i++)
		(void)pthread_join(helpers[i], NULL); /* ours, joined once */
	pthread_cond_destroy(&p.turned);
	pthread_mutex_destroy(&p.lock);
	if (p.err.rc != SFS_OK)
		*err = p.err;
	return p.err.rc;
}

static enum sfs_rc stream_value(struct job *j, const struct sfs_place *place,
                                uint64_t size, struct sfs_buf *out,
                                struct sfs_err *err)
{
	uint8_t *piece = sfs_malloc(PIECE_BYTES);
	enum sfs_rc rc = SFS_OK;
	size_t got = 0;

	if (piece == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	for (uint64_t at = 0; rc == SFS_OK && at < size; at += got) {
		rc = sfs_snapshot_read(place, at, piece, PIECE_BYTES, &got,
		                       NULL, err);
		if (rc == SFS_OK && got == 0)
			rc = sfs_err_set(err, SFS_E_CORRUPT,
			                 "a value ends before its size");
		if (rc != SFS_OK)
			break;
		sfs_answer_piece(&j->form, piece, got, out);
		rc = flush(out, err);
	}
	sfs_free(piece);
	return rc;
}

static enum sfs_rc stream(struct job *j, const struct sfs_answer *a,
                          struct sfs_buf *out, struct sfs_err *err)
{
	struct sfs_place place = { .snapshot = j->snapshot };
	struct sfs_query query = { a->key, &j->columns };
	struct sfs_answer absent = *a;
	struct sfs_hit hit;
	enum sfs_rc rc;

	rc = sfs_snapshot_get(j->snapshot, &query, &hit, NULL, err);
	if (rc != SFS_OK)
		return rc;
	if (!hit.found) {
		absent.state = SFS_ANSWER_ABSENT;
		sfs_answer_print(&j->form, &absent, out);
		return SFS_OK;
	}
	place.db_id = hit.db_id;
	place.locator = hit.info.locator;
	sfs_answer_begin(&j->form, a, hit.info.value_size, out);
	rc = stream_value(j, &place, hit.info.value_size, out, err);
	sfs_answer_end(&j->form, out);
	return rc;
}

/* Answers that are not known yet are read by range. */
static enum sfs_rc print_streaming(struct job *j, size_t from, size_t to,
                                   struct sfs_err *err)
{
	struct sfs_buf out = SFS_BUF_INIT(SIZE_MAX / 4);
	enum sfs_rc rc = SFS_OK;

	for (size_t i = from; rc == SFS_OK && i < to; i++) {
		if (j->answers[i].state == SFS_ANSWER_NONE)
			rc = stream(j, &j->answers[i], &out, err);
		else
			sfs_answer_print(&j->form, &j->answers[i], &out);
		if (rc == SFS_OK && out.len >= FLUSH_BYTES)
			rc = flush(&out, err);
	}
	if (rc == SFS_OK)
		rc = flush(&out, err);
	sfs_buf_release(&out);
	return rc;
}

/* Looks up and prints answers [from, to), in parts if need be. */
static enum sfs_rc answer_range(struct job *j, size_t from, size_t to,
                                struct sfs_err *err)
{
	size_t part = (to - from + PARTS - 1) / PARTS;
	enum sfs_rc rc = look_up(j, from, to, err);

	if (rc != SFS_OK)
		return rc;
	if (!atomic_load(&j->is_full)) {
		rc = print(j, from, to, err);
	} else if (to - from <= SFS_BATCH_NAMES_MIN) {
		rc = print_streaming(j, from, to, err);
	} else {
		j->limit =
			part > SFS_BATCH_NAMES_MIN ? part : SFS_BATCH_NAMES_MIN;
		sfs_value_arena_reset(&j->values);
		for (size_t at = from; rc == SFS_OK && at < to; at += part)
			rc = answer_range(j, at,
			                  at + part < to ? at + part : to, err);
	}
	sfs_value_arena_reset(&j->values);
	return rc;
}

static enum sfs_rc answer_all(struct job *j, struct sfs_err *err)
{
	enum sfs_rc rc;

	for (;;) {
		rc = sfs_name_reader_next(&j->names, j->limit, err);
		if (rc != SFS_OK || j->names.count == 0)
			return rc;
		j->limit *= 2;
		if (j->limit > SFS_BATCH_NAMES_MAX)
			j->limit = SFS_BATCH_NAMES_MAX;
		rc = read_keys(j, err);
		if (rc == SFS_OK)
			rc = answer_range(j, 0, j->names.count, err);
		if (rc != SFS_OK)
			return rc;
		j->line += j->names.count;
	}
}

static enum sfs_rc prepare(struct job *j, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_name_reader_init(&j->names, STDIN_FILENO, err);

	j->answers = sfs_calloc(SFS_BATCH_NAMES_MAX, sizeof(*j->answers));
	j->keys = sfs_calloc(SFS_BATCH_NAMES_MAX, sizeof(*j->keys));
	j->key_answers =
		sfs_calloc(SFS_BATCH_NAMES_MAX, sizeof(*j->key_answers));
	if (rc != SFS_OK || j->answers == NULL || j->keys == NULL ||
	    j->key_answers == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	return SFS_OK;
}

static void release(struct job *j)
{
	sfs_columns_release(&j->columns);
	sfs_name_reader_release(&j->names);
	sfs_value_arena_release(&j->values);
	sfs_free(j->answers);
	sfs_free(j->keys);
	sfs_free(j->key_answers);
	sfs_free(j->key_bytes);
}

static int multiget(const struct sfs_ctl_args *args,
                    struct sfs_snapshot *snapshot)
{
	const struct sfs_manifest *m = sfs_snapshot_manifest(snapshot);
	struct job j = {
		.args = args,
		.snapshot = snapshot,
		.form = { m->key_encoding,
		          args->format != NULL &&
		                  strcmp(args->format, "kv") == 0 },
		.limit = SFS_BATCH_NAMES_MAX,
	};
	struct sfs_err err;
	enum sfs_rc rc;

	sfs_base64_init();
	sfs_value_arena_init(&j.values, VALUES_MAX_BYTES);
	rc = sfs_ctl_columns_read(args, &m->routing, &j.columns, &err);
	if (rc == SFS_OK && args->columns.count > 0)
		rc = sfs_ctl_columns_require(snapshot, &j.columns, &err);
	if (rc == SFS_OK)
		rc = prepare(&j, &err);
	if (rc == SFS_OK)
		rc = answer_all(&j, &err);
	release(&j);
	if (rc != SFS_OK)
		return sfs_ctl_fail_lookup(&err);
	if (j.no_keys == 0)
		return SFS_CTL_OK;
	sfs_ctl_note("%llu names can be no %s key (the first is in line %llu); "
	             "they were answered as absent",
	             (unsigned long long)j.no_keys,
	             sfs_key_encoding_text(m->key_encoding),
	             (unsigned long long)j.first_no_key);
	return SFS_CTL_USAGE;
}

int sfs_ctl_multiget(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_snapshot(args, multiget);
}
