/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a build: the winners of its shards, and under "custom" what
 * config.yaml says and our own member "shardyfs": digests, parent, message,
 * tool.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX_BYTES = 64 << 10, MEMBERS_MAX = 256 };

static enum sfs_rc no_memory(struct sfs_err *err)
{
	return sfs_err_set(err, SFS_E_NO_MEMORY, "manifest: out of memory");
}

/* --- custom ------------------------------------------------------------- */

/* A member of an object: its name, and its value as raw JSON. */
struct member {
	char *name;
	const char *raw;
	size_t raw_len;
};

static int by_name(const void *a, const void *b)
{
	const struct member *x = a;
	const struct member *y = b;

	return strcmp(x->name, y->name);
}

static enum sfs_rc read_members(const char *text, struct member *out,
                                size_t *count, struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token token;
	enum sfs_rc rc;

	sfs_json_reader_init(&r, text, strlen(text));
	r.is_lax = true;
	rc = sfs_json_next(&r, &token, err);
	while (rc == SFS_OK) {
		rc = sfs_json_next(&r, &token, err);
		if (rc != SFS_OK || token.type != SFS_JSON_KEY)
			break;
		if (*count == MEMBERS_MAX) {
			rc = sfs_err_set(err, SFS_E_INVALID,
			                 "custom has more than %d members",
			                 MEMBERS_MAX);
			break;
		}
		out[*count].name = sfs_memdup0(token.text, token.len);
		if (out[*count].name == NULL)
			rc = no_memory(err);
		else
			rc = sfs_json_skip(&r, &out[*count].raw,
			                   &out[*count].raw_len, err);
		*count += out[*count].name != NULL;
	}
	sfs_json_reader_release(&r);
	return rc;
}

static void print_digests(const struct sfs_attempt_result *const *winners,
                          uint32_t num_dbs, struct sfs_json_printer *p)
{
	char name[16];

	sfs_json_object_begin(p);
	for (uint32_t i = 0; i < num_dbs; i++) {
		if (winners[i]->digest == NULL)
			continue;
		(void)snprintf(name, sizeof(name), "%" PRIu32, i);
		sfs_json_key(p, name);
		sfs_json_cstring(p, winners[i]->digest);
	}
	sfs_json_object_end(p);
}

/* Without its final newlines; NULL: none was written. */
static enum sfs_rc read_message(struct sfs_engine *e, struct sfs_buf *out,
                                bool *found, struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_files_read_top(e->files, "message", out, found, err);
	while (rc == SFS_OK && out->len > 0 && out->data[out->len - 1] == '\n')
		out->len--;
	return rc;
}

/* The member "shardyfs" as JSON. */
static enum sfs_rc print_ours(struct sfs_engine *e, const char *parent,
                              const struct sfs_attempt_result *const *winners,
                              struct sfs_buf *out, struct sfs_err *err)
{
	struct sfs_buf message = SFS_BUF_INIT(MESSAGE_MAX_BYTES);
	struct sfs_json_printer p;
	bool found = false;
	enum sfs_rc rc;

	rc = read_message(e, &message, &found, err);
	if (rc != SFS_OK)
		goto out;
	sfs_json_printer_init(&p, out, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "digests");
	print_digests(winners, e->num_dbs, &p);
	sfs_json_key(&p, "message");
	if (found)
		sfs_json_string(&p, message.len > 0 ? message.data : "",
		                message.len);
	else
		sfs_json_null(&p);
	sfs_json_key(&p, "parent");
	sfs_json_cstring(&p, parent);
	sfs_json_key(&p, "tool");
	sfs_json_cstring(&p, "shardyfs " PACKAGE_VERSION);
	sfs_json_object_end(&p);
	rc = sfs_buf_finish(out, "custom.shardyfs", err);
out:
	sfs_buf_release(&message);
	return rc;
}

static enum sfs_rc print_custom(struct sfs_engine *e, const char *parent,
                                const struct sfs_attempt_result *const *winners,
                                struct sfs_buf *out, struct sfs_err *err)
{
	struct sfs_buf ours = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct member *members;
	struct sfs_json_printer p;
	size_t count = 0;
	enum sfs_rc rc;

	members = sfs_calloc(MEMBERS_MAX + 1, sizeof(*members));
	if (members == NULL)
		return no_memory(err);
	rc = read_members(e->config.custom, members, &count, err);
	if (rc == SFS_OK)
		rc = print_ours(e, parent, winners, &ours, err);
	if (rc != SFS_OK)
		goto out;
	members[count].name = sfs_strdup("shardyfs");
	members[count].raw = ours.data;
	members[count++].raw_len = ours.len;
	if (members[count - 1].name == NULL) {
		rc = no_memory(err);
		goto out;
	}
	qsort(members, count, sizeof(*members), by_name);
	sfs_json_printer_init(&p, out, true, true);
	sfs_json_object_begin(&p);
	for (size_t i = 0; i < count; i++) {
		sfs_json_key(&p, members[i].name);
		sfs_json_raw(&p, members[i].raw, members[i].raw_len);
	}
	sfs_json_object_end(&p);
	rc = sfs_buf_finish(out, "custom", err);
out:
	for (size_t i = 0; i < count; i++)
		sfs_free(members[i].name);
	sfs_free(members);
	sfs_buf_release(&ours);
	return rc;
}

