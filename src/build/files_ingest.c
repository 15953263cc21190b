/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw/: ingest files. Rank and state are part of the name on disk, so that
 * they change atomically with a rename and are known without reading.
 */
#include "build/files_internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum { SEQ_DIGITS = 20 };

static const char RAW_COMPANION[] = ".name-";
static const char RAW_TMP[] = ".tmp-";

enum sfs_rc sfs_raw_name(const char *name, uint64_t seq, bool is_marked,
                         struct sfs_disk_name *out, struct sfs_err *err)
{
	struct sfs_disk_name tail;
	enum sfs_rc rc;
	int len;

	rc = sfs_disk_name_set(&tail, name,
	                       SFS_DISK_NAME_MAX - SFS_RAW_PREFIX_BYTES, err);
	if (rc != SFS_OK)
		return rc;
	len = snprintf(out->text, sizeof(out->text), "%020" PRIu64 "%s-%s", seq,
	               is_marked ? "o" : "", tail.text);
	memcpy(out->hash, tail.hash, sizeof(out->hash));
	if (len < 0 || (size_t)len >= sizeof(out->text))
		return sfs_err_set(err, SFS_E_NAME_TOO_LONG, "ingest/%s", name);
	return SFS_OK;
}

/* Takes "<seq>[o]-FILE" apart; *file points into entry. */
static bool parse_raw(const char *entry, uint64_t *seq, bool *is_marked,
                      const char **file)
{
	*seq = 0;
	for (int i = 0; i < SEQ_DIGITS; i++) {
		if (entry[i] < '0' || entry[i] > '9' ||
		    *seq > (UINT64_MAX - 9) / 10)
			return false;
		*seq = *seq * 10 + (uint64_t)(entry[i] - '0');
	}
	*is_marked = entry[SEQ_DIGITS] == 'o';
	entry += SEQ_DIGITS + *is_marked;
	*file = entry + 1;
	return *seq > 0 && entry[0] == '-' && entry[1] != '\0';
}

/* Of two files of one name the older one was about to be removed. */
static enum sfs_rc take_duplicate(struct sfs_files *f, struct sfs_node *node,
                                  uint64_t seq, bool is_marked,
                                  struct sfs_err *err)
{
	struct sfs_disk_name disk;
	enum sfs_rc rc;

	if (node->seq < seq)
		rc = sfs_raw_name(node->name, node->seq, node->is_marked, &disk,
		                  err);
	else
		rc = sfs_raw_name(node->name, seq, is_marked, &disk, err);
	if (rc != SFS_OK)
		return rc;
	if (unlinkat(f->folders[SFS_FOLDER_RAW].fd, disk.text, 0) != 0)
		return sfs_err_sys(err, errno, "cannot remove ingest/%s",
		                   node->name);
	if (node->seq < seq) {
		node->seq = seq;
		node->is_marked = is_marked;
		node->is_incomplete = is_marked;
	}
	return SFS_OK;
}

/* The name on disk is damaged: the bytes stay, under one that is seen. */
static enum sfs_rc rescue(int dir_fd, const char *entry, uint64_t seq,
                          bool is_marked, char *name, struct sfs_err *err)
{
	struct sfs_disk_name disk;
	enum sfs_rc rc;

	(void)snprintf(name, SFS_STAGED_NAME_MAX + 1, ".lost-%" PRIu64, seq);
	rc = sfs_raw_name(name, seq, is_marked, &disk, err);
	if (rc == SFS_OK && renameat(dir_fd, entry, dir_fd, disk.text) != 0)
		rc = sfs_err_sys(err, errno, "cannot rename %s", entry);
	return rc;
}

static enum sfs_rc load_entry(void *arg, int dir_fd, const char *entry,
                              struct sfs_err *err)
{
	struct sfs_files *f = arg;
	char name[SFS_STAGED_NAME_MAX + 1];
	enum sfs_rc rc = SFS_OK;
	struct sfs_node *node;
	const char *file;
	bool is_marked;
	uint64_t seq;

	if (!parse_raw(entry, &seq, &is_marked, &file))
		return SFS_OK;
	if (!sfs_disk_name_read(dir_fd, file, name))
		rc = rescue(dir_fd, entry, seq, is_marked, name, err);
	if (rc != SFS_OK)
		return rc;
	if (seq >= f->next_seq)
		f->next_seq = seq + 1;
	node = sfs_node_find(&f->nodes, SFS_BUILD_INGEST, name);
	if (node != NULL)
		return take_duplicate(f, node, seq, is_marked, err);
	node = sfs_node_new(name, err);
	if (node == NULL)
		return SFS_E_NO_MEMORY;
	node->seq = seq;
	node->is_marked = is_marked;
	node->is_incomplete = is_marked;
	sfs_node_link(&f->nodes, node, SFS_BUILD_INGEST);
	return SFS_OK;
}

static enum sfs_rc clean_entry(void *arg, int dir_fd, const char *entry,
                               struct sfs_err *err)
{
	struct sfs_files *f = arg;
	char name[SFS_STAGED_NAME_MAX + 1];
	char file[SFS_DISK_NAME_MAX + 1];
	bool is_left;

	is_left = strncmp(entry, RAW_TMP, strlen(RAW_TMP)) == 0;
	if (strncmp(entry, RAW_COMPANION, strlen(RAW_COMPANION)) == 0) {
		(void)snprintf(file, sizeof(file), ".long-%s",
		               entry + strlen(RAW_COMPANION));
		is_left = !sfs_disk_name_read(dir_fd, file, name) ||
		          sfs_node_find(&f->nodes, SFS_BUILD_INGEST, name) ==
		                  NULL;
	}
	if (is_left && unlinkat(dir_fd, entry, 0) != 0)
		return sfs_err_sys(err, errno, "cannot remove %s", entry);
	return SFS_OK;
}

