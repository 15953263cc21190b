/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine sees of a build's files: ingest files with rank and state,
 * keys, removals; what it is told; and what is found after a crash.
 */
#include "unit/stage.h"

#include "build/build_internal.h"

static struct sfs_files *files_of(void)
{
	return b->files;
}

/* "1 a; 3 b open incomplete; ". */
static const char *ingest(void)
{
	static char text[4096];
	struct sfs_ingest_files list;
	size_t len = 0;

	text[0] = '\0';
	if (sfs_files_list_ingest(files_of(), &list, &err) != SFS_OK)
		return sfs_rc_name(err.rc);
	for (size_t i = 0; i < list.count; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%d %s%s%s; ",
			(int)list.files[i].seq, list.files[i].name,
			list.files[i].is_open ? " open" : "",
			list.files[i].is_incomplete ? " incomplete" : "");
	sfs_ingest_files_release(&list);
	return text;
}

static const char *read_seq(uint64_t seq)
{
	static char text[256];
	ssize_t len;
	int fd;

	if (sfs_files_open_ingest(files_of(), seq, &fd, &err) != SFS_OK)
		return sfs_rc_name(err.rc);
	len = pread(fd, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	(void)close(fd);
	return text;
}

static void ingest_files_rank_by_creation_and_truncation(void)
{
	IS_INT(put_file(INGEST, "z.csv", "1"), SFS_OK);
	IS_INT(put_file(INGEST, "a.csv", "2"), SFS_OK);
	IS_INT(put_file(INGEST, ".scratch", "3"), SFS_OK);
	IS_STR(ingest(), "1 z.csv; 2 a.csv; ");
	IS_INT(put_file(INGEST, "z.csv", "4"), SFS_OK);
	IS_STR(ingest(), "2 a.csv; 4 z.csv; ");
	IS_STR(read_seq(4), "4");
	IS_STR(read_seq(1), "not_found");
	IS_INT(sfs_build_truncate(b, INGEST, "a.csv", 0, &err), SFS_OK);
	IS_STR(ingest(), "4 z.csv; 5 a.csv; ");
	IS_INT(sfs_build_unlink(b, INGEST, "z.csv", &err), SFS_OK);
	IS_INT(put_file(INGEST, "z.csv", "6"), SFS_OK);
	IS_STR(ingest(), "5 a.csv; 6 z.csv; ");
	stage_again();
	IS_STR(ingest(), "5 a.csv; 6 z.csv; ");
	IS_STR(list_dir(INGEST), ".scratch a.csv z.csv ");
}

static void the_engine_is_told_what_happens(void)
{
	struct sfs_staged_file *f = open_staged(INGEST, "f", O_CREAT | O_RDWR);
	struct sfs_staged_file *g;

	IS_STR(fake_told(), "listed\n");
	IS_INT(append(f, "abc"), SFS_OK);
	IS_INT(sfs_staged_write(f, 3, false, "def", 3, &err), SFS_OK);
	IS_STR(fake_told(), "grew 1 3\ngrew 1 6\n");
	IS_INT(sfs_staged_write(f, 2, false, "xxxxxx", 6, &err), SFS_OK);
	IS_STR(fake_told(), "changed 1\n");
	IS_INT(sfs_staged_truncate(f, 8, &err), SFS_OK);
	IS_STR(fake_told(), "");
	IS_INT(sfs_staged_truncate(f, 7, &err), SFS_OK);
	IS_STR(fake_told(), "changed 1\n");
	IS_STR(ingest(), "1 f open; ");
	g = open_staged(INGEST, "f", O_WRONLY);
	sfs_staged_close(f);
	IS_STR(fake_told(), "");
	IS_INT(sfs_staged_flush(g, NULL, &err), SFS_OK);
	IS_STR(fake_told(), "");
	IS_INT(append(g, "z"), SFS_OK);
	IS_INT(sfs_staged_flush(g, NULL, &err), SFS_OK);
	IS_STR(fake_told(), "grew 1 8\nwait 1\n");
	sfs_staged_close(g);
	IS_STR(fake_told(), "writers 1 no\n");
	IS_STR(get_file(INGEST, "f"), "abxxxxxz");
	IS_STR(fake_told(), "");
	IS_INT(sfs_build_unlink(b, INGEST, "f", &err), SFS_OK);
	IS_STR(fake_told(), "listed\n");
	IS_INT(put_file(INGEST, ".s", "x"), SFS_OK);
	IS_INT(put_file(KEYS, "k", "x"), SFS_OK);
	IS_STR(fake_told(), "");
	IS_INT(rename_file(INGEST, ".s", INGEST, "s", 0), SFS_OK);
	IS_STR(fake_told(), "listed\n");
	IS_STR(ingest(), "2 s; ");
}

static void close_tells_of_bad_records(void)
{
	fake.wait_rc = SFS_E_CORRUPT;
	IS_INT(put_file(INGEST, "f.csv", "bad"), SFS_E_CORRUPT);
	IS_STR(get_file(INGEST, "f.csv"), "bad");
}

static void renaming_keeps_or_renews_the_rank(void)
{
	struct sfs_staged_file *f;

	IS_INT(put_file(INGEST, "a", "A"), SFS_OK);
	IS_INT(put_file(INGEST, "b", "B"), SFS_OK);
	IS_INT(rename_file(INGEST, "a", INGEST, "c", RENAME_NOREPLACE), SFS_OK);
	IS_STR(ingest(), "1 c; 2 b; ");
	IS_INT(rename_file(INGEST, "c", INGEST, "b", RENAME_NOREPLACE),
	       SFS_E_EXISTS);
	f = open_staged(INGEST, "c", O_RDWR);
	IS_INT(rename_file(INGEST, "c", INGEST, "b", 0), SFS_OK);
	IS_STR(ingest(), "3 b open; ");
	OK(is_on_disk("job/raw/00000000000000000003o-b"));
	OK(!is_on_disk("job/raw/00000000000000000002-b"));
	(void)fake_told();
	IS_INT(append(f, "+"), SFS_OK);
	IS_STR(fake_told(), "grew 3 2\n");
	sfs_staged_close(f);
	OK(is_on_disk("job/raw/00000000000000000003-b"));
	IS_STR(get_file(INGEST, "b"), "A+");
}

static void exchanged_ingest_files_keep_their_ranks(void)
{
	struct sfs_staged_file *f;

	IS_INT(put_file(INGEST, "a", "A"), SFS_OK);
	IS_INT(put_file(INGEST, "b", "B"), SFS_OK);
	f = open_staged(INGEST, "a", O_RDWR);
	(void)fake_told();
	IS_INT(rename_file(INGEST, "a", INGEST, "b", RENAME_EXCHANGE), SFS_OK);
	IS_STR(fake_told(), "changed 1\nchanged 2\nlisted\n");
	IS_STR(ingest(), "1 a; 2 b open; ");
	IS_STR(read_seq(1), "B");
	OK(is_on_disk("job/raw/00000000000000000001-a"));
	OK(is_on_disk("job/raw/00000000000000000002o-b"));
	IS_INT(append(f, "!"), SFS_OK);
	IS_STR(fake_told(), "grew 2 2\n");
	sfs_staged_close(f);
	IS_INT(put_file(KEYS, "k", "K"), SFS_OK);
	IS_INT(rename_file(KEYS, "k", INGEST, "a", RENAME_EXCHANGE), SFS_OK);
	IS_STR(read_seq(1), "K");
	IS_STR(get_file(KEYS, "k"), "B");
	IS_STR(get_file(INGEST, "b"), "A!");
}

/* As if the owner had died: the marks of open files stay on disk. */
static void crash_and_adopt(void)
{
	pid_t pid;
	int status = 0;

	stage_close();
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct sfs_staged_file *f;

		stage_open();
		b = sfs_area_find(area, "job");
		f = open_staged(INGEST, "f.csv", O_CREAT | O_RDWR);
		if (append(f, "1,one\n2,t") == SFS_OK &&
		    sfs_staged_sync(f, true, &err) == SFS_OK)
			(void)kill(getpid(), SIGKILL);
		_exit(1);
	}
	OK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	stage_open();
	b = sfs_area_find(area, "job");
	(void)fake_told();
}