/* --- the manifest ------------------------------------------------------- */

static bool copy(char **out, const char *text)
{
	*out = sfs_strdup(text);
	return *out != NULL;
}

static const char *keep(struct sfs_manifest *m, const char *text, bool *ok)
{
	const char *kept;

	if (text == NULL)
		return NULL;
	kept = sfs_arena_add(m->strings, text, strlen(text));
	*ok = *ok && kept != NULL;
	return kept;
}

static bool fill_shards(struct sfs_manifest *m,
                        const struct sfs_attempt_result *const *winners)
{
	const struct sfs_attempt_result *w;
	bool ok = true;

	for (uint32_t i = 0; i < m->num_dbs; i++) {
		w = winners[i];
		m->shards[i] = (struct sfs_manifest_shard){
			.db_url = keep(m, w->db_url, &ok),
			.min_key = keep(m, w->min_key, &ok),
			.max_key = keep(m, w->max_key, &ok),
			.checkpoint_id = keep(m, w->checkpoint_id, &ok),
			.writer_info = keep(m, w->writer_info, &ok),
			.row_count = w->row_count,
			.db_bytes = w->db_bytes,
			.attempt = w->attempt,
		};
	}
	return ok;
}

static bool fill_meta(const struct sfs_engine *e,
                      const struct sfs_snapshot_id *id, struct sfs_manifest *m)
{
	static const char by_hash[] =
		"{\"cel_columns\": null, \"cel_expr\": null, "
		"\"hash_algorithm\": \"xxh3_64\", \"routing_values\": null, "
		"\"strategy\": \"hash\"}";

	const char *sharding = by_hash;

	if (e->has_base && e->base->sharding != NULL)
		sharding = e->base->sharding;
	else if (e->placement != NULL)
		sharding = e->placement->text;
	m->created_at_ns = id->published_at_ns;
	m->num_dbs = e->num_dbs;
	m->key_encoding = e->config.key_encoding;
	return copy(&m->run_id, e->run_id) &&
	       copy(&m->s3_prefix, e->context.url) &&
	       copy(&m->key_col, e->config.key_col) &&
	       copy(&m->shard_prefix, e->config.shard_prefix) &&
	       copy(&m->db_path_template, e->config.db_path_template) &&
	       copy(&m->sharding, sharding);
}

static enum sfs_rc select_winners(struct sfs_engine *e,
                                  const struct sfs_attempt_result ***out,
                                  struct sfs_err *err)
{
	struct sfs_attempt_result *results;
	const struct sfs_attempt_result **winners;
	size_t count = 0;
	enum sfs_rc rc;

	results = sfs_calloc(e->num_dbs, sizeof(*results));
	winners = sfs_calloc(e->num_dbs, sizeof(*winners));
	if (results == NULL || winners == NULL) {
		sfs_free(results);
		sfs_free(winners);
		return no_memory(err);
	}
	for (uint32_t i = 0; i < e->num_dbs; i++) {
		if (e->shards[i].state != SFS_SHARD_STALE)
			results[count++] = e->shards[i].result;
	}
	rc = sfs_winners_select(results, count, e->num_dbs, winners, err);
	for (uint32_t i = 0; rc == SFS_OK && i < e->num_dbs; i++)
		winners[i] = &e->shards[winners[i]->db_id].result;
	sfs_free(results);
	if (rc != SFS_OK)
		sfs_free(winners);
	else
		*out = winners;
	return rc;
}

enum sfs_rc sfs_engine_compose(struct sfs_engine *e,
                               const struct sfs_snapshot_id *id,
                               const char *parent, struct sfs_manifest **out,
                               struct sfs_err *err)
{
	struct sfs_buf custom = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	const struct sfs_attempt_result **winners = NULL;
	struct sfs_manifest *m = NULL;
	enum sfs_rc rc;

	rc = select_winners(e, &winners, err);
	if (rc == SFS_OK)
		rc = print_custom(e, parent, winners, &custom, err);
	if (rc != SFS_OK)
		goto out;
	rc = no_memory(err);
	m = sfs_calloc(1, sizeof(*m));
	if (m == NULL)
		goto out;
	m->strings = sfs_arena_new();
	m->shards = sfs_calloc(e->num_dbs, sizeof(*m->shards));
	m->custom = sfs_buf_detach(&custom);
	if (m->strings == NULL || m->shards == NULL || m->custom == NULL ||
	    !fill_meta(e, id, m) || !fill_shards(m, winners))
		goto out;
	/* what cannot be read again is not published */
	rc = sfs_sharding_parse(&m->routing, m->sharding, strlen(m->sharding),
	                        m->num_dbs, err);
out:
	sfs_buf_release(&custom);
	sfs_free(winners);
	if (rc != SFS_OK)
		sfs_manifest_free(m);
	else
		*out = m;
	return rc;
}
