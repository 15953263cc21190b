/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BUILD_FILES_INTERNAL_H
#define SFS_BUILD_FILES_INTERNAL_H

#include "build/build.h"
#include "build/files.h"

#include <pthread.h>
#include <stdatomic.h>

/* What files*.c, build*.c and area*.c share; nobody else includes this. */

#define SFS_FILES_LOCK "lock"
#define SFS_FILES_DEFAULTS "defaults"
#define SFS_FILES_CONFIG "config.yaml"

enum {
	SFS_STAGED_NAME_MAX = 4095, /* bytes, as the kernel's */
	SFS_DISK_NAME_MAX = 255,    /* bytes, as that of file systems */
};

/* The folders of a build's directory. */
enum sfs_folder_kind {
	SFS_FOLDER_ROOT = 0,
	SFS_FOLDER_TOP = SFS_BUILD_TOP,
	SFS_FOLDER_KEYS = SFS_BUILD_KEYS,
	SFS_FOLDER_RAW = SFS_BUILD_INGEST,
	SFS_FOLDER_WHERE = SFS_BUILD_WHERE,
	SFS_FOLDER_DELETED,
	SFS_FOLDER_RUNS,
	SFS_FOLDERS, /* their number */
};

struct sfs_folder {
	int fd;                   /* -1: there is none; by files->lock */
	_Atomic uint64_t changes; /* of names */
	_Atomic uint64_t synced;  /* how many of them are durable */
};

/* --- files_name.c: names on disk ---------------------------------------- */

struct sfs_disk_name {
	char text[SFS_DISK_NAME_MAX + 1];
	char hash[65]; /* "": the name is stored as it is */
};

/* "": fits as it is; else it is kept under its hash. max: bytes on disk. */
enum sfs_rc sfs_disk_name_set(struct sfs_disk_name *out, const char *name,
                              size_t max, struct sfs_err *err) SFS_NODISCARD;

/* Writes, durably, and removes the companion; nothing for other names. */
enum sfs_rc sfs_disk_name_save(int dir_fd, const struct sfs_disk_name *disk,
                               const char *name,
                               struct sfs_err *err) SFS_NODISCARD;
void sfs_disk_name_drop(int dir_fd, const struct sfs_disk_name *disk);

/* The true name of what lies as entry; false: it is no user's file. */
bool sfs_disk_name_read(int dir_fd, const char *entry,
                        char out[SFS_STAGED_NAME_MAX + 1]);

/* Opens what exists, whatever its mode says; -1 and errno. */
int sfs_disk_open(int dir_fd, const char *entry, int access);

/* Every entry but "." and ".."; no lock is held during the calls. */
typedef enum sfs_rc sfs_entry_fn(void *arg, int dir_fd, const char *entry,
                                 struct sfs_err *err);
enum sfs_rc sfs_dir_walk(int dir_fd, sfs_entry_fn *fn, void *arg,
                         struct sfs_err *err) SFS_NODISCARD;

/* Leftovers of a crash: temporary files, companions without a file. */
enum sfs_rc sfs_folder_clean(int dir_fd, struct sfs_err *err) SFS_NODISCARD;

/* Removes everything in a directory; *stop (or NULL) ends it: CANCELED. */
enum sfs_rc sfs_dir_empty(int dir_fd, const atomic_bool *stop,
                          struct sfs_err *err) SFS_NODISCARD;

/* --- files_node.c: what is known of files in memory --------------------- */

/* A file that is open, and every ingest file. */
struct sfs_node {
	pthread_mutex_t io;    /* held while its bytes change */
	struct sfs_node *next; /* protected by files->lock, as all below */
	enum sfs_build_dir dir;
	char *name;         /* the last one it had */
	unsigned refs;      /* handles */
	unsigned writers;   /* those of them that may write */
	bool is_linked;     /* the name is its own */
	uint64_t seq;       /* ingest */
	bool is_marked;     /* "open" by its name on disk */
	bool is_incomplete; /* its writer died */
	bool is_rewritten;  /* since */
	bool is_synced;     /* somebody asked for it to be durable */
};

struct sfs_nodes {
	struct sfs_node **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	size_t ingest_count;
};

enum sfs_rc sfs_nodes_init(struct sfs_nodes *n,
                           struct sfs_err *err) SFS_NODISCARD;
void sfs_nodes_release(struct sfs_nodes *n); /* no node has handles */
struct sfs_node *sfs_node_new(const char *name, struct sfs_err *err);
void sfs_node_free(struct sfs_node *node);
struct sfs_node *sfs_node_find(const struct sfs_nodes *n,
                               enum sfs_build_dir dir, const char *name);

/* Puts it where dir says, with the name that it has. */
void sfs_node_link(struct sfs_nodes *n, struct sfs_node *node,
                   enum sfs_build_dir dir);
void sfs_node_unlink(struct sfs_nodes *n, struct sfs_node *node);
/* Frees it if nobody can ask for it any more. */
void sfs_node_settle(struct sfs_nodes *n, struct sfs_node *node);

/* --- the files ----------------------------------------------------------- */

struct sfs_files {
	int dir_fd;           /* immutable; owned */
	pthread_mutex_t lock; /* of names; never held across the engine */
	struct sfs_folder folders[SFS_FOLDERS];
	struct sfs_nodes nodes; /* protected by lock, as all below */
	uint64_t next_seq;
	bool has_base;
	struct sfs_snapshot_id base;
	_Atomic uint64_t keys_version;
};

