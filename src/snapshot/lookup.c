/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking one key up: in the shard that it is routed to or, where routing
 * needs columns that nobody named, in all of them. One answer among all is
 * the answer; of several none is better than the others, since the same key
 * may be there with other columns.
 */
#include "snapshot/snapshot.h"

#include <stdio.h>
#include <string.h>

enum {
	NAMED_MAX = 6, /* shards named in a message */
	KEY_SHOWN_BYTES = 128,
};

/* What was found by asking shard after shard. */
struct search {
	struct sfs_snapshot *snapshot;
	const struct sfs_query *query;
	const struct sfs_call *call;
	uint32_t found;            /* by so many shards */
	uint32_t named[NAMED_MAX]; /* the first of them */
	struct sfs_hit first;
};

static enum sfs_rc ask_all(struct search *f, struct sfs_err *err)
{
	uint32_t num_dbs = sfs_snapshot_manifest(f->snapshot)->num_dbs;
	struct sfs_hit hit;
	enum sfs_rc rc;

	for (uint32_t i = 0; i < num_dbs; i++) {
		if (sfs_snapshot_shard_prefix(f->snapshot, i) == NULL)
			continue;
		rc = sfs_call_check(f->call, sfs_snapshot_text_id(f->snapshot),
		                    err);
		if (rc == SFS_OK)
			rc = sfs_snapshot_shard_get(f->snapshot, i,
			                            f->query->key, &hit,
			                            f->call, err);
		if (rc != SFS_OK)
			return rc;
		if (!hit.found)
			continue;
		if (f->found < NAMED_MAX)
			f->named[f->found] = i;
		if (f->found++ == 0)
			f->first = hit;
	}
	return SFS_OK;
}

/* "00001 (\"eu\"), 00004 (\"us\") and 3 more" */
static void name_shards(const struct search *f, struct sfs_buf *out)
{
	const struct sfs_sharding *s =
		&sfs_snapshot_manifest(f->snapshot)->routing;

	for (uint32_t i = 0; i < f->found && i < NAMED_MAX; i++) {
		sfs_buf_printf(out, "%s%05u", i > 0 ? ", " : "", f->named[i]);
		if (!s->has_tokens)
			continue;
		sfs_buf_puts(out, " (");
		sfs_cel_value_print(&s->tokens[f->named[i]], out);
		sfs_buf_puts(out, ")");
	}
	if (f->found > NAMED_MAX)
		sfs_buf_printf(out, " and %u more", f->found - NAMED_MAX);
}

static enum sfs_rc refuse(const struct search *f, struct sfs_err *err)
{
	struct sfs_buf shards = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	char name[KEY_SHOWN_BYTES];
	size_t len;

	if (sfs_key_to_name(sfs_snapshot_router(f->snapshot)->encoding,
	                    f->query->key, name, sizeof(name), &len) != SFS_OK)
		(void)snprintf(name, sizeof(name), "a key");
	name_shards(f, &shards);
	(void)sfs_err_set(err, SFS_E_AMBIGUOUS,
	                  "%s: %u shards hold the key: name its columns "
	                  "(where/COLUMN=VALUE/, --column) or one of the "
	                  "shards: %.250s",
	                  name, f->found,
	                  shards.failed == SFS_OK ? shards.data : "");
	sfs_buf_release(&shards);
	return SFS_E_AMBIGUOUS;
}

static enum sfs_rc search(struct sfs_snapshot *s, const struct sfs_query *query,
                          struct sfs_hit *hit, const struct sfs_call *call,
                          struct sfs_err *err)
{
	struct search f = { .snapshot = s, .query = query, .call = call };
	enum sfs_rc rc;

	rc = sfs_snapshot_check_fanout(s, err);
	if (rc == SFS_OK)
		rc = ask_all(&f, err);
	if (rc == SFS_OK && f.found > 1)
		rc = refuse(&f, err);
	if (rc == SFS_OK && f.found == 1)
		*hit = f.first;
	return rc;
}

enum sfs_rc sfs_snapshot_get(struct sfs_snapshot *s,
                             const struct sfs_query *query, struct sfs_hit *hit,
                             const struct sfs_call *call, struct sfs_err *err)
{
	const struct sfs_router *router = sfs_snapshot_router(s);
	struct sfs_route route;
	enum sfs_rc rc;

	*hit = (struct sfs_hit){ .db_id = SFS_NO_SHARD };
	if (!sfs_router_can_route(router, query->columns, NULL))
		return search(s, query, hit, call, err);
	rc = sfs_router_route(router, query->key, query->columns, &route, err);
	if (rc != SFS_OK || !route.is_known)
		return rc;
	return sfs_snapshot_shard_get(s, route.db_id, query->key, hit, call,
	                              err);
}
