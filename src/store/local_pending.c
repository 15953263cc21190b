/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is visible in the local store, but not yet durable, and the barrier
 * that makes it so: many files are synced at once, which costs one commit of
 * the file system's journal and not one each.
 *
 *   WAITING -> SYNCING -> (durable: forgotten)
 *                      -> FAILED, an object: until it is made again
 *                      -> WAITING, a directory; the objects below it FAILED
 *
 * FAILED stays, because the kernel tells of a failed write once, and a sync
 * that is tried again succeeds without the bytes. A directory has no bytes
 * that could get lost like that, the names in it have: so its objects fail.
 * A change that is made again while the old one is SYNCING is another change:
 * the old one is marked as dropped, and its sync forgets it. Directories are
 * synced before objects, so that an object waits until both are durable.
 */
#include "store/local_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Descriptors that may wait here, of the 1024 that a process has. */
	FDS_MAX = 128,
	/*
	 * So many, and the whole file system is synced: beyond this the
	 * flushes of the disk, one for each, cost more than bytes of others.
	 */
	SYNCFS_MIN = 2000,
	WAIT_MS = 20, /* between two looks at the deadline */
};

enum change_state {
	CHANGE_INVALID = 0,
	CHANGE_WAITING,
	CHANGE_SYNCING,
	CHANGE_FAILED,
};

/* Protected by the lock; path and is_dir are immutable. */
struct sfs_local_change {
	struct sfs_local_change *next; /* in its bucket */
	enum change_state state;
	uint64_t number; /* later changes have larger ones */
	uint64_t hash;
	int fd; /* -1: it is opened by its name */
	dev_t dev;
	int sys_errno; /* why it FAILED; while SYNCING: why it will */
	bool is_dir;
	bool is_dropped;
	bool is_whole; /* SYNCING with the whole file system */
	char path[];   /* of the store's directory: "" */
};

/* Which changes a caller waits for. */
struct wanted {
	const char *prefix;
	bool is_dirs;       /* else objects */
	bool is_above_only; /* directories above that of the key prefix */
	uint64_t number;    /* no later ones */
};

void sfs_local_pending_init(struct sfs_local_pending *p)
{
	(void)pthread_mutex_init(&p->lock, NULL); /* cannot fail on Linux */
	sfs_clock_cond_init(&p->ended);
}

void sfs_local_pending_release(struct sfs_local_pending *p)
{
	struct sfs_local_change *next;
	size_t i;

	for (i = 0; i < SFS_LOCAL_PENDING_BUCKETS; i++)
		for (; p->buckets[i] != NULL; p->buckets[i] = next) {
			next = p->buckets[i]->next;
			sfs_local_change_free(p->buckets[i]);
		}
	(void)pthread_cond_destroy(&p->ended);
	(void)pthread_mutex_destroy(&p->lock);
}

enum sfs_rc sfs_local_change_new(const char *path, size_t path_len, bool is_dir,
                                 struct sfs_local_change **out,
                                 struct sfs_err *err)
{
	struct sfs_local_change *c = sfs_calloc(1, sizeof(*c) + path_len + 1);

	*out = c;
	if (c == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "%s: no memory", path);
	memcpy(c->path, path, path_len);
	c->state = CHANGE_WAITING;
	c->hash = sfs_hash64(path, path_len) + is_dir;
	c->is_dir = is_dir;
	c->fd = -1;
	return SFS_OK;
}

void sfs_local_change_free(struct sfs_local_change *c)
{
	if (c != NULL && c->fd >= 0)
		(void)close(c->fd); /* synced, or replaced */
	sfs_free(c);
}

bool sfs_local_pending_reserve(struct sfs_local_store *l)
{
	bool is_room;

	(void)pthread_mutex_lock(&l->pending.lock);
	is_room = l->pending.fds < FDS_MAX;
	if (is_room)
		l->pending.fds++;
	(void)pthread_mutex_unlock(&l->pending.lock);
	return is_room;
}

void sfs_local_pending_unreserve(struct sfs_local_store *l)
{
	(void)pthread_mutex_lock(&l->pending.lock);
	l->pending.fds--;
	(void)pthread_mutex_unlock(&l->pending.lock);
}

static struct sfs_local_change **bucket_of(struct sfs_local_store *l,
                                           uint64_t hash)
{
	return &l->pending.buckets[hash % SFS_LOCAL_PENDING_BUCKETS];
}

