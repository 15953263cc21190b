/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHARDYFS_STORE_H
#define SHARDYFS_STORE_H

#include "shardyfs/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The object store seam: a flat space of objects below one prefix, named by
 * '/'-separated keys without leading slash, "." or "..". The contract is the
 * one that S3 can keep; a local directory keeps it with fsync, rename and
 * locks. Every call takes a struct sfs_call with a deadline and a way to
 * cancel, and every call may be made from any thread.
 *
 * Codes that every call may return: TRANSIENT, AUTH, TIMEOUT, CANCELED,
 * NO_MEMORY, IO, INVALID (a key that is not one). Others are named per call.
 */

enum {
	SFS_STORE_KEY_MAX = 1024, /* bytes, as S3's limit */
	SFS_STORE_TAG_BYTES = 96,
};

/* Cancels calls from another thread. The caller owns it. */
struct sfs_cancel {
	int event_fd;          /* readable once raised; -1: not initialised */
	atomic_bool is_raised; /* the same, for who asks often */
};

enum sfs_rc sfs_cancel_init(struct sfs_cancel *c,
                            struct sfs_err *err) SFS_NODISCARD;
void sfs_cancel_release(struct sfs_cancel *c);
void sfs_cancel_raise(struct sfs_cancel *c); /* async-signal-safe */
void sfs_cancel_clear(struct sfs_cancel *c);
bool sfs_cancel_is_raised(const struct sfs_cancel *c);

/* NULL in place of a struct sfs_call: no deadline, cannot be cancelled. */
struct sfs_call {
	int64_t deadline_ms;             /* sfs_clock_ms(); 0: none */
	const struct sfs_cancel *cancel; /* borrowed; NULL: none */
};

/* SFS_OK, SFS_E_TIMEOUT or SFS_E_CANCELED; "what" names the work. */
enum sfs_rc sfs_call_check(const struct sfs_call *call, const char *what,
                           struct sfs_err *err) SFS_NODISCARD;

/* An opaque version tag (S3: the ETag). Equal tags: equal bytes. */
struct sfs_tag {
	char text[SFS_STORE_TAG_BYTES]; /* NUL-terminated; "": none */
};

/*
 * The tag of bytes in stores that keep none themselves: their XXH3_128 in
 * hex. It tells versions apart and is no proof against forgery.
 */
void sfs_tag_hash(struct sfs_tag *out, const void *data, size_t len);

struct sfs_object_info {
	uint64_t size;      /* bytes */
	int64_t mtime_ns;   /* since the epoch */
	struct sfs_tag tag; /* may be empty in listings and open objects */
};

/*
 * An open object: one version of one object, read by range. Reads never mix
 * versions: where the object was replaced or deleted behind an open handle,
 * read answers the old bytes or SFS_E_STALE.
 */
struct sfs_object {
	const struct sfs_object_ops *ops;
	struct sfs_object_info info; /* immutable */
};

struct sfs_object_ops {
	/*
	 * Reads up to len bytes at offset into buf. *got < len only where
	 * the object ends. Thread-safe; blocks on disk or network.
	 */
	enum sfs_rc (*read)(struct sfs_object *o, uint64_t offset, void *buf,
	                    size_t len, size_t *got,
	                    const struct sfs_call *call, struct sfs_err *err);
	void (*close)(struct sfs_object *o);
};

/*
 * An object on its way in, written front to back by one thread at a time.
 * Whole blocks of SFS_UPLOAD_BLOCK_BYTES from memory that is aligned to
 * SFS_UPLOAD_ALIGN_BYTES are the fastest.
 */
enum {
	SFS_UPLOAD_BLOCK_BYTES = 1 << 20,
	SFS_UPLOAD_ALIGN_BYTES = 4096,
};

struct sfs_upload {
	const struct sfs_upload_ops *ops;
};

struct sfs_upload_ops {
	/* Appends. NO_SPACE. After a failure only close. */
	enum sfs_rc (*write)(struct sfs_upload *u, const void *data, size_t len,
	                     const struct sfs_call *call, struct sfs_err *err);

	/*
	 * Makes the object visible whole, replacing what was there. Durable
	 * after the store's barrier. Afterwards only close.
	 */
	enum sfs_rc (*commit)(struct sfs_upload *u, const struct sfs_call *call,
	                      struct sfs_err *err);

	/* Frees the upload; without commit nothing stays of it. */
	void (*close)(struct sfs_upload *u);
};

/* One line of a listing: an object, or a common prefix (ends in '/'). */
struct sfs_list_entry {
	const char *key; /* relative to the store; borrowed */
	bool is_prefix;
	struct sfs_object_info info; /* objects only */
};

/* Return false to end the listing early (which is then still SFS_OK). */
typedef bool sfs_list_fn(void *arg, const struct sfs_list_entry *entry);

struct sfs_pin; /* the store's own */

struct sfs_store {
	const struct sfs_store_ops *ops;
	const char *url; /* "file:///dir", no trailing slash */
};

struct sfs_store_ops {
	/* Threads and connections begin here, after the daemon forked. */
	enum sfs_rc (*start)(struct sfs_store *s, struct sfs_err *err);

	/* NOT_FOUND; CORRUPT where the name is not a regular object. */
	enum sfs_rc (*open)(struct sfs_store *s, const char *key,
	                    struct sfs_object **object_out,
	                    const struct sfs_call *call, struct sfs_err *err);

