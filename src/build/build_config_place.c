/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of routing become a placement, when all of them were read. What
 * the file does not name stays as it was, but cel, ranges and sharding begin
 * anew: columns and values of another expression mean nothing.
 */
#include "build/build_config_internal.h"

#include "base/alloc.h"
#include "format/router.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void sfs_config_release_routing(struct sfs_config_reading *r)
{
	sfs_sharding_release(&r->routing.draft);
	sfs_buf_release(&r->routing.bounds);
	sfs_free(r->routing.bound_lines);
	r->routing = (struct sfs_config_routing){ 0 };
}

static bool is_given(const struct sfs_config_reading *r, size_t setting)
{
	return r->lines[setting] > 0;
}

/* What is refused next is about that setting. */
static void point_at(struct sfs_config_reading *r, size_t setting)
{
	r->name = sfs_build_setting_names[setting];
	r->line = r->lines[setting];
}

/* The first of them that the file names; SFS_SETTINGS: none. */
static size_t first_given(const struct sfs_config_reading *r)
{
	static const size_t settings[] = {
		SFS_SETTING_CEL,
		SFS_SETTING_CEL_COLUMNS,
		SFS_SETTING_ROUTING_VALUES,
		SFS_SETTING_RANGES,
		SFS_SETTING_SHARDING,
		SFS_SETTING_NUM_DBS,
		SFS_SETTING_MAX_KEYS_PER_SHARD,
		SFS_SETTING_KEY_ENCODING,
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (is_given(r, settings[i]))
			return settings[i];
	}
	return SFS_SETTINGS;
}

static enum sfs_rc refuse_both(struct sfs_config_reading *r, size_t a, size_t b,
                               struct sfs_err *err)
{
	point_at(r, a);
	return sfs_config_refuse(r, err,
	                         "contradicts %s in line %u; keep one of them",
	                         sfs_build_setting_names[b], r->lines[b]);
}

/* Each begins another way of routing. */
static enum sfs_rc check_one_way(struct sfs_config_reading *r,
                                 struct sfs_err *err)
{
	static const size_t of_cel[] = { SFS_SETTING_CEL,
		                         SFS_SETTING_CEL_COLUMNS,
		                         SFS_SETTING_ROUTING_VALUES };

	for (size_t i = 0; i < sizeof(of_cel) / sizeof(of_cel[0]); i++) {
		if (!is_given(r, of_cel[i]))
			continue;
		if (is_given(r, SFS_SETTING_RANGES))
			return refuse_both(r, SFS_SETTING_RANGES, of_cel[i],
			                   err);
		if (is_given(r, SFS_SETTING_SHARDING))
			return refuse_both(r, SFS_SETTING_SHARDING, of_cel[i],
			                   err);
	}
	if (is_given(r, SFS_SETTING_RANGES) &&
	    is_given(r, SFS_SETTING_SHARDING))
		return refuse_both(r, SFS_SETTING_SHARDING, SFS_SETTING_RANGES,
		                   err);
	return SFS_OK;
}

/* --- the number of shards ----------------------------------------------------- */

/* By hash, or ranges that the data tell: one of the two there must be. */
static void default_num_dbs(struct sfs_config_reading *r)
{
	if (r->c.num_dbs == 0 && r->c.max_keys_per_shard == 0)
		r->c.num_dbs = SFS_DEFAULT_NUM_DBS;
}

static enum sfs_rc refuse_num_dbs(struct sfs_config_reading *r, uint32_t shards,
                                  struct sfs_err *err)
{
	const bool is_values = r->c.placement->mode != SFS_PLACEMENT_BOUNDS;

	point_at(r, SFS_SETTING_NUM_DBS);
	if (shards == 0)
		return sfs_config_refuse(r, err,
		                         "contradicts routing_values: "
		                         "inferred, as the data tell the "
		                         "number; remove the line");
	return sfs_config_refuse(
		r, err,
		"is %" PRIu32 ", but there are %" PRIu32
		" %s; remove the line, or give sharding: hash to route by hash",
		r->c.num_dbs, shards, is_values ? "routing_values" : "ranges");
}

/* The number that the placement makes, or leaves to be found. */
static enum sfs_rc settle_num_dbs(struct sfs_config_reading *r, bool is_new,
                                  struct sfs_err *err)
{
	const struct sfs_placement *p = r->c.placement;
	uint32_t shards = sfs_placement_shards(p);
	bool is_direct = p->mode == SFS_PLACEMENT_DIRECT;

	if (p->mode == SFS_PLACEMENT_QUANTILES) {
		default_num_dbs(r);
		return SFS_OK;
	}
	if (is_given(r, SFS_SETTING_MAX_KEYS_PER_SHARD)) {
		point_at(r, SFS_SETTING_MAX_KEYS_PER_SHARD);
		return sfs_config_refuse(
			r, err,
			"is for hash and ranges: auto; with %s remove the "
			"line, or give sharding: hash to route by hash",
			p->mode == SFS_PLACEMENT_BOUNDS ? "bounds" : "cel");
	}
	r->c.max_keys_per_shard = 0;
	if (is_given(r, SFS_SETTING_NUM_DBS) && !is_direct &&
	    r->c.num_dbs != shards)
		return refuse_num_dbs(r, shards, err);
	if (!is_direct)
		r->c.num_dbs = shards;
	else if (is_new && !is_given(r, SFS_SETTING_NUM_DBS))
		r->c.num_dbs = 0;
	return SFS_OK;
}

