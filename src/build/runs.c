/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of runs. Runs are extents of a few scratch files ("volumes"), so
 * that many small runs need few descriptors: a volume is appended to by one
 * thread at a time, each thread that spills takes one for itself. They are
 * written and read through the page cache: where memory is warm that is
 * three times faster than O_DIRECT to write and seventeen times to read, and
 * with cold memory it comes to the same. Most runs are deleted before the
 * system would have written them to the disk.
 *
 * Memory: 16 bytes a shard, and 16 bytes for every 32 KiB of runs (an index
 * of the segments, whose heads lie in the run itself: a table of every
 * segment of every run would grow with shards times runs).
 */
#include "build/runs_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAN_IN_DEFAULT = 256, BUFFER_MAX_BYTES = 256 << 10 };

enum sfs_rc sfs_runs_new(const struct sfs_runs_config *config,
                         struct sfs_runs **out, struct sfs_err *err)
{
	size_t slab_bytes = sfs_slabs_bytes(config->slabs);
	struct sfs_runs *r;

	if (slab_bytes < 16 * SFS_RUN_ALIGN_BYTES)
		return sfs_err_set(
			err, SFS_E_INVALID,
			"slabs of %zu bytes are too small to sort in",
			slab_bytes);
	r = sfs_calloc(1, sizeof(*r));
	if (r == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	r->config = *config;
	if (r->config.fan_in == 0)
		r->config.fan_in = FAN_IN_DEFAULT;
	r->buffer_bytes = slab_bytes / 16 & ~(size_t)(SFS_RUN_ALIGN_BYTES - 1);
	if (r->buffer_bytes > BUFFER_MAX_BYTES)
		r->buffer_bytes = BUFFER_MAX_BYTES;
	r->dbs = sfs_calloc(config->num_dbs, sizeof(*r->dbs));
	if (r->dbs == NULL) {
		sfs_free(r);
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->compacting, NULL);
	*out = r;
	return SFS_OK;
}

void sfs_runs_free(struct sfs_runs *r)
{
	struct sfs_run *run;

	if (r == NULL)
		return;
	while ((run = r->runs) != NULL) {
		r->runs = run->next;
		sfs_run_unref(r, run);
	}
	pthread_mutex_destroy(&r->compacting);
	pthread_mutex_destroy(&r->lock);
	sfs_free(r->dbs);
	sfs_free(r);
}

/* Where the filesystem has no unnamed files: one with a name, for a moment. */
static int open_named(int dir_fd)
{
	char name[64];
	int fd;

	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), ".run-%ld-%u",
		               (long)getpid(), i);
		fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		            0600);
		if (fd >= 0 && unlinkat(dir_fd, name, 0) == 0)
			return fd;
		if (fd >= 0)
			(void)close(fd);
		else if (errno != EEXIST)
			return -1;
	}
	return -1;
}

enum sfs_rc sfs_run_scratch_open(struct sfs_runs *r, int *fd_out,
                                 struct sfs_err *err)
{
	int dir_fd = r->config.dir_fd;
	int fd;

	fd = openat(dir_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		fd = open_named(dir_fd);
	if (fd < 0)
		return sfs_err_sys(err, errno, "cannot create a scratch file");
	*fd_out = fd;
	return SFS_OK;
}

enum sfs_rc sfs_run_write_at(int fd, const void *data, size_t len,
                             uint64_t offset, struct sfs_err *err)
{
	const uint8_t *from = data;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, from, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EFBIG) /* a limit on the file's size */
			errno = ENOSPC;
		if (n <= 0)
			return sfs_err_sys(err, n < 0 ? errno : EIO,
			                   "cannot write a sorted run");
		from += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return SFS_OK;
}

enum sfs_rc sfs_run_read_at(int fd, void *buf, size_t len, uint64_t offset,
                            struct sfs_err *err)
{
	uint8_t *to = buf;
	ssize_t n;

	while (len > 0) {
		n = pread(fd, to, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return sfs_err_sys(err, n < 0 ? errno : EIO,
			                   "cannot read a sorted run");
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return SFS_OK;
}

void sfs_run_add(struct sfs_runs *r, struct sfs_run *run,
                 const struct sfs_run_tally *tallies, size_t count)
{
	pthread_mutex_lock(&r->lock);
	run->next = r->runs;
	r->runs = run;
	r->count++;
	r->bytes += run->end - run->begin;
	r->spills++;
	for (size_t i = 0; i < count; i++) {
		r->dbs[tallies[i].db_id].count += tallies[i].count;
		r->dbs[tallies[i].db_id].stamp = r->spills;
	}
	pthread_mutex_unlock(&r->lock);
}

static bool is_among(const struct sfs_run *run, struct sfs_run **list,
                     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] == run)
			return true;
	}
	return false;
}