/*
 * files.c. Makes what a new build consists of, in an empty directory; opens
 * what is there (taking dir_fd over if it succeeds).
 */
enum sfs_rc sfs_files_create(int dir_fd, const char *config_text, size_t len,
                             struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_open(int dir_fd, struct sfs_files **out,
                           struct sfs_err *err) SFS_NODISCARD;
void sfs_files_close(struct sfs_files *f); /* NULL is fine */

/* A descriptor of a folder for the caller to close; -1: there is none. */
enum sfs_rc sfs_files_folder(struct sfs_files *f, enum sfs_folder_kind kind,
                             int *fd_out, struct sfs_err *err) SFS_NODISCARD;

/* The names in a folder, and all above it, become durable. */
enum sfs_rc sfs_files_sync_names(struct sfs_files *f, enum sfs_folder_kind kind,
                                 struct sfs_err *err) SFS_NODISCARD;
void sfs_files_touch(struct sfs_files *f, enum sfs_folder_kind kind);

/* A file of the build's own directory, replaced durably; or read. */
enum sfs_rc sfs_files_save_own(struct sfs_files *f, const char *name,
                               const char *text, size_t len,
                               struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_read_at(int dir_fd, const char *name, struct sfs_buf *out,
                              bool *found, struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_set_base(struct sfs_files *f,
                               const struct sfs_snapshot_id *id,
                               struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_clear_base(struct sfs_files *f,
                                 struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_remove_key(struct sfs_files *f, const char *name,
                                 struct sfs_err *err) SFS_NODISCARD;
bool sfs_files_is_removed(struct sfs_files *f, const char *name);

/* files_dirs.c */
enum sfs_rc sfs_files_mkdir(struct sfs_files *f, enum sfs_build_dir dir,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_rmdir(struct sfs_files *f, enum sfs_build_dir dir,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_list(struct sfs_files *f, enum sfs_build_dir dir,
                           struct sfs_build_names *out,
                           struct sfs_err *err) SFS_NODISCARD;

/* --- files_ingest.c: raw/ ------------------------------------------------ */

enum { SFS_RAW_PREFIX_BYTES = 22 }; /* 20 digits, "o", "-" */

/* The node's name on disk, now or with other values of these two. */
enum sfs_rc sfs_raw_name(const char *name, uint64_t seq, bool is_marked,
                         struct sfs_disk_name *out,
                         struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_raw_load(struct sfs_files *f,
                         struct sfs_err *err) SFS_NODISCARD;
/* Renames it on disk; the caller holds the lock. */
enum sfs_rc sfs_raw_restamp(struct sfs_files *f, struct sfs_node *node,
                            uint64_t seq, bool is_marked,
                            struct sfs_err *err) SFS_NODISCARD;
static inline bool sfs_name_is_scratch(const char *name)
{
	return name[0] == '.';
}

/* --- files_names.c, files_rename.c: what happens to names ---------------- */

/* What the engine must hear of a change of names. */
struct sfs_name_event {
	bool is_listed;      /* an ingest file came, went, is another */
	uint64_t changed[2]; /* seqs whose bytes are others; 0: none */
};

/* Where the file of a name lies; the caller holds the lock. */
struct sfs_spot {
	int dir_fd;
	struct sfs_disk_name disk;
	struct sfs_node *node; /* or NULL */
};
enum sfs_rc sfs_files_locate(struct sfs_files *f, enum sfs_build_dir dir,
                             const char *name, struct sfs_spot *out,
                             struct sfs_err *err) SFS_NODISCARD;

struct sfs_opened {
	struct sfs_node *node; /* with a reference */
	int fd;
	bool is_new;
	struct stat st; /* of one that is new */
};
struct sfs_open_request {
	enum sfs_build_dir dir;
	const char *name;
	int flags;
	mode_t mode;
};
enum sfs_rc sfs_files_open_file(struct sfs_files *f,
                                const struct sfs_open_request *request,
                                struct sfs_opened *out,
                                struct sfs_name_event *event,
                                struct sfs_err *err) SFS_NODISCARD;
/*
 * Drops the reference. *closed_seq: the ingest file that has no writer any
 * more; else 0.
 */
enum sfs_rc sfs_files_close_file(struct sfs_files *f, struct sfs_node *node,
                                 bool is_writer, uint64_t *closed_seq,
                                 struct sfs_err *err) SFS_NODISCARD;
/* It was cut to nothing: it ranks as a new one. */
enum sfs_rc sfs_files_renew(struct sfs_files *f, struct sfs_node *node,
                            struct sfs_name_event *event,
                            struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_unlink(struct sfs_files *f, enum sfs_build_dir dir,
                             const char *name, struct sfs_name_event *event,
                             struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_files_rename(struct sfs_files *f,
                             const struct sfs_build_place *from,
                             const struct sfs_build_place *to, unsigned flags,
                             struct sfs_name_event *event,
                             struct sfs_err *err) SFS_NODISCARD;

/* Something in keys/ was changed, just now. */
void sfs_files_keys_changed(struct sfs_files *f);

/* For messages: "keys/", "ingest/", "where/", "". */
const char *sfs_build_dir_prefix(enum sfs_build_dir dir);

/* A name that can be a file's: INVALID, NAME_TOO_LONG. */
enum sfs_rc sfs_files_check_name(const char *name,
                                 struct sfs_err *err) SFS_NODISCARD;

#endif
