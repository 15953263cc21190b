/* SPDX-License-Identifier: Apache-2.0 */
/* Staged files behave as files do; the rules of the three directories. */
#include "unit/stage.h"

static char name_300[301];
static char name_4095[4096];

static void a_file_is_written_read_and_listed(void)
{
	struct stat st;

	IS_INT(put_file(KEYS, "alice", "one"), SFS_OK);
	IS_STR(get_file(KEYS, "alice"), "one");
	IS_INT(put_file(KEYS, "alice", "zwei!"), SFS_OK);
	IS_STR(get_file(KEYS, "alice"), "zwei!");
	IS_INT(sfs_build_stat(b, KEYS, "alice", &st, &err), SFS_OK);
	IS_INT(st.st_size, 5);
	IS_INT(st.st_mode & 07777, 0644);
	IS_INT(put_file(KEYS, "Zoe", ""), SFS_OK);
	IS_STR(list_dir(KEYS), "Zoe alice ");
	IS_INT(sfs_build_stat(b, KEYS, "bob", &st, &err), SFS_E_NOT_FOUND);
	IS_STR(list_dir(TOP), "config.yaml ");
	IS_STR(list_dir(INGEST), "");
}

static void open_heeds_its_flags(void)
{
	struct sfs_staged_file *f;

	IS_INT(try_open(KEYS, "k", O_RDWR), SFS_E_NOT_FOUND);
	IS_INT(try_open(KEYS, "k", O_RDWR | O_CREAT | O_EXCL), SFS_OK);
	IS_INT(try_open(KEYS, "k", O_RDWR | O_CREAT | O_EXCL), SFS_E_EXISTS);
	IS_INT(try_open(KEYS, "k", O_RDWR | O_CREAT), SFS_OK);
	IS_INT(try_open(INGEST, "i.csv", O_RDWR | O_CREAT | O_EXCL), SFS_OK);
	IS_INT(try_open(INGEST, "i.csv", O_RDWR | O_CREAT | O_EXCL),
	       SFS_E_EXISTS);
	f = open_staged(KEYS, "k", O_RDONLY);
	IS_INT(append(f, "x"), SFS_E_INVALID);
	sfs_staged_close(f);
	IS_INT(try_open(KEYS, "a/b", O_RDWR | O_CREAT), SFS_E_INVALID);
	IS_INT(try_open(KEYS, "..", O_RDWR | O_CREAT), SFS_E_INVALID);
	IS_INT(try_open(KEYS, "", O_RDWR | O_CREAT), SFS_E_INVALID);
}

static void writes_go_anywhere_and_truncate_cuts(void)
{
	struct sfs_staged_file *f = open_staged(KEYS, "k", O_CREAT | O_RDWR);
	struct stat st;

	IS_INT(sfs_staged_write(f, 3, false, "def", 3, &err), SFS_OK);
	IS_INT(sfs_staged_write(f, 0, false, "abc", 3, &err), SFS_OK);
	IS_STR(read_open(f), "abcdef");
	IS_INT(append(f, "g"), SFS_OK);
	IS_INT(sfs_staged_truncate(f, 2, &err), SFS_OK);
	IS_STR(read_open(f), "ab");
	IS_INT(sfs_staged_allocate(f, 0, 0, 10, &err), SFS_OK);
	IS_INT(sfs_staged_stat(f, &st, &err), SFS_OK);
	IS_INT(st.st_size, 10);
	IS_INT(sfs_staged_write(f, INT64_MAX, false, "x", 1, &err),
	       SFS_E_TOO_BIG);
	sfs_staged_close(f);
	IS_INT(sfs_build_truncate(b, KEYS, "k", 1, &err), SFS_OK);
	IS_STR(get_file(KEYS, "k"), "a");
}

static void an_unlinked_file_lives_as_long_as_it_is_open(void)
{
	struct sfs_staged_file *f = open_staged(KEYS, "k", O_CREAT | O_RDWR);
	struct stat st;

	IS_INT(append(f, "old"), SFS_OK);
	IS_INT(sfs_build_unlink(b, KEYS, "k", &err), SFS_OK);
	IS_INT(sfs_build_unlink(b, KEYS, "k", &err), SFS_E_NOT_FOUND);
	IS_INT(put_file(KEYS, "k", "new"), SFS_OK);
	IS_INT(append(f, "er"), SFS_OK);
	IS_STR(read_open(f), "older");
	IS_INT(sfs_staged_sync(f, false, &err), SFS_OK);
	IS_INT(sfs_staged_stat(f, &st, &err), SFS_OK);
	IS_INT(st.st_nlink, 0);
	sfs_staged_close(f);
	IS_STR(get_file(KEYS, "k"), "new");
}

