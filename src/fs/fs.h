/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_FS_H
#define SFS_FS_FS_H

#include "base/buf.h"
#include "shardyfs/catalog.h"
#include "shardyfs/err.h"
#include "shardyfs/store.h"
#include "snapshot/snapshot.h"
#include "snapshot/tracker.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The tree that a user sees, as operations on node ids; it knows nothing of
 * libfuse. Every function may be called from any thread. The kernel holds
 * node ids: each successful lookup (and each readdir entry with a node) adds
 * one reference, forget takes them back.
 *
 * There is no table of nodes. The id of what lies in a snapshot says where it
 * lies (fs/node.h), so the daemon's memory does not grow with the files that
 * the kernel knows, and references are counted per snapshot.
 */
struct sfs_fs;
struct sfs_area; /* build/area.h */

enum {
	SFS_FS_ROOT = 1,
	SFS_FS_NAME_MAX = 4095, /* bytes; the kernel's limit may be lower */
};

/* How long the kernel may trust an answer. */
enum sfs_ttl {
	SFS_TTL_NONE = 0,
	SFS_TTL_SHORT,   /* a second: what a refresh may change */
	SFS_TTL_FOREVER, /* immutable */
};

struct sfs_attr {
	uint64_t ino;
	uint64_t size;    /* bytes */
	int64_t time_ns;  /* mtime */
	int64_t atime_ns; /* 0: as mtime */
	int64_t ctime_ns; /* 0: as mtime */
	bool is_unlinked;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct sfs_entry {
	uint64_t node;       /* 0: certainly absent, may be cached */
	uint64_t generation; /* node and generation are never used again */
	struct sfs_attr attr;
	enum sfs_ttl entry_ttl;
	enum sfs_ttl attr_ttl;
};

struct sfs_fs_config {
	struct sfs_snapshot_source source;
	struct sfs_tracker *tracker; /* borrowed */
	const char *run_prefix;
	const char *mountpoint;
	const char *config_text; /* what .shardyfs/config shows */
	uid_t uid;
	gid_t gid;
	mode_t file_mask; /* bits to take away */
	mode_t dir_mask;
	bool read_only;
	bool listing;
	int64_t refresh_ms;    /* as the tracker's */
	bool is_pinned;        /* there is no _CURRENT to follow */
	size_t name_max;       /* of this kernel, at most SFS_FS_NAME_MAX */
	struct sfs_area *area; /* borrowed; NULL: there is no staging */
	const char *no_area;   /* why, where there should be; else NULL */
	const char *area_dir;  /* with area: where it is */
	bool sync_on_close;    /* as the area's */
	int64_t op_timeout_ms; /* 0: none */
};

/* Strings in config are borrowed for the life of the file system. */
enum sfs_rc sfs_fs_new(const struct sfs_fs_config *config, struct sfs_fs **out,
                       struct sfs_err *err) SFS_NODISCARD;
void sfs_fs_free(struct sfs_fs *fs);

/* Once the kernel said how long names may be, before the first request. */
void sfs_fs_set_name_max(struct sfs_fs *fs, size_t name_max);

/* After the tracker switched: lets go of what pins the old snapshot. */
void sfs_fs_switched(struct sfs_fs *fs);

/* The names of the root that a switch changes; ends with NULL. */
extern const char *const sfs_fs_generation_names[];

/*
 * NOT_FOUND or an entry whose node is 0: no such name; the latter may be
 * cached. A fault is never either of the two. NOT_DIR, NAME_TOO_LONG.
 */
enum sfs_rc sfs_fs_lookup(struct sfs_fs *fs, uint64_t parent, const char *name,
                          struct sfs_entry *out, const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;
void sfs_fs_forget(struct sfs_fs *fs, uint64_t node, uint64_t count);

enum sfs_rc sfs_fs_getattr(struct sfs_fs *fs, uint64_t node,
                           struct sfs_attr *attr_out, enum sfs_ttl *ttl_out,
                           const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

/* *got < len only where the file ends. IS_DIR. */
enum sfs_rc sfs_fs_read(struct sfs_fs *fs, uint64_t node, uint64_t offset,
                        void *buf, size_t len, size_t *got,
                        const struct sfs_call *call,
                        struct sfs_err *err) SFS_NODISCARD;

/* NUL-terminated target. */
enum sfs_rc sfs_fs_readlink(struct sfs_fs *fs, uint64_t node, char *out,
                            size_t cap, struct sfs_err *err) SFS_NODISCARD;

/*
 * Takes one directory entry; false: no room, which ends the call. entry->node
 * is 0 unless attributes were asked for ("." and ".." never have one); its
 * ino and mode are always set. next_cookie continues behind it.
 */
typedef bool sfs_fs_fill_fn(void *arg, const char *name,
                            const struct sfs_entry *entry,
                            uint64_t next_cookie);

/* From cookie (0: the beginning) until fill says no or the directory ends. */
struct sfs_readdir {
	uint64_t node;
	uint64_t cookie;
	bool with_attr; /* entries carry nodes: references, as by lookup */
	sfs_fs_fill_fn *fill;
	void *arg;
	/*
	 * Where the names of a directory that changes are kept between calls,
	 * from cookie 0 on; NULL: they are listed anew each time.
	 */
	struct sfs_children *children;
};

/*
 * Names as they were when the listing began. NULL: out of memory. Those of
 * directories that are open when the mount ends go with the file system.
 */
struct sfs_children *sfs_children_new(struct sfs_fs *fs) SFS_NODISCARD;
void sfs_children_free(struct sfs_fs *fs, struct sfs_children *c); /* or NULL */

/* True if listing this directory needs them. */
bool sfs_fs_has_children(uint64_t node);

enum sfs_rc sfs_fs_readdir(struct sfs_fs *fs, const struct sfs_readdir *request,
                           const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;

/* UNSUPPORTED: directories of keys are not listed (listing=off). */
enum sfs_rc sfs_fs_opendir(struct sfs_fs *fs, uint64_t node,
                           struct sfs_err *err) SFS_NODISCARD;

/*
 * The whole value into out. NO_ATTR; UNSUPPORTED for other name spaces than
 * "user.".
 */
enum sfs_rc sfs_fs_getxattr(struct sfs_fs *fs, uint64_t node, const char *name,
                            struct sfs_buf *out, const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;

/* NUL-terminated names, one behind the other; only the root has any. */
void sfs_fs_listxattr(struct sfs_fs *fs, uint64_t node, struct sfs_buf *out);

struct sfs_statfs {
	uint64_t bytes;      /* in use: of the current snapshot */
	uint64_t files;      /* its rows */
	uint64_t free_bytes; /* for staging; 0 without it */
	uint64_t free_files;
	size_t name_max;
};
void sfs_fs_statfs(struct sfs_fs *fs, struct sfs_statfs *out);

/*
 * One command, written whole into a control file. INVALID: nonsense, or
 * READ_ONLY: not a file that takes commands.
 */
enum sfs_rc sfs_fs_write(struct sfs_fs *fs, uint64_t node, const char *data,
                         size_t len, struct sfs_err *err) SFS_NODISCARD;

/* True if the node takes commands: truncating it is then harmless. */
bool sfs_fs_is_writable(struct sfs_fs *fs, uint64_t node);

/* A directory below where/: STALE makes the kernel look it up again. */
bool sfs_fs_is_where(uint64_t node);

/* What .shardyfs/last_error and metrics show. */
void sfs_fs_note_error(struct sfs_fs *fs, const char *operation,
                       const struct sfs_err *err);

enum sfs_fs_op {
	SFS_OP_LOOKUP = 0,
	SFS_OP_GETATTR,
	SFS_OP_OPEN,
	SFS_OP_READ,
	SFS_OP_READDIR,
	SFS_OP_READLINK,
	SFS_OP_XATTR,
	SFS_OP_STATFS,
	SFS_OP_WRITE,
	SFS_OP_CREATE,
	SFS_OP_FLUSH,
	SFS_OP_FSYNC,
	SFS_OP_UNLINK,
	SFS_OP_RENAME,
	SFS_OP_OTHER,
	SFS_OP_COUNT,
};
void sfs_fs_count_op(struct sfs_fs *fs, enum sfs_fs_op op, bool failed);

#endif
