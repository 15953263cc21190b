/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest that is taken can be written, and its URLs go where their
 * prefix says or nowhere.
 */
#include "base/alloc.h"
#include "format/manifest.h"
#include "format/names.h"
#include "format/router.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rebase_all(const struct sfs_manifest *m)
{
	char key[SFS_URL_BYTES];

	for (uint32_t i = 0; i < m->num_dbs; i++) {
		if (m->shards[i].db_url == NULL ||
		    sfs_url_rebase(m->shards[i].db_url, m->s3_prefix,
		                   "file:///store", key, sizeof(key),
		                   NULL) != SFS_OK)
			continue;
		if (key[0] == '\0' || key[0] == '/' ||
		    strstr(key, "//") != NULL || strstr(key, "/../") != NULL)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sfs_manifest *again = NULL;
	struct sfs_manifest *m = NULL;
	struct sfs_router router;
	void *image = NULL;
	size_t len;

	if (sfs_manifest_parse(data, size, &m, NULL) != SFS_OK)
		return 0;
	rebase_all(m);
	if (sfs_router_init(&router, &m->routing, m->key_encoding, m->num_dbs,
	                    NULL) == SFS_OK)
		sfs_router_release(&router);
	if (sfs_manifest_serialize(m, &image, &len, NULL) != SFS_OK ||
	    sfs_manifest_parse(image, len, &again, NULL) != SFS_OK ||
	    strcmp(m->sharding, again->sharding) != 0 ||
	    m->num_dbs != again->num_dbs)
		abort();
	sfs_manifest_free(again);
	sfs_manifest_free(m);
	sfs_free(image);
	return 0;
}