static void forget_locked(struct sfs_local_store *l, struct sfs_local_change *c)
{
	struct sfs_local_change **at = bucket_of(l, c->hash);

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (c->fd >= 0)
		l->pending.fds--;
	sfs_local_change_free(c);
}

/* The changes of a path make room for a later one, or for none. */
static void drop_locked(struct sfs_local_store *l, const char *path,
                        uint64_t hash, bool is_dir)
{
	struct sfs_local_change *next;
	struct sfs_local_change *c;

	for (c = *bucket_of(l, hash); c != NULL; c = next) {
		next = c->next;
		if (c->hash != hash || c->is_dir != is_dir ||
		    strcmp(c->path, path) != 0)
			continue;
		if (c->state == CHANGE_SYNCING)
			c->is_dropped = !is_dir;
		else
			forget_locked(l, c);
	}
}

static void note_locked(struct sfs_local_store *l, struct sfs_local_change *c)
{
	struct sfs_local_change **bucket = bucket_of(l, c->hash);

	drop_locked(l, c->path, c->hash, c->is_dir);
	c->number = ++l->pending.last_number;
	c->next = *bucket;
	*bucket = c;
}

void sfs_local_pending_note(struct sfs_local_store *l,
                            struct sfs_local_change *object,
                            struct sfs_local_change *dir, int fd, dev_t dev)
{
	object->fd = fd;
	object->dev = dev;
	dir->dev = dev;
	(void)pthread_mutex_lock(&l->pending.lock);
	note_locked(l, dir);
	note_locked(l, object);
	(void)pthread_mutex_unlock(&l->pending.lock);
}

/*
 * Under the lock, so that nobody can find the directory there and its parent
 * not among the changes.
 */
int sfs_local_pending_mkdir(struct sfs_local_store *l, int parent_fd,
                            const char *name, struct sfs_local_change *parent)
{
	struct stat st;
	int sys_errno = 0;

	if (fstat(parent_fd, &st) == 0)
		parent->dev = st.st_dev;
	(void)pthread_mutex_lock(&l->pending.lock);
	if (mkdirat(parent_fd, name, 0777) != 0)
		sys_errno = errno;
	if (sys_errno == EEXIST)
		sys_errno = 0;
	if (sys_errno == 0)
		note_locked(l, parent);
	(void)pthread_mutex_unlock(&l->pending.lock);
	if (sys_errno != 0)
		sfs_local_change_free(parent);
	return sys_errno;
}

void sfs_local_pending_drop(struct sfs_local_store *l, const char *key)
{
	(void)pthread_mutex_lock(&l->pending.lock);
	drop_locked(l, key, sfs_hash64(key, strlen(key)), false);
	(void)pthread_mutex_unlock(&l->pending.lock);
}

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Does what lies at path lie below the directory dir? */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return len == 0 || (strncmp(path, dir, len) == 0 && path[len] == '/');
}

static bool is_wanted(const struct sfs_local_change *c, const struct wanted *w)
{
	size_t len = strlen(c->path);

	if (c->is_dir != w->is_dirs || c->number > w->number || c->is_dropped)
		return false;
	if (!c->is_dir)
		return begins_with(c->path, w->prefix);
	if (!is_below(w->prefix, c->path))
		return !w->is_above_only && begins_with(c->path, w->prefix);
	return !w->is_above_only ||
	       strchr(w->prefix + (len > 0 ? len + 1 : 0), '/') != NULL;
}

/* The next one in such a state, from *bucket on, which it moves. */
static struct sfs_local_change *find_locked(struct sfs_local_store *l,
                                            const struct wanted *w,
                                            enum change_state state,
                                            size_t *bucket)
{
	struct sfs_local_change *c;

	for (; *bucket < SFS_LOCAL_PENDING_BUCKETS; ++*bucket)
		for (c = l->pending.buckets[*bucket]; c != NULL; c = c->next)
			if (c->state == state && is_wanted(c, w))
				return c;
	return NULL;
}

/* The objects below a directory whose names may be lost. */
static void fail_below_locked(struct sfs_local_store *l, const char *dir,
                              int sys_errno)
{
	struct sfs_local_change *c;
	size_t i;

	for (i = 0; i < SFS_LOCAL_PENDING_BUCKETS; i++)
		for (c = l->pending.buckets[i]; c != NULL; c = c->next) {
			if (c->is_dir || !is_below(c->path, dir))
				continue;
			c->sys_errno = sys_errno;
			if (c->state == CHANGE_WAITING)
				c->state = CHANGE_FAILED;
		}
}

