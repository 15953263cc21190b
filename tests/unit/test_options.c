/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options as a user gives them: real argument vectors, environments and
 * configuration files, and what the program then holds or refuses.
 */
#include "unit/tap.h"

#include "base/alloc.h"
#include "config/options.h"

#include <stdlib.h>
#include <unistd.h>

enum { ARGS_MAX = 32 };

static struct sfs_options opts;
static struct sfs_err err;
static char *environment[8];

/* Parses NULL-terminated arguments; what was parsed before is released. */
static enum sfs_rc parse(const char *const *args)
{
	int argc = 0;

	while (args[argc] != NULL)
		argc++;
	sfs_options_release(&opts);
	return sfs_options_parse(argc, (char *const *)args, environment, &opts,
	                         &err);
}

#define PARSE(...) parse((const char *const[]){ "shardyfs", __VA_ARGS__, NULL })
#define HELPER(...)                                                       \
	parse((const char *const[]){ "/sbin/mount.shardyfs", __VA_ARGS__, \
	                             NULL })
#define OPT(text) PARSE("-o", text, "/src", "/mnt")

/* The whole list of faults. */
static const char *faults(void)
{
	return opts.faults.data != NULL ? opts.faults.data : "";
}

static void set_environment(const char *first, const char *second)
{
	environment[0] = (char *)first;
	environment[1] = (char *)second;
	environment[2] = NULL;
}

static char config_path[64];

static const char *with_config(const char *text)
{
	static char option[96];
	FILE *f;
	int fd;

	(void)snprintf(config_path, sizeof(config_path),
	               "/tmp/sfs-test-options-XXXXXX");
	fd = mkstemp(config_path);
	f = fdopen(fd, "w");
	(void)fputs(text, f);
	(void)fclose(f);
	(void)snprintf(option, sizeof(option), "config=%s", config_path);
	return option;
}

static void defaults_are_as_documented(void)
{
	IS_INT(PARSE("/src", "/mnt"), SFS_OK);
	IS_STR(opts.source, "/src");
	IS_STR(opts.mountpoint, "/mnt");
	OK(!opts.read_only && !opts.allow_other && !opts.auto_unmount);
	OK(!opts.nonempty && !opts.foreground && !opts.is_mount_helper);
	OK(opts.recover && opts.listing);
	IS_INT(opts.uid, -1);
	IS_INT(opts.gid, -1);
	IS_INT(opts.umask, -1);
	IS_INT(opts.fmask, -1);
	IS_INT(opts.dmask, -1);
	OK(opts.fsname == NULL && opts.ref == NULL && opts.config == NULL);
	IS_STR(opts.run_prefix, "runs");
	IS_INT(opts.refresh_ms, 30000);
	IS_INT(opts.stop_timeout_ms, 30000);
	IS_INT(opts.mount_wait_ms, 60000);
	IS_INT(opts.op_timeout_ms, 120000);
	IS_INT(opts.threads, 64);
	IS_INT(opts.max_open_shards, 4096);
	IS_INT(opts.notify_fd, -1);
	IS_STR(opts.log, "auto");
	IS_STR(opts.log_level, "info");
	IS_STR(opts.kernel_opts, "");
}

static void every_form_of_one_option_is_equal(void)
{
	IS_INT(OPT("mount_wait=5s"), SFS_OK);
	IS_INT(opts.mount_wait_ms, 5000);
	IS_INT(OPT("mount-wait=5s"), SFS_OK);
	IS_INT(opts.mount_wait_ms, 5000);
	IS_INT(PARSE("--mount-wait=5s", "/src", "/mnt"), SFS_OK);
	IS_INT(opts.mount_wait_ms, 5000);
	IS_INT(PARSE("/src", "/mnt", "--mount_wait=5000ms"), SFS_OK);
	IS_INT(opts.mount_wait_ms, 5000);
	IS_INT(PARSE("/src", "-omount_wait=5", "/mnt"), SFS_OK);
	IS_INT(opts.mount_wait_ms, 5000);
}

static void option_lists_are_repeatable_and_the_last_wins(void)
{
	IS_INT(PARSE("-o", "ro,threads=2", "-o", "threads=3,,", "/src", "/mnt"),
	       SFS_OK);
	OK(opts.read_only);
	IS_INT(opts.threads, 3);
	IS_INT(OPT("ro,rw"), SFS_OK);
	OK(!opts.read_only);
	IS_INT(OPT("rw,ro"), SFS_OK);
	OK(opts.read_only);
}

