/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_BTREE_ORACLE_H
#define SFS_TESTS_BTREE_ORACLE_H

/*
 * check_file() reads a database with the walker and with the sqlite3 library:
 * they must agree on every row, through every function.
 */
#include "format/btree.h"
#include "unit/btree_fixture.h"

struct row {
	struct sfs_bytes key; /* owned */
	struct sfs_bytes value;
};

struct table {
	struct row *rows; /* in key order, as SQLite returns them */
	size_t count;
};

static inline struct sfs_bytes column(sqlite3_stmt *stmt, int i)
{
	struct sfs_bytes b = { NULL, 0 };
	const void *data = sqlite3_column_blob(stmt, i);
	uint8_t *copy;

	b.len = (size_t)sqlite3_column_bytes(stmt, i);
	copy = malloc(b.len + 1);
	if (copy == NULL)
		exit(1);
	if (b.len > 0)
		memcpy(copy, data, b.len);
	b.data = copy;
	return b;
}

static inline bool load(const char *path, struct table *t)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	char uri[1100];

	t->rows = NULL;
	t->count = 0;
	(void)snprintf(uri, sizeof(uri), "file:%s?immutable=1", path);
	if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
	                    NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT k, v FROM kv ORDER BY k", -1, &stmt,
	                       NULL) != SQLITE_OK) {
		TAP_FAIL("%s: %s", path, sqlite3_errmsg(db));
		sqlite3_close(db);
		return false;
	}
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		if ((t->count & (t->count - 1)) == 0)
			t->rows = realloc(t->rows, (2 * t->count + 1) *
			                                   sizeof(*t->rows));
		if (t->rows == NULL)
			exit(1);
		t->rows[t->count].key = column(stmt, 0);
		t->rows[t->count++].value = column(stmt, 1);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return true;
}

static inline void unload(struct table *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		free((void *)t->rows[i].key.data);
		free((void *)t->rows[i].value.data);
	}
	free(t->rows);
}