/* Ends the sync of a change: sys_errno is 0, or why it failed. */
static void end_locked(struct sfs_local_store *l, struct sfs_local_change *c,
                       int sys_errno)
{
	if (sys_errno != 0 && c->is_dir)
		fail_below_locked(l, c->path, sys_errno);
	if (sys_errno != 0 && !c->is_dir)
		c->sys_errno = sys_errno;
	if (c->is_dropped || (sys_errno == 0 && c->sys_errno == 0))
		forget_locked(l, c);
	else
		c->state = c->is_dir ? CHANGE_WAITING : CHANGE_FAILED;
	(void)pthread_cond_broadcast(&l->pending.ended);
}

static enum sfs_rc sync_error(const char *path, int sys_errno,
                              struct sfs_err *err)
{
	return sfs_err_sys(err, sys_errno, "cannot sync %s",
	                   path[0] != '\0' ? path : "the store");
}

/*
 * *fd_out is -1 where the change was undone: deleted, and durably so. A
 * descriptor that cannot be had says nothing about the disk, so that does
 * not make the change fail for good.
 */
static enum sfs_rc change_open(const struct sfs_local_store *l,
                               const struct sfs_local_change *c, int *fd_out,
                               struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;
	struct stat st;

	*fd_out = c->fd;
	if (c->fd >= 0)
		return SFS_OK;
	if (!c->is_dir)
		rc = sfs_local_file_open(l, c->path, fd_out, &st, err);
	else
		*fd_out = sfs_local_open_beneath(l, c->path,
		                                 O_RDONLY | O_DIRECTORY);
	if (c->is_dir && *fd_out < 0)
		rc = sfs_local_path_error(-*fd_out, c->path, err);
	if (rc != SFS_OK)
		*fd_out = -1;
	return rc == SFS_E_NOT_FOUND ? SFS_OK : rc;
}

/* Syncs a change that is SYNCING, without the lock. */
static enum sfs_rc change_sync(const struct sfs_local_store *l,
                               const struct sfs_local_change *c,
                               int *sys_errno_out, struct sfs_err *err)
{
	enum sfs_rc rc;
	int fd = -1;

	*sys_errno_out = 0;
	rc = change_open(l, c, &fd, err);
	if (rc != SFS_OK || fd < 0)
		return rc;
	if (c->is_dir)
		rc = sfs_dir_sync(fd, err);
	else
		while (fsync(fd) != 0 && rc == SFS_OK)
			if (errno != EINTR)
				rc = sync_error(c->path, errno, err);
	if (rc != SFS_OK)
		*sys_errno_out = err->sys_errno;
	if (fd != c->fd)
		(void)close(fd);
	return rc;
}

/* One change, which is WAITING. The lock is held before and after. */
static enum sfs_rc sync_one_locked(struct sfs_local_store *l,
                                   struct sfs_local_change *c,
                                   struct sfs_err *err)
{
	struct sfs_err own = { .rc = SFS_OK };
	int sys_errno;
	enum sfs_rc rc;

	c->state = CHANGE_SYNCING;
	(void)pthread_mutex_unlock(&l->pending.lock);
	rc = change_sync(l, c, &sys_errno, &own);
	(void)pthread_mutex_lock(&l->pending.lock);
	if (rc != SFS_OK && err != NULL)
		*err = own;
	if (rc == SFS_OK || sys_errno != 0)
		end_locked(l, c, sys_errno);
	else if (c->is_dropped)
		end_locked(l, c, 0);
	else
		c->state = c->sys_errno != 0 ? CHANGE_FAILED : CHANGE_WAITING;
	return rc;
}

static void wait_locked(struct sfs_local_store *l)
{
	(void)sfs_clock_cond_wait(&l->pending.ended, &l->pending.lock,
	                          sfs_clock_ms() + WAIT_MS);
}

/* Until no such change waits or is being synced, or one failed. */
static enum sfs_rc sync_all_locked(struct sfs_local_store *l,
                                   const struct wanted *w,
                                   const struct sfs_call *call,
                                   struct sfs_err *err)
{
	struct sfs_local_change *c;
	enum sfs_rc rc = SFS_OK;
	size_t bucket = 0;
	size_t first = 0;

