/* SPDX-License-Identifier: Apache-2.0 */
/*
 * where/ of a build. A directory is its columns: they are checked against
 * what config.yaml says now, each time, and what the user sees below them
 * follows from the names of the files that are there. Files of columns that
 * config.yaml does not have any more stay reachable, to be moved or removed.
 */
#include "build/where.h"

#include "base/alloc.h"
#include "build/build_internal.h"
#include "format/router.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- how keys are routed -------------------------------------------------- */

struct sfs_build_routing {
	_Atomic unsigned refs;
	struct sfs_placement *placement;
	struct sfs_router router;
};

void sfs_build_routing_unref(struct sfs_build_routing *r)
{
	if (r == NULL || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	sfs_router_release(&r->router);
	sfs_placement_unref(r->placement);
	sfs_free(r);
}

/* NULL: no columns can be used. */
static struct sfs_build_routing *routing_new(const struct sfs_build_config *c)
{
	struct sfs_build_routing *r;

	if (c->placement == NULL ||
	    c->placement->sharding.strategy != SFS_STRATEGY_CEL)
		return NULL;
	r = sfs_calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	if (sfs_router_init(&r->router, &c->placement->sharding,
	                    c->key_encoding, 0, NULL) != SFS_OK) {
		sfs_free(r);
		return NULL; /* settling says why */
	}
	r->placement = sfs_placement_ref(c->placement);
	atomic_init(&r->refs, 1);
	return r;
}

void sfs_build_take_routing(struct sfs_build *b,
                            const struct sfs_build_config *c)
{
	struct sfs_build_routing *made = routing_new(c);
	struct sfs_build_routing *old;

	pthread_mutex_lock(&b->lock);
	old = b->routing;
	b->routing = made;
	pthread_mutex_unlock(&b->lock);
	sfs_build_routing_unref(old);
}

static struct sfs_build_routing *routing_of(struct sfs_build *b)
{
	struct sfs_build_routing *r;

	pthread_mutex_lock(&b->lock);
	r = b->routing;
	if (r != NULL)
		atomic_fetch_add(&r->refs, 1);
	pthread_mutex_unlock(&b->lock);
	return r;
}

static enum sfs_rc some_file(void *arg, int dir_fd, const char *entry,
                             struct sfs_err *err)
{
	(void)dir_fd;
	(void)entry;
	(void)err;
	*(bool *)arg = true;
	return SFS_E_EXISTS; /* one is enough */
}

bool sfs_build_has_where(struct sfs_build *b)
{
	struct sfs_build_routing *r = routing_of(b);
	bool has = r != NULL && r->router.needs_columns;
	enum sfs_rc rc = SFS_OK;
	int fd = -1;

	sfs_build_routing_unref(r);
	if (!has)
		rc = sfs_files_folder(b->files, SFS_FOLDER_WHERE, &fd, NULL);
	if (rc == SFS_OK && fd >= 0)
		rc = sfs_dir_walk(fd, some_file, &has, NULL);
	if (fd >= 0)
		(void)close(fd);
	return has && (rc == SFS_OK || rc == SFS_E_EXISTS);
}

/* --- directories ------------------------------------------------------------ */

static enum sfs_rc parse_path(const char *path, const struct sfs_sharding *s,
                              struct sfs_columns *out, struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	size_t len;

	sfs_columns_init(out);
	for (; rc == SFS_OK && *path != '\0'; path += len) {
		path += *path == '/';
		len = strcspn(path, "/");
		rc = sfs_where_add(out, s, path, len, err);
	}
	return rc;
}

/* "region=eu/tier=2" as the beginning of a name. */
static enum sfs_rc set_prefix(struct sfs_build_where *w, const char *text,
                              size_t len, struct sfs_err *err)
{
	w->prefix = sfs_malloc(len + 2);
	if (w->prefix == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < len; i++)
		w->prefix[i] = text[i] == '/' ? SFS_WHERE_BETWEEN : text[i];
	if (len > 0)
		w->prefix[len++] = SFS_WHERE_BETWEEN;
	w->prefix[len] = '\0';
	return SFS_OK;
}

static enum sfs_rc fill(struct sfs_build_where *out,
                        const struct sfs_build_routing *r,
                        const struct sfs_columns *columns, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_STAGED_NAME_MAX);
	const char *missing = "";
	enum sfs_rc rc;

	sfs_columns_print(columns, &r->placement->sharding, &text);
	rc = sfs_buf_finish(&text, "where/", NULL);
	if (rc != SFS_OK)
		rc = sfs_err_set(err,
		                 rc == SFS_E_TOO_BIG ? SFS_E_NAME_TOO_LONG : rc,
		                 "where/: the columns are longer than %d bytes",
		                 SFS_STAGED_NAME_MAX);
	else
		rc = set_prefix(out, text.data, text.len, err);
	out->has_keys = sfs_router_can_route(&r->router, columns, &missing) &&
	                text.len > 0;
	(void)snprintf(out->missing, sizeof(out->missing), "%s", missing);
	sfs_buf_release(&text);
	return rc;
}