static void a_renamed_file_goes_on_under_its_new_name(void)
{
	struct sfs_staged_file *f = open_staged(KEYS, "a", O_CREAT | O_RDWR);

	IS_INT(append(f, "1"), SFS_OK);
	IS_INT(put_file(KEYS, "b", "victim"), SFS_OK);
	IS_INT(rename_file(KEYS, "a", KEYS, "b", RENAME_NOREPLACE),
	       SFS_E_EXISTS);
	IS_INT(rename_file(KEYS, "a", KEYS, "b", 0), SFS_OK);
	IS_INT(append(f, "2"), SFS_OK);
	IS_STR(get_file(KEYS, "b"), "12");
	IS_STR(list_dir(KEYS), "b ");
	IS_INT(rename_file(KEYS, "a", KEYS, "c", 0), SFS_E_NOT_FOUND);
	IS_INT(rename_file(KEYS, "b", KEYS, "b", 0), SFS_OK);
	IS_INT(rename_file(KEYS, "b", KEYS, "b", RENAME_NOREPLACE),
	       SFS_E_EXISTS);
	IS_INT(rename_file(KEYS, "b", KEYS, "c", 4), SFS_E_INVALID);
	sfs_staged_close(f);
}

static void two_names_change_places(void)
{
	struct sfs_staged_file *f;

	IS_INT(put_file(KEYS, "a", "A"), SFS_OK);
	IS_INT(put_file(KEYS, name_300, "L"), SFS_OK);
	f = open_staged(KEYS, "a", O_RDWR);
	IS_INT(rename_file(KEYS, "a", KEYS, name_300, RENAME_EXCHANGE), SFS_OK);
	IS_STR(get_file(KEYS, "a"), "L");
	IS_INT(append(f, "!"), SFS_OK);
	IS_STR(get_file(KEYS, name_300), "A!");
	IS_INT(rename_file(KEYS, "a", KEYS, "none", RENAME_EXCHANGE),
	       SFS_E_NOT_FOUND);
	sfs_staged_close(f);
}

static void long_names_are_names_as_any(void)
{
	struct stat st;

	IS_INT(put_file(KEYS, name_300, "300"), SFS_OK);
	IS_INT(put_file(KEYS, name_4095, "4095"), SFS_OK);
	IS_STR(get_file(KEYS, name_4095), "4095");
	IS_INT(sfs_build_stat(b, KEYS, name_300, &st, &err), SFS_OK);
	OK(strstr(list_dir(KEYS), name_300) != NULL);
	stage_again();
	OK(strstr(list_dir(KEYS), name_4095) != NULL);
	IS_STR(get_file(KEYS, name_300), "300");
	IS_INT(rename_file(KEYS, name_300, KEYS, "short", RENAME_NOREPLACE),
	       SFS_OK);
	IS_STR(get_file(KEYS, "short"), "300");
	IS_INT(rename_file(KEYS, name_4095, KEYS, name_300, 0), SFS_OK);
	IS_STR(get_file(KEYS, name_300), "4095");
	IS_STR(get_file(KEYS, name_4095), "not_found");
	IS_INT(put_file(INGEST, name_300, "{}"), SFS_OK);
	IS_INT(put_file(TOP, name_300, "x"), SFS_OK);
	stage_again();
	IS_STR(get_file(INGEST, name_300), "{}");
	IS_INT(sfs_build_unlink(b, INGEST, name_300, &err), SFS_OK);
	IS_INT(sfs_build_unlink(b, KEYS, name_300, &err), SFS_OK);
	IS_INT(sfs_build_unlink(b, KEYS, "short", &err), SFS_OK);
	IS_INT(sfs_build_rmdir(b, KEYS, &err), SFS_OK);
	IS_INT(sfs_build_rmdir(b, INGEST, &err), SFS_OK);
}

static void names_that_look_like_ours_are_the_users(void)
{
	static const char *const names[] = { ".long-x", ".name-x", ".tmp-x",
		                             ".lost-x" };

	for (size_t i = 0; i < 4; i++) {
		IS_INT(put_file(KEYS, names[i], names[i]), SFS_OK);
		IS_INT(put_file(INGEST, names[i], names[i]), SFS_OK);
	}
	stage_again();
	IS_STR(list_dir(KEYS), ".long-x .lost-x .name-x .tmp-x ");
	IS_STR(list_dir(INGEST), ".long-x .lost-x .name-x .tmp-x ");
	IS_STR(get_file(KEYS, ".tmp-x"), ".tmp-x");
	IS_STR(get_file(INGEST, ".name-x"), ".name-x");
}

