/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for regex.cc in a build without RE2: matches() is refused. */
#include "cel/functions.h"

static enum sfs_rc refuse(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_UNSUPPORTED,
	                   "matches() needs RE2, and this build has none "
	                   "(configure --with-re2)");
}

enum sfs_rc sfs_cel_regex_new(struct sfs_cel_text pattern,
                              struct sfs_cel_regex **out, struct sfs_err *err)
{
	(void)pattern;
	*out = NULL;
	return refuse(err);
}

void sfs_cel_regex_free(struct sfs_cel_regex *r)
{
	(void)r;
}

size_t sfs_cel_regex_cost(const struct sfs_cel_regex *r,
                          struct sfs_cel_text text)
{
	(void)r;
	return text.len;
}

enum sfs_rc sfs_cel_regex_search(const struct sfs_cel_regex *r,
                                 struct sfs_cel_text text, bool *found_out,
                                 struct sfs_err *err)
{
	(void)r;
	(void)text;
	*found_out = false;
	return refuse(err);
}
