/* SPDX-License-Identifier: Apache-2.0 */
/* Staging areas: who owns which build, what survives, what goes. */
#include "unit/stage.h"

#include <sys/resource.h>

static struct sfs_build *begin(const char *name)
{
	struct sfs_build *made = NULL;

	if (sfs_area_begin(area, name, &made, NULL, &err) != SFS_OK)
		TAP_FAIL("begin %s: %s", name, err.msg);
	return made;
}

static bool join_name(void *arg, const char *name)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 256 - strlen(text), "%s ", name);
	return strcmp(name, "stop") != 0;
}

static const char *builds(void)
{
	static char text[256];

	text[0] = '\0';
	sfs_area_list(area, join_name, text);
	return text;
}

/* What lies in the area but builds and the guard. */
static int leftovers(void)
{
	struct sfs_build_names names = { NULL, 0 };
	char command[400];
	int count = 0;
	FILE *f;

	(void)names;
	(void)snprintf(command, sizeof(command),
	               "ls -A '%s' | grep -c '^\\.[nd]'", area_dir);
	f = popen(command, "r");
	if (f == NULL || fscanf(f, "%d", &count) != 1)
		count = -1;
	if (f != NULL)
		(void)pclose(f);
	return count;
}

static void builds_have_names(void)
{
	struct sfs_build *other = NULL;
	char name[257];

	IS_INT(sfs_area_begin(area, "job", &other, NULL, &err), SFS_E_EXISTS);
	IS_INT(sfs_area_begin(area, ".job", &other, NULL, &err), SFS_E_INVALID);
	IS_INT(sfs_area_begin(area, "a/b", &other, NULL, &err), SFS_E_INVALID);
	IS_INT(sfs_area_begin(area, "", &other, NULL, &err), SFS_E_INVALID);
	memset(name, 'x', 256);
	name[256] = '\0';
	IS_INT(sfs_area_begin(area, name, &other, NULL, &err),
	       SFS_E_NAME_TOO_LONG);
	name[255] = '\0';
	sfs_build_unref(begin(name));
	sfs_build_unref(begin("a b"));
	IS_INT(strncmp(builds(), "a b job xxx", 11), 0);
	other = sfs_area_find(area, name);
	OK(other != NULL);
	IS_INT(sfs_area_discard(area, other, true, &err), SFS_OK);
	sfs_build_unref(other);
	OK(sfs_area_find(area, name) == NULL);
	write_on_disk("file", "");
	IS_INT(sfs_area_begin(area, "file", &other, NULL, &err), SFS_E_EXISTS);
	IS_STR(builds(), "a b job ");
	IS_INT(leftovers(), 0);
}

static void a_build_survives_the_end_of_its_owner(void)
{
	uint64_t number = sfs_build_number(b);

	IS_INT(put_file(KEYS, "k", "value"), SFS_OK);
	IS_INT(put_file(TOP, "config.yaml", "num_dbs: 7\n"), SFS_OK);
	stage_again();
	OK(b != NULL);
	IS_STR(get_file(KEYS, "k"), "value");
	IS_INT(fake.config.num_dbs, 7);
	IS_INT(fake.config.key_encoding, SFS_KEY_UTF8);
	OK(sfs_build_number(b) > number);
	IS_STR(sfs_build_name(b), "job");
}

static void without_adoption_the_dead_are_left_alone(void)
{
	struct sfs_build *other = NULL;

	area_config.adopt = false;
	stage_again();
	OK(b == NULL);
	IS_INT(sfs_area_begin(area, "job", &other, NULL, &err), SFS_E_EXISTS);
	HAS_STR(err.msg, "nobody works on");
	OK(is_on_disk("job/keys"));
}