static void a_key_has_one_name_and_scratch_has_any(void)
{
	IS_INT(try_open(KEYS, "%41", O_CREAT | O_RDWR), SFS_E_INVALID);
	HAS_STR(err.msg, "write it as A");
	IS_INT(try_open(KEYS, "%2f", O_CREAT | O_RDWR), SFS_E_INVALID);
	HAS_STR(err.msg, "%2F");
	IS_INT(try_open(KEYS, "%zz", O_CREAT | O_RDWR), SFS_OK);
	IS_INT(try_open(KEYS, ".%41", O_CREAT | O_RDWR), SFS_OK);
	IS_INT(try_open(INGEST, "%41", O_CREAT | O_RDWR), SFS_OK);
	IS_INT(rename_file(KEYS, ".%41", KEYS, "%41", 0), SFS_E_INVALID);
	IS_INT(put_file(TOP, "config.yaml", "key_encoding: u64be\n"), SFS_OK);
	IS_INT(sfs_build_encoding(b), SFS_KEY_U64BE);
	IS_INT(try_open(KEYS, "%41", O_CREAT | O_RDWR), SFS_OK);
	IS_INT(try_open(KEYS, "007", O_CREAT | O_RDWR), SFS_OK);
}

static void a_value_has_a_largest_size(void)
{
	struct sfs_staged_file *f = open_staged(KEYS, "k", O_CREAT | O_RDWR);

	IS_INT(sfs_staged_write(f, (1 << 20) - 1, false, "x", 1, &err), SFS_OK);
	IS_INT(append(f, "y"), SFS_E_TOO_BIG);
	HAS_STR(err.msg, "value_max");
	IS_INT(sfs_staged_truncate(f, (1 << 20) + 1, &err), SFS_E_TOO_BIG);
	IS_INT(sfs_staged_allocate(f, 0, 1 << 20, 1, &err), SFS_E_TOO_BIG);
	sfs_staged_close(f);
	f = open_staged(INGEST, "f.kv", O_CREAT | O_RDWR);
	IS_INT(sfs_staged_truncate(f, 2 << 20, &err), SFS_OK);
	sfs_staged_close(f);
	IS_INT(rename_file(INGEST, "f.kv", KEYS, "big", 0), SFS_E_TOO_BIG);
	IS_INT(rename_file(INGEST, "f.kv", KEYS, "k", RENAME_EXCHANGE),
	       SFS_E_TOO_BIG);
}

static void modes_and_times_are_kept(void)
{
	const struct timespec times[2] = { { 1000, 5 }, { 2000, 7 } };
	struct sfs_staged_file *f = NULL;
	struct stat st;

	IS_INT(put_file(KEYS, "k", "x"), SFS_OK);
	IS_INT(sfs_build_chmod(b, KEYS, "k", 0400, &err), SFS_OK);
	IS_INT(sfs_build_utimens(b, KEYS, "k", times, &err), SFS_OK);
	IS_INT(sfs_build_stat(b, KEYS, "k", &st, &err), SFS_OK);
	IS_INT(st.st_mode & 07777, 0400);
	IS_INT(st.st_mtim.tv_sec, 2000);
	IS_INT(st.st_mtim.tv_nsec, 7);
	IS_INT(try_open(KEYS, "k", O_RDWR), SFS_OK);
	IS_INT(sfs_build_stat(b, KEYS, "k", &st, &err), SFS_OK);
	IS_INT(st.st_mode & 07777, 0400);
	IS_INT(sfs_build_open(b, KEYS, "m", O_CREAT | O_WRONLY, 0466, &f, &err),
	       SFS_OK);
	IS_INT(sfs_staged_stat(f, &st, &err), SFS_OK);
	IS_INT(st.st_mode & 07777, 0466);
	sfs_staged_close(f);
	IS_INT(sfs_build_chmod(b, INGEST, "none", 0400, &err), SFS_E_NOT_FOUND);
}

