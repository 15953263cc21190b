/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathers the settings of one run. The sources are read from the strongest
 * to the weakest, because the command line names the configuration file; a
 * setting is stored unless a stronger source has stored it. Every value is
 * checked even where it does not count, and faults are collected until the
 * end, so that one run shows all of them.
 */
#include "config/options_set.h"

#include "base/alloc.h"
#include "config/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FAULTS_MAX_BYTES = 64 << 10, CONFIG_MAX_BYTES = 1 << 20 };

#define ENVIRONMENT_PREFIX "SHARDYFS_"

/* "name" or "name=value", NUL-terminated, from the command line. */
static void set_from_text(struct sfs_options_parser *p, const char *text,
                          const char *place)
{
	struct sfs_setting s = { .origin = SFS_ORIGIN_COMMAND_LINE,
		                 .place = place };
	const char *equals = strchr(text, '=');

	s.name = text;
	s.name_len = strlen(text);
	if (equals != NULL) {
		s.name_len = (size_t)(equals - text);
		s.value = equals + 1;
	}
	sfs_setting_apply_named(p, &s);
}

/*
 * Ends the first item of a list "a,b=c\,d" and takes its escapes away; "\,"
 * and "\\" are escapes, every other '\' is itself. NULL behind the last item.
 */
static char *split_item(char *item)
{
	char *from = item, *to = item;

	while (*from != '\0' && *from != ',') {
		if (from[0] == '\\' && (from[1] == ',' || from[1] == '\\'))
			from++;
		*to++ = *from++;
	}
	if (*from == '\0') {
		*to = '\0';
		return NULL;
	}
	*to = '\0';
	return from + 1;
}

static void read_list(struct sfs_options_parser *p, const char *list)
{
	char *copy = sfs_strdup(list);
	char *item = copy, *next;

	if (copy == NULL) {
		p->is_out_of_memory = true;
		return;
	}
	for (; item != NULL; item = next) {
		next = split_item(item);
		if (item[0] != '\0')
			set_from_text(p, item, "-o ");
	}
	sfs_free(copy);
}

/* Short options that take no argument. */
static void read_flag(struct sfs_options_parser *p, char flag)
{
	bool is_helper = p->o->is_mount_helper;

	if (flag == 'h')
		p->o->show_help = true;
	else if (flag == 'V')
		p->o->show_version = true;
	else if (flag == 'f' && is_helper)
		p->o->fake = true;
	else if (flag == 'v' && is_helper)
		p->o->is_verbose = true;
	else if ((flag == 's' || flag == 'n') && is_helper)
		return; /* -s was seen before; there is no mtab */
	else if (flag == 'f' || flag == 'd')
		p->o->foreground = true;
	else if (flag == 's')
		set_from_text(p, "threads=1", "-s: ");
	else
		sfs_options_fault(p, "-%c: no such option; --help lists them",
		                  flag);
	if (flag == 'd' && !is_helper)
		set_from_text(p, "log_level=debug", "-d: ");
}

static void take_argument(struct sfs_options_parser *p, char flag,
                          const char *value)
{
	if (flag == 'o')
		read_list(p, value);
	else if (flag == 'N')
		sfs_options_fault(
			p,
			"-N %s: mounting into another namespace is not "
			"supported; use nsenter(1)",
			value);
	/* -t is the type by which mount(8) found this program */
}

/*
 * A word of short options. Returns how many words after it were used: one if
 * it ends in an option whose argument is the next word.
 */
static int read_short(struct sfs_options_parser *p, const char *word,
                      const char *next)
{
	const char *with_argument = p->o->is_mount_helper ? "oNt" : "o";
	size_t i;

	for (i = 1; word[i] != '\0'; i++) {
		if (strchr(with_argument, word[i]) == NULL) {
			read_flag(p, word[i]);
			continue;
		}
		if (word[i + 1] != '\0') {
			take_argument(p, word[i], word + i + 1);
			return 0;
		}
		if (next == NULL) {
			sfs_options_fault(p, "-%c: needs an argument", word[i]);
			return 0;
		}
		take_argument(p, word[i], next);
		return 1;
	}
	return 0;
}

