/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags. A tag protects its snapshot from gc, which could delete the snapshot
 * while the tag is on its way in; so a tag is written while the manifest is
 * held, as gc holds it (alone) when it looks at the tags for the last time:
 *
 *   put: hold the manifest (shared) -> put if absent -> let go
 *   gc:  hold the manifest (alone)  -> list the tags -> delete it -> let go
 *
 * A store that cannot hold objects leaves that gap to gc's grace period.
 */
#include "catalog/tags.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "catalog/author.h"

#include <string.h>

enum { TAG_MAX_BYTES = 64 << 10 };

bool sfs_tag_name_is_valid(const char *name)
{
	return name[0] != '.' && sfs_run_id_is_valid(name, strlen(name));
}

static void tag_key(const char *name, char out[SFS_STORE_KEY_MAX])
{
	(void)snprintf(out, SFS_STORE_KEY_MAX, SFS_TAGS_PREFIX "%s", name);
}

static void print(const struct sfs_snapshot_id *id, struct sfs_buf *out)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	char now[SFS_TIME_BYTES];
	struct sfs_author author;
	struct sfs_json_printer p;

	sfs_author_get(&author);
	sfs_snapshot_id_text(id, text);
	sfs_timestamp_format(sfs_clock_wall_ns(), now);
	sfs_json_printer_init(&p, out, false, true);
	sfs_json_object_begin(&p);
	sfs_json_key(&p, "created_at");
	sfs_json_cstring(&p, now);
	sfs_json_key(&p, "snapshot");
	sfs_json_cstring(&p, text);
	sfs_json_key(&p, "who");
	sfs_json_cstring(&p, author.who);
	sfs_json_object_end(&p);
}

/* The member "snapshot" of the outermost object. */
static enum sfs_rc parse(const char *data, size_t len,
                         struct sfs_snapshot_id *out, struct sfs_err *err)
{
	struct sfs_json_reader r;
	struct sfs_json_token t;
	bool is_ours = false;
	bool has_id = false;
	int depth = 0;
	enum sfs_rc rc;

	sfs_json_reader_init(&r, data, len);
	while ((rc = sfs_json_next(&r, &t, err)) == SFS_OK &&
	       t.type != SFS_JSON_END) {
		if (t.type == SFS_JSON_STRING && is_ours)
			has_id = strlen(t.text) == t.len &&
			         sfs_snapshot_id_from_text(t.text, out);
		is_ours = t.type == SFS_JSON_KEY && depth == 1 &&
		          strcmp(t.text, "snapshot") == 0;
		depth += t.type == SFS_JSON_OBJECT_BEGIN ||
		         t.type == SFS_JSON_ARRAY_BEGIN;
		depth -= t.type == SFS_JSON_OBJECT_END ||
		         t.type == SFS_JSON_ARRAY_END;
	}
	sfs_json_reader_release(&r);
	if (rc == SFS_OK && !has_id)
		rc = sfs_err_set(err, SFS_E_CORRUPT, "names no snapshot");
	return rc;
}

enum sfs_rc sfs_tags_get(struct sfs_store *store, const char *name,
                         struct sfs_snapshot_id *id_out,
                         const struct sfs_call *call, struct sfs_err *err)
{
	char key[SFS_STORE_KEY_MAX];
	struct sfs_err unwanted;
	char *data = NULL;
	size_t len = 0;
	enum sfs_rc rc = SFS_E_NOT_FOUND;

	if (err == NULL)
		err = &unwanted;
	if (sfs_tag_name_is_valid(name)) {
		tag_key(name, key);
		rc = sfs_store_get(store, key, TAG_MAX_BYTES, &data, &len, NULL,
		                   call, err);
	}
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, rc, "there is no tag %.255s", name);
	if (rc == SFS_E_TOO_BIG)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "tag %s: larger than %d bytes", name,
		                   TAG_MAX_BYTES);
	if (rc != SFS_OK)
		return rc;
	rc = parse(data, len, id_out, err);
	sfs_free(data);
	return rc == SFS_OK ? rc : sfs_err_wrap(err, "tag %s", name);
}

/* Keeps the manifest until unpin, where that can be; *pin may stay NULL. */
static enum sfs_rc hold(struct sfs_store *store,
                        const struct sfs_snapshot_id *id, struct sfs_pin **pin,
                        const struct sfs_call *call, struct sfs_err *err)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_object *object;
	enum sfs_rc rc = SFS_OK;

	sfs_snapshot_id_manifest_key(id, key);
	sfs_snapshot_id_text(id, text);
	/* without locks a tag is as good as anywhere else */
	if (store->ops->pin != NULL)
		rc = store->ops->pin(store, key, false, pin, err);
	if (rc == SFS_E_BUSY)
		return sfs_err_set(err, rc, "snapshot %s is being deleted",
		                   text);
	if (*pin != NULL)
		return SFS_OK;
	rc = store->ops->open(store, key, &object, call, err);
	if (rc == SFS_OK)
		object->ops->close(object);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, rc, "there is no snapshot %s", text);
	return rc;
}

