/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of reading one ingest file, and what it costs, which must not
 * depend on how many there are. Of a plain file nothing is held between two
 * slices: the bytes of its open record are read again. A compressed one
 * cannot be read again from anywhere but its beginning, so its window and its
 * open record stay, as long as the budget for that lasts. Beyond it the place
 * is given up, and the file waits until it is closed or somebody waits for
 * it: then it is unpacked once more, up to where the parser was.
 *
 * What is large while it is read is taken from a budget as well. Nobody waits
 * for that who has some of it, or a slab: a compressed file that needs more
 * gives up its place, too, and begins again with all there is.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <unistd.h>

enum {
	SMALL_BYTES = 256 << 10, /* of a window, or a record: not counted */
	TIMES = 3,               /* a record: itself, unescaped, and decoded */
};

void sfs_source_close_reading(struct sfs_source *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	sfs_free(s->buf);
	s->buf = NULL;
	sfs_parser_free(s->parser);
	s->parser = NULL;
	sfs_inflate_free(s->inflate);
	s->inflate = NULL;
	sfs_budget_put(s->engine->context.large, s->large);
	sfs_budget_put(s->engine->context.idle, s->idle);
	s->large = 0;
	s->idle = 0;
	s->is_alone = false;
}

enum sfs_rc sfs_source_open_reading(struct sfs_source *s,
                                    const struct sfs_parser_events *events,
                                    struct sfs_err *err)
{
	struct sfs_engine *e = s->engine;
	struct sfs_parser_config config = {
		.format = s->format,
		.encoding = e->config.key_encoding,
		.value_max = e->context.value_max,
		.sharding = e->router.sharding,
		.needs_columns = e->router.needs_columns,
	};
	enum sfs_rc rc = SFS_OK;

	sfs_budget_put(e->context.idle, s->idle);
	s->idle = 0;
	if (s->fd < 0)
		rc = sfs_files_open_ingest(e->files, s->seq, &s->fd, err);
	if (rc == SFS_OK && s->parser == NULL)
		rc = sfs_parser_new(&config, events, &s->parser, err);
	if (rc == SFS_OK && s->inflate == NULL &&
	    s->compression != SFS_COMPRESSION_NONE)
		rc = sfs_inflate_new(s->compression, &s->inflate, err);
	if (rc == SFS_OK && s->buf == NULL) {
		s->buf = sfs_malloc(SFS_ENGINE_FEED_BYTES +
		                    SFS_ENGINE_UNPACKED_BYTES);
		if (s->buf == NULL)
			rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	return rc;
}

/* --- what is large --------------------------------------------------------- */

static size_t cost(const struct sfs_source *s, size_t more)
{
	size_t window = sfs_inflate_memory(s->inflate);
	size_t record = sfs_parser_held(s->parser) + more;

	return (window > SMALL_BYTES ? window : 0) +
	       (record > 2 * SMALL_BYTES ? TIMES * record : 0);
}

/* With so many bytes more; false: there is not enough left. */
static bool take_large(struct sfs_source *s, size_t more)
{
	struct sfs_budget *large = s->engine->context.large;
	const size_t need = cost(s, more);
	size_t taken = 0;

	if (s->is_alone || need == s->large)
		return true;
	if (need < s->large) {
		sfs_budget_put(large, s->large - need);
		s->large = need;
		return true;
	}
	if (!sfs_budget_try(large, need - s->large, &taken))
		return false;
	s->large += taken;
	return true;
}

static void wait_for_large(struct sfs_source *s, size_t bytes)
{
	struct sfs_budget *large = s->engine->context.large;

	if (sfs_budget_try(large, bytes, &s->large))
		return;
	sfs_source_leave_slot(s);
	s->large = sfs_budget_take(large, bytes);
}

static void put_large(struct sfs_source *s)
{
	sfs_budget_put(s->engine->context.large, s->large);
	s->large = 0;
	s->is_alone = false;
}

static void give_up_place(struct sfs_source *s)
{
	sfs_inflate_free(s->inflate);
	s->inflate = NULL;
	sfs_parser_rewind(s->parser);
	s->skip = sfs_parser_offset(s->parser);
	s->at = 0;
}

/* --- feeding ------------------------------------------------------------- */

static enum sfs_rc read_at(const struct sfs_source *s, void *to, size_t len,
                           uint64_t offset, size_t *got, struct sfs_err *err)
{
	ssize_t n = pread(s->fd, to, len, (off_t)offset);

	*got = n > 0 ? (size_t)n : 0;
	if (n < 0)
		return sfs_err_sys(err, errno, "ingest/%s", s->name);
	if (n == 0) /* truncated: we will be told */
		return sfs_err_set(err, SFS_E_STALE, "ingest/%s shrank",
		                   s->name);
	return SFS_OK;
}

/* Only of plain files; it is put back when the piece has been fed. */
enum sfs_rc sfs_source_fetch(void *arg, uint64_t offset, void *to, size_t len,
                             struct sfs_err *err)
{
	struct sfs_source *s = arg;
	enum sfs_rc rc = SFS_OK;
	uint8_t *at = to;
	size_t got;

