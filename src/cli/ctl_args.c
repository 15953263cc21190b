/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of one command. Options may stand before and behind the
 * arguments, as --name=VALUE or --name VALUE; "--" ends them. Names are taken
 * whole: an abbreviation that means one option today means two tomorrow.
 */
#include "cli/ctl.h"

#include "config/options.h"
#include "format/manifest.h"

#include <string.h>
#include <unistd.h>

enum { YEAR_DAYS = 366, DAY_MS = 86400000, GRACE_DEFAULT_MS = DAY_MS };
enum { KEEP_DEFAULT = 3 };

static const struct sfs_option TIMEOUT_FORM = {
	.name = "timeout",
	.type = SFS_OPTION_TIME,
	.min = 0,
	.max = INT64_C(1) * YEAR_DAYS * DAY_MS,
};
static const struct sfs_option THREADS_FORM = {
	.name = "threads",
	.type = SFS_OPTION_INT,
	.min = 1,
	.max = SFS_CTL_THREADS_MAX,
};
static const struct sfs_option KEEP_FORM = {
	.name = "keep",
	.type = SFS_OPTION_INT,
	.min = 1,
	.max = INT32_MAX,
};
static const struct sfs_option GRACE_FORM = {
	.name = "grace",
	.type = SFS_OPTION_TIME,
	.min = 0,
	.max = INT64_C(10) * YEAR_DAYS * DAY_MS,
};
static const struct sfs_option OLDER_THAN_FORM = {
	.name = "older-than",
	.type = SFS_OPTION_TIME,
	.min = 0,
	.max = INT64_C(10) * YEAR_DAYS * DAY_MS,
};
static const struct sfs_option NUM_DBS_FORM = {
	.name = "num-dbs",
	.type = SFS_OPTION_INT,
	.min = 1,
	.max = SFS_NUM_DBS_MAX,
};
static const struct sfs_option MAX_KEYS_FORM = {
	.name = "max-keys-per-shard",
	.type = SFS_OPTION_INT,
	.min = 1,
	.max = INT64_MAX,
};
static const struct sfs_option BUILD_MEMORY_FORM = {
	.name = "build-memory",
	.type = SFS_OPTION_SIZE,
	.min = 32 << 20,
	.max = INT64_C(1) << 40,
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

static enum sfs_rc repeat(struct sfs_ctl_repeats *list, const char *name,
                          const char *value, struct sfs_err *err)
{
	if (list->count == SFS_CTL_REPEATS_MAX)
		return sfs_err_set(err, SFS_E_INVALID,
		                   "--%s may be given %d times at most", name,
		                   SFS_CTL_REPEATS_MAX);
	list->values[list->count++] = value;
	return SFS_OK;
}

static enum sfs_rc set_page_size(struct sfs_ctl_args *a, const char *value,
                                 struct sfs_err *err)
{
	static const int64_t sizes[] = { 4096, 8192, 16384, 32768, 65536 };
	char text[16];

	a->page_size = 0;
	if (strcmp(value, "auto") == 0)
		return SFS_OK;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)sizes[i]);
		if (strcmp(text, value) != 0)
			continue;
		a->page_size = sizes[i];
		return SFS_OK;
	}
	return sfs_err_set(err, SFS_E_INVALID,
	                   "--page-size=%s: must be auto, 4096, 8192, 16384, "
	                   "32768 or 65536",
	                   value);
}

static enum sfs_rc set_encoding(struct sfs_ctl_args *a, const char *value,
                                struct sfs_err *err)
{
	a->key_encoding = sfs_key_encoding_from_text(value);
	if (a->key_encoding != SFS_KEY_INVALID)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   "--key-encoding=%s: must be u64be, u32be, utf8 or "
	                   "raw",
	                   value);
}

static enum sfs_rc set_on_bad_record(struct sfs_ctl_args *a, const char *value,
                                     struct sfs_err *err)
{
	a->on_bad_record = value;
	if (strcmp(value, "refuse") == 0 || strcmp(value, "skip") == 0)
		return SFS_OK;
	return sfs_err_set(err, SFS_E_INVALID,
	                   "--on-bad-record=%s: must be refuse or skip", value);
}

static enum sfs_rc set_number(struct sfs_ctl_args *a, enum sfs_ctl_option_id id,
                              const char *value, struct sfs_err *err)
{
	const struct sfs_option *form = id == SFS_CTL_KEEP ? &KEEP_FORM
	                                : id == SFS_CTL_NUM_DBS
	                                        ? &NUM_DBS_FORM
	                                        : &MAX_KEYS_FORM;
	int64_t number = 0;
	enum sfs_rc rc = read_number(form, value, &number, err);

	if (id == SFS_CTL_KEEP)
		a->keep = (uint64_t)number;
	else if (id == SFS_CTL_NUM_DBS)
		a->num_dbs = (uint32_t)number;
	else
		a->max_keys_per_shard = (uint64_t)number;
	return rc;
}

