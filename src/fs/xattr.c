/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes "user.shardyfs.*". They can be read wherever they make
 * sense, but are listed on the root only: tools that copy attributes would
 * otherwise carry them to places where they are a lie.
 */
#include "fs/routing.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/digest.h"

#include <string.h>
#include <unistd.h>

static const char NAMESPACE[] = "user.shardyfs.";

enum { READ_BYTES = 128 << 10 };

/* The question: which attribute of what. */
struct asked {
	struct sfs_fs *fs;
	struct sfs_view *view;
	struct sfs_place place; /* of keys */
	const struct sfs_call *call;
	struct sfs_buf *out;
	struct sfs_err *err;
};

static enum sfs_rc print_key_hex(const struct asked *a)
{
	struct sfs_pair_info info;
	uint8_t *key;
	size_t cap = 0;
	size_t len = 0;
	enum sfs_rc rc;

	rc = sfs_snapshot_at(&a->place, &info, NULL, 0, &cap, a->call, a->err);
	if (rc != SFS_OK)
		return rc;
	key = sfs_malloc(cap);
	if (key == NULL)
		return sfs_err_set(a->err, SFS_E_NO_MEMORY, "out of memory");
	rc = sfs_snapshot_at(&a->place, &info, key, cap, &len, a->call, a->err);
	if (rc == SFS_OK && len != cap)
		rc = sfs_err_set(a->err, SFS_E_STALE,
		                 "the shard was overwritten");
	for (size_t i = 0; rc == SFS_OK && i < len; i++)
		sfs_buf_printf(a->out, "%02x", key[i]);
	sfs_free(key);
	return rc;
}

static enum sfs_rc hash_value(const struct asked *a, struct sfs_digest *digest,
                              char *buf)
{
	uint64_t offset = 0;
	size_t got = 0;
	enum sfs_rc rc;

	do {
		rc = sfs_snapshot_read(&a->place, offset, buf, READ_BYTES, &got,
		                       a->call, a->err);
		if (rc == SFS_OK)
			rc = sfs_digest_add(digest, buf, got, a->err);
		offset += got;
	} while (rc == SFS_OK && got == READ_BYTES);
	return rc;
}

static enum sfs_rc print_value_sha256(const struct asked *a)
{
	char hex[SFS_DIGEST_HEX_BYTES];
	struct sfs_digest digest = { NULL };
	char *buf = sfs_malloc(READ_BYTES);
	enum sfs_rc rc;

	if (buf == NULL)
		return sfs_err_set(a->err, SFS_E_NO_MEMORY, "out of memory");
	rc = sfs_digest_begin(&digest, a->err);
	if (rc == SFS_OK)
		rc = hash_value(a, &digest, buf);
	if (rc == SFS_OK)
		rc = sfs_digest_finish(&digest, hex, a->err);
	if (rc == SFS_OK)
		sfs_buf_puts(a->out, hex);
	sfs_digest_release(&digest);
	sfs_free(buf);
	return rc;
}

static enum sfs_rc print_shard(const struct asked *a)
{
	sfs_buf_printf(a->out, "%u", a->place.db_id);
	return SFS_OK;
}

static enum sfs_rc print_encoding(const struct asked *a)
{
	sfs_buf_puts(a->out,
	             sfs_key_encoding_text(
			     sfs_snapshot_router(a->view->snapshot)->encoding));
	return SFS_OK;
}

static enum sfs_rc print_snapshot(const struct asked *a)
{
	sfs_buf_puts(a->out, sfs_snapshot_text_id(a->view->snapshot));
	return SFS_OK;
}

static enum sfs_rc print_run_id(const struct asked *a)
{
	sfs_buf_puts(a->out, sfs_snapshot_id_of(a->view->snapshot)->run_id);
	return SFS_OK;
}

static enum sfs_rc print_published_at(const struct asked *a)
{
	char text[SFS_TIME_BYTES];

	sfs_time_format(sfs_fs_view_time(a->view), text);
	sfs_buf_puts(a->out, text);
	return SFS_OK;
}

static enum sfs_rc print_num_dbs(const struct asked *a)
{
	sfs_buf_printf(a->out, "%u",
	               sfs_snapshot_manifest(a->view->snapshot)->num_dbs);
	return SFS_OK;
}

static enum sfs_rc print_rows(const struct asked *a)
{
	sfs_buf_printf(a->out, "%llu",
	               (unsigned long long)sfs_manifest_rows(
			       sfs_snapshot_manifest(a->view->snapshot)));
	return SFS_OK;
}

static enum sfs_rc print_strategy(const struct asked *a)
{
	sfs_buf_puts(a->out, sfs_fs_strategy(a->view->snapshot));
	return SFS_OK;
}