enum sfs_rc sfs_raw_load(struct sfs_files *f, struct sfs_err *err)
{
	int fd = f->folders[SFS_FOLDER_RAW].fd;
	enum sfs_rc rc;

	if (fd < 0)
		return SFS_OK;
	rc = sfs_dir_walk(fd, load_entry, f, err);
	if (rc == SFS_OK)
		rc = sfs_dir_walk(fd, clean_entry, f, err);
	return rc;
}

enum sfs_rc sfs_raw_restamp(struct sfs_files *f, struct sfs_node *node,
                            uint64_t seq, bool is_marked, struct sfs_err *err)
{
	int fd = f->folders[SFS_FOLDER_RAW].fd;
	struct sfs_disk_name from;
	struct sfs_disk_name to;
	enum sfs_rc rc;

	if (node->seq == seq && node->is_marked == is_marked)
		return SFS_OK;
	rc = sfs_raw_name(node->name, node->seq, node->is_marked, &from, err);
	if (rc == SFS_OK)
		rc = sfs_raw_name(node->name, seq, is_marked, &to, err);
	if (rc != SFS_OK)
		return rc;
	if (renameat(fd, from.text, fd, to.text) != 0)
		return sfs_err_sys(err, errno, "ingest/%s", node->name);
	node->seq = seq;
	node->is_marked = is_marked;
	sfs_files_touch(f, SFS_FOLDER_RAW);
	return SFS_OK;
}

/* --- for the engine ---------------------------------------------------------- */

static bool is_listed(const struct sfs_node *node)
{
	return node->dir == SFS_BUILD_INGEST &&
	       !sfs_name_is_scratch(node->name);
}

static int compare_seq(const void *a, const void *b)
{
	const struct sfs_ingest_file *x = a;
	const struct sfs_ingest_file *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static enum sfs_rc copy_node(struct sfs_ingest_files *out,
                             const struct sfs_node *node, struct sfs_err *err)
{
	struct sfs_ingest_file *file = &out->files[out->count];

	file->name = sfs_strdup(node->name);
	if (file->name == NULL)
		return sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	file->seq = node->seq;
	file->is_open = node->writers > 0;
	file->is_incomplete = node->is_incomplete;
	out->count++;
	return SFS_OK;
}

enum sfs_rc sfs_files_list_ingest(struct sfs_files *f,
                                  struct sfs_ingest_files *out,
                                  struct sfs_err *err)
{
	enum sfs_rc rc = SFS_OK;

	out->count = 0;
	pthread_mutex_lock(&f->lock);
	out->files = sfs_calloc(f->nodes.ingest_count, sizeof(*out->files));
	if (out->files == NULL)
		rc = sfs_err_set(err, SFS_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < f->nodes.bucket_count && rc == SFS_OK; i++) {
		const struct sfs_node *node = f->nodes.buckets[i];

		for (; node != NULL && rc == SFS_OK; node = node->next) {
			if (is_listed(node))
				rc = copy_node(out, node, err);
		}
	}
	pthread_mutex_unlock(&f->lock);
	if (rc != SFS_OK)
		sfs_ingest_files_release(out);
	else
		qsort(out->files, out->count, sizeof(*out->files), compare_seq);
	return rc;
}

void sfs_ingest_files_release(struct sfs_ingest_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		sfs_free(files->files[i].name);
	sfs_free(files->files);
	*files = (struct sfs_ingest_files){ NULL, 0 };
}

static struct sfs_node *find_seq(struct sfs_files *f, uint64_t seq)
{
	struct sfs_node *node;

	for (size_t i = 0; i < f->nodes.bucket_count; i++) {
		for (node = f->nodes.buckets[i]; node != NULL;
		     node = node->next) {
			if (node->dir == SFS_BUILD_INGEST && node->seq == seq)
				return node;
		}
	}
	return NULL;
}

enum sfs_rc sfs_files_open_ingest(struct sfs_files *f, uint64_t seq,
                                  int *fd_out, struct sfs_err *err)
{
	struct sfs_disk_name disk;
	struct sfs_node *node;
	enum sfs_rc rc;

	*fd_out = -1;
	pthread_mutex_lock(&f->lock);
	node = find_seq(f, seq);
	if (node == NULL)
		rc = sfs_err_set(err, SFS_E_NOT_FOUND,
		                 "there is no ingest file %" PRIu64, seq);
	else
		rc = sfs_raw_name(node->name, node->seq, node->is_marked, &disk,
		                  err);
	if (rc == SFS_OK) {
		*fd_out = sfs_disk_open(f->folders[SFS_FOLDER_RAW].fd,
		                        disk.text, O_RDONLY);
		if (*fd_out < 0 && errno == ELOOP) /* build_source.c */
			*fd_out = openat(f->folders[SFS_FOLDER_RAW].fd,
			                 disk.text, O_RDONLY | O_CLOEXEC);
		if (*fd_out < 0)
			rc = sfs_err_sys(err, errno, "ingest/%s", node->name);
		if (rc == SFS_E_NOT_FOUND) /* nobody will tell of that */
			rc = sfs_err_set(err, SFS_E_IO,
			                 "%s: the file was removed while it "
			                 "was needed",
			                 node->name);
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}
