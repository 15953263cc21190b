/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.yaml and the base. A setting is what config.yaml says, else what the
 * base says, else what mkdir had written. The file is read again whenever it
 * may have changed: when one who wrote it closes or syncs it, and when a name
 * was moved over it or away. A wrong file that was written in place stays on
 * disk as the fault of this build, which keeps it from being settled; the
 * engine goes on with the last settings that were right.
 */
#include "build/build_internal.h"

#include "base/alloc.h"
#include "base/atomicfile.h"

#include <errno.h>
#include <unistd.h>

bool sfs_build_is_config(enum sfs_build_dir dir, const char *name)
{
	return dir == SFS_BUILD_TOP && strcmp(name, SFS_FILES_CONFIG) == 0;
}

enum sfs_key_encoding sfs_build_encoding(struct sfs_build *b)
{
	return (enum sfs_key_encoding)atomic_load(&b->encoding);
}

static void free_config(struct sfs_build_config *c)
{
	if (c != NULL)
		sfs_build_config_release(c);
	sfs_free(c);
}

/* Memory on the heap: settings are too large for a thread's stack. */
static struct sfs_build_config *copy_defaults(struct sfs_build *b,
                                              const struct sfs_manifest *base,
                                              enum sfs_rc *rc,
                                              struct sfs_err *err)
{
	struct sfs_build_config *c = sfs_calloc(1, sizeof(*c));

	*rc = SFS_OK;
	if (c == NULL) {
		*rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	sfs_build_config_copy(c, &b->defaults);
	if (base != NULL)
		*rc = sfs_build_config_from_base(c, base, err);
	return c;
}

/* The settings of a text, for this build on that base; NULL and *rc. */
static struct sfs_build_config *parse_text(struct sfs_build *b,
                                           const struct sfs_manifest *base,
                                           const struct sfs_buf *text,
                                           enum sfs_rc *rc, struct sfs_err *err)
{
	struct sfs_build_config *c = copy_defaults(b, base, rc, err);

	if (*rc == SFS_OK)
		*rc = sfs_build_config_parse(c, text->len > 0 ? text->data : "",
		                             text->len, err);
	if (*rc == SFS_OK && base != NULL)
		*rc = sfs_build_config_check_base(c, base, err);
	if (*rc == SFS_OK)
		return c;
	free_config(c);
	return NULL;
}

static bool is_same(const struct sfs_build_config *a,
                    const struct sfs_build_config *b)
{
	struct sfs_buf x = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	struct sfs_buf y = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	bool same;

	if (!sfs_placement_is_same(a->placement, b->placement))
		return false; /* it may be too large to be printed */
	sfs_build_config_print(a, &x);
	sfs_build_config_print(b, &y);
	same = x.failed == SFS_OK && y.failed == SFS_OK && x.len == y.len &&
	       memcmp(x.data, y.data, x.len) == 0;
	sfs_buf_release(&x);
	sfs_buf_release(&y);
	return same;
}

static void take(struct sfs_build *b, const struct sfs_build_config *c,
                 bool is_forced)
{
	if (!is_forced && is_same(&b->config, c))
		return;
	sfs_engine_set_config(b->engine, c);
	sfs_build_config_copy(&b->config, c);
	atomic_store(&b->encoding, (int)c->key_encoding);
	sfs_build_take_routing(b, c);
}

/* config.yaml as it lies there; its absence is INVALID too. */
static enum sfs_rc read_config(struct sfs_build *b, struct sfs_buf *text,
                               struct sfs_err *err)
{
	enum sfs_rc rc;
	bool found;

	rc = sfs_files_read_top(b->files, SFS_FILES_CONFIG, text, &found, err);
	if (rc == SFS_E_TOO_BIG)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "config.yaml is larger than %d bytes",
		                   SFS_BUILD_CONFIG_MAX_BYTES);
	if (rc == SFS_OK && !found)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "config.yaml is missing; an empty one takes "
		                   "the defaults");
	return rc;
}

static enum sfs_rc reload_locked(struct sfs_build *b, bool is_forced,
                                 struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	struct sfs_build_config *c = NULL;
	enum sfs_rc rc;

	rc = read_config(b, &text, err);
	if (rc == SFS_OK)
		c = parse_text(b, b->base_manifest, &text, &rc, err);
	if (rc == SFS_OK)
		take(b, c, is_forced);
	b->fault = rc != SFS_OK ? *err : (struct sfs_err){ .rc = SFS_OK };
	free_config(c);
	sfs_buf_release(&text);
	return rc;
}

enum sfs_rc sfs_build_reload_config(struct sfs_build *b, struct sfs_err *err)
{
	enum sfs_rc rc;

	pthread_mutex_lock(&b->settings);
	rc = reload_locked(b, false, err);
	pthread_mutex_unlock(&b->settings);
	return rc;
}

