/* SPDX-License-Identifier: Apache-2.0 */
/* The digests in a manifest, taken out of its custom text once. */
#include "format/digests.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum { OURS_DEPTH = 1, MEMBER_DEPTH, DIGEST_DEPTH };

struct place {
	int depth;
	bool in_ours;
	bool in_digests;
	bool has_number; /* the member of digests that was named last */
	uint32_t db_id;
};

static void enter(struct place *at, const struct sfs_json_token *t,
                  uint32_t num_dbs)
{
	unsigned long number;
	char *end;

	if (at->depth == OURS_DEPTH)
		at->in_ours = strcmp(t->text, "shardyfs") == 0;
	if (at->depth == MEMBER_DEPTH)
		at->in_digests = at->in_ours && strcmp(t->text, "digests") == 0;
	if (at->depth != DIGEST_DEPTH || !at->in_ours || !at->in_digests)
		return;
	number = strtoul(t->text, &end, 10);
	at->has_number = end != t->text && *end == '\0' && number < num_dbs;
	at->db_id = at->has_number ? (uint32_t)number : 0;
}

static enum sfs_rc take(struct sfs_digests *d, const struct place *at,
                        const struct sfs_json_token *t, struct sfs_err *err)
{
	if (!at->has_number || at->depth != DIGEST_DEPTH)
		return SFS_OK;
	d->of[at->db_id] = sfs_arena_add(d->texts, t->text, t->len);
	if (d->of[at->db_id] != NULL)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_NO_MEMORY, "digests: out of memory");
}

static enum sfs_rc read_custom(const struct sfs_manifest *m,
                               struct sfs_digests *d, struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	struct place at = { 0 };
	enum sfs_rc rc;

	sfs_json_reader_init(&r, m->custom, strlen(m->custom));
	r.is_lax = true;
	while ((rc = sfs_json_next(&r, &t, err)) == SFS_OK &&
	       t.type != SFS_JSON_END) {
		if (t.type == SFS_JSON_STRING)
			rc = take(d, &at, &t, err);
		if (rc != SFS_OK)
			break;
		at.has_number = false;
		if (t.type == SFS_JSON_OBJECT_BEGIN && at.depth == OURS_DEPTH &&
		    at.in_ours)
			d->is_ours = true;
		if (t.type == SFS_JSON_OBJECT_BEGIN ||
		    t.type == SFS_JSON_ARRAY_BEGIN)
			at.depth++;
		if (t.type == SFS_JSON_OBJECT_END ||
		    t.type == SFS_JSON_ARRAY_END)
			at.depth--;
		if (t.type == SFS_JSON_KEY)
			enter(&at, &t, m->num_dbs);
	}
	sfs_json_reader_release(&r);
	return rc;
}

enum sfs_rc sfs_digests_read(const struct sfs_manifest *m,
                             struct sfs_digests *out, struct sfs_err *err)
{
	struct sfs_digests d = { 0 };
	enum sfs_rc rc = SFS_OK;

	d.texts = sfs_arena_new();
	d.of = sfs_calloc(m->num_dbs, sizeof(*d.of));
	if (d.texts == NULL || d.of == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY,
		                 "digests: out of memory");
	if (rc == SFS_OK)
		rc = read_custom(m, &d, err);
	if (rc != SFS_OK) {
		sfs_digests_release(&d);
		return rc;
	}
	*out = d;
	return SFS_OK;
}

void sfs_digests_release(struct sfs_digests *d)
{
	sfs_free(d->of);
	sfs_arena_free(d->texts);
	*d = (struct sfs_digests){ 0 };
}
