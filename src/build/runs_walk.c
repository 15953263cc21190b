/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first walk of a merge: a tree of losers over the heads of the sources,
 * each node with the first 8 bytes of its key beside it, so that keys which
 * differ there are ordered without touching anything else. Equal keys come
 * out by falling rank, the base last: the first of such a group is kept and
 * the others are not. It reads heads and tails, and only those values that
 * may be equal to what they replace in the base; and it notes the order.
 */
#include "build/runs_merge.h"

#include <endian.h>

#define NO_SOURCE UINT32_MAX

static uint64_t prefix_of(const uint8_t *key, size_t len)
{
	uint64_t prefix = 0;

	if (len > 0)
		memcpy(&prefix, key,
		       len < sizeof(prefix) ? len : sizeof(prefix));
	return be64toh(prefix);
}

enum sfs_rc sfs_merge_advance_base(struct sfs_merge *m,
                                   struct sfs_run_source *s,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	struct sfs_bytes key;
	bool found;
	enum sfs_rc rc;

	rc = m->cursor->ops->next(m->cursor, &found, &key, &m->info, call, err);
	if (rc != SFS_OK)
		return rc;
	s->is_done = !found;
	if (!found)
		return SFS_OK;
	if (key.len >= UINT32_MAX || m->info.value_size >= UINT32_MAX)
		return sfs_err_set(err, SFS_E_TOO_BIG,
		                   "a pair of the base has more than 4 GiB");
	s->head.prefix = prefix_of(key.data, key.len);
	s->head.rank = 0;
	s->head.key_len = (uint32_t)key.len;
	s->head.value_len = (uint32_t)m->info.value_size;
	if (key.len > SFS_RUN_PREFIX_BYTES)
		s->tail = key.data + SFS_RUN_PREFIX_BYTES;
	return SFS_OK;
}

/* The source's next record, or is_done. */
static inline enum sfs_rc advance(struct sfs_merge *m, struct sfs_run_source *s,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	enum sfs_rc rc;

	if (s->is_base)
		return sfs_merge_advance_base(m, s, call, err);
	if (s->left == 0) {
		s->is_done = true;
		return SFS_OK;
	}
	s->left--;
	rc = sfs_run_source_take_head(s, err);
	s->value_at = s->value_next;
	s->value_next += sfs_run_value_len(s->head.value_len);
	if (rc == SFS_OK && s->head.key_len > SFS_RUN_PREFIX_BYTES)
		rc = sfs_run_stream_take(&s->tails,
		                         sfs_run_tail_len(s->head.key_len),
		                         &s->tail, err);
	return rc;
}

/* Keys with equal prefixes: by what follows, then by length. */
static int compare_tails(const uint8_t *a, uint32_t a_key_len, const uint8_t *b,
                         uint32_t b_key_len)
{
	size_t la = sfs_run_tail_len(a_key_len);
	size_t lb = sfs_run_tail_len(b_key_len);
	size_t both = la < lb ? la : lb;
	int order = both > 0 ? memcmp(a, b, both) : 0;

	if (order != 0)
		return order;
	return a_key_len < b_key_len ? -1 : a_key_len > b_key_len;
}

/* Is a in front of b? Their prefixes are equal. */
static bool is_before(const struct sfs_merge *m, uint32_t a, uint32_t b)
{
	const struct sfs_run_source *sa = &m->sources[a];
	const struct sfs_run_source *sb = &m->sources[b];
	int order;

	if (sa->is_done || sb->is_done)
		return sb->is_done;
	order = compare_tails(sa->tail, sa->head.key_len, sb->tail,
	                      sb->head.key_len);
	if (order != 0)
		return order < 0;
	if (sa->is_base || sb->is_base)
		return sb->is_base;
	return sa->head.rank > sb->head.rank;
}

static struct sfs_merge_node node_of(const struct sfs_merge *m, uint32_t i)
{
	const struct sfs_run_source *s = &m->sources[i];

	return (struct sfs_merge_node){ s->is_done ? UINT64_MAX
		                                   : s->head.prefix,
		                        i };
}

/* Without a jump: who wins is a coin toss, which no processor foresees. */
static inline void swap_if(bool is_due, struct sfs_merge_node *a,
                           struct sfs_merge_node *b)
{
	uint64_t mask = -(uint64_t)is_due;
	uint64_t prefix = (a->prefix ^ b->prefix) & mask;
	uint32_t source = (a->source ^ b->source) & (uint32_t)mask;

	a->prefix ^= prefix;
	b->prefix ^= prefix;
	a->source ^= source;
	b->source ^= source;
}

/* A source has a new record: finds the winner, which goes to tree[0]. */
static inline void replay(struct sfs_merge *m, uint32_t source)
{
	struct sfs_merge_node winner = node_of(m, source);

	for (size_t i = (source + m->count) / 2; i > 0; i /= 2) {
		struct sfs_merge_node *other = &m->tree[i];
		bool is_lost = other->prefix < winner.prefix;

		if (__builtin_expect(other->prefix == winner.prefix, 0))
			is_lost = is_before(m, other->source, winner.source);
		swap_if(is_lost, other, &winner);
	}
	m->tree[0] = winner;
}

/* Each record goes up to the first node that nobody has lost at yet. */
static void plant(struct sfs_merge *m, uint32_t source)
{
	struct sfs_merge_node winner = node_of(m, source);
	struct sfs_merge_node other;
	size_t i;

	for (i = (source + m->count) / 2; i > 0; i /= 2) {
		other = m->tree[i];
		if (other.source == NO_SOURCE)
			break;
		if (other.prefix < winner.prefix ||
		    (other.prefix == winner.prefix &&
		     is_before(m, other.source, winner.source))) {
			m->tree[i] = winner;
			winner = other;
		}
	}
	m->tree[i] = winner;
}

