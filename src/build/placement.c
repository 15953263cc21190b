/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How keys are placed, as one object that settings, engine and manifest share.
 * A base's is kept with its very text, since readers compare texts.
 */
#include "build/placement.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "format/ranges.h"
#include "format/router.h"

#include <string.h>

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "routing: out of memory");
}

struct sfs_placement *sfs_placement_ref(struct sfs_placement *p)
{
	if (p != NULL)
		atomic_fetch_add(&p->refs, 1);
	return p;
}

void sfs_placement_unref(struct sfs_placement *p)
{
	if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	sfs_sharding_release(&p->sharding);
	sfs_free(p->bounds);
	sfs_free(p->text);
	sfs_free(p);
}

static enum sfs_rc print_text(struct sfs_placement *p, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	enum sfs_rc rc;

	sfs_sharding_print(&p->sharding, &text);
	rc = sfs_buf_finish(&text, "sharding", err);
	if (rc == SFS_OK)
		p->text = sfs_buf_detach(&text);
	sfs_buf_release(&text);
	return rc;
}

enum sfs_rc sfs_placement_new(enum sfs_placement_mode mode,
                              struct sfs_sharding *sharding,
                              struct sfs_placement **out, struct sfs_err *err)
{
	struct sfs_placement *p = sfs_calloc(1, sizeof(*p));
	enum sfs_rc rc = SFS_OK;

	*out = NULL;
	if (p == NULL) {
		sfs_sharding_release(sharding);
		return no_memory(err);
	}
	atomic_init(&p->refs, 1);
	p->mode = mode;
	p->sharding = *sharding;
	*sharding = (struct sfs_sharding){ 0 };
	if (mode == SFS_PLACEMENT_DIRECT || mode == SFS_PLACEMENT_VALUES ||
	    mode == SFS_PLACEMENT_BOUNDS)
		rc = print_text(p, err);
	if (rc != SFS_OK)
		sfs_placement_unref(p);
	else
		*out = p;
	return rc;
}

enum sfs_rc sfs_placement_new_quantiles(struct sfs_placement **out,
                                        struct sfs_err *err)
{
	struct sfs_sharding sharding;
	enum sfs_rc rc = sfs_sharding_init(&sharding, SFS_STRATEGY_HASH, err);

	*out = NULL;
	if (rc != SFS_OK)
		return rc;
	return sfs_placement_new(SFS_PLACEMENT_QUANTILES, &sharding, out, err);
}

/* --- ranges --------------------------------------------------------------- */

enum sfs_cel_kind sfs_placement_key_kind(enum sfs_key_encoding encoding)
{
	switch (encoding) {
	case SFS_KEY_U64BE:
	case SFS_KEY_U32BE:
		return SFS_CEL_INT;
	case SFS_KEY_UTF8:
		return SFS_CEL_STRING;
	case SFS_KEY_RAW:
		return SFS_CEL_BYTES;
	case SFS_KEY_INVALID:
		break;
	}
	return SFS_CEL_INVALID;
}

/* All keys in one shard. */
static enum sfs_rc one_range(enum sfs_key_encoding encoding,
                             struct sfs_sharding *out, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_sharding_init(out, SFS_STRATEGY_CEL, err);

	if (rc == SFS_OK)
		rc = sfs_sharding_set_expr(out, "0", 1, err);
	if (rc == SFS_OK)
		rc = sfs_sharding_add_column(
			out, "key", 3, sfs_placement_key_kind(encoding), err);
	return rc;
}

static enum sfs_rc keep_bounds(struct sfs_placement *p,
                               const struct sfs_bytes *bounds, size_t count,
                               struct sfs_err *err)
{
	char *copy;

	if (count == 0)
		return SFS_OK;
	p->bounds = sfs_calloc(count, sizeof(*p->bounds));
	if (p->bounds == NULL)
		return no_memory(err);
	p->bound_count = count;
	for (size_t i = 0; i < count; i++) {
		copy = sfs_arena_add(p->sharding.arena, bounds[i].data,
		                     bounds[i].len);
		if (copy == NULL)
			return no_memory(err);
		p->bounds[i] = (struct sfs_bytes){ (const uint8_t *)copy,
			                           bounds[i].len };
	}
	return SFS_OK;
}

enum sfs_rc sfs_placement_new_bounds(enum sfs_key_encoding encoding,
                                     const struct sfs_bytes *bounds,
                                     size_t count, struct sfs_placement **out,
                                     struct sfs_err *err)
{
	struct sfs_sharding sharding = { 0 };
	enum sfs_rc rc;

	*out = NULL;
	rc = count == 0 ? one_range(encoding, &sharding, err)
	                : sfs_ranges_sharding(encoding, bounds, count,
	                                      &sharding, err);
	if (rc != SFS_OK) {
		sfs_sharding_release(&sharding);
		return rc;
	}
	rc = sfs_placement_new(SFS_PLACEMENT_BOUNDS, &sharding, out, err);
	if (rc == SFS_OK) {
		(*out)->encoding = encoding;
		rc = keep_bounds(*out, bounds, count, err);
	}
	if (rc != SFS_OK) {
		sfs_placement_unref(*out);
		*out = NULL;
	}
	return rc;
}

uint32_t sfs_placement_range(const struct sfs_placement *p,
                             struct sfs_bytes key)
{
	size_t low = 0; /* bounds that are not above the key */
	size_t high = p->bound_count;
	size_t middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (sfs_bytes_compare(key, p->bounds[middle]) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return (uint32_t)low;
}

/* --- routing values ------------------------------------------------------- */

enum sfs_rc sfs_sharding_copy_form(const struct sfs_sharding *from,
                                   struct sfs_sharding *to, struct sfs_err *err)
{
	enum sfs_rc rc = sfs_sharding_init(to, SFS_STRATEGY_CEL, err);