static void a_file_of_a_dead_writer_is_incomplete(void)
{
	struct sfs_staged_file *f;

	crash_and_adopt();
	IS_STR(ingest(), "1 f.csv incomplete; ");
	IS_STR(get_file(INGEST, "f.csv"), "1,one\n2,t");
	f = open_staged(INGEST, "f.csv", O_RDWR);
	sfs_staged_close(f);
	IS_STR(ingest(), "1 f.csv incomplete; ");
	stage_again();
	IS_STR(ingest(), "1 f.csv incomplete; ");
	f = open_staged(INGEST, "f.csv", O_RDWR);
	IS_INT(append(f, "wo\n"), SFS_OK);
	IS_STR(ingest(), "1 f.csv open incomplete; ");
	sfs_staged_close(f);
	IS_STR(ingest(), "1 f.csv; ");
	stage_again();
	IS_STR(ingest(), "1 f.csv; ");
}

static void truncating_or_removing_mends_it_too(void)
{
	crash_and_adopt();
	IS_INT(sfs_build_truncate(b, INGEST, "f.csv", 6, &err), SFS_OK);
	IS_STR(ingest(), "1 f.csv; ");
	crash_and_adopt();
	IS_STR(ingest(), "1 f.csv incomplete; ");
	IS_INT(put_file(INGEST, "f.csv", "new"), SFS_OK);
	IS_STR(ingest(), "1 f.csv; ");
	crash_and_adopt();
	IS_INT(sfs_build_unlink(b, INGEST, "f.csv", &err), SFS_OK);
	IS_STR(ingest(), "");
}

