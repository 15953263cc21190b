/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers with units. Nothing is rounded or cut: what does not fit the form
 * or the range of an option is refused with the form and the range.
 */
#include "config/options.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *suffix;
	int64_t factor;
};

/* From large to small, for printing. */
static const struct unit TIMES[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 },     { "ms", 1 },      { "", 1000 },
};

static const struct unit SIZES[] = {
	{ "g", 1 << 30 },
	{ "m", 1 << 20 },
	{ "k", 1 << 10 },
	{ "", 1 },
};

enum {
	TIMES_COUNT = sizeof(TIMES) / sizeof(TIMES[0]),
	SIZES_COUNT = sizeof(SIZES) / sizeof(SIZES[0]),
};

static const struct unit *units_of(const struct sfs_option *option,
                                   size_t *count)
{
	*count = 0;
	if (option->type == SFS_OPTION_TIME) {
		*count = TIMES_COUNT;
		return TIMES;
	}
	if (option->type == SFS_OPTION_SIZE) {
		*count = SIZES_COUNT;
		return SIZES;
	}
	return NULL;
}

/* Digits from *p on; false: none, or more than an int64 holds. */
static bool read_digits(const char **p, int base, int64_t *value_out)
{
	const char *start = *p;
	int64_t value = 0;

	for (; **p >= '0' && **p < '0' + base; (*p)++) {
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, **p - '0', &value))
			return false;
	}
	*value_out = value;
	return *p > start;
}

static bool apply_unit(const struct sfs_option *option, const char *suffix,
                       int64_t *value)
{
	const struct unit *units;
	size_t count, i;

	units = units_of(option, &count);
	for (i = 0; i < count; i++) {
		if (strcasecmp(units[i].suffix, suffix) == 0)
			return !__builtin_mul_overflow(*value, units[i].factor,
			                               value);
	}
	return suffix[0] == '\0';
}

static const char *form_of(enum sfs_option_type type)
{
	switch (type) {
	case SFS_OPTION_OCTAL:
		return "an octal number";
	case SFS_OPTION_TIME:
		return "a time (units ms, s, m, h, d; else seconds)";
	case SFS_OPTION_SIZE:
		return "a size (units k, m, g of 1024; else bytes)";
	case SFS_OPTION_INT:
	case SFS_OPTION_BOOL:
	case SFS_OPTION_KERNEL:
	case SFS_OPTION_STRING:
	case SFS_OPTION_IGNORED:
		break;
	}
	return "a whole number";
}

static enum sfs_rc refuse(const struct sfs_option *option, struct sfs_err *err)
{
	char least[SFS_OPTION_NUMBER_BYTES], most[SFS_OPTION_NUMBER_BYTES];

	sfs_option_print_number(option, option->min, least);
	sfs_option_print_number(option, option->max, most);
	return sfs_err_set(err, SFS_E_INVALID, "must be %s from %s to %s",
	                   form_of(option->type), least, most);
}

enum sfs_rc sfs_option_read_number(const struct sfs_option *option,
                                   const char *text, int64_t *value_out,
                                   struct sfs_err *err)
{
	bool is_negative = text[0] == '-';
	const char *p = text + is_negative;
	int64_t value;

	if (!read_digits(&p, option->type == SFS_OPTION_OCTAL ? 8 : 10, &value))
		return refuse(option, err);
	if (!apply_unit(option, p, &value))
		return refuse(option, err);
	if (is_negative)
		value = -value;
	if (value < option->min || value > option->max)
		return refuse(option, err);
	*value_out = value;
	return SFS_OK;
}

void sfs_option_print_number(const struct sfs_option *option, int64_t value,
                             char out[SFS_OPTION_NUMBER_BYTES])
{
	const struct unit *units;
	size_t count, i;

	if (option->type == SFS_OPTION_OCTAL) {
		(void)snprintf(out, SFS_OPTION_NUMBER_BYTES, "%03o",
		               (unsigned int)value);
		return;
	}
	units = units_of(option, &count);
	for (i = 0; i < count && value != 0; i++) {
		if (value % units[i].factor != 0)
			continue;
		(void)snprintf(out, SFS_OPTION_NUMBER_BYTES, "%lld%s",
		               (long long)(value / units[i].factor),
		               units[i].suffix);
		return;
	}
	(void)snprintf(out, SFS_OPTION_NUMBER_BYTES, "%lld", (long long)value);
}