static void directories_come_and_go(void)
{
	struct stat st;

	OK(sfs_build_has_dir(b, KEYS));
	IS_INT(put_file(KEYS, "k", "x"), SFS_OK);
	IS_INT(sfs_build_rmdir(b, KEYS, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "not empty");
	IS_INT(sfs_build_unlink(b, KEYS, "k", &err), SFS_OK);
	IS_INT(sfs_build_rmdir(b, KEYS, &err), SFS_OK);
	IS_INT(sfs_build_rmdir(b, KEYS, &err), SFS_E_NOT_FOUND);
	OK(!sfs_build_has_dir(b, KEYS));
	IS_INT(sfs_build_dir_stat(b, KEYS, &st, &err), SFS_E_NOT_FOUND);
	IS_INT(try_open(KEYS, "k", O_CREAT | O_RDWR), SFS_E_NOT_FOUND);
	IS_INT(put_file(INGEST, "f", "x"), SFS_OK);
	IS_INT(sfs_build_rmdir(b, INGEST, &err), SFS_E_INVALID);
	stage_again();
	OK(!sfs_build_has_dir(b, KEYS));
	IS_INT(sfs_build_mkdir(b, KEYS, &err), SFS_OK);
	IS_INT(sfs_build_mkdir(b, KEYS, &err), SFS_E_EXISTS);
	IS_INT(put_file(KEYS, "k", "x"), SFS_OK);
	IS_INT(sfs_build_dir_stat(b, KEYS, &st, &err), SFS_OK);
	OK(S_ISDIR(st.st_mode));
}

static void files_move_between_the_directories(void)
{
	struct sfs_staged_file *f = open_staged(KEYS, "k", O_CREAT | O_RDWR);

	IS_INT(append(f, "{}\n"), SFS_OK);
	IS_INT(rename_file(KEYS, "k", INGEST, "f.jsonl", 0), SFS_OK);
	HAS_STR(fake_told(), "listed");
	IS_INT(append(f, "[]\n"), SFS_OK);
	IS_STR(fake_told(), "grew 1 6\n");
	IS_STR(get_file(INGEST, "f.jsonl"), "{}\n[]\n");
	IS_INT(rename_file(INGEST, "f.jsonl", TOP, "message", 0), SFS_OK);
	sfs_staged_close(f);
	IS_STR(list_dir(INGEST), "");
	IS_STR(get_file(TOP, "message"), "{}\n[]\n");
	IS_INT(put_file(INGEST, "g.jsonl", "g"), SFS_OK);
	IS_INT(rename_file(TOP, "message", INGEST, "g.jsonl", RENAME_EXCHANGE),
	       SFS_OK);
	IS_STR(get_file(TOP, "message"), "g");
	IS_STR(get_file(INGEST, "g.jsonl"), "{}\n[]\n");
}

struct appender {
	pthread_t thread;
	struct sfs_staged_file *f;
	char text[64];
};

static void *append_often(void *arg)
{
	struct appender *a = arg;
	struct sfs_err local;

	for (int i = 0; i < 200; i++) {
		if (sfs_staged_write(a->f, 0, true, a->text, sizeof(a->text),
		                     &local) != SFS_OK)
			a->text[0] = '!';
	}
	return NULL;
}

static void appends_of_several_do_not_mix(void)
{
	static char text[4 * 200 * 64];
	struct appender a[4];
	size_t got = 0;
	bool is_mixed = false;

	for (int i = 0; i < 4; i++) {
		a[i].f = open_staged(INGEST, "f", O_CREAT | O_RDWR | O_APPEND);
		memset(a[i].text, 'a' + i, sizeof(a[i].text));
		OK(pthread_create(&a[i].thread, NULL, append_often, &a[i]) ==
		   0);
	}
	for (int i = 0; i < 4; i++) {
		(void)pthread_join(a[i].thread, NULL);
		OK(a[i].text[0] == 'a' + i);
	}
	IS_INT(sfs_staged_read(a[0].f, 0, text, sizeof(text), &got, &err),
	       SFS_OK);
	IS_INT(got, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		is_mixed = is_mixed || text[i] != text[i - i % 64];
	OK(!is_mixed);
	for (int i = 0; i < 4; i++)
		sfs_staged_close(a[i].f);
}

static void many_open_files_are_told_apart(void)
{
	static struct sfs_staged_file *f[300];
	char name[16];
	int wrong = 0;

	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "k%d", i);
		f[i] = open_staged(KEYS, name, O_CREAT | O_RDWR);
		wrong += append(f[i], name) != SFS_OK;
	}
	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "k%d", i);
		wrong += strcmp(get_file(KEYS, name), name) != 0;
		sfs_staged_close(f[i]);
	}
	IS_INT(wrong, 0);
}

int main(void)
{
	memset(name_300, 'n', 300);
	memset(name_4095, 'N', 4095);
	RUN_STAGED(a_file_is_written_read_and_listed);
	RUN_STAGED(open_heeds_its_flags);
	RUN_STAGED(writes_go_anywhere_and_truncate_cuts);
	RUN_STAGED(an_unlinked_file_lives_as_long_as_it_is_open);
	RUN_STAGED(a_renamed_file_goes_on_under_its_new_name);
	RUN_STAGED(two_names_change_places);
	RUN_STAGED(long_names_are_names_as_any);
	RUN_STAGED(names_that_look_like_ours_are_the_users);
	RUN_STAGED(a_key_has_one_name_and_scratch_has_any);
	RUN_STAGED(a_value_has_a_largest_size);
	RUN_STAGED(modes_and_times_are_kept);
	RUN_STAGED(directories_come_and_go);
	RUN_STAGED(files_move_between_the_directories);
	RUN_STAGED(appends_of_several_do_not_mix);
	RUN_STAGED(many_open_files_are_told_apart);
	return tap_done();
}
