/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_CATALOG_AUTHOR_H
#define SFS_CATALOG_AUTHOR_H

/* Who runs this process, for tags and the log: for people, not for proof. */
enum { SFS_AUTHOR_BYTES = 64 };

struct sfs_author {
	char who[SFS_AUTHOR_BYTES]; /* a login name, or "uid 1000" */
	char host[SFS_AUTHOR_BYTES];
	long pid;
};

void sfs_author_get(struct sfs_author *out);

#endif
