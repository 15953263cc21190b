/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_INTERNAL_H
#define SFS_FS_INTERNAL_H

#include "base/buf.h"
#include "fs/cursors.h"
#include "fs/frozen.h"
#include "fs/fs.h"
#include "fs/intern.h"
#include "fs/links.h"
#include "fs/node.h"
#include "fs/staged.h"
#include "fs/views.h"
#include "fs/where.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the files of this room share; nobody else includes it. */

/* The last generated text of a snapshot, for the reads that follow. */
struct sfs_text_cache {
	pthread_mutex_t lock;
	uint64_t generation; /* of the view; protected by lock, as all */
	uint64_t node;
	char *text;
	size_t len;
};

enum { SFS_PUBLISH_RESULTS = 23 }; /* codes 0 to -22 */

struct sfs_fs {
	struct sfs_fs_config config; /* immutable but for name_max at INIT */
	struct sfs_views *views;
	struct sfs_intern *snapshot_ids;
	struct sfs_intern *run_dirs;
	struct sfs_frozen *frozen;
	struct sfs_cursors *cursors;
	struct sfs_where_table *where;
	struct sfs_staged_table *staged;
	struct sfs_links *links;
	atomic_uint_fast64_t publishes[SFS_PUBLISH_RESULTS]; /* by -rc */
	struct sfs_text_cache texts;
	pthread_mutex_t lock; /* the next two */
	char last_error[SFS_ERR_MSG_BYTES + 64];
	struct sfs_children *open_children;
	int64_t started_ns; /* immutable */
	atomic_uint_fast64_t ops[SFS_OP_COUNT];
	atomic_uint_fast64_t failures[SFS_OP_COUNT];
	atomic_uint_fast64_t long_names;
};

/*
 * The current snapshot's view, with a reference; *out is NULL if nothing is
 * published.
 */
enum sfs_rc sfs_fs_enter_current(struct sfs_fs *fs, struct sfs_view **out,
                                 struct sfs_err *err) SFS_NODISCARD;

/* The view of snapshots/ID, opened if need be, with a reference. */
enum sfs_rc sfs_fs_enter_id(struct sfs_fs *fs, const char *text_id,
                            struct sfs_view **out, const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;

/* The view that a node lies in, with a reference. STALE: none. */
enum sfs_rc sfs_fs_enter_node(struct sfs_fs *fs, const struct sfs_node *node,
                              struct sfs_view **out,
                              struct sfs_err *err) SFS_NODISCARD;

/* The shard of a node that is of a shard; INVALID: there is none such. */
enum sfs_rc sfs_fs_shard_of(const struct sfs_view *view,
                            const struct sfs_node *node, uint32_t *db_id_out,
                            struct sfs_err *err) SFS_NODISCARD;

/* A directory of keys: of the snapshot, of one shard, of a context. */
struct sfs_keys_dir {
	struct sfs_view *view;
	bool is_shard;
	uint32_t db_id;                    /* of is_shard */
	const struct sfs_columns *columns; /* NULL: none is known */
};

/* A name in it; as sfs_fs_lookup(). */
enum sfs_rc sfs_fs_lookup_key(struct sfs_fs *fs, const struct sfs_keys_dir *dir,
                              const char *name, struct sfs_entry *out,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

/* Attributes without I/O. */
void sfs_fs_dir_attr(struct sfs_fs *fs, uint64_t ino, int64_t time_ns,
                     struct sfs_attr *out);
void sfs_fs_file_attr(struct sfs_fs *fs, uint64_t ino, uint64_t size,
                      int64_t time_ns, struct sfs_attr *out);
void sfs_fs_key_entry(struct sfs_fs *fs, const struct sfs_view *view,
                      uint32_t db_id, const struct sfs_pair_info *info,
                      struct sfs_entry *out);
uint64_t sfs_fs_ino_in_view(const struct sfs_view *view, uint64_t node);
uint64_t sfs_fs_ino_in_snapshot(const char *text_id, uint64_t local_node);
uint64_t sfs_fs_ino_of_name(const char *dir, const char *name);
int64_t sfs_fs_view_time(const struct sfs_view *view);

/* Attributes of a node in a snapshot that is no key. */
enum sfs_rc sfs_fs_what_attr(struct sfs_fs *fs, struct sfs_view *view,
                             const struct sfs_node *node, uint64_t id,
                             struct sfs_attr *out, const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

/* The object behind MANIFEST or SHARD_DB. */
enum sfs_rc sfs_fs_object_key(const struct sfs_view *view,
                              const struct sfs_node *node, char *out,
                              size_t cap, struct sfs_err *err) SFS_NODISCARD;

/* Names of the snapshots and runs, interned; fn sees each, newest first. */
typedef bool sfs_fs_name_fn(void *arg, const char *name, uint64_t number);
enum sfs_rc sfs_fs_list_snapshots(struct sfs_fs *fs, sfs_fs_name_fn *fn,
                                  void *arg, const struct sfs_call *call,
                                  struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_fs_list_runs(struct sfs_fs *fs, sfs_fs_name_fn *fn, void *arg,
                             const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

/* Size of, or a part of, a generated file; through the text cache. */
enum sfs_rc sfs_fs_text_read(struct sfs_fs *fs, struct sfs_view *view,
                             uint64_t id, uint64_t offset, void *buf,
                             size_t len, size_t *got, uint64_t *size_out,
                             struct sfs_err *err) SFS_NODISCARD;

/* The files of .shardyfs/ (fs/control.c). */
struct sfs_control_file {
	const char *name;
	void (*print)(struct sfs_fs *fs, struct sfs_buf *out);
	/* NULL: read only */
	enum sfs_rc (*command)(struct sfs_fs *fs, const char *word,
	                       struct sfs_err *err);
};
extern const struct sfs_control_file sfs_control_files[];
extern const int sfs_control_count;

#endif