/* The others stay for whoever wants them. */
static void one_build_can_be_adopted_alone(void)
{
	struct sfs_area *second = NULL;
	struct sfs_build *other;
	struct sfs_build *mine;

	sfs_build_unref(begin("other"));
	area_config.adopt = false;
	stage_again();
	IS_INT(sfs_area_adopt(area, "job", &mine, &err), SFS_OK);
	IS_STR(builds(), "job ");
	IS_STR(sfs_build_name(mine), "job");
	IS_INT(sfs_area_open(&area_config, &second, &err), SFS_OK);
	IS_INT(sfs_area_adopt(second, "job", &other, &err), SFS_E_BUSY);
	OK(other == NULL);
	IS_INT(sfs_area_adopt(second, "other", &other, &err), SFS_OK);
	sfs_build_unref(other);
	sfs_area_close(second);
	IS_INT(sfs_area_adopt(area, "job", &other, &err), SFS_E_EXISTS);
	IS_INT(sfs_area_adopt(area, "nosuch", &other, &err), SFS_E_NOT_FOUND);
	IS_INT(sfs_area_adopt(area, "../area/other", &other, &err),
	       SFS_E_INVALID);
	sfs_build_unref(mine);
}

/* A process that owns "job" until it is killed. */
static pid_t start_owner(void)
{
	char byte = 'x';
	int ready[2];
	pid_t pid;

	if (pipe(ready) != 0)
		return -1;
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		stage_open();
		b = sfs_area_find(area, "job");
		if (b != NULL && write(ready[1], &byte, 1) == 1)
			(void)pause();
		_exit(1);
	}
	(void)close(ready[1]);
	IS_INT(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static void two_processes_share_an_area(void)
{
	struct sfs_build *made = NULL;
	char text[32];
	pid_t pid;

	stage_close();
	pid = start_owner();
	stage_open();
	IS_STR(builds(), "");
	IS_INT(sfs_area_begin(area, "job", &made, NULL, &err), SFS_E_BUSY);
	(void)snprintf(text, sizeof(text), "process %ld ", (long)pid);
	HAS_STR(err.msg, text);
	b = begin("mine");
	IS_STR(builds(), "mine ");
	OK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	IS_INT(sfs_area_begin(area, "job", &made, NULL, &err), SFS_E_EXISTS);
	stage_again();
	IS_STR(builds(), "job mine ");
}

/* Two areas in one process are strangers to each other as well. */
static void two_areas_exclude_each_other(void)
{
	struct sfs_area *second = NULL;
	struct sfs_build *made = NULL;

	IS_INT(sfs_area_open(&area_config, &second, &err), SFS_OK);
	OK(sfs_area_find(second, "job") == NULL);
	IS_INT(sfs_area_begin(second, "job", &made, NULL, &err), SFS_E_BUSY);
	sfs_area_close(second);
}

static void a_killed_owner_is_succeeded(void)
{
	int status = 0;
	pid_t pid;

	stage_close();
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		stage_open();
		b = begin("child");
		if (put_file(KEYS, "k", "synced") == SFS_OK)
			(void)kill(getpid(), SIGKILL);
		_exit(1);
	}
	OK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	stage_open();
	IS_STR(builds(), "child job ");
	b = sfs_area_find(area, "child");
	IS_STR(get_file(KEYS, "k"), "synced");
}

static void half_made_and_done_ones_are_swept(void)
{
	stage_close();
	(void)mkdir(disk_path(".new-half"), 0700);
	(void)mkdir(disk_path(".done-it"), 0700);
	(void)mkdir(disk_path(".done-it/keys"), 0700);
	write_on_disk(".done-it/keys/k", "x");
	(void)mkdir(disk_path("broken"), 0700);
	write_on_disk("plain", "x");
	stage_open();
	b = sfs_area_find(area, "broken");
	OK(b != NULL);
	OK(!sfs_build_has_dir(b, KEYS));
	IS_STR(get_file(TOP, "message"), "not_found");
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_E_CORRUPT);
	HAS_STR(err.msg, "config.yaml is missing");
	IS_INT(sfs_area_discard(area, b, false, &err), SFS_OK);
	sfs_build_unref(b);
	b = NULL;
	sfs_area_close(area); /* the sweep has begun; the next one ends it */
	stage_open();
	for (int i = 0; i < 2000 && leftovers() > 0; i++)
		(void)usleep(1000);
	IS_INT(leftovers(), 0);
	OK(is_on_disk("plain"));
}

