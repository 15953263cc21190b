/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of a build that are taken, printed and taken again are the same
 * settings; those that are refused change nothing and name the file.
 */
#include "build/build_config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct sfs_build_config *a,
                    const struct sfs_build_config *b)
{
	return a->key_encoding == b->key_encoding && a->num_dbs == b->num_dbs &&
	       a->max_keys_per_shard == b->max_keys_per_shard &&
	       a->page_size == b->page_size &&
	       a->shard_retry == b->shard_retry &&
	       a->skip_bad_records == b->skip_bad_records &&
	       strcmp(a->key_col, b->key_col) == 0 &&
	       strcmp(a->shard_prefix, b->shard_prefix) == 0 &&
	       strcmp(a->db_path_template, b->db_path_template) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sfs_build_config fresh, once, twice;
	struct sfs_buf first = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_buf second = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_err err;

	sfs_build_config_init(&fresh);
	once = fresh;
	if (sfs_build_config_parse(&once, (const char *)data, size, &err) !=
	    SFS_OK) {
		if (!is_same(&once, &fresh) ||
		    strncmp(err.msg, "config.yaml:", 12) != 0)
			abort();
		return 0;
	}
	sfs_build_config_print(&once, &first);
	sfs_build_config_init(&twice);
	if (sfs_build_config_parse(&twice, first.data, first.len, &err) !=
	            SFS_OK ||
	    !is_same(&once, &twice))
		abort();
	sfs_build_config_print(&twice, &second);
	if (first.len != second.len ||
	    memcmp(first.data, second.data, first.len) != 0)
		abort();
	sfs_buf_release(&first);
	sfs_buf_release(&second);
	return 0;
}
