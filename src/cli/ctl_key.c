/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route, path and key: from names to shards, and between keys and names.
 * None of them looks a key up.
 */
#include "cli/ctl.h"

#include "base/alloc.h"
#include "base/hex.h"

#include <string.h>

static enum sfs_key_encoding encoding_of(const struct sfs_snapshot *s)
{
	return sfs_snapshot_manifest(s)->key_encoding;
}

static const struct sfs_sharding *sharding_of(const struct sfs_snapshot *s)
{
	return &sfs_snapshot_manifest(s)->routing;
}

/* The canonical name; sfs_free() it. */
static enum sfs_rc name_of(enum sfs_key_encoding encoding, struct sfs_bytes key,
                           char **out, struct sfs_err *err)
{
	size_t cap = key.len * 3 + 32;
	char *name = sfs_malloc(cap);
	enum sfs_rc rc;
	size_t len;

	if (name == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	rc = sfs_key_to_name(encoding, key, name, cap, &len);
	if (rc != SFS_OK) {
		sfs_free(name);
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%zu bytes that are no %s key", key.len,
		                   sfs_key_encoding_text(encoding));
	}
	*out = name;
	return SFS_OK;
}

/* How a key was routed, for printing. */
struct told {
	const struct sfs_ctl_args *args;
	struct sfs_snapshot *snapshot;
	const char *name;
	struct sfs_route route;
	const char *path; /* NULL: no shard has it */
};

static void print_route_json(const struct told *t, struct sfs_buf *out)
{
	const uint32_t db_id = t->route.db_id;
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, out, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "key");
	sfs_json_cstring(&p, t->name);
	sfs_json_key(&p, "shard");
	if (t->route.is_known)
		sfs_json_uint(&p, db_id);
	else
		sfs_json_null(&p);
	sfs_json_key(&p, "path");
	sfs_json_cstring(&p, t->path);
	sfs_json_key(&p, "is_empty");
	sfs_json_bool(&p, t->path == NULL ||
	                          sfs_snapshot_shard_prefix(t->snapshot,
	                                                    db_id) == NULL);
	if (t->route.token.kind != SFS_CEL_INVALID) {
		sfs_json_key(&p, "routing_value");
		sfs_ctl_json_cel(&p, &t->route.token);
	}
	sfs_json_object_end(&p);
	sfs_buf_putc(out, '\n');
}

static int print_route(struct told *t)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_buf path = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	int status = t->route.is_known ? SFS_CTL_OK : SFS_CTL_NO;
	struct sfs_err err;

	if (t->route.is_known) {
		sfs_buf_printf(&path, "shards/%05u/keys/%s", t->route.db_id,
		               t->name);
		t->path = path.data;
	} else {
		(void)sfs_route_refuse(sfs_snapshot_router(t->snapshot),
		                       &t->route, &err);
		sfs_ctl_note("%s", err.msg);
	}
	if (t->args->json)
		print_route_json(t, &text);
	else if (t->route.is_known)
		sfs_buf_printf(&text, "%u %s\n", t->route.db_id, path.data);
	if (path.failed != SFS_OK)
		text.failed = path.failed;
	sfs_buf_release(&path);
	return sfs_ctl_print(&text, status);
}

static int route(const struct sfs_ctl_args *args, struct sfs_snapshot *snapshot)
{
	const struct sfs_router *router = sfs_snapshot_router(snapshot);
	struct told t = { .args = args, .snapshot = snapshot };
	struct sfs_ctl_key key = { .name = NULL };
	struct sfs_columns columns;
	char *name = NULL;
	struct sfs_err err;
	enum sfs_rc rc;
	int status;

	rc = sfs_ctl_columns_read(args, sharding_of(snapshot), &columns, &err);
	if (rc == SFS_OK)
		rc = sfs_ctl_columns_require(snapshot, &columns, &err);
	if (rc == SFS_OK)
		rc = sfs_ctl_key_read(router->encoding, args->word, &key, &err);
	if (rc == SFS_OK)
		rc = name_of(router->encoding, key.bytes, &name, &err);
	if (rc == SFS_OK)
		rc = sfs_router_route(router, key.bytes, &columns, &t.route,
		                      &err);
	t.name = name;
	status = rc == SFS_OK ? print_route(&t) : sfs_ctl_fail_lookup(&err);
	sfs_free(name);
	sfs_ctl_key_release(&key);
	sfs_columns_release(&columns);
	return status;
}