static enum sfs_rc enter_routed(struct sfs_build *b, const char *path,
                                struct sfs_build_where *out,
                                struct sfs_err *err)
{
	struct sfs_build_routing *r = routing_of(b);
	struct sfs_columns columns;
	enum sfs_rc rc;

	if (r == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "where/: keys of this build are not routed "
		                   "by columns; see cel in config.yaml");
	rc = parse_path(path, &r->placement->sharding, &columns, err);
	if (rc == SFS_OK)
		rc = fill(out, r, &columns, err);
	else if (err != NULL)
		(void)sfs_err_wrap(err, "where/");
	sfs_columns_release(&columns);
	sfs_build_routing_unref(r);
	return rc;
}

/* --- what is in them ---------------------------------------------------------- */

/* A directory's columns against those of a file. */
struct matching {
	const char *prefix;
	size_t prefix_len;
	bool is_keys;
};

static bool has_column(const char *name, const char *columns_end,
                       const char *column, size_t len)
{
	while (name < columns_end) {
		const char *stop = strchr(name, SFS_WHERE_BETWEEN);

		if ((size_t)(stop - name) == len &&
		    memcmp(name, column, len) == 0)
			return true;
		name = stop + 1;
	}
	return false;
}

/* Are all columns of text, up to its end, among those of the other? */
static bool has_columns(const char *name, const char *name_end,
                        const char *text, const char *end)
{
	while (text < end) {
		const char *stop = strchr(text, SFS_WHERE_BETWEEN);

		if (!has_column(name, name_end, text, (size_t)(stop - text)))
			return false;
		text = stop + 1;
	}
	return true;
}

/* Is the file in the directory, or below it? */
static bool is_below(const struct matching *m, const char *name)
{
	const char *key = sfs_where_key(name);

	if (m->is_keys)
		return (size_t)(key - name) == m->prefix_len &&
		       memcmp(name, m->prefix, m->prefix_len) == 0;
	return has_columns(name, key, m->prefix, m->prefix + m->prefix_len);
}

/* The name in the directory by which one gets to the file; to be freed. */
static char *step_to(const struct matching *m, const char *name)
{
	const char *key = sfs_where_key(name);
	const char *end = m->prefix + m->prefix_len;
	const char *stop;

	if (m->is_keys)
		return sfs_strdup(key);
	for (; name < key; name = stop + 1) {
		stop = strchr(name, SFS_WHERE_BETWEEN);
		if (!has_column(m->prefix, end, name, (size_t)(stop - name)))
			return sfs_memdup0(name, (size_t)(stop - name));
	}
	return sfs_strdup("keys");
}

/* Leaves each name of the sorted ones once. */
static void make_unique(struct sfs_build_names *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->count; i++) {
		if (kept > 0 && strcmp(n->names[kept - 1], n->names[i]) == 0)
			sfs_free(n->names[i]);
		else
			n->names[kept++] = n->names[i];
	}
	n->count = kept;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of all files become those in the directory. */
static enum sfs_rc replace_names(const struct matching *m,
                                 struct sfs_build_names *n, struct sfs_err *err)
{
	size_t kept = 0;
	bool failed = false;

	for (size_t i = 0; i < n->count; i++) {
		char *name = n->names[i];

		n->names[i] = NULL;
		if (is_below(m, name)) {
			n->names[kept] = step_to(m, name);
			failed = failed || n->names[kept++] == NULL;
		}
		sfs_free(name);
	}
	n->count = kept;
	if (failed)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	if (n->count > 1)
		qsort(n->names, n->count, sizeof(*n->names), compare_names);
	make_unique(n);
	return SFS_OK;
}

static enum sfs_rc list_prefix(struct sfs_build *b, const char *prefix,
                               bool is_keys, struct sfs_build_names *out,
                               struct sfs_err *err)
{
	const struct matching m = { prefix, strlen(prefix), is_keys };
	enum sfs_rc rc = sfs_build_list(b, SFS_BUILD_WHERE, out, err);

	if (rc == SFS_OK)
		rc = replace_names(&m, out, err);
	if (rc != SFS_OK)
		sfs_build_names_release(out);
	return rc;
}

