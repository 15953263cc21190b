/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of files with columns. One flat folder holds them all, so that every
 * operation on a file is the one that keys/ has too, and a rename from columns
 * to columns is one rename on disk.
 */
#include "build/where_name.h"

#include "build/files_internal.h"

#include <errno.h>
#include <string.h>

const char *sfs_where_key(const char *name)
{
	const char *last = strrchr(name, SFS_WHERE_BETWEEN);

	return last != NULL ? last + 1 : name;
}

enum sfs_rc sfs_where_add(struct sfs_columns *c, const struct sfs_sharding *s,
                          const char *name, size_t len, struct sfs_err *err)
{
	if (len > 0 && memchr(name, SFS_WHERE_BETWEEN, len) != NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "a control byte is written as %%1F");
	if (len >= 4 && memcmp(name, "key=", 4) == 0)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "the column key is the name of the file in "
		                   "keys/");
	return sfs_columns_set_name(c, s, name, len, err);
}

enum sfs_rc sfs_where_parse(const char *name, size_t len,
                            const struct sfs_sharding *s,
                            struct sfs_columns *out, struct sfs_err *err)
{
	const char *end = name + len;
	enum sfs_rc rc = SFS_OK;
	const char *stop;

	sfs_columns_init(out);
	for (; rc == SFS_OK && name < end; name = stop + 1) {
		stop = memchr(name, SFS_WHERE_BETWEEN, (size_t)(end - name));
		if (stop == NULL)
			stop = end;
		rc = sfs_where_add(out, s, name, (size_t)(stop - name), err);
	}
	return rc;
}

const char *sfs_place_print(enum sfs_build_dir dir, const char *name,
                            struct sfs_place_text *room)
{
	const char *key = name;
	int error = errno; /* an argument beside this one may be it */
	char *at;

	if (dir == SFS_BUILD_WHERE)
		key = sfs_where_key(name);
	(void)snprintf(room->text, sizeof(room->text), "%s%.*s%s%s",
	               sfs_build_dir_prefix(dir), (int)(key - name), name,
	               key != name ? "keys/" : "", key);
	for (at = room->text; *at != '\0'; at++) {
		if (*at == SFS_WHERE_BETWEEN)
			*at = '/';
	}
	errno = error;
	return room->text;
}