static enum sfs_rc begin_walk(struct sfs_merge *m, const struct sfs_call *call,
                              struct sfs_err *err)
{
	enum sfs_rc rc = sfs_merge_rewind_sources(m, call, err);

	for (size_t i = 0; i < m->count; i++)
		m->tree[i] = (struct sfs_merge_node){ 0, NO_SOURCE };
	for (size_t i = 0; i < m->count && rc == SFS_OK; i++) {
		rc = advance(m, &m->sources[i], call, err);
		if (rc == SFS_OK)
			plant(m, (uint32_t)i);
	}
	return rc;
}

/* The group is complete: counts what is kept of it. */
static inline enum sfs_rc
end_group(struct sfs_merge *m, struct sfs_merge_walk *walk, struct sfs_err *err)
{
	const struct sfs_run_head *h = &m->first;

	if (!m->has_group)
		return SFS_OK;
	walk->total.count++;
	walk->total.tail_bytes += sfs_run_tail_len(h->key_len);
	walk->total.value_bytes += sfs_run_value_len(h->value_len);
	if (h->value_len == SFS_RUN_DELETE) {
		walk->counts.deletes += m->is_in_base;
		return SFS_OK;
	}
	walk->counts.rows++;
	walk->counts.value_bytes += h->value_len;
	walk->counts.changes += m->is_in_base && !m->is_same;
	walk->counts.adds += !m->is_in_base;
	if (walk->fn == NULL)
		return SFS_OK;
	return walk->fn(walk->arg, h->key_len, h->value_len, err);
}

static enum sfs_rc begin_group(struct sfs_merge *m,
                               const struct sfs_run_source *s,
                               struct sfs_err *err)
{
	size_t len = sfs_run_tail_len(s->head.key_len);
	enum sfs_rc rc;

	m->has_group = true;
	m->first = s->head;
	m->first_source = (uint32_t)(s - m->sources);
	m->first_value = s->value_at;
	m->is_in_base = s->is_base;
	m->is_same = s->is_base;
	if (len == 0)
		return SFS_OK;
	rc = sfs_run_big_reserve(&m->group_tail, len, err);
	if (rc == SFS_OK)
		memcpy(m->group_tail.data, s->tail, len);
	return rc;
}

static enum sfs_rc base_is_unsorted(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_CORRUPT, "the base's keys do not ascend");
}

/* The prefix is not behind the group's: is the record one of it? */
static enum sfs_rc join_group(struct sfs_merge *m,
                              const struct sfs_run_source *s, bool *is_new,
                              const struct sfs_call *call, struct sfs_err *err)
{
	int order = s->head.prefix < m->first.prefix ? -1 : 0;

	*is_new = true;
	if (!m->has_group)
		return SFS_OK;
	if (order == 0)
		order = compare_tails(s->tail, s->head.key_len,
		                      m->group_tail.data, m->first.key_len);
	if (order < 0 || (order == 0 && s->is_base && m->is_in_base))
		return base_is_unsorted(err);
	*is_new = order > 0;
	if (*is_new || !s->is_base)
		return SFS_OK;
	m->is_in_base = true;
	if (m->first.value_len == SFS_RUN_DELETE)
		return SFS_OK;
	return sfs_merge_is_same(m, &m->is_same, call, err);
}

static inline enum sfs_rc note(struct sfs_run_order *o, uint32_t source,
                               bool is_kept, struct sfs_err *err)
{
	if (o->len == o->cap) {
		enum sfs_rc rc = sfs_run_order_flush(o, err);

		if (rc != SFS_OK)
			return rc;
	}
	o->buf[o->len++] =
		(uint16_t)(source << 1 | (is_kept ? SFS_MERGE_KEPT : 0));
	o->count++;
	return SFS_OK;
}

/* Takes the winner's record into the order. */
static inline enum sfs_rc take_winner(struct sfs_merge *m,
                                      struct sfs_merge_walk *walk,
                                      bool drops_deletes,
                                      const struct sfs_call *call,
                                      struct sfs_err *err)
{
	uint32_t source = m->tree[0].source;
	const struct sfs_run_source *s = &m->sources[source];
	bool is_new = true;
	bool is_kept;
	enum sfs_rc rc = SFS_OK;

	if (!m->has_group || s->head.prefix <= m->first.prefix)
		rc = join_group(m, s, &is_new, call, err);
	if (rc == SFS_OK && is_new)
		rc = end_group(m, walk, err);
	if (rc == SFS_OK && is_new)
		rc = begin_group(m, s, err);
	if (rc != SFS_OK)
		return rc;
	is_kept = is_new &&
	          !(drops_deletes && s->head.value_len == SFS_RUN_DELETE);
	return note(&m->order, source, is_kept, err);
}

enum sfs_rc sfs_merge_walk_first(struct sfs_merge *m,
                                 struct sfs_merge_walk *walk,
                                 bool drops_deletes,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	uint64_t taken = 0;
	enum sfs_rc rc;

	m->has_group = false;
	sfs_run_order_reset(&m->order);
	rc = begin_walk(m, call, err);
	while (rc == SFS_OK && m->count > 0) {
		uint32_t source = m->tree[0].source;
		struct sfs_run_source *s = &m->sources[source];

		if (s->is_done)
			break;
		if (taken++ % SFS_MERGE_CHECK_EVERY == 0)
			rc = sfs_call_check(call, "merging", err);
		if (rc == SFS_OK)
			rc = take_winner(m, walk, drops_deletes, call, err);
		if (rc == SFS_OK)
			rc = advance(m, s, call, err);
		if (rc == SFS_OK)
			replay(m, source);
	}
	if (rc == SFS_OK)
		rc = end_group(m, walk, err);
	return rc;
}
