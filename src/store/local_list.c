/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing a directory tree as a flat space of keys. Keys are in byte order
 * of the whole key, as S3 gives them, which is not the order of a sorted
 * tree walk: "a-b" < "a/b" < "a0". Sorting each directory's names with a '/'
 * behind those of directories gives that order. In memory at one time are the
 * names of the directories on the way down, never the whole tree. Whatever
 * cannot be read ends the listing with an error: a shorter listing would make
 * a collector of garbage delete what is needed.
 */
#include "store/local_internal.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct name {
	const char *text; /* ends in '/' if it is a directory's */
	bool is_dir;
};

/* The names of one directory that may be keys or lead to some. */
struct names {
	struct sfs_arena *texts;
	struct name *items;
	size_t count;
	size_t cap;
};

struct walk {
	const char *name_prefix; /* of the names in the first directory */
	const char *start_after; /* "": from the first */
	bool is_folding;
	bool is_stopped; /* by the callback */
	sfs_list_fn *fn;
	void *arg;
	const struct sfs_call *call;
	struct sfs_err *err;
	char key[SFS_STORE_KEY_MAX + 1]; /* the directory, with its '/' */
	size_t len;
	unsigned depth; /* its segments */
};

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a;
	const struct name *y = b;

	return strcmp(x->text, y->text); /* compares as unsigned bytes */
}

static enum sfs_rc no_memory(struct walk *w)
{
	return sfs_err_set(w->err, SFS_E_NO_MEMORY, "listing %s: no memory",
	                   w->key);
}

static enum sfs_rc add_name(struct walk *w, struct names *n, const char *name,
                            bool is_dir)
{
	size_t len = strlen(name);
	struct name *items;
	char *text;

	if (n->count == n->cap) {
		size_t cap = n->cap > 0 ? n->cap * 2 : 64;

		items = sfs_realloc_array(n->items, cap, sizeof(*items));
		if (items == NULL)
			return no_memory(w);
		n->items = items;
		n->cap = cap;
	}
	/* one byte more: its own NUL, which makes room for the '/' */
	text = sfs_arena_add(n->texts, name, is_dir ? len + 1 : len);
	if (text == NULL)
		return no_memory(w);
	if (is_dir)
		text[len] = '/';
	n->items[n->count].text = text;
	n->items[n->count].is_dir = is_dir;
	n->count++;
	return SFS_OK;
}

/* Writes directory and name to out; false if that is too long for a key. */
static bool join(const struct walk *w, const char *text,
                 char out[SFS_STORE_KEY_MAX + 1])
{
	size_t len = strlen(text);

	if (len > SFS_STORE_KEY_MAX - w->len)
		return false;
	memcpy(out, w->key, w->len);
	memcpy(out + w->len, text, len + 1);
	return true;
}

/* Whether the listing shows the name, or something below it. */
static bool is_wanted(const struct walk *w, const struct name *n)
{
	char key[SFS_STORE_KEY_MAX + 1];

	if (!join(w, n->text, key))
		return false;
	if (strcmp(key, w->start_after) > 0)
		return true;
	return n->is_dir && !w->is_folding &&
	       strncmp(key, w->start_after, strlen(key)) == 0;
}