static void read_long(struct sfs_options_parser *p, const char *text)
{
	if (strcmp(text, "help") == 0)
		p->o->show_help = true;
	else if (strcmp(text, "version") == 0)
		p->o->show_version = true;
	else
		set_from_text(p, text, "--");
}

static void read_operand(struct sfs_options_parser *p, const char *word)
{
	struct sfs_options *o = p->o;

	if (word[0] == '\0')
		sfs_options_fault(p, "SOURCE and MOUNTPOINT must not be empty");
	else if (o->source == NULL)
		sfs_options_replace_string(p, &o->source, word);
	else if (o->mountpoint == NULL)
		sfs_options_replace_string(p, &o->mountpoint, word);
	else
		sfs_options_fault(p, "%s: one argument too many", word);
}

static void read_command_line(struct sfs_options_parser *p, int argc,
                              char *const argv[])
{
	bool is_operand = false;
	const char *next;
	int i;

	for (i = 1; i < argc; i++) {
		next = i + 1 < argc ? argv[i + 1] : NULL;
		if (is_operand || argv[i][0] != '-' || argv[i][1] == '\0')
			read_operand(p, argv[i]);
		else if (strcmp(argv[i], "--") == 0)
			is_operand = true;
		else if (argv[i][1] == '-')
			read_long(p, argv[i] + 2);
		else
			i += read_short(p, argv[i], next);
	}
}

/*
 * mount(8) gives -s at any place, and -o may come before it, so it is looked
 * for first. A word such as "-os" is an option list.
 */
static bool has_sloppy_flag(int argc, char *const argv[])
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (argv[i][0] != '-' || argv[i][1] == '-')
			continue;
		if (argv[i][1 + strcspn(argv[i] + 1, "soNt")] == 's')
			return true;
	}
	return false;
}

/* The name of a variable as that of an option; false if it is none of ours. */
static bool fold_variable(const char *variable, char *name, size_t cap)
{
	size_t prefix_len = strlen(ENVIRONMENT_PREFIX);
	size_t i;

	if (strncmp(variable, ENVIRONMENT_PREFIX, prefix_len) != 0)
		return false;
	variable += prefix_len;
	for (i = 0; variable[i] != '='; i++) {
		if (variable[i] == '\0' || i + 1 >= cap)
			return false;
		name[i] = (char)tolower((unsigned char)variable[i]);
	}
	name[i] = '\0';
	return i > 0;
}

/*
 * Unknown names are not faults here: scripts may keep variables of their own
 * under the prefix. An empty value is as if the variable were unset.
 */
static void read_environment(struct sfs_options_parser *p,
                             char *const environment[])
{
	struct sfs_setting s = { .origin = SFS_ORIGIN_ENVIRONMENT };
	const struct sfs_option *option;
	char name[64], place[96];

	for (; environment != NULL && *environment != NULL; environment++) {
		if (!fold_variable(*environment, name, sizeof(name)))
			continue;
		s.name = name;
		s.name_len = strlen(name);
		s.value = strchr(*environment, '=') + 1;
		option = sfs_option_find(s.name, s.name_len);
		if (option == NULL || s.value[0] == '\0')
			continue;
		(void)snprintf(place, sizeof(place),
		               "%.*s: ", (int)(s.value - *environment - 1),
		               *environment);
		s.place = place;
		sfs_setting_apply(p, option, &s);
	}
}

static enum sfs_rc read_all(int fd, struct sfs_buf *text, const char *path,
                            struct sfs_err *err)
{
	enum { STEP = 4096 };
	ssize_t got = 1;
	void *room;

	while (got != 0) {
		room = sfs_buf_reserve(text, STEP);
		if (room == NULL)
			break;
		got = read(fd, room, STEP);
		if (got > 0)
			text->len += (size_t)got;
		else if (got < 0 && errno != EINTR)
			return sfs_err_sys(err, errno, "%s", path);
	}
	return sfs_buf_finish(text, path, err);
}

