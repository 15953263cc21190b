/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of one command. Options may stand before and behind the
 * arguments, as --name=VALUE or --name VALUE; "--" ends them. Names are taken
 * whole: an abbreviation that means one option today means two tomorrow.
 */
#include "cli/ctl.h"

#include "config/options.h"

#include <string.h>
#include <unistd.h>

static const struct sfs_option TIMEOUT_FORM = {
	.name = "timeout",
	.type = SFS_OPTION_TIME,
	.min = 0,
	.max = INT64_C(366) * 86400000,
};
static const struct sfs_option THREADS_FORM = {
	.name = "threads",
	.type = SFS_OPTION_INT,
	.min = 1,
	.max = SFS_CTL_THREADS_MAX,
};

static enum sfs_rc read_number(const struct sfs_option *form, const char *text,
                               int64_t *out, struct sfs_err *err)
{
	if (sfs_option_read_number(form, text, out, err) == SFS_OK)
		return SFS_OK;
	return sfs_err_wrap(err, "--%s=%s", form->name, text);
}

static enum sfs_rc set_format(struct sfs_ctl_args *a, const char *value,
                              struct sfs_err *err)
{
	a->format = value;
	if (strcmp(value, "json") == 0 || strcmp(value, "kv") == 0)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   "--format=%s: must be json or kv", value);
}

static enum sfs_rc set_run_prefix(struct sfs_ctl_args *a, const char *value,
                                  struct sfs_err *err)
{
	const struct sfs_option *option = sfs_option_find("run_prefix", 10);

	a->run_prefix = value;
	if (option->check(value, err) == SFS_OK)
		return SFS_OK;
	return sfs_err_wrap(err, "--run-prefix=%s", value);
}

static enum sfs_rc set(struct sfs_ctl_args *a, enum sfs_ctl_option_id id,
                       const char *value, struct sfs_err *err)
{
	int64_t number = 0;
	enum sfs_rc rc = SFS_OK;

	switch (id) {
	case SFS_CTL_SNAPSHOT:
		a->snapshot = value;
		break;
	case SFS_CTL_NEWER_THAN:
		a->newer_than = value;
		break;
	case SFS_CTL_TIMEOUT:
		rc = read_number(&TIMEOUT_FORM, value, &a->timeout_ms, err);
		break;
	case SFS_CTL_WAIT:
		a->wait = true;
		break;
	case SFS_CTL_THREADS:
		rc = read_number(&THREADS_FORM, value, &number, err);
		a->threads = (unsigned)number;
		break;
	case SFS_CTL_FORMAT:
		rc = set_format(a, value, err);
		break;
	case SFS_CTL_HEX:
		a->hex = value;
		break;
	case SFS_CTL_RUN_PREFIX:
		rc = set_run_prefix(a, value, err);
		break;
	case SFS_CTL_JSON:
		a->json = true;
		break;
	case SFS_CTL_HELP:
		a->help = true;
		break;
	}
	return rc;
}

static enum sfs_rc unknown(const struct sfs_ctl_command *c, const char *word,
                           size_t len, struct sfs_err *err)
{
	const char *near = sfs_ctl_option_nearest(c, word + 2, len - 2);

	if (near == NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "%s has no option %.*s (see shardyctl %s "
		                   "--help)",
		                   c->name, (int)len, word, c->name);
	return sfs_err_set(err, SFS_E_INVALID,
	                   "%s has no option %.*s; did you mean --%s?", c->name,
	                   (int)len, word, near);
}

/* One "--..."; *i moves on where the value is the next word. */
static enum sfs_rc read_option(struct sfs_ctl_args *a, int argc,
                               char *const argv[], int *i, struct sfs_err *err)
{
	const char *word = argv[*i];
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : NULL;
	const struct sfs_ctl_option *option;

	if (strcmp(word, "-h") == 0)
		return set(a, SFS_CTL_HELP, NULL, err);
	if (word[1] != '-')
		return sfs_err_set(err, SFS_E_INVALID,
		                   "unknown option %s (if it is a name, put -- "
		                   "before it)",
		                   word);
	option = sfs_ctl_option_find(a->command, word + 2, len - 2);
	if (option == NULL)
		return unknown(a->command, word, len, err);
	if (option->value == NULL && value != NULL)
		return sfs_err_set(err, SFS_E_INVALID, "--%s takes no value",
		                   option->name);
	if (option->value != NULL && value == NULL) {
		if (++*i >= argc)
			return sfs_err_set(err, SFS_E_INVALID,
			                   "--%s needs a value: --%s=%s",
			                   option->name, option->name,
			                   option->value);
		value = argv[*i];
	}
	return set(a, option->id, value, err);
}

static enum sfs_rc check(const struct sfs_ctl_args *a, unsigned words,
                         struct sfs_err *err)
{
	if (a->help)
		return SFS_OK;
	if (words < a->command->min_words || words > a->command->max_words)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "usage: shardyctl %s [options] %s",
		                   a->command->name, a->command->arguments);
	if (a->json && a->format != NULL && strcmp(a->format, "json") != 0)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "--json contradicts --format=%s", a->format);
	if (a->snapshot != NULL && a->newer_than != NULL)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "--snapshot and --newer-than exclude each "
		                   "other");
	return SFS_OK;
}

enum sfs_rc sfs_ctl_parse(const struct sfs_ctl_command *command, int argc,
                          char *const argv[], struct sfs_ctl_args *out,
                          struct sfs_err *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct sfs_ctl_args a = { .command = command, .timeout_ms = -1 };
	bool is_ended = false;
	enum sfs_rc rc = SFS_OK;
	unsigned words = 0;

	a.threads = processors < 1                     ? 1
	            : processors > SFS_CTL_THREADS_MAX ? SFS_CTL_THREADS_MAX
	                                               : (unsigned)processors;
	for (int i = 0; rc == SFS_OK && i < argc; i++) {
		if (!is_ended && strcmp(argv[i], "--") == 0) {
			is_ended = true;
		} else if (!is_ended && argv[i][0] == '-' &&
		           argv[i][1] != '\0') {
			rc = read_option(&a, argc, argv, &i, err);
		} else {
			if (words < 2)
				*(words == 0 ? &a.target : &a.word) = argv[i];
			words++;
		}
	}
	if (rc == SFS_OK)
		rc = check(&a, words, err);
	*out = a;
	return rc;
}