static void a_comma_in_a_value_is_escaped(void)
{
	IS_INT(OPT("fsname=a\\,b\\\\c\\d=e,ro"), SFS_OK);
	IS_STR(opts.fsname, "a,b\\c\\d=e");
	OK(opts.read_only);
}

static void times_have_units(void)
{
	IS_INT(OPT("refresh=250ms"), SFS_OK);
	IS_INT(opts.refresh_ms, 250);
	IS_INT(OPT("refresh=2m"), SFS_OK);
	IS_INT(opts.refresh_ms, 120000);
	IS_INT(OPT("refresh=3h"), SFS_OK);
	IS_INT(opts.refresh_ms, 10800000);
	IS_INT(OPT("refresh=365d"), SFS_OK);
	IS_INT(opts.refresh_ms, 365 * INT64_C(86400000));
	IS_INT(OPT("refresh=0"), SFS_OK);
	IS_INT(opts.refresh_ms, 0);
	IS_INT(OPT("refresh=366d"), SFS_E_INVALID);
	IS_INT(OPT("refresh=1.5s"), SFS_E_INVALID);
	IS_INT(OPT("refresh=5w"), SFS_E_INVALID);
	IS_INT(OPT("refresh=-1s"), SFS_E_INVALID);
	IS_INT(OPT("refresh=99999999999999d"), SFS_E_INVALID);
	HAS_STR(err.msg, "from 0 to 365d");
}

static void numbers_are_read_whole_and_within_range(void)
{
	IS_INT(OPT("threads=256"), SFS_OK);
	IS_INT(opts.threads, 256);
	IS_INT(OPT("threads=257"), SFS_E_INVALID);
	HAS_STR(err.msg, "threads=257");
	HAS_STR(err.msg, "from 1 to 256");
	IS_INT(OPT("threads=0"), SFS_E_INVALID);
	IS_INT(OPT("threads=8x"), SFS_E_INVALID);
	IS_INT(OPT("threads= 8"), SFS_E_INVALID);
	IS_INT(OPT("threads="), SFS_E_INVALID);
	IS_INT(OPT("threads"), SFS_E_INVALID);
	HAS_STR(err.msg, "needs a value, as in threads=N");
	IS_INT(OPT("uid=4294967294"), SFS_OK);
	IS_INT(opts.uid, INT64_C(4294967294));
	IS_INT(OPT("uid=4294967295"), SFS_E_INVALID);
	IS_INT(OPT("notify_fd=-1"), SFS_OK);
	IS_INT(OPT("notify_fd=-2"), SFS_E_INVALID);
}

static void masks_are_octal(void)
{
	IS_INT(OPT("umask=022,fmask=0133,dmask=777"), SFS_OK);
	IS_INT(opts.umask, 022);
	IS_INT(opts.fmask, 0133);
	IS_INT(opts.dmask, 0777);
	IS_INT(OPT("umask=028"), SFS_E_INVALID);
	HAS_STR(err.msg, "octal");
	IS_INT(OPT("umask=1000"), SFS_E_INVALID);
}

static void booleans_have_many_words(void)
{
	static const char *const yes[] = { "recover", "recover=true",
		                           "recover=yes", "recover=on",
		                           "recover=1" };
	static const char *const no[] = { "listing=false", "listing=no",
		                          "listing=off", "listing=0" };
	size_t i;

	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		IS_INT(PARSE("-o", "recover=no", "-o", yes[i], "/s", "/m"),
		       SFS_OK);
		OK(opts.recover);
	}
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		IS_INT(OPT(no[i]), SFS_OK);
		OK(!opts.listing);
	}
	IS_INT(OPT("rw=false"), SFS_OK);
	OK(opts.read_only);
	IS_INT(OPT("ro=maybe"), SFS_E_INVALID);
	HAS_STR(err.msg, "ro=maybe");
}

static void an_unknown_option_names_the_closest(void)
{
	IS_INT(OPT("thraeds=4"), SFS_E_INVALID);
	HAS_STR(err.msg, "thraeds");
	HAS_STR(err.msg, "did you mean threads?");
	IS_INT(PARSE("--mount-wiat=4", "/src", "/mnt"), SFS_E_INVALID);
	HAS_STR(err.msg, "did you mean mount_wait?");
	IS_INT(OPT("max_open=4"), SFS_E_INVALID);
	HAS_STR(err.msg, "did you mean max_open_shards?");
	IS_INT(OPT("utterly_else"), SFS_E_INVALID);
	OK(strstr(err.msg, "did you mean") == NULL);
	IS_INT(OPT("x"), SFS_E_INVALID);
	IS_INT(PARSE("-x", "/src", "/mnt"), SFS_E_INVALID);
	HAS_STR(err.msg, "-x: no such option");
}