static enum sfs_rc set_from_pair(void *arg, const struct sfs_yaml_pair *pair,
                                 struct sfs_err *err)
{
	struct sfs_options_parser *p = arg;
	char place[SFS_ERR_MSG_BYTES / 2];
	struct sfs_setting s = {
		.origin = SFS_ORIGIN_FILE,
		.place = place,
		.name = pair->key,
		.name_len = strlen(pair->key),
		.value = pair->value,
	};

	(void)err; /* a fault does not end the reading */
	(void)snprintf(place, sizeof(place), "%s:%u: ", p->path, pair->line);
	if (pair->value == NULL)
		sfs_setting_refuse(p, &s, "must be a single value");
	else if (strcmp(pair->key, "config") == 0)
		sfs_setting_refuse(p, &s,
		                   "a configuration file cannot name another");
	else
		sfs_setting_apply_named(p, &s);
	return SFS_OK;
}

static enum sfs_rc load_file(struct sfs_options_parser *p, struct sfs_err *err)
{
	struct sfs_buf text = SFS_BUF_INIT(CONFIG_MAX_BYTES);
	enum sfs_rc rc;
	int fd;

	fd = open(p->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sfs_err_sys(err, errno, "%s", p->path);
	rc = read_all(fd, &text, p->path, err);
	(void)close(fd); /* was only read */
	if (rc == SFS_OK) {
		rc = sfs_yaml_read(text.data != NULL ? text.data : "", text.len,
		                   set_from_pair, p, err);
		if (rc != SFS_OK)
			(void)sfs_err_wrap(err, "%s", p->path);
	}
	sfs_buf_release(&text);
	return rc;
}

static void read_file(struct sfs_options_parser *p)
{
	struct sfs_err why;
	enum sfs_rc rc;

	p->path = p->o->config;
	if (p->path == NULL)
		return;
	rc = load_file(p, &why);
	if (rc == SFS_E_NO_MEMORY)
		p->is_out_of_memory = true;
	else if (rc != SFS_OK)
		sfs_options_fault(p, "config=%s", why.msg);
}

/* The verdict over everything that was read. */
static enum sfs_rc conclude(struct sfs_options_parser *p, struct sfs_err *err)
{
	const struct sfs_buf *faults = &p->o->faults;

	if (p->is_out_of_memory || faults->failed == SFS_E_NO_MEMORY)
		return sfs_err_set(err, SFS_E_NO_MEMORY,
		                   "no memory for the options");
	if (p->fault_count == 0)
		return SFS_OK;
	if (p->fault_count == 1)
		return sfs_err_set(err, SFS_E_INVALID, "%.*s",
		                   (int)(faults->len - 1), faults->data);
	return sfs_err_set(err, SFS_E_INVALID, "%.*s (and %u more)",
	                   (int)strcspn(faults->data, "\n"), faults->data,
	                   p->fault_count - 1);
}

static bool is_helper_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strncmp(slash != NULL ? slash + 1 : path, "mount.", 6) == 0;
}

enum sfs_rc sfs_options_parse(int argc, char *const argv[],
                              char *const environment[],
                              struct sfs_options *out, struct sfs_err *err)
{
	struct sfs_options_parser p = { .o = out };

	memset(out, 0, sizeof(*out));
	sfs_buf_init(&out->faults, FAULTS_MAX_BYTES);
	out->is_mount_helper = argc > 0 && is_helper_name(argv[0]);
	out->is_sloppy = out->is_mount_helper && has_sloppy_flag(argc, argv);
	sfs_options_set_defaults(&p);
	read_command_line(&p, argc, argv);
	if (out->show_help || out->show_version) {
		sfs_buf_reset(&out->faults);
		p.fault_count = 0;
		return conclude(&p, err);
	}
	read_environment(&p, environment);
	read_file(&p);
	if (out->source == NULL || out->mountpoint == NULL)
		sfs_options_fault(
			&p,
			"SOURCE and MOUNTPOINT are needed; --help tells more");
	sfs_options_compose_kernel_opts(&p);
	return conclude(&p, err);
}
