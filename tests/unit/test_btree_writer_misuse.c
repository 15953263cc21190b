/* SPDX-License-Identifier: Apache-2.0 */
/* The bottom-up writer with the wrong pairs, a full disk and no memory. */
#include "base/alloc.h"
#include "unit/pairs.h"

static void keys_that_do_not_ascend_are_refused(void)
{
	static const struct {
		const char *first;
		const char *second;
	} bad[] = { { "b", "a" }, { "a", "a" }, { "", "" }, { "ab", "a" } };
	uint8_t *key = pairs_alloc(NULL, 2000);
	struct image m = { .data = NULL };
	struct sfs_btree_shape shape;
	struct pairs p = { NULL, 0, 0 };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pairs_add(&p, (const uint8_t *)bad[i].first,
		          strlen(bad[i].first), 3);
		pairs_add(&p, (const uint8_t *)bad[i].second,
		          strlen(bad[i].second), 3);
		IS_INT(pairs_measure(&p, 512, &shape), SFS_OK);
		IS_INT(pairs_write_as(&p, &shape, image_sink, &m),
		       SFS_E_INVALID);
		HAS_STR(pairs_err.msg, "ascend");
		pairs_free(&p);
	}
	/* where the keys differ only in their overflow chains */
	memset(key, 'k', 2000);
	pairs_add(&p, key, 2000, 3);
	key[1999] = 'j';
	pairs_add(&p, key, 2000, 3);
	IS_INT(pairs_measure(&p, 512, &shape), SFS_OK);
	IS_INT(pairs_write_as(&p, &shape, image_sink, &m), SFS_E_INVALID);
	pairs_free(&p);
	image_free(&m);
	free(key);
}

static void pairs_that_were_not_announced_are_refused(void)
{
	struct image m = { .data = NULL };
	struct sfs_btree_shape shape;
	struct pairs p = { NULL, 0, 0 };
	size_t i;

	for (i = 0; i < 500; i++)
		pairs_add_next(&p, 30);
	IS_INT(pairs_measure(&p, 512, &shape), SFS_OK);
	p.count = 499; /* one less */
	IS_INT(pairs_write_as(&p, &shape, image_sink, &m), SFS_E_INVALID);
	p.count = 0;
	IS_INT(pairs_write_as(&p, &shape, image_sink, &m), SFS_E_INVALID);
	p.count = 500;
	pairs_add_next(&p, 30); /* one more */
	IS_INT(pairs_write_as(&p, &shape, image_sink, &m), SFS_E_INVALID);
	HAS_STR(pairs_err.msg, "announced");
	p.count = 500;
	for (i = 0; i < 400; i++)
		p.at[i].value.len = 15; /* as many, but smaller */
	IS_INT(pairs_write_as(&p, &shape, image_sink, &m), SFS_E_INVALID);
	for (i = 0; i < 500; i++)
		p.at[i].value.len = 30;
	shape.pages -= 5;
	IS_INT(pairs_write_as(&p, &shape, image_sink, &m), SFS_E_INVALID);
	p.count = 501;
	pairs_free(&p);
	image_free(&m);
}

static void a_sink_that_fails_ends_the_writing(void)
{
	struct image m = { .data = NULL };
	struct sfs_btree_writer *w = NULL;
	struct sfs_btree_shape shape;
	struct pairs p = { NULL, 0, 0 };
	enum sfs_rc rc;
	size_t i;

	for (i = 0; i < 5000; i++)
		pairs_add_next(&p, 900);
	IS_INT(pairs_measure(&p, 4096, &shape), SFS_OK);
	do {
		m.fail_at++;
		m.calls = 0;
		rc = pairs_write_as(&p, &shape, image_sink, &m);
		IS_INT(rc, m.calls < m.fail_at ? SFS_OK : SFS_E_NO_SPACE);
	} while (rc != SFS_OK && m.fail_at < 100);
	IS_INT(m.fail_at, (uint64_t)shape.pages * 4096 / (1 << 20) + 2);
	m.fail_at = 1;
	m.calls = 0;
	IS_INT(sfs_btree_writer_new(&shape, image_sink, &m, &w, &pairs_err),
	       SFS_OK);
	for (i = 0; i < p.count; i++)
		rc = sfs_btree_writer_add(w, &p.at[i], &pairs_err);
	IS_INT(rc, SFS_E_NO_SPACE);
	IS_INT(sfs_btree_writer_finish(w, &pairs_err), SFS_E_NO_SPACE);
	IS_INT(m.calls, 1);
	sfs_btree_writer_free(w);
	image_free(&m);
	pairs_free(&p);
}

static void memory_that_runs_out_is_told(void)
{
	struct image m = { .data = NULL };
	struct sfs_btree_shape shape;
	struct pairs p = { NULL, 0, 0 };
	uint8_t key[900] = { 0 };
	unsigned long faults;
	unsigned long n = 0;
	enum sfs_rc rc;
	size_t i;

	for (i = 0; i < 200; i++) {
		key[0] = (uint8_t)i;
		pairs_add(&p, key, i == 100 ? 900 : 50, 20);
	}
	IS_INT(pairs_measure(&p, 512, &shape), SFS_OK);
	do {
		faults = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(++n);
		rc = pairs_write_as(&p, &shape, image_sink, &m);
		IS_INT(rc, sfs_alloc_fault_count() > faults ? SFS_E_NO_MEMORY
		                                            : SFS_OK);
	} while (rc != SFS_OK && n < 50);
	sfs_alloc_fail_nth(0);
	OK(n > 6); /* itself, its block, four levels, a key */
	image_free(&m);
	pairs_free(&p);
}

int main(void)
{
	RUN(keys_that_do_not_ascend_are_refused);
	RUN(pairs_that_were_not_announced_are_refused);
	RUN(a_sink_that_fails_ends_the_writing);
	RUN(memory_that_runs_out_is_told);
	return tap_done();
}