static void all_faults_are_reported_at_once(void)
{
	IS_INT(PARSE("-o", "threads=0,rfresh=3,log=here", "--umask=9", "/src"),
	       SFS_E_INVALID);
	HAS_STR(err.msg, "threads=0");
	HAS_STR(err.msg, "(and 4 more)");
	HAS_STR(faults(), "threads=0");
	HAS_STR(faults(), "rfresh");
	HAS_STR(faults(), "log=here");
	HAS_STR(faults(), "umask=9");
	HAS_STR(faults(), "SOURCE and MOUNTPOINT are needed");
}

static void operands_are_two(void)
{
	IS_INT(PARSE("/src"), SFS_E_INVALID);
	IS_INT(PARSE("/src", ""), SFS_E_INVALID);
	IS_INT(PARSE("/src", "/mnt", "/more"), SFS_E_INVALID);
	HAS_STR(err.msg, "/more: one argument too many");
	IS_INT(PARSE("--", "-src", "--mnt"), SFS_OK);
	IS_STR(opts.source, "-src");
	IS_STR(opts.mountpoint, "--mnt");
	IS_INT(PARSE("/src", "/mnt", "-o"), SFS_E_INVALID);
	HAS_STR(err.msg, "-o: needs an argument");
}

static void help_and_version_win_over_faults(void)
{
	IS_INT(PARSE("--help", "-o", "nonsense"), SFS_OK);
	OK(opts.show_help);
	IS_INT(PARSE("-fh"), SFS_OK);
	OK(opts.show_help);
	IS_INT(PARSE("-V"), SFS_OK);
	OK(opts.show_version);
	IS_INT(PARSE("--version"), SFS_OK);
	OK(opts.show_version);
}

static void short_flags_are_shorthands(void)
{
	IS_INT(PARSE("-f", "/src", "/mnt"), SFS_OK);
	OK(opts.foreground);
	IS_INT(PARSE("-ds", "/src", "/mnt"), SFS_OK);
	OK(opts.foreground);
	IS_STR(opts.log_level, "debug");
	IS_INT(opts.threads, 1);
	IS_INT(PARSE("-foro", "/src", "/mnt"), SFS_OK);
	OK(opts.foreground && opts.read_only);
}

static void the_command_line_beats_environment_beats_file(void)
{
	const char *config = with_config("threads: 5\n"
	                                 "refresh: 5s\n"
	                                 "max-open-shards: 5\n");

	set_environment("SHARDYFS_THREADS=6", "SHARDYFS_REFRESH=6s");
	IS_INT(PARSE("-o", config, "-o", "threads=7", "/src", "/mnt"), SFS_OK);
	IS_INT(opts.threads, 7);
	IS_INT(opts.refresh_ms, 6000);
	IS_INT(opts.max_open_shards, 5);
	IS_STR(opts.config, config_path);
	IS_INT(opts.op_timeout_ms, 120000);
	set_environment(NULL, NULL);
	(void)unlink(config_path);
}

static void two_names_of_a_setting_keep_the_precedence(void)
{
	set_environment("SHARDYFS_RW=yes", NULL);
	IS_INT(OPT("ro"), SFS_OK);
	OK(opts.read_only);
	set_environment("SHARDYFS_RO=yes", NULL);
	IS_INT(PARSE("/src", "/mnt"), SFS_OK);
	OK(opts.read_only);
	set_environment(NULL, NULL);
}

static void the_environment_is_checked_but_may_hold_other_names(void)
{
	set_environment("SHARDYFS_DEBUG_FAULT=x", "SHARDYFS_THREADS=");
	IS_INT(PARSE("/src", "/mnt"), SFS_OK);
	IS_INT(opts.threads, 64);
	set_environment("SHARDYFS_THREADS=many", NULL);
	IS_INT(OPT("threads=3"), SFS_E_INVALID);
	HAS_STR(err.msg, "SHARDYFS_THREADS: threads=many");
	set_environment(NULL, NULL);
}

static void the_file_can_be_named_by_the_environment(void)
{
	char variable[96];

	(void)with_config("ro: yes\nfsname: \"a b\"\n");
	(void)snprintf(variable, sizeof(variable), "SHARDYFS_CONFIG=%s",
	               config_path);
	set_environment(variable, NULL);
	IS_INT(PARSE("/src", "/mnt"), SFS_OK);
	OK(opts.read_only);
	IS_STR(opts.fsname, "a b");
	set_environment(NULL, NULL);
	(void)unlink(config_path);
}

