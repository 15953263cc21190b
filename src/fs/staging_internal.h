/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_FS_STAGING_INTERNAL_H
#define SFS_FS_STAGING_INTERNAL_H

#include "fs/internal.h"
#include "fs/staging.h"

/* What the files about staging share; nobody outside this room includes it. */

/* Lookups in the directories of this kind; as sfs_fs_lookup(). */
enum sfs_rc sfs_staging_lookup(struct sfs_fs *fs, const char *name,
                               struct sfs_entry *out,
                               struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_staging_lookup_in(struct sfs_fs *fs, uint64_t number,
                                  const char *name, struct sfs_entry *out,
                                  const struct sfs_call *call,
                                  struct sfs_err *err) SFS_NODISCARD;
/* A link in memory. NOT_FOUND. */
enum sfs_rc sfs_links_lookup(struct sfs_fs *fs, uint64_t dir, const char *name,
                             struct sfs_entry *out,
                             struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_tags_lookup(struct sfs_fs *fs, const char *name,
                            struct sfs_entry *out, const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;

/* Makes a frozen file; its text is taken over. */
struct sfs_frozen_text {
	const char *dir; /* with the name: what the inode number is made of */
	const char *name;
	char *text;
	size_t len;
	int command;
	bool is_link;
};
enum sfs_rc sfs_fs_enter_frozen(struct sfs_fs *fs,
                                const struct sfs_frozen_text *t,
                                struct sfs_entry *out,
                                struct sfs_err *err) SFS_NODISCARD;

/* True if staging/ and publish/ are there, if only to say why not. */
static inline bool sfs_fs_has_staging(const struct sfs_fs *fs)
{
	return fs->config.area != NULL || fs->config.no_area != NULL;
}

/* READ_ONLY with the reason, where there is no area. */
enum sfs_rc sfs_fs_require_area(struct sfs_fs *fs,
                                struct sfs_err *err) SFS_NODISCARD;

enum sfs_rc sfs_staged_attr(struct sfs_fs *fs, uint64_t number,
                            struct sfs_attr *out, enum sfs_ttl *ttl_out,
                            const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;
void sfs_staged_fill_attr(struct sfs_fs *fs, struct sfs_staged *n,
                          const struct stat *st, struct sfs_attr *out);

/* The entry of a node; a reference of the caller becomes the kernel's. */
void sfs_staged_fill_entry(struct sfs_fs *fs, struct sfs_staged *n,
                           const struct stat *st, struct sfs_entry *out);

/* The node behind an id, with a reference. STALE: none. NOT_DIR for files. */
enum sfs_rc sfs_staged_enter_id(struct sfs_fs *fs, uint64_t node,
                                struct sfs_staged **out,
                                struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_staged_enter_dir(struct sfs_fs *fs, uint64_t node,
                                 struct sfs_staged **out,
                                 struct sfs_err *err) SFS_NODISCARD;

/* The node of a directory; takes no reference of site. */
enum sfs_rc sfs_staged_answer_dir(struct sfs_fs *fs, struct sfs_site *site,
                                  const struct sfs_staged_key *key,
                                  struct sfs_entry *out,
                                  struct sfs_err *err) SFS_NODISCARD;

/* --- staging_where.c: where/ of a build ---------------------------------- */

/* where/ itself, if the build has it. */
enum sfs_rc sfs_staged_lookup_where(struct sfs_fs *fs, struct sfs_site *site,
                                    struct sfs_entry *out,
                                    struct sfs_err *err) SFS_NODISCARD;
/* A name in where/ or in columns below; NOT_FOUND leaves the reason. */
enum sfs_rc sfs_staged_lookup_column(struct sfs_fs *fs,
                                     const struct sfs_staged *dir,
                                     const char *name, struct sfs_entry *out,
                                     struct sfs_err *err) SFS_NODISCARD;
/* EXISTS, as all of them do, or why it cannot be: INVALID. */
enum sfs_rc sfs_staged_mkdir_column(const struct sfs_staged *dir,
                                    const char *name,
                                    struct sfs_err *err) SFS_NODISCARD;
/* The same for where/ (of a build) and below; INVALID: not empty. */
enum sfs_rc sfs_staged_rmdir_column(struct sfs_fs *fs,
                                    const struct sfs_staged *dir,
                                    const char *name,
                                    struct sfs_err *err) SFS_NODISCARD;

/*
 * Where the file of a name in a directory lies in the build. INVALID: no file
 * can have that name. FORBIDDEN: the directory holds columns. Release it
 * whatever was returned.
 */
struct sfs_staged_place {
	struct sfs_build_place at; /* name: NULL where it failed */
	char *joined;              /* owned */
};
enum sfs_rc sfs_staged_place(const struct sfs_staged *dir, const char *name,
                             struct sfs_staged_place *out,
                             struct sfs_err *err) SFS_NODISCARD;
void sfs_staged_place_release(struct sfs_staged_place *p);

/* Names of status, plan.json and errors. */
bool sfs_staged_is_generated(const char *name);
/* What no file can be and nothing can be renamed to. */
bool sfs_staged_is_fixed(const struct sfs_staged *dir, const char *name);

/* --- base.c: the values of the base below keys/, where/ ------------------ */

struct sfs_base_value {
	struct sfs_place place; /* its snapshot is a reference of the caller */
	uint64_t size;
};
/* Absent also if there is no base, or the build removes the key. */
enum sfs_rc sfs_base_find(struct sfs_fs *fs, struct sfs_site *site,
                          const struct sfs_build_place *at, bool *found,
                          struct sfs_base_value *out,
                          const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;
/* The same without the value. */
enum sfs_rc sfs_base_has(struct sfs_fs *fs, struct sfs_site *site,
                         const struct sfs_build_place *at, bool *found,
                         const struct sfs_call *call,
                         struct sfs_err *err) SFS_NODISCARD;
/* Attributes of a node that shows the base's value. NOT_FOUND. */
enum sfs_rc sfs_base_attr(struct sfs_fs *fs, struct sfs_staged *n,
                          struct sfs_attr *out, const struct sfs_call *call,
                          struct sfs_err *err) SFS_NODISCARD;
/* Makes it a staged file: with the value, or empty. */
enum sfs_rc sfs_base_copy_up(struct sfs_fs *fs, struct sfs_staged *n,
                             bool is_empty, const struct sfs_call *call,
                             struct sfs_err *err) SFS_NODISCARD;

/* --- children.c: listings ------------------------------------------------ */

struct sfs_child {
	char *name; /* owned */
	mode_t type;
};
struct sfs_children {
	struct sfs_child *of; /* owned */
	size_t count;
	size_t cap;
	bool failed; /* no memory */
	bool is_taken;
	struct sfs_children *next; /* of those that are open */
	struct sfs_children **at;  /* what points to it */
};
void sfs_children_add(struct sfs_children *c, const char *name, mode_t type);
void sfs_children_reset(struct sfs_children *c);
enum sfs_rc sfs_children_take(struct sfs_fs *fs, uint64_t node,
                              struct sfs_children *out,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

/* --- target.c: what a link names ----------------------------------------- */

/* The directory in which a link is made: "", "tags", or "staging/x". */
enum sfs_rc sfs_target_resolve(struct sfs_fs *fs, const char *dir,
                               const char *target, struct sfs_snapshot_id *out,
                               const struct sfs_call *call,
                               struct sfs_err *err) SFS_NODISCARD;

/* --- publish.c ------------------------------------------------------------ */

enum sfs_rc sfs_fs_publish(struct sfs_fs *fs, const struct sfs_renaming *wish,
                           const struct sfs_call *call,
                           struct sfs_err *err) SFS_NODISCARD;
enum sfs_rc sfs_fs_rollback(struct sfs_fs *fs, const struct sfs_snapshot_id *to,
                            const struct sfs_call *call,
                            struct sfs_err *err) SFS_NODISCARD;

/* --- rename.c ------------------------------------------------------------- */

enum sfs_rc sfs_staged_rename(struct sfs_fs *fs,
                              const struct sfs_renaming *wish,
                              const struct sfs_call *call,
                              struct sfs_err *err) SFS_NODISCARD;

#endif
