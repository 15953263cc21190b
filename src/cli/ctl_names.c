/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names from standard input in large blocks. The buffer keeps what a batch
 * does not take; places in it are kept as offsets, since it may move while
 * it grows.
 */
#include "cli/ctl_multiget.h"

#include "base/alloc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
	BLOCK_BYTES = 4 << 20,
	NAME_MAX_BYTES = 8 << 20, /* any key, fully escaped */
	LINGER_MS = 5,
};

enum sfs_rc sfs_name_reader_init(struct sfs_name_reader *r, int fd,
                                 struct sfs_err *err)
{
	*r = (struct sfs_name_reader){ .fd = fd };
	r->ends = sfs_calloc(SFS_BATCH_NAMES_MAX, sizeof(*r->ends));
	if (r->ends == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	return SFS_OK;
}

void sfs_name_reader_release(struct sfs_name_reader *r)
{
	sfs_free(r->ends);
	sfs_free(r->data);
	*r = (struct sfs_name_reader){ .fd = -1 };
}

/* Drops the names of the last batch. */
static void forget_batch(struct sfs_name_reader *r)
{
	size_t done = r->begin;

	if (r->count > 0)
		done = r->ends[r->count - 1] + 1;
	if (done > r->len) /* the last line had no newline */
		done = r->len;
	if (done > 0)
		memmove(r->data, r->data + done, r->len - done);
	r->len -= done;
	r->begin = 0;
	r->scanned = 0;
	r->count = 0;
}

static void scan(struct sfs_name_reader *r, size_t max)
{
	const char *newline;

	while (r->count < max && r->scanned < r->len) {
		newline =
			memchr(r->data + r->scanned, '\n', r->len - r->scanned);
		if (newline == NULL) {
			r->scanned = r->len;
			break;
		}
		r->ends[r->count++] = (size_t)(newline - r->data);
		r->scanned = (size_t)(newline - r->data) + 1;
	}
}

static enum sfs_rc make_room(struct sfs_name_reader *r, struct sfs_err *err)
{
	char *grown;

	if (r->cap - r->len >= BLOCK_BYTES)
		return SFS_OK;
	if (r->count == 0 && r->len > NAME_MAX_BYTES)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "a name of more than %d bytes",
		                   NAME_MAX_BYTES);
	grown = sfs_realloc_array(r->data, r->len + BLOCK_BYTES, 1);
	if (grown == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	r->data = grown;
	r->cap = r->len + BLOCK_BYTES;
	return SFS_OK;
}

/* False where nothing more comes for the moment and there is work to do. */
static bool is_worth_waiting(const struct sfs_name_reader *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	return r->count == 0 || poll(&p, 1, LINGER_MS) != 0;
}

enum sfs_rc sfs_name_reader_next(struct sfs_name_reader *r, size_t max,
                                 struct sfs_err *err)
{
	enum sfs_rc rc;
	ssize_t n;

	forget_batch(r);
	scan(r, max);
	while (r->count < max && !r->is_over && is_worth_waiting(r)) {
		rc = make_room(r, err);
		if (rc != SFS_OK)
			return rc;
		n = read(r->fd, r->data + r->len, BLOCK_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sfs_err_sys(err, errno, "standard input");
		r->len += (size_t)n;
		r->is_over = n == 0;
		scan(r, max);
	}
	if (r->is_over && r->count < max && r->scanned == r->len &&
	    r->len > 0 && r->data[r->len - 1] != '\n')
		r->ends[r->count++] = r->len;
	return SFS_OK;
}