static void discarding_takes_everything_away(void)
{
	struct sfs_staged_file *f;

	IS_INT(put_file(KEYS, "k", "x"), SFS_OK);
	IS_INT(sfs_area_discard(area, b, false, &err), SFS_E_INVALID);
	HAS_STR(err.msg, "not empty");
	IS_INT(put_file(KEYS, "k", "y"), SFS_OK);
	f = open_staged(KEYS, "k", O_RDWR);
	fake.discard_rc = SFS_E_TRANSIENT;
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_OK);
	IS_INT(fake.discarded, 1);
	OK(!is_on_disk("job"));
	IS_INT(leftovers(), 0);
	IS_INT(sfs_area_discard(area, b, true, &err), SFS_E_STALE);
	IS_INT(append(f, "z"), SFS_E_STALE);
	IS_STR(read_open(f), "y");
	IS_INT(sfs_staged_flush(f, NULL, &err), SFS_OK);
	sfs_staged_close(f);
	IS_STR(get_file(KEYS, "k"), "stale");
	IS_STR(list_dir(KEYS), "stale");
	sfs_build_unref(b);
	b = begin("job");
	IS_STR(list_dir(KEYS), "");
}

/* As rm -r does it. */
static void removing_all_that_is_seen_empties_a_build(void)
{
	IS_INT(put_file(INGEST, "f", "x"), SFS_OK);
	IS_INT(remove_key(b, "k", &err), SFS_OK);
	IS_INT(sfs_build_unlink(b, INGEST, "f", &err), SFS_OK);
	IS_INT(sfs_build_unlink(b, TOP, "config.yaml", &err), SFS_OK);
	IS_INT(sfs_build_rmdir(b, INGEST, &err), SFS_OK);
	IS_INT(sfs_build_rmdir(b, KEYS, &err), SFS_OK);
	IS_INT(sfs_area_discard(area, b, false, &err), SFS_OK);
	OK(!is_on_disk("job"));
}

/* --- publishing ------------------------------------------------------------------ */

static struct sfs_staged_file *during_file;
static enum sfs_rc during_rc[5];

static void meddle(void)
{
	struct sfs_snapshot_id id;
	struct sfs_err local;

	during_rc[0] = append(during_file, "late");
	during_rc[1] = sfs_build_unlink(b, KEYS, "k", &local);
	during_rc[2] = sfs_build_publish(b, &id, NULL, &local);
	during_rc[3] = sfs_area_discard(area, b, true, &local);
	during_rc[4] = sfs_staged_sync(during_file, false, &local);
}

static void a_build_is_frozen_while_it_is_published(void)
{
	struct sfs_snapshot_id id;

	during_file = open_staged(KEYS, "k", O_CREAT | O_RDWR);
	IS_INT(append(during_file, "x"), SFS_OK);
	fake.during = meddle;
	fake.publish_rc = SFS_E_STALE;
	IS_INT(sfs_build_publish(b, &id, NULL, &err), SFS_E_STALE);
	for (int i = 0; i < 4; i++)
		IS_INT(during_rc[i], SFS_E_BUSY);
	IS_INT(during_rc[4], SFS_OK);
	IS_INT(append(during_file, "y"), SFS_OK);
	IS_STR(get_file(KEYS, "k"), "xy");
	fake.during = NULL;
	fake.publish_rc = SFS_OK;
	IS_INT(sfs_build_publish(b, &id, NULL, &err), SFS_OK);
	IS_INT(append(during_file, "z"), SFS_E_STALE);
	IS_STR(read_open(during_file), "xy");
	IS_INT(sfs_staged_flush(during_file, NULL, &err), SFS_OK);
	sfs_staged_close(during_file);
	OK(sfs_area_find(area, "job") == NULL);
	OK(!is_on_disk("job"));
	IS_INT(sfs_build_publish(b, &id, NULL, &err), SFS_E_STALE);
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_E_STALE);
	sfs_build_unref(b);
	b = begin("job"); /* the name is free at once */
	for (int i = 0; i < 2000 && leftovers() > 0; i++)
		(void)usleep(1000);
	IS_INT(leftovers(), 0);
}

