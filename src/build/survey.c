/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at all records before they are placed. Shards are bits of a map;
 * routing values are a hash table; the sample are the keys of the least
 * hashes, which is uniform over the different keys whatever their order and
 * however many threads add them.
 */
#include "build/survey.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/keyname.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_WORDS = SFS_NUM_DBS_MAX / 64, PLACES_MIN = 1024 };

struct sample_key {
	uint64_t hash; /* of the whole key */
	uint8_t *data;
	size_t len; /* of what is kept */
};

struct sfs_survey {
	struct sfs_placement *placement; /* immutable */
	_Atomic uint64_t *shards;        /* DIRECT: a bit each */
	_Atomic uint64_t limit; /* keys of this hash and above are none */

	pthread_mutex_t lock;      /* the next ones */
	struct sfs_sharding found; /* INFERRED: its tokens */
	uint32_t *places;          /* of tokens, one up; 0: free */
	size_t mask;
	size_t token_bytes;
	struct sample_key *keys; /* QUANTILES: twice SFS_SURVEY_SAMPLE */
	size_t count;
};

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "routing: out of memory");
}

static bool make_room(struct sfs_survey *s)
{
	switch (s->placement->mode) {
	case SFS_PLACEMENT_DIRECT:
		s->shards = sfs_calloc(MAP_WORDS, sizeof(*s->shards));
		return s->shards != NULL;
	case SFS_PLACEMENT_INFERRED:
		s->places = sfs_calloc(PLACES_MIN, sizeof(*s->places));
		s->mask = PLACES_MIN - 1;
		return s->places != NULL;
	case SFS_PLACEMENT_QUANTILES:
		s->keys = sfs_calloc((size_t)2 * SFS_SURVEY_SAMPLE,
		                     sizeof(*s->keys));
		return s->keys != NULL;
	case SFS_PLACEMENT_VALUES:
	case SFS_PLACEMENT_BOUNDS:
		break;
	}
	return true;
}

enum sfs_rc sfs_survey_new(const struct sfs_placement *p,
                           struct sfs_survey **out, struct sfs_err *err)
{
	struct sfs_survey *s = sfs_calloc(1, sizeof(*s));

	*out = NULL;
	if (s == NULL)
		return no_memory(err);
	s->placement = sfs_placement_ref((struct sfs_placement *)p);
	atomic_init(&s->limit, UINT64_MAX);
	pthread_mutex_init(&s->lock, NULL);
	if (sfs_sharding_init(&s->found, SFS_STRATEGY_CEL, err) != SFS_OK ||
	    !make_room(s)) {
		sfs_survey_free(s);
		return no_memory(err);
	}
	*out = s;
	return SFS_OK;
}

void sfs_survey_free(struct sfs_survey *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->count; i++)
		sfs_free(s->keys[i].data);
	sfs_free(s->keys);
	sfs_free(s->places);
	sfs_free(s->shards);
	sfs_sharding_release(&s->found);
	sfs_placement_unref(s->placement);
	pthread_mutex_destroy(&s->lock);
	sfs_free(s);
}

bool sfs_survey_is_of_keys(const struct sfs_survey *s)
{
	return s->placement->mode == SFS_PLACEMENT_QUANTILES;
}

/* --- shards ---------------------------------------------------------------- */

static enum sfs_rc add_shard(struct sfs_survey *s,
                             const struct sfs_cel_value *token,
                             struct sfs_err *err)
{
	uint64_t id = token->as.uinteger;

	if (token->kind != SFS_CEL_INT && token->kind != SFS_CEL_UINT)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel yields %s where the number of a shard "
		                   "is needed",
		                   sfs_cel_kind_name(token->kind));
	if (token->kind == SFS_CEL_INT && token->as.integer < 0)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "ShardAssignmentError: cel yields shard "
		                   "%" PRId64 ", and the first is 0",
		                   token->as.integer);
	if (id >= SFS_NUM_DBS_MAX)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "ShardAssignmentError: cel yields shard "
		                   "%" PRIu64 ", and the last can be %d",
		                   id, SFS_NUM_DBS_MAX - 1);
	if ((atomic_load_explicit(&s->shards[id / 64], memory_order_relaxed) >>
	             id % 64 &
	     1) == 0)
		atomic_fetch_or(&s->shards[id / 64], (uint64_t)1 << id % 64);
	return SFS_OK;
}

/* All from 0 to the last have records, as discover_cel_num_dbs wants it. */
static enum sfs_rc count_shards(const struct sfs_survey *s, uint32_t *out,
                                struct sfs_err *err)
{
	uint32_t hole = UINT32_MAX;

	*out = 0;
	for (uint32_t i = 0; i < SFS_NUM_DBS_MAX; i++) {
		if ((s->shards[i / 64] >> i % 64 & 1) != 0)
			*out = i + 1;
		else if (hole == UINT32_MAX)
			hole = i;
	}
	if (hole < *out)
		return sfs_err_set(
			err, SFS_E_CORRUPT,
			"ShardCoverageError: cel yields shards up to %" PRIu32
			", but no record is of shard %" PRIu32
			"; give num_dbs, or routing_values: inferred",
			*out - 1, hole);
	if (*out == 0)
		*out = 1;
	return SFS_OK;
}