static void what_a_crash_left_is_put_right(void)
{
	IS_INT(put_file(INGEST, "f", "old"), SFS_OK);
	stage_close();
	write_on_disk("job/raw/00000000000000000009-f", "new");
	write_on_disk("job/raw/.tmp-1", "");
	write_on_disk("job/raw/.name-abc", "gone");
	write_on_disk("job/raw/nonsense", "");
	write_on_disk("job/raw/00000000000000000007-.long-abc", "damaged");
	write_on_disk("job/keys/.tmp-1", "");
	write_on_disk("job/keys/.name-abc", "gone");
	write_on_disk("job/keys/.long-def", "damaged");
	write_on_disk("job/runs/spill", "x");
	write_on_disk("job/.tmp-2", "");
	stage_open();
	b = sfs_area_find(area, "job");
	OK(b != NULL);
	IS_STR(ingest(), "9 f; ");
	IS_STR(read_seq(9), "new");
	OK(!is_on_disk("job/raw/00000000000000000001-f"));
	OK(!is_on_disk("job/raw/.tmp-1"));
	OK(!is_on_disk("job/raw/.name-abc"));
	OK(!is_on_disk("job/keys/.name-abc"));
	OK(!is_on_disk("job/runs/spill"));
	OK(!is_on_disk("job/.tmp-2"));
	IS_STR(list_dir(KEYS), ".lost-def ");
	IS_STR(list_dir(INGEST), ".lost-7 f ");
	IS_STR(get_file(INGEST, ".lost-7"), "damaged");
	IS_INT(put_file(INGEST, "g", "x"), SFS_OK);
	IS_STR(ingest(), "9 f; 10 g; ");
}

/* --- keys ------------------------------------------------------------------------ */

static char seen[1024];

static enum sfs_rc see_key(void *arg, const struct sfs_key_file *file,
                           struct sfs_err *e)
{
	size_t len = strlen(seen);

	(void)arg;
	(void)e;
	(void)snprintf(seen + len, sizeof(seen) - len, "%s=%d ", file->at.name,
	               (int)file->st->st_size);
	return SFS_OK;
}

static enum sfs_rc see_name(void *arg, const char *name, size_t len,
                            struct sfs_err *e)
{
	(void)arg;
	(void)e;
	(void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen),
	               "%s:%d ", name, (int)len);
	return SFS_OK;
}

static enum sfs_rc refuse_name(void *arg, const char *name, size_t len,
                               struct sfs_err *e)
{
	(void)arg;
	(void)len;
	return sfs_err_set(e, SFS_E_CANCELED, "%s", name);
}

static void walks_show_what_counts(void)
{
	char text[16];
	size_t len;
	const struct sfs_build_place k = { KEYS, "k" };
	const struct sfs_build_place z = { KEYS, "z" };
	int fd;

	IS_INT(put_file(KEYS, "k", "four"), SFS_OK);
	IS_INT(put_file(KEYS, ".swp", "x"), SFS_OK);
	IS_INT(put_file(TOP, "README", "x"), SFS_OK);
	IS_INT(put_file(TOP, "message", "x"), SFS_OK);
	IS_INT(put_file(TOP, ".x", "x"), SFS_OK);
	seen[0] = '\0';
	IS_INT(sfs_files_walk_keys(files_of(), see_key, NULL, &err), SFS_OK);
	IS_STR(seen, "k=4 ");
	seen[0] = '\0';
	IS_INT(sfs_files_walk_strays(files_of(), see_name, NULL, &err), SFS_OK);
	IS_STR(seen, "README:6 ");
	IS_INT(sfs_files_walk_strays(files_of(), refuse_name, NULL, &err),
	       SFS_E_CANCELED);
	IS_INT(sfs_files_open_key(files_of(), &k, &fd, &err), SFS_OK);
	len = (size_t)read(fd, text, sizeof(text));
	IS_INT(len, 4);
	(void)close(fd);
	IS_INT(sfs_files_open_key(files_of(), &z, &fd, &err), SFS_E_NOT_FOUND);
}