void sfs_run_replace(struct sfs_runs *r, struct sfs_run **old, size_t count,
                     struct sfs_run *run)
{
	struct sfs_run **at;

	pthread_mutex_lock(&r->lock);
	at = &r->runs;
	while (*at != NULL) {
		if (!is_among(*at, old, count)) {
			at = &(*at)->next;
			continue;
		}
		r->bytes -= (*at)->end - (*at)->begin;
		(*at)->refs--; /* the list's; the caller has one more */
		*at = (*at)->next;
		r->count--;
	}
	run->next = r->runs;
	r->runs = run;
	r->count++;
	r->bytes += run->end - run->begin;
	pthread_mutex_unlock(&r->lock);
}

enum sfs_rc sfs_run_hold_all(struct sfs_runs *r, struct sfs_run ***out,
                             size_t *count_out, struct sfs_err *err)
{
	struct sfs_run **held;
	size_t count = 0;

	pthread_mutex_lock(&r->lock);
	held = sfs_realloc_array(NULL, r->count, sizeof(struct sfs_run *));
	for (struct sfs_run *run = r->runs; held != NULL && run != NULL;
	     run = run->next) {
		run->refs++;
		held[count++] = run;
	}
	pthread_mutex_unlock(&r->lock);
	if (held == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	*out = held;
	*count_out = count;
	return SFS_OK;
}

/* Takes an empty volume out of the list; NULL: it is still of use. */
static struct sfs_volume *drop_locked(struct sfs_runs *r, struct sfs_volume *v)
{
	struct sfs_volume **at = &r->volumes;

	if (v->runs > 0 || v->is_taken)
		return NULL;
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	return v;
}

void sfs_run_unref(struct sfs_runs *r, struct sfs_run *run)
{
	struct sfs_volume *v = run->volume;
	struct sfs_volume *emptied;
	bool is_last;

	pthread_mutex_lock(&r->lock);
	is_last = --run->refs == 0;
	pthread_mutex_unlock(&r->lock);
	if (!is_last)
		return;
	/* only space is lost where holes cannot be punched */
	(void)fallocate(v->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	                (off_t)run->begin, (off_t)(run->end - run->begin));
	pthread_mutex_lock(&r->lock);
	v->runs--;
	emptied = drop_locked(r, v);
	pthread_mutex_unlock(&r->lock);
	if (emptied != NULL) {
		(void)close(emptied->fd);
		sfs_free(emptied);
	}
	sfs_free(run->index);
	sfs_free(run);
}

/* The last entry that is not behind the shard; -1: none. */
static const struct sfs_run_index *index_before(const struct sfs_run *run,
                                                uint32_t db_id)
{
	size_t low = 0;
	size_t high = run->index_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (run->index[middle].db_id <= db_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &run->index[low - 1] : NULL;
}

enum sfs_rc sfs_run_find(const struct sfs_run *run, uint32_t db_id,
                         uint8_t *buf, bool *found,
                         struct sfs_run_segment *segment, uint64_t *offset,
                         struct sfs_err *err)
{
	const struct sfs_run_index *from = index_before(run, db_id);
	size_t len = SFS_RUN_INDEX_BYTES + sizeof(*segment);
	uint64_t at = 0;
	enum sfs_rc rc;

	*found = false;
	if (from == NULL)
		return SFS_OK;
	if (from->db_id == db_id)
		len = sizeof(*segment);
	if (len > run->end - from->offset)
		len = (size_t)(run->end - from->offset);
	rc = sfs_run_read_at(run->volume->fd, buf, len, from->offset, err);
	if (rc != SFS_OK)
		return rc;
	while (at + sizeof(*segment) <= len) {
		memcpy(segment, buf + at, sizeof(*segment));
		at += sizeof(*segment);
		*found = segment->db_id == db_id;
		*offset = from->offset + at;
		if (segment->db_id >= db_id)
			break;
		at += segment->count * sizeof(struct sfs_run_head) +
		      segment->tail_bytes + segment->value_bytes;
	}
	return SFS_OK;
}

uint64_t sfs_runs_count(struct sfs_runs *r, uint32_t db_id)
{
	uint64_t count;

	pthread_mutex_lock(&r->lock);
	count = r->dbs[db_id].count;
	pthread_mutex_unlock(&r->lock);
	return count;
}

uint64_t sfs_runs_bytes(struct sfs_runs *r)
{
	uint64_t bytes;

	pthread_mutex_lock(&r->lock);
	bytes = r->bytes;
	pthread_mutex_unlock(&r->lock);
	return bytes;
}

uint64_t sfs_runs_stamp(struct sfs_runs *r, uint32_t db_id)
{
	uint64_t stamp;

	pthread_mutex_lock(&r->lock);
	stamp = r->dbs[db_id].stamp;
	pthread_mutex_unlock(&r->lock);
	return stamp;
}