static enum sfs_rc taken(struct sfs_store *store, const char *name,
                         const struct sfs_call *call, struct sfs_err *err)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_snapshot_id id;

	if (sfs_tags_get(store, name, &id, call, err) != SFS_OK)
		return sfs_err_set(err, SFS_E_EXISTS, "tag %s exists", name);
	sfs_snapshot_id_text(&id, text);
	return sfs_err_set(err, SFS_E_EXISTS, "tag %s exists: it names %s",
	                   name, text);
}

static enum sfs_rc write_tag(struct sfs_store *store, const char *name,
                             const struct sfs_snapshot_id *id, bool is_new,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(TAG_MAX_BYTES);
	char key[SFS_STORE_KEY_MAX];
	struct sfs_pin *pin = NULL;
	enum sfs_rc rc;

	if (!sfs_tag_name_is_valid(name))
		return sfs_err_set(err, SFS_E_INVALID,
		                   "\"%.255s\" is no name for a tag: 1 to 255 "
		                   "of [A-Za-z0-9._-], the first not '.'",
		                   name);
	rc = hold(store, id, &pin, call, err);
	if (rc != SFS_OK)
		return rc;
	print(id, &text);
	tag_key(name, key);
	rc = sfs_buf_finish(&text, "tag", err);
	if (rc == SFS_OK && is_new)
		rc = store->ops->put_if(store, key, text.data, text.len, NULL,
		                        NULL, call, err);
	else if (rc == SFS_OK)
		rc = store->ops->put(store, key, text.data, text.len, NULL,
		                     call, err);
	if (pin != NULL)
		store->ops->unpin(store, pin);
	sfs_buf_release(&text);
	return rc;
}

enum sfs_rc sfs_tags_put(struct sfs_store *store, const char *name,
                         const struct sfs_snapshot_id *id,
                         const struct sfs_call *call, struct sfs_err *err)
{
	enum sfs_rc rc = write_tag(store, name, id, true, call, err);

	return rc == SFS_E_CONFLICT ? taken(store, name, call, err) : rc;
}

enum sfs_rc sfs_tags_set(struct sfs_store *store, const char *name,
                         const struct sfs_snapshot_id *id,
                         const struct sfs_call *call, struct sfs_err *err)
{
	return write_tag(store, name, id, false, call, err);
}

enum sfs_rc sfs_tags_delete(struct sfs_store *store, const char *name,
                            const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_object *object;
	char key[SFS_STORE_KEY_MAX];
	enum sfs_rc rc = SFS_E_NOT_FOUND;

	if (sfs_tag_name_is_valid(name)) {
		tag_key(name, key);
		rc = store->ops->open(store, key, &object, call, err);
	}
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, rc, "there is no tag %.255s", name);
	if (rc != SFS_OK)
		return rc;
	object->ops->close(object);
	return store->ops->delete (store, key, call, err);
}

struct name_list {
	struct sfs_arena *texts;
	char **names;
	size_t count;
	size_t cap;
	bool failed;
};

static bool add_name(void *arg, const struct sfs_list_entry *entry)
{
	const char *name = entry->key + strlen(SFS_TAGS_PREFIX);
	struct name_list *l = arg;
	char **grown;

	if (entry->is_prefix || !sfs_tag_name_is_valid(name))
		return true;
	if (l->count == l->cap) {
		l->cap = l->cap > 0 ? l->cap * 2 : 16;
		grown = sfs_realloc_array(l->names, l->cap, sizeof(*l->names));
		l->failed = grown == NULL;
		if (l->failed)
			return false;
		l->names = grown;
	}
	l->names[l->count] = sfs_arena_add(l->texts, name, strlen(name));
	l->failed = l->names[l->count] == NULL;
	l->count += !l->failed;
	return !l->failed;
}

enum sfs_rc sfs_tags_list(struct sfs_store *store, sfs_tag_fn *fn, void *arg,
                          const struct sfs_call *call, struct sfs_err *err)
{
	struct name_list list = { .texts = sfs_arena_new() };
	struct sfs_snapshot_id id;
	enum sfs_rc rc = SFS_OK;

	list.failed = list.texts == NULL;
	if (!list.failed)
		rc = store->ops->list(store, SFS_TAGS_PREFIX, '/', NULL,
		                      add_name, &list, call, err);
	if (rc == SFS_OK && list.failed)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "tags: out of memory");
	for (size_t i = 0; rc == SFS_OK && i < list.count; i++) {
		rc = sfs_tags_get(store, list.names[i], &id, call, err);
		if (rc == SFS_OK && !fn(arg, list.names[i], &id))
			break;
		if (rc == SFS_E_NOT_FOUND) /* deleted meanwhile */
			rc = SFS_OK;
	}
	sfs_free(list.names);
	sfs_arena_free(list.texts);
	return rc;
}
