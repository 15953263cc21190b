/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names in routes/ and where/. They are spelled like keys: integers in
 * decimal, texts percent-encoded.
 */
#include "fs/routing.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/keyname.h"
#include "base/log.h"
#include "format/tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 24 };

static const struct sfs_sharding *sharding_of(const struct sfs_snapshot *s)
{
	return &sfs_snapshot_manifest(s)->routing;
}

bool sfs_fs_has_routes(const struct sfs_snapshot *s)
{
	return sharding_of(s)->has_tokens;
}

bool sfs_fs_has_where(const struct sfs_snapshot *s)
{
	return sfs_snapshot_router(s)->needs_columns;
}

const char *sfs_fs_strategy(const struct sfs_snapshot *s)
{
	return sharding_of(s)->strategy == SFS_STRATEGY_CEL ? "cel" : "hash";
}

void sfs_fs_print_columns(const struct sfs_sharding *s, struct sfs_buf *out)
{
	for (size_t i = 0; i < s->column_count; i++)
		sfs_buf_printf(out, "%s%s:%s", i > 0 ? "," : "",
		               s->columns[i].name,
		               sfs_column_kind_text(s->columns[i].kind));
}

/* --- routes/ -------------------------------------------------------------- */

static bool is_text(const struct sfs_cel_value *token)
{
	return token->kind == SFS_CEL_STRING || token->kind == SFS_CEL_BYTES;
}

static void print_number(const struct sfs_cel_value *token,
                         char out[NUMBER_BYTES])
{
	if (token->kind == SFS_CEL_UINT)
		(void)snprintf(out, NUMBER_BYTES, "%llu",
		               (unsigned long long)token->as.uinteger);
	else
		(void)snprintf(out, NUMBER_BYTES, "%lld",
		               (long long)token->as.integer);
}

/* Only the one spelling that is listed. */
static bool read_number(const char *name, struct sfs_cel_value *out)
{
	char canonical[NUMBER_BYTES];

	errno = 0;
	out->kind = SFS_CEL_INT;
	out->as.integer = strtoll(name, NULL, 10);
	if (errno != 0) {
		errno = 0;
		out->kind = SFS_CEL_UINT;
		out->as.uinteger = strtoull(name, NULL, 10);
	}
	print_number(out, canonical);
	return errno == 0 && strcmp(name, canonical) == 0;
}

/* The text goes into new memory. */
static bool read_text(const char *name, enum sfs_cel_kind kind,
                      struct sfs_cel_value *out)
{
	size_t len = strlen(name);
	uint8_t *room = sfs_malloc(len + 1);

	out->kind = kind;
	out->as.text.data = (const char *)room;
	return room != NULL &&
	       sfs_keyname_decode(name, len, room, &out->as.text.len) &&
	       (kind == SFS_CEL_BYTES ||
	        sfs_utf8_is_valid(room, out->as.text.len));
}

bool sfs_routes_find(const struct sfs_snapshot *s, const char *name,
                     uint32_t *db_id_out)
{
	const struct sfs_token_index *index = sfs_snapshot_router(s)->tokens;
	const struct sfs_sharding *sharding = sharding_of(s);
	struct sfs_cel_value token = { .kind = SFS_CEL_INVALID };
	bool found;

	if (index == NULL || sharding->token_count == 0)
		return false;
	if (!is_text(&sharding->tokens[0]))
		return read_number(name, &token) &&
		       sfs_token_index_find(index, &token, db_id_out);
	found = read_text(name, sharding->tokens[0].kind, &token) &&
	        sfs_token_index_find(index, &token, db_id_out);
	sfs_free((void *)(uintptr_t)token.as.text.data);
	return found;
}

enum sfs_rc sfs_routes_name(const struct sfs_snapshot *s, uint32_t db_id,
                            char *out, size_t cap, size_t *len_out)
{
	const struct sfs_sharding *sharding = sharding_of(s);
	const struct sfs_cel_value *token;
	char number[NUMBER_BYTES];

	if (db_id >= sharding->token_count)
		return SFS_E_UNSUPPORTED;
	token = &sharding->tokens[db_id];
	if (is_text(token))
		return sfs_keyname_encode((const uint8_t *)token->as.text.data,
		                          token->as.text.len, out, cap,
		                          len_out);
	print_number(token, number);
	*len_out = strlen(number);
	if (*len_out >= cap)
		return SFS_E_NAME_TOO_LONG;
	memcpy(out, number, *len_out + 1);
	return SFS_OK;
}

size_t sfs_routes_target(uint32_t db_id, char *out, size_t cap)
{
	return (size_t)snprintf(out, cap, "../shards/%05u", db_id);
}

/* --- where/ --------------------------------------------------------------- */

bool sfs_fs_is_where(uint64_t node)
{
	return sfs_node_of(node).class == SFS_NODE_WHERE;
}

enum sfs_rc sfs_where_columns(const struct sfs_where_dir *dir,
                              struct sfs_columns *out, struct sfs_err *err)
{
	const struct sfs_sharding *s = sharding_of(dir->view->snapshot);
	enum sfs_rc rc = SFS_OK;
	const char *at;
	size_t len;

