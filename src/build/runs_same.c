/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what replaces a pair of the base the same as that pair? The values of
 * the run are read forward only, in the order of the merge, through the
 * stream's own buffer, which the first walk has no other use for; those of
 * the base in parts, so that a large value takes no memory of its size.
 */
#include "build/runs_merge.h"

enum { PART_BYTES = 64 << 10 };

/* The next len bytes of the run's values; *is_same only ever becomes false. */
static enum sfs_rc compare_part(struct sfs_run_stream *values,
                                const uint8_t *base, size_t len, bool *is_same,
                                struct sfs_err *err)
{
	const uint8_t *at;
	enum sfs_rc rc = SFS_OK;
	size_t n;

	for (; rc == SFS_OK && *is_same && len > 0; base += n, len -= n) {
		n = len < values->cap ? len : values->cap;
		rc = sfs_run_stream_take(values, n, &at, err);
		*is_same = rc == SFS_OK && memcmp(at, base, n) == 0;
	}
	return rc;
}

enum sfs_rc sfs_merge_is_same(struct sfs_merge *m, bool *is_same,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_run_stream *values = &m->sources[m->first_source].values;
	size_t len = sfs_run_value_len(m->first.value_len);
	size_t part = len < PART_BYTES ? len : PART_BYTES;
	size_t got = 0;
	enum sfs_rc rc;

	*is_same = m->first.value_len == m->info.value_size;
	if (!*is_same || len == 0)
		return SFS_OK;
	sfs_run_stream_skip(values,
	                    m->first_value - (values->pos - values->left));
	rc = sfs_run_big_reserve(&m->base_part, part, err);
	for (size_t at = 0; rc == SFS_OK && *is_same && at < len; at += part) {
		if (part > len - at)
			part = len - at;
		rc = m->base->ops->read(m->base, m->info.locator, at,
		                        m->base_part.data, part, &got, call,
		                        err);
		if (rc == SFS_OK && got < part)
			rc = sfs_err_set(err, SFS_E_CORRUPT,
			                 "a value of the base is shorter than "
			                 "it says");
		if (rc == SFS_OK)
			rc = compare_part(values, m->base_part.data, part,
			                  is_same, err);
	}
	return rc;
}