static void faults_of_a_file_have_its_name_and_line(void)
{
	char place[96];

	IS_INT(OPT(with_config("threads: 0\n"
	                       "thraeds: 3\n"
	                       "config: /etc/x\n"
	                       "log: [a, b]\n")),
	       SFS_E_INVALID);
	(void)snprintf(place, sizeof(place), "%s:1: threads=0: must be",
	               config_path);
	HAS_STR(faults(), place);
	(void)snprintf(place, sizeof(place), "%s:2: thraeds: no such option",
	               config_path);
	HAS_STR(faults(), place);
	HAS_STR(faults(), "cannot name another");
	HAS_STR(faults(), "log: must be a single value");
	(void)unlink(config_path);
}

static void a_file_that_cannot_be_read_is_a_fault(void)
{
	IS_INT(OPT("config=/nonexistent/x.yaml"), SFS_E_INVALID);
	HAS_STR(err.msg, "/nonexistent/x.yaml");
	IS_INT(OPT("config=/tmp"), SFS_E_INVALID);
	IS_INT(OPT(with_config("a: b: c\n")), SFS_E_INVALID);
	HAS_STR(err.msg, config_path);
	(void)unlink(config_path);
}

static void kernel_options_are_passed_on(void)
{
	IS_INT(OPT("noexec,nosuid,dev,nodev,ro"), SFS_OK);
	IS_STR(opts.kernel_opts, "nosuid,nodev,noexec");
	OK(opts.read_only);
	IS_INT(OPT("noatime,sync,dirsync"), SFS_OK);
	IS_STR(opts.kernel_opts, "noatime,sync,dirsync");
	IS_INT(OPT("nodev,dev"), SFS_OK);
	IS_STR(opts.kernel_opts, "dev");
}

static void options_of_fstab_are_accepted(void)
{
	IS_INT(OPT("defaults,auto,noauto,user=me,nouser,users,owner,group,"
	           "nofail,_netdev,comment=x,x-systemd.automount,X-mount.mkdir,"
	           "relatime,default_permissions"),
	       SFS_OK);
	IS_STR(opts.kernel_opts, "");
}

static void the_mount_helper_takes_mount8_flags(void)
{
	IS_INT(HELPER("/src", "/mnt", "-sfnv", "-t", "shardyfs", "-o",
	              "ro,bogus=1"),
	       SFS_OK);
	OK(opts.is_mount_helper && opts.fake && opts.is_sloppy);
	OK(opts.is_verbose && opts.read_only && !opts.foreground);
	IS_INT(opts.threads, 64);
	IS_INT(HELPER("/src", "/mnt", "-o", "bogus=1", "-s"), SFS_OK);
	IS_INT(HELPER("/src", "/mnt", "-o", "bogus=1"), SFS_E_INVALID);
	IS_INT(HELPER("/src", "/mnt", "-osync,threads=0"), SFS_E_INVALID);
	OK(!opts.is_sloppy);
	IS_INT(HELPER("/src", "/mnt", "-s", "-o", "threads=0"), SFS_E_INVALID);
	IS_INT(HELPER("/src", "/mnt", "-N", "/proc/1/ns/mnt"), SFS_E_INVALID);
}

static void strings_are_checked(void)
{
	IS_INT(OPT("log=syslog"), SFS_OK);
	IS_INT(OPT("log=/var/log/x"), SFS_OK);
	IS_INT(OPT("log=var/log/x"), SFS_E_INVALID);
	IS_INT(OPT("log_level=all=warn\\,store=debug"), SFS_OK);
	IS_STR(opts.log_level, "all=warn,store=debug");
	IS_INT(OPT("log_level=loud"), SFS_E_INVALID);
	HAS_STR(err.msg, "levels are");
	IS_INT(OPT("run_prefix=a/b"), SFS_OK);
	IS_INT(OPT("run_prefix=../a"), SFS_E_INVALID);
	IS_INT(OPT("run_prefix=a/./b"), SFS_E_INVALID);
	IS_INT(OPT("run_prefix=/a"), SFS_E_INVALID);
	IS_INT(OPT("run_prefix=a/"), SFS_E_INVALID);
	IS_INT(OPT("run_prefix=.a/b.."), SFS_OK);
	IS_INT(OPT("ref=20260102T030405.000006Z-run"), SFS_OK);
	IS_INT(OPT("ref=../x"), SFS_E_INVALID);
	IS_INT(OPT("fsname=a\nb"), SFS_E_INVALID);
	IS_INT(OPT("fsname="), SFS_E_INVALID);
}

