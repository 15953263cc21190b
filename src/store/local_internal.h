/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_STORE_LOCAL_INTERNAL_H
#define SFS_STORE_LOCAL_INTERNAL_H

#include "base/atomicfile.h"
#include "shardyfs/store.h"

#include <pthread.h>
#include <sys/stat.h>

/* What the files of the local store share; nobody else includes this. */

enum { SFS_LOCAL_DEPTH_MAX = 64 }; /* segments of a key */

#define SFS_LOCAL_LOCK ".lock"

/* An object or a directory whose change is visible, but not yet durable. */
struct sfs_local_change;

enum { SFS_LOCAL_PENDING_BUCKETS = 1024 };

/* The changes that wait for a barrier (local_pending.c). */
struct sfs_local_pending {
	pthread_mutex_t lock; /* protects all of it */
	pthread_cond_t ended; /* a sync, well or badly */
	uint64_t last_number; /* of a change */
	unsigned fds;         /* that changes hold, or will */
	bool is_syncing_whole;
	int whole_errno; /* of the last of those */
	struct sfs_local_change *buckets[SFS_LOCAL_PENDING_BUCKETS];
};

struct sfs_local_store {
	struct sfs_store base;
	int dir_fd;  /* O_PATH */
	int sync_fd; /* the same, for syncfs(2), which O_PATH does not do */
	dev_t dev;   /* of that directory */
	char *url;
	struct sfs_local_pending pending;
};

/* Where a key lies: its directory, held open, and its last segment. */
struct sfs_local_place {
	int dir_fd; /* -1: none; the caller closes it */
	const char *name;
};

/* An object on its way in. */
struct sfs_local_staged {
	struct sfs_local_place at;
	struct sfs_atomicfile file;
};

#define SFS_LOCAL_STAGED_INIT                     \
	{                                         \
		{ -1, NULL }, SFS_ATOMICFILE_INIT \
	}

struct sfs_local_store *sfs_local_of(struct sfs_store *s);

/* INVALID if it is no key, or one that is reserved. */
enum sfs_rc sfs_local_key_check(const char *key,
                                struct sfs_err *err) SFS_NODISCARD;

/* The same for one segment; is_top: it lies in the store's directory. */
bool sfs_local_segment_is_valid(const char *name, size_t len, bool is_top);

/*
 * Opens a path below the store ("": its directory) without ever leaving it.
 * The descriptor, or a negative errno.
 */
int sfs_local_open_beneath(const struct sfs_local_store *l, const char *path,
                           int flags);

/* Names what a failed resolution of path means; sys_errno > 0. */
enum sfs_rc sfs_local_path_error(int sys_errno, const char *path,
                                 struct sfs_err *err);

/*
 * Finds a key's directory. flags: O_PATH, or O_RDONLY where it will be
 * synced. NOT_FOUND.
 */
enum sfs_rc sfs_local_place_open(const struct sfs_local_store *l,
                                 const char *key, int flags,
                                 struct sfs_local_place *out,
                                 struct sfs_err *err) SFS_NODISCARD;

/* Opens the regular file of a key for reading. NOT_FOUND, CORRUPT. */
enum sfs_rc sfs_local_file_open(const struct sfs_local_store *l,
                                const char *key, int *fd_out, struct stat *st,
                                struct sfs_err *err) SFS_NODISCARD;

/* Reads until len bytes or the end of the file. */
enum sfs_rc sfs_local_read_fully(int fd, const char *name, uint64_t offset,
                                 void *buf, size_t len, size_t *got,
                                 const struct sfs_call *call,
                                 struct sfs_err *err) SFS_NODISCARD;