int sfs_ctl_route(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_snapshot(args, route);
}

/* Lookup bytes from hex into new memory. */
static enum sfs_rc read_hex(const char *hex, struct sfs_bytes *out,
                            struct sfs_err *err)
{
	size_t len = strlen(hex);
	uint8_t *bytes = sfs_malloc(len / 2 + 1);
	int high = 0;
	int low = 0;

	if (bytes == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i + 1 < len && high >= 0 && low >= 0; i += 2) {
		high = sfs_hex_value(hex[i]);
		low = sfs_hex_value(hex[i + 1]);
		bytes[i / 2] = (uint8_t)((high << 4 | low) & 0xff);
	}
	if (len % 2 != 0 || high < 0 || low < 0) {
		sfs_free(bytes);
		return sfs_err_set(err, SFS_E_INVALID,
		                   "--hex=%s: must be pairs of hex digits",
		                   hex);
	}
	*out = (struct sfs_bytes){ bytes, len / 2 };
	return SFS_OK;
}

/* The key as the user wrote it, unescaped, in lookup bytes. */
static enum sfs_rc read_key(enum sfs_key_encoding encoding, const char *text,
                            struct sfs_bytes *out, struct sfs_err *err)
{
	struct sfs_ctl_key key;
	enum sfs_rc rc;

	switch (encoding) {
	case SFS_KEY_U64BE:
	case SFS_KEY_U32BE:
		rc = sfs_ctl_key_read(encoding, text, &key, err);
		if (rc == SFS_OK)
			*out = key.bytes;
		return rc;
	case SFS_KEY_UTF8:
	case SFS_KEY_RAW:
	case SFS_KEY_INVALID:
		break;
	}
	out->len = strlen(text);
	out->data = (uint8_t *)sfs_memdup0(text, out->len);
	if (out->data == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	return SFS_OK;
}

static void add_key_hex(struct sfs_json_printer *p, struct sfs_bytes key)
{
	struct sfs_buf hex = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	sfs_ctl_add_hex(&hex, key);
	sfs_json_key(p, "key_hex");
	sfs_json_string(p, hex.len > 0 ? hex.data : "", hex.len);
	if (hex.failed != SFS_OK)
		p->out->failed = hex.failed;
	sfs_buf_release(&hex);
}

/* path: below the mount, where columns were given; else NULL. */
static int print_name(const struct sfs_ctl_args *args, struct sfs_bytes key,
                      const char *name, const char *path)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_json_printer p;

	if (!args->json) {
		sfs_buf_printf(&text, "%s\n", path != NULL ? path : name);
		return sfs_ctl_print(&text, SFS_CTL_OK);
	}
	sfs_json_printer_init(&p, &text, true, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "name");
	sfs_json_cstring(&p, name);
	add_key_hex(&p, key);
	if (path != NULL) {
		sfs_json_key(&p, "path");
		sfs_json_cstring(&p, path);
	}
	sfs_json_object_end(&p);
	sfs_buf_putc(&text, '\n');
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

/* "where/region=eu/tier=2/keys/NAME", if columns are given. */
static enum sfs_rc add_path(const struct sfs_ctl_args *args,
                            const struct sfs_snapshot *snapshot,
                            const char *name, struct sfs_buf *out,
                            struct sfs_err *err)
{
	const struct sfs_sharding *sharding = sharding_of(snapshot);
	struct sfs_columns columns;
	enum sfs_rc rc;