/* --- routing values --------------------------------------------------------- */

static uint64_t hash_of(const struct sfs_cel_value *v)
{
	if (v->kind == SFS_CEL_STRING)
		return sfs_hash64(v->as.text.data, v->as.text.len);
	return sfs_mix64(v->as.uinteger);
}

/* Where it is, or would be. */
static uint32_t *find_place(const struct sfs_survey *s,
                            const struct sfs_cel_value *v)
{
	size_t at = hash_of(v) & s->mask;
	const struct sfs_cel_value *other;

	for (; s->places[at] != 0; at = (at + 1) & s->mask) {
		other = &s->found.tokens[s->places[at] - 1];
		if (other->kind == v->kind && sfs_token_compare(other, v) == 0)
			break;
	}
	return &s->places[at];
}

static bool grow_places(struct sfs_survey *s)
{
	const size_t places = (s->mask + 1) * 2;
	uint32_t *old = s->places;
	uint32_t *grown;

	if (s->found.token_count * 2 <= s->mask)
		return true;
	grown = sfs_calloc(places, sizeof(*grown));
	if (grown == NULL)
		return false;
	s->places = grown;
	s->mask = places - 1;
	for (size_t i = 0; i < s->found.token_count; i++)
		*find_place(s, &s->found.tokens[i]) = (uint32_t)i + 1;
	sfs_free(old);
	return true;
}

static enum sfs_rc add_new_value(struct sfs_survey *s,
                                 const struct sfs_cel_value *v,
                                 struct sfs_err *err)
{
	enum sfs_rc rc;

	if (v->kind == SFS_CEL_STRING)
		s->token_bytes += v->as.text.len + 1;
	if (s->found.token_count == SFS_NUM_DBS_MAX ||
	    s->token_bytes > SFS_SURVEY_TOKEN_BYTES)
		return sfs_err_set(err, SFS_E_TOO_BIG,
		                   "routing_values: inferred: there are more "
		                   "than %zu different ones, each a shard; is "
		                   "a %% missing in cel?",
		                   s->found.token_count);
	if (!grow_places(s))
		return no_memory(err);
	rc = sfs_sharding_add_token(&s->found, v, err);
	if (rc != SFS_OK)
		return rc;
	*find_place(s, v) = (uint32_t)s->found.token_count;
	return SFS_OK;
}

static enum sfs_rc add_value(struct sfs_survey *s,
                             const struct sfs_cel_value *token,
                             struct sfs_err *err)
{
	struct sfs_cel_value v = *token;
	enum sfs_rc rc = SFS_OK;

	if (v.kind == SFS_CEL_BYTES)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "cel yields bytes, which cannot be a "
		                   "routing value");
	if (v.kind == SFS_CEL_UINT && v.as.uinteger <= INT64_MAX)
		v.kind = SFS_CEL_INT;
	pthread_mutex_lock(&s->lock);
	if (*find_place(s, &v) == 0)
		rc = add_new_value(s, &v, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int by_token(const void *a, const void *b)
{
	return sfs_token_compare(a, b);
}

static enum sfs_rc resolve_values(struct sfs_survey *s,
                                  struct sfs_placement **out,
                                  struct sfs_err *err)
{
	const size_t count = s->found.token_count;
	struct sfs_cel_value *sorted;
	enum sfs_rc rc;

	if (count == 0)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "routing_values: inferred: there is no "
		                   "record yet to infer one from");
	sorted = sfs_calloc(count, sizeof(*sorted));
	if (sorted == NULL)
		return no_memory(err);
	memcpy(sorted, s->found.tokens, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_token);
	rc = sfs_placement_new_values(s->placement, sorted, count, out, err);
	sfs_free(sorted);
	return rc;
}

enum sfs_rc sfs_survey_add_token(struct sfs_survey *s,
                                 const struct sfs_cel_value *token,
                                 struct sfs_err *err)
{
	if (s->placement->mode == SFS_PLACEMENT_DIRECT)
		return add_shard(s, token, err);
	return add_value(s, token, err);
}

/* --- keys -------------------------------------------------------------------- */