	if (rc == SFS_OK)
		rc = sfs_sharding_set_expr(to, from->expr.data, from->expr.len,
		                           err);
	for (size_t i = 0; rc == SFS_OK && i < from->column_count; i++)
		rc = sfs_sharding_add_column(to, from->columns[i].name,
		                             strlen(from->columns[i].name),
		                             from->columns[i].kind, err);
	return rc;
}

enum sfs_rc sfs_placement_new_values(const struct sfs_placement *inferred,
                                     const struct sfs_cel_value *values,
                                     size_t count, struct sfs_placement **out,
                                     struct sfs_err *err)
{
	struct sfs_sharding sharding;
	enum sfs_rc rc;

	*out = NULL;
	rc = sfs_sharding_copy_form(&inferred->sharding, &sharding, err);
	for (size_t i = 0; rc == SFS_OK && i < count; i++)
		rc = sfs_sharding_add_token(&sharding, &values[i], err);
	if (rc == SFS_OK)
		return sfs_placement_new(SFS_PLACEMENT_VALUES, &sharding, out,
		                         err);
	sfs_sharding_release(&sharding);
	return rc;
}

/* --- the base's ------------------------------------------------------------ */

static enum sfs_rc check_base(const struct sfs_manifest *base,
                              const struct sfs_sharding *sharding,
                              struct sfs_err *err)
{
	struct sfs_router router;
	struct sfs_err why;

	if (sharding->token_count > 0 &&
	    sharding->tokens[0].kind == SFS_CEL_BYTES)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "the routing_values of the base are bytes, "
		                   "which cannot be written: build without it");
	if (sharding->has_tokens && sharding->token_count == 0)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "the base has no routing value at all, so "
		                   "that no key has a place: build without it");
	if (sfs_router_init(&router, sharding, base->key_encoding,
	                    base->num_dbs, &why) != SFS_OK)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "of the base: %.300s: build without it",
		                   why.msg);
	sfs_router_release(&router);
	return SFS_OK;
}

enum sfs_rc sfs_placement_of_base(const struct sfs_manifest *base,
                                  struct sfs_placement **out,
                                  struct sfs_err *err)
{
	struct sfs_sharding sharding;
	enum sfs_rc rc;
	char *text;

	*out = NULL;
	if (base->routing.strategy == SFS_STRATEGY_HASH)
		return SFS_OK;
	rc = sfs_sharding_parse(&sharding, base->sharding,
	                        strlen(base->sharding), base->num_dbs, err);
	if (rc == SFS_OK)
		rc = check_base(base, &sharding, err);
	if (rc != SFS_OK) {
		sfs_sharding_release(&sharding);
		return rc;
	}
	rc = sfs_placement_new(sharding.has_tokens ? SFS_PLACEMENT_VALUES
	                                           : SFS_PLACEMENT_DIRECT,
	                       &sharding, out, err);
	if (rc != SFS_OK)
		return rc;
	text = sfs_strdup(base->sharding);
	if (text == NULL) {
		sfs_placement_unref(*out);
		*out = NULL;
		return no_memory(err);
	}
	sfs_free((*out)->text);
	(*out)->text = text;
	return SFS_OK;
}

/* --- questions ------------------------------------------------------------- */

bool sfs_placement_is_same(const struct sfs_placement *a,
                           const struct sfs_placement *b)
{
	struct sfs_buf x = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_buf y = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	bool is_same;

	if (a == b || a == NULL || b == NULL)
		return a == b;
	sfs_sharding_print(&a->sharding, &x);
	sfs_sharding_print(&b->sharding, &y);
	/* a base knows ranges as an expression only */
	is_same =
		(a->mode == b->mode || (a->text != NULL && b->text != NULL)) &&
		x.failed == SFS_OK && y.failed == SFS_OK && x.len == y.len &&
		memcmp(x.data, y.data, x.len) == 0;
	sfs_buf_release(&x);
	sfs_buf_release(&y);
	return is_same;
}

uint32_t sfs_placement_shards(const struct sfs_placement *p)
{
	if (p != NULL && p->mode == SFS_PLACEMENT_VALUES)
		return (uint32_t)p->sharding.token_count;
	if (p != NULL && p->mode == SFS_PLACEMENT_BOUNDS)
		return (uint32_t)p->bound_count + 1;
	return 0;
}

bool sfs_placement_needs_survey(const struct sfs_placement *p, uint32_t num_dbs)
{
	return p != NULL && (p->mode == SFS_PLACEMENT_INFERRED ||
	                     p->mode == SFS_PLACEMENT_QUANTILES ||
	                     (p->mode == SFS_PLACEMENT_DIRECT && num_dbs == 0));
}

const char *sfs_placement_text(const struct sfs_placement *p)
{
	if (p == NULL)
		return "hash";
	switch (p->mode) {
	case SFS_PLACEMENT_DIRECT:
		return "cel";
	case SFS_PLACEMENT_VALUES:
		return "cel, routing values";
	case SFS_PLACEMENT_INFERRED:
		return "cel, inferred routing values";
	case SFS_PLACEMENT_BOUNDS:
		return "ranges";
	case SFS_PLACEMENT_QUANTILES:
		return "ranges, automatic";
	}
	return "";
}