static void removed_keys_stay_removed(void)
{
	char name[301];

	memset(name, 'r', 300);
	name[300] = '\0';
	IS_INT(remove_key(b, "k", &err), SFS_OK);
	IS_INT(remove_key(b, name, &err), SFS_OK);
	IS_INT(remove_key(b, "k", &err), SFS_OK);
	IS_INT(remove_key(b, "%41", &err), SFS_E_INVALID);
	IS_INT(remove_key(b, "%zz", &err), SFS_E_INVALID);
	stage_again();
	OK(sfs_build_is_removed(b, "k"));
	OK(sfs_build_is_removed(b, name));
	OK(!sfs_build_is_removed(b, "A"));
	seen[0] = '\0';
	IS_INT(sfs_files_walk_removed(files_of(), see_name, NULL, &err),
	       SFS_OK);
	HAS_STR(seen, "k:1 ");
	HAS_STR(seen, ":300 ");
}

static bool has_version_grown(void)
{
	static uint64_t last;
	uint64_t now = sfs_files_keys_version(files_of());
	bool grown = now > last;

	last = now;
	return grown;
}

static void the_version_of_keys_grows_with_each_change(void)
{
	struct sfs_staged_file *f;

	OK(has_version_grown());
	f = open_staged(KEYS, "k", O_CREAT | O_RDWR);
	OK(has_version_grown());
	IS_INT(append(f, "x"), SFS_OK);
	OK(has_version_grown());
	IS_INT(sfs_staged_truncate(f, 0, &err), SFS_OK);
	OK(has_version_grown());
	sfs_staged_close(f);
	IS_STR(get_file(KEYS, "k"), "");
	IS_INT(put_file(INGEST, "f", "x"), SFS_OK);
	IS_INT(put_file(TOP, "tag", "x"), SFS_OK);
	OK(!has_version_grown());
	IS_INT(rename_file(KEYS, "k", KEYS, "l", 0), SFS_OK);
	OK(has_version_grown());
	IS_INT(sfs_build_unlink(b, KEYS, "l", &err), SFS_OK);
	OK(has_version_grown());
	IS_INT(remove_key(b, "k", &err), SFS_OK);
	OK(has_version_grown());
}

static void the_intent_is_kept(void)
{
	struct sfs_buf text = SFS_BUF_INIT(100);
	bool found;

	IS_INT(sfs_files_load_intent(files_of(), &text, &found, &err), SFS_OK);
	OK(!found);
	IS_INT(sfs_files_save_intent(files_of(), "one", &err), SFS_OK);
	IS_INT(sfs_files_save_intent(files_of(), "two", &err), SFS_OK);
	stage_again();
	IS_INT(sfs_files_load_intent(files_of(), &text, &found, &err), SFS_OK);
	OK(found);
	IS_STR(text.data, "two");
	text.max = 2;
	IS_INT(sfs_files_load_intent(files_of(), &text, &found, &err),
	       SFS_E_TOO_BIG);
	sfs_buf_release(&text);
	OK(sfs_files_runs_fd(files_of()) >= 0);
}

int main(void)
{
	RUN_STAGED(ingest_files_rank_by_creation_and_truncation);
	RUN_STAGED(the_engine_is_told_what_happens);
	RUN_STAGED(close_tells_of_bad_records);
	RUN_STAGED(renaming_keeps_or_renews_the_rank);
	RUN_STAGED(exchanged_ingest_files_keep_their_ranks);
	RUN_STAGED(a_file_of_a_dead_writer_is_incomplete);
	RUN_STAGED(truncating_or_removing_mends_it_too);
	RUN_STAGED(what_a_crash_left_is_put_right);
	RUN_STAGED(walks_show_what_counts);
	RUN_STAGED(removed_keys_stay_removed);
	RUN_STAGED(the_version_of_keys_grows_with_each_change);
	RUN_STAGED(the_intent_is_kept);
	return tap_done();
}