static void write_on(void)
{
	during_rc[0] = append(during_file, "late");
}

static void writing_goes_on_while_it_settles(void)
{
	during_file = open_staged(KEYS, "k", O_CREAT | O_RDWR);
	fake.during = write_on;
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_OK);
	IS_INT(during_rc[0], SFS_OK);
	sfs_staged_close(during_file);
	fake.during = NULL;
	fake.settle_rc = SFS_E_NO_SPACE;
	IS_INT(sfs_build_settle(b, NULL, &err), SFS_E_NO_SPACE);
}

static void a_publish_that_succeeded_before_a_crash_is_not_repeated(void)
{
	stage_close();
	fake.is_published = true;
	stage_open();
	OK(sfs_area_find(area, "job") == NULL);
	OK(!is_on_disk("job"));
}

static void a_store_that_cannot_be_asked_keeps_the_build(void)
{
	stage_close();
	fake.recover_rc = SFS_E_TRANSIENT;
	stage_open();
	b = sfs_area_find(area, "job");
	OK(b != NULL);
}

/* --- looking ---------------------------------------------------------------------- */

static char scanned[512];

static bool note_entry(void *arg, const struct sfs_area_entry *e)
{
	(void)arg;
	(void)snprintf(scanned + strlen(scanned),
	               sizeof(scanned) - strlen(scanned), "%s %s %s %s; ",
	               e->name, e->pid == getpid() ? "mine" : "nobody's",
	               e->files > 3 && e->bytes > 100 && e->modified_ns > 0
	                       ? "filled"
	                       : "empty",
	               e->run_id);
	return true;
}

static void a_scan_shows_the_living_and_the_dead(void)
{
	char other[320];

	write_on_disk("job/intent", "run_id: \"r-1\"\nstep: \"swap\"\n");
	IS_INT(sfs_area_scan(area_dir, note_entry, NULL, &err), SFS_OK);
	IS_STR(scanned, "job mine filled r-1; ");
	stage_close();
	scanned[0] = '\0';
	IS_INT(sfs_area_scan(area_dir, note_entry, NULL, &err), SFS_OK);
	IS_STR(scanned, "job nobody's filled r-1; ");
	scanned[0] = '\0';
	(void)snprintf(other, sizeof(other), "%s/none", area_dir);
	IS_INT(sfs_area_scan(other, note_entry, NULL, &err), SFS_OK);
	IS_STR(scanned, "");
	stage_open();
}

static void the_default_directory_follows_from_the_store(void)
{
	char one[512];
	char two[512];

	IS_INT(sfs_area_default_dir("file:///a", one, sizeof(one), &err),
	       SFS_OK);
	IS_INT(sfs_area_default_dir("file:///b", two, sizeof(two), &err),
	       SFS_OK);
	OK(strcmp(one, two) != 0);
	HAS_STR(one, geteuid() == 0 ? "/var/lib/shardyfs/" : "/shardyfs/");
	IS_INT(sfs_area_default_dir("file:///a", one, 20, &err),
	       SFS_E_NAME_TOO_LONG);
}

static void an_area_that_cannot_be_is_refused(void)
{
	struct sfs_area *none = NULL;

	write_on_disk("plain", "");
	area_config.dir = disk_path("plain/sub");
	IS_INT(sfs_area_open(&area_config, &none, &err), SFS_E_NOT_DIR);
	HAS_STR(err.msg, "staging_dir");
	area_config.dir = area_dir;
}

/* --- faults ----------------------------------------------------------------------- */

static enum sfs_rc whole_life(void)
{
	struct sfs_staged_file *f = NULL;
	struct sfs_build_names names;
	enum sfs_rc rc;