/* The tag of a key's bytes as they are now; empty if it is absent. */
enum sfs_rc sfs_local_tag_now(const struct sfs_local_store *l, const char *key,
                              struct sfs_tag *out, const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

/* Waits until fd (-1: none) is readable, cancelled, or timeout_ms passed. */
void sfs_local_wait(int fd, int64_t timeout_ms, const struct sfs_call *call);

/* local_write.c */

/* Checks call and key for an operation that writes. */
enum sfs_rc sfs_local_check_write(const char *key, const struct sfs_call *call,
                                  struct sfs_err *err) SFS_NODISCARD;

/* Begins a file beside the place of key; directories are made. */
enum sfs_rc sfs_local_staged_begin(struct sfs_local_store *l, const char *key,
                                   struct sfs_local_staged *g,
                                   const struct sfs_call *call,
                                   struct sfs_err *err) SFS_NODISCARD;

/*
 * Makes it visible as key; durable after the barrier. has_dirty: bytes of it
 * may still be in the page cache only.
 */
enum sfs_rc sfs_local_staged_publish(struct sfs_local_store *l,
                                     struct sfs_local_staged *g,
                                     const char *key, bool has_dirty,
                                     const struct sfs_call *call,
                                     struct sfs_err *err) SFS_NODISCARD;
void sfs_local_staged_release(struct sfs_local_staged *g);

/* Removes the directories of a key as far as they are empty. */
void sfs_local_remove_empty_parents(const struct sfs_local_store *l,
                                    const char *key);

/* local_pending.c */

void sfs_local_pending_init(struct sfs_local_pending *p);
void sfs_local_pending_release(struct sfs_local_pending *p);

/* Before a change is made, so that noting it cannot fail. */
enum sfs_rc sfs_local_change_new(const char *path, size_t path_len, bool is_dir,
                                 struct sfs_local_change **out,
                                 struct sfs_err *err) SFS_NODISCARD;
void sfs_local_change_free(struct sfs_local_change *c); /* NULL is fine */

/*
 * May a change hold an open file? If so it counts until it is durable; else
 * the file has to be synced before it is noted.
 */
bool sfs_local_pending_reserve(struct sfs_local_store *l);
void sfs_local_pending_unreserve(struct sfs_local_store *l);

/*
 * Notes that an object was made or replaced, and with it its directory;
 * takes both. fd: of the reserve, or -1: it is opened again to be synced.
 */
void sfs_local_pending_note(struct sfs_local_store *l,
                            struct sfs_local_change *object,
                            struct sfs_local_change *dir, int fd, dev_t dev);

/* mkdirat(2) and the note that its parent changed, as one step. An errno. */
int sfs_local_pending_mkdir(struct sfs_local_store *l, int parent_fd,
                            const char *name, struct sfs_local_change *parent);

/* The object is durable, or gone, by other means. */
void sfs_local_pending_drop(struct sfs_local_store *l, const char *key);

/* Makes the directories above that of a key durable. */
enum sfs_rc sfs_local_pending_settle(struct sfs_local_store *l, const char *key,
                                     const struct sfs_call *call,
                                     struct sfs_err *err) SFS_NODISCARD;

/* The operations, as in struct sfs_store_ops. */
enum sfs_rc sfs_local_put(struct sfs_store *s, const char *key,
                          const void *data, size_t len, struct sfs_tag *tag_out,
                          const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_put_if(struct sfs_store *s, const char *key,
                             const void *data, size_t len,
                             const struct sfs_tag *expected,
                             struct sfs_tag *tag_out,
                             const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_put_file(struct sfs_store *s, const char *key, int fd,
                               struct sfs_tag *tag_out,
                               const struct sfs_call *call,
                               struct sfs_err *err);
enum sfs_rc sfs_local_create(struct sfs_store *s, const char *key,
                             uint64_t size, struct sfs_upload **upload_out,
                             const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_barrier(struct sfs_store *s, const char *prefix,
                              const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_pin(struct sfs_store *s, const char *key,
                          bool is_exclusive, struct sfs_pin **pin_out,
                          struct sfs_err *err);
void sfs_local_unpin(struct sfs_store *s, struct sfs_pin *pin);
enum sfs_rc sfs_local_may_write(struct sfs_store *s, const char *key,
                                struct sfs_err *err);
enum sfs_rc sfs_local_delete(struct sfs_store *s, const char *key,
                             const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_copy(struct sfs_store *s, const char *from,
                           const char *to, const struct sfs_call *call,
                           struct sfs_err *err);
enum sfs_rc sfs_local_list(struct sfs_store *s, const char *prefix,
                           char delimiter, const char *start_after,
                           sfs_list_fn *fn, void *arg,
                           const struct sfs_call *call, struct sfs_err *err);
enum sfs_rc sfs_local_watch(struct sfs_store *s, const char *key,
                            struct sfs_tag *known, const struct sfs_call *call,
                            struct sfs_err *err);

#endif