	while (rc == SFS_OK) {
		c = find_locked(l, w, CHANGE_WAITING, &bucket);
		if (c != NULL) {
			rc = sfs_call_check(call, "barrier", err);
			if (rc == SFS_OK)
				rc = sync_one_locked(l, c, err);
			continue;
		}
		first = 0;
		if (find_locked(l, w, CHANGE_SYNCING, &first) == NULL)
			break;
		wait_locked(l);
		rc = sfs_call_check(call, "barrier", err);
		bucket = 0; /* a directory may wait again */
	}
	first = 0;
	c = find_locked(l, w, CHANGE_FAILED, &first);
	if (rc == SFS_OK && c != NULL)
		rc = sync_error(c->path, c->sys_errno, err);
	return rc;
}

typedef bool change_fn(struct sfs_local_store *l, struct sfs_local_change *c);

/*
 * Calls fn, which may forget it, for each change of either kind; NULL: of
 * all.
 */
static size_t each_locked(struct sfs_local_store *l, const struct wanted *dirs,
                          const struct wanted *objects, change_fn *fn)
{
	struct sfs_local_change *next;
	struct sfs_local_change *c;
	size_t count = 0;
	size_t i;

	for (i = 0; i < SFS_LOCAL_PENDING_BUCKETS; i++)
		for (c = l->pending.buckets[i]; c != NULL; c = next) {
			next = c->next;
			if (dirs == NULL || is_wanted(c, dirs) ||
			    is_wanted(c, objects))
				count += fn(l, c);
		}
	return count;
}

static bool is_many(struct sfs_local_store *l, struct sfs_local_change *c)
{
	return c->state == CHANGE_WAITING && c->dev == l->dev;
}

static bool begin_whole(struct sfs_local_store *l, struct sfs_local_change *c)
{
	if (!is_many(l, c))
		return false;
	c->state = CHANGE_SYNCING;
	c->is_whole = true;
	return true;
}

static bool end_whole(struct sfs_local_store *l, struct sfs_local_change *c)
{
	if (!c->is_whole)
		return false;
	c->is_whole = false;
	if (c->is_dir && l->pending.whole_errno != 0)
		c->state = CHANGE_WAITING;
	else
		end_locked(l, c, 0); /* an object knows whether it failed */
	return true;
}

/*
 * Syncs the whole file system where that is cheaper. It tells of a failure
 * once, and not which object it was; so one thread does it at a time, and
 * every object fails.
 */
static enum sfs_rc sync_whole_locked(struct sfs_local_store *l,
                                     const struct wanted *dirs,
                                     const struct wanted *objects,
                                     struct sfs_err *err)
{
	int sys_errno = 0;

	if (l->sync_fd < 0 || l->pending.is_syncing_whole ||
	    each_locked(l, dirs, objects, is_many) < SYNCFS_MIN)
		return SFS_OK;
	(void)each_locked(l, dirs, objects, begin_whole);
	l->pending.is_syncing_whole = true;
	(void)pthread_mutex_unlock(&l->pending.lock);
	if (syncfs(l->sync_fd) != 0)
		sys_errno = errno;
	(void)pthread_mutex_lock(&l->pending.lock);
	l->pending.is_syncing_whole = false;
	l->pending.whole_errno = sys_errno;
	if (sys_errno != 0)
		fail_below_locked(l, "", sys_errno);
	(void)each_locked(l, NULL, NULL, end_whole);
	return sys_errno == 0 ? SFS_OK : sync_error("", sys_errno, err);
}

enum sfs_rc sfs_local_barrier(struct sfs_store *s, const char *prefix,
                              const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_local_store *l = sfs_local_of(s);
	struct wanted dirs = { prefix, true, false, 0 };
	struct wanted objects = { prefix, false, false, 0 };
	enum sfs_rc rc = sfs_call_check(call, s->url, err);

	if (rc != SFS_OK)
		return rc;
	(void)pthread_mutex_lock(&l->pending.lock);
	dirs.number = l->pending.last_number;
	objects.number = l->pending.last_number;
	rc = sync_whole_locked(l, &dirs, &objects, err);
	if (rc == SFS_OK)
		rc = sync_all_locked(l, &dirs, call, err);
	if (rc == SFS_OK)
		rc = sync_all_locked(l, &objects, call, err);
	(void)pthread_mutex_unlock(&l->pending.lock);
	return rc;
}

enum sfs_rc sfs_local_pending_settle(struct sfs_local_store *l, const char *key,
                                     const struct sfs_call *call,
                                     struct sfs_err *err)
{
	struct wanted above = { key, true, true, 0 };
	enum sfs_rc rc;

	(void)pthread_mutex_lock(&l->pending.lock);
	above.number = l->pending.last_number;
	rc = sync_all_locked(l, &above, call, err);
	(void)pthread_mutex_unlock(&l->pending.lock);
	return rc;
}