	rc = sfs_area_open(&area_config, &area, &err);
	if (rc != SFS_OK)
		return rc;
	b = sfs_area_find(area, "job");
	if (b == NULL)
		rc = sfs_area_begin(area, "job", &b, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_build_open(b, INGEST, "f", O_CREAT | O_RDWR, 0644, &f,
		                    &err);
	if (rc == SFS_OK)
		rc = append(f, "x");
	sfs_staged_close(f);
	if (rc == SFS_OK)
		rc = rename_file(INGEST, "f", KEYS, "k", 0);
	if (rc == SFS_OK)
		rc = sfs_build_list(b, KEYS, &names, &err);
	if (rc == SFS_OK)
		sfs_build_names_release(&names);
	if (rc == SFS_OK)
		rc = sfs_build_settle(b, NULL, &err);
	if (rc == SFS_OK)
		rc = sfs_area_discard(area, b, true, &err);
	return rc;
}

static void without_memory_it_fails_and_nothing_is_lost(void)
{
	unsigned long before = sfs_alloc_fault_count();
	unsigned long faults = 0;
	int wrong = 0;

	stage_close();
	for (unsigned long n = 1; n < 1000; n++) {
		enum sfs_rc rc;

		sfs_alloc_fail_nth(n);
		rc = whole_life();
		sfs_alloc_fail_nth(0);
		stage_close();
		if (sfs_alloc_fault_count() == before + faults)
			break;
		faults++;
		wrong += rc != SFS_E_NO_MEMORY && rc != SFS_OK;
		wrong += fake.engines != 0;
	}
	OK(faults > 20);
	IS_INT(wrong, 0);
	printf("# %lu allocations failed in turn\n", faults);
	IS_INT(whole_life(), SFS_OK);
	stage_close();
	for (int i = 0; i < 2000 && leftovers() > 0; i++)
		(void)usleep(1000);
	stage_open();
}

static void a_full_disk_refuses_and_leaves_no_torn_record(void)
{
	struct rlimit limit;
	struct rlimit old;
	struct sfs_staged_file *f = open_staged(INGEST, "f", O_CREAT | O_RDWR);
	struct stat st;
	static char block[4096];

	(void)signal(SIGXFSZ, SIG_IGN);
	IS_INT(append(f, "first\n"), SFS_OK);
	OK(getrlimit(RLIMIT_FSIZE, &old) == 0);
	limit = old;
	limit.rlim_cur = 1000;
	OK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	(void)fake_told();
	IS_INT(sfs_staged_write(f, 0, true, block, sizeof(block), &err),
	       SFS_E_TOO_BIG);
	IS_STR(fake_told(), "");
	IS_INT(sfs_staged_stat(f, &st, &err), SFS_OK);
	IS_INT(st.st_size, 6);
	OK(setrlimit(RLIMIT_FSIZE, &old) == 0);
	IS_INT(append(f, "second\n"), SFS_OK);
	IS_STR(fake_told(), "grew 1 13\n");
	sfs_staged_close(f);
}

int main(void)
{
	RUN_STAGED(builds_have_names);
	RUN_STAGED(a_build_survives_the_end_of_its_owner);
	RUN_STAGED(without_adoption_the_dead_are_left_alone);
	RUN_STAGED(one_build_can_be_adopted_alone);
	RUN_STAGED(two_processes_share_an_area);
	RUN_STAGED(two_areas_exclude_each_other);
	RUN_STAGED(a_killed_owner_is_succeeded);
	RUN_STAGED(half_made_and_done_ones_are_swept);
	RUN_STAGED(discarding_takes_everything_away);
	RUN_STAGED(removing_all_that_is_seen_empties_a_build);
	RUN_STAGED(a_build_is_frozen_while_it_is_published);
	RUN_STAGED(writing_goes_on_while_it_settles);
	RUN_STAGED(a_publish_that_succeeded_before_a_crash_is_not_repeated);
	RUN_STAGED(a_store_that_cannot_be_asked_keeps_the_build);
	RUN_STAGED(a_scan_shows_the_living_and_the_dead);
	RUN_STAGED(the_default_directory_follows_from_the_store);
	RUN_STAGED(an_area_that_cannot_be_is_refused);
	RUN_STAGED(without_memory_it_fails_and_nothing_is_lost);
	RUN_STAGED(a_full_disk_refuses_and_leaves_no_torn_record);
	return tap_done();
}
