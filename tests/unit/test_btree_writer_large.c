/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large values and large files of the bottom-up writer: in a file beyond
 * 1 GiB the page that holds byte 2^30 must stay unused, whether a chain, the
 * leaves or the end of the file lie there.
 */
#include "format/btree.h"
#include "format/btree_layout.h"
#include "unit/file_object.h"
#include "unit/library_writer.h"
#include "unit/pairs.h"

#include <sys/statvfs.h>

#define LARGE_BYTES 50000000
#define FREE_BYTES (3ULL << 30)

static uint8_t *pool; /* values are pieces of it */
static char path[300];
static int fd = -1;

static void pool_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	pool = pairs_alloc(NULL, 2 * (size_t)LARGE_BYTES + 4096);
	pairs_fill(pool, 2 * (size_t)LARGE_BYTES + 4096, 3);
	(void)snprintf(path, sizeof(path), "%s/sfs-large-XXXXXX",
	               tmp != NULL ? tmp : "/tmp");
	fd = mkstemp(path);
	if (fd < 0) {
		printf("Bail out! no temporary file\n");
		exit(1);
	}
}

static void pool_end(void)
{
	(void)close(fd); /* scratch */
	(void)unlink(path);
	free(pool);
}

static bool is_room(void)
{
	struct statvfs st;

	return fstatvfs(fd, &st) == 0 &&
	       (uint64_t)st.f_bavail * st.f_frsize >= FREE_BYTES;
}

/* The pairs own their keys; the values lie in the pool. */
static void add_large(struct pairs *p, size_t value_len)
{
	size_t i = p->count;

	pairs_add_next(p, 0);
	p->at[i].value.data = pool + i % 4096;
	p->at[i].value.len = value_len;
}

static enum sfs_rc file_sink(void *arg, const void *data, size_t len,
                             struct sfs_err *err)
{
	(void)arg;
	return write(fd, data, len) == (ssize_t)len
	               ? SFS_OK
	               : sfs_err_set(err, SFS_E_IO, "write");
}

static void walker_finds_value(struct sfs_btree *t, const struct sfs_pair *p)
{
	enum { PIECE = 1 << 20 };
	static uint8_t piece[PIECE];
	struct sfs_pair_info info = { 0, 0 };
	struct sfs_err err = { .msg = "" };
	bool found = false;
	uint64_t at = 0;
	size_t got = 0;

	if (sfs_btree_get(t, p->key, &found, &info, NULL, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
	OK(found && info.value_size == p->value.len);
	for (; at < p->value.len; at += got) {
		if (sfs_btree_read(t, info.locator, at, piece, PIECE, &got,
		                   NULL, &err) != SFS_OK ||
		    got == 0 || memcmp(piece, p->value.data + at, got) != 0) {
			TAP_FAIL("the value differs at %" PRIu64, at);
			break;
		}
	}
}

/* Writes the file, and reads it with the library and with the walker. */
static void file_agrees(const struct pairs *p, uint32_t page_size,
                        struct sfs_btree_shape *shape)
{
	struct sfs_err err = { .msg = "" };
	struct sfs_btree *t = NULL;
	struct file_object file;
	sqlite3 *db = NULL;
	size_t i;

	OK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	IS_INT(pairs_measure(p, page_size, shape), SFS_OK);
	IS_INT(pairs_write_as(p, shape, file_sink, NULL), SFS_OK);
	IS_INT(lseek(fd, 0, SEEK_END), (uint64_t)shape->pages * page_size);
	IS_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL),
	       SQLITE_OK);
	library_check(db, "main");
	library_scan(db, "main", p->at, p->count);
	sqlite3_close(db);
	OK(file_object_open(&file, path));
	if (sfs_btree_open(&file.base, path, &t, NULL, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
	for (i = 0; t != NULL && i < p->count; i += i < 40 ? 1 : 997)
		walker_finds_value(t, &p->at[i]);
	sfs_btree_close(t);
	file.base.ops->close(&file.base);
}

static void lock_page_is_unused(uint32_t page_size)
{
	uint8_t page[SFS_BTREE_PAGE_MAX_BYTES];
	size_t i, used = 0;

	IS_INT(pread(fd, page, page_size, SFS_BTREE_LOCK_BYTE), page_size);
	for (i = 0; i < page_size; i++)
		used += page[i] != 0;
	IS_INT(used, 0);
}

static void values_of_100_megabytes(void)
{
	struct sfs_btree_shape shape;
	struct pairs p = { NULL, 0, 0 };
	uint32_t size;

	for (size = 512; size <= 65536; size *= 128) {
		add_large(&p, 10);
		add_large(&p, 2 * (size_t)LARGE_BYTES);
		add_large(&p, 0);
		file_agrees(&p, size, &shape);
		pairs_free(&p);
	}
}

static void a_chain_goes_around_the_lock_page(void)
{
	struct sfs_btree_shape shape = { 0, 0, 0, 0 };
	struct pairs p = { NULL, 0, 0 };
	int i;

	for (i = 0; i < 22; i++)
		add_large(&p, LARGE_BYTES);
	file_agrees(&p, 65536, &shape);
	OK(shape.pages > sfs_btree_lock_page(65536));
	lock_page_is_unused(65536);
	pairs_free(&p);
}

static void leaves_go_around_the_lock_page(void)
{
	struct sfs_btree_shape shape = { 0, 0, 0, 0 };
	struct pairs p = { NULL, 0, 0 };
	int i;

	for (i = 0; i < 21; i++)
		add_large(&p, LARGE_BYTES);
	for (i = 0; i < 200000; i++)
		add_large(&p, 90);
	file_agrees(&p, 512, &shape);
	OK(shape.pages > sfs_btree_lock_page(512) + 1000);
	lock_page_is_unused(512);
	pairs_free(&p);
}

/* The last page, the root, lies before the lock page or behind it. */
static void a_file_may_end_at_the_lock_page(void)
{
	struct sfs_btree_shape shape = { 0, 0, 0, 0 };
	uint32_t lock_page = sfs_btree_lock_page(65536);
	struct pairs p = { NULL, 0, 0 };
	size_t *last;
	int i;

	for (i = 0; i < 22; i++)
		add_large(&p, LARGE_BYTES);
	last = &p.at[21].value.len;
	*last = 1000000;
	IS_INT(pairs_measure(&p, 65536, &shape), SFS_OK);
	*last += (size_t)(lock_page - 1 - shape.pages) * (65536 - 4);
	file_agrees(&p, 65536, &shape);
	IS_INT(shape.pages, lock_page - 1);
	*last += 65536 - 4;
	file_agrees(&p, 65536, &shape);
	IS_INT(shape.pages, lock_page + 1);
	lock_page_is_unused(65536);
	pairs_free(&p);
}

int main(void)
{
	pool_begin();
	RUN(values_of_100_megabytes);
	if (is_room()) {
		RUN(a_chain_goes_around_the_lock_page);
		RUN(leaves_go_around_the_lock_page);
		RUN(a_file_may_end_at_the_lock_page);
	} else {
		printf("# NOT TESTED: files beyond 1 GiB, since less than 3 "
		       "GiB are free beside %s\n",
		       path);
	}
	pool_end();
	return tap_done();
}
