/* SPDX-License-Identifier: Apache-2.0 */
/* The directories whose names are the store's: snapshots/ and runs/. */
#include "fs/internal.h"

#include <string.h>

struct naming {
	struct sfs_intern *table;
	sfs_fs_name_fn *fn;
	void *arg;
	bool failed;
};

/* Interns one name and hands it on. */
static bool hand_on(struct naming *n, const char *name)
{
	uint64_t number;

	if (!sfs_intern_add(n->table, name, &number)) {
		n->failed = true;
		return false;
	}
	return n->fn(n->arg, name, number);
}

static enum sfs_rc finish(const struct naming *n, enum sfs_rc rc,
                          struct sfs_err *err)
{
	if (rc == SFS_OK && n->failed)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	return rc;
}

static bool note_snapshot(void *arg, const struct sfs_snapshot_id *id)
{
	char text[SFS_SNAPSHOT_ID_BYTES];

	sfs_snapshot_id_text(id, text);
	return hand_on(arg, text);
}

enum sfs_rc sfs_fs_list_snapshots(struct sfs_fs *fs, sfs_fs_name_fn *fn,
                                  void *arg, const struct sfs_call *call,
                                  struct sfs_err *err)
{
	struct sfs_catalog *catalog = fs->config.source.catalog;
	struct naming n = { fs->snapshot_ids, fn, arg, false };
	enum sfs_rc rc;

	rc = catalog->ops->history(catalog, note_snapshot, &n, call, err);
	return finish(&n, rc, err);
}

/* "runs/NAME/" -> NAME; a name that no directory entry can have is none. */
static bool note_run(void *arg, const struct sfs_list_entry *entry)
{
	char name[SFS_STORE_KEY_MAX];
	size_t len = strlen(entry->key);
	size_t begin = len;

	if (!entry->is_prefix || len < 2)
		return true;
	for (begin = len - 1; begin > 0 && entry->key[begin - 1] != '/';
	     begin--)
		;
	if (len - 1 - begin == 0 || len - 1 - begin >= sizeof(name))
		return true;
	memcpy(name, entry->key + begin, len - 1 - begin);
	name[len - 1 - begin] = '\0';
	return hand_on(arg, name);
}

enum sfs_rc sfs_fs_list_runs(struct sfs_fs *fs, sfs_fs_name_fn *fn, void *arg,
                             const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_store *store = fs->config.source.store;
	struct naming n = { fs->run_dirs, fn, arg, false };
	char prefix[SFS_STORE_KEY_MAX];
	enum sfs_rc rc;

	(void)snprintf(prefix, sizeof(prefix), "%s/", fs->config.run_prefix);
	rc = store->ops->list(store, prefix, '/', NULL, note_run, &n, call,
	                      err);
	return finish(&n, rc, err);
}