/* Columns that config.yaml has not, but files. */
static enum sfs_rc enter_leftover(struct sfs_build *b, const char *path,
                                  struct sfs_build_where *out,
                                  struct sfs_err *why)
{
	struct sfs_build_names names;
	struct sfs_err err;
	bool is_empty;

	if (set_prefix(out, path, strlen(path), why) != SFS_OK)
		return SFS_E_NO_MEMORY;
	if (list_prefix(b, out->prefix, false, &names, &err) != SFS_OK)
		return SFS_E_INVALID;
	is_empty = names.count == 0;
	sfs_build_names_release(&names);
	out->has_keys = path[0] != '\0';
	return is_empty ? SFS_E_INVALID : SFS_OK;
}

enum sfs_rc sfs_build_where_enter(struct sfs_build *b, const char *path,
                                  struct sfs_build_where *out,
                                  struct sfs_err *err)
{
	struct sfs_err why;
	enum sfs_rc rc;

	*out = (struct sfs_build_where){ .prefix = NULL };
	rc = enter_routed(b, path, out, &why);
	if (rc == SFS_E_INVALID)
		rc = enter_leftover(b, path, out, &why);
	if (rc != SFS_OK && err != NULL)
		*err = why;
	return rc;
}

void sfs_build_where_release(struct sfs_build_where *w)
{
	sfs_free(w->prefix);
	*w = (struct sfs_build_where){ .prefix = NULL };
}

static enum sfs_rc add_keys(struct sfs_build_names *n, struct sfs_err *err)
{
	char **wide;
	char *name;

	for (size_t i = 0; i < n->count; i++) {
		if (strcmp(n->names[i], "keys") == 0)
			return SFS_OK;
	}
	name = sfs_strdup("keys");
	wide = sfs_realloc_array(n->names, n->count + 1, sizeof(*wide));
	if (wide != NULL)
		n->names = wide;
	if (wide == NULL || name == NULL) {
		sfs_free(name);
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	}
	n->names[n->count++] = name;
	return SFS_OK;
}

enum sfs_rc sfs_build_where_list(struct sfs_build *b, const char *path,
                                 bool is_keys, struct sfs_build_names *out,
                                 struct sfs_err *err)
{
	struct sfs_build_where w;
	enum sfs_rc rc;

	*out = (struct sfs_build_names){ NULL, 0 };
	rc = sfs_build_where_enter(b, path, &w, err);
	if (rc == SFS_OK)
		rc = list_prefix(b, w.prefix, is_keys, out, err);
	if (rc == SFS_OK && !is_keys && w.has_keys)
		rc = add_keys(out, err);
	if (rc != SFS_OK)
		sfs_build_names_release(out);
	sfs_build_where_release(&w);
	return rc;
}

enum sfs_rc sfs_build_where_check_empty(struct sfs_build *b, const char *path,
                                        bool is_keys, struct sfs_err *err)
{
	struct sfs_build_names names = { NULL, 0 };
	struct sfs_build_where w;
	enum sfs_rc rc;

	rc = sfs_build_where_enter(b, path, &w, err);
	if (rc == SFS_OK)
		rc = list_prefix(b, w.prefix, is_keys, &names, err);
	else if (rc == SFS_E_INVALID) /* then there are no files either */
		rc = SFS_OK;
	if (rc == SFS_OK && names.count > 0)
		rc = sfs_err_set(err, SFS_E_INVALID, "%s is not empty: %s",
		                 path, names.names[0]);
	sfs_build_names_release(&names);
	sfs_build_where_release(&w);
	return rc;
}

/* --- the rules of a name ------------------------------------------------------- */

enum sfs_rc sfs_build_check_where(struct sfs_build *b, const char *name,
                                  struct sfs_err *err)
{
	size_t len = (size_t)(sfs_where_key(name) - name);
	struct sfs_build_where w = { .prefix = NULL };
	char *path;
	enum sfs_rc rc;

	if (len == 0 || name[len] == '\0')
		return sfs_err_set(err, SFS_E_INVALID,
		                   "where/ holds directories COLUMN=VALUE");
	path = sfs_memdup0(name, len - 1);
	if (path == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	for (char *at = path; *at != '\0'; at++) {
		if (*at == SFS_WHERE_BETWEEN)
			*at = '/';
	}
	rc = enter_routed(b, path, &w, err);
	if (rc == SFS_OK && !w.has_keys)
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "where/%.200s: column %s is missing", path,
		                 w.missing);
	else if (rc == SFS_OK &&
	         (strlen(w.prefix) != len || memcmp(w.prefix, name, len) != 0))
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "where/%.200s: another spelling", path);
	sfs_free(path);
	sfs_build_where_release(&w);
	return rc;
}
