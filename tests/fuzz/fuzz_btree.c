/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the B-tree walker: any bytes are taken for a database and read
 * through every function. Build with -fsanitize=fuzzer,address,undefined.
 */
#include "format/btree.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 500, LOCATORS = 64 };

struct memory {
	struct sfs_object base;
	const uint8_t *data;
};

static enum sfs_rc memory_read(struct sfs_object *o, uint64_t offset, void *buf,
                               size_t len, size_t *got,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct memory *m = (struct memory *)o;
	uint64_t left = offset < o->info.size ? o->info.size - offset : 0;

	(void)call; /* memory does not block */
	(void)err;  /* nor fail */
	*got = len < left ? len : (size_t)left;
	if (*got > 0)
		memcpy(buf, m->data + offset, *got);
	return SFS_OK;
}

static const struct sfs_object_ops memory_ops = { .read = memory_read };

/* Touches every byte, so that the sanitizers see them. */
static unsigned sum(const uint8_t *p, size_t len)
{
	unsigned total = 0;
	size_t i;

	for (i = 0; i < len; i++)
		total += p[i];
	return total;
}

static bool take_value(void *arg, size_t index, const struct sfs_bytes *value)
{
	unsigned *total = arg;

	if (value != NULL)
		*total += sum(value->data, value->len) + (unsigned)index;
	return true;
}

static void use_locator(struct sfs_btree *t, sfs_locator locator)
{
	struct sfs_pair_info info = { 0, 0 };
	uint8_t buf[9000];
	struct sfs_err err;
	size_t len;

	if (sfs_btree_at(t, locator, &info, buf, 100, &len, NULL, &err) !=
	    SFS_OK)
		return;
	if (sfs_btree_read(t, locator, info.value_size / 3, buf, sizeof(buf),
	                   &len, NULL, &err) == SFS_OK)
		(void)sum(buf, len);
}

static void use_key(struct sfs_btree *t, struct sfs_bytes key)
{
	struct sfs_bytes keys[2] = { { key.data, key.len / 2 }, key };
	struct sfs_pair_info info;
	unsigned total = 0;
	struct sfs_err err;
	bool found;

	if (sfs_btree_get(t, key, &found, &info, NULL, &err) == SFS_OK && found)
		use_locator(t, info.locator);
	if (sfs_btree_multi_get(t, keys, 2, 100000, take_value, &total, NULL,
	                        &err) != SFS_OK)
		total = 0;
	(void)total;
}

static void walk(struct sfs_btree *t, uint64_t skip)
{
	struct sfs_btree_cursor *c = NULL;
	struct sfs_pair_info info;
	struct sfs_bytes key;
	struct sfs_err err;
	bool found = true;
	int rows;

	if (sfs_btree_cursor_open(t, skip, &c, NULL, &err) != SFS_OK)
		return;
	for (rows = 0; found && rows < ROWS_MAX; rows++) {
		if (sfs_btree_cursor_next(c, &found, &key, &info, NULL, &err) !=
		    SFS_OK)
			break;
		if (found && rows % 4 == 0)
			use_key(t, key);
	}
	sfs_btree_cursor_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory m = { { &memory_ops, { .size = size } }, data };
	struct sfs_bytes key = { data, size < 9 ? size : 9 };
	struct sfs_btree *t = NULL;
	struct sfs_err err;
	sfs_locator i;

	if (sfs_btree_open(&m.base, "fuzz", &t, NULL, &err) != SFS_OK)
		return 0;
	walk(t, 0);
	walk(t, 11);
	use_key(t, key);
	for (i = 0; i < LOCATORS; i++)
		use_locator(t, i * 61);
	sfs_btree_close(t);
	return 0;
}