/* --- expressions --------------------------------------------------------------- */

static enum sfs_rc refuse_compile(struct sfs_config_reading *r,
                                  const struct sfs_err *why,
                                  struct sfs_err *err)
{
	static const char prefix[] = "cel_expr: ";
	const char *text = why->msg;

	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	if (is_given(r, SFS_SETTING_CEL_COLUMNS) ||
	    !is_given(r, SFS_SETTING_CEL))
		return sfs_config_refuse(r, err, "%s", text);
	return sfs_config_refuse(r, err,
	                         "%.300s (columns besides key are to be named "
	                         "in cel_columns)",
	                         text);
}

/* Tokens of that kind are what routing values may be. */
static enum sfs_rc check_kind(struct sfs_config_reading *r,
                              enum sfs_cel_kind kind, struct sfs_err *err)
{
	const enum sfs_placement_mode mode = r->c.placement->mode;

	if (mode == SFS_PLACEMENT_DIRECT && kind == SFS_CEL_STRING)
		return sfs_config_refuse(
			r, err,
			"yields string, which is not the number of a shard; "
			"add routing_values: inferred, or a list of them");
	if (kind == SFS_CEL_BYTES)
		return sfs_config_refuse(
			r, err,
			"yields bytes, which shardyfusion cannot read as "
			"routing values; make it string or int, by string() "
			"or shard_hash()");
	return SFS_OK;
}

/* The expression with its columns, for keys of the encoding. */
static enum sfs_rc check_router(struct sfs_config_reading *r,
                                struct sfs_err *err)
{
	const struct sfs_placement *p = r->c.placement;
	struct sfs_router router;
	enum sfs_cel_kind kind;
	struct sfs_err why;
	enum sfs_rc rc;

	/* 0: what is wrong with the result is said in our words */
	rc = sfs_router_init(&router, &p->sharding, r->c.key_encoding, 0, &why);
	if (rc == SFS_E_NO_MEMORY)
		return sfs_err_set(err, rc, "%s", why.msg);
	if (rc != SFS_OK)
		return refuse_compile(r, &why, err);
	kind = sfs_cel_result_kind(router.program);
	sfs_router_release(&router);
	return check_kind(r, kind, err);
}

/* A column key, unless columns were given. */
static enum sfs_rc default_columns(struct sfs_config_reading *r,
                                   struct sfs_err *err)
{
	struct sfs_sharding *draft = &r->routing.draft;

	if (draft->column_count > 0)
		return SFS_OK;
	return sfs_sharding_add_column(
		draft, "key", 3, sfs_placement_key_kind(r->c.key_encoding),
		err);
}

/* What cel_columns or routing_values alone do not name. */
static enum sfs_rc inherit(struct sfs_config_reading *r, struct sfs_err *err)
{
	const struct sfs_placement *was = r->c.placement;
	struct sfs_sharding *draft = &r->routing.draft;
	enum sfs_rc rc;

	if (was == NULL || was->sharding.strategy != SFS_STRATEGY_CEL)
		return sfs_config_refuse(r, err,
		                         "is of use with an expression only; "
		                         "give cel, too");
	rc = sfs_sharding_set_expr(draft, was->sharding.expr.data,
	                           was->sharding.expr.len, err);
	for (size_t i = 0; rc == SFS_OK && i < was->sharding.column_count &&
	                   !is_given(r, SFS_SETTING_CEL_COLUMNS);
	     i++)
		rc = sfs_sharding_add_column(
			draft, was->sharding.columns[i].name,
			strlen(was->sharding.columns[i].name),
			was->sharding.columns[i].kind, err);
	if (is_given(r, SFS_SETTING_ROUTING_VALUES))
		return rc;
	r->routing.is_inferred = was->mode == SFS_PLACEMENT_INFERRED;
	for (size_t i = 0; rc == SFS_OK && i < was->sharding.token_count; i++)
		rc = sfs_sharding_add_token(draft, &was->sharding.tokens[i],
		                            err);
	return rc;
}

static enum sfs_rc place_cel(struct sfs_config_reading *r, size_t setting,
                             struct sfs_placement **out, struct sfs_err *err)
{
	struct sfs_config_routing *from = &r->routing;
	enum sfs_rc rc = SFS_OK;

	point_at(r, setting);
	if (!from->is_begun) /* routing_values: inferred, and no more */
		rc = sfs_sharding_init(&from->draft, SFS_STRATEGY_CEL, err);
	from->is_begun = rc == SFS_OK;
	if (rc == SFS_OK && setting != SFS_SETTING_CEL)
		rc = inherit(r, err);
	if (rc == SFS_OK)
		rc = default_columns(r, err);
	if (rc != SFS_OK)
		return rc;
	return sfs_placement_new(from->is_inferred ? SFS_PLACEMENT_INFERRED
	                         : from->draft.has_tokens
	                                 ? SFS_PLACEMENT_VALUES
	                                 : SFS_PLACEMENT_DIRECT,
	                         &from->draft, out, err);
}

