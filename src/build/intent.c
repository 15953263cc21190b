/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intent: what a build's owner must know about the store after a crash.
 * It is durable before the first object is written, and again before the
 * pointer is swapped; a flat YAML mapping.
 */
#include "build/engine_internal.h"

#include "base/alloc.h"
#include "config/yaml.h"

#include <string.h>

#define STEP_SWAP "swap"

enum { INTENT_MAX_BYTES = 16 << 10 };

enum sfs_rc sfs_engine_save_intent(struct sfs_engine *e, const char *step,
                                   struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(INTENT_MAX_BYTES);
	char id[SFS_SNAPSHOT_ID_BYTES];
	enum sfs_rc rc;

	sfs_buf_printf(&text, "run_id: \"%s\"\n", e->run_id);
	sfs_buf_printf(&text, "record: \"%s\"\n", e->record_key);
	sfs_buf_printf(&text, "shard_prefix: \"%s\"\n", e->config.shard_prefix);
	if (e->has_swap_id) {
		sfs_snapshot_id_text(&e->swap_id, id);
		sfs_buf_printf(&text, "snapshot: \"%s\"\n", id);
		sfs_buf_printf(&text, "from: \"%s\"\n", e->swap_from);
		sfs_buf_printf(&text, "tag: \"%s\"\n", e->swap_tag);
	}
	sfs_buf_printf(&text, "step: \"%s\"\n", step);
	rc = sfs_buf_finish(&text, "intent", err);
	if (rc == SFS_OK)
		rc = sfs_files_save_intent(e->files, text.data, err);
	sfs_buf_release(&text);
	return rc;
}

struct reading {
	struct sfs_engine *engine;
	bool is_swapping;
};

static enum sfs_rc read_pair(void *arg, const struct sfs_yaml_pair *pair,
                             struct sfs_err *err)
{
	struct reading *r = arg;
	struct sfs_engine *e = r->engine;
	const char *value = pair->value != NULL ? pair->value : "";

	(void)err;
	if (strcmp(pair->key, "run_id") == 0)
		(void)snprintf(e->run_id, sizeof(e->run_id), "%s", value);
	else if (strcmp(pair->key, "record") == 0)
		(void)snprintf(e->record_key, sizeof(e->record_key), "%s",
		               value);
	else if (strcmp(pair->key, "shard_prefix") == 0)
		(void)snprintf(e->old_prefix, sizeof(e->old_prefix), "%s",
		               value);
	else if (strcmp(pair->key, "snapshot") == 0)
		e->has_swap_id = sfs_snapshot_id_from_text(value, &e->swap_id);
	else if (strcmp(pair->key, "from") == 0)
		(void)snprintf(e->swap_from, sizeof(e->swap_from), "%s", value);
	else if (strcmp(pair->key, "tag") == 0)
		(void)snprintf(e->swap_tag, sizeof(e->swap_tag), "%s", value);
	else if (strcmp(pair->key, "step") == 0)
		r->is_swapping = strcmp(value, STEP_SWAP) == 0;
	return SFS_OK;
}

enum sfs_rc sfs_engine_load_intent(struct sfs_engine *e, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(INTENT_MAX_BYTES);
	struct reading r = { .engine = e };
	bool found = false;
	enum sfs_rc rc;

	rc = sfs_files_load_intent(e->files, &text, &found, err);
	pthread_mutex_lock(&e->lock); /* the run's id is shown */
	if (rc == SFS_OK && found)
		rc = sfs_yaml_read(text.data, text.len, read_pair, &r, err);
	pthread_mutex_unlock(&e->lock);
	sfs_buf_release(&text);
	if (rc == SFS_OK && e->run_id[0] != '\0' &&
	    !sfs_run_id_is_valid(e->run_id, strlen(e->run_id)))
		rc = sfs_err_set(err, SFS_E_CORRUPT,
		                 "build %s: its intent names no run", e->name);
	e->in_doubt = rc == SFS_OK && r.is_swapping && e->has_swap_id;
	e->has_losers = e->run_id[0] != '\0';
	return rc;
}
