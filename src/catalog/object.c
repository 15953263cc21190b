/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog in the object store. It keeps no state: every call reads what
 * the store holds now, so two mounts of one store never disagree for longer
 * than a call.
 */
#include "catalog/object.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "catalog/history.h"
#include "catalog/journal.h"
#include "catalog/tags.h"
#include "format/current.h"
#include "format/manifest.h"
#include "format/names.h"

struct object_catalog {
	struct sfs_catalog base;
	struct sfs_store *store; /* borrowed */
	char *run_prefix;
};

static struct object_catalog *self_of(struct sfs_catalog *c)
{
	return (struct object_catalog *)c;
}

static enum sfs_rc object_current(struct sfs_catalog *c,
                                  struct sfs_pointer *pointer_out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct sfs_pointer pointer = { 0 };
	struct sfs_object_info info;
	enum sfs_rc rc;

	rc = sfs_store_get(self_of(c)->store, SFS_CURRENT_KEY,
	                   SFS_CURRENT_MAX_BYTES, &pointer.bytes, &pointer.len,
	                   &info, call, err);
	if (rc == SFS_E_TOO_BIG)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "_CURRENT: larger than %d bytes",
		                   SFS_CURRENT_MAX_BYTES);
	if (rc != SFS_OK)
		return rc;
	pointer.tag = info.tag;
	pointer.current = sfs_malloc(sizeof(*pointer.current));
	if (pointer.current == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY,
		                 "_CURRENT: out of memory");
	else
		rc = sfs_current_parse(pointer.bytes, pointer.len,
		                       pointer.current, err);
	if (rc != SFS_OK) {
		sfs_pointer_release(&pointer);
		return rc;
	}
	*pointer_out = pointer;
	return SFS_OK;
}

static enum sfs_rc object_load(struct sfs_catalog *c,
                               const struct sfs_snapshot_id *id,
                               struct sfs_manifest **manifest_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	char key[SFS_MANIFEST_KEY_BYTES];
	char *bytes = NULL;
	size_t len = 0;
	enum sfs_rc rc;

	sfs_snapshot_id_manifest_key(id, key);
	rc = sfs_store_get(self_of(c)->store, key, SFS_MANIFEST_MAX_BYTES,
	                   &bytes, &len, NULL, call, err);
	if (rc == SFS_E_TOO_BIG)
		return sfs_err_set(err, SFS_E_CORRUPT,
		                   "%s: larger than %d bytes", key,
		                   SFS_MANIFEST_MAX_BYTES);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_manifest_parse(bytes, len, manifest_out, err);
	sfs_free(bytes);
	if (rc != SFS_OK)
		return sfs_err_wrap(err, "%s", key);
	return SFS_OK;
}

static enum sfs_rc object_history(struct sfs_catalog *c, sfs_history_fn *fn,
                                  void *arg, const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct object_catalog *self = self_of(c);
	struct sfs_history history = { 0 };
	enum sfs_rc rc;

	rc = sfs_history_read(self->store, &history, call, err);
	if (rc == SFS_OK)
		rc = sfs_history_drop_unpublished(&history, c, self->store,
		                                  self->run_prefix, call, err);
	for (size_t i = 0; rc == SFS_OK && i < history.count; i++) {
		if (!fn(arg, &history.ids[i]))
			break;
	}
	sfs_history_release(&history);
	return rc;
}

static enum sfs_rc object_put_manifest(struct sfs_catalog *c,
                                       const struct sfs_snapshot_id *id,
                                       const void *data, size_t len,
                                       const struct sfs_call *call,
                                       struct sfs_err *err)
{
	struct sfs_store *store = self_of(c)->store;
	char key[SFS_MANIFEST_KEY_BYTES];
	enum sfs_rc rc;

	sfs_snapshot_id_manifest_key(id, key);
	rc = store->ops->put_if(store, key, data, len, NULL, NULL, call, err);
	if (rc == SFS_E_CONFLICT)
		return sfs_err_set(err, SFS_E_EXISTS, "%s exists already", key);
	return rc;
}

