/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renaming staged files, within a folder and between folders. On disk each is
 * one rename, so a crash shows the old state or the new one, with one
 * exception: over an ingest file, since two names on disk stand for one.
 *	1. the new one takes a rank of its own	crash: two of one name;
 *						the higher rank is it
 *	2. the old one is removed
 * Exchanging ingest files exchanges the bytes below their two names on disk;
 * for the time of it both carry the mark "open" if either must.
 */
#include "build/files_internal.h"

#include "base/alloc.h"
#include "build/where_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* One end of a rename. */
struct end {
	const struct sfs_build_place *place;
	struct sfs_spot spot;
	char *name; /* a copy, for the node that comes here; owned */
};

static bool is_ingest(const struct end *end)
{
	return end->place->dir == SFS_BUILD_INGEST;
}

static bool is_shown_ingest(const struct end *end)
{
	return is_ingest(end) && !sfs_name_is_scratch(end->place->name);
}

static bool needs_mark(const struct sfs_node *node)
{
	return node->writers > 0 || node->is_incomplete;
}

static enum sfs_rc failed(const struct end *from, const struct end *to,
                          struct sfs_err *err)
{
	int error = errno;

	if (error == EINVAL || error == ENOSYS)
		return sfs_err_set(
			err, SFS_E_INVALID,
			"the file system of the staging area cannot "
			"rename %s so",
			SFS_PLACE(from->place->dir, from->place->name));
	return sfs_err_sys(err, error, "cannot rename %s to %s",
	                   SFS_PLACE(from->place->dir, from->place->name),
	                   SFS_PLACE(to->place->dir, to->place->name));
}

static enum sfs_rc check_exists(const struct end *end, struct sfs_err *err)
{
	if (faccessat(end->spot.dir_fd, end->spot.disk.text, F_OK,
	              AT_SYMLINK_NOFOLLOW) != 0)
		return sfs_err_sys(
			err, errno, "%s",
			SFS_PLACE(end->place->dir, end->place->name));
	return SFS_OK;
}

