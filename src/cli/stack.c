/* SPDX-License-Identifier: Apache-2.0 */
/* Putting the rooms together. */
#include "cli/stack.h"

#include "base/alloc.h"
#include "catalog/object.h"
#include "format/current.h"
#include "store/fault.h"
#include "store/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static bool has_scheme(const char *source)
{
	return strstr(source, "://") != NULL;
}

/* source without "file://", a trailing "/_CURRENT" and final slashes. */
static char *plain_path(const char *source)
{
	static const char pointer[] = "/" SFS_CURRENT_KEY;
	size_t len;
	char *path;

	if (strncmp(source, "file://", 7) == 0)
		source += 7;
	path = sfs_strdup(source);
	if (path == NULL)
		return NULL;
	len = strlen(path);
	if (len >= strlen(pointer) &&
	    strcmp(path + len - strlen(pointer), pointer) == 0)
		len -= strlen(pointer) - 1;
	while (len > 1 && path[len - 1] == '/')
		len--;
	path[len] = '\0';
	return path;
}

static enum sfs_rc source_directory(const char *source, char **out,
                                    struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	char *real;
	char *path;

	if (has_scheme(source) && strncmp(source, "file:///", 8) != 0)
		return sfs_err_set(err, SFS_E_UNSUPPORTED,
		                   "%s: this build opens local directories "
		                   "(/dir or file:///dir)",
		                   source);
	path = plain_path(source);
	if (path == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	real = realpath(path, NULL);
	if (real == NULL) {
		rc = sfs_err_sys(err, errno, "store %s", path);
	} else {
		*out = sfs_strdup(real);
		if (*out == NULL)
			rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	free(real);
	sfs_free(path);
	return rc;
}

#ifdef SFS_DEBUG
static const struct {
	const char *name;
	unsigned mask;
} fault_ops[] = {
	{ "open", SFS_STORE_OPEN },       { "read", SFS_STORE_READ },
	{ "put", SFS_STORE_PUT },         { "list", SFS_STORE_LIST },
	{ "delete", SFS_STORE_DELETE },   { "watch", SFS_STORE_WATCH },
	{ "create", SFS_STORE_CREATE },   { "write", SFS_STORE_WRITE },
	{ "commit", SFS_STORE_COMMIT },   { "pin", SFS_STORE_PIN },
	{ "barrier", SFS_STORE_BARRIER }, { "all", SFS_STORE_ALL },
};

static void read_fault_word(const char *word, struct sfs_fault_plan *plan)
{
	for (size_t i = 0; i < sizeof(fault_ops) / sizeof(fault_ops[0]); i++) {
		if (strncmp(word, "op=", 3) == 0 &&
		    strcmp(word + 3, fault_ops[i].name) == 0)
			plan->op_mask |= fault_ops[i].mask;
	}
	if (strncmp(word, "delay_ms=", 9) == 0)
		plan->delay_ms = (unsigned)strtoul(word + 9, NULL, 10);
	if (strncmp(word, "fail_at=", 8) == 0)
		plan->fail_at = strtoull(word + 8, NULL, 10);
	if (strcmp(word, "always") == 0)
		plan->always = true;
}

static enum sfs_rc wrap_store(struct sfs_stack *stack, struct sfs_err *err)
{
	const char *spec = getenv("SHARDYFS_DEBUG_FAULT");
	struct sfs_fault_plan plan = { .rc = SFS_E_IO };
	struct sfs_store *wrapped;
	char *words;
	char *word;
	char *rest;
	enum sfs_rc rc;

	if (spec == NULL)
		return SFS_OK;
	words = sfs_strdup(spec);
	if (words == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	rest = words;
	while ((word = strsep(&rest, ",")) != NULL)
		read_fault_word(word, &plan);
	sfs_free(words);
	rc = sfs_store_fault_wrap(stack->store, &wrapped, err);
	if (rc != SFS_OK)
		return rc;
	stack->store = wrapped;
	sfs_store_fault_set(wrapped, &plan);
	return SFS_OK;
}
#else
static enum sfs_rc wrap_store(struct sfs_stack *stack, struct sfs_err *err)
{
	(void)stack;
	(void)err;
	return SFS_OK;
}
#endif

/*
 * An open shard is an open file. Raises this process's limit as far as it
 * may, and answers how many shards then fit beside everything else.
 */
static uint32_t fit_open_shards(uint32_t wanted)
{
	enum { OTHER_FILES = 256, AT_LEAST = 16 };
	rlim_t need = (rlim_t)wanted + OTHER_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return AT_LEAST;
	if (limit.rlim_cur < need && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* read back below */
		if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
			return AT_LEAST;
	}
	if (limit.rlim_cur >= need)
		return wanted;
	if (limit.rlim_cur < OTHER_FILES + AT_LEAST)
		return AT_LEAST;
	return (uint32_t)(limit.rlim_cur - OTHER_FILES);
}

enum sfs_rc sfs_stack_open(const struct sfs_stack_config *config,
                           struct sfs_stack *out, struct sfs_err *err)
{
	struct sfs_stack stack = { .fanout_max = config->fanout_max };
	enum sfs_rc rc;

	rc = source_directory(config->source, &stack.directory, err);
	if (rc == SFS_OK)
		rc = sfs_store_local_open(stack.directory, &stack.store, err);
	if (rc == SFS_OK)
		rc = wrap_store(&stack, err);
	if (rc == SFS_OK)
		rc = sfs_catalog_object_open(stack.store, config->run_prefix,
		                             &stack.catalog, err);
	if (rc == SFS_OK) {
		stack.pool = sfs_shard_pool_new(
			fit_open_shards(config->max_open_shards));
		if (stack.pool == NULL)
			rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	if (rc != SFS_OK) {
		sfs_stack_close(&stack);
		return rc;
	}
	*out = stack;
	return SFS_OK;
}

enum sfs_rc sfs_stack_start(struct sfs_stack *stack, struct sfs_err *err)
{
	return stack->store->ops->start(stack->store, err);
}

void sfs_stack_close(struct sfs_stack *stack)
{
	sfs_shard_pool_free(stack->pool);
	if (stack->catalog != NULL)
		stack->catalog->ops->close(stack->catalog);
	if (stack->store != NULL)
		stack->store->ops->close(stack->store);
	sfs_free(stack->directory);
	*stack = (struct sfs_stack){ 0 };
}

struct sfs_snapshot_source sfs_stack_source(const struct sfs_stack *stack)
{
	return (struct sfs_snapshot_source){ stack->store, stack->catalog,
		                             stack->pool, stack->fanout_max };
}

/* What lies at the top of a store. */
struct top_entry {
	char name[SFS_STORE_KEY_MAX]; /* "": none that is unknown */
	bool is_foreign;              /* found below it */
};

/* "runs/<ts>_run_id=...", "shards/run_id=..." */
static bool is_run(const char *key)
{
	return strstr(key, "run_id=") != NULL;
}

/* A first build that is not published yet leaves runs and shards. */
static bool note_below(void *arg, const struct sfs_list_entry *entry)
{
	struct top_entry *top = arg;

	top->is_foreign = !entry->is_prefix || !is_run(entry->key);
	return !top->is_foreign;
}

static bool note_unknown(void *arg, const struct sfs_list_entry *entry)
{
	static const char *const ours[] = { "tags/", "log/", "manifests/" };
	struct top_entry *top = arg;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strcmp(entry->key, ours[i]) == 0)
			return true;
	}
	(void)snprintf(top->name, sizeof(top->name), "%s", entry->key);
	top->is_foreign = !entry->is_prefix;
	return false;
}

/* Something was published, and its pointer is gone. */
static bool note_snapshot(void *arg, const struct sfs_snapshot_id *id)
{
	bool *is_empty = arg;

	(void)id;
	*is_empty = false;
	return false;
}

enum sfs_rc sfs_stack_is_empty(struct sfs_stack *stack, bool *is_empty,
                               struct sfs_err *err)
{
	struct sfs_store *store = stack->store;
	struct top_entry top;
	char after[SFS_STORE_KEY_MAX] = "";
	enum sfs_rc rc;

	do {
		top = (struct top_entry){ .name = "" };
		rc = store->ops->list(store, "", '/',
		                      after[0] != '\0' ? after : NULL,
		                      note_unknown, &top, NULL, err);
		if (rc == SFS_OK && top.name[0] != '\0' && !top.is_foreign)
			rc = store->ops->list(store, top.name, '/', NULL,
			                      note_below, &top, NULL, err);
		(void)snprintf(after, sizeof(after), "%s", top.name);
	} while (rc == SFS_OK && top.name[0] != '\0' && !top.is_foreign);
	*is_empty = !top.is_foreign;
	if (rc == SFS_OK && *is_empty)
		rc = stack->catalog->ops->history(stack->catalog, note_snapshot,
		                                  is_empty, NULL, err);
	return rc;
}