static enum sfs_rc object_delete_manifest(struct sfs_catalog *c,
                                          const struct sfs_snapshot_id *id,
                                          const struct sfs_call *call,
                                          struct sfs_err *err)
{
	struct sfs_store *store = self_of(c)->store;
	char key[SFS_MANIFEST_KEY_BYTES];

	sfs_snapshot_id_manifest_key(id, key);
	return store->ops->delete (store, key, call, err);
}

static enum sfs_rc object_swap(struct sfs_catalog *c,
                               const struct sfs_current *next,
                               const struct sfs_tag *expected,
                               struct sfs_tag *tag_out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_CURRENT_MAX_BYTES);
	struct sfs_store *store = self_of(c)->store;
	enum sfs_rc rc;

	sfs_current_print(next, &text);
	rc = sfs_buf_finish(&text, SFS_CURRENT_KEY, err);
	if (rc == SFS_OK)
		rc = store->ops->put_if(store, SFS_CURRENT_KEY, text.data,
		                        text.len, expected, tag_out, call, err);
	sfs_buf_release(&text);
	return rc;
}

static enum sfs_rc object_confirm(struct sfs_catalog *c,
                                  const struct sfs_pointer *pointer,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct sfs_store *store = self_of(c)->store;

	return store->ops->put_if(store, SFS_CURRENT_KEY, pointer->bytes,
	                          pointer->len, &pointer->tag, NULL, call, err);
}

static enum sfs_rc object_put_tag(struct sfs_catalog *c, const char *name,
                                  const struct sfs_snapshot_id *id,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	return sfs_tags_put(self_of(c)->store, name, id, call, err);
}

static enum sfs_rc object_set_tag(struct sfs_catalog *c, const char *name,
                                  const struct sfs_snapshot_id *id,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	return sfs_tags_set(self_of(c)->store, name, id, call, err);
}

static enum sfs_rc object_get_tag(struct sfs_catalog *c, const char *name,
                                  struct sfs_snapshot_id *id_out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err)
{
	return sfs_tags_get(self_of(c)->store, name, id_out, call, err);
}

static enum sfs_rc object_delete_tag(struct sfs_catalog *c, const char *name,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	return sfs_tags_delete(self_of(c)->store, name, call, err);
}

static enum sfs_rc object_list_tags(struct sfs_catalog *c, sfs_tag_fn *fn,
                                    void *arg, const struct sfs_call *call,
                                    struct sfs_err *err)
{
	return sfs_tags_list(self_of(c)->store, fn, arg, call, err);
}

static enum sfs_rc object_log(struct sfs_catalog *c, const char *event,
                              int64_t at_ns, const char *details_json,
                              const struct sfs_call *call, struct sfs_err *err)
{
	return sfs_journal_add(self_of(c)->store, event, at_ns, details_json,
	                       call, err);
}

static enum sfs_rc object_watch(struct sfs_catalog *c, struct sfs_tag *known,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_store *store = self_of(c)->store;

	return store->ops->watch(store, SFS_CURRENT_KEY, known, call, err);
}

static void object_close(struct sfs_catalog *c)
{
	sfs_free(self_of(c)->run_prefix);
	sfs_free(c);
}

static const struct sfs_catalog_ops object_ops = {
	.current = object_current,
	.load = object_load,
	.history = object_history,
	.put_manifest = object_put_manifest,
	.delete_manifest = object_delete_manifest,
	.swap = object_swap,
	.confirm = object_confirm,
	.put_tag = object_put_tag,
	.set_tag = object_set_tag,
	.get_tag = object_get_tag,
	.delete_tag = object_delete_tag,
	.list_tags = object_list_tags,
	.log = object_log,
	.watch = object_watch,
	.close = object_close,
};

enum sfs_rc sfs_catalog_object_open(struct sfs_store *store,
                                    const char *run_prefix,
                                    struct sfs_catalog **out,
                                    struct sfs_err *err)
{
	struct object_catalog *self = sfs_calloc(1, sizeof(*self));

	if (self != NULL)
		self->run_prefix = sfs_strdup(run_prefix);
	if (self == NULL || self->run_prefix == NULL) {
		sfs_free(self);
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "catalog: out of memory");
	}
	self->base.ops = &object_ops;
	self->store = store;
	*out = &self->base;
	return SFS_OK;
}