static void the_help_names_every_option_in_80_columns(void)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);
	const struct sfs_option *table;
	const char *line;
	char want[64];
	size_t count, i;

	sfs_options_help("shardyfs", &text);
	table = sfs_options_table(&count);
	OK(count > 30);
	for (i = 0; i < count; i++) {
		(void)snprintf(want, sizeof(want), "\n  %s%s%s", table[i].name,
		               table[i].unit != NULL ? "=" : "",
		               table[i].unit != NULL ? table[i].unit : "");
		HAS_STR(text.data, want);
	}
	for (line = text.data; *line != '\0'; line += strcspn(line, "\n") + 1)
		OK(strcspn(line, "\n") < 80);
	sfs_buf_release(&text);
}

static void every_row_can_be_found_and_has_a_valid_default(void)
{
	const struct sfs_option *table;
	size_t count, i;
	int64_t value;

	table = sfs_options_table(&count);
	for (i = 0; i < count; i++) {
		OK(sfs_option_find(table[i].name, strlen(table[i].name)) ==
		   &table[i]);
		OK(table[i].help != NULL ||
		   table[i].group == SFS_OPTION_GROUP_IGNORED);
		if (table[i].fallback == NULL || table[i].unit == NULL ||
		    table[i].type == SFS_OPTION_STRING)
			continue;
		IS_INT(sfs_option_read_number(&table[i], table[i].fallback,
		                              &value, &err),
		       SFS_OK);
	}
}

static void the_settings_in_force_are_printed(void)
{
	struct sfs_buf text = SFS_BUF_INIT(SFS_TEXT_MAX_BYTES);

	IS_INT(PARSE("-o", "ro,threads=3,noexec,umask=7,refresh=90s", "/src\nx",
	             "/mnt"),
	       SFS_OK);
	sfs_options_print_config(&opts, &text);
	HAS_STR(text.data, "source: /src\\012x\nmountpoint: /mnt\n");
	HAS_STR(text.data, "\nro: true\n");
	HAS_STR(text.data, "\nthreads: 3\n");
	HAS_STR(text.data, "\numask: 007\n");
	HAS_STR(text.data, "\nrefresh: 90s\n");
	HAS_STR(text.data, "\nuid:\n");
	HAS_STR(text.data, "\nref:\n");
	HAS_STR(text.data, "\nkernel_opts: noexec\n");
	OK(strstr(text.data, "\nrw:") == NULL);
	sfs_buf_release(&text);
}

static void no_memory_is_never_success(void)
{
	const char *config = with_config("fsname: x\n");
	unsigned long nth, before;
	enum sfs_rc rc = SFS_E_NO_MEMORY;

	for (nth = 1; nth < 200 && rc != SFS_OK; nth++) {
		sfs_options_release(&opts);
		before = sfs_alloc_fault_count();
		sfs_alloc_fail_nth(nth);
		rc = PARSE("-o", config, "-o", "ref=y,bogus", "/src", "/mnt");
		if (sfs_alloc_fault_count() == before)
			break;
		IS_INT(rc, SFS_E_NO_MEMORY);
	}
	sfs_alloc_fail_nth(0);
	OK(nth > 10);
	IS_INT(rc, SFS_E_INVALID);
	HAS_STR(err.msg, "bogus");
	(void)unlink(config_path);
}

int main(void)
{
	RUN(defaults_are_as_documented);
	RUN(every_form_of_one_option_is_equal);
	RUN(option_lists_are_repeatable_and_the_last_wins);
	RUN(a_comma_in_a_value_is_escaped);
	RUN(times_have_units);
	RUN(numbers_are_read_whole_and_within_range);
	RUN(masks_are_octal);
	RUN(booleans_have_many_words);
	RUN(an_unknown_option_names_the_closest);
	RUN(all_faults_are_reported_at_once);
	RUN(operands_are_two);
	RUN(help_and_version_win_over_faults);
	RUN(short_flags_are_shorthands);
	RUN(the_command_line_beats_environment_beats_file);
	RUN(two_names_of_a_setting_keep_the_precedence);
	RUN(the_environment_is_checked_but_may_hold_other_names);
	RUN(the_file_can_be_named_by_the_environment);
	RUN(faults_of_a_file_have_its_name_and_line);
	RUN(a_file_that_cannot_be_read_is_a_fault);
	RUN(kernel_options_are_passed_on);
	RUN(options_of_fstab_are_accepted);
	RUN(the_mount_helper_takes_mount8_flags);
	RUN(strings_are_checked);
	RUN(the_help_names_every_option_in_80_columns);
	RUN(every_row_can_be_found_and_has_a_valid_default);
	RUN(the_settings_in_force_are_printed);
	RUN(no_memory_is_never_success);
	sfs_options_release(&opts);
	return tap_done();
}
