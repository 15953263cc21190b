/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing values in a hash table with open addressing, at most half full. It
 * holds indexes into the sharding's own array, one up; 0 is a free place.
 */
#include "format/tokens.h"

#include "base/alloc.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct sfs_token_index {
	const struct sfs_cel_value *tokens; /* borrowed */
	size_t mask;                        /* places less one */
	uint32_t places[];
};

/* INT where it fits, so that equal integers are of one kind. */
static struct sfs_cel_value normal(const struct sfs_cel_value *token)
{
	struct sfs_cel_value v = *token;

	if (v.kind == SFS_CEL_UINT && v.as.uinteger <= INT64_MAX) {
		v.kind = SFS_CEL_INT;
		v.as.integer = (int64_t)token->as.uinteger;
	}
	return v;
}

/* Not XXH3_64bits(NULL, 0), which an empty token may be. */
static uint64_t hash_of(const struct sfs_cel_value *v)
{
	if (v->kind == SFS_CEL_INT)
		return XXH3_64bits(&v->as.integer, sizeof(v->as.integer));
	if (v->kind == SFS_CEL_UINT)
		return XXH3_64bits(&v->as.uinteger, sizeof(v->as.uinteger));
	return v->as.text.len > 0 ? XXH3_64bits(v->as.text.data, v->as.text.len)
	                          : 0;
}

enum sfs_rc sfs_token_index_new(const struct sfs_sharding *sharding,
                                struct sfs_token_index **out,
                                struct sfs_err *err)
{
	struct sfs_token_index *t;
	size_t places = 2;
	size_t at;

	while (places < 2 * sharding->token_count)
		places *= 2;
	t = sfs_calloc(1, sizeof(*t) + places * sizeof(t->places[0]));
	if (t == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "routing values: out of memory");
	t->tokens = sharding->tokens;
	t->mask = places - 1;
	for (size_t i = 0; i < sharding->token_count; i++) {
		at = hash_of(&t->tokens[i]) & t->mask;
		while (t->places[at] != 0)
			at = (at + 1) & t->mask;
		t->places[at] = (uint32_t)i + 1;
	}
	*out = t;
	return SFS_OK;
}

void sfs_token_index_free(struct sfs_token_index *t)
{
	sfs_free(t);
}

bool sfs_token_index_find(const struct sfs_token_index *t,
                          const struct sfs_cel_value *token, uint32_t *db_id)
{
	struct sfs_cel_value v = normal(token);
	size_t at = hash_of(&v) & t->mask;

	for (; t->places[at] != 0; at = (at + 1) & t->mask) {
		const struct sfs_cel_value *other =
			&t->tokens[t->places[at] - 1];

		if (other->kind == v.kind &&
		    sfs_token_compare(other, &v) == 0) {
			*db_id = t->places[at] - 1;
			return true;
		}
	}
	return false;
}