/* Plain texts; false: it is none of them. */
static bool set_text(struct sfs_ctl_args *a, enum sfs_ctl_option_id id,
                     const char *value)
{
	const struct {
		enum sfs_ctl_option_id id;
		const char **out;
	} texts[] = {
		{ SFS_CTL_SNAPSHOT, &a->snapshot },
		{ SFS_CTL_NEWER_THAN, &a->newer_than },
		{ SFS_CTL_HEX, &a->hex },
		{ SFS_CTL_INPUT_FORMAT, &a->input_format },
		{ SFS_CTL_CEL, &a->cel },
		{ SFS_CTL_CEL_COLUMNS, &a->cel_columns },
		{ SFS_CTL_ROUTING_VALUES, &a->routing_values },
		{ SFS_CTL_RANGES, &a->ranges },
		{ SFS_CTL_BOUNDS, &a->bounds },
		{ SFS_CTL_BASE, &a->base },
		{ SFS_CTL_MESSAGE, &a->message },
		{ SFS_CTL_TAG, &a->tag },
		{ SFS_CTL_URL, &a->url },
		{ SFS_CTL_STAGING_DIR, &a->staging_dir },
		{ SFS_CTL_COLUMNS, &a->column_types },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].id != id)
			continue;
		*texts[i].out = value;
		return true;
	}
	return false;
}

/* Options without a value; false: it is none of them. */
static bool set_flag(struct sfs_ctl_args *a, enum sfs_ctl_option_id id)
{
	const struct {
		enum sfs_ctl_option_id id;
		bool *out;
	} flags[] = {
		{ SFS_CTL_WAIT, &a->wait },
		{ SFS_CTL_DELETE_TAG, &a->is_delete },
		{ SFS_CTL_DELETE, &a->is_delete },
		{ SFS_CTL_JSON, &a->json },
		{ SFS_CTL_HELP, &a->help },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (flags[i].id != id)
			continue;
		*flags[i].out = true;
		return true;
	}
	return false;
}

/* Numbers, sizes and times. */
static enum sfs_rc set_quantity(struct sfs_ctl_args *a,
                                enum sfs_ctl_option_id id, const char *value,
                                struct sfs_err *err)
{
	int64_t number = 0;
	enum sfs_rc rc;

	if (id == SFS_CTL_TIMEOUT)
		return read_number(&TIMEOUT_FORM, value, &a->timeout_ms, err);
	if (id == SFS_CTL_GRACE)
		return read_number(&GRACE_FORM, value, &a->grace_ms, err);
	if (id == SFS_CTL_BUILD_MEMORY)
		return read_number(&BUILD_MEMORY_FORM, value, &a->build_memory,
		                   err);
	if (id == SFS_CTL_OLDER_THAN)
		return read_number(&OLDER_THAN_FORM, value, &a->older_than_ms,
		                   err);
	if (id != SFS_CTL_THREADS)
		return set_number(a, id, value, err);
	rc = read_number(&THREADS_FORM, value, &number, err);
	a->threads = (unsigned)number;
	return rc;
}

static enum sfs_rc set(struct sfs_ctl_args *a, enum sfs_ctl_option_id id,
                       const char *value, struct sfs_err *err)
{
	if (set_flag(a, id) || set_text(a, id, value))
		return SFS_OK;
	if (id == SFS_CTL_FORMAT)
		return set_format(a, value, err);
	if (id == SFS_CTL_RUN_PREFIX)
		return set_run_prefix(a, value, err);
	if (id == SFS_CTL_PIN)
		return repeat(&a->pins, "pin", value, err);
	if (id == SFS_CTL_FROM)
		return repeat(&a->from, "from", value, err);
	if (id == SFS_CTL_COLUMN)
		return repeat(&a->columns, "column", value, err);
	if (id == SFS_CTL_KEY_ENCODING)
		return set_encoding(a, value, err);
	if (id == SFS_CTL_PAGE_SIZE)
		return set_page_size(a, value, err);
	if (id == SFS_CTL_ON_BAD_RECORD)
		return set_on_bad_record(a, value, err);
	return set_quantity(a, id, value, err);
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

static void add_word(struct sfs_ctl_args *a, unsigned number, const char *word)
{
	const char **words[SFS_CTL_WORDS_MAX] = { &a->target, &a->word,
		                                  &a->word3 };

	if (number < SFS_CTL_WORDS_MAX)
		*words[number] = word;
}

enum sfs_rc sfs_ctl_parse(const struct sfs_ctl_command *command, int argc,
                          char *const argv[], struct sfs_ctl_args *out,
                          struct sfs_err *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct sfs_ctl_args *a = out;
	bool is_ended = false;
	enum sfs_rc rc = SFS_OK;
	unsigned words = 0;

	*a = (struct sfs_ctl_args){ .command = command,
		                    .timeout_ms = -1,
		                    .keep = KEEP_DEFAULT,
		                    .grace_ms = GRACE_DEFAULT_MS,
		                    .page_size = -1,
		                    .older_than_ms = -1 };
	a->threads = processors < 1                     ? 1
	             : processors > SFS_CTL_THREADS_MAX ? SFS_CTL_THREADS_MAX
	                                                : (unsigned)processors;
	for (int i = 0; rc == SFS_OK && i < argc; i++) {
		if (!is_ended && strcmp(argv[i], "--") == 0) {
			is_ended = true;
		} else if (!is_ended && argv[i][0] == '-' &&
		           argv[i][1] != '\0') {
			rc = read_option(a, argc, argv, &i, err);
		} else {
			add_word(a, words++, argv[i]);
		}
	}
	if (rc == SFS_OK)
		rc = check(a, words, err);
	return rc;
}