void sfs_build_note_config(struct sfs_build *b)
{
	struct sfs_err err;

	pthread_mutex_lock(&b->settings);
	(void)reload_locked(b, false, &err); /* b->fault has it */
	pthread_mutex_unlock(&b->settings);
}

/* Read once more, since what failed may have been the disk or memory. */
enum sfs_rc sfs_build_check_fault(struct sfs_build *b, struct sfs_err *err)
{
	struct sfs_err local;
	enum sfs_rc rc = SFS_OK;

	pthread_mutex_lock(&b->settings);
	if (b->fault.rc != SFS_OK)
		rc = reload_locked(b, false, &local);
	pthread_mutex_unlock(&b->settings);
	if (rc == SFS_OK)
		return SFS_OK;
	if (rc == SFS_E_INVALID)
		rc = SFS_E_CORRUPT;
	return sfs_err_set(err, rc, "%s", local.msg);
}

enum sfs_rc sfs_build_check_config_file(struct sfs_build *b,
                                        const struct sfs_build_place *place,
                                        struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	struct sfs_spot spot;
	bool found = false;
	enum sfs_rc rc;

	pthread_mutex_lock(&b->files->lock);
	rc = sfs_files_locate(b->files, place->dir, place->name, &spot, err);
	if (rc == SFS_OK)
		rc = sfs_files_read_at(spot.dir_fd, spot.disk.text, &text,
		                       &found, err);
	pthread_mutex_unlock(&b->files->lock);
	if (rc == SFS_E_TOO_BIG)
		rc = sfs_err_set(err, SFS_E_INVALID,
		                 "config.yaml: %s is larger than %d bytes",
		                 place->name, SFS_BUILD_CONFIG_MAX_BYTES);
	if (rc == SFS_OK && found)
		free_config(parse_text(b, b->base_manifest, &text, &rc, err));
	sfs_buf_release(&text);
	return rc;
}

/* --- at the beginning and at the adoption ----------------------------------- */

static enum sfs_rc load_defaults(struct sfs_build *b, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	enum sfs_rc rc;
	bool found;

	sfs_build_config_init(&b->defaults);
	rc = sfs_files_read_at(b->files->dir_fd, SFS_FILES_DEFAULTS, &text,
	                       &found, err);
	if (rc == SFS_OK && text.len > 0)
		rc = sfs_build_config_parse(&b->defaults, text.data, text.len,
		                            err);
	sfs_buf_release(&text);
	if (rc != SFS_OK)
		(void)sfs_err_wrap(err, SFS_FILES_DEFAULTS);
	return rc;
}

enum sfs_rc sfs_build_load_settings(struct sfs_build *b, struct sfs_err *err)
{
	struct sfs_snapshot_id id;
	struct sfs_err fault;
	enum sfs_rc rc = load_defaults(b, err);

	if (rc != SFS_OK)
		return rc;
	sfs_build_config_copy(&b->config, &b->defaults);
	atomic_store(&b->encoding, (int)b->config.key_encoding);
	/* Unreachable now: publishing will compare them. */
	if (sfs_files_get_base(b->files, &id) &&
	    b->catalog->ops->load(b->catalog, &id, &b->base_manifest, NULL,
	                          &fault) != SFS_OK)
		b->base_manifest = NULL;
	rc = reload_locked(b, true, &fault);
	if (rc == SFS_E_NO_MEMORY) {
		*err = fault;
		return rc;
	}
	if (rc != SFS_OK) /* the engine has the defaults until it is mended */
		take(b, &b->defaults, true);
	return SFS_OK;
}

/* --- the base ------------------------------------------------------------------ */

static enum sfs_rc check_current(struct sfs_build *b,
                                 const struct sfs_snapshot_id *id,
                                 const struct sfs_call *call,
                                 struct sfs_err *err)
{
	char text[SFS_SNAPSHOT_ID_BYTES];
	struct sfs_pointer pointer = { 0 };
	struct sfs_snapshot_id now;
	enum sfs_rc rc;

	sfs_snapshot_id_text(id, text);
	rc = b->catalog->ops->current(b->catalog, &pointer, call, err);
	if (rc == SFS_E_NOT_FOUND)
		return sfs_err_set(err, SFS_E_STALE,
		                   "base %s: nothing is published", text);
	if (rc != SFS_OK)
		return rc;
	rc = sfs_snapshot_id_from_ref(pointer.current->manifest_ref, &now, err);
	sfs_pointer_release(&pointer);
	if (rc != SFS_OK || sfs_snapshot_id_compare(&now, id) == 0)
		return rc;
	return sfs_err_set(err, SFS_E_STALE,
	                   "base %s is not current; make it so first: "
	                   "ln -sfn snapshots/%s current",
	                   text, text);
}

