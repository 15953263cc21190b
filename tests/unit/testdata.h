/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_TESTS_TESTDATA_H
#define SFS_TESTS_TESTDATA_H

/*
 * Files of tests/data. SFS_TEST_DATA names that directory; without it a test
 * runs in the top of the source tree.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TESTDATA_PATH_BYTES = 1024 };

struct testdata {
	char *bytes; /* with a NUL behind; NULL: cannot be read */
	size_t len;
};

static inline void testdata_path(char out[TESTDATA_PATH_BYTES],
                                 const char *name)
{
	const char *root = getenv("SFS_TEST_DATA");
	int len;

	len = snprintf(out, TESTDATA_PATH_BYTES, "%s/%s",
	               root != NULL ? root : "tests/data", name);
	if (len < 0 || len >= TESTDATA_PATH_BYTES)
		out[0] = '\0'; /* which cannot be opened */
}

/* Reads tests/data/NAME. */
static inline struct testdata testdata_read(const char *name)
{
	struct testdata d = { NULL, 0 };
	char path[TESTDATA_PATH_BYTES];
	FILE *f;
	long len;

	testdata_path(path, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return d;
	if (fseek(f, 0, SEEK_END) == 0 && (len = ftell(f)) >= 0 &&
	    fseek(f, 0, SEEK_SET) == 0)
		d.bytes = malloc((size_t)len + 1);
	if (d.bytes != NULL) {
		d.len = fread(d.bytes, 1, (size_t)len, f);
		d.bytes[d.len] = '\0';
	}
	(void)fclose(f);
	return d;
}

/*
 * Calls fn(arg, "NAME/entry") for each entry of tests/data/NAME but those
 * that begin with a dot. Their number, or -1 if there is no such directory.
 */
static inline int testdata_each(const char *name,
                                void (*fn)(void *arg, const char *name),
                                void *arg)
{
	char path[TESTDATA_PATH_BYTES];
	struct dirent *e;
	int count = 0;
	DIR *d;

	testdata_path(path, name);
	d = opendir(path);
	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", name, e->d_name) <
		    (int)sizeof(path))
			fn(arg, path);
		count++;
	}
	(void)closedir(d);
	return count;
}

#endif