static inline bool same(struct sfs_bytes a, struct sfs_bytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* One range of the value at a locator. */
static inline bool range_is(struct sfs_btree *t, sfs_locator at,
                            struct sfs_bytes v, size_t offset, size_t len)
{
	size_t want = offset < v.len ? v.len - offset : 0;
	uint8_t *buf = malloc(len + 1);
	struct sfs_err err;
	size_t got = 99;
	bool ok;

	want = want < len ? want : len;
	if (buf == NULL)
		exit(1);
	buf[len] = 0xA5;
	ok = sfs_btree_read(t, at, offset, buf, len, &got, NULL, &err) ==
	     SFS_OK;
	if (!ok)
		printf("# %s\n", err.msg);
	ok = ok && got == want && buf[len] == 0xA5 &&
	     (want == 0 || memcmp(buf, v.data + offset, want) == 0);
	free(buf);
	return ok;
}

static inline bool value_is(struct sfs_btree *t, sfs_locator at,
                            struct sfs_bytes v)
{
	return range_is(t, at, v, 0, v.len) && range_is(t, at, v, 0, 10) &&
	       range_is(t, at, v, v.len / 2, 700) &&
	       range_is(t, at, v, v.len / 3, v.len) &&
	       range_is(t, at, v, v.len > 0 ? v.len - 1 : 0, 5) &&
	       range_is(t, at, v, v.len, 1) && range_is(t, at, v, v.len + 9, 8);
}

static inline bool get_is(struct sfs_btree *t, struct sfs_bytes key, bool want,
                          sfs_locator locator)
{
	struct sfs_pair_info info = { 0, 0 };
	struct sfs_err err;
	bool found = !want;

	if (sfs_btree_get(t, key, &found, &info, NULL, &err) != SFS_OK) {
		printf("# %s\n", err.msg);
		return false;
	}
	return found == want && (!want || info.locator == locator);
}

static inline bool at_is(struct sfs_btree *t, const struct row *row,
                         sfs_locator locator)
{
	struct sfs_pair_info info;
	uint8_t *buf = malloc(row->key.len + 1);
	struct sfs_bytes key = { buf, 99 };
	struct sfs_err err;
	bool ok;

	if (buf == NULL)
		exit(1);
	ok = sfs_btree_at(t, locator, &info, buf, row->key.len, &key.len, NULL,
	                  &err) == SFS_OK &&
	     same(key, row->key) && info.locator == locator &&
	     info.value_size == row->value.len;
	key.len = 0;
	ok = ok &&
	     sfs_btree_at(t, locator, &info, NULL, 0, &key.len, NULL, &err) ==
	             SFS_OK &&
	     key.len == row->key.len;
	free(buf);
	return ok;
}

static inline int key_order(const void *a, const void *b)
{
	const struct sfs_bytes *x = a;
	const struct sfs_bytes *y = &((const struct row *)b)->key;
	int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static inline bool near_is(struct sfs_btree *t, const struct table *all,
                           const sfs_locator *locators, struct sfs_bytes key)
{
	const struct row *row = bsearch(&key, all->rows, all->count,
	                                sizeof(*all->rows), key_order);

	return get_is(t, key, row != NULL,
	              row != NULL ? locators[row - all->rows] : 0);
}

/* Keys beside a present one: a byte more, a byte less, the last changed. */
static inline bool neighbours_are(struct sfs_btree *t, const struct table *all,
                                  const sfs_locator *locators, size_t i)
{
	struct sfs_bytes key = all->rows[i].key;
	uint8_t *copy = malloc(key.len + 1);
	struct sfs_bytes near = { copy, key.len + 1 };
	bool ok = true;

	if (copy == NULL)
		exit(1);
	memcpy(copy, key.data, key.len);
	copy[key.len] = 0;
	ok = near_is(t, all, locators, near);
	if (key.len > 0) {
		near.len = key.len - 1;
		ok = ok && near_is(t, all, locators, near);
		near.len = key.len;
		copy[key.len - 1]++;
		ok = ok && near_is(t, all, locators, near);
	}
	free(copy);
	return ok;
}

static inline size_t walk_all(struct sfs_btree *t, const struct table *all,
                              sfs_locator *locators)
{
	struct sfs_btree_cursor *c = NULL;
	struct sfs_pair_info info;
	struct sfs_bytes key;
	struct sfs_err err;
	bool found = true;
	size_t i;

	IS_INT(sfs_btree_cursor_open(t, 0, &c, NULL, &err), SFS_OK);
	for (i = 0; c != NULL && i < all->count; i++) {
		IS_INT(sfs_btree_cursor_next(c, &found, &key, &info, NULL,
		                             &err),
		       SFS_OK);
		if (!found || !same(key, all->rows[i].key) ||
		    info.value_size != all->rows[i].value.len) {
			TAP_FAIL("row %zu of %zu differs", i, all->count);
			break;
		}
		locators[i] = info.locator;
	}
	if (i == all->count) {
		IS_INT(sfs_btree_cursor_next(c, &found, &key, &info, NULL,
		                             &err),
		       SFS_OK);
		OK(!found);
	}
	sfs_btree_cursor_close(c);
	return i;
}

static inline void skip_is(struct sfs_btree *t, const sfs_locator *locators,
                           size_t count, size_t skip)
{
	struct sfs_btree_cursor *c = NULL;
	struct sfs_pair_info info;
	struct sfs_bytes key;
	struct sfs_err err;
	bool found = false;

	IS_INT(sfs_btree_cursor_open(t, skip, &c, NULL, &err), SFS_OK);
	if (c == NULL)
		return;
	IS_INT(sfs_btree_cursor_next(c, &found, &key, &info, NULL, &err),
	       SFS_OK);
	if (found != (skip < count) ||
	    (found && info.locator != locators[skip]))
		TAP_FAIL("skipping %zu of %zu rows goes wrong", skip, count);
	sfs_btree_cursor_close(c);
}

struct multi {
	const struct table *all;
	size_t seen;
	size_t wrong;
	size_t every; /* keys[i] is row i * every; odd ones absent */
};

static inline bool multi_row(void *arg, size_t index,
                             const struct sfs_bytes *value)
{
	struct multi *m = arg;

	if (value == NULL ||
	    !same(*value, m->all->rows[index * m->every].value))
		m->wrong++;
	m->seen++;
	return true;
}

static inline void multi_is(struct sfs_btree *t, const struct table *all,
                            size_t every)
{
	size_t count = (all->count + every - 1) / every;
	struct sfs_bytes *keys = malloc((count + 1) * sizeof(*keys));
	struct multi m = { all, 0, 0, every };
	struct sfs_err err = { .msg = "" };
	size_t i;

	if (keys == NULL)
		exit(1);
	for (i = 0; i < count; i++)
		keys[i] = all->rows[i * every].key;
	IS_INT(sfs_btree_multi_get(t, keys, count, SIZE_MAX, multi_row, &m,
	                           NULL, &err),
	       SFS_OK);
	IS_INT(m.seen, count);
	IS_INT(m.wrong, 0);
	free(keys);
}

static inline void check_rows(struct sfs_btree *t, const struct table *all)
{
	sfs_locator *locators = calloc(all->count + 1, sizeof(*locators));
	size_t step = all->count / 300 + 1;
	size_t i;

	if (locators == NULL)
		exit(1);
	if (walk_all(t, all, locators) == all->count) {
		for (i = 0; i < all->count; i += step) {
			if (!get_is(t, all->rows[i].key, true, locators[i]) ||
			    !neighbours_are(t, all, locators, i) ||
			    !at_is(t, &all->rows[i], locators[i]) ||
			    !value_is(t, locators[i], all->rows[i].value))
				TAP_FAIL("row %zu differs", i);
			if (i % (17 * step) == 0)
				skip_is(t, locators, all->count, i);
		}
		skip_is(t, locators, all->count, all->count);
		skip_is(t, locators, all->count, all->count + 5);
		multi_is(t, all, 1);
		multi_is(t, all, 3);
		multi_is(t, all, 50);
	}
	free(locators);
}

/* The whole comparison; returns the number of rows. */
static inline size_t check_file(const char *path)
{
	struct sfs_btree *t = NULL;
	struct file_object file;
	struct sfs_err err;
	struct table all;
	size_t count = 0;

	if (!load(path, &all))
		return 0;
	OK(file_object_open(&file, path));
	if (sfs_btree_open(&file.base, path, &t, NULL, &err) != SFS_OK)
		TAP_FAIL("%s", err.msg);
	else
		check_rows(t, &all);
	count = all.count;
	sfs_btree_close(t);
	file.base.ops->close(&file.base);
	unload(&all);
	return count;
}

#endif
