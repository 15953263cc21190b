/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which adapter a shard needs. shardyfusion does not record it for plain
 * key-value snapshots, so the objects under the shard's prefix tell. Kinds of
 * shards that this build cannot read are known by name, because "SlateDB" is
 * a better answer than "nothing found".
 */
#include "adapter/registry.h"

#include "adapter/sqlite.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct sfs_adapter *const adapters[] = {
	&sfs_adapter_sqlite,
};

enum { ADAPTERS = sizeof(adapters) / sizeof(adapters[0]) };

const struct sfs_adapter *sfs_adapter_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < ADAPTERS; i++)
		if (strcmp(adapters[i]->name, name) == 0)
			return adapters[i];
	return NULL;
}

enum sfs_rc sfs_adapter_check(const struct sfs_adapter *a, struct sfs_err *err)
{
	if (a->abi != SFS_ADAPTER_ABI)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "an adapter of interface %u, this build "
		                   "has %d",
		                   a->abi, SFS_ADAPTER_ABI);
	if (a->size != sizeof(*a))
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "an adapter table of %u bytes, this build "
		                   "has %zu",
		                   a->size, sizeof(*a));
	return SFS_OK;
}

/* Builds "<key_prefix>/<name>". */
static enum sfs_rc object_key(const struct sfs_shard_location *where,
                              const char *name, char out[SFS_STORE_KEY_MAX],
                              struct sfs_err *err)
{
	int len = snprintf(out, SFS_STORE_KEY_MAX, "%s/%s", where->key_prefix,
	                   name);

	if (len < 0 || len >= SFS_STORE_KEY_MAX)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s: its key prefix is too long",
		                   where->db_url);
	return SFS_OK;
}

struct findings {
	size_t prefix_len;
	bool has_manifest;
	bool has_compacted;
	bool has_lance;
};

static bool note_entry(void *arg, const struct sfs_list_entry *entry)
{
	struct findings *f = arg;
	const char *name = entry->key + f->prefix_len;

	if (strcmp(name, "manifest/") == 0)
		f->has_manifest = true;
	else if (strcmp(name, "compacted/") == 0)
		f->has_compacted = true;
	else if (strcmp(name, "vector_index.lance/") == 0 ||
	         strcmp(name, "vector_index.lance") == 0)
		f->has_lance = true;
	return true;
}

/* Says what lies there instead of a shard of this build. */
static enum sfs_rc explain(const struct sfs_shard_location *where,
                           const struct sfs_call *call, struct sfs_err *err)
{
	const char *kind = NULL;
	char prefix[SFS_STORE_KEY_MAX];
	struct findings f = { 0 };
	enum sfs_rc rc;

	rc = object_key(where, "", prefix, err);
	if (rc != SFS_OK)
		return rc;
	f.prefix_len = strlen(prefix);
	rc = where->store->ops->list(where->store, prefix, '/', NULL,
	                             note_entry, &f, call, err);
	if (rc != SFS_OK)
		return rc;
	if (f.has_manifest && f.has_compacted)
		kind = "a SlateDB shard";
	else if (f.has_lance)
		kind = "a LanceDB shard";
	if (kind == NULL)
		return sfs_err_set(err, SFS_E_STALE,
		                   "%s: the shard is gone: no database of a "
		                   "known kind lies there",
		                   where->db_url);
	return sfs_err_set(err, SFS_E_UNSUPPORTED,
	                   "%s: %s: this build reads SQLite shards only",
	                   where->db_url, kind);
}

enum sfs_rc sfs_adapter_detect(const struct sfs_shard_location *where,
                               const struct sfs_adapter **out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	char key[SFS_STORE_KEY_MAX];
	struct sfs_object *object;
	enum sfs_rc rc;
	size_t i;

	*out = NULL;
	for (i = 0; i < ADAPTERS; i++) {
		rc = object_key(where, adapters[i]->marker_object, key, err);
		if (rc != SFS_OK)
			return rc;
		rc = where->store->ops->open(where->store, key, &object, call,
		                             err);
		if (rc == SFS_E_NOT_FOUND)
			continue;
		if (rc != SFS_OK)
			return rc;
		object->ops->close(object);
		*out = adapters[i];
		return SFS_OK;
	}
	return explain(where, call, err);
}