/* The kind of a name: DT_REG, DT_DIR, DT_UNKNOWN for gone, or another. */
static enum sfs_rc kind_of(struct walk *w, int dir_fd, const struct dirent *e,
                           unsigned char *kind_out)
{
	struct stat st;

	*kind_out = e->d_type;
	if (e->d_type != DT_UNKNOWN)
		return SFS_OK;
	if (fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*kind_out = (unsigned char)IFTODT(st.st_mode);
	else if (errno != ENOENT)
		return sfs_err_sys(w->err, errno, "listing %s%s", w->key,
		                   e->d_name);
	return SFS_OK;
}

/*
 * The next entry that may be a key or lead to some, or *out = NULL. depth: of
 * the directory that is read.
 */
static enum sfs_rc next_entry(struct walk *w, DIR *dir, unsigned depth,
                              const struct dirent **out,
                              unsigned char *kind_out)
{
	enum sfs_rc rc;

	for (;;) {
		const struct dirent *e;

		rc = sfs_call_check(w->call, "listing", w->err);
		if (rc != SFS_OK)
			return rc;
		errno = 0;
		e = readdir(dir);
		*out = e;
		if (e == NULL && errno != 0)
			return sfs_err_sys(w->err, errno, "listing %s", w->key);
		if (e == NULL)
			return SFS_OK;
		if (!sfs_local_segment_is_valid(e->d_name, strlen(e->d_name),
		                                depth == 0))
			continue;
		rc = kind_of(w, dirfd(dir), e, kind_out);
		if (rc != SFS_OK)
			return rc;
		if (*kind_out == DT_REG ||
		    (*kind_out == DT_DIR && depth + 1 < SFS_LOCAL_DEPTH_MAX))
			return SFS_OK;
	}
}

static enum sfs_rc read_names(struct walk *w, DIR *dir, struct names *n,
                              const char *name_prefix)
{
	size_t prefix_len = strlen(name_prefix);

	n->texts = sfs_arena_new();
	if (n->texts == NULL)
		return no_memory(w);
	for (;;) {
		const struct dirent *e = NULL;
		unsigned char kind = DT_UNKNOWN;
		enum sfs_rc rc = next_entry(w, dir, w->depth, &e, &kind);

		if (rc != SFS_OK)
			return rc;
		if (e == NULL)
			break;
		if (strncmp(e->d_name, name_prefix, prefix_len) != 0)
			continue;
		rc = add_name(w, n, e->d_name, kind == DT_DIR);
		if (rc != SFS_OK)
			return rc;
		if (!is_wanted(w, &n->items[n->count - 1]))
			n->count--;
	}
	if (n->count > 1)
		qsort(n->items, n->count, sizeof(*n->items), compare_names);
	return SFS_OK;
}

static void emit(struct walk *w, const struct sfs_list_entry *entry)
{
	if (!w->fn(w->arg, entry))
		w->is_stopped = true;
}

/* What was deleted or replaced since it was read is not an error. */
static enum sfs_rc list_object(struct walk *w, int dir_fd, const struct name *n)
{
	char key[SFS_STORE_KEY_MAX + 1];
	struct sfs_list_entry entry;
	struct stat st;

	if (fstatat(dir_fd, n->text, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return SFS_OK;
		return sfs_err_sys(w->err, errno, "listing %s%s", w->key,
		                   n->text);
	}
	if (!S_ISREG(st.st_mode) || !join(w, n->text, key))
		return SFS_OK;
	memset(&entry, 0, sizeof(entry));
	entry.key = key;
	entry.info.size = (uint64_t)st.st_size;
	entry.info.mtime_ns = sfs_timespec_ns(&st.st_mtim);
	emit(w, &entry);
	return SFS_OK;
}

/* *dir_out = NULL: it is gone, or no directory any more. */
static enum sfs_rc open_dir(struct walk *w, int dir_fd, const char *name,
                            DIR **dir_out)
{
	int fd;

	*dir_out = NULL;
	fd = openat(dir_fd, name,
	            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return SFS_OK;
	if (fd < 0)
		return sfs_err_sys(w->err, errno, "listing %s%s", w->key, name);
	*dir_out = fdopendir(fd);
	if (*dir_out != NULL)
		return SFS_OK;
	(void)close(fd);
	return no_memory(w);
}

/* Whether there is a key below a directory: an empty one is no prefix. */
static enum sfs_rc find_object(struct walk *w, DIR *dir, unsigned depth,
                               bool *found)
{
	enum sfs_rc rc;

	while (!*found) {
		const struct dirent *e = NULL;
		unsigned char kind = DT_UNKNOWN;
		DIR *below = NULL;

		rc = next_entry(w, dir, depth, &e, &kind);
		if (rc != SFS_OK)
			return rc;
		if (e == NULL)
			break;
		*found = kind == DT_REG;
		if (kind == DT_DIR)
			rc = open_dir(w, dirfd(dir), e->d_name, &below);
		if (rc == SFS_OK && below != NULL)
			rc = find_object(w, below, depth + 1, found);
		if (below != NULL)
			(void)closedir(below);
		if (rc != SFS_OK)
			return rc;
	}
	return SFS_OK;
}

static enum sfs_rc list_prefix(struct walk *w, int dir_fd, const struct name *n)
{
	char key[SFS_STORE_KEY_MAX + 1];
	struct sfs_list_entry entry;
	DIR *dir = NULL;
	bool found = false;
	enum sfs_rc rc;

	rc = open_dir(w, dir_fd, n->text, &dir);
	if (rc == SFS_OK && dir == NULL)
		return SFS_OK;
	if (rc == SFS_OK) {
		rc = find_object(w, dir, w->depth + 1, &found);
		(void)closedir(dir);
	}
	/* it exists, and whoever asks for more will be told so */
	if (rc == SFS_E_AUTH)
		found = true;
	else if (rc != SFS_OK)
		return rc;
	memset(&entry, 0, sizeof(entry));
	entry.key = key;
	entry.is_prefix = true;
	if (found && join(w, n->text, key))
		emit(w, &entry);
	return SFS_OK;
}

static enum sfs_rc list_dir(struct walk *w, DIR *dir, const char *name_prefix);

/* Descends; every level has its own names, directory and place in w->key. */
static enum sfs_rc list_below(struct walk *w, int dir_fd, const struct name *n)
{
	size_t len = w->len;
	DIR *dir = NULL;
	enum sfs_rc rc;

	rc = open_dir(w, dir_fd, n->text, &dir);
	if (rc != SFS_OK || dir == NULL || !join(w, n->text, w->key))
		goto out;
	w->len += strlen(n->text);
	w->depth++;
	rc = list_dir(w, dir, "");
	w->depth--;
	w->len = len;
	w->key[len] = '\0';
out:
	if (dir != NULL)
		(void)closedir(dir);
	return rc;
}

static enum sfs_rc list_name(struct walk *w, int dir_fd, const struct name *n)
{
	enum sfs_rc rc = sfs_call_check(w->call, "listing", w->err);

	if (rc != SFS_OK)
		return rc;
	if (!n->is_dir)
		return list_object(w, dir_fd, n);
	if (w->is_folding)
		return list_prefix(w, dir_fd, n);
	return list_below(w, dir_fd, n);
}

static enum sfs_rc list_dir(struct walk *w, DIR *dir, const char *name_prefix)
{
	struct names n = { NULL, NULL, 0, 0 };
	enum sfs_rc rc;

	rc = read_names(w, dir, &n, name_prefix);
	for (size_t i = 0; rc == SFS_OK && i < n.count && !w->is_stopped; i++)
		rc = list_name(w, dirfd(dir), &n.items[i]);
	sfs_arena_free(n.texts);
	sfs_free(n.items);
	return rc;
}

/* Splits the prefix into the directory to read and the start of its names. */
static enum sfs_rc set_prefix(struct walk *w, const char *prefix)
{
	const char *slash = strrchr(prefix, '/');
	enum sfs_rc rc;

	if (strnlen(prefix, SFS_STORE_KEY_MAX + 1) > SFS_STORE_KEY_MAX)
		return sfs_err_set(w->err, SFS_E_INVALID,
		                   "a prefix is too long: %.64s...", prefix);
	w->name_prefix = slash != NULL ? slash + 1 : prefix;
	for (const char *p = w->name_prefix; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return sfs_err_set(w->err, SFS_E_INVALID,
			                   "not a prefix of keys: \"%s\"",
			                   prefix);
	if (slash == NULL)
		return SFS_OK;
	w->len = (size_t)(slash - prefix);
	memcpy(w->key, prefix, w->len);
	rc = sfs_local_key_check(w->key, w->err);
	for (size_t i = 0; i <= w->len; i++)
		w->depth += prefix[i] == '/';
	w->key[w->len++] = '/';
	return rc;
}

enum sfs_rc sfs_local_list(struct sfs_store *s, const char *prefix,
                           char delimiter, const char *start_after,
                           sfs_list_fn *fn, void *arg,
                           const struct sfs_call *call, struct sfs_err *err)
{
	struct walk w;
	DIR *dir;
	enum sfs_rc rc;
	int fd;

	memset(&w, 0, sizeof(w));
	w.start_after = start_after != NULL ? start_after : "";
	w.is_folding = delimiter != 0;
	w.fn = fn;
	w.arg = arg;
	w.call = call;
	w.err = err;
	if (delimiter != 0 && delimiter != '/')
		return sfs_err_set(err, SFS_E_INVALID, "no delimiter: %c",
		                   delimiter);
	rc = sfs_call_check(call, "listing", err);
	if (rc == SFS_OK)
		rc = set_prefix(&w, prefix);
	if (rc != SFS_OK)
		return rc;
	fd = sfs_local_open_beneath(sfs_local_of(s), w.key,
	                            O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		rc = sfs_local_path_error(-fd, prefix, err);
		return rc == SFS_E_NOT_FOUND ? SFS_OK : rc;
	}
	dir = fdopendir(fd);
	if (dir == NULL) {
		(void)close(fd);
		return no_memory(&w);
	}
	rc = list_dir(&w, dir, w.name_prefix);
	(void)closedir(dir);
	return rc;
}