static const struct sfs_sharding *sharding_of(const struct asked *a)
{
	return &sfs_snapshot_manifest(a->view->snapshot)->routing;
}

static enum sfs_rc print_expression(const struct asked *a)
{
	const struct sfs_cel_text *expr = &sharding_of(a)->expr;

	sfs_buf_add(a->out, expr->data, expr->len);
	return SFS_OK;
}

static enum sfs_rc print_columns(const struct asked *a)
{
	sfs_fs_print_columns(sharding_of(a), a->out);
	return SFS_OK;
}

/* As in routes/. */
static enum sfs_rc print_routing_value(const struct asked *a)
{
	char name[SFS_FS_NAME_MAX + 1];
	size_t len;

	if (sfs_routes_name(a->view->snapshot, a->place.db_id, name,
	                    sizeof(name), &len) != SFS_OK)
		return sfs_err_set(a->err, SFS_E_NO_ATTR,
		                   "the routing value is too long");
	sfs_buf_add(a->out, name, len);
	return SFS_OK;
}

static enum sfs_rc print_version(const struct asked *a)
{
	sfs_buf_puts(a->out, PACKAGE_VERSION);
	return SFS_OK;
}

static enum sfs_rc print_pid(const struct asked *a)
{
	sfs_buf_printf(a->out, "%ld", (long)getpid());
	return SFS_OK;
}

static enum sfs_rc print_last_refresh(const struct asked *a)
{
	struct sfs_tracker_status status;
	char text[SFS_TIME_BYTES];

	sfs_tracker_get_status(a->fs->config.tracker, &status);
	sfs_time_format(status.last_success_ns, text);
	sfs_buf_puts(a->out, text);
	return SFS_OK;
}

enum scope {
	SCOPE_ROOT = 1 << 0,
	SCOPE_SNAPSHOT = 1 << 1, /* anything in a snapshot, and the root */
	SCOPE_SHARD = 1 << 2,    /* anything in a shard */
	SCOPE_KEY = 1 << 3,
	SCOPE_CEL = 1 << 4,   /* anything in a snapshot that routes by CEL */
	SCOPE_ROUTE = 1 << 5, /* anything in a shard with a routing value */
};

static const struct attribute {
	const char *name;
	unsigned scopes;
	enum sfs_rc (*print)(const struct asked *a);
} attributes[] = {
	{ "snapshot", SCOPE_SNAPSHOT, print_snapshot },
	{ "run_id", SCOPE_SNAPSHOT, print_run_id },
	{ "published_at", SCOPE_SNAPSHOT, print_published_at },
	{ "num_dbs", SCOPE_SNAPSHOT, print_num_dbs },
	{ "rows", SCOPE_SNAPSHOT, print_rows },
	{ "key_encoding", SCOPE_SNAPSHOT, print_encoding },
	{ "strategy", SCOPE_SNAPSHOT, print_strategy },
	{ "expression", SCOPE_CEL, print_expression },
	{ "columns", SCOPE_CEL, print_columns },
	{ "last_refresh", SCOPE_ROOT, print_last_refresh },
	{ "pid", SCOPE_ROOT, print_pid },
	{ "version", SCOPE_ROOT, print_version },
	{ "shard", SCOPE_SHARD, print_shard },
	{ "routing_value", SCOPE_ROUTE, print_routing_value },
	{ "key_hex", SCOPE_KEY, print_key_hex },
	{ "value_sha256", SCOPE_KEY, print_value_sha256 },
};

enum { ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

/* Whether there is a program to route by. */
static bool is_cel(const struct sfs_snapshot *s)
{
	return sfs_snapshot_router(s)->program != NULL;
}

static enum sfs_rc enter_where(struct asked *a, uint64_t number)
{
	struct sfs_where_dir dir;
	enum sfs_rc rc;

	rc = sfs_where_get(a->fs->where, number, &dir, a->err);
	if (rc != SFS_OK)
		return rc;
	a->view = dir.view;
	sfs_view_add(a->view, 1);
	sfs_where_release(a->fs->where, &dir);
	return SFS_OK;
}

static enum sfs_rc enter_snapshot_dir(struct asked *a, uint64_t number)
{
	const char *id = sfs_intern_name(a->fs->snapshot_ids, number);

	if (id == NULL)
		return sfs_err_set(a->err, SFS_E_STALE, "no such node");
	return sfs_fs_enter_id(a->fs, id, &a->view, a->call, a->err);
}

/* The view that a node lies in, with a reference, or NULL. */
static enum sfs_rc enter_view(struct asked *a, uint64_t id)
{
	struct sfs_node n = sfs_node_of(id);
	enum sfs_rc rc = SFS_OK;