	sfs_columns_init(out);
	for (at = dir->path; rc == SFS_OK && *at != '\0'; at += len) {
		at += *at == '/';
		len = strcspn(at, "/");
		rc = sfs_columns_set_name(out, s, at, len, err);
	}
	return rc;
}

bool sfs_where_is_complete(const struct sfs_where_dir *dir)
{
	struct sfs_columns columns;
	bool is_complete;

	is_complete =
		sfs_where_columns(dir, &columns, NULL) == SFS_OK &&
		sfs_router_can_route(sfs_snapshot_router(dir->view->snapshot),
	                             &columns, NULL);
	sfs_columns_release(&columns);
	return is_complete;
}

void sfs_where_attr(struct sfs_fs *fs, const struct sfs_where_dir *dir,
                    struct sfs_attr *out)
{
	uint64_t ino = sfs_hash64(dir->path, strlen(dir->path));

	ino ^= sfs_mix64((uint64_t)dir->which << 1 | dir->is_keys);
	sfs_fs_dir_attr(fs, ino ^ dir->view->ino_seed,
	                sfs_fs_view_time(dir->view), out);
}

enum sfs_rc sfs_where_explain(struct sfs_fs *fs, const char *name,
                              struct sfs_err *err)
{
	err->rc = SFS_E_NOT_FOUND;
	if (name[0] == '.')
		return err->rc;
	sfs_fs_note_error(fs, "lookup", err);
	sfs_log(SFS_LOG_INFO, SFS_LOG_FS, "lookup failed rc=%s cause=\"%s\"",
	        sfs_rc_name(err->rc), err->msg);
	return err->rc;
}

static enum sfs_rc enter(struct sfs_fs *fs, const struct sfs_where_dir *dir,
                         struct sfs_entry *out, struct sfs_err *err)
{
	uint64_t number;

	if (!sfs_where_enter(fs->where, dir, &number))
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "where/: out of memory");
	out->node = sfs_node_number_id(SFS_NODE_WHERE, number);
	out->generation = dir->view->generation;
	out->entry_ttl = SFS_TTL_FOREVER;
	out->attr_ttl = SFS_TTL_FOREVER;
	sfs_where_attr(fs, dir, &out->attr);
	return SFS_OK;
}

/* keys, if the columns of the directory suffice. */
static enum sfs_rc enter_keys(struct sfs_fs *fs,
                              const struct sfs_where_dir *dir,
                              struct sfs_entry *out, struct sfs_err *err)
{
	const struct sfs_router *router =
		sfs_snapshot_router(dir->view->snapshot);
	struct sfs_where_dir keys = *dir;
	struct sfs_columns columns;
	const char *missing = NULL;
	enum sfs_rc rc;

	keys.is_keys = true;
	rc = sfs_where_columns(dir, &columns, err);
	if (rc == SFS_OK && sfs_router_can_route(router, &columns, &missing))
		rc = enter(fs, &keys, out, err);
	sfs_columns_release(&columns);
	if (rc != SFS_OK || missing == NULL)
		return rc;
	(void)sfs_err_set(err, SFS_E_NOT_FOUND,
	                  "where/%.100s: column %s is missing: which shard "
	                  "holds a key depends on it (%s=VALUE/keys)",
	                  dir->path, missing, missing);
	return sfs_where_explain(fs, "keys", err);
}

/* The path of a directory and one more column, checked; sfs_free() it. */
static enum sfs_rc add_column(const struct sfs_where_dir *dir, const char *name,
                              char **out, struct sfs_err *err)
{
	const struct sfs_sharding *s = sharding_of(dir->view->snapshot);
	size_t room = strlen(dir->path) + strlen(name) + 2;
	struct sfs_columns columns;
	enum sfs_rc rc;

	rc = sfs_where_columns(dir, &columns, err);
	if (rc == SFS_OK)
		rc = sfs_columns_set_name(&columns, s, name, strlen(name), err);
	sfs_columns_release(&columns);
	if (rc != SFS_OK)
		return rc;
	*out = sfs_malloc(room);
	if (*out == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "where/: out of memory");
	(void)snprintf(*out, room, "%s%s%s", dir->path,
	               dir->path[0] != '\0' ? "/" : "", name);
	return SFS_OK;
}

enum sfs_rc sfs_where_lookup(struct sfs_fs *fs, const struct sfs_where_dir *dir,
                             const char *name, struct sfs_entry *out,
                             struct sfs_err *err)
{
	struct sfs_where_dir child = *dir;
	enum sfs_rc rc;

	if (strcmp(name, "keys") == 0)
		return enter_keys(fs, dir, out, err);
	rc = add_column(dir, name, &child.path, err);
	if (rc == SFS_E_INVALID) {
		(void)sfs_err_wrap(err, "where/");
		return sfs_where_explain(fs, name, err);
	}
	if (rc != SFS_OK)
		return rc;
	rc = enter(fs, &child, out, err);
	sfs_free(child.path);
	return rc;
}