/* Is config.yaml still as mkdir wrote it? */
static enum sfs_rc compare_defaults(struct sfs_build *b,
                                    const struct sfs_buf *text, bool *is_same,
                                    struct sfs_err *err)
{
	struct sfs_buf first = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	bool found = false;
	enum sfs_rc rc;

	rc = sfs_files_read_at(b->files->dir_fd, SFS_FILES_DEFAULTS, &first,
	                       &found, err);
	*is_same = rc == SFS_OK && found && first.len == text->len &&
	           (text->len == 0 ||
	            memcmp(first.data, text->data, text->len) == 0);
	sfs_buf_release(&first);
	return rc;
}

static enum sfs_rc write_config(struct sfs_build *b,
                                const struct sfs_build_config *c,
                                struct sfs_err *err)
{
	struct sfs_atomicfile file = SFS_ATOMICFILE_INIT;
	struct sfs_buf text = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	enum sfs_rc rc;
	int fd = -1;

	sfs_build_config_print(c, &text);
	rc = sfs_buf_finish(&text, "config.yaml", err);
	if (rc == SFS_OK)
		rc = sfs_files_folder(b->files, SFS_FOLDER_TOP, &fd, err);
	if (rc == SFS_OK)
		rc = sfs_atomicfile_begin(&file, fd, err);
	if (rc == SFS_OK)
		rc = sfs_atomicfile_write(&file, text.data, text.len, err);
	if (rc == SFS_OK)
		rc = sfs_atomicfile_commit(&file, SFS_FILES_CONFIG, false, err);
	sfs_atomicfile_abort(&file);
	if (fd >= 0)
		(void)close(fd);
	sfs_buf_release(&text);
	return rc;
}

static enum sfs_rc set_base_locked(struct sfs_build *b,
                                   const struct sfs_snapshot_id *id,
                                   struct sfs_manifest **manifest,
                                   struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_BUILD_CONFIG_MAX_BYTES);
	struct sfs_build_config *c = NULL;
	struct sfs_manifest *old;
	bool is_prefilled;
	enum sfs_rc rc;

	rc = read_config(b, &text, err);
	if (rc == SFS_OK)
		rc = compare_defaults(b, &text, &is_prefilled, err);
	if (rc == SFS_OK && is_prefilled)
		sfs_buf_reset(&text); /* nobody asked for these */
	if (rc == SFS_OK)
		c = parse_text(b, *manifest, &text, &rc, err);
	if (rc == SFS_OK && is_prefilled)
		rc = write_config(b, c, err);
	if (rc == SFS_OK)
		rc = sfs_files_set_base(b->files, id, err);
	if (rc == SFS_OK) {
		old = b->base_manifest;
		b->base_manifest = *manifest;
		*manifest = old;
		b->fault = (struct sfs_err){ .rc = SFS_OK };
		take(b, c, true);
	}
	free_config(c);
	sfs_buf_release(&text);
	return rc;
}

enum sfs_rc sfs_build_set_base(struct sfs_build *b,
                               const struct sfs_snapshot_id *id,
                               const struct sfs_call *call, struct sfs_err *err)
{
	struct sfs_manifest *manifest = NULL;
	enum sfs_rc rc = sfs_build_enter_change(b, err);

	if (rc != SFS_OK)
		return rc;
	rc = check_current(b, id, call, err);
	if (rc == SFS_OK)
		rc = b->catalog->ops->load(b->catalog, id, &manifest, call,
		                           err);
	if (rc == SFS_OK) {
		pthread_mutex_lock(&b->settings);
		rc = set_base_locked(b, id, &manifest, err);
		pthread_mutex_unlock(&b->settings);
	}
	sfs_manifest_free(manifest); /* the one before, or the refused */
	if (rc == SFS_OK)
		sfs_files_keys_changed(b->files);
	sfs_build_leave_change(b);
	return rc;
}

bool sfs_build_get_base(struct sfs_build *b, struct sfs_snapshot_id *out)
{
	return sfs_files_get_base(b->files, out);
}

enum sfs_rc sfs_build_clear_base(struct sfs_build *b, struct sfs_err *err)
{
	struct sfs_err fault;
	enum sfs_rc rc = sfs_build_enter_change(b, err);

	if (rc != SFS_OK)
		return rc;
	pthread_mutex_lock(&b->settings);
	rc = sfs_files_clear_base(b->files, err);
	if (rc == SFS_OK) {
		sfs_manifest_free(b->base_manifest);
		b->base_manifest = NULL;
		(void)reload_locked(b, true, &fault); /* b->fault has it */
		sfs_files_keys_changed(b->files);
	}
	pthread_mutex_unlock(&b->settings);
	sfs_build_leave_change(b);
	return rc;
}