	switch (n.class) {
	case SFS_NODE_STATIC:
		if (id == SFS_FS_ROOT)
			rc = sfs_fs_enter_current(a->fs, &a->view, a->err);
		break;
	case SFS_NODE_WHERE:
		rc = enter_where(a, n.number);
		break;
	case SFS_NODE_SNAPSHOT_DIR:
		rc = enter_snapshot_dir(a, n.number);
		break;
	case SFS_NODE_RUN_DIR:
	case SFS_NODE_FROZEN:
	case SFS_NODE_STAGED:
		break;
	case SFS_NODE_OF_SNAPSHOT:
	case SFS_NODE_KEY:
		rc = sfs_fs_enter_node(a->fs, &n, &a->view, a->err);
		break;
	}
	return rc;
}

/* What the node offers; its view in a, with a reference, or NULL. */
static enum sfs_rc find_scopes(struct asked *a, uint64_t id, unsigned *scopes)
{
	struct sfs_node n = sfs_node_of(id);
	enum sfs_rc rc;

	*scopes = id == SFS_FS_ROOT ? SCOPE_ROOT : 0;
	rc = enter_view(a, id);
	if (rc != SFS_OK || a->view == NULL)
		return rc;
	*scopes |= SCOPE_SNAPSHOT;
	if (is_cel(a->view->snapshot))
		*scopes |= SCOPE_CEL;
	a->place.snapshot = a->view->snapshot;
	a->place.locator = n.locator;
	if (n.class == SFS_NODE_KEY || (n.class == SFS_NODE_OF_SNAPSHOT &&
	                                sfs_node_is_shard_level(n.what))) {
		*scopes |= SCOPE_SHARD;
		if (sfs_fs_has_routes(a->view->snapshot))
			*scopes |= SCOPE_ROUTE;
		rc = sfs_fs_shard_of(a->view, &n, &a->place.db_id, a->err);
	}
	if (n.class == SFS_NODE_KEY)
		*scopes |= SCOPE_KEY;
	return rc;
}

static enum sfs_rc answer(struct asked *a, uint64_t node, const char *name)
{
	unsigned scopes = 0;
	enum sfs_rc rc;

	rc = find_scopes(a, node, &scopes);
	if (rc != SFS_OK)
		return rc;
	for (int i = 0; i < ATTRIBUTES; i++) {
		if ((attributes[i].scopes & scopes) != 0 &&
		    strcmp(attributes[i].name, name) == 0)
			return attributes[i].print(a);
	}
	return sfs_err_set(a->err, SFS_E_NO_ATTR, "user.shardyfs.%s: not here",
	                   name);
}

enum sfs_rc sfs_fs_getxattr(struct sfs_fs *fs, uint64_t node, const char *name,
                            struct sfs_buf *out, const struct sfs_call *call,
                            struct sfs_err *err)
{
	struct asked a = { .fs = fs, .call = call, .out = out, .err = err };
	size_t prefix = strlen(NAMESPACE);
	enum sfs_rc rc;

	/*
	 * The kernel asks for capabilities before a write and wants a plain
	 * no. "Unsupported" for the others keeps ls -l from asking for the
	 * SELinux context of every single file.
	 */
	if (strcmp(name, "security.capability") == 0)
		return sfs_err_set(err, SFS_E_NO_ATTR, "%s: none", name);
	if (strncmp(name, "user.", 5) != 0)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "%s: only user.* attributes exist", name);
	if (strncmp(name, NAMESPACE, prefix) != 0)
		return sfs_err_set(err, SFS_E_NO_ATTR, "%s: none", name);
	rc = answer(&a, node, name + prefix);
	if (a.view != NULL)
		sfs_views_leave(fs->views, a.view, 1);
	if (rc == SFS_OK)
		rc = sfs_buf_finish(out, name, err);
	return rc;
}

void sfs_fs_listxattr(struct sfs_fs *fs, uint64_t node, struct sfs_buf *out)
{
	unsigned wanted = SCOPE_ROOT;
	struct sfs_snapshot *s;

	if (node != SFS_FS_ROOT)
		return;
	s = sfs_tracker_current(fs->config.tracker, NULL);
	if (s != NULL)
		wanted |= SCOPE_SNAPSHOT;
	if (s != NULL && is_cel(s))
		wanted |= SCOPE_CEL;
	sfs_snapshot_unref(s);
	for (int i = 0; i < ATTRIBUTES; i++) {
		if ((attributes[i].scopes & wanted) == 0)
			continue;
		sfs_buf_puts(out, NAMESPACE);
		sfs_buf_puts(out, attributes[i].name);
		sfs_buf_putc(out, '\0');
	}
}