	rc = sfs_ctl_columns_read(args, sharding, &columns, err);
	if (rc == SFS_OK && args->columns.count > 0)
		rc = sfs_ctl_columns_require(snapshot, &columns, err);
	if (rc == SFS_OK && args->columns.count > 0) {
		if (sfs_snapshot_router(snapshot)->needs_columns) {
			sfs_buf_puts(out, "where/");
			sfs_columns_print(&columns, sharding, out);
			sfs_buf_puts(out, "/");
		}
		sfs_buf_printf(out, "keys/%s", name);
		rc = sfs_buf_finish(out, "the path", err);
	}
	sfs_columns_release(&columns);
	return rc;
}

static int path(const struct sfs_ctl_args *args, struct sfs_snapshot *snapshot)
{
	enum sfs_key_encoding encoding = encoding_of(snapshot);
	struct sfs_buf whole = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_bytes key = { NULL, 0 };
	char *name = NULL;
	struct sfs_err err;
	enum sfs_rc rc;
	int status;

	rc = args->hex != NULL ? read_hex(args->hex, &key, &err)
	                       : read_key(encoding, args->word, &key, &err);
	if (rc == SFS_OK)
		rc = name_of(encoding, key, &name, &err);
	if (rc == SFS_OK)
		rc = add_path(args, snapshot, name, &whole, &err);
	if (rc == SFS_OK)
		status = print_name(args, key, name,
		                    whole.len > 0 ? whole.data : NULL);
	else
		status = sfs_ctl_fail_lookup(&err);
	sfs_buf_release(&whole);
	sfs_free(name);
	sfs_free((void *)(uintptr_t)key.data);
	return status;
}

int sfs_ctl_path(const struct sfs_ctl_args *args)
{
	struct sfs_err err;

	if ((args->word == NULL) != (args->hex == NULL))
		return sfs_ctl_on_snapshot(args, path);
	(void)sfs_err_set(&err, SFS_E_INVALID,
	                  "path needs either KEY or --hex=HEX");
	return sfs_ctl_refuse(&err);
}

/* The key itself as a JSON string, or null where it is no text. */
static void add_text(struct sfs_json_printer *p, enum sfs_key_encoding encoding,
                     struct sfs_bytes key, const char *name)
{
	switch (encoding) {
	case SFS_KEY_U64BE:
	case SFS_KEY_U32BE:
		sfs_json_cstring(p, name);
		return;
	case SFS_KEY_UTF8:
	case SFS_KEY_RAW:
	case SFS_KEY_INVALID:
		break;
	}
	if (sfs_ctl_is_utf8(key.data, key.len))
		sfs_json_string(p, (const char *)key.data, key.len);
	else
		sfs_json_null(p);
}

static int print_key(const struct sfs_ctl_args *args,
                     enum sfs_key_encoding encoding, struct sfs_bytes key,
                     const char *name)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_json_printer p;

	sfs_json_printer_init(&p, &text, true, true);
	if (!args->json) {
		sfs_buf_puts(&text, "hex: ");
		sfs_ctl_add_hex(&text, key);
		sfs_buf_puts(&text, "\ntext: ");
		add_text(&p, encoding, key, name);
		sfs_buf_puts(&text, "\n");
		return sfs_ctl_print(&text, SFS_CTL_OK);
	}
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "name");
	sfs_json_cstring(&p, name);
	add_key_hex(&p, key);
	sfs_json_key(&p, "text");
	add_text(&p, encoding, key, name);
	sfs_json_object_end(&p);
	sfs_buf_putc(&text, '\n');
	return sfs_ctl_print(&text, SFS_CTL_OK);
}

static int key(const struct sfs_ctl_args *args, struct sfs_snapshot *snapshot)
{
	enum sfs_key_encoding encoding = encoding_of(snapshot);
	struct sfs_ctl_key k;
	char *name = NULL;
	struct sfs_err err;
	int status;

	if (sfs_ctl_key_read(encoding, args->word, &k, &err) != SFS_OK)
		return sfs_ctl_refuse(&err);
	if (name_of(encoding, k.bytes, &name, &err) == SFS_OK)
		status = print_key(args, encoding, k.bytes, name);
	else
		status = sfs_ctl_fail(&err);
	sfs_free(name);
	sfs_ctl_key_release(&k);
	return status;
}

int sfs_ctl_key(const struct sfs_ctl_args *args)
{
	return sfs_ctl_on_snapshot(args, key);
}