	/*
	 * Stores bytes whole: a reader sees the old object or the new one.
	 * SFS_OK means durable, together with the name. tag_out may be NULL.
	 * NO_SPACE; NOT_DIR and IS_DIR where a store cannot hold both "a"
	 * and "a/b".
	 */
	enum sfs_rc (*put)(struct sfs_store *s, const char *key,
	                   const void *data, size_t len,
	                   struct sfs_tag *tag_out, const struct sfs_call *call,
	                   struct sfs_err *err);

	/*
	 * The same if the object now has the version *expected (NULL or an
	 * empty tag: if it does not exist). CONFLICT otherwise, and nothing
	 * changed. BUSY: another writer held the store's lock until the
	 * deadline; the message names it.
	 */
	enum sfs_rc (*put_if)(struct sfs_store *s, const char *key,
	                      const void *data, size_t len,
	                      const struct sfs_tag *expected,
	                      struct sfs_tag *tag_out,
	                      const struct sfs_call *call, struct sfs_err *err);

	/* Stores the whole file behind fd, streaming. As put. */
	enum sfs_rc (*put_file)(struct sfs_store *s, const char *key, int fd,
	                        struct sfs_tag *tag_out,
	                        const struct sfs_call *call,
	                        struct sfs_err *err);

	/*
	 * Begins an object of exactly size bytes. NO_SPACE where it cannot
	 * fit; else as put.
	 */
	enum sfs_rc (*create)(struct sfs_store *s, const char *key,
	                      uint64_t size, struct sfs_upload **upload_out,
	                      const struct sfs_call *call, struct sfs_err *err);

	/*
	 * Lists keys that begin with prefix, in byte order, after start_after
	 * (NULL: from the first). With a delimiter ('/' or 0) names below the
	 * next delimiter are folded into one prefix entry, and it is the
	 * folded entry that must be greater than start_after: the last entry
	 * of one page begins the next. No such prefix is an empty listing.
	 * The callback must not call the store.
	 */
	enum sfs_rc (*list)(struct sfs_store *s, const char *prefix,
	                    char delimiter, const char *start_after,
	                    sfs_list_fn *fn, void *arg,
	                    const struct sfs_call *call, struct sfs_err *err);

	/* Deleting what is not there is SFS_OK. Durable. */
	enum sfs_rc (*delete)(struct sfs_store *s, const char *key,
	                      const struct sfs_call *call, struct sfs_err *err);

	/*
	 * On the store's side, without moving the bytes. Durable after the
	 * barrier. NOT_FOUND; as put.
	 */
	enum sfs_rc (*copy)(struct sfs_store *s, const char *from,
	                    const char *to, const struct sfs_call *call,
	                    struct sfs_err *err);

	/*
	 * Blocks until the object's tag differs from *known (empty: absent),
	 * and stores the new one in *known. TIMEOUT at the deadline,
	 * CANCELED. May return SFS_OK early only if the tag did change.
	 */
	enum sfs_rc (*watch)(struct sfs_store *s, const char *key,
	                     struct sfs_tag *known, const struct sfs_call *call,
	                     struct sfs_err *err);

	/*
	 * Returns once everything below prefix (which ends in '/') that was
	 * created or copied before is durable, with its name. What could not
	 * be made durable fails every later barrier too, until it is created,
	 * copied or deleted again.
	 */
	enum sfs_rc (*barrier)(struct sfs_store *s, const char *prefix,
	                       const struct sfs_call *call,
	                       struct sfs_err *err);

	/*
	 * Holds on to an object until unpin: any number of holders, or one
	 * that is exclusive. BUSY: others hold it. NOT_FOUND. A holder that
	 * dies lets go. NULL in a store that has no such thing.
	 */
	enum sfs_rc (*pin)(struct sfs_store *s, const char *key,
	                   bool is_exclusive, struct sfs_pin **pin_out,
	                   struct sfs_err *err);
	void (*unpin)(struct sfs_store *s, struct sfs_pin *pin);

	/*
	 * Could an object be made under this key now? Writes nothing: AUTH or
	 * READ_ONLY, naming what keeps from it and the remedy. SFS_OK is no
	 * promise. NULL in a store where only trying tells.
	 */
	enum sfs_rc (*may_write)(struct sfs_store *s, const char *key,
	                         struct sfs_err *err);

	/* Frees the store. No call may be under way, no object open. */
	void (*close)(struct sfs_store *s);
};

/* Convenience over the table: what most callers want. */

/*
 * Reads a whole object of at most max bytes (TOO_BIG beyond it) into memory
 * of sfs_malloc(), NUL-terminated behind *len_out; the caller sfs_free()s it.
 * info_out may be NULL; its tag is never empty.
 */
enum sfs_rc sfs_store_get(struct sfs_store *s, const char *key, size_t max,
                          char **data_out, size_t *len_out,
                          struct sfs_object_info *info_out,
                          const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;

/* Reads one range of one object; *got < len only where the object ends. */
enum sfs_rc sfs_store_get_range(struct sfs_store *s, const char *key,
                                uint64_t offset, void *buf, size_t len,
                                size_t *got, const struct sfs_call *call,
                                struct sfs_err *err) SFS_NODISCARD;

#endif
