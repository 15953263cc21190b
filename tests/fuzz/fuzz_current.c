/* SPDX-License-Identifier: Apache-2.0 */
/* A pointer that is taken, printed and taken again, is the same pointer. */
#include "format/current.h"
#include "format/names.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sfs_buf b = SFS_BUF_INIT(SFS_CURRENT_MAX_BYTES);
	char key[SFS_MANIFEST_KEY_BYTES];
	struct sfs_current once;
	struct sfs_current twice;
	struct sfs_snapshot_id id;

	if (sfs_current_parse((const char *)data, size, &once, NULL) != SFS_OK)
		return 0;
	sfs_current_print(&once, &b);
	if (sfs_current_parse(b.data, b.len, &twice, NULL) != SFS_OK ||
	    strcmp(once.manifest_ref, twice.manifest_ref) != 0 ||
	    strcmp(once.run_id, twice.run_id) != 0 ||
	    once.updated_at_ns / 1000 != twice.updated_at_ns / 1000)
		abort();
	if (sfs_snapshot_id_from_ref(once.manifest_ref, &id, NULL) == SFS_OK) {
		sfs_snapshot_id_manifest_key(&id, key);
		if (strstr(once.manifest_ref, key) == NULL)
			abort();
	}
	sfs_buf_release(&b);
	return 0;
}