static enum sfs_rc copy_name(struct end *end, struct sfs_err *err)
{
	end->name = sfs_strdup(end->place->name);
	if (end->name == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	return SFS_OK;
}

/* An ingest file has a node, whether it is open or not. */
static enum sfs_rc need_node(struct end *from, const struct end *to,
                             struct sfs_err *err)
{
	if (from->spot.node != NULL || !is_ingest(to))
		return SFS_OK;
	from->spot.node = sfs_node_new(from->place->name, err);
	return from->spot.node != NULL ? SFS_OK : SFS_E_NO_MEMORY;
}

/* The node takes the name of the end, and is found there. */
static void settle_at(struct sfs_files *f, struct sfs_node *node,
                      struct end *end)
{
	if (node == NULL)
		return;
	sfs_free(node->name);
	node->name = end->name;
	end->name = NULL;
	if (!is_ingest(end)) {
		node->seq = 0;
		node->is_marked = false;
		node->is_incomplete = false;
	}
	sfs_node_link(&f->nodes, node, end->place->dir);
	sfs_node_settle(&f->nodes, node);
}

static void detach(struct sfs_files *f, struct sfs_node *node)
{
	if (node != NULL && node->is_linked)
		sfs_node_unlink(&f->nodes, node);
}

static void note_changed(struct sfs_files *f, const struct end *end)
{
	sfs_files_touch(f, (enum sfs_folder_kind)end->place->dir);
	if (sfs_dir_has_records(end->place->dir))
		sfs_files_keys_changed(f);
}

/* --- one name to another ---------------------------------------------------- */

/* Where the file will lie; *seq: its rank there. */
static enum sfs_rc aim(struct sfs_files *f, const struct end *from,
                       struct end *to, const struct sfs_node *victim,
                       uint64_t *seq, struct sfs_err *err)
{
	const struct sfs_node *node = from->spot.node;

	to->spot.dir_fd = f->folders[to->place->dir].fd;
	if (to->spot.dir_fd < 0)
		return sfs_err_set(err, SFS_E_NOT_FOUND, "there is no %s",
		                   sfs_build_dir_prefix(to->place->dir));
	if (!is_ingest(to))
		return sfs_disk_name_set(&to->spot.disk, to->place->name,
		                         SFS_DISK_NAME_MAX, err);
	*seq = is_ingest(from) && victim == NULL ? node->seq : f->next_seq;
	return sfs_raw_name(to->place->name, *seq, needs_mark(node),
	                    &to->spot.disk, err);
}

/* Without RENAME_NOREPLACE the lock does as well: all names are ours. */
static int rename_on_disk(const struct end *from, const struct end *to,
                          bool is_exclusive)
{
	const struct sfs_spot *a = &from->spot;
	const struct sfs_spot *b = &to->spot;

	if (is_exclusive && faccessat(b->dir_fd, b->disk.text, F_OK,
	                              AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(a->dir_fd, a->disk.text, b->dir_fd, b->disk.text);
}

/* What cannot be removed is removed by the next owner. */
static void remove_victim(struct sfs_files *f, struct end *to,
                          struct sfs_node *victim)
{
	struct sfs_disk_name disk;

	if (victim == NULL)
		return;
	if (is_ingest(to) &&
	    sfs_raw_name(victim->name, victim->seq, victim->is_marked, &disk,
	                 NULL) == SFS_OK)
		(void)unlinkat(to->spot.dir_fd, disk.text, 0);
	sfs_node_unlink(&f->nodes, victim);
	sfs_node_settle(&f->nodes, victim);
}

static enum sfs_rc move_file(struct sfs_files *f, struct end *from,
                             struct end *to, bool is_exclusive,
                             struct sfs_err *err)
{
	struct sfs_node *victim =
		sfs_node_find(&f->nodes, to->place->dir, to->place->name);
	bool existed = is_ingest(to) && victim != NULL;
	struct sfs_node *node = from->spot.node;
	uint64_t seq = 0;
	enum sfs_rc rc;

	if (is_exclusive && existed)
		return sfs_err_set(err, SFS_E_EXISTS, "ingest/%s exists",
		                   to->place->name);
	rc = aim(f, from, to, victim, &seq, err);
	if (rc == SFS_OK)
		rc = sfs_disk_name_save(to->spot.dir_fd, &to->spot.disk,
		                        to->place->name, err);
	if (rc != SFS_OK)
		return rc;
	if (rename_on_disk(from, to, is_exclusive) != 0) {
		rc = failed(from, to, err);
		if (!existed && check_exists(to, NULL) == SFS_E_NOT_FOUND)
			sfs_disk_name_drop(to->spot.dir_fd, &to->spot.disk);
		return rc;
	}
	sfs_disk_name_drop(from->spot.dir_fd, &from->spot.disk);
	remove_victim(f, to, victim);
	detach(f, node);
	if (is_ingest(to)) {
		f->next_seq += seq == f->next_seq;
		node->seq = seq;
		node->is_marked = needs_mark(node);
	}
	settle_at(f, node, to);
	from->spot.node = NULL;
	return SFS_OK;
}

/* --- two names for each other ------------------------------------------------ */

/* So that a crash at any moment finds no writer forgotten. */
static enum sfs_rc set_marks(struct sfs_files *f, struct end *a, struct end *b,
                             bool is_before, struct sfs_err *err)
{
	struct sfs_node *x = a->spot.node;
	struct sfs_node *y = b->spot.node;
	enum sfs_rc rc = SFS_OK;
	bool is_either = is_before && ((x != NULL && needs_mark(x)) ||
	                               (y != NULL && needs_mark(y)));

	if (is_ingest(a))
		rc = sfs_raw_restamp(f, x, x->seq, is_either || needs_mark(x),
		                     err);
	if (is_ingest(b) && rc == SFS_OK)
		rc = sfs_raw_restamp(f, y, y->seq, is_either || needs_mark(y),
		                     err);
	return rc;
}

static void swap_nodes(struct sfs_files *f, struct end *a, struct end *b)
{
	struct sfs_node *x = a->spot.node;
	struct sfs_node *y = b->spot.node;
	uint64_t a_seq = is_ingest(a) ? x->seq : 0;
	uint64_t b_seq = is_ingest(b) ? y->seq : 0;
	bool a_mark = is_ingest(a) && x->is_marked;
	bool b_mark = is_ingest(b) && y->is_marked;

	detach(f, x);
	detach(f, y);
	if (x != NULL) {
		x->seq = b_seq;
		x->is_marked = b_mark;
	}
	if (y != NULL) {
		y->seq = a_seq;
		y->is_marked = a_mark;
	}
	settle_at(f, x, b);
	settle_at(f, y, a);
}

static void forget_fresh(struct end *end)
{
	if (end->spot.node != NULL && !end->spot.node->is_linked &&
	    end->spot.node->refs == 0)
		sfs_node_free(end->spot.node);
	end->spot.node = NULL;
}

/* The spots after their marks changed; nodes that are new stay. */
static enum sfs_rc relocate(struct sfs_files *f, struct end *end,
                            struct sfs_err *err)
{
	struct sfs_node *node = end->spot.node;
	enum sfs_rc rc = sfs_files_locate(f, end->place->dir, end->place->name,
	                                  &end->spot, err);

	end->spot.node = node;
	return rc;
}

static enum sfs_rc exchange(struct sfs_files *f, struct end *a, struct end *b,
                            struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_files_locate(f, b->place->dir, b->place->name, &b->spot, err);
	if (rc == SFS_OK)
		rc = check_exists(b, err);
	if (rc == SFS_OK)
		rc = need_node(a, b, err);
	if (rc == SFS_OK)
		rc = need_node(b, a, err);
	if (rc == SFS_OK)
		rc = set_marks(f, a, b, true, err);
	if (rc == SFS_OK)
		rc = relocate(f, a, err);
	if (rc == SFS_OK)
		rc = relocate(f, b, err);
	if (rc == SFS_OK &&
	    renameat2(a->spot.dir_fd, a->spot.disk.text, b->spot.dir_fd,
	              b->spot.disk.text, RENAME_EXCHANGE) != 0) {
		rc = failed(a, b, err);
		/* A mark too many is put right by the next close. */
		(void)set_marks(f, a, b, false, NULL);
	}
	if (rc != SFS_OK) {
		forget_fresh(b);
		return rc;
	}
	swap_nodes(f, a, b);
	a->spot.node = sfs_node_find(&f->nodes, a->place->dir, a->place->name);
	b->spot.node = sfs_node_find(&f->nodes, b->place->dir, b->place->name);
	(void)set_marks(f, a, b, false, NULL); /* the same */
	a->spot.node = NULL;
	return SFS_OK;
}

/* --- the call ---------------------------------------------------------------- */

static void note_event(const struct end *from, const struct end *to,
                       bool is_exchange, struct sfs_name_event *event)
{
	const struct end *ends[2] = { from, to };

	for (int i = 0; i < 2; i++) {
		if (!is_shown_ingest(ends[i]))
			continue;
		event->is_listed = true;
		if (is_exchange)
			event->changed[i] = ends[i]->spot.node->seq;
	}
}

static enum sfs_rc rename_locked(struct sfs_files *f, struct end *from,
                                 struct end *to, unsigned flags,
                                 struct sfs_err *err)
{
	enum sfs_rc rc;

	rc = sfs_files_locate(f, from->place->dir, from->place->name,
	                      &from->spot, err);
	if (rc == SFS_OK)
		rc = check_exists(from, err);
	if (rc != SFS_OK) {
		from->spot.node = NULL;
		return rc;
	}
	if (from->place->dir == to->place->dir &&
	    strcmp(from->place->name, to->place->name) == 0) {
		from->spot.node = NULL;
		return flags == RENAME_NOREPLACE
		               ? sfs_err_set(err, SFS_E_EXISTS, "%s exists",
		                             SFS_PLACE(to->place->dir,
		                                       to->place->name))
		               : SFS_OK;
	}
	rc = copy_name(to, err);
	if (rc == SFS_OK)
		rc = copy_name(from, err);
	if (rc == SFS_OK)
		rc = need_node(from, to, err);
	if (rc == SFS_OK)
		rc = flags == RENAME_EXCHANGE
		             ? exchange(f, from, to, err)
		             : move_file(f, from, to, flags == RENAME_NOREPLACE,
		                         err);
	if (rc == SFS_OK) {
		note_changed(f, from);
		note_changed(f, to);
	}
	return rc;
}

enum sfs_rc sfs_files_rename(struct sfs_files *f,
                             const struct sfs_build_place *from,
                             const struct sfs_build_place *to, unsigned flags,
                             struct sfs_name_event *event, struct sfs_err *err)
{
	struct end a = { .place = from };
	struct end b = { .place = to };
	enum sfs_rc rc;

	pthread_mutex_lock(&f->lock);
	rc = rename_locked(f, &a, &b, flags, err);
	if (rc != SFS_OK) {
		forget_fresh(&a);
	} else if (flags == RENAME_EXCHANGE) {
		a.spot.node = sfs_node_find(&f->nodes, from->dir, from->name);
		b.spot.node = sfs_node_find(&f->nodes, to->dir, to->name);
	}
	if (rc == SFS_OK)
		note_event(&a, &b, flags == RENAME_EXCHANGE, event);
	pthread_mutex_unlock(&f->lock);
	sfs_free(a.name);
	sfs_free(b.name);
	return rc;
}