/* --- ranges ---------------------------------------------------------------------- */

/* The bounds' lookup bytes, in room, from their names. */
static enum sfs_rc read_bounds(struct sfs_config_reading *r,
                               struct sfs_bytes *bounds, uint8_t *room,
                               struct sfs_err *err)
{
	const char *name = r->routing.bounds.data;
	size_t len;

	for (size_t i = 0; i < r->routing.bound_count; i++) {
		len = strlen(name);
		bounds[i].data = room;
		if (!sfs_key_from_name(r->c.key_encoding, name, len, room,
		                       &bounds[i].len)) {
			r->line = r->routing.bound_lines[i];
			return sfs_config_refuse(
				r, err, "bound \"%.60s\" is no %s key", name,
				sfs_key_encoding_text(r->c.key_encoding));
		}
		room += sfs_key_room(len);
		name += len + 1;
	}
	return SFS_OK;
}

static enum sfs_rc place_bounds(struct sfs_config_reading *r,
                                struct sfs_placement **out, struct sfs_err *err)
{
	const size_t count = r->routing.bound_count;
	struct sfs_bytes *bounds = sfs_calloc(count, sizeof(*bounds));
	/* names of integers are shorter than these */
	uint8_t *room = sfs_malloc(r->routing.bounds.len + count * 8);
	struct sfs_err why;
	enum sfs_rc rc;

	point_at(r, SFS_SETTING_SHARDING);
	if (bounds == NULL || room == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY,
		                 "config.yaml: out of memory");
	else
		rc = read_bounds(r, bounds, room, err);
	if (rc == SFS_OK) {
		rc = sfs_placement_new_bounds(r->c.key_encoding, bounds, count,
		                              out, &why);
		if (rc == SFS_E_INVALID || rc == SFS_E_TOO_BIG)
			rc = sfs_config_refuse(r, err, "%s", why.msg);
		else if (rc != SFS_OK)
			rc = sfs_err_set(err, rc, "%s", why.msg);
	}
	sfs_free(bounds);
	sfs_free(room);
	return rc;
}

/* --- all together ------------------------------------------------------------------ */

static enum sfs_rc place(struct sfs_config_reading *r, size_t setting,
                         struct sfs_placement **out, struct sfs_err *err)
{
	if (setting == SFS_SETTING_RANGES)
		return sfs_placement_new_quantiles(out, err);
	if (setting == SFS_SETTING_SHARDING && !r->routing.is_hash)
		return place_bounds(r, out, err);
	if (setting == SFS_SETTING_SHARDING)
		return SFS_OK;
	return place_cel(r, setting, out, err);
}

/* What the file names anew, unless it says what was there already. */
static enum sfs_rc take_new(struct sfs_config_reading *r, size_t setting,
                            bool *is_new, struct sfs_err *err)
{
	struct sfs_placement *made = NULL;
	enum sfs_rc rc = place(r, setting, &made, err);

	*is_new = rc == SFS_OK && !sfs_placement_is_same(made, r->c.placement);
	if (!*is_new) {
		sfs_placement_unref(made);
		return rc;
	}
	sfs_placement_unref(r->c.placement);
	r->c.placement = made;
	return SFS_OK;
}

/* Ranges from elsewhere, of keys that now are others. */
static enum sfs_rc check_bounds(struct sfs_config_reading *r,
                                struct sfs_err *err)
{
	const struct sfs_placement *p = r->c.placement;

	if (p->mode != SFS_PLACEMENT_BOUNDS || p->encoding == r->c.key_encoding)
		return SFS_OK;
	point_at(r, SFS_SETTING_KEY_ENCODING);
	return sfs_config_refuse(r, err,
	                         "the bounds are %s keys; give sharding, too",
	                         sfs_key_encoding_text(p->encoding));
}

enum sfs_rc sfs_config_finish_routing(struct sfs_config_reading *r,
                                      struct sfs_err *err)
{
	const size_t setting = first_given(r);
	bool is_new = false;
	enum sfs_rc rc;

	if (setting == SFS_SETTINGS)
		return SFS_OK;
	rc = check_one_way(r, err);
	if (rc == SFS_OK && setting <= SFS_SETTING_SHARDING &&
	    setting >= SFS_SETTING_CEL)
		rc = take_new(r, setting, &is_new, err);
	if (rc != SFS_OK)
		return rc;
	if (r->c.placement == NULL) {
		default_num_dbs(r);
		return SFS_OK;
	}
	rc = check_bounds(r, err);
	if (rc == SFS_OK)
		rc = settle_num_dbs(r, is_new, err);
	if (rc != SFS_OK || r->c.placement->sharding.expr.data == NULL)
		return rc;
	point_at(r, setting);
	return check_router(r, err);
}