	if (len > SMALL_BYTES && s->large == 0)
		wait_for_large(s, TIMES * len);
	while (len > 0 && rc == SFS_OK) {
		rc = read_at(s, at, len, offset, &got, err);
		at += got;
		offset += got;
		len -= got;
	}
	return rc;
}

/* The parser has some of it, if the file is unpacked once more. */
static enum sfs_rc parse_unpacked(struct sfs_source *s,
                                  const struct sfs_inflate_step *step,
                                  struct sfs_err *err)
{
	size_t known =
		step->out_len < s->skip ? step->out_len : (size_t)s->skip;

	s->is_starved = !take_large(s, step->out_len - known);
	if (s->is_starved)
		return SFS_OK;
	s->skip -= known;
	return sfs_parser_feed(s->parser, step->out + known,
	                       step->out_len - known, err);
}

static enum sfs_rc feed_compressed(struct sfs_source *s, size_t len,
                                   struct sfs_err *err)
{
	struct sfs_inflate_step step = {
		.in = s->buf,
		.in_len = len,
		.out = s->buf + SFS_ENGINE_FEED_BYTES,
		.out_cap = SFS_ENGINE_UNPACKED_BYTES,
	};
	enum sfs_rc rc;

	do {
		rc = sfs_inflate_next(s->inflate, &step, err);
		if (rc == SFS_E_CORRUPT) {
			char why[SFS_ERR_MSG_BYTES];

			(void)snprintf(why, sizeof(why), "%s", err->msg);
			return sfs_source_note_corrupt(s, why, err);
		}
		if (rc == SFS_OK)
			rc = parse_unpacked(s, &step, err);
		step.in += step.in_used;
		step.in_len -= step.in_used;
	} while (rc == SFS_OK && !s->is_starved &&
	         (step.in_used > 0 || step.out_len > 0));
	return rc;
}

/* What it has would be waited for by others who have some. */
static void begin_again_alone(struct sfs_source *s)
{
	give_up_place(s);
	put_large(s);
	wait_for_large(s, SIZE_MAX);
	s->is_alone = true;
	s->is_starved = false;
}

enum sfs_rc sfs_source_feed(struct sfs_source *s, size_t len,
                            struct sfs_err *err)
{
	enum sfs_rc rc;
	size_t got;

	rc = read_at(s, s->buf, len, s->at, &got, err);
	if (rc != SFS_OK)
		return rc;
	s->at += got;
	if (s->inflate != NULL) {
		rc = feed_compressed(s, got, err);
	} else {
		rc = sfs_parser_feed(s->parser, s->buf, got, err);
		put_large(s);
	}
	if (s->is_starved)
		begin_again_alone(s);
	return rc;
}

bool sfs_source_rest(struct sfs_source *s)
{
	size_t bytes;

	sfs_free(s->buf);
	s->buf = NULL;
	put_large(s);
	if (s->parser != NULL)
		sfs_parser_rest(s->parser);
	if (s->inflate == NULL || s->idle > 0)
		return true;
	bytes = sfs_inflate_memory(s->inflate) + sfs_parser_held(s->parser);
	if (sfs_budget_try(s->engine->context.idle, bytes, &s->idle))
		return true;
	give_up_place(s);
	return false;
}
