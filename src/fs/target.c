/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the target of a symbolic link names: a snapshot, by its ID, by a tag,
 * a receipt, another link, or "current". It is worked out from the text, as
 * the kernel would walk it, and at once: the link means that snapshot for
 * ever, also if the tag moves.
 */
#include "fs/staging_internal.h"

#include "base/alloc.h"

#include <string.h>

enum { PARTS_MAX = 8 };

/* A path from the root of the mount, taken apart; borrows from text. */
struct path {
	const char *parts[PARTS_MAX];
	size_t count;
	bool is_outside;
};

static void walk(struct path *p, char *text)
{
	char *rest = text;
	char *part;

	while ((part = strsep(&rest, "/")) != NULL) {
		if (part[0] == '\0' || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") != 0 && p->count < PARTS_MAX)
			p->parts[p->count++] = part;
		else if (strcmp(part, "..") == 0 && p->count > 0)
			p->count--;
		else
			p->is_outside = true;
	}
}

/* The part of an absolute target below the mount point; NULL: not there. */
static const char *below_mount(const struct sfs_fs *fs, const char *target)
{
	size_t len = strlen(fs->config.mountpoint);

	if (strncmp(target, fs->config.mountpoint, len) != 0 ||
	    target[len] != '/')
		return NULL;
	return target + len;
}

/* "DIR/TARGET" from the root of the mount; NULL: no memory. */
static char *join(const struct sfs_fs *fs, const char *dir, const char *target)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	const char *below = below_mount(fs, target);

	if (target[0] != '/')
		sfs_buf_printf(&text, "%s/%s", dir, target);
	else /* "..": outside of the mount */
		sfs_buf_puts(&text, below != NULL ? below : "..");
	if (text.failed != SFS_OK) {
		sfs_buf_release(&text);
		return NULL;
	}
	return sfs_buf_detach(&text);
}

static enum sfs_rc shown_id(struct sfs_fs *fs, struct sfs_snapshot_id *out,
                            struct sfs_err *err)
{
	struct sfs_snapshot *s = sfs_tracker_current(fs->config.tracker, NULL);

	if (s == NULL)
		return sfs_err_set(err, SFS_E_NOT_FOUND,
		                   "nothing is published");
	*out = *sfs_snapshot_id_of(s);
	sfs_snapshot_unref(s);
	return SFS_OK;
}

static enum sfs_rc published_id(struct sfs_fs *fs, const char *text,
                                struct sfs_snapshot_id *out,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_entry entry;
	enum sfs_rc rc;

	if (!sfs_snapshot_id_from_text(text, out))
		return sfs_err_set(err, SFS_E_NOT_FOUND,
		                   "%s is no snapshot (ls snapshots/)", text);
	rc = sfs_fs_lookup(fs, SFS_STATIC_SNAPSHOTS, text, &entry, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, rc, "%s is no snapshot (ls snapshots/)",
		                   text);
	return rc;
}

static enum sfs_rc resolve_pair(struct sfs_fs *fs, const struct path *p,
                                struct sfs_snapshot_id *out,
                                const struct sfs_call *call,
                                struct sfs_err *err)
{
	struct sfs_catalog *catalog = fs->config.source.catalog;
	enum sfs_rc rc;

	if (strcmp(p->parts[0], "snapshots") == 0)
		return published_id(fs, p->parts[1], out, call, err);
	if (strcmp(p->parts[0], "tags") == 0) {
		rc = catalog->ops->get_tag(catalog, p->parts[1], out, call,
		                           err);
		return rc == SFS_E_INVALID
		               ? sfs_err_set(err, SFS_E_NOT_FOUND,
		                             "%s is no tag", p->parts[1])
		               : rc;
	}
	if (strcmp(p->parts[0], "publish") == 0 &&
	    sfs_links_get(fs->links, SFS_LINKS_RECEIPTS, p->parts[1], out,
	                  NULL))
		return SFS_OK;
	return sfs_err_set(err, SFS_E_FORBIDDEN,
	                   "only links to snapshots can be made here: "
	                   "snapshots/ID, current or tags/NAME");
}

enum sfs_rc sfs_target_resolve(struct sfs_fs *fs, const char *dir,
                               const char *target, struct sfs_snapshot_id *out,
                               const struct sfs_call *call, struct sfs_err *err)
{
	char *text = join(fs, dir, target);
	struct path p = { .count = 0 };
	enum sfs_rc rc;

	if (text == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	walk(&p, text);
	if (p.is_outside)
		rc = sfs_err_set(err, SFS_E_FORBIDDEN,
		                 "the target is outside of this mount");
	else if (p.count == 1 && strcmp(p.parts[0], "current") == 0)
		rc = shown_id(fs, out, err);
	else if (p.count == 1 && sfs_links_get(fs->links, SFS_LINKS_ROOT,
	                                       p.parts[0], out, NULL))
		rc = SFS_OK;
	else if (p.count == 2)
		rc = resolve_pair(fs, &p, out, call, err);
	else
		rc = sfs_err_set(err, SFS_E_FORBIDDEN,
		                 "only links to snapshots can be made here: "
		                 "snapshots/ID, current or tags/NAME");
	sfs_free(text);
	return rc;
}