static int by_hash(const void *a, const void *b)
{
	const struct sample_key *x = a;
	const struct sample_key *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Each once, and of them the least. */
static void thin_out(struct sfs_survey *s)
{
	size_t kept = 0;

	qsort(s->keys, s->count, sizeof(*s->keys), by_hash);
	for (size_t i = 0; i < s->count; i++) {
		if (kept < SFS_SURVEY_SAMPLE &&
		    (kept == 0 || s->keys[kept - 1].hash != s->keys[i].hash))
			s->keys[kept++] = s->keys[i];
		else
			sfs_free(s->keys[i].data);
	}
	s->count = kept;
	if (kept == SFS_SURVEY_SAMPLE)
		atomic_store(&s->limit, s->keys[kept - 1].hash);
}

static enum sfs_rc keep_key(struct sfs_survey *s, uint64_t hash,
                            struct sfs_bytes key, struct sfs_err *err)
{
	struct sample_key made = { .hash = hash, .len = key.len };

	if (made.len > SFS_SURVEY_KEY_BYTES)
		made.len = SFS_SURVEY_KEY_BYTES;
	made.data = (uint8_t *)sfs_memdup0(key.data, made.len);
	if (made.data == NULL)
		return no_memory(err);
	pthread_mutex_lock(&s->lock);
	if (s->count == (size_t)2 * SFS_SURVEY_SAMPLE)
		thin_out(s);
	s->keys[s->count++] = made;
	pthread_mutex_unlock(&s->lock);
	return SFS_OK;
}

enum sfs_rc sfs_survey_add_key(struct sfs_survey *s, struct sfs_bytes key,
                               struct sfs_err *err)
{
	uint64_t hash = sfs_hash64(key.data, key.len);

	if (hash >= atomic_load_explicit(&s->limit, memory_order_relaxed))
		return SFS_OK;
	return keep_key(s, hash, key, err);
}

static int by_key(const void *a, const void *b)
{
	const struct sample_key *x = a;
	const struct sample_key *y = b;

	return sfs_bytes_compare((struct sfs_bytes){ x->data, x->len },
	                         (struct sfs_bytes){ y->data, y->len });
}

/*
 * The shortest key above one and not above the other: expressions stay short.
 * False: there is none, they are the same as far as they are kept.
 */
static bool separate(enum sfs_key_encoding encoding,
                     const struct sample_key *below,
                     const struct sample_key *above, struct sfs_bytes *out)
{
	size_t len = 0;

	if (by_key(below, above) >= 0)
		return false;
	while (len < below->len && below->data[len] == above->data[len])
		len++;
	len++;
	if (encoding == SFS_KEY_UTF8) /* not in the middle of a character */
		while (len < above->len && (above->data[len] & 0xC0) == 0x80)
			len++;
	if (encoding == SFS_KEY_U64BE || encoding == SFS_KEY_U32BE)
		len = above->len;
	*out = (struct sfs_bytes){ above->data, len };
	return encoding != SFS_KEY_UTF8 || sfs_utf8_is_valid(out->data, len);
}

static enum sfs_rc resolve_keys(struct sfs_survey *s,
                                enum sfs_key_encoding encoding,
                                uint32_t num_dbs, struct sfs_placement **out,
                                struct sfs_err *err)
{
	struct sfs_bytes *bounds;
	size_t last = 0;
	size_t count = 0;
	enum sfs_rc rc;

	thin_out(s);
	bounds = sfs_calloc(num_dbs, sizeof(*bounds));
	if (bounds == NULL)
		return no_memory(err);
	qsort(s->keys, s->count, sizeof(*s->keys), by_key);
	for (uint64_t i = 1; i < num_dbs && s->count > 0; i++) {
		size_t at = (size_t)(i * s->count / num_dbs);

		if (at == last || !separate(encoding, &s->keys[at - 1],
		                            &s->keys[at], &bounds[count]))
			continue;
		last = at;
		count++;
	}
	rc = sfs_placement_new_bounds(encoding, bounds, count, out, err);
	sfs_free(bounds);
	return rc;
}

/* --- all together -------------------------------------------------------------- */

enum sfs_rc sfs_survey_merge(struct sfs_survey *s, struct sfs_survey *other,
                             struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	for (size_t i = 0; s->shards != NULL && i < MAP_WORDS; i++)
		atomic_fetch_or(&s->shards[i], other->shards[i]);
	pthread_mutex_lock(&other->lock);
	for (size_t i = 0; rc == SFS_OK && i < other->found.token_count; i++)
		rc = add_value(s, &other->found.tokens[i], err);
	for (size_t i = 0; rc == SFS_OK && i < other->count; i++)
		rc = keep_key(s, other->keys[i].hash,
		              (struct sfs_bytes){ other->keys[i].data,
		                                  other->keys[i].len },
		              err);
	pthread_mutex_unlock(&other->lock);
	return rc;
}

enum sfs_rc sfs_survey_resolve(struct sfs_survey *s,
                               enum sfs_key_encoding encoding, uint32_t num_dbs,
                               struct sfs_placement **out, uint32_t *shards,
                               struct sfs_err *err)
{
	enum sfs_rc rc;

	*out = NULL;
	if (s->placement->mode == SFS_PLACEMENT_DIRECT) {
		*out = sfs_placement_ref(s->placement);
		rc = count_shards(s, shards, err);
	} else if (s->placement->mode == SFS_PLACEMENT_INFERRED) {
		rc = resolve_values(s, out, err);
	} else {
		rc = resolve_keys(s, encoding, num_dbs, out, err);
	}
	if (rc == SFS_OK && s->shards == NULL)
		*shards = sfs_placement_shards(*out);
	if (rc == SFS_OK)
		return SFS_OK;
	sfs_placement_unref(*out);
	*out = NULL;
	return rc;
}
